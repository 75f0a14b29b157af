/* MCAP records and files. Expected bytes: written out by hand from the tables of the specification
 * (https://mcap.dev/spec, section "Records"). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tests/testing/files.h"
#include "tests/testing/io_fault.h"
#include "base/limits.h"
#include "format/codec.h"
#include "format/mcap_decode.h"
#include "format/mcap_encode.h"
#include "tests/testing/mcap_reader.h"
#include "tests/testing/mcap_records.h"
#include "tests/testing/mcap_writer.h"
#include "tests/testing/segment_fixture.h"

/* Bytes of a C string literal, NULs in it included. */
#define BYTES(literal) td_bytes_of(literal, sizeof(literal) - 1)

typedef void encode_row(td_buf *buf);

static void put_header(td_buf *buf)
{
    mcap_header in = {.profile = BYTES("p"), .library = BYTES("lib")};
    mcap_encode_header(buf, &in);
}

static void put_footer(td_buf *buf)
{
    mcap_footer in = {.summary_start = 1, .summary_offset_start = 258, .summary_crc = 0xa0b0c0d0};
    mcap_encode_footer(buf, &in);
}

static void put_schema(td_buf *buf)
{
    mcap_schema in = {
        .id = 1, .name = BYTES("s"), .encoding = BYTES("x"), .data = BYTES("\x01\x00")};
    mcap_encode_schema(buf, &in);
}

static void put_channel(td_buf *buf)
{
    mcap_channel in = {.id = 2,
                       .schema_id = 1,
                       .topic = BYTES("t"),
                       .message_encoding = BYTES("json"),
                       .metadata = {BYTES("\x01\0\0\0k\x01\0\0\0v")}};
    mcap_encode_channel(buf, &in);
}

static void put_message(td_buf *buf)
{
    mcap_message in = {
        .channel_id = 2, .sequence = 3, .log_ns = 4, .publish_ns = 5, .data = BYTES("hey")};
    mcap_encode_message(buf, &in);
}

static void put_chunk(td_buf *buf)
{
    mcap_chunk in = {.start_ns = 1,
                     .end_ns = 2,
                     .uncompressed_bytes = 3,
                     .uncompressed_crc = 4,
                     .compression = BYTES("lz4"),
                     .records = BYTES("abc")};
    mcap_encode_chunk(buf, &in);
}

static void put_message_index(td_buf *buf)
{
    mcap_message_index in = {.channel_id = 7,
                             .entries = {BYTES("\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0")}};
    mcap_encode_message_index(buf, &in);
}

static void put_chunk_index(td_buf *buf)
{
    mcap_chunk_index in = {.start_ns = 1,
                           .end_ns = 2,
                           .chunk_offset = 3,
                           .chunk_bytes = 4,
                           .index_offsets = {BYTES("\x07\0\x05\0\0\0\0\0\0\0")},
                           .index_bytes = 6,
                           .compression = BYTES(""),
                           .compressed_bytes = 8,
                           .uncompressed_bytes = 9};
    mcap_encode_chunk_index(buf, &in);
}

static void put_statistics(td_buf *buf)
{
    mcap_statistics in = {.message_count = 1,
                          .schema_count = 2,
                          .channel_count = 3,
                          .attachment_count = 4,
                          .metadata_count = 5,
                          .chunk_count = 6,
                          .start_ns = 7,
                          .end_ns = 8,
                          .channel_counts = {BYTES("\x01\0\x01\0\0\0\0\0\0\0")}};
    mcap_encode_statistics(buf, &in);
}

static void put_metadata(td_buf *buf)
{
    mcap_metadata in = {.name = BYTES("n"), .pairs = {BYTES("\x01\0\0\0k\0\0\0\0")}};
    mcap_encode_metadata(buf, &in);
}

static void put_metadata_index(td_buf *buf)
{
    mcap_metadata_index in = {.offset = 1, .length = 2, .name = BYTES("n")};
    mcap_encode_metadata_index(buf, &in);
}

static void put_summary_offset(td_buf *buf)
{
    mcap_summary_offset in = {.group_opcode = 4, .group_start = 5, .group_bytes = 6};
    mcap_encode_summary_offset(buf, &in);
}

static void put_data_end(td_buf *buf)
{
    mcap_data_end in = {.data_section_crc = 0x01020304};
    mcap_encode_data_end(buf, &in);
}

