/* The check on a host with an operating system. */
#include <stdio.h>

#include "io.h"

static FILE *files[4];

int io_open(const char *name, int mode)
{
    for (int handle = 0; handle < 4; handle++)
        if (!files[handle]) {
            files[handle] = fopen(name, mode ? "wb" : "rb");
            return files[handle] ? handle : -1;
        }
    return -1;
}

size_t io_read(int handle, void *data, size_t size)
{
    return fread(data, 1, size, files[handle]);
}

size_t io_write(int handle, const void *data, size_t size)
{
    return fwrite(data, 1, size, files[handle]);
}

void io_close(int handle)
{
    fclose(files[handle]);
    files[handle] = NULL;
}

void io_print(const char *text)
{
    fputs(text, stderr);
}

uint32_t io_ticks(void)
{
    return 0;
}

void io_calibrate(void)
{
}

int main(int count, char **arguments)
{
    return check_main(count, (const char *const *)arguments);
}
