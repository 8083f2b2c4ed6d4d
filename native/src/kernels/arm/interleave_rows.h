/* Four rows of 16 channels, interleaved to [channel][4 rows], column by column, in scratch memory. */
#ifndef EDGECNN_INTERLEAVE_ROWS_H
#define EDGECNN_INTERLEAVE_ROWS_H

#include "arm.h"

enum { COLUMN = 64 /* bytes */ };

INLINE int8x16_t low_pairs(int8x16_t a, int8x16_t b)
{
    return vreinterpretq_s8_s16(vzip1q_s16(vreinterpretq_s16_s8(a), vreinterpretq_s16_s8(b)));
}

INLINE int8x16_t high_pairs(int8x16_t a, int8x16_t b)
{
    return vreinterpretq_s8_s16(vzip2q_s16(vreinterpretq_s16_s8(a), vreinterpretq_s16_s8(b)));
}

/* Two rows of 16 channels, byte by byte. */
struct two_rows {
    int8x16_t low, high;
};

INLINE struct two_rows zip_rows(const int8_t *a, const int8_t *b)
{
    int8x16_t x = vld1q_s8(a), y = vld1q_s8(b);
    return (struct two_rows){vzip1q_s8(x, y), vzip2q_s8(x, y)};
}

/* A column of four rows, interleaved. */
INLINE void store_column(int8_t *to, struct two_rows a, struct two_rows b)
{
    int8x16_t quarters[4] = {low_pairs(a.low, b.low), high_pairs(a.low, b.low), low_pairs(a.high, b.high),
                             high_pairs(a.high, b.high)};
    /* Else the compiler makes a slow interleaving store of two of them. */
    UNROLL for (int q = 0; q < 4; q++) __asm__("" : "+w"(quarters[q]));
    UNROLL for (int q = 0; q < 4; q++) vst1q_s8(to + 16 * q, quarters[q]);
}

/* Keeps the compiler from a pointer to each row, which it would have to advance. */
#define ONE_OFFSET(at) __asm__("" : "+r"(at))

/* `count` columns; `next` bytes from one to the next. */
static void interleave(uint8_t *to, size_t next, const uint8_t *const *rows, size_t at, size_t pitch, int count)
{
    const int8_t *r[4];
    UNROLL for (int i = 0; i < 4; i++) r[i] = (const int8_t *)rows[i];
    int8_t *out = (int8_t *)to;
    for (; count > 1; count -= 2, out += 2 * next) {
        ONE_OFFSET(at);
        store_column(out, zip_rows(r[0] + at, r[1] + at), zip_rows(r[2] + at, r[3] + at));
        at += pitch;
        ONE_OFFSET(at);
        store_column(out + next, zip_rows(r[0] + at, r[1] + at), zip_rows(r[2] + at, r[3] + at));
        at += pitch;
    }
    if (count)
        store_column(out, zip_rows(r[0] + at, r[1] + at), zip_rows(r[2] + at, r[3] + at));
}

INLINE void store_two_columns(int8_t *first, int8_t *second, const int8_t *const *r, size_t at)
{
    struct two_rows common = zip_rows(r[2] + at, r[3] + at);
    store_column(first, zip_rows(r[0] + at, r[1] + at), common);
    store_column(second, common, zip_rows(r[4] + at, r[5] + at));
}

/* The columns of two passes that have two rows in common, of six. */
static void interleave_two(uint8_t *first, uint8_t *second, const uint8_t *const *rows, size_t at, size_t pitch,
                           int count)
{
    const int8_t *r[6];
    UNROLL for (int i = 0; i < 6; i++) r[i] = (const int8_t *)rows[i];
    int8_t *a = (int8_t *)first, *b = (int8_t *)second;
    for (; count > 1; count -= 2, a += 2 * COLUMN, b += 2 * COLUMN) {
        ONE_OFFSET(at);
        store_two_columns(a, b, r, at);
        at += pitch;
        ONE_OFFSET(at);
        store_two_columns(a + COLUMN, b + COLUMN, r, at);
        at += pitch;
    }
    if (count)
        store_two_columns(a, b, r, at);
}

#endif
