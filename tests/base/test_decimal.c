/* Decimals. Expected values: Python's decimal module (python3 -c "from decimal import *; ..."), and
 * for the grammar and the limits the contract in base/decimal.h. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/decimal.h"
#include "base/random.h"

typedef struct parse_row {
    const char *text;
    td_result rc;
    int64_t mantissa;
    uint8_t scale;
} parse_row;

static const parse_row PARSE_ROWS[] = {
    {"0", TD_OK, 0, 0},
    {"60622.5", TD_OK, 606225, 1},
    {"60591.00", TD_OK, 6059100, 2},
    {"12836512", TD_OK, 12836512, 0},
    {"0.000000000000000001", TD_OK, 1, 18},
    {"-12.25", TD_OK, -1225, 2},
    {"-0", TD_OK, 0, 0},
    {"-0.00", TD_OK, 0, 2},
    {"007.50", TD_OK, 750, 2},
    {"000000000000000000000000000001", TD_OK, 1, 0},
    {"3e-06", TD_OK, 3, 6},
    {"3E-06", TD_OK, 3, 6},
    {"-1.5e+3", TD_OK, -1500, 0},
    {"1.50e1", TD_OK, 150, 1},
    {"1.50e3", TD_OK, 1500, 0},
    {"1e18", TD_OK, INT64_C(1000000000000000000), 0},
    {"9223372036854775807", TD_OK, INT64_MAX, 0},
    {"-9223372036854775808", TD_OK, INT64_MIN, 0},
    {"9.223372036854775807", TD_OK, INT64_MAX, 18},
    {"-9.223372036854775808", TD_OK, INT64_MIN, 18},
    {"999999999999999999", TD_OK, INT64_C(999999999999999999), 0},
    {"1.000000000000000000", TD_OK, INT64_C(1000000000000000000), 18},
    /* The scale as written is too large, the value is not. */
    {"1.00000000000000000000000000000000", TD_OK, 1, 0},
    {"10.000000000000000000", TD_OK, 10, 0},
    {"0.00000000000000000000", TD_OK, 0, 0},
    {"1000000000000000000e-18", TD_OK, INT64_C(1000000000000000000), 18},
    {"0e999999999999999999999999", TD_OK, 0, 0},
    {"0e-999999999999999999999999", TD_OK, 0, 0},
    {"9223372036854775808", TD_E_LIMIT, 0, 0},
    {"-9223372036854775809", TD_E_LIMIT, 0, 0},
    {"9.223372036854775808", TD_E_LIMIT, 0, 0},
    {"18446744073709551616", TD_E_LIMIT, 0, 0},
    {"12345678901234567890", TD_E_LIMIT, 0, 0},
    {"0.0000000000000000001", TD_E_LIMIT, 0, 0},
    {"1e19", TD_E_LIMIT, 0, 0},
    {"1e-19", TD_E_LIMIT, 0, 0},
    {"1e99999999999999999999", TD_E_LIMIT, 0, 0},
    {"1e-99999999999999999999", TD_E_LIMIT, 0, 0},
    {"", TD_E_INVALID, 0, 0},
    {"-", TD_E_INVALID, 0, 0},
    {".", TD_E_INVALID, 0, 0},
    {".5", TD_E_INVALID, 0, 0},
    {"5.", TD_E_INVALID, 0, 0},
    {"-.5", TD_E_INVALID, 0, 0},
    {"+1", TD_E_INVALID, 0, 0},
    {"--1", TD_E_INVALID, 0, 0},
    {" 1", TD_E_INVALID, 0, 0},
    {"1 ", TD_E_INVALID, 0, 0},
    {"1,5", TD_E_INVALID, 0, 0},
    {"1.2.3", TD_E_INVALID, 0, 0},
    {"1e", TD_E_INVALID, 0, 0},
    {"1e+", TD_E_INVALID, 0, 0},
    {"e5", TD_E_INVALID, 0, 0},
    {"1e5.5", TD_E_INVALID, 0, 0},
    {"0x10", TD_E_INVALID, 0, 0},
    {"NaN", TD_E_INVALID, 0, 0},
    {"Infinity", TD_E_INVALID, 0, 0},
    {"1/", TD_E_INVALID, 0, 0},
    {"1:", TD_E_INVALID, 0, 0},
    {"123456789012345678901234567890x", TD_E_INVALID, 0, 0},
};

