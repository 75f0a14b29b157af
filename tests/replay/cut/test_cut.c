/* Random cuts of tapes of every family and of the recorded captures, with lost frames, frames that
 * cannot be decoded, copies from another connection, and reconnects. Each cut must be sound and
 * contain the selected frames as in the archive; each frame must have the same verdict, book and
 * relation to its stream as there, and, with the checkpoint, the same audit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "archive/ledger.h"
#include "archive/verify.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/io_posix.h"
#include "base/random.h"
#include "replay/cut/cut.h"
#include "replay/play/player.h"
#include "schema/family.h"
#include "tape/states.h"
#include "tests/testing/capture.h"
#include "tests/testing/long_test.h"
#include "tests/testing/sim_feed.h"
#include "tests/testing/tape_fixture.h"

#define SESSION "aaaa0001"
#define FEED    "f"

enum { FRAMES = 900, PATH_BYTES = 160 };

/* In each tape: a gap of all topics until shard 0 is back. */
static gap_row tape_gap;

/* Sums over all cuts: compared frames, frames of the state, copies, broken rules, gaps, … */
static size_t compared_sum, state_sum, copies_sum, broken_sum, gaps_sum, audited_sum, made_sum;

/* ---- an archive ---- */

typedef struct writer {
    tape_fixture *fixture;
    const char *family;
    const capture_tape *from;
    tape_segment *segment;
    uint64_t ordinals[2]; /* by shard */
    uint32_t conns[2];
    uint64_t since_ns[2];
} writer;

/* Each segment repeats the grants of its open connections, with the time of the grant. */
static void put_grants(writer *w, uint32_t shard, uint64_t at_ns)
{
    for (size_t i = 0; i < w->from->channel_count; i++) {
        const channel_info *info = &w->from->channels[i].info;
        const event grant = {.kind = EVENT_GRANT,
                             .shard = shard,
                             .conn = w->conns[shard],
                             .topic = info->exchange_topic,
                             .source = EVENT_GRANT_ANSWERED,
                             .from_ns = w->since_ns[shard]};
        if (info->dir == CHANNEL_IN && info->exchange_topic[0] != '\0')
            tape_segment_event(w->segment, &grant, at_ns);
    }
}

static void open_segment(writer *w, uint32_t number, uint64_t at_ns)
{
    event_slot slots[2];
    event begins = {.kind = EVENT_SEGMENT, .session = SESSION, .number = number, .slots = slots};
    if (w->segment != NULL)
        tape_segment_finish(w->segment);
    w->segment = tape_segment_open_family(
        w->fixture,
        &(tape_segment_spec){
            .feed = FEED, .session = SESSION, .start_ns = 1, .first_ns = at_ns, .number = number},
        w->family);
    for (uint32_t shard = 0; shard < 2; shard++)
        if (w->conns[shard] > 0)
            slots[begins.slot_count++] = (event_slot){.shard = shard,
                                                      .conn = w->conns[shard],
                                                      .in = w->ordinals[shard],
                                                      .since_ns = w->since_ns[shard]};
    tape_segment_event(w->segment, &begins, at_ns);
    for (uint32_t shard = 0; shard < 2; shard++)
        if (w->conns[shard] > 0)
            put_grants(w, shard, at_ns);
}

static void set_conn(writer *w, uint32_t shard, uint32_t conn, uint64_t at_ns)
{
    const event what = {.kind = conn > 0 ? EVENT_CONNECT : EVENT_DISCONNECT,
                        .shard = shard,
                        .conn = conn > 0 ? conn : w->conns[shard],
                        .url = "wss://example/realtime"};
    tape_segment_event(w->segment, &what, at_ns);
    w->conns[shard] = conn;
    w->ordinals[shard] = 0;
    w->since_ns[shard] = TAPE_FIXTURE_NS + at_ns;
    if (conn > 0)
        put_grants(w, shard, at_ns);
}

