/* The live check on simulated feeds: without loss nothing is found; a removed frame of trades
 * becomes an aggregate gap between two candles, and a lost update of a book becomes a sequence gap,
 * which ends when the other book agrees again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "recorder/pipeline/live_check.h"
#include "recorder/pipeline/live_findings.h"
#include "tests/testing/sim_feed.h"

enum { FINDINGS_KEPT = 64 };

/* A gap with copies of its texts. */
typedef struct seen_gap {
    gap_row row;
    char topic[LIMIT_TOPIC_BYTES];
    char symbol[LIMIT_SYMBOL_BYTES];
    char cause[64];
    char detail[160];
} seen_gap;

typedef struct findings_seen {
    seen_gap items[FINDINGS_KEPT];
    size_t count;
} findings_seen;

static const char *keep_text(char *to, size_t space, const char *from)
{
    size_t size = strlen(from) + 1;
    assert_true(size <= space);
    return memcpy(to, from, size);
}

static void keep_found(findings_seen *seen, const gap_row *gap)
{
    if (seen->count == FINDINGS_KEPT)
        return;
    seen_gap *kept = &seen->items[seen->count++];
    kept->row = *gap;
    kept->row.topic = keep_text(kept->topic, sizeof kept->topic, gap->topic);
    kept->row.symbol = keep_text(kept->symbol, sizeof kept->symbol, gap->symbol);
    kept->row.cause = keep_text(kept->cause, sizeof kept->cause, gap->cause);
    kept->row.detail = keep_text(kept->detail, sizeof kept->detail, gap->detail);
}

enum { CHANNELS_MAX = 1024, COPY_INDEX = 512 };

/* notes: for the channels of a segment, CHANNELS_MAX of them. */
static void put(live_check *w, const frame_ref *frame, uint32_t conn, uint32_t segment,
                channel_notes *notes, uint64_t lost_from_ns)
{
    assert_in_range(frame->channel->index, 0, CHANNELS_MAX - 1);
    const channel_info *info = &frame->channel->info;
    int is_control = strcmp(info->topic, CHANNEL_TOPIC_CONTROL) == 0;
    const feed_frame passed = {
        .conn = conn, .recv_ns = frame->recv_ns, .bytes = frame->bytes, .info = info};
    const feed_written written = {.segment = segment,
                                  .route = {.notes = &notes[frame->channel->index],
                                            .frame_class = is_control ? CLASS_ACK : CLASS_DATA},
                                  .granted_ns = frame->granted_ns,
                                  .lost_from_ns = lost_from_ns};
    live_check_put(w, 0, &passed, &written);
}

/* A variation of the live check's input. */
typedef struct live_check_case {
    size_t lost;           /* index of the frame that is left out */
    size_t after_loss;     /* frames before this one that the writer reports as lost */
    size_t again;          /* from this frame on, frames belong to a new connection */
    size_t segment_frames; /* number of frames per segment; 0: one segment */
    size_t memory_bytes;   /* 0: as in a recorder */
    uint8_t is_twice;      /* 1: every frame is also received over another connection of the feed */
    size_t closed; /* from this frame on, the first of the two connections is silent; 0: never */
} live_check_case;

/* Puts the same frame on the feed's other shard, with its own channels. */
static void put_copy(live_check *w, const frame_ref *frame, uint32_t conn, uint32_t segment,
                     channel_notes *notes)
{
    frame_channel channel = *frame->channel;
    frame_ref copy = *frame;
    copy.channel = &channel;
    copy.recv_ns++;
    channel.index += COPY_INDEX;
    channel.info.shard = 1;
    put(w, &copy, conn, segment, notes, 0);
}

/* Runs the live check on a tape. Each receive time in its findings must be one of the tape's. */
static live_check_stats live_check_case_run(const capture_tape *from, const char *family_name,
                                            const live_check_case *how, findings_seen *seen)
{
    static pipeline_config config;
    config = (pipeline_config){.feed_count = 1};
    config.feeds[0].family = family_find(td_bytes_str(family_name));
    const live_check_options options = {
        .config = &config, .ring_bytes = 64 << 20, .memory_bytes = how->memory_bytes};
    live_check *w = NULL;
    uint32_t segment = 1;
    channel_notes notes[CHANNELS_MAX] = {0};
    *seen = (findings_seen){0};
    assert_int_equal(live_check_open(&options, &w, NULL), TD_OK);
    for (size_t i = 0; i < from->frame_count; i++) {
        if (how->segment_frames > 0 && i > 0 && i % how->segment_frames == 0) {
            segment++;
            memset(notes, 0, sizeof notes); /* new channels, as a router gives */
        }
        uint32_t conn = from->frames[i].conn->number + (i >= how->again);
        int is_closed = how->closed > 0 && i >= how->closed;
        if (i != how->lost && !is_closed)
            put(w, &from->frames[i], conn, segment, notes,
                i > 0 && i == how->after_loss ? from->frames[i - 1].recv_ns : 0);
        if (i != how->lost && how->is_twice)
            put_copy(w, &from->frames[i], conn, segment, notes);
    }
    while (!live_check_is_idle(w))
        (void)poll(NULL, 0, 1);
    uint16_t feed_index;
    gap_row gap;
    while (live_check_next_finding(w, &feed_index, &gap)) {
        assert_int_equal(feed_index, 0);
        keep_found(seen, &gap);
    }
    live_check_stats stats;
    live_check_get_stats(w, &stats);
    assert_int_equal(stats.undecoded, 0);
    live_check_close(w);
    return stats;
}

