/* Two-dimensional layers in int8, with the arithmetic of TensorFlow Lite Micro: Conv2D,
 * DepthwiseConv2D, pooling, sums, and Dense layers as convolutions of one pixel. An
 * image is stored pixel by pixel, row by row, with all channels of a pixel side by side.
 * Where images lie in the arena, and whether a layer begins with its last pixel, is
 * planned by the generator, so that an output may overwrite its own input. */
#include "network_image_kernels.h"

enum { CONV, DEPTHWISE, AVERAGE, MAXIMUM, ADD };

/* By words, four at a time: a pixel of an image has many channels. */
static void copy(int8_t *to, const int8_t *from, uint32_t count)
{
    uint32_t i = 0;

#if defined(__ARM_FEATURE_UNALIGNED)
    for (; i + 16 <= count; i += 16) {
        const any_word *x = (const any_word *)(const void *)(from + i);
        any_word *y = (any_word *)(void *)(to + i);

        y[0] = x[0]; /* one after the other: a row may move onto itself */
        y[1] = x[1];
        y[2] = x[2];
        y[3] = x[3];
    }
    for (; i + 4 <= count; i += 4)
        *(any_word *)(void *)(to + i) = *(const any_word *)(const void *)(from + i);
#endif
    for (; i < count; i++)
        to[i] = from[i];
}

static void fill(int8_t *to, int8_t value, uint32_t count)
{
    uint32_t i = 0;

#if defined(__ARM_FEATURE_UNALIGNED)
    const any_word word = {(uint8_t)value * 0x01010101u};

    for (; i + 16 <= count; i += 16) {
        any_word *y = (any_word *)(void *)(to + i);

        y[0] = word;
        y[1] = word;
        y[2] = word;
        y[3] = word;
    }
    for (; i + 4 <= count; i += 4)
        *(any_word *)(void *)(to + i) = word;
#endif
    for (; i < count; i++)
        to[i] = value;
}

/* The pixels that an output pixel reads: taps[0] rows of taps[1] pixels, from the row
 * and column `top`, `left` on, which may lie before the image. */
typedef struct {
    int32_t top;
    int32_t left;
} corner;

static inline corner first_of(const network_layer *layer, uint32_t pixel)
{
    const corner c = {
        (int32_t)(pixel / layer->out_width * layer->stride_y) - (int32_t)layer->pad_top,
        (int32_t)(pixel % layer->out_width * layer->stride_x) - (int32_t)layer->pad_left,
    };

    return c;
}

/* Whether place `first + k * step` lies within `size` for all k < count. */
static inline int all_within(int32_t first, uint32_t step, uint32_t count, uint32_t size)
{
    return first >= 0 && (uint32_t)first + (count - 1) * step < size;
}

static inline int is_within(int32_t place, uint32_t size)
{
    return place >= 0 && (uint32_t)place < size;
}

/* Writes `channels` values of each tap side by side, from `x` on. */
static void gather(const network_layer *layer, corner c, const int8_t *x,
                   uint32_t channels, int8_t *to)
{
    const uint32_t row = layer->width * layer->channels;
    const int side_by_side = layer->dilation_x == 1 && channels == layer->channels &&
                             all_within(c.left, 1, layer->taps_x, layer->width);

    for (uint32_t i = 0; i < layer->taps_y; i++) {
        const int32_t y = c.top + (int32_t)(i * layer->dilation_y);
        const uint32_t whole = layer->taps_x * channels;

        if (!is_within(y, layer->height)) {
            fill(to, layer->padding, whole);
            to += whole;
        } else if (side_by_side) {
            copy(to, x + (uint32_t)y * row + (uint32_t)c.left * channels, whole);
            to += whole;
        } else {
            for (uint32_t j = 0; j < layer->taps_x; j++, to += channels) {
                const int32_t place = c.left + (int32_t)(j * layer->dilation_x);

                if (is_within(place, layer->width))
                    copy(to, x + (uint32_t)y * row + (uint32_t)place * layer->channels,
                         channels);
                else
                    fill(to, layer->padding, channels);
            }
        }
    }
}

