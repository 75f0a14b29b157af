/* Verdicts, frame by frame. Expected verdicts are written by hand from docs/wire.md 6 and the
 * states in book/continuity.h, never taken from the program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "book/continuity.h"
#include "tests/testing/book_text.h"
#include "tests/testing/track_text.h"

enum { STEPS_MAX = 9, MS = 1000000 };

static const topic_row BOOK_ROW = {
    .name = "book",
    .pattern = "book.{symbol}",
    .type = MSG_BOOK_CHANGE,
    .book_depth = 2,
    .sequence = SEQ_ENVELOPE,
    .rules = {{RULE_SEQ_STRICT, STRENGTH_ERROR, MEMBER_CROSS_SEQ},
              {RULE_TIME_STRICT, STRENGTH_ERROR, MEMBER_NONE},
              {RULE_ANCHORED, STRENGTH_ERROR, MEMBER_NONE},
              {RULE_DELTA_NOT_EMPTY, STRENGTH_ERROR, MEMBER_NONE},
              {RULE_DELETE_EXISTS, STRENGTH_ERROR, MEMBER_NONE},
              {RULE_UPDATE_EXISTS, STRENGTH_ERROR, MEMBER_NONE},
              {RULE_UPDATE_CHANGES, STRENGTH_STATISTIC, MEMBER_NONE},
              {RULE_INSERT_NEW, STRENGTH_ERROR, MEMBER_NONE},
              {RULE_NOT_CROSSED, STRENGTH_ERROR, MEMBER_NONE},
              {RULE_DEPTH, STRENGTH_WARNING, MEMBER_NONE},
              {RULE_SYMBOL_MATCHES, STRENGTH_ERROR, MEMBER_NONE},
              {RULE_SIZE_POSITIVE, STRENGTH_ERROR, MEMBER_NONE}},
};

static const topic_row DENSE_ROW = {
    .name = "orderbook.50",
    .pattern = "orderbook.50.{symbol}",
    .type = MSG_BOOK_CHANGE,
    .sequence = SEQ_ENVELOPE,
    .rules = {{RULE_SEQ_DENSE, STRENGTH_ERROR, MEMBER_U},
              {RULE_SEQ_STRICT, STRENGTH_ERROR, MEMBER_SEQ},
              {RULE_ANCHORED, STRENGTH_ERROR, MEMBER_NONE}},
};

/* orderbook.full: deltas from the start. */
static const topic_row UNANCHORED_ROW = {
    .name = "orderbook.full",
    .pattern = "orderbook.full.{symbol}",
    .type = MSG_BOOK_CHANGE,
    .sequence = SEQ_ENVELOPE,
    .rules = {{RULE_SEQ_DENSE, STRENGTH_ERROR, MEMBER_U},
              {RULE_SEQ_STRICT, STRENGTH_ERROR, MEMBER_SEQ}},
};

/* orderbook.1: every frame is a snapshot; nothing needs to precede it. */
static const topic_row LEVEL1_ROW = {
    .name = "orderbook.1",
    .pattern = "orderbook.1.{symbol}",
    .type = MSG_BOOK_CHANGE,
    .sequence = SEQ_ENVELOPE,
    .rules = {{RULE_SEQ_WEAK, STRENGTH_ERROR, MEMBER_SEQ},
              {RULE_NOT_CROSSED, STRENGTH_ERROR, MEMBER_NONE}},
};

/* The same as in v5's rows: a repeated frame differs from a restart. */
static const topic_row REPEAT_ROW = {
    .name = "orderbook.1",
    .pattern = "orderbook.1.{symbol}",
    .type = MSG_BOOK_CHANGE,
    .book_depth = 1,
    .sequence = SEQ_ENVELOPE,
    .rules = {{RULE_SEQ_STEP, STRENGTH_ERROR, MEMBER_U},
              {RULE_SEQ_WEAK, STRENGTH_ERROR, MEMBER_SEQ},
              {RULE_DEPTH_MAX, STRENGTH_ERROR, MEMBER_NONE},
              {RULE_SNAPSHOT_REPEAT, STRENGTH_STATISTIC, MEMBER_U}},
};

