/* WebAssembly: additions, gates, pools and the conversion of images. */
#include "simd128.h"

#include "../portable.h"
#include "../runs.h"

/* Four of 16 values as int32. */
INLINE v128_t widen(v128_t bytes, const int part)
{
    v128_t shorts = part < 2 ? wasm_u16x8_extend_low_u8x16(bytes) : wasm_u16x8_extend_high_u8x16(bytes);
    return part % 2 ? wasm_u32x4_extend_high_u16x8(shorts) : wasm_u32x4_extend_low_u16x8(shorts);
}

INLINE v128_t to_float(v128_t bytes, const int part) { return wasm_f32x4_convert_i32x4(widen(bytes, part)); }

/* The factors of an addition, as float64. */
struct sum {
    v128_t a, b, c;
};

/* fma(x, a, fma(y, b, c)) of two values, whose inner and outer result are rounded to float32 once. */
INLINE v128_t add_2(v128_t x, v128_t y, const struct sum *sum)
{
    v128_t inner = wasm_f64x2_add(wasm_f64x2_mul(wasm_f64x2_convert_low_i32x4(y), sum->b), sum->c);
    inner = wasm_f64x2_promote_low_f32x4(wasm_f32x4_demote_f64x2_zero(inner));
    v128_t outer = wasm_f64x2_add(wasm_f64x2_mul(wasm_f64x2_convert_low_i32x4(x), sum->a), inner);
    return wasm_f32x4_demote_f64x2_zero(outer);
}

INLINE v128_t add_4(v128_t x, v128_t y, const struct sum *sum)
{
    v128_t low = add_2(x, y, sum);
    v128_t high = add_2(wasm_i64x2_shuffle(x, x, 1, 1), wasm_i64x2_shuffle(y, y, 1, 1), sum);
    return to_integers(wasm_i64x2_shuffle(low, high, 0, 2));
}

/* `bytes`, a multiple of 16. */
static void add_run(const struct sum *sum, const struct ending *ending, const uint8_t *a, const uint8_t *b,
                    uint8_t *out, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 16) {
        v128_t x = wasm_v128_load(a + i), y = wasm_v128_load(b + i), q[4];
        UNROLL for (int j = 0; j < 4; j++) q[j] = add_4(widen(x, j), widen(y, j), sum);
        wasm_v128_store(out + i, pack(q[0], q[1], q[2], q[3], ending));
    }
}

/* Whether float64 holds both sums of an addition without rounding: products of a byte and a float32 have 32 bits,
 * and all bits of all terms lie within 53. */
static bool is_exact(const struct kernel *k)
{
    const float factors[3] = {k->factor_a, k->factor_b, k->factor_c};
    int most = -1000, least = 1000;
    for (int i = 0; i < 3; i++) {
        uint32_t bits;
        memcpy(&bits, &factors[i], sizeof bits);
        int exponent = (int)(bits >> 23 & 0xff);
        if (bits << 1 == 0)
            continue;
        most = exponent > most ? exponent : most;
        least = exponent < least ? exponent : least;
    }
    /* Each sum is below 2^10 times the largest; its last bit is the last of 24 of the smallest. No subnormals. */
    return most < 0 || (least > 1 && most < 200 && most - least <= 53 - 10 - 24);
}

void simd128_add(const struct kernel *k)
{
    if (!is_exact(k)) {
        portable_family.function[OP_ADD](k);
        return;
    }
    struct ending ending = ending_without_zero_point(k);
    struct sum sum = {wasm_f64x2_splat(k->factor_a), wasm_f64x2_splat(k->factor_b), wasm_f64x2_splat(k->factor_c)};
    struct runs runs = runs_of(k);
    for (int row = 0; row < runs.rows; row++)
        add_run(&sum, &ending, k->in[row], k->other[row], k->out[row], runs.bytes);
    for (int row = 0; runs.bytes == 0 && row < k->rows; row++)
        for (int x = 0; x < k->width; x++)
            add_run(&sum, &ending, k->in[row] + x * k->in_pitch, k->other[row] + x * k->other_pitch,
                    k->out[row] + x * k->out_pitch, (size_t)k->output_channels);
    simd128_look_up(k);
}

