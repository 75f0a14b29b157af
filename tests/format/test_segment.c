/* Segments written, and read back in each of their states. Expected: the fixture's own frames
 * (tests/testing/segment_fixture.h), and format/FORMAT.md for the bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/io_posix.h"
#include "base/alloc.h"
#include "tests/testing/files.h"
#include "tests/testing/io_fault.h"
#include "base/limits.h"
#include "format/segment_reader.h"
#include "format/segment_writer.h"
#include "tests/testing/mcap_reader.h"
#include "tests/testing/segment_fixture.h"
#include "format/mcap_decode.h"

static const char PATH[] = "a.mcap";
static const char OPEN_PATH[] = "a.mcap.open";

static segment_reader *open_reader(io_fault *disk, const char *path)
{
    segment_reader *reader;
    td_err err;
    if (segment_reader_open(io_fault_io(disk), path, &reader, &err) != TD_OK)
        fail_msg("%s: %s", path, err.text);
    return reader;
}

static segment_totals write_fixture(io_fault *disk, uint64_t frame_count, uint64_t frames_per_chunk,
                                    fixture_end end)
{
    const fixture_spec spec = {
        .path = PATH, .frame_count = frame_count, .frames_per_chunk = frames_per_chunk, .end = end};
    return fixture_write(io_fault_io(disk), &spec);
}

/* Checks the channel's topic as other programs see it. */
static void check_mcap_topic(io_fault *disk, const char *path, uint16_t id, const char *topic)
{
    mcap_reader *reader;
    mcap_record record;
    mcap_channel channel = {0};
    size_t size;
    uint8_t *file = file_read(io_fault_io(disk), path, &size);
    assert_int_equal(mcap_reader_open(td_bytes_of(file, size), &reader), TD_OK);
    while (channel.id != id) {
        assert_int_equal(mcap_reader_next(reader, &record), TD_OK);
        if (record.opcode == MCAP_CHANNEL)
            assert_int_equal(mcap_decode_channel(record.content, &channel, NULL), TD_OK);
    }
    assert_true(td_bytes_is(channel.topic, topic));
    mcap_reader_close(reader);
    td_free(file);
}

static void check_message(const segment_message *got, uint64_t i)
{
    fixture_frame want;
    fixture_get(i, &want);
    assert_string_equal(got->channel->info.feed, FIXTURE_FEED);
    assert_string_equal(got->channel->info.topic, want.topic);
    assert_string_equal(got->channel->info.symbol, want.symbol);
    assert_int_equal(got->channel->info.dir, want.dir);
    assert_int_equal(got->sequence, want.ordinal);
    assert_int_equal(got->log_ns, want.recv_ns);
    assert_int_equal(got->publish_ns, want.publish_ns);
    assert_int_equal(got->data.size, want.size);
    assert_memory_equal(got->data.data, want.text, want.size);
}

/* Reads chunks [from, to) and compares them with the fixture's frames from *next on. */
static void check_chunks(segment_reader *reader, uint32_t from, uint32_t to, uint64_t *next)
{
    segment_scratch *scratch = segment_scratch_open();
    td_buf records;
    td_buf_init(&records, LIMIT_CHUNK_BYTES + SEGMENT_PADDING_BYTES);
    td_err err;
    for (uint32_t i = from; i < to; i++) {
        if (segment_reader_read(reader, i, scratch, &records, &err) != TD_OK)
            fail_msg("%s", err.text);
        for (int k = 0; k < SEGMENT_PADDING_BYTES; k++)
            assert_int_equal(records.data[records.size + (size_t)k], 0);
        size_t at = 0;
        segment_message message;
        td_result rc;
        while ((rc = segment_reader_message(reader, td_buf_view(&records), &at, &message, &err)) ==
               TD_OK)
            check_message(&message, (*next)++);
        assert_int_equal(rc, TD_EOF);
    }
    td_buf_fini(&records);
    segment_scratch_close(scratch);
}

static void check_all(segment_reader *reader, uint64_t frame_count)
{
    uint64_t next = 0;
    check_chunks(reader, 0, segment_reader_chunk_count(reader), &next);
    assert_int_equal(next, frame_count);
}

