/* Scanners for JSON in canonical form, which is how exchanges write it: without white space or
 * escapes. */
#ifndef TD_BASE_SCAN_H
#define TD_BASE_SCAN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/attr.h"
#include "base/bytes.h"

enum {
    SCAN_DIGITS_MAX = 18,
    /* Bytes of the longest token read at once: a sign, digits, a point, digits, a quote. */
    SCAN_REACH = 60,
};

/* Convert eight digits, one per byte of word (0 to 9, the first digit in the lowest byte), to a
 * number: pairs, then fours, then all eight, with three multiplications instead of eight. */
static inline uint64_t scan_eight_digits(uint64_t word)
{
    const uint64_t mask = UINT64_C(0x000000ff000000ff);
    word = word * 10 + (word >> 8);
    return ((word & mask) * UINT64_C(0x000f424000000064) +
            ((word >> 16) & mask) * UINT64_C(0x0000271000000001)) >>
           32;
}

/* Sets the top bit of each byte that is not a digit. */
static inline uint64_t scan_other_bytes(uint64_t word)
{
    uint64_t digits = word ^ UINT64_C(0x3030303030303030);
    return ((digits + UINT64_C(0x7676767676767676)) | digits) & UINT64_C(0x8080808080808080);
}

static const uint32_t SCAN_POW10[9] = {1,      10,      100,      1000,     10000,
                                       100000, 1000000, 10000000, 100000000};

/* scan_digits() for eight or more digits. */
const uint8_t *scan_many_digits(const uint8_t *p, uint64_t *value, size_t *count);

/* Read digits and append them to *value. *count is their number; if it is above SCAN_DIGITS_MAX,
 * the value is wrong. Reads eight digits at a time, because a loop over single digits mispredicts
 * its end for every second number. */
static inline const uint8_t *scan_digits(const uint8_t *p, uint64_t *value, size_t *count)
{
    uint64_t word = td_le64(p);
    uint64_t others = scan_other_bytes(word);
    if (TD_UNLIKELY(others == 0))
        return scan_many_digits(p, value, count);
    size_t rest = (size_t)__builtin_ctzll(others) / 8;
    uint64_t digits = word ^ UINT64_C(0x3030303030303030);
    /* Shifted in two steps, because a shift by 64 (rest 0) is undefined. */
    digits = digits << (56 - 8 * rest) << 8;
    *value = *value * SCAN_POW10[rest] + scan_eight_digits(digits);
    *count = rest;
    return p + rest;
}

/* scan_number() for numbers of any length, also below 0. */
const uint8_t *scan_long_number(const uint8_t *p, int64_t *mantissa, uint8_t *scale);

/* Read a scan_number(), if 1 to 7 digits (whole) precede the point, and the eight bytes after the
 * point include the number's end. */
static inline const uint8_t *scan_two_words(const uint8_t *p, size_t whole, int64_t *mantissa,
                                            uint8_t *scale)
{
    const uint64_t zeros = UINT64_C(0x3030303030303030);
    uint64_t word = td_le64(p + whole + 1);
    uint64_t others = scan_other_bytes(word);
    size_t places = (size_t)__builtin_ctzll(others | UINT64_C(1) << 63) / 8;
    if (TD_UNLIKELY(others == 0 || places == 0 || whole + places > 8))
        return scan_long_number(p, mantissa, scale);
    uint64_t front = (td_le64(p) ^ zeros) << (64 - 8 * whole);
    uint64_t after = (word ^ zeros) << (64 - 8 * places);
    *mantissa = (int64_t)scan_eight_digits(after | front >> (8 * places));
    *scale = (uint8_t)places;
    return p + whole + 1 + places;
}

/* A decimal without quotes, leading zero or exponent, of at most 18 digits. Most decimals end
 * within eight bytes: then the point is removed from the word, and all digits are converted at
 * once. Every call of another function is a tail call, so that these decimals save no registers. */
