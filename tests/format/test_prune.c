/* Retention. Expected: the contract in format/prune.h, and FORMAT.md ("The journal": pruned). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "format/archive_plan.h"
#include "format/archive_recover.h"
#include "format/feed_past.h"
#include "format/ledger.h"
#include "format/prune.h"
#include "format/reindex.h"
#include "format/verify.h"
#include "tests/testing/archive_fixture.h"
#include "tests/testing/segment_fixture.h"

/* A fixture's segment has 3 chunks of 20 frames. */
enum { SEGMENT_FRAMES = 60, SEEDS = 5, CALLS_MAX = 500, TEXT_BYTES = 1 << 15 };

/* Receive time of frame i. */
#define AT(i) (FIXTURE_START_NS + FIXTURE_STEP_NS * (i))

static char removed[TEXT_BYTES]; /* "why number\n" of each segment, in order; one thread */

static void note_removal(void *user, const prune_event *going)
{
    (void)user;
    segment_name name;
    size_t size = strlen(removed);
    assert_true(segment_name_parse(strrchr(going->path, '/') + 1, &name));
    (void)snprintf(removed + size, sizeof removed - size, "%s %s %u\n", prune_why_name(going->why),
                   going->feed, name.number);
}

static td_result try_prune(archive_place *place, prune_options options, prune_report *report,
                           td_err *err)
{
    const gap_reader gaps = archive_fixture_gaps();
    archive *a = NULL;
    archive_mode mode = options.mode == PRUNE_LOOK ? ARCHIVE_READ : ARCHIVE_MAINTAIN;
    removed[0] = '\0';
    options.removing = note_removal;
    options.gaps = &gaps;
    td_result rc = archive_place_try_open(place, mode, "prune", &a, err);
    if (rc == TD_OK)
        rc = archive_prune(a, &options, report, err);
    archive_close(a);
    return rc;
}

static prune_report prune(archive_place *place, prune_options options)
{
    prune_report report;
    td_err err;
    if (try_prune(place, options, &report, &err) != TD_OK)
        fail_msg("%s", err.text);
    return report;
}

static prune_options older_than_frame(uint64_t i)
{
    return (prune_options){.mode = PRUNE_REMOVE, .before_ns = AT(i), .keep_bytes = UINT64_MAX};
}

typedef struct found {
    char text[TEXT_BYTES];
    verify_severity verdict;
} found;

static void keep_finding(void *user, const verify_finding *finding)
{
    found *f = user;
    size_t size = strlen(f->text);
    (void)snprintf(f->text + size, sizeof f->text - size, "%s %s %s\n",
                   verify_severity_name(finding->severity), finding->segment, finding->what);
}

static const found *verify(archive_place *place)
{
    static found f;
    td_err err;
    verify_report report;
    const gap_reader gaps = archive_fixture_gaps();
    const verify_options options = {
        .threads = 1, .finding = keep_finding, .user = &f, .gaps = &gaps};
    f.text[0] = '\0';
    archive *a = archive_place_open(place, ARCHIVE_READ, NULL);
    if (archive_verify(a, &options, &report, &err) != TD_OK)
        fail_msg("%s", err.text);
    archive_close(a);
    f.verdict = report.verdict;
    return &f;
}

static void check_sound(archive_place *place)
{
    const found *f = verify(place);
    if (f->verdict != VERIFY_SOUND || f->text[0] != '\0')
        fail_msg("%s", f->text);
    char *kept = archive_fixture_dump(place);
    char *made = archive_fixture_dump_rebuilt(place);
    assert_string_equal(kept, made);
    td_free(kept);
    td_free(made);
}

static void record_feed(archive_place *place, const char *name, uint64_t from, unsigned segments)
{
    fixture_feed feed;
    td_err err;
    clock_sim_advance(place->clock, 1000);
    archive *a = archive_place_open(place, ARCHIVE_APPEND, "record");
    archive_writer *writer = archive_fixture_begin(a);
    assert_int_equal(fixture_feed_open(&feed, writer, name, from, 1, NULL, &err), TD_OK);
    for (unsigned i = 0; i < segments; i++) {
        if (i > 0)
            fixture_feed_rotate(&feed);
        if (fixture_feed_put(&feed, SEGMENT_FRAMES, &err) != TD_OK)
            fail_msg("%s", err.text);
    }
    fixture_feed_close(&feed);
    if (archive_writer_close(writer, WRITER_STOP, AT(from + SEGMENT_FRAMES * segments), &err) !=
        TD_OK)
        fail_msg("%s", err.text);
    archive_close(a);
}