static void put_private(td_buf *buf)
{
    mcap_encode_raw(buf, 0x99, BYTES("own"));
}

static const struct {
    const char *name;
    encode_row *encode;
    const char *hex;
} RECORDS[] = {
    {"Header", put_header, "01 0c00000000000000 01000000 70 03000000 6c6962"},
    {"Footer", put_footer, "02 1400000000000000 0100000000000000 0201000000000000 d0c0b0a0"},
    {"Schema", put_schema, "03 1200000000000000 0100 01000000 73 01000000 78 02000000 0100"},
    {"Channel", put_channel,
     "04 1f00000000000000 0200 0100 01000000 74 04000000 6a736f6e 0a000000 01000000 6b 01000000 "
     "76"},
    {"Message", put_message,
     "05 1900000000000000 0200 03000000 0400000000000000 0500000000000000 686579"},
    {"Chunk", put_chunk,
     "06 2e00000000000000 0100000000000000 0200000000000000 0300000000000000 04000000 03000000 "
     "6c7a34 0300000000000000 616263"},
    {"Message Index", put_message_index,
     "07 1600000000000000 0700 10000000 0100000000000000 0200000000000000"},
    {"Chunk Index", put_chunk_index,
     "08 4a00000000000000 0100000000000000 0200000000000000 0300000000000000 0400000000000000 "
     "0a000000 0700 0500000000000000 0600000000000000 00000000 0800000000000000 0900000000000000"},
    {"Statistics", put_statistics,
     "0b 3800000000000000 0100000000000000 0200 03000000 04000000 05000000 06000000 "
     "0700000000000000 0800000000000000 0a000000 0100 0100000000000000"},
    {"Metadata", put_metadata, "0c 1200000000000000 01000000 6e 09000000 01000000 6b 00000000"},
    {"Metadata Index", put_metadata_index,
     "0d 1500000000000000 0100000000000000 0200000000000000 01000000 6e"},
    {"Summary Offset", put_summary_offset,
     "0e 1100000000000000 04 0500000000000000 0600000000000000"},
    {"Data End", put_data_end, "0f 0400000000000000 04030201"},
    {"private", put_private, "99 0300000000000000 6f776e"},
};

static size_t from_hex(const char *hex, uint8_t *out)
{
    size_t size = 0;
    for (const char *c = hex; *c != '\0';) {
        if (*c == ' ') {
            c++;
            continue;
        }
        char pair[3] = {c[0], c[1], '\0'};
        out[size++] = (uint8_t)strtoul(pair, NULL, 16);
        c += 2;
    }
    return size;
}

static void test_encode(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof RECORDS / sizeof RECORDS[0]; i++) {
        uint8_t want[256];
        size_t size = from_hex(RECORDS[i].hex, want);
        td_buf buf;
        td_buf_init(&buf, 1000);
        RECORDS[i].encode(&buf);
        if (buf.size != size || memcmp(buf.data, want, size) != 0)
            fail_msg("%s: bytes differ", RECORDS[i].name);
        assert_string_equal(mcap_opcode_name(buf.data[0]), RECORDS[i].name);
        td_buf_fini(&buf);
    }
}

/* 0 for private records, and for those that are written for other readers only. */
static int is_decoded(uint8_t opcode)
{
    return opcode < MCAP_PRIVATE_FIRST && opcode != MCAP_ATTACHMENT_INDEX &&
           opcode != MCAP_METADATA_INDEX && opcode != MCAP_SUMMARY_OFFSET;
}

/* Decode any record, and encode it again: the same bytes must come out. */
static td_result reencode(uint8_t opcode, td_bytes content, td_buf *buf)
{
    td_result rc = TD_E_INVALID;
    /* One line per type: what decodes is written back. */
#define ROW(OP, TYPE)                                                                              \
    case OP: {                                                                                     \
        mcap_##TYPE record;                                                                        \
        rc = mcap_decode_##TYPE(content, &record, NULL);                                           \
        if (rc == TD_OK)                                                                           \
            mcap_encode_##TYPE(buf, &record);                                                      \
        break;                                                                                     \
    }
    switch (opcode) {
        ROW(MCAP_HEADER, header)
        ROW(MCAP_FOOTER, footer)
        ROW(MCAP_SCHEMA, schema)
        ROW(MCAP_CHANNEL, channel)
        ROW(MCAP_MESSAGE, message)
        ROW(MCAP_CHUNK, chunk)
        ROW(MCAP_MESSAGE_INDEX, message_index)
        ROW(MCAP_CHUNK_INDEX, chunk_index)
        ROW(MCAP_STATISTICS, statistics)
        ROW(MCAP_METADATA, metadata)
        ROW(MCAP_DATA_END, data_end)
    default:
        break;
    }
#undef ROW
    return rc;
}

