/* recorder/capture/feed_writer: from stamped frames to chunks of an archive, which is read back
 * with a tape. Expected: the rules at the top of feed_writer.h, docs/design.md ("Channels",
 * "Events"; P2, P3). */
#include "recorder/capture/feed_writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/limits.h"
#include "schema/decode.h"
#include "tape/cursor.h"
#include "tests/testing/archive_fixture.h"

#define HOUR_NS  (UINT64_C(3600) * TD_NS_PER_S)
#define START_NS (UINT64_C(500000) * HOUR_NS)
#define SECRET   "VERYSECRETKEY"
#define TRADE    "{\"topic\":\"trade.BTCUSD\",\"data\":[]}"

typedef struct fixture {
    archive_env env;
    archive *archive;
    archive_writer *into;
    size_t index;
    redactor secrets;
    feed_writer *writer;
    sealed_chunk *chunk;
    char *padded; /* the current frame */
    unsigned seals, warnings;
    char warning[256];     /* the last one */
    td_result full_result; /* the result that `full` returns */
    uint64_t now_ns;
    /* Results of the last frame. */
    feed_written written;
    feed_frame shown;
} fixture;

static td_result seal(fixture *f)
{
    if (!feed_writer_seal(f->writer, CHUNK_LEVEL_DEFAULT, f->chunk))
        return TD_EOF;
    f->seals++;
    td_result rc = archive_writer_put(f->into, f->index, f->chunk, NULL);
    assert_int_equal(rc, TD_OK);
    return TD_OK;
}

static td_result on_full(void *user, td_err *err)
{
    fixture *f = user;
    if (f->full_result != TD_OK)
        return td_err_set(err, f->full_result, "full");
    return seal(f);
}

static void count_warning(void *user, td_log_level level, const char *line)
{
    fixture *f = user;
    (void)level; /* warnings only */
    print_message("  %s\n", line);
    (void)snprintf(f->warning, sizeof f->warning, "%s", line);
    f->warnings++;
}

static int set_up_feed(void **state, const char *name)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    archive_env_init_sim(&f->env);
    f->archive = archive_env_open(&f->env, ARCHIVE_APPEND, "test");
    const archive_writer_options writing = {.version = "test", .start_ns = START_NS};
    assert_int_equal(archive_writer_open(f->archive, &writing, &f->into, NULL), TD_OK);
    assert_int_equal(archive_writer_add_feed(f->into, name, name, NULL, &f->index, NULL), TD_OK);
    redactor_init(&f->secrets);
    assert_int_equal(redactor_add(&f->secrets, SECRET, NULL), TD_OK);
    static td_log log;
    log = (td_log){.fn = count_warning, .ctx = f, .level_max = TD_LOG_WARNING};
    const feed_writer_options options = {.name = name,
                                         .family = family_find(td_bytes_str(name)),
                                         .session = archive_session(f->archive),
                                         .secrets = &f->secrets,
                                         .log = &log,
                                         .full = on_full,
                                         .user = f};
    f->writer = feed_writer_open(&options);
    f->chunk = sealed_chunk_open();
    f->padded = calloc(1, LIMIT_CHUNK_TARGET_BYTES + DECODE_PADDING_BYTES);
    assert_non_null(f->chunk);
    assert_non_null(f->padded);
    f->now_ns = START_NS;
    *state = f;
    return 0;
}

static int set_up(void **state)
{
    return set_up_feed(state, "inverse");
}

/* An exchange that numbers the frames of a connection. */
static int set_up_counted(void **state)
{
    return set_up_feed(state, "coinbase-advanced");
}

/* v5: no topic covers another, so each of thousands is looked up once. */
static int set_up_v5(void **state)
{
    return set_up_feed(state, "v5-linear");
}

static int tear_down(void **state)
{
    fixture *f = *state;
    feed_writer_close(f->writer);
    sealed_chunk_close(f->chunk);
    redactor_fini(&f->secrets);
    assert_int_equal(archive_writer_close(f->into, WRITER_ABANDON, 0, NULL), TD_OK);
    archive_close(f->archive);
    archive_env_fini(&f->env);
    free(f->padded);
    free(f);
    return 0;
}

