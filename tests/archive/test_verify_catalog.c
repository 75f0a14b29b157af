/* After any change of a row or byte of the catalog, verify reports the catalog, but not as damaged,
 * and readers give the same answers as with a correct one. Expected: docs/design.md ("Exit status":
 * a catalog that differs is not damage; P5), FORMAT.md ("The catalog"). Each sweep prints how much
 * it tried. */
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
#include "base/attr.h"
#include "base/buf.h"
#include "base/io_posix.h"
#include "archive/read_plan.h"
#include "archive/catalog.h"
#include "archive/ledger.h"
#include "archive/prune.h"
#include "tests/testing/files.h"
#include "tests/testing/damage_fixture.h"
#include "tests/testing/segment_fixture.h"

/* Runs the SQL statement. Returns 1 if it changed a row; a constraint may prevent that. */
static int change(const damage_fixture *f, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(f->env.catalog_path, &db), SQLITE_OK);
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    int changes = rc == SQLITE_OK ? sqlite3_changes(db) : 0;
    if (rc != SQLITE_OK && rc != SQLITE_CONSTRAINT)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return changes > 0;
}

static void put_catalog_back(const damage_fixture *f, const uint8_t *bytes, size_t size)
{
    assert_int_equal(catalog_remove(f->env.catalog_path, NULL), TD_OK);
    file_make(io_posix(), f->env.catalog_path, bytes, size);
}

/* ---- readers' answers ---- */

static void answer(td_buf *out, const char *format, ...) TD_PRINTF(2, 3);
static void answer(td_buf *out, const char *format, ...)
{
    char line[2048];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    assert_in_range(length, 0, sizeof line - 1);
    assert_int_equal(td_buf_append(out, line, (size_t)length, NULL), TD_OK);
}

static void answer_gaps(archive *a, td_buf *out)
{
    gap_list list;
    td_err err;
    if (archive_gaps(a, &list, &err) != TD_OK)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < list.count; i++) {
        const gap_row *row = &list.rows[i];
        answer(out, "gap %s %s %u %u %u %s %s %" PRIu64 " %" PRIu64 " %" PRIu64 " %s %s %s\n",
               time_reason_name(row->reason), row->feed, row->line, row->shard, row->conn,
               row->topic, row->symbol, row->from_ns, row->to_ns, row->frames_lost, row->covered_by,
               row->cause, row->detail);
    }
    gap_list_fini(&list);
}

static void answer_segment(read_plan *plan, size_t i, td_buf *out)
{
    const planned_segment *segment = read_plan_segment(plan, i);
    const segment_index *index = segment->index;
    td_err err;
    answer(out,
           "segment %s %s %s %s %" PRIu64 " %u %u %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
           " %zu\n",
           index->path, index->feed, index->family, index->session, index->session_start_ns,
           index->number, index->is_open, index->first_ns, index->last_ns, index->file_bytes,
           index->message_count, segment->wanted_count);
    for (size_t k = 0; k < index->channel_count; k++) {
        const segment_channel *channel = &index->channels[k];
        const channel_info *info = &channel->info;
        answer(out, " channel %u %u %s %s %u %u %d %s %s %s %d %s %" PRIu64 "\n", channel->id,
               segment->is_wanted[k], info->feed, info->family, info->line, info->shard,
               (int)info->dir, info->topic, info->exchange_topic, info->symbol, (int)info->opcode,
               info->message_encoding, channel->message_count);
    }
    if (read_plan_load_chunks(plan, i, &err) != TD_OK)
        fail_msg("%s", err.text);
    for (size_t k = 0; k < index->chunk_count; k++) {
        const segment_chunk *chunk = &index->chunks[k];
        answer(out, " chunk %zu %u %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", k,
               read_plan_wants_chunk(plan, i, chunk), chunk->offset, chunk->chunk_bytes,
               chunk->first_ns, chunk->last_ns);
    }
}

static void answer_plan(archive *a, const read_query *query, td_buf *out)
{
    read_plan *plan = NULL;
    td_err err;
    if (read_plan_open(a, query, &plan, &err) != TD_OK)
        fail_msg("%s", err.text);
    answer(out, "plan, unreadable %zu\n", read_plan_unreadable_count(plan));
    for (size_t i = 0; i < read_plan_count(plan); i++)
        answer_segment(plan, i, out);
    read_plan_close(plan);
}

