/* A hostile catalog in a sound archive. Opening it, reading all of it, a plan and a verification
 * must end; reindex must give the archive's catalog, row for row. The first byte chooses:
 *   '0': the rest is the database
 *   '1': the rest are patches of the good one: three bytes of offset, one of length, and that many
 *   bytes
 *   '2': the rest is SQL, run on the good one with a time limit */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "archive/read_plan.h"
#include "archive/catalog.h"
#include "archive/reindex.h"
#include "archive/verify.h"
#include "tests/testing/catalog_text.h"
#include "tests/testing/fuzz_archive.h"
#include "tests/testing/fuzz_input.h"

enum { MODE_BYTES, MODE_PATCH, MODE_SQL, MODES };
enum { DATABASE_BYTES_MAX = 1 << 20, SQL_STEPS = 2000, SQL_ROUNDS_MAX = 50 };

typedef struct fixture {
    fuzz_archive *archive;
    uint8_t *good; /* database */
    size_t good_size;
    char *dump; /* expected after reindex */
} fixture;

/* ---- files: SQLite does its own I/O ---- */

static void write_database(const char *path, const uint8_t *bytes, size_t size)
{
    fuzz_must(catalog_remove(path, NULL), NULL);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    TD_ASSERT(file >= 0);
    TD_ASSERT(write(file, bytes, size) == (ssize_t)size);
    TD_ASSERT(close(file) == 0);
}

static uint8_t *read_database(const char *path, size_t *size)
{
    uint8_t *bytes = td_alloc(DATABASE_BYTES_MAX);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    TD_ASSERT(bytes != NULL && file >= 0);
    ssize_t got = read(file, bytes, DATABASE_BYTES_MAX);
    TD_ASSERT(got > 0 && got < DATABASE_BYTES_MAX);
    TD_ASSERT(close(file) == 0);
    *size = (size_t)got;
    return bytes;
}

/* ---- uses of the catalog ---- */

static void skip_brief(void *user, const segment_brief *brief)
{
    *(size_t *)user += brief->gap_count;
}

static void read_all(const char *path)
{
    catalog_entries found;
    catalog *c = NULL;
    if (catalog_open(path, CATALOG_READ, &c, NULL) != TD_OK)
        return;
    /* Most inputs are damaged, so errors are ignored: it must only end, within its limits. */
    td_result rc = catalog_list(c, &found, NULL);
    for (size_t i = 0; i < found.count && i < 16; i++) {
        segment_rows rows;
        rc = catalog_load(c, found.rows[i].path, CATALOG_ROWS_AND_CHUNKS, &rows, NULL);
        if (rc == TD_OK)
            segment_rows_fini(&rows);
        rc = catalog_check(c, found.rows[i].path, NULL);
    }
    size_t gap_count = 0;
    rc = catalog_each_brief(c, skip_brief, &gap_count, NULL);
    (void)rc;
    catalog_entries_fini(&found);
    catalog_close(c);
}

static void plan(const fixture *f, io_fault *disk)
{
    archive *a = NULL;
    read_plan *made = NULL;
    const read_query all = {.time = TIME_SPAN_ALL};
    fuzz_must(fuzz_archive_open(f->archive, disk, ARCHIVE_READ, &a), NULL);
    if (read_plan_open(a, &all, &made, NULL) == TD_OK) {
        for (size_t i = 0; i < read_plan_count(made); i++) {
            td_result rc = read_plan_load_chunks(made, i, NULL);
            const segment_index *index = read_plan_segment(made, i)->index;
            for (size_t k = 0; rc == TD_OK && k < index->chunk_count; k++)
                (void)read_plan_wants_chunk(made, i, &index->chunks[k]);
        }
        read_plan_close(made);
    }
    archive_close(a);
}

