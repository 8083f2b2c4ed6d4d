/* AArch64 with matrix products of bytes: dense convolution, of pairs of pixels and pairs of channels.
 *
 * SMMLA multiplies eight input channels of two pixels with those of two output channels. A tile is PAIRS pairs of
 * pixels by 16 output channels: eight vectors of 2 x 2 sums a pair. A pixel without a second one is its own. */
#include "arm.h"

#include "../../plan.h"
#include "../together.h"

enum { MOST_PAIRS = 3 };

/* What all tiles of one call share. */
struct dense {
    struct kernel k;
    int taps, eights, rest;   /* runs of a kernel row; of each, groups of 8 input channels and then 4, or not */
    size_t block, pixel, tap; /* bytes: weights of a block; from one output pixel's input, and tap, to the next */
    struct ending ending;
};

/* Of every two steps: eight inputs of one channel after the other. An odd last one stays. */
void i8mm_pack_convolution(uint8_t *to, const int8_t *weights, size_t runs, int steps)
{
    for (size_t run = 0; run < runs; run++) {
        int left = steps;
        for (; left > 1; left -= 2, to += 128, weights += 128)
            for (int i = 0; i < 128; i++)
                to[i] = (uint8_t)weights[i % 8 / 4 * 64 + i / 8 * 4 + i % 4];
        if (left) {
            memcpy(to, weights, 64);
            to += 64;
            weights += 64;
        }
    }
}

/* Adds the products of eight input channels. */
INLINE void multiply_8(int32x4_t (*sums)[8], const int8x16_t *x, const int8_t *weights, const int PAIRS)
{
    UNROLL for (int j = 0; j < 8; j++)
    {
        int8x16_t w = vld1q_s8(weights + 16 * j);
        UNROLL for (int p = 0; p < PAIRS; p++) sums[p][j] = vmmlaq_s32(sums[p][j], x[p], w);
    }
}

/* Of four: with zeros for the others. */
INLINE void multiply_4(int32x4_t (*sums)[8], const int8x16_t *x, const int8_t *weights, const int PAIRS)
{
    const int32x4_t zero = vdupq_n_s32(0);
    UNROLL for (int j = 0; j < 4; j++)
    {
        int32x4_t w = vreinterpretq_s32_s8(vld1q_s8(weights + 16 * j));
        int8x16_t low = vreinterpretq_s8_s32(vzip1q_s32(w, zero)), high = vreinterpretq_s8_s32(vzip2q_s32(w, zero));
        UNROLL for (int p = 0; p < PAIRS; p++)
        {
            sums[p][2 * j] = vmmlaq_s32(sums[p][2 * j], x[p], low);
            sums[p][2 * j + 1] = vmmlaq_s32(sums[p][2 * j + 1], x[p], high);
        }
    }
}

/* Eight bytes of two pixels, and the pointers after them. */
INLINE int8x16_t load_pair(const uint8_t **a, const uint8_t **b)
{
    int8x16_t x;
    __asm__ volatile("ldr %d0, [%1], #8\n\tld1 {%0.d}[1], [%2], #8"
                     : "=&w"(x), "+r"(*a), "+r"(*b)
                     : "m"(*(const uint8_t(*)[8])*a), "m"(*(const uint8_t(*)[8])*b));
    return x;
}

INLINE const int8_t *multiply_run(int32x4_t (*sums)[8], const uint8_t **in, const int8_t *weights, int eights, int rest,
                                  const int PAIRS)
{
    int8x16_t x[MOST_PAIRS];
    for (; eights != 0; eights--, weights += 128) {
        UNROLL for (int p = 0; p < PAIRS; p++) x[p] = load_pair(&in[2 * p], &in[2 * p + 1]);
        multiply_8(sums, x, weights, PAIRS);
    }
    if (rest == 0)
        return weights;
    UNROLL for (int p = 0; p < PAIRS; p++) x[p] = load_pair(&in[2 * p], &in[2 * p + 1]);
    multiply_4(sums, x, weights, PAIRS);
    return weights + 64;
}

/* Every pair of channels' bias, for two pixels. */
INLINE void spread_bias(int32_t *to, const int32_t *bias)
{
    for (int i = 0; i < 32; i++) to[i] = bias[i / 4 * 2 + i % 2];
}

INLINE void begin(int32x4_t (*sums)[8], const int32_t *start, const int PAIRS)
{
    UNROLL for (int p = 0; p < PAIRS; p++)
    {
        LOAD_SUMS(sums[p][0], sums[p][1], start, 0);
        LOAD_SUMS(sums[p][2], sums[p][3], start, 32);
        LOAD_SUMS(sums[p][4], sums[p][5], start, 64);
        LOAD_SUMS(sums[p][6], sums[p][7], start, 96);
    }
}

INLINE int32x4_t join(int32x4_t a, int32x4_t b, const bool SECOND)
{
    int64x2_t x = vreinterpretq_s64_s32(a), y = vreinterpretq_s64_s32(b);
    return vreinterpretq_s32_s64(SECOND ? vzip2q_s64(x, y) : vzip1q_s64(x, y));
}

