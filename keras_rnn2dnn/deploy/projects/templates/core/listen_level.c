#include "listen_level.h"

#include "listen_text.h"

#define TOO_SOFT (-600)  /* tenths of dB: speech at arm's length has -500 to -200 */
#define MUCH_CLIPPED 500 /* one sample in so many */
#define CONSTANT 1000    /* mean of samples */

/* One by one, as a structure at once is a call of memset. */
void listen_level_start(listen_level *level)
{
    level->squares = 0;
    level->sum = 0;
    level->steps = level->steps_swapped = 0;
    level->sizes = level->sizes_swapped = 0;
    level->count = level->clipped = 0;
    level->zeros[0] = level->zeros[1] = 0;
    level->least = INT16_MAX;
    level->most = INT16_MIN;
    level->last = level->last_swapped = 0;
}

static uint32_t size_of(int32_t number)
{
    return (uint32_t)(number < 0 ? -number : number);
}

static int16_t swapped(int16_t sample)
{
    const uint16_t bits = (uint16_t)sample;

    return (int16_t)(uint16_t)(bits << 8 | bits >> 8);
}

void listen_level_add(listen_level *level, const int16_t *pcm, size_t count)
{
    for (; count > 0; count--, pcm++) {
        const int16_t sample = *pcm, turned = swapped(sample);

        level->squares += (uint64_t)((int64_t)sample * sample);
        level->sum += sample;
        level->sizes += size_of(sample);
        level->sizes_swapped += size_of(turned);
        if (level->count > 0) {
            level->steps += size_of(sample - level->last);
            level->steps_swapped += size_of(turned - level->last_swapped);
        }
        level->clipped += sample == INT16_MAX || sample == INT16_MIN;
        level->zeros[level->count % 2u] += sample == 0;
        level->least = sample < level->least ? sample : level->least;
        level->most = sample > level->most ? sample : level->most;
        level->last = sample;
        level->last_swapped = turned;
        level->count++;
    }
}

/* log2 of a number > 0 in 256ths, rounded down */
static int32_t log2_of(uint64_t number)
{
    int32_t log = 0;
    uint64_t mantissa;

    while (number >> log > 1u)
        log++;
    mantissa = log > 31 ? number >> (log - 31) : number << (31 - log); /* [2^31, 2^32) */
    for (int bit = 0; bit < 8; bit++) {
        mantissa = mantissa * mantissa >> 31;
        log *= 2;
        if (mantissa >> 32) {
            mantissa >>= 1;
            log++;
        }
    }
    return log;
}

int32_t listen_level_db(const listen_level *level)
{
    const int64_t count = level->count ? level->count : 1;
    const int64_t mean = level->sum / count;
    const int64_t power = (int64_t)(level->squares / (uint64_t)count) - mean * mean;

    if (power < 1)
        return -903; /* less than one step */
    return (int32_t)((log2_of((uint64_t)power) - 30 * 256) * 30103 / 256000);
}

static int has_swapped_bytes(const listen_level *level)
{
    /* Speech is smooth; with swapped bytes it is noise. */
    return level->steps > level->sizes &&
           level->steps_swapped * 4u < level->sizes_swapped * 3u;
}

static int every_other_is_zero(const listen_level *level)
{
    const uint32_t half = level->count / 2u;

    for (int k = 0; k < 2; k++)
        if (level->zeros[k] >= half - half / 100u && level->zeros[1 - k] < half / 2u)
            return 1;
    return 0;
}

listen_fault listen_level_fault(const listen_level *level, int32_t loudest)
{
    if (level->count < 2u)
        return LISTEN_NO_SAMPLES;
    if (level->least == level->most)
        return LISTEN_CONSTANT;
    if (every_other_is_zero(level))
        return LISTEN_TWO_CHANNELS;
    if (has_swapped_bytes(level))
        return LISTEN_SWAPPED_BYTES;
    if (level->clipped > level->count / MUCH_CLIPPED)
        return LISTEN_CLIPPED;
    if (size_of((int32_t)(level->sum / level->count)) > CONSTANT)
        return LISTEN_OFFSET;
    return loudest < TOO_SOFT ? LISTEN_SOFT : LISTEN_FINE;
}

void listen_level_explain(const listen_level *level, listen_fault fault)
{
    switch (fault) {
    case LISTEN_NO_SAMPLES:
        listen_text("no samples come: does the microphone run, on the right pins?");
        break;
    case LISTEN_CONSTANT:
        listen_text("silent channel: all samples are ");
        listen_number(level->most, 0);
        listen_text("; try the other channel (left, right), the data pin, the power");
        break;
    case LISTEN_TWO_CHANNELS:
        listen_text("every other sample is 0: two channels come, one is meant");
        break;
    case LISTEN_SWAPPED_BYTES:
        listen_text("wrong byte order: the samples are smooth with their bytes swapped");
        break;
    case LISTEN_CLIPPED:
        listen_text("clipping: ");
        listen_number((int64_t)level->clipped * 1000 / level->count, 1);
        listen_text(" % of the samples are at full scale; less gain, or farther away");
        break;
    case LISTEN_OFFSET:
        listen_text("DC offset: the mean of the samples is ");
        listen_number(level->sum / level->count, 0);
        listen_text("; a high-pass filter of the driver, or another shift of its bits");
        break;
    case LISTEN_SOFT:
        listen_text("too soft: more gain, or nearer");
        break;
    case LISTEN_FINE:
        listen_text("nothing wrong with the samples");
        break;
    }
}
