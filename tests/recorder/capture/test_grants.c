/* The subscriptions of a feed's connections, as events. Requests and answers are those of
 * docs/wire.md 1.1 and 1.3; expected: the rules at the top of grants.h. */
#include "recorder/capture/grants.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "schema/decode.h"
#include "schema/dialect.h"
#include "schema/family.h"

enum { STEPS_MAX = 8, EVENTS_MAX = 4 };

/* A step: a request ('>'), an answer ('<'), a frame of a topic ('.'; the channel is its last
 * letter), a new connection ('c'; 'u', at this URL), its end ('d'), the start of a segment ('s').
 * Then the expected events, each as "KIND TOPIC WHY FROM". */
typedef struct grant_step {
    char kind;
    const char *text;
    const char *events[EVENTS_MAX];
} grant_step;

typedef struct grant_case {
    const char *what;
    const char *family;
    grant_step steps[STEPS_MAX];
} grant_case;

#define ASK(args)   "{\"op\":\"subscribe\",\"args\":[" args "]}"
#define LEAVE(args) "{\"op\":\"unsubscribe\",\"args\":[" args "]}"
#define ECHO_OF(success, request)                                                                  \
    "{\"success\":" success ",\"ret_msg\":\"\",\"conn_id\":\"c\",\"request\":" request "}"
#define ECHO(success, args) ECHO_OF(success, ASK(args))
#define BTC                 "\"trade.BTCUSD\""
#define ETH                 "\"trade.ETHUSD\""
#define V5(id, args)        "{\"req_id\":\"" id "\",\"op\":\"subscribe\",\"args\":[" args "]}"
#define V5_ANSWER(id, success)                                                                     \
    "{\"success\":" success ",\"ret_msg\":\"\",\"conn_id\":\"c\",\"req_id\":\"" id                 \
    "\",\"op\":\"subscribe\"}"
#define V5_LEFT  "{\"success\":true,\"ret_msg\":\"\",\"conn_id\":\"c\",\"op\":\"unsubscribe\"}"
#define USDC_BTC "\"recenttrades.BTC\""
#define USDC_ANSWER(args)                                                                          \
    "{\"success\":true,\"conn_id\":\"c\",\"data\":{\"successTopics\":[" args                       \
    "],\"failTopics\":[]},\"type\":\"COMMAND_RESP\"}"
#define V5_BTC "\"publicTrade.BTCUSDT\""
#define V5_ETH "\"publicTrade.ETHUSDT\""

