/* Tapes of one frame. Expected content follows from the archive that the test makes; leaving out
 * parts shows that none can be omitted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/verify.h"
#include "base/clock.h"
#include "base/io_posix.h"
#include "replay/play/player.h"
#include "regress/cut.h"
#include "tests/testing/files.h"
#include "tests/testing/tape_fixture.h"

#define SESSION "aaaa0001"
#define OTHER   "bbbb0002"

enum { DUMP_BYTES = 16384, PATH_BYTES = 128 };

static const uint64_t SECOND_NS = 1000000000;
static const uint64_t HOUR_S = 3600;

/* ---- an archive ---- */

typedef struct cut_fixture {
    tape_fixture fixture;
    char path[PATH_BYTES]; /* of the cut */
} cut_fixture;

static void cut_fixture_init(cut_fixture *fx)
{
    tape_fixture_init(&fx->fixture);
    snprintf(fx->path, sizeof fx->path, "%s.cut.mcap", fx->fixture.folder);
}

static void cut_fixture_fini(cut_fixture *fx)
{
    unlink(fx->path);
    tape_fixture_fini(&fx->fixture);
}

/* A book's snapshot with one level, or a delta that inserts one. */
static void put_book(tape_segment *segment, uint64_t ordinal, uint64_t second, const char *symbol,
                     const char *type, unsigned price)
{
    char level[160];
    char text[512];
    snprintf(level, sizeof level,
             "[{\"price\":\"%u.00\",\"symbol\":\"%s\",\"id\":%u0000,\"side\":\"Buy\",\"size\":5}]",
             price, symbol, price);
    if (strcmp(type, "snapshot") == 0)
        snprintf(text, sizeof text,
                 "{\"topic\":\"orderBookL2_25.%s\",\"type\":\"snapshot\",\"data\":%s,"
                 "\"cross_seq\":%" PRIu64 ",\"timestamp_e6\":1795154400000000}",
                 symbol, level, ordinal);
    else
        snprintf(text, sizeof text,
                 "{\"topic\":\"orderBookL2_25.%s\",\"type\":\"delta\",\"data\":{\"delete\":[],"
                 "\"update\":[],\"insert\":%s,\"transactTimeE6\":0},\"cross_seq\":%" PRIu64
                 ",\"timestamp_e6\":1795154400000000}",
                 symbol, level, ordinal);
    tape_segment_put(segment, &(tape_put){.topic = "orderBookL2_25",
                                          .symbol = symbol,
                                          .conn = 1,
                                          .ordinal = ordinal,
                                          .recv_ns = second * SECOND_NS,
                                          .text = text});
}

static void put_trade(tape_segment *segment, uint64_t ordinal, uint64_t second)
{
    tape_segment_put(
        segment,
        &(tape_put){.topic = "trade",
                    .symbol = "BTCUSD",
                    .conn = 1,
                    .ordinal = ordinal,
                    .recv_ns = second * SECOND_NS,
                    .text =
                        "{\"topic\":\"trade.BTCUSD\",\"data\":[{\"trade_time_ms\":1795154400000,"
                        "\"timestamp\":\"2026-11-20T06:00:00.000Z\",\"symbol\":\"BTCUSD\","
                        "\"side\":\"Buy\",\"size\":1,\"price\":60000.5,"
                        "\"tick_direction\":\"PlusTick\",\"trade_id\":"
                        "\"11111111-2222-3333-4444-555555555555\",\"cross_seq\":1}]}"});
}

static void put_gap(tape_segment *segment, uint64_t second, const char *topic, const char *symbol)
{
    event gap_event = {.kind = EVENT_GAP, .conn = 1};
    gap_event.gap = gap_row_of(GAP_SEQUENCE, "inverse", TAPE_FIXTURE_NS + second * SECOND_NS,
                               TAPE_FIXTURE_NS + second * SECOND_NS, "test");
    gap_event.gap.conn = 1;
    gap_event.gap.topic = topic;
    gap_event.gap.symbol = symbol;
    tape_segment_event(segment, &gap_event, second * SECOND_NS);
}

