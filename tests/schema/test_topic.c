/* Families and topics. Names are from docs/design.md ("Words"), URLs from docs/wire.md 1.4. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "schema/family.h"
#include "schema/topic.h"
#include "tests/testing/bybit_dialects.h"

static void test_families(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        dialect_id dialect;
        const char *main_public;
        const char *main_private;
        const char *test_public;
    } rows[] = {
        {"inverse", DIALECT_OP, "wss://stream.bybit.com/realtime",
         "wss://stream.bybit.com/realtime", "wss://stream-testnet.bybit.com/realtime"},
        {"linear", DIALECT_OP, "wss://stream.bybit.com/realtime_public",
         "wss://stream.bybit.com/realtime_private",
         "wss://stream-testnet.bybit.com/realtime_public"},
        {"copytrade", DIALECT_OP, "wss://stream.bybit.com/realtime_public",
         "wss://stream.bybit.com/realtime_private", NULL},
        {"usdc-perp", DIALECT_OP, "wss://stream.bybit.com/perpetual/ws/v1/realtime_public", NULL,
         NULL},
        {"usdc-option", DIALECT_USDC, "wss://stream.bybit.com/trade/option/usdc/public/v1", NULL,
         NULL},
        {"usdc-private", DIALECT_USDC, NULL, "wss://stream.bybit.com/trade/option/usdc/private/v1",
         NULL},
        {"spot-v1", DIALECT_SPOT, "wss://stream.bybit.com/spot/quote/ws/v1", NULL, NULL},
        {"spot-v2", DIALECT_SPOT_V2, "wss://stream.bybit.com/spot/quote/ws/v2", NULL, NULL},
        {"spot-v3", DIALECT_SPOT_V3, "wss://stream.bybit.com/spot/public/v3",
         "wss://stream.bybit.com/spot/private/v3", "wss://stream-testnet.bybit.com/spot/public/v3"},
        {"spot-private", DIALECT_SPOT_PRIVATE, NULL, "wss://stream.bybit.com/spot/ws", NULL},
        {"contract-v3", DIALECT_V3, "wss://stream.bybit.com/contract/usdt/public/v3",
         "wss://stream.bybit.com/contract/private/v3", NULL},
        {"unified-v3", DIALECT_V3, "wss://stream.bybit.com/contract/usdc/public/v3",
         "wss://stream.bybit.com/unified/private/v3",
         "wss://stream-testnet.bybit.com/contract/usdc/public/v3"},
        {"v5-linear", DIALECT_V5, "wss://stream.bybit.com/v5/public/linear", NULL,
         "wss://stream-testnet.bybit.com/v5/public/linear"},
        {"v5-inverse", DIALECT_V5, "wss://stream.bybit.com/v5/public/inverse", NULL, NULL},
        {"v5-spot", DIALECT_V5_SPOT, "wss://stream.bybit.com/v5/public/spot", NULL, NULL},
        {"v5-option", DIALECT_V5_OPTION, "wss://stream.bybit.com/v5/public/option", NULL, NULL},
        {"v5-private", DIALECT_V5_PRIVATE, NULL, "wss://stream.bybit.com/v5/private", NULL},
        {"v5-trade", DIALECT_V5_TRADE, NULL, "wss://stream.bybit.com/v5/trade", NULL},
        {"v5-spread", DIALECT_V5_OPTION, "wss://stream.bybit.com/v5/public/spread", NULL, NULL},
        {"v5-misc", DIALECT_V5, "wss://stream.bybit.com/v5/public/misc/status", NULL, NULL},
        {"binance-spot", DIALECT_COUNT, "wss://stream.binance.com:9443/stream", NULL,
         "wss://stream.testnet.binance.vision/stream"},
        {"binance-usdm", DIALECT_COUNT, "wss://fstream.binance.com/public/stream", NULL,
         "wss://stream.binancefuture.com/public/stream"},
        {"binance-usdm-private", DIALECT_COUNT, NULL, "wss://fstream.binance.com/private/ws", NULL},
        {"binance-spot-private", DIALECT_COUNT, NULL, "wss://ws-api.binance.com:443/ws-api/v3",
         NULL},
        {"binance-usdm-api", DIALECT_COUNT, NULL, "wss://ws-fapi.binance.com/ws-fapi/v1", NULL},
        {"bitstamp", DIALECT_COUNT, "wss://ws.bitstamp.net/", NULL, NULL},
        {"coinbase-advanced", DIALECT_COUNT, "wss://advanced-trade-ws.coinbase.com", NULL, NULL},
        {"deribit", DIALECT_COUNT, "wss://www.deribit.com/ws/api/v2", NULL,
         "wss://test.deribit.com/ws/api/v2"},
        {"kraken-v2", DIALECT_COUNT, "wss://ws.kraken.com/v2", NULL, NULL},
        {"kraken-v2-private", DIALECT_COUNT, NULL, "wss://ws-auth.kraken.com/v2", NULL},
        {"kraken-v1", DIALECT_COUNT, "wss://ws.kraken.com", NULL, NULL},
        {"kraken-v1-private", DIALECT_COUNT, NULL, "wss://ws-auth.kraken.com", NULL},
        {"okx", DIALECT_COUNT, "wss://ws.okx.com:8443/ws/v5/public",
         "wss://ws.okx.com:8443/ws/v5/private", "wss://wspap.okx.com:8443/ws/v5/public"},
    };
    size_t count = 0;
    const family *const *table = family_table(&count);
    assert_int_equal(count, sizeof rows / sizeof rows[0]);
    const char *names = family_names();
    for (size_t i = 0; i < count; i++) {
        print_message("%s\n", rows[i].name);
        assert_string_equal(table[i]->name, rows[i].name);
        assert_string_equal(FAMILY_NAMES[i], rows[i].name);
        assert_int_equal(table[i]->has_ended,
                         rows[i].dialect != DIALECT_COUNT && strncmp(rows[i].name, "v5-", 3) != 0);
        if (rows[i].dialect != DIALECT_COUNT) /* it is Bybit's */
            assert_ptr_equal(table[i]->dialect, dialect_find(rows[i].dialect));
        assert_ptr_equal(family_find(td_bytes_str(rows[i].name)), table[i]);
        const char *main_public = family_url(table[i], NET_MAIN, ACCESS_PUBLIC);
        const char *main_private = family_url(table[i], NET_MAIN, ACCESS_PRIVATE);
        assert_true((main_public == NULL) == (rows[i].main_public == NULL));
        assert_true((main_private == NULL) == (rows[i].main_private == NULL));
        if (main_public != NULL)
            assert_string_equal(main_public, rows[i].main_public);
        if (main_private != NULL)
            assert_string_equal(main_private, rows[i].main_private);
        if (rows[i].test_public != NULL)
            assert_string_equal(family_url(table[i], NET_TEST, ACCESS_PUBLIC), rows[i].test_public);
        /* family_names() joins the names of the table, in its order. */
        size_t size = strlen(rows[i].name);
        assert_memory_equal(names, rows[i].name, size);
        names += size;
        assert_memory_equal(names, i + 1 < count ? ", " : "", i + 1 < count ? 2 : 1);
        names += 2;
    }
    assert_null(FAMILY_NAMES[count]);
    assert_null(family_find(td_bytes_str("Inverse")));
    assert_null(family_find(td_bytes_str("")));
}

