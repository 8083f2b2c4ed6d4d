/* What the convolutions of Cortex-M processors have in common: the window in memory, rounding, storing. */
#ifndef EDGECNN_DSP_H
#define EDGECNN_DSP_H

#include "../portable.h"

enum { BLOCK = 16, QUAD = 4, WEIGHTS = BLOCK * QUAD /* bytes from four input channels to the next four */ };

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

/* Clamped, looked up. The families here do not flip. */
static inline uint8_t byte_of(const struct kernel *k, float scaled)
{
    int32_t value = nearest(scaled) + k->zero_point;
    value = value < k->low ? k->low : value > k->high ? k->high : value;
    return k->table ? k->table[value] : (uint8_t)value;
}

/* One channel of pixels in a row. */
static inline __attribute__((always_inline)) void put_pixels(const struct kernel *k, int row, int x, int channel,
                                                             const int32_t *sums, const int pixels)
{
    const int32_t bias = k->bias[channel];
    const float multiplier = k->multiplier[channel];
    if (k->float_out) {
        float *out = k->float_out + channel * k->out_plane + (size_t)row * k->width + x;
        for (int i = 0; i < pixels && channel < k->output_channels; i++)
            out[i] = (float)(sums[i] + bias) * multiplier;
        return;
    }
    uint8_t *out = k->out[row] + (size_t)x * k->out_pitch + channel;
    for (int i = 0; i < pixels; i++, out += k->out_pitch)
        *out = byte_of(k, (float)(sums[i] + bias) * multiplier);
}

/* What one output channel sums: rows of the window, in each `runs` runs of `steps` times four bytes, `skip` bytes
 * apart. A row is one run where its pixels follow one another. */
struct window {
    int rows, runs, steps;
    size_t skip;
};

static inline struct window window_of(const struct kernel *k)
{
    int steps = (k->channels + QUAD - 1) / QUAD;
    if (k->dilation_w == 1 && (size_t)steps * QUAD == k->in_pitch)
        return (struct window){k->kernel_h, 1, steps * k->kernel_w, 0};
    return (struct window){k->kernel_h, k->kernel_w, steps, k->dilation_w * k->in_pitch};
}

/* First weights of an output channel, a multiple of four. */
static inline const int8_t *weights_of(const struct kernel *k, int channel)
{
    size_t block = (size_t)k->kernel_h * k->kernel_w * ((k->channels + QUAD - 1) / QUAD) * WEIGHTS;
    return k->weights + channel / BLOCK * block + channel % BLOCK * QUAD;
}

/* dsp_products.c */
kernel_function dsp_depthwise;

#endif
