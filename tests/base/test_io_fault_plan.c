/* The simulated disk's controls: failing calls, held syncs, the log of changes. Expected:
 * tests/testing/io_fault.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "tests/testing/io_fault.h"

static int open_disk(void **state)
{
    *state = io_fault_open();
    return *state == NULL;
}

static int close_disk(void **state)
{
    io_fault_close(*state);
    return 0;
}

static td_file *make_file(io_fault *disk, const char *path)
{
    td_file *file = NULL;
    assert_int_equal(td_io_open(io_fault_io(disk), path, TD_OPEN_CREATE, &file, NULL), TD_OK);
    return file;
}

/* A file's content as "…", or "-" if it is missing. */
static const char *content_of(io_fault *disk, const char *path, char text[64])
{
    td_file *file = NULL;
    if (td_io_open(io_fault_io(disk), path, TD_OPEN_READ, &file, NULL) != TD_OK)
        return "-";
    size_t got = 0;
    assert_int_equal(td_io_read_at(file, 0, text, 63, &got, NULL), TD_OK);
    text[got] = '\0';
    td_io_close(file);
    return text;
}

static void assert_after_worst_cut(io_fault *disk, const char *path, const char *want)
{
    char text[64];
    io_fault *after = io_fault_power_cut(disk, IO_FAULT_CUT_WORST);
    assert_string_equal(content_of(after, path, text), want);
    io_fault_close(after);
}

/* Leaves "x" and a folder; calls each step once, so that runs differ only in the failed call. */
static td_result scenario(td_io io, td_err *err)
{
    td_file *file = NULL;
    td_name_state state;
    td_space space;
    uint64_t size;
    char byte;
    size_t got;
    td_result rc = io.ops->mkdir(io.ctx, "d", err);
    if (rc == TD_OK)
        rc = td_io_space(io, "d", &space, err);
    if (rc == TD_OK)
        rc = td_io_open(io, "d/x.open", TD_OPEN_CREATE, &file, err);
    if (rc == TD_OK)
        rc = td_io_lock_file(file, err);
    if (rc == TD_OK)
        rc = td_io_check_name(io, "d/x.open", file, &state, err);
    if (rc == TD_OK)
        rc = td_io_append(file, "abcd", 4, err);
    if (rc == TD_OK)
        rc = td_io_size(file, &size, err);
    if (rc == TD_OK)
        rc = td_io_read_at(file, 0, &byte, 1, &got, err);
    if (rc == TD_OK)
        rc = td_io_truncate(file, 3, err);
    if (rc == TD_OK)
        rc = td_io_sync(file, err);
    if (rc == TD_OK)
        rc = td_io_rename(io, "d/x.open", "d/x", err);
    if (rc == TD_OK)
        rc = td_io_sync_dir(io, "d", err);
    if (rc == TD_OK)
        rc = td_io_unlink(io, "d/x", err);
    td_io_close(file);
    return rc;
}

enum { SCENARIO_CALLS = 13, SCENARIO_SPACE_CALLS = 4 /* mkdir, create, append, rename */ };

static void test_sweep(void **state)
{
    (void)state;
    static const struct {
        io_fault_kind kind;
        uint32_t ops;
        td_result rc;
        uint64_t calls;
    } ROWS[] = {
        {IO_FAULT_EIO, 0, TD_E_IO, SCENARIO_CALLS},
        {IO_FAULT_ENOSPC, 0, TD_E_NOSPACE, SCENARIO_SPACE_CALLS},
        {IO_FAULT_SHORT, 0, TD_E_NOSPACE, 1},
        {IO_FAULT_TORN, 0, TD_E_IO, 1},
        {IO_FAULT_EIO, IO_FAULT_BIT(IO_FAULT_OP_SYNC) | IO_FAULT_BIT(IO_FAULT_OP_LOCK), TD_E_IO, 2},
        {IO_FAULT_ENOSPC, IO_FAULT_BIT(IO_FAULT_OP_SYNC), TD_E_NOSPACE, 1},
        {IO_FAULT_NONE, 0, TD_OK, 0},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        uint64_t fail_at = 1;
        for (;; fail_at++) {
            io_fault *disk = io_fault_open();
            io_fault_plan plan = {.kind = ROWS[i].kind, .ops = ROWS[i].ops, .fail_at = fail_at};
            io_fault_set_plan(disk, plan);
            td_err err = {0};
            td_result rc = scenario(io_fault_io(disk), &err);
            int did_fire = io_fault_did_fire(disk);
            assert_int_equal(rc, did_fire ? ROWS[i].rc : TD_OK);
            if (did_fire)
                assert_non_null(strstr(err.text, "(simulated)"));
            assert_int_equal(io_fault_open_count(disk), 0);
            io_fault_close(disk);
            if (!did_fire)
                break;
        }
        assert_int_equal(fail_at, ROWS[i].calls + 1);
    }
}

