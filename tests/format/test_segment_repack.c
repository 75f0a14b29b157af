/* Packed segments: written, compared, verified, walked without their summary. Expected: FORMAT.md,
 * "Packed segments"; the fixture's own frames. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/alloc.h"
#include "base/io_posix.h"
#include "base/limits.h"
#include "format/chunk_channels.h"
#include "format/chunk_codec.h"
#include "format/mcap_decode.h"
#include "format/segment_index_read.h"
#include "format/segment_reader.h"
#include "format/segment_repack.h"
#include "format/segment_verify.h"
#include "tests/testing/files.h"
#include "tests/testing/io_fault.h"
#include "tests/testing/segment_fixture.h"

static const char SOURCE[] = "a.mcap";
static const char PACKED[] = "b.mcap";

enum { FRAMES = 600, PER_CHUNK = 50 };

static io_fault *disk_with_source(uint64_t frames, uint64_t per_chunk)
{
    io_fault *disk = io_fault_open();
    fixture_spec spec = {.path = SOURCE,
                         .frame_count = frames,
                         .frames_per_chunk = per_chunk,
                         .end = FIXTURE_FINISHED};
    fixture_write(io_fault_io(disk), &spec);
    return disk;
}

static segment_totals repack(io_fault *disk, const char *from, const char *to, chunk_form form)
{
    segment_totals totals;
    td_err err;
    if (segment_repack(io_fault_io(disk), from, to, form, &totals, &err) != TD_OK)
        fail_msg("%s", err.text);
    if (segment_compare(io_fault_io(disk), SOURCE, to, &err) != TD_OK)
        fail_msg("%s", err.text);
    return totals;
}

static uint64_t damage_of(io_fault *disk, const char *path, segment_verify_result *result)
{
    assert_int_equal(segment_verify(io_fault_io(disk), path, NULL, NULL, result, NULL), TD_OK);
    return result->damage_count;
}

static void count_index_finding(void *user, const segment_finding *finding)
{
    unsigned *count = user;
    *count += finding->kind == FINDING_INDEX;
}

static segment_index index_of(io_fault *disk, const char *path)
{
    segment_index index;
    td_err err;
    if (segment_index_read(io_fault_io(disk), path, path, INDEX_FULL, &index, &err) != TD_OK)
        fail_msg("%s", err.text);
    return index;
}

/* Channels have the same counts and times in both. */
static void check_same_channels(io_fault *disk)
{
    segment_index source = index_of(disk, SOURCE);
    segment_index packed = index_of(disk, PACKED);
    assert_int_equal(packed.channel_count, source.channel_count);
    for (size_t i = 0; i < source.channel_count; i++) {
        assert_int_equal(packed.channels[i].id, source.channels[i].id);
        assert_int_equal(packed.channels[i].message_count, source.channels[i].message_count);
        assert_int_equal(packed.channels[i].first_ns, source.channels[i].first_ns);
        assert_int_equal(packed.channels[i].last_ns, source.channels[i].last_ns);
    }
    assert_int_equal(packed.message_count, source.message_count);
    segment_index_fini(&source);
    segment_index_fini(&packed);
}

static void test_there_and_back(void **state)
{
    (void)state;
    io_fault *disk = disk_with_source(FRAMES, PER_CHUNK);
    segment_verify_result source, packed, again;
    const segment_totals made = repack(disk, SOURCE, PACKED, CHUNKS_PACKED_FAST);
    assert_int_equal(damage_of(disk, SOURCE, &source), 0);
    assert_int_equal(damage_of(disk, PACKED, &packed), 0);
    assert_true(made.file_bytes < source.totals.file_bytes / 2);
    assert_true(made.chunk_count < source.totals.chunk_count);
    assert_true(td_hash128_equal(packed.totals.link, source.totals.chain));
    assert_true(td_hash128_equal(packed.totals.chain, made.chain));
    check_same_channels(disk);
    repack(disk, PACKED, "c.mcap", CHUNKS_RECORDED);
    assert_int_equal(damage_of(disk, "c.mcap", &again), 0);
    assert_true(td_hash128_equal(again.totals.link, source.totals.chain));
    io_fault_close(disk);
}

