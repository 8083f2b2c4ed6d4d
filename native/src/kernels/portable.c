/* The portable kernels: plain C, the reference that every other family equals bit for bit. */
#include "portable.h"

#include "../plan.h"

#include <stdbool.h>

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

/* A row of one channel. */
static void dequantise_row(const struct kernel *k, int row, int c)
{
    const uint8_t *in = k->in[row] + c;
    const size_t pitch = k->in_pitch, at = (size_t)c * k->out_plane + (size_t)row * k->width;
    const int width = k->width, flip = k->flip, zero_point = k->zero_point_a;
    const float *reals = (const float *)k->weights, factor = k->factor_a;
    if (k->byte_out)
        for (int x = 0; x < width; x++, in += pitch)
            k->byte_out[at + x] = *in ^ flip;
    else if (reals)
        for (int x = 0; x < width; x++, in += pitch)
            k->float_out[at + x] = reals[*in ^ flip];
    else
        for (int x = 0; x < width; x++, in += pitch)
            k->float_out[at + x] = (float)((*in ^ flip) - zero_point) * factor;
}

static void dequantise(const struct kernel *k)
{
    for (int row = 0; row < k->rows; row++)
        for (int c = 0; c < k->output_channels; c++)
            dequantise_row(k, row, c);
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
            float count = (float)window_count(k, row, x);
            for (int c = 0; c < k->output_channels; c++) {
                float sum = 0;
                for (int t = 0; t < k->kernel_h * k->kernel_w; t++)
                    sum += (float)((*tap(k, row, x, c, t) ^ k->flip) - k->zero_point_a) * k->factor_a;
                put(k, row, x, c, to_integer(sum / count / k->factor_b + (float)k->zero_point));
            }
        }
}

static void global_pool(const struct kernel *k)
{
    int rows = k->sums ? k->rows : k->in_height;
    bool is_last = k->sums == NULL || k->first + rows == k->in_height;
    for (int c = 0; c < k->output_channels; c++) {
        uint32_t sum = k->sums && k->first ? (uint32_t)k->sums[c] : 0; /* a plan may write others there */
        for (int row = 0; row < rows; row++)
            for (int x = 0; x < k->in_width; x++)
                sum += (uint32_t)(get(k, row, x, c) - k->zero_point_a);
        if (k->sums)
            k->sums[c] = (int32_t)sum;
        if (is_last)
            put(k, 0, 0, c, to_integer((float)(int32_t)sum * k->factor_a) + k->zero_point);
    }
}

const struct family portable_family = {
    .name = "portable",
    .supported = always,
    .reads_bytes = 1,
    .function =
        {
            [OP_QUANTISE] = quantise,
            [OP_DEQUANTISE] = dequantise,
            [OP_CONVOLUTION] = portable_convolution,
            [OP_DEPTHWISE] = portable_depthwise,
            [OP_GROUPED] = portable_grouped,
            [OP_ADD] = add,
            [OP_MULTIPLY] = multiply,
            [OP_TABLE] = table,
            [OP_MAX_POOL] = max_pool,
            [OP_AVERAGE_POOL] = average_pool,
            [OP_GLOBAL_POOL] = global_pool,
            [OP_COPY] = table,
            [OP_CHANNELS] = portable_channels,
            [OP_RESIZE] = portable_resize,
            [OP_PAD] = portable_pad,
            [OP_DEPTH_TO_SPACE] = portable_depth_to_space,
            [OP_BILINEAR] = portable_bilinear,
            [OP_RESPONSE_NORM] = portable_response_norm,
            [OP_SOFTMAX] = portable_softmax,
            [OP_FUNCTION] = portable_function,
        },
};
