/* Start of an emulated Cortex-M, and files through semihosting. No C library. */
#include "io.h"

extern uint32_t stack_top, data_start, data_end, data_load, bss_start, bss_end;

/* Asks the emulator; see Arm's "Semihosting for AArch32 and AArch64". */
static int32_t semihosting(int32_t operation, const void *argument)
{
    register int32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;

    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
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
    const uint8_t *bytes = data;

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

#define SYSTICK ((volatile uint32_t *)0xE000E010)

uint32_t io_ticks(void)
{
    return SYSTICK[2];
}

void io_calibrate(void)
{
    uint32_t left = IO_CALIBRATION / 2; /* two instructions a turn */

    __asm__ volatile("1: subs %0, #1\n bne 1b" : "+r"(left) : : "cc");
}

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

void reset(void)
{
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    *(volatile uint32_t *)0xE000ED88 |= 0xFu << 20; /* switches the coprocessor on */
    __asm__ volatile("dsb\n isb");
#endif
    for (volatile uint32_t *to = &data_start, *from = &data_load; to < &data_end;)
        *to++ = *from++;
    for (volatile uint32_t *to = &bss_start; to < &bss_end;)
        *to++ = 0;
    SYSTICK[1] = 0xffffff;
    SYSTICK[2] = 0;
    SYSTICK[0] = 5; /* on, clock of the core, no interrupt */
    stop(run());
}

static void fault(void)
{
    io_print("check: the core took a fault\n");
    stop(99);
}

__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    &stack_top, reset, fault, fault, fault, fault, fault, 0,
    0,          0,     0,     fault, fault, 0,     fault, fault};