static tape_segment *begin_segment(cut_fixture *fx, const char *session, uint32_t number,
                                   uint64_t second, const event_slot *slot)
{
    const tape_segment_spec spec = {.feed = "inverse",
                                    .session = session,
                                    .start_ns = SECOND_NS,
                                    .first_ns = second * SECOND_NS,
                                    .number = number};
    tape_segment *segment = tape_segment_open(&fx->fixture, &spec);
    const event begins = {.kind = EVENT_SEGMENT,
                          .session = session,
                          .number = number,
                          .slots = slot,
                          .slot_count = slot == NULL ? 0 : 1};
    tape_segment_event(segment, &begins, second * SECOND_NS);
    return segment;
}

static void begin_session(tape_segment *segment, const char *session, uint64_t second)
{
    const event started = {.kind = EVENT_SESSION,
                           .state = "started",
                           .session = session,
                           .verb = "record",
                           .version = "test",
                           .start_ns = TAPE_FIXTURE_NS + SECOND_NS};
    tape_segment_event(segment, &started, second * SECOND_NS);
}

/* Three hours of one connection, and another session next to it. The tests depend on each frame's
 * ordinal. */
static void record(cut_fixture *fx)
{
    event_slot slot = {.conn = 1, .since_ns = TAPE_FIXTURE_NS + 3 * SECOND_NS};
    tape_segment *segment = begin_segment(fx, SESSION, 1, 2, NULL);
    begin_session(segment, SESSION, 2);
    tape_segment_connect(segment, 1, 3 * SECOND_NS);
    tape_segment_put(segment, &(tape_put){.dir = CHANNEL_OUT,
                                          .topic = CHANNEL_TOPIC_CONTROL,
                                          .conn = 1,
                                          .ordinal = 1,
                                          .recv_ns = 4 * SECOND_NS,
                                          .text = "{\"op\":\"subscribe\",\"args\":[\"trade\"]}"});
    tape_segment_put(segment, &(tape_put){.topic = CHANNEL_TOPIC_CONTROL,
                                          .conn = 1,
                                          .ordinal = 1,
                                          .recv_ns = 5 * SECOND_NS,
                                          .text = "{\"success\":true,\"ret_msg\":\"\"}"});
    put_book(segment, 2, 6, "BTCUSD", "snapshot", 100);
    put_trade(segment, 3, 7);
    put_book(segment, 4, 8, "ETHUSD", "snapshot", 200);
    put_book(segment, 5, 9, "BTCUSD", "delta", 101);
    put_book(segment, 6, 10, "ETHUSD", "delta", 201);
    put_gap(segment, 10, "trade", "BTCUSD");
    tape_segment_finish(segment);

    slot.in = 6;
    slot.out = 1;
    segment = begin_segment(fx, SESSION, 2, HOUR_S, &slot);
    put_book(segment, 7, HOUR_S + 1, "BTCUSD", "snapshot", 110);
    put_book(segment, 8, HOUR_S + 2, "BTCUSD", "delta", 111);
    put_trade(segment, 9, HOUR_S + 3);
    put_gap(segment, HOUR_S + 3, "orderBookL2_25", "BTCUSD");
    put_gap(segment, HOUR_S + 3, "orderBookL2_25", "ETHUSD");
    put_book(segment, 11, HOUR_S + 4, "BTCUSD", "delta", 112);
    tape_segment_finish(segment);

    slot.in = 11;
    segment = begin_segment(fx, SESSION, 3, 2 * HOUR_S, &slot);
    put_book(segment, 12, 2 * HOUR_S + 1, "BTCUSD", "delta", 113);
    put_book(segment, 13, 2 * HOUR_S + 2, "BTCUSD", "delta", 114);
    put_book(segment, 14, 2 * HOUR_S + 3, "EOSUSD", "delta", 300);
    put_book(segment, 15, 2 * HOUR_S + 4, "EOSUSD", "delta", 301);
    tape_segment_finish(segment);

    segment = begin_segment(fx, OTHER, 1, HOUR_S, NULL);
    begin_session(segment, OTHER, HOUR_S);
    tape_segment_connect(segment, 1, HOUR_S * SECOND_NS);
    put_book(segment, 7, HOUR_S + 5, "BTCUSD", "snapshot", 500);
    put_book(segment, 12, HOUR_S + 6, "BTCUSD", "delta", 501);
    tape_segment_finish(segment);
}

