/* The simulated disk where it differs from other tables (test_io_posix.c). Expected results: the
 * model in tests/testing/io_fault.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "tests/testing/io_fault.h"
#include "base/limits.h"

enum { SEEDS = 400 };

static int open_disk(void **state)
{
    *state = io_fault_open();
    return 0;
}

static int close_disk(void **state)
{
    io_fault_close(*state);
    return 0;
}

static td_file *open_file(io_fault *disk, const char *path, td_open_mode mode)
{
    td_file *file = NULL;
    assert_int_equal(td_io_open(io_fault_io(disk), path, mode, &file, NULL), TD_OK);
    assert_non_null(file);
    return file;
}

/* Makes a file with content; nothing is synced yet. */
static td_file *make_file(io_fault *disk, const char *path, const char *content)
{
    td_file *file = open_file(disk, path, TD_OPEN_CREATE);
    assert_int_equal(td_io_append(file, content, strlen(content), NULL), TD_OK);
    return file;
}

static void make_durable_file(io_fault *disk, const char *dir, const char *path,
                              const char *content)
{
    td_file *file = make_file(disk, path, content);
    assert_int_equal(td_io_sync(file, NULL), TD_OK);
    assert_int_equal(td_io_sync_dir(io_fault_io(disk), dir, NULL), TD_OK);
    td_io_close(file);
}

/* Reads a file into text, with a NUL; 0 if it is missing. */
static int read_file(io_fault *disk, const char *path, char *text, size_t text_bytes)
{
    td_file *file = NULL;
    td_result rc = td_io_open(io_fault_io(disk), path, TD_OPEN_READ, &file, NULL);
    text[0] = '\0';
    if (rc == TD_E_NOTFOUND)
        return 0;
    assert_int_equal(rc, TD_OK);
    size_t got = 0;
    assert_int_equal(td_io_read_at(file, 0, text, text_bytes - 1, &got, NULL), TD_OK);
    text[got] = '\0';
    td_io_close(file);
    return 1;
}

static void assert_content(io_fault *disk, const char *path, const char *want)
{
    char text[256];
    if (want == NULL) {
        assert_false(read_file(disk, path, text, sizeof text));
        return;
    }
    assert_true(read_file(disk, path, text, sizeof text));
    assert_string_equal(text, want);
}

/* Checks a file's content after a cut with this seed; NULL: it is missing. */
static void assert_after_cut(io_fault *disk, uint64_t seed, const char *path, const char *want)
{
    io_fault *after = io_fault_power_cut(disk, seed);
    assert_content(after, path, want);
    io_fault_close(after);
}

/* ---- power cuts ---- */

static void test_cut_keeps_what_was_synced(void **state)
{
    io_fault *disk = *state;
    make_durable_file(disk, "/", "a", "synced");
    td_file *file = open_file(disk, "a", TD_OPEN_APPEND);
    assert_int_equal(td_io_append(file, " more", 5, NULL), TD_OK);
    assert_after_cut(disk, IO_FAULT_CUT_WORST, "a", "synced");
    assert_after_cut(disk, IO_FAULT_CUT_BEST, "a", "synced more");
    for (uint64_t seed = 1; seed < SEEDS; seed++) {
        io_fault *after = io_fault_power_cut(disk, seed);
        char text[64];
        assert_true(read_file(after, "a", text, sizeof text));
        assert_memory_equal(text, "synced", 6);
        io_fault_close(after);
    }
    assert_int_equal(td_io_sync(file, NULL), TD_OK);
    for (uint64_t seed = 0; seed < SEEDS; seed++)
        assert_after_cut(disk, seed, "a", "synced more");
    td_io_close(file);
    assert_content(disk, "a", "synced more"); /* the old disk is unchanged */
}

