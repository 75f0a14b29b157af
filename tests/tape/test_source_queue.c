/* Which files a tape opens and reads for a selection, and that its frames do not depend on the
 * catalog. Expected: the frames of the same archive without a catalog, where each segment is read.
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
#include "base/clock.h"
#include "base/io_posix.h"
#include "archive/archive_segment.h"
#include "archive/archive_view.h"
#include "archive/catalog.h"
#include "archive/reindex.h"
#include "format/segment_index.h"
#include "tape/cursor.h"
#include "tape/kept_families.h"
#include "tests/testing/tape_fixture.h"

enum { SEGMENTS = 5, CHUNKS = 3, CHUNK_FRAMES = 10, RARE_SEGMENT = 2, RARE_CHUNK = 1 };

/* ---- an archive ---- */

/* The time of a chunk: chunks are 100 apart, segments 1,000. */
static uint64_t chunk_ns(unsigned segment, unsigned chunk)
{
    return 1000 * (segment + 1) + 100 * chunk;
}

static void put(tape_segment *segment, const char *symbol, uint64_t ordinal, uint64_t recv_ns)
{
    tape_segment_put(
        segment, &(tape_put){.symbol = symbol, .conn = 3, .ordinal = ordinal, .recv_ns = recv_ns});
}

/* Each chunk has BTCUSD; one chunk of one segment also has XRPUSD. A segment's first chunk has the
 * event that repeats the connection. */
static void write_segment(tape_fixture *f, unsigned number, uint64_t *ordinal)
{
    const tape_segment_spec spec = {"alpha", "aaaaaaaa", 1, chunk_ns(number, 0), number + 1};
    tape_segment *segment = tape_segment_open(f, &spec);
    const event_slot slot = {
        .conn = 3, .in = *ordinal, .since_ns = TAPE_FIXTURE_NS + chunk_ns(0, 0)};
    const event begins = {.kind = EVENT_SEGMENT,
                          .session = "aaaaaaaa",
                          .start_ns = 1,
                          .number = number + 1,
                          .slots = &slot,
                          .slot_count = 1};
    tape_segment_event(segment, &begins, chunk_ns(number, 0));
    for (unsigned chunk = 0; chunk < CHUNKS; chunk++) {
        for (unsigned i = 1; i <= CHUNK_FRAMES; i++)
            put(segment, "BTCUSD", ++*ordinal, chunk_ns(number, chunk) + 2 * i);
        if (number == RARE_SEGMENT && chunk == RARE_CHUNK)
            put(segment, "XRPUSD", ++*ordinal, chunk_ns(number, chunk) + 50);
        tape_segment_seal(segment);
    }
    tape_segment_finish(segment);
}

static void catalog_path(const tape_fixture *f, char out[LIMIT_PATH_BYTES])
{
    (void)snprintf(out, LIMIT_PATH_BYTES, "%s/catalog.sqlite", f->folder);
}

static void make_catalog(tape_fixture *f)
{
    const archive_options options = {.io = io_posix(), .clock = clock_real(), .verb = "reindex"};
    const reindex_options all = {.scope = REINDEX_ALL};
    reindex_report report;
    archive *a = NULL;
    td_err err;
    if (archive_open(&options, f->folder, ARCHIVE_MAINTAIN, &a, &err) != TD_OK ||
        archive_reindex(a, &all, &report, &err) != TD_OK)
        fail_msg("%s", err.text);
    assert_int_equal(report.segments_read, SEGMENTS);
    archive_close(a);
}

static void make_archive(tape_fixture *f)
{
    uint64_t ordinal = 0;
    tape_fixture_init(f);
    for (unsigned i = 0; i < SEGMENTS; i++)
        write_segment(f, i, &ordinal);
    make_catalog(f);
}

/* ---- reading ---- */

/* Segments opened and bytes read since the counters were reset. */
static unsigned opened;
static uint64_t bytes_read;

/* A file for reading whose reads are counted. */
typedef struct counted_file {
    td_file base;
    td_file *file;
    int is_segment;
} counted_file;

static const td_io_ops COUNTING_OPS;

static td_result counting_open(void *ctx, const char *path, td_open_mode mode, td_file **out,
                               td_err *err)
{
    (void)ctx;
    assert_int_equal(mode, TD_OPEN_READ);
    counted_file *file = td_alloc_zero(1, sizeof *file);
    assert_non_null(file);
    td_result rc = td_io_open(io_posix(), path, mode, &file->file, err);
    if (rc != TD_OK) {
        td_free(file);
        return rc;
    }
    file->base.ops = &COUNTING_OPS;
    file->is_segment = strstr(path, "/capture/") != NULL;
    opened += file->is_segment != 0;
    *out = &file->base;
    return TD_OK;
}

static void counting_close(td_file *base)
{
    td_io_close(((counted_file *)base)->file);
    td_free(base);
}

