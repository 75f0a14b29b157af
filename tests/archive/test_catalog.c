/* The catalog as a database: versions, files of other programs, locks, permissions. Expected:
 * docs/design.md, "Catalog", and the contract in archive/catalog.h. The tests make databases with
 * plain SQLite. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/codec.h"
#include "base/hash.h"
#include "base/io_posix.h"
#include "archive/catalog.h"
#include "archive/reindex.h"
#include "tests/testing/files.h"
#include "tests/testing/archive_fixture.h"
#include "tests/testing/segment_fixture.h"

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    char *message = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s", message);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void reindex(archive_env *env, reindex_scope scope, reindex_report *report)
{
    td_err err;
    archive *a = archive_env_open(env, ARCHIVE_MAINTAIN, "reindex");
    const reindex_options options = {.scope = scope};
    if (archive_reindex(a, &options, report, &err) != TD_OK)
        fail_msg("%s", err.text);
    archive_close(a);
}

/* ---- versions ---- */

/* Before a compressed value there is its size. */
enum { SIZE_BYTES = 8 };

/* Gives the catalog's rows of all segments another version, with a valid hash. */
static void change_version(const char *path)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *read = NULL;
    sqlite3_stmt *write = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT rowid, rows FROM segments", -1, &read, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "UPDATE segments SET rows = ?2, hash = ?3 "
                                        "WHERE rowid = ?1",
                                        -1, &write, NULL),
                     SQLITE_OK);
    codec *coder = codec_open();
    while (sqlite3_step(read) == SQLITE_ROW) {
        const size_t stored_size = (size_t)sqlite3_column_bytes(read, 1);
        const uint8_t *stored = sqlite3_column_blob(read, 1);
        const size_t size = (size_t)td_le64(stored);
        uint8_t *rows = td_alloc(size);
        uint8_t *made = td_alloc(SIZE_BYTES + codec_bound(size));
        const td_bytes packed = td_bytes_of(stored + SIZE_BYTES, stored_size - SIZE_BYTES);
        assert_int_equal(codec_expand(coder, packed, rows, size), size);
        rows[0]++;
        memcpy(made, stored, SIZE_BYTES);
        const size_t made_size = SIZE_BYTES + codec_compress(coder, 3, td_bytes_of(rows, size),
                                                             made + SIZE_BYTES, codec_bound(size));
        sqlite3_bind_int64(write, 1, sqlite3_column_int64(read, 0));
        sqlite3_bind_blob(write, 2, made, (int)made_size, SQLITE_STATIC);
        sqlite3_bind_int64(write, 3, (int64_t)td_xxh64(made, made_size));
        assert_int_equal(sqlite3_step(write), SQLITE_DONE);
        assert_int_equal(sqlite3_reset(write), SQLITE_OK);
        td_free(made);
        td_free(rows);
    }
    codec_close(coder);
    assert_int_equal(sqlite3_finalize(read), SQLITE_OK);
    assert_int_equal(sqlite3_finalize(write), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* A catalog with rows of another version, or with another program's tables: readers ignore it, a
 * writer rebuilds it. */
static void test_another_version_is_replaced(void **state)
{
    (void)state;
    for (int is_other_program = 0; is_other_program < 2; is_other_program++) {
        archive_env env;
        reindex_report report;
        archive_env_init_sim(&env);
        archive_fixture_record(&env, 0, 8);
        char *before = archive_fixture_dump(&env);
        if (is_other_program)
            run_sql(env.catalog_path, "ALTER TABLE segments RENAME TO other");
        else
            change_version(env.catalog_path);
        assert_int_equal(archive_fixture_check_frames(&env, FIXTURE_FEED, 0, 1), 160);
        reindex(&env, REINDEX_CHANGED, &report);
        assert_int_equal(report.segments_read, 3);
        archive_fixture_check_catalog(&env, "");
        char *after = archive_fixture_dump(&env);
        assert_string_equal(before, after);
        td_free(before);
        td_free(after);
        archive_env_fini(&env);
    }
}

/* ---- files that are not catalogs ---- */

/* Hostile or broken catalogs: changed by SQL, or random bytes if sql is NULL. */
static const struct {
    const char *name;
    const char *sql;
} HOSTILE[] = {
    {"bytes that are no database", NULL},
    {"a database of another program", "ALTER TABLE segments RENAME TO other"},
    {"no table", "DROP TABLE segments"},
    {"no table of days", "DROP TABLE days"},
    {"a column less", "ALTER TABLE segments DROP COLUMN chunks"},
    {"text for numbers", "UPDATE segments SET file_bytes = 'y', hash = 'z'"},
    {"numbers for bytes", "UPDATE segments SET rows = 7, chunks = -1"},
    {"a view for a table", "ALTER TABLE segments RENAME TO hidden; "
                           "CREATE VIEW segments AS SELECT * FROM hidden"},
    {"a trigger", "CREATE TRIGGER t AFTER INSERT ON segments BEGIN DELETE FROM segments; END"},
    {"megabytes of zeros",
     "UPDATE segments SET rows = zeroblob(9000000), chunks = zeroblob(70000)"},
    {"rows that are cut", "UPDATE segments SET rows = substr(rows, 1, 90)"},
    {"days that are cut", "UPDATE days SET rows = substr(rows, 1, 90)"},
    {"days of nowhere", "UPDATE days SET path = '../../../etc' || path"},
    {"segments of nowhere", "UPDATE segments SET path = '../../../etc/passwd' || path"},
};

static void make_hostile(const archive_env *env, size_t row)
{
    if (HOSTILE[row].sql != NULL) {
        run_sql(env->catalog_path, HOSTILE[row].sql);
        return;
    }
    uint8_t garbage[9999];
    for (size_t i = 0; i < sizeof garbage; i++)
        garbage[i] = (uint8_t)(i * 37 % 251);
    assert_int_equal(catalog_remove(env->catalog_path, NULL), TD_OK);
    file_replace(io_posix(), env->catalog_path, garbage, sizeof garbage);
}

/* With each hostile catalog, frames can still be read, and reindex restores the catalog. */
static void test_hostile_catalogs(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof HOSTILE / sizeof HOSTILE[0]; i++) {
        archive_env env;
        reindex_report report;
        archive_env_init_sim(&env);
        archive_fixture_record(&env, 0, 8);
        char *before = archive_fixture_dump(&env);
        make_hostile(&env, i);
        uint64_t count = archive_fixture_check_frames(&env, FIXTURE_FEED, 0, 1);
        if (count != 160)
            fail_msg("%s: %llu frames", HOSTILE[i].name, (unsigned long long)count);
        reindex(&env, REINDEX_ALL, &report);
        archive_fixture_check_catalog(&env, "");
        char *after = archive_fixture_dump(&env);
        if (strcmp(before, after) != 0)
            fail_msg("%s: reindex makes another catalog", HOSTILE[i].name);
        td_free(before);
        td_free(after);
        archive_env_fini(&env);
    }
}