static void live_check_broken(const capture_tape *from, const char *family_name, size_t lost,
                              size_t again, findings_seen *seen)
{
    const live_check_case how = {.lost = lost, .again = again};
    live_check_stats stats = live_check_case_run(from, family_name, &how, seen);
    assert_int_equal(stats.skipped, 0);
}

static void live_check_without(const capture_tape *from, const char *family_name, size_t lost,
                               findings_seen *seen)
{
    live_check_broken(from, family_name, lost, SIZE_MAX, seen);
}

/* The index of the n-th frame of a topic. */
static size_t nth_of(const capture_tape *from, const char *topic, size_t n)
{
    for (size_t i = 0; i < from->frame_count; i++) {
        if (strcmp(from->frames[i].channel->info.topic, topic) == 0 && n-- == 0)
            return i;
    }
    fail_msg("too few frames of %s", topic);
    return 0;
}

/* Records the first frames of a simulated feed, whose exchange time advances by step_ms per frame.
 */
static void record(const char *family_name, const char *const *topics, uint32_t symbol_count,
                   uint64_t seed, uint64_t step_ms, size_t frame_count, capture_tape *out)
{
    const sim_feed_options options = {.family = family_name,
                                      .topics = topics,
                                      .symbol_count = symbol_count,
                                      .seed = seed,
                                      .step_ns = step_ms * TD_NS_PER_MS};
    sim_feed_record(&options, frame_count, out);
}

static void test_lost_trades(void **state)
{
    (void)state;
    static const char *const TOPICS[] = {"publicTrade", "kline.1", NULL};
    capture_tape recorded;
    findings_seen seen;
    record("v5-linear", TOPICS, 2, 9, 200, 1500, &recorded);
    live_check_without(&recorded, "v5-linear", SIZE_MAX, &seen);
    assert_int_equal(seen.count, 0);
    size_t lost = nth_of(&recorded, "publicTrade", 500);
    live_check_without(&recorded, "v5-linear", lost, &seen);
    assert_int_equal(seen.count, 1);
    const gap_row *found = &seen.items[0].row;
    const frame_ref *frame = &recorded.frames[lost];
    assert_int_equal(found->reason, GAP_AGGREGATE);
    assert_string_equal(found->cause, rule_name(RULE_TRADES_COMPLETE));
    assert_string_equal(found->topic, "publicTrade");
    assert_string_equal(found->symbol, frame->channel->info.symbol);
    assert_int_equal(found->conn, 1);
    assert_true(found->from_ns < frame->recv_ns);
    assert_true(found->to_ns > frame->recv_ns);
    assert_true(found->to_ns - found->from_ns < 60 * TD_NS_PER_S);
    capture_tape_fini(&recorded);
}

/* Each frame has a whole book: the frame that reveals a loss also ends the gap. */
static void test_repaired_by_the_revealing_frame(void **state)
{
    (void)state;
    static const char *const TOPICS[] = {"orderbook.1", NULL};
    capture_tape recorded;
    findings_seen seen;
    record("v5-linear", TOPICS, 1, 9, 20, 400, &recorded);
    size_t shown = 0;
    for (size_t lost = 10; lost < 300; lost += 3) {
        live_check_without(&recorded, "v5-linear", lost, &seen);
        if (seen.count == 0)
            continue; /* the lost frame was a repetition */
        assert_int_equal(seen.count, 2);
        assert_string_equal(seen.items[0].row.cause, rule_name(RULE_SEQ_STEP));
        assert_int_equal(seen.items[0].row.from_ns, recorded.frames[lost - 1].recv_ns);
        assert_int_equal(seen.items[0].row.to_ns, 0);
        assert_int_equal(seen.items[1].row.from_ns, recorded.frames[lost - 1].recv_ns);
        assert_int_equal(seen.items[1].row.to_ns, recorded.frames[lost + 1].recv_ns);
        assert_int_equal(seen.items[0].row.frames_lost, 1);
        assert_int_equal(seen.items[1].row.frames_lost, 1);
        shown++;
    }
    assert_true(shown > 10);
    capture_tape_fini(&recorded);
}