/* ---- what goes ---- */

static void test_by_age(void **state)
{
    (void)state;
    archive_place place;
    archive_place_init_sim(&place);
    archive_fixture_record(&place, 0, 12); /* 4 segments */
    prune_report report = prune(&place, older_than_frame(119));
    /* The second one's last frame is number 119 itself: it is not before it. */
    assert_string_equal(removed, "age inverse 1\n");
    assert_int_equal(report.segments, 1);
    assert_int_equal(report.frames, SEGMENT_FRAMES);
    assert_int_equal(report.segments_kept, 3);
    check_sound(&place);
    prune(&place, older_than_frame(120));
    assert_string_equal(removed, "age inverse 2\n");
    check_sound(&place);
    assert_int_equal(
        archive_fixture_check_frames(&place, FIXTURE_FEED, UINT64_C(2) * SEGMENT_FRAMES, 1), 120);
    prune(&place, older_than_frame(120));
    assert_string_equal(removed, "");
    archive_place_fini(&place);
}

static void test_by_size(void **state)
{
    (void)state;
    archive_place place;
    archive_place_init_sim(&place);
    archive_fixture_record(&place, 0, 12);
    prune_options options = {.mode = PRUNE_LOOK, .keep_bytes = UINT64_MAX - 1};
    uint64_t all = prune(&place, options).bytes_kept;
    assert_string_equal(removed, "");
    options = (prune_options){.mode = PRUNE_REMOVE, .keep_bytes = all};
    prune(&place, options);
    assert_string_equal(removed, "");
    options.keep_bytes = all - 1;
    prune_report report = prune(&place, options);
    assert_string_equal(removed, "size inverse 1\n");
    assert_int_equal(report.bytes + report.bytes_kept, all);
    check_sound(&place);
    options.keep_bytes = 0;
    prune(&place, options);
    assert_string_equal(removed, "size inverse 2\nsize inverse 3\nsize inverse 4\n");
    check_sound(&place);
    archive_place_fini(&place);
}

static int is_called_two(void *user, const char *feed)
{
    (void)user;
    return strcmp(feed, "two") == 0;
}

static void test_by_feed(void **state)
{
    (void)state;
    archive_place place;
    archive_place_init_sim(&place);
    record_feed(&place, "one", 0, 2);
    record_feed(&place, "two", 1000, 2);
    prune_options options = {
        .mode = PRUNE_REMOVE, .keep_bytes = UINT64_MAX, .wants_feed = is_called_two};
    prune(&place, options);
    assert_string_equal(removed, "feed two 1\nfeed two 2\n");
    check_sound(&place);
    assert_int_equal(archive_fixture_check_frames(&place, "one", 0, 1), 120);
    archive_place_fini(&place);
}

static void test_bounds_together(void **state)
{
    (void)state;
    archive_place place;
    archive_place_init_sim(&place);
    record_feed(&place, "one", 0, 2);
    record_feed(&place, "two", 1000, 3);
    prune_options options = older_than_frame(1060);
    options.keep_bytes = 0;
    options.wants_feed = is_called_two;
    prune(&place, options);
    assert_string_equal(removed, "age two 1\nsize two 2\nsize two 3\n");
    check_sound(&place);
    /* Over all feeds the oldest go first. */
    record_feed(&place, "two", 2000, 1);
    options = (prune_options){.mode = PRUNE_LOOK, .keep_bytes = 0};
    prune(&place, options);
    assert_string_equal(removed, "size one 1\nsize one 2\nsize two 1\n");
    archive_place_fini(&place);
}

static void test_looking_changes_nothing(void **state)
{
    (void)state;
    archive_place place;
    td_err err;
    archive_place_init_sim(&place);
    archive_fixture_record(&place, 0, 6);
    assert_int_equal(io_fault_log_start(place.disk, &err), TD_OK);
    prune_options options = older_than_frame(1000);
    options.mode = PRUNE_LOOK;
    prune_report report = prune(&place, options);
    assert_int_equal(report.segments, 2);
    for (uint64_t i = 0; i < io_fault_log_count(place.disk); i++)
        fail_msg("%s", io_fault_log_get(place.disk, i).path);
    check_sound(&place);
    archive_place_fini(&place);
}