/* ---- writing ---- */

static void connect_slot(fixture *f, uint32_t shard, uint32_t conn)
{
    const event_slot at = {.shard = shard, .conn = conn, .since_ns = f->now_ns};
    const event began = {.kind = EVENT_CONNECT, .shard = shard, .conn = conn, .attempt = 1};
    assert_int_equal(feed_writer_event(f->writer, f->now_ns, &began, NULL), TD_OK);
    assert_int_equal(feed_writer_ordinals(f->writer, &at, NULL), TD_OK);
}

static td_result try_put(fixture *f, uint32_t shard, channel_dir dir, uint64_t ordinal,
                         td_bytes bytes)
{
    memcpy(f->padded, bytes.data, bytes.size);
    const feed_slot *slot = feed_writer_slot(f->writer, 0, shard);
    feed_frame frame = {.shard = shard,
                        .conn = dir == CHANNEL_HTTP ? 0 : slot->at.conn,
                        .dir = dir,
                        .opcode = OPCODE_TEXT,
                        .ordinal = ordinal,
                        .recv_ns = ++f->now_ns,
                        .bytes = td_bytes_of(f->padded, bytes.size),
                        .http_name = "reply"};
    td_result rc = feed_writer_frame(f->writer, &frame, &f->written, NULL);
    f->shown = frame;
    return rc;
}

static void put(fixture *f, uint32_t shard, channel_dir dir, uint64_t ordinal, const char *text)
{
    assert_int_equal(try_put(f, shard, dir, ordinal, td_bytes_str(text)), TD_OK);
    assert_int_equal(f->shown.bytes.size, strlen(text));
}

static void put_topic(fixture *f, unsigned n)
{
    char text[64];
    (void)snprintf(text, sizeof text, "{\"topic\":\"publicTrade.S%u\",\"data\":[]}", n);
    put(f, 0, CHANNEL_IN, 0, text);
}

/* ---- reading back ---- */

/* An expected message; text is a part of an event, or a whole frame. */
typedef struct expected_row {
    channel_dir dir;
    uint32_t shard;
    uint32_t conn;
    uint64_t ordinal;
    const char *text;
} expected_row;

#define EVENT(text)                                                                                \
    {                                                                                              \
        CHANNEL_EVENT, 0, 0, 0, text                                                               \
    }

static void expect_row(const frame_ref *frame, const expected_row *row)
{
    print_message("  %.*s\n", (int)frame->bytes.size, (const char *)frame->bytes.data);
    assert_int_equal(frame->channel->info.dir, row->dir);
    if (row->dir == CHANNEL_EVENT) {
        assert_non_null(memmem(frame->bytes.data, frame->bytes.size, row->text, strlen(row->text)));
        return;
    }
    assert_int_equal(frame->channel->info.shard, row->shard);
    assert_int_equal(frame->conn->number, row->conn);
    assert_int_equal(frame->ordinal, row->ordinal);
    assert_true(td_bytes_is(frame->bytes, row->text));
}

static cursor *finish_and_read(fixture *f)
{
    static const selection EVERYTHING = {.has_from = 0};
    const cursor_options reading = {.with_events = 1};
    cursor *t = NULL;
    assert_true(seal(f) == TD_OK || f->seals > 0);
    assert_int_equal(archive_writer_close(f->into, WRITER_STOP, f->now_ns, NULL), TD_OK);
    f->into = NULL;
    archive_close(f->archive);
    f->archive = archive_env_open(&f->env, ARCHIVE_READ, NULL);
    assert_int_equal(cursor_open(f->archive, &EVERYTHING, &reading, &t, NULL), TD_OK);
    return t;
}

static void close_read(fixture *f, cursor *t)
{
    cursor_close(t);
    archive_close(f->archive);
    f->archive = NULL;
}

