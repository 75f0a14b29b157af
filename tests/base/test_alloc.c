/* Memory running out, at every allocation in turn: each function of base/ reports it, frees what it
 * had, and leaves what it worked on as it was. Run under asan, which sees leaks.
 * Expected results: the contracts of the headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/buf.h"
#include "tests/testing/files.h"
#include "tests/testing/clock_sim.h"
#include "base/hash.h"
#include "tests/testing/io_fault.h"
#include "base/io_posix.h"
#include "base/workers.h"
#include "tests/testing/alloc_fault.h"

enum { SWEEP_MAX = 500 };

static void test_alloc(void **state)
{
    (void)state;
    td_free(NULL);
    void *nothing = td_alloc(0);
    assert_non_null(nothing);
    td_free(nothing);
    uint8_t *zeros = td_alloc_zero(10, 10);
    for (int i = 0; i < 100; i++)
        assert_int_equal(zeros[i], 0);
    td_free(zeros);
    assert_null(td_alloc_zero(SIZE_MAX / 2, 3));
    assert_null(td_realloc(NULL, SIZE_MAX / 2, 3));
    assert_null(td_strdup(NULL));
    char *text = td_strndup("abcdef", 3);
    assert_string_equal(text, "abc");
    alloc_fault_set(1, ALLOC_FAULT_ONCE);
    assert_null(td_realloc(text, 100, 1));
    assert_string_equal(text, "abc"); /* still the caller's */
    assert_int_equal(alloc_fault_did_fire(), 1);
    assert_int_equal(alloc_fault_count(), 1);
    alloc_fault_set(2, ALLOC_FAULT_FOR_EVER);
    char *copy = td_strdup(text);
    assert_non_null(copy);
    assert_null(td_strdup(text));
    assert_null(td_alloc(1));
    alloc_fault_set(0, ALLOC_FAULT_ONCE);
    td_free(copy);
    td_free(text);
}

/* One thing after another that allocates; TD_E_NOMEM at the first that fails. */
static td_result small_things(void)
{
    td_result rc = TD_E_NOMEM;
    td_buf buf;
    td_buf_init(&buf, 10000);
    td_workers *pool = NULL;
    td_arena *arena = td_arena_open(1 << 20);
    td_hasher *hasher = td_hasher_open();
    clock_sim *sim = clock_sim_open(0, 0);
    if (arena == NULL || hasher == NULL || sim == NULL)
        goto done;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 10; i++) {
            size_t before = td_arena_used_bytes(arena);
            if (td_arena_alloc(arena, 50000) == NULL) {
                assert_int_equal(td_arena_used_bytes(arena), before);
                goto done;
            }
        }
        td_arena_reset(arena);
    }
    for (int i = 0; i < 500; i++) {
        rc = td_buf_append(&buf, "0123456789", 10, NULL);
        assert_int_equal(buf.size, rc == TD_OK ? 10 * (i + 1) : 10 * i);
        if (rc != TD_OK)
            goto done;
    }
    rc = td_workers_open(2, &pool, NULL);
done:
    td_workers_close(pool);
    td_buf_fini(&buf);
    clock_sim_close(sim);
    td_hasher_close(hasher);
    td_arena_close(arena);
    return rc;
}

static td_result ignore_entry(void *user, const char *name, td_entry_kind kind, td_err *err)
{
    (void)user;
    (void)name;
    (void)kind;
    (void)err;
    return TD_OK;
}

/* The same on either table. */
static td_result use_files(td_io io, const char *dir, td_err *err)
{
    char path[128];
    char to[128];
    snprintf(path, sizeof path, "%s/a", dir);
    snprintf(to, sizeof to, "%s/b", dir);
    td_file *file = NULL;
    td_lock *lock = NULL;
    td_result rc = td_io_open(io, path, TD_OPEN_CREATE, &file, err);
    if (rc == TD_OK)
        rc = td_io_append(file, "content", 7, err);
    if (rc == TD_OK)
        rc = td_io_sync(file, err);
    if (rc == TD_OK)
        rc = td_io_truncate(file, 3, err);
    if (rc == TD_OK)
        rc = td_io_rename(io, path, to, err);
    if (rc == TD_OK)
        rc = td_io_sync_dir(io, dir, err);
    snprintf(to, sizeof to, "%s/lock", dir);
    if (rc == TD_OK)
        rc = td_io_lock(io, to, "pid 7", &lock, err);
    if (rc == TD_OK)
        rc = td_io_list(io, dir, ignore_entry, NULL, err);
    td_io_unlock(lock);
    td_io_close(file);
    return rc;
}

