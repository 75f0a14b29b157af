/* Appending to an archive on disks that fail, are full, or lose their power. Expected:
 * docs/design.md, promises P1 and P5; tests/testing/segment_fixture.h defines the frames. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "archive/archive_recover.h"
#include "archive/archive_writer.h"
#include "archive/reindex.h"
#include "tests/testing/archive_fixture.h"
#include "tests/testing/segment_fixture.h"

enum { SWEEP_CALLS_MAX = 600, CHUNK_FRAMES = 20 };

typedef struct announced {
    uint64_t chunks;
    uint64_t frames;
} announced;

static void count_durable(void *user, size_t feed_index, const sealed_chunk *chunk)
{
    announced *counts = user;
    assert_int_equal(feed_index, 0);
    counts->chunks++;
    counts->frames += chunk->message_count;
}

/* Records three chunks, a new segment and three more chunks. A write that fails because the disk is
 * full is repeated once. */
static void record_with_faults(archive_env *env, announced *counts)
{
    archive *a = NULL;
    archive_writer *writer = NULL;
    fixture_feed feed;
    td_err err;
    if (archive_env_try_open(env, ARCHIVE_APPEND, "record", &a, &err) != TD_OK)
        return;
    td_result rc = archive_fixture_try_begin(a, count_durable, counts, &writer, &err);
    if (rc == TD_OK) {
        rc = fixture_feed_open(&feed, writer, FIXTURE_FEED, 0, 1, &err);
        for (unsigned i = 0; i < 6 && rc == TD_OK; i++) {
            if (i == 3)
                fixture_feed_rotate(&feed);
            rc = fixture_feed_put(&feed, CHUNK_FRAMES, &err);
            if (rc == TD_E_NOSPACE)
                rc = fixture_feed_put_again(&feed, &err);
        }
        fixture_feed_close(&feed);
        td_result ended =
            archive_writer_close(writer, rc == TD_OK ? WRITER_STOP : WRITER_ABANDON, 1, &err);
        (void)ended; /* the test checks the content of the disk instead */
    }
    archive_close(a);
}

/* Makes call 1, 2, 3, … of a recording fail, cuts the power and recovers: all announced frames must
 * be there, in order and unchanged, and another recovery must find nothing to do. */
static void sweep(io_fault_kind kind, io_fault_mode mode, uint64_t seed)
{
    for (uint32_t fail_at = 1;; fail_at++) {
        archive_env env;
        recover_report report = {0};
        announced counts = {0};
        archive_env_init_sim(&env);
        const io_fault_plan plan = {.kind = kind, .mode = mode, .fail_at = fail_at};
        io_fault_set_plan(env.disk, plan);
        record_with_faults(&env, &counts);
        int did_fire = io_fault_did_fire(env.disk);
        io_fault_set_plan(env.disk, (io_fault_plan){0});
        assert_int_equal(io_fault_open_count(env.disk), 0);
        archive_env_swap_disk(&env, io_fault_power_cut(env.disk, seed));

        archive *a = NULL;
        if (archive_env_try_open(&env, ARCHIVE_READ, NULL, &a, NULL) == TD_OK) {
            archive_close(a);
            archive_fixture_recover(&env, &report);
            uint64_t count = archive_fixture_check_frames(&env, FIXTURE_FEED, 0, 1);
            if (count < counts.frames || report.is_lossy)
                fail_msg("call %u: %llu of %llu durable frames are there", fail_at,
                         (unsigned long long)count, (unsigned long long)counts.frames);
            archive_fixture_recover(&env, &report);
            assert_int_equal(report.segments_recovered + report.sessions_crashed, 0);
            archive_fixture_check_dump(&env);
        } else {
            assert_int_equal(counts.frames, 0);
        }
        archive_env_fini(&env);
        if (!did_fire)
            break;
        assert_true(fail_at < SWEEP_CALLS_MAX);
    }
}

static void test_failing_calls(void **state)
{
    (void)state;
    sweep(IO_FAULT_EIO, IO_FAULT_ONCE, IO_FAULT_CUT_WORST);
    sweep(IO_FAULT_EIO, IO_FAULT_FOR_EVER, 7);
}

