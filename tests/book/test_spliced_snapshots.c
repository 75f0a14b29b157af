/* Books whose snapshots come apart from their deltas: which snapshots are used, and what the book
 * is then. Expected books are written by hand: the snapshot, and the deltas after its number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/limits.h"
#include "book/continuity.h"
#include "book/delta_queue.h"
#include "tests/testing/book_text.h"
#include "tests/testing/track_text.h"

enum { STEPS_MAX = 12, DEEP_LEVELS = 4000 };

static const topic_row ROW = {
    .name = "orderbook.full",
    .pattern = "orderbook.full.{symbol}",
    .type = MSG_BOOK_CHANGE,
    .sequence = SEQ_ENVELOPE,
    .snapshot_request = "/book?symbol={symbol}",
    .rules = {{RULE_SEQ_DENSE, STRENGTH_ERROR, MEMBER_U},
              {RULE_SIZE_POSITIVE, STRENGTH_ERROR, MEMBER_NONE},
              {RULE_NOT_CROSSED, STRENGTH_ERROR, MEMBER_NONE}},
};

/* How a frame was used, in a step's `use`: "" as a delta of a sound book, "u" not at all, "s" as
 * the snapshot, with the deltas after it, "?" as a delta of a book that is not known. After it,
 * the names of broken rules. */
typedef struct step {
    const char *frame; /* "~": a new connection begins; "!": an undecodable frame came before */
    int64_t u;
    const char *use;
    const char *book; /* after the frame; NULL: not known */
} step;

typedef struct scenario {
    const char *name;
    step steps[STEPS_MAX];
} scenario;

