/* AArch64 with dot products: depthwise convolution, four input rows of a channel in one 32-bit lane.
 *
 * One pass makes `together` output rows of which all taps lie in `rows` input rows; these are interleaved
 * by fours to [channel][4 rows], in scratch memory, so that one instruction multiplies four taps of four
 * channels. A kernel's weights are stored once for each of the output rows, shifted by its stride, zero
 * elsewhere.
 *
 * dotprod_pack.c has the layout of the weights. */
#include "arm.h"
#include "interleave_rows.h"

#include "../../plan.h"
#include "../interleave.h"

/* How one call goes through its rows: passes of `rows` output rows, some of them together in a batch of
 * which all columns lie in scratch memory. */
struct sweep {
    const struct kernel *k;
    struct shape shape;
    struct ending ending;
    int step, rows, passes, batch;
    int size; /* pixels of a part of a row */
};

/* The first output row of a pass: an odd last row is made with the one before it. */
INLINE int row_of(const struct sweep *sweep, int pass)
{
    int row = pass * sweep->step, last = sweep->k->rows - sweep->rows;
    return row < last ? row : last;
}

/* A part of some rows, of 8 channels. */
struct part {
    const struct sweep *sweep;
    const uint8_t *columns; /* interleaved, at the half block; of the first pass */
    size_t pass_bytes;      /* from one pass's columns to the next's */
    const int8_t *packed;
    size_t at; /* in an output row */
    int pixels, first, passes;
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
    const struct ending ending = part->sweep->ending;
    const struct kernel *k = part->sweep->k;
    const size_t pitch = k->out_pitch;
    const float32x4_t multiplier[2] = {vld1q_f32((const float *)packed + 8), vld1q_f32((const float *)packed + 12)};
    int8x16_t weights[ROWS][3][2];
    UNROLL for (int r = 0; r < ROWS; r++) UNROLL for (int c = 0; c < 3; c++) UNROLL for (int q = 0; q < 2; q++)
        weights[r][c][q] = vld1q_s8(from + ((r * 3 + c) * 2 + q) * 16);
    const int8x16_t(*w)[3][2] = (const int8x16_t(*)[3][2])weights;
    for (int pass = 0; pass < part->passes; pass++) {
        uint8_t *const *rows = k->out + row_of(part->sweep, part->first + pass);
        uint8_t *const out[2] = {rows[0] + part->at, rows[ROWS - 1] + part->at};
        const uint8_t *columns = part->columns + pass * part->pass_bytes;
        size_t at = 0;
        int left = part->pixels;
        for (; left >= PIXELS; left -= PIXELS, at += PIXELS * pitch, columns += PIXELS * STRIDE * COLUMN)
            three_pixels(columns, packed, w, multiplier, &ending, out, at, pitch, PIXELS, ROWS, STRIDE, FINISH);
        for (; left > 0; left--, at += pitch, columns += STRIDE * COLUMN)
            three_pixels(columns, packed, w, multiplier, &ending, out, at, pitch, 1, ROWS, STRIDE, FINISH);
    }
}

/* PIXELS pixels of ROWS rows of any kernel. */
INLINE void any_pixels(const struct part *part, const uint8_t *from, uint8_t *const *out, size_t at, const int PIXELS,
                       const int ROWS, const enum finish FINISH)
{
    const struct kernel *k = part->sweep->k;
    int fours = part->sweep->shape.fours;
    size_t column = (size_t)fours * COLUMN, pixel = k->stride_w * column;
    int row_weights = fours * k->kernel_w * 4 * HALF;
    const int8_t *packed = part->packed, *weights = packed + 8 * HALF;
    int32x4_t sums[PIXELS][ROWS][2];
    UNROLL for (int p = 0; p < PIXELS; p++) UNROLL for (int r = 0; r < ROWS; r++)
        LOAD_SUMS(sums[p][r][0], sums[p][r][1], (const int32_t *)packed, 0);
    for (int f = 0; f < fours; f++) {
        const int8_t *x = (const int8_t *)from + f * COLUMN;
        for (int kx = 0; kx < k->kernel_w; kx++, weights += 4 * HALF, x += k->dilation_w * column)
            UNROLL for (int p = 0; p < PIXELS; p++) UNROLL for (int q = 0; q < 2; q++) UNROLL for (int r = 0; r < ROWS; r++)
                sums[p][r][q] = vdotq_s32(sums[p][r][q], vld1q_s8(x + p * pixel + 16 * q),
                                          vld1q_s8(weights + r * row_weights + 16 * q));
    }
    const float32x4_t multiplier[2] = {vld1q_f32((const float *)packed + 8), vld1q_f32((const float *)packed + 12)};
    UNROLL for (int p = 0; p < PIXELS; p++) UNROLL for (int r = 0; r < ROWS; r++)
        store_pixel(out[r] + at + p * k->out_pitch, sums[p][r], multiplier, &part->sweep->ending, FINISH);
}

