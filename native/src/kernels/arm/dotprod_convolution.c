/* AArch64 with dot products: dense convolution, 1x1 and K x K, of pixels and channel blocks of 16.
 *
 * A tile is PIXELS output pixels of one row by 16 output channels: four vectors of sums a pixel. A lane of
 * four input channels of a pixel multiplies 64 bytes of weights. */
#include "arm.h"

#include "../../plan.h"

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
    UNROLL for (int j = 0; j < 4; j++) \
    { \
        int8x16_t w = vld1q_s8(weights + 64 * d + 16 * j); \
        UNROLL for (int p = 0; p < PIXELS; p++) sums[p][j] = vdotq_laneq_s32(sums[p][j], w, x[p], d); \
    }

/* Adds `fours` times 16 input channels and then `rest` times four to the sums; the weights behind them. */
INLINE const int8_t *multiply(int32x4_t (*sums)[4], const uint8_t **in, const int8_t *weights, int fours, int rest,
                              const int PIXELS)
{
    int8x16_t x[MOST_PIXELS];
    for (; fours > 0; fours--, weights += 256) {
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

/* The pixels' inputs at one tap. */
INLINE void point(const uint8_t **in, const uint8_t *first, size_t pixel, const int PIXELS)
{
    in[0] = first;
    UNROLL for (int p = 1; p < PIXELS; p++) in[p] = in[p - 1] + pixel;
}

/* SINGLE: all that a pixel reads follows in memory from `in` on. */
INLINE void tile(const struct dense *d, int row, const uint8_t *first_in, size_t skipped, const int8_t *weights,
                 uint8_t *out, int first, const int PIXELS, const bool SINGLE)
{
    const struct kernel *k = &d->k;
    const uint8_t *in[MOST_PIXELS];
    int32x4_t sums[MOST_PIXELS][4];
    UNROLL for (int p = 0; p < PIXELS; p++)
    {
        LOAD_SUMS(sums[p][0], sums[p][1], k->bias + first, 0);
        LOAD_SUMS(sums[p][2], sums[p][3], k->bias + first, 32);
    }
    if (SINGLE) {
        point(in, first_in, d->pixel, PIXELS);
        multiply(sums, in, weights, d->fours, d->rest, PIXELS);
    } else {
        for (int ky = 0; ky < k->kernel_h; ky++) {
            const uint8_t *tap = k->in[row * k->stride_h + ky * k->dilation_h] + skipped;
            for (int kx = 0; kx < d->taps; kx++, tap += d->tap) {
                point(in, tap, d->pixel, PIXELS);
                weights = multiply(sums, in, weights, d->fours, d->rest, PIXELS);
            }
        }
    }
    const float *multiplier = k->multiplier + first;
    if (d->ending.finish == PLAIN)
        store_tile(sums, out, k->out_pitch, multiplier, &d->ending, PIXELS, PLAIN);
    else if (d->ending.finish == BOUNDED)
        store_tile(sums, out, k->out_pitch, multiplier, &d->ending, PIXELS, BOUNDED);
    else
        store_tile(sums, out, k->out_pitch, multiplier, &d->ending, PIXELS, SATURATING);
}

/* `count` tiles side by side. */
INLINE void tiles(const struct dense *shared, int row, int x, int first, int count, const int PIXELS, const bool SINGLE)
{
    const struct dense copy = *shared, *d = &copy;
    const int8_t *weights = d->k.weights + first / 16 * d->block;
    uint8_t *out = d->k.out[row] + x * d->k.out_pitch + first;
    const uint8_t *in = d->k.in[row * d->k.stride_h];
    size_t skipped = x * d->pixel;
    for (; count > 0; count--, skipped += PIXELS * d->pixel, out += PIXELS * d->k.out_pitch)
        tile(d, row, in + skipped, skipped, weights, out, first, PIXELS, SINGLE);
}

#define TILES(pixels) \
    static __attribute__((noinline)) void single_##pixels(const struct dense *d, int row, int x, int first, int count) \
    { \
        tiles(d, row, x, first, count, pixels, true); \
    } \
    static __attribute__((noinline)) void window_##pixels(const struct dense *d, int row, int x, int first, int count) \
    { \
        tiles(d, row, x, first, count, pixels, false); \
    }
TILES(1) TILES(2) TILES(3) TILES(4) TILES(5) TILES(6)

typedef void tiles_function(const struct dense *, int row, int x, int first, int count);

/* One row of `width` pixels, in tiles of two sizes, one pixel apart. */
static void convolve_row(const struct dense *d, int row, int width, int first)
{
    static tiles_function *const functions[2][MOST_PIXELS + 1] = {
        {NULL, window_1, window_2, window_3, window_4, window_5, window_6},
        {NULL, single_1, single_2, single_3, single_4, single_5, single_6},
    };
    tiles_function *const *tiles_of = functions[d->k.kernel_h * d->taps == 1];
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
        for (int kx = 0; kx < d->taps; kx++) {
            const uint8_t *in = k->in[row * k->stride_h + ky * k->dilation_h] + x * d->pixel + kx * d->tap;
            weights = multiply(sums, &in, weights, d->fours, d->rest, 1);
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
    bool joined = is_one_row(k);
    int rows = joined ? 1 : k->rows, width = joined ? k->width * k->rows : k->width;
    for (int first = 0; first < k->output_channels; first += 16)
        for (int row = 0; row < rows; row++)
            convolve_row(&d, row, width, first);
    arm_look_up_rows(k);
}
