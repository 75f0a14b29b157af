/* The power fails after any change of a prune, or any of its calls fails: nothing is damaged, and
 * another prune reaches the same result. Expected: the contract in archive/prune.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "archive/reindex.h"
#include "tests/testing/prune_fixture.h"

enum { SEEDS = 5, CALLS_MAX = 500 };

static uint64_t frames_from(archive_env *env, uint64_t first)
{
    return archive_fixture_check_frames(env, FIXTURE_FEED, first, 1);
}

/* The limit of each prune. moved_to: NULL, or the segments are moved to a store. */
static prune_options pruning(const char *moved_to)
{
    prune_options options = older_than_frame(120);
    options.moved_to = moved_to;
    return options;
}

/* Checks that nothing is damaged, and that another prune reaches the same result. */
static void check_after_fault(archive_env *env, const char *moved_to, const char *what, uint64_t at)
{
    const prune_found *f = prune_verify(env);
    if (f->verdict == VERIFY_DAMAGED)
        fail_msg("%s %" PRIu64 ": %s", what, at, f->text);
    if (moved_to != NULL && f->text[0] != '\0' && strstr(f->text, "pruned") != NULL)
        fail_msg("%s %" PRIu64 ": %s", what, at, f->text);
    prune(env, pruning(moved_to));
    f = prune_verify(env);
    if (f->verdict != VERIFY_SOUND || f->text[0] != '\0') {
        /* Nothing was left to prune, so prune did not read the catalog. */
        const reindex_options options = {.scope = REINDEX_CHANGED};
        reindex_report report;
        td_err err;
        archive *a = archive_env_open(env, ARCHIVE_MAINTAIN, "reindex");
        assert_int_equal(archive_reindex(a, &options, &report, &err), TD_OK);
        archive_close(a);
    }
    prune_check_sound(env);
    assert_int_equal(frames_from(env, 120), 120);
}

/* Cuts the power after each change of a prune. */
static void cut_power(const char *moved_to)
{
    archive_env env;
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 0, 12);
    io_fault_log_start(env.disk);
    prune(&env, pruning(moved_to));
    assert_string_equal(prune_removed(), "age inverse 1\nage inverse 2\n");
    io_fault *whole = env.disk;
    uint64_t changes = io_fault_log_count(whole);
    unsigned tried = 0;
    assert_true(changes >= 8);
    for (uint64_t i = 0; i <= changes; i++) {
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            io_fault *disk_then = io_fault_at(whole, i);
            assert_non_null(disk_then);
            env.disk = io_fault_power_cut(disk_then, seed == 1 ? IO_FAULT_CUT_BEST : seed);
            assert_non_null(env.disk);
            io_fault_close(disk_then);
            check_after_fault(&env, moved_to, "change", i);
            io_fault_close(env.disk);
            tried++;
        }
    }
    print_message("power cuts: %u tried, over %" PRIu64 " changes\n", tried, changes);
    env.disk = whole;
    archive_env_fini(&env);
}

static void test_power_cut_after_every_change(void **state)
{
    (void)state;
    cut_power(NULL);
    cut_power("s3://bucket/tape");
}

static void sweep_faults(const char *moved_to, io_fault_kind kind, io_fault_mode mode)
{
    for (uint64_t call = 1;; call++) {
        archive_env env;
        prune_report report;
        td_err err;
        assert_true(call < CALLS_MAX);
        archive_env_init_sim(&env);
        archive_fixture_record(&env, 0, 12);
        io_fault_set_plan(env.disk, (io_fault_plan){.kind = kind, .mode = mode, .fail_at = call});
        td_result rc = prune_try(&env, pruning(moved_to), &report, &err);
        int did_fire = io_fault_did_fire(env.disk);
        assert_true(did_fire || rc == TD_OK);
        io_fault_set_plan(env.disk, (io_fault_plan){0});
        assert_int_equal(io_fault_open_count(env.disk), 0);
        io_fault *killed = io_fault_power_cut(env.disk, IO_FAULT_CUT_WORST);
        archive_env_swap_disk(&env, killed);
        check_after_fault(&env, moved_to, "call", call);
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
    sweep_faults(NULL, IO_FAULT_EIO, IO_FAULT_ONCE);
    sweep_faults(NULL, IO_FAULT_ENOSPC, IO_FAULT_FOR_EVER);
    sweep_faults(NULL, IO_FAULT_SHORT, IO_FAULT_ONCE);
    sweep_faults("s3://bucket/tape", IO_FAULT_EIO, IO_FAULT_ONCE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power_cut_after_every_change),
        cmocka_unit_test(test_failing_calls),
    };
    return cmocka_run_group_tests_name("prune_faults", tests, NULL, NULL);
}
