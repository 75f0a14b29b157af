/* The tape's frames and their order. Expected: docs/design.md, "Order of frames", sorted here with
 * a comparison of its own; segments are written with format/, archives have no catalog. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/random.h"
#include "archive/segment_rows.h"
#include "archive/verify.h"
#include "tape/block.h"
#include "tape/channel_table.h"
#include "tape/cursor.h"
#include "tests/testing/tape_fixture.h"

static const frame_ref *next_frame(cursor *t)
{
    const frame_ref *frame = NULL;
    assert_int_equal(cursor_next(t, &frame, NULL), TD_OK);
    return frame;
}

static void expect_end(cursor *t)
{
    const frame_ref *frame;
    assert_int_equal(cursor_next(t, &frame, NULL), TD_EOF);
}

/* The only segment of a session that starts at time 1. */
static tape_segment *open_only(tape_fixture *f, uint64_t first_ns)
{
    return tape_segment_open(f, &(tape_segment_spec){"alpha", "aaaaaaaa", 1, first_ns, 1});
}

/* ---- total order ---- */

/* A frame as it was made; its text is its number. */
typedef struct made_frame {
    const char *feed;
    const char *session;
    uint64_t start_ns, recv_ns;
    uint32_t line;
    channel_dir dir;
    uint64_t ordinal;
    unsigned number;
} made_frame;

enum { ORDER_FRAMES = 1200, ORDER_SEGMENTS = 4, FRAMES_PER_CHUNK = 37 };

static const tape_segment_spec ORDER_SPECS[ORDER_SEGMENTS] = {
    {"beta", "aaaaaaaa", 100, 1000, 1},
    {"alpha", "aaaaaaaa", 100, 1000, 1},
    {"alpha", "bbbbbbbb", 100, 1000, 1},
    {"gamma", "cccccccc", 50, 1000, 1},
};

/* docs/design.md, "Order of frames": (recv_ns, session start, session id, feed, line, shard, conn,
 * in before out, ordinal). */
static int compare_made(const void *a, const void *b)
{
    const made_frame *l = a;
    const made_frame *r = b;
    if (l->recv_ns != r->recv_ns)
        return l->recv_ns < r->recv_ns ? -1 : 1;
    if (l->start_ns != r->start_ns)
        return l->start_ns < r->start_ns ? -1 : 1;
    int order = strcmp(l->session, r->session);
    if (order == 0)
        order = strcmp(l->feed, r->feed);
    if (order == 0)
        order = (int)l->line - (int)r->line;
    if (order == 0)
        order = (int)l->dir - (int)r->dir;
    return order != 0 ? order : l->ordinal < r->ordinal ? -1 : 1;
}

/* Sessions that overlap in time, on a grid so coarse that many times are equal. Session "aaaaaaaa"
 * has two feeds, whose times differ as P3 requires. */
static void make_overlapping(tape_fixture *f, made_frame *frames)
{
    tape_segment *segments[ORDER_SEGMENTS];
    uint64_t session_ns[ORDER_SEGMENTS] = {1000, 0, 1000, 1000}; /* [1] and [0] are one session */
    uint64_t ordinals[ORDER_SEGMENTS][2][2] = {0};
    unsigned in_chunk[ORDER_SEGMENTS] = {0};
    td_random random;
    td_random_init(&random, 7);
    for (size_t i = 0; i < ORDER_SEGMENTS; i++) {
        segments[i] = tape_segment_open(f, &ORDER_SPECS[i]);
        tape_segment_connect(segments[i], 1, 500);
    }
    for (unsigned n = 0; n < ORDER_FRAMES; n++) {
        size_t of = td_random_below(&random, ORDER_SEGMENTS);
        uint64_t *now_ns = &session_ns[of == 1 ? 0 : of];
        *now_ns += 1 + td_random_below(&random, 2);
        uint32_t line = (uint32_t)td_random_below(&random, 2);
        channel_dir dir = td_random_below(&random, 4) == 0 ? CHANNEL_OUT : CHANNEL_IN;
        frames[n] = (made_frame){.feed = ORDER_SPECS[of].feed,
                                 .session = ORDER_SPECS[of].session,
                                 .start_ns = ORDER_SPECS[of].start_ns,
                                 .recv_ns = *now_ns,
                                 .line = line,
                                 .dir = dir,
                                 .ordinal = ++ordinals[of][line][dir == CHANNEL_OUT],
                                 .number = n};
        char text[32];
        snprintf(text, sizeof text, "%u", n);
        tape_segment_put(segments[of],
                         &(tape_put){.line = line,
                                     .dir = dir,
                                     .topic = dir == CHANNEL_OUT ? CHANNEL_TOPIC_CONTROL : "trade",
                                     .symbol = dir == CHANNEL_OUT ? "" : "BTCUSD",
                                     .conn = 1,
                                     .ordinal = frames[n].ordinal,
                                     .recv_ns = *now_ns,
                                     .text = text});
        if (++in_chunk[of] % FRAMES_PER_CHUNK == 0)
            tape_segment_seal(segments[of]);
    }
    for (size_t i = 0; i < ORDER_SEGMENTS; i++)
        tape_segment_finish(segments[i]);
}

