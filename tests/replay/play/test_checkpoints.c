/* Reading from checkpoints. From the start of every segment of a simulated day or of a stretched
 * capture, and from times in between, each frame of each family must have the same verdict, audit
 * and book as in a replay of the whole, also where frames are missing and after the end of the
 * connection, without reading frames of earlier segments. Replays of cuts from these times must
 * give the same. Without checkpoints a reader that starts there must not report missing trades. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/io_posix.h"
#include "base/clock.h"
#include "book/book.h"
#include "replay/cut/cut.h"
#include "recorder/import/import.h"
#include "replay/play/player.h"
#include "tests/testing/archive_fixture.h"
#include "tests/testing/capture.h"
#include "tests/testing/files.h"
#include "tests/testing/long_test.h"
#include "tests/testing/sim_feed.h"

enum { FRAMES = 1500, LOST_EVERY = 97, TIMES_MAX = 64 };
#define STEP_NS (7 * TD_NS_PER_S) /* about six segments, with the second connection's */
#define HOUR_NS (UINT64_C(3600) * TD_NS_PER_S)

/* A frame's result, from a start time on. */
typedef struct seen_frame {
    uint64_t recv_ns;
    uint64_t hash;
} seen_frame;

typedef struct seen_frames {
    seen_frame *items;
    size_t count;
    uint64_t lead_from_ns;
    uint64_t lead_in;
    uint64_t trades_missing; /* number of reports of missing trades */
} seen_frames;

static uint64_t mix(uint64_t hash, const void *bytes, size_t size)
{
    return hash * UINT64_C(0x9e3779b97f4a7c15) + td_xxh64(bytes, size);
}

static uint64_t mix_number(uint64_t hash, uint64_t number)
{
    return mix(hash, &number, sizeof number);
}

static uint64_t hash_item(uint64_t hash, const verdict_item *item)
{
    hash = mix_number(hash, (uint64_t)item->rule << 8 | (uint64_t)item->strength);
    return mix_number(mix_number(hash, (uint64_t)item->expected), (uint64_t)item->found);
}

static td_result see(void *ctx, const struct stream *of, void **state, const applied_frame *at,
                     td_err *err)
{
    seen_frames *seen = ctx;
    const symbol_verdict *found = at->found;
    (void)of;
    (void)state;
    (void)err;
    seen->lead_in += at->frame->is_lead_in;
    if (at->frame->is_lead_in)
        return TD_OK;
    uint64_t hash = mix_number(at->frame->ordinal, at->frame->is_copy);
    if (found != NULL) {
        const uint64_t facts = (uint64_t)found->step | (uint64_t)found->is_unaudited << 8 |
                               (uint64_t)found->rules.unchecked << 9 |
                               (uint64_t)(track_is_broken(found->track) != 0) << 10;
        hash = mix_number(hash, facts);
        for (uint32_t i = 0; i < found->rules.count; i++)
            hash = hash_item(hash, &found->rules.items[i]);
        for (uint32_t i = 0; i < found->audit.count; i++) {
            const audit_item *item = &found->audit.items[i];
            seen->trades_missing += item->verdict.rule == RULE_TRADES_COMPLETE;
            hash = hash_item(
                mix_number(hash, item->time.from_ns ^ item->time.to_ns << 1 ^ item->event),
                &item->verdict);
        }
        if (track_book(found->track) != NULL)
            hash = mix_number(hash, track_hash_best(found->track, 0));
    }
    seen->items = td_array_grow(seen->items, seen->count, sizeof *seen->items);
    seen->items[seen->count++] = (seen_frame){at->frame->recv_ns, hash};
    return TD_OK;
}

static seen_frames play_from(archive *of, uint64_t from_ns, tape_states states)
{
    static const observer_ops SEE = {.name = "test", .frame = see};
    seen_frames seen = {0};
    selection wanted = {0};
    if (from_ns > 0)
        selection_set_window(&wanted, (selection_window){from_ns, UINT64_MAX});
    const cursor_options reading = {.reads = TAPE_READS_MESSAGES, .states = states};
    cursor *tape = NULL;
    assert_int_equal(cursor_open(of, &wanted, &reading, &tape, NULL), TD_OK);
    player *p = player_open(&(player_options){.observer = {&SEE, &seen}});
    assert_int_equal(player_play(p, tape, NULL), TD_OK);
    assert_int_equal(player_finish(p, NULL), TD_OK);
    seen.lead_from_ns = cursor_get_lead_from_ns(tape);
    player_close(p);
    cursor_close(tape);
    return seen;
}

