/* Audits, as replay runs them. What is expected of the recorded v5 capture is what
 * tests/replay/audit_expected.py prints, which shares no code with the program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "replay/player.h"
#include "tests/testing/capture_tape.h"
#include "tests/testing/played.h"

#define V5      "v5-2026-08-09.jsonl.gz"
#define V5_2025 "v5-linear-2025-06-13.jsonl.gz"

/* As audit_expected.py has them. */
enum {
    READINGS = 22,
    TRADE_FRAMES = 20,
    TRADE_FRAMES_FOUND = 19,
    BOOK_DELTAS = 617,
    BOOK_DELTAS_FOUND = 613,
    /* Readings of four symbols before their first trade came: nothing to compare with. */
    READINGS_BEFORE_TRADES = 3,
};

/* Play a tape without one of its frames. */
static player *played_without(capture_tape *from, size_t lost, unsigned threads)
{
    capture_tape_rewind(from);
    player *p = played_open(threads);
    for (size_t i = 0; i < from->frame_count; i++) {
        if (i != lost)
            assert_int_equal(player_take(p, &from->frames[i], NULL), TD_OK);
    }
    assert_int_equal(player_finish(p, NULL), TD_OK);
    return p;
}

static uint64_t violations_of(const player *p, rule_id rule)
{
    const stream_table *streams = player_streams(p);
    uint64_t count = 0;
    for (size_t i = 0; i < streams->count; i++)
        count += streams->items[i]->verdicts.violations[rule];
    return count;
}

static uint64_t warnings_of(const player *p)
{
    const stream_table *streams = player_streams(p);
    uint64_t count = 0;
    for (size_t i = 0; i < streams->count; i++)
        for (size_t rule = 0; rule < RULE_COUNT; rule++)
            count += streams->items[i]->verdicts.warnings[rule];
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
    assert_int_equal(stats.trades.compared, READINGS - READINGS_BEFORE_TRADES);
    assert_int_equal(stats.trades.differed, 0);
    assert_true(stats.best.compared > 200);
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

static int is_of(const tape_frame *frame, const char *topic)
{
    return frame->channel->info.dir == CHANNEL_IN &&
           strncmp(frame->channel->info.topic, topic, strlen(topic)) == 0;
}

/* Each trade frame in turn. Those that a later reading has are found. */
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
        assert_int_equal(s->gap_count, missing);
        for (size_t k = 0; k < s->gap_count; k++) {
            assert_true(s->gaps[k].from_ns < s->gaps[k].to_ns);
            assert_true(s->gaps[k].expected > 0);
        }
        if (missing == 0)
            printf("  not found: frame of %s at %llu\n", s->symbol,
                   (unsigned long long)recorded.frames[i].recv_ns);
        player_close(p);
    }
    printf("  trade frames taken out one by one: %u, found: %u\n", dropped, found);
    assert_int_equal(dropped, TRADE_FRAMES);
    assert_int_equal(found, TRADE_FRAMES_FOUND);
    capture_tape_fini(&recorded);
}

/* Each delta of each book in turn: all but the last of a book are found, by u. */
static void test_lost_book_deltas(void **state)
{
    (void)state;
    capture_tape recorded;
    capture_tape_load(&recorded, V5, "v5-linear");
    unsigned dropped = 0;
    unsigned found = 0;
    for (size_t i = 0; i < recorded.frame_count; i++) {
        if (!is_of(&recorded.frames[i], "orderbook.200") ||
            memmem(recorded.frames[i].bytes.data, recorded.frames[i].bytes.size, "\"delta\"", 7) ==
                NULL)
            continue;
        player *p = played_without(&recorded, i, 1);
        dropped++;
        found += violations_of(p, RULE_SEQ_DENSE) > 0;
        player_close(p);
    }
    printf("  book deltas taken out one by one: %u, found: %u\n", dropped, found);
    assert_int_equal(dropped, BOOK_DELTAS);
    assert_int_equal(found, BOOK_DELTAS_FOUND);
    capture_tape_fini(&recorded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_false_alarm),
        cmocka_unit_test(test_lost_trades),
        cmocka_unit_test(test_lost_book_deltas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
