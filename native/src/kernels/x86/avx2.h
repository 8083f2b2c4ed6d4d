/* AVX2 and FMA: requantisation and packing that its kernels share. */
#ifndef EDGECNN_AVX2_H
#define EDGECNN_AVX2_H

#include "families.h"

#include <immintrin.h>
#include <stdbool.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 32")

INLINE __m256i load_32(const void *from) { return _mm256_loadu_si256((const __m256i *)from); }

INLINE void store_32(void *to, __m256i bytes) { _mm256_storeu_si256((__m256i *)to, bytes); }

INLINE void store_16(void *to, __m128i bytes) { _mm_storeu_si128((__m128i *)to, bytes); }

INLINE int load_int(const void *from)
{
    int value;
    memcpy(&value, from, sizeof value);
    return value;
}

/* rint((float)sum * multiplier), of 8 sums. */
INLINE __m256i requantise(__m256i sum, __m256 multiplier)
{
    return _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_cvtepi32_ps(sum), multiplier));
}

/* What happens to a requantised value: zero point, clamp. The table comes afterwards, in avx2_look_up. */
struct ending {
    __m256i zero_point, low, high; /* 16 x int16; 32 x uint8 */
    bool shifted, clamped; /* whether there is a zero point, a clamp: seldom both, and branches are cheaper */
};

INLINE struct ending ending_of(const struct kernel *k)
{
    return (struct ending){
        .zero_point = _mm256_set1_epi16((short)k->zero_point),
        .low = _mm256_set1_epi8((char)k->low),
        .high = _mm256_set1_epi8((char)k->high),
        .shifted = k->zero_point != 0,
        .clamped = k->low > 0 || k->high < 255,
    };
}

/* Where a factor has the zero point. */
INLINE struct ending ending_without_zero_point(const struct kernel *k)
{
    struct ending ending = ending_of(k);
    ending.shifted = false;
    return ending;
}

INLINE __m256i clamp(__m256i bytes, const struct ending *ending)
{
    return ending->clamped ? _mm256_min_epu8(_mm256_max_epu8(bytes, ending->low), ending->high) : bytes;
}

/* Four vectors of 8 int32 to 32 bytes: 8 of a, then of b, c, d. */
INLINE __m256i pack_in_order(__m256i a, __m256i b, __m256i c, __m256i d, const struct ending *ending)
{
    __m256i first = _mm256_packs_epi32(a, b), second = _mm256_packs_epi32(c, d);
    if (ending->shifted) {
        first = _mm256_adds_epi16(first, ending->zero_point);
        second = _mm256_adds_epi16(second, ending->zero_point);
    }
    __m256i bytes = clamp(_mm256_packus_epi16(first, second), ending);
    return _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

#endif
