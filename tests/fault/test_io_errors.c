/* A recording with an I/O error, a full disk, or a partial write at each of its calls: it stops
 * with a reason, or continues unaffected; what it announced is there; the archive is sound after
 * recover, and can be recorded into. Expected: docs/design.md (P1, "Recorder"), base/io.h and
 * recorder/pipeline/disk.h; frames are the test's own account. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "archive/catalog.h"
#include "tests/testing/fault_check.h"
#include "tests/testing/fault_sweep.h"

static const fault_size SMALL = {.rounds = 2, .frames_per_round = 2, .rounds_per_hour = 1};
static const fault_size FULL = {.rounds = 12, .frames_per_round = 5, .rounds_per_hour = 4};

/* Calls that can fail on a full disk; also sync, if space is allocated only then. */
#define SPACE_OPS                                                                                  \
    (IO_FAULT_BIT(IO_FAULT_OP_CREATE) | IO_FAULT_BIT(IO_FAULT_OP_APPEND) |                         \
     IO_FAULT_BIT(IO_FAULT_OP_TRUNCATE) | IO_FAULT_BIT(IO_FAULT_OP_SYNC) |                         \
     IO_FAULT_BIT(IO_FAULT_OP_RENAME) | IO_FAULT_BIT(IO_FAULT_OP_MKDIR) |                          \
     IO_FAULT_BIT(IO_FAULT_OP_SYNC_DIR) | IO_FAULT_BIT(IO_FAULT_OP_LOCK))
#define ALL_OPS ((IO_FAULT_BIT(IO_FAULT_OP_COUNT)) - 1)

typedef struct fault_row {
    const char *name;
    io_fault_kind kind;
    io_fault_mode mode;
    uint32_t ops;
} fault_row;

static const fault_row ROWS[] = {
    {"EIO once", IO_FAULT_EIO, IO_FAULT_ONCE, ALL_OPS},
    {"EIO from then on", IO_FAULT_EIO, IO_FAULT_FOR_EVER, ALL_OPS},
    {"ENOSPC once", IO_FAULT_ENOSPC, IO_FAULT_ONCE, SPACE_OPS},
    {"ENOSPC from then on", IO_FAULT_ENOSPC, IO_FAULT_FOR_EVER, SPACE_OPS},
    {"short write, full, once", IO_FAULT_SHORT, IO_FAULT_ONCE, IO_FAULT_BIT(IO_FAULT_OP_APPEND)},
    {"short write, full from then on", IO_FAULT_SHORT, IO_FAULT_FOR_EVER,
     IO_FAULT_BIT(IO_FAULT_OP_APPEND)},
    {"short write, EIO, once", IO_FAULT_TORN, IO_FAULT_ONCE, IO_FAULT_BIT(IO_FAULT_OP_APPEND)},
    {"short write, EIO from then on", IO_FAULT_TORN, IO_FAULT_FOR_EVER,
     IO_FAULT_BIT(IO_FAULT_OP_APPEND)},
};

typedef struct fixture {
    fault_size size;
    int is_full; /* 0: each case tries one possible continuation, in turn */
    const fault_row *row;
} fixture;

static int say(char what[FAULT_CASE_WHAT_BYTES], const char *where, const char *why)
{
    (void)snprintf(what, FAULT_CASE_WHAT_BYTES, "%s: %.600s", where, why);
    return 0;
}

/* Checks that it stopped with a reason of the fault's kind, or has done everything. */
static int check_end(const fault_recording *r, const fault_end *end, int did_fire, char *what)
{
    uint64_t fed = 0;
    for (size_t i = 0; i < FAULT_FEEDS; i++)
        fed += r->feeds[i].count;
    if (end->result == TD_OK)
        return end->announced == fed || say(what, "recording", "not all is announced after a stop");
    if (!did_fire)
        return say(what, "recording without a fault", end->err.text);
    if (end->result != TD_E_IO && end->result != TD_E_NOSPACE)
        return say(what, "recording: another result than the fault's", end->err.text);
    return end->err.text[0] != '\0' || say(what, "recording", "it stopped and said nothing");
}

/* The process is gone, and so is what was only in the cache. */
static int check_cuts(fault_checker *checker, io_fault *disk, uint64_t seed, fault_tally *tally)
{
    const fault_truth truth = fault_truth_at(checker->recording, UINT64_MAX);
    const uint64_t seeds[] = {IO_FAULT_CUT_WORST, seed};
    fault_found found;
    int ok = 1;
    for (size_t i = 0; ok && i < sizeof seeds / sizeof seeds[0]; i++) {
        io_fault *after = io_fault_power_cut(disk, seeds[i]);
        ok = fault_check_all(checker, after, &truth, &found);
        if (ok && found.has_archive)
            fault_tally_disk(tally, FAULT_CUT_CATALOG_MOMENT, &found);
        io_fault_close(after);
    }
    return ok;
}

