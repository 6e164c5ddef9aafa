/* Inner loops of two-dimensional layers beside those of network_kernels.h: two pixels of
 * a convolution at a time, and the taps of a depthwise one. All forms give the same
 * results. Included once, by network_images.c. */
#ifndef NETWORK_IMAGE_KERNELS_H
#define NETWORK_IMAGE_KERNELS_H

#include "network_kernels.h"

#if defined(__ARM_FEATURE_SIMD32) && !defined(NETWORK_PLAIN) && !defined(__ARM_FEATURE_MVE)
#define NETWORK_DSP 1
#else
#define NETWORK_DSP 0
#endif

/* What an output pixel of a depthwise convolution reads: `count` pixels, first channel by
 * first channel, and the weights, `outputs` values from those of a tap to the next. */
typedef struct {
    const int8_t *const *pixels;
    uint32_t count;
    uint32_t outputs;
} taps;

/* depthwise_channels: acc[k] = bias[k] + the sum over all taps of w[k] * x[k], of so many
 * channels k from `channel` on, whose weights and biases begin at `w` and `bias`. */
#if defined(__ARM_FEATURE_MVE) && !defined(NETWORK_PLAIN)
#define DEPTHWISE_CHANNELS 8u
#else
#define DEPTHWISE_CHANNELS 4u
#endif

/* How sums of a layer become int8, read from its table once: what is written through
 * int8_t pointers might otherwise have changed it. */
typedef struct {
    const int32_t *multiplier;
    const int8_t *shift;
    uint32_t step;
    int32_t offset;
    int32_t minimum;
    int32_t maximum;
    int quick; /* see quickly_finished */
} finishing;

static inline finishing finishing_from(const network_layer *layer, uint32_t output)
{
    const uint32_t step = layer->per_channel;
    finishing f = {layer->multipliers + output * step,
                   layer->shifts + output * step,
                   step,
                   layer->output_offset,
                   layer->minimum,
                   layer->maximum,
                   0};

#if NETWORK_DSP && !defined(NETWORK_SINGLE_ROUNDING)
    f.quick = layer->is_simple && f.minimum == -128 && f.maximum == 127;
#endif
    return f;
}

static inline int8_t finished(const finishing *f, int32_t multiplier, int32_t shift,
                              int32_t acc)
{
    int32_t v = requantize(acc, multiplier, shift) + f->offset;

    v = v < f->minimum ? f->minimum : v;
    return (int8_t)(v > f->maximum ? f->maximum : v);
}

#if NETWORK_DSP && !defined(NETWORK_SINGLE_ROUNDING)

/* The same where all shifts go to the right, 30 bits hold all sums, and nothing but int8
 * limits the output. `rounding` is 2 * offset + 1, and `shift` that of the table: with
 * r = -shift the rounding is (high - (high < 0) + 2^(r - 1)) >> r. */
static inline int8_t quickly_finished(int32_t multiplier, int32_t shift, int32_t rounding,
                                      int32_t acc)
{
    int32_t high, v;

    __asm__("smmulr %0, %1, %2" : "=r"(high) : "r"(acc * 2), "r"(multiplier));
    high += high >> 31;
    v = (high >> ~shift) + rounding;
    __asm__("ssat %0, #8, %1, asr #1" : "=r"(v) : "r"(v));
    return (int8_t)v;
}

#elif NETWORK_DSP

static inline int8_t quickly_finished(int32_t multiplier, int32_t shift, int32_t rounding,
                                      int32_t acc)
{
    return (int8_t)(requantize(acc, multiplier, shift) + (rounding >> 1)); /* not used */
}

#endif

/* The sums of four outputs, from output `first` on; `f` is of output 0. */
static inline void finish_channels(const network_layer *layer, const finishing *f,
                                   uint32_t first, const int32_t *acc, int8_t *y)
{
#if NETWORK_DSP
    if (f->quick && f->step) {
        const int32_t *m = f->multiplier + first;
        const int8_t *s = f->shift + first;
        const int32_t rounding = 2 * f->offset + 1;
        const int8_t y0 = quickly_finished(m[0], s[0], rounding, acc[0]);
        const int8_t y1 = quickly_finished(m[1], s[1], rounding, acc[1]);
        const int8_t y2 = quickly_finished(m[2], s[2], rounding, acc[2]);

        y[3] = quickly_finished(m[3], s[3], rounding, acc[3]);
        y[0] = y0;
        y[1] = y1;
        y[2] = y2;
        return;
    }
#else
    (void)f;
#endif
    finish_four(layer, first, acc, y);
}

#if NETWORK_DSP

/* Writes the values of two pixels as 16 bits, in the order in which weights are unpacked:
 * of each four values the even ones and the odd ones, of one pixel and of the other. */
