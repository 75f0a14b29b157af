/* The section `simulator` of documents: each mistake names its line and what is wrong there; all
 * documents of the programs are read. */
#include "sim/catalog_file.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "sim/catalog.h"
#include "sim/value.h"
#include "tests/testing/changed_document.h"

/* A sound document, a line each. */
static const char *const LINES[] = {
    "family: made",                                                          /* 1 */
    "use: [used]",                                                           /* 2 */
    "simulator:",                                                            /* 3 */
    "  products: [linear, option]",                                          /* 4 */
    "  ack_first: true",                                                     /* 5 */
    "  orders: {of: other, cancel: order.cancel}",                           /* 6 */
    "  parts:",                                                              /* 7 */
    "    size: '\"$size\"'",                                                 /* 8 */
    "  streams:",                                                            /* 9 */
    "    - topic: book",                                                     /* 10 */
    "      shows: book whole_ms no_first linear",                            /* 11 */
    "      depth: 1000",                                                     /* 12 */
    "      events: 5",                                                       /* 13 */
    "      parts: {side: bids}",                                             /* 14 */
    "      snapshot: |",                                                     /* 15 */
    "        %{head}[@%{side}([\"$price:s\",",                               /* 16 */
    "          %{size}])],",                                                 /* 17 */
    "        \"u\":$u}",                                                     /* 18 */
    "      delta: '%{head}[@updated([%{size}])]}'",                          /* 19 */
    "    - {topic: kline, shows: candle, intervals: [1, D], snapshot: $ts}", /* 20 */
    "    - use: trade",                                                      /* 21 */
    "  account:",                                                            /* 22 */
    "    - {topic: order, shows: order, snapshot: $order_id}",               /* 23 */
    "  replies:",                                                            /* 24 */
    "    - {path: /a, query: b=c, lists: [made], text: '@instruments($tick)$page', page: p}", /* 25
                                                                                               */
    "    - {path: /time, text: $ts}", /* 26 */
};

enum { LINE_COUNT = sizeof LINES / sizeof LINES[0] };

static const char USED[] = "simulator:\n"
                           "  parts:\n"
                           "    head: '{\"topic\":\"$topic\",\"data\":'\n"
                           "    size: not this one\n"
                           "    again: '%{again}'\n"
                           "  streams:\n"
                           "    trade:\n"
                           "      topic: trade\n"
                           "      shows: trade last_trade_first per_coin\n"
                           "      snapshot: '%{head}[@trades(%{size})]}'\n"
                           "    wrong:\n"
                           "      topic: wrong\n"
                           "      shows: trade\n"
                           "      snapshot: '$prise'\n";

/* What the document is with another line in place of one; and what the error must have, after
 * "made.yaml:" if it begins with the line. */
