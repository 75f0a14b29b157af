/* Names, clashes and choices of an export, from docs/export.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "export/export_name.h"
#include "export/export_writers.h"
#include "export/rows_hftbacktest.h"
#include "schema/family.h"

static const export_format *format_of(const char *name)
{
    size_t count = 0;
    const export_format *const *formats = export_format_table(&count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(formats[i]->name, name) == 0)
            return formats[i];
    fail_msg("no format %s", name);
    return NULL;
}

/* ---- tables ---- */

static void test_formats(void **state)
{
    (void)state;
    const export_format *format;
    int has_deltas = 0;
    size_t count = 0;
    const export_format *const *formats = export_format_table(&count);
    for (size_t i = 0; i < count; i++) {
        assert_true(formats[i]->name[0] != '\0');
        assert_true(formats[i]->summary[0] != '\0');
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(formats[i]->name, formats[k]->name);
        /* Joined writers are found by the feed of a channel. */
        for (size_t k = 0; k < export_format_type_count(formats[i]); k++) {
            const export_type *type = export_format_type(formats[i], k).type;
            assert_true(formats[i]->grouping != EXPORT_JOINED ||
                        (type->day == NULL && (type->flags & EXPORT_OF_REPLIES) == 0));
        }
    }
    format = format_of("tardis-csv");
    for (size_t i = 0; i < export_format_type_count(format); i++)
        has_deltas |= strcmp(export_format_type(format, i).name, "incremental_book_L2") == 0 &&
                      export_format_type(format, i).type == &EXPORT_BOOK_DELTAS;
    assert_true(has_deltas);
}

/* Checks that the table of types is as makers and formats require. */
static void test_types(void **state)
{
    (void)state;
    size_t count = 0;
    const export_type *const *types = export_type_table(&count);
    export_message_types_init(types, count);
    for (size_t i = 0; i < count; i++) {
        assert_true(types[i]->name[0] != '\0');
        assert_true(types[i]->column_count > 0);
        for (size_t k = 0; k < types[i]->column_count; k++) {
            assert_non_null(types[i]->columns[k].name);
            assert_int_not_equal(types[i]->columns[k].type, VALUE_ABSENT);
        }
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(types[i]->name, types[k]->name);
    }
}

/* A topic of any family that gives rows of a type is read for it. */
static void test_types_need_what_they_take(void **state)
{
    static const char *const SYMBOLS[] = {"BTCUSDT", "BTC-USDT-SWAP", "BTC-PERPETUAL",
                                          "BTC-31JUL26-60000-C"};
    static const export_type *const OTHERS[] = {&EXPORT_HFT_DEPTH, &EXPORT_HFT_BBO};
    const export_settings settings = {.bar_ns = 1, .has_bbo = 1};
    size_t family_count = 0, type_count = 0;
    const family *const *families = family_table(&family_count);
    const export_type *const *types = export_type_table(&type_count);
    (void)state;
    for (size_t i = 0; i < family_count * type_count; i++)
        for (size_t k = 0; k < families[i / type_count]->topic_count; k++)
            for (size_t at = 0; at < sizeof SYMBOLS / sizeof SYMBOLS[0]; at++) {
                const family *of = families[i / type_count];
                const export_type *type = types[i % type_count];
                const frame_channel channel = {.info = {.symbol = SYMBOLS[at]},
                                               .family = of,
                                               .role = ROLE_DATA,
                                               .topic = {.row = &of->topics[k]}};
                assert_true(!export_type_takes(type, &settings, &channel) ||
                            export_type_needs(type, &of->topics[k]));
                for (size_t o = 0; o < sizeof OTHERS / sizeof OTHERS[0]; o++)
                    assert_true(!export_type_takes(OTHERS[o], &settings, &channel) ||
                                export_type_needs(OTHERS[o], &of->topics[k]));
            }
}

