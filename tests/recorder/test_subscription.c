/* The topics of a feed, and their connections. Expected: the rules in recorder/subscription.h and
 * symbols.h, and docs/wire.md 1.3 for the limits of a connection. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "tests/testing/io_fault.h"
#include "recorder/subscription.h"
#include "schema/dialect.h"

static feed_config feed_of(const char *family_name)
{
    feed_config feed;
    config_feed_init(&feed);
    feed.name = "x";
    feed.family = family_find(td_bytes_str(family_name));
    assert_non_null(feed.family);
    return feed;
}

static options_list *list_put(options_list *list, const char *text)
{
    list->items[list->count++] = text;
    return list;
}

/* Both steps; symbols that are not from a file need no disk. */
static td_result plan(const feed_config *feed, td_io io, subscription *out, td_err *err)
{
    symbol_list symbols;
    td_result rc = symbols_open(feed, io, NULL, &symbols, err);
    if (rc != TD_OK)
        return rc;
    rc = subscription_open(feed, &symbols, out, err);
    symbols_fini(&symbols);
    return rc;
}

static void must_plan(const feed_config *feed, td_io io, subscription *out)
{
    td_err err;
    if (plan(feed, io, out, &err) == TD_OK)
        return;
    fail_msg("%s", err.text);
    abort(); /* not reached */
}

static void assert_error_has(const td_err *err, const char *words)
{
    if (words == NULL || strstr(err->text, words) == NULL)
        fail_msg("'%s' lacks '%s'", err->text, words == NULL ? "" : words);
}

/* In dialects that cannot request all symbols, a topic without a symbol would be refused. */
static void a_topic_without_its_symbol(void **state)
{
    (void)state;
    static const struct {
        const char *family, *topic;
        const char *words; /* NULL: accepted */
    } ROWS[] = {
        {"v5-linear", "orderbook.50", "topic 'orderbook.50' needs a symbol"},
        {"v5-option", "publicTrade", "topic 'publicTrade' needs a symbol"},
        {"contract-v3", "tickers", "topic 'tickers' needs a symbol"},
        {"deribit", "book.raw", "topic 'book.raw' needs a symbol"},
        {"v5-linear", "orderbook.50.BTCUSDT", NULL},
        {"deribit", "book.BTC-PERPETUAL.raw", NULL},
        {"v5-linear", "new.topic", NULL}, /* the exchange may know the topic */
        {"v5-misc", "system.status", NULL},
        {"inverse", "trade", NULL}, /* all symbols */
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        subscription wanted = {0};
        td_err err;
        feed_config feed = feed_of(ROWS[i].family);
        list_put(&feed.topics, ROWS[i].topic);
        td_result rc = plan(&feed, (td_io){0}, &wanted, &err);
        if (rc != (ROWS[i].words == NULL ? TD_OK : TD_E_INVALID))
            fail_msg("%s: %d", ROWS[i].topic, rc);
        if (rc != TD_OK)
            assert_error_has(&err, ROWS[i].words);
        subscription_fini(&wanted);
    }
}

/* A topic that includes its symbol is unchanged; a topic's name alone is combined with each symbol.
 */
