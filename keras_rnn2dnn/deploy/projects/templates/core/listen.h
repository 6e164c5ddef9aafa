/* From a microphone to words on a serial line; the same on every board.
 *
 *     listen_init(&platform);
 *     listen_samples(pcm, count);      the interrupt or thread of the microphone
 *     for (;;) {
 *         listen_character(c);         where one has come over the serial line
 *         listen_poll();
 *     }
 *
 * Lines that it takes: verify, status, start, help. Nothing is allocated; no function of the C
 * library is called. */
#ifndef LISTEN_H
#define LISTEN_H

#include <stddef.h>
#include <stdint.h>

#include "recognizer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Microphones do not run as slowly as some recognizers listen: the rate of the microphone
 * is that of the recognizer, doubled so often. 0: they are the same. */
#ifndef LISTEN_HALVINGS
#if RECOGNIZER_SAMPLE_RATE_HZ >= 16000
#define LISTEN_HALVINGS 0
#elif RECOGNIZER_SAMPLE_RATE_HZ >= 8000
#define LISTEN_HALVINGS 1
#else
#define LISTEN_HALVINGS 2
#endif
#endif
#define LISTEN_MICROPHONE_HZ (RECOGNIZER_SAMPLE_RATE_HZ << LISTEN_HALVINGS)

/* Of the microphone, a power of two: what may come while the main loop is busy. */
#ifndef LISTEN_RING_SAMPLES
#define LISTEN_RING_SAMPLES 4096u
#endif

/* Without a word for so long it says what may be wrong; 0: never. */
#ifndef LISTEN_HINT_SECONDS
#define LISTEN_HINT_SECONDS 10u
#endif
#if LISTEN_HINT_SECONDS > 3600
#error "LISTEN_HINT_SECONDS: an hour at most, as the clock goes round"
#endif

typedef struct {
    void (*write)(const char *text); /* to the serial line, zero-terminated */
    uint32_t (*micros)(void);        /* a clock that goes round after 2^32 */
    int is_live;                     /* 0 for recordings, which have no rate of their own */
} listen_platform;

void listen_init(const listen_platform *platform);

/* Puts samples into the ring; those that find no place are counted. May interrupt all
 * else here, but not itself. Returns how many found a place. */
size_t listen_samples(const int16_t *pcm, size_t count);

/* Counts samples that the driver has lost. In the same place as listen_samples. */
void listen_lost(uint32_t samples);

/* Recognises some of what is in the ring. Returns 0 where there was nothing. */
int listen_poll(void);

/* Begins anew, as the button of push-to-talk does: prints the words that are left, and
 * forgets what was heard. Features with a running mean need it after a pause. */
void listen_start(void);

/* Ends a recording: words that are left, and, without a word, what may be wrong. */
void listen_finish(void);

/* Takes a character of a command; the end of the line runs it. */
void listen_character(char character);

/* Runs the golden recordings, and prints how many bits of words, times and confidences
 * differ. Returns their number. What the microphone gives meanwhile is thrown away. */
uint32_t listen_verify(void);

#ifdef __cplusplus
}
#endif
#endif
