/* Drift: frames of the documented shapes and real recordings have no drift; each change of a frame
 * is found once, with its place and kind; findings are counted in any order of frames. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/time_text.h"
#include "schema/decode.h"
#include "schema/drift.h"
#include "schema/drift_table.h"
#include "tests/testing/capture.h"
#include "tests/testing/decode_fixture.h"

enum { STREAMS_MAX = 64, FRAME_BYTES = 8192 };

/* One drift stream per topic and symbol, as in a replay. */
typedef struct topic_frames {
    char name[LIMIT_TOPIC_BYTES];
    drift_stream *stream;
} topic_frames;

typedef struct fixture {
    drift_reader *reader;
    drift_table *table;
    decoder *decoder;
    topic_frames streams[STREAMS_MAX];
    size_t stream_count;
    uint64_t order;
    const char *name;    /* of the golden frame; of others NULL: they say all of their topic */
    drift_result result; /* of the last frame */
} fixture;

static int fixture_open(void **state)
{
    static fixture fx;
    fx = (fixture){.order = 0};
    fx.reader = drift_reader_open();
    fx.table = drift_table_open();
    fx.decoder = decoder_open();
    *state = &fx;
    return 0;
}

static void forget_streams(fixture *fx)
{
    for (size_t i = 0; i < fx->stream_count; i++)
        drift_stream_close(fx->streams[i].stream);
    fx->stream_count = 0;
}

static int fixture_close(void **state)
{
    fixture *fx = *state;
    forget_streams(fx);
    drift_reader_close(fx->reader);
    drift_table_close(fx->table);
    decoder_close(fx->decoder);
    return 0;
}

static drift_stream *stream_for(fixture *fx, td_bytes topic)
{
    for (size_t i = 0; i < fx->stream_count; i++)
        if (td_bytes_is(topic, fx->streams[i].name))
            return fx->streams[i].stream;
    assert_true(fx->stream_count < STREAMS_MAX);
    topic_frames *made = &fx->streams[fx->stream_count++];
    snprintf(made->name, sizeof made->name, "%.*s", (int)topic.size, (const char *)topic.data);
    made->stream = drift_stream_open();
    return made->stream;
}

/* Checks a frame, which must be followed by padding, and adds the findings. at_ns: the time for
 * which rows are chosen. */
static size_t look_at(fixture *fx, const family *of, td_bytes frame, uint64_t at_ns,
                      uint64_t recv_ns)
{
    classification what;
    classify_as_named(fx->decoder, of, frame, at_ns, fx->name, &what);
    drift_frame f = {of, what.topic, recv_ns, fx->order++, frame};
    drift_stream *stream = what.topic.row == NULL ? NULL : stream_for(fx, what.exchange_topic);
    drift_read(fx->reader, stream, &f, &fx->result);
    drift_table_add(fx->table, of->name, &f, &fx->result);
    return fx->result.count;
}

/* ---- documented frames ---- */

static void print_look(const fixture *fx, const char *name)
{
    for (size_t i = 0; i < fx->result.count; i++)
        print_error("%s: %.*s %s %s %s\n", name, (int)fx->result.topic.size,
                    (const char *)fx->result.topic.data, drift_kind_name(fx->result.notes[i].kind),
                    fx->result.notes[i].path, fx->result.notes[i].detail);
}

/* The time at which the golden frame of that name was received. */
static uint64_t moment_of(const char *name)
{
    const char *at = strchr(name, '@');
    uint64_t ns = 0;
    char text[32];
    if (at == NULL)
        return TOPIC_NOW;
    snprintf(text, sizeof text, "%.10sT00:00:00Z", at + 1);
    assert_int_equal(td_time_parse_rfc3339(td_bytes_str(text), &ns, NULL), TD_OK);
    return ns;
}

/* 1 if a frame's golden output reports a fault. */
static int is_wrong(const char *folder, const char *name)
{
    char path[512];
    size_t size = 0;
    snprintf(path, sizeof path, "%s/%.*s.out.json", folder, (int)(strlen(name) - 5), name);
    uint8_t *memory = capture_read_file(path, &size);
    int found = strstr((const char *)memory, "\"error\":") != NULL ||
                strstr((const char *)memory, "\"unknown_fields\":") != NULL;
    td_free(memory);
    /* The side is a word that is in no document. */
    return found || strcmp(name, "trade.other-side.json") == 0;
}

static void check_golden(fixture *fx, const family *of, const char *folder, const char *name)
{
    char path[512];
    size_t size = 0;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    uint8_t *memory = capture_read_file(path, &size);
    while (size > 0 && memory[size - 1] == '\n')
        size--;
    forget_streams(fx);
    fx->name = name;
    int has_drift = look_at(fx, of, td_bytes_of(memory, size), moment_of(name), 0) > 0;
    if (has_drift != is_wrong(folder, name)) {
        print_look(fx, path);
        fail_msg("%s: drift was %sfound", path, has_drift ? "" : "not ");
    }
    td_free(memory);
}

/* A golden frame has drift exactly if it cannot be decoded or has unknown fields. */
static void test_golden_frames(void **state)
{
    size_t families = 0;
    const family *const *table = family_table(&families);
    for (size_t i = 0; i < families; i++) {
        char folder[128];
        size_t count = 0;
        snprintf(folder, sizeof folder, "tests/golden/%s", table[i]->name);
        char **names = capture_list(folder, ".json", &count);
        for (size_t n = 0; n < count; n++) {
            if (strstr(names[n], ".out.json") == NULL)
                check_golden(*state, table[i], folder, names[n]);
            td_free(names[n]);
        }
        td_free(names);
    }
}

/* Folders of example frames, and the families that they may belong to. */
static const struct {
    const char *folder;
    const char *families[8];
} EXAMPLES[] = {
    {"contract-v3", {"contract-v3"}},
    {"copy-trading", {"copytrade"}},
    {"inverse-futures", {"inverse"}},
    {"inverse-perpetual", {"inverse"}},
    {"linear", {"linear"}},
    {"spot-private", {"spot-private"}},
    {"spot-v1", {"spot-v1"}},
    {"spot-v2", {"spot-v2"}},
    {"usdc-option", {"usdc-option", "usdc-private"}},
    {"usdc-perp", {"usdc-perp", "usdc-private"}},
    {"v5",
     {"v5-linear", "v5-inverse", "v5-spot", "v5-option", "v5-spread", "v5-misc", "v5-private"}},
};

