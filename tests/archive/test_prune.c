/* Retention. Expected: the contract in archive/prune.h, and FORMAT.md ("The journal": pruned). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "archive/read_plan.h"
#include "archive/archive_recover.h"
#include "archive/archive_segment.h"
#include "archive/catalog.h"
#include "archive/feed_history.h"
#include "archive/ledger.h"
#include "archive/reindex.h"
#include "format/segment_index.h"
#include "tests/testing/files.h"
#include "tests/testing/prune_fixture.h"

static void record_feed(archive_env *env, const char *name, uint64_t from, unsigned segments)
{
    fixture_feed feed;
    td_err err;
    clock_sim_advance(env->clock, 1000);
    archive *a = archive_env_open(env, ARCHIVE_APPEND, "record");
    archive_writer *writer = archive_fixture_begin(a);
    assert_int_equal(fixture_feed_open(&feed, writer, name, from, 1, &err), TD_OK);
    for (unsigned i = 0; i < segments; i++) {
        if (i > 0)
            fixture_feed_rotate(&feed);
        if (fixture_feed_put(&feed, SEGMENT_FRAMES, &err) != TD_OK)
            fail_msg("%s", err.text);
    }
    fixture_feed_close(&feed);
    if (archive_writer_close(writer, WRITER_STOP,
                             AT(from + UINT64_C(1) * SEGMENT_FRAMES * segments), &err) != TD_OK)
        fail_msg("%s", err.text);
    archive_close(a);
}

/* ---- what is removed ---- */

static void test_by_age(void **state)
{
    (void)state;
    archive_env env;
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 0, 12); /* 4 segments */
    prune_report report = prune(&env, older_than_frame(119));
    /* The second segment's last frame is frame 119, which is not older than frame 119. */
    assert_string_equal(prune_removed(), "age inverse 1\n");
    assert_int_equal(report.segments, 1);
    assert_int_equal(report.frames, SEGMENT_FRAMES);
    assert_int_equal(report.segments_kept, 3);
    prune_check_sound(&env);
    prune(&env, older_than_frame(120));
    assert_string_equal(prune_removed(), "age inverse 2\n");
    prune_check_sound(&env);
    assert_int_equal(
        archive_fixture_check_frames(&env, FIXTURE_FEED, UINT64_C(2) * SEGMENT_FRAMES, 1), 120);
    prune(&env, older_than_frame(120));
    assert_string_equal(prune_removed(), "");
    archive_env_fini(&env);
}

static void test_by_size(void **state)
{
    (void)state;
    archive_env env;
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 0, 12);
    prune_options options = {.is_dry_run = 1, .keep_bytes = UINT64_MAX - 1};
    uint64_t all = prune(&env, options).bytes_kept;
    assert_string_equal(prune_removed(), "");
    options = (prune_options){.is_all = 1, .keep_bytes = all};
    prune(&env, options);
    assert_string_equal(prune_removed(), "");
    options.keep_bytes = all - 1;
    prune_report report = prune(&env, options);
    assert_string_equal(prune_removed(), "size inverse 1\n");
    assert_int_equal(report.bytes + report.bytes_kept, all);
    prune_check_sound(&env);
    options.keep_bytes = 0;
    prune(&env, options);
    assert_string_equal(prune_removed(), "size inverse 2\nsize inverse 3\nsize inverse 4\n");
    prune_check_sound(&env);
    archive_env_fini(&env);
}

static int is_called_two(void *user, const char *feed)
{
    (void)user;
    return strcmp(feed, "two") == 0;
}

static void test_by_feed(void **state)
{
    (void)state;
    archive_env env;
    archive_env_init_sim(&env);
    record_feed(&env, "one", 0, 2);
    record_feed(&env, "two", 1000, 2);
    prune_options options = {.is_all = 1, .keep_bytes = UINT64_MAX, .wants_feed = is_called_two};
    prune(&env, options);
    assert_string_equal(prune_removed(), "feed two 1\nfeed two 2\n");
    prune_check_sound(&env);
    assert_int_equal(archive_fixture_check_frames(&env, "one", 0, 1), 120);
    archive_env_fini(&env);
}

