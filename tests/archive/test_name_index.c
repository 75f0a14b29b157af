/* Finds rows by name, compared with a linear search. Expected: archive/name_index.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "archive/name_index.h"

enum { NAMES = 5000, NAME_BYTES = 64 };

static char names[NAMES][NAME_BYTES];

/* Names like names of segments: long, with a few different digits. Of equal names the first one is
 * found. */
static void test_every_name_is_found(void **state)
{
    (void)state;
    name_index index = {0};
    for (size_t i = 0; i < NAMES; i++) {
        (void)snprintf(names[i], NAME_BYTES, "capture/2026/11/20/inverse-%zu-3f2a9c01-%06zu.mcap",
                       i % 7, i);
        assert_true(name_index_find(&index, td_bytes_str(names[i])) == NAME_INDEX_NONE);
        name_index_put(&index, td_bytes_str(names[i]), i);
        name_index_put(&index, td_bytes_str(names[i]), i + 1);
        assert_int_equal(index.count, i + 1);
    }
    for (size_t i = 0; i < NAMES; i++) {
        assert_int_equal(name_index_find(&index, td_bytes_str(names[i])), i);
        /* A prefix of a name is a different name. */
        assert_true(name_index_find(&index, td_bytes_of(names[i], 20)) == NAME_INDEX_NONE);
    }
    name_index_put(&index, td_bytes_of(NULL, 0), 9);
    assert_int_equal(name_index_find(&index, td_bytes_str("")), 9);
    name_index_fini(&index);
    assert_true(name_index_find(&index, td_bytes_str(names[0])) == NAME_INDEX_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_name_is_found),
    };
    return cmocka_run_group_tests_name("name_index", tests, NULL, NULL);
}
