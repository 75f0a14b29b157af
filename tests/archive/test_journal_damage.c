/* A damaged or missing journal: gaps that it may have listed stay in the ledger, and readers report
 * the archive as incomplete, until a user accepts the loss. Expected: docs/archive.md ("When the
 * journal is damaged") and FORMAT.md ("The journal"). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "archive/archive_recover.h"
#include "archive/feed_history.h"
#include "archive/gap.h"
#include "archive/journal.h"
#include "archive/ledger.h"
#include "archive/read_plan.h"
#include "archive/verify.h"
#include "tests/testing/archive_fixture.h"
#include "tests/testing/files.h"
#include "tests/testing/segment_fixture.h"

#define JOURNAL_PATH ARCHIVE_FIXTURE_PATH "/" JOURNAL_FILE
/* Bytes between two flips. (test_journal.c tries every flip.) */
enum { ENTRIES_MAX = 64, STRIDE = 29 };

/* Records two clean sessions, then a killed one, and recovers: this gap is only in the journal. */
static void record_all(archive_env *env)
{
    recover_report report;
    archive_env_init_sim(env);
    archive_fixture_record(env, 0, 4); /* two segments */
    archive_fixture_record(env, 200, 1);
    archive_fixture_kill(env, "record", FIXTURE_FEED, 300, 1);
    archive_fixture_recover(env, &report);
    assert_int_equal(report.gaps_opened, 1);
}

/* Copies the archive, so that the copy can be damaged. */
static archive_env copy_of(const archive_env *env)
{
    archive_env copy = *env;
    copy.disk = io_fault_power_cut(env->disk, IO_FAULT_CUT_BEST);
    assert_non_null(copy.disk);
    return copy;
}

static void flip(archive_env *env, uint64_t at, unsigned bit)
{
    assert_int_equal(io_fault_damage(env->disk, JOURNAL_PATH, at, (uint8_t)(1U << bit), NULL),
                     TD_OK);
}

static verify_severity verdict_of(archive_env *env)
{
    const verify_options options = {.time = TIME_SPAN_ALL, .threads = 1};
    return archive_fixture_verify(env, &options).verdict;
}

/* The number of unreadable files that readers report. */
static size_t unreadable_of(archive_env *env)
{
    td_err err;
    read_plan *plan = NULL;
    const read_query query = {.time = TIME_SPAN_ALL, .is_quiet = 1};
    archive *a = archive_env_open(env, ARCHIVE_READ, NULL);
    if (read_plan_open(a, &query, &plan, &err) != TD_OK)
        fail_msg("%s", err.text);
    size_t count = read_plan_unreadable_count(plan);
    read_plan_close(plan);
    archive_close(a);
    return count;
}

static int is_of_journal(const gap_row *row)
{
    return row->reason == GAP_CORRUPT && strcmp(row->cause, GAP_CAUSE_JOURNAL) == 0;
}

static int covers(const gap_row *row, const gap_row *other)
{
    return row->from_ns <= other->from_ns &&
           (row->to_ns == GAP_OPEN || (other->to_ns != GAP_OPEN && row->to_ns >= other->to_ns));
}

/* Checks that each gap of the sound archive is still listed, or lies inside a gap that was added
 * because of the damage. Returns the number of the latter. */
static size_t check_gaps(archive_env *env, const gap_list *sound, const char *what)
{
    gap_list now;
    size_t corrupt = 0;
    archive_fixture_gaps(env, &now);
    for (size_t i = 0; i < now.count; i++)
        corrupt += is_of_journal(&now.rows[i]) != 0;
    for (size_t i = 0; i < sound->count; i++) {
        int is_there = gap_list_find(&now, &sound->rows[i]) != NULL;
        for (size_t k = 0; k < now.count && !is_there; k++)
            is_there = is_of_journal(&now.rows[k]) && covers(&now.rows[k], &sound->rows[i]);
        if (!is_there)
            fail_msg("%s: the %s gap from %llu is lost", what,
                     time_reason_name(sound->rows[i].reason),
                     (unsigned long long)sound->rows[i].from_ns);
    }
    gap_list_fini(&now);
    return corrupt;
}

static void check_damaged(archive_env *env, const gap_list *sound, const char *what)
{
    if (verdict_of(env) != VERIFY_DAMAGED)
        fail_msg("%s: verify does not report damage", what);
    if (unreadable_of(env) == 0)
        fail_msg("%s: readers do not report damage", what);
    if (check_gaps(env, sound, what) == 0)
        fail_msg("%s: no gap of reason corrupt", what);
}

static uint64_t journal_bytes(archive_env *env)
{
    size_t size = 0;
    td_free(file_read(io_fault_io(env->disk), JOURNAL_PATH, &size));
    return size;
}

