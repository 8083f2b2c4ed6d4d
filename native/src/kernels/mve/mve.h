/* Kernels of the vector instructions of Cortex-M55 and M85. */
#ifndef EDGECNN_MVE_H
#define EDGECNN_MVE_H

#include "../dsp/dsp.h"

/* mve_depthwise.c; without floats in vectors dsp's serves. */
#if defined(__ARM_FEATURE_MVE) && __ARM_FEATURE_MVE & 2
kernel_function mve_depthwise;
#else
#define mve_depthwise dsp_depthwise
#endif

#endif