/* Topics received over two connections are compared over one of them, and over the other if the
 * first is silent. */
static void test_two_connections(void **state)
{
    (void)state;
    static const char *const TOPICS[] = {"publicTrade", "kline.1", NULL};
    capture_tape recorded;
    findings_seen seen;
    record("v5-linear", TOPICS, 2, 9, 200, 1500, &recorded);
    live_check_case how = {.lost = SIZE_MAX, .again = SIZE_MAX, .is_twice = 1};
    (void)live_check_case_run(&recorded, "v5-linear", &how, &seen);
    assert_int_equal(seen.count, 0);
    how.lost = nth_of(&recorded, "publicTrade", 500);
    (void)live_check_case_run(&recorded, "v5-linear", &how, &seen);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.items[0].row.shard, 0);
    how.closed = nth_of(&recorded, "publicTrade", 300);
    (void)live_check_case_run(&recorded, "v5-linear", &how, &seen);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.items[0].row.reason, GAP_AGGREGATE);
    assert_int_equal(seen.items[0].row.shard, 1);
    capture_tape_fini(&recorded);
}

/* tests/replay/play/test_audit_sim.c measures which lost updates are detected; this one is. */
static void test_lost_update(void **state)
{
    (void)state;
    static const char *const TOPICS[] = {"orderBookL2_25", "orderBook_200.100ms", NULL};
    capture_tape recorded;
    findings_seen seen;
    record("inverse", TOPICS, 1, 3, 20, 1500, &recorded);
    live_check_without(&recorded, "inverse", SIZE_MAX, &seen);
    assert_int_equal(seen.count, 0);
    int was_found = 0;
    for (size_t n = 100; n < 160 && !was_found; n++) {
        live_check_without(&recorded, "inverse", nth_of(&recorded, "orderBookL2_25", n), &seen);
        was_found =
            seen.count == 4 && strcmp(seen.items[0].row.cause, rule_name(RULE_BOOKS_AGREE)) == 0;
    }
    assert_true(was_found);
    /* either book may be wrong: two gaps in the ledger, each opened and closed */
    assert_string_not_equal(seen.items[0].row.topic, seen.items[1].row.topic);
    for (size_t i = 0; i < 2; i++) {
        const gap_row *opened = &seen.items[i].row;
        const gap_row *closed = &seen.items[i + 2].row;
        assert_int_equal(opened->reason, GAP_SEQUENCE);
        assert_int_equal(opened->to_ns, GAP_OPEN);
        assert_string_equal(closed->cause, rule_name(RULE_BOOKS_AGREE));
        assert_int_equal(closed->from_ns, opened->from_ns);
        assert_int_equal(closed->conn, opened->conn);
        assert_string_equal(closed->topic, opened->topic);
        assert_string_equal(closed->symbol, opened->symbol);
        assert_true(closed->to_ns > opened->from_ns);
    }
    capture_tape_fini(&recorded);
}

/* After the loss of any frame of a connection, each of its books is in doubt until its snapshot,
 * although no frame of it breaks a rule. */
static void test_lost_frames_of_a_connection(void **state)
{
    (void)state;
    static const char *const TOPICS[] = {"level2", "market_trades", NULL};
    const sim_feed_options options = {.family = "coinbase-advanced",
                                      .topics = TOPICS,
                                      .symbol_count = 2,
                                      .seed = 9,
                                      .step_ns = 20 * TD_NS_PER_MS};
    capture_tape recorded;
    findings_seen seen;
    sim_feed_record(&options, 300, &recorded);
    live_check_case how = {.lost = SIZE_MAX, .again = SIZE_MAX};
    (void)live_check_case_run(&recorded, "coinbase-advanced", &how, &seen);
    assert_int_equal(seen.count, 0);
    how.after_loss = 100;
    live_check_stats stats = live_check_case_run(&recorded, "coinbase-advanced", &how, &seen);
    assert_int_equal(stats.violations, 0);
    assert_int_equal(stats.broken, 2);
    assert_int_equal(seen.count, 2);
    for (size_t i = 0; i < 2; i++) {
        const gap_row *found = &seen.items[i].row;
        assert_int_equal(found->reason, GAP_SEQUENCE);
        assert_string_equal(found->topic, "level2");
        assert_string_equal(found->cause, rule_name(RULE_CONN_DENSE));
        assert_int_equal(found->from_ns, recorded.frames[99].recv_ns);
        assert_int_equal(found->to_ns, GAP_OPEN);
        assert_int_equal(found->conn, 1);
    }
    assert_string_not_equal(seen.items[0].row.symbol, seen.items[1].row.symbol);
    capture_tape_fini(&recorded);
}

