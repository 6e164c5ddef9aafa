/* Window, FFT, power, mel, logarithm, cepstra or PCEN, mean, variance, in float32.
 *
 * Every operation is a single IEEE-754 one in a fixed order, so that the bits are the
 * same on every core, with and without a floating-point unit. */
#include <float.h>

#include "speech_features.h"

#define FEATURES_TABLES
#include "features_table.h"

#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) ||                             \
    defined(__RECIPROCAL_MATH__) || defined(_M_FP_FAST)
#error "speech_features.c needs IEEE-754 arithmetic: compile it without -ffast-math"
#endif
#if defined(__FLT_EVAL_METHOD__)
#define ROUNDING_TO __FLT_EVAL_METHOD__
#elif defined(FLT_EVAL_METHOD)
#define ROUNDING_TO FLT_EVAL_METHOD
#else
#define ROUNDING_TO 0
#endif
/* 16 and 32 are those of C23: what is no wider than float is computed in float. */
#if ROUNDING_TO != 0 && ROUNDING_TO != 16 && ROUNDING_TO != 32
#error "speech_features.c needs operations that round to float, as those of x87 do not: \
compile it with -msse2 -mfpmath=sse"
#endif

/* Not all compilers have a macro for what options allow: it is taken back here. A fused
 * multiply-add rounds once where two operations round twice. */
#if defined(__clang__)
#if __clang_major__ >= 12
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wignored-pragmas" /* by some targets */
#pragma float_control(precise, on)
#pragma clang diagnostic pop
#pragma clang fp reassociate(off)
#endif
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__) && !defined(__INTEL_COMPILER)
#pragma GCC optimize("fp-contract=off", "no-unsafe-math-optimizations", "signed-zeros",    \
                     "no-tree-loop-distribute-patterns")
#elif defined(_MSC_VER)
#pragma fp_contract(off)
#else
#pragma STDC FP_CONTRACT OFF
#endif

/* Clang fuses in spite of the pragma where -ffp-contract=fast says so, and multiplies by
 * an inverse where -freciprocal-math does. It cannot see through this: what is added is
 * rounded before, and a divisor is another one each time. */
#if defined(__clang__) && defined(__aarch64__)
#define OPAQUE "+w"
#elif defined(__clang__) && defined(__ARM_FP)
#define OPAQUE "+t"
#elif defined(__clang__) && defined(__SSE__)
#define OPAQUE "+x"
#elif defined(__clang__) && defined(__riscv_flen)
#define OPAQUE "+f"
#elif defined(__clang__)
#define OPAQUE "+m"
#endif

static inline float rounded(float value)
{
#ifdef OPAQUE
    __asm__ volatile("" : OPAQUE(value));
#endif
    return value;
}

#if defined(__clang__) && __clang_major__ >= 10 /* the same for Clang */
#pragma clang attribute push(__attribute__((no_builtin("memcpy", "memmove", "memset"))), \
                             apply_to = function)
#endif

enum { HALF = FEATURES_FFT_LENGTH / 2 };

void features_init(features_state *state)
{
    state->filled = 0;
    state->skip = 0;
    state->frames = 0;
#if defined(FEATURES_EXAMPLE_NORM)
    state->oldest = 0;
#endif
    for (uint32_t k = 0; k < FEATURES_NUM_FEATURES; k++)
        state->mean[k] = FEATURES_PCEN ? 0.0f : features_mean[k];
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
    p = rounded(0.22222222f * t2);
    p = rounded((p + 0.28571430f) * t2);
    p = rounded((p + 0.4f) * t2);
    p = rounded((p + 0.66666667f) * t2);
    p = rounded((p + 2.0f) * t);
    e = (float)exponent; /* log 2 in two parts: the first is exact times an exponent */
    return (p + rounded(e * -1.904654323148236e-09f)) +
           rounded(e * 0.693147182464599609375f);
}

#if FEATURES_PCEN || defined(FEATURES_EXAMPLE_NORM)
/* e^x where that is a normal number: 2^n e^r, |r| <= log 2 / 2, by Cephes's polynomial. */
static float exponential(float x)
{
    union {
        float value;
        uint32_t bits;
    } scale;
    const float k = rounded(x * 1.44269504f);
    const int32_t n = (int32_t)(k + (k < 0.0f ? -0.5f : 0.5f));
    const float e = (float)n;
    float r, p;

    r = x - rounded(e * 0.693359375f); /* log 2 in two parts, the first exact */
    r = r - rounded(e * -2.1219444e-4f);
    p = rounded(1.9875691e-4f * r) + 1.39819994e-3f;
    p = rounded(p * r) + 8.3334519e-3f;
    p = rounded(p * r) + 4.1665796e-2f;
    p = rounded(p * r) + 1.66666655e-1f;
    p = rounded(p * r) + 0.5f;
    p = rounded(rounded(p * r) * r) + r;
    scale.bits = (uint32_t)(n + 127) << 23;
    return (p + 1.0f) * scale.value;
}
#endif

