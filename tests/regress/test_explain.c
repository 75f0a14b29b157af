/* Frames that are looked at again. The archive is made by the test, which knows which frame is the
 * n-th of its stream; so nothing here counts as the code does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "regress/explain.h"
#include "tests/testing/files.h"
#include "tests/testing/tape_fixture.h"

enum {
    ROUNDS = 4300, /* of each a few frames */
    FRAMES_MAX = 3 * ROUNDS,
    TEXT_BYTES = 512,
    SAME_TIME = 2 * BASELINE_BLOCK_FRAMES - 1, /* trades of two sessions at a block's end */
};

/* The streams, in the order of baselines: by feed, topic, symbol, exchange topic. */
enum { UNKNOWN_A, UNKNOWN_B, CONTROL, BOOK, TRADE, STREAMS };

typedef struct known_stream {
    const char *topic, *symbol, *exchange_topic;
    uint8_t has_book;
    size_t count;
    uint64_t recv_ns[FRAMES_MAX];
    uint64_t ordinals[FRAMES_MAX];
    uint32_t sessions[FRAMES_MAX];
} known_stream;

typedef struct scene {
    tape_fixture fixture;
    char path[96]; /* of the baseline */
    known_stream streams[STREAMS];
    baseline *of;
    comparison compared;
    comparison_stream pairs[STREAMS];
} scene;

/* ---- the archive ---- */

typedef struct writing {
    scene *scene;
    tape_segment *segment;
    uint32_t session;
    uint64_t ordinal;
} writing;

static void put(writing *w, unsigned stream_index, uint64_t recv_ns, const char *text)
{
    static const struct {
        const char *topic, *symbol, *exchange_topic;
    } CHANNELS[STREAMS] = {
        [UNKNOWN_A] = {CHANNEL_TOPIC_UNKNOWN, "", NULL},
        [UNKNOWN_B] = {CHANNEL_TOPIC_UNKNOWN, "", NULL},
        [CONTROL] = {CHANNEL_TOPIC_CONTROL, "", NULL},
        [BOOK] = {"orderBookL2_25", "BTCUSD", "orderBookL2_25.BTCUSD"},
        [TRADE] = {"trade", "BTCUSD", "trade.BTCUSD"},
    };
    known_stream *s = &w->scene->streams[stream_index];
    assert_true(s->count < FRAMES_MAX);
    s->recv_ns[s->count] = TAPE_FIXTURE_NS + recv_ns;
    s->ordinals[s->count] = ++w->ordinal;
    s->sessions[s->count++] = w->session;
    tape_segment_put(w->segment,
                     &(tape_put){.topic = CHANNELS[stream_index].topic,
                                 .symbol = CHANNELS[stream_index].symbol,
                                 .exchange_topic = CHANNELS[stream_index].exchange_topic,
                                 .conn = 1,
                                 .ordinal = w->ordinal,
                                 .recv_ns = recv_ns,
                                 .text = text});
}

static void put_book(writing *w, uint64_t recv_ns, unsigned i)
{
    char text[TEXT_BYTES];
    char level[160];
    snprintf(level, sizeof level,
             "[{\"price\":\"%u.50\",\"symbol\":\"BTCUSD\",\"id\":%u5000,\"side\":\"%s\","
             "\"size\":%u}]",
             i + 1, i + 1, i % 2 == 0 ? "Buy" : "Sell", i + 1);
    if (i == 0)
        snprintf(text, sizeof text,
                 "{\"topic\":\"orderBookL2_25.BTCUSD\",\"type\":\"snapshot\",\"data\":%s,"
                 "\"cross_seq\":%u,\"timestamp_e6\":1795154400000000}",
                 level, i + 1);
    else
        snprintf(text, sizeof text,
                 "{\"topic\":\"orderBookL2_25.BTCUSD\",\"type\":\"delta\",\"data\":{\"delete\":[],"
                 "\"update\":[],\"insert\":%s,\"transactTimeE6\":0},\"cross_seq\":%u,"
                 "\"timestamp_e6\":1795154400000000}",
                 level, i + 1);
    put(w, BOOK, recv_ns, text);
}

static void put_trade(writing *w, uint64_t recv_ns, unsigned i)
{
    char text[TEXT_BYTES];
    snprintf(text, sizeof text,
             "{\"topic\":\"trade.BTCUSD\",\"data\":[{\"trade_time_ms\":1795154400000,"
             "\"timestamp\":\"2026-11-20T06:00:00.000Z\",\"symbol\":\"BTCUSD\",\"side\":\"Buy\","
             "\"size\":1,\"price\":%u.5,\"tick_direction\":\"PlusTick\",\"trade_id\":"
             "\"11111111-2222-3333-4444-555555555555\",\"cross_seq\":1}]}",
             i);
    put(w, TRADE, recv_ns, text);
}