static void widen_two(const int8_t *a, const int8_t *b, uint32_t count, uint32_t *to)
{
    for (; count >= 4; count -= 4, a += 4, b += 4) {
        const uint32_t v = load4(a), w = load4(b);

        *to++ = even(v);
        *to++ = odd(v);
        *to++ = even(w);
        *to++ = odd(w);
    }
    for (; count > 0; count--) /* both side by side */
        *to++ = ((uint32_t)*a++ & 0xffffu) | ((uint32_t)*b++ << 16);
}

/* Four values each of two rows of weights and of two pixels; moves the pointers on. Left
 * to itself the compiler loads more than it has registers for. */
#define ADD_FOUR_OF_TWO()                                                                  \
    __asm__("ldr %[v], [%[w]], #4\n\t"                                                     \
            "ldrd %[x0], %[x1], [%[x]], #8\n\t"                                            \
            "ldrd %[y0], %[y1], [%[x]], #8\n\t"                                            \
            "sxtb16 %[u], %[v]\n\t"                                                        \
            "sxtb16 %[v], %[v], ror #8\n\t"                                                \
            "smlad %[a0], %[u], %[x0], %[a0]\n\t"                                          \
            "smlad %[a1], %[u], %[y0], %[a1]\n\t"                                          \
            "smlad %[a0], %[v], %[x1], %[a0]\n\t"                                          \
            "smlad %[a1], %[v], %[y1], %[a1]\n\t"                                          \
            "ldr %[v], [%[w1]], #4\n\t"                                                    \
            "sxtb16 %[u], %[v]\n\t"                                                        \
            "sxtb16 %[v], %[v], ror #8\n\t"                                                \
            "smlad %[b0], %[u], %[x0], %[b0]\n\t"                                          \
            "smlad %[b1], %[u], %[y0], %[b1]\n\t"                                          \
            "smlad %[b0], %[v], %[x1], %[b0]\n\t"                                          \
            "smlad %[b1], %[v], %[y1], %[b1]\n\t"                                          \
            : [a0] "+r"(a0), [a1] "+r"(a1), [b0] "+r"(b0), [b1] "+r"(b1), [w] "+r"(w),     \
              [w1] "+r"(w1), [x] "+r"(x), [u] "=&r"(u), [v] "=&r"(v), [x0] "=&r"(x0),      \
              [x1] "=&r"(x1), [y0] "=&r"(y0), [y1] "=&r"(y1)                               \
            :                                                                              \
            : "memory")

/* acc[2 * r + p] = from[r] + sum of w[r * stride + k] * pixel p's k, of two rows r. */
NETWORK_APART static void add_products_of_two(const int8_t *w, uint32_t stride,
                                              const uint32_t *x, const int32_t *from,
                                              int32_t *acc)
{
    const int8_t *w1 = w + stride;
    const uint32_t *const end = x + (stride & ~7u); /* a word for each value */
    int32_t a0 = from[0], a1 = a0, b0 = from[1], b1 = b0;
    uint32_t u, v, x0, x1, y0, y1;

    while (x < end) {
        ADD_FOUR_OF_TWO();
        ADD_FOUR_OF_TWO();
    }
    if (stride & 4u)
        ADD_FOUR_OF_TWO();
    for (stride &= 3u; stride > 0; stride--, x++) {
        const int32_t p = (int16_t)*x, q = (int32_t)*x >> 16;

        a0 += *w * p;
        a1 += *w++ * q;
        b0 += *w1 * p;
        b1 += *w1++ * q;
    }
    acc[0] = a0;
    acc[1] = a1;
    acc[2] = b0;
    acc[3] = b1;
}

/* All outputs of two pixels; the number of outputs is even. */
NETWORK_APART static void outputs_of_two(const network_layer *layer, uint32_t row,
                                         const uint32_t *x, int8_t *y)
{
    const int8_t *w = layer->weights;
    const int32_t *bias = layer->bias;
    const uint32_t outputs = layer->outputs;
    const int8_t *const end = y + outputs;
    const finishing f = finishing_from(layer, 0);
    const int32_t *multiplier = f.multiplier;
    const int8_t *shift = f.shift;

    for (; y < end; y += 2, w += 2 * row, bias += 2) {
        const int32_t m0 = *multiplier, m1 = multiplier[f.step];
        const int32_t s0 = *shift, s1 = shift[f.step];
        int32_t acc[4];

        add_products_of_two(w, row, x, bias, acc);
        multiplier += 2 * f.step;
        shift += 2 * f.step;
        if (f.quick) {
            const int32_t rounding = 2 * f.offset + 1;

            y[0] = quickly_finished(m0, s0, rounding, acc[0]);
            y[outputs] = quickly_finished(m0, s0, rounding, acc[1]);
            y[1] = quickly_finished(m1, s1, rounding, acc[2]);
            y[1 + outputs] = quickly_finished(m1, s1, rounding, acc[3]);
        } else {
            y[0] = finished(&f, m0, s0, acc[0]);
            y[outputs] = finished(&f, m0, s0, acc[1]);
            y[1] = finished(&f, m1, s1, acc[2]);
            y[1 + outputs] = finished(&f, m1, s1, acc[3]);
        }
    }
}

