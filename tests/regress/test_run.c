/* Runs into a baseline: what it has of which frames, and that this does not depend on threads,
 * interruptions, memory, the archive's files, or where a selection begins. Counts of the captures
 * are those of tests/play/test_player.c and docs/wire.md 6; the hashes themselves are compared with
 * a second implementation by tests/e2e/regress_save.test.mjs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io_posix.h"
#include "import/import.h"
#include "regress/compare.h"
#include "regress/run.h"
#include "tests/testing/capture.h"
#include "tests/testing/files.h"
#include "tests/testing/tape_fixture.h"

enum { PATH_BYTES = 128, DUMP_BYTES_MAX = 64 << 20, CAPTURES = 3, KILLED = 42 };

#define INVERSE "inverse-2021-04-17.jsonl.gz"
#define LINEAR  "linear-2021-04-17.jsonl.gz"
#define V5      "v5-2026-08-09.jsonl.gz"

typedef struct place {
    char folder[TEMP_FOLDER_BYTES];
    char archive_path[PATH_BYTES];
    archive *archive;
} place;

static void import_capture(place *p, const char *name)
{
    const char *path = capture_path_or_skip(name);
    static import_report report;
    td_err err;
    const import_options options = {.io = io_posix(),
                                    .clock = clock_real(),
                                    .archive_path = p->archive_path,
                                    .scratch = p->folder,
                                    .version = "test",
                                    .format = IMPORT_CRYPTOFEED,
                                    .path = path,
                                    .repeat = IMPORT_AGAIN};
    if (import_run(&options, &report, &err) != TD_OK)
        fail_msg("%s", err.text);
}

static void open_archive(place *p)
{
    const archive_options options = {.io = io_posix(), .clock = clock_real()};
    td_err err;
    if (archive_open(&options, p->archive_path, ARCHIVE_READ, &p->archive, &err) != TD_OK)
        fail_msg("%s", err.text);
}

/* An archive of captures. */
static void place_make(place *p, const char *const *captures, size_t count)
{
    temp_folder_make(TEMP_IN_MEMORY, p->folder);
    (void)snprintf(p->archive_path, sizeof p->archive_path, "%s/a", p->folder); /* fits */
    for (size_t i = 0; i < count; i++)
        import_capture(p, captures[i]);
    open_archive(p);
}

static void place_remove(place *p)
{
    archive_close(p->archive);
    temp_folder_remove(p->folder);
}

static const char *const ALL[CAPTURES] = {INVERSE, LINEAR, V5};

/* ---- runs ---- */

typedef struct stopper {
    uint64_t calls;
    uint64_t stop_at; /* call that stops; 0: none */
} stopper;

static int count_call(void *user, uint64_t frames, uint64_t recv_ns)
{
    stopper *s = user;
    (void)frames;
    (void)recv_ns;
    return ++s->calls == s->stop_at;
}

static regress_run_options options_of(archive *from, const char *path)
{
    static const selection EVERYTHING;
    return (regress_run_options){
        .archive = from, .wanted = &EVERYTHING, .threads = 1, .clock = clock_real(), .path = path};
}

/* Run until it is complete, stopped at the first checkpoint of each run if a number of frames is
 * given; the number of runs. */
static uint64_t run_to_end(regress_run_options options, int is_stopped)
{
    for (uint64_t runs = 1;; runs++) {
        stopper stop = {.stop_at = is_stopped ? 1 : 0};
        options.progress = count_call;
        options.user = &stop;
        regress_run_result result;
        baseline *b = NULL;
        td_err err;
        td_result rc = regress_run(&options, &result, &b, &err);
        if (rc == TD_OK) {
            assert_true(baseline_get_meta(b)->is_complete);
            baseline_close(b);
            return runs;
        }
        if (rc != TD_EOF)
            fail_msg("%s", err.text);
        assert_null(b);
        assert_true(is_stopped);
    }
}

/* ---- what is in a baseline ---- */

static void append_rows(td_buf *out, sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    while (sqlite3_step(stmt) == SQLITE_ROW)
        for (int i = 0; i < sqlite3_column_count(stmt); i++) {
            const char *text = (const char *)sqlite3_column_text(stmt, i);
            assert_int_equal(td_buf_append(out, text, strlen(text) + 1, NULL), TD_OK);
        }
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
}

static void append_decodes(td_buf *out, const char *path)
{
    baseline *b;
    td_err err;
    assert_int_equal(baseline_open(path, BASELINE_READ, &b, &err), TD_OK);
    for (size_t i = 0; i < baseline_stream_count(b); i++) {
        const baseline_stream *of = baseline_stream_at(b, i);
        for (uint64_t k = 0; k < of->frames; k++) {
            td_bytes line;
            td_result rc = baseline_get_decode(b, of->id, k, &line, &err);
            if (rc == TD_EOF)
                break;
            assert_int_equal(rc, TD_OK);
            assert_int_equal(td_buf_append(out, line.data, line.size, &err), TD_OK);
        }
    }
    baseline_close(b);
}