/* P6: the output does not depend on the number of threads. */
static void test_total_order(void **state)
{
    static const unsigned THREADS[] = {1, 2, 3, 8};
    tape_fixture *f = *state;
    made_frame *frames = td_alloc_zero(ORDER_FRAMES, sizeof *frames);
    make_overlapping(f, frames);
    qsort(frames, ORDER_FRAMES, sizeof *frames, compare_made);
    unsigned equal_times = 0;
    for (unsigned n = 1; n < ORDER_FRAMES; n++)
        equal_times += frames[n].recv_ns == frames[n - 1].recv_ns;
    assert_true(equal_times > 100); /* otherwise the test proves little */
    for (size_t i = 0; i < sizeof THREADS / sizeof THREADS[0]; i++) {
        cursor *t =
            tape_fixture_tape(f, NULL, &(cursor_options){.threads = THREADS[i], .with_lines = 1});
        for (unsigned n = 0; n < ORDER_FRAMES; n++) {
            const frame_ref *frame = next_frame(t);
            assert_int_equal(tape_frame_number(frame), frames[n].number);
            assert_int_equal(frame->ordinal, frames[n].ordinal);
            assert_int_equal(frame->recv_ns, TAPE_FIXTURE_NS + frames[n].recv_ns);
            assert_int_equal(frame->publish_ns, frame->recv_ns);
            assert_int_equal(frame->conn->number, frames[n].line == 0);
            assert_int_equal(frame->channel->info.line, frames[n].line);
            assert_int_equal(frame->channel->info.dir, frames[n].dir);
            assert_string_equal(frame->conn->session_id, frames[n].session);
            assert_string_equal(frame->channel->info.feed, frames[n].feed);
        }
        expect_end(t);
        expect_end(t);
        cursor_stats stats;
        cursor_get_stats(t, &stats);
        assert_int_equal(stats.segments, ORDER_SEGMENTS);
        assert_int_equal(stats.damaged_chunks, 0);
        cursor_close(t);
    }
    td_free(frames);
}

/* ---- threads ---- */

/* Reads to the end; hashes all that a user sees of the frames. */
static td_hash128 hash_rest(cursor *t)
{
    td_hasher *hasher = td_hasher_open();
    const frame_ref *frame;
    td_result rc;
    while ((rc = cursor_next(t, &frame, NULL)) == TD_OK) {
        const channel_info *info = &frame->channel->info;
        uint64_t numbers[] = {frame->recv_ns,      frame->publish_ns,    frame->ordinal,
                              frame->conn->number, frame->conn->session, info->line,
                              (uint64_t)info->dir, frame->conn_index,    frame->is_copy,
                              frame->is_lead_in};
        td_hasher_update(hasher, info->feed, strlen(info->feed));
        td_hasher_update(hasher, numbers, sizeof numbers);
        td_hasher_update(hasher, frame->bytes.data, frame->bytes.size);
    }
    assert_int_equal(rc, TD_EOF);
    td_hash128 hash = td_hasher_digest(hasher);
    td_hasher_close(hasher);
    return hash;
}

static void read_all(tape_fixture *f, unsigned threads, cursor_stats *stats)
{
    cursor *t = tape_fixture_tape(f, NULL, &(cursor_options){.threads = threads});
    (void)hash_rest(t);
    cursor_get_stats(t, stats);
    cursor_close(t);
}

enum { BIG_FRAME_BYTES = 60000, BIG_FRAMES = 160, BIG_PER_CHUNK = 16 };

/* Makes chunks so large that reading one takes longer than returning the frames of the last. */
static void make_big(tape_fixture *f)
{
    tape_segment *segment = open_only(f, 1000);
    char *text = td_alloc(BIG_FRAME_BYTES);
    td_random random;
    td_random_init(&random, 11);
    for (uint64_t n = 0; n < BIG_FRAMES; n++) {
        for (size_t i = 0; i + 1 < BIG_FRAME_BYTES; i++)
            text[i] = (char)('a' + td_random_below(&random, 26));
        text[BIG_FRAME_BYTES - 1] = '\0';
        tape_segment_put(
            segment, &(tape_put){.conn = 1, .ordinal = n + 1, .recv_ns = 1000 + n, .text = text});
        if (n % BIG_PER_CHUNK == BIG_PER_CHUNK - 1)
            tape_segment_seal(segment);
    }
    td_free(text);
    tape_segment_finish(segment);
}

