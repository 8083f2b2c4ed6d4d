/* WebAssembly: depthwise convolution, 16 channels at a time.
 *
 * Some columns are interleaved to memory by pairs of rows as int16, and one product takes both taps of four
 * channels. A tile is 4 pixels of one output row: the weights of one kernel row's columns, 4 sums, a column's values
 * and a product are 9 of 15 registers, 11 with 5 columns; 4 more hold the results of the channels before.
 *
 * Packed, for each block: int16 [quarter][output row][pair of rows][kernel column][channel of the quarter][2]. */
#include "simd128.h"

#include <string.h>

enum {
    MOST_COLUMNS = 32, /* output pixels between two interleavings */
    PIXELS = 4,
    PAIR = 32 /* values of a column's pair of rows */
};

/* How many output rows a pass makes, and how many pairs of input rows it reads: two where both take as many. */
struct shape {
    int together, pairs;
};

static struct shape shape_of(int kernel_h, int stride_h)
{
    int pairs = (kernel_h + 1) / 2;
    return (struct shape){kernel_h + stride_h <= 2 * pairs ? 2 : 1, pairs};
}

size_t simd128_depthwise_bytes(int kernel_h, int kernel_w, int stride_h, int dilation_w)
{
    /* Larger windows than the scratch memory holds are portable's. */
    if (kernel_h > 2 * SIMD128_PAIRS || (kernel_w - 1) * dilation_w >= SIMD128_REACH)
        return 0;
    struct shape shape = shape_of(kernel_h, stride_h);
    return (size_t)4 * shape.together * shape.pairs * kernel_w;
}

void simd128_pack_depthwise(uint8_t *to, const int8_t *weights, const int32_t *bias, const float *multiplier,
                            int channels, int kernel_h, int kernel_w, int stride_h)
{
    (void)bias, (void)multiplier;
    struct shape shape = shape_of(kernel_h, stride_h);
    for (int first = 0; first < channels; first += 4)
        for (int row = 0; row < shape.together; row++)
            for (int ky = -row * stride_h; ky < 2 * shape.pairs - row * stride_h; ky += 2)
                for (int kx = 0; kx < kernel_w; kx++)
                    for (int c = first; c < first + 4; c++, to += 4) {
                        const int8_t *taps = weights + c / 16 * kernel_h * kernel_w * 16 + c % 16;
                        int16_t pair[2] = {0};
                        for (int i = 0; i < 2; i++)
                            if (ky + i >= 0 && ky + i < kernel_h)
                                pair[i] = taps[((ky + i) * kernel_w + kx) * 16];
                        memcpy(to, pair, sizeof pair);
                    }
}