static void test_decode(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof RECORDS / sizeof RECORDS[0]; i++) {
        uint8_t bytes[256] = {0};
        size_t size = from_hex(RECORDS[i].hex, bytes);
        if (!is_decoded(bytes[0]))
            continue;
        td_buf buf;
        td_buf_init(&buf, 1000);
        td_bytes content = td_bytes_of(bytes + MCAP_PREFIX_BYTES, size - MCAP_PREFIX_BYTES);
        assert_int_equal(reencode(bytes[0], content, &buf), TD_OK);
        if (buf.size != size || memcmp(buf.data, bytes, size) != 0)
            fail_msg("%s: other bytes come back", RECORDS[i].name);
        td_buf_clear(&buf);
        if (bytes[0] != MCAP_MESSAGE && bytes[0] != MCAP_FOOTER) {
            /* Fields of later versions after the known ones are ignored. */
            td_bytes longer = td_bytes_of(content.data, content.size + 5);
            assert_int_equal(reencode(bytes[0], longer, &buf), TD_OK);
            assert_int_equal(buf.size, size);
        }
        /* A message's data may be of any length; all else ends too early. */
        size_t least = bytes[0] == MCAP_MESSAGE ? MCAP_MESSAGE_FIELDS_BYTES : content.size;
        for (size_t cut = 0; cut < least; cut++) {
            uint8_t *exact =
                malloc(cut == 0 ? 1 : cut); /* its own, so that ASan sees one byte more */
            memcpy(exact, content.data, cut);
            if (reencode(bytes[0], td_bytes_of(exact, cut), &buf) != TD_E_CORRUPT)
                fail_msg("%s of %zu bytes was taken", RECORDS[i].name, cut);
            free(exact);
        }
        td_buf_fini(&buf);
    }
}

static void test_bad_fields(void **state)
{
    (void)state;
    static const struct {
        const char *name, *hex;
        uint8_t opcode;
    } rows[] = {
        {"string longer than the record", "ffffffff 70 00000000", MCAP_HEADER},
        {"index entries that do not come out", "0700 0f000000 000000000000000000000000000000",
         MCAP_MESSAGE_INDEX},
        {"map entry cut off", "01000000 6e 05000000 01000000 6b", MCAP_METADATA},
        {"map value longer than the map", "01000000 6e 09000000 01000000 6b 01000000 76",
         MCAP_METADATA},
        {"chunk records longer than the record",
         "0000000000000000 0000000000000000 0000000000000000 00000000 00000000 ffffffffffffffff",
         MCAP_CHUNK},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t bytes[256];
        size_t size = from_hex(rows[i].hex, bytes);
        td_buf buf;
        td_buf_init(&buf, 1000);
        if (reencode(rows[i].opcode, td_bytes_of(bytes, size), &buf) != TD_E_CORRUPT)
            fail_msg("%s was taken", rows[i].name);
        td_buf_fini(&buf);
    }
}

static void test_maps(void **state)
{
    (void)state;
    td_buf buf;
    td_buf_init(&buf, 1000);
    mcap_pack_pair(&buf, BYTES("a"), BYTES("1"));
    mcap_pack_pair(&buf, BYTES("bb"), BYTES(""));
    mcap_packed map = {td_buf_view(&buf)};
    assert_true(td_bytes_is(mcap_find_pair(map, "a"), "1"));
    assert_int_equal(mcap_find_pair(map, "bb").size, 0);
    assert_non_null(mcap_find_pair(map, "bb").data);
    assert_null(mcap_find_pair(map, "c").data);
    td_buf_fini(&buf);
}