/* 1 if a frame has no drift in one of the families, with the rows of its own time. */
static int is_clean(fixture *fx, td_bytes frame, const char *const *families)
{
    for (size_t i = 0; families[i] != NULL; i++) {
        const family *of = family_find(td_bytes_str(families[i]));
        classification what;
        decoder_classify(fx->decoder, of, frame, CHANNEL_IN, TOPIC_NOW, &what);
        forget_streams(fx);
        if (look_at(fx, of, frame, what.exchange_ns, what.exchange_ns) == 0)
            return 1;
        /* Samples of withdrawn topics have the times of their documents. */
        if (look_at(fx, of, frame, TOPIC_ANY_TIME, what.exchange_ns) == 0)
            return 1;
    }
    return 0;
}

/* Example frames from the exchange and other sources have no drift; requests and parts of frames
 * are not frames of a feed. */
static void test_examples_have_no_drift(void **state)
{
    for (size_t i = 0; i < sizeof EXAMPLES / sizeof EXAMPLES[0]; i++) {
        char name[64];
        size_t count = 0;
        snprintf(name, sizeof name, "frames/%s", EXAMPLES[i].folder);
        const char *folder = capture_path_or_skip(name);
        char **names = capture_list(folder, ".json", &count);
        for (size_t n = 0; n < count; n++) {
            char path[512];
            size_t size = 0;
            snprintf(path, sizeof path, "%s/%s", folder, names[n]);
            uint8_t *memory = capture_read_file(path, &size);
            /* A client changed the first letter of a member in v5/position.4. */
            int is_frame =
                strstr(names[n], "request") == NULL && strstr(names[n], "data-only") == NULL &&
                (strcmp(EXAMPLES[i].folder, "v5") != 0 || strcmp(names[n], "position.4.json") != 0);
            if (is_frame && !is_clean(*state, td_bytes_of(memory, size), EXAMPLES[i].families)) {
                print_look(*state, path);
                fail_msg("%s has drift", path);
            }
            td_free(memory);
            td_free(names[n]);
        }
        td_free(names);
    }
}

static void test_captures_have_no_drift(void **state)
{
    static const struct {
        const char *file, *family;
    } FILES[] = {
        {"inverse-2021-04-17.jsonl.gz", "inverse"},
        {"linear-2021-04-17.jsonl.gz", "linear"},
        {"v5-2026-08-09.jsonl.gz", "v5-linear"},
        {"v5-linear-2025-06-13.jsonl.gz", "v5-linear"},
    };
    fixture *fx = *state;
    for (size_t i = 0; i < sizeof FILES / sizeof FILES[0]; i++) {
        const family *of = family_find(td_bytes_str(FILES[i].family));
        capture *c = capture_open(capture_path_or_skip(FILES[i].file));
        size_t frames = 0;
        forget_streams(fx);
        for (capture_line line; capture_next(c, &line);) {
            if (line.kind != CAPTURE_IN)
                continue;
            frames++;
            if (look_at(fx, of, line.frame, line.recv_ns, line.recv_ns) > 0) {
                print_look(fx, FILES[i].file);
                fail_msg("%s, line %zu has drift", FILES[i].file, line.number);
            }
        }
        assert_true(frames > 100);
        capture_close(c);
    }
}

/* ---- changed frames ---- */

/* Copies a text, adds padding, and checks it. */
static size_t check_text(fixture *fx, const char *family_name, const char *text, uint64_t recv_ns)
{
    static uint8_t memory[FRAME_BYTES + DECODE_PADDING_BYTES];
    size_t size = strlen(text);
    assert_true(size <= FRAME_BYTES);
    memcpy(memory, text, size);
    return look_at(fx, family_find(td_bytes_str(family_name)), td_bytes_of(memory, size), recv_ns,
                   recv_ns);
}

#define SECOND   UINT64_C(1000000000)
#define START_NS (UINT64_C(1700000000) * SECOND)
#define TRADE_AT(time, fields)                                                                     \
    "{\"topic\":\"publicTrade.BTCUSDT\",\"type\":\"snapshot\",\"ts\":1700000000000,\"data\":[{"    \
    "\"T\":" time "," fields "}]}"
#define TRADE(fields)                                                                              \
    TRADE_AT("1700000000000",                                                                      \
             "\"s\":\"BTCUSDT\",\"S\":\"Buy\",\"v\":\"0.5\",\"p\":\"36000.5\"," fields)
#define GOOD_TRADE TRADE("\"L\":\"PlusTick\",\"i\":\"a\",\"BT\":false")

/* A frame that follows a good one, and the single note that it must give. */
typedef struct change_case {
    const char *family;
    const char *good; /* NULL: no frame before */
    const char *frame;
    const char *topic;
    drift_kind kind;
    const char *path;
    const char *detail;
} change_case;

