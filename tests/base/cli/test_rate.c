/* The rate over the last seconds, and fields cut to a terminal's width. Expected values by hand
 * from the headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cli/rate.h"
#include "base/cli/terminal.h"

static void test_rate(void **state)
{
    (void)state;
    rate_window rate = {0};
    assert_int_equal(rate_update(&rate, 7 * TD_NS_PER_S, 1000),
                     0); /* earlier counts are not included */
    assert_int_equal(rate_update(&rate, 7 * TD_NS_PER_S + TD_NS_PER_S / 10, 1010), 100);
    for (uint64_t s = 8; s <= 20; s++)
        assert_int_equal(rate_update(&rate, s * TD_NS_PER_S, 1000 + (s - 7) * 50), 50);
    /* it stops: after ten seconds the rate is 0 */
    for (uint64_t s = 21; s < 30; s++)
        assert_true(rate_update(&rate, s * TD_NS_PER_S, 1650) < 50);
    assert_int_equal(rate_update(&rate, 31 * TD_NS_PER_S, 1650), 0);
    /* updated after a long time: the average of the pause */
    assert_int_equal(rate_update(&rate, 131 * TD_NS_PER_S, 1650 + 300), 2);
}

typedef struct fit_row {
    const char *text;
    size_t columns;
    const char *fitted;
} fit_row;

static void test_fit(void **state)
{
    (void)state;
    static const fit_row ROWS[] = {
        {"", 0, ""},
        {"one  two  three", 15, "one  two  three"},
        {"one  two  three", 14, "one  two"},
        {"one  two  three", 8, "one  two"},
        {"one  two  three", 7, "one"},
        {"one  two  three", 2, "on"},
        {"one  two", 0, ""},
        {"a\xc3\xb6  b", 5, "a\xc3\xb6"}, /* six bytes */
        {"a\xc3\xb6", 2, "a"},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        char text[32];
        memcpy(text, ROWS[i].text, strlen(ROWS[i].text) + 1);
        terminal_fit(text, ROWS[i].columns);
        assert_string_equal(text, ROWS[i].fitted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rate), cmocka_unit_test(test_fit)};
    return cmocka_run_group_tests_name("status lines", tests, NULL, NULL);
}
