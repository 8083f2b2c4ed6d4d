/* Convolutions for the vector instructions of Cortex-M55 and M85 (MVE, Helium).
 *
 * A vector of weights is gathered from the plan's order: four groups of four input channels of one output channel.
 * VMLADAVA adds its 16 products with 16 activations to a sum. Both factors have to be signed, so activations
 * become x - 128; 128 times the sum of the weights, which VADDVA finds on the way, puts it right. */
#if defined(__ARM_FEATURE_MVE) && !defined(EDGECNN_PORTABLE)

#include "mve.h"

#include <arm_mve.h>

enum { PIXELS = 4, QUADS = 4 /* of a vector */ };

/* What one output channel sums of `pixels` pixels, and its weights' sum behind them. */
struct sums {
    int32_t of[PIXELS], weights;
};

/* Adds a run; `next` bytes lie between pixels. By itself, so that all that the loop holds fits the registers. */
static inline __attribute__((always_inline)) void add_pixels(struct sums *sums, const uint8_t *a, size_t next,
                                                             const int8_t *w, int steps, const int pixels)
{
    const uint32x4_t places = vmulq_n_u32(vidupq_n_u32(0, 1), WEIGHTS);
    struct sums local = *sums;
    for (; steps > 0; steps -= QUADS, a += QUADS * QUAD, w += QUADS * WEIGHTS) {
        const uint32_t *words = (const uint32_t *)(const void *)w;
        int8x16_t vector = vreinterpretq_s8_u32(vldrwq_gather_offset_z_u32(words, places, vctp32q((uint32_t)steps)));
        local.weights = vaddvaq_s8(local.weights, vector);
        for (int i = 0; i < pixels; i++) {
            uint8x16_t activations = veorq_u8(vld1q_u8(a + i * next), vdupq_n_u8(128));
            local.of[i] = vmladavaq_s8(local.of[i], vreinterpretq_s8_u8(activations), vector);
        }
    }
    *sums = local;
}

typedef void add_run(struct sums *sums, const uint8_t *a, size_t next, const int8_t *w, int steps);

static __attribute__((noinline)) void add_four(struct sums *sums, const uint8_t *a, size_t next, const int8_t *w,
                                               int steps)
{
    add_pixels(sums, a, next, w, steps, PIXELS);
}

static __attribute__((noinline)) void add_one(struct sums *sums, const uint8_t *a, size_t next, const int8_t *w,
                                              int steps)
{
    add_pixels(sums, a, next, w, steps, 1);
}

static inline __attribute__((always_inline)) void convolve(const struct kernel *k, const struct window *window, int row,
                                                           int x, int channel, const int8_t *w, add_run *add,
                                                           const int pixels)
{
    size_t next = k->stride_w * k->in_pitch;
    struct sums sums = {0};
    for (int ky = 0; ky < window->rows; ky++) {
        const uint8_t *from = k->in[row * k->stride_h + ky * k->dilation_h] + x * next;
        for (int run = 0; run < window->runs; run++, from += window->skip, w += window->steps * WEIGHTS)
            add(&sums, from, next, w, window->steps);
    }
    for (int i = 0; i < pixels; i++)
        sums.of[i] += 128 * sums.weights;
    put_pixels(k, row, x, channel, sums.of, pixels);
}

static void convolution(const struct kernel *k)
{
    const struct window window = window_of(k);
    for (int row = 0; row < k->rows; row++)
        for (int channel = 0; channel < k->real_channels; channel++) {
            const int8_t *w = weights_of(k, channel / QUAD * QUAD) + channel % QUAD * QUAD;
            int x = 0;
            for (; x + PIXELS <= k->width; x += PIXELS)
                convolve(k, &window, row, x, channel, w, add_four, PIXELS);
            for (; x < k->width; x++)
                convolve(k, &window, row, x, channel, w, add_one, 1);
        }
}

static int always(void) { return 1; }

const struct family mve_family = {
    .name = "mve",
    .supported = always,
    .reads_bytes = 1,
    .function = {[OP_CONVOLUTION] = convolution, [OP_DEPTHWISE] = mve_depthwise},
};

#endif
