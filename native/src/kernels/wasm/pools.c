/* WebAssembly: pools. */
#include "simd128.h"

#include "../portable.h"

/* Sums of 16 channels, as int32. */
struct sixteen {
    v128_t part[4];
};

INLINE void add_pixel(struct sixteen *sums, const uint8_t *pixel)
{
    v128_t bytes = wasm_v128_load(pixel);
    v128_t low = wasm_u16x8_extend_low_u8x16(bytes), high = wasm_u16x8_extend_high_u8x16(bytes);
    sums->part[0] = wasm_i32x4_add(sums->part[0], wasm_u32x4_extend_low_u16x8(low));
    sums->part[1] = wasm_i32x4_add(sums->part[1], wasm_u32x4_extend_high_u16x8(low));
    sums->part[2] = wasm_i32x4_add(sums->part[2], wasm_u32x4_extend_low_u16x8(high));
    sums->part[3] = wasm_i32x4_add(sums->part[3], wasm_u32x4_extend_high_u16x8(high));
}

/* Sums less `zeros`, scaled and stored. */
INLINE void store_mean(uint8_t *out, const struct sixteen *sums, int zeros, float factor, const struct ending *ending)
{
    v128_t q[4], zero = wasm_i32x4_splat(zeros), factors = wasm_f32x4_splat(factor);
    UNROLL for (int i = 0; i < 4; i++) q[i] = requantise(wasm_i32x4_sub(sums->part[i], zero), factors);
    wasm_v128_store(out, pack(q[0], q[1], q[2], q[3], ending));
}

void simd128_global_pool(const struct kernel *k)
{
    struct ending ending = ending_of(k);
    for (int c = 0; c < k->output_channels; c += 16) {
        struct sixteen sums = {{wasm_i32x4_const_splat(0)}};
        for (int row = 0; row < k->in_height; row++)
            for (int x = 0; x < k->in_width; x++)
                add_pixel(&sums, k->in[row] + x * k->in_pitch + c);
        store_mean(k->out[0] + c, &sums, k->in_height * k->in_width * k->zero_point_a, k->factor_a, &ending);
    }
    simd128_look_up(k);
}

void simd128_max_pool(const struct kernel *k)
{
    struct ending ending = ending_of(k);
    for (int row = 0; row < k->rows; row++)
        for (int x = 0; x < k->width; x++)
            for (int c = 0; c < k->output_channels; c += 16) {
                v128_t most = ending.low;
                for (int ky = 0; ky < k->kernel_h; ky++) {
                    const uint8_t *in = tap(k, row, x, c, ky * k->kernel_w);
                    for (int kx = 0; kx < k->kernel_w; kx++, in += k->dilation_w * k->in_pitch)
                        most = wasm_u8x16_max(most, wasm_v128_load(in));
                }
                wasm_v128_store(k->out[row] + x * k->out_pitch + c, wasm_u8x16_min(most, ending.high));
            }
    simd128_look_up(k);
}