/* All of it but the meta: what must not depend on how it was made. */
static td_buf dump(const char *path)
{
    td_buf out;
    sqlite3 *db = NULL;
    td_buf_init(&out, DUMP_BYTES_MAX);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    append_rows(&out, db, "SELECT * FROM streams ORDER BY id");
    append_rows(&out, db,
                "SELECT place, frames, first_ns, last_ns, hex(ids), hex(hashes), checksum "
                "FROM blocks ORDER BY place");
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    append_decodes(&out, path);
    return out;
}

static void assert_same(const td_buf *expected, const char *path)
{
    td_buf got = dump(path);
    assert_true(td_bytes_equal(td_buf_view(expected), td_buf_view(&got)));
    td_buf_fini(&got);
}

static const char *at(const place *p, const char *name)
{
    static char path[2 * PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/%s", p->folder, name); /* fits */
    return path;
}

static td_buf make_and_dump(const place *p, int is_full)
{
    regress_run_options options = options_of(p->archive, at(p, "whole.tdb"));
    options.meta.is_full = (uint8_t)is_full;
    options.meta.members = is_full ? CANONICAL_WHOLE : CANONICAL_PLAIN;
    assert_int_equal(run_to_end(options, 0), 1);
    td_buf out = dump(options.path);
    assert_int_equal(unlink(options.path), 0);
    return out;
}

/* ---- content ---- */

static void test_counts(void **state)
{
    (void)state;
    capture_recorded_or_skip();
    static const struct {
        const char *topic, *symbol;
        uint64_t frames, decoded, snapshots, deltas, items;
        uint8_t has_book;
    } STREAMS[] = {{"_control", "", 4, 0, 0, 0, 0, 0},
                   {"orderBookL2_25", "BTCUSD", 507, 507, 1, 506, 1031, 1},
                   {"orderBookL2_25", "EOSUSD", 511, 511, 1, 510, 1621, 1},
                   {"trade", "BTCUSD", 63, 63, 0, 0, 131, 0},
                   {"trade", "EOSUSD", 13, 13, 0, 0, 19, 0}};
    place p;
    place_make(&p, ALL, 1);
    regress_run_options options = options_of(p.archive, at(&p, "x.tdb"));
    regress_run_result result;
    baseline *b;
    td_err err;
    assert_int_equal(regress_run(&options, &result, &b, &err), TD_OK);
    assert_int_equal(result.frames, 1098);
    assert_int_equal(result.resumed_from_ns, 0);
    assert_string_equal(baseline_get_meta(b)->selection, "");
    assert_string_equal(baseline_get_meta(b)->decoder, "built-in");
    assert_int_equal(strlen(baseline_get_meta(b)->decoder_id), 32);
    assert_int_equal(baseline_stream_count(b), sizeof STREAMS / sizeof STREAMS[0]);
    for (size_t i = 0; i < sizeof STREAMS / sizeof STREAMS[0]; i++) {
        const baseline_stream *s = baseline_stream_at(b, i);
        assert_string_equal(s->feed, "inverse");
        assert_string_equal(s->family, "inverse");
        assert_string_equal(s->topic, STREAMS[i].topic);
        assert_string_equal(s->symbol, STREAMS[i].symbol);
        assert_int_equal(s->frames, STREAMS[i].frames);
        assert_int_equal(s->decoded, STREAMS[i].decoded);
        assert_int_equal(s->undecoded, 0);
        assert_int_equal(s->snapshots, STREAMS[i].snapshots);
        assert_int_equal(s->deltas, STREAMS[i].deltas);
        assert_int_equal(s->items, STREAMS[i].items);
        assert_int_equal(s->has_book, STREAMS[i].has_book);
    }
    baseline_block block; /* after the snapshot each frame has a book */
    assert_int_equal(baseline_get_block(b, baseline_stream_at(b, 1)->id, 0, &block, &err), TD_OK);
    for (uint32_t i = 0; i < block.frames; i++)
        assert_int_not_equal(block.hashes[i] >> 32, 0);
    baseline_close(b);
    place_remove(&p);
}

/* ---- what does not matter ---- */

static void test_threads_and_memory(void **state)
{
    (void)state;
    static const unsigned THREADS[] = {1, 2, 4};
    static const size_t BUFFERS[] = {0, 20000};
    place p;
    place_make(&p, ALL, CAPTURES);
    for (int is_full = 0; is_full <= 1; is_full++) {
        td_buf expected = make_and_dump(&p, is_full);
        for (size_t i = 0; i < 6; i++) {
            regress_run_options options = options_of(p.archive, at(&p, "x.tdb"));
            options.threads = THREADS[i % 3];
            options.buffer_bytes = BUFFERS[i / 3];
            options.meta.is_full = (uint8_t)is_full;
            options.meta.members = is_full ? CANONICAL_WHOLE : CANONICAL_PLAIN;
            assert_int_equal(run_to_end(options, 0), 1);
            assert_same(&expected, options.path);
            assert_int_equal(unlink(options.path), 0);
        }
        td_buf_fini(&expected);
    }
    place_remove(&p);
}

/* Stopped at every checkpoint, a run goes on as if there had been none. */
static void test_interrupted(void **state)
{
    (void)state;
    static const struct {
        uint64_t frames;
        unsigned threads;
        uint8_t is_full;
        size_t buffer_bytes; /* small: frames are put between checkpoints */
    } CASES[] = {{11, 1, 0, 0},  {89, 1, 0, 0},     {89, 1, 1, 0},    {400, 2, 0, 0},
                 {401, 4, 1, 0}, {400, 2, 0, 2000}, {401, 4, 1, 2000}};
    place p;
    place_make(&p, ALL, CAPTURES);
    td_buf expected[2] = {make_and_dump(&p, 0), make_and_dump(&p, 1)};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        regress_run_options options = options_of(p.archive, at(&p, "x.tdb"));
        options.threads = CASES[i].threads;
        options.checkpoint_frames = CASES[i].frames;
        options.buffer_bytes = CASES[i].buffer_bytes;
        options.meta.is_full = CASES[i].is_full;
        options.meta.members = CASES[i].is_full ? CANONICAL_WHOLE : CANONICAL_PLAIN;
        uint64_t runs = run_to_end(options, 1);
        assert_in_range(runs, 3000 / (CASES[i].frames + 1), 3500 / CASES[i].frames + 1);
        assert_same(&expected[CASES[i].is_full], options.path);
        assert_int_equal(unlink(options.path), 0);
    }
    td_buf_fini(&expected[0]);
    td_buf_fini(&expected[1]);
    place_remove(&p);
}