static void test_bounds_together(void **state)
{
    (void)state;
    archive_env env;
    archive_env_init_sim(&env);
    record_feed(&env, "one", 0, 2);
    record_feed(&env, "two", 1000, 3);
    prune_options options = older_than_frame(1060);
    options.keep_bytes = 0;
    options.wants_feed = is_called_two;
    prune(&env, options);
    assert_string_equal(prune_removed(), "age two 1\nsize two 2\nsize two 3\n");
    prune_check_sound(&env);
    /* The oldest segments are removed first, whatever their feed. */
    record_feed(&env, "two", 2000, 1);
    options = (prune_options){.is_dry_run = 1, .keep_bytes = 0};
    prune(&env, options);
    assert_string_equal(prune_removed(), "size one 1\nsize one 2\nsize two 1\n");
    archive_env_fini(&env);
}

/* Makes a catalog with wrong rows and valid checksums: it makes the newest segment a day old. */
static void falsify_catalog(archive_env *env, uint64_t last_ns)
{
    archive_listing listing;
    segment_rows rows;
    catalog *c = NULL;
    td_err err;
    archive *a = archive_env_open(env, ARCHIVE_READ, NULL);
    assert_int_equal(archive_list(a, &listing, &err), TD_OK);
    const char *newest = listing.segments[listing.segment_count - 1].path;
    assert_int_equal(segment_rows_read(a, newest, &rows, &err), TD_OK);
    rows.index.first_ns = rows.index.last_ns = last_ns;
    assert_int_equal(catalog_open(env->catalog_path, CATALOG_WRITE, &c, &err), TD_OK);
    assert_int_equal(catalog_put(c, &rows, &err), TD_OK);
    catalog_close(c);
    segment_rows_fini(&rows);
    archive_listing_fini(&listing);
    archive_close(a);
}

static void test_files_decide_not_the_catalog(void **state)
{
    (void)state;
    for (uint8_t is_dry_run = 0; is_dry_run < 2; is_dry_run++) {
        archive_env env;
        archive_env_init_sim(&env);
        archive_fixture_record(&env, 0, 12);
        falsify_catalog(&env, AT(0));
        prune_options options = older_than_frame(1);
        options.is_dry_run = is_dry_run;
        prune(&env, options);
        assert_string_equal(prune_removed(), "");
        options = older_than_frame(120);
        options.is_dry_run = is_dry_run;
        assert_int_equal(prune(&env, options).segments_kept, 2);
        assert_string_equal(prune_removed(), "age inverse 1\nage inverse 2\n");
        archive_env_fini(&env);
    }
}

static void test_dry_run_changes_nothing(void **state)
{
    (void)state;
    archive_env env;
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 0, 6);
    io_fault_log_start(env.disk);
    prune_options options = older_than_frame(1000);
    options.is_dry_run = 1;
    prune_report report = prune(&env, options);
    assert_int_equal(report.segments, 2);
    for (uint64_t i = 0; i < io_fault_log_count(env.disk); i++)
        fail_msg("%s", io_fault_log_get(env.disk, i).path);
    prune_check_sound(&env);
    archive_env_fini(&env);
}

/* A feed continues after its segments were pruned: the journal has the last chain value. */
static void test_chain_continues(void **state)
{
    (void)state;
    archive_env env;
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 0, 6);
    prune(&env, (prune_options){.is_all = 1, .keep_bytes = 0});
    prune_check_sound(&env);
    clock_sim_advance(env.clock, 1000);
    archive_fixture_record(&env, 1000, 6);
    prune_check_sound(&env);
    assert_int_equal(archive_fixture_check_frames(&env, FIXTURE_FEED, 1000, 1), 120);
    archive_env_fini(&env);
}

