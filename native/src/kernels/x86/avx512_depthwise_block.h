/* Depthwise convolution of one block of BLOCK channels; included for 64, 32 and 16 by avx512_depthwise.c. */

#define PASTE_(name, block) name##_##block
#define PASTE(name, block) PASTE_(name, block)
#define NAME(name) PASTE(name, BLOCK)

#if BLOCK == 64
#define BITS(name) _mm512_##name
#define VECTOR __m512i
#define FLOATS __m512
#define LOAD(from) _mm512_loadu_si512((const void *)(from))
#define LOAD_FLOATS(from) _mm512_loadu_ps((const void *)(from))
#define STORE(to, v) _mm512_storeu_si512((void *)(to), v)
#define WIDE(v) (v)
#define NARROW(v) (v)
#elif BLOCK == 32
#define BITS(name) _mm256_##name
#define VECTOR __m256i
#define FLOATS __m256
#define LOAD(from) _mm256_loadu_si256((const __m256i *)(from))
#define LOAD_FLOATS(from) _mm256_loadu_ps((const float *)(from))
#define STORE(to, v) _mm256_storeu_si256((__m256i *)(to), v)
#define WIDE(v) _mm512_castsi256_si512(v)
#define NARROW(v) _mm512_castsi512_si256(v)
#else
#define BITS(name) _mm_##name
#define VECTOR __m128i
#define FLOATS __m128
#define LOAD(from) _mm_loadu_si128((const __m128i *)(from))
#define LOAD_FLOATS(from) _mm_loadu_ps((const float *)(from))
#define STORE(to, v) _mm_storeu_si128((__m128i *)(to), v)
#define WIDE(v) _mm512_castsi128_si512(v)
#define NARROW(v) _mm512_castsi512_si128(v)
#endif
#define MULTIPLY BITS(dpbusd_epi32)

/* One column of four rows, interleaved: quarter q has 32 bits for each of its channels. */
INLINE void NAME(interleave)(VECTOR *quarters, const uint8_t *const *rows, size_t at)
{
    VECTOR a = LOAD(rows[0] + at), b = LOAD(rows[1] + at), c = LOAD(rows[2] + at), d = LOAD(rows[3] + at);
    VECTOR ab = BITS(unpacklo_epi8)(a, b), cd = BITS(unpacklo_epi8)(c, d);
    quarters[0] = BITS(unpacklo_epi16)(ab, cd);
    quarters[1] = BITS(unpackhi_epi16)(ab, cd);
    ab = BITS(unpackhi_epi8)(a, b), cd = BITS(unpackhi_epi8)(c, d);
    quarters[2] = BITS(unpacklo_epi16)(ab, cd);
    quarters[3] = BITS(unpackhi_epi16)(ab, cd);
}

INLINE VECTOR NAME(requantise)(VECTOR sum, FLOATS multiplier)
{
    return BITS(cvtps_epi32)(BITS(mul_ps)(BITS(cvtepi32_ps)(sum), multiplier));
}

/* Two vectors of int16, of the first and the last two quarters, to a block's bytes. */
INLINE VECTOR NAME(finish)(VECTOR first, VECTOR second, const struct ending *ending)
{
    if (ending->shifted) {
        first = BITS(adds_epi16)(first, NARROW(ending->zero_point));
        second = BITS(adds_epi16)(second, NARROW(ending->zero_point));
    }
    VECTOR bytes = BITS(packus_epi16)(first, second);
    if (ending->clamped)
        bytes = BITS(min_epu8)(BITS(max_epu8)(bytes, NARROW(ending->low)), NARROW(ending->high));
    return ending->table ? NARROW(look_up(WIDE(bytes), ending->table)) : bytes;
}

/* Three taps a row, rows in one product: two pixels of ROWS output rows, from columns 0 ... 2 and
 * STRIDE ... STRIDE + 2. A row is finished before the next: the columns take half of the registers. */
INLINE void NAME(three)(VECTOR (*columns)[4], const int8_t *packed, const struct ending *ending, uint8_t *const *out,
                        size_t at, size_t pitch, const int ROWS, const int STRIDE)
{
    UNROLL for (int r = 0; r < ROWS; r++)
    {
        /* Biases and multipliers are read again: there are no registers to keep them. */
        __asm__("" : "+r"(packed));
        VECTOR ints[2], shorts[2][2];
        UNROLL for (int q = 0; q < 4; q++)
        {
            const int8_t *w = packed + 8 * BLOCK + (q * ROWS + r) * 3 * BLOCK;
            VECTOR left = LOAD(w), middle = LOAD(w + BLOCK), right = LOAD(w + 2 * BLOCK);
            UNROLL for (int p = 0; p < 2; p++)
            {
                VECTOR sum = MULTIPLY(LOAD(packed + q * BLOCK), columns[p * STRIDE][q], left);
                sum = MULTIPLY(sum, columns[p * STRIDE + 1][q], middle);
                sum = MULTIPLY(sum, columns[p * STRIDE + 2][q], right);
                VECTOR value = NAME(requantise)(sum, LOAD_FLOATS(packed + (4 + q) * BLOCK));
                if (q % 2)
                    shorts[p][q / 2] = BITS(packs_epi32)(ints[p], value);
                else
                    ints[p] = value;
            }
        }
        VECTOR bytes[2];
        if (ending->plain) /* one branch for both: each would keep what is loaded before it in registers */
            UNROLL for (int p = 0; p < 2; p++) bytes[p] = BITS(packus_epi16)(shorts[p][0], shorts[p][1]);
        else
            UNROLL for (int p = 0; p < 2; p++) bytes[p] = NAME(finish)(shorts[p][0], shorts[p][1], ending);
        UNROLL for (int p = 0; p < 2; p++) STORE(out[r] + at + p * pitch, bytes[p]);
    }
}

