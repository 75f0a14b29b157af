/* Frames that name the frame before them, as three exchanges do it. Expected verdicts are written
 * by hand from the exchanges' documentation: OKX (seqId, prevSeqId), Deribit (change_id,
 * prev_change_id), Binance USD-M futures (u, pu). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/json/json.h"
#include "base/limits.h"
#include "book/continuity.h"
#include "book/proof.h"
#include "tests/testing/book_text.h"
#include "tests/testing/capture.h"
#include "tests/testing/track_text.h"

enum { STEPS_MAX = 9, FRAMES_MAX = 1024, SYMBOLS_MAX = 16 };

static const field_row SEQ[] = {{MEMBER_SEQ, "seqId", FIELD_INTEGER, UNIT_NONE, 0, 0},
                                {MEMBER_PREV_SEQ, "prevSeqId", FIELD_INTEGER, UNIT_NONE, 0, 0}};
static const field_row U[] = {{MEMBER_U, "u", FIELD_INTEGER, UNIT_NONE, 0, 0},
                              {MEMBER_PREV_SEQ, "pu", FIELD_INTEGER, UNIT_NONE, 0, 0}};

#define CHAINED(numbers)                                                                           \
    .name = "books", .pattern = "books.{symbol}", .type = MSG_BOOK_CHANGE,                         \
    .sequence = SEQ_ENVELOPE, .envelope = (numbers),                                               \
    .envelope_count = sizeof(numbers) / sizeof(numbers)[0]

static const topic_row ANCHORED = {
    CHAINED(SEQ),
    .rules = {{RULE_PREV_LINKS, STRENGTH_ERROR, MEMBER_PREV_SEQ},
              {RULE_ANCHORED, STRENGTH_ERROR, MEMBER_NONE},
              {RULE_DELETE_EXISTS, STRENGTH_ERROR, MEMBER_NONE}},
};
/* The snapshot is an HTTP reply, which has no frame before it. */
static const topic_row FETCHED = {
    CHAINED(U),
    .snapshot_request = "/depth?symbol={symbol}",
    .rules = {{RULE_PREV_LINKS, STRENGTH_ERROR, MEMBER_PREV_SEQ}},
};
/* Every frame is a whole book. */
static const topic_row WHOLE = {
    CHAINED(SEQ),
    .items = {{"data.b", ACTION_SET, FRAME_ANY, 0}},
    .rules = {{RULE_PREV_LINKS, STRENGTH_ERROR, MEMBER_PREV_SEQ}},
};
static const topic_row WARNED = {
    CHAINED(SEQ),
    .rules = {{RULE_PREV_LINKS, STRENGTH_WARNING, MEMBER_PREV_SEQ}},
};

/* Rules about levels, over a snapshot in the stream and over a fetched one. */
#define LEVEL_RULES                                                                                \
    {RULE_PREV_LINKS, STRENGTH_ERROR, MEMBER_PREV_SEQ},                                            \
        {RULE_DELETE_EXISTS, STRENGTH_ERROR, MEMBER_NONE},                                         \
        {RULE_UPDATE_CHANGES, STRENGTH_ERROR, MEMBER_NONE},                                        \
    {                                                                                              \
        RULE_NOT_CROSSED, STRENGTH_ERROR, MEMBER_NONE                                              \
    }
static const topic_row LEVELS = {
    CHAINED(SEQ),
    .rules = {LEVEL_RULES, {RULE_ANCHORED, STRENGTH_ERROR, MEMBER_NONE}},
};
static const topic_row FETCHED_LEVELS = {
    CHAINED(U),
    .snapshot_request = "/depth?symbol={symbol}",
    .rules = {LEVEL_RULES},
};

#define NONE INT64_MIN /* the frame names none */

/* A frame and its expected verdict. Prefixes of the frame's text: "~" a new connection began, "!"
 * an undecodable frame came before; "U" instead of "S" or "D": the frame has no kind. */
typedef struct step {
    const char *frame;
    int64_t number, prev;
    const char *verdict; /* names of the broken rules, in order; prefix "?": unchecked */
    int is_broken;       /* after the frame */
} step;