static void first_segment(archive_env *env, char out[LIMIT_PATH_BYTES])
{
    archive_listing listing;
    archive *a = archive_env_open(env, ARCHIVE_READ, NULL);
    assert_int_equal(archive_list(a, &listing, NULL), TD_OK);
    assert_true(listing.segment_count > 0);
    assert_int_equal(archive_join(a, listing.segments[0].path, out, NULL), TD_OK);
    archive_listing_fini(&listing);
    archive_close(a);
}

/* A pruned segment still exists: prune was killed between journal entry and removal, or a backup
 * was restored. */
static void test_leftover_is_no_fault(void **state)
{
    (void)state;
    archive_env env;
    char path[LIMIT_PATH_BYTES];
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 0, 9);
    td_io io = io_fault_io(env.disk);
    first_segment(&env, path);
    size_t size = 0;
    uint8_t *bytes = file_read(io, path, &size);
    prune(&env, older_than_frame(60));
    assert_string_equal(prune_removed(), "age inverse 1\n");
    file_make(io, path, bytes, size);
    const prune_found *f = prune_verify(&env);
    assert_non_null(strstr(f->text, "was pruned, but its file exists"));
    assert_null(strstr(f->text, "damaged"));
    prune(&env, older_than_frame(1));
    assert_string_equal(prune_removed(), "leftover inverse 1\n");
    prune_check_sound(&env);
    td_free(bytes);
    archive_env_fini(&env);
}

static void note_entry(void *user, past_segment *segment)
{
    (void)segment;
    (*(unsigned *)user)++;
}

/* Every reader reports a deleted segment, with and without a catalog; no reader reports a pruned
 * one. */
static void test_deleted_is_not_pruned(void **state)
{
    (void)state;
    archive_env env;
    td_err err;
    const read_query all = {.time = TIME_SPAN_ALL};
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 0, 9);
    prune(&env, older_than_frame(60));
    for (unsigned round = 0; round < 3; round++) {
        char path[LIMIT_PATH_BYTES];
        read_plan *plan = NULL;
        archive_listing listing;
        archive_history past;
        unsigned missing = 0;
        /* Round 0: the segment is there. Round 1: it was removed. Round 2: and the catalog rebuilt.
         */
        if (round == 1) {
            first_segment(&env, path);
            assert_int_equal(td_io_unlink(io_fault_io(env.disk), path, NULL), TD_OK);
        }
        archive *a = archive_env_open(&env, ARCHIVE_MAINTAIN, "reindex");
        if (round == 2) {
            const reindex_options options = {.scope = REINDEX_ALL};
            reindex_report report;
            assert_int_equal(archive_reindex(a, &options, &report, &err), TD_OK);
            assert_int_equal(report.segments_missing, 1);
        }
        assert_int_equal(read_plan_open(a, &all, &plan, &err), TD_OK);
        assert_int_equal(read_plan_unreadable_count(plan), round > 0);
        read_plan_close(plan);
        assert_int_equal(archive_list(a, &listing, &err), TD_OK);
        assert_int_equal(archive_history_read(a, &past, &err), TD_OK);
        archive_each_missing(a, &past, &listing, note_entry, &missing);
        archive_history_fini(&past);
        assert_int_equal(missing, round > 0);
        archive_listing_fini(&listing);
        archive_close(a);
        assert_int_equal(prune_verify(&env)->verdict, round == 0 ? VERIFY_SOUND : VERIFY_DAMAGED);
    }
    archive_env_fini(&env);
}

static td_result note_name(void *user, const char *name, td_entry_kind kind, td_err *err)
{
    (void)name;
    (void)kind;
    (void)err;
    (*(unsigned *)user)++;
    return TD_OK;
}

static unsigned entries_of(archive_env *env, const char *path)
{
    unsigned count = 0;
    td_result rc = td_io_list(io_fault_io(env->disk), path, note_name, &count, NULL);
    assert_true(rc == TD_OK || rc == TD_E_NOTFOUND);
    return count;
}

