/* AArch64 with dot products: dense convolution, 1x1 and K x K, of pixels and channel blocks of 16.
 *
 * A tile is PIXELS output pixels by 16 output channels, four vectors of sums a pixel, or by 8, two of them. A
 * lane of four input channels of a pixel multiplies 64 bytes of weights. */
#include "arm.h"

#include "../../plan.h"
#include "../together.h"

enum { MOST_PIXELS = 6 };

/* What all tiles of one call share. */
struct dense {
    /* Copies, not a pointer: a store of bytes might change what it points at, as far as the compiler knows. */
    struct kernel k;
    int taps, fours, rest; /* runs of a kernel row; of each, groups of 16 input channels and then of 4 */
    size_t block, pixel, tap; /* bytes: weights of a block; from one output pixel's input, and tap, to the next */
    struct ending ending;
};

/* The d-th of four input channels' groups, d a constant. */
#define LANE(d) \
    UNROLL for (int j = 0; j < QUARTERS; j++) \
    { \
        int8x16_t w = vld1q_s8(weights + 64 * d + 16 * j); \
        UNROLL for (int p = 0; p < PIXELS; p++) sums[p][j] = vdotq_laneq_s32(sums[p][j], w, x[p], d); \
    }

/* Adds `fours` times 16 input channels and then `rest` times four to the sums; the weights behind them. */
INLINE const int8_t *multiply(int32x4_t (*sums)[4], const uint8_t **in, const int8_t *weights, int fours, int rest,
                              const int PIXELS, const int QUARTERS)
{
    int8x16_t x[MOST_PIXELS];
    for (; fours != 0; fours--, weights += 256) {
        UNROLL for (int p = 0; p < PIXELS; p++) x[p] = load_next(&in[p]);
        LANE(0) LANE(1) LANE(2) LANE(3)
    }
    if (rest == 0)
        return weights;
    UNROLL for (int p = 0; p < PIXELS; p++) x[p] = vld1q_s8((const int8_t *)in[p]);
    LANE(0)
    if (rest > 1)
        LANE(1)
    if (rest > 2)
        LANE(2)
    return weights + 64 * rest;
}

INLINE void store_tile(int32x4_t (*sums)[4], uint8_t *const *out, int first, const float *multiplier,
                       const struct ending *ending, const int PIXELS, const int QUARTERS, const enum finish FINISH)
{
    float32x4_t m[4];
    UNROLL for (int j = 0; j < QUARTERS; j++) m[j] = vld1q_f32(multiplier + 4 * j);
    UNROLL for (int p = 0; p < PIXELS; p++)
    {
        int8_t *to = (int8_t *)out[p] + first;
        if (QUARTERS == 2) {
            vst1_s8(to, finish_8(sums[p][0], sums[p][1], m[0], m[1], ending, FINISH));
        } else {
            float32x4_t scaled[4];
            UNROLL for (int j = 0; j < 4; j++) scaled[j] = scale(sums[p][j], m[j]);
            vst1q_s8(to, finish_16(scaled, ending, FINISH));
        }
    }
}

INLINE void start(int32x4_t (*sums)[4], const int32_t *bias, const int PIXELS, const int QUARTERS)
{
    UNROLL for (int p = 0; p < PIXELS; p++)
    {
        LOAD_SUMS(sums[p][0], sums[p][1], bias, 0);
        if (QUARTERS == 4)
            LOAD_SUMS(sums[p][2], sums[p][3], bias, 32);
    }
}

INLINE void finish(const struct dense *d, int32x4_t (*sums)[4], uint8_t *const *out, int first, const int PIXELS,
                   const int QUARTERS)
{
    const float *multiplier = d->k.multiplier + first;
    if (d->ending.finish == PLAIN)
        store_tile(sums, out, first, multiplier, &d->ending, PIXELS, QUARTERS, PLAIN);
    else if (d->ending.finish == BOUNDED)
        store_tile(sums, out, first, multiplier, &d->ending, PIXELS, QUARTERS, BOUNDED);
    else
        store_tile(sums, out, first, multiplier, &d->ending, PIXELS, QUARTERS, SATURATING);
}

/* `count` tiles from the x-th of these pixels on; all that a pixel reads follows in memory. */
INLINE void single(const struct dense *shared, const struct pixel *pixels, int x, int first, int count,
                   const int PIXELS, const int QUARTERS)
{
    const struct dense copy = *shared, *d = &copy;
    const int8_t *weights = d->k.weights + first / 16 * d->block;
    for (pixels += x; count != 0; count--, pixels += PIXELS) {
        int32x4_t sums[MOST_PIXELS][4];
        const uint8_t *in[MOST_PIXELS];
        uint8_t *out[MOST_PIXELS];
        UNROLL for (int p = 0; p < PIXELS; p++)
        {
            in[p] = pixels[p].in;
            out[p] = pixels[p].out;
        }
        start(sums, d->k.bias + first, PIXELS, QUARTERS);
        multiply(sums, in, weights, d->fours, d->rest, PIXELS, QUARTERS);
        finish(d, sums, out, first, PIXELS, QUARTERS);
    }
}

