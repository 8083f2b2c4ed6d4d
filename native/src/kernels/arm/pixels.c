/* AArch64: additions, gates and the conversion of images. */
#include "arm.h"

#include "../../plan.h"

#include <math.h>

/* 16 bytes of the unsigned domain as floats. */
INLINE void to_floats(float32x4_t *to, const uint8_t *from)
{
    uint8x16_t x = veorq_u8(vld1q_u8(from), vdupq_n_u8(ARM_FLIP));
    uint16x8_t low = vmovl_u8(vget_low_u8(x)), high = vmovl_high_u8(x);
    to[0] = vcvtq_f32_u32(vmovl_u16(vget_low_u16(low)));
    to[1] = vcvtq_f32_u32(vmovl_high_u16(low));
    to[2] = vcvtq_f32_u32(vmovl_u16(vget_low_u16(high)));
    to[3] = vcvtq_f32_u32(vmovl_high_u16(high));
}

/* The ending of an operation whose zero point is in a term already, and whose results are at most `most`. */
static struct ending ending_without_zero(const struct kernel *k, float most)
{
    struct kernel copy = *k;
    copy.zero_point = 0;
    copy.bounded = most < 30000.0f;
    return ending_of(&copy);
}

INLINE void add_run(const struct ending *shared, const float *factors, const uint8_t *a, const uint8_t *b, uint8_t *out,
                    size_t bytes, const enum finish FINISH)
{
    const struct ending ending = *shared;
    const float32x4_t fa = vdupq_n_f32(factors[0]), fb = vdupq_n_f32(factors[1]), fc = vdupq_n_f32(factors[2]);
    for (size_t i = 0; i < bytes; i += 16) {
        float32x4_t x[4], y[4];
        to_floats(x, a + i);
        to_floats(y, b + i);
        UNROLL for (int j = 0; j < 4; j++) x[j] = vfmaq_f32(vfmaq_f32(fc, y[j], fb), x[j], fa);
        vst1q_s8((int8_t *)out + i, finish_16(x, &ending, FINISH));
    }
}

static void add_bytes(const struct ending *ending, const float *factors, const uint8_t *a, const uint8_t *b,
                      uint8_t *out, size_t bytes)
{
    if (ending->finish == PLAIN)
        add_run(ending, factors, a, b, out, bytes, PLAIN);
    else
        add_run(ending, factors, a, b, out, bytes, ending->finish == BOUNDED ? BOUNDED : SATURATING);
}

void arm_add(const struct kernel *k)
{
    float most = 255 * (fabsf(k->factor_a) + fabsf(k->factor_b)) + fabsf(k->factor_c);
    struct ending ending = ending_without_zero(k, most);
    const float factors[3] = {k->factor_a, k->factor_b, k->factor_c};
    struct runs runs = runs_of(k);
    for (int row = 0; row < runs.rows; row++)
        add_bytes(&ending, factors, k->in[row], k->other[row], k->out[row], runs.bytes);
    for (int row = 0; runs.bytes == 0 && row < k->rows; row++)
        for (int x = 0; x < k->width; x++)
            add_bytes(&ending, factors, k->in[row] + x * k->in_pitch, k->other[row] + x * k->other_pitch,
                      k->out[row] + x * k->out_pitch, (size_t)k->output_channels);
    arm_look_up_rows(k);
}

/* 16 bytes, less a zero point, as int16. */
INLINE void less_zero(int16x8_t *to, const uint8_t *from, int16x8_t zero)
{
    int8x16_t x = vld1q_s8((const int8_t *)from);
    to[0] = vaddw_s8(vnegq_s16(zero), vget_low_s8(x));
    to[1] = vaddw_high_s8(vnegq_s16(zero), x);
}

INLINE int8x16_t multiply_16(const int16x8_t *a, const int16x8_t *b, float32x4_t factor, float32x4_t term,
                             const struct ending *ending, const enum finish FINISH)
{
    int32x4_t products[4] = {vmull_s16(vget_low_s16(a[0]), vget_low_s16(b[0])), vmull_high_s16(a[0], b[0]),
                             vmull_s16(vget_low_s16(a[1]), vget_low_s16(b[1])), vmull_high_s16(a[1], b[1])};
    float32x4_t scaled[4];
    UNROLL for (int j = 0; j < 4; j++) scaled[j] = vaddq_f32(scale(products[j], factor), term);
    return finish_16(scaled, ending, FINISH);
}

