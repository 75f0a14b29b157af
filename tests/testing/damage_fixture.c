#include "tests/testing/damage_fixture.h"

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
    damage_fixture *f = user;
    size_t size = strlen(f->text);
    (void)snprintf(f->text + size, sizeof f->text - size, "%s %s %" PRIu64 " %s\n",
                   verify_severity_name(finding->severity), finding->segment, finding->offset,
                   finding->what);
}

verify_severity damage_verify(damage_fixture *f)
{
    const verify_options options = {
        .time = TIME_SPAN_ALL, .threads = 1, .finding = keep_finding, .user = f};
    f->text[0] = '\0';
    return archive_fixture_verify(&f->env, &options).verdict;
}

void damage_must_show(damage_fixture *f, verify_severity least, const char *names,
                      const char *doing, size_t at)
{
    f->tried++;
    verify_severity verdict = damage_verify(f);
    if (verdict < least || strstr(f->text, names) == NULL)
        fail_msg("%s %zu: %s, '%s' wanted:\n%s", doing, at, verify_severity_name(verdict), names,
                 f->text);
}

static void write_note(damage_fixture *f)
{
    td_err err;
    journal *j = NULL;
    archive *a = archive_env_open(&f->env, ARCHIVE_MAINTAIN, "note");
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

damage_fixture *damage_open(void)
{
    damage_fixture *f = td_alloc_zero(1, sizeof *f);
    assert_non_null(f);
    archive_env_init_sim(&f->env);
    archive_fixture_record(&f->env, 0, DAMAGE_SEGMENTS * DAMAGE_CHUNKS);
    write_note(f);
    archive_listing listing;
    archive *a = archive_env_open(&f->env, ARCHIVE_READ, NULL);
    assert_int_equal(archive_list(a, &listing, NULL), TD_OK);
    assert_int_equal(listing.segment_count, DAMAGE_SEGMENTS);
    for (size_t i = 0; i < DAMAGE_SEGMENTS; i++)
        assert_int_equal(archive_join(a, listing.segments[i].path, f->paths[i], NULL), TD_OK);
    archive_listing_fini(&listing);
    archive_close(a);
    (void)snprintf(f->paths[DAMAGE_SEGMENTS], sizeof f->paths[DAMAGE_SEGMENTS], "%s", JOURNAL_PATH);
    for (size_t i = 0; i <= DAMAGE_SEGMENTS; i++)
        f->bytes[i] = file_read(io_fault_io(f->env.disk), f->paths[i], &f->sizes[i]);
    if (damage_verify(f) != VERIFY_SOUND)
        fail_msg("%s", f->text);
    return f;
}

void damage_close(damage_fixture *f, const char *what)
{
    if (damage_verify(f) != VERIFY_SOUND) /* every damage has been undone */
        fail_msg("%s", f->text);
    print_message("%s: %u tried\n", what, f->tried);
    for (size_t i = 0; i <= DAMAGE_SEGMENTS; i++)
        td_free(f->bytes[i]);
    archive_env_fini(&f->env);
    td_free(f);
}

void damage_put(damage_fixture *f, size_t i, const void *bytes, size_t size)
{
    td_io io = io_fault_io(f->env.disk);
    assert_int_equal(td_io_unlink(io, f->paths[i], NULL), TD_OK);
    file_make(io, f->paths[i], bytes, size);
}

void damage_put_back(damage_fixture *f, size_t i)
{
    damage_put(f, i, f->bytes[i], f->sizes[i]);
}

size_t damage_journal_ends(const damage_fixture *f, size_t *ends, size_t max)
{
    static const char MAGIC[] = "TDCHAIN1";
    size_t count = 0;
    for (size_t at = 0; at + 8 < f->sizes[DAMAGE_SEGMENTS]; at++) {
        if (memcmp(f->bytes[DAMAGE_SEGMENTS] + at, MAGIC, 8) == 0) {
            assert_true(count < max);
            ends[count++] = at + 84; /* size of a chain record without connections */
        }
    }
    assert_true(count > 0 && ends[count - 1] == f->sizes[DAMAGE_SEGMENTS]);
    return count;
}
