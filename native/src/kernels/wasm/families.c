/* The family of WebAssembly with vectors of 128 bits. */
#if defined(__wasm_simd128__) && !defined(EDGECNN_PORTABLE)
#include "simd128.h"

/* A module with vectors is refused where there are none. */
static int always(void) { return 1; }

const struct family simd128_family = {
    .name = "simd128",
    .supported = always,
    .function =
        {
            [OP_QUANTISE] = simd128_quantise,
            [OP_CONVOLUTION] = simd128_convolution,
            [OP_DEPTHWISE] = simd128_depthwise,
            [OP_ADD] = simd128_add,
            [OP_MULTIPLY] = simd128_multiply,
            [OP_TABLE] = simd128_table,
            [OP_COPY] = simd128_table,
            [OP_MAX_POOL] = simd128_max_pool,
            [OP_AVERAGE_POOL] = simd128_average_pool,
            [OP_GLOBAL_POOL] = simd128_global_pool,
            [OP_BILINEAR] = simd128_bilinear,
            [OP_RESPONSE_NORM] = simd128_response_norm,
        },
    .depthwise_bytes = simd128_depthwise_bytes,
    .pack_depthwise = simd128_pack_depthwise,
    .pack_convolution = simd128_pack_convolution,
    .scratch_bytes = SIMD128_SCRATCH,
};
#endif
