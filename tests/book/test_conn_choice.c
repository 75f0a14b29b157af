/* Which connection a stream follows, by book/conn_choice.h: each case is a script of frames with
 * their expected index and whether they are copies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/limits.h"
#include "book/conn_choice.h"

#define SECOND UINT64_C(1000000000)

/* A connection slot of the scripts: its current connection, and whether that has ended. */
typedef struct test_slot {
    frame_conn conn;
    int has_ended;
} test_slot;

static test_slot slot_of(uint32_t shard, uint32_t number)
{
    return (test_slot){.conn = {.shard = shard, .number = number}};
}

static test_slot *slot_of_shard[LIMIT_CHOICE_CONNECTIONS + 1]; /* by shard */

static int has_ended(void *user, const choice_conn *conn, uint64_t recv_ns)
{
    (void)user;
    (void)recv_ns;
    const test_slot *slot = slot_of_shard[conn->shard];
    return slot->conn.number != conn->number || slot->has_ended;
}

/* A copy of the stream's choice, saved and loaded. */
static conn_choice reload(conn_choice *choice)
{
    td_buf bytes;
    conn_choice again = {0};
    td_buf_init(&bytes, LIMIT_STATE_BYTES);
    state_io saving = {.out = &bytes};
    conn_choice_serialize(choice, &saving);
    state_io loading = {.in = td_buf_view(&bytes)};
    conn_choice_serialize(&again, &loading);
    assert_int_equal(saving.is_failed + loading.is_failed, 0);
    td_buf_fini(&bytes);
    return again;
}

/* Judges and records a frame. A copy that was saved and loaded before must judge it the same. */
static frame_ref apply_granted(conn_choice *choice, test_slot *slot, uint64_t at_ns,
                               uint64_t granted_ns)
{
    frame_ref frame = {.recv_ns = at_ns, .conn = &slot->conn, .granted_ns = granted_ns};
    frame_ref same = frame;
    conn_choice again = reload(choice);
    slot_of_shard[slot->conn.shard] = slot;
    conn_choice_set(choice, &frame, has_ended, NULL);
    conn_choice_set(&again, &same, has_ended, NULL);
    assert_memory_equal(&frame, &same, sizeof frame);
    conn_choice_fini(&again);
    (void)conn_choice_note(choice, &frame);
    return frame;
}

static frame_ref apply(conn_choice *choice, test_slot *slot, uint64_t at_ns)
{
    return apply_granted(choice, slot, at_ns, 0);
}

static void expect(frame_ref got, uint32_t conn_index, int is_copy)
{
    assert_int_equal(got.conn_index, conn_index);
    assert_int_equal(got.is_copy, is_copy);
}

static void test_the_first_one_is_followed(void **state)
{
    (void)state;
    conn_choice choice = {0};
    test_slot a = slot_of(0, 1), b = slot_of(1, 1);
    expect(apply(&choice, &a, 1 * SECOND), 0, 0);
    for (uint64_t s = 1; s < 100; s++) {
        expect(apply(&choice, &b, s * SECOND + 1), 1, 1);
        expect(apply(&choice, &a, s * SECOND + 2), 0, 0);
    }
    conn_choice_fini(&choice);
}

static void test_until_it_ends(void **state)
{
    (void)state;
    conn_choice choice = {0};
    test_slot a = slot_of(0, 1), b = slot_of(1, 1), c = slot_of(2, 1);
    expect(apply(&choice, &a, 1), 0, 0);
    expect(apply(&choice, &b, 2), 1, 1);
    a.has_ended = 1;
    /* Its earlier frames were copies: the stream is complete since this one. */
    expect(apply(&choice, &b, 3), 1, 0);
    assert_int_equal(apply_granted(&choice, &b, 4, 2).granted_ns, 3);
    assert_int_equal(apply_granted(&choice, &b, 5, 4).granted_ns, 4);
    assert_int_equal(apply(&choice, &b, 5).granted_ns, 4);
    /* It reconnects, and is one of several. */
    a = slot_of(0, 2);
    expect(apply(&choice, &a, 4), 0, 1);
    expect(apply(&choice, &b, 5), 1, 0);
    /* A new slot gets the index of an ended connection. */
    a.has_ended = 1;
    expect(apply(&choice, &c, 6), 0, 1);
    conn_choice_fini(&choice);
}

static void test_a_reconnect_keeps_its_place(void **state)
{
    (void)state;
    conn_choice choice = {0};
    test_slot a = slot_of(0, 1), b = slot_of(1, 1);
    expect(apply(&choice, &a, 1), 0, 0);
    a.conn.number = 2;
    expect(apply(&choice, &a, 2), 0, 0);
    assert_int_equal(apply_granted(&choice, &a, 2, 1).granted_ns, 1);
    /* If another connection was faster, that one is followed. */
    expect(apply(&choice, &b, 3), 1, 1);
    a.conn.number = 3;
    expect(apply(&choice, &b, 4), 1, 0);
    expect(apply(&choice, &a, 5), 0, 1);
    conn_choice_fini(&choice);
}

static void test_until_it_is_silent(void **state)
{
    (void)state;
    conn_choice choice = {0};
    test_slot a = slot_of(0, 1), b = slot_of(1, 1);
    expect(apply(&choice, &a, 10 * SECOND), 0, 0);
    expect(apply(&choice, &b, 10 * SECOND + CONN_CHOICE_SILENCE_NS), 1, 1);
    expect(apply(&choice, &b, 10 * SECOND + CONN_CHOICE_SILENCE_NS + 1), 1, 0);
    expect(apply(&choice, &a, 10 * SECOND + CONN_CHOICE_SILENCE_NS + 2), 0, 1);
    /* A single connection may be silent for any time. */
    expect(apply(&choice, &b, 1000 * SECOND), 1, 0);
    expect(apply(&choice, &a, 1001 * SECOND), 0, 1);
    /* A clock that went back is not silence. */
    expect(apply(&choice, &a, 1 * SECOND), 0, 1);
    conn_choice_fini(&choice);
}