/* The snapshot that repairs a book may come over the next connection: it ends the open gap, whose
 * key has the connection on which the book broke. */
static void test_repaired_by_the_next_connection(void **state)
{
    (void)state;
    static const char *const TOPICS[] = {"orderbook.50", "orderbook.1", NULL};
    capture_tape recorded;
    findings_seen seen;
    record("v5-linear", TOPICS, 1, 3, 20, 300, &recorded);
    size_t snapshot = nth_of(&recorded, "orderbook.50", 0);
    size_t lost = nth_of(&recorded, "orderbook.50", 50);
    size_t lost_too = nth_of(&recorded, "orderbook.50", 60);
    recorded.frame_count--;
    memmove(&recorded.frames[lost_too], &recorded.frames[lost_too + 1],
            (recorded.frame_count - lost_too) * sizeof recorded.frames[0]);
    size_t again = nth_of(&recorded, "orderbook.50", 80);
    recorded.frames[again].bytes = recorded.frames[snapshot].bytes;
    live_check_broken(&recorded, "v5-linear", lost, again, &seen);
    assert_true(seen.count >= 2); /* later frames do not fit the old snapshot */
    assert_string_equal(seen.items[0].row.cause, rule_name(RULE_SEQ_DENSE));
    assert_int_equal(strncmp(seen.items[0].row.detail, "seq_dense: expected ", 20), 0);
    assert_int_equal(seen.items[0].row.to_ns, GAP_OPEN);
    assert_int_equal(seen.items[1].row.to_ns, recorded.frames[again].recv_ns);
    assert_int_equal(seen.items[1].row.from_ns, seen.items[0].row.from_ns);
    assert_string_equal(seen.items[1].row.topic, seen.items[0].row.topic);
    assert_string_equal(seen.items[1].row.symbol, seen.items[0].row.symbol);
    assert_int_equal(seen.items[1].row.conn, seen.items[0].row.conn);
    assert_int_equal(seen.items[0].row.frames_lost, 1);
    assert_int_equal(seen.items[1].row.frames_lost, 2); /* all frames until the snapshot */
    assert_int_equal(recorded.frames[again].conn->number, seen.items[0].row.conn);
    capture_tape_fini(&recorded);
}

/* Frames of one topic alternate between text and binary, each with its own channel: one book. */
static void test_text_and_binary_frames_of_a_topic(void **state)
{
    (void)state;
    static const char *const TOPICS[] = {"orderbook.50", NULL};
    capture_tape recorded;
    findings_seen seen;
    record("v5-linear", TOPICS, 1, 3, 20, 200, &recorded);
    frame_channel binary = *recorded.frames[nth_of(&recorded, "orderbook.50", 0)].channel;
    binary.info.opcode = OPCODE_BINARY;
    binary.index += 100;
    for (size_t n = 1; n < 100; n += 2)
        recorded.frames[nth_of(&recorded, "orderbook.50", n)].channel = &binary;
    live_check_without(&recorded, "v5-linear", SIZE_MAX, &seen);
    assert_int_equal(seen.count, 0);
    live_check_without(&recorded, "v5-linear", nth_of(&recorded, "orderbook.50", 51), &seen);
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.items[0].row.cause, rule_name(RULE_SEQ_DENSE));
    capture_tape_fini(&recorded);
}

/* Books continue over segments, where their channels are new: without loss nothing is found, and a
 * loss is found. */
static void test_books_continue_over_segments(void **state)
{
    (void)state;
    static const char *const TOPICS[] = {"orderbook.50", "orderbook.1", "publicTrade", NULL};
    capture_tape recorded;
    findings_seen seen;
    record("v5-linear", TOPICS, 3, 5, 20, 900, &recorded);
    live_check_case how = {.lost = SIZE_MAX, .again = SIZE_MAX, .segment_frames = 100};
    live_check_stats stats = live_check_case_run(&recorded, "v5-linear", &how, &seen);
    assert_int_equal(seen.count, 0);
    assert_int_equal(stats.skipped, 0);
    assert_int_equal(stats.unchecked_books, 0);
    how.lost = nth_of(&recorded, "orderbook.50", 120);
    live_check_case_run(&recorded, "v5-linear", &how, &seen);
    assert_true(seen.count > 0);
    assert_string_equal(seen.items[0].row.cause, rule_name(RULE_SEQ_DENSE));
    capture_tape_fini(&recorded);
}

/* If memory suffices for some of the books only, the others are counted as unchecked, and there are
 * no false findings: neither while memory lasts, nor when a new segment lets a topic try again in
 * the middle of its connection. */
