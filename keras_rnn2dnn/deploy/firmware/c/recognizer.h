/* From 16-bit PCM to words: features, context window, int8 network, decoder.
 *
 *     static recognizer r;
 *     recognizer_init(&r, on_word, NULL);
 *     for (;;) recognizer_push(&r, pcm, count);   (any count, also 1)
 *
 * Everything lies in the one structure; nothing is allocated, and no function of the
 * C library is called. */
#ifndef RECOGNIZER_H
#define RECOGNIZER_H

#include <stddef.h>
#include <stdint.h>

#include "decoder.h"
#include "speech_features.h"
#include "network.h"

#ifdef __cplusplus
extern "C" {
#endif

#define RECOGNIZER_SAMPLE_RATE_HZ FEATURES_SAMPLE_RATE_HZ

typedef struct {
    const char *text;  /* the label, UTF-8 */
    uint16_t index;    /* its number in decoder_words */
    uint32_t start_ms; /* since recognizer_init or recognizer_finish */
    uint32_t end_ms;
} recognizer_word;

/* A callback must not call recognizer_init; recognizer_push and recognizer_finish do
 * nothing in it. Set a flag, and act on it after recognizer_push. */
typedef void (*recognizer_on_word)(const recognizer_word *word, void *context);

typedef struct {
    features_state features;
    decoder_state decoder;
    network_state network;
    int8_t logits[NETWORK_OUTPUTS]; /* of the last output frame */
    uint32_t frames;               /* input frames so far */
    uint32_t busy;                 /* 1 while a callback may run */
    union {                        /* never needed at the same time */
        features_scratch features;
        network_step_scratch network;
    } scratch;
    recognizer_on_word on_word;
    void (*on_logits)(const int8_t *logits, void *context); /* may be set after init */
    void *context;
} recognizer;

#if UINTPTR_MAX <= 0xFFFFFFFFu
/* The RAM that report.json states; a build that needs more does not compile. */
typedef char recognizer_fits_its_budget[sizeof(recognizer) <= RECOGNIZER_RAM_BYTES ? 1
                                                                                   : -1];
#endif

/* Starts an utterance. `context` is handed to `on_word`. */
void recognizer_init(recognizer *r, recognizer_on_word on_word, void *context);

/* Takes the next samples, as many as there are, and reports the words that are certain.
 * Returns the number of output frames computed. */
uint32_t recognizer_push(recognizer *r, const int16_t *pcm, size_t count);

/* Ends the utterance, reports the words that are left, and starts another one. */
void recognizer_finish(recognizer *r);

#ifdef __cplusplus
}
#endif
#endif
