#include "base/decimal.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/scan.h"

__extension__ typedef __int128 int128;
__extension__ typedef unsigned __int128 uint128;

/* Exponents beyond this count as infinite: no text has enough digits to compensate them. */
static const int64_t EXPONENT_FAR = INT64_C(1) << 60;

/* clang-format off */
const int64_t td_power_of_ten[TD_DECIMAL_SCALE_MAX + 1] = {
    1,             10,             100,             1000,             10000,
    100000,        1000000,        10000000,        100000000,        1000000000,
    10000000000,   100000000000,   1000000000000,   10000000000000,   100000000000000,
    1000000000000000, 10000000000000000, 100000000000000000, 1000000000000000000};
/* clang-format on */

static int is_digit(uint8_t c)
{
    return (unsigned)c - '0' < 10;
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
    return p == digits ? NULL : p; /* no digit: not a number */
}

/* Multiply magnitude by 10^power in place; 0 if the result exceeds limit. */
static int scale_up(uint64_t *magnitude, int64_t power, uint64_t limit)
{
    TD_ASSERT(power >= 0);
    if (power > TD_DECIMAL_SCALE_MAX)
        return 0;
    uint64_t scaled;
    if (__builtin_mul_overflow(*magnitude, (uint64_t)td_power_of_ten[power], &scaled) ||
        scaled > limit)
        return 0;
    *magnitude = scaled;
    return 1;
}

/* The slow path. The value keeps its written scale if that fits, else it gets its shortest form. */
static td_result parse_slowly(td_bytes text, td_decimal *out, td_err *err)
{
    const uint8_t *p = text.data;
    const uint8_t *end = p + text.size;
    int is_negative = text.size > 0 && *p == '-';
    p += is_negative;
    uint64_t value = 0; /* the digits up to the last non-zero one */
    int64_t zeros = 0;  /* zeros after that digit */
    int64_t places = 0, exponent = 0;
    int fits = 1, has_digit = 0, has_point = 0;
    for (; p < end && (is_digit(*p) || (*p == '.' && has_digit && !has_point)); p++) {
        has_digit = *p != '.'; /* a point needs digits before and after it */
        if (*p == '.') {
            has_point = 1;
            continue;
        }
        places += has_point;
        zeros++;
        if (*p == '0')
            continue;
        fits = fits && (value == 0 || scale_up(&value, zeros, UINT64_MAX)) &&
               !__builtin_add_overflow(value, (uint64_t)(*p - '0'), &value);
        zeros = 0;
    }
    if (has_digit && p < end && (*p == 'e' || *p == 'E'))
        p = scan_exponent(p + 1, end, &exponent);
    int shown = text.size > 40 ? 40 : (int)text.size;
    if (!has_digit || p != end)
        return td_err_set(err, TD_E_INVALID, "'%.*s' is not a decimal number", shown,
                          (const char *)text.data);
    int64_t written = places - exponent;
    int64_t scale = written - zeros;
    uint64_t limit = (uint64_t)INT64_MAX + (uint64_t)is_negative;
    if (fits && value == 0)
        scale = written >= 0 && written <= TD_DECIMAL_SCALE_MAX ? written : 0;
    else
        fits = fits && value <= limit && scale <= TD_DECIMAL_SCALE_MAX;
    if (fits && scale < 0) {
        fits = scale_up(&value, -scale, limit);
        scale = 0;
    }
    if (!fits)
        return td_err_set(err, TD_E_LIMIT,
                          "'%.*s' (%zu characters) does not fit in 64 bits and %d places", shown,
                          (const char *)text.data, text.size, TD_DECIMAL_SCALE_MAX);
    if (written > scale && written <= TD_DECIMAL_SCALE_MAX &&
        scale_up(&value, written - scale, limit))
        scale = written;
    TD_ASSERT(scale >= 0 && scale <= TD_DECIMAL_SCALE_MAX);
    /* Unsigned negation is also correct for -2^63. */
    out->mantissa = (int64_t)(is_negative ? 0 - value : value);
    out->scale = (uint8_t)scale;
    return TD_OK;
}

td_result td_decimal_parse(td_bytes text, td_decimal *out, td_err *err)
{
    /* Nearly all are plain: a sign, 18 digits and a point at most. Exponents, leading zeros, more
     * digits and errors take the slow path. */
    uint8_t padded[SCAN_REACH + 4] = {0};
    td_decimal plain;
    if (TD_UNLIKELY(text.size == 0 || text.size > SCAN_DIGITS_MAX + 2))
        return parse_slowly(text, out, err);
    memcpy(padded, text.data, text.size);
    if (TD_UNLIKELY(scan_number(padded, &plain.mantissa, &plain.scale) != padded + text.size))
        return parse_slowly(text, out, err);
    *out = plain;
    return TD_OK;
}