static const struct {
    size_t line;
    const char *text;
    const char *words;
    const char *hint;
} MISTAKES[] = {
    {3, "simulater:", "made.yaml does not have the key 'simulator'", ""},
    {2, "use: [other]", "there is no document 'other.yaml'", ""},
    {2, "use: [", "4: did not find", ""},
    {4, "  product: [linear]", "4: simulator has no key 'product'", "'products'"},
    {4, "  products: [linear, swap]", "4: there is no product 'swap'", "usdc_perp"},
    {4, "  products: [linear, no_first]", "4: there is no product 'no_first'", ""},
    {4, "  products: [spot, option, linear, inverse, spread, usdc_perp]",
     "4: a product is there twice, or it is the sixth: 'usdc_perp'", ""},
    {4, "  products: [linear, linear]", "4: a product is there twice, or it is", ""},
    {4, "  products: [linear, spot]", "20: linear and spot have the same symbols", ""},
    {4, "  products: linear", "4: a list is expected, not 'linear'", ""},
    {4, "  products: [spot]", "10: the family does not have the products of the stream 'book'", ""},
    {4, "  # none", "10: the family does not have the products of the stream", ""},
    {5, "  symbols: {linear: '{coin}-{quote}'}",
     "5: a symbol has only the places {coin} and {lower_coin}, not '{coin}-{quote}'", ""},
    {5, "  symbols: {linear: BTC}", "5: a symbol needs {coin} or {lower_coin}, not 'BTC'", ""},
    {5, "  symbols: {linear: '{coin}-a-very-long-symbol'}",
     "5: the spelling of a symbol has at most 24 bytes, not", ""},
    {5, "  symbols: {spot: '{coin}'}", "5: the family does not have the product 'spot'", ""},
    {5, "  symbols: {swap: '{coin}'}", "5: there is no product 'swap'", "usdc_perp"},
    {5, "  symbols: {linear: '{coin}-A', option: '{coin}-A'}",
     "5: two products have symbols of the same spelling: '{coin}-A'", ""},
    {5, "  coins: {BTC: XBTXBTXB}", "5: a coin's name has 1 to 7 bytes, not 'XBTXBTXB'", ""},
    {5, "  coins: {XBT: BTC}", "5: the simulator does not trade the coin 'XBT'", ""},
    {5, "  ack_first: yes", "5: only true is allowed, not 'yes'", ""},
    {6, "  orders: {of: [v5]}", "6: a text is expected", ""},
    {6, "  orders: {of: v5, plase: a}", "6: orders has no key 'plase'", "'place'"},
    {6, "  orders: {place: a}", "6: orders need the family whose account has them (of):", ""},
    {8, "    size: [1]", "8: a text is expected, not ''", ""},
    {8, "    size: '%{again}'", "used.yaml:5: more than 256 parts, or more than 8 in each other",
     ""},
    {8, "    size: \"a\\0b\"", "8: a text has a control character: 'a", ""},
    {8, "    size: \"\\t\"", "8: a text has a control character", ""},
    {9, "  streams: book\n  parts2:", "10: simulator has no key 'parts2'", "'parts'"},
    {10, "    - topik: book", "10: a stream has no key 'topik'", "'topic'"},
    {10, "    - book\n    - topic: a", "10: a stream is a mapping, not 'book'", ""},
    {10, "    - topic: ''", "10: a topic has 1 to 56 bytes, not ''", ""},
    {10, "    - topic: an-orderbook-with-a-name-that-is-much-longer-than-all-others",
     "10: a topic has 1 to 56 bytes, not", ""},
    {10, "    - topic: [a]", "10: a text is expected", ""},
    {10, "    - topic: trade", "used.yaml:8: a topic is there twice: 'trade'", ""},
    {21,
     "    - {topic: book, shows: book option, depth: 1, events: 1, snapshot: $ts}\n    - use: "
     "wrong",
     "used.yaml:14: there is no value 'prise'", ""}, /* one topic of two products */
    {10, "    - topic: kline.D", "20: a topic is there twice: 'kline.D'", ""},
    {11, "      # none", "10: a stream needs 'shows'", ""},
    {11, "      shows: books", "11: a stream does not show 'books'", "'book'"},
    {11, "      shows: book whole", "11: a stream has no property 'whole'", "'whole_ms'"},
    {11, "      shows: book spot", "10: the family does not have the products", ""},
    {11, "      shows: order", "10: only the account shows this: 'book'", ""},
    {11, "      shows: [book]", "11: a text is expected", ""},
    {11, "      shows: ticker", "10: a book needs depth, a candle", ""},
    {11, "      shows: book per_coin", "10: a book, ticker or candle is of one symbol", ""},
    {11, "      shows: book per_minute", "10: a book needs depth, a candle", ""},
    {12, "      depth: 1001", "12: a number is expected, not '1001'", ""},
    {12, "      depth: 0", "10: a book needs depth", ""},
    {13, "      # none", "10: a book needs depth", ""},
    {13, "      events: 5\n      every_ms: 5", "10: a book needs depth", ""},
    {13, "      events: five", "13: a number is expected, not 'five'", ""},
    {14, "      parts: {side: trades}", "15: this text does not have the list 'trades'", ""},
    {14, "      parts: {side: bid}", "15: there is no list 'bid'", "'bids'"},
    {14, "      parts: {sides: bids}", "15: no such name is in the documents: 'side'",
     "did you mean 'sides'? allowed: sides, size, head"},
    {19, "      delta: '%{head'", "19: '}' is missing after '%{head'", ""},
    {19, "      delta: '@bids($price'", "19: ')' expected before ''", ""},
    {16, "        @bids(@asks($price)", "15: a list is in a list, before '@asks($price)", ""},
    {18, "        $pirce", "15: there is no value 'pirce'", "'price'"},
    {18, "        $order_id", "15: this text does not have the value 'order_id'", ""},
    {19, "      delta: $tick", "19: this text does not have the value 'tick'", ""},
    {19, "      delta: [a]", "19: a text is expected", ""},
    {20, "    - {topic: kline, shows: candle, snapshot: $ts}", "20: a book needs depth, a candle",
     ""},
    {20, "    - {topic: k, shows: candle per_minute, intervals: [1], snapshot: $ts}",
     "20: a book needs depth, a candle", ""},
    {20, "    - {topic: k, shows: candle, intervals: [2], snapshot: $ts}",
     "20: there is no interval '2'", "allowed: 1, 3, 5"},
    {20, "    - {topic: k, shows: candle, intervals: 1, snapshot: $ts}",
     "20: a list of texts is expected, not '1'", ""},
    {20, "    - {topic: k, shows: liquidation, snapshot: '@trades($price)'}",
     "20: this text does not have the list 'trades'", ""},
    {21, "    - use: trades", "21: no such name is in the documents: 'trades'",
     "did you mean 'trade'?"},
    {21, "    - use: wrong", "used.yaml:14: there is no value 'prise'", "'price'"},
    {21, "    - {use: trade, topic: t}", "21: no other key is allowed beside use", ""},
    {23, "    {topic: order}", "23: a list is expected, not ''", ""},
    {23, "    - {topic: t, shows: trade, snapshot: $u}", "23: only a public stream shows this: 't'",
     ""},
    {23, "    - {topic: t, shows: order per_coin, snapshot: $u}",
     "23: a stream of the account is for all symbols: 't'", ""},
    {23, "    - {topic: t, shows: notice, snapshot: $u}", "23: a book needs depth", ""},
    {25, "    - {path: /a, qery: b, text: $ts}", "25: a reply has no key 'qery'", "'query'"},
    {25, "    - {path: /a}", "25: a reply needs 'text'", ""},
    {25, "    - {path: /a, lists: made, text: $ts}", "25: a list of texts is expected", ""},
    {25, "    - {path: /a, text: '@bids($price)'}", "25: this text does not have the list 'bids'",
     ""},
    {25, "    {path: /a}\n  parts2:", "26: simulator has no key 'parts2'", ""},
    {23, "    - {topic: t, shows: order, snapshot: $page}",
     "23: this text does not have the value 'page'", ""},
};

