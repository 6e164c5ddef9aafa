/* Viterbi search over a loop of words (DECODER_WORD_LOOP).
 *
 * Each node of the loop (the states of each word, those of other speech, then silence)
 * holds the best path that ends there, in fixed point. When a path leaves a word, a
 * record of the word is made in a ring with one place for each frame. A word is emitted
 * as soon as all paths agree on it that are within DECODER_MARGIN of the best; one that
 * they still disagree on after DECODER_HISTORY_FRAMES is decided by the best path. The
 * paths that disagree end. Other speech is a word of the number DECODER_WORDS. */
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

#if defined(DECODER_WORD_LOOP)

#define DEAD (-(INT32_C(1) << 28)) /* score of a node that no path reaches */
#define HOPELESS (DEAD / 2)
#define SILENCE (DECODER_NODES - 1) /* the last node, where the topology has silence */

#ifdef DECODER_OTHER
#define CHAINS (DECODER_WORDS + 1u) /* of nodes: those of the words, other speech */
#define PENALTY_OF(word) \
    ((word) == DECODER_WORDS ? DECODER_OTHER_PENALTY : DECODER_PENALTY)
#else
#define CHAINS DECODER_WORDS
#define PENALTY_OF(word) DECODER_PENALTY
#endif

static int is_alive(const decoder_state *state, uint32_t node)
{
    return state->score[node] > HOPELESS;
}

/* A dead node must not point into the ring, which goes on without it. */
static void kill_path(decoder_state *state, uint32_t node)
{
    state->score[node] = DEAD;
    state->last[node] = 0;
    state->first[node] = 0;
}

static void copy_path(decoder_state *state, uint32_t to, uint32_t from, int32_t score)
{
    state->score[to] = score;
    state->base[to] = state->base[from];
    state->age[to] = state->age[from];
    state->last[to] = state->last[from];
    state->first[to] = state->first[from];
}

void decoder_init(decoder_state *state)
{
    state->frame = 0;
    state->place = 0;
    state->begun = 0;
    state->background = 0;
    decoder_clock_start(&state->clock);
    for (uint32_t node = 0; node < DECODER_NODES; node++) {
        kill_path(state, node);
        state->age[node] = 0;
        state->base[node] = 0;
    }
    for (uint32_t word = 0; word < CHAINS; word++)
        state->score[decoder_first_node[word]] = PENALTY_OF(word);
#ifdef DECODER_SILENCE
    state->score[SILENCE] = 0;
#endif
}

/* A path less that of silence and other speech, which no search has pruned: its high
 * bits, of which differences count. */
static uint32_t over_background(const decoder_state *state, int32_t score)
{
    return (uint32_t)((uint64_t)(score - state->background) >> DECODER_GAIN_SHIFT);
}

/* By how much a path beats the background since its word began. */
static int32_t gain_of(const decoder_state *state, uint32_t node)
{
    return (int32_t)(over_background(state, state->score[node]) - state->base[node]);
}

/* Emits a record, and takes it off the paths that begin with it. */
static void commit(decoder_state *state, uint16_t record, decoder_emit emit,
                   void *context)
{
    const uint32_t place = record - 1u;
    const uint32_t now = state->place;
    const uint32_t age = now > place ? now - place : now + DECODER_HISTORY_FRAMES - place;
    decoder_word word;

    /* At the start of a frame the place of this frame still holds its oldest record. */
    word.end = state->frame - age;
    word.start = word.end - state->duration[place];
    word.word = state->word[place];
    word.confidence = decoder_confidence(state->gain[place], word.end - word.start);
    for (uint32_t node = 0; node < DECODER_NODES; node++) {
        uint16_t next = state->last[node];

        if (state->first[node] != record)
            continue;
        if (next == record) {
            state->last[node] = 0;
            state->first[node] = 0;
            continue;
        }
        while (state->before[next - 1u] != record)
            next = state->before[next - 1u];
        state->first[node] = next;
    }
    emit(&word, context);
}

/* Emits a record; the paths without it end, but for one that was silent all the time,
 * which may have come from it too. */
static void choose(decoder_state *state, uint16_t record, decoder_emit emit,
                   void *context)
{
    for (uint32_t node = 0; node < DECODER_NODES; node++) {
#ifdef DECODER_SILENCE
        if (node == SILENCE && !state->first[node])
            continue;
#endif
        if (state->first[node] != record)
            kill_path(state, node);
    }
    commit(state, record, emit, context);
}

static uint32_t best_node(const decoder_state *state)
{
    uint32_t best = 0;

    for (uint32_t node = 1; node < DECODER_NODES; node++)
        if (state->score[node] > state->score[best])
            best = node;
    return best;
}

/* Frees the place of this frame's record: the best path decides. */
static void decide(decoder_state *state, decoder_emit emit, void *context)
{
    const uint16_t oldest = (uint16_t)(state->place + 1u);
    int pending = 0;

    for (uint32_t node = 0; node < DECODER_NODES; node++)
        pending |= is_alive(state, node) && state->first[node] == oldest;
    if (!pending)
        return;
    if (state->first[best_node(state)] == oldest) {
        choose(state, oldest, emit, context);
        return;
    }
    for (uint32_t node = 0; node < DECODER_NODES; node++)
        if (state->first[node] == oldest)
            kill_path(state, node);
}

/* Returns the word whose last node has the best path. */
static uint32_t best_word(const decoder_state *state)
{
    uint32_t best = 0;

    for (uint32_t word = 1; word < CHAINS; word++)
        if (state->score[decoder_last_node[word]] >
            state->score[decoder_last_node[best]])
            best = word;
    return best;
}