/* The summary is cut off: the walk finds the same chunks, channels and counts. */
static void test_without_summary(void **state)
{
    (void)state;
    io_fault *disk = disk_with_source(FRAMES, PER_CHUNK);
    size_t size;
    repack(disk, SOURCE, PACKED, CHUNKS_PACKED_FAST);
    segment_index whole = index_of(disk, PACKED);
    uint8_t *bytes = file_read(io_fault_io(disk), PACKED, &size);
    file_make(io_fault_io(disk), "cut.mcap", bytes, size - 9);
    segment_index cut = index_of(disk, "cut.mcap");
    assert_int_equal(cut.chunk_count, whole.chunk_count);
    assert_int_equal(cut.message_count, whole.message_count);
    for (size_t i = 0; i < whole.chunk_count; i++) {
        assert_int_equal(cut.chunks[i].message_count, whole.chunks[i].message_count);
        assert_int_equal(cut.chunks[i].bitmap_bytes, whole.chunks[i].bitmap_bytes);
        assert_memory_equal(cut.bitmaps + cut.chunks[i].bitmap_offset,
                            whole.bitmaps + whole.chunks[i].bitmap_offset,
                            whole.chunks[i].bitmap_bytes);
    }
    segment_index_fini(&whole);
    segment_index_fini(&cut);
    td_free(bytes);
    io_fault_close(disk);
}

static void test_every_flipped_bit(void **state)
{
    (void)state;
    io_fault *disk = disk_with_source(30, 15);
    size_t size;
    repack(disk, SOURCE, PACKED, CHUNKS_PACKED_BEST);
    uint8_t *bytes = file_read(io_fault_io(disk), PACKED, &size);
    for (size_t at = 0; at < size; at++) {
        segment_verify_result result;
        const uint8_t mask = (uint8_t)(1u << at % 8);
        assert_int_equal(io_fault_damage(disk, PACKED, at, mask, NULL), TD_OK);
        td_result rc = segment_verify(io_fault_io(disk), PACKED, NULL, NULL, &result, NULL);
        if (rc == TD_OK && result.damage_count == 0)
            fail_msg("bit %02x of byte %zu of %zu went unseen", mask, at, size);
        segment_totals totals;
        rc = segment_repack(io_fault_io(disk), PACKED, "c.mcap", CHUNKS_RECORDED, &totals, NULL);
        if (rc == TD_OK) { /* what it does not read: the summary */
            assert_int_equal(segment_compare(io_fault_io(disk), SOURCE, "c.mcap", NULL), TD_OK);
            assert_int_equal(td_io_unlink(io_fault_io(disk), "c.mcap", NULL), TD_OK);
        } else {
            rc = td_io_unlink(io_fault_io(disk), "c.mcap.open", NULL);
            assert_true(rc == TD_OK || rc == TD_E_NOTFOUND); /* refused before it was made */
        }
        assert_int_equal(io_fault_damage(disk, PACKED, at, mask, NULL), TD_OK);
    }
    td_free(bytes);
    io_fault_close(disk);
}

/* Offset of the first Chunk Channels record of a file. */
static size_t channels_at(const uint8_t *bytes, size_t size)
{
    for (size_t at = MCAP_MAGIC_BYTES; at < size;
         at += MCAP_PREFIX_BYTES + (size_t)td_le64(bytes + at + 1))
        if (bytes[at] == CHUNK_CHANNELS_OPCODE)
            return at;
    fail_msg("no Chunk Channels record");
    return 0;
}

