/* The functions of a C library that the code needs; where there is a C library its own are taken. */
#include <stddef.h>
#include <stdint.h>

#define WEAK __attribute__((weak))

WEAK void *memset(void *to, int value, size_t bytes)
{
    uint8_t *at = to, *end = at + bytes;
    uint32_t word = (uint8_t)value * 0x01010101u;
    for (; at < end && (uintptr_t)at % 4; at++)
        *at = (uint8_t)value;
    for (; end - at >= 4; at += 4)
        *(uint32_t *)(void *)at = word;
    for (; at < end; at++)
        *at = (uint8_t)value;
    return to;
}

WEAK void *memmove(void *to, const void *from, size_t bytes)
{
    uint8_t *at = to;
    const uint8_t *source = from;
    if (at > source && at < source + bytes) {
        while (bytes--)
            at[bytes] = source[bytes];
        return to;
    }
    if (((uintptr_t)at | (uintptr_t)source) % 4 == 0)
        for (; bytes >= 4; bytes -= 4, at += 4, source += 4)
            *(uint32_t *)(void *)at = *(const uint32_t *)(const void *)source;
    while (bytes--)
        *at++ = *source++;
    return to;
}

WEAK void *memcpy(void *to, const void *from, size_t bytes) { return memmove(to, from, bytes); }

WEAK int memcmp(const void *one, const void *other, size_t bytes)
{
    const uint8_t *a = one, *b = other;
    for (size_t i = 0; i < bytes; i++)
        if (a[i] != b[i])
            return a[i] - b[i];
    return 0;
}

WEAK int strcmp(const char *one, const char *other)
{
    while (*one && *one == *other)
        one++, other++;
    return (uint8_t)*one - (uint8_t)*other;
}