typedef struct scenario {
    const char *name;
    const topic_row *row;
    step steps[STEPS_MAX];
} scenario;

static const scenario SCENARIOS[] = {
    {"numbers are ids: steps of any size",
     &ANCHORED,
     {{"S B99x1 A101x1", 123456, -1, "", 0},
      {"D B98x1", 123460, 123456, "", 0},
      {"D B97x1", 999999, 123460, "", 0}}},
    {"a frame is lost: found by the next one, once; the book is broken until the next snapshot",
     &ANCHORED,
     {{"S B99x1 A101x1", 10, -1, "", 0},
      {"D B98x1", 20, 10, "", 0},
      {"D B96x1", 40, 30, "prev_links", 1},
      {"D -B97", 50, 40, "?", 1},
      {"S B99x1 A101x1", 50, -1, "snapshot_reset", 0},
      {"D B98x1", 60, 50, "", 0}}},
    {"a frame is repeated, and two are swapped",
     &ANCHORED,
     {{"S B99x1 A101x1", 10, -1, "", 0},
      {"D B98x1", 20, 10, "", 0},
      {"D B98x1", 20, 10, "prev_links", 1},
      {"S B99x1 A101x1", 30, -1, "snapshot_reset", 0},
      {"D B97x1", 50, 40, "prev_links", 1},
      {"D B98x1", 40, 30, "?prev_links", 1},
      {"D B96x1", 60, 50, "?prev_links", 1}}},
    {"a frame without changes every minute has the same number as the one before",
     &ANCHORED,
     {{"S B99x1 A101x1", 10, -1, "", 0},
      {"D", 10, 10, "", 0},
      {"D", 10, 10, "", 0},
      {"D B98x1", 15, 10, "", 0}}},
    {"after maintenance the number falls, in one frame, which names the one before",
     &ANCHORED,
     {{"S B99x1 A101x1", 1000, -1, "", 0}, {"D B98x1", 3, 1000, "", 0}, {"D B97x1", 5, 3, "", 0}}},
    {"a snapshot in between names what it likes, or nothing",
     &ANCHORED,
     {{"S B99x1 A101x1", 10, NONE, "", 0},
      {"D B98x1", 20, 10, "", 0},
      {"S B99x1 A101x1", 35, -1, "snapshot_reset", 0},
      {"D B97x1", 40, 35, "", 0},
      {"S B99x1 A101x1", 50, 44, "snapshot_reset", 0},
      {"D B97x1", 60, 50, "", 0}}},
    {"the first delta after a snapshot must name it",
     &ANCHORED,
     {{"S B99x1 A101x1", 10, -1, "", 0}, {"D B98x1", 30, 20, "prev_links", 1}}},
    {"a delta that names none proves nothing: frames before it may be missing",
     &ANCHORED,
     {{"S B99x1 A101x1", 10, -1, "", 0},
      {"D B98x1", 20, NONE, "prev_links", 1},
      {"D B97x1", 30, 20, "?", 1}}},
    {"a new connection has no frame before it",
     &ANCHORED,
     {{"S B99x1 A101x1", 10, -1, "", 0},
      {"D B98x1", 20, 10, "", 0},
      {"~D B97x1", 90, 80, "?anchored", 1},
      {"D B97x1", 95, 91, "?prev_links anchored", 1},
      {"~S B99x1 A101x1", 100, -1, "", 0},
      {"D B98x1", 110, 100, "", 0}}},
    {"the number of an undecodable frame is not known",
     &ANCHORED,
     {{"S B99x1 A101x1", 10, -1, "", 0},
      {"!D B98x1", 30, 20, "?", 1},
      {"D B97x1", 50, 40, "?prev_links", 1}}},
    {"frames are chained before their snapshot came, too",
     &FETCHED,
     {{"D B99x1", 157, 149, "?", 1},
      {"D B98x1", 160, 157, "?", 1},
      {"S B99x1 B98x1 A101x1", 160, NONE, "", 0},
      {"D B97x1", 175, 160, "", 0},
      {"D B96x1", 190, 180, "prev_links", 1}}},
    {"a snapshot may be of any id since the frame before the first one that waits",
     &FETCHED,
     {{"D B99x1", 157, 149, "?", 1},
      {"D B98x1", 160, 157, "?", 1},
      {"S B90x1 A101x1", 148, NONE, "?", 1},
      {"S B90x1 A101x1", 149, NONE, "", 0},
      {"D B97x1", 175, 160, "", 0}}},
    {"a snapshot of an id inside a later frame, or between two",
     &FETCHED,
     {{"D B99x1", 157, 149, "?", 1},
      {"S B90x1 A101x1", 170, NONE, "", 0},
      {"D B98x1", 160, 157, "", 0},
      {"D B97x1", 175, 160, "", 0}}},
    {"a snapshot before the first frame, which follows a later one",
     &FETCHED,
     {{"S B90x1 A101x1", 170, NONE, "", 0},
      {"D B97x1", 175, 171, "?", 1},
      {"S B90x1 A101x1", 173, NONE, "", 0},
      {"D B96x1", 190, 175, "", 0}}},
    {"a whole book repairs what it shows to be lost; an old one does not",
     &WHOLE,
     {{"U B99x1 A101x1", 10, 5, "", 0},
      {"U B98x1 A101x1", 30, 20, "prev_links", 0},
      {"U B97x1 A101x1", 40, 30, "", 0},
      {"U B98x1 A101x1", 30, 20, "prev_links", 1}}},
    {"no frame is missing: a crossed book and a repeated size are noted",
     &LEVELS,
     {{"S B99x1 A101x1", 10, -1, "", 0},
      {"D B101x1", 20, 10, "not_crossed", 0},
      {"D B101x1 B99x1", 30, 20, "update_changes not_crossed", 0},
      {"D -B101", 40, 30, "", 0},
      {"D B98x1", 50, 40, "", 0},
      {"D -B97", 60, 50, "delete_exists", 1}}},
    {"a frame is missing, and the book is crossed",
     &LEVELS,
     {{"S B99x1 A101x1", 10, -1, "", 0}, {"D B101x1", 30, 20, "prev_links not_crossed", 1}}},
    {"a fetched snapshot is not proven by links: a book that stays crossed began wrong",
     &FETCHED_LEVELS,
     {{"S B99x1 A101x1", 10, NONE, "", 0},
      {"D B102x1", 20, 10, "not_crossed", 0},
      {"D -B102", 30, 20, "", 0},
      {"D B102x1", 40, 30, "not_crossed", 0},
      {"D B98x1", 50, 40, "not_crossed", 0},
      {"D B98x2", 60, 50, "not_crossed", 0},
      {"D B98x3", 70, 60, "not_crossed", 0},
      {"D B98x4", 80, 70, "not_crossed", 1}}},
    {"a warning breaks no book",
     &WARNED,
     {{"D B99x1", 10, 5, "", 0}, {"D B98x1", 30, 20, "prev_links", 0}}},
};

