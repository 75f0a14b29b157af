/* recorder/import/import: captures are imported and the frames read back with the tape. The tests
 * write the captures, with the expected frames next to them, from docs/import.md and docs/design.md
 * (P3, "Channels", "Events"). */
#include "recorder/import/import.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "archive/journal.h"
#include "base/buf.h"
#include "base/io_posix.h"
#include "tape/cursor.h"
#include "tests/testing/files.h"
#include "tests/testing/archive_fixture.h"

/* An expected message; text is a part of an event (dir CHANNEL_EVENT). A NULL feed ends a list. */
typedef struct expected_row {
    const char *feed;
    channel_dir dir;
    const char *topic;
    const char *symbol;
    uint32_t shard;
    uint32_t conn;
    uint64_t ordinal;
    uint64_t recv_ns;
    const char *text;
} expected_row;

typedef struct fixture {
    archive_env env;
    char capture[160];
    import_report report;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    archive_env_init_real(&f->env);
    (void)snprintf(f->capture, sizeof f->capture, "%s/capture", f->env.folder);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    import_report_fini(&f->report);
    archive_env_fini(&f->env);
    free(f);
    return 0;
}

static import_options options_of(fixture *f, import_format format)
{
    return (import_options){.io = io_posix(),
                            .clock = clock_sim_clock(f->env.clock),
                            .archive_path = f->env.path,
                            .version = "test",
                            .format = format,
                            .path = f->capture};
}

static void import_text(fixture *f, const import_options *options, const char *text)
{
    td_err err;
    file_write_text(f->capture, text);
    import_report_fini(&f->report);
    if (import_run(options, &f->report, &err) != TD_OK)
        fail_msg("%s", err.text);
}

/* Checks that the capture is refused before an archive is created. */
static void expect_refused(fixture *f, const import_options *options, td_err *err)
{
    assert_int_equal(import_run(options, &f->report, err), TD_E_INVALID);
    assert_int_not_equal(access(f->env.path, F_OK), 0);
}

/* Imports a capture in cryptofeed's format. */
static void import_lines(fixture *f, const char *text)
{
    const import_options options = options_of(f, IMPORT_CRYPTOFEED);
    import_text(f, &options, text);
}

static const char *class_of(const frame_ref *frame)
{
    return frame->channel->info.dir == CHANNEL_EVENT ? "event" : "frame";
}

static void expect_row(const frame_ref *frame, const expected_row *row)
{
    const channel_info *info = &frame->channel->info;
    print_message("  %s %s: %.*s\n", class_of(frame), info->feed, (int)frame->bytes.size,
                  (const char *)frame->bytes.data);
    assert_non_null(row->feed);
    assert_string_equal(info->feed, row->feed);
    assert_int_equal(info->dir, row->dir);
    assert_int_equal(frame->recv_ns, row->recv_ns);
    if (row->dir == CHANNEL_EVENT) {
        assert_non_null(memmem(frame->bytes.data, frame->bytes.size, row->text, strlen(row->text)));
        return;
    }
    assert_string_equal(info->topic, row->topic);
    assert_string_equal(info->symbol, row->symbol);
    assert_int_equal(info->shard, row->shard);
    assert_int_equal(frame->conn->number, row->conn);
    assert_int_equal(frame->ordinal, row->ordinal);
    assert_true(td_bytes_is(frame->bytes, row->text));
}

static cursor *open_tape(archive *a)
{
    static const selection EVERYTHING = {.has_from = 0};
    const cursor_options reading = {.with_events = 1};
    cursor *t = NULL;
    assert_int_equal(cursor_open(a, &EVERYTHING, &reading, &t, NULL), TD_OK);
    return t;
}