static changed_document changed = {.lines = LINES, .line_count = LINE_COUNT, .used = USED};

static td_result read_text(td_arena *memory, catalog_row *out, td_err *err)
{
    const family_texts texts = {.user = &changed, .find = changed_document_find};
    *err = (td_err){0};
    return catalog_file_read(&texts, "made", memory, out, err);
}

static int next_of_two(void *user, sim_list_id list, size_t index, sim_value *values)
{
    (void)user, (void)list, (void)values;
    return index < 2;
}

/* A template's text, with a value for each name, and two items in each list. */
static void expect_text(const template *text, const char *expected)
{
    sim_value values[SIM_COUNT] = {[SIM_TOPIC] = sim_text("TOPIC"), [SIM_PRICE] = sim_number(50, 2),
                                   [SIM_SIZE] = sim_number(70, 2),  [SIM_U] = sim_number(9, 0),
                                   [SIM_TS] = sim_time(8000000000), [SIM_TICK] = sim_number(25, 2),
                                   [SIM_PAGE] = sim_text("PAGE")};
    sim_source source = {.values = values, .next_item = next_of_two};
    td_buf out;
    td_buf_init(&out, 1 << 10);
    assert_true(sim_render(text, &source, &out));
    td_buf_add(&out, "", 1);
    assert_string_equal(out.data, expected);
    td_buf_fini(&out);
}