static const grant_case CASES[] = {
    {"what a URL names, until the connection unsubscribes or ends",
     "binance-usdm",
     {{'u',
       "wss://fstream.binance.com/stream?streams=btcusdt@aggTrade/ethusdt%40depth",
       {"grant aggTrade.BTCUSDT answered 1", "grant depth.ETHUSDT answered 1"}},
      {'.', "aggTrade.BTCUSDT", {0}},
      {'>',
       "{\"method\":\"UNSUBSCRIBE\",\"params\":[\"ethusdt@depth\"],\"id\":1}",
       {"grant_end depth.ETHUSDT unsubscribed 0"}},
      {'s', "", {"grant aggTrade.BTCUSDT answered 1"}},
      {'u', "wss://other.example/ws/btcusdt@aggTrade", {"grant aggTrade.BTCUSDT answered 5"}},
      {'s', "", {"grant aggTrade.BTCUSDT answered 5"}},
      {'u', "wss://fstream.binance.com/ws", {0}},
      {'s', "", {0}}}},
    {"a URL without topics, and one of a dialect without topics in URLs",
     "inverse",
     {{'u', "wss://stream.bybit.com/realtime?streams=trade.BTCUSD", {0}}, {'u', "", {0}}}},
    {"requested, and no answer", "inverse", {{'>', ASK(BTC), {0}}, {'s', "", {0}}}},
    {"granted, and restated",
     "inverse",
     {{'>', ASK(BTC "," ETH), {0}},
      {'<',
       ECHO("true", BTC "," ETH),
       {"grant trade.BTCUSD answered 2", "grant trade.ETHUSD answered 2"}},
      {'.', "trade.BTCUSD", {0}},
      {'s', "", {"grant trade.BTCUSD answered 2", "grant trade.ETHUSD answered 2"}},
      {'.', "trade.BTCUSD", {0}}}},
    {"one granted, one refused",
     "inverse",
     {{'>', ASK(BTC), {0}},
      {'>', ASK(ETH), {0}},
      {'<', ECHO("false", BTC), {"grant_end trade.BTCUSD refused 0"}},
      {'<', ECHO("true", ETH), {"grant trade.ETHUSD answered 4"}},
      {'s', "", {"grant trade.ETHUSD answered 4"}}}},
    {"refused, and granted when requested again",
     "inverse",
     {{'>', ASK(BTC), {0}},
      {'<', ECHO("false", BTC), {"grant_end trade.BTCUSD refused 0"}},
      {'>', ASK(BTC), {0}},
      {'<', ECHO("true", BTC), {"grant trade.BTCUSD answered 4"}}}},
    {"withdrawn by a refusal, or an unsubscription, that answers no request",
     "inverse",
     {{'>', ASK(BTC "," ETH), {0}},
      {'<',
       ECHO("true", BTC "," ETH),
       {"grant trade.BTCUSD answered 2", "grant trade.ETHUSD answered 2"}},
      {'<', ECHO("false", ETH), {"grant_end trade.ETHUSD refused 0"}},
      {'<', ECHO_OF("true", LEAVE(BTC)), {"grant_end trade.BTCUSD unsubscribed 0"}},
      {'<', "{\"success\":false,\"ret_msg\":\"error\"}", {0}},
      {'.', "trade.BTCUSD", {"grant trade.BTCUSD seen 6"}},
      {'s', "", {"grant trade.BTCUSD seen 6"}}}},
    {"a list covers its symbols",
     "inverse",
     {{'>', ASK("\"trade.BTCUSD|ETHUSD\""), {0}},
      {'<', ECHO("true", "\"trade.BTCUSD|ETHUSD\""), {"grant trade.BTCUSD|ETHUSD answered 2"}},
      {'.', "trade.ETHUSD", {0}},
      {'.', "trade.XRPUSD", {"grant trade.XRPUSD seen 4"}}}},
    {"unsubscribed; a frame on its way changes nothing, one after the answer does",
     "inverse",
     {{'.', "trade.BTCUSD", {"grant trade.BTCUSD seen 1"}},
      {'>', LEAVE(BTC), {"grant_end trade.BTCUSD unsubscribed 0"}},
      {'.', "trade.BTCUSD", {0}},
      {'s', "", {0}},
      {'<', ECHO_OF("true", LEAVE(BTC)), {0}},
      {'s', "", {0}},
      {'.', "trade.BTCUSD", {"grant trade.BTCUSD seen 7"}}}},
    {"unsubscribed and requested again; a frame on its way does not grant, the answer does",
     "v5-linear",
     {{'.', "publicTrade.BTCUSDT", {"grant publicTrade.BTCUSDT seen 1"}},
      {'>', LEAVE(V5_BTC), {"grant_end publicTrade.BTCUSDT unsubscribed 0"}},
      {'>', V5("2", V5_BTC), {0}},
      {'.', "publicTrade.BTCUSDT", {0}},
      {'<', V5_ANSWER("2", "true"), {"grant publicTrade.BTCUSDT answered 5"}},
      {'<', V5_LEFT, {0}},
      {'s', "", {"grant publicTrade.BTCUSDT answered 5"}}}},
    {"once the unsubscription is answered, a frame grants",
     "v5-linear",
     {{'.', "publicTrade.BTCUSDT", {"grant publicTrade.BTCUSDT seen 1"}},
      {'>', LEAVE(V5_BTC), {"grant_end publicTrade.BTCUSDT unsubscribed 0"}},
      {'>', V5("2", V5_BTC), {0}},
      {'.', "publicTrade.BTCUSDT", {0}},
      {'<', V5_LEFT, {0}},
      {'.', "publicTrade.BTCUSDT", {"grant publicTrade.BTCUSDT seen 6"}}}},
    {"answers that name topics alone belong to the older request",
     "usdc-option",
     {{'.', "recenttrades.BTC", {"grant recenttrades.BTC seen 1"}},
      {'>', LEAVE(USDC_BTC), {"grant_end recenttrades.BTC unsubscribed 0"}},
      {'>', ASK(USDC_BTC), {0}},
      {'<', USDC_ANSWER(USDC_BTC), {0}},
      {'<', USDC_ANSWER(USDC_BTC), {"grant recenttrades.BTC answered 5"}}}},
    {"a frame of an unsubscribed list grants its symbol only after the answer",
     "inverse",
     {{'>', ASK("\"trade.BTCUSD|ETHUSD\""), {0}},
      {'<', ECHO("true", "\"trade.BTCUSD|ETHUSD\""), {"grant trade.BTCUSD|ETHUSD answered 2"}},
      {'>', LEAVE("\"trade.BTCUSD|ETHUSD\""), {"grant_end trade.BTCUSD|ETHUSD unsubscribed 0"}},
      {'.', "trade.ETHUSD", {0}},
      {'<', ECHO_OF("true", LEAVE("\"trade.BTCUSD|ETHUSD\"")), {0}},
      {'.', "trade.ETHUSD", {"grant trade.ETHUSD seen 6"}}}},
    {"a frame before the answer",
     "inverse",
     {{'>', ASK(BTC), {0}},
      {'.', "trade.BTCUSD", {"grant trade.BTCUSD seen 2"}},
      {'.', "trade.BTCUSD", {0}},
      {'<', ECHO("true", BTC), {0}},
      {'s', "", {"grant trade.BTCUSD seen 2"}}}},
    {"a new connection has requested nothing",
     "inverse",
     {{'.', "trade.BTCUSD", {"grant trade.BTCUSD seen 1"}},
      {'c', "", {0}},
      {'.', "trade.ETHUSD", {"grant trade.ETHUSD seen 3"}},
      {'s', "", {"grant trade.ETHUSD seen 3"}},
      {'.', "trade.BTCUSD", {"grant trade.BTCUSD seen 5"}}}},
    {"an end ends it",
     "inverse",
     {{'.', "trade.BTCUSD", {"grant trade.BTCUSD seen 1"}}, {'d', "", {0}}, {'s', "", {0}}}},
    {"answers find their request by its id",
     "v5-linear",
     {{'>', V5("1", V5_BTC), {0}},
      {'>', V5("2", V5_ETH), {0}},
      {'<', V5_ANSWER("2", "true"), {"grant publicTrade.ETHUSDT answered 3"}},
      {'<', V5_ANSWER("1", "false"), {"grant_end publicTrade.BTCUSDT refused 0"}}}},
    {"or by order",
     "v5-linear",
     {{'>', ASK(V5_BTC), {0}},
      {'>', ASK(V5_ETH), {0}},
      {'<', V5_ANSWER("", "false"), {"grant_end publicTrade.BTCUSDT refused 0"}},
      {'<', V5_ANSWER("", "true"), {"grant publicTrade.ETHUSDT answered 4"}}}},
    {"what cannot be read changes nothing",
     "inverse",
     {{'>', "subscribe", {0}}, {'<', "{\"success\":true", {0}}, {'<', "[]", {0}}}},
    {"authenticating brings everything",
     "spot-private",
     {{'<', "{\"auth\":\"success\",\"userId\":\"1\"}", {"grant * answered 1"}},
      {'.', "executionReport", {0}},
      {'s', "", {"grant * answered 1"}}}},
};