/* Four channels of a tap, whose weights are the word `w`. */
#define ADD_TAP(w)                                                                         \
    "ldr %[u], [%[pixel]], #4\n\t"                                                         \
    "ldr %[v], [" w "]\n\t"                                                                \
    "ldr %[u], [%[u], %[channel]]\n\t"                                                     \
    "sxtb16 %[v0], %[v]\n\t"                                                               \
    "sxtb16 %[v], %[v], ror #8\n\t"                                                        \
    "sxtb16 %[u0], %[u]\n\t"                                                               \
    "sxtb16 %[u], %[u], ror #8\n\t"                                                        \
    "smlabb %[a0], %[v0], %[u0], %[a0]\n\t"                                                \
    "smlatt %[a2], %[v0], %[u0], %[a2]\n\t"                                                \
    "smlabb %[a1], %[v], %[u], %[a1]\n\t"                                                  \
    "smlatt %[a3], %[v], %[u], %[a3]\n\t"

/* `taps` of the above, and the step to the weights of the tap behind them. */
#define ADD_TAPS(taps, count)                                                              \
    __asm__(taps "add %[w], %[w], %[outputs], lsl #" count "\n\t"                          \
            : [a0] "+r"(a0), [a1] "+r"(a1), [a2] "+r"(a2), [a3] "+r"(a3), [w] "+r"(w),     \
              [pixel] "+r"(pixel), [v] "=&r"(v), [u] "=&r"(u), [v0] "=&r"(v0),             \
              [u0] "=&r"(u0)                                                               \
            : [channel] "r"(channel), [outputs] "r"(outputs)                               \
            : "memory")

NETWORK_APART static void depthwise_channels(const taps *t, const int8_t *w,
                                             uint32_t channel, const int32_t *bias,
                                             int32_t *acc)
{
    const int8_t *const *pixel = t->pixels, *const *const end = pixel + t->count;
    const int8_t *const *const pairs = pixel + (t->count & ~1u);
    const uint32_t outputs = t->outputs;
    int32_t a0 = bias[0], a1 = bias[1], a2 = bias[2], a3 = bias[3];
    uint32_t v, u, v0, u0;

    while (pixel < pairs)
        ADD_TAPS(ADD_TAP("%[w]") ADD_TAP("%[w], %[outputs]"), "1");
    if (pixel < end)
        ADD_TAPS(ADD_TAP("%[w]"), "0");
    acc[0] = a0;
    acc[1] = a1;
    acc[2] = a2;
    acc[3] = a3;
}

#elif defined(__ARM_FEATURE_MVE) && !defined(NETWORK_PLAIN)

static void depthwise_channels(const taps *t, const int8_t *w, uint32_t channel,
                               const int32_t *bias, int32_t *acc)
{
    int32x4x2_t sums = {{vdupq_n_s32(0), vdupq_n_s32(0)}};

    for (uint32_t i = 0; i < t->count; i++, w += t->outputs) {
        const int16x8_t v = vldrbq_s16(w), u = vldrbq_s16(t->pixels[i] + channel);

        sums.val[0] = vaddq_s32(sums.val[0], vmullbq_int_s16(v, u));
        sums.val[1] = vaddq_s32(sums.val[1], vmulltq_int_s16(v, u));
    }
    vst2q_s32(acc, sums); /* even and odd channels in turn */
    vstrwq_s32(acc, vaddq_s32(vldrwq_s32(acc), vldrwq_s32(bias)));
    vstrwq_s32(acc + 4, vaddq_s32(vldrwq_s32(acc + 4), vldrwq_s32(bias + 4)));
}

#else

static void depthwise_channels(const taps *t, const int8_t *w, uint32_t channel,
                               const int32_t *bias, int32_t *acc)
{
    int32_t a0 = bias[0], a1 = bias[1], a2 = bias[2], a3 = bias[3];

    for (uint32_t i = 0; i < t->count; i++, w += t->outputs) {
        const int8_t *x = t->pixels[i] + channel;

        a0 += w[0] * x[0];
        a1 += w[1] * x[1];
        a2 += w[2] * x[2];
        a3 += w[3] * x[3];
    }
    acc[0] = a0;
    acc[1] = a1;
    acc[2] = a2;
    acc[3] = a3;
}

#endif

#endif
