/* AArch64 with dot products: depthwise convolution, four input rows of a channel in one 32-bit lane.
 *
 * One pass makes `together` output rows of which all taps lie in `rows` input rows; these are interleaved
 * by fours to [channel][4 rows], in scratch memory, so that one instruction multiplies four taps of four
 * channels. A kernel's weights are stored once for each of the output rows, shifted by its stride, zero
 * elsewhere.
 *
 * Packed, for each half block of 8 channels: int32 bias, float32 multipliers, then weights
 * [output row][four rows][kernel column][channel][4]. */
#include "arm.h"

#include "../plan.h"

enum { HALF = 8, COLUMN = 64 /* bytes of four rows of 16 channels */, MOST_PART = 64 };

/* How many output rows a pass makes, and how many times four input rows it reads. */
struct shape {
    int together, fours;
};

static struct shape shape_of(int kernel_h, int stride_h)
{
    int together = 1;
    /* As many as the same number of fours takes. */
    int fours = (kernel_h + 3) / 4;
    while (together < 2 && together * stride_h + kernel_h <= 4 * fours)
        together++;
    return (struct shape){together, fours};
}

size_t dotprod_depthwise_bytes(int kernel_h, int kernel_w, int stride_h, int dilation_w)
{
    /* Larger windows than the scratch memory holds are portable's. */
    if (kernel_h > 4 * ARM_FOURS || (kernel_w - 1) * dilation_w >= ARM_REACH)
        return 0;
    struct shape shape = shape_of(kernel_h, stride_h);
    return 8 + (size_t)4 * shape.together * shape.fours * kernel_w;
}

void dotprod_pack_depthwise(uint8_t *to, const int8_t *weights, const int32_t *bias, const float *multiplier,
                            int channels, int kernel_h, int kernel_w, int stride_h)
{
    struct shape shape = shape_of(kernel_h, stride_h);
    for (int first = 0; first < channels; first += HALF) {
        const int8_t *block = weights + first / 16 * kernel_h * kernel_w * 16 + first % 16;
        memcpy(to, bias + first, 4 * HALF);
        memcpy(to + 4 * HALF, multiplier + first, 4 * HALF);
        to += 8 * HALF;
        for (int row = 0; row < shape.together; row++)
            for (int y = 0; y < 4 * shape.fours; y += 4)
                for (int kx = 0; kx < kernel_w; kx++)
                    for (int i = 0; i < 4 * HALF; i++, to++) {
                        int ky = y + i % 4 - row * stride_h;
                        bool inside = ky >= 0 && ky < kernel_h;
                        *to = inside ? (uint8_t)block[(ky * kernel_w + kx) * 16 + i / 4] : 0;
                    }
    }
}

INLINE int8x16_t low_pairs(int8x16_t a, int8x16_t b)
{
    return vreinterpretq_s8_s16(vzip1q_s16(vreinterpretq_s16_s8(a), vreinterpretq_s16_s8(b)));
}

INLINE int8x16_t high_pairs(int8x16_t a, int8x16_t b)
{
    return vreinterpretq_s8_s16(vzip2q_s16(vreinterpretq_s16_s8(a), vreinterpretq_s16_s8(b)));
}

/* `count` columns of four rows of 16 channels, interleaved; `next` bytes from one to the next. */
INLINE void interleave(uint8_t *to, size_t next, const uint8_t *const *rows, size_t at, size_t pitch, int count)
{
    const int8_t *r0 = (const int8_t *)rows[0], *r1 = (const int8_t *)rows[1], *r2 = (const int8_t *)rows[2],
                 *r3 = (const int8_t *)rows[3];
    int8_t *out = (int8_t *)to;
    for (int c = 0; c < count; c++, at += pitch, out += next) {
        int8x16_t v0 = vld1q_s8(r0 + at), v1 = vld1q_s8(r1 + at), v2 = vld1q_s8(r2 + at), v3 = vld1q_s8(r3 + at);
        int8x16_t low01 = vzip1q_s8(v0, v1), high01 = vzip2q_s8(v0, v1);
        int8x16_t low23 = vzip1q_s8(v2, v3), high23 = vzip2q_s8(v2, v3);
        int8x16_t quarters[4] = {low_pairs(low01, low23), high_pairs(low01, low23), low_pairs(high01, high23),
                                 high_pairs(high01, high23)};
        /* Else the compiler makes a slow interleaving store of two of them. */
        UNROLL for (int q = 0; q < 4; q++) __asm__("" : "+w"(quarters[q]));
        UNROLL for (int q = 0; q < 4; q++) vst1q_s8(out + 16 * q, quarters[q]);
    }
}

