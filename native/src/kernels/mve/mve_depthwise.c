/* Depthwise convolutions for the vector instructions of Cortex-M55 and M85, with floats in vectors.
 *
 * Eight channels at a time in 16 bits: VMULLB makes products of those at even places, VMULLT of those at odd ones.
 * VCVTN rounds halves to even, as VCVTR does for one number. */
#if defined(__ARM_FEATURE_MVE) && __ARM_FEATURE_MVE & 2 && !defined(EDGECNN_PORTABLE)

#include "mve.h"

#include <arm_mve.h>

enum { LANES = 8 };

/* Scaled and rounded, clamped between bounds of the output. */
static inline int32x4_t scaled(const struct kernel *k, int32x4_t sums, int32x4_t bias, float32x4_t multiplier)
{
    float32x4_t product = vmulq_f32(vcvtq_f32_s32(vaddq_s32(sums, bias)), multiplier);
    int32x4_t value = vaddq_n_s32(vcvtnq_s32_f32(product), k->zero_point);
    return vminq_s32(vmaxq_s32(value, vdupq_n_s32(k->low)), vdupq_n_s32(k->high));
}

/* One pixel of eight channels. */
static inline void convolve(const struct kernel *k, int row, int x, int channel, const int8_t *w)
{
    int32x4_t even = vdupq_n_s32(0), odd = vdupq_n_s32(0);
    size_t step = k->dilation_w * k->in_pitch;
    for (int ky = 0; ky < k->kernel_h; ky++) {
        const uint8_t *in = k->in[row * k->stride_h + ky * k->dilation_h] + x * k->stride_w * k->in_pitch + channel;
        for (int kx = k->kernel_w; kx > 0; kx--, in += step, w += BLOCK) {
            int16x8_t activations = vreinterpretq_s16_u16(vldrbq_u16(in)), weights = vldrbq_s16(w);
            even = vaddq_s32(even, vmullbq_int_s16(activations, weights));
            odd = vaddq_s32(odd, vmulltq_int_s16(activations, weights));
        }
    }
    int32x4x2_t bias = vld2q_s32(k->bias + channel);
    float32x4x2_t multiplier = vld2q_f32(k->multiplier + channel);
    int16x8_t values = vdupq_n_s16(0);
    values = vmovnbq_s32(values, scaled(k, even, bias.val[0], multiplier.val[0]));
    values = vmovntq_s32(values, scaled(k, odd, bias.val[1], multiplier.val[1]));
    uint16x8_t bytes = vreinterpretq_u16_s16(values);
    if (k->table)
        bytes = vldrbq_gather_offset_u16(k->table, bytes);
    vstrbq_u16(k->out[row] + x * k->out_pitch + channel, bytes);
}

void mve_depthwise(const struct kernel *k)
{
    size_t taps = (size_t)k->kernel_h * k->kernel_w;
    for (int row = 0; row < k->rows; row++)
        for (int channel = 0; channel < k->real_channels; channel += LANES) {
            const int8_t *w = k->weights + channel / BLOCK * BLOCK * taps + channel % BLOCK;
            for (int x = 0; x < k->width; x++)
                convolve(k, row, x, channel, w);
        }
}

#endif