/* The fault is over and the machine keeps running. */
static int check_going_on(fault_checker *checker, io_fault *disk, fault_tally *tally)
{
    const fault_truth truth = fault_truth_at(checker->recording, UINT64_MAX);
    fault_found found = {0};
    io_fault *killed = io_fault_kill(disk);
    int ok = fault_check_frames(checker, killed, &truth, &found) &&
             fault_check_record_on(checker, killed, &found);
    if (ok)
        fault_tally_disk(tally, FAULT_RECORDED_ON, &found);
    io_fault_close(killed);
    return ok;
}

static int check_after(const fixture *f, fault_recording *r, uint64_t seed, fault_tally *tally,
                       char *what)
{
    fault_checker checker = {.recording = r};
    (void)snprintf(checker.catalog, sizeof checker.catalog, "%s", r->catalog);
    if ((f->is_full || seed % 2 == 0) && !check_cuts(&checker, r->disk, seed, tally))
        return say(what, "power cut afterwards", checker.failure);
    if (!f->is_full && seed % 2 == 0)
        return 1;
    if (seed % 4 < 2 && catalog_remove(checker.catalog, NULL) != TD_OK)
        return say(what, "catalog", "cannot be removed");
    return check_going_on(&checker, r->disk, tally) || say(what, "recording on", checker.failure);
}

static int run_case(void *state, uint64_t index, fault_tally *tally,
                    char what[FAULT_CASE_WHAT_BYTES])
{
    const fixture *f = state;
    const io_fault_plan plan = {
        .kind = f->row->kind, .mode = f->row->mode, .fail_at = index + 1, .ops = f->row->ops};
    fault_recording r;
    fault_end end;
    int has_place = fault_recording_init(&r);
    TD_ASSERT(has_place);
    r.disk = io_fault_open();
    io_fault_set_plan(r.disk, plan);
    fault_recording_run(&r, &f->size, &end);
    int did_fire = fault_tally_error(tally, r.disk, end.result);
    io_fault_set_plan(r.disk, (io_fault_plan){0});
    int ok = check_end(&r, &end, did_fire, what);
    if (ok && io_fault_open_count(r.disk) != 0)
        ok = say(what, "recording", "it left files open");
    ok = ok && check_after(f, &r, index + 1, tally, what);
    io_fault_close(r.disk);
    fault_recording_fini(&r);
    return ok;
}

static void *open_worker(void *user, unsigned worker)
{
    (void)worker;
    return user;
}

static void close_worker(void *state)
{
    (void)state;
}

/* The number of calls that the row counts, in a recording without a fault. */
static uint64_t count_calls(const fixture *f)
{
    fault_recording r;
    fault_end end;
    uint64_t count = 0;
    assert_true(fault_recording_init(&r));
    r.disk = io_fault_open();
    assert_non_null(r.disk);
    fault_recording_run(&r, &f->size, &end);
    assert_int_equal(end.result, TD_OK);
    for (unsigned op = 0; op < IO_FAULT_OP_COUNT; op++) {
        if ((f->row->ops & IO_FAULT_BIT(op)) != 0)
            count += io_fault_call_count(r.disk, (io_fault_op)op);
    }
    io_fault_close(r.disk);
    fault_recording_fini(&r);
    return count;
}

static void test_io_errors(void **state)
{
    (void)state;
    const char *asked = getenv("TAPEDECK_SWEEP");
    int is_full = asked != NULL && strcmp(asked, "full") == 0;
    fixture f = {.size = is_full ? FULL : SMALL, .is_full = is_full};
    uint64_t failures = 0;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        fault_tally tally;
        f.row = &ROWS[i];
        if (!is_full && f.row->mode == IO_FAULT_FOR_EVER && f.row->kind != IO_FAULT_ENOSPC)
            continue;
        const fault_sweep sweep = {.name = f.row->name,
                                   .count = count_calls(&f),
                                   .run = run_case,
                                   .open = open_worker,
                                   .close = close_worker,
                                   .user = &f};
        failures += fault_sweep_run(&sweep, &tally);
        /* Fewer only for calls that are made once and need not be repeated. */
        if (failures == 0)
            assert_true(fault_tally_fired(&tally) == fault_sweep_cases(&sweep));
    }
    assert_int_equal(failures, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_io_errors),
    };
    return cmocka_run_group_tests_name("io_errors", tests, NULL, NULL);
}
