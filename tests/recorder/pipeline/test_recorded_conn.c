/* What is recorded about a connection besides its frames. Expected values: the order of the pings
 * and pongs that the test sends, each at its own time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "recorder/pipeline/recorded_conn.h"
#include "tests/testing/clock_sim.h"

#define START_NS (UINT64_C(1700000000) * TD_NS_PER_S)

typedef struct fixture {
    clock_sim *clock;
    td_ring *ring;
    pipeline_config *config;
    intake *intake;
    intake_slot slot;
    recorded_conn conn;
} fixture;

static void begin(fixture *f)
{
    const event peer = {
        .url = "ws://exchange/", .attempt = 2, .extensions = "none", .tls_version = "TLSv1.3"};
    recorded_conn_begin(&f->conn, f->intake, &f->slot, &peer);
}

static void fixture_open(fixture *f)
{
    *f = (fixture){.clock = clock_sim_open(START_NS, TD_NS_PER_S),
                   .config = td_alloc(sizeof *f->config),
                   .slot = {.line = 1, .shard = 2}};
    pipeline_config_init(f->config);
    f->config->feeds[0] =
        (pipeline_feed){.name = "inverse", .family = family_find(td_bytes_str("inverse"))};
    f->config->feed_count = 1;
    f->config->overload = OVERLOAD_DROP;
    assert_int_equal(td_ring_open(LIMIT_RING_BYTES, &f->ring, NULL), TD_OK);
    const intake_options options = {
        .ring = f->ring, .clock = clock_sim_clock(f->clock), .config = f->config};
    f->intake = intake_open(&options);
    f->conn.clock = clock_sim_clock(f->clock);
    begin(f);
}

static void fixture_close(fixture *f)
{
    intake_close(f->intake);
    td_ring_close(f->ring);
    td_free(f->config);
    clock_sim_close(f->clock);
}

/* The next event in the ring; its texts are valid until something else is put there. */
static event next_event(fixture *f)
{
    event found = {.kind = EVENT_KIND_COUNT};
    for (td_bytes view; (view = td_ring_peek(f->ring)).data != NULL; td_ring_release(f->ring)) {
        intake_record record;
        memcpy(&record, view.data, sizeof record);
        if (record.kind != INTAKE_EVENT)
            continue;
        found = *record.event;
        td_ring_release(f->ring);
        assert_int_equal(found.line, 1);
        assert_int_equal(found.shard, 2);
        assert_int_equal(found.conn, f->slot.conn);
        return found;
    }
    return found;
}

/* Sends a ping ('>') or a pong ('<') a second after the last one. Returns its time. */
static uint64_t step(fixture *f, char what, ping_kind kind)
{
    clock_sim_advance(f->clock, TD_NS_PER_S);
    if (what == '>')
        recorded_conn_pinged(&f->conn, kind);
    else
        recorded_conn_ponged(&f->conn, kind);
    return intake_now_ns(f->intake);
}

static void events_of_its_life(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    const event opened = next_event(&f);
    assert_int_equal(opened.kind, EVENT_CONNECT);
    assert_string_equal(opened.url, "ws://exchange/");
    assert_int_equal(opened.attempt, 2);
    const event tls = next_event(&f);
    assert_int_equal(tls.kind, EVENT_TLS);
    assert_string_equal(tls.tls_version, "TLSv1.3");
    const event ended = {.code = 1001, .by = "peer", .cause = "closed_by_peer"};
    const uint64_t ended_ns = recorded_conn_end(&f.conn, &ended, td_bytes_str("maintenance"));
    assert_true(ended_ns > f.slot.complete_ns);
    const event closed = next_event(&f);
    assert_int_equal(closed.kind, EVENT_DISCONNECT);
    assert_int_equal(closed.code, 1001);
    assert_string_equal(closed.reason, "maintenance");
    assert_string_equal(closed.by, "peer");
    fixture_close(&f);
}

