/* AArch64 without dot products: dense convolution, 1x1 and K x K, of pixels and channel blocks of 16.
 *
 * A product of two bytes takes 16 bits; two of them, of weights above -128, are added before they are
 * widened to 32 bits. A tile is PIXELS output pixels of one row by 16 output channels: eight vectors of sums
 * a pixel, each of two channels by two parts of their sum. */
#include "arm.h"

#include "../../plan.h"

enum { MOST_PIXELS = 2 };

/* What all tiles of one call share. */
struct dense {
    struct kernel k;
    int taps, steps;          /* runs of a kernel row; groups of four input channels of each */
    size_t block, pixel, tap; /* bytes: weights of a block; from one output pixel's input, and tap, to the next */
    struct ending ending;
};

/* Four input channels of a pixel, in each 32-bit lane. */
INLINE int8x16_t repeat(const uint8_t *from)
{
    int8x16_t x = vreinterpretq_s8_s32(vld1q_dup_s32((const int32_t *)(const void *)from));
    /* Else the compiler sees two equal halves, and moves those of the weights to the lower one. */
    __asm__("" : "+w"(x));
    return x;
}

/* Adds the products of 4 input channels, or of 8 where there are second ones, to the sums. */
INLINE void multiply(int32x4_t (*sums)[8], const int8x16_t *x, const int8x16_t *y, const int8_t *weights,
                     const int PIXELS, const bool PAIR)
{
    UNROLL for (int j = 0; j < 4; j++)
    {
        int8x16_t w = vld1q_s8(weights + 16 * j), v = PAIR ? vld1q_s8(weights + 64 + 16 * j) : w;
        UNROLL for (int p = 0; p < PIXELS; p++)
        {
            int16x8_t low = vmull_s8(vget_low_s8(w), vget_low_s8(x[p])), high = vmull_high_s8(w, x[p]);
            if (PAIR) {
                low = vmlal_s8(low, vget_low_s8(v), vget_low_s8(y[p]));
                high = vmlal_high_s8(high, v, y[p]);
            }
            sums[p][2 * j] = vpadalq_s16(sums[p][2 * j], low);
            sums[p][2 * j + 1] = vpadalq_s16(sums[p][2 * j + 1], high);
        }
    }
}

/* `steps` groups of four input channels; the weights behind them. */
INLINE const int8_t *multiply_steps(int32x4_t (*sums)[8], const uint8_t *in, size_t pixel, const int8_t *weights,
                                    int steps, const int PIXELS, const bool SYMMETRIC)
{
    int8x16_t x[MOST_PIXELS], y[MOST_PIXELS];
    for (; SYMMETRIC && steps > 1; steps -= 2, in += 8, weights += 128) {
        UNROLL for (int p = 0; p < PIXELS; p++)
        {
            x[p] = repeat(in + p * pixel);
            y[p] = repeat(in + p * pixel + 4);
        }
        multiply(sums, x, y, weights, PIXELS, true);
    }
    for (; steps > 0; steps--, in += 4, weights += 64) {
        UNROLL for (int p = 0; p < PIXELS; p++) x[p] = repeat(in + p * pixel);
        multiply(sums, x, x, weights, PIXELS, false);
    }
    return weights;
}

/* The bias of 16 channels, as a pixel's vectors of sums begin: of two parts the first. */
INLINE void spread_bias(int32_t *to, const int32_t *bias)
{
    for (int c = 0; c < 16; c++) {
        to[2 * c] = bias[c];
        to[2 * c + 1] = 0;
    }
}

/* Sums of PIXELS pixels of a row from column x on: [pixel][4] vectors of four channels. */
INLINE void sum_window(int32x4_t (*to)[4], const struct dense *d, int row, int x, int first, const int32_t *start,
                       const int PIXELS, const bool SYMMETRIC)
{
    const struct kernel *k = &d->k;
    const int8_t *weights = k->weights + first / 16 * d->block;
    int32x4_t sums[MOST_PIXELS][8];
    UNROLL for (int p = 0; p < PIXELS; p++)
    {
        LOAD_SUMS(sums[p][0], sums[p][1], start, 0);
        LOAD_SUMS(sums[p][2], sums[p][3], start, 32);
        LOAD_SUMS(sums[p][4], sums[p][5], start, 64);
        LOAD_SUMS(sums[p][6], sums[p][7], start, 96);
    }
    for (int ky = 0; ky < k->kernel_h; ky++) {
        const uint8_t *in = k->in[row * k->stride_h + ky * k->dilation_h] + x * d->pixel;
        for (int kx = 0; kx < d->taps; kx++, in += d->tap)
            weights = multiply_steps(sums, in, d->pixel, weights, d->steps, PIXELS, SYMMETRIC);
    }
    UNROLL for (int p = 0; p < PIXELS; p++) UNROLL for (int j = 0; j < 4; j++)
        to[p][j] = vpaddq_s32(sums[p][2 * j], sums[p][2 * j + 1]);
}