static void test_next_record(void **state)
{
    (void)state;
    uint8_t bytes[64];
    size_t size = from_hex("99 0200000000000000 6162 98 0000000000000000", bytes);
    size_t at = 0;
    mcap_record record;
    assert_int_equal(mcap_next_record(td_bytes_of(bytes, size), &at, &record, NULL), TD_OK);
    assert_int_equal(record.opcode, 0x99);
    assert_true(td_bytes_is(record.content, "ab"));
    assert_int_equal(mcap_next_record(td_bytes_of(bytes, size), &at, &record, NULL), TD_OK);
    assert_int_equal(record.offset, 11);
    assert_int_equal(mcap_next_record(td_bytes_of(bytes, size), &at, &record, NULL), TD_EOF);
    for (size_t cut = 12; cut < size; cut++) {
        at = 11;
        assert_int_equal(mcap_next_record(td_bytes_of(bytes, cut), &at, &record, NULL),
                         TD_E_TRUNCATED);
        assert_int_equal(at, 11);
    }
}

static void test_codec(void **state)
{
    (void)state;
    codec *coder = codec_open();
    uint8_t in[10000], packed[20000], out[10000];
    for (size_t i = 0; i < sizeof in; i++)
        in[i] = (uint8_t)(i * i >> 7);
    static const struct {
        codec_kind kind;
        int level;
    } rows[] = {{CODEC_NONE, 0}, {CODEC_ZSTD, 1}, {CODEC_ZSTD, 19}, {CODEC_ZSTD, -5}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        td_bytes view = td_bytes_of(in, sizeof in);
        if (rows[i].kind == CODEC_ZSTD)
            view = td_bytes_of(packed,
                               codec_compress(coder, rows[i].level, view, packed, sizeof packed));
        assert_int_equal(codec_decompress(coder, rows[i].kind, view, out, sizeof out, NULL), TD_OK);
        assert_memory_equal(in, out, sizeof in);
        assert_int_equal(codec_decompress(coder, rows[i].kind, view, out, sizeof out - 1, NULL),
                         TD_E_CORRUPT);
        view.size--;
        assert_int_equal(codec_decompress(coder, rows[i].kind, view, out, sizeof out, NULL),
                         TD_E_CORRUPT);
    }
    codec_kind kind;
    td_err err;
    assert_int_equal(codec_find(BYTES("zstd"), &kind, &err), TD_OK);
    assert_int_equal(codec_find(BYTES("brotli"), &kind, &err), TD_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "brotli"));
    /* The lz4 program's frame of "tapedeck tapedeck tapedeck\n" ("lz4 -c"). */
    assert_int_equal(codec_find(BYTES("lz4"), &kind, &err), TD_OK);
    assert_string_equal(codec_name(kind), "lz4");
    static const uint8_t frame[] = {0x04, 0x22, 0x4d, 0x18, 0x64, 0x40, 0xa7, 0x12, 0x00, 0x00,
                                    0x00, 0x99, 0x74, 0x61, 0x70, 0x65, 0x64, 0x65, 0x63, 0x6b,
                                    0x20, 0x09, 0x00, 0x50, 0x64, 0x65, 0x63, 0x6b, 0x0a, 0x00,
                                    0x00, 0x00, 0x00, 0x93, 0x4e, 0x87, 0x61};
    td_bytes whole = td_bytes_of(frame, sizeof frame);
    assert_int_equal(codec_decompress(coder, kind, whole, out, 27, NULL), TD_OK);
    assert_memory_equal(out, "tapedeck tapedeck tapedeck\n", 27);
    assert_int_equal(codec_decompress(coder, kind, whole, out, 26, NULL), TD_E_CORRUPT);
    assert_int_equal(codec_decompress(coder, kind, whole, out, 28, NULL), TD_E_CORRUPT);
    assert_int_equal(codec_decompress(coder, kind, whole, out, 0, NULL), TD_E_CORRUPT);
    for (size_t size = 0; size < sizeof frame; size++)
        assert_int_equal(codec_decompress(coder, kind, td_bytes_of(frame, size), out, 27, NULL),
                         TD_E_CORRUPT);
    assert_int_equal(codec_decompress(coder, kind, whole, out, 27, NULL), TD_OK);
    codec_close(coder);
}

/* ---- files ---- */