static void test_modes(void **state)
{
    io_fault *disk = *state;
    td_file *file = make_file(disk, "a");
    io_fault_plan plan = {.kind = IO_FAULT_EIO, .mode = IO_FAULT_ONCE, .fail_at = 2};
    plan.ops = IO_FAULT_BIT(IO_FAULT_OP_APPEND);
    io_fault_set_plan(disk, plan);
    static const td_result ONCE[] = {TD_OK, TD_E_IO, TD_OK, TD_OK};
    for (int i = 0; i < 4; i++)
        assert_int_equal(td_io_append(file, "x", 1, NULL), ONCE[i]);
    plan.mode = IO_FAULT_FOR_EVER;
    io_fault_set_plan(disk, plan);
    assert_int_equal(io_fault_did_fire(disk), 0);
    static const td_result FOR_EVER[] = {TD_OK, TD_E_IO, TD_E_IO, TD_E_IO};
    for (int i = 0; i < 4; i++)
        assert_int_equal(td_io_append(file, "x", 1, NULL), FOR_EVER[i]);
    assert_int_equal(td_io_sync(file, NULL), TD_OK); /* not in the plan */
    io_fault_set_plan(disk, (io_fault_plan){0});
    assert_int_equal(td_io_append(file, "x", 1, NULL), TD_OK);
    assert_int_equal(io_fault_call_count(disk, IO_FAULT_OP_APPEND), 9);
    assert_int_equal(io_fault_call_count(disk, IO_FAULT_OP_SYNC), 1);
    assert_int_equal(io_fault_call_count(disk, IO_FAULT_OP_COUNT), 11);
    char text[64];
    assert_string_equal(content_of(disk, "a", text), "xxxxx");
    td_io_close(file);
}

static void test_short_write_and_full_disk(void **state)
{
    io_fault *disk = *state;
    td_file *file = make_file(disk, "a");
    td_err err = {0};
    io_fault_set_plan(disk, (io_fault_plan){.kind = IO_FAULT_SHORT, .fail_at = 1});
    assert_int_equal(td_io_append(file, "abcdef", 6, &err), TD_E_NOSPACE);
    assert_int_equal(err.os_errno, ENOSPC);
    char text[64];
    assert_string_equal(content_of(disk, "a", text), "abc");
    io_fault_set_free_bytes(disk, 5);
    assert_int_equal(td_io_append(file, "1234567", 7, &err), TD_E_NOSPACE);
    assert_string_equal(content_of(disk, "a", text), "abc12345");
    td_space space = {0};
    assert_int_equal(td_io_space(io_fault_io(disk), "/", &space, &err), TD_OK);
    assert_int_equal(space.free_bytes, 0);
    assert_int_equal(td_io_truncate(file, 3, &err), TD_OK); /* gives the space back */
    assert_int_equal(td_io_append(file, "12345", 5, &err), TD_OK);
    assert_int_equal(td_io_append(file, "6", 1, &err), TD_E_NOSPACE);
    td_io_close(file);
    assert_int_equal(td_io_unlink(io_fault_io(disk), "a", &err), TD_OK);
    assert_int_equal(td_io_space(io_fault_io(disk), "/", &space, &err), TD_OK);
    assert_int_equal(space.free_bytes, 8);
}

/* After a failed sync, a later successful one does not bring the data back. */
static void test_failed_sync_loses_its_data(void **state)
{
    io_fault *disk = *state;
    td_file *file = make_file(disk, "a");
    assert_int_equal(td_io_sync_dir(io_fault_io(disk), "/", NULL), TD_OK);
    assert_int_equal(td_io_append(file, "one", 3, NULL), TD_OK);
    assert_int_equal(td_io_sync(file, NULL), TD_OK);
    assert_int_equal(td_io_append(file, "two", 3, NULL), TD_OK);
    io_fault_plan plan = {.kind = IO_FAULT_EIO, .fail_at = 1};
    plan.ops = IO_FAULT_BIT(IO_FAULT_OP_SYNC);
    io_fault_set_plan(disk, plan);
    assert_int_equal(td_io_sync(file, NULL), TD_E_IO);
    assert_int_equal(td_io_sync(file, NULL), TD_OK);
    char text[64];
    assert_string_equal(content_of(disk, "a", text), "onetwo"); /* still in the cache */
    assert_after_worst_cut(disk, "a", "one");
    assert_int_equal(td_io_append(file, "three", 5, NULL), TD_OK);
    assert_int_equal(td_io_sync(file, NULL), TD_OK);
    io_fault *after = io_fault_power_cut(disk, IO_FAULT_CUT_WORST);
    td_file *cut = NULL;
    assert_int_equal(td_io_open(io_fault_io(after), "a", TD_OPEN_READ, &cut, NULL), TD_OK);
    char bytes[12] = {0};
    assert_int_equal(td_io_read_exact(cut, 0, bytes, 11, NULL), TD_OK);
    assert_memory_equal(bytes, "one\0\0\0three", 11); /* a hole instead of "two" */
    td_io_close(cut);
    io_fault_close(after);
    io_fault_set_sync(disk, IO_FAULT_SYNC_FAILS);
    for (int i = 0; i < 3; i++)
        assert_int_equal(td_io_sync(file, NULL), TD_E_IO);
    io_fault_set_sync(disk, IO_FAULT_SYNC_WORKS);
    assert_int_equal(td_io_sync(file, NULL), TD_OK);
    td_io_close(file);
}

