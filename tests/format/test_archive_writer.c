/* Appending to an archive. Expected: docs/design.md, promises P1 and P5, "Archive on disk"; frames
 * are those of tests/testing/segment_fixture.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/workers.h"
#include "format/archive_recover.h"
#include "format/archive_writer.h"
#include "format/catalog.h"
#include "format/ledger.h"
#include "format/reindex.h"
#include "tests/testing/archive_fixture.h"
#include "tests/testing/segment_fixture.h"

enum { SWEEP_CALLS_MAX = 600, CHUNK_FRAMES = 20 };

static void check_dump_is_as_rebuilt(archive_place *place)
{
    char *kept = archive_fixture_dump(place);
    char *rebuilt = archive_fixture_dump_rebuilt(place);
    assert_string_equal(kept, rebuilt);
    td_free(kept);
    td_free(rebuilt);
}

static void check_current(archive_place *place)
{
    char what[CATALOG_WHAT_BYTES];
    td_err err;
    archive *a = archive_place_open(place, ARCHIVE_READ, NULL);
    assert_int_equal(archive_check_catalog(a, what, &err), TD_OK);
    assert_string_equal(what, "");
    archive_close(a);
}

static size_t count_lines(const char *text, const char *beginning)
{
    size_t count = 0;
    for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1)
        count += strncmp(line, beginning, strlen(beginning)) == 0;
    return count;
}

/* P5: "delete it, reindex, and dump-catalog prints the same". */
static void test_catalog_is_derived(void **state)
{
    (void)state;
    archive_place place;
    archive_place_init_sim(&place);
    archive_fixture_record(&place, 0, 10); /* frames 0 … 199: four segments */
    clock_sim_advance(place.clock, 1000);
    archive_fixture_record(&place, 200, 4);
    char *before = archive_fixture_dump(&place);
    assert_int_equal(count_lines(before, "session\t"), 2);
    assert_int_equal(count_lines(before, "segment\t"), 4 + 2);
    assert_int_equal(count_lines(before, "chunk\t"), 14);
    /* events, control in, control out, trade, book */
    assert_int_equal(count_lines(before, "channel\t"), 5);
    /* At frames 50, 150 and 250; the ends of the first and the last are in another segment, which
     * tells the gap too. */
    assert_int_equal(count_lines(before, "gap\t"), 5);
    assert_non_null(strstr(before, "detail=came back"));

    td_err err;
    assert_int_equal(catalog_remove(place.catalog_path, &err), TD_OK);
    archive *a = archive_place_open(&place, ARCHIVE_MAINTAIN, "reindex");
    const gap_reader gaps = archive_fixture_gaps();
    const reindex_options options = {.scope = REINDEX_ALL, .gaps = &gaps};
    reindex_report report;
    assert_int_equal(archive_reindex(a, &options, &report, &err), TD_OK);
    assert_int_equal(report.segments_read, 6);
    archive_close(a);
    char *after = archive_fixture_dump(&place);
    assert_string_equal(before, after);
    td_free(before);
    td_free(after);
    check_current(&place);
    archive_place_fini(&place);
}

static void test_frames_come_back(void **state)
{
    (void)state;
    archive_place place;
    archive_place_init_sim(&place);
    archive_fixture_record(&place, 0, 10);
    assert_int_equal(archive_fixture_check_frames(&place, FIXTURE_FEED, 0, 1), 200);
    assert_int_equal(catalog_remove(place.catalog_path, NULL), TD_OK);
    assert_int_equal(archive_fixture_check_frames(&place, FIXTURE_FEED, 0, 1), 200);
    archive_place_fini(&place);
}

