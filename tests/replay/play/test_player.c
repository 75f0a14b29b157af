/* The player on recorded frames, without an archive: counts, books, verdicts, digests, threads,
 * pacing. Totals and books are those of the two captures in docs/wire.md 6, counted by scripts that
 * share no code with the program; counts by topic come from counting lines; first violations from
 * tests/replay/play/cut_expected.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>

#include "tests/testing/clock_sim.h"
#include "replay/play/player.h"
#include "tests/testing/capture.h"
#include "tests/testing/filled.h"
#include "tests/testing/played.h"

#define INVERSE "inverse-2021-04-17.jsonl.gz"
#define LINEAR  "linear-2021-04-17.jsonl.gz"

/* Frames of the inverse capture: 0 to 3 are outbound, 4 and 5 are acks, 6 is the EOSUSD snapshot.
 */
enum { FRAME_SNAPSHOT_AT = 6 };

/* ---- the two captures ---- */

static void assert_totals(const player *p, const player_totals *expected)
{
    player_totals got;
    player_get_totals(p, &got);
    assert_int_equal(got.frames, expected->frames);
    assert_int_equal(got.bytes, expected->bytes);
    assert_int_equal(got.out, expected->out);
    assert_int_equal(got.decoded, expected->decoded);
    assert_int_equal(got.undecoded, 0);
    assert_int_equal(got.control, expected->control);
    assert_int_equal(got.violations, 0);
    assert_int_equal(got.unchecked, 0);
    assert_int_equal(got.unknown_fields, 0);
}

typedef struct topic_case {
    const char *topic;
    const char *symbol;
    uint64_t frames, snapshots, deltas, items;
} topic_case;

static void assert_topics(const player *p, const topic_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const stream_counts *got = &played_stream(p, cases[i].topic, cases[i].symbol)->counts;
        assert_int_equal(got->frames, cases[i].frames);
        assert_int_equal(got->snapshots, cases[i].snapshots);
        assert_int_equal(got->deltas, cases[i].deltas);
        assert_int_equal(got->items, cases[i].items);
    }
}

typedef struct book_case {
    const char *symbol;
    const char *best_bid, *best_bid_size, *best_ask, *best_ask_size; /* NULL: not compared */
    int64_t cross_seq;                                               /* 0: not compared */
    const char *sha1;
} book_case;

static void assert_level(const book *b, msg_side side, const char *price, const char *size)
{
    book_level best;
    char text[TD_DECIMAL_TEXT_BYTES];
    assert_true(book_level_at(b, side, 0, &best));
    (void)td_decimal_format(best.price, text); /* the length is not needed */
    assert_string_equal(text, price);
    (void)td_decimal_format(best.size, text);
    assert_string_equal(text, size);
}

static void book_sha1(const player *p, const char *symbol, char out[TD_SHA1_HEX_BYTES])
{
    const track *t = stream_last_track(played_stream(p, "orderBookL2_25", symbol));
    assert_non_null(t);
    book_levels_sha1(track_book(t), out);
}

static void assert_book(const player *p, const book_case *expected)
{
    const track *t = stream_last_track(played_stream(p, "orderBookL2_25", expected->symbol));
    assert_non_null(t);
    const book *b = track_book(t);
    assert_int_equal(book_level_count(b, SIDE_BUY), 25);
    assert_int_equal(book_level_count(b, SIDE_SELL), 25);
    assert_false(track_is_broken(t));
    if (expected->best_bid != NULL) {
        assert_level(b, SIDE_BUY, expected->best_bid, expected->best_bid_size);
        assert_level(b, SIDE_SELL, expected->best_ask, expected->best_ask_size);
    }
    track_seqs last;
    track_last(t, &last);
    if (expected->cross_seq != 0)
        assert_int_equal(last.cross_seq, expected->cross_seq);
    char sha1[TD_SHA1_HEX_BYTES];
    book_sha1(p, expected->symbol, sha1);
    assert_string_equal(sha1, expected->sha1);
}