static const change_case CHANGED[] = {
    {"v5-linear", GOOD_TRADE, TRADE("\"i\":\"a\",\"BT\":false,\"zz\":[1]"), "publicTrade",
     DRIFT_NEW_FIELD, "data.zz", ""},
    {"v5-linear", NULL,
     "{\"topic\":\"publicTrade.BTCUSDT\",\"type\":\"snapshot\",\"ts\":1700000000000,\"zz\":1,"
     "\"data\":[{\"T\":1700000000000,\"s\":\"BTCUSDT\",\"S\":\"Buy\",\"v\":\"0.5\",\"p\":\"1\"}]}",
     "publicTrade", DRIFT_NEW_FIELD, "zz", ""},
    {"v5-linear", NULL,
     "{\"topic\":\"orderbook.50.BTCUSDT\",\"type\":\"snapshot\",\"ts\":1700000000000,\"data\":{"
     "\"s\":\"BTCUSDT\","
     "\"b\":[[\"1\",\"2\",\"3\"]],\"a\":[],\"u\":1,\"seq\":1}}",
     "orderbook.50", DRIFT_NEW_FIELD, "data.b.2", ""},
    {"v5-linear", NULL,
     "{\"topic\":\"orderbook.50.BTCUSDT\",\"type\":\"snapshot\",\"ts\":1700000000000,\"data\":{"
     "\"s\":\"BTCUSDT\","
     "\"b\":[],\"a\":[],\"u\":1,\"seq\":1,\"u\":2}}",
     "orderbook.50", DRIFT_REPEATED_FIELD, "data.u", ""},
    {"v5-private", NULL,
     "{\"topic\":\"wallet\",\"creationTime\":1700000000000,\"data\":[{\"accountType\":\"UNIFIED\","
     "\"coin\":["
     "{\"coin\":\"BTC\",\"equity\":\"1\",\"zz\":\"1\"}]}]}",
     "wallet", DRIFT_NEW_FIELD, "data.coin.zz", ""},
    {"v5-linear", NULL, "{\"topic\":\"orders.BTCUSDT..9.\",\"data\":{}}", "orders.{symbol}..9.",
     DRIFT_NEW_TOPIC, "", ""},
    {"v5-linear", NULL, "{\"topic\":\"BTCUSDT\",\"data\":{}}", "BTCUSDT", DRIFT_NEW_TOPIC, "", ""},
    {"v5-linear", NULL, "{\"topic\":\"orderbook.9.BTCUSDT\",\"data\":{}}", "orderbook.9.{symbol}",
     DRIFT_NEW_TOPIC, "", ""},
    {"v5-linear", NULL, "{\"topic\":\"market.phase\",\"data\":{}}", "market.phase", DRIFT_NEW_TOPIC,
     "", ""},
    {"v5-linear", NULL, "{\"success\":true,\"op\":\"subscribe\",\"zone\":\"a\"}", "_control.ack",
     DRIFT_NEW_FIELD, "zone", ""},
    {"v5-linear", NULL, "{\"hello\":1}", "_unknown", DRIFT_NOT_DECODED, "", "no_topic"},
    {"v5-linear", NULL, "<html>", "_unknown", DRIFT_NOT_DECODED, "", "not_json"},
    {"v5-linear", GOOD_TRADE, TRADE("\"i\":7"), "publicTrade", DRIFT_TYPE_CHANGED, "data.i",
     "string to number"},
    {"v5-linear", GOOD_TRADE, TRADE("\"BT\":\"false\""), "publicTrade", DRIFT_TYPE_CHANGED,
     "data.BT", "boolean to string"},
    {"v5-linear", GOOD_TRADE, TRADE("\"BT\":{}"), "publicTrade", DRIFT_NOT_DECODED, "BT",
     "wrong_type"},
    {"v5-linear", GOOD_TRADE, TRADE("\"L\":\"SideTick\""), "publicTrade", DRIFT_NEW_VALUE, "data.L",
     "\"SideTick\""},
    {"v5-linear", NULL,
     TRADE_AT("1700000000000", "\"s\":\"BTCUSDT\",\"S\":\"Cross\",\"v\":\"0.5\",\"p\":\"36000.5\""),
     "publicTrade", DRIFT_NEW_VALUE, "data.S", "\"Cross\""},
    {"v5-linear", NULL,
     TRADE_AT("1700000000000", "\"s\":\"BTCUSDT\",\"S\":\"BUY\",\"v\":\"0.5\",\"p\":\"36000.5\""),
     "publicTrade", DRIFT_NEW_VALUE, "data.S", "\"BUY\""},
    {"v5-linear", NULL,
     "{\"topic\":\"publicTrade.BTCUSDT\",\"type\":\"snapshot\",\"ts\":0,\"data\":[{"
     "\"T\":0,\"s\":\"BTCUSDT\",\"S\":\"Buy\",\"v\":\"0.5\",\"p\":\"36000.5\"}]}",
     "publicTrade", DRIFT_OUT_OF_RANGE, "data.T", "a time before 2010"},
    {"v5-linear", NULL,
     "{\"topic\":\"publicTrade.BTCUSDT\",\"type\":\"rest\",\"ts\":1700000000000,\"data\":[]}",
     "publicTrade", DRIFT_NOT_DECODED, "type", "bad_kind"},
    {"v5-linear", NULL, TRADE_AT("1700000000000", "\"S\":\"Buy\",\"v\":\"-0.5\",\"p\":\"1\""),
     "publicTrade", DRIFT_OUT_OF_RANGE, "data.v", "negative"},
    {"v5-linear", GOOD_TRADE, TRADE_AT("1700000000000", "\"S\":\"Buy\",\"v\":\"1\",\"p\":\"0.0\""),
     "publicTrade", DRIFT_OUT_OF_RANGE, "data.p", "a trade at a price of 0"},
    {"v5-linear", GOOD_TRADE,
     TRADE_AT("1700000000000", "\"S\":\"None\",\"v\":\"1\",\"p\":\"36000.5\""), "publicTrade",
     DRIFT_NEW_VALUE, "data.S", "\"None\""},
    {"v5-linear", GOOD_TRADE, TRADE("\"L\":\"Plus\\u0000Tick\""), "publicTrade", DRIFT_NEW_VALUE,
     "data.L", "\"Plus\\u0000Tick\""},
    {"v5-linear", NULL, "{\"topic\":\"new\\u0000a\",\"data\":{}}", "new\\u0000a", DRIFT_NEW_TOPIC,
     "", ""},
    {"v5-linear", GOOD_TRADE,
     TRADE_AT("1700000000000", "\"S\":\"Buy\",\"v\":\"1\",\"p\":\"360005\""), "publicTrade",
     DRIFT_OUT_OF_RANGE, "data.p", "ten times the last price or more"},
    {"v5-linear", GOOD_TRADE,
     TRADE_AT("1700000000000", "\"S\":\"Buy\",\"v\":\"1\",\"p\":\"3600.05\""), "publicTrade",
     DRIFT_OUT_OF_RANGE, "data.p", "a tenth of the last price or less"},
    {"v5-linear", NULL, TRADE_AT("1700000000", "\"S\":\"Buy\",\"v\":\"1\",\"p\":\"1\""),
     "publicTrade", DRIFT_OUT_OF_RANGE, "data.T", "a time before 2010"},
    {"v5-linear", NULL, TRADE_AT("1700004000000", "\"S\":\"Buy\",\"v\":\"1\",\"p\":\"1\""),
     "publicTrade", DRIFT_OUT_OF_RANGE, "data.T", "over an hour after it was received"},
    {"v5-linear", NULL, TRADE_AT("1690000000000", "\"S\":\"Buy\",\"v\":\"1\",\"p\":\"1\""),
     "publicTrade", DRIFT_OUT_OF_RANGE, "data.T", "over 30 days before it was received"},
    {"v5-linear", NULL,
     "{\"topic\":\"publicTrade.BTCUSDT\",\"type\":\"snapshot\",\"ts\":5000000000000,\"data\":"
     "[{\"T\":1700000000000,\"s\":\"BTCUSDT\",\"S\":\"Buy\",\"v\":\"0.5\",\"p\":\"1\"}]}",
     "publicTrade", DRIFT_OUT_OF_RANGE, "ts", "a time after 2100"},
    /* members on the path to entries */
    {"v5-linear",
     "{\"topic\":\"tickers.BTCUSDT\",\"type\":\"delta\",\"cs\":1,\"ts\":1700000000000,\"data\":{"
     "\"symbol\":\"BTCUSDT\"}}",
     "{\"topic\":\"tickers.BTCUSDT\",\"type\":\"delta\",\"cs\":2,\"ts\":1700000000000,\"data\":[{"
     "\"symbol\":\"BTCUSDT\"}]}",
     "tickers", DRIFT_TYPE_CHANGED, "data", "object to array"},
    {"linear",
     "{\"topic\":\"orderBookL2_25.BTCUSDT\",\"type\":\"delta\",\"data\":{\"delete\":[],\"update\":["
     "],"
     "\"insert\":[]}}",
     "{\"topic\":\"orderBookL2_25.BTCUSDT\",\"type\":\"delta\",\"data\":[{\"delete\":[],\"update\":"
     "[],"
     "\"insert\":[]}]}",
     "orderBookL2_25", DRIFT_TYPE_CHANGED, "data", "object to array"},
    {"inverse",
     "{\"topic\":\"instrument_info.100ms.BTCUSD\",\"type\":\"delta\",\"data\":{\"delete\":[],"
     "\"update\":[{\"symbol\":\"BTCUSD\"}],\"insert\":[]}}",
     "{\"topic\":\"instrument_info.100ms.BTCUSD\",\"type\":\"delta\",\"data\":{\"delete\":[],"
     "\"update\":{\"symbol\":\"BTCUSD\"},\"insert\":null}}",
     "instrument_info.100ms", DRIFT_TYPE_CHANGED, "data.update", "array to object"},
    {"linear", NULL,
     "{\"topic\":\"orderBookL2_25.BTCUSDT\",\"type\":\"delta\",\"data\":{\"delete\":[],\"insert\":["
     "]},"
     "\"cross_seq\":\"1\",\"timestamp_e6\":\"1700000000000000\"}",
     "orderBookL2_25", DRIFT_NOT_DECODED, "data.update", "missing_field"},
    {"v5-linear", NULL,
     "{\"topic\":\"tickers.BTCUSDT\",\"type\":\"delta\",\"cs\":1,\"ts\":1700000000000,\"data\":{"
     "\"symbol\":\"BTCUSDT\","
     "\"lastPrice\":\"1.0000000000000000001\"}}",
     "tickers", DRIFT_OUT_OF_SCALE, "data.lastPrice", "beyond 64 bits and 18 decimal places"},
    {"inverse", NULL,
     "{\"topic\":\"instrument_info.100ms.BTCUSD\",\"type\":\"delta\",\"cross_seq\":1,\"timestamp_"
     "e6\":1700000000000000,"
     "\"data\":{\"update\":[{\"symbol\":\"BTCUSD\",\"funding_rate_e6\":1.5}]}}",
     "instrument_info.100ms", DRIFT_OUT_OF_SCALE, "data.update.funding_rate_e6",
     "a fraction in a scaled integer"},
    {"inverse", NULL,
     "{\"topic\":\"instrument_info.100ms.BTCUSD\",\"type\":\"delta\",\"cross_seq\":1,\"timestamp_"
     "e6\":1700000000000000,"
     "\"data\":{\"update\":[{\"symbol\":\"BTCUSD\",\"created_at\":\"soon\"}]}}",
     "instrument_info.100ms", DRIFT_NOT_DECODED, "data.update.created_at", "bad_time"},
};

