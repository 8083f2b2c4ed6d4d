/* The format of a plan: a header, four tables of fixed-size records, names, data.
 *
 * All numbers are little-endian, every section begins at a multiple of 64 bytes, sections come in the
 * order header, tensors, operations, groups, names, data, and the file ends with the data. Offsets of
 * weights and the like count from the start of the data section and are multiples of 64.
 *
 * Tensors hold one image as rows of pixels, channels last: a pixel of C channels takes `pitch` bytes. A
 * stored tensor of H rows or a ring of fewer (`rows`) is laid out as
 *
 *     [channel block][row, modulo rows][pad_left + width + pad_right][block bytes of channels]
 *
 * with all channels in one block where block = pitch; else block is 64 and the last one is narrower.
 * Pads hold `pad_value`. Channels between C and pitch hold anything.
 *
 * A group runs strip by strip: for each strip_rows rows of its last operation's output, every operation
 * makes the rows that are missing for it. Operations loop_first ... loop_first + loop_count - 1 run once
 * per channel block: all of them for one block, then the next. What a group keeps between
 * strips lies in rings, in memory of each thread; what other groups read is stored in the arena.
 *
 * A group with GROUP_IN_ORDER is run by one thread, row by row: the last operation's rows from the first to the
 * last, and before each row those that it is computed from and that are missing, in the same way; of operations that
 * write one tensor the first ones first (row_order.c).
 * Its rings may lie in the arena.
 */
#ifndef EDGECNN_PLAN_H
#define EDGECNN_PLAN_H

#include <stddef.h>
#include <stdint.h>

#define PLAN_MAGIC "EDGEPLAN"
#define PLAN_VERSION 1
#define PLAN_ENDIAN 0x01020304u
#define PLAN_NONE 0xffffffffu
#define PLAN_BLOCK 64 /* channels of a block, in rings of a channel loop */

enum storage {
    STORAGE_INPUT = 0,  /* the caller's array (C, H, W) */
    STORAGE_OUTPUT = 1, /* the caller's array (C, H, W) */
    STORAGE_ARENA = 2,  /* all rows, shared by the threads */
    STORAGE_RING = 3,   /* the last `rows` rows, one copy a thread */
    STORAGE_ARENA_RING = 4 /* the last `rows` rows, in the arena, of a group with GROUP_IN_ORDER */
};

enum type { TYPE_UINT8 = 0, TYPE_FLOAT32 = 1 };

/* x, y: the quantised input and output; z: zero points. rint rounds halves to even. After every
 * arithmetic operation: y = clamp(q, low, high), then y = table[y] where there is a table. */
enum code {
    OP_QUANTISE = 1,     /* q = rint(x / factor_a) + zero_point; input (C, H, W) float32, or uint8: q = x */
    OP_DEQUANTISE = 2,   /* y = (float)(x - zero_point_a) * factor_a to a float output, or reals[x] where weights holds
                            float32 reals[256]; uint8 output: y = x */
    OP_CONVOLUTION = 3,  /* q = rint((float)(bias + sum w x) * multiplier) + zero_point. Float output: no rint */
    OP_DEPTHWISE = 4,    /* the same, every channel by itself */
    OP_GROUPED = 5,      /* the same, channels in groups */
    OP_ADD = 6,          /* q = rint(fma(x0, factor_a, fma(x1, factor_b, factor_c))) */
    OP_MULTIPLY = 7,     /* q = rint((float)((x0 - z0) * (x1 - z1)) * factor_a + factor_c): two roundings.
                            x1 of height and width 1: one factor a channel */
    OP_TABLE = 8,        /* y = table[x] */
    OP_MAX_POOL = 9,     /* the largest of the window; the input's pad_value is 0 */
    OP_AVERAGE_POOL = 10, /* q = rint(sum / (float)count / factor_b + zero_point) in float, as ONNX Runtime does; sum of
                            (float)(x - z0) * factor_a, tap after tap; count: kernel_h * kernel_w, or with
                            FLAG_EXCLUDE_PADS the pixels of the window within the image */
    OP_GLOBAL_POOL = 11, /* q = rint((float)(sum (x - z0)) * factor_a) + zero_point; sum over all pixels */
    OP_COPY = 12,        /* y = x, or table[x]; exactly C channels, at any input_channel and output_channel */
    OP_CHANNELS = 13,    /* y[c] = tap t of the window, channel m, where map[c] = t << TAP_SHIFT | m: weights holds
                            uint32 map[C] */
    OP_RESIZE = 14,      /* y[i, j] = x[rows[i], columns[j]]: weights holds uint32 rows[H], then columns[W] */
    OP_PAD = 15,         /* x at (pad_top, pad_left) of the output, low elsewhere */
    OP_DEPTH_TO_SPACE = 16, /* y[i, j, c] = x[i / stride_h, j / stride_w, map[i % stride_h][j % stride_w][c]]: weights
                               holds uint32 map[stride_h][stride_w][C]. Exactly C channels */
    OP_BILINEAR = 17,    /* q = rint((u0 v0 X00 + u1 v0 X01 + u0 v1 X10 + u1 v1 X11) / factor_b) + zero_point in float,
                            from left to right, every product of u and v first; X = (float)(x - z0) * factor_a at rows
                            rows[i] and the next, columns columns[j] and the next, none behind the last. Float output:
                            the sum. weights holds uint32 rows[H], columns[W], then float v[H][2], u[W][2] */
    OP_RESPONSE_NORM = 18, /* q = rint((float)X * (factor_a / p)) + zero_point, X = x - z0; p: the fourth root of
                              factor_b + factor_c * (float)(sum of X * X), flags times multiplied to 1; the sum over
                              channel_groups channels from (channel_groups - 1) / 2 before this one on */
    OP_SOFTMAX = 19,     /* q = (E[x] * factor_a + sum / 2) / sum + zero_point in integers; E[x] = exps[255 - max + x],
                            sum of E and max over all channels of a pixel. weights holds uint32 exps[256] */
    OP_FUNCTION = 20     /* enum function of a float output, in place; its flags */
};

