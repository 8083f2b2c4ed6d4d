/* HWCAP: Linux, Documentation/arch/arm64/elf_hwcaps.rst. Every Apple processor with AArch64 macOS has dot
 * products; Windows says so by IsProcessorFeaturePresent. */
#include "processor.h"

#if defined(__linux__)
#include <sys/auxv.h>
#elif defined(_WIN32)
#include <windows.h>
#endif

enum { LINUX_ASIMDDP = 1 << 20, WINDOWS_DOTPROD = 43 /* PF_ARM_V82_DP_INSTRUCTIONS_AVAILABLE */ };

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