static void test_cut_needs_sync_dir(void **state)
{
    io_fault *disk = *state;
    td_io io = io_fault_io(disk);
    td_file *file = make_file(disk, "a.open", "x");
    assert_int_equal(td_io_sync(file, NULL), TD_OK);
    assert_after_cut(disk, IO_FAULT_CUT_WORST, "a.open", NULL);
    assert_int_equal(td_io_sync_dir(io, "/", NULL), TD_OK);
    assert_after_cut(disk, IO_FAULT_CUT_WORST, "a.open", "x");

    assert_int_equal(td_io_rename(io, "a.open", "a", NULL), TD_OK);
    assert_after_cut(disk, IO_FAULT_CUT_WORST, "a.open", "x");
    assert_after_cut(disk, IO_FAULT_CUT_WORST, "a", NULL);
    assert_after_cut(disk, IO_FAULT_CUT_BEST, "a.open", NULL);
    assert_after_cut(disk, IO_FAULT_CUT_BEST, "a", "x");
    assert_int_equal(td_io_sync_dir(io, "/", NULL), TD_OK);
    assert_after_cut(disk, IO_FAULT_CUT_WORST, "a", "x");
    assert_after_cut(disk, IO_FAULT_CUT_WORST, "a.open", NULL);

    assert_int_equal(td_io_unlink(io, "a", NULL), TD_OK);
    assert_after_cut(disk, IO_FAULT_CUT_WORST, "a", "x");
    assert_int_equal(td_io_sync_dir(io, ".", NULL), TD_OK);
    assert_after_cut(disk, IO_FAULT_CUT_WORST, "a", NULL);
    td_io_close(file);
}

/* A process that made a folder may have been killed before it synced the parent: mkdir_below syncs
 * it again, so that a durable file below it is not lost with a name above. */
static void test_cut_and_folders_of_others(void **state)
{
    io_fault *disk = *state;
    td_io io = io_fault_io(disk);
    assert_int_equal(td_io_mkdir_all(io, "r", NULL), TD_OK);
    assert_int_equal(io.ops->mkdir(io.ctx, "r/e", NULL), TD_OK);
    assert_int_equal(io.ops->mkdir(io.ctx, "r/e/f", NULL), TD_OK);
    assert_int_equal(td_io_mkdir_below(io, "r", "e/f/g", NULL), TD_OK);
    make_durable_file(disk, "r/e/f/g", "r/e/f/g/a", "1");
    assert_after_cut(disk, IO_FAULT_CUT_WORST, "r/e/f/g/a", "1");
    char name[LIMIT_PATH_BYTES];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(td_io_mkdir_below(io, "r", name, NULL), TD_E_LIMIT);
    assert_int_equal(td_io_mkdir_below(io, "none", "e", NULL), TD_E_NOTFOUND);
}

/* A durable file in a folder that is not durable is lost; mkdir_all leaves no such folder. */
static void test_cut_and_folders(void **state)
{
    io_fault *disk = *state;
    td_io io = io_fault_io(disk);
    assert_int_equal(io.ops->mkdir(io.ctx, "d", NULL), TD_OK);
    make_durable_file(disk, "d", "d/a", "x");
    assert_after_cut(disk, IO_FAULT_CUT_WORST, "d/a", NULL);
    assert_int_equal(td_io_mkdir_all(io, "e/f/g", NULL), TD_OK);
    make_durable_file(disk, "e/f/g", "e/f/g/a", "x");
    for (uint64_t seed = 0; seed < SEEDS; seed++)
        assert_after_cut(disk, seed, "e/f/g/a", "x");
}

/* A rename inside one folder: with some seeds the old name, with others the new one, never both or
 * neither. */
static void test_cut_rename_is_atomic(void **state)
{
    io_fault *disk = *state;
    make_durable_file(disk, "/", "from", "x");
    assert_int_equal(td_io_rename(io_fault_io(disk), "from", "to", NULL), TD_OK);
    unsigned renamed = 0;
    for (uint64_t seed = 1; seed < SEEDS; seed++) {
        io_fault *after = io_fault_power_cut(disk, seed);
        char text[8];
        int has_from = read_file(after, "from", text, sizeof text);
        int has_to = read_file(after, "to", text, sizeof text);
        assert_int_equal(has_from + has_to, 1);
        renamed += (unsigned)has_to;
        io_fault_close(after);
    }
    assert_in_range(renamed, SEEDS / 4, SEEDS * 3 / 4);
}