static uint64_t count_frames(archive_env *env)
{
    archive *a = archive_env_open(env, ARCHIVE_READ, NULL);
    cursor *t = open_tape(a);
    const frame_ref *frame;
    uint64_t frames = 0;
    while (cursor_next(t, &frame, NULL) == TD_OK)
        frames += frame->channel->info.dir == CHANNEL_IN;
    cursor_close(t);
    archive_close(a);
    return frames;
}

/* Checks that the archive has these messages, in this order. */
static void expect_archive(fixture *f, const expected_row *rows)
{
    archive *a = archive_env_open(&f->env, ARCHIVE_READ, NULL);
    cursor *t = open_tape(a);
    const frame_ref *frame;
    size_t at = 0;
    while (cursor_next(t, &frame, NULL) == TD_OK)
        expect_row(frame, &rows[at++]);
    assert_null(rows[at].feed);
    cursor_close(t);
    archive_close(a);
}

#define EVENT(feed, ns, text)                                                                      \
    {                                                                                              \
        feed, CHANNEL_EVENT, "", "", 0, 0, 0, ns, text                                             \
    }
/* The first events of a session. */
#define SESSION_EVENTS(feed, ns)                                                                   \
    EVENT(feed, ns, "\"event\":\"segment\""), EVENT(feed, ns, "\"event\":\"session\"")
#define TRADE  "{\"topic\":\"trade.BTCUSD\",\"data\":[]}"
#define URL    "wss://stream.bybit.com/realtime"
#define V5_URL "wss://stream.bybit.com/v5/public/linear"

/* All features of the line format: a reconnect, whose gap ends with the first inbound frame, equal
 * and falling times, errors. */
static void test_line_format(void **state)
{
    static const expected_row ROWS[] = {
        SESSION_EVENTS("inverse", 1618675210000000000),
        EVENT("inverse", 1618675210000000000, "\"url\":\"" URL "\""),
        {"inverse", CHANNEL_OUT, "_control", "", 0, 1, 1, 1618675211000000000, "{\"op\":\"ping\"}"},
        EVENT("inverse", 1618675212000000000, "\"event\":\"grant\""),
        {"inverse", CHANNEL_IN, "trade", "BTCUSD", 0, 1, 1, 1618675212000000000, TRADE},
        {"inverse", CHANNEL_IN, "_control", "", 0, 1, 2, 1618675212000000001, "{\"success\":true}"},
        {"inverse", CHANNEL_IN, "_unknown", "", 0, 1, 3, 1618675212000000002, "hello: you"},
        EVENT("inverse", 1618675220000000000, "\"event\":\"disconnect\""),
        EVENT("inverse", 1618675220000000000, "\"conn\":2"),
        {"inverse", CHANNEL_OUT, "_control", "", 0, 2, 1, 1618675220500000000, "{\"op\":\"ping\"}"},
        EVENT("inverse", 1618675221000000000, "\"to_ns\":1618675221000000000"),
        EVENT("inverse", 1618675221000000000, "\"event\":\"grant\""),
        {"inverse", CHANNEL_IN, "trade", "BTCUSD", 0, 2, 1, 1618675221000000000, TRADE},
        EVENT("inverse", 1618675221000000000, "\"state\":\"stop\""),
        {.feed = NULL},
    };
    fixture *f = *state;
    import_lines(f, "configuration: {}\n"
                    "wss://stream.bybit.com/realtime?api_key=k&signature=s <-> 1618675210\n" URL
                    " <- 1618675211.0: {\"op\":\"ping\"}\n"
                    "1618675212: " TRADE "\n"
                    "rubbish\n"
                    "1618675212.000000000: {\"success\":true}\n"
                    "1618675211.5: hello: you\n"
                    "\n" URL " <-> 1618675220\n" URL " <- 1618675220.5: {\"op\":\"ping\"}\n"
                    "1618675221: " TRADE "\n\n\n");
    expect_archive(f, ROWS);
    assert_int_equal(f->report.lines, 13);
    assert_int_equal(f->report.malformed, 1);
    assert_int_equal(f->report.problem_count, 1);
    assert_int_equal(f->report.problems[0].line, 5);
    assert_true(strlen(f->report.problems[0].reason) > 0);
    assert_int_equal(f->report.adjusted, 2);
    assert_int_equal(f->report.adjusted_ns_max, 500000002);
    assert_int_equal(f->report.feed_count, 1);
    const import_feed_counts *counts = &f->report.feeds[0].counts;
    assert_int_equal(counts->frames.in, 4);
    assert_int_equal(counts->frames.out, 2);
    assert_int_equal(counts->frames.control, 1);
    assert_int_equal(counts->frames.unknown, 1);
    assert_int_equal(counts->connections, 2);
    assert_int_equal(counts->gaps, 1);
}