static void test_inverse(void **state)
{
    (void)state;
    capture_recorded_or_skip();
    static const topic_case TOPICS[] = {{"orderBookL2_25", "BTCUSD", 507, 1, 506, 1031},
                                        {"orderBookL2_25", "EOSUSD", 511, 1, 510, 1621},
                                        {"trade", "BTCUSD", 63, 0, 0, 131},
                                        {"trade", "EOSUSD", 13, 0, 0, 19}};
    static const book_case BOOKS[] = {{"BTCUSD", "60622.5", "12836512", "60623", "1656505",
                                       5938958627, "057317dcce6407a6b42bd093cfcfc72a3f0527c0"},
                                      {"EOSUSD", "7.978", "90650", "7.979", "10007", 1225779041,
                                       "3ec2da5420c2c140ef8b7bff6ed6e47c5b517026"}};
    capture_tape from;
    capture_tape_load(&from, INVERSE, "inverse");
    player *p = played(&from, 1);
    assert_totals(p, &(player_totals){
                         .frames = 1102, .bytes = 407196, .out = 4, .decoded = 1094, .control = 4});
    assert_topics(p, TOPICS, sizeof TOPICS / sizeof *TOPICS);
    for (size_t i = 0; i < sizeof BOOKS / sizeof *BOOKS; i++)
        assert_book(p, &BOOKS[i]);
    player_close(p);
    capture_tape_fini(&from);
}

static void test_linear(void **state)
{
    (void)state;
    capture_recorded_or_skip();
    static const topic_case TOPICS[] = {{"orderBookL2_25", "ADAUSDT", 106, 1, 105, 696},
                                        {"orderBookL2_25", "XTZUSDT", 129, 1, 128, 523},
                                        {"trade", "ADAUSDT", 3, 0, 0, 6},
                                        {"trade", "UNIUSDT", 1, 0, 0, 1}};
    static const book_case BOOKS[] = {
        {"LTCUSDT", NULL, NULL, NULL, NULL, 0, "390c8ee3390af63509da70ff0165f2e4e5acda47"},
        {"ETHUSDT", NULL, NULL, NULL, NULL, 0, "38fde336b5d9c3914950755b7d13d890b1b5ac15"}};
    capture_tape from;
    capture_tape_load(&from, LINEAR, "linear");
    player *p = played(&from, 1);
    assert_totals(p, &(player_totals){
                         .frames = 999, .bytes = 624413, .out = 16, .decoded = 967, .control = 16});
    assert_topics(p, TOPICS, sizeof TOPICS / sizeof *TOPICS);
    for (size_t i = 0; i < sizeof BOOKS / sizeof *BOOKS; i++)
        assert_book(p, &BOOKS[i]);
    player_close(p);
    capture_tape_fini(&from);
}

/* ---- threads ---- */

static void test_threads_change_nothing(void **state)
{
    (void)state;
    capture_tape from;
    capture_tape_load(&from, LINEAR, "linear");
    player *one = played(&from, 1);
    player_totals totals;
    player_get_totals(one, &totals);
    digest_texts expected;
    played_digests(one, expected);
    static const unsigned THREADS[] = {2, 3, 8};
    for (size_t i = 0; i < sizeof THREADS / sizeof *THREADS; i++) {
        player *p = played(&from, THREADS[i]);
        digest_texts got;
        played_digests(p, got);
        assert_memory_equal(got, expected, sizeof expected);
        assert_totals(p, &totals);
        player_close(p);
    }
    player_close(one);
    capture_tape_fini(&from);
}

enum { ROUNDS_MAX = 500 };

/* Two workers must be busy at the same time. The scheduler decides when, so the capture is repeated
 * until they were, each time as a new connection. */
