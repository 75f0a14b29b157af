/* The arena. Expected results: the contract in base/arena.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <string.h>
#include <cmocka.h>

#include "base/arena.h"

static void test_alignment(void **state)
{
    (void)state;
    td_arena *arena = td_arena_open();
    for (size_t size = 0; size < 20; size++)
        assert_int_equal((uintptr_t)td_arena_alloc(arena, size) % 16, 0);
    /* 0 to 16 bytes take 16, 17 to 19 take 32. */
    assert_int_equal(td_arena_used_bytes(arena), 17 * 16 + 3 * 32);
    td_arena_reset(arena);
    assert_int_equal(td_arena_used_bytes(arena), 0);
    td_arena_close(arena);
    td_arena_close(NULL);
}

/* Allocations do not overlap and keep their content while blocks are added. */
static void test_allocations_do_not_overlap(void **state)
{
    (void)state;
    enum { PIECES = 500, BYTES = 1000 };
    td_arena *arena = td_arena_open();
    for (int round = 0; round < 3; round++) {
        uint8_t *pieces[PIECES];
        for (int i = 0; i < PIECES; i++) {
            pieces[i] = td_arena_alloc(arena, BYTES);
            memset(pieces[i], i & 0xff, BYTES);
        }
        for (int i = 0; i < PIECES; i++) {
            for (int b = 0; b < BYTES; b++)
                assert_int_equal(pieces[i][b], i & 0xff);
        }
        td_arena_reset(arena);
    }
    td_arena_close(arena);
}

static void test_copy(void **state)
{
    (void)state;
    td_arena *arena = td_arena_open();
    char text[] = "a text";
    const char *copy = td_arena_copy(arena, text, sizeof text);
    text[0] = 'x';
    assert_string_equal(copy, "a text");
    assert_non_null(td_arena_copy(arena, NULL, 0));
    td_arena_close(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alignment),
        cmocka_unit_test(test_allocations_do_not_overlap),
        cmocka_unit_test(test_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