/* v5 books: levels are set or deleted, each entry changes something, and the depth is a maximum. */
static const topic_row WINDOW_ROW = {
    .name = "orderbook.2",
    .pattern = "orderbook.2.{symbol}",
    .type = MSG_BOOK_CHANGE,
    .book_depth = 2,
    .sequence = SEQ_ENVELOPE,
    .rules = {{RULE_SEQ_DENSE, STRENGTH_ERROR, MEMBER_U},
              {RULE_ANCHORED, STRENGTH_ERROR, MEMBER_NONE},
              {RULE_DELETE_EXISTS, STRENGTH_ERROR, MEMBER_NONE},
              {RULE_UPDATE_CHANGES, STRENGTH_ERROR, MEMBER_NONE},
              {RULE_DEPTH_MAX, STRENGTH_ERROR, MEMBER_NONE}},
};

/* Full books without a type. */
static const topic_row FULL_ROW = {
    .name = "depth",
    .pattern = "depth.{symbol}",
    .type = MSG_BOOK_CHANGE,
    .sequence = SEQ_ENVELOPE,
    .items = {{"data.b", ACTION_SET, FRAME_ANY, 0}},
    .rules = {{RULE_VERSION_DIFFERS, STRENGTH_ERROR, MEMBER_NONE},
              {RULE_VERSION_WEAK, STRENGTH_STATISTIC, MEMBER_NONE},
              {RULE_INSERT_NEW, STRENGTH_ERROR, MEMBER_NONE},
              {RULE_NOT_CROSSED, STRENGTH_ERROR, MEMBER_NONE}},
};

/* A frame and its expected verdict. Prefixes of the frame's text: "~" a new connection began, "!"
 * an undecodable frame came before, "*" one entry names another symbol. */
typedef struct step {
    const char *frame;
    int64_t cross_seq, u, seq; /* 0 if absent */
    uint64_t time_ms;
    const char *verdict; /* names of the broken rules in order, or ""; prefix "?": unchecked */
    int is_broken;       /* after the frame */
} step;

typedef struct scenario {
    const char *name;
    const topic_row *row;
    step steps[STEPS_MAX];
} scenario;