static inline const uint8_t *scan_number(const uint8_t *p, int64_t *mantissa, uint8_t *scale)
{
    uint64_t word = td_le64(p);
    uint64_t others = scan_other_bytes(word);
    uint64_t digits = word ^ UINT64_C(0x3030303030303030);
    if (TD_UNLIKELY(others == 0 || (others & 0x80) != 0 ||
                    ((uint8_t)digits == 0 && (others & 0x8000) == 0)))
        return scan_long_number(p, mantissa, scale);
    unsigned whole = (unsigned)__builtin_ctzll(others) - 7; /* bits of the digits */
    if ((uint8_t)(word >> whole) != '.') {
        *mantissa = (int64_t)scan_eight_digits(digits << (64 - whole));
        *scale = 0;
        return p + whole / 8;
    }
    if (TD_UNLIKELY((others &= others - 1) == 0))
        return scan_two_words(p, whole / 8, mantissa, scale);
    unsigned end = (unsigned)__builtin_ctzll(others) - 7;
    uint64_t front = (UINT64_C(1) << whole) - 1;
    digits = (digits & front) | ((digits >> 8) & ~front);
    *mantissa = (int64_t)scan_eight_digits(digits << (72 - end));
    *scale = (uint8_t)((end - whole) / 8 - 1);
    return TD_LIKELY(*scale > 0) ? p + end / 8 : NULL;
}

/* A decimal, with quotes or without. */
static inline const uint8_t *scan_decimal(const uint8_t *p, int64_t *mantissa, uint8_t *scale)
{
    if (*p != '"')
        return scan_number(p, mantissa, scale);
    p = scan_number(p + 1, mantissa, scale);
    return p != NULL && *p == '"' ? p + 1 : NULL;
}

/* A whole number, with quotes or without. */
static inline const uint8_t *scan_integer(const uint8_t *p, int64_t *value)
{
    uint8_t scale = 0;
    p = scan_decimal(p, value, &scale);
    return scale == 0 ? p : NULL;
}

/* A time since 1970 in units of unit_ns, maybe with decimal places, up to a ns. */
static inline const uint8_t *scan_time(const uint8_t *p, uint64_t unit_ns, uint64_t *ns)
{
    int64_t value = 0;
    uint8_t scale = 0;
    p = scan_decimal(p, &value, &scale);
    if (TD_UNLIKELY(scale != 0)) {
        if (scale > 8 || unit_ns % SCAN_POW10[scale] != 0)
            return NULL;
        unit_ns /= SCAN_POW10[scale];
    }
    if (p == NULL || value < 0 || (uint64_t)value > (uint64_t)INT64_MAX / unit_ns)
        return NULL;
    *ns = (uint64_t)value * unit_ns;
    return p;
}

/* Sets the top bit of each byte of word that is a control character, '"', '\\' or not ASCII. Bytes
 * after the first such byte may be wrong (borrows), so only the first is used. */
static inline uint64_t scan_special_bytes(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t quote = word ^ (ones * '"');
    uint64_t backslash = word ^ (ones * '\\');
    uint64_t special = (word - ones * 0x20) | (quote - ones) | (backslash - ones) | word;
    return special & (ones * 0x80);
}

/* A string of printable ASCII without escapes, of any length. *text is the text between its
 * quotes. */
static inline const uint8_t *scan_string(const uint8_t *p, const uint8_t *end, td_bytes *text)
{
    if (TD_UNLIKELY(*p != '"'))
        return NULL;
    const uint8_t *begin = ++p;
    for (; p < end; p += 8) {
        uint64_t special = scan_special_bytes(td_le64(p));
        if (special == 0)
            continue;
        p += __builtin_ctzll(special) / 8;
        *text = td_bytes_of(begin, (size_t)(p - begin));
        return *p == '"' && p < end ? p + 1 : NULL;
    }
    return NULL;
}

/* A string that is a value: neither "" nor "None". */
static inline const uint8_t *scan_text(const uint8_t *p, const uint8_t *end, td_bytes *text)
{
    p = scan_string(p, end, text);
    if (p == NULL || text->size == 0 || (text->size == 4 && memcmp(text->data, "None", 4) == 0))
        return NULL;
    return p;
}

/* Any scalar in canonical form. */
const uint8_t *scan_scalar(const uint8_t *p, const uint8_t *end);

#endif
