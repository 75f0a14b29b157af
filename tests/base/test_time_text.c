/* Times and durations as text. Expected values: Python's datetime, and the grammar of
 * docs/design.md ("TIME and DURATION"). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/time_text.h"

#define S TD_NS_PER_S

static const uint64_t NOW_NS = UINT64_C(1618677785489609000); /* 2021-04-17T16:43:05.489609 */

static void test_parse_time(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        td_date_edge edge;
        td_result rc;
        td_time_kind kind;
        uint64_t ns;
    } ROWS[] = {
        {"2021-04-17T16:43:05Z", 0, TD_OK, TD_TIME_ABSOLUTE, UINT64_C(1618677785) * S},
        {"2021-04-17t16:43:05z", 0, TD_OK, TD_TIME_ABSOLUTE, UINT64_C(1618677785) * S},
        {"2021-04-17 16:43:05.5Z", 0, TD_OK, TD_TIME_ABSOLUTE, UINT64_C(1618677785500000000)},
        {"2021-04-17T16:43:05.000000001Z", 0, TD_OK, TD_TIME_ABSOLUTE,
         UINT64_C(1618677785000000001)},
        {"2021-04-17T16:43:05+08:00", 0, TD_OK, TD_TIME_ABSOLUTE, UINT64_C(1618648985) * S},
        {"2021-04-17T08:43:05-08:00", 0, TD_OK, TD_TIME_ABSOLUTE, UINT64_C(1618677785) * S},
        {"2024-02-29T23:59:59Z", 0, TD_OK, TD_TIME_ABSOLUTE, UINT64_C(1709251199) * S},
        {"2000-02-29T00:00:00Z", 0, TD_OK, TD_TIME_ABSOLUTE, UINT64_C(951782400) * S},
        {"1970-01-01T00:00:00Z", 0, TD_OK, TD_TIME_ABSOLUTE, 0},
        {"1970-01-01T08:00:00+08:00", 0, TD_OK, TD_TIME_ABSOLUTE, 0},
        {"2554-07-21T23:34:33.709551615Z", 0, TD_OK, TD_TIME_ABSOLUTE, UINT64_MAX},
        {"2021-04-17", TD_DATE_BEGINS, TD_OK, TD_TIME_ABSOLUTE, UINT64_C(1618617600) * S},
        {"2021-04-17", TD_DATE_ENDS, TD_OK, TD_TIME_ABSOLUTE, UINT64_C(1618704000) * S},
        {"2100-02-28", TD_DATE_ENDS, TD_OK, TD_TIME_ABSOLUTE, UINT64_C(4107542400) * S},
        {"1618677785", 0, TD_OK, TD_TIME_ABSOLUTE, UINT64_C(1618677785) * S},
        {"1618677785489", 0, TD_OK, TD_TIME_ABSOLUTE, UINT64_C(1618677785489000000)},
        {"1618677785489609", 0, TD_OK, TD_TIME_ABSOLUTE, UINT64_C(1618677785489609000)},
        {"1618677785489609000", 0, TD_OK, TD_TIME_ABSOLUTE, UINT64_C(1618677785489609000)},
        {"0", 0, TD_OK, TD_TIME_ABSOLUTE, 0},
        {"now", 0, TD_OK, TD_TIME_ABSOLUTE, UINT64_C(1618677785489609000)},
        {"now-2h", 0, TD_OK, TD_TIME_ABSOLUTE, UINT64_C(1618670585489609000)},
        {"+90s", 0, TD_OK, TD_TIME_SINCE_FIRST, 90 * S},
        {"+1.5ms", 0, TD_OK, TD_TIME_SINCE_FIRST, 1500000},
        {"", 0, TD_E_INVALID, 0, 0},
        {"today", TD_DATE_BEGINS, TD_OK, TD_TIME_ABSOLUTE, UINT64_C(1618617600) * S},
        {"today", TD_DATE_ENDS, TD_OK, TD_TIME_ABSOLUTE, UINT64_C(1618704000) * S},
        {"yesterday", TD_DATE_BEGINS, TD_OK, TD_TIME_ABSOLUTE, UINT64_C(1618531200) * S},
        {"yesterday", TD_DATE_ENDS, TD_OK, TD_TIME_ABSOLUTE, UINT64_C(1618617600) * S},
        {"tomorrow", 0, TD_E_INVALID, 0, 0},
        {"now+2h", 0, TD_E_INVALID, 0, 0},
        {"now-", 0, TD_E_INVALID, 0, 0},
        {"nowish", 0, TD_E_INVALID, 0, 0},
        {"now-60000d", 0, TD_E_INVALID, 0, 0},
        {"+", 0, TD_E_INVALID, 0, 0},
        {"+90", 0, TD_E_INVALID, 0, 0},
        {"-90s", 0, TD_E_INVALID, 0, 0},
        {"2021-4-17", 0, TD_E_INVALID, 0, 0},
        {"2021-02-29", 0, TD_E_INVALID, 0, 0},
        {"2100-02-29", 0, TD_E_INVALID, 0, 0},
        {"2021-00-10", 0, TD_E_INVALID, 0, 0},
        {"2021-13-01", 0, TD_E_INVALID, 0, 0},
        {"2021-04-31", 0, TD_E_INVALID, 0, 0},
        {"1969-12-31", 0, TD_E_INVALID, 0, 0},
        {"1970-01-01T00:00:00+00:01", 0, TD_E_INVALID, 0, 0},
        {"2554-07-21T23:34:33.709551616Z", 0, TD_E_INVALID, 0, 0},
        {"2555-01-01", 0, TD_E_INVALID, 0, 0},
        {"9999-12-31T23:59:59Z", 0, TD_E_INVALID, 0, 0},
        {"2021-04-17T16:43:05", 0, TD_OK, TD_TIME_ABSOLUTE, UINT64_C(1618677785) * S},
        {"2021-04-17 16:43:05.5", 0, TD_OK, TD_TIME_ABSOLUTE, UINT64_C(1618677785500000000)},
        {"2021-04-17 16:43:05Z", 0, TD_OK, TD_TIME_ABSOLUTE, UINT64_C(1618677785) * S},
        {"2021-04-17 16:43:05 ", 0, TD_E_INVALID, 0, 0},
        {"2021-04-17 ", 0, TD_E_INVALID, 0, 0},
        {"2021-04-17T16:43", 0, TD_OK, TD_TIME_ABSOLUTE, UINT64_C(1618677780) * S},
        {"2021-04-17 16:43Z", 0, TD_OK, TD_TIME_ABSOLUTE, UINT64_C(1618677780) * S},
        {"2021-04-17T16:43-08:00", 0, TD_OK, TD_TIME_ABSOLUTE, UINT64_C(1618706580) * S},
        {"2021-04-17T16:43.5", 0, TD_E_INVALID, 0, 0},
        {"2021-04-17T16:43:", 0, TD_E_INVALID, 0, 0},
        {"2021-04-17T16", 0, TD_E_INVALID, 0, 0},
        {"2021-04-17T24:00:00Z", 0, TD_E_INVALID, 0, 0},
        {"2021-04-17T16:60:00Z", 0, TD_E_INVALID, 0, 0},
        {"2021-04-17T16:43:60Z", 0, TD_E_INVALID, 0, 0},
        {"2021-04-17T16:43:05.Z", 0, TD_E_INVALID, 0, 0},
        {"2021-04-17T16:43:05.0000000001Z", 0, TD_E_INVALID, 0, 0},
        {"2021-04-17T16:43:05Zx", 0, TD_E_INVALID, 0, 0},
        {"2021-04-17T16:43:05+0800", 0, TD_E_INVALID, 0, 0},
        {"2021-04-17T16:43:05+24:00", 0, TD_E_INVALID, 0, 0},
        {"99999999999", 0, TD_E_INVALID, 0, 0},
        {"99999999999999999999", 0, TD_E_INVALID, 0, 0},
        {"18446744073709551616", 0, TD_E_INVALID, 0, 0},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        td_time_spec got = {0};
        td_err err = {0};
        td_result rc = td_time_parse(ROWS[i].text, NOW_NS, ROWS[i].edge, &got, &err);
        if (rc != ROWS[i].rc || got.kind != ROWS[i].kind || got.ns != ROWS[i].ns)
            fail_msg("'%s': %s, kind %d, %llu (%s)", ROWS[i].text, td_result_name(rc), got.kind,
                     (unsigned long long)got.ns, err.text);
        if (rc != TD_OK)
            assert_non_null(strstr(err.text, ROWS[i].text));
    }
}

