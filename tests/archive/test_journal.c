/* The journal: entries, its torn tail, two writers, failing disks. Expected: docs/design.md
 * ("Archive on disk") and FORMAT.md ("The journal"). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "archive/journal.h"
#include "format/mcap.h"
#include "tests/testing/files.h"
#include "tests/testing/archive_fixture.h"
#include "tests/testing/segment_fixture.h"

#define JOURNAL_PATH ARCHIVE_FIXTURE_PATH "/journal.mcap.open"
enum { SWEEP_CALLS_MAX = 200 };

/* Appends entries of act "act" with n = from … to - 1; returns the first failure. */
static td_result append_entries(journal *j, uint64_t from, uint64_t to, td_err *err)
{
    td_result rc = TD_OK;
    for (uint64_t i = from; i < to && rc == TD_OK; i++) {
        char number[24];
        const journal_field fields[] = {journal_u64("n", i, number), journal_text("text", "ä\n\\")};
        rc = journal_append(j, "note", fields, 2, err);
    }
    return rc;
}

static td_result check_entry(void *user, const journal_entry *entry, td_err *err)
{
    uint64_t *next = user;
    (void)err;
    assert_true(td_bytes_is(entry->act, "note"));
    assert_int_equal(journal_get_u64(entry, "n", UINT64_MAX), *next);
    assert_true(td_bytes_is(journal_get(entry, "text"), "ä\n\\"));
    assert_int_equal(journal_get(entry, "absent").size, 0);
    (*next)++;
    return TD_OK;
}

/* Counts the entries, which must be 0, 1, … in order. */
static uint64_t count_entries(archive *a, journal_state *state)
{
    uint64_t next = 0;
    td_err err;
    if (journal_read(a, check_entry, &next, state, &err) != TD_OK)
        fail_msg("%s", err.text);
    assert_int_equal(next, state->entry_count);
    return next;
}

/* Checks that a reader finds the entries 0 … count - 1. */
static journal_state check_entries(archive_env *env, uint64_t count)
{
    journal_state got;
    archive *a = archive_env_open(env, ARCHIVE_READ, NULL);
    assert_int_equal(count_entries(a, &got), count);
    archive_close(a);
    return got;
}

static void write_journal(archive_env *env, uint64_t from, uint64_t to)
{
    archive *a = archive_env_open(env, ARCHIVE_APPEND, "record");
    journal *j = NULL;
    td_err err;
    assert_int_equal(journal_open(a, NULL, NULL, NULL, &j, &err), TD_OK);
    if (append_entries(j, from, to, &err) != TD_OK)
        fail_msg("%s", err.text);
    journal_close(j);
    archive_close(a);
}

static void test_entries_come_back(void **state)
{
    archive_env *env = *state;
    write_journal(env, 0, 3);
    write_journal(env, 3, 5); /* continues after the first writer's entries */
    journal_state got = check_entries(env, 5);
    assert_int_equal(got.valid_bytes, got.file_bytes);
    assert_true(got.is_present);
    size_t size = 0;
    uint8_t *bytes = file_read(io_fault_io(env->disk), JOURNAL_PATH, &size);
    assert_memory_equal(bytes, MCAP_MAGIC, MCAP_MAGIC_BYTES); /* an MCAP file */
    td_free(bytes);
}

static void test_each_entry_is_durable_at_once(void **state)
{
    archive_env *env = *state;
    journal *j = NULL;
    td_err err;
    archive *a = archive_env_open(env, ARCHIVE_APPEND, "record");
    assert_int_equal(journal_open(a, NULL, NULL, NULL, &j, &err), TD_OK);
    for (uint64_t i = 0; i < 4; i++) {
        assert_int_equal(append_entries(j, i, i + 1, &err), TD_OK);
        archive_env after = *env;
        after.disk = io_fault_power_cut(env->disk, IO_FAULT_CUT_WORST);
        (void)check_entries(&after, i + 1);
        io_fault_close(after.disk);
    }
    journal_close(j);
    archive_close(a);
}

