/* The golden recordings, and what differs from them. */
#ifndef LISTEN_VERIFY_H
#define LISTEN_VERIFY_H

#include <stdint.h>

#include "recognizer.h"

#define LISTEN_NO_MORE (UINT32_MAX - 1u) /* the end of an utterance, instead of a word */

typedef struct {
    const int16_t *pcm;
    uint32_t samples;
    const uint32_t (*events)[4]; /* word, start, end, confidence; or LISTEN_NO_MORE, start,
                                    end, number of words. NULL where there are none */
    uint32_t num_events;
} listen_golden_recording;

#ifndef LISTEN_NO_GOLDEN /* leaves them out, and saves their flash */
extern const listen_golden_recording listen_golden[];
extern const uint32_t listen_golden_count;
#endif

/* Runs and prints. Returns the number of bits that differ, UINT32_MAX where the recordings
 * are left out. The recognizer has to be initialized after it. */
uint32_t listen_verify_with(recognizer *device);

#endif
