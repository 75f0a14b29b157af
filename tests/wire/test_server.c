/* One message to many peers: with and without permessage-deflate, in any order. Expected values are
 * what was put in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/random.h"
#include "tests/testing/wire_echo.h"
#include "wire/server.h"

enum { SIDES = PEERS_MAX };

typedef struct scene {
    echo e;
    wire_side sides[SIDES];
} scene;

/* Every second one offers compression. */
static void open_scene(scene *s)
{
    const wire_server_options listening = {.is_plain = 1};
    echo_open(&s->e, &listening);
    for (unsigned i = 0; i < SIDES; i++) {
        const wire_client_options options = {.with_deflate = i % 2};
        wire_side_connect(&s->sides[i], s->e.loop, echo_url(&s->e, "/realtime"), &options);
        wire_run_until(s->e.loop, &s->sides[i].opened, 1, "opened");
        assert_int_equal(s->sides[i].extensions[0] != '\0', i % 2);
    }
}

static void expect_last(scene *s, unsigned i, unsigned count, const wire_peer_message *sent)
{
    wire_side *side = &s->sides[i];
    wire_run_until(s->e.loop, &side->messages, count, "message");
    assert_int_equal(side->messages, count);
    assert_int_equal(side->last_opcode, sent->opcode);
    assert_int_equal(side->last_size, sent->bytes.size);
    assert_int_equal(side->last_hash, td_xxh64(sent->bytes.data, sent->bytes.size));
}

static void test_to_all(void **state)
{
    (void)state;
    static const size_t SIZES[] = {0, 1, 640, 70000, (1 << 20) + 1, 5 << 20, 3};
    static scene s;
    uint8_t *bytes = malloc(5 << 20);
    td_random random;
    unsigned count = 0;
    td_random_init(&random, 3);
    open_scene(&s);
    for (size_t row = 0; row < sizeof SIZES / sizeof *SIZES; row++) {
        wire_peer_message sent = {.opcode = 1 + row % 2, .bytes = td_bytes_of(bytes, SIZES[row])};
        for (size_t i = 0; i < SIZES[row]; i++)
            bytes[i] = (uint8_t)('a' + td_random_below(&random, 1 + row));
        for (unsigned i = 0; i < SIDES; i++)
            assert_int_equal(wire_peer_send_message(s.e.peers[i], &sent, NULL), TD_OK);
        count++;
        for (unsigned i = 0; i < SIDES; i++)
            expect_last(&s, i, count, &sent);
    }
    echo_close(&s.e);
    free(bytes);
}

/* Two messages whose peers come by turns, with memory that is used again, and one of its own in
 * between: none gets what was compressed for another. */
static void test_by_turns(void **state)
{
    (void)state;
    static scene s;
    char memory[2][32];
    open_scene(&s);
    for (unsigned round = 1; round <= 20; round++) {
        wire_peer_message sent[2];
        for (unsigned k = 0; k < 2; k++) {
            size_t size = (size_t)snprintf(memory[k], sizeof memory[k], "round %u of %u", round, k);
            sent[k] = (wire_peer_message){.opcode = 1, .bytes = td_bytes_of(memory[k], size)};
        }
        for (unsigned i = 0; i < SIDES; i++)
            for (unsigned k = 0; k < 2; k++)
                assert_int_equal(wire_peer_send_message(s.e.peers[i], &sent[(i + k) % 2], NULL),
                                 TD_OK);
        assert_int_equal(wire_peer_send(s.e.peers[1], 1, td_bytes_str("own"), NULL), TD_OK);
        assert_int_equal(wire_peer_send_message(s.e.peers[1], &sent[0], NULL), TD_OK);
        for (unsigned i = 0; i < SIDES; i++)
            expect_last(&s, i, round * (i == 1 ? 4 : 2), &sent[i == 1 ? 0 : (i + 1) % 2]);
    }
    echo_close(&s.e);
}

/* One peer's queue is full: the others get the message. */
static void test_full_queue(void **state)
{
    (void)state;
    static scene s;
    uint8_t *bytes = malloc(WIRE_PEER_QUEUE_BYTES_MAX);
    td_random random;
    td_random_init(&random, 4);
    for (size_t i = 0; i < WIRE_PEER_QUEUE_BYTES_MAX; i++)
        bytes[i] = (uint8_t)('a' + td_random_below(&random, 26));
    open_scene(&s);
    td_bytes first = td_bytes_of(bytes, WIRE_PEER_QUEUE_BYTES_MAX);
    assert_int_equal(wire_peer_send(s.e.peers[1], 1, first, NULL), TD_OK);
    wire_peer_message sent = {.opcode = 1, .bytes = td_bytes_of(bytes, 4 << 20)};
    for (unsigned i = 0; i < SIDES; i++)
        assert_int_equal(wire_peer_send_message(s.e.peers[i], &sent, NULL),
                         i == 1 ? TD_E_LIMIT : TD_OK);
    for (unsigned i = 0; i < SIDES; i++)
        expect_last(&s, i, 1, i == 1 ? &(wire_peer_message){.opcode = 1, .bytes = first} : &sent);
    echo_close(&s.e);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_to_all),
        cmocka_unit_test(test_by_turns),
        cmocka_unit_test(test_full_queue),
    };
    return cmocka_run_group_tests_name("wire/server", tests, NULL, NULL);
}