/* Computes outputs `first` to `end` of a pixel from the `row` values that they read. */
static void outputs_of(const network_layer *layer, uint32_t first, uint32_t end,
                       uint32_t row, const int8_t *x, int8_t *y)
{
    const int8_t *w = layer->weights + first * row;
    uint32_t output = first;

    for (; output + 4 <= end; output += 4, w += 4 * row) {
        int32_t acc[4];

        add_products(w, row, x, row, layer->bias + output, acc);
        finish_four(layer, output, acc, y + output);
    }
    for (; output < end; output++, w += row) {
        const int32_t acc = add_row(w, x, row, layer->bias[output]);

        finish(layer, output, 1, &acc, y + output);
    }
}

/* What an output pixel of a convolution in one group reads: `row` values, in the image
 * where they lie side by side there, else gathered in `column`. */
static const int8_t *patch(const network_layer *layer, uint32_t pixel, const int8_t *x,
                           int8_t *column)
{
    const corner c = first_of(layer, pixel);

    if (layer->is_row && all_within(c.top, 1, layer->taps_y, layer->height))
        return x + ((uint32_t)c.top * layer->width + (uint32_t)c.left) * layer->channels;
    gather(layer, c, x, layer->channels, column);
    return column;
}

static void conv_pixel(const network_layer *layer, uint32_t pixel, const int8_t *x,
                       int8_t *y, int8_t *column)
{
    const uint32_t channels = layer->channels / layer->groups;
    const uint32_t outputs = layer->outputs / layer->groups;
    const uint32_t row = layer->taps_y * layer->taps_x * channels;

    if (layer->groups == 1) {
        outputs_of(layer, 0, outputs, row, patch(layer, pixel, x, column), y);
        return;
    }
    for (uint32_t group = 0; group < layer->groups; group++) {
        gather(layer, first_of(layer, pixel), x + group * channels, channels, column);
        outputs_of(layer, group * outputs, (group + 1) * outputs, row, column, y);
    }
}

#if NETWORK_DSP

/* Two pixels of a convolution, `pixel` and the next. */
static void conv_two_pixels(const network_layer *layer, uint32_t pixel, const int8_t *x,
                            int8_t *y, network_column *column)
{
    const uint32_t row = (uint32_t)layer->taps_y * layer->taps_x * layer->channels;
    int8_t *gathered = column->bytes + 4 * ((row + 3) & ~3u);
    const int8_t *a = patch(layer, pixel, x, gathered);
    const int8_t *b = patch(layer, pixel + 1, x, gathered + row);

    widen_two(a, b, row, column->words);
    outputs_of_two(layer, row, column->words, y);
}

#endif

/* Finds the pixels that an output pixel reads; those beyond the edges are `padding`. */
static void find_pixels(const network_layer *layer, corner c, const int8_t *x,
                        const int8_t *padding, const int8_t **pixels)
{
    const uint32_t channels = layer->channels;

    for (uint32_t i = 0; i < layer->taps_y; i++) {
        const int32_t y = c.top + (int32_t)(i * layer->dilation_y);
        const int inside = is_within(y, layer->height);
        const int8_t *row = x + (inside ? (uint32_t)y * layer->width * channels : 0);

        for (uint32_t j = 0; j < layer->taps_x; j++) {
            const int32_t place = c.left + (int32_t)(j * layer->dilation_x);

            *pixels++ = inside && is_within(place, layer->width)
                            ? row + (uint32_t)place * channels
                            : padding;
        }
    }
}