/* Between two folders, one of them synced: that half of the rename is durable. */
static void test_cut_rename_between_folders(void **state)
{
    io_fault *disk = *state;
    td_io io = io_fault_io(disk);
    assert_int_equal(td_io_mkdir_all(io, "p", NULL), TD_OK);
    assert_int_equal(td_io_mkdir_all(io, "q", NULL), TD_OK);
    make_durable_file(disk, "p", "p/a", "x");
    assert_int_equal(td_io_rename(io, "p/a", "q/a", NULL), TD_OK);
    assert_int_equal(td_io_sync_dir(io, "q", NULL), TD_OK);
    assert_after_cut(disk, IO_FAULT_CUT_WORST, "p/a", "x");
    assert_after_cut(disk, IO_FAULT_CUT_WORST, "q/a", "x");
    assert_int_equal(td_io_sync_dir(io, "p", NULL), TD_OK);
    assert_after_cut(disk, IO_FAULT_CUT_WORST, "p/a", NULL);
    assert_after_cut(disk, IO_FAULT_CUT_WORST, "q/a", "x");
}

enum { BIG_BYTES = 5000, SYNCED_BYTES = 700 };

typedef struct tear_counts {
    unsigned whole, none, shorter, holes;
} tear_counts;

/* Checks that every sector after the synced part is as written or zeros, and that no sector is
 * split. */
static void check_torn(const uint8_t *got, size_t size, tear_counts *counts)
{
    assert_true(size >= SYNCED_BYTES && size <= BIG_BYTES);
    for (size_t i = 0; i < SYNCED_BYTES; i++)
        assert_int_equal(got[i], 1 + i % 200);
    int has_hole = 0;
    size_t at = SYNCED_BYTES;
    while (at < size) {
        size_t end = (at / 512 + 1) * 512 < size ? (at / 512 + 1) * 512 : size;
        int is_written = got[at] != 0;
        for (; at < end; at++)
            assert_int_equal(got[at], is_written ? 1 + at % 200 : 0);
        has_hole |= !is_written;
    }
    counts->holes += (unsigned)has_hole;
    counts->whole += size == BIG_BYTES && !has_hole;
    counts->none += size == SYNCED_BYTES;
    counts->shorter += size > SYNCED_BYTES && size < BIG_BYTES;
}

static void test_cut_tears_writes(void **state)
{
    io_fault *disk = *state;
    uint8_t bytes[BIG_BYTES];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(1 + i % 200);
    make_durable_file(disk, "/", "a", "");
    td_file *file = open_file(disk, "a", TD_OPEN_APPEND);
    assert_int_equal(td_io_append(file, bytes, SYNCED_BYTES, NULL), TD_OK);
    assert_int_equal(td_io_sync(file, NULL), TD_OK);
    assert_int_equal(td_io_append(file, bytes + SYNCED_BYTES, BIG_BYTES - SYNCED_BYTES, NULL),
                     TD_OK);
    td_io_close(file);
    tear_counts counts = {0};
    for (uint64_t seed = 1; seed < SEEDS; seed++) {
        io_fault *after = io_fault_power_cut(disk, seed);
        file = open_file(after, "a", TD_OPEN_READ);
        uint8_t got[BIG_BYTES + 1];
        size_t size = 0;
        assert_int_equal(td_io_read_at(file, 0, got, sizeof got, &size, NULL), TD_OK);
        check_torn(got, size, &counts);
        td_io_close(file);
        io_fault_close(after);
    }
    /* Each outcome occurs, and more than once. */
    assert_true(counts.whole > 20);
    assert_true(counts.none > 20);
    assert_true(counts.shorter > 20);
    assert_true(counts.holes > 20);
}

