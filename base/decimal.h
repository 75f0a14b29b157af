/* Exact decimals: an integer mantissa and a number of decimal places. There is no floating point
 * between the wire and a book.
 *
 * A decimal keeps the scale that it was written with ("60591.00" is 6059100 at scale 2): prices
 * of one symbol mostly share it and compare as integers. td_decimal_shortest() makes values
 * comparable field by field; td_decimal_compare() compares by value. */
#ifndef TD_BASE_DECIMAL_H
#define TD_BASE_DECIMAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/bytes.h"
#include "base/err.h"

typedef struct td_decimal {
    int64_t mantissa; /* value = mantissa / 10^scale */
    uint8_t scale;    /* 0 to TD_DECIMAL_SCALE_MAX */
} td_decimal;

enum {
    TD_DECIMAL_SCALE_MAX = 18,
    TD_DECIMAL_TEXT_BYTES = 24, /* sign, 19 digits, point, leading zero, NUL */
};

/* Parse the whole text: [-]digits[.digits][e[+-]digits]. Leading zeros are allowed; any other
 * text is TD_E_INVALID. TD_E_LIMIT if the value does not fit exactly in a mantissa of 64 bits
 * and 18 places. err may be NULL on hot paths. */
TD_MUST_USE td_result td_decimal_parse(td_bytes text, td_decimal *out, td_err *err);

/* The same value without trailing zeros after the point; zero becomes {0, 0}. */
td_decimal td_decimal_shortest(td_decimal value);

/* Bring value to a larger scale (value.scale <= scale <= 18). TD_E_LIMIT if it does not fit. */
TD_MUST_USE td_result td_decimal_rescale(td_decimal value, uint8_t scale, int64_t *mantissa);

/* The value times 10^18, exactly, as an integer of 128 bits in two's complement, for hashing:
 * equal values give equal results, whatever their scales, at the cost of one multiplication. */
typedef struct td_decimal_wide {
    uint64_t low;
    uint64_t high;
} td_decimal_wide;
td_decimal_wide td_decimal_widen(td_decimal value);

/* -1, 0 or 1: a is below, equal to, above b, by value. */
int td_decimal_compare(td_decimal a, td_decimal b);

/* Numbers from low to high, both included; a bound that is not set excludes nothing. */
/* The nearest double. */
double td_decimal_double(td_decimal value);

typedef struct td_decimal_range {
    td_decimal low, high;
    uint8_t has_low, has_high;
} td_decimal_range;

/* Parse one number, or "LOW..HIGH" of which either bound may be missing. TD_E_INVALID. */
TD_MUST_USE td_result td_decimal_range_parse(td_bytes text, td_decimal_range *out, td_err *err);

/* 1 if the value lies in the range, whatever its scale. */
int td_decimal_range_has(const td_decimal_range *range, td_decimal value);

/* A text of digits alone as a whole number of at most max (at least 9). 0: it is not one. */
int td_digits_parse(td_bytes text, uint64_t max, uint64_t *out);

/* Write the shortest form ("60591", "0.5", "-12.25") and a NUL; returns its length. */
size_t td_decimal_format(td_decimal value, char out[TD_DECIMAL_TEXT_BYTES]);

#endif
