/* Verification of one file. Expected: the list of what must be detected in docs/design.md, "Archive
 * on disk" (a flipped bit anywhere, a missing chunk, bytes after the end, a zero CRC, an index that
 * disagrees with its chunk, ordinals). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "tests/testing/files.h"
#include "tests/testing/io_fault.h"
#include "format/chunk_codec.h"
#include "format/mcap_decode.h"
#include "format/recover.h"
#include "format/segment_verify.h"
#include "tests/testing/mcap_reader.h"
#include "tests/testing/segment_fixture.h"

static const char FINAL[] = "a.mcap";
static const char OPEN[] = "a.mcap.open";

typedef struct findings {
    unsigned counts[FINDING_TORN + 1];
    char first[1024];
} findings;

static void on_finding(void *user, const segment_finding *finding)
{
    findings *s = user;
    assert_non_null(segment_finding_name(finding->kind));
    if (s->first[0] == '\0')
        snprintf(s->first, sizeof s->first, "%s: %s", segment_finding_name(finding->kind),
                 finding->text);
    s->counts[finding->kind]++;
}

static findings verify(io_fault *disk, const char *path, segment_verify_result *result)
{
    findings s = {0};
    td_err err;
    if (segment_verify(io_fault_io(disk), path, on_finding, &s, result, &err) != TD_OK)
        fail_msg("%s", err.text);
    assert_int_equal(io_fault_open_count(disk), 0);
    return s;
}

static io_fault *disk_with(uint64_t frames, uint64_t per_chunk, fixture_end end)
{
    io_fault *disk = io_fault_open();
    fixture_spec spec = {
        .path = FINAL, .frame_count = frames, .frames_per_chunk = per_chunk, .end = end};
    fixture_write(io_fault_io(disk), &spec);
    return disk;
}

static void test_sound(void **state)
{
    (void)state;
    static const struct {
        uint64_t frames, per_chunk;
        fixture_end end;
    } rows[] = {
        {1000, 100, FIXTURE_FINISHED}, {10, 100, FIXTURE_FINISHED}, {1000, 77, FIXTURE_SYNCED},
        {0, 1, FIXTURE_FINISHED},      {3, 1, FIXTURE_FINISHED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        io_fault *disk = disk_with(rows[i].frames, rows[i].per_chunk, rows[i].end);
        segment_verify_result result;
        findings s = verify(disk, rows[i].end == FIXTURE_FINISHED ? FINAL : OPEN, &result);
        assert_string_equal(s.first, "");
        assert_int_equal(result.damage_count, 0);
        assert_int_equal(result.totals.message_count, rows[i].frames);
        assert_int_equal(result.frame_count, rows[i].frames - (rows[i].frames + 9) / 10);
        if (rows[i].end == FIXTURE_FINISHED)
            assert_int_equal(mcap_reader_compare(io_fault_io(disk), FINAL), rows[i].frames);
        io_fault_close(disk);
    }
}

/* Opening reads the ends of a file, and verification all of it once: in a store, each byte is
 * received. */
static void test_reads_each_byte_once(void **state)
{
    (void)state;
    io_fault *disk = disk_with(60000, 2000, FIXTURE_FINISHED);
    size_t size;
    td_free(file_read(io_fault_io(disk), FINAL, &size));
    uint64_t before = io_fault_read_bytes(disk);
    segment_reader *reader = NULL;
    assert_int_equal(segment_reader_open(io_fault_io(disk), FINAL, &reader, NULL), TD_OK);
    segment_reader_close(reader);
    const uint64_t opening = io_fault_read_bytes(disk) - before;
    if (opening > size / 3)
        fail_msg("opening reads %d of %zu bytes", (int)opening, size);
    before = io_fault_read_bytes(disk);
    segment_verify_result result;
    assert_string_equal(verify(disk, FINAL, &result).first, "");
    const uint64_t reading = io_fault_read_bytes(disk) - before - opening;
    if (reading < size || reading > size / 10 * 11)
        fail_msg("verification reads %d of %zu bytes", (int)reading, size);
    io_fault_close(disk);
}

