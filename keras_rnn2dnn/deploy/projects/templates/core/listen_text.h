/* Numbers as text, without the C library. */
#ifndef LISTEN_TEXT_H
#define LISTEN_TEXT_H

#include <stdint.h>

/* Where `listen_text` and all that follow write to. */
void listen_text_to(void (*write)(const char *text));

void listen_text(const char *text);

/* 1234 as 1234, with `places` 2 as 12.34 */
void listen_number(int64_t number, unsigned places);

#endif