typedef struct last_clock {
    unsigned left; /* readings until the process ends */
} last_clock;

static uint64_t read_last_clock(void *ctx)
{
    last_clock *clock = ctx;
    if (clock->left-- == 0)
        _exit(KILLED);
    return 1;
}

static const td_clock_ops LAST_CLOCK_OPS = {.mono_ns = read_last_clock};

/* A run in a process that ends after so many readings of its clock. */
static void run_and_end(regress_run_options options, unsigned readings)
{
    pid_t child = fork();
    assert_int_not_equal(child, -1);
    if (child == 0) {
        last_clock clock = {readings};
        options.clock = (td_clock){&LAST_CLOCK_OPS, &clock};
        (void)run_to_end(options, 0);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), KILLED);
}

/* Frames that were put after the last checkpoint are lost when the process is killed: the next run
 * puts them again, and none twice. */
static void test_killed_after_puts(void **state)
{
    (void)state;
    place p;
    place_make(&p, ALL, CAPTURES);
    td_buf expected = make_and_dump(&p, 0);
    for (unsigned left = 1; left < 40; left += 3) {
        regress_run_options options = options_of(p.archive, at(&p, "x.tdb"));
        options.buffer_bytes = 2000;
        options.checkpoint_frames = 700;
        run_and_end(options, left);
        assert_int_equal(run_to_end(options, 0), 1);
        assert_same(&expected, options.path);
        assert_int_equal(unlink(options.path), 0);
    }
    td_buf_fini(&expected);
    place_remove(&p);
}

/* Other sessions and files, the same frames. */
static void test_imported_again(void **state)
{
    (void)state;
    static const char *const REVERSED[CAPTURES] = {V5, LINEAR, INVERSE};
    place first;
    place second;
    place_make(&first, ALL, CAPTURES);
    place_make(&second, REVERSED, CAPTURES);
    archive_close(second.archive);
    char index_path[2 * PATH_BYTES];
    (void)snprintf(index_path, sizeof index_path, "%s/catalog.sqlite", second.archive_path);
    assert_int_equal(unlink(index_path), 0);
    open_archive(&second);
    td_buf expected = make_and_dump(&first, 0);
    td_buf got = make_and_dump(&second, 0);
    assert_true(td_bytes_equal(td_buf_view(&expected), td_buf_view(&got)));
    td_buf_fini(&expected);
    td_buf_fini(&got);
    place_remove(&first);
    place_remove(&second);
}