static size_t apply_frame(grants *g, const grant_step *step, channel_notes channels[UINT8_MAX + 1],
                          uint32_t conn, uint64_t recv_ns)
{
    char padded[512 + DECODE_PADDING_BYTES] = {0};
    (void)snprintf(padded, sizeof padded, "%s", step->text);
    const channel_info info = {.exchange_topic = step->text};
    const feed_frame frame = {.conn = conn,
                              .recv_ns = recv_ns,
                              .bytes = td_bytes_of(padded, strlen(step->text)),
                              .info = &info};
    const channel_route route = {.notes =
                                     &channels[strlen(step->text) < 7 ? 0 : (uint8_t)step->text[6]],
                                 .role = step->kind == '>'   ? ROLE_OUT
                                         : step->kind == '<' ? ROLE_CONTROL
                                                             : ROLE_DATA};
    return grants_ignores(g, &route) ? 0 : grants_apply(g, 0, &frame, &route);
}

static void expect_events(const grants *g, const grant_step *step, size_t count, const char *what)
{
    for (size_t i = 0; i < count; i++) {
        const event got = grants_event(g, i);
        char text[128];
        (void)snprintf(text, sizeof text, "%s %s %s %llu", event_kind_name(got.kind), got.topic,
                       got.kind == EVENT_GRANT ? got.source : got.reason,
                       (unsigned long long)got.from_ns);
        assert_true(i < EVENTS_MAX);
        if (step->events[i] == NULL || strcmp(step->events[i], text) != 0)
            fail_msg("%s: %c %s: %s", what, step->kind, step->text, text);
    }
    if (count < EVENTS_MAX && step->events[count] != NULL)
        fail_msg("%s: %c %s: no event '%s'", what, step->kind, step->text, step->events[count]);
}

