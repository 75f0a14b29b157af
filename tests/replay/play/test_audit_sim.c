/* How many losses audits find on the simulated exchange, whose books, trades and candles come from
 * one matching engine. The test removes the frames, so the losses are known. docs/completeness.md
 * has the same numbers: if the simulated market changes, update both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/clock.h"
#include "replay/play/player.h"
#include "tests/testing/long_test.h"
#include "tests/testing/played.h"
#include "tests/testing/sim_feed.h"

static player *played_without(capture_tape *from, size_t lost)
{
    capture_tape_rewind(from);
    player *p = played_open(1);
    for (size_t i = 0; i < from->frame_count; i++) {
        if (i != lost)
            assert_int_equal(played_on_frame(p, &from->frames[i], NULL), TD_OK);
    }
    assert_int_equal(player_finish(p, NULL), TD_OK);
    return p;
}

static uint64_t count_of(const player *p, rule_id rule)
{
    const stream_table *streams = player_streams(p);
    uint64_t count = 0;
    for (size_t i = 0; i < streams->count; i++) {
        const stream *of = streams->items[i];
        for (size_t k = 0; k <= STRENGTH_STATISTIC; k++)
            count += of->rules[k][rule];
    }
    return count;
}

static int is_of(const frame_ref *frame, const char *topic)
{
    return frame->channel->info.dir == CHANNEL_IN && strcmp(frame->channel->info.topic, topic) == 0;
}

static int has_text(td_bytes bytes, const char *text)
{
    return memmem(bytes.data, bytes.size, text, strlen(text)) != NULL;
}

/* 1 for a delta with updates only, whose loss no rule of a single topic is sure to detect. */
static int is_update_only(const frame_ref *frame)
{
    return has_text(frame->bytes, "\"delta\"") && has_text(frame->bytes, "\"delete\":[]") &&
           has_text(frame->bytes, "\"insert\":[]");
}

typedef struct update_loss {
    const char *family;
    unsigned trials, by_audit, by_any;
} update_loss;

/* A book of 25 levels together with one of 200: the lost update is of a level in both. Tries every
 * third frame of the tape, or every twelfth. */
static void test_lost_updates(void **state)
{
    (void)state;
    static const update_loss ALL[] = {{"inverse", 267, 168, 168}, {"linear", 266, 173, 173}};
    static const update_loss SOME[] = {{"inverse", 65, 36, 36}, {"linear", 66, 44, 44}};
    const update_loss *losses = long_tests_are_on() ? ALL : SOME;
    const size_t step = long_tests_are_on() ? 3 : 12;
    static const char *const TOPICS[] = {"orderBookL2_25", "orderBook_200.100ms", NULL};
    for (size_t f = 0; f < 2; f++) {
        capture_tape recorded;
        sim_feed_record(&(sim_feed_options){.family = losses[f].family,
                                            .topics = TOPICS,
                                            .symbol_count = 1,
                                            .seed = 3,
                                            .step_ns = 20 * TD_NS_PER_MS},
                        1500, &recorded);
        unsigned trials = 0;
        unsigned by_audit = 0;
        unsigned by_any = 0;
        /* The last frames are not tried: no later frame could reveal their loss. */
        for (size_t i = 0; i < recorded.frame_count - 300; i += step) {
            if (!is_of(&recorded.frames[i], "orderBookL2_25") ||
                !is_update_only(&recorded.frames[i]))
                continue;
            player *p = played_without(&recorded, i);
            player_totals totals;
            player_get_totals(p, &totals);
            trials++;
            by_audit += count_of(p, RULE_BOOKS_AGREE) > 0;
            by_any += totals.violations > 0;
            player_close(p);
        }
        print_message("  %s: %u deltas of updates only taken out one by one: %u found by the other "
                      "book, %u by any rule\n",
                      losses[f].family, trials, by_audit, by_any);
        assert_int_equal(trials, losses[f].trials);
        assert_int_equal(by_audit, losses[f].by_audit);
        assert_int_equal(by_any, losses[f].by_any);
        capture_tape_fini(&recorded);
    }
}

