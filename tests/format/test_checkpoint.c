/* Checkpoints as records. Expected: every state is read as it was added; states that were left out
 * are named; a state with a flipped bit is not read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "format/checkpoint.h"
#include "format/mcap.h"
#include "format/recover.h"
#include "format/segment_reader.h"
#include "tests/testing/files.h"
#include "tests/testing/io_fault.h"
#include "tests/testing/segment_fixture.h"

static const char PATH[] = "a";

/* "SYMBOL=STATE;" for each state read. */
typedef struct states {
    const char *only; /* NULL: all symbols */
    char text[256];
} states;

static int wants(void *user, td_bytes symbol)
{
    const states *s = user;
    return s->only == NULL || td_bytes_is(symbol, s->only);
}

static td_result note(void *user, td_bytes symbol, td_bytes state, td_err *err)
{
    states *s = user;
    size_t used = strlen(s->text);
    (void)err;
    snprintf(s->text + used, sizeof s->text - used, "%.*s=%.*s;", (int)symbol.size,
             (const char *)symbol.data, (int)(state.size < 20 ? state.size : 20),
             state.size == 0 ? "" : (const char *)state.data);
    return TD_OK;
}

static td_result read_all(io_fault *disk, const char *path, const segment_checkpoint *at, states *s)
{
    td_file *file;
    const checkpoint_visitor visitor = {.wants = wants, .state = note, .user = s};
    assert_int_equal(td_io_open(io_fault_io(disk), path, TD_OPEN_READ, &file, NULL), TD_OK);
    td_result rc = checkpoint_read(file, at, &visitor, NULL);
    td_io_close(file);
    return rc;
}

/* A record after five other bytes. */
static segment_checkpoint make(io_fault *disk, td_buf *bytes)
{
    checkpoint_builder building;
    td_buf record;
    td_buf_init(&record, SIZE_MAX);
    checkpoint_builder_init(&building);
    checkpoint_builder_add(&building, td_bytes_str("BTCUSD"), td_bytes_str("first"));
    checkpoint_builder_add(&building, td_bytes_str("gone"), td_bytes_of(NULL, 0));
    checkpoint_builder_add(&building, td_bytes_str(""), td_bytes_str("of no symbol"));
    assert_int_equal(building.count, 3);
    assert_int_equal(building.omitted, 1);
    checkpoint_builder_finish(&building, 77, &record);
    assert_int_equal(building.count, 0);
    checkpoint_builder_fini(&building);
    const segment_checkpoint at = {.at_ns = 77, .offset = 5, .bytes = record.size};
    td_buf_add(bytes, "12345", 5);
    td_buf_add(bytes, record.data, record.size);
    td_buf_fini(&record);
    file_make(io_fault_io(disk), PATH, bytes->data, bytes->size);
    return at;
}

static void test_states(void **state)
{
    (void)state;
    io_fault *disk = io_fault_open();
    td_buf bytes;
    td_buf_init(&bytes, SIZE_MAX);
    const segment_checkpoint at = make(disk, &bytes);
    states all = {0};
    states one = {.only = ""};
    assert_int_equal(read_all(disk, PATH, &at, &all), TD_OK);
    assert_string_equal(all.text, "BTCUSD=first;gone=;=of no symbol;");
    assert_int_equal(read_all(disk, PATH, &at, &one), TD_OK);
    assert_string_equal(one.text, "=of no symbol;");
    td_buf_fini(&bytes);
    io_fault_close(disk);
}