/* A recorder can append although the catalog is hostile. */
static void test_appending_beside_hostile_catalogs(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof HOSTILE / sizeof HOSTILE[0]; i++) {
        archive_env env;
        archive_env_init_sim(&env);
        archive_fixture_record(&env, 0, 2);
        make_hostile(&env, i);
        clock_sim_advance(env.clock, 1000);
        archive_fixture_record(&env, 40, 2);
        assert_int_equal(archive_fixture_check_frames(&env, FIXTURE_FEED, 0, 1), 80);
        archive_env_fini(&env);
    }
}

/* Flips bits in the catalog, one per page: nothing crashes, and no frame is missing. */
static void test_flipped_bits_lose_no_frame(void **state)
{
    (void)state;
    archive_env env;
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 0, 8);
    FILE *file = fopen(env.catalog_path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    for (long at = 20; at < size; at += 509) {
        assert_int_equal(fseek(file, at, SEEK_SET), 0);
        int byte = fgetc(file);
        assert_int_equal(fseek(file, at, SEEK_SET), 0);
        assert_true(fputc(byte ^ 0x55, file) >= 0);
        assert_int_equal(fflush(file), 0);
        char what[CATALOG_WHAT_BYTES];
        td_err err;
        archive *a = archive_env_open(&env, ARCHIVE_READ, NULL);
        archive_view *view = NULL;
        assert_int_equal(archive_view_open(a, VIEW_FILES, NULL, &view, &err), TD_OK);
        archive_check_catalog(view, NULL, NULL, what);
        archive_view_close(view);
        archive_close(a);
        /* The catalog's rows of chunks may be wrong now, but readers compare them with the segment.
         * Without the catalog all frames are found. */
        assert_int_equal(fseek(file, at, SEEK_SET), 0);
        assert_true(fputc(byte, file) >= 0);
        assert_int_equal(fflush(file), 0);
    }
    assert_int_equal(fclose(file), 0);
    archive_fixture_check_catalog(&env, "");
    archive_env_fini(&env);
}

