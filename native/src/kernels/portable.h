/* Reading, rounding and writing of one value, for the portable kernels and the tails of others. */
#ifndef EDGECNN_PORTABLE_H
#define EDGECNN_PORTABLE_H

#include "../plan.h"
#include "kernels.h"

#include <math.h>
#include <string.h>

/* The nearest integer, halves to even, of at most 2^22; what is beyond is clamped anyway.
 * At 1.5 * 2^23 a float has no fraction: adding it rounds as the processor rounds, without a call. */
static inline int32_t to_integer(float x)
{
    const float most = 4194304, shift = 12582912;
    x = x > most ? most : x >= -most ? x : -most; /* NaN is the least */
    x += shift;
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits - 0x4b400000;
}

static inline float fused(int x, float factor, float term) { return fmaf((float)x, factor, term); }

/* As memory holds it: signed where the family flips, so that it multiplies as such. */
static inline int activation(const struct kernel *k, uint8_t x) { return (x ^ k->flip) - k->flip; }

static inline int get(const struct kernel *k, int row, int x, int channel)
{
    return k->in[row][(size_t)x * k->in_pitch + (size_t)channel] ^ k->flip;
}

static inline int get_other(const struct kernel *k, int row, int x, int channel)
{
    return k->other[row][(size_t)x * k->other_pitch + (size_t)channel] ^ k->flip;
}

/* Clamp, look up, store. */
static inline void put(const struct kernel *k, int row, int x, int channel, int32_t value)
{
    int32_t clamped = value < k->low ? k->low : value > k->high ? k->high : value;
    uint8_t result = k->table ? k->table[clamped] : (uint8_t)clamped;
    k->out[row][(size_t)x * k->out_pitch + (size_t)channel] = result ^ k->flip;
}

/* The t-th tap of a window, of one channel. */
static inline const uint8_t *tap(const struct kernel *k, int row, int x, int channel, int t)
{
    int ky = t / k->kernel_w, kx = t % k->kernel_w;
    return k->in[row * k->stride_h + ky * k->dilation_h] +
           ((size_t)x * k->stride_w + (size_t)kx * k->dilation_w) * k->in_pitch + channel;
}

/* How many of the kernel's taps, `step` apart from `from` on, lie within `size` pixels. */
static inline int inside(int from, int taps, int step, int size)
{
    int count = 0;
    for (int t = 0; t < taps; t++)
        count += from + t * step >= 0 && from + t * step < size;
    return count;
}

/* By what an average divides. */
static inline int window_count(const struct kernel *k, int row, int x)
{
    if (!(k->flags & FLAG_EXCLUDE_PADS))
        return k->kernel_h * k->kernel_w;
    return inside((k->first + row) * k->stride_h - k->pad_top, k->kernel_h, k->dilation_h, k->in_height) *
           inside(x * k->stride_w - k->pad_left, k->kernel_w, k->dilation_w, k->in_width);
}

/* portable_products.c */
kernel_function portable_convolution, portable_grouped, portable_depthwise;

/* portable_moves.c */
kernel_function portable_channels, portable_resize, portable_pad, portable_depth_to_space, portable_bilinear;

/* portable_functions.c */
kernel_function portable_response_norm, portable_softmax, portable_function;

#endif