/* An answer belongs to the oldest open ping, however many were sent since. */
static void answers_come_in_order(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    uint64_t first_ns = step(&f, '>', PING_DIALECT);
    uint64_t second_ns = step(&f, '>', PING_DIALECT);
    (void)step(&f, '<', PING_DIALECT);
    assert_int_equal(f.slot.complete_ns, first_ns);
    uint64_t third_ns = step(&f, '>', PING_DIALECT);
    (void)step(&f, '<', PING_DIALECT);
    assert_int_equal(f.slot.complete_ns, second_ns);
    assert_int_equal(recorded_conn_open_pings(&f.conn, PING_DIALECT), 1);
    (void)step(&f, '<', PING_DIALECT);
    assert_int_equal(f.slot.complete_ns, third_ns);
    (void)step(&f, '<', PING_DIALECT); /* without a ping */
    assert_int_equal(f.slot.complete_ns, third_ns);
    fixture_close(&f);
}

/* Each kind of ping has its own answers. */
static void kinds_of_pings_are_answered_apart(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    for (int i = 0; i < 2 * OPEN_PINGS_MAX; i++) {
        (void)step(&f, '>', PING_WEBSOCKET);
        uint64_t sent_ns = step(&f, '>', PING_DIALECT);
        (void)step(&f, '<', PING_DIALECT);
        assert_int_equal(f.slot.complete_ns, sent_ns);
    }
    assert_int_equal(recorded_conn_open_pings(&f.conn, PING_WEBSOCKET), 2 * OPEN_PINGS_MAX);
    for (int i = 0; i < 2 * OPEN_PINGS_MAX; i++)
        (void)step(&f, '<', PING_WEBSOCKET);
    uint64_t sent_ns = step(&f, '>', PING_WEBSOCKET);
    (void)step(&f, '<', PING_WEBSOCKET);
    assert_int_equal(f.slot.complete_ns, sent_ns);
    fixture_close(&f);
}

/* A ping sent before the session proves nothing in it, and its answer does not belong to a later
 * ping. */
static void a_ping_of_an_earlier_session(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    (void)step(&f, '>', PING_DIALECT);
    begin(&f);
    const uint64_t begun_ns = f.slot.complete_ns;
    uint64_t sent_ns = step(&f, '>', PING_DIALECT);
    (void)step(&f, '<', PING_DIALECT);
    assert_int_equal(f.slot.complete_ns, begun_ns);
    (void)step(&f, '<', PING_DIALECT);
    assert_int_equal(f.slot.complete_ns, sent_ns);
    fixture_close(&f);
}

static void a_flood_is_counted(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    (void)next_event(&f);
    (void)next_event(&f);
    clock_sim_advance(f.clock, TD_NS_PER_S);
    for (int i = 0; i < HEARTBEATS_A_SECOND + 3; i++)
        assert_int_equal(recorded_conn_heartbeat(&f.conn, PING_IN, td_bytes_str("x")),
                         i == HEARTBEATS_A_SECOND);
    clock_sim_advance(f.clock, TD_NS_PER_S);
    recorded_conn_tick(&f.conn);
    for (int i = 0; i < HEARTBEATS_A_SECOND + 1; i++) {
        const event seen = next_event(&f);
        assert_int_equal(seen.kind, EVENT_HEARTBEAT);
        assert_string_equal(seen.what, "ping");
        assert_string_equal(seen.dir, "in");
        assert_int_equal(seen.frames, i < HEARTBEATS_A_SECOND ? 0 : 3);
    }
    assert_int_equal(next_event(&f).kind, EVENT_KIND_COUNT);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_of_its_life),
        cmocka_unit_test(answers_come_in_order),
        cmocka_unit_test(kinds_of_pings_are_answered_apart),
        cmocka_unit_test(a_ping_of_an_earlier_session),
        cmocka_unit_test(a_flood_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