/* Every state of a segment on disk. */
static void test_states(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t frames, per_chunk;
        fixture_end end;
        uint32_t chunks;
        segment_state expected;
    } rows[] = {
        {"finished, one chunk", 10, 100, FIXTURE_FINISHED, 1, SEGMENT_FINISHED},
        {"finished", 1000, 64, FIXTURE_FINISHED, 16, SEGMENT_FINISHED},
        {"open", 1000, 100, FIXTURE_SYNCED, 10, SEGMENT_OPEN},
        {"open, not synced", 95, 10, FIXTURE_WRITTEN, 10, SEGMENT_OPEN},
        {"finished without a chunk", 0, 1, FIXTURE_FINISHED, 0, SEGMENT_FINISHED},
        {"open without a chunk", 0, 1, FIXTURE_SYNCED, 0, SEGMENT_OPEN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        print_message("%s\n", rows[i].name);
        io_fault *disk = io_fault_open();
        segment_totals totals = write_fixture(disk, rows[i].frames, rows[i].per_chunk, rows[i].end);
        segment_reader *reader =
            open_reader(disk, rows[i].end == FIXTURE_FINISHED ? PATH : OPEN_PATH);
        const segment_info *info = segment_reader_info(reader);
        assert_int_equal(info->state, rows[i].expected);
        assert_int_equal(info->message_count, rows[i].frames);
        assert_int_equal(segment_reader_chunk_count(reader), rows[i].chunks);
        assert_int_equal(info->file_bytes, totals.file_bytes);
        assert_string_equal(info->session.session, "3f2a9c01");
        assert_string_equal(info->session.verb, "record");
        assert_int_equal(info->session.start_ns, FIXTURE_START_NS - 5);
        if (rows[i].chunks > 0) {
            assert_int_equal(info->first_ns, FIXTURE_START_NS);
            assert_int_equal(info->last_ns,
                             FIXTURE_START_NS + (rows[i].frames - 1) * FIXTURE_STEP_NS);
            assert_int_equal(info->valid_bytes, info->file_bytes);
        }
        check_all(reader, rows[i].frames);
        segment_reader_close(reader);
        io_fault_close(disk);
    }
}

static void test_channels_and_indexes(void **state)
{
    (void)state;
    static const char *const files[] = {PATH, OPEN_PATH};
    for (size_t f = 0; f < 2; f++) {
        io_fault *disk = io_fault_open();
        write_fixture(disk, 1000, 100, f == 0 ? FIXTURE_FINISHED : FIXTURE_SYNCED);
        segment_reader *reader = open_reader(disk, files[f]);
        /* event, out, pong, trade, book */
        assert_int_equal(segment_reader_channel_count(reader), 5);
        const segment_channel *trade = segment_reader_channel_by_id(reader, 4);
        assert_non_null(trade);
        assert_string_equal(trade->info.topic, "trade");
        assert_string_equal(trade->info.family, "inverse");
        check_mcap_topic(disk, files[f], 4, "inverse/trade/BTCUSD");
        check_mcap_topic(disk, files[f], 2, "inverse/_control");
        assert_null(segment_reader_channel_by_id(reader, 6));
        if (f == 0)
            assert_int_equal(trade->message_count, 400);
        td_bytes bitmap = segment_reader_bitmap(reader, 3);
        assert_int_equal(bitmap.size, 1);
        assert_int_equal(bitmap.data[0], 0x3e); /* ids 1 to 5 */
        assert_true(segment_reader_chunk_has(reader, 3, trade));

        segment_scratch *scratch = segment_scratch_open();
        td_buf list;
        td_buf_init(&list, 1 << 20);
        assert_int_equal(segment_reader_chunk_channels(reader, 3, scratch, &list, NULL), TD_OK);
        assert_int_equal(list.size, 5 * sizeof(sealed_channel));
        const sealed_channel *counts = (const sealed_channel *)(const void *)list.data;
        assert_int_equal(counts[0].message_count, 10);
        assert_int_equal(counts[3].id, 4);
        assert_int_equal(counts[3].message_count, 40);
        assert_int_equal(counts[3].first_ns, FIXTURE_START_NS + 303 * FIXTURE_STEP_NS);
        assert_int_equal(counts[3].last_ns, FIXTURE_START_NS + 399 * FIXTURE_STEP_NS);
        td_buf_fini(&list);
        segment_scratch_close(scratch);
        segment_reader_close(reader);
        io_fault_close(disk);
    }
}

