/* Whatever happens to the files of an archive, verify names it. Expected: docs/design.md ("Archive
 * on disk": a flipped bit anywhere, a chunk or a segment that is missing, bytes behind the closing
 * magic; "Exit status": a catalog that differs is not damage). Each sweep prints how much it tried.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include "base/alloc.h"
#include "base/io_posix.h"
#include "format/ledger.h"
#include "format/recover.h"
#include "format/reindex.h"
#include "format/segment_reader.h"
#include "format/verify.h"
#include "tests/testing/archive_fixture.h"
#include "tests/testing/segment_fixture.h"

enum { SEGMENTS = 2, CHUNKS = 3, TEXT_BYTES = 1 << 16 };

#define JOURNAL_PATH ARCHIVE_FIXTURE_PATH "/journal.mcap.open"

typedef struct bench {
    archive_place place;
    char paths[SEGMENTS + 1][LIMIT_PATH_BYTES]; /* of the segments, then of the journal */
    uint8_t *bytes[SEGMENTS + 1];
    size_t sizes[SEGMENTS + 1];
    unsigned tried;
    char text[TEXT_BYTES]; /* findings of the last verify */
} bench;

static void keep_finding(void *user, const verify_finding *finding)
{
    bench *b = user;
    size_t size = strlen(b->text);
    (void)snprintf(b->text + size, sizeof b->text - size, "%s %s %" PRIu64 " %s\n",
                   verify_severity_name(finding->severity), finding->segment, finding->offset,
                   finding->what);
}

static verify_severity verify(bench *b)
{
    td_err err;
    verify_report report;
    const gap_reader gaps = archive_fixture_gaps();
    const verify_options options = {
        .threads = 1, .finding = keep_finding, .user = b, .gaps = &gaps};
    b->text[0] = '\0';
    archive *a = archive_place_open(&b->place, ARCHIVE_READ, NULL);
    if (archive_verify(a, &options, &report, &err) != TD_OK)
        fail_msg("%s", err.text);
    archive_close(a);
    return report.verdict;
}

/* least: the mildest verdict that will do; names: what a finding must say. */
static void must_show(bench *b, verify_severity least, const char *names, const char *doing,
                      size_t at)
{
    b->tried++;
    verify_severity verdict = verify(b);
    if (verdict < least || strstr(b->text, names) == NULL)
        fail_msg("%s %zu: %s, '%s' wanted:\n%s", doing, at, verify_severity_name(verdict), names,
                 b->text);
}

static void write_note(bench *b)
{
    td_err err;
    journal *j = NULL;
    archive *a = archive_place_open(&b->place, ARCHIVE_MAINTAIN, "note");
    const note_row row = {.time_ns = 5, .from_ns = 1, .to_ns = 2, .feed = "", .text = "a note"};
    const gap_row gap = {.reason = GAP_CRASH,
                         .feed = FIXTURE_FEED,
                         .conn = 1,
                         .topic = "",
                         .symbol = "",
                         .from_ns = 7,
                         .frames_lost = GAP_FRAMES_UNKNOWN,
                         .covered_by = "",
                         .cause = "c",
                         .detail = ""};
    const gap_reader gaps = archive_fixture_gaps();
    const reindex_options options = {.scope = REINDEX_ALL, .gaps = &gaps};
    reindex_report report;
    assert_int_equal(journal_open(a, &j, &err), TD_OK);
    assert_int_equal(ledger_write_note(j, &row, &err), TD_OK);
    assert_int_equal(ledger_write_gap(j, &gap, &err), TD_OK);
    journal_close(j);
    assert_int_equal(archive_reindex(a, &options, &report, &err), TD_OK);
    archive_close(a);
}