static void test_two_workers_busy(void **state)
{
    (void)state;
    capture_tape from;
    capture_tape_load(&from, LINEAR, "linear");
    player *p = played_open(2);
    td_err err;
    for (uint32_t round = 0; round < ROUNDS_MAX && player_busy_max(p) < 2; round++) {
        for (size_t i = 0; i < from.frame_count; i++)
            from.frames[i].conn = frame_conn_of(1, round % 2 + 1);
        played_push(p, &from);
        assert_int_equal(player_drain(p, &err), TD_OK);
    }
    assert_int_equal(player_finish(p, &err), TD_OK);
    assert_int_equal(player_busy_max(p), 2);
    player_totals totals;
    player_get_totals(p, &totals);
    assert_int_equal(totals.violations, 0);
    player_close(p);
    capture_tape_fini(&from);
}

/* ---- loss ---- */

typedef struct cut_case {
    const char *capture, *family, *symbol;
    size_t first, count; /* data frames of the book that are removed; 0: the snapshot */
    uint64_t ordinal;
    rule_id rule;
    int64_t seq;
} cut_case;

static const cut_case CUTS[] = {
    {LINEAR, "linear", "LTCUSDT", 60, 5, 394, RULE_UPDATE_CHANGES, 1684522500},
    {LINEAR, "linear", "ETHUSDT", 60, 5, 601, RULE_DELETE_EXISTS, 1800546416},
    {LINEAR, "linear", "BCHUSDT", 60, 5, 693, RULE_UPDATE_CHANGES, 864132474},
    {INVERSE, "inverse", "BTCUSD", 200, 3, 416, RULE_UPDATE_CHANGES, 5938956847},
};

static void push_without(player *p, capture_tape *from, const cut_case *c)
{
    size_t nth = 0;
    td_err err;
    for (size_t i = 0; i < from->frame_count; i++) {
        frame_ref *frame = &from->frames[i];
        int is_book = strcmp(frame->channel->info.topic, "orderBookL2_25") == 0 &&
                      strcmp(frame->channel->info.symbol, c->symbol) == 0;
        size_t at = nth;
        nth += (size_t)is_book;
        if (is_book && at >= c->first && at < c->first + c->count)
            continue;
        assert_int_equal(played_on_frame(p, frame, &err), TD_OK);
    }
}

static void test_cut_frames_are_found(void **state)
{
    (void)state;
    capture_recorded_or_skip();
    for (size_t i = 0; i < sizeof CUTS / sizeof *CUTS; i++) {
        const cut_case *c = &CUTS[i];
        capture_tape from;
        capture_tape_load(&from, c->capture, c->family);
        player *p = played_open(2);
        push_without(p, &from, c);
        td_err err;
        assert_int_equal(player_finish(p, &err), TD_OK);
        const stream *s = played_stream(p, "orderBookL2_25", c->symbol);
        assert_true(s->violated.is_set);
        assert_string_equal(rule_name(s->violated.rule), rule_name(c->rule));
        assert_int_equal(s->violated.at.ordinal, c->ordinal);
        assert_true(s->violated.has_seq);
        assert_int_equal(s->violated.seq, c->seq);
        assert_true(track_is_broken(stream_last_track(s)));
        player_totals totals;
        player_get_totals(p, &totals);
        assert_int_equal(totals.violations, 1); /* the others belong to the same break */
        assert_true(totals.unchecked > 0);
        player_close(p);
        capture_tape_fini(&from);
    }
}

/* ---- where a selection begins ---- */

static void test_lead_in(void **state)
{
    (void)state;
    enum { LEAD_IN = 400 };
    capture_tape from;
    capture_tape_load(&from, INVERSE, "inverse");
    uint64_t books = 0;
    uint64_t inbound = 0;
    for (size_t i = 0; i < from.frame_count; i++) {
        from.frames[i].is_lead_in = i < LEAD_IN;
        int is_data = from.frames[i].channel->topic.row != NULL;
        books += i < LEAD_IN && is_data;
        inbound += i >= LEAD_IN && from.frames[i].channel->info.dir == CHANNEL_IN;
    }
    player *p = played(&from, 2);
    player_totals totals;
    player_get_totals(p, &totals);
    assert_int_equal(totals.lead_in, books);
    assert_int_equal(totals.frames, inbound);
    assert_int_equal(totals.violations, 0);
    assert_int_equal(totals.out, 0);
    assert_int_equal(totals.first_recv_ns, from.frames[LEAD_IN].recv_ns);
    for (size_t i = 0; i < LEAD_IN; i++)
        from.frames[i].is_lead_in = 0;
    player *whole = played(&from, 2);
    char expected[TD_SHA1_HEX_BYTES];
    char got[TD_SHA1_HEX_BYTES];
    book_sha1(whole, "BTCUSD", expected);
    book_sha1(p, "BTCUSD", got);
    assert_string_equal(got, expected);
    player_close(whole);
    player_close(p);
    capture_tape_fini(&from);
}