static const scenario SCENARIOS[] = {
    {"the snapshot is older than the last deltas",
     {{"D B99x1", 5, "?", NULL},
      {"D B98x2", 6, "?", NULL},
      {"D -B99", 7, "?", NULL},
      {"S B99x3 B90x9 A101x1", 5, "s", "B98x2,B90x9|A101x1"},
      {"D B98x4", 8, "", "B98x4,B90x9|A101x1"}}},
    {"the snapshot is as old as the delta before the first one",
     {{"D B99x1", 5, "?", NULL},
      {"S B90x9 A101x1", 4, "s", "B99x1,B90x9|A101x1"},
      {"D -B90", 6, "", "B99x1|A101x1"}}},
    {"the snapshot is too old: deltas after it are missing",
     {{"D B99x1", 5, "?", NULL},
      {"S B90x9 A101x1", 3, "u?", NULL},
      {"D B98x1", 6, "?", NULL},
      {"S B90x9 A101x1", 6, "s", "B90x9|A101x1"}}},
    {"the snapshot is newer than the last delta: deltas until then are in it",
     {{"D B99x1", 5, "?", NULL},
      {"S B95x1 A101x1", 7, "s", "B95x1|A101x1"},
      {"D B80x1", 6, "u", "B95x1|A101x1"},
      {"D -B95 B80x1", 7, "u", "B95x1|A101x1"},
      {"D B94x1", 8, "", "B95x1,B94x1|A101x1"}}},
    {"the snapshot is the first frame",
     {{"S B95x1 A101x1", 7, "s", "B95x1|A101x1"},
      {"D B80x1", 6, "u", "B95x1|A101x1"},
      {"D B80x1", 7, "u", "B95x1|A101x1"},
      {"D B94x1", 8, "", "B95x1,B94x1|A101x1"}}},
    {"the snapshot is the first frame, and older than the delta after it",
     {{"S B95x1 A101x1", 7, "s", "B95x1|A101x1"},
      {"D B80x1", 9, "?", NULL},
      {"S B95x1 A101x1", 8, "s", "B95x1,B80x1|A101x1"}}},
    {"a sound book needs no other snapshot",
     {{"D B99x1", 5, "?", NULL},
      {"S B99x1 A101x1", 5, "s", "B99x1|A101x1"},
      {"D B98x1", 6, "", "B99x1,B98x1|A101x1"},
      {"S B99x1 A101x1", 5, "u", "B99x1,B98x1|A101x1"},
      {"S B77x1 A101x1", 9, "u", "B99x1,B98x1|A101x1"},
      {"D B97x1", 7, "", "B99x1,B98x1,B97x1|A101x1"}}},
    {"after a loss only deltas since then count",
     {{"S B99x1 A101x1", 5, "s", "B99x1|A101x1"},
      {"D B98x1", 6, "", "B99x1,B98x1|A101x1"},
      {"D B97x1", 8, " seq_dense", NULL},
      {"D B96x1", 9, "?", NULL},
      {"S B99x1 B98x1 A101x1", 6, "u?", NULL},
      {"S B99x1 B90x5 A101x1", 7, "s snapshot_reset", "B99x1,B97x1,B96x1,B90x5|A101x1"},
      {"D -B90", 10, "", "B99x1,B97x1,B96x1|A101x1"}}},
    {"a second loss while the snapshot is awaited",
     {{"D B99x1", 5, "?", NULL},
      {"D B98x1", 7, "? seq_dense", NULL},
      {"S B90x1 A101x1", 5, "u?", NULL},
      {"S B90x1 A101x1", 6, "s", "B98x1,B90x1|A101x1"}}},
    {"the exchange's service restarts",
     {{"S B99x1 A101x1", 5, "s", "B99x1|A101x1"},
      {"D B98x1", 6, "", "B99x1,B98x1|A101x1"},
      {"D", 1, "?", NULL},
      {"D B97x1", 2, "?", NULL},
      {"S B96x1 A101x1", 1, "s", "B97x1,B96x1|A101x1"},
      {"D B95x1", 3, "", "B97x1,B96x1,B95x1|A101x1"}}},
    {"another connection needs another snapshot",
     {{"S B99x1 A101x1", 5, "s", "B99x1|A101x1"},
      {"~D B98x1", 6, "?", NULL},
      {"D B97x1", 7, "?", NULL},
      {"S B90x1 A101x1", 6, "s", "B97x1,B90x1|A101x1"}}},
    {"a delta that cannot be decoded",
     {{"S B99x1 A101x1", 5, "s", "B99x1|A101x1"},
      {"!D B98x1", 7, "?", NULL},
      {"S B90x1 A101x1", 5, "u?", NULL},
      {"S B90x1 A101x1", 6, "s", "B98x1,B90x1|A101x1"}}},
    {"after a delta that cannot be decoded no snapshot is known to be new enough",
     {{"S B99x1 A101x1", 5, "s", "B99x1|A101x1"},
      {"D B98x1", 6, "", "B99x1,B98x1|A101x1"},
      {"!S B99x1 B98x1 A101x1", 6, "u?", NULL},
      {"D B97x1", 8, "?", NULL},
      {"S B90x1 A101x1", 7, "s snapshot_reset", "B97x1,B90x1|A101x1"}}},
    {"a delta that broke the book does not wait: an older snapshot lacks it",
     {{"S B99x1 A101x1", 5, "s", "B99x1|A101x1"},
      {"D B102x1", 6, " not_crossed", NULL},
      {"S B99x1 A101x1", 5, "u?", NULL},
      {"S B99x1 A103x1", 6, "s", "B99x1|A103x1"},
      {"D B98x1", 7, "", "B99x1,B98x1|A103x1"}}},
    {"a snapshot that is crossed is used, and broken",
     {{"D B99x1", 5, "?", NULL}, {"S B99x1 A98x1", 5, "s not_crossed", NULL}}},
};

/* The same, with at most four levels a side. */
static const topic_row LIMITED = {
    .name = "depth",
    .pattern = "depth.{symbol}",
    .type = MSG_BOOK_CHANGE,
    .sequence = SEQ_ENVELOPE,
    .snapshot_request = "/book?symbol={symbol}&limit=4",
    .rules = {{RULE_SEQ_DENSE, STRENGTH_ERROR, MEMBER_U}},
};