static void test_empty_folders_are_removed(void **state)
{
    (void)state;
    archive_env env;
    const uint64_t day_frames = UINT64_C(86400) * TD_NS_PER_S / FIXTURE_STEP_NS;
    archive_env_init_sim(&env);
    record_feed(&env, "one", 0, 1);
    record_feed(&env, "one", 2 * day_frames + 100000, 1);
    assert_int_equal(entries_of(&env, ARCHIVE_FIXTURE_PATH "/capture/2026/11"), 2);
    prune_report report = prune(&env, older_than_frame(100));
    assert_int_equal(report.folders, 1);
    assert_int_equal(entries_of(&env, ARCHIVE_FIXTURE_PATH "/capture/2026/11"), 1);
    report = prune(&env, (prune_options){.is_all = 1, .keep_bytes = 0});
    assert_int_equal(report.folders, 3); /* day, month, year; capture/ stays */
    assert_int_equal(entries_of(&env, ARCHIVE_FIXTURE_PATH "/capture"), 0);
    prune_check_sound(&env);
    archive_env_fini(&env);
}

/* ---- other processes ---- */

static void test_open_segments_stay(void **state)
{
    (void)state;
    archive_env env;
    fixture_feed feed;
    td_err err;
    const prune_options everything = {.is_all = 1, .keep_bytes = 0};
    archive_env_init_sim(&env);
    archive *a = archive_env_open(&env, ARCHIVE_APPEND, "record");
    archive_writer *writer = archive_fixture_begin(a);
    assert_int_equal(fixture_feed_open(&feed, writer, FIXTURE_FEED, 0, 1, &err), TD_OK);
    for (unsigned i = 0; i < 3; i++) {
        if (i > 0)
            fixture_feed_rotate(&feed);
        assert_int_equal(fixture_feed_put(&feed, 20, &err), TD_OK);
    }
    prune_report report = prune(&env, everything);
    assert_string_equal(prune_removed(), "size inverse 1\nsize inverse 2\n");
    assert_int_equal(report.segments_kept, 1);
    assert_int_equal(report.folders, 0);
    fixture_feed_rotate(&feed);
    assert_int_equal(fixture_feed_put(&feed, 20, &err), TD_OK); /* the chain continues */
    fixture_feed_close(&feed);
    assert_int_equal(archive_writer_close(writer, WRITER_STOP, AT(100), &err), TD_OK);
    archive_close(a);
    prune_check_sound(&env);
    assert_int_equal(archive_fixture_check_frames(&env, FIXTURE_FEED, 40, 1), 40);
    archive_env_fini(&env);
}

static void test_crashed_segment_waits_for_recover(void **state)
{
    (void)state;
    archive_env env;
    fixture_feed feed;
    td_err err;
    recover_report recovered;
    const prune_options everything = {.is_all = 1, .keep_bytes = 0};
    archive_env_init_sim(&env);
    archive *a = archive_env_open(&env, ARCHIVE_APPEND, "record");
    archive_writer *writer = archive_fixture_begin(a);
    assert_int_equal(fixture_feed_open(&feed, writer, FIXTURE_FEED, 0, 1, &err), TD_OK);
    assert_int_equal(fixture_feed_put(&feed, 20, &err), TD_OK);
    fixture_feed_close(&feed);
    assert_int_equal(archive_writer_close(writer, WRITER_ABANDON, 0, &err), TD_OK);
    archive_close(a);
    prune(&env, everything);
    assert_string_equal(prune_removed(), "");
    a = archive_env_open(&env, ARCHIVE_MAINTAIN, "recover");
    assert_int_equal(archive_recover(a, NULL, NULL, &recovered, &err), TD_OK);
    archive_close(a);
    prune(&env, everything);
    assert_string_equal(prune_removed(), "size inverse 1\n");
    prune_check_sound(&env);
    archive_env_fini(&env);
}

static void test_one_maintainer(void **state)
{
    (void)state;
    archive_env env;
    prune_report report;
    td_err err;
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 0, 3);
    archive *other = archive_env_open(&env, ARCHIVE_MAINTAIN, "recover");
    assert_int_equal(prune_try(&env, older_than_frame(1000), &report, &err), TD_E_BUSY);
    assert_non_null(strstr(err.text, "recover"));
    archive_close(other);
    archive_env_fini(&env);
}

