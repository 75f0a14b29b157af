/* Audits, as run by replay. Expected for the recorded v5 capture: the output of
 * tests/replay/play/audit_expected.py, which shares no code with the program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "replay/play/player.h"
#include "tests/testing/capture.h"
#include "tests/testing/capture_tape.h"
#include "tests/testing/filled.h"
#include "tests/testing/played.h"

#define V5      "v5-2026-08-09.jsonl.gz"
#define V5_2025 "v5-linear-2025-06-13.jsonl.gz"

/* From audit_expected.py. */
enum {
    READINGS = 22,
    TRADE_FRAMES = 20,
    TRADE_FRAMES_FOUND = 19,
    BOOK_DELTAS = 617,
    BOOKS = 4,
    /* Readings of four symbols before their first trade: nothing to compare with. */
    READINGS_BEFORE_TRADES = 3,
};

/* Plays a tape without one of its frames. */
static player *played_without(capture_tape *from, size_t lost, unsigned threads)
{
    capture_tape_rewind(from);
    player *p = played_open(threads);
    for (size_t i = 0; i < from->frame_count; i++) {
        if (i != lost)
            assert_int_equal(played_on_frame(p, &from->frames[i], NULL), TD_OK);
    }
    assert_int_equal(player_finish(p, NULL), TD_OK);
    return p;
}

static uint64_t violations_of(const player *p, rule_id rule)
{
    const stream_table *streams = player_streams(p);
    uint64_t count = 0;
    for (size_t i = 0; i < streams->count; i++)
        count += streams->items[i]->rules[STRENGTH_ERROR][rule];
    return count;
}

static uint64_t warnings_of(const player *p)
{
    const stream_table *streams = player_streams(p);
    uint64_t count = 0;
    for (size_t i = 0; i < streams->count; i++)
        for (size_t rule = 0; rule < RULE_COUNT; rule++)
            count += streams->items[i]->rules[STRENGTH_WARNING][rule];
    return count;
}

static uint64_t violations(const player *p)
{
    player_totals totals;
    player_get_totals(p, &totals);
    return totals.violations;
}

/* Recorded exchange data breaks no rule, and audits had something to compare. */
static void test_no_false_alarm(void **state)
{
    (void)state;
    capture_tape recorded;
    capture_tape_load(&recorded, V5, "v5-linear");
    player *p = played(&recorded, 1);
    audit_stats stats;
    player_get_audits(p, &stats);
    assert_int_equal(violations(p), 0);
    assert_int_equal(warnings_of(p), 0);
    if (capture_is_recorded())
        assert_int_equal(stats.trades.compared, READINGS - READINGS_BEFORE_TRADES);
    assert_true(stats.trades.compared > 0);
    assert_int_equal(stats.trades.differed, 0);
    assert_true(stats.best.compared > 100);
    if (capture_is_recorded()) /* simulated tickers have other times than their books */
        assert_int_equal(stats.best.differed, 0);
    player_close(p);
    capture_tape_fini(&recorded);

    capture_tape_load(&recorded, V5_2025, "v5-linear");
    p = played(&recorded, 1);
    assert_int_equal(violations(p), 0);
    assert_int_equal(warnings_of(p), 0);
    player_close(p);
    capture_tape_fini(&recorded);
}

static int is_of(const frame_ref *frame, const char *topic)
{
    return frame->channel->info.dir == CHANNEL_IN &&
           strncmp(frame->channel->info.topic, topic, strlen(topic)) == 0;
}

/* Each trade frame in turn. A loss is found if a later candle reading includes it. */
static void test_lost_trades(void **state)
{
    (void)state;
    capture_tape recorded;
    capture_tape_load(&recorded, V5, "v5-linear");
    unsigned dropped = 0;
    unsigned found = 0;
    for (size_t i = 0; i < recorded.frame_count; i++) {
        if (!is_of(&recorded.frames[i], "publicTrade"))
            continue;
        player *p = played_without(&recorded, i, 1);
        uint64_t missing = violations_of(p, RULE_TRADES_COMPLETE);
        dropped++;
        found += missing > 0;
        assert_int_equal(violations(p), missing);
        const stream *s = played_stream(p, "publicTrade", recorded.frames[i].channel->info.symbol);
        assert_int_equal(s->gaps.count, missing);
        for (size_t k = 0; k < s->gaps.count; k++) {
            assert_true(s->gaps.rows[k].from_ns < s->gaps.rows[k].to_ns);
            assert_true(s->gaps.rows[k].detail[0] != 0);
        }
        if (missing == 0)
            print_message("  not found: frame of %s at %llu\n", s->symbol,
                          (unsigned long long)recorded.frames[i].recv_ns);
        player_close(p);
    }
    print_message("  trade frames taken out one by one: %u, found: %u\n", dropped, found);
    if (capture_is_recorded()) {
        assert_int_equal(dropped, TRADE_FRAMES);
        assert_int_equal(found, TRADE_FRAMES_FOUND);
    }
    assert_true(found > dropped / 2); /* the others are in no candle reading */
    capture_tape_fini(&recorded);
}

static int is_last_of_channel(const capture_tape *in, size_t at)
{
    for (size_t i = at + 1; i < in->frame_count; i++)
        if (in->frames[i].channel == in->frames[at].channel)
            return 0;
    return 1;
}

