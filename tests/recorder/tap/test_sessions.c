/* Consecutive sessions of a tap: the relay's thread only calls tick, and records while a session is
 * open. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/io_posix.h"
#include "archive/archive.h"
#include "recorder/tap/sessions.h"
#include "tests/testing/clock_sim.h"
#include "tests/testing/files.h"

#define START_NS UINT64_C(1795000000000000000)
#define HOUR_NS  (UINT64_C(3600) * TD_NS_PER_S)

enum { FRAMES = 10 };

/* Sessions with one feed and slot. Log lines are counted by how they begin. */
typedef struct bench {
    char folder[TEMP_FOLDER_BYTES];
    clock_sim *clock;
    td_log log;
    pipeline_config config;
    redactor *redactors[1];
    tap_sessions *sessions;
    atomic_uint failures, recoveries;
} bench;

static void on_line(void *user, td_log_level level, const char *line)
{
    bench *b = user;
    if (level == TD_LOG_ERROR && strncmp(line, "nothing is recorded now", 23) == 0)
        atomic_fetch_add(&b->failures, 1);
    if (level == TD_LOG_WARNING && strstr(line, "records again") != NULL)
        atomic_fetch_add(&b->recoveries, 1);
}

static void bench_open(bench *b)
{
    td_err err;
    *b = (bench){.clock = clock_sim_open(START_NS, TD_NS_PER_S)};
    b->log = (td_log){.fn = on_line, .ctx = b, .level_max = TD_LOG_WARNING};
    temp_folder_make(TEMP_IN_MEMORY, b->folder);
    pipeline_config_init(&b->config);
    b->config.overload = OVERLOAD_DROP;
    const family *of = family_find(td_bytes_str("v5-linear"));
    b->config.feeds[0] = (pipeline_feed){.name = of->name, .family = of};
    b->config.feed_count = 1;
    b->config.min_free_bytes = 1;
    const tap_sessions_options options = {.path = b->folder,
                                          .config = &b->config,
                                          .redactors = b->redactors,
                                          .clock = clock_sim_clock(b->clock),
                                          .log = &b->log};
    if (tap_sessions_open(&options, &b->sessions, &err) != TD_OK)
        fail_msg("%s", err.text);
    assert_int_equal(tap_sessions_number(b->sessions), 1);
}

static void bench_close(bench *b)
{
    tap_sessions_close(b->sessions);
    temp_folder_remove(b->folder);
    clock_sim_close(b->clock);
}

static void tick(bench *b)
{
    clock_sim_advance(b->clock, 10 * TD_NS_PER_MS);
    tap_sessions_tick(b->sessions);
    sched_yield();
}

static void tick_until(bench *b, uint32_t number)
{
    while (tap_sessions_number(b->sessions) != number)
        tick(b);
}

/* A new connection of the slot, with frames. */
static void record(bench *b, uint32_t expected_conns)
{
    static const char FRAME[] = "{\"topic\":\"publicTrade.X\"}";
    intake *into = tap_sessions_intake(b->sessions);
    tap_slot *slot = tap_sessions_slot(b->sessions, 0, 3);
    assert_int_equal(slot->at.conn, expected_conns);
    assert_int_equal(slot->ended_ns, 0);
    slot->at.shard = 3;
    slot->at.conn++;
    slot->at.in = slot->at.out = 0;
    tap_sessions_begin(b->sessions, 0);
    intake_opened(into, &slot->at);
    for (int i = 0; i < FRAMES; i++) {
        const ws_message frame = {.opcode = OPCODE_TEXT,
                                  .bytes = td_bytes_str(FRAME),
                                  .mono_ns = clock_mono_ns(clock_sim_clock(b->clock))};
        uint64_t recv_ns = intake_frame(into, &slot->at, CHANNEL_IN, &frame);
        tap_sessions_received(b->sessions, 0, recv_ns);
    }
    intake_closed(into, &slot->at);
}

/* Opens the archive as another program does. */
static archive *open_archive(const bench *b, archive_mode mode, td_result *rc)
{
    td_err err;
    archive *found = NULL;
    const archive_options options = {
        .io = io_posix(), .clock = clock_sim_clock(b->clock), .verb = "test"};
    *rc = archive_open(&options, b->folder, mode, &found, &err);
    return found;
}

/* The wall clock was set back: later frames would be out of order. Not a failure. */
static void test_the_next_one_follows(void **state)
{
    (void)state;
    bench b;
    td_err err;
    bench_open(&b);
    for (uint32_t number = 1; number <= 3; number++) {
        tick_until(&b, number);
        record(&b, 0); /* slots belong to a session */
        record(&b, 1);
        clock_sim_set_wall(b.clock, START_NS - number * HOUR_NS);
        if (number < 3)
            tick_until(&b, 0);
    }
    if (tap_sessions_stop(b.sessions, &err) != TD_OK)
        fail_msg("%s", err.text);
    assert_int_equal(tap_sessions_totals(b.sessions).frames, 3 * 2 * FRAMES);
    assert_int_equal(tap_sessions_totals(b.sessions).dropped, 0);
    assert_int_equal(b.failures, 0);
    bench_close(&b);
}

/* Another program opens the archive between two sessions: one log line for all attempts, and one at
 * the end; closing reports the failure. */
static void test_an_archive_that_is_taken(void **state)
{
    (void)state;
    bench b;
    td_err err;
    td_result rc;
    archive *other;
    bench_open(&b);
    record(&b, 0);
    clock_sim_set_wall(b.clock, START_NS - HOUR_NS);
    tick_until(&b, 0);
    do
        other = open_archive(&b, ARCHIVE_APPEND, &rc); /* the session ends on its own thread */
    while (rc == TD_E_BUSY);
    assert_int_equal(rc, TD_OK);
    for (uint64_t i = 0; i < 3 * TAP_RETRY_NS / (10 * TD_NS_PER_MS) || b.failures == 0; i++) {
        tick(&b);
        assert_int_equal(tap_sessions_number(b.sessions), 0);
    }
    assert_int_equal(b.recoveries, 0);
    archive_close(other);
    tick_until(&b, 2);
    assert_int_equal(b.failures, 1);
    assert_int_equal(b.recoveries, 1);
    record(&b, 0);
    assert_int_equal(tap_sessions_stop(b.sessions, &err), TD_E_BUSY);
    assert_non_null(strstr(err.text, "recording was interrupted"));
    assert_int_equal(tap_sessions_totals(b.sessions).frames, 2 * FRAMES);
    bench_close(&b);
}

/* Stopped while the next session is being opened, or the last one is ending. */
static void test_stopped_between(void **state)
{
    (void)state;
    for (int ticks = 0; ticks < 40; ticks += ticks < 10 ? 1 : 5) {
        bench b;
        td_err err;
        bench_open(&b);
        record(&b, 0);
        clock_sim_set_wall(b.clock, START_NS - HOUR_NS);
        tick_until(&b, 0);
        for (int i = 0; i < ticks; i++)
            tick(&b);
        if (tap_sessions_stop(b.sessions, &err) != TD_OK)
            fail_msg("%s", err.text);
        assert_int_equal(tap_sessions_totals(b.sessions).frames, FRAMES);
        bench_close(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_next_one_follows),
        cmocka_unit_test(test_an_archive_that_is_taken),
        cmocka_unit_test(test_stopped_between),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