/* Four pixels at a time, the last four over again with some before them; or one. */
INLINE void any_row(const struct part *part, const int ROWS, const enum finish FINISH)
{
    const struct kernel *k = part->sweep->k;
    const size_t step = (size_t)k->stride_w * part->sweep->shape.fours * COLUMN, pitch = k->out_pitch;
    for (int pass = 0; pass < part->passes; pass++) {
        uint8_t *const *rows = k->out + row_of(part->sweep, part->first + pass);
        uint8_t *const out[2] = {rows[0] + part->at, rows[ROWS - 1] + part->at};
        const uint8_t *columns = part->columns + pass * part->pass_bytes;
        for (int x = 0; part->pixels >= 4 && x < part->pixels; x += 4) {
            x = x + 4 > part->pixels ? part->pixels - 4 : x;
            any_pixels(part, columns + x * step, out, x * pitch, 4, ROWS, FINISH);
        }
        for (int x = 0; part->pixels < 4 && x < part->pixels; x++)
            any_pixels(part, columns + x * step, out, x * pitch, 1, ROWS, FINISH);
    }
}

#define FINISHES(name, function, ...) \
    static __attribute__((noinline)) void name(const struct part *part) \
    { \
        if (part->sweep->ending.finish == PLAIN) \
            function(part, __VA_ARGS__, PLAIN); \
        else if (part->sweep->ending.finish == BOUNDED) \
            function(part, __VA_ARGS__, BOUNDED); \
        else \
            function(part, __VA_ARGS__, SATURATING); \
    }
FINISHES(three_once, three_row, 3, 2, 1)
FINISHES(three_twice, three_row, 4, 1, 2)
FINISHES(any_one, any_row, 1)
FINISHES(any_two, any_row, 2)

typedef void part_function(const struct part *);

static part_function *function_for(const struct sweep *sweep)
{
    const struct kernel *k = sweep->k;
    bool three = k->kernel_h == 3 && k->kernel_w == 3 && k->dilation_w == 1;
    if (three && k->stride_h == 1 && k->stride_w == 1 && sweep->rows == 2)
        return three_once;
    if (three && k->stride_h == 2 && k->stride_w == 2)
        return three_twice;
    return sweep->rows == 2 ? any_two : any_one;
}

/* The columns that a part of a pass reads. */
static void interleave_pass(const struct sweep *sweep, uint8_t *to, int pass, size_t at, int columns)
{
    const struct kernel *k = sweep->k;
    const uint8_t *const *in = k->in + row_of(sweep, pass) * k->stride_h;
    int fours = sweep->shape.fours, needed = (sweep->rows - 1) * k->stride_h + k->kernel_h;
    for (int f = 0; f < fours; f++) {
        const uint8_t *rows[4];
        for (int i = 0; i < 4; i++) {
            int row = 4 * f + i;
            /* A row of which no weight is other than zero may be any. */
            rows[i] = in[(row < needed ? row : needed - 1) * k->dilation_h];
        }
        interleave(to + f * COLUMN, (size_t)fours * COLUMN, rows, at, k->in_pitch, columns);
    }
}

