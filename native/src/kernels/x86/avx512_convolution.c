/* AVX-512 VNNI: dense convolution, 1x1 and K x K, as one product of pixels and channel blocks of 16.
 *
 * A tile is PIXELS output pixels of one row by BLOCKS blocks of 16 output channels: that many vectors of
 * sums, at most 28. Every four input channels of a pixel are broadcast and multiplied with 64 bytes of weights a block. */
#include "avx512.h"

#include "../runs.h"

/* Weights of one 16-channel block, all taps: bytes. */
static size_t block_bytes(const struct kernel *k, int steps)
{
    return (size_t)k->kernel_h * k->kernel_w * steps * 64;
}

INLINE int load_int(const uint8_t *from)
{
    int value;
    memcpy(&value, from, sizeof value);
    return value;
}

/* Adds `steps` groups of four input channels to the sums. */
INLINE void multiply_steps(__m512i (*sums)[4], const uint8_t *in, size_t pixel, const int8_t *weights,
                           size_t block, int steps, const int PIXELS, const int BLOCKS)
{
    for (int s = 0; s < steps; s++, in += 4, weights += 64) {
        __m512i w[4];
        UNROLL for (int b = 0; b < BLOCKS; b++)
            if (PIXELS * BLOCKS < 28 || b < 3)
                w[b] = load64(weights + b * block);
        UNROLL for (int p = 0; p < PIXELS; p++) {
            __m512i x = _mm512_set1_epi32(load_int(in + p * pixel));
            UNROLL for (int b = 0; b < BLOCKS; b++)
                /* 28 sums, 3 weights and x fill the registers: the fourth block's weights stay in memory. */
                if (PIXELS * BLOCKS < 28 || b < 3)
                    sums[p][b] = _mm512_dpbusd_epi32(sums[p][b], x, w[b]);
                else
                    __asm__("vpdpbusd %2, %1, %0"
                            : "+v"(sums[p][b])
                            : "v"(x), "m"(*(const __m512i_u *)(weights + b * block)));
        }
    }
}

INLINE void store_bytes(uint8_t *to, __m512i bytes, const int BLOCKS)
{
    if (BLOCKS == 4)
        _mm512_storeu_si512(to, bytes);
    else
        _mm512_mask_storeu_epi8(to, ((__mmask64)1 << (16 * BLOCKS)) - 1, bytes);
}

/* Requantises and stores; narrow tiles fill a vector with several pixels. */
INLINE void store_tile(__m512i (*sums)[4], uint8_t *out, size_t pitch, const float *multiplier,
                       const struct ending *ending, const int PIXELS, const int BLOCKS)
{
    __m512 m[4];
    UNROLL for (int b = 0; b < BLOCKS; b++) m[b] = _mm512_loadu_ps(multiplier + 16 * b);
    const int TOGETHER = BLOCKS == 1 ? 4 : BLOCKS == 2 ? 2 : 1;
    const __m512i zero = _mm512_setzero_si512();
    UNROLL for (int p = 0; p < PIXELS; p += TOGETHER)
    {
        __m512i q[4];
        UNROLL for (int i = 0; i < 4; i++)
        {
            int pixel = p + i / BLOCKS, b = i % BLOCKS;
            bool used = i < TOGETHER * BLOCKS && pixel < PIXELS;
            q[i] = used ? requantise(sums[pixel][b], m[b]) : zero;
        }
        __m512i bytes = pack_in_order(q[0], q[1], q[2], q[3], ending);
        if (BLOCKS >= 3)
            store_bytes(out + p * pitch, bytes, BLOCKS);
        if (BLOCKS == 2) {
            _mm256_storeu_si256((__m256i *)(out + p * pitch), _mm512_castsi512_si256(bytes));
            if (p + 1 < PIXELS)
                _mm256_storeu_si256((__m256i *)(out + (p + 1) * pitch), _mm512_extracti64x4_epi64(bytes, 1));
        }
        if (BLOCKS == 1) {
            _mm_storeu_si128((__m128i *)(out + p * pitch), _mm512_castsi512_si128(bytes));
            if (p + 1 < PIXELS)
                _mm_storeu_si128((__m128i *)(out + (p + 1) * pitch), _mm512_extracti32x4_epi32(bytes, 1));
            if (p + 2 < PIXELS)
                _mm_storeu_si128((__m128i *)(out + (p + 2) * pitch), _mm512_extracti32x4_epi32(bytes, 2));
            if (p + 3 < PIXELS)
                _mm_storeu_si128((__m128i *)(out + (p + 3) * pitch), _mm512_extracti32x4_epi32(bytes, 3));
        }
    }
}

/* What all tiles of one call share. */
struct dense {
    /* Copies, not a pointer: a store of bytes might change what it points at, as far as the compiler knows. */
    struct kernel k;
    int steps;
    size_t block, pixel; /* bytes: weights of a block; from one output pixel's input to the next's */
    bool contiguous;     /* the taps of a kernel row follow one another in memory */
    struct ending ending;
};