/* The same from column x of a row on, for windows. */
INLINE void window(const struct dense *shared, int row, int x, int first, int count, const int PIXELS)
{
    const struct dense copy = *shared, *d = &copy;
    const struct kernel *k = &d->k;
    for (; count != 0; count--, x += PIXELS) {
        const int8_t *weights = k->weights + first / 16 * d->block;
        int32x4_t sums[MOST_PIXELS][4];
        uint8_t *out[MOST_PIXELS];
        start(sums, k->bias + first, PIXELS, 4);
        for (int ky = 0; ky < k->kernel_h; ky++) {
            const uint8_t *tap = k->in[row * k->stride_h + ky * k->dilation_h] + x * d->pixel;
            for (int kx = 0; kx < d->taps; kx++, tap += d->tap) {
                const uint8_t *in[MOST_PIXELS];
                UNROLL for (int p = 0; p < PIXELS; p++) in[p] = tap + p * d->pixel;
                weights = multiply(sums, in, weights, d->fours, d->rest, PIXELS, 4);
            }
        }
        UNROLL for (int p = 0; p < PIXELS; p++) out[p] = k->out[row] + (x + p) * k->out_pitch;
        finish(d, sums, out, first, PIXELS, 4);
    }
}

#define TILES(n) \
    static __attribute__((noinline)) void single_##n(const struct dense *d, const struct pixel *p, int x, \
                                                          int first, int count) \
    { \
        single(d, p, x, first, count, n, 4); \
    } \
    static __attribute__((noinline)) void half_##n(const struct dense *d, const struct pixel *p, int x, \
                                                        int first, int count) \
    { \
        single(d, p, x, first, count, n, 2); \
    } \
    static __attribute__((noinline)) void window_##n(const struct dense *d, int row, int x, int first, int count) \
    { \
        window(d, row, x, first, count, n); \
    }
TILES(1) TILES(2) TILES(3) TILES(4) TILES(5) TILES(6)

/* Tiles of two sizes, one pixel apart: how many of the larger and the smaller one, and the larger size. */
struct split {
    int larger, smaller, pixels;
};

static struct split split_into_tiles(int pixels)
{
    int tiles = (pixels + MOST_PIXELS - 1) / MOST_PIXELS;
    int most = (pixels + tiles - 1) / tiles, smaller = most * tiles - pixels;
    return (struct split){tiles - smaller, smaller, most};
}

static void convolve_windows(const struct dense *d)
{
    static void (*const tiles_of[])(const struct dense *, int, int, int, int) = {
        NULL, window_1, window_2, window_3, window_4, window_5, window_6};
    struct split split = split_into_tiles(d->k.width);
    for (int first = 0; first < d->k.output_channels; first += 16)
        for (int row = 0; row < d->k.rows; row++) {
            tiles_of[split.pixels](d, row, 0, first, split.larger);
            if (split.smaller)
                tiles_of[split.pixels - 1](d, row, split.larger * split.pixels, first, split.smaller);
        }
}

static void convolve_pixels(const void *context, const struct pixel *pixels, int count)
{
    const struct dense *d = context;
    static void (*const tiles_of[2][MOST_PIXELS + 1])(const struct dense *, const struct pixel *, int, int, int) = {
        {NULL, single_1, single_2, single_3, single_4, single_5, single_6},
        {NULL, half_1, half_2, half_3, half_4, half_5, half_6},
    };
    struct split split = split_into_tiles(count);
    for (int first = 0; first < d->k.output_channels; first += 16) {
        bool half = d->k.real_channels - first <= 8;
        tiles_of[half][split.pixels](d, pixels, 0, first, split.larger);
        if (split.smaller)
            tiles_of[half][split.pixels - 1](d, pixels, split.larger * split.pixels, first, split.smaller);
    }
}

/* The sum of one output pixel, in float, for the caller's array. */
static void convolve_to_float(const struct dense *d, int row, int x, int first)
{
    const struct kernel *k = &d->k;
    const int8_t *weights = k->weights + first / 16 * d->block;
    int32x4_t sums[1][4];
    UNROLL for (int j = 0; j < 4; j++) sums[0][j] = vld1q_s32(k->bias + first + 4 * j);
    for (int ky = 0; ky < k->kernel_h; ky++)
        for (int kx = 0; kx < d->taps; kx++) {
            const uint8_t *in = k->in[row * k->stride_h + ky * k->dilation_h] + x * d->pixel + kx * d->tap;
            weights = multiply(sums, &in, weights, d->fours, d->rest, 1, 4);
        }
    float values[16];
    UNROLL for (int j = 0; j < 4; j++)
        vst1q_f32(values + 4 * j, scale(sums[0][j], vld1q_f32(k->multiplier + first + 4 * j)));
    for (int c = 0; c < 16 && first + c < k->output_channels; c++)
        k->float_out[(first + c) * k->out_plane + (size_t)row * k->width + x] = values[c];
}

void dotprod_convolution(const struct kernel *k)
{
    int steps = (k->channels + 3) / 4;
    struct dense d = {.k = *k, .taps = k->kernel_w, .ending = ending_of(k)};
    d.block = (size_t)k->kernel_h * k->kernel_w * steps * 64;
    d.pixel = k->stride_w * k->in_pitch;
    d.tap = k->dilation_w * k->in_pitch;
    if (k->dilation_w == 1 && (size_t)steps * 4 == k->in_pitch) { /* a kernel row's taps follow one another */
        d.taps = 1;
        steps *= k->kernel_w;
    }
    d.fours = steps / 4;
    d.rest = steps % 4;
    if (k->float_out) {
        for (int first = 0; first < k->output_channels; first += 16)
            for (int row = 0; row < k->rows; row++)
                for (int x = 0; x < k->width; x++)
                    convolve_to_float(&d, row, x, first);
        return;
    }
    if (k->kernel_h * d.taps == 1)
        for_all_pixels(k, convolve_pixels, &d);
    else
        convolve_windows(&d);
    arm_look_up_rows(k);
}
