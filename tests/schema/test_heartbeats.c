/* Heartbeats of servers: by themselves, in pauses, on request, with answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "schema/heartbeats.h"

enum { SECOND = 1000000000 };

static void test_intervals(void **state)
{
    (void)state;
    /* What happens at which second, and the step that follows. */
    enum { STEP, FRAME, ASK_1, ASK_2, ASK_0, PING };
    static const struct {
        const char *name;
        dialect_heartbeats of;
        struct {
            int at_s, what;
            heartbeat_step is;
        } steps[9];
    } ROWS[] = {
        {"by itself",
         {.every_s = 2},
         {{1, STEP, HEARTBEAT_WAIT},
          {2, STEP, HEARTBEAT_SEND},
          {3, FRAME, HEARTBEAT_WAIT},
          {4, STEP, HEARTBEAT_SEND},
          {6, STEP, HEARTBEAT_SEND}}},
        {"in pauses",
         {.every_s = 2, .is_idle = 1},
         {{1, FRAME, HEARTBEAT_WAIT},
          {2, STEP, HEARTBEAT_WAIT},
          {3, STEP, HEARTBEAT_SEND},
          {4, STEP, HEARTBEAT_WAIT},
          {5, STEP, HEARTBEAT_SEND}}},
        {"on request",
         {.every_s = 1, .is_asked = 1},
         {{5, STEP, HEARTBEAT_WAIT},
          {6, ASK_1, HEARTBEAT_WAIT},
          {7, STEP, HEARTBEAT_SEND},
          {7, ASK_1, HEARTBEAT_WAIT}, /* again: no other time */
          {8, STEP, HEARTBEAT_SEND},
          {8, ASK_0, HEARTBEAT_WAIT},
          {9, STEP, HEARTBEAT_WAIT}}},
        {"answered",
         {.interval = "interval", .is_asked = 1},
         {{1, ASK_2, HEARTBEAT_WAIT},
          {3, STEP, HEARTBEAT_SEND},
          {4, PING, HEARTBEAT_WAIT},
          {5, STEP, HEARTBEAT_SEND},
          {7, STEP, HEARTBEAT_UNANSWERED}}},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        const dialect spoken = {.heartbeats = ROWS[i].of};
        heartbeats of;
        heartbeats_begin(&of, &spoken, 0);
        for (size_t k = 0; ROWS[i].steps[k].at_s > 0; k++) {
            const uint64_t now_ns = (uint64_t)ROWS[i].steps[k].at_s * SECOND;
            const int what = ROWS[i].steps[k].what;
            const uint64_t asked_s = what == ASK_1 ? 1 : what == ASK_2 ? 2 : 0;
            const dialect_request request = {.kind = what == PING    ? REQUEST_PING
                                                     : what == ASK_0 ? REQUEST_NO_HEARTBEATS
                                                                     : REQUEST_HEARTBEATS,
                                             .heartbeat_ns = asked_s * SECOND};
            if (what == FRAME)
                heartbeats_on_frame(&of, now_ns);
            else if (what != STEP)
                heartbeats_requested(&of, &request, now_ns);
            if (heartbeats_step(&of, now_ns) != ROWS[i].steps[k].is)
                fail_msg("%s: step %zu", ROWS[i].name, k);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_intervals)};
    return cmocka_run_group_tests_name("schema/heartbeats", tests, NULL, NULL);
}
