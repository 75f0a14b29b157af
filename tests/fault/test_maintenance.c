/* recover, reindex and import with a power cut, a kill, or an I/O error at every step: run again,
 * each reaches the same result as without a fault, and nothing is lost. Expected:
 * archive/archive_recover.h ("idempotent, and safe to be killed itself"), archive/reindex.h,
 * docs/design.md (P1, P5); frames are the test's own account. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "recorder/import/import.h"
#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "archive/catalog.h"
#include "archive/reindex.h"
#include "tests/testing/fault_catalogs.h"
#include "tests/testing/fault_check.h"
#include "tests/testing/fault_sweep.h"

static const fault_size SMALL = {.rounds = 2, .frames_per_round = 2, .rounds_per_hour = 1};
static const fault_size FULL = {.rounds = 24, .frames_per_round = 5, .rounds_per_hour = 4};

enum { CAPTURE_BYTES_MAX = 4 << 20, DIED = 7, RANDOM_CUTS_SMALL = 1, RANDOM_CUTS_FULL = 5 };

/* An operation on the archive, which is interrupted. */
typedef td_result act_fn(const fault_checker *checker, io_fault *disk, td_err *err);

typedef struct fixture {
    fault_recording recording;
    fault_catalogs *catalogs;
    io_fault *before;    /* the disk before the act; changes are logged on it */
    uint64_t catalog_at; /* version of the catalog before the act */
    fault_truth truth;   /* expected before and after */
    act_fn *act;
    char *dump;         /* expected catalog afterwards; NULL: differs from run to run */
    io_fault_plan plan; /* of the current sweep; fail_at is set per case */
    unsigned cuts;
} fixture;

static int is_full(void)
{
    const char *asked = getenv("TAPEDECK_SWEEP");
    return asked != NULL && strcmp(asked, "full") == 0;
}

/* ---- acts ---- */

static td_result act_recover(const fault_checker *checker, io_fault *disk, td_err *err)
{
    recover_report report;
    archive *a = NULL;
    td_result rc = fault_archive_open(checker->recording, disk, checker->catalog, ARCHIVE_MAINTAIN,
                                      "recover", &a, err);
    if (rc == TD_OK)
        rc = archive_recover(a, NULL, NULL, &report, err);
    archive_close(a);
    return rc;
}

static td_result act_reindex(const fault_checker *checker, io_fault *disk, td_err *err)
{
    const reindex_options options = {.scope = REINDEX_ALL};
    reindex_report report;
    archive *a = NULL;
    td_result rc = fault_archive_open(checker->recording, disk, checker->catalog, ARCHIVE_MAINTAIN,
                                      "reindex", &a, err);
    if (rc == TD_OK)
        rc = archive_reindex(a, &options, &report, err);
    archive_close(a);
    return rc;
}

static td_result act_import(const fault_checker *checker, io_fault *disk, td_err *err)
{
    import_report report;
    const import_options options = {.io = io_fault_io(disk),
                                    .clock = clock_sim_clock(checker->recording->clock),
                                    .archive_path = FAULT_ARCHIVE,
                                    .catalog_path = checker->catalog,
                                    .version = "test",
                                    .format = IMPORT_JSONL,
                                    .path = "capture.jsonl"};
    return import_run(&options, &report, err);
}

/* ---- a sweep's process ---- */

typedef struct worker {
    const fixture *fixture;
    fault_checker checker;
    io_fault *then; /* a disk advanced through the act's changes; or NULL */
    uint64_t change_count;
    fault_truth truth;     /* of the current case */
    uint64_t *died_behind; /* number of changes before the child died; shared with it */
} worker;

