/* Selections, against docs/design.md ("Selection") and tape/selection.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tape/selection.h"

typedef struct glob_row {
    const char *glob;
    const char *text;
    int fits;
} glob_row;

static const glob_row GLOBS[] = {
    {"trade", "trade", 1},
    {"trade", "trades", 0},
    {"trade", "Trade", 0},
    {"*", "", 1},
    {"*", "anything.at-all", 1},
    {"orderBook*", "orderBookL2_25", 1},
    {"orderBook*", "order", 0},
    {"*USD", "BTCUSD", 1},
    {"*USD", "BTCUSDT", 0},
    {"*A*B*", "xxAyyAzzBB", 1},
    {"*A*B*", "xxByyA", 0},
    {"BTC?SD", "BTCUSD", 1},
    {"BTC?SD", "BTCSD", 0},
    {"[A-C]TC", "BTC", 1},
    {"[A-C]TC", "DTC", 0},
    {"[!A-C]TC", "DTC", 1},
    {"[]x]", "]", 1},
    {"[a-]", "-", 1},
    {"\\*", "*", 1},
    {"\\*", "x", 0},
    {"", "", 1},
    {"", "x", 0},
    {"a**b", "ab", 1},
    {"a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 0},
};

static void test_globs(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof GLOBS / sizeof GLOBS[0]; i++) {
        int fits = selection_glob_fits(GLOBS[i].glob, td_bytes_str(GLOBS[i].text));
        if (fits != GLOBS[i].fits)
            fail_msg("'%s' on '%s': %d", GLOBS[i].glob, GLOBS[i].text, fits);
    }
}

static const char *const TRADE[] = {"trade"};
static const char *const BTC[] = {"BTC*", "ETHUSD"};
static const char *const INVERSE[] = {"inv*"};
static const char *const WIRE[] = {"trade.BTCUSD"};
static const char *const CONTROL[] = {"_control"};

typedef struct match_row {
    const char *name;
    selection_globs feeds, topics, symbols;
    const char *feed, *topic, *exchange_topic, *symbol;
    selection_answer answer;
} match_row;

#define ANY                                                                                        \
    {                                                                                              \
        NULL, 0                                                                                    \
    }

static const match_row MATCHES[] = {
    {"nothing given: all", ANY, ANY, ANY, "f", "trade", "trade.X", "X", SELECTION_YES},
    {"control too", ANY, ANY, ANY, "f", "_control", "", "", SELECTION_YES},
    {"topic", ANY, {TRADE, 1}, ANY, "f", "trade", "trade.X", "X", SELECTION_YES},
    {"another topic", ANY, {TRADE, 1}, ANY, "f", "klineV2.1", "", "X", SELECTION_NO},
    {"exchange's text", ANY, {WIRE, 1}, ANY, "f", "trade", "trade.BTCUSD", "BTCUSD", SELECTION_YES},
    {"symbols are alternatives", ANY, ANY, {BTC, 2}, "f", "trade", "", "ETHUSD", SELECTION_YES},
    {"another symbol", ANY, ANY, {BTC, 2}, "f", "trade", "", "EOSUSD", SELECTION_NO},
    {"kinds narrow", ANY, {TRADE, 1}, {BTC, 2}, "f", "order", "", "BTCUSD", SELECTION_NO},
    {"several symbols in a frame", ANY, ANY, {BTC, 2}, "f", "order", "order", "*", SELECTION_YES},
    {"no symbol is no match", ANY, ANY, {BTC, 2}, "f", "_control", "", "", SELECTION_NO},
    {"control by name", ANY, {CONTROL, 1}, ANY, "f", "_control", "", "", SELECTION_YES},
    {"another feed", {INVERSE, 1}, ANY, ANY, "linear", "trade", "", "X", SELECTION_NO},
    {"feed", {INVERSE, 1}, ANY, ANY, "inverse", "trade", "", "X", SELECTION_YES},
    {"events always", ANY, {TRADE, 1}, {BTC, 2}, "f", "_events", "", "", SELECTION_EVENTS},
    {"events of other feeds", {INVERSE, 1}, ANY, ANY, "x", "_events", "", "", SELECTION_NO},
    {"unknown is looked into", ANY, {TRADE, 1}, ANY, "f", "_unknown", "", "", SELECTION_CLASSIFY},
    {"unknown with all topics", ANY, ANY, ANY, "f", "_unknown", "", "", SELECTION_YES},
};

static void test_channels(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof MATCHES / sizeof MATCHES[0]; i++) {
        const match_row *row = &MATCHES[i];
        selection wanted = {.feeds = row->feeds, .topics = row->topics, .symbols = row->symbols};
        channel_info info = {.feed = row->feed,
                             .topic = row->topic,
                             .exchange_topic = row->exchange_topic,
                             .symbol = row->symbol};
        selection_answer answer = selection_match(&wanted, &info);
        if (answer != row->answer)
            fail_msg("%s: %d", row->name, (int)answer);
    }
}

/* Events `_arrivals` of earlier versions are ignored, also if they are selected by name. */
static void test_unknown_events(void **state)
{
    (void)state;
    static const char *const ARRIVALS[] = {"_arrivals"};
    const channel_info info = {.feed = "f",
                               .dir = CHANNEL_EVENT,
                               .topic = ARRIVALS[0],
                               .exchange_topic = "",
                               .symbol = ""};
    const selection all = {.has_from = 0};
    const selection named = {.topics = {ARRIVALS, 1}};
    assert_int_equal(selection_match(&all, &info), SELECTION_NO);
    assert_int_equal(selection_match(&named, &info), SELECTION_NO);
}

