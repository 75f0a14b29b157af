/* Text written into memory of sufficient size: the frames of the simulated exchange. Running out
 * of space is a bug, asserted. Inline, because a frame needs some hundred calls. */
#ifndef TD_SIM_TEXT_OUT_H
#define TD_SIM_TEXT_OUT_H

#include <stdint.h>
#include <string.h>

#include "base/assert.h"

typedef struct text_out {
    char *data;
    size_t size; /* bytes written so far */
    size_t capacity;
} text_out;

/* Append bytes. */
static inline void text_put(text_out *out, const char *bytes, size_t size)
{
    TD_ASSERT(size <= out->capacity - out->size);
    memcpy(out->data + out->size, bytes, size);
    out->size += size;
}

/* Append a C string. */
static inline void text_puts(text_out *out, const char *text)
{
    text_put(out, text, strlen(text));
}

/* Append value with at least digits_min digits, padded with zeros. */
static inline void text_put_u64(text_out *out, uint64_t value, size_t digits_min)
{
    char digits[24];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    while (sizeof digits - at < digits_min)
        digits[--at] = '0';
    text_put(out, digits + at, sizeof digits - at);
}

/* 10 to the power of places (0 to 18). */
static inline int64_t text_power10(unsigned places)
{
    int64_t power = 1;
    while (places-- > 0)
        power *= 10;
    return power;
}

/* Append mantissa / 10^places with all its places ("-29914.50"). */
static inline void text_put_fixed(text_out *out, int64_t mantissa, unsigned places)
{
    uint64_t power = (uint64_t)text_power10(places);
    uint64_t size = mantissa < 0 ? 0 - (uint64_t)mantissa : (uint64_t)mantissa;
    if (mantissa < 0)
        text_put(out, "-", 1);
    text_put_u64(out, size / power, 1);
    if (places > 0) {
        text_put(out, ".", 1);
        text_put_u64(out, size % power, places);
    }
}

/* Append mantissa / 10^places in its shortest form ("29914.5"). */
static inline void text_put_shortest(text_out *out, int64_t mantissa, unsigned places)
{
    while (places > 0 && mantissa % 10 == 0) {
        mantissa /= 10;
        places--;
    }
    text_put_fixed(out, mantissa, places);
}

#endif
