/* Dense convolution, 1x1 and K x K, by ymm registers; included by avx2_kernels.c and avxvnni_kernels.c.
 *
 * A chunk is as many output pixels of one row as fit the first cache with all values of their windows, each
 * pixel's one after another. A tile is PIXELS of them by 16 output channels. Every four values are broadcast
 * and multiplied with 64 bytes of weights: whole by VNNI; without it as int16, first those at 0 and 2, then
 * those at 1 and 3, which is how shifts widen the weights. */
#include "avx2.h"

#include "../runs.h"

enum {
    MOST_PIXELS = 6, /* 12 sums, 2 vectors of weights, values and products fill 16 registers */
    CHUNK_BYTES = 16384
};

/* What all tiles of one call share. */
struct dense {
    struct kernel k;
    int tap_bytes, taps; /* of one kernel row; all its columns are one tap where they follow one another */
    int steps;           /* fours of values of one output pixel */
    size_t block;        /* bytes of the weights of 16 output channels */
    bool in_place;       /* the values of a pixel need no copy */
    bool is_run;         /* those of a chunk are one run of memory, but for what pads a pixel */
    struct ending ending;
};

/* Output pixels' values, one after another. */
struct chunk {
    const uint8_t *values;
    size_t pixel; /* bytes */
    int row, x, count;
};

INLINE void multiply_step(__m256i (*sums)[2], const uint8_t *in, size_t pixel, const int8_t *weights, const int PIXELS)
{
    UNROLL for (int part = 0; part < PARTS; part++)
    {
        /* The weights are read again for each part: there is no register to keep them. */
        __asm__("" : "+r"(weights));
        __m256i w[2];
        UNROLL for (int b = 0; b < 2; b++) w[b] = part_of_weights(load_32(weights + 32 * b), part);
        UNROLL for (int p = 0; p < PIXELS; p++)
        {
            __m256i x = _mm256_set1_epi32(load_int(in + p * pixel + 4 * part));
            UNROLL for (int b = 0; b < 2; b++) sums[p][b] = multiply_add(sums[p][b], x, w[b]);
        }
    }
}

INLINE void store_bytes(__m256i (*sums)[2], uint8_t *out, size_t pitch, const float *multiplier,
                        const struct ending *ending, const int PIXELS)
{
    __m256 low = _mm256_loadu_ps(multiplier), high = _mm256_loadu_ps(multiplier + 8);
    UNROLL for (int p = 0; p < PIXELS; p += 2)
    {
        int next = p + 1 < PIXELS ? p + 1 : p;
        __m256i bytes = pack_in_order(requantise(sums[p][0], low), requantise(sums[p][1], high),
                                      requantise(sums[next][0], low), requantise(sums[next][1], high), ending);
        store_16(out + p * pitch, _mm256_castsi256_si128(bytes));
        if (next > p)
            store_16(out + next * pitch, _mm256_extracti128_si256(bytes, 1));
    }
}

/* To the caller's array. */
static void store_floats(const struct kernel *k, const __m256i *sums, int row, int x, int first)
{
    int32_t values[16];
    store_32(values, sums[0]);
    store_32(values + 8, sums[1]);
    for (int c = 0; c < 16 && first + c < k->output_channels; c++)
        k->float_out[(first + c) * k->out_plane + (size_t)row * k->width + x] =
            (float)values[c] * k->multiplier[first + c];
}

INLINE void tile(const struct dense *d, const struct chunk *chunk, int x, int first, const int PIXELS,
                 const bool IS_FLOAT)
{
    const struct kernel *k = &d->k;
    const int8_t *weights = k->weights + first / 16 * d->block;
    const uint8_t *in = chunk->values + x * chunk->pixel;
    const size_t pixel = chunk->pixel;
    __m256i sums[PIXELS][2];
    UNROLL for (int p = 0; p < PIXELS; p++)
        UNROLL for (int b = 0; b < 2; b++) sums[p][b] = load_32(k->bias + first + 8 * b);
    for (const int8_t *end = weights + d->block; weights < end; in += 4 * PARTS, weights += 64)
        multiply_step(sums, in, pixel, weights, PIXELS);
    if (IS_FLOAT)
        store_floats(k, sums[0], chunk->row, chunk->x + x, first);
    else
        store_bytes(sums, k->out[chunk->row] + (chunk->x + x) * k->out_pitch + first, k->out_pitch,
                    k->multiplier + first, &d->ending, PIXELS);
}