static void complete_topics_are_not_crossed(void **state)
{
    (void)state;
    static const struct {
        const char *family, *topic, *wanted;
    } ROWS[] = {
        {"usdc-option", "recenttrades.BTC", "recenttrades.BTC"},
        {"usdc-option", "instrument_info.all", "instrument_info.all.X"},
        {"usdc-option", "orderbook25", "orderbook25.X"},
        {"v5-linear", "publicTrade.BTCUSDT", "publicTrade.BTCUSDT"},
        {"v5-linear", "orderbook.50", "orderbook.50.X"},
        {"v5-linear", "kline.1", "kline.1.X"},
        {"v5-linear", "new", "new.X"},
        {"inverse", "orderBook_200.100ms", "orderBook_200.100ms.X"},
        {"inverse", "klineV2.1", "klineV2.1.X"},
        {"inverse", "wallet", "wallet"},
        {"spot-v1", "kline.1m", "kline.1m.X"},
        {"spot-v1", "kline.1m.BTCUSDT", "kline.1m.BTCUSDT"},
        {"deribit", "book.raw", "book.X.raw"},
        {"deribit", "ticker.100ms", "ticker.X.100ms"},
        {"deribit", "book.Y.raw", "book.Y.raw"},
        {"deribit", "book", "book.X"},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        subscription wanted = {0};
        feed_config feed = feed_of(ROWS[i].family);
        list_put(&feed.topics, ROWS[i].topic);
        list_put(&feed.symbols, "X");
        must_plan(&feed, (td_io){0}, &wanted);
        assert_int_equal(wanted.topic_count, 1);
        assert_string_equal(wanted.topics[0], ROWS[i].wanted);
        subscription_fini(&wanted);
    }
    /* every row whose pattern has a symbol is combined, whatever its name */
    size_t count;
    const family *const *families = family_table(&count);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < families[i]->topic_count; k++) {
            const topic_row *row = &families[i]->topics[k];
            const int has_several = strchr(row->pattern, '{') != strrchr(row->pattern, '{');
            if (!topic_row_has_symbol(row) || strchr(row->name, '{') != NULL || has_several ||
                dialect_subscribes_with_auth(families[i]->dialect))
                continue;
            subscription wanted = {0};
            feed_config feed = feed_of(families[i]->name);
            list_put(&feed.topics, row->name);
            list_put(&feed.symbols, "X");
            if (plan(&feed, (td_io){0}, &wanted, NULL) != TD_OK)
                continue; /* the name lacks a parameter */
            if (strlen(wanted.topics[0]) != strlen(row->name) + 2)
                fail_msg("%s: %s", families[i]->name, wanted.topics[0]);
            subscription_fini(&wanted);
        }
    }
}

static void topics_are_crossed_with_symbols_and_spread(void **state)
{
    (void)state;
    size_t count;
    subscription wanted = {0};
    feed_config feed = feed_of("inverse");
    list_put(list_put(&feed.topics, "trade"), "orderBookL2_25");
    list_put(list_put(list_put(&feed.symbols, "BTCUSD"), "EOSUSD"), "BTCUSD");
    feed.max_topics_per_connection = 3;
    assert_int_equal(plan(&feed, (td_io){0}, &wanted, NULL), TD_OK);
    assert_int_equal(wanted.shard_count, 2);
    const char *const *topics = subscription_shard(&wanted, 0, &count);
    assert_int_equal(count, 3);
    assert_string_equal(topics[0], "trade.BTCUSD");
    assert_string_equal(topics[1], "trade.EOSUSD");
    assert_string_equal(topics[2], "orderBookL2_25.BTCUSD");
    topics = subscription_shard(&wanted, 1, &count);
    assert_int_equal(count, 1);
    assert_string_equal(topics[0], "orderBookL2_25.EOSUSD");
    subscription_fini(&wanted);
}

static void topics_without_symbols_stay_as_they_are(void **state)
{
    (void)state;
    size_t count;
    subscription wanted = {0};
    feed_config feed = feed_of("inverse");
    list_put(list_put(list_put(&feed.topics, "trade.BTCUSD|EOSUSD"), "trade.*"), "trade.*");
    assert_int_equal(plan(&feed, (td_io){0}, &wanted, NULL), TD_OK);
    const char *const *topics = subscription_shard(&wanted, 0, &count);
    assert_int_equal(count, 2); /* each once */
    assert_string_equal(topics[0], "trade.BTCUSD|EOSUSD");
    subscription_fini(&wanted);
}

/* "*" and lists, in dialects that have them; the others need a file. */
static void stars_and_lists(void **state)
{
    (void)state;
    static const struct {
        const char *family, *topic, *symbol, *wanted, *error;
    } ROWS[] = {
        {"inverse", "trade", "*", "trade.*", NULL},
        {"inverse", "trade", "BTCUSD|EOSUSD", "trade.BTCUSD|EOSUSD", NULL},
        {"v5-linear", "publicTrade", "*", NULL, "no '*'"},
        {"v5-linear", "publicTrade.*", NULL, NULL, "no '*'"},
        {"deribit", "book.raw", "*", NULL, "no '*'"},
        {"deribit", "book.*.raw", NULL, NULL, "no '*'"},
        {"deribit", "book.A|B.raw", NULL, NULL, "no list"},
        {"spot-v1", "trade", "*", NULL, "no '*'"},
        {"spot-v1", "trade", NULL, NULL, "needs a symbol"},
        {"spot-v1", "kline", "BTCUSDT", NULL, "klineType"},
        {"spot-v1", "kline.1m", "BTCUSDT", "kline.1m.BTCUSDT", NULL},
        {"v5-option", "orderbook.25", "BTC-31DEC21-36000-P", "orderbook.25.BTC-31DEC21-36000-P",
         NULL},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        td_err err = {0};
        subscription wanted = {0};
        feed_config feed = feed_of(ROWS[i].family);
        list_put(&feed.topics, ROWS[i].topic);
        if (ROWS[i].symbol != NULL)
            list_put(&feed.symbols, ROWS[i].symbol);
        td_result rc = plan(&feed, (td_io){0}, &wanted, &err);
        print_message("  %s %s %s\n", ROWS[i].family, ROWS[i].topic, rc == TD_OK ? "" : err.text);
        assert_int_equal(rc, ROWS[i].wanted != NULL ? TD_OK : TD_E_INVALID);
        if (rc == TD_OK)
            assert_string_equal(wanted.topics[0], ROWS[i].wanted);
        else
            assert_error_has(&err, ROWS[i].error);
        subscription_fini(&wanted);
    }
}

