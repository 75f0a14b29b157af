#include "pack/value_text.h"

#include "base/decimal.h"
#include "base/scan.h"

static int is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* Read digits; returns their end. Modulo 2^64. */
static inline const uint8_t *read_digits(const uint8_t *p, const uint8_t *end, uint64_t *sum)
{
    while (end - p >= 8) {
        const uint64_t word = td_le64(p);
        const uint64_t digits = word ^ UINT64_C(0x3030303030303030);
        const uint64_t others = scan_other_bytes(word);
        if (others == 0) {
            *sum = *sum * 100000000 + scan_eight_digits(digits);
            p += 8;
            continue;
        }
        const unsigned count = (unsigned)__builtin_ctzll(others) / 8;
        if (count > 0)
            *sum = *sum * SCAN_POW10[count] + scan_eight_digits(digits << (64 - count * 8));
        return p + count;
    }
    for (; p < end && is_digit(*p); p++)
        *sum = *sum * 10 + (uint64_t)(*p - '0');
    return p;
}

const uint8_t *value_scan_number(const uint8_t *p, const uint8_t *end, int64_t *mantissa,
                                 unsigned *scale)
{
    uint64_t sum = 0;
    ptrdiff_t fraction = 0;
    const int is_negative = p < end && *p == '-';
    const uint8_t *first = p + is_negative;
    p = read_digits(first, end, &sum);
    const ptrdiff_t whole = p - first;
    if (whole == 0 || (whole > 1 && *first == '0'))
        return NULL;
    if (p < end && *p == '.') {
        const uint8_t *point = p;
        p = read_digits(point + 1, end, &sum);
        fraction = p - point - 1;
        if (fraction == 0)
            return NULL;
    }
    if (whole + fraction > VALUE_DIGITS_MAX || (is_negative && sum == 0))
        return NULL;
    *mantissa = is_negative ? -(int64_t)sum : (int64_t)sum;
    *scale = (unsigned)fraction;
    return p;
}

int value_read_number(td_bytes text, int64_t *mantissa, unsigned *scale)
{
    const uint8_t *end = text.data + text.size;
    return text.size > 0 && value_scan_number(text.data, end, mantissa, scale) == end;
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

uint8_t *value_print_time(uint8_t *out, int64_t ticks, unsigned digits)
{
    const int64_t unit = td_power_of_ten[digits];
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
    out = td_digits_print(out, (uint64_t)(year_of_era + era * 400 + (month >= 10)), 4);
    *out++ = '-';
    out = td_digits_print(out, (uint64_t)(month < 10 ? month + 3 : month - 9), 2);
    *out++ = '-';
    out = td_digits_print(out, (uint64_t)day, 2);
    *out++ = 'T';
    out = td_digits_print(out, clock / 3600, 2);
    *out++ = ':';
    out = td_digits_print(out, clock / 60 % 60, 2);
    *out++ = ':';
    out = td_digits_print(out, clock % 60, 2);
    if (digits > 0) {
        *out++ = '.';
        out = td_digits_print(out, (uint64_t)(ticks - seconds * unit), digits);
    }
    *out++ = 'Z';
    return out;
}

int value_read_time(td_bytes text, int64_t *ticks, unsigned *digits)
{
    static const uint8_t MONTH_DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const uint8_t *p = text.data;
    int64_t fraction = 0;
    if (text.size <= CLOCK_BYTES || text.size > CLOCK_BYTES + 2 + TIME_DIGITS_MAX ||
        text.size == CLOCK_BYTES + 2 || p[text.size - 1] != 'Z' ||
        (text.size > CLOCK_BYTES + 1 && p[CLOCK_BYTES] != '.'))
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
    const int year = two_digits(p) * 100 + two_digits(p + 2);
    const int month = two_digits(p + 5);
    const int day = two_digits(p + 8);
    const int hour = two_digits(p + 11);
    const int minute = two_digits(p + 14);
    const int second = two_digits(p + 17);
    const int is_leap = month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (month < 1 || month > 12 || day < 1 || day > MONTH_DAYS[month - 1] + is_leap || hour > 23 ||
        minute > 59 || second > 59)
        return 0;
    const int clock = hour * 3600 + minute * 60 + second;
    const int64_t seconds = days_of(year, month, day) * DAY_S + clock;
    if (seconds >= INT64_MAX / td_power_of_ten[TIME_DIGITS_MAX] - 1 ||
        seconds <= INT64_MIN / td_power_of_ten[TIME_DIGITS_MAX] + 1)
        return 0;
    *ticks = seconds * td_power_of_ten[*digits] + fraction;
    return 1;
}