/* What all pixels of a part of a row share. */
struct part {
    const struct kernel *k;
    struct shape shape;
    const struct ending *ending;
    const uint8_t *columns; /* interleaved, at the half block */
    const int8_t *packed;
    uint8_t *out[2];
    int pixels;
};

INLINE void store_pixel(uint8_t *to, const int32x4_t *sums, const float32x4_t *multiplier,
                        const struct ending *ending, const enum finish FINISH)
{
    vst1_s8((int8_t *)to, finish_8(sums[0], sums[1], multiplier[0], multiplier[1], ending, FINISH));
}

/* PIXELS pixels of ROWS output rows of a kernel of three columns and at most four rows. */
INLINE void three_pixels(const uint8_t *columns, const int8_t *packed, const int8x16_t (*weights)[3][2],
                         const float32x4_t *multiplier, const struct ending *ending, uint8_t *const *out, size_t at,
                         size_t pitch, const int PIXELS, const int ROWS, const int STRIDE, const enum finish FINISH)
{
    int32x4_t sums[PIXELS][ROWS][2];
    UNROLL for (int p = 0; p < PIXELS; p++) UNROLL for (int r = 0; r < ROWS; r++)
        LOAD_SUMS(sums[p][r][0], sums[p][r][1], (const int32_t *)packed, 0);
    UNROLL for (int c = 0; c < (PIXELS - 1) * STRIDE + 3; c++)
    {
        const int8_t *column = (const int8_t *)columns + c * COLUMN;
        int8x16_t x[2] = {vld1q_s8(column), vld1q_s8(column + 16)};
        UNROLL for (int p = 0; p < PIXELS; p++)
            if (c >= p * STRIDE && c < p * STRIDE + 3)
                UNROLL for (int r = 0; r < ROWS; r++) UNROLL for (int q = 0; q < 2; q++)
                    sums[p][r][q] = vdotq_s32(sums[p][r][q], x[q], weights[r][c - p * STRIDE][q]);
    }
    UNROLL for (int p = 0; p < PIXELS; p++) UNROLL for (int r = 0; r < ROWS; r++)
        store_pixel(out[r] + at + p * pitch, sums[p][r], multiplier, ending, FINISH);
}

INLINE void three_row(const struct part *part, const int PIXELS, const int ROWS, const int STRIDE,
                      const enum finish FINISH)
{
    const int8_t *packed = part->packed, *from = packed + 8 * HALF;
    const struct ending ending = *part->ending;
    const size_t pitch = part->k->out_pitch;
    const uint8_t *columns = part->columns;
    uint8_t *const out[2] = {part->out[0], part->out[1]};
    const float32x4_t multiplier[2] = {vld1q_f32((const float *)packed + 8), vld1q_f32((const float *)packed + 12)};
    int8x16_t weights[ROWS][3][2];
    UNROLL for (int r = 0; r < ROWS; r++) UNROLL for (int c = 0; c < 3; c++) UNROLL for (int q = 0; q < 2; q++)
        weights[r][c][q] = vld1q_s8(from + ((r * 3 + c) * 2 + q) * 16);
    size_t at = 0;
    int left = part->pixels;
    for (; left >= PIXELS; left -= PIXELS, at += PIXELS * pitch, columns += PIXELS * STRIDE * COLUMN)
        three_pixels(columns, packed, (const int8x16_t(*)[3][2])weights, multiplier, &ending, out, at, pitch, PIXELS, ROWS,
                     STRIDE, FINISH);
    for (; left > 0; left--, at += pitch, columns += STRIDE * COLUMN)
        three_pixels(columns, packed, (const int8x16_t(*)[3][2])weights, multiplier, &ending, out, at, pitch, 1, ROWS, STRIDE,
                     FINISH);
}

/* One pixel of ROWS rows of any kernel. */
INLINE void any_pixel(const struct part *part, int pixel, const int ROWS, const enum finish FINISH)
{
    const struct kernel *k = part->k;
    size_t column = (size_t)part->shape.fours * COLUMN;
    int row_weights = part->shape.fours * k->kernel_w * 4 * HALF;
    const int8_t *packed = part->packed, *weights = packed + 8 * HALF;
    const uint8_t *from = part->columns + pixel * k->stride_w * column;
    int32x4_t sums[ROWS][2];
    UNROLL for (int r = 0; r < ROWS; r++) LOAD_SUMS(sums[r][0], sums[r][1], (const int32_t *)packed, 0);
    for (int f = 0; f < part->shape.fours; f++)
        for (int kx = 0; kx < k->kernel_w; kx++, weights += 4 * HALF) {
            const int8_t *x = (const int8_t *)from + kx * k->dilation_w * column + f * COLUMN;
            UNROLL for (int r = 0; r < ROWS; r++) UNROLL for (int q = 0; q < 2; q++)
                sums[r][q] = vdotq_s32(sums[r][q], vld1q_s8(x + 16 * q), vld1q_s8(weights + r * row_weights + 16 * q));
        }
    const float32x4_t multiplier[2] = {vld1q_f32((const float *)packed + 8), vld1q_f32((const float *)packed + 12)};
    UNROLL for (int r = 0; r < ROWS; r++)
        store_pixel(part->out[r] + pixel * k->out_pitch, sums[r], multiplier, part->ending, FINISH);
}

