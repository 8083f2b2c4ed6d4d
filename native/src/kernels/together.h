/* Pixels of several rows as one list, so that the tiles of a convolution of single pixels need not end with
 * a row. */
#ifndef EDGECNN_TOGETHER_H
#define EDGECNN_TOGETHER_H

#include "kernels.h"

enum { TOGETHER = 240 /* pixels, with their pointers in scratch memory */ };

/* Where a pixel's input and output are. */
struct pixel {
    const uint8_t *in;
    uint8_t *out;
};

/* Calls part(context, pixels, count) for all pixels of the rows. */
static inline void for_all_pixels(const struct kernel *shared,
                                  void (*part)(const void *context, const struct pixel *pixels, int count),
                                  const void *context)
{
    const struct kernel copy = *shared, *k = &copy;
    const size_t in_step = k->stride_w * k->in_pitch, out_step = k->out_pitch;
    struct pixel *pixels = k->scratch;
    int count = 0;
    for (int row = 0; row < k->rows; row++) {
        struct pixel next = {k->in[row * k->stride_h], k->out[row]};
        for (int left = k->width; left > 0;) {
            int room = left < TOGETHER - count ? left : TOGETHER - count;
            struct pixel *to = pixels + count;
            left -= room;
            count += room;
            _Pragma("GCC unroll 4") for (; room > 0; room--, next.in += in_step, next.out += out_step)
                *to++ = next;
            if (count == TOGETHER || (left == 0 && row == k->rows - 1)) {
                part(context, pixels, count);
                count = 0;
            }
        }
    }
}

#endif
