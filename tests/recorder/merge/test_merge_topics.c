/* Topics that an archive was to receive when a row of its ledger begins and ends. Expected: worked
 * out by hand from the grants and frames of each case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/bytes.h"
#include "recorder/merge/merge_topics.h"

static void grant(merge_topics *to, const char *session, const char *topic, uint64_t recv_ns)
{
    const event granted = {.kind = EVENT_GRANT, .topic = topic};
    merge_topics_event(to, session, &granted, recv_ns);
}

static void end(merge_topics *to, const char *session, const char *topic, const char *reason,
                uint64_t recv_ns)
{
    const event ended = {.kind = EVENT_GRANT_END, .topic = topic, .reason = reason};
    merge_topics_event(to, session, &ended, recv_ns);
}

static void frame(merge_topics *to, const char *session, const char *topic, const char *symbol,
                  uint64_t recv_ns)
{
    char name[64];
    (void)snprintf(name, sizeof name, "%s.%s", topic, symbol);
    const channel_info info = {.dir = CHANNEL_IN,
                               .topic = topic,
                               .exchange_topic = name,
                               .symbol = symbol,
                               .opcode = OPCODE_TEXT};
    merge_topics_frame(to, session, &info, recv_ns);
}

static gap_row row_of(const char *topic, const char *symbol, uint64_t from_ns, uint64_t to_ns)
{
    return (gap_row){.topic = topic, .symbol = symbol, .from_ns = from_ns, .to_ns = to_ns};
}

/* Count entries of a topic that were wanted during a row. */
static size_t wanted(const merge_topics *of, const char *name, uint64_t from_ns, uint64_t to_ns)
{
    const gap_row row = row_of("", "", from_ns, to_ns);
    size_t count = 0;
    for (size_t i = 0; i < of->count; i++)
        count += td_bytes_is(merge_topics_name(&of->items[i]), name) &&
                 merge_topics_is_wanted(&of->items[i], &row);
    return count;
}

static void test_topic_without_frames_is_wanted(void **state)
{
    (void)state;
    merge_topics topics = {0};
    grant(&topics, "s1", "liquidation.A", 100);
    assert_int_equal(wanted(&topics, "liquidation.A", 150, 160), 1);
    assert_int_equal(wanted(&topics, "liquidation.A", 50, 99), 0);
    assert_int_equal(wanted(&topics, "liquidation.A", 50, 100), 1);
    merge_topics_fini(&topics);
}

static void test_unsubscribed_topic_is_wanted_until_then(void **state)
{
    (void)state;
    merge_topics topics = {0};
    grant(&topics, "s1", "trade.A", 100);
    frame(&topics, "s1", "trade", "A", 110);
    assert_int_equal(wanted(&topics, "trade.A", 150, 160), 2); /* its grant, and its frames */
    end(&topics, "s1", "trade.A", "unsubscribed", 200);
    frame(&topics, "s1", "trade", "A", 210); /* was on its way */
    assert_int_equal(wanted(&topics, "trade.A", 190, 300), 2);
    assert_int_equal(wanted(&topics, "trade.A", 201, 300), 0);
    grant(&topics, "s1", "trade.A", 400);
    assert_int_equal(wanted(&topics, "trade.A", 500, 600), 1);
    merge_topics_fini(&topics);
}

static void test_refused_topic_stays_wanted(void **state)
{
    (void)state;
    merge_topics topics = {0};
    grant(&topics, "s1", "trade.A", 100);
    end(&topics, "s1", "trade.A", "refused", 200);
    assert_int_equal(wanted(&topics, "trade.A", 201, 300), 1);
    merge_topics_fini(&topics);
}

static void test_session_without_a_topic_ends_it(void **state)
{
    (void)state;
    merge_topics topics = {0};
    grant(&topics, "s1", "trade.A", 100);
    frame(&topics, "s1", "trade", "A", 110);
    grant(&topics, "s1", "trade.B", 120);
    grant(&topics, "s2", "trade.B", 1000);
    /* The row between the sessions has both; a later one has what the session has. */
    assert_int_equal(wanted(&topics, "trade.A", 500, 1100), 2);
    assert_int_equal(wanted(&topics, "trade.A", 1001, 1100), 0);
    assert_int_equal(wanted(&topics, "trade.B", 1001, 1100), 1);
    frame(&topics, "s2", "trade", "A", 2000); /* granted where it cannot be read */
    assert_int_equal(wanted(&topics, "trade.A", 2001, 2002), 1);
    merge_topics_fini(&topics);
}

static void test_row_of_a_topic(void **state)
{
    (void)state;
    merge_topics topics = {0};
    gap_row row = row_of("", "", 100, 200);
    assert_true(merge_topics_has_row(&topics, &row));
    grant(&topics, "s1", "trade.A", 10);
    row = row_of("trade", "", 100, 200);
    assert_false(merge_topics_has_row(&topics, &row)); /* its topics are not known by a frame */
    frame(&topics, "s1", "trade", "A", 20);
    assert_true(merge_topics_has_row(&topics, &row));
    row = row_of("trade", "A", 100, 200);
    assert_true(merge_topics_has_row(&topics, &row));
    row = row_of("trade", "B", 100, 200);
    assert_false(merge_topics_has_row(&topics, &row));
    row = row_of("trad", "A", 100, 200);
    assert_false(merge_topics_has_row(&topics, &row));
    row = row_of("trades", "A", 100, 200);
    assert_false(merge_topics_has_row(&topics, &row));
    frame(&topics, "s1", "depth", "*", 30); /* several symbols in a frame */
    row = row_of("depth", "B", 100, 200);
    assert_true(merge_topics_has_row(&topics, &row));
    merge_topics_fini(&topics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_topic_without_frames_is_wanted),
        cmocka_unit_test(test_unsubscribed_topic_is_wanted_until_then),
        cmocka_unit_test(test_refused_topic_stays_wanted),
        cmocka_unit_test(test_session_without_a_topic_ends_it),
        cmocka_unit_test(test_row_of_a_topic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
