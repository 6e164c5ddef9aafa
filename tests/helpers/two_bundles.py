"""A program with two bundles, one of them with the prefix `kitchen`."""

# It hears recordings of 6,000 samples from standard input.
PROGRAM = """
#include <stdio.h>
#include "recognizer.h"
#include "kitchen_recognizer.h"
static recognizer hall;
static kitchen_recognizer kitchen;
static void in_hall(const recognizer_word *word, void *context)
{ (void)context; printf("hall %s\\n", word->text); }
static void in_kitchen(const kitchen_recognizer_word *word, void *context)
{ (void)context; printf("kitchen %s\\n", word->text); }
int main(void)
{
    static int16_t pcm[6000];
    recognizer_init(&hall, in_hall, 0);
    kitchen_recognizer_init(&kitchen, in_kitchen, 0);
    while (fread(pcm, 2, 6000, stdin) == 6000) {
        recognizer_push(&hall, pcm, 6000);
        kitchen_recognizer_push(&kitchen, pcm, 6000);
        recognizer_finish(&hall);
        kitchen_recognizer_finish(&kitchen);
    }
    return 0;
}
"""


def said_by(name: str, output: str) -> list[str]:
    """Returns the words that `hall` or `kitchen` has heard."""
    lines = output.splitlines()
    return [line.partition(" ")[2] for line in lines if line.startswith(name)]
