/* BILINEAR, RESPONSE_NORM and AVERAGE_POOL as loops over pixels and 16 channels at a time, which a family computes. */
#ifndef EDGECNN_LANES_H
#define EDGECNN_LANES_H

#include "portable.h"

#include <stdbool.h>
#include <string.h>

enum {
    LANES = 16,
    LANES_SPREAD = 16 /* channels that a sum of squares may have */
};

#define LANES_INLINE static inline __attribute__((always_inline))

/* y = table[y] of what was just stored. */
LANES_INLINE void look_up_lanes(const struct kernel *k, uint8_t *out, int count)
{
    for (int i = 0; k->table && i < count; i++)
        out[i] = k->table[out[i] ^ k->flip] ^ k->flip;
}

/* 16 channels between four pixels with four weights, to `out`. */
typedef void blend_function(const void *context, const uint8_t *const *in, const float *weight, uint8_t *out);

/* All of BILINEAR. `in` points at the input's first row. */
LANES_INLINE void for_blends(const struct kernel *shared, blend_function *blend, const void *context)
{
    const struct kernel copy = *shared, *k = &copy;
    const uint32_t *rows = (const uint32_t *)k->weights, *columns = rows + k->detail;
    const float *of_rows = (const float *)(columns + k->width), *of_columns = of_rows + 2 * (size_t)k->detail;
    for (int row = 0; row < k->rows; row++) {
        int y = (int)rows[k->first + row], below = y + 1 < k->in_height ? y + 1 : y;
        const float *v = of_rows + 2 * (size_t)(k->first + row);
        for (int x = 0; x < k->width; x++) {
            const float *u = of_columns + 2 * (size_t)x;
            size_t left = columns[x] * k->in_pitch;
            size_t right = (int)columns[x] + 1 < k->in_width ? left + k->in_pitch : left;
            const float weight[4] = {u[0] * v[0], u[1] * v[0], u[0] * v[1], u[1] * v[1]};
            for (int c = 0; c < k->output_channels; c += LANES) {
                const uint8_t *in[4] = {k->in[y] + left + c, k->in[y] + right + c, k->in[below] + left + c,
                                        k->in[below] + right + c};
                uint8_t *out = k->out[row] + x * k->out_pitch + c;
                blend(context, in, weight, out);
                look_up_lanes(k, out, LANES);
            }
        }
    }
}

/* RESPONSE_NORM of 16 channels, whose sums begin at `from`; channels outside the image hold the zero point. */
typedef void normalise_function(const void *context, const uint8_t *from, uint8_t *out);

/* All of RESPONSE_NORM over at most LANES_SPREAD channels. */
LANES_INLINE void for_norms(const struct kernel *shared, normalise_function *normalise, const void *context)
{
    const struct kernel copy = *shared, *k = &copy;
    const int size = k->channel_groups, before = (size - 1) / 2;
    for (int row = 0; row < k->rows; row++)
        for (int x = 0; x < k->width; x++) {
            const uint8_t *pixel = k->in[row] + x * k->in_pitch;
            for (int c = 0; c < k->channels; c += LANES) {
                uint8_t edge[2 * LANES_SPREAD + LANES], result[LANES];
                uint8_t *out = k->out[row] + x * k->out_pitch + c;
                int first = c - before, left = k->channels - c, count = left < LANES ? left : LANES;
                bool inside = first >= 0 && first + LANES + size - 1 <= k->channels;
                if (!inside) {
                    memset(edge, k->zero_point_a ^ k->flip, sizeof edge);
                    int low = first < 0 ? 0 : first, high = first + LANES + size - 1;
                    high = high < k->channels ? high : k->channels;
                    memcpy(edge + (low - first), pixel + low, (size_t)(high - low));
                }
                normalise(context, inside ? pixel + first : edge, inside ? out : result);
                if (!inside)
                    memcpy(out, result, (size_t)count);
                look_up_lanes(k, out, count);
            }
        }
}

/* The average of 16 channels of a window, over `count` pixels. */
typedef void average_function(const void *context, const struct kernel *k, int row, int x, int channel, float count,
                              uint8_t *out);

/* All of AVERAGE_POOL. */
LANES_INLINE void for_averages(const struct kernel *shared, average_function *average, const void *context)
{
    const struct kernel copy = *shared, *k = &copy;
    for (int row = 0; row < k->rows; row++)
        for (int x = 0; x < k->width; x++) {
            float count = (float)window_count(k, row, x);
            for (int c = 0; c < k->output_channels; c += LANES) {
                uint8_t *out = k->out[row] + x * k->out_pitch + c;
                average(context, k, row, x, c, count, out);
                look_up_lanes(k, out, LANES);
            }
        }
}

#endif