/* ---- cuts ---- */

/* All frames that the tests cut are of books, except for two. */
static regress_stream frame_at(uint64_t ordinal, uint64_t second)
{
    int is_control = ordinal == 1;
    int has_book = !is_control && ordinal != 9;
    return (regress_stream){.names = {.feed = "inverse",
                                      .topic = is_control ? REGRESS_CONTROL
                                               : has_book ? "orderBookL2_25"
                                                          : "trade",
                                      .symbol = is_control     ? ""
                                                : ordinal < 14 ? "BTCUSD"
                                                               : "EOSUSD"},
                            .first = {.has_book = (uint8_t)has_book,
                                      .session_id = SESSION,
                                      .conn = 1,
                                      .ordinal = ordinal,
                                      .recv_ns = TAPE_FIXTURE_NS + second * SECOND_NS}};
}

static td_result try_cut(cut_fixture *fx, uint64_t ordinal, uint64_t second, cut_result *out,
                         td_err *err)
{
    const cut_options options = {.archive = tape_fixture_archive(&fx->fixture), .path = fx->path};
    const regress_stream frame = frame_at(ordinal, second);
    return regress_cut(options, &frame, out, err);
}

static cut_result cut(cut_fixture *fx, uint64_t ordinal, uint64_t second)
{
    cut_result result;
    td_err err;
    if (try_cut(fx, ordinal, second, &result, &err) != TD_OK)
        fail_msg("%s", err.text);
    return result;
}

static archive *open_archive(const char *path)
{
    const archive_options options = {.io = io_posix(), .clock = clock_real()};
    archive *a = NULL;
    td_err err;
    if (archive_open(&options, path, ARCHIVE_READ, &a, &err) != TD_OK)
        fail_msg("%s", err.text);
    return a;
}

/* Lists a tape's frames and events, one per line. */
static void dump(const char *path, char out[DUMP_BYTES])
{
    static const selection ALL = {.has_from = 0};
    archive *a = open_archive(path);
    cursor *t = NULL;
    const frame_ref *f;
    td_err err;
    size_t used = 0;
    assert_int_equal(cursor_open(a, &ALL, &(cursor_options){.with_events = 1}, &t, &err), TD_OK);
    while (cursor_next(t, &f, &err) == TD_OK) {
        const channel_info *info = &f->channel->info;
        uint64_t second = (f->recv_ns - TAPE_FIXTURE_NS) / SECOND_NS;
        if (info->dir == CHANNEL_EVENT) {
            assert_non_null(f->event);
            used += (size_t)snprintf(out + used, DUMP_BYTES - used, "%" PRIu64 " %s", second,
                                     event_kind_name(f->event->kind));
            if (f->event->kind == EVENT_SEGMENT && f->event->slot_count == 1)
                used += (size_t)snprintf(
                    out + used, DUMP_BYTES - used, " conn %u since %" PRIu64 " in %" PRIu64,
                    f->event->slots[0].conn,
                    (f->event->slots[0].since_ns - TAPE_FIXTURE_NS) / SECOND_NS,
                    f->event->slots[0].in);
            if (f->event->kind == EVENT_GAP)
                used += (size_t)snprintf(out + used, DUMP_BYTES - used, " %s/%s",
                                         f->event->gap.topic, f->event->gap.symbol);
        } else {
            assert_string_equal(info->feed, "inverse");
            assert_string_equal(info->family, "inverse");
            used += (size_t)snprintf(
                out + used, DUMP_BYTES - used, "%" PRIu64 " %s %u:%" PRIu64 " %s/%s", second,
                f->conn->session_id, f->conn->number, f->ordinal, info->topic, info->symbol);
        }
        used += (size_t)snprintf(out + used, DUMP_BYTES - used, "\n");
        assert_true(used < DUMP_BYTES);
    }
    cursor_close(t);
    archive_close(a);
}

