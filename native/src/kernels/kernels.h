/* The contract between the executor and the kernels of an instruction set.
 *
 * A kernel makes `rows` whole rows of an operation's output from row pointers. It trusts its arguments:
 * plan_check has proven them. All families give the same bytes; portable.c is the reference.
 *
 * Memory holds x ^ flip: 0 where a family multiplies unsigned by signed bytes, 0x80 where it wants
 * signed activations. All other values (zero points, low, high, tables, pad values of a plan) are those
 * of the unsigned domain. `bias` already suits the family.
 */
#ifndef EDGECNN_KERNELS_H
#define EDGECNN_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#define KERNELS_END 21 /* one more than the largest code of an operation */

struct kernel {
    /* One pointer per row from the first output row's first tap on, at the first tap of column 0 and the
     * first channel that is read; rows outside the image point at pads. What reads_all_rows: all of them. */
    const uint8_t *const *in;
    size_t in_pitch;
    const uint8_t *const *other; /* the second input of ADD and MULTIPLY */
    size_t other_pitch;
    uint8_t *const *out; /* one pointer per output row, at column 0 and the first channel that is written */
    size_t out_pitch;
    /* The caller's arrays, at row `first`, planes in_plane or out_plane values apart: the input of QUANTISE,
     * the output of DEQUANTISE, the float output of a convolution or of FUNCTION. NULL where it is of another type. */
    const float *float_in;
    const uint8_t *byte_in;
    float *float_out;
    uint8_t *byte_out;
    size_t in_plane, out_plane;

    int first, rows, width;  /* of the output */
    int in_height, in_width; /* of the input */
    int channels;            /* read from the input */
    int output_channels;     /* to write: a multiple of 16, except to float outputs and by COPY */
    int real_channels;       /* of these, those that are there; the rest may be left unwritten */
    int kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
    int channel_groups, flags;
    int detail; /* GROUPED: output channels of a group. MULTIPLY: 1 where `other` is one pixel. RESIZE, BILINEAR:
                 output rows */

    const int8_t *weights; /* from the first output channel, as plan.h lays them out, or as pack wrote them */
    const int32_t *bias;
    const float *multiplier;
    const uint8_t *table; /* 256 values, or NULL */
    int bounded;   /* CONVOLUTION, DEPTHWISE: every sum times its multiplier lies within int16, zero point included */
    int symmetric; /* the same: no weight is -128. Both are 0 where the family does not flip */
    int zero_point, low, high, zero_point_a, zero_point_b;
    float factor_a, factor_b, factor_c;
    uint8_t flip;
    int32_t *sums; /* GLOBAL_POOL of rows `first` … of the input: sums of those before them, by channel; else NULL */
    void *scratch; /* of this thread, scratch_bytes of the family */
};

typedef void kernel_function(const struct kernel *kernel);

struct family {
    const char *name;
    uint8_t flip;
    int (*supported)(void);                /* by this processor */
    kernel_function *function[KERNELS_END]; /* by operation code; NULL: portable's */
    /* Depthwise weights in the family's own layout: bytes a channel (0: the plan's layout serves), and the
     * packing of `channels` channels, a multiple of 16. */
    size_t (*depthwise_bytes)(int kernel_h, int kernel_w, int stride_h, int dilation_w);
    void (*pack_depthwise)(uint8_t *to, const int8_t *weights, const int32_t *bias, const float *multiplier,
                           int channels, int kernel_h, int kernel_w, int stride_h);
    /* Weights of dense convolutions in the family's own order, in as many bytes; NULL: the plan's serves. A run
     * is what a pixel reads at one tap, or in one kernel row where its taps follow one another in memory: `steps`
     * times 64 bytes. Not for float outputs. */
    void (*pack_convolution)(uint8_t *to, const int8_t *weights, size_t runs, int steps);
    size_t scratch_bytes; /* for each thread */
    int reads_bytes; /* no vectors: of what lies behind a pixel at most 16 bytes are read */
};

extern const struct family portable_family;
extern const struct family *const families[]; /* of this build, best first, ended by NULL */

#endif