/* Types read the topics of their rows, and those that show losses of these. */
static void test_needed_topics(void **state)
{
    static const struct {
        const export_type *type;
        const char *topic;
        int is_needed;
    } CASES[] = {
        {&EXPORT_TRADES, "publicTrade", 1},
        {&EXPORT_TRADES, "kline.1", 1}, /* counts them */
        {&EXPORT_TRADES, "orderbook.50", 0},
        {&EXPORT_TRADES, "tickers", 0},
        {&EXPORT_BARS, "publicTrade", 1},
        {&EXPORT_BARS, "kline.1", 1},
        {&EXPORT_BARS, "orderbook.50", 0},
        {&EXPORT_BOOK_DELTAS, "orderbook.50", 1},
        {&EXPORT_BOOK_DELTAS, "orderbook.1", 1}, /* has its best levels */
        {&EXPORT_BOOK_DELTAS, "tickers", 1},
        {&EXPORT_BOOK_DELTAS, "publicTrade", 0},
        {&EXPORT_DERIVATIVE_TICKER, "tickers", 1},
        {&EXPORT_DERIVATIVE_TICKER, "publicTrade", 0},
        {&EXPORT_INSTRUMENTS, "orderbook.50", 0},
        {&EXPORT_GAPS, "orderbook.50", 1}, /* about all topics */
    };
    const family *of = family_find(td_bytes_str("v5-linear"));
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        td_bytes symbol;
        const topic_row *row = family_topic_row(of, CASES[i].topic, &symbol);
        print_message("%s of %s\n", CASES[i].topic, CASES[i].type->name);
        assert_non_null(row);
        assert_int_equal(export_type_needs(CASES[i].type, row), CASES[i].is_needed);
    }
}

/* All public families with trades have a market, but for those whose instruments are of several
 * (okx, deribit), and those that the formats do not have (kraken-v1, bitstamp). */
