#pragma once
#include "freertos/FreeRTOS.h"
typedef void (*TaskFunction_t)(void *);
typedef struct task *TaskHandle_t;
BaseType_t xTaskCreate(TaskFunction_t code, const char *const name, const uint32_t depth,
                       void *const parameters, UBaseType_t priority, TaskHandle_t *const task);
void vTaskDelay(const TickType_t ticks);
