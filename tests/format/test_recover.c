/* Recovery of segments after a crash. Expected: exactly the bytes that the writer's own finish
 * gives for the complete chunks (segment_writer and recover share only the summary's encoder), and
 * that no byte of a tail is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/io_posix.h"
#include "tests/testing/files.h"
#include "tests/testing/io_fault.h"
#include "format/mcap.h"
#include "format/recover.h"
#include "format/segment_reader.h"
#include "format/segment_verify.h"
#include "tests/testing/mcap_reader.h"
#include "tests/testing/segment_fixture.h"

enum { PER_CHUNK = 20, SWEEP_CALLS_MAX = 200 };
static const char FINAL[] = "a.mcap";
static const char OPEN[] = "a.mcap.open";
static const char TORN[] = "torn";

/* The bytes of a finished segment of n chunks, and the size of its data section. */
typedef struct expected {
    uint8_t *bytes;
    size_t size, data_bytes;
} expected;

static io_fault *open_disk(void)
{
    io_fault *disk = io_fault_open();
    assert_int_equal(td_io_mkdir_all(io_fault_io(disk), TORN, NULL), TD_OK);
    assert_int_equal(td_io_sync_dir(io_fault_io(disk), ".", NULL), TD_OK);
    return disk;
}

static expected expect(uint64_t chunks, fixture_end end)
{
    io_fault *disk = open_disk();
    fixture_spec spec = {.path = FINAL,
                         .frame_count = chunks * PER_CHUNK,
                         .frames_per_chunk = PER_CHUNK,
                         .end = end};
    expected out = {0};
    fixture_write(io_fault_io(disk), &spec);
    out.bytes = file_read(io_fault_io(disk), end == FIXTURE_FINISHED ? FINAL : OPEN, &out.size);
    io_fault_close(disk);
    return out;
}

static td_result recover(io_fault *disk, recover_result *result, td_err *err)
{
    return recover_segment(io_fault_io(disk), OPEN, TORN, result, err);
}

static void check_file(io_fault *disk, const char *path, const uint8_t *bytes, size_t size)
{
    size_t got_size;
    uint8_t *got = file_read(io_fault_io(disk), path, &got_size);
    assert_int_equal(got_size, size);
    if (size > 0)
        assert_memory_equal(got, bytes, size);
    td_free(got);
}

static int has_file(io_fault *disk, const char *path)
{
    td_file *file;
    if (td_io_open(io_fault_io(disk), path, TD_OPEN_READ, &file, NULL) != TD_OK)
        return 0;
    td_io_close(file);
    return 1;
}

/* Truncated at every offset: the complete chunks are finished as by the writer, the rest is kept.
 */
static void test_every_tail(void **state)
{
    (void)state;
    recover_result *result = td_alloc(sizeof *result);
    expected open = expect(3, FIXTURE_SYNCED);
    expected done[4];
    uint64_t ends[4] = {0};
    for (uint64_t n = 1; n <= 3; n++) {
        done[n] = expect(n, FIXTURE_FINISHED);
        expected part = expect(n, FIXTURE_SYNCED);
        ends[n] = part.size;
        td_free(part.bytes);
    }
    for (size_t cut = 0; cut <= open.size; cut += cut + 61 < open.size ? 61 : 1) {
        io_fault *disk = open_disk();
        file_make(io_fault_io(disk), OPEN, open.bytes, cut);
        td_err err;
        if (recover(disk, result, &err) != TD_OK)
            fail_msg("cut at %zu: %s", cut, err.text);
        uint64_t whole = 0;
        while (whole < 3 && cut >= ends[whole + 1])
            whole++;
        assert_false(has_file(disk, OPEN));
        assert_int_equal(result->has_segment, whole > 0);
        assert_int_equal(result->torn_bytes, cut - ends[whole]);
        if (whole > 0) {
            assert_string_equal(result->path, FINAL);
            assert_int_equal(result->damaged_blocks, 0);
            assert_int_equal(result->totals.message_count, whole * PER_CHUNK);
            assert_int_equal(result->totals.last_ns,
                             FIXTURE_START_NS + (whole * PER_CHUNK - 1) * FIXTURE_STEP_NS);
            check_file(disk, FINAL, done[whole].bytes, done[whole].size);
            assert_int_equal(mcap_reader_compare(io_fault_io(disk), FINAL), whole * PER_CHUNK);
        }
        if (result->torn_bytes > 0 || whole == 0)
            check_file(disk, result->torn_path, open.bytes + ends[whole], cut - ends[whole]);
        else
            assert_string_equal(result->torn_path, "");
        assert_int_equal(io_fault_open_count(disk), 0);
        io_fault_close(disk);
    }
    for (int n = 1; n <= 3; n++)
        td_free(done[n].bytes);
    td_free(open.bytes);
    td_free(result);
}

