/* base/log_rate: the first event is logged at once, then one line per minute with their number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log_rate.h"

static void test_count(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t at_s, count;
    } ROWS[] = {
        {"the first one", 5, 1},
        {"at the same time", 5, 0},
        {"within the minute", 64, 0},
        {"a minute after the line", 65, 3},
        {"a minute has not passed", 124, 0},
        {"long after", 1000, 2},
        {"and at once", 1000, 0},
    };
    td_log_rate rate = {0};
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        print_message("  %s\n", ROWS[i].name);
        assert_int_equal(td_log_rate_count(&rate, ROWS[i].at_s * TD_NS_PER_S), ROWS[i].count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_count)};
    return cmocka_run_group_tests_name("base/log_rate", tests, NULL, NULL);
}