/* Checks that the cursor has these messages, in this order. */
static void expect_rows(fixture *f, cursor *t, const expected_row *rows, size_t count)
{
    const frame_ref *frame;
    size_t at = 0;
    while (cursor_next(t, &frame, NULL) == TD_OK) {
        assert_true(at < count);
        expect_row(frame, &rows[at++]);
    }
    assert_int_equal(at, count);
    close_read(f, t);
}

#define EXPECT_ARCHIVE(f, rows)                                                                    \
    expect_rows(f, finish_and_read(f), rows, sizeof(rows) / sizeof((rows)[0]))

/* ---- tests ---- */

/* Ordinals that the caller does not set continue from the last one; a hole in them means dropped
 * frames. */
static void ordinals_are_numbered_or_given(void **state)
{
    static const expected_row ROWS[] = {
        EVENT("\"event\":\"segment\""),
        EVENT("\"event\":\"connect\""),
        {CHANNEL_OUT, 0, 1, 1, "{\"op\":\"ping\"}"},
        EVENT("\"event\":\"grant\""),
        {CHANNEL_IN, 0, 1, 1, TRADE},
        {CHANNEL_IN, 0, 1, 5, TRADE},
        {CHANNEL_HTTP, 0, 0, 0, "{}"},
        {CHANNEL_IN, 0, 1, 6, TRADE},
        {CHANNEL_IN, 0, 1, 10, "hello"},
        EVENT("\"event\":\"connect\""),
        EVENT("\"event\":\"grant\""),
        {CHANNEL_IN, 0, 2, 1, TRADE},
    };
    fixture *f = *state;
    connect_slot(f, 0, 1);
    put(f, 0, CHANNEL_OUT, 0, "{\"op\":\"ping\"}");
    put(f, 0, CHANNEL_IN, 0, TRADE);
    put(f, 0, CHANNEL_IN, 5, TRADE);
    put(f, 0, CHANNEL_HTTP, 0, "{}");
    put(f, 0, CHANNEL_IN, 0, TRADE);
    const event_slot dropped = {.conn = 1, .in = 9, .out = 1, .since_ns = f->now_ns};
    assert_int_equal(feed_writer_ordinals(f->writer, &dropped, NULL), TD_OK);
    assert_int_equal(feed_writer_slot(f->writer, 0, 0)->at.since_ns, START_NS);
    put(f, 0, CHANNEL_IN, 0, "hello");
    feed_writer_closed(f->writer, 0, 0, 0);
    connect_slot(f, 0, 2);
    put(f, 0, CHANNEL_IN, 0, TRADE);
    assert_int_equal(feed_writer_slot(f->writer, 0, 0)->last_ns, f->now_ns);
    assert_null(feed_writer_slot(f->writer, 0, 1));
    assert_int_equal(feed_writer_last_ns(f->writer), f->now_ns);
    const feed_counts counts = feed_writer_get_counts(f->writer);
    assert_int_equal(counts.in, 5);
    assert_int_equal(counts.out, 1);
    assert_int_equal(counts.http, 1);
    assert_int_equal(counts.unknown, 1);
    assert_int_equal(counts.control, 0);
    assert_int_equal(counts.bytes, 4 * strlen(TRADE) + strlen("{\"op\":\"ping\"}{}hello"));
    EXPECT_ARCHIVE(f, ROWS);
}

#define EVENTS "\"events\":[{\"product_id\":\"A\"}]"
#define COUNTED(number, channel)                                                                   \
    "{\"channel\":\"" channel "\",\"sequence_num\":" number "," EVENTS "}"

/* A number that is not the next one is a gap of the connection, before the frame that has it. What
 * was dropped here is no such gap, and neither is the begin of a connection. */
