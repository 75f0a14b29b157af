/* The order of a frame's entries as rows. Expected orders are written by hand: the indexes of the
 * entries, oldest first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "schema/entry_order.h"
#include "schema/topic.h"

enum { ENTRIES_MAX = 5 };

static const struct {
    const char *name;
    msg_member member;
    size_t count;
    const char *ids[ENTRIES_MAX];
    uint64_t times[ENTRIES_MAX];
    const char *order;
} ROWS[] = {
    {"as listed", MEMBER_NONE, 3, {"3", "2", "1"}, {0}, "012"},
    {"none", MEMBER_TRADE_ID, 0, {0}, {0}, ""},
    {"one", MEMBER_TRADE_ID, 1, {"7"}, {0}, "0"},
    {"by ids, as numbers", MEMBER_TRADE_ID, 4, {"101", "100", "99", "9"}, {0}, "3210"},
    {"two lists, each newest first", MEMBER_TRADE_ID, 4, {"2", "1", "4", "3"}, {0}, "1032"},
    {"equal ids: reversed", MEMBER_TRADE_ID, 3, {"5", "5", "4"}, {0}, "210"},
    {"ids that are not numbers: reversed", MEMBER_TRADE_ID, 3, {"b", "7", "9"}, {0}, "210"},
    {"an entry without an id: reversed", MEMBER_TRADE_ID, 3, {"2", "", "3"}, {0}, "210"},
    {"by times", MEMBER_EXCHANGE_TIME, 3, {"", "", ""}, {30, 10, 20}, "120"},
    {"equal times: reversed", MEMBER_EXCHANGE_TIME, 4, {"", "", "", ""}, {20, 20, 20, 10}, "3210"},
};

static void expect(const char *name, const message *m, size_t count, const char *order)
{
    entry_order found = {0};
    char text[ENTRIES_MAX + 1] = "";
    entry_order_set(&found, m);
    for (size_t i = 0; i < count; i++)
        text[i] = (char)('0' + entry_order_at(&found, i));
    if (strcmp(text, order) != 0)
        fail_msg("%s: %s, not %s", name, text, order);
    entry_order_fini(&found);
}

static void test_trades(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        const topic_row row = {.newest_first = ROWS[i].member};
        msg_trade trades[ENTRIES_MAX] = {0};
        for (size_t k = 0; k < ROWS[i].count; k++)
            trades[k] = (msg_trade){.trade_id = td_bytes_str(ROWS[i].ids[k]),
                                    .exchange_ns = ROWS[i].times[k]};
        const message m = {.trades = {.head = {.type = MSG_TRADE, .row = &row},
                                      .trades = trades,
                                      .trade_count = ROWS[i].count}};
        expect(ROWS[i].name, &m, ROWS[i].count, ROWS[i].order);
    }
}

static void test_records(void **state)
{
    (void)state;
    const topic_row row = {.newest_first = MEMBER_SEQ};
    const msg_value values[] = {{.member = MEMBER_SEQ, .type = VALUE_INTEGER, .as.integer = 1},
                                {.member = MEMBER_SEQ, .type = VALUE_INTEGER, .as.integer = -1}};
    const msg_item items[] = {{.values = &values[0], .value_count = 1},
                              {.values = &values[1], .value_count = 1}};
    message m = {.record = {.head = {.type = MSG_NOTICE, .row = &row}, .items = items}};
    m.record.item_count = 2;
    expect("numbers below 0", &m, 2, "10");
}

static void test_without_message(void **state)
{
    (void)state;
    expect("without a message", NULL, 2, "01");
    assert_int_equal(entry_order_at(NULL, 3), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_trades),
                                       cmocka_unit_test(test_records),
                                       cmocka_unit_test(test_without_message)};
    return cmocka_run_group_tests_name("schema/entry_order", tests, NULL, NULL);
}