static const scenario WINDOWS[] = {
    {"beyond the snapshot's last level nothing is known, even if a delta names it",
     {{"S B99x1 B98x1 B97x1 B96x1 A101x1", 5, "s", "B99x1,B98x1,B97x1,B96x1|A101x1"},
      {"D B90x7 A109x2", 6, "", "B99x1,B98x1,B97x1,B96x1|A101x1,A109x2"},
      {"D B96.5x3 -B99 -B98", 7, "", "B97x1,B96.5x3,B96x1|A101x1,A109x2"},
      {"D -B97 -B96.5 -B96 B90.25x1", 8, "", "|A101x1,A109x2"},
      {"D B96x5", 9, "", "B96x5|A101x1,A109x2"}}},
    {"asks are known downward",
     {{"S B99x1 A101x1 A102x1 A103x1 A104x1", 5, "s", "B99x1|A101x1,A102x1,A103x1,A104x1"},
      {"D A105x1 A100x1 B1x1", 6, "", "B99x1,B1x1|A100x1,A101x1,A102x1,A103x1,A104x1"}}},
    {"another snapshot is used once the market is near the end of what is known",
     {{"S B99x1 B98x1 B97x1 B96x1 A101x1", 5, "s", "B99x1,B98x1,B97x1,B96x1|A101x1"},
      {"D -B99 -B98", 6, "", "B97x1,B96x1|A101x1"},
      {"S B97x1 B96x1 B90x7 B89x1 A101x1", 6, "u", "B97x1,B96x1|A101x1"},
      {"D -B97", 7, "", "B96x1|A101x1"},
      {"D -B96 B90x8", 8, "", "|A101x1"},
      {"S B97x1 B96x1 B90x7 B89x1 A101x1", 6, "u", "|A101x1"},
      {"S B96x1 B90x7 B89x1 B88x1 A101x1", 7, "s snapshot_reset", "B90x8,B89x1,B88x1|A101x1"},
      {"D B91x1", 9, "", "B91x1,B90x8,B89x1,B88x1|A101x1"},
      {"S B77x1 A101x1", 9, "u", "B91x1,B90x8,B89x1,B88x1|A101x1"}}},
    {"a snapshot that a client asked for with a lower limit",
     {{"S B99x1 A101x1 A102x1 A103x1 A104x1 A105x1", 5, "s",
       "B99x1|A101x1,A102x1,A103x1,A104x1,A105x1"},
      {"D A106x1 B98x1", 6, "", "B99x1,B98x1|A101x1,A102x1,A103x1,A104x1,A105x1"}}},
};

static void use_to_text(const verdict *v, td_buf *out)
{
    td_buf_clear(out);
    assert_int_equal(td_buf_printf(out, NULL, "%s%s%s", v->is_spliced ? "s" : "",
                                   v->is_unused ? "u" : "", v->unchecked ? "?" : ""),
                     TD_OK);
    assert_int_equal(v->is_snapshot, v->is_spliced);
    for (uint32_t i = 0; i < v->count; i++)
        assert_int_equal(td_buf_printf(out, NULL, " %s", rule_name(v->items[i].rule)), TD_OK);
    assert_int_equal(td_buf_append(out, "", 1, NULL), TD_OK);
}

/* The frame's exchange time is its number. */
static track *apply_step(track *t, const step *s, verdict *out)
{
    book_frame frame;
    book_frame_parse(s->frame + strspn(s->frame, "~!"), &frame);
    if (*s->frame == '~')
        track_reset(t);
    if (*s->frame == '!')
        track_skip(t);
    frame.message.head.u = s->u;
    frame.message.head.has_u = 1;
    frame.message.head.exchange_ns = (uint64_t)s->u;
    const message m = {.book = frame.message};
    track_apply(t, &m, out);
    return t;
}

static void run_scenario(const scenario *c, const topic_row *row, int is_saved)
{
    td_buf text, saved;
    td_buf_init(&text, 4096);
    td_buf_init(&saved, LIMIT_STATE_BYTES);
    track *t = track_open(row);
    for (size_t i = 0; i < STEPS_MAX && c->steps[i].frame != NULL; i++) {
        const step *s = &c->steps[i];
        verdict v;
        t = apply_step(t, s, &v);
        use_to_text(&v, &text);
        if (strcmp((const char *)text.data, s->use) != 0)
            fail_msg("%s: frame %zu: '%s', expected '%s'", c->name, i, (const char *)text.data,
                     s->use);
        if (track_is_broken(t) != (s->book == NULL))
            fail_msg("%s: frame %zu: broken %d", c->name, i, track_is_broken(t));
        td_buf_clear(&text);
        book_to_text(track_book(t), &text);
        if (s->book != NULL && strcmp((const char *)text.data, s->book) != 0)
            fail_msg("%s: frame %zu: the book is '%s', expected '%s'", c->name, i,
                     (const char *)text.data, s->book);
        if (is_saved)
            t = track_reload(t, row, &saved);
    }
    track_close(t);
    td_buf_fini(&text);
    td_buf_fini(&saved);
}

