#include "base/decimal.h"

#include <string.h>

#include "base/assert.h"
#include "base/limits.h"

/* Expected load: two calls for every level of every book frame, nearly always up to 12 digits
 * with or without a point. That is the fast path at the start of td_decimal_parse: one pass,
 * with one check of limits at the end. Everything else (exponents, more than 18 digits, errors)
 * takes the slow path through a scan. */

__extension__ typedef __int128 int128;
__extension__ typedef unsigned __int128 uint128;

enum { FAST_DIGITS = 18 };

/* Larger exponents count as infinite: no text is long enough to balance them. */
static const int64_t EXPONENT_FAR = INT64_C(1) << 60;

static const uint64_t POW10[LIMIT_DECIMAL_DIGITS] = {
    UINT64_C(1),
    UINT64_C(10),
    UINT64_C(100),
    UINT64_C(1000),
    UINT64_C(10000),
    UINT64_C(100000),
    UINT64_C(1000000),
    UINT64_C(10000000),
    UINT64_C(100000000),
    UINT64_C(1000000000),
    UINT64_C(10000000000),
    UINT64_C(100000000000),
    UINT64_C(1000000000000),
    UINT64_C(10000000000000),
    UINT64_C(100000000000000),
    UINT64_C(1000000000000000),
    UINT64_C(10000000000000000),
    UINT64_C(100000000000000000),
    UINT64_C(1000000000000000000),
};

/* Result of a scan of the text. Places are powers of ten: the digit before the point has place
 * 0, the first one after it -1. */
typedef struct decimal_scan {
    const uint8_t *first; /* first digit that is not 0; NULL: the value is zero */
    const uint8_t *last;  /* last digit that is not 0 */
    int64_t last_place;   /* place of *last, before the exponent is applied */
    int64_t places;       /* digits after the point */
    int64_t exponent;
    int is_negative;
} decimal_scan;

static int is_digit(uint8_t c)
{
    return (unsigned)c - '0' < 10;
}

/* Scan a run of digits whose first one has place `place`; returns its end. */
static const uint8_t *scan_digits(const uint8_t *p, const uint8_t *end, int64_t place,
                                  decimal_scan *scan)
{
    for (; p < end && is_digit(*p); p++, place--) {
        if (*p == '0')
            continue;
        if (scan->first == NULL)
            scan->first = p;
        scan->last = p;
        scan->last_place = place;
    }
    return p;
}

static const uint8_t *scan_exponent(const uint8_t *p, const uint8_t *end, int64_t *exponent)
{
    int is_negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    const uint8_t *digits = p;
    int64_t value = 0;
    for (; p < end && is_digit(*p); p++)
        value = value >= EXPONENT_FAR / 10 ? EXPONENT_FAR : value * 10 + (*p - '0');
    *exponent = is_negative ? -value : value;
    return p == digits ? NULL : p;
}

/* 1 if the text follows the grammar. */
static int scan_text(td_bytes text, decimal_scan *scan)
{
    const uint8_t *p = text.data;
    const uint8_t *end = p + text.size;
    *scan = (decimal_scan){0};
    if (p < end && *p == '-') {
        scan->is_negative = 1;
        p++;
    }
    const uint8_t *point = p;
    while (point < end && is_digit(*point))
        point++;
    if (point == p)
        return 0;
    p = scan_digits(p, end, point - p - 1, scan);
    if (p < end && *p == '.') {
        const uint8_t *fraction = p + 1;
        p = scan_digits(fraction, end, -1, scan);
        scan->places = p - fraction;
        if (scan->places == 0)
            return 0;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p = scan_exponent(p + 1, end, &scan->exponent);
        if (p == NULL)
            return 0;
    }
    return p == end;
}

/* Multiply magnitude by 10^power in place; 0 if the result exceeds limit. */
static int scale_up(uint64_t *magnitude, int64_t power, uint64_t limit)
{
    TD_ASSERT(power >= 0);
    if (power >= LIMIT_DECIMAL_DIGITS)
        return 0;
    uint64_t scaled;
    if (__builtin_mul_overflow(*magnitude, POW10[power], &scaled) || scaled > limit)
        return 0;
    *magnitude = scaled;
    return 1;
}

