/* Rows of types that write messages unchanged: all members of an entry, and nothing else. Expected
 * rows are the frames' fields, written by hand under the names in docs/json.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "export/export_type.h"
#include "schema/decode.h"
#include "schema/family.h"

enum { FRAME_BYTES = 4096, RECV_NS = 5000 };

typedef struct row_texts {
    const export_type *type;
    td_buf text;
    unsigned flags; /* flags that every row had */
} row_texts;

/* Writes "NAME=VALUE " for each value that is present, then "; ". */
static td_result put_row(void *ctx, const export_row *row, td_err *err)
{
    row_texts *to = ctx;
    td_result rc = TD_OK;
    if (row->symbol.size > 0)
        rc = td_buf_printf(&to->text, err, "(%.*s) ", (int)row->symbol.size,
                           (const char *)row->symbol.data);
    for (size_t i = 0; rc == TD_OK && i < to->type->column_count; i++) {
        const msg_value *value = &row->values[i];
        char text[TD_DECIMAL_TEXT_BYTES] = "";
        if (value->type == VALUE_ABSENT)
            continue;
        assert_int_equal(value->type, to->type->columns[i].type);
        td_bytes shown = value->as.text;
        if (value->type == VALUE_DECIMAL)
            shown = td_bytes_of(text, td_decimal_format(value->as.decimal, text));
        else if (value->type == VALUE_INTEGER || value->type == VALUE_TIME_NS)
            shown = td_bytes_of(text,
                                (size_t)snprintf(text, sizeof text, "%" PRId64, value->as.integer));
        else if (value->type == VALUE_SIDE)
            shown = td_bytes_str(msg_side_name((msg_side)value->as.side));
        else if (value->type == VALUE_BOOL)
            shown = td_bytes_str(value->as.is_true ? "true" : "false");
        rc = td_buf_printf(&to->text, err, "%s=%.*s ", to->type->columns[i].name, (int)shown.size,
                           (const char *)shown.data);
    }
    to->flags &= row->flags;
    return rc == TD_OK ? td_buf_printf(&to->text, err, "%u; ", row->flags) : rc;
}

static void assert_rows(const char *family_name, const char *frame_text, const char *expected)
{
    static char padded[FRAME_BYTES + DECODE_PADDING_BYTES];
    decoder *with = decoder_open();
    classification what;
    message m;
    decode_error why;
    td_err err;
    td_bytes bytes = td_bytes_of(padded, strlen(frame_text));
    assert_true(bytes.size < FRAME_BYTES);
    (void)snprintf(padded, sizeof padded, "%s", frame_text);
    frame_channel channel = {.family = family_find(td_bytes_str(family_name))};
    decoder_classify(with, channel.family, bytes, CHANNEL_IN, RECV_NS, &what);
    channel.topic = what.topic;
    assert_non_null(channel.topic.row);
    assert_true(decoder_decode(with, &channel.topic, bytes, DECODE_PATH_FAST, &m, &why));
    const export_type *type = &EXPORT_MESSAGE_TYPES[m.head.type];
    const export_settings settings = {0};
    assert_true(export_type_takes(type, &settings, &channel));
    frame_ref frame = {.recv_ns = RECV_NS, .channel = &channel, .row = channel.topic.row};
    maker_frame seen = {.frame = &frame, .message = &m};
    row_texts rows = {.type = type};
    const row_out out = {put_row, &rows};
    td_buf_init(&rows.text, 1 << 20);
    assert_int_equal(type->frame(NULL, &seen, &out, &err), TD_OK);
    td_buf_add(&rows.text, "", 1);
    assert_string_equal((const char *)rows.text.data, expected);
    /* Copies have no rows. So if some frames are only in copies, a reader of the rows lacks
     * them. */
    const trust_answer taken_over = {.is_trusted = 1, .needs_copies = 1};
    seen.trust = &taken_over;
    rows.flags = UINT_MAX;
    assert_int_equal(type->frame(NULL, &seen, &out, &err), TD_OK);
    assert_int_equal(rows.flags & ROW_NOT_TRUSTED, ROW_NOT_TRUSTED);
    frame.is_lead_in = 1; /* before the selection: no rows */
    td_buf_clear(&rows.text);
    assert_int_equal(type->frame(NULL, &seen, &out, &err), TD_OK);
    assert_int_equal(rows.text.size, 0);
    td_buf_fini(&rows.text);
    decoder_close(with);
}

