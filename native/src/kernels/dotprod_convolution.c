/* AArch64 with dot products: dense convolution, 1x1 and K x K, of pixels and channel blocks of 16.
 *
 * A tile is PIXELS output pixels of one row by 16 output channels: four vectors of sums a pixel. A lane of
 * four input channels of a pixel multiplies 64 bytes of weights. */
#include "arm.h"

#include "../plan.h"

enum { MOST_PIXELS = 6 };

/* What all tiles of one call share. */
struct dense {
    /* Copies, not a pointer: a store of bytes might change what it points at, as far as the compiler knows. */
    struct kernel k;
    int steps;
    size_t block, pixel; /* bytes: weights of a block; from one output pixel's input to the next's */
    bool contiguous;     /* the taps of a kernel row follow one another in memory */
    struct ending ending;
};

#define LANE(d) \
    { \
        UNROLL for (int pair = 0; pair < 4; pair += 2) \
        { \
            int8x16_t w0 = vld1q_s8(weights + 64 * d + 16 * pair), w1 = vld1q_s8(weights + 64 * d + 16 * pair + 16); \
            UNROLL for (int p = 0; p < PIXELS; p++) \
            { \
                sums[p][pair] = vdotq_laneq_s32(sums[p][pair], w0, x[p], d); \
                sums[p][pair + 1] = vdotq_laneq_s32(sums[p][pair + 1], w1, x[p], d); \
            } \
        } \
    }

/* Adds `steps` groups of four input channels to the sums. */
INLINE void multiply_steps(int32x4_t (*sums)[4], const uint8_t *const *in, size_t at, const int8_t *weights, int steps,
                           const int PIXELS)
{
    int8x16_t x[MOST_PIXELS];
    for (; steps >= 4; steps -= 4, at += 16, weights += 256) {
        UNROLL for (int p = 0; p < PIXELS; p++) x[p] = vld1q_s8((const int8_t *)in[p] + at);
        LANE(0) LANE(1) LANE(2) LANE(3)
    }
    if (steps) {
        UNROLL for (int p = 0; p < PIXELS; p++) x[p] = vld1q_s8((const int8_t *)in[p] + at);
        LANE(0)
        if (steps > 1)
            LANE(1)
        if (steps > 2)
            LANE(2)
    }
}

INLINE void store_tile(int32x4_t (*sums)[4], uint8_t *out, size_t pitch, const float *multiplier,
                       const struct ending *ending, const int PIXELS, const enum finish FINISH)
{
    float32x4_t m[4];
    UNROLL for (int j = 0; j < 4; j++) m[j] = vld1q_f32(multiplier + 4 * j);
    UNROLL for (int p = 0; p < PIXELS; p++, out += pitch)
    {
        float32x4_t scaled[4];
        UNROLL for (int j = 0; j < 4; j++) scaled[j] = scale(sums[p][j], m[j]);
        vst1q_s8((int8_t *)out, finish_16(scaled, ending, FINISH));
    }
}

INLINE void tile(const struct dense *d, int row, int x, int first, const int PIXELS)
{
    const struct kernel *k = &d->k;
    const int8_t *weights = k->weights + first / 16 * d->block;
    int32x4_t sums[PIXELS][4];
    UNROLL for (int p = 0; p < PIXELS; p++)
    {
        load_sums(&sums[p][0], &sums[p][1], k->bias + first);
        load_sums(&sums[p][2], &sums[p][3], k->bias + first + 8);
    }
    int taps = d->contiguous ? 1 : k->kernel_w;
    int steps = d->contiguous ? d->steps * k->kernel_w : d->steps;
    for (int ky = 0; ky < k->kernel_h; ky++) {
        const uint8_t *in[MOST_PIXELS];
        in[0] = k->in[row * k->stride_h + ky * k->dilation_h] + x * d->pixel;
        UNROLL for (int p = 1; p < PIXELS; p++) in[p] = in[p - 1] + d->pixel;
        for (int kx = 0; kx < taps; kx++, weights += steps * 64)
            multiply_steps(sums, in, (size_t)kx * k->dilation_w * k->in_pitch, weights, steps, PIXELS);
    }
    uint8_t *out = k->out[row] + x * k->out_pitch + first;
    const float *multiplier = k->multiplier + first;
    if (d->ending.finish == PLAIN)
        store_tile(sums, out, k->out_pitch, multiplier, &d->ending, PIXELS, PLAIN);
    else if (d->ending.finish == BOUNDED)
        store_tile(sums, out, k->out_pitch, multiplier, &d->ending, PIXELS, BOUNDED);
    else
        store_tile(sums, out, k->out_pitch, multiplier, &d->ending, PIXELS, SATURATING);
}

