/* recorder/capture/channel_router: which channel a frame gets. Expected channels are written from
 * docs/design.md ("Channels") and the rules at the top of channel_router.h. */
#include "recorder/capture/channel_router.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/limits.h"
#include "format/chunk_builder.h"
#include "schema/decode.h"

typedef struct route_row {
    const char *name;
    channel_dir dir;
    channel_opcode opcode;
    const char *text;
    const char *topic;
    const char *exchange_topic;
    const char *symbol;
    const char *encoding;
    uint64_t publish_ns; /* 0: equals the receive time */
    frame_class frame_class;
} route_row;

/* A frame with its channel and other results. */
typedef struct routed {
    feed_frame frame;
    channel_route found;
} routed;

static const uint64_t RECV_NS = 77;

static const route_row ROWS[] = {
    {"a trade", CHANNEL_IN, OPCODE_TEXT,
     "{\"topic\":\"trade.BTCUSD\",\"data\":[{\"trade_time_ms\":1618677786587,\"symbol\":\"BTCUSD\"}"
     "]}",
     "trade", "trade.BTCUSD", "BTCUSD", "json", 1618677786587000000, CLASS_DATA},
    {"a book, keys in another order", CHANNEL_IN, OPCODE_TEXT,
     "{\"type\":\"delta\",\"timestamp_e6\":1618677786241188,\"cross_seq\":1,\"data\":{},"
     "\"topic\":\"orderBook_200.100ms.ETHUSD\"}",
     "orderBook_200.100ms", "orderBook_200.100ms.ETHUSD", "ETHUSD", "json", 1618677786241188000,
     CLASS_DATA},
    {"an ack", CHANNEL_IN, OPCODE_TEXT,
     "{\"success\":true,\"ret_msg\":\"\",\"request\":{\"op\":\"subscribe\"}}", "_control", "", "",
     "json", 0, CLASS_ACK},
    {"a pong", CHANNEL_IN, OPCODE_TEXT, "{\"success\":true,\"ret_msg\":\"pong\"}", "_control", "",
     "", "json", 0, CLASS_PONG},
    {"a request", CHANNEL_OUT, OPCODE_TEXT, "{\"op\":\"ping\"}", "_control", "", "", "json", 0,
     CLASS_REQUEST},
    {"a topic without a row", CHANNEL_IN, OPCODE_TEXT, "{\"topic\":\"nothing.BTCUSD\",\"data\":[]}",
     "_unknown", "nothing.BTCUSD", "", "json", 0, CLASS_DATA},
    {"no JSON", CHANNEL_IN, OPCODE_TEXT, "hello", "_unknown", "", "", "raw", 0, CLASS_UNKNOWN},
    {"broken JSON", CHANNEL_IN, OPCODE_TEXT, " {\"topic\":", "_unknown", "", "", "json", 0,
     CLASS_UNKNOWN},
    {"nothing at all", CHANNEL_IN, OPCODE_TEXT, "", "_unknown", "", "", "raw", 0, CLASS_UNKNOWN},
    {"binary", CHANNEL_IN, OPCODE_BINARY, "\x1f\x8b\x08", "_unknown", "", "", "raw", 0,
     CLASS_UNKNOWN},
    {"an outbound frame that is no JSON", CHANNEL_OUT, OPCODE_TEXT, "ping", "_control", "", "",
     "raw", 0, CLASS_REQUEST},
    {"an HTTP answer that looks like a frame", CHANNEL_HTTP, OPCODE_TEXT,
     "{\"topic\":\"trade.BTCUSD\",\"data\":[]}", "http.reply", "", "", "json", 0, CLASS_UNKNOWN},
    {"an escape in a topic is resolved", CHANNEL_IN, OPCODE_TEXT,
     "{\"topic\":\"trade.A\\u0042C\",\"data\":[]}", "trade", "trade.ABC", "ABC", "json", 0,
     CLASS_DATA},
    {"a NUL in a topic is no name", CHANNEL_IN, OPCODE_TEXT,
     "{\"topic\":\"trade.A\\u0000B\",\"data\":[]}", "_unknown", "", "", "json", 0, CLASS_DATA},
};

