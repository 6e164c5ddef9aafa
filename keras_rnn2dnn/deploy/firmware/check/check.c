/* Runs one stage of the bundle on files, on a host or on an emulated core.
 *
 *     check network  INPUTS OUTPUTS   int8 windows -> int8 logits
 *     check features PCM FEATURES     recordings -> float32 features
 *     check inputs   PCM INPUTS       recordings -> int8 features; where windows are
 *                                     normalized, of each the newest frame
 *     check logits   PCM LOGITS       recordings -> int8 logits, by the recognizer
 *     check words    PCM WORDS        recordings -> word, start and end in ms, confidence
 *                                     (32 bits each); of the end of an utterance
 *                                     NO_MORE, start, end, number of words; and
 *                                     NO_WORD after each recording
 *     check count    PCM COUNTS       instructions: see `count`
 *     check sizes    -   SIZES        bytes of the structures: see `sizes`
 *
 * PCM holds for each recording the number of its samples and the size of the chunks to
 * push them in (uint32; 0: chunks of changing size), then its int16 samples. All files
 * are little-endian, on every machine. */
#include "io.h"
#include "network.h"

#if MODEL_HAS_RECOGNIZER
#include "recognizer.h"
#endif

static int input, output, incomplete;

static int read_all(void *data, size_t size)
{
    const size_t found = io_read(input, data, size);

    incomplete |= found > 0 && found < size;
    return found == size;
}

static void write_all(const void *data, size_t size)
{
    incomplete |= io_write(output, data, size) < size;
}

/* Turns `count` values of `size` bytes, at most 8, from or to little-endian. */
static void turn(void *data, size_t count, size_t size)
{
    const uint16_t one = 1;
    uint8_t *bytes = (uint8_t *)data;

    if (*(const uint8_t *)&one == 1)
        return;
    for (; count > 0; count--, bytes += size)
        for (size_t i = 0; i < size / 2; i++) {
            const uint8_t byte = bytes[i];

            bytes[i] = bytes[size - 1 - i];
            bytes[size - 1 - i] = byte;
        }
}

static void write_values(const void *data, size_t count, size_t size)
{
    for (const uint8_t *from = (const uint8_t *)data; count > 0; count--, from += size) {
        uint8_t value[8];

        for (size_t i = 0; i < size; i++)
            value[i] = from[i];
        turn(value, 1, size);
        write_all(value, size);
    }
}

static void run_network(void)
{
    static int8_t x[NETWORK_INPUTS], y[NETWORK_OUTPUTS];
    static network_scratch scratch;

    while (read_all(x, sizeof x)) {
        network_run(x, y, &scratch);
        write_all(y, sizeof y);
    }
}

#if MODEL_HAS_RECOGNIZER

#define NO_WORD UINT32_MAX
#define NO_MORE (UINT32_MAX - 1u)

static recognizer device;

/* Reads the recordings and pushes them in chunks; `end` comes after each of them. */
static void for_each_chunk(void (*push)(const int16_t *pcm, size_t count), void (*end)(void))
{
    static int16_t pcm[1024];
    uint32_t header[2], random = 1;

    while (read_all(header, sizeof header)) {
        uint32_t left;

        turn(header, 2, sizeof header[0]);
        left = header[0];
        while (left > 0) {
            uint32_t count = header[1];

            if (count == 0) {
                random = random * 1664525u + 1013904223u;
                count = 1 + (random >> 24) * 4;
            }
            count = count > 1024 ? 1024 : count;
            count = count > left ? left : count;
            if (!read_all(pcm, count * sizeof pcm[0])) {
                incomplete = 1;
                return;
            }
            turn(pcm, count, sizeof pcm[0]);
            push(pcm, count);
            left -= count;
        }
        end();
    }
}

static void write_frame(const float *frame)
{
    write_values(frame, FEATURES_NUM_FEATURES, sizeof frame[0]);
}

static int is_first; /* frame of a recording */

