/* A state that was saved and loaded judges the rest of a tape as the one that was not: over every
 * family's simulated tape and the recorded captures, with frames that are lost, repeated, copied,
 * or come over another connection. SYMBOL_STATE_EVERY=1 saves at each frame. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/random.h"
#include "book/symbol_state.h"
#include "sim/catalog.h"
#include "schema/family.h"
#include "tests/testing/filled.h"
#include "tests/testing/row_frames.h"
#include "tests/testing/sim_feed.h"

enum { SYMBOLS_MAX = 32, COPIES_MAX = 4096, FRAMES = 1500 };

/* All symbols of a feed, as one reader of the tape has them. */
typedef struct states {
    symbol_state *of[SYMBOLS_MAX];
} states;

typedef struct bench {
    const char *symbols[SYMBOLS_MAX];
    size_t symbol_count;
    states all[COPIES_MAX]; /* the first one is never saved and loaded */
    size_t count;
    td_buf saved, again;
    size_t judged, found;
} bench;

static size_t symbol_of(bench *b, const char *name)
{
    size_t i = 0;
    while (i < b->symbol_count && strcmp(b->symbols[i], name) != 0)
        i++;
    if (i == b->symbol_count) {
        assert_true(i < SYMBOLS_MAX);
        b->symbols[b->symbol_count++] = name;
        for (size_t k = 0; k < b->count; k++)
            b->all[k].of[i] = symbol_state_open(SYMBOL_WITH_AUDITS);
    }
    return i;
}

/* Two audits name members of different objects. */
static void same_party(const audit_party *a, const audit_party *b)
{
    assert_int_equal(a->member == NULL, b->member == NULL);
    if (a->member != NULL)
        assert_ptr_equal(a->member->row, b->member->row);
    assert_int_equal(a->line, b->line);
    assert_int_equal(a->shard, b->shard);
    assert_int_equal(a->conn, b->conn);
}

static void same_item(const verdict_item *a, const verdict_item *b)
{
    assert_int_equal(a->rule, b->rule);
    assert_int_equal(a->strength, b->strength);
    assert_int_equal(a->expected, b->expected);
    assert_int_equal(a->found, b->found);
}

static void same_audit(const audit_verdict *a, const audit_verdict *b)
{
    assert_int_equal(a->count, b->count);
    for (uint32_t i = 0; i < a->count; i++) {
        assert_int_equal(a->items[i].event, b->items[i].event);
        same_item(&a->items[i].verdict, &b->items[i].verdict);
        same_party(&a->items[i].about, &b->items[i].about);
        same_party(&a->items[i].against, &b->items[i].against);
        assert_int_equal(a->items[i].from_ns, b->items[i].from_ns);
        assert_int_equal(a->items[i].to_ns, b->items[i].to_ns);
    }
}

static void same_verdict(const symbol_verdict *a, const symbol_verdict *b)
{
    assert_int_equal(a->rules.count, b->rules.count);
    assert_int_equal(a->rules.unchecked, b->rules.unchecked);
    assert_int_equal(a->rules.is_snapshot, b->rules.is_snapshot);
    for (uint32_t i = 0; i < a->rules.count; i++)
        same_item(&a->rules.items[i], &b->rules.items[i]);
    assert_int_equal(a->is_unaudited, b->is_unaudited);
    assert_int_equal(a->step, b->step);
    assert_int_equal(track_is_broken(a->track), track_is_broken(b->track));
    if (track_book(a->track) != NULL)
        assert_int_equal(track_hash_best(a->track, 0), track_hash_best(b->track, 0));
    same_audit(&a->audit, &b->audit);
}