static void test_each_change_is_found(void **state)
{
    fixture *fx = *state;
    for (size_t i = 0; i < sizeof CHANGED / sizeof CHANGED[0]; i++) {
        const change_case *c = &CHANGED[i];
        forget_streams(fx);
        if (c->good != NULL)
            assert_int_equal(check_text(fx, c->family, c->good, START_NS), 0);
        size_t count = check_text(fx, c->family, c->frame, START_NS + 1);
        if (count != 1 || fx->result.notes[0].kind != c->kind ||
            strcmp(fx->result.notes[0].path, c->path) != 0 ||
            strcmp(fx->result.notes[0].detail, c->detail) != 0 ||
            !td_bytes_is(fx->result.topic, c->topic)) {
            print_look(fx, c->frame);
            fail_msg("%zu notes, not %s %s %s %s", count, c->topic, drift_kind_name(c->kind),
                     c->path, c->detail);
        }
        assert_int_equal(fx->result.notes[0].first_ns, START_NS + 1);
        assert_int_equal(fx->result.notes[0].count, 1);
        assert_int_equal(fx->result.notes[0].is_learnt, 0);
        assert_true(td_bytes_is(fx->result.text, c->frame));
    }
}

/* Without a stream, only what a single frame shows is found. */
static void test_frames_without_a_stream(void **state)
{
    fixture *fx = *state;
    for (size_t i = 0; i < sizeof CHANGED / sizeof CHANGED[0]; i++) {
        const change_case *c = &CHANGED[i];
        int needs_stream = c->kind == DRIFT_TYPE_CHANGED || strstr(c->detail, "last price") != NULL;
        uint8_t memory[FRAME_BYTES];
        memcpy(memory, c->frame, strlen(c->frame));
        drift_frame f = {.of = family_find(td_bytes_str(c->family)),
                         .recv_ns = START_NS,
                         .bytes = td_bytes_of(memory, strlen(c->frame))};
        drift_read(fx->reader, NULL, &f, &fx->result);
        assert_int_equal(fx->result.count, needs_stream ? 0 : 1);
    }
}

