#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct device {
    const char *name;
};

#define DT_NODELABEL(label) label
#define DT_CHOSEN(property) property
#define DEVICE_OF(node) (&device_##node)
#define DEVICE_DT_GET(node) DEVICE_OF(node)
extern const struct device device_dmic_dev, device_zephyr_console;
bool device_is_ready(const struct device *dev);