#define LINE2(t, conn, ts, member, value)                                                          \
    "{\"t\":\"" t "\",\"conn\":\"" conn "\",\"ts\":" ts ",\"" member "\":\"" value "\""
#define DATA2(text) ",\"data\":\"" text "\"}\n"

/* Format 2: consecutive connections of two families, after HTTP answers. Messages are sorted by
 * time; each family is a feed. */
static const char TWO_FAMILIES[] = "{\"t\":\"header\",\"format\":2}\n" LINE2(
    "http", "H", "1618675201.5", "url", "https://x/v2/symbols?y") DATA2("plain")
    LINE2("connect", "W.1", "1618675202", "addr", "wss://stream.bybit.com/realtime") "}\n" LINE2(
        "recv", "W.1", "1618675205", "x", "") DATA2("{\\\"success\\\":true}")
        LINE2("recv", "W.1", "1618675209", "x", "") DATA2("{\\\"pong\\\":1}")
            LINE2("connect", "W.2", "1618675203", "addr",
                  "wss://stream.bybit.com/realtime_public") "}\n" LINE2("send", "W.2", "1618675204",
                                                                        "addr",
                                                                        "wss://stream.bybit.com/"
                                                                        "realtime_public")
                DATA2("{\\\"op\\\":1}") LINE2("recv", "W.2", "1618675205", "x", "")
                    DATA2("{\\\"success\\\":true}");

static const expected_row TWO_FAMILIES_ROWS[] = {
    SESSION_EVENTS("inverse", 1618675201500000000),
    EVENT("inverse", 1618675201500000000, "\"url\":\"https://x/v2/symbols?y\""),
    {"inverse", CHANNEL_HTTP, "http.symbols", "", 0, 0, 0, 1618675201500000000, "plain"},
    EVENT("inverse", 1618675202000000000, "\"event\":\"connect\""),
    SESSION_EVENTS("linear", 1618675203000000000),
    EVENT("linear", 1618675203000000000, "\"event\":\"connect\""),
    {"linear", CHANNEL_OUT, "_control", "", 0, 1, 1, 1618675204000000000, "{\"op\":1}"},
    {"inverse", CHANNEL_IN, "_control", "", 0, 1, 1, 1618675205000000000, "{\"success\":true}"},
    {"linear", CHANNEL_IN, "_control", "", 0, 1, 1, 1618675205000000001, "{\"success\":true}"},
    EVENT("linear", 1618675205000000001, "\"state\":\"stop\""),
    {"inverse", CHANNEL_IN, "_control", "", 0, 1, 2, 1618675209000000000, "{\"pong\":1}"},
    EVENT("inverse", 1618675209000000000, "\"state\":\"stop\""),
    {.feed = NULL},
};

static void test_format2_sorted(void **state)
{
    fixture *f = *state;
    import_lines(f, TWO_FAMILIES);
    expect_archive(f, TWO_FAMILIES_ROWS);
    assert_int_equal(f->report.malformed, 0);
    assert_int_equal(f->report.adjusted, 1);
    assert_int_equal(f->report.feed_count, 2);
    assert_int_equal(f->report.feeds[0].counts.frames.http, 1);
}

