/* Exact decimals: an integer mantissa and a number of decimal places. Books use no floating point.
 *
 * A decimal keeps its written scale ("60591.00" is 6059100 at scale 2): most prices of a symbol
 * share a scale and compare as integers. td_decimal_shortest() makes values comparable field by
 * field; td_decimal_compare() compares by value. */
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
    TD_DECIMAL_PRINT_BYTES = 32,
};

/* td_power_of_ten[n] is 10^n. */
extern const int64_t td_power_of_ten[TD_DECIMAL_SCALE_MAX + 1];

/* Parse the whole text: [-]digits[.digits][e[+-]digits]. Leading zeros are allowed. TD_E_INVALID
 * for any other text; TD_E_LIMIT if the value does not fit exactly in 64 bits and 18 places. err
 * may be NULL on hot paths. */
TD_MUST_USE td_result td_decimal_parse(td_bytes text, td_decimal *out, td_err *err);

/* The same value without trailing zeros after the point; zero becomes {0, 0}. */
td_decimal td_decimal_shortest(td_decimal value);

/* Bring value to a larger scale (value.scale <= scale <= 18). TD_E_LIMIT if it does not fit. */
TD_MUST_USE td_result td_decimal_rescale(td_decimal value, uint8_t scale, int64_t *mantissa);

/* The exact value times 10^18 as a 128-bit integer in two's complement, for hashing: equal values
 * give equal results at any scale, for the cost of one multiplication. */
typedef struct td_decimal_wide {
    uint64_t low;
    uint64_t high;
} td_decimal_wide;
td_decimal_wide td_decimal_widen(td_decimal value);

/* Compare by value: -1, 0 or 1 if a is below, equal to or above b. */
int td_decimal_compare(td_decimal a, td_decimal b);

/* The nearest double. */
double td_decimal_double(td_decimal value);

/* A number range; both bounds are inclusive and optional. */
typedef struct td_decimal_range {
    td_decimal low, high;
    uint8_t has_low, has_high;
} td_decimal_range;

/* Parse one number, or "LOW..HIGH", where either bound may be missing. TD_E_INVALID. */
TD_MUST_USE td_result td_decimal_range_parse(td_bytes text, td_decimal_range *out, td_err *err);

/* 1 if the value is in the range, at any scale. */
int td_decimal_range_has(const td_decimal_range *range, td_decimal value);

/* Parse a text that consists of digits, as a number of at most max; max must be at least 9. 1, or 0
 * for any other text. */
int td_digits_parse(td_bytes text, uint64_t max, uint64_t *out);

/* Write a number's digits before `end`, at most 20. Returns the first one. */
char *td_digits_write(char *end, uint64_t number);

/* Write the last `count` digits of a number at `out`. Returns their end. */
uint8_t *td_digits_print(uint8_t *out, uint64_t number, unsigned count);

/* Write mantissa * 10^-scale without zeros at the end after the first `least` digits after the
 * point. Returns the end; out has TD_DECIMAL_PRINT_BYTES, because more than the text is written.
 * mantissa: any; least <= scale <= 18. */
uint8_t *td_decimal_print(uint8_t *out, int64_t mantissa, unsigned scale, unsigned least);

/* Write the shortest form ("60591", "0.5", "-12.25") and a NUL; returns its length. */
size_t td_decimal_format(td_decimal value, char out[TD_DECIMAL_TEXT_BYTES]);

/* As td_decimal_format, with all decimal places ("60591.00"). */
size_t td_decimal_format_whole(td_decimal value, char out[TD_DECIMAL_TEXT_BYTES]);

#endif