static void write_file(td_io io, const mcap_writer_options *options)
{
    mcap_writer *writer;
    uint16_t schema, first, second;
    assert_int_equal(mcap_writer_open(io, "x.mcap", options, &writer, NULL), TD_OK);
    assert_int_equal(
        mcap_writer_schema(writer, BYTES("s"), BYTES("jsonschema"), BYTES("{}"), &schema, NULL),
        TD_OK);
    mcap_pair pair = {.key = BYTES("k"), .value = BYTES("v")};
    assert_int_equal(
        mcap_writer_channel(writer, BYTES("one"), schema, BYTES("json"), &pair, 1, &first, NULL),
        TD_OK);
    assert_int_equal(
        mcap_writer_channel(writer, BYTES("two"), 0, BYTES("raw"), NULL, 0, &second, NULL), TD_OK);
    assert_int_equal(
        mcap_writer_channel(writer, BYTES("no"), 9, BYTES("raw"), NULL, 0, &second, NULL),
        TD_E_INVALID);
    for (uint32_t i = 0; i < 100; i++) {
        mcap_message message = {.channel_id = i % 2 == 0 ? first : second,
                                .sequence = i,
                                .log_ns = 1000 + i,
                                .publish_ns = i,
                                .data = td_bytes_of("0123456789", i % 11)};
        assert_int_equal(mcap_writer_message(writer, &message, NULL), TD_OK);
        mcap_attachment attachment = {.log_ns = 1,
                                      .create_ns = 2,
                                      .name = BYTES("a.txt"),
                                      .media_type = BYTES("text/plain"),
                                      .data = BYTES("attached")};
        if (i == 50)
            assert_int_equal(mcap_writer_attachment(writer, &attachment, NULL), TD_OK);
        if (i == 60)
            assert_int_equal(mcap_writer_metadata(writer, BYTES("m"), &pair, 1, NULL), TD_OK);
        if (i == 70)
            assert_int_equal(mcap_writer_private(writer, 0xf0, BYTES("secret"), NULL), TD_OK);
    }
    mcap_message unknown = {.channel_id = 77};
    assert_int_equal(mcap_writer_message(writer, &unknown, NULL), TD_E_INVALID);
    assert_int_equal(mcap_writer_finish(writer, NULL), TD_OK);
    mcap_writer_close(writer);
}

/* Read all of x.mcap; counts[opcode] of records after the header. Messages must be those of
 * write_file. */
static td_result read_file(td_io io, mcap_chunks chunks, unsigned counts[256],
                           mcap_reader_stats *stats)
{
    mcap_reader *reader;
    size_t size;
    uint8_t *file = file_read(io, "x.mcap", &size);
    memset(counts, 0, 256 * sizeof counts[0]);
    assert_int_equal(mcap_reader_open(td_bytes_of(file, size), chunks, &reader), TD_OK);
    assert_true(td_bytes_is(mcap_reader_profile(reader), "profile"));
    mcap_record record;
    td_result rc;
    while ((rc = mcap_reader_next(reader, &record)) == TD_OK) {
        mcap_message message;
        if (record.opcode == MCAP_MESSAGE) {
            assert_int_equal(mcap_decode_message(record.content, &message, NULL), TD_OK);
            uint32_t i = counts[MCAP_MESSAGE];
            assert_int_equal(message.sequence, i);
            assert_int_equal(message.log_ns, 1000 + i);
            assert_int_equal(message.data.size, i % 11);
            assert_memory_equal(message.data.data, "0123456789", i % 11);
        }
        if (record.opcode == 0xf0)
            assert_true(td_bytes_is(record.content, "secret"));
        counts[record.opcode]++;
    }
    *stats = mcap_reader_get_stats(reader);
    mcap_reader_close(reader);
    td_free(file);
    return rc;
}