static void check_dump(const char *path, const char *expected)
{
    static char found[DUMP_BYTES];
    dump(path, found);
    assert_string_equal(found, expected);
}

static void print_finding(void *user, const verify_finding *finding)
{
    (void)user;
    print_error("%s\n", finding->what);
}

static void check_sound(const char *path)
{
    archive *a = open_archive(path);
    const verify_options options = {.time = TIME_SPAN_ALL, .threads = 1, .finding = print_finding};
    verify_report report;
    td_err err;
    assert_int_equal(archive_verify(a, &options, &report, &err), TD_OK);
    assert_int_equal(report.findings[VERIFY_DAMAGED], 0);
    assert_int_equal(report.findings[VERIFY_RECOVERABLE], 0);
    archive_close(a);
}

/* ---- books ---- */

typedef struct book_watch {
    uint64_t ordinal; /* of the frame to compare, in the session */
    uint64_t skipped; /* ordinal of a frame to skip, or 0 */
    uint64_t book_hash;
    uint64_t bytes_hash;
    unsigned seen;
} book_watch;

static td_result watch_frame(void *ctx, const stream *of, void **state, const applied_frame *seen,
                             td_err *err)
{
    book_watch *watch = ctx;
    (void)of;
    (void)state;
    (void)err;
    if (seen->frame->ordinal != watch->ordinal || seen->frame->channel->role != ROLE_DATA)
        return TD_OK;
    watch->seen++;
    watch->book_hash = seen->found == NULL ? 0 : track_hash_best(seen->found->track, 0);
    watch->bytes_hash = td_xxh64(seen->frame->bytes.data, seen->frame->bytes.size);
    return TD_OK;
}

static void watch_close(void *ctx, void *state)
{
    (void)ctx;
    (void)state;
}

static const observer_ops WATCH = {.name = "watch", .frame = watch_frame, .close = watch_close};

static int wants_session(const frame_ref *frame)
{
    return strcmp(frame->conn->session_id, SESSION) == 0;
}

/* The book after a frame of the session. */
static book_watch watch(const char *path, uint64_t ordinal, uint64_t skipped)
{
    static const selection ALL = {.has_from = 0};
    book_watch found = {.ordinal = ordinal, .skipped = skipped};
    const player_options playing = {.observer = {&WATCH, &found}, .without_digests = 1};
    archive *a = open_archive(path);
    player *p = NULL;
    cursor *t = NULL;
    const frame_ref *frame;
    td_err err;
    assert_int_equal(
        cursor_open(a, &ALL, &(cursor_options){.reads = TAPE_READS_MESSAGES}, &t, &err), TD_OK);
    p = player_open(&playing);
    while (cursor_next(t, &frame, &err) == TD_OK) {
        int is_skipped = skipped != 0 && frame->ordinal == skipped;
        if (wants_session(frame) && !is_skipped)
            assert_int_equal(player_on_frame(p, frame, &err), TD_OK);
    }
    assert_int_equal(player_finish(p, &err), TD_OK);
    player_close(p);
    cursor_close(t);
    archive_close(a);
    assert_int_equal(found.seen, 1);
    return found;
}

/* ---- tests ---- */

