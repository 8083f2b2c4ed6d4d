/* ARMv7 with NEON: depthwise convolution, 8 channels of a pixel at a time.
 *
 * Products of two taps are added in 16 bits, where no weight is -128, before they are widened. */
#include "armv7.h"

#include "../../plan.h"

INLINE void widen(int32x4_t *sums, int16x8_t products)
{
    sums[0] = vaddw_s16(sums[0], vget_low_s16(products));
    sums[1] = vaddw_s16(sums[1], vget_high_s16(products));
}

/* The taps of one kernel row, `tap` bytes apart; the weights behind them. */
INLINE const int8_t *add_row(int32x4_t *sums, const int8_t *in, size_t tap, const int8_t *weights, int taps,
                             const bool SYMMETRIC)
{
    for (; SYMMETRIC && taps > 1; taps -= 2, in += 2 * tap, weights += 32) {
        int16x8_t products = vmull_s8(vld1_s8(in), vld1_s8(weights));
        widen(sums, vmlal_s8(products, vld1_s8(in + tap), vld1_s8(weights + 16)));
    }
    for (; taps > 0; taps--, in += tap, weights += 16) widen(sums, vmull_s8(vld1_s8(in), vld1_s8(weights)));
    return weights;
}

INLINE void convolve_row(const struct kernel *shared, const struct ending *shared_ending, int row, int first,
                         const bool SYMMETRIC)
{
    const struct kernel copy = *shared, *k = &copy;
    const struct ending ending = *shared_ending;
    const size_t tap = k->dilation_w * k->in_pitch;
    for (int x = 0; x < k->width; x++) {
        const int8_t *weights = k->weights + (size_t)(first / 16 * 16) * k->kernel_h * k->kernel_w + first % 16;
        int32x4_t sums[2] = {vld1q_s32(k->bias + first), vld1q_s32(k->bias + first + 4)};
        for (int ky = 0; ky < k->kernel_h; ky++) {
            const uint8_t *in =
                k->in[row * k->stride_h + ky * k->dilation_h] + first + x * k->stride_w * k->in_pitch;
            weights = add_row(sums, (const int8_t *)in, tap, weights, k->kernel_w, SYMMETRIC);
        }
        vst1_s8((int8_t *)k->out[row] + x * k->out_pitch + first,
                finish(sums[0], sums[1], k->multiplier + first, &ending));
    }
}

void armv7_depthwise(const struct kernel *k)
{
    const struct ending ending = ending_of(k);
    for (int first = 0; first < k->output_channels; first += 8)
        for (int row = 0; row < k->rows; row++)
            if (k->symmetric)
                convolve_row(k, &ending, row, first, true);
            else
                convolve_row(k, &ending, row, first, false);
    armv7_look_up_rows(k);
}
