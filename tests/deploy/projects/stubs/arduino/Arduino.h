/* What the sketch uses of Arduino's core, as its documentation declares it. */
#pragma once
#include <stddef.h>
#include <stdint.h>

unsigned long micros();

class SerialPort {
public:
    void begin(unsigned long baud);
    int available();
    int read();
    size_t print(const char *text);
    size_t println(const char *text);
};

extern SerialPort Serial;

void setup();
void loop();