static void test_book(void **state)
{
    (void)state;
    cut_fixture fx;
    cut_fixture_init(&fx);
    record(&fx);
    cut_result result = cut(&fx, 12, 2 * HOUR_S + 1);
    assert_int_equal(result.frames + result.state_frames, 4);
    assert_int_equal(result.without_snapshot, 0);
    check_dump(fx.path, "3601 segment conn 1 since 3 in 6\n"
                        "3601 " SESSION " 1:7 orderBookL2_25/BTCUSD\n"
                        "3602 " SESSION " 1:8 orderBookL2_25/BTCUSD\n"
                        "3603 gap orderBookL2_25/BTCUSD\n"
                        "3604 " SESSION " 1:11 orderBookL2_25/BTCUSD\n"
                        "7201 " SESSION " 1:12 orderBookL2_25/BTCUSD\n");
    check_sound(fx.path);
    book_watch was = watch(fx.fixture.folder, 12, 0);
    book_watch is = watch(fx.path, 12, 0);
    assert_int_equal(was.book_hash, is.book_hash);
    assert_int_equal(was.bytes_hash, is.bytes_hash);
    static const uint64_t NEEDED[] = {7, 8, 11};
    for (size_t i = 0; i < sizeof NEEDED / sizeof *NEEDED; i++)
        assert_int_not_equal(watch(fx.path, 12, NEEDED[i]).book_hash, was.book_hash);
    cut_fixture_fini(&fx);
}

/* The frame itself is a snapshot. */
static void test_cut_at_a_snapshot(void **state)
{
    (void)state;
    cut_fixture fx;
    cut_fixture_init(&fx);
    record(&fx);
    cut_result result = cut(&fx, 7, HOUR_S + 1);
    assert_int_equal(result.frames + result.state_frames, 1);
    check_dump(fx.path, "3601 segment conn 1 since 3 in 6\n"
                        "3601 " SESSION " 1:7 orderBookL2_25/BTCUSD\n");
    check_sound(fx.path);
    cut_fixture_fini(&fx);
}

/* HTTP replies before the frame belong to no connection, and are left out. */
static void test_after_an_http_reply(void **state)
{
    (void)state;
    cut_fixture fx;
    cut_fixture_init(&fx);
    tape_segment *segment = begin_segment(&fx, SESSION, 1, 2, NULL);
    begin_session(segment, SESSION, 2);
    const event reply = {.kind = EVENT_HTTP,
                         .what = "tickers",
                         .url = "https://api.example.com/v2/public/tickers",
                         .code = 200};
    tape_segment_event(segment, &reply, 3 * SECOND_NS);
    tape_segment_put(segment, &(tape_put){.dir = CHANNEL_HTTP,
                                          .topic = "http.tickers",
                                          .symbol = "",
                                          .exchange_topic = "",
                                          .recv_ns = 3 * SECOND_NS,
                                          .text = "{\"result\":[]}"});
    tape_segment_connect(segment, 1, 4 * SECOND_NS);
    put_book(segment, 7, 5, "BTCUSD", "snapshot", 100);
    put_book(segment, 8, 6, "BTCUSD", "delta", 101);
    tape_segment_finish(segment);
    cut_result result = cut(&fx, 8, 6);
    assert_int_equal(result.frames + result.state_frames, 2);
    assert_int_equal(result.reply_frames, 0);
    check_sound(fx.path);
    cut_fixture_fini(&fx);
}

static void test_without_book(void **state)
{
    (void)state;
    cut_fixture fx;
    cut_fixture_init(&fx);
    record(&fx);
    cut_result result = cut(&fx, 9, HOUR_S + 3);
    assert_int_equal(result.frames + result.state_frames, 1);
    check_dump(fx.path, "3603 segment conn 1 since 3 in 8\n"
                        "3603 " SESSION " 1:9 trade/BTCUSD\n");
    check_sound(fx.path);
    cut_fixture_fini(&fx);
}

static void test_control(void **state)
{
    (void)state;
    cut_fixture fx;
    cut_fixture_init(&fx);
    record(&fx);
    assert_int_equal(cut(&fx, 1, 5).frames, 1);
    check_dump(fx.path, "5 segment conn 1 since 3 in 0\n"
                        "5 " SESSION " 1:1 _control/\n");
    check_sound(fx.path);
    cut_fixture_fini(&fx);
}