/* Strip `zeros` trailing zeros if the value has as many; power is 10^zeros. The test for odd
 * numbers saves the division in half of all cases. */
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
    /* These steps strip up to 18 zeros. They are fixed so that the compiler can replace divisions
     * by constants with multiplications. */
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
    int64_t factor = td_power_of_ten[scale - value.scale];
    return __builtin_mul_overflow(value.mantissa, factor, mantissa) ? TD_E_LIMIT : TD_OK;
}

td_decimal_wide td_decimal_widen(td_decimal value)
{
    TD_ASSERT_SLOW(value.scale <= TD_DECIMAL_SCALE_MAX);
    int64_t factor = td_power_of_ten[TD_DECIMAL_SCALE_MAX - (size_t)value.scale];
    int128 wide = (int128)value.mantissa * factor;
    return (td_decimal_wide){(uint64_t)wide, (uint64_t)(wide >> 64)};
}

int td_decimal_compare(td_decimal a, td_decimal b)
{
    TD_ASSERT(a.scale <= TD_DECIMAL_SCALE_MAX);
    TD_ASSERT(b.scale <= TD_DECIMAL_SCALE_MAX);
    if (TD_LIKELY(a.scale == b.scale))
        return a.mantissa < b.mantissa ? -1 : a.mantissa > b.mantissa;
    /* cannot overflow: 2^63 * 10^18 < 2^123 */
    int128 left = a.mantissa;
    int128 right = b.mantissa;
    if (a.scale < b.scale)
        left *= td_power_of_ten[b.scale - a.scale];
    else
        right *= td_power_of_ten[a.scale - b.scale];
    return left < right ? -1 : left > right;
}

/* Divide mantissa by power of ten: if both are exact doubles, the result is the nearest one. Else
 * use strtod. */
double td_decimal_double(td_decimal value)
{
    const int64_t exact = INT64_C(1) << 53;
    char text[TD_DECIMAL_TEXT_BYTES];
    if (value.mantissa >= -exact && value.mantissa <= exact)
        return (double)value.mantissa / (double)td_power_of_ten[value.scale];
    (void)td_decimal_format(value, text);
    return strtod(text, NULL);
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

int td_digits_parse(td_bytes text, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint64_t digit = (uint64_t)text.data[i] - '0';
        if (digit > 9 || value > (max - digit) / 10)
            return 0;
        value = value * 10 + digit;
    }
    *out = value;
    return text.size > 0;
}

/* The numbers 00 to 99. */
static const char PAIRS[] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
    "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
    "8081828384858687888990919293949596979899";

uint8_t *td_digits_print(uint8_t *out, uint64_t number, unsigned count)
{
    for (unsigned left = count; left >= 2; left -= 2, number /= 100)
        memcpy(out + left - 2, &PAIRS[number % 100 * 2], 2);
    if (count % 2 != 0)
        *out = (uint8_t)('0' + number % 10);
    return out + count;
}

enum { EIGHT_DIGITS = 100000000 };
static const uint64_t ZEROS = UINT64_C(0x3030303030303030); /* eight '0' */

/* The eight digits of a number below 10^8, one in a byte, the first one in the lowest byte: split
 * into fours, pairs, digits, all at a time. Of n in bits of width w, q = n / d goes to the lower
 * half and n - q * d to the upper one: (n << w / 2) - q * ((d << w / 2) - 1). */
static inline uint64_t digits_of(uint64_t number)
{
    const uint64_t high_four = number * 109951163 >> 40; /* / 10000 */
    const uint64_t fours = (number << 32) - high_four * ((UINT64_C(10000) << 32) - 1);
    const uint64_t high_pairs = fours * 10486 >> 20 & UINT64_C(0x0000007f0000007f); /* / 100 */
    const uint64_t pairs = (fours << 16) - high_pairs * ((100 << 16) - 1);
    const uint64_t tens = pairs * 103 >> 10 & UINT64_C(0x000f000f000f000f); /* / 10 */
    return (pairs << 8) - tens * ((10 << 8) - 1);
}

char *td_digits_write(char *end, uint64_t number)
{
    for (; number >= EIGHT_DIGITS; number /= EIGHT_DIGITS)
        td_put_le64((uint8_t *)(end -= 8), digits_of(number % EIGHT_DIGITS) + ZEROS);
    for (; number >= 100; number /= 100)
        memcpy(end -= 2, PAIRS + 2 * (number % 100), 2);
    if (number >= 10)
        return memcpy(end - 2, PAIRS + 2 * number, 2);
    *--end = (char)('0' + number);
    return end;
}