/* docs/wire.md 1.5: the args of a public v5 connection may have 21,000 characters in total, those
 * of options 2,000 args. */
static void connections_hold_what_they_may(void **state)
{
    (void)state;
    enum { SYMBOLS = 1500 };
    static char names[SYMBOLS][32];
    static const char *symbols[SYMBOLS];
    for (int i = 0; i < SYMBOLS; i++) {
        (void)snprintf(names[i], sizeof names[i], "SYMBOL%04dUSDT", i);
        symbols[i] = names[i];
    }
    static const struct {
        const char *family, *topic;
        size_t bytes_max, topics_max;
    } ROWS[] = {{"v5-linear", "orderbook.50", 21000, 0}, {"inverse", "trade", 0, 0}};
    for (size_t r = 0; r < sizeof ROWS / sizeof *ROWS; r++) {
        subscription wanted = {0};
        feed_config feed = feed_of(ROWS[r].family);
        list_put(&feed.topics, ROWS[r].topic);
        symbol_list all = {.items = symbols, .count = SYMBOLS};
        assert_int_equal(subscription_open(&feed, &all, &wanted, NULL), TD_OK);
        assert_int_equal(wanted.topic_count, SYMBOLS);
        size_t seen = 0;
        for (uint32_t k = 0; k < wanted.shard_count; k++) {
            size_t count;
            size_t bytes = 0;
            const char *const *topics = subscription_shard(&wanted, k, &count);
            assert_true(count > 0);
            for (size_t i = 0; i < count; i++)
                bytes += strlen(topics[i]);
            seen += count;
            assert_true(ROWS[r].bytes_max == 0 || bytes <= ROWS[r].bytes_max);
        }
        assert_int_equal(seen, SYMBOLS);
        /* 1,500 topics of 27 characters are 40,500, so at least two connections, each at least half
         * full. */
        assert_in_range(wanted.shard_count, ROWS[r].bytes_max == 0 ? 1 : 2,
                        ROWS[r].bytes_max == 0 ? 1 : 3);
        subscription_fini(&wanted);
    }
}