static channel_router *open_router(void)
{
    const family *inverse = family_find(td_bytes_str("inverse"));
    assert_non_null(inverse);
    return channel_router_open("feed one", inverse);
}

static void route_form(channel_router *r, uint32_t shard, channel_dir dir, channel_opcode opcode,
                       uint32_t form, const char *text, routed *out)
{
    static char padded[512 + DECODE_PADDING_BYTES];
    size_t size = strlen(text);
    assert_true(size < 512);
    memcpy(padded, text, size + 1);
    out->frame = (feed_frame){.shard = shard,
                              .dir = dir,
                              .opcode = opcode,
                              .form = form,
                              .recv_ns = RECV_NS,
                              .bytes = td_bytes_of(padded, size),
                              .http_name = "reply"};
    channel_router_route(r, &out->frame, &out->found);
}

static void route_text(channel_router *r, uint32_t shard, channel_dir dir, channel_opcode opcode,
                       const char *text, routed *out)
{
    route_form(r, shard, dir, opcode, 0, text, out);
}

static void test_rows(void **state)
{
    (void)state;
    channel_router *r = open_router();
    for (int round = 0; round < 2; round++) { /* the second finds the first's */
        for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
            const route_row *row = &ROWS[i];
            routed route;
            print_message("  %s\n", row->name);
            route_text(r, 3, row->dir, row->opcode, row->text, &route);
            assert_string_equal(route.frame.info->feed, "feed one");
            assert_string_equal(route.frame.info->family, "inverse");
            assert_string_equal(route.frame.info->topic, row->topic);
            assert_int_equal(route.found.role, channel_role(route.frame.info));
            assert_string_equal(route.frame.info->exchange_topic, row->exchange_topic);
            assert_string_equal(route.frame.info->symbol, row->symbol);
            assert_string_equal(route.frame.info->message_encoding, row->encoding);
            assert_int_equal(route.frame.info->shard, 3);
            assert_int_equal(route.frame.info->line, 0);
            assert_int_equal(route.frame.info->opcode, row->opcode);
            assert_int_equal(route.frame.info->dir, row->dir);
            assert_int_equal(route.frame.publish_ns,
                             row->publish_ns > 0 ? row->publish_ns : RECV_NS);
            assert_int_equal(route.found.frame_class, row->frame_class);
        }
    }
    channel_router_close(r);
}

/* A topic whose row changed on 2026-03-19 keeps its channel. */
static void test_dated_rows(void **state)
{
    (void)state;
    static const char FRAME[] =
        "{\"topic\":\"orderbook.200.BTCUSDT\",\"type\":\"delta\",\"ts\":1,\"data\":{}}";
    static const uint64_t DAYS[] = {1773878399, 1773878400}; /* 2026-03-18T23:59:59Z and after */
    char padded[sizeof FRAME + DECODE_PADDING_BYTES] = {0};
    memcpy(padded, FRAME, sizeof FRAME);
    channel_router *r = channel_router_open("f", family_find(td_bytes_str("v5-spot")));
    for (size_t i = 0; i < sizeof DAYS / sizeof DAYS[0]; i++) {
        routed route;
        route.frame = (feed_frame){.dir = CHANNEL_IN,
                                   .opcode = OPCODE_TEXT,
                                   .recv_ns = DAYS[i] * 1000000000,
                                   .bytes = td_bytes_of(padded, sizeof FRAME - 1)};
        channel_router_route(r, &route.frame, &route.found);
        assert_string_equal(route.frame.info->topic, "orderbook.200");
        assert_int_equal(route.frame.channel, 1);
    }
    channel_router_close(r);
}