/* Later unsynced writes may survive without earlier ones; truncations may be lost. */
static void test_cut_order_is_free(void **state)
{
    io_fault *disk = *state;
    td_io io = io_fault_io(disk);
    td_io_close(make_file(disk, "1", ""));
    td_io_close(make_file(disk, "2", ""));
    make_durable_file(disk, "/", "3", "abcdef");
    assert_int_equal(td_io_unlink(io, "1", NULL), TD_OK);
    assert_int_equal(td_io_unlink(io, "2", NULL), TD_OK);
    td_file *file = open_file(disk, "3", TD_OPEN_APPEND);
    assert_int_equal(td_io_truncate(file, 2, NULL), TD_OK);
    assert_int_equal(td_io_append(file, "XY", 2, NULL), TD_OK);
    td_io_close(file);
    unsigned seen[4] = {0};
    unsigned contents[4] = {0};
    for (uint64_t seed = 1; seed < SEEDS; seed++) {
        io_fault *after = io_fault_power_cut(disk, seed);
        char text[64];
        int has_1 = read_file(after, "1", text, sizeof text);
        int has_2 = read_file(after, "2", text, sizeof text);
        seen[has_1 + 2 * has_2]++;
        assert_true(read_file(after, "3", text, sizeof text));
        static const char *const ALLOWED[] = {"abcdef", "ab", "abXY", "abXYef"};
        for (unsigned i = 0; i < 4; i++)
            contents[i] += strcmp(text, ALLOWED[i]) == 0;
        io_fault_close(after);
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_true(seen[i] > 5);
        assert_true(contents[i] > 5);
    }
}

static void test_cut_is_repeatable(void **state)
{
    io_fault *disk = *state;
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    make_durable_file(disk, "/", "a", "");
    td_file *file = open_file(disk, "a", TD_OPEN_APPEND);
    assert_int_equal(td_io_append(file, text, sizeof text - 1, NULL), TD_OK);
    for (uint64_t seed = 1; seed < 50; seed++) {
        io_fault *one = io_fault_power_cut(disk, seed);
        io_fault *two = io_fault_power_cut(disk, seed);
        char other[2000];
        assert_true(read_file(one, "a", text, sizeof text));
        assert_true(read_file(two, "a", other, sizeof other));
        assert_string_equal(text, other);
        /* What is on the platter after a cut is still there after the next cut. */
        io_fault *again = io_fault_power_cut(one, IO_FAULT_CUT_WORST);
        assert_true(read_file(again, "a", other, sizeof other));
        assert_string_equal(text, other);
        io_fault_close(again);
        io_fault_close(one);
        io_fault_close(two);
    }
    td_io_close(file);
}

/* Bytes that a failed sync was to write may be there or not; bytes synced later are always there,
 * and are not undone by them. */
static void test_cut_after_a_failed_sync(void **state)
{
    io_fault *disk = *state;
    unsigned long_tails = 0;
    make_durable_file(disk, "/", "a", "1234");
    td_file *file = open_file(disk, "a", TD_OPEN_APPEND);
    assert_int_equal(td_io_truncate(file, 2, NULL), TD_OK);
    io_fault_set_sync(disk, IO_FAULT_SYNC_FAILS);
    assert_int_equal(td_io_sync(file, NULL), TD_E_IO);
    io_fault_set_sync(disk, IO_FAULT_SYNC_WORKS);
    assert_int_equal(td_io_append(file, "x", 1, NULL), TD_OK);
    assert_int_equal(td_io_sync(file, NULL), TD_OK);
    for (uint64_t seed = 0; seed < 100; seed++) {
        char text[8];
        io_fault *after = io_fault_power_cut(disk, seed);
        assert_true(read_file(after, "a", text, sizeof text));
        int is_long = strcmp(text, "12x4") == 0;
        long_tails += (unsigned)is_long;
        assert_true(is_long || strcmp(text, "12x") == 0);
        io_fault_close(after);
    }
    assert_in_range(long_tails, 5, 95);
    td_io_close(file);
}

/* Bytes that a failed sync left only in the cache become durable when they are written again and
 * synced; earlier durable bytes stay so meanwhile. */