static td_result posix_things(void)
{
    char dir[TEMP_FOLDER_BYTES];
    temp_folder_make(TEMP_ON_DISK, dir);
    td_err err = {0};
    td_result rc = use_files(io_posix(), dir, &err);
    assert_int_equal(err.code, rc);
    char path[128];
    static const char *const NAMES[] = {"a", "b", "lock"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, NAMES[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(dir), 0);
    return rc;
}

static td_result fault_things(void)
{
    io_fault *disk = io_fault_open();
    if (disk == NULL)
        return TD_E_NOMEM;
    io_fault *copies[4] = {0};
    td_result rc = io_fault_log_start(disk, NULL);
    if (rc == TD_OK)
        rc = use_files(io_fault_io(disk), "/", NULL);
    if (rc == TD_OK) {
        copies[0] = io_fault_power_cut(disk, 7);
        copies[1] = io_fault_power_cut(disk, IO_FAULT_CUT_BEST);
        copies[2] = io_fault_kill(disk);
        copies[3] = io_fault_at(disk, io_fault_log_count(disk));
    }
    for (int i = 0; rc == TD_OK && i < 4; i++)
        rc = copies[i] == NULL ? TD_E_NOMEM : TD_OK;
    for (int i = 0; i < 4; i++)
        io_fault_close(copies[i]);
    assert_int_equal(io_fault_open_count(disk), 0);
    io_fault_close(disk);
    return rc;
}

/* least: allocations that the run must have at least, so that the sweep sweeps something. */
static void sweep(td_result (*run)(void), unsigned least)
{
    for (int mode = ALLOC_FAULT_ONCE; mode <= ALLOC_FAULT_FOR_EVER; mode++) {
        unsigned fail_at = 1;
        for (;; fail_at++) {
            alloc_fault_set(fail_at, (alloc_fault_mode)mode);
            td_result rc = run();
            int did_fire = alloc_fault_did_fire();
            alloc_fault_set(0, ALLOC_FAULT_ONCE);
            if (!did_fire) {
                assert_int_equal(rc, TD_OK);
                break;
            }
            /* A merge of arena blocks may fail quietly: the next allocation tries again. */
            if (rc != TD_OK || mode == ALLOC_FAULT_FOR_EVER)
                assert_int_equal(rc, TD_E_NOMEM);
            assert_true(fail_at < SWEEP_MAX);
        }
        assert_true(fail_at > least);
    }
}

/* Arrays that grow by one, and by index. */
static void test_arrays(void **state)
{
    (void)state;
    uint32_t *rows = NULL;
    size_t moves = 0;
    for (uint32_t count = 0; count < 1000; count++) {
        uint32_t *grown = td_array_grow(rows, count, sizeof *rows);
        assert_non_null(grown);
        moves += (count & (count - 1)) == 0; /* only there it may have moved */
        if ((count & (count - 1)) != 0)
            assert_ptr_equal(grown, rows);
        rows = grown;
        rows[count] = count;
    }
    assert_int_equal(moves, 11);
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(rows[i], i);
    /* what was removed makes space, whatever the count was before */
    rows = td_array_grow(rows, 8, sizeof *rows);
    rows[8] = 8;
    td_free(rows);
    assert_null(td_array_grow(NULL, SIZE_MAX / 2 + 1, 8)); /* the size overflows */

    uint64_t *by_index = NULL;
    size_t capacity = 0;
    static const size_t INDEXES[] = {0, 1, 5, 4, 100, 63};
    for (size_t i = 0; i < sizeof INDEXES / sizeof INDEXES[0]; i++) {
        uint64_t *grown = td_array_reach(by_index, &capacity, INDEXES[i], sizeof *grown);
        assert_non_null(grown);
        by_index = grown;
        assert_true(capacity > INDEXES[i]);
        assert_int_equal(by_index[INDEXES[i]], 0);
        by_index[INDEXES[i]] = i + 1;
    }
    for (size_t i = 0; i < sizeof INDEXES / sizeof INDEXES[0]; i++)
        assert_int_equal(by_index[INDEXES[i]], i + 1);
    assert_int_equal(capacity, 128);
    assert_int_equal(by_index[99], 0);
    td_free(by_index);
}

static void test_small_things(void **state)
{
    (void)state;
    sweep(small_things, 8);
}

static void test_posix_things(void **state)
{
    (void)state;
    sweep(posix_things, 4);
}

static void test_fault_things(void **state)
{
    (void)state;
    sweep(fault_things, 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alloc),        cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_small_things), cmocka_unit_test(test_posix_things),
        cmocka_unit_test(test_fault_things),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