INLINE void store(const struct dense *d, int32x4_t (*sums)[8], uint8_t *const *out, int first, const int PAIRS,
                  const enum finish FINISH)
{
    float32x4_t multiplier[4];
    UNROLL for (int j = 0; j < 4; j++) multiplier[j] = vld1q_f32(d->k.multiplier + first + 4 * j);
    UNROLL for (int p = 0; p < 2 * PAIRS; p++)
    {
        float32x4_t scaled[4];
        UNROLL for (int j = 0; j < 4; j++)
            scaled[j] = scale(join(sums[p / 2][2 * j], sums[p / 2][2 * j + 1], p % 2), multiplier[j]);
        vst1q_s8((int8_t *)out[p] + first, finish_16(scaled, &d->ending, FINISH));
    }
}

INLINE void finish(const struct dense *d, int32x4_t (*sums)[8], uint8_t *const *out, int first, const int PAIRS)
{
    if (d->ending.finish == PLAIN)
        store(d, sums, out, first, PAIRS, PLAIN);
    else if (d->ending.finish == BOUNDED)
        store(d, sums, out, first, PAIRS, BOUNDED);
    else
        store(d, sums, out, first, PAIRS, SATURATING);
}

/* `count` tiles of pixels, each of which reads one run of memory; `last` of them are there. */
INLINE void singles(const struct dense *shared, const struct pixel *pixels, int first, int count, int last,
                    const int PAIRS)
{
    const struct dense copy = *shared, *d = &copy;
    int32_t start[32];
    spread_bias(start, d->k.bias + first);
    for (int t = 0; t < count; t++) {
        int32x4_t sums[MOST_PAIRS][8];
        const uint8_t *in[2 * MOST_PAIRS];
        uint8_t *out[2 * MOST_PAIRS];
        UNROLL for (int p = 0; p < 2 * PAIRS; p++)
        {
            int at = t * 2 * PAIRS + p;
            at = p % 2 && at >= last ? last - 1 : at;
            in[p] = pixels[at].in;
            out[p] = pixels[at].out;
        }
        begin(sums, start, PAIRS);
        multiply_run(sums, in, d->k.weights + first / 16 * d->block, d->eights, d->rest, PAIRS);
        finish(d, sums, out, first, PAIRS);
    }
}

/* A tile of a row's pixels from column x on. */
INLINE void window(const struct dense *d, int row, int x, int first, const int32_t *start, const int PAIRS)
{
    const struct kernel *k = &d->k;
    const int8_t *weights = k->weights + first / 16 * d->block;
    int32x4_t sums[MOST_PAIRS][8];
    uint8_t *out[2 * MOST_PAIRS];
    int column[2 * MOST_PAIRS];
    UNROLL for (int p = 0; p < 2 * PAIRS; p++)
    {
        column[p] = x + p < k->width ? x + p : k->width - 1;
        out[p] = k->out[row] + column[p] * k->out_pitch;
    }
    begin(sums, start, PAIRS);
    for (int ky = 0; ky < k->kernel_h; ky++)
        for (int kx = 0; kx < d->taps; kx++) {
            const uint8_t *tap = k->in[row * k->stride_h + ky * k->dilation_h] + kx * d->tap;
            const uint8_t *in[2 * MOST_PAIRS];
            UNROLL for (int p = 0; p < 2 * PAIRS; p++) in[p] = tap + column[p] * d->pixel;
            weights = multiply_run(sums, in, weights, d->eights, d->rest, PAIRS);
        }
    finish(d, sums, out, first, PAIRS);
}

static __attribute__((noinline)) void singles_3(const struct dense *d, const struct pixel *pixels, int first, int count)
{
    singles(d, pixels, first, count, 6 * count, 3);
}

static __attribute__((noinline)) void singles_1(const struct dense *d, const struct pixel *pixels, int first, int last)
{
    singles(d, pixels, first, (last + 1) / 2, last, 1);
}

static void convolve_singles(const void *context, const struct pixel *pixels, int count)
{
    const struct dense *d = context;
    int tiles = count / 6;
    for (int first = 0; first < d->k.output_channels; first += 16) {
        if (tiles)
            singles_3(d, pixels, first, tiles);
        if (count % 6)
            singles_1(d, pixels + 6 * tiles, first, count % 6);
    }
}

static void convolve_windows(const struct dense *d)
{
    const struct dense copy = *d;
    for (int first = 0; first < copy.k.output_channels; first += 16) {
        int32_t start[32];
        spread_bias(start, copy.k.bias + first);
        for (int row = 0; row < copy.k.rows; row++) {
            int x = 0;
            for (; x + 4 < copy.k.width; x += 6) window(&copy, row, x, first, start, 3);
            for (; x < copy.k.width; x += 2) window(&copy, row, x, first, start, 1);
        }
    }
}

void i8mm_convolution(const struct kernel *k)
{
    int steps = (k->channels + 3) / 4;
    struct dense d = {.k = *k, .taps = k->kernel_w, .ending = ending_of(k)};
    if (k->float_out) {
        dotprod_convolution(k);
        return;
    }
    d.block = (size_t)k->kernel_h * k->kernel_w * steps * 64;
    d.pixel = k->stride_w * k->in_pitch;
    d.tap = k->dilation_w * k->in_pitch;
    if (k->dilation_w == 1 && (size_t)steps * 4 == k->in_pitch) { /* a kernel row's taps follow one another */
        d.taps = 1;
        steps *= k->kernel_w;
    }
    d.eights = steps / 2;
    d.rest = steps % 2;
    if (k->kernel_h * d.taps == 1)
        for_all_pixels(k, convolve_singles, &d);
    else
        convolve_windows(&d);
    arm_look_up_rows(k);
}
