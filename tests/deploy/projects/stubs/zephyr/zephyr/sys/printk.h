#pragma once
void printk(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
