/* ARMv7 with NEON: dense convolution, 1x1 and K x K.
 *
 * A product of two bytes takes 16 bits; two of them, of weights above -128, are added before they are
 * widened to 32 bits. A tile is PIXELS output pixels by 8 output channels: four vectors of sums a pixel,
 * each of two channels by two parts of their sum. */
#include "armv7.h"

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

INLINE int8x8_t repeat(const uint8_t *from)
{
    return vreinterpret_s8_s32(vld1_dup_s32((const int32_t *)(const void *)from));
}

/* Adds the products of 4 input channels, or of 8 where there are second ones, to the sums. */
INLINE void multiply(int32x4_t (*sums)[4], const int8x8_t *x, const int8x8_t *y, const int8_t *weights,
                     const int PIXELS, const bool PAIR)
{
    UNROLL for (int j = 0; j < 4; j++)
    {
        int8x8_t w = vld1_s8(weights + 8 * j), v = PAIR ? vld1_s8(weights + 64 + 8 * j) : w;
        UNROLL for (int p = 0; p < PIXELS; p++)
        {
            int16x8_t product = vmull_s8(w, x[p]);
            if (PAIR)
                product = vmlal_s8(product, v, y[p]);
            sums[p][j] = vpadalq_s16(sums[p][j], product);
        }
    }
}

/* The run of memory that each pixel reads at one tap; the weights behind it. */
INLINE const int8_t *multiply_steps(int32x4_t (*sums)[4], const uint8_t *const *in, const int8_t *weights, int steps,
                                    const int PIXELS, const bool SYMMETRIC)
{
    int8x8_t x[MOST_PIXELS], y[MOST_PIXELS];
    int at = 0;
    for (; SYMMETRIC && at + 2 <= steps; at += 2, weights += 128) {
        UNROLL for (int p = 0; p < PIXELS; p++)
        {
            x[p] = repeat(in[p] + 4 * at);
            y[p] = repeat(in[p] + 4 * at + 4);
        }
        multiply(sums, x, y, weights, PIXELS, true);
    }
    for (; at < steps; at++, weights += 64) {
        UNROLL for (int p = 0; p < PIXELS; p++) x[p] = repeat(in[p] + 4 * at);
        multiply(sums, x, x, weights, PIXELS, false);
    }
    return weights;
}

/* Two vectors of two channels in parts to their four sums. */
INLINE int32x4_t join(int32x4_t a, int32x4_t b)
{
    return vcombine_s32(vpadd_s32(vget_low_s32(a), vget_high_s32(a)), vpadd_s32(vget_low_s32(b), vget_high_s32(b)));
}

/* Eight channels of PIXELS pixels, whose runs of the first tap are at `in`, rows of the kernel at `rows`. */
INLINE void sum_tile(int32x4_t (*to)[2], const struct dense *d, const uint8_t *const *rows, size_t skipped,
                     const uint8_t *const *single, int first, const int PIXELS, const bool SYMMETRIC)
{
    const struct kernel *k = &d->k;
    const int8_t *weights = k->weights + first / 16 * d->block + first % 16 * 4;
    int32x4_t sums[MOST_PIXELS][4];
    UNROLL for (int p = 0; p < PIXELS; p++) UNROLL for (int j = 0; j < 4; j++) sums[p][j] = vdupq_n_s32(0);
    if (single) {
        multiply_steps(sums, single, weights, d->steps, PIXELS, SYMMETRIC);
    } else {
        for (int ky = 0; ky < k->kernel_h; ky++)
            for (int kx = 0; kx < d->taps; kx++) {
                const uint8_t *in[MOST_PIXELS];
                UNROLL for (int p = 0; p < PIXELS; p++)
                    in[p] = rows[ky * k->dilation_h] + skipped + p * d->pixel + kx * d->tap;
                weights = multiply_steps(sums, in, weights, d->steps, PIXELS, SYMMETRIC);
            }
    }
    int32x4_t low = vld1q_s32(k->bias + first), high = vld1q_s32(k->bias + first + 4);
    UNROLL for (int p = 0; p < PIXELS; p++)
    {
        to[p][0] = vaddq_s32(join(sums[p][0], sums[p][1]), low);
        to[p][1] = vaddq_s32(join(sums[p][2], sums[p][3]), high);
    }
}

