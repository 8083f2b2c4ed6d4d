/* AArch64: tables of 256 entries, by four look-ups of 64 entries each. */
#include "arm.h"

struct table {
    uint8x16x4_t quarters[4]; /* for indices as memory holds them: the two halves change places */
};

/* The table's entries as memory holds them. */
INLINE struct table load_table(const uint8_t *entries)
{
    struct table table;
    UNROLL for (int q = 0; q < 4; q++) UNROLL for (int i = 0; i < 4; i++)
        table.quarters[q].val[i] =
            veorq_u8(vld1q_u8(entries + (q ^ 2) * 64 + 16 * i), vdupq_n_u8(ARM_FLIP));
    return table;
}

INLINE uint8x16_t look_up(uint8x16_t x, const struct table *table)
{
    const uint8x16_t step = vdupq_n_u8(64);
    uint8x16_t y = vqtbl4q_u8(table->quarters[0], x);
    UNROLL for (int q = 1; q < 4; q++)
    {
        x = vsubq_u8(x, step);
        y = vqtbx4q_u8(y, table->quarters[q], x);
    }
    return y;
}

void arm_look_up_rows(const struct kernel *k)
{
    if (k->table == NULL)
        return;
    const struct table table = load_table(k->table);
    const size_t pitch = k->out_pitch;
    /* Pixels that follow one another are one long pixel. */
    bool joined = pitch == (size_t)k->output_channels;
    bool one = joined && follows((const uint8_t *const *)k->out, k->rows, pitch * k->width);
    int rows = one ? 1 : k->rows, pixels = joined ? 1 : k->width;
    size_t bytes = (size_t)k->output_channels * (joined ? k->width : 1) * (one ? k->rows : 1);
    for (int row = 0; row < rows; row++)
        for (int x = 0; x < pixels; x++) {
            uint8_t *out = k->out[row] + x * pitch;
            for (size_t i = 0; i < bytes; i += 16) vst1q_u8(out + i, look_up(vld1q_u8(out + i), &table));
        }
}

INLINE int8x16_t clamp(int8x16_t x, const struct ending *ending)
{
    return vminq_s8(vmaxq_s8(x, ending->low), ending->high);
}

/* One pixel's bytes, any number of them. */
INLINE void map_pixel(const int8_t *in, uint8_t *out, int bytes, const struct ending *ending, const struct table *table)
{
    int i = 0;
    for (; i + 16 <= bytes; i += 16) {
        uint8x16_t x = vreinterpretq_u8_s8(clamp(vld1q_s8(in + i), ending));
        vst1q_u8(out + i, table ? look_up(x, table) : x);
    }
    if (i < bytes) {
        uint8_t last[16];
        uint8x16_t x = vreinterpretq_u8_s8(clamp(vld1q_s8(in + i), ending));
        vst1q_u8(last, table ? look_up(x, table) : x);
        memcpy(out + i, last, (size_t)(bytes - i));
    }
}

void arm_table(const struct kernel *k)
{
    const struct ending ending = ending_of(k);
    const struct table table = k->table ? load_table(k->table) : (struct table){{{{{0}}}}};
    const struct kernel copy = *k;
    for (int row = 0; row < copy.rows; row++)
        for (int x = 0; x < copy.width; x++) {
            const int8_t *in = (const int8_t *)copy.in[row] + x * copy.in_pitch;
            uint8_t *out = copy.out[row] + x * copy.out_pitch;
            if (copy.table)
                map_pixel(in, out, copy.output_channels, &ending, &table);
            else
                map_pixel(in, out, copy.output_channels, &ending, NULL);
        }
}