static void append_bytes(io_fault *disk, const char *path, const void *bytes, size_t size)
{
    td_file *file = NULL;
    assert_int_equal(td_io_open(io_fault_io(disk), path, TD_OPEN_APPEND, &file, NULL), TD_OK);
    assert_int_equal(td_io_append(file, bytes, size, NULL), TD_OK);
    td_io_close(file);
}

static void test_torn_tail_is_kept_and_cut(void **state)
{
    static const char TAIL[] = "\x0c\x40\0\0\0\0\0\0\0half an ent";
    archive_env *env = *state;
    write_journal(env, 0, 2);
    append_bytes(env->disk, JOURNAL_PATH, TAIL, sizeof TAIL);
    journal_state got = check_entries(env, 2);
    assert_int_equal(got.file_bytes - got.valid_bytes, sizeof TAIL);
    char torn[128];
    (void)snprintf(torn, sizeof torn, ARCHIVE_FIXTURE_PATH "/torn/journal.mcap.open.%llu.tail",
                   (unsigned long long)got.valid_bytes);
    write_journal(env, 2, 3);
    got = check_entries(env, 3);
    assert_int_equal(got.file_bytes, got.valid_bytes);
    size_t size = 0;
    uint8_t *bytes = file_read(io_fault_io(env->disk), torn, &size);
    assert_int_equal(size, sizeof TAIL);
    assert_memory_equal(bytes, TAIL, sizeof TAIL);
    td_free(bytes);
}

/* The result of reading a damaged journal. */
typedef struct damaged_read {
    uint64_t numbers; /* a bit for each entry that was read, by its n */
    uint64_t damages;
    uint64_t bytes; /* total size of the damages */
} damaged_read;

static td_result note_entry(void *user, const journal_entry *entry, td_err *err)
{
    damaged_read *read = user;
    (void)err;
    if (td_bytes_is(entry->act, JOURNAL_DAMAGED)) {
        read->damages++;
        read->bytes += journal_get_u64(entry, "bytes", 0);
        return TD_OK;
    }
    assert_true(td_bytes_is(entry->act, "note"));
    read->numbers |= UINT64_C(1) << journal_get_u64(entry, "n", 63);
    return TD_OK;
}

static damaged_read read_damaged(archive_env *env)
{
    damaged_read read = {0};
    journal_state got;
    td_err err;
    archive *a = archive_env_open(env, ARCHIVE_READ, NULL);
    if (journal_read(a, note_entry, &read, &got, &err) != TD_OK)
        fail_msg("%s", err.text);
    archive_close(a);
    return read;
}

/* A flip of any one bit loses one entry; the others are read, and further entries can be
 * appended. */
static void test_flipped_bits_lose_one_entry(void **state)
{
    enum { ENTRIES = 4, ALL = (1 << ENTRIES) - 1 };
    archive_env *env = *state;
    write_journal(env, 0, ENTRIES);
    const journal_state whole = check_entries(env, ENTRIES);
    for (uint64_t bit = 0; bit < 8 * whole.file_bytes; bit++) {
        archive_env copy = *env;
        uint64_t entry_bytes = whole.file_bytes / ENTRIES; /* the first entry includes the header */
        copy.disk = io_fault_kill(env->disk);
        uint8_t mask = (uint8_t)(1U << (bit % 8));
        assert_int_equal(io_fault_damage(copy.disk, JOURNAL_PATH, bit / 8, mask, NULL), TD_OK);
        damaged_read read = read_damaged(&copy);
        uint64_t lost = ALL & ~read.numbers;
        if (read.damages != 1 || lost == 0 || (lost & (lost - 1)) != 0 ||
            read.bytes > 2 * entry_bytes)
            fail_msg("bit %llu: %llu damages of %llu bytes, entries %llx are lost",
                     (unsigned long long)bit, (unsigned long long)read.damages,
                     (unsigned long long)read.bytes, (unsigned long long)lost);
        if (bit % 8 == 0) {
            write_journal(&copy, ENTRIES, ENTRIES + 2);
            damaged_read more = read_damaged(&copy);
            assert_int_equal(more.damages, 1);
            assert_int_equal(more.numbers, read.numbers | 3U << ENTRIES);
        }
        io_fault_close(copy.disk);
    }
}