static td_result counting_size(td_file *base, uint64_t *out, td_err *err)
{
    return td_io_size(((counted_file *)base)->file, out, err);
}

static td_result counting_read_at(td_file *base, uint64_t at, void *buf, size_t size, size_t *got,
                                  td_err *err)
{
    counted_file *file = (counted_file *)base;
    td_result rc = td_io_read_at(file->file, at, buf, size, got, err);
    if (file->is_segment)
        bytes_read += *got;
    return rc;
}

static td_result counting_size_at(void *ctx, const char *path, uint64_t *out, td_err *err)
{
    (void)ctx;
    return td_io_size_at(io_posix(), path, out, err);
}

static td_result counting_list(void *ctx, const char *path, td_list_fn *fn, void *user, td_err *err)
{
    (void)ctx;
    return td_io_list(io_posix(), path, fn, user, err);
}

static td_result counting_check_name(void *ctx, const char *path, td_file *file, td_name_state *out,
                                     td_err *err)
{
    (void)ctx;
    return td_io_check_name(io_posix(), path, ((counted_file *)file)->file, out, err);
}

static td_result counting_is_locked(td_file *base, int *out, td_err *err)
{
    td_file *file = ((counted_file *)base)->file;
    return file->ops->is_locked(file, out, err);
}

static const td_io_ops COUNTING_OPS = {
    .open = counting_open,
    .close = counting_close,
    .size = counting_size,
    .size_at = counting_size_at,
    .read_at = counting_read_at,
    .list = counting_list,
    .check_name = counting_check_name,
    .is_locked = counting_is_locked,
};

typedef struct played {
    td_buf text; /* one line per frame */
    unsigned frames;
    unsigned opened;
    uint64_t bytes_read;
    cursor_stats stats;
} played;

static void play_tape(archive *a, const selection *wanted, const cursor_options *options,
                      played *out)
{
    cursor *t = NULL;
    const frame_ref *frame;
    td_err err;
    td_result rc = cursor_open(a, wanted, options, &t, &err);
    while (rc == TD_OK && (rc = cursor_next(t, &frame, &err)) == TD_OK) {
        const channel_info *info = &frame->channel->info;
        out->frames++;
        rc = td_buf_printf(
            &out->text, &err, "%" PRIu64 " %s %s %s %d conn %u, ordinal %" PRIu64 ", %.*s\n",
            frame->recv_ns, info->feed, info->topic, info->symbol, (int)info->dir,
            frame->conn->number, frame->ordinal, (int)frame->bytes.size, frame->bytes.data);
    }
    if (rc != TD_EOF)
        fail_msg("%s", err.text);
    cursor_get_stats(t, &out->stats);
    cursor_close(t);
}

static played play(const tape_fixture *f, const selection *wanted, const cursor_options *options)
{
    const archive_options open_options = {.io = {.ops = &COUNTING_OPS}, .clock = clock_real()};
    played out = {0};
    archive *a = NULL;
    td_err err;
    td_buf_init(&out.text, 1 << 20);
    opened = 0;
    bytes_read = 0;
    if (archive_open(&open_options, f->folder, ARCHIVE_READ, &a, &err) != TD_OK)
        fail_msg("%s", err.text);
    play_tape(a, wanted, options, &out);
    archive_close(a);
    out.opened = opened;
    out.bytes_read = bytes_read;
    assert_int_equal(td_buf_append(&out.text, "", 1, &err), TD_OK);
    return out;
}

/* ---- opened files ---- */

static const char *const RARE[] = {"XRPUSD"};
static const char *const NONE[] = {"EOSUSD"};

static selection window(uint64_t from_ns, uint64_t to_ns)
{
    return (selection){.from = {TD_TIME_ABSOLUTE, TAPE_FIXTURE_NS + from_ns},
                       .to = {TD_TIME_ABSOLUTE, TAPE_FIXTURE_NS + to_ns},
                       .has_from = 1,
                       .has_to = 1};
}

typedef struct open_case {
    const char *what;
    uint64_t from_ns, to_ns; /* both 0: unbounded */
    selection_globs symbols;
    uint8_t with_events;
    unsigned frames, opened, chunks;
} open_case;

/* In each opened segment the chunk with the segment's event is read. */
static const open_case OPEN_CASES[] = {
    {"all", 0, 0, {0}, 0, SEGMENTS *CHUNKS *CHUNK_FRAMES + 1, SEGMENTS, SEGMENTS *CHUNKS},
    {"a symbol of one chunk", 0, 0, {RARE, 1}, 0, 1, 1, 2},
    {"and with events", 0, 0, {RARE, 1}, 1, 1 + SEGMENTS, SEGMENTS, SEGMENTS + 1},
    {"a symbol of none", 0, 0, {NONE, 1}, 0, 0, 0, 0},
    {"its chunk's time", 3100, 3200, {RARE, 1}, 0, 1, 1, 2},
    {"the chunk after it", 3200, 3300, {RARE, 1}, 0, 0, 0, 0},
    {"the chunk before it", 3000, 3100, {RARE, 1}, 0, 0, 0, 0},
    {"a time of all symbols", 3200, 3300, {0}, 0, CHUNK_FRAMES, 1, 2},
    {"a time between segments", 3500, 3600, {0}, 0, 0, 0, 0},
};