static void test_parse(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof PARSE_ROWS / sizeof PARSE_ROWS[0]; i++) {
        const parse_row *row = &PARSE_ROWS[i];
        td_decimal got = {.mantissa = 77, .scale = 7};
        td_err err = {0};
        td_result rc = td_decimal_parse(td_bytes_str(row->text), &got, &err);
        td_decimal want = rc == TD_OK ? (td_decimal){row->mantissa, row->scale} : got;
        if (rc != row->rc || got.mantissa != want.mantissa || got.scale != want.scale)
            fail_msg("'%s': %s %lld scale %d (%s)", row->text, td_result_name(rc),
                     (long long)got.mantissa, got.scale, err.text);
        if (rc != TD_OK) {
            assert_int_equal(err.code, rc);
            assert_true(err.text[0] != '\0');
            assert_int_equal(td_decimal_parse(td_bytes_str(row->text), &got, NULL), rc);
        }
    }
}

/* Bytes after the view are not read. */
static void test_parse_reads_its_view_only(void **state)
{
    (void)state;
    td_decimal got;
    assert_int_equal(td_decimal_parse(td_bytes_of("12.3456", 4), &got, NULL), TD_OK);
    assert_int_equal(got.mantissa, 123);
    assert_int_equal(got.scale, 1);
    assert_int_equal(td_decimal_parse(td_bytes_of("12.3456", 3), &got, NULL), TD_E_INVALID);
    assert_int_equal(td_decimal_parse(td_bytes_of("1\0", 2), &got, NULL), TD_E_INVALID);
    assert_int_equal(td_decimal_parse(td_bytes_of(NULL, 0), &got, NULL), TD_E_INVALID);
}

static void test_parse_a_million_digits(void **state)
{
    (void)state;
    enum { DIGITS = 1000000 };
    char *text = td_alloc(DIGITS + 16);
    assert_non_null(text);
    td_decimal got;

    memset(text, '9', DIGITS);
    assert_int_equal(td_decimal_parse(td_bytes_of(text, DIGITS), &got, NULL), TD_E_LIMIT);
    text[DIGITS / 2] = 'x';
    assert_int_equal(td_decimal_parse(td_bytes_of(text, DIGITS), &got, NULL), TD_E_INVALID);

    memset(text, '0', DIGITS);
    memcpy(text + DIGITS, "42.5", sizeof "42.5");
    assert_int_equal(td_decimal_parse(td_bytes_of(text, DIGITS + 4), &got, NULL), TD_OK);
    assert_int_equal(got.mantissa, 425);
    assert_int_equal(got.scale, 1);

    /* 0.000…0001e1000000: a million decimal places, and an exponent that cancels them. */
    memset(text, '0', DIGITS);
    text[1] = '.';
    text[DIGITS - 1] = '1';
    memcpy(text + DIGITS, "e999998", sizeof "e999998");
    assert_int_equal(td_decimal_parse(td_bytes_of(text, DIGITS + 7), &got, NULL), TD_OK);
    assert_int_equal(got.mantissa, 1);
    assert_int_equal(got.scale, 0);
    td_free(text);
}

static void test_shortest_and_format(void **state)
{
    (void)state;
    static const struct {
        td_decimal value;
        td_decimal shortest;
        const char *text;
    } ROWS[] = {
        {{0, 0}, {0, 0}, "0"},
        {{0, 18}, {0, 0}, "0"},
        {{6059100, 2}, {60591, 0}, "60591"},
        {{606225, 1}, {606225, 1}, "60622.5"},
        {{5, 1}, {5, 1}, "0.5"},
        {{-1225, 2}, {-1225, 2}, "-12.25"},
        {{-120, 2}, {-12, 1}, "-1.2"},
        {{1, 18}, {1, 18}, "0.000000000000000001"},
        {{100, 0}, {100, 0}, "100"},
        {{100, 1}, {10, 0}, "10"},
        {{INT64_C(1000000000000000000), 18}, {1, 0}, "1"},
        {{INT64_C(1000000000000000000), 17}, {10, 0}, "10"},
        {{INT64_C(7000000000000000), 15}, {7, 0}, "7"},
        {{INT64_C(7000000000000000), 18}, {7, 3}, "0.007"},
        {{INT64_MAX, 18}, {INT64_MAX, 18}, "9.223372036854775807"},
        {{INT64_MIN, 0}, {INT64_MIN, 0}, "-9223372036854775808"},
        {{INT64_MIN, 18}, {INT64_MIN, 18}, "-9.223372036854775808"},
        {{-1, 18}, {-1, 18}, "-0.000000000000000001"},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        td_decimal got = td_decimal_shortest(ROWS[i].value);
        assert_int_equal(got.mantissa, ROWS[i].shortest.mantissa);
        assert_int_equal(got.scale, ROWS[i].shortest.scale);
        char text[TD_DECIMAL_TEXT_BYTES];
        assert_int_equal(td_decimal_format(ROWS[i].value, text), strlen(ROWS[i].text));
        assert_string_equal(text, ROWS[i].text);
    }
}