static void check_case(const grant_case *c)
{
    grants *g = grants_open(family_find(td_bytes_str(c->family)));
    channel_notes channels[UINT8_MAX + 1] = {0};
    uint32_t conn = 1;
    for (size_t i = 0; i < STEPS_MAX && c->steps[i].kind != '\0'; i++) {
        const grant_step *step = &c->steps[i];
        size_t count = 0;
        if (step->kind == 'c')
            conn++;
        else if (step->kind == 'u')
            count = grants_opened(g, 0, &(event){.url = step->text, .conn = ++conn}, i + 1);
        else if (step->kind == 'd')
            grants_closed(g, 0);
        else if (step->kind == 's')
            count = grants_restate(g);
        else
            count = apply_frame(g, step, channels, conn, i + 1);
        if (step->kind == 's')
            memset(channels, 0, sizeof channels); /* as a router does */
        expect_events(g, step, count, c->what);
        for (size_t k = 0; k < count && step->kind != 's'; k++) {
            const event got = grants_event(g, k);
            if (got.kind == EVENT_GRANT)
                assert_int_equal(grants_from_ns(g, 0), got.from_ns);
        }
        if (step->kind == 'd')
            assert_int_equal(grants_from_ns(g, 0), 0);
    }
    grants_close(g);
}

static void what_connections_are_subscribed_to(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        check_case(&CASES[i]);
}

/* A bare frame names the beginning of its topic, or nothing: the connection has one topic that
 * begins so, or none, or several. */
static void the_topic_that_begins_so(void **state)
{
    (void)state;
    static const struct {
        const char *url, *begun, *found; /* NULL: none */
    } ROWS[] = {
        {"w://h/ws/btcusdt@depth@100ms", "depth.BTCUSDT", "depth@100ms.BTCUSDT"},
        {"w://h/ws/btcusdt@depth", "depth.BTCUSDT", "depth.BTCUSDT"},
        {"w://h/ws/btcusdt@depth20@100ms/ethusdt@depth", "depth.BTCUSDT", "depth20@100ms.BTCUSDT"},
        {"w://h/ws/btcusdt@depth20@100ms/btcusdt@depth@100ms", "depth.BTCUSDT", NULL},
        {"w://h/ws/btcusdt@depths/xbtcusdt@depth", "depth.BTCUSDT", NULL},
        {"w://h/ws/btcusdt@depth@100ms", "depth", NULL},
        {"w://h/ws/btcusdt@depth@100ms", "", "depth@100ms.BTCUSDT"},
        {"w://h/ws/!ticker@arr", "", "!ticker@arr"},
        {"w://h/ws/!ticker@arr/btcusdt@depth", "", NULL},
        {"w://h/ws", "", NULL},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        grants *g = grants_open(family_find(td_bytes_str("binance-usdm")));
        (void)grants_opened(g, 0, &(event){.url = ROWS[i].url, .conn = 3}, 1);
        const char *found = grants_find_begun(g, 0, 3, td_bytes_str(ROWS[i].begun));
        if ((found == NULL) != (ROWS[i].found == NULL) ||
            (found != NULL && strcmp(found, ROWS[i].found) != 0))
            fail_msg("%s, %s: %s", ROWS[i].url, ROWS[i].begun, found == NULL ? "none" : found);
        assert_null(grants_find_begun(g, 0, 2, td_bytes_str(ROWS[i].begun)));
        grants_close(g);
    }
}