/* -j is really parallel: two workers are busy at the same time. A busy machine may not schedule
 * them so in a single run, but does in fifty. */
static void test_two_workers_are_busy(void **state)
{
    tape_fixture *f = *state;
    make_big(f);
    cursor_stats stats = {0};
    for (unsigned run = 0; run < 50 && stats.workers_busy_max < 2; run++)
        read_all(f, 2, &stats);
    assert_int_equal(stats.workers_busy_max, 2);
    read_all(f, 1, &stats);
    assert_int_equal(stats.workers_busy_max, 0);
}

/* ---- selection and window ---- */

/* Four chunks with trade and book frames of two symbols, one kind per chunk; a connection from 500
 * on. */
static void make_plain(tape_fixture *f)
{
    static const struct {
        const char *topic, *symbol;
    } CHUNKS[] = {{"trade", "BTCUSD"},
                  {"orderBookL2_25", "BTCUSD"},
                  {"trade", "EOSUSD"},
                  {"trade", "BTCUSD"}};
    tape_segment *segment = open_only(f, 500);
    event said = {.kind = EVENT_SEGMENT, .session = "aaaaaaaa", .number = 1};
    tape_segment_event(segment, &said, 499);
    tape_segment_connect(segment, 3, 500);
    for (uint64_t n = 0; n < 40; n++) {
        tape_segment_put(segment, &(tape_put){.topic = CHUNKS[n / 10].topic,
                                              .symbol = CHUNKS[n / 10].symbol,
                                              .conn = 3,
                                              .ordinal = n + 1,
                                              .recv_ns = 1000 + n * 10});
        if (n % 10 == 9)
            tape_segment_seal(segment);
    }
    tape_segment_finish(segment);
}

static const char *const EOS[] = {"EOS*"};
static const char *const BOOK[] = {"orderBook*"};
static const char *const NOBODY[] = {"nobody"};

typedef struct pick_row {
    const char *name;
    selection wanted;
    unsigned first, count; /* frames [first, first + count) are returned */
    unsigned chunks_read;  /* of the four */
} pick_row;

/* "+200ns" counts from the first frame of the selected feeds (frame 0, at 1000), not from the
 * earlier event. */
static const pick_row PICKS[] = {
    {"all", {.has_from = 0}, 0, 40, 4},
    {"symbol", {.symbols = {EOS, 1}}, 20, 10, 2}, /* the first chunk has the events */
    {"topic", {.topics = {BOOK, 1}}, 10, 10, 2},
    {"window",
     {.has_from = 1,
      .has_to = 1,
      .from = {TD_TIME_ABSOLUTE, TAPE_FIXTURE_NS + 1050},
      .to = {TD_TIME_ABSOLUTE, TAPE_FIXTURE_NS + 1150}},
     5,
     10,
     2},
    {"window within a later chunk",
     {.has_from = 1, .from = {TD_TIME_ABSOLUTE, TAPE_FIXTURE_NS + 1355}},
     36,
     4,
     2},
    {"relative",
     {.has_from = 1,
      .from = {TD_TIME_SINCE_FIRST, 200},
      .has_to = 1,
      .to = {TD_TIME_SINCE_FIRST, 10}},
     20,
     1,
     2},
    {"to before all", {.has_to = 1, .to = {TD_TIME_ABSOLUTE, 5}}, 0, 0, 0},
    {"no such feed", {.feeds = {NOBODY, 1}}, 0, 0, 0},
};

static void test_selections(void **state)
{
    tape_fixture *f = *state;
    make_plain(f);
    for (size_t i = 0; i < sizeof PICKS / sizeof PICKS[0]; i++) {
        const pick_row *row = &PICKS[i];
        cursor *t = tape_fixture_tape(f, &row->wanted, &(cursor_options){.threads = 1});
        const frame_ref *frame;
        for (unsigned n = row->first; n < row->first + row->count; n++) {
            if (cursor_next(t, &frame, NULL) != TD_OK || tape_frame_number(frame) != n)
                fail_msg("%s: frame %u is missing", row->name, n);
            assert_int_equal(frame->ordinal, n + 1);
            if (frame->conn->number !=
                3) /* known from the events, although these precede the window */
                fail_msg("%s: frame %u came over connection %u", row->name, n, frame->conn->number);
        }
        expect_end(t);
        cursor_stats stats;
        cursor_get_stats(t, &stats);
        if (stats.chunks_read != row->chunks_read)
            fail_msg("%s: %u chunks read", row->name, (unsigned)stats.chunks_read);
        cursor_close(t);
    }
}