static void test_scenarios(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof SCENARIOS / sizeof *SCENARIOS; i++) {
        run_scenario(&SCENARIOS[i], &ROW, 0);
        run_scenario(&SCENARIOS[i], &ROW, 1);
    }
    for (size_t i = 0; i < sizeof WINDOWS / sizeof *WINDOWS; i++) {
        run_scenario(&WINDOWS[i], &LIMITED, 0);
        run_scenario(&WINDOWS[i], &LIMITED, 1);
    }
}

/* Numbers of deltas that are times: nothing links them, and a snapshot must not be older than the
 * first one that waits. */
static void test_times(void **state)
{
    (void)state;
    static const topic_row TIMES = {
        .name = "diff",
        .pattern = "diff.{symbol}",
        .type = MSG_BOOK_CHANGE,
        .sequence = SEQ_ENVELOPE,
        .snapshot_request = "/book/{symbol}",
        .rules = {{RULE_SEQ_STRICT, STRENGTH_ERROR, MEMBER_U}},
    };
    static const step STEPS[] = {
        {"D B99x1", 10, "?", NULL},
        {"D B98x2", 25, "?", NULL},
        {"S B90x9 A101x1", 9, "u?", NULL},
        {"S B90x9 A101x1", 12, "s", "B98x2,B90x9|A101x1"},
        {"D -B90", 70, "", "B98x2|A101x1"},
        {"D B97x1", 70, " seq_strict", NULL},
        {"D B96x1", 80, "?", NULL},
        {"S B95x1 A101x1", 90, "s snapshot_reset", "B95x1|A101x1"},
        {"D B80x1", 85, "u", "B95x1|A101x1"},
        {"~S B95x1 A101x1", 100, "s", "B95x1|A101x1"},
        {"D B80x1", 95, "u", "B95x1|A101x1"},
        {"D B81x1", 105, "", "B95x1,B81x1|A101x1"},
    };
    td_buf text;
    td_buf_init(&text, 4096);
    track *t = track_open(&TIMES);
    for (size_t i = 0; i < sizeof STEPS / sizeof *STEPS; i++) {
        verdict v;
        t = apply_step(t, &STEPS[i], &v);
        use_to_text(&v, &text);
        assert_string_equal(text.data, STEPS[i].use);
        assert_int_equal(track_is_broken(t), STEPS[i].book == NULL);
        td_buf_clear(&text);
        book_to_text(track_book(t), &text);
        if (STEPS[i].book != NULL)
            assert_string_equal(text.data, STEPS[i].book);
    }
    track_close(t);
    td_buf_fini(&text);
}

/* A snapshot that came late has deltas after it: the book is that of the last of them. */
static void test_late_snapshot_time(void **state)
{
    (void)state;
    static const struct {
        int64_t u;
        uint64_t exchange_ns;
    } SNAPSHOTS[] = {{5, 7}, {6, 7}, {7, 7}, {9, 9}};
    for (size_t i = 0; i < sizeof SNAPSHOTS / sizeof *SNAPSHOTS; i++) {
        verdict v;
        track *t = apply_step(track_open(&ROW), &(step){"D B99x1", 6, NULL, NULL}, &v);
        assert_int_equal(v.exchange_ns, 6);
        t = apply_step(t, &(step){"D B98x1", 7, NULL, NULL}, &v);
        t = apply_step(t, &(step){"S B97x1 A101x1", SNAPSHOTS[i].u, NULL, NULL}, &v);
        assert_true(v.is_spliced);
        assert_int_equal(v.exchange_ns, SNAPSHOTS[i].exchange_ns);
        t = apply_step(t, &(step){"D B96x1", 10, NULL, NULL}, &v);
        assert_int_equal(v.exchange_ns, 10);
        track_close(t);
    }
}

/* Apply a step at an exchange's time in ms (0: unknown). */
static track *apply_at(track *t, const step *s, uint64_t exchange_ms, verdict *out)
{
    book_frame frame;
    book_frame_parse(s->frame, &frame);
    frame.message.head.u = s->u;
    frame.message.head.has_u = 1;
    frame.message.head.exchange_ns = exchange_ms * 1000000;
    const message m = {.book = frame.message};
    track_apply(t, &m, out);
    return t;
}

/* Deltas that a snapshot has already. They are usual if they were made before it, or soon after it.
 * If the snapshot's time is unknown, or in the future, the first delta's time counts. The book is
 * right again when the stream reaches the snapshot, or another snapshot comes. */