static void test_renewed_after_a_failed_sync(void **state)
{
    io_fault *disk = *state;
    make_durable_file(disk, "/", "a", "12");
    td_file *file = open_file(disk, "a", TD_OPEN_APPEND);
    assert_int_equal(td_io_append(file, "34", 2, NULL), TD_OK);
    io_fault_set_sync(disk, IO_FAULT_SYNC_FAILS);
    assert_int_equal(td_io_sync(file, NULL), TD_E_IO);
    io_fault_set_sync(disk, IO_FAULT_SYNC_WORKS);
    assert_int_equal(td_io_sync(file, NULL), TD_OK);
    assert_after_cut(disk, IO_FAULT_CUT_WORST, "a", "12");
    assert_int_equal(td_io_rewrite(file, 1, 3, NULL), TD_OK);
    assert_content(disk, "a", "1234");
    for (uint64_t seed = 0; seed < 50; seed++) {
        char text[8];
        io_fault *after = io_fault_power_cut(disk, seed);
        assert_true(read_file(after, "a", text, sizeof text));
        assert_memory_equal(text, "12", 2);
        io_fault_close(after);
    }
    assert_int_equal(td_io_sync(file, NULL), TD_OK);
    assert_after_cut(disk, IO_FAULT_CUT_WORST, "a", "1234");
    assert_int_equal(td_io_rewrite(file, 3, 2, NULL), TD_E_TRUNCATED);
    td_io_close(file);
}

/* A killed process loses nothing, but its unsynced changes can still be lost. */
static void test_kill_keeps_unsynced_changes(void **state)
{
    io_fault *disk = *state;
    make_durable_file(disk, "/", "a", "1");
    td_file *file = open_file(disk, "a", TD_OPEN_APPEND);
    assert_int_equal(td_io_append(file, "2", 1, NULL), TD_OK);
    td_file *unsynced = make_file(disk, "b", "3");
    td_lock *lock = NULL, *second = NULL;
    assert_int_equal(td_io_lock(io_fault_io(disk), "lock", "pid 1", &lock, NULL), TD_OK);
    io_fault *next = io_fault_kill(disk);
    assert_int_equal(io_fault_open_count(next), 0);
    assert_int_equal(td_io_lock(io_fault_io(next), "lock", "pid 2", &second, NULL), TD_OK);
    td_io_unlock(second);
    td_io_unlock(lock);
    assert_content(next, "a", "12");
    assert_content(next, "b", "3");
    assert_after_cut(next, IO_FAULT_CUT_WORST, "a", "1");
    assert_after_cut(next, IO_FAULT_CUT_WORST, "b", NULL);
    td_file *later = open_file(next, "a", TD_OPEN_APPEND);
    assert_int_equal(td_io_sync(later, NULL), TD_OK);
    assert_int_equal(td_io_sync_dir(io_fault_io(next), "/", NULL), TD_OK);
    assert_after_cut(next, IO_FAULT_CUT_WORST, "a", "12");
    assert_after_cut(next, IO_FAULT_CUT_WORST, "b", "");
    td_io_close(later);
    io_fault_close(next);
    td_io_close(unsynced);
    td_io_close(file);
}

#define ON_DISK(test) cmocka_unit_test_setup_teardown(test, open_disk, close_disk)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_DISK(test_cut_keeps_what_was_synced),
        ON_DISK(test_cut_needs_sync_dir),
        ON_DISK(test_cut_and_folders),
        ON_DISK(test_cut_and_folders_of_others),
        ON_DISK(test_cut_rename_is_atomic),
        ON_DISK(test_cut_rename_between_folders),
        ON_DISK(test_cut_tears_writes),
        ON_DISK(test_cut_order_is_free),
        ON_DISK(test_cut_is_repeatable),
        ON_DISK(test_cut_after_a_failed_sync),
        ON_DISK(test_renewed_after_a_failed_sync),
        ON_DISK(test_kill_keeps_unsynced_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