/* "less than two chain records after the last complete entry are a torn tail": an entry cut at any
 * byte, or with sectors of zeros, was never durable and is no damage. */
static void test_cut_entries_are_no_damage(void **state)
{
    archive_env *env = *state;
    write_journal(env, 0, 2);
    const journal_state whole = check_entries(env, 2);
    write_journal(env, 2, 3);
    size_t size = 0;
    uint8_t *bytes = file_read(io_fault_io(env->disk), JOURNAL_PATH, &size);
    for (uint64_t end = whole.file_bytes; end < size; end++) {
        file_replace(io_fault_io(env->disk), JOURNAL_PATH, bytes, end);
        damaged_read read = read_damaged(env);
        if (read.damages > 0 || read.numbers != 3)
            fail_msg("cut at %llu: taken for damage", (unsigned long long)end);
    }
    memset(bytes + whole.file_bytes, 0, size - whole.file_bytes);
    file_replace(io_fault_io(env->disk), JOURNAL_PATH, bytes, size);
    assert_int_equal(read_damaged(env).damages, 0);
    write_journal(env, 2, 3);
    assert_int_equal(read_damaged(env).numbers, 7);
    td_free(bytes);
}

static void test_two_writers_take_turns(void **state)
{
    (void)state;
    archive_env env;
    journal_state got;
    journal *first = NULL;
    journal *second = NULL;
    td_err err;
    archive_env_init_real(&env);
    archive *appender = archive_env_open(&env, ARCHIVE_APPEND, "record");
    assert_int_equal(journal_open(appender, NULL, NULL, NULL, &first, &err), TD_OK);
    assert_int_equal(append_entries(first, 0, 1, &err), TD_OK);
    archive *maintainer = archive_env_open(&env, ARCHIVE_MAINTAIN, "recover");
    assert_int_equal(journal_open(maintainer, NULL, NULL, NULL, &second, &err), TD_OK);
    for (uint64_t i = 1; i < 9; i++)
        assert_int_equal(append_entries(i % 2 == 0 ? first : second, i, i + 1, &err), TD_OK);
    assert_int_equal(count_entries(maintainer, &got), 9);
    assert_int_equal(got.file_bytes, got.valid_bytes);
    journal_close(first);
    journal_close(second);
    archive_close(maintainer);
    archive_close(appender);
    archive_env_fini(&env);
}

/* A file with other content may once have been a journal: its bytes are kept, and entries are
 * appended after them. */
static void test_other_content_stays(void **state)
{
    static const char GARBAGE[] = "something else entirely";
    archive_env *env = *state;
    archive *a = archive_env_open(env, ARCHIVE_APPEND, "record");
    archive_close(a);
    file_make(io_fault_io(env->disk), JOURNAL_PATH, GARBAGE, sizeof GARBAGE);
    write_journal(env, 0, 1);
    write_journal(env, 1, 2);
    damaged_read read = read_damaged(env);
    assert_int_equal(read.numbers, 3);
    assert_int_equal(read.damages, 1);
    assert_int_equal(read.bytes, sizeof GARBAGE);
}

/* Makes I/O call 1, 2, 3, … fail: after a power cut every entry whose append returned TD_OK is
 * there, and the journal can be written. */
