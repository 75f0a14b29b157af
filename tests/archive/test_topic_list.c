/* The list of an archive's topics. Expected: the contract in archive/topic_list.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "archive/topic_list.h"

static segment_channel channel_of(const char *topic, const char *exchange_topic, const char *symbol,
                                  uint64_t frames, uint64_t first_ns, uint64_t last_ns)
{
    return (segment_channel){.info = {.feed = "f",
                                      .family = "v5-linear",
                                      .dir = CHANNEL_IN,
                                      .topic = topic,
                                      .exchange_topic = exchange_topic,
                                      .symbol = symbol},
                             .message_count = frames,
                             .first_ns = first_ns,
                             .last_ns = last_ns};
}

static size_t add(topic_list *list, segment_channel channel)
{
    const segment_index index = {.first_ns = 5, .last_ns = 500};
    return topic_list_add(list, &index, &channel, channel.info.topic);
}

static void test_channels_of_a_topic_are_one_row(void **state)
{
    (void)state;
    topic_list list = {0};
    const size_t first = add(&list, channel_of("trade", "trade.A", "A", 3, 20, 40));
    assert_int_equal(add(&list, channel_of("trade", "trade.A", "A", 4, 10, 30)), first);
    assert_int_not_equal(add(&list, channel_of("trade", "trade.B", "B", 1, 50, 50)), first);
    assert_int_equal(list.count, 2);
    assert_int_equal(list.rows[first].frames, 7);
    assert_int_equal(list.rows[first].first_ns, 10);
    assert_int_equal(list.rows[first].last_ns, 40);
    topic_list_fini(&list);
}

static void test_a_channel_without_a_summary(void **state)
{
    (void)state;
    topic_list list = {0};
    (void)add(&list, channel_of("trade", "trade.A", "A", 3, 20, 40));
    (void)add(&list, channel_of("trade", "trade.A", "A", UINT64_MAX, 0, 0));
    (void)add(&list, channel_of("trade", "trade.A", "A", 3, 20, 40));
    assert_true(list.rows[0].frames == UINT64_MAX);
    assert_int_equal(list.rows[0].first_ns, 5);
    assert_int_equal(list.rows[0].last_ns, 500);
    topic_list_fini(&list);
}

/* Number of rows that the exchange's name leads to. */
static size_t count_exchange(const topic_list *list, const char *exchange_topic)
{
    size_t count = 0;
    for (size_t i = topic_list_find_exchange(list, "f", exchange_topic); i != TOPIC_LIST_NONE;
         i = list->rows[i].next_same)
        count++;
    return count;
}

static void test_rows_are_found_by_both_names(void **state)
{
    (void)state;
    topic_list list = {0};
    (void)add(&list, channel_of("order", "order.linear", "B", 1, 1, 1));
    (void)add(&list, channel_of("order", "order.linear", "A", 1, 1, 1));
    (void)add(&list, channel_of("order", "order.linear", "C", 1, 1, 1));
    (void)add(&list, channel_of("wallet", "", "", 1, 1, 1));
    assert_int_equal(count_exchange(&list, "order.linear"), 3);
    assert_int_equal(count_exchange(&list, "wallet"), 1);
    assert_int_equal(count_exchange(&list, "order"), 0);
    topic_list_sort(&list);
    assert_int_equal(topic_list_find(&list, "f", "order", "A"), 0);
    assert_int_equal(topic_list_find(&list, "f", "order", "C"), 2);
    assert_true(topic_list_find(&list, "g", "order", "C") == TOPIC_LIST_NONE);
    assert_int_equal(count_exchange(&list, "order.linear"), 3);
    topic_list_fini(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_channels_of_a_topic_are_one_row),
        cmocka_unit_test(test_a_channel_without_a_summary),
        cmocka_unit_test(test_rows_are_found_by_both_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