INLINE void store_tile(const struct dense *d, int32x4_t (*sums)[2], uint8_t *const *out, int first, const int PIXELS)
{
    UNROLL for (int p = 0; p < PIXELS; p++)
        vst1_s8((int8_t *)out[p] + first, finish(sums[p][0], sums[p][1], d->k.multiplier + first, &d->ending));
}

INLINE void single(const struct dense *d, const struct pixel *pixels, int first, const int PIXELS, const bool SYMMETRIC)
{
    const uint8_t *in[MOST_PIXELS];
    uint8_t *out[MOST_PIXELS];
    int32x4_t sums[MOST_PIXELS][2];
    UNROLL for (int p = 0; p < PIXELS; p++)
    {
        in[p] = pixels[p].in;
        out[p] = pixels[p].out;
    }
    sum_tile(sums, d, NULL, 0, in, first, PIXELS, SYMMETRIC);
    store_tile(d, sums, out, first, PIXELS);
}

INLINE void singles(const struct dense *d, const struct pixel *pixels, int count, const bool SYMMETRIC)
{
    for (int first = 0; first < d->k.output_channels; first += 8) {
        int i = 0;
        for (; i + 2 <= count; i += 2) single(d, pixels + i, first, 2, SYMMETRIC);
        if (i < count)
            single(d, pixels + i, first, 1, SYMMETRIC);
    }
}

static void convolve_singles(const void *context, const struct pixel *pixels, int count)
{
    const struct dense d = *(const struct dense *)context;
    if (d.k.symmetric)
        singles(&d, pixels, count, true);
    else
        singles(&d, pixels, count, false);
}

INLINE void window(const struct dense *d, int row, int x, int first, const int PIXELS, const bool SYMMETRIC)
{
    const struct kernel *k = &d->k;
    uint8_t *out[MOST_PIXELS];
    int32x4_t sums[MOST_PIXELS][2];
    UNROLL for (int p = 0; p < PIXELS; p++) out[p] = k->out[row] + (x + p) * k->out_pitch;
    sum_tile(sums, d, k->in + row * k->stride_h, x * d->pixel, NULL, first, PIXELS, SYMMETRIC);
    store_tile(d, sums, out, first, PIXELS);
}

INLINE void windows(const struct dense *d, const bool SYMMETRIC)
{
    for (int first = 0; first < d->k.output_channels; first += 8)
        for (int row = 0; row < d->k.rows; row++) {
            int x = 0;
            for (; x + 2 <= d->k.width; x += 2) window(d, row, x, first, 2, SYMMETRIC);
            if (x < d->k.width)
                window(d, row, x, first, 1, SYMMETRIC);
        }
}

/* The sums of one output pixel, in float, for the caller's array; by VFP, which has subnormal numbers. */
static void convolve_to_float(const struct dense *d, int row, int x, int first)
{
    const struct kernel *k = &d->k;
    int32x4_t sums[1][2];
    int32_t values[8];
    if (k->symmetric)
        sum_tile(sums, d, k->in + row * k->stride_h, x * d->pixel, NULL, first, 1, true);
    else
        sum_tile(sums, d, k->in + row * k->stride_h, x * d->pixel, NULL, first, 1, false);
    vst1q_s32(values, sums[0][0]);
    vst1q_s32(values + 4, sums[0][1]);
    for (int c = first; c < first + 8 && c < k->output_channels; c++)
        k->float_out[c * k->out_plane + (size_t)row * k->width + x] = (float)values[c - first] * k->multiplier[c];
}

void armv7_convolution(const struct kernel *k)
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
        for (int first = 0; first < k->output_channels; first += 8)
            for (int row = 0; row < k->rows; row++)
                for (int x = 0; x < k->width; x++)
                    convolve_to_float(&d, row, x, first);
        return;
    }
    if (k->kernel_h * d.taps == 1)
        for_all_pixels(k, convolve_singles, &d);
    else if (k->symmetric)
        windows(&d, true);
    else
        windows(&d, false);
    armv7_look_up_rows(k);
}