/* Frames of each shard, by the last part of a topic's name: "tickers.S7" has 7 % of 100. */
static void balanced_connections(void **state)
{
    (void)state;
    enum { SYMBOLS = 300, SHARDS = 3, TOPICS = 2 * SYMBOLS };
    static char names[SYMBOLS][16];
    static const char *symbols[SYMBOLS];
    static uint64_t frames[TOPICS];
    static past_load past[TOPICS];
    for (int i = 0; i < SYMBOLS; i++) {
        (void)snprintf(names[i], sizeof names[i], "S%d", i);
        symbols[i] = names[i];
    }
    enum knowledge { NOTHING, ALL, SOME };
    for (enum knowledge known = NOTHING; known <= SOME; known++) {
        subscription wanted = {0};
        feed_config feed = feed_of("v5-linear");
        feed.max_topics_per_connection = TOPICS / SHARDS + 10;
        list_put(list_put(&feed.topics, "orderbook.50"), "tickers");
        symbol_list all = {.items = symbols, .count = SYMBOLS};
        assert_int_equal(subscription_open(&feed, &all, &wanted, NULL), TD_OK);
        assert_int_equal(wanted.shard_count, SHARDS);
        /* Books have ten times as many frames, and the first symbols most of them. */
        for (size_t i = 0; i < TOPICS; i++) {
            uint64_t usual = i < SYMBOLS ? 1000 : 100;
            frames[i] = known == NOTHING              ? 0
                        : known == SOME && i % 2 == 0 ? 0
                                                      : usual + 20000 / (1 + i % SYMBOLS);
        }
        for (size_t i = 0; i < TOPICS; i++)
            past[i] = (past_load){frames[i], SUBSCRIPTION_NO_SHARD};
        subscription_balance(&wanted, &feed, past);
        assert_int_equal(wanted.shard_count, SHARDS);
        assert_int_equal(wanted.topic_count, TOPICS);
        size_t seen = 0;
        for (uint32_t k = 0; k < SHARDS; k++) {
            size_t count;
            size_t books = 0;
            uint64_t sum = 0;
            const char *const *topics = subscription_shard(&wanted, k, &count);
            assert_true(count <= TOPICS / SHARDS + 10);
            for (size_t i = 0; i < count; i++) {
                size_t symbol = strtoul(strchr(topics[i], 'S') + 1, NULL, 10);
                int is_book = strncmp(topics[i], "orderbook", 9) == 0;
                assert_int_equal(name_index_find(&wanted.by_name, td_bytes_str(topics[i])),
                                 seen + i);
                assert_int_equal(subscription_shard_of(&wanted, seen + i), k);
                sum += frames[(is_book ? 0 : SYMBOLS) + symbol];
                books += (size_t)is_book;
            }
            seen += count;
            if (known == NOTHING)
                assert_int_equal(books, SYMBOLS / SHARDS);
            if (known == ALL) /* 581,026 in all: within 1 % */
                assert_in_range(sum, 191738, 195612);
        }
        assert_int_equal(seen, TOPICS);
        subscription_fini(&wanted);
    }
}

/* Topics stay where they were recorded, as long as no connection has far more frames than it must;
 * new ones go where space and frames allow it. */
static void topics_stay_on_their_connections(void **state)
{
    (void)state;
    enum { TOPICS = 8, NEW = UINT16_MAX };
    static const char *const NAMES[] = {"A", "B", "C", "D", "E", "F", "G", "H"};
    static const struct {
        past_load past[TOPICS];
        const char *shards; /* of A, B, ... */
    } ROWS[] = {
        {{{10, 1}, {10, 0}, {10, 1}, {10, 0}, {10, 1}, {10, 0}, {10, 1}, {10, 0}}, "10101010"},
        {{{100, 1}, {10, 1}, {10, 1}, {10, 0}, {10, 1}, {10, 0}, {10, 0}, {90, 0}}, "11101000"},
        /* most frames on one connection: too many */
        {{{100, 0}, {100, 0}, {100, 0}, {100, 0}, {1, 1}, {1, 1}, {1, 1}, {1, 1}}, "01010101"},
        /* E to H are new */
        {{{20, 1}, {10, 1}, {15, 0}, {12, 0}, {0, NEW}, {0, NEW}, {0, NEW}, {0, NEW}}, "11000101"},
        /* a connection that would have no topic */
        {{{1, 2}, {1, 2}, {1, 2}, {1, 2}, {1, 0}, {1, 0}, {1, 0}, {1, 0}}, "01010101"},
    };
    for (size_t r = 0; r < sizeof ROWS / sizeof *ROWS; r++) {
        char found[TOPICS + 1] = "";
        past_load past[TOPICS];
        subscription wanted = {0};
        feed_config feed = feed_of("v5-linear");
        feed.max_topics_per_connection = 5;
        list_put(&feed.topics, "tickers");
        symbol_list all = {.items = (const char **)NAMES, .count = TOPICS};
        assert_int_equal(subscription_open(&feed, &all, &wanted, NULL), TD_OK);
        for (size_t i = 0; i < TOPICS; i++) {
            past[i] = ROWS[r].past[i];
            past[i].shard = past[i].shard == NEW ? SUBSCRIPTION_NO_SHARD : past[i].shard;
        }
        subscription_balance(&wanted, &feed, past);
        for (size_t i = 0; i < TOPICS; i++) {
            char name[16];
            (void)snprintf(name, sizeof name, "tickers.%s", NAMES[i]);
            size_t topic = name_index_find(&wanted.by_name, td_bytes_str(name));
            found[i] = (char)('0' + subscription_shard_of(&wanted, topic));
        }
        if (strcmp(found, ROWS[r].shards) != 0)
            fail_msg("row %zu: %s, expected %s", r, found, ROWS[r].shards);
        subscription_fini(&wanted);
    }
}