/* The last chain record; counts follow from the fixture's frames. */
static void test_last_chain(void **state)
{
    (void)state;
    io_fault *disk = io_fault_open();
    segment_totals totals = write_fixture(disk, 1000, 100, FIXTURE_FINISHED);
    segment_reader *reader = open_reader(disk, PATH);
    chain_conn *conns = td_alloc_zero(CHAIN_CONNS_MAX, sizeof *conns);
    chain_record record;
    assert_int_equal(segment_reader_last_chain(reader, conns, &record, NULL), TD_OK);
    assert_true(td_hash128_equal(record.value, totals.chain));
    assert_int_equal(record.chunk_count, 10);
    assert_int_equal(record.totals.events_written, 100);
    assert_int_equal(record.totals.frames_in, 900);
    assert_int_equal(record.totals.frames_written, 900);
    assert_int_equal(record.totals.frames_dropped, 0);
    assert_int_equal(record.conn_count, 1);
    assert_int_equal(conns[0].conn, 1);
    assert_int_equal(conns[0].in, 800);
    assert_int_equal(conns[0].out, 100);
    assert_int_equal(conns[0].in_ordinal, 800);
    td_free(conns);
    segment_reader_close(reader);
    io_fault_close(disk);
}

/* A segment that the test writes itself. */
typedef struct seg_parts {
    io_fault *disk;
    segment_writer *writer;
    chunk_builder *builder;
    sealed_chunk *sealed;
} seg_parts;

static void begin_segment(seg_parts *w)
{
    segment_session session = fixture_session(&(fixture_spec){.path = PATH});
    *w = (seg_parts){.disk = io_fault_open(),
                     .builder = chunk_builder_open(NULL),
                     .sealed = sealed_chunk_open()};
    assert_int_equal(segment_writer_open(io_fault_io(w->disk), PATH, &session, &w->writer, NULL),
                     TD_OK);
}

static void seal_frames(seg_parts *w, uint64_t from, uint64_t to)
{
    fixture_append(w->builder, from, to);
    assert_true(chunk_builder_seal(w->builder, w->sealed));
}

static void end_segment(seg_parts *w)
{
    segment_writer_close(w->writer);
    sealed_chunk_close(w->sealed);
    chunk_builder_close(w->builder);
    io_fault_close(w->disk);
}

/* Refreshes the reader; checks the number of added chunks. */
static void check_added(segment_reader *reader, uint32_t expected)
{
    uint32_t added;
    assert_int_equal(segment_reader_refresh(reader, &added, NULL), TD_OK);
    assert_int_equal(added, expected);
}

/* A reader follows a writer across the final rename. */
static void test_follow(void **state)
{
    (void)state;
    seg_parts w;
    begin_segment(&w);
    segment_reader *reader = open_reader(w.disk, OPEN_PATH);
    uint64_t next = 0;
    for (uint32_t chunk = 0; chunk < 5; chunk++) {
        seal_frames(&w, UINT64_C(20) * chunk, UINT64_C(20) * chunk + 20);
        assert_int_equal(segment_writer_append(w.writer, w.sealed, NULL, NULL), TD_OK);
        check_added(reader, 1);
        check_chunks(reader, chunk, chunk + 1, &next);
        check_added(reader, 0);
    }
    assert_int_equal(segment_writer_finish(w.writer, NULL, NULL), TD_OK);
    check_added(reader, 0);
    assert_int_equal(segment_reader_info(reader)->state, SEGMENT_FINISHED);
    assert_int_equal(next, 100);
    segment_reader_close(reader);
    end_segment(&w);
}