/* Rows: a URL, and the name in it that becomes a channel's topic. */
static void test_http_names(void **state)
{
    (void)state;
    static const struct {
        const char *url, *name;
    } ROWS_OF_URLS[] = {
        {"https://api.bybit.com/v2/public/symbols", "symbols"},
        {"https://h/v5/market/instruments-info?category=linear&a=/b", "instruments-info"},
        {"https://h/a/b/", "b"},
        {"https://h/a%20b", "a_20b"},
        {"https://h/", "reply"},
        {"https://h", "reply"},
        {"", "reply"},
    };
    channel_router *r = open_router();
    char name[LIMIT_NAME_BYTES];
    char topic[LIMIT_TOPIC_BYTES];
    for (size_t i = 0; i < sizeof ROWS_OF_URLS / sizeof *ROWS_OF_URLS; i++) {
        print_message("  %s\n", ROWS_OF_URLS[i].url);
        channel_router_http_name(td_bytes_str(ROWS_OF_URLS[i].url), name);
        assert_string_equal(name, ROWS_OF_URLS[i].name);
        routed route = {.frame = {.dir = CHANNEL_HTTP,
                                  .opcode = OPCODE_TEXT,
                                  .recv_ns = RECV_NS,
                                  .bytes = td_bytes_str("{}"),
                                  .http_name = name}};
        channel_router_route(r, &route.frame, &route.found);
        (void)snprintf(topic, sizeof topic, "http.%s", name);
        assert_string_equal(route.frame.info->topic, topic);
        assert_string_equal(route.frame.info->symbol, "");
        assert_int_equal(route.frame.info->dir, CHANNEL_HTTP);
        assert_int_equal(route.frame.publish_ns, RECV_NS);
    }
    static char longest[200] = "https://h/";
    memset(longest + strlen(longest), 'x', sizeof longest - strlen(longest));
    channel_router_http_name(td_bytes_of(longest, sizeof longest), name);
    assert_int_equal(strlen(name), LIMIT_NAME_BYTES - 1);
    routed route = {.frame = {.dir = CHANNEL_HTTP,
                              .opcode = OPCODE_TEXT,
                              .bytes = td_bytes_str("{}"),
                              .http_name = name}};
    channel_router_route(r, &route.frame, &route.found);
    assert_int_equal(strlen(route.frame.info->topic), strlen("http.") + LIMIT_NAME_BYTES - 1);
    channel_router_close(r);
}

/* Numbers are assigned in the order of first use, one per (slot, dir, opcode, form, encoding,
 * topic), and never change. */
static void test_numbers(void **state)
{
    (void)state;
    channel_router *r = open_router();
    routed route;
    const char *trade = "{\"topic\":\"trade.BTCUSD\",\"data\":[]}";
    const char *other = "{\"topic\":\"trade.EOSUSD\",\"data\":[]}";
    route_text(r, 0, CHANNEL_IN, OPCODE_TEXT, trade, &route);
    assert_int_equal(route.frame.channel, 1);
    const channel_info *first = route.frame.info;
    assert_string_equal(channel_router_events(r)->topic, "_events");
    assert_int_equal(channel_role(channel_router_events(r)), ROLE_EVENT);
    route_text(r, 0, CHANNEL_IN, OPCODE_TEXT, other, &route);
    assert_int_equal(route.frame.channel, 2);
    route_text(r, 1, CHANNEL_IN, OPCODE_TEXT, trade, &route);
    assert_int_equal(route.frame.channel, 3);
    route_text(r, 0, CHANNEL_IN, OPCODE_TEXT, "x", &route);
    assert_int_equal(route.frame.channel, 4);
    route_text(r, 0, CHANNEL_IN, OPCODE_TEXT, "{}", &route);
    assert_int_equal(route.frame.channel, 5); /* JSON has another channel than raw frames */
    route_text(r, 0, CHANNEL_IN, OPCODE_TEXT, trade, &route);
    assert_int_equal(route.frame.channel, 1);
    assert_ptr_equal(route.frame.info, first);
    route_text(r, 2, CHANNEL_IN, OPCODE_TEXT, trade, &route);
    assert_int_equal(route.frame.channel, 6);
    channel_router_forget(r);
    route_text(r, 0, CHANNEL_IN, OPCODE_TEXT, other, &route);
    assert_int_equal(route.frame.channel, 1);
    assert_string_equal(route.frame.info->symbol, "EOSUSD");
    channel_router_close(r);
}