/* ---- gaps ---- */

/* The fixture has a gap from frame 50 to 60 of every hundred. The first segment ends at frame 59,
 * so it has only the beginning of the first gap. */
static void test_gaps_are_removed_with_segments(void **state)
{
    (void)state;
    archive_env env;
    gap_list gaps;
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 0, 12); /* gaps at 50 and 150; segments of 60 */
    prune_report report = prune(&env, older_than_frame(60));
    /* 1 is kept, because its end is in the second segment. */
    assert_int_equal(report.gaps_kept, 1);
    archive_fixture_gaps(&env, &gaps);
    assert_int_equal(gaps.count, 2);
    assert_int_equal(gaps.rows[0].from_ns, AT(50));
    assert_int_equal(gaps.rows[0].to_ns, AT(60));
    gap_list_fini(&gaps);
    prune_check_sound(&env);
    prune(&env, older_than_frame(120));
    archive_fixture_gaps(&env, &gaps);
    assert_int_equal(gaps.count, 1);
    assert_int_equal(gaps.rows[0].from_ns, AT(150));
    gap_list_fini(&gaps);
    prune_check_sound(&env);
    archive_env_fini(&env);
}

/* Where sessions overlap, the time that a remaining session covers is not pruned, and its gaps
 * stay, including those that only the journal has. */
static void test_gaps_of_an_overlapping_session_stay(void **state)
{
    (void)state;
    archive_env env;
    gap_list gaps = {0};
    journal *acts = NULL;
    td_err err;
    archive_env_init_sim(&env);
    record_feed(&env, "one", 0, 1);  /* frames 0 to 59 */
    record_feed(&env, "one", 15, 3); /* frames 15 to 194 */
    const gap_row crash_gap = {.reason = GAP_CRASH,
                               .feed = "one",
                               .topic = "",
                               .symbol = "",
                               .from_ns = AT(20),
                               .to_ns = AT(30),
                               .frames_lost = GAP_FRAMES_UNKNOWN,
                               .covered_by = "",
                               .cause = "",
                               .detail = ""};
    archive *a = archive_env_open(&env, ARCHIVE_MAINTAIN, "recover");
    assert_int_equal(journal_open(a, NULL, NULL, NULL, &acts, &err), TD_OK);
    assert_int_equal(journal_append_gap(acts, &crash_gap, &err), TD_OK);
    journal_close(acts);
    archive_close(a);
    prune(&env, older_than_frame(60));
    assert_string_equal(prune_removed(), "age one 1\n");
    archive_fixture_gaps(&env, &gaps);
    assert_non_null(gap_list_find(&gaps, &crash_gap));
    gap_list_fini(&gaps);
    archive_env_fini(&env);
}

/* ---- ages ---- */

/* An age counts from the newest frame or from the clock, whichever is earlier. */
static void test_ages_do_not_trust_the_clock_alone(void **state)
{
    (void)state;
    const uint64_t day = UINT64_C(24) * 3600 * TD_NS_PER_S / FIXTURE_STEP_NS + 1; /* in frames */
    archive_env env;
    prune_report report;
    td_err err;
    archive_env_init_sim(&env);
    for (uint64_t d = 0; d <= 40; d += 4)
        record_feed(&env, "one", d * day, 1); /* of days 0, 4, ... 40 */
    const prune_options month = {.is_all = 1,
                                 .keep_bytes = UINT64_MAX,
                                 .older_than_ns = UINT64_C(30) * 24 * 3600 * TD_NS_PER_S};
    /* The clock is before every frame, so nothing is old. */
    clock_sim_set_wall(env.clock, FIXTURE_START_NS - 1);
    report = prune(&env, month);
    assert_int_equal(report.segments, 0);
    /* The clock is ten years ahead: ages count from the newest frame, of day 40, so days 0 to 8 are
     * older than a month. */
    clock_sim_set_wall(env.clock, AT(3650 * day));
    report = prune(&env, month);
    assert_int_equal(report.segments, 3);
    assert_true(report.counted_from_ns > AT(40 * day) && report.counted_from_ns < AT(41 * day));
    /* On day 39, frames of day 40 are in the future: ages count from the clock. */
    clock_sim_set_wall(env.clock, AT(39 * day));
    report = prune(&env, month);
    assert_int_equal(report.segments, 0);
    assert_true(report.counted_from_ns < AT(37 * day));
    prune_check_sound(&env);
    /* A recorder used the wrong clock: its frames, ten years ahead, must not make the others
     * old. */
    clock_sim_set_wall(env.clock, AT(3650 * day));
    record_feed(&env, "one", 3649 * day, 1);
    assert_int_equal(prune_try(&env, month, &report, &err), TD_E_LIMIT);
    assert_non_null(strstr(err.text, "nothing is removed"));
    assert_int_equal(report.segments, 0);
    prune_check_sound(&env);
    archive_env_fini(&env);
}

