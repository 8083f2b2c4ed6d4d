/* Declarations of the kernel families that this build may hold; `families` lists them. */
#ifndef EDGECNN_DISPATCH_H
#define EDGECNN_DISPATCH_H

#include "kernels/kernels.h"

#if defined(__x86_64__)
extern const struct family avx512vbmi_family, avx512vnni_family, avxvnni_family, avx2_family;
#elif defined(__aarch64__)
extern const struct family i8mm_family, dotprod_family, neon_family;
#elif defined(__ARM_NEON)
extern const struct family armv7_family;
#elif defined(__wasm_simd128__)
extern const struct family simd128_family;
#endif
#if defined(__ARM_FEATURE_MVE)
extern const struct family mve_family;
#endif
#if defined(__ARM_FEATURE_DSP) && !defined(__aarch64__)
extern const struct family dsp_family;
#endif

#endif
