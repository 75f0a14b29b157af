#include "base/time_text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/decimal.h"

__extension__ typedef unsigned __int128 uint128;

enum {
    SECONDS_PER_DAY = 86400,
    NANO_DIGITS = 9,
};

static const uint64_t DAY_NS = SECONDS_PER_DAY * TD_NS_PER_S;

static const char TIME_FORMS[] =
    "expected a time (2021-04-17T16:43 or 2021-04-17T16:43:05.5Z; UTC without a zone), a date "
    "(2021-04-17, today, yesterday), an epoch in s, ms, us or ns, now, now-2h or +90s";
static const char DURATION_FORMS[] = "expected a number and ns, us, ms, s, m, h or d (200ms, 1.5h)";

typedef struct civil_time {
    unsigned year, month, day, hour, minute, second;
} civil_time;

/* Days from 1970-01-01 to a later date; months are counted from March, so that the leap day is last
 * (H. Hinnant, "chrono-compatible low-level date algorithms"). */
static uint64_t days_of_date(unsigned year, unsigned month, unsigned day)
{
    TD_ASSERT(year >= 1970);
    TD_ASSERT(month >= 1);
    TD_ASSERT(month <= 12);
    uint64_t y = month <= 2 ? year - 1 : year;
    uint64_t era = y / 400;
    uint64_t year_of_era = y % 400;
    uint64_t day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    uint64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static struct tm split_time(uint64_t ns)
{
    time_t seconds = (time_t)(ns / TD_NS_PER_S);
    struct tm out;
    struct tm *done = gmtime_r(&seconds, &out);
    TD_ASSERT(done != NULL); /* 64-bit ns end in the year 2554 */
    return out;
}

static unsigned days_in_month(unsigned year, unsigned month)
{
    TD_ASSERT(month >= 1);
    TD_ASSERT(month <= 12);
    static const uint8_t DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return DAYS[month - 1] + (month == 2 && is_leap ? 1u : 0u);
}

/* A position in a text; each read_ function returns 1 and advances if it finds its item. */
typedef struct text_cursor {
    const uint8_t *p;
    const uint8_t *end;
} text_cursor;

static int is_digit(uint8_t c)
{
    return (unsigned)c - '0' < 10;
}

static int read_char(text_cursor *at, const char *any_of)
{
    if (at->p == at->end || *at->p == '\0' || strchr(any_of, *at->p) == NULL)
        return 0;
    at->p++;
    return 1;
}

/* Read exactly `digits` digits. */
static int read_number(text_cursor *at, unsigned digits, unsigned *out)
{
    if ((size_t)(at->end - at->p) < digits)
        return 0;
    unsigned value = 0;
    for (unsigned i = 0; i < digits; i++) {
        if (!is_digit(at->p[i]))
            return 0;
        value = value * 10 + (at->p[i] - '0');
    }
    at->p += digits;
    *out = value;
    return 1;
}

static int is_date(const civil_time *time)
{
    return time->year >= 1970 && time->month >= 1 && time->month <= 12 && time->day >= 1 &&
           time->day <= days_in_month(time->year, time->month);
}

static int read_date(text_cursor *at, civil_time *out)
{
    return read_number(at, 4, &out->year) && read_char(at, "-") &&
           read_number(at, 2, &out->month) && read_char(at, "-") && read_number(at, 2, &out->day) &&
           is_date(out);
}

/* Read "16:43". */
static int read_minute(text_cursor *at, civil_time *out)
{
    return read_number(at, 2, &out->hour) && read_char(at, ":") &&
           read_number(at, 2, &out->minute) && out->hour < 24 && out->minute < 60;
}

/* Read ":05". No second 60: exchanges' clocks smear leap seconds, and ns since 1970 cannot express
 * them. */
static int read_second(text_cursor *at, civil_time *out)
{
    return read_char(at, ":") && read_number(at, 2, &out->second) && out->second < 60;
}

/* Read ".5", up to nine digits, as ns; 0 ns if absent. */
static int read_fraction(text_cursor *at, uint64_t *ns)
{
    *ns = 0;
    if (!read_char(at, "."))
        return 1;
    uint64_t unit = TD_NS_PER_S;
    const uint8_t *first = at->p;
    while (at->p < at->end && is_digit(*at->p) && at->p - first < NANO_DIGITS) {
        unit /= 10;
        *ns += (uint64_t)(*at->p++ - '0') * unit;
    }
    return at->p > first;
}

/* Read "Z" or "+08:00" as seconds east of Greenwich. */
static int read_offset(text_cursor *at, int64_t *seconds)
{
    *seconds = 0;
    if (read_char(at, "Zz"))
        return 1;
    int is_west = at->p < at->end && *at->p == '-';
    unsigned hours = 0;
    unsigned minutes = 0;
    if (!read_char(at, "+-") || !read_number(at, 2, &hours) || !read_char(at, ":") ||
        !read_number(at, 2, &minutes) || hours > 23 || minutes > 59)
        return 0;
    *seconds = ((int64_t)hours * 60 + minutes) * 60;
    if (is_west)
        *seconds = -*seconds;
    return 1;
}

static int64_t seconds_of(const civil_time *time)
{
    uint64_t days = days_of_date(time->year, time->month, time->day);
    return (int64_t)(days * SECONDS_PER_DAY) +
           (int64_t)((time->hour * 60 + time->minute) * 60 + time->second);
}

/* Convert seconds and ns to ns since 1970; 0 if out of range. */
static int time_to_ns(int64_t seconds, uint64_t ns, uint64_t *out)
{
    uint64_t whole;
    if (seconds < 0 || __builtin_mul_overflow((uint64_t)seconds, TD_NS_PER_S, &whole))
        return 0;
    return !__builtin_add_overflow(whole, ns, out);
}

static td_result not_a_time(td_err *err, td_bytes text)
{
    int shown = text.size > 40 ? 40 : (int)text.size;
    return td_err_set(err, TD_E_INVALID, "'%.*s' is not a time from 1970 to 2554: %s", shown,
                      (const char *)text.data, TIME_FORMS);
}

/* Parse "2021-04-17", or a date with a time, whose seconds and zone may be missing. */
static td_result parse_civil(td_bytes text, int *is_bare, uint64_t *ns, td_err *err)
{
    text_cursor at = {.p = text.data, .end = text.data + text.size};
    civil_time time = {0};
    uint64_t fraction_ns = 0;
    int64_t offset_s = 0;
    if (text.size == 0 || !read_date(&at, &time))
        return not_a_time(err, text);
    *is_bare = at.p == at.end;
    if (!*is_bare && (!read_char(&at, "Tt ") || !read_minute(&at, &time) ||
                      (at.p != at.end && *at.p == ':' &&
                       (!read_second(&at, &time) || !read_fraction(&at, &fraction_ns))) ||
                      (at.p != at.end && !read_offset(&at, &offset_s)) || at.p != at.end))
        return not_a_time(err, text);
    return time_to_ns(seconds_of(&time) - offset_s, fraction_ns, ns) ? TD_OK
                                                                     : not_a_time(err, text);
}

int td_time_parse_compact(td_bytes text, uint64_t *ns)
{
    text_cursor at = {.p = text.data, .end = text.data + text.size};
    civil_time time = {0};
    return read_number(&at, 4, &time.year) && read_number(&at, 2, &time.month) &&
           read_number(&at, 2, &time.day) && is_date(&time) && read_char(&at, "T") &&
           read_number(&at, 2, &time.hour) && read_number(&at, 2, &time.minute) &&
           read_number(&at, 2, &time.second) && time.hour < 24 && time.minute < 60 &&
           time.second < 60 && read_char(&at, "Z") && at.p == at.end &&
           time_to_ns(seconds_of(&time), 0, ns);
}

td_result td_time_parse_rfc3339(td_bytes text, uint64_t *ns, td_err *err)
{
    int is_date = 0;
    td_result rc = parse_civil(text, &is_date, ns, err);
    return rc == TD_OK && is_date ? not_a_time(err, text) : rc;
}

/* The magnitude determines the unit: below 10^11 seconds (until the year 5138), below 10^14
 * milliseconds (from 1973), below 10^17 microseconds, else nanoseconds. */
static td_result parse_epoch(td_bytes text, uint64_t *ns, td_err *err)
{
    uint64_t value = 0;
    if (!td_digits_parse(text, UINT64_MAX, &value))
        return not_a_time(err, text);
    uint64_t unit_ns = TD_NS_PER_S;
    for (uint64_t below = UINT64_C(100000000000); unit_ns > 1 && value >= below; below *= 1000)
        unit_ns /= 1000;
    return __builtin_mul_overflow(value, unit_ns, ns) ? not_a_time(err, text) : TD_OK;
}

/* Parse a text that begins with "now". */
static td_result parse_before_now(const char *text, uint64_t now_ns, uint64_t *ns, td_err *err)
{
    const char *rest = text + 3;
    uint64_t back_ns = 0;
    if (rest[0] != '\0' && rest[0] != '-')
        return not_a_time(err, td_bytes_str(text));
    if (rest[0] == '-') {
        td_result rc = td_duration_parse(rest + 1, &back_ns, err);
        if (rc != TD_OK)
            return td_err_add(err, rc, "'%.40s'", text);
    }
    if (back_ns > now_ns)
        return td_err_set(err, TD_E_INVALID, "'%.40s' is before 1970", text);
    *ns = now_ns - back_ns;
    return TD_OK;
}

td_result td_time_parse(const char *text, uint64_t now_ns, td_date_edge edge, td_time_spec *out,
                        td_err *err)
{
    td_bytes bytes = td_bytes_str(text);
    td_time_spec spec = {.kind = TD_TIME_ABSOLUTE};
    int is_date = 0;
    td_result rc = TD_OK;
    if (text[0] == '+') {
        spec.kind = TD_TIME_SINCE_FIRST;
        rc = td_duration_parse(text + 1, &spec.ns, err);
        if (rc != TD_OK)
            rc = td_err_add(err, rc, "'%.40s'", text);
    } else if (strncmp(text, "now", 3) == 0) {
        rc = parse_before_now(text, now_ns, &spec.ns, err);
    } else if (strcmp(text, "today") == 0 || strcmp(text, "yesterday") == 0) {
        is_date = 1;
        spec.ns = now_ns - now_ns % DAY_NS;
        spec.ns -= text[0] == 'y' && spec.ns > 0 ? DAY_NS : 0;
    } else if (bytes.size > 0 && strspn(text, "0123456789") == bytes.size) {
        rc = parse_epoch(bytes, &spec.ns, err);
    } else {
        rc = parse_civil(bytes, &is_date, &spec.ns, err);
    }
    if (is_date && edge == TD_DATE_ENDS && __builtin_add_overflow(spec.ns, DAY_NS, &spec.ns))
        rc = not_a_time(err, bytes);
    if (rc == TD_OK)
        *out = spec;
    return rc;
}

static const struct {
    const char *name;
    uint64_t ns;
} UNITS[] = {
    {"ns", 1},
    {"us", TD_NS_PER_US},
    {"ms", TD_NS_PER_MS},
    {"s", TD_NS_PER_S},
    {"m", 60 * TD_NS_PER_S},
    {"h", 3600 * TD_NS_PER_S},
    {"d", SECONDS_PER_DAY *TD_NS_PER_S},
};

enum { UNIT_COUNT = sizeof UNITS / sizeof UNITS[0] };

static td_result not_a_duration(td_err *err, const char *text)
{
    return td_err_set(err, TD_E_INVALID, "'%.40s' is not a duration: %s", text, DURATION_FORMS);
}

td_result td_duration_parse(const char *text, uint64_t *ns, td_err *err)
{
    size_t digits = strspn(text, "0123456789.");
    td_decimal number;
    if (td_decimal_parse(td_bytes_of(text, digits), &number, NULL) != TD_OK)
        return not_a_duration(err, text);
    for (size_t i = 0; i < UNIT_COUNT; i++) {
        if (strcmp(text + digits, UNITS[i].name) != 0)
            continue;
        uint128 total = (uint128)number.mantissa * UNITS[i].ns; /* below 2^63 * 2^47 */
        for (uint8_t place = 0; place < number.scale; place++)
            total /= 10;
        if (total > UINT64_MAX)
            return td_err_set(err, TD_E_INVALID, "'%.40s' is longer than 584 years", text);
        *ns = (uint64_t)total;
        return TD_OK;
    }
    return not_a_duration(err, text);
}

void td_time_format(uint64_t ns, char out[TD_TIME_TEXT_BYTES])
{
    struct tm t = split_time(ns);
    size_t length = strftime(out, TD_TIME_TEXT_BYTES, "%Y-%m-%dT%H:%M:%S", &t);
    (void)snprintf(out + length, TD_TIME_TEXT_BYTES - length, ".%09uZ",
                   (unsigned)(ns % TD_NS_PER_S)); /* fits: 30 characters */
}

void td_time_format_ms(uint64_t ns, char out[TD_TIME_TEXT_BYTES])
{
    static const size_t MS_DIGITS_END = sizeof "2021-04-17T16:43:05.489" - 1;
    td_time_format(ns, out);
    memcpy(out + MS_DIGITS_END, "Z", sizeof "Z");
}

void td_time_format_compact(uint64_t ns, char out[TD_TIME_TEXT_BYTES])
{
    struct tm t = split_time(ns);
    (void)strftime(out, TD_TIME_TEXT_BYTES, "%Y%m%dT%H%M%SZ", &t);
}

void td_time_date(uint64_t ns, unsigned *year, unsigned *month, unsigned *day)
{
    struct tm t = split_time(ns);
    *year = (unsigned)t.tm_year + 1900;
    *month = (unsigned)t.tm_mon + 1;
    *day = (unsigned)t.tm_mday;
}

/* Format tenths of a unit: "12 s" or "12.3 s". */
static void format_tenths(uint64_t tenths, const char *unit, char *out)
{
    if (tenths % 10 == 0)
        snprintf(out, TD_TIME_TEXT_BYTES, "%llu %s", (unsigned long long)tenths / 10, unit);
    else
        snprintf(out, TD_TIME_TEXT_BYTES, "%llu.%llu %s", (unsigned long long)tenths / 10,
                 (unsigned long long)tenths % 10, unit);
}

/* Format a count of unit i - 1 as a count of unit i and the remainder: "2 h 5 m". */
static void format_pair(uint64_t smaller, uint64_t ratio, size_t i, char *out)
{
    int length = snprintf(out, TD_TIME_TEXT_BYTES, "%llu %s", (unsigned long long)(smaller / ratio),
                          UNITS[i].name);
    if (smaller % ratio != 0)
        snprintf(out + length, TD_TIME_TEXT_BYTES - (size_t)length, " %llu %s",
                 (unsigned long long)(smaller % ratio), UNITS[i - 1].name);
}

void td_duration_format(uint64_t ns, char out[TD_TIME_TEXT_BYTES])
{
    if (ns < TD_NS_PER_US) {
        format_tenths(ns * 10, "ns", out);
        return;
    }
    /* Round before choosing the unit: 59.96 s is "1 m", not "60 s". */
    for (size_t i = 1; i < 4; i++) {
        uint64_t tenth = UNITS[i].ns / 10;
        uint64_t tenths = ns / tenth + (ns % tenth >= tenth / 2);
        if (tenths < UNITS[i + 1].ns / tenth) {
            format_tenths(tenths, UNITS[i].name, out);
            return;
        }
    }
    for (size_t i = 4; i < UNIT_COUNT; i++) {
        uint64_t unit = UNITS[i - 1].ns;
        uint64_t smaller = ns / unit + (ns % unit >= unit / 2);
        uint64_t ratio = UNITS[i].ns / unit;
        if (i + 1 == UNIT_COUNT || smaller < UNITS[i + 1].ns / unit) {
            format_pair(smaller, ratio, i, out);
            return;
        }
    }
}
