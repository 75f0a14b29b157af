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
#include "tests/testing/damage_fixture.h"
#include "tests/testing/segment_fixture.h"

enum { FRAMES = DAMAGE_SEGMENTS * DAMAGE_CHUNKS * 20, ENDS_MAX = 64 };

static td_io io_of(const damage_fixture *f)
{
    return io_fault_io(f->env.disk);
}

static void must_have_all_frames(damage_fixture *f)
{
    assert_int_equal(archive_fixture_check_frames(&f->env, FIXTURE_FEED, 0, 1), FRAMES);
}

static void must_be(damage_fixture *f, verify_severity wanted, const char *doing, size_t at)
{
    if (damage_verify(f) != wanted)
        fail_msg("%s %zu: %s wanted:\n%s", doing, at, verify_severity_name(wanted), f->text);
}

/* Checks that open gaps of the ledger begin after all frames. */
static void must_not_hide_frames(damage_fixture *f, size_t at)
{
    const uint64_t last_ns = FIXTURE_START_NS + FIXTURE_STEP_NS * (FRAMES - 1);
    gap_list list;
    td_err err;
    archive *a = archive_env_open(&f->env, ARCHIVE_READ, NULL);
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
        damage_fixture *f = damage_open();
        count = damage_journal_ends(f, ends, ENDS_MAX);
        damage_put(f, DAMAGE_SEGMENTS, f->bytes[DAMAGE_SEGMENTS], ends[i]);
        if (damage_verify(f) > (i + 1 == count ? VERIFY_SOUND : VERIFY_RECOVERABLE))
            fail_msg("journal up to entry %zu:\n%s", i, f->text);
        archive_fixture_recover(&f->env, &report);
        assert_false(report.is_lossy);
        assert_int_equal(report.segments_failed + report.segments_missing, 0);
        must_be(f, VERIFY_SOUND, "recovered, journal up to entry", i);
        must_have_all_frames(f);
        must_not_hide_frames(f, i);
        archive_fixture_recover(&f->env, &report);
        assert_int_equal(report.segments_entered + report.gaps_opened, 0);
        damage_close(f, "a journal older than the segments");
    }
    assert_true(count >= 8);
}

/* The end offsets of a segment's blocks. */
static size_t block_ends(const damage_fixture *f, size_t segment, size_t *ends, size_t max)
{
    static const char MAGIC[] = "TDCHAIN1";
    size_t count = 0;
    for (size_t at = 9; at + 8 < f->sizes[segment]; at++) {
        if (memcmp(f->bytes[segment] + at, MAGIC, 8) != 0)
            continue;
        assert_true(count < max);
        ends[count++] = at + (size_t)td_le64(f->bytes[segment] + at - 8);
    }
    assert_int_equal(count, DAMAGE_CHUNKS);
    return count;
}

/* Writes the beginning of a segment, up to the middle of a block, to its file name with ".open". */
static void put_open(const damage_fixture *f, size_t segment, size_t size,
                     char path[LIMIT_PATH_BYTES])
{
    (void)snprintf(path, LIMIT_PATH_BYTES, "%.4000s.open", f->paths[segment]);
    file_make(io_of(f), path, f->bytes[segment], size);
}

static int is_there(const damage_fixture *f, const char *path)
{
    td_file *file = NULL;
    td_result rc = td_io_open(io_of(f), path, TD_OPEN_READ, &file, NULL);
    td_io_close(file);
    return rc == TD_OK;
}

static void must_put_away(damage_fixture *f, size_t segment, size_t size)
{
    char path[LIMIT_PATH_BYTES];
    recover_report report;
    put_open(f, segment, size, path);
    must_be(f, VERIFY_SOUND, "with a copy of size", size);
    assert_non_null(strstr(f->text, "a copy of"));
    must_have_all_frames(f);
    archive_fixture_recover(&f->env, &report);
    assert_int_equal(report.copies_quarantined, 1);
    assert_int_equal(report.segments_recovered + report.segments_failed, 0);
    assert_false(report.is_lossy);
    assert_false(is_there(f, path));
    must_be(f, VERIFY_SOUND, "put away, of size", size);
    must_have_all_frames(f);
}

/* A segment was copied while it was written, and again when it was finished. The older copy may
 * have any size: empty, torn anywhere, or complete but not renamed. */
static void test_older_segment_copy(void **state)
{
    (void)state;
    for (size_t segment = 0; segment < DAMAGE_SEGMENTS; segment++) {
        damage_fixture *f = damage_open();
        for (size_t size = 0; size < f->sizes[segment]; size += 97)
            must_put_away(f, segment, size);
        must_put_away(f, segment, f->sizes[segment]);
        damage_close(f, "older copies of segments");
    }
}

static void must_leave(damage_fixture *f, const char *path)
{
    recover_report report;
    must_be(f, VERIFY_DAMAGED, path, 0);
    assert_non_null(strstr(f->text, path + strlen(ARCHIVE_FIXTURE_PATH "/")));
    archive_fixture_recover(&f->env, &report);
    assert_int_equal(report.segments_failed, 1);
    assert_int_equal(report.copies_quarantined + report.segments_recovered, 0);
    assert_true(is_there(f, path));
}

/* The journal was copied after the segments: it shows that a copied open segment is incomplete,
 * even after recovery has finished that segment. */
static void test_newer_journal(void **state)
{
    (void)state;
    char path[LIMIT_PATH_BYTES];
    size_t ends[ENDS_MAX];
    for (size_t segment = 0; segment < DAMAGE_SEGMENTS; segment++) {
        damage_fixture *f = damage_open();
        size_t count = block_ends(f, segment, ends, ENDS_MAX);
        assert_int_equal(td_io_unlink(io_of(f), f->paths[segment], NULL), TD_OK);
        for (size_t i = 0; i + 1 < count; i++) {
            put_open(f, segment, ends[i], path);
            must_leave(f, path);
            assert_int_equal(td_io_unlink(io_of(f), path, NULL), TD_OK);
        }
        recover_report report;
        put_open(f, segment, ends[count - 1] + 5, path); /* all blocks but the last */
        archive_fixture_recover(&f->env, &report);
        assert_int_equal(report.segments_recovered, 1);
        assert_false(report.is_lossy);
        must_have_all_frames(f);
        damage_close(f, "open segments that the journal knows as finished");
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
    damage_fixture *f = damage_open();
    (void)damage_journal_ends(f, entries, ENDS_MAX);
    (void)block_ends(f, 0, ends, ENDS_MAX);
    damage_put(f, DAMAGE_SEGMENTS, f->bytes[DAMAGE_SEGMENTS], entries[1]); /* it has begun */
    assert_int_equal(td_io_unlink(io_of(f), f->paths[0], NULL), TD_OK);
    put_open(f, 0, ends[1], path);
    must_leave(f, path);
    file_make(io_of(f), f->paths[0], f->bytes[0], f->sizes[0]); /* put the complete file back */
    recover_report report;
    archive_fixture_recover(&f->env, &report);
    assert_int_equal(report.copies_quarantined, 1);
    assert_false(report.is_lossy);
    must_have_all_frames(f);
    damage_close(f, "a segment that was copied too early");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_older_journal),
        cmocka_unit_test(test_older_segment_copy),
        cmocka_unit_test(test_newer_journal),
        cmocka_unit_test(test_short_before_the_next),
    };
    return cmocka_run_group_tests_name("copies", tests, NULL, NULL);
}
