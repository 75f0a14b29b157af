/* Appending to an archive. Expected: docs/design.md, promises P1 and P5, "Archive on disk";
 * tests/testing/segment_fixture.h defines the frames. */
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
#include "base/io_posix.h"
#include "base/workers.h"
#include "archive/archive_recover.h"
#include "archive/archive_writer.h"
#include "archive/catalog.h"
#include "archive/ledger.h"
#include "archive/reindex.h"
#include "tests/testing/files.h"
#include "tests/testing/archive_fixture.h"
#include "tests/testing/segment_fixture.h"

enum { CHUNK_FRAMES = 20 };

/* The numbers of rows in the catalog. */
typedef struct totals {
    size_t segments, chunks, channels, gaps;
} totals;

static totals count_rows(const archive_env *env)
{
    catalog *c = NULL;
    catalog_entries entries;
    totals all = {0};
    assert_int_equal(catalog_open(env->catalog_path, CATALOG_READ, &c, NULL), TD_OK);
    assert_int_equal(catalog_list(c, &entries, NULL), TD_OK);
    for (size_t i = 0; i < entries.count; i++) {
        segment_rows rows;
        assert_int_equal(
            catalog_load(c, entries.rows[i].path, CATALOG_ROWS_AND_CHUNKS, &rows, NULL), TD_OK);
        all.segments++;
        all.chunks += rows.index.chunk_count;
        all.channels += rows.index.channel_count;
        all.gaps += rows.gaps.count;
        segment_rows_fini(&rows);
    }
    catalog_entries_fini(&entries);
    catalog_close(c);
    return all;
}

/* P5: after the catalog is deleted, reindex makes the same rows. */
static void test_catalog_is_derived(void **state)
{
    archive_env *env = *state;
    archive_fixture_record(env, 0, 10); /* frames 0 … 199: four segments */
    clock_sim_advance(env->clock, 1000);
    archive_fixture_record(env, 200, 4);
    char *before = archive_fixture_dump(env);
    totals all = count_rows(env);
    assert_int_equal(all.segments, 4 + 2);
    assert_int_equal(all.chunks, 14);
    /* 5 channels in each of 6 segments: events, control in and out, trade, book */
    assert_int_equal(all.channels, 6 * 5);
    /* Gaps begin at frames 50, 150 and 250. The first and the last one end in another segment,
     * which lists them as well. */
    assert_int_equal(all.gaps, 5);

    td_err err;
    assert_int_equal(catalog_remove(env->catalog_path, &err), TD_OK);
    archive *a = archive_env_open(env, ARCHIVE_MAINTAIN, "reindex");
    const reindex_options options = {.scope = REINDEX_ALL};
    reindex_report report;
    assert_int_equal(archive_reindex(a, &options, &report, &err), TD_OK);
    assert_int_equal(report.segments_read, 6);
    archive_close(a);
    char *after = archive_fixture_dump(env);
    assert_string_equal(before, after);
    td_free(before);
    td_free(after);
    archive_fixture_check_catalog(env, "");
}

static void test_frames_come_back(void **state)
{
    archive_env *env = *state;
    archive_fixture_record(env, 0, 10);
    assert_int_equal(archive_fixture_check_frames(env, FIXTURE_FEED, 0, 1), 200);
    assert_int_equal(catalog_remove(env->catalog_path, NULL), TD_OK);
    assert_int_equal(archive_fixture_check_frames(env, FIXTURE_FEED, 0, 1), 200);
}

static void test_names_of_feeds(void **state)
{
    archive_env *env = *state;
    fixture_feed feed;
    td_err err;
    archive *a = archive_env_open(env, ARCHIVE_APPEND, "record");
    archive_writer *writer = archive_fixture_begin(a);
    assert_int_equal(fixture_feed_open(&feed, writer, "no/feed", 0, 1, &err), TD_E_INVALID);
    fixture_feed_close(&feed);
    assert_int_equal(archive_writer_close(writer, WRITER_STOP, 99, &err), TD_OK);
    archive_close(a);
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
    archive_env *env = *state;
    archive_writer *writer = NULL;
    fixture_feed feed;
    td_workers *workers = NULL;
    td_err err;
    announced counts = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    archive *a = archive_env_open(env, ARCHIVE_APPEND, "record");
    assert_int_equal(archive_fixture_try_begin(a, count_durable, &counts, &writer, &err), TD_OK);
    assert_int_equal(fixture_feed_open(&feed, writer, FIXTURE_FEED, 0, 1, &err), TD_OK);
    assert_int_equal(fixture_feed_put(&feed, CHUNK_FRAMES, &err), TD_OK);
    assert_int_equal(announced_chunks(&counts), 1);

    put_job put = {.feed = &feed};
    td_job job = {.run = run_put, .arg = &put};
    io_fault_set_sync(env->disk, IO_FAULT_SYNC_HELD);
    assert_int_equal(td_workers_open(1, &workers, &err), TD_OK);
    td_workers_submit(workers, &job);
    io_fault_await_held(env->disk, 1);
    assert_int_equal(announced_chunks(&counts), 1);
    io_fault_set_sync(env->disk, IO_FAULT_SYNC_WORKS);
    td_workers_close(workers);
    assert_int_equal(put.rc, TD_OK);
    assert_int_equal(announced_chunks(&counts), 2);
    fixture_feed_close(&feed);
    assert_int_equal(archive_writer_close(writer, WRITER_STOP, 1, &err), TD_OK);
    archive_close(a);
}

/* "with sync failing, never": not even after sync works again, because the unsynced data may be
 * lost. */
static void test_failing_sync_announces_nothing_ever(void **state)
{
    archive_env *env = *state;
    archive_writer *writer = NULL;
    fixture_feed feed;
    td_err err;
    announced counts = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    archive *a = archive_env_open(env, ARCHIVE_APPEND, "record");
    assert_int_equal(archive_fixture_try_begin(a, count_durable, &counts, &writer, &err), TD_OK);
    assert_int_equal(fixture_feed_open(&feed, writer, FIXTURE_FEED, 0, 1, &err), TD_OK);
    assert_int_equal(fixture_feed_put(&feed, CHUNK_FRAMES, &err), TD_OK);
    io_fault_set_sync(env->disk, IO_FAULT_SYNC_FAILS);
    assert_int_equal(fixture_feed_put(&feed, CHUNK_FRAMES, &err), TD_E_IO);
    io_fault_set_sync(env->disk, IO_FAULT_SYNC_WORKS);
    assert_int_equal(fixture_feed_put(&feed, CHUNK_FRAMES, &err), TD_E_IO);
    assert_int_equal(announced_chunks(&counts), 1);
    fixture_feed_close(&feed);
    assert_int_equal(archive_writer_close(writer, WRITER_STOP, 1, &err), TD_E_IO);
    archive_close(a);
}

/* Even after a crash the catalog has every announced chunk, so that readers need not read the
 * segments. */
static void test_catalog_keeps_up_while_recording(void **state)
{
    archive_env *env = *state;
    archive_fixture_kill(env, "record", FIXTURE_FEED, 0, 4);
    archive_fixture_check_catalog(env, "");
    archive_fixture_check_dump(env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        archive_env_test(test_catalog_is_derived),
        archive_env_test(test_frames_come_back),
        archive_env_test(test_names_of_feeds),
        archive_env_test(test_held_sync_announces_nothing),
        archive_env_test(test_failing_sync_announces_nothing_ever),
        archive_env_test(test_catalog_keeps_up_while_recording),
    };
    return cmocka_run_group_tests_name("archive_writer", tests, NULL, NULL);
}
