/* base/database.h: a database in a file of another table of files, and copies. Expected: what
 * SQLite itself answers about the same bytes. */
#include "base/database.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <sqlite3.h>

#include "base/alloc.h"
#include "base/io_posix.h"
#include "tests/testing/files.h"
#include "tests/testing/io_fault.h"

enum { ROWS = 3000, COPY_BYTES_MAX = 16 << 20 };

static const char *const STATEMENTS[] = {"SELECT count(*), sum(length(text)) FROM texts",
                                         "INSERT INTO texts VALUES (?1, ?2)",
                                         "SELECT text FROM texts WHERE number = ?1"};
static const database_kind KIND = {
    .name = "texts",
    .table = "CREATE TABLE IF NOT EXISTS texts (number INTEGER PRIMARY KEY, text TEXT)",
    .statements = STATEMENTS,
    .statement_count = 3,
    .value_bytes_max = 1 << 20};

typedef struct fixture {
    char folder[TEMP_FOLDER_BYTES];
    char path[TEMP_FOLDER_BYTES + 16];
    uint8_t *bytes; /* of the file */
    size_t size;
    td_err err;
} fixture;

static void must(fixture *f, td_result rc)
{
    if (rc != TD_OK)
        fail_msg("%s", f->err.text);
}

static void add_rows(fixture *f, database *db, uint64_t from, uint64_t count)
{
    char text[600];
    memset(text, 'x', sizeof text);
    must(f, database_begin(db, &f->err));
    for (uint64_t i = from; i < from + count; i++) {
        database_query query = database_query_begin(db, 1);
        database_bind_u64(&query, i);
        database_bind_bytes(&query, td_bytes_of(text, (size_t)(i % sizeof text)));
        must(f, database_query_run(&query, &f->err));
    }
    must(f, database_end(db, TD_OK, &f->err));
}

static int make_database(void **state)
{
    fixture *f = td_alloc_zero(1, sizeof *f);
    database *db = NULL;
    td_err_clear(&f->err);
    temp_folder_make(TEMP_IN_MEMORY, f->folder);
    (void)snprintf(f->path, sizeof f->path, "%s/texts", f->folder);
    must(f, database_open(&KIND, f->path, DATABASE_WRITE, &db, &f->err));
    add_rows(f, db, 0, ROWS);
    database_close(db);
    f->bytes = file_read(io_posix(), f->path, &f->size);
    *state = f;
    return 0;
}

static int remove_database(void **state)
{
    fixture *f = *state;
    temp_folder_remove(f->folder);
    td_free(f->bytes);
    td_free(f);
    return 0;
}

static uint64_t count_rows(fixture *f, database *db)
{
    database_query query = database_query_begin(db, 0);
    must(f, database_query_next(&query, &f->err));
    const uint64_t count = database_column_u64(&query, 0);
    assert_true(database_column_u64(&query, 1) > count);
    must(f, database_query_end(&query, TD_OK));
    return count;
}

static void a_database_in_another_table_of_files_is_read(void **state)
{
    fixture *f = *state;
    io_fault *disk = io_fault_open();
    const td_io io = io_fault_io(disk);
    database *dbs[2] = {NULL, NULL};
    file_make(io, "texts", f->bytes, f->size);
    for (int i = 0; i < 2; i++)
        must(f, database_open_in(&KIND, io, "texts", &dbs[i], &f->err));
    for (int i = 0; i < 2; i++)
        assert_int_equal(count_rows(f, dbs[i]), ROWS);
    /* Only some pages are read for one row. */
    const uint64_t before = io_fault_call_count(disk, IO_FAULT_OP_READ);
    database_close(dbs[0]);
    must(f, database_open_in(&KIND, io, "texts", &dbs[0], &f->err));
    database_query query = database_query_begin(dbs[0], 2);
    database_bind_u64(&query, 1234);
    must(f, database_query_next(&query, &f->err));
    assert_int_equal(strlen(database_column_text(&query, 0)), 1234 % 600);
    must(f, database_query_end(&query, TD_OK));
    assert_in_range(io_fault_call_count(disk, IO_FAULT_OP_READ) - before, 1, 20);
    for (int i = 0; i < 2; i++)
        database_close(dbs[i]);
    assert_int_equal(io_fault_open_count(disk), 0);
    io_fault_close(disk);
}

static void other_files_are_refused(void **state)
{
    fixture *f = *state;
    io_fault *disk = io_fault_open();
    const td_io io = io_fault_io(disk);
    database *db = NULL;
    file_make(io, "empty", "", 0);
    file_make(io, "text",
              "no database, but more than a hundred bytes of text ............"
              "..................................................",
              110);
    file_make(io, "short", f->bytes, f->size / 2);
    static const struct {
        const char *path;
        td_result rc;
    } ROWS_OF[] = {{"missing", TD_E_NOTFOUND}, {"empty", TD_E_NOTFOUND}, {"text", TD_E_CORRUPT}};
    for (size_t i = 0; i < sizeof ROWS_OF / sizeof *ROWS_OF; i++) {
        assert_int_equal(database_open_in(&KIND, io, ROWS_OF[i].path, &db, &f->err), ROWS_OF[i].rc);
        assert_null(db);
    }
    td_result rc = database_open_in(&KIND, io, "short", &db, &f->err);
    if (rc == TD_OK) {
        database_query query = database_query_begin(db, 0);
        rc = database_query_end(&query, database_query_next(&query, &f->err));
        database_close(db);
    }
    assert_int_equal(rc, TD_E_CORRUPT);
    assert_int_equal(io_fault_open_count(disk), 0);
    io_fault_close(disk);
}