static void test_channels_record(void **state)
{
    static const struct {
        size_t at;
        uint8_t mask;
    } WRONG[] = {{0, 0x80}, {2, 0xff}, {6, 0x01}};
    (void)state;
    io_fault *disk = disk_with_source(FRAMES, PER_CHUNK);
    size_t size;
    td_buf list;
    td_buf_init(&list, 1 << 20);
    repack(disk, SOURCE, PACKED, CHUNKS_PACKED_FAST);
    uint8_t *bytes = file_read(io_fault_io(disk), PACKED, &size);
    uint8_t *record = bytes + channels_at(bytes, size);
    const td_bytes content = td_bytes_of(record + MCAP_PREFIX_BYTES, (size_t)td_le64(record + 1));
    assert_int_equal(chunk_channels_decode(content, &list, NULL), TD_OK);
    assert_int_equal(list.size / sizeof(sealed_channel), content.size / CHUNK_CHANNELS_ENTRY_BYTES);
    assert_int_equal(
        chunk_channels_decode(td_bytes_of(content.data, content.size - 1), &list, NULL),
        TD_E_CORRUPT);
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        uint8_t *byte = record + MCAP_PREFIX_BYTES + WRONG[i].at;
        *byte ^= WRONG[i].mask;
        td_buf_clear(&list);
        td_result rc = chunk_channels_decode(content, &list, NULL);
        *byte ^= WRONG[i].mask;
        if (i == 0) /* an id above the next one */
            assert_int_equal(rc, TD_E_CORRUPT);
        file_make(io_fault_io(disk), "d.mcap", bytes, size);
        segment_verify_result result;
        assert_int_equal(
            io_fault_damage(disk, "d.mcap", (uint64_t)(byte - bytes), WRONG[i].mask, NULL), TD_OK);
        /* The chain shows any change; the record itself must be compared with its chunk, too. */
        unsigned found = 0;
        assert_int_equal(
            segment_verify(io_fault_io(disk), "d.mcap", count_index_finding, &found, &result, NULL),
            TD_OK);
        assert_true(found > 0);
        assert_int_equal(td_io_unlink(io_fault_io(disk), "d.mcap", NULL), TD_OK);
    }
    td_buf_fini(&list);
    td_free(bytes);
    io_fault_close(disk);
}

/* A packed segment that this release wrote, of the fixture's first 200 frames: every later one must
 * read it so. */
static void test_golden(void **state)
{
    static const char GOLDEN[] = "tests/format/golden/packed.mcap";
    enum { GOLDEN_FRAMES = 200 };
    (void)state;
    segment_reader *reader;
    segment_scratch *scratch = segment_scratch_open();
    segment_verify_result result;
    td_err err;
    td_buf records;
    uint64_t next = 0;
    td_buf_init(&records, LIMIT_CHUNK_BYTES + SEGMENT_PADDING_BYTES);
    if (segment_reader_open(io_posix(), GOLDEN, &reader, &err) != TD_OK)
        fail_msg("%s", err.text);
    assert_int_equal(segment_reader_info(reader)->session.form, CHUNKS_PACKED_BEST);
    for (uint32_t i = 0; i < segment_reader_chunk_count(reader); i++) {
        segment_message message;
        size_t at = 0;
        assert_int_equal(segment_reader_read(reader, i, scratch, &records, NULL), TD_OK);
        while (segment_reader_message(reader, td_buf_view(&records), &at, &message, NULL) ==
               TD_OK) {
            fixture_frame frame;
            fixture_get(next++, &frame);
            assert_int_equal(message.log_ns, frame.recv_ns);
            assert_int_equal(message.publish_ns, frame.publish_ns);
            assert_int_equal(message.sequence, frame.ordinal);
            assert_string_equal(message.channel->info.topic, frame.topic);
            assert_string_equal(message.channel->info.symbol, frame.symbol);
            assert_int_equal(message.data.size, frame.size);
            assert_memory_equal(message.data.data, frame.text, frame.size);
        }
    }
    assert_int_equal(next, GOLDEN_FRAMES);
    assert_int_equal(segment_verify(io_posix(), GOLDEN, NULL, NULL, &result, NULL), TD_OK);
    assert_int_equal(result.damage_count, 0);
    segment_reader_close(reader);
    segment_scratch_close(scratch);
    td_buf_fini(&records);
}

/* What cannot be rewritten: an unfinished file, and one that exists. */
static void test_refused(void **state)
{
    (void)state;
    io_fault *disk = io_fault_open();
    fixture_spec spec = {
        .path = SOURCE, .frame_count = 100, .frames_per_chunk = 50, .end = FIXTURE_SYNCED};
    segment_totals totals;
    td_err err;
    fixture_write(io_fault_io(disk), &spec);
    assert_int_equal(
        segment_repack(io_fault_io(disk), "a.mcap.open", PACKED, CHUNKS_PACKED_FAST, &totals, &err),
        TD_E_CORRUPT);
    assert_non_null(strstr(err.text, "not finished"));
    assert_int_equal(io_fault_open_count(disk), 0);
    io_fault_close(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_without_summary),
        cmocka_unit_test(test_every_flipped_bit),
        cmocka_unit_test(test_channels_record),
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests_name("segment_repack", tests, NULL, NULL);
}
