#include "listen_halving.h"

#define MIDDLE (LISTEN_TAPS / 2u)

/* A half-band filter, sinc in a Kaiser window of 5: every other tap but that in the middle
 * is 0, and both sides are alike. 32768 is 1. */
static const int16_t sides[] = {10328, -3177, 1618, -893, 481, -236, 96, -26};
#define CENTRE 16386

static int16_t at(const listen_halving *state, uint32_t number)
{
    return state->history[(state->place + number) % LISTEN_TAPS];
}

static int16_t filtered(const listen_halving *state)
{
    int32_t sum = 16384 + CENTRE * at(state, MIDDLE);

    for (uint32_t k = 0; k < sizeof sides / sizeof sides[0]; k++) {
        const uint32_t away = 2u * k + 1u;

        sum += sides[k] * (at(state, MIDDLE - away) + at(state, MIDDLE + away));
    }
    sum >>= 15;
    return (int16_t)(sum > INT16_MAX ? INT16_MAX : sum < INT16_MIN ? INT16_MIN : sum);
}

size_t listen_halve(listen_halving *state, int16_t *pcm, size_t count)
{
    size_t left = 0;

    for (size_t k = 0; k < count; k++) {
        state->history[state->place] = pcm[k];
        state->place = (uint16_t)((state->place + 1u) % LISTEN_TAPS);
        if (!state->is_odd)
            pcm[left++] = filtered(state);
        state->is_odd = !state->is_odd;
    }
    return left;
}