static void sweep(io_fault_kind kind, io_fault_mode mode, uint64_t seed)
{
    for (uint32_t fail_at = 1;; fail_at++) {
        archive_env env;
        archive_env_init_sim(&env);
        archive *a = archive_env_open(&env, ARCHIVE_APPEND, "record");
        journal *j = NULL;
        uint64_t done = 0;
        td_err err;
        const io_fault_plan plan = {.kind = kind, .mode = mode, .fail_at = fail_at};
        io_fault_set_plan(env.disk, plan);
        if (journal_open(a, NULL, NULL, NULL, &j, &err) == TD_OK) {
            for (unsigned tries = 0; done < 4 && tries < 8; tries++)
                done += append_entries(j, done, done + 1, &err) == TD_OK;
        }
        journal_close(j);
        archive_close(a);
        int did_fire = io_fault_did_fire(env.disk);
        io_fault_set_plan(env.disk, (io_fault_plan){0});
        assert_int_equal(io_fault_open_count(env.disk), 0);
        archive_env_swap_disk(&env, io_fault_power_cut(env.disk, seed));

        journal_state got;
        a = archive_env_open(&env, ARCHIVE_APPEND, "record");
        assert_int_equal(journal_open(a, NULL, NULL, NULL, &j, &err), TD_OK);
        uint64_t count = count_entries(a, &got);
        if (count < done)
            fail_msg("call %u: %llu of %llu entries are lost", fail_at,
                     (unsigned long long)(done - count), (unsigned long long)done);
        assert_int_equal(append_entries(j, count, count + 1, &err), TD_OK);
        journal_close(j);
        archive_close(a);
        archive_env_fini(&env);
        if (!did_fire)
            break;
        assert_true(fail_at < SWEEP_CALLS_MAX);
    }
}

static void test_failing_calls(void **state)
{
    (void)state;
    static const io_fault_kind KINDS[] = {IO_FAULT_EIO, IO_FAULT_ENOSPC, IO_FAULT_SHORT};
    static const uint64_t SEEDS[] = {IO_FAULT_CUT_WORST, IO_FAULT_CUT_BEST, 7};
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++) {
        for (size_t k = 0; k < sizeof SEEDS / sizeof SEEDS[0]; k++) {
            sweep(KINDS[i], IO_FAULT_ONCE, SEEDS[k]);
            sweep(KINDS[i], IO_FAULT_FOR_EVER, SEEDS[k]);
        }
    }
}

/* The writer that created the file was killed before it synced the folder: the next writer must
 * sync the folder before its entry. */
static void test_journal_of_a_killed_writer(void **state)
{
    archive_env *env = *state;
    journal_state got;
    journal *j = NULL;
    td_err err;
    archive *a = archive_env_open(env, ARCHIVE_APPEND, "record");
    const io_fault_plan plan = {
        .kind = IO_FAULT_EIO, .fail_at = 1, .ops = IO_FAULT_BIT(IO_FAULT_OP_SYNC_DIR)};
    io_fault_set_plan(env->disk, plan);
    assert_int_equal(journal_open(a, NULL, NULL, NULL, &j, &err), TD_E_IO);
    assert_int_equal(journal_open(a, NULL, NULL, NULL, &j, &err), TD_OK);
    assert_int_equal(append_entries(j, 0, 1, &err), TD_OK);
    journal_close(j);
    archive_close(a);
    archive_env_swap_disk(env, io_fault_power_cut(env->disk, IO_FAULT_CUT_WORST));
    a = archive_env_open(env, ARCHIVE_APPEND, "record");
    assert_int_equal(count_entries(a, &got), 1);
    archive_close(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        archive_env_test(test_entries_come_back),
        archive_env_test(test_each_entry_is_durable_at_once),
        archive_env_test(test_torn_tail_is_kept_and_cut),
        archive_env_test(test_flipped_bits_lose_one_entry),
        archive_env_test(test_cut_entries_are_no_damage),
        cmocka_unit_test(test_two_writers_take_turns),
        archive_env_test(test_other_content_stays),
        cmocka_unit_test(test_failing_calls),
        archive_env_test(test_journal_of_a_killed_writer),
    };
    return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