/* `count` tiles side by side. */
static void tiles(const struct dense *d, const struct chunk *chunk, int x, int first, int pixels, int count)
{
#define CASE(PIXELS) \
    case PIXELS: \
        for (int t = 0; t < count; t++, x += PIXELS) \
            tile(d, chunk, x, first, PIXELS, false); \
        break;
    switch (pixels) {
        CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
    }
#undef CASE
}

/* All output channels of a chunk, in tiles of two sizes, one pixel apart. */
static void convolve(const struct dense *d, const struct chunk *chunk)
{
    if (d->k.float_out) {
        for (int first = 0; first < d->k.output_channels; first += 16)
            for (int x = 0; x < chunk->count; x++)
                tile(d, chunk, x, first, 1, true);
        return;
    }
    int count = (chunk->count + MOST_PIXELS - 1) / MOST_PIXELS;
    int pixels = (chunk->count + count - 1) / count;
    int smaller = pixels * count - chunk->count, larger = count - smaller;
    for (int first = 0; first < d->k.output_channels; first += 16) {
        tiles(d, chunk, 0, first, pixels, larger);
        tiles(d, chunk, larger * pixels, first, pixels - 1, smaller);
    }
}

/* `bytes` values; the last vector may write beyond them. */
INLINE void copy_values(uint8_t *to, const uint8_t *from, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 32 / PARTS)
        store_32(to + i * PARTS, widen_values(from + i));
}

/* The values of the windows of a chunk's pixels to memory. What a tap's copy writes beyond it, the next one
 * overwrites. */
static void gather(const struct dense *d, const struct chunk *chunk, uint8_t *to)
{
    const struct kernel *k = &d->k;
    if (d->is_run) {
        copy_values(to, k->in[chunk->row * k->stride_h] + chunk->x * k->in_pitch, chunk->count * k->in_pitch);
        return;
    }
    /* Copies: a store of bytes might change what they are read from, as far as the compiler knows. */
    const uint8_t *const *rows = k->in + chunk->row * k->stride_h;
    const size_t step = k->stride_w * k->in_pitch, tap_step = k->dilation_w * k->in_pitch;
    const size_t tap_bytes = (size_t)d->tap_bytes;
    const int kernel_h = k->kernel_h, dilation_h = k->dilation_h, taps = d->taps, end = chunk->x + chunk->count;
    for (int x = chunk->x; x < end; x++)
        for (int ky = 0; ky < kernel_h; ky++) {
            const uint8_t *in = rows[ky * dilation_h] + x * step;
            for (int tap = 0; tap < taps; tap++, in += tap_step, to += tap_bytes * PARTS)
                copy_values(to, in, tap_bytes);
        }
}

static struct dense dense_of(const struct kernel *k)
{
    struct dense d = {.k = *k, .tap_bytes = (k->channels + 3) / 4 * 4, .taps = k->kernel_w, .ending = ending_of(k)};
    d.steps = d.tap_bytes / 4 * k->kernel_h * k->kernel_w;
    d.block = (size_t)d.steps * 64;
    bool is_pointwise = k->kernel_h == 1 && k->kernel_w == 1;
    d.in_place = PARTS == 1 && is_pointwise;
    d.is_run = is_pointwise && k->stride_w == 1 && k->in_pitch < (size_t)d.tap_bytes + 16;
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

void NAME(convolution)(const struct kernel *k)
{
    struct dense d = dense_of(k);
    struct chunk chunk = {k->scratch, (d.is_run ? k->in_pitch : (size_t)d.steps * 4) * PARTS, 0, 0, 0};
    int most = CHUNK_BYTES / (int)chunk.pixel;
    if (most < MOST_PIXELS)
        most = AVX2_SCRATCH / (int)chunk.pixel;
    most = most > 16 * MOST_PIXELS ? 16 * MOST_PIXELS : most > MOST_PIXELS ? most / MOST_PIXELS * MOST_PIXELS : most;
    for (chunk.row = 0; chunk.row < d.k.rows; chunk.row++)
        for (chunk.x = 0; chunk.x < d.k.width; chunk.x += most) {
            int left = d.k.width - chunk.x;
            chunk.count = left < most ? left : most;
            if (d.in_place) {
                chunk.pixel = k->stride_w * k->in_pitch;
                chunk.values = d.k.in[chunk.row * k->stride_h] + chunk.x * chunk.pixel;
            } else {
                gather(&d, &chunk, k->scratch);
            }
            convolve(&d, &chunk);
        }
    avx2_look_up(k);
}
