/* Words from PCM on standard input: mono, 16 bits little-endian, @rate@ Hz.
 *
 *     arecord -q -t raw -f S16_LE -r @rate@ | listen
 *     listen verify           the golden recordings; exit code 0 where no bit differs
 *     listen commands         standard input is the serial line of a board: verify, status
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "listen.h"

#define BLOCK_SAMPLES 256

static void write_text(const char *text)
{
    fputs(text, stdout);
    fflush(stdout);
}

static uint32_t micros(void)
{
    return (uint32_t)((double)clock() * 1e6 / CLOCKS_PER_SEC);
}

static void hear(void)
{
    unsigned char bytes[2 * BLOCK_SAMPLES];
    int16_t pcm[BLOCK_SAMPLES];
    size_t count;

    while ((count = fread(bytes, 2, BLOCK_SAMPLES, stdin)) > 0) {
        for (size_t k = 0; k < count; k++)
            pcm[k] = (int16_t)(uint16_t)(bytes[2 * k] | bytes[2 * k + 1] << 8);
        listen_samples(pcm, count);
        while (listen_poll())
            ;
    }
    listen_finish();
}

int main(int count, char **arguments)
{
    static const listen_platform platform = {write_text, micros, 0};

    listen_init(&platform);
    if (count == 1) {
        hear();
    } else if (count == 2 && strcmp(arguments[1], "verify") == 0) {
        return listen_verify() != 0;
    } else if (count == 2 && strcmp(arguments[1], "commands") == 0) {
        for (int character; (character = getchar()) != EOF;)
            listen_character((char)character);
    } else {
        fputs("usage: listen [verify | commands]\n", stderr);
        return 2;
    }
    return 0;
}
