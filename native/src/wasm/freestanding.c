/* What the library calls of a C library, for a module without one and without imports. */
#include <math.h>
#include <stdint.h>
#include <string.h>

/* Each is one instruction of WebAssembly's bulk memory operations. */
void *memcpy(void *restrict to, const void *restrict from, size_t bytes) { return __builtin_memcpy(to, from, bytes); }
void *memmove(void *to, const void *from, size_t bytes) { return __builtin_memmove(to, from, bytes); }
void *memset(void *to, int value, size_t bytes) { return __builtin_memset(to, value, bytes); }

int memcmp(const void *a, const void *b, size_t bytes)
{
    const uint8_t *x = a, *y = b;
    for (; bytes > 0; bytes--, x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}

int strcmp(const char *a, const char *b)
{
    for (; *a && *a == *b; a++, b++) {
    }
    return (uint8_t)*a - (uint8_t)*b;
}

float sqrtf(float x) { return __builtin_elementwise_sqrt(x); }

/* x * y is exact in float64. The sum is rounded there to odd, which leaves the last rounding the only one: Boldo and
 * Melquiond 2008, "Emulation of FMA and correctly rounded sums". */
float fmaf(float x, float y, float z)
{
    double product = (double)x * y, sum = product + z;
    double back = sum - product, error = (product - (sum - back)) + (z - back);
    uint64_t bits;
    memcpy(&bits, &sum, sizeof bits);
    if ((error < 0 || error > 0) && bits % 2 == 0) {
        bits += (error > 0) == (sum > 0) ? 1 : -1;
        memcpy(&sum, &bits, sizeof bits);
    }
    return (float)sum;
}
