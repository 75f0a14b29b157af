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
typedef struct fixture {
    char folder[TEMP_FOLDER_BYTES];
    clock_sim *clock;
    td_log log;
    pipeline_config config;
    tap_sessions *sessions;
    atomic_uint failures, recoveries;
} fixture;

static void on_line(void *user, td_log_level level, const char *line)
{
    fixture *f = user;
    if (level == TD_LOG_ERROR && strncmp(line, "nothing is recorded now", 23) == 0)
        atomic_fetch_add(&f->failures, 1);
    if (level == TD_LOG_WARNING && strstr(line, "records again") != NULL)
        atomic_fetch_add(&f->recoveries, 1);
}

static void fixture_open(fixture *f)
{
    td_err err;
    *f = (fixture){.clock = clock_sim_open(START_NS, TD_NS_PER_S)};
    f->log = (td_log){.fn = on_line, .ctx = f, .level_max = TD_LOG_WARNING};
    temp_folder_make(TEMP_IN_MEMORY, f->folder);
    pipeline_config_init(&f->config);
    f->config.overload = OVERLOAD_DROP;
    const family *of = family_find(td_bytes_str("v5-linear"));
    f->config.feeds[0] = (pipeline_feed){.name = of->name, .family = of};
    f->config.feed_count = 1;
    f->config.min_free_bytes = 1;
    const tap_sessions_options options = {.path = f->folder,
                                          .config = &f->config,
                                          .clock = clock_sim_clock(f->clock),
                                          .log = &f->log};
    if (tap_sessions_open(&options, &f->sessions, &err) != TD_OK)
        fail_msg("%s", err.text);
    assert_int_equal(tap_sessions_number(f->sessions), 1);
}

static void fixture_close(fixture *f)
{
    tap_sessions_close(f->sessions);
    temp_folder_remove(f->folder);
    clock_sim_close(f->clock);
}

static void tick(fixture *f)
{
    clock_sim_advance(f->clock, 10 * TD_NS_PER_MS);
    tap_sessions_tick(f->sessions);
    sched_yield();
}

static void tick_until(fixture *f, uint32_t number)
{
    while (tap_sessions_number(f->sessions) != number)
        tick(f);
}

/* A new connection of the slot, with frames. */
static void record_in(fixture *f, uint16_t feed, uint32_t expected_conns)
{
    static const char FRAME[] = "{\"topic\":\"publicTrade.X\"}";
    intake *into = tap_sessions_intake(f->sessions);
    tap_slot *slot = tap_sessions_slot(f->sessions, feed, 3);
    slot->at.feed_index = feed;
    assert_int_equal(slot->at.conn, expected_conns);
    assert_int_equal(slot->outage.from_ns, 0);
    slot->at.shard = 3;
    slot->at.conn++;
    slot->at.in = slot->at.out = 0;
    tap_sessions_begin(f->sessions, feed);
    intake_opened(into, &slot->at);
    for (int i = 0; i < FRAMES; i++) {
        const ws_message frame = {.opcode = OPCODE_TEXT,
                                  .bytes = td_bytes_str(FRAME),
                                  .mono_ns = clock_mono_ns(clock_sim_clock(f->clock))};
        uint64_t recv_ns = intake_frame(into, &slot->at, CHANNEL_IN, &frame);
        tap_sessions_received(f->sessions, feed, recv_ns);
    }
    intake_closed(into, &slot->at);
}

static void record(fixture *f, uint32_t expected_conns)
{
    record_in(f, 0, expected_conns);
}

/* Opens the archive as another program does. */
static archive *open_archive(const fixture *f, archive_mode mode, td_result *rc)
{
    td_err err;
    archive *found = NULL;
    const archive_options options = {
        .io = io_posix(), .clock = clock_sim_clock(f->clock), .verb = "test"};
    *rc = archive_open(&options, f->folder, mode, &found, &err);
    return found;
}

