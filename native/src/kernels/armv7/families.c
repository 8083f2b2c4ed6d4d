/* The family of ARMv7 with NEON, which every processor that this file is compiled for has. */
#if defined(__ARM_NEON) && !defined(__aarch64__) && !defined(EDGECNN_PORTABLE)
#include "armv7.h"

#include "../../dispatch.h"
#include "../../plan.h"
#include "../together.h"

static int always(void) { return 1; }

void armv7_look_up_rows(const struct kernel *k)
{
    for (int row = 0; k->table && row < k->rows; row++)
        for (int x = 0; x < k->width; x++) {
            uint8_t *out = k->out[row] + x * k->out_pitch;
            for (int c = 0; c < k->output_channels; c++)
                out[c] = k->table[out[c] ^ ARMV7_FLIP] ^ ARMV7_FLIP;
        }
}

const struct family armv7_family = {
    .name = "neon",
    .flip = ARMV7_FLIP,
    .supported = always,
    .function = {[OP_CONVOLUTION] = armv7_convolution, [OP_DEPTHWISE] = armv7_depthwise},
    .scratch_bytes = TOGETHER * sizeof(struct pixel),
};
#endif