/* The last frames of a stream as one list of hashes. */
static size_t read_hashes(baseline *b, const baseline_stream *of, uint64_t out[1024])
{
    baseline_block block;
    td_err err;
    assert_in_range(of->frames, 1, 1024);
    assert_int_equal(baseline_get_block(b, of->id, 0, &block, &err), TD_OK);
    memcpy(out, block.hashes, block.frames * sizeof *block.hashes);
    return block.frames;
}

static baseline *run_from(const place *p, const char *name, uint64_t from_ns)
{
    selection wanted = {.has_from = from_ns > 0, .from = {TD_TIME_ABSOLUTE, from_ns}};
    regress_run_options options = options_of(p->archive, at(p, name));
    options.wanted = &wanted;
    regress_run_result result;
    baseline *b;
    td_err err;
    if (regress_run(&options, &result, &b, &err) != TD_OK)
        fail_msg("%s", err.text);
    return b;
}

/* A selection that begins in the middle has the hashes that the whole has there, books included. */
static void test_selection_in_time(void **state)
{
    (void)state;
    place p;
    place_make(&p, ALL, 2);
    baseline *whole = run_from(&p, "whole.tdb", 0);
    const baseline_stream *longest =
        baseline_find_stream(whole, "inverse", "orderBookL2_25", "BTCUSD", "orderBookL2_25.BTCUSD");
    if (longest == NULL)
        longest = baseline_stream_at(whole, 1);
    uint64_t length_ns = longest->last_ns - longest->first_ns;
    uint64_t compared = 0;
    for (uint64_t i = 1; i < 8; i++) {
        baseline *part = run_from(&p, "part.tdb", longest->first_ns + length_ns * i / 8);
        for (size_t s = 0; s < baseline_stream_count(part); s++) {
            uint64_t all[1024];
            uint64_t some[1024];
            const baseline_stream *of = baseline_stream_at(part, s);
            const baseline_stream *in =
                baseline_find_stream(whole, of->feed, of->topic, of->symbol, of->exchange_topic);
            assert_non_null(in);
            size_t all_count = read_hashes(whole, in, all);
            size_t count = read_hashes(part, of, some);
            assert_in_range(count, 1, all_count);
            assert_memory_equal(some, all + all_count - count, count * sizeof *some);
            compared += count;
        }
        baseline_close(part);
        assert_int_equal(unlink(at(&p, "part.tdb")), 0);
    }
    assert_in_range(compared, 3000, 20000);
    baseline_close(whole);
    place_remove(&p);
}

/* ---- what is there already ---- */

typedef struct kept_log {
    char text[512];
} kept_log;

static void keep_line(void *ctx, td_log_level level, const char *text)
{
    kept_log *log = ctx;
    if (level == TD_LOG_WARNING)
        (void)snprintf(log->text, sizeof log->text, "%s", text); /* cut if it is too long */
}

static void test_existing(void **state)
{
    (void)state;
    place p;
    place_make(&p, ALL, 1);
    kept_log kept = {""};
    const td_log log = {.fn = keep_line, .ctx = &kept, .level_max = TD_LOG_WARNING};
    regress_run_options options = options_of(p.archive, at(&p, "x.tdb"));
    options.log = &log;
    options.checkpoint_frames = 500;
    stopper stop = {.stop_at = 1};
    options.progress = count_call;
    options.user = &stop;
    regress_run_result result;
    baseline *b;
    td_err err;
    assert_int_equal(regress_run(&options, &result, &b, &err), TD_EOF);
    assert_string_equal(kept.text, "");
    options.meta.decoder = "built-in";
    options.meta.decoder_id = "01"; /* another program: nothing of the first run counts */
    assert_int_equal(regress_run(&options, &result, &b, &err), TD_OK);
    assert_non_null(strstr(kept.text, "its decoder is another: starting from the beginning"));
    assert_int_equal(result.resumed_from_ns, 0);
    assert_int_equal(result.frames, 1098);
    baseline_close(b);
    assert_int_equal(regress_run(&options, &result, &b, &err), TD_E_INVALID);
    assert_non_null(strstr(err.text, "complete baseline already"));
    assert_non_null(strstr(err.hint, "--force"));
    options.existing = REGRESS_REPLACE;
    assert_int_equal(regress_run(&options, &result, &b, &err), TD_OK);
    assert_int_equal(result.frames, 1098);
    baseline_close(b);
    static const char *const NONE[] = {"tickers"};
    const selection nothing = {.topics = {NONE, 1}};
    const selection *all = options.wanted;
    options.wanted = &nothing; /* the old one stays */
    assert_int_equal(regress_run(&options, &result, &b, &err), TD_E_NOTFOUND);
    options.wanted =
        &(selection){.has_from = 1, .from = {TD_TIME_ABSOLUTE, UINT64_C(1700000000000000000)}};
    assert_int_equal(regress_run(&options, &result, &b, &err), TD_E_NOTFOUND);
    options.wanted = all;
    assert_int_equal(baseline_open(options.path, BASELINE_READ, &b, &err), TD_OK);
    assert_true(baseline_get_meta(b)->is_complete);
    baseline_close(b);
    file_write_text(options.path, "my notes"); /* never replaced */
    assert_int_equal(regress_run(&options, &result, &b, &err), TD_E_UNSUPPORTED);
    assert_int_equal(access(options.path, F_OK), 0);
    place_remove(&p);
}

