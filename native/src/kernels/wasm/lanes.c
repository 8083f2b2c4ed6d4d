/* WebAssembly: values between four pixels, response normalisation and averages: four vectors of four floats at a time. */
#include "simd128.h"

#include "../lanes.h"

/* What all vectors of one call share. */
struct lanes {
    struct ending ending;
    v128_t zero, a, b, c;
    int size, before, roots;
};

/* 16 values: of int32, or of float32. */
struct sixteen {
    v128_t part[4];
};

static struct lanes lanes_of(const struct kernel *k)
{
    return (struct lanes){
        .ending = ending_of(k),
        .zero = wasm_i16x8_splat((int16_t)k->zero_point_a),
        .a = wasm_f32x4_splat(k->factor_a),
        .b = wasm_f32x4_splat(k->factor_b),
        .c = wasm_f32x4_splat(k->factor_c),
        .size = k->channel_groups,
        .before = (k->channel_groups - 1) / 2,
        .roots = k->flags,
    };
}

/* 16 values less the zero point, as int16. */
INLINE void deviations(const struct lanes *lanes, const uint8_t *from, v128_t *to)
{
    v128_t bytes = wasm_v128_load(from);
    to[0] = wasm_i16x8_sub(wasm_u16x8_extend_low_u8x16(bytes), lanes->zero);
    to[1] = wasm_i16x8_sub(wasm_u16x8_extend_high_u8x16(bytes), lanes->zero);
}

/* The same as floats. */
INLINE struct sixteen reals(const struct lanes *lanes, const uint8_t *from)
{
    v128_t x[2];
    struct sixteen result;
    deviations(lanes, from, x);
    UNROLL for (int half = 0; half < 2; half++)
    {
        result.part[2 * half] = wasm_f32x4_convert_i32x4(wasm_i32x4_extend_low_i16x8(x[half]));
        result.part[2 * half + 1] = wasm_f32x4_convert_i32x4(wasm_i32x4_extend_high_i16x8(x[half]));
    }
    return result;
}

INLINE void store(const struct lanes *lanes, uint8_t *out, const struct sixteen *scaled)
{
    v128_t q[4];
    UNROLL for (int j = 0; j < 4; j++) q[j] = to_integers(scaled->part[j]);
    wasm_v128_store(out, pack(q[0], q[1], q[2], q[3], &lanes->ending));
}

/* Adds a * x of 16 values. */
INLINE void add_scaled(const struct lanes *lanes, struct sixteen *sums, const uint8_t *from)
{
    struct sixteen x = reals(lanes, from);
    UNROLL for (int j = 0; j < 4; j++)
        sums->part[j] = wasm_f32x4_add(sums->part[j], wasm_f32x4_mul(x.part[j], lanes->a));
}

INLINE void blend(const void *context, const uint8_t *const *in, const float *weight, uint8_t *out)
{
    const struct lanes *lanes = context;
    struct sixteen sums = {{wasm_f32x4_const_splat(0)}};
    UNROLL for (int corner = 0; corner < 4; corner++)
    {
        struct sixteen x = reals(lanes, in[corner]);
        v128_t share = wasm_f32x4_splat(weight[corner]);
        UNROLL for (int j = 0; j < 4; j++)
        {
            v128_t part = wasm_f32x4_mul(share, wasm_f32x4_mul(x.part[j], lanes->a));
            sums.part[j] = wasm_f32x4_add(sums.part[j], part);
        }
    }
    UNROLL for (int j = 0; j < 4; j++) sums.part[j] = wasm_f32x4_div(sums.part[j], lanes->b);
    store(lanes, out, &sums);
}

void simd128_bilinear(const struct kernel *k)
{
    struct lanes lanes = lanes_of(k);
    for_blends(k, blend, &lanes);
}

INLINE void normalise(const void *context, const uint8_t *from, uint8_t *out)
{
    const struct lanes *lanes = context;
    struct sixteen squares = {{wasm_i32x4_const_splat(0)}}, scaled = reals(lanes, from + lanes->before);
    for (int tap = 0; tap < lanes->size; tap++) {
        v128_t x[2];
        deviations(lanes, from + tap, x);
        UNROLL for (int half = 0; half < 2; half++)
        {
            v128_t *low = &squares.part[2 * half], *high = low + 1;
            *low = wasm_i32x4_add(*low, wasm_i32x4_extmul_low_i16x8(x[half], x[half]));
            *high = wasm_i32x4_add(*high, wasm_i32x4_extmul_high_i16x8(x[half], x[half]));
        }
    }
    UNROLL for (int j = 0; j < 4; j++)
    {
        v128_t sum = wasm_f32x4_add(lanes->b, wasm_f32x4_mul(lanes->c, wasm_f32x4_convert_i32x4(squares.part[j])));
        v128_t root = wasm_f32x4_sqrt(wasm_f32x4_sqrt(sum)), power = root;
        for (int i = 1; i < lanes->roots; i++)
            power = wasm_f32x4_mul(power, root);
        scaled.part[j] = wasm_f32x4_mul(scaled.part[j], wasm_f32x4_div(lanes->a, power));
    }
    store(lanes, out, &scaled);
}

void simd128_response_norm(const struct kernel *k)
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
    const v128_t counts = wasm_f32x4_splat(count), zero_point = wasm_f32x4_splat((float)k->zero_point);
    struct sixteen sums = {{wasm_f32x4_const_splat(0)}};
    for (int t = 0; t < k->kernel_h * k->kernel_w; t++)
        add_scaled(lanes, &sums, tap(k, row, x, channel, t));
    UNROLL for (int j = 0; j < 4; j++)
    {
        v128_t mean = wasm_f32x4_div(wasm_f32x4_div(sums.part[j], counts), lanes->b);
        sums.part[j] = wasm_f32x4_add(mean, zero_point);
    }
    store(lanes, out, &sums);
}

void simd128_average_pool(const struct kernel *k)
{
    struct lanes lanes = lanes_of(k);
    lanes.ending = ending_without_zero_point(k);
    for_averages(k, average, &lanes);
}
