/* The recognizer in a shared library: what Python calls. It calls nothing back.
 *
 * The bundle's sources stay as they are. Names that are its own get its prefix here as
 * well; those that begin with host_ are the same for all bundles. */
#include "recognizer.h"

#define OUT __attribute__((visibility("default")))

#define UTTERANCE UINT32_MAX /* in the place of a word: an utterance is over */

typedef struct {
    uint64_t frame; /* output frames before the one that made it certain */
    uint32_t word;  /* its number, or UTTERANCE */
    uint32_t start_ms;
    uint32_t end_ms;
    int32_t value; /* the confidence, or how many words were reported */
} host_event;

typedef struct {
    recognizer device;
    uint64_t frames; /* output frames so far */
    host_event *events;
    uint32_t count; /* of the events of a call */
    uint32_t most;  /* for which there is room; those behind are counted alone */
} host_stream;

static void add(void *context, uint32_t word, uint32_t start_ms, uint32_t end_ms,
                int32_t value)
{
    host_stream *stream = (host_stream *)context;

    if (stream->count < stream->most) {
        host_event *event = &stream->events[stream->count];

        event->frame = stream->frames - (stream->frames > 0);
        event->word = word;
        event->start_ms = start_ms;
        event->end_ms = end_ms;
        event->value = value;
    }
    stream->count++;
}

static void on_word(const recognizer_word *word, void *context)
{
    add(context, word->index, word->start_ms, word->end_ms, word->confidence);
}

static void on_utterance(const recognizer_utterance *utterance, void *context)
{
    add(context, UTTERANCE, utterance->start_ms, utterance->end_ms,
        (int32_t)utterance->words);
}

static void on_logits(const int8_t *logits, void *context)
{
    (void)logits;
    ((host_stream *)context)->frames++;
}

/* Bytes of a stream, which begin at a multiple of 8. */
OUT uint64_t host_size(void)
{
    return sizeof(host_stream);
}

OUT void host_init(void *stream)
{
    host_stream *s = (host_stream *)stream;

    recognizer_init(&s->device, on_word, s);
    s->device.on_utterance = on_utterance;
    s->device.on_logits = on_logits;
    s->frames = 0;
}

/* What is reported from now on; `keywords` is read until it is set anew. */
OUT void host_report(void *stream, int32_t threshold, const uint8_t *keywords)
{
    host_stream *s = (host_stream *)stream;

    recognizer_set_threshold(&s->device, threshold);
    recognizer_set_keywords(&s->device, keywords);
}

static void hear(host_stream *s, host_event *events, uint32_t most)
{
    s->events = events;
    s->most = most;
    s->count = 0;
}

/* Returns the number of events. */
OUT uint32_t host_push(void *stream, const int16_t *pcm, uint32_t count,
                       host_event *events, uint32_t most)
{
    host_stream *s = (host_stream *)stream;

    hear(s, events, most);
    recognizer_push(&s->device, pcm, count);
    return s->count;
}

/* Likewise; ends the stream. */
OUT uint32_t host_finish(void *stream, host_event *events, uint32_t most)
{
    host_stream *s = (host_stream *)stream;

    hear(s, events, most);
    recognizer_finish(&s->device);
    return s->count;
}