static void step_message(const step *s, const topic_row *row, book_frame *frame, message *out)
{
    char text[128];
    int is_untyped = *s->frame == 'U';
    assert_true(snprintf(text, sizeof text, "%s%s", is_untyped ? "S" : "",
                         s->frame + strspn(s->frame, "~!U")) < (int)sizeof text);
    book_frame_parse(text, frame);
    msg_head *head = &frame->message.head;
    if (is_untyped)
        head->kind = FRAME_UNTYPED;
    const int has_u = row->snapshot_request != NULL;
    head->u = has_u ? s->number : 0;
    head->has_u = (uint8_t)has_u;
    head->seq = has_u ? 0 : s->number;
    head->has_seq = !has_u;
    head->prev_seq = s->prev == NONE ? 0 : s->prev;
    head->has_prev_seq = s->prev != NONE;
    *out = (message){.book = frame->message};
}

static void run_scenario(const scenario *c, int is_saved)
{
    td_buf text, saved;
    td_buf_init(&text, 4096);
    td_buf_init(&saved, LIMIT_STATE_BYTES);
    track *t = track_open(c->row);
    for (size_t i = 0; i < STEPS_MAX && c->steps[i].frame != NULL; i++) {
        const step *s = &c->steps[i];
        book_frame frame;
        message m;
        verdict v;
        if (*s->frame == '~')
            track_reset(t);
        if (*s->frame == '!')
            track_skip(t);
        step_message(s, c->row, &frame, &m);
        track_apply(t, &m, &v);
        verdict_to_text(&v, &text);
        assert_int_equal(verdict_frames_lost(&v), 0); /* numbers are ids: it is not known */
        if (strcmp((const char *)text.data, s->verdict) != 0)
            fail_msg("%s: frame %zu: verdict is '%s', expected '%s'", c->name, i,
                     (const char *)text.data, s->verdict);
        if (track_is_broken(t) != s->is_broken)
            fail_msg("%s: frame %zu: broken %d", c->name, i, track_is_broken(t));
        if (is_saved)
            t = track_reload(t, c->row, &saved);
    }
    track_close(t);
    td_buf_fini(&text);
    td_buf_fini(&saved);
}