static void test_files(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        mcap_layout layout;
        codec_kind compression;
        size_t chunk_bytes;
    } rows[] = {
        {"chunked, zstd", MCAP_CHUNKED, CODEC_ZSTD, 500},
        {"chunked, stored", MCAP_CHUNKED, CODEC_NONE, 500},
        {"chunked, large", MCAP_CHUNKED, CODEC_ZSTD, 0},
        {"unchunked", MCAP_UNCHUNKED, CODEC_NONE, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        print_message("%s\n", rows[i].name);
        io_fault *disk = io_fault_open();
        mcap_writer_options options = {.profile = "profile",
                                       .library = "library",
                                       .layout = rows[i].layout,
                                       .compression = rows[i].compression,
                                       .chunk_bytes = rows[i].chunk_bytes};
        write_file(io_fault_io(disk), &options);
        unsigned counts[256];
        mcap_reader_stats stats;
        assert_int_equal(read_file(io_fault_io(disk), MCAP_CHUNKS_EXPANDED, counts, &stats),
                         TD_EOF);
        assert_int_equal(counts[MCAP_MESSAGE], 100);
        assert_int_equal(counts[MCAP_SCHEMA], 2);
        assert_int_equal(counts[MCAP_CHANNEL], 4);
        assert_int_equal(counts[MCAP_ATTACHMENT], 1);
        assert_int_equal(counts[MCAP_METADATA], 1);
        assert_int_equal(counts[0xf0], 1);
        assert_int_equal(counts[MCAP_STATISTICS], 1);
        assert_int_equal(counts[MCAP_FOOTER], 1);
        assert_int_equal(counts[MCAP_CHUNK], 0);
        assert_int_equal(stats.crc_missing_count, 0);
        assert_int_equal(stats.crc_checked_count, 3 + counts[MCAP_CHUNK_INDEX]);
        if (rows[i].layout == MCAP_CHUNKED) {
            read_file(io_fault_io(disk), MCAP_CHUNKS_WHOLE, counts, &stats);
            assert_true(counts[MCAP_CHUNK] >= 4);
            assert_int_equal(counts[MCAP_CHUNK], counts[MCAP_CHUNK_INDEX]);
        }
        io_fault_close(disk);
    }
}

/* Each bit of a file: the reader finds the damage. */
static void test_flipped_bits(void **state)
{
    (void)state;
    io_fault *disk = io_fault_open();
    td_io io = io_fault_io(disk);
    mcap_writer_options options = {
        .profile = "profile", .library = "library", .compression = CODEC_ZSTD, .chunk_bytes = 500};
    write_file(io, &options);
    size_t size;
    uint8_t *file = file_read(io, "x.mcap", &size);
    assert_int_equal(mcap_reader_check(td_bytes_of(file, size), NULL), TD_OK);
    for (size_t at = 0; at < size; at++) {
        file[at] ^= (uint8_t)(1u << (at % 8));
        if (mcap_reader_check(td_bytes_of(file, size), NULL) == TD_OK)
            fail_msg("a flipped bit of byte %zu was not found", at);
        file[at] ^= (uint8_t)(1u << (at % 8));
    }
    td_free(file);
    io_fault_close(disk);
}

/* A damaged chunk is skipped: the records after it still come. */
static void test_reading_on(void **state)
{
    (void)state;
    io_fault *disk = io_fault_open();
    td_io io = io_fault_io(disk);
    mcap_writer_options options = {
        .profile = "profile", .library = "library", .compression = CODEC_NONE, .chunk_bytes = 500};
    write_file(io, &options);
    size_t size;
    uint8_t *file = file_read(io, "x.mcap", &size);
    file[200] ^= 1;
    mcap_reader *reader;
    assert_int_equal(mcap_reader_open(td_bytes_of(file, size), MCAP_CHUNKS_EXPANDED, &reader),
                     TD_OK);
    unsigned corrupt = 0, messages = 0;
    mcap_record record;
    td_result rc;
    while ((rc = mcap_reader_next(reader, &record)) == TD_OK || rc == TD_E_CORRUPT) {
        corrupt += rc == TD_E_CORRUPT;
        messages += rc == TD_OK && record.opcode == MCAP_MESSAGE;
    }
    assert_int_equal(rc, TD_EOF);
    assert_int_equal(corrupt, 2); /* the chunk, and the data section */
    assert_true(messages > 50 && messages < 100);
    mcap_reader_close(reader);
    td_free(file);
    io_fault_close(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encode),      cmocka_unit_test(test_decode),
        cmocka_unit_test(test_bad_fields),  cmocka_unit_test(test_maps),
        cmocka_unit_test(test_next_record), cmocka_unit_test(test_codec),
        cmocka_unit_test(test_files),       cmocka_unit_test(test_flipped_bits),
        cmocka_unit_test(test_reading_on),
    };
    return cmocka_run_group_tests_name("format/mcap", tests, NULL, NULL);
}
