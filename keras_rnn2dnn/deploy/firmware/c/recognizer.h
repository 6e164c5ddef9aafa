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
    int32_t confidence; /* by how much the word explains its frames better than silence
                           and other speech do: thousandths of a nat for each frame. Of
                           a keyword spotter log(p / (1 - p)) of its averaged posterior */
} recognizer_word;

/* An utterance that is over: after silence, or because it is long. */
typedef struct {
    uint32_t start_ms; /* of the first word or other speech of it, as of words */
    uint32_t end_ms;   /* of the last one */
    uint32_t words;    /* how many were reported */
} recognizer_utterance;

/* A callback must not call recognizer_init; recognizer_push and recognizer_finish do
 * nothing in it. Set a flag, and act on it after recognizer_push. */
typedef void (*recognizer_on_word)(const recognizer_word *word, void *context);
typedef void (*recognizer_on_utterance)(const recognizer_utterance *utterance,
                                        void *context);

typedef struct {
    features_state features;
    decoder_state decoder;
    network_state network;
    int8_t logits[NETWORK_OUTPUTS]; /* of the last output frame */
    uint32_t frames;               /* input frames so far, up to a whole round */
    uint32_t busy;                 /* 1 while a callback may run */
    union {                        /* never needed at the same time */
        features_scratch features;
        network_step_scratch network;
    } scratch;
    const uint8_t *keywords;       /* not 0 for words that are reported; NULL: all are */
    int32_t threshold;             /* least confidence of a word that is reported */
    uint32_t suppressed;           /* output frames after a word without another */
    uint32_t hit_end, was_hit;     /* output frame in which a word ended, if any */
    uint32_t speech_start, speech_end, words, is_speech; /* of the utterance, if any */
    recognizer_on_word on_word;
    recognizer_on_utterance on_utterance; /* may be set after init */
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

/* The following may be called at any time, in a callback too; recognizer_init sets what
 * the bundle was converted with. */

/* Words of less confidence are not reported. Thousandths of a nat. */
void recognizer_set_threshold(recognizer *r, int32_t threshold);

/* `reported` has a number for each of the DECODER_WORDS words, 0 for those that are passed
 * over; it is read until it is set anew. NULL: all words are reported. */
void recognizer_set_keywords(recognizer *r, const uint8_t *reported);

/* After a word that was reported none is that ends within so many milliseconds. */
void recognizer_set_suppression(recognizer *r, uint32_t ms);

/* Silence that ends an utterance, and the longest utterance; 0: none does, any is.
 * A silence that has begun already does not count. */
void recognizer_set_utterances(recognizer *r, uint32_t silence_ms, uint32_t longest_ms);

/* Takes the next samples, as many as there are, and reports the words that are certain.
 * Returns the number of output frames computed. */
uint32_t recognizer_push(recognizer *r, const int16_t *pcm, size_t count);

/* Ends the utterance, reports the words that are left, and starts another one, with the
 * time 0. For recordings; what is always on needs none. */
void recognizer_finish(recognizer *r);

#ifdef __cplusplus
}
#endif
#endif
