/* Start of an emulated core, Cortex-M or RISC-V, and files through semihosting. No C
 * library. */
#include "io.h"

#ifdef __cplusplus
extern "C" {
#endif
extern uint32_t stack_top, data_start, data_end, data_load, bss_start, bss_end;
void reset(void);
#ifdef __cplusplus
}
#endif

/* Asks the emulator; see Arm's "Semihosting for AArch32 and AArch64", which RISC-V has
 * taken over: it knows three instructions of 32 bits each, which must be in one page. */
__attribute__((noinline, aligned(64))) static int32_t semihosting(int32_t operation, const void *argument)
{
    int32_t answer;

#if defined(__riscv)
    __asm__ volatile("mv a0, %1\n mv a1, %2\n .option push\n .option norvc\n"
                     " slli zero, zero, 0x1f\n ebreak\n srai zero, zero, 7\n"
                     " .option pop\n mv %0, a0"
                     : "=r"(answer)
                     : "r"(operation), "r"(argument)
                     : "a0", "a1", "memory");
#else
    __asm__ volatile("mov r0, %1\n mov r1, %2\n bkpt 0xab\n mov %0, r0"
                     : "=r"(answer)
                     : "r"(operation), "r"(argument)
                     : "r0", "r1", "memory");
#endif
    return answer;
}

static uint32_t length_of(const char *text)
{
    uint32_t length = 0;

    while (text[length])
        length++;
    return length;
}

int io_open(const char *name, int mode)
{
    const uint32_t block[3] = {(uint32_t)name, mode ? 5u : 1u, length_of(name)};

    return semihosting(0x01, block);
}

size_t io_read(int handle, void *data, size_t size)
{
    const uint32_t block[3] = {(uint32_t)handle, (uint32_t)data, size};

    return size - (uint32_t)semihosting(0x06, block);
}

/* Small pieces are gathered: every call of the emulator costs much more than a copy. */
static struct {
    uint8_t data[8192];
    uint32_t filled;
} pending;

static uint32_t flush(int handle)
{
    const uint32_t block[3] = {(uint32_t)handle, (uint32_t)pending.data, pending.filled};
    const uint32_t left =
        pending.filled ? (uint32_t)semihosting(0x05, block) : 0;

    pending.filled = 0;
    return left;
}

size_t io_write(int handle, const void *data, size_t size)
{
    const uint8_t *bytes = (const uint8_t *)data;

    for (size_t i = 0; i < size; i++) {
        if (pending.filled == sizeof pending.data && flush(handle))
            return i;
        pending.data[pending.filled++] = bytes[i];
    }
    return size;
}

void io_close(int handle)
{
    const uint32_t block[1] = {(uint32_t)handle};

    flush(handle);
    semihosting(0x02, block);
}

void io_print(const char *text)
{
    semihosting(0x04, text);
}

#if defined(__riscv)

uint32_t io_ticks(void)
{
    uint32_t count; /* csrr minstret, csrw mtvec: no assembler refuses these forms */

    __asm__ volatile(".insn i 0x73, 2, %0, zero, -1278" : "=r"(count));
    return 0u - count;
}

void io_calibrate(void)
{
    uint32_t left = IO_CALIBRATION / 2; /* two instructions a turn */

    __asm__ volatile("1: addi %0, %0, -1\n bnez %0, 1b" : "+r"(left));
}

#else

#define SYSTICK ((volatile uint32_t *)0xE000E010)

uint32_t io_ticks(void)
{
    return SYSTICK[2];
}

void io_calibrate(void)
{
    uint32_t left = IO_CALIBRATION / 2; /* two instructions a turn */

#if defined(__ARM_ARCH_6M__)
    __asm__ volatile(".syntax unified\n 1: subs %0, #1\n bne 1b" : "+l"(left) : : "cc");
#else
    __asm__ volatile("1: subs %0, #1\n bne 1b" : "+r"(left) : : "cc");
#endif
}

#endif

static void stop(int32_t code)
{
    const uint32_t block[2] = {0x20026u, (uint32_t)code};

    semihosting(0x20, block);
    for (;;) {
    }
}

/* The command line, split at spaces. */
static int run(void)
{
    static char line[256];
    static const char *arguments[8];
    uint32_t block[2] = {(uint32_t)line, sizeof line};
    int count = 0;

    if (semihosting(0x15, block) != 0)
        return 2;
    for (char *c = line; *c && count < 8;) {
        arguments[count++] = c;
        while (*c && *c != ' ')
            c++;
        if (*c)
            *c++ = '\0';
    }
    return check_main(count, arguments);
}

static void start_memory(void)
{
    for (volatile uint32_t *to = &data_start, *from = &data_load; to < &data_end;)
        *to++ = *from++;
    for (volatile uint32_t *to = &bss_start; to < &bss_end;)
        *to++ = 0;
}

static void fault(void)
{
    io_print("check: the core took a fault\n");
    stop(99);
}

#if defined(__riscv)

void reset(void)
{
    start_memory();
    stop(run());
}

/* Where the core begins; faults lead to `fault`. */
__asm__(".section .vectors, \"ax\"\n .globl start\nstart:\n la sp, stack_top\n"
        " la t0, 1f\n .insn i 0x73, 1, zero, t0, 0x305\n j reset\n .balign 4\n1: j on_fault\n .text");

__attribute__((used)) void on_fault(void)
{
    fault();
}

#else

void reset(void)
{
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    *(volatile uint32_t *)0xE000ED88 |= 0xFu << 20; /* switches the coprocessor on */
    __asm__ volatile("dsb\n isb");
#endif
    start_memory();
    SYSTICK[1] = 0xffffff;
    SYSTICK[2] = 0;
    SYSTICK[0] = 5; /* on, clock of the core, no interrupt */
    stop(run());
}

typedef void (*vector)(void);

__attribute__((section(".vectors"), used)) static const vector vectors[16] = {
    (vector)&stack_top, reset, fault, fault, fault, fault, fault, 0,
    0,                  0,     0,     fault, fault, 0,     fault, fault};

#endif