/* Topics beyond the limit get _unknown, and the route shows it; known topics and the recorder's own
 * channels are unaffected. A new segment has space again. */
static void test_overflow(void **state)
{
    (void)state;
    channel_router *r = open_router();
    routed route;
    char text[96];
    for (uint32_t i = 0; i < LIMIT_TOPIC_CHANNELS; i++) {
        (void)snprintf(text, sizeof text, "{\"topic\":\"trade.S%u\",\"data\":[]}", i);
        route_text(r, 0, CHANNEL_IN, OPCODE_TEXT, text, &route);
        assert_int_equal(route.frame.channel, i + 1);
        assert_false(route.found.is_overflow);
    }
    static const char MORE[] = "{\"topic\":\"trade.MORE\",\"data\":[]}";
    route_text(r, 0, CHANNEL_IN, OPCODE_TEXT, MORE, &route);
    assert_string_equal(route.frame.info->topic, "_unknown");
    assert_int_equal(route.found.role, ROLE_UNKNOWN);
    assert_string_equal(route.frame.info->symbol, "");
    assert_true(route.found.is_overflow);
    assert_int_equal(route.found.frame_class, CLASS_DATA);
    route_text(r, 0, CHANNEL_IN, OPCODE_TEXT, "{\"topic\":\"trade.S7\",\"data\":[]}", &route);
    assert_int_equal(route.frame.channel, 8);
    route_text(r, 5, CHANNEL_OUT, OPCODE_TEXT, "{}", &route);
    assert_string_equal(route.frame.info->topic, "_control");
    assert_int_equal(route.found.role, ROLE_OUT);
    assert_false(route.found.is_overflow);
    channel_router_forget(r);
    route_text(r, 0, CHANNEL_IN, OPCODE_TEXT, MORE, &route);
    assert_string_equal(route.frame.info->symbol, "MORE");
    assert_false(route.found.is_overflow);
    channel_router_close(r);
}

/* Topics that the family does not have get channels of their own, up to half of the limit. */
static void test_unknown_topics(void **state)
{
    (void)state;
    channel_router *r = open_router();
    routed route;
    char text[96];
    for (uint32_t i = 0; i <= LIMIT_TOPIC_CHANNELS / 2; i++) {
        (void)snprintf(text, sizeof text, "{\"topic\":\"no.S%u\",\"data\":[]}", i);
        route_text(r, 0, CHANNEL_IN, OPCODE_TEXT, text, &route);
        assert_int_equal(route.frame.channel, i + 1);
        assert_int_equal(route.found.role, ROLE_UNKNOWN);
        assert_int_equal(route.found.is_overflow, i == LIMIT_TOPIC_CHANNELS / 2);
        (void)snprintf(text, sizeof text, "no.S%u", i);
        assert_string_equal(route.frame.info->exchange_topic, route.found.is_overflow ? "" : text);
    }
    route_text(r, 0, CHANNEL_IN, OPCODE_TEXT, "{\"topic\":\"no.S7\",\"data\":[]}", &route);
    assert_int_equal(route.frame.channel, 8);
    route_text(r, 0, CHANNEL_IN, OPCODE_TEXT, "{\"topic\":\"trade.S7\",\"data\":[]}", &route);
    assert_string_equal(route.frame.info->topic, "trade");
    channel_router_close(r);
}

/* Each form has its own channel. Beyond the limit, frames on new channels lose their form, which is
 * counted. */