static bench *bench_open(void)
{
    bench *b = td_alloc_zero(1, sizeof *b);
    assert_non_null(b);
    archive_place_init_sim(&b->place);
    archive_fixture_record(&b->place, 0, SEGMENTS * CHUNKS);
    write_note(b);
    archive_listing listing;
    archive *a = archive_place_open(&b->place, ARCHIVE_READ, NULL);
    assert_int_equal(archive_list(a, &listing, NULL), TD_OK);
    assert_int_equal(listing.segment_count, SEGMENTS);
    for (size_t i = 0; i < SEGMENTS; i++)
        assert_int_equal(archive_join(a, listing.segments[i].path, b->paths[i], NULL), TD_OK);
    archive_listing_fini(&listing);
    archive_close(a);
    (void)snprintf(b->paths[SEGMENTS], sizeof b->paths[SEGMENTS], "%s", JOURNAL_PATH);
    for (size_t i = 0; i <= SEGMENTS; i++)
        b->bytes[i] = fixture_read_file(io_fault_io(b->place.disk), b->paths[i], &b->sizes[i]);
    if (verify(b) != VERIFY_SOUND)
        fail_msg("%s", b->text);
    return b;
}

static void bench_close(bench *b, const char *what)
{
    if (verify(b) != VERIFY_SOUND) /* each try was taken back */
        fail_msg("%s", b->text);
    print_message("%s: %u tried\n", what, b->tried);
    for (size_t i = 0; i <= SEGMENTS; i++)
        td_free(b->bytes[i]);
    archive_place_fini(&b->place);
    td_free(b);
}

static void put_file(bench *b, size_t i, const void *bytes, size_t size)
{
    td_io io = io_fault_io(b->place.disk);
    assert_int_equal(td_io_unlink(io, b->paths[i], NULL), TD_OK);
    fixture_make_file(io, b->paths[i], bytes, size);
}

static void put_back(bench *b, size_t i)
{
    put_file(b, i, b->bytes[i], b->sizes[i]);
}

/* File i's own name in a finding. */
static const char *name_of(const bench *b, size_t i)
{
    return strrchr(b->paths[i], '/') + 1;
}

/* ---- bytes ---- */

/* Every bit position, over all bytes in steps that share no factor with 8. A flip in the journal's
 * last entry cannot be told from one that was torn: it is named all the same. */
static void test_flipped_bits(void **state)
{
    (void)state;
    bench *b = bench_open();
    for (size_t i = 0; i <= SEGMENTS; i++) {
        for (size_t at = 0; at < b->sizes[i]; at += 11) {
            uint8_t mask = (uint8_t)(1U << (at % 8));
            assert_int_equal(io_fault_damage(b->place.disk, b->paths[i], at, mask, NULL), TD_OK);
            must_show(b, i < SEGMENTS ? VERIFY_DAMAGED : VERIFY_RECOVERABLE, name_of(b, i),
                      b->paths[i], at);
            assert_int_equal(io_fault_damage(b->place.disk, b->paths[i], at, mask, NULL), TD_OK);
        }
    }
    bench_close(b, "flipped bits");
}

static void test_cut_files(void **state)
{
    (void)state;
    bench *b = bench_open();
    for (size_t i = 0; i < SEGMENTS; i++) {
        for (size_t size = i; size < b->sizes[i]; size += 29) {
            put_file(b, i, b->bytes[i], size);
            must_show(b, VERIFY_DAMAGED, name_of(b, i), "cut to", size);
        }
        put_back(b, i);
    }
    /* A journal that ends between two entries is a sound one: the catalog has read further. */
    for (size_t size = 0; size < b->sizes[SEGMENTS]; size += 13) {
        put_file(b, SEGMENTS, b->bytes[SEGMENTS], size);
        must_show(b, VERIFY_RECOVERABLE, "", "journal cut to", size);
    }
    put_back(b, SEGMENTS);
    bench_close(b, "cut files");
}

