/* The int8 network: one output frame from one context window, or one output from a whole
 * clip where NETWORK_IS_CLIP is 1. No heap, no libc. */
#ifndef NETWORK_H
#define NETWORK_H

#include <stdint.h>

#include "model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Outputs of the hidden layers; its content means nothing between two calls. */
#if defined(NETWORK_IMAGES)
typedef union {
    uint32_t words[(NETWORK_COLUMN_SIZE + 3) / 4];
    int8_t bytes[NETWORK_COLUMN_SIZE];
#if UINTPTR_MAX == UINT32_MAX
    const int8_t *pixels[(NETWORK_COLUMN_SIZE + 3) / 4];
#endif
} network_column;

typedef struct {
    network_column column;
    int8_t arena[NETWORK_ARENA_SIZE];
} network_scratch;
#else
typedef struct {
    int8_t layers[2][NETWORK_SCRATCH_SIZE];
} network_scratch;
#endif

/* What one step of the stream needs beside: see network_step. */
#if NETWORK_STREAMS
typedef struct {
    int8_t layers[2][NETWORK_STEP_SIZE];
} network_step_scratch;
#else
typedef network_scratch network_step_scratch;
#endif

/* The last input frames; where NETWORK_STREAMS is 1, the last ones of every layer. */
typedef struct {
#if defined(NETWORK_KEEPS) && NETWORK_KEEPS
    uint32_t since;                 /* input frames after the last window; 0 at first */
    int8_t kept[NETWORK_KEPT_SIZE]; /* images of that window */
#endif
    int8_t history[NETWORK_HISTORY_SIZE];
} network_state;

/* Computes NETWORK_OUTPUTS int8 logits from NETWORK_INPUTS int8 features, the oldest
 * frame first. logit = NETWORK_OUTPUT_SCALE * (output - NETWORK_OUTPUT_ZERO_POINT). */
void network_run(const int8_t *input, int8_t *output, network_scratch *scratch);

/* Takes the next input frame. Where `wanted`, `output` holds the logits of the window
 * that ends with it, the same as network_run gives for that window. Where
 * NETWORK_STREAMS is 1, each layer computes its newest frame alone: the others are
 * those of the step before. Where NETWORK_KEEPS is 1, the window that comes
 * NETWORK_STRIDE frames after a wanted one computes new rows of each image alone. Without
 * enough frames before it the output means nothing. */
void network_step(network_state *state, network_step_scratch *scratch,
                  const int8_t *frame, int8_t *output, int wanted);

#ifdef __cplusplus
}
#endif
#endif
