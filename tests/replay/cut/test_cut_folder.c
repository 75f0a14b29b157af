/* A folder cut while calls of the disk fail, or the power does: under its name it is absent or
 * whole, and a full disk leaves nothing else (replay/cut/cut_folder.h). Expected frames are the
 * recording's own account. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "archive/verify.h"
#include "replay/cut/cut_folder.h"
#include "tape/cursor.h"
#include "tests/testing/fault_recording.h"

#define CUT "cut"

static const fault_size SIZE = {.rounds = 3, .frames_per_round = 2, .rounds_per_hour = 1};
static const selection EVERYTHING = {0};

typedef struct fixture {
    fault_recording recording;
    uint64_t frames; /* of all feeds */
} fixture;

static int is_absent(io_fault *disk, const char *path)
{
    return td_io_check_absent(io_fault_io(disk), path, NULL) == TD_OK;
}

static uint64_t count_frames(archive *a)
{
    const cursor_options reading = {.reads = TAPE_READS_FRAMES};
    const frame_ref *frame;
    cursor *from = NULL;
    uint64_t count = 0;
    td_err err;
    td_result rc = cursor_open(a, &EVERYTHING, &reading, &from, &err);
    while (rc == TD_OK && (rc = cursor_next(from, &frame, &err)) == TD_OK)
        count++;
    if (rc != TD_EOF)
        fail_msg("%s", err.text);
    cursor_close(from);
    return count;
}

/* The catalog is no file of the simulated disk. */
static void on_finding(void *user, const verify_finding *finding)
{
    (void)user;
    if (finding->severity != VERIFY_SOUND && strstr(finding->what, "out of date") == NULL)
        fail_msg("%s", finding->what);
}

/* Fail unless the folder is sound, and has all frames. */
static void check_whole(const fixture *f, io_fault *disk)
{
    char rows[FAULT_PATH_BYTES];
    (void)snprintf(rows, sizeof rows, "%s/cut.sqlite", f->recording.folder);
    const archive_options options = {.io = io_fault_io(disk),
                                     .clock = clock_sim_clock(f->recording.clock),
                                     .verb = "test",
                                     .catalog_path = rows};
    const verify_options checking = {.time = TIME_SPAN_ALL, .threads = 1, .finding = on_finding};
    verify_report report;
    archive *a = NULL;
    td_err err;
    if (archive_open(&options, CUT, ARCHIVE_READ, &a, &err) != TD_OK ||
        archive_verify(a, &checking, &report, &err) != TD_OK)
        fail_msg("%s", err.text);
    assert_int_equal(count_frames(a), f->frames);
    archive_close(a);
}

static void check_cut(const fixture *f, io_fault *disk)
{
    if (!is_absent(disk, CUT))
        check_whole(f, disk);
}

static td_result cut(const fixture *f, io_fault *disk, td_err *err)
{
    archive *from = NULL;
    cut_result made;
    td_result rc = fault_archive_open(&f->recording, disk, f->recording.catalog, ARCHIVE_READ,
                                      "cut", &from, err);
    const cut_options options = {.archive = from, .wanted = &EVERYTHING, .path = CUT};
    if (rc == TD_OK)
        rc = cut_write_any(&options, &made, err);
    archive_close(from);
    return rc;
}

/* Cut with the call of this number failing, and look at the disk. Returns 1 if a call has failed.
 */
static int cut_with_fault(const fixture *f, io_fault_plan plan)
{
    td_err err = {0};
    io_fault *disk = io_fault_kill(f->recording.disk);
    io_fault_set_plan(disk, plan);
    const td_result rc = cut(f, disk, &err);
    const int did_fire = io_fault_did_fire(disk);
    io_fault_set_plan(disk, (io_fault_plan){0});
    if (rc != TD_OK && (!did_fire || err.text[0] == '\0'))
        fail_msg("without a reason: %s", err.text);
    assert_int_equal(io_fault_open_count(disk), 0);
    if (rc == TD_OK)
        assert_false(is_absent(disk, CUT));
    if (rc != TD_OK && plan.kind == IO_FAULT_ENOSPC && !is_absent(disk, CUT ".open"))
        fail_msg("a full disk at call %" PRIu64 " leaves " CUT ".open", plan.fail_at);
    check_cut(f, disk);
    io_fault *after = io_fault_power_cut(disk, IO_FAULT_CUT_WORST);
    if (rc == TD_OK)
        assert_false(is_absent(after, CUT));
    check_cut(f, after);
    io_fault_close(after);
    io_fault_close(disk);
    return did_fire;
}