static void put(writer *w, uint32_t shard, size_t n, uint64_t at_ns)
{
    const frame_ref *frame = &w->from->frames[n];
    const channel_info *info = &frame->channel->info;
    tape_segment_put(w->segment,
                     &(tape_put){.shard = shard,
                                 .topic = info->topic,
                                 .symbol = info->symbol,
                                 .conn = w->conns[shard],
                                 .ordinal = ++w->ordinals[shard],
                                 .recv_ns = at_ns,
                                 .text = n % 211 == 200 ? "{" : (const char *)frame->bytes.data,
                                 .exchange_topic = info->exchange_topic});
    if (w->ordinals[shard] % 100 == 0)
        tape_segment_seal(w->segment);
}

static size_t second_segment_at(const capture_tape *from)
{
    return from->frame_count * 2 / 5;
}

static size_t third_segment_at(const capture_tape *from)
{
    return from->frame_count * 3 / 5;
}

/* The segment begins with an unused checkpoint: its states are left out. */
static void put_hollow_checkpoint(const writer *w, uint64_t at_ns)
{
    checkpoint_builder states;
    td_buf record;
    td_buf_init(&record, LIMIT_RECORD_BYTES);
    checkpoint_builder_init(&states);
    for (size_t i = 0; i < w->from->channel_count; i++)
        checkpoint_builder_add(&states, td_bytes_str(w->from->channels[i].info.symbol),
                               td_bytes_of(NULL, 0));
    checkpoint_builder_finish(&states, at_ns, &record);
    tape_segment_checkpoint(w->segment, td_buf_view(&record));
    checkpoint_builder_fini(&states);
    td_buf_fini(&record);
}

/* Shard 0 reconnects in the middle. With copies, shard 1 has the same frames from a third of the
 * tape to the end; then shard 0 loses no frames, because the first frame read determines which
 * connection a stream follows. The second segment begins with the checkpoint, unless that is empty.
 * A third segment begins with an unused one: the last used checkpoint precedes the connection that
 * is open then. */
static void write_tape(tape_fixture *fixture, const capture_tape *from, int has_copies,
                       td_bytes checkpoint)
{
    writer w = {.fixture = fixture, .family = from->channels[0].info.family, .from = from};
    size_t count = from->frame_count;
    for (size_t i = 0; i < count; i++) {
        uint64_t at_ns = from->frames[i].recv_ns + i * 30 - TAPE_FIXTURE_NS;
        if (i == 0 || i == second_segment_at(from))
            open_segment(&w, i == 0 ? 1 : 2, at_ns + 1);
        if (i == second_segment_at(from))
            tape_segment_checkpoint(w.segment, checkpoint);
        if (i == third_segment_at(from) && checkpoint.size > 0) {
            open_segment(&w, 3, at_ns + 1);
            put_hollow_checkpoint(&w, TAPE_FIXTURE_NS + at_ns + 1);
        }
        if (i == 0 || i == count / 2)
            set_conn(&w, 0, i == 0 ? 1 : 2, at_ns + 2);
        if (i == count / 2) {
            event lost = {.kind = EVENT_GAP};
            tape_gap = gap_row_of(GAP_DISCONNECT, FEED, TAPE_FIXTURE_NS + at_ns - 40000000,
                                  TAPE_FIXTURE_NS + at_ns + 40000000, "test");
            tape_gap.conn = 1;
            lost.gap = tape_gap;
            tape_segment_event(w.segment, &lost, at_ns + 2);
        }
        if (has_copies && i == count / 3)
            set_conn(&w, 1, 1, at_ns + 3);
        if (from->frames[i].channel->info.dir != CHANNEL_IN)
            continue;
        if (has_copies || i % 97 != 90)
            put(&w, 0, i, at_ns + 5);
        if (w.conns[1] > 0 && i % 89 != 80)
            put(&w, 1, i, at_ns + 10);
    }
    tape_segment_finish(w.segment);
}

/* ---- its frames ---- */

typedef struct frame_row {
    uint64_t recv_ns, ordinal, book_hash, bytes_hash, verdict_hash, audit_hash;
    uint32_t shard, conn;
    uint8_t is_copy, has_verdict;
} frame_row;

typedef struct frame_rows {
    frame_row *rows;
    size_t count;
} frame_rows;