/* A frame of a slot. topic NULL: from or to the client, in `bytes`. */
static void put(grants *g, uint32_t slot, uint64_t at_s, frame_role role, const char *topic,
                const char *bytes, uint32_t form)
{
    channel_notes notes = {0};
    const channel_info info = {.exchange_topic = topic, .form = form};
    const channel_route route = {.notes = &notes, .role = role};
    const feed_frame frame = {.line = slot % 2,
                              .conn = 1 + slot / 2,
                              .recv_ns = at_s * TD_NS_PER_S,
                              .info = &info,
                              .bytes = td_bytes_str(bytes)};
    (void)grants_apply(g, slot % 2, &frame, &route);
}

/* A topic that was ended may still have frames on their way, and one that was requested before the
 * session is not known: then a bare frame could be of either. */
static void topics_that_may_still_come(void **state)
{
    (void)state;
    static const char URL[] = "w://h/ws/btcusdt@depth@100ms";
    static const char ASK[] =
        "{\"method\":\"SUBSCRIBE\",\"params\":[\"btcusdt@depth20\"],\"id\":1}";
    static const char LEAVE[] =
        "{\"method\":\"UNSUBSCRIBE\",\"params\":[\"btcusdt@depth@100ms\"],\"id\":2}";
    const td_bytes begun = td_bytes_str("depth.BTCUSDT");
    grants *g = grants_open(family_find(td_bytes_str("binance-usdm")));
    (void)grants_opened(g, 0, &(event){.url = URL, .conn = 1}, 1);
    put(g, 0, 2, ROLE_OUT, NULL, LEAVE, 0);
    assert_string_equal(grants_find_begun(g, 0, 1, begun), "depth@100ms.BTCUSDT");
    put(g, 0, 3, ROLE_OUT, NULL, ASK, 0);
    assert_null(grants_find_begun(g, 0, 1, begun));
    const event continued = {.url = URL, .conn = 2, .cause = EVENT_CONTINUED};
    (void)grants_opened(g, 0, &continued, 4);
    assert_null(grants_find_begun(g, 0, 2, begun));
    assert_null(grants_find_begun(g, 0, 2, td_bytes_str("")));
    grants_close(g);
}

/* No answer shows when the new subscription begins, so a frame does. */
static void frames_grant_again_if_servers_do_not_answer(void **state)
{
    (void)state;
    const family *of = family_find(td_bytes_str("v5-linear"));
    dialect silent = *of->dialect;
    family changed = *of;
    silent.answer_count = 0;
    changed.dialect = &silent;
    grants *g = grants_open(&changed);
    put(g, 0, 1, ROLE_DATA, "publicTrade.BTCUSDT", "{}", 0);
    put(g, 0, 2, ROLE_OUT, "", LEAVE(V5_BTC), 0);
    put(g, 0, 3, ROLE_OUT, "", ASK(V5_BTC), 0);
    assert_int_equal(grants_restate(g), 0);
    put(g, 0, 4, ROLE_DATA, "publicTrade.BTCUSDT", "{}", 0);
    assert_int_equal(grants_restate(g), 1);
    assert_int_equal(grants_event(g, 0).from_ns, 4 * TD_NS_PER_S);
    grants_close(g);
}

