/* Whatever happens to a row or a byte of the catalog, verify names it, and calls it no damage.
 * Expected: docs/design.md ("Exit status": a catalog that differs is not damage; P5). Each sweep
 * prints how much it tried. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include "base/alloc.h"
#include "base/io_posix.h"
#include "format/catalog.h"
#include "tests/testing/damage_bench.h"
#include "tests/testing/segment_fixture.h"

enum { COLUMNS_MAX = 24, NAME_BYTES = 64 };

typedef struct table {
    char name[NAME_BYTES];
    char columns[COLUMNS_MAX][NAME_BYTES];
    size_t column_count;
    unsigned rows;
} table;

static sqlite3 *open_database(const bench *b)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(b->place.catalog_path, &db), SQLITE_OK);
    return db;
}

static size_t list_tables(const bench *b, table *out, size_t max)
{
    sqlite3 *db = open_database(b);
    sqlite3_stmt *stmt = NULL;
    size_t count = 0;
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT t.name, c.name FROM sqlite_schema t JOIN "
                                        "pragma_table_info(t.name) c WHERE t.type = 'table' "
                                        "ORDER BY 1, c.cid",
                                        -1, &stmt, NULL),
                     SQLITE_OK);
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(stmt, 0);
        if (count == 0 || strcmp(out[count - 1].name, name) != 0) {
            assert_true(count < max);
            (void)snprintf(out[count++].name, NAME_BYTES, "%s", name);
        }
        table *t = &out[count - 1];
        assert_true(t->column_count < COLUMNS_MAX);
        (void)snprintf(t->columns[t->column_count++], NAME_BYTES, "%s",
                       (const char *)sqlite3_column_text(stmt, 1));
    }
    sqlite3_finalize(stmt);
    for (size_t i = 0; i < count; i++) {
        char sql[128];
        (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", out[i].name);
        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
        out[i].rows = (unsigned)sqlite3_column_int(stmt, 0);
        sqlite3_finalize(stmt);
    }
    sqlite3_close(db);
    return count;
}

/* Run it; 1 if it changed a row: a constraint may be in the way. */
static int change(const bench *b, const char *sql)
{
    sqlite3 *db = open_database(b);
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    int changes = rc == SQLITE_OK ? sqlite3_changes(db) : 0;
    if (rc != SQLITE_OK && rc != SQLITE_CONSTRAINT)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return changes > 0;
}

static void put_catalog_back(const bench *b, const uint8_t *bytes, size_t size)
{
    assert_int_equal(catalog_remove(b->place.catalog_path, NULL), TD_OK);
    fixture_make_file(io_posix(), b->place.catalog_path, bytes, size);
}

/* Which row: tables with their key as the only order have no rowid. */
static void where_row(const table *t, unsigned row, char *out, size_t size)
{
    char all[COLUMNS_MAX * NAME_BYTES] = "";
    for (size_t i = 0; i < t->column_count; i++) {
        (void)snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i == 0 ? "" : ", ",
                       t->columns[i]);
    }
    (void)snprintf(out, size, "(%s) IN (SELECT %s FROM %s ORDER BY %s LIMIT 1 OFFSET %u)", all, all,
                   t->name, all, row);
}

/* A value that is another one, whatever it was. */
static void other_value(const char *column, char *out, size_t size)
{
    (void)snprintf(out, size,
                   "CASE typeof(%s) WHEN 'integer' THEN %s + 1 WHEN 'text' THEN %s || 'x' "
                   "ELSE x'ff01' END",
                   column, column, column);
}