static void test_history_tells_stop_from_crash(void **state)
{
    (void)state;
    archive_place place;
    feed_history history;
    fixture_feed feed;
    td_err err;
    archive_place_init_sim(&place);
    archive *a = archive_place_open(&place, ARCHIVE_APPEND, "record");
    archive_writer *writer = archive_fixture_begin(a);
    assert_int_equal(fixture_feed_open(&feed, writer, FIXTURE_FEED, 0, 1, &history, &err), TD_OK);
    assert_false(history.is_known);
    assert_int_equal(fixture_feed_put(&feed, CHUNK_FRAMES, &err), TD_OK);
    fixture_feed_close(&feed);
    assert_int_equal(archive_writer_close(writer, WRITER_STOP, 77, &err), TD_OK);
    archive_close(a);

    a = archive_place_open(&place, ARCHIVE_APPEND, "record");
    writer = archive_fixture_begin(a);
    assert_int_equal(fixture_feed_open(&feed, writer, FIXTURE_FEED, 20, 1, &history, &err), TD_OK);
    assert_true(history.is_known);
    assert_false(history.is_crashed);
    assert_int_equal(history.stop_ns, 77);
    assert_int_equal(history.last_ns, FIXTURE_START_NS + 19 * FIXTURE_STEP_NS);
    assert_int_equal(fixture_feed_put(&feed, CHUNK_FRAMES, &err), TD_OK);
    fixture_feed_close(&feed);
    assert_int_equal(archive_writer_close(writer, WRITER_ABANDON, 0, &err), TD_OK);
    archive_close(a);

    a = archive_place_open(&place, ARCHIVE_APPEND, "record");
    writer = archive_fixture_begin(a);
    assert_int_equal(fixture_feed_open(&feed, writer, FIXTURE_FEED, 40, 1, &history, &err), TD_OK);
    assert_true(history.is_crashed);
    assert_int_equal(history.last_ns, FIXTURE_START_NS + 39 * FIXTURE_STEP_NS);
    fixture_feed_close(&feed);
    assert_int_equal(fixture_feed_open(&feed, writer, "other", 40, 1, &history, &err), TD_OK);
    assert_false(history.is_known);
    fixture_feed_close(&feed);
    assert_int_equal(fixture_feed_open(&feed, writer, "no/feed", 0, 1, NULL, &err), TD_E_INVALID);
    fixture_feed_close(&feed);
    assert_int_equal(archive_writer_close(writer, WRITER_STOP, 99, &err), TD_OK);
    archive_close(a);
    archive_place_fini(&place);
}

/* ---- sync ---- */

typedef struct announced {
    pthread_mutex_t mutex;
    uint64_t chunks;
    uint64_t frames;
} announced;

static void count_durable(void *user, size_t feed_index, const sealed_chunk *chunk)
{
    announced *counts = user;
    assert_int_equal(feed_index, 0);
    (void)pthread_mutex_lock(&counts->mutex);
    counts->chunks++;
    counts->frames += chunk->message_count;
    (void)pthread_mutex_unlock(&counts->mutex);
}

static uint64_t announced_chunks(announced *counts)
{
    (void)pthread_mutex_lock(&counts->mutex);
    uint64_t chunks = counts->chunks;
    (void)pthread_mutex_unlock(&counts->mutex);
    return chunks;
}

typedef struct put_job {
    fixture_feed *feed;
    td_result rc;
} put_job;

static void run_put(void *arg)
{
    put_job *job = arg;
    job->rc = fixture_feed_put(job->feed, CHUNK_FRAMES, NULL);
}

/* "With sync held back in the test I/O table no durable line and no higher count appear". */
static void test_held_sync_announces_nothing(void **state)
{
    (void)state;
    archive_place place;
    archive_writer *writer = NULL;
    fixture_feed feed;
    td_workers *workers = NULL;
    td_err err;
    announced counts = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    archive_place_init_sim(&place);
    archive *a = archive_place_open(&place, ARCHIVE_APPEND, "record");
    assert_int_equal(archive_fixture_try_begin(a, count_durable, &counts, &writer, &err), TD_OK);
    assert_int_equal(fixture_feed_open(&feed, writer, FIXTURE_FEED, 0, 1, NULL, &err), TD_OK);
    assert_int_equal(fixture_feed_put(&feed, CHUNK_FRAMES, &err), TD_OK);
    assert_int_equal(announced_chunks(&counts), 1);

    put_job put = {.feed = &feed};
    td_job job = {.run = run_put, .arg = &put};
    io_fault_set_sync(place.disk, IO_FAULT_SYNC_HELD);
    assert_int_equal(td_workers_open(1, &workers, &err), TD_OK);
    td_workers_submit(workers, &job);
    io_fault_await_held(place.disk, 1);
    assert_int_equal(announced_chunks(&counts), 1);
    io_fault_set_sync(place.disk, IO_FAULT_SYNC_WORKS);
    td_workers_wait(workers, &job);
    td_workers_close(workers);
    assert_int_equal(put.rc, TD_OK);
    assert_int_equal(announced_chunks(&counts), 2);
    fixture_feed_close(&feed);
    assert_int_equal(archive_writer_close(writer, WRITER_STOP, 1, &err), TD_OK);
    archive_close(a);
    archive_place_fini(&place);
}