static writing begin(scene *s, const char *session, uint32_t number, uint64_t start_ns)
{
    const tape_segment_spec spec = {
        .feed = "inverse", .session = session, .start_ns = start_ns, .number = 1};
    writing w = {.scene = s, .session = number};
    w.segment = tape_segment_open(&s->fixture, &spec);
    const event begins = {.kind = EVENT_SEGMENT, .session = session, .number = 1};
    tape_segment_event(w.segment, &begins, 0);
    tape_segment_connect(w.segment, 1, 0);
    return w;
}

/* Two sessions. The second one has one trade, at the time of the last one of a block. */
static void record(scene *s)
{
    writing other = begin(s, "bbbb0002", 2, 1);
    writing w = begin(s, "aaaa0001", 1, 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t at_ns = 100 + i * 100;
        put_book(&w, at_ns, i);
        for (unsigned k = 0; k < 3; k++) {
            if (s->streams[TRADE].count == SAME_TIME) {
                /* The first session comes first at one time. */
                put_trade(&w, at_ns + 10 + k, 900000);
                put_trade(&other, at_ns + 10 + k, 900001);
                continue;
            }
            if (s->streams[TRADE].count < FRAMES_MAX - 2)
                put_trade(&w, at_ns + 10 + k, i * 10 + k);
        }
        if (i % 10 == 0)
            put(&w, CONTROL, at_ns + 20, "{\"success\":true,\"ret_msg\":\"pong\"}");
        if (i % 10 == 1)
            put(&w, UNKNOWN_A, at_ns + 20, "{\"topic\":\"new.A\",\"data\":[]}");
        if (i % 10 == 2)
            put(&w, UNKNOWN_B, at_ns + 20, "{\"topic\":\"new.B\",\"data\":[]}");
        if (i % 500 == 499)
            tape_segment_seal(w.segment);
    }
    tape_segment_finish(w.segment);
    tape_segment_finish(other.segment);
}

/* ---- the baseline ---- */

static void check_ok(td_result rc, const td_err *err)
{
    if (rc != TD_OK)
        fail_msg("%s", err->text);
}

static void put_blocks(scene *s, const known_stream *from, uint32_t id)
{
    static uint16_t ids[BASELINE_BLOCK_FRAMES];
    static uint64_t hashes[BASELINE_BLOCK_FRAMES];
    td_err err;
    for (size_t at = 0; at < from->count; at += BASELINE_BLOCK_FRAMES) {
        size_t count = from->count - at;
        if (count > BASELINE_BLOCK_FRAMES)
            count = BASELINE_BLOCK_FRAMES;
        const baseline_block block = {.stream = id,
                                      .number = (uint32_t)(at / BASELINE_BLOCK_FRAMES),
                                      .frames = (uint32_t)count,
                                      .first_ns = from->recv_ns[at],
                                      .last_ns = from->recv_ns[at + count - 1],
                                      .ids = ids,
                                      .hashes = hashes};
        check_ok(baseline_put_block(s->of, &block, &err), &err);
    }
}

static void make_baseline(scene *s)
{
    const baseline_meta meta = {.canonical = CANONICAL_VERSION, .members = CANONICAL_PLAIN};
    td_err err;
    snprintf(s->path, sizeof s->path, "%s.tdb", s->fixture.folder);
    check_ok(baseline_create(s->path, &meta, &s->of, &err), &err);
    for (size_t i = 0; i < STREAMS; i++) {
        const known_stream *from = &s->streams[i];
        const baseline_stream names = {.feed = "inverse",
                                       .topic = from->topic,
                                       .symbol = from->symbol,
                                       .exchange_topic = from->exchange_topic,
                                       .family = "inverse",
                                       .has_book = from->has_book,
                                       .frames = from->count,
                                       .first_ns = from->recv_ns[0],
                                       .last_ns = from->recv_ns[from->count - 1]};
        uint32_t id;
        check_ok(baseline_put_stream(s->of, &names, &id, &err), &err);
        put_blocks(s, from, id);
    }
    check_ok(baseline_finish(s->of, &err), &err);
    assert_int_equal(baseline_stream_count(s->of), STREAMS);
    for (size_t i = 0; i < STREAMS; i++)
        s->pairs[i].is = baseline_stream_at(s->of, i);
    s->compared.streams = s->pairs;
    s->compared.stream_count = STREAMS;
}

