/* For compilers that come without a C library: what they compute in a few instructions. */
#ifndef FREESTANDING_MATH_H
#define FREESTANDING_MATH_H

#define isfinite(x) __builtin_isfinite(x)
#define fabsf(x) __builtin_fabsf(x)
#define sqrtf(x) __builtin_sqrtf(x)
#define fmaf(x, y, z) __builtin_fmaf(x, y, z)

#endif
