#include "listen_verify.h"

#include "listen_text.h"

#ifdef LISTEN_NO_GOLDEN

uint32_t listen_verify_with(recognizer *device)
{
    (void)device;
    listen_text("verify: the golden recordings are left out (LISTEN_NO_GOLDEN)\n");
    return UINT32_MAX;
}

#else

#define EVENT_BITS 128u
#define CHUNK 160u

static struct {
    const listen_golden_recording *recording;
    uint32_t place; /* of the next event */
    uint32_t words, expected, bits;
} found;

static void compare(uint32_t first, uint32_t second, uint32_t third, uint32_t fourth)
{
    const uint32_t values[4] = {first, second, third, fourth};

    if (found.place >= found.recording->num_events) {
        found.bits += EVENT_BITS; /* one too many */
        return;
    }
    for (int k = 0; k < 4; k++) {
        uint32_t differing = values[k] ^ found.recording->events[found.place][k];

        for (; differing; differing &= differing - 1u)
            found.bits++;
    }
    found.place++;
}

static void on_word(const recognizer_word *word, void *context)
{
    (void)context;
    found.words++;
    listen_text(" ");
    listen_text(word->text);
    compare(word->index, word->start_ms, word->end_ms, (uint32_t)word->confidence);
}

static void on_utterance(const recognizer_utterance *utterance, void *context)
{
    (void)context;
    compare(LISTEN_NO_MORE, utterance->start_ms, utterance->end_ms, utterance->words);
}

static void run(recognizer *device)
{
    const int16_t *pcm = found.recording->pcm;
    uint32_t left = found.recording->samples;

    recognizer_init(device, on_word, NULL);
    device->on_utterance = on_utterance;
    while (left > 0) {
        const uint32_t count = left < CHUNK ? left : CHUNK;

        recognizer_push(device, pcm, count);
        pcm += count;
        left -= count;
    }
    recognizer_finish(device);
    found.bits += (found.recording->num_events - found.place) * EVENT_BITS;
    found.expected += found.recording->num_events * EVENT_BITS;
}

uint32_t listen_verify_with(recognizer *device)
{
    found.words = found.expected = found.bits = 0;
    for (uint32_t k = 0; k < listen_golden_count; k++) {
        found.recording = &listen_golden[k];
        found.place = 0;
        listen_text("verify: recording ");
        listen_number(k + 1, 0);
        listen_text(":");
        run(device);
        listen_text("\n");
    }
    listen_text("verify: ");
    listen_number(listen_golden_count, 0);
    listen_text(listen_golden_count == 1u ? " recording, " : " recordings, ");
    listen_number(found.words, 0);
    listen_text(found.words == 1u ? " word, " : " words, ");
    listen_number(found.bits, 0);
    listen_text(" of ");
    listen_number(found.expected, 0);
    listen_text(" bits differ\n");
    return found.bits;
}

#endif