static void test_format_whole(void **state)
{
    (void)state;
    static const struct {
        td_decimal value;
        const char *text;
    } ROWS[] = {
        {{0, 0}, "0"},
        {{0, 2}, "0.00"},
        {{6059100, 2}, "60591.00"},
        {{500, 8}, "0.00000500"},
        {{-120, 2}, "-1.20"},
        {{100, 0}, "100"},
        {{INT64_MAX, 18}, "9.223372036854775807"},
        {{INT64_MIN, 18}, "-9.223372036854775808"},
        {{-1, 18}, "-0.000000000000000001"},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        char text[TD_DECIMAL_TEXT_BYTES];
        assert_int_equal(td_decimal_format_whole(ROWS[i].value, text), strlen(ROWS[i].text));
        assert_string_equal(text, ROWS[i].text);
    }
}

/* Each number of digits, with each digit beside each border between the ways of writing. */
static void test_digits_write(void **state)
{
    (void)state;
    char text[24];
    char expected[24];
    for (uint64_t power = 1;; power *= 10) {
        for (uint64_t digit = 1; digit <= 9; digit++)
            for (uint64_t i = 0; i < 5; i++) {
                const uint64_t number = power * digit + (i - 2) * (power / 7 + 1);
                char *from = td_digits_write(text + sizeof text, number);
                const int size = snprintf(expected, sizeof expected, "%" PRIu64, number);
                assert_int_equal(text + sizeof text - from, size);
                assert_memory_equal(from, expected, (size_t)size);
            }
        if (power > UINT64_MAX / 10)
            break;
    }
}

static void test_compare_and_rescale(void **state)
{
    (void)state;
    static const struct {
        td_decimal a, b;
        int order;
    } ROWS[] = {
        {{1, 0}, {1, 0}, 0},           {{1, 0}, {2, 0}, -1},
        {{10, 1}, {1, 0}, 0},          {{1, 0}, {10, 1}, 0},
        {{-1, 0}, {1, 18}, -1},        {{INT64_MAX, 0}, {INT64_MAX, 18}, 1},
        {{0, 0}, {0, 18}, 0},          {{INT64_MIN, 0}, {INT64_MIN, 18}, -1},
        {{606225, 1}, {60623, 0}, -1},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        assert_int_equal(td_decimal_compare(ROWS[i].a, ROWS[i].b), ROWS[i].order);
        assert_int_equal(td_decimal_compare(ROWS[i].b, ROWS[i].a), -ROWS[i].order);
    }
    int64_t mantissa = 0;
    assert_int_equal(td_decimal_rescale((td_decimal){-1225, 2}, 4, &mantissa), TD_OK);
    assert_int_equal(mantissa, -122500);
    assert_int_equal(td_decimal_rescale((td_decimal){9, 0}, 18, &mantissa), TD_OK);
    assert_int_equal(mantissa, INT64_C(9000000000000000000));
    assert_int_equal(td_decimal_rescale((td_decimal){10, 0}, 18, &mantissa), TD_E_LIMIT);
    assert_int_equal(td_decimal_rescale((td_decimal){INT64_MIN, 1}, 2, &mantissa), TD_E_LIMIT);
    assert_int_equal(td_decimal_rescale((td_decimal){INT64_MIN, 1}, 1, &mantissa), TD_OK);
}