static void test_bytes_behind_the_end(void **state)
{
    (void)state;
    static const size_t EXTRA[] = {1, 7, 8, 100, 512, 5000};
    bench *b = bench_open();
    for (size_t i = 0; i <= SEGMENTS; i++) {
        for (size_t k = 0; k < 2 * sizeof EXTRA / sizeof EXTRA[0]; k++) {
            size_t extra = EXTRA[k / 2];
            uint8_t *longer = td_alloc_zero(1, b->sizes[i] + extra);
            memcpy(longer, b->bytes[i], b->sizes[i]);
            if (k % 2 == 1) /* bytes that look like its own */
                memcpy(longer + b->sizes[i], b->bytes[i],
                       extra < b->sizes[i] ? extra : b->sizes[i]);
            put_file(b, i, longer, b->sizes[i] + extra);
            must_show(b, i < SEGMENTS ? VERIFY_DAMAGED : VERIFY_RECOVERABLE, name_of(b, i),
                      "bytes appended", extra);
            td_free(longer);
        }
        put_back(b, i);
    }
    bench_close(b, "bytes behind the end");
}

/* ---- chunks ---- */

/* Where block k (a chunk, its indexes, its chain record) begins; k = CHUNKS: where the last ends.
 */
static size_t block_at(const bench *b, size_t i, size_t k)
{
    segment_reader *reader = NULL;
    const uint8_t data_end = 0x0f; /* opcode of Data End, whose content has 4 bytes */
    assert_int_equal(segment_reader_open(io_fault_io(b->place.disk), b->paths[i], &reader, NULL),
                     TD_OK);
    assert_int_equal(segment_reader_chunk_count(reader), CHUNKS);
    size_t at = 0;
    if (k < CHUNKS) {
        at = (size_t)segment_reader_chunk(reader, (uint32_t)k)->offset;
    } else {
        const segment_chunk *last = segment_reader_chunk(reader, CHUNKS - 1);
        at = (size_t)(last->offset + last->record_bytes + last->index_bytes);
        while (b->bytes[i][at] != data_end || b->bytes[i][at + 1] != 4) {
            uint64_t content = 0;
            memcpy(&content, b->bytes[i] + at + 1, sizeof content);
            at += 9 + (size_t)content;
        }
    }
    segment_reader_close(reader);
    return at;
}

static void test_removed_chunks(void **state)
{
    (void)state;
    bench *b = bench_open();
    for (size_t i = 0; i < SEGMENTS; i++) {
        for (size_t k = 0; k < CHUNKS; k++) {
            size_t from = block_at(b, i, k);
            size_t to = block_at(b, i, k + 1);
            uint8_t *shorter = td_alloc_zero(1, b->sizes[i]);
            memcpy(shorter, b->bytes[i], from);
            memcpy(shorter + from, b->bytes[i] + to, b->sizes[i] - to);
            put_file(b, i, shorter, b->sizes[i] - (to - from));
            must_show(b, VERIFY_DAMAGED, name_of(b, i), "without chunk", k);
            td_free(shorter);
            put_back(b, i);
        }
    }
    bench_close(b, "removed chunks");
}

/* The same by somebody who makes the file sound again: only the journal can tell. */
static void test_removed_chunks_and_a_new_end(void **state)
{
    (void)state;
    bench *b = bench_open();
    td_io io = io_fault_io(b->place.disk);
    for (size_t i = 0; i < SEGMENTS; i++) {
        for (size_t k = 1; k < CHUNKS; k++) {
            char open_path[LIMIT_PATH_BYTES + 8];
            recover_result *result = td_alloc_zero(1, sizeof *result);
            (void)snprintf(open_path, sizeof open_path, "%s.open", b->paths[i]);
            fixture_make_file(io, open_path, b->bytes[i], block_at(b, i, k));
            assert_int_equal(td_io_unlink(io, b->paths[i], NULL), TD_OK);
            assert_int_equal(td_io_mkdir_all(io, "aside", NULL), TD_OK);
            assert_int_equal(recover_segment(io, open_path, "aside", result, NULL), TD_OK);
            assert_int_equal(result->totals.chunk_count, k);
            must_show(b, VERIFY_DAMAGED, "another last chain value", "ended before chunk", k);
            td_free(result);
            put_back(b, i);
        }
    }
    bench_close(b, "removed chunks, files made sound again");
}

