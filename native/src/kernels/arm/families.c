/* The families of AArch64. Every processor runs this file: it has no compiler flags of an instruction set. */
#if defined(__aarch64__) && !defined(EDGECNN_PORTABLE)
#include "arm.h"

#include "../../dispatch.h"
#include "../../plan.h"
#include "processor.h"

#define SHARED \
    [OP_QUANTISE] = arm_quantise, [OP_ADD] = arm_add, [OP_MULTIPLY] = arm_multiply, [OP_TABLE] = arm_table, \
    [OP_COPY] = arm_table, [OP_MAX_POOL] = arm_max_pool, [OP_AVERAGE_POOL] = arm_average_pool, \
    [OP_GLOBAL_POOL] = arm_global_pool, [OP_BILINEAR] = arm_bilinear, [OP_RESPONSE_NORM] = arm_response_norm

const struct family i8mm_family = {
    .name = "i8mm",
    .flip = ARM_FLIP,
    .supported = has_i8mm,
    .function = {SHARED, [OP_CONVOLUTION] = i8mm_convolution, [OP_DEPTHWISE] = dotprod_depthwise},
    .depthwise_bytes = dotprod_depthwise_bytes,
    .pack_depthwise = dotprod_pack_depthwise,
    .pack_convolution = i8mm_pack_convolution,
    .scratch_bytes = ARM_SCRATCH,
};

const struct family dotprod_family = {
    .name = "dotprod",
    .flip = ARM_FLIP,
    .supported = has_dotprod,
    .function = {SHARED, [OP_CONVOLUTION] = dotprod_convolution, [OP_DEPTHWISE] = dotprod_depthwise},
    .depthwise_bytes = dotprod_depthwise_bytes,
    .pack_depthwise = dotprod_pack_depthwise,
    .scratch_bytes = ARM_SCRATCH,
};

const struct family neon_family = {
    .name = "neon",
    .flip = ARM_FLIP,
    .supported = has_neon,
    .function = {SHARED, [OP_CONVOLUTION] = neon_convolution, [OP_DEPTHWISE] = neon_depthwise},
    .scratch_bytes = ARM_SCRATCH,
};
#endif
