/* The archive's folder, its names, its locks. Expected: docs/design.md, "Archive on disk". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <sys/stat.h>
#include <unistd.h>

#include "archive/read_plan.h"
#include "tests/testing/files.h"
#include "tests/testing/archive_fixture.h"
#include "tests/testing/segment_fixture.h"

/* 2026-11-20T06:00:00Z, from `date -u -d 2026-11-20T06:00:00Z +%s`. */
#define NAME_SECOND UINT64_C(1795154400)

static void test_names_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int is_segment;
        const char *feed;
        const char *session;
        uint32_t number;
        int is_open;
    } ROWS[] = {
        {"inverse-20261120T060000Z-3f2a9c01-000001.mcap", 1, "inverse", "3f2a9c01", 1, 0},
        {"inverse-20261120T060000Z-3f2a9c01-000002.mcap.open", 1, "inverse", "3f2a9c01", 2, 1},
        {"v5-linear-20261120T060000Z-00000000-1234567.mcap", 1, "v5-linear", "00000000", 1234567,
         0},
        {"a.b_c-20261120T060000Z-ffffffff-999999.mcap", 1, "a.b_c", "ffffffff", 999999, 0},
        {"inverse-20261120T060000Z-3f2a9c01-000000.mcap", 1, "inverse", "3f2a9c01",
         SEGMENT_NUMBER_CUT, 0},
        {"inverse-20261120T060000Z-3f2a9c01-1.mcap", 0, "", "", 0, 0},
        {"inverse-20261120T060000Z-3F2A9C01-000001.mcap", 0, "", "", 0, 0},
        {"inverse-20261320T060000Z-3f2a9c01-000001.mcap", 0, "", "", 0, 0},
        {"inverse-20261120T060000-3f2a9c01-000001.mcap", 0, "", "", 0, 0},
        {"-20261120T060000Z-3f2a9c01-000001.mcap", 0, "", "", 0, 0},
        {".x-20261120T060000Z-3f2a9c01-000001.mcap", 0, "", "", 0, 0},
        {"inverse-20261120T060000Z-3f2a9c01-000001.bag", 0, "", "", 0, 0},
        {"inverse-20261120T060000Z-3f2a9c01-99999999999.mcap", 0, "", "", 0, 0},
        {".mcap", 0, "", "", 0, 0},
        {"", 0, "", "", 0, 0},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        segment_name name;
        int is_segment = segment_name_parse(ROWS[i].name, &name);
        if (is_segment != ROWS[i].is_segment || strcmp(name.feed, ROWS[i].feed) != 0 ||
            strcmp(name.session, ROWS[i].session) != 0 || name.number != ROWS[i].number ||
            name.is_open != ROWS[i].is_open || name.is_parsed != ROWS[i].is_segment ||
            name.first_s != (is_segment ? NAME_SECOND : 0))
            fail_msg("'%s': feed '%s' session '%s' number %u", ROWS[i].name, name.feed,
                     name.session, name.number);
    }
}

static void test_name_is_of_first_frame(void **state)
{
    (void)state;
    char path[LIMIT_PATH_BYTES];
    segment_name_format("inverse", "3f2a9c01", FIXTURE_START_NS + 999999999, 1, path);
    assert_string_equal(path, "capture/2026/11/20/inverse-20261120T060000Z-3f2a9c01-000001.mcap");
    segment_name_format("inverse", "3f2a9c01", FIXTURE_START_NS, SEGMENT_NUMBER_CUT, path);
    assert_string_equal(path, "capture/2026/11/20/inverse-20261120T060000Z-3f2a9c01-000000.mcap");
}

/* A segment has messages of one UTC hour, a cut of any time. */
static void test_time_of_a_name(void **state)
{
    (void)state;
    const uint64_t hour_end_ns = FIXTURE_START_NS + 3600 * TD_NS_PER_S;
    const struct {
        const char *name;
        uint64_t from_s; /* within the hour that begins with FIXTURE_START_NS */
        uint64_t to_ns;
    } ROWS[] = {{"inverse-20261120T060000Z-3f2a9c01-000001.mcap", 0, hour_end_ns},
                {"inverse-20261120T065959Z-3f2a9c01-000001.mcap", 3599, hour_end_ns},
                {"inverse-20261120T065959Z-3f2a9c01-000000.mcap", 3599, UINT64_MAX}};
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        segment_name name;
        assert_true(segment_name_parse(ROWS[i].name, &name));
        const time_span span = segment_name_span(&name);
        assert_int_equal(span.from_ns, FIXTURE_START_NS + ROWS[i].from_s * TD_NS_PER_S);
        assert_int_equal(span.to_ns, ROWS[i].to_ns);
    }
}

