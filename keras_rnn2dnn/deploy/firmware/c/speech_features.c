/* Window, FFT, power, mel, logarithm, mean and variance, in float32.
 *
 * Every operation is a single IEEE-754 one in a fixed order, so that the bits are the
 * same on every core, with and without a floating-point unit. */
#include "speech_features.h"

#define FEATURES_TABLES
#include "features_table.h"

/* A fused multiply-add rounds once where two operations round twice. */
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || \
    defined(__RECIPROCAL_MATH__)
#error "speech_features.c needs IEEE-754 arithmetic: compile it without -ffast-math"
#endif
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off", "no-tree-loop-distribute-patterns")
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

/* A sample in the window, whose table scales 16 bits to [-1, 1]; 0 beyond it. */
static inline float windowed(const int16_t *pcm, uint32_t i)
{
    return i < FEATURES_FRAME_LENGTH ? (float)pcm[i] * features_window[i] : 0.0f;
}

/* The first two stages of the FFT, which multiply by nothing but 1 and -i. The signal
 * is taken as HALF complex numbers, even samples the real parts, and each goes to the
 * place of its index with the bits reversed. */
static void first_stages(const int16_t *pcm, float *z)
{
    uint32_t place = 0; /* the number of the group of four, in reversed bits */

    for (uint32_t group = 0; group < HALF / 4; group++, z += 8) {
        const uint32_t i = 2 * place, quarter = HALF / 2;
        const float r0 = windowed(pcm, i), i0 = windowed(pcm, i + 1);
        const float r1 = windowed(pcm, i + 2 * quarter);
        const float i1 = windowed(pcm, i + 2 * quarter + 1);
        const float r2 = windowed(pcm, i + quarter), i2 = windowed(pcm, i + quarter + 1);
        const float r3 = windowed(pcm, i + 3 * quarter);
        const float i3 = windowed(pcm, i + 3 * quarter + 1);
        const float sr = r0 + r1, si = i0 + i1, dr = r0 - r1, di = i0 - i1;
        const float tr = r2 + r3, ti = i2 + i3, er = r2 - r3, ei = i2 - i3;
        uint32_t bit = HALF / 8;

        z[0] = sr + tr;
        z[1] = si + ti;
        z[2] = dr + ei;
        z[3] = di - er;
        z[4] = sr - tr;
        z[5] = si - ti;
        z[6] = dr - ei;
        z[7] = di + er;
        for (; place & bit; bit >>= 1) /* counts upwards in reversed bits */
            place ^= bit;
        place ^= bit;
    }
}

/* a, b = a + w b, a - w b; all is read before anything is written. */
static inline void butterfly(float *a, float *b, float re, float im)
{
    const float ar = a[0], ai = a[1];

    a[0] = ar + re;
    a[1] = ai + im;
    b[0] = ar - re;
    b[1] = ai - im;
}

/* The other stages of the complex FFT of HALF points, in place, radix 2. */
static void later_stages(float *z)
{
    for (uint32_t length = 8; length <= HALF; length <<= 1) {
        const uint32_t half = length >> 1, step = FEATURES_FFT_LENGTH / length;

        for (float *a = z; a < z + 2 * HALF; a += 2 * length) { /* a twiddle of 1 */
            butterfly(a, a + 2 * half, a[2 * half], a[2 * half + 1]);
        }
        for (uint32_t k = 1; k < half; k++) {
            const float wr = features_cosine[k * step], wi = -features_sine[k * step];

            for (float *a = z + 2 * k; a < z + 2 * HALF; a += 2 * length) {
                const float re = a[2 * half], im = a[2 * half + 1];

                butterfly(a, a + 2 * half, re * wr - im * wi, re * wi + im * wr);
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

    first_stages(state->pcm, z);
    later_stages(z);
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