static void assert_all_same(baseline *was, baseline *is)
{
    comparison c;
    td_err err;
    const compare_options options = {.was = was, .is = is};
    assert_int_equal(compare_baselines(&options, &c, &err), TD_OK);
    assert_true(comparison_is_same(&c));
    assert_int_equal(c.totals.compared, 3060);
    comparison_fini(&c);
}

/* A run that shares blocks with another baseline goes on only as long as that has the same
 * content. */
static void test_reference(void **state)
{
    (void)state;
    static const char *const TRADES[] = {"trade*"};
    place p;
    place_make(&p, ALL, CAPTURES);
    kept_log kept = {""};
    const td_log log = {.fn = keep_line, .ctx = &kept, .level_max = TD_LOG_WARNING};
    char was_path[2 * PATH_BYTES];
    (void)snprintf(was_path, sizeof was_path, "%s", at(&p, "was.tdb")); /* fits */
    regress_run_options options = options_of(p.archive, was_path);
    regress_run_result result;
    baseline *was;
    baseline *other;
    baseline *is;
    td_err err;
    assert_int_equal(regress_run(&options, &result, &was, &err), TD_OK);
    char other_path[2 * PATH_BYTES];
    (void)snprintf(other_path, sizeof other_path, "%s", at(&p, "other.tdb")); /* fits */
    options.path = other_path;
    const selection trades = {.topics = {TRADES, 1}};
    const selection *all = options.wanted;
    options.wanted = &trades;
    assert_int_equal(regress_run(&options, &result, &other, &err), TD_OK);
    options.wanted = all;
    options.path = at(&p, "is.tdb");
    options.reference = was;
    options.log = &log;
    options.checkpoint_frames = 500;
    options.progress = count_call;
    for (int is_other = 0; is_other < 2; is_other++) {
        stopper stop = {.stop_at = 1};
        options.user = &stop;
        options.reference = was;
        assert_int_equal(regress_run(&options, &result, &is, &err), TD_EOF);
        options.reference = is_other ? other : was;
        assert_int_equal(regress_run(&options, &result, &is, &err), TD_OK);
        assert_int_equal(result.resumed_from_ns > 0, !is_other);
        assert_int_equal(strstr(kept.text, "its baseline to compare with is another") != NULL,
                         is_other);
        assert_all_same(was, is);
        baseline_close(is);
        assert_int_equal(unlink(options.path), 0);
    }
    baseline_close(other);
    baseline_close(was);
    place_remove(&p);
}

/* Between an interruption and the next run the archive gets an older recording, or a later one. */
static void test_extended_archive(void **state)
{
    (void)state;
    static const struct {
        const char *captures[2];
        const char *imported;
        uint8_t goes_on;
    } CASES[] = {{{INVERSE, V5}, LINEAR, 0}, {{INVERSE, LINEAR}, V5, 1}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        place p;
        place_make(&p, CASES[i].captures, 2);
        kept_log kept = {""};
        const td_log log = {.fn = keep_line, .ctx = &kept, .level_max = TD_LOG_WARNING};
        regress_run_options options = options_of(p.archive, at(&p, "x.tdb"));
        options.log = &log;
        options.checkpoint_frames = 1500;
        stopper stop = {.stop_at = 1};
        options.progress = count_call;
        options.user = &stop;
        regress_run_result result;
        baseline *b;
        td_err err;
        assert_int_equal(regress_run(&options, &result, &b, &err), TD_EOF);
        import_capture(&p, CASES[i].imported);
        assert_int_equal(regress_run(&options, &result, &b, &err), TD_OK);
        assert_int_equal(result.resumed_from_ns > 0, CASES[i].goes_on);
        assert_int_equal(strstr(kept.text, "its list of segments is another") == NULL,
                         CASES[i].goes_on);
        uint64_t frames = 0;
        for (size_t k = 0; k < baseline_stream_count(b); k++)
            frames += baseline_stream_at(b, k)->frames;
        assert_int_equal(frames, 3060);
        baseline_close(b);
        place_remove(&p);
    }
}

