/* The live check on simulated feeds: nothing is found where nothing is missing; a frame of trades
 * that is taken out becomes an aggregate gap between two readings, a book's update that is lost a
 * sequence gap that ends when the other book agrees again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <sched.h>

#include "base/clock.h"
#include "recorder/watch.h"
#include "tests/testing/sim_feed.h"

enum { FINDINGS_KEPT = 64 };

typedef struct findings_seen {
    watch_finding items[FINDINGS_KEPT];
    size_t count;
} findings_seen;

static void on_found(void *user, const watch_finding *finding)
{
    findings_seen *seen = user;
    if (seen->count < FINDINGS_KEPT)
        seen->items[seen->count++] = *finding;
}

static void put(watch *w, const tape_frame *frame, uint32_t conn)
{
    const channel_info *info = &frame->channel->info;
    if (strcmp(info->topic, CHANNEL_TOPIC_CONTROL) == 0)
        watch_put_control(w, 0, info->dir == CHANNEL_OUT ? WATCH_REQUEST : WATCH_ANSWER, info, conn,
                          frame->recv_ns, frame->bytes);
    else
        watch_put(w, 0, frame->channel->index, info, conn, frame->recv_ns, frame->bytes);
}

/* Watch a recorded tape but for one frame, and from the second one named on as if it came over a
 * new connection. Any receive time that its findings name is one of the tape's. */
static void watch_broken(const capture_tape *from, const char *family_name, size_t lost,
                         size_t again, findings_seen *seen)
{
    static recorder_config config;
    config = (recorder_config){.feed_count = 1};
    config.feeds[0].family = family_find(td_bytes_str(family_name));
    const watch_options options = {
        .config = &config, .ring_bytes = 64 << 20, .found = on_found, .user = seen};
    watch *w = NULL;
    *seen = (findings_seen){0};
    assert_int_equal(watch_open(&options, &w, NULL), TD_OK);
    for (size_t i = 0; i < from->frame_count; i++) {
        if (i != lost)
            put(w, &from->frames[i], from->frames[i].conn + (i >= again));
    }
    while (!watch_is_idle(w))
        sched_yield();
    watch_stats stats;
    watch_get_stats(w, &stats);
    assert_int_equal(stats.skipped, 0);
    assert_int_equal(stats.undecoded, 0);
    watch_close(w);
}

static void watch_without(const capture_tape *from, const char *family_name, size_t lost,
                          findings_seen *seen)
{
    watch_broken(from, family_name, lost, SIZE_MAX, seen);
}

/* The n-th frame of a topic. */
static size_t nth_of(const capture_tape *from, const char *topic, size_t n)
{
    for (size_t i = 0; i < from->frame_count; i++) {
        if (strcmp(from->frames[i].channel->info.topic, topic) == 0 && n-- == 0)
            return i;
    }
    fail_msg("too few frames of %s", topic);
    return 0;
}

static void test_lost_trades(void **state)
{
    (void)state;
    static const char *const TOPICS[] = {"publicTrade", "kline.1", NULL};
    capture_tape recorded;
    findings_seen seen;
    sim_feed_record(&(sim_feed_options){.family = "v5-linear",
                                        .topics = TOPICS,
                                        .symbol_count = 2,
                                        .seed = 9,
                                        .step_ns = 200 * TD_NS_PER_MS},
                    1500, &recorded);
    watch_without(&recorded, "v5-linear", SIZE_MAX, &seen);
    assert_int_equal(seen.count, 0);
    size_t lost = nth_of(&recorded, "publicTrade", 500);
    watch_without(&recorded, "v5-linear", lost, &seen);
    assert_int_equal(seen.count, 1);
    const watch_finding *found = &seen.items[0];
    const tape_frame *frame = &recorded.frames[lost];
    assert_int_equal(found->reason, GAP_AGGREGATE);
    assert_int_equal(found->rule, RULE_TRADES_COMPLETE);
    assert_string_equal(found->channel->topic, "publicTrade");
    assert_string_equal(found->channel->symbol, frame->channel->info.symbol);
    assert_int_equal(found->conn, 1);
    assert_true(found->from_ns < frame->recv_ns);
    assert_true(found->to_ns > frame->recv_ns);
    assert_true(found->to_ns - found->from_ns < 60 * TD_NS_PER_S);
    capture_tape_fini(&recorded);
}

