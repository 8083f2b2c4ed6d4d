/* CPUID and XGETBV: Intel's manual, volume 2A, CPUID. zig's compiler runtime does not know
 * __builtin_cpu_supports: it answers 0 for every feature (0.17). */
#if defined(__x86_64__)
#include "processor.h"

#include <cpuid.h>
#include <stdint.h>

enum {
    AVX_STATE = 0x06,   /* XCR0: the registers xmm and ymm */
    AVX512_STATE = 0xe6 /* and masks and zmm */
};

struct leaf {
    uint32_t a, b, c, d;
};

static struct leaf ask(uint32_t leaf, uint32_t sub)
{
    struct leaf found = {0, 0, 0, 0};
    __get_cpuid_count(leaf, sub, &found.a, &found.b, &found.c, &found.d);
    return found;
}

static bool bit(uint32_t word, int index) { return word >> index & 1; }

/* Whether the operating system saves these registers when it switches programs. */
static bool saves(uint32_t state)
{
    if (!bit(ask(1, 0).c, 27)) /* OSXSAVE */
        return false;
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & state) == state;
}

bool has_sse41(void) { return bit(ask(1, 0).c, 19); }

bool has_avx2_fma(void)
{
    return saves(AVX_STATE) && bit(ask(1, 0).c, 12) && bit(ask(7, 0).b, 5);
}

bool has_avx_vnni(void) { return has_avx2_fma() && bit(ask(7, 1).a, 4); }

bool has_avx512_vnni(void)
{
    struct leaf seven = ask(7, 0);
    return has_avx2_fma() && saves(AVX512_STATE) && bit(seven.b, 16) && bit(seven.b, 17) && bit(seven.b, 30) &&
           bit(seven.b, 31) && bit(seven.c, 11);
}

bool has_avx512_vbmi(void) { return has_avx512_vnni() && bit(ask(7, 0).c, 1); }
#endif
