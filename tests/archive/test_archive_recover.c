/* Recovery of an archive. Expected: docs/design.md (P1, P4, "Exit status": recover) and the
 * contract in archive/archive_recover.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "archive/archive_recover.h"
#include "archive/archive_writer.h"
#include "archive/feed_history.h"
#include "archive/journal.h"
#include "archive/ledger.h"
#include "archive/reindex.h"
#include "archive/verify.h"
#include "tests/testing/files.h"
#include "tests/testing/archive_fixture.h"
#include "tests/testing/segment_fixture.h"

enum { SWEEP_CALLS_MAX = 400, CHUNK_FRAMES = 20 };

static td_result try_recover(archive_env *env, archive_mode mode, recover_report *report,
                             td_err *err)
{
    *report = (recover_report){0};
    archive *a = NULL;
    td_result rc = archive_env_try_open(env, mode, "recover", &a, err);
    if (rc != TD_OK)
        return rc;
    rc = archive_recover(a, NULL, NULL, report, err);
    archive_close(a);
    return rc;
}

static void recover(archive_env *env, recover_report *report)
{
    td_err err;
    if (try_recover(env, ARCHIVE_MAINTAIN, report, &err) != TD_OK)
        fail_msg("%s", err.text);
}

static verify_severity verdict_of(archive_env *env)
{
    const verify_options options = {.time = TIME_SPAN_ALL, .threads = 1};
    return archive_fixture_verify(env, &options).verdict;
}

/* Checks that no file was created, written, truncated, renamed or removed, except for locks of
 * earlier processes. */
static void check_nothing_changed(archive_env *env)
{
    for (uint64_t i = 0; i < io_fault_log_count(env->disk); i++) {
        io_fault_log_row row = io_fault_log_get(env->disk, i);
        int is_sync = row.change == IO_FAULT_CHANGE_SYNC || row.change == IO_FAULT_CHANGE_SYNC_DIR;
        const char *end = row.path + strlen(row.path) - strlen("lock");
        if (!is_sync && strcmp(end, "lock") != 0)
            fail_msg("change %d of %s", row.change, row.path);
    }
}

/* Checks that the ledger has one gap: an open gap after a crash, which begins at this data
 * frame. */
static void check_crash_gap(archive_env *env, uint64_t last_frame, const char *cause)
{
    gap_list gaps;
    archive_fixture_gaps(env, &gaps);
    assert_int_equal(gaps.count, 1);
    assert_int_equal(gaps.rows[0].reason, GAP_CRASH);
    assert_string_equal(gaps.rows[0].feed, FIXTURE_FEED);
    assert_int_equal(gaps.rows[0].conn, 1);
    assert_int_equal(gaps.rows[0].from_ns, FIXTURE_START_NS + last_frame * FIXTURE_STEP_NS);
    assert_int_equal(gaps.rows[0].to_ns, GAP_OPEN);
    assert_string_equal(gaps.rows[0].cause, cause);
    gap_list_fini(&gaps);
}

/* "recover alone opens a crash gap (to_ns null) in the journal", which begins at the last durable
 * data frame. */
static void test_kill_is_one_crash_gap(void **state)
{
    archive_env *env = *state;
    recover_report report;
    archive_fixture_kill(env, "record", FIXTURE_FEED, 0, 2);
    assert_int_equal(verdict_of(env), VERIFY_RECOVERABLE);
    recover(env, &report);
    assert_int_equal(report.segments_recovered, 1);
    assert_int_equal(report.sessions_crashed, 1);
    assert_int_equal(report.frames_kept, 2 * CHUNK_FRAMES * 9 / 10); /* one in ten is an event */
    assert_int_equal(report.torn_bytes, 0);
    assert_int_equal(report.gaps_opened, 1);
    assert_false(report.is_lossy);
    assert_int_equal(verdict_of(env), VERIFY_SOUND);
    check_crash_gap(env, 39, "recorder ended without a stop");
    io_fault_log_start(env->disk);
    recover(env, &report); /* finds nothing to do */
    assert_int_equal(report.segments_recovered + report.gaps_opened + report.sessions_crashed, 0);
    check_nothing_changed(env);
}

/* The last data frame is followed by an event, a request and a pong, at which the gap must not
 * begin. */