/* Truncated anywhere, an open segment has exactly the chunks with complete chain records. */
static void test_cut_anywhere(void **state)
{
    (void)state;
    io_fault *disk = io_fault_open();
    td_io io = io_fault_io(disk);
    write_fixture(disk, 60, 20, FIXTURE_SYNCED);
    segment_reader *whole = open_reader(disk, OPEN_PATH);
    const uint64_t ends[] = {segment_reader_checkpoint(whole, 0)->offset,
                             segment_reader_chunk(whole, 2)->offset,
                             segment_reader_info(whole)->file_bytes};
    uint64_t head = segment_reader_chunk(whole, 0)->offset;
    segment_reader_close(whole);
    size_t size;
    uint8_t *bytes = file_read(io, OPEN_PATH, &size);
    for (size_t cut = (size_t)head; cut <= size; cut += cut + 97 < size ? 97 : 1) {
        io_fault *other = io_fault_open();
        file_make(io_fault_io(other), OPEN_PATH, bytes, cut);
        segment_reader *reader = open_reader(other, OPEN_PATH);
        uint32_t expected = 0;
        while (expected < 3 && cut >= ends[expected])
            expected++;
        assert_int_equal(segment_reader_chunk_count(reader), expected);
        assert_int_equal(segment_reader_info(reader)->valid_bytes,
                         expected == 0 ? 0 : ends[expected - 1]);
        check_all(reader, (uint64_t)expected * 20);
        segment_reader_close(reader);
        io_fault_close(other);
    }
    td_free(bytes);
    io_fault_close(disk);
}

/* A damaged block does not affect others, whether its structure (a chunk's length) or only its
 * content is damaged. */
static void test_damage_in_the_middle(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t offset_in_chunk;
        uint32_t lost;
    } rows[] = {
        {"length of the chunk", 5, 1},
        {"opcode of the chunk", 0, 1},
        {"compressed records", 80, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        print_message("%s\n", rows[i].name);
        io_fault *disk = io_fault_open();
        write_fixture(disk, 100, 20, FIXTURE_SYNCED);
        segment_reader *reader = open_reader(disk, OPEN_PATH);
        uint64_t at = segment_reader_chunk(reader, 2)->offset + rows[i].offset_in_chunk;
        segment_reader_close(reader);
        assert_int_equal(io_fault_damage(disk, OPEN_PATH, at, 0x10, NULL), TD_OK);
        reader = open_reader(disk, OPEN_PATH);
        const segment_info *info = segment_reader_info(reader);
        assert_int_equal(info->valid_bytes, info->file_bytes);
        assert_true(segment_reader_chunk_count(reader) >= 4);
        uint64_t next = 0;
        check_chunks(reader, 0, 2, &next);
        next = 60;
        uint32_t count = segment_reader_chunk_count(reader);
        check_chunks(reader, count - 2, count, &next);
        assert_int_equal(next, 100);
        segment_reader_close(reader);
        io_fault_close(disk);
    }
}

static void test_bad_files(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *bytes;
        size_t size;
        td_result expected;
    } rows[] = {
        {"empty", "", 0, TD_E_TRUNCATED},
        {"text", "hello, this is no MCAP file", 27, TD_E_CORRUPT},
        {"magic only", "\x89MCAP0\r\n", 8, TD_E_TRUNCATED},
        {"version 1", "\x89MCAP1\r\n", 8, TD_E_UNSUPPORTED},
        {"no header", "\x89MCAP0\r\n\x03\0\0\0\0\0\0\0\0", 17, TD_E_CORRUPT},
        {"header ends early", "\x89MCAP0\r\n\x01\x08\0\0\0\0\0\0\0", 17, TD_E_TRUNCATED},
        {"header too small", "\x89MCAP0\r\n\x01\x01\0\0\0\0\0\0\0x", 18, TD_E_CORRUPT},
        {"of another program", "\x89MCAP0\r\n\x01\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 25,
         TD_E_CORRUPT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        io_fault *disk = io_fault_open();
        file_make(io_fault_io(disk), "x.mcap", rows[i].bytes, rows[i].size);
        segment_reader *reader;
        td_err err;
        td_result rc = segment_reader_open(io_fault_io(disk), "x.mcap", &reader, &err);
        if (rc != rows[i].expected)
            fail_msg("%s: %s, %s expected", rows[i].name, td_result_name(rc),
                     td_result_name(rows[i].expected));
        assert_null(reader);
        assert_non_null(strstr(err.text, "x.mcap"));
        assert_int_equal(io_fault_open_count(disk), 0);
        io_fault_close(disk);
    }
}