static void test_find_by_url(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        const char *family; /* NULL: no family */
    } rows[] = {
        {"wss://stream.bybit.com/realtime", "inverse"},
        {"wss://stream.bytick.com/realtime", "inverse"},
        {"wss://stream-testnet.bybit.com/realtime_public", "linear"},
        {"wss://stream.bybit.com/realtime_private", "linear"},
        {"wss://stream.bybit.com/realtime?api_key=x&expires=1&signature=y", "inverse"},
        {"wss://stream.bybit.com:443/v5/public/linear", "v5-linear"},
        {"wss://stream.bybit.tr/v5/public/spot", "v5-spot"},
        {"wss://stream.bybit.com/v5/private?max_active_time=30s", "v5-private"},
        {"wss://stream-demo.bybit.com/v5/private", "v5-private"},
        {"wss://stream.bybit.com/v5/trade", "v5-trade"},
        {"wss://stream.bybit.com/contract/inverse/public/v3", "contract-v3"},
        {"wss://stream.bybit.com/v5/public/rfq", "v5-misc"},
        {"wss://stream.bybit.com/realtime_", NULL},
        {"wss://stream.bybit.com/", NULL},
        {"wss://stream.bybit.com", NULL},
        {"wss://example.com/realtime", NULL},
        {"stream.bybit.com/realtime", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const family *found = family_find_by_url(td_bytes_str(rows[i].url));
        print_message("%s\n", rows[i].url);
        assert_true((found == NULL) == (rows[i].family == NULL));
        if (found != NULL)
            assert_string_equal(found->name, rows[i].family);
    }
}