/* jsonl: wrapped frames keep their time; bare frames have the exchange's, or that of the frame
 * before. */
static void test_jsonl(void **state)
{
#define TIMED                                                                                      \
    "{\"topic\":\"trade.BTCUSD\",\"data\":[{\"trade_time_ms\":1618677786587,\"timestamp\":"        \
    "\"2021-04-17T16:43:06.000Z\",\"symbol\":\"BTCUSD\",\"side\":\"Buy\",\"size\":77,\"price\":"   \
    "60622,\"tick_direction\":\"PlusTick\",\"trade_id\":\"x\",\"cross_seq\":1}]}"
    static const expected_row ROWS[] = {
        SESSION_EVENTS("mine", 1618677786587000000),
        EVENT("mine", 1618677786587000000, "\"event\":\"connect\""),
        {"mine", CHANNEL_IN, "_control", "", 0, 1, 1, 1618677786587000000, "{\"success\":true}"},
        EVENT("mine", 1618677786587000001, "\"event\":\"grant\""),
        {"mine", CHANNEL_IN, "trade", "BTCUSD", 0, 1, 2, 1618677786587000001, TIMED},
        {"mine", CHANNEL_IN, "_control", "", 0, 1, 3, 1618677786587000002, "{\"pong\":1}"},
        {"mine", CHANNEL_OUT, "_control", "", 0, 1, 1, 1618677787000000000, "{\"op\": 1}"},
        EVENT("mine", 1618677787000000000, "\"state\":\"stop\""),
        {.feed = NULL},
    };
    fixture *f = *state;
    import_options options = options_of(f, IMPORT_JSONL);
    options.family = family_find(td_bytes_str("inverse"));
    options.feed = "mine";
    import_text(f, &options,
                "{\"success\":true}\n" TIMED "\n{\"pong\":1}\n"
                "{\"recv_ns\":1618677787000000000,\"dir\":\"out\",\"data\":{\"op\": 1}}\n");
    expect_archive(f, ROWS);
    assert_int_equal(f->report.untimed, 3);
    assert_int_equal(f->report.adjusted, 0);
}

/* Captures that are refused before anything is written. */
static void test_refused(void **state)
{
    static const struct {
        const char *name;
        const char *text;
        const char *feed;
        const char *words;
    } ROWS[] = {
        {"no URL", "1618675212: {}\n", NULL, "connection '' has no URL, so its family is unknown"},
        {"unknown URL", "wss://h/p <-> 1618675201\n1618675202: {}\n", NULL,
         "no family has the URL 'wss://h/p'"},
        {"the key in a URL is not shown",
         "wss://h/p?api_key=secret <-> 1618675201\n1618675202: {}\n", NULL, "'wss://h/p'"},
        {"one name for two families", TWO_FAMILIES, "both", "cannot be both inverse and linear"},
        {"feed name", "1618675212: {}\n", "a/b", "'a/b' cannot be a feed's name"},
    };
    fixture *f = *state;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        td_err err;
        print_message("  %s\n", ROWS[i].name);
        import_options options = options_of(f, IMPORT_CRYPTOFEED);
        options.feed = ROWS[i].feed;
        file_write_text(f->capture, ROWS[i].text);
        expect_refused(f, &options, &err);
        assert_non_null(strstr(err.text, ROWS[i].words));
        assert_null(strstr(err.text, "secret"));
    }
}

/* A connection that comes later in the file than another one's later frames, by more than the
 * window: the capture is refused before anything is written. */
