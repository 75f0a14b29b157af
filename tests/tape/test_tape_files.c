/* The tape on other files than our finished segments: a growing one, files of other programs, a
 * single file, files that are not MCAP. Foreign files are built record by record from the MCAP
 * specification. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/io_posix.h"
#include "format/mcap_encode.h"
#include "tape/cursor.h"
#include "tests/testing/clock_sim.h"
#include "tests/testing/files.h"
#include "tests/testing/segment_fixture.h"
#include "tests/testing/tape_fixture.h"

/* The n-th segment of the only session. */
static tape_segment *open_segment(tape_fixture *f, uint32_t number)
{
    return tape_segment_open(f, &(tape_segment_spec){"alpha", "aaaaaaaa", 1, 1000, number});
}

/* Checks that frames [from, to) are returned next, and then nothing for now. */
static void expect_frames(cursor *t, unsigned from, unsigned to)
{
    const frame_ref *frame;
    for (unsigned n = from; n < to; n++) {
        td_err err;
        td_result rc = cursor_next(t, &frame, &err);
        if (rc != TD_OK || tape_frame_number(frame) != n)
            fail_msg("frame %u: result %d", n, rc);
    }
    assert_int_equal(cursor_next(t, &frame, NULL), TD_EOF);
}

static void put_number(tape_segment *segment, unsigned n)
{
    const char *symbol = n % 2 == 0 ? "BTCUSD" : "EOSUSD";
    tape_segment_put(
        segment, &(tape_put){.symbol = symbol, .conn = 1, .ordinal = n + 1, .recv_ns = 1000 + n});
}

/* ---- a segment that is being written ---- */

/* The next poll returns chunks that have become durable, new channels, the end of the segment, and
 * the next segment. */
static void test_follow_returns_durable_chunks(void **state)
{
    tape_fixture *f = *state;
    tape_segment *segment = open_segment(f, 1);
    put_number(segment, 0);
    tape_segment_seal(segment);
    cursor_options options = {.is_following = 1, .threads = 2};
    cursor *t = tape_fixture_tape(f, NULL, &options);
    expect_frames(t, 0, 1);
    assert_int_equal(cursor_poll(t, NULL), TD_EOF);
    put_number(segment, 1); /* pending, not on disk */
    assert_int_equal(cursor_poll(t, NULL), TD_EOF);
    tape_segment_seal(segment);
    assert_int_equal(cursor_poll(t, NULL), TD_OK);
    expect_frames(t, 1, 2);
    for (unsigned n = 2; n < 6; n++) {
        put_number(segment, n);
        tape_segment_seal(segment);
    }
    tape_segment_finish(segment);
    assert_int_equal(cursor_poll(t, NULL), TD_OK);
    expect_frames(t, 2, 6);
    assert_int_equal(cursor_poll(t, NULL), TD_EOF);
    segment = open_segment(f, 2);
    put_number(segment, 6);
    tape_segment_seal(segment);
    assert_int_equal(cursor_poll(t, NULL), TD_OK);
    expect_frames(t, 6, 7);
    put_number(segment, 7);
    tape_segment_finish(segment);
    assert_int_equal(cursor_poll(t, NULL), TD_OK);
    expect_frames(t, 7, 8);
    assert_int_equal(cursor_poll(t, NULL), TD_EOF);
    cursor_close(t);
}

/* A clock whose first reading takes so long that a writer ends its segment meanwhile, and begins
 * the next one. */
typedef struct slow_clock {
    tape_fixture *fixture;
    tape_segment *segment; /* NULL: it takes no time */
} slow_clock;

static uint64_t read_slowly(void *ctx)
{
    slow_clock *slow = ctx;
    if (slow->segment != NULL) {
        put_number(slow->segment, 1);
        tape_segment_finish(slow->segment);
        slow->segment = NULL;
        tape_segment *next = open_segment(slow->fixture, 2);
        put_number(next, 2);
        tape_segment_finish(next);
    }
    return clock_wall_ns(clock_real());
}

/* A segment ends, and the next one begins, while a poll looks for news: the frames that the reader
 * still lacks of the first one come before those of the next. */
static void test_follow_over_the_end_of_a_segment(void **state)
{
    tape_fixture *f = *state;
    slow_clock slow = {.fixture = f};
    td_clock_ops ops = *clock_real().ops;
    ops.wall_ns = read_slowly;
    const archive_options options = {.io = io_posix(), .clock = {&ops, &slow}};
    const selection all = {.has_from = 0};
    archive *reader = NULL;
    cursor *t = NULL;
    tape_segment *segment = open_segment(f, 1);
    put_number(segment, 0);
    tape_segment_seal(segment);
    assert_int_equal(archive_open(&options, f->folder, ARCHIVE_READ, &reader, NULL), TD_OK);
    assert_int_equal(cursor_open(reader, &all, &(cursor_options){.is_following = 1}, &t, NULL),
                     TD_OK);
    expect_frames(t, 0, 1);
    slow.segment = segment;
    assert_int_equal(cursor_poll(t, NULL), TD_OK);
    expect_frames(t, 1, 3);
    assert_int_equal(cursor_poll(t, NULL), TD_EOF);
    cursor_close(t);
    archive_close(reader);
}

