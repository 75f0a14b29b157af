/* Roles of channels. Expected: format/FORMAT.md ("Channels"), and docs/architecture.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/channel.h"

static void test_roles(void **state)
{
    static const struct {
        channel_dir dir;
        const char *topic;
        frame_role role;
        int is_of_topic, has_events;
    } ROWS[] = {
        {CHANNEL_IN, "trade", ROLE_DATA, 1, 0},
        {CHANNEL_IN, CHANNEL_TOPIC_UNKNOWN, ROLE_UNKNOWN, 1, 0},
        {CHANNEL_IN, CHANNEL_TOPIC_CONTROL, ROLE_CONTROL, 0, 0},
        {CHANNEL_OUT, CHANNEL_TOPIC_CONTROL, ROLE_OUT, 0, 0},
        {CHANNEL_OUT, "trade", ROLE_OUT, 0, 0},
        {CHANNEL_HTTP, "instruments", ROLE_HTTP, 0, 0},
        {CHANNEL_HTTP, CHANNEL_TOPIC_UNKNOWN, ROLE_HTTP, 0, 0},
        {CHANNEL_EVENT, CHANNEL_TOPIC_EVENTS, ROLE_EVENT, 0, 1},
        /* From earlier versions: */
        {CHANNEL_EVENT, "_arrivals", ROLE_EVENT, 0, 0},
        /* From other programs: */
        {CHANNEL_EVENT, "trade", ROLE_EVENT, 0, 0},
        {CHANNEL_IN, CHANNEL_TOPIC_EVENTS, ROLE_EVENT, 0, 1},
        {CHANNEL_OUT, CHANNEL_TOPIC_EVENTS, ROLE_OUT, 0, 0},
        {CHANNEL_IN, "_other", ROLE_DATA, 1, 0},
        {CHANNEL_IN, "", ROLE_DATA, 1, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        const channel_info info = {.dir = ROWS[i].dir, .topic = ROWS[i].topic};
        assert_int_equal(channel_role(&info), ROWS[i].role);
        assert_int_equal(frame_role_is_of_topic(ROWS[i].role), ROWS[i].is_of_topic);
        assert_int_equal(channel_has_events(&info), ROWS[i].has_events);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
