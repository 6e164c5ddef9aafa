/* A board whose microphone reads the file named first, and whose serial line has the text
 * named second once that is over. */
#include <Arduino.h>
#include <PDM.h>
#include <stdio.h>
#include <stdlib.h>

static FILE *sound;
static const char *text;
static bool is_over;
static void (*interrupt)();
static int rate, there;
SerialPort Serial;
PDMClass PDM;

unsigned long micros()
{
    static unsigned long now;
    return ++now;
}

void SerialPort::begin(unsigned long) {}
int SerialPort::available() { return is_over && *text; }
int SerialPort::read() { return *text++; }
size_t SerialPort::print(const char *line) { return (size_t)printf("%s", line); }
size_t SerialPort::println(const char *line) { return (size_t)printf("%s\n", line); }

int PDMClass::begin(int channels, int sampleRate)
{
    printf("PDM %d %d\n", channels, sampleRate);
    rate = sampleRate;
    return channels == 1;
}
void PDMClass::onReceive(void (*function)()) { interrupt = function; }
void PDMClass::setGain(int) {}
int PDMClass::available() { return there; }
int PDMClass::read(void *buffer, size_t size)
{
    const size_t count = fread(buffer, 1, size, sound);
    there -= (int)count;
    return (int)count;
}

int main(int, char **arguments)
{
    sound = fopen(arguments[1], "rb");
    text = arguments[2];
    setup();
    while (!is_over) {
        const int next = fgetc(sound);
        is_over = next == EOF;
        if (!is_over) {
            ungetc(next, sound);
            there = 700; /* more than a block of the sketch */
            interrupt();
        }
        for (int k = 0; k < 4; k++)
            loop();
    }
    loop();
    return 0;
}