/* Flips one bit of every byte of a file, and all eight bits of every 16th byte. */
static void test_every_flipped_bit(void **state)
{
    (void)state;
    io_fault *disk = disk_with(30, 15, FIXTURE_FINISHED);
    size_t size;
    uint8_t *bytes = file_read(io_fault_io(disk), FINAL, &size);
    for (size_t at = 0; at < size; at++) {
        for (unsigned bit = 0; bit < (at % 16 == 0 ? 8 : 1); bit++) {
            uint8_t mask = (uint8_t)(1u << (at % 16 == 0 ? bit : at % 8));
            assert_int_equal(io_fault_damage(disk, FINAL, at, mask, NULL), TD_OK);
            segment_verify_result result;
            findings s = {0};
            td_result rc = segment_verify(io_fault_io(disk), FINAL, on_finding, &s, &result, NULL);
            if (rc == TD_OK && result.damage_count == 0)
                fail_msg("bit %02x of byte %zu of %zu went unseen", mask, at, size);
            assert_int_equal(io_fault_damage(disk, FINAL, at, mask, NULL), TD_OK);
        }
    }
    td_free(bytes);
    io_fault_close(disk);
}

/* Whole parts of a file removed, inserted or cut off. */
static void test_parts_removed_or_inserted(void **state)
{
    (void)state;
    io_fault *disk = disk_with(60, 20, FIXTURE_FINISHED);
    td_io io = io_fault_io(disk);
    segment_reader *reader;
    assert_int_equal(segment_reader_open(io, FINAL, &reader, NULL), TD_OK);
    size_t second = (size_t)segment_reader_chunk(reader, 1)->offset;
    size_t third = (size_t)segment_reader_chunk(reader, 2)->offset;
    segment_reader_close(reader);
    size_t size;
    uint8_t *bytes = file_read(io, FINAL, &size);
    uint8_t *other = td_alloc(size + 8);
    segment_verify_result result;

    memcpy(other, bytes, second);
    memcpy(other + second, bytes + third, size - third);
    file_make(io, "missing-chunk.mcap", other, size - (third - second));
    findings s = verify(disk, "missing-chunk.mcap", &result);
    assert_true(s.counts[FINDING_CHAIN] > 0);
    assert_true(s.counts[FINDING_DATA_CRC] > 0);

    memcpy(other, bytes, size);
    memcpy(other + size, "trailing", 8);
    file_make(io, "trailing.mcap", other, size + 8);
    s = verify(disk, "trailing.mcap", &result);
    assert_int_equal(result.damage_count > 0, 1);

    file_make(io, "cut.mcap", bytes, size - 50);
    s = verify(disk, "cut.mcap", &result);
    assert_true(s.counts[FINDING_STRUCTURE] > 0);

    file_make(io, "cut.mcap.open", bytes, third + 100);
    s = verify(disk, "cut.mcap.open", &result);
    assert_int_equal(s.counts[FINDING_TORN], 1);
    assert_int_equal(result.damage_count, 0);
    assert_int_equal(result.torn_bytes, 100);
    td_free(other);
    td_free(bytes);
    io_fault_close(disk);
}

/* A writer's possible mistakes: the chunk is changed before it is written, so the file's chain and
 * CRCs are valid. */
typedef enum forgery {
    FORGE_NOTHING,
    FORGE_TOTAL,
    FORGE_EVENTS,
    FORGE_BYTES,
    FORGE_DROPPED,
    FORGE_CONN,
    FORGE_NO_CONN,
    FORGE_LAST_ORDINAL,
    FORGE_INDEX_TIME,
    FORGE_INDEX_OFFSET,
    FORGE_CHUNK_TIME,
    FORGE_ZERO_CRC,
    FORGE_SCHEMA,
    FORGE_LESS, /* both chunks */
} forgery;

/* Turns the chunk's first record, which defines a channel for the second time, into a Schema
 * record. */
