/* A recording with a power cut or a kill after every change of the disk: what was announced is
 * there, byte for byte, the rest is in the ledger, and the result does not depend on the catalog.
 * Expected: docs/design.md, promises P1, P4 and P5, "Archive on disk", "Catalog"; frames and
 * announcements are the test's own account. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "tests/testing/fault_catalogs.h"
#include "tests/testing/fault_check.h"
#include "tests/testing/fault_sweep.h"

/* The small sweep covers a shorter recording completely. TAPEDECK_SWEEP=full takes minutes. */
typedef struct sweep_size {
    fault_size recording;
    unsigned random_cuts;
} sweep_size;

static const sweep_size SMALL = {.recording = {3, 2, 1}, .random_cuts = 1};
static const sweep_size FULL = {.recording = {110, 10, 11}, .random_cuts = 5};

typedef struct fixture {
    sweep_size size;
    fault_recording recording;
    fault_catalogs *catalogs;
} fixture;

/* A sweep's process: the disk after change_count changes, and its checker. */
typedef struct worker {
    const fixture *fixture;
    io_fault *then;
    uint64_t change_count;
    fault_checker checker;
} worker;

static void *open_worker(void *user, unsigned number)
{
    worker *w = td_alloc_zero(1, sizeof *w);
    w->fixture = user;
    w->then = io_fault_at(w->fixture->recording.disk, 0);
    w->checker.recording = &w->fixture->recording;
    (void)snprintf(w->checker.catalog, sizeof w->checker.catalog, "%s/worker-%u.sqlite",
                   w->fixture->recording.folder, number);
    return w;
}

static void close_worker(void *state)
{
    worker *w = state;
    io_fault_close(w->then);
    td_free(w);
}

static int check_short(worker *w, io_fault *disk, const fault_truth *truth, fault_found *found)
{
    recover_report report;
    return fault_check_frames(&w->checker, disk, truth, found) &&
           (!found->has_archive || fault_check_recover(&w->checker, disk, &report));
}

/* Recovers a disk with one kind of catalog; returns its dump, or NULL. */
static char *try_catalog(worker *w, io_fault *disk, fault_catalog_kind kind, uint64_t seed,
                         fault_tally *tally, int *ok)
{
    fault_truth truth = fault_truth_at(&w->fixture->recording, w->change_count);
    fault_found found;
    /* The catalog is not written at the same time as the disk: it may be one step ahead. */
    uint64_t moment = w->change_count + (kind == FAULT_CATALOG_MOMENT ? seed % 2 : 0);
    *ok = fault_catalogs_put(w->fixture->catalogs, kind, moment, seed, w->checker.catalog);
    /* Everything is checked with the first kind; the others must give the same result. */
    if (*ok && kind == FAULT_CATALOG_MOMENT)
        *ok = fault_check_all(&w->checker, disk, &truth, &found);
    else if (*ok)
        *ok = check_short(w, disk, &truth, &found);
    if (!*ok || !found.has_archive)
        return NULL;
    fault_tally_disk(tally, (fault_way)(FAULT_CUT_CATALOG_MOMENT + kind), &found);
    char *dump = fault_dump(&w->checker);
    *ok = dump != NULL;
    return dump;
}

/* The result of recovering a disk. */
typedef struct result {
    char *dump; /* of the catalog; NULL without an archive */
    td_hash128 files;
} result;

static int is_same(worker *w, fault_catalog_kind kind, const result *first, const result *other)
{
    const char *differs = NULL;
    if ((first->dump == NULL) != (other->dump == NULL))
        differs = "an archive with one of them only";
    else if (first->dump != NULL && strcmp(first->dump, other->dump) != 0)
        differs = "another catalog";
    else if (!td_hash128_equal(first->files, other->files))
        differs = "other files";
    if (differs != NULL)
        (void)snprintf(w->checker.failure, sizeof w->checker.failure, "with catalog %u: %s", kind,
                       differs);
    return differs == NULL;
}

/* "Each reopened with the catalog of that moment, an older one, none, and garbage: one result". */
static int try_catalogs(worker *w, io_fault *disk, uint64_t seed, fault_tally *tally)
{
    result results[FAULT_CATALOG_KIND_COUNT] = {0};
    int ok = 1;
    for (unsigned i = 0; ok && i < FAULT_CATALOG_KIND_COUNT; i++) {
        const fault_catalog_kind kind = (fault_catalog_kind)i;
        io_fault *copy = io_fault_kill(disk);
        TD_ASSERT(copy != NULL);
        results[i].dump = try_catalog(w, copy, kind, seed, tally, &ok);
        results[i].files = io_fault_digest(copy);
        ok = ok && is_same(w, kind, &results[0], &results[i]);
        io_fault_close(copy);
    }
    for (unsigned i = 0; i < FAULT_CATALOG_KIND_COUNT; i++)
        td_free(results[i].dump);
    return ok;
}

