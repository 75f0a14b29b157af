/* What a connection is subscribed to, by what was recorded of it. Requests and answers are those of
 * docs/wire.md 1.1 and 1.3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "archive/reindex.h"
#include "play/subscribed.h"
#include "tests/testing/tape_fixture.h"

#define T0 TAPE_FIXTURE_NS

enum { STEPS_MAX = 8 };

/* One thing that is recorded: a request ('>'), an answer ('<'), a frame of a topic ('.'), a new
 * connection ('c'), the end of it ('d') or of the session ('s'). */
typedef struct subscribed_step {
    char kind;
    const char *text;
} subscribed_step;

typedef struct subscribed_case {
    const char *what;
    const char *family;
    subscribed_step steps[STEPS_MAX];
    const char *has[2];   /* exchange topics that are subscribed at the end */
    const char *lacks[2]; /* and that are not */
} subscribed_case;

#define ASK(args) "{\"op\":\"subscribe\",\"args\":[" args "]}"
#define ECHO(success, args)                                                                        \
    "{\"success\":" success ",\"ret_msg\":\"\",\"conn_id\":\"c\",\"request\":" ASK(args) "}"
#define BTC          "\"trade.BTCUSD\""
#define ETH          "\"trade.ETHUSD\""
#define V5(id, args) "{\"req_id\":\"" id "\",\"op\":\"subscribe\",\"args\":[" args "]}"
#define V5_ANSWER(id, success)                                                                     \
    "{\"success\":" success ",\"ret_msg\":\"\",\"conn_id\":\"c\",\"req_id\":\"" id                 \
    "\",\"op\":\"subscribe\"}"
#define V5_BTC "\"publicTrade.BTCUSDT\""
#define V5_ETH "\"publicTrade.ETHUSDT\""

static const subscribed_case CASES[] = {
    {.what = "nothing was requested", .family = "inverse", .lacks = {"trade.BTCUSD"}},
    {.what = "requested, and no answer",
     .family = "inverse",
     .steps = {{'c', ""}, {'>', ASK(BTC)}},
     .lacks = {"trade.BTCUSD"}},
    {.what = "granted",
     .family = "inverse",
     .steps = {{'c', ""}, {'>', ASK(BTC "," ETH)}, {'<', ECHO("true", BTC "," ETH)}},
     .has = {"trade.BTCUSD", "trade.ETHUSD"},
     .lacks = {"trade.XRPUSD"}},
    {.what = "one granted, one refused",
     .family = "inverse",
     .steps = {{'c', ""},
               {'>', ASK(BTC)},
               {'>', ASK(ETH)},
               {'<', ECHO("false", BTC)},
               {'<', ECHO("true", ETH)}},
     .has = {"trade.ETHUSD"},
     .lacks = {"trade.BTCUSD"}},
    {.what = "refused, and granted when requested again",
     .family = "inverse",
     .steps = {{'c', ""},
               {'>', ASK(BTC)},
               {'<', ECHO("false", BTC)},
               {'>', ASK(BTC)},
               {'<', ECHO("true", BTC)}},
     .has = {"trade.BTCUSD"}},
    {.what = "a list covers its symbols",
     .family = "inverse",
     .steps = {{'c', ""},
               {'>', ASK("\"trade.BTCUSD|ETHUSD\"")},
               {'<', ECHO("true", "\"trade.BTCUSD|ETHUSD\"")}},
     .has = {"trade.BTCUSD", "trade.ETHUSD"},
     .lacks = {"trade.XRPUSD"}},
    {.what = "left again",
     .family = "inverse",
     .steps = {{'c', ""},
               {'>', ASK(BTC)},
               {'<', ECHO("true", BTC)},
               {'>', "{\"op\":\"unsubscribe\",\"args\":[" BTC "]}"}},
     .lacks = {"trade.BTCUSD"}},
    {.what = "a frame proves it",
     .family = "inverse",
     .steps = {{'c', ""}, {'.', "BTCUSD"}},
     .has = {"trade.BTCUSD"},
     .lacks = {"trade.ETHUSD"}},
    {.what = "a new connection has requested nothing",
     .family = "inverse",
     .steps = {{'c', ""}, {'.', "BTCUSD"}, {'c', ""}, {'.', "ETHUSD"}},
     .has = {"trade.ETHUSD"},
     .lacks = {"trade.BTCUSD"}},
    {.what = "an end ends it",
     .family = "inverse",
     .steps = {{'c', ""}, {'.', "BTCUSD"}, {'d', ""}},
     .lacks = {"trade.BTCUSD"}},
    {.what = "so does the session's",
     .family = "inverse",
     .steps = {{'c', ""}, {'.', "BTCUSD"}, {'s', ""}},
     .lacks = {"trade.BTCUSD"}},
    {.what = "answers find their request by its id",
     .family = "v5-linear",
     .steps = {{'c', ""},
               {'>', V5("1", V5_BTC)},
               {'>', V5("2", V5_ETH)},
               {'<', V5_ANSWER("2", "true")},
               {'<', V5_ANSWER("1", "false")}},
     .has = {"publicTrade.ETHUSDT"},
     .lacks = {"publicTrade.BTCUSDT"}},
    {.what = "or by order",
     .family = "v5-linear",
     .steps = {{'c', ""},
               {'>', ASK(V5_BTC)},
               {'>', ASK(V5_ETH)},
               {'<', V5_ANSWER("", "false")},
               {'<', V5_ANSWER("", "true")}},
     .has = {"publicTrade.ETHUSDT"},
     .lacks = {"publicTrade.BTCUSDT"}},
    {.what = "what cannot be read proves nothing",
     .family = "inverse",
     .steps = {{'c', ""}, {'>', "subscribe"}, {'<', "{\"success\":true"}, {'<', "[]"}},
     .lacks = {"trade.BTCUSD"}},
};