/* The first family of the table that is at a URL. */
static const family *first_at(td_bytes url)
{
    size_t count = 0;
    const family *const *table = family_table(&count);
    for (size_t i = 0; i < count; i++)
        if (family_fit_url(table[i], url) >= FIT_EXCHANGE_NAMES)
            return table[i];
    return NULL;
}

/* The search skips families by the texts of documents: it finds the same as one of all families. */
static void test_find_by_every_url(void **state)
{
    size_t count = 0;
    const family *const *table = family_table(&count);
    char url[LIMIT_URL_BYTES];
    (void)state;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < FAMILY_ENDPOINTS_MAX && table[i]->endpoints[k].url != NULL; k++) {
            const char *own = table[i]->endpoints[k].url;
            print_message("%s\n", own);
            assert_non_null(family_find_by_url(td_bytes_str(own)));
            assert_ptr_equal(family_find_by_url(td_bytes_str(own)), first_at(td_bytes_str(own)));
            const char *const *host = table[i]->exchange->other_hosts;
            for (; *host != NULL; host++) {
                (void)snprintf(url, sizeof url, "wss://%s%s/more", *host, family_url_path(own));
                assert_ptr_equal(family_find_by_url(td_bytes_str(url)),
                                 first_at(td_bytes_str(url)));
                assert_true(family_is_at_host(table[i], td_bytes_str(*host)));
            }
        }
}

static const field_row ONE_FIELD[] = {{MEMBER_PRICE, "p", FIELD_DECIMAL, UNIT_PRICE, 0, 0}};
#define ROW(name_, pattern_)                                                                       \
    {                                                                                              \
        .name = (name_), .pattern = (pattern_), .type = MSG_NOTICE, .title = "t",                  \
        .items = {{"data", ACTION_NONE, FRAME_ANY, 0}}, .fields = ONE_FIELD, .field_count = 1      \
    }

/* Patterns of later families. */
static const topic_row ROWS[] = {
    ROW("order", "order"),
    ROW("orderbook.rpi", "orderbook.rpi.{symbol}"),
    ROW("orderbook", "orderbook.{depth}.{symbol}"),
    ROW("klineV2", "klineV2.{interval}.{symbol}"),
    ROW("insurance", "insurance.{coin}"),
    ROW("execution.fast", "execution.fast"),
    ROW("execution", "execution"),
    ROW("trade", "trade.{symbol}"),
    ROW("book.raw", "book.{symbol}.raw"),
    ROW("fast", "book.{symbol}.agg.100ms"),
    ROW("trades.raw", "trades.{symbol}.raw"),
    ROW("trades.kind.raw", "trades.{kind}.{coin}.raw"),
};

