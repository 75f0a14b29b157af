/* What texts and keys are taken for. Expected: the members of the exchanges' own documents. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "regress/learn/learn_words.h"
#include "base/json/json.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

static void test_symbols(void **state)
{
    (void)state;
    static const char *const ARE[] = {
        "BTCUSDT",      "btcusdt", "BTC-USD",      "XBT/USD", "BTC-24SEP21-8000-P",
        "UNI-USD-SWAP", "ETHBTC",  "BTC-PERPETUAL"};
    static const char *const ARE_NOT[] = {"trade",   "snapshot",     "",
                                          "USD",     "12345",        "kline_1m",
                                          "a b USD", "subscription", "depth@100ms"};
    for (size_t i = 0; i < COUNT_OF(ARE); i++)
        if (!learn_is_symbol(td_bytes_str(ARE[i])))
            fail_msg("%s is a symbol", ARE[i]);
    for (size_t i = 0; i < COUNT_OF(ARE_NOT); i++)
        if (learn_is_symbol(td_bytes_str(ARE_NOT[i])))
            fail_msg("%s is no symbol", ARE_NOT[i]);
}

static void test_meanings(void **state)
{
    (void)state;
    static const struct {
        const char *frame, *path;
        msg_type of;
        learn_place place;
        msg_member member;
        const char *type;
    } ROWS[] = {
        {"{\"a\":[{\"p\":\"1.5\"}]}", "a[].p", MSG_TRADE, LEARN_ENTRY, MEMBER_PRICE,
         "decimal price"},
        {"{\"a\":[[\"1.5\",2]]}", "a[].1", MSG_BOOK_CHANGE, LEARN_ENTRY, MEMBER_SIZE,
         "decimal quantity"},
        {"{\"T\":1626992720123}", "T", MSG_TRADE, LEARN_ENTRY, MEMBER_EXCHANGE_TIME, "time ms"},
        {"{\"T\":\"1618678133.365913\"}", "T", MSG_TRADE, LEARN_ENTRY, MEMBER_EXCHANGE_TIME,
         "time s"},
        {"{\"ts\":\"2026-08-09T21:05:48.2Z\"}", "ts", MSG_TICKER, LEARN_ENVELOPE,
         MEMBER_EXCHANGE_TIME, "time rfc3339"},
        {"{\"ts\":5}", "ts", MSG_TICKER, LEARN_ENVELOPE, MEMBER_NONE, "integer"},
        {"{\"m\":true}", "m", MSG_TRADE, LEARN_ENTRY, MEMBER_SIDE, "is_sell"},
        {"{\"S\":\"Buy\"}", "S", MSG_TRADE, LEARN_ENTRY, MEMBER_SIDE, "side"},
        {"{\"side\":\"offer\"}", "side", MSG_BOOK_CHANGE, LEARN_ENTRY, MEMBER_SIDE, "lower_side"},
        {"{\"s\":\"BTCUSDT\"}", "s", MSG_TRADE, LEARN_ENTRY, MEMBER_SYMBOL, "text"},
        {"{\"s\":\"1.5\"}", "s", MSG_TRADE, LEARN_ENTRY, MEMBER_SIZE, "decimal quantity"},
        {"{\"pu\":7}", "pu", MSG_BOOK_CHANGE, LEARN_ENVELOPE, MEMBER_PREV_SEQ, "integer"},
        {"{\"pu\":\"x\"}", "pu", MSG_BOOK_CHANGE, LEARN_ENVELOPE, MEMBER_NONE, "text"},
        {"{\"x\":{\"y\":1}}", "x", MSG_TICKER, LEARN_ENTRY, MEMBER_NONE, "json"},
    };
    json_parser *parser = json_parser_open(0);
    for (size_t i = 0; i < COUNT_OF(ROWS); i++) {
        td_arena *memory = td_arena_open();
        path_table table = {.memory = memory};
        json_value root;
        assert_int_equal(json_parse(parser, td_bytes_str(ROWS[i].frame), JSON_COPIED, &root, NULL),
                         TD_OK);
        path_table_add(&table, root);
        const path_stat *stat = path_table_find(&table, ROWS[i].path);
        assert_non_null(stat);
        const learn_field got =
            learn_meaning(stat, path_key(stat->path), ROWS[i].of, ROWS[i].place);
        if (got.member != ROWS[i].member || strcmp(got.type, ROWS[i].type) != 0)
            fail_msg("%s: %s %s", ROWS[i].frame,
                     got.member == MEMBER_NONE ? "-" : msg_member_name(got.member), got.type);
        td_arena_close(memory);
    }
    json_parser_close(parser);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_symbols),
                                       cmocka_unit_test(test_meanings)};
    return cmocka_run_group_tests_name("regress/learn/learn_words", tests, NULL, NULL);
}