static symbol_list symbols_of(const char **names, size_t count)
{
    return (symbol_list){.items = names, .count = count};
}

static void assert_numbers(topic_numbers *found, const char *expected)
{
    char text[256] = "";
    for (size_t i = 0; i < found->count; i++)
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%zu ", found->items[i]);
    assert_string_equal(text, expected);
    td_free(found->items);
}

/* New symbols go to the last connection, as far as it has space; ended ones keep their place. */
static void symbols_begin_and_end(void **state)
{
    (void)state;
    subscription wanted = {0};
    topic_numbers changed;
    td_err err;
    feed_config feed = feed_of("v5-linear");
    feed.max_topics_per_connection = 5;
    feed.is_audited = 1; /* publicTrade by kline.1 */
    list_put(&feed.topics, "publicTrade");
    list_put(&feed.topics, "tickers.BTCUSDT");
    symbol_list first = symbols_of((const char *[]){"A"}, 1);
    symbol_list more = symbols_of((const char *[]){"A", "B"}, 2);
    assert_int_equal(subscription_open(&feed, &first, &wanted, &err), TD_OK);
    assert_int_equal(wanted.topic_count, 3);
    assert_int_equal(subscription_add(&wanted, &feed, &more, &changed, &err), TD_OK);
    assert_numbers(&changed, "3 4 ");
    assert_string_equal(wanted.topics[3], "publicTrade.B");
    assert_string_equal(wanted.topics[4], "kline.1.B");
    assert_int_equal(wanted.shard_count, 1);
    symbol_list third = symbols_of((const char *[]){"C"}, 1);
    assert_int_equal(subscription_add(&wanted, &feed, &third, &changed, &err), TD_OK);
    assert_numbers(&changed, "5 6 ");
    assert_int_equal(wanted.shard_count, 2);
    assert_int_equal(subscription_shard_of(&wanted, 4), 0);
    assert_int_equal(subscription_shard_of(&wanted, 5), 1);
    subscription_end(&wanted, &feed, &more, &changed);
    assert_numbers(&changed, "0 3 2 4 ");
    subscription_end(&wanted, &feed, &more, &changed);
    assert_numbers(&changed, "");
    assert_false(wanted.is_ended[1]); /* tickers.BTCUSDT does not depend on symbols */
    assert_int_equal(subscription_add(&wanted, &feed, &first, &changed, &err), TD_OK);
    assert_numbers(&changed, "0 2 ");
    assert_int_equal(wanted.topic_count, 7);
    subscription_fini(&wanted);
}

/* Topics that another configuration lacks end, and others begin; the rest keep number and shard. */
static void another_subscription_keeps_what_both_have(void **state)
{
    (void)state;
    subscription running = {0};
    subscription wanted = {0};
    topic_numbers begun;
    topic_numbers ended;
    td_err err;
    feed_config feed = feed_of("v5-linear");
    feed_config other = feed_of("v5-linear");
    feed.max_topics_per_connection = other.max_topics_per_connection = 4;
    list_put(list_put(&feed.topics, "publicTrade"), "tickers");
    list_put(list_put(&other.topics, "orderbook.50"), "publicTrade");
    symbol_list first = symbols_of((const char *[]){"A", "B"}, 2);
    symbol_list second = symbols_of((const char *[]){"B", "C"}, 2);
    assert_int_equal(subscription_open(&feed, &first, &running, &err), TD_OK);
    assert_int_equal(subscription_open(&other, &second, &wanted, &err), TD_OK);
    assert_int_equal(subscription_change(&running, &other, &wanted, &begun, &ended, &err), TD_OK);
    assert_string_equal(running.topics[1], "publicTrade.B");
    assert_false(running.is_ended[1]);
    assert_numbers(&ended, "0 2 3 ");
    assert_numbers(&begun, "4 5 6 ");
    assert_int_equal(running.shard_count, 2);
    assert_int_equal(subscription_change(&running, &other, &wanted, &begun, &ended, &err), TD_OK);
    assert_numbers(&ended, "");
    assert_numbers(&begun, "");
    subscription_fini(&wanted);
    assert_int_equal(subscription_open(&feed, &first, &wanted, &err), TD_OK);
    assert_int_equal(subscription_change(&running, &feed, &wanted, &begun, &ended, &err), TD_OK);
    assert_numbers(&begun, "0 2 3 "); /* continue where they were */
    assert_numbers(&ended, "4 5 6 ");
    const subscription none = {0};
    assert_int_equal(subscription_change(&running, &feed, &none, &begun, &ended, &err), TD_OK);
    assert_numbers(&begun, "");
    assert_numbers(&ended, "0 1 2 3 ");
    subscription_fini(&wanted);
    subscription_fini(&running);
}