/* A run that was killed before its file had any content is like one that never was. */
static void test_killed_at_first(void **state)
{
    (void)state;
    static const char *const SQL[] = {NULL, "DELETE FROM meta"};
    place p;
    place_make(&p, ALL, 1);
    for (size_t i = 0; i < sizeof SQL / sizeof SQL[0]; i++) {
        const regress_run_options options = options_of(p.archive, at(&p, "x.tdb"));
        baseline *b;
        td_err err;
        file_write_text(options.path, "");
        if (SQL[i] != NULL) {
            sqlite3 *db = NULL;
            assert_int_equal(baseline_create(options.path, &(baseline_meta){0}, &b, &err), TD_OK);
            baseline_close(b);
            assert_int_equal(sqlite3_open(options.path, &db), SQLITE_OK);
            assert_int_equal(sqlite3_exec(db, SQL[i], NULL, NULL, NULL), SQLITE_OK);
            assert_int_equal(sqlite3_close(db), SQLITE_OK);
        }
        regress_run_result result;
        if (regress_run(&options, &result, &b, &err) != TD_OK)
            fail_msg("%s", err.text);
        assert_int_equal(result.frames, 1098);
        baseline_close(b);
    }
    place_remove(&p);
}

static void test_nothing_selected(void **state)
{
    (void)state;
    place p;
    place_make(&p, ALL, 1);
    static const char *const TOPICS[] = {"tickers"};
    const selection wanted = {.topics = {TOPICS, 1}};
    regress_run_options options = options_of(p.archive, at(&p, "x.tdb"));
    options.wanted = &wanted;
    regress_run_result result;
    baseline *b;
    td_err err;
    assert_int_equal(regress_run(&options, &result, &b, &err), TD_E_NOTFOUND);
    assert_int_not_equal(access(options.path, F_OK), 0);
    place_remove(&p);
}

/* Times that count from the first frame are the same in every run of one baseline. */
static void test_relative_times(void **state)
{
    (void)state;
    place p;
    place_make(&p, ALL, 1);
    const selection wanted = {.has_from = 1,
                              .has_to = 1,
                              .from = {TD_TIME_SINCE_FIRST, UINT64_C(5000000000)},
                              .to = {TD_TIME_SINCE_FIRST, UINT64_C(10000000000)}};
    regress_run_options options = options_of(p.archive, at(&p, "x.tdb"));
    options.wanted = &wanted;
    options.checkpoint_frames = 50;
    assert_in_range(run_to_end(options, 1), 3, 20);
    baseline *b;
    td_err err;
    assert_int_equal(baseline_open(options.path, BASELINE_READ, &b, &err), TD_OK);
    assert_non_null(strstr(baseline_get_meta(b)->selection, "--from 2021-04-17T16:43:"));
    for (size_t i = 0; i < baseline_stream_count(b); i++) {
        const baseline_stream *s = baseline_stream_at(b, i);
        assert_in_range(s->last_ns - s->first_ns, 0, UINT64_C(10000000000));
    }
    baseline_close(b);
    place_remove(&p);
}

/* ---- frames that are no data of a known topic, and books without a snapshot ---- */

static void put(tape_segment *segment, const char *topic, const char *symbol, uint64_t number,
                const char *text)
{
    const tape_put frame = {.dir = CHANNEL_IN,
                            .topic = topic,
                            .symbol = symbol,
                            .conn = 1,
                            .ordinal = number,
                            .recv_ns = number * 1000,
                            .text = text};
    tape_segment_put(segment, &frame);
}

#define BOOK "orderBookL2_25"
#define SNAPSHOT                                                                                   \
    "{\"topic\":\"orderBookL2_25.BTCUSD\",\"type\":\"snapshot\",\"data\":[{\"price\":\"100.50\","  \
    "\"symbol\":\"BTCUSD\",\"id\":1005000,\"side\":\"Buy\",\"size\":1}],\"cross_seq\":5,"          \
    "\"timestamp_e6\":1618677779806286}"
#define DELTA                                                                                      \
    "{\"topic\":\"orderBookL2_25.BTCUSD\",\"type\":\"delta\",\"data\":{\"delete\":[],\"update\":[" \
    "],\"insert\":[{\"price\":\"101.50\",\"symbol\":\"BTCUSD\",\"id\":1015000,\"side\":\"Sell\","  \
    "\"size\":2}],\"transactTimeE6\":0},\"cross_seq\":6,\"timestamp_e6\":1618677779806287}"

