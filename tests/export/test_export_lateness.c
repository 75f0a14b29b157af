/* Late receive times, from what the recorder's events say (docs/export.md, flag 4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "export/export_lateness.h"
#include "archive/event.h"

/* A frame, or an event; NONSENSE cannot be read. */
typedef enum said { FRAME, SLOW_DISK, BEGINS, ENDS, HELD, ADOPTED, HEARTBEAT, NONSENSE } said;

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
    /* what becomes durable late came in time */
    {"one", 1, SLOW_DISK, 0},
    {"one", 1, FRAME, 0},
    {"one", 1, BEGINS, 0},
    {"one", 1, FRAME, 1},
    {"two", 1, FRAME, 0},
    {"one", 1, HEARTBEAT, 0},
    {"one", 1, NONSENSE, 0},
    {"one", 1, FRAME, 1},
    {"one", 1, ENDS, 0},
    {"one", 1, FRAME, 0},
    /* a step forward leaves nothing late */
    {"one", 1, ADOPTED, 0},
    {"one", 1, FRAME, 0},
    /* one backward does, until the session ends */
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
    export_lateness *late = NULL;
    late = export_lateness_open();
    for (size_t i = 0; i < sizeof STEPS / sizeof STEPS[0]; i++) {
        frame_channel channel = {.info = {.feed = STEPS[i].feed}};
        const frame_conn conn = {.session = STEPS[i].session};
        frame_ref frame = {.channel = &channel, .conn = &conn};
        if (STEPS[i].what == FRAME) {
            if (export_lateness_is_late(late, &frame) != STEPS[i].is_late)
                fail_msg("step %zu: a frame is %slate", i, STEPS[i].is_late ? "not " : "");
            continue;
        }
        frame.event = STEPS[i].what == NONSENSE ? NULL : &EVENTS[STEPS[i].what];
        export_lateness_event(late, &frame);
    }
    export_lateness_close(late);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_steps)};
    return cmocka_run_group_tests(tests, FRAME, NULL);
}
