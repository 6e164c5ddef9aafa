/* A board whose microphone reads the file SOUND, a block whenever the main loop sleeps, and
 * whose serial line has the text COMMANDS once that is over. */
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zephyr/audio/dmic.h>
#include <zephyr/drivers/uart.h>
#include <zephyr/sys/printk.h>

const struct device device_dmic_dev = {"dmic"}, device_zephyr_console = {"uart"};
static struct pcm_stream_cfg stream;
static FILE *sound;
static sem_t wanted, done;
static int is_over;
static uint32_t next_block;

bool device_is_ready(const struct device *dev) { return dev == &device_dmic_dev; }

int dmic_configure(const struct device *dev, struct dmic_cfg *cfg)
{
    stream = cfg->streams[0];
    printf("DMIC %u %u\n", (unsigned)cfg->channel.req_num_chan, (unsigned)stream.pcm_rate);
    return device_is_ready(dev) && stream.block_size == stream.mem_slab->size ? 0 : -1;
}

int dmic_trigger(const struct device *dev, enum dmic_trigger cmd)
{
    sound = fopen(getenv("SOUND"), "rb");
    return device_is_ready(dev) && cmd == DMIC_TRIGGER_START && sound ? 0 : -1;
}

int dmic_read(const struct device *dev, uint8_t number, void **buffer, size_t *size, int32_t ms)
{
    static int begun;
    (void)dev, (void)number, (void)ms;
    if (begun++)
        sem_post(&done);
    sem_wait(&wanted);
    *buffer = stream.mem_slab->memory + next_block * stream.mem_slab->size;
    next_block = (next_block + 1) % stream.mem_slab->count;
    *size = fread(*buffer, 1, stream.block_size, sound);
    is_over = *size == 0;
    return is_over ? -11 : 0;
}

void k_mem_slab_free(struct k_mem_slab *slab, void *mem)
{
    if (slab != stream.mem_slab || (char *)mem < slab->memory)
        abort();
}

static void *run(void *thread)
{
    ((k_tid_t)thread)->entry(NULL, NULL, NULL);
    sem_post(&done);
    return NULL;
}

void k_thread_start(k_tid_t thread)
{
    pthread_t id;
    sem_init(&wanted, 0, 0);
    sem_init(&done, 0, 0);
    pthread_create(&id, NULL, run, thread);
}

int32_t k_msleep(int32_t ms)
{
    (void)ms;
    if (is_over)
        exit(0);
    sem_post(&wanted);
    sem_wait(&done);
    return 0;
}

int uart_poll_in(const struct device *dev, unsigned char *character)
{
    static size_t place;
    const char *text = getenv("COMMANDS");
    if (dev != &device_zephyr_console || !is_over || place == strlen(text))
        return -1;
    *character = (unsigned char)text[place++];
    return 0;
}

int64_t k_uptime_ticks(void)
{
    static int64_t now;
    return ++now;
}

uint64_t k_ticks_to_us_floor64(uint64_t ticks) { return ticks; }

void printk(const char *fmt, ...)
{
    va_list arguments;
    va_start(arguments, fmt);
    vprintf(fmt, arguments);
    va_end(arguments);
}
