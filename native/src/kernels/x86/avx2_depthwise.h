/* Depthwise convolution by ymm registers; included by avx2_kernels.c and avxvnni_kernels.c.
 *
 * Some columns of a block of 32 channels, or of the last 16, are interleaved by fours of rows (interleave.h)
 * to memory; then each quarter of the block goes through all taps. Without VNNI the four rows are two pairs of
 * int16, rows 0 and 2, then 1 and 3.
 *
 * Packed, for each block: int32 bias, float32 multipliers, then weights
 * [quarter][output row][four rows][kernel column][pair, int16, or all four][channel of the quarter]. */
#include "avx2.h"

#include "../../plan.h"
#include "../interleave.h"

enum { MOST_COLUMNS = 32 }; /* output pixels between two interleavings */

size_t NAME(depthwise_bytes)(int kernel_h, int kernel_w, int stride_h, int dilation_w)
{
    /* Larger windows than the scratch memory holds are portable's. */
    if (kernel_h > 4 * AVX2_FOURS || (kernel_w - 1) * dilation_w >= AVX2_REACH)
        return 0;
    struct shape shape = shape_of(kernel_h, stride_h);
    return 8 + (size_t)4 * PARTS * shape.together * shape.fours * kernel_w;
}

static int block_size(int channels) { return channels >= 32 ? 32 : 16; }

void NAME(pack_depthwise)(uint8_t *to, const int8_t *weights, const int32_t *bias, const float *multiplier,
                          int channels, int kernel_h, int kernel_w, int stride_h)
{
    struct shape shape = shape_of(kernel_h, stride_h);
    int size;
    for (int first = 0; first < channels; first += size) {
        size = block_size(channels - first);
        for (int i = 0; i < size; i++) {
            int c = first + channel_at(i, size);
            memcpy(to + 4 * i, &bias[c], 4);
            memcpy(to + 4 * (size + i), &multiplier[c], 4);
        }
        to += 8 * size;
        for (int i = 0; i < 4 * shape.together * shape.fours * kernel_w * PARTS * (size / 4); i++) {
            int rest = i, place = rest % (size / 4);
            int part = (rest /= size / 4) % PARTS;
            int kx = (rest /= PARTS) % kernel_w;
            int four = (rest /= kernel_w) % shape.fours;
            int row = (rest /= shape.fours) % shape.together;
            int c = first + channel_at(rest / shape.together * (size / 4) + place, size);
            int8_t w[4];
            for (int j = 0; j < 4; j++)
                w[j] = weight_at(weights, c, kernel_h, kernel_w, 4 * four + j - row * stride_h, kx);
            pack_weights(to, w, part);
            to += 4;
        }
    }
}

/* The last 16 channels take the lower half of a register. */
INLINE __m256i load_block(const void *from, const int BLOCK)
{
    return BLOCK == 32 ? load_32(from) : _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)from));
}

INLINE void store_block(uint8_t *to, __m256i bytes, const int BLOCK)
{
    if (BLOCK == 32)
        store_32(to, bytes);
    else
        store_16(to, _mm256_castsi256_si128(bytes));
}

/* Interleaves `count` columns of `fours` times four rows: [column][four][quarter][pair]. */
INLINE void spread(uint8_t *to, const uint8_t *const *rows, size_t at, size_t pitch, int count, int fours,
                   const int BLOCK)
{
    for (int column = 0; column < count; column++, at += pitch)
        for (int f = 0; f < fours; f++, to += 4 * PARTS * 32) {
            __m256i a = load_block(rows[4 * f] + at, BLOCK), b = load_block(rows[4 * f + 1] + at, BLOCK);
            __m256i c = load_block(rows[4 * f + 2] + at, BLOCK), d = load_block(rows[4 * f + 3] + at, BLOCK);
            __m256i ab = _mm256_unpacklo_epi8(a, b), cd = _mm256_unpacklo_epi8(c, d);
            store_fours(to, _mm256_unpacklo_epi16(ab, cd));
            store_fours(to + PARTS * 32, _mm256_unpackhi_epi16(ab, cd));
            ab = _mm256_unpackhi_epi8(a, b), cd = _mm256_unpackhi_epi8(c, d);
            store_fours(to + 2 * PARTS * 32, _mm256_unpacklo_epi16(ab, cd));
            store_fours(to + 3 * PARTS * 32, _mm256_unpackhi_epi16(ab, cd));
        }
}

/* What all windows of one call share; the strides and sizes that are not constants of `windows`. */
struct windows {
    const int8_t *packed;
    size_t out_pitch;
    int together, fours, kernel_w, stride_w, dilation_w;
    struct ending ending;
};