/* What all products of one call share. */
struct product {
    v128_t zero_a, zero_b, factor, term;
};

/* 16 channels of all pixels of a row; `gates` are of the first pixel, `step` bytes apart. Floats hold integers. */
INLINE void multiply_row(const struct kernel *k, const struct product *product, const struct ending *ending, int row,
                         int c, const uint8_t *gates, size_t step)
{
    for (int x = 0; x < k->width; x++, gates += step) {
        v128_t a = wasm_v128_load(k->in[row] + x * k->in_pitch + c), b = wasm_v128_load(gates), q[4];
        UNROLL for (int j = 0; j < 4; j++)
        {
            v128_t whole = wasm_f32x4_mul(wasm_f32x4_sub(to_float(a, j), product->zero_a),
                                          wasm_f32x4_sub(to_float(b, j), product->zero_b));
            q[j] = to_integers(wasm_f32x4_add(wasm_f32x4_mul(whole, product->factor), product->term));
        }
        wasm_v128_store(k->out[row] + x * k->out_pitch + c, pack(q[0], q[1], q[2], q[3], ending));
    }
}

void simd128_multiply(const struct kernel *k)
{
    struct ending ending = ending_without_zero_point(k);
    struct product product = {wasm_f32x4_splat((float)k->zero_point_a), wasm_f32x4_splat((float)k->zero_point_b),
                              wasm_f32x4_splat(k->factor_a), wasm_f32x4_splat(k->factor_c)};
    for (int row = 0; row < k->rows; row++)
        for (int c = 0; c < k->output_channels; c += 16) {
            if (k->detail)
                multiply_row(k, &product, &ending, row, c, k->other[0] + c, 0);
            else
                multiply_row(k, &product, &ending, row, c, k->other[row] + c, k->other_pitch);
        }
    simd128_look_up(k);
}

/* Four pixels of one plane, `left` of them in the image. */
INLINE v128_t quantise_4(const float *from, int left, v128_t scale, v128_t zero_point)
{
    float four[4] = {0};
    memcpy(four, from, (size_t)left * sizeof *four);
    v128_t q = to_integers(wasm_f32x4_div(wasm_v128_load(left == 4 ? from : four), scale));
    q = wasm_i32x4_max(wasm_i32x4_add(q, zero_point), wasm_i32x4_const_splat(0));
    return wasm_i32x4_min(q, wasm_i32x4_const_splat(255));
}

/* Images of at most four channels with pixels of 4 bytes; others are rare and portable's. */
void simd128_quantise(const struct kernel *k)
{
    if (k->byte_in || k->channels > 4 || k->out_pitch != 4 || k->table || k->low > 0 || k->high < 255) {
        portable_family.function[OP_QUANTISE](k);
        return;
    }
    v128_t scale = wasm_f32x4_splat(k->factor_a), zero_point = wasm_i32x4_splat(k->zero_point);
    for (int row = 0; row < k->rows; row++)
        for (int x = 0; x < k->width; x += 4) {
            int left = k->width - x < 4 ? k->width - x : 4;
            v128_t pixels = wasm_i32x4_const_splat(0);
            for (int c = 0; c < k->channels; c++) {
                const float *from = k->float_in + c * k->in_plane + (size_t)row * k->in_width + x;
                pixels = wasm_v128_or(pixels, wasm_i32x4_shl(quantise_4(from, left, scale, zero_point), 8 * c));
            }
            if (left == 4)
                wasm_v128_store(k->out[row] + 4 * x, pixels);
            else
                memcpy(k->out[row] + 4 * x, &pixels, (size_t)left * 4);
        }
}
