/* Rows of an elementwise operation as runs of bytes that follow one another. */
#ifndef EDGECNN_RUNS_H
#define EDGECNN_RUNS_H

#include "kernels.h"

#include <stdbool.h>

/* All rows are one run where they follow one another, too. */
struct runs {
    int rows;
    size_t bytes; /* of each; 0 where pixels are apart */
};

static inline bool follows(const uint8_t *const *rows, int count, size_t bytes)
{
    for (int row = 1; row < count; row++)
        if (rows[row] != rows[row - 1] + bytes)
            return false;
    return true;
}

/* Rows of the output and of both inputs. */
static inline struct runs runs_of(const struct kernel *k)
{
    size_t bytes = (size_t)k->output_channels * k->width, channels = (size_t)k->output_channels;
    if (k->out_pitch != channels || k->in_pitch != channels || (k->other && k->other_pitch != channels))
        return (struct runs){0, 0};
    if (follows((const uint8_t *const *)k->out, k->rows, bytes) && follows(k->in, k->rows, bytes) &&
        (k->other == NULL || follows(k->other, k->rows, bytes)))
        return (struct runs){1, bytes * k->rows};
    return (struct runs){k->rows, bytes};
}

/* A 1x1 convolution over rows that follow one another in memory is one of a single long row. */
static inline bool is_one_row(const struct kernel *k)
{
    if (k->kernel_h != 1 || k->kernel_w != 1 || k->stride_h != 1 || k->stride_w != 1)
        return false;
    return follows(k->in, k->rows, k->width * k->in_pitch) &&
           follows((const uint8_t *const *)k->out, k->rows, k->width * k->out_pitch);
}

#endif
