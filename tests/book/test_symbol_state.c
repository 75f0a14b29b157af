/* A reader that saves its states, ends, and resumes at the same time of the tape with the saved
 * states must judge and follow like one that never ended: on every family's simulated tape and the
 * recorded captures, with lost and repeated frames, copies of other connections, reconnects, and
 * overlapping sessions. It resumes at every hundredth frame and at random ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/random.h"
#include "book/symbol_table.h"
#include "sim/catalog.h"
#include "schema/family.h"
#include "tests/testing/filled.h"
#include "tests/testing/row_frames.h"
#include "tests/testing/sim_feed.h"
#include "tests/testing/tape_fixture.h"

enum { FRAMES = 450 };

/* A reader of a tape: its cursor, and the states of its symbols. */
typedef struct tape_reader {
    cursor *tape;
    symbol_table symbols;
} tape_reader;

typedef struct state_fixture {
    tape_reader whole, again; /* again: ends and resumes */
    td_buf saved, same;
} state_fixture;

/* Totals of all tapes: findings, copied and interleaved frames, changes of the followed index. */
static size_t found_sum, copies_sum, interleaved_sum, moves_sum;

/* Checks that two audits name the same party; their members are different objects. */
static void same_party(const audit_party *a, const audit_party *b)
{
    assert_int_equal(a->member == NULL, b->member == NULL);
    if (a->member != NULL && b->member != NULL)
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
        assert_int_equal(a->items[i].time.from_ns, b->items[i].time.from_ns);
        assert_int_equal(a->items[i].time.to_ns, b->items[i].time.to_ns);
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

static void apply(state_fixture *f, const frame_ref *frame, const frame_ref *again)
{
    const channel_info *info = &frame->channel->info;
    symbol_topic *t = symbol_table_topic(&f->whole.symbols, info, SYMBOL_WITH_AUDITS);
    symbol_topic *same = symbol_table_topic(&f->again.symbols, info, SYMBOL_WITH_AUDITS);
    uint32_t followed = t->choice.followed;
    symbol_verdict first;
    symbol_verdict other;
    symbol_topic_apply(t, frame, &first);
    symbol_topic_apply(same, again, &other);
    same_verdict(&first, &other);
    found_sum += first.rules.count + first.audit.count;
    moves_sum += t->choice.followed != followed;
}

/* Saves and loads the second reader's states. */
static void reload(state_fixture *f)
{
    for (size_t i = 0; i < f->whole.symbols.count; i++) {
        symbol_entry *of = f->again.symbols.items[i];
        assert_int_equal(symbol_state_save(f->whole.symbols.items[i]->state, &f->same, NULL),
                         TD_OK);
        assert_int_equal(symbol_state_save(of->state, &f->saved, NULL), TD_OK);
        assert_int_equal(f->saved.size, f->same.size);
        assert_memory_equal(f->saved.data, f->same.data, f->saved.size);
        symbol_state_close(of->state);
        assert_int_equal(
            symbol_state_load(td_buf_view(&f->saved), SYMBOL_WITH_AUDITS, &of->state, NULL), TD_OK);
    }
}

/* Truncated or changed states are refused or load; nothing is read out of bounds. */
static void check_malformed(td_buf *saved)
{
    symbol_state *loaded = NULL;
    for (size_t size = 0; size < saved->size; size += 1 + saved->size / 100)
        assert_int_not_equal(
            symbol_state_load(td_bytes_of(saved->data, size), SYMBOL_WITH_AUDITS, &loaded, NULL),
            TD_OK);
    for (size_t at = 0; at < saved->size; at += 1 + saved->size / 200) {
        audit_verdict found;
        saved->data[at] ^= (uint8_t)(1 + at % 255);
        if (symbol_state_load(td_buf_view(saved), SYMBOL_WITH_AUDITS, &loaded, NULL) == TD_OK) {
            symbol_state_finish(loaded, UINT64_MAX, &found);
            symbol_state_close(loaded);
        }
        saved->data[at] ^= (uint8_t)(1 + at % 255);
    }
}

/* Makes the last comparisons, and frees everything. */
static void finish(state_fixture *f, uint64_t end_ns)
{
    audit_verdict first;
    audit_verdict other;
    reload(f);
    check_malformed(&f->saved);
    for (size_t i = 0; i < f->whole.symbols.count; i++) {
        symbol_state_finish(f->whole.symbols.items[i]->state, end_ns, &first);
        symbol_state_finish(f->again.symbols.items[i]->state, end_ns, &other);
        same_audit(&first, &other);
    }
    symbol_table_fini(&f->whole.symbols);
    symbol_table_fini(&f->again.symbols);
    td_buf_fini(&f->saved);
    td_buf_fini(&f->same);
}

/* ---- over a tape ---- */

/* A connection that carries a tape's frames; times are in percent of the tape. It is lost once, and
 * a new connection of its slot begins a little later. */
typedef struct carrier {
    unsigned session; /* index in SESSIONS */
    uint32_t shard;
    unsigned begins, drops, ends;
    unsigned silent_from, silent_to;
    uint32_t conn; /* 0: not connected */
    uint64_t ordinal, begun_ns;
} carrier;

/* A recorder's session with two connections, one of which carries copies; one of a recorder with
 * another clock; an import. */
static const tape_segment_spec SESSIONS[] = {
    {"f", "0a0a0a0a", 1, 0, 1}, {"f", "0b0b0b0b", 2, 0, 1}, {"f", "0c0c0c0c", 3, 0, 1}};
static const carrier CARRIERS[] = {{0, 0, 0, 50, 100, .silent_from = 75, .silent_to = 92},
                                   {0, 1, 20, 63, 96, .conn = 0},
                                   {1, 0, 30, 32, 36, .conn = 0},
                                   {2, 0, 58, 70, 98, .conn = 0}};
enum { SESSION_COUNT = 3, CARRIER_COUNT = 4, IMPORT = 2 };

typedef struct writer {
    tape_fixture *fixture;
    const char *family;
    tape_segment *segments[SESSION_COUNT];
    carrier by[CARRIER_COUNT];
} writer;

static void put_grant(writer *w, const carrier *by, uint64_t at_ns)
{
    const event grant = {.kind = EVENT_GRANT,
                         .shard = by->shard,
                         .conn = by->conn,
                         .topic = EVENT_GRANT_ALL,
                         .from_ns = by->begun_ns + TAPE_FIXTURE_NS};
    tape_segment_event(w->segments[by->session], &grant, at_ns);
}

/* Opens a segment that repeats the connections of its session. */
static void open_segment(writer *w, unsigned session, uint32_t number, uint64_t at_ns)
{
    tape_segment_spec spec = SESSIONS[session];
    event_slot slots[CARRIER_COUNT];
    event ev = {.kind = EVENT_SEGMENT, .session = spec.session, .number = number, .slots = slots};
    spec.number = number;
    spec.first_ns = at_ns;
    w->fixture->verb = session == IMPORT ? "import" : "record";
    if (w->segments[session] != NULL)
        tape_segment_finish(w->segments[session]);
    w->segments[session] = tape_segment_open_family(w->fixture, &spec, w->family);
    for (carrier *by = w->by; by < w->by + CARRIER_COUNT; by++) {
        if (by->session == session && by->conn > 0)
            slots[ev.slot_count++] =
                (event_slot){.shard = by->shard, .conn = by->conn, .in = by->ordinal};
    }
    tape_segment_event(w->segments[session], &ev, at_ns);
    for (size_t i = 0; i < ev.slot_count; i++)
        put_grant(w, &w->by[slots[i].shard], at_ns + 1 + i);
}

/* Begins or ends the connection. */
static void set_conn(writer *w, carrier *by, uint32_t conn, uint64_t at_ns)
{
    const event ev = {.kind = conn > 0 ? EVENT_CONNECT : EVENT_DISCONNECT,
                      .shard = by->shard,
                      .conn = conn > 0 ? conn : by->conn,
                      .url = "wss://example/realtime"};
    tape_segment_event(w->segments[by->session], &ev, at_ns + 1);
    by->conn = conn;
    by->ordinal = 0;
    by->begun_ns = at_ns;
    if (conn > 0)
        put_grant(w, by, at_ns + 2);
}

static void carry(writer *w, carrier *by, const frame_ref *frame, unsigned percent, uint64_t at_ns)
{
    const channel_info *info = &frame->channel->info;
    int is_open = percent >= by->begins && percent < by->ends;
    uint32_t conn = !is_open || percent / 2 == by->drops / 2 ? 0 : percent < by->drops ? 1 : 2;
    if (is_open && w->segments[by->session] == NULL)
        open_segment(w, by->session, 1, at_ns);
    if (conn != by->conn)
        set_conn(w, by, conn, at_ns);
    size_t n = frame->position + (size_t)by->shard * 13 + (size_t)by->session * 7;
    if (conn == 0 || (percent >= by->silent_from && percent < by->silent_to) || n % 97 == 90)
        return;
    for (unsigned time = 0; time < (n % 131 == 100 ? 2 : 1); time++)
        tape_segment_put(w->segments[by->session],
                         &(tape_put){.shard = by->shard,
                                     .dir = CHANNEL_IN,
                                     .topic = info->topic,
                                     .symbol = info->symbol,
                                     .conn = conn,
                                     .ordinal = ++by->ordinal,
                                     .recv_ns = at_ns + 3 + time,
                                     .text = n % 211 == 200 ? "{" : (const char *)frame->bytes.data,
                                     .exchange_topic = info->exchange_topic});
    if (by->ordinal % 100 == 0)
        tape_segment_seal(w->segments[by->session]);
}

static void write_tape(tape_fixture *fixture, const capture_tape *from)
{
    writer w = {.fixture = fixture, .family = from->channels[0].info.family};
    memcpy(w.by, CARRIERS, sizeof w.by);
    for (size_t i = 0; i < from->frame_count; i++) {
        unsigned percent = (unsigned)(i * 100 / from->frame_count);
        uint64_t at_ns = from->frames[i].recv_ns + i * 30 - TAPE_FIXTURE_NS;
        if (i == from->frame_count * 2 / 5)
            open_segment(&w, 0, 2, at_ns);
        for (size_t k = 0; from->frames[i].channel->info.dir == CHANNEL_IN && k < CARRIER_COUNT;
             k++)
            carry(&w, &w.by[k], &from->frames[i], percent, at_ns + 5 + 5 * k);
    }
    for (size_t i = 0; i < SESSION_COUNT; i++)
        tape_segment_finish(w.segments[i]);
}

static cursor *tape_from(tape_fixture *of, uint64_t from_ns)
{
    const selection wanted = {.has_from = 1, .from = {TD_TIME_ABSOLUTE, from_ns}};
    return tape_fixture_tape(of, &wanted, &(cursor_options){.reads = TAPE_READS_ALL});
}

/* The second reader resumes with a new cursor, or by a seek. */
static void begin_again(state_fixture *f, tape_fixture *of, const frame_ref *next)
{
    reload(f);
    if (next->position % 2 == 0) {
        cursor_close(f->again.tape);
        f->again.tape = tape_from(of, next->recv_ns);
    } else {
        assert_int_equal(cursor_seek(f->again.tape, next->recv_ns, NULL), TD_OK);
    }
    for (size_t i = 0; i < f->again.symbols.count; i++) {
        const symbol_entry *at = f->again.symbols.items[i];
        assert_int_equal(cursor_resume(f->again.tape, at->feed, at->symbol, at->state, NULL),
                         TD_OK);
    }
}

static void same_frame(const frame_ref *a, const frame_ref *b)
{
    assert_int_equal(a->recv_ns, b->recv_ns);
    assert_int_equal(a->ordinal, b->ordinal);
    assert_string_equal(a->conn->session_id, b->conn->session_id);
    assert_int_equal(a->conn->shard, b->conn->shard);
    assert_int_equal(a->conn->number, b->conn->number);
    assert_int_equal(a->conn_index, b->conn_index);
    assert_int_equal(a->is_copy, b->is_copy);
    assert_int_equal(a->is_interleaved, b->is_interleaved);
    assert_int_equal(a->granted_ns, b->granted_ns);
}

static void play(capture_tape *from)
{
    state_fixture f = {.saved = {0}};
    tape_fixture fixture;
    td_random random;
    uint64_t last_ns = 0;
    uint64_t drops_ns = from->frames[from->frame_count / 2].recv_ns; /* end of a connection */
    const frame_ref *frame;
    const frame_ref *again;
    td_random_init(&random, from->frame_count);
    td_buf_init(&f.saved, LIMIT_STATE_BYTES);
    td_buf_init(&f.same, LIMIT_STATE_BYTES);
    tape_fixture_init(&fixture);
    write_tape(&fixture, from);
    f.whole.tape = tape_from(&fixture, 0);
    f.again.tape = tape_from(&fixture, 0);
    while (cursor_next(f.whole.tape, &frame, NULL) == TD_OK) {
        int is_due = frame->position % 100 == 99 || td_random_below(&random, 60) == 0 ||
                     drops_ns - frame->recv_ns < 100 * TD_NS_PER_MS;
        if (is_due && frame->recv_ns > last_ns)
            begin_again(&f, &fixture, frame);
        assert_int_equal(cursor_next(f.again.tape, &again, NULL), TD_OK);
        same_frame(frame, again);
        copies_sum += frame->is_copy;
        interleaved_sum += frame->is_interleaved;
        last_ns = frame->recv_ns;
        if (frame->row != NULL)
            apply(&f, frame, again);
    }
    assert_int_equal(cursor_next(f.again.tape, &again, NULL), TD_EOF);
    cursor_close(f.whole.tape);
    cursor_close(f.again.tape);
    tape_fixture_fini(&fixture);
    finish(&f, last_ns + UINT64_C(10000000000));
}

static void test_families(void **state)
{
    (void)state;
    for (const char *const *name = FAMILY_NAMES; *name != NULL; name++) {
        const sim_feed_options options = {
            .family = *name, .symbol_count = 2, .seed = 5, .step_ns = UINT64_C(40000000)};
        capture_tape from;
        if (catalog_find(*name) == NULL || catalog_find(*name)->public_count == 0)
            continue; /* account topics: test_rows has their frames */
        sim_feed_record(&options, FRAMES, &from);
        play(&from);
        capture_tape_fini(&from);
    }
    assert_true(found_sum > 100);
    assert_true(copies_sum > 1000 && interleaved_sum > 100 && moves_sum > 100);
}

/* Frames of every row of a family, with generated values, as one symbol. */
static void play_rows(const family *of, td_random *random)
{
    enum { FRAMES_PER_ROW = 12, TEXT_BYTES = 1 << 20 };
    state_fixture f = {.saved = {0}};
    decoder *reader = decoder_open();
    td_buf text;
    td_buf_init(&text, TEXT_BYTES);
    td_buf_init(&f.saved, LIMIT_STATE_BYTES);
    td_buf_init(&f.same, LIMIT_STATE_BYTES);
    for (size_t i = 0; i < of->topic_count * FRAMES_PER_ROW; i++) {
        const topic_row *row = &of->topics[i % of->topic_count];
        topic_match topic = {.row = row, .topic = td_bytes_str(row->name)};
        frame_channel channel = {.info = {.feed = "f", .topic = row->name, .symbol = "X"},
                                 .family = of};
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
                                 .bytes = td_bytes_of(text.data, size),
                                 .content = {.message = is_decoded ? &decoded : NULL}};
        apply(&f, &frame, &frame);
        if (i % 16 == 15)
            reload(&f);
    }
    finish(&f, UINT64_C(1700000100000000000));
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

/* A connection is identified by session, shard and number. Another topic is another book; another
 * row of the topic is not. */
static void test_steps(void **state)
{
    (void)state;
    const topic_row *row = row_of("orderbook.50.X");
    topic_row later = *row;
    later.valid_from = "2026-01-01";
    topic_row without_book =
        later; /* a day of a user's document may begin messages of another type */
    without_book.type = MSG_NOTICE;
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
        {&same, &later, SYMBOL_NEW_TOPIC},   {&same, &without_book, SYMBOL_NEW_TOPIC},
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_families),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_captures),
        cmocka_unit_test(test_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