static void forge_schema(sealed_chunk *sealed)
{
    enum { FIELDS_BYTES = 53, CAPACITY = 1 << 16 };
    mcap_chunk chunk;
    td_buf records;
    codec *coder = codec_open();
    const td_bytes all = td_buf_view(&sealed->bytes);
    const td_bytes old =
        td_bytes_of(all.data + MCAP_PREFIX_BYTES, sealed->chunk_bytes - MCAP_PREFIX_BYTES);
    const td_bytes indexes = td_bytes_of(all.data + sealed->chunk_bytes, sealed->index_bytes);
    td_buf_init(&records, CAPACITY);
    assert_int_equal(mcap_decode_chunk(old, &chunk, NULL), TD_OK);
    assert_int_equal(chunk_decompress(coder, &chunk, 0, &records, NULL), TD_OK);
    assert_int_equal(records.data[0], MCAP_CHANNEL);
    records.data[0] = MCAP_SCHEMA;
    uint8_t *made = td_alloc(FIELDS_BYTES + codec_bound(records.size) + indexes.size);
    size_t size = codec_compress(coder, 1, td_buf_view(&records), made + FIELDS_BYTES,
                                 codec_bound(records.size));
    memcpy(made, all.data, FIELDS_BYTES);
    td_put_le64(made + 1, FIELDS_BYTES - MCAP_PREFIX_BYTES + size);
    td_put_le32(made + 33, td_crc32(0, records.data, records.size));
    td_put_le64(made + 45, size);
    memcpy(made + FIELDS_BYTES + size, indexes.data, indexes.size);
    td_buf_clear(&sealed->bytes);
    td_buf_add(&sealed->bytes, made, FIELDS_BYTES + size + indexes.size);
    sealed->compressed_bytes = size;
    sealed->chunk_bytes = FIELDS_BYTES + size;
    td_free(made);
    td_buf_fini(&records);
    codec_close(coder);
}

static void forge(sealed_chunk *sealed, forgery how)
{
    uint8_t *index = sealed->bytes.data + sealed->chunk_bytes;
    switch (how) {
    case FORGE_NOTHING:
        break;
    case FORGE_TOTAL:
        sealed->totals.frames_written++;
        sealed->totals.frames_in++;
        break;
    case FORGE_EVENTS:
        sealed->totals.events_written++;
        break;
    case FORGE_BYTES:
        sealed->totals.bytes_written--;
        break;
    case FORGE_DROPPED:
        sealed->totals.frames_dropped = 0;
        sealed->totals.frames_in = sealed->totals.frames_written;
        break;
    case FORGE_CONN:
        sealed->conns[0].in++;
        break;
    case FORGE_NO_CONN:
        sealed->conn_count = 0;
        break;
    case FORGE_LAST_ORDINAL:
        sealed->conns[0].in_ordinal++;
        break;
    case FORGE_INDEX_TIME:
        index[15] ^= 1;
        break;
    case FORGE_INDEX_OFFSET:
        index[23] ^= 1;
        break;
    case FORGE_CHUNK_TIME:
        sealed->bytes.data[9] ^= 1;
        break;
    case FORGE_ZERO_CRC:
        memset(sealed->bytes.data + 33, 0, 4);
        break;
    case FORGE_SCHEMA:
        forge_schema(sealed);
        break;
    case FORGE_LESS:
        sealed->totals.frames_written--;
        sealed->totals.frames_in--;
        break;
    }
}

/* A segment that is written chunk by chunk. */
typedef struct seg_parts {
    segment_writer *writer;
    chunk_builder *builder;
    sealed_chunk *sealed;
} seg_parts;

static seg_parts begin_segment(td_io io)
{
    fixture_spec spec = {.path = FINAL};
    segment_session session = fixture_session(&spec);
    seg_parts m = {.builder = chunk_builder_open(NULL), .sealed = sealed_chunk_open()};
    assert_int_equal(segment_writer_open(io, FINAL, &session, &m.writer, NULL), TD_OK);
    return m;
}

/* Writes the builder's frames as a chunk, forged. */
static void make_chunk(seg_parts *m, forgery how)
{
    assert_true(chunk_builder_seal(m->builder, m->sealed));
    m->sealed->starts_segment = segment_writer_totals(m->writer).chunk_count == 0;
    forge(m->sealed, how);
    assert_int_equal(segment_writer_append(m->writer, m->sealed, NULL, NULL), TD_OK);
}

static void end_segment(seg_parts *m)
{
    assert_int_equal(segment_writer_finish(m->writer, NULL, NULL), TD_OK);
    segment_writer_close(m->writer);
    sealed_chunk_close(m->sealed);
    chunk_builder_close(m->builder);
}