/* Write eight digits, with a point before the last `scale` ones, without the zeros before the first
 * other digit, except the one before the point. */
static inline uint8_t *put_eight(uint8_t *out, uint64_t digits, unsigned scale)
{
    const uint64_t text = digits + ZEROS;
    const uint64_t last_whole = UINT64_C(1) << 56 >> scale * 8;
    const unsigned before = (unsigned)__builtin_ctzll(digits | last_whole) / 8;
    td_put_le64(out, text >> before * 8);
    out += 8 - scale - before;
    if (scale == 0)
        return out;
    *out = '.';
    td_put_le64(out + 1, text >> (8 - scale) * 8);
    return out + 1 + scale;
}

/* Print a number below 10^8, with less than 8 digits after the point. */
static inline uint8_t *print_eight(uint8_t *out, uint64_t left, unsigned scale, unsigned least)
{
    uint64_t digits = digits_of(left);
    if (scale > least) {
        const unsigned zeros_last = (unsigned)__builtin_clzll(digits | 1) / 8;
        const unsigned dropped = zeros_last < scale - least ? zeros_last : scale - least;
        digits <<= dropped * 8;
        scale -= dropped;
    }
    return put_eight(out, digits, scale);
}

static inline void drop_zeros(uint64_t *left, unsigned *scale, unsigned least)
{
    for (; *scale >= least + 4 && *left % 10000 == 0; *scale -= 4)
        *left /= 10000;
    for (; *scale > least && *left % 10 == 0; --*scale)
        *left /= 10;
}

/* Print a number below 10^16, with at most 8 digits after the point. */
static inline uint8_t *print_sixteen(uint8_t *out, uint64_t left, unsigned scale)
{
    const uint64_t text = digits_of(left % EIGHT_DIGITS) + ZEROS;
    out = put_eight(out, digits_of(left / EIGHT_DIGITS), 0);
    td_put_le64(out, text);
    if (scale == 0)
        return out + 8;
    out += 8 - scale;
    *out = '.';
    td_put_le64(out + 1, text >> (8 - scale) * 8);
    return out + 1 + scale;
}

/* Print any number. */
static __attribute__((noinline)) uint8_t *print_long(uint8_t *out, uint64_t left, unsigned scale,
                                                     unsigned least)
{
    if (scale > least)
        drop_zeros(&left, &scale, least);
    if (left < EIGHT_DIGITS && scale < 8)
        return print_eight(out, left, scale, scale);
    if (left < (uint64_t)EIGHT_DIGITS * EIGHT_DIGITS && scale <= 8)
        return print_sixteen(out, left, scale);
    char digits[TD_DECIMAL_PRINT_BYTES];
    char *point = digits + sizeof digits - scale;
    char *from = td_digits_write(digits + sizeof digits, left);
    while (from >= point)
        *--from = '0';
    const size_t whole = (size_t)(point - from);
    memcpy(out, from, whole);
    out += whole;
    if (scale == 0)
        return out;
    *out = '.';
    memcpy(out + 1, point, scale);
    return out + 1 + scale;
}

uint8_t *td_decimal_print(uint8_t *out, int64_t mantissa, unsigned scale, unsigned least)
{
    uint64_t left = (uint64_t)mantissa;
    if (mantissa < 0) {
        left = 0 - left;
        *out++ = '-';
    }
    return TD_LIKELY(left < EIGHT_DIGITS && scale < 8) ? print_eight(out, left, scale, least)
                                                       : print_long(out, left, scale, least);
}

static size_t format(td_decimal value, unsigned least, char out[TD_DECIMAL_TEXT_BYTES])
{
    uint8_t text[TD_DECIMAL_PRINT_BYTES];
    TD_ASSERT(value.scale <= TD_DECIMAL_SCALE_MAX);
    uint8_t *end = td_decimal_print(text, value.mantissa, value.scale, least);
    *end = '\0';
    memcpy(out, text, TD_DECIMAL_TEXT_BYTES); /* a copy of a fixed size needs no call */
    return (size_t)(end - text);
}

size_t td_decimal_format(td_decimal value, char out[TD_DECIMAL_TEXT_BYTES])
{
    return format(value, 0, out);
}

size_t td_decimal_format_whole(td_decimal value, char out[TD_DECIMAL_TEXT_BYTES])
{
    return format(value, value.scale, out);
}
