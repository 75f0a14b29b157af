/* Bars from trades: scripts of trades with the rows that docs/export.md requires, written by hand.
 * tests/export/derived.py computes the bars of whole captures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "export/export_type.h"
#include "schema/frame.h"

enum { TRADES_MAX = 12, FROM_NS = 1000, END_NS = 2000, BAR_NS = 10 };

/* A frame with one trade. */
typedef struct one_trade {
    uint64_t time_ns;
    const char *price, *size;
    msg_side side;
    const char *id; /* NULL: none */
    frame_kind kind;
} one_trade;

typedef struct script {
    const char *name;
    one_trade trades[TRADES_MAX];
    const char *rows; /* "START: OPEN HIGH LOW CLOSE VOLUME VWAP COUNT BUY SELL[ COVERED][ late][
                         suspect]; " */
    uint8_t places;
    time_span holes[2];
} script;

static const script SCRIPTS[] = {
    {.name = "a bar, a time without trades, a bar",
     .trades = {{1010, "5", "2", SIDE_BUY},
                {1013, "7.5", "1.25", SIDE_SELL},
                {1019, "4", "0.75", SIDE_NONE},
                {1039, "4", "1", SIDE_SELL}},
     .rows = "1010: 5 7.5 4 4 4 5.59375 3 2 1.25; 1030: 4 4 4 4 1 4 1 0 1; "},
    {.name = "the average is rounded half to even, once, to 18 places",
     .trades = {{1010, "1", "1", SIDE_BUY}, {1011, "2", "2", SIDE_BUY}},
     .rows = "1010: 1 2 1 2 3 1.666666666666666667 2 3 0; "},
    {.name = "or to those of --scale",
     .trades = {{1010, "1", "1", SIDE_BUY}, {1011, "1.05", "1", SIDE_BUY}},
     .rows = "1010: 1 1.05 1 1.05 2 1.02 2 2 0; ",
     .places = 2},
    {.name = "but not to fewer than prices have",
     .trades = {{1010, "1.25", "1", SIDE_BUY}},
     .rows = "1010: 1.25 1.25 1.25 1.25 1 1.25 1 1 0; ",
     .places = 1},
    {.name = "sums beyond 64 bits are exact",
     .trades = {{1010, "2", "9223372036854775807", SIDE_BUY},
                {1011, "2", "0.5", SIDE_BUY},
                {1011, "2", "9223372036854775807", SIDE_BUY}},
     .rows = "1010: 2 2 2 2 18446744073709551614.5 2 3 18446744073709551614.5 0; "},
    {.name = "without amounts there is no average",
     .trades = {{1010, "5", "0", SIDE_BUY}},
     .rows = "1010: 5 5 5 5 0 - 1 0 0; "},
    {.name = "a trade of an earlier bar that waits",
     .trades = {{1010, "5", "1", SIDE_BUY},
                {1020, "6", "1", SIDE_BUY},
                {1011, "7", "1", SIDE_BUY},
                {1005, "8", "1", SIDE_BUY}},
     .rows = "1000: 8 8 8 8 1 8 1 1 0; 1010: 5 7 5 7 2 6 2 2 0; 1020: 6 6 6 6 1 6 1 1 0; "},
    {.name = "a trade of a bar that has its row",
     .trades = {{1010, "1", "1", SIDE_BUY},
                {1020, "1", "1", SIDE_BUY},
                {1030, "1", "1", SIDE_BUY},
                {1040, "1", "1", SIDE_BUY},
                {1050, "1", "1", SIDE_BUY},
                {1060, "1", "1", SIDE_BUY},
                {1070, "1", "1", SIDE_BUY},
                {1080, "1", "1", SIDE_BUY},
                {1090, "1", "1", SIDE_BUY},
                {1019, "2", "1", SIDE_BUY}},
     .rows = "1010: 1 1 1 1 1 1 1 1 0; 1010: 2 2 2 2 1 2 1 1 0 late suspect; "
             "1020: 1 1 1 1 1 1 1 1 0; 1030: 1 1 1 1 1 1 1 1 0; 1040: 1 1 1 1 1 1 1 1 0; "
             "1050: 1 1 1 1 1 1 1 1 0; 1060: 1 1 1 1 1 1 1 1 0; 1070: 1 1 1 1 1 1 1 1 0; "
             "1080: 1 1 1 1 1 1 1 1 0; 1090: 1 1 1 1 1 1 1 1 0; "},
    {.name = "bars that lack some of their time",
     .trades = {{1010, "1", "1", SIDE_BUY},
                {1020, "1", "1", SIDE_BUY},
                {1050, "1", "1", SIDE_BUY},
                {1060, "1", "1", SIDE_BUY}},
     .holes = {{1025, 1051}},
     .rows = "1010: 1 1 1 1 1 1 1 1 0; 1020: 1 1 1 1 1 1 1 1 0 0.5 suspect; "
             "1050: 1 1 1 1 1 1 1 1 0 0.9 suspect; 1060: 1 1 1 1 1 1 1 1 0; "},
    {.name = "a new subscription begins with trades of before, some of which were lost",
     .trades = {{1010, "1", "1", SIDE_BUY, "7", FRAME_DELTA},
                {1012, "1", "1", SIDE_BUY, "8", FRAME_DELTA},
                {1010, "1", "1", SIDE_BUY, "7", FRAME_SNAPSHOT},
                {1012, "1", "1", SIDE_BUY, "8", FRAME_SNAPSHOT},
                {1014, "2", "1", SIDE_BUY, "9", FRAME_SNAPSHOT},
                {1016, "1", "1", SIDE_BUY, "10", FRAME_DELTA}},
     .rows = "1010: 1 2 1 1 4 1.25 4 4 0; "},
    {.name = "each frame is called a snapshot: a repeated trade breaks a rule, and counts",
     .trades = {{1010, "1", "1", SIDE_BUY, "7", FRAME_SNAPSHOT},
                {1012, "1", "1", SIDE_BUY, "7", FRAME_SNAPSHOT}},
     .rows = "1010: 1 1 1 1 2 1 2 2 0; "},
    {.name = "trades without an id, and ids that are repeated later, all count",
     .trades = {{1010, "1", "1", SIDE_BUY, NULL, FRAME_SNAPSHOT},
                {1010, "1", "1", SIDE_BUY, NULL, FRAME_SNAPSHOT},
                {1012, "1", "1", SIDE_BUY, "8", FRAME_DELTA},
                {1012, "1", "1", SIDE_BUY, "8", FRAME_DELTA}},
     .rows = "1010: 1 1 1 1 4 1 4 4 0; "},
    {.name = "the day cuts bars",
     .trades = {{999, "1", "1", SIDE_BUY}, {1990, "1", "1", SIDE_BUY}, {2001, "1", "1", SIDE_BUY}},
     .rows = "1990: 1 1 1 1 1 1 1 1 0; "},
};