static void lost_frames_of_a_counted_connection(void **state)
{
    static const expected_row ROWS[] = {
        EVENT("\"event\":\"segment\""),
        EVENT("\"event\":\"connect\""),
        EVENT("\"event\":\"grant\""),
        {CHANNEL_IN, 0, 1, 1, COUNTED("7", "l2_data")},
        {CHANNEL_IN, 0, 1, 2, COUNTED("8", "heartbeats")},
        {CHANNEL_IN, 0, 1, 3, "{\"type\":\"error\"}"},
        {CHANNEL_OUT, 0, 1, 1, "{}"},
        EVENT("\"detail\":\"conn_dense: expected 9, found 11\""),
        {CHANNEL_IN, 0, 1, 4, COUNTED("11", "heartbeats")},
        {CHANNEL_IN, 0, 1, 5, COUNTED("12", "l2_data")},
        {CHANNEL_IN, 0, 1, 9, COUNTED("16", "l2_data")},
        EVENT("\"detail\":\"conn_dense: expected 17, found 16\""),
        {CHANNEL_IN, 0, 1, 10, COUNTED("16", "l2_data")},
        {CHANNEL_IN, 0, 1, 11, COUNTED("17", "l2_data")},
        EVENT("\"event\":\"connect\""),
        EVENT("\"event\":\"grant\""),
        {CHANNEL_IN, 0, 2, 1, COUNTED("0", "l2_data")},
    };
    fixture *f = *state;
    connect_slot(f, 0, 1);
    put(f, 0, CHANNEL_IN, 0, COUNTED("7", "l2_data"));
    put(f, 0, CHANNEL_IN, 0, COUNTED("8", "heartbeats"));
    put(f, 0, CHANNEL_IN, 0, "{\"type\":\"error\"}");
    const uint64_t before_ns = f->now_ns;
    put(f, 0, CHANNEL_OUT, 0, "{}");
    put(f, 0, CHANNEL_IN, 0, COUNTED("11", "heartbeats"));
    assert_int_equal(f->written.lost_from_ns, before_ns);
    put(f, 0, CHANNEL_IN, 0, COUNTED("12", "l2_data"));
    assert_int_equal(f->written.lost_from_ns, before_ns); /* the first data frame tells it */
    put(f, 0, CHANNEL_IN, 9, COUNTED("16", "l2_data"));
    assert_int_equal(f->written.lost_from_ns, 0);
    put(f, 0, CHANNEL_IN, 0, COUNTED("16", "l2_data"));
    assert_int_equal(f->written.lost_from_ns, f->now_ns - 1);
    put(f, 0, CHANNEL_IN, 0, COUNTED("17", "l2_data"));
    feed_writer_closed(f->writer, 0, 0, 0);
    connect_slot(f, 0, 2);
    put(f, 0, CHANNEL_IN, 0, COUNTED("0", "l2_data"));
    assert_int_equal(feed_writer_get_counts(f->writer).sequence_gaps, 2);
    assert_int_equal(f->warnings, 1); /* one a minute */
    EXPECT_ARCHIVE(f, ROWS);
}

#define LEVELS(number, events)                                                                     \
    "{\"channel\":\"l2_data\",\"sequence_num\":" number ",\"events\":[" events "]}"
#define OF(symbol) "{\"product_id\":\"" symbol "\"}"

/* A frame with entries of several symbols is in the channel of the first. Readers of the others do
 * not see it, so it is a gap of the topic, of all its symbols. */
static void a_frame_of_several_symbols(void **state)
{
    static const expected_row ROWS[] = {
        EVENT("\"event\":\"segment\""),
        EVENT("\"event\":\"connect\""),
        EVENT("\"event\":\"grant\""),
        {CHANNEL_IN, 0, 1, 1, LEVELS("0", OF("A") "," OF("A"))},
        EVENT("\"detail\":\"a frame has entries of several symbols\""),
        {CHANNEL_IN, 0, 1, 2, LEVELS("1", OF("A") "," OF("AB"))},
        EVENT("\"topic\":\"level2\""),
        {CHANNEL_IN, 0, 1, 3, LEVELS("2", OF("A") ",{\"product\\u005fid\" : \"B\"}")},
        {CHANNEL_IN, 0, 1, 4, LEVELS("3", OF("A") ",{\"product_id\" : \"\\u0041\"}")},
        {CHANNEL_IN, 0, 1, 5, LEVELS("4", "{\"product_id\":\"A\",\"x\":" OF("B") "}")},
    };
    fixture *f = *state;
    connect_slot(f, 0, 1);
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        const uint64_t before_ns = f->now_ns;
        if (ROWS[i].dir != CHANNEL_IN)
            continue;
        put(f, 0, CHANNEL_IN, 0, ROWS[i].text);
        const int has_several = ROWS[i - 1].dir == CHANNEL_EVENT && ROWS[i].ordinal > 1;
        assert_int_equal(f->written.lost_from_ns, has_several ? before_ns : 0);
    }
    assert_int_equal(feed_writer_get_counts(f->writer).sequence_gaps, 2);
    EXPECT_ARCHIVE(f, ROWS);
}