static void test_events_are_returned_on_demand(void **state)
{
    tape_fixture *f = *state;
    make_plain(f);
    cursor *t = tape_fixture_tape(f, NULL, &(cursor_options){.with_events = 1});
    const frame_ref *frame = next_frame(t);
    assert_string_equal(frame->channel->info.topic, CHANNEL_TOPIC_EVENTS);
    assert_int_equal(frame->ordinal, 0);
    frame = next_frame(t);
    assert_non_null(strstr((const char *)frame->bytes.data, "\"event\":\"connect\""));
    assert_int_equal(tape_frame_number(next_frame(t)), 0);
    cursor_close(t);
}

static void expect_no_damage(void *user, const verify_finding *finding)
{
    (void)user;
    if (finding->severity == VERIFY_DAMAGED)
        fail_msg("%s: %s", finding->segment, finding->what);
}

/* Earlier versions wrote `_arrivals` events into each chunk: they are skipped, and the other events
 * still give the complete state of the connections. */
static void test_unknown_events_are_skipped(void **state)
{
    tape_fixture *f = *state;
    tape_segment *segment = open_only(f, 500);
    tape_segment_event(segment, &(event){.kind = EVENT_SEGMENT, .session = "aaaaaaaa"}, 499);
    tape_segment_connect(segment, 3, 500);
    for (uint64_t n = 0; n < 4; n++) {
        tape_segment_put(segment,
                         &(tape_put){.conn = 3, .ordinal = n + 1, .recv_ns = 1000 + n * 10});
        tape_segment_put(segment,
                         &(tape_put){.dir = CHANNEL_EVENT,
                                     .topic = "_arrivals",
                                     .recv_ns = 1000 + n * 10,
                                     .text = "{\"event\":\"arrivals\",\"line\":0,\"shard\":0,"
                                             "\"conn\":3,\"ordinal\":1,\"delays_us\":[35],"
                                             "\"delay_frames\":[1],\"spans_us\":[]}"});
        tape_segment_seal(segment);
    }
    tape_segment_finish(segment);
    cursor *t = tape_fixture_tape(f, NULL, &(cursor_options){.with_events = 1});
    assert_string_equal(next_frame(t)->channel->info.topic, CHANNEL_TOPIC_EVENTS);
    assert_string_equal(next_frame(t)->channel->info.topic, CHANNEL_TOPIC_EVENTS);
    for (unsigned n = 0; n < 4; n++) {
        const frame_ref *frame = next_frame(t);
        assert_int_equal(tape_frame_number(frame), n);
        assert_int_equal(frame->conn->number, 3);
    }
    expect_end(t);
    cursor_close(t);
    archive_listing listing;
    segment_rows rows;
    assert_int_equal(archive_list(f->archive, &listing, NULL), TD_OK);
    assert_int_equal(segment_rows_read(f->archive, listing.segments[0].path, &rows, NULL), TD_OK);
    assert_int_equal(rows.conn_count, 1);
    assert_int_equal(rows.unknown_ns, 0);
    segment_rows_fini(&rows);
    archive_listing_fini(&listing);
    const verify_options checking = {
        .time = TIME_SPAN_ALL, .threads = 1, .finding = expect_no_damage};
    verify_report report;
    assert_int_equal(archive_verify(f->archive, &checking, &report, NULL), TD_OK);
    assert_int_equal(report.frames, 4);
}

/* A tape that starts later: frames of books and trades since the connection's begin come first,
 * marked as lead-in; connections that had ended do not count. */
typedef enum lead_in_turn { TURNS_NOT, TURNS_BEFORE_SELECTION } lead_in_turn;

/* The session's next segment, which repeats the open connection. */
static tape_segment *turn_segment(tape_fixture *f, tape_segment *full, uint64_t first_ns,
                                  const event_slot *open)
{
    tape_segment_finish(full);
    tape_segment *next = tape_segment_open(
        f, &(tape_segment_spec){"alpha", "aaaaaaaa", 1, first_ns - TAPE_FIXTURE_NS, 2});
    event said = {
        .kind = EVENT_SEGMENT, .session = "aaaaaaaa", .number = 2, .slots = open, .slot_count = 1};
    tape_segment_event(next, &said, first_ns - TAPE_FIXTURE_NS);
    return next;
}

