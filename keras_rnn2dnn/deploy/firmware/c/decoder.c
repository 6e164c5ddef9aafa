/* Viterbi search over a loop of words (DECODER_WORD_LOOP), or the best path of CTC.
 *
 * Word loop: each node of the loop (the states of each word, then silence) holds the
 * best path that ends there, in fixed point. When a path leaves a word, a record of the
 * word is made in a ring with one place for each frame. A word is emitted as soon as all
 * paths agree on it; one that they still disagree on after DECODER_HISTORY_FRAMES is
 * decided by the best path, and the paths that disagree end. */
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
    state->age[to] = state->age[from];
    state->last[to] = state->last[from];
    state->first[to] = state->first[from];
}

void decoder_init(decoder_state *state)
{
    state->frame = 0;
    for (uint32_t node = 0; node < DECODER_NODES; node++) {
        kill_path(state, node);
        state->age[node] = 0;
    }
    for (uint32_t word = 0; word < DECODER_WORDS; word++)
        state->score[decoder_first_node[word]] = DECODER_PENALTY;
#ifdef DECODER_SILENCE
    state->score[SILENCE] = 0;
#endif
}

/* Emits a record that all living paths begin with, and takes it off them. */
static void commit(decoder_state *state, uint16_t record, decoder_emit emit,
                   void *context)
{
    const uint32_t place = record - 1u;
    const uint32_t now = state->frame % DECODER_HISTORY_FRAMES;
    const uint32_t age = (now + DECODER_HISTORY_FRAMES - place) % DECODER_HISTORY_FRAMES;
    decoder_word word;

    /* At the start of a frame the place of this frame still holds its oldest record. */
    word.end = state->frame - (age ? age : DECODER_HISTORY_FRAMES);
    word.start = word.end - state->duration[place];
    word.word = state->word[place];
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
    const uint16_t oldest = (uint16_t)(state->frame % DECODER_HISTORY_FRAMES + 1u);
    const int chosen = state->first[best_node(state)] == oldest;
    int pending = 0;

    for (uint32_t node = 0; node < DECODER_NODES; node++)
        pending |= is_alive(state, node) && state->first[node] == oldest;
    if (!pending)
        return;
    for (uint32_t node = 0; node < DECODER_NODES; node++)
        if ((state->first[node] == oldest) != chosen)
            kill_path(state, node);
    if (chosen)
        commit(state, oldest, emit, context);
}

/* Returns the word whose last node has the best path. */
static uint32_t best_word(const decoder_state *state)
{
    uint32_t best = 0;

    for (uint32_t word = 1; word < DECODER_WORDS; word++)
        if (state->score[decoder_last_node[word]] >
            state->score[decoder_last_node[best]])
            best = word;
    return best;
}

/* Moves all paths by one frame. A path that stays wins over one that comes as good. */
static void move(decoder_state *state)
{
    const uint32_t word = best_word(state), end = decoder_last_node[word];
    const uint16_t record = (uint16_t)(state->frame % DECODER_HISTORY_FRAMES + 1u);
    const int32_t end_score = state->score[end];
    const uint16_t end_first = state->first[end] ? state->first[end] : record;
    int32_t source_score = end_score;
    uint16_t source_last = record, source_first = end_first;

    state->word[record - 1u] = (uint16_t)word;
    state->duration[record - 1u] = state->age[end];
    state->before[record - 1u] = state->last[end];
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
    for (uint32_t w = 0; w < DECODER_WORDS; w++) {
        const uint32_t first = decoder_first_node[w];
        const int32_t entry = source_score + DECODER_MOVE + DECODER_PENALTY;

        for (uint32_t node = decoder_last_node[w]; node > first; node--)
            if (state->score[node - 1] + DECODER_MOVE > state->score[node])
                copy_path(state, node, node - 1, state->score[node - 1] + DECODER_MOVE);
        if (entry > state->score[first]) {
            state->score[first] = entry;
            state->age[first] = 0;
            state->last[first] = source_last;
            state->first[first] = source_first;
        }
    }
}

/* Adds the frame and its scores, relative to the best path, which gets 0. */
static void add_scores(decoder_state *state, const int8_t *logits)
{
    int32_t best = INT32_MIN;

    for (uint32_t node = 0; node < DECODER_NODES; node++) {
        const uint32_t label = decoder_state_of_node[node];

        state->score[node] += DECODER_SLOPE * logits[label] + decoder_offset[label];
        if (state->score[node] > best)
            best = state->score[node];
    }
    for (uint32_t node = 0; node < DECODER_NODES; node++) {
        state->score[node] -= best;
        if (state->age[node] < UINT16_MAX)
            state->age[node]++;
        if (!is_alive(state, node))
            kill_path(state, node);
    }
}

/* Returns the record that all living paths begin with, or 0. */
static uint16_t common_record(const decoder_state *state)
{
    uint16_t common = 0;

    for (uint32_t node = 0; node < DECODER_NODES; node++) {
        if (!is_alive(state, node))
            continue;
        if (!state->first[node] || (common && state->first[node] != common))
            return 0;
        common = state->first[node];
    }
    return common;
}

void decoder_step(decoder_state *state, const int8_t *logits, decoder_emit emit,
                  void *context)
{
    uint16_t record;

    if (state->frame > 0) {
        decide(state, emit, context);
        move(state);
    }
    add_scores(state, logits);
    state->frame++;
    while ((record = common_record(state)) != 0)
        commit(state, record, emit, context);
}

void decoder_finish(decoder_state *state, decoder_emit emit, void *context)
{
    const uint32_t best = best_word(state);
    uint32_t node = decoder_last_node[best];
    int ends_in_word = 1;
    decoder_word word;

    if (state->frame == 0)
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
    while (state->first[node])
        commit(state, state->first[node], emit, context);
    if (ends_in_word)
        emit(&word, context);
}

#else /* the best path of CTC */

void decoder_init(decoder_state *state)
{
    state->frame = 0;
    state->start = 0;
    state->label = DECODER_BLANK;
}

static void end_label(decoder_state *state, decoder_emit emit, void *context)
{
    decoder_word word;

    if (state->label == DECODER_BLANK)
        return;
    word.word = state->label;
    word.start = state->start;
    word.end = state->frame;
    emit(&word, context);
}

void decoder_step(decoder_state *state, const int8_t *logits, decoder_emit emit,
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
    }
    state->frame++;
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
