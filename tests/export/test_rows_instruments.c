/* Instruments from HTTP replies: when a row begins and ends to be valid, and the lists of all
 * families. Expected values are written by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "export/export_type.h"
#include "schema/family.h"

enum { ROWS_BYTES = 4096, REPLIES_MAX = 6 };

typedef struct reply_case {
    const char *name;
    const char *replies[REPLIES_MAX]; /* one reply per second, the first at 1 s */
    const char *columns;              /* columns to compare */
    const char *rows;
    int is_imported;
    const char *family; /* NULL: one of Bybit's */
} reply_case;

static char printed[ROWS_BYTES];
static size_t printed_size;
static const char *wanted_columns;

static void print(const char *text, size_t size)
{
    printed_size += (size_t)snprintf(printed + printed_size, ROWS_BYTES - printed_size, "%.*s",
                                     (int)size, text);
    assert_true(printed_size < ROWS_BYTES);
}

/* Writes "SYMBOL VALUE,VALUE; ": times in s, decimals in shortest form, "-" for an absent value. */
static td_result put_row(void *ctx, const export_row *row, td_err *err)
{
    char text[TD_DECIMAL_TEXT_BYTES];
    const char *end;
    (void)ctx;
    (void)err;
    print((const char *)row->symbol.data, row->symbol.size);
    for (const char *at = wanted_columns; *at != '\0'; at = *end == '\0' ? end : end + 1) {
        size_t i = 0;
        end = strchrnul(at, ' ');
        while (strncmp(EXPORT_INSTRUMENTS.columns[i].name, at, (size_t)(end - at)) != 0 ||
               EXPORT_INSTRUMENTS.columns[i].name[end - at] != '\0')
            assert_true(++i < EXPORT_INSTRUMENTS.column_count);
        const msg_value *value = &row->values[i];
        assert_true(value->type == VALUE_ABSENT ||
                    value->type == EXPORT_INSTRUMENTS.columns[i].type);
        print(at == wanted_columns ? " " : ",", 1);
        if (value->type == VALUE_DECIMAL)
            print(text, td_decimal_format(value->as.decimal, text));
        else if (value->type == VALUE_ABSENT)
            print("-", 1);
        else if (value->type == VALUE_TEXT || value->type == VALUE_JSON)
            print((const char *)value->as.text.data, value->as.text.size);
        else
            print(text, (size_t)snprintf(text, sizeof text, "%lld",
                                         value->type == VALUE_INTEGER
                                             ? (long long)value->as.integer
                                             : (long long)(value->as.time_ns / TD_NS_PER_S)));
    }
    print("; ", 2);
    return TD_OK;
}

#define V5(category, cursor, list)                                                                 \
    "{\"retCode\":0,\"result\":{\"category\":\"" category "\",\"list\":[" list                     \
    "],\"nextPageCursor\":\"" cursor "\"},\"time\":5000}"
#define ENTRY(symbol, tick, max)                                                                   \
    "{\"symbol\":\"" symbol "\",\"priceFilter\":{\"tickSize\":\"" tick                             \
    "\"},\"lotSizeFilter\":{\"maxOrderQty\":\"" max "\"}}"
#define LINEAR(list) V5("linear", "", list)

#define OKX(id, kind, base, quote, type, value, multiplier, pair)                                  \
    "{\"instId\":\"" id "\",\"instType\":\"" kind "\",\"baseCcy\":\"" base                         \
    "\",\"quoteCcy\":\"" quote "\",\"ctType\":\"" type "\",\"ctVal\":\"" value                     \
    "\",\"ctMult\":\"" multiplier "\",\"uly\":\"" pair                                             \
    "\",\"instFamily\":\"\",\"tickSz\":\"0.1\"}"

static const char VALIDITY[] = "tick max_qty valid_from valid_to seen_before";