static void test_windows(void **state)
{
    (void)state;
    selection wanted = {0};
    selection_window window = selection_resolve(&wanted, 1000);
    assert_int_equal(window.from_ns, 0);
    assert_true(window.to_ns == UINT64_MAX);
    assert_false(selection_is_relative(&wanted));
    wanted.has_from = 1;
    wanted.from = (td_time_spec){TD_TIME_SINCE_FIRST, 90};
    wanted.has_to = 1;
    wanted.to = (td_time_spec){TD_TIME_ABSOLUTE, 5000};
    assert_true(selection_is_relative(&wanted));
    window = selection_resolve(&wanted, 1000);
    assert_int_equal(window.from_ns, 1090);
    assert_int_equal(window.to_ns, 5000);
    wanted.from.ns = UINT64_MAX;
    assert_true(selection_resolve(&wanted, 1000).from_ns == UINT64_MAX);
    /* A relative end counts from the given beginning, or from the first frame. */
    wanted.from.ns = 90;
    wanted.to = (td_time_spec){TD_TIME_SINCE_FIRST, 10};
    window = selection_resolve(&wanted, 1000);
    assert_int_equal(window.from_ns, 1090);
    assert_int_equal(window.to_ns, 1100);
    wanted.from = (td_time_spec){TD_TIME_ABSOLUTE, 4000};
    assert_false(selection_is_relative(&wanted));
    window = selection_resolve(&wanted, 1000);
    assert_int_equal(window.from_ns, 4000);
    assert_int_equal(window.to_ns, 4010);
    wanted.has_from = 0;
    assert_true(selection_is_relative(&wanted));
    assert_int_equal(selection_resolve(&wanted, 1000).to_ns, 1010);
}

static const char *const OPEN_CLASS[] = {"good", "[a-"};
static const char *const EMPTY[] = {""};

static void test_refused(void **state)
{
    (void)state;
    td_err err;
    selection bad = {.topics = {OPEN_CLASS, 2}};
    assert_int_equal(selection_check(&bad, &err), TD_E_INVALID);
    assert_non_null(strstr(err.text, "topic: glob '[a-'"));
    bad = (selection){.symbols = {EMPTY, 1}};
    assert_int_equal(selection_check(&bad, &err), TD_E_INVALID);
    bad = (selection){.has_from = 1, .has_to = 1, .from = {0, 7}, .to = {0, 7}};
    assert_int_equal(selection_check(&bad, &err), TD_E_INVALID);
    bad.to.ns = 8;
    assert_int_equal(selection_check(&bad, &err), TD_OK);
}

