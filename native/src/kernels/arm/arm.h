/* AArch64: requantisation and packing that the kernels with and without dot products share.
 *
 * Memory holds x ^ 0x80, which is x - 128 as int8. */
#ifndef EDGECNN_ARM_H
#define EDGECNN_ARM_H

#include "../kernels.h"
#include "../runs.h"

#include <arm_neon.h>
#include <stdbool.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 32")

enum {
    ARM_FLIP = 0x80,
    ARM_ZERO = 128, /* of the unsigned domain, less this in memory */
    HALF = 8,       /* channels of a depthwise part */
    ARM_FOURS = 4,  /* a depthwise kernel has at most 16 rows */
    ARM_REACH = 24, /* and covers at most as many columns */
    /* Bytes of interleaved columns, at least ARM_REACH of them: in the level 1 cache beside the rows. */
    ARM_SCRATCH = 60 * ARM_FOURS * 64
};

/* How sums become bytes. PLAIN: every sum times its multiplier lies within int16, the zero point is even,
 * and there is no clamp. BOUNDED: within int16 they lie. SATURATING: anything. */
enum finish { PLAIN, BOUNDED, SATURATING };

struct ending {
    enum finish finish;
    float32x4_t magic;     /* x + magic has rint(x) in its lower 16 bits, with the zero point's even part */
    int16x8_t zero_point;  /* what is then to be added */
    int8x16_t low, high;
};

INLINE struct ending ending_of(const struct kernel *k)
{
    int zero_point = k->zero_point - ARM_ZERO;
    bool clamped = k->low > 0 || k->high < 255;
    /* Halves go to even: so they do with an even number added. */
    int odd = zero_point & 1;
    return (struct ending){
        .finish = !k->bounded ? SATURATING : clamped || odd ? BOUNDED : PLAIN,
        .magic = vdupq_n_f32(12582912.0f + (float)(zero_point - odd)), /* 1.5 * 2^23 */
        .zero_point = vdupq_n_s16((short)(k->bounded ? odd : zero_point)),
        .low = vdupq_n_s8((signed char)(k->low - ARM_ZERO)),
        .high = vdupq_n_s8((signed char)(k->high - ARM_ZERO)),
    };
}

INLINE float32x4_t scale(int32x4_t sum, float32x4_t multiplier) { return vmulq_f32(vcvtq_f32_s32(sum), multiplier); }

/* rint of eight values, as int16. */
INLINE int16x8_t round_pair(float32x4_t a, float32x4_t b, const struct ending *ending, const enum finish FINISH)
{
    if (FINISH == SATURATING)
        return vqmovn_high_s32(vqmovn_s32(vcvtnq_s32_f32(a)), vcvtnq_s32_f32(b));
    return vuzp1q_s16(vreinterpretq_s16_f32(vaddq_f32(a, ending->magic)),
                      vreinterpretq_s16_f32(vaddq_f32(b, ending->magic)));
}

/* Sums of eight channels to bytes; the table is not looked up. */
INLINE int8x8_t finish_8(int32x4_t a, int32x4_t b, float32x4_t ma, float32x4_t mb, const struct ending *ending,
                         const enum finish FINISH)
{
    int16x8_t rounded = round_pair(scale(a, ma), scale(b, mb), ending, FINISH);
    if (FINISH == PLAIN)
        return vqmovn_s16(rounded);
    int8x8_t bytes = vqmovn_s16(vqaddq_s16(rounded, ending->zero_point));
    return vmin_s8(vmax_s8(bytes, vget_low_s8(ending->low)), vget_low_s8(ending->high));
}

/* Four vectors of scaled sums to 16 bytes. */
INLINE int8x16_t finish_16(const float32x4_t *scaled, const struct ending *ending, const enum finish FINISH)
{
    int16x8_t first = round_pair(scaled[0], scaled[1], ending, FINISH);
    int16x8_t second = round_pair(scaled[2], scaled[3], ending, FINISH);
    if (FINISH == PLAIN)
        return vqmovn_high_s16(vqmovn_s16(first), second);
    first = vqaddq_s16(first, ending->zero_point);
    second = vqaddq_s16(second, ending->zero_point);
    int8x16_t bytes = vqmovn_high_s16(vqmovn_s16(first), second);
    return vminq_s8(vmaxq_s8(bytes, ending->low), ending->high);
}

/* Two vectors by one instruction that the compiler neither splits nor shares: accumulators start with it. */
#define LOAD_SUMS(a, b, from, offset) \
    __asm__ volatile("ldp %q0, %q1, [%2, %3]" \
                     : "=w"(a), "=w"(b) \
                     : "r"(from), "i"(offset), "m"(*(const int32_t(*)[(offset) / 4 + 8])(from)))

/* 16 bytes, and the pointer after them: an instruction less than the compiler takes. */
INLINE int8x16_t load_next(const uint8_t **from)
{
    int8x16_t x;
    __asm__ volatile("ldr %q0, [%1], #16" : "=w"(x), "+r"(*from) : "m"(*(const uint8_t(*)[16])*from));
    return x;
}

/* y = table[y] of the rows that were written, where the operation has a table. */
void arm_look_up_rows(const struct kernel *k);

kernel_function arm_add, arm_multiply, arm_quantise, arm_global_pool, arm_average_pool, arm_table, arm_max_pool,
    arm_bilinear, arm_response_norm;
kernel_function i8mm_convolution, dotprod_convolution, dotprod_depthwise, neon_convolution, neon_depthwise;
void i8mm_pack_convolution(uint8_t *to, const int8_t *weights, size_t runs, int steps);
size_t dotprod_depthwise_bytes(int kernel_h, int kernel_w, int stride_h, int dilation_w);
void dotprod_pack_depthwise(uint8_t *to, const int8_t *weights, const int32_t *bias, const float *multiplier,
                            int channels, int kernel_h, int kernel_w, int stride_h);

#endif