/* A pixel of padding is at the beginning of `column`. */
static void depthwise_pixel(const network_layer *layer, uint32_t pixel, const int8_t *x,
                            int8_t *y, network_column *column)
{
#if UINTPTR_MAX == UINT32_MAX
    const int8_t **pixels = column->pixels + (layer->channels + 3u) / 4;
#else /* their size is planned for pointers of 32 bits */
    const int8_t *pixels[NETWORK_MOST_TAPS];
#endif
    const uint32_t outputs = layer->outputs, multiple = outputs / layer->channels;
    const taps t = {pixels, (uint32_t)layer->taps_y * layer->taps_x, outputs};
    /* outputs that are computed one by one */
    const uint32_t rest = multiple == 1 ? outputs % DEPTHWISE_CHANNELS : outputs;
    const finishing f = finishing_from(layer, 0);

    find_pixels(layer, first_of(layer, pixel), x, column->bytes, pixels);
    for (uint32_t output = 0; output < outputs - rest; output += DEPTHWISE_CHANNELS) {
        int32_t acc[DEPTHWISE_CHANNELS];

        depthwise_channels(&t, layer->weights + output, output, layer->bias + output,
                           acc);
        for (uint32_t k = 0; k < DEPTHWISE_CHANNELS; k += 4)
            finish_channels(layer, &f, output + k, acc + k, y + output + k);
    }
    for (uint32_t output = outputs - rest; output < outputs; output++) {
        const int8_t *w = layer->weights + output;
        int32_t acc = layer->bias[output];

        for (uint32_t i = 0; i < t.count; i++, w += outputs)
            acc += *w * pixels[i][output / multiple];
        finish(layer, output, 1, &acc, y + output);
    }
}

static int8_t limited(const network_layer *layer, int32_t value)
{
    value = value < layer->minimum ? layer->minimum : value;
    return (int8_t)(value > layer->maximum ? layer->maximum : value);
}

static void pool_pixel(const network_layer *layer, uint32_t pixel, const int8_t *x,
                       int8_t *y)
{
    const corner c = first_of(layer, pixel);
    const int32_t height = (int32_t)layer->height, width = (int32_t)layer->width;
    const int32_t top = c.top > 0 ? c.top : 0, left = c.left > 0 ? c.left : 0;
    const int32_t bottom = c.top + (int32_t)layer->taps_y;
    const int32_t right = c.left + (int32_t)layer->taps_x;
    const uint32_t channels = layer->channels;
    int32_t rows = (bottom < height ? bottom : height) - top;
    int32_t columns = (right < width ? right : width) - left;
    const int32_t count = rows * columns;

    if (columns == width) { /* whole rows lie side by side */
        columns = count;
        rows = 1;
    }
    x += (uint32_t)(top * width + left) * channels;
    for (uint32_t channel = 0; channel < channels; channel++) {
        int32_t found = layer->kind == AVERAGE ? 0 : -128;

        for (int32_t i = 0; i < rows; i++) {
            const int8_t *from = x + (uint32_t)(i * width) * channels + channel;

            if (layer->kind == AVERAGE)
                for (int32_t j = columns; j > 0; j--, from += channels)
                    found += *from;
            else
                for (int32_t j = columns; j > 0; j--, from += channels)
                    found = *from > found ? *from : found;
        }
        if (layer->kind == AVERAGE)
            found = (found > 0 ? found + count / 2 : found - count / 2) / count;
        y[channel] = limited(layer, found);
    }
}

/* Of `ADD`: multipliers and shifts of both inputs and of their sum; bias[0] and [1] are
 * the zero points of the inputs. */
static void add_pixel(const network_layer *layer, const int8_t *a, const int8_t *b,
                      int8_t *y)
{
    const int32_t *multipliers = layer->multipliers;
    const int8_t *shifts = layer->shifts;

    for (uint32_t channel = 0; channel < layer->outputs; channel++) {
        const int32_t left = (a[channel] - layer->bias[0]) * (1 << 20);
        const int32_t right = (b[channel] - layer->bias[1]) * (1 << 20);
        const int32_t sum = requantize(left, multipliers[0], shifts[0]) +
                            requantize(right, multipliers[1], shifts[1]);

        y[channel] = limited(layer, requantize(sum, multipliers[2], shifts[2]) +
                                        layer->output_offset);
    }
}

