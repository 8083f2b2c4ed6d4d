/* WebAssembly: tables of 256 bytes. One load a value: i8x16.swizzle knows 16 entries, and all 16 parts of a table
 * take more instructions than 16 loads. */
#include "simd128.h"

#include <string.h>

/* Exactly `bytes`. */
static void look_up_run(const uint8_t *restrict table, const uint8_t *in, uint8_t *out, size_t bytes)
{
    size_t i = 0;
    for (; i + 8 <= bytes; i += 8) {
        uint64_t x, y = 0;
        memcpy(&x, in + i, sizeof x);
        UNROLL for (int j = 0; j < 8; j++) y |= (uint64_t)table[x >> 8 * j & 0xff] << 8 * j;
        memcpy(out + i, &y, sizeof y);
    }
    for (; i < bytes; i++)
        out[i] = table[in[i]];
}

static void clamp_run(const struct ending *ending, const uint8_t *in, uint8_t *out, size_t bytes)
{
    uint8_t rest[16] = {0};
    size_t i = 0;
    for (; i + 16 <= bytes; i += 16)
        wasm_v128_store(out + i, wasm_u8x16_min(wasm_u8x16_max(wasm_v128_load(in + i), ending->low), ending->high));
    memcpy(rest, in + i, bytes - i);
    wasm_v128_store(rest, wasm_u8x16_min(wasm_u8x16_max(wasm_v128_load(rest), ending->low), ending->high));
    memcpy(out + i, rest, bytes - i);
}

/* Clamps, and looks up where there is a table. */
static void look_up_rows(const struct kernel *k, const uint8_t *const *in, size_t in_pitch)
{
    uint8_t table[256];
    for (int i = 0; k->table && i < 256; i++)
        table[i] = k->table[i < k->low ? k->low : i > k->high ? k->high : i];
    struct ending ending = ending_of(k);
    size_t channels = (size_t)k->output_channels;
    bool runs = in_pitch == channels && k->out_pitch == channels;
    size_t bytes = runs ? channels * k->width : channels;
    for (int row = 0; row < k->rows; row++)
        for (int x = 0; x < (runs ? 1 : k->width); x++) {
            const uint8_t *from = in[row] + x * in_pitch;
            uint8_t *to = k->out[row] + x * k->out_pitch;
            if (k->table)
                look_up_run(table, from, to, bytes);
            else
                clamp_run(&ending, from, to, bytes);
        }
}

void simd128_look_up(const struct kernel *k)
{
    if (k->table && !k->float_out)
        look_up_rows(k, (const uint8_t *const *)k->out, k->out_pitch);
}

void simd128_table(const struct kernel *k) { look_up_rows(k, k->in, k->in_pitch); }