static const scenario SCENARIOS[] = {
    {"a sound course: any step size, first delta right after the snapshot",
     &BOOK_ROW,
     {{"S B99x1 B98x1 A101x1 A102x1", 100, 0, 0, 5, "", 0},
      {"D =B99x2", 101, 0, 0, 6, "", 0},
      {"D -B98 +B97x5", 339, 0, 0, 1006, "", 0}}},
    {"delta before the snapshot, each of them",
     &BOOK_ROW,
     {{"D =B99x2", 101, 0, 0, 6, "?anchored", 1},
      {"D =B99x3", 102, 0, 0, 7, "?anchored", 1},
      {"S B99x1 B98x1 A101x1 A102x1", 100, 0, 0, 5, "", 0}}},
    {"repeated frame",
     &BOOK_ROW,
     {{"S B99x1 B98x1 A101x1 A102x1", 100, 0, 0, 5, "", 0},
      {"D -B98 +B97x5", 101, 0, 0, 6, "", 0},
      {"D -B98 +B97x5", 101, 0, 0, 6, "seq_strict time_strict delete_exists insert_new", 1},
      {"D =B97x6", 102, 0, 0, 7, "?", 1},
      {"S B99x1 B98x1 A101x1 A102x1", 102, 0, 0, 6, "snapshot_reset", 0}}},
    {"swapped frames: each fall is one violation",
     &BOOK_ROW,
     {{"S B99x1 B98x1 A101x1 A102x1", 100, 0, 0, 5, "", 0},
      {"D =B99x3", 102, 0, 0, 7, "", 0},
      {"D =B99x2", 101, 0, 0, 6, "seq_strict time_strict", 1},
      {"D =B99x4", 103, 0, 0, 8, "?", 1}}},
    {"broken content is judged once, order is still judged",
     &BOOK_ROW,
     {{"S B99x1 B98x1 A101x1 A102x1", 100, 0, 0, 5, "", 0},
      {"D -B97", 101, 0, 0, 6, "delete_exists", 1},
      {"D -B97 =B50x1", 102, 0, 0, 7, "?", 1},
      {"D =B99x9", 102, 0, 0, 8, "?seq_strict", 1}}},
    {"a delta that lost its entries; a snapshot may have none",
     &BOOK_ROW,
     {{"S", 100, 0, 0, 5, "", 0},
      {"S B99x1 B98x1 A101x1 A102x1", 101, 0, 0, 6, "snapshot_reset", 0},
      {"D", 102, 0, 0, 7, "delta_not_empty", 1}}},
    {"update of a level that is not there",
     &BOOK_ROW,
     {{"S B99x1 B98x1 A101x1 A102x1", 100, 0, 0, 5, "", 0},
      {"D =B97x1", 101, 0, 0, 6, "update_exists depth", 1}}},
    {"insert of a level that is there",
     &BOOK_ROW,
     {{"S B99x1 B98x1 A101x1 A102x1", 100, 0, 0, 5, "", 0},
      {"D +A101x5", 101, 0, 0, 6, "insert_new", 1}}},
    {"an update that changes nothing is a statistic",
     &BOOK_ROW,
     {{"S B99x1 B98x1 A101x1 A102x1", 100, 0, 0, 5, "", 0},
      {"D =B99x1.0", 101, 0, 0, 6, "update_changes", 0}}},
    {"crossed book, also by equal prices",
     &BOOK_ROW,
     {{"S B99x1 B98x1 A101x1 A102x1", 100, 0, 0, 5, "", 0},
      {"D -B98 +B101x5", 101, 0, 0, 6, "not_crossed", 1},
      {"S B99x1 B98x1 A99x1 A102x1", 102, 0, 0, 7, "not_crossed snapshot_reset", 1}}},
    {"exchange time fell, numbers did not",
     &BOOK_ROW,
     {{"S B99x1 B98x1 A101x1 A102x1", 100, 0, 0, 5, "", 0},
      {"D =B99x2", 101, 0, 0, 9, "", 0},
      {"D =B99x3", 102, 0, 0, 8, "time_strict", 1}}},
    {"a number or time that is missing binds nothing, and does not wipe what was there",
     &BOOK_ROW,
     {{"S B99x1 B98x1 A101x1 A102x1", 100, 0, 0, 5, "", 0},
      {"D =B99x2", 0, 0, 0, 0, "", 0},
      {"D =B99x3", 100, 0, 0, 6, "seq_strict", 1}}},
    {"windowed depth: too many, then too few after enough; a thin snapshot is fine",
     &BOOK_ROW,
     {{"S B99x1 A101x1 A102x1", 100, 0, 0, 5, "", 0},
      {"D +B98x1", 101, 0, 0, 6, "", 0},
      {"D +B97x1", 102, 0, 0, 7, "depth", 0},
      {"D =B97x2", 103, 0, 0, 8, "", 0},
      {"D -B97", 104, 0, 0, 9, "", 0},
      {"D -B98", 105, 0, 0, 10, "depth", 0},
      {"D =B99x7", 106, 0, 0, 11, "", 0}}},
    {"an entry of another symbol",
     &BOOK_ROW,
     {{"S B99x1 B98x1 A101x1 A102x1", 100, 0, 0, 5, "", 0},
      {"*D =B99x2", 101, 0, 0, 6, "symbol_matches", 1}}},
    {"a size of zero",
     &BOOK_ROW,
     {{"S B99x1 B98x1 A101x1 A102x1", 100, 0, 0, 5, "", 0},
      {"D =B99x0", 101, 0, 0, 6, "size_positive", 1}}},
    {"a level that no scale fits, beside one that fills 64 bits",
     &BOOK_ROW,
     {{"S B99x9223372036854775807 B98x1 A101x1 A102x1", 100, 0, 0, 5, "", 0},
      {"D =B98x0.5", 101, 0, 0, 6, "book_fits", 1}}},
    {"a new connection: nothing binds, a snapshot is needed again",
     &BOOK_ROW,
     {{"S B99x1 B98x1 A101x1 A102x1", 100, 0, 0, 5, "", 0},
      {"D =B99x2", 101, 0, 0, 6, "", 0},
      {"~S B99x1 B98x1 A101x1 A102x1", 50, 0, 0, 2, "", 0},
      {"D =B99x2", 51, 0, 0, 3, "", 0},
      {"~D =B99x3", 7, 0, 0, 1, "?anchored", 1}}},
    {"a frame that could not be decoded breaks the book, and is no hole in the numbers",
     &DENSE_ROW,
     {{"S B99x1 A101x1", 0, 7, 70, 5, "", 0},
      {"D B99x2", 0, 8, 75, 6, "", 0},
      {"!D B99x3", 0, 10, 80, 7, "?", 1},
      {"D B99x3", 0, 12, 79, 7, "?seq_dense seq_strict", 1}}},
    {"u: a hole is a loss; a snapshot or 1 restarts it",
     &DENSE_ROW,
     {{"S B99x1 A101x1", 0, 7, 70, 5, "", 0},
      {"D B99x2", 0, 8, 75, 6, "", 0},
      {"D B99x3", 0, 10, 76, 7, "seq_dense", 1},
      {"D B99x4", 0, 11, 77, 8, "?", 1},
      {"S B99x1 A101x1", 0, 1, 3, 9, "snapshot_reset", 0},
      {"D B99x2", 0, 2, 4, 10, "", 0},
      {"D B99x2", 0, 1, 5, 11, "snapshot_reset", 0},
      {"D B99x2", 0, 9223372036854775807, 6, 11, "seq_dense", 1}}},
    {"level 1: re-sent snapshots with equal numbers are fine, a fall is not",
     &LEVEL1_ROW,
     {{"S B99x1 A101x1", 0, 7, 70, 5, "", 0},
      {"S B99x1 A101x1", 0, 7, 70, 6, "", 0},
      {"S B99x2 A101x1", 0, 8, 69, 7, "seq_weak", 1},
      {"S B99x2 A101x1", 0, 9, 71, 8, "", 0}}},
    {"level 1: u stays or rises by one; a loss is mended by the frame that shows it",
     &REPEAT_ROW,
     {{"S B99x1 A101x1", 0, 7, 70, 5, "", 0},
      {"S B99x1 A101x1", 0, 7, 70, 6, "snapshot_repeat", 0},
      {"S B99x2 A101x1", 0, 8, 71, 7, "", 0},
      {"S B99x3 A101x1", 0, 10, 71, 8, "seq_step", 0},
      {"S B99x2 A101x1", 0, 9, 71, 8, "seq_step", 1},
      {"S B99x4 B98x1 A101x1", 0, 10, 72, 9, "depth_max", 1},
      {"S B99x4 A101x1", 0, 1, 72, 9, "", 0},
      {"~S B99x4 A101x1", 0, 40, 3, 9, "", 0}}},
    {"a loss mends nothing else: a book that is crossed as well is broken",
     &REPEAT_ROW,
     {{"S B99x1 A101x1", 0, 7, 70, 5, "", 0},
      {"S B99x1 B98x1 A101x1", 0, 9, 71, 6, "seq_step depth_max", 1},
      {"S B99x1 A101x1", 0, 12, 69, 7, "seq_step seq_weak", 1},
      {"S B99x1 A101x1", 0, 13, 70, 8, "", 0}}},
    {"deltas without a snapshot: u 1 restarts it",
     &UNANCHORED_ROW,
     {{"D B99x1", 0, 57, 70, 5, "", 0},
      {"D B99x2", 0, 1, 3, 4, "", 0},
      {"D B99x3", 0, 2, 4, 5, "", 0},
      {"D B99x4", 0, 4, 5, 6, "seq_dense", 1},
      {"D B99x5", 0, 5, 6, 7, "?", 1},
      {"D B99x6", 0, 1, 7, 8, "", 0}}},
    {"v5: an entry that changes nothing, a level too many",
     &WINDOW_ROW,
     {{"S B99x1 B98x1 A101x1", 0, 7, 70, 5, "", 0},
      {"D A102x1", 0, 8, 70, 5, "", 0},
      {"D B99x1.0", 0, 9, 70, 5, "update_changes", 1},
      {"S B99x1 B98x1 A101x1", 0, 10, 70, 5, "snapshot_reset", 0},
      {"D B97x1", 0, 11, 70, 5, "depth_max", 1},
      {"S B99x1 B98x1 A101x1", 0, 12, 70, 5, "snapshot_reset", 0},
      {"D -A103", 0, 13, 70, 5, "delete_exists", 1}}},
};