/* Totals of all families. */
enum { TRADE_FRAMES = 5403, SHORT_STEP = 6, SHORT_FRAMES = 901 };

typedef struct trade_loss {
    const char *family;
    const char *topics[3]; /* trades first, candles second */
} trade_loss;

static const trade_loss TRADE_LOSSES[] = {
    {"inverse", {"trade", "klineV2.1"}},        {"linear", {"trade", "candle.1"}},
    {"copytrade", {"trade", "klineV2.1"}},      {"usdc-perp", {"trade", "candle.1"}},
    {"spot-v1", {"trade", "kline.1m"}},         {"spot-v2", {"trade", "kline.1m"}},
    {"spot-v3", {"trade", "kline.1m"}},         {"contract-v3", {"publicTrade", "kline.1"}},
    {"unified-v3", {"publicTrade", "kline.1"}}, {"v5-linear", {"publicTrade", "kline.1"}},
    {"v5-inverse", {"publicTrade", "kline.1"}}, {"v5-spot", {"publicTrade", "kline.1"}},
};

/* Each frame of trades before the last candle reading but one, in the first candle that began after
 * the subscription, or later. If each trade has its own frame, the frame may follow some steps
 * after its trade. Only some of them without long tests. */
static void test_lost_trades(void **state)
{
    (void)state;
    const unsigned step = long_tests_are_on() ? 1 : SHORT_STEP;
    unsigned seen = 0;
    unsigned total = 0;
    for (size_t f = 0; f < sizeof TRADE_LOSSES / sizeof *TRADE_LOSSES; f++) {
        const trade_loss *c = &TRADE_LOSSES[f];
        capture_tape recorded;
        sim_feed_record(&(sim_feed_options){.family = c->family,
                                            .topics = c->topics,
                                            .symbol_count = 1,
                                            .seed = 5,
                                            .step_ns = 200 * TD_NS_PER_MS},
                        900, &recorded);
        player *whole = played_without(&recorded, SIZE_MAX);
        assert_int_equal(played_differences(whole), 0);
        player_close(whole);
        unsigned trials = 0;
        unsigned found = 0;
        uint64_t minute = 60 * TD_NS_PER_S;
        uint64_t from_ns = (recorded.frames[0].publish_ns / minute + 1) * minute + 2 * TD_NS_PER_S;
        uint64_t to_ns = recorded.frames[recorded.frame_count - 1].recv_ns - minute;
        for (size_t i = 0; i < recorded.frame_count; i++) {
            const frame_ref *frame = &recorded.frames[i];
            if (!is_of(frame, c->topics[0]) || frame->publish_ns < from_ns ||
                frame->recv_ns > to_ns)
                continue;
            if (seen++ % step != 0)
                continue;
            player *p = played_without(&recorded, i);
            trials++;
            found += count_of(p, RULE_TRADES_COMPLETE) > 0;
            player_close(p);
        }
        assert_int_equal(found, trials);
        print_message("  %s: %u frames of trades taken out one by one, %u found\n", c->family,
                      trials, found);
        assert_true(trials > 50 / step);
        total += trials;
        capture_tape_fini(&recorded);
    }
    assert_int_equal(total, step == 1 ? TRADE_FRAMES : SHORT_FRAMES);
}

/* The list has exactly the families with trades and candles. */
static void test_all_families(void **state)
{
    (void)state;
    size_t count = 0;
    const family *const *families = family_table(&count);
    for (size_t i = 0; i < count; i++) {
        size_t found = 0;
        for (size_t k = 0; k < sizeof TRADE_LOSSES / sizeof *TRADE_LOSSES; k++)
            found += strcmp(TRADE_LOSSES[k].family, families[i]->name) == 0;
        if (found != (size_t)played_sums_trades(families[i]))
            fail_msg("%s: %zu times in the list", families[i]->name, found);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lost_updates),
        cmocka_unit_test(test_lost_trades),
        cmocka_unit_test(test_all_families),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
