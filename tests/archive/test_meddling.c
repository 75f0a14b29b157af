/* Other programs remove locks, and remove, replace or change segments and journals during a
 * session. Expected: FORMAT.md, "Locks" and "Writing a segment"; tests/testing/segment_fixture.h
 * defines the frames. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "archive/archive_recover.h"
#include "archive/archive_writer.h"
#include "archive/journal.h"
#include "archive/ledger.h"
#include "format/recover.h"
#include "archive/verify.h"
#include "tests/testing/files.h"
#include "tests/testing/archive_fixture.h"
#include "tests/testing/segment_fixture.h"

enum { CHUNK_FRAMES = 20 };

/* The text of a lock names its session; a text from another program names none. */
static void test_sessions_of_holders(void **state)
{
    (void)state;
    static const char *const ROWS[][2] = {
        {"pid 12, record, since 2026-11-20T06:00:00Z, session 3f2a9c01", "3f2a9c01"},
        {"pid 12, record, since now, session 3f2a9c0", "?"},
        {"pid 12, record, since now, session 3f2a9c01 ", "?"},
        {"pid 12, record, since now, session 3F2A9C01", "?"},
        {"pid 12, record", "?"},
    };
    archive_env env;
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 0, 1);
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        td_lock *lock = NULL;
        char live[SESSION_ID_BYTES];
        archive *a = archive_env_open(&env, ARCHIVE_MAINTAIN, "recover");
        assert_int_equal(td_io_lock(io_fault_io(env.disk), ARCHIVE_FIXTURE_PATH "/lock", ROWS[i][0],
                                    &lock, NULL),
                         TD_OK);
        assert_int_equal(archive_live_session(a, live, NULL), TD_OK);
        assert_string_equal(live, ROWS[i][1]);
        td_io_unlock(lock);
        assert_int_equal(archive_live_session(a, live, NULL), TD_OK);
        assert_string_equal(live, "");
        archive_close(a);
    }
    archive_env_fini(&env);
}

/* A session with two durable chunks. */
typedef struct fixture {
    archive_env env;
    archive *into;
    archive_writer *writer;
    fixture_feed feed;
    uint64_t announced; /* number of announced chunks */
} fixture;

static void count_durable(void *user, size_t feed_index, const sealed_chunk *chunk)
{
    (void)feed_index;
    (void)chunk;
    ((fixture *)user)->announced++;
}