/* What does not fit is not added, and all else stays. */
static void symbols_beyond_the_last_connection(void **state)
{
    (void)state;
    static char names[LIMIT_FEED_SLOTS + 2][16];
    static const char *symbols[LIMIT_FEED_SLOTS + 2];
    subscription wanted = {0};
    topic_numbers changed;
    td_err err;
    feed_config feed = feed_of("v5-linear");
    feed.max_age_ns = 0; /* no slot for a connection that takes over */
    feed.max_topics_per_connection = 1;
    list_put(&feed.topics, "publicTrade");
    for (size_t i = 0; i < LIMIT_FEED_SLOTS + 2; i++) {
        (void)snprintf(names[i], sizeof names[i], "S%zu", i);
        symbols[i] = names[i];
    }
    symbol_list first = symbols_of(symbols, LIMIT_FEED_SLOTS - 1);
    symbol_list rest = symbols_of(symbols + LIMIT_FEED_SLOTS - 1, 3);
    assert_int_equal(subscription_open(&feed, &first, &wanted, &err), TD_OK);
    assert_int_equal(subscription_add(&wanted, &feed, &rest, &changed, &err), TD_E_LIMIT);
    assert_numbers(&changed, "255 ");
    assert_int_equal(wanted.shard_count, LIMIT_FEED_SLOTS);
    assert_int_equal(wanted.shards[wanted.shard_count], LIMIT_FEED_SLOTS);
    subscription_fini(&wanted);
}

static void too_many_connections_are_refused(void **state)
{
    (void)state;
    static char names[LIMIT_FEED_SLOTS + 1][16];
    td_err err;
    subscription wanted = {0};
    feed_config feed = feed_of("inverse");
    feed.max_topics_per_connection = 1;
    for (size_t i = 0; i < LIMIT_FEED_SLOTS + 1; i++) {
        (void)snprintf(names[i], sizeof names[i], "t.%zu", i);
        list_put(&feed.topics, names[i]);
    }
    assert_int_equal(plan(&feed, (td_io){0}, &wanted, &err), TD_E_LIMIT);
    assert_non_null(strstr(err.text, "max_topics_per_connection"));
}

/* ---- symbols of a file ---- */

static void put_file(td_io io, const char *path, const char *text)
{
    td_file *file = NULL;
    assert_int_equal(td_io_open(io, path, TD_OPEN_CREATE, &file, NULL), TD_OK);
    assert_int_equal(td_io_append(file, text, strlen(text), NULL), TD_OK);
    td_io_close(file);
}

static void symbols_of_a_file_follow(void **state)
{
    (void)state;
    static const char TEXT[] =
        "\xef\xbb\xbf# what is traded\nBTCUSDT\r\n\n ETHUSDT \nSOLUSD\nBTC-PERP\nBTCUSDT";
    static const char *const TOPICS[] = {"trade.SOLUSD", "trade.BTCUSDT", "trade.ETHUSDT",
                                         "trade.BTC-PERP"};
    subscription wanted = {0};
    io_fault *disk = io_fault_open();
    put_file(io_fault_io(disk), "symbols.txt", TEXT);
    feed_config feed = feed_of("inverse");
    feed.symbols_file = "symbols.txt";
    list_put(&feed.topics, "trade");
    list_put(&feed.symbols, "SOLUSD");
    must_plan(&feed, io_fault_io(disk), &wanted);
    assert_int_equal(wanted.topic_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(wanted.topics[i], TOPICS[i]);
    subscription_fini(&wanted);
    io_fault_close(disk);
}

static void files_that_are_none(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
    } ROWS[] = {
        {"", "lists no symbol"},
        {"# nothing\n\n", "lists no symbol"},
        {"BTCUSD\nETH USD\n", "symbols.txt:2: 'ETH USD' is not a symbol"},
        {"BTC*\n", "symbols.txt:1: 'BTC*' is not a symbol"},
        {NULL, "cannot read the symbols in 'symbols.txt'"},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        td_err err = {0};
        subscription wanted = {0};
        io_fault *disk = io_fault_open();
        if (ROWS[i].text != NULL)
            put_file(io_fault_io(disk), "symbols.txt", ROWS[i].text);
        feed_config feed = feed_of("inverse");
        feed.symbols_file = "symbols.txt";
        list_put(&feed.topics, "trade");
        assert_int_equal(plan(&feed, io_fault_io(disk), &wanted, &err), TD_E_INVALID);
        if (strstr(err.text, ROWS[i].error) == NULL)
            fail_msg("%s", err.text);
        io_fault_close(disk);
    }
}