static int wants_events(void *user, const channel_info *info)
{
    (void)user;
    return info->dir == CHANNEL_EVENT;
}

static void answer_removal(void *user, const segment_index *segment, prune_reason why)
{
    answer(user, "prune %s %s %s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", segment->path,
           segment->feed, prune_reason_name(why), segment->first_ns, segment->last_ns,
           segment->file_bytes, segment->message_count);
}

/* The readers' answers as text: gaps, plans of three selections, and what prune would remove.
 * Allocated with td_alloc. */
static char *answers_of(damage_fixture *f)
{
    td_buf out;
    td_err err;
    td_buf_init(&out, 1 << 20);
    archive *a = archive_env_open(&f->env, ARCHIVE_READ, NULL);
    const read_query all = {.time = TIME_SPAN_ALL};
    const read_query some_time = {
        .time = {FIXTURE_START_NS + FIXTURE_STEP_NS * 70, FIXTURE_START_NS + FIXTURE_STEP_NS * 75}};
    const read_query some_channels = {.time = TIME_SPAN_ALL, .wants_channel = wants_events};
    answer_gaps(a, &out);
    answer_plan(a, &all, &out);
    answer_plan(a, &some_time, &out);
    answer_plan(a, &some_channels, &out);
    const prune_options options = {.is_dry_run = 1,
                                   .before_ns = FIXTURE_START_NS + FIXTURE_STEP_NS * 100,
                                   .keep_bytes = UINT64_MAX,
                                   .removing = answer_removal,
                                   .user = &out};
    prune_report report;
    if (archive_prune(a, &options, &report, &err) != TD_OK)
        fail_msg("%s", err.text);
    archive_close(a);
    answer(&out, "kept %" PRIu64, report.segments_kept);
    assert_int_equal(td_buf_append(&out, "", 1, NULL), TD_OK);
    return (char *)out.data;
}

static void must_answer(damage_fixture *f, const char *right, const char *doing, size_t at)
{
    char *now = answers_of(f);
    if (strcmp(now, right) != 0)
        fail_msg("%s %zu: readers answer\n%s\ninstead of\n%s", doing, at, now, right);
    td_free(now);
}

/* ---- rows ---- */

/* A change of one row. */
typedef struct row_change {
    const char *table;
    const char *sql;
} row_change;

static const row_change CHANGES[] = {
    {"segments", "DELETE FROM segments"},
    {"segments", "UPDATE segments SET path = path || 'x'"},
    {"segments", "UPDATE segments SET file_bytes = file_bytes + 1"},
    {"segments", "UPDATE segments SET chain = chain || 'x'"},
    {"segments", "UPDATE segments SET hash = hash + 1"},
    {"segments", "UPDATE segments SET rows = x'ff01'"},
    {"segments", "UPDATE segments SET rows = rows || x'00'"},
    {"segments", "UPDATE segments SET chunks = x''"},
    {"segments", "UPDATE segments SET chunks = substr(chunks, 1, length(chunks) - 1)"},
    {"segments", "UPDATE segments SET (rows, hash) = (SELECT max(rows), hash FROM segments)"},
    {"days", "DELETE FROM days"},
    {"days", "UPDATE days SET path = path || 'x'"},
    {"days", "UPDATE days SET hash = hash + 1"},
    {"days", "UPDATE days SET rows = x''"},
    {"days", "UPDATE days SET rows = substr(rows, 1, length(rows) - 1)"},
    {"days", "UPDATE days SET rows = rows || x'00'"},
    {"days", "UPDATE days SET (rows, hash) = (SELECT max(rows), hash FROM days)"},
};

/* A correct catalog, and the readers' answers with it. */
typedef struct original {
    uint8_t *bytes;
    size_t size;
    char *answers;
} original;

static original original_of(damage_fixture *f)
{
    original o = {0};
    o.bytes = file_read(io_posix(), f->env.catalog_path, &o.size);
    o.answers = answers_of(f);
    return o;
}

static void original_fini(original *o)
{
    td_free(o->bytes);
    td_free(o->answers);
}

/* Checks that recover leaves a correct catalog, whatever it finds: a copy of a catalog in use may
 * have any content. */