/* Levels of options and spreads may be negative or jump, so they are not compared. */
static void test_negative_levels_are_not_compared(void **state)
{
    static const char *const SPREAD[] = {
        "{\"topic\":\"publicTrade.A_B\",\"type\":\"snapshot\",\"ts\":1700000000000,\"data\":[{"
        "\"T\":1700000000000,\"S\":\"Buy\","
        "\"v\":\"1\",\"p\":\"0.1\"}]}",
        "{\"topic\":\"publicTrade.A_B\",\"type\":\"snapshot\",\"ts\":1700000000000,\"data\":[{"
        "\"T\":1700000000000,\"S\":\"Buy\","
        "\"v\":\"1\",\"p\":\"-10\"}]}",
        "{\"topic\":\"publicTrade.A_B\",\"type\":\"snapshot\",\"ts\":1700000000000,\"data\":[{"
        "\"T\":1700000000000,\"S\":\"Buy\","
        "\"v\":\"1\",\"p\":\"10\"}]}",
    };
    for (size_t i = 0; i < sizeof SPREAD / sizeof SPREAD[0]; i++)
        assert_int_equal(check_text(*state, "v5-spread", SPREAD[i], START_NS), 0);
}

static void trade_text(char out[FRAME_BYTES], const char *size, const char *price, const char *rest)
{
    snprintf(out, FRAME_BYTES,
             "{\"topic\":\"publicTrade.BTCUSDT\",\"type\":\"snapshot\",\"ts\":1700000000000,"
             "\"data\":[{\"T\":1700000000000,\"s\":\"BTCUSDT\",\"S\":\"Buy\",\"v\":\"%s\",\"p\":"
             "\"%s\"%s}]}",
             size, price, rest);
}

/* Checks `count` trades at a price; returns how many gave a note. */
static size_t trades(fixture *fx, size_t count, const char *size, const char *price,
                     const char *rest)
{
    char text[FRAME_BYTES];
    size_t found = 0;
    trade_text(text, size, price, rest);
    for (size_t i = 0; i < count; i++)
        found += check_text(fx, "v5-linear", text, START_NS + fx->order) > 0;
    return found;
}

/* The only finding in the table. */
static const drift_finding *only_finding(fixture *fx)
{
    size_t count = 0;
    const drift_finding *list = drift_table_list(fx->table, &count);
    assert_int_equal(count, 1);
    return list;
}

static void test_places(void **state)
{
    fixture *fx = *state;
    assert_int_equal(trades(fx, DRIFT_PLACES_VALUES - 1, "1.50", "100.5", ""), 0);
    assert_int_equal(trades(fx, 1, "1.50", "100.25", ""), 0);
    assert_int_equal(trades(fx, 10, "1.5", "100.2500", ""), 0);
    uint64_t first = fx->order;
    assert_int_equal(trades(fx, 3, "1.5", "100.125", ""), 3);
    assert_int_equal(trades(fx, 10, "1.5", "100.25", ""), 0);
    const drift_finding *f = only_finding(fx);
    assert_int_equal(f->kind, DRIFT_OUT_OF_SCALE);
    assert_string_equal(f->path, "data.p");
    assert_string_equal(f->detail, "3 decimal places, 2 before");
    assert_int_equal(f->count, 3);
    assert_int_equal(f->first_order, first);
    assert_int_equal(f->last_order, first + 2);
}

/* One jump of the price is a finding; if it persists, it is the new price. */
static void test_jumps(void **state)
{
    fixture *fx = *state;
    assert_int_equal(trades(fx, 20, "1", "100", ""), 0);
    assert_int_equal(trades(fx, 1, "1", "10000", ""), 1);
    assert_int_equal(trades(fx, 20, "1", "101", ""), 0);
    assert_int_equal(trades(fx, 20, "1", "5000", ""), 10);
    assert_int_equal(trades(fx, 1, "1", "5001", ""), 0);
    assert_int_equal(only_finding(fx)->count, 11);
}

/* Between sessions years apart, any change of a price is normal. */
static void test_jump_in_time(void **state)
{
    fixture *fx = *state;
    const uint64_t day_ns = 86400 * TD_NS_PER_S;
    char text[FRAME_BYTES];
    trade_text(text, "1", "100", "");
    assert_int_equal(check_text(fx, "v5-linear", text, START_NS), 0);
    trade_text(text, "1", "1000", "");
    assert_int_equal(check_text(fx, "v5-linear", text, START_NS + day_ns + 1), 0);
    trade_text(text, "1", "10000", "");
    assert_int_equal(check_text(fx, "v5-linear", text, START_NS + 2 * day_ns + 1), 1);
}

static void test_missing_members(void **state)
{
    fixture *fx = *state;
    static const char WITH[] = ",\"i\":\"a\",\"RPI\":false";
    static const char WITHOUT[] = ",\"RPI\":false";
    assert_int_equal(trades(fx, 20, "1", "100", WITH), 0);
    assert_int_equal(trades(fx, DRIFT_GONE_FRAMES - 1, "1", "100", WITHOUT), 0);
    assert_int_equal(trades(fx, 200, "1", "100", WITH), 0);
    uint64_t first = fx->order;
    assert_int_equal(trades(fx, 50, "1", "100", WITHOUT), 50 - DRIFT_GONE_FRAMES + 1);
    uint64_t last = fx->order - 1;
    assert_int_equal(trades(fx, 20, "1", "100", WITH), 0);
    const drift_finding *f = only_finding(fx);
    assert_int_equal(f->kind, DRIFT_FIELD_GONE);
    assert_string_equal(f->path, "data.i");
    assert_int_equal(f->count, 50);
    assert_int_equal(f->first_order, first);
    assert_int_equal(f->first_ns, START_NS + first);
    assert_int_equal(f->last_order, last);
    assert_int_equal(f->last_ns, START_NS + last);
    assert_null(strstr((const char *)f->example.data, "\"i\""));
}