static void test_memory_budget(void **state)
{
    (void)state;
    static const char *const TOPICS[] = {"orderbook.50", "orderbook.200", "publicTrade", NULL};
    static const size_t BUDGETS[] = {1, 1000, 5000, 20000, 40000, 60000, 100000};
    capture_tape recorded;
    findings_seen seen;
    record("v5-linear", TOPICS, 4, 6, 20, 900, &recorded);
    uint64_t checked = 0, data_frames = 0;
    for (size_t i = 0; i < recorded.frame_count; i++)
        data_frames += recorded.frames[i].channel->info.topic[0] != '_';
    for (size_t i = 0; i < sizeof BUDGETS / sizeof BUDGETS[0]; i++) {
        const live_check_case how = {
            .lost = SIZE_MAX, .again = SIZE_MAX, .segment_frames = 50, .memory_bytes = BUDGETS[i]};
        live_check_stats stats = live_check_case_run(&recorded, "v5-linear", &how, &seen);
        print_message("  %zu bytes: %llu frames checked, %llu not, %llu books given up\n",
                      BUDGETS[i], (unsigned long long)stats.frames,
                      (unsigned long long)stats.skipped, (unsigned long long)stats.unchecked_books);
        assert_int_equal(seen.count, 0);
        assert_true(stats.unchecked_books > 0);
        assert_true(stats.skipped > 0);
        assert_int_equal(stats.frames + stats.skipped, data_frames);
        checked += stats.frames;
    }
    assert_true(checked > data_frames);
    capture_tape_fini(&recorded);
}

/* Findings that warnings report as not recorded. */
typedef struct unrecorded {
    size_t warnings, findings;
} unrecorded;

static void count_warning(void *ctx, td_log_level level, const char *line)
{
    (void)level;
    static const char TEXT[] = "are not recorded (";
    const char *at = strstr(line, TEXT);
    unrecorded *seen = ctx;
    if (at == NULL)
        return;
    seen->warnings++;
    seen->findings += strtoul(at + sizeof TEXT - 1, NULL, 10);
}

/* Puts a frame of a book; a delta that does not follow breaks it, a snapshot repairs it. */
static void put_book(live_check *w, uint64_t n, const char *type, uint64_t u)
{
    channel_notes notes = {0}; /* as at the start of a segment */
    static const channel_info INFO = {
        .topic = "orderbook.50", .symbol = "AUSDT", .exchange_topic = "orderbook.50.AUSDT"};
    char text[256];
    int size = snprintf(text, sizeof text,
                        "{\"topic\":\"orderbook.50.AUSDT\",\"type\":\"%s\",\"ts\":%llu,\"data\":{"
                        "\"s\":\"AUSDT\",\"b\":[],\"a\":[],\"u\":%llu,\"seq\":%llu}}",
                        type, (unsigned long long)n, (unsigned long long)u, (unsigned long long)n);
    const feed_frame frame = {.conn = 1,
                              .recv_ns = n * TD_NS_PER_MS,
                              .bytes = td_bytes_of(text, (size_t)size),
                              .info = &INFO};
    const feed_written written = {.segment = 1,
                                  .route = {.notes = &notes, .frame_class = CLASS_DATA}};
    live_check_put(w, 0, &frame, &written);
}

/* Findings are returned in order, over many rounds; those that do not fit are logged,
 * once a minute. */
static void test_findings_are_bounded(void **state)
{
    (void)state;
    const size_t ROUNDS = 4000;
    static pipeline_config config;
    unrecorded seen = {0};
    const td_log log = {count_warning, &seen, TD_LOG_WARNING};
    const live_check_options options = {.config = &config, .log = &log, .ring_bytes = 64 << 20};
    const uint64_t day_ms = UINT64_C(1790000000000);
    size_t unrecorded_count = 0;
    live_check *w = NULL;
    gap_row gap;
    uint16_t feed_index = 1;
    config = (pipeline_config){.feed_count = 1};
    config.feeds[0].family = family_find(td_bytes_str("v5-linear"));
    assert_int_equal(live_check_open(&options, &w, NULL), TD_OK);
    put_book(w, day_ms, "snapshot", 10);
    for (uint64_t pass = 0; pass < 2; pass++) {
        size_t taken = 0;
        for (uint64_t n = 1; n <= ROUNDS; n++) {
            const uint64_t ms = day_ms + 60000 * pass + 2 * n;
            put_book(w, ms, "delta", 20);
            put_book(w, ms + 1, "snapshot", 10);
        }
        while (!live_check_is_idle(w))
            (void)poll(NULL, 0, 1);
        while (live_check_next_finding(w, &feed_index, &gap)) {
            assert_int_equal(feed_index, 0);
            assert_int_equal(gap.to_ns == GAP_OPEN, taken % 2 == 0);
            assert_string_equal(gap.topic, "orderbook.50");
            assert_string_equal(gap.symbol, "AUSDT");
            taken++;
        }
        assert_true(taken > 1000);
        assert_true(taken < 2 * ROUNDS);
        unrecorded_count += 2 * ROUNDS - taken;
    }
    /* Each warning counts the findings until it; those after the last one wait for the next. */
    assert_true(seen.warnings > 0 && seen.warnings <= 3);
    assert_true(seen.findings > 0 && seen.findings <= unrecorded_count);
    live_check_close(w);
}