static void must_mend(damage_fixture *f, const char *doing, size_t at)
{
    recover_report report;
    archive_fixture_recover(&f->env, &report);
    if (damage_verify(f) != VERIFY_SOUND)
        fail_msg("%s %zu, recovered:\n%s", doing, at, f->text);
}

/* Checks that after a change of the catalog verify reports it, readers answer as before, and
 * recover corrects it. */
static void see_change(damage_fixture *f, const original *o, const char *sql, unsigned row)
{
    damage_must_show(f, VERIFY_RECOVERABLE, "recoverable catalog.sqlite", sql, row);
    must_answer(f, o->answers, sql, row);
    must_mend(f, sql, row);
    put_catalog_back(f, o->bytes, o->size);
}

/* Adds a row of a segment that does not exist: it is out of date, and harmless. */
static void add_row(damage_fixture *f, const original *o)
{
    assert_true(change(f, "INSERT INTO segments SELECT path || 'x', file_bytes, chain, hash, rows, "
                          "chunks FROM segments"));
    see_change(f, o, "rows added", 0);
}

static void test_catalog_rows(void **state)
{
    (void)state;
    damage_fixture *f = damage_open();
    original o = original_of(f);
    unsigned rows = 0;
    for (size_t i = 0; i < sizeof CHANGES / sizeof CHANGES[0]; i++) {
        for (unsigned row = 0;; row++) {
            char sql[512];
            (void)snprintf(sql, sizeof sql,
                           "%s WHERE path = (SELECT path FROM %s ORDER BY path LIMIT 1 OFFSET %u)",
                           CHANGES[i].sql, CHANGES[i].table, row);
            if (!change(f, sql))
                break;
            if (damage_verify(f) != VERIFY_SOUND) /* the new value may equal the old one */
                see_change(f, &o, sql, row);
            rows++;
        }
    }
    assert_true(rows > sizeof CHANGES / sizeof CHANGES[0]);
    add_row(f, &o);
    assert_true(change(f, "DELETE FROM segments"));
    see_change(f, &o, "all rows removed", 0);
    assert_true(change(f, "DELETE FROM days"));
    see_change(f, &o, "all short rows removed", 0);
    original_fini(&o);
    damage_close(f, "catalog rows added, changed, removed");
}

/* Flips bits, some of which are in unused parts of the database. A flip is never damage, and
 * readers answer as before. */
static void test_catalog_bits(void **state)
{
    (void)state;
    damage_fixture *f = damage_open();
    unsigned harmless = 0;
    original o = original_of(f);
    for (size_t at = 0; at < o.size; at += 101) {
        o.bytes[at] ^= (uint8_t)(1U << (at % 8));
        put_catalog_back(f, o.bytes, o.size);
        o.bytes[at] ^= (uint8_t)(1U << (at % 8));
        verify_severity verdict = damage_verify(f);
        f->tried++;
        must_answer(f, o.answers, "bit of byte", at);
        if (verdict == VERIFY_DAMAGED)
            fail_msg("byte %zu: %s", at, f->text);
        if (verdict == VERIFY_RECOVERABLE) {
            must_mend(f, "bit of byte", at);
            continue;
        }
        harmless++;
    }
    put_catalog_back(f, o.bytes, o.size);
    original_fini(&o);
    print_message("of these harmless: %u\n", harmless);
    damage_close(f, "bits of the catalog");
}

/* A segment was cut after it was finished: the catalog still describes its old content, but answers
 * must not include it. */
static void test_cut_files_with_a_catalog(void **state)
{
    (void)state;
    damage_fixture *f = damage_open();
    original o = original_of(f);
    for (size_t i = 0; i < DAMAGE_SEGMENTS; i++) {
        for (size_t size = 0; size < f->sizes[i]; size += 311) {
            damage_put(f, i, f->bytes[i], size);
            assert_int_equal(catalog_remove(f->env.catalog_path, NULL), TD_OK);
            char *without = answers_of(f);
            put_catalog_back(f, o.bytes, o.size);
            must_answer(f, without, "cut to", size);
            td_free(without);
            f->tried++;
        }
        damage_put_back(f, i);
    }
    original_fini(&o);
    damage_close(f, "cut files beside a catalog");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_catalog_rows),
        cmocka_unit_test(test_catalog_bits),
        cmocka_unit_test(test_cut_files_with_a_catalog),
    };
    return cmocka_run_group_tests_name("verify_catalog", tests, NULL, NULL);
}
