/* What the check needs of its surroundings: files and a counter of instructions. */
#ifndef IO_H
#define IO_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A handle, or a negative number. `mode` is 0 to read, 1 to write. */
int io_open(const char *name, int mode);
size_t io_read(int handle, void *data, size_t size);
size_t io_write(int handle, const void *data, size_t size);
void io_close(int handle);
void io_print(const char *text);

/* Ticks of a counter that runs down through 24 bits; 0 where there is none. */
uint32_t io_ticks(void);

/* Runs IO_CALIBRATION instructions. */
#define IO_CALIBRATION 200000u
void io_calibrate(void);

int check_main(int count, const char *const *arguments);

#ifdef __cplusplus
}
#endif
#endif