/* ---- invalid input ---- */

static void test_undecodable(void **state)
{
    (void)state;
    capture_tape from;
    capture_tape_load(&from, INVERSE, "inverse");
    from.frames[FRAME_SNAPSHOT_AT].bytes.size -= 1; /* cut: the last brace is missing */
    player *p = played(&from, 1);
    player_totals totals;
    player_get_totals(p, &totals);
    assert_int_equal(totals.frames, 1102);
    assert_int_equal(totals.undecoded, 1);
    assert_int_equal(totals.decoded, 1093);
    const stream *s = played_stream(p, "orderBookL2_25", "EOSUSD");
    assert_true(s->undecoded.is_set);
    assert_int_equal(s->undecoded.reason, DECODE_NOT_JSON);
    assert_int_equal(s->undecoded.at.ordinal, 3);
    /* without the snapshot, every delta is one before a snapshot */
    assert_true(s->counts.deltas > 0);
    assert_int_equal(s->rules[STRENGTH_ERROR][RULE_ANCHORED], s->counts.deltas);
    assert_int_equal(totals.violations, s->counts.deltas);
    player_close(p);
    capture_tape_fini(&from);
}

/* A topic without a row in this version, and a frame that cannot be classified. */
static void test_unknown_topics(void **state)
{
    (void)state;
    capture_tape from;
    capture_tape_load(&from, INVERSE, "inverse");
    frame_channel unknown = *from.frames[FRAME_SNAPSHOT_AT].channel;
    unknown.topic = (topic_match){0};
    unknown.info.topic = CHANNEL_TOPIC_UNKNOWN;
    unknown.info.symbol = "";
    frame_channel later = unknown;
    later.info.topic = "orderBook_9000";
    from.frames[FRAME_SNAPSHOT_AT].channel = &unknown;
    from.frames[FRAME_SNAPSHOT_AT + 1].channel = &later;
    player *p = played(&from, 1);
    player_totals totals;
    player_get_totals(p, &totals);
    assert_int_equal(totals.undecoded, 2);
    assert_int_equal(played_stream(p, CHANNEL_TOPIC_UNKNOWN, "")->undecoded.reason,
                     DECODE_UNKNOWN_TOPIC);
    assert_int_equal(played_stream(p, "orderBook_9000", "")->counts.undecoded, 1);
    player_close(p);
    capture_tape_fini(&from);
}

/* ---- pacing ---- */

typedef struct due_log {
    uint64_t frames;
    uint64_t last_recv_ns;
    uint64_t roles[ROLE_EVENT + 1];
    uint64_t end_at; /* number of the frame at which it returns `answer` */
    td_result answer;
    uint64_t deadline_ns_max;
} due_log;

static td_result on_due(void *ctx, const frame_ref *frame, uint64_t deadline_ns, td_err *err)
{
    due_log *w = ctx;
    assert_true(frame->recv_ns > w->last_recv_ns);
    w->last_recv_ns = frame->recv_ns;
    w->roles[frame->channel->role]++;
    assert_true(deadline_ns >= w->deadline_ns_max);
    w->deadline_ns_max = deadline_ns;
    if (++w->frames < w->end_at || w->end_at == 0)
        return TD_OK;
    return w->answer == TD_EOF ? TD_EOF : td_err_set(err, w->answer, "full");
}

