/* AArch64: values between four pixels, response normalisation and averages: four vectors of four floats at a time. */
#if defined(__aarch64__) && !defined(EDGECNN_PORTABLE)
#include "../lanes.h"

#include "../../plan.h"
#include "../portable.h"
#include "arm.h"

/* What all vectors of one call share. */
struct lanes {
    struct ending ending;
    int16x8_t zero;
    float a, b, c;
    int size, before, roots;
};

static struct lanes lanes_of(const struct kernel *k)
{
    return (struct lanes){
        .ending = ending_of(k),
        .zero = vdupq_n_s16((short)(k->zero_point_a - ARM_ZERO)),
        .a = k->factor_a,
        .b = k->factor_b,
        .c = k->factor_c,
        .size = k->channel_groups,
        .before = (k->channel_groups - 1) / 2,
        .roots = k->flags,
    };
}

/* 16 values less the zero point. */
INLINE void deviations(const struct lanes *lanes, const uint8_t *from, int16x8_t *to)
{
    int8x16_t x = vld1q_s8((const int8_t *)from);
    to[0] = vsubq_s16(vmovl_s8(vget_low_s8(x)), lanes->zero);
    to[1] = vsubq_s16(vmovl_high_s8(x), lanes->zero);
}

/* The same as floats. */
INLINE void reals(const struct lanes *lanes, const uint8_t *from, float32x4_t *to)
{
    int16x8_t x[2];
    deviations(lanes, from, x);
    UNROLL for (int half = 0; half < 2; half++)
    {
        to[2 * half] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(x[half])));
        to[2 * half + 1] = vcvtq_f32_s32(vmovl_high_s16(x[half]));
    }
}

INLINE void blend(const void *context, const uint8_t *const *in, const float *weight, uint8_t *out)
{
    const struct lanes *lanes = context;
    float32x4_t sums[4], x[4];
    UNROLL for (int corner = 0; corner < 4; corner++)
    {
        reals(lanes, in[corner], x);
        UNROLL for (int j = 0; j < 4; j++)
        {
            float32x4_t part = vmulq_n_f32(vmulq_n_f32(x[j], lanes->a), weight[corner]);
            sums[j] = corner ? vaddq_f32(sums[j], part) : part;
        }
    }
    UNROLL for (int j = 0; j < 4; j++) sums[j] = vdivq_f32(sums[j], vdupq_n_f32(lanes->b));
    vst1q_s8((int8_t *)out, finish_16(sums, &lanes->ending, SATURATING));
}

void arm_bilinear(const struct kernel *k)
{
    struct lanes lanes = lanes_of(k);
    for_blends(k, blend, &lanes);
}

INLINE void normalise(const void *context, const uint8_t *from, uint8_t *out)
{
    const struct lanes *lanes = context;
    int32x4_t squares[4] = {vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)};
    for (int tap = 0; tap < lanes->size; tap++) {
        int16x8_t x[2];
        deviations(lanes, from + tap, x);
        UNROLL for (int half = 0; half < 2; half++)
        {
            int16x4_t low = vget_low_s16(x[half]);
            squares[2 * half] = vmlal_s16(squares[2 * half], low, low);
            squares[2 * half + 1] = vmlal_high_s16(squares[2 * half + 1], x[half], x[half]);
        }
    }
    float32x4_t scaled[4];
    reals(lanes, from + lanes->before, scaled);
    UNROLL for (int j = 0; j < 4; j++)
    {
        float32x4_t sum = vaddq_f32(vdupq_n_f32(lanes->b), vmulq_n_f32(vcvtq_f32_s32(squares[j]), lanes->c));
        float32x4_t root = vsqrtq_f32(vsqrtq_f32(sum)), power = root;
        for (int i = 1; i < lanes->roots; i++)
            power = vmulq_f32(power, root);
        scaled[j] = vmulq_f32(scaled[j], vdivq_f32(vdupq_n_f32(lanes->a), power));
    }
    vst1q_s8((int8_t *)out, finish_16(scaled, &lanes->ending, SATURATING));
}

void arm_response_norm(const struct kernel *k)
{
    struct lanes lanes = lanes_of(k);
    if (k->channel_groups > LANES_SPREAD)
        portable_response_norm(k);
    else
        for_norms(k, normalise, &lanes);
}

INLINE void average(const void *context, const struct kernel *k, int row, int x, int channel, float count, uint8_t *out)
{
    const struct lanes *lanes = context;
    const float32x4_t most = vdupq_n_f32(1e6f), none = vdupq_n_f32(0), zero_point = vdupq_n_f32((float)k->zero_point);
    float32x4_t sums[4] = {none, none, none, none}, values[4];
    for (int t = 0; t < k->kernel_h * k->kernel_w; t++) {
        reals(lanes, tap(k, row, x, channel, t), values);
        UNROLL for (int j = 0; j < 4; j++) sums[j] = vaddq_f32(sums[j], vmulq_n_f32(values[j], lanes->a));
    }
    UNROLL for (int j = 0; j < 4; j++)
    {
        float32x4_t mean = vdivq_f32(vdivq_f32(sums[j], vdupq_n_f32(count)), vdupq_n_f32(lanes->b));
        /* What is no number becomes the least. */
        sums[j] = vminq_f32(vmaxnmq_f32(vaddq_f32(mean, zero_point), vnegq_f32(most)), most);
    }
    vst1q_s8((int8_t *)out, finish_16(sums, &lanes->ending, SATURATING));
}

void arm_average_pool(const struct kernel *k)
{
    struct kernel without = *k;
    without.zero_point = 0; /* it is in the mean */
    struct lanes lanes = lanes_of(&without);
    for_averages(k, average, &lanes);
}
#endif