/* ---- locks and permissions ---- */

/* A catalog that is locked when a segment is finished is updated at the end of the session. */
static void test_locked_catalog_is_not_updated(void **state)
{
    (void)state;
    archive_env env;
    fixture_feed feed;
    td_err err;
    sqlite3 *db = NULL;
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 0, 2);
    clock_sim_advance(env.clock, 1000);
    archive *a = archive_env_open(&env, ARCHIVE_APPEND, "record");
    archive_writer *writer = archive_fixture_begin(a);
    assert_int_equal(fixture_feed_open(&feed, writer, FIXTURE_FEED, 40, 1, &err), TD_OK);
    assert_int_equal(fixture_feed_put(&feed, 20, &err), TD_OK);
    assert_int_equal(sqlite3_open(env.catalog_path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    fixture_feed_rotate(&feed);
    assert_int_equal(fixture_feed_put(&feed, 20, &err), TD_OK);
    archive_fixture_check_catalog(&env, "does not list");
    assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    fixture_feed_close(&feed);
    assert_int_equal(archive_writer_close(writer, WRITER_STOP, 1, &err), TD_OK);
    archive_close(a);
    archive_fixture_check_catalog(&env, "");
    assert_int_equal(archive_fixture_check_frames(&env, FIXTURE_FEED, 0, 1), 80);
    archive_env_fini(&env);
}

/* The catalog is deleted while a recorder uses it: the recorder must not continue to write to the
 * deleted file. */
static void test_removed_while_in_use(void **state)
{
    (void)state;
    archive_env env;
    fixture_feed feed;
    td_err err;
    archive_env_init_sim(&env);
    archive *a = archive_env_open(&env, ARCHIVE_APPEND, "record");
    archive_writer *writer = archive_fixture_begin(a);
    assert_int_equal(fixture_feed_open(&feed, writer, FIXTURE_FEED, 0, 1, &err), TD_OK);
    assert_int_equal(fixture_feed_put(&feed, 20, &err), TD_OK);
    assert_int_equal(catalog_remove(env.catalog_path, &err), TD_OK);
    fixture_feed_rotate(&feed);
    assert_int_equal(fixture_feed_put(&feed, 20, &err), TD_OK);
    fixture_feed_close(&feed);
    assert_int_equal(archive_writer_close(writer, WRITER_STOP, 1, &err), TD_OK);
    archive_close(a);
    archive_fixture_check_catalog(&env, "");
    archive_env_fini(&env);
}

static unsigned count_files(const char *folder)
{
    unsigned count = 0;
    static const char *const NAMES[] = {"catalog.sqlite", "catalog.sqlite-wal",
                                        "catalog.sqlite-shm", "catalog.sqlite-journal"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        char path[256];
        struct stat info;
        (void)snprintf(path, sizeof path, "%s/%s", folder, NAMES[i]);
        count += stat(path, &info) == 0;
    }
    return count;
}

static void test_reading_makes_no_file(void **state)
{
    (void)state;
    archive_env env;
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 0, 4);
    assert_int_equal(count_files(env.folder), 1);
    archive_fixture_check_catalog(&env, "");
    catalog *c = NULL;
    td_err err;
    assert_int_equal(catalog_open(env.catalog_path, CATALOG_READ, &c, &err), TD_OK);
    assert_int_equal(count_files(env.folder), 1);
    catalog_close(c);
    assert_int_equal(count_files(env.folder), 1);
    archive_env_fini(&env);
}

/* A writer was killed in a transaction, so SQLite's journal has changes to undo. A reader does not
 * undo them and ignores the catalog; the next writer undoes them. */
static void test_killed_writer(void **state)
{
    (void)state;
    archive_env env;
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 0, 4);
    pid_t killed = fork();
    assert_true(killed >= 0);
    if (killed == 0) {
        sqlite3 *db = NULL;
        int is_left = sqlite3_open(env.catalog_path, &db) == SQLITE_OK &&
                      sqlite3_exec(db, "BEGIN; UPDATE segments SET hash = hash + 1", NULL, NULL,
                                   NULL) == SQLITE_OK &&
                      sqlite3_db_cacheflush(db) == SQLITE_OK;
        _exit(is_left ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(killed, &status, 0), killed);
    assert_int_equal(status, 0);
    assert_int_equal(count_files(env.folder), 2);
    catalog *c = NULL;
    td_err err;
    assert_int_not_equal(catalog_open(env.catalog_path, CATALOG_READ, &c, &err), TD_OK);
    assert_int_equal(archive_fixture_check_frames(&env, FIXTURE_FEED, 0, 1), 80);
    assert_int_equal(count_files(env.folder), 2);
    assert_int_equal(catalog_open(env.catalog_path, CATALOG_WRITE, &c, &err), TD_OK);
    catalog_close(c);
    assert_int_equal(count_files(env.folder), 1);
    archive_fixture_check_catalog(&env, "");
    archive_env_fini(&env);
}