/* An empty archive can be followed: a recorder may start later. */
static void test_follow_from_nothing(void **state)
{
    tape_fixture *f = *state;
    cursor_options options = {.is_following = 1};
    cursor *t = tape_fixture_tape(f, NULL, &options);
    expect_frames(t, 0, 0);
    assert_int_equal(cursor_poll(t, NULL), TD_EOF);
    tape_segment *segment = open_segment(f, 1);
    put_number(segment, 0);
    tape_segment_finish(segment);
    assert_int_equal(cursor_poll(t, NULL), TD_OK);
    expect_frames(t, 0, 1);
    cursor_close(t);
}

/* A segment of another feed begins while one segment grows at each poll. */
static void test_follow_finds_a_feed_beside_a_busy_one(void **state)
{
    tape_fixture *f = *state;
    tape_segment *busy = open_segment(f, 1);
    put_number(busy, 0);
    tape_segment_seal(busy);
    cursor *t = tape_fixture_tape(f, NULL, &(cursor_options){.is_following = 1});
    expect_frames(t, 0, 1);
    tape_segment *other =
        tape_segment_open(f, &(tape_segment_spec){"beta", "aaaaaaaa", 1, 1000, 1});
    put_number(other, 1);
    tape_segment_finish(other);
    put_number(busy, 2);
    tape_segment_seal(busy);
    assert_int_equal(cursor_poll(t, NULL), TD_OK);
    expect_frames(t, 1, 3);
    tape_segment_finish(busy);
    cursor_close(t);
}

/* An archive opened by an appender and a reader, with the test's clock. */
typedef struct live_archive {
    clock_sim *clock;
    archive *appender, *reader;
} live_archive;

static void open_live(live_archive *live, const tape_fixture *f)
{
    live->clock = clock_sim_open(TAPE_FIXTURE_NS, 1000);
    const archive_options options = {
        .io = io_posix(), .clock = clock_sim_clock(live->clock), .verb = "record"};
    assert_int_equal(archive_open(&options, f->folder, ARCHIVE_APPEND, &live->appender, NULL),
                     TD_OK);
    assert_int_equal(archive_open(&options, f->folder, ARCHIVE_READ, &live->reader, NULL), TD_OK);
}

static void close_live(live_archive *live)
{
    archive_close(live->reader);
    archive_close(live->appender);
    clock_sim_close(live->clock);
}

/* Even frames are of one feed, odd ones of another feed, which is durable later: the tape returns
 * them in order, each exactly once. After the session has ended, none is held. */
static void expect_order(tape_fixture *f, unsigned threads)
{
    static const char *const FEEDS[] = {"alpha", "beta"};
    const selection all = {.has_from = 0};
    const cursor_options options = {.is_following = 1, .hold_ns = 100, .threads = threads};
    tape_segment *feeds[2];
    live_archive live;
    cursor *t = NULL;
    open_live(&live, f);
    for (unsigned i = 0; i < 2; i++)
        feeds[i] = tape_segment_open(
            f, &(tape_segment_spec){FEEDS[i], archive_session(live.appender), 1, 1000, 1});
    for (unsigned n = 0; n <= 4; n += 2)
        put_number(feeds[0], n);
    tape_segment_seal(feeds[0]);
    assert_int_equal(cursor_open(live.reader, &all, &options, &t, NULL), TD_OK);
    expect_frames(t, 0, 0); /* earlier frames may still follow */
    assert_int_equal(cursor_poll(t, NULL), TD_EOF);
    clock_sim_advance(live.clock, 99);
    for (unsigned n = 1; n <= 5; n += 2)
        put_number(feeds[1], n);
    tape_segment_seal(feeds[1]);
    assert_int_equal(cursor_poll(t, NULL), TD_OK);
    expect_frames(t, 0, 0);
    clock_sim_advance(live.clock, 1);
    assert_int_equal(cursor_poll(t, NULL), TD_OK);
    expect_frames(t, 0, 5); /* up to the newest frame that was readable at first */
    put_number(feeds[0], 6);
    put_number(feeds[0], 8);
    tape_segment_seal(feeds[0]);
    assert_int_equal(cursor_poll(t, NULL), TD_OK);
    expect_frames(t, 0, 0);
    put_number(feeds[1], 7);
    tape_segment_finish(feeds[1]);
    clock_sim_advance(live.clock, 100);
    assert_int_equal(cursor_poll(t, NULL), TD_OK);
    expect_frames(t, 5, 9);
    put_number(feeds[0], 9);
    tape_segment_finish(feeds[0]);
    archive_close(live.appender);
    live.appender = NULL;
    assert_int_equal(cursor_poll(t, NULL), TD_OK);
    expect_frames(t, 9, 10);
    cursor_close(t);
    close_live(&live);
}

static void test_hold(void **state)
{
    expect_order(*state, 1);
}

static void test_hold_with_threads(void **state)
{
    expect_order(*state, 3);
}