static void test_crash_gap_begins_with_data(void **state)
{
    archive_env *env = *state;
    recover_report report;
    archive_fixture_kill(env, "record", FIXTURE_FEED, 3, 2); /* frames 3 to 42 */
    recover(env, &report);
    check_crash_gap(env, 39, "recorder ended without a stop");
}

/* A recorder with one feed. */
typedef struct recording {
    archive *archive;
    archive_writer *writer;
    fixture_feed feed;
} recording;

/* Begins recording in an archive that is open for appending, and writes a chunk. */
static void begin_recording(recording *r, archive *a, const char *feed, uint64_t first)
{
    r->archive = a;
    r->writer = archive_fixture_begin(a);
    assert_int_equal(fixture_feed_open(&r->feed, r->writer, feed, first, 1, NULL), TD_OK);
    assert_int_equal(fixture_feed_put(&r->feed, CHUNK_FRAMES, NULL), TD_OK);
}

static void end_recording(recording *r, writer_end how, uint64_t at_ns)
{
    fixture_feed_close(&r->feed);
    assert_int_equal(archive_writer_close(r->writer, how, at_ns, NULL), TD_OK);
    archive_close(r->archive);
}

static void kill_recording(recording *r, archive_env *env)
{
    io_fault *killed = io_fault_kill(env->disk);
    end_recording(r, WRITER_ABANDON, 0);
    archive_env_swap_disk(env, killed);
}

/* Writes one chunk to a finished segment. Then, while the next segment is created, I/O call fail_at
 * fails, and a power cut keeps only synced changes. */
static void record_and_fail(archive_env *env, io_fault_op op, uint64_t fail_at)
{
    recording r;
    begin_recording(&r, archive_env_open(env, ARCHIVE_APPEND, "record"), FIXTURE_FEED, 0);
    fixture_feed_rotate(&r.feed);
    const io_fault_plan plan = {.kind = IO_FAULT_EIO, .fail_at = fail_at, .ops = IO_FAULT_BIT(op)};
    io_fault_set_plan(env->disk, plan);
    assert_int_equal(fixture_feed_put(&r.feed, CHUNK_FRAMES, NULL), TD_E_IO);
    end_recording(&r, WRITER_ABANDON, 0);
    archive_env_swap_disk(env, io_fault_power_cut(env->disk, IO_FAULT_CUT_WORST));
}

/* "A crash gap is opened by recovery for each slot of a crashed recorder: from the last durable
 * message of the feed on": also if the crash left no open segment. */
static void test_crash_after_a_finished_segment(void **state)
{
    archive_env *env = *state;
    recover_report report;
    record_and_fail(env, IO_FAULT_OP_CREATE, 1);
    recover(env, &report);
    assert_int_equal(report.segments_recovered, 0);
    assert_int_equal(report.sessions_crashed, 1);
    assert_int_equal(report.gaps_opened, 1);
    check_crash_gap(env, 19, "recorder ended without a stop");
    recover(env, &report);
    assert_int_equal(report.gaps_opened + report.sessions_crashed, 0);
    assert_int_equal(verdict_of(env), VERIFY_SOUND);
}

/* Records a finished segment and an open one with frames 20 to 39, and kills the recorder. */
static void record_two_and_kill(archive_env *env)
{
    recording r;
    begin_recording(&r, archive_env_open(env, ARCHIVE_APPEND, "record"), FIXTURE_FEED, 0);
    fixture_feed_rotate(&r.feed);
    assert_int_equal(fixture_feed_put(&r.feed, CHUNK_FRAMES, NULL), TD_OK);
    kill_recording(&r, env);
}

/* Removes segments first..end-1 of the two. */
static void remove_segments(archive_env *env, size_t first, size_t end)
{
    archive_listing listing;
    char path[LIMIT_PATH_BYTES];
    archive *a = archive_env_open(env, ARCHIVE_READ, NULL);
    assert_int_equal(archive_list(a, &listing, NULL), TD_OK);
    assert_int_equal(listing.segment_count, 2);
    for (size_t i = first; i < end; i++) {
        assert_int_equal(archive_join(a, listing.segments[i].path, path, NULL), TD_OK);
        assert_int_equal(td_io_unlink(archive_io(a), path, NULL), TD_OK);
    }
    archive_listing_fini(&listing);
    archive_close(a);
}

/* "The segment has a loss": an open segment whose file was deleted. The lost time begins with
 * the second in its name. As after any crash, everything after the last remaining segment is
 * lost, too. */