/* A topic moves from one open connection to another: what only copies had is missing. */
static void test_only_copies_came(void **state)
{
    (void)state;
    conn_choice choice = {0};
    test_slot a = slot_of(0, 1), b = slot_of(1, 1), c = slot_of(2, 1);
    assert_int_equal(apply(&choice, &a, 10 * SECOND).copied_since_ns, 0);
    assert_int_equal(apply(&choice, &b, 11 * SECOND).copied_since_ns, 0); /* a slow copy */
    assert_int_equal(apply(&choice, &b, 12 * SECOND).copied_since_ns, 10 * SECOND);
    assert_int_equal(apply(&choice, &a, 13 * SECOND).copied_since_ns, 0); /* it continues */
    assert_int_equal(apply(&choice, &b, 15 * SECOND).copied_since_ns, 13 * SECOND);
    expect(apply(&choice, &c, 16 * SECOND), 2, 1);
    const frame_ref moved = apply(&choice, &c, 19 * SECOND);
    expect(moved, 2, 0);
    assert_int_equal(moved.copied_since_ns, 13 * SECOND);
    assert_int_equal(apply(&choice, &c, 20 * SECOND).copied_since_ns, 0);
    /* The followed connection ends, and no copy came later. */
    c.has_ended = 1;
    expect(apply(&choice, &a, 30 * SECOND), 0, 0);
    assert_int_equal(apply(&choice, &a, 31 * SECOND).copied_since_ns, 0);
    conn_choice_fini(&choice);
    /* Sessions of a recorder have no copies of each other. */
    a = slot_of(0, 1);
    b = slot_of(1, 1);
    a.conn.is_recorded = b.conn.is_recorded = 1;
    a.conn.session_id = "00000001";
    b.conn.session_id = "00000002";
    expect(apply(&choice, &a, 10 * SECOND), 0, 0);
    expect(apply(&choice, &b, 12 * SECOND), 1, 0);
    expect(apply(&choice, &a, 13 * SECOND), 0, 0);
    assert_int_equal(apply(&choice, &b, 15 * SECOND).copied_since_ns, 0);
    conn_choice_fini(&choice);
}

/* A recorder records one session at a time, so frames of two sessions are not copies of each other.
 */
static void test_sessions_of_a_recorder(void **state)
{
    (void)state;
    conn_choice choice = {0};
    test_slot a = {.conn = {.number = 1, .session_id = "a", .is_recorded = 1}};
    test_slot b = {.conn = {.shard = 1, .number = 1, .session_id = "b", .is_recorded = 1}};
    test_slot capture = {.conn = {.shard = 2, .number = 1, .session_id = "capture"}};
    static const struct {
        int slot; /* 0: a, 1: b, 2: capture */
        int is_copy, is_interleaved;
    } steps[] = {{0, 0, 0}, {1, 0, 1}, {2, 1, 0}, {0, 0, 1}, {0, 0, 0}, {2, 1, 0}, {1, 0, 1}};
    test_slot *const slots[] = {&a, &b, &capture};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        const frame_ref answer = apply(&choice, slots[steps[i].slot], i + 1);
        assert_int_equal(answer.is_copy, steps[i].is_copy);
        assert_int_equal(answer.is_interleaved, steps[i].is_interleaved);
    }
    /* After a connection's end the stream follows the next one. */
    b.has_ended = 1;
    const frame_ref answer = apply(&choice, &a, 99);
    assert_int_equal(answer.is_copy, 0);
    assert_int_equal(answer.is_interleaved, 0);
    conn_choice_fini(&choice);
}

static void test_places_are_bounded(void **state)
{
    (void)state;
    conn_choice choice = {0};
    static test_slot slots[LIMIT_CHOICE_CONNECTIONS + 1];
    for (uint32_t i = 0; i <= LIMIT_CHOICE_CONNECTIONS; i++) {
        slots[i] = slot_of(i, 1);
        /* The last one gets the index of the connection that has been silent longest and is not
         * followed. */
        expect(apply(&choice, &slots[i], i + 1), i < LIMIT_CHOICE_CONNECTIONS ? i : 1, i > 0);
    }
    expect(apply(&choice, &slots[0], 9999), 0, 0);
    assert_int_equal(choice.count, LIMIT_CHOICE_CONNECTIONS);
    conn_choice_fini(&choice);
}

/* Each connection gets answers only to its own requests. */
static void test_answers_are_no_copies(void **state)
{
    (void)state;
    conn_choice choice = {0};
    const topic_row row = {.type = MSG_ORDER_ENTRY};
    test_slot slots[] = {slot_of(0, 1), slot_of(1, 1)};
    for (uint32_t i = 0; i < 6; i++) {
        test_slot *slot = &slots[i % 2];
        frame_ref frame = {.recv_ns = i + 1, .conn = &slot->conn, .row = &row};
        slot_of_shard[slot->conn.shard] = slot;
        conn_choice_set(&choice, &frame, has_ended, NULL);
        expect(frame, i % 2, 0);
        (void)conn_choice_note(&choice, &frame);
    }
    conn_choice_fini(&choice);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_one_is_followed),
        cmocka_unit_test(test_until_it_ends),
        cmocka_unit_test(test_a_reconnect_keeps_its_place),
        cmocka_unit_test(test_until_it_is_silent),
        cmocka_unit_test(test_only_copies_came),
        cmocka_unit_test(test_sessions_of_a_recorder),
        cmocka_unit_test(test_places_are_bounded),
        cmocka_unit_test(test_answers_are_no_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
