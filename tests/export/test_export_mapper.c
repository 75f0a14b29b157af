/* Rows of trades and book changes against what another normalizer makes of the same frames: the
 * cases of captures/tardis/mapper-cases.jsonl, whose outputs were pinned by the format's owner.
 * Compared by value, because theirs are JavaScript numbers. Outputs of other types belong to other
 * datasets; a case without an output of ours must give no rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/time_text.h"
#include "export/export_name.h"
#include "export/export_type.h"
#include "schema/decode.h"
#include "json/json.h"
#include "tests/testing/book_text.h"
#include "tests/testing/capture.h"
#include "tests/testing/row_text.h"

enum { CASES = 36, COLUMNS = 8 };

/* Counts over all cases, so that none is passed over in silence. */
typedef struct tally {
    unsigned cases;
    unsigned trades;
    unsigned book_rows;
    unsigned empty; /* cases that must give nothing of ours */
} tally;

typedef struct fixture {
    json_parser *parser;
    decoder *decoder;
    row_lines rows;
    tally seen;
} fixture;

/* ---- a case ---- */

static td_bytes text_of(json_value object, const char *key)
{
    td_bytes text = {0};
    if (!json_find_text(object, key, &text))
        fail_msg("a case without %s", key);
    return text;
}

static int ends_with(td_bytes text, const char *tail)
{
    size_t size = strlen(tail);
    return text.size >= size && memcmp(text.data + text.size - size, tail, size) == 0;
}

/* The feed that such a frame came from: its exchange, the date of the rules, and its symbol. */
static const char *family_of(json_value input, td_bytes exchange, td_bytes as_of)
{
    int is_v5 = memcmp(as_of.data, "2023-04-05", 10) >= 0;
    td_bytes topic = td_bytes_str("");
    (void)json_find_text(input, "topic", &topic); /* an ack has none */
    if (td_bytes_is(exchange, "bybit-options"))
        return "v5-option";
    if (td_bytes_is(exchange, "bybit-spot"))
        return is_v5 ? "v5-spot" : "spot-v2";
    assert_true(td_bytes_is(exchange, "bybit"));
    if (ends_with(topic, "PERP"))
        return is_v5 ? "v5-linear" : "usdc-perp";
    if (ends_with(topic, "USDT"))
        return is_v5 ? "v5-linear" : "linear";
    return is_v5 ? "v5-inverse" : "inverse";
}

static uint64_t time_of(json_value object, const char *key)
{
    uint64_t ns = 0;
    td_err err;
    assert_int_equal(td_time_parse_rfc3339(text_of(object, key), &ns, &err), TD_OK);
    return ns;
}

/* ---- rows as cells ---- */

typedef struct row_cells {
    char *cells[COLUMNS];
} row_cells;

/* Cut the next line of text into its cells, in place; 0 at the end. */
static int next_row(char **at, row_cells *out)
{
    char *end = strchr(*at, '\n');
    if (end == NULL)
        return 0;
    *end = '\0';
    char *cell = *at;
    for (size_t i = 0; i < COLUMNS; i++) {
        out->cells[i] = cell;
        char *comma = strchr(cell, ',');
        assert_true((comma != NULL) == (i + 1 < COLUMNS));
        if (comma != NULL) {
            *comma = '\0';
            cell = comma + 1;
        }
    }
    *at = end + 1;
    return 1;
}

static void assert_number(const char *cell, json_value object, const char *key)
{
    json_value number = {0};
    td_decimal expected;
    td_decimal got;
    assert_true(json_find(object, key, &number));
    assert_int_equal(td_decimal_parse(json_raw(number), &expected, NULL), TD_OK);
    assert_int_equal(td_decimal_parse(td_bytes_str(cell), &got, NULL), TD_OK);
    assert_int_equal(td_decimal_compare(got, expected), 0);
    char shortest[TD_DECIMAL_TEXT_BYTES];
    (void)td_decimal_format(got, shortest); /* the length is not needed */
    assert_string_equal(cell, shortest);
}

