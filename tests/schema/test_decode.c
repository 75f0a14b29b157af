/* Decoders on hand-made frames with shapes that the captures lack. Expected values are written by
 * hand from docs/wire.md, sections 2 and 4.3, and from the exchange's samples (documents 002 and
 * 003 there). Every frame goes through both decoders, which must agree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/testing/decode_fixture.h"
#include "tests/testing/message_compare.h"

/* ---- accepted frames ---- */

#define LEVEL(price, size)                                                                         \
    "{\"price\":" price ",\"symbol\":\"BTCUSDT\",\"side\":\"Buy\",\"size\":" size "}"
#define BOOK(data) "{\"topic\":\"orderBookL2_25.BTCUSDT\",\"type\":\"delta\",\"data\":" data "}"

/* Frames with the same meaning in different spellings: all have the same hash. */
static void test_same_meaning(void **state)
{
    static const char *const frames[] = {
        BOOK("{\"delete\":[" LEVEL("\"1.5\"", "0") "],\"update\":[" LEVEL(
            "\"2\"", "6684.9995") "],\"insert\":[]}"),
        /* numbers instead of strings, trailing zeros, null and absent lists */
        BOOK("{\"delete\":[" LEVEL("1.50", "\"0.00\"") "],\"update\":[" LEVEL(
            "2.000", "\"6684.99950\"") "],\"insert\":null}"),
        BOOK("{\"delete\":[" LEVEL("15e-1", "null") "],\"update\":[" LEVEL("\"2\"",
                                                                           "66849995e-4") "]}"),
        /* another order of keys and lists, and white space */
        " { \"data\" : { \"update\" : [ { \"size\":6684.9995, \"side\":\"Buy\" , \"price\":\"2\" } "
        "] ,"
        "\n\t\"delete\":[{\"side\":\"Buy\",\"price\":\"1.5\",\"size\":7}]},\"type\":\"delta\","
        "\"topic\":\"orderBookL2_25.BTCUSDT\" } ",
        /* escapes in keys and values, a byte order mark, unknown fields */
        "\xef\xbb\xbf{\"t\\u006fpic\":\"orderBookL2_25.BTC\\u0055SDT\",\"type\":\"d\\u0065lta\","
        "\"data\":{"
        "\"delete\":[{\"pr\\u0069ce\":\"1\\u002e5\",\"side\":\"\\u0042uy\"}],\"update\":[" LEVEL(
            "\"2\"", "6684.9995") "],\"new\":{\"a\":[1,{}]}},\"more\":[true]}",
    };
    message m;
    decode_error why;
    uint64_t hash = 0;
    for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
        print_message("%s\n", frames[i]);
        assert_true(
            decode_fixture_text(*state, "linear", "orderBookL2_25.BTCUSDT", frames[i], &m, &why));
        assert_int_equal(m.book.level_count, 2);
        assert_int_equal(m.book.levels[0].action, ACTION_DELETE);
        assert_int_equal(m.head.unknown_fields, i == 4 ? 2 : 0);
        if (i == 0)
            hash = message_hash64(&m);
        assert_int_equal(message_hash64(&m), hash);
    }
}

static void test_trade_of_2019(void **state)
{
    message m;
    decode_error why;
    /* Without trade_time_ms, the time is the text's (docs/wire.md 2). */
    assert_true(
        decode_fixture_text(*state, "inverse", "trade.BTCUSD",
                            "{\"topic\":\"trade.BTCUSD\",\"data\":[{\"timestamp\":\"2019-11-06T12:"
                            "50:50.250Z\",\"symbol\":"
                            "\"BTCUSD\",\"side\":\"Sell\",\"size\":328,\"price\":8098.5,\"tick_"
                            "direction\":\"MinusTick\","
                            "\"trade_id\":\"00c706e1\",\"cross_seq\":1052816407}]}",
                            &m, &why));
    assert_int_equal(m.trades.trade_count, 1);
    const msg_trade *t = &m.trades.trades[0];
    assert_int_equal(t->exchange_ns, UINT64_C(1573044650250000000));
    assert_int_equal(m.head.exchange_ns, t->exchange_ns);
    assert_int_equal(t->side, SIDE_SELL);
    assert_int_equal(t->price.mantissa, 80985);
    assert_int_equal(t->price.scale, 1);
    assert_int_equal(t->size.mantissa, 328);
    assert_true(td_bytes_is(t->trade_id, "00c706e1"));
    assert_true(td_bytes_is(t->tick_direction, "MinusTick"));
    assert_int_equal(m.head.cross_seq, 1052816407);
    assert_int_equal(t->is_block_trade, -1);
}

