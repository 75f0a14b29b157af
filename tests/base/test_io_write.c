/* Files written as a whole, and names that survive a power cut: td_io_write_file, td_io_publish and
 * td_io_read_file on the simulated disk. Expected: base/io.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "tests/testing/io_fault.h"

enum { SEEDS = 20, SWEEP_CALLS_MAX = 100 };

#define OLD_CONTENT "old"
#define NEW_CONTENT "newer"

static td_result append_text(void *user, td_file *file, td_err *err)
{
    const char *text = user;
    for (const char *c = text; *c != '\0'; c++) {
        td_result rc = td_io_append(file, c, 1, err);
        if (rc != TD_OK)
            return rc;
    }
    return TD_OK;
}

static td_result append_and_fail(void *user, td_file *file, td_err *err)
{
    td_result rc = append_text(user, file, err);
    return rc == TD_OK ? td_err_set(err, TD_E_CORRUPT, "no more of it") : rc;
}

static td_result write_text(io_fault *disk, const char *path, const char *text, td_err *err)
{
    return td_io_write_file(io_fault_io(disk), path, TD_OPEN_CREATE, append_text, (void *)text,
                            err);
}

/* A file's content, or "-" if it is missing. */
static const char *content_of(io_fault *disk, const char *path, char text[64])
{
    uint8_t *bytes;
    size_t size;
    td_result rc = td_io_read_file(io_fault_io(disk), path, 63, &bytes, &size, NULL);
    if (rc == TD_E_NOTFOUND)
        return "-";
    assert_int_equal(rc, TD_OK);
    memcpy(text, bytes, size + 1);
    td_free(bytes);
    return text;
}

static void assert_content(io_fault *disk, const char *path, const char *want)
{
    char text[64];
    assert_string_equal(content_of(disk, path, text), want);
}

/* A disk with a durable file d/a, and a folder e. */
static int open_disk(void **state)
{
    io_fault *disk = io_fault_open();
    assert_int_equal(td_io_mkdir_all(io_fault_io(disk), "d", NULL), TD_OK);
    assert_int_equal(td_io_mkdir_all(io_fault_io(disk), "e", NULL), TD_OK);
    assert_int_equal(write_text(disk, "d/a", OLD_CONTENT, NULL), TD_OK);
    *state = disk;
    return 0;
}

static int close_disk(void **state)
{
    assert_int_equal(io_fault_open_count(*state), 0);
    io_fault_close(*state);
    return 0;
}

static void a_file_is_replaced(void **state)
{
    io_fault *disk = *state;
    td_err err = {0};
    td_file *left = NULL;
    assert_int_equal(td_io_open(io_fault_io(disk), "d/a.part", TD_OPEN_CREATE, &left, NULL), TD_OK);
    assert_int_equal(td_io_append(left, "left by an earlier attempt", 26, NULL), TD_OK);
    td_io_close(left);
    assert_int_equal(write_text(disk, "d/a", NEW_CONTENT, &err), TD_OK);
    assert_int_equal(err.code, TD_OK);
    assert_content(disk, "d/a.part", "-");
    io_fault *after = io_fault_power_cut(disk, IO_FAULT_CUT_WORST);
    assert_content(after, "d/a", NEW_CONTENT);
    io_fault_close(after);
    assert_int_equal(td_io_write_file(io_fault_io(disk), "d/a", TD_OPEN_CREATE, append_and_fail,
                                      (void *)"half", &err),
                     TD_E_CORRUPT);
    assert_string_equal(err.text, "no more of it");
    assert_content(disk, "d/a", NEW_CONTENT);
    assert_int_equal(write_text(disk, "missing/a", NEW_CONTENT, &err), TD_E_NOTFOUND);
}

/* Files in the root and in the current folder. */
static void folders_without_a_name(void **state)
{
    io_fault *disk = *state;
    assert_int_equal(write_text(disk, "b", "1", NULL), TD_OK);
    assert_int_equal(write_text(disk, "/c", "2", NULL), TD_OK);
    io_fault *after = io_fault_power_cut(disk, IO_FAULT_CUT_WORST);
    assert_content(after, "b", "1");
    assert_content(after, "c", "2");
    io_fault_close(after);
}

