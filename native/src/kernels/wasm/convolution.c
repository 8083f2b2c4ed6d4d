/* WebAssembly: dense convolution, 1x1 and K x K, by exact products of 16 bits.
 *
 * A chunk is as many output pixels of one row as fit the first cache with all values of their windows as int16, by
 * quads of pixels. A tile is a quad by 8 output channels. Two values of a pixel are broadcast and multiplied with
 * those of 4 channels. Chromium's engine does all loads of a loop's body first: 8 sums, 6 loads and a product are
 * the 15 registers. A body of two pairs of values spilled three loads and half the sums, and took 7 % longer.
 *
 * Packed weights of a step, four input channels by 16 output channels: [pair of inputs][half][8 channels][2]. */
#include "simd128.h"

#include "../runs.h"

#include <string.h>

enum {
    MOST_PIXELS = 4,
    CHUNK_BYTES = 16384
};

/* What all tiles of one call share. */
struct dense {
    struct kernel k;
    int tap_bytes, taps; /* of one kernel row; all its columns are one tap where they follow one another */
    int steps;           /* fours of values of one output pixel */
    size_t block;        /* bytes of the weights of 16 output channels */
    struct ending ending;
};

/* Output pixels' values, by quads of pixels: [pair of values][pixel][2]. */
struct chunk {
    const int16_t *values;
    size_t pixel; /* values */
    int row, x, count;
};

void simd128_pack_convolution(uint8_t *to, const int8_t *weights, size_t runs, int steps)
{
    for (size_t step = 0; step < runs * (size_t)steps; step++, weights += 64, to += 64)
        for (int half = 0; half < 2; half++) {
            v128_t a = wasm_v128_load(weights + 32 * half), b = wasm_v128_load(weights + 32 * half + 16);
            wasm_v128_store(to + 16 * half, wasm_i16x8_shuffle(a, b, 0, 2, 4, 6, 8, 10, 12, 14));
            wasm_v128_store(to + 16 * half + 32, wasm_i16x8_shuffle(a, b, 1, 3, 5, 7, 9, 11, 13, 15));
        }
}

/* Loads at constant offsets: clang would give each an addition of its own. */
INLINE v128_t load_weights(const int8_t *from, const int OFFSET)
{
    v128_t weights;
    __asm__ volatile("local.get %1\n\ti16x8.load8x8_s %2\n\tlocal.set %0"
                     : "=r"(weights)
                     : "r"(from), "i"(OFFSET)
                     : "memory");
    return weights;
}

INLINE v128_t load_pair(const int16_t *from, const int OFFSET)
{
    v128_t pair;
    __asm__ volatile("local.get %1\n\tv128.load32_splat %2\n\tlocal.set %0"
                     : "=r"(pair)
                     : "r"(from), "i"(OFFSET)
                     : "memory");
    return pair;
}

/* The first PIXELS of a quad by 8 channels. */
INLINE void tile(const struct dense *d, const struct chunk *chunk, int x, int first, const int PIXELS)
{
    const struct kernel *k = &d->k;
    const int8_t *weights = k->weights + first / 16 * d->block + first % 16 * 2;
    const int16_t *in = chunk->values + x * chunk->pixel;
    v128_t sums[MOST_PIXELS][2];
    UNROLL for (int p = 0; p < PIXELS; p++)
        UNROLL for (int b = 0; b < 2; b++) sums[p][b] = wasm_v128_load(k->bias + first + 4 * b);
    for (const int8_t *end = weights + d->block; weights < end; in += 2 * MOST_PIXELS, weights += 32) {
        v128_t w0 = load_weights(weights, 0), w1 = load_weights(weights, 8);
        UNROLL for (int p = 0; p < PIXELS; p++)
        {
            v128_t values = load_pair(in, 4 * p);
            sums[p][0] = wasm_i32x4_add(sums[p][0], wasm_i32x4_dot_i16x8(values, w0));
            sums[p][1] = wasm_i32x4_add(sums[p][1], wasm_i32x4_dot_i16x8(values, w1));
        }
    }
    uint8_t *out = k->out[chunk->row] + (chunk->x + x) * k->out_pitch + first;
    v128_t low = wasm_v128_load(k->multiplier + first), high = wasm_v128_load(k->multiplier + first + 4);
    UNROLL for (int p = 0; p < PIXELS; p += 2)
    {
        int next = p + 1 < PIXELS ? p + 1 : p;
        v128_t bytes = pack(requantise(sums[p][0], low), requantise(sums[p][1], high), requantise(sums[next][0], low),
                            requantise(sums[next][1], high), &d->ending);
        wasm_v128_store64_lane(out + p * k->out_pitch, bytes, 0);
        if (next > p)
            wasm_v128_store64_lane(out + next * k->out_pitch, bytes, 1);
    }
}

