/* An emulated core that runs the command `verify` of the examples, without a C library. */
#include "io.h"
#include "listen.h"

static uint32_t micros(void)
{
    return 0u - io_ticks();
}

int check_main(int count, const char *const *arguments)
{
    static const listen_platform platform = {io_print, micros, 1};

    (void)count;
    (void)arguments;
    listen_init(&platform);
    for (const char *c = "verify\n"; *c; c++)
        listen_character(*c);
    return 0;
}