/* The wall clock was set back: later frames would be out of order. Not a failure. */
static void test_the_next_one_follows(void **state)
{
    (void)state;
    fixture f;
    td_err err;
    fixture_open(&f);
    for (uint32_t number = 1; number <= 3; number++) {
        tick_until(&f, number);
        record(&f, 0); /* slots belong to a session */
        record(&f, 1);
        clock_sim_set_wall(f.clock, START_NS - number * HOUR_NS);
        if (number < 3)
            tick_until(&f, 0);
    }
    if (tap_sessions_stop(f.sessions, &err) != TD_OK)
        fail_msg("%s", err.text);
    assert_int_equal(tap_sessions_totals(f.sessions).frames, 3 * 2 * FRAMES);
    assert_int_equal(tap_sessions_totals(f.sessions).dropped, 0);
    assert_int_equal(f.failures, 0);
    fixture_close(&f);
}

/* Another program opens the archive between two sessions: one log line for all attempts, and one at
 * the end; closing reports the failure. */
static void test_an_archive_that_is_taken(void **state)
{
    (void)state;
    fixture f;
    td_err err;
    td_result rc;
    archive *other;
    fixture_open(&f);
    record(&f, 0);
    clock_sim_set_wall(f.clock, START_NS - HOUR_NS);
    tick_until(&f, 0);
    do
        other = open_archive(&f, ARCHIVE_APPEND, &rc); /* the session ends on its own thread */
    while (rc == TD_E_BUSY);
    assert_int_equal(rc, TD_OK);
    for (uint64_t i = 0; i < 3 * TAP_RETRY_NS / (10 * TD_NS_PER_MS) || f.failures == 0; i++) {
        tick(&f);
        assert_int_equal(tap_sessions_number(f.sessions), 0);
    }
    assert_int_equal(f.recoveries, 0);
    archive_close(other);
    tick_until(&f, 2);
    assert_int_equal(f.failures, 1);
    assert_int_equal(f.recoveries, 1);
    record(&f, 0);
    assert_int_equal(tap_sessions_stop(f.sessions, &err), TD_E_BUSY);
    assert_non_null(strstr(err.text, "recording was interrupted"));
    assert_int_equal(tap_sessions_totals(f.sessions).frames, 2 * FRAMES);
    fixture_close(&f);
}

/* Stopped while the next session is being opened, or the last one is ending. */
static void test_stopped_between(void **state)
{
    (void)state;
    for (int ticks = 0; ticks < 40; ticks += ticks < 10 ? 1 : 5) {
        fixture f;
        td_err err;
        fixture_open(&f);
        record(&f, 0);
        clock_sim_set_wall(f.clock, START_NS - HOUR_NS);
        tick_until(&f, 0);
        for (int i = 0; i < ticks; i++)
            tick(&f);
        if (tap_sessions_stop(f.sessions, &err) != TD_OK)
            fail_msg("%s", err.text);
        assert_int_equal(tap_sessions_totals(f.sessions).frames, FRAMES);
        fixture_close(&f);
    }
}

/* Feeds are added while a session records, while one is ended and opened, and while none is there.
 */
static void test_added_feeds(void **state)
{
    (void)state;
    static const char *const NAMES[] = {"v5-spot", "v5-option", "v5-inverse"};
    fixture f;
    td_err err;
    fixture_open(&f);
    for (uint16_t i = 0; i < 3; i++) {
        const family *of = family_find(td_bytes_str(NAMES[i]));
        const pipeline_feed added = {.name = of->name, .family = of};
        if (i > 0) {
            clock_sim_set_wall(f.clock, START_NS - i * HOUR_NS);
            tick_until(&f, 0);
        }
        for (uint16_t ticks = 0; i == 2 && ticks < 20; ticks++)
            tick(&f);
        tap_sessions_add_feed(f.sessions, &added);
        tick_until(&f, i + 1U);
        for (uint16_t feed = 0; feed <= i + 1; feed++)
            record_in(&f, feed, 0);
    }
    if (tap_sessions_stop(f.sessions, &err) != TD_OK)
        fail_msg("%s", err.text);
    assert_int_equal(tap_sessions_totals(f.sessions).frames, (2 + 3 + 4) * FRAMES);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_next_one_follows),
        cmocka_unit_test(test_an_archive_that_is_taken),
        cmocka_unit_test(test_stopped_between),
        cmocka_unit_test(test_added_feeds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
