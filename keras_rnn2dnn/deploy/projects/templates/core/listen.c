#include "listen.h"

#include "listen_halving.h"
#include "listen_level.h"
#include "listen_ring.h"
#include "listen_text.h"
#include "listen_verify.h"

#define CHUNK 160u
#define LONGEST_COMMAND 15u
#define SILENT (-903)     /* tenths of dB */
#define LEAST_US 5000000u /* from which a rate can be told */
#define HAS_RUNNING_MEAN (FEATURES_MEMORY_FRAMES > 0 && !FEATURES_PCEN)

static listen_platform platform;
static recognizer device;
#if LISTEN_HALVINGS > 0
static listen_halving halvings[LISTEN_HALVINGS];
#endif

static struct {
    listen_level second, all; /* of the last second, and since the last hint */
    int32_t db, loudest;      /* of the second before, and of the loudest one */
    uint32_t start, lost;     /* the clock, and samples lost, as it began */
    uint32_t busy, writing;   /* microseconds of work, and of the serial line in it */
    uint32_t words;
    int told;                 /* that nothing was heard, since the last word */
} heard;

static struct {
    char text[LONGEST_COMMAND + 1];
    uint32_t count;
} command;

/* Begins another stretch of time in which a word may be heard. */
static void start_anew(void)
{
    listen_level_start(&heard.all);
    listen_level_start(&heard.second);
    heard.loudest = SILENT;
    heard.busy = heard.words = 0;
    heard.lost = listen_ring_lost();
    heard.start = platform.micros();
}

static uint32_t lost(void)
{
    return listen_ring_lost() - heard.lost;
}

/* Percent of the time of the samples that their recognition took. */
static uint32_t load(void)
{
    const uint64_t us = (uint64_t)heard.all.count * 1000000u / LISTEN_MICROPHONE_HZ;

    return us ? (uint32_t)((uint64_t)heard.busy * 100u / us) : 0;
}

static void print_level_and_load(int32_t db)
{
    listen_text("level ");
    listen_number(db, 1);
    listen_text(" dBFS, load ");
    listen_number(load(), 0);
    listen_text(" %");
    if (lost() > 0) {
        listen_text(", ");
        listen_number(lost(), 0);
        listen_text(" samples lost");
    }
}

static void on_word(const recognizer_word *word, void *context)
{
    const uint32_t before = platform.micros();

    (void)context;
    heard.words++;
    heard.told = 0;
    listen_text("heard ");
    listen_text(word->text);
    listen_text(": ");
    listen_number(word->start_ms, 3);
    listen_text(" to ");
    listen_number(word->end_ms, 3);
    listen_text(" s, confidence ");
    listen_number(word->confidence, 3);
    listen_text(", ");
    print_level_and_load(heard.db > SILENT ? heard.db : listen_level_db(&heard.second));
    listen_text("\n");
    heard.writing += platform.micros() - before;
}

/* Samples a second that come, or the rate that is meant where that cannot be told. */
static uint32_t rate(void)
{
    const uint32_t us = platform.micros() - heard.start;
    const uint64_t came = (uint64_t)heard.all.count + lost();

    if (!platform.is_live || us < LEAST_US || heard.all.count == 0)
        return LISTEN_MICROPHONE_HZ;
    return (uint32_t)(came * 1000000u / us);
}

static int is_wrong_rate(void)
{
    const uint32_t hz = rate();

    return hz > LISTEN_MICROPHONE_HZ + LISTEN_MICROPHONE_HZ / 50u ||
           hz < LISTEN_MICROPHONE_HZ - LISTEN_MICROPHONE_HZ / 50u;
}

/* The level of the loudest second, or of what there is. */
static int32_t loudest(void)
{
    return heard.loudest > SILENT ? heard.loudest : listen_level_db(&heard.all);
}

/* Whether more is wrong than that it is quiet. */
static int is_wrong(void)
{
    const listen_fault fault = listen_level_fault(&heard.all, loudest());

    return (fault && fault != LISTEN_SOFT) || is_wrong_rate() || lost() > 0;
}

