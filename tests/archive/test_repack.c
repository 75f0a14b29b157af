/* Packing of finished segments, and its faults: the power fails after any change, or any call
 * fails. Expected: the contract in archive/repack.h; FORMAT.md ("Packed segments"): frames, chain
 * links and verification do not depend on whether a segment is packed, and no moment is without a
 * whole file under the segment's name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "archive/archive_recover.h"
#include "archive/archive_segment.h"
#include "archive/feed_history.h"
#include "archive/read_plan.h"
#include "archive/reindex.h"
#include "archive/repack.h"
#include "format/segment_index.h"
#include "tests/testing/files.h"
#include "tests/testing/prune_fixture.h"

enum { SEEDS = 5, CALLS_MAX = 2000, FRAMES = 240 };

static repack_list find(archive_env *env, chunk_form form)
{
    const repack_query query = {.time = TIME_SPAN_ALL, .before_ns = UINT64_MAX, .form = form};
    repack_list list;
    td_err err;
    archive *a = archive_env_open(env, ARCHIVE_READ, NULL);
    if (archive_repack_find(a, &query, &list, &err) != TD_OK)
        fail_msg("%s", err.text);
    archive_close(a);
    return list;
}

/* Rewrites each segment that is found; the first failure ends it. */
static td_result try_rewrite(archive_env *env, const repack_list *list, chunk_form form,
                             td_err *err)
{
    archive *a;
    td_result rc = archive_env_try_open(env, ARCHIVE_MAINTAIN, "pack", &a, err);
    for (size_t i = 0; i < list->count && rc == TD_OK; i++) {
        repack_report report;
        rc = archive_repack(a, list->rows[i].path, form, &report, err);
    }
    archive_close(a);
    return rc;
}

static size_t rewrite(archive_env *env, chunk_form form)
{
    repack_list list = find(env, form);
    td_err err;
    size_t count = list.count;
    if (try_rewrite(env, &list, form, &err) != TD_OK)
        fail_msg("%s", err.text);
    repack_list_fini(&list);
    return count;
}

static void update_catalog(archive_env *env)
{
    archive *a = archive_env_open(env, ARCHIVE_MAINTAIN, "reindex");
    archive_update_catalog(a, NULL);
    archive_close(a);
}

/* Number of segments whose file has packed chunks. */
static size_t packed_count(archive_env *env)
{
    archive *a = archive_env_open(env, ARCHIVE_READ, NULL);
    archive_listing listing;
    size_t packed = 0;
    assert_int_equal(archive_list(a, &listing, NULL), TD_OK);
    for (size_t i = 0; i < listing.segment_count; i++) {
        segment_index index;
        assert_int_equal(archive_read_index(a, listing.segments[i].path, INDEX_FULL, &index, NULL),
                         TD_OK);
        assert_int_equal(index.message_count, SEGMENT_FRAMES);
        packed += index.form != CHUNKS_RECORDED;
        segment_index_fini(&index);
    }
    assert_int_equal(listing.unexpected_count, 0);
    archive_listing_fini(&listing);
    archive_close(a);
    return packed;
}

static void check_frames(archive_env *env)
{
    assert_int_equal(archive_fixture_check_frames(env, FIXTURE_FEED, 0, 1), FRAMES);
}

static void test_pack_and_unpack(void **state)
{
    (void)state;
    archive_env env;
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 0, 12); /* 4 segments */
    assert_int_equal(rewrite(&env, CHUNKS_PACKED_FAST), 4);
    update_catalog(&env);
    assert_int_equal(packed_count(&env), 4);
    prune_check_sound(&env);
    check_frames(&env);
    /* Packed once is enough; packed best is better, and is not packed fast again. */
    assert_int_equal(rewrite(&env, CHUNKS_PACKED_FAST), 0);
    assert_int_equal(rewrite(&env, CHUNKS_PACKED_BEST), 4);
    update_catalog(&env);
    assert_int_equal(rewrite(&env, CHUNKS_PACKED_FAST), 0);
    prune_check_sound(&env);
    check_frames(&env);
    assert_int_equal(rewrite(&env, CHUNKS_RECORDED), 4);
    update_catalog(&env);
    assert_int_equal(packed_count(&env), 0);
    prune_check_sound(&env);
    check_frames(&env);
    archive_env_fini(&env);
}

/* The next session continues the chain from what the recorder wrote, whatever the last segment is
 * now; so it does after the packed one is pruned. */
static void test_chain(void **state)
{
    (void)state;
    archive_env env;
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 0, 6);
    assert_int_equal(rewrite(&env, CHUNKS_PACKED_FAST), 2);
    archive_fixture_record(&env, 120, 6);
    update_catalog(&env);
    prune_check_sound(&env);
    check_frames(&env);
    assert_int_equal(packed_count(&env), 2);
    prune(&env, older_than_frame(120));
    assert_string_equal(prune_removed(), "age inverse 1\nage inverse 2\n");
    prune_check_sound(&env);
    archive_env_fini(&env);
}