static void *open_worker(void *user, unsigned number)
{
    worker *w = td_alloc_zero(1, sizeof *w);
    w->fixture = user;
    w->checker.recording = &w->fixture->recording;
    w->truth = w->fixture->truth;
    w->died_behind = mmap(NULL, sizeof *w->died_behind, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    TD_ASSERT(w->died_behind != MAP_FAILED);
    (void)snprintf(w->checker.catalog, sizeof w->checker.catalog, "%s/worker-%u.sqlite",
                   w->fixture->recording.folder, number);
    return w;
}

static void close_worker(void *state)
{
    worker *w = state;
    io_fault_close(w->then);
    (void)munmap(w->died_behind, sizeof *w->died_behind);
    td_free(w);
}

static fault_way catalog_way(const fixture *f, uint64_t seed)
{
    return f->catalogs == NULL || seed % 3 == 2 ? FAULT_CUT_CATALOG_NONE : FAULT_CUT_CATALOG_MOMENT;
}

static int put_catalog(worker *w, uint64_t seed)
{
    const fixture *f = w->fixture;
    if (f->catalogs == NULL)
        return catalog_remove(w->checker.catalog, NULL) == TD_OK;
    return fault_catalogs_put(f->catalogs,
                              catalog_way(f, seed) == FAULT_CUT_CATALOG_NONE ? FAULT_CATALOG_NONE
                                                                             : FAULT_CATALOG_MOMENT,
                              f->catalog_at, seed, w->checker.catalog);
}

/* Checks that the disk is sound, and equal to the result without a fault. */
static int check_disk(worker *w, io_fault *disk, fault_way way, fault_tally *tally)
{
    fault_found found;
    if (!fault_check_all(&w->checker, disk, &w->truth, &found))
        return 0;
    fault_tally_disk(tally, way, &found);
    if (w->fixture->dump == NULL)
        return 1;
    char *dump = fault_dump(&w->checker);
    int is_same = dump != NULL && strcmp(dump, w->fixture->dump) == 0;
    if (dump != NULL && !is_same)
        (void)snprintf(w->checker.failure, sizeof w->checker.failure,
                       "another archive than at once");
    td_free(dump);
    return is_same;
}

static int cut_and_check(worker *w, io_fault *disk, uint64_t seed, fault_way way,
                         fault_tally *tally)
{
    io_fault *after = io_fault_power_cut(disk, seed);
    int ok = check_disk(w, after, way, tally);
    io_fault_close(after);
    return ok;
}

static int kill_and_check(worker *w, io_fault *disk, fault_tally *tally)
{
    io_fault *after = io_fault_kill(disk);
    int ok = check_disk(w, after, FAULT_KILLED, tally) &&
             cut_and_check(w, after, IO_FAULT_CUT_WORST, FAULT_KILLED_THEN_CUT, tally);
    io_fault_close(after);
    return ok;
}

static int say(char what[FAULT_CASE_WHAT_BYTES], const char *where, const char *why)
{
    (void)snprintf(what, FAULT_CASE_WHAT_BYTES, "%s: %.600s", where, why);
    return 0;
}

/* ---- power cuts and kills after every change ---- */

static int run_cut(void *state, uint64_t index, fault_tally *tally,
                   char what[FAULT_CASE_WHAT_BYTES])
{
    worker *w = state;
    const fixture *f = w->fixture;
    if (w->then == NULL)
        w->then = io_fault_at(f->before, 0);
    io_fault_forward(w->then, f->before, w->change_count, index);
    w->change_count = index;
    /* The small sweep alternates. */
    int is_cut = is_full() || index % 2 == 0;
    int ok = !is_cut || (put_catalog(w, 0) &&
                         cut_and_check(w, w->then, IO_FAULT_CUT_WORST, catalog_way(f, 0), tally));
    for (unsigned i = 1; ok && is_cut && i <= f->cuts; i++) {
        uint64_t seed = index * f->cuts + i;
        fault_way way = catalog_way(f, seed);
        ok = put_catalog(w, seed) && cut_and_check(w, w->then, seed, way, tally);
    }
    if (!ok)
        return say(what, "power cut", w->checker.failure);
    if (!is_full() && is_cut)
        return 1;
    return (put_catalog(w, index) && kill_and_check(w, w->then, tally)) ||
           say(what, "killed", w->checker.failure);
}

/* ---- the process dies at every call; the catalog's own files stay as they are ---- */

typedef struct countdown {
    uint64_t left;
    uint64_t *died_behind;
} countdown;

static void die_in_time(void *user, io_fault_op op, uint64_t change_count)
{
    countdown *c = user;
    (void)op;
    *c->died_behind = change_count;
    if (c->left-- == 0)
        _exit(DIED);
}

/* 1 if the child died before the act was done. */
static int act_and_die(worker *w, uint64_t calls)
{
    int status = 0;
    pid_t child = fork();
    TD_ASSERT(child >= 0);
    if (child == 0) {
        io_fault *disk = io_fault_at(w->fixture->before, 0);
        countdown c = {.left = calls, .died_behind = w->died_behind};
        io_fault_log_start(disk);
        io_fault_observe(disk, die_in_time, &c);
        td_result rc = w->fixture->act(&w->checker, disk, NULL);
        _exit(rc == TD_OK ? 0 : 1);
    }
    pid_t ended = waitpid(child, &status, 0);
    return ended == child && WIFEXITED(status) && WEXITSTATUS(status) == DIED;
}

/* The disk is as after the changes that the child had made (equal in every run), or, after a power
 * cut, as before. The catalog is then newer than the disk. */
static int run_death(void *state, uint64_t index, fault_tally *tally,
                     char what[FAULT_CASE_WHAT_BYTES])
{
    worker *w = state;
    uint64_t calls = is_full() ? index / 2 : index; /* the small sweep alternates */
    if (!put_catalog(w, calls))
        return say(what, "catalog", "cannot be put there");
    if (!act_and_die(w, calls))
        return 1;
    atomic_fetch_add(&tally->died, 1);
    io_fault *disk = io_fault_at(w->fixture->before, index % 2 == 0 ? 0 : *w->died_behind);
    int ok =
        check_disk(w, disk, FAULT_KILLED, tally) || say(what, "died at a call", w->checker.failure);
    io_fault_close(disk);
    return ok;
}

/* ---- failing calls ---- */

static int run_error(void *state, uint64_t index, fault_tally *tally,
                     char what[FAULT_CASE_WHAT_BYTES])
{
    worker *w = state;
    const fixture *f = w->fixture;
    io_fault_plan plan = f->plan;
    io_fault *disk = io_fault_at(f->before, 0);
    td_err err;
    td_err_clear(&err);
    plan.fail_at = index + 1;
    int ok = put_catalog(w, index) || say(what, "catalog", "cannot be put there");
    io_fault_set_plan(disk, plan);
    td_result rc = ok ? f->act(&w->checker, disk, &err) : TD_OK;
    int did_fire = fault_tally_error(tally, disk, rc);
    io_fault_set_plan(disk, (io_fault_plan){0});
    if (ok && rc != TD_OK && (!did_fire || err.text[0] == '\0'))
        ok = say(what, "it stopped without a reason", err.text);
    if (ok && io_fault_open_count(disk) != 0)
        ok = say(what, "it left files open", err.text);
    w->truth = f->truth;
    /* What an import has reported as done is durable. */
    for (size_t i = 0; f->act == act_import && rc == TD_OK && i < FAULT_FEEDS; i++)
        w->truth.durable[i] = f->recording.feeds[i].count;
    /* The small sweep alternates. */
    int is_cut = is_full() || index % 2 == 0;
    if (ok && is_cut)
        ok = cut_and_check(w, disk, index % 4 == 0 ? IO_FAULT_CUT_WORST : index,
                           FAULT_CUT_CATALOG_MOMENT, tally) ||
             say(what, "power cut after an error", w->checker.failure);
    if (ok && (is_full() || !is_cut))
        ok = kill_and_check(w, disk, tally) ||
             say(what, "killed after an error", w->checker.failure);
    io_fault_close(disk);
    return ok;
}

/* ---- sweeps ---- */

static uint64_t sweep(fixture *f, const char *name, fault_case_fn *run, uint64_t count)
{
    fault_tally tally;
    const fault_sweep all = {.name = name,
                             .count = count,
                             .run = run,
                             .open = open_worker,
                             .close = close_worker,
                             .user = f};
    assert_true(count > 0);
    return fault_sweep_run(&all, &tally);
}

/* Runs the act once without a fault: its changes are logged on f->before, its result is kept.
 * Returns the number of its calls of these operations. */
static uint64_t rehearse(fixture *f, uint32_t ops)
{
    fault_checker checker = {.recording = &f->recording};
    uint64_t count = 0;
    td_err err;
    td_err_clear(&err);
    (void)snprintf(checker.catalog, sizeof checker.catalog, "%s", f->recording.catalog);
    io_fault *disk = io_fault_at(f->before, 0);
    if (f->catalogs != NULL)
        assert_true(fault_catalogs_put(f->catalogs, FAULT_CATALOG_MOMENT, f->catalog_at, 0,
                                       checker.catalog));
    else
        assert_int_equal(catalog_remove(checker.catalog, NULL), TD_OK);
    if (f->act(&checker, disk, &err) != TD_OK)
        fail_msg("%s", err.text);
    for (unsigned op = 0; op < IO_FAULT_OP_COUNT; op++) {
        if ((ops & IO_FAULT_BIT(op)) != 0)
            count += io_fault_call_count(disk, (io_fault_op)op);
    }
    io_fault_close(disk);
    return count;
}

/* The number of cases of run_death. */
static uint64_t count_deaths(fixture *f)
{
    return (is_full() ? 2 : 1) * rehearse(f, UINT32_MAX);
}

/* Runs the act on f->before itself. */
static void perform(fixture *f)
{
    fault_checker checker = {.recording = &f->recording};
    td_err err;
    td_err_clear(&err);
    (void)snprintf(checker.catalog, sizeof checker.catalog, "%s", f->recording.catalog);
    io_fault_log_start(f->before);
    if (f->catalogs != NULL)
        assert_true(fault_catalogs_put(f->catalogs, FAULT_CATALOG_MOMENT, f->catalog_at, 0,
                                       checker.catalog));
    if (f->act(&checker, f->before, &err) != TD_OK)
        fail_msg("%s", err.text);
}

static uint64_t sweep_errors(fixture *f, const char *name)
{
    static const struct {
        const char *name;
        io_fault_kind kind;
        io_fault_mode mode;
        uint32_t ops;
    } ROWS[] = {
        {"EIO once", IO_FAULT_EIO, IO_FAULT_ONCE, IO_FAULT_BIT(IO_FAULT_OP_COUNT) - 1},
        {"EIO from then on", IO_FAULT_EIO, IO_FAULT_FOR_EVER, IO_FAULT_BIT(IO_FAULT_OP_COUNT) - 1},
        {"ENOSPC from then on", IO_FAULT_ENOSPC, IO_FAULT_FOR_EVER,
         IO_FAULT_BIT(IO_FAULT_OP_CREATE) | IO_FAULT_BIT(IO_FAULT_OP_APPEND) |
             IO_FAULT_BIT(IO_FAULT_OP_OVERWRITE) | IO_FAULT_BIT(IO_FAULT_OP_SYNC) |
             IO_FAULT_BIT(IO_FAULT_OP_RENAME) | IO_FAULT_BIT(IO_FAULT_OP_MKDIR) |
             IO_FAULT_BIT(IO_FAULT_OP_SYNC_DIR)},
        {"short write, full", IO_FAULT_SHORT, IO_FAULT_ONCE, IO_FAULT_BIT(IO_FAULT_OP_APPEND)},
        {"short write, EIO", IO_FAULT_TORN, IO_FAULT_ONCE, IO_FAULT_BIT(IO_FAULT_OP_APPEND)},
    };
    uint64_t failures = 0;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        char title[96];
        (void)snprintf(title, sizeof title, "%s, %s", name, ROWS[i].name);
        f->plan = (io_fault_plan){.kind = ROWS[i].kind, .mode = ROWS[i].mode, .ops = ROWS[i].ops};
        int is_wanted = is_full() || ROWS[i].mode == IO_FAULT_ONCE;
        uint64_t count = is_wanted ? rehearse(f, ROWS[i].ops) : 0;
        if (count > 0)
            failures += sweep(f, title, run_error, count);
    }
    return failures;
}