static void test_match(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int row; /* -1: no row matches */
        const char *topic;
        const char *symbol;
    } rows[] = {
        {"order", 0, "order", ""},
        {"orderbook.50.BTCUSDT", 2, "orderbook.50", "BTCUSDT"},
        {"orderbook.rpi.BTCUSDT", 1, "orderbook.rpi", "BTCUSDT"},
        {"klineV2.1.BTCUSD", 3, "klineV2.1", "BTCUSD"},
        {"insurance.BTC", 4, "insurance", "BTC"},
        {"execution.fast", 5, "execution.fast", ""},
        {"execution", 6, "execution", ""},
        {"trade.BTC-31DEC21-36000-P", 7, "trade", "BTC-31DEC21-36000-P"},
        {"trade.SOLUSDT_SOL/USDT", 7, "trade", "SOLUSDT_SOL/USDT"},
        {"trade", -1, NULL, NULL},
        {"trade.", -1, NULL, NULL},
        {"trade.XRP-5JUL23-0.5-C", 7, "trade", "XRP-5JUL23-0.5-C"},
        {"order.A.B", -1, NULL, NULL},
        {"orders", -1, NULL, NULL},
        {"order.linear", -1, NULL, NULL},
        {"orderBook.50.BTCUSDT", -1, NULL, NULL},
        {"klineV2.BTCUSD", -1, NULL, NULL},
        {"klineV2..BTCUSD", -1, NULL, NULL},
        {"book.BTC-PERPETUAL.raw", 8, "book.raw", "BTC-PERPETUAL"},
        {"book.XRP-5JUL23-0.5-C.raw", -1, NULL, NULL}, /* no dots before a text */
        {"book.raw.raw", 8, "book.raw", "raw"},
        {"book.A.agg.100ms", 9, "fast", "A"},
        {"book.A.agg.100ms.raw", -1, NULL, NULL},
        {"book.A.100ms", -1, NULL, NULL},
        {"book.A.xraw", -1, NULL, NULL},
        {"book.A", -1, NULL, NULL},
        {"book.raw", -1, NULL, NULL},
        {"book..raw", -1, NULL, NULL},
        {"book.A.raw.", -1, NULL, NULL},
        {"trades.BTC-PERPETUAL.raw", 10, "trades.raw", "BTC-PERPETUAL"},
        {"trades.future.BTC.raw", 11, "trades.future.BTC.raw", "*"},
        {"trades.any.any.raw", 11, "trades.any.any.raw", "*"},
        {"trades.a.b.c.raw", -1, NULL, NULL},
        {".", -1, NULL, NULL},
        {"", -1, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        topic_match match;
        print_message("'%s'\n", rows[i].text);
        int found = topic_match_text(ROWS, sizeof ROWS / sizeof ROWS[0], td_bytes_str(rows[i].text),
                                     TOPIC_NOW, &match);
        assert_int_equal(found, rows[i].row >= 0);
        if (!found)
            continue;
        assert_ptr_equal(match.row, &ROWS[rows[i].row]);
        assert_true(td_bytes_is(match.topic, rows[i].topic));
        assert_true(td_bytes_is(match.symbol, rows[i].symbol));
    }
}

/* Topics as exchanges write them, of names and symbols. */
static void test_write(void **state)
{
    (void)state;
    static const struct {
        const char *name, *symbol, *text;
    } rows[] = {
        {"trade", "BTCUSD", "trade.BTCUSD"},
        {"klineV2.1", "BTCUSD", "klineV2.1.BTCUSD"},
        {"book.raw", "BTC-PERPETUAL", "book.BTC-PERPETUAL.raw"},
        {"fast", "A.B", "book.A.B.agg.100ms"},
        {"book", "A", "book.A"},
        {"strange", "A", "strange.A"},
        {"book.raw", "", "book..raw"},
    };
    const size_t count = sizeof ROWS / sizeof ROWS[0];
    char text[64];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const int size =
            topic_write(ROWS, count, rows[i].name, td_bytes_str(rows[i].symbol), text, sizeof text);
        assert_string_equal(text, rows[i].text);
        assert_int_equal(size, strlen(text));
    }
    assert_int_equal(topic_write(ROWS, count, "book.raw", td_bytes_str("ABC"), text, 8), 12);
    assert_string_equal(text, "book.AB");
    assert_string_equal(topic_row_end(&ROWS[9]), ".agg.100ms");
    assert_string_equal(topic_row_end(&ROWS[7]), "");
    assert_string_equal(topic_row_end(&ROWS[0]), "");
}