/* ---- what stays provable ---- */

/* A feed goes on behind segments that are gone: the journal has the chain's value. */
static void test_chain_goes_on(void **state)
{
    (void)state;
    archive_place place;
    archive_place_init_sim(&place);
    archive_fixture_record(&place, 0, 6);
    prune(&place, (prune_options){.mode = PRUNE_REMOVE, .keep_bytes = 0});
    check_sound(&place);
    clock_sim_advance(place.clock, 1000);
    archive_fixture_record(&place, 1000, 6);
    check_sound(&place);
    assert_int_equal(archive_fixture_check_frames(&place, FIXTURE_FEED, 1000, 1), 120);
    archive_place_fini(&place);
}

static void first_segment(archive_place *place, char out[LIMIT_PATH_BYTES])
{
    archive_listing listing;
    archive *a = archive_place_open(place, ARCHIVE_READ, NULL);
    assert_int_equal(archive_list(a, &listing, NULL), TD_OK);
    assert_true(listing.segment_count > 0);
    assert_int_equal(archive_join(a, listing.segments[0].path, out, NULL), TD_OK);
    archive_listing_fini(&listing);
    archive_close(a);
}

/* Killed between journal and file, or put back from a backup. */
static void test_leftover_is_no_fault(void **state)
{
    (void)state;
    archive_place place;
    char path[LIMIT_PATH_BYTES];
    archive_place_init_sim(&place);
    archive_fixture_record(&place, 0, 9);
    td_io io = io_fault_io(place.disk);
    first_segment(&place, path);
    size_t size = 0;
    uint8_t *bytes = fixture_read_file(io, path, &size);
    prune(&place, older_than_frame(60));
    assert_string_equal(removed, "age inverse 1\n");
    fixture_make_file(io, path, bytes, size);
    const found *f = verify(&place);
    assert_non_null(strstr(f->text, "was pruned, and is there"));
    assert_null(strstr(f->text, "damaged"));
    prune(&place, older_than_frame(1));
    assert_string_equal(removed, "leftover inverse 1\n");
    check_sound(&place);
    td_free(bytes);
    archive_place_fini(&place);
}

static void note_entry(void *user, const past_segment *segment)
{
    (void)segment;
    (*(unsigned *)user)++;
}

/* A segment that somebody deleted is missed by everybody, with a catalog or without; one that was
 * pruned by nobody. */
static void test_deleted_is_not_pruned(void **state)
{
    (void)state;
    archive_place place;
    td_err err;
    const plan_query all = {.to_ns = UINT64_MAX};
    const gap_reader gaps = archive_fixture_gaps();
    archive_place_init_sim(&place);
    archive_fixture_record(&place, 0, 9);
    prune(&place, older_than_frame(60));
    for (unsigned round = 0; round < 3; round++) {
        char path[LIMIT_PATH_BYTES];
        archive_plan *plan = NULL;
        archive_listing listing;
        unsigned missing = 0;
        if (round == 1) { /* with a catalog that has it, then with one that was made without it */
            first_segment(&place, path);
            assert_int_equal(td_io_unlink(io_fault_io(place.disk), path, NULL), TD_OK);
        }
        archive *a = archive_place_open(&place, ARCHIVE_MAINTAIN, "reindex");
        if (round == 2) {
            const reindex_options options = {.scope = REINDEX_ALL, .gaps = &gaps};
            reindex_report report;
            assert_int_equal(archive_reindex(a, &options, &report, &err), TD_OK);
            assert_int_equal(report.segments_missing, 1);
        }
        assert_int_equal(archive_plan_open(a, &all, &plan, &err), TD_OK);
        assert_int_equal(archive_plan_unreadable_count(plan), round > 0);
        archive_plan_close(plan);
        assert_int_equal(archive_list(a, &listing, &err), TD_OK);
        assert_int_equal(archive_each_missing(a, &listing, note_entry, &missing, &err), TD_OK);
        assert_int_equal(missing, round > 0);
        archive_listing_fini(&listing);
        archive_close(a);
        assert_int_equal(verify(&place)->verdict, round == 0 ? VERIFY_SOUND : VERIFY_DAMAGED);
    }
    archive_place_fini(&place);
}