static void test_document(void **state)
{
    (void)state;
    td_arena *memory = td_arena_open();
    catalog_row made;
    td_err err;
    changed_document_write(&changed, 0, NULL);
    if (read_text(memory, &made, &err) != TD_OK)
        fail_msg("%s", err.text);
    assert_int_equal(made.product_count, 2);
    assert_int_equal(made.products[1], PRODUCT_OPTION);
    assert_int_equal(made.is_ack_first, 1);
    assert_string_equal(made.orders.of, "other");
    assert_string_equal(made.orders.cancel, "order.cancel");
    assert_null(made.orders.place);
    assert_int_equal(made.public_count, 4);
    const stream_row *row = made.streams;
    assert_string_equal(row[0].topic, "book");
    assert_int_equal(row[0].kind, STREAM_BOOK);
    assert_int_equal(row[0].scope, SCOPE_SYMBOL);
    assert_int_equal(row[0].flags, STREAM_MS | STREAM_NO_INITIAL);
    assert_int_equal(row[0].products, 1 << PRODUCT_LINEAR);
    assert_int_equal(row[0].depth, 1000);
    assert_int_equal(row[0].events_max, 5);
    expect_text(row[0].snapshot,
                "{\"topic\":\"TOPIC\",\"data\":[[\"0.5\",\"0.70\"],[\"0.5\",\"0.70\"]],\"u\":9}");
    expect_text(row[0].delta, "{\"topic\":\"TOPIC\",\"data\":[[\"0.70\"],[\"0.70\"]]}");
    assert_string_equal(row[1].topic, "kline.1");
    assert_int_equal(row[1].minutes, 1);
    assert_string_equal(row[2].topic, "kline.D");
    assert_string_equal(row[2].interval, "D");
    assert_int_equal(row[2].minutes, 1440);
    expect_text(row[2].snapshot, "8.000000000");
    assert_null(row[2].delta);
    /* A stream of a used document, with a part of this one. */
    assert_int_equal(row[3].scope, SCOPE_COIN);
    assert_int_equal(row[3].flags, STREAM_LAST_FIRST);
    expect_text(row[3].snapshot, "{\"topic\":\"TOPIC\",\"data\":[\"0.70\",\"0.70\"]}");
    assert_int_equal(made.stream_count, 5);
    assert_int_equal(row[4].scope, SCOPE_ALL);
    assert_int_equal(row[4].flags, STREAM_NO_INITIAL);
    assert_int_equal(row[4].is_private, 1);
    assert_string_equal(made.replies[0].path, "/a");
    assert_string_equal(made.replies[0].query, "b=c");
    assert_string_equal(made.replies[0].page, "p");
    assert_null(made.replies[0].page_size);
    assert_string_equal(made.replies[0].lists[0], "made");
    assert_null(made.replies[0].lists[1]);
    expect_text(made.replies[0].text, "0.25,0.25PAGE");
    assert_null(made.replies[1].lists[0]);
    assert_null(made.replies[1].query);
    assert_null(made.replies[2].path);
    td_arena_close(memory);
}

static void expect_error(const char *what, const char *words, const char *hint)
{
    td_arena *memory = td_arena_open();
    catalog_row made;
    td_err err;
    if (read_text(memory, &made, &err) == TD_OK)
        fail_msg("'%s' is accepted", what);
    if (strstr(err.text, words) == NULL)
        fail_msg("'%s': the error is '%s'", what, err.text);
    if (strstr(err.hint, hint) == NULL)
        fail_msg("'%s': the hint is '%s'", what, err.hint);
    td_arena_close(memory);
}

static void test_mistakes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof MISTAKES / sizeof MISTAKES[0]; i++) {
        const int has_line = isdigit((unsigned char)MISTAKES[i].words[0]);
        char words[200];
        (void)snprintf(words, sizeof words, "%s%s", has_line ? "made.yaml:" : "",
                       MISTAKES[i].words);
        changed_document_write(&changed, MISTAKES[i].line, MISTAKES[i].text);
        expect_error(MISTAKES[i].text, words, MISTAKES[i].hint);
    }
}

