/* AVX-VNNI: convolutions whose products are of four 8-bit numbers at once, in ymm registers. */
#include "avx2.h"

#define NAME(name) avxvnni_##name
#define PARTS 1 /* of four 8-bit values */

INLINE __m256i part_of_weights(__m256i w, int part)
{
    (void)part;
    return w;
}

INLINE __m256i widen_values(const uint8_t *from) { return load_32(from); }

/* With -mavx512vl and -mavx512vnni in place of -mavxvnni the same code runs where AVX-512 does. */
INLINE __m256i multiply_add(__m256i sum, __m256i x, __m256i w)
{
#ifdef __AVX512VNNI__
    return _mm256_dpbusd_epi32(sum, x, w);
#else
    return _mm256_dpbusd_avx_epi32(sum, x, w);
#endif
}

INLINE __m256i multiply_add_at(__m256i sum, const void *x, __m256i w) { return multiply_add(sum, load_32(x), w); }

INLINE void store_fours(uint8_t *to, __m256i fours) { store_32(to, fours); }

INLINE void pack_weights(uint8_t *to, const int8_t *four, int part)
{
    (void)part;
    memcpy(to, four, 4);
}

#include "avx2_convolution.h"
#include "avx2_depthwise.h"
