/* Where a cross compiler has no C library. */
#include <stddef.h>
#define STDIN_FILENO 0
int read(int file, void *data, size_t size);
