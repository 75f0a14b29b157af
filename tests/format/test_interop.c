/* @mcap/core, an MCAP implementation that shares no code with ours, reads the files that we write:
 * the fixture's frames. Skipped without node or the packages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/io_posix.h"
#include "base/limits.h"
#include "tests/testing/files.h"
#include "format/recover.h"
#include "format/segment_verify.h"
#include "tests/testing/segment_fixture.h"

enum { COMMAND_BYTES = 512, LINE_BYTES = 2 * FIXTURE_FRAME_BYTES + 256 };

static char folder[TEMP_FOLDER_BYTES];

/* Tests run in the tree's top folder. */
static int enter(void **state)
{
    (void)state;
    temp_folder_make(TEMP_ON_DISK, folder);
    return 0;
}

static int leave(void **state)
{
    (void)state;
    temp_folder_remove(folder);
    return 0;
}

static void need_node(void)
{
    if (system("command -v node >/dev/null 2>&1 && tests/npm/install 2>/dev/null") != 0) {
        (void)fputs("skipped: needs npm packages, which could not be installed\n", stderr);
        skip();
    }
}

static const char *in_folder(const char *name)
{
    static char path[COMMAND_BYTES];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* A file with the fixture's frames [from, to). */
typedef struct node_file {
    const char *name;
    uint64_t from, to;
} node_file;

/* Prints each file with both of node's readers. */
static FILE *read_by_node(const node_file *files, size_t count)
{
    char command[COMMAND_BYTES];
    int size = snprintf(command, sizeof command, "node tests/npm/mcap_read.mjs both");
    for (size_t i = 0; i < count; i++)
        size += snprintf(command + size, sizeof command - (size_t)size, " '%s/%s'", folder,
                         files[i].name);
    FILE *lines = popen(command, "r");
    assert_non_null(lines);
    return lines;
}

/* The line that mcap_read.mjs prints for frame i. */
static void expected_line(uint64_t i, char *out, size_t out_bytes)
{
    fixture_frame frame;
    fixture_get(i, &frame);
    int length = snprintf(out, out_bytes, "%s/%s%s%s %" PRIu64 " %" PRIu64 " %" PRIu64 " ",
                          FIXTURE_FEED, frame.topic, frame.symbol[0] == '\0' ? "" : "/",
                          frame.symbol, frame.ordinal, frame.recv_ns, frame.publish_ns);
    for (size_t k = 0; k < frame.size; k++)
        length += snprintf(out + length, out_bytes - (size_t)length, "%02x",
                           (unsigned char)frame.text[k]);
    snprintf(out + length, out_bytes - (size_t)length, "\n");
}

static void expect_line(FILE *lines, const char *want)
{
    char got[LINE_BYTES];
    assert_non_null(fgets(got, sizeof got, lines));
    assert_string_equal(got, want);
}

/* Checks that both of its readers give the frames of each file, in order. */
static void check_by_node(const node_file *files, size_t count)
{
    FILE *lines = read_by_node(files, count);
    for (size_t r = 0; r < 2 * count; r++) {
        char want[LINE_BYTES];
        for (uint64_t i = files[r / 2].from; i < files[r / 2].to; i++) {
            expected_line(i, want, sizeof want);
            expect_line(lines, want);
        }
        expect_line(lines, "metadata tapedeck.session\n");
        expect_line(lines, "channels 5\n");
    }
    assert_int_equal(fgetc(lines), EOF);
    assert_int_equal(pclose(lines), 0);
}

static void test_fresh_segment(void **state)
{
    (void)state;
    need_node();
    fixture_spec spec = {.path = in_folder("fresh.mcap"),
                         .frame_count = 500,
                         .frames_per_chunk = 60,
                         .end = FIXTURE_FINISHED};
    fixture_write(io_posix(), &spec);
    check_by_node(&(node_file){"fresh.mcap", 0, 500}, 1);
}

static void test_recovered_segment(void **state)
{
    (void)state;
    need_node();
    td_io io = io_posix();
    fixture_spec spec = {.path = in_folder("crashed.mcap"),
                         .frame_count = 500,
                         .frames_per_chunk = 50,
                         .end = FIXTURE_SYNCED};
    segment_totals totals = fixture_write(io, &spec);
    td_file *file;
    assert_int_equal(td_io_open(io, in_folder("crashed.mcap.open"), TD_OPEN_APPEND, &file, NULL),
                     TD_OK);
    assert_int_equal(td_io_truncate(file, totals.file_bytes - 10, NULL), TD_OK);
    td_io_close(file);
    char torn[COMMAND_BYTES];
    snprintf(torn, sizeof torn, "%s/torn", folder);
    assert_int_equal(io.ops->mkdir(io.ctx, torn, NULL), TD_OK);
    recover_result *result = td_alloc(sizeof *result);
    assert_int_equal(recover_segment(io, in_folder("crashed.mcap.open"), torn, result, NULL),
                     TD_OK);
    assert_true(result->torn_bytes > 0);
    td_free(result);
    check_by_node(&(node_file){"crashed.mcap", 0, 450}, 1);
}

/* A second segment of one builder: channel ids start over, and each file can be read alone. */
static void test_rotated_segment(void **state)
{
    (void)state;
    need_node();
    static const node_file files[] = {{"first.mcap", 0, 100}, {"second.mcap", 100, 200}};
    chunk_builder *builder;
    chunk_builder_options options = {.segment_chunks_max = 2};
    sealed_chunk *sealed = sealed_chunk_open();
    builder = chunk_builder_open(&options);
    segment_totals totals = {0};
    for (uint64_t n = 0; n < 2; n++) {
        fixture_spec spec = {.path = in_folder(files[n].name), .previous_chain = totals.chain};
        segment_session session = fixture_session(&spec);
        segment_writer *writer;
        assert_int_equal(segment_writer_open(io_posix(), spec.path, &session, &writer, NULL),
                         TD_OK);
        for (uint64_t chunk = 0; chunk < 2; chunk++) {
            uint64_t from = (n * 2 + chunk) * 50;
            fixture_append(builder, from, from + 50);
            assert_true(chunk_builder_seal(builder, sealed));
            assert_int_equal(sealed->starts_segment, chunk == 0);
            assert_int_equal(sealed->segment_number, n + 1);
            assert_int_equal(segment_writer_append(writer, sealed, NULL, NULL), TD_OK);
        }
        assert_int_equal(segment_writer_finish(writer, &totals, NULL), TD_OK);
        segment_writer_close(writer);
        segment_verify_result result;
        assert_int_equal(
            segment_verify(io_posix(), in_folder(files[n].name), NULL, NULL, &result, NULL), TD_OK);
        assert_int_equal(result.damage_count, 0);
    }
    check_by_node(files, 2);
    sealed_chunk_close(sealed);
    chunk_builder_close(builder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fresh_segment),
        cmocka_unit_test(test_recovered_segment),
        cmocka_unit_test(test_rotated_segment),
    };
    return cmocka_run_group_tests_name("format/interop", tests, enter, leave);
}