/* Limits that a line alone cannot reach. */
static void test_limits(void **state)
{
    (void)state;
    static char big[sizeof changed.text];
    size_t used = 0;
    for (int i = 0; i < 62; i++)
        used += (size_t)snprintf(big + used, sizeof big - used,
                                 "    - {topic: t%d, shows: trade, snapshot: $u}\n", i);
    changed_document_write(&changed, 21, big);
    expect_error("64 streams", "made.yaml:82: more than 64 streams, with 't61'", "");

    (void)snprintf(big, sizeof big, "    size: '%0*d'", 8193, 0);
    changed_document_write(&changed, 8, big);
    expect_error("8192 bytes", "is longer than 8192 bytes", "");

    /* 2000 levels, with 600 bytes each */
    (void)snprintf(big, sizeof big, "    size: '%0600d'", 0);
    changed_document_write(&changed, 8, big);
    expect_error("1 MiB", "made.yaml:15: frames can be longer than 1 MiB", "");

    used = (size_t)snprintf(big, sizeof big, "    size: ''\n    many: '");
    for (int i = 0; i < 300; i++)
        used += (size_t)snprintf(big + used, sizeof big - used, "%%{size}");
    (void)snprintf(big + used, sizeof big - used, "'\n    rest: ''");
    changed_document_write(&changed, 8, big);
    char *side = strstr(changed.text, "%{side}");
    memcpy(side, "%{many}", 7);
    expect_error("256 parts", "made.yaml:9: more than 256 parts", "");
}

/* 1 for the families of accounts that the simulator does not have. */
static int is_without_simulator(const char *name)
{
    return (strstr(name, "-private") != NULL || strstr(name, "-api") != NULL) &&
           (strncmp(name, "binance-", 8) == 0 || strncmp(name, "kraken-", 7) == 0);
}

/* The documents of the programs: all families are served but those without a simulator. */
static void test_shipped(void **state)
{
    (void)state;
    for (const char *const *name = FAMILY_NAMES; *name != NULL; name++) {
        if (is_without_simulator(*name)) {
            assert_null(catalog_find(*name));
            continue;
        }
        const catalog_row *row = NULL;
        td_err err;
        if (catalog_get(family_find(td_bytes_str(*name)), &row, &err) != TD_OK)
            fail_msg("%s", err.text);
        assert_string_equal(row->of->name, *name);
        assert_ptr_equal(catalog_find(*name), row);
    }
}

/* Symbols are spelled as the exchange spells them, and tell linear contracts from spot. */
static void test_spellings(void **state)
{
    (void)state;
    static const struct {
        const char *family;
        uint32_t index;
        const char *symbol, *coin;
    } ROWS[] = {
        {"okx", 0, "BTC-USDT-SWAP", "BTC"},    {"okx", 1, "BTC-USDT", "BTC"},
        {"okx", 19999, "S9999-USDT", "S9999"}, {"deribit", 1, "ETH-PERPETUAL", "ETH"},
        {"kraken-v1", 0, "XBT/USD", "XBT"},    {"kraken-v1", 11, "XDG/USD", "XDG"},
        {"kraken-v2", 0, "BTC/USD", "BTC"},    {"coinbase-advanced", 0, "BTC-USD", "BTC"},
        {"bitstamp", 12, "s0012usd", "S0012"}, {"v5-linear", 0, "BTCUSDT", "BTC"},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        const instrument made = catalog_instrument(catalog_find(ROWS[i].family), ROWS[i].index);
        assert_string_equal(made.symbol, ROWS[i].symbol);
        assert_string_equal(made.base, ROWS[i].coin);
    }
}

/* A document that is cut anywhere, or has another byte anywhere, is read or refused. */
static void test_damage(void **state)
{
    (void)state;
    static const char BYTES[] = "\n\t :-[]{}\"'&*#%|@$~()\xff";
    catalog_row made;
    td_err err;
    changed_document_write(&changed, 0, NULL);
    const size_t size = strlen(changed.text);
    for (size_t i = 0; i < size; i++) {
        td_arena *memory = td_arena_open();
        changed_document_write(&changed, 0, NULL);
        changed.text[i] = BYTES[i % (sizeof BYTES - 1)];
        (void)read_text(memory, &made, &err); /* either result is allowed */
        changed.text[i] = '\0';
        (void)read_text(memory, &made, &err);
        td_arena_close(memory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_document),  cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_limits),    cmocka_unit_test(test_shipped),
        cmocka_unit_test(test_spellings), cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