static void test_feed_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int is_valid;
    } ROWS[] = {{"inverse", 1}, {"v5-linear", 1}, {"A_b.9", 1}, {"", 0},     {".", 0},
                {"..", 0},      {"a/b", 0},       {"a b", 0},   {"a\nb", 0}, {"f\xc3\xbc", 0}};
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        if (feed_name_is_valid(ROWS[i].name) != ROWS[i].is_valid)
            fail_msg("'%s'", ROWS[i].name);
    }
    char longest[LIMIT_NAME_BYTES + 1];
    memset(longest, 'a', sizeof longest);
    longest[LIMIT_NAME_BYTES] = '\0';
    assert_false(feed_name_is_valid(longest));
    longest[LIMIT_NAME_BYTES - 1] = '\0';
    assert_true(feed_name_is_valid(longest));
}

/* docs/design.md: "A refused lock names pid, verb and start of its holder." */
static void test_second_appender_is_refused(void **state)
{
    (void)state;
    archive_env env;
    archive_env_init_real(&env);
    archive *first = archive_env_open(&env, ARCHIVE_APPEND, "record");
    archive *second = NULL;
    td_err err;
    char pid[32];
    (void)snprintf(pid, sizeof pid, "pid %ld", (long)getpid());
    assert_int_equal(archive_env_try_open(&env, ARCHIVE_APPEND, "import", &second, &err),
                     TD_E_BUSY);
    assert_null(second);
    assert_non_null(strstr(err.text, pid));
    assert_non_null(strstr(err.text, "record"));
    assert_non_null(strstr(err.text, "2026-11-20T06:00:00Z")); /* the simulated clock's time */
    archive_close(first);
    second = archive_env_open(&env, ARCHIVE_APPEND, "import");
    archive_close(second);
    archive_env_fini(&env);
}

static void test_maintainer_beside_appender(void **state)
{
    (void)state;
    archive_env env;
    archive_env_init_real(&env);
    archive *appender = archive_env_open(&env, ARCHIVE_APPEND, "record");
    archive_writer *writer = archive_fixture_begin(appender);
    archive *maintainer = archive_env_open(&env, ARCHIVE_MAINTAIN, "recover");
    archive *second = NULL;
    td_err err;
    char live[SESSION_ID_BYTES];
    assert_int_equal(archive_env_try_open(&env, ARCHIVE_MAINTAIN, "reindex", &second, &err),
                     TD_E_BUSY);
    assert_non_null(strstr(err.text, "recover"));
    assert_int_equal(archive_live_session(maintainer, live, &err), TD_OK);
    assert_string_equal(live, archive_session(appender));
    assert_int_equal(archive_writer_close(writer, WRITER_STOP, FIXTURE_START_NS, &err), TD_OK);
    archive_close(appender);
    assert_int_equal(archive_live_session(maintainer, live, &err), TD_OK);
    assert_string_equal(live, "");
    archive_close(maintainer);
    archive_env_fini(&env);
}

