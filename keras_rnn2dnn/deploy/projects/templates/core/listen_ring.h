/* Samples between the interrupt of the microphone and the main loop. */
#ifndef LISTEN_RING_H
#define LISTEN_RING_H

#include <stdint.h>

/* Takes up to `most` samples out of the ring; returns how many. For the main loop. */
uint32_t listen_ring_take(int16_t *pcm, uint32_t most);

/* Throws away what is in the ring. For the main loop. */
void listen_ring_clear(void);

/* Samples that were lost so far; it goes round. */
uint32_t listen_ring_lost(void);

#endif