/* A selection that begins in the middle of connection 2; the archive may begin a new segment before
 * it, so that the lead-in spans two. */
static void check_lead_in(lead_in_turn turn, uint64_t from_ns)
{
    tape_fixture f;
    tape_fixture_init(&f);
    tape_segment *segment = open_only(&f, 100);
    static const struct {
        uint64_t recv_ns;
        const char *topic; /* NULL: a new connection */
        unsigned expected; /* 0: not returned, 1: lead-in, 2: selected */
    } STEPS[] = {{100, NULL, 0},    {110, "orderBookL2_25", 0},
                 {200, NULL, 0},    {210, "orderBookL2_25", 1},
                 {220, "trade", 1}, {230, "orderBookL2_25", 1},
                 {300, "trade", 2}, {310, "orderBookL2_25", 2}};
    uint32_t conn = 0;
    uint64_t ordinal = 0;
    for (unsigned n = 0; n < sizeof STEPS / sizeof STEPS[0]; n++) {
        if (turn == TURNS_BEFORE_SELECTION && STEPS[n].recv_ns == 300) {
            const event_slot open = {
                .conn = conn, .in = ordinal, .since_ns = TAPE_FIXTURE_NS + 200};
            segment = turn_segment(&f, segment, TAPE_FIXTURE_NS + 299, &open);
        }
        if (STEPS[n].topic == NULL) {
            tape_segment_connect(segment, ++conn, STEPS[n].recv_ns);
            ordinal = 0;
            continue;
        }
        char text[32];
        snprintf(text, sizeof text, "%u", n);
        tape_segment_put(segment, &(tape_put){.topic = STEPS[n].topic,
                                              .symbol = "BTCUSD",
                                              .conn = conn,
                                              .ordinal = ++ordinal,
                                              .recv_ns = STEPS[n].recv_ns,
                                              .text = text});
        tape_segment_seal(segment);
    }
    tape_segment_finish(segment);
    selection wanted = {.has_from = 1, .from = {TD_TIME_ABSOLUTE, TAPE_FIXTURE_NS + from_ns}};
    cursor *t = tape_fixture_tape(&f, &wanted, &(cursor_options){.states = TAPE_STATES_FRAMES});
    for (unsigned n = 0; n < sizeof STEPS / sizeof STEPS[0]; n++) {
        if (STEPS[n].expected == 0)
            continue;
        const frame_ref *frame = next_frame(t);
        assert_int_equal(tape_frame_number(frame), n);
        assert_int_equal(frame->is_lead_in, STEPS[n].expected == 1);
        assert_int_equal(frame->conn->number, 2);
    }
    expect_end(t);
    cursor_close(t);
    tape_fixture_fini(&f);
}

static void test_lead_in(void **state)
{
    (void)state;
    check_lead_in(TURNS_NOT, 300);
    check_lead_in(TURNS_BEFORE_SELECTION, 300);
}

static void test_lead_in_between_segments(void **state)
{
    (void)state;
    check_lead_in(TURNS_NOT, 260);
    check_lead_in(TURNS_BEFORE_SELECTION, 260);
}

/* A frame has the time since which its connection has had the granted topics. */
static void test_grants(void **state)
{
    static const struct {
        uint32_t conn;
        uint64_t from_ns; /* of a grant before the frame, or 0 */
        uint64_t granted_ns;
    } STEPS[] = {{1, 0, 0}, {1, 120, 120}, {1, 0, 120}, {1, 130, 130}, {2, 0, 0}, {2, 250, 250}};
    enum { COUNT = sizeof STEPS / sizeof STEPS[0] };
    tape_fixture *f = *state;
    tape_segment *segment = open_only(f, 100);
    uint32_t conn = 0;
    for (uint64_t n = 0; n < COUNT; n++) {
        if (STEPS[n].conn != conn)
            tape_segment_connect(segment, conn = STEPS[n].conn, 110 + 100 * n);
        const event granted = {
            .kind = EVENT_GRANT, .conn = conn, .topic = "trade", .from_ns = STEPS[n].from_ns};
        if (STEPS[n].from_ns != 0)
            tape_segment_event(segment, &granted, 120 + 100 * n);
        tape_segment_put(segment,
                         &(tape_put){.conn = conn, .ordinal = n + 1, .recv_ns = 130 + 100 * n});
    }
    tape_segment_finish(segment);
    cursor *t = tape_fixture_tape(f, NULL, &(cursor_options){0});
    for (size_t n = 0; n < COUNT; n++) {
        const frame_ref *frame = next_frame(t);
        assert_int_equal(frame->granted_ns, STEPS[n].granted_ns);
    }
    cursor_close(t);
}