/* PIXELS pixels of one output row, the `row`-th of a pass, from interleaved columns. */
INLINE void window(const struct windows *w, const uint8_t *columns, uint8_t *out, int row, const int PIXELS,
                   const int BLOCK, const int FOURS, const int KERNEL_W, const int STRIDE, const int DILATION)
{
    const size_t four = 4 * PARTS * 32, column = four * FOURS;
    const int row_weights = FOURS * KERNEL_W * PARTS * BLOCK;
    __m256i shorts[PIXELS][2], ints[PIXELS];
    UNROLL for (int q = 0; q < 4; q++)
    {
        __m256i sums[PIXELS];
        UNROLL for (int p = 0; p < PIXELS; p++) sums[p] = load_block(w->packed + q * BLOCK, BLOCK);
        const int8_t *weights = w->packed + 8 * BLOCK + (q * w->together + row) * row_weights;
        for (int f = 0; f < FOURS; f++)
            for (int kx = 0; kx < KERNEL_W; kx++)
                UNROLL for (int part = 0; part < PARTS; part++, weights += BLOCK)
                {
                    const uint8_t *from = columns + kx * DILATION * column + f * four + (PARTS * q + part) * 32;
                    __m256i taps = load_block(weights, BLOCK);
                    UNROLL for (int p = 0; p < PIXELS; p++)
                        sums[p] = multiply_add_at(sums[p], from + p * STRIDE * column, taps);
                }
        __m256 multiplier = _mm256_castsi256_ps(load_block(w->packed + (4 + q) * BLOCK, BLOCK));
        UNROLL for (int p = 0; p < PIXELS; p++)
        {
            __m256i value = requantise(sums[p], multiplier);
            if (q % 2)
                shorts[p][q / 2] = _mm256_adds_epi16(_mm256_packs_epi32(ints[p], value), w->ending.zero_point);
            else
                ints[p] = value;
        }
    }
    UNROLL for (int p = 0; p < PIXELS; p++)
    {
        __m256i bytes = _mm256_packus_epi16(shorts[p][0], shorts[p][1]);
        bytes = _mm256_min_epu8(_mm256_max_epu8(bytes, w->ending.low), w->ending.high);
        store_block(out + p * w->out_pitch, bytes, BLOCK);
    }
}

/* `pixels` pixels of each row, by fours; the last four overlap those before them. */
INLINE void windows(const struct windows *w, const uint8_t *columns, uint8_t *const *out, size_t at, int pixels,
                    int rows, const int BLOCK, const int FOURS, const int KERNEL_W, const int STRIDE,
                    const int DILATION)
{
    const size_t pixel = (size_t)4 * PARTS * 32 * FOURS * STRIDE;
    for (int p = 0; p < pixels; p += pixels < 4 ? 1 : 4) {
        p = pixels >= 4 && p > pixels - 4 ? pixels - 4 : p;
        for (int row = 0; row < rows; row++) {
            uint8_t *to = out[row] + at + p * w->out_pitch;
            if (pixels < 4)
                window(w, columns + p * pixel, to, row, 1, BLOCK, FOURS, KERNEL_W, STRIDE, DILATION);
            else
                window(w, columns + p * pixel, to, row, 4, BLOCK, FOURS, KERNEL_W, STRIDE, DILATION);
        }
    }
}

INLINE void any_windows(const struct windows *w, const uint8_t *columns, uint8_t *const *out, size_t at, int pixels,
                        int rows, const int BLOCK)
{
    bool three = w->fours == 1 && w->kernel_w == 3 && w->dilation_w == 1;
    if (three && w->stride_w == 1)
        windows(w, columns, out, at, pixels, rows, BLOCK, 1, 3, 1, 1);
    else if (three && w->stride_w == 2)
        windows(w, columns, out, at, pixels, rows, BLOCK, 1, 3, 2, 1);
    else
        windows(w, columns, out, at, pixels, rows, BLOCK, w->fours, w->kernel_w, w->stride_w, w->dilation_w);
}

/* Whole rows of one block, a few columns at a time through memory that stays in the cache. */
INLINE void block_rows(const struct kernel *k, const struct windows *w, const uint8_t *const *in, uint8_t *const *out,
                       size_t first, int rows, const int BLOCK)
{
    int reach = (k->kernel_w - 1) * k->dilation_w + 1;
    int room = AVX2_SCRATCH / (w->fours * 4 * PARTS * 32);
    int part = (room - reach) / k->stride_w + 1;
    part = part > MOST_COLUMNS ? MOST_COLUMNS : part;
    for (int x = 0; x < k->width; x += part) {
        int pixels = k->width - x < part ? k->width - x : part;
        spread(k->scratch, in, first + (size_t)x * k->stride_w * k->in_pitch, k->in_pitch,
               (pixels - 1) * k->stride_w + reach, w->fours, BLOCK);
        any_windows(w, k->scratch, out, first + (size_t)x * k->out_pitch, pixels, rows, BLOCK);
    }
}

static void depthwise_rows(const struct kernel *k, const struct windows *w, size_t first, int size, int row, int rows)
{
    const uint8_t *in[4 * AVX2_FOURS];
    int needed = (rows - 1) * k->stride_h + k->kernel_h;
    for (int i = 0; i < 4 * w->fours; i++)
        /* A row of which no weight is other than zero may be any. */
        in[i] = k->in[row * k->stride_h + (i < needed ? i : needed - 1) * k->dilation_h];
    if (size == 32)
        block_rows(k, w, in, k->out + row, first, rows, 32);
    else
        block_rows(k, w, in, k->out + row, first, rows, 16);
}

void NAME(depthwise)(const struct kernel *k)
{
    size_t bytes = NAME(depthwise_bytes)(k->kernel_h, k->kernel_w, k->stride_h, k->dilation_w);
    if (bytes == 0) {
        portable_family.function[OP_DEPTHWISE](k);
        return;
    }
    struct shape shape = shape_of(k->kernel_h, k->stride_h);
    struct windows w = {k->weights,    k->out_pitch,  shape.together, shape.fours,
                        k->kernel_w, k->stride_w, k->dilation_w,  ending_of(k)};
    /* Rows that lie apart are not shared: one output row at a time, with the weights of the first. */
    int step = k->dilation_h > 1 ? 1 : shape.together;
    int size;
    for (int first = 0; first < k->output_channels; first += size) {
        w.packed = k->weights + first * bytes;
        size = block_size(k->output_channels - first);
        for (int row = 0; row < k->rows; row += step) {
            int rows = k->rows < step ? k->rows : step;
            if (row + rows > k->rows)
                row = k->rows - rows; /* an odd last row with the one before it */
            depthwise_rows(k, &w, (size_t)first, size, row, rows);
        }
    }
    avx2_look_up(k);
}