static td_decimal decimal(const char *text)
{
    td_decimal out;
    assert_int_equal(td_decimal_parse(td_bytes_str(text), &out, NULL), TD_OK);
    return out;
}

static td_result put_row(void *ctx, const export_row *row, td_err *err)
{
    td_buf *out = ctx;
    td_result rc = td_buf_printf(out, err, "%" PRIu64 ":", row->values[0].as.time_ns);
    for (size_t i = 1; i < export_plain_columns(&EXPORT_BARS) && rc == TD_OK; i++) {
        const msg_value *value = &row->values[i];
        char text[TD_DECIMAL_TEXT_BYTES] = "-";
        td_bytes shown = td_bytes_of(text, 1);
        if (value->type == VALUE_BIG_DECIMAL)
            shown = value->as.text;
        else if (value->type == VALUE_INTEGER)
            shown.size = td_decimal_format((td_decimal){value->as.integer, 0}, text);
        else if (value->type == VALUE_DECIMAL)
            shown.size = td_decimal_format(value->as.decimal, text);
        rc = td_buf_printf(out, err, " %.*s", (int)shown.size, (const char *)shown.data);
    }
    char share[TD_DECIMAL_TEXT_BYTES] = "";
    const td_decimal covered = row->values[EXPORT_BARS.column_count - 1].as.decimal;
    if (covered.mantissa != 1 || covered.scale != 0)
        share[td_decimal_format(covered, share)] = '\0';
    return rc != TD_OK ? rc
                       : td_buf_printf(out, err, "%s%s%s%s; ", share[0] != '\0' ? " " : "", share,
                                       (row->flags & ROW_LATE) != 0 ? " late" : "",
                                       row->is_suspect ? " suspect" : "");
}

