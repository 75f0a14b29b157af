/* Numbers as text. Expected: the digits that printf prints (pack/value_text.h). */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/decimal.h"
#include "pack/value_text.h"

/* Print a number with a point before its last `scale` digits. */
static void print_expected(char *out, size_t size, int64_t mantissa, unsigned scale)
{
    char digits[VALUE_TEXT_BYTES];
    const uint64_t left = mantissa < 0 ? 0 - (uint64_t)mantissa : (uint64_t)mantissa;
    const int count = snprintf(digits, sizeof digits, "%0*" PRIu64, (int)scale + 1, left);
    const int whole = count - (int)scale;
    (void)snprintf(out, size, "%s%.*s%s%s", mantissa < 0 ? "-" : "", whole, digits,
                   scale > 0 ? "." : "", digits + whole);
}

static void check_number(int64_t mantissa, unsigned scale)
{
    uint8_t text[VALUE_TEXT_BYTES];
    char expected[2 * VALUE_TEXT_BYTES];
    int64_t again;
    unsigned digits;
    size_t size = (size_t)(td_decimal_print(text, mantissa, scale, scale) - text);
    print_expected(expected, sizeof expected, mantissa, scale);
    if (size != strlen(expected) || memcmp(text, expected, size) != 0)
        fail_msg("%" PRId64 " at scale %u: %.*s, expected %s", mantissa, scale, (int)size,
                 (const char *)text, expected);
    if (value_read_number(td_bytes_of(text, size), &again, &digits)) {
        assert_int_equal(again, mantissa);
        assert_int_equal(digits, scale);
    }
    for (unsigned least = 0; least < scale; least++) {
        int64_t left = mantissa;
        unsigned shown = scale;
        for (; shown > least && left % 10 == 0; shown--)
            left /= 10;
        size = (size_t)(td_decimal_print(text, mantissa, scale, least) - text);
        print_expected(expected, sizeof expected, left, shown);
        if (size != strlen(expected) || memcmp(text, expected, size) != 0)
            fail_msg("%" PRId64 " at scale %u, at least %u: %.*s, expected %s", mantissa, scale,
                     least, (int)size, (const char *)text, expected);
    }
}

/* Each number of digits, with the numbers around a power of ten, at each scale. */
static void test_numbers(void **state)
{
    static const int64_t ENDS[] = {0, INT64_MAX, INT64_MIN, INT64_MIN + 1};
    (void)state;
    for (unsigned scale = 0; scale <= VALUE_DIGITS_MAX; scale++) {
        for (size_t i = 0; i < sizeof ENDS / sizeof ENDS[0]; i++)
            check_number(ENDS[i], scale);
        for (unsigned power = 0; power <= VALUE_DIGITS_MAX; power++)
            for (int64_t near = -2; near <= 2; near++)
                for (int64_t times = -9; times <= 9; times++)
                    check_number(times * (td_power_of_ten[power] / 2) + near, scale);
    }
}

/* All numbers of five digits, and numbers with any digits in eight places. */
static void test_digits(void **state)
{
    uint64_t random = 88172645463325252U;
    (void)state;
    for (int64_t number = 0; number < 100000; number++)
        check_number(number, (unsigned)(number % 5));
    for (int i = 0; i < 100000; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        check_number((int64_t)(random % 100000000), (unsigned)(random >> 40) % 8);
        check_number((int64_t)(random >> (random % 64)), (unsigned)(random >> 40) % 19);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
