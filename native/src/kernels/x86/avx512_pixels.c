/* AVX-512: additions, gates, pools, tables and the conversion of images. */
#include "avx512.h"

#include "../../plan.h"
#include "../portable.h"
#include "../runs.h"

INLINE __m512i widen(const uint8_t *from) { return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)from)); }

INLINE __m512 to_float(const uint8_t *from) { return _mm512_cvtepi32_ps(widen(from)); }

INLINE __m512i add_16(const uint8_t *a, const uint8_t *b, __m512 factor_a, __m512 factor_b, __m512 factor_c)
{
    __m512 sum = _mm512_fmadd_ps(to_float(a), factor_a, _mm512_fmadd_ps(to_float(b), factor_b, factor_c));
    return _mm512_cvtps_epi32(sum);
}

/* `bytes`, a multiple of 16. */
static void add_run(const struct kernel *k, const struct ending *ending, const uint8_t *a, const uint8_t *b,
                    uint8_t *out, size_t bytes)
{
    __m512 fa = _mm512_set1_ps(k->factor_a), fb = _mm512_set1_ps(k->factor_b), fc = _mm512_set1_ps(k->factor_c);
    size_t i = 0;
    for (; i + 64 <= bytes; i += 64) {
        __m512i q[4];
        UNROLL for (int j = 0; j < 4; j++) q[j] = add_16(a + i + 16 * j, b + i + 16 * j, fa, fb, fc);
        _mm512_storeu_si512(out + i, pack_in_order(q[0], q[1], q[2], q[3], ending));
    }
    for (; i < bytes; i += 16) {
        __m512i q = add_16(a + i, b + i, fa, fb, fc);
        _mm_storeu_si128((__m128i *)(out + i), _mm512_castsi512_si128(pack_in_order(q, q, q, q, ending)));
    }
}

void avx512_add(const struct kernel *k)
{
    struct ending ending = ending_of(k);
    ending.shifted = false; /* factor_c has the zero point */
    struct runs runs = runs_of(k);
    for (int row = 0; row < runs.rows; row++)
        add_run(k, &ending, k->in[row], k->other[row], k->out[row], runs.bytes);
    for (int row = 0; runs.bytes == 0 && row < k->rows; row++)
        for (int x = 0; x < k->width; x++)
            add_run(k, &ending, k->in[row] + x * k->in_pitch, k->other[row] + x * k->other_pitch,
                    k->out[row] + x * k->out_pitch, (size_t)k->output_channels);
}

/* 16 products of (x - z0) and `gate`, floats that hold integers. */
INLINE __m512i multiply_16(const uint8_t *a, __m512 gate, __m512 zero, __m512 factor, __m512 term)
{
    __m512 product = _mm512_mul_ps(_mm512_sub_ps(to_float(a), zero), gate);
    return _mm512_cvtps_epi32(_mm512_add_ps(_mm512_mul_ps(product, factor), term));
}

void avx512_multiply(const struct kernel *k)
{
    struct ending ending = ending_of(k);
    ending.shifted = false; /* factor_c has the zero point */
    __m512 factor = _mm512_set1_ps(k->factor_a), term = _mm512_set1_ps(k->factor_c);
    __m512 zero_a = _mm512_set1_ps((float)k->zero_point_a), zero_b = _mm512_set1_ps((float)k->zero_point_b);
    for (int c = 0; c < k->output_channels; c += 64) {
        int parts = (k->output_channels - c) / 16;
        parts = parts > 4 ? 4 : parts;
        __m512 gate[4];
        for (int j = 0; j < 4; j++)
            gate[j] = k->detail && j < parts ? _mm512_sub_ps(to_float(k->other[0] + c + 16 * j), zero_b) : zero_b;
        for (int row = 0; row < k->rows; row++)
            for (int x = 0; x < k->width; x++) {
                const uint8_t *a = k->in[row] + x * k->in_pitch + c;
                __m512i q[4];
                UNROLL for (int j = 0; j < 4; j++)
                {
                    if (!k->detail && j < parts)
                        gate[j] = _mm512_sub_ps(to_float(k->other[row] + x * k->other_pitch + c + 16 * j), zero_b);
                    q[j] = j < parts ? multiply_16(a + 16 * j, gate[j], zero_a, factor, term) : _mm512_setzero_si512();
                }
                __mmask64 mask = parts == 4 ? ~(__mmask64)0 : ((__mmask64)1 << (16 * parts)) - 1;
                _mm512_mask_storeu_epi8(k->out[row] + x * k->out_pitch + c, mask,
                                        pack_in_order(q[0], q[1], q[2], q[3], &ending));
            }
    }
}

/* Adds four pixels of 64 channels to the sums, which are in the order of unpacked bytes; NULL: none. */
INLINE void sum_four(__m512i *sums, const uint8_t *const *pixels, __mmask64 mask)
{
    const __m512i ones = _mm512_set1_epi8(1);
    __m512i p[4];
    UNROLL for (int i = 0; i < 4; i++)
        p[i] = pixels[i] ? _mm512_maskz_loadu_epi8(mask, pixels[i]) : _mm512_setzero_si512();
    __m512i a = _mm512_unpacklo_epi8(p[0], p[1]), b = _mm512_unpacklo_epi8(p[2], p[3]);
    __m512i c = _mm512_unpackhi_epi8(p[0], p[1]), d = _mm512_unpackhi_epi8(p[2], p[3]);
    sums[0] = _mm512_dpbusd_epi32(sums[0], _mm512_unpacklo_epi16(a, b), ones);
    sums[1] = _mm512_dpbusd_epi32(sums[1], _mm512_unpackhi_epi16(a, b), ones);
    sums[2] = _mm512_dpbusd_epi32(sums[2], _mm512_unpacklo_epi16(c, d), ones);
    sums[3] = _mm512_dpbusd_epi32(sums[3], _mm512_unpackhi_epi16(c, d), ones);
}

