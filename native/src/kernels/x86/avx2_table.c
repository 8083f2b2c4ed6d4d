/* AVX2: tables of 256 bytes, by shuffles of 16. */
#include "avx2.h"

/* A table as differences: entry i of part p is table[16 p + i] ^ table[16 (p - 1) + i], within each half. */
struct differences {
    __m128i part[16];
};

static struct differences differences_of(const uint8_t *table)
{
    struct differences d;
    for (int p = 0; p < 16; p++) {
        __m128i own = _mm_loadu_si128((const __m128i *)(table + 16 * p));
        __m128i before = p % 8 ? _mm_loadu_si128((const __m128i *)(table + 16 * (p - 1))) : _mm_setzero_si128();
        d.part[p] = _mm_xor_si128(own, before);
    }
    return d;
}

/* A shuffle gives 0 where an index is negative: of the differences up to a value's own part all others give
 * something, and together its entry. One half at a time is not negative. */
INLINE __m256i look_up(__m256i x, const struct differences *d)
{
    const __m256i step = _mm256_set1_epi8(16);
    __m256i low = x, high = _mm256_xor_si256(x, _mm256_set1_epi8((char)0x80)), y = _mm256_setzero_si256();
    UNROLL for (int p = 0; p < 8; p++)
    {
        y = _mm256_xor_si256(y, _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(d->part[p]), low));
        y = _mm256_xor_si256(y, _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(d->part[8 + p]), high));
        low = _mm256_subs_epi8(low, step);
        high = _mm256_subs_epi8(high, step);
    }
    return y;
}

INLINE __m256i clamp_and_look_up(__m256i x, const struct ending *ending, const struct differences *d)
{
    x = clamp(x, ending);
    return d ? look_up(x, d) : x;
}

/* Clamps, and looks up where there is a table; exactly `bytes`. */
static void look_up_run(const struct differences *d, const struct ending *ending, const uint8_t *in, uint8_t *out,
                        size_t bytes)
{
    size_t i = 0;
    for (; i + 32 <= bytes; i += 32)
        store_32(out + i, clamp_and_look_up(load_32(in + i), ending, d));
    if (i < bytes) {
        uint8_t rest[32] = {0};
        memcpy(rest, in + i, bytes - i);
        store_32(rest, clamp_and_look_up(load_32(rest), ending, d));
        memcpy(out + i, rest, bytes - i);
    }
}

static void look_up_rows(const struct kernel *k, const uint8_t *const *in, size_t in_pitch)
{
    struct differences table, *d = NULL;
    if (k->table) {
        table = differences_of(k->table);
        d = &table;
    }
    struct ending ending = ending_of(k);
    size_t channels = (size_t)k->output_channels;
    bool runs = in_pitch == channels && k->out_pitch == channels;
    for (int row = 0; row < k->rows; row++)
        for (int x = 0; x < (runs ? 1 : k->width); x++)
            look_up_run(d, &ending, in[row] + x * in_pitch, k->out[row] + x * k->out_pitch,
                        runs ? channels * k->width : channels);
}

void avx2_look_up(const struct kernel *k)
{
    if (k->table && !k->float_out)
        look_up_rows(k, (const uint8_t *const *)k->out, k->out_pitch);
}

void avx2_table(const struct kernel *k) { look_up_rows(k, k->in, k->in_pitch); }
