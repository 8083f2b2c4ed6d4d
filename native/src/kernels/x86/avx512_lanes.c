/* AVX-512: values between four pixels, response normalisation and averages: a vector of 16 floats at a time. */
#include "avx512.h"

#include "../../plan.h"
#include "../lanes.h"
#include "../portable.h"

/* What all vectors of one call share. */
struct lanes {
    struct ending ending;
    __m512i zero;
    __m512 a, b, c;
    int size, before, roots;
};

static struct lanes lanes_of(const struct kernel *k)
{
    struct lanes lanes = {
        .ending = ending_of(k),
        .zero = _mm512_set1_epi32(k->zero_point_a),
        .a = _mm512_set1_ps(k->factor_a),
        .b = _mm512_set1_ps(k->factor_b),
        .c = _mm512_set1_ps(k->factor_c),
        .size = k->channel_groups,
        .before = (k->channel_groups - 1) / 2,
        .roots = k->flags,
    };
    lanes.ending.table = NULL; /* lanes.h looks up */
    return lanes;
}

INLINE __m512i deviations(const struct lanes *lanes, const uint8_t *from)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)from);
    return _mm512_sub_epi32(_mm512_cvtepu8_epi32(bytes), lanes->zero);
}

INLINE void store(const struct lanes *lanes, uint8_t *out, __m512 scaled)
{
    __m512i q = _mm512_cvtps_epi32(scaled);
    _mm_storeu_si128((__m128i *)out, _mm512_castsi512_si128(pack_in_order(q, q, q, q, &lanes->ending)));
}

INLINE void blend(const void *context, const uint8_t *const *in, const float *weight, uint8_t *out)
{
    const struct lanes *lanes = context;
    __m512 sum = _mm512_setzero_ps();
    UNROLL for (int corner = 0; corner < 4; corner++)
    {
        __m512 real = _mm512_mul_ps(_mm512_cvtepi32_ps(deviations(lanes, in[corner])), lanes->a);
        sum = _mm512_add_ps(sum, _mm512_mul_ps(_mm512_set1_ps(weight[corner]), real));
    }
    store(lanes, out, _mm512_div_ps(sum, lanes->b));
}

void avx512_bilinear(const struct kernel *k)
{
    struct lanes lanes = lanes_of(k);
    for_blends(k, blend, &lanes);
}

INLINE void normalise(const void *context, const uint8_t *from, uint8_t *out)
{
    const struct lanes *lanes = context;
    __m512i squares = _mm512_setzero_si512();
    for (int tap = 0; tap < lanes->size; tap++) {
        __m512i x = _mm512_abs_epi32(deviations(lanes, from + tap)); /* its upper halves are 0 */
        squares = _mm512_add_epi32(squares, _mm512_madd_epi16(x, x));
    }
    __m512 sum = _mm512_add_ps(lanes->b, _mm512_mul_ps(lanes->c, _mm512_cvtepi32_ps(squares)));
    __m512 root = _mm512_sqrt_ps(_mm512_sqrt_ps(sum)), power = root;
    for (int i = 1; i < lanes->roots; i++)
        power = _mm512_mul_ps(power, root);
    __m512 value = _mm512_cvtepi32_ps(deviations(lanes, from + lanes->before));
    store(lanes, out, _mm512_mul_ps(value, _mm512_div_ps(lanes->a, power)));
}

void avx512_response_norm(const struct kernel *k)
{
    struct lanes lanes = lanes_of(k);
    if (k->channel_groups > LANES_SPREAD)
        portable_response_norm(k);
    else
        for_norms(k, normalise, &lanes);
}

INLINE void average(const void *context, const struct kernel *k, int row, int x, int channel, float count, uint8_t *out)
{
    const struct lanes *lanes = context;
    const __m512 most = _mm512_set1_ps(1e6f); /* first: then what is no number stays so, and its integer is the least */
    __m512 sum = _mm512_setzero_ps();
    for (int t = 0; t < k->kernel_h * k->kernel_w; t++) {
        __m512 value = _mm512_cvtepi32_ps(deviations(lanes, tap(k, row, x, channel, t)));
        sum = _mm512_add_ps(sum, _mm512_mul_ps(value, lanes->a));
    }
    __m512 mean = _mm512_div_ps(_mm512_div_ps(sum, _mm512_set1_ps(count)), lanes->b);
    store(lanes, out, _mm512_min_ps(most, _mm512_add_ps(mean, _mm512_set1_ps((float)k->zero_point))));
}

void avx512_average_pool(const struct kernel *k)
{
    struct lanes lanes = lanes_of(k);
    lanes.ending.shifted = false;
    for_averages(k, average, &lanes);
}
