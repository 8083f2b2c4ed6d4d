/* AArch64: pools. */
#include "arm.h"

#include "../../plan.h"
#include "../portable.h"

enum { MOST_PIXELS = 256 /* of which a sum of int8 lies within int16 */ };

struct sums {
    int32x4_t of[4];
};

INLINE struct sums no_sums(void)
{
    const int32x4_t zero = vdupq_n_s32(0);
    return (struct sums){{zero, zero, zero, zero}};
}

/* Adds 16 channels of `pixels` pixels, `pitch` bytes apart. */
INLINE void sum_pixels(struct sums *sums, const uint8_t *from, int pixels, size_t pitch)
{
    while (pixels > 0) {
        int part = pixels < MOST_PIXELS ? pixels : MOST_PIXELS;
        int16x8_t low = vdupq_n_s16(0), high = low;
        for (int i = 0; i < part; i++, from += pitch) {
            int8x16_t x = vld1q_s8((const int8_t *)from);
            low = vaddw_s8(low, vget_low_s8(x));
            high = vaddw_high_s8(high, x);
        }
        sums->of[0] = vaddw_s16(sums->of[0], vget_low_s16(low));
        sums->of[1] = vaddw_high_s16(sums->of[1], low);
        sums->of[2] = vaddw_s16(sums->of[2], vget_low_s16(high));
        sums->of[3] = vaddw_high_s16(sums->of[3], high);
        pixels -= part;
    }
}

/* Stores 16 channels of (sum - zeros) * factor. */
INLINE void store_mean(uint8_t *to, const struct sums *sums, int32_t zeros, float factor, const struct ending *ending)
{
    float32x4_t scaled[4];
    UNROLL for (int j = 0; j < 4; j++)
        scaled[j] = scale(vsubq_s32(sums->of[j], vdupq_n_s32(zeros)), vdupq_n_f32(factor));
    vst1q_s8((int8_t *)to, finish_16(scaled, ending, SATURATING));
}

void arm_global_pool(const struct kernel *k)
{
    struct ending ending = ending_of(k);
    int32_t zeros = k->in_height * k->in_width * (k->zero_point_a - ARM_ZERO);
    for (int c = 0; c < k->output_channels; c += 16) {
        struct sums sums = no_sums();
        for (int row = 0; row < k->in_height; row++)
            sum_pixels(&sums, k->in[row] + c, k->in_width, k->in_pitch);
        store_mean(k->out[0] + c, &sums, zeros, k->factor_a, &ending);
    }
    arm_look_up_rows(k);
}

void arm_max_pool(const struct kernel *k)
{
    struct ending ending = ending_of(k);
    const struct kernel copy = *k;
    for (int row = 0; row < copy.rows; row++)
        for (int x = 0; x < copy.width; x++)
            for (int c = 0; c < copy.output_channels; c += 16) {
                int8x16_t most = ending.low; /* at least that is what is stored */
                for (int ky = 0; ky < copy.kernel_h; ky++) {
                    const int8_t *from = (const int8_t *)tap(&copy, row, x, c, ky * copy.kernel_w);
                    for (int kx = 0; kx < copy.kernel_w; kx++, from += copy.dilation_w * copy.in_pitch)
                        most = vmaxq_s8(most, vld1q_s8(from));
                }
                vst1q_s8((int8_t *)copy.out[row] + x * copy.out_pitch + c, vminq_s8(most, ending.high));
            }
    arm_look_up_rows(k);
}
