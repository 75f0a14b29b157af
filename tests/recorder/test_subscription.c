/* Expected values: the rules stated in recorder/subscription.h and subscriber.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "recorder/subscriber.h"
#include "recorder/subscription.h"

static void topics_are_crossed_with_symbols_and_spread(void **state)
{
    (void)state;
    size_t count;
    feed_config feed;
    subscription wanted;
    config_feed_init(&feed);
    feed.name = "x";
    feed.topics = (options_list){.items = {"trade", "orderBookL2_25"}, .count = 2};
    feed.symbols = (options_list){.items = {"BTCUSD", "EOSUSD"}, .count = 2};
    feed.max_topics_per_connection = 3;
    assert_int_equal(subscription_open(&feed, &wanted, NULL), TD_OK);
    assert_int_equal(wanted.shard_count, 2);
    const char *const *topics = subscription_shard(&wanted, 0, &count);
    assert_int_equal(count, 3);
    assert_string_equal(topics[0], "trade.BTCUSD");
    assert_string_equal(topics[1], "trade.EOSUSD");
    assert_string_equal(topics[2], "orderBookL2_25.BTCUSD");
    topics = subscription_shard(&wanted, 1, &count);
    assert_int_equal(count, 1);
    assert_string_equal(topics[0], "orderBookL2_25.EOSUSD");
    subscription_fini(&wanted);
}

static void topics_without_symbols_stay_as_they_are(void **state)
{
    (void)state;
    size_t count;
    feed_config feed;
    subscription wanted;
    config_feed_init(&feed);
    feed.topics = (options_list){.items = {"trade.BTCUSD|EOSUSD", "trade.*"}, .count = 2};
    assert_int_equal(subscription_open(&feed, &wanted, NULL), TD_OK);
    const char *const *topics = subscription_shard(&wanted, 0, &count);
    assert_int_equal(count, 2);
    assert_string_equal(topics[0], "trade.BTCUSD|EOSUSD");
    subscription_fini(&wanted);
}

static void too_many_connections_are_refused(void **state)
{
    (void)state;
    td_err err;
    feed_config feed;
    subscription wanted;
    config_feed_init(&feed);
    feed.name = "wide";
    feed.max_topics_per_connection = 1;
    for (size_t i = 0; i < LIMIT_FEED_SLOTS + 1; i++)
        feed.topics.items[feed.topics.count++] = "t";
    assert_int_equal(subscription_open(&feed, &wanted, &err), TD_E_LIMIT);
    assert_non_null(strstr(err.text, "max_topics_per_connection"));
}

static void requests_are_cut_and_answers_matched_in_order(void **state)
{
    (void)state;
    static char names[1500][40];
    static const char *topics[1500];
    for (int i = 0; i < 1500; i++) {
        snprintf(names[i], sizeof names[i], "orderBookL2_25.SYMBOL%04d", i);
        topics[i] = names[i];
    }
    subscriber *asks;
    const dialect *op = dialect_find(DIALECT_OP);
    assert_int_equal(subscriber_open(op, topics, 1500, &asks, NULL), TD_OK);
    for (int round = 0; round < 2; round++) {
        td_buf out;
        size_t requests = 0, bytes = 0;
        const char *asked[16];
        int more = 1;
        td_buf_init(&out, 1 << 20);
        subscriber_restart(asks);
        while (more) {
            td_buf_clear(&out);
            assert_int_equal(subscriber_build(asks, &out, &asked[requests++], &more, NULL), TD_OK);
            assert_true(out.size < DIALECT_REQUEST_BYTES + 64);
            bytes += out.size;
            assert_false(subscriber_is_done(asks));
        }
        /* 1,500 topics of 25 bytes, two quotes and a comma: 42,000 bytes, so three requests. */
        assert_int_equal(requests, 3);
        assert_true(bytes > 42000 - 3);
        assert_ptr_equal(subscriber_answered(asks, 1), asked[0]);
        assert_ptr_equal(subscriber_answered(asks, 0), asked[1]);
        assert_false(subscriber_is_done(asks));
        assert_ptr_equal(subscriber_answered(asks, 1), asked[2]);
        assert_true(subscriber_is_done(asks));
        assert_null(subscriber_answered(asks, 1));
        assert_true(subscriber_refused_count(asks) > 400);
        td_buf_fini(&out);
    }
    subscriber_close(asks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topics_are_crossed_with_symbols_and_spread),
        cmocka_unit_test(topics_without_symbols_stay_as_they_are),
        cmocka_unit_test(too_many_connections_are_refused),
        cmocka_unit_test(requests_are_cut_and_answers_matched_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