/* A catalog that cannot be reached is not reported as missing. */
static void test_link_to_itself(void **state)
{
    (void)state;
    archive_env env;
    archive_env_init_sim(&env);
    assert_int_equal(symlink(env.catalog_path, env.catalog_path), 0);
    catalog *c = NULL;
    td_err err;
    assert_int_equal(catalog_open(env.catalog_path, CATALOG_READ, &c, &err), TD_E_IO);
    assert_non_null(strstr(err.text, strerror(ELOOP)));
    archive_env_fini(&env);
}

/* A folder without write permission. Root may write anywhere, so as root this only shows that
 * reading works. */
static void test_read_only_folder(void **state)
{
    (void)state;
    archive_env env;
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 0, 4);
    assert_int_equal(chmod(env.catalog_path, 0444), 0);
    assert_int_equal(chmod(env.folder, 0555), 0);
    archive_fixture_check_catalog(&env, "");
    assert_int_equal(archive_fixture_check_frames(&env, FIXTURE_FEED, 0, 1), 80);
    assert_int_equal(chmod(env.folder, 0755), 0);
    archive_env_fini(&env);
}

/* A reader sees only complete transactions of a concurrent writer. */
static void test_reader_beside_writer(void **state)
{
    (void)state;
    archive_env env;
    fixture_feed feed;
    td_err err;
    archive_env_init_sim(&env);
    archive *a = archive_env_open(&env, ARCHIVE_APPEND, "record");
    archive_writer *writer = archive_fixture_begin(a);
    assert_int_equal(fixture_feed_open(&feed, writer, FIXTURE_FEED, 0, 1, &err), TD_OK);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(fixture_feed_put(&feed, 20, &err), TD_OK);
        archive_fixture_check_catalog(&env, "");
        assert_int_equal(archive_fixture_check_frames(&env, FIXTURE_FEED, 0, 1), 20 * (i + 1));
    }
    fixture_feed_close(&feed);
    assert_int_equal(archive_writer_close(writer, WRITER_STOP, 1, &err), TD_OK);
    archive_close(a);
    archive_env_fini(&env);
}

/* ---- rows ---- */

static void test_odd_rows(void **state)
{
    (void)state;
    archive_env env;
    catalog *c = NULL;
    td_err err;
    segment_rows rows = {.index = {.depth = INDEX_FULL,
                                   .path = td_strdup("a\tb\nc\\d"),
                                   .previous_segment = td_strdup(""),
                                   .last_ns = UINT64_MAX}};
    archive_env_init_sim(&env);
    assert_int_equal(catalog_open(env.catalog_path, CATALOG_WRITE, &c, &err), TD_OK);
    assert_int_equal(catalog_put(c, &rows, &err), TD_OK);
    segment_rows again;
    assert_int_equal(catalog_load(c, rows.index.path, CATALOG_ROWS_AND_CHUNKS, &again, &err),
                     TD_OK);
    assert_true(again.index.last_ns == UINT64_MAX);
    segment_rows_fini(&again);
    segment_rows_fini(&rows);
    catalog_close(c);
    archive_env_fini(&env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_another_version_is_replaced),
        cmocka_unit_test(test_hostile_catalogs),
        cmocka_unit_test(test_appending_beside_hostile_catalogs),
        cmocka_unit_test(test_flipped_bits_lose_no_frame),
        cmocka_unit_test(test_locked_catalog_is_not_updated),
        cmocka_unit_test(test_removed_while_in_use),
        cmocka_unit_test(test_reading_makes_no_file),
        cmocka_unit_test(test_killed_writer),
        cmocka_unit_test(test_link_to_itself),
        cmocka_unit_test(test_read_only_folder),
        cmocka_unit_test(test_reader_beside_writer),
        cmocka_unit_test(test_odd_rows),
    };
    return cmocka_run_group_tests_name("catalog", tests, NULL, NULL);
}
