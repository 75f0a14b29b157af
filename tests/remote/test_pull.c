/* remote/pull.h over a store in memory, into an archive on a simulated disk. Expected: the bytes of
 * the archive that was pushed; in each state that a kill or a power cut leaves, verify reports what
 * is missing, and the next pull completes the copy. */
#include "remote/pull.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "archive/journal.h"
#include "archive/repack.h"
#include "remote/manifest.h"
#include "remote/push.h"
#include "tests/remote/store_memory.h"
#include "tests/testing/files.h"
#include "tests/testing/prune_fixture.h"

enum { SEEDS = 3, CALLS_MAX = 2000, SEGMENT_CHUNKS = 3 };

typedef struct pull_env {
    archive_env from, into;
    s3_store *store;
} pull_env;

/* An archive of two segments in the store, and no copy of it. */
static int open_env(void **state)
{
    pull_env *env = td_alloc_zero(1, sizeof *env);
    archive_env_init_sim(&env->from);
    archive_env_init_sim(&env->into);
    assert_int_equal(s3_store_open(NULL, &env->store, NULL), TD_OK);
    archive_fixture_record(&env->from, 0, 2 * SEGMENT_CHUNKS);
    *state = env;
    return 0;
}

static int close_env(void **state)
{
    pull_env *env = *state;
    s3_store_close(env->store);
    archive_env_fini(&env->into);
    archive_env_fini(&env->from);
    td_free(env);
    return 0;
}

static void push(pull_env *env)
{
    const push_options options = {.progress = NULL};
    push_report report;
    td_err err;
    archive *a = archive_env_open(&env->from, ARCHIVE_READ, NULL);
    if (remote_push(a, env->store, &options, &report, &err) != TD_OK)
        fail_msg("%s", err.text);
    archive_close(a);
}

static td_result try_pull(pull_env *env, pull_report *report, td_err *err)
{
    const archive_options into = {
        .io = io_fault_io(env->into.disk),
        .clock = clock_sim_clock(env->into.clock),
        .verb = "pull",
        .catalog_path = env->into.catalog_path,
    };
    const pull_options options = {.progress = NULL};
    td_err_clear(err);
    return remote_pull(env->store, &into, env->into.path, &options, report, err);
}

static pull_report pull(pull_env *env)
{
    pull_report report;
    td_err err;
    if (try_pull(env, &report, &err) != TD_OK)
        fail_msg("%s", err.text);
    return report;
}

static void refused(pull_env *env, td_result rc, const char *text)
{
    pull_report report;
    td_err err;
    assert_int_equal(try_pull(env, &report, &err), rc);
    if (strstr(err.text, text) == NULL)
        fail_msg("%s", err.text);
}

static void record(pull_env *env, uint64_t from, unsigned segments)
{
    archive_fixture_record(&env->from, from, segments * SEGMENT_CHUNKS);
}

static void pack(archive_env *where)
{
    const repack_query query = {
        .time = TIME_SPAN_ALL, .before_ns = UINT64_MAX, .form = CHUNKS_PACKED_FAST};
    repack_list list;
    td_err err;
    archive *a = archive_env_open(where, ARCHIVE_MAINTAIN, "pack");
    assert_int_equal(archive_repack_find(a, &query, &list, &err), TD_OK);
    for (size_t i = 0; i < list.count; i++) {
        repack_report report;
        assert_int_equal(archive_repack(a, list.rows[i].path, query.form, &report, &err), TD_OK);
    }
    repack_list_fini(&list);
    archive_close(a);
}

/* ---- comparing ---- */

static int has_file(pull_env *env, const char *path)
{
    char full[LIMIT_PATH_BYTES];
    uint64_t bytes = 0;
    (void)snprintf(full, sizeof full, ARCHIVE_FIXTURE_PATH "/%s", path);
    return td_io_size_at(io_fault_io(env->into.disk), full, &bytes, NULL) == TD_OK;
}

static int is_same_file(pull_env *env, const char *path)
{
    char full[LIMIT_PATH_BYTES];
    size_t a_bytes, b_bytes;
    (void)snprintf(full, sizeof full, ARCHIVE_FIXTURE_PATH "/%s", path);
    if (!has_file(env, path))
        return 0;
    uint8_t *a = file_read(io_fault_io(env->from.disk), full, &a_bytes);
    uint8_t *b = file_read(io_fault_io(env->into.disk), full, &b_bytes);
    const int is_same = a_bytes == b_bytes && memcmp(a, b, a_bytes) == 0;
    td_free(a);
    td_free(b);
    return is_same;
}

