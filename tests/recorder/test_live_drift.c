/* Drift as a recorder reports it: once, however often it comes, and a bounded number of times.
 * Expected values: the contract in recorder/live_drift.h; frames are those of docs/wire.md, with a
 * change made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "recorder/live_drift.h"
#include "schema/decode.h"

enum { KEPT = 8 };

typedef struct seen {
    size_t count;
    char texts[KEPT][256]; /* "topic what path detail" of the first ones */
    char example[LIMIT_LIVE_DRIFT_EXAMPLE_BYTES];
} seen;

typedef struct scene {
    live_drift *drift;
    const family *of;
    live_drift_times times; /* of the channel at work */
    uint16_t feed_index;    /* and its feed */
    uint64_t recv_ns;
    size_t looks;
    seen seen;
} scene;

static void on_found(void *user, const live_drift_finding *finding)
{
    seen *into = user;
    if (into->count < KEPT)
        (void)snprintf(into->texts[into->count], sizeof into->texts[0], "%s %s %s %s",
                       finding->topic, finding->what, finding->path, finding->detail);
    (void)snprintf(into->example, sizeof into->example, "%s", finding->example);
    into->count++;
}

static int open_scene(void **state)
{
    static scene s;
    s = (scene){.of = family_find(td_bytes_str("inverse")),
                .recv_ns = UINT64_C(1795154400000000000)};
    assert_int_equal(live_drift_open(&s.drift, NULL), TD_OK);
    *state = &s;
    return 0;
}

static int close_scene(void **state)
{
    scene *s = *state;
    live_drift_close(s->drift);
    return 0;
}

/* A frame of an exchange topic comes, step_ns after the one before. */
static void put(scene *s, const char *topic, const char *frame, live_drift_sort sort,
                uint64_t step_ns)
{
    char padded[1024] = "";
    topic_match match;
    size_t size = strlen(frame);
    assert_true(size + DECODE_PADDING_BYTES <= sizeof padded);
    (void)snprintf(padded, sizeof padded, "%s", frame);
    (void)topic_match_text(s->of->topics, s->of->topic_count, td_bytes_str(topic), s->recv_ns,
                           &match);
    char feed[16];
    (void)snprintf(feed, sizeof feed, "inverse%u", s->feed_index);
    const live_drift_frame seen_frame = {.feed_index = s->feed_index,
                                         .feed = feed,
                                         .of = s->of,
                                         .topic = &match,
                                         .exchange_topic = topic,
                                         .recv_ns = s->recv_ns,
                                         .bytes = td_bytes_of(padded, size)};
    s->recv_ns += step_ns;
    if (!live_drift_is_due(&s->times, seen_frame.recv_ns, sort))
        return;
    s->looks++;
    live_drift_look(s->drift, &s->times, &seen_frame, sort, on_found, &s->seen);
}

/* A trade's frame up to the end of its entry. */
#define TRADE_SIZED(size)                                                                          \
    "{\"topic\":\"trade.BTCUSD\",\"data\":[{\"trade_time_ms\":1795154400000,\"timestamp\":"        \
    "\"2026-11-20T10:00:00.000Z\",\"symbol\":\"BTCUSD\",\"side\":\"Buy\",\"size\":" size           \
    ",\"price\":60000,\"tick_direction\":\"PlusTick\",\"trade_id\":\"a\",\"cross_seq\":1"
#define TRADE(size, more) TRADE_SIZED(size) more "}]}"

static void test_a_million_frames_are_one_finding(void **state)
{
    scene *s = *state;
    for (size_t i = 0; i < 1000000; i++)
        put(s, "trade.BTCUSD", TRADE("1", ",\"fee\":\"0.1\""), LIVE_DRIFT_STRANGE, TD_NS_PER_MS);
    assert_int_equal(s->seen.count, 1);
    assert_string_equal(s->seen.texts[0], "trade new_field data.fee ");
    assert_int_equal(live_drift_get_stats(s->drift).findings, 1);
    assert_int_equal(live_drift_get_stats(s->drift).left_out, 0);
    /* 1,000 s: 1 ms doubled 16 times is a minute, and then one a minute. */
    assert_true(s->looks <= 18 + 1000 / 60);
}