static void apply(bench *b, const frame_ref *frame)
{
    const channel_info *info = &frame->channel->info;
    size_t at = symbol_of(b, info->symbol);
    symbol_verdict first = {0};
    symbol_verdict other;
    for (size_t i = 0; i < b->count; i++) {
        symbol_topic *t =
            symbol_state_topic(b->all[i].of[at], td_bytes_str(info->topic), info->line);
        symbol_topic_apply(t, frame, i == 0 ? &first : &other);
        if (i > 0)
            same_verdict(&first, &other);
    }
    b->judged++;
    b->found += first.rules.count + first.audit.count;
}

/* A copy of the first reader, through bytes. */
static void copy_states(bench *b)
{
    assert_true(b->count < COPIES_MAX);
    states *made = &b->all[b->count++];
    for (size_t i = 0; i < b->symbol_count; i++) {
        assert_int_equal(symbol_state_save(b->all[0].of[i], &b->saved, NULL), TD_OK);
        assert_int_equal(
            symbol_state_load(td_buf_view(&b->saved), SYMBOL_WITH_AUDITS, &made->of[i], NULL),
            TD_OK);
    }
}

static void save_equal(bench *b)
{
    for (size_t i = 0; i < b->symbol_count; i++) {
        assert_int_equal(symbol_state_save(b->all[0].of[i], &b->saved, NULL), TD_OK);
        for (size_t k = 1; k < b->count; k++) {
            assert_int_equal(symbol_state_save(b->all[k].of[i], &b->again, NULL), TD_OK);
            assert_int_equal(b->again.size, b->saved.size);
            assert_memory_equal(b->again.data, b->saved.data, b->saved.size);
        }
    }
}

/* The last comparisons, and no memory is left behind. */
static void finish(bench *b, uint64_t end_ns)
{
    audit_verdict first;
    audit_verdict other;
    for (size_t i = 0; i < b->symbol_count; i++) {
        for (size_t k = 0; k < b->count; k++) {
            symbol_state_finish(b->all[k].of[i], end_ns, k == 0 ? &first : &other);
            if (k > 0)
                same_audit(&first, &other);
        }
        for (size_t k = 0; k < b->count; k++)
            symbol_state_close(b->all[k].of[i]);
    }
    td_buf_fini(&b->saved);
    td_buf_fini(&b->again);
}

static size_t found_sum; /* by the rules, over all tapes */

static size_t positions_apart(void)
{
    const char *every = getenv("SYMBOL_STATE_EVERY");
    return every == NULL ? 100 : strtoul(every, NULL, 10);
}

/* Play a tape with faults: some frames are lost, some come twice, some as copies of a second
 * connection; the connection changes in the middle. */
static void play(capture_tape *from)
{
    static bench b;
    b = (bench){.count = 1};
    td_buf_init(&b.saved, LIMIT_STATE_BYTES);
    td_buf_init(&b.again, LIMIT_STATE_BYTES);
    size_t every = positions_apart();
    uint64_t end_ns = 0;
    for (size_t i = 0; i < from->frame_count; i++) {
        frame_ref frame = from->frames[i];
        if (i % every == every - 1)
            copy_states(&b);
        if (frame.channel->info.dir != CHANNEL_IN || i % 97 == 90)
            continue;
        fill_frame(&frame);
        if (frame.row == NULL)
            continue;
        frame.conn = frame_conn_of(1, i < from->frame_count / 2 ? 1 : 3);
        frame.place = 0;
        if (i % 211 == 200)
            frame.content.message = NULL;
        apply(&b, &frame);
        if (i % 131 == 100)
            apply(&b, &frame);
        end_ns = frame.recv_ns;
        if (i % 5 != 0 || i < 300)
            continue;
        frame.conn = frame_conn_of(1, 2);
        frame.place = 1;
        frame.is_copy = 1;
        apply(&b, &frame);
    }
    save_equal(&b);
    finish(&b, end_ns + UINT64_C(10000000000));
    assert_true(b.judged > 20);
    found_sum += b.found;
}

