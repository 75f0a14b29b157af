/* base/time_share: a quarter of the time, the unused part of the last second, and times older than
 * earlier ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/time_share.h"

#define MS TD_NS_PER_MS

static void test_spend(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t at_ms, cost_ms, wait_ms;
    } ROWS[] = {
        {"a second's share at once", 90000, 250, 0},
        {"and some more", 90000, 1, 4},
        {"a part of that is due", 90002, 0, 2},
        {"a message that began before", 89000, 0, 2},
        {"paid for", 90004, 0, 0},
        {"a quarter of 8 ms", 90012, 2, 0},
        {"not more than a second counts", 99000, 251, 4},
    };
    time_share share = {0};
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        print_message("  %s\n", ROWS[i].name);
        uint64_t wait_ns = time_share_spend(&share, ROWS[i].at_ms * MS, ROWS[i].cost_ms * MS);
        assert_int_equal(wait_ns, ROWS[i].wait_ms * MS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_spend)};
    return cmocka_run_group_tests_name("base/time_share", tests, NULL, NULL);
}