/* A segment repeats its connections: 64-bit ordinals continue beyond the 32 bits of a message. */
static void test_long_connections(void **state)
{
    tape_fixture *f = *state;
    tape_segment *segment =
        tape_segment_open(f, &(tape_segment_spec){"alpha", "aaaaaaaa", 1, 100, 4});
    static const uint64_t FIRST = UINT64_C(0xfffffffe);
    event_slot slot = {.conn = 9, .in = FIRST - 1, .out = 7, .since_ns = TAPE_FIXTURE_NS};
    event said = {.kind = EVENT_SEGMENT, .number = 4, .slots = &slot, .slot_count = 1};
    tape_segment_event(segment, &said, 100);
    for (uint64_t n = 0; n < 5; n++)
        tape_segment_put(segment, &(tape_put){.conn = 9, .ordinal = FIRST + n, .recv_ns = 200 + n});
    tape_segment_finish(segment);
    cursor *t = tape_fixture_tape(f, NULL, &(cursor_options){0});
    for (uint64_t n = 0; n < 5; n++) {
        const frame_ref *frame = next_frame(t);
        assert_int_equal(frame->conn->number, 9);
        assert_true(frame->ordinal == FIRST + n);
    }
    cursor_close(t);
}

/* ---- damage ---- */

/* One chunk of four is unreadable: it is counted, and the others are returned. */
static void test_damage_is_passed_over(void **state)
{
    tape_fixture *f = *state;
    tape_segment *segment = open_only(f, 1000);
    char path[LIMIT_PATH_BYTES];
    snprintf(path, sizeof path, "%s", tape_segment_path(segment));
    segment_chunk second = {0};
    for (uint64_t n = 0; n < 40; n++) {
        tape_segment_put(segment, &(tape_put){.conn = 1, .ordinal = n + 1, .recv_ns = 1000 + n});
        if (n % 10 == 9) {
            segment_chunk place = tape_segment_seal(segment);
            if (n == 19)
                second = place;
        }
    }
    tape_segment_finish(segment);
    tape_fixture_damage(path, second.offset + second.chunk_bytes - 5);
    static const unsigned COUNTS[] = {1, 2};
    for (size_t i = 0; i < 2; i++) {
        cursor *t = tape_fixture_tape(f, NULL, &(cursor_options){.threads = COUNTS[i]});
        for (unsigned n = 0; n < 30; n++) {
            const frame_ref *frame = next_frame(t);
            assert_int_equal(tape_frame_number(frame), n < 10 ? n : n + 10);
        }
        expect_end(t);
        cursor_stats stats;
        cursor_get_stats(t, &stats);
        assert_int_equal(stats.damaged_chunks, 1);
        cursor_close(t);
    }
}

/* ---- seeking ---- */

/* After a seek, forward or back, a cursor returns the same frames as one opened at that time. */
static void test_seek_equals_opening_there(void **state)
{
    static const uint64_t TIMES[] = {1000, 1900, 1001, 1500, 5, 1200};
    tape_fixture *f = *state;
    made_frame *frames = td_alloc_zero(ORDER_FRAMES, sizeof *frames);
    make_overlapping(f, frames);
    td_free(frames);
    for (unsigned threads = 1; threads <= 3; threads += 2) {
        const cursor_options options = {.threads = threads, .states = TAPE_STATES_FRAMES};
        cursor *t = tape_fixture_tape(f, NULL, &options);
        for (unsigned n = 0; n < ORDER_FRAMES / 2; n++) /* so that all channels have an index */
            (void)next_frame(t);
        for (size_t i = 0; i < sizeof TIMES / sizeof TIMES[0]; i++) {
            uint64_t from_ns = TAPE_FIXTURE_NS + TIMES[i];
            const selection wanted = {.has_from = 1, .from = {TD_TIME_ABSOLUTE, from_ns}};
            assert_int_equal(cursor_seek(t, from_ns, NULL), TD_OK);
            assert_int_equal(cursor_get_window(t).from_ns, from_ns);
            cursor *opened = tape_fixture_tape(f, &wanted, &options);
            td_hash128 expected = hash_rest(opened);
            td_hash128 found = hash_rest(t);
            assert_memory_equal(&found, &expected, sizeof found);
            cursor_close(opened);
        }
        cursor_close(t);
    }
}

/* ---- number of threads ---- */