static void keep_broken(void *ctx, td_log_level level, const char *line)
{
    char *last = ctx;
    (void)level;
    last[0]++;
    (void)snprintf(last + 1, 255, "%s", line);
}

/* Trades whose numbers skip one in every other frame: each gap is found, and a warning is logged
 * once a minute. */
static void test_warnings_of_gaps_are_limited(void **state)
{
    (void)state;
    static const channel_info INFO = {
        .topic = "aggTrade", .symbol = "BTCUSDT", .exchange_topic = "aggTrade.BTCUSDT"};
    enum { FRAMES = 100 };
    static pipeline_config config;
    char last[256] = ""; /* the number of lines, and the last one */
    const td_log log = {keep_broken, last, TD_LOG_INFO};
    const live_check_options options = {.config = &config, .log = &log, .ring_bytes = 64 << 20};
    live_check *w = NULL;
    gap_row gap;
    uint16_t feed_index = 0;
    size_t found = 0;
    config = (pipeline_config){.feed_count = 1};
    config.feeds[0].family = family_find(td_bytes_str("binance-usdm"));
    assert_int_equal(live_check_open(&options, &w, NULL), TD_OK);
    channel_notes notes = {0};
    for (uint64_t i = 0; i <= FRAMES; i++) {
        const uint64_t ms = UINT64_C(1790000000000) + i + (i < FRAMES ? 0 : 60000);
        const uint64_t id = 1000 + i + i / 2;
        char text[512];
        int size =
            snprintf(text, sizeof text,
                     "{\"stream\":\"btcusdt@aggTrade\",\"data\":{\"e\":\"aggTrade\","
                     "\"E\":%llu,\"s\":\"BTCUSDT\",\"a\":%llu,\"p\":\"100.0\","
                     "\"q\":\"1\",\"f\":%llu,\"l\":%llu,\"T\":%llu,\"m\":false}}",
                     (unsigned long long)ms, (unsigned long long)id, (unsigned long long)(9000 + i),
                     (unsigned long long)(9000 + i), (unsigned long long)ms);
        const feed_frame frame = {.conn = 1,
                                  .recv_ns = ms * TD_NS_PER_MS,
                                  .bytes = td_bytes_of(text, (size_t)size),
                                  .info = &INFO};
        const feed_written written = {.segment = 1,
                                      .route = {.notes = &notes, .frame_class = CLASS_DATA}};
        live_check_put(w, 0, &frame, &written);
    }
    while (!live_check_is_idle(w))
        (void)poll(NULL, 0, 1);
    while (live_check_next_finding(w, &feed_index, &gap))
        found++;
    assert_int_equal(found, FRAMES - 1); /* begins and ends */
    live_check_close(w);
    print_message("  %s\n", last + 1);
    assert_int_equal(last[0], 3); /* the first gap's begin and end, and the last gap's begin */
    assert_non_null(strstr(last + 1, ": broken (id_dense"));
    assert_non_null(strstr(last + 1, "49 gaps since the last warning"));
}

/* Puts a delta, or the fetched snapshot, of a book of Binance USD-M. bids: their JSON. */
static void put_depth(live_check *w, uint64_t n, uint32_t form, const char *bids)
{
    channel_notes notes = {0};
    static const channel_info INFO = {
        .topic = "depth@100ms", .symbol = "BTCUSDT", .exchange_topic = "depth@100ms.BTCUSDT"};
    const unsigned long long ms = 1790000000000 + n;
    char text[512];
    int size = form == FORM_FETCHED
                   ? snprintf(text, sizeof text,
                              "{\"lastUpdateId\":%llu,\"E\":%llu,\"T\":%llu,\"bids\":[%s],"
                              "\"asks\":[[\"101\",\"1\"]]}",
                              (unsigned long long)n - 1, ms, ms, bids)
                   : snprintf(text, sizeof text,
                              "{\"stream\":\"btcusdt@depth@100ms\",\"data\":{\"e\":\"depthUpdate\","
                              "\"E\":%llu,\"T\":%llu,\"s\":\"BTCUSDT\",\"U\":%llu,\"u\":%llu,"
                              "\"pu\":%llu,\"b\":[%s],\"a\":[]}}",
                              ms, ms, (unsigned long long)n, (unsigned long long)n,
                              (unsigned long long)n - 1, bids);
    assert_in_range(size, 1, sizeof text - DECODE_PADDING_BYTES);
    const feed_frame frame = {.conn = 1,
                              .form = form,
                              .recv_ns = ms * TD_NS_PER_MS,
                              .bytes = td_bytes_of(text, (size_t)size),
                              .info = &INFO};
    const feed_written written = {.segment = 1,
                                  .route = {.notes = &notes, .frame_class = CLASS_DATA}};
    live_check_put(w, 0, &frame, &written);
}