static void assert_start(const row_cells *row, json_value expected)
{
    assert_true(td_bytes_is(text_of(expected, "exchange"), row->cells[0]));
    assert_true(td_bytes_is(text_of(expected, "symbol"), row->cells[1]));
    assert_true(strtoull(row->cells[2], NULL, 10) == time_of(expected, "timestamp") / 1000);
    assert_true(strtoull(row->cells[3], NULL, 10) == time_of(expected, "localTimestamp") / 1000);
}

static void assert_trade(fixture *f, char **at, json_value expected)
{
    row_cells row = {0};
    assert_true(next_row(at, &row));
    assert_start(&row, expected);
    assert_true(td_bytes_is(text_of(expected, "id"), row.cells[4]));
    assert_true(td_bytes_is(text_of(expected, "side"), row.cells[5]));
    assert_number(row.cells[6], expected, "price");
    assert_number(row.cells[7], expected, "amount");
    f->seen.trades++;
}

static void assert_side(fixture *f, char **at, json_value expected, const char *list,
                        const char *side)
{
    json_value levels = {0};
    json_value level = {0};
    json_value is_snapshot = {0};
    int flag = 0;
    assert_true(json_find(expected, "isSnapshot", &is_snapshot));
    assert_true(json_bool(is_snapshot, &flag));
    assert_true(json_find(expected, list, &levels));
    for (json_iter it = json_iter_of(levels); json_next(&it, NULL, &level);) {
        row_cells row = {0};
        assert_true(next_row(at, &row));
        assert_start(&row, expected);
        assert_string_equal(row.cells[4], flag ? "true" : "false");
        assert_string_equal(row.cells[5], side);
        assert_number(row.cells[6], level, "price");
        assert_number(row.cells[7], level, "amount");
        f->seen.book_rows++;
    }
}

/* ---- one frame ---- */

/* A maker whose reader has a book, and changes after its snapshot: what comes now is as the frame
 * has it. */
static void *primed_maker(const frame_channel *channel)
{
    static const char *const BEFORE[] = {"S B1x1 A2x1", "D =B1x2"};
    const export_settings settings = {0};
    row_lines ignored = {.exchange = "", .symbol = "", .column_count = 4};
    const row_out out = {row_text_put, &ignored};
    void *maker = EXPORT_BOOK_DELTAS.open(&settings, channel, NULL);
    book *now = book_open(25);
    td_buf_init(&ignored.out, 1 << 16);
    for (size_t i = 0; i < 2; i++) {
        book_frame text;
        book_outcome outcome;
        book_frame_parse(BEFORE[i], &text);
        const message m = {.book = text.message};
        const frame_ref frame = {.channel = (frame_channel *)channel, .recv_ns = 1};
        const trust_answer trust = {.is_trusted = 1, .was_alive = i > 0, .is_snapshot = i == 0};
        book_apply(now, &m.book, &outcome);
        const maker_frame seen = {.frame = &frame, .message = &m, .book = now, .trust = &trust};
        assert_int_equal(EXPORT_BOOK_DELTAS.frame(maker, &seen, &out, NULL), TD_OK);
    }
    book_close(now);
    td_buf_fini(&ignored.out);
    return maker;
}

static void add_rows(fixture *f, const export_type *type, void *maker, const frame_ref *frame,
                     const message *m)
{
    const trust_answer trust = {
        .is_trusted = 1, .was_alive = 1, .is_snapshot = m->head.kind != FRAME_DELTA};
    const maker_frame seen = {.frame = frame, .message = m, .trust = &trust};
    const row_out out = {row_text_put, &f->rows};
    assert_int_equal(type->frame(maker, &seen, &out, NULL), TD_OK);
}

