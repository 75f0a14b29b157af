#include "tests/testing/damage_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "archive/ledger.h"
#include "archive/reindex.h"
#include "tests/testing/files.h"
#include "tests/testing/segment_fixture.h"

#define JOURNAL_PATH ARCHIVE_FIXTURE_PATH "/journal.mcap.open"

static void keep_finding(void *user, const verify_finding *finding)
{
    bench *b = user;
    size_t size = strlen(b->text);
    (void)snprintf(b->text + size, sizeof b->text - size, "%s %s %" PRIu64 " %s\n",
                   verify_severity_name(finding->severity), finding->segment, finding->offset,
                   finding->what);
}

verify_severity bench_verify(bench *b)
{
    const verify_options options = {.threads = 1, .finding = keep_finding, .user = b};
    b->text[0] = '\0';
    return archive_fixture_verify(&b->env, &options).verdict;
}

void bench_must_show(bench *b, verify_severity least, const char *names, const char *doing,
                     size_t at)
{
    b->tried++;
    verify_severity verdict = bench_verify(b);
    if (verdict < least || strstr(b->text, names) == NULL)
        fail_msg("%s %zu: %s, '%s' wanted:\n%s", doing, at, verify_severity_name(verdict), names,
                 b->text);
}

static void write_note(bench *b)
{
    td_err err;
    journal *j = NULL;
    archive *a = archive_env_open(&b->env, ARCHIVE_MAINTAIN, "note");
    char numbers[3][24];
    const journal_field note[] = {journal_u64("time_ns", 5, numbers[0]),
                                  journal_u64("from_ns", 1, numbers[1]),
                                  journal_u64("to_ns", 2, numbers[2]), journal_text("feed", ""),
                                  journal_text("text", "a note")};
    const gap_row gap = {.reason = GAP_CRASH,
                         .feed = FIXTURE_FEED,
                         .conn = 1,
                         .topic = "",
                         .symbol = "",
                         .from_ns = 7,
                         .frames_lost = GAP_FRAMES_UNKNOWN,
                         .covered_by = "",
                         .cause = "c",
                         .detail = ""};
    const reindex_options options = {.scope = REINDEX_ALL};
    reindex_report report;
    assert_int_equal(journal_open(a, NULL, NULL, NULL, &j, &err), TD_OK);
    assert_int_equal(journal_append(j, "note", note, sizeof note / sizeof note[0], &err), TD_OK);
    assert_int_equal(journal_append_gap(j, &gap, &err), TD_OK);
    journal_close(j);
    assert_int_equal(archive_reindex(a, &options, &report, &err), TD_OK);
    archive_close(a);
}

bench *bench_open(void)
{
    bench *b = td_alloc_zero(1, sizeof *b);
    assert_non_null(b);
    archive_env_init_sim(&b->env);
    archive_fixture_record(&b->env, 0, BENCH_SEGMENTS * BENCH_CHUNKS);
    write_note(b);
    archive_listing listing;
    archive *a = archive_env_open(&b->env, ARCHIVE_READ, NULL);
    assert_int_equal(archive_list(a, &listing, NULL), TD_OK);
    assert_int_equal(listing.segment_count, BENCH_SEGMENTS);
    for (size_t i = 0; i < BENCH_SEGMENTS; i++)
        assert_int_equal(archive_join(a, listing.segments[i].path, b->paths[i], NULL), TD_OK);
    archive_listing_fini(&listing);
    archive_close(a);
    (void)snprintf(b->paths[BENCH_SEGMENTS], sizeof b->paths[BENCH_SEGMENTS], "%s", JOURNAL_PATH);
    for (size_t i = 0; i <= BENCH_SEGMENTS; i++)
        b->bytes[i] = file_read(io_fault_io(b->env.disk), b->paths[i], &b->sizes[i]);
    if (bench_verify(b) != VERIFY_SOUND)
        fail_msg("%s", b->text);
    return b;
}

void bench_close(bench *b, const char *what)
{
    if (bench_verify(b) != VERIFY_SOUND) /* every damage has been undone */
        fail_msg("%s", b->text);
    print_message("%s: %u tried\n", what, b->tried);
    for (size_t i = 0; i <= BENCH_SEGMENTS; i++)
        td_free(b->bytes[i]);
    archive_env_fini(&b->env);
    td_free(b);
}

void bench_put(bench *b, size_t i, const void *bytes, size_t size)
{
    td_io io = io_fault_io(b->env.disk);
    assert_int_equal(td_io_unlink(io, b->paths[i], NULL), TD_OK);
    file_make(io, b->paths[i], bytes, size);
}

void bench_put_back(bench *b, size_t i)
{
    bench_put(b, i, b->bytes[i], b->sizes[i]);
}

size_t bench_journal_ends(const bench *b, size_t *ends, size_t max)
{
    static const char MAGIC[] = "TDCHAIN1";
    size_t count = 0;
    for (size_t at = 0; at + 8 < b->sizes[BENCH_SEGMENTS]; at++) {
        if (memcmp(b->bytes[BENCH_SEGMENTS] + at, MAGIC, 8) == 0) {
            assert_true(count < max);
            ends[count++] = at + 84; /* size of a chain record without connections */
        }
    }
    assert_true(count > 0 && ends[count - 1] == b->sizes[BENCH_SEGMENTS]);
    return count;
}
