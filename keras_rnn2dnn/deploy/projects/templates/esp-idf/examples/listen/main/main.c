/* Words from an I2S or PDM microphone, on the serial line. `verify` runs the golden
 * recordings. `idf.py menuconfig`, Listen, has the pins. */
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "driver/i2s_common.h"
#include "esp_err.h"
#include "esp_timer.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
#include "sdkconfig.h"

#include "listen.h"

#if CONFIG_LISTEN_PDM
#include "driver/i2s_pdm.h"
typedef int16_t slot;
#else
#include "driver/i2s_std.h"
typedef int32_t slot;
#endif

#define BLOCK_SAMPLES 256
#define BLOCKS 6
#define STACK 4096
#define PRIORITY 10 /* before the main loop, which computes */

static i2s_chan_handle_t microphone;

/* The interrupt, where nobody fetched what the DMA has read: a block is lost. */
static bool on_overflow(i2s_chan_handle_t handle, i2s_event_data_t *event, void *context)
{
    (void)handle;
    (void)event;
    *(volatile uint32_t *)context += BLOCK_SAMPLES;
    return false;
}

static void start(volatile uint32_t *lost)
{
    i2s_chan_config_t channel = I2S_CHANNEL_DEFAULT_CONFIG(I2S_NUM_0, I2S_ROLE_MASTER);
    i2s_event_callbacks_t callbacks = {.on_recv_q_ovf = on_overflow};

    channel.dma_desc_num = BLOCKS;
    channel.dma_frame_num = BLOCK_SAMPLES;
    ESP_ERROR_CHECK(i2s_new_channel(&channel, NULL, &microphone));
#if CONFIG_LISTEN_PDM
    i2s_pdm_rx_config_t config = {
        .clk_cfg = I2S_PDM_RX_CLK_DEFAULT_CONFIG(LISTEN_MICROPHONE_HZ),
        .slot_cfg = I2S_PDM_RX_SLOT_DEFAULT_CONFIG(I2S_DATA_BIT_WIDTH_16BIT,
                                                   I2S_SLOT_MODE_MONO),
        .gpio_cfg = {.clk = CONFIG_LISTEN_CLOCK_PIN, .din = CONFIG_LISTEN_DATA_PIN},
    };
    ESP_ERROR_CHECK(i2s_channel_init_pdm_rx_mode(microphone, &config));
#else
    i2s_std_config_t config = {
        .clk_cfg = I2S_STD_CLK_DEFAULT_CONFIG(LISTEN_MICROPHONE_HZ),
        .slot_cfg = I2S_STD_PHILIPS_SLOT_DEFAULT_CONFIG(I2S_DATA_BIT_WIDTH_32BIT,
                                                        I2S_SLOT_MODE_MONO),
        .gpio_cfg = {.mclk = I2S_GPIO_UNUSED,
                     .bclk = CONFIG_LISTEN_CLOCK_PIN,
                     .ws = CONFIG_LISTEN_WORD_PIN,
                     .dout = I2S_GPIO_UNUSED,
                     .din = CONFIG_LISTEN_DATA_PIN},
    };
#if CONFIG_LISTEN_RIGHT
    config.slot_cfg.slot_mask = I2S_STD_SLOT_RIGHT;
#else
    config.slot_cfg.slot_mask = I2S_STD_SLOT_LEFT;
#endif
    ESP_ERROR_CHECK(i2s_channel_init_std_mode(microphone, &config));
#endif
    ESP_ERROR_CHECK(
        i2s_channel_register_event_callback(microphone, &callbacks, (void *)lost));
    ESP_ERROR_CHECK(i2s_channel_enable(microphone));
}

static int16_t sample_of(slot bits)
{
#if CONFIG_LISTEN_PDM
    return bits;
#else
    const int32_t sample = bits >> (16 - CONFIG_LISTEN_GAIN);

    return (int16_t)(sample > INT16_MAX ? INT16_MAX : sample < INT16_MIN ? INT16_MIN : sample);
#endif
}

/* The DMA's interrupt fills blocks; this task puts them into the ring at once. */
static void listen_task(void *context)
{
    static volatile uint32_t lost;
    static slot block[BLOCK_SAMPLES];
    static int16_t pcm[BLOCK_SAMPLES];
    uint32_t told = 0;

    (void)context;
    start(&lost);
    for (;;) {
        const uint32_t now = lost;
        size_t bytes = 0;

        if (now != told) {
            listen_lost(now - told);
            told = now;
        }
        if (i2s_channel_read(microphone, block, sizeof block, &bytes, 1000) != ESP_OK)
            continue; /* nothing came for a second: the main loop will say so */
        for (size_t k = 0; k < bytes / sizeof block[0]; k++)
            pcm[k] = sample_of(block[k]);
        listen_samples(pcm, bytes / sizeof block[0]);
    }
}

static void write_text(const char *text)
{
    fputs(text, stdout);
    fflush(stdout);
}

static uint32_t micros(void)
{
    return (uint32_t)esp_timer_get_time();
}

void app_main(void)
{
    static const listen_platform platform = {write_text, micros, 1};
    char character;

    listen_init(&platform);
    xTaskCreate(listen_task, "listen", STACK, NULL, PRIORITY, NULL);
    for (;;) {
        while (read(STDIN_FILENO, &character, 1) == 1)
            listen_character(character);
        if (!listen_poll())
            vTaskDelay(1);
    }
}