/* A writer that died while it wrote the end, at any byte. */
static void test_half_written_end(void **state)
{
    (void)state;
    recover_result *result = td_alloc(sizeof *result);
    expected open = expect(2, FIXTURE_SYNCED);
    expected done = expect(2, FIXTURE_FINISHED);
    for (size_t cut = open.size; cut <= done.size; cut++) {
        io_fault *disk = open_disk();
        file_make(io_fault_io(disk), OPEN, done.bytes, cut);
        assert_int_equal(recover(disk, result, NULL), TD_OK);
        check_file(disk, FINAL, done.bytes, done.size);
        assert_int_equal(result->torn_bytes, 0);
        io_fault_close(disk);
    }
    td_free(open.bytes);
    td_free(done.bytes);
    td_free(result);
}

/* Checks recovery if the end was written except for its bytes from..to. */
static void check_end_without(size_t from, size_t to, expected open, expected done)
{
    io_fault *disk = open_disk();
    td_io io = io_fault_io(disk);
    recover_result *result = td_alloc(sizeof *result);
    segment_verify_result verified;
    uint8_t *bytes = td_alloc(done.size);
    assert_non_null(bytes);
    memcpy(bytes, done.bytes, done.size);
    memset(bytes + from, 0, to - from);
    file_make(io, OPEN, bytes, done.size);
    assert_int_equal(segment_verify(io, OPEN, NULL, NULL, &verified, NULL), TD_OK);
    if (verified.damage_count != 0)
        fail_msg("without %zu to %zu of the end: damaged", from - open.size, to - open.size);
    assert_int_equal(verified.state, SEGMENT_OPEN);
    assert_int_equal(verified.totals.message_count, 2 * PER_CHUNK);
    assert_int_equal(recover(disk, result, NULL), TD_OK);
    assert_int_equal(result->damaged_blocks, 0);
    check_file(disk, FINAL, done.bytes, done.size);
    check_file(disk, result->torn_path, bytes + open.size, done.size - open.size);
    td_free(bytes);
    td_free(result);
    io_fault_close(disk);
}

/* A power cut while the end was written keeps any of its sectors, also the last one with the
 * closing magic. Sector boundaries may be anywhere in the end. */
static void test_end_in_pieces(void **state)
{
    (void)state;
    enum { SECTOR = 512 };
    expected open = expect(2, FIXTURE_SYNCED);
    expected done = expect(2, FIXTURE_FINISHED);
    for (size_t at = open.size + 1; at < done.size - 1; at += 3) {
        size_t to = at + SECTOR < done.size - 1 ? at + SECTOR : done.size - 1;
        check_end_without(open.size, at, open, done);
        check_end_without(at, to, open, done);
    }
    td_free(open.bytes);
    td_free(done.bytes);
}

/* A file in which nothing can be verified is kept whole, also after an immediate power cut. */
static void test_put_away_is_durable(void **state)
{
    (void)state;
    static const char HEAD[] = "\x89MCAP0\r\nhalf of a header, and not one byte was synced";
    io_fault *disk = open_disk();
    recover_result *result = td_alloc(sizeof *result);
    td_file *file = NULL;
    assert_int_equal(td_io_open(io_fault_io(disk), OPEN, TD_OPEN_CREATE, &file, NULL), TD_OK);
    assert_int_equal(td_io_append(file, HEAD, sizeof HEAD, NULL), TD_OK);
    td_io_close(file);
    assert_int_equal(recover(disk, result, NULL), TD_OK);
    assert_false(result->has_segment);
    io_fault *after = io_fault_power_cut(disk, IO_FAULT_CUT_WORST);
    assert_non_null(after);
    assert_false(has_file(after, OPEN));
    check_file(after, result->torn_path, (const uint8_t *)HEAD, sizeof HEAD);
    io_fault_close(after);
    io_fault_close(disk);
    td_free(result);
}