static uint64_t hash_item(uint64_t hash, const verdict_item *item)
{
    const int64_t values[] = {item->rule, item->strength, item->expected, item->found};
    return hash * 31 + td_xxh64(values, sizeof values);
}

static uint64_t hash_verdict(const verdict *of)
{
    uint64_t hash = of->count * 4u + of->unchecked * 2u + of->is_snapshot;
    for (uint32_t i = 0; i < of->count; i++)
        hash = hash_item(hash, &of->items[i]);
    return hash;
}

static uint64_t hash_audit(const audit_verdict *of)
{
    uint64_t hash = of->count;
    for (uint32_t i = 0; i < of->count; i++) {
        const audit_item *item = &of->items[i];
        hash = hash_item(hash * 31 + (item->time.from_ns ^ item->time.to_ns << 1 ^ item->event),
                         &item->verdict);
    }
    return hash;
}

static td_result note_frame(void *ctx, const stream *of, void **state, const applied_frame *seen,
                            td_err *err)
{
    frame_rows *list = ctx;
    const frame_ref *frame = seen->frame;
    frame_row row = {.recv_ns = frame->recv_ns,
                     .ordinal = frame->ordinal,
                     .shard = frame->conn->shard,
                     .conn = frame->conn->number,
                     .is_copy = frame->is_copy,
                     .bytes_hash = td_xxh64(frame->bytes.data, frame->bytes.size)};
    (void)of;
    (void)state;
    (void)err;
    if (frame->is_lead_in)
        return TD_OK;
    if (seen->found != NULL) {
        row.has_verdict = 1;
        row.audit_hash = hash_audit(&seen->found->audit);
        audited_sum += seen->found->audit.count;
        row.verdict_hash = hash_verdict(&seen->found->rules);
        /* Before a snapshot a book has levels of an earlier connection. */
        if (track_book(seen->found->track) != NULL && track_has_snapshot(seen->found->track))
            row.book_hash = track_hash_best(seen->found->track, 0);
        broken_sum += seen->found->rules.count;
    }
    list->rows = td_array_grow(list->rows, list->count, sizeof *list->rows);
    list->rows[list->count++] = row;
    return TD_OK;
}

static const observer_ops NOTE = {.name = "note", .frame = note_frame};

/* begins_with_state: 1: with the state before the selection; 0: with its first frame. */
static frame_rows rows_of(archive *of, const selection *wanted, uint8_t begins_with_state)
{
    frame_rows list = {0};
    cursor *t = NULL;
    td_err err;
    const player_options playing = {.observer = {&NOTE, &list}, .without_digests = 1};
    const cursor_options reading = {.reads = TAPE_READS_MESSAGES,
                                    .states =
                                        begins_with_state ? TAPE_STATES_AUDITED : TAPE_STATES_NONE};
    if (cursor_open(of, wanted, &reading, &t, &err) != TD_OK)
        fail_msg("%s", err.text);
    player *p = player_open(&playing);
    assert_int_equal(player_play(p, t, &err), TD_OK);
    assert_int_equal(player_finish(p, &err), TD_OK);
    player_close(p);
    cursor_close(t);
    return list;
}

/* Saves the states before the second segment as a checkpoint. */
static void save_states(archive *of, const capture_tape *from, td_buf *record)
{
    const size_t second = second_segment_at(from);
    const uint64_t at_ns = from->frames[second].recv_ns + second * 30;
    const cursor_options reading = {.reads = TAPE_READS_MESSAGES};
    selection before = {.has_from = 0};
    checkpoint_builder states;
    symbol_table symbols = {0};
    symbol_verdict found;
    const frame_ref *frame;
    cursor *t = NULL;
    td_err err;
    selection_set_window(&before, (selection_window){0, at_ns});
    if (cursor_open(of, &before, &reading, &t, &err) != TD_OK)
        fail_msg("%s", err.text);
    while (cursor_next(t, &frame, &err) == TD_OK)
        if (frame->row != NULL)
            symbol_topic_apply(
                symbol_table_topic(&symbols, &frame->channel->info, SYMBOL_WITH_AUDITS), frame,
                &found);
    checkpoint_builder_init(&states);
    saved_states_add(&symbols, FEED, &states);
    assert_true(states.count > 0 && states.omitted == 0);
    checkpoint_builder_finish(&states, at_ns, record);
    checkpoint_builder_fini(&states);
    symbol_table_fini(&symbols);
    cursor_close(t);
}