/* Checks that the frames of the whole from then on equal the frames of the part. */
static void must_equal(const char *family_name, const seen_frames *whole, const seen_frames *part,
                       uint64_t from_ns)
{
    size_t first = 0;
    while (first < whole->count && whole->items[first].recv_ns < from_ns)
        first++;
    assert_int_equal(whole->count - first, part->count);
    for (size_t i = 0; i < part->count; i++) {
        const seen_frame *a = &whole->items[first + i];
        const seen_frame *b = &part->items[i];
        if (a->recv_ns != b->recv_ns || a->hash != b->hash)
            fail_msg("%s from %llu: frame %zu, received at %llu, differs", family_name,
                     (unsigned long long)from_ns, i, (unsigned long long)b->recv_ns);
    }
}

/* Appends a connection with these frames, from at_ns on, one per step_ns; every lost_every-th
 * received frame is left out. Returns its end. */
static uint64_t add_connection(td_buf *text, const capture_tape *from, uint64_t at_ns,
                               uint64_t step_ns, size_t lost_every)
{
    assert_int_equal(td_buf_printf(text, NULL, "{\"recv_ns\":%llu,\"url\":\"wss://h/\"}\n",
                                   (unsigned long long)at_ns),
                     TD_OK);
    for (size_t i = 0; i < from->frame_count; i++) {
        const frame_ref *frame = &from->frames[i];
        at_ns += step_ns;
        if (lost_every > 0 && i % lost_every == lost_every - 1)
            continue;
        assert_int_equal(
            td_buf_printf(text, NULL, "{\"recv_ns\":%llu,\"dir\":\"%s\",\"data\":%.*s}\n",
                          (unsigned long long)at_ns, channel_dir_name(frame->channel->info.dir),
                          (int)frame->bytes.size, (const char *)frame->bytes.data),
            TD_OK);
    }
    return at_ns;
}

static void write_text(const char *path, td_buf *text)
{
    td_buf_add(text, "", 1);
    file_write_text(path, (const char *)text->data);
    td_buf_fini(text);
}

/* A simulated day over two connections; the second begins with new snapshots. */
static void write_simulated(const char *path, const char *family_name)
{
    td_buf text;
    td_buf_init(&text, SIZE_MAX);
    uint64_t at_ns = 0;
    for (uint64_t seed = 5; seed <= 6; seed++) {
        capture_tape recorded;
        sim_feed_record(&(sim_feed_options){.family = family_name,
                                            .symbol_count = 2,
                                            .seed = seed,
                                            .step_ns = STEP_NS,
                                            .with_private = 1},
                        FRAMES, &recorded);
        at_ns = at_ns == 0 ? recorded.frames[0].recv_ns : at_ns + STEP_NS;
        at_ns = add_connection(&text, &recorded, at_ns, STEP_NS, LOST_EVERY);
        capture_tape_fini(&recorded);
    }
    write_text(path, &text);
}

/* A capture stretched to six hours, twice. */
static void write_stretched(const char *path, const char *capture_name, const char *family_name)
{
    td_buf text;
    capture_tape recorded;
    capture_tape_load(&recorded, capture_name, family_name);
    td_buf_init(&text, SIZE_MAX);
    const uint64_t step_ns = 3 * HOUR_NS / recorded.frame_count;
    uint64_t at_ns = recorded.frames[0].recv_ns;
    for (size_t i = 0; i < 2; i++)
        at_ns = add_connection(&text, &recorded, at_ns + step_ns, step_ns, i * LOST_EVERY);
    capture_tape_fini(&recorded);
    write_text(path, &text);
}

static void import_capture(archive_env *env, const char *path, const char *family_name)
{
    td_err err;
    import_report report;
    const import_options options = {.io = io_posix(),
                                    .clock = clock_sim_clock(env->clock),
                                    .archive_path = env->path,
                                    .version = "test",
                                    .format = IMPORT_JSONL,
                                    .family = family_find(td_bytes_str(family_name)),
                                    .path = path};
    if (import_run(&options, &report, &err) != TD_OK)
        fail_msg("%s: %s", family_name, err.text);
    assert_int_equal(report.malformed, 0);
    import_report_fini(&report);
}

/* The start of each segment except the first, and a time in its middle. */
static size_t find_times(archive *of, uint64_t times[TIMES_MAX])
{
    read_plan *plan = NULL;
    selection all = {0};
    read_query query = selection_query(&all, SELECTION_ALL_TIME);
    size_t count = 0;
    assert_int_equal(read_plan_open(of, &query, &plan, NULL), TD_OK);
    assert_in_range(read_plan_count(plan), 4, TIMES_MAX / 2);
    for (size_t i = 1; i < read_plan_count(plan); i++) {
        const segment_index *index = read_plan_segment(plan, i)->index;
        assert_true(index->checkpoint_count > 0);
        times[count++] = index->first_ns;
        times[count++] = index->first_ns + (index->last_ns - index->first_ns) / 2;
    }
    read_plan_close(plan);
    return count;
}