static void verify(const fixture *f, io_fault *disk)
{
    archive *a = NULL;
    const verify_options options = {.time = TIME_SPAN_ALL, .threads = 1};
    verify_report report;
    fuzz_must(fuzz_archive_open(f->archive, disk, ARCHIVE_READ, &a), NULL);
    td_result rc = archive_verify(a, &options, &report, NULL);
    /* The catalog is derived, so it is never damage. */
    TD_ASSERT(rc != TD_OK || report.verdict != VERIFY_DAMAGED);
    archive_close(a);
}

static void reindex(const fixture *f, io_fault *disk, reindex_scope scope)
{
    archive *a = NULL;
    const reindex_options options = {.scope = scope};
    reindex_report report;
    td_err err;
    td_err_clear(&err);
    fuzz_must(fuzz_archive_open(f->archive, disk, ARCHIVE_MAINTAIN, &a), NULL);
    fuzz_must(archive_reindex(a, &options, &report, &err), &err);
    archive_close(a);
}

static char *dump_of(const fixture *f)
{
    char *text = catalog_text(f->archive->catalog_path);
    TD_ASSERT(text != NULL);
    return text;
}

/* ---- inputs ---- */

static void patch(uint8_t *bytes, size_t size, const uint8_t *data, size_t data_size)
{
    while (data_size >= 4) {
        size_t at = ((size_t)data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16) % size;
        size_t length = data[3];
        data += 4;
        data_size -= 4;
        for (; length > 0 && data_size > 0 && at < size; length--, data_size--)
            bytes[at++] = *data++;
    }
}

static int count_down(void *user)
{
    return ++*(int *)user > SQL_ROUNDS_MAX;
}

/* Runs what a user could run in SQLite's shell, except SQL that opens other files. */
static void run_sql(const char *path, const uint8_t *data, size_t size)
{
    sqlite3 *db = NULL;
    int rounds = 0;
    char *sql = malloc(size + 1);
    TD_ASSERT(sql != NULL);
    memcpy(sql, data, size);
    sql[size] = '\0';
    TD_ASSERT(sqlite3_open(path, &db) == SQLITE_OK);
    sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, DATABASE_BYTES_MAX);
    sqlite3_progress_handler(db, SQL_STEPS, count_down, &rounds);
    (void)sqlite3_exec(db, sql, NULL, NULL, NULL); /* most inputs are not SQL */
    TD_ASSERT(sqlite3_close(db) == SQLITE_OK);
    free(sql);
}

static void prepare(const fixture *f, const uint8_t *data, size_t size)
{
    const char *path = f->archive->catalog_path;
    unsigned mode = data[0] % MODES;
    data++;
    size--;
    if (mode == MODE_BYTES) {
        write_database(path, data, size);
        return;
    }
    uint8_t *bytes = td_alloc(f->good_size);
    TD_ASSERT(bytes != NULL);
    memcpy(bytes, f->good, f->good_size);
    if (mode == MODE_PATCH)
        patch(bytes, f->good_size, data, size);
    write_database(path, bytes, f->good_size);
    td_free(bytes);
    if (mode == MODE_SQL)
        run_sql(path, data, size);
}

static void open_fixture(fixture *f)
{
    f->archive = fuzz_archive_make(WRITER_STOP);
    reindex(f, f->archive->disk, REINDEX_ALL);
    f->good = read_database(f->archive->catalog_path, &f->good_size);
    f->dump = dump_of(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static fixture f;
    if (f.archive == NULL)
        open_fixture(&f);
    if (size == 0 || size > DATABASE_BYTES_MAX)
        return 0;
    io_fault *disk = fuzz_archive_copy(f.archive);
    prepare(&f, data, size);
    read_all(f.archive->catalog_path);
    plan(&f, disk);
    verify(&f, disk);
    reindex(&f, disk, REINDEX_CHANGED);
    reindex(&f, disk, REINDEX_ALL);
    char *text = dump_of(&f);
    TD_ASSERT(strcmp(text, f.dump) == 0);
    td_free(text);
    TD_ASSERT(io_fault_open_count(disk) == 0);
    io_fault_close(disk);
    return 0;
}
