/* Half the sample rate, with a low-pass filter. */
#ifndef LISTEN_HALVING_H
#define LISTEN_HALVING_H

#include <stddef.h>
#include <stdint.h>

#define LISTEN_TAPS 31u

typedef struct {
    int16_t history[LISTEN_TAPS];
    uint16_t place;  /* of the oldest sample */
    uint16_t is_odd; /* whether the next sample makes no output */
} listen_halving;

/* Halves the rate in place; returns how many samples are left. */
size_t listen_halve(listen_halving *state, int16_t *pcm, size_t count);

#endif