static void scene_init(scene **out)
{
    scene *s = td_alloc_zero(1, sizeof *s);
    assert_non_null(s);
    tape_fixture_init(&s->fixture);
    s->streams[UNKNOWN_A] = (known_stream){.topic = "", .symbol = "", .exchange_topic = "new.A"};
    s->streams[UNKNOWN_B] = (known_stream){.topic = "", .symbol = "", .exchange_topic = "new.B"};
    s->streams[CONTROL] = (known_stream){.topic = "_control", .symbol = "", .exchange_topic = ""};
    s->streams[BOOK] = (known_stream){.topic = "orderBookL2_25",
                                      .symbol = "BTCUSD",
                                      .exchange_topic = "orderBookL2_25.BTCUSD",
                                      .has_book = 1};
    s->streams[TRADE] =
        (known_stream){.topic = "trade", .symbol = "BTCUSD", .exchange_topic = "trade.BTCUSD"};
    record(s);
    make_baseline(s);
    *out = s;
}

static void scene_fini(scene *s)
{
    td_err err;
    baseline_close(s->of);
    check_ok(baseline_remove(s->path, &err), &err);
    tape_fixture_fini(&s->fixture);
    td_free(s);
}

/* ---- explaining ---- */

static explained explain(scene *s, difference *wanted, size_t count, unsigned threads)
{
    static const selection ALL = {.has_from = 0};
    const explain_options options = {.archive = tape_fixture_archive(&s->fixture),
                                     .wanted = &ALL,
                                     .threads = threads,
                                     .of = s->of,
                                     .compared = &s->compared,
                                     .side = EXPLAIN_IS};
    explained out;
    td_err err;
    for (size_t i = count; i-- > 0;)
        s->pairs[wanted[i].stream].first = wanted[i];
    check_ok(explain_frames(&options, wanted, count, &out, &err), &err);
    return out;
}

static int has_text(td_bytes in, const char *text)
{
    return memmem(in.data, in.size, text, strlen(text)) != NULL;
}

/* Its place is that of the known frame. */
static void check_place(const scene *s, const explained_frame *frame, const difference *wanted)
{
    const known_stream *of = &s->streams[wanted->stream];
    assert_int_equal(frame->stream, wanted->stream);
    assert_int_equal(frame->index, wanted->is_index);
    assert_int_equal(frame->ordinal, of->ordinals[frame->index]);
    assert_int_equal(frame->recv_ns, of->recv_ns[frame->index]);
    assert_int_equal(frame->conn, 1);
    assert_string_equal(frame->session_id,
                        of->sessions[frame->index] == 1 ? "aaaa0001" : "bbbb0002");
}

static void test_places(void **state)
{
    (void)state;
    scene *s;
    scene_init(&s);
    difference wanted[] = {
        {UNKNOWN_A, DIFFERENCE_REASON, 0, 5},         {UNKNOWN_B, DIFFERENCE_REASON, 0, 429},
        {CONTROL, DIFFERENCE_DECODE, 0, 0},           {BOOK, DIFFERENCE_DECODE, 0, 0},
        {BOOK, DIFFERENCE_DECODE, 0, 2999},           {TRADE, DIFFERENCE_DECODE, 0, SAME_TIME},
        {TRADE, DIFFERENCE_DECODE, 0, SAME_TIME + 1}, /* the first frame of a block */
        {TRADE, DIFFERENCE_DECODE, 0, SAME_TIME + 2},
    };
    size_t count = sizeof wanted / sizeof *wanted;
    for (unsigned threads = 1; threads <= 2; threads++) {
        explained found = explain(s, wanted, count, threads);
        assert_int_equal(found.count, count);
        assert_int_equal(found.left_out, 0);
        for (size_t i = 0; i < count; i++)
            check_place(s, &found.frames[i], &wanted[i]);
        const explained_frame *f = found.frames;
        assert_true(has_text(f[0].decode, "\"reason\":\"unknown_topic\",\"topic\":\"new.A\""));
        assert_true(has_text(f[0].bytes, "\"topic\":\"new.A\""));
        assert_false(f[0].has_seq);
        assert_true(has_text(f[2].decode, "\"type\":\"control\""));
        assert_true(has_text(f[3].decode, "\"kind\":\"snapshot\""));
        assert_true(has_text(f[3].bytes, "\"type\":\"snapshot\""));
        assert_true(has_text(f[4].decode, "\"price\":\"3000.5\",\"size\":\"3000\""));
        assert_int_equal(f[4].seq, 3000);
        assert_true(f[4].has_seq);
        assert_int_equal(f[4].bytes.size, 0); /* no first one */
        assert_int_equal(f[4].book.size, 0);
        assert_true(has_text(f[5].decode, "\"price\":\"900000.5\""));
        assert_true(has_text(f[6].decode, "\"price\":\"900001.5\""));
        assert_true(f[3].position < f[4].position);
        explained_fini(&found);
    }
    scene_fini(s);
}

