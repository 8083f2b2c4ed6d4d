/* AVX2: additions, gates, pools and the conversion of images. */
#include "avx2.h"

#include "../../plan.h"
#include "../portable.h"
#include "../runs.h"

/* Eight values as int32. */
INLINE __m256i widen(const uint8_t *from) { return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)from)); }

INLINE __m256 to_float(const uint8_t *from) { return _mm256_cvtepi32_ps(widen(from)); }

INLINE __m256i add_8(const uint8_t *a, const uint8_t *b, __m256 factor_a, __m256 factor_b, __m256 factor_c)
{
    __m256 sum = _mm256_fmadd_ps(to_float(a), factor_a, _mm256_fmadd_ps(to_float(b), factor_b, factor_c));
    return _mm256_cvtps_epi32(sum);
}

/* `bytes`, a multiple of 16. */
static void add_run(const struct kernel *k, const struct ending *ending, const uint8_t *a, const uint8_t *b,
                    uint8_t *out, size_t bytes)
{
    __m256 fa = _mm256_set1_ps(k->factor_a), fb = _mm256_set1_ps(k->factor_b), fc = _mm256_set1_ps(k->factor_c);
    size_t i = 0;
    for (; i + 32 <= bytes; i += 32) {
        __m256i q[4];
        UNROLL for (int j = 0; j < 4; j++) q[j] = add_8(a + i + 8 * j, b + i + 8 * j, fa, fb, fc);
        store_32(out + i, pack_in_order(q[0], q[1], q[2], q[3], ending));
    }
    if (i < bytes) {
        __m256i q = add_8(a + i, b + i, fa, fb, fc), r = add_8(a + i + 8, b + i + 8, fa, fb, fc);
        store_16(out + i, _mm256_castsi256_si128(pack_in_order(q, r, q, r, ending)));
    }
}

void avx2_add(const struct kernel *k)
{
    struct ending ending = ending_without_zero_point(k);
    struct runs runs = runs_of(k);
    for (int row = 0; row < runs.rows; row++)
        add_run(k, &ending, k->in[row], k->other[row], k->out[row], runs.bytes);
    for (int row = 0; runs.bytes == 0 && row < k->rows; row++)
        for (int x = 0; x < k->width; x++)
            add_run(k, &ending, k->in[row] + x * k->in_pitch, k->other[row] + x * k->other_pitch,
                    k->out[row] + x * k->out_pitch, (size_t)k->output_channels);
    avx2_look_up(k);
}

/* What all products of one call share. */
struct product {
    __m256 zero_a, zero_b, factor, term;
};

/* Eight of (x - z0) * (gate - z1), floats that hold integers, scaled. */
INLINE __m256i multiply_8(const uint8_t *a, __m256 gate, const struct product *product)
{
    __m256 whole = _mm256_mul_ps(_mm256_sub_ps(to_float(a), product->zero_a), gate);
    return _mm256_cvtps_epi32(_mm256_add_ps(_mm256_mul_ps(whole, product->factor), product->term));
}

/* 16 channels of all pixels of a row; `gates` are of the first pixel, `step` bytes apart. */
INLINE void multiply_row(const struct kernel *k, const struct product *product, const struct ending *ending, int row,
                         int c, const uint8_t *gates, size_t step)
{
    for (int x = 0; x < k->width; x++, gates += step) {
        const uint8_t *a = k->in[row] + x * k->in_pitch + c;
        __m256i low = multiply_8(a, _mm256_sub_ps(to_float(gates), product->zero_b), product);
        __m256i high = multiply_8(a + 8, _mm256_sub_ps(to_float(gates + 8), product->zero_b), product);
        store_16(k->out[row] + x * k->out_pitch + c,
                 _mm256_castsi256_si128(pack_in_order(low, high, low, high, ending)));
    }
}

void avx2_multiply(const struct kernel *k)
{
    struct ending ending = ending_without_zero_point(k);
    struct product product = {_mm256_set1_ps((float)k->zero_point_a), _mm256_set1_ps((float)k->zero_point_b),
                              _mm256_set1_ps(k->factor_a), _mm256_set1_ps(k->factor_c)};
    for (int row = 0; row < k->rows; row++)
        for (int c = 0; c < k->output_channels; c += 16) {
            if (k->detail)
                multiply_row(k, &product, &ending, row, c, k->other[0] + c, 0);
            else
                multiply_row(k, &product, &ending, row, c, k->other[row] + c, k->other_pitch);
        }
    avx2_look_up(k);
}

