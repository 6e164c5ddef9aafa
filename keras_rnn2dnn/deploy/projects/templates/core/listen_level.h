/* What a microphone gives, and what may be wrong with it. */
#ifndef LISTEN_LEVEL_H
#define LISTEN_LEVEL_H

#include <stddef.h>
#include <stdint.h>

/* Sums over samples since listen_level_start. */
typedef struct {
    uint64_t squares;
    int64_t sum;
    uint64_t steps, steps_swapped;   /* from sample to sample, and with bytes swapped */
    uint64_t sizes, sizes_swapped;   /* of samples, the same */
    uint32_t count, clipped;
    uint32_t zeros[2];               /* of samples with even and odd numbers */
    int16_t least, most;
    int16_t last, last_swapped;
} listen_level;

void listen_level_start(listen_level *level);
void listen_level_add(listen_level *level, const int16_t *pcm, size_t count);

/* Root mean square without the constant part, in tenths of dB; 0 is that of a square wave
 * of full scale, and a sine of full scale has -30. */
int32_t listen_level_db(const listen_level *level);

typedef enum {
    LISTEN_FINE,
    LISTEN_NO_SAMPLES,
    LISTEN_CONSTANT,
    LISTEN_TWO_CHANNELS,
    LISTEN_SWAPPED_BYTES,
    LISTEN_CLIPPED,
    LISTEN_OFFSET,
    LISTEN_SOFT
} listen_fault;

/* What is wrong first of all; `loudest` is the level of the loudest second. */
listen_fault listen_level_fault(const listen_level *level, int32_t loudest);

/* Prints it, and what to do. */
void listen_level_explain(const listen_level *level, listen_fault fault);

#endif
