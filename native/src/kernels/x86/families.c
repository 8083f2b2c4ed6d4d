/* The families of x86-64. Every processor runs this file: it has no compiler flags of an instruction set. */
#if defined(__x86_64__) && !defined(EDGECNN_PORTABLE)
#include "families.h"

#include "../../dispatch.h"
#include "../../plan.h"
#include "processor.h"

static int runs_avx2(void) { return has_avx2_fma(); }
#ifdef EDGECNN_AVXVNNI_AS_AVX512 /* a build that proves this family's code where AVX-512 runs, not AVX-VNNI */
static int runs_avxvnni(void) { return has_avx512_vnni(); }
#else
static int runs_avxvnni(void) { return has_avx_vnni(); }
#endif
static int runs_avx512vnni(void) { return has_avx512_vnni(); }
static int runs_avx512vbmi(void) { return has_avx512_vbmi(); }

const struct family avx2_family = {
    .name = "avx2",
    .supported = runs_avx2,
    .function =
        {
            [OP_QUANTISE] = avx2_quantise,
            [OP_CONVOLUTION] = avx2_convolution,
            [OP_DEPTHWISE] = avx2_depthwise,
            [OP_ADD] = avx2_add,
            [OP_MULTIPLY] = avx2_multiply,
            [OP_TABLE] = avx2_table,
            [OP_COPY] = avx2_table,
            [OP_MAX_POOL] = avx2_max_pool,
            [OP_AVERAGE_POOL] = avx2_average_pool,
            [OP_GLOBAL_POOL] = avx2_global_pool,
            [OP_BILINEAR] = avx2_bilinear,
            [OP_RESPONSE_NORM] = avx2_response_norm,
        },
    .depthwise_bytes = avx2_depthwise_bytes,
    .pack_depthwise = avx2_pack_depthwise,
    .scratch_bytes = AVX2_SCRATCH,
};

const struct family avxvnni_family = {
    .name = "avxvnni",
    .supported = runs_avxvnni,
    .function =
        {
            [OP_QUANTISE] = avx2_quantise,
            [OP_CONVOLUTION] = avxvnni_convolution,
            [OP_DEPTHWISE] = avxvnni_depthwise,
            [OP_ADD] = avx2_add,
            [OP_MULTIPLY] = avx2_multiply,
            [OP_TABLE] = avx2_table,
            [OP_COPY] = avx2_table,
            [OP_MAX_POOL] = avx2_max_pool,
            [OP_AVERAGE_POOL] = avx2_average_pool,
            [OP_GLOBAL_POOL] = avx2_global_pool,
            [OP_BILINEAR] = avx2_bilinear,
            [OP_RESPONSE_NORM] = avx2_response_norm,
        },
    .depthwise_bytes = avxvnni_depthwise_bytes,
    .pack_depthwise = avxvnni_pack_depthwise,
    .scratch_bytes = AVX2_SCRATCH,
};

/* Without VBMI, such as Cascade Lake: the table comes after the kernel. */
static void look_up_after(const struct kernel *k, kernel_function *function)
{
    struct kernel without = *k;
    without.table = NULL;
    function(&without);
    avx2_look_up(k);
}

static void convolution(const struct kernel *k) { look_up_after(k, avx512_convolution); }
static void depthwise(const struct kernel *k) { look_up_after(k, avx512_depthwise); }
static void add(const struct kernel *k) { look_up_after(k, avx512_add); }
static void multiply(const struct kernel *k) { look_up_after(k, avx512_multiply); }
static void max_pool(const struct kernel *k) { look_up_after(k, avx512_max_pool); }
static void global_pool(const struct kernel *k) { look_up_after(k, avx512_global_pool); }

const struct family avx512vnni_family = {
    .name = "avx512vnni",
    .supported = runs_avx512vnni,
    .function =
        {
            [OP_QUANTISE] = avx512_quantise,
            [OP_CONVOLUTION] = convolution,
            [OP_DEPTHWISE] = depthwise,
            [OP_ADD] = add,
            [OP_MULTIPLY] = multiply,
            [OP_TABLE] = avx2_table,
            [OP_COPY] = avx2_table,
            [OP_MAX_POOL] = max_pool,
            [OP_AVERAGE_POOL] = avx512_average_pool,
            [OP_GLOBAL_POOL] = global_pool,
            [OP_BILINEAR] = avx512_bilinear,
            [OP_RESPONSE_NORM] = avx512_response_norm,
        },
    .depthwise_bytes = avx512_depthwise_bytes,
    .pack_depthwise = avx512_pack_depthwise,
    .scratch_bytes = AVX512_SCRATCH,
};

const struct family avx512vbmi_family = {
    .name = "avx512vbmi",
    .supported = runs_avx512vbmi,
    .function =
        {
            [OP_QUANTISE] = avx512_quantise,
            [OP_CONVOLUTION] = avx512_convolution,
            [OP_DEPTHWISE] = avx512_depthwise,
            [OP_ADD] = avx512_add,
            [OP_MULTIPLY] = avx512_multiply,
            [OP_TABLE] = avx512_table,
            [OP_COPY] = avx512_table,
            [OP_MAX_POOL] = avx512_max_pool,
            [OP_AVERAGE_POOL] = avx512_average_pool,
            [OP_GLOBAL_POOL] = avx512_global_pool,
            [OP_BILINEAR] = avx512_bilinear,
            [OP_RESPONSE_NORM] = avx512_response_norm,
        },
    .depthwise_bytes = avx512_depthwise_bytes,
    .pack_depthwise = avx512_pack_depthwise,
    .scratch_bytes = AVX512_SCRATCH,
};
#endif