/* Two chunks, the second one forged. hole: number of frames left out between them. */
static void write_forged(td_io io, forgery how, uint64_t hole)
{
    seg_parts m = begin_segment(io);
    fixture_append(m.builder, 0, 20);
    make_chunk(&m, how == FORGE_LESS ? FORGE_LESS : FORGE_NOTHING);
    fixture_append(m.builder, 20 + hole, 40);
    make_chunk(&m, how);
    end_segment(&m);
}

static void test_forged(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        forgery how;
        uint64_t hole;
        int expected; /* kind of a finding that must be reported; -1: no finding */
    } rows[] = {
        {"nothing", FORGE_NOTHING, 0, -1},
        {"dropped frames that are known", FORGE_NOTHING, 10, -1},
        {"dropped frames that are not", FORGE_DROPPED, 10, FINDING_ORDINAL},
        {"one frame too many", FORGE_TOTAL, 0, FINDING_TOTALS},
        {"fewer frames than there are", FORGE_LESS, 0, FINDING_TOTALS},
        {"an event too many", FORGE_EVENTS, 0, FINDING_TOTALS},
        {"a byte too few", FORGE_BYTES, 0, FINDING_TOTALS},
        {"frames of a connection", FORGE_CONN, 0, FINDING_TOTALS},
        {"no connection", FORGE_NO_CONN, 0, FINDING_TOTALS},
        {"last ordinal", FORGE_LAST_ORDINAL, 0, FINDING_ORDINAL},
        {"time in an index", FORGE_INDEX_TIME, 0, FINDING_INDEX},
        {"offset in an index", FORGE_INDEX_OFFSET, 0, FINDING_INDEX},
        {"time of a chunk", FORGE_CHUNK_TIME, 0, FINDING_TIME},
        {"zero CRC", FORGE_ZERO_CRC, 0, FINDING_CHUNK_CRC},
        {"a Schema record", FORGE_SCHEMA, 0, FINDING_STRUCTURE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        io_fault *disk = io_fault_open();
        write_forged(io_fault_io(disk), rows[i].how, rows[i].hole);
        segment_verify_result result;
        findings s = verify(disk, FINAL, &result);
        if (rows[i].expected < 0 && s.first[0] != '\0')
            fail_msg("%s: %s", rows[i].name, s.first);
        if (rows[i].expected >= 0 && s.counts[rows[i].expected] == 0)
            fail_msg("%s: %s", rows[i].name, s.first);
        assert_int_equal(s.counts[FINDING_CHAIN], 0);
        assert_int_equal(s.counts[FINDING_DATA_CRC], 0);
        io_fault_close(disk);
    }
}

/* A segment with chunks of two builders: 20 frames from `first` on, then 20 from `second` on. */
static void write_out_of_order(td_io io, uint64_t first, uint64_t second)
{
    seg_parts m = begin_segment(io);
    fixture_append(m.builder, first, first + 20);
    make_chunk(&m, FORGE_NOTHING);
    chunk_builder_close(m.builder);
    m.builder = chunk_builder_open(NULL);
    fixture_append(m.builder, second, second + 20);
    make_chunk(&m, FORGE_NOTHING);
    end_segment(&m);
}

/* P3: receive times strictly rise; ordinals and totals continue from one chunk to the next. */
static void test_chunks_out_of_order(void **state)
{
    (void)state;
    static const uint64_t ROWS[][2] = {{20, 0}, {100, 90}, {50, 50}};
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        io_fault *disk = io_fault_open();
        write_out_of_order(io_fault_io(disk), ROWS[i][0], ROWS[i][1]);
        segment_verify_result result;
        findings s = verify(disk, FINAL, &result);
        assert_true(s.counts[FINDING_TIME] > 0);
        assert_true(s.counts[FINDING_TOTALS] > 0);
        assert_true(s.counts[FINDING_ORDINAL] > 0);
        assert_int_equal(s.counts[FINDING_CHAIN], 0);
        io_fault_close(disk);
    }
}