static void test_trade_options(void **state)
{
    message m;
    decode_error why;
    assert_true(decode_fixture_text(
        *state, "linear", "trade.BTCUSDT",
        "{\"topic\":\"trade.BTCUSDT\",\"data\":[{\"symbol\":\"BTCUSDT\",\"tick_direction\":\"\","
        "\"price\":\"19163.50\",\"size\":0.001,\"timestamp\":\"2022-09-08T08:21:10.000Z\","
        "\"trade_time_ms\":\"1662625270553\",\"side\":\"Buy\",\"trade_id\":\"None\","
        "\"is_block_trade\":\"false\"},{\"symbol\":\"ETHUSDT\",\"price\":\"1\",\"size\":\"2\","
        "\"trade_time_ms\":1662625270663,\"side\":\"Sell\",\"is_block_trade\":true,\"later\":\"x\"}"
        "]}",
        &m, &why));
    assert_int_equal(m.trades.trade_count, 2);
    assert_int_equal(m.trades.trades[0].tick_direction.size, 0);
    assert_int_equal(m.trades.trades[0].trade_id.size, 0);
    assert_int_equal(m.trades.trades[0].is_block_trade, 0);
    assert_int_equal(m.trades.trades[1].is_block_trade, 1);
    assert_int_equal(m.trades.trades[1].exchange_ns, UINT64_C(1662625270663000000));
    assert_int_equal(m.head.exchange_ns, UINT64_C(1662625270553000000));
    assert_int_equal(m.head.foreign_symbols, 1);
    assert_int_equal(m.head.unknown_fields, 1);
    assert_false(m.head.has_cross_seq);
}

static const msg_value *value(const message *m, size_t item, msg_member member)
{
    assert_true(message_is_record(m));
    assert_true(item < m->record.item_count);
    return msg_value_find(m->record.items[item].values, m->record.items[item].value_count, member);
}

/* An unknown side decodes as SIDE_NONE; the frame is still valid. */
static void test_unknown_side_is_none(void **state)
{
    static const struct {
        const char *family;
        const char *topic;
        const char *before; /* the side's value */
        const char *after;
    } rows[] = {
        {"inverse", "trade.BTCUSD", "{\"topic\":\"trade.BTCUSD\",\"data\":[{\"side\":\"",
         "\",\"price\":1,\"size\":2,"
         "\"trade_time_ms\":1}]}"},
        {"v5-linear", "publicTrade.BTCUSDT",
         "{\"topic\":\"publicTrade.BTCUSDT\",\"type\":\"snapshot\",\"ts\":1,\"data\":[{\"T\":1,"
         "\"s\":"
         "\"BTCUSDT\",\"S\":\"",
         "\",\"v\":\"2\",\"p\":\"1\",\"i\":\"a\"}]}"},
        {"v5-linear", "allLiquidation.BTCUSDT",
         "{\"topic\":\"allLiquidation.BTCUSDT\",\"type\":\"snapshot\",\"ts\":1,\"data\":[{\"T\":1,"
         "\"s\":"
         "\"BTCUSDT\",\"S\":\"",
         "\",\"v\":\"2\",\"p\":\"1\"}]}"},
    };
    static const char *const sides[] = {"", "None", "buy", "Unknown", "Sel", "Sell and more"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t k = 0; k < sizeof sides / sizeof sides[0]; k++) {
            char frame[300];
            message m;
            decode_error why;
            snprintf(frame, sizeof frame, "%s%s%s", rows[i].before, sides[k], rows[i].after);
            assert_true(
                decode_fixture_text(*state, rows[i].family, rows[i].topic, frame, &m, &why));
            if (message_is_record(&m))
                assert_int_equal(value(&m, 0, MEMBER_SIDE)->as.side, SIDE_NONE);
            else
                assert_int_equal(m.trades.trades[0].side, SIDE_NONE);
        }
    }
    message m;
    decode_error why;
    assert_false(
        decode_fixture_text(*state, "inverse", "trade.BTCUSD",
                            "{\"topic\":\"trade.BTCUSD\",\"data\":[{\"side\":null,\"price\":1,"
                            "\"size\":2,\"trade_time_ms\":1}]}",
                            &m, &why));
    assert_int_equal(why.reason, DECODE_MISSING_FIELD);
}