static void make_file(const char *folder, const char *name, const char *text)
{
    char path[2 * LIMIT_PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    file_write_text(path, text);
}

static int has_unexpected(const archive_listing *listing, const char *path)
{
    for (size_t i = 0; i < listing->unexpected_count; i++) {
        if (strcmp(listing->unexpected[i].path, path) == 0)
            return listing->unexpected[i].what[0] != '\0';
    }
    return 0;
}

static void test_unexpected_files_are_listed_apart(void **state)
{
    (void)state;
    archive_env env;
    char folder[LIMIT_PATH_BYTES];
    archive_env_init_real(&env);
    archive_fixture_record(&env, 0, 4);
    (void)snprintf(folder, sizeof folder, "%s/capture/2026/11/20", env.path);
    make_file(folder, "holiday.mcap", "no segment");
    make_file(folder, "inverse-20261120T060000Z-3f2a9c01-000009.mcap", "garbage");
    (void)snprintf(folder, sizeof folder, "%s/capture/2026/11/20/inner", env.path);
    assert_int_equal(mkdir(folder, 0755), 0);
    (void)snprintf(folder, sizeof folder, "%s/capture/old", env.path);
    assert_int_equal(mkdir(folder, 0755), 0);

    archive *a = archive_env_open(&env, ARCHIVE_READ, NULL);
    archive_listing listing;
    td_err err;
    assert_int_equal(archive_list(a, &listing, &err), TD_OK);
    assert_int_equal(listing.segment_count, 3); /* two, and a file with such a name */
    assert_int_equal(listing.unexpected_count, 3);
    assert_true(has_unexpected(&listing, "capture/2026/11/20/holiday.mcap"));
    assert_true(has_unexpected(&listing, "capture/2026/11/20/inner"));
    assert_true(has_unexpected(&listing, "capture/old"));
    archive_listing_fini(&listing);
    const read_query all = {.time = TIME_SPAN_ALL};
    read_plan *plan = NULL;
    assert_int_equal(read_plan_open(a, &all, &plan, &err), TD_OK);
    assert_int_equal(read_plan_count(plan), 2);
    assert_int_equal(read_plan_unreadable_count(plan), 1);
    read_plan_close(plan);
    archive_close(a);
    archive_env_fini(&env);
}

static void test_single_file_reads_as_archive(void **state)
{
    (void)state;
    archive_env env;
    archive_env_init_sim(&env);
    const fixture_spec spec = {
        .path = "alone.mcap", .frame_count = 40, .frames_per_chunk = 20, .end = FIXTURE_FINISHED};
    (void)fixture_write(io_fault_io(env.disk), &spec);
    (void)snprintf(env.path, sizeof env.path, "alone.mcap");
    archive *a = archive_env_open(&env, ARCHIVE_READ, NULL);
    assert_true(archive_is_single_file(a));
    assert_null(archive_catalog_path(a));
    archive_close(a);
    assert_int_equal(archive_fixture_check_frames(&env, FIXTURE_FEED, 0, 1), 40);
    archive_env_fini(&env);
}

static void test_what_is_no_archive_is_refused(void **state)
{
    (void)state;
    archive_env env;
    archive *a = NULL;
    td_err err;
    archive_env_init_real(&env);
    assert_int_equal(archive_env_try_open(&env, ARCHIVE_READ, NULL, &a, &err), TD_E_NOTFOUND);
    assert_int_equal(mkdir(env.path, 0755), 0);
    assert_int_equal(archive_env_try_open(&env, ARCHIVE_READ, NULL, &a, &err), TD_E_INVALID);
    assert_non_null(strstr(err.text, "not a tapedeck archive"));
    assert_string_not_equal(err.hint, "");
    archive_env_fini(&env);
}

/* docs/design.md: "Readers need no write permission." Tested on a file system where every changing
 * operation fails, because root has all permissions. */
static void test_reading_writes_nothing(void **state)
{
    (void)state;
    archive_env env;
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 0, 4);
    static const io_fault_op WRITES[] = {
        IO_FAULT_OP_CREATE, IO_FAULT_OP_APPEND, IO_FAULT_OP_TRUNCATE, IO_FAULT_OP_RENAME,
        IO_FAULT_OP_UNLINK, IO_FAULT_OP_MKDIR,  IO_FAULT_OP_LOCK};
    io_fault_plan refuse = {.kind = IO_FAULT_EIO, .mode = IO_FAULT_FOR_EVER, .fail_at = 1};
    for (size_t i = 0; i < sizeof WRITES / sizeof WRITES[0]; i++)
        refuse.ops |= IO_FAULT_BIT(WRITES[i]);
    io_fault_set_plan(env.disk, refuse);
    assert_int_equal(archive_fixture_check_frames(&env, FIXTURE_FEED, 0, 1), 80);
    assert_false(io_fault_did_fire(env.disk));
    archive_env_fini(&env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_read),
        cmocka_unit_test(test_name_is_of_first_frame),
        cmocka_unit_test(test_time_of_a_name),
        cmocka_unit_test(test_feed_names),
        cmocka_unit_test(test_second_appender_is_refused),
        cmocka_unit_test(test_maintainer_beside_appender),
        cmocka_unit_test(test_unexpected_files_are_listed_apart),
        cmocka_unit_test(test_single_file_reads_as_archive),
        cmocka_unit_test(test_what_is_no_archive_is_refused),
        cmocka_unit_test(test_reading_writes_nothing),
    };
    return cmocka_run_group_tests_name("archive", tests, NULL, NULL);
}