static void begin(fixture *f)
{
    td_err err;
    *f = (fixture){0};
    archive_env_init_sim(&f->env);
    f->into = archive_env_open(&f->env, ARCHIVE_APPEND, "record");
    assert_int_equal(archive_fixture_try_begin(f->into, count_durable, f, &f->writer, &err), TD_OK);
    assert_int_equal(fixture_feed_open(&f->feed, f->writer, FIXTURE_FEED, 0, 1, &err), TD_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(fixture_feed_put(&f->feed, CHUNK_FRAMES, &err), TD_OK);
    assert_int_equal(f->announced, 2);
}

static void end_session(fixture *f, writer_end how)
{
    fixture_feed_close(&f->feed);
    assert_int_equal(archive_writer_close(f->writer, how, 1, NULL), TD_OK);
    archive_close(f->into);
}

static void end(fixture *f)
{
    assert_int_equal(io_fault_open_count(f->env.disk), 0);
    archive_env_fini(&f->env);
}

static td_io io_of(const fixture *f)
{
    return io_fault_io(f->env.disk);
}

/* The path of a file in the archive. */
static const char *path_in(const fixture *f, const char *relative, char out[LIMIT_PATH_BYTES])
{
    assert_int_equal(archive_join(f->into, relative, out, NULL), TD_OK);
    return out;
}

static const char *open_path(const fixture *f, char out[LIMIT_PATH_BYTES])
{
    archive_listing listing;
    assert_int_equal(archive_list(f->into, &listing, NULL), TD_OK);
    assert_int_equal(listing.segment_count, 1);
    (void)path_in(f, listing.segments[0].path, out);
    archive_listing_fini(&listing);
    return out;
}

static void test_without_its_lock_file(void **state)
{
    (void)state;
    fixture f;
    td_err err;
    char path[LIMIT_PATH_BYTES];
    char pid[32];
    recover_report report;
    archive_writer *writer = NULL;
    begin(&f);
    assert_int_equal(archive_writer_check_lock(f.writer, &err), TD_OK);
    assert_int_equal(td_io_unlink(io_of(&f), path_in(&f, "lock", path), &err), TD_OK);
    assert_int_equal(archive_writer_check_lock(f.writer, &err), TD_E_BUSY);
    assert_non_null(strstr(err.text, "removed"));
    archive_fixture_recover(&f.env, &report);
    assert_int_equal(report.segments_live, 1);
    assert_int_equal(report.segments_recovered, 0);
    assert_int_equal(report.sessions_crashed, 0);

    archive *second = archive_env_open(&f.env, ARCHIVE_APPEND, "import");
    assert_int_equal(archive_writer_check_lock(f.writer, &err), TD_E_BUSY);
    assert_non_null(strstr(err.text, "replaced"));
    assert_int_equal(archive_recover(second, NULL, NULL, &report, &err), TD_OK);
    assert_int_equal(report.segments_live, 1);
    assert_int_equal(archive_fixture_try_begin(second, NULL, NULL, &writer, &err), TD_E_BUSY);
    (void)snprintf(pid, sizeof pid, "pid %ld", (long)getpid());
    assert_non_null(strstr(err.text, pid));
    archive_close(second);

    /* The first session still works. */
    assert_int_equal(fixture_feed_put(&f.feed, CHUNK_FRAMES, &err), TD_OK);
    end_session(&f, WRITER_STOP);
    assert_int_equal(archive_fixture_check_frames(&f.env, FIXTURE_FEED, 0, 1), 3 * CHUNK_FRAMES);
    archive_fixture_check_dump(&f.env);
    end(&f);
}

/* A session locked the segment after recovery had listed it: recovery must notice the lock. */
static void test_recovery_of_a_locked_segment(void **state)
{
    (void)state;
    fixture f;
    td_err err;
    char path[LIMIT_PATH_BYTES];
    char torn[LIMIT_PATH_BYTES];
    recover_result *result = td_alloc(sizeof *result);
    assert_non_null(result);
    begin(&f);
    uint64_t before = io_fault_call_count(f.env.disk, IO_FAULT_OP_APPEND);
    assert_int_equal(
        recover_segment(io_of(&f), open_path(&f, path), path_in(&f, "torn", torn), result, &err),
        TD_E_BUSY);
    assert_int_equal(io_fault_call_count(f.env.disk, IO_FAULT_OP_APPEND), before);
    assert_int_equal(fixture_feed_put(&f.feed, CHUNK_FRAMES, &err), TD_OK);
    end_session(&f, WRITER_ABANDON);
    assert_int_equal(archive_fixture_check_frames(&f.env, FIXTURE_FEED, 0, 1), 3 * CHUNK_FRAMES);
    td_free(result);
    end(&f);
}

static void remove_file(td_io io, const char *path)
{
    assert_int_equal(td_io_unlink(io, path, NULL), TD_OK);
}

static void move_file(td_io io, const char *path)
{
    assert_int_equal(td_io_rename(io, path, "elsewhere", NULL), TD_OK);
}

static void replace_file(td_io io, const char *path)
{
    file_make(io, "other", "other", 5);
    assert_int_equal(td_io_rename(io, "other", path, NULL), TD_OK);
}

static void cut_file(td_io io, const char *path)
{
    td_file *file = NULL;
    assert_int_equal(td_io_open(io, path, TD_OPEN_APPEND, &file, NULL), TD_OK);
    assert_int_equal(td_io_truncate(file, 10, NULL), TD_OK);
    td_io_close(file);
}

static void extend_file(td_io io, const char *path)
{
    td_file *file = NULL;
    assert_int_equal(td_io_open(io, path, TD_OPEN_APPEND, &file, NULL), TD_OK);
    assert_int_equal(td_io_append(file, "more", 4, NULL), TD_OK);
    td_io_close(file);
}

typedef void meddle_fn(td_io io, const char *path);

static verify_severity verdict(const fixture *f)
{
    verify_report report;
    const verify_options options = {.time = TIME_SPAN_ALL, .threads = 1};
    archive_env env = f->env;
    archive *a = archive_env_open(&env, ARCHIVE_READ, NULL);
    assert_int_equal(archive_verify(a, &options, &report, NULL), TD_OK);
    archive_close(a);
    return report.verdict;
}

static unsigned count_corrupt_gaps(const fixture *f)
{
    archive_env env = f->env;
    archive *a = archive_env_open(&env, ARCHIVE_READ, NULL);
    gap_list gaps;
    unsigned count = 0;
    assert_int_equal(archive_gaps(a, &gaps, NULL), TD_OK);
    for (size_t i = 0; i < gaps.count; i++) {
        if (gaps.rows[i].reason != GAP_CORRUPT)
            continue;
        assert_int_equal(gaps.rows[i].from_ns, FIXTURE_START_NS);
        assert_int_equal(gaps.rows[i].to_ns, GAP_OPEN);
        count++;
    }
    gap_list_fini(&gaps);
    archive_close(a);
    return count;
}

/* After a segment was changed, nothing more is announced, and journal and ledger list the loss.
 * Recovery restores the archive only if all announced data is still there. */
static void test_segments_changed_while_written(void **state)
{
    (void)state;
    static const struct {
        meddle_fn *meddle;
        const char *words;
        int has_all; /* 1: all announced data is still there */
    } ROWS[] = {{remove_file, "removed or renamed", 0},
                {move_file, "removed or renamed", 0},
                {replace_file, "replaced", 0},
                {cut_file, "bytes", 0},
                {extend_file, "bytes", 1}};
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        fixture f;
        td_err err;
        char path[LIMIT_PATH_BYTES];
        recover_report report;
        begin(&f);
        ROWS[i].meddle(io_of(&f), open_path(&f, path));
        assert_int_equal(fixture_feed_put(&f.feed, CHUNK_FRAMES, &err), TD_E_IO);
        assert_non_null(strstr(err.text, ROWS[i].words));
        assert_string_not_equal(err.hint, "");
        assert_int_equal(fixture_feed_put(&f.feed, CHUNK_FRAMES, &err), TD_E_IO);
        assert_int_equal(f.announced, 2);
        end_session(&f, WRITER_ABANDON);
        assert_int_not_equal(count_corrupt_gaps(&f), 0);
        assert_int_equal(verdict(&f), ROWS[i].has_all ? VERIFY_RECOVERABLE : VERIFY_DAMAGED);
        archive_fixture_recover(&f.env, &report);
        assert_int_equal(verdict(&f), ROWS[i].has_all ? VERIFY_SOUND : VERIFY_DAMAGED);
        assert_int_not_equal(count_corrupt_gaps(&f), 0);
        end(&f);
    }
}