INLINE void any_row(const struct part *part, const int ROWS, const enum finish FINISH)
{
    for (int pixel = 0; pixel < part->pixels; pixel++)
        any_pixel(part, pixel, ROWS, FINISH);
}

#define FINISHES(name, function, ...) \
    static __attribute__((noinline)) void name(const struct part *part) \
    { \
        if (part->ending->finish == PLAIN) \
            function(part, __VA_ARGS__, PLAIN); \
        else if (part->ending->finish == BOUNDED) \
            function(part, __VA_ARGS__, BOUNDED); \
        else \
            function(part, __VA_ARGS__, SATURATING); \
    }
FINISHES(three_once, three_row, 2, 2, 1)
FINISHES(three_twice, three_row, 4, 1, 2)
FINISHES(any_one, any_row, 1)
FINISHES(any_two, any_row, 2)

/* `rows` output rows of 16 channels, a few columns at a time through memory that stays in the cache. */
static void convolve_rows(const struct kernel *k, struct shape shape, const struct ending *ending,
                          const uint8_t *const *in, const int8_t *packed, int first, int row, int rows)
{
    bool three = k->kernel_h == 3 && k->kernel_w == 3 && k->dilation_w == 1;
    bool once = three && k->stride_h == 1 && k->stride_w == 1 && rows == 2;
    bool twice = three && k->stride_h == 2 && k->stride_w == 2;
    int reach = (k->kernel_w - 1) * k->dilation_w + 1;
    int most = (ARM_SCRATCH / (shape.fours * COLUMN) - reach) / k->stride_w + 1;
    most = most > MOST_PART ? MOST_PART : most;
    int parts = (k->width + most - 1) / most, size = (k->width + parts - 1) / parts;
    size_t half = HALF * (8 + (size_t)4 * shape.together * shape.fours * k->kernel_w);
    for (int x = 0; x < k->width; x += size) {
        int pixels = k->width - x < size ? k->width - x : size;
        int columns = (pixels - 1) * k->stride_w + reach;
        for (int f = 0; f < shape.fours; f++)
            interleave((uint8_t *)k->scratch + f * COLUMN, (size_t)shape.fours * COLUMN, in + 4 * f,
                       first + (size_t)x * k->stride_w * k->in_pitch, k->in_pitch, columns);
        for (int h = 0; h < 2; h++) {
            size_t at = first + HALF * h + x * k->out_pitch;
            struct part part = {k,  shape, ending, (uint8_t *)k->scratch + 32 * h, packed + h * half,
                                {k->out[row] + at, k->out[row + rows - 1] + at}, pixels};
            (once ? three_once : twice ? three_twice : rows == 2 ? any_two : any_one)(&part);
        }
    }
}

void dotprod_depthwise(const struct kernel *k)
{
    size_t bytes = dotprod_depthwise_bytes(k->kernel_h, k->kernel_w, k->stride_h, k->dilation_w);
    struct shape shape = shape_of(k->kernel_h, k->stride_h);
    struct ending ending = ending_of(k);
    if (bytes == 0) {
        portable_family.function[OP_DEPTHWISE](k);
        return;
    }
    /* Rows that lie apart are not shared: one output row at a time, with the weights of the first. */
    int step = k->dilation_h > 1 ? 1 : shape.together;
    int rows = k->rows < step ? k->rows : step;
    for (int first = 0; first < k->output_channels; first += 16)
        for (int row = 0; row < k->rows; row += step) {
            const uint8_t *in[4 * ARM_FOURS];
            if (row + rows > k->rows)
                row = k->rows - rows; /* an odd last row with the one before it */
            int needed = (rows - 1) * k->stride_h + k->kernel_h;
            for (int i = 0; i < 4 * shape.fours; i++)
                /* A row of which no weight is other than zero may be any. */
                in[i] = k->in[row * k->stride_h + (i < needed ? i : needed - 1) * k->dilation_h];
            convolve_rows(k, shape, &ending, in, k->weights + first * bytes, first, row, rows);
        }
    arm_look_up_rows(k);
}