static void change_row(bench *b, const table *t, unsigned row, const uint8_t *bytes, size_t size)
{
    char where[8192];
    char sql[24576];
    where_row(t, row, where, sizeof where);
    (void)snprintf(sql, sizeof sql, "DELETE FROM %s WHERE %s", t->name, where);
    assert_true(change(b, sql));
    bench_must_show(b, VERIFY_RECOVERABLE, "recoverable catalog.sqlite", sql, row);
    put_catalog_back(b, bytes, size);
    for (size_t i = 0; i < t->column_count; i++) {
        char value[512];
        other_value(t->columns[i], value, sizeof value);
        (void)snprintf(sql, sizeof sql, "UPDATE %s SET %s = %s WHERE %s", t->name, t->columns[i],
                       value, where);
        if (!change(b, sql))
            continue;
        bench_must_show(b, VERIFY_RECOVERABLE, "recoverable catalog.sqlite", sql, row);
        put_catalog_back(b, bytes, size);
    }
}

/* A copy of the row that differs in every column that must be unique: all of them. */
static void add_row(bench *b, const table *t, unsigned row, const uint8_t *bytes, size_t size)
{
    char where[8192];
    char values[8192] = "";
    char sql[24576];
    where_row(t, row, where, sizeof where);
    for (size_t i = 0; i < t->column_count; i++) {
        char value[512];
        other_value(t->columns[i], value, sizeof value);
        /* Ids mean nothing, and 1000 is none of those in use. */
        int is_id = strcmp(t->columns[i], "id") == 0;
        (void)snprintf(values + strlen(values), sizeof values - strlen(values), "%s%s",
                       i == 0 ? "" : ", ", is_id ? "id + 1000" : value);
    }
    (void)snprintf(sql, sizeof sql, "INSERT INTO %s SELECT %s FROM %s WHERE %s", t->name, values,
                   t->name, where);
    if (!change(b, sql)) /* the next row has that key already */
        return;
    bench_must_show(b, VERIFY_RECOVERABLE, "recoverable catalog.sqlite", sql, row);
    put_catalog_back(b, bytes, size);
}

static void test_catalog_rows(void **state)
{
    (void)state;
    bench *b = bench_open();
    table tables[12] = {0};
    size_t count = list_tables(b, tables, 12);
    size_t size = 0;
    uint8_t *bytes = fixture_read_file(io_posix(), b->place.catalog_path, &size);
    assert_int_equal(count, 8); /* format/catalog.sql */
    for (size_t i = 0; i < count; i++) {
        unsigned before = b->tried;
        assert_true(tables[i].rows > 0);
        for (unsigned row = 0; row < tables[i].rows; row++) {
            change_row(b, &tables[i], row, bytes, size);
            add_row(b, &tables[i], row, bytes, size);
        }
        print_message("  %s: %u rows, %u changes\n", tables[i].name, tables[i].rows,
                      b->tried - before);
    }
    td_free(bytes);
    bench_close(b, "catalog rows added, changed, removed");
}

/* A flipped bit in the database may lie where nothing is kept; then everything in it is as before.
 * It is never damage, and never anything worse. */
static void test_catalog_bits(void **state)
{
    (void)state;
    bench *b = bench_open();
    size_t size = 0;
    unsigned harmless = 0;
    uint8_t *bytes = fixture_read_file(io_posix(), b->place.catalog_path, &size);
    char *dump = archive_fixture_dump(&b->place);
    for (size_t at = 0; at < size; at += 101) {
        bytes[at] ^= (uint8_t)(1U << (at % 8));
        put_catalog_back(b, bytes, size);
        bytes[at] ^= (uint8_t)(1U << (at % 8));
        verify_severity verdict = bench_verify(b);
        b->tried++;
        if (verdict == VERIFY_DAMAGED)
            fail_msg("byte %zu: %s", at, b->text);
        if (verdict == VERIFY_RECOVERABLE)
            continue;
        harmless++;
        char *now = archive_fixture_dump(&b->place);
        assert_string_equal(dump, now);
        td_free(now);
    }
    put_catalog_back(b, bytes, size);
    td_free(dump);
    td_free(bytes);
    print_message("of these harmless, because no row is there: %u\n", harmless);
    bench_close(b, "bits of the catalog");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_catalog_rows),
        cmocka_unit_test(test_catalog_bits),
    };
    return cmocka_run_group_tests_name("verify_catalog", tests, NULL, NULL);
}
