/* Expected: the rules in recorder/backoff.h; the limit of connections is from document 004 (500 per
 * 5 minutes). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/random.h"
#include "recorder/backoff.h"
#include "schema/family.h"

/* docs/wire.md 1.3 */
static const connect_limit LIMIT = {500, 300 * TD_NS_PER_S};

static void first_network_failure_is_retried_at_once(void **state)
{
    (void)state;
    backoff tries;
    backoff_init(&tries, 1);
    assert_int_equal(backoff_next_ns(&tries, BACKOFF_NETWORK, 1), 0);
    assert_int_not_equal(backoff_next_ns(&tries, BACKOFF_NETWORK, 2), 0);
}

/* Rows: how long the connection was live after each failure, and whether waits stay short or grow
 * as if it had not been live. */
static void only_live_time_makes_up_for_failures(void **state)
{
    static const struct {
        const char *name;
        uint64_t live_ns;
        int is_at_once;
    } ROWS[] = {
        {"closed at once", 0, 0},
        {"live for a second", TD_NS_PER_S, 0},
        {"live for nearly 5 s", BACKOFF_DECAY_NS - 1, 0},
        {"live for 5 s", BACKOFF_DECAY_NS, 1},
        {"live for an hour", 3600 * TD_NS_PER_S, 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        uint64_t now_ns = TD_NS_PER_S, begin_ns = now_ns;
        int connects = 0;
        backoff tries;
        backoff_init(&tries, i);
        while (now_ns - begin_ns < LIMIT.window_ns) {
            connects++;
            backoff_live(&tries, now_ns);
            now_ns += ROWS[i].live_ns;
            uint64_t wait_ns = backoff_next_ns(&tries, BACKOFF_NETWORK, now_ns);
            if (ROWS[i].is_at_once && wait_ns != 0)
                fail_msg("%s: waits", ROWS[i].name);
            now_ns += wait_ns;
        }
        print_message("  %s: %d connects in five minutes\n", ROWS[i].name, connects);
        assert_true(connects <= 60);
    }
}

/* However many failures there were, 40 s of a live connection reset the waits. */
static void live_time_makes_up_for_a_long_outage(void **state)
{
    (void)state;
    backoff tries;
    backoff_init(&tries, 3);
    for (int i = 0; i < 1000; i++)
        assert_true(backoff_next_ns(&tries, BACKOFF_NETWORK, 1) <= 30 * TD_NS_PER_S);
    backoff_live(&tries, 2);
    assert_int_equal(backoff_next_ns(&tries, BACKOFF_NETWORK, 2 + 40 * TD_NS_PER_S), 0);
}

static void refusals_are_never_retried_at_once(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        backoff tries;
        backoff_init(&tries, seed);
        uint64_t wait_ns = backoff_next_ns(&tries, BACKOFF_REFUSED, 1);
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
        {"unwell", BACKOFF_SERVER, 60 * TD_NS_PER_S},
    };
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        uint64_t early_ns = 0, late_ns = 0, longest_ns = 0;
        for (uint64_t seed = 0; seed < 200; seed++) {
            backoff tries;
            backoff_init(&tries, seed);
            for (int n = 0; n < 40; n++) {
                uint64_t wait_ns = backoff_next_ns(&tries, ROWS[i].why, 1);
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
        int is_final;
    } ROWS[] = {
        {WIRE_CAUSE_CONNECT, 0, BACKOFF_NETWORK, 0},
        {WIRE_CAUSE_CLOSED_BY_PEER, 0, BACKOFF_NETWORK, 0},
        {WIRE_CAUSE_RESET, 0, BACKOFF_NETWORK, 0},
        {WIRE_CAUSE_TIMEOUT, 0, BACKOFF_SERVER, 0},
        {WIRE_CAUSE_REFUSED, 502, BACKOFF_SERVER, 0},
        {WIRE_CAUSE_REFUSED, 503, BACKOFF_SERVER, 0},
        {WIRE_CAUSE_REFUSED, 408, BACKOFF_SERVER, 0},
        {WIRE_CAUSE_REFUSED, 425, BACKOFF_SERVER, 0},
        {WIRE_CAUSE_REFUSED, 403, BACKOFF_REFUSED, 0},
        {WIRE_CAUSE_REFUSED, 429, BACKOFF_REFUSED, 0},
        {WIRE_CAUSE_REFUSED, 302, BACKOFF_REFUSED, 0},
        {WIRE_CAUSE_REFUSED, 400, BACKOFF_REFUSED, 1},
        {WIRE_CAUSE_REFUSED, 401, BACKOFF_REFUSED, 1},
        {WIRE_CAUSE_REFUSED, 404, BACKOFF_REFUSED, 1},
        {WIRE_CAUSE_TLS_UNTRUSTED, 0, BACKOFF_REFUSED, 1},
        {WIRE_CAUSE_TLS_WRONG_HOST, 0, BACKOFF_REFUSED, 1},
        {WIRE_CAUSE_TLS_OTHER, 0, BACKOFF_REFUSED, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        assert_int_equal(backoff_classify(ROWS[i].cause, ROWS[i].http_status), ROWS[i].expected);
        assert_int_equal(backoff_is_final(ROWS[i].cause, ROWS[i].http_status), ROWS[i].is_final);
    }
}

static void no_more_than_500_connects_in_five_minutes(void **state)
{
    (void)state;
    connect_budget *budget =
        connect_budget_open(NULL, family_find(td_bytes_str("inverse"))->exchange->connects, NULL);
    uint64_t now_ns = 7 * TD_NS_PER_S;
    for (int i = 0; i < 500; i++)
        assert_int_equal(connect_budget_spend(budget, now_ns + (uint64_t)i), 0);
    uint64_t wait_ns = connect_budget_spend(budget, now_ns + 500);
    assert_int_equal(wait_ns, 300 * TD_NS_PER_S - 500);
    assert_int_equal(connect_budget_spend(budget, now_ns + 500 + wait_ns), 0);
    assert_int_not_equal(connect_budget_spend(budget, now_ns + 500 + wait_ns), 0);
    connect_budget_close(budget);
}

/* At most 500 in any five minutes. */
static void the_window_slides(void **state)
{
    (void)state;
    enum { CONNECTS = 4000 };
    static uint64_t taken_ns[CONNECTS];
    connect_budget *budget = connect_budget_open(NULL, LIMIT, NULL);
    td_random random;
    td_random_init(&random, 9);
    uint64_t now_ns = TD_NS_PER_S;
    for (int n = 0; n < CONNECTS;) {
        now_ns += td_random_below(&random, TD_NS_PER_S);
        if (connect_budget_spend(budget, now_ns) != 0)
            continue;
        taken_ns[n] = now_ns;
        if (n >= (int)LIMIT.count)
            assert_true(now_ns - taken_ns[n - (int)LIMIT.count] >= LIMIT.window_ns);
        n++;
    }
    connect_budget_close(budget);
}

/* Recorders on one machine count together, also after one has ended; other hosts do not matter. */
static void recorders_share_a_host(void **state)
{
    (void)state;
    static const connect_limit THREE = {.count = 3, .window_ns = 300 * TD_NS_PER_S};
    char host[64];
    char other[80];
    const uint64_t now_ns = clock_mono_ns(clock_real());
    (void)snprintf(host, sizeof host, "test-%d-%" PRIu64 ":443", (int)getpid(), now_ns);
    (void)snprintf(other, sizeof other, "other-%s", host);
    td_err err;
    td_err_clear(&err);
    connect_budget *one = connect_budget_open(host, THREE, &err);
    if (err.text[0] != '\0') { /* no folder for shared memory: the budget is the caller's own */
        assert_int_equal(connect_budget_spend(one, now_ns), 0);
        connect_budget_close(one);
        skip();
    }
    connect_budget *two = connect_budget_open(host, THREE, NULL);
    connect_budget *elsewhere = connect_budget_open(other, THREE, NULL);
    assert_int_equal(connect_budget_spend(one, now_ns), 0);
    assert_int_equal(connect_budget_spend(two, now_ns + 1), 0);
    connect_budget_close(two);
    assert_int_equal(connect_budget_spend(one, now_ns + 2), 0);
    assert_int_equal(connect_budget_spend(one, now_ns + 3), THREE.window_ns - 3);
    connect_budget_close(one);
    one = connect_budget_open(host, THREE, NULL);
    assert_int_equal(connect_budget_spend(one, now_ns + 4), THREE.window_ns - 4);
    assert_int_equal(connect_budget_spend(elsewhere, now_ns + 4), 0);
    /* A ban holds for all; one that ends too late to be true does not. */
    connect_budget_ban(elsewhere, now_ns + 10 * TD_NS_PER_S);
    assert_int_equal(connect_budget_spend(elsewhere, now_ns + 5), 10 * TD_NS_PER_S - 5);
    assert_int_equal(connect_budget_spend(elsewhere, now_ns + 10 * TD_NS_PER_S), 0);
    connect_budget_ban(elsewhere, UINT64_MAX);
    assert_int_equal(connect_budget_spend(elsewhere, now_ns + 11 * TD_NS_PER_S), 0);
    /* Times of the future are from another start of the machine. */
    assert_int_equal(connect_budget_spend(one, 1), 0);
    connect_budget_close(one);
    connect_budget_close(elsewhere);
    for (int i = 0; i < 2; i++) {
        char name[128];
        const char *of = i == 0 ? host : other;
        (void)snprintf(name, sizeof name, "/tapedeck-connects-1-%016" PRIx64 "-%u",
                       td_xxh64(of, strlen(of)), (unsigned)geteuid());
        assert_int_equal(shm_unlink(name), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_network_failure_is_retried_at_once),
        cmocka_unit_test(only_live_time_makes_up_for_failures),
        cmocka_unit_test(live_time_makes_up_for_a_long_outage),
        cmocka_unit_test(refusals_are_never_retried_at_once),
        cmocka_unit_test(waits_grow_and_are_capped),
        cmocka_unit_test(causes_have_their_class),
        cmocka_unit_test(no_more_than_500_connects_in_five_minutes),
        cmocka_unit_test(the_window_slides),
        cmocka_unit_test(recorders_share_a_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
