/* Which connection a stream follows, as book/follow.h says: each case is a script of frames with
 * the place and the part that each of them has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/limits.h"
#include "book/follow.h"

#define SECOND UINT64_C(1000000000)

/* Slots of the scripts: their present connection, and whether that has ended. */
typedef struct test_slot {
    uint32_t conn;
    int has_ended;
} test_slot;

static int has_ended(void *user, const follow_conn *conn, uint64_t recv_ns)
{
    (void)user;
    (void)recv_ns;
    const test_slot *slot = conn->slot;
    return slot->conn != conn->conn || slot->has_ended;
}

static follow_answer take_granted(follow *stream, test_slot *slot, uint64_t at_ns,
                                  uint64_t granted_ns)
{
    const follow_conn now = {.slot = slot,
                             .session = (uintptr_t)slot,
                             .conn = slot->conn,
                             .last_ns = at_ns,
                             .granted_ns = granted_ns};
    return follow_take(stream, &now, has_ended, NULL);
}

static follow_answer take(follow *stream, test_slot *slot, uint64_t at_ns)
{
    return take_granted(stream, slot, at_ns, 0);
}

static void expect(follow_answer got, uint32_t place, int is_copy)
{
    assert_int_equal(got.place, place);
    assert_int_equal(got.is_copy, is_copy);
}

static void test_the_first_one_is_followed(void **state)
{
    (void)state;
    follow stream = {0};
    test_slot a = {.conn = 1}, b = {.conn = 1};
    expect(take(&stream, &a, 1 * SECOND), 0, 0);
    for (uint64_t s = 1; s < 100; s++) {
        expect(take(&stream, &b, s * SECOND + 1), 1, 1);
        expect(take(&stream, &a, s * SECOND + 2), 0, 0);
    }
    follow_fini(&stream);
}

static void test_until_it_ends(void **state)
{
    (void)state;
    follow stream = {0};
    test_slot a = {.conn = 1}, b = {.conn = 1}, c = {.conn = 1};
    expect(take(&stream, &a, 1), 0, 0);
    expect(take(&stream, &b, 2), 1, 1);
    a.has_ended = 1;
    /* Its frames before were copies: the stream is complete since this one. */
    follow_answer taken_over = take_granted(&stream, &b, 3, 2);
    expect(taken_over, 1, 0);
    assert_int_equal(taken_over.granted_ns, 3);
    assert_int_equal(take_granted(&stream, &b, 4, 2).granted_ns, 3);
    assert_int_equal(take_granted(&stream, &b, 5, 4).granted_ns, 4);
    assert_int_equal(take(&stream, &b, 5).granted_ns, 0);
    /* It comes back, and is one among others. */
    a = (test_slot){.conn = 2};
    expect(take(&stream, &a, 4), 0, 1);
    expect(take(&stream, &b, 5), 1, 0);
    /* A new slot gets the place of a connection that ended. */
    a.has_ended = 1;
    expect(take(&stream, &c, 6), 0, 1);
    follow_fini(&stream);
}

static void test_a_reconnect_keeps_its_place(void **state)
{
    (void)state;
    follow stream = {0};
    test_slot a = {.conn = 1}, b = {.conn = 1};
    expect(take(&stream, &a, 1), 0, 0);
    a.conn = 2;
    expect(take(&stream, &a, 2), 0, 0);
    assert_int_equal(take_granted(&stream, &a, 2, 1).granted_ns, 1);
    /* Where another connection was faster, that one is followed. */
    expect(take(&stream, &b, 3), 1, 1);
    a.conn = 3;
    expect(take(&stream, &b, 4), 1, 0);
    expect(take(&stream, &a, 5), 0, 1);
    follow_fini(&stream);
}

static void test_until_it_is_silent(void **state)
{
    (void)state;
    follow stream = {0};
    test_slot a = {.conn = 1}, b = {.conn = 1};
    expect(take(&stream, &a, 10 * SECOND), 0, 0);
    expect(take(&stream, &b, 10 * SECOND + FOLLOW_SILENCE_NS), 1, 1);
    expect(take(&stream, &b, 10 * SECOND + FOLLOW_SILENCE_NS + 1), 1, 0);
    expect(take(&stream, &a, 10 * SECOND + FOLLOW_SILENCE_NS + 2), 0, 1);
    /* Alone, it may be silent for as long as it likes. */
    expect(take(&stream, &b, 1000 * SECOND), 1, 0);
    expect(take(&stream, &a, 1001 * SECOND), 0, 1);
    /* A clock that went back is no silence. */
    expect(take(&stream, &a, 1 * SECOND), 0, 1);
    follow_fini(&stream);
}

/* A recorder records one session at a time: no frame of one is a copy of another's. */
static void test_sessions_of_a_recorder(void **state)
{
    (void)state;
    follow stream = {0};
    test_slot a = {.conn = 1};
    test_slot b = {.conn = 1};
    test_slot capture = {.conn = 1};
    static const struct {
        int slot; /* 0: a, 1: b, 2: capture */
        int is_copy, is_interleaved;
    } steps[] = {{0, 0, 0}, {1, 0, 1}, {2, 1, 0}, {0, 0, 1}, {0, 0, 0}, {2, 1, 0}, {1, 0, 1}};
    test_slot *const slots[] = {&a, &b, &capture};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        test_slot *slot = slots[steps[i].slot];
        const follow_conn now = {.slot = slot,
                                 .conn = slot->conn,
                                 .last_ns = i + 1,
                                 .session = (uintptr_t)slot,
                                 .is_recorded = slot != &capture};
        const follow_answer answer = follow_take(&stream, &now, has_ended, NULL);
        assert_int_equal(answer.is_copy, steps[i].is_copy);
        assert_int_equal(answer.is_interleaved, steps[i].is_interleaved);
    }
    /* One that has ended leaves the stream to the next. */
    b.has_ended = 1;
    const follow_conn next = {
        .slot = &a, .session = (uintptr_t)&a, .conn = 1, .last_ns = 99, .is_recorded = 1};
    const follow_answer answer = follow_take(&stream, &next, has_ended, NULL);
    assert_int_equal(answer.is_copy, 0);
    assert_int_equal(answer.is_interleaved, 0);
    follow_fini(&stream);
}

static void test_places_are_bounded(void **state)
{
    (void)state;
    follow stream = {0};
    static test_slot slots[LIMIT_FOLLOW_CONNECTIONS + 1];
    for (uint32_t i = 0; i <= LIMIT_FOLLOW_CONNECTIONS; i++) {
        slots[i].conn = 1;
        /* The last one gets the place of the one that was silent for longest, which is not
         * followed. */
        expect(take(&stream, &slots[i], i + 1), i < LIMIT_FOLLOW_CONNECTIONS ? i : 1, i > 0);
    }
    expect(take(&stream, &slots[0], 9999), 0, 0);
    assert_int_equal(stream.count, LIMIT_FOLLOW_CONNECTIONS);
    follow_fini(&stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_one_is_followed),
        cmocka_unit_test(test_until_it_ends),
        cmocka_unit_test(test_a_reconnect_keeps_its_place),
        cmocka_unit_test(test_until_it_is_silent),
        cmocka_unit_test(test_sessions_of_a_recorder),
        cmocka_unit_test(test_places_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
