/* The portable kernels that move values: channels, pixels, blocks of them; and what lies between four pixels. */
#include "portable.h"

#include <string.h>

void portable_channels(const struct kernel *k)
{
    const uint32_t *map = (const uint32_t *)k->weights;
    const uint32_t channel_bits = ((uint32_t)1 << TAP_SHIFT) - 1;
    for (int row = 0; row < k->rows; row++)
        for (int x = 0; x < k->width; x++) {
            uint32_t known = 0;
            const uint8_t *in = tap(k, row, x, 0, 0);
            uint8_t *out = k->out[row] + x * k->out_pitch;
            for (int c = 0; c < k->output_channels; c++) {
                uint32_t wanted = map[c] >> TAP_SHIFT;
                if (wanted != known)
                    in = tap(k, row, x, 0, (int)wanted);
                known = wanted;
                out[c] = in[map[c] & channel_bits];
            }
        }
}

/* `in` points at the input's first row: RESIZE reads any of them. */
void portable_resize(const struct kernel *k)
{
    const uint32_t *rows = (const uint32_t *)k->weights;
    const uint32_t *columns = rows + k->detail;
    for (int row = 0; row < k->rows; row++)
        for (int x = 0; x < k->width; x++)
            memmove(k->out[row] + x * k->out_pitch,
                    k->in[rows[k->first + row]] + columns[x] * k->in_pitch, (size_t)k->output_channels);
}

void portable_pad(const struct kernel *k)
{
    for (int row = 0; row < k->rows; row++) {
        int y = k->first + row - k->pad_top;
        for (int x = 0; x < k->width; x++) {
            int column = x - k->pad_left;
            int within = y >= 0 && y < k->in_height && column >= 0 && column < k->in_width;
            uint8_t *out = k->out[row] + x * k->out_pitch;
            if (within)
                memmove(out, k->in[y] + column * k->in_pitch, (size_t)k->output_channels);
            else
                memset(out, k->low ^ k->flip, (size_t)k->output_channels);
        }
    }
}

static int follow_one_another(const uint32_t *map, int count)
{
    for (int c = 1; c < count; c++)
        if (map[c] != map[0] + (uint32_t)c)
            return 0;
    return 1;
}

/* One column of a block at a time, of which all pixels read the same channels. */
void portable_depth_to_space(const struct kernel *k)
{
    const uint32_t *maps = (const uint32_t *)k->weights;
    int channels = k->output_channels;
    for (int row = 0; row < k->rows; row++)
        for (int step = 0; step < k->stride_w; step++) {
            int y = k->first + row;
            const uint32_t *map = maps + ((size_t)(y % k->stride_h) * k->stride_w + step) * channels;
            int is_run = follow_one_another(map, channels);
            const uint8_t *in = k->in[y / k->stride_h];
            for (int x = step; x < k->width; x += k->stride_w, in += k->in_pitch) {
                uint8_t *out = k->out[row] + x * k->out_pitch;
                if (is_run)
                    memmove(out, in + map[0], (size_t)channels);
                else
                    for (int c = 0; c < channels; c++)
                        out[c] = in[map[c]];
            }
        }
}

static inline float real(const struct kernel *k, int row, int x, int channel)
{
    return (float)(get(k, row, x, channel) - k->zero_point_a) * k->factor_a;
}

void portable_bilinear(const struct kernel *k)
{
    const uint32_t *rows = (const uint32_t *)k->weights, *columns = rows + k->detail;
    const float *of_rows = (const float *)(columns + k->width), *of_columns = of_rows + 2 * (size_t)k->detail;
    for (int row = 0; row < k->rows; row++) {
        int y = (int)rows[k->first + row], below = y + 1 < k->in_height ? y + 1 : y;
        const float *v = of_rows + 2 * (size_t)(k->first + row);
        for (int x = 0; x < k->width; x++) {
            const float *u = of_columns + 2 * (size_t)x;
            int left = (int)columns[x], right = left + 1 < k->in_width ? left + 1 : left;
            for (int c = 0; c < k->output_channels; c++) {
                float sum = u[0] * v[0] * real(k, y, left, c) + u[1] * v[0] * real(k, y, right, c);
                sum += u[0] * v[1] * real(k, below, left, c);
                sum += u[1] * v[1] * real(k, below, right, c);
                if (k->float_out)
                    k->float_out[(size_t)c * k->out_plane + (size_t)row * k->width + x] = sum;
                else
                    put(k, row, x, c, to_integer(sum / k->factor_b) + k->zero_point);
            }
        }
    }
}