/* "with sync failing, never": not even once it works again, for the pages may be gone. */
static void test_failing_sync_announces_nothing_ever(void **state)
{
    (void)state;
    archive_place place;
    archive_writer *writer = NULL;
    fixture_feed feed;
    td_err err;
    announced counts = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    archive_place_init_sim(&place);
    archive *a = archive_place_open(&place, ARCHIVE_APPEND, "record");
    assert_int_equal(archive_fixture_try_begin(a, count_durable, &counts, &writer, &err), TD_OK);
    assert_int_equal(fixture_feed_open(&feed, writer, FIXTURE_FEED, 0, 1, NULL, &err), TD_OK);
    assert_int_equal(fixture_feed_put(&feed, CHUNK_FRAMES, &err), TD_OK);
    io_fault_set_sync(place.disk, IO_FAULT_SYNC_FAILS);
    assert_int_equal(fixture_feed_put(&feed, CHUNK_FRAMES, &err), TD_E_IO);
    io_fault_set_sync(place.disk, IO_FAULT_SYNC_WORKS);
    assert_int_equal(fixture_feed_put(&feed, CHUNK_FRAMES, &err), TD_E_IO);
    assert_int_equal(announced_chunks(&counts), 1);
    fixture_feed_close(&feed);
    assert_int_equal(archive_writer_close(writer, WRITER_STOP, 1, &err), TD_E_IO);
    archive_close(a);
    archive_place_fini(&place);
}

/* ---- crashes ---- */

static void recover_all(archive_place *place, recover_report *report)
{
    td_err err;
    archive *a = archive_place_open(place, ARCHIVE_MAINTAIN, "recover");
    const gap_reader gaps = archive_fixture_gaps();
    if (archive_recover(a, NULL, &gaps, NULL, NULL, report, &err) != TD_OK)
        fail_msg("%s", err.text);
    archive_close(a);
}

/* A session of chunk_count chunks that is killed behind the last; the disk is as the next process
 * finds it. */
static void record_and_kill(archive_place *place, uint64_t from, unsigned chunk_count)
{
    fixture_feed feed;
    td_err err;
    archive *a = archive_place_open(place, ARCHIVE_APPEND, "record");
    archive_writer *writer = archive_fixture_begin(a);
    assert_int_equal(fixture_feed_open(&feed, writer, FIXTURE_FEED, from, 1, NULL, &err), TD_OK);
    for (unsigned i = 0; i < chunk_count; i++)
        assert_int_equal(fixture_feed_put(&feed, CHUNK_FRAMES, &err), TD_OK);
    io_fault *killed = io_fault_kill(place->disk);
    fixture_feed_close(&feed);
    assert_int_equal(archive_writer_close(writer, WRITER_ABANDON, 0, &err), TD_OK);
    archive_close(a);
    archive_place_swap_disk(place, killed);
}

static void copy_file(const char *from, const char *to)
{
    FILE *in = fopen(from, "rb");
    assert_non_null(in);
    FILE *out = fopen(to, "wb");
    assert_non_null(out);
    char block[4096];
    size_t got;
    while ((got = fread(block, 1, sizeof block, in)) > 0)
        assert_int_equal(fwrite(block, 1, got, out), got);
    assert_int_equal(fclose(in), 0);
    assert_int_equal(fclose(out), 0);
}

static void write_garbage(const char *path)
{
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    for (int i = 0; i < 1000; i++)
        assert_true(fputs("not a database at all; ", out) >= 0);
    assert_int_equal(fclose(out), 0);
}

typedef enum catalog_kind {
    CATALOG_OF_THAT_MOMENT,
    CATALOG_OLDER,
    CATALOG_NONE,
    CATALOG_GARBAGE,
    CATALOG_OF_ANOTHER_ARCHIVE,
    CATALOG_KIND_COUNT,
} catalog_kind;