static int cut_power(worker *w, uint64_t seed, fault_tally *tally, char *what)
{
    io_fault *after = io_fault_power_cut(w->then, seed);
    int ok = try_catalogs(w, after, seed, tally);
    io_fault_close(after);
    if (!ok)
        (void)snprintf(what, FAULT_CASE_WHAT_BYTES, "power cut %" PRIu64 ": %s", seed,
                       w->checker.failure);
    return ok;
}

/* Killed, recovered, then a power cut: what recover finished and journalled is still there. */
static int kill_and_recover(worker *w, fault_tally *tally, char *what)
{
    fault_truth truth = fault_truth_at(&w->fixture->recording, w->change_count);
    fault_found found = {0};
    io_fault *disk = io_fault_kill(w->then);
    int ok = fault_catalogs_put(w->fixture->catalogs, FAULT_CATALOG_MOMENT, w->change_count, 0,
                                w->checker.catalog) &&
             fault_check_all(&w->checker, disk, &truth, &found);
    if (ok && found.has_archive)
        fault_tally_disk(tally, FAULT_KILLED, &found);
    ok = ok && (!found.has_archive || fault_check_cut_again(&w->checker, disk, &truth, &found));
    if (ok && found.has_archive)
        fault_tally_disk(tally, FAULT_KILLED_THEN_CUT, &found);
    io_fault_close(disk);
    if (!ok)
        (void)snprintf(what, FAULT_CASE_WHAT_BYTES, "killed and recovered: %s", w->checker.failure);
    return ok;
}

/* Killed, and the next recorder starts at once. */
static int kill_and_record(worker *w, fault_tally *tally, char *what)
{
    fault_truth truth = fault_truth_at(&w->fixture->recording, w->change_count);
    fault_found found = {0};
    io_fault *disk = io_fault_kill(w->then);
    int ok = fault_catalogs_put(w->fixture->catalogs, FAULT_CATALOG_MOMENT, w->change_count, 0,
                                w->checker.catalog) &&
             fault_check_frames(&w->checker, disk, &truth, &found) &&
             fault_check_record_on(&w->checker, disk, &found);
    if (ok)
        fault_tally_disk(tally, FAULT_RECORDED_ON, &found);
    io_fault_close(disk);
    if (!ok)
        (void)snprintf(what, FAULT_CASE_WHAT_BYTES, "killed and recorded on: %s",
                       w->checker.failure);
    return ok;
}

static int run_case(void *state, uint64_t index, fault_tally *tally,
                    char what[FAULT_CASE_WHAT_BYTES])
{
    worker *w = state;
    unsigned cuts = w->fixture->size.random_cuts;
    io_fault_forward(w->then, w->fixture->recording.disk, w->change_count, index);
    w->change_count = index;
    /* The small sweep alternates. */
    int is_full = cuts > 1;
    int ok = 1;
    if (is_full || index % 2 == 0)
        ok = cut_power(w, IO_FAULT_CUT_WORST, tally, what) && kill_and_record(w, tally, what);
    for (unsigned i = 1; ok && (is_full || index % 2 == 1) && i <= cuts; i++)
        ok = cut_power(w, index * cuts + i, tally, what);
    return ok && ((!is_full && index % 2 == 0) || kill_and_recover(w, tally, what));
}

static void record(fixture *f)
{
    fault_end end;
    assert_true(fault_recording_init(&f->recording));
    f->recording.disk = io_fault_open();
    assert_non_null(f->recording.disk);
    f->catalogs = fault_catalogs_open(f->recording.catalog);
    assert_non_null(f->catalogs);
    f->recording.observer = fault_catalogs_observe;
    f->recording.observer_user = f->catalogs;
    io_fault_log_start(f->recording.disk);
    fault_recording_run(&f->recording, &f->size.recording, &end);
    if (end.result != TD_OK)
        fail_msg("%s", end.err.text);
    for (size_t i = 0; i < FAULT_FEEDS; i++)
        assert_int_equal(fault_durable_at(&f->recording, i, UINT64_MAX),
                         f->recording.feeds[i].count);
    print_message("%" PRIu64 " frames, %" PRIu64 " changes of the disk, %" PRIu64 " catalogs\n",
                  end.announced, io_fault_log_count(f->recording.disk),
                  fault_catalogs_count(f->catalogs));
}

static void test_power_cuts(void **state)
{
    (void)state;
    const char *asked = getenv("TAPEDECK_SWEEP");
    fixture f = {.size = asked != NULL && strcmp(asked, "full") == 0 ? FULL : SMALL};
    fault_tally tally;
    record(&f);
    const fault_sweep sweep = {.name = "power cuts and kills",
                               .count = io_fault_log_count(f.recording.disk) + 1,
                               .run = run_case,
                               .open = open_worker,
                               .close = close_worker,
                               .user = &f};
    uint64_t failures = fault_sweep_run(&sweep, &tally);
    fault_catalogs_close(f.catalogs);
    io_fault_close(f.recording.disk);
    fault_recording_fini(&f.recording);
    assert_int_equal(failures, 0);
    assert_int_equal(atomic_load(&tally.cases), fault_sweep_cases(&sweep));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power_cuts),
    };
    return cmocka_run_group_tests_name("power_cuts", tests, NULL, NULL);
}