/* Without a journal, the files alone show that each segment continues the one before it. */
static void test_chain_without_journal(void **state)
{
    (void)state;
    archive_env env;
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 0, 12);
    assert_int_equal(rewrite(&env, CHUNKS_PACKED_FAST), 4);
    archive *a = archive_env_open(&env, ARCHIVE_MAINTAIN, "recover");
    char path[LIMIT_PATH_BYTES];
    recover_report report;
    td_err err;
    assert_int_equal(archive_join(a, JOURNAL_FILE, path, NULL), TD_OK);
    assert_int_equal(td_io_unlink(archive_io(a), path, NULL), TD_OK);
    if (archive_recover(a, NULL, NULL, &report, &err) != TD_OK)
        fail_msg("%s", err.text);
    assert_int_equal(archive_accept_loss(a, &err), TD_OK);
    archive_close(a);
    const prune_found *found = prune_verify(&env);
    if (strstr(found->text, "chain") != NULL)
        fail_msg("%s", found->text);
    archive_fixture_record(&env, FRAMES, 3);
    found = prune_verify(&env);
    if (strstr(found->text, "chain") != NULL)
        fail_msg("%s", found->text);
    archive_env_fini(&env);
}

/* A journal that was read, or copied, before the segments were packed: the files show that they are
 * those that it lists. */
static void test_older_journal(void **state)
{
    (void)state;
    archive_env env;
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 0, 12);
    archive *a = archive_env_open(&env, ARCHIVE_MAINTAIN, "pack");
    char path[LIMIT_PATH_BYTES];
    size_t size;
    assert_int_equal(archive_join(a, JOURNAL_FILE, path, NULL), TD_OK);
    uint8_t *old = file_read(archive_io(a), path, &size);
    archive_close(a);
    assert_int_equal(rewrite(&env, CHUNKS_PACKED_FAST), 4);
    a = archive_env_open(&env, ARCHIVE_MAINTAIN, "reindex");
    assert_int_equal(td_io_unlink(archive_io(a), path, NULL), TD_OK);
    file_make(archive_io(a), path, old, size);
    const reindex_options options = {.scope = REINDEX_CHANGED};
    const read_query query = {.time = TIME_SPAN_ALL};
    reindex_report report;
    read_plan *plan;
    assert_int_equal(archive_reindex(a, &options, &report, NULL), TD_OK);
    assert_int_equal(report.segments_cut, 0);
    assert_int_equal(read_plan_open(a, &query, &plan, NULL), TD_OK);
    assert_int_equal(read_plan_unreadable_count(plan), 0);
    assert_int_equal(read_plan_damage(plan)->count, 0);
    read_plan_close(plan);
    archive_close(a);
    const prune_found *found = prune_verify(&env);
    if (found->verdict == VERIFY_DAMAGED)
        fail_msg("%s", found->text);
    check_frames(&env);
    td_free(old);
    archive_env_fini(&env);
}

/* The archive is as good as before, and packing ends what was begun. */
static void check_after_fault(archive_env *env, const char *what, uint64_t at)
{
    const prune_found *found = prune_verify(env);
    if (found->verdict == VERIFY_DAMAGED)
        fail_msg("%s %" PRIu64 ": %s", what, at, found->text);
    check_frames(env);
    rewrite(env, CHUNKS_PACKED_FAST);
    update_catalog(env);
    assert_int_equal(packed_count(env), 4);
    prune_check_sound(env);
    check_frames(env);
}

static void test_power_cut_after_every_change(void **state)
{
    (void)state;
    archive_env env;
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 0, 12);
    io_fault_log_start(env.disk);
    assert_int_equal(rewrite(&env, CHUNKS_PACKED_FAST), 4);
    io_fault *whole = env.disk;
    const uint64_t changes = io_fault_log_count(whole);
    unsigned tried = 0;
    assert_true(changes >= 40);
    for (uint64_t i = 0; i <= changes; i++) {
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            io_fault *disk_then = io_fault_at(whole, i);
            assert_non_null(disk_then);
            env.disk = io_fault_power_cut(disk_then, seed == 1 ? IO_FAULT_CUT_BEST : seed);
            assert_non_null(env.disk);
            io_fault_close(disk_then);
            check_after_fault(&env, "change", i);
            io_fault_close(env.disk);
            tried++;
        }
    }
    print_message("power cuts: %u tried, over %" PRIu64 " changes\n", tried, changes);
    env.disk = whole;
    archive_env_fini(&env);
}

static void sweep_faults(io_fault_kind kind, io_fault_mode mode)
{
    for (uint64_t call = 1;; call++) {
        archive_env env;
        td_err err;
        assert_true(call < CALLS_MAX);
        archive_env_init_sim(&env);
        archive_fixture_record(&env, 0, 12);
        repack_list list = find(&env, CHUNKS_PACKED_FAST);
        io_fault_set_plan(env.disk, (io_fault_plan){.kind = kind, .mode = mode, .fail_at = call});
        td_result rc = try_rewrite(&env, &list, CHUNKS_PACKED_FAST, &err);
        int did_fire = io_fault_did_fire(env.disk);
        assert_true(did_fire || rc == TD_OK);
        io_fault_set_plan(env.disk, (io_fault_plan){0});
        assert_int_equal(io_fault_open_count(env.disk), 0);
        repack_list_fini(&list);
        io_fault *killed = io_fault_power_cut(env.disk, IO_FAULT_CUT_WORST);
        archive_env_swap_disk(&env, killed);
        check_after_fault(&env, "call", call);
        archive_env_fini(&env);
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
    sweep_faults(IO_FAULT_ENOSPC, IO_FAULT_FOR_EVER);
    sweep_faults(IO_FAULT_SHORT, IO_FAULT_ONCE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pack_and_unpack),
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_chain_without_journal),
        cmocka_unit_test(test_older_journal),
        cmocka_unit_test(test_power_cut_after_every_change),
        cmocka_unit_test(test_failing_calls),
    };
    return cmocka_run_group_tests_name("repack", tests, NULL, NULL);
}