/* What a segment of the archive lacks because it cannot be read is a gap of the cut, so no call
 * that reads fails here. */
static void test_failing_calls(void **state)
{
    enum {
        CHANGES = IO_FAULT_BIT(IO_FAULT_OP_CREATE) | IO_FAULT_BIT(IO_FAULT_OP_APPEND) |
                  IO_FAULT_BIT(IO_FAULT_OP_OVERWRITE) | IO_FAULT_BIT(IO_FAULT_OP_TRUNCATE) |
                  IO_FAULT_BIT(IO_FAULT_OP_SYNC) | IO_FAULT_BIT(IO_FAULT_OP_RENAME) |
                  IO_FAULT_BIT(IO_FAULT_OP_UNLINK) | IO_FAULT_BIT(IO_FAULT_OP_MKDIR) |
                  IO_FAULT_BIT(IO_FAULT_OP_SYNC_DIR)
    };
    static const io_fault_plan PLANS[] = {
        {.kind = IO_FAULT_ENOSPC, .mode = IO_FAULT_FOR_EVER},
        {.kind = IO_FAULT_SHORT, .mode = IO_FAULT_ONCE, .ops = IO_FAULT_BIT(IO_FAULT_OP_APPEND)},
        {.kind = IO_FAULT_EIO, .mode = IO_FAULT_ONCE, .ops = CHANGES},
        {.kind = IO_FAULT_EIO, .mode = IO_FAULT_FOR_EVER, .ops = CHANGES},
    };
    const fixture *f = *state;
    for (size_t i = 0; i < sizeof PLANS / sizeof PLANS[0]; i++) {
        io_fault_plan plan = PLANS[i];
        do
            plan.fail_at++;
        while (cut_with_fault(f, plan));
        assert_true(plan.fail_at > 10);
    }
}

/* The power fails after each change of the disk. */
static void test_power_cuts(void **state)
{
    const fixture *f = *state;
    td_err err;
    io_fault *disk = io_fault_kill(f->recording.disk);
    io_fault_log_start(disk);
    if (cut(f, disk, &err) != TD_OK)
        fail_msg("%s", err.text);
    const uint64_t count = io_fault_log_count(disk);
    int was_whole = 0;
    assert_true(count > 20);
    for (uint64_t i = 0; i <= count; i++) {
        io_fault *then = io_fault_at(disk, i);
        io_fault *after = io_fault_power_cut(then, i % 2 == 0 ? IO_FAULT_CUT_WORST : i);
        check_cut(f, after);
        was_whole = !is_absent(after, CUT);
        io_fault_close(after);
        io_fault_close(then);
    }
    assert_true(was_whole);
    io_fault_close(disk);
}

static int set_up(void **state)
{
    static fixture f;
    fault_end end;
    if (!fault_recording_init(&f.recording))
        return -1;
    f.recording.disk = io_fault_open();
    fault_recording_run(&f.recording, &SIZE, &end);
    for (size_t i = 0; i < FAULT_FEEDS; i++)
        f.frames += f.recording.feeds[i].count;
    *state = &f;
    return end.result == TD_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    io_fault_close(f->recording.disk);
    fault_recording_fini(&f->recording);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failing_calls),
        cmocka_unit_test(test_power_cuts),
    };
    return cmocka_run_group_tests_name("replay/cut/cut_folder", tests, set_up, tear_down);
}
