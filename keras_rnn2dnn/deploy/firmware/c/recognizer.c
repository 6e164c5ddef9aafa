/* The stages in a row. Beyond both ends of an utterance the window repeats the first
 * and the last frame, as in training. */
#if defined(__GNUC__) && !defined(__clang__)
/* keeps the compiler from turning loops into calls of memcpy and memset */
#pragma GCC optimize("no-tree-loop-distribute-patterns")
#endif

#include "recognizer.h"

#if defined(__clang__) && __clang_major__ >= 10 /* the same for Clang */
#pragma clang attribute push(__attribute__((no_builtin("memcpy", "memmove", "memset"))), \
                             apply_to = function)
#endif

static void start(recognizer *r)
{
    r->frames = 0;
    r->busy = 0;
    r->is_speech = 0;
    r->was_hit = 0;
    r->hit_end = 0;
#if defined(NETWORK_KEEPS) && NETWORK_KEEPS
    r->network.since = 0;
#endif
    features_init(&r->features);
    decoder_init(&r->decoder);
}

void recognizer_init(recognizer *r, recognizer_on_word on_word, void *context)
{
    r->on_word = on_word;
    r->on_utterance = NULL;
    r->on_logits = NULL;
    r->context = context;
#ifdef DECODER_KEYWORDS
    r->keywords = decoder_keywords;
#else
    r->keywords = NULL;
#endif
    r->threshold = DECODER_THRESHOLD;
    r->suppressed = DECODER_SUPPRESSED_FRAMES;
    r->decoder.clock.silence = DECODER_SILENCE_FRAMES;
    r->decoder.clock.longest = DECODER_LONGEST_FRAMES;
    start(r);
}

void recognizer_set_threshold(recognizer *r, int32_t threshold)
{
    r->threshold = threshold;
}

void recognizer_set_keywords(recognizer *r, const uint8_t *reported)
{
    r->keywords = reported;
}

/* Output frames that last for so long at least. */
static uint32_t frames_of(uint32_t ms)
{
    const uint64_t frame = (uint64_t)(NETWORK_STRIDE * FEATURES_FRAME_STEP) * 1000u;

    return (uint32_t)(((uint64_t)ms * FEATURES_SAMPLE_RATE_HZ + frame - 1u) / frame);
}

void recognizer_set_suppression(recognizer *r, uint32_t ms)
{
    r->suppressed = frames_of(ms);
}

void recognizer_set_utterances(recognizer *r, uint32_t silence_ms, uint32_t longest_ms)
{
    r->decoder.clock.silence = frames_of(silence_ms);
    r->decoder.clock.longest = frames_of(longest_ms);
}

/* Start of an output frame in milliseconds. */
static uint32_t milliseconds(uint32_t frame)
{
    const uint64_t samples = (uint64_t)frame * (NETWORK_STRIDE * FEATURES_FRAME_STEP);

    return (uint32_t)(samples * 1000u / FEATURES_SAMPLE_RATE_HZ);
}

/* Tells whether a word that the decoder found is one to report. */
static int is_wanted(const recognizer *r, const decoder_word *found)
{
#ifdef DECODER_OTHER
    if (found->word == DECODER_WORDS)
        return 0;
#endif
    if (r->keywords && !r->keywords[found->word])
        return 0;
    if (r->was_hit && found->end - r->hit_end < r->suppressed)
        return 0;
    return found->confidence >= r->threshold;
}

static void report(const decoder_word *found, void *context)
{
    recognizer *r = (recognizer *)context;
    recognizer_word word;

    if (!r->is_speech) {
        r->is_speech = 1;
        r->speech_start = found->start;
        r->words = 0;
    }
    r->speech_end = found->end;
    if (!is_wanted(r, found))
        return;
    r->was_hit = 1;
    r->hit_end = found->end;
    r->words++;
    if (!r->on_word)
        return;
    word.text = decoder_words[found->word];
    word.index = found->word;
    word.start_ms = milliseconds(found->start);
    word.end_ms = milliseconds(found->end);
    word.confidence = found->confidence;
    r->on_word(&word, r->context);
}

