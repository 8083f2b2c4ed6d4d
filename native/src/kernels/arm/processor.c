/* HWCAP: Linux, Documentation/arch/arm64/elf_hwcaps.rst. Every Apple processor with AArch64 macOS has dot
 * products, not all have matrix products; Windows says so by IsProcessorFeaturePresent. */
#include "processor.h"

#if defined(__linux__)
#include <sys/auxv.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#elif defined(_WIN32)
#include <windows.h>
#endif

enum {
    LINUX_ASIMDDP = 1 << 20, /* of AT_HWCAP */
    LINUX_I8MM = 1 << 13,    /* of AT_HWCAP2 */
    WINDOWS_DOTPROD = 43     /* PF_ARM_V82_DP_INSTRUCTIONS_AVAILABLE */
};

int has_neon(void) { return 1; }

int has_dotprod(void)
{
#if defined(__linux__)
    return (getauxval(AT_HWCAP) & LINUX_ASIMDDP) != 0;
#elif defined(__APPLE__)
    return 1;
#elif defined(_WIN32)
    return IsProcessorFeaturePresent(WINDOWS_DOTPROD) != 0;
#else
    return 0;
#endif
}

int has_i8mm(void)
{
#if defined(__linux__)
    return has_dotprod() && (getauxval(AT_HWCAP2) & LINUX_I8MM) != 0;
#elif defined(__APPLE__)
    int there = 0;
    size_t size = sizeof there;
    return sysctlbyname("hw.optional.arm.FEAT_I8MM", &there, &size, 0, 0) == 0 && there;
#else
    return 0;
#endif
}
