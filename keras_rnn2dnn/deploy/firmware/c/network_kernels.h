/* The tables of the network, and what all layers share: sums of products, and how they
 * become int8 again. The source of the network includes it first, and ends with the
 * lines that end what it begins for Clang.
 *
 * One of three forms of the inner loop is chosen by the compiler's own macros: plain
 * C99, Armv7E-M with DSP, Armv8.1-M with MVE. All give the same results. NETWORK_PLAIN
 * asks for plain C; NETWORK_SINGLE_ROUNDING rounds once instead of twice, as builds of
 * TensorFlow Lite with TFLITE_SINGLE_ROUNDING do. */
#ifndef NETWORK_KERNELS_H
#define NETWORK_KERNELS_H

#if defined(__GNUC__) && !defined(__clang__)
/* keeps the compiler from turning loops into calls of memcpy and memset */
#pragma GCC optimize("no-tree-loop-distribute-patterns")
#endif

#include "network.h"

#define MODEL_TABLES
#include "model.h"

#if defined(__ARM_FEATURE_MVE) && !defined(NETWORK_PLAIN)
#include <arm_mve.h>
#endif

#if defined(__clang__) && __clang_major__ >= 10 /* the same for Clang */
#pragma clang attribute push(__attribute__((no_builtin("memcpy", "memmove", "memset"))), \
                             apply_to = function)
#endif

/* A call of its own: merged into its caller the inner loop runs out of registers. */
#if defined(__GNUC__)
#define NETWORK_APART __attribute__((noinline))
#else
#define NETWORK_APART
#endif

/* Four bytes at any address. Unlike memcpy it never becomes a call. */
#if defined(__ARM_FEATURE_SIMD32) || defined(__ARM_FEATURE_UNALIGNED)
typedef struct {
    uint32_t value;
} __attribute__((packed, may_alias)) any_word;
#endif

/* acc[r] = from[r] + sum of w[r * stride + k] * x[k], k < count, for four rows r. */
#if defined(__ARM_FEATURE_MVE) && !defined(NETWORK_PLAIN)

NETWORK_APART static void add_products(const int8_t *w, uint32_t stride, const int8_t *x,
                                       uint32_t count, const int32_t *from, int32_t *acc)
{
    const int8_t *w1 = w + stride, *w2 = w1 + stride, *w3 = w2 + stride;
    int32_t a0 = from[0], a1 = from[1], a2 = from[2], a3 = from[3];

    for (uint32_t blocks = count / 16; blocks > 0; blocks--) {
        const int8x16_t v = vldrbq_s8(x);

        a0 = vmladavaq_s8(a0, vldrbq_s8(w), v);
        a1 = vmladavaq_s8(a1, vldrbq_s8(w1), v);
        a2 = vmladavaq_s8(a2, vldrbq_s8(w2), v);
        a3 = vmladavaq_s8(a3, vldrbq_s8(w3), v);
        x += 16;
        w += 16;
        w1 += 16;
        w2 += 16;
        w3 += 16;
    }
    if (count % 16) {
        const mve_pred16_t lanes = vctp8q(count % 16);
        const int8x16_t v = vldrbq_z_s8(x, lanes);

        a0 = vmladavaq_s8(a0, vldrbq_z_s8(w, lanes), v);
        a1 = vmladavaq_s8(a1, vldrbq_z_s8(w1, lanes), v);
        a2 = vmladavaq_s8(a2, vldrbq_z_s8(w2, lanes), v);
        a3 = vmladavaq_s8(a3, vldrbq_z_s8(w3, lanes), v);
    }
    acc[0] = a0;
    acc[1] = a1;
    acc[2] = a2;
    acc[3] = a3;
}

#elif defined(__ARM_FEATURE_SIMD32) && !defined(NETWORK_PLAIN)

static inline uint32_t load4(const int8_t *p)
{
    return ((const any_word *)(const void *)p)->value; /* one load on these cores */
}

/* Bytes 0, 2 and bytes 1, 3 of a word, extended to pairs of 16 bits. */
static inline uint32_t even(uint32_t v)
{
    uint32_t r;

    __asm__("sxtb16 %0, %1" : "=r"(r) : "r"(v));
    return r;
}

static inline uint32_t odd(uint32_t v)
{
    uint32_t r;

    __asm__("sxtb16 %0, %1, ror #8" : "=r"(r) : "r"(v));
    return r;
}

static inline int32_t add_pairs(uint32_t a, uint32_t b, int32_t acc)
{
    __asm__("smlad %0, %1, %2, %0" : "+r"(acc) : "r"(a), "r"(b));
    return acc;
}

static inline int32_t add4(const int8_t *w, uint32_t x0, uint32_t x1, int32_t acc)
{
    const uint32_t v = load4(w);

    return add_pairs(odd(v), x1, add_pairs(even(v), x0, acc));
}

NETWORK_APART static void add_products(const int8_t *w, uint32_t stride, const int8_t *x,
                                       uint32_t count, const int32_t *from, int32_t *acc)
{
    const int8_t *const words = x + (count & ~3u), *const end = x + count;
    int32_t a0 = from[0], a1 = from[1], a2 = from[2], a3 = from[3];

    while (x < words) {
        const uint32_t v = load4(x), x0 = even(v), x1 = odd(v);
        const int8_t *row = w;

        a0 = add4(row, x0, x1, a0);
        row += stride;
        a1 = add4(row, x0, x1, a1);
        row += stride;
        a2 = add4(row, x0, x1, a2);
        row += stride;
        a3 = add4(row, x0, x1, a3);
        x += 4;
        w += 4;
    }
    for (; x < end; x++) {
        a0 += w[0] * *x;
        a1 += w[stride] * *x;
        a2 += w[2 * stride] * *x;
        a3 += w[3 * stride] * *x;
        w++;
    }
    acc[0] = a0;
    acc[1] = a1;
    acc[2] = a2;
    acc[3] = a3;
}

