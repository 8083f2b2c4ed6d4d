/* The portable kernels: plain C, the reference that every other family equals bit for bit. */
#include "portable.h"

#include "../plan.h"

#include <string.h>

static int always(void) { return 1; }

static void quantise(const struct kernel *k)
{
    for (int row = 0; row < k->rows; row++)
        for (int x = 0; x < k->width; x++)
            for (int c = 0; c < k->channels; c++) {
                size_t at = (size_t)c * k->in_plane + (size_t)row * k->in_width + x;
                int value = k->byte_in ? k->byte_in[at]
                                       : to_integer(k->float_in[at] / k->factor_a) + k->zero_point;
                put(k, row, x, c, value);
            }
}

static void dequantise(const struct kernel *k)
{
    for (int row = 0; row < k->rows; row++)
        for (int x = 0; x < k->width; x++)
            for (int c = 0; c < k->output_channels; c++) {
                size_t at = (size_t)c * k->out_plane + (size_t)row * k->width + x;
                int value = get(k, row, x, c);
                if (k->byte_out)
                    k->byte_out[at] = (uint8_t)value;
                else
                    k->float_out[at] = (float)(value - k->zero_point_a) * k->factor_a;
            }
}

/* Sum of one output channel's products over the window; weights from that channel, `step` bytes from
 * one group of four input channels to the next. */
static int32_t window_sum(const struct kernel *k, int row, int x, const int8_t *weights, size_t step,
                          int steps, int first_channel)
{
    int32_t sum = 0;
    for (int ky = 0; ky < k->kernel_h; ky++)
        for (int kx = 0; kx < k->kernel_w; kx++) {
            const uint8_t *in = k->in[row * k->stride_h + ky * k->dilation_h] +
                                ((size_t)x * k->stride_w + (size_t)kx * k->dilation_w) * k->in_pitch +
                                first_channel;
            for (int s = 0; s < steps; s++, in += 4, weights += step)
                for (int d = 0; d < 4; d++)
                    sum += (int32_t)activation(k, in[d]) * weights[d];
        }
    return sum;
}

static void put_sum(const struct kernel *k, int row, int x, int channel, int32_t sum)
{
    float scaled = (float)(sum + k->bias[channel]) * k->multiplier[channel];
    if (k->float_out)
        k->float_out[channel * k->out_plane + (size_t)row * k->width + x] = scaled;
    else
        put(k, row, x, channel, to_integer(scaled) + k->zero_point);
}

enum { BLOCK = 16 }; /* channels whose weights lie together */

/* Adds the products of `steps` times four values with the weights of a block. Compilers make vectors of these
 * loops: products fit int16, sums are of one value of four each, and memory is not shared with *k. */
static __attribute__((noinline)) void add_products(int32_t *restrict to, const uint8_t *restrict in,
                                                   const int8_t *restrict weights, int steps, uint8_t flip)
{
    int32_t sums[4 * BLOCK];
    memcpy(sums, to, sizeof sums);
    for (int s = 0; s < steps; s++, in += 4, weights += 4 * BLOCK)
        for (int c = 0; c < BLOCK; c++)
            for (int d = 0; d < 4; d++)
                sums[4 * c + d] += (int16_t)((int16_t)((in[d] ^ flip) - flip) * weights[4 * c + d]);
    memcpy(to, sums, sizeof sums);
}

/* One pixel of one block. */
static void convolve(const struct kernel *k, int row, int x, int first, int steps)
{
    int taps = k->kernel_h * k->kernel_w;
    const int8_t *weights = k->weights + (size_t)first * taps * steps * 4;
    int32_t sums[4 * BLOCK] = {0};
    for (int t = 0; t < taps; t++)
        add_products(sums, tap(k, row, x, 0, t), weights + (size_t)t * steps * 4 * BLOCK, steps, k->flip);
    for (int c = 0; c < BLOCK && first + c < k->output_channels; c++)
        put_sum(k, row, x, first + c, sums[4 * c] + sums[4 * c + 1] + sums[4 * c + 2] + sums[4 * c + 3]);
}

static void convolution(const struct kernel *k)
{
    for (int row = 0; row < k->rows; row++)
        for (int first = 0; first < k->output_channels; first += BLOCK)
            for (int x = 0; x < k->width; x++)
                convolve(k, row, x, first, (k->channels + 3) / 4);
}

static void grouped(const struct kernel *k)
{
    int read = k->channels / k->channel_groups;
    int steps = (read + 3) / 4;
    size_t block = (size_t)k->kernel_h * k->kernel_w * steps * 4;
    int written = k->detail;
    for (int row = 0; row < k->rows; row++)
        for (int x = 0; x < k->width; x++)
            for (int c = 0; c < written * k->channel_groups; c++) {
                int32_t sum = window_sum(k, row, x, k->weights + c * block, 4, steps, c / written * read);
                put_sum(k, row, x, c, sum);
            }
}