/* Moves all paths by one frame. A path that stays wins over one that comes as good. */
static void move(decoder_state *state)
{
    const uint32_t word = best_word(state), end = decoder_last_node[word];
    const uint16_t record = (uint16_t)(state->place + 1u);
    const int32_t end_score = state->score[end];
    const uint16_t end_first = state->first[end] ? state->first[end] : record;
    int32_t source_score = end_score;
    uint16_t source_last = record, source_first = end_first;
    uint32_t base;

    state->word[record - 1u] = (uint16_t)word;
    state->duration[record - 1u] = state->age[end];
    state->before[record - 1u] = state->last[end];
    state->gain[record - 1u] = gain_of(state, end);
#ifdef DECODER_SILENCE
    if (state->score[SILENCE] > end_score) {
        source_score = state->score[SILENCE];
        source_last = state->last[SILENCE];
        source_first = state->first[SILENCE];
    }
    if (end_score + DECODER_MOVE > state->score[SILENCE]) {
        state->score[SILENCE] = end_score + DECODER_MOVE;
        state->last[SILENCE] = record;
        state->first[SILENCE] = end_first;
    }
#endif
    base = over_background(state, source_score);
    for (uint32_t w = 0; w < CHAINS; w++) {
        const uint32_t first = decoder_first_node[w];
        const int32_t entry = source_score + DECODER_MOVE + PENALTY_OF(w);

        for (uint32_t node = decoder_last_node[w]; node > first; node--)
            if (state->score[node - 1] + DECODER_MOVE > state->score[node])
                copy_path(state, node, node - 1, state->score[node - 1] + DECODER_MOVE);
        if (entry > state->score[first]) {
            state->score[first] = entry;
            state->age[first] = 0;
            state->base[first] = base;
            state->last[first] = source_last;
            state->first[first] = source_first;
        }
    }
}

/* Adds the frame and its scores, relative to the best path, which gets 0. */
static void add_scores(decoder_state *state, const int8_t *logits)
{
    int32_t best = INT32_MIN, none = INT32_MIN; /* none: of what is no word */

    for (uint32_t k = 0; k < DECODER_BACKGROUND; k++) {
        const uint32_t label = decoder_background[k];
        const int32_t score = DECODER_SLOPE * logits[label] + decoder_offset[label];

        none = score > none ? score : none;
    }
    for (uint32_t node = 0; node < DECODER_NODES; node++) {
        const uint32_t label = decoder_state_of_node[node];

        state->score[node] += DECODER_SLOPE * logits[label] + decoder_offset[label];
        if (state->score[node] > best)
            best = state->score[node];
    }
    state->background += (int64_t)none - best;
    for (uint32_t node = 0; node < DECODER_NODES; node++) {
        state->score[node] -= best;
        if (state->age[node] < UINT16_MAX)
            state->age[node]++;
        if (!is_alive(state, node))
            kill_path(state, node);
    }
}

/* Returns the record that all paths near the best one begin with, or 0. */
static uint16_t common_record(const decoder_state *state)
{
    uint16_t common = 0;

    for (uint32_t node = 0; node < DECODER_NODES; node++) {
        if (state->score[node] < -DECODER_MARGIN)
            continue;
        if (!state->first[node] || (common && state->first[node] != common))
            return 0;
        common = state->first[node];
    }
    return common;
}

/* Ends an utterance by its best path, which goes on. */
static void end_utterance(decoder_state *state, uint32_t node, int is_quiet,
                          decoder_emit emit, void *context)
{
    while (state->first[node])
        choose(state, state->first[node], emit, context);
    for (uint32_t k = 0; is_quiet && k + 1 < DECODER_NODES; k++)
        if (state->first[k] || state->age[k] > state->clock.silent)
            kill_path(state, k); /* a word that began before the silence */
}

int decoder_step(decoder_state *state, const int8_t *logits, decoder_emit emit,
                 void *context)
{
    uint16_t record;
    uint32_t node;
    int over, is_silent = 0;

    if (state->begun) {
        decide(state, emit, context);
        move(state);
    }
    add_scores(state, logits);
    state->begun = 1;
    state->frame++;
    state->place = (uint16_t)(state->place + 1u);
    if (state->place == DECODER_HISTORY_FRAMES)
        state->place = 0;
    while ((record = common_record(state)) != 0)
        choose(state, record, emit, context);
#ifdef DECODER_SILENCE
    is_silent = state->score[SILENCE] == 0;
#endif
    over = decoder_clock_step(&state->clock, is_silent);
    if (over) {
        node = is_silent ? DECODER_NODES - 1u : best_node(state);
        end_utterance(state, node, over == DECODER_QUIET, emit, context);
    }
    return over;
}

void decoder_finish(decoder_state *state, decoder_emit emit, void *context)
{
    const uint32_t best = best_word(state);
    uint32_t node = decoder_last_node[best];
    int ends_in_word = 1;
    decoder_word word;

    if (!state->begun)
        return;
#ifdef DECODER_SILENCE
    if (state->score[SILENCE] > state->score[node]) {
        node = SILENCE;
        ends_in_word = 0;
    }
#endif
    if (!is_alive(state, node))
        return;
    word.word = (uint16_t)best;
    word.end = state->frame;
    word.start = state->frame - state->age[node];
    word.confidence = decoder_confidence(gain_of(state, node), word.end - word.start);
    while (state->first[node])
        commit(state, state->first[node], emit, context);
    if (ends_in_word)
        emit(&word, context);
}

#endif

#if defined(__clang__) && __clang_major__ >= 10
#pragma clang attribute pop
#endif