static void test_late_connection_is_refused(void **state)
{
    fixture *f = *state;
    td_err err;
    import_options options = options_of(f, IMPORT_CRYPTOFEED);
    FILE *file = fopen(f->capture, "w");
    assert_non_null(file);
    (void)fprintf(file, "wss://stream.bybit.com/realtime <-> 1618675210\n");
    for (int i = 0; i < 66; i++)
        (void)fprintf(file, "%d: \"%01048576d\"\n", 1618675211 + i, 0);
    (void)fprintf(file,
                  "wss://stream.bybit.com/realtime_public <-> 1618675210.5\n1618675211: {}\n");
    assert_int_equal(fclose(file), 0);
    expect_refused(f, &options, &err);
    assert_string_equal(err.text,
                        "line 68 is 2.5 s older than a line more than 64.0 MiB before it");
    assert_non_null(strstr(err.hint, "sort the capture by time"));
}

/* Lines without any frame: no session. */
static void test_no_frames_no_session(void **state)
{
    fixture *f = *state;
    import_lines(f, "\n\nconfiguration: {}\nbad\n");
    assert_int_equal(f->report.is_written, 0);
    assert_int_equal(f->report.malformed, 1);
    assert_int_not_equal(access(f->env.path, F_OK), 0);
}

static void test_two_imports_two_sessions(void **state)
{
    fixture *f = *state;
    char first[sizeof f->report.session];
    import_lines(f, URL " <-> 1618675210\n1618675211: " TRADE "\n");
    memcpy(first, f->report.session, sizeof first);
    clock_sim_advance(f->env.clock, 1000000000);
    import_lines(f, URL " <-> 1618675210.5\n1618675210.75: " TRADE "\n");
    assert_string_not_equal(first, f->report.session);
    static const expected_row ROWS[] = {
        SESSION_EVENTS("inverse", 1618675210000000000),
        EVENT("inverse", 1618675210000000000, "\"event\":\"connect\""),
        SESSION_EVENTS("inverse", 1618675210500000000),
        EVENT("inverse", 1618675210500000000, "\"event\":\"connect\""),
        EVENT("inverse", 1618675210750000000, "\"event\":\"grant\""),
        {"inverse", CHANNEL_IN, "trade", "BTCUSD", 0, 1, 1, 1618675210750000000, TRADE},
        EVENT("inverse", 1618675210750000000, "\"state\":\"stop\""),
        EVENT("inverse", 1618675211000000000, "\"event\":\"grant\""),
        {"inverse", CHANNEL_IN, "trade", "BTCUSD", 0, 1, 1, 1618675211000000000, TRADE},
        EVENT("inverse", 1618675211000000000, "\"state\":\"stop\""),
        {.feed = NULL},
    };
    expect_archive(f, ROWS);
}

/* Keys and signatures of URLs and auth requests are overwritten in frames, also in earlier ones,
 * and in HTTP replies; an event before each such frame has the offsets. */
static void test_secrets_are_overwritten(void **state)
{
    static const expected_row ROWS[] = {
        SESSION_EVENTS("inverse", 1618675210000000000),
        EVENT("inverse", 1618675210000000000, "\"url\":\"" URL "\""),
        EVENT("inverse", 1618675211000000000,
              "\"dir\":\"in\",\"ordinal\":1,\"offset\":2,\"bytes\":12"),
        {"inverse", CHANNEL_IN, "_unknown", "", 0, 1, 1, 1618675211000000000,
         "a ****** b ****** c"},
        EVENT("inverse", 1618675212000000000, "\"event\":\"redacted\""),
        {"inverse", CHANNEL_OUT, "_control", "", 0, 1, 1, 1618675212000000000,
         "{\"op\":\"auth\",\"args\":[\"******\",1535975085152,\"********\"]}"},
        EVENT("inverse", 1618675213000000000, "\"event\":\"redacted\""),
        {"inverse", CHANNEL_IN, "_control", "", 0, 1, 2, 1618675213000000000,
         "{\"success\":true,\"x\":\"*******\",\"y\":\"auth\"}"},
        EVENT("inverse", 1618675214000000000, "symbols?k=******&y=5\""),
        EVENT("inverse", 1618675214000000000, "\"dir\":\"http\",\"offset\":6,\"bytes\":6"),
        {"inverse", CHANNEL_HTTP, "http.symbols", "", 0, 0, 0, 1618675214000000000,
         "{\"k\":\"******\"}"},
        EVENT("inverse", 1618675214000000000, "\"state\":\"stop\""),
        {.feed = NULL},
    };
    fixture *f = *state;
    import_lines(
        f,
        "wss://stream.bybit.com/realtime?api_key=key123&expires=1&signature=urlsign <-> "
        "1618675210\n"
        "1618675211: a key123 b key123 c\n" URL
        " <- 1618675212: {\"op\":\"auth\",\"args\":[\"key123\",1535975085152,\"opsigned\"]}\n"
        "1618675213: {\"success\":true,\"x\":\"urlsign\",\"y\":\"auth\"}\n"
        "https://api.bybit.com/v2/public/symbols?k=key123&y=5 -> 1618675214: {\"k\":\"key123\"}\n");
    expect_archive(f, ROWS);
    assert_int_equal(f->report.feeds[0].counts.frames.redacted, 6);
}