static void test_families(void **state)
{
    (void)state;
    size_t count = 0;
    const catalog_row *rows = catalog_table(&count);
    for (size_t i = 0; i < count; i++) {
        const sim_feed_options options = {
            .family = rows[i].family, .symbol_count = 2, .seed = 5, .step_ns = UINT64_C(20000000)};
        capture_tape from;
        if (rows[i].streams == NULL)
            continue; /* an account: test_rows has frames of it */
        sim_feed_record(&options, FRAMES, &from);
        play(&from);
        capture_tape_fini(&from);
    }
    assert_true(found_sum > 100);
}

/* Frames of every row of a family, with made-up values, as one symbol. */
static void play_rows(const family *of, td_random *random)
{
    enum { FRAMES_PER_ROW = 12, TEXT_BYTES = 1 << 20 };
    static bench b;
    b = (bench){.count = 1};
    decoder *reader = decoder_open();
    td_buf text;
    td_buf_init(&text, TEXT_BYTES);
    td_buf_init(&b.saved, LIMIT_STATE_BYTES);
    td_buf_init(&b.again, LIMIT_STATE_BYTES);
    for (size_t i = 0; i < of->topic_count * FRAMES_PER_ROW; i++) {
        const topic_row *row = &of->topics[i % of->topic_count];
        topic_match topic = {.row = row, .topic = td_bytes_str(row->name)};
        frame_channel channel = {.info = {.topic = row->name, .symbol = "X"}, .family = of};
        row_frame *made = row_frame_make(row, random);
        message decoded;
        decode_error why;
        td_buf_clear(&text);
        row_frame_write(made, 0, random, &text);
        row_frame_free(made);
        size_t size = text.size;
        td_buf_add(&text, "                                                                ",
                   DECODE_PADDING_BYTES);
        (void)topic_match_text(of->topics, of->topic_count, td_bytes_str(row_frame_topic(row)),
                               row_frame_moment(row), &topic);
        int is_decoded = decoder_decode(reader, &topic, td_bytes_of(text.data, size),
                                        DECODE_PATH_FAST, &decoded, &why);
        const frame_ref frame = {.channel = &channel,
                                 .conn = frame_conn_of(1, 1),
                                 .recv_ns = UINT64_C(1700000000000000000) + i,
                                 .row = row,
                                 .content = {.message = is_decoded ? &decoded : NULL}};
        apply(&b, &frame);
        if (i % 16 == 15)
            copy_states(&b);
    }
    save_equal(&b);
    finish(&b, UINT64_C(1700000100000000000));
    td_buf_fini(&text);
    decoder_close(reader);
}

static void test_rows(void **state)
{
    (void)state;
    td_random random;
    size_t count = 0;
    const family *const *all = family_table(&count);
    td_random_init(&random, 7);
    for (size_t i = 0; i < count; i++)
        play_rows(all[i], &random);
}

static void test_captures(void **state)
{
    (void)state;
    static const char *const CAPTURES[][2] = {{"linear-2021-04-17.jsonl.gz", "linear"},
                                              {"inverse-2021-04-17.jsonl.gz", "inverse"},
                                              {"v5-2026-08-09.jsonl.gz", "v5-linear"}};
    for (size_t i = 0; i < sizeof CAPTURES / sizeof CAPTURES[0]; i++) {
        capture_tape from;
        capture_tape_load(&from, CAPTURES[i][0], CAPTURES[i][1]);
        play(&from);
        capture_tape_fini(&from);
    }
}

static const topic_row *row_of(const char *topic)
{
    topic_match match;
    const family *of = family_find(td_bytes_str("v5-linear"));
    assert_true(
        topic_match_text(of->topics, of->topic_count, td_bytes_str(topic), TOPIC_NOW, &match));
    return match.row;
}

/* A connection is its session, its slot's shard and its number. Another topic is another book;
 * another row of the topic is not. */
