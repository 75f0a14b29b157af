/* Reading that begins at checkpoints. Expected: from the beginning of every segment of a simulated
 * day on, and from moments between, each frame of each family has the verdict, the audit and the
 * book that a replay of the whole day gives it, also where frames are missing; and no frame of an
 * earlier segment is read for it. Replays of cuts that begin at these moments give them the same.
 */
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
#include "cut/cut.h"
#include "import/import.h"
#include "play/player.h"
#include "tests/testing/archive_fixture.h"
#include "tests/testing/files.h"
#include "tests/testing/sim_feed.h"

enum { FRAMES = 3000, LOST_EVERY = 97, MOMENTS_MAX = 64 };
#define STEP_NS (7 * TD_NS_PER_S) /* some six segments */

/* What became of each frame from a moment on. */
typedef struct seen_frame {
    uint64_t recv_ns;
    uint64_t hash;
} seen_frame;

typedef struct seen_frames {
    seen_frame *items;
    size_t count;
    uint64_t lead_from_ns;
    uint64_t lead_in;
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

static uint64_t hash_book(uint64_t hash, const book *of)
{
    char levels[TD_SHA1_HEX_BYTES];
    book_levels_sha1(of, levels);
    return mix(hash, levels, sizeof levels);
}

static td_result see(void *ctx, const struct stream *of, void **state, const observed_frame *at,
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
            hash = hash_item(mix_number(hash, item->from_ns ^ item->to_ns << 1 ^ item->event),
                             &item->verdict);
        }
        if (track_book(found->track) != NULL)
            hash = hash_book(hash, track_book(found->track));
    }
    seen->items = td_array_grow(seen->items, seen->count, sizeof *seen->items);
    seen->items[seen->count++] = (seen_frame){at->frame->recv_ns, hash};
    return TD_OK;
}

static seen_frames play_from(archive *of, uint64_t from_ns)
{
    static const observer_ops SEE = {.name = "test", .frame = see};
    seen_frames seen = {0};
    selection wanted = {0};
    if (from_ns > 0)
        selection_set_window(&wanted, (selection_window){from_ns, UINT64_MAX});
    const cursor_options reading = {
        .reads = TAPE_READS_MESSAGES, .with_lead_in = 1, .with_states = 1};
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

/* The frames of the whole from then on are those of the part. */
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

/* A simulated day as a capture: every now and then a frame is missing. */
static void write_capture(const char *path, const char *family_name)
{
    td_buf text;
    capture_tape recorded;
    td_buf_init(&text, SIZE_MAX);
    sim_feed_record(
        &(sim_feed_options){
            .family = family_name, .symbol_count = 2, .seed = 5, .step_ns = STEP_NS},
        FRAMES, &recorded);
    for (size_t i = 0; i < recorded.frame_count; i++) {
        const frame_ref *frame = &recorded.frames[i];
        if (i % LOST_EVERY == LOST_EVERY - 1)
            continue;
        assert_int_equal(td_buf_printf(&text, NULL,
                                       "{\"recv_ns\":%llu,\"dir\":\"%s\",\"data\":%.*s}\n",
                                       (unsigned long long)frame->recv_ns,
                                       channel_dir_name(frame->channel->info.dir),
                                       (int)frame->bytes.size, (const char *)frame->bytes.data),
                         TD_OK);
    }
    td_buf_add(&text, "", 1);
    file_write_text(path, (const char *)text.data);
    capture_tape_fini(&recorded);
    td_buf_fini(&text);
}

static void import_capture(archive_place *place, const char *path, const char *family_name)
{
    td_err err;
    import_report report;
    const import_options options = {.io = io_posix(),
                                    .clock = clock_sim_clock(place->clock),
                                    .archive_path = place->path,
                                    .version = "test",
                                    .format = IMPORT_JSONL,
                                    .family = family_find(td_bytes_str(family_name)),
                                    .path = path};
    if (import_run(&options, &report, &err) != TD_OK)
        fail_msg("%s: %s", family_name, err.text);
    assert_int_equal(report.malformed, 0);
    import_report_fini(&report);
}

/* The beginning of each segment but the first, and a moment in its middle. */
static size_t find_moments(archive *of, uint64_t moments[MOMENTS_MAX])
{
    read_plan *plan = NULL;
    selection all = {0};
    read_query query = selection_query(&all, SELECTION_ALL_TIME);
    size_t count = 0;
    assert_int_equal(read_plan_open(of, &query, &plan, NULL), TD_OK);
    assert_in_range(read_plan_count(plan), 4, MOMENTS_MAX / 2);
    for (size_t i = 1; i < read_plan_count(plan); i++) {
        const segment_index *index = read_plan_segment(plan, i)->index;
        assert_true(index->checkpoint_count > 0);
        moments[count++] = index->first_ns;
        moments[count++] = index->first_ns + (index->last_ns - index->first_ns) / 2;
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
    seen_frames part = play_from(made, 0);
    must_equal(family_name, whole, &part, from_ns);
    td_free(part.items);
    archive_close(made);
    assert_int_equal(td_io_unlink(io_posix(), path, NULL), TD_OK);
}

static void check_family(const char *family_name)
{
    archive_place place;
    char capture[160];
    char cut[160];
    uint64_t moments[MOMENTS_MAX];
    archive_place_init_real(&place);
    (void)snprintf(capture, sizeof capture, "%s/capture", place.folder);
    (void)snprintf(cut, sizeof cut, "%s/cut.mcap", place.folder);
    write_capture(capture, family_name);
    import_capture(&place, capture, family_name);
    archive *of = archive_place_open(&place, ARCHIVE_READ, NULL);
    seen_frames whole = play_from(of, 0);
    size_t moment_count = find_moments(of, moments);
    for (size_t i = 0; i < moment_count; i++) {
        seen_frames part = play_from(of, moments[i]);
        must_equal(family_name, &whole, &part, moments[i]);
        assert_true(moments[i] - part.lead_from_ns < UINT64_C(3600) * TD_NS_PER_S);
        if (i % 2 == 0)
            assert_int_equal(part.lead_in, 0);
        td_free(part.items);
        if (i % 4 == 1)
            check_cut(of, cut, family_name, &whole, moments[i],
                      i % 8 == 1 ? CUT_SNAPSHOTS_RECORDED : CUT_SNAPSHOTS_MADE);
    }
    td_free(whole.items);
    archive_close(of);
    archive_place_fini(&place);
}

static void test_every_segment(void **state)
{
    (void)state;
    static const char *const PUBLIC[] = {"inverse",     "linear",     "copytrade", "usdc-perp",
                                         "usdc-option", "spot-v1",    "spot-v2",   "contract-v3",
                                         "v5-linear",   "v5-inverse", "v5-spot",   "v5-option",
                                         "v5-spread",   "v5-misc"};
    for (size_t i = 0; i < sizeof PUBLIC / sizeof PUBLIC[0]; i++) {
        print_message("%s\n", PUBLIC[i]);
        check_family(PUBLIC[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_segment),
    };
    return cmocka_run_group_tests_name("checkpoints", tests, NULL, NULL);
}
