/* Instruction sets of an AArch64 processor that the operating system lets programs use. */
#ifndef EDGECNN_PROCESSOR_ARM_H
#define EDGECNN_PROCESSOR_ARM_H

int has_neon(void); /* every one has */
int has_dotprod(void);
int has_i8mm(void); /* and dot products */

#endif