static int count_tasks(void)
{
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    int count = -2; /* . and .. */
    while (readdir(tasks) != NULL)
        count++;
    closedir(tasks);
    return count;
}

/* The caller's thread counts as one. */
static void test_as_many_threads_as_given(void **state)
{
    tape_fixture *f = *state;
    make_plain(f);
    int before = count_tasks();
    for (unsigned threads = 1; threads <= 4; threads++) {
        cursor *t = tape_fixture_tape(f, NULL, &(cursor_options){.threads = threads});
        (void)next_frame(t);
        assert_int_equal(count_tasks(), before + (int)threads - 1);
        assert_int_equal(td_workers_count(cursor_workers(t)), threads - 1);
        cursor_close(t);
    }
}

/* ---- memory ---- */

/* An acquired block outlives the next frames, and the tape. */
static void test_held_block_outlives_the_tape(void **state)
{
    tape_fixture *f = *state;
    make_plain(f);
    cursor *t = tape_fixture_tape(f, NULL, &(cursor_options){.threads = 2});
    const frame_ref *first = next_frame(t);
    tape_block_acquire(first->block);
    const frame_ref *frame;
    while (cursor_next(t, &frame, NULL) == TD_OK)
        ;
    cursor_close(t);
    assert_int_equal(tape_frame_number(first), 0);
    tape_block_release(first->block);
}

/* Tapes that share chunks, segments and channels, and take turns at different positions of an
 * archive with a damaged chunk, with different selections: each has the same frames and damage as
 * alone. */
static void test_shared(void **state)
{
    static const char *const SYMBOL[] = {"B"};
    static const selection WANTED[] = {{.has_from = 0}, {.symbols = {SYMBOL, 1}}};
    enum { FRAMES = 40, TAPES = 2, AHEAD = 15 };
    tape_fixture *f = *state;
    tape_segment *segment = open_only(f, 1000);
    char path[LIMIT_PATH_BYTES];
    snprintf(path, sizeof path, "%s", tape_segment_path(segment));
    segment_chunk chunks[FRAMES / 10];
    for (uint64_t n = 0; n < FRAMES; n++) {
        const char *symbol = n % 2 == 1 ? "B" : "A";
        tape_segment_put(
            segment,
            &(tape_put){.symbol = symbol, .conn = 1, .ordinal = n + 1, .recv_ns = 1000 + n});
        if (n % 10 == 9)
            chunks[n / 10] = tape_segment_seal(segment);
    }
    tape_segment_finish(segment);
    tape_fixture_damage(path, chunks[1].offset + chunks[1].chunk_bytes - 5);
    cursor_options options = {.blocks = block_pool_open(), .channels = channel_table_open()};
    const frame_channel *of_b[TAPES] = {NULL, NULL};
    cursor *tapes[TAPES];
    unsigned at[TAPES] = {0, 1};
    for (size_t i = 0; i < TAPES; i++)
        tapes[i] = tape_fixture_tape(f, &WANTED[i], &options);
    for (unsigned turn = 0; at[0] < FRAMES || at[1] < FRAMES; turn++) {
        size_t i = turn < AHEAD ? 0 : turn % TAPES;
        if (at[i] >= FRAMES)
            continue;
        const frame_ref *frame = next_frame(tapes[i]);
        assert_int_equal(tape_frame_number(frame), at[i]);
        if (at[i] % 2 == 1)
            of_b[i] = frame->channel;
        at[i] += i == 0 ? 1 : 2;
        at[i] += at[i] / 10 == 1 ? 10 : 0;
    }
    assert_non_null(of_b[0]);
    assert_ptr_equal(of_b[0], of_b[1]);
    for (size_t i = 0; i < TAPES; i++) {
        cursor_stats stats;
        expect_end(tapes[i]);
        cursor_get_stats(tapes[i], &stats);
        assert_int_equal(stats.damaged_chunks, 1);
        cursor_close(tapes[i]);
    }
    block_pool_close(options.blocks);
    channel_table_close(options.channels);
}

/* A tape may be closed at any time, even while chunks are being read. */
static void test_closed_early(void **state)
{
    tape_fixture *f = *state;
    make_plain(f);
    for (unsigned stop = 0; stop < 40; stop += 7) {
        cursor *t = tape_fixture_tape(f, NULL, &(cursor_options){.threads = 3});
        for (unsigned n = 0; n < stop; n++)
            (void)next_frame(t);
        cursor_close(t);
    }
}

/* ---- windows of two lines ---- */

enum { WINDOW_FRAMES = 200, SLOW_MS = 2000, JOIN_FRAME = 100, FRAME_MS = 100 };