static td_result note_name(void *user, const char *name, td_entry_kind kind, td_err *err)
{
    (void)name;
    (void)kind;
    (void)err;
    (*(unsigned *)user)++;
    return TD_OK;
}

static unsigned entries_of(archive_place *place, const char *path)
{
    unsigned count = 0;
    td_result rc = td_io_list(io_fault_io(place->disk), path, note_name, &count, NULL);
    assert_true(rc == TD_OK || rc == TD_E_NOTFOUND);
    return count;
}

static void test_empty_folders_go(void **state)
{
    (void)state;
    archive_place place;
    const uint64_t day_frames = UINT64_C(86400) * TD_NS_PER_S / FIXTURE_STEP_NS;
    archive_place_init_sim(&place);
    record_feed(&place, "one", 0, 1);
    record_feed(&place, "one", 2 * day_frames + 100000, 1);
    assert_int_equal(entries_of(&place, ARCHIVE_FIXTURE_PATH "/capture/2026/11"), 2);
    prune_report report = prune(&place, older_than_frame(100));
    assert_int_equal(report.folders, 1);
    assert_int_equal(entries_of(&place, ARCHIVE_FIXTURE_PATH "/capture/2026/11"), 1);
    report = prune(&place, (prune_options){.mode = PRUNE_REMOVE, .keep_bytes = 0});
    assert_int_equal(report.folders, 3); /* day, month, year; capture/ stays */
    assert_int_equal(entries_of(&place, ARCHIVE_FIXTURE_PATH "/capture"), 0);
    check_sound(&place);
    archive_place_fini(&place);
}

/* ---- who else is at work ---- */

static void test_open_segments_stay(void **state)
{
    (void)state;
    archive_place place;
    fixture_feed feed;
    td_err err;
    const prune_options everything = {.mode = PRUNE_REMOVE, .keep_bytes = 0};
    archive_place_init_sim(&place);
    archive *a = archive_place_open(&place, ARCHIVE_APPEND, "record");
    archive_writer *writer = archive_fixture_begin(a);
    assert_int_equal(fixture_feed_open(&feed, writer, FIXTURE_FEED, 0, 1, NULL, &err), TD_OK);
    for (unsigned i = 0; i < 3; i++) {
        if (i > 0)
            fixture_feed_rotate(&feed);
        assert_int_equal(fixture_feed_put(&feed, 20, &err), TD_OK);
    }
    prune_report report = prune(&place, everything);
    assert_string_equal(removed, "size inverse 1\nsize inverse 2\n");
    assert_int_equal(report.segments_kept, 1);
    assert_int_equal(report.folders, 0);
    fixture_feed_rotate(&feed);
    assert_int_equal(fixture_feed_put(&feed, 20, &err), TD_OK); /* the chain goes on */
    fixture_feed_close(&feed);
    assert_int_equal(archive_writer_close(writer, WRITER_STOP, AT(100), &err), TD_OK);
    archive_close(a);
    check_sound(&place);
    assert_int_equal(archive_fixture_check_frames(&place, FIXTURE_FEED, 40, 1), 40);
    archive_place_fini(&place);
}

static void test_crashed_segment_waits_for_recover(void **state)
{
    (void)state;
    archive_place place;
    fixture_feed feed;
    td_err err;
    recover_report recovered;
    const prune_options everything = {.mode = PRUNE_REMOVE, .keep_bytes = 0};
    const gap_reader gaps = archive_fixture_gaps();
    archive_place_init_sim(&place);
    archive *a = archive_place_open(&place, ARCHIVE_APPEND, "record");
    archive_writer *writer = archive_fixture_begin(a);
    assert_int_equal(fixture_feed_open(&feed, writer, FIXTURE_FEED, 0, 1, NULL, &err), TD_OK);
    assert_int_equal(fixture_feed_put(&feed, 20, &err), TD_OK);
    fixture_feed_close(&feed);
    assert_int_equal(archive_writer_close(writer, WRITER_ABANDON, 0, &err), TD_OK);
    archive_close(a);
    prune(&place, everything);
    assert_string_equal(removed, "");
    a = archive_place_open(&place, ARCHIVE_MAINTAIN, "recover");
    assert_int_equal(archive_recover(a, NULL, &gaps, NULL, NULL, &recovered, &err), TD_OK);
    archive_close(a);
    prune(&place, everything);
    assert_string_equal(removed, "size inverse 1\n");
    check_sound(&place);
    archive_place_fini(&place);
}

