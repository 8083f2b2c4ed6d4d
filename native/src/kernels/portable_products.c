/* The portable kernels of weights: convolutions dense, grouped and depthwise. */
#include "portable.h"

#include <string.h>

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
#define ADD_PRODUCTS(name, type) \
    static __attribute__((noinline)) void name(int32_t *restrict to, const type *restrict in, \
                                               const int8_t *restrict weights, int steps) \
    { \
        int32_t sums[4 * BLOCK]; \
        memcpy(sums, to, sizeof sums); \
        for (int s = 0; s < steps; s++, in += 4, weights += 4 * BLOCK) \
            for (int c = 0; c < BLOCK; c++) \
                for (int d = 0; d < 4; d++) \
                    sums[4 * c + d] += (int16_t)(in[d] * weights[4 * c + d]); \
        memcpy(to, sums, sizeof sums); \
    }
ADD_PRODUCTS(add_unsigned, uint8_t)
ADD_PRODUCTS(add_signed, int8_t)

/* Scales, rounds and stores the sums of one pixel of one block. */
static void put_sums(const struct kernel *k, int row, int x, int first, const int32_t *sums)
{
    int left = k->output_channels - first, count = left < BLOCK ? left : BLOCK;
    float scaled[BLOCK];
    int32_t values[BLOCK];
    for (int c = 0; c < BLOCK; c++) {
        scaled[c] = (float)(sums[c] + k->bias[first + c]) * k->multiplier[first + c];
        values[c] = to_integer(scaled[c]) + k->zero_point;
    }
    for (int c = 0; c < count; c++) {
        if (k->float_out)
            k->float_out[(first + c) * k->out_plane + (size_t)row * k->width + x] = scaled[c];
        else
            put(k, row, x, first + c, values[c]);
    }
}

/* One pixel of one block. */
static void convolve(const struct kernel *k, int row, int x, int first, int steps)
{
    int taps = k->kernel_h * k->kernel_w;
    const int8_t *weights = k->weights + (size_t)first * taps * steps * 4;
    int32_t sums[4 * BLOCK] = {0};
    for (int t = 0; t < taps; t++) {
        const uint8_t *in = tap(k, row, x, 0, t);
        if (k->flip)
            add_signed(sums, (const int8_t *)in, weights + (size_t)t * steps * 4 * BLOCK, steps);
        else
            add_unsigned(sums, in, weights + (size_t)t * steps * 4 * BLOCK, steps);
    }
    for (int c = 0; c < BLOCK; c++)
        sums[c] = sums[4 * c] + sums[4 * c + 1] + sums[4 * c + 2] + sums[4 * c + 3];
    put_sums(k, row, x, first, sums);
}

void portable_convolution(const struct kernel *k)
{
    for (int row = 0; row < k->rows; row++)
        for (int first = 0; first < k->output_channels; first += BLOCK)
            for (int x = 0; x < k->width; x++)
                convolve(k, row, x, first, (k->channels + 3) / 4);
}

void portable_grouped(const struct kernel *k)
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

void portable_depthwise(const struct kernel *k)
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
                put_sums(k, row, x, first, sums);
            }
}