/* An open gap is listed only in the segment in which it began. */
static void test_open_gap_outlives_its_segment(void **state)
{
    (void)state;
    archive_env env;
    gap_list gaps;
    archive_env_init_sim(&env);
    record_feed(&env, FIXTURE_FEED, 0, 1);  /* to frame 59; a gap opens at 50 */
    record_feed(&env, FIXTURE_FEED, 70, 1); /* a second session, which does not end the gap */
    prune_report report = prune(&env, older_than_frame(60));
    assert_int_equal(report.gaps_kept, 1);
    archive_fixture_gaps(&env, &gaps);
    assert_int_equal(gaps.count, 1);
    assert_int_equal(gaps.rows[0].from_ns, AT(50));
    assert_int_equal(gaps.rows[0].to_ns, GAP_OPEN);
    gap_list_fini(&gaps);
    prune_check_sound(&env);
    archive_env_fini(&env);
}

/* Earlier versions kept states in this folder, but its files may be from any program: verify does
 * not report them, and prune removes none. */
static void test_other_files_stay(void **state)
{
    (void)state;
    archive_env env;
    char path[LIMIT_PATH_BYTES];
    size_t size = 0;
    archive_listing listing;
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 0, 6); /* 2 segments */
    const td_io io = io_fault_io(env.disk);
    archive *a = archive_env_open(&env, ARCHIVE_READ, NULL);
    assert_int_equal(archive_list(a, &listing, NULL), TD_OK);
    archive_close(a);
    assert_int_equal(td_io_mkdir_below(io, ARCHIVE_FIXTURE_PATH, "checkpoints", NULL), TD_OK);
    (void)snprintf(path, sizeof path, ARCHIVE_FIXTURE_PATH "/checkpoints/%s.checkpoint",
                   strrchr(listing.segments[0].path, '/') + 1);
    file_make(io, path, "x", 1);
    archive_listing_fini(&listing);
    prune_check_sound(&env);
    prune(&env, older_than_frame(60));
    assert_string_equal(prune_removed(), "age inverse 1\n");
    prune_check_sound(&env);
    uint8_t *left = file_read(io, path, &size);
    assert_int_equal(size, 1);
    td_free(left);
    archive_env_fini(&env);
}

/* ---- segments that a store has ---- */

#define STORE "s3://bucket/tape"

/* Which segments confirm accepts, by number; a segment that is `failing` is an error. */
typedef struct confirmation {
    unsigned refused, failing;
} confirmation;

static td_result confirm(void *user, const segment_index *segment, int *may_be_removed, td_err *err)
{
    const confirmation *c = user;
    segment_name name;
    assert_true(segment_name_parse(segment_file_name(segment->path), &name));
    *may_be_removed = name.number != c->refused;
    return name.number == c->failing ? td_err_set(err, TD_E_IO, "no reply") : TD_OK;
}

static prune_options moving(confirmation *c, uint64_t before_frame)
{
    prune_options options = older_than_frame(before_frame);
    options.confirm = confirm;
    options.moved_to = STORE;
    options.user = c;
    return options;
}