/* Any value at any scale, formatted and parsed, is the same value in its shortest form. */
static void test_round_trip(void **state)
{
    (void)state;
    td_random random;
    td_random_init(&random, 1);
    for (int i = 0; i < 20000; i++) {
        td_decimal value = {.scale = (uint8_t)td_random_below(&random, 19)};
        value.mantissa = (int64_t)(td_random_next(&random) >> td_random_below(&random, 64));
        if (i % 3 == 0)
            value.mantissa -= value.mantissa % 1000;
        char text[TD_DECIMAL_TEXT_BYTES];
        size_t length = td_decimal_format(value, text);
        td_decimal again;
        assert_int_equal(td_decimal_parse(td_bytes_of(text, length), &again, NULL), TD_OK);
        assert_int_equal(td_decimal_compare(value, again), 0);
        td_decimal shortest = td_decimal_shortest(value);
        assert_int_equal(again.mantissa, shortest.mantissa);
        assert_int_equal(again.scale, shortest.scale);
        assert_memory_equal(&(td_decimal_wide[]){td_decimal_widen(value)},
                            &(td_decimal_wide[]){td_decimal_widen(again)}, sizeof(td_decimal_wide));
    }
}

typedef struct range_row {
    const char *text;
    const char *in, *out; /* a value it contains, and one it does not contain; NULL: not tested */
    td_result rc;
} range_row;

static const range_row RANGE_ROWS[] = {
    {"60623.5", "60623.50", "60623.51", TD_OK},
    {"60623.50", "60623.5", "60623.4", TD_OK},
    {"0", "0.000", "0.001", TD_OK},
    {"10..", "10.0", "9.999", TD_OK},
    {"10..", "9223372036854775807", "-10", TD_OK},
    {"..10", "10.00", "10.01", TD_OK},
    {"9.5..10", "9.50", "9.49", TD_OK},
    {"9.5..10", "10", "10.00000000000000001", TD_OK},
    {"-1..-1.0", "-1", "1", TD_OK},
    {"", NULL, NULL, TD_E_INVALID},
    {"..", NULL, NULL, TD_E_INVALID},
    {"10..9.5", NULL, NULL, TD_E_INVALID},
    {"1...5", NULL, NULL, TD_E_INVALID},
    {"1..2..3", NULL, NULL, TD_E_INVALID},
    {"60,623.5", NULL, NULL, TD_E_INVALID},
    {"0x10", NULL, NULL, TD_E_INVALID},
    {"1e19", NULL, NULL, TD_E_INVALID},
};

static void test_ranges(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof RANGE_ROWS / sizeof RANGE_ROWS[0]; i++) {
        const range_row *row = &RANGE_ROWS[i];
        td_decimal_range range;
        td_decimal value;
        td_err err;
        if (td_decimal_range_parse(td_bytes_str(row->text), &range, &err) != row->rc)
            fail_msg("'%s'", row->text);
        if (row->rc != TD_OK)
            continue;
        assert_int_equal(td_decimal_parse(td_bytes_str(row->in), &value, &err), TD_OK);
        if (!td_decimal_range_has(&range, value))
            fail_msg("'%s' lacks %s", row->text, row->in);
        assert_int_equal(td_decimal_parse(td_bytes_str(row->out), &value, &err), TD_OK);
        if (td_decimal_range_has(&range, value))
            fail_msg("'%s' has %s", row->text, row->out);
    }
}

static void test_digits(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t max, value;
        int is_valid;
    } rows[] = {
        {"0", 9, 0, 1},
        {"007", 9, 7, 1},
        {"65535", 65535, 65535, 1},
        {"65536", 65535, 0, 0},
        {"9223372036854775807", INT64_MAX, INT64_MAX, 1},
        {"9223372036854775808", INT64_MAX, 0, 0},
        {"18446744073709551615", UINT64_MAX, UINT64_MAX, 1},
        {"18446744073709551616", UINT64_MAX, 0, 0},
        {"", 9, 0, 0},
        {"-1", 9, 0, 0},
        {"+1", 9, 0, 0},
        {" 1", 9, 0, 0},
        {"1_2", 99, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t value = 0;
        if (td_digits_parse(td_bytes_str(rows[i].text), rows[i].max, &value) != rows[i].is_valid)
            fail_msg("'%s'", rows[i].text);
        if (rows[i].is_valid)
            assert_true(value == rows[i].value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_parse_reads_its_view_only),
        cmocka_unit_test(test_parse_a_million_digits),
        cmocka_unit_test(test_shortest_and_format),
        cmocka_unit_test(test_format_whole),
        cmocka_unit_test(test_digits_write),
        cmocka_unit_test(test_compare_and_rescale),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