/* A tape that does not follow reads what exists when it is opened; the file may be finished and
 * renamed before the tape reads it. */
static void test_segment_finished_while_read(void **state)
{
    tape_fixture *f = *state;
    tape_segment *segment = open_segment(f, 1);
    put_number(segment, 0);
    tape_segment_seal(segment);
    cursor_options options = {.threads = 1};
    cursor *t = tape_fixture_tape(f, NULL, &options);
    tape_segment_finish(segment);
    expect_frames(t, 0, 1);
    cursor_close(t);
}

/* A finished segment given as a single file is an archive for reading; in an archive, files that
 * are not MCAP are skipped and counted. */
static void test_single_and_unreadable_files(void **state)
{
    tape_fixture *f = *state;
    tape_segment *segment = open_segment(f, 1);
    char path[LIMIT_PATH_BYTES];
    snprintf(path, sizeof path, "%s", tape_segment_path(segment));
    for (unsigned n = 0; n < 5; n++)
        put_number(segment, n);
    tape_segment_finish(segment);

    archive_options options = {.io = io_posix(), .clock = clock_real()};
    archive *single = NULL;
    assert_int_equal(archive_open(&options, path, ARCHIVE_READ, &single, NULL), TD_OK);
    cursor *t = NULL;
    assert_int_equal(
        cursor_open(single, &(selection){.has_from = 0}, &(cursor_options){0}, &t, NULL), TD_OK);
    expect_frames(t, 0, 5);
    cursor_close(t);
    archive_close(single);

    *strrchr(path, '/') = '\0';
    char garbage[LIMIT_PATH_BYTES + 64];
    snprintf(garbage, sizeof garbage, "%s/alpha-20261120T060000Z-aaaaaaaa-000002.mcap", path);
    file_make(io_posix(), garbage, "no segment at all", 17);
    t = tape_fixture_tape(f, NULL, &(cursor_options){0});
    expect_frames(t, 0, 5);
    cursor_stats stats;
    cursor_get_stats(t, &stats);
    assert_int_equal(stats.segments_unreadable, 1);
    cursor_close(t);
}

/* ---- topics that were unknown ---- */

/* The shape of a real frame (docs/wire.md 2), recorded by a version without a row for it. */
static const char TRADE_FRAME[] =
    "{\"topic\":\"trade.BTCUSD\",\"data\":[{\"trade_time_ms\":1618677786587,\"timestamp\":"
    "\"2021-04-17T16:43:06.000Z\",\"symbol\":\"BTCUSD\",\"side\":\"Buy\",\"size\":77,\"price\":"
    "60622,"
    "\"tick_direction\":\"PlusTick\",\"trade_id\":\"1d28db3f-725d-5f15-9d9a-dd680bbbc71f\","
    "\"cross_seq\":5938955471}]}";

static const char *const TRADES[] = {"trade"};

static void test_unknown_is_classified_again(void **state)
{
    tape_fixture *f = *state;
    tape_segment *segment =
        tape_segment_open(f, &(tape_segment_spec){"alpha", "aaaaaaaa", 1, 100, 1});
    const char *texts[] = {TRADE_FRAME, "{\"topic\":\"nobody.knows\",\"data\":[]}"};
    for (uint64_t n = 0; n < 2; n++)
        tape_segment_put(segment, &(tape_put){.topic = CHANNEL_TOPIC_UNKNOWN,
                                              .conn = 1,
                                              .ordinal = n + 1,
                                              .recv_ns = 100 + n,
                                              .text = texts[n]});
    tape_segment_finish(segment);
    selection trades = {.topics = {TRADES, 1}};
    cursor *t = tape_fixture_tape(f, &trades, &(cursor_options){0});
    const frame_ref *frame;
    assert_int_equal(cursor_next(t, &frame, NULL), TD_OK);
    assert_string_equal(frame->channel->info.topic, "trade");
    assert_string_equal(frame->channel->info.symbol, "BTCUSD");
    assert_non_null(frame->channel->topic.row);
    assert_int_equal(cursor_next(t, &frame, NULL), TD_EOF);
    cursor_close(t);
    t = tape_fixture_tape(f, NULL, &(cursor_options){0});
    assert_int_equal(cursor_next(t, &frame, NULL), TD_OK);
    assert_int_equal(cursor_next(t, &frame, NULL), TD_OK);
    assert_string_equal(frame->channel->info.topic, CHANNEL_TOPIC_UNKNOWN);
    assert_int_equal(cursor_next(t, &frame, NULL), TD_EOF);
    cursor_close(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        tape_fixture_test(test_follow_returns_durable_chunks),
        tape_fixture_test(test_follow_over_the_end_of_a_segment),
        tape_fixture_test(test_follow_from_nothing),
        tape_fixture_test(test_follow_finds_a_feed_beside_a_busy_one),
        tape_fixture_test(test_hold),
        tape_fixture_test(test_hold_with_threads),
        tape_fixture_test(test_segment_finished_while_read),
        tape_fixture_test(test_single_and_unreadable_files),
        tape_fixture_test(test_unknown_is_classified_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