static void write_quantized(const float *frame)
{
    int8_t quantized[FEATURES_NUM_FEATURES];
#if defined(FEATURES_EXAMPLE_NORM)
    features_norms norms;

    for (uint32_t n = is_first ? FEATURES_WINDOW_FRAMES : 1u; n > 0; n--)
        features_window_push(&device.features, frame);
    features_window_measure(&device.features, &norms);
    features_window_quantize(&device.features, &norms, FEATURES_WINDOW_FRAMES - 1u,
                             quantized);
#else
    features_quantize(frame, quantized);
#endif
    is_first = 0;
    write_all(quantized, sizeof quantized);
}

static void (*on_frame)(const float *frame);

static void push_features(const int16_t *pcm, size_t count)
{
    while (count > 0) {
        float frame[FEATURES_NUM_FEATURES];
        int ready;
        const size_t used = features_push(&device.features, &device.scratch.features, pcm,
                                          count, frame, &ready);

        pcm += used;
        count -= used;
        if (ready)
            on_frame(frame);
    }
}

static void restart_features(void)
{
    is_first = 1;
    features_init(&device.features);
}

static void run_features(void (*write)(const float *frame))
{
    on_frame = write;
    restart_features();
    for_each_chunk(push_features, restart_features);
}

static void write_word(const recognizer_word *word, void *context)
{
    const uint32_t row[4] = {word->index, word->start_ms, word->end_ms,
                             (uint32_t)word->confidence};

    (void)context;
    write_values(row, 4, sizeof row[0]);
}

static void write_utterance(const recognizer_utterance *utterance, void *context)
{
    const uint32_t row[4] = {NO_MORE, utterance->start_ms, utterance->end_ms,
                             utterance->words};

    (void)context;
    write_values(row, 4, sizeof row[0]);
}

static void write_logits(const int8_t *logits, void *context)
{
    (void)context;
    write_all(logits, NETWORK_OUTPUTS);
}

static void push_recognizer(const int16_t *pcm, size_t count)
{
    recognizer_push(&device, pcm, count);
}

static void finish(void)
{
    recognizer_finish(&device);
}

static void finish_words(void)
{
    const uint32_t row[4] = {NO_WORD, 0, 0, 0};

    recognizer_finish(&device);
    write_values(row, 4, sizeof row[0]);
}

static void run_words(void)
{
    recognizer_init(&device, write_word, NULL);
    device.on_utterance = write_utterance;
    for_each_chunk(push_recognizer, finish_words);
}

static void run_logits(void)
{
    recognizer_init(&device, NULL, NULL);
    device.on_logits = write_logits;
    for_each_chunk(push_recognizer, finish);
}

/* Ticks by stage: calibration, features, network, decoder; then the numbers of input
 * frames behind the last three. */
static uint64_t counts[7];

static uint64_t ticks_since(uint32_t before)
{
    return (before - io_ticks()) & 0xffffffu; /* it counts down */
}

static void ignore_word(const decoder_word *word, void *context)
{
    (void)word;
    (void)context;
}

static void count_frame(const float *frame)
{
    int8_t quantized[FEATURES_NUM_FEATURES];
    const int ready = counts[4] % NETWORK_STRIDE == 0; /* an output frame */
    uint32_t before;

#if defined(FEATURES_EXAMPLE_NORM)
    features_norms norms;

    before = io_ticks();
    features_window_push(&device.features, frame);
    if (ready)
        features_window_measure(&device.features, &norms);
    counts[1] += ticks_since(before);
    for (uint32_t n = 0; ready && n < FEATURES_WINDOW_FRAMES; n++) {
        before = io_ticks();
        features_window_quantize(&device.features, &norms, n, quantized);
        counts[1] += ticks_since(before);
        before = io_ticks();
        network_step(&device.network, &device.scratch.network, quantized, device.logits,
                     n + 1 == FEATURES_WINDOW_FRAMES);
        counts[2] += ticks_since(before);
    }
#else
    before = io_ticks();
    features_quantize(frame, quantized);
    counts[1] += ticks_since(before);
    before = io_ticks();
    network_step(&device.network, &device.scratch.network, quantized, device.logits, ready);
    counts[2] += ticks_since(before);
#endif
    before = io_ticks();
    if (ready)
        decoder_step(&device.decoder, device.logits, ignore_word, NULL);
    counts[3] += ticks_since(before);
    counts[4]++;
    counts[5]++;
    counts[6]++;
}

