/* Window, FFT, power, mel, logarithm, mean and variance, in float32.
 *
 * Every operation is a single IEEE-754 one in a fixed order, so that the bits are the
 * same on every core, with and without a floating-point unit. */
#include "speech_features.h"

#define FEATURES_TABLES
#include "features_table.h"

/* A fused multiply-add rounds once where two operations round twice. */
#if defined(__FAST_MATH__)
#error "speech_features.c needs IEEE-754 arithmetic: compile it without -ffast-math"
#endif
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif

enum { HALF = FEATURES_FFT_LENGTH / 2 };

void features_init(features_state *state)
{
    state->filled = 0;
    state->skip = 0;
    state->frames = 0;
    for (uint32_t bin = 0; bin < FEATURES_NUM_BINS; bin++)
        state->mean[bin] = features_mean[bin];
}

/* Natural logarithm of a normal number: 2 atanh((m - 1) / (m + 1)) + e log 2. */
static float logarithm(float x)
{
    union {
        float value;
        uint32_t bits;
    } number;
    int32_t exponent;
    float m, t, t2, p, e;

    number.value = x;
    exponent = (int32_t)(number.bits >> 23) - 127;
    number.bits = (number.bits & 0x7fffffu) | 0x3f800000u;
    m = number.value;
    if (m > 1.41421356f) {
        m = m * 0.5f;
        exponent++;
    }
    t = (m - 1.0f) / (m + 1.0f);
    t2 = t * t;
    p = 0.22222222f * t2;
    p = (p + 0.28571430f) * t2;
    p = (p + 0.4f) * t2;
    p = (p + 0.66666667f) * t2;
    p = (p + 2.0f) * t;
    e = (float)exponent; /* log 2 in two parts: the first is exact times an exponent */
    return (p + e * -1.904654323148236e-09f) + e * 0.693147182464599609375f;
}

/* Exchanges the complex numbers of `z` whose indices are each other's bits reversed. */
static void reverse_bits(float *z)
{
    for (uint32_t i = 1, j = 0; i < HALF; i++) {
        uint32_t bit = HALF >> 1;

        for (; j & bit; bit >>= 1)
            j ^= bit;
        j ^= bit;
        if (i < j) {
            const float re = z[2 * i], im = z[2 * i + 1];

            z[2 * i] = z[2 * j];
            z[2 * i + 1] = z[2 * j + 1];
            z[2 * j] = re;
            z[2 * j + 1] = im;
        }
    }
}

/* Complex FFT of HALF points in place, radix 2. */
static void transform(float *z)
{
    reverse_bits(z);
    for (uint32_t length = 2; length <= HALF; length <<= 1) {
        const uint32_t half = length >> 1, step = FEATURES_FFT_LENGTH / length;

        for (uint32_t k = 0; k < half; k++) {
            const float wr = features_cosine[k * step], wi = -features_sine[k * step];

            for (uint32_t i = k; i < HALF; i += length) {
                float *a = z + 2 * i, *b = z + 2 * (i + half);
                const float re = b[0] * wr - b[1] * wi, im = b[0] * wi + b[1] * wr;

                b[0] = a[0] - re;
                b[1] = a[1] - im;
                a[0] = a[0] + re;
                a[1] = a[1] + im;
            }
        }
    }
}

/* From the FFT of even and odd samples as real and imaginary parts to the power of the
 * real signal: that of bin k goes to z[2 k], 0 < k < HALF. The mel triangles leave out
 * the bins at both ends. */
static void power_in_place(float *z)
{
    for (uint32_t k = 1; k <= HALF / 2; k++) {
        float *a = z + 2 * k, *b = z + 2 * (HALF - k);
        const float er = 0.5f * (a[0] + b[0]), ei = 0.5f * (a[1] - b[1]);
        const float or_ = 0.5f * (a[1] + b[1]), oi = -0.5f * (a[0] - b[0]);
        const float c = features_cosine[k], s = -features_sine[k];
        const float re = or_ * c - oi * s, im = or_ * s + oi * c;
        const float xr = er + re, xi = ei + im, yr = er - re, yi = im - ei;

        a[0] = xr * xr + xi * xi;
        b[0] = yr * yr + yi * yi;
    }
}

static void compute_frame(features_state *state, float *z, float *frame)
{
    const float *weight = features_mel_weights;

    for (uint32_t i = 0; i < FEATURES_FFT_LENGTH; i++)
        z[i] = i < FEATURES_FRAME_LENGTH
                   ? (float)state->pcm[i] * (1.0f / 32768.0f) * features_window[i]
                   : 0.0f;
    transform(z);
    power_in_place(z);
    for (uint32_t bin = 0; bin < FEATURES_NUM_BINS; bin++) {
        const uint32_t start = features_mel_start[bin];
        float energy = 0.0f;

        for (uint32_t k = start; k < start + features_mel_length[bin]; k++)
            energy = energy + z[2 * k] * *weight++;
        frame[bin] = logarithm(energy + FEATURES_FLOOR);
    }
#if FEATURES_MEMORY_FRAMES > 0
    {
        uint32_t count = FEATURES_PRIOR_FRAMES + state->frames + 1;
        float divisor;

        if (count > FEATURES_MEMORY_FRAMES)
            count = FEATURES_MEMORY_FRAMES;
        else
            state->frames++;
        divisor = (float)count;
        for (uint32_t bin = 0; bin < FEATURES_NUM_BINS; bin++)
            state->mean[bin] =
                state->mean[bin] + (frame[bin] - state->mean[bin]) / divisor;
    }
#endif
    for (uint32_t bin = 0; bin < FEATURES_NUM_BINS; bin++)
        frame[bin] = (frame[bin] - state->mean[bin]) * features_inverse_deviation[bin];
}

size_t features_push(features_state *state, features_scratch *scratch, const int16_t *pcm,
                     size_t count, float *frame, int *ready)
{
    size_t used = 0;

    *ready = 0;
    while (used < count && state->skip > 0) {
        state->skip--;
        used++;
    }
    while (used < count && state->filled < FEATURES_FRAME_LENGTH)
        state->pcm[state->filled++] = pcm[used++];
    if (state->filled == FEATURES_FRAME_LENGTH) {
        compute_frame(state, scratch->spectrum, frame);
        *ready = 1;
#if FEATURES_FRAME_STEP < FEATURES_FRAME_LENGTH
        for (uint32_t i = FEATURES_FRAME_STEP; i < FEATURES_FRAME_LENGTH; i++)
            state->pcm[i - FEATURES_FRAME_STEP] = state->pcm[i];
        state->filled = FEATURES_FRAME_LENGTH - FEATURES_FRAME_STEP;
#else
        state->filled = 0;
        state->skip = FEATURES_FRAME_STEP - FEATURES_FRAME_LENGTH;
#endif
    }
    return used;
}

void features_quantize(const float *frame, int8_t *quantized)
{
    for (uint32_t bin = 0; bin < FEATURES_NUM_BINS; bin++) {
        const float v = frame[bin] * FEATURES_INVERSE_SCALE + FEATURES_ROUNDING;
        int32_t floor;

        if (v < -128.0f) {
            floor = -128;
        } else if (v >= 127.0f) {
            floor = 127;
        } else {
            floor = (int32_t)v;
            floor -= (float)floor > v;
        }
        quantized[bin] = (int8_t)floor;
    }
}