/* Whichever call fails, the old or the new file is complete, and the next attempt succeeds. */
static void a_failing_call_leaves_a_whole_file(void **state)
{
    (void)state;
    for (uint64_t fail_at = 1;; fail_at++) {
        void *opened = NULL;
        (void)open_disk(&opened);
        io_fault *disk = opened;
        io_fault_set_plan(disk, (io_fault_plan){.kind = IO_FAULT_EIO, .fail_at = fail_at});
        td_result rc = write_text(disk, "d/a", NEW_CONTENT, NULL);
        int did_fire = io_fault_did_fire(disk);
        io_fault_set_plan(disk, (io_fault_plan){0});
        assert_int_equal(rc == TD_OK, !did_fire);
        char text[64];
        const char *content = content_of(disk, "d/a", text);
        assert_true(strcmp(content, OLD_CONTENT) == 0 || strcmp(content, NEW_CONTENT) == 0);
        assert_int_equal(write_text(disk, "d/a", NEW_CONTENT, NULL), TD_OK);
        assert_content(disk, "d/a", NEW_CONTENT);
        (void)close_disk(&opened);
        if (!did_fire)
            break;
        assert_true(fail_at < SWEEP_CALLS_MAX);
    }
}

/* The same for a power cut after any change. */
static void a_power_cut_leaves_a_whole_file(void **state)
{
    io_fault *disk = *state;
    io_fault_log_start(disk);
    assert_int_equal(write_text(disk, "d/a", NEW_CONTENT, NULL), TD_OK);
    uint64_t count = io_fault_log_count(disk);
    assert_true(count > strlen(NEW_CONTENT));
    for (uint64_t n = 0; n <= count; n++) {
        io_fault *then = io_fault_at(disk, n);
        assert_non_null(then);
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            io_fault *after = io_fault_power_cut(then, seed);
            char text[64];
            const char *content = content_of(after, "d/a", text);
            if (strcmp(content, NEW_CONTENT) != 0 &&
                (n == count || strcmp(content, OLD_CONTENT) != 0))
                fail_msg("after %d of %d changes, seed %d: '%s'", (int)n, (int)count, (int)seed,
                         content);
            io_fault_close(after);
        }
        io_fault_close(then);
    }
}

/* Both folders are synced. */
static void a_file_is_published_in_another_folder(void **state)
{
    io_fault *disk = *state;
    assert_int_equal(td_io_publish(io_fault_io(disk), "d/a", "e/b", NULL), TD_OK);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        io_fault *after = io_fault_power_cut(disk, seed);
        assert_content(after, "d/a", "-");
        assert_content(after, "e/b", OLD_CONTENT);
        io_fault_close(after);
    }
    assert_int_equal(td_io_publish(io_fault_io(disk), "d/a", "e/b", NULL), TD_E_NOTFOUND);
}

static void paths_that_leave_a_folder_are_known(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        int is_below;
    } ROWS[] = {{"a", 1},    {"a/b.c", 1}, {"a/..b", 1}, {"", 0},   {"/a", 0},     {"a/", 0},
                {"a//b", 0}, {".", 0},     {"a/./b", 0}, {"..", 0}, {"a/../b", 0}, {"a/..", 0}};
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++)
        if (td_path_is_below(td_bytes_str(ROWS[i].path)) != ROWS[i].is_below)
            fail_msg("'%s'", ROWS[i].path);
}

#define ON_DISK(test) cmocka_unit_test_setup_teardown(test, open_disk, close_disk)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_DISK(a_file_is_replaced),
        ON_DISK(folders_without_a_name),
        cmocka_unit_test(a_failing_call_leaves_a_whole_file),
        ON_DISK(a_power_cut_leaves_a_whole_file),
        ON_DISK(a_file_is_published_in_another_folder),
        cmocka_unit_test(paths_that_leave_a_folder_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
