/* The best path of CTC; and what all decoders share: confidence, ends of utterances. */
#if defined(__GNUC__) && !defined(__clang__)
/* keeps the compiler from turning loops into calls of memcpy and memset */
#pragma GCC optimize("no-tree-loop-distribute-patterns")
#endif

#include "decoder.h"

#if defined(__clang__) && __clang_major__ >= 10 /* the same for Clang */
#pragma clang attribute push(__attribute__((no_builtin("memcpy", "memmove", "memset"))), \
                             apply_to = function)
#endif

int32_t decoder_confidence(int64_t gain, uint32_t frames)
{
    const int64_t value = gain * 1000 / (128 * (int64_t)frames);

    if (value > INT32_MAX)
        return INT32_MAX;
    return value < -INT32_MAX ? -INT32_MAX : (int32_t)value;
}

void decoder_clock_start(decoder_clock *clock)
{
    clock->silent = 0;
    clock->spoken = 0;
}

int decoder_clock_step(decoder_clock *clock, int is_silent)
{
    int over = 0;

    if (!is_silent)
        clock->silent = 0;
    else if (clock->silent < UINT32_MAX)
        clock->silent++;
    if ((clock->spoken || !is_silent) && clock->spoken < UINT32_MAX)
        clock->spoken++;
    if (is_silent && clock->silent == clock->silence)
        over = DECODER_QUIET;
    else if (clock->longest && clock->spoken >= clock->longest)
        over = DECODER_LONGEST;
    if (over || (clock->silence && clock->silent >= clock->silence))
        clock->spoken = 0;
    return over;
}

#if !defined(DECODER_WORD_LOOP) && !defined(DECODER_SPOTTER)

#define GAIN_SHIFT 9 /* from 2^-16 nats to 2^-7 */

void decoder_init(decoder_state *state)
{
    state->frame = 0;
    state->start = 0;
    state->gain = 0;
    state->frames = 0;
    state->label = DECODER_BLANK;
    decoder_clock_start(&state->clock);
}

static void end_label(decoder_state *state, decoder_emit emit, void *context)
{
    decoder_word word;
    int64_t gain;

    if (state->label == DECODER_BLANK)
        return;
    gain = (int64_t)state->gain * DECODER_SLOPE; /* shifted towards -infinity */
    gain = gain < 0 ? -((-gain + (1 << GAIN_SHIFT) - 1) >> GAIN_SHIFT) : gain >> GAIN_SHIFT;
    word.word = state->label;
    word.start = state->start;
    word.end = state->frame;
    word.confidence = decoder_confidence(gain, word.end - word.start);
    emit(&word, context);
}

int decoder_step(decoder_state *state, const int8_t *logits, decoder_emit emit,
                 void *context)
{
    uint16_t best = 0;

    for (uint16_t label = 1; label < DECODER_WORDS; label++)
        if (logits[label] > logits[best])
            best = label;
    if (best != state->label) {
        end_label(state, emit, context);
        state->label = best;
        state->start = state->frame;
        state->gain = 0;
        state->frames = 0;
    }
    if (state->frames < UINT16_MAX) {
        state->gain += logits[best] - logits[DECODER_BLANK];
        state->frames++;
    }
    state->frame++;
    return decoder_clock_step(&state->clock, best == DECODER_BLANK);
}

void decoder_finish(decoder_state *state, decoder_emit emit, void *context)
{
    end_label(state, emit, context);
    state->label = DECODER_BLANK;
}

#endif

#if defined(__clang__) && __clang_major__ >= 10
#pragma clang attribute pop
#endif
