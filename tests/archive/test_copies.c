/* Copies of an archive that was being written meanwhile, so that the copied files are of different
 * times. Expected: FORMAT.md ("The folder", "Recovery"), docs/archive.md ("Backup"). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "archive/ledger.h"
#include "tests/testing/files.h"
#include "tests/testing/damage_bench.h"
#include "tests/testing/segment_fixture.h"

enum { FRAMES = BENCH_SEGMENTS * BENCH_CHUNKS * 20, ENDS_MAX = 64 };

static td_io io_of(const bench *b)
{
    return io_fault_io(b->env.disk);
}

static void must_have_all_frames(bench *b)
{
    assert_int_equal(archive_fixture_check_frames(&b->env, FIXTURE_FEED, 0, 1), FRAMES);
}

static void must_be(bench *b, verify_severity wanted, const char *doing, size_t at)
{
    if (bench_verify(b) != wanted)
        fail_msg("%s %zu: %s wanted:\n%s", doing, at, verify_severity_name(wanted), b->text);
}

/* Checks that open gaps of the ledger begin after all frames. */
static void must_not_hide_frames(bench *b, size_t at)
{
    const uint64_t last_ns = FIXTURE_START_NS + FIXTURE_STEP_NS * (FRAMES - 1);
    gap_list list;
    td_err err;
    archive *a = archive_env_open(&b->env, ARCHIVE_READ, NULL);
    assert_int_equal(archive_gaps(a, &list, &err), TD_OK);
    for (size_t i = 0; i < list.count; i++) {
        const gap_row *row = &list.rows[i];
        if (row->to_ns == GAP_OPEN && row->from_ns < last_ns && row->from_ns > 7)
            fail_msg("journal up to entry %zu: a gap without end from %llu on", at,
                     (unsigned long long)row->from_ns);
    }
    gap_list_fini(&list);
    archive_close(a);
}

/* The journal was copied before the segments: any earlier version of it, with all segments. */
static void test_older_journal(void **state)
{
    (void)state;
    size_t count = 1;
    for (size_t i = 0; i < count; i++) {
        size_t ends[ENDS_MAX];
        recover_report report;
        bench *b = bench_open();
        count = bench_journal_ends(b, ends, ENDS_MAX);
        bench_put(b, BENCH_SEGMENTS, b->bytes[BENCH_SEGMENTS], ends[i]);
        if (bench_verify(b) > (i + 1 == count ? VERIFY_SOUND : VERIFY_RECOVERABLE))
            fail_msg("journal up to entry %zu:\n%s", i, b->text);
        archive_fixture_recover(&b->env, &report);
        assert_false(report.is_lossy);
        assert_int_equal(report.segments_failed + report.segments_missing, 0);
        must_be(b, VERIFY_SOUND, "recovered, journal up to entry", i);
        must_have_all_frames(b);
        must_not_hide_frames(b, i);
        archive_fixture_recover(&b->env, &report);
        assert_int_equal(report.segments_entered + report.gaps_opened, 0);
        bench_close(b, "a journal older than the segments");
    }
    assert_true(count >= 8);
}

/* The end offsets of a segment's blocks. */
static size_t block_ends(const bench *b, size_t segment, size_t *ends, size_t max)
{
    static const char MAGIC[] = "TDCHAIN1";
    size_t count = 0;
    for (size_t at = 9; at + 8 < b->sizes[segment]; at++) {
        if (memcmp(b->bytes[segment] + at, MAGIC, 8) != 0)
            continue;
        assert_true(count < max);
        ends[count++] = at + (size_t)td_le64(b->bytes[segment] + at - 8);
    }
    assert_int_equal(count, BENCH_CHUNKS);
    return count;
}

/* Writes the beginning of a segment, up to the middle of a block, to its file name with ".open". */
static void put_open(const bench *b, size_t segment, size_t size, char path[LIMIT_PATH_BYTES])
{
    (void)snprintf(path, LIMIT_PATH_BYTES, "%.4000s.open", b->paths[segment]);
    file_make(io_of(b), path, b->bytes[segment], size);
}

static int is_there(const bench *b, const char *path)
{
    td_file *file = NULL;
    td_result rc = td_io_open(io_of(b), path, TD_OPEN_READ, &file, NULL);
    td_io_close(file);
    return rc == TD_OK;
}