/* Deltas of each book in turn: every loss but that of a book's last delta is found, by u. */
static void test_lost_book_deltas(void **state)
{
    (void)state;
    capture_tape recorded;
    capture_tape_load(&recorded, V5, "v5-linear");
    unsigned deltas = 0;
    unsigned dropped = 0;
    unsigned found = 0;
    for (size_t i = 0; i < recorded.frame_count; i++) {
        if (!is_of(&recorded.frames[i], "orderbook.200") ||
            memmem(recorded.frames[i].bytes.data, recorded.frames[i].bytes.size, "\"delta\"", 7) ==
                NULL)
            continue;
        if (deltas++ % 4 != 0 && !is_last_of_channel(&recorded, i))
            continue;
        player *p = played_without(&recorded, i, 1);
        dropped++;
        found += violations_of(p, RULE_SEQ_DENSE) > 0;
        player_close(p);
    }
    print_message("  book deltas taken out one by one: %u, found: %u\n", dropped, found);
    if (capture_is_recorded())
        assert_int_equal(deltas, BOOK_DELTAS);
    assert_int_equal(found, dropped - BOOKS);
    capture_tape_fini(&recorded);
}

/* Neither the audits' results nor the digests depend on the number of threads. */
static void test_threads(void **state)
{
    (void)state;
    capture_tape recorded;
    capture_tape_load(&recorded, V5, "v5-linear");
    size_t lost = 0;
    for (size_t i = 0; i < recorded.frame_count / 2; i++)
        if (is_of(&recorded.frames[i], "publicTrade"))
            lost = i;
    audit_stats stats[2];
    digest_texts digests[2];
    for (size_t i = 0; i < 2; i++) {
        player *p = played_without(&recorded, lost, i == 0 ? 1 : 4);
        assert_int_equal(violations_of(p, RULE_TRADES_COMPLETE), 1);
        player_get_audits(p, &stats[i]);
        played_digests(p, digests[i]);
        player_close(p);
    }
    assert_memory_equal(&stats[0], &stats[1], sizeof stats[0]);
    assert_memory_equal(digests[0], digests[1], sizeof digests[0]);
    capture_tape_fini(&recorded);
}

/* Level 1 of v5 has no deltas since 2025-03-28: a stream across that day changes its rules at
 * midnight and keeps its book. Frames are written by hand from docs/wire.md 3.3. */
static void test_dated_rows(void **state)
{
    (void)state;
    static const char *const FRAMES[] = {
        "{\"topic\":\"orderbook.1.X\",\"type\":\"snapshot\",\"ts\":1743119990000,\"data\":{\"s\":"
        "\"X\","
        "\"b\":[[\"10\",\"1\"]],\"a\":[[\"11\",\"1\"]],\"u\":5,\"seq\":50},\"cts\":1743119989999}",
        "{\"topic\":\"orderbook.1.X\",\"type\":\"delta\",\"ts\":1743119995000,\"data\":{\"s\":"
        "\"X\","
        "\"b\":[[\"10\",\"2\"]],\"a\":[],\"u\":6,\"seq\":51},\"cts\":1743119994999}",
        /* sent again with the same u: breaks the dense u of the old rules, allowed by the new */
        "{\"topic\":\"orderbook.1.X\",\"type\":\"snapshot\",\"ts\":1743120001000,\"data\":{\"s\":"
        "\"X\","
        "\"b\":[[\"10\",\"2\"]],\"a\":[[\"11\",\"1\"]],\"u\":6,\"seq\":52},\"cts\":1743120000999}",
        "{\"topic\":\"orderbook.1.X\",\"type\":\"snapshot\",\"ts\":1743120002000,\"data\":{\"s\":"
        "\"X\","
        "\"b\":[[\"10\",\"3\"]],\"a\":[[\"11\",\"1\"]],\"u\":8,\"seq\":53},\"cts\":1743120001999}",
    };
    static const uint64_t RECV_MS[] = {1743119990100, 1743119995100, 1743120001100, 1743120002100};
    const family *of = family_find(td_bytes_str("v5-linear"));
    frame_channel channel = {.family = of,
                             .info = {.feed = "v5",
                                      .family = "v5-linear",
                                      .dir = CHANNEL_IN,
                                      .topic = "orderbook.1",
                                      .exchange_topic = "orderbook.1.X",
                                      .symbol = "X",
                                      .opcode = OPCODE_TEXT}};
    assert_true(topic_match_text(of->topics, of->topic_count, td_bytes_str("orderbook.1.X"),
                                 TOPIC_ANY_TIME, &channel.topic));
    player *p = played_open(1);
    for (size_t i = 0; i < 4; i++) {
        static uint8_t bytes[4][512];
        size_t size = strlen(FRAMES[i]);
        memcpy(bytes[i], FRAMES[i], size);
        frame_ref frame = {.channel = &channel,
                           .recv_ns = RECV_MS[i] * 1000000,
                           .ordinal = i + 1,
                           .conn = frame_conn_of(1, 1),
                           .bytes = td_bytes_of(bytes[i], size)};
        assert_int_equal(played_on_frame(p, &frame, NULL), TD_OK);
    }
    assert_int_equal(player_finish(p, NULL), TD_OK);
    const stream *s = played_stream(p, "orderbook.1", "X");
    assert_int_equal(s->counts.decoded, 4);
    assert_int_equal(s->rules[STRENGTH_STATISTIC][RULE_SNAPSHOT_REPEAT], 1);
    assert_int_equal(s->rules[STRENGTH_ERROR][RULE_SEQ_DENSE], 0);
    assert_int_equal(s->rules[STRENGTH_ERROR][RULE_SEQ_STEP], 1); /* u 7 is missing */
    assert_int_equal(violations(p), 1);
    player_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_false_alarm),   cmocka_unit_test(test_lost_trades),
        cmocka_unit_test(test_lost_book_deltas), cmocka_unit_test(test_threads),
        cmocka_unit_test(test_dated_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
