/* From int8 logits to words with their times, in a stream. No heap, no libc. */
#ifndef DECODER_H
#define DECODER_H

#include <stdint.h>

#include "decoder_table.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A recognised word: decoder_words[word], from output frame `start` up to, not with,
 * `end`. A word that lasts for more than 65,535 frames starts that long before it ends. */
typedef struct {
    uint16_t word;
    uint32_t start;
    uint32_t end;
} decoder_word;

typedef void (*decoder_emit)(const decoder_word *word, void *context);

#if defined(DECODER_WORD_LOOP)
typedef struct {
    uint32_t frame;                          /* output frames so far */
    int32_t score[DECODER_NODES];            /* of the best path into each node */
    uint16_t age[DECODER_NODES];             /* frames in its word, 65,535 at most */
    uint16_t last[DECODER_NODES];            /* its last record, 0: none pending */
    uint16_t first[DECODER_NODES];           /* its oldest record, 0: none pending */
    uint16_t word[DECODER_HISTORY_FRAMES];     /* records: the word that ended, */
    uint16_t duration[DECODER_HISTORY_FRAMES]; /* its frames, */
    uint16_t before[DECODER_HISTORY_FRAMES];   /* the record before it, 0: none */
} decoder_state;
#else
typedef struct {
    uint32_t frame;
    uint32_t start;
    uint16_t label; /* of the last frame */
} decoder_state;
#endif

/* The labels, as UTF-8. */
extern const char *const decoder_words[DECODER_WORDS];

void decoder_init(decoder_state *state);

/* Takes the logits of one output frame and emits the words that are certain now. */
void decoder_step(decoder_state *state, const int8_t *logits, decoder_emit emit,
                  void *context);

/* Ends the utterance: emits the words that are left. Call decoder_init before more. */
void decoder_finish(decoder_state *state, decoder_emit emit, void *context);

#ifdef __cplusplus
}
#endif
#endif
