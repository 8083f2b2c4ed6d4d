/* AVX2: values between four pixels, response normalisation and averages: two vectors of eight floats at a time. */
#include "avx2.h"

#include "../../plan.h"
#include "../lanes.h"
#include "../portable.h"

/* What all vectors of one call share. */
struct lanes {
    struct ending ending;
    __m256i zero;
    __m256 a, b, c;
    int size, before, roots;
};

static struct lanes lanes_of(const struct kernel *k)
{
    return (struct lanes){
        .ending = ending_of(k),
        .zero = _mm256_set1_epi32(k->zero_point_a),
        .a = _mm256_set1_ps(k->factor_a),
        .b = _mm256_set1_ps(k->factor_b),
        .c = _mm256_set1_ps(k->factor_c),
        .size = k->channel_groups,
        .before = (k->channel_groups - 1) / 2,
        .roots = k->flags,
    };
}

INLINE __m256i deviations(const struct lanes *lanes, const uint8_t *from)
{
    return _mm256_sub_epi32(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)from)), lanes->zero);
}

INLINE void store(const struct lanes *lanes, uint8_t *out, const __m256 *scaled)
{
    __m256i low = _mm256_cvtps_epi32(scaled[0]), high = _mm256_cvtps_epi32(scaled[1]);
    store_16(out, _mm256_castsi256_si128(pack_in_order(low, high, low, high, &lanes->ending)));
}

INLINE void blend(const void *context, const uint8_t *const *in, const float *weight, uint8_t *out)
{
    const struct lanes *lanes = context;
    __m256 sum[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    UNROLL for (int corner = 0; corner < 4; corner++)
    {
        __m256 share = _mm256_set1_ps(weight[corner]);
        UNROLL for (int half = 0; half < 2; half++)
        {
            __m256 x = _mm256_cvtepi32_ps(deviations(lanes, in[corner] + 8 * half));
            sum[half] = _mm256_add_ps(sum[half], _mm256_mul_ps(share, _mm256_mul_ps(x, lanes->a)));
        }
    }
    UNROLL for (int half = 0; half < 2; half++) sum[half] = _mm256_div_ps(sum[half], lanes->b);
    store(lanes, out, sum);
}

void avx2_bilinear(const struct kernel *k)
{
    struct lanes lanes = lanes_of(k);
    for_blends(k, blend, &lanes);
}

INLINE __m256 normalise_8(const struct lanes *lanes, const uint8_t *from)
{
    __m256i squares = _mm256_setzero_si256();
    for (int tap = 0; tap < lanes->size; tap++) {
        __m256i x = _mm256_abs_epi32(deviations(lanes, from + tap)); /* its upper halves are 0 */
        squares = _mm256_add_epi32(squares, _mm256_madd_epi16(x, x));
    }
    __m256 sum = _mm256_add_ps(lanes->b, _mm256_mul_ps(lanes->c, _mm256_cvtepi32_ps(squares)));
    __m256 root = _mm256_sqrt_ps(_mm256_sqrt_ps(sum)), power = root;
    for (int i = 1; i < lanes->roots; i++)
        power = _mm256_mul_ps(power, root);
    __m256 value = _mm256_cvtepi32_ps(deviations(lanes, from + lanes->before));
    return _mm256_mul_ps(value, _mm256_div_ps(lanes->a, power));
}

INLINE void normalise(const void *context, const uint8_t *from, uint8_t *out)
{
    const struct lanes *lanes = context;
    const __m256 scaled[2] = {normalise_8(lanes, from), normalise_8(lanes, from + 8)};
    store(lanes, out, scaled);
}

void avx2_response_norm(const struct kernel *k)
{
    struct lanes lanes = lanes_of(k);
    if (k->channel_groups > LANES_SPREAD)
        portable_response_norm(k);
    else
        for_norms(k, normalise, &lanes);
}

INLINE __m256 average_8(const struct lanes *lanes, const struct kernel *k, int row, int x, int channel, float count)
{
    const __m256 most = _mm256_set1_ps(1e6f); /* first: then what is no number stays so, and its integer is the least */
    __m256 sum = _mm256_setzero_ps();
    for (int t = 0; t < k->kernel_h * k->kernel_w; t++) {
        __m256 value = _mm256_cvtepi32_ps(deviations(lanes, tap(k, row, x, channel, t)));
        sum = _mm256_add_ps(sum, _mm256_mul_ps(value, lanes->a));
    }
    __m256 mean = _mm256_div_ps(_mm256_div_ps(sum, _mm256_set1_ps(count)), lanes->b);
    return _mm256_min_ps(most, _mm256_add_ps(mean, _mm256_set1_ps((float)k->zero_point)));
}

INLINE void average(const void *context, const struct kernel *k, int row, int x, int channel, float count, uint8_t *out)
{
    const struct lanes *lanes = context;
    const __m256 scaled[2] = {average_8(lanes, k, row, x, channel, count),
                              average_8(lanes, k, row, x, channel + 8, count)};
    store(lanes, out, scaled);
}

void avx2_average_pool(const struct kernel *k)
{
    struct lanes lanes = lanes_of(k);
    lanes.ending.shifted = false;
    for_averages(k, average, &lanes);
}