/* A new file that has lost sectors of its head and the whole first chunk is not damage; followed by
 * an announced chunk it is. */
static void test_head_in_pieces(void **state)
{
    (void)state;
    expected open = expect(2, FIXTURE_SYNCED);
    expected head = expect(0, FIXTURE_SYNCED);
    recover_result *result = td_alloc(sizeof *result);
    assert_true(head.size > 60 && head.size < open.size);
    for (size_t at = 60; at < head.size; at += 7) {
        for (int has_chunks = 0; has_chunks < 2; has_chunks++) {
            io_fault *disk = open_disk();
            segment_verify_result verified = {0};
            size_t size = has_chunks ? open.size : head.size;
            uint8_t *bytes = td_alloc(size);
            assert_non_null(bytes);
            memcpy(bytes, open.bytes, size);
            memset(bytes + at, 0, head.size - at);
            file_make(io_fault_io(disk), OPEN, bytes, size);
            td_result rc = segment_verify(io_fault_io(disk), OPEN, NULL, NULL, &verified, NULL);
            if (!has_chunks && rc == TD_OK && verified.damage_count > 0)
                fail_msg("head from %zu on: damaged", at);
            assert_true(!has_chunks || rc != TD_OK || verified.damage_count > 0);
            assert_int_equal(recover(disk, result, NULL), TD_OK);
            assert_int_equal(result->damaged_blocks > 0, has_chunks);
            td_free(bytes);
            io_fault_close(disk);
        }
    }
    td_free(open.bytes);
    td_free(head.bytes);
    td_free(result);
}

/* Each call fails once, or always until the second run; then the result is correct. */
static void test_failing_calls(void **state)
{
    (void)state;
    static const io_fault_plan plans[] = {
        {.kind = IO_FAULT_EIO, .mode = IO_FAULT_ONCE},
        {.kind = IO_FAULT_EIO, .mode = IO_FAULT_FOR_EVER},
        {.kind = IO_FAULT_ENOSPC, .mode = IO_FAULT_ONCE},
        {.kind = IO_FAULT_SHORT, .mode = IO_FAULT_FOR_EVER},
    };
    recover_result *result = td_alloc(sizeof *result);
    expected open = expect(2, FIXTURE_SYNCED);
    expected done = expect(2, FIXTURE_FINISHED);
    for (size_t p = 0; p < sizeof plans / sizeof plans[0]; p++) {
        for (uint64_t fail_at = 1;; fail_at++) {
            io_fault *disk = open_disk();
            uint8_t *torn = td_alloc(open.size + 1000);
            memcpy(torn, open.bytes, open.size);
            memset(torn + open.size, 0x5a, 1000);
            file_make(io_fault_io(disk), OPEN, torn, open.size + 1000);
            io_fault_plan plan = plans[p];
            plan.fail_at = fail_at;
            io_fault_set_plan(disk, plan);
            td_result rc = recover(disk, result, NULL);
            int did_fire = io_fault_did_fire(disk);
            io_fault_set_plan(disk, (io_fault_plan){0});
            if (!did_fire)
                assert_int_equal(rc, TD_OK);
            if (has_file(disk, OPEN))
                assert_int_equal(recover(disk, result, NULL), TD_OK);
            check_file(disk, FINAL, done.bytes, done.size);
            char tail[64];
            snprintf(tail, sizeof tail, "torn/a.mcap.%zu.tail", open.size);
            check_file(disk, tail, torn + open.size, 1000);
            assert_int_equal(io_fault_open_count(disk), 0);
            td_free(torn);
            io_fault_close(disk);
            if (!did_fire)
                break;
            assert_true(fail_at < SWEEP_CALLS_MAX);
        }
    }
    td_free(open.bytes);
    td_free(done.bytes);
    td_free(result);
}

static void check_after_cut(io_fault *disk, const expected *open, const expected *done,
                            recover_result *result)
{
    if (has_file(disk, OPEN)) {
        td_err err;
        if (recover(disk, result, &err) != TD_OK)
            fail_msg("%s", err.text);
    }
    check_file(disk, FINAL, done->bytes, done->size);
    uint8_t tail_bytes[100];
    memset(tail_bytes, 0x5a, sizeof tail_bytes);
    char tail[64];
    snprintf(tail, sizeof tail, "torn/a.mcap.%zu.tail", open->size);
    check_file(disk, tail, tail_bytes, sizeof tail_bytes);
}