static void init_fixture(fixture *f, act_fn *act)
{
    *f = (fixture){.act = act, .cuts = is_full() ? RANDOM_CUTS_FULL : RANDOM_CUTS_SMALL};
    assert_true(fault_recording_init(&f->recording));
}

static void fini_fixture(fixture *f)
{
    td_free(f->dump);
    fault_catalogs_close(f->catalogs);
    io_fault_close(f->before);
    fault_recording_fini(&f->recording);
}

/* Records with a log of changes; after a power cut with the seed, the disk at that time is what the
 * act finds. */
static void record_and_cut(fixture *f, unsigned percent, uint64_t seed)
{
    fault_end end;
    io_fault *disk = io_fault_open();
    f->recording.disk = disk;
    f->catalogs = fault_catalogs_open(f->recording.catalog);
    assert_non_null(f->catalogs);
    f->recording.observer = fault_catalogs_observe;
    f->recording.observer_user = f->catalogs;
    io_fault_log_start(disk);
    fault_recording_run(&f->recording, is_full() ? &FULL : &SMALL, &end);
    assert_int_equal(end.result, TD_OK);
    f->catalog_at = io_fault_log_count(disk) * percent / 100;
    f->truth = fault_truth_at(&f->recording, f->catalog_at);
    io_fault *then = io_fault_at(disk, f->catalog_at);
    assert_non_null(then);
    f->before = io_fault_power_cut(then, seed);
    assert_non_null(f->before);
    io_fault_close(then);
    io_fault_close(disk);
    f->recording.disk = NULL;
}