/* Whether the next pass begins two input rows after this one, and four rows hold all taps of each. */
static bool shares_rows(const struct sweep *sweep, int pass)
{
    const struct kernel *k = sweep->k;
    return sweep->shape.fours == 1 && k->dilation_h == 1 && pass + 1 < sweep->passes &&
           (row_of(sweep, pass + 1) - row_of(sweep, pass)) * k->stride_h == 2;
}

/* The columns of two passes that share rows. */
static void interleave_passes(const struct sweep *sweep, uint8_t *to, int pass, size_t at, int columns)
{
    const struct kernel *k = sweep->k;
    const uint8_t *const *in = k->in + row_of(sweep, pass) * k->stride_h;
    int needed = 2 + (sweep->rows - 1) * k->stride_h + k->kernel_h;
    const uint8_t *rows[6];
    for (int i = 0; i < 6; i++) rows[i] = in[i < needed ? i : needed - 1];
    interleave_two(to, to + (size_t)columns * COLUMN, rows, at, k->in_pitch, columns);
}

static int reach_of(const struct kernel *k) { return (k->kernel_w - 1) * k->dilation_w + 1; }

/* All rows of 16 channels. */
static void convolve_block(const struct sweep *sweep, part_function *function, const int8_t *packed, int first)
{
    const struct kernel *k = sweep->k;
    size_t column = (size_t)sweep->shape.fours * COLUMN;
    size_t half = HALF * (8 + (size_t)4 * sweep->shape.together * sweep->shape.fours * k->kernel_w);
    for (int x = 0; x < k->width; x += sweep->size) {
        int pixels = k->width - x < sweep->size ? k->width - x : sweep->size;
        int columns = (pixels - 1) * k->stride_w + reach_of(k);
        size_t at = first + (size_t)x * k->stride_w * k->in_pitch;
        for (int pass = 0; pass < sweep->passes; pass += sweep->batch) {
            int left = sweep->passes - pass, passes = left < sweep->batch ? left : sweep->batch;
            uint8_t *scratch = k->scratch;
            for (int i = 0; i < passes; i++) {
                uint8_t *to = scratch + i * columns * column;
                if (i + 1 < passes && shares_rows(sweep, pass + i))
                    interleave_passes(sweep, to, pass + i++, at, columns);
                else
                    interleave_pass(sweep, to, pass + i, at, columns);
            }
            for (int h = 0; h < 2; h++) {
                struct part part = {sweep,  scratch + 32 * h, columns * column, packed + h * half,
                                    first + HALF * h + x * k->out_pitch, pixels, pass, passes};
                function(&part);
            }
        }
    }
}

void dotprod_depthwise(const struct kernel *k)
{
    size_t bytes = dotprod_depthwise_bytes(k->kernel_h, k->kernel_w, k->stride_h, k->dilation_w);
    if (bytes == 0) {
        portable_family.function[OP_DEPTHWISE](k);
        return;
    }
    struct sweep sweep = {.k = k, .shape = shape_of(k->kernel_h, k->stride_h), .ending = ending_of(k)};
    /* Rows that lie apart are not shared: one output row at a time, with the weights of the first. */
    sweep.step = k->dilation_h > 1 ? 1 : sweep.shape.together;
    sweep.rows = k->rows < sweep.step ? k->rows : sweep.step;
    sweep.passes = (k->rows + sweep.step - 1) / sweep.step;
    int room = ARM_SCRATCH / (sweep.shape.fours * COLUMN);
    int most = (room - reach_of(k)) / k->stride_w + 1;
    int parts = (k->width + most - 1) / most;
    sweep.size = (k->width + parts - 1) / parts;
    sweep.batch = room / ((sweep.size - 1) * k->stride_w + reach_of(k));
    part_function *function = function_for(&sweep);
    for (int first = 0; first < k->output_channels; first += 16)
        convolve_block(&sweep, function, k->weights + first * bytes, first);
    arm_look_up_rows(k);
}