/* The connection never had a snapshot of the book. */
static void test_no_snapshot(void **state)
{
    (void)state;
    cut_fixture fx;
    cut_fixture_init(&fx);
    record(&fx);
    cut_result result = cut(&fx, 15, 2 * HOUR_S + 4);
    assert_int_equal(result.frames + result.state_frames, 2);
    assert_int_equal(result.without_snapshot, 1);
    check_dump(fx.path, "7203 segment conn 1 since 3 in 13\n"
                        "7203 " SESSION " 1:14 orderBookL2_25/EOSUSD\n"
                        "7204 " SESSION " 1:15 orderBookL2_25/EOSUSD\n");
    check_sound(fx.path);
    cut_fixture_fini(&fx);
}

/* The first segment is gone; the next one repeats the connection. */
static void test_pruned_beginning(void **state)
{
    (void)state;
    cut_fixture fx;
    char first[LIMIT_PATH_BYTES];
    char path[LIMIT_PATH_BYTES + PATH_BYTES];
    cut_fixture_init(&fx);
    record(&fx);
    segment_name_format("inverse", SESSION, TAPE_FIXTURE_NS + 2 * SECOND_NS, 1, first);
    snprintf(path, sizeof path, "%s/%s", fx.fixture.folder, first);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(cut(&fx, 12, 2 * HOUR_S + 1).state_frames, 4);
    check_dump(fx.path, "3601 segment conn 1 since 3 in 6\n"
                        "3601 " SESSION " 1:7 orderBookL2_25/BTCUSD\n"
                        "3602 " SESSION " 1:8 orderBookL2_25/BTCUSD\n"
                        "3603 gap orderBookL2_25/BTCUSD\n"
                        "3604 " SESSION " 1:11 orderBookL2_25/BTCUSD\n"
                        "7201 " SESSION " 1:12 orderBookL2_25/BTCUSD\n");
    check_sound(fx.path);
    cut_fixture_fini(&fx);
}

static void test_existing_file(void **state)
{
    (void)state;
    cut_fixture fx;
    cut_result result;
    td_err err;
    char left[PATH_BYTES + 16];
    cut_fixture_init(&fx);
    record(&fx);
    cut(&fx, 7, HOUR_S + 1);
    /* The leftover of a killed cut is replaced as well. */
    snprintf(left, sizeof left, "%s.open", fx.path);
    file_write_text(left, "torn");
    assert_int_equal(try_cut(&fx, 12, 2 * HOUR_S + 1, &result, &err), TD_OK);
    assert_int_equal(result.frames + result.state_frames, 4);
    assert_int_equal(access(left, F_OK), -1);
    check_sound(fx.path);
    cut_fixture_fini(&fx);
}

static void test_failed_cut_leaves_no_file(void **state)
{
    (void)state;
    cut_fixture fx;
    cut_result result;
    td_err err;
    cut_fixture_init(&fx);
    record(&fx);
    /* The connection has no such frame. */
    assert_int_equal(try_cut(&fx, 10, HOUR_S + 3, &result, &err), TD_E_NOTFOUND);
    assert_int_equal(access(fx.path, F_OK), -1);
    snprintf(fx.path, sizeof fx.path, "%s/missing/cut.mcap", fx.fixture.folder);
    assert_int_not_equal(try_cut(&fx, 12, 2 * HOUR_S + 1, &result, &err), TD_OK);
    cut_fixture_fini(&fx);
}

static void test_only_owner_reads_a_cut(void **state)
{
    (void)state;
    cut_fixture fx;
    struct stat about;
    mode_t mask = umask(022);
    cut_fixture_init(&fx);
    record(&fx);
    cut(&fx, 7, HOUR_S + 1);
    assert_int_equal(stat(fx.path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    umask(mask);
    cut_fixture_fini(&fx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_book),
        cmocka_unit_test(test_cut_at_a_snapshot),
        cmocka_unit_test(test_after_an_http_reply),
        cmocka_unit_test(test_without_book),
        cmocka_unit_test(test_control),
        cmocka_unit_test(test_no_snapshot),
        cmocka_unit_test(test_pruned_beginning),
        cmocka_unit_test(test_existing_file),
        cmocka_unit_test(test_failed_cut_leaves_no_file),
        cmocka_unit_test(test_only_owner_reads_a_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