static void test_trades_have_markets(void **state)
{
    (void)state;
    static const struct {
        const char *family;
        const char *exchange; /* NULL: no market */
        const char *book;
    } CASES[] = {
        {"inverse", "bybit", "orderBookL2_25"},
        {"linear", "bybit", "orderBookL2_25"},
        {"usdc-perp", "bybit", "orderBookL2_25"},
        {"contract-v3", "bybit", "orderbook.50"},
        {"unified-v3", "bybit", "orderbook.50"},
        {"v5-linear", "bybit", "orderbook.50"},
        {"v5-inverse", "bybit", "orderbook.50"},
        {"spot-v1", "bybit-spot", "depth"},
        {"spot-v2", "bybit-spot", "depth"},
        {"spot-v3", "bybit-spot", "orderbook.40"},
        {"v5-spot", "bybit-spot", "orderbook.50"},
        {"usdc-option", "bybit-options", "orderbook25"},
        {"v5-option", "bybit-options", "orderbook.25"},
        {"copytrade", "bybit-copytrade", "orderBookL2_25"},
        {"usdc-private", NULL, NULL},
        {"spot-private", NULL, NULL},
        {"v5-private", NULL, NULL},
        {"v5-trade", NULL, NULL},
        {"v5-spread", NULL, NULL},
        {"v5-misc", NULL, NULL},
        {"okx", "okx", "books"},
        {"kraken-v2", "kraken", "book-1000"},
        {"kraken-v2-private", NULL, NULL},
        {"kraken-v1", "kraken", "book-1000"},
        {"kraken-v1-private", NULL, NULL},
        {"bitstamp", "bitstamp", "diff_order_book"},
        {"binance-usdm", "binance-futures", "depth@100ms"},
        {"binance-spot", "binance", "depth@100ms"},
        {"binance-usdm-private", NULL, NULL},
        {"binance-spot-private", NULL, NULL},
        {"binance-usdm-api", NULL, NULL},
        {"coinbase-advanced", "coinbase", "level2"},
        {"deribit", "deribit", "book.100ms"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const family *of = family_find(td_bytes_str(CASES[i].family));
        assert_non_null(of);
        const family_market *market = &of->market;
        if (CASES[i].exchange == NULL) {
            assert_null(market->exchange);
            continue;
        }
        assert_string_equal(market->exchange, CASES[i].exchange);
        assert_string_equal(market->book_topic, CASES[i].book);
        /* The market's book topic is one of the family, and books can be made from it. */
        int is_known = of->topic_count == 0;
        for (size_t k = 0; k < of->topic_count; k++)
            is_known |= strcmp(of->topics[k].name, market->book_topic) == 0 &&
                        export_is_book_topic(&of->topics[k], 0);
        if (!is_known)
            fail_msg("%s has no book topic %s", CASES[i].family, market->book_topic);
    }
    size_t count;
    (void)family_table(&count);
    assert_int_equal(count, sizeof CASES / sizeof CASES[0]);
}

/* ---- cells ---- */

/* Each byte is judged alike at every place of a text, whose bytes are read eight at a time. */
static void test_bytes_of_cells(void **state)
{
    (void)state;
    enum { TEXT_BYTES = 21 };
    uint8_t text[TEXT_BYTES];
    for (unsigned byte = 0; byte <= UINT8_MAX; byte++)
        for (size_t at = 1; at < TEXT_BYTES; at++) {
            const int is_cell = byte >= 0x20 && byte < 0x7f && byte != ',' && byte != '"';
            memset(text, 'A', sizeof text);
            text[at] = (uint8_t)byte;
            if ((export_cell_refusal(td_bytes_of(text, sizeof text)) == NULL) != is_cell)
                fail_msg("byte %u at %zu", byte, at);
        }
}

/* ---- names ---- */

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *symbol, *name;
    } CASES[] = {{"BTCUSD", "BTCUSD"},
                 {"BTC-28APR23-29500-C", "BTC-28APR23-29500-C"},
                 {"SOLUSDT_SOL/USDT", "SOLUSDT_SOL%2FUSDT"},
                 {"SOLUSDT_SOL\\USDT", "SOLUSDT_SOL%5CUSDT"},
                 {"SOL%2FUSDT", "SOL%252FUSDT"},
                 {"btcUSD", "%62%74%63USD"},
                 {"A:B?C*D<E>F|G", "A%3AB%3FC%2AD%3CE%3EF%7CG"},
                 {"-12.5", "%2D12.5"},
                 {"..", "%2E."},
                 {"A=B", "A%3DB"},
                 {"\xe5\xb8\x81USDT", "%E5%B8%81USDT"}};
    char file[EXPORT_SYMBOL_NAME_BYTES];
    char name[EXPORT_NAME_BYTES];
    td_err err;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        assert_null(export_symbol_refusal(td_bytes_str(CASES[i].symbol)));
        export_symbol_encode(td_bytes_str(CASES[i].symbol), file);
        assert_string_equal(file, CASES[i].name);
    }
    static const char *const REFUSED[] = {"",          "A,B",          "A\nB",  "A\"B", "\"A",
                                          "A\033[1m",  "A\177",        "A\x80", "=1+1", "@SUM",
                                          "-1+1",      "+A",           "-",     "+",    "-1.",
                                          "=",         "\tA",          "\rA",   "+.5",  "--1",
                                          "A\xc2\x9b", "\xe2\x80\xae", "-1.2.3"};
    for (size_t i = 0; i < sizeof REFUSED / sizeof REFUSED[0]; i++)
        if (export_symbol_refusal(td_bytes_str(REFUSED[i])) == NULL)
            fail_msg("'%s' is a cell", REFUSED[i]);
    char longest[LIMIT_SYMBOL_BYTES + 1];
    memset(longest, 'A', LIMIT_SYMBOL_BYTES);
    longest[LIMIT_SYMBOL_BYTES] = '\0';
    assert_string_equal(export_symbol_refusal(td_bytes_str(longest)),
                        "it is longer than symbols are");
    memset(longest, 'a', 54);
    assert_non_null(export_symbol_refusal(td_bytes_of(longest, 54)));
    assert_null(export_symbol_refusal(td_bytes_of(longest, 53)));
    memset(longest, 'A', LIMIT_SYMBOL_BYTES);
    /* 2021-04-17 is day 18,734; 2024-02-29 is day 19,782 (date -u -d). */
    char date[EXPORT_DATE_BYTES];
    export_date_format(19782, date);
    assert_string_equal(date, "2024-02-29");
    export_date_format(18734, date);
    export_source of = {.name = "incremental_book_L2", .exchange = "bybit", .symbol = "A/B"};
    assert_int_equal(export_name_format(&of, date, ".csv.gz", name, &err), TD_OK);
    assert_string_equal(name, "bybit_incremental_book_L2_2021-04-17_A%2FB.csv.gz");
    of.symbol = "";
    assert_int_equal(export_name_format(&of, date, ".csv.gz", name, &err), TD_OK);
    assert_string_equal(name, "bybit_incremental_book_L2_2021-04-17.csv.gz");
    /* The longest possible name leaves space for ".partial". */
    longest[LIMIT_SYMBOL_BYTES - 1] = '\0';
    of.symbol = longest;
    of.exchange = "bybit-copytrade";
    assert_int_equal(export_name_format(&of, date, ".csv.gz", name, &err), TD_OK);
}