static void end_utterance(recognizer *r)
{
    recognizer_utterance utterance;

    if (!r->is_speech)
        return;
    r->is_speech = 0;
    if (!r->on_utterance)
        return;
    utterance.start_ms = milliseconds(r->speech_start);
    utterance.end_ms = milliseconds(r->speech_end);
    utterance.words = r->words;
    r->on_utterance(&utterance, r->context);
}

#if defined(FEATURES_EXAMPLE_NORM)
#define NEWEST(r)                                                                          \
    ((r)->features.window +                                                                \
     ((r)->features.oldest ? (r)->features.oldest - 1u : FEATURES_WINDOW_FRAMES - 1u) *    \
         FEATURES_NUM_FEATURES)
typedef float input;

/* The whole window is normalized anew, and run as one. */
static void step(recognizer *r, const input *frame, int wanted)
{
    int8_t quantized[FEATURES_NUM_FEATURES];
    features_norms norms;

    features_window_push(&r->features, frame);
    if (!wanted)
        return;
    features_window_measure(&r->features, &norms);
    for (uint32_t n = 0; n < FEATURES_WINDOW_FRAMES; n++) {
        features_window_quantize(&r->features, &norms, n, quantized);
        network_step(&r->network, &r->scratch.network, quantized, r->logits,
                     n + 1 == FEATURES_WINDOW_FRAMES);
    }
}
#else
#define NEWEST(r) ((r)->network.history + NETWORK_NEWEST)
typedef int8_t input;

static inline void step(recognizer *r, const input *frame, int wanted)
{
    network_step(&r->network, &r->scratch.network, frame, r->logits, wanted);
}
#endif

/* Takes the next frame; returns 1 where that completed an output frame. */
static uint32_t add_frame(recognizer *r, const input *frame)
{
    const uint32_t number = r->frames;
    const int ready = number + 1 > NETWORK_RIGHT &&
                      (number - NETWORK_RIGHT) % NETWORK_STRIDE == 0;

    /* It goes round, so that it may count for years. */
    r->frames = number == NETWORK_RIGHT + NETWORK_STRIDE ? NETWORK_RIGHT + 1 : number + 1;
    if (number == 0) /* the first frame stands for those before it */
        for (uint32_t k = 0; k != NETWORK_LEFT; k++)
            step(r, frame, 0);
    step(r, frame, ready);
    if (!ready)
        return 0;
    if (r->on_logits)
        r->on_logits(r->logits, r->context);
    if (decoder_step(&r->decoder, r->logits, report, r))
        end_utterance(r);
    if (r->decoder.frame - r->hit_end > UINT32_MAX / 2u) /* long ago, or not at all */
        r->was_hit = 0;
    return 1;
}

uint32_t recognizer_push(recognizer *r, const int16_t *pcm, size_t count)
{
    uint32_t outputs = 0;

    if (r->busy)
        return 0;
    r->busy = 1;
    while (count > 0) {
        float frame[FEATURES_NUM_FEATURES];
#if !defined(FEATURES_EXAMPLE_NORM)
        int8_t quantized[FEATURES_NUM_FEATURES];
#endif
        int ready;
        const size_t used = features_push(&r->features, &r->scratch.features, pcm, count,
                                          frame, &ready);

        pcm += used;
        count -= used;
#if defined(FEATURES_EXAMPLE_NORM)
        if (ready)
            outputs += add_frame(r, frame);
#else
        if (ready) {
            features_quantize(frame, quantized);
            outputs += add_frame(r, quantized);
        }
#endif
    }
    r->busy = 0;
    return outputs;
}

void recognizer_finish(recognizer *r)
{
    input last[FEATURES_NUM_FEATURES];

    if (r->busy)
        return;
    r->busy = 1;
    if (r->frames > 0) { /* the last frame stands for those after it */
        for (uint32_t k = 0; k < FEATURES_NUM_FEATURES; k++)
            last[k] = NEWEST(r)[k];
        for (uint32_t k = 0; k != NETWORK_RIGHT; k++)
            add_frame(r, last);
    }
    decoder_finish(&r->decoder, report, r);
    end_utterance(r);
    start(r);
}

#if defined(__clang__) && __clang_major__ >= 10
#pragma clang attribute pop
#endif
