/* Contract v3 and v5 on real frames: every recorded frame, and every published frame and sample,
 * decodes, or is raw for a reason that is written here. Counts are from docs/wire.md 6.5. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "schema/decode.h"
#include "schema/message.h"
#include "schema/family_file.h"
#include "tests/testing/bybit_dialects.h"
#include "tests/testing/capture.h"
#include "tests/testing/decode_fixture.h"

/* ---- the recordings ---- */

typedef struct totals {
    size_t control, data, items[MSG_TYPE_COUNT], snapshots, deltas;
} totals;

static void run_capture(const char *name, totals *t)
{
    capture *c = capture_open(capture_path_or_skip(name));
    decoder_pair d = decoder_pair_open();
    const family *of = family_find(td_bytes_str("v5-linear"));
    *t = (totals){0};
    for (capture_line line; capture_next(c, &line);) {
        classification what;
        message m;
        decode_error why;
        if (line.kind != CAPTURE_IN)
            continue;
        decoder_classify(d.fast, of, line.frame, CHANNEL_IN, line.recv_ns, &what);
        if (frame_class_is_control(what.frame_class)) {
            assert_int_equal(what.frame_class, CLASS_ACK);
            t->control++;
            continue;
        }
        assert_true(decoder_pair_decode(&d, &what.topic, line.frame, &m, NULL, &why));
        assert_int_equal(what.exchange_ns, m.head.exchange_ns);
        assert_int_equal(m.head.unknown_fields, 0);
        assert_int_equal(m.head.foreign_symbols, 0);
        t->data++;
        t->items[m.head.type] += message_item_count(&m);
        t->snapshots += m.head.type == MSG_BOOK_CHANGE && m.head.kind == FRAME_SNAPSHOT;
        t->deltas += m.head.type == MSG_BOOK_CHANGE && m.head.kind == FRAME_DELTA;
    }
    /* The fast path reads all books and trades. */
    assert_int_equal(decoder_slow_count(d.fast), 0);
    decoder_pair_close(&d);
    capture_close(c);
}

static void test_recording_of_2026(void **state)
{
    (void)state;
    totals t;
    run_capture("v5-2026-08-09.jsonl.gz", &t);
    assert_int_equal(t.control, 17);
    assert_int_equal(t.data, 962);
    assert_int_equal(t.snapshots, 4);
    if (!capture_is_recorded())
        return;
    assert_int_equal(t.deltas, 617);
    assert_int_equal(t.items[MSG_BOOK_CHANGE], 3238 + 2412 + 1109 + 1273);
    assert_int_equal(t.items[MSG_TRADE], 5 + 10 + 12 + 2);
    assert_int_equal(t.items[MSG_KLINE], 10 + 6 + 11 + 5);
    assert_int_equal(t.items[MSG_TICKER], 4 + 289);
}

static void test_recording_of_2025(void **state)
{
    (void)state;
    totals t;
    run_capture("v5-linear-2025-06-13.jsonl.gz", &t);
    assert_int_equal(t.control, 4);
    assert_int_equal(t.data, 198);
    assert_int_equal(t.snapshots, 45 + 18 + 107 + 28);
    assert_int_equal(t.items[MSG_BOOK_CHANGE], 90 + 36 + 214 + 56);
}

/* ---- single frames ---- */

/* The family of a published v5 frame: by a prefix of its name, or by its content. The first match
 * counts. */
static const struct {
    const char *begins;
    const char *has;
    const char *family;
} FAMILY_OF[] = {
    {"spread.", "", "v5-private"},
    {"", "spread", "v5-spread"},
    {"", "option", "v5-option"},
    {"", "spot", "v5-spot"},
    {"", "private", "v5-private"},
    {"order.", "", "v5-private"},
    {"execution", "", "v5-private"},
    {"position", "", "v5-private"},
    {"wallet", "", "v5-private"},
    {"greeks", "", "v5-private"},
    {"strategy", "", "v5-private"},
    {"rfq.open.public", "", "v5-misc"},
    {"rfq.", "", "v5-private"},
    {"earn.", "", "v5-misc"},
    {"system.", "", "v5-misc"},
    {"lt.", "", "v5-spot"},
    {"tickers_lt", "", "v5-spot"},
    {"kline_lt", "", "v5-spot"},
    {"request.subscribe.5", "", "v5-spread"},
    {"", "", "v5-linear"},
};