static void test_scenarios(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof SCENARIOS / sizeof *SCENARIOS; i++) {
        run_scenario(&SCENARIOS[i], 0);
        run_scenario(&SCENARIOS[i], 1);
    }
}

/* ---- recorded frames ---- */

/* The chain of a capture's book frames. */
typedef struct chain {
    struct {
        size_t symbol; /* index in symbols */
        int64_t number, prev;
        uint8_t is_snapshot, has_prev;
    } at[FRAMES_MAX];
    size_t count;
    char symbols[SYMBOLS_MAX][64];
    size_t symbol_count;
} chain;

/* Where a capture's frames have the chain; only frames whose `about` begins with `begin`. */
typedef struct chain_paths {
    const char *file;
    const char *about, *begin;
    const char *symbol, *number, *prev, *type;
    size_t snapshots, changes;
} chain_paths;

static size_t symbol_of(chain *c, td_bytes name)
{
    size_t i = 0;
    while (i < c->symbol_count && !td_bytes_is(name, c->symbols[i]))
        i++;
    assert_true(i < SYMBOLS_MAX && name.size < sizeof c->symbols[i]);
    if (i == c->symbol_count)
        memcpy(c->symbols[c->symbol_count++], name.data, name.size);
    return i;
}

static void read_link(const chain_paths *from, json_value root, chain *out)
{
    json_value at;
    td_bytes text;
    if (!json_find_path(root, from->about, &at) || !json_text(at, &text) ||
        text.size < strlen(from->begin) || memcmp(text.data, from->begin, strlen(from->begin)) != 0)
        return;
    assert_true(json_find_path(root, from->symbol, &at) && json_text(at, &text));
    assert_true(out->count < FRAMES_MAX);
    out->at[out->count].symbol = symbol_of(out, text);
    assert_true(json_find_path(root, from->number, &at) &&
                json_i64(at, &out->at[out->count].number));
    out->at[out->count].has_prev =
        json_find_path(root, from->prev, &at) && json_i64(at, &out->at[out->count].prev);
    out->at[out->count].is_snapshot = json_find_path(root, from->type, &at) &&
                                      json_text(at, &text) && td_bytes_is(text, "snapshot");
    out->count++;
}

/* The number of frames that break the chain, if one (from 0) is left out. */
static size_t count_broken(const chain *c, size_t skipped)
{
    track *tracks[SYMBOLS_MAX] = {NULL};
    size_t broken = 0;
    for (size_t i = 0; i < c->symbol_count; i++)
        tracks[i] = track_open(&WARNED);
    for (size_t i = 0; i < c->count; i++) {
        message m = {.book = {.head = {.type = MSG_BOOK_CHANGE,
                                       .kind = c->at[i].is_snapshot ? FRAME_SNAPSHOT : FRAME_DELTA,
                                       .seq = c->at[i].number,
                                       .prev_seq = c->at[i].prev,
                                       .has_seq = 1,
                                       .has_prev_seq = c->at[i].has_prev}}};
        verdict v;
        if (i == skipped)
            continue;
        track_apply(tracks[c->at[i].symbol], &m, &v);
        broken += v.count;
    }
    for (size_t i = 0; i < c->symbol_count; i++)
        track_close(tracks[i]);
    return broken;
}