static void test_damage(void **state)
{
    (void)state;
    io_fault *disk = io_fault_open();
    td_buf bytes;
    td_buf_init(&bytes, SIZE_MAX);
    const segment_checkpoint at = make(disk, &bytes);
    for (size_t i = 0; i < at.bytes; i++) {
        states s = {0};
        assert_int_equal(io_fault_damage(disk, PATH, at.offset + i, 1, NULL), TD_OK);
        assert_int_not_equal(read_all(disk, PATH, &at, &s), TD_OK);
        assert_int_equal(io_fault_damage(disk, PATH, at.offset + i, 1, NULL), TD_OK);
    }
    const segment_checkpoint wrong[] = {
        {.at_ns = 77, .offset = 4, .bytes = at.bytes},
        {.at_ns = 76, .offset = 5, .bytes = at.bytes},
        {.at_ns = 77, .offset = 5, .bytes = at.bytes - 1},
        {.at_ns = 77, .offset = 5, .bytes = 3},
        {.at_ns = 77, .offset = 9000, .bytes = at.bytes},
        {.at_ns = 77, .offset = 5, .bytes = UINT64_MAX},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        states s = {0};
        assert_int_not_equal(read_all(disk, PATH, &wrong[i], &s), TD_OK);
        assert_string_equal(s.text, "");
    }
    td_buf_fini(&bytes);
    io_fault_close(disk);
}

/* States beyond the limit are left out, and counted. */
static void test_states_are_bounded(void **state)
{
    (void)state;
    enum { BYTES = 6 << 20 };
    uint8_t *noise = td_alloc(BYTES);
    uint64_t seed = 1;
    for (size_t i = 0; i < BYTES; i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
        noise[i] = (uint8_t)(seed >> 56);
    }
    checkpoint_builder building;
    td_buf record;
    td_buf_init(&record, SIZE_MAX);
    checkpoint_builder_init(&building);
    for (int i = 0; i < 4; i++)
        checkpoint_builder_add(&building, td_bytes_str("S"), td_bytes_of(noise, BYTES));
    checkpoint_builder_add(&building, td_bytes_str("small"), td_bytes_str("still fits"));
    assert_int_equal(building.count, 5);
    assert_int_equal(building.omitted, 2);
    checkpoint_builder_finish(&building, 1, &record);
    assert_true(record.size < LIMIT_CHECKPOINT_BYTES + 1000);
    checkpoint_builder_fini(&building);
    td_buf_fini(&record);
    td_free(noise);
}

static void check_list(io_fault *disk, const char *path, uint32_t expected)
{
    segment_reader *reader;
    assert_int_equal(segment_reader_open(io_fault_io(disk), path, &reader, NULL), TD_OK);
    assert_int_equal(segment_reader_checkpoint_count(reader), expected);
    for (uint32_t i = 0; i < expected; i++) {
        states s = {0};
        const segment_checkpoint *at = segment_reader_checkpoint(reader, i);
        assert_true(at->at_ns == segment_reader_chunk(reader, 3 * i + 1)->first_ns);
        assert_int_equal(read_all(disk, path, at, &s), TD_OK);
        assert_string_equal(s.text, "BTCUSD=one;ETHUSD=;EOSUSD=another;");
    }
    segment_reader_close(reader);
}

/* A segment lists its checkpoints, with and without its summary; recovery keeps checkpoints of
 * intact blocks. */
static void test_in_a_segment(void **state)
{
    (void)state;
    io_fault *disk = io_fault_open();
    td_io io = io_fault_io(disk);
    fixture_spec spec = {.path = "b.mcap", .frame_count = 160, .frames_per_chunk = 20};
    fixture_write(io, &spec);
    check_list(disk, "b.mcap", 3);
    spec.path = "c.mcap";
    spec.end = FIXTURE_SYNCED;
    segment_totals totals = fixture_write(io, &spec);
    check_list(disk, "c.mcap.open", 3);
    td_file *file;
    assert_int_equal(td_io_open(io, "c.mcap.open", TD_OPEN_APPEND, &file, NULL), TD_OK);
    assert_int_equal(td_io_truncate(file, totals.file_bytes - 1, NULL), TD_OK);
    td_io_close(file);
    check_list(disk, "c.mcap.open", 2);
    recover_result *result = td_alloc(sizeof *result);
    assert_int_equal(td_io_mkdir_all(io, "torn", NULL), TD_OK);
    assert_int_equal(recover_segment(io, "c.mcap.open", "torn", result, NULL), TD_OK);
    td_free(result);
    check_list(disk, "c.mcap", 2);
    io_fault_close(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_states_are_bounded),
        cmocka_unit_test(test_in_a_segment),
    };
    return cmocka_run_group_tests_name("format/checkpoint", tests, NULL, NULL);
}