/* ---- cuts ---- */

static archive *open_file(const char *path)
{
    const archive_options options = {.io = io_posix(), .clock = clock_real()};
    archive *a = NULL;
    td_err err;
    if (archive_open(&options, path, ARCHIVE_READ, &a, &err) != TD_OK)
        fail_msg("%s", err.text);
    return a;
}

static void print_finding(void *user, const verify_finding *finding)
{
    (void)user;
    print_error("%s\n", finding->what);
}

static void check_sound(archive *of)
{
    const verify_options options = {.time = TIME_SPAN_ALL, .threads = 1, .finding = print_finding};
    verify_report report;
    td_err err;
    assert_int_equal(archive_verify(of, &options, &report, &err), TD_OK);
    assert_int_equal(report.findings[VERIFY_DAMAGED] + report.findings[VERIFY_RECOVERABLE], 0);
}

static void same_row(const frame_row *was, const frame_row *is, int has_checkpoint)
{
    assert_int_equal(was->recv_ns, is->recv_ns);
    assert_int_equal(was->ordinal, is->ordinal);
    assert_int_equal(was->shard, is->shard);
    assert_int_equal(was->conn, is->conn);
    assert_int_equal(was->bytes_hash, is->bytes_hash);
    assert_int_equal(was->has_verdict, is->has_verdict);
    assert_int_equal(was->is_copy, is->is_copy);
    assert_int_equal(was->verdict_hash, is->verdict_hash);
    assert_int_equal(was->book_hash, is->book_hash);
    if (has_checkpoint)
        assert_int_equal(was->audit_hash, is->audit_hash);
    copies_sum += was->is_copy;
    compared_sum++;
}

/* Checks that the cut's frames from the window's start on are exactly the archive's frames of the
 * selection. */
static void compare(const frame_rows *was, const frame_rows *is, selection_window window,
                    int has_checkpoint)
{
    uint64_t from_ns = window.from_ns;
    uint64_t to_ns = window.to_ns;
    size_t at = 0;
    while (at < is->count && is->rows[at].recv_ns < from_ns)
        at++;
    for (size_t i = 0; i < was->count; i++) {
        if (was->rows[i].recv_ns < from_ns || was->rows[i].recv_ns >= to_ns)
            continue;
        assert_true(at < is->count);
        same_row(&was->rows[i], &is->rows[at++], has_checkpoint);
    }
    assert_int_equal(at, is->count);
}

/* Checks that the gap is in the cut exactly if it touches the selection or the time of the state.
 */
static void check_gap(archive *made, const cut_result *result, uint64_t from_ns, uint64_t to_ns)
{
    gap_list found = {0};
    int is_wanted = tape_gap.from_ns < to_ns &&
                    (tape_gap.to_ns > from_ns || tape_gap.from_ns >= result->first_ns);
    assert_int_equal(archive_gaps(made, &found, NULL), TD_OK);
    assert_int_equal(found.count, is_wanted);
    gaps_sum += found.count;
    gap_list_fini(&found);
}