static td_result push_until(player *p, capture_tape *from, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; i < from->frame_count && rc == TD_OK; i++)
        rc = played_on_frame(p, &from->frames[i], err);
    return rc;
}

static void test_due(void **state)
{
    (void)state;
    static const struct {
        uint64_t end_at;
        td_result answer;
        uint64_t frames;
    } CASES[] = {{0, TD_OK, 1102}, {10, TD_EOF, 10}, {10, TD_E_NOSPACE, 10}};
    capture_tape from;
    capture_tape_load(&from, INVERSE, "inverse");
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        capture_tape_rewind(&from);
        due_log w = {.end_at = CASES[i].end_at, .answer = CASES[i].answer};
        player_options options = {.workers = played_workers(2), .due = on_due, .user = &w};
        player *p;
        td_err err;
        p = player_open(&options);
        assert_int_equal(push_until(p, &from, &err), CASES[i].answer);
        if (CASES[i].answer == TD_E_NOSPACE)
            assert_string_equal(err.text, "full");
        assert_int_equal(player_finish(p, &err), TD_OK);
        assert_int_equal(w.frames, CASES[i].frames);
        player_close(p);
        if (i == 0) {
            assert_int_equal(w.roles[ROLE_DATA], 1094);
            assert_int_equal(w.roles[ROLE_CONTROL], 4);
            assert_int_equal(w.roles[ROLE_OUT], 4);
        }
    }
    capture_tape_fini(&from);
}

/* Paced frames are shown when they are due: the last deadline is the first plus the tape's length
 * divided by the speed. */
static void test_paced_frames_are_due(void **state)
{
    (void)state;
    capture_tape from;
    capture_tape_load(&from, INVERSE, "inverse");
    clock_sim *sim = clock_sim_open(0, 5000);
    pacer pace;
    pacer_speed speed;
    td_err err;
    assert_int_equal(pacer_speed_parse("10", &speed, &err), TD_OK);
    pacer_init(&pace, &(pacer_options){.clock = clock_sim_clock(sim), .speed = speed});
    due_log w = {0};
    player_options options = {
        .workers = played_workers(1), .due = on_due, .user = &w, .pacer = &pace};
    player *p;
    p = player_open(&options);
    assert_int_equal(push_until(p, &from, &err), TD_OK);
    assert_int_equal(player_finish(p, &err), TD_OK);
    uint64_t length_ns = from.frames[from.frame_count - 1].recv_ns - from.frames[0].recv_ns;
    assert_int_equal(w.deadline_ns_max, 5000 + length_ns / 10);
    assert_int_equal(pace.late.ns_max, 0);
    player_close(p);
    clock_sim_close(sim);
    capture_tape_fini(&from);
}

/* ---- observers ---- */

/* An observer's state for a stream. */
typedef struct topic_count {
    uint64_t frames;
    uint64_t lead_in;
    uint64_t decoded;
    uint64_t unjudged; /* frames with a message but without a verdict */
    uint64_t last_recv_ns;
    uint64_t best; /* hash of the book after the last frame */
} topic_count;

/* An observer's own context; workers lock it to count. */
typedef struct observer_log {
    pthread_mutex_t mutex;
    uint64_t frames;
    uint64_t closed; /* frames of all states that were freed */
    uint64_t fail_at;
    uint64_t stop_at;
} observer_log;

static td_result observe_frame(void *ctx, const stream *of, void **state, const applied_frame *seen,
                               td_err *err)
{
    observer_log *w = ctx;
    const frame_ref *frame = seen->frame;
    if (*state == NULL)
        *state = calloc(1, sizeof(topic_count));
    topic_count *own = *state;
    assert_true(frame->recv_ns > own->last_recv_ns);
    own->last_recv_ns = frame->recv_ns;
    own->frames++;
    own->lead_in += frame->is_lead_in;
    assert_int_equal(own->frames, of->counts.frames + of->counts.lead_in);
    int has_message = frame->content.message != NULL;
    own->decoded += !frame->is_lead_in && has_message;
    own->unjudged += has_message && seen->found == NULL;
    if (seen->found != NULL && track_book(seen->found->track) != NULL)
        own->best = track_hash_best(seen->found->track, 0);
    pthread_mutex_lock(&w->mutex);
    uint64_t count = ++w->frames;
    pthread_mutex_unlock(&w->mutex);
    if (count == w->fail_at)
        return td_err_set(err, TD_E_NOSPACE, "full");
    return count == w->stop_at ? TD_EOF : TD_OK;
}

