/* Convolutions for 32-bit ARM with the DSP instructions: Cortex-M4, M7, M33, M55, and ARMv7-A.
 *
 * A word holds four activations or weights. UXTB16 and SXTB16 make two pairs of 16 bits of it, and SMLAD adds both
 * products of two pairs to a sum. Weights are read in the plan's order, which is in flash: nothing is packed. */
#if defined(__ARM_FEATURE_DSP) && !defined(__aarch64__) && !defined(EDGECNN_PORTABLE)

#include "../portable.h"

#include <arm_acle.h>

enum { BLOCK = 16, QUAD = 4, WEIGHTS = BLOCK * QUAD /* bytes from four input channels to the next four */ };

static inline uint32_t word_at(const void *bytes)
{
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

static inline uint32_t rotated(uint32_t word) { return word >> 8 | word << 24; }

/* Four bytes as 16-bit numbers: the first and third, the second and fourth. */
struct pairs {
    int16x2_t even, odd;
};

static inline struct pairs unsigned_pairs(const uint8_t *bytes)
{
    uint32_t word = word_at(bytes);
    return (struct pairs){(int16x2_t)__uxtb16(word), (int16x2_t)__uxtb16(rotated(word))};
}

static inline struct pairs signed_pairs(const int8_t *bytes)
{
    uint32_t word = word_at(bytes);
    return (struct pairs){__sxtb16((int8x4_t)word), __sxtb16((int8x4_t)rotated(word))};
}

static inline int32_t add_products(struct pairs x, struct pairs w, int32_t sum)
{
    return __smlad(x.odd, w.odd, __smlad(x.even, w.even, sum));
}

/* The nearest integer, halves to even. plan_check has bounded what is scaled. */
static inline int32_t nearest(float x)
{
#if __ARM_FP & 4
    __asm__("vcvtr.s32.f32 %0, %0" : "+t"(x));
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
#else
    return to_integer(x);
#endif
}

static inline void put_sum(const struct kernel *k, int row, int x, int channel, int32_t sum)
{
    float scaled = (float)(sum + k->bias[channel]) * k->multiplier[channel];
    if (!k->float_out)
        put(k, row, x, channel, nearest(scaled) + k->zero_point);
    else if (channel < k->output_channels)
        k->float_out[channel * k->out_plane + (size_t)row * k->width + x] = scaled;
}

/* What one output channel sums: rows of the window, in each `runs` runs of `steps` times four bytes, `skip` bytes
 * apart. A row is one run where its pixels follow one another. */
struct window {
    int rows, runs, steps;
    size_t skip;
};

static struct window window_of(const struct kernel *k)
{
    int steps = (k->channels + QUAD - 1) / QUAD;
    if (k->dilation_w == 1 && (size_t)steps * QUAD == k->in_pitch)
        return (struct window){k->kernel_h, 1, steps * k->kernel_w, 0};
    return (struct window){k->kernel_h, k->kernel_w, steps, k->dilation_w * k->in_pitch};
}

/* Adds what a run gives to two channels of two pixels, a and b: a0, b0, a1, b1. By itself, so that all that the loop
 * holds fits the registers. */
static __attribute__((noinline)) void add_run(int32_t sums[4], const uint8_t *a, const uint8_t *b, const int8_t *w,
                                              int steps)
{
    int32_t a0 = sums[0], b0 = sums[1], a1 = sums[2], b1 = sums[3];
    _Pragma("GCC unroll 1") for (; steps > 0; steps--, a += QUAD, b += QUAD, w += WEIGHTS) {
        struct pairs one = unsigned_pairs(a), other = unsigned_pairs(b), weights = signed_pairs(w);
        a0 = add_products(one, weights, a0);
        b0 = add_products(other, weights, b0);
        weights = signed_pairs(w + QUAD);
        a1 = add_products(one, weights, a1);
        b1 = add_products(other, weights, b1);
    }
    sums[0] = a0, sums[1] = b0, sums[2] = a1, sums[3] = b1;
}

/* Two pixels of two channels. */
static void convolve_two(const struct kernel *k, const struct window *window, int row, int x, int channel,
                         const int8_t *w)
{
    int32_t sums[4] = {0};
    size_t next = k->stride_w * k->in_pitch, column = x * next;
    for (int ky = 0; ky < window->rows; ky++) {
        const uint8_t *from = k->in[row * k->stride_h + ky * k->dilation_h] + column;
        for (int run = 0; run < window->runs; run++, from += window->skip, w += window->steps * WEIGHTS)
            add_run(sums, from, from + next, w, window->steps);
    }
    put_sum(k, row, x, channel, sums[0]);
    put_sum(k, row, x, channel + 1, sums[2]);
    put_sum(k, row, x + 1, channel, sums[1]);
    put_sum(k, row, x + 1, channel + 1, sums[3]);
}

/* One pixel of four channels. */
static inline void convolve_one(const struct kernel *k, const struct window *window, int row, int x, int channel,
                                const int8_t *w)
{
    int32_t sums[QUAD] = {0};
    size_t column = x * k->stride_w * k->in_pitch;
    for (int ky = 0; ky < window->rows; ky++) {
        const uint8_t *from = k->in[row * k->stride_h + ky * k->dilation_h] + column;
        for (int run = 0; run < window->runs; run++, from += window->skip) {
            const uint8_t *a = from;
            _Pragma("GCC unroll 1") for (int step = window->steps; step > 0; step--, a += QUAD, w += WEIGHTS) {
                struct pairs one = unsigned_pairs(a);
                for (int c = 0; c < QUAD; c++)
                    sums[c] = add_products(one, signed_pairs(w + QUAD * c), sums[c]);
            }
        }
    }
    for (int c = 0; c < QUAD; c++)
        put_sum(k, row, x, channel + c, sums[c]);
}

static void convolution(const struct kernel *k)
{
    const struct window window = window_of(k);
    size_t block = (size_t)k->kernel_h * k->kernel_w * ((k->channels + QUAD - 1) / QUAD) * WEIGHTS;
    for (int row = 0; row < k->rows; row++)
        for (int channel = 0; channel < k->real_channels; channel += QUAD) {
            const int8_t *w = k->weights + channel / BLOCK * block + channel % BLOCK * QUAD;
            int x = 0;
            for (; x + 2 <= k->width; x += 2) {
                convolve_two(k, &window, row, x, channel, w);
                if (channel + 2 < k->real_channels)
                    convolve_two(k, &window, row, x, channel + 2, w + 2 * QUAD);
            }
            if (x < k->width)
                convolve_one(k, &window, row, x, channel, w);
        }
}

/* Four channels at a time, each by itself. */
static void depthwise(const struct kernel *k)
{
    size_t taps = (size_t)k->kernel_h * k->kernel_w, step = k->dilation_w * k->in_pitch;
    for (int row = 0; row < k->rows; row++)
        for (int channel = 0; channel < k->real_channels; channel += QUAD) {
            const int8_t *first = k->weights + channel / BLOCK * BLOCK * taps + channel % BLOCK;
            for (int x = 0; x < k->width; x++) {
                const int8_t *w = first;
                int32_t sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
                for (int ky = 0; ky < k->kernel_h; ky++) {
                    const uint8_t *in = k->in[row * k->stride_h + ky * k->dilation_h] +
                                        x * k->stride_w * k->in_pitch + channel;
                    for (int kx = k->kernel_w; kx > 0; kx--, in += step, w += BLOCK) {
                        struct pairs a = unsigned_pairs(in), weights = signed_pairs(w);
                        sum0 = __smlabb(a.even, weights.even, sum0);
                        sum1 = __smlabb(a.odd, weights.odd, sum1);
                        sum2 = __smlatt(a.even, weights.even, sum2);
                        sum3 = __smlatt(a.odd, weights.odd, sum3);
                    }
                }
                put_sum(k, row, x, channel, sum0);
                put_sum(k, row, x, channel + 1, sum1);
                put_sum(k, row, x, channel + 2, sum2);
                put_sum(k, row, x, channel + 3, sum3);
            }
        }
}

static int always(void) { return 1; }

const struct family dsp_family = {
    .name = "dsp",
    .supported = always,
    .reads_bytes = 1,
    .function = {[OP_CONVOLUTION] = convolution, [OP_DEPTHWISE] = depthwise},
};

#endif
