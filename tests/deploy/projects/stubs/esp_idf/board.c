/* A board whose microphone reads the file SOUND, a block whenever the main loop sleeps; its
 * serial line is standard input, which is read once that is over. */
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

#include "esp_timer.h"
#include "freertos/task.h"
#if CONFIG_LISTEN_PDM
#include "driver/i2s_pdm.h"
typedef int16_t slot;
#define OF(sample) (sample)
#else
#include "driver/i2s_std.h"
typedef int32_t slot;
#define OF(sample) (slot)((uint32_t)(sample) << 14)
#endif

static FILE *sound;
static sem_t wanted, done;
static int is_over;
static TaskFunction_t task;

esp_err_t i2s_new_channel(const i2s_chan_config_t *config, i2s_chan_handle_t *tx,
                          i2s_chan_handle_t *rx)
{
    *rx = (i2s_chan_handle_t)&sound;
    return tx || config->role != I2S_ROLE_MASTER;
}

esp_err_t i2s_channel_register_event_callback(i2s_chan_handle_t handle,
                                              const i2s_event_callbacks_t *callbacks,
                                              void *user_data)
{
    if (getenv("LOSE"))
        callbacks->on_recv_q_ovf(handle, NULL, user_data);
    return ESP_OK;
}

#if CONFIG_LISTEN_PDM
esp_err_t i2s_channel_init_pdm_rx_mode(i2s_chan_handle_t handle,
                                       const i2s_pdm_rx_config_t *config)
#else
esp_err_t i2s_channel_init_std_mode(i2s_chan_handle_t handle, const i2s_std_config_t *config)
#endif
{
    (void)handle;
    printf("I2S %d %u\n", config->slot_cfg.slot_mode, (unsigned)config->clk_cfg.sample_rate_hz);
    return config->slot_cfg.data_bit_width != 8 * sizeof(slot);
}

esp_err_t i2s_channel_enable(i2s_chan_handle_t handle)
{
    (void)handle;
    sound = fopen(getenv("SOUND"), "rb");
    return sound == NULL;
}

esp_err_t i2s_channel_read(i2s_chan_handle_t handle, void *dest, size_t size,
                           size_t *bytes_read, uint32_t timeout_ms)
{
    static int begun;
    slot *to = dest;
    int16_t sample;
    (void)handle, (void)timeout_ms;
    if (begun++)
        sem_post(&done);
    sem_wait(&wanted);
    *bytes_read = 0;
    for (size_t k = 0; k < size / sizeof *to && fread(&sample, 2, 1, sound) == 1; k++) {
        to[k] = OF(sample);
        *bytes_read += sizeof *to;
    }
    is_over = *bytes_read == 0;
    return is_over;
}

static void *run(void *context)
{
    task(context);
    return NULL;
}

BaseType_t xTaskCreate(TaskFunction_t code, const char *const name, const uint32_t depth,
                       void *const parameters, UBaseType_t priority, TaskHandle_t *const handle)
{
    pthread_t id;
    (void)name, (void)depth, (void)priority, (void)handle;
    task = code;
    sem_init(&wanted, 0, 0);
    sem_init(&done, 0, 0);
    return pthread_create(&id, NULL, run, parameters) == 0;
}

void vTaskDelay(const TickType_t ticks)
{
    (void)ticks;
    if (is_over)
        exit(0);
    sem_post(&wanted);
    sem_wait(&done);
}

/* Replaces that of the C library: nothing comes before the recording is over. */
long serial_read(int file, void *data, unsigned long size)
{
    (void)file;
    return is_over ? (long)fread(data, 1, size, stdin) : 0;
}

int64_t esp_timer_get_time(void)
{
    static int64_t now;
    return ++now;
}

void app_main(void);

int main(void)
{
    app_main();
    return 0;
}