static void assert_decimal(const msg_value *found, const char *expected)
{
    char text[TD_DECIMAL_TEXT_BYTES];
    assert_non_null(found);
    assert_int_equal(found->type, VALUE_DECIMAL);
    td_decimal_format(found->as.decimal, text);
    assert_string_equal(text, expected);
}

/* If both "_e4" and its plain twin are present, the plain one counts, because the scale of the
 * other depends on the symbol. If the plain one repeats the integer, as in the documents, the scale
 * is assumed. */
static void test_ticker_spellings(void **state)
{
    message m;
    decode_error why;
    assert_true(decode_fixture_text(
        *state, "inverse", "instrument_info.100ms.BTCUSD",
        "{\"topic\":\"instrument_info.100ms.BTCUSD\",\"type\":\"snapshot\",\"data\":{\"id\":1,"
        "\"symbol\":\"BTCUSD\",\"last_price\":\"81165000\",\"last_price_e4\":81165000,"
        "\"bid1_price\":\"29914.50\",\"mark_price\":\"0.28765\",\"mark_price_e4\":28765,"
        "\"index_price_e4\":28765,\"prev_price_1h\":\"0.00\",\"prev_price_1h_e4\":0,"
        "\"ask1_price_e4\":null,\"ask1_price\":\"29915.00\","
        "\"price_24h_pcnt_e6\":-5148,\"total_turnover_e8\":220614611981294692,"
        "\"created_at\":\"2018-11-14T16:33:26Z\",\"settle_time_e9\":1616833800000000000,"
        "\"is_up_borrowable\":0,\"cross_seq\":1053192577},\"cross_seq\":9267002,"
        "\"timestamp_e6\":1615794861135391}",
        &m, &why));
    assert_int_equal(m.record.item_count, 1);
    assert_int_equal(m.record.items[0].action, ACTION_SET);
    assert_decimal(value(&m, 0, MEMBER_LAST_PRICE), "8116.5");
    assert_decimal(value(&m, 0, MEMBER_BID1_PRICE), "29914.5");
    assert_decimal(value(&m, 0, MEMBER_ASK1_PRICE), "29915");
    assert_decimal(value(&m, 0, MEMBER_MARK_PRICE), "0.28765");
    assert_decimal(value(&m, 0, MEMBER_INDEX_PRICE), "2.8765");
    assert_decimal(value(&m, 0, MEMBER_PREV_PRICE_1H), "0");
    assert_int_equal(value(&m, 0, MEMBER_LAST_PRICE)->is_scale_assumed, 1);
    assert_int_equal(value(&m, 0, MEMBER_INDEX_PRICE)->is_scale_assumed, 1);
    assert_int_equal(value(&m, 0, MEMBER_BID1_PRICE)->is_scale_assumed, 0);
    assert_int_equal(value(&m, 0, MEMBER_MARK_PRICE)->is_scale_assumed, 0);
    assert_int_equal(value(&m, 0, MEMBER_PREV_PRICE_1H)->is_scale_assumed, 0);
    assert_int_equal(value(&m, 0, MEMBER_PRICE_24H_PCNT)->is_scale_assumed, 0);
    assert_decimal(value(&m, 0, MEMBER_PRICE_24H_PCNT), "-0.005148");
    assert_decimal(value(&m, 0, MEMBER_TOTAL_TURNOVER), "2206146119.81294692");
    assert_int_equal(value(&m, 0, MEMBER_CREATED_AT)->as.time_ns, UINT64_C(1542213206000000000));
    assert_int_equal(value(&m, 0, MEMBER_SETTLE_TIME)->as.time_ns, UINT64_C(1616833800000000000));
    assert_int_equal(value(&m, 0, MEMBER_IS_UP_BORROWABLE)->as.is_true, 0);
    assert_int_equal(value(&m, 0, MEMBER_ITEM_CROSS_SEQ)->as.integer, 1053192577);
    assert_int_equal(m.head.cross_seq, 9267002);
    assert_null(value(&m, 0, MEMBER_HIGH_PRICE_24H));
    assert_int_equal(m.head.unknown_fields, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_meaning),     cmocka_unit_test(test_trade_of_2019),
        cmocka_unit_test(test_trade_options),    cmocka_unit_test(test_unknown_side_is_none),
        cmocka_unit_test(test_ticker_spellings),
    };
    return cmocka_run_group_tests(tests, decode_fixture_open, decode_fixture_close);
}