/* 1 if the test is 1 for all segments and the journal. */
static int all_files(pull_env *env, int (*test)(pull_env *env, const char *path))
{
    archive_listing listing;
    int is_true = test(env, JOURNAL_FILE);
    archive *a = archive_env_open(&env->from, ARCHIVE_READ, NULL);
    assert_int_equal(archive_list(a, &listing, NULL), TD_OK);
    for (size_t i = 0; i < listing.segment_count; i++)
        is_true &= test(env, listing.segments[i].path);
    archive_listing_fini(&listing);
    archive_close(a);
    return is_true;
}

/* 1 if the copy equals the archive, byte for byte. */
static int is_whole(pull_env *env)
{
    return all_files(env, is_same_file);
}

static void check_whole(pull_env *env)
{
    assert_true(is_whole(env));
    prune_check_sound(&env->into);
}

/* ---- what is pulled ---- */

static void a_copy_equals_the_archive_and_is_made_once(void **state)
{
    pull_env *env = *state;
    push(env);
    pull_report report = pull(env);
    assert_int_equal(report.manifest, 1);
    assert_int_equal(report.segments, 2);
    assert_int_equal(report.segments_received, 2);
    assert_int_equal(report.bytes_received, report.bytes);
    check_whole(env);
    report = pull(env);
    assert_int_equal(report.segments_received, 0);
    assert_int_equal(report.bytes_received, 0);
    check_whole(env);
}

static void what_is_new_is_added(void **state)
{
    pull_env *env = *state;
    push(env);
    (void)pull(env);
    record(env, UINT64_C(2) * SEGMENT_FRAMES, 1);
    push(env);
    const pull_report report = pull(env);
    assert_int_equal(report.manifest, 2);
    assert_int_equal(report.segments, 3);
    assert_int_equal(report.segments_received, 1);
    check_whole(env);
}

static void packed_segments_replace_those_of_the_copy(void **state)
{
    pull_env *env = *state;
    push(env);
    (void)pull(env);
    pack(&env->from);
    push(env);
    const pull_report report = pull(env);
    assert_int_equal(report.segments_received, 2);
    assert_int_equal(report.segments_only_here, 0);
    check_whole(env);
}

static void pruned_segments_stay_in_the_copy(void **state)
{
    pull_env *env = *state;
    push(env);
    (void)pull(env);
    (void)prune(&env->from, older_than_frame(SEGMENT_FRAMES));
    push(env);
    const pull_report report = pull(env);
    assert_int_equal(report.segments, 1);
    assert_int_equal(report.segments_only_here, 1);
    assert_true(is_whole(env));
    assert_int_not_equal(prune_verify(&env->into)->verdict, VERIFY_DAMAGED);
}

static void a_damaged_segment_is_replaced(void **state)
{
    pull_env *env = *state;
    push(env);
    (void)pull(env);
    archive_listing listing;
    char path[LIMIT_PATH_BYTES];
    archive *a = archive_env_open(&env->into, ARCHIVE_READ, NULL);
    assert_int_equal(archive_list(a, &listing, NULL), TD_OK);
    assert_int_equal(archive_join(a, listing.segments[1].path, path, NULL), TD_OK);
    archive_close(a);
    archive_listing_fini(&listing);
    assert_int_equal(io_fault_damage(env->into.disk, path, 1000, 1, NULL), TD_OK);
    assert_int_equal(pull(env).segments_received, 1);
    check_whole(env);
}

/* A good copy is not replaced by a file that was damaged before it was pushed. */
static void a_segment_that_was_pushed_damaged_replaces_none(void **state)
{
    pull_env *env = *state;
    push(env);
    (void)pull(env);
    archive_listing listing;
    char path[LIMIT_PATH_BYTES];
    archive *a = archive_env_open(&env->from, ARCHIVE_READ, NULL);
    assert_int_equal(archive_list(a, &listing, NULL), TD_OK);
    assert_int_equal(archive_join(a, listing.segments[1].path, path, NULL), TD_OK);
    uint8_t *zeros = td_alloc_zero(listing.segments[1].size_bytes, 1);
    file_replace(io_fault_io(env->from.disk), path, zeros, listing.segments[1].size_bytes);
    td_free(zeros);
    archive_close(a);
    archive_listing_fini(&listing);
    push(env);
    const td_hash128 before = io_fault_digest(env->into.disk);
    refused(env, TD_E_CORRUPT, "was damaged when it was pushed");
    assert_true(td_hash128_equal(before, io_fault_digest(env->into.disk)));
}