/* The digits between the first and the last that is not 0, at most 19; 0 if there are more. */
static int scan_magnitude(const decimal_scan *scan, uint64_t *out)
{
    uint64_t value = 0;
    unsigned count = 0;
    for (const uint8_t *p = scan->first; p <= scan->last; p++) {
        if (*p == '.')
            continue;
        if (++count > LIMIT_DECIMAL_DIGITS)
            return 0;
        value = value * 10 + (uint64_t)(*p - '0');
    }
    *out = value;
    return 1;
}

/* The value of a scan: at its written scale if that fits, else in its shortest form. 0 if neither
 * does. */
static int scan_value(const decimal_scan *scan, td_decimal *out)
{
    int64_t written = scan->places - scan->exponent;
    if (scan->first == NULL) {
        int is_usual = written >= 0 && written <= TD_DECIMAL_SCALE_MAX;
        *out = (td_decimal){.mantissa = 0, .scale = is_usual ? (uint8_t)written : 0};
        return 1;
    }
    uint64_t limit = (uint64_t)INT64_MAX + (scan->is_negative ? 1 : 0);
    uint64_t magnitude = 0;
    if (!scan_magnitude(scan, &magnitude) || magnitude > limit)
        return 0;
    int64_t scale = -(scan->last_place + scan->exponent);
    if (scale > TD_DECIMAL_SCALE_MAX)
        return 0;
    if (scale < 0) {
        if (!scale_up(&magnitude, -scale, limit))
            return 0;
        scale = 0;
    }
    if (written > scale && written <= TD_DECIMAL_SCALE_MAX &&
        scale_up(&magnitude, written - scale, limit))
        scale = written;
    TD_ASSERT(magnitude <= limit);
    TD_ASSERT(scale >= 0);
    TD_ASSERT(scale <= TD_DECIMAL_SCALE_MAX);
    /* In two's complement this is correct for -2^63 as well, whose negation does not exist. */
    out->mantissa = (int64_t)(scan->is_negative ? 0 - magnitude : magnitude);
    out->scale = (uint8_t)scale;
    return 1;
}

static td_result parse_slowly(td_bytes text, td_decimal *out, td_err *err)
{
    decimal_scan scan;
    int shown = text.size > 40 ? 40 : (int)text.size;
    if (text.size == 0 || !scan_text(text, &scan))
        return td_err_set(err, TD_E_INVALID, "'%.*s' is not a decimal number", shown,
                          (const char *)text.data);
    if (!scan_value(&scan, out))
        return td_err_set(err, TD_E_LIMIT,
                          "'%.*s' (%zu characters) does not fit in 64 bits and %d places", shown,
                          (const char *)text.data, text.size, TD_DECIMAL_SCALE_MAX);
    return TD_OK;
}

td_result td_decimal_parse(td_bytes text, td_decimal *out, td_err *err)
{
    const uint8_t *p = text.data;
    size_t left = text.size;
    /* 20 = sign, 18 digits, point: nothing below can overflow. */
    if (TD_UNLIKELY(left == 0 || left > FAST_DIGITS + 2))
        return parse_slowly(text, out, err);
    const uint8_t *end = p + left;
    int is_negative = *p == '-';
    p += is_negative;
    const uint8_t *whole = p;
    uint64_t value = 0;
    unsigned digit;
    while (p < end && (digit = (unsigned)*p - '0') < 10) {
        value = value * 10 + digit;
        p++;
    }
    ptrdiff_t digits = p - whole;
    ptrdiff_t places = 0;
    if (p < end && *p == '.') {
        const uint8_t *fraction = ++p;
        while (p < end && (digit = (unsigned)*p - '0') < 10) {
            value = value * 10 + digit;
            p++;
        }
        places = p - fraction;
        if (places == 0)
            return parse_slowly(text, out, err);
    }
    if (TD_UNLIKELY(p != end || digits == 0 || digits + places > FAST_DIGITS))
        return parse_slowly(text, out, err);
    out->mantissa = is_negative ? -(int64_t)value : (int64_t)value;
    out->scale = (uint8_t)places;
    return TD_OK;
}

/* Strip `zeros` trailing zeros at once if there are so many. An odd number has none, which saves
 * the division in half of all cases. */
static void strip(td_decimal *value, uint8_t zeros, int64_t power)
{
    if (value->scale >= zeros && (value->mantissa & 1) == 0 && value->mantissa % power == 0) {
        value->mantissa /= power;
        value->scale = (uint8_t)(value->scale - zeros);
    }
}