/* Frames of several symbols are warned of once a minute, with their number. */
static void warnings_of_frames_are_limited(void **state)
{
    enum { FRAMES = 50 };
    fixture *f = *state;
    char text[256];
    connect_slot(f, 0, 1);
    for (unsigned i = 0; i <= FRAMES; i++) {
        (void)snprintf(text, sizeof text, LEVELS("%u", OF("A") "," OF("B")), i);
        f->now_ns += i < FRAMES ? 0 : 60 * TD_NS_PER_S;
        put(f, 0, CHANNEL_IN, 0, text);
        assert_int_equal(f->warnings, i < FRAMES ? 1 : 2);
    }
    assert_non_null(strstr(f->warning, "(50 such frames since the last warning)"));
    assert_int_equal(feed_writer_get_counts(f->writer).sequence_gaps, FRAMES + 1);
}

/* An ordinal that is not higher than the last one is refused: it would be another frame's. */
static void an_ordinal_that_falls_is_refused(void **state)
{
    fixture *f = *state;
    connect_slot(f, 0, 1);
    put(f, 0, CHANNEL_IN, 7, TRADE);
    assert_int_equal(try_put(f, 0, CHANNEL_IN, 7, td_bytes_str(TRADE)), TD_E_INVALID);
}

/* Each segment can be read on its own: it lists the open connections, their ordinals, and their
 * topics. */
static void a_segment_restates_open_connections(void **state)
{
    static const expected_row ROWS[] = {
        EVENT("\"number\":1"),
        EVENT("\"event\":\"connect\""),
        EVENT("\"event\":\"grant\""),
        {CHANNEL_IN, 0, 1, 1, TRADE},
        EVENT("\"event\":\"connect\""),
        EVENT("\"event\":\"grant\""),
        {CHANNEL_IN, 1, 1, 1, TRADE},
        EVENT("\"event\":\"connect\""),
        EVENT("\"event\":\"grant\""),
        {CHANNEL_IN, 2, 1, 1, TRADE},
        {CHANNEL_OUT, 2, 1, 1, "{\"op\":\"ping\"}"},
        EVENT("\"number\":2,\"slots\":[{\"line\":0,\"shard\":0,\"conn\":1,\"in\":1,\"out\":0,"
              "\"since_ns\":1800000000000000000},{\"line\":0,\"shard\":2,\"conn\":1,\"in\":1,"
              "\"out\":1,"
              "\"since_ns\":1800000000000000002}]}"),
        EVENT("{\"event\":\"grant\",\"line\":0,\"shard\":0,\"conn\":1,\"topic\":\"trade.BTCUSD\","
              "\"source\":\"seen\",\"from_ns\":1800000000000000001}"),
        EVENT("{\"event\":\"grant\",\"line\":0,\"shard\":2,\"conn\":1,\"topic\":\"trade.BTCUSD\","
              "\"source\":\"seen\",\"from_ns\":1800000000000000003}"),
        {CHANNEL_IN, 0, 1, 2, TRADE},
    };
    fixture *f = *state;
    for (uint32_t shard = 0; shard < 3; shard++) {
        connect_slot(f, shard, 1);
        put(f, shard, CHANNEL_IN, 0, TRADE);
    }
    put(f, 2, CHANNEL_OUT, 0, "{\"op\":\"ping\"}");
    feed_writer_closed(f->writer, 0, 1, 0);
    assert_int_equal(feed_writer_segment(f->writer), 1);
    assert_int_equal(f->seals, 0);
    f->now_ns = START_NS + HOUR_NS;
    assert_int_equal(try_put(f, 0, CHANNEL_IN, 0, td_bytes_str(TRADE)), TD_OK);
    assert_int_equal(feed_writer_segment(f->writer), 2);
    assert_int_equal(f->seals, 1);
    assert_int_equal(feed_writer_pending_count(f->writer), 4);
    /* The new segment numbers its channels from 0; its events have 0. */
    assert_int_equal(f->shown.channel, 1);
    assert_string_equal(f->shown.info->topic, "trade");
    EXPECT_ARCHIVE(f, ROWS);
}