typedef struct recording {
    tape_segment *segment;
    uint32_t conn;
    uint64_t ordinals[2];
    uint64_t recv_ns;
} recording;

static void put(recording *r, const subscribed_step *step)
{
    int is_out = step->kind == '>';
    int is_data = step->kind == '.';
    const tape_put frame = {.dir = is_out ? CHANNEL_OUT : CHANNEL_IN,
                            .topic = is_data ? "trade" : CHANNEL_TOPIC_CONTROL,
                            .symbol = is_data ? step->text : "",
                            .conn = r->conn,
                            .ordinal = ++r->ordinals[is_out],
                            .recv_ns = r->recv_ns,
                            .text = is_data ? "{}" : step->text,
                            .opcode = OPCODE_TEXT};
    tape_segment_put(r->segment, &frame);
}

static void record(recording *r, const subscribed_step *step)
{
    const event ended = {.kind = EVENT_DISCONNECT, .conn = r->conn};
    const event stopped = {.kind = EVENT_SESSION, .session = "0a0a0a0a", .state = "stop"};
    r->recv_ns += 1000;
    if (step->kind == 'c') {
        tape_segment_connect(r->segment, ++r->conn, r->recv_ns);
        memset(r->ordinals, 0, sizeof r->ordinals);
    } else if (step->kind == 'd') {
        tape_segment_event(r->segment, &ended, r->recv_ns);
    } else if (step->kind == 's') {
        tape_segment_event(r->segment, &stopped, r->recv_ns);
    } else {
        put(r, step);
    }
}

static void read_all(archive *a, subscribed *s)
{
    const selection everything = {.has_from = 0};
    const cursor_options options = {.with_events = 1};
    cursor *t = NULL;
    const frame_ref *frame;
    td_err err;
    assert_int_equal(cursor_open(a, &everything, &options, &t, &err), TD_OK);
    td_result rc = cursor_next(t, &frame, &err);
    for (; rc == TD_OK; rc = cursor_next(t, &frame, &err))
        subscribed_add(s, frame);
    assert_int_equal(rc, TD_EOF);
    cursor_close(t);
}

static void check_case(const subscribed_case *c)
{
    const tape_segment_spec spec = {
        .feed = "feed", .session = "0a0a0a0a", .start_ns = T0, .first_ns = T0 + 1000, .number = 1};
    tape_fixture fixture;
    tape_fixture_init(&fixture);
    recording r = {.segment = tape_segment_open_family(&fixture, &spec, c->family), .recv_ns = T0};
    tape_segment_connect(r.segment, ++r.conn, r.recv_ns);
    for (size_t i = 0; i < STEPS_MAX && c->steps[i].kind != '\0'; i++)
        record(&r, &c->steps[i]);
    tape_segment_finish(r.segment);
    subscribed *s = subscribed_open();
    read_all(tape_fixture_archive(&fixture), s);
    for (size_t i = 0; i < 2; i++) {
        if (c->has[i] != NULL && !subscribed_has(s, "feed", c->has[i]))
            fail_msg("%s: %s is not subscribed", c->what, c->has[i]);
        if (c->lacks[i] != NULL && subscribed_has(s, "feed", c->lacks[i]))
            fail_msg("%s: %s is subscribed", c->what, c->lacks[i]);
        assert_false(c->has[i] != NULL && subscribed_has(s, "another", c->has[i]));
    }
    subscribed_close(s);
    tape_fixture_fini(&fixture);
}

static void test_what_a_connection_is_subscribed_to(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        check_case(&CASES[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_connection_is_subscribed_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