typedef struct syncer {
    td_file *file;
    atomic_int done;
    td_result rc;
} syncer;

static void *sync_twice(void *arg)
{
    syncer *s = arg;
    for (int i = 0; i < 2; i++) {
        td_result rc = td_io_sync(s->file, NULL);
        s->rc = rc;
        atomic_fetch_add(&s->done, 1);
    }
    return NULL;
}

static void test_held_sync(void **state)
{
    io_fault *disk = *state;
    syncer s = {.file = make_file(disk, "a")};
    assert_int_equal(td_io_sync_dir(io_fault_io(disk), "/", NULL), TD_OK);
    assert_int_equal(td_io_append(s.file, "x", 1, NULL), TD_OK);
    io_fault_set_sync(disk, IO_FAULT_SYNC_HELD);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, sync_twice, &s), 0);
    io_fault_await_held(disk, 1);
    assert_int_equal(atomic_load(&s.done), 0);
    assert_after_worst_cut(disk, "a", "");
    /* Other calls are not blocked. */
    td_io_close(make_file(disk, "b"));
    /* One sync is released, and the next one is held again. */
    io_fault_let_sync(disk, 1);
    while (atomic_load(&s.done) == 0)
        sched_yield();
    io_fault_await_held(disk, 1);
    assert_int_equal(atomic_load(&s.done), 1);
    assert_after_worst_cut(disk, "a", "x");
    io_fault_set_sync(disk, IO_FAULT_SYNC_FAILS);
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&s.done), 2);
    assert_int_equal(s.rc, TD_E_IO);
    td_io_close(s.file);
}

static void test_damage(void **state)
{
    io_fault *disk = *state;
    td_file *file = make_file(disk, "a");
    assert_int_equal(td_io_sync_dir(io_fault_io(disk), "/", NULL), TD_OK);
    assert_int_equal(td_io_append(file, "abc", 3, NULL), TD_OK);
    assert_int_equal(td_io_sync(file, NULL), TD_OK);
    td_io_close(file);
    assert_int_equal(io_fault_damage(disk, "a", 1, 1, NULL), TD_OK);
    char text[64];
    assert_string_equal(content_of(disk, "a", text), "acc");
    assert_after_worst_cut(disk, "a", "acc");
    assert_int_equal(io_fault_damage(disk, "a", 3, 1, NULL), TD_E_INVALID);
    assert_int_equal(io_fault_damage(disk, "b", 0, 1, NULL), TD_E_NOTFOUND);
}