void avx512_global_pool(const struct kernel *k)
{
    struct ending ending = ending_of(k);
    __m512 factor = _mm512_set1_ps(k->factor_a);
    __m512i zeros = _mm512_set1_epi32(-k->in_height * k->in_width * k->zero_point_a);
    for (int c = 0; c < k->output_channels; c += 64) {
        int left = k->output_channels - c;
        __mmask64 mask = left >= 64 ? ~(__mmask64)0 : ((__mmask64)1 << left) - 1;
        __m512i sums[4] = {zeros, zeros, zeros, zeros};
        for (int row = 0; row < k->in_height; row++)
            for (int x = 0; x < k->in_width; x += 4) {
                const uint8_t *four[4];
                for (int i = 0; i < 4; i++)
                    four[i] = x + i < k->in_width ? k->in[row] + (x + i) * k->in_pitch + c : NULL;
                sum_four(sums, four, mask);
            }
        UNROLL for (int i = 0; i < 4; i++) sums[i] = requantise(sums[i], factor);
        _mm512_mask_storeu_epi8(k->out[0] + c, mask, pack_lanes(sums[0], sums[1], sums[2], sums[3], &ending));
    }
}

void avx512_table(const struct kernel *k)
{
    for (int row = 0; row < k->rows; row++)
        for (int x = 0; x < k->width; x++) {
            const uint8_t *in = k->in[row] + x * k->in_pitch;
            uint8_t *out = k->out[row] + x * k->out_pitch;
            for (int c = 0; c < k->output_channels; c += 64) {
                int left = k->output_channels - c;
                __mmask64 mask = left >= 64 ? ~(__mmask64)0 : ((__mmask64)1 << left) - 1;
                __m512i bytes = _mm512_maskz_loadu_epi8(mask, in + c);
                bytes = _mm512_min_epu8(_mm512_max_epu8(bytes, _mm512_set1_epi8((char)k->low)),
                                        _mm512_set1_epi8((char)k->high));
                _mm512_mask_storeu_epi8(out + c, mask, k->table ? look_up(bytes, k->table) : bytes);
            }
        }
}

void avx512_max_pool(const struct kernel *k)
{
    struct ending ending = ending_of(k);
    for (int row = 0; row < k->rows; row++)
        for (int x = 0; x < k->width; x++)
            for (int c = 0; c < k->output_channels; c += 64) {
                int left = k->output_channels - c;
                __mmask64 mask = left >= 64 ? ~(__mmask64)0 : ((__mmask64)1 << left) - 1;
                __m512i most = _mm512_setzero_si512();
                for (int ky = 0; ky < k->kernel_h; ky++) {
                    const uint8_t *in = tap(k, row, x, c, ky * k->kernel_w);
                    for (int kx = 0; kx < k->kernel_w; kx++, in += k->dilation_w * k->in_pitch)
                        most = _mm512_max_epu8(most, _mm512_maskz_loadu_epi8(mask, in));
                }
                most = _mm512_min_epu8(_mm512_max_epu8(most, ending.low), ending.high);
                _mm512_mask_storeu_epi8(k->out[row] + x * k->out_pitch + c, mask,
                                        ending.table ? look_up(most, ending.table) : most);
            }
}

/* 16 pixels of one plane. (A product with the inverse and two corrections is exact, too,
 * but no faster.) The least of two keeps a NaN, which becomes 0. */
INLINE __m512i quantise_16(const float *from, __mmask16 mask, __m512 scale, __m512i zero_point)
{
    const __m512 most = _mm512_set1_ps(1e6f); /* first: then NaN stays, and its integer is the least */
    __m512 x = _mm512_div_ps(_mm512_maskz_loadu_ps(mask, from), scale);
    __m512i q = _mm512_add_epi32(_mm512_cvtps_epi32(_mm512_min_ps(most, x)), zero_point);
    return _mm512_min_epi32(_mm512_max_epi32(q, _mm512_setzero_si512()), _mm512_set1_epi32(255));
}

/* Images of at most four channels with pixels of 4 bytes; others are rare and portable's. */
void avx512_quantise(const struct kernel *k)
{
    if (k->byte_in || k->channels > 4 || k->out_pitch != 4 || k->table || k->low > 0 || k->high < 255) {
        portable_family.function[OP_QUANTISE](k);
        return;
    }
    __m512 scale = _mm512_set1_ps(k->factor_a);
    __m512i zero_point = _mm512_set1_epi32(k->zero_point);
    for (int row = 0; row < k->rows; row++)
        for (int x = 0; x < k->width; x += 16) {
            int left = k->width - x;
            __mmask16 mask = left >= 16 ? 0xffff : (__mmask16)((1 << left) - 1);
            __m512i pixels = _mm512_setzero_si512();
            for (int c = 0; c < k->channels; c++) {
                const float *from = k->float_in + c * k->in_plane + (size_t)row * k->in_width + x;
                __m512i plane = quantise_16(from, mask, scale, zero_point);
                pixels = _mm512_or_si512(pixels, _mm512_sllv_epi32(plane, _mm512_set1_epi32(8 * c)));
            }
            _mm512_mask_storeu_epi32(k->out[row] + 4 * x, mask, pixels);
        }
}