/* The number of topics followed per connection is limited; an event tells that there are more. In
 * this dialect no topic covers another, so each is looked up once. */
static void topics_beyond_the_bound(void **state)
{
    (void)state;
    grants *g = grants_open(family_find(td_bytes_str("v5-linear")));
    for (unsigned n = 0; n < DIALECT_ARGS_MAX + 2; n++) {
        char topic[32];
        (void)snprintf(topic, sizeof topic, "publicTrade.S%u", n);
        channel_notes notes = {0};
        const channel_info info = {.exchange_topic = topic};
        const channel_route route = {.notes = &notes, .role = ROLE_DATA};
        const feed_frame frame = {.conn = 1, .recv_ns = n + 1, .info = &info};
        size_t count = grants_apply(g, 0, &frame, &route);
        assert_int_equal(count, n <= DIALECT_ARGS_MAX);
        if (count > 0)
            assert_int_equal(grants_event(g, 0).kind,
                             n < DIALECT_ARGS_MAX ? EVENT_GRANT : EVENT_LIMIT);
    }
    assert_int_equal(grants_restate(g), DIALECT_ARGS_MAX + 1);
    assert_string_equal(grants_event(g, DIALECT_ARGS_MAX).what, EVENT_LIMIT_GRANTS);
    grants_close(g);
}

static void check_counts(grants *g, uint64_t at_s, grants_counts expected, const char *overdue)
{
    td_buf names;
    td_buf_init(&names, 1000);
    const grants_counts found = grants_count(g, at_s * TD_NS_PER_S, &names);
    td_buf_add(&names, "", 1);
    assert_int_equal(found.granted, expected.granted);
    assert_int_equal(found.silent, expected.silent);
    assert_int_equal(found.overdue, expected.overdue);
    assert_string_equal((const char *)names.data, overdue);
    td_buf_fini(&names);
}

/* A book speaks at once, trades steadily, liquidations when they happen: the first two are overdue
 * a minute after the grant, and reported once. A topic of two lines counts once. */
static void silent_topics_are_counted(void **state)
{
    (void)state;
    static const char BOOK[] = "orderbook.50.BTCUSDT", TRADES[] = "publicTrade.BTCUSDT";
    static const char ASKED[] = V5("1", "\"orderbook.50.BTCUSDT\",\"publicTrade.BTCUSDT\","
                                        "\"allLiquidation.BTCUSDT\"");
    grants *g = grants_open(family_find(td_bytes_str("v5-linear")));
    for (uint32_t slot = 0; slot < 2; slot++) {
        put(g, slot, 1, ROLE_OUT, "", ASKED, 0);
        put(g, slot, 2, ROLE_CONTROL, "", V5_ANSWER("1", "true"), 0);
    }
    assert_true(grants_are_due(g, 2 * TD_NS_PER_S));
    check_counts(g, 3, (grants_counts){3, 3, 0}, "");
    assert_false(grants_are_due(g, 61 * TD_NS_PER_S));
    put(g, 1, 10, ROLE_DATA, BOOK, "{}", FORM_FETCHED); /* an HTTP reply shows nothing */
    assert_true(grants_are_due(g, 62 * TD_NS_PER_S));
    check_counts(g, 62, (grants_counts){3, 3, 2}, "orderbook.50.BTCUSDT, publicTrade.BTCUSDT");
    assert_false(grants_are_due(g, 1000 * TD_NS_PER_S));
    put(g, 1, 70, ROLE_DATA, TRADES, "{}", 0); /* one line is enough */
    assert_true(grants_are_due(g, 70 * TD_NS_PER_S));
    check_counts(g, 70, (grants_counts){3, 2, 1}, "");
    grants_closed(g, 0);
    grants_closed(g, 1);
    check_counts(g, 80, (grants_counts){0, 0, 0}, "");
    grants_close(g);
}

