/* The folder of an export: whole or not at all, whatever call fails. The disk is simulated; what
 * must hold is what docs/export.md promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/alloc.h"
#include "tests/testing/io_fault.h"
#include "export/export_folder.h"

#define FOLDER "sets/one"

enum { LINES = 20000, SWEEP_CALLS_MAX = 400 };

/* ---- what a run writes ---- */

static td_result write_lines(export_folder *folder, const char *name, export_packing packing,
                             td_err *err)
{
    export_file *file = NULL;
    export_sums sums;
    td_result rc = export_file_open(folder, name, packing, &file, err);
    for (unsigned i = 0; rc == TD_OK && i < LINES; i++) {
        rc = td_buf_printf(export_file_buf(file), err, "%s,%u,%u\n", name, i, i * 2654435761u);
        if (rc == TD_OK)
            rc = export_file_flush(file, err);
    }
    if (rc != TD_OK) {
        export_file_abandon(file);
        return rc;
    }
    rc = export_file_finish(file, &sums, err);
    if (rc == TD_OK) {
        assert_true(sums.raw_bytes > sums.bytes || packing == EXPORT_PLAIN);
        assert_int_equal(strlen(sums.hash), 32);
    }
    return rc;
}

static td_result export_two(td_io io, export_overwrite overwrite, td_err *err)
{
    export_folder *folder = NULL;
    td_result rc = export_folder_open(io, FOLDER, overwrite, &folder, err);
    if (rc == TD_OK)
        rc = write_lines(folder, "a.csv.gz", EXPORT_GZIP, err);
    if (rc == TD_OK)
        rc = write_lines(folder, "b.jsonl", EXPORT_PLAIN, err);
    if (rc == TD_OK)
        rc = td_buf_append(export_file_buf(export_folder_manifest(folder)), "{}\n", 3, err);
    if (rc == TD_OK)
        rc = export_folder_publish(folder, err);
    export_folder_close(folder);
    return rc;
}

/* ---- what is there afterwards ---- */

static td_result add_name(void *user, const char *name, td_entry_kind kind, td_err *err)
{
    (void)kind;
    (void)err;
    char *names = user;
    size_t used = strlen(names);
    snprintf(names + used, 512 - used, "%s ", name);
    return TD_OK;
}

static void names_in(td_io io, char names[512])
{
    names[0] = '\0';
    td_result rc = td_io_list(io, FOLDER, add_name, names, NULL);
    assert_true(rc == TD_OK || rc == TD_E_NOTFOUND);
}

static uint64_t size_of(td_io io, const char *name)
{
    char path[64];
    uint64_t size = 0;
    td_file *file = NULL;
    td_err err;
    snprintf(path, sizeof path, FOLDER "/%s", name);
    assert_int_equal(td_io_open(io, path, TD_OPEN_READ, &file, &err), TD_OK);
    assert_int_equal(td_io_size(file, &size, &err), TD_OK);
    td_io_close(file);
    return size;
}

#define ALL_NAMES "MANIFEST.json a.csv.gz b.jsonl "

static void test_publish(void **state)
{
    (void)state;
    io_fault *disk = io_fault_open();
    td_io io = io_fault_io(disk);
    td_err err;
    char names[512];
    assert_int_equal(export_two(io, EXPORT_KEEP, &err), TD_OK);
    names_in(io, names);
    assert_string_equal(names, ALL_NAMES);
    /* Publishing is durable: a power cut right after it takes nothing. */
    io_fault *after = io_fault_power_cut(disk, IO_FAULT_CUT_WORST);
    names_in(io_fault_io(after), names);
    assert_string_equal(names, ALL_NAMES);
    assert_true(size_of(io_fault_io(after), "b.jsonl") == size_of(io, "b.jsonl"));
    assert_true(size_of(io_fault_io(after), "a.csv.gz") == size_of(io, "a.csv.gz"));
    io_fault_close(after);
    /* A second one is refused and leaves the first alone; with force it takes its place. */
    assert_int_equal(export_two(io, EXPORT_KEEP, &err), TD_E_INVALID);
    assert_non_null(strstr(err.hint, "--force"));
    names_in(io, names);
    assert_string_equal(names, ALL_NAMES);
    assert_int_equal(export_two(io, EXPORT_REPLACE, &err), TD_OK);
    names_in(io, names);
    assert_string_equal(names, ALL_NAMES);
    assert_int_equal(io_fault_open_count(disk), 0);
    io_fault_close(disk);
}

/* Make call n fail for n = 1, 2, 3 … */
static void sweep(io_fault_kind kind, io_fault_mode mode)
{
    for (unsigned fail_at = 1; fail_at <= SWEEP_CALLS_MAX; fail_at++) {
        io_fault *disk = io_fault_open();
        td_io io = io_fault_io(disk);
        td_err err;
        td_err_clear(&err);
        char names[512];
        io_fault_set_plan(disk, (io_fault_plan){.kind = kind, .mode = mode, .fail_at = fail_at});
        td_result rc = export_two(io, EXPORT_KEEP, &err);
        int fired = io_fault_did_fire(disk);
        io_fault_set_plan(disk, (io_fault_plan){0});
        assert_int_equal(io_fault_open_count(disk), 0);
        names_in(io, names);
        if (rc == TD_OK)
            assert_string_equal(names, ALL_NAMES);
        else if (mode == IO_FAULT_ONCE || strcmp(names, ALL_NAMES) != 0)
            assert_null(strstr(names, "MANIFEST.json "));
        if (rc != TD_OK && err.text[0] == '\0')
            fail_msg("call %u: an error without a text", fail_at);
        /* What cannot be removed stays, and says by its name what it is; what can, is gone, but
         * for files that had their names already when the failure came. */
        if (rc != TD_OK && mode == IO_FAULT_ONCE && strstr(names, ".partial") != NULL)
            fail_msg("call %u: '%s' is left", fail_at, names);
        io_fault_close(disk);
        if (!fired)
            return;
    }
    fail_msg("the sweep never ended");
}

static void test_failing_calls(void **state)
{
    (void)state;
    sweep(IO_FAULT_EIO, IO_FAULT_ONCE);
    sweep(IO_FAULT_EIO, IO_FAULT_FOR_EVER);
    sweep(IO_FAULT_ENOSPC, IO_FAULT_ONCE);
    sweep(IO_FAULT_SHORT, IO_FAULT_ONCE);
}

/* A disk that fills up in the midst: the error says so, and the folder is as it was. */
static void test_full_disk(void **state)
{
    (void)state;
    io_fault *disk = io_fault_open();
    td_io io = io_fault_io(disk);
    td_err err;
    char names[512];
    io_fault_set_free_bytes(disk, 300 << 10);
    assert_int_equal(export_two(io, EXPORT_KEEP, &err), TD_E_NOSPACE);
    assert_non_null(strstr(err.text, "b.jsonl"));
    names_in(io, names);
    assert_string_equal(names, "");
    io_fault_close(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_publish),
        cmocka_unit_test(test_failing_calls),
        cmocka_unit_test(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
