/* Log-mel, MFCC or PCEN features from 16-bit PCM, in a stream. No heap, no libc, no libm. */
#ifndef SPEECH_FEATURES_H
#define SPEECH_FEATURES_H

#include <stddef.h>
#include <stdint.h>

#include "features_table.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    int16_t pcm[FEATURES_FRAME_LENGTH]; /* the samples of the next frame */
    uint32_t filled;                    /* how many of them are there */
    uint32_t skip;                      /* samples to leave out before the next one */
    uint32_t frames;                    /* frames so far, up to FEATURES_MEMORY_FRAMES */
    float mean[FEATURES_NUM_FEATURES];  /* what is subtracted, or PCEN divides by */
#if defined(FEATURES_EXAMPLE_NORM)
    uint32_t oldest; /* frame of the window */
    float window[FEATURES_WINDOW_FRAMES * FEATURES_NUM_FEATURES]; /* its frames, in turn */
#endif
} features_state;

/* Its content means nothing between two calls. */
typedef struct {
    float spectrum[FEATURES_FFT_LENGTH];
} features_scratch;

void features_init(features_state *state);

/* Takes up to `count` samples, at most to the end of one frame, and returns how many.
 * Where that completes a frame, `*ready` is 1 and `frame` holds its
 * FEATURES_NUM_FEATURES features; otherwise `*ready` is 0. Call again with the samples that are left. */
size_t features_push(features_state *state, features_scratch *scratch, const int16_t *pcm,
                     size_t count, float *frame, int *ready);

/* Rounds features to the int8 input of the network. */
void features_quantize(const float *frame, int8_t *quantized);

#if defined(FEATURES_EXAMPLE_NORM)
/* Mean and factor of the example: of all its values, or of each feature. */
typedef struct {
    float mean[FEATURES_NORMS];
    float factor[FEATURES_NORMS];
} features_norms;

/* Puts a frame of features_push in the place of the oldest one of the window. */
void features_window_push(features_state *state, const float *frame);

/* Of a window in which FEATURES_WINDOW_FRAMES were put. */
void features_window_measure(const features_state *state, features_norms *norms);

/* Rounds frame `number` of the window, the oldest being 0, once it is normalized. */
void features_window_quantize(const features_state *state, const features_norms *norms,
                              uint32_t number, int8_t *quantized);
#endif

#ifdef __cplusplus
}
#endif
#endif