static void test_one_maintainer(void **state)
{
    (void)state;
    archive_place place;
    prune_report report;
    td_err err;
    archive_place_init_sim(&place);
    archive_fixture_record(&place, 0, 3);
    archive *other = archive_place_open(&place, ARCHIVE_MAINTAIN, "recover");
    assert_int_equal(try_prune(&place, older_than_frame(1000), &report, &err), TD_E_BUSY);
    assert_non_null(strstr(err.text, "recover"));
    archive_close(other);
    archive_place_fini(&place);
}

/* ---- gaps ---- */

static void list_gaps(archive_place *place, gap_list *out)
{
    td_err err;
    const gap_reader gaps = archive_fixture_gaps();
    archive *a = archive_place_open(place, ARCHIVE_READ, NULL);
    assert_int_equal(archive_gaps(a, &gaps, out, &err), TD_OK);
    archive_close(a);
}

/* The fixture's gaps go from frame 50 to 60 of each hundred; the first segment ends with frame 59,
 * so it knows only the beginning of the first gap. */
static void test_gaps_go_with_their_segments(void **state)
{
    (void)state;
    archive_place place;
    gap_list gaps;
    archive_place_init_sim(&place);
    archive_fixture_record(&place, 0, 12); /* gaps at 50 and 150; segments of 60 */
    prune_report report = prune(&place, older_than_frame(60));
    /* The second segment tells all of that gap. */
    assert_int_equal(report.gaps_kept, 0);
    list_gaps(&place, &gaps);
    assert_int_equal(gaps.count, 2);
    assert_int_equal(gaps.rows[0].from_ns, AT(50));
    assert_int_equal(gaps.rows[0].to_ns, AT(60));
    gap_list_fini(&gaps);
    check_sound(&place);
    prune(&place, older_than_frame(120));
    list_gaps(&place, &gaps);
    assert_int_equal(gaps.count, 1);
    assert_int_equal(gaps.rows[0].from_ns, AT(150));
    gap_list_fini(&gaps);
    check_sound(&place);
    archive_place_fini(&place);
}

/* A gap that has no end yet is told by the segment it began in, and by nobody else. */
static void test_open_gap_outlives_its_segment(void **state)
{
    (void)state;
    archive_place place;
    gap_list gaps;
    archive_place_init_sim(&place);
    record_feed(&place, FIXTURE_FEED, 0, 1);  /* to frame 59: opened at 50 */
    record_feed(&place, FIXTURE_FEED, 70, 1); /* does not close it */
    prune_report report = prune(&place, older_than_frame(60));
    assert_int_equal(report.gaps_kept, 1);
    list_gaps(&place, &gaps);
    assert_int_equal(gaps.count, 1);
    assert_int_equal(gaps.rows[0].from_ns, AT(50));
    assert_int_equal(gaps.rows[0].to_ns, GAP_OPEN);
    gap_list_fini(&gaps);
    check_sound(&place);
    archive_place_fini(&place);
}

/* ---- faults ---- */

static uint64_t frames_from(archive_place *place, uint64_t first)
{
    return archive_fixture_check_frames(place, FIXTURE_FEED, first, 1);
}

/* What must hold whatever happened: nothing is damaged, and another prune comes to the same end. */
static void check_after_fault(archive_place *place, const char *what, uint64_t at)
{
    const found *f = verify(place);
    if (f->verdict == VERIFY_DAMAGED)
        fail_msg("%s %" PRIu64 ": %s", what, at, f->text);
    prune(place, older_than_frame(120));
    f = verify(place);
    if (f->verdict != VERIFY_SOUND || f->text[0] != '\0') {
        /* Nothing was left to do, and so nobody looked at the catalog. */
        const gap_reader gaps = archive_fixture_gaps();
        const reindex_options options = {.scope = REINDEX_CHANGED, .gaps = &gaps};
        reindex_report report;
        td_err err;
        archive *a = archive_place_open(place, ARCHIVE_MAINTAIN, "reindex");
        assert_int_equal(archive_reindex(a, &options, &report, &err), TD_OK);
        archive_close(a);
    }
    check_sound(place);
    assert_int_equal(frames_from(place, 120), 120);
}