static void test_confirm_decides(void **state)
{
    (void)state;
    archive_env env;
    td_err err;
    prune_report report;
    confirmation c = {.refused = 1, .failing = 2};
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 0, 12); /* 4 segments */
    assert_int_equal(prune_try(&env, moving(&c, 180), &report, &err), TD_E_IO);
    assert_string_equal(prune_removed(), "");
    assert_int_equal(archive_fixture_check_frames(&env, FIXTURE_FEED, 0, 1), 240);
    c.failing = 0;
    report = prune(&env, moving(&c, 180));
    assert_string_equal(prune_removed(), "age inverse 2\nage inverse 3\n");
    assert_int_equal(report.segments, 2);
    assert_int_equal(report.segments_refused, 1);
    assert_int_equal(report.segments_kept, 2);
    archive_env_fini(&env);
}

/* A store's listing has the file that the folder lacks, and its readers the same journal. */
static void test_moved_is_present_where_its_file_is(void **state)
{
    (void)state;
    archive_env env;
    confirmation c = {0};
    char path[LIMIT_PATH_BYTES];
    size_t size = 0;
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 0, 12);
    td_io io = io_fault_io(env.disk);
    first_segment(&env, path);
    uint8_t *bytes = file_read(io, path, &size);
    prune(&env, moving(&c, 60));
    assert_string_equal(prune_removed(), "age inverse 1\n");
    prune_check_sound(&env);
    file_make(io, path, bytes, size);
    const prune_found *f = prune_verify(&env); /* the catalog lacks it */
    assert_true(strstr(f->text, "pruned") == NULL && strstr(f->text, "damaged") == NULL);
    assert_int_equal(archive_fixture_check_frames(&env, FIXTURE_FEED, 0, 1), 240);
    /* A file with other bytes is damaged: nothing excuses it. */
    assert_int_equal(td_io_unlink(io, path, NULL), TD_OK);
    file_make(io, path, bytes, size - 1);
    assert_int_equal(prune_verify(&env)->verdict, VERIFY_DAMAGED);
    assert_int_equal(td_io_unlink(io, path, NULL), TD_OK);
    file_make(io, path, bytes, size);
    prune(&env, moving(&c, 60));
    assert_string_equal(prune_removed(), "age inverse 1\n");
    prune_check_sound(&env);
    /* It comes back, and is pruned: then it is removed for good. */
    file_make(io, path, bytes, size);
    prune(&env, older_than_frame(60));
    assert_string_equal(prune_removed(), "age inverse 1\n");
    file_make(io, path, bytes, size);
    assert_non_null(strstr(prune_verify(&env)->text, "was pruned, but its file exists"));
    td_free(bytes);
    archive_env_fini(&env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_age),
        cmocka_unit_test(test_by_size),
        cmocka_unit_test(test_by_feed),
        cmocka_unit_test(test_bounds_together),
        cmocka_unit_test(test_files_decide_not_the_catalog),
        cmocka_unit_test(test_dry_run_changes_nothing),
        cmocka_unit_test(test_chain_continues),
        cmocka_unit_test(test_leftover_is_no_fault),
        cmocka_unit_test(test_deleted_is_not_pruned),
        cmocka_unit_test(test_empty_folders_are_removed),
        cmocka_unit_test(test_open_segments_stay),
        cmocka_unit_test(test_crashed_segment_waits_for_recover),
        cmocka_unit_test(test_one_maintainer),
        cmocka_unit_test(test_gaps_are_removed_with_segments),
        cmocka_unit_test(test_gaps_of_an_overlapping_session_stay),
        cmocka_unit_test(test_ages_do_not_trust_the_clock_alone),
        cmocka_unit_test(test_open_gap_outlives_its_segment),
        cmocka_unit_test(test_other_files_stay),
        cmocka_unit_test(test_confirm_decides),
        cmocka_unit_test(test_moved_is_present_where_its_file_is),
    };
    return cmocka_run_group_tests_name("prune", tests, NULL, NULL);
}