static void keep_dump(fixture *f)
{
    fault_checker checker = {.recording = &f->recording};
    (void)snprintf(checker.catalog, sizeof checker.catalog, "%s", f->recording.catalog);
    f->dump = fault_dump(&checker);
    if (f->dump == NULL)
        fail_msg("%s", checker.failure);
}

static void test_recover(void **state)
{
    (void)state;
    static const unsigned CUT_PERCENTS[] = {35, 62, 88};
    size_t case_count = is_full() ? sizeof CUT_PERCENTS / sizeof CUT_PERCENTS[0] : 1;
    uint64_t failures = 0;
    for (size_t i = 0; i < case_count; i++) {
        fixture f;
        init_fixture(&f, act_recover);
        record_and_cut(&f, CUT_PERCENTS[i], 3 + i);
        perform(&f);
        keep_dump(&f);
        failures +=
            sweep(&f, "recover, power cuts and kills", run_cut, io_fault_log_count(f.before) + 1);
        failures += sweep(&f, "recover, died", run_death, count_deaths(&f));
        failures += sweep_errors(&f, "recover");
        fini_fixture(&f);
    }
    assert_int_equal(failures, 0);
}

/* A recovered archive with a rebuilt catalog. */
static void test_reindex(void **state)
{
    (void)state;
    fixture f;
    init_fixture(&f, act_recover);
    record_and_cut(&f, 88, 5);
    perform(&f);
    keep_dump(&f);
    io_fault *settled = io_fault_kill(f.before);
    assert_non_null(settled);
    io_fault_close(f.before);
    f.before = settled;
    f.act = act_reindex;
    perform(&f);
    uint64_t failures = sweep(&f, "reindex, died", run_death, count_deaths(&f));
    failures += sweep_errors(&f, "reindex");
    fini_fixture(&f);
    assert_int_equal(failures, 0);
}

