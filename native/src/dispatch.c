/* The kernel families of this build, best first. */
#include "dispatch.h"

const struct family *const families[] = {
#if defined(__x86_64__) && !defined(EDGECNN_PORTABLE)
    &avx512vbmi_family,
    &avx512vnni_family,
    &avxvnni_family,
    &avx2_family,
#elif defined(__aarch64__) && !defined(EDGECNN_PORTABLE)
    &i8mm_family,
    &dotprod_family,
    &neon_family,
#elif defined(__ARM_NEON) && !defined(EDGECNN_PORTABLE)
    &armv7_family,
#elif defined(__wasm_simd128__) && !defined(EDGECNN_PORTABLE)
    &simd128_family,
#endif
#if defined(__ARM_FEATURE_MVE) && !defined(EDGECNN_PORTABLE)
    &mve_family,
#endif
#if defined(__ARM_FEATURE_DSP) && !defined(__aarch64__) && !defined(EDGECNN_PORTABLE)
    &dsp_family,
#endif
    &portable_family,
    0,
};