INLINE void tile(const struct dense *d, int row, int x, int first, const int PIXELS, const int BLOCKS)
{
    const struct kernel *k = &d->k;
    const int8_t *weights = k->weights + first / 16 * d->block;
    __m512i sums[PIXELS][4];
    UNROLL for (int b = 0; b < BLOCKS; b++)
    {
        __m512i bias = load64(k->bias + first + 16 * b);
        UNROLL for (int p = 0; p < PIXELS; p++) sums[p][b] = bias;
    }
    for (int ky = 0; ky < k->kernel_h; ky++) {
        const uint8_t *in = k->in[row * k->stride_h + ky * k->dilation_h] + x * d->pixel;
        int taps = d->contiguous ? 1 : k->kernel_w;
        int steps = d->contiguous ? d->steps * k->kernel_w : d->steps;
        for (int kx = 0; kx < taps; kx++, weights += steps * 64)
            multiply_steps(sums, in + (size_t)kx * k->dilation_w * k->in_pitch, d->pixel, weights, d->block, steps,
                           PIXELS, BLOCKS);
    }
    store_tile(sums, k->out[row] + x * k->out_pitch + first, k->out_pitch, k->multiplier + first, &d->ending, PIXELS,
               BLOCKS);
}

/* `count` tiles side by side. */
#define CASE(pixels, blocks) \
    case pixels: \
        for (int t = 0; t < count; t++, x += pixels) \
            tile(d, row, x, first, pixels, blocks); \
        break;
#define CASES_7(blocks) \
    CASE(1, blocks) CASE(2, blocks) CASE(3, blocks) CASE(4, blocks) CASE(5, blocks) CASE(6, blocks) CASE(7, blocks)
#define CASES_14(blocks) \
    CASES_7(blocks) CASE(8, blocks) CASE(9, blocks) CASE(10, blocks) CASE(11, blocks) CASE(12, blocks) \
        CASE(13, blocks) CASE(14, blocks)

#define TILES(blocks, cases) \
    static __attribute__((noinline)) void tiles_##blocks(const struct dense *shared, int row, int x, int first, \
                                                         int pixels, int count) \
    { \
        const struct dense copy = *shared, *d = &copy; \
        switch (pixels) { \
            cases(blocks) \
        } \
    }
TILES(4, CASES_7)
TILES(3, CASES_7)
TILES(2, CASES_14)
TILES(1, CASES_14)

/* One row of `width` pixels, in tiles of two sizes, one pixel apart. */
static void convolve_row(const struct dense *d, int row, int width, int first, int blocks)
{
    static void (*const tiles_of[])(const struct dense *, int, int, int, int, int) = {NULL, tiles_1, tiles_2, tiles_3,
                                                                                     tiles_4};
    /* With few products a pixel the next tile's overlap this one's stores: small tiles are faster then. */
    int most = blocks < 3 ? 14 : d->steps <= 8 ? 4 : 7;
    int tiles = (width + most - 1) / most;
    int pixels = (width + tiles - 1) / tiles;
    int smaller = pixels * tiles - width, larger = tiles - smaller;
    tiles_of[blocks](d, row, 0, first, pixels, larger);
    if (smaller)
        tiles_of[blocks](d, row, larger * pixels, first, pixels - 1, smaller);
}

/* The sum of one output pixel, in float, for the caller's array. */
static void convolve_to_float(const struct dense *d, int row, int x, int first)
{
    const struct kernel *k = &d->k;
    const int8_t *weights = k->weights + first / 16 * d->block;
    __m512i even = load64(k->bias + first), odd = _mm512_setzero_si512();
    for (int ky = 0; ky < k->kernel_h; ky++)
        for (int kx = 0; kx < k->kernel_w; kx++) {
            const uint8_t *in =
                k->in[row * k->stride_h + ky * k->dilation_h] + x * d->pixel + (size_t)kx * k->dilation_w * k->in_pitch;
            int s = 0;
            for (; s + 2 <= d->steps; s += 2, weights += 128) {
                even = _mm512_dpbusd_epi32(even, _mm512_set1_epi32(load_int(in + 4 * s)), load64(weights));
                odd = _mm512_dpbusd_epi32(odd, _mm512_set1_epi32(load_int(in + 4 * s + 4)), load64(weights + 64));
            }
            if (s < d->steps) {
                even = _mm512_dpbusd_epi32(even, _mm512_set1_epi32(load_int(in + 4 * s)), load64(weights));
                weights += 64;
            }
        }
    __m512 scaled =
        _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_add_epi32(even, odd)), _mm512_loadu_ps(k->multiplier + first));
    float values[16];
    _mm512_storeu_ps(values, scaled);
    for (int c = 0; c < 16 && first + c < k->output_channels; c++)
        k->float_out[(first + c) * k->out_plane + (size_t)row * k->width + x] = values[c];
}

void avx512_convolution(const struct kernel *k)
{
    struct dense d = {.k = *k, .steps = (k->channels + 3) / 4, .ending = ending_of(k)};
    d.block = block_bytes(k, d.steps);
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
    for (int first = 0; first < k->output_channels;) {
        int blocks = (k->output_channels - first) / 16;
        blocks = blocks > 4 ? 4 : blocks;
        for (int row = 0; row < rows; row++)
            convolve_row(&d, row, width, first, blocks);
        first += 16 * blocks;
    }
}