/* ---- writers ---- */

static const export_output TRADES_CSV = {&EXPORT_TARDIS_CSV, &EXPORT_TRADES, "trades"};
static const export_output DELTAS_CSV = {&EXPORT_TARDIS_CSV, &EXPORT_BOOK_DELTAS,
                                         "incremental_book_L2"};

static frame_channel channel_of(const char *feed, uint32_t line)
{
    return (frame_channel){.family = family_find(td_bytes_str("inverse")),
                           .info = {.feed = feed, .line = line}};
}

static export_writer *get(export_writers *table, const export_output *output, const char *symbol)
{
    const frame_channel channel = channel_of("one", 0);
    export_writer *writer = NULL;
    const char *refusal = NULL;
    td_err err;
    assert_int_equal(
        export_writers_get(table, output, &channel, td_bytes_str(symbol), &writer, &refusal, &err),
        TD_OK);
    assert_null(refusal);
    return writer;
}

static void *open_refusing(const export_target *target)
{
    return (void *)(uintptr_t)target;
}

static int wants_not_late(void *writer, const export_row *row)
{
    (void)writer;
    return (row->flags & ROW_LATE) == 0;
}

static td_result count_row(void *writer, const export_source *of, const export_row *row,
                           td_err *err)
{
    (void)writer;
    (void)of;
    (void)row;
    (void)err;
    return TD_OK;
}

static void close_refusing(void *writer)
{
    (void)writer;
}

/* A row that a format's `take` rejects is counted neither as a row nor as a synthesized one. */
static void test_refused_rows(void **state)
{
    (void)state;
    static const export_format format = {.name = "refusing",
                                         .open = open_refusing,
                                         .wants = wants_not_late,
                                         .row = count_row,
                                         .close = close_refusing};
    static const export_output output = {&format, &EXPORT_BARS, "bars"};
    static const unsigned flags[] = {ROW_SYNTHESIZED, ROW_SYNTHESIZED | ROW_LATE, ROW_LATE, 0};
    export_writers table = {0};
    td_err err;
    export_writers_init(&table);
    export_writer *writer = get(&table, &output, "BTCUSD");
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        const export_row row = {.recv_ns = 1, .flags = flags[i]};
        assert_int_equal(export_writer_put(writer, &row, &err), TD_OK);
    }
    assert_int_equal(writer->counts.rows, 2);
    assert_int_equal(writer->counts.rows_synthesized, 1);
    export_writers_fini(&table);
}

static void test_clashes(void **state)
{
    (void)state;
    export_writers table = {0};
    td_err err;
    const frame_channel one = channel_of("one", 0);
    const frame_channel two = channel_of("two", 0);
    const frame_channel line = channel_of("one", 1);
    export_writers_init(&table);
    (void)snprintf(table.template.date, sizeof table.template.date, "1970-01-11");
    export_writer *writer = get(&table, &TRADES_CSV, "A/B");
    assert_ptr_equal(get(&table, &TRADES_CSV, "A/B"), writer);
    assert_ptr_not_equal(get(&table, &TRADES_CSV, "a/b"), writer);
    assert_ptr_not_equal(get(&table, &TRADES_CSV, "A-B"), writer);
    assert_ptr_not_equal(get(&table, &DELTAS_CSV, "A/B"), writer);
    assert_int_equal(export_writer_claim(writer, &one, &err), TD_OK);
    assert_int_equal(export_writer_claim(writer, &one, &err), TD_OK);
    assert_int_equal(export_writer_claim(writer, &two, &err), TD_E_INVALID);
    assert_string_equal(err.text, "feeds 'one' and 'two' would share the trades file of A/B, "
                                  "1970-01-11");
    assert_int_equal(export_writer_claim(writer, &line, &err), TD_E_INVALID);
    assert_string_equal(err.text, "lines '0' and '1' would share the trades file of A/B, "
                                  "1970-01-11");
    const char *refusal = NULL;
    assert_int_equal(
        export_writers_get(&table, &TRADES_CSV, &one, td_bytes_str("A,B"), &writer, &refusal, &err),
        TD_OK);
    assert_null(writer);
    assert_non_null(refusal);
    export_writers_fini(&table);
}

