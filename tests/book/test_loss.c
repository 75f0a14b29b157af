/* How many losses the rules find: drop, repeat or swap one frame of the recorded books and replay
 * the rest (docs/wire.md 6.4). The numbers are from tests/book/loss_expected.py, which shares no
 * code with the program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "book/continuity.h"
#include "schema/decode.h"
#include "tests/testing/capture.h"
#include "tests/testing/capture_tape.h"

enum { BOOKS_MAX = 16, BOOK_FRAMES_MAX = 2048 };

typedef enum change { CHANGE_DROP, CHANGE_REPEAT, CHANGE_SWAP, CHANGE_COUNT } change;

typedef struct experiment {
    const char *capture;
    const char *family;
    change change;
    /* Number of trials by the first broken rule (RULE_NONE: nothing found), for frames with deletes
     * or inserts, and for frames with updates only. */
    uint32_t structural[RULE_COUNT];
    uint32_t update_only[RULE_COUNT];
} experiment;

#define INVERSE "inverse-2021-04-17.jsonl.gz", "inverse"
#define LINEAR  "linear-2021-04-17.jsonl.gz", "linear"

static const experiment EXPERIMENTS[] = {
    {INVERSE,
     CHANGE_DROP,
     {[RULE_DELETE_EXISTS] = 21,
      [RULE_INSERT_NEW] = 7,
      [RULE_NONE] = 1,
      [RULE_NOT_CROSSED] = 3,
      [RULE_UPDATE_CHANGES] = 1,
      [RULE_UPDATE_EXISTS] = 11},
     {[RULE_NONE] = 250, [RULE_UPDATE_CHANGES] = 45}},
    {INVERSE, CHANGE_REPEAT, {[RULE_SEQ_STRICT] = 44}, {[RULE_SEQ_STRICT] = 295}},
    {INVERSE,
     CHANGE_SWAP,
     {[RULE_DELETE_EXISTS] = 5,
      [RULE_INSERT_NEW] = 1,
      [RULE_NOT_CROSSED] = 2,
      [RULE_SEQ_STRICT] = 29,
      [RULE_UPDATE_EXISTS] = 7},
     {[RULE_SEQ_STRICT] = 287, [RULE_UPDATE_CHANGES] = 8}},
    {LINEAR,
     CHANGE_DROP,
     {[RULE_DELETE_EXISTS] = 66,
      [RULE_INSERT_NEW] = 31,
      [RULE_NONE] = 3,
      [RULE_NOT_CROSSED] = 11,
      [RULE_UPDATE_CHANGES] = 14,
      [RULE_UPDATE_EXISTS] = 31},
     {[RULE_NONE] = 122, [RULE_UPDATE_CHANGES] = 36}},
    {LINEAR, CHANGE_REPEAT, {[RULE_SEQ_STRICT] = 156}, {[RULE_SEQ_STRICT] = 158}},
    {LINEAR,
     CHANGE_SWAP,
     {[RULE_DELETE_EXISTS] = 37,
      [RULE_INSERT_NEW] = 14,
      [RULE_NOT_CROSSED] = 9,
      [RULE_SEQ_STRICT] = 75,
      [RULE_UPDATE_CHANGES] = 7,
      [RULE_UPDATE_EXISTS] = 14},
     {[RULE_SEQ_STRICT] = 148, [RULE_UPDATE_CHANGES] = 9}},
};

/* The frames of one book, in order. */
typedef struct recorded_book {
    const frame_channel *channel;
    const frame_ref *frames[BOOK_FRAMES_MAX];
    size_t count;
} recorded_book;

static size_t gather_books(const capture_tape *from, recorded_book *books)
{
    size_t count = 0;
    for (size_t i = 0; i < from->frame_count; i++) {
        const frame_ref *frame = &from->frames[i];
        const topic_row *row = frame->channel->topic.row;
        if (row == NULL || row->type != MSG_BOOK_CHANGE)
            continue;
        size_t at = 0;
        while (at < count && books[at].channel != frame->channel)
            at++;
        assert_true(at < BOOKS_MAX);
        if (at == count)
            books[count++] = (recorded_book){.channel = frame->channel};
        assert_true(books[at].count < BOOK_FRAMES_MAX);
        books[at].frames[books[at].count++] = frame;
    }
    return count;
}

