/* The kernels of x86-64's families: names alone, for files of every processor, too. */
#ifndef EDGECNN_FAMILIES_H
#define EDGECNN_FAMILIES_H

#include "../kernels.h"

enum {
    AVX2_FOURS = 4,  /* a depthwise kernel has at most 16 rows */
    AVX2_REACH = 24, /* and covers at most as many columns */
    /* One pixel of the largest convolution that plan_check accepts, as int16, or a depthwise's interleaved
     * columns: at least 4 output pixels' at a stride of 3. */
    AVX2_SCRATCH = 3 * 65536,
    AVX512_FOURS = 4,
    AVX512_REACH = 24,
    /* Bytes of its interleaved columns: at least 4 output pixels' at a stride of 3. */
    AVX512_SCRATCH = 48 * AVX512_FOURS * 256
};

typedef size_t depthwise_bytes_function(int kernel_h, int kernel_w, int stride_h, int dilation_w);
typedef void pack_depthwise_function(uint8_t *to, const int8_t *weights, const int32_t *bias,
                                     const float *multiplier, int channels, int kernel_h, int kernel_w,
                                     int stride_h);

kernel_function avx2_convolution, avx2_depthwise, avx2_add, avx2_multiply, avx2_quantise, avx2_global_pool,
    avx2_average_pool, avx2_table, avx2_max_pool, avx2_bilinear, avx2_response_norm;
depthwise_bytes_function avx2_depthwise_bytes;
pack_depthwise_function avx2_pack_depthwise;
/* y = table[y] of all bytes that the operation wrote; nothing where it has no table. */
kernel_function avx2_look_up;

kernel_function avxvnni_convolution, avxvnni_depthwise;
depthwise_bytes_function avxvnni_depthwise_bytes;
pack_depthwise_function avxvnni_pack_depthwise;

/* With a table these want VBMI. */
kernel_function avx512_convolution, avx512_depthwise, avx512_add, avx512_multiply, avx512_quantise,
    avx512_global_pool, avx512_table, avx512_max_pool;
depthwise_bytes_function avx512_depthwise_bytes;
pack_depthwise_function avx512_pack_depthwise;
/* These look their table up without VBMI. */
kernel_function avx512_average_pool, avx512_bilinear, avx512_response_norm;

#endif