static void test_open_segment_is_missing(void **state)
{
    (void)state;
    const uint64_t second_ns = FIXTURE_START_NS - FIXTURE_START_NS % TD_NS_PER_S;
    for (int with_finished = 0; with_finished < 2; with_finished++) {
        archive_env env;
        recover_report report;
        gap_list gaps;
        archive_env_init_sim(&env);
        record_two_and_kill(&env);
        remove_segments(&env, with_finished ? 0 : 1, 2);
        recover(&env, &report);
        assert_true(report.is_lossy);
        assert_int_equal(report.gaps_opened, with_finished ? 0 : 1); /* segments show the other */
        archive_fixture_gaps(&env, &gaps);
        assert_int_equal(gaps.count, with_finished ? 1 : 2); /* 1: both begin in one second */
        assert_int_equal(gaps.rows[0].reason, GAP_CORRUPT);
        assert_true(gaps.rows[0].from_ns >= second_ns &&
                    gaps.rows[0].from_ns <= FIXTURE_START_NS + 20 * FIXTURE_STEP_NS);
        assert_int_equal(gaps.rows[0].conn, 0);
        assert_int_equal(gaps.rows[0].to_ns, GAP_OPEN);
        if (!with_finished) {
            assert_int_equal(gaps.rows[1].reason, GAP_CRASH);
            assert_int_equal(gaps.rows[1].from_ns, FIXTURE_START_NS + 19 * FIXTURE_STEP_NS);
            assert_int_equal(gaps.rows[1].to_ns, GAP_OPEN);
        }
        gap_list_fini(&gaps);
        recover(&env, &report); /* still lost, and already in the ledger */
        assert_true(report.is_lossy);
        assert_int_equal(report.gaps_opened, 0);
        assert_int_equal(verdict_of(&env), VERIFY_DAMAGED);
        archive_env_fini(&env);
    }
}

/* A segment whose head never became durable: readers and verify report no damage, and the gap
 * begins with the previous segment. */
static void test_segment_without_head(void **state)
{
    archive_env *env = *state;
    recover_report report;
    /* Appends: the first segment's chunk and end, 2 journal entries, the new segment's head. */
    record_and_fail(env, IO_FAULT_OP_APPEND, 5);
    assert_int_equal(verdict_of(env), VERIFY_RECOVERABLE);
    assert_int_equal(archive_fixture_check_frames(env, FIXTURE_FEED, 0, 1), CHUNK_FRAMES);
    recover(env, &report);
    assert_int_equal(report.segments_recovered, 1);
    assert_false(report.is_lossy);
    check_crash_gap(env, 19, "recorder ended without a stop");
    assert_int_equal(verdict_of(env), VERIFY_SOUND);
}

/* Such a segment is not its session's last one, before recovery or after it: if the segment before
 * it is missing, the loss reaches to the next session. */
static void test_missing_before_a_segment_without_head(void **state)
{
    archive_env *env = *state;
    record_and_fail(env, IO_FAULT_OP_APPEND, 5);
    remove_segments(env, 0, 1);
    for (int is_recovered = 0; is_recovered < 2; is_recovered++) {
        gap_list gaps;
        recover_report report;
        archive_fixture_gaps(env, &gaps);
        assert_int_equal(gaps.count, 1);
        assert_int_equal(gaps.rows[0].reason, GAP_CORRUPT);
        assert_string_equal(gaps.rows[0].cause, "segment is missing");
        assert_int_equal(gaps.rows[0].to_ns, GAP_OPEN);
        gap_list_fini(&gaps);
        recover(env, &report);
        assert_true(report.is_lossy);
    }
}

/* A kill between moving such a segment to torn/ and the journal's entry for it: the next recovery
 * must add the entry, or every later check would report the segment as missing. */
static void test_killed_during_quarantine(void **state)
{
    archive_env *env = *state;
    recover_report report;
    td_err err;
    record_and_fail(env, IO_FAULT_OP_APPEND, 5);
    const io_fault_plan plan = {.kind = IO_FAULT_EIO,
                                .mode = IO_FAULT_FOR_EVER,
                                .fail_at = 1, /* `discarded` */
                                .ops = IO_FAULT_BIT(IO_FAULT_OP_APPEND)};
    io_fault_set_plan(env->disk, plan);
    assert_int_equal(try_recover(env, ARCHIVE_MAINTAIN, &report, &err), TD_E_IO);
    io_fault_set_plan(env->disk, (io_fault_plan){0});
    recover(env, &report);
    assert_false(report.is_lossy);
    assert_int_equal(report.gaps_opened, 1);
    assert_int_equal(verdict_of(env), VERIFY_SOUND);
}