/* ---- audits ---- */

static int has_topic(const subscription *wanted, const char *topic)
{
    for (size_t i = 0; i < wanted->topic_count; i++)
        if (strcmp(wanted->topics[i], topic) == 0)
            return 1;
    return 0;
}

/* Candles for trades, the second depth for a book (docs/wire.md 6.4), in the topic's form. */
static void audits_are_added(void **state)
{
    (void)state;
    subscription wanted = {0};
    feed_config feed = feed_of("inverse");
    feed.is_audited = 1;
    list_put(list_put(list_put(&feed.topics, "trade.BTCUSD|EOSUSD"), "orderBookL2_25.BTCUSD"),
             "instrument_info.100ms.BTCUSD");
    assert_int_equal(plan(&feed, (td_io){0}, &wanted, NULL), TD_OK);
    assert_int_equal(wanted.topic_count, 5);
    assert_true(has_topic(&wanted, "klineV2.1.BTCUSD|EOSUSD"));
    assert_true(has_topic(&wanted, "orderBook_200.100ms.BTCUSD"));
    subscription_fini(&wanted);
    feed.topics.count = 0;
    list_put(list_put(list_put(&feed.topics, "trade"), "orderBookL2_25"), "orderBook_200.100ms");
    list_put(&feed.symbols, "BTCUSD");
    assert_int_equal(plan(&feed, (td_io){0}, &wanted, NULL), TD_OK);
    assert_int_equal(wanted.topic_count, 4); /* the second depth had been requested already */
    assert_true(has_topic(&wanted, "klineV2.1.BTCUSD"));
    subscription_fini(&wanted);
}

/* Every row's audit is a topic of its family. */
static void audits_are_topics(void **state)
{
    (void)state;
    size_t family_count;
    size_t audits = 0;
    const family *const *families = family_table(&family_count);
    for (size_t f = 0; f < family_count; f++) {
        for (size_t t = 0; t < families[f]->topic_count; t++) {
            const topic_row *row = &families[f]->topics[t];
            if (row->audit == NULL)
                continue;
            char text[LIMIT_TOPIC_BYTES];
            topic_match found;
            (void)snprintf(text, sizeof text, "%s.BTCUSDT", row->audit);
            print_message("  %s %s: %s\n", families[f]->name, row->name, row->audit);
            assert_string_not_equal(row->audit, row->name);
            assert_true(topic_match_text(families[f]->topics, families[f]->topic_count,
                                         td_bytes_str(text), TOPIC_NOW, &found));
            assert_true(topic_row_has_symbol(found.row));
            audits++;
        }
    }
    assert_true(audits >= 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topics_are_crossed_with_symbols_and_spread),
        cmocka_unit_test(a_topic_without_its_symbol),
        cmocka_unit_test(complete_topics_are_not_crossed),
        cmocka_unit_test(topics_without_symbols_stay_as_they_are),
        cmocka_unit_test(stars_and_lists),
        cmocka_unit_test(connections_hold_what_they_may),
        cmocka_unit_test(balanced_connections),
        cmocka_unit_test(topics_stay_on_their_connections),
        cmocka_unit_test(too_many_connections_are_refused),
        cmocka_unit_test(symbols_begin_and_end),
        cmocka_unit_test(another_subscription_keeps_what_both_have),
        cmocka_unit_test(symbols_beyond_the_last_connection),
        cmocka_unit_test(symbols_of_a_file_follow),
        cmocka_unit_test(files_that_are_none),
        cmocka_unit_test(audits_are_added),
        cmocka_unit_test(audits_are_topics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