/* A second change of the same channel is looked at after its wait, and then at once. */
static void test_more_changes(void **state)
{
    scene *s = *state;
    for (size_t i = 0; i < 100; i++)
        put(s, "trade.BTCUSD", TRADE("1", ",\"fee\":\"0.1\""), LIVE_DRIFT_STRANGE, TD_NS_PER_MS);
    for (size_t i = 0; i < 1000; i++)
        put(s, "trade.BTCUSD", TRADE("1", ",\"fee\":\"0.1\",\"tax\":0"), LIVE_DRIFT_STRANGE,
            TD_NS_PER_MS);
    put(s, "trade.BTCUSD", TRADE("[]", ""), LIVE_DRIFT_STRANGE, 60 * TD_NS_PER_S);
    put(s, "trade.BTCUSD", TRADE("[]", ""), LIVE_DRIFT_STRANGE, TD_NS_PER_MS);
    assert_int_equal(s->seen.count, 3);
    assert_string_equal(s->seen.texts[1], "trade new_field data.tax ");
    assert_string_equal(s->seen.texts[2], "trade not_decoded size wrong_type");
    assert_string_equal(s->seen.example, TRADE("[]", ""));
}

static void test_samples(void **state)
{
    scene *s = *state;
    put(s, "trade.BTCUSD", TRADE("1", ""), LIVE_DRIFT_SAMPLE, TD_NS_PER_MS);
    const live_drift_times first = s->times;
    /* Another symbol of the topic is no sample. */
    s->times = (live_drift_times){0};
    put(s, "trade.EOSUSD", TRADE("\"1\"", ""), LIVE_DRIFT_SAMPLE, 60 * TD_NS_PER_S);
    put(s, "trade.EOSUSD", TRADE("\"1\"", ""), LIVE_DRIFT_SAMPLE, 60 * TD_NS_PER_S);
    assert_int_equal(s->looks, 2);
    assert_int_equal(s->seen.count, 0);
    s->times = first;
    for (size_t i = 0; i < 1000; i++)
        put(s, "trade.BTCUSD", TRADE("\"1\"", ""), LIVE_DRIFT_SAMPLE, TD_NS_PER_MS);
    assert_int_equal(s->seen.count, 1);
    assert_string_equal(s->seen.texts[0], "trade type_changed data.size number to string");
}

static void test_topics_without_row(void **state)
{
    scene *s = *state;
    put(s, "_unknown", "{\"topic\":\"fee.BTCUSD\",\"data\":[]}", LIVE_DRIFT_STRANGE, TD_NS_PER_S);
    put(s, "_unknown", "{\"topic\":\"fee.EOSUSD\",\"data\":[]}", LIVE_DRIFT_STRANGE, TD_NS_PER_S);
    put(s, "_unknown", "{\"topic\":\"tax.BTCUSD.1m\",\"data\":[]}", LIVE_DRIFT_STRANGE,
        TD_NS_PER_S);
    put(s, "_unknown", "{\"topic\":\"tax.EOSUSD.1m\",\"data\":[]}", LIVE_DRIFT_STRANGE,
        TD_NS_PER_S);
    put(s, "_unknown", "no JSON at all", LIVE_DRIFT_STRANGE, TD_NS_PER_S);
    assert_int_equal(s->seen.count, 3);
    assert_string_equal(s->seen.texts[0], "fee.{symbol} new_topic  ");
    assert_string_equal(s->seen.texts[1], "tax.{symbol}.1m new_topic  ");
    assert_string_equal(s->seen.texts[2], "_unknown not_decoded  not_json");
    assert_string_equal(s->seen.example, "no JSON at all");
}

/* An example ends between characters, within its bound. */
static void test_example_is_cut(void **state)
{
    scene *s = *state;
    char frame[900];
    size_t size = (size_t)snprintf(frame, sizeof frame, "{\"topic\":\"fee.BTCUSD\",\"x\":\"");
    while (size + 5 < sizeof frame)
        size += (size_t)snprintf(frame + size, sizeof frame - size, "%s", "\xc3\xa4");
    (void)snprintf(frame + size, sizeof frame - size, "\"}");
    put(s, "_unknown", frame, LIVE_DRIFT_STRANGE, 1);
    assert_int_equal(s->seen.count, 1);
    size_t kept = strlen(s->seen.example);
    assert_true(kept >= LIMIT_LIVE_DRIFT_EXAMPLE_BYTES - 2 &&
                kept < LIMIT_LIVE_DRIFT_EXAMPLE_BYTES);
    assert_memory_equal(s->seen.example, frame, kept);
    assert_int_equal((uint8_t)s->seen.example[kept - 1], 0xa4);
}

/* count frames of new topics, each with a name of its own. */
static void put_new_topics(scene *s, unsigned count)
{
    char frame[128];
    for (unsigned i = 0; i < count; i++) {
        (void)snprintf(frame, sizeof frame, "{\"topic\":\"fee%u.BTCUSD\",\"data\":[]}", i);
        put(s, "_unknown", frame, LIVE_DRIFT_STRANGE, 60 * TD_NS_PER_S);
    }
}