/* A line that is 2 s behind the exchange, and later one that is not. A frame's text is its number.
 */
static void make_two_lines(tape_fixture *f)
{
    tape_segment *s =
        tape_segment_open(f, &(tape_segment_spec){"alpha", "aaaaaaaa", 0, TD_NS_PER_MS, 1});
    uint64_t ordinals[2] = {0};
    const uint64_t end_ms = WINDOW_FRAMES * FRAME_MS + SLOW_MS;
    tape_segment_connect(s, 1, TD_NS_PER_MS);
    for (uint64_t ms = FRAME_MS; ms < end_ms; ms += FRAME_MS)
        for (uint32_t line = 0; line < 2; line++) {
            const uint64_t number = (ms - (line == 0 ? SLOW_MS : 0)) / FRAME_MS;
            char text[32];
            if (line == 1 && number == JOIN_FRAME)
                tape_segment_event(s,
                                   &(event){.kind = EVENT_CONNECT,
                                            .line = 1,
                                            .conn = 1,
                                            .url = "wss://example/realtime"},
                                   ms * TD_NS_PER_MS + 2);
            if (ms < SLOW_MS * (line == 0) || number >= WINDOW_FRAMES ||
                (line == 1 && number < JOIN_FRAME))
                continue;
            snprintf(text, sizeof text, "%llu", (unsigned long long)number);
            tape_segment_put(s, &(tape_put){.line = line,
                                            .topic = "trade",
                                            .conn = 1,
                                            .ordinal = ++ordinals[line],
                                            .recv_ns = ms * TD_NS_PER_MS + 1 + 2 * line,
                                            .text = text});
            if (ordinals[line] % 20 == 0)
                tape_segment_seal(s);
        }
    tape_segment_finish(s);
}

/* Count how often a window has each frame. */
static void count_frames(tape_fixture *f, uint64_t from_ns, uint64_t to_ns, tape_states states,
                         unsigned *counts)
{
    const selection wanted = {.from = {TD_TIME_ABSOLUTE, TAPE_FIXTURE_NS + from_ns},
                              .to = {TD_TIME_ABSOLUTE, TAPE_FIXTURE_NS + to_ns},
                              .has_from = from_ns > 0,
                              .has_to = 1};
    cursor *t = tape_fixture_tape(f, &wanted, &(cursor_options){.states = states});
    const frame_ref *frame;
    while (cursor_next(t, &frame, NULL) == TD_OK) {
        assert_true(states != TAPE_STATES_NONE || !frame->is_lead_in);
        counts[tape_frame_number(frame)] += !frame->is_lead_in;
    }
    cursor_close(t);
}

/* Each frame is in one of two adjacent windows, whichever line has brought it before the border. */
static void a_frame_of_lines_is_in_one_window(void **state)
{
    tape_fixture *f = *state;
    const uint64_t end_ms = (uint64_t)WINDOW_FRAMES * FRAME_MS + 2 * SLOW_MS;
    make_two_lines(f);
    for (tape_states states = TAPE_STATES_NONE; states <= TAPE_STATES_FRAMES; states++)
        for (uint64_t border_ms = 1050; border_ms < end_ms; border_ms += 500) {
            unsigned counts[WINDOW_FRAMES] = {0};
            const uint64_t border_ns = border_ms * TD_NS_PER_MS;
            count_frames(f, 0, border_ns, states, counts);
            count_frames(f, border_ns, end_ms * TD_NS_PER_MS, states, counts);
            for (unsigned n = 0; n < WINDOW_FRAMES; n++)
                if (counts[n] != 1)
                    fail_msg("lead-in %u, border at %llu ms: frame %u is there %u times", states,
                             (unsigned long long)border_ms, n, counts[n]);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        tape_fixture_test(test_total_order),
        tape_fixture_test(test_two_workers_are_busy),
        tape_fixture_test(test_selections),
        tape_fixture_test(test_events_are_returned_on_demand),
        tape_fixture_test(test_unknown_events_are_skipped),
        cmocka_unit_test(test_lead_in),
        tape_fixture_test(a_frame_of_lines_is_in_one_window),
        cmocka_unit_test(test_lead_in_between_segments),
        tape_fixture_test(test_grants),
        tape_fixture_test(test_long_connections),
        tape_fixture_test(test_damage_is_passed_over),
        tape_fixture_test(test_seek_equals_opening_there),
        tape_fixture_test(test_as_many_threads_as_given),
        tape_fixture_test(test_held_block_outlives_the_tape),
        tape_fixture_test(test_shared),
        tape_fixture_test(test_closed_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