static void test_ahead(void **state)
{
    (void)state;
    static const struct {
        uint64_t snapshot_ms, first_ms, last_right_ms;
    } CASES[] = {{20000, 19000, 22000}, {20000, 19999, 22000}, {20000, 60000, 0},
                 {0, 19000, 25000},     {99000, 19000, 25000}, {20000, 1000, 7000}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        verdict v;
        int64_t u = 2;
        const uint64_t last_ms = CASES[i].last_right_ms;
        track *t = apply_at(track_open(&ROW), &(step){"S B99x1 A101x1", 1000, NULL, NULL},
                            CASES[i].snapshot_ms, &v);
        for (uint64_t ms = CASES[i].first_ms; ms <= last_ms + 1000; ms += 500, u++) {
            t = apply_at(t, &(step){"D B98x1", u, NULL, NULL}, ms, &v);
            assert_int_equal(track_is_broken(t), ms > last_ms);
            assert_int_equal(v.is_unused, 1);
        }
        for (; u < 1000; u++)
            t = apply_at(t, &(step){"D B97x1", u, NULL, NULL}, 90000, &v);
        assert_true(track_is_broken(t));
        t = apply_at(t, &(step){"D B96x1", 1000, NULL, NULL}, 90100, &v);
        assert_true(v.unchecked && track_is_broken(t));
        t = apply_at(t, &(step){"D B95x1", 1001, NULL, NULL}, 90200, &v);
        assert_true(v.is_snapshot && v.is_spliced && !v.is_unused && !v.unchecked);
        assert_false(track_is_broken(t));
        assert_int_equal(book_level_count(track_book(t), SIDE_BUY), 2); /* 99, 95 */
        track_close(t);
    }
}

/* A snapshot that is too far ahead is replaced by another one. */
static void test_ahead_replaced(void **state)
{
    (void)state;
    verdict v;
    track *t = apply_at(track_open(&ROW), &(step){"S B99x1 A101x1", 9000, NULL, NULL}, 20000, &v);
    for (int64_t u = 2; u < 200; u++)
        t = apply_at(t, &(step){"D B98x1", u, NULL, NULL}, 20000 + 100 * (uint64_t)u, &v);
    assert_true(track_is_broken(t));
    t = apply_at(t, &(step){"S B90x1 A101x1", 198, NULL, NULL}, 40000, &v);
    assert_true(v.is_spliced && !track_is_broken(t));
    assert_int_equal(book_level_count(track_book(t), SIDE_BUY), 2); /* 98, 90 */
    track_close(t);
}

/* Only so many deltas wait; a snapshot that needs forgotten ones is too old. */
static void test_limits(void **state)
{
    static msg_level levels[DEEP_LEVELS];
    (void)state;
    delta_queue queue = {0};
    for (int64_t u = 1; u <= 3 * DELTA_QUEUE_MAX; u++) {
        delta_queue_push(&queue, &(msg_book){.head = {.u = u}, .levels = levels, .level_count = 1},
                         u - 1);
        assert_in_range(queue.count, 1, DELTA_QUEUE_MAX);
        assert_int_equal(queue.deltas[queue.count - 1].u, u);
        assert_int_equal(queue.deltas[0].u, u - (int64_t)queue.count + 1);
        assert_int_equal(queue.level_count, queue.count);
    }
    for (int64_t u = 1; u <= 100; u++) {
        delta_queue_push(
            &queue, &(msg_book){.head = {.u = u}, .levels = levels, .level_count = DEEP_LEVELS},
            u - 1);
        assert_true(queue.level_count <= DELTA_QUEUE_LEVELS_MAX);
        assert_int_equal(queue.deltas[queue.count - 1].u, u);
    }
    assert_true(queue.count > 4);
    /* A delta of more levels than fit: nothing before it can be used. */
    delta_queue_push(&queue,
                     &(msg_book){.levels = levels, .level_count = DELTA_QUEUE_LEVELS_MAX + 1}, 0);
    assert_int_equal(queue.count, 0);
    delta_queue_fini(&queue);

    track *t = track_open(&ROW);
    verdict v;
    for (int64_t u = 5; u < 5 + 2 * DELTA_QUEUE_MAX; u++)
        apply_step(t, &(step){"D B99x1", u, NULL, NULL}, &v);
    assert_in_range(track_waiting_count(t), DELTA_QUEUE_MAX / 2, DELTA_QUEUE_MAX);
    apply_step(t, &(step){"S B98x1 A101x1", 5, NULL, NULL}, &v);
    assert_true(v.is_unused && track_is_broken(t));
    apply_step(t, &(step){"S B98x1 A101x1", 4 + 2 * DELTA_QUEUE_MAX, NULL, NULL}, &v);
    assert_true(v.is_spliced && !track_is_broken(t));
    track_close(t);
}

