/* Depthwise weights for four interleaved rows in one 32-bit lane.
 *
 * Packed, for each half block of 8 channels: int32 bias, float32 multipliers, then weights
 * [output row][four rows][kernel column][channel][4]. */
#include "arm.h"

#include "../interleave.h"

size_t dotprod_depthwise_bytes(int kernel_h, int kernel_w, int stride_h, int dilation_w)
{
    /* Larger windows than the scratch memory holds are portable's. */
    if (kernel_h > 4 * ARM_FOURS || (kernel_w - 1) * dilation_w >= ARM_REACH)
        return 0;
    struct shape shape = shape_of(kernel_h, stride_h);
    return 8 + (size_t)4 * shape.together * shape.fours * kernel_w;
}

void dotprod_pack_depthwise(uint8_t *to, const int8_t *weights, const int32_t *bias, const float *multiplier,
                            int channels, int kernel_h, int kernel_w, int stride_h)
{
    struct shape shape = shape_of(kernel_h, stride_h);
    for (int first = 0; first < channels; first += HALF) {
        memcpy(to, bias + first, 4 * HALF);
        memcpy(to + 4 * HALF, multiplier + first, 4 * HALF);
        to += 8 * HALF;
        for (int row = 0; row < shape.together; row++)
            for (int y = 0; y < 4 * shape.fours; y += 4)
                for (int kx = 0; kx < kernel_w; kx++)
                    for (int i = 0; i < 4 * HALF; i++, to++) {
                        int ky = y + i % 4 - row * stride_h;
                        *to = (uint8_t)weight_at(weights, first + i / 4, kernel_h, kernel_w, ky, kx);
                    }
    }
}
