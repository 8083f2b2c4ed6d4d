/* Startup code of a Cortex-M without a vendor's library: vector table, memory, floating point. */
#include "board.h"

#include <stdint.h>

int main(void);

/* sections.ld */
extern uint32_t data_load[], data_start[], data_end[], bss_start[], bss_end[];

#ifndef STACK_BYTES
#define STACK_BYTES 4096
#endif

enum { UNUSED = 0x5aa5f00d, ADP_STOPPED = 0x20026, SYS_WRITE0 = 0x04, SYS_EXIT_EXTENDED = 0x20, TICKS = 1 << 24 };

static __attribute__((section(".stack"), aligned(8), used)) uint32_t stack[STACK_BYTES / 4];
static volatile uint32_t wraps; /* of the ticks' 24 bits */

/* An operation of the debugger, or of the emulator in its place. */
static uint32_t semihosting(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

void board_print(const char *text) { semihosting(SYS_WRITE0, text); }

void board_print_number(uint32_t number)
{
    char digits[11], *first = digits + sizeof digits - 1;
    *first = 0;
    do
        *--first = (char)('0' + number % 10);
    while (number /= 10);
    board_print(first);
}

static __attribute__((noreturn)) void leave(uint32_t code)
{
    const uint32_t block[2] = {ADP_STOPPED, code};
    semihosting(SYS_EXIT_EXTENDED, block);
    for (;;)
        ;
}

static volatile uint32_t *const SYST_CSR = (uint32_t *)0xe000e010;
static volatile uint32_t *const SYST_RVR = (uint32_t *)0xe000e014;
static volatile uint32_t *const SYST_CVR = (uint32_t *)0xe000e018;
static volatile uint32_t *const CPACR = (uint32_t *)0xe000ed88;

static void count_wrap(void) { wraps++; }

void board_start_ticks(void)
{
    *SYST_RVR = TICKS - 1;
    *SYST_CVR = 0;
    wraps = 0;
    *SYST_CSR = 7; /* the core's clock, an interrupt at each wrap */
}

uint32_t board_ticks(void)
{
    *SYST_CSR = 6;
    return wraps * TICKS + (TICKS - 1 - *SYST_CVR);
}

uint32_t board_stack_used(void)
{
    int unused = 0;
    while (unused < STACK_BYTES / 4 && stack[unused] == UNUSED)
        unused++;
    return (uint32_t)(STACK_BYTES - 4 * unused);
}

static void start_memory(void)
{
    for (uint32_t *to = data_start, *from = data_load; to < data_end; to++, from++)
        *to = *from;
    for (uint32_t *word = bss_start; word < bss_end; word++)
        *word = 0;
}

static __attribute__((noreturn, used)) void start(void)
{
    *CPACR |= 0xf << 20; /* full access to the floating-point unit */
    __asm__ volatile("dsb\n isb");
    start_memory();
    leave((uint32_t)main());
}

void _start(void);

/* Fills the stack before there is anything in it: no C function may do that. */
__attribute__((naked, noreturn)) void _start(void)
{
    __asm__ volatile("ldr r0, =stack\n"
                     "mov r1, sp\n"
                     "ldr r2, =0x5aa5f00d\n"
                     "1: str r2, [r0], #4\n"
                     "cmp r0, r1\n"
                     "blo 1b\n"
                     "b start\n");
}

static void fail(void)
{
    board_print("fault: a bug, or a stack of more bytes than the linker script gives\n");
    leave(2);
}

/* The stack, reset, NMI, faults, and so on up to SysTick. */
__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    stack + STACK_BYTES / 4, _start, fail, fail, fail, fail, fail, fail, 0, 0, 0, fail, fail, 0, fail, count_wrap,
};