/* A state of version 2 has a book of deltas only: it needs a snapshot. */
static void test_version_2_is_read(void **state)
{
    (void)state;
    verdict v;
    td_buf saved;
    td_buf_init(&saved, LIMIT_STATE_BYTES);
    track *t = apply_step(track_open(&ROW), &(step){"S B99x1 A101x1", 5, NULL, NULL}, &v);
    state_io writing = {.out = &saved, .version = TRACK_SPLICED_VERSION};
    track_serialize(t, &writing);
    track_close(t);
    saved.size -= 8 + 4 + 4; /* the snapshot's u, no deltas, no levels */
    state_io reading = {.in = td_buf_view(&saved), .version = TRACK_SPLICED_VERSION - 1};
    t = track_open(&ROW);
    track_serialize(t, &reading);
    assert_false(reading.is_failed);
    assert_int_equal(reading.in.size, 0);
    assert_true(track_is_broken(t));
    assert_false(track_has_snapshot(t));
    track_close(t);
    td_buf_fini(&saved);
}

/* A state of version 3 has no links: a delta follows the number below its own. */
static void test_version_3_is_read(void **state)
{
    (void)state;
    verdict v;
    td_buf saved;
    td_buf_init(&saved, LIMIT_STATE_BYTES);
    track *t = apply_step(track_open(&ROW), &(step){"D B99x1", 5, NULL, NULL}, &v);
    state_io writing = {.out = &saved, .version = DELTA_QUEUE_LINKS_VERSION - 1};
    track_serialize(t, &writing);
    track_close(t);
    state_io reading = {.in = td_buf_view(&saved), .version = DELTA_QUEUE_LINKS_VERSION - 1};
    t = track_open(&ROW);
    track_serialize(t, &reading);
    assert_false(reading.is_failed);
    assert_int_equal(reading.in.size, 0);
    apply_step(t, &(step){"S B90x1 A101x1", 3, NULL, NULL}, &v);
    assert_true(v.is_unused);
    apply_step(t, &(step){"S B90x1 A101x1", 4, NULL, NULL}, &v);
    assert_true(v.is_spliced);
    track_close(t);
    td_buf_fini(&saved);
}

/* A state of version 4 does not have which levels are known: such a book needs a snapshot, one
 * whose snapshots have all levels does not. */
static void test_version_4_is_read(void **state)
{
    (void)state;
    static const topic_row *const ROWS[] = {&ROW, &LIMITED};
    verdict v;
    td_buf saved;
    td_buf_init(&saved, LIMIT_STATE_BYTES);
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        track *t = apply_step(track_open(ROWS[i]), &(step){"S B99x1 A101x1", 5, NULL, NULL}, &v);
        state_io writing = {.out = &saved, .version = TRACK_WINDOW_VERSION - 1};
        td_buf_clear(&saved);
        track_serialize(t, &writing);
        track_close(t);
        state_io reading = {.in = td_buf_view(&saved), .version = TRACK_WINDOW_VERSION - 1};
        t = track_open(ROWS[i]);
        track_serialize(t, &reading);
        assert_false(reading.is_failed);
        assert_int_equal(reading.in.size, 0);
        assert_int_equal(track_is_broken(t), ROWS[i] == &LIMITED);
        assert_int_equal(track_has_snapshot(t), ROWS[i] == &ROW);
        track_close(t);
    }
    td_buf_fini(&saved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scenarios),          cmocka_unit_test(test_times),
        cmocka_unit_test(test_late_snapshot_time), cmocka_unit_test(test_ahead),
        cmocka_unit_test(test_ahead_replaced),     cmocka_unit_test(test_limits),
        cmocka_unit_test(test_version_2_is_read),  cmocka_unit_test(test_version_3_is_read),
        cmocka_unit_test(test_version_4_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