static void count_features(const int16_t *pcm, size_t count)
{
    while (count > 0) {
        float frame[FEATURES_NUM_FEATURES];
        int ready;
        const uint32_t before = io_ticks();
        const size_t used = features_push(&device.features, &device.scratch.features, pcm,
                                          count, frame, &ready);

        counts[1] += ticks_since(before);
        pcm += used;
        count -= used;
        if (ready)
            count_frame(frame);
    }
}

static void restart(void)
{
    features_init(&device.features);
    decoder_init(&device.decoder);
}

static void run_count(void)
{
    const uint32_t before = io_ticks();

    io_calibrate();
    counts[0] = ticks_since(before);
    recognizer_init(&device, NULL, NULL);
    for_each_chunk(count_features, restart);
    write_values(counts, 7, sizeof counts[0]);
}

static void run_sizes(void)
{
    static const uint32_t sizes[5] = {sizeof(recognizer), sizeof(features_state),
                                      sizeof(decoder_state), sizeof device.network,
                                      sizeof device.scratch};

    write_values(sizes, 5, sizeof sizes[0]);
}

#else

/* As above, of the network alone: a frame after the other of int8 features, or a clip. */
#if defined(NETWORK_IS_CLIP) && NETWORK_IS_CLIP
#define NETWORK_COUNTED NETWORK_INPUTS
#else
#define NETWORK_COUNTED NETWORK_FEATURES
#endif

static void run_count(void)
{
    static int8_t frame[NETWORK_COUNTED], y[NETWORK_OUTPUTS];
#if defined(NETWORK_IS_CLIP) && NETWORK_IS_CLIP
    static network_scratch scratch;
#else
    static network_state state;
    static network_step_scratch scratch;
#endif
    static uint64_t counts[7];
    uint32_t before = io_ticks();

    io_calibrate();
    counts[0] = (before - io_ticks()) & 0xffffffu;
    while (read_all(frame, sizeof frame)) {
        before = io_ticks();
#if defined(NETWORK_IS_CLIP) && NETWORK_IS_CLIP
        network_run(frame, y, &scratch);
#else
        network_step(&state, &scratch, frame, y, counts[5] % NETWORK_STRIDE == 0);
#endif
        counts[2] += (before - io_ticks()) & 0xffffffu;
        counts[5]++;
    }
    write_values(counts, 7, sizeof counts[0]);
}

static void run_sizes(void)
{
    static const uint32_t sizes[5] = {0, 0, 0, 0, sizeof(network_scratch)};

    write_values(sizes, 5, sizeof sizes[0]);
}

#endif

static int same(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

static int run(const char *stage)
{
    if (same(stage, "network"))
        run_network();
    else if (same(stage, "count"))
        run_count();
    else if (same(stage, "sizes"))
        run_sizes();
#if MODEL_HAS_RECOGNIZER
    else if (same(stage, "features"))
        run_features(write_frame);
    else if (same(stage, "inputs"))
        run_features(write_quantized);
    else if (same(stage, "logits"))
        run_logits();
    else if (same(stage, "words"))
        run_words();
#endif
    else
        return 0;
    return 1;
}

int check_main(int count, const char *const *arguments)
{
    if (count != 4) {
        io_print("usage: check STAGE INPUT OUTPUT\n");
        return 2;
    }
    input = same(arguments[2], "-") ? -1 : io_open(arguments[2], 0);
    output = io_open(arguments[3], 1);
    if ((input < 0 && !same(arguments[2], "-")) || output < 0) {
        io_print("check: cannot open a file\n");
        return 2;
    }
    if (!run(arguments[1])) {
        io_print("check: no such stage\n");
        return 2;
    }
    io_close(output);
    if (input >= 0)
        io_close(input);
    if (incomplete) {
        io_print("check: a file ended too early, or could not be written\n");
        return 2;
    }
    return 0;
}