/* Secrets are overwritten in place, and an event precedes every frame that had one; the caller gets
 * the frame as it was written. */
static void secrets_are_hidden_and_an_event_comes_first(void **state)
{
    static const expected_row ROWS[] = {
        EVENT("\"event\":\"segment\""),
        EVENT("\"event\":\"connect\""),
        EVENT("\"dir\":\"out\",\"ordinal\":1,\"offset\":8,\"bytes\":13"),
        {CHANNEL_OUT, 0, 1, 1, "{\"key\":\"*************\"}"},
        EVENT("\"dir\":\"in\",\"ordinal\":3,"),
        {CHANNEL_IN, 0, 1, 3, "************* *************"},
        EVENT("\"dir\":\"http\""),
        {CHANNEL_HTTP, 0, 0, 0, "[\"*************\"]"},
    };
    fixture *f = *state;
    connect_slot(f, 0, 1);
    assert_int_equal(try_put(f, 0, CHANNEL_OUT, 0, td_bytes_str("{\"key\":\"" SECRET "\"}")),
                     TD_OK);
    assert_true(td_bytes_is(f->shown.bytes, "{\"key\":\"*************\"}"));
    put(f, 0, CHANNEL_IN, 3, SECRET " " SECRET);
    put(f, 0, CHANNEL_HTTP, 0, "[\"" SECRET "\"]");
    assert_int_equal(feed_writer_get_counts(f->writer).redacted, 4);
    EXPECT_ARCHIVE(f, ROWS);
}

/* Counts the events of a chunk that contain these words; *recv_ns is the time of the last one. */
static size_t count_events(const sealed_chunk *chunk, const char *words, uint64_t *recv_ns)
{
    size_t at = 0;
    size_t found = 0;
    uint64_t ns;
    td_bytes text;
    while (sealed_chunk_event(chunk, &at, &ns, &text)) {
        if (memmem(text.data, text.size, words, strlen(words)) == NULL)
            continue;
        found++;
        *recv_ns = ns;
    }
    return found;
}

/* The catalog gets the rows of events together with their chunk. */
static void events_go_with_their_chunk(void **state)
{
    uint64_t recv_ns = 0;
    fixture *f = *state;
    connect_slot(f, 0, 1);
    put(f, 0, CHANNEL_IN, 0, TRADE);
    event gap_event = {.kind = EVENT_GAP,
                       .gap = gap_row_of(GAP_DISCONNECT, "", START_NS, GAP_OPEN, "test")};
    assert_int_equal(feed_writer_event(f->writer, f->now_ns, &gap_event, NULL), TD_OK);
    gap_event.gap.to_ns = f->now_ns;
    assert_int_equal(feed_writer_event(f->writer, f->now_ns, &gap_event, NULL), TD_OK);
    assert_int_equal(seal(f), TD_OK);
    assert_int_equal(count_events(f->chunk, "\"event\":\"gap\"", &recv_ns), 2);
    assert_int_equal(recv_ns, f->now_ns);
    assert_int_equal(count_events(f->chunk, "\"event\":\"segment\"", &recv_ns), 1);
    put(f, 0, CHANNEL_IN, 0, TRADE);
    assert_int_equal(seal(f), TD_OK);
    assert_int_equal(count_events(f->chunk, "", &recv_ns), 0);
    assert_int_equal(seal(f), TD_EOF);
}