/* 16 sums less `zeros`, scaled and stored. */
INLINE void store_mean(uint8_t *out, __m256i low, __m256i high, __m256i zeros, __m256 factor,
                       const struct ending *ending)
{
    low = requantise(_mm256_sub_epi32(low, zeros), factor);
    high = requantise(_mm256_sub_epi32(high, zeros), factor);
    store_16(out, _mm256_castsi256_si128(pack_in_order(low, high, low, high, ending)));
}

void avx2_global_pool(const struct kernel *k)
{
    struct ending ending = ending_of(k);
    __m256 factor = _mm256_set1_ps(k->factor_a);
    __m256i zeros = _mm256_set1_epi32(k->in_height * k->in_width * k->zero_point_a);
    for (int c = 0; c < k->output_channels; c += 16) {
        __m256i low = _mm256_setzero_si256(), high = low;
        for (int row = 0; row < k->in_height; row++)
            for (int x = 0; x < k->in_width; x++) {
                low = _mm256_add_epi32(low, widen(k->in[row] + x * k->in_pitch + c));
                high = _mm256_add_epi32(high, widen(k->in[row] + x * k->in_pitch + c + 8));
            }
        store_mean(k->out[0] + c, low, high, zeros, factor, &ending);
    }
    avx2_look_up(k);
}

void avx2_max_pool(const struct kernel *k)
{
    struct ending ending = ending_of(k);
    for (int row = 0; row < k->rows; row++)
        for (int x = 0; x < k->width; x++)
            for (int c = 0; c < k->output_channels; c += 32) {
                __m256i most = ending.low;
                for (int ky = 0; ky < k->kernel_h; ky++) {
                    const uint8_t *in = tap(k, row, x, c, ky * k->kernel_w);
                    for (int kx = 0; kx < k->kernel_w; kx++, in += k->dilation_w * k->in_pitch)
                        most = _mm256_max_epu8(most, load_32(in));
                }
                most = _mm256_min_epu8(most, ending.high);
                uint8_t *out = k->out[row] + x * k->out_pitch + c;
                if (k->output_channels - c >= 32)
                    store_32(out, most);
                else
                    store_16(out, _mm256_castsi256_si128(most));
            }
    avx2_look_up(k);
}

/* Eight pixels of one plane, `left` of them in the image. */
INLINE __m256i quantise_8(const float *from, __m256i mask, __m256 scale, __m256i zero_point)
{
    __m256 x = _mm256_div_ps(_mm256_maskload_ps(from, mask), scale);
    /* In this order NaN stays, and its integer is the least. */
    __m256i q = _mm256_add_epi32(_mm256_cvtps_epi32(_mm256_min_ps(_mm256_set1_ps(1e6f), x)), zero_point);
    return _mm256_min_epi32(_mm256_max_epi32(q, _mm256_setzero_si256()), _mm256_set1_epi32(255));
}

/* Images of at most four channels with pixels of 4 bytes; others are rare and portable's. */
void avx2_quantise(const struct kernel *k)
{
    if (k->byte_in || k->channels > 4 || k->out_pitch != 4 || k->table || k->low > 0 || k->high < 255) {
        portable_family.function[OP_QUANTISE](k);
        return;
    }
    __m256 scale = _mm256_set1_ps(k->factor_a);
    __m256i zero_point = _mm256_set1_epi32(k->zero_point);
    const __m256i places = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    for (int row = 0; row < k->rows; row++)
        for (int x = 0; x < k->width; x += 8) {
            __m256i mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(k->width - x), places);
            __m256i pixels = _mm256_setzero_si256();
            for (int c = 0; c < k->channels; c++) {
                const float *from = k->float_in + c * k->in_plane + (size_t)row * k->in_width + x;
                __m256i plane = quantise_8(from, mask, scale, zero_point);
                pixels = _mm256_or_si256(pixels, _mm256_sllv_epi32(plane, _mm256_set1_epi32(8 * c)));
            }
            _mm256_maskstore_epi32((int *)(k->out[row] + 4 * x), mask, pixels);
        }
}