static void step_message(const step *s, book_frame *frame, message *out)
{
    book_frame_parse(s->frame + strspn(s->frame, "~!*"), frame);
    msg_head *head = &frame->message.head;
    head->cross_seq = s->cross_seq;
    head->has_cross_seq = s->cross_seq != 0;
    head->u = s->u;
    head->has_u = s->u != 0;
    head->seq = s->seq;
    head->has_seq = s->seq != 0;
    head->exchange_ns = s->time_ms * MS;
    head->foreign_symbols = *s->frame == '*';
    *out = (message){.book = frame->message};
}

static void run_scenario(const scenario *c, td_buf *text)
{
    track *t = track_open(c->row);
    for (size_t i = 0; i < STEPS_MAX && c->steps[i].frame != NULL; i++) {
        const step *s = &c->steps[i];
        if (*s->frame == '~')
            track_reset(t);
        if (*s->frame == '!')
            track_skip(t);
        book_frame frame;
        message m;
        step_message(s, &frame, &m);
        verdict v;
        track_apply(t, &m, &v);
        verdict_to_text(&v, text);
        if (strcmp((const char *)text->data, s->verdict) != 0)
            fail_msg("%s: frame %zu: verdict is '%s', expected '%s'", c->name, i,
                     (const char *)text->data, s->verdict);
        if (track_is_broken(t) != s->is_broken)
            fail_msg("%s: frame %zu: broken %d", c->name, i, track_is_broken(t));
    }
    track_close(t);
}