static void observe_close(void *ctx, void *state)
{
    ((observer_log *)ctx)->closed += ((topic_count *)state)->frames;
    free(state);
}

static const observer_ops OBSERVER = {
    .name = "watch", .frame = observe_frame, .close = observe_close};

static player *observed_open(observer_log *w, unsigned threads)
{
    *w = (observer_log){.mutex = PTHREAD_MUTEX_INITIALIZER};
    const player_options options = {
        .workers = played_workers(threads), .observer = {&OBSERVER, w}, .without_digests = 1};
    player *p;
    p = player_open(&options);
    return p;
}

/* Streams are found by their names after the end, too, when they are sorted. */
static void test_streams_are_found(void **state)
{
    (void)state;
    capture_tape from;
    capture_tape_load(&from, LINEAR, "linear");
    player *p = played(&from, 1);
    const stream_table *streams = player_streams(p);
    assert_true(streams->count > 1);
    for (size_t i = 0; i < streams->count; i++) {
        const stream *s = streams->items[i];
        stream_name name = {s->feed, s->topic, s->symbol, 0, s->dir};
        assert_ptr_equal(stream_table_find(streams, &name), s);
        name.symbol = "none";
        assert_null(stream_table_find(streams, &name));
    }
    player_close(p);
    capture_tape_fini(&from);
}

/* Checks that the observer saw each frame of each stream, in order, with its message, and the book
 * with which the stream ends; and that all other results are unchanged. */
static void assert_watched(const player *p, const player *plain)
{
    const stream_table *streams = player_streams(p);
    const stream_table *expected = player_streams(plain);
    assert_int_equal(streams->count, expected->count);
    for (size_t i = 0; i < streams->count; i++) {
        const stream *s = streams->items[i];
        const topic_count *own = s->observed;
        assert_non_null(own);
        assert_int_equal(own->frames, s->counts.frames + s->counts.lead_in);
        assert_int_equal(own->lead_in, s->counts.lead_in);
        assert_int_equal(own->decoded, s->counts.decoded);
        assert_int_equal(own->unjudged, 0);
        assert_memory_equal(&s->counts, &expected->items[i]->counts, sizeof s->counts);
        assert_string_equal(s->family, "linear");
        track *t = (track *)stream_last_track(s);
        if (t != NULL && track_book(t) != NULL)
            assert_int_equal(own->best, track_hash_best(t, 0));
    }
}

static void test_observer(void **state)
{
    (void)state;
    enum { LEAD_IN = 300 };
    static const unsigned THREADS[] = {1, 2, 4};
    capture_tape from;
    capture_tape_load(&from, LINEAR, "linear");
    for (size_t i = 0; i < LEAD_IN; i++)
        from.frames[i].is_lead_in = 1;
    player *plain = played(&from, 1);
    for (size_t i = 0; i < sizeof THREADS / sizeof *THREADS; i++) {
        capture_tape_rewind(&from);
        observer_log w;
        player *p = observed_open(&w, THREADS[i]);
        played_push(p, &from);
        td_err err;
        assert_int_equal(player_finish(p, &err), TD_OK);
        assert_watched(p, plain);
        player_close(p);
        assert_int_equal(w.closed, w.frames);
    }
    player_close(plain);
    capture_tape_fini(&from);
}