/* Computes the pixels `first` to `end` of an output. */
static void run_pixels(const network_layer *layer, const int8_t *x, const int8_t *other,
                       int8_t *y, network_column *column, uint32_t first, uint32_t end)
{
    const uint32_t block = NETWORK_DSP && layer->pairs ? 2 : 1;
    const uint32_t blocks = (end - first + block - 1) / block;

    if (layer->kind == DEPTHWISE && layer->is_padded)
        fill(column->bytes, layer->padding, layer->channels);
    for (uint32_t number = 0; number < blocks; number++) {
        const uint32_t pixel =
            first + block * (layer->backwards ? blocks - 1 - number : number);
        const uint32_t place = pixel * layer->outputs;

#if NETWORK_DSP
        if (block == 2 && pixel + 1 < end)
            conv_two_pixels(layer, pixel, x, y + place, column);
        else
#endif
        if (layer->kind == CONV)
            conv_pixel(layer, pixel, x, y + place, column->bytes);
        else if (layer->kind == DEPTHWISE)
            depthwise_pixel(layer, pixel, x, y + place, column);
        else if (layer->kind == ADD)
            add_pixel(layer, x + place, other + place, y + place);
        else
            pool_pixel(layer, pixel, x, y + place);
    }
}

void network_run(const int8_t *input, int8_t *output, network_scratch *scratch)
{
    for (uint32_t number = 0; number < NETWORK_LAYERS; number++) {
        const network_layer *layer = &network_layers[number];
        const int8_t *read[2];

        for (uint32_t k = 0; k < 2; k++)
            read[k] = layer->inputs[k] == NETWORK_OUTSIDE
                          ? input
                          : scratch->arena + layer->inputs[k];
        run_pixels(layer, read[0], read[1],
                   layer->output == NETWORK_OUTSIDE ? output
                                                    : scratch->arena + layer->output,
                   &scratch->column, 0, layer->out_height * layer->out_width);
    }
}

#if NETWORK_KEEPS

/* Runs the layers on the window that has moved on by NETWORK_STRIDE frames: rows that
 * are those of the window before move up, and the others are computed. `whole`: all. */
static void run_moving(network_state *state, int8_t *output, network_scratch *scratch,
                       int whole)
{
    const int8_t *x = state->history;

    for (uint32_t number = 0; number < NETWORK_LAYERS; number++) {
        const network_layer *layer = &network_layers[number];
        const network_rows *rows = &network_moving[number];
        const uint32_t width = layer->out_width, size = width * layer->outputs;
        const uint32_t first = whole ? 0 : rows->first, end = whole ? 0 : rows->end;
        int8_t *y = scratch->arena;

        if (number + 1 == NETWORK_LAYERS)
            y = output;
        else if (rows->place != NETWORK_OUTSIDE)
            y = state->kept + rows->place;
        if (first < end && rows->place != NETWORK_OUTSIDE)
            copy(y + first * size, y + (first + rows->shift) * size, (end - first) * size);
        run_pixels(layer, x, x, y, &scratch->column, 0, first * width);
        run_pixels(layer, x, x, y, &scratch->column, end * width,
                   layer->out_height * width);
        x = y;
    }
}

void network_step(network_state *state, network_step_scratch *scratch,
                  const int8_t *frame, int8_t *output, int wanted)
{
    append(state->history, NETWORK_INPUTS, frame, NETWORK_FEATURES);
    if (state->since < UINT32_MAX)
        state->since++;
    if (!wanted)
        return;
    run_moving(state, output, scratch, state->since != NETWORK_STRIDE);
    state->since = 0;
}

#else

void network_step(network_state *state, network_step_scratch *scratch,
                  const int8_t *frame, int8_t *output, int wanted)
{
    append(state->history, NETWORK_INPUTS, frame, NETWORK_FEATURES);
    if (wanted)
        network_run(state->history, output, scratch);
}

#endif

#if defined(__clang__) && __clang_major__ >= 10
#pragma clang attribute pop
#endif