/* 3x3 without dilation, at least two pixels: the columns stay in registers from pair to pair of pixels. An
 * odd last pixel is made with the one before it. */
INLINE void NAME(slide)(const struct kernel *k, const uint8_t *const *in, uint8_t *const *out, const int8_t *packed,
                        size_t first, const int ROWS, const int STRIDE)
{
    struct ending ending = ending_of(k);
    /* Copies: a store of bytes might change *k, as far as the compiler knows. */
    const size_t in_pitch = k->in_pitch, out_pitch = k->out_pitch;
    const int width = k->width;
    const uint8_t *const rows[4] = {in[0] + first, in[1] + first, in[2] + first, in[3] + first};
    uint8_t *const to[2] = {out[0] + first, out[ROWS - 1] + first};
    VECTOR columns[5][4];
    const int KEPT = 3 - STRIDE, COLUMNS = STRIDE + 3;
    UNROLL for (int c = 0; c < KEPT; c++) NAME(interleave)(columns[2 * STRIDE + c], rows, c * in_pitch);
    for (int x = 0; x < width; x += 2) {
        if (x + 1 == width) {
            x--;
            UNROLL for (int c = 0; c < KEPT; c++)
                NAME(interleave)(columns[c], rows, ((size_t)x * STRIDE + c) * in_pitch);
        } else {
            UNROLL for (int c = 0; c < KEPT; c++)
                UNROLL for (int q = 0; q < 4; q++) columns[c][q] = columns[2 * STRIDE + c][q];
        }
        UNROLL for (int c = KEPT; c < COLUMNS; c++)
            NAME(interleave)(columns[c], rows, ((size_t)x * STRIDE + c) * in_pitch);
        NAME(three)(columns, packed, &ending, to, (size_t)x * out_pitch, out_pitch, ROWS, STRIDE);
    }
}

/* 1x1 without strides, as batch normalisation in front of a function is: the weights are those of the first row. */
static void NAME(points)(const struct kernel *k, struct shape shape, const uint8_t *const *in, uint8_t *const *out,
                         const int8_t *packed, size_t first, int rows)
{
    struct ending ending = ending_of(k);
    const size_t in_pitch = k->in_pitch, out_pitch = k->out_pitch;
    const int width = k->width;
    VECTOR weights[4], bias[4];
    FLOATS multiplier[4];
    UNROLL for (int q = 0; q < 4; q++)
    {
        bias[q] = LOAD(packed + q * BLOCK);
        multiplier[q] = LOAD_FLOATS(packed + (4 + q) * BLOCK);
        weights[q] = LOAD(packed + (8 + q * shape.together) * BLOCK);
    }
    for (int r = 0; r < rows; r++) {
        const uint8_t *from = in[r] + first;
        uint8_t *to = out[r] + first;
        for (int x = 0; x < width; x++, from += in_pitch, to += out_pitch) {
            VECTOR values[4], ints[4];
            NAME(interleave)(values, (const uint8_t *const[]){from, from, from, from}, 0);
            UNROLL for (int q = 0; q < 4; q++)
                ints[q] = NAME(requantise)(MULTIPLY(bias[q], values[q], weights[q]), multiplier[q]);
            STORE(to, NAME(finish)(BITS(packs_epi32)(ints[0], ints[1]), BITS(packs_epi32)(ints[2], ints[3]), &ending));
        }
    }
}

/* Interleaves `count` columns of `fours` times four rows to memory. */
INLINE void NAME(spread)(uint8_t *to, const uint8_t *const *rows, size_t at, size_t pitch, int count, int fours)
{
    for (int c = 0; c < count; c++)
        for (int f = 0; f < fours; f++, to += 4 * BLOCK) {
            VECTOR quarters[4];
            NAME(interleave)(quarters, rows + 4 * f, at + c * pitch);
            UNROLL for (int q = 0; q < 4; q++) STORE(to + q * BLOCK, quarters[q]);
        }
}