static void test_rows(void **state)
{
    (void)state;
    assert_rows("v5-linear",
                "{\"topic\":\"orderbook.50.X\",\"type\":\"delta\",\"ts\":9,\"data\":{\"s\":\"X\","
                "\"b\":[[\"7.50\",\"2\"],[\"7\",\"0\"]],\"a\":[],\"u\":3,\"seq\":4},\"cts\":8}",
                "topic=orderbook.50 action=set price=7.5 side=Buy size=2 u=3 entry_seq=4 "
                "match_ns=8000000 0; "
                "topic=orderbook.50 action=delete price=7 side=Buy u=3 entry_seq=4 "
                "match_ns=8000000 1; ");
    assert_rows("v5-linear",
                "{\"topic\":\"publicTrade.X\",\"type\":\"snapshot\",\"ts\":9,\"data\":[{\"T\":8,"
                "\"s\":\"X\",\"S\":\"Sell\",\"v\":\"0.10\",\"p\":\"7.5\",\"L\":\"MinusTick\","
                "\"i\":\"a-1\",\"BT\":false}]}",
                "topic=publicTrade exchange_ns=8000000 side=Sell size=0.1 price=7.5 "
                "tick_direction=MinusTick trade_id=a-1 is_block_trade=false 3; ");
    assert_rows("v5-linear",
                "{\"topic\":\"tickers.X\",\"type\":\"delta\",\"data\":{\"symbol\":\"X\","
                "\"markPrice\":\"7.5\",\"openInterest\":\"12\"},\"cs\":6,\"ts\":9}",
                "topic=tickers action=update mark_price=7.5 open_interest=12 entry_seq=6 1; ");
}

/* A family that is not part of the programs: a notice with a member that no other notice has. */
static const char DOCUMENT[] = "family: made\nexchange: bybit\ndialect: v5\nsets:\n  entry:\n"
                               "    - x adl_rank integer\ntopics:\n  - topic: \"made.{symbol}\"\n"
                               "    message: notice\n    title: Made\n    fields: entry\n"
                               "    entries: [data set any]\n";

static void test_added_family(void **state)
{
    (void)state;
    assert_rows("made", "{\"topic\":\"made.X\",\"data\":{\"x\":7}}",
                "topic=made action=set adl_rank=7 1; ");
}

/* A table's columns have different names, also from the columns that every row has. */
static void test_column_names_differ(void **state)
{
    static const char *const OTHERS[] = {"exchange", "feed",  "symbol", "ts_recv", "ts_exch",
                                         "seq",      "frame", "flags",  "suspect"};
    (void)state;
    for (size_t t = 0; t < MSG_TYPE_COUNT; t++) {
        const export_type *type = &EXPORT_MESSAGE_TYPES[t];
        assert_true(type->name == NULL || type->column_count > 1);
        for (size_t i = 0; i < type->column_count; i++) {
            const char *name = type->columns[i].name;
            for (size_t k = 0; k < sizeof OTHERS / sizeof OTHERS[0]; k++)
                assert_string_not_equal(name, OTHERS[k]);
            for (size_t k = 0; k < i; k++)
                assert_string_not_equal(name, type->columns[k].name);
        }
    }
}

/* A gap has the members of the ledger, under the same names. */
static void test_gaps(void **state)
{
    const export_gap gaps[] = {
        {.row = gap_row_of(GAP_STALE, "f", 7, GAP_OPEN, "quiet")},
        {.row = gap_row_of(GAP_SEQUENCE, "f", 8, 9, "rule"), .reason = "a_rule"}};
    td_err err;
    row_texts rows = {.type = &EXPORT_GAPS};
    const row_out out = {put_row, &rows};
    (void)state;
    for (size_t i = 0; i < GAP_MEMBER_COUNT; i++)
        assert_string_equal(EXPORT_GAPS.columns[i].name, GAP_MEMBERS[i].key);
    td_buf_init(&rows.text, 1 << 20);
    assert_int_equal(EXPORT_GAPS.day(gaps, 2, &out, &err), TD_OK);
    td_buf_add(&rows.text, "", 1);
    assert_string_equal(
        (const char *)rows.text.data,
        "reason=stale feed=f line=0 shard=0 from_ns=7 cause=quiet origin=network 0; "
        "reason=a_rule feed=f line=0 shard=0 from_ns=8 to_ns=9 cause=rule origin=unknown 0; ");
    td_buf_fini(&rows.text);
}

int main(void)
{
    const family_text document = {"made", (const uint8_t *)DOCUMENT, sizeof DOCUMENT - 1};
    td_err err;
    if (family_add(&document, 1, &err) != TD_OK)
        return 1;
    for (size_t i = 0; i < MSG_TYPE_COUNT; i++) {
        const export_type *one = &EXPORT_MESSAGE_TYPES[i];
        if (one->name != NULL)
            export_message_types_init(&one, 1);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_added_family),
        cmocka_unit_test(test_column_names_differ),
        cmocka_unit_test(test_gaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