static td_result play(const script *of, td_buf *rows, td_err *err)
{
    const export_settings settings = {.bar_ns = BAR_NS, .decimal_scale = of->places};
    static const topic_row NO_ROW = {.type = MSG_TRADE, .pattern = "trade.{symbol}"};
    frame_channel channel = {.topic = {.row = &NO_ROW}};
    const row_out out = {put_row, rows};
    coverage covered = {0};
    for (size_t i = 0; i < 2 && of->holes[i].to_ns != 0; i++) {
        covered.holes = td_array_grow(covered.holes, covered.hole_count, sizeof *covered.holes);
        covered.holes[covered.hole_count++] = of->holes[i];
    }
    void *maker = EXPORT_BARS.open(&(maker_begin){
        .type = &EXPORT_BARS, .settings = &settings, .channel = &channel, .covered = &covered});
    td_result rc = TD_OK;
    for (size_t i = 0; i < TRADES_MAX && rc == TD_OK; i++) {
        const one_trade *from = &of->trades[i];
        if (from->price == NULL)
            break;
        const frame_ref frame = {.channel = &channel, .recv_ns = from->time_ns};
        msg_trade trade = {.exchange_ns = from->time_ns,
                           .side = (uint8_t)from->side,
                           .price = decimal(from->price),
                           .size = decimal(from->size),
                           .trade_id = td_bytes_str(from->id == NULL ? "" : from->id)};
        const message m = {.trades = {.head = {.type = MSG_TRADE, .kind = from->kind}, &trade, 1}};
        frame_ref whole = frame;
        whole.content.message = &m;
        const maker_frame seen = {.frame = &whole, .message = &m, .part = {FROM_NS, END_NS}};
        rc = EXPORT_BARS.frame(maker, &seen, &out, err);
    }
    if (rc == TD_OK)
        rc = EXPORT_BARS.end(maker, END_NS, NULL, &out, err);
    EXPORT_BARS.close(maker);
    coverage_fini(&covered);
    return rc;
}

static void test_bars(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof SCRIPTS / sizeof SCRIPTS[0]; i++) {
        td_buf rows;
        td_buf_init(&rows, SIZE_MAX);
        print_message("%s\n", SCRIPTS[i].name);
        assert_int_equal(play(&SCRIPTS[i], &rows, NULL), TD_OK);
        td_buf_add(&rows, "", 1);
        assert_string_equal((const char *)td_buf_view(&rows).data, SCRIPTS[i].rows);
        td_buf_fini(&rows);
    }
}

static void test_sums_that_do_not_fit_are_refused(void **state)
{
    const script huge = {.trades = {{1010, "9223372036854775807", "9223372036854775807", SIDE_BUY},
                                    {1011, "1", "0.000000000000000001", SIDE_BUY}}};
    td_buf rows;
    td_err err = {0};
    (void)state;
    td_buf_init(&rows, SIZE_MAX);
    assert_int_equal(play(&huge, &rows, &err), TD_E_LIMIT);
    assert_non_null(strstr(err.text, "the bar of 1970-01-01T00:00:00.000001010Z"));
    td_buf_fini(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bars),
        cmocka_unit_test(test_sums_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
