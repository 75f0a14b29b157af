/* How much space must stay free, and the report when there is less. Expected: docs/recording.md
 * ("Free disk space"): the smaller of 1 GiB and 5 % of the file system, unless configured. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/testing/io_fault.h"
#include "recorder/pipeline/free_space.h"

#define MIB UINT64_C(1048576)
#define GIB UINT64_C(1073741824)

static void the_default_is_the_smaller_of_two(void **state)
{
    (void)state;
    static const struct {
        uint64_t limit, total, needed;
    } ROWS[] = {
        {FREE_SPACE_DEFAULT, 1024 * GIB, GIB},
        {FREE_SPACE_DEFAULT, 20 * GIB, GIB},
        {FREE_SPACE_DEFAULT, 20 * GIB - 20, GIB - 1},
        {FREE_SPACE_DEFAULT, 100 * MIB, 5 * MIB},
        {FREE_SPACE_DEFAULT, 19, 0},
        {7, 100 * MIB, 7},
        {5 * GIB, GIB, 5 * GIB},
        {0, GIB, 0},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++)
        assert_int_equal(free_space_needed_bytes(ROWS[i].limit, ROWS[i].total), ROWS[i].needed);
}

static void what_is_missing_is_said(void **state)
{
    (void)state;
    td_err err;
    io_fault *disk = io_fault_open();
    free_space limit = {.io = io_fault_io(disk), .path = ".", .min_bytes = 3 * MIB};
    io_fault_set_free_bytes(disk, 3 * MIB);
    assert_int_equal(free_space_check(&limit, &err), TD_OK);
    io_fault_set_free_bytes(disk, 3 * MIB - 1);
    assert_int_equal(free_space_check(&limit, NULL), TD_E_NOSPACE);
    io_fault_set_free_bytes(disk, 2 * MIB);
    assert_int_equal(free_space_check(&limit, &err), TD_E_NOSPACE);
    assert_string_equal(err.text, "the disk of '.' is nearly full: 2.0 MiB are free, 3.0 MiB must "
                                  "stay free (min_free), 1.0 MiB more");
    assert_non_null(strstr(err.hint, "--min-free"));
    limit.min_bytes = 0;
    assert_int_equal(free_space_check(&limit, &err), TD_OK);
    io_fault_close(disk);
}

static void what_cannot_be_asked_is_no_lack(void **state)
{
    (void)state;
    td_err err;
    io_fault *disk = io_fault_open();
    free_space limit = {.io = io_fault_io(disk), .path = ".", .min_bytes = MIB};
    io_fault_set_plan(disk, (io_fault_plan){.kind = IO_FAULT_EIO,
                                            .fail_at = 1,
                                            .ops = IO_FAULT_BIT(IO_FAULT_OP_SPACE)});
    assert_int_equal(free_space_check(&limit, &err), TD_E_IO);
    assert_int_equal(free_space_check(&limit, &err), TD_OK);
    io_fault_close(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_is_the_smaller_of_two),
        cmocka_unit_test(what_is_missing_is_said),
        cmocka_unit_test(what_cannot_be_asked_is_no_lack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
