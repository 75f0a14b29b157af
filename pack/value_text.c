#include "pack/value_text.h"

const int64_t value_power[VALUE_DIGITS_MAX + 1] = {
    1,
    10,
    100,
    1000,
    10000,
    100000,
    1000000,
    10000000,
    100000000,
    1000000000,
    10000000000,
    100000000000,
    1000000000000,
    10000000000000,
    100000000000000,
    1000000000000000,
    10000000000000000,
    100000000000000000,
    1000000000000000000,
};

static int is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

int value_read_number(td_bytes text, int64_t *mantissa, unsigned *scale)
{
    const uint8_t *p = text.data;
    const uint8_t *end = text.data + text.size;
    const uint8_t *point = NULL;
    int64_t sum = 0;
    const int is_negative = p < end && *p == '-';
    p += is_negative;
    const uint8_t *first = p;
    if (end - p > VALUE_DIGITS_MAX + 1 || p == end || !is_digit(*p))
        return 0;
    for (; p < end; p++) {
        if (*p == '.' && point == NULL)
            point = p;
        else if (is_digit(*p))
            sum = sum * 10 + (*p - '0');
        else
            return 0;
    }
    const size_t digits = (size_t)(end - first) - (point != NULL);
    const size_t whole = (size_t)((point != NULL ? point : end) - first);
    if (digits > VALUE_DIGITS_MAX || point == end - 1 || (*first == '0' && whole > 1) ||
        (is_negative && sum == 0))
        return 0;
    *mantissa = is_negative ? -sum : sum;
    *scale = point != NULL ? (unsigned)(end - point - 1) : 0;
    return 1;
}

uint8_t *value_print_number(uint8_t *out, int64_t mantissa, unsigned scale)
{
    uint8_t digits[VALUE_TEXT_BYTES];
    unsigned count = 0;
    uint64_t left = mantissa < 0 ? 0 - (uint64_t)mantissa : (uint64_t)mantissa;
    if (mantissa < 0)
        *out++ = '-';
    do {
        digits[count++] = (uint8_t)('0' + left % 10);
        left /= 10;
    } while (left > 0 || count <= scale);
    while (count > 0) {
        if (count == scale)
            *out++ = '.';
        *out++ = digits[--count];
    }
    return out;
}

/* ---- times ---- */

enum {
    DAY_S = 86400,
    /* "YYYY-MM-DDThh:mm:ss" */
    CLOCK_BYTES = 19,
};

static const char FORM[] = "0000-00-00T00:00:00";

static int two_digits(const uint8_t *p)
{
    return (p[0] - '0') * 10 + p[1] - '0';
}

/* Days since 1970-01-01 of a date of the Gregorian calendar, counted in years that begin in March.
 */
static int64_t days_of(int64_t year, int month, int day)
{
    year -= month <= 2;
    const int64_t era = year / 400;
    const int64_t year_of_era = year - era * 400;
    const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

static uint8_t *put_digits(uint8_t *out, uint64_t value, unsigned count)
{
    for (unsigned i = count; i > 0; i--) {
        out[i - 1] = (uint8_t)('0' + value % 10);
        value /= 10;
    }
    return out + count;
}

uint8_t *value_print_time(uint8_t *out, int64_t ticks, unsigned digits)
{
    const int64_t unit = value_power[digits];
    const int64_t seconds = ticks / unit - (ticks % unit < 0);
    const int64_t days = seconds / DAY_S - (seconds % DAY_S < 0);
    const uint64_t clock = (uint64_t)(seconds - days * DAY_S);
    const int64_t shifted = days + 719468;
    const int64_t era = shifted / 146097 - (shifted % 146097 < 0);
    const int64_t of_era = shifted - era * 146097;
    const int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    const int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const int64_t month = (5 * of_year + 2) / 153;
    const int64_t day = of_year - (153 * month + 2) / 5 + 1;
    out = put_digits(out, (uint64_t)(year_of_era + era * 400 + (month >= 10)), 4);
    *out++ = '-';
    out = put_digits(out, (uint64_t)(month < 10 ? month + 3 : month - 9), 2);
    *out++ = '-';
    out = put_digits(out, (uint64_t)day, 2);
    *out++ = 'T';
    out = put_digits(out, clock / 3600, 2);
    *out++ = ':';
    out = put_digits(out, clock / 60 % 60, 2);
    *out++ = ':';
    out = put_digits(out, clock % 60, 2);
    if (digits > 0) {
        *out++ = '.';
        out = put_digits(out, (uint64_t)(ticks - seconds * unit), digits);
    }
    *out++ = 'Z';
    return out;
}

int value_read_time(td_bytes text, int64_t *ticks, unsigned *digits)
{
    const uint8_t *p = text.data;
    uint8_t again[VALUE_TEXT_BYTES];
    int64_t fraction = 0;
    if (text.size <= CLOCK_BYTES || text.size > CLOCK_BYTES + 2 + TIME_DIGITS_MAX ||
        p[text.size - 1] != 'Z')
        return 0;
    for (size_t i = 0; i < CLOCK_BYTES; i++)
        if (FORM[i] == '0' ? !is_digit(p[i]) : p[i] != (uint8_t)FORM[i])
            return 0;
    *digits = text.size == CLOCK_BYTES + 1 ? 0 : (unsigned)(text.size - CLOCK_BYTES - 2);
    for (size_t i = CLOCK_BYTES + 1; i + 1 < text.size; i++) {
        if (!is_digit(p[i]))
            return 0;
        fraction = fraction * 10 + (p[i] - '0');
    }
    const int64_t days =
        days_of(two_digits(p) * 100 + two_digits(p + 2), two_digits(p + 5), two_digits(p + 8));
    const int clock = two_digits(p + 11) * 3600 + two_digits(p + 14) * 60 + two_digits(p + 17);
    const int64_t seconds = days * DAY_S + clock;
    if (seconds >= INT64_MAX / value_power[TIME_DIGITS_MAX] - 1 ||
        seconds <= INT64_MIN / value_power[TIME_DIGITS_MAX] + 1)
        return 0;
    *ticks = seconds * value_power[*digits] + fraction;
    /* a 30th of February, or a 61st second, prints as another text */
    const uint8_t *end = value_print_time(again, *ticks, *digits);
    return td_bytes_equal(text, td_bytes_of(again, (size_t)(end - again)));
}