/* Every shipped row is valid, and its name is the part of its pattern before the first placeholder,
 * and the text after its symbol. */
static void test_shipped_rows(void **state)
{
    (void)state;
    size_t count = 0;
    size_t row_count = 0;
    const family *const *table = family_table(&count);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < table[i]->topic_count; j++) {
            const topic_row *row = &table[i]->topics[j];
            const char *end = topic_row_end(row);
            /* The name of a topic of several instruments is given. */
            const size_t begin = topic_row_has_coin(row) && end[0] != '\0'
                                     ? strcspn(row->pattern, "{")
                                     : strlen(row->name) - strlen(end);
            assert_memory_equal(row->pattern, row->name, begin);
            assert_string_equal(row->name + strlen(row->name) - strlen(end), end);
            assert_int_not_equal(row->speaks, SPEAKS_UNSTATED);
            for (size_t k = 0; k < TOPIC_RULES_MAX && row->rules[k].rule != RULE_NONE; k++)
                assert_non_null(rule_name(row->rules[k].rule));
            row_count++;
        }
    }
    assert_true(row_count >= 8);
}

/* Strengths required by docs/wire.md 6.3 and 6.6. */
static void test_rule_strengths(void **state)
{
    (void)state;
    static const struct {
        const char *family, *topic;
        rule_id rule;
        int strength; /* -1: not a rule of the topic */
    } rows[] = {
        {"inverse", "orderBookL2_25.BTCUSD", RULE_SEQ_STRICT, STRENGTH_ERROR},
        {"inverse", "orderBookL2_25.BTCUSD", RULE_DEPTH, STRENGTH_WARNING},
        {"linear", "orderBook_200.100ms.BTCUSDT", RULE_DELETE_EXISTS, STRENGTH_ERROR},
        {"linear", "orderBook_200.100ms.BTCUSDT", RULE_SEQ_DENSE, -1},
        {"inverse", "trade.BTCUSD", RULE_SEQ_FRAME_EQUAL, STRENGTH_ERROR},
        {"linear", "trade.BTCUSDT", RULE_SEQ_STRICT, -1},
        {"linear", "trade.BTCUSDT", RULE_ID_UNIQUE, STRENGTH_ERROR},
        {"copytrade", "trade.BTCUSDT", RULE_ID_UNIQUE, STRENGTH_ERROR},
        {"usdc-perp", "trade.BTCPERP", RULE_ID_UNIQUE, STRENGTH_ERROR},
        {"linear", "instrument_info.100ms.BTCUSDT", RULE_SEQ_STRICT, STRENGTH_WARNING},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const family *of = family_find(td_bytes_str(rows[i].family));
        topic_match match;
        int strength = -1;
        assert_true(topic_match_text(of->topics, of->topic_count, td_bytes_str(rows[i].topic),
                                     TOPIC_NOW, &match));
        for (size_t k = 0; k < TOPIC_RULES_MAX && match.row->rules[k].rule != RULE_NONE; k++)
            if (match.row->rules[k].rule == rows[i].rule)
                strength = (int)match.row->rules[k].strength;
        print_message("%s %s %s\n", rows[i].family, rows[i].topic, rule_name(rows[i].rule));
        assert_int_equal(strength, rows[i].strength);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_families),
        cmocka_unit_test(test_find_by_url),
        cmocka_unit_test(test_find_by_every_url),
        cmocka_unit_test(test_match),
        cmocka_unit_test(test_shipped_rows),
        cmocka_unit_test(test_rule_strengths),
        cmocka_unit_test(test_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
