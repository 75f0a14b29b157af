/* Late receive times, from the recorder's events (docs/export.md, flag 4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tape/connection_table.h"
#include "archive/event.h"

/* A frame, or an event. */
typedef enum said { FRAME, SLOW_DISK, BEGINS, ENDS, HELD, ADOPTED, HEARTBEAT } said;

static const event EVENTS[] = {
    [SLOW_DISK] = {.kind = EVENT_OVERLOAD,
                   .what = EVENT_OVERLOAD_DURABILITY,
                   .state = "begins",
                   .from_ns = 5,
                   .lag_ns = 7},
    [BEGINS] = {.kind = EVENT_OVERLOAD, .state = "begins", .from_ns = 5},
    [ENDS] = {.kind = EVENT_OVERLOAD, .state = "ends", .from_ns = 5, .to_ns = 9},
    [HELD] = {.kind = EVENT_CLOCK, .state = "held", .step_ns = -5000000, .offset_ns = 12},
    [ADOPTED] = {.kind = EVENT_CLOCK, .state = "adopted", .step_ns = 5000000, .offset_ns = 12},
    [HEARTBEAT] = {.kind = EVENT_HEARTBEAT, .conn = 1, .what = "ping", .dir = "in"},
};

/* One step: an event, or a frame and whether it is late. */
typedef struct step {
    const char *feed;
    uint32_t session;
    said what;
    int is_late;
} step;

static const step STEPS[] = {
    {"one", 1, FRAME, 0},
    /* a frame that becomes durable late was still received in time */
    {"one", 1, SLOW_DISK, 0},
    {"one", 1, FRAME, 0},
    {"one", 1, BEGINS, 0},
    {"one", 1, FRAME, 1},
    {"two", 1, FRAME, 0},
    {"one", 1, HEARTBEAT, 0},
    {"one", 1, FRAME, 1},
    {"one", 1, ENDS, 0},
    {"one", 1, FRAME, 0},
    /* after a step forward frames are not late */
    {"one", 1, ADOPTED, 0},
    {"one", 1, FRAME, 0},
    /* after a step back they are, until the session ends */
    {"one", 1, HELD, 0},
    {"one", 1, FRAME, 1},
    {"one", 1, BEGINS, 0},
    {"one", 1, ENDS, 0},
    {"one", 1, FRAME, 1},
    {"one", 2, FRAME, 0},
    {"one", 2, BEGINS, 0},
    {"one", 2, FRAME, 1},
    {"one", 2, ENDS, 0},
    {"one", 2, FRAME, 0},
};

static void test_steps(void **state)
{
    (void)state;
    connection_table *table = connection_table_open(NULL);
    for (size_t i = 0; i < sizeof STEPS / sizeof STEPS[0]; i++) {
        static const char *const SESSIONS[] = {"", "00000001", "00000002"};
        session_feed *feed = connection_table_get_feed(table, SESSIONS[STEPS[i].session],
                                                       STEPS[i].session, STEPS[i].feed);
        const session_slot *slot = connection_table_get_slot(feed, 0, 0);
        frame_channel *channel = NULL;
        td_err err;
        if (STEPS[i].what != FRAME) {
            connection_table_apply(feed, NULL, &EVENTS[STEPS[i].what], i);
            continue;
        }
        const channel_info info = {.feed = STEPS[i].feed,
                                   .family = "",
                                   .topic = "trade",
                                   .exchange_topic = "trade",
                                   .symbol = "",
                                   .message_encoding = "json"};
        assert_int_equal(connection_table_channel(table, &info, &channel, &err), TD_OK);
        frame_ref frame = {.channel = channel, .conn = &slot->now->conn};
        connection_table_follow(slot, 0, &frame);
        if (frame.is_late != STEPS[i].is_late)
            fail_msg("step %zu: a frame is %slate", i, STEPS[i].is_late ? "not " : "");
    }
    connection_table_close(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_steps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