static void test_scenarios(void **state)
{
    (void)state;
    td_buf text;
    td_buf_init(&text, 4096);
    for (size_t i = 0; i < sizeof SCENARIOS / sizeof *SCENARIOS; i++)
        run_scenario(&SCENARIOS[i], &text);
    td_buf_fini(&text);
}

/* Consecutive whole books without a type: each replaces the last, and its version shows that it is
 * a new one (docs/wire.md 6.6). */
static void test_full_books(void **state)
{
    (void)state;
    static const struct {
        const char *frame, *version, *verdict, *levels;
    } STEPS[] = {
        {"D B99x1 A101x1", "100_7", "", "B99x1|A101x1"},
        {"D B98x1 A101x1", "100_8", "", "B98x1|A101x1"},
        {"D B98x1 A101x1", "100_8", "version_differs", "B98x1|A101x1"},
        {"D B98x1 A101x1", "99_12", "version_weak", "B98x1|A101x1"},
        {"D B98x1 A97x1", "100_9", "not_crossed", "B98x1|A97x1"},
        {"D B96x1 A97x1", "100_10", "", "B96x1|A97x1"},
        {"D B96x1 B96x2", "100_10_1", "insert_new", "B96x2|"},
    };
    track *t = track_open(&FULL_ROW);
    td_buf text;
    td_buf_init(&text, 4096);
    for (size_t i = 0; i < sizeof STEPS / sizeof *STEPS; i++) {
        book_frame frame;
        book_frame_parse(STEPS[i].frame, &frame);
        frame.message.head.kind = FRAME_UNTYPED;
        frame.message.head.version = td_bytes_str(STEPS[i].version);
        message m = {.book = frame.message};
        verdict v;
        track_apply(t, &m, &v);
        verdict_to_text(&v, &text);
        assert_string_equal((const char *)text.data, STEPS[i].verdict);
        td_buf_clear(&text);
        book_to_text(track_book(t), &text);
        assert_string_equal((const char *)text.data, STEPS[i].levels);
    }
    td_buf_fini(&text);
    track_close(t);
}

/* A topic whose row changed: the book stays, the new row's rules apply. */
static void test_row_change_keeps_book(void **state)
{
    (void)state;
    static const step STEPS[] = {
        {"S B99x1 B98x1 A101x1 A102x1", 0, 7, 70, 5, "", 0},
        {"D B99x1", 0, 8, 71, 5, "", 0}, /* DENSE_ROW has no rule against this */
        {"D B99x1", 0, 9, 72, 5, "update_changes", 1},
    };
    track *t = track_open(&DENSE_ROW);
    td_buf text;
    td_buf_init(&text, 4096);
    for (size_t i = 0; i < sizeof STEPS / sizeof *STEPS; i++) {
        book_frame frame;
        message m;
        step_message(&STEPS[i], &frame, &m);
        if (i == 2)
            track_set_row(t, &WINDOW_ROW);
        verdict v;
        track_apply(t, &m, &v);
        verdict_to_text(&v, &text);
        assert_string_equal((const char *)text.data, STEPS[i].verdict);
        assert_int_equal(book_level_count(track_book(t), SIDE_BUY), 2);
    }
    td_buf_fini(&text);
    track_close(t);
}

