#include "listen_text.h"

static void (*to)(const char *text);

void listen_text_to(void (*write)(const char *text))
{
    to = write;
}

void listen_text(const char *text)
{
    to(text);
}

void listen_number(int64_t number, unsigned places)
{
    char text[24];
    char *place = text + sizeof text - 1;
    uint64_t left = number < 0 ? 0u - (uint64_t)number : (uint64_t)number;
    unsigned digits = 0;

    *place = 0;
    do {
        if (places > 0 && digits == places)
            *--place = '.';
        *--place = (char)('0' + left % 10u);
        left /= 10u;
        digits++;
    } while (left > 0 || digits <= places);
    if (number < 0)
        *--place = '-';
    listen_text(place);
}