/* The disk after every change, rebuilt from the log, equals the disk at that time. */
static void test_log_rebuilds_each_disk(void **state)
{
    io_fault *disk = *state;
    td_io io = io_fault_io(disk);
    td_file *file = make_file(disk, "a");
    assert_int_equal(td_io_append(file, "0", 1, NULL), TD_OK);
    assert_int_equal(td_io_sync(file, NULL), TD_OK);
    assert_int_equal(td_io_sync_dir(io, "/", NULL), TD_OK);
    assert_int_equal(io_fault_log_count(disk), 0);
    io_fault_log_start(disk);

    assert_int_equal(td_io_append(file, "12", 2, NULL), TD_OK);
    assert_int_equal(td_io_sync(file, NULL), TD_OK);
    assert_int_equal(td_io_truncate(file, 2, NULL), TD_OK);
    assert_int_equal(td_io_rename(io, "a", "b", NULL), TD_OK);
    assert_int_equal(td_io_sync_dir(io, "/", NULL), TD_OK);
    assert_int_equal(io.ops->mkdir(io.ctx, "d", NULL), TD_OK);
    assert_int_equal(td_io_unlink(io, "b", NULL), TD_OK);
    io_fault_set_sync(disk, IO_FAULT_SYNC_FAILS);
    assert_int_equal(td_io_sync(file, NULL), TD_E_IO);
    td_io_close(file);

    static const struct {
        io_fault_change change;
        const char *path, *to_path;
        uint64_t size;
        const char *a, *b;         /* content after this change, in the cache … */
        const char *cut_a, *cut_b; /* … and after the worst power cut */
    } ROWS[] = {
        {IO_FAULT_CHANGE_APPEND, "a", NULL, 2, "012", "-", "0", "-"},
        {IO_FAULT_CHANGE_SYNC, "a", NULL, 0, "012", "-", "012", "-"},
        {IO_FAULT_CHANGE_TRUNCATE, "a", NULL, 2, "01", "-", "012", "-"},
        {IO_FAULT_CHANGE_RENAME, "a", "b", 0, "-", "01", "012", "-"},
        {IO_FAULT_CHANGE_SYNC_DIR, "/", NULL, 0, "-", "01", "-", "012"},
        {IO_FAULT_CHANGE_CREATE, "d", NULL, 0, "-", "01", "-", "012"},
        {IO_FAULT_CHANGE_UNLINK, "b", NULL, 0, "-", "-", "-", "012"},
        {IO_FAULT_CHANGE_SYNC_FAILED, "a", NULL, 0, "-", "-", "-", "012"},
    };
    enum { COUNT = sizeof ROWS / sizeof ROWS[0] };
    assert_int_equal(io_fault_log_count(disk), COUNT);
    char text[64];
    io_fault *then = io_fault_at(disk, 0);
    assert_string_equal(content_of(then, "a", text), "0");
    io_fault_close(then);
    io_fault *stepped = io_fault_at(disk, 0);
    for (size_t i = 0; i < COUNT; i++) {
        io_fault_log_row row = io_fault_log_get(disk, i);
        assert_int_equal(row.change, ROWS[i].change);
        assert_string_equal(row.path, ROWS[i].path);
        assert_int_equal(row.size, ROWS[i].size);
        assert_int_equal(row.to_path != NULL, ROWS[i].to_path != NULL);
        then = io_fault_at(disk, i + 1);
        assert_string_equal(content_of(then, "a", text), ROWS[i].a);
        assert_string_equal(content_of(then, "b", text), ROWS[i].b);
        assert_after_worst_cut(then, "a", ROWS[i].cut_a);
        assert_after_worst_cut(then, "b", ROWS[i].cut_b);
        io_fault_close(then);
        io_fault_forward(stepped, disk, i, i + 1);
        assert_string_equal(content_of(stepped, "a", text), ROWS[i].a);
        assert_after_worst_cut(stepped, "b", ROWS[i].cut_b);
    }
    io_fault_close(stepped);
}

static void note_append(void *user, io_fault_op op, uint64_t change_count)
{
    if (op == IO_FAULT_OP_APPEND)
        *(uint64_t *)user = change_count;
}

/* The observer is called before the call changes anything. */
static void test_observer(void **state)
{
    io_fault *disk = *state;
    uint64_t seen = 77;
    io_fault_log_start(disk);
    io_fault_observe(disk, note_append, &seen);
    td_file *file = make_file(disk, "a");
    assert_int_equal(seen, 77);
    assert_int_equal(td_io_append(file, "1", 1, NULL), TD_OK);
    assert_int_equal(seen, 1);
    io_fault_observe(disk, NULL, NULL);
    assert_int_equal(td_io_append(file, "2", 1, NULL), TD_OK);
    assert_int_equal(seen, 1);
    td_io_close(file);
}

/* Half of an append, before it failed, is logged as that half. */
static void test_log_of_a_short_write(void **state)
{
    io_fault *disk = *state;
    td_file *file = make_file(disk, "a");
    io_fault_log_start(disk);
    io_fault_set_plan(disk, (io_fault_plan){.kind = IO_FAULT_SHORT, .fail_at = 1});
    assert_int_equal(td_io_append(file, "abcd", 4, NULL), TD_E_NOSPACE);
    io_fault_set_plan(disk, (io_fault_plan){.kind = IO_FAULT_EIO, .fail_at = 1});
    assert_int_equal(td_io_append(file, "abcd", 4, NULL), TD_E_IO);
    td_io_close(file);
    assert_int_equal(io_fault_log_count(disk), 1);
    assert_int_equal(io_fault_log_get(disk, 0).size, 2);
    io_fault *then = io_fault_at(disk, 1);
    char text[64];
    assert_string_equal(content_of(then, "a", text), "ab");
    io_fault_close(then);
}

#define ON_DISK(test) cmocka_unit_test_setup_teardown(test, open_disk, close_disk)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sweep),
        ON_DISK(test_modes),
        ON_DISK(test_short_write_and_full_disk),
        ON_DISK(test_failed_sync_loses_its_data),
        ON_DISK(test_held_sync),
        ON_DISK(test_damage),
        ON_DISK(test_log_rebuilds_each_disk),
        ON_DISK(test_log_of_a_short_write),
        ON_DISK(test_observer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