/* A member that comes and goes is not missing; neither are members that deltas omit. */
static void test_comes_and_goes(void **state)
{
    fixture *fx = *state;
    for (size_t i = 0; i < 40; i++) {
        assert_int_equal(trades(fx, 9, "1", "100", ",\"i\":\"a\""), 0);
        assert_int_equal(trades(fx, 1, "1", "100", ""), 0);
    }
    assert_int_equal(trades(fx, 40, "1", "100", ""), 0);
    static const char SNAPSHOT[] = "{\"topic\":\"tickers.BTCUSDT\",\"type\":\"snapshot\",\"cs\":1,"
                                   "\"ts\":1700000000000,\"data\":{\"symbol\":"
                                   "\"BTCUSDT\",\"lastPrice\":\"1\",\"markPrice\":\"1\"}}";
    static const char DELTA[] = "{\"topic\":\"tickers.BTCUSDT\",\"type\":\"delta\",\"cs\":1,\"ts\":"
                                "1700000000000,\"data\":{\"symbol\":"
                                "\"BTCUSDT\",\"lastPrice\":\"1\"}}";
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(check_text(fx, "v5-linear", SNAPSHOT, START_NS), 0);
    for (size_t i = 0; i < 40; i++)
        assert_int_equal(check_text(fx, "v5-linear", DELTA, START_NS), 0);
}

/* Members of an object in an entry have its key before theirs. A key with a dot, or with a NUL, is
 * none of the fields. */
static void test_objects_in_entries(void **state)
{
    static const char FRAME[] = "[[{\"O-1\":{%s}}],\"openOrders\",{\"sequence\":1}]";
    static const struct {
        const char *members;
        drift_kind kind;
        const char *path;
    } ROWS[] = {
        {"\"descr\":{\"pair\":\"A/B\",\"zz\":1}", DRIFT_NEW_FIELD, "data.descr.zz"},
        {"\"descr\":{\"pair\":\"A/B\",\"pair\":\"A/B\"}", DRIFT_REPEATED_FIELD, "data.descr.pair"},
        {"\"descr\":{\"pair\":\"A/B\"},\"descr\":{\"pair\":\"C/D\"}", DRIFT_REPEATED_FIELD,
         "data.descr"},
        {"\"descr.pair\":\"A/B\"", DRIFT_NEW_FIELD, "data.descr.pair"},
        {"\"descr\":{\"pair\\u0000\":\"A/B\"}", DRIFT_NEW_FIELD, "data.descr.pair\\u0000"},
        {"\"descr\":{\"\":\"A/B\"}", DRIFT_NEW_FIELD, "data.descr."},
        {"\"zz\":{\"pair\":\"A/B\"}", DRIFT_NEW_FIELD, "data.zz"},
        {"\"id\":\"O-2\"", DRIFT_REPEATED_FIELD, "data.id"},
    };
    fixture *fx = *state;
    char text[FRAME_BYTES];
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        snprintf(text, sizeof text, FRAME, ROWS[i].members);
        drift_table_close(fx->table);
        fx->table = drift_table_open();
        assert_int_equal(check_text(fx, "kraken-v1-private", text, START_NS), 1);
        const drift_finding *f = only_finding(fx);
        assert_int_equal(f->kind, ROWS[i].kind);
        assert_string_equal(f->path, ROWS[i].path);
    }
}

/* Some topics write a member with both types in one frame; that is normal for all of their frames.
 */
static void test_members_of_two_types(void **state)
{
    static const char BOTH[] =
        "{\"topic\":\"publicTrade.A\",\"type\":\"snapshot\",\"ts\":1700000000000,\"data\":["
        "{\"T\":1700000000000,\"S\":\"Buy\",\"v\":\"1\",\"p\":\"1\"},"
        "{\"T\":\"1700000000000\",\"S\":\"Buy\",\"v\":1,\"p\":\"1\"}]}";
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(check_text(*state, "v5-linear", BOTH, START_NS), 0);
}

/* A compressed frame has the same findings as its content; its example is readable. */
static void test_compressed_frames(void **state)
{
    fixture *fx = *state;
    char text[FRAME_BYTES];
    uint8_t bytes[FRAME_BYTES];
    trade_text(text, "1", "1", ",\"zz\":1");
    z_stream z = {.next_in = (uint8_t *)text,
                  .avail_in = (unsigned)strlen(text),
                  .next_out = bytes,
                  .avail_out = sizeof bytes - DECODE_PADDING_BYTES};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    td_bytes frame = td_bytes_of(bytes, z.total_out);
    deflateEnd(&z);
    assert_int_equal(look_at(fx, family_find(td_bytes_str("v5-linear")), frame, START_NS, START_NS),
                     1);
    const drift_finding *f = only_finding(fx);
    assert_string_equal(f->path, "data.zz");
    assert_true(td_bytes_is(f->example, text));
    assert_string_equal(f->symbol, "BTCUSDT");
}

/* ---- findings ---- */

/* For a set that the documents leave open, a value is new only compared with earlier frames. */
static void test_open_sets_are_learnt(void **state)
{
    static const char ORDER[] = "{\"topic\":\"order\",\"creationTime\":1700000000000,\"data\":[{"
                                "\"symbol\":\"A\",\"orderId\":\"1\","
                                "\"orderStatus\":\"New\",\"placeType\":\"%s\"}]}";
    fixture *fx = *state;
    char text[FRAME_BYTES];
    snprintf(text, sizeof text, ORDER, "price");
    assert_int_equal(check_text(fx, "v5-private", text, START_NS), 0);
    snprintf(text, sizeof text, ORDER, "other");
    assert_int_equal(check_text(fx, "v5-private", text, START_NS + SECOND), 1);
    const drift_finding *f = only_finding(fx);
    assert_int_equal(f->kind, DRIFT_NEW_VALUE);
    assert_string_equal(f->detail, "\"other\"");
    assert_int_equal(f->is_learnt, 1);
    assert_false(drift_finding_is_new(f, 0));
    assert_true(drift_finding_is_new(f, START_NS + SECOND));
    assert_false(drift_finding_is_new(f, START_NS + SECOND + 1));
}