/* An import that is killed: the rest of the capture becomes a gap, because half an import must not
 * look complete. */
static void test_killed_import_is_a_gap(void **state)
{
    archive_env *env = *state;
    recover_report report;
    archive_fixture_kill(env, "import", FIXTURE_FEED, 0, 2);
    recover(env, &report);
    assert_int_equal(report.segments_recovered, 1);
    assert_int_equal(report.gaps_opened, 1);
    check_crash_gap(env, 39, "import ended before its end");
}

static void append_to_open_segment(archive_env *env, const void *bytes, size_t size)
{
    archive_listing listing;
    td_file *file = NULL;
    char path[LIMIT_PATH_BYTES];
    archive *a = archive_env_open(env, ARCHIVE_READ, NULL);
    assert_int_equal(archive_list(a, &listing, NULL), TD_OK);
    const archive_segment *segment = &listing.segments[listing.segment_count - 1];
    assert_true(segment->name.is_open);
    assert_int_equal(archive_join(a, segment->path, path, NULL), TD_OK);
    assert_int_equal(td_io_open(archive_io(a), path, TD_OPEN_APPEND, &file, NULL), TD_OK);
    assert_int_equal(td_io_append(file, bytes, size, NULL), TD_OK);
    td_io_close(file);
    archive_listing_fini(&listing);
    archive_close(a);
}

/* "recover 0 nothing durable lost (also when a torn tail was cut off)". */
static void test_torn_tail_is_no_loss(void **state)
{
    static const char TAIL[] = "\x06half of a chunk";
    archive_env *env = *state;
    recover_report report;
    archive_fixture_kill(env, "record", FIXTURE_FEED, 0, 2);
    append_to_open_segment(env, TAIL, sizeof TAIL);
    assert_int_equal(verdict_of(env), VERIFY_RECOVERABLE);
    recover(env, &report);
    assert_int_equal(report.torn_bytes, sizeof TAIL);
    assert_false(report.is_lossy);
    assert_int_equal(verdict_of(env), VERIFY_SOUND);
    assert_int_equal(archive_fixture_check_frames(env, FIXTURE_FEED, 0, 1), 2 * CHUNK_FRAMES);
}

/* Checks that no file of the session was changed. */
static void check_untouched(archive_env *env, const char *session)
{
    uint64_t changes = io_fault_log_count(env->disk);
    assert_true(changes > 0);
    for (uint64_t i = 0; i < changes; i++) {
        io_fault_log_row row = io_fault_log_get(env->disk, i);
        if (strstr(row.path, session) != NULL ||
            (row.to_path != NULL && strstr(row.to_path, session) != NULL))
            fail_msg("change %d of %s", row.change, row.path);
    }
}

/* "A maintainer never touches a live session's .open files." */
static void test_live_session_is_left_alone(void **state)
{
    archive_env *env = *state;
    recover_report report;
    recording live;
    archive_fixture_kill(env, "record", FIXTURE_FEED, 0, 2);
    clock_sim_advance(env->clock, 1000);
    begin_recording(&live, archive_env_open(env, ARCHIVE_APPEND, "record"), "other", 200);
    io_fault_log_start(env->disk);
    recover(env, &report);
    assert_int_equal(report.segments_recovered, 1);
    assert_int_equal(report.segments_live, 1);
    assert_int_equal(report.sessions_crashed, 1);
    check_untouched(env, archive_session(live.archive));
    /* The second run changes nothing while the live session is still there. */
    io_fault_log_start(env->disk);
    recover(env, &report);
    assert_int_equal(report.segments_live, 1);
    check_nothing_changed(env);
    assert_int_equal(fixture_feed_put(&live.feed, CHUNK_FRAMES, NULL), TD_OK);
    end_recording(&live, WRITER_STOP, 5);
    assert_int_equal(verdict_of(env), VERIFY_SOUND);
    assert_int_equal(archive_fixture_check_frames(env, FIXTURE_FEED, 0, 1), 2 * CHUNK_FRAMES);
    assert_int_equal(archive_fixture_check_frames(env, "other", 200, 1), 2 * CHUNK_FRAMES);
}