INLINE void multiply_block(const struct kernel *k, int c, const struct ending *ending, const enum finish FINISH)
{
    const float32x4_t factor = vdupq_n_f32(k->factor_a), term = vdupq_n_f32(k->factor_c);
    const int16x8_t zero_a = vdupq_n_s16((short)(k->zero_point_a - ARM_ZERO));
    const int16x8_t zero_b = vdupq_n_s16((short)(k->zero_point_b - ARM_ZERO));
    const struct kernel copy = *k;
    int16x8_t a[2], b[2];
    less_zero(b, copy.other[0] + c, zero_b);
    for (int row = 0; row < copy.rows; row++)
        for (int x = 0; x < copy.width; x++) {
            less_zero(a, copy.in[row] + x * copy.in_pitch + c, zero_a);
            if (!copy.detail)
                less_zero(b, copy.other[row] + x * copy.other_pitch + c, zero_b);
            vst1q_s8((int8_t *)copy.out[row] + x * copy.out_pitch + c,
                     multiply_16(a, b, factor, term, ending, FINISH));
        }
}

void arm_multiply(const struct kernel *k)
{
    struct ending ending = ending_without_zero(k, 65025 * fabsf(k->factor_a) + fabsf(k->factor_c));
    for (int c = 0; c < k->output_channels; c += 16)
        if (ending.finish == PLAIN)
            multiply_block(k, c, &ending, PLAIN);
        else if (ending.finish == BOUNDED)
            multiply_block(k, c, &ending, BOUNDED);
        else
            multiply_block(k, c, &ending, SATURATING);
    arm_look_up_rows(k);
}

/* 16 pixels of one plane, in memory's domain. */
INLINE int8x16_t quantise_16(const float *from, float32x4_t step, const struct ending *ending)
{
    const float32x4_t least = vdupq_n_f32(-1e6f); /* NaN, too */
    int32x4_t q[4];
    UNROLL for (int j = 0; j < 4; j++) q[j] = vcvtnq_s32_f32(vmaxnmq_f32(vdivq_f32(vld1q_f32(from + 4 * j), step), least));
    int16x8_t first = vqmovn_high_s32(vqmovn_s32(q[0]), q[1]), second = vqmovn_high_s32(vqmovn_s32(q[2]), q[3]);
    return vqmovn_high_s16(vqmovn_s16(vqaddq_s16(first, ending->zero_point)), vqaddq_s16(second, ending->zero_point));
}

/* A row of pixels of 4 bytes, 16 pixels at a time; the last 16 overlap those before them. */
static void quantise_row(const struct kernel *k, int row, const struct ending *ending)
{
    const float32x4_t step = vdupq_n_f32(k->factor_a);
    const struct kernel copy = *k;
    for (int x = 0; x < copy.width; x += 16) {
        x = x + 16 > copy.width ? copy.width - 16 : x;
        int8x16x4_t pixels = {{vdupq_n_s8(0), vdupq_n_s8(0), vdupq_n_s8(0), vdupq_n_s8(0)}};
        UNROLL for (int c = 0; c < 4; c++)
            if (c < copy.channels)
                pixels.val[c] =
                    quantise_16(copy.float_in + c * copy.in_plane + (size_t)row * copy.in_width + x, step, ending);
        vst4q_s8((int8_t *)copy.out[row] + 4 * x, pixels);
    }
}

/* Images of at most four channels with pixels of 4 bytes; others are rare and portable's. */
void arm_quantise(const struct kernel *k)
{
    bool plain = k->table == NULL && k->low <= 0 && k->high >= 255;
    if (k->byte_in || k->channels > 4 || k->out_pitch != 4 || k->width < 16 || !plain) {
        portable_family.function[OP_QUANTISE](k);
        return;
    }
    struct ending ending = ending_of(k); /* not bounded */
    for (int row = 0; row < k->rows; row++)
        quantise_row(k, row, &ending);
}