static void print_hint(void)
{
    const listen_fault fault = listen_level_fault(&heard.all, loudest());

    if (!fault && is_wrong_rate()) {
        listen_text("wrong rate: ");
        listen_number(rate(), 0);
        listen_text(" samples a second come, ");
        listen_number(LISTEN_MICROPHONE_HZ, 0);
        listen_text(" are meant");
    } else if (!fault && lost() > 0) {
        listen_text("samples are lost: a faster clock, optimization, a smaller student");
    } else {
        listen_level_explain(&heard.all, fault);
        if (!fault && HAS_RUNNING_MEAN)
            listen_text(", but features with a running mean need `start` after a pause");
    }
}

static uint32_t seconds(void)
{
    if (platform.is_live)
        return (platform.micros() - heard.start) / 1000000u;
    return heard.all.count / LISTEN_MICROPHONE_HZ;
}

static void print_status(const char *before)
{
    listen_text(before);
    print_level_and_load(loudest());
    listen_text("; ");
    print_hint();
    listen_text("\n");
}

static void after_a_while(void)
{
    const uint32_t length = LISTEN_HINT_SECONDS ? LISTEN_HINT_SECONDS : 10u;

    if (seconds() < length)
        return;
    if (LISTEN_HINT_SECONDS && heard.words == 0 && (is_wrong() || !heard.told)) {
        print_status("nothing heard: ");
        heard.told = 1;
    }
    start_anew();
}

static void measure(const int16_t *pcm, uint32_t count)
{
    listen_level_add(&heard.all, pcm, count);
    listen_level_add(&heard.second, pcm, count);
    if (heard.second.count >= LISTEN_MICROPHONE_HZ / 2u) {
        heard.db = listen_level_db(&heard.second);
        heard.loudest = heard.db > heard.loudest ? heard.db : heard.loudest;
    }
    if (heard.second.count >= LISTEN_MICROPHONE_HZ)
        listen_level_start(&heard.second);
}

void listen_init(const listen_platform *with)
{
    platform = *with;
    listen_text_to(platform.write);
    recognizer_init(&device, on_word, NULL);
    listen_ring_clear(); /* what is there is old */
    heard.db = SILENT;
    heard.told = 0;
    command.count = 0;
    start_anew();
}

void listen_start(void)
{
    recognizer_finish(&device);
    listen_ring_clear();
    start_anew();
}

int listen_poll(void)
{
    int16_t pcm[CHUNK];
    size_t count = listen_ring_take(pcm, CHUNK);
    uint32_t before;

    after_a_while();
    if (count == 0)
        return 0;
    if (heard.all.count == 0)
        heard.start = platform.micros(); /* of the samples, however late they come */
    measure(pcm, (uint32_t)count);
    before = platform.micros();
    heard.writing = 0;
#if LISTEN_HALVINGS > 0
    for (int k = 0; k < LISTEN_HALVINGS; k++)
        count = listen_halve(&halvings[k], pcm, count);
#endif
    recognizer_push(&device, pcm, count);
    heard.busy += platform.micros() - before - heard.writing;
    return 1;
}

void listen_finish(void)
{
    while (listen_poll())
        ;
    recognizer_finish(&device);
    if (heard.words == 0)
        print_status("nothing heard: ");
    start_anew();
}

uint32_t listen_verify(void)
{
    const uint32_t bits = listen_verify_with(&device);

    listen_init(&platform);
    return bits;
}

/* --- commands ----------------------------------------------------------------------- */

static int is_command(const char *name)
{
    uint32_t k = 0;

    while (name[k] && name[k] == command.text[k])
        k++;
    return name[k] == command.text[k];
}

static void run_command(void)
{
    if (is_command("verify"))
        listen_verify();
    else if (is_command("status"))
        print_status("status: ");
    else if (is_command("start"))
        listen_start();
    else
        listen_text("commands: verify, status, start, help\n");
}

void listen_character(char character)
{
    if (character != '\n' && character != '\r') {
        if (command.count < LONGEST_COMMAND)
            command.text[command.count++] = character;
        return;
    }
    command.text[command.count] = 0;
    if (command.count > 0)
        run_command();
    command.count = 0;
}
