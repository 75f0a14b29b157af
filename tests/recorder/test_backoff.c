/* Expected values: the rules stated in recorder/backoff.h; the limit of connections from document
 * 004 (500 per 5 minutes). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "recorder/backoff.h"

static void first_network_failure_is_retried_at_once(void **state)
{
    (void)state;
    backoff tries;
    backoff_init(&tries, 1);
    assert_int_equal(backoff_next_ns(&tries, BACKOFF_NETWORK), 0);
    assert_int_not_equal(backoff_next_ns(&tries, BACKOFF_NETWORK), 0);
    backoff_succeeded(&tries);
    assert_int_equal(backoff_next_ns(&tries, BACKOFF_NETWORK), 0);
}

static void refusals_are_never_retried_at_once(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        backoff tries;
        backoff_init(&tries, seed);
        uint64_t wait_ns = backoff_next_ns(&tries, BACKOFF_REFUSED);
        assert_true(wait_ns > 0 && wait_ns <= 5 * TD_NS_PER_S);
    }
}

static void waits_grow_and_are_capped(void **state)
{
    static const struct {
        const char *name;
        backoff_class why;
        uint64_t cap_ns;
    } ROWS[] = {
        {"network", BACKOFF_NETWORK, 30 * TD_NS_PER_S},
        {"refused", BACKOFF_REFUSED, 300 * TD_NS_PER_S},
        {"unwell", BACKOFF_UNWELL, 60 * TD_NS_PER_S},
    };
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        uint64_t early_ns = 0, late_ns = 0, longest_ns = 0;
        for (uint64_t seed = 0; seed < 200; seed++) {
            backoff tries;
            backoff_init(&tries, seed);
            for (int n = 0; n < 40; n++) {
                uint64_t wait_ns = backoff_next_ns(&tries, ROWS[i].why);
                if (wait_ns > longest_ns)
                    longest_ns = wait_ns;
                early_ns += n == 1 ? wait_ns : 0;
                late_ns += n == 39 ? wait_ns : 0;
            }
        }
        if (longest_ns > ROWS[i].cap_ns || longest_ns < ROWS[i].cap_ns / 2 ||
            late_ns < 4 * early_ns)
            fail_msg("%s: longest %llu, early %llu, late %llu", ROWS[i].name,
                     (unsigned long long)longest_ns, (unsigned long long)early_ns,
                     (unsigned long long)late_ns);
    }
}

static void causes_have_their_class(void **state)
{
    static const struct {
        wire_cause cause;
        unsigned http_status;
        backoff_class expected;
    } ROWS[] = {
        {WIRE_CAUSE_CONNECT, 0, BACKOFF_NETWORK},
        {WIRE_CAUSE_CLOSED_BY_PEER, 0, BACKOFF_NETWORK},
        {WIRE_CAUSE_RESET, 0, BACKOFF_NETWORK},
        {WIRE_CAUSE_TIMEOUT, 0, BACKOFF_UNWELL},
        {WIRE_CAUSE_REFUSED, 502, BACKOFF_UNWELL},
        {WIRE_CAUSE_REFUSED, 401, BACKOFF_REFUSED},
        {WIRE_CAUSE_REFUSED, 403, BACKOFF_REFUSED},
        {WIRE_CAUSE_TLS_UNTRUSTED, 0, BACKOFF_REFUSED},
        {WIRE_CAUSE_TLS_WRONG_HOST, 0, BACKOFF_REFUSED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++)
        assert_int_equal(backoff_classify(ROWS[i].cause, ROWS[i].http_status), ROWS[i].expected);
}

static void no_more_than_500_connects_in_five_minutes(void **state)
{
    (void)state;
    static connect_budget budget;
    uint64_t now_ns = 7 * TD_NS_PER_S;
    for (int i = 0; i < 500; i++)
        assert_int_equal(connect_budget_take(&budget, now_ns + (uint64_t)i), 0);
    uint64_t wait_ns = connect_budget_take(&budget, now_ns + 500);
    assert_int_equal(wait_ns, 300 * TD_NS_PER_S - 500);
    assert_int_equal(connect_budget_take(&budget, now_ns + 500 + wait_ns), 0);
    assert_int_not_equal(connect_budget_take(&budget, now_ns + 500 + wait_ns), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_network_failure_is_retried_at_once),
        cmocka_unit_test(refusals_are_never_retried_at_once),
        cmocka_unit_test(waits_grow_and_are_capped),
        cmocka_unit_test(causes_have_their_class),
        cmocka_unit_test(no_more_than_500_connects_in_five_minutes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