static const reply_case CASES[] = {
    {"a change ends a row and begins one",
     {LINEAR(ENTRY("A", "0.10", "7")), LINEAR(ENTRY("A", "0.1", "7")),
      LINEAR(ENTRY("A", "0.5", "7"))},
     VALIDITY,
     "A 0.1,7,1,3,-; A 0.5,7,3,-,2; ",
     0,
     NULL},
    {"a maximum does not count",
     {LINEAR(ENTRY("A", "1", "7")), LINEAR(ENTRY("A", "1", "8"))},
     VALIDITY,
     "A 1,7,1,-,-; ",
     0,
     NULL},
    {"a new one, and one that vanishes and returns",
     {LINEAR(ENTRY("A", "1", "7")), LINEAR(ENTRY("B", "1", "7")),
      LINEAR(ENTRY("A", "1", "7") "," ENTRY("B", "1", "7")), LINEAR("")},
     VALIDITY,
     "A 1,7,1,2,-; B 1,7,2,4,1; A 1,7,3,4,2; ",
     0,
     NULL},
    {"a page of several proves no absence",
     {LINEAR(ENTRY("A", "1", "7")), V5("linear", "next", ENTRY("B", "1", "7")),
      V5("linear", "next", ENTRY("B", "2", "7"))},
     VALIDITY,
     "A 1,7,1,-,-; B 1,7,2,3,1; B 2,7,3,-,2; ",
     0,
     NULL},
    {"nor does an imported reply",
     {LINEAR(ENTRY("A", "1", "7")), V5("spot", "", ENTRY("A", "3", "7")),
      LINEAR(ENTRY("B", "1", "7"))},
     VALIDITY,
     "A 1,7,1,-,-; A 3,7,2,-,-; B 1,7,3,-,-; ",
     1,
     NULL},
    {"other replies, and errors",
     {LINEAR(ENTRY("A", "1", "7")), "{\"retCode\":10006,\"result\":{},\"time\":1}", "<html>",
      "{\"result\":{\"list\":[[\"1\",\"2\"],{\"symbol\":\"A\",\"price\":\"1\"}]}}", "[1]"},
     VALIDITY,
     "A 1,7,1,-,-; ",
     0,
     NULL},
    {"v5 linear",
     {LINEAR("{\"symbol\":\"A\\u0042\",\"symbolId\":7,\"contractType\":\"LinearFutures\","
             "\"status\":\"PreLaunch\",\"baseCoin\":\"A\",\"quoteCoin\":\"USDT\","
             "\"settleCoin\":\"USDT\",\"launchTime\":\"3000\",\"deliveryTime\":\"0\","
             "\"priceFilter\":{\"tickSize\":\"1\",\"minPrice\":\"2\",\"maxPrice\":\"\"},"
             "\"fundingInterval\":240,\"lowerFundingRate\":\"-0.005\","
             "\"preListingInfo\":{\"phases\":[{\"phase\":\"X\"}]}}")},
     "category contract_type symbol symbol_id launch delivery min_price max_price funding_min "
     "funding_floor contract_size phases",
     "AB linear,LinearFutures,AB,7,3,-,2,-,240,-0.005,1,[{\"phase\":\"X\"}]; ",
     0,
     NULL},
    {"v5 spot: the least quantity is by value",
     {V5("spot", "",
         "{\"symbol\":\"A\",\"priceFilter\":{\"tickSize\":\"0.1\"},\"lotSizeFilter\":{"
         "\"basePrecision\":\"0.001\",\"minOrderQty\":\"1\",\"maxOrderQty\":\"8\","
         "\"maxLimitOrderQty\":\"9\",\"maxMarketOrderQty\":\"3\",\"minOrderAmt\":\"5\"},"
         "\"xstockMultiplier\":\"1.0009180758490996\"}")},
     "category qty_step min_qty max_qty max_market_qty min_notional share_multiplier",
     "A spot,0.001,-,9,3,5,1.0009180758490996; ",
     0,
     NULL},
    {"inverse and linear before v5, with numbers",
     {"{\"result\":[{\"name\":\"BTCUSDM21\",\"alias\":\"BTCUSD0625\",\"status\":\"Trading\","
      "\"base_currency\":\"BTC\",\"quote_currency\":\"USD\",\"price_filter\":{\"tick_size\":\"0.5\""
      "},\"lot_size_filter\":{\"qty_step\":1,\"min_trading_qty\":0.001,\"max_trading_qty\":1e6},"
      "\"funding_interval\":480},{\"name\":\"BTCUSDT\",\"quote_currency\":\"USDT\","
      "\"price_filter\":{\"tick_size\":\"0.5\"}}],\"time_now\":\"1.5\"}"},
     "category alias tick qty_step min_qty max_qty funding_min quote",
     "BTCUSDM21 inverse,BTCUSD0625,0.5,1,0.001,1000000,480,USD; "
     "BTCUSDT linear,-,0.5,-,-,-,-,USDT; ",
     0,
     NULL},
    {"USDC perpetuals",
     {"{\"result\":[{\"symbol\":\"BTCPERP\",\"status\":\"ONLINE\",\"tickSize\":\"0.5\",\"qtyStep\":"
      "\"0.001\",\"minTradingQty\":\"0.002\",\"maxTradingQty\":\"5\"}]}"},
     "category status tick qty_step min_qty max_qty",
     "BTCPERP linear,ONLINE,0.5,0.001,0.002,5; ",
     0,
     NULL},
    {"USDC options",
     {"{\"result\":{\"cursor\":\"\",\"dataList\":[{\"symbol\":\"BTC-1JAN23-1-C\",\"tickSize\":\"5\""
      ",\"minOrderSizeIncrement\":\"0.1\",\"minOrderSize\":\"0.2\",\"maxOrderSize\":\"3\"}]}}"},
     "category tick qty_step min_qty max_qty",
     "BTC-1JAN23-1-C option,5,0.1,0.2,3; ",
     0,
     NULL},
    {"spot before v5",
     {"{\"result\":{\"list\":[{\"name\":\"BTCUSDT\",\"minPricePrecision\":\"0.01\","
      "\"basePrecision\""
      ":\"0.0001\",\"minTradeQty\":\"0.1\",\"showStatus\":\"1\"}]}}",
      "{\"result\":[{\"name\":\"BTCUSDT\",\"minPricePrecision\":\"0.01\",\"basePrecision\""
      ":\"0.0001\",\"minTradeQuantity\":\"0.1\",\"showStatus\":true}]}"},
     "category tick qty_step min_qty status",
     "BTCUSDT spot,0.01,0.0001,0.1,1; BTCUSDT spot,0.01,0.0001,0.1,true; ",
     0,
     NULL},
    {"spreads",
     {"{\"result\":{\"list\":[{\"symbol\":\"S\",\"tickSize\":\"0.1\",\"lotSize\":\"0.01\","
      "\"minSize\":\"1\",\"maxSize\":\"2\"}]}}"},
     "category tick qty_step min_qty max_qty",
     "S spread,0.1,0.01,1,2; ",
     0,
     NULL},
    {"OKX: contracts name their coins by the pair, and their size by two members",
     {"{\"code\":\"0\",\"data\":[" OKX("A-USDT", "SPOT", "A", "USDT", "", "", "", "") "," OKX(
         "A-USDT-SWAP", "SWAP", "", "", "linear", "0.01", "1",
         "A-USDT") "," OKX("A-USD-SWAP", "SWAP", "", "", "inverse", "100", "1",
                           "A-USD") "," OKX("A-USD-240101-5-C", "OPTION", "", "", "", "1", "0.10",
                                            "A-USD") "," OKX("B-USDC-SWAP", "SWAP", "", "",
                                                             "linear", "1e-3", "", "") "]}"},
     "category base quote contract_size",
     "A-USDT spot,A,USDT,1; A-USDT-SWAP linear,A,USDT,0.01; A-USD-SWAP inverse,A,USD,100; "
     "A-USD-240101-5-C option,A,USD,0.1; B-USDC-SWAP linear,B,USDC,0.001; ",
     0,
     "okx"},
    {"OKX: a contract's size that changes begins a row, one that does not fit is unknown",
     {"{\"data\":[" OKX("A-USDT-SWAP", "SWAP", "", "", "linear", "1", "1", "A-USDT") "]}",
      "{\"data\":[" OKX("A-USDT-SWAP", "SWAP", "", "", "linear", "1e-10", "1e-10", "A-USDT") "]}"},
     "contract_size",
     "A-USDT-SWAP 1; A-USDT-SWAP -; ",
     0,
     "okx"},
    {"Coinbase: futures are contracts",
     {"{\"products\":[{\"product_id\":\"A-USD\",\"product_type\":\"SPOT\",\"price_increment\":\"0."
      "1\","
      "\"base_currency_id\":\"A\",\"quote_currency_id\":\"USD\"},"
      "{\"product_id\":\"AIT-1JAN24-CDE\",\"product_type\":\"FUTURE\",\"price_increment\":\"5\","
      "\"base_currency_id\":\"\",\"quote_currency_id\":\"USD\",\"future_product_details\":{"
      "\"contract_expiry\":\"1970-01-01T00:01:00Z\",\"contract_size\":\"0.01\","
      "\"contract_root_unit\":\"A\",\"contract_expiry_type\":\"EXPIRING\"}}]}"},
     "category base quote contract_size delivery",
     "A-USD spot,A,USD,1,-; AIT-1JAN24-CDE linear,A,USD,0.01,60; ",
     0,
     "coinbase-advanced"},
    {"Deribit: sizes are amounts, whatever a contract is",
     {"{\"jsonrpc\":\"2.0\",\"result\":[{\"instrument_name\":\"A-PERPETUAL\",\"kind\":\"future\","
      "\"base_currency\":\"A\",\"quote_currency\":\"USD\",\"tick_size\":0.5,\"contract_size\":10.0}"
      "]}"},
     "category base quote contract_size",
     "A-PERPETUAL inverse,A,USD,1; ",
     0,
     "deribit"},
};