static void replace_catalog(const archive_place *place, catalog_kind kind, const char *older)
{
    td_err err;
    if (kind == CATALOG_OF_THAT_MOMENT)
        return;
    assert_int_equal(catalog_remove(place->catalog_path, &err), TD_OK);
    if (kind == CATALOG_OLDER)
        copy_file(older, place->catalog_path);
    else if (kind == CATALOG_GARBAGE)
        write_garbage(place->catalog_path);
    else if (kind == CATALOG_OF_ANOTHER_ARCHIVE) {
        archive_place other;
        archive_place_init_sim(&other);
        archive_fixture_record(&other, 5000, 3);
        copy_file(other.catalog_path, place->catalog_path);
        archive_place_fini(&other);
    }
}

/* "a reopened archive must come out the same with the catalog of that moment, an older one, none,
 * and garbage"; each time after a crash, with and without a recovery in between. */
static void test_reopening_with_any_catalog(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2 * CATALOG_KIND_COUNT; i++) {
        catalog_kind kind = (catalog_kind)(i / 2);
        int with_recover = i % 2 == 0;
        archive_place place;
        char older[256];
        recover_report report;
        archive_place_init_sim(&place);
        archive_fixture_record(&place, 0, 4);
        (void)snprintf(older, sizeof older, "%s/older.sqlite", place.folder);
        copy_file(place.catalog_path, older);
        clock_sim_advance(place.clock, 1000);
        record_and_kill(&place, 80, 3);
        replace_catalog(&place, kind, older);
        assert_int_equal(archive_fixture_check_frames(&place, FIXTURE_FEED, 0, 1), 140);
        if (with_recover) {
            recover_all(&place, &report);
            assert_int_equal(report.segments_recovered, 1);
            assert_int_equal(report.gaps_opened, 1);
            assert_false(report.is_lossy);
            check_current(&place);
            check_dump_is_as_rebuilt(&place);
        }
        clock_sim_advance(place.clock, 1000);
        archive_fixture_record(&place, 140, 2);
        if (with_recover)
            check_current(&place);
        check_dump_is_as_rebuilt(&place);
        assert_int_equal(archive_fixture_check_frames(&place, FIXTURE_FEED, 0, 1), 180);
        archive_place_fini(&place);
    }
}

/* The catalog of the crash itself has every chunk that was announced: no reader needs more. */
static void test_catalog_keeps_up_while_recording(void **state)
{
    (void)state;
    archive_place place;
    archive_place_init_sim(&place);
    record_and_kill(&place, 0, 4);
    check_current(&place);
    check_dump_is_as_rebuilt(&place);
    archive_place_fini(&place);
}

/* "missing, behind or unusable, it is rebuilt (by a recorder beside recording …)": without a stop,
 * and while chunks go on being written. */
static void test_catalog_is_rebuilt_beside_recording(void **state)
{
    (void)state;
    static const catalog_kind KINDS[] = {CATALOG_NONE, CATALOG_GARBAGE, CATALOG_OF_ANOTHER_ARCHIVE};
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++) {
        archive_place place;
        archive_writer *writer = NULL;
        fixture_feed feed;
        td_err err;
        archive_place_init_sim(&place);
        archive_fixture_record(&place, 0, 10);
        replace_catalog(&place, KINDS[i], NULL);
        clock_sim_advance(place.clock, 1000);
        archive *a = archive_place_open(&place, ARCHIVE_APPEND, "record");
        const archive_writer_options options = {.version = "0.1",
                                                .start_ns = clock_wall_ns(archive_clock(a)),
                                                .gaps = archive_fixture_gaps(),
                                                .rebuild = WRITER_REBUILD_BESIDE};
        assert_int_equal(archive_writer_open(a, &options, &writer, &err), TD_OK);
        assert_false(archive_writer_catalog_is_current(writer));
        assert_int_equal(fixture_feed_open(&feed, writer, FIXTURE_FEED, 200, 1, NULL, &err), TD_OK);
        unsigned chunks = 0;
        while (!archive_writer_catalog_is_current(writer)) {
            if (chunks % 5 == 3)
                fixture_feed_rotate(&feed);
            assert_int_equal(fixture_feed_put(&feed, CHUNK_FRAMES, &err), TD_OK);
            assert_true(++chunks < 100000);
        }
        check_current(&place);
        assert_int_equal(fixture_feed_put(&feed, CHUNK_FRAMES, &err), TD_OK);
        check_current(&place);
        check_dump_is_as_rebuilt(&place);
        fixture_feed_close(&feed);
        assert_int_equal(archive_writer_close(writer, WRITER_STOP, 1, &err), TD_OK);
        archive_close(a);
        check_current(&place);
        check_dump_is_as_rebuilt(&place);
        archive_place_fini(&place);
    }
}

