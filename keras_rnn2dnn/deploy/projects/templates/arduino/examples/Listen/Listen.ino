/* Words from the microphone of the board, on the serial line at 115,200 baud.
 * Send `verify` (with the end of the line) to run the golden recordings. */
#include <PDM.h>
#include <@library@.h>

#include "listen.h"

static const int MICROPHONE_GAIN = 30; /* PDM.h: 20 by default, up to 80 on a Nano 33 BLE */

static int16_t block[256];

/* The interrupt: a block of the microphone is there. */
static void onSamples()
{
    int bytes = PDM.available();

    while (bytes > 0) {
        const int most = (int)sizeof block;
        const int count = PDM.read(block, (size_t)(bytes < most ? bytes : most));

        if (count <= 0)
            return;
        listen_samples(block, (size_t)count / sizeof block[0]);
        bytes -= count;
    }
}

static void writeText(const char *text)
{
    Serial.print(text);
}

static uint32_t clockMicros()
{
    return (uint32_t)micros();
}

static const listen_platform board = {writeText, clockMicros, 1};

void setup()
{
    Serial.begin(115200);
    listen_init(&board);
    PDM.onReceive(onSamples);
    PDM.setGain(MICROPHONE_GAIN);
    if (!PDM.begin(1, LISTEN_MICROPHONE_HZ))
        Serial.println("PDM.begin failed: has this board a microphone, at this rate?");
}

void loop()
{
    while (Serial.available() > 0)
        listen_character((char)Serial.read());
    listen_poll();
}