/* bytes of file i with block k replaced by block m of file n. */
static uint8_t *with_block(const bench *b, size_t i, size_t k, size_t n, size_t m, size_t *size)
{
    size_t from = block_at(b, i, k);
    size_t to = block_at(b, i, k + 1);
    size_t other_from = block_at(b, n, m);
    size_t other = block_at(b, n, m + 1) - other_from;
    uint8_t *made = td_alloc_zero(1, b->sizes[i] + other);
    memcpy(made, b->bytes[i], from);
    memcpy(made + from, b->bytes[n] + other_from, other);
    memcpy(made + from + other, b->bytes[i] + to, b->sizes[i] - to);
    *size = b->sizes[i] - (to - from) + other;
    return made;
}

/* Two chunks of one file in each other's place: the later one first, so that offsets stay good. */
static uint8_t *swapped(const bench *b, size_t i, size_t k, size_t m)
{
    assert_true(k < m);
    size_t first = block_at(b, i, k);
    size_t first_size = block_at(b, i, k + 1) - first;
    size_t second = block_at(b, i, m);
    size_t second_size = block_at(b, i, m + 1) - second;
    size_t between = second - first - first_size;
    uint8_t *made = td_alloc_zero(1, b->sizes[i]);
    memcpy(made, b->bytes[i], b->sizes[i]);
    memcpy(made + first, b->bytes[i] + second, second_size);
    memcpy(made + first + second_size, b->bytes[i] + first + first_size, between);
    memcpy(made + first + second_size + between, b->bytes[i] + first, first_size);
    return made;
}

static void test_swapped_chunks(void **state)
{
    (void)state;
    bench *b = bench_open();
    for (size_t i = 0; i < SEGMENTS; i++) {
        for (size_t k = 0; k < CHUNKS; k++) {
            for (size_t m = k + 1; m < CHUNKS; m++) {
                uint8_t *made = swapped(b, i, k, m);
                put_file(b, i, made, b->sizes[i]);
                must_show(b, VERIFY_DAMAGED, name_of(b, i), "swapped within a segment", k);
                td_free(made);
                put_back(b, i);
            }
        }
    }
    for (size_t k = 0; k < CHUNKS; k++) {
        for (size_t m = 0; m < CHUNKS; m++) {
            size_t sizes[2];
            uint8_t *first = with_block(b, 0, k, 1, m, &sizes[0]);
            uint8_t *second = with_block(b, 1, m, 0, k, &sizes[1]);
            put_file(b, 0, first, sizes[0]);
            put_file(b, 1, second, sizes[1]);
            must_show(b, VERIFY_DAMAGED, name_of(b, 0), "swapped across segments", k);
            must_show(b, VERIFY_DAMAGED, name_of(b, 1), "swapped across segments", m);
            td_free(first);
            td_free(second);
            put_back(b, 0);
            put_back(b, 1);
        }
    }
    bench_close(b, "swapped chunks");
}

/* ---- segments and journal ---- */

static void test_segments(void **state)
{
    (void)state;
    bench *b = bench_open();
    for (size_t i = 0; i < SEGMENTS; i++) {
        assert_int_equal(td_io_unlink(io_fault_io(b->place.disk), b->paths[i], NULL), TD_OK);
        must_show(b, VERIFY_DAMAGED, "the journal knows this segment, and it is not there",
                  "without segment", i);
        must_show(b, VERIFY_DAMAGED, name_of(b, i), "without segment", i);
        fixture_make_file(io_fault_io(b->place.disk), b->paths[i], b->bytes[i], b->sizes[i]);
    }
    put_file(b, 0, b->bytes[1], b->sizes[1]);
    put_file(b, 1, b->bytes[0], b->sizes[0]);
    must_show(b, VERIFY_DAMAGED, name_of(b, 0), "segments in each other's place", 0);
    put_file(b, 1, b->bytes[1], b->sizes[1]);
    must_show(b, VERIFY_DAMAGED, name_of(b, 0), "one segment twice", 0);
    put_back(b, 0);
    bench_close(b, "segments removed, swapped, copied over another");
}

