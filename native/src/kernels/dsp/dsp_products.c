/* Convolutions for 32-bit ARM with the DSP instructions: Cortex-M4, M7, M33, M55, and ARMv7-A.
 *
 * A word holds four activations or weights. UXTB16 and SXTB16 make two pairs of 16 bits of it, and SMLAD adds both
 * products of two pairs to a sum. Weights are read in the plan's order, which is in flash: nothing is packed. */
#if defined(__ARM_FEATURE_DSP) && !defined(__aarch64__) && !defined(EDGECNN_PORTABLE)

#include "dsp.h"

#include <arm_acle.h>

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

/* Adds what a run gives to two channels of two pixels, a and b: a0, b0, a1, b1; steps > 0. What the loop holds takes
 * all registers there are, which compilers do not manage: sums r4 to r7, a r1, b r2, w r3, steps r8. */
static __attribute__((naked, noinline)) void add_run(int32_t sums[4], const uint8_t *a, const uint8_t *b,
                                                     const int8_t *w, int steps)
{
    __asm__(".syntax unified\n"
            "push {r4-r11, lr}\n"
            "ldr r8, [sp, #36]\n"
            "push {r0}\n"
            "ldm r0, {r4-r7}\n"
            "1:\n"
            "ldr r9, [r1], #4\n"
            "ldr r10, [r2], #4\n"
            "ldr r11, [r3], #64\n" /* WEIGHTS */
            "uxtb16 r0, r9\n"
            "uxtb16 r9, r9, ror #8\n"
            "uxtb16 r12, r10\n"
            "uxtb16 r10, r10, ror #8\n"
            "sxtb16 lr, r11\n"
            "sxtb16 r11, r11, ror #8\n"
            "smlad r4, r0, lr, r4\n"
            "smlad r5, r12, lr, r5\n"
            "smlad r4, r9, r11, r4\n"
            "smlad r5, r10, r11, r5\n"
            "ldr r11, [r3, #-60]\n" /* the second channel's, QUAD bytes further */
            "sxtb16 lr, r11\n"
            "sxtb16 r11, r11, ror #8\n"
            "smlad r6, r0, lr, r6\n"
            "smlad r7, r12, lr, r7\n"
            "smlad r6, r9, r11, r6\n"
            "smlad r7, r10, r11, r7\n"
            "subs r8, r8, #1\n"
            "bne 1b\n"
            "pop {r0}\n"
            "stm r0, {r4-r7}\n"
            "pop {r4-r11, pc}\n");
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
    put_pixels(k, row, x, channel, sums, 2);
    put_pixels(k, row, x, channel + 1, sums + 2, 2);
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
        put_pixels(k, row, x, channel + c, sums + c, 1);
}

static void convolution(const struct kernel *k)
{
    const struct window window = window_of(k);
    for (int row = 0; row < k->rows; row++)
        for (int channel = 0; channel < k->real_channels; channel += QUAD) {
            const int8_t *w = weights_of(k, channel);
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
void dsp_depthwise(const struct kernel *k)
{
    size_t taps = (size_t)k->kernel_h * k->kernel_w, step = k->dilation_w * k->in_pitch;
    for (int row = 0; row < k->rows; row++)
        for (int channel = 0; channel < k->real_channels; channel += QUAD) {
            const int8_t *first = k->weights + channel / BLOCK * BLOCK * taps + channel % BLOCK;
            const int32_t *bias = k->bias + channel;
            const float *multiplier = k->multiplier + channel;
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
                uint8_t *out = k->out[row] + x * k->out_pitch + channel;
                const int32_t sums[QUAD] = {sum0, sum1, sum2, sum3};
                for (int c = 0; c < QUAD; c++)
                    out[c] = byte_of(k, (float)(sums[c] + bias[c]) * multiplier[c]);
            }
        }
}

static int always(void) { return 1; }

const struct family dsp_family = {
    .name = "dsp",
    .supported = always,
    .reads_bytes = 1,
    .function = {[OP_CONVOLUTION] = convolution, [OP_DEPTHWISE] = dsp_depthwise},
};

#endif
