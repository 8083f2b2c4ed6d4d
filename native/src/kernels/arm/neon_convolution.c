/* AArch64 without dot products: dense convolution, 1x1 and K x K, of pixels and channel blocks of 16.
 *
 * A product of two bytes takes 16 bits; two of them, of weights above -128, are added before they are
 * widened to 32 bits. A tile is PIXELS output pixels of one row by 16 output channels: eight vectors of sums
 * a pixel, each of two channels by two parts of their sum. */
#include "arm.h"

#include "../../plan.h"
#include "../together.h"

enum { MOST_PIXELS = 2 };

/* What all tiles of one call share. */
struct dense {
    struct kernel k;
    int taps, steps;          /* runs of a kernel row; groups of four input channels of each */
    size_t block, pixel, tap; /* bytes: weights of a block; from one output pixel's input, and tap, to the next */
    struct ending ending;
};

/* Four input channels of a pixel in each 32-bit lane, and the pointer behind them. The compiler does not
 * see two equal halves: it would move those of the weights to the lower one. */
INLINE int8x16_t repeat_next(const uint8_t **from)
{
    int8x16_t x;
    __asm__ volatile("ld1r {%0.4s}, [%1], #4" : "=w"(x), "+r"(*from) : "m"(*(const uint8_t(*)[4])*from));
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
INLINE const int8_t *multiply_steps(int32x4_t (*sums)[8], const uint8_t **in, const int8_t *weights, int steps,
                                    const int PIXELS, const bool SYMMETRIC)
{
    int8x16_t x[MOST_PIXELS], y[MOST_PIXELS];
    for (int pairs = SYMMETRIC ? steps / 2 : 0; pairs != 0; pairs--, weights += 128) {
        UNROLL for (int p = 0; p < PIXELS; p++)
        {
            x[p] = repeat_next(&in[p]);
            y[p] = repeat_next(&in[p]);
        }
        multiply(sums, x, y, weights, PIXELS, true);
    }
    for (int left = SYMMETRIC ? steps % 2 : steps; left != 0; left--, weights += 64) {
        UNROLL for (int p = 0; p < PIXELS; p++) x[p] = repeat_next(&in[p]);
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

INLINE void begin(int32x4_t (*sums)[8], const int32_t *start, const int PIXELS)
{
    UNROLL for (int p = 0; p < PIXELS; p++)
    {
        LOAD_SUMS(sums[p][0], sums[p][1], start, 0);
        LOAD_SUMS(sums[p][2], sums[p][3], start, 32);
        LOAD_SUMS(sums[p][4], sums[p][5], start, 64);
        LOAD_SUMS(sums[p][6], sums[p][7], start, 96);
    }
}

/* Sums over the window of PIXELS pixels of a row from column x on. */
INLINE void sum_windows(int32x4_t (*sums)[8], const struct dense *d, int row, int x, const int8_t *weights,
                        const int PIXELS, const bool SYMMETRIC)
{
    const struct kernel *k = &d->k;
    for (int ky = 0; ky < k->kernel_h; ky++) {
        const uint8_t *tap = k->in[row * k->stride_h + ky * k->dilation_h] + x * d->pixel;
        for (int kx = 0; kx < d->taps; kx++, tap += d->tap) {
            const uint8_t *in[MOST_PIXELS];
            UNROLL for (int p = 0; p < PIXELS; p++) in[p] = tap + p * d->pixel;
            weights = multiply_steps(sums, in, weights, d->steps, PIXELS, SYMMETRIC);
        }
    }
}

INLINE void store(const struct dense *d, int32x4_t (*sums)[8], uint8_t *const *out, int first, const int PIXELS,
                  const enum finish FINISH)
{
    float32x4_t multiplier[4];
    UNROLL for (int j = 0; j < 4; j++) multiplier[j] = vld1q_f32(d->k.multiplier + first + 4 * j);
    UNROLL for (int p = 0; p < PIXELS; p++)
    {
        float32x4_t scaled[4];
        UNROLL for (int j = 0; j < 4; j++)
            scaled[j] = scale(vpaddq_s32(sums[p][2 * j], sums[p][2 * j + 1]), multiplier[j]);
        vst1q_s8((int8_t *)out[p] + first, finish_16(scaled, &d->ending, FINISH));
    }
}

INLINE void finish(const struct dense *d, int32x4_t (*sums)[8], uint8_t *const *out, int first, const int PIXELS)
{
    if (d->ending.finish == PLAIN)
        store(d, sums, out, first, PIXELS, PLAIN);
    else if (d->ending.finish == BOUNDED)
        store(d, sums, out, first, PIXELS, BOUNDED);
    else
        store(d, sums, out, first, PIXELS, SATURATING);
}

/* A tile of pixels that each read one run of memory. */
INLINE void single(const struct dense *d, const struct pixel *pixels, int first, const int32_t *start,
                   const int PIXELS, const bool SYMMETRIC)
{
    int32x4_t sums[MOST_PIXELS][8];
    const uint8_t *in[MOST_PIXELS];
    uint8_t *out[MOST_PIXELS];
    UNROLL for (int p = 0; p < PIXELS; p++)
    {
        in[p] = pixels[p].in;
        out[p] = pixels[p].out;
    }
    begin(sums, start, PIXELS);
    multiply_steps(sums, in, d->k.weights + first / 16 * d->block, d->steps, PIXELS, SYMMETRIC);
    finish(d, sums, out, first, PIXELS);
}

INLINE void singles(const struct dense *shared, const struct pixel *pixels, int count, const bool SYMMETRIC)
{
    const struct dense copy = *shared;
    for (int first = 0; first < copy.k.output_channels; first += 16) {
        int32_t start[32];
        int i = 0;
        spread_bias(start, copy.k.bias + first);
        for (; i + MOST_PIXELS <= count; i += MOST_PIXELS)
            single(&copy, pixels + i, first, start, MOST_PIXELS, SYMMETRIC);
        for (; i < count; i++) single(&copy, pixels + i, first, start, 1, SYMMETRIC);
    }
}

static void singles_symmetric(const void *d, const struct pixel *pixels, int count) { singles(d, pixels, count, true); }
static void singles_any(const void *d, const struct pixel *pixels, int count) { singles(d, pixels, count, false); }

INLINE void window(const struct dense *d, int row, int x, int first, const int32_t *start, const int PIXELS,
                   const bool SYMMETRIC)
{
    int32x4_t sums[MOST_PIXELS][8];
    uint8_t *out[MOST_PIXELS];
    begin(sums, start, PIXELS);
    sum_windows(sums, d, row, x, d->k.weights + first / 16 * d->block, PIXELS, SYMMETRIC);
    UNROLL for (int p = 0; p < PIXELS; p++) out[p] = d->k.out[row] + (x + p) * d->k.out_pitch;
    finish(d, sums, out, first, PIXELS);
}

INLINE void windows(const struct dense *shared, const bool SYMMETRIC)
{
    const struct dense copy = *shared;
    for (int first = 0; first < copy.k.output_channels; first += 16) {
        int32_t start[32];
        spread_bias(start, copy.k.bias + first);
        for (int row = 0; row < copy.k.rows; row++) {
            int x = 0;
            for (; x + MOST_PIXELS <= copy.k.width; x += MOST_PIXELS)
                window(&copy, row, x, first, start, MOST_PIXELS, SYMMETRIC);
            for (; x < copy.k.width; x++) window(&copy, row, x, first, start, 1, SYMMETRIC);
        }
    }
}

static void windows_symmetric(const struct dense *d) { windows(d, true); }
static void windows_any(const struct dense *d) { windows(d, false); }

/* The sum of one output pixel, in float, for the caller's array. */
static void convolve_to_float(const struct dense *d, int row, int x, int first)
{
    const struct kernel *k = &d->k;
    int32x4_t sums[1][8];
    int32_t start[32];
    float values[16];
    spread_bias(start, k->bias + first);
    begin(sums, start, 1);
    if (k->symmetric)
        sum_windows(sums, d, row, x, k->weights + first / 16 * d->block, 1, true);
    else
        sum_windows(sums, d, row, x, k->weights + first / 16 * d->block, 1, false);
    UNROLL for (int j = 0; j < 4; j++)
        vst1q_f32(values + 4 * j, scale(vpaddq_s32(sums[0][2 * j], sums[0][2 * j + 1]),
                                        vld1q_f32(k->multiplier + first + 4 * j)));
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
    if (k->kernel_h * d.taps == 1)
        for_all_pixels(k, k->symmetric ? singles_symmetric : singles_any, &d);
    else
        (k->symmetric ? windows_symmetric : windows_any)(&d);
    arm_look_up_rows(k);
}
