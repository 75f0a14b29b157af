/* The recorder from intake to disk, on a simulated disk: exactly what is durable is announced.
 * Expected values: the test's own counts of the frames it feeds; promises P1 and P2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "tests/testing/pipeline_fixture.h"

static void everything_is_written_and_announced(void **state)
{
    (void)state;
    pipeline f;
    pipeline_open(&f);
    pipeline_put_frames(&f);
    assert_int_equal(pipeline_finish(&f, WRITER_STOP), TD_OK);
    assert_int_equal(atomic_load(&f.durable_in), PIPELINE_FRAMES);
    /* Nothing is in flight now. */
    assert_int_equal(atomic_load(&f.received), f.durable.frames_in);
    assert_int_equal(f.durable.frames_dropped, 0);
    assert_int_equal(pipeline_read_back(&f), PIPELINE_FRAMES);
    pipeline_close(&f);
}

static void nothing_is_announced_while_sync_is_held(void **state)
{
    (void)state;
    pipeline f;
    pipeline_open(&f);
    io_fault_set_sync(f.disk_model, IO_FAULT_SYNC_HELD);
    pipeline_put_frames(&f);
    io_fault_await_held(f.disk_model, 1);
    assert_int_equal(atomic_load(&f.durable_calls), 0);
    assert_int_equal(atomic_load(&f.durable_in), 0);
    io_fault_set_sync(f.disk_model, IO_FAULT_SYNC_WORKS);
    assert_int_equal(pipeline_finish(&f, WRITER_STOP), TD_OK);
    assert_int_equal(atomic_load(&f.durable_in), PIPELINE_FRAMES);
    pipeline_close(&f);
}

static void nothing_is_ever_announced_when_sync_fails(void **state)
{
    (void)state;
    pipeline f;
    pipeline_open(&f);
    io_fault_set_sync(f.disk_model, IO_FAULT_SYNC_FAILS);
    pipeline_put_frames(&f);
    assert_int_equal(pipeline_finish(&f, WRITER_ABANDON), TD_E_IO);
    assert_int_equal(atomic_load(&f.durable_calls), 0);
    assert_int_equal(f.has_failed, 1);
    pipeline_close(&f);
}

static void a_full_disk_ends_it_with_its_own_result(void **state)
{
    (void)state;
    pipeline f;
    pipeline_open(&f);
    io_fault_set_free_bytes(f.disk_model, 100);
    pipeline_put_frames(&f);
    assert_int_equal(pipeline_finish(&f, WRITER_ABANDON), TD_E_NOSPACE);
    assert_int_equal(atomic_load(&f.durable_calls), 0);
    pipeline_close(&f);
}

/* Low on space, everything received is still written, and the shortage is reported once. */
static void short_of_space_it_says_so_and_goes_on(void **state)
{
    (void)state;
    enum { MIN_FREE = 1 << 20 };
    pipeline f;
    pipeline_open_with_free_space(&f, MIN_FREE);
    io_fault_set_free_bytes(f.disk_model, MIN_FREE + 1);
    pipeline_put_frames(&f);
    while (!disk_must_end(f.disk))
        sched_yield();
    assert_int_equal(pipeline_finish(&f, WRITER_STOP), TD_OK);
    assert_int_equal(f.end_reason.code, TD_E_NOSPACE);
    assert_int_equal(f.has_failed, 0);
    assert_int_equal(atomic_load(&f.durable_in), PIPELINE_FRAMES);
    assert_int_equal(pipeline_read_back(&f), PIPELINE_FRAMES);
    pipeline_close(&f);
}

/* Other programs may fill the disk while nothing is recorded. */
static void space_is_looked_at_while_nothing_comes(void **state)
{
    (void)state;
    pipeline f;
    pipeline_open_with_free_space(&f, 1000);
    io_fault_set_free_bytes(f.disk_model, 999);
    while (!disk_must_end(f.disk))
        sched_yield();
    assert_int_equal(atomic_load(&f.durable_calls), 0);
    io_fault_set_free_bytes(f.disk_model, 1 << 20);
    assert_int_equal(pipeline_finish(&f, WRITER_STOP), TD_OK);
    assert_int_equal(f.end_reason.code, TD_E_NOSPACE);
    pipeline_close(&f);
}

/* A file system that does not report its space stops nothing: a full disk shows in the writes. */
static void space_that_cannot_be_asked_for_stops_nothing(void **state)
{
    (void)state;
    pipeline f;
    pipeline_open_with_free_space(&f, 1000);
    io_fault_set_plan(f.disk_model, (io_fault_plan){.kind = IO_FAULT_EIO,
                                                    .mode = IO_FAULT_FOR_EVER,
                                                    .fail_at = 1,
                                                    .ops = IO_FAULT_BIT(IO_FAULT_OP_SPACE)});
    io_fault_set_free_bytes(f.disk_model, 1 << 20);
    pipeline_put_frames(&f);
    assert_int_equal(pipeline_finish(&f, WRITER_STOP), TD_OK);
    assert_true(io_fault_did_fire(f.disk_model));
    assert_int_equal(f.end_reason.code, TD_OK);
    assert_int_equal(pipeline_read_back(&f), PIPELINE_FRAMES);
    pipeline_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_written_and_announced),
        cmocka_unit_test(nothing_is_announced_while_sync_is_held),
        cmocka_unit_test(nothing_is_ever_announced_when_sync_fails),
        cmocka_unit_test(a_full_disk_ends_it_with_its_own_result),
        cmocka_unit_test(short_of_space_it_says_so_and_goes_on),
        cmocka_unit_test(space_is_looked_at_while_nothing_comes),
        cmocka_unit_test(space_that_cannot_be_asked_for_stops_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