td_decimal td_decimal_shortest(td_decimal value)
{
    TD_ASSERT(value.scale <= TD_DECIMAL_SCALE_MAX);
    if (value.mantissa == 0)
        return (td_decimal){0};
    if (value.scale == 0 || (value.mantissa & 1) != 0)
        return value;
    /* By halves: a scale is at most 18 = 8 + 8 + 2, and divisors are constants, so that each step
     * is a multiplication. */
    strip(&value, 8, 100000000);
    strip(&value, 8, 100000000);
    strip(&value, 4, 10000);
    strip(&value, 2, 100);
    strip(&value, 1, 10);
    return value;
}

td_result td_decimal_rescale(td_decimal value, uint8_t scale, int64_t *mantissa)
{
    TD_ASSERT(scale <= TD_DECIMAL_SCALE_MAX);
    TD_ASSERT(value.scale <= scale);
    int64_t factor = (int64_t)POW10[scale - value.scale];
    return __builtin_mul_overflow(value.mantissa, factor, mantissa) ? TD_E_LIMIT : TD_OK;
}

td_decimal_wide td_decimal_widen(td_decimal value)
{
    TD_ASSERT(value.scale <= TD_DECIMAL_SCALE_MAX);
    int64_t factor = (int64_t)POW10[TD_DECIMAL_SCALE_MAX - value.scale];
    int128 wide = (int128)value.mantissa * factor;
    return (td_decimal_wide){(uint64_t)wide, (uint64_t)(wide >> 64)};
}

int td_decimal_compare(td_decimal a, td_decimal b)
{
    TD_ASSERT(a.scale <= TD_DECIMAL_SCALE_MAX);
    TD_ASSERT(b.scale <= TD_DECIMAL_SCALE_MAX);
    if (TD_LIKELY(a.scale == b.scale))
        return a.mantissa < b.mantissa ? -1 : a.mantissa > b.mantissa;
    /* 2^63 * 10^18 is below 2^123. */
    int128 left = a.mantissa;
    int128 right = b.mantissa;
    if (a.scale < b.scale)
        left *= (int64_t)POW10[b.scale - a.scale];
    else
        right *= (int64_t)POW10[a.scale - b.scale];
    return left < right ? -1 : left > right;
}

td_result td_decimal_range_parse(td_bytes text, td_decimal_range *out, td_err *err)
{
    const uint8_t *dots = text.size == 0 ? NULL : memmem(text.data, text.size, "..", 2);
    td_bytes low = text;
    td_bytes high = text;
    if (dots != NULL) {
        low.size = (size_t)(dots - text.data);
        high = td_bytes_of(dots + 2, text.size - low.size - 2);
    }
    *out = (td_decimal_range){.has_low = low.size > 0, .has_high = high.size > 0};
    if ((!out->has_low && !out->has_high) ||
        (out->has_low && td_decimal_parse(low, &out->low, NULL) != TD_OK) ||
        (out->has_high && td_decimal_parse(high, &out->high, NULL) != TD_OK) ||
        (out->has_low && out->has_high && td_decimal_compare(out->low, out->high) > 0))
        return td_err_set(err, TD_E_INVALID,
                          "'%.*s' is not a number or a range such as 9.5..10, 10.. or ..10",
                          text.size > 80 ? 80 : (int)text.size, (const char *)text.data);
    return TD_OK;
}

int td_decimal_range_has(const td_decimal_range *range, td_decimal value)
{
    return (!range->has_low || td_decimal_compare(value, range->low) >= 0) &&
           (!range->has_high || td_decimal_compare(value, range->high) <= 0);
}

size_t td_decimal_format(td_decimal value, char out[TD_DECIMAL_TEXT_BYTES])
{
    value = td_decimal_shortest(value);
    uint64_t magnitude =
        value.mantissa < 0 ? 0 - (uint64_t)value.mantissa : (uint64_t)value.mantissa;
    /* Write from the end: digits until the point is written and nothing is left. */
    char text[TD_DECIMAL_TEXT_BYTES];
    char *p = text + sizeof text;
    unsigned written = 0;
    do {
        *--p = (char)('0' + magnitude % 10);
        magnitude /= 10;
        if (++written == value.scale)
            *--p = '.';
    } while (magnitude != 0 || written <= value.scale);
    if (value.mantissa < 0)
        *--p = '-';
    TD_ASSERT(p > text);
    TD_ASSERT(written > value.scale);
    size_t length = (size_t)(text + sizeof text - p);
    memcpy(out, p, length);
    out[length] = '\0';
    return length;
}