/* Given up in the middle: the thread ends, and whoever comes next finds a catalog that is behind.
 */
static void test_abandoned_rebuild(void **state)
{
    (void)state;
    archive_place place;
    archive_writer *writer = NULL;
    td_err err;
    archive_place_init_sim(&place);
    archive_fixture_record(&place, 0, 10);
    replace_catalog(&place, CATALOG_NONE, NULL);
    archive *a = archive_place_open(&place, ARCHIVE_APPEND, "record");
    const archive_writer_options options = {
        .version = "0.1", .gaps = archive_fixture_gaps(), .rebuild = WRITER_REBUILD_BESIDE};
    assert_int_equal(archive_writer_open(a, &options, &writer, &err), TD_OK);
    assert_int_equal(archive_writer_close(writer, WRITER_ABANDON, 0, &err), TD_OK);
    archive_close(a);
    assert_int_equal(archive_fixture_check_frames(&place, FIXTURE_FEED, 0, 1), 200);
    archive_place_fini(&place);
}

/* ---- sweeps ---- */

/* Three chunks, another segment, three more; puts that find the disk full are tried once more. */
static void record_with_faults(archive_place *place, announced *counts)
{
    archive *a = NULL;
    archive_writer *writer = NULL;
    fixture_feed feed;
    td_err err;
    if (archive_place_try_open(place, ARCHIVE_APPEND, "record", &a, &err) != TD_OK)
        return;
    td_result rc = archive_fixture_try_begin(a, count_durable, counts, &writer, &err);
    if (rc == TD_OK) {
        rc = fixture_feed_open(&feed, writer, FIXTURE_FEED, 0, 1, NULL, &err);
        for (unsigned i = 0; i < 6 && rc == TD_OK; i++) {
            if (i == 3)
                fixture_feed_rotate(&feed);
            rc = fixture_feed_put(&feed, CHUNK_FRAMES, &err);
            if (rc == TD_E_NOSPACE)
                rc = fixture_feed_put_again(&feed, &err);
        }
        fixture_feed_close(&feed);
        rc = archive_writer_close(writer, rc == TD_OK ? WRITER_STOP : WRITER_ABANDON, 1, &err);
    }
    archive_close(a);
}

/* Fail call 1, 2, 3, … of a recording, cut the power, recover: every frame that was announced is
 * there, in order and unchanged, and a recovery finds nothing more to do. */