/* Nor by one whose damage only verification finds: its chain is that of the good copy. */
static void a_segment_with_a_changed_byte_replaces_none(void **state)
{
    pull_env *env = *state;
    archive_listing listing;
    char path[LIMIT_PATH_BYTES];
    archive *a = archive_env_open(&env->from, ARCHIVE_READ, NULL);
    assert_int_equal(archive_list(a, &listing, NULL), TD_OK);
    assert_int_equal(archive_join(a, listing.segments[1].path, path, NULL), TD_OK);
    archive_close(a);
    archive_listing_fini(&listing);
    assert_int_equal(io_fault_damage(env->from.disk, path, 1000, 1, NULL), TD_OK);
    push(env);
    (void)pull(env);
    assert_int_equal(io_fault_damage(env->from.disk, path, 1000, 1, NULL), TD_OK);
    assert_int_equal(io_fault_damage(env->into.disk, path, 1000, 1, NULL), TD_OK); /* repaired */
    const td_hash128 before = io_fault_digest(env->into.disk);
    refused(env, TD_E_CORRUPT, "was damaged when it was pushed");
    assert_true(td_hash128_equal(before, io_fault_digest(env->into.disk)));
}

/* ---- what is refused ---- */

static void a_folder_belongs_to_one_archive(void **state)
{
    pull_env *env = *state;
    push(env);
    archive_fixture_record(&env->into, 1000, SEGMENT_CHUNKS);
    archive_close(archive_env_open(&env->into, ARCHIVE_MAINTAIN, "recover")); /* makes its lock */
    const td_hash128 before = io_fault_digest(env->into.disk);
    refused(env, TD_E_INVALID, "another archive");
    assert_true(td_hash128_equal(before, io_fault_digest(env->into.disk)));
}

static void a_later_state_is_not_set_back(void **state)
{
    pull_env *env = *state;
    push(env);
    (void)pull(env);
    pack(&env->into);
    const td_hash128 before = io_fault_digest(env->into.disk);
    refused(env, TD_E_INVALID, "a later state");
    assert_true(td_hash128_equal(before, io_fault_digest(env->into.disk)));
}

static void segments_without_a_journal_are_left(void **state)
{
    pull_env *env = *state;
    push(env);
    (void)pull(env);
    assert_int_equal(
        td_io_unlink(io_fault_io(env->into.disk), ARCHIVE_FIXTURE_PATH "/" JOURNAL_FILE, NULL),
        TD_OK);
    refused(env, TD_E_INVALID, "segments, but no journal");
}

static void an_archive_in_use_is_left(void **state)
{
    pull_env *env = *state;
    static const archive_mode MODES[] = {ARCHIVE_APPEND, ARCHIVE_MAINTAIN};
    push(env);
    (void)pull(env);
    for (size_t i = 0; i < sizeof MODES / sizeof *MODES; i++) {
        archive *a = archive_env_open(&env->into, MODES[i], "record");
        refused(env, TD_E_BUSY, "is locked by");
        archive_close(a);
    }
}

static void a_store_without_an_archive_makes_no_folder(void **state)
{
    pull_env *env = *state;
    const td_hash128 before = io_fault_digest(env->into.disk);
    refused(env, TD_E_NOTFOUND, "no archive was pushed");
    assert_true(td_hash128_equal(before, io_fault_digest(env->into.disk)));
}

/* The object of the second segment: the journal's is smaller, and the first one's is before it. */
static memory_object *find_object(pull_env *env)
{
    remote_manifest manifest;
    char key[REMOTE_OBJECT_KEY_BYTES];
    td_err err;
    assert_int_equal(remote_manifest_read(env->store, &manifest, &err), TD_OK);
    remote_object_key(&manifest.files[1].parts[0], key);
    remote_manifest_fini(&manifest);
    return memory_find(env->store, key);
}

static void bytes_that_are_not_proved_get_no_name(void **state)
{
    pull_env *env = *state;
    push(env);
    memory_object *object = find_object(env);
    object->bytes[500] ^= 1;
    refused(env, TD_E_CORRUPT, "the store gave back other bytes");
    assert_int_equal(prune_verify(&env->into)->verdict, VERIFY_DAMAGED);
    object->bytes[500] ^= 1;
    assert_int_equal(pull(env).segments_received, 1);
    check_whole(env);
}

static void a_missing_object_is_an_error(void **state)
{
    pull_env *env = *state;
    push(env);
    memory_remove(env->store, find_object(env)->key);
    refused(env, TD_E_IO, "is missing in the store, but its manifest lists it");
}