/* A book whose snapshot shows five bids asks for another one when three are gone, and no longer
 * once it has come. */
static void test_another_snapshot_is_due(void **state)
{
    (void)state;
    static pipeline_config config;
    const live_check_options options = {.config = &config, .ring_bytes = 1 << 20};
    live_check *w = NULL;
    findings_seen seen = {0};
    gap_row gap;
    uint16_t feed_index;
    config = (pipeline_config){.feed_count = 1};
    config.feeds[0].family = family_find(td_bytes_str("binance-usdm"));
    assert_int_equal(live_check_open(&options, &w, NULL), TD_OK);
    put_depth(w, 1, 0, "[\"99\",\"1\"]");
    put_depth(w, 2, FORM_FETCHED,
              "[\"99\",\"1\"],[\"98\",\"1\"],[\"97\",\"1\"],[\"96\",\"1\"],[\"95\",\"1\"]");
    put_depth(w, 2, 0, "[\"99\",\"0\"],[\"98\",\"0\"]");
    put_depth(w, 3, 0, "[\"97\",\"0\"]");
    put_depth(w, 4, 0, "[\"94\",\"7\"]");
    put_depth(w, 5, FORM_FETCHED,
              "[\"96\",\"1\"],[\"95\",\"1\"],[\"94\",\"7\"],[\"93\",\"1\"],[\"92\",\"1\"]");
    while (!live_check_is_idle(w))
        (void)poll(NULL, 0, 1);
    while (live_check_next_finding(w, &feed_index, &gap))
        keep_found(&seen, &gap);
    assert_int_equal(seen.count, 2);
    for (size_t i = 0; i < seen.count; i++) {
        assert_string_equal(seen.items[i].row.cause, LIVE_FINDINGS_NARROW);
        assert_string_equal(seen.items[i].row.symbol, "BTCUSDT");
        assert_int_equal(seen.items[i].row.from_ns, 1790000000003 * TD_NS_PER_MS);
    }
    assert_int_equal(seen.items[0].row.to_ns, GAP_OPEN);
    assert_int_equal(seen.items[1].row.to_ns, 1790000000005 * TD_NS_PER_MS);
    live_check_close(w);
}

/* Puts a frame of one of two topics of a connection, which was complete until late_ms before. */
static void put_late_topic(live_check *w, int topic, uint32_t conn, uint64_t ms, uint64_t late_ms)
{
    static const channel_info INFOS[] = {
        {.topic = "tickers", .symbol = "AUSDT", .exchange_topic = "tickers.AUSDT"},
        {.topic = "tickers", .symbol = "BUSDT", .exchange_topic = "tickers.BUSDT"}};
    channel_notes notes = {0};
    char text[] = "{\"topic\":\"?\"}                                ";
    const feed_frame frame = {.conn = conn,
                              .recv_ns = ms * TD_NS_PER_MS,
                              .complete_ns = (ms - late_ms) * TD_NS_PER_MS,
                              .bytes = td_bytes_of(text, 13),
                              .info = &INFOS[topic]};
    const feed_written written = {.segment = 1,
                                  .route = {.notes = &notes, .frame_class = CLASS_DATA}};
    live_check_put(w, 0, &frame, &written);
}

static void put_topic(live_check *w, int topic, uint32_t conn, uint64_t ms)
{
    put_late_topic(w, topic, conn, ms, 0);
}

static void expect_silence(live_check *w, const char *symbol, uint64_t from_ms, uint64_t to_ms)
{
    gap_row gap;
    uint16_t feed_index;
    while (!live_check_is_idle(w))
        (void)poll(NULL, 0, 1);
    if (symbol == NULL) {
        assert_false(live_check_next_finding(w, &feed_index, &gap));
        return;
    }
    assert_true(live_check_next_finding(w, &feed_index, &gap));
    assert_int_equal(gap.reason, GAP_STALE);
    assert_string_equal(gap.cause, GAP_CAUSE_SILENT);
    assert_string_equal(gap.symbol, symbol);
    assert_int_equal(gap.from_ns, from_ms * TD_NS_PER_MS);
    assert_int_equal(gap.to_ns, to_ms * TD_NS_PER_MS);
}