static void test_parse_duration(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        td_result rc;
        uint64_t ns;
    } ROWS[] = {
        {"200ms", TD_OK, 200000000},
        {"5s", TD_OK, 5 * S},
        {"2m", TD_OK, 120 * S},
        {"1h", TD_OK, 3600 * S},
        {"7d", TD_OK, UINT64_C(604800) * S},
        {"1.5h", TD_OK, 5400 * S},
        {"0.25us", TD_OK, 250},
        {"17ns", TD_OK, 17},
        {"0s", TD_OK, 0},
        {"0.1s", TD_OK, 100000000},
        {"213503d", TD_OK, UINT64_C(18446659200000000000)},
        {"0.000000000000000001d", TD_OK, 0},
        {"213504d", TD_E_INVALID, 0},
        {"999999999999999999d", TD_E_INVALID, 0},
        {"9999999999999999999999d", TD_E_INVALID, 0},
        {"", TD_E_INVALID, 0},
        {"5", TD_E_INVALID, 0},
        {"s", TD_E_INVALID, 0},
        {"-5s", TD_E_INVALID, 0},
        {"+5s", TD_E_INVALID, 0},
        {"5 s", TD_E_INVALID, 0},
        {".5s", TD_E_INVALID, 0},
        {"5.s", TD_E_INVALID, 0},
        {"1.2.3s", TD_E_INVALID, 0},
        {"5S", TD_E_INVALID, 0},
        {"5sec", TD_E_INVALID, 0},
        {"1h30m", TD_E_INVALID, 0},
        {"1e3s", TD_E_INVALID, 0},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        uint64_t got = 0;
        td_err err = {0};
        td_result rc = td_duration_parse(ROWS[i].text, &got, &err);
        if (rc != ROWS[i].rc || got != ROWS[i].ns)
            fail_msg("'%s': %s %llu (%s)", ROWS[i].text, td_result_name(rc),
                     (unsigned long long)got, err.text);
    }
}