/* ---- kills ---- */

/* 1 if the copy can be opened, and verify reports no damage. */
static int looks_sound(pull_env *env)
{
    archive *a = NULL;
    td_err err;
    if (archive_env_try_open(&env->into, ARCHIVE_READ, NULL, &a, &err) != TD_OK)
        return 0;
    archive_close(a);
    return prune_verify(&env->into)->verdict != VERIFY_DAMAGED;
}

/* Before the journal is the store's, a copy is what it was before the pull. Segments that are not
 * packed yet have the same frames. */
static void check_state(pull_env *env, const char *what, uint64_t at)
{
    if (is_same_file(env, JOURNAL_FILE) && looks_sound(env) && !all_files(env, has_file))
        fail_msg("%s %u: a part looks like the whole", what, (unsigned)at);
    (void)pull(env);
    check_whole(env);
}

/* Pull, and cut the power after each change. */
static void cut_power(pull_env *env)
{
    io_fault_log_start(env->into.disk);
    (void)pull(env);
    io_fault *whole = env->into.disk;
    const uint64_t changes = io_fault_log_count(whole);
    assert_true(changes >= 20);
    for (uint64_t i = 0; i <= changes; i++) {
        for (uint64_t seed = 0; seed <= SEEDS; seed++) {
            io_fault *then = io_fault_at(whole, i);
            /* The last one is a kill: all changes survive. */
            env->into.disk = seed == SEEDS ? io_fault_kill(then) : io_fault_power_cut(then, seed);
            io_fault_close(then);
            check_state(env, "change", i);
            io_fault_close(env->into.disk);
        }
    }
    env->into.disk = whole;
}

static void a_pull_that_was_killed_is_continued(void **state)
{
    push(*state);
    cut_power(*state);
}

static void an_update_that_was_killed_is_continued(void **state)
{
    pull_env *env = *state;
    push(env);
    (void)pull(env);
    pack(&env->from);
    record(env, UINT64_C(2) * SEGMENT_FRAMES, 1);
    push(env);
    cut_power(env);
}

static void calls_that_fail_leave_no_half_file(void **state)
{
    (void)state;
    for (uint64_t call = 1;; call++) {
        void *opened;
        pull_report report;
        td_err err;
        assert_true(call < CALLS_MAX);
        open_env(&opened);
        pull_env *env = opened;
        push(env);
        io_fault_set_plan(env->into.disk, (io_fault_plan){.kind = IO_FAULT_EIO, .fail_at = call});
        td_result rc = try_pull(env, &report, &err);
        const int did_fire = io_fault_did_fire(env->into.disk);
        assert_true(did_fire || rc == TD_OK);
        io_fault_set_plan(env->into.disk, (io_fault_plan){0});
        assert_true(rc != TD_OK || is_whole(env));
        assert_int_equal(io_fault_open_count(env->into.disk), 0);
        archive_env_swap_disk(&env->into, io_fault_power_cut(env->into.disk, IO_FAULT_CUT_WORST));
        check_state(env, "call", call);
        close_env(&opened);
        if (!did_fire)
            return;
    }
}

#define PULL_TEST(function) cmocka_unit_test_setup_teardown(function, open_env, close_env)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PULL_TEST(a_copy_equals_the_archive_and_is_made_once),
        PULL_TEST(what_is_new_is_added),
        PULL_TEST(packed_segments_replace_those_of_the_copy),
        PULL_TEST(pruned_segments_stay_in_the_copy),
        PULL_TEST(a_damaged_segment_is_replaced),
        PULL_TEST(a_segment_that_was_pushed_damaged_replaces_none),
        PULL_TEST(a_segment_with_a_changed_byte_replaces_none),
        PULL_TEST(a_folder_belongs_to_one_archive),
        PULL_TEST(a_later_state_is_not_set_back),
        PULL_TEST(segments_without_a_journal_are_left),
        PULL_TEST(an_archive_in_use_is_left),
        PULL_TEST(a_store_without_an_archive_makes_no_folder),
        PULL_TEST(bytes_that_are_not_proved_get_no_name),
        PULL_TEST(a_missing_object_is_an_error),
        PULL_TEST(a_pull_that_was_killed_is_continued),
        PULL_TEST(an_update_that_was_killed_is_continued),
        cmocka_unit_test(calls_that_fail_leave_no_half_file),
    };
    return cmocka_run_group_tests_name("pull", tests, NULL, NULL);
}