static void depthwise(const struct kernel *k)
{
    int taps = k->kernel_h * k->kernel_w;
    for (int row = 0; row < k->rows; row++)
        for (int x = 0; x < k->width; x++)
            for (int first = 0; first < k->output_channels; first += BLOCK) {
                int32_t sums[BLOCK] = {0};
                for (int t = 0; t < taps; t++) {
                    const uint8_t *in = tap(k, row, x, first, t);
                    const int8_t *weights = k->weights + (size_t)first * taps + t * BLOCK;
                    for (int c = 0; c < BLOCK; c++)
                        sums[c] += (int16_t)(activation(k, in[c]) * weights[c]);
                }
                for (int c = 0; c < BLOCK && first + c < k->output_channels; c++)
                    put_sum(k, row, x, first + c, sums[c]);
            }
}

static void add(const struct kernel *k)
{
    for (int row = 0; row < k->rows; row++)
        for (int x = 0; x < k->width; x++)
            for (int c = 0; c < k->output_channels; c++)
                put(k, row, x, c,
                    to_integer(fused(get(k, row, x, c), k->factor_a,
                                     fused(get_other(k, row, x, c), k->factor_b, k->factor_c))));
}

static void multiply(const struct kernel *k)
{
    int per_channel = k->detail;
    for (int row = 0; row < k->rows; row++)
        for (int x = 0; x < k->width; x++)
            for (int c = 0; c < k->output_channels; c++) {
                int other = per_channel ? get_other(k, 0, 0, c) : get_other(k, row, x, c);
                int product = (get(k, row, x, c) - k->zero_point_a) * (other - k->zero_point_b);
                float scaled = (float)product * k->factor_a;
                put(k, row, x, c, to_integer(scaled + k->factor_c));
            }
}

static void table(const struct kernel *k)
{
    for (int row = 0; row < k->rows; row++)
        for (int x = 0; x < k->width; x++)
            for (int c = 0; c < k->output_channels; c++)
                put(k, row, x, c, get(k, row, x, c));
}

static void max_pool(const struct kernel *k)
{
    for (int row = 0; row < k->rows; row++)
        for (int x = 0; x < k->width; x++)
            for (int c = 0; c < k->output_channels; c++) {
                int most = 0;
                for (int t = 0; t < k->kernel_h * k->kernel_w; t++) {
                    int value = *tap(k, row, x, c, t) ^ k->flip;
                    most = value > most ? value : most;
                }
                put(k, row, x, c, most);
            }
}

static void average_pool(const struct kernel *k)
{
    for (int row = 0; row < k->rows; row++)
        for (int x = 0; x < k->width; x++) {
            float factor = k->factor_a / (float)window_count(k, row, x);
            for (int c = 0; c < k->output_channels; c++) {
                int32_t sum = 0;
                for (int t = 0; t < k->kernel_h * k->kernel_w; t++)
                    sum += (*tap(k, row, x, c, t) ^ k->flip) - k->zero_point_a;
                put(k, row, x, c, to_integer((float)sum * factor) + k->zero_point);
            }
        }
}

static void global_pool(const struct kernel *k)
{
    for (int c = 0; c < k->output_channels; c++) {
        int32_t sum = 0;
        for (int row = 0; row < k->in_height; row++)
            for (int x = 0; x < k->in_width; x++)
                sum += get(k, row, x, c) - k->zero_point_a;
        put(k, 0, 0, c, to_integer((float)sum * k->factor_a) + k->zero_point);
    }
}

static void channels(const struct kernel *k)
{
    const uint32_t *map = (const uint32_t *)k->weights;
    for (int row = 0; row < k->rows; row++)
        for (int x = 0; x < k->width; x++)
            for (int c = 0; c < k->output_channels; c++)
                put(k, row, x, c, get(k, row, x, (int)map[c]));
}

/* `in` points at the input's first row: RESIZE reads any of them. */
static void resize(const struct kernel *k)
{
    const uint32_t *rows = (const uint32_t *)k->weights;
    const uint32_t *columns = rows + k->detail;
    for (int row = 0; row < k->rows; row++)
        for (int x = 0; x < k->width; x++)
            memmove(k->out[row] + x * k->out_pitch,
                    k->in[rows[k->first + row]] + columns[x] * k->in_pitch, (size_t)k->output_channels);
}

static void pad(const struct kernel *k)
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

const struct family portable_family = {
    .name = "portable",
    .supported = always,
    .function =
        {
            [OP_QUANTISE] = quantise,
            [OP_DEQUANTISE] = dequantise,
            [OP_CONVOLUTION] = convolution,
            [OP_DEPTHWISE] = depthwise,
            [OP_GROUPED] = grouped,
            [OP_ADD] = add,
            [OP_MULTIPLY] = multiply,
            [OP_TABLE] = table,
            [OP_MAX_POOL] = max_pool,
            [OP_AVERAGE_POOL] = average_pool,
            [OP_GLOBAL_POOL] = global_pool,
            [OP_COPY] = table,
            [OP_CHANNELS] = channels,
            [OP_RESIZE] = resize,
            [OP_PAD] = pad,
        },
};