static void make_odd_frames(tape_fixture *fixture)
{
    static char long_topic[LIMIT_TOPIC_BYTES + 64];
    tape_fixture_init(fixture);
    const tape_segment_spec spec = {"inverse", "0000000a", 0, 0, 1};
    tape_segment *segment = tape_segment_open(fixture, &spec);
    tape_segment_connect(segment, 1, 500);
    put(segment, BOOK, "BTCUSD", 1, DELTA);
    put(segment, BOOK, "BTCUSD", 2, SNAPSHOT);
    put(segment, BOOK, "BTCUSD", 3, "{\"topic\":\"orderBookL2_25.BTCUSD\"");
    put(segment, BOOK, "BTCUSD", 4, DELTA);
    put(segment, CHANNEL_TOPIC_UNKNOWN, "", 5, "{\"topic\":\"news\",\"data\":1}");
    put(segment, CHANNEL_TOPIC_UNKNOWN, "", 6, "{\"topic\":\"sports\",\"data\":1}");
    put(segment, CHANNEL_TOPIC_UNKNOWN, "", 7, "{\"topic\":\"news\",\"data\":2}");
    put(segment, CHANNEL_TOPIC_UNKNOWN, "", 8, "not json");
    memset(long_topic, 'x', sizeof long_topic - 1);
    (void)memcpy(long_topic, "{\"topic\":\"", 10);
    (void)memcpy(long_topic + sizeof long_topic - 3, "\"}", 2);
    put(segment, CHANNEL_TOPIC_UNKNOWN, "", 9, long_topic);
    put(segment, CHANNEL_TOPIC_CONTROL, "", 10, "{\"success\":true,\"ret_msg\":\"pong\"}");
    tape_segment_finish(segment);
}

/* So many that blocks are put before the run ends. One stream comes first, and then no more for
 * long. */
static void make_many_frames(tape_fixture *fixture)
{
    static const char *const TOPICS[] = {"news", "news", "sports", "news", "sports", "odds"};
    enum { MANY = 36 * BASELINE_BLOCK_FRAMES, CHUNK = 10000 };
    tape_fixture_init(fixture);
    const tape_segment_spec spec = {"inverse", "0000000a", 0, 0, 1};
    tape_segment *segment = tape_segment_open(fixture, &spec);
    tape_segment_connect(segment, 1, 500);
    put(segment, CHANNEL_TOPIC_UNKNOWN, "", 1, "{\"topic\":\"weather\"}");
    for (uint64_t i = 2; i < MANY; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "{\"topic\":\"%s\",\"data\":%" PRIu64 "}", TOPICS[i % 6],
                       i); /* fits */
        put(segment, CHANNEL_TOPIC_UNKNOWN, "", i, text);
        if (i % CHUNK == 0)
            (void)tape_segment_seal(segment);
    }
    put(segment, CHANNEL_TOPIC_UNKNOWN, "", MANY, "{\"topic\":\"weather\",\"data\":1}");
    tape_segment_finish(segment);
}

/* Whether only whole blocks are put before a checkpoint, or all there is, the baseline is the
 * same. */
static void test_whole_blocks(void **state)
{
    (void)state;
    static const struct {
        unsigned threads;
        uint64_t checkpoint_frames;
        size_t buffer_bytes;
    } CASES[] = {{1, 0, 2000}, {1, 0, 0}, {2, 0, 0}, {2, 50001, 0}, {1, 0, 400000}};
    tape_fixture fixture;
    make_many_frames(&fixture);
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s-x.tdb", fixture.folder); /* fits */
    td_buf expected;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        regress_run_options options = options_of(tape_fixture_archive(&fixture), path);
        options.threads = CASES[i].threads;
        options.checkpoint_frames = CASES[i].checkpoint_frames;
        options.buffer_bytes = CASES[i].buffer_bytes;
        assert_int_equal(run_to_end(options, 0), 1);
        if (i == 0)
            expected = dump(path);
        assert_same(&expected, path);
        assert_int_equal(unlink(path), 0);
    }
    td_buf_fini(&expected);
    tape_fixture_fini(&fixture);
}

/* Frames [from, to) of a feed's segment, one each 10 ms. */
static void put_trades(tape_segment *segment, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++) {
        const tape_put frame = {.dir = CHANNEL_IN,
                                .topic = "trade",
                                .symbol = "BTCUSD",
                                .conn = 1,
                                .ordinal = i + 1,
                                .recv_ns = i * 10 * 1000 * 1000,
                                .text = "{\"topic\":\"trade.BTCUSD\"}"};
        tape_segment_put(segment, &frame);
    }
    (void)tape_segment_seal(segment);
}

/* An archive is being recorded, and frames of one feed become readable after later frames of the
 * other: a run that is interrupted meanwhile and goes on later has them all. */