/* Order entry requests have a channel for their topic; secrets in their headers are hidden. */
static void test_requests(void **state)
{
#define TRADE_URL "wss://stream.bybit.com/v5/trade"
    static const expected_row ROWS[] = {
        SESSION_EVENTS("v5-trade", 1618675210000000000),
        EVENT("v5-trade", 1618675210000000000, "\"url\":\"" TRADE_URL "\""),
        EVENT("v5-trade", 1618675211000000000, "\"event\":\"redacted\""),
        {"v5-trade", CHANNEL_OUT, "order.create", "*", 0, 1, 1, 1618675211000000000,
         "{\"header\":{\"X-BAPI-SIGN\":\"*******\"},\"op\":\"order.create\",\"args\":[]}"},
        {"v5-trade", CHANNEL_OUT, "_control", "", 0, 1, 2, 1618675212000000000,
         "{\"op\":\"ping\"}"},
        EVENT("v5-trade", 1618675213000000000, "\"event\":\"grant\""),
        {"v5-trade", CHANNEL_IN, "order.create", "*", 0, 1, 1, 1618675213000000000,
         "{\"retCode\":0,\"op\":\"order.create\",\"data\":{}}"},
        EVENT("v5-trade", 1618675213000000000, "\"state\":\"stop\""),
        {.feed = NULL},
    };
    fixture *f = *state;
    import_lines(
        f, TRADE_URL
        " <-> 1618675210\n" TRADE_URL " <- 1618675211: "
        "{\"header\":{\"X-BAPI-SIGN\":\"thesign\"},\"op\":\"order.create\",\"args\":[]}\n" TRADE_URL
        " <- 1618675212: {\"op\":\"ping\"}\n"
        "1618675213: {\"retCode\":0,\"op\":\"order.create\",\"data\":{}}\n");
    expect_archive(f, ROWS);
}

/* A value longer than LIMIT_SECRET_BYTES is hidden in parts. */
static void test_long_secret_is_hidden(void **state)
{
    enum { BYTES = LIMIT_SECRET_BYTES + 900 };
    static char secret[BYTES + 1];
    static char stars[BYTES + 1];
    static char text[2 * BYTES + 512];
    static char sent[BYTES + 128];
    static char echo[BYTES + 128];
    const expected_row ROWS[] = {
        SESSION_EVENTS("inverse", 1618675210000000000),
        EVENT("inverse", 1618675210000000000, "\"event\":\"connect\""),
        EVENT("inverse", 1618675212000000000, "\"event\":\"redacted\""),
        {"inverse", CHANNEL_OUT, "_control", "", 0, 1, 1, 1618675212000000000, sent},
        EVENT("inverse", 1618675213000000000, "\"event\":\"redacted\""),
        {"inverse", CHANNEL_IN, "_unknown", "", 0, 1, 1, 1618675213000000000, echo},
        EVENT("inverse", 1618675213000000000, "\"state\":\"stop\""),
        {.feed = NULL},
    };
    for (size_t i = 0; i < BYTES; i++)
        secret[i] = (char)('a' + i * i / 7 % 26);
    memset(stars, '*', BYTES);
    (void)snprintf(sent, sizeof sent, "{\"op\":\"auth\",\"args\":[\"*\",1700000000,\"%s\"]}",
                   stars);                                      /* fits */
    (void)snprintf(echo, sizeof echo, "{\"x\":\"%s\"}", stars); /* fits */
    (void)snprintf(text, sizeof text,
                   URL " <-> 1618675210\n" URL
                       " <- 1618675212: {\"op\":\"auth\",\"args\":[\"k\",1700000000,\"%s\"]}\n"
                       "1618675213: {\"x\":\"%s\"}\n",
                   secret, secret); /* fits */
    import_lines(*state, text);
    expect_archive(*state, ROWS);
}