/* Adds hand-made notes, as of three streams. */
static void add_all(drift_table *table, const size_t *order, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t n = order[i];
        char text[32];
        snprintf(text, sizeof text, "frame %zu", n);
        drift_note notes[2] = {
            {.kind = DRIFT_NEW_FIELD, .first_ns = n, .first_order = n, .count = 1},
            {.kind = DRIFT_FIELD_GONE, .first_ns = n, .first_order = n, .count = 1}};
        snprintf(notes[0].path, sizeof notes[0].path, "p%zu", n % 3);
        if (n == 8) { /* reported late, about an earlier frame */
            notes[1].first_ns = notes[1].first_order = 2;
            notes[1].count = 5;
        }
        drift_frame frame = {.recv_ns = n, .order = n};
        drift_result result = {.topic = td_bytes_str("t"),
                               .symbol = td_bytes_str("S"),
                               .text = td_bytes_str(text),
                               .notes = notes,
                               .count = n > 7 ? 2 : 1};
        drift_table_add(table, "f", &frame, &result);
    }
}

static void test_any_order(void **state)
{
    static const size_t ORDERS[][12] = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11},
                                        {11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0},
                                        {3, 0, 9, 6, 1, 11, 4, 2, 10, 8, 5, 7}};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        size_t count = 0;
        drift_table *table = drift_table_open();
        add_all(table, ORDERS[i], 6);
        drift_table_list(table, &count); /* the table can be used further */
        add_all(table, ORDERS[i] + 6, 6);
        const drift_finding *list = drift_table_list(table, &count);
        assert_int_equal(count, 4);
        assert_int_equal(list[0].kind, DRIFT_FIELD_GONE);
        assert_int_equal(list[0].count, 8);
        assert_int_equal(list[0].first_order, 2);
        assert_int_equal(list[0].last_order, 11);
        assert_true(td_bytes_is(list[0].example, "frame 8"));
        for (size_t p = 0; p < 3; p++) {
            char path[8];
            snprintf(path, sizeof path, "p%zu", p);
            assert_string_equal(list[p + 1].path, path);
            assert_int_equal(list[p + 1].count, 4);
            assert_int_equal(list[p + 1].first_ns, p);
            assert_int_equal(list[p + 1].last_ns, p + 9);
            assert_int_equal(list[p + 1].example_order, p);
        }
        drift_table_close(table);
    }
}

/* Adds a hand-made note: finding n, spread over enough topics that no share is full. */
static void add_value(drift_table *table, size_t n, uint64_t order, int is_learnt)
{
    char topic[16];
    drift_note note = {.kind = DRIFT_NEW_VALUE,
                       .is_learnt = (uint8_t)is_learnt,
                       .first_ns = order,
                       .first_order = order,
                       .count = 1};
    snprintf(note.path, sizeof note.path, "p%zu", n);
    snprintf(topic, sizeof topic, "t%zu",
             n % (2 * LIMIT_DRIFT_FINDINGS / LIMIT_DRIFT_KIND_FINDINGS));
    const drift_frame frame = {.recv_ns = order, .order = order};
    const drift_result result = {.topic = td_bytes_str(topic), .notes = &note, .count = 1};
    drift_table_add(table, "f", &frame, &result);
}

/* Any number of new values in open sets leaves space for other findings. */
static void test_open_sets_are_bounded(void **state)
{
    fixture *fx = *state;
    size_t size = 0;
    for (size_t i = 0; i < LIMIT_DRIFT_VALUES + 7; i++)
        add_value(fx->table, i, i, 1);
    for (size_t i = LIMIT_DRIFT_VALUES + 7; i < LIMIT_DRIFT_VALUES + 7 + LIMIT_DRIFT_FINDINGS; i++)
        add_value(fx->table, i, i, 0);
    (void)drift_table_list(fx->table, &size);
    assert_int_equal(size, LIMIT_DRIFT_VALUES + LIMIT_DRIFT_FINDINGS);
    assert_int_equal(drift_table_left_out(fx->table, 0), 0);
    assert_int_equal(drift_table_left_out(fx->table, 1), 7);
}

/* Above the limit, too, the result does not depend on the order of frames; findings that remain
 * have complete counts. */
static void test_any_order_beyond_the_bound(void **state)
{
    enum { NOTES = 2 * LIMIT_DRIFT_FINDINGS, FRAMES_OF_EACH = 2, ORDERS = 3, STEP = 4999 };
    drift_table *tables[ORDERS];
    size_t sizes[ORDERS];
    const drift_finding *lists[ORDERS];
    (void)state;
    for (size_t t = 0; t < ORDERS; t++) {
        tables[t] = drift_table_open();
        for (size_t i = 0; i < NOTES * FRAMES_OF_EACH; i++) {
            /* Forward, backward, and in steps back and forth. */
            size_t order = t == 0   ? i
                           : t == 1 ? NOTES * FRAMES_OF_EACH - 1 - i
                                    : i * STEP % (NOTES * FRAMES_OF_EACH);
            add_value(tables[t], order % NOTES, order, 0);
        }
        lists[t] = drift_table_list(tables[t], &sizes[t]);
        assert_int_equal(sizes[t], LIMIT_DRIFT_FINDINGS);
        assert_int_equal(drift_table_left_out(tables[t], 0),
                         FRAMES_OF_EACH * (NOTES - LIMIT_DRIFT_FINDINGS));
        for (size_t i = 0; i < sizes[t]; i++) {
            const drift_finding *f = &lists[t][i];
            assert_string_equal(f->path, lists[0][i].path);
            assert_int_equal(f->count, FRAMES_OF_EACH);
            assert_int_equal(f->last_order, f->first_order + NOTES);
            assert_int_equal(f->first_order, lists[0][i].first_order);
        }
    }
    for (size_t t = 0; t < ORDERS; t++)
        drift_table_close(tables[t]);
}