/* After each drain the observer has seen all frames so far, and the play continues. */
static void test_drain_shows_all_frames(void **state)
{
    (void)state;
    enum { EVERY = 97 };
    capture_tape from;
    capture_tape_load(&from, INVERSE, "inverse");
    observer_log w;
    player *p = observed_open(&w, 4);
    td_err err;
    for (size_t i = 0; i < from.frame_count; i++) {
        assert_int_equal(played_on_frame(p, &from.frames[i], &err), TD_OK);
        if (i % EVERY != 0)
            continue;
        assert_int_equal(player_drain(p, &err), TD_OK);
        assert_int_equal(w.frames, i + 1);
    }
    assert_int_equal(player_finish(p, &err), TD_OK);
    assert_int_equal(w.frames, from.frame_count);
    player_close(p);
    capture_tape_fini(&from);
}

static void test_observer_fails(void **state)
{
    (void)state;
    capture_tape from;
    capture_tape_load(&from, INVERSE, "inverse");
    for (unsigned threads = 1; threads <= 2; threads++) {
        capture_tape_rewind(&from);
        observer_log w;
        player *p = observed_open(&w, threads);
        w.fail_at = 100;
        td_err err;
        td_result rc = push_until(p, &from, &err);
        if (rc == TD_OK) /* workers may not have reached the frame yet */
            rc = player_drain(p, &err);
        assert_int_equal(rc, TD_E_NOSPACE);
        assert_string_equal(err.text, "watch: full");
        player_close(p);
        assert_int_equal(w.closed, w.frames);
    }
    capture_tape_fini(&from);
}

/* Without workers, an observer can end the play as a sink can. */
static void test_observer_stops(void **state)
{
    (void)state;
    enum { FRAMES = 100 };
    capture_tape from;
    capture_tape_load(&from, INVERSE, "inverse");
    observer_log w;
    player *p = observed_open(&w, 1);
    w.stop_at = FRAMES;
    td_err err;
    assert_int_equal(push_until(p, &from, &err), TD_EOF);
    assert_int_equal(player_finish(p, &err), TD_OK);
    player_totals got;
    player_get_totals(p, &got);
    assert_int_equal(got.frames, FRAMES);
    player_close(p);
    capture_tape_fini(&from);
}

/* The v5 capture has trades and candles, and books of two depths. */
static void test_without_audits(void **state)
{
    (void)state;
    capture_tape from;
    capture_tape_load(&from, "v5-2026-08-09.jsonl.gz", "v5-linear");
    audit_stats stats;
    td_err err;
    player *with = played(&from, 1);
    player_get_audits(with, &stats);
    assert_int_not_equal(stats.books.compared + stats.best.compared + stats.trades.compared, 0);
    capture_tape_rewind(&from);
    player *without;
    const player_options options = {.workers = played_workers(1), .without_audits = 1};
    without = player_open(&options);
    played_push(without, &from);
    assert_int_equal(player_finish(without, &err), TD_OK);
    player_get_audits(without, &stats);
    assert_memory_equal(&stats, &(audit_stats){0}, sizeof stats);
    digest_texts expected;
    digest_texts got;
    played_digests(with, expected);
    played_digests(without, got);
    assert_memory_equal(got, expected, sizeof expected);
    player_close(without);
    player_close(with);
    capture_tape_fini(&from);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inverse),
        cmocka_unit_test(test_linear),
        cmocka_unit_test(test_threads_change_nothing),
        cmocka_unit_test(test_two_workers_busy),
        cmocka_unit_test(test_cut_frames_are_found),
        cmocka_unit_test(test_lead_in),
        cmocka_unit_test(test_undecodable),
        cmocka_unit_test(test_unknown_topics),
        cmocka_unit_test(test_due),
        cmocka_unit_test(test_paced_frames_are_due),
        cmocka_unit_test(test_streams_are_found),
        cmocka_unit_test(test_observer),
        cmocka_unit_test(test_drain_shows_all_frames),
        cmocka_unit_test(test_observer_fails),
        cmocka_unit_test(test_without_audits),
        cmocka_unit_test(test_observer_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