static void test_findings_are_bounded(void **state)
{
    scene *s = *state;
    for (; s->feed_index <= LIMIT_LIVE_DRIFT_FINDINGS / LIMIT_LIVE_DRIFT_TOPIC_FINDINGS;
         s->feed_index++)
        put_new_topics(s, LIMIT_LIVE_DRIFT_TOPIC_FINDINGS);
    assert_int_equal(s->seen.count, LIMIT_LIVE_DRIFT_FINDINGS);
    assert_int_equal(live_drift_get_stats(s->drift).findings, LIMIT_LIVE_DRIFT_FINDINGS);
    assert_int_equal(live_drift_get_stats(s->drift).left_out, LIMIT_LIVE_DRIFT_TOPIC_FINDINGS);
}

/* However much one topic has, what changes in another is reported; so is the same in another feed.
 */
static void test_a_flood_of_one_topic(void **state)
{
    scene *s = *state;
    char frame[512];
    put(s, "trade.BTCUSD", TRADE("1", ",\"fee\":\"0.1\""), LIVE_DRIFT_STRANGE, TD_NS_PER_S);
    for (unsigned i = 0; i < 2 * LIMIT_LIVE_DRIFT_FINDINGS; i++) {
        (void)snprintf(frame, sizeof frame, "%s%u\":1}]}", TRADE_SIZED("1") ",\"z", i);
        put(s, "trade.BTCUSD", frame, LIVE_DRIFT_STRANGE, 60 * TD_NS_PER_S);
    }
    put_new_topics(s, 2 * LIMIT_LIVE_DRIFT_FINDINGS);
    const size_t topics = 2; /* trade, and all that have no row */
    assert_int_equal(s->seen.count, topics * LIMIT_LIVE_DRIFT_TOPIC_FINDINGS);
    assert_int_equal(live_drift_get_stats(s->drift).left_out,
                     1 + topics *
                             (2 * LIMIT_LIVE_DRIFT_FINDINGS - LIMIT_LIVE_DRIFT_TOPIC_FINDINGS));
    /* What was reported stays known. */
    put(s, "trade.BTCUSD", TRADE("1", ",\"fee\":\"0.1\""), LIVE_DRIFT_STRANGE, 60 * TD_NS_PER_S);
    s->seen.count = 0;
    put(s, "insurance.BTC",
        "{\"topic\":\"insurance.BTC\",\"data\":[{\"wallet_balance\":1}],\"tax\":1}",
        LIVE_DRIFT_STRANGE, 60 * TD_NS_PER_S);
    assert_int_equal(s->seen.count, 1);
    assert_string_equal(s->seen.texts[0], "insurance new_field tax ");
    s->feed_index++;
    put(s, "trade.BTCUSD", TRADE("1", ",\"fee\":\"0.1\""), LIVE_DRIFT_STRANGE, 60 * TD_NS_PER_S);
    assert_int_equal(s->seen.count, 2);
    assert_string_equal(s->seen.texts[1], "trade new_field data.fee ");
}

/* A frame with more than is reported of its topic is counted, once. */
static void test_many_in_a_frame(void **state)
{
    scene *s = *state;
    char frame[900];
    size_t size = (size_t)snprintf(
        frame, sizeof frame, "{\"topic\":\"insurance.BTC\",\"data\":[{\"wallet_balance\":1}]");
    for (unsigned i = 0; i < LIMIT_DRIFT_NOTES + 5; i++)
        size += (size_t)snprintf(frame + size, sizeof frame - size, ",\"z%u\":1", i);
    (void)snprintf(frame + size, sizeof frame - size, "}");
    put(s, "insurance.BTC", frame, LIVE_DRIFT_STRANGE, 60 * TD_NS_PER_S);
    assert_int_equal(s->seen.count, LIMIT_LIVE_DRIFT_TOPIC_FINDINGS);
    assert_int_equal(live_drift_get_stats(s->drift).findings, LIMIT_LIVE_DRIFT_TOPIC_FINDINGS);
    assert_int_equal(live_drift_get_stats(s->drift).left_out, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_million_frames_are_one_finding, open_scene,
                                        close_scene),
        cmocka_unit_test_setup_teardown(test_more_changes, open_scene, close_scene),
        cmocka_unit_test_setup_teardown(test_samples, open_scene, close_scene),
        cmocka_unit_test_setup_teardown(test_topics_without_row, open_scene, close_scene),
        cmocka_unit_test_setup_teardown(test_example_is_cut, open_scene, close_scene),
        cmocka_unit_test_setup_teardown(test_findings_are_bounded, open_scene, close_scene),
        cmocka_unit_test_setup_teardown(test_a_flood_of_one_topic, open_scene, close_scene),
        cmocka_unit_test_setup_teardown(test_many_in_a_frame, open_scene, close_scene),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
