/* AVX-512 VNNI: depthwise convolution, four input rows of a channel in one 32-bit product.
 *
 * Input rows are interleaved by fours to [channel][4 rows] (interleave.h), so that one instruction multiplies
 * four taps of 16 channels.
 *
 * Packed, for each block of 64 (then 32, 16) channels: int32 bias, float32 multipliers, then weights
 * [quarter of the block][output row][four rows][kernel column][channel of the quarter][4]. */
#include "avx512.h"

#include "../../plan.h"
#include "../interleave.h"

size_t avx512_depthwise_bytes(int kernel_h, int kernel_w, int stride_h, int dilation_w)
{
    /* Larger windows than the scratch memory holds are portable's. */
    if (kernel_h > 4 * AVX512_FOURS || (kernel_w - 1) * dilation_w >= AVX512_REACH)
        return 0;
    struct shape shape = shape_of(kernel_h, stride_h);
    return 8 + (size_t)4 * shape.together * shape.fours * kernel_w;
}

static int block_size(int channels) { return channels >= 64 ? 64 : channels >= 32 ? 32 : 16; }

void avx512_pack_depthwise(uint8_t *to, const int8_t *weights, const int32_t *bias, const float *multiplier,
                           int channels, int kernel_h, int kernel_w, int stride_h)
{
    struct shape shape = shape_of(kernel_h, stride_h);
    int size;
    for (int first = 0; first < channels; first += size) {
        size = block_size(channels - first);
        for (int i = 0; i < size; i++) {
            int c = first + channel_at(i, size);
            memcpy(to + 4 * i, &bias[c], 4);
            memcpy(to + 4 * (size + i), &multiplier[c], 4);
        }
        to += 8 * size;
        for (int quarter = 0; quarter < 4; quarter++)
            for (int row = 0; row < shape.together; row++)
                for (int four = 0; four < shape.fours; four++)
                    for (int kx = 0; kx < kernel_w; kx++)
                        for (int i = 0; i < size; i++, to++) {
                            int c = first + channel_at(quarter * (size / 4) + i / 4, size);
                            int ky = 4 * four + i % 4 - row * stride_h;
                            *to = (uint8_t)weight_at(weights, c, kernel_h, kernel_w, ky, kx);
                        }
    }
}

#define BLOCK 64
#include "avx512_depthwise_block.h"
#undef BLOCK
#define BLOCK 32
#include "avx512_depthwise_block.h"
#undef BLOCK
#define BLOCK 16
#include "avx512_depthwise_block.h"
#undef BLOCK

void avx512_depthwise(const struct kernel *k)
{
    struct shape shape = shape_of(k->kernel_h, k->stride_h);
    size_t bytes = avx512_depthwise_bytes(k->kernel_h, k->kernel_w, k->stride_h, k->dilation_w);
    int size;
    if (bytes == 0) {
        portable_family.function[OP_DEPTHWISE](k);
        return;
    }
    /* Rows that lie apart are not shared: one output row at a time, with the weights of the first. */
    int step = k->dilation_h > 1 ? 1 : shape.together;
    for (int first = 0; first < k->output_channels; first += size) {
        const int8_t *packed = k->weights + first * bytes;
        size = block_size(k->output_channels - first);
        for (int row = 0; row < k->rows; row += step) {
            int rows = k->rows < step ? k->rows : step;
            if (row + rows > k->rows)
                row = k->rows - rows; /* an odd last row with the one before it */
            if (size == 64)
                depthwise_64(k, shape, packed, first, row, rows);
            else if (size == 32)
                depthwise_32(k, shape, packed, first, row, rows);
            else
                depthwise_16(k, shape, packed, first, row, rows);
        }
    }
}