static selection selection_of(const open_case *c)
{
    selection wanted = c->to_ns == 0 ? (selection){0} : window(c->from_ns, c->to_ns);
    wanted.symbols = c->symbols;
    return wanted;
}

static void test_only_what_is_wanted_is_opened(void **state)
{
    (void)state;
    tape_fixture f;
    make_archive(&f);
    for (size_t i = 0; i < sizeof OPEN_CASES / sizeof OPEN_CASES[0]; i++) {
        const open_case *c = &OPEN_CASES[i];
        const selection wanted = selection_of(c);
        played p = play(&f, &wanted, &(cursor_options){.with_events = c->with_events});
        if (p.frames != c->frames || p.opened != c->opened || p.stats.segments != c->opened ||
            p.stats.chunks_read != c->chunks)
            fail_msg("%s: %u frames, %u opened, %" PRIu64 " segments, %" PRIu64 " chunks", c->what,
                     p.frames, p.opened, p.stats.segments, p.stats.chunks_read);
        /* Per file: its chunks, and the chain record that identifies the file. */
        assert_in_range(p.bytes_read - p.stats.bytes_read, 0, c->opened * CHAIN_RECORD_BYTES_MAX);
        assert_true(p.bytes_read >= p.stats.bytes_read);
        td_buf_fini(&p.text);
    }
    tape_fixture_fini(&f);
}

/* Looking for families that an archive keeps opens no segment whose family the catalog has, and
 * else reads the begin of one. */
static void test_known_families_open_nothing(void **state)
{
    const td_log log = {0};
    tape_fixture f;
    (void)state;
    make_archive(&f);
    for (int holds = 0; holds < 2; holds++) {
        const archive_options options = {.io = {.ops = &COUNTING_OPS}, .clock = clock_real()};
        archive *a = NULL;
        assert_int_equal(archive_open(&options, f.folder, ARCHIVE_READ, &a, NULL), TD_OK);
        if (holds)
            assert_int_equal(archive_view_hold(a, NULL), TD_OK);
        opened = 0;
        bytes_read = 0;
        kept_families_add(&a, 1, &log);
        assert_int_equal(opened, holds ? 0 : 1);
        assert_in_range(bytes_read, 0, 4096);
        archive_view_let_go(a);
        archive_close(a);
    }
    tape_fixture_fini(&f);
}

/* ---- a catalog that was changed ---- */

static const char *const CHANGES[] = {
    "UPDATE segments SET chunks = x''",
    "UPDATE segments SET chunks = substr(chunks, 1, 80)",
    "UPDATE segments SET chunks = chunks || x'00'",
    "UPDATE segments SET chunks = (SELECT chunks FROM segments ORDER BY path DESC LIMIT 1)",
    "UPDATE segments SET rows = x''",
    "UPDATE segments SET rows = substr(rows, 1, 200)",
    "UPDATE segments SET rows = rows || x'00'",
    "UPDATE segments SET rows = CAST(replace(CAST(rows AS TEXT), 'XRPUSD', 'EOSUSD') AS BLOB)",
    "UPDATE segments SET (rows, hash) = (SELECT max(rows), hash FROM segments)",
    "UPDATE segments SET path = path || 'x'",
    "DELETE FROM segments",
    "DELETE FROM segments WHERE path = (SELECT max(path) FROM segments)",
    "UPDATE segments SET file_bytes = file_bytes + 1",
    "UPDATE segments SET chain = replace(chain, '0', '1')",
    "UPDATE segments SET hash = 0",
    "DROP TABLE segments",
};

