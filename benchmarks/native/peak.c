/* Peak rate of 8-bit products of one core: independent sums in registers, nothing from memory.
 *
 * Prints the instruction and 10^9 operations a second (a multiply-add counts 2), the best of 200 runs. */
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define NAME "vpdpbusd zmm"
enum { SUMS = 16, PRODUCTS = 64 };

__attribute__((target("avx512f,avx512vnni"))) static void run(long rounds)
{
    __m512i sums[SUMS], x = _mm512_set1_epi8(3), w = _mm512_set1_epi8(5);
    for (int i = 0; i < SUMS; i++)
        sums[i] = _mm512_set1_epi32(i);
    for (long r = 0; r < rounds; r++) {
        _Pragma("GCC unroll 16") for (int i = 0; i < SUMS; i++) __asm__ volatile("vpdpbusd %2, %1, %0"
                                                                             : "+v"(sums[i])
                                                                             : "v"(x), "v"(w));
    }
    for (int i = 0; i < SUMS; i++)
        __asm__ volatile("" ::"v"(sums[i]));
}
#elif defined(__aarch64__)
#include <arm_neon.h>
#define NAME "sdot q"
enum { SUMS = 16, PRODUCTS = 16 };

__attribute__((target("dotprod"))) static void run(long rounds)
{
    int32x4_t sums[SUMS];
    int8x16_t x = vdupq_n_s8(3), w = vdupq_n_s8(5);
    for (int i = 0; i < SUMS; i++)
        sums[i] = vdupq_n_s32(i);
    for (long r = 0; r < rounds; r++) {
        _Pragma("GCC unroll 16") for (int i = 0; i < SUMS; i++) __asm__ volatile("sdot %0.4s, %1.16b, %2.16b"
                                                                             : "+w"(sums[i])
                                                                             : "w"(x), "w"(w));
    }
    for (int i = 0; i < SUMS; i++)
        __asm__ volatile("" ::"w"(sums[i]));
}
#endif

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int main(void)
{
    const long rounds = 20000;
    double best = 1e9;
    for (int i = 0; i < 200; i++) {
        double began = seconds();
        run(rounds);
        double took = seconds() - began;
        best = took < best ? took : best;
    }
    printf("%s %.1f\n", NAME, 2e-9 * rounds * SUMS * PRODUCTS / best);
}