static void test_forms(void **state)
{
    (void)state;
    static const char TRADE[] = "{\"topic\":\"trade.BTCUSD\",\"data\":[]}";
    channel_router *r = open_router();
    routed route;
    for (uint32_t form = 0; form < 4; form++) {
        route_form(r, 0, CHANNEL_IN, OPCODE_TEXT, form, TRADE, &route);
        assert_int_equal(route.frame.channel, 2 * form + 1);
        assert_int_equal(route.frame.info->form, form);
        assert_string_equal(route.frame.info->topic, "trade");
        route_form(r, 0, CHANNEL_IN, OPCODE_TEXT, form, "{\"success\":true}", &route);
        assert_int_equal(route.frame.channel, 2 * form + 2);
        assert_int_equal(route.frame.info->form, form);
        assert_string_equal(route.frame.info->topic, CHANNEL_TOPIC_CONTROL);
    }
    for (uint32_t i = 8; i < LIMIT_TOPIC_CHANNELS + 1; i++) { /* one earlier is plain */
        char text[96];
        (void)snprintf(text, sizeof text, "{\"topic\":\"trade.S%u\",\"data\":[]}", i);
        route_text(r, 0, CHANNEL_IN, OPCODE_TEXT, text, &route);
        assert_false(route.found.is_overflow);
    }
    for (uint32_t n = 0; n < 6; n++) {
        const char *text = n < 3 ? "{\"success\":true}" : "{\"topic\":\"no.such\"}";
        route_form(r, 1, CHANNEL_IN, OPCODE_TEXT, 1 + n % 3, text, &route);
        assert_true(route.found.is_overflow);
        assert_int_equal(route.frame.info->form, 0);
        assert_string_equal(route.frame.info->topic,
                            n < 3 ? CHANNEL_TOPIC_CONTROL : CHANNEL_TOPIC_UNKNOWN);
    }
    route_form(r, 0, CHANNEL_IN, OPCODE_TEXT, FORM_COMPRESSED, "{\"success\":true}", &route);
    assert_false(route.found.is_overflow);
    assert_int_equal(route.frame.info->form, FORM_COMPRESSED);
    channel_router_close(r);
}

/* When all channels for topics are taken, each slot of a feed still gets its own channels, and a
 * segment has an id for each channel that the router gave. */
static void test_own_channels_fit(void **state)
{
    (void)state;
    channel_router *r = open_router();
    chunk_builder *b = NULL;
    b = chunk_builder_open(NULL);
    routed route;
    char text[96];
    uint64_t recv_ns = RECV_NS, ordinals[LIMIT_FEED_SLOTS][2] = {{0}};
    static const char *const TEXTS[] = {"{\"topic\":\"no.such\"}", "{\"success\":true}",
                                        "not JSON"};
    for (uint32_t n = 0; n < LIMIT_TOPIC_CHANNELS + 4 * 12 * LIMIT_FEED_SLOTS; n++) {
        int is_topic = n < LIMIT_TOPIC_CHANNELS;
        uint32_t own = (n - LIMIT_TOPIC_CHANNELS) / 4;
        uint32_t form = is_topic ? 0 : n % 4;
        uint32_t shard = is_topic ? 0 : own / 12;
        channel_dir dir = !is_topic && own % 2 == 1 ? CHANNEL_OUT : CHANNEL_IN;
        channel_opcode opcode = !is_topic && own / 2 % 2 == 1 ? OPCODE_BINARY : OPCODE_TEXT;
        (void)snprintf(text, sizeof text, "{\"topic\":\"trade.S%u\",\"data\":[]}", n);
        const char *frame = is_topic ? text : TEXTS[own % 12 / 4];
        route_form(r, shard, dir, opcode, form, frame, &route);
        assert_int_equal(strcmp(route.frame.info->topic, "trade") == 0, is_topic);
        route.frame.conn = 1;
        route.frame.ordinal = ++ordinals[shard][dir == CHANNEL_OUT];
        route.frame.recv_ns = ++recv_ns;
        if (chunk_builder_wants_seal(b, recv_ns)) {
            sealed_chunk *sealed = sealed_chunk_open();
            assert_true(chunk_builder_seal(b, sealed));
            sealed_chunk_close(sealed);
        }
        assert_int_equal(chunk_builder_append(b, &route.frame, NULL), TD_OK);
    }
    chunk_builder_close(b);
    channel_router_close(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_dated_rows),
        cmocka_unit_test(test_http_names),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_unknown_topics),
        cmocka_unit_test(test_own_channels_fit),
        cmocka_unit_test(test_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