/* Only what is needed is played: the frame is in the stream's second block. */
static void test_later_block(void **state)
{
    (void)state;
    scene *s;
    scene_init(&s);
    difference wanted[] = {{TRADE, DIFFERENCE_DECODE, 0, BASELINE_BLOCK_FRAMES},
                           {TRADE, DIFFERENCE_DECODE, 0, BASELINE_BLOCK_FRAMES + 700}};
    explained found = explain(s, wanted, 2, 1);
    assert_int_equal(found.count, 2);
    check_place(s, &found.frames[0], &wanted[0]);
    check_place(s, &found.frames[1], &wanted[1]);
    assert_true(found.frames[1].position < BASELINE_BLOCK_FRAMES);
    explained_fini(&found);
    scene_fini(s);
}

static void test_book(void **state)
{
    (void)state;
    scene *s;
    scene_init(&s);
    difference wanted[] = {{BOOK, DIFFERENCE_BOOK, 0, 4}, {BOOK, DIFFERENCE_BOOK, 0, 5}};
    explained found = explain(s, wanted, 2, 1);
    static const char EXPECTED[] = "Sell 4.5 4\n"
                                   "Sell 2.5 2\n"
                                   "Buy 5.5 5\n"
                                   "Buy 3.5 3\n"
                                   "Buy 1.5 1\n";
    assert_int_equal(found.count, 2);
    assert_int_equal(found.frames[0].book.size, sizeof EXPECTED - 1);
    assert_memory_equal(found.frames[0].book.data, EXPECTED, sizeof EXPECTED - 1);
    assert_int_equal(found.frames[1].book.size, 0);
    explained_fini(&found);
    scene_fini(s);
}

/* The book is right although the play begins with the second block, long after its snapshot; a
 * frame beyond the last one is not there. */
static void test_lead_in_and_missing(void **state)
{
    (void)state;
    scene *s;
    scene_init(&s);
    difference wanted[] = {{BOOK, DIFFERENCE_BOOK, 0, BASELINE_BLOCK_FRAMES + 100},
                           {TRADE, DIFFERENCE_DECODE, 0, 2 * BASELINE_BLOCK_FRAMES + 10}};
    explained found = explain(s, wanted, 2, 1);
    assert_int_equal(found.count, 2);
    check_place(s, &found.frames[0], &wanted[0]);
    check_place(s, &found.frames[1], &wanted[1]);
    assert_true(has_text(found.frames[0].book, "Sell 2.5 2\nBuy 4197.5 4197\n"));
    explained_fini(&found);
    difference none = {TRADE, DIFFERENCE_DECODE, 0, s->streams[TRADE].count};
    found = explain(s, &none, 1, 1);
    assert_int_equal(found.count, 0);
    assert_int_equal(found.left_out, 1);
    explained_fini(&found);
    scene_fini(s);
}

static void test_nothing(void **state)
{
    (void)state;
    scene *s;
    scene_init(&s);
    explained found = explain(s, NULL, 0, 1);
    assert_int_equal(found.count, 0);
    explained_fini(&found);
    scene_fini(s);
}

static int stop(void *user, uint64_t frames, uint64_t recv_ns)
{
    (void)recv_ns;
    *(uint64_t *)user = frames;
    return 1;
}

static void test_stop(void **state)
{
    (void)state;
    static const selection ALL = {.has_from = 0};
    scene *s;
    uint64_t frames = 0;
    explained out;
    td_err err;
    scene_init(&s);
    difference wanted[] = {{TRADE, DIFFERENCE_DECODE, 0, 0},
                           {TRADE, DIFFERENCE_DECODE, 0, s->streams[TRADE].count - 1}};
    s->pairs[TRADE].first = wanted[0];
    const explain_options options = {.archive = tape_fixture_archive(&s->fixture),
                                     .wanted = &ALL,
                                     .of = s->of,
                                     .compared = &s->compared,
                                     .side = EXPLAIN_IS,
                                     .progress = stop,
                                     .user = &frames};
    assert_int_equal(explain_frames(&options, wanted, 2, &out, &err), TD_EOF);
    assert_true(frames > 0);
    scene_fini(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places),  cmocka_unit_test(test_later_block),
        cmocka_unit_test(test_book),    cmocka_unit_test(test_lead_in_and_missing),
        cmocka_unit_test(test_nothing), cmocka_unit_test(test_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
