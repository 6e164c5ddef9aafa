/* The int8 network: one output frame from one context window. No heap, no libc. */
#ifndef NETWORK_H
#define NETWORK_H

#include <stdint.h>

#include "model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Outputs of the hidden layers; its content means nothing between two calls. */
typedef struct {
    int8_t layers[2][NETWORK_SCRATCH_SIZE];
} network_scratch;

/* Computes NETWORK_OUTPUTS int8 logits from NETWORK_INPUTS int8 features, the oldest
 * frame first. logit = NETWORK_OUTPUT_SCALE * (output - NETWORK_OUTPUT_ZERO_POINT). */
void network_run(const int8_t *input, int8_t *output, network_scratch *scratch);

#ifdef __cplusplus
}
#endif
#endif