/* A flood of one kind leaves space for other kinds, topics and feeds, in any order. */
static void test_shares(void **state)
{
    static const char *const TOPICS[] = {"t", "t", "other", "t"};
    static const char *const FEEDS[] = {"f", "f", "f", "other"};
    static const drift_kind KINDS[] = {DRIFT_NEW_FIELD, DRIFT_TYPE_CHANGED, DRIFT_NEW_FIELD,
                                       DRIFT_NEW_FIELD};
    fixture *fx = *state;
    size_t size = 0;
    for (size_t i = 0; i < 4 + 2 * LIMIT_DRIFT_FINDINGS; i++) {
        /* The first notes are of the others; a last one of the flood comes after all. */
        size_t at = i < 4 ? 3 - i : 0;
        drift_note note = {.kind = KINDS[at], .count = 1};
        const drift_frame frame = {.order = i};
        const drift_result result = {.topic = td_bytes_str(TOPICS[at]), .notes = &note, .count = 1};
        snprintf(note.path, sizeof note.path, "p%zu", i);
        drift_table_add(fx->table, FEEDS[at], &frame, &result);
    }
    for (size_t i = 0; i < 2 * LIMIT_DRIFT_KIND_FINDINGS; i++) {
        char topic[16];
        const drift_note note = {.kind = DRIFT_NEW_TOPIC, .count = 1};
        const drift_frame frame = {.order = i};
        snprintf(topic, sizeof topic, "new%zu", i);
        const drift_result result = {.topic = td_bytes_str(topic), .notes = &note, .count = 1};
        drift_table_add(fx->table, "f", &frame, &result);
    }
    const drift_finding *list = drift_table_list(fx->table, &size);
    assert_int_equal(size, 2 * LIMIT_DRIFT_KIND_FINDINGS + 3);
    size_t others = 0;
    for (size_t i = 0; i < size; i++)
        others += list[i].kind == DRIFT_TYPE_CHANGED || strcmp(list[i].topic, "other") == 0 ||
                  strcmp(list[i].feed, "other") == 0;
    assert_int_equal(others, 3);
    assert_int_equal(drift_table_left_out(fx->table, 0), 1 + 2 * LIMIT_DRIFT_FINDINGS -
                                                             LIMIT_DRIFT_KIND_FINDINGS +
                                                             LIMIT_DRIFT_KIND_FINDINGS);
}

/* Limits: findings beyond them are counted. */
static void test_findings_are_bounded(void **state)
{
    fixture *fx = *state;
    char text[FRAME_BYTES];
    size_t size = 0;
    drift_note note = {.kind = DRIFT_NEW_FIELD, .path = "p", .count = 1};
    static uint8_t big[LIMIT_DRIFT_EXAMPLE_BYTES + 1];
    const drift_result result = {.text = td_bytes_of(big, sizeof big), .notes = &note, .count = 1};
    const drift_frame frame = {.order = 0};
    drift_table_add(fx->table, "f", &frame, &result);
    const drift_finding *list = drift_table_list(fx->table, &size);
    assert_int_equal(size, 1);
    assert_int_equal(list[0].example.size, LIMIT_DRIFT_EXAMPLE_BYTES);
    assert_int_equal(list[0].example_bytes, sizeof big);
    assert_int_equal(drift_table_left_out(fx->table, 0), 0);

    /* A frame of unknown members; the survey has as many as one check. */
    size = (size_t)snprintf(text, sizeof text, "{\"success\":true");
    for (size_t i = 0; i < LIMIT_DRIFT_NOTES + 5; i++)
        size += (size_t)snprintf(text + size, sizeof text - size, ",\"z%zu\":1", i);
    snprintf(text + size, sizeof text - size, "}");
    assert_int_equal(check_text(fx, "v5-linear", text, START_NS), LIMIT_DRIFT_NOTES);
    assert_int_equal(fx->result.left_out, 5);
    assert_int_equal(drift_table_left_out(fx->table, 0), 5);

    /* An extra element in each level of a book is one finding. */
    size = (size_t)snprintf(text, sizeof text,
                            "{\"topic\":\"orderbook.50.BTCUSDT\",\"type\":\"snapshot\",\"ts\":"
                            "1700000000000,\"data\":{\"s\":\"BTCUSDT\",\"b\":[");
    for (size_t i = 0; i < LIMIT_SURVEY_UNEXPECTED + 5; i++)
        size += (size_t)snprintf(text + size, sizeof text - size, "%s[\"%zu\",\"1\",\"0\"]",
                                 i == 0 ? "" : ",", i + 1);
    snprintf(text + size, sizeof text - size, "],\"a\":[],\"u\":1,\"seq\":1}}");
    assert_int_equal(check_text(fx, "v5-linear", text, START_NS), 1);
    assert_int_equal(fx->result.left_out, 0);

    /* Too many different findings are counted. */
    size = (size_t)snprintf(text, sizeof text,
                            "{\"topic\":\"orderbook.50.BTCUSDT\",\"type\":\"snapshot\",\"data\":"
                            "{\"b\":[],\"a\":[],\"u\":1}");
    for (size_t i = 0; i < LIMIT_SURVEY_UNEXPECTED + 5; i++)
        size += (size_t)snprintf(text + size, sizeof text - size, ",\"z%zu\":1", i);
    snprintf(text + size, sizeof text - size, "}");
    assert_int_equal(check_text(fx, "v5-linear", text, START_NS), LIMIT_SURVEY_UNEXPECTED);
    assert_int_equal(fx->result.left_out, 5);

    /* Long and hostile names are cut, and remain one finding. */
    memset(text, 'k', sizeof text);
    size = (size_t)snprintf(text, sizeof text, "{\"success\":true,\"");
    memset(text + size, 'k', 500);
    snprintf(text + size + 500, 100, "\":1,\"a\\u0000b\":2,\"a\\u0000\":3,\"a\":4}");
    assert_int_equal(check_text(fx, "v5-linear", text, START_NS), 4);
    assert_int_equal(strlen(fx->result.notes[0].path), LIMIT_DRIFT_PATH_BYTES - 1);
    assert_string_equal(fx->result.notes[1].path, "a\\u0000b");
    assert_string_equal(fx->result.notes[2].path, "a\\u0000");
    assert_string_equal(fx->result.notes[3].path, "a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_golden_frames, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_examples_have_no_drift, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_captures_have_no_drift, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_each_change_is_found, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_frames_without_a_stream, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_negative_levels_are_not_compared, fixture_open,
                                        fixture_close),
        cmocka_unit_test_setup_teardown(test_places, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_jumps, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_jump_in_time, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_missing_members, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_comes_and_goes, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_objects_in_entries, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_members_of_two_types, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_compressed_frames, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_open_sets_are_learnt, fixture_open, fixture_close),
        cmocka_unit_test(test_any_order),
        cmocka_unit_test_setup_teardown(test_open_sets_are_bounded, fixture_open, fixture_close),
        cmocka_unit_test(test_any_order_beyond_the_bound),
        cmocka_unit_test_setup_teardown(test_shares, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_findings_are_bounded, fixture_open, fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
