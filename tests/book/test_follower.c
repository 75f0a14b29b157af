/* The follower: what a connection, another row, another topic and failing memory are to a topic's
 * book. What rules say of frames is tests/book/test_continuity.c's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/limits.h"
#include "book/follower.h"
#include "tests/testing/decode_bench.h"

static const char SNAPSHOT[] =
    "{\"topic\":\"orderbook.50.X\",\"type\":\"snapshot\",\"ts\":1750000000000,\"data\":{\"s\":"
    "\"X\","
    "\"b\":[[\"10\",\"1\"]],\"a\":[[\"11\",\"1\"]],\"u\":5,\"seq\":50},\"cts\":1750000000000}";
static const char DELTA[] =
    "{\"topic\":\"orderbook.50.X\",\"type\":\"delta\",\"ts\":1750000000100,\"data\":{\"s\":\"X\","
    "\"b\":[[\"10\",\"2\"]],\"a\":[],\"u\":6,\"seq\":51},\"cts\":1750000000100}";
static const char DEEP[] =
    "{\"topic\":\"orderbook.200.X\",\"type\":\"snapshot\",\"ts\":1750000000000,\"data\":{\"s\":"
    "\"X\","
    "\"b\":[[\"9\",\"1\"]],\"a\":[[\"12\",\"1\"]],\"u\":7,\"seq\":50},\"cts\":1750000000000}";

/* Take a frame of connection conn; the step that it was. */
static follower_step take(decode_bench *b, follower *f, const char *topic, const char *text,
                          uint32_t conn, verdict *found)
{
    const topic_match match = decode_bench_match("v5-linear", topic);
    const follower_conn from = {.session = 1, .shard = 2, .conn = conn};
    follower_step step;
    message m;
    decode_error why;
    step = follower_meet(f, &from, match.row);
    if (text != NULL)
        assert_true(decode_bench_text(b, "v5-linear", topic, text, &m, &why));
    follower_take(f, text == NULL ? NULL : &m, found);
    return step;
}

static void test_connections(void **state)
{
    decode_bench *b = *state;
    follower f = {0};
    verdict v;
    assert_int_equal(take(b, &f, "orderbook.50.X", SNAPSHOT, 1, &v), FOLLOWER_BEGINS);
    assert_int_equal(v.count, 0);
    assert_int_equal(take(b, &f, "orderbook.50.X", DELTA, 1, &v), FOLLOWER_GOES_ON);
    assert_int_equal(v.count, 0);
    /* A connection begins with its own snapshot, whatever the one before had. */
    assert_int_equal(take(b, &f, "orderbook.50.X", DELTA, 2, &v), FOLLOWER_RECONNECTS);
    assert_non_null(verdict_violation(&v));
    assert_int_equal(verdict_violation(&v)->rule, RULE_ANCHORED);
    assert_int_equal(take(b, &f, "orderbook.50.X", SNAPSHOT, 2, &v), FOLLOWER_GOES_ON);
    assert_false(track_is_broken(f.track));
    /* What could not be decoded breaks the book until the next snapshot. */
    assert_int_equal(take(b, &f, "orderbook.50.X", NULL, 2, &v), FOLLOWER_GOES_ON);
    assert_int_equal(v.count, 0);
    assert_true(track_is_broken(f.track));
    assert_int_equal(take(b, &f, "orderbook.50.X", SNAPSHOT, 2, &v), FOLLOWER_GOES_ON);
    assert_false(track_is_broken(f.track));
    follower_close(&f);
    assert_null(f.track);
}

/* The session and the shard tell connections of one number apart. */
static void test_what_a_connection_is(void **state)
{
    (void)state;
    static const follower_conn FROM[] = {{1, 2, 3}, {1, 2, 3}, {1, 2, 4}, {1, 0, 4}, {2, 0, 4}};
    static const follower_step STEPS[] = {FOLLOWER_BEGINS, FOLLOWER_GOES_ON, FOLLOWER_RECONNECTS,
                                          FOLLOWER_RECONNECTS, FOLLOWER_RECONNECTS};
    const topic_match match = decode_bench_match("v5-linear", "orderbook.50.X");
    follower f = {0};
    for (size_t i = 0; i < sizeof FROM / sizeof FROM[0]; i++) {
        follower_step step;
        step = follower_meet(&f, &FROM[i], match.row);
        assert_int_equal(step, STEPS[i]);
    }
    follower_close(&f);
}

/* Another topic is another book; another row of the topic's is not. */
static void test_rows(void **state)
{
    decode_bench *b = *state;
    follower f = {0};
    verdict v;
    book_level level;
    take(b, &f, "orderbook.50.X", SNAPSHOT, 1, &v);
    topic_row later = *f.row;
    later.valid_from = "2026-01-01";
    const follower_conn from = f.from;
    follower_step step;
    step = follower_meet(&f, &from, &later);
    assert_int_equal(step, FOLLOWER_GOES_ON);
    assert_true(book_level_at(track_book(f.track), SIDE_BUY, 0, &level));
    assert_int_equal(take(b, &f, "orderbook.200.X", DEEP, 1, &v), FOLLOWER_TURNS);
    assert_true(book_level_at(track_book(f.track), SIDE_BUY, 0, &level));
    assert_int_equal(level.price.mantissa, 9);
    assert_false(book_level_at(track_book(f.track), SIDE_BUY, 1, &level));
    follower_close(&f);
}

/* The audit is full: nothing is compared, which each call reports. */
static void test_member_limit(void **state)
{
    decode_bench *b = *state;
    audit *of = NULL;
    audit_verdict found;
    verdict v;
    follower f = {0};
    follower_member members[LIMIT_AUDIT_MEMBERS + 1] = {{0}};
    of = audit_open();
    take(b, &f, "orderbook.50.X", NULL, 1, &v);
    for (uint32_t i = 0; i <= LIMIT_AUDIT_MEMBERS; i++) {
        int is_member =
            follower_compare(&f, &members[i], of, i, NULL, 1, AUDIT_ANSWERED_UNKNOWN, NULL, &found);
        assert_int_equal(is_member, i < LIMIT_AUDIT_MEMBERS);
        assert_int_equal(found.count, 0);
        assert_int_equal(members[i].is_refused, i == LIMIT_AUDIT_MEMBERS);
    }
    assert_false(follower_compare(&f, &members[LIMIT_AUDIT_MEMBERS], of, 0, NULL, 2,
                                  AUDIT_ANSWERED_UNKNOWN, NULL, &found));
    audit_close(of);
    follower_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_connections, decode_bench_open, decode_bench_close),
        cmocka_unit_test(test_what_a_connection_is),
        cmocka_unit_test_setup_teardown(test_rows, decode_bench_open, decode_bench_close),
        cmocka_unit_test_setup_teardown(test_member_limit, decode_bench_open, decode_bench_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