static void a_read_that_fails_is_reported_with_its_reason(void **state)
{
    fixture *f = *state;
    io_fault *disk = io_fault_open();
    database *db = NULL;
    file_make(io_fault_io(disk), "texts", f->bytes, f->size);
    must(f, database_open_in(&KIND, io_fault_io(disk), "texts", &db, &f->err));
    io_fault_set_plan(disk, (io_fault_plan){.kind = IO_FAULT_EIO,
                                            .mode = IO_FAULT_FOR_EVER,
                                            .fail_at = 10,
                                            .ops = IO_FAULT_BIT(IO_FAULT_OP_READ)});
    database_query query = database_query_begin(db, 0);
    assert_int_equal(database_query_next(&query, &f->err), TD_E_IO);
    assert_non_null(strstr(f->err.text, "texts 'texts': reading or writing: "));
    assert_null(strstr(f->err.text, "disk I/O error")); /* SQLite's words */
    assert_int_equal(database_query_end(&query, TD_E_IO), TD_E_IO);
    database_close(db);
    io_fault_close(disk);
}

static void a_copy_has_the_rows_and_the_same_bytes_each_time(void **state)
{
    fixture *f = *state;
    database *db = NULL;
    uint8_t *copies[2];
    size_t sizes[2];
    must(f, database_open(&KIND, f->path, DATABASE_READ, &db, &f->err));
    for (int i = 0; i < 2; i++)
        must(f, database_copy(db, COPY_BYTES_MAX, &copies[i], &sizes[i], &f->err));
    database_close(db);
    assert_int_equal(sizes[0], f->size);
    assert_int_equal(sizes[1], f->size);
    assert_memory_equal(copies[0], copies[1], sizes[0]);
    (void)snprintf(f->path, sizeof f->path, "%s/copy", f->folder);
    file_make(io_posix(), f->path, copies[0], sizes[0]);
    must(f, database_open(&KIND, f->path, DATABASE_READ, &db, &f->err));
    assert_int_equal(count_rows(f, db), ROWS);
    database_close(db);
    td_free(copies[0]);
    td_free(copies[1]);
}

static void a_copy_has_a_bound(void **state)
{
    fixture *f = *state;
    database *db = NULL;
    uint8_t *copy;
    size_t size;
    must(f, database_open(&KIND, f->path, DATABASE_READ, &db, &f->err));
    assert_int_equal(database_copy(db, f->size - 1, &copy, &size, &f->err), TD_E_LIMIT);
    assert_null(copy);
    must(f, database_copy(db, f->size, &copy, &size, &f->err));
    td_free(copy);
    database_close(db);
}

/* A recorder appends (it waits a tenth of a second for the lock) while copies are made. */
static void a_copy_is_one_state_and_keeps_no_writer_waiting(void **state)
{
    fixture *f = *state;
    database *writer = NULL, *db = NULL, *read = NULL;
    must(f, database_open(&KIND, f->path, DATABASE_APPEND, &writer, &f->err));
    must(f, database_open(&KIND, f->path, DATABASE_READ, &db, &f->err));
    io_fault *disk = io_fault_open();
    for (uint64_t i = 0; i < 10; i++) {
        uint8_t *copy;
        size_t size;
        char name[16];
        add_rows(f, writer, ROWS + i * 10, 10);
        must(f, database_copy(db, COPY_BYTES_MAX, &copy, &size, &f->err));
        add_rows(f, writer, UINT64_C(2) * ROWS + i, 1);
        (void)snprintf(name, sizeof name, "%d", (int)i);
        file_make(io_fault_io(disk), name, copy, size);
        must(f, database_open_in(&KIND, io_fault_io(disk), name, &read, &f->err));
        assert_int_equal(count_rows(f, read), ROWS + (i + 1) * 10 + i);
        database_close(read);
        td_free(copy);
    }
    io_fault_close(disk);
    database_close(db);
    database_close(writer);
}

/* Another program's lock. */
static void a_locked_database_is_busy(void **state)
{
    fixture *f = *state;
    database *db = NULL;
    sqlite3 *other = NULL;
    uint8_t *copy;
    size_t size;
    must(f, database_open(&KIND, f->path, DATABASE_APPEND, &db, &f->err)); /* waits 0.1 s */
    assert_int_equal(sqlite3_open(f->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(database_copy(db, COPY_BYTES_MAX, &copy, &size, &f->err), TD_E_BUSY);
    assert_null(copy);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    database_close(db);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_database, remove_database)
    const struct CMUnitTest tests[] = {
        TEST(a_database_in_another_table_of_files_is_read),
        TEST(other_files_are_refused),
        TEST(a_read_that_fails_is_reported_with_its_reason),
        TEST(a_copy_has_the_rows_and_the_same_bytes_each_time),
        TEST(a_copy_has_a_bound),
        TEST(a_copy_is_one_state_and_keeps_no_writer_waiting),
        TEST(a_locked_database_is_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
