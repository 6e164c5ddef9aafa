/* From int8 logits to words with their times, in a stream. No heap, no libc. */
#ifndef DECODER_H
#define DECODER_H

#include <stdint.h>

#include "decoder_table.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A recognised word: decoder_words[word], from output frame `start` up to, not with,
 * `end`. A word that lasts for more than 65,535 frames starts that long before it ends.
 * Other speech has the number DECODER_WORDS. A keyword of a window that moves on
 * (DECODER_SPOTTER) is emitted again for every output frame in which it is heard; it
 * lies where all windows overlap whose posteriors are averaged. */
typedef struct {
    uint16_t word;
    uint32_t start;
    uint32_t end;
    int32_t confidence; /* thousandths of a nat for each output frame */
} decoder_word;

typedef void (*decoder_emit)(const decoder_word *word, void *context);

/* When an utterance is over, in output frames. The limits stay as they are set. */
typedef struct {
    uint32_t silence; /* that ends an utterance, 0: none does */
    uint32_t longest; /* utterance, 0: as long as it will */
    uint32_t silent;  /* frames of silence so far */
    uint32_t spoken;  /* frames of the utterance so far */
} decoder_clock;

#define DECODER_QUIET 1
#define DECODER_LONGEST 2

#if defined(DECODER_WORD_LOOP)
typedef struct {
    int64_t background; /* score of silence and other speech alone */
    decoder_clock clock;
    uint32_t frame;                          /* output frames so far */
    int32_t score[DECODER_NODES];            /* of the best path into each node */
    uint32_t base[DECODER_NODES];            /* less the background, as its word began */
    int32_t gain[DECODER_HISTORY_FRAMES];    /* records: what the word gained, */
    uint16_t age[DECODER_NODES];             /* frames in its word, 65,535 at most */
    uint16_t last[DECODER_NODES];            /* its last record, 0: none pending */
    uint16_t first[DECODER_NODES];           /* its oldest record, 0: none pending */
    uint16_t word[DECODER_HISTORY_FRAMES];     /* the word that ended, */
    uint16_t duration[DECODER_HISTORY_FRAMES]; /* its frames, */
    uint16_t before[DECODER_HISTORY_FRAMES];   /* the record before it, 0: none */
    uint16_t place; /* of this frame's record */
    uint16_t begun; /* 0 before the first frame */
} decoder_state;
#elif defined(DECODER_SPOTTER)
typedef struct {
    decoder_clock clock;
    uint32_t frame;                                 /* output frames so far */
    uint32_t sum[DECODER_WORDS];                    /* of posteriors, each 24 bits */
    uint16_t age;                                   /* as frame, 65,535 at most */
    uint16_t place;                                 /* of the oldest of these: */
    int8_t logits[DECODER_SMOOTHED * DECODER_WORDS]; /* of the last output frames */
} decoder_state;
#else
typedef struct {
    decoder_clock clock;
    uint32_t frame;
    uint32_t start;
    int32_t gain;    /* of the label over the blank, steps of the logits */
    uint16_t frames; /* of the label that have counted, 65,535 at most */
    uint16_t label;  /* of the last frame */
} decoder_state;
#endif

/* The labels, as UTF-8. */
extern const char *const decoder_words[DECODER_WORDS];
#ifdef DECODER_KEYWORDS
extern const uint8_t decoder_keywords[DECODER_WORDS]; /* 1 for those to report */
#endif

/* All but the limits of the clock, which are set by hand. */
void decoder_init(decoder_state *state);

/* Takes the logits of one output frame and emits the words that are certain now. Returns
 * DECODER_QUIET or DECODER_LONGEST where an utterance is over, else 0. */
int decoder_step(decoder_state *state, const int8_t *logits, decoder_emit emit,
                 void *context);

/* Ends the utterance: emits the words that are left. Call decoder_init before more. */
void decoder_finish(decoder_state *state, decoder_emit emit, void *context);

/* Of all decoders; `gain` of all `frames` in 2^-7 nats. */
int32_t decoder_confidence(int64_t gain, uint32_t frames);
void decoder_clock_start(decoder_clock *clock);
int decoder_clock_step(decoder_clock *clock, int is_silent);

#ifdef __cplusplus
}
#endif
#endif
