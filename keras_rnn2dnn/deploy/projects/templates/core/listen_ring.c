#include "listen_ring.h"

#include "listen.h"

#if LISTEN_RING_SAMPLES & (LISTEN_RING_SAMPLES - 1u)
#error "LISTEN_RING_SAMPLES must be a power of two"
#endif

/* One side writes samples and then `written`, the other reads samples and then changes
 * `read`: nobody sees an index before its samples. Both go round with their 32 bits. */
#define IN_ORDER() __sync_synchronize()

static struct {
    int16_t samples[LISTEN_RING_SAMPLES];
    volatile uint32_t written, read;
    volatile uint32_t lost; /* counted where samples are written */
} ring;

size_t listen_samples(const int16_t *pcm, size_t count)
{
    const uint32_t written = ring.written;
    const uint32_t room = LISTEN_RING_SAMPLES - (written - ring.read);
    const uint32_t taken = count < room ? (uint32_t)count : room;

    IN_ORDER();
    for (uint32_t k = 0; k < taken; k++)
        ring.samples[(written + k) % LISTEN_RING_SAMPLES] = pcm[k];
    IN_ORDER();
    ring.written = written + taken;
    if (taken < count)
        listen_lost((uint32_t)(count - taken));
    return taken;
}

void listen_lost(uint32_t samples)
{
    ring.lost = ring.lost + samples;
}

uint32_t listen_ring_take(int16_t *pcm, uint32_t most)
{
    const uint32_t read = ring.read;
    const uint32_t there = ring.written - read;
    const uint32_t count = there < most ? there : most;

    IN_ORDER();
    for (uint32_t k = 0; k < count; k++)
        pcm[k] = ring.samples[(read + k) % LISTEN_RING_SAMPLES];
    IN_ORDER();
    ring.read = read + count;
    return count;
}

void listen_ring_clear(void)
{
    ring.read = ring.written;
}

uint32_t listen_ring_lost(void)
{
    return ring.lost;
}