/* Interleaves `count` columns of pairs of rows: [column][pair][quarter][channel][2]. */
static void spread(int16_t *to, const uint8_t *const *rows, size_t at, size_t pitch, int count, int pairs)
{
    for (int column = 0; column < count; column++, at += pitch)
        for (int pair = 0; pair < pairs; pair++, to += PAIR) {
            v128_t a = wasm_v128_load(rows[2 * pair] + at), b = wasm_v128_load(rows[2 * pair + 1] + at);
            v128_t low = wasm_i8x16_shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            v128_t high = wasm_i8x16_shuffle(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
            wasm_v128_store(to, wasm_u16x8_extend_low_u8x16(low));
            wasm_v128_store(to + 8, wasm_u16x8_extend_high_u8x16(low));
            wasm_v128_store(to + 16, wasm_u16x8_extend_low_u8x16(high));
            wasm_v128_store(to + 24, wasm_u16x8_extend_high_u8x16(high));
        }
}

/* What all windows of one call share; the strides and sizes that are not constants of `windows`. */
struct windows {
    const int16_t *packed; /* of a block */
    const int32_t *bias;
    const float *multiplier;
    size_t out_pitch;
    int together, pairs, kernel_w, stride_w, dilation_w;
    struct ending ending;
};

/* The sums of COUNT pixels of four channels, of one of the output rows of a pass, rounded. */
INLINE void quarter(const struct windows *w, v128_t *sums, const int16_t *columns, const int16_t *weights, int at,
                    const int COUNT, const int KERNEL_W, const int STRIDE)
{
    const size_t column = (size_t)w->pairs * PAIR;
    v128_t bias = wasm_v128_load(w->bias + at);
    UNROLL for (int p = 0; p < COUNT; p++) sums[p] = bias;
    for (const int16_t *end = columns + column; columns < end; columns += PAIR) {
        if (KERNEL_W) { /* each column's values are read once */
            v128_t taps[KERNEL_W ? KERNEL_W : 1];
            UNROLL for (int kx = 0; kx < KERNEL_W; kx++, weights += 8) taps[kx] = wasm_v128_load(weights);
            UNROLL for (int i = 0; i < (COUNT - 1) * STRIDE + KERNEL_W; i++)
            {
                v128_t values = wasm_v128_load(columns + i * column);
                UNROLL for (int p = 0; p < COUNT; p++)
                    if (i >= p * STRIDE && i < p * STRIDE + KERNEL_W)
                        sums[p] = wasm_i32x4_add(sums[p], wasm_i32x4_dot_i16x8(values, taps[i - p * STRIDE]));
            }
        } else {
            for (int kx = 0; kx < w->kernel_w; kx++, weights += 8) {
                const int16_t *from = columns + (size_t)kx * w->dilation_w * column;
                v128_t taps = wasm_v128_load(weights);
                UNROLL for (int p = 0; p < COUNT; p++)
                    sums[p] = wasm_i32x4_add(
                        sums[p], wasm_i32x4_dot_i16x8(wasm_v128_load(from + (size_t)p * w->stride_w * column), taps));
            }
        }
    }
    v128_t multiplier = wasm_v128_load(w->multiplier + at);
    UNROLL for (int p = 0; p < COUNT; p++) sums[p] = requantise(sums[p], multiplier);
}

/* COUNT pixels of one output row, the `row`-th of a pass, from interleaved columns. */
INLINE void window(const struct windows *w, const int16_t *columns, uint8_t *out, int row, const int COUNT,
                   const int KERNEL_W, const int STRIDE)
{
    const size_t weights = (size_t)w->pairs * w->kernel_w * 8;
    for (int half = 0; half < 2; half++, out += 8) {
        v128_t values[2][PIXELS];
        UNROLL for (int q = 0; q < 2; q++)
        {
            int at = 2 * half + q;
            quarter(w, values[q], columns + 8 * at, w->packed + (at * w->together + row) * weights, 4 * at, COUNT,
                    KERNEL_W, STRIDE);
        }
        UNROLL for (int p = 0; p < COUNT; p += 2)
        {
            int next = p + 1 < COUNT ? p + 1 : p;
            v128_t bytes = pack(values[0][p], values[1][p], values[0][next], values[1][next], &w->ending);
            wasm_v128_store64_lane(out + p * w->out_pitch, bytes, 0);
            if (next > p)
                wasm_v128_store64_lane(out + next * w->out_pitch, bytes, 1);
        }
    }
}

/* `pixels` pixels of each row, by fours; the last four overlap those before them. */
INLINE void windows(const struct windows *w, const int16_t *columns, uint8_t *const *out, size_t at, int pixels,
                    int rows, const int KERNEL_W, const int STRIDE)
{
    const size_t pixel = (size_t)w->pairs * PAIR * w->stride_w;
    for (int p = 0; p < pixels; p += pixels < PIXELS ? 1 : PIXELS) {
        p = pixels >= PIXELS && p > pixels - PIXELS ? pixels - PIXELS : p;
        for (int row = 0; row < rows; row++) {
            uint8_t *to = out[row] + at + p * w->out_pitch;
            if (pixels < PIXELS)
                window(w, columns + p * pixel, to, row, 1, KERNEL_W, STRIDE);
            else
                window(w, columns + p * pixel, to, row, PIXELS, KERNEL_W, STRIDE);
        }
    }
}

static void any_windows(const struct windows *w, const int16_t *columns, uint8_t *const *out, size_t at, int pixels,
                        int rows)
{
    int size = w->dilation_w == 1 && w->stride_w <= 2 ? 10 * w->kernel_w + w->stride_w : 0;
    switch (size) {
    case 31: windows(w, columns, out, at, pixels, rows, 3, 1); break;
    case 32: windows(w, columns, out, at, pixels, rows, 3, 2); break;
    case 51: windows(w, columns, out, at, pixels, rows, 5, 1); break;
    case 52: windows(w, columns, out, at, pixels, rows, 5, 2); break;
    default: windows(w, columns, out, at, pixels, rows, 0, 0);
    }
}

/* Whole rows of one block, a few columns at a time through memory that stays in the cache. */
static void block_rows(const struct kernel *k, const struct windows *w, const uint8_t *const *in, uint8_t *const *out,
                       size_t first, int rows)
{
    int reach = (k->kernel_w - 1) * k->dilation_w + 1;
    int room = SIMD128_SCRATCH / (w->pairs * PAIR * 2);
    int part = (room - reach) / k->stride_w + 1;
    part = part > MOST_COLUMNS ? MOST_COLUMNS : part;
    for (int x = 0; x < k->width; x += part) {
        int pixels = k->width - x < part ? k->width - x : part;
        spread(k->scratch, in, first + (size_t)x * k->stride_w * k->in_pitch, k->in_pitch,
               (pixels - 1) * k->stride_w + reach, w->pairs);
        any_windows(w, k->scratch, out, first + (size_t)x * k->out_pitch, pixels, rows);
    }
}

void simd128_depthwise(const struct kernel *k)
{
    size_t bytes = simd128_depthwise_bytes(k->kernel_h, k->kernel_w, k->stride_h, k->dilation_w);
    if (bytes == 0) {
        portable_family.function[OP_DEPTHWISE](k);
        return;
    }
    struct shape shape = shape_of(k->kernel_h, k->stride_h);
    /* Rows that lie apart are not shared: one output row at a time, with the weights of the first. */
    int step = k->dilation_h > 1 ? 1 : shape.together;
    for (int first = 0; first < k->output_channels; first += 16) {
        struct windows w = {(const int16_t *)(k->weights + first * bytes), k->bias + first, k->multiplier + first,
                            k->out_pitch, shape.together, shape.pairs, k->kernel_w, k->stride_w, k->dilation_w,
                            ending_of(k)};
        for (int row = 0; row < k->rows; row += step) {
            int rows = k->rows < step ? k->rows : step;
            if (row + rows > k->rows)
                row = k->rows - rows; /* an odd last row with the one before it */
            const uint8_t *in[2 * SIMD128_PAIRS];
            int needed = (rows - 1) * k->stride_h + k->kernel_h;
            for (int i = 0; i < 2 * shape.pairs; i++)
                /* A row of which no weight is other than zero may be any. */
                in[i] = k->in[row * k->stride_h + (i < needed ? i : needed - 1) * k->dilation_h];
            block_rows(k, &w, in, k->out + row, (size_t)first, rows);
        }
    }
    simd128_look_up(k);
}