/* Which lost updates show is measured in tests/replay/test_audit_sim.c; one of these does. */
static void test_lost_update(void **state)
{
    (void)state;
    static const char *const TOPICS[] = {"orderBookL2_25", "orderBook_200.100ms", NULL};
    capture_tape recorded;
    findings_seen seen;
    sim_feed_record(&(sim_feed_options){.family = "inverse",
                                        .topics = TOPICS,
                                        .symbol_count = 1,
                                        .seed = 3,
                                        .step_ns = 20 * TD_NS_PER_MS},
                    1500, &recorded);
    watch_without(&recorded, "inverse", SIZE_MAX, &seen);
    assert_int_equal(seen.count, 0);
    int was_found = 0;
    for (size_t n = 100; n < 160 && !was_found; n++) {
        watch_without(&recorded, "inverse", nth_of(&recorded, "orderBookL2_25", n), &seen);
        was_found = seen.count == 4 && seen.items[0].rule == RULE_BOOKS_AGREE;
    }
    assert_true(was_found);
    /* nobody knows which of the two is wrong: two rows of the ledger, each opened, and closed */
    assert_string_not_equal(seen.items[0].channel->topic, seen.items[1].channel->topic);
    for (size_t i = 0; i < 2; i++) {
        const watch_finding *opened = &seen.items[i];
        const watch_finding *closed = &seen.items[i + 2];
        assert_int_equal(opened->reason, GAP_SEQUENCE);
        assert_int_equal(opened->to_ns, GAP_OPEN);
        assert_int_equal(closed->rule, RULE_BOOKS_AGREE);
        assert_int_equal(closed->from_ns, opened->from_ns);
        assert_int_equal(closed->conn, opened->conn);
        assert_ptr_equal(closed->channel, opened->channel);
        assert_true(closed->to_ns > opened->from_ns);
    }
    capture_tape_fini(&recorded);
}

/* The snapshot that mends a book may come over the next connection: it ends the row that was
 * opened, whose key has the connection on which the book broke. */
static void test_mended_by_the_next_connection(void **state)
{
    (void)state;
    static const char *const TOPICS[] = {"orderbook.50", "orderbook.1", NULL};
    capture_tape recorded;
    findings_seen seen;
    sim_feed_record(&(sim_feed_options){.family = "v5-linear",
                                        .topics = TOPICS,
                                        .symbol_count = 1,
                                        .seed = 3,
                                        .step_ns = 20 * TD_NS_PER_MS},
                    300, &recorded);
    size_t snapshot = nth_of(&recorded, "orderbook.50", 0);
    size_t lost = nth_of(&recorded, "orderbook.50", 50);
    size_t again = nth_of(&recorded, "orderbook.50", 80);
    recorded.frames[again].bytes = recorded.frames[snapshot].bytes;
    watch_broken(&recorded, "v5-linear", lost, again, &seen);
    assert_true(seen.count >= 2); /* what follows does not fit the old snapshot */
    assert_int_equal(seen.items[0].rule, RULE_SEQ_DENSE);
    assert_int_equal(seen.items[0].to_ns, GAP_OPEN);
    assert_int_equal(seen.items[1].to_ns, recorded.frames[again].recv_ns);
    assert_int_equal(seen.items[1].from_ns, seen.items[0].from_ns);
    assert_ptr_equal(seen.items[1].channel, seen.items[0].channel);
    assert_int_equal(seen.items[1].conn, seen.items[0].conn);
    assert_int_equal(recorded.frames[again].conn, seen.items[0].conn);
    capture_tape_fini(&recorded);
}

/* Frames of one topic by turns as text and as binary ones, on a channel each: one book. */
static void test_text_and_binary_frames_of_a_topic(void **state)
{
    (void)state;
    static const char *const TOPICS[] = {"orderbook.50", NULL};
    capture_tape recorded;
    findings_seen seen;
    sim_feed_record(&(sim_feed_options){.family = "v5-linear",
                                        .topics = TOPICS,
                                        .symbol_count = 1,
                                        .seed = 3,
                                        .step_ns = 20 * TD_NS_PER_MS},
                    200, &recorded);
    tape_channel binary = *recorded.frames[nth_of(&recorded, "orderbook.50", 0)].channel;
    binary.info.opcode = OPCODE_BINARY;
    binary.index += 100;
    for (size_t n = 1; n < 100; n += 2)
        recorded.frames[nth_of(&recorded, "orderbook.50", n)].channel = &binary;
    watch_without(&recorded, "v5-linear", SIZE_MAX, &seen);
    assert_int_equal(seen.count, 0);
    watch_without(&recorded, "v5-linear", nth_of(&recorded, "orderbook.50", 51), &seen);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.items[0].rule, RULE_SEQ_DENSE);
    capture_tape_fini(&recorded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lost_trades),
        cmocka_unit_test(test_lost_update),
        cmocka_unit_test(test_mended_by_the_next_connection),
        cmocka_unit_test(test_text_and_binary_frames_of_a_topic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