static void check_cut(archive *of, const char *path, const char *family_name,
                      const seen_frames *whole, uint64_t from_ns, cut_snapshots snapshots)
{
    selection wanted = {0};
    cut_result result;
    td_err err;
    selection_set_window(&wanted, (selection_window){from_ns, UINT64_MAX});
    const cut_options options = {
        .archive = of, .wanted = &wanted, .snapshots = snapshots, .path = path};
    if (cut_write(&options, &result, &err) != TD_OK)
        fail_msg("%s", err.text);
    archive *made = NULL;
    assert_int_equal(archive_open(&(archive_options){.io = io_posix(), .clock = clock_real()}, path,
                                  ARCHIVE_READ, &made, NULL),
                     TD_OK);
    seen_frames part = play_from(made, 0, TAPE_STATES_AUDITED);
    must_equal(family_name, whole, &part, from_ns);
    td_free(part.items);
    archive_close(made);
    assert_int_equal(td_io_unlink(io_posix(), path, NULL), TD_OK);
}

/* Reads from each of these times, with and without checkpoints, and makes cuts at path. */
static void check_moments(archive *of, const char *name, const char *path)
{
    uint64_t times[TIMES_MAX];
    seen_frames whole = play_from(of, 0, TAPE_STATES_AUDITED);
    size_t time_count = find_times(of, times);
    for (size_t i = 0; i < time_count; i++) {
        seen_frames part = play_from(of, times[i], TAPE_STATES_AUDITED);
        must_equal(name, &whole, &part, times[i]);
        assert_true(times[i] - part.lead_from_ns < HOUR_NS);
        if (i % 2 == 0)
            assert_int_equal(part.lead_in, 0);
        if (i % 4 > 1 && !long_tests_are_on()) {
            td_free(part.items);
            continue;
        }
        seen_frames without = play_from(of, times[i], TAPE_STATES_FRAMES);
        if (without.trades_missing > part.trades_missing)
            fail_msg("%s from %llu: trades are missing", name, (unsigned long long)times[i]);
        td_free(part.items);
        td_free(without.items);
        if (i % 4 == 1)
            check_cut(of, path, name, &whole, times[i],
                      i % 8 == 1 ? CUT_SNAPSHOTS_RECORDED : CUT_SNAPSHOTS_MADE);
    }
    td_free(whole.items);
}

/* capture_name NULL: from the simulated exchange. */
static void check_family(const char *family_name, const char *capture_name)
{
    archive_env env;
    char path[160];
    char cut[160];
    if (capture_name != NULL)
        (void)capture_path_or_skip(capture_name);
    archive_env_init_real(&env);
    (void)snprintf(path, sizeof path, "%s/capture", env.folder);
    (void)snprintf(cut, sizeof cut, "%s/cut.mcap", env.folder);
    if (capture_name != NULL)
        write_stretched(path, capture_name, family_name);
    else
        write_simulated(path, family_name);
    import_capture(&env, path, family_name);
    archive *of = archive_env_open(&env, ARCHIVE_READ, NULL);
    check_moments(of, family_name, cut);
    archive_close(of);
    archive_env_fini(&env);
}

static void test_every_segment(void **state)
{
    (void)state;
    static const char *const FAMILIES[] = {
        "inverse",      "linear",     "copytrade",  "usdc-perp", "usdc-option",
        "usdc-private", "spot-v1",    "spot-v2",    "spot-v3",   "contract-v3",
        "unified-v3",   "v5-linear",  "v5-inverse", "v5-spot",   "v5-option",
        "spot-private", "v5-private", "v5-spread",  "v5-misc",
    };
    for (size_t i = 0; i < sizeof FAMILIES / sizeof FAMILIES[0]; i++) {
        print_message("%s\n", FAMILIES[i]);
        check_family(FAMILIES[i], NULL);
    }
}

static void test_inverse_capture(void **state)
{
    (void)state;
    long_test();
    check_family("inverse", "inverse-2021-04-17.jsonl.gz");
}

static void test_linear_capture(void **state)
{
    (void)state;
    long_test();
    check_family("linear", "linear-2021-04-17.jsonl.gz");
}

static void test_v5_capture(void **state)
{
    (void)state;
    check_family("v5-linear", "v5-2026-08-09.jsonl.gz");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_segment),
        cmocka_unit_test(test_inverse_capture),
        cmocka_unit_test(test_linear_capture),
        cmocka_unit_test(test_v5_capture),
    };
    return cmocka_run_group_tests_name("checkpoints", tests, NULL, NULL);
}