/* Frames before and after a full hour: two segments, and the second repeats the connection. */
static void test_hour_begins_a_segment(void **state)
{
    static const expected_row ROWS[] = {
        EVENT("inverse", 1618678799000000000, "\"number\":1"),
        EVENT("inverse", 1618678799000000000, "\"event\":\"session\""),
        EVENT("inverse", 1618678799000000000, "\"event\":\"connect\""),
        EVENT("inverse", 1618678799500000000, "\"event\":\"grant\""),
        {"inverse", CHANNEL_IN, "trade", "BTCUSD", 0, 1, 1, 1618678799500000000, TRADE},
        EVENT("inverse", 1618678800000000000, "\"in\":1"),
        EVENT("inverse", 1618678800000000000, "\"event\":\"grant\""),
        {"inverse", CHANNEL_IN, "trade", "BTCUSD", 0, 1, 2, 1618678800000000000, TRADE},
        EVENT("inverse", 1618678800000000000, "\"state\":\"stop\""),
        {.feed = NULL},
    };
    fixture *f = *state;
    import_lines(f, URL " <-> 1618678799\n1618678799.5: " TRADE "\n1618678800: " TRADE "\n");
    expect_archive(f, ROWS);
}

/* One topic more than a segment has channels: its frame is kept. No topic of this family covers
 * another, so each is looked up once. */
static void test_too_many_topics(void **state)
{
    enum { TOPICS = LIMIT_TOPIC_CHANNELS + 1 };
    fixture *f = *state;
    td_buf text;
    td_buf_init(&text, SIZE_MAX);
    assert_int_equal(td_buf_printf(&text, NULL, "%s", V5_URL " <-> 1618675210\n"), TD_OK);
    for (unsigned n = 0; n < TOPICS; n++)
        assert_int_equal(
            td_buf_printf(&text, NULL,
                          "1618675211.%06u: {\"topic\":\"publicTrade.S%u\",\"data\":[]}\n", n, n),
            TD_OK);
    assert_int_equal(td_buf_append(&text, "", 1, NULL), TD_OK);
    import_lines(f, (const char *)text.data);
    td_buf_fini(&text);
    assert_int_equal(f->report.feeds[0].counts.frames.overflow, 1);
    assert_int_equal(count_frames(&f->env), TOPICS);
}

/* ---- on a simulated disk ---- */

/* Write a capture with a frame every 30 s of one hour; the options of its import. */
static import_options write_hour(archive_env *env, const char *path, unsigned frame_count)
{
    const import_options options = {.io = io_fault_io(env->disk),
                                    .clock = clock_sim_clock(env->clock),
                                    .archive_path = env->path,
                                    .catalog_path = env->catalog_path,
                                    .version = "test",
                                    .format = IMPORT_CRYPTOFEED,
                                    .family = family_find(td_bytes_str("inverse")),
                                    .feed = FIXTURE_FEED,
                                    .path = path};
    td_file *file = NULL;
    char line[100];
    td_err err;
    assert_int_equal(td_io_open(options.io, options.path, TD_OPEN_CREATE, &file, &err), TD_OK);
    for (unsigned i = 0; i < frame_count; i++) {
        (void)snprintf(line, sizeof line, "%u.5: {\"topic\":\"trade.BTCUSD\",\"data\":[]}\n",
                       1618675200U + 30 * i);
        assert_int_equal(td_io_append(file, line, strlen(line), &err), TD_OK);
    }
    td_io_close(file);
    return options;
}