#if FEATURES_PCEN
/* An energy against its mean, (energy / mean^gain + bias)^power. */
static float compressed(float energy, float mean)
{
    float x;

    if (FEATURES_GAIN_IS_ONE)
        x = energy / rounded(mean);
    else
        x = rounded(energy * exponential(rounded(-FEATURES_GAIN * logarithm(mean))));
    x = logarithm(x + FEATURES_BIAS);
    return FEATURES_POWER_IS_ZERO ? x : exponential(rounded(FEATURES_POWER * x));
}
#endif

/* A sample in the window, whose table scales 16 bits to [-1, 1]; 0 beyond it. */
static inline float windowed(const int16_t *pcm, uint32_t i)
{
    return i < FEATURES_FRAME_LENGTH ? rounded((float)pcm[i] * features_window[i]) : 0.0f;
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

/* The butterflies of a stage that share the twiddle wr + i wi. */
static void butterflies(float *a, const float *end, uint32_t length, float wr, float wi)
{
    for (; a < end; a += 2 * length) {
        const float re = a[length], im = a[length + 1];

        butterfly(a, a + length, rounded(re * wr) - rounded(im * wi),
                  rounded(re * wi) + rounded(im * wr));
    }
}

/* The other stages of the complex FFT of HALF points, in place, radix 2. The tables hold
 * cosine and sine of 2 pi k / FEATURES_FFT_LENGTH from k = 1 on up to the right angle:
 * beyond it they are the same, but for the sign of the cosine. */
static void later_stages(float *z)
{
    const float *const end = z + 2 * HALF;

    for (uint32_t length = 8; length <= HALF; length <<= 1) {
        const uint32_t half = length >> 1, step = FEATURES_FFT_LENGTH / length;

        for (float *a = z; a < end; a += 2 * length) /* a twiddle of 1 */
            butterfly(a, a + length, a[length], a[length + 1]);
        for (uint32_t k = 1; k <= half / 2; k++) {
            const float c = features_cosine[k * step - 1], s = features_sine[k * step - 1];

            butterflies(z + 2 * k, end, length, c, -s);
            if (k < half / 2)
                butterflies(z + 2 * (half - k), end, length, -c, -s);
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
        const float c = features_cosine[k - 1], s = -features_sine[k - 1];
        const float re = rounded(or_ * c) - rounded(oi * s);
        const float im = rounded(or_ * s) + rounded(oi * c);
        const float xr = er + re, xi = ei + im, yr = er - re, yi = im - ei;

        a[0] = rounded(xr * xr) + rounded(xi * xi);
        b[0] = rounded(yr * yr) + rounded(yi * yi);
    }
}

/* The energies of the triangles in z, or their logarithms. */
static void compute_bins(const float *z, float *bins)
{
    const float *weight = features_mel_weights;

    for (uint32_t bin = 0; bin < FEATURES_NUM_BINS; bin++) {
        const uint32_t start = features_mel_start[bin];
        float energy = 0.0f;

        for (uint32_t k = start; k < start + features_mel_length[bin]; k++)
            energy = energy + rounded(z[2 * k] * *weight++);
        energy = energy + FEATURES_FLOOR;
        bins[bin] = FEATURES_PCEN ? energy : logarithm(energy);
    }
}

static void compute_frame(features_state *state, float *z, float *frame)
{
    first_stages(state->pcm, z);
    later_stages(z);
    power_in_place(z);
#if FEATURES_CEPSTRA
    {
        const float *weight = features_cepstra;
        float bins[FEATURES_NUM_BINS];

        compute_bins(z, bins);
        for (uint32_t k = 0; k < FEATURES_NUM_FEATURES; k++) {
            float sum = 0.0f;

            for (uint32_t bin = 0; bin < FEATURES_NUM_BINS; bin++)
                sum = sum + rounded(bins[bin] * *weight++);
            frame[k] = sum;
        }
    }
#else
    compute_bins(z, frame);
#endif
#if FEATURES_MEMORY_FRAMES > 0
    {
        uint32_t count = FEATURES_PRIOR_FRAMES + state->frames + 1;
        float divisor;

        if (count > FEATURES_MEMORY_FRAMES)
            count = FEATURES_MEMORY_FRAMES;
        else
            state->frames++;
        divisor = (float)count;
        for (uint32_t k = 0; k < FEATURES_NUM_FEATURES; k++)
            state->mean[k] =
                state->mean[k] + (frame[k] - state->mean[k]) / rounded(divisor);
    }
#endif
    for (uint32_t k = 0; k < FEATURES_NUM_FEATURES; k++) {
#if FEATURES_PCEN
        const float x = compressed(frame[k], state->mean[k]) - features_mean[k];
#else
        const float x = frame[k] - state->mean[k];
#endif
        frame[k] = x * features_inverse_deviation[k];
    }
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
    for (uint32_t k = 0; k < FEATURES_NUM_FEATURES; k++) {
        const float v = rounded(frame[k] * FEATURES_INVERSE_SCALE) + FEATURES_ROUNDING;
        int32_t floor;

        if (v < -128.0f) {
            floor = -128;
        } else if (v >= 127.0f) {
            floor = 127;
        } else {
            floor = (int32_t)v;
            floor -= (float)floor > v;
        }
        quantized[k] = (int8_t)floor;
    }
}

#if defined(FEATURES_EXAMPLE_NORM)
void features_window_push(features_state *state, const float *frame)
{
    float *to = state->window + state->oldest * FEATURES_NUM_FEATURES;

    for (uint32_t k = 0; k < FEATURES_NUM_FEATURES; k++)
        to[k] = frame[k];
    state->oldest = state->oldest + 1 == FEATURES_WINDOW_FRAMES ? 0 : state->oldest + 1;
}

static const float *frame_of(const features_state *state, uint32_t number)
{
    const uint32_t place = state->oldest + number;

    return state->window + (place < FEATURES_WINDOW_FRAMES
                                ? place
                                : place - FEATURES_WINDOW_FRAMES) *
                               FEATURES_NUM_FEATURES;
}

/* Where the mean and the factor of a feature are. */
static inline uint32_t norm_of(uint32_t feature)
{
    return FEATURES_NORMS == 1 ? 0 : feature;
}

/* Adds a frame to sums: each of its values to one of its own, or all to the same, summed
 * before, so that less is lost in rounding. */
static void add_to(float *sums, const float *frame)
{
#if FEATURES_NORMS == 1
    float sum = 0.0f;

    for (uint32_t k = 0; k < FEATURES_NUM_FEATURES; k++)
        sum = sum + frame[k];
    sums[0] = sums[0] + sum;
#else
    for (uint32_t k = 0; k < FEATURES_NORMS; k++)
        sums[k] = sums[k] + frame[k];
#endif
}

void features_window_measure(const features_state *state, features_norms *norms)
{
    const float count = (float)(FEATURES_WINDOW_FRAMES * FEATURES_NUM_FEATURES /
                                FEATURES_NORMS);

    for (uint32_t k = 0; k < FEATURES_NORMS; k++)
        norms->mean[k] = norms->factor[k] = 0.0f;
    for (uint32_t n = 0; n < FEATURES_WINDOW_FRAMES; n++)
        add_to(norms->mean, frame_of(state, n));
    for (uint32_t k = 0; k < FEATURES_NORMS; k++)
        norms->mean[k] = norms->mean[k] / rounded(count);
    for (uint32_t n = 0; n < FEATURES_WINDOW_FRAMES; n++) {
        const float *frame = frame_of(state, n);
        float squares[FEATURES_NUM_FEATURES];

        for (uint32_t k = 0; k < FEATURES_NUM_FEATURES; k++) {
            const float x = frame[k] - norms->mean[norm_of(k)];

            squares[k] = rounded(x * x);
        }
        add_to(norms->factor, squares);
    }
    for (uint32_t k = 0; k < FEATURES_NORMS; k++) {
        float variance = norms->factor[k] / rounded(count);

        if (variance < FEATURES_LEAST_VARIANCE)
            variance = FEATURES_LEAST_VARIANCE;
        norms->factor[k] = exponential(rounded(-0.5f * logarithm(variance)));
    }
}

void features_window_quantize(const features_state *state, const features_norms *norms,
                              uint32_t number, int8_t *quantized)
{
    const float *frame = frame_of(state, number);
    float normalized[FEATURES_NUM_FEATURES];

    for (uint32_t k = 0; k < FEATURES_NUM_FEATURES; k++) {
        const float x = rounded(frame[k] - norms->mean[norm_of(k)]);

        normalized[k] = x * norms->factor[norm_of(k)];
    }
    features_quantize(normalized, quantized);
}
#endif

#if defined(__clang__) && __clang_major__ >= 10
#pragma clang attribute pop
#endif