/* Entries of a journal, so that one can be taken out: a chain record ends each. */
static size_t entry_ends(const bench *b, size_t *ends, size_t max)
{
    static const char MAGIC[] = "TDCHAIN1";
    size_t count = 0;
    for (size_t at = 0; at + 8 < b->sizes[SEGMENTS]; at++) {
        if (memcmp(b->bytes[SEGMENTS] + at, MAGIC, 8) == 0) {
            assert_true(count < max);
            ends[count++] = at + 84; /* content of a chain record without connections */
        }
    }
    assert_int_equal(ends[count - 1], b->sizes[SEGMENTS]);
    return count;
}

static void test_journal_entries(void **state)
{
    (void)state;
    bench *b = bench_open();
    size_t ends[64];
    size_t count = entry_ends(b, ends, 64);
    assert_true(count >= 8);
    const uint8_t *bytes = b->bytes[SEGMENTS];
    for (size_t i = 0; i < count; i++) {
        size_t from = i == 0 ? 0 : ends[i - 1];
        uint8_t *made = td_alloc_zero(1, b->sizes[SEGMENTS]);
        memcpy(made, bytes, from);
        memcpy(made + from, bytes + ends[i], b->sizes[SEGMENTS] - ends[i]);
        put_file(b, SEGMENTS, made, b->sizes[SEGMENTS] - (ends[i] - from));
        /* Without its last entries a journal is sound: what they said is missed elsewhere. */
        must_show(b, i + 2 < count ? VERIFY_DAMAGED : VERIFY_RECOVERABLE,
                  i + 1 < count ? "journal.mcap.open" : "catalog.sqlite", "without entry", i);
        td_free(made);
    }
    for (size_t i = 0; i + 1 < count; i++) { /* the journal of an earlier moment */
        put_file(b, SEGMENTS, bytes, ends[i]);
        must_show(b, VERIFY_RECOVERABLE, "the journal was cut short", "journal up to entry", i);
    }
    put_back(b, SEGMENTS);
    bench_close(b, "journal entries removed");
}

/* An earlier journal, and the catalog that went with it: segments that it does not know tell. */
static void test_journal_forgets_a_segment(void **state)
{
    (void)state;
    bench *b = bench_open();
    size_t ends[64];
    (void)entry_ends(b, ends, 64);
    put_file(b, SEGMENTS, b->bytes[SEGMENTS], ends[0]);
    must_show(b, VERIFY_DAMAGED, "the journal does not know this segment", "journal of the start",
              0);
    put_back(b, SEGMENTS);
    bench_close(b, "journal of an earlier moment");
}

/* ---- the catalog ---- */

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
    must_show(b, VERIFY_RECOVERABLE, "recoverable catalog.sqlite", sql, row);
    put_catalog_back(b, bytes, size);
    for (size_t i = 0; i < t->column_count; i++) {
        char value[512];
        other_value(t->columns[i], value, sizeof value);
        (void)snprintf(sql, sizeof sql, "UPDATE %s SET %s = %s WHERE %s", t->name, t->columns[i],
                       value, where);
        if (!change(b, sql))
            continue;
        must_show(b, VERIFY_RECOVERABLE, "recoverable catalog.sqlite", sql, row);
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
    must_show(b, VERIFY_RECOVERABLE, "recoverable catalog.sqlite", sql, row);
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
        verify_severity verdict = verify(b);
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
        cmocka_unit_test(test_flipped_bits),
        cmocka_unit_test(test_cut_files),
        cmocka_unit_test(test_bytes_behind_the_end),
        cmocka_unit_test(test_removed_chunks),
        cmocka_unit_test(test_removed_chunks_and_a_new_end),
        cmocka_unit_test(test_swapped_chunks),
        cmocka_unit_test(test_segments),
        cmocka_unit_test(test_journal_entries),
        cmocka_unit_test(test_journal_forgets_a_segment),
        cmocka_unit_test(test_catalog_rows),
        cmocka_unit_test(test_catalog_bits),
    };
    return cmocka_run_group_tests_name("verify_damage", tests, NULL, NULL);
}
