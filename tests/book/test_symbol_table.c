/* Symbols by feed and name, their states, and moving states between tables. Expected:
 * book/symbol_table.h, symbol_state_move. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "book/symbol_table.h"
#include "schema/family.h"

static void test_entries(void **state)
{
    (void)state;
    enum { SYMBOLS = 1000 };
    symbol_table table = {0};
    char name[16];
    symbol_entry *first = symbol_table_get(&table, "f", "");
    symbol_entry *joined = symbol_table_get(&table, "ab", "c");
    assert_ptr_not_equal(joined, symbol_table_get(&table, "a", "bc"));
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < SYMBOLS; i++) {
            (void)snprintf(name, sizeof name, "S%zu", i);
            symbol_entry *of = symbol_table_get(&table, i % 2 == 0 ? "f" : "g", name);
            assert_ptr_equal(of, table.items[3 + i]);
            assert_string_equal(of->feed, i % 2 == 0 ? "f" : "g");
            assert_string_equal(of->symbol, name);
            assert_null(of->state);
            assert_null(of->user);
        }
    assert_int_equal(table.count, SYMBOLS + 3);
    assert_ptr_equal(symbol_table_get(&table, "f", ""), first);
    assert_ptr_equal(symbol_table_get(&table, "ab", "c"), joined);
    assert_int_equal(symbol_entry_bytes(joined), sizeof *joined + sizeof "ab" + sizeof "c");
    symbol_table_fini(&table);
    assert_int_equal(table.count, 0);
    assert_string_equal(symbol_table_get(&table, "f", "again")->symbol, "again");
    symbol_table_fini(&table);
}

static const channel_info BOOK = {.feed = "f", .topic = "orderbook.50", .symbol = "X"};
static const channel_info DEEP = {.feed = "f", .topic = "orderbook.200", .symbol = "X"};
static const channel_info LINE = {.feed = "f", .topic = "orderbook.50", .symbol = "X", .line = 1};
static const channel_info OTHER = {.feed = "f", .topic = "orderbook.50", .symbol = "Y"};

static symbol_topic *topic_in(symbol_table *table, const channel_info *info)
{
    return symbol_table_topic(table, info, SYMBOL_WITHOUT_AUDITS);
}

static void test_states(void **state)
{
    (void)state;
    symbol_table table = {0};
    symbol_topic *top = topic_in(&table, &BOOK);
    symbol_entry *of = symbol_table_get(&table, "f", "X");
    assert_ptr_equal(top->owner, of->state);
    assert_ptr_equal(symbol_entry_state(of, SYMBOL_WITHOUT_AUDITS), of->state);
    assert_string_equal(top->name, "orderbook.50");
    assert_ptr_equal(topic_in(&table, &BOOK), top);
    assert_ptr_not_equal(topic_in(&table, &LINE), top);
    assert_int_equal(topic_in(&table, &LINE)->line, 1);
    assert_ptr_equal(topic_in(&table, &DEEP)->owner, top->owner);
    assert_ptr_not_equal(topic_in(&table, &OTHER)->owner, top->owner);
    assert_int_equal(table.count, 2);
    symbol_table_fini(&table);
}

/* Applies an undecodable frame. */
static symbol_step apply(symbol_topic *to, const frame_conn *conn, uint64_t recv_ns)
{
    topic_match match;
    symbol_verdict found;
    const family *of = family_find(td_bytes_str("v5-linear"));
    assert_true(topic_match_text(of->topics, of->topic_count, td_bytes_str("orderbook.50.X"),
                                 TOPIC_NOW, &match));
    const frame_ref frame = {.conn = conn, .row = match.row, .recv_ns = recv_ns};
    symbol_topic_apply(to, &frame, &found);
    return found.step;
}

static int keeps_none(void *user, const symbol_topic *topic)
{
    (void)user;
    (void)topic;
    return 0;
}

/* The same connection is another object on another tape. */
static void test_same_connection_on_another_tape(void **state)
{
    (void)state;
    const frame_conn conn = {.session_id = "a", .number = 3};
    const frame_conn same_conn = conn;
    symbol_table to = {0};
    symbol_table from = {0};
    symbol_table merged = {0};
    const symbol_state *other = topic_in(&from, &OTHER)->owner;
    symbol_topic *deep = topic_in(&from, &DEEP);
    symbol_topic *top = topic_in(&to, &BOOK);
    assert_int_equal(apply(top, &conn, 1), SYMBOL_BEGINS);
    assert_int_equal(apply(deep, &same_conn, 1), SYMBOL_BEGINS);
    (void)apply(topic_in(&merged, &BOOK), &conn, 1);
    (void)apply(topic_in(&merged, &DEEP), &conn, 1);
    assert_null(symbol_table_get(&from, "f", "Z")->state);
    symbol_table_take(&to, &from);
    for (size_t i = 0; i < from.count; i++)
        assert_null(from.items[i]->state);
    symbol_table_fini(&from);
    assert_int_equal(to.count, 2); /* Z has no state */
    assert_ptr_equal(symbol_table_get(&to, "f", "Y")->state, other);
    assert_ptr_equal(topic_in(&to, &BOOK), top);
    assert_ptr_equal(topic_in(&to, &DEEP), deep);
    assert_ptr_equal(deep->owner, top->owner);
    assert_null(deep->choice.conns[0].at);
    assert_ptr_equal(top->choice.conns[0].at, &conn);
    assert_int_equal(apply(deep, &conn, 2), SYMBOL_CONTINUES);
    assert_int_equal(symbol_state_bytes(top->owner),
                     symbol_state_bytes(symbol_table_get(&merged, "f", "X")->state));
    symbol_state *all = top->owner;
    symbol_state_keep(all, keeps_none, NULL);
    symbol_state *empty = symbol_state_open(SYMBOL_WITHOUT_AUDITS);
    assert_int_equal(symbol_state_bytes(all), symbol_state_bytes(empty));
    symbol_state_close(empty);
    symbol_table_fini(&merged);
    symbol_table_fini(&to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_same_connection_on_another_tape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
