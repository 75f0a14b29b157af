/* What connections are open and granted, from events. Expected: docs/design.md ("Events"). */
#include "archive/moment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { STEPS_MAX = 6 };

typedef struct moment_case {
    const char *what;
    event steps[STEPS_MAX]; /* until one of kind EVENT_KIND_COUNT */
    int has_btc;
} moment_case;

#define BTC "trade.BTCUSD"
#define GRANT                                                                                      \
    {                                                                                              \
        .kind = EVENT_GRANT, .conn = 1, .topic = BTC                                               \
    }
#define END                                                                                        \
    {                                                                                              \
        .kind = EVENT_KIND_COUNT                                                                   \
    }

static const moment_case CASES[] = {
    {"nothing", {END}, 0},
    {"granted", {GRANT, END}, 1},
    {"another topic", {{.kind = EVENT_GRANT, .conn = 1, .topic = "trade.ETHUSD"}, END}, 0},
    {"unsubscribed", {GRANT, {.kind = EVENT_GRANT_END, .conn = 1, .topic = BTC}, END}, 0},
    {"and granted again", {GRANT, {.kind = EVENT_GRANT_END, .topic = BTC}, GRANT, END}, 1},
    {"another was refused", {GRANT, {.kind = EVENT_GRANT_END, .topic = "trade.XRPUSD"}, END}, 1},
    {"the connection ended", {GRANT, {.kind = EVENT_DISCONNECT, .conn = 1}, END}, 0},
    {"another connection ended", {GRANT, {.kind = EVENT_DISCONNECT, .shard = 1}, END}, 1},
    {"the next connection began", {GRANT, {.kind = EVENT_CONNECT, .conn = 2}, END}, 0},
    {"the session stopped", {GRANT, {.kind = EVENT_SESSION, .state = "stop"}, END}, 0},
    {"a segment restates it", {GRANT, {.kind = EVENT_SEGMENT}, GRANT, END}, 1},
    {"a segment does not restate it", {GRANT, {.kind = EVENT_SEGMENT}, END}, 0},
    {"there are more than events say", {{.kind = EVENT_LIMIT, .what = EVENT_LIMIT_GRANTS}, END}, 1},
    {"there were more",
     {{.kind = EVENT_LIMIT, .what = EVENT_LIMIT_GRANTS}, {.kind = EVENT_SEGMENT}, END},
     0},
    {"another bound", {{.kind = EVENT_LIMIT, .what = "books"}, END}, 0},
};

static void what_is_granted(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const moment_case *c = &CASES[i];
        moment g = {0};
        for (size_t k = 0; c->steps[k].kind != EVENT_KIND_COUNT; k++)
            moment_add(&g, 1, &c->steps[k], 0);
        if (moment_has_topic(&g, td_bytes_str(BTC), NULL) != c->has_btc)
            fail_msg("%s: granted is %d", c->what, !c->has_btc);
        moment_fini(&g);
    }
}

static int covers_all(td_bytes subscription, td_bytes topic)
{
    (void)topic;
    return td_bytes_is(subscription, EVENT_GRANT_ALL);
}

/* Sessions overlap: the end of one says nothing about another one's connections. */
static void sessions_and_covers(void **state)
{
    (void)state;
    const event all = {.kind = EVENT_GRANT, .conn = 1, .topic = EVENT_GRANT_ALL};
    const event stopped = {.kind = EVENT_SESSION, .state = "stop"};
    moment g = {0};
    moment_add(&g, 1, &all, 0);
    moment_add(&g, 2, &stopped, 0);
    assert_true(moment_has_topic(&g, td_bytes_str(BTC), covers_all));
    assert_false(moment_has_topic(&g, td_bytes_str(BTC), NULL));
    moment_add(&g, 1, &stopped, 0);
    assert_false(moment_has_topic(&g, td_bytes_str(BTC), covers_all));
    moment_fini(&g);
}

static void what_is_open(void **state)
{
    (void)state;
    moment m = {0};
    const event_slot slots[] = {{.shard = 1, .conn = 4, .since_ns = 70},
                                {.shard = 2, .conn = 1, .since_ns = 80}};
    const event begins = {.kind = EVENT_SEGMENT, .slots = slots, .slot_count = 2};
    const event again = {.kind = EVENT_CONNECT, .shard = 1, .conn = 5};
    const event ended = {.kind = EVENT_DISCONNECT, .shard = 2, .conn = 1};
    const event granted = {.kind = EVENT_GRANT, .shard = 1, .conn = 4, .topic = BTC};
    moment_add(&m, 1, &begins, 100);
    assert_int_equal(m.count, 2);
    assert_int_equal(m.conns[0].since_ns, 70);
    moment_add(&m, 1, &granted, 101);
    moment_add(&m, 2, &again, 110); /* of another session */
    assert_int_equal(m.count, 3);
    moment_add(&m, 1, &ended, 120);
    assert_true(moment_has_topic(&m, td_bytes_str(BTC), NULL));
    moment_add(&m, 1, &again, 130); /* its grants end with the connection */
    assert_int_equal(m.count, 2);
    assert_false(moment_has_topic(&m, td_bytes_str(BTC), NULL));
    assert_int_equal(m.conns[0].since_ns + m.conns[1].since_ns, 110 + 130);
    moment_fini(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_granted),
        cmocka_unit_test(sessions_and_covers),
        cmocka_unit_test(what_is_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
