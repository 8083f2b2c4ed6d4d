/* AArch64 without dot products: depthwise convolution, 16 channels of a pixel at a time.
 *
 * Products of two taps are added in 16 bits, where no weight is -128, before they are widened. */
#include "arm.h"

#include "../../plan.h"

enum { MOST_TAPS = 9 };

struct sums {
    int32x4_t of[4];
};

INLINE void widen(struct sums *sums, int16x8_t low, int16x8_t high)
{
    sums->of[0] = vaddw_s16(sums->of[0], vget_low_s16(low));
    sums->of[1] = vaddw_high_s16(sums->of[1], low);
    sums->of[2] = vaddw_s16(sums->of[2], vget_low_s16(high));
    sums->of[3] = vaddw_high_s16(sums->of[3], high);
}

/* Adds the products of one tap. */
INLINE void add_tap(struct sums *sums, int8x16_t x, int8x16_t w)
{
    widen(sums, vmull_s8(vget_low_s8(x), vget_low_s8(w)), vmull_high_s8(x, w));
}

/* Adds the products of two taps. */
INLINE void add_taps(struct sums *sums, int8x16_t x, int8x16_t w, int8x16_t y, int8x16_t v)
{
    int16x8_t low = vmull_s8(vget_low_s8(x), vget_low_s8(w)), high = vmull_high_s8(x, w);
    widen(sums, vmlal_s8(low, vget_low_s8(y), vget_low_s8(v)), vmlal_high_s8(high, y, v));
}

INLINE void store(uint8_t *to, const struct sums *sums, const float32x4_t *multiplier, const struct ending *ending)
{
    float32x4_t scaled[4];
    UNROLL for (int j = 0; j < 4; j++) scaled[j] = scale(sums->of[j], multiplier[j]);
    if (ending->finish == PLAIN)
        vst1q_s8((int8_t *)to, finish_16(scaled, ending, PLAIN));
    else if (ending->finish == BOUNDED)
        vst1q_s8((int8_t *)to, finish_16(scaled, ending, BOUNDED));
    else
        vst1q_s8((int8_t *)to, finish_16(scaled, ending, SATURATING));
}

/* 3x3 without a weight of -128: the weights stay in registers. */
static void three_row(const struct kernel *shared, const struct ending *shared_ending, int row, int first)
{
    const struct kernel copy = *shared, *k = &copy;
    const struct ending ending = *shared_ending;
    const uint8_t *const *in = k->in + row * k->stride_h;
    const uint8_t *r[3] = {in[0] + first, in[k->dilation_h] + first, in[2 * k->dilation_h] + first};
    size_t step = k->dilation_w * k->in_pitch;
    int8x16_t w[MOST_TAPS];
    float32x4_t multiplier[4];
    UNROLL for (int t = 0; t < 9; t++) w[t] = vld1q_s8(k->weights + first * 9 + 16 * t);
    UNROLL for (int j = 0; j < 4; j++) multiplier[j] = vld1q_f32(k->multiplier + first + 4 * j);
    for (int x = 0; x < k->width; x++) {
        struct sums sums;
        int8x16_t v[MOST_TAPS];
        LOAD_SUMS(sums.of[0], sums.of[1], k->bias + first, 0);
        LOAD_SUMS(sums.of[2], sums.of[3], k->bias + first, 32);
        UNROLL for (int t = 0; t < 9; t++)
            v[t] = vld1q_s8((const int8_t *)r[t / 3] + x * k->stride_w * k->in_pitch + t % 3 * step);
        UNROLL for (int t = 0; t < 8; t += 2) add_taps(&sums, v[t], w[t], v[t + 1], w[t + 1]);
        add_tap(&sums, v[8], w[8]);
        store(k->out[row] + x * k->out_pitch + first, &sums, multiplier, &ending);
    }
}

/* Any kernel, tap by tap. */
static void any_row(const struct kernel *k, const struct ending *ending, int row, int first)
{
    const int8_t *weights = k->weights + (size_t)first * k->kernel_h * k->kernel_w;
    const size_t tap = k->dilation_w * k->in_pitch;
    float32x4_t multiplier[4];
    UNROLL for (int j = 0; j < 4; j++) multiplier[j] = vld1q_f32(k->multiplier + first + 4 * j);
    for (int x = 0; x < k->width; x++) {
        struct sums sums;
        const int8_t *w = weights;
        UNROLL for (int j = 0; j < 4; j++) sums.of[j] = vld1q_s32(k->bias + first + 4 * j);
        for (int ky = 0; ky < k->kernel_h; ky++) {
            const int8_t *in = (const int8_t *)k->in[row * k->stride_h + ky * k->dilation_h] + first +
                               x * k->stride_w * k->in_pitch;
            int left = k->kernel_w;
            for (; left > 1 && k->symmetric; left -= 2, in += 2 * tap, w += 32)
                add_taps(&sums, vld1q_s8(in), vld1q_s8(w), vld1q_s8(in + tap), vld1q_s8(w + 16));
            for (; left > 0; left--, in += tap, w += 16)
                add_tap(&sums, vld1q_s8(in), vld1q_s8(w));
        }
        store(k->out[row] + x * k->out_pitch + first, &sums, multiplier, ending);
    }
}

void neon_depthwise(const struct kernel *k)
{
    const struct ending ending = ending_of(k);
    bool three = k->kernel_h == 3 && k->kernel_w == 3 && k->symmetric;
    for (int first = 0; first < k->output_channels; first += 16)
        for (int row = 0; row < k->rows; row++)
            (three ? three_row : any_row)(k, &ending, row, first);
    arm_look_up_rows(k);
}