/* The contents of a verdict about a violation; warnings and statistics are not violations. */
static void test_violation(void **state)
{
    (void)state;
    static const step STEPS[] = {
        {"S B99x1 B98x1 A101x1 A102x1", 100, 0, 0, 5, "", 0},
        {"D =B99x1 +B97x1", 101, 0, 0, 6, "", 0},
        {"D =B99x3", 40, 0, 0, 7, "", 0},
    };
    track *t = track_open(&BOOK_ROW);
    verdict v;
    for (size_t i = 0; i < 3; i++) {
        book_frame frame;
        message m;
        step_message(&STEPS[i], &frame, &m);
        track_apply(t, &m, &v);
        if (i == 1) {
            assert_int_equal(v.count, 2);
            assert_null(verdict_violation(&v));
            assert_int_equal(v.items[1].rule, RULE_DEPTH);
            assert_int_equal(v.items[1].expected, 2);
            assert_int_equal(v.items[1].found, 3);
        }
    }
    const verdict_item *violation = verdict_violation(&v);
    assert_non_null(violation);
    assert_int_equal(violation->rule, RULE_SEQ_STRICT);
    assert_int_equal(violation->expected, 101);
    assert_int_equal(violation->found, 40);
    track_seqs last;
    track_last(t, &last);
    assert_true(last.has_cross_seq && !last.has_u && !last.has_seq);
    assert_int_equal(last.cross_seq, 40);
    track_close(t);
}

/* ---- trades ---- */

static const topic_row TRADE_ROW = {
    .name = "trade",
    .pattern = "trade.{symbol}",
    .type = MSG_TRADE,
    .sequence = SEQ_ITEM,
    .rules = {{RULE_SEQ_STRICT, STRENGTH_ERROR, MEMBER_CROSS_SEQ},
              {RULE_SEQ_FRAME_EQUAL, STRENGTH_ERROR, MEMBER_CROSS_SEQ},
              {RULE_TIME_WEAK, STRENGTH_ERROR, MEMBER_NONE}},
};

enum { TRADES_MAX = 3 };

typedef struct trade_step {
    int64_t cross_seq[TRADES_MAX]; /* a 0 ends the frame */
    uint64_t time_ms[TRADES_MAX];
    const char *verdict;
} trade_step;

/* docs/wire.md 6.2: equal inside a frame, strictly up between frames; times never fall. */
static const trade_step TRADE_STEPS[] = {
    {{10}, {1000}, ""},
    {{12, 12, 12}, {1000, 1003, 1007}, ""},
    {{13, 14}, {1007, 1007}, "seq_frame_equal"},
    {{14}, {1008}, "seq_strict"},
    {{15}, {1007}, "time_weak"},
    {{16, 16}, {1009, 1008}, "time_weak"},
    {{17}, {1008}, ""},
};

static void trade_message(const trade_step *s, msg_trade trades[TRADES_MAX], message *out)
{
    size_t count = 0;
    for (; count < TRADES_MAX && s->cross_seq[count] != 0; count++)
        trades[count] = (msg_trade){.cross_seq = s->cross_seq[count],
                                    .has_cross_seq = 1,
                                    .exchange_ns = s->time_ms[count] * MS};
    *out = (message){.trades = {.head = {.type = MSG_TRADE, .exchange_ns = s->time_ms[0] * MS},
                                .trades = trades,
                                .trade_count = count}};
}

static void test_trades(void **state)
{
    (void)state;
    track *t = track_open(&TRADE_ROW);
    assert_null(track_book(t));
    td_buf text;
    td_buf_init(&text, 4096);
    for (size_t i = 0; i < sizeof TRADE_STEPS / sizeof *TRADE_STEPS; i++) {
        msg_trade trades[TRADES_MAX];
        message m;
        trade_message(&TRADE_STEPS[i], trades, &m);
        verdict v;
        track_apply(t, &m, &v);
        verdict_to_text(&v, &text);
        if (strcmp((const char *)text.data, TRADE_STEPS[i].verdict) != 0)
            fail_msg("trade frame %zu: verdict is '%s'", i, (const char *)text.data);
        /* frames do not depend on each other, so broken only describes the last one */
        if (track_is_broken(t) != (verdict_violation(&v) != NULL))
            fail_msg("trade frame %zu: broken %d", i, track_is_broken(t));
    }
    td_buf_fini(&text);
    track_close(t);
}

/* ---- other topics ---- */

