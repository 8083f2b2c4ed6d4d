/* AVX-512 with VNNI: requantisation and tables that its kernels share. */
#ifndef EDGECNN_AVX512_H
#define EDGECNN_AVX512_H

#include "families.h"

#include <immintrin.h>
#include <stdbool.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 32")

INLINE __m512i load64(const void *from) { return _mm512_loadu_si512(from); }

/* rint((float)sum * multiplier), of 16 sums. */
INLINE __m512i requantise(__m512i sum, __m512 multiplier)
{
    return _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_cvtepi32_ps(sum), multiplier));
}

/* table[x & 127] of 64 bytes. The one instruction of VBMI, and the compiler adds no others: without a table
 * these kernels run on processors that lack it. */
INLINE __m512i look_up_half(__m512i x, const uint8_t *table)
{
    __asm__("vpermi2b %2, %1, %0" : "+v"(x) : "v"(load64(table)), "v"(load64(table + 64)));
    return x;
}

/* table[x] of 64 bytes. */
INLINE __m512i look_up(__m512i x, const uint8_t *table)
{
    __m512i low = look_up_half(x, table), high = look_up_half(x, table + 128);
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(x), low, high);
}

/* What happens to a requantised value: zero point, clamp, table. */
struct ending {
    __m512i zero_point, low, high; /* 32 x int16; 64 x uint8 */
    const uint8_t *table;
    bool shifted, clamped; /* whether there is a zero point, a clamp: seldom both, and branches are cheaper */
    bool plain;            /* none of the three */
};

INLINE struct ending ending_of(const struct kernel *k)
{
    return (struct ending){
        .zero_point = _mm512_set1_epi16((short)k->zero_point),
        .low = _mm512_set1_epi8((char)k->low),
        .high = _mm512_set1_epi8((char)k->high),
        .table = k->table,
        .shifted = k->zero_point != 0,
        .clamped = k->low > 0 || k->high < 255,
        .plain = k->zero_point == 0 && k->low <= 0 && k->high >= 255 && k->table == NULL,
    };
}

/* Four vectors of 16 int32 to 64 bytes, in lanes: bytes 16 i ... 16 i + 15 are lane i of the four. */
INLINE __m512i pack_lanes(__m512i a, __m512i b, __m512i c, __m512i d, const struct ending *ending)
{
    __m512i first = _mm512_packs_epi32(a, b), second = _mm512_packs_epi32(c, d);
    if (ending->shifted) {
        first = _mm512_adds_epi16(first, ending->zero_point);
        second = _mm512_adds_epi16(second, ending->zero_point);
    }
    __m512i bytes = _mm512_packus_epi16(first, second);
    if (ending->clamped)
        bytes = _mm512_min_epu8(_mm512_max_epu8(bytes, ending->low), ending->high);
    return ending->table ? look_up(bytes, ending->table) : bytes;
}

/* The same in order: 16 bytes of a, then of b, c, d. */
INLINE __m512i pack_in_order(__m512i a, __m512i b, __m512i c, __m512i d, const struct ending *ending)
{
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_permutexvar_epi32(order, pack_lanes(a, b, c, d, ending));
}

#endif