static void decode(decoder *d, const frame_ref *frame, message *out)
{
    decode_error why;
    assert_true(
        decoder_decode(d, &frame->channel->topic, frame->bytes, DECODE_PATH_FAST, out, &why));
}

/* Applies a frame; returns the first broken rule, or RULE_NONE. */
static rule_id apply(track *t, decoder *d, const frame_ref *frame)
{
    message m;
    decode(d, frame, &m);
    verdict v;
    track_apply(t, &m, &v);
    const verdict_item *violation = verdict_violation(&v);
    return violation == NULL ? RULE_NONE : violation->rule;
}

/* The index of the i-th frame after the change at `at`; SIZE_MAX after the last. */
static size_t changed_index(size_t i, size_t at, size_t count, change how)
{
    size_t index = i;
    if (how == CHANGE_DROP && i >= at)
        index = i + 1;
    if (how == CHANGE_REPEAT && i > at)
        index = i - 1;
    if (how == CHANGE_SWAP && i == at)
        index = at + 1;
    if (how == CHANGE_SWAP && i == at + 1)
        index = at;
    return index < count ? index : SIZE_MAX;
}

static rule_id trial(const recorded_book *b, decoder *d, size_t at, change how)
{
    track *t;
    t = track_open(b->channel->topic.row);
    rule_id found = RULE_NONE;
    for (size_t i = 0; found == RULE_NONE; i++) {
        size_t index = changed_index(i, at, b->count, how);
        if (index == SIZE_MAX)
            break;
        found = apply(t, d, b->frames[index]);
    }
    track_close(t);
    return found;
}

static int is_structural(const message *m)
{
    for (size_t i = 0; i < m->book.level_count; i++) {
        if (m->book.levels[i].action != ACTION_UPDATE)
            return 1;
    }
    return 0;
}

static void run_book(const recorded_book *b, decoder *d, experiment *got)
{
    size_t delta = 0;
    for (size_t at = 0; at < b->count; at++) {
        message m;
        decode(d, b->frames[at], &m);
        if (m.head.kind != FRAME_DELTA || delta++ % 3 != 0)
            continue;
        if (got->change == CHANGE_SWAP && at + 1 == b->count)
            continue;
        uint32_t *table = is_structural(&m) ? got->structural : got->update_only;
        table[trial(b, d, at, got->change)]++;
    }
}

static void compare(const experiment *expected, const experiment *got)
{
    for (size_t rule = 0; rule < RULE_COUNT; rule++) {
        if (got->structural[rule] != expected->structural[rule] ||
            got->update_only[rule] != expected->update_only[rule])
            fail_msg("%s, change %d, %s: %u and %u, expected %u and %u", expected->capture,
                     (int)expected->change, rule_name((rule_id)rule), got->structural[rule],
                     got->update_only[rule], expected->structural[rule],
                     expected->update_only[rule]);
    }
}

static void test_experiments(void **state)
{
    (void)state;
    static recorded_book books[BOOKS_MAX];
    decoder *d;
    capture_recorded_or_skip();
    /* First, because a skipped test frees nothing. */
    for (size_t i = 0; i < sizeof EXPERIMENTS / sizeof *EXPERIMENTS; i++)
        (void)capture_path_or_skip(EXPERIMENTS[i].capture);
    d = decoder_open();
    for (size_t i = 0; i < sizeof EXPERIMENTS / sizeof *EXPERIMENTS; i++) {
        const experiment *expected = &EXPERIMENTS[i];
        capture_tape loaded;
        capture_tape_load(&loaded, expected->capture, expected->family);
        size_t count = gather_books(&loaded, books);
        experiment got = {.change = expected->change};
        for (size_t k = 0; k < count; k++)
            run_book(&books[k], d, &got);
        compare(expected, &got);
        capture_tape_fini(&loaded);
    }
    decoder_close(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_experiments)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