/* A gap has topic and symbol separately, or neither: every selection that it may affect includes
 * it. */
static void test_gaps(void **state)
{
    (void)state;
    static const char *const FULL[] = {"trade.BTCUSD"}, *const OTHER[] = {"trade.EOSUSD"},
                             *const BOOK[] = {"orderBook*"}, *const SYMBOL[] = {"BTC*"},
                             *const FEED[] = {"g"};
    static const struct {
        selection wanted;
        int has[3]; /* gap of a whole connection, of the topic, of the topic's BTCUSD */
    } ROWS[] = {
        {{.has_from = 0}, {1, 1, 1}},
        {{.topics = {TRADE, 1}}, {1, 1, 1}},
        {{.topics = {FULL, 1}}, {1, 1, 1}},
        {{.topics = {OTHER, 1}}, {1, 1, 0}},
        {{.topics = {BOOK, 1}}, {1, 0, 0}},
        {{.symbols = {SYMBOL, 1}}, {1, 1, 1}},
        {{.topics = {BOOK, 1}, .symbols = {SYMBOL, 1}}, {1, 0, 0}},
        {{.symbols = {OTHER, 1}}, {1, 1, 0}},
        {{.feeds = {FEED, 1}}, {0, 0, 0}},
    };
    const gap_row gaps[3] = {
        {.feed = "f", .topic = "", .symbol = ""},
        {.feed = "f", .topic = "trade", .symbol = ""},
        {.feed = "f", .topic = "trade", .symbol = "BTCUSD"},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++)
        for (size_t k = 0; k < 3; k++)
            if (selection_has_gap(&ROWS[i].wanted, &gaps[k]) != ROWS[i].has[k])
                fail_msg("row %zu, gap %zu", i, k);
}

/* Topics with text after their symbol: "book.A.raw" in the exchange's notation. */
static void test_gaps_of_ends(void **state)
{
    (void)state;
    static const struct {
        const char *wanted;
        int has; /* the gap of book.raw of A */
    } ROWS[] = {
        {"book.raw", 1}, {"book.A.raw", 1},   {"book.*.raw", 1}, {"*.raw", 1},
        {"book.A*", 1},  {"book.B.raw", 0},   {"book.B*", 0},    {"book.A.100ms", 0},
        {"book", 0},     {"trades.A.raw", 0}, {"book.raw.A", 1},
    };
    const gap_row gap = {.feed = "f", .topic = "book.raw", .symbol = "A"};
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        const selection wanted = {.topics = {&ROWS[i].wanted, 1}};
        if (selection_has_gap(&wanted, &gap) != ROWS[i].has)
            fail_msg("%s", ROWS[i].wanted);
    }
}

/* Whether a gap is about one topic and symbol, and whether a selection of exactly these wants it,
 * have the same answer. Frames of symbol "*" may name any symbol. */
static void test_gaps_of_one_topic(void **state)
{
    (void)state;
    static const char *const FEED[] = {"f"};
    static const struct {
        const char *row_topic, *row_symbol, *topic, *symbol;
        int is_about;
    } ROWS[] = {
        {"", "", "trade", "BTCUSD", 1},
        {"", "BTCUSD", "trade", "EOSUSD", 1},
        {"trade", "", "trade", "BTCUSD", 1},
        {"trade", "", "book", "BTCUSD", 0},
        {"trade", "BTCUSD", "trade", "BTCUSD", 1},
        {"trade", "BTCUSD", "trade", "EOSUSD", 0},
        {"trade", "BTCUSD", "book", "BTCUSD", 0},
        {"trade", "*", "trade", "BTCUSD", 1},
        {"trade", "BTCUSD", "trade", "*", 1},
        {"trade", "BTC", "trade", "BTCUSD", 0},
        {"trade", "BTCUSD", "tradeX", "BTCUSD", 0},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        const gap_row gap = {.feed = "f", .topic = ROWS[i].row_topic, .symbol = ROWS[i].row_symbol};
        const selection wanted = {
            .feeds = {FEED, 1}, .topics = {&ROWS[i].topic, 1}, .symbols = {&ROWS[i].symbol, 1}};
        if (gap_row_affects_topic(&gap, ROWS[i].topic, ROWS[i].symbol) != ROWS[i].is_about)
            fail_msg("row %zu: one topic", i);
        if (selection_has_gap(&wanted, &gap) != ROWS[i].is_about)
            fail_msg("row %zu: the selection of it", i);
    }
    /* A whole feed is affected only by gaps of whole connections. */
    assert_true(gap_row_affects_topic(&(gap_row){.topic = "", .symbol = ""}, "", ""));
    assert_false(gap_row_affects_topic(&(gap_row){.topic = "trade", .symbol = ""}, "", ""));
}

