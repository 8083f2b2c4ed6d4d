/* ARMv7 with NEON: requantisation that its kernels share. Memory holds x ^ 0x80, which is x - 128 as int8.
 *
 * NEON takes subnormal numbers for zero: of a product that is to be rounded to an integer that is one. */
#ifndef EDGECNN_ARMV7_H
#define EDGECNN_ARMV7_H

#include "../kernels.h"

#include <arm_neon.h>
#include <stdbool.h>

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 32")

enum { ARMV7_FLIP = 0x80, ARMV7_ZERO = 128 };

struct ending {
    int16x8_t zero_point;
    int8x8_t low, high;
};

INLINE struct ending ending_of(const struct kernel *k)
{
    return (struct ending){
        .zero_point = vdupq_n_s16((short)(k->zero_point - ARMV7_ZERO)),
        .low = vdup_n_s8((signed char)(k->low - ARMV7_ZERO)),
        .high = vdup_n_s8((signed char)(k->high - ARMV7_ZERO)),
    };
}

/* rint((float)sum * multiplier), halves to even, of what a byte can hold; what is beyond stays beyond. */
INLINE int16x4_t requantise(int32x4_t sum, float32x4_t multiplier)
{
    const float32x4_t most = vdupq_n_f32(4194304.0f), shift = vdupq_n_f32(12582912.0f); /* 1.5 * 2^23 */
    float32x4_t x = vmulq_f32(vcvtq_f32_s32(sum), multiplier);
    x = vaddq_f32(vmaxq_f32(vminq_f32(x, most), vnegq_f32(most)), shift);
    return vqmovn_s32(vsubq_s32(vreinterpretq_s32_f32(x), vdupq_n_s32(0x4b400000)));
}

/* Eight channels to bytes; the table is not looked up. */
INLINE int8x8_t finish(int32x4_t a, int32x4_t b, const float *multiplier, const struct ending *ending)
{
    int16x8_t rounded = vcombine_s16(requantise(a, vld1q_f32(multiplier)), requantise(b, vld1q_f32(multiplier + 4)));
    int8x8_t bytes = vqmovn_s16(vqaddq_s16(rounded, ending->zero_point));
    return vmin_s8(vmax_s8(bytes, ending->low), ending->high);
}

/* y = table[y] of the rows that were written, where the operation has a table. */
void armv7_look_up_rows(const struct kernel *k);
kernel_function armv7_convolution, armv7_depthwise;

#endif