/* Calls of one import of frame_count frames into an archive that has a session of chunk_count
 * chunks, a segment for every three of them, in one folder. */
static uint64_t count_calls(io_fault_op op, unsigned chunk_count, unsigned frame_count)
{
    archive_env env;
    td_err err;
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 0, chunk_count);
    const import_options options = write_hour(&env, "capture", frame_count);
    import_report report;
    uint64_t before = io_fault_call_count(env.disk, op);
    if (import_run(&options, &report, &err) != TD_OK)
        fail_msg("%s", err.text);
    uint64_t calls = io_fault_call_count(env.disk, op) - before;
    import_report_fini(&report);
    archive_env_fini(&env);
    return calls;
}

static void test_earlier_segments_stay_closed(void **state)
{
    (void)state;
    assert_int_equal(count_calls(IO_FAULT_OP_OPEN, 3, 1), count_calls(IO_FAULT_OP_OPEN, 90, 1));
}

/* A segment is synced when it ends, not for each of its chunks. */
static void test_segments_are_synced_at_their_end(void **state)
{
    (void)state;
    assert_int_equal(count_calls(IO_FAULT_OP_SYNC, 3, 1), count_calls(IO_FAULT_OP_SYNC, 3, 90));
}

/* A disk with an import that stopped when a chunk could not be written, as a power cut leaves it.
 */
static void stop_and_cut_power(archive_env *env, uint64_t seed)
{
    td_err err;
    import_report report;
    archive_env_init_sim(env);
    const import_options options = write_hour(env, "capture", 90);
    io_fault_set_plan(env->disk, (io_fault_plan){.kind = IO_FAULT_EIO,
                                                 .mode = IO_FAULT_FOR_EVER,
                                                 .fail_at = 30,
                                                 .ops = IO_FAULT_BIT(IO_FAULT_OP_APPEND)});
    assert_int_not_equal(import_run(&options, &report, &err), TD_OK);
    assert_true(io_fault_did_fire(env->disk));
    import_report_fini(&report);
    archive_env_swap_disk(env, io_fault_power_cut(env->disk, seed));
}

/* Whatever survives of chunks that were never synced, the next import recovers it, opens a gap
 * after it, and adds all of the capture. */
static void test_power_cut(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 12; seed++) {
        archive_env env;
        gap_list gaps;
        td_err err;
        import_report report;
        stop_and_cut_power(&env, seed);
        import_options options = write_hour(&env, "capture-copy", 90);
        if (import_run(&options, &report, &err) != TD_OK)
            fail_msg("seed %llu: %s", (unsigned long long)seed, err.text);
        const uint64_t frames = count_frames(&env);
        assert_true(frames >= 90);
        archive_fixture_gaps(&env, &gaps);
        assert_true(frames == 90 || gaps.count > 0);
        gap_list_fini(&gaps);
        import_report_fini(&report);
        archive_env_fini(&env);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_line_format, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_format2_sorted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_jsonl, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_late_connection_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_frames_no_session, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_two_imports_two_sessions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_secrets_are_overwritten, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_requests, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_long_secret_is_hidden, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hour_begins_a_segment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_many_topics, set_up, tear_down),
        cmocka_unit_test(test_earlier_segments_stay_closed),
        cmocka_unit_test(test_segments_are_synced_at_their_end),
        cmocka_unit_test(test_power_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
