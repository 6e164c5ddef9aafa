/* Words from a digital microphone, on the serial line. `verify` runs the golden recordings.
 *
 * The device tree names the microphone `dmic_dev`; see boards/. */
#include <errno.h>

#include <zephyr/audio/dmic.h>
#include <zephyr/device.h>
#include <zephyr/drivers/uart.h>
#include <zephyr/kernel.h>
#include <zephyr/sys/printk.h>

#include "listen.h"

#define BLOCKS 8
#define BLOCK_SAMPLES (LISTEN_MICROPHONE_HZ / 200u * 2u) /* 10 ms */
#define TIMEOUT_MS 1000
#define STACK 2048
#define PRIORITY K_PRIO_COOP(1) /* before the main loop, which computes */

K_MEM_SLAB_DEFINE_STATIC(blocks, BLOCK_SAMPLES * sizeof(int16_t), BLOCKS, 4);

static const struct device *const microphone = DEVICE_DT_GET(DT_NODELABEL(dmic_dev));
static const struct device *const serial = DEVICE_DT_GET(DT_CHOSEN(zephyr_console));

static int start(void)
{
    struct pcm_stream_cfg stream = {
        .pcm_rate = LISTEN_MICROPHONE_HZ,
        .pcm_width = 16,
        .block_size = BLOCK_SAMPLES * sizeof(int16_t),
        .mem_slab = &blocks,
    };
    struct dmic_cfg config = {
        .io = {
            .min_pdm_clk_freq = 1000000, /* what most microphones run with */
            .max_pdm_clk_freq = 3500000,
            .min_pdm_clk_dc = 40,
            .max_pdm_clk_dc = 60,
        },
        .streams = &stream,
        .channel = {
            .req_chan_map_lo = dmic_build_channel_map(0, 0, PDM_CHAN_LEFT),
            .req_num_chan = 1,
            .req_num_streams = 1,
        },
    };
    int error = dmic_configure(microphone, &config);

    return error < 0 ? error : dmic_trigger(microphone, DMIC_TRIGGER_START);
}

/* The driver's interrupt fills blocks; this thread puts them into the ring at once. */
static void listen_thread(void *first, void *second, void *third)
{
    int error = device_is_ready(microphone) ? start() : -ENODEV;

    ARG_UNUSED(first);
    ARG_UNUSED(second);
    ARG_UNUSED(third);
    while (error >= 0) {
        void *block;
        size_t size;

        error = dmic_read(microphone, 0, &block, &size, TIMEOUT_MS);
        if (error < 0)
            break;
        listen_samples((const int16_t *)block, size / sizeof(int16_t));
        k_mem_slab_free(&blocks, block);
    }
    printk("microphone: error %d\n", error);
}

K_THREAD_DEFINE(reader, STACK, listen_thread, NULL, NULL, NULL, PRIORITY, 0, SYS_FOREVER_MS);

static void write_text(const char *text)
{
    printk("%s", text);
}

static uint32_t micros(void)
{
    return (uint32_t)k_ticks_to_us_floor64((uint64_t)k_uptime_ticks());
}

int main(void)
{
    static const listen_platform platform = {write_text, micros, 1};
    unsigned char character;

    listen_init(&platform);
    k_thread_start(reader);
    for (;;) {
        while (uart_poll_in(serial, &character) == 0)
            listen_character((char)character);
        if (!listen_poll())
            k_msleep(1);
    }
    return 0;
}
