/* Values as text, and as numbers that give exactly that text again (format/PACK.md, "Values"). */
#ifndef TD_PACK_VALUE_TEXT_H
#define TD_PACK_VALUE_TEXT_H

#include <stdint.h>

#include "base/bytes.h"

enum {
    VALUE_DIGITS_MAX = 18,
    VALUE_TEXT_BYTES = 40, /* the longest text of a number or a time */
    TIME_DIGITS_MAX = 9,
};

/* Read a decimal number, which td_decimal_print prints with the same digits: mantissa * 10^-scale
 * with `scale` digits after the point. 0: the text is no number, or is written in another way (a
 * leading zero, an exponent, more than 18 digits, a negative zero). */
int value_read_number(td_bytes text, int64_t *mantissa, unsigned *scale);

/* The same for a number that begins at p; returns the end of its digits, or NULL. */
const uint8_t *value_scan_number(const uint8_t *p, const uint8_t *end, int64_t *mantissa,
                                 unsigned *scale);

/* Read a time "YYYY-MM-DDThh:mm:ss.fZ" with up to 9 digits f, or none without the point, in units
 * of 10^-digits s. 0: the text is no time. value_print_time prints it; returns the end. Any ticks
 * print some text of at most VALUE_TEXT_BYTES. */
int value_read_time(td_bytes text, int64_t *ticks, unsigned *digits);
uint8_t *value_print_time(uint8_t *out, int64_t ticks, unsigned digits);

#endif