INLINE void tile(const struct dense *d, int row, int x, int first, const int32_t *start, const int PIXELS,
                 const bool SYMMETRIC)
{
    const struct kernel *k = &d->k;
    int32x4_t sums[MOST_PIXELS][4];
    sum_window(sums, d, row, x, first, start, PIXELS, SYMMETRIC);
    float32x4_t multiplier[4];
    UNROLL for (int j = 0; j < 4; j++) multiplier[j] = vld1q_f32(k->multiplier + first + 4 * j);
    UNROLL for (int p = 0; p < PIXELS; p++)
    {
        float32x4_t scaled[4];
        UNROLL for (int j = 0; j < 4; j++) scaled[j] = scale(sums[p][j], multiplier[j]);
        int8_t *out = (int8_t *)k->out[row] + (x + p) * k->out_pitch + first;
        if (d->ending.finish == PLAIN)
            vst1q_s8(out, finish_16(scaled, &d->ending, PLAIN));
        else if (d->ending.finish == BOUNDED)
            vst1q_s8(out, finish_16(scaled, &d->ending, BOUNDED));
        else
            vst1q_s8(out, finish_16(scaled, &d->ending, SATURATING));
    }
}

INLINE void convolve_row(const struct dense *shared, int row, int width, int first, const bool SYMMETRIC)
{
    const struct dense copy = *shared;
    int32_t start[32];
    int x = 0;
    spread_bias(start, copy.k.bias + first);
    for (; x + MOST_PIXELS <= width; x += MOST_PIXELS) tile(&copy, row, x, first, start, MOST_PIXELS, SYMMETRIC);
    for (; x < width; x++) tile(&copy, row, x, first, start, 1, SYMMETRIC);
}

static void convolve_symmetric(const struct dense *d, int row, int width, int first)
{
    convolve_row(d, row, width, first, true);
}

static void convolve_any(const struct dense *d, int row, int width, int first)
{
    convolve_row(d, row, width, first, false);
}

/* The sum of one output pixel, in float, for the caller's array. */
static void convolve_to_float(const struct dense *d, int row, int x, int first)
{
    const struct kernel *k = &d->k;
    int32x4_t sums[1][4];
    int32_t start[32];
    spread_bias(start, k->bias + first);
    if (k->symmetric)
        sum_window(sums, d, row, x, first, start, 1, true);
    else
        sum_window(sums, d, row, x, first, start, 1, false);
    float values[16];
    UNROLL for (int j = 0; j < 4; j++)
        vst1q_f32(values + 4 * j, scale(sums[0][j], vld1q_f32(k->multiplier + first + 4 * j)));
    for (int c = 0; c < 16 && first + c < k->output_channels; c++)
        k->float_out[(first + c) * k->out_plane + (size_t)row * k->width + x] = values[c];
}

void neon_convolution(const struct kernel *k)
{
    struct dense d = {.k = *k, .taps = k->kernel_w, .steps = (k->channels + 3) / 4, .ending = ending_of(k)};
    d.block = (size_t)k->kernel_h * k->kernel_w * d.steps * 64;
    d.pixel = k->stride_w * k->in_pitch;
    d.tap = k->dilation_w * k->in_pitch;
    if (k->dilation_w == 1 && (size_t)d.steps * 4 == k->in_pitch) { /* a kernel row's taps follow one another */
        d.taps = 1;
        d.steps *= k->kernel_w;
    }
    if (k->float_out) {
        for (int first = 0; first < k->output_channels; first += 16)
            for (int row = 0; row < k->rows; row++)
                for (int x = 0; x < k->width; x++)
                    convolve_to_float(&d, row, x, first);
        return;
    }
    bool joined = is_one_row(k);
    int rows = joined ? 1 : k->rows, width = joined ? k->width * k->rows : k->width;
    for (int first = 0; first < k->output_channels; first += 16)
        for (int row = 0; row < rows; row++)
            (k->symmetric ? convolve_symmetric : convolve_any)(&d, row, width, first);
    arm_look_up_rows(k);
}
