/* Tests of verify. Expected: docs/design.md ("Exit status": verify; "Archive on disk": what must be
 * detected), and the list in archive/verify.h. */
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
#include "archive/catalog.h"
#include "archive/verify.h"
#include "tests/testing/files.h"
#include "tests/testing/archive_fixture.h"
#include "tests/testing/segment_fixture.h"

enum { TEXT_BYTES = 1 << 16 };

/* Findings, one per line, in the order in which they were reported. */
typedef struct findings_text {
    char text[TEXT_BYTES];
    size_t size;
    uint64_t progress_calls;
    uint64_t bytes_total;
} findings_text;

static void keep_finding(void *user, const verify_finding *finding)
{
    findings_text *out = user;
    int length = snprintf(out->text + out->size, sizeof out->text - out->size,
                          "%s %s %" PRIu64 " %s\n", verify_severity_name(finding->severity),
                          finding->segment, finding->offset, finding->what);
    assert_true(length > 0);
    out->size += (size_t)length;
    assert_true(out->size < sizeof out->text);
}

static void keep_progress(void *user, uint64_t bytes_done, uint64_t bytes_total)
{
    findings_text *out = user;
    assert_true(bytes_done <= bytes_total);
    out->progress_calls++;
    out->bytes_total = bytes_total;
}

static verify_report verify(archive_env *env, unsigned threads, findings_text *out)
{
    const verify_options options = {.time = TIME_SPAN_ALL,
                                    .threads = threads,
                                    .finding = keep_finding,
                                    .progress = keep_progress,
                                    .user = out};
    out->size = 0;
    out->text[0] = '\0';
    out->progress_calls = 0;
    return archive_fixture_verify(env, &options);
}

static void check(archive_env *env, verify_severity verdict, const char *finding)
{
    static findings_text text; /* static, because it is too large for the stack */
    verify_report report = verify(env, 1, &text);
    if (report.verdict != verdict || strstr(text.text, finding) == NULL)
        fail_msg("'%s' wanted, verdict %s, found:\n%s", finding,
                 verify_severity_name(report.verdict), text.text);
}

/* The path of segment i in the listing. */
static void segment_path(archive_env *env, size_t i, char out[LIMIT_PATH_BYTES])
{
    archive_listing listing;
    archive *a = archive_env_open(env, ARCHIVE_READ, NULL);
    assert_int_equal(archive_list(a, &listing, NULL), TD_OK);
    assert_true(i < listing.segment_count);
    assert_int_equal(archive_join(a, listing.segments[i].path, out, NULL), TD_OK);
    archive_listing_fini(&listing);
    archive_close(a);
}

static void test_sound_archive(void **state)
{
    (void)state;
    archive_env env;
    static findings_text text;
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 0, 10);
    clock_sim_advance(env.clock, 1000);
    archive_fixture_record(&env, 200, 4);
    verify_report report = verify(&env, 2, &text);
    assert_string_equal(text.text, "");
    assert_int_equal(report.verdict, VERIFY_SOUND);
    assert_int_equal(report.segments, 6);
    assert_int_equal(report.chunks, 14);
    /* Each chunk of 20 frames has 2 events, which do not count. */
    assert_int_equal(report.frames, 14 * 18);
    assert_int_equal(text.progress_calls, 6);
    assert_int_equal(text.bytes_total, report.bytes);
    archive_env_fini(&env);
}

static void test_unreadable_segment_shows(void **state)
{
    (void)state;
    archive_env env;
    char path[LIMIT_PATH_BYTES];
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 0, 3);
    segment_path(&env, 0, path);
    assert_int_equal(td_io_unlink(io_fault_io(env.disk), path, NULL), TD_OK);
    file_make(io_fault_io(env.disk), path, "no segment at all", 17);
    check(&env, VERIFY_DAMAGED, "cannot be read");
    archive_env_fini(&env);
}

static void test_catalog_is_compared(void **state)
{
    (void)state;
    archive_env env;
    td_err err;
    catalog *c = NULL;
    char path[LIMIT_PATH_BYTES];
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 0, 6);
    segment_path(&env, 0, path);
    assert_int_equal(catalog_open(env.catalog_path, CATALOG_WRITE, &c, &err), TD_OK);
    assert_int_equal(catalog_drop(c, path + strlen(ARCHIVE_FIXTURE_PATH "/"), &err), TD_OK);
    catalog_close(c);
    check(&env, VERIFY_RECOVERABLE, "is out of date: does not list");
    assert_int_equal(catalog_remove(env.catalog_path, &err), TD_OK);
    check(&env, VERIFY_RECOVERABLE, "is out of date: the file is missing");
    archive_env_fini(&env);
}

static void test_lost_journal_is_damage(void **state)
{
    (void)state;
    archive_env env;
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 0, 3);
    assert_int_equal(
        td_io_unlink(io_fault_io(env.disk), ARCHIVE_FIXTURE_PATH "/journal.mcap.open", NULL),
        TD_OK);
    check(&env, VERIFY_DAMAGED, "there is no journal");
    archive_env_fini(&env);
}

static void test_live_session_is_no_fault(void **state)
{
    (void)state;
    archive_env env;
    fixture_feed feed;
    td_err err;
    archive_env_init_sim(&env);
    archive *a = archive_env_open(&env, ARCHIVE_APPEND, "record");
    archive_writer *writer = archive_fixture_begin(a);
    assert_int_equal(fixture_feed_open(&feed, writer, FIXTURE_FEED, 0, 1, &err), TD_OK);
    assert_int_equal(fixture_feed_put(&feed, 20, &err), TD_OK);
    check(&env, VERIFY_SOUND, "is being written");
    fixture_feed_close(&feed);
    assert_int_equal(archive_writer_close(writer, WRITER_ABANDON, 1, &err), TD_OK);
    archive_close(a);
    check(&env, VERIFY_RECOVERABLE, "was left open");
    check(&env, VERIFY_RECOVERABLE, "ended without a stop");
    archive_env_fini(&env);
}

static void test_threads_change_nothing(void **state)
{
    (void)state;
    archive_env env;
    static findings_text one;
    static findings_text four;
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 0, 12);
    for (size_t i = 0; i < 4; i++) {
        char path[LIMIT_PATH_BYTES];
        segment_path(&env, i, path);
        assert_int_equal(io_fault_damage(env.disk, path, 500 + 10 * i, 1, NULL), TD_OK);
    }
    verify_report first = verify(&env, 1, &one);
    verify_report second = verify(&env, 4, &four);
    assert_true(one.size > 0);
    assert_string_equal(one.text, four.text);
    assert_memory_equal(&first, &second, sizeof first);
    archive_env_fini(&env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound_archive),
        cmocka_unit_test(test_unreadable_segment_shows),
        cmocka_unit_test(test_catalog_is_compared),
        cmocka_unit_test(test_lost_journal_is_damage),
        cmocka_unit_test(test_live_session_is_no_fault),
        cmocka_unit_test(test_threads_change_nothing),
    };
    return cmocka_run_group_tests_name("verify", tests, NULL, NULL);
}