#else

NETWORK_APART static void add_products(const int8_t *w, uint32_t stride, const int8_t *x,
                                       uint32_t count, const int32_t *from, int32_t *acc)
{
    const int8_t *w1 = w + stride, *w2 = w1 + stride, *w3 = w2 + stride;
    int32_t a0 = from[0], a1 = from[1], a2 = from[2], a3 = from[3];

    for (uint32_t k = 0; k < count; k++) {
        const int32_t v = x[k];

        a0 += w[k] * v;
        a1 += w1[k] * v;
        a2 += w2[k] * v;
        a3 += w3[k] * v;
    }
    acc[0] = a0;
    acc[1] = a1;
    acc[2] = a2;
    acc[3] = a3;
}

#endif

static int32_t add_row(const int8_t *w, const int8_t *x, uint32_t count, int32_t acc)
{
    for (uint32_t k = 0; k < count; k++)
        acc += w[k] * x[k];
    return acc;
}

/* acc * multiplier / 2^31 * 2^shift. The generator has checked that |acc| << shift, and
 * what is shifted to the right with half a step added, stay below 2^31, so that nothing
 * here overflows. */
static inline int32_t requantize(int32_t acc, int32_t multiplier, int32_t shift)
{
#ifdef NETWORK_SINGLE_ROUNDING
    const int32_t right = 31 - shift;

    return (int32_t)(((int64_t)acc * multiplier + ((int64_t)1 << (right - 1))) >> right);
#else
    const uint32_t left = shift > 0 ? (uint32_t)shift : 0;
    const uint32_t right = shift > 0 ? 0 : (uint32_t)-shift;
    const int32_t shifted = acc * (int32_t)((uint32_t)1 << left);
    const int32_t high =
        (int32_t)(((int64_t)shifted * multiplier + ((int64_t)1 << 30)) >> 31);
    const int32_t half = (int32_t)(((uint32_t)1 << right) >> 1);

    return (high + half - (high < 0 && right > 0)) >> right; /* half away from zero */
#endif
}

/* Turns `count` sums into int8, the first of them that of output `first`. */
static void finish(const network_layer *layer, uint32_t first, uint32_t count,
                   const int32_t *acc, int8_t *y)
{
    const uint32_t step = layer->per_channel;
    const int32_t *multiplier = layer->multipliers + first * step;
    const int8_t *shift = layer->shifts + first * step;
    const int32_t offset = layer->output_offset;
    const int32_t minimum = layer->minimum, maximum = layer->maximum;

    for (uint32_t i = 0; i < count; i++, multiplier += step, shift += step) {
        int32_t v = requantize(acc[i], *multiplier, *shift) + offset;

        v = v < minimum ? minimum : v;
        v = v > maximum ? maximum : v;
        y[i] = (int8_t)v;
    }
}

#if defined(__ARM_FEATURE_MVE) && !defined(NETWORK_PLAIN) &&                               \
    !defined(NETWORK_SINGLE_ROUNDING)

/* `finish` of four outputs at a time. */
static void finish_four(const network_layer *layer, uint32_t first, const int32_t *acc,
                        int8_t *y)
{
    const uint32_t place = first * layer->per_channel;
    const int32_t *multipliers = layer->multipliers + place;
    const int8_t *shifts = layer->shifts + place;
    int32x4_t v = vldrwq_s32(acc), multiplier, shift, right;

    if (layer->per_channel) {
        multiplier = vldrwq_s32(multipliers);
        shift = vldrbq_s32(shifts);
    } else {
        multiplier = vdupq_n_s32(*multipliers);
        shift = vdupq_n_s32(*shifts);
    }
    right = vminq_s32(shift, vdupq_n_s32(0));
    v = vshlq_s32(v, vmaxq_s32(shift, vdupq_n_s32(0)));
    v = vqrdmulhq_s32(v, multiplier);
    /* vrshlq rounds half up: below zero, one less makes it half away from zero */
    v = vqaddq_s32(v, vshrq_n_s32(vandq_s32(v, right), 31));
    v = vaddq_n_s32(vrshlq_s32(v, right), layer->output_offset);
    v = vmaxq_s32(v, vdupq_n_s32(layer->minimum));
    v = vminq_s32(v, vdupq_n_s32(layer->maximum));
    vstrbq_s32(y, v);
}

#else

static void finish_four(const network_layer *layer, uint32_t first, const int32_t *acc,
                        int8_t *y)
{
    finish(layer, first, 4, acc, y);
}

#endif

/* Moves `size` bytes to the left by `frame` bytes, and puts a frame at their end. */
static void append(int8_t *history, uint32_t size, const int8_t *frame, uint32_t count)
{
    uint32_t i = 0;

#if defined(__ARM_FEATURE_UNALIGNED)
    for (; i + count + 4 <= size; i += 4) {
        const any_word word = *(const any_word *)(const void *)(history + i + count);

        ((any_word *)(void *)(history + i))->value = word.value;
    }
#endif
    for (; i + count < size; i++)
        history[i] = history[i + count];
    for (i = 0; i < count; i++)
        history[size - count + i] = frame[i];
}

#endif