static void must_put_away(bench *b, size_t segment, size_t size)
{
    char path[LIMIT_PATH_BYTES];
    recover_report report;
    put_open(b, segment, size, path);
    must_be(b, VERIFY_SOUND, "with a copy of size", size);
    assert_non_null(strstr(b->text, "a copy of"));
    must_have_all_frames(b);
    archive_fixture_recover(&b->env, &report);
    assert_int_equal(report.copies_quarantined, 1);
    assert_int_equal(report.segments_recovered + report.segments_failed, 0);
    assert_false(report.is_lossy);
    assert_false(is_there(b, path));
    must_be(b, VERIFY_SOUND, "put away, of size", size);
    must_have_all_frames(b);
}

/* A segment was copied while it was written, and again when it was finished. The older copy may
 * have any size: empty, torn anywhere, or complete but not renamed. */
static void test_older_copy(void **state)
{
    (void)state;
    for (size_t segment = 0; segment < BENCH_SEGMENTS; segment++) {
        bench *b = bench_open();
        for (size_t size = 0; size < b->sizes[segment]; size += 97)
            must_put_away(b, segment, size);
        must_put_away(b, segment, b->sizes[segment]);
        bench_close(b, "older copies of segments");
    }
}

static void must_leave(bench *b, const char *path)
{
    recover_report report;
    must_be(b, VERIFY_DAMAGED, path, 0);
    assert_non_null(strstr(b->text, path + strlen(ARCHIVE_FIXTURE_PATH "/")));
    archive_fixture_recover(&b->env, &report);
    assert_int_equal(report.segments_failed, 1);
    assert_int_equal(report.copies_quarantined + report.segments_recovered, 0);
    assert_true(is_there(b, path));
}

/* The journal was copied after the segments: it shows that a copied open segment is incomplete,
 * even after recovery has finished that segment. */
static void test_newer_journal(void **state)
{
    (void)state;
    char path[LIMIT_PATH_BYTES];
    size_t ends[ENDS_MAX];
    for (size_t segment = 0; segment < BENCH_SEGMENTS; segment++) {
        bench *b = bench_open();
        size_t count = block_ends(b, segment, ends, ENDS_MAX);
        assert_int_equal(td_io_unlink(io_of(b), b->paths[segment], NULL), TD_OK);
        for (size_t i = 0; i + 1 < count; i++) {
            put_open(b, segment, ends[i], path);
            must_leave(b, path);
            assert_int_equal(td_io_unlink(io_of(b), path, NULL), TD_OK);
        }
        recover_report report;
        put_open(b, segment, ends[count - 1] + 5, path); /* all blocks but the last */
        archive_fixture_recover(&b->env, &report);
        assert_int_equal(report.segments_recovered, 1);
        assert_false(report.is_lossy);
        must_have_all_frames(b);
        bench_close(b, "open segments that the journal knows as finished");
    }
}

/* A segment whose end is missing: only the next segment shows the loss, neither the journal nor
 * another copy. */
static void test_short_before_the_next(void **state)
{
    (void)state;
    char path[LIMIT_PATH_BYTES];
    size_t entries[ENDS_MAX];
    size_t ends[ENDS_MAX];
    bench *b = bench_open();
    (void)bench_journal_ends(b, entries, ENDS_MAX);
    (void)block_ends(b, 0, ends, ENDS_MAX);
    bench_put(b, BENCH_SEGMENTS, b->bytes[BENCH_SEGMENTS], entries[1]); /* it has begun */
    assert_int_equal(td_io_unlink(io_of(b), b->paths[0], NULL), TD_OK);
    put_open(b, 0, ends[1], path);
    must_leave(b, path);
    file_make(io_of(b), b->paths[0], b->bytes[0], b->sizes[0]); /* put the complete file back */
    recover_report report;
    archive_fixture_recover(&b->env, &report);
    assert_int_equal(report.copies_quarantined, 1);
    assert_false(report.is_lossy);
    must_have_all_frames(b);
    bench_close(b, "a segment that was copied too early");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_older_journal),
        cmocka_unit_test(test_older_copy),
        cmocka_unit_test(test_newer_journal),
        cmocka_unit_test(test_short_before_the_next),
    };
    return cmocka_run_group_tests_name("copies", tests, NULL, NULL);
}
