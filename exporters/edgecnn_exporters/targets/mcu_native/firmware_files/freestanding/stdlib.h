/* For compilers that come without a C library. */
#ifndef FREESTANDING_STDLIB_H
#define FREESTANDING_STDLIB_H

#define abs(x) __builtin_abs(x)

#endif
