/* Instruction sets of an x86-64 processor that the operating system lets programs use. */
#ifndef EDGECNN_PROCESSOR_H
#define EDGECNN_PROCESSOR_H

#include <stdbool.h>

bool has_sse41(void);
bool has_avx2_fma(void);
bool has_avx_vnni(void);
bool has_avx512_vnni(void); /* with F, BW, VL and DQ */
bool has_avx512_vbmi(void);

#endif
