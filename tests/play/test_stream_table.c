/* The table of streams: one object a name, siblings by feed and symbol, a fixed order. Expected
 * values are worked out by hand from the names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "play/stream_table.h"

enum { SYMBOLS = 700 };

static stream *get(stream_table *table, const char *feed, const char *topic, const char *symbol,
                   channel_dir dir)
{
    stream_key key = {feed, td_bytes_str(topic), td_bytes_str(symbol), dir};
    return stream_table_get(table, &key, &(stream_origin){0});
}

/* Names that differ in one part are different streams, however the table has grown meanwhile. */
static void test_identity(void **state)
{
    (void)state;
    stream_table table = {0};
    stream *l2 = get(&table, "inverse", "book", "BTCUSD", CHANNEL_IN);
    for (int i = 0; i < SYMBOLS; i++) {
        char symbol[32];
        (void)snprintf(symbol, sizeof symbol, "S%d", i); /* fits */
        stream *made = get(&table, "inverse", "book", symbol, CHANNEL_IN);
        assert_ptr_equal(get(&table, "inverse", "book", symbol, CHANNEL_IN), made);
    }
    assert_int_equal(table.count, SYMBOLS + 1);
    assert_ptr_equal(get(&table, "inverse", "book", "BTCUSD", CHANNEL_IN), l2);
    assert_ptr_not_equal(get(&table, "linear", "book", "BTCUSD", CHANNEL_IN), l2);
    assert_ptr_not_equal(get(&table, "inverse", "trade", "BTCUSD", CHANNEL_IN), l2);
    assert_ptr_not_equal(get(&table, "inverse", "book", "BTCUSD", CHANNEL_OUT), l2);
    assert_int_equal(table.count, SYMBOLS + 4);
    stream_table_fini(&table);
}

static void test_siblings(void **state)
{
    (void)state;
    stream_table table = {0};
    stream *l2 = get(&table, "inverse", "book", "BTCUSD", CHANNEL_IN);
    stream *other = get(&table, "inverse", "book", "EOSUSD", CHANNEL_IN);
    stream *far = get(&table, "linear", "book", "BTCUSD", CHANNEL_IN);
    stream *trade = get(&table, "inverse", "trade", "BTCUSD", CHANNEL_IN);
    for (int i = 0; i < SYMBOLS; i++) {
        char symbol[32];
        (void)snprintf(symbol, sizeof symbol, "S%d", i);          /* fits */
        (void)get(&table, "inverse", "book", symbol, CHANNEL_IN); /* the table grows */
    }
    assert_ptr_equal(stream_table_sibling(&table, trade), l2);
    assert_ptr_equal(stream_table_sibling(&table, l2), l2);
    assert_ptr_equal(stream_table_sibling(&table, other), other);
    assert_ptr_equal(stream_table_sibling(&table, far), far);
    stream_table_fini(&table);
}

static void test_order(void **state)
{
    (void)state;
    static const struct {
        const char *feed, *topic, *symbol;
        channel_dir dir;
    } SORTED[] = {{"a", "_control", "", CHANNEL_IN}, {"a", "_control", "", CHANNEL_OUT},
                  {"a", "book", "X", CHANNEL_IN},    {"a", "book", "Y", CHANNEL_IN},
                  {"a", "trade", "X", CHANNEL_IN},   {"b", "book", "A", CHANNEL_IN}};
    enum { COUNT = sizeof SORTED / sizeof *SORTED };
    stream_table table = {0};
    for (size_t i = COUNT; i > 0; i--)
        (void)get(&table, SORTED[i - 1].feed, SORTED[i - 1].topic, SORTED[i - 1].symbol,
                  SORTED[i - 1].dir);
    stream_table_sort(&table);
    for (size_t i = 0; i < COUNT; i++) {
        assert_string_equal(table.items[i]->feed, SORTED[i].feed);
        assert_string_equal(table.items[i]->topic, SORTED[i].topic);
        assert_string_equal(table.items[i]->symbol, SORTED[i].symbol);
        assert_int_equal(table.items[i]->dir, SORTED[i].dir);
    }
    stream_table_fini(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identity),
        cmocka_unit_test(test_siblings),
        cmocka_unit_test(test_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