/* The first pixel of a quad by 16 channels, to the caller's array. The weights are the plan's: a vector is those of
 * two channels. */
static void float_tile(const struct dense *d, const struct chunk *chunk, int x, int first)
{
    const struct kernel *k = &d->k;
    const int8_t *weights = k->weights + first / 16 * d->block;
    const int16_t *in = chunk->values + x / MOST_PIXELS * MOST_PIXELS * chunk->pixel + 2 * (x % MOST_PIXELS);
    v128_t sums[8];
    UNROLL for (int i = 0; i < 8; i++) sums[i] = wasm_i32x4_const_splat(0);
    for (const int8_t *end = weights + d->block; weights < end; in += 4 * MOST_PIXELS, weights += 64) {
        v128_t values = wasm_i32x4_shuffle(load_pair(in, 0), load_pair(in, 4 * MOST_PIXELS), 0, 4, 1, 5);
        UNROLL for (int i = 0; i < 8; i++)
            sums[i] = wasm_i32x4_add(sums[i], wasm_i32x4_dot_i16x8(values, load_weights(weights, 8 * i)));
    }
    int32_t values[16];
    UNROLL for (int i = 0; i < 4; i++)
    {
        v128_t even = wasm_i32x4_shuffle(sums[2 * i], sums[2 * i + 1], 0, 2, 4, 6);
        v128_t odd = wasm_i32x4_shuffle(sums[2 * i], sums[2 * i + 1], 1, 3, 5, 7);
        wasm_v128_store(values + 4 * i, wasm_i32x4_add(even, odd));
    }
    for (int c = first; c < first + 16 && c < k->output_channels; c++)
        k->float_out[c * k->out_plane + (size_t)chunk->row * k->width + chunk->x + x] =
            (float)(values[c - first] + k->bias[c]) * k->multiplier[c];
}

/* All output channels of a chunk. */
static void convolve(const struct dense *d, const struct chunk *chunk)
{
    if (d->k.float_out) {
        for (int first = 0; first < d->k.output_channels; first += 16)
            for (int x = 0; x < chunk->count; x++)
                float_tile(d, chunk, x, first);
        return;
    }
    for (int first = 0; first < d->k.real_channels; first += 8) {
        int x = 0;
        for (; x + MOST_PIXELS <= chunk->count; x += MOST_PIXELS)
            tile(d, chunk, x, first, MOST_PIXELS);
        switch (chunk->count - x) {
        case 3: tile(d, chunk, x, first, 3); break;
        case 2: tile(d, chunk, x, first, 2); break;
        case 1: tile(d, chunk, x, first, 1); break;
        }
    }
}