static const gap_row CONNECTION_GAP = {
    .feed = "inverse", .topic = "", .symbol = "", .from_ns = 100, .to_ns = 200};
static const gap_row TOPIC_GAP = {
    .feed = "inverse", .topic = "trade", .symbol = "BTCUSD", .from_ns = 100, .to_ns = GAP_OPEN};

static const char *const BOOK[] = {"orderBook*"};
static const char *const ONE_SYMBOL[] = {"BTC*"};
static const char *const EOS[] = {"EOSUSD"};
static const char *const LINEAR[] = {"linear"};

typedef struct wants_row {
    const char *name;
    selection wanted;
    selection_window window;
    int wants_connection; /* 1: wants the gap of a whole connection */
    int wants_topic;      /* 1: wants the gap of trade.BTCUSD, which is still open */
} wants_row;

static const wants_row WANTS[] = {
    {"everything", {.has_from = 0}, {0, UINT64_MAX}, 1, 1},
    {"its topic", {.topics = {TRADE, 1}}, {0, UINT64_MAX}, 1, 1},
    {"another topic", {.topics = {BOOK, 1}}, {0, UINT64_MAX}, 1, 0},
    {"its symbol", {.symbols = {ONE_SYMBOL, 1}}, {0, UINT64_MAX}, 1, 1},
    {"another symbol", {.symbols = {EOS, 1}}, {0, UINT64_MAX}, 1, 0},
    {"another feed", {.feeds = {LINEAR, 1}}, {0, UINT64_MAX}, 0, 0},
    {"before both", {.has_from = 0}, {0, 100}, 0, 0},
    {"their first moment", {.has_from = 0}, {0, 101}, 1, 1},
    {"from the end of one on", {.has_from = 0}, {200, UINT64_MAX}, 0, 1},
    {"its last moment", {.has_from = 0}, {199, UINT64_MAX}, 1, 1},
    {"after the one that has an end", {.has_from = 0}, {201, UINT64_MAX}, 0, 1},
    {"across the end", {.has_from = 0}, {150, 160}, 1, 1},
};

static void test_gaps_of_a_selection(void **state)
{
    (void)state;
    gap_row empty = CONNECTION_GAP;
    empty.to_ns = empty.from_ns;
    const selection all = {.has_from = 0};
    assert_true(selection_wants_gap(&all, (selection_window){100, 101}, &empty));
    assert_false(selection_wants_gap(&all, (selection_window){101, 102}, &empty));
    assert_false(selection_wants_gap(&all, (selection_window){99, 100}, &empty));
    for (size_t i = 0; i < sizeof WANTS / sizeof WANTS[0]; i++) {
        const wants_row *row = &WANTS[i];
        if (selection_wants_gap(&row->wanted, row->window, &CONNECTION_GAP) !=
                row->wants_connection ||
            selection_wants_gap(&row->wanted, row->window, &TOPIC_GAP) != row->wants_topic)
            fail_msg("%s", row->name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_globs),
        cmocka_unit_test(test_channels),
        cmocka_unit_test(test_unknown_events),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_gaps_of_ends),
        cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_gaps_of_one_topic),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_gaps_of_a_selection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