static void change(const tape_fixture *f, const char *sql)
{
    char path[LIMIT_PATH_BYTES];
    sqlite3 *db = NULL;
    catalog_path(f, path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    if (rc != SQLITE_OK && rc != SQLITE_CONSTRAINT)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void remove_catalog(const tape_fixture *f)
{
    char path[LIMIT_PATH_BYTES];
    catalog_path(f, path);
    assert_int_equal(catalog_remove(path, NULL), TD_OK);
}

enum { CASES = sizeof OPEN_CASES / sizeof OPEN_CASES[0] };

/* Plays the frames of each selection. */
static void play_cases(const tape_fixture *f, played out[CASES])
{
    for (size_t i = 0; i < CASES; i++) {
        const selection wanted = selection_of(&OPEN_CASES[i]);
        const cursor_options options = {.with_events = OPEN_CASES[i].with_events,
                                        .states =
                                            i % 2 != 0 ? TAPE_STATES_FRAMES : TAPE_STATES_NONE};
        out[i] = play(f, &wanted, &options);
    }
}

static void free_played(played of[CASES])
{
    for (size_t i = 0; i < CASES; i++)
        td_buf_fini(&of[i].text);
}

static void must_equal(const tape_fixture *f, const played expected[CASES], const char *what)
{
    played actual[CASES];
    play_cases(f, actual);
    for (size_t i = 0; i < CASES; i++) {
        if (strcmp((const char *)actual[i].text.data, (const char *)expected[i].text.data) != 0)
            fail_msg("%s, %s:\n%sinstead of\n%s", what, OPEN_CASES[i].what, actual[i].text.data,
                     expected[i].text.data);
        assert_int_equal(actual[i].stats.damaged_chunks, 0);
        assert_int_equal(actual[i].stats.segments_unreadable, 0);
    }
    free_played(actual);
}

static void test_frames_do_not_need_the_catalog(void **state)
{
    (void)state;
    tape_fixture f;
    played expected[CASES];
    make_archive(&f);
    remove_catalog(&f);
    play_cases(&f, expected);
    assert_int_equal(expected[0].frames, OPEN_CASES[0].frames);
    for (size_t i = 0; i < sizeof CHANGES / sizeof CHANGES[0]; i++) {
        make_catalog(&f);
        if (i == 0)
            must_equal(&f, expected, "the right catalog");
        change(&f, CHANGES[i]);
        must_equal(&f, expected, CHANGES[i]);
    }
    free_played(expected);
    tape_fixture_fini(&f);
}

/* ---- rows of another file ---- */

/* Writes rows with valid checksums, as if another file of this name and size had been there. */
static void put_rows(const tape_fixture *f, void (*alter)(segment_index *index))
{
    const archive_options options = {.io = io_posix(), .clock = clock_real()};
    char path[LIMIT_PATH_BYTES];
    archive *a = NULL;
    catalog *c = NULL;
    archive_listing listing;
    segment_rows rows;
    assert_int_equal(archive_open(&options, f->folder, ARCHIVE_READ, &a, NULL), TD_OK);
    assert_int_equal(archive_list(a, &listing, NULL), TD_OK);
    assert_int_equal(listing.segment_count, SEGMENTS);
    catalog_path(f, path);
    assert_int_equal(catalog_open(path, CATALOG_WRITE, &c, NULL), TD_OK);
    for (size_t i = 0; i < SEGMENTS; i++) {
        assert_int_equal(segment_rows_read(a, listing.segments[i].path, &rows, NULL), TD_OK);
        alter(&rows.index);
        assert_int_equal(catalog_put(c, &rows, NULL), TD_OK);
        segment_rows_fini(&rows);
    }
    catalog_close(c);
    archive_listing_fini(&listing);
    archive_close(a);
}

static void other_chain(segment_index *index)
{
    index->chain_hex[0] = index->chain_hex[0] == '0' ? '1' : '0';
}

static void no_chain(segment_index *index)
{
    index->chain_hex[0] = '\0';
}

static void last_chunk_less(segment_index *index)
{
    index->chunk_count--;
}

static void chunk_behind_the_end(segment_index *index)
{
    index->chunks[index->chunk_count - 1].offset = UINT64_C(1) << 40;
}

static void chunk_elsewhere(segment_index *index)
{
    index->chunks[index->chunk_count - 1].offset -= 8;
}

static void test_index_of_another_file_is_ignored(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        void (*alter)(segment_index *index);
    } ROWS[] = {{"another chain", other_chain},
                {"no chain", no_chain},
                {"a chunk less", last_chunk_less},
                {"a chunk beyond the end", chunk_behind_the_end},
                {"a chunk elsewhere", chunk_elsewhere}};
    tape_fixture f;
    make_archive(&f);
    remove_catalog(&f);
    const selection all = {0};
    played expected = play(&f, &all, &(cursor_options){0});
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        make_catalog(&f);
        put_rows(&f, ROWS[i].alter);
        played actual = play(&f, &all, &(cursor_options){0});
        if (strcmp((const char *)actual.text.data, (const char *)expected.text.data) != 0)
            fail_msg("%s: %s", ROWS[i].what, actual.text.data);
        td_buf_fini(&actual.text);
    }
    td_buf_fini(&expected.text);
    tape_fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_what_is_wanted_is_opened),
        cmocka_unit_test(test_known_families_open_nothing),
        cmocka_unit_test(test_frames_do_not_need_the_catalog),
        cmocka_unit_test(test_index_of_another_file_is_ignored),
    };
    return cmocka_run_group_tests_name("source_queue", tests, NULL, NULL);
}
