/* AVX2: convolutions whose products are exact, of 16-bit numbers. */
#include "avx2.h"

#define NAME(name) avx2_##name
#define PARTS 2 /* of four 8-bit values: pairs of int16 */

/* The weights at 0 and 2 of every four, or those at 1 and 3. */
INLINE __m256i part_of_weights(__m256i w, int part)
{
    return _mm256_srai_epi16(part == 0 ? _mm256_slli_epi16(w, 8) : w, 8);
}

/* 16 values, each four in the order 0, 2, 1, 3. */
INLINE __m256i widen_values(const uint8_t *from)
{
    const __m256i order = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15));
    return _mm256_shuffle_epi8(_mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)from)), order);
}

/* Both by hand: clang would add the products of several sums first, and spill. */
INLINE __m256i multiply_add(__m256i sum, __m256i x, __m256i w)
{
    __m256i product;
    __asm__("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0" : "+x"(sum), "=&x"(product) : "x"(x), "x"(w));
    return sum;
}

INLINE __m256i multiply_add_at(__m256i sum, const void *x, __m256i w)
{
    __m256i product;
    __asm__("vpmaddwd %2, %3, %1\n\tvpaddd %1, %0, %0"
            : "+x"(sum), "=&x"(product)
            : "m"(*(const __m256i_u *)x), "x"(w));
    return sum;
}

/* Four rows of 8 channels as two pairs: rows 0 and 2, rows 1 and 3. */
INLINE void store_fours(uint8_t *to, __m256i fours)
{
    store_32(to, _mm256_and_si256(fours, _mm256_set1_epi16(0xff)));
    store_32(to + 32, _mm256_srli_epi16(fours, 8));
}

INLINE void pack_weights(uint8_t *to, const int8_t *four, int part)
{
    int16_t pair[2] = {four[part], four[part + 2]};
    memcpy(to, pair, sizeof pair);
}

#include "avx2_convolution.h"
#include "avx2_depthwise.h"