static void test_format_time(void **state)
{
    (void)state;
    static const struct {
        uint64_t ns;
        const char *text;
        const char *compact;
        unsigned year, month, day;
    } ROWS[] = {
        {0, "1970-01-01T00:00:00.000000000Z", "19700101T000000Z", 1970, 1, 1},
        {UINT64_C(1618677785489609000), "2021-04-17T16:43:05.489609000Z", "20210417T164305Z", 2021,
         4, 17},
        {UINT64_C(951782400) * S, "2000-02-29T00:00:00.000000000Z", "20000229T000000Z", 2000, 2,
         29},
        {UINT64_C(951782400) * S - 1, "2000-02-28T23:59:59.999999999Z", "20000228T235959Z", 2000, 2,
         28},
        {UINT64_C(1709251199) * S, "2024-02-29T23:59:59.000000000Z", "20240229T235959Z", 2024, 2,
         29},
        {UINT64_C(4107542400) * S, "2100-03-01T00:00:00.000000000Z", "21000301T000000Z", 2100, 3,
         1},
        {UINT64_MAX, "2554-07-21T23:34:33.709551615Z", "25540721T233433Z", 2554, 7, 21},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        char text[TD_TIME_TEXT_BYTES];
        td_time_format(ROWS[i].ns, text);
        assert_string_equal(text, ROWS[i].text);
        uint64_t again = 1;
        assert_int_equal(td_time_parse_rfc3339(td_bytes_str(text), &again, NULL), TD_OK);
        assert_int_equal(again, ROWS[i].ns);
        td_time_format_compact(ROWS[i].ns, text);
        assert_string_equal(text, ROWS[i].compact);
        assert_int_equal(td_time_parse_compact(td_bytes_str(text), &again), 1);
        assert_int_equal(again, ROWS[i].ns - ROWS[i].ns % S);
        unsigned year = 0;
        unsigned month = 0;
        unsigned day = 0;
        td_time_date(ROWS[i].ns, &year, &month, &day);
        assert_int_equal(year, ROWS[i].year);
        assert_int_equal(month, ROWS[i].month);
        assert_int_equal(day, ROWS[i].day);
    }
}