/* Connections that end before their topics are overdue: the silence counts from the first grant,
 * until a frame comes or the topic is unsubscribed. put: 0, 2 and 4 are connections of one slot. */
static void silence_over_several_connections(void **state)
{
    (void)state;
    static const char TRADES[] = "publicTrade.BTCUSDT";
    static const char ASKED[] = V5("1", V5_BTC);
    grants *g = grants_open(family_find(td_bytes_str("v5-linear")));
    for (uint32_t conn = 0; conn < 3; conn++) { /* granted at 1, 32 and 63 s */
        const uint64_t at_s = UINT64_C(31) * conn;
        put(g, 2 * conn, at_s, ROLE_OUT, "", ASKED, 0);
        put(g, 2 * conn, at_s + 1, ROLE_CONTROL, "", V5_ANSWER("1", "true"), 0);
        check_counts(g, at_s + 1, (grants_counts){1, 1, conn == 2}, conn < 2 ? "" : TRADES);
        if (conn < 2)
            grants_closed(g, 0);
    }
    put(g, 4, 70, ROLE_DATA, TRADES, "{}", 0);
    check_counts(g, 71, (grants_counts){1, 0, 0}, "");
    grants_closed(g, 0);
    put(g, 6, 200, ROLE_OUT, "", ASKED, 0); /* it has spoken: a new silence, reported once */
    put(g, 6, 201, ROLE_CONTROL, "", V5_ANSWER("1", "true"), 0);
    check_counts(g, 202, (grants_counts){1, 1, 0}, "");
    put(g, 6, 210, ROLE_OUT, "", LEAVE(V5_BTC), 0);
    grants_closed(g, 0);
    put(g, 8, 250, ROLE_OUT, "", ASKED, 0); /* unsubscribed meanwhile */
    put(g, 8, 251, ROLE_CONTROL, "", V5_ANSWER("1", "true"), 0);
    check_counts(g, 270, (grants_counts){1, 1, 0}, "");
    check_counts(g, 311, (grants_counts){1, 1, 1}, "");
    grants_close(g);
}

/* The trades' own end and the grant after it, not the other topics'. */
static void ends_of_trades(void **state)
{
    (void)state;
    grants *g = grants_open(family_find(td_bytes_str("v5-linear")));
    const channel_info info = {.symbol = "BTCUSDT"};
    put(g, 0, 1, ROLE_DATA, "publicTrade.BTCUSDT", "{}", 0);
    put(g, 0, 2, ROLE_DATA, "publicTrade.ETHUSDT", "{}", 0);
    put(g, 0, 3, ROLE_OUT, "", LEAVE(V5_ETH), 0);
    put(g, 0, 4, ROLE_DATA, "tickers.BTCUSDT", "{}", 0);
    assert_int_equal(grants_of_trades(g, 0, &info).ended_ns, 0);
    put(g, 0, 5, ROLE_OUT, "", LEAVE(V5_BTC), 0);
    put(g, 0, 6, ROLE_OUT, "", V5("1", V5_BTC), 0);
    put(g, 0, 7, ROLE_CONTROL, "", V5_ANSWER("1", "true"), 0);
    put(g, 0, 8, ROLE_DATA, "tickers.ETHUSDT", "{}", 0);
    const trade_grant got = grants_of_trades(g, 0, &info);
    assert_int_equal(got.ended_ns, 5 * TD_NS_PER_S);
    assert_int_equal(got.granted_ns, 7 * TD_NS_PER_S);
    grants_closed(g, 0);
    assert_int_equal(grants_of_trades(g, 0, &info).ended_ns, 0);
    grants_close(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_connections_are_subscribed_to),
        cmocka_unit_test(the_topic_that_begins_so),
        cmocka_unit_test(topics_that_may_still_come),
        cmocka_unit_test(frames_grant_again_if_servers_do_not_answer),
        cmocka_unit_test(topics_beyond_the_bound),
        cmocka_unit_test(silent_topics_are_counted),
        cmocka_unit_test(silence_over_several_connections),
        cmocka_unit_test(ends_of_trades),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