/* The power fails behind each change that a prune makes. */
static void test_power_cut_behind_every_change(void **state)
{
    (void)state;
    archive_place place;
    td_err err;
    archive_place_init_sim(&place);
    archive_fixture_record(&place, 0, 12);
    assert_int_equal(io_fault_log_start(place.disk, &err), TD_OK);
    prune(&place, older_than_frame(120));
    assert_string_equal(removed, "age inverse 1\nage inverse 2\n");
    io_fault *whole = place.disk;
    uint64_t changes = io_fault_log_count(whole);
    unsigned tried = 0;
    assert_true(changes >= 8);
    for (uint64_t i = 0; i <= changes; i++) {
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            io_fault *moment = io_fault_at(whole, i);
            assert_non_null(moment);
            place.disk = io_fault_power_cut(moment, seed == 1 ? IO_FAULT_CUT_BEST : seed);
            assert_non_null(place.disk);
            io_fault_close(moment);
            check_after_fault(&place, "change", i);
            io_fault_close(place.disk);
            tried++;
        }
    }
    print_message("power cuts: %u tried, over %" PRIu64 " changes\n", tried, changes);
    place.disk = whole;
    archive_place_fini(&place);
}

static void sweep_faults(io_fault_kind kind, io_fault_mode mode)
{
    for (uint64_t call = 1;; call++) {
        archive_place place;
        prune_report report;
        td_err err;
        assert_true(call < CALLS_MAX);
        archive_place_init_sim(&place);
        archive_fixture_record(&place, 0, 12);
        io_fault_set_plan(place.disk, (io_fault_plan){.kind = kind, .mode = mode, .fail_at = call});
        td_result rc = try_prune(&place, older_than_frame(120), &report, &err);
        int did_fire = io_fault_did_fire(place.disk);
        assert_true(did_fire || rc == TD_OK);
        io_fault_set_plan(place.disk, (io_fault_plan){0});
        assert_int_equal(io_fault_open_count(place.disk), 0);
        io_fault *killed = io_fault_power_cut(place.disk, IO_FAULT_CUT_WORST);
        archive_place_swap_disk(&place, killed);
        check_after_fault(&place, "call", call);
        archive_place_fini(&place);
        if (!did_fire) {
            print_message("failing calls: %" PRIu64 " tried\n", call - 1);
            break;
        }
    }
}

static void test_failing_calls(void **state)
{
    (void)state;
    sweep_faults(IO_FAULT_EIO, IO_FAULT_ONCE);
    sweep_faults(IO_FAULT_EIO, IO_FAULT_FOR_EVER);
    sweep_faults(IO_FAULT_ENOSPC, IO_FAULT_ONCE);
    sweep_faults(IO_FAULT_ENOSPC, IO_FAULT_FOR_EVER);
    sweep_faults(IO_FAULT_SHORT, IO_FAULT_ONCE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_age),
        cmocka_unit_test(test_by_size),
        cmocka_unit_test(test_by_feed),
        cmocka_unit_test(test_bounds_together),
        cmocka_unit_test(test_looking_changes_nothing),
        cmocka_unit_test(test_chain_goes_on),
        cmocka_unit_test(test_leftover_is_no_fault),
        cmocka_unit_test(test_deleted_is_not_pruned),
        cmocka_unit_test(test_empty_folders_go),
        cmocka_unit_test(test_open_segments_stay),
        cmocka_unit_test(test_crashed_segment_waits_for_recover),
        cmocka_unit_test(test_one_maintainer),
        cmocka_unit_test(test_gaps_go_with_their_segments),
        cmocka_unit_test(test_open_gap_outlives_its_segment),
        cmocka_unit_test(test_power_cut_behind_every_change),
        cmocka_unit_test(test_failing_calls),
    };
    return cmocka_run_group_tests_name("prune", tests, NULL, NULL);
}
