/* WebAssembly's 128-bit vectors: requantisation and packing that its kernels share. An engine on x86-64 has 15
 * registers for them. */
#ifndef EDGECNN_SIMD128_H
#define EDGECNN_SIMD128_H

#include "../../plan.h"
#include "../kernels.h"

#include <stdbool.h>
#include <wasm_simd128.h>

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 32")

enum {
    SIMD128_PAIRS = 8,  /* a depthwise kernel has at most 16 rows */
    SIMD128_REACH = 24, /* and covers at most as many columns */
    /* Four pixels of the largest convolution that plan_check accepts, as int16, or a depthwise's interleaved
     * columns: at least 4 output pixels' at a stride of 3. */
    SIMD128_SCRATCH = 9 * 65536
};

/* rint(x), halves to even, of what a byte can hold; what is beyond stays beyond, NaN is the least. At 1.5 * 2^23 a
 * float has no fraction: one addition rounds. */
INLINE v128_t to_integers(v128_t x)
{
    const v128_t most = wasm_f32x4_const_splat(4194304), shift = wasm_f32x4_const_splat(12582912);
    x = wasm_f32x4_pmax(wasm_f32x4_neg(most), wasm_f32x4_pmin(x, most));
    return wasm_i32x4_sub(wasm_f32x4_add(x, shift), wasm_i32x4_const_splat(0x4b400000));
}

/* rint((float)sum * multiplier), of 4 sums. */
INLINE v128_t requantise(v128_t sum, v128_t multiplier)
{
    return to_integers(wasm_f32x4_mul(wasm_f32x4_convert_i32x4(sum), multiplier));
}

/* What happens to a rounded value: zero point, clamp. The table comes afterwards, in simd128_look_up. */
struct ending {
    v128_t zero_point, low, high; /* 8 x int16; 16 x uint8 */
};

INLINE struct ending ending_of(const struct kernel *k)
{
    return (struct ending){
        .zero_point = wasm_i16x8_splat((int16_t)k->zero_point),
        .low = wasm_i8x16_splat((int8_t)k->low),
        .high = wasm_i8x16_splat((int8_t)k->high),
    };
}

/* Where a factor has the zero point. */
INLINE struct ending ending_without_zero_point(const struct kernel *k)
{
    struct ending ending = ending_of(k);
    ending.zero_point = wasm_i16x8_const_splat(0);
    return ending;
}

/* Four vectors of int32 to 16 bytes. */
INLINE v128_t pack(v128_t a, v128_t b, v128_t c, v128_t d, const struct ending *ending)
{
    v128_t first = wasm_i16x8_add_sat(wasm_i16x8_narrow_i32x4(a, b), ending->zero_point);
    v128_t second = wasm_i16x8_add_sat(wasm_i16x8_narrow_i32x4(c, d), ending->zero_point);
    v128_t bytes = wasm_u8x16_narrow_i16x8(first, second);
    return wasm_u8x16_min(wasm_u8x16_max(bytes, ending->low), ending->high);
}

/* y = table[y] of all bytes that the operation wrote; nothing where it has no table. */
kernel_function simd128_look_up;

kernel_function simd128_convolution, simd128_depthwise, simd128_add, simd128_multiply, simd128_quantise,
    simd128_global_pool, simd128_average_pool, simd128_max_pool, simd128_table, simd128_bilinear,
    simd128_response_norm;
void simd128_pack_convolution(uint8_t *to, const int8_t *weights, size_t runs, int steps);
size_t simd128_depthwise_bytes(int kernel_h, int kernel_w, int stride_h, int dilation_w);
void simd128_pack_depthwise(uint8_t *to, const int8_t *weights, const int32_t *bias, const float *multiplier,
                            int channels, int kernel_h, int kernel_w, int stride_h);

#endif
