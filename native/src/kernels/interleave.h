/* Depthwise weights for input rows that are interleaved by fours to [channel][4 rows].
 *
 * One pass makes `together` output rows of which all taps lie in `fours` times four input rows. A kernel's
 * weights are stored once for each of the output rows, shifted by its stride, zero elsewhere.
 *
 * Channels are in the order that unpacking the bytes of a block gives, which packing them undoes. */
#ifndef EDGECNN_INTERLEAVE_H
#define EDGECNN_INTERLEAVE_H

#include "kernels.h"

/* How many output rows a pass makes, and how many times four input rows it reads. */
struct shape {
    int together, fours;
};

static inline struct shape shape_of(int kernel_h, int stride_h)
{
    int together = 1;
    /* As many as the same number of fours takes. */
    int fours = (kernel_h + 3) / 4;
    while (together < 2 && together * stride_h + kernel_h <= 4 * fours)
        together++;
    return (struct shape){together, fours};
}

/* Channel of the i-th place of a block of `size`: quarter, 128-bit lane, 32-bit place. */
static inline int channel_at(int i, int size)
{
    int quarter = i / (size / 4), lane = i % (size / 4) / 4, place = i % 4;
    return 16 * lane + 4 * quarter + place;
}

/* A channel's weight of kernel row `ky`, which may lie outside, and column `kx`. */
static inline int8_t weight_at(const int8_t *weights, int channel, int kernel_h, int kernel_w, int ky, int kx)
{
    const int8_t *taps = weights + channel / 16 * kernel_h * kernel_w * 16 + channel % 16;
    return ky >= 0 && ky < kernel_h ? taps[(ky * kernel_w + kx) * 16] : 0;
}

#endif