static void test_steps(void **state)
{
    (void)state;
    const topic_row *row = row_of("orderbook.50.X");
    topic_row later = *row;
    later.valid_from = "2026-01-01";
    static const frame_conn CONNS[] = {{.session_id = "a", .shard = 2, .number = 3},
                                       {.session_id = "a", .shard = 2, .number = 4},
                                       {.session_id = "a", .shard = 0, .number = 4},
                                       {.session_id = "b", .shard = 0, .number = 4}};
    const frame_conn same = CONNS[3];
    const struct {
        const frame_conn *conn;
        const topic_row *row;
        symbol_step step;
    } STEPS[] = {
        {&CONNS[0], row, SYMBOL_BEGINS},     {&CONNS[0], row, SYMBOL_CONTINUES},
        {&CONNS[1], row, SYMBOL_RECONNECTS}, {&CONNS[2], row, SYMBOL_RECONNECTS},
        {&CONNS[3], row, SYMBOL_RECONNECTS}, {&same, row, SYMBOL_CONTINUES},
        {&same, &later, SYMBOL_CONTINUES},   {&same, row_of("orderbook.200.X"), SYMBOL_NEW_TOPIC},
    };
    symbol_state *s = symbol_state_open(SYMBOL_WITHOUT_AUDITS);
    symbol_topic *t = symbol_state_topic(s, td_bytes_str("orderbook"), 0);
    for (size_t i = 0; i < sizeof STEPS / sizeof STEPS[0]; i++) {
        symbol_verdict found;
        const frame_ref frame = {.conn = STEPS[i].conn, .row = STEPS[i].row, .recv_ns = i + 1};
        symbol_topic_apply(t, &frame, &found);
        assert_int_equal(found.step, STEPS[i].step);
        assert_true(symbol_topic_track(t) == found.track);
    }
    symbol_state_close(s);
}

/* Whatever is cut or changed is refused or loads; nothing is read out of bounds. */
static void test_malformed(void **state)
{
    (void)state;
    const sim_feed_options options = {
        .family = "v5-linear", .symbol_count = 1, .seed = 1, .step_ns = UINT64_C(20000000)};
    capture_tape from;
    sim_feed_record(&options, 400, &from);
    symbol_state *s = symbol_state_open(SYMBOL_WITH_AUDITS);
    for (size_t i = 0; i < from.frame_count; i++) {
        frame_ref frame = from.frames[i];
        symbol_verdict v;
        if (frame.channel->info.dir != CHANNEL_IN)
            continue;
        fill_frame(&frame);
        if (frame.row != NULL)
            symbol_topic_apply(symbol_state_topic(s, td_bytes_str(frame.channel->info.topic), 0),
                               &frame, &v);
    }
    td_buf saved;
    td_buf_init(&saved, LIMIT_STATE_BYTES);
    assert_int_equal(symbol_state_save(s, &saved, NULL), TD_OK);
    symbol_state_close(s);
    for (size_t size = 0; size < saved.size; size += 1 + saved.size / 2000) {
        td_err err;
        symbol_state *loaded = NULL;
        assert_int_not_equal(
            symbol_state_load(td_bytes_of(saved.data, size), SYMBOL_WITH_AUDITS, &loaded, &err),
            TD_OK);
    }
    for (size_t at = 0; at < saved.size; at += 1 + saved.size / 4000) {
        symbol_state *loaded = NULL;
        audit_verdict found;
        saved.data[at] ^= (uint8_t)(1 + at % 255);
        if (symbol_state_load(td_buf_view(&saved), SYMBOL_WITH_AUDITS, &loaded, NULL) == TD_OK) {
            symbol_state_finish(loaded, UINT64_MAX, &found);
            symbol_state_close(loaded);
        }
        saved.data[at] ^= (uint8_t)(1 + at % 255);
    }
    td_buf_fini(&saved);
    capture_tape_fini(&from);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_families),  cmocka_unit_test(test_rows),
        cmocka_unit_test(test_captures),  cmocka_unit_test(test_steps),
        cmocka_unit_test(test_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