/* PIXELS pixels of ROWS rows of any kernel, from interleaved columns. */
INLINE void NAME(any)(const struct kernel *k, struct shape shape, const uint8_t *columns, const int8_t *packed,
                      const struct ending *ending, uint8_t *const *out, size_t at, const int PIXELS, const int ROWS)
{
    size_t column = (size_t)shape.fours * 4 * BLOCK;
    VECTOR shorts[PIXELS][ROWS][2], ints[PIXELS][ROWS];
    int row_weights = shape.fours * k->kernel_w * BLOCK;
    UNROLL for (int q = 0; q < 4; q++)
    {
        VECTOR sums[PIXELS][ROWS];
        VECTOR bias = LOAD(packed + q * BLOCK);
        UNROLL for (int p = 0; p < PIXELS; p++) UNROLL for (int r = 0; r < ROWS; r++) sums[p][r] = bias;
        const int8_t *weights = packed + 8 * BLOCK + q * shape.together * row_weights;
        for (int f = 0; f < shape.fours; f++)
            for (int kx = 0; kx < k->kernel_w; kx++, weights += BLOCK) {
                const uint8_t *from = columns + kx * k->dilation_w * column + (4 * f + q) * BLOCK;
                UNROLL for (int p = 0; p < PIXELS; p++)
                {
                    VECTOR x = LOAD(from + p * k->stride_w * column);
                    UNROLL for (int r = 0; r < ROWS; r++)
                        sums[p][r] = MULTIPLY(sums[p][r], x, LOAD(weights + r * row_weights));
                }
            }
        FLOATS multiplier = LOAD_FLOATS(packed + (4 + q) * BLOCK);
        UNROLL for (int p = 0; p < PIXELS; p++) UNROLL for (int r = 0; r < ROWS; r++)
        {
            VECTOR value = NAME(requantise)(sums[p][r], multiplier);
            if (q % 2)
                shorts[p][r][q / 2] = BITS(packs_epi32)(ints[p][r], value);
            else
                ints[p][r] = value;
        }
    }
    UNROLL for (int p = 0; p < PIXELS; p++) UNROLL for (int r = 0; r < ROWS; r++)
        STORE(out[r] + at + p * k->out_pitch, NAME(finish)(shorts[p][r][0], shorts[p][r][1], ending));
}

/* Any kernel: a few columns at a time through memory that stays in the cache. */
static void NAME(in_parts)(const struct kernel *k, struct shape shape, const uint8_t *const *in, uint8_t *const *out,
                           const int8_t *packed, size_t first, int rows)
{
    struct ending ending = ending_of(k);
    uint8_t *columns = k->scratch;
    int reach = (k->kernel_w - 1) * k->dilation_w + 1;
    int room = AVX512_SCRATCH / (shape.fours * 4 * BLOCK);
    int part = (room - reach) / k->stride_w + 1;
    part = part > 16 ? 16 : part < 1 ? 1 : part;
    size_t column = (size_t)shape.fours * 4 * BLOCK;
    for (int x = 0; x < k->width; x += part) {
        int pixels = k->width - x < part ? k->width - x : part;
        NAME(spread)(columns, in, first + (size_t)x * k->stride_w * k->in_pitch, k->in_pitch,
                     (pixels - 1) * k->stride_w + reach, shape.fours);
        for (int p = 0; p < pixels;) {
            const uint8_t *from = columns + p * k->stride_w * column;
            size_t at = first + (size_t)(x + p) * k->out_pitch;
            bool four = pixels - p >= 4;
            if (rows == 2 && four)
                NAME(any)(k, shape, from, packed, &ending, out, at, 4, 2);
            else if (rows == 2)
                NAME(any)(k, shape, from, packed, &ending, out, at, 1, 2);
            else if (four)
                NAME(any)(k, shape, from, packed, &ending, out, at, 4, 1);
            else
                NAME(any)(k, shape, from, packed, &ending, out, at, 1, 1);
            p += four ? 4 : 1;
        }
    }
}

static void NAME(depthwise)(const struct kernel *k, struct shape shape, const int8_t *packed, int first, int row,
                            int rows)
{
    const uint8_t *in[4 * AVX512_FOURS];
    int needed = (rows - 1) * k->stride_h + k->kernel_h;
    for (int i = 0; i < 4 * shape.fours; i++)
        /* A row of which no weight is other than zero may be any. */
        in[i] = k->in[row * k->stride_h + (i < needed ? i : needed - 1) * k->dilation_h];
    bool three = k->kernel_h == 3 && k->kernel_w == 3 && k->dilation_w == 1 && k->width > 1;
    if (three && k->stride_h == 1 && k->stride_w == 1 && rows == 2)
        NAME(slide)(k, in, k->out + row, packed, (size_t)first, 2, 1);
    else if (three && k->stride_h == 2 && k->stride_w == 2)
        NAME(slide)(k, in, k->out + row, packed, (size_t)first, 1, 2);
    else if (k->kernel_h * k->kernel_w * k->stride_h * k->stride_w == 1)
        NAME(points)(k, shape, in, k->out + row, packed, (size_t)first, rows);
    else
        NAME(in_parts)(k, shape, in, k->out + row, packed, (size_t)first, rows);
}

#undef PASTE_
#undef PASTE
#undef NAME
#undef BITS
#undef VECTOR
#undef FLOATS
#undef LOAD
#undef LOAD_FLOATS
#undef STORE
#undef WIDE
#undef NARROW
#undef MULTIPLY
