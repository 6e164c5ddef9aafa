/* The recognizer in a page: what the module gives to JavaScript, and what it calls.
 *
 * The bundle's sources stay as they are. Names that are its own get its prefix here as
 * well; those of exports and imports are strings, and the same for all bundles. */
#include "recognizer.h"

#define OUT(name) __attribute__((export_name(name)))
#define IN(name) __attribute__((import_module("page"), import_name(name)))

#define MOST_SAMPLES 4096u

static recognizer device;
static int16_t pcm[MOST_SAMPLES];

IN("word") void page_word(uint32_t index, uint32_t start_ms, uint32_t end_ms,
                          int32_t confidence);
IN("utterance") void page_utterance(uint32_t start_ms, uint32_t end_ms, uint32_t words);
IN("logits") void page_logits(const int8_t *logits);

static void on_word(const recognizer_word *word, void *context)
{
    (void)context;
#ifdef DECODER_THRESHOLD
    page_word(word->index, word->start_ms, word->end_ms, word->confidence);
#else /* an earlier bundle */
    page_word(word->index, word->start_ms, word->end_ms, 0);
#endif
}

static void on_logits(const int8_t *logits, void *context)
{
    (void)context;
    page_logits(logits);
}

#ifdef DECODER_THRESHOLD
static void on_utterance(const recognizer_utterance *utterance, void *context)
{
    (void)context;
    page_utterance(utterance->start_ms, utterance->end_ms, utterance->words);
}

OUT("threshold") int32_t page_threshold(void)
{
    return device.threshold;
}

OUT("set_threshold") void page_set_threshold(int32_t threshold)
{
    recognizer_set_threshold(&device, threshold);
}
#endif

/* Forgets all, and what was set. */
OUT("start") void page_start(void)
{
    recognizer_init(&device, on_word, NULL);
    device.on_logits = on_logits;
#ifdef DECODER_THRESHOLD
    device.on_utterance = on_utterance;
#endif
}

/* Where `push` finds its samples, `most_samples` at most. */
OUT("pcm") int16_t *page_pcm(void)
{
    return pcm;
}

OUT("most_samples") uint32_t page_most_samples(void)
{
    return MOST_SAMPLES;
}

OUT("push") void page_push(uint32_t count)
{
    recognizer_push(&device, pcm, count);
}

OUT("finish") void page_finish(void)
{
    recognizer_finish(&device);
}

OUT("text") const char *page_text(uint32_t index)
{
    return decoder_words[index];
}

/* The newest int8 features, of the frame that is the last one to be seen. */
OUT("features") const int8_t *page_features(void)
{
#ifdef NETWORK_NEWEST
    return device.network.history + NETWORK_NEWEST;
#else /* an earlier bundle */
    return NULL;
#endif
}

OUT("ram") uint32_t page_ram(void)
{
    return sizeof device;
}