/* ---- import ---- */

/* A capture of two feeds over several hours; the expected frames are recorded as its lines are
 * made. */
static void make_capture(fixture *f, unsigned frames)
{
    static const char *const URLS[] = {"wss://stream.bybit.com/realtime",
                                       "wss://stream.bybit.com/realtime_public"};
    td_buf text;
    td_buf_init(&text, CAPTURE_BYTES_MAX);
    uint64_t recv_ns = UINT64_C(1795154400000000000);
    for (unsigned n = 0; n < frames; n++) {
        fault_feed *feed = &f->recording.feeds[n % 2];
        char frame[128];
        char line[320];
        int size = snprintf(frame, sizeof frame, "{\"topic\":\"trade.X\",\"n\":%u}", n);
        recv_ns += n % 10 == 9 ? 3600 * TD_NS_PER_S : TD_NS_PER_MS;
        int length = snprintf(line, sizeof line,
                              "{\"recv_ns\":%" PRIu64 ",\"conn\":%u,\"url\":\"%s\",\"data\":%s}\n",
                              recv_ns, n % 2, URLS[n % 2], frame);
        assert_int_equal(td_buf_append(&text, line, (size_t)length, NULL), TD_OK);
        feed->frames = td_realloc(feed->frames, (size_t)feed->count + 1, sizeof *feed->frames);
        assert_non_null(feed->frames);
        feed->frames[feed->count] = (fault_frame){.recv_ns = recv_ns,
                                                  .ordinal = feed->count + 1,
                                                  .conn = 1,
                                                  .text = td_strndup(frame, (size_t)size),
                                                  .size = (size_t)size};
        feed->count++;
    }
    td_file *file = NULL;
    td_io io = io_fault_io(f->before);
    assert_int_equal(td_io_open(io, "capture.jsonl", TD_OPEN_CREATE, &file, NULL), TD_OK);
    assert_int_equal(td_io_append(file, text.data, text.size, NULL), TD_OK);
    assert_int_equal(td_io_sync(file, NULL), TD_OK);
    td_io_close(file);
    assert_int_equal(td_io_sync_dir(io, "/", NULL), TD_OK);
    td_buf_fini(&text);
}

/* An interrupted import leaves the beginning of the capture, and no gap, because nothing was
 * recorded live. */
static void test_import(void **state)
{
    (void)state;
    fixture f;
    fault_found found;
    fault_checker checker;
    init_fixture(&f, act_import);
    f.before = io_fault_open();
    assert_non_null(f.before);
    make_capture(&f, is_full() ? 400 : 20);
    perform(&f);
    checker = (fault_checker){.recording = &f.recording};
    (void)snprintf(checker.catalog, sizeof checker.catalog, "%s", f.recording.catalog);
    if (!fault_check_all(&checker, f.before, &f.truth, &found))
        fail_msg("%s", checker.failure);
    assert_int_equal(found.frames[0], f.recording.feeds[0].count);
    assert_int_equal(found.frames[1], f.recording.feeds[1].count);
    uint64_t failures =
        sweep(&f, "import, power cuts and kills", run_cut, io_fault_log_count(f.before) + 1);
    failures += sweep_errors(&f, "import");
    fini_fixture(&f);
    assert_int_equal(failures, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recover),
        cmocka_unit_test(test_reindex),
        cmocka_unit_test(test_import),
    };
    return cmocka_run_group_tests_name("maintenance", tests, NULL, NULL);
}
