/* The arena. Expected results: the contract in base/arena.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/random.h"

static void test_alignment_and_bound(void **state)
{
    (void)state;
    td_arena *arena = td_arena_open(1000);
    for (size_t size = 0; size < 20; size++)
        assert_int_equal((uintptr_t)td_arena_alloc(arena, size) % 16, 0);
    /* 0 to 16 bytes take 16, 17 to 19 take 32. */
    assert_int_equal(td_arena_used_bytes(arena), 17 * 16 + 3 * 32);
    assert_null(td_arena_alloc(arena, 1000));
    assert_null(td_arena_alloc(arena, SIZE_MAX));
    assert_null(td_arena_alloc(arena, SIZE_MAX - 15));
    assert_int_equal(td_arena_used_bytes(arena), 368);
    assert_non_null(td_arena_alloc(arena, 624));
    assert_null(td_arena_alloc(arena, 1));
    td_arena_reset(arena);
    assert_int_equal(td_arena_used_bytes(arena), 0);
    assert_non_null(td_arena_alloc(arena, 992));
    td_arena_close(arena);
    td_arena_close(NULL);
}

/* Whether something fits depends on this message alone, not on the ones before. */
static void test_bound_is_the_same_after_any_history(void **state)
{
    (void)state;
    enum { BOUND = 1 << 20 };
    td_arena *arena = td_arena_open(BOUND);
    td_random random;
    td_random_init(&random, 5);
    for (int message = 0; message < 300; message++) {
        size_t used = 0;
        for (;;) {
            size_t size = (size_t)td_random_below(&random, 60000) + 1;
            size_t rounded = (size + 15) / 16 * 16;
            uint8_t *memory = td_arena_alloc(arena, size);
            assert_int_equal(memory != NULL, used + rounded <= BOUND);
            if (memory == NULL)
                break;
            memory[0] = 1;
            memory[size - 1] = 2;
            used += rounded;
        }
        assert_int_equal(td_arena_used_bytes(arena), used);
        td_arena_reset(arena);
    }
    td_arena_close(arena);
}

/* What is handed out stays apart and keeps its content while more blocks come. */
static void test_content_stays(void **state)
{
    (void)state;
    enum { PIECES = 500, BYTES = 1000 };
    td_arena *arena = td_arena_open(1 << 20);
    for (int round = 0; round < 3; round++) {
        uint8_t *pieces[PIECES];
        for (int i = 0; i < PIECES; i++) {
            pieces[i] = td_arena_alloc(arena, BYTES);
            assert_non_null(pieces[i]);
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
    td_arena *arena = td_arena_open(64);
    char text[] = "a text";
    const char *copy = td_arena_copy(arena, text, sizeof text);
    text[0] = 'x';
    assert_string_equal(copy, "a text");
    assert_non_null(td_arena_copy(arena, NULL, 0));
    assert_null(td_arena_copy(arena, text, 64));
    td_arena_close(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alignment_and_bound),
        cmocka_unit_test(test_bound_is_the_same_after_any_history),
        cmocka_unit_test(test_content_stays),
        cmocka_unit_test(test_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