/* The rows of a frame into f->rows, with a NUL. */
static void make_rows(fixture *f, const char *family_name, td_bytes frame, uint64_t recv_ns)
{
    td_err err;
    const family *of = family_find(td_bytes_str(family_name));
    assert_non_null(of);
    assert_non_null(of->market.exchange);
    classification what;
    td_buf_clear(&f->rows.out);
    decoder_classify(f->decoder, of, frame, DIR_IN, recv_ns, &what);
    message m;
    decode_error why;
    if (what.frame_class == CLASS_DATA && what.topic.row != NULL &&
        decoder_decode(f->decoder, &what.topic, frame, DECODE_PATH_FAST, &m, &why)) {
        char symbol[LIMIT_SYMBOL_BYTES];
        frame_channel channel = {.family = of, .topic = what.topic};
        const frame_ref shown = {.channel = &channel, .row = what.topic.row, .recv_ns = recv_ns};
        f->rows.exchange = of->market.exchange;
        f->rows.symbol = symbol;
        f->rows.column_count = 4;
        if (export_symbol_refusal(m.head.symbol) == NULL)
            export_symbol_format(m.head.symbol, symbol);
        if (m.head.type == MSG_TRADE)
            add_rows(f, &EXPORT_TRADES, NULL, &shown, &m);
        if (m.head.type == MSG_BOOK_CHANGE &&
            strcmp(what.topic.row->name, of->market.book_topic) == 0) {
            void *maker = primed_maker(&channel);
            add_rows(f, &EXPORT_BOOK_DELTAS, maker, &shown, &m);
            EXPORT_BOOK_DELTAS.close(maker);
        }
    }
    assert_int_equal(td_buf_append(&f->rows.out, "", 1, &err), TD_OK);
}

static void check_case(fixture *f, td_bytes line)
{
    json_value one = {0};
    json_value input = {0};
    json_value outputs = {0};
    json_value output = {0};
    td_err err;
    assert_int_equal(json_parse(f->parser, line, JSON_PADDED, &one, &err), TD_OK);
    assert_true(json_find(one, "input", &input));
    assert_true(json_find(one, "output", &outputs));
    const char *of = family_of(input, text_of(one, "exchange"), text_of(one, "mappers_as_of"));
    f->seen.cases++;
    make_rows(f, of, json_raw(input), time_of(one, "localTimestamp"));
    char *at = (char *)f->rows.out.data;
    unsigned before = f->seen.trades + f->seen.book_rows;
    for (json_iter it = json_iter_of(outputs); json_next(&it, NULL, &output);) {
        td_bytes type = text_of(output, "type");
        if (td_bytes_is(type, "trade"))
            assert_trade(f, &at, output);
        if (!td_bytes_is(type, "book_change"))
            continue;
        assert_side(f, &at, output, "asks", "ask");
        assert_side(f, &at, output, "bids", "bid");
    }
    assert_string_equal(at, ""); /* no row that they do not have */
    f->seen.empty += f->seen.trades + f->seen.book_rows == before;
}

static void test_all_cases(void **state)
{
    (void)state;
    const char *path = capture_path_or_skip("tardis/mapper-cases.jsonl");
    fixture f = {0};
    size_t size = 0;
    uint8_t *file = capture_read_file(path, &size);
    td_buf_init(&f.rows.out, 1 << 20);
    f.parser = json_parser_open(0);
    f.decoder = decoder_open();
    for (uint8_t *line = file; line < file + size;) {
        uint8_t *end = memchr(line, '\n', (size_t)(file + size - line));
        if (end == NULL)
            end = file + size;
        if (end > line)
            check_case(&f, td_bytes_of(line, (size_t)(end - line)));
        line = end + 1;
    }
    /* Totals counted in the file by a script. */
    assert_int_equal(f.seen.cases, CASES);
    assert_int_equal(f.seen.trades, 7);
    assert_int_equal(f.seen.book_rows, 22);
    assert_int_equal(f.seen.empty, 19);
    decoder_close(f.decoder);
    json_parser_close(f.parser);
    td_buf_fini(&f.rows.out);
    td_free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_cases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
