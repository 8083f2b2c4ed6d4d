/* What the example asks of a board. On a board of your own replace this folder: its vendor's startup code and
 * linker script, and these functions by a UART, a timer, or nothing. */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

/* Text and decimal numbers for the debugger, by Arm semihosting. */
void board_print(const char *text);
void board_print_number(uint32_t number);

/* Cycles of the core's clock since the start, by SysTick. Under QEMU's -icount they are instructions. */
void board_start_ticks(void);
uint32_t board_ticks(void);

/* The most bytes of the stack that were in use so far. */
uint32_t board_stack_used(void);

#endif
