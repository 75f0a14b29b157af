/* Which connections are open and have been granted topics, from the events of a segment. Expected:
 * docs/design.md ("Events"). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "archive/event.h"
#include "archive/open_conns.h"

enum { EVENTS_MAX = 6, FIRST_NS = 100 };

#define BTC         "trade.BTCUSD"
#define SLOT(n)     "\"line\":0,\"shard\":" #n ","
#define OF(topic)   "\"conn\":1,\"topic\":\"" topic "\","
#define GRANT(t)    "{\"event\":\"grant\"," SLOT(0) OF(t) "\"source\":\"seen\",\"from_ns\":100}"
#define END(t)      "{\"event\":\"grant_end\"," SLOT(0) OF(t) "\"reason\":\"refused\"}"
#define CONNECT(n)  "{\"event\":\"connect\"," SLOT(0) "\"conn\":" #n "}"
#define CLOSE(n)    "{\"event\":\"disconnect\"," SLOT(n) "\"conn\":1,\"in\":1,\"out\":1}"
#define STOP        "{\"event\":\"session\",\"session\":\"3f2a9c01\",\"state\":\"stop\"}"
#define LIMIT(what) "{\"event\":\"limit\",\"what\":\"" what "\",\"number\":1,\"frames\":0}"

static int covers_same(td_bytes subscription, td_bytes topic)
{
    return td_bytes_equal(subscription, topic);
}

static int covers_any(td_bytes subscription, td_bytes topic)
{
    (void)subscription;
    return topic.size > 0;
}

typedef struct open_conns_case {
    const char *what;
    const char *events[EVENTS_MAX];
    int has_btc;
} open_conns_case;

static const open_conns_case CASES[] = {
    {"nothing", {NULL}, 0},
    {"granted", {GRANT(BTC)}, 1},
    {"another topic", {GRANT("trade.ETHUSD")}, 0},
    {"unsubscribed", {GRANT(BTC), END(BTC)}, 0},
    {"and granted again", {GRANT(BTC), END(BTC), GRANT(BTC)}, 1},
    {"another was refused", {GRANT(BTC), END("trade.XRPUSD")}, 1},
    {"refused", {CONNECT(1), END(BTC)}, 0},
    {"the connection ended", {GRANT(BTC), CLOSE(0)}, 0},
    {"another connection ended", {GRANT(BTC), CLOSE(1)}, 1},
    {"the next connection began", {GRANT(BTC), CONNECT(2)}, 0},
    {"the session stopped", {GRANT(BTC), STOP}, 0},
    {"more exist than events list", {LIMIT("grants")}, 1},
    {"another bound", {LIMIT("books")}, 0},
    {"an event that cannot be read", {"{"}, 1},
};

/* Makes the rows of a segment that begins at FIRST_NS and has these events. */
static segment_rows rows_of(const char *const events[EVENTS_MAX])
{
    segment_rows rows = {0};
    sealed_chunk *chunk = sealed_chunk_open();
    chunk_builder *builder = chunk_builder_open(NULL);
    event_reader *reader = event_reader_open();
    const channel_info info = {.feed = "inverse",
                               .family = "inverse",
                               .dir = CHANNEL_EVENT,
                               .exchange_topic = "",
                               .symbol = "",
                               .topic = "_events",
                               .opcode = OPCODE_TEXT,
                               .message_encoding = "json"};
    for (uint64_t i = 0; i < EVENTS_MAX && events[i] != NULL; i++) {
        const feed_frame frame = {
            .info = &info, .recv_ns = FIRST_NS + i, .bytes = td_bytes_str(events[i])};
        assert_int_equal(chunk_builder_append(builder, &frame, NULL), TD_OK);
    }
    if (chunk_builder_seal(builder, chunk))
        segment_rows_add_chunk(&rows, reader, chunk);
    event_reader_close(reader);
    chunk_builder_close(builder);
    sealed_chunk_close(chunk);
    return rows;
}

/* An event at exactly the requested time counts as later. */
static void what_is_granted(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        segment_rows session = rows_of(CASES[i].events);
        const open_conns at_end = {
            .at_ns = FIRST_NS + EVENTS_MAX, .sessions = &session, .count = 1};
        const open_conns at_first = {
            .at_ns = FIRST_NS, .sessions = &session, .count = session.unknown_ns != 1};
        if (open_conns_has_topic(&at_end, td_bytes_str(BTC), covers_same) != CASES[i].has_btc ||
            open_conns_has_topic(&at_first, td_bytes_str(BTC), covers_same))
            fail_msg("%s: granted is not %d", CASES[i].what, CASES[i].has_btc);
        segment_rows_fini(&session);
    }
}

/* Sessions may overlap: the end of one does not end another's connections. */
static void sessions_and_covers(void **state)
{
    (void)state;
    static const char *const ALL[EVENTS_MAX] = {GRANT(EVENT_GRANT_ALL)};
    static const char *const LIST[EVENTS_MAX] = {GRANT("trade.*")};
    static const char *const STOPPED[EVENTS_MAX] = {GRANT(EVENT_GRANT_ALL), STOP};
    segment_rows sessions[] = {rows_of(STOPPED), rows_of(ALL)};
    open_conns conns = {.at_ns = FIRST_NS + 5, .sessions = sessions, .count = 2};
    assert_true(open_conns_has_topic(&conns, td_bytes_str(BTC), covers_same));
    conns.count = 1;
    assert_false(open_conns_has_topic(&conns, td_bytes_str(BTC), covers_same));
    conns.at_ns = FIRST_NS + 1; /* the other session stopped then */
    assert_true(open_conns_has_topic(&conns, td_bytes_str(BTC), covers_same));
    segment_rows_fini(&sessions[0]);
    sessions[0] = rows_of(LIST);
    assert_false(open_conns_has_topic(&conns, td_bytes_str(BTC), covers_same));
    assert_true(open_conns_has_topic(&conns, td_bytes_str(BTC), covers_any));
    segment_rows_fini(&sessions[0]);
    segment_rows_fini(&sessions[1]);
}

/* A segment begins with events that repeat what is open, so older segments are not needed. */
static void what_is_open(void **state)
{
    (void)state;
    static const char *const EVENTS[EVENTS_MAX] = {
        "{\"event\":\"segment\",\"session\":\"3f2a9c01\",\"number\":2,\"slots\":["
        "{\"line\":0,\"shard\":0,\"conn\":1,\"in\":9,\"out\":1,\"since_ns\":70},"
        "{\"line\":0,\"shard\":2,\"conn\":1,\"in\":9,\"out\":1,\"since_ns\":80}]}",
        GRANT(BTC), CONNECT(2), CLOSE(2)};
    static const uint64_t OLDEST_NS[] = {70, 70, 80, 80};
    segment_rows session = rows_of(EVENTS);
    for (size_t i = 0; i < sizeof OLDEST_NS / sizeof OLDEST_NS[0]; i++) {
        const open_conns m = {.at_ns = FIRST_NS + 1 + i, .sessions = &session, .count = 1};
        assert_int_equal(open_conns_oldest_ns(&m), OLDEST_NS[i]);
    }
    assert_int_equal(session.grant_count, 1);
    assert_string_equal(session.grants[0].source, EVENT_GRANT_SEEN);
    segment_rows_fini(&session);
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