enum flag { FLAG_EXCLUDE_PADS = 1 };
enum group_flag { GROUP_IN_ORDER = 1 };

/* Of the channels of a pixel. */
enum function {
    FUNCTION_SOFTMAX = 1,
    FUNCTION_LOG_SOFTMAX = 2,
    FUNCTION_SIGMOID = 3,
    FUNCTION_CLIP = 4 /* between factor_b and factor_c, which may be infinite */
};

enum { TAP_SHIFT = 17 }; /* of a map of CHANNELS */

struct plan_header {
    char magic[8];
    uint32_t version;
    uint32_t endian; /* PLAN_ENDIAN */
    uint64_t size;   /* of the whole file */
    uint32_t tensors;
    uint32_t operations;
    uint32_t groups;
    uint32_t names;  /* bytes */
    uint64_t data;   /* bytes */
    uint64_t arena;  /* bytes of all stored tensors, shared */
    uint64_t scratch; /* bytes of rings and pad rows, for each thread */
};                   /* 64 bytes */

struct plan_tensor {
    uint32_t name; /* offset in the names; each name ends with a zero byte */
    uint8_t storage;
    uint8_t type;
    uint8_t pad_value;
    uint8_t vector; /* 1: an input or output without height and width */
    uint32_t height, width, channels;
    uint32_t pitch;  /* a multiple of 16, or 4; at least channels. 0 for the caller's arrays */
    uint32_t block;  /* pitch or 64 */
    uint32_t rows;   /* height, or the rows of a ring */
    uint32_t pad_left, pad_right; /* pixels */
    float scale;
    int32_t zero_point;
    uint64_t offset; /* in the arena or in the scratch memory; a multiple of 64 */
    uint64_t reserved;
};                   /* 64 bytes */

struct plan_operation {
    uint16_t code;
    uint16_t flags;
    uint32_t input[2]; /* tensors, or PLAN_NONE */
    uint32_t output;
    uint32_t input_channel;  /* first channel that is read: a multiple of 4 */
    uint32_t output_channel; /* first channel that is written: a multiple of 16 */
    uint32_t channels;       /* channels read from input 0 */
    uint32_t output_channels;
    uint16_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
    uint32_t channel_groups;
    uint32_t reserved;
    uint64_t weights, bias, multiplier, table; /* in the data; UINT64_MAX: none */
    uint64_t pad_row; /* in the scratch memory, for rows outside the image; UINT64_MAX: none. OP_GLOBAL_POOL, in
                         a group with GROUP_IN_ORDER: int32 sums of the channels, rounded up to 16; it then reads
                         row by row */
    int32_t zero_point, low, high; /* of the output, before the table */
    int32_t zero_point_a, zero_point_b; /* of the inputs */
    float factor_a, factor_b, factor_c;
};                   /* 128 bytes */

struct plan_group {
    uint32_t first, count; /* operations, consecutive; groups follow one another */
    uint32_t strip_rows;
    uint32_t loop_first, loop_count; /* counted from the group's first operation; loop_count 0: no loop */
    uint32_t flags;
    uint32_t reserved[2];
};                   /* 32 bytes */

/* Weights, int8, zero where there is no such channel:
 *   OP_CONVOLUTION  [output channel / 16][kernel_h][kernel_w][channels / 4, rounded up][16][4]
 *   OP_DEPTHWISE    [channel / 16][kernel_h * kernel_w][16]
 *   OP_GROUPED      [output channel][kernel_h][kernel_w][channels of one group, rounded up to 4]
 * bias: int32, less input zero point times the sum of the weights; multiplier: float32, input scale times
 * weight scale over output scale; both for output channels rounded up to 16, zeros behind. */
#endif