static void sweep(io_fault_kind kind, io_fault_mode mode, uint64_t seed)
{
    for (uint32_t fail_at = 1;; fail_at++) {
        archive_place place;
        recover_report report = {0};
        announced counts = {.mutex = PTHREAD_MUTEX_INITIALIZER};
        archive_place_init_sim(&place);
        const io_fault_plan plan = {.kind = kind, .mode = mode, .fail_at = fail_at};
        io_fault_set_plan(place.disk, plan);
        record_with_faults(&place, &counts);
        int did_fire = io_fault_did_fire(place.disk);
        io_fault_set_plan(place.disk, (io_fault_plan){0});
        assert_int_equal(io_fault_open_count(place.disk), 0);
        archive_place_swap_disk(&place, io_fault_power_cut(place.disk, seed));

        archive *a = NULL;
        if (archive_place_try_open(&place, ARCHIVE_READ, NULL, &a, NULL) == TD_OK) {
            archive_close(a);
            recover_all(&place, &report);
            uint64_t count = archive_fixture_check_frames(&place, FIXTURE_FEED, 0, 1);
            if (count < counts.frames || report.is_lossy)
                fail_msg("call %u: %llu of %llu durable frames are there", fail_at,
                         (unsigned long long)count, (unsigned long long)counts.frames);
            recover_all(&place, &report);
            assert_int_equal(report.segments_recovered + report.sessions_crashed, 0);
            check_dump_is_as_rebuilt(&place);
        } else {
            assert_int_equal(counts.frames, 0);
        }
        archive_place_fini(&place);
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

/* A disk that was full for one call loses nothing: the same chunk, put again, is written. */
static void test_full_once_goes_on(void **state)
{
    (void)state;
    for (uint32_t fail_at = 1; fail_at < SWEEP_CALLS_MAX; fail_at++) {
        archive_place place;
        archive_writer *writer = NULL;
        fixture_feed feed;
        td_err err;
        archive_place_init_sim(&place);
        archive *a = archive_place_open(&place, ARCHIVE_APPEND, "record");
        assert_int_equal(archive_fixture_try_begin(a, NULL, NULL, &writer, &err), TD_OK);
        assert_int_equal(fixture_feed_open(&feed, writer, FIXTURE_FEED, 0, 1, NULL, &err), TD_OK);
        const io_fault_plan plan = {.kind = IO_FAULT_SHORT, .fail_at = fail_at};
        io_fault_set_plan(place.disk, plan);
        for (unsigned i = 0; i < 4; i++) {
            if (i == 2)
                fixture_feed_rotate(&feed);
            td_result rc = fixture_feed_put(&feed, CHUNK_FRAMES, &err);
            if (rc == TD_E_NOSPACE)
                rc = fixture_feed_put_again(&feed, &err);
            if (rc != TD_OK)
                fail_msg("call %u, chunk %u: %s", fail_at, i, err.text);
        }
        int did_fire = io_fault_did_fire(place.disk);
        io_fault_set_plan(place.disk, (io_fault_plan){0});
        fixture_feed_close(&feed);
        assert_int_equal(archive_writer_close(writer, WRITER_STOP, 1, &err), TD_OK);
        archive_close(a);
        assert_int_equal(archive_fixture_check_frames(&place, FIXTURE_FEED, 0, 1), 80);
        check_current(&place);
        archive_place_fini(&place);
        if (!did_fire)
            return;
    }
    fail_msg("the sweep never ended");
}

/* Cut the power behind each single change of a recording, with everything unsynced lost. */
static void test_power_cut_behind_every_change(void **state)
{
    (void)state;
    archive_place place;
    announced counts = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    archive_place_init_sim(&place);
    assert_int_equal(io_fault_log_start(place.disk, NULL), TD_OK);
    record_with_faults(&place, &counts);
    assert_int_equal(counts.frames, 6 * CHUNK_FRAMES);
    uint64_t changes = io_fault_log_count(place.disk);
    assert_true(changes > 20);
    uint64_t last = 0;
    for (uint64_t i = 0; i <= changes; i++) {
        archive_place after;
        recover_report report;
        archive_place_init_sim(&after);
        io_fault *then = io_fault_at(place.disk, i);
        archive_place_swap_disk(&after, io_fault_power_cut(then, i));
        io_fault_close(then);
        archive *a = NULL;
        uint64_t count = 0;
        if (archive_place_try_open(&after, ARCHIVE_READ, NULL, &a, NULL) == TD_OK) {
            archive_close(a);
            recover_all(&after, &report);
            assert_false(report.is_lossy);
            count = archive_fixture_check_frames(&after, FIXTURE_FEED, 0, 1);
        }
        /* What is on disk only grows but for what was in flight: one chunk. */
        if (count + CHUNK_FRAMES < last)
            fail_msg("change %llu: %llu frames, %llu before", (unsigned long long)i,
                     (unsigned long long)count, (unsigned long long)last);
        last = count > last ? count : last;
        archive_place_fini(&after);
    }
    assert_int_equal(last, 6 * CHUNK_FRAMES);
    archive_place_fini(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_catalog_is_derived),
        cmocka_unit_test(test_frames_come_back),
        cmocka_unit_test(test_history_tells_stop_from_crash),
        cmocka_unit_test(test_held_sync_announces_nothing),
        cmocka_unit_test(test_failing_sync_announces_nothing_ever),
        cmocka_unit_test(test_reopening_with_any_catalog),
        cmocka_unit_test(test_catalog_keeps_up_while_recording),
        cmocka_unit_test(test_catalog_is_rebuilt_beside_recording),
        cmocka_unit_test(test_abandoned_rebuild),
        cmocka_unit_test(test_failing_calls),
        cmocka_unit_test(test_full_disks),
        cmocka_unit_test(test_full_once_goes_on),
        cmocka_unit_test(test_power_cut_behind_every_change),
    };
    return cmocka_run_group_tests_name("archive_writer", tests, NULL, NULL);
}
