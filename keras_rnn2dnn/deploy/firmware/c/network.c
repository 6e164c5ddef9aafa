/* Dense and Conv1D layers in int8, with the arithmetic of TensorFlow Lite Micro; the
 * forms of the inner loop are in network_kernels.h. */
#include "network_kernels.h"

static void run_frame(const network_layer *layer, const int8_t *x, int8_t *y)
{
    const uint32_t row = layer->taps * layer->tap_length;
    const int8_t *w = layer->weights;
    uint32_t output = 0;

    for (; output + 4 <= layer->outputs; output += 4, w += 4 * row) {
        const int32_t *from = layer->bias + output;
        uint32_t tap = 0;
        int32_t acc[4];

        do {
            add_products(w + tap * layer->tap_length, row, x + tap * layer->tap_step,
                         layer->tap_length, from, acc);
            from = acc;
        } while (++tap < layer->taps);
        finish_four(layer, output, acc, y + output);
    }
    for (; output < layer->outputs; output++, w += row) {
        int32_t acc = layer->bias[output];

        for (uint32_t tap = 0; tap < layer->taps; tap++)
            acc = add_row(w + tap * layer->tap_length, x + tap * layer->tap_step,
                          layer->tap_length, acc);
        finish(layer, output, 1, &acc, y + output);
    }
}

#if NETWORK_STREAMS

void network_step(network_state *state, network_step_scratch *scratch,
                  const int8_t *frame, int8_t *output, int wanted)
{
    int8_t *history = state->history;
    const int8_t *x = frame;

    (void)wanted; /* the next steps need all layers of this one */
    for (uint32_t number = 0; number < NETWORK_LAYERS; number++) {
        const network_layer *layer = &network_layers[number];
        int8_t *y = number + 1 == NETWORK_LAYERS ? output : scratch->layers[number & 1];

        append(history, layer->span, x, layer->channels);
        run_frame(layer, history, y);
        history += layer->span;
        x = y;
    }
}

#else

void network_step(network_state *state, network_step_scratch *scratch,
                  const int8_t *frame, int8_t *output, int wanted)
{
    append(state->history, NETWORK_INPUTS, frame, network_layers[0].channels);
    if (wanted)
        network_run(state->history, output, scratch);
}

#endif

void network_run(const int8_t *input, int8_t *output, network_scratch *scratch)
{
    const int8_t *x = input;

    for (uint32_t number = 0; number < NETWORK_LAYERS; number++) {
        const network_layer *layer = &network_layers[number];
        int8_t *y = number + 1 == NETWORK_LAYERS ? output : scratch->layers[number & 1];

        for (uint32_t frame = 0; frame < layer->frames; frame++)
            run_frame(layer, x + frame * layer->frame_step, y + frame * layer->outputs);
        x = y;
    }
}

#if defined(__clang__) && __clang_major__ >= 10
#pragma clang attribute pop
#endif