/* "Before connecting, crashed segments of its feeds are recovered"by the appender itself; its chain
 * then continues after the recovered segment. */
static void test_appender_recovers_before_it_writes(void **state)
{
    archive_env *env = *state;
    recover_report report;
    recording r;
    gap_list gaps;
    td_err err;
    for (unsigned kill = 0; kill < 4; kill++) {
        archive *a = archive_env_open(env, ARCHIVE_APPEND, "record");
        assert_int_equal(archive_recover(a, NULL, NULL, &report, &err), TD_OK);
        assert_int_equal(report.segments_recovered, kill == 0 ? 0 : 1);
        begin_recording(&r, a, FIXTURE_FEED, kill * 20ULL);
        kill_recording(&r, env);
        clock_sim_advance(env->clock, 1000);
    }
    recover(env, &report);
    archive_fixture_gaps(env, &gaps);
    /* The gap of the first kill covers the gaps of the later kills, because no session ends it. The
     * other gap is the disconnect of frame 50. */
    assert_int_equal(gaps.count, 1 + 1);
    unsigned crashes = 0;
    for (size_t i = 0; i < gaps.count; i++)
        crashes += gaps.rows[i].reason == GAP_CRASH;
    assert_int_equal(crashes, 1);
    gap_list_fini(&gaps);
    assert_int_equal(verdict_of(env), VERIFY_SOUND);
    assert_int_equal(archive_fixture_check_frames(env, FIXTURE_FEED, 0, 1), 4 * CHUNK_FRAMES);
}

/* Fails each call of a recovery, cuts the power and recovers again: the result must be the same as
 * without a fault. */
static void sweep(io_fault_kind kind, uint64_t seed)
{
    for (uint32_t fail_at = 1;; fail_at++) {
        archive_env env;
        recover_report report;
        gap_list gaps;
        td_err err;
        archive_env_init_sim(&env);
        archive_fixture_kill(&env, "record", FIXTURE_FEED, 0, 2);
        append_to_open_segment(&env, "torn", 4);
        const io_fault_plan plan = {.kind = kind, .mode = IO_FAULT_FOR_EVER, .fail_at = fail_at};
        io_fault_set_plan(env.disk, plan);
        td_result rc = try_recover(&env, ARCHIVE_MAINTAIN, &report, &err);
        int did_fire = io_fault_did_fire(env.disk);
        io_fault_set_plan(env.disk, (io_fault_plan){0});
        assert_int_equal(io_fault_open_count(env.disk), 0);
        archive_env_swap_disk(&env, io_fault_power_cut(env.disk, seed));
        recover(&env, &report);
        assert_false(report.is_lossy);
        assert_int_equal(archive_fixture_check_frames(&env, FIXTURE_FEED, 0, 1), 2 * CHUNK_FRAMES);
        archive_fixture_gaps(&env, &gaps);
        if (gaps.count != 1)
            fail_msg("call %u: %zu gaps", fail_at, gaps.count);
        gap_list_fini(&gaps);
        if (verdict_of(&env) != VERIFY_SOUND)
            fail_msg("call %u: not sound after recovery", fail_at);
        archive_env_fini(&env);
        if (!did_fire) {
            assert_int_equal(rc, TD_OK);
            break;
        }
        assert_true(fail_at < SWEEP_CALLS_MAX);
    }
}

static void test_interrupted_recovery_continues(void **state)
{
    (void)state;
    sweep(IO_FAULT_EIO, IO_FAULT_CUT_WORST);
    sweep(IO_FAULT_ENOSPC, IO_FAULT_CUT_BEST);
    sweep(IO_FAULT_SHORT, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        archive_env_test(test_kill_is_one_crash_gap),
        archive_env_test(test_crash_gap_begins_with_data),
        archive_env_test(test_crash_after_a_finished_segment),
        cmocka_unit_test(test_open_segment_is_missing),
        archive_env_test(test_segment_without_head),
        archive_env_test(test_missing_before_a_segment_without_head),
        archive_env_test(test_killed_during_quarantine),
        archive_env_test(test_killed_import_is_a_gap),
        archive_env_test(test_torn_tail_is_no_loss),
        archive_env_test(test_live_session_is_left_alone),
        archive_env_test(test_appender_recovers_before_it_writes),
        cmocka_unit_test(test_interrupted_recovery_continues),
    };
    return cmocka_run_group_tests_name("archive_recover", tests, NULL, NULL);
}