static void test_recording_goes_on(void **state)
{
    (void)state;
    enum { LIVE_FROM = 500, READABLE = 510, END = 1000 };
    for (unsigned readings = 2; readings < 18; readings += 3) {
        tape_fixture fixture;
        tape_fixture_init(&fixture);
        const tape_segment_spec done = {"linear", "0000000a", 0, 0, 1};
        const tape_segment_spec live = {"inverse", "0000000b", 0, LIVE_FROM * UINT64_C(10000000),
                                        1};
        tape_segment *segment = tape_segment_open(&fixture, &done);
        tape_segment_connect(segment, 1, 0);
        put_trades(segment, 0, END);
        tape_segment_finish(segment);
        segment = tape_segment_open(&fixture, &live);
        tape_segment_connect(segment, 1, LIVE_FROM * UINT64_C(10000000));
        put_trades(segment, LIVE_FROM, READABLE); /* its file is locked until it is finished */
        td_err err;
        char path[PATH_BYTES];
        (void)snprintf(path, sizeof path, "%s-x.tdb", fixture.folder); /* fits */
        regress_run_options options = options_of(tape_fixture_archive(&fixture), path);
        options.checkpoint_frames = 100;
        run_and_end(options, readings);
        put_trades(segment, READABLE, END);
        tape_segment_finish(segment);
        regress_run_result result;
        baseline *b;
        assert_int_equal(regress_run(&options, &result, &b, &err), TD_OK);
        assert_int_equal(baseline_stream_count(b), 2);
        assert_int_equal(baseline_stream_at(b, 0)->frames, END - LIVE_FROM);
        assert_int_equal(baseline_stream_at(b, 1)->frames, END);
        assert_in_range(result.resumed_from_ns, 0,
                        TAPE_FIXTURE_NS + LIVE_FROM * UINT64_C(10000000));
        baseline_close(b);
        assert_int_equal(unlink(path), 0);
        tape_fixture_fini(&fixture);
    }
}

static void test_odd_frames(void **state)
{
    (void)state;
    static const struct {
        const char *topic, *exchange_topic;
        uint64_t frames, undecoded;
    } STREAMS[] = {{"", "", 2, 2},
                   {"", "news", 2, 2},
                   {"", "sports", 1, 1},
                   {"_control", "", 1, 0},
                   {BOOK, "orderBookL2_25.BTCUSD", 4, 1}};
    tape_fixture fixture;
    make_odd_frames(&fixture);
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s-x.tdb", fixture.folder); /* fits */
    const regress_run_options options = options_of(tape_fixture_archive(&fixture), path);
    regress_run_result result;
    baseline *b;
    td_err err;
    assert_int_equal(regress_run(&options, &result, &b, &err), TD_OK);
    assert_int_equal(baseline_stream_count(b), sizeof STREAMS / sizeof STREAMS[0]);
    for (size_t i = 0; i < sizeof STREAMS / sizeof STREAMS[0]; i++) {
        const baseline_stream *s = baseline_stream_at(b, i);
        assert_string_equal(s->topic, STREAMS[i].topic);
        assert_string_equal(s->exchange_topic, STREAMS[i].exchange_topic);
        assert_int_equal(s->frames, STREAMS[i].frames);
        assert_int_equal(s->undecoded, STREAMS[i].undecoded);
    }
    uint64_t hashes[1024];
    const baseline_stream *books = baseline_stream_at(b, 4);
    assert_int_equal(read_hashes(b, books, hashes), 4);
    assert_int_equal(hashes[0] >> 32, 0);     /* before the snapshot */
    assert_int_not_equal(hashes[1] >> 32, 0); /* the snapshot */
    assert_int_equal(hashes[2] >> 32, 0);     /* not decoded */
    assert_int_equal((uint32_t)hashes[2], (uint32_t)canonical_failure(DECODE_NOT_JSON));
    assert_int_not_equal(hashes[3] >> 32, 0);
    assert_int_equal((uint32_t)hashes[0], (uint32_t)hashes[3]); /* the same frame */
    assert_int_equal(read_hashes(b, baseline_stream_at(b, 1), hashes), 2);
    assert_int_equal((uint32_t)hashes[0], (uint32_t)canonical_failure(DECODE_UNKNOWN_TOPIC));
    baseline_close(b);
    assert_int_equal(unlink(path), 0);
    tape_fixture_fini(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_threads_and_memory),
        cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_imported_again),
        cmocka_unit_test(test_selection_in_time),
        cmocka_unit_test(test_existing),
        cmocka_unit_test(test_killed_after_puts),
        cmocka_unit_test(test_reference),
        cmocka_unit_test(test_extended_archive),
        cmocka_unit_test(test_killed_at_first),
        cmocka_unit_test(test_nothing_selected),
        cmocka_unit_test(test_relative_times),
        cmocka_unit_test(test_recording_goes_on),
        cmocka_unit_test(test_odd_frames),
        cmocka_unit_test(test_whole_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