/* The segment is replaced just before the session ends, when nothing more is announced: the other
 * file must not get the segment's final name. */
static void test_segment_that_is_replaced_before_its_end(void **state)
{
    (void)state;
    fixture f;
    td_err err;
    char path[LIMIT_PATH_BYTES];
    begin(&f);
    replace_file(io_of(&f), open_path(&f, path));
    fixture_feed_close(&f.feed);
    assert_int_equal(archive_writer_close(f.writer, WRITER_STOP, 1, &err), TD_E_NOTFOUND);
    archive_close(f.into);
    size_t size = 0;
    uint8_t *bytes = file_read(io_of(&f), path, &size);
    assert_int_equal(size, 5);
    td_free(bytes);
    end(&f);
}

static void test_journals_changed_while_written(void **state)
{
    (void)state;
    static const struct {
        meddle_fn *meddle;
        const char *words;
    } ROWS[] = {{remove_file, "removed or renamed"},
                {move_file, "removed or renamed"},
                {replace_file, "replaced"},
                {cut_file, "shorter"}};
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        fixture f;
        td_err err;
        char path[LIMIT_PATH_BYTES];
        begin(&f);
        ROWS[i].meddle(io_of(&f), path_in(&f, "journal.mcap.open", path));
        assert_int_equal(fixture_feed_put(&f.feed, CHUNK_FRAMES, &err), TD_E_IO);
        assert_non_null(strstr(err.text, ROWS[i].words));
        assert_int_equal(f.announced, 2);
        end_session(&f, WRITER_ABANDON);
        end(&f);
    }
}

/* The journal is replaced while two writers use it: both must then write to the same file. */
static void test_journal_of_two_writers(void **state)
{
    (void)state;
    archive_env env;
    journal *first = NULL;
    journal *second = NULL;
    td_err err;
    archive_env_init_real(&env);
    archive *appender = archive_env_open(&env, ARCHIVE_APPEND, "record");
    assert_int_equal(journal_open(appender, NULL, NULL, NULL, &first, &err), TD_OK);
    char path[LIMIT_PATH_BYTES];
    assert_int_equal(archive_join(appender, "journal.mcap.open", path, &err), TD_OK);
    const journal_field field = journal_text("text", "x");
    assert_int_equal(journal_append(first, "note", &field, 1, &err), TD_OK);
    assert_int_equal(journal_check_place(first, &err), TD_OK);
    archive *maintainer = archive_env_open(&env, ARCHIVE_MAINTAIN, "recover");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(journal_open(maintainer, NULL, NULL, NULL, &second, &err), TD_OK);
    assert_int_equal(journal_append(second, "note", &field, 1, &err), TD_OK);
    assert_int_equal(journal_append(first, "note", &field, 1, &err), TD_E_NOTFOUND);
    assert_int_equal(journal_check_place(first, &err), TD_E_NOTFOUND);
    assert_int_equal(journal_append(second, "note", &field, 1, &err), TD_OK);
    journal_close(first);
    journal_close(second);
    archive_close(maintainer);
    archive_close(appender);
    archive_env_fini(&env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sessions_of_holders),
        cmocka_unit_test(test_without_its_lock_file),
        cmocka_unit_test(test_recovery_of_a_locked_segment),
        cmocka_unit_test(test_segments_changed_while_written),
        cmocka_unit_test(test_segment_that_is_replaced_before_its_end),
        cmocka_unit_test(test_journals_changed_while_written),
        cmocka_unit_test(test_journal_of_two_writers),
    };
    return cmocka_run_group_tests_name("meddling", tests, NULL, NULL);
}
