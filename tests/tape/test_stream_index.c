/* Streams found by feed, topic, symbol, line and direction. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tape/stream_index.h"

static void each_part_of_a_name_counts(void **state)
{
    static const stream_name NAMES[] = {{"linear", "trade", "BTCUSDT", 0, CHANNEL_IN},
                                        {"linear2", "trade", "BTCUSDT", 0, CHANNEL_IN},
                                        {"linear", "kline", "BTCUSDT", 0, CHANNEL_IN},
                                        {"linear", "trade", "ETHUSDT", 0, CHANNEL_IN},
                                        {"linear", "trade", "BTCUSDT", 1, CHANNEL_IN},
                                        {"linear", "trade", "BTCUSDT", 0, CHANNEL_OUT},
                                        {"linear", "tradeBTC", "USDT", 0, CHANNEL_IN}};
    enum { COUNT = sizeof NAMES / sizeof NAMES[0] };
    (void)state;
    stream_index index = {0};
    for (size_t i = 0; i < COUNT; i++) {
        assert_true(stream_index_find(&index, &NAMES[i]) == STREAM_INDEX_NONE);
        assert_int_equal(stream_index_add(&index, &NAMES[i]), i);
    }
    for (size_t i = 0; i < COUNT; i++) {
        const channel_info info = {.feed = NAMES[i].feed,
                                   .line = NAMES[i].line,
                                   .shard = 7,
                                   .dir = NAMES[i].dir,
                                   .topic = NAMES[i].topic,
                                   .symbol = NAMES[i].symbol};
        const stream_name again = stream_name_of(&info);
        assert_int_equal(stream_index_find(&index, &again), i);
    }
    stream_index_fini(&index);
    assert_true(stream_index_find(&index, &NAMES[0]) == STREAM_INDEX_NONE);
}

static void many_streams_are_found(void **state)
{
    enum { COUNT = 5000 };
    static char symbols[COUNT][8];
    (void)state;
    stream_index index = {0};
    stream_name name = {"linear", "trade", "", 0, CHANNEL_IN};
    for (size_t i = 0; i < COUNT; i++) {
        (void)snprintf(symbols[i], sizeof symbols[i], "S%zu", i);
        name.symbol = symbols[i];
        assert_int_equal(stream_index_add(&index, &name), i);
    }
    for (size_t i = 0; i < COUNT; i++) {
        name.symbol = symbols[i];
        assert_int_equal(stream_index_find(&index, &name), i);
    }
    stream_index_fini(&index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_part_of_a_name_counts),
                                       cmocka_unit_test(many_streams_are_found)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