static void test_full_disks(void **state)
{
    (void)state;
    sweep(IO_FAULT_ENOSPC, IO_FAULT_ONCE, IO_FAULT_CUT_WORST);
    sweep(IO_FAULT_ENOSPC, IO_FAULT_FOR_EVER, IO_FAULT_CUT_BEST);
    sweep(IO_FAULT_SHORT, IO_FAULT_ONCE, IO_FAULT_CUT_WORST);
    sweep(IO_FAULT_SHORT, IO_FAULT_FOR_EVER, 11);
}

/* A disk that is full for one call loses nothing: the chunk is written at the next attempt. */
static void test_continues_after_a_full_disk(void **state)
{
    (void)state;
    for (uint32_t fail_at = 1; fail_at < SWEEP_CALLS_MAX; fail_at++) {
        archive_env env;
        archive_writer *writer = NULL;
        fixture_feed feed;
        td_err err;
        archive_env_init_sim(&env);
        archive *a = archive_env_open(&env, ARCHIVE_APPEND, "record");
        assert_int_equal(archive_fixture_try_begin(a, NULL, NULL, &writer, &err), TD_OK);
        assert_int_equal(fixture_feed_open(&feed, writer, FIXTURE_FEED, 0, 1, &err), TD_OK);
        const io_fault_plan plan = {.kind = IO_FAULT_SHORT, .fail_at = fail_at};
        io_fault_set_plan(env.disk, plan);
        for (unsigned i = 0; i < 4; i++) {
            if (i == 2)
                fixture_feed_rotate(&feed);
            td_result rc = fixture_feed_put(&feed, CHUNK_FRAMES, &err);
            if (rc == TD_E_NOSPACE)
                rc = fixture_feed_put_again(&feed, &err);
            if (rc != TD_OK)
                fail_msg("call %u, chunk %u: %s", fail_at, i, err.text);
        }
        int did_fire = io_fault_did_fire(env.disk);
        io_fault_set_plan(env.disk, (io_fault_plan){0});
        fixture_feed_close(&feed);
        assert_int_equal(archive_writer_close(writer, WRITER_STOP, 1, &err), TD_OK);
        archive_close(a);
        assert_int_equal(archive_fixture_check_frames(&env, FIXTURE_FEED, 0, 1), 80);
        archive_fixture_check_catalog(&env, "");
        archive_env_fini(&env);
        if (!did_fire)
            return;
    }
    fail_msg("the sweep never ended");
}

/* Cuts the power after each change of a recording; all unsynced changes are lost. */
static void test_power_cut_after_every_change(void **state)
{
    (void)state;
    archive_env env;
    announced counts = {0};
    archive_env_init_sim(&env);
    io_fault_log_start(env.disk);
    record_with_faults(&env, &counts);
    assert_int_equal(counts.frames, 6 * CHUNK_FRAMES);
    uint64_t changes = io_fault_log_count(env.disk);
    assert_true(changes > 20);
    uint64_t last = 0;
    for (uint64_t i = 0; i <= changes; i++) {
        archive_env after;
        recover_report report;
        archive_env_init_sim(&after);
        io_fault *then = io_fault_at(env.disk, i);
        archive_env_swap_disk(&after, io_fault_power_cut(then, i));
        io_fault_close(then);
        archive *a = NULL;
        uint64_t count = 0;
        if (archive_env_try_open(&after, ARCHIVE_READ, NULL, &a, NULL) == TD_OK) {
            archive_close(a);
            archive_fixture_recover(&after, &report);
            assert_false(report.is_lossy);
            count = archive_fixture_check_frames(&after, FIXTURE_FEED, 0, 1);
        }
        /* A later change must not leave fewer frames on the disk, except for the frames of the
         * chunk that is being written. */
        if (count + CHUNK_FRAMES < last)
            fail_msg("change %llu: %llu frames, %llu before", (unsigned long long)i,
                     (unsigned long long)count, (unsigned long long)last);
        last = count > last ? count : last;
        archive_env_fini(&after);
    }
    assert_int_equal(last, 6 * CHUNK_FRAMES);
    archive_env_fini(&env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failing_calls),
        cmocka_unit_test(test_full_disks),
        cmocka_unit_test(test_continues_after_a_full_disk),
        cmocka_unit_test(test_power_cut_after_every_change),
    };
    return cmocka_run_group_tests_name("archive_writer_faults", tests, NULL, NULL);
}
