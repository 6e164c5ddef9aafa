/* Keywords in the posteriors of a window that moves on.
 *
 * The posteriors of the last DECODER_SMOOTHED outputs are summed in fixed point. Where
 * the best class of the sums is a keyword, it is emitted with its confidence, output
 * after output; what is reported of it is up to the threshold and the suppression of
 * the recognizer. */
#if defined(__GNUC__) && !defined(__clang__)
/* keeps the compiler from turning loops into calls of memcpy and memset */
#pragma GCC optimize("no-tree-loop-distribute-patterns")
#endif

#include "decoder.h"

#define DECODER_TABLES
#include "decoder_table.h"

#if defined(__clang__) && __clang_major__ >= 10 /* the same for Clang */
#pragma clang attribute push(__attribute__((no_builtin("memcpy", "memmove", "memset"))), \
                             apply_to = function)
#endif

#define POSTERIOR_BITS 24
#define LOG_BITS 16
#define MILLINATS_PER_BIT 693147 /* of 10^-3: 1000 ln 2 */

void decoder_init(decoder_state *state)
{
    state->frame = 0;
    state->age = 0;
    state->place = 0;
    for (uint32_t label = 0; label < DECODER_WORDS; label++)
        state->sum[label] = 0;
    decoder_clock_start(&state->clock);
}

/* Returns exp(logit - best), 1 is 2^POSTERIOR_BITS. */
static uint32_t exponential(int best, int logit)
{
    const uint32_t below = (uint32_t)(best - logit);

    return below < DECODER_EXPONENTIALS ? decoder_exponentials[below] : 0;
}

/* Adds the posteriors of an output to the sums, or takes them off again. */
static void add_posteriors(decoder_state *state, const int8_t *logits, int is_over)
{
    int best = logits[0];
    uint64_t all = 0;
    uint32_t inverse;

    for (uint32_t label = 1; label < DECODER_WORDS; label++)
        best = logits[label] > best ? logits[label] : best;
    for (uint32_t label = 0; label < DECODER_WORDS; label++)
        all += exponential(best, logits[label]);
    inverse = (uint32_t)((UINT64_C(1) << (2 * POSTERIOR_BITS)) / all);
    for (uint32_t label = 0; label < DECODER_WORDS; label++) {
        const uint32_t own = exponential(best, logits[label]);
        const uint64_t product = (uint64_t)own * inverse;
        const uint32_t posterior = (uint32_t)(product >> POSTERIOR_BITS);

        state->sum[label] += is_over ? 0u - posterior : posterior;
    }
}

/* Returns the logarithm to base 2 of a number above 0, a bit of it after the other. */
static int32_t logarithm(uint32_t x)
{
    uint32_t found = 31u << LOG_BITS;

    for (; x < UINT32_C(1) << 31; x <<= 1)
        found -= 1u << LOG_BITS;
    for (uint32_t bit = 1u << (LOG_BITS - 1); bit > 0; bit >>= 1) {
        const uint64_t square = (uint64_t)x * x;

        x = (uint32_t)(square >> 31);
        if (square >> 63) {
            x = (uint32_t)(square >> 32);
            found |= bit;
        }
    }
    return (int32_t)found;
}

/* Returns log(p / (1 - p)) in thousandths of a nat, of p = sum / whole. */
static int32_t confidence_of(uint32_t sum, uint32_t whole)
{
    const uint32_t rest = whole > sum ? whole - sum : 1;
    const int64_t bits = (int64_t)logarithm(sum) - logarithm(rest);

    return (int32_t)(bits * MILLINATS_PER_BIT / (INT64_C(1000) << LOG_BITS));
}

static uint32_t at_most(uint32_t value, uint32_t most)
{
    return value < most ? value : most;
}

int decoder_step(decoder_state *state, const int8_t *logits, decoder_emit emit,
                 void *context)
{
    int8_t *kept = state->logits + (uint32_t)state->place * DECODER_WORDS;
    uint32_t best = 0;
    decoder_word word;

    if (state->age >= DECODER_SMOOTHED)
        add_posteriors(state, kept, 1);
    add_posteriors(state, logits, 0);
    for (uint32_t label = 0; label < DECODER_WORDS; label++) {
        kept[label] = logits[label];
        if (state->sum[label] > state->sum[best])
            best = label;
    }
    state->place = (uint16_t)(state->place + 1u);
    if (state->place == DECODER_SMOOTHED)
        state->place = 0;
    if (!decoder_none[best]) {
        const uint32_t count = at_most(state->age + 1u, DECODER_SMOOTHED);

        word.word = (uint16_t)best;
        word.start = state->frame - at_most(state->age, DECODER_WINDOW);
        word.end = state->frame - at_most(state->age, DECODER_LAG);
        word.confidence = confidence_of(state->sum[best], count << POSTERIOR_BITS);
        emit(&word, context);
    }
    if (state->age < UINT16_MAX)
        state->age++;
    state->frame++;
    return decoder_clock_step(&state->clock, decoder_none[best]);
}

void decoder_finish(decoder_state *state, decoder_emit emit, void *context)
{
    (void)state; /* each output is told of at once */
    (void)emit;
    (void)context;
}

#if defined(__clang__) && __clang_major__ >= 10
#pragma clang attribute pop
#endif