static void what_full_gives_ends_the_call(void **state)
{
    fixture *f = *state;
    connect_slot(f, 0, 1);
    put(f, 0, CHANNEL_IN, 0, TRADE);
    f->full_result = TD_E_NOSPACE;
    f->now_ns += HOUR_NS;
    assert_int_equal(try_put(f, 0, CHANNEL_IN, 0, td_bytes_str(TRADE)), TD_E_NOSPACE);
}

/* Adds a frame that fills the pending chunk up to short_by bytes below its target. It is on
 * _unknown, whose channel record is missing in the third and fifth chunk with such a frame. */
static void fill_chunk(fixture *f, size_t short_by)
{
    char *text = malloc(LIMIT_CHUNK_TARGET_BYTES);
    assert_non_null(text);
    memset(text, 'x', LIMIT_CHUNK_TARGET_BYTES);
    size_t overhead = 0;
    for (int chunk = 1; chunk <= 5; chunk++) {
        size_t size = LIMIT_CHUNK_TARGET_BYTES - (chunk < 5 ? 4096 : short_by + overhead);
        (void)seal(f);
        assert_int_equal(try_put(f, 0, CHANNEL_IN, 0, td_bytes_of(text, size)), TD_OK);
        if (chunk == 3) {
            assert_int_equal(seal(f), TD_OK);
            overhead = f->chunk->uncompressed_bytes - size;
        }
    }
    free(text);
}

/* If the event before a frame fills the chunk, the frame is in the next one. */
static void an_event_may_fill_the_chunk(void **state)
{
    fixture *f = *state;
    connect_slot(f, 0, 1);
    fill_chunk(f, 20);
    unsigned seals = f->seals;
    put(f, 0, CHANNEL_IN, 0, SECRET);
    assert_int_equal(f->seals, seals + 1);
    assert_int_equal(feed_writer_pending_count(f->writer), 1);
}

/* More topics than channels: all frames are kept, with one warning. */
static void topics_beyond_the_channels(void **state)
{
    enum { MORE = 3 };
    fixture *f = *state;
    connect_slot(f, 0, 1);
    for (unsigned n = 0; n < LIMIT_TOPIC_CHANNELS; n++)
        put_topic(f, n);
    assert_int_equal(f->warnings, 0);
    for (unsigned n = 0; n < MORE; n++)
        put_topic(f, LIMIT_TOPIC_CHANNELS + n);
    assert_int_equal(f->warnings, 1);
    assert_int_equal(feed_writer_get_counts(f->writer).overflow, MORE);
    f->now_ns += HOUR_NS; /* a new segment has the same number of channels again */
    for (unsigned n = 0; n <= LIMIT_TOPIC_CHANNELS; n++)
        put_topic(f, n);
    assert_int_equal(f->warnings, 1);
    assert_int_equal(feed_writer_get_counts(f->writer).overflow, MORE + 1);
    cursor *t = finish_and_read(f);
    uint64_t frames = 0;
    const frame_ref *frame;
    while (cursor_next(t, &frame, NULL) == TD_OK)
        frames += frame->channel->info.dir == CHANNEL_IN;
    assert_int_equal(frames, 2 * LIMIT_TOPIC_CHANNELS + MORE + 1);
    close_read(f, t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ordinals_are_numbered_or_given, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lost_frames_of_a_counted_connection, set_up_counted,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_frame_of_several_symbols, set_up_counted, tear_down),
        cmocka_unit_test_setup_teardown(warnings_of_frames_are_limited, set_up_counted, tear_down),
        cmocka_unit_test_setup_teardown(an_ordinal_that_falls_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_segment_restates_open_connections, set_up, tear_down),
        cmocka_unit_test_setup_teardown(secrets_are_hidden_and_an_event_comes_first, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(events_go_with_their_chunk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_full_gives_ends_the_call, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_event_may_fill_the_chunk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(topics_beyond_the_channels, set_up_v5, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