static void try_cut(archive *of, const frame_rows *all, const frame_rows *was,
                    const char *const *symbol, td_random *random, cut_options how)
{
    static const selection ALL = {.has_from = 0};
    char path[PATH_BYTES];
    cut_result result;
    td_err err;
    size_t first = td_random_below(random, (uint32_t)all->count);
    size_t count = 1 + td_random_below(random, (uint32_t)(all->count - first));
    uint64_t from_ns = all->rows[first].recv_ns;
    uint64_t to_ns = all->rows[first + count - 1].recv_ns + 1;
    selection wanted = {.symbols = {symbol, symbol != NULL}};
    selection_set_window(&wanted, (selection_window){from_ns, to_ns});
    snprintf(path, sizeof path, "%s.cut.mcap", archive_path(of));
    const uint8_t has_checkpoint = !how.without_checkpoint;
    how.archive = of;
    how.wanted = &wanted;
    how.path = path;
    td_result rc = cut_write(&how, &result, &err);
    if (rc == TD_E_NOTFOUND) /* the symbol has no frames then, and none before */
        return;
    if (rc != TD_OK)
        fail_msg("%s", err.text);
    archive *made = open_file(path);
    check_sound(made);
    frame_rows is = rows_of(made, &ALL, has_checkpoint);
    assert_int_equal(is.count, result.frames + (has_checkpoint ? 0 : result.state_frames));
    compare(was, &is, (selection_window){from_ns, to_ns}, has_checkpoint);
    check_gap(made, &result, from_ns, to_ns);
    state_sum += result.state_frames;
    made_sum += result.made_frames;
    archive_close(made);
    td_free(is.rows);
    unlink(path);
}

/* Half of the cuts are from an archive whose second segment begins with a checkpoint. */
static void try_cuts(const capture_tape *from, int has_copies)
{
    static const selection ALL = {.has_from = 0};
    tape_fixture bare, saved;
    td_random random;
    td_buf record;
    td_random_init(&random, from->frame_count + (unsigned)has_copies);
    td_buf_init(&record, LIMIT_RECORD_BYTES);
    tape_fixture_init(&bare);
    tape_fixture_init(&saved);
    write_tape(&bare, from, has_copies, td_bytes_of(NULL, 0));
    archive *of = tape_fixture_archive(&bare);
    save_states(of, from, &record);
    write_tape(&saved, from, has_copies, td_buf_view(&record));
    frame_rows all = rows_of(of, &ALL, 0);
    const size_t cuts = long_tests_are_on() ? 16 : 8;
    for (size_t i = 0; i < cuts; i++) {
        if (i == cuts / 2)
            of = tape_fixture_archive(&saved);
        size_t channel = td_random_below(&random, (uint32_t)from->channel_count);
        const char *symbol = from->channels[channel].info.symbol;
        const cut_options how = {.snapshots =
                                     i % 3 == 0 ? CUT_SNAPSHOTS_MADE : CUT_SNAPSHOTS_RECORDED,
                                 .without_checkpoint = i % 4 < 2};
        const selection one = {.symbols = {&symbol, 1}};
        if (i % 2 == 0 || symbol[0] == '\0') {
            try_cut(of, &all, &all, NULL, &random, how);
            continue;
        }
        frame_rows of_symbol = rows_of(of, &one, 0);
        try_cut(of, &all, &of_symbol, &symbol, &random, how);
        td_free(of_symbol.rows);
    }
    td_free(all.rows);
    tape_fixture_fini(&bare);
    tape_fixture_fini(&saved);
    td_buf_fini(&record);
}

static void test_families(void **state)
{
    (void)state;
    static const char *const FAMILIES[] = {"inverse",     "linear",     "copytrade", "usdc-perp",
                                           "usdc-option", "spot-v1",    "spot-v2",   "spot-v3",
                                           "contract-v3", "unified-v3", "v5-linear", "v5-inverse",
                                           "v5-spot",     "v5-option",  "v5-spread"};
    for (size_t i = 0; i < sizeof FAMILIES / sizeof FAMILIES[0]; i++) {
        const sim_feed_options options = {
            .family = FAMILIES[i], .symbol_count = 2, .seed = 9, .step_ns = UINT64_C(40000000)};
        capture_tape from;
        sim_feed_record(&options, FRAMES, &from);
        for (int has_copies = 0; has_copies < 2; has_copies++)
            if ((size_t)has_copies == i % 2 || long_tests_are_on())
                try_cuts(&from, has_copies);
        capture_tape_fini(&from);
    }
    assert_true(compared_sum > 10000 && state_sum > 1000 && copies_sum > 1000 && broken_sum > 100);
    assert_true(gaps_sum > 50 && audited_sum > 25 && made_sum > 25);
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
        try_cuts(&from, 0);
        capture_tape_fini(&from);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_families),
        cmocka_unit_test(test_captures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