static void run(const reply_case *c)
{
    const frame_channel channel = {
        .info = {.feed = "f", .topic = "http.list", .exchange_topic = "", .symbol = ""},
        .role = ROLE_HTTP,
        .family = c->family == NULL ? NULL : family_find(td_bytes_str(c->family))};
    frame_channel on = channel;
    const frame_conn conn = {.is_recorded = (uint8_t)!c->is_imported};
    const row_out out = {put_row, NULL};
    td_err err;
    assert_true(EXPORT_INSTRUMENTS.takes(NULL, &channel));
    void *maker =
        EXPORT_INSTRUMENTS.open(&(maker_begin){&EXPORT_INSTRUMENTS, NULL, &channel, NULL, NULL});
    printed_size = 0;
    wanted_columns = c->columns;
    for (size_t i = 0; i < REPLIES_MAX && c->replies[i] != NULL; i++) {
        const frame_ref frame = {.recv_ns = (i + 1) * TD_NS_PER_S,
                                 .channel = &on,
                                 .conn = &conn,
                                 .bytes = td_bytes_str(c->replies[i])};
        const maker_frame seen = {.frame = &frame};
        assert_int_equal(EXPORT_INSTRUMENTS.frame(maker, &seen, &out, &err), TD_OK);
    }
    assert_int_equal(printed_size, 0); /* rows are put at the end of the day */
    assert_int_equal(EXPORT_INSTRUMENTS.end(maker, 0, NULL, &out, &err), TD_OK);
    EXPORT_INSTRUMENTS.close(maker);
    if (strcmp(printed, c->rows) != 0)
        fail_msg("%s: %s", c->name, printed);
}

static void test_rows_of_replies(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        run(&CASES[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows_of_replies)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