static int has_both_neighbours(const chain *c, size_t index)
{
    int sides = 0;
    for (size_t i = 0; i < c->count; i++)
        if (c->at[i].symbol == c->at[index].symbol && i != index)
            sides |= i < index ? 1 : 2;
    return sides == 3;
}

/* Every frame of the recordings names the one before it; each one that is left out shows, once,
 * but the first and the last one of a book. */
static void test_captures(void **state)
{
    (void)state;
    static const chain_paths CAPTURES[] = {
        {"other/deribit.jsonl.zst", "params.channel", "book.", "params.channel",
         "params.data.change_id", "params.data.prev_change_id", "params.data.type", 10, 36},
        {"other/binance-futures.jsonl.zst", "data.e", "depthUpdate", "data.s", "data.u", "data.pu",
         "data.type", 0, 764},
    };
    static chain found;
    json_parser *parser = json_parser_open(0);
    for (size_t i = 0; i < sizeof CAPTURES / sizeof *CAPTURES; i++) {
        capture_line line;
        json_value root;
        const char *path = capture_path(CAPTURES[i].file);
        if (path == NULL)
            break;
        capture *c = capture_open(path);
        found = (chain){.count = 0};
        while (capture_next(c, &line))
            if (line.kind == CAPTURE_IN &&
                json_parse(parser, line.frame, JSON_PADDED, &root, NULL) == TD_OK)
                read_link(&CAPTURES[i], root, &found);
        capture_close(c);
        assert_int_equal(found.count, CAPTURES[i].snapshots + CAPTURES[i].changes);
        assert_int_equal(count_broken(&found, SIZE_MAX), 0);
        for (size_t k = 0; k < found.count; k++)
            assert_int_equal(count_broken(&found, k), has_both_neighbours(&found, k));
    }
    json_parser_close(parser);
    (void)capture_path_or_skip(CAPTURES[0].file); /* skips, if there was no file */
}

/* A frame without its number, or an entry without its id, keeps the rule. */
static void test_proof_of_optional_numbers(void **state)
{
    (void)state;
    for (unsigned flags = 0; flags <= FIELD_REQUIRED; flags++) {
        const field_row number = {MEMBER_U, "u", FIELD_INTEGER, .flags = (uint8_t)flags};
        const field_row id = {MEMBER_TRADE_ID, "i", FIELD_TEXT, .flags = (uint8_t)flags};
        const topic_row dense = {.envelope = &number,
                                 .envelope_count = 1,
                                 .rules = {{RULE_SEQ_DENSE, STRENGTH_ERROR, MEMBER_U}}};
        const topic_row ids = {.fields = &id,
                               .field_count = 1,
                               .rules = {{RULE_ID_DENSE, STRENGTH_ERROR, MEMBER_TRADE_ID}}};
        const topic_proof proof = flags == FIELD_REQUIRED ? PROOF_PROVEN : PROOF_WARNED;
        assert_int_equal(topic_proof_of(&dense), proof);
        assert_int_equal(topic_proof_of(&ids), proof);
    }
}

static void test_proof(void **state)
{
    (void)state;
    assert_int_equal(topic_proof_of(&ANCHORED), PROOF_PROVEN);
    assert_int_equal(topic_proof_of(&FETCHED), PROOF_PROVEN);
    assert_int_equal(topic_proof_of(&WARNED), PROOF_WARNED);
    /* Deletes of unknown levels are routine: they show no loss. */
    static const topic_row ROUTINE = {
        CHAINED(U), .rules = {{RULE_DELETE_EXISTS, STRENGTH_STATISTIC, MEMBER_NONE}}};
    assert_int_equal(topic_proof_of(&ROUTINE), PROOF_UNVERIFIABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scenarios),
        cmocka_unit_test(test_captures),
        cmocka_unit_test(test_proof),
        cmocka_unit_test(test_proof_of_optional_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