static const topic_row CANDLE_ROW = {
    .name = "candle.1",
    .pattern = "candle.1.{symbol}",
    .type = MSG_KLINE,
    .sequence = SEQ_ITEM,
    .rules = {{RULE_SEQ_WEAK, STRENGTH_ERROR, MEMBER_CROSS_SEQ}},
};

/* A sequence number inside the entries of a record topic. */
static void test_record(void **state)
{
    (void)state;
    static const struct {
        int64_t seqs[2];
        const char *verdict;
    } STEPS[] = {{{5, 5}, ""}, {{5, 6}, ""}, {{5, 7}, "seq_weak"}, {{9, 8}, "seq_weak"}};
    track *t = track_open(&CANDLE_ROW);
    td_buf text;
    td_buf_init(&text, 4096);
    for (size_t i = 0; i < sizeof STEPS / sizeof *STEPS; i++) {
        msg_value values[2] = {
            {MEMBER_CROSS_SEQ, VALUE_INTEGER, .as = {.integer = STEPS[i].seqs[0]}},
            {MEMBER_CROSS_SEQ, VALUE_INTEGER, .as = {.integer = STEPS[i].seqs[1]}}};
        msg_item items[2] = {{ACTION_NONE, &values[0], 1, 0}, {ACTION_NONE, &values[1], 1, 0}};
        message m = {.record = {.head = {.type = MSG_KLINE}, .items = items, .item_count = 2}};
        verdict v;
        track_apply(t, &m, &v);
        verdict_to_text(&v, &text);
        assert_string_equal((const char *)text.data, STEPS[i].verdict);
    }
    td_buf_fini(&text);
    track_close(t);
}

/* All rules that compare numbers use the same text. */
static void test_texts(void **state)
{
    (void)state;
    static const struct {
        verdict_item item;
        const char *text;
        int64_t lost;
    } ROWS[] = {
        {{RULE_SEQ_DENSE, STRENGTH_ERROR, 64755, 64756}, "expected 64755, found 64756: 1 lost", 1},
        {{RULE_SEQ_STEP, STRENGTH_ERROR, 7, 10}, "expected 7, found 10: 3 lost", 3},
        {{RULE_SEQ_DENSE, STRENGTH_ERROR, 8, 7}, "expected 8, found 7", -1},
        {{RULE_SEQ_DENSE, STRENGTH_WARNING, 8, 9}, "expected 8, found 9: 1 lost", 0},
        {{RULE_SEQ_DENSE, STRENGTH_ERROR, INT64_MIN, INT64_MAX},
         "expected -9223372036854775808, found 9223372036854775807",
         0},
        {{RULE_PREV_LINKS, STRENGTH_ERROR, 20, 30}, "it follows 30, the frame before is 20", 0},
        {{RULE_SEQ_STRICT, STRENGTH_ERROR, 5, 5}, "expected above 5, found 5", 0},
        {{RULE_TIME_WEAK, STRENGTH_ERROR, 5, 4}, "expected at least 5, found 4", 0},
        {{RULE_DEPTH, STRENGTH_ERROR, 25, 24}, "expected 25, found 24", 0},
        {{RULE_DEPTH_MAX, STRENGTH_ERROR, 50, 51}, "expected at most 50, found 51", 0},
        {{RULE_DELETE_EXISTS, STRENGTH_ERROR, 0, 1}, "in 1 entry", 0},
        {{RULE_ID_UNIQUE, STRENGTH_ERROR, 0, 2}, "in 2 entries", 0},
        {{RULE_ANCHORED, STRENGTH_ERROR, 0, 0}, "", 0},
        {{RULE_BOOKS_AGREE, STRENGTH_ERROR, 4, 5}, "equal at 4, not at 5", 0},
        {{RULE_TRADES_COMPLETE, STRENGTH_ERROR, 150000000, 100000000},
         "the candle grew by 1.5, the trades that came add 1",
         0},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        char text[VERDICT_TEXT_BYTES];
        const verdict v = {.count = 1, .items = {ROWS[i].item}};
        verdict_item_text(&ROWS[i].item, text);
        assert_string_equal(text, ROWS[i].text);
        assert_int_equal(verdict_frames_lost(&v), ROWS[i].lost);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scenarios),
        cmocka_unit_test(test_full_books),
        cmocka_unit_test(test_row_change_keeps_book),
        cmocka_unit_test(test_violation),
        cmocka_unit_test(test_trades),
        cmocka_unit_test(test_record),
        cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