/* `count` values of each pixel of a quad; the last vectors may write beyond them. */
INLINE void widen(int16_t *to, const uint8_t *const *pixels, size_t at, size_t count)
{
    for (const uint8_t *a = pixels[0] + at, *b = pixels[1] + at, *c = pixels[2] + at, *d = pixels[3] + at,
                       *end = a + count;
         a < end; a += 8, b += 8, c += 8, d += 8, to += 8 * MOST_PIXELS) {
        v128_t w = wasm_u16x8_load8x8(a), x = wasm_u16x8_load8x8(b), y = wasm_u16x8_load8x8(c), z = wasm_u16x8_load8x8(d);
        v128_t first = wasm_i32x4_shuffle(w, x, 0, 4, 1, 5), second = wasm_i32x4_shuffle(y, z, 0, 4, 1, 5);
        wasm_v128_store(to, wasm_i64x2_shuffle(first, second, 0, 2));
        wasm_v128_store(to + 8, wasm_i64x2_shuffle(first, second, 1, 3));
        first = wasm_i32x4_shuffle(w, x, 2, 6, 3, 7), second = wasm_i32x4_shuffle(y, z, 2, 6, 3, 7);
        wasm_v128_store(to + 16, wasm_i64x2_shuffle(first, second, 0, 2));
        wasm_v128_store(to + 24, wasm_i64x2_shuffle(first, second, 1, 3));
    }
}

/* The values of the windows of a chunk's pixels to memory, by quads. The pixels that the last one lacks are the last
 * pixel. What a tap's copy writes beyond it, the next one overwrites. */
static void gather(const struct dense *d, const struct chunk *chunk, int16_t *to)
{
    const struct kernel *k = &d->k;
    /* Copies: a store might change what they are read from, as far as the compiler knows. */
    const uint8_t *const *rows = k->in + chunk->row * k->stride_h;
    const size_t step = k->stride_w * k->in_pitch, tap_step = k->dilation_w * k->in_pitch;
    const size_t tap_bytes = (size_t)d->tap_bytes;
    const int kernel_h = k->kernel_h, dilation_h = k->dilation_h, taps = d->taps;
    for (int x = 0; x < chunk->count; x += MOST_PIXELS)
        for (int ky = 0; ky < kernel_h; ky++) {
            const uint8_t *pixels[MOST_PIXELS];
            for (int p = 0; p < MOST_PIXELS; p++)
                pixels[p] = rows[ky * dilation_h] + (chunk->x + (x + p < chunk->count ? x + p : chunk->count - 1)) * step;
            for (int tap = 0; tap < taps; tap++, to += tap_bytes * MOST_PIXELS)
                widen(to, pixels, tap * tap_step, tap_bytes);
        }
}

static struct dense dense_of(const struct kernel *k)
{
    struct dense d = {.k = *k, .tap_bytes = (k->channels + 3) / 4 * 4, .taps = k->kernel_w, .ending = ending_of(k)};
    d.steps = d.tap_bytes / 4 * k->kernel_h * k->kernel_w;
    d.block = (size_t)d.steps * 64;
    if (k->dilation_w == 1 && (size_t)d.tap_bytes == k->in_pitch) {
        d.tap_bytes *= k->kernel_w;
        d.taps = 1;
    }
    if (!k->float_out && is_one_row(k)) {
        d.k.width *= k->rows;
        d.k.rows = 1;
    }
    return d;
}

void simd128_convolution(const struct kernel *k)
{
    struct dense d = dense_of(k);
    struct chunk chunk = {k->scratch, (size_t)d.steps * 4, 0, 0, 0};
    int bytes = 2 * (int)chunk.pixel, most = CHUNK_BYTES / bytes;
    most = most > 24 * MOST_PIXELS ? 24 * MOST_PIXELS : most > MOST_PIXELS ? most / MOST_PIXELS * MOST_PIXELS : MOST_PIXELS;
    for (chunk.row = 0; chunk.row < d.k.rows; chunk.row++)
        for (chunk.x = 0; chunk.x < d.k.width; chunk.x += most) {
            int left = d.k.width - chunk.x;
            chunk.count = left < most ? left : most;
            gather(&d, &chunk, k->scratch);
            convolve(&d, &chunk);
        }
    simd128_look_up(k);
}