/* Cuts the power after each of recovery's changes; then it runs twice. */
static void test_power_cuts(void **state)
{
    (void)state;
    recover_result *result = td_alloc(sizeof *result);
    expected open = expect(2, FIXTURE_SYNCED);
    expected done = expect(2, FIXTURE_FINISHED);
    io_fault *disk = open_disk();
    uint8_t *torn = td_alloc(open.size + 100);
    memcpy(torn, open.bytes, open.size);
    memset(torn + open.size, 0x5a, 100);
    file_make(io_fault_io(disk), OPEN, torn, open.size + 100);
    assert_int_equal(td_io_sync_dir(io_fault_io(disk), ".", NULL), TD_OK);
    io_fault_log_start(disk);
    assert_int_equal(recover(disk, result, NULL), TD_OK);
    uint64_t changes = io_fault_log_count(disk);
    assert_true(changes >= 10);
    for (uint64_t behind = 0; behind <= changes; behind++) {
        for (uint64_t seed = 0; seed < 12; seed++) {
            io_fault *then = io_fault_at(disk, behind);
            io_fault *cut = io_fault_power_cut(then, seed == 11 ? IO_FAULT_CUT_BEST : seed);
            check_after_cut(cut, &open, &done, result);
            io_fault_close(cut);
            io_fault_close(then);
        }
    }
    io_fault_close(disk);
    td_free(torn);
    td_free(open.bytes);
    td_free(done.bytes);
    td_free(result);
}

/* Files that are not segments are moved to torn/ whole. */
static void test_unexpected_files(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *bytes;
        size_t size;
    } rows[] = {
        {"empty", "", 0},
        {"text", "what is this", 12},
        {"magic", "\x89MCAP0\r\n", 8},
        {"foreign", "\x89MCAP0\r\n\x01\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 25},
    };
    recover_result *result = td_alloc(sizeof *result);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        io_fault *disk = open_disk();
        file_make(io_fault_io(disk), OPEN, rows[i].bytes, rows[i].size);
        assert_int_equal(recover(disk, result, NULL), TD_OK);
        assert_false(result->has_segment);
        assert_false(has_file(disk, OPEN));
        check_file(disk, "torn/a.mcap.0.open", (const uint8_t *)rows[i].bytes, rows[i].size);
        /* Once more: the name exists, and its file is not overwritten. */
        file_make(io_fault_io(disk), OPEN, "other", 5);
        assert_int_equal(recover(disk, result, NULL), TD_OK);
        check_file(disk, "torn/a.mcap.0.open", (const uint8_t *)rows[i].bytes, rows[i].size);
        check_file(disk, "torn/a.mcap.0.open.1", (const uint8_t *)"other", 5);
        io_fault_close(disk);
    }
    td_free(result);
}

/* Damage before the end: the block is reported, and all others are read. */
static void test_damage_in_the_middle(void **state)
{
    (void)state;
    /* The chunk's opcode: a private one, Data End, a footer; its length; its records. */
    static const struct {
        uint64_t offset;
        uint8_t mask;
    } cases[] = {{0, 0x20},
                 {0, MCAP_CHUNK ^ MCAP_DATA_END},
                 {0, MCAP_CHUNK ^ MCAP_FOOTER},
                 {5, 0x20},
                 {60, 0x20}};
    recover_result *result = td_alloc(sizeof *result);
    expected open = expect(5, FIXTURE_SYNCED);
    expected part = expect(2, FIXTURE_SYNCED);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        io_fault *disk = open_disk();
        file_make(io_fault_io(disk), OPEN, open.bytes, open.size);
        assert_int_equal(
            io_fault_damage(disk, OPEN, part.size + cases[i].offset, cases[i].mask, NULL), TD_OK);
        assert_int_equal(recover(disk, result, NULL), TD_OK);
        assert_int_equal(result->damaged_blocks, 1);
        assert_int_equal(result->damaged_from, part.size);
        assert_int_equal(result->torn_bytes, 0);
        segment_reader *reader;
        assert_int_equal(segment_reader_open(io_fault_io(disk), FINAL, &reader, NULL), TD_OK);
        assert_true(segment_reader_chunk_count(reader) >= 4);
        segment_reader_close(reader);
        io_fault_close(disk);
    }
    td_free(part.bytes);
    td_free(open.bytes);
    td_free(result);
}