/* Raw by decision: block trades and earn offers have no rows (docs/wire.md 3.7). */
static const char *const RAW[] = {"rfq.", "earn."};

/* A client library's test data spells createdTime with a capital letter. */
static const char *const ODD = "position.4.json";

static int begins(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static const family *family_of(const char *folder, const char *name)
{
    if (strcmp(folder, "contract-v3") == 0)
        return family_find(td_bytes_str("contract-v3"));
    size_t i = 0;
    while (!begins(name, FAMILY_OF[i].begins) || strstr(name, FAMILY_OF[i].has) == NULL)
        i++;
    return family_find(td_bytes_str(FAMILY_OF[i].family));
}

static int is_raw_by_design(const char *name)
{
    return begins(name, RAW[0]) || begins(name, RAW[1]);
}

/* Classifies a frame with the rows of its own time, because rows may be dated. */
static void classify_at_own_time(decoder_pair *d, const family *of, td_bytes frame,
                                 classification *what)
{
    decoder_classify(d->fast, of, frame, CHANNEL_IN, TOPIC_ANY_TIME, what);
    if (what->frame_class == CLASS_DATA && what->exchange_ns != 0)
        decoder_classify(d->fast, of, frame, CHANNEL_IN, what->exchange_ns, what);
}

/* 1 if the frame was data and was decoded. */
static int check_frame(decoder_pair *d, const char *folder, const char *name, td_bytes frame)
{
    const family *of = family_of(folder, name);
    classification what;
    message m;
    decode_error why;
    classify_at_own_time(d, of, frame, &what);
    if (begins(name, "request.")) {
        assert_int_equal(what.frame_class, CLASS_UNKNOWN);
        return 0;
    }
    if (begins(name, "ack") || begins(name, "pong") || begins(name, "error")) {
        assert_true(frame_class_is_control(what.frame_class));
        return 0;
    }
    assert_int_equal(what.frame_class, CLASS_DATA);
    int is_decoded = decoder_pair_decode(d, &what.topic, frame, &m, NULL, &why);
    if (is_raw_by_design(name)) {
        assert_int_equal(is_decoded, 0);
        assert_int_equal(why.reason, DECODE_UNKNOWN_TOPIC);
        return 0;
    }
    if (!is_decoded)
        fail_msg("%s: %s, %s at %zu", name, decode_reason_name(why.reason), why.field, why.offset);
    if (m.head.unknown_fields != (strcmp(name, ODD) == 0))
        fail_msg("%s: %u unknown fields", name, m.head.unknown_fields);
    assert_true(message_item_count(&m) > 0);
    assert_int_equal(what.exchange_ns, m.head.exchange_ns);
    return 1;
}

static size_t run_frames(const char *folder)
{
    char prefix[128];
    char path[512];
    size_t count = 0;
    size_t decoded = 0;
    snprintf(prefix, sizeof prefix, "frames/%s", folder);
    char **names = capture_list(capture_path_or_skip(prefix), ".json", &count);
    decoder_pair d = decoder_pair_open();
    for (size_t i = 0; i < count; i++) {
        size_t size = 0;
        snprintf(path, sizeof path, "%s/%s", prefix, names[i]);
        uint8_t *bytes = capture_read_file(capture_path(path), &size);
        decoded += (size_t)check_frame(&d, folder, names[i], td_bytes_of(bytes, size));
        td_free(bytes);
        td_free(names[i]);
    }
    td_free(names);
    decoder_pair_close(&d);
    return decoded;
}

static void test_frames_of_v5(void **state)
{
    (void)state;
    assert_true(run_frames("v5") >= 50);
}

static void test_frames_of_contract_v3(void **state)
{
    (void)state;
    assert_true(run_frames("contract-v3") >= 16);
}

/* ---- rows ---- */

static const topic_row *row_at(const char *family_name, const char *topic, uint64_t at_ns)
{
    const family *of = family_find(td_bytes_str(family_name));
    topic_match match;
    assert_non_null(of);
    return topic_match_text(of->topics, of->topic_count, td_bytes_str(topic), at_ns, &match)
               ? match.row
               : NULL;
}

/* The dates are from docs/wire.md 3.3; times in s since 1970 by date(1). */
static void test_dated_rows(void **state)
{
    (void)state;
    static const struct {
        const char *family, *topic;
        uint64_t at_s;     /* 0: now */
        const char *title; /* NULL: the topic does not exist then */
    } rows[] = {
        {"v5-linear", "orderbook.1.AAAUSDT", 1743119999, "Order book, 1 levels a side, 10 ms"},
        {"v5-linear", "orderbook.1.AAAUSDT", 1743120000, "Best bid and ask, 10 ms, snapshots only"},
        {"v5-spot", "orderbook.1.AAAUSDT", 0, "Best bid and ask, 10 ms, snapshots only"},
        {"v5-inverse", "orderbook.500.AAAUSD", 1759276800, "Order book, 500 levels a side, 100 ms"},
        {"v5-inverse", "orderbook.500.AAAUSD", 0, "Order book, 500 levels a side, 100 ms"},
        {"v5-linear", "orderbook.1000.AAAUSDT", 1755129599, NULL},
        {"v5-linear", "orderbook.1000.AAAUSDT", 1755129600,
         "Order book, 1000 levels a side, 300 ms"},
        {"v5-linear", "orderbook.1000.AAAUSDT", 1764028800,
         "Order book, 1000 levels a side, 200 ms"},
        {"v5-spot", "orderbook.200.AAABBB", 1773878399, "Order book, 200 levels a side, 200 ms"},
        {"v5-spot", "orderbook.200.AAABBB", 1773878400, "Order book, 200 levels a side, 100 ms"},
        {"v5-linear", "allLiquidation.AAAUSDT", 1739502303, "All liquidations, 500 ms"},
        {"v5-spot", "lt.AAA3L", 1751673599, "Net asset value of leveraged tokens, 300 ms"},
        {"v5-spot", "lt.AAA3L", 1751673600, NULL},
        {"contract-v3", "orderbook.500.AAAUSDT", 0, "Order book, 500 levels a side, 100 ms"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        print_message("%s %s\n", rows[i].family, rows[i].topic);
        const topic_row *row = row_at(rows[i].family, rows[i].topic,
                                      rows[i].at_s == 0 ? TOPIC_NOW : rows[i].at_s * 1000000000);
        assert_int_equal(row != NULL, rows[i].title != NULL);
        if (row != NULL)
            assert_string_equal(row->title, rows[i].title);
    }
}

/* Whole parts are compared, and the longest name wins (docs/wire.md 3.6, 1.5). */
static void test_names_that_begin_alike(void **state)
{
    (void)state;
    static const struct {
        const char *family, *topic, *pattern;
    } rows[] = {
        {"v5-private", "order", "order"},
        {"v5-private", "order.linear", "order.{category}"},
        {"v5-private", "orders", NULL},
        {"v5-private", "execution", "execution"},
        {"v5-private", "execution.spot", "execution.{category}"},
        {"v5-private", "execution.fast", "execution.fast"},
        {"v5-private", "execution.fast.linear", "execution.fast.{category}"},
        {"v5-private", "dcp.future", NULL},
        {"v5-linear", "orderbook.50.AAAUSDT", "orderbook.50.{symbol}"},
        {"v5-linear", "orderbook.25.AAAUSDT", NULL},
        {"v5-linear", "orderbook.full.AAAUSDT", "orderbook.full.{symbol}"},
        {"v5-linear", "orderbook", NULL},
        {"v5-linear", "order", NULL},
        {"v5-spread", "orderbook.25.AAAUSDT_AAA/USDT", "orderbook.25.{symbol}"},
        {"v5-option", "publicTrade.AAA", "publicTrade.{coin}"},
        {"v5-option", "kline.1.AAA-25DEC26-30-C", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        print_message("%s %s\n", rows[i].family, rows[i].topic);
        const topic_row *row = row_at(rows[i].family, rows[i].topic, TOPIC_NOW);
        assert_int_equal(row != NULL, rows[i].pattern != NULL);
        if (row != NULL)
            assert_string_equal(row->pattern, rows[i].pattern);
    }
}

static void test_audits_are_topics(void **state)
{
    (void)state;
    size_t count = 0;
    size_t audited = 0;
    const family *const *table = family_table(&count);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < table[i]->topic_count; j++) {
            const char *audit = table[i]->topics[j].audit;
            char text[64];
            if (audit == NULL)
                continue;
            snprintf(text, sizeof text, "%s.AAA", audit);
            assert_non_null(row_at(table[i]->name, text, TOPIC_NOW));
            assert_string_not_equal(audit, table[i]->topics[j].name);
            audited++;
        }
    }
    assert_true(audited > 20);
}

/* ---- a family is only data ---- */

/* A made-up family of a known dialect: one topic of its own, one that others have, too. A shipped
 * family is such a document, schema/bybit/NAME.yaml. */
static const char MADE_UP[] = "family: made-up\n"
                              "dialect: v5\n"
                              "exchange: bybit\n"
                              "addresses:\n"
                              "  - main public wss://stream.bybit.com/made/up\n"
                              "sets:\n"
                              "  envelope:\n"
                              "    - ts exchange_ns time ms\n"
                              "    - data.u u integer required\n"
                              "  level:\n"
                              "    - 0 price decimal price required\n"
                              "    - 1 size decimal quantity required\n"
                              "  best:\n"
                              "    - symbol symbol text required\n"
                              "    - best price decimal price required\n"
                              "  time:\n"
                              "    - ts exchange_ns time ms\n"
                              "topics:\n"
                              "  - topic: \"orderbook.7.{symbol}\"\n"
                              "    message: book_change\n"
                              "    title: Order book\n"
                              "    depth: 7\n"
                              "    sequence: envelope\n"
                              "    time: exchange_ns\n"
                              "    envelope: envelope\n"
                              "    fields: level\n"
                              "    entries:\n"
                              "      - data.b set any positional buy zero_deletes empty\n"
                              "      - data.a set any positional sell zero_deletes empty\n"
                              "    rules: [seq_dense u error]\n"
                              "  - topic: \"madeUp.{symbol}\"\n"
                              "    message: ticker\n"
                              "    title: Made up\n"
                              "    time: exchange_ns\n"
                              "    envelope: time\n"
                              "    fields: best\n"
                              "    entries: [data set any]\n";

static int find_made_up(void *user, td_bytes name, td_bytes *text)
{
    (void)user;
    *text = td_bytes_str(MADE_UP);
    return td_bytes_is(name, "made-up");
}

static void decode_made_up(decoder_pair *d, const family *of, const char *text, message *out)
{
    static char memory[512];
    size_t size = strlen(text);
    assert_true(size + DECODE_PADDING_BYTES <= sizeof memory);
    /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): frames have sizes, and padding */
    memcpy(memory, text, size);
    memset(memory + size, ' ', DECODE_PADDING_BYTES);
    td_bytes frame = td_bytes_of((const uint8_t *)memory, size);
    classification what;
    decode_error why;
    decoder_classify(d->fast, of, frame, CHANNEL_IN, TOPIC_NOW, &what);
    assert_int_equal(what.frame_class, CLASS_DATA);
    assert_true(decoder_pair_decode(d, &what.topic, frame, out, NULL, &why));
    assert_int_equal(out->head.exchange_ns, UINT64_C(5000000));
}