/* A pass has at most symbols_max symbols, with all their files; each symbol has one pass. */
static void test_passes(void **state)
{
    (void)state;
    export_writers table = {.symbols_max = 2};
    td_err err;
    const frame_channel channel = channel_of("one", 0);
    static const char *const SYMBOLS[] = {"A", "B", "C", "D", "E"};
    export_writers_init(&table);
    for (unsigned pass = 0; pass < 3; pass++) {
        for (unsigned i = 0; i < 2 * sizeof SYMBOLS / sizeof SYMBOLS[0]; i++) {
            export_writer *writer = NULL;
            const char *refusal = NULL;
            assert_int_equal(export_writers_get(&table, i % 2 == 0 ? &TRADES_CSV : &DELTAS_CSV,
                                                &channel, td_bytes_str(SYMBOLS[i / 2]), &writer,
                                                &refusal, &err),
                             TD_OK);
            assert_null(refusal);
            assert_int_equal(writer != NULL, i / 4 == pass);
        }
        assert_int_equal(export_writers_may_have(&table, td_bytes_str("A")), pass == 0);
        assert_int_equal(export_writers_may_have(&table, td_bytes_str("E")), 1);
        assert_int_equal(export_writers_next_pass(&table), pass < 2);
    }
    assert_int_equal(table.count, 10);
    export_writers_fini(&table);
}

static void test_choice_ignores_order(void **state)
{
    (void)state;
    static const topic_row DEPTHS[] = {
        {.name = "orderbook.1", .type = MSG_BOOK_CHANGE, .book_depth = 1},
        {.name = "orderbook.200", .type = MSG_BOOK_CHANGE, .book_depth = 200},
        {.name = "orderbook.50", .type = MSG_BOOK_CHANGE, .book_depth = 50},
        {.name = "orderbook.1000", .type = MSG_BOOK_CHANGE, .book_depth = 1000},
        {.name = "orderbook.rpi", .type = MSG_BOOK_CHANGE, .book_depth = 50},
        {.name = "orderbook.full", .type = MSG_BOOK_CHANGE}, /* all levels */
    };
    enum { COUNT = sizeof DEPTHS / sizeof DEPTHS[0] };
    const family *linear = family_find(td_bytes_str("v5-linear"));
    frame_channel channel = {.family = linear, .info = {.feed = "f", .symbol = "BTCUSDT"}};
    td_err err;
    for (unsigned bits = 1; bits < 1u << COUNT; bits++) {
        export_choices table = {0};
        for (unsigned turn = 0; turn < COUNT; turn++) {
            unsigned i = (turn * 5 + bits) % COUNT;
            channel.topic.row = &DEPTHS[i];
            if ((bits & (1u << i)) != 0)
                assert_int_equal(export_choice_offer(&table, &EXPORT_BOOK_DELTAS, &channel, &err),
                                 TD_OK);
        }
        const export_choice *choice = export_choice_find(&table, &EXPORT_BOOK_DELTAS, &channel);
        assert_non_null(choice);
        const char *expected = (bits & 4) != 0    ? "orderbook.50"
                               : (bits & 32) != 0 ? "orderbook.full"
                               : (bits & 8) != 0  ? "orderbook.1000"
                               : (bits & 2) != 0  ? "orderbook.200"
                               : (bits & 16) != 0 ? "orderbook.rpi"
                                                  : "orderbook.1";
        assert_string_equal(choice->row->name, expected);
        frame_channel other = channel;
        other.info.feed = "g";
        assert_null(export_choice_find(&table, &EXPORT_BOOK_DELTAS, &other));
        other = channel;
        other.family = family_find(td_bytes_str("v5-inverse"));
        assert_null(export_choice_find(&table, &EXPORT_BOOK_DELTAS, &other));
        export_choices_fini(&table);
    }
    assert_true(export_is_book_topic(&DEPTHS[5], 0));
    assert_false(export_is_book_topic(&DEPTHS[5], 50));
    assert_true(export_is_book_topic(&DEPTHS[1], 200));
    assert_false(export_is_book_topic(&DEPTHS[1], 50));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_types_need_what_they_take),
        cmocka_unit_test(test_needed_topics),
        cmocka_unit_test(test_trades_have_markets),
        cmocka_unit_test(test_bytes_of_cells),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_clashes),
        cmocka_unit_test(test_passes),
        cmocka_unit_test(test_choice_ignores_order),
        cmocka_unit_test(test_refused_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