/* A disk that fills up: no part of the chunk stays, and the same chunk can be written again. */
static void test_full_disk(void **state)
{
    (void)state;
    seg_parts w;
    begin_segment(&w);
    seal_frames(&w, 0, 50);
    io_fault_set_plan(w.disk, (io_fault_plan){.kind = IO_FAULT_SHORT, .fail_at = 1});
    assert_int_equal(segment_writer_append(w.writer, w.sealed, NULL, NULL), TD_E_NOSPACE);
    assert_int_equal(segment_writer_append(w.writer, w.sealed, NULL, NULL), TD_OK);
    io_fault_set_plan(w.disk, (io_fault_plan){.kind = IO_FAULT_SHORT, .fail_at = 1});
    assert_int_equal(segment_writer_finish(w.writer, NULL, NULL), TD_E_NOSPACE);
    assert_int_equal(segment_writer_finish(w.writer, NULL, NULL), TD_OK);
    segment_reader *reader = open_reader(w.disk, PATH);
    check_all(reader, 50);
    segment_reader_close(reader);
    end_segment(&w);
}

/* After a failed sync, the writer never returns TD_OK again. */
static void test_dead_after_failed_sync(void **state)
{
    (void)state;
    seg_parts w;
    begin_segment(&w);
    seal_frames(&w, 0, 50);
    assert_int_equal(segment_writer_append(w.writer, w.sealed, NULL, NULL), TD_OK);
    io_fault_set_sync(w.disk, IO_FAULT_SYNC_FAILS);
    assert_int_equal(segment_writer_sync(w.writer, NULL), TD_E_IO);
    io_fault_set_sync(w.disk, IO_FAULT_SYNC_WORKS);
    assert_int_equal(segment_writer_sync(w.writer, NULL), TD_E_IO);
    assert_int_equal(segment_writer_finish(w.writer, NULL, NULL), TD_E_IO);
    assert_int_equal(segment_writer_append(w.writer, w.sealed, NULL, NULL), TD_E_IO);
    end_segment(&w);
}

/* Files found by fuzzing, each of which once failed an assertion: they must be refused or read. */
static void test_files_that_fuzzing_found(void **state)
{
    (void)state;
    for (int n = 1; n <= 3; n++) {
        char path[96];
        segment_reader *reader = NULL;
        td_err err;
        snprintf(path, sizeof path, "tests/fuzz/corpus/mcap_reader/found-%d.mcap", n);
        td_result rc = segment_reader_open(io_posix(), path, &reader, &err);
        assert_int_not_equal(rc, TD_E_NOTFOUND);
        if (rc == TD_OK)
            segment_reader_close(reader);
    }
}

/* A reader that shares no code with ours gives the same messages for the fuzzer's initial files
 * (numbers of messages by @mcap/core), so the fuzz target does compare; truncated files are not
 * compared. */
static void test_second_reader_agrees(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int messages; /* -1: not compared */
    } rows[] = {
        {"finished", 12}, {"open", -1},    {"torn", -1},
        {"found-1", -1},  {"found-2", -1}, {"found-3", -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[96];
        print_message("%s\n", rows[i].name);
        snprintf(path, sizeof path, "tests/fuzz/corpus/mcap_reader/%s.mcap", rows[i].name);
        assert_int_equal(mcap_reader_compare(io_posix(), path), rows[i].messages);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_channels_and_indexes),
        cmocka_unit_test(test_last_chain),
        cmocka_unit_test(test_follow),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_damage_in_the_middle),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_dead_after_failed_sync),
        cmocka_unit_test(test_files_that_fuzzing_found),
        cmocka_unit_test(test_second_reader_agrees),
    };
    return cmocka_run_group_tests_name("format/segment", tests, NULL, NULL);
}