/* A topic that has ceased, while its connection delivers another one; and pauses that are normal.
 */
static void test_silent_topics(void **state)
{
    (void)state;
    enum { STEP_MS = 500 };
    static pipeline_config config;
    const live_check_options options = {.config = &config, .ring_bytes = 64 << 20};
    uint64_t ms = UINT64_C(1790000000000);
    live_check *w = NULL;
    config = (pipeline_config){.feed_count = 1};
    config.feeds[0] =
        (pipeline_feed){.family = family_find(td_bytes_str("v5-linear")), .silence_factor = 10};
    assert_int_equal(live_check_open(&options, &w, NULL), TD_OK);
    for (const uint64_t end_ms = ms + 620000; ms < end_ms; ms += STEP_MS) {
        put_topic(w, 0, 1, ms);
        put_topic(w, 1, 1, ms + 1);
    }
    /* Both are silent: the connection is. */
    ms += 100000;
    put_topic(w, 0, 1, ms);
    put_topic(w, 1, 1, ms + 1);
    expect_silence(w, NULL, 0, 0);
    /* One is, for long, at its own rhythm; and then not any more. */
    const uint64_t last_ms = ms + 1;
    for (const uint64_t end_ms = ms + 1200000; ms < end_ms; ms += STEP_MS)
        put_topic(w, 0, 1, ms + STEP_MS);
    size_t times = 0;
    for (const uint64_t end_ms = ms; last_ms + 1005000 + 60000 * times <= end_ms; times++)
        expect_silence(w, "BUSDT", last_ms, 0);
    assert_true(times > 1);
    expect_silence(w, NULL, 0, 0);
    put_topic(w, 1, 1, ms + STEP_MS + 1);
    expect_silence(w, "BUSDT", last_ms, ms + STEP_MS + 1);
    live_check_close(w);
}

/* The last frame before a silence was read late: frames that did not come may be older. Without a
 * further proof, the next silence has a begin of its own, because its gap would have the same key.
 */
static void test_silence_after_a_late_frame(void **state)
{
    (void)state;
    enum { STEP_MS = 500, LATE_MS = 300, SILENT_MS = 40000 };
    static pipeline_config config;
    const live_check_options options = {.config = &config, .ring_bytes = 64 << 20};
    const uint64_t start_ms = UINT64_C(1790000000000);
    live_check *w = NULL;
    gap_row gap;
    uint16_t feed_index;
    config = (pipeline_config){.feed_count = 1};
    config.feeds[0] =
        (pipeline_feed){.family = family_find(td_bytes_str("v5-linear")), .silence_factor = 10};
    assert_int_equal(live_check_open(&options, &w, NULL), TD_OK);
    uint64_t ms = start_ms;
    for (const uint64_t end_ms = ms + 620000; ms < end_ms; ms += STEP_MS) {
        put_topic(w, 0, 1, ms);
        put_topic(w, 1, 1, ms + 1);
    }
    const uint64_t proof_ms = ms - LATE_MS;
    for (uint64_t i = 0; i < 2; i++) {
        put_late_topic(w, 1, 1, ms, ms - proof_ms);
        for (const uint64_t end_ms = ms + SILENT_MS; ms < end_ms; ms += STEP_MS)
            put_topic(w, 0, 1, ms + 1);
        put_late_topic(w, 1, 1, ms, ms - proof_ms);
        while (!live_check_is_idle(w))
            (void)poll(NULL, 0, 1);
        for (int is_end = 0; is_end < 2; is_end++) {
            assert_true(live_check_next_finding(w, &feed_index, &gap));
            assert_string_equal(gap.cause, GAP_CAUSE_SILENT);
            assert_int_equal(gap.from_ns, proof_ms * TD_NS_PER_MS + i);
            assert_int_equal(gap.to_ns, is_end ? ms * TD_NS_PER_MS : GAP_OPEN);
        }
        assert_false(live_check_next_finding(w, &feed_index, &gap));
    }
    live_check_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_silent_topics),
        cmocka_unit_test(test_silence_after_a_late_frame),
        cmocka_unit_test(test_lost_trades),
        cmocka_unit_test(test_repaired_by_the_revealing_frame),
        cmocka_unit_test(test_two_connections),
        cmocka_unit_test(test_lost_update),
        cmocka_unit_test(test_lost_frames_of_a_connection),
        cmocka_unit_test(test_repaired_by_the_next_connection),
        cmocka_unit_test(test_text_and_binary_frames_of_a_topic),
        cmocka_unit_test(test_books_continue_over_segments),
        cmocka_unit_test(test_memory_budget),
        cmocka_unit_test(test_findings_are_bounded),
        cmocka_unit_test(test_warnings_of_gaps_are_limited),
        cmocka_unit_test(test_another_snapshot_is_due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