/* A damaged header: the file cannot be finished, but the result shows that it holds durable data.
 */
static void test_damaged_header(void **state)
{
    (void)state;
    recover_result *result = td_alloc(sizeof *result);
    expected open = expect(2, FIXTURE_SYNCED);
    io_fault *disk = open_disk();
    file_make(io_fault_io(disk), OPEN, open.bytes, open.size);
    assert_int_equal(io_fault_damage(disk, OPEN, 8, 1, NULL), TD_OK);
    assert_int_equal(recover(disk, result, NULL), TD_OK);
    assert_false(result->has_segment);
    assert_int_equal(result->damaged_blocks, 1);
    assert_string_equal(result->torn_path, "torn/a.mcap.0.open");
    io_fault_close(disk);
    td_free(open.bytes);
    td_free(result);
}

static void test_refusals(void **state)
{
    (void)state;
    recover_result *result = td_alloc(sizeof *result);
    io_fault *disk = open_disk();
    td_io io = io_fault_io(disk);
    td_err err;
    assert_int_equal(recover(disk, result, &err), TD_E_NOTFOUND);
    assert_non_null(strstr(err.text, OPEN));
    assert_int_equal(recover_segment(io, FINAL, TORN, result, NULL), TD_E_INVALID);
    assert_int_equal(recover_segment(io, ".open", TORN, result, NULL), TD_E_INVALID);
    file_make(io, OPEN, "x", 1);
    file_make(io, FINAL, "finished", 8);
    assert_int_equal(recover(disk, result, NULL), TD_E_INVALID);
    check_file(disk, FINAL, (const uint8_t *)"finished", 8);
    io_fault_close(disk);
    td_free(result);
}

/* Bytes that this process has read so far, from the kernel's statistics; 0 without these. */
static uint64_t bytes_read(void)
{
    uint64_t bytes = 0;
    FILE *file = fopen("/proc/self/io", "r");
    if (file != NULL && fscanf(file, "rchar: %" SCNu64, &bytes) != 1)
        bytes = 0;
    if (file != NULL)
        (void)fclose(file);
    return bytes;
}

/* A large file is read twice: to find its end, and for its summary. */
static void test_large_file(void **state)
{
    (void)state;
    enum { CHUNKS = 24, FRAMES = 6000 };
    char folder[TEMP_FOLDER_BYTES];
    char path[TEMP_FOLDER_BYTES + 16];
    char open_path[TEMP_FOLDER_BYTES + 16];
    recover_result *result = td_alloc_zero(1, sizeof *result);
    uint64_t size = 0;
    if (bytes_read() == 0)
        skip();
    temp_folder_make(TEMP_ON_DISK, folder);
    (void)snprintf(path, sizeof path, "%s/%s", folder, FINAL);
    (void)snprintf(open_path, sizeof open_path, "%s/%s", folder, OPEN);
    fixture_spec spec = {.path = path,
                         .frame_count = (uint64_t)CHUNKS * FRAMES,
                         .frames_per_chunk = FRAMES,
                         .end = FIXTURE_SYNCED};
    fixture_write(io_posix(), &spec);
    assert_int_equal(td_io_size_at(io_posix(), open_path, &size, NULL), TD_OK);
    uint64_t before = bytes_read();
    assert_int_equal(recover_segment(io_posix(), open_path, folder, result, NULL), TD_OK);
    uint64_t times10 = (bytes_read() - before) * 10 / size;
    if (times10 > 22)
        fail_msg("%" PRIu64 " bytes are read %" PRIu64 ".%" PRIu64 " times", size, times10 / 10,
                 times10 % 10);
    td_free(result);
    temp_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_large_file),       cmocka_unit_test(test_every_tail),
        cmocka_unit_test(test_half_written_end), cmocka_unit_test(test_end_in_pieces),
        cmocka_unit_test(test_head_in_pieces),   cmocka_unit_test(test_put_away_is_durable),
        cmocka_unit_test(test_failing_calls),    cmocka_unit_test(test_power_cuts),
        cmocka_unit_test(test_unexpected_files), cmocka_unit_test(test_damage_in_the_middle),
        cmocka_unit_test(test_damaged_header),   cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests_name("format/recover", tests, NULL, NULL);
}