static void test_a_family_is_data(void **state)
{
    (void)state;
    decoder_pair d = decoder_pair_open();
    message m;
    family made;
    td_err err;
    td_arena *memory = td_arena_open();
    const family_texts texts = {.find = find_made_up, .exchange = find_bybit};
    assert_int_equal(family_file_read(&texts, "made-up", memory, &made, &err), TD_OK);
    decode_made_up(&d, &made,
                   "{\"topic\":\"orderbook.7.A\",\"type\":\"snapshot\",\"ts\":5,\"data\":"
                   "{\"s\":\"A\",\"b\":[[\"1.5\",\"2\"]],\"a\":[],\"u\":3,\"seq\":4}}",
                   &m);
    assert_int_equal(m.head.type, MSG_BOOK_CHANGE);
    assert_int_equal(m.head.row->book_depth, 7);
    msg_level level = message_level(&m, 0);
    assert_int_equal(level.price, 15);
    assert_int_equal(level.side, SIDE_BUY);
    decode_made_up(
        &d, &made,
        "{\"topic\":\"madeUp.A\",\"ts\":5,\"data\":{\"symbol\":\"A\",\"best\":\"7.25\"}}", &m);
    assert_true(td_bytes_is(m.head.symbol, "A"));
    assert_int_equal(m.record.items[0].values[1].as.decimal.mantissa, 725);
    decoder_pair_close(&d);
    td_arena_close(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recording_of_2026), cmocka_unit_test(test_recording_of_2025),
        cmocka_unit_test(test_frames_of_v5),      cmocka_unit_test(test_frames_of_contract_v3),
        cmocka_unit_test(test_dated_rows),        cmocka_unit_test(test_names_that_begin_alike),
        cmocka_unit_test(test_audits_are_topics), cmocka_unit_test(test_a_family_is_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