static void test_wrong_compact_times(void **state)
{
    (void)state;
    static const char *const TEXTS[] = {
        "",
        "20210417T164305",
        "20210417T164305z",
        "20210417t164305Z",
        "20210417T164305Z0",
        "2021-0417T16430Z",
        "20210417T164360Z",
        "20210417T166005Z",
        "20210417T244305Z",
        "20210431T164305Z",
        "20210229T164305Z",
        "20211301T164305Z",
        "20210017T164305Z",
        "20210400T164305Z",
        "19691231T235959Z",
        "25540721T233434Z",
        "99991231T235959Z",
    };
    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++) {
        uint64_t ns;
        if (td_time_parse_compact(td_bytes_str(TEXTS[i]), &ns))
            fail_msg("'%s'", TEXTS[i]);
    }
}

/* Each day from 1970 to 2554 follows the one before, and is parsed back to the same time. */
static void test_every_day(void **state)
{
    (void)state;
    char before[TD_TIME_TEXT_BYTES] = "";
    unsigned count = 0;
    for (uint64_t day = 0; day <= 213503; day++, count++) {
        uint64_t ns = day * 86400 * S;
        char text[TD_TIME_TEXT_BYTES];
        td_time_format(ns, text);
        assert_true(strcmp(before, text) < 0);
        memcpy(before, text, sizeof before);
        text[10] = '\0';
        td_time_spec got;
        assert_int_equal(td_time_parse(text, 0, TD_DATE_BEGINS, &got, NULL), TD_OK);
        assert_int_equal(got.ns, ns);
    }
    assert_int_equal(count, 213504);
}

static void test_format_duration(void **state)
{
    (void)state;
    static const struct {
        uint64_t ns;
        const char *text;
    } ROWS[] = {
        {0, "0 ns"},
        {999, "999 ns"},
        {1000, "1 us"},
        {1500, "1.5 us"},
        {250 * TD_NS_PER_MS, "250 ms"},
        {999949999, "999.9 ms"},
        {999950000, "1 s"},
        {UINT64_C(29652000000), "29.7 s"},
        {5 * S, "5 s"},
        {UINT64_C(59949999999), "59.9 s"},
        {UINT64_C(59960000000), "1 m"},
        {65 * S, "1 m 5 s"},
        {7500 * S, "2 h 5 m"},
        {7200 * S, "2 h"},
        {UINT64_C(3599999999999), "1 h"},
        {UINT64_C(86400) * S * 3 + 3600 * S * 4, "3 d 4 h"},
        {UINT64_C(86399) * S, "1 d"},
        {UINT64_MAX, "213504 d"},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        char text[TD_TIME_TEXT_BYTES];
        td_duration_format(ROWS[i].ns, text);
        if (strcmp(text, ROWS[i].text) != 0)
            fail_msg("%llu ns: '%s', expected '%s'", (unsigned long long)ROWS[i].ns, text,
                     ROWS[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_time),  cmocka_unit_test(test_parse_duration),
        cmocka_unit_test(test_format_time), cmocka_unit_test(test_wrong_compact_times),
        cmocka_unit_test(test_every_day),   cmocka_unit_test(test_format_duration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
