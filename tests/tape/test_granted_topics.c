/* Which topics a grant names. Expected: tape/granted_topics.h, and docs/wire.md 1.3 for lists. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "archive/event.h"
#include "tape/granted_topics.h"

/* The topics that a grant of slot 0/1 names in a segment of the family, each as TOPIC/SYMBOL, with
 * "!" if the grant alone names it. Slot 0/1 has trades of two symbols, an unknown topic and a pong;
 * slot 0/0 a third symbol. */
static const char *names(const char *family_name, const char *granted)
{
    static char text[256];
    segment_channel channels[] = {
        {.info = {.shard = 1, .topic = "trade", .exchange_topic = "trade.A", .symbol = "A"}},
        {.info = {.shard = 1, .topic = "_control", .exchange_topic = "", .symbol = ""}},
        {.info = {.shard = 1, .topic = "trade", .exchange_topic = "trade.B", .symbol = "B"}},
        {.info = {.shard = 0, .topic = "trade", .exchange_topic = "trade.C", .symbol = "C"}},
        {.info = {.shard = 1, .topic = "_unknown", .exchange_topic = "mystery", .symbol = ""}},
    };
    conn_row conns[] = {{.shard = 0, .conn = 1}, {.shard = 1, .conn = 1}};
    grant_row grant = {
        .conn = 1, .topic = granted, .from_ns = 1, .source = EVENT_GRANT_ANSWERED, .reason = ""};
    segment_rows rows = {
        .index = {.channels = channels, .channel_count = sizeof channels / sizeof channels[0]},
        .conns = conns,
        .conn_count = 2,
        .grants = &grant,
        .grant_count = 1};
    (void)snprintf(rows.index.family, sizeof rows.index.family, "%s", family_name);
    granted_topics named;
    text[0] = '\0';
    granted_topics_begin(&named, &rows, &grant);
    for (const channel_info *info; (info = granted_topics_next(&named)) != NULL;) {
        assert_int_equal(info->shard, 1);
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s/%s%s",
                       text[0] == '\0' ? "" : " ", info->topic, info->symbol,
                       info->feed == rows.index.feed ? "!" : "");
    }
    assert_null(granted_topics_next(&named));
    return text;
}

static void test_names(void **state)
{
    static const struct {
        const char *family, *granted, *names;
    } CASES[] = {
        {"inverse", "trade.A", "trade/A!"},
        {"inverse", "trade.Z", "trade/Z!"},
        {"inverse", "instrument_info.100ms.Z", "instrument_info.100ms/Z!"},
        {"inverse", "trade.*", "trade/A trade/B"},
        {"inverse", "trade", "trade/A trade/B"},
        {"inverse", "trade.B|C|Z", "trade/B"},
        {"inverse", "trade.Y|Z", ""},
        {"inverse", "mystery", "_unknown/"},
        {"inverse", "riddle", ""},
        {"inverse", EVENT_GRANT_ALL, "trade/A _control/ trade/B _unknown/"},
        {"v5-linear", "publicTrade.Z", "publicTrade/Z!"},
        {"v5-linear", "trade.A", "trade/A"}, /* no topic of the family, but it came */
        {"v5-linear", "trade.*", ""},        /* the family has no lists */
        {"nowhere", "trade.A", "trade/A"},
        {"nowhere", "publicTrade.Z", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        assert_string_equal(names(CASES[i].family, CASES[i].granted), CASES[i].names);
}

/* A list is one topic of the family, as it was asked for. */
static void test_match(void **state)
{
    static const struct {
        const char *granted, *topic, *symbol;
    } CASES[] = {
        {"trade.A", "trade", "A"}, {"trade.A|B", "trade", "A|B"}, {"trade.*", "trade", "*"},
        {"trade", NULL, NULL},     {EVENT_GRANT_ALL, NULL, NULL},
    };
    const family *of = family_find(td_bytes_str("inverse"));
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const grant_row grant = {.topic = CASES[i].granted, .from_ns = 1};
        topic_match match;
        assert_int_equal(granted_topic_match(of, &grant, &match), CASES[i].topic != NULL);
        if (CASES[i].topic != NULL) {
            assert_true(td_bytes_is(match.topic, CASES[i].topic));
            assert_true(td_bytes_is(match.symbol, CASES[i].symbol));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_match),
    };
    return cmocka_run_group_tests_name("tape/granted_topics", tests, NULL, NULL);
}