/* `count` tiles side by side. */
#define TILES(pixels) \
    static __attribute__((noinline)) void tiles_##pixels(const struct dense *d, int row, int x, int first, int count) \
    { \
        for (int t = 0; t < count; t++, x += pixels) \
            tile(d, row, x, first, pixels); \
    }
TILES(1) TILES(2) TILES(3) TILES(4) TILES(5) TILES(6)

/* One row of `width` pixels, in tiles of two sizes, one pixel apart. */
static void convolve_row(const struct dense *d, int row, int width, int first)
{
    static void (*const tiles_of[])(const struct dense *, int, int, int, int) = {NULL,    tiles_1, tiles_2, tiles_3,
                                                                                tiles_4, tiles_5, tiles_6};
    int tiles = (width + MOST_PIXELS - 1) / MOST_PIXELS;
    int pixels = (width + tiles - 1) / tiles;
    int smaller = pixels * tiles - width, larger = tiles - smaller;
    tiles_of[pixels](d, row, 0, first, larger);
    if (smaller)
        tiles_of[pixels - 1](d, row, larger * pixels, first, smaller);
}

/* The sum of one output pixel, in float, for the caller's array. */
static void convolve_to_float(const struct dense *d, int row, int x, int first)
{
    const struct kernel *k = &d->k;
    const int8_t *weights = k->weights + first / 16 * d->block;
    int32x4_t sums[1][4];
    UNROLL for (int j = 0; j < 4; j++) sums[0][j] = vld1q_s32(k->bias + first + 4 * j);
    for (int ky = 0; ky < k->kernel_h; ky++)
        for (int kx = 0; kx < k->kernel_w; kx++, weights += 64 * d->steps) {
            const uint8_t *in = k->in[row * k->stride_h + ky * k->dilation_h] + x * d->pixel;
            multiply_steps(sums, &in, (size_t)kx * k->dilation_w * k->in_pitch, weights, d->steps, 1);
        }
    float values[16];
    UNROLL for (int j = 0; j < 4; j++)
        vst1q_f32(values + 4 * j, scale(sums[0][j], vld1q_f32(k->multiplier + first + 4 * j)));
    for (int c = 0; c < 16 && first + c < k->output_channels; c++)
        k->float_out[(first + c) * k->out_plane + (size_t)row * k->width + x] = values[c];
}

/* A 1x1 convolution over rows that follow one another in memory is one of a single long row. */
static bool is_one_row(const struct kernel *k)
{
    if (k->kernel_h != 1 || k->kernel_w != 1 || k->stride_h != 1 || k->stride_w != 1)
        return false;
    for (int row = 1; row < k->rows; row++)
        if (k->in[row] != k->in[row - 1] + k->width * k->in_pitch ||
            k->out[row] != k->out[row - 1] + k->width * k->out_pitch)
            return false;
    return true;
}

void dotprod_convolution(const struct kernel *k)
{
    struct dense d = {.k = *k, .steps = (k->channels + 3) / 4, .ending = ending_of(k)};
    d.block = (size_t)k->kernel_h * k->kernel_w * d.steps * 64;
    d.pixel = k->stride_w * k->in_pitch;
    d.contiguous = k->dilation_w == 1 && (size_t)d.steps * 4 == k->in_pitch;
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
            convolve_row(&d, row, width, first);
    arm_look_up_rows(k);
}