static void append_in(chunk_builder *builder, const channel_info *info, uint32_t conn,
                      uint64_t ordinal, uint64_t recv_ns)
{
    const feed_frame frame = {.info = info,
                              .conn = conn,
                              .ordinal = ordinal,
                              .recv_ns = recv_ns,
                              .publish_ns = recv_ns,
                              .bytes = td_bytes_str("{}")};
    assert_int_equal(chunk_builder_append(builder, &frame, NULL), TD_OK);
}

/* A connection opens, a chunk ends, and the next one has its first frames: its ordinals begin at 1
 * after frames of the previous connection. */
static void test_reconnect_between_chunks(void **state)
{
    (void)state;
    static const channel_info INFO = {.feed = FIXTURE_FEED,
                                      .family = "inverse",
                                      .dir = CHANNEL_IN,
                                      .topic = "trade",
                                      .exchange_topic = "trade.BTCUSD",
                                      .symbol = "BTCUSD",
                                      .opcode = OPCODE_TEXT,
                                      .message_encoding = "json"};
    io_fault *disk = io_fault_open();
    seg_parts m = begin_segment(io_fault_io(disk));
    for (uint64_t i = 1; i <= 3; i++)
        append_in(m.builder, &INFO, 1, i, FIXTURE_START_NS + i);
    chunk_builder_note_closed(m.builder, 0, 0, 0);
    assert_int_equal(chunk_builder_note_ordinals(m.builder, 0, 0, 2, 0, 0, NULL), TD_OK);
    make_chunk(&m, FORGE_NOTHING);
    for (uint64_t i = 1; i <= 2; i++)
        append_in(m.builder, &INFO, 2, i, FIXTURE_START_NS + 10 + i);
    make_chunk(&m, FORGE_NOTHING);
    end_segment(&m);
    segment_verify_result result;
    findings s = verify(disk, FINAL, &result);
    assert_string_equal(s.first, "");
    assert_int_equal(result.frame_count, 5);
    io_fault_close(disk);
}

/* A Schema record, which channels do not use, is only reported: readers and recovery skip it, and
 * recovery finishes the segment as its writer did. */
static void test_schema_record_is_recovered(void **state)
{
    (void)state;
    enum { FRAMES = 40, DATA_END_BYTES = MCAP_PREFIX_BYTES + MCAP_DATA_END_CONTENT_BYTES };
    io_fault *disk = io_fault_open();
    td_io io = io_fault_io(disk);
    write_forged(io, FORGE_SCHEMA, 0);
    assert_int_equal(mcap_reader_compare(io, FINAL), FRAMES);
    size_t size;
    size_t recovered_size;
    uint8_t *whole = file_read(io, FINAL, &size);
    uint64_t summary_at = td_le64(whole + size - MCAP_MAGIC_BYTES - MCAP_FOOTER_CONTENT_BYTES);
    assert_int_equal(td_io_unlink(io, FINAL, NULL), TD_OK);
    assert_int_equal(io.ops->mkdir(io.ctx, "torn", NULL), TD_OK);
    file_make(io, OPEN, whole, summary_at - DATA_END_BYTES);
    recover_result *recovered = td_alloc(sizeof *recovered);
    assert_int_equal(recover_segment(io, OPEN, "torn", recovered, NULL), TD_OK);
    uint8_t *found = file_read(io, FINAL, &recovered_size);
    assert_int_equal(recovered_size, size);
    assert_memory_equal(found, whole, size);
    segment_verify_result result;
    findings s = verify(disk, FINAL, &result);
    assert_int_equal(result.damage_count, 1);
    assert_int_equal(s.counts[FINDING_STRUCTURE], 1);
    assert_int_equal(result.totals.message_count, FRAMES);
    assert_true(td_hash128_equal(result.totals.chain, recovered->totals.chain));
    td_free(found);
    td_free(whole);
    td_free(recovered);
    io_fault_close(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound),
        cmocka_unit_test(test_reads_each_byte_once),
        cmocka_unit_test(test_every_flipped_bit),
        cmocka_unit_test(test_parts_removed_or_inserted),
        cmocka_unit_test(test_forged),
        cmocka_unit_test(test_chunks_out_of_order),
        cmocka_unit_test(test_schema_record_is_recovered),
        cmocka_unit_test(test_reconnect_between_chunks),
    };
    return cmocka_run_group_tests_name("format/segment_verify", tests, NULL, NULL);
}