static void test_flipped_bits(void **state)
{
    (void)state;
    archive_env env;
    gap_list sound;
    record_all(&env);
    archive_fixture_gaps(&env, &sound);
    assert_true(sound.count >= 3);
    uint64_t bytes = journal_bytes(&env);
    for (uint64_t at = 0; at < bytes; at += STRIDE) {
        char what[64];
        (void)snprintf(what, sizeof what, "byte %llu", (unsigned long long)at);
        flip(&env, at, at % 8);
        check_damaged(&env, &sound, what);
        flip(&env, at, at % 8);
    }
    assert_int_equal(verdict_of(&env), VERIFY_SOUND);
    assert_int_equal(unreadable_of(&env), 0);
    assert_int_equal(check_gaps(&env, &sound, "no damage"), 0);
    gap_list_fini(&sound);
    archive_env_fini(&env);
}

/* The offsets of the journal's entries. */
typedef struct entry_list {
    uint64_t offsets[ENTRIES_MAX];
    size_t count;
} entry_list;

static td_result add_offset(void *user, const journal_entry *entry, td_err *err)
{
    entry_list *list = user;
    (void)err;
    assert_true(list->count < ENTRIES_MAX);
    list->offsets[list->count++] = entry->offset;
    return TD_OK;
}

static void accept_loss(archive_env *env)
{
    td_err err;
    archive *a = archive_env_open(env, ARCHIVE_MAINTAIN, "recover");
    if (archive_accept_loss(a, &err) != TD_OK)
        fail_msg("%s", err.text);
    archive_close(a);
}

/* Checks that the archive remains incomplete after writing and after recovery, until the loss is
 * accepted; the added gap remains in the ledger even then. */
static void check_until_accepted(archive_env *env, const gap_list *sound, const char *what)
{
    recover_report report;
    check_damaged(env, sound, what);
    archive_fixture_session(env, "import", 400, 2); /* a recorder would end open gaps */
    check_damaged(env, sound, what);
    archive_fixture_recover(env, &report);
    assert_true(report.lacks_journal);
    check_damaged(env, sound, what);
    accept_loss(env);
    if (verdict_of(env) != VERIFY_SOUND)
        fail_msg("%s: accepted, and not sound", what);
    assert_int_equal(unreadable_of(env), 0);
    if (check_gaps(env, sound, what) == 0)
        fail_msg("%s: accepted, and no gap is left", what);
    archive_fixture_recover(env, &report);
    assert_false(report.lacks_journal);
    archive_fixture_check_dump(env);
}

/* Flips a bit in each part of each entry: length, act, content, chain record, value. */
static void test_damage_stays_until_it_is_accepted(void **state)
{
    (void)state;
    static const uint64_t WHERE[] = {1, 10, 40, 90};
    archive_env env;
    gap_list sound;
    entry_list entries = {0};
    journal_state read;
    record_all(&env);
    archive_fixture_gaps(&env, &sound);
    archive *a = archive_env_open(&env, ARCHIVE_READ, NULL);
    assert_int_equal(journal_read(a, add_offset, &entries, &read, NULL), TD_OK);
    archive_close(a);
    assert_true(entries.count > 10);
    for (size_t i = 0; i < entries.count; i++) {
        uint64_t end = i + 1 < entries.count ? entries.offsets[i + 1] : read.file_bytes;
        for (size_t k = i % 2; k <= sizeof WHERE / sizeof WHERE[0]; k += 2) {
            int is_value = k == sizeof WHERE / sizeof WHERE[0];
            uint64_t at = is_value ? end - 5 : entries.offsets[i] + WHERE[k];
            char what[64];
            (void)snprintf(what, sizeof what, "entry %zu, byte %llu", i, (unsigned long long)at);
            archive_env copy = copy_of(&env);
            flip(&copy, at, 3);
            check_until_accepted(&copy, &sound, what);
            io_fault_close(copy.disk);
        }
    }
    gap_list_fini(&sound);
    archive_env_fini(&env);
}

/* The journal is an empty file, a file with other content, or missing. */
static void test_lost_journal(void **state)
{
    (void)state;
    static const char *const CONTENTS[] = {NULL, "", "something else entirely"};
    archive_env env;
    gap_list sound;
    record_all(&env);
    archive_fixture_gaps(&env, &sound);
    for (size_t i = 0; i < sizeof CONTENTS / sizeof CONTENTS[0]; i++) {
        archive_env copy = copy_of(&env);
        td_io io = io_fault_io(copy.disk);
        assert_int_equal(td_io_unlink(io, JOURNAL_PATH, NULL), TD_OK);
        if (CONTENTS[i] != NULL)
            file_make(io, JOURNAL_PATH, CONTENTS[i], strlen(CONTENTS[i]));
        check_until_accepted(&copy, &sound, CONTENTS[i] == NULL ? "none" : CONTENTS[i]);
        io_fault_close(copy.disk);
    }
    gap_list_fini(&sound);
    archive_env_fini(&env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flipped_bits),
        cmocka_unit_test(test_damage_stays_until_it_is_accepted),
        cmocka_unit_test(test_lost_journal),
    };
    return cmocka_run_group_tests_name("journal_damage", tests, NULL, NULL);
}
