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
#include "base/hash.h"
#include "base/limits.h"
#include "format/chunk_codec.h"
#include "format/mcap_decode.h"
#include "format/mcap_encode.h"
#include "tests/testing/mcap_reader.h"
#include "tests/testing/segment_fixture.h"

/* The bytes of a C string literal, including NULs. */
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
        .id = 2, .name = BYTES("n"), .encoding = BYTES("jsonschema"), .data = BYTES("{}")};
    mcap_encode_schema(buf, &in);
}

static void put_channel(td_buf *buf)
{
    mcap_channel in = {.id = 2,
                       .topic = BYTES("t"),
                       .message_encoding = BYTES("json"),
                       .metadata = {BYTES("\x01\0\0\0k\x01\0\0\0v")}};
    mcap_encode_channel(buf, &in);
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

static const struct {
    const char *name;
    encode_row *encode;
    const char *hex;
} RECORDS[] = {
    {"Header", put_header, "01 0c00000000000000 01000000 70 03000000 6c6962"},
    {"Footer", put_footer, "02 1400000000000000 0100000000000000 0201000000000000 d0c0b0a0"},
    {"Schema", put_schema,
     "03 1b00000000000000 0200 01000000 6e 0a000000 6a736f6e736368656d61 02000000 7b7d"},
    {"Channel", put_channel,
     "04 1f00000000000000 0200 0000 01000000 74 04000000 6a736f6e 0a000000 01000000 6b 01000000 "
     "76"},
    {"Chunk Index", put_chunk_index,
     "08 4a00000000000000 0100000000000000 0200000000000000 0300000000000000 0400000000000000 "
     "0a000000 0700 0500000000000000 0600000000000000 00000000 0800000000000000 0900000000000000"},
    {"Statistics", put_statistics,
     "0b 3800000000000000 0100000000000000 0000 03000000 04000000 05000000 06000000 "
     "0700000000000000 0800000000000000 0a000000 0100 0100000000000000"},
    {"Metadata", put_metadata, "0c 1200000000000000 01000000 6e 09000000 01000000 6b 00000000"},
    {"Metadata Index", put_metadata_index,
     "0d 1500000000000000 0100000000000000 0200000000000000 01000000 6e"},
    {"Summary Offset", put_summary_offset,
     "0e 1100000000000000 04 0500000000000000 0600000000000000"},
    {"Data End", put_data_end, "0f 0400000000000000 04030201"},
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

/* 0 for records that are written for other readers only. */
static int is_decoded(uint8_t opcode)
{
    return opcode != MCAP_SCHEMA && opcode != MCAP_METADATA_INDEX &&
           opcode != MCAP_SUMMARY_OFFSET && opcode != MCAP_DATA_END;
}

/* Decodes any record and encodes it again: the bytes must be equal. */
static td_result reencode(uint8_t opcode, td_bytes content, td_buf *buf)
{
    td_result rc = TD_E_INVALID;
    /* One line per type: the decoded record is encoded again. */
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
        ROW(MCAP_CHANNEL, channel)
        ROW(MCAP_CHUNK_INDEX, chunk_index)
        ROW(MCAP_STATISTICS, statistics)
        ROW(MCAP_METADATA, metadata)
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
        if (bytes[0] != MCAP_FOOTER) {
            /* Fields of later versions, after the known ones, are ignored. */
            td_bytes longer = td_bytes_of(content.data, content.size + 5);
            assert_int_equal(reencode(bytes[0], longer, &buf), TD_OK);
            assert_int_equal(buf.size, size);
        }
        for (size_t cut = 0; cut < content.size; cut++) {
            uint8_t *exact = malloc(
                cut == 0 ? 1 : cut); /* its own allocation, so that ASan detects reads beyond it */
            memcpy(exact, content.data, cut);
            if (reencode(bytes[0], td_bytes_of(exact, cut), &buf) != TD_E_CORRUPT)
                fail_msg("%s of %zu bytes was taken", RECORDS[i].name, cut);
            free(exact);
        }
        td_buf_fini(&buf);
    }
}

/* Records that chunk_builder writes in place. */
static void test_decode_chunk_records(void **state)
{
    (void)state;
    uint8_t bytes[64];
    size_t size = from_hex("0200 03000000 0400000000000000 0500000000000000 686579", bytes);
    mcap_message message;
    assert_int_equal(mcap_decode_message(td_bytes_of(bytes, size), &message, NULL), TD_OK);
    assert_int_equal(message.channel_id, 2);
    assert_int_equal(message.sequence, 3);
    assert_int_equal(message.log_ns, 4);
    assert_int_equal(message.publish_ns, 5);
    assert_true(td_bytes_is(message.data, "hey"));
    assert_int_equal(mcap_decode_message(td_bytes_of(bytes, 21), &message, NULL), TD_E_CORRUPT);

    size = from_hex("0100000000000000 0200000000000000 0300000000000000 04000000 03000000 6c7a34 "
                    "0300000000000000 616263",
                    bytes);
    mcap_chunk chunk;
    assert_int_equal(mcap_decode_chunk(td_bytes_of(bytes, size), &chunk, NULL), TD_OK);
    assert_int_equal(chunk.start_ns, 1);
    assert_int_equal(chunk.end_ns, 2);
    assert_int_equal(chunk.uncompressed_bytes, 3);
    assert_int_equal(chunk.uncompressed_crc, 4);
    assert_true(td_bytes_is(chunk.compression, "lz4"));
    assert_true(td_bytes_is(chunk.records, "abc"));
    for (size_t cut = 0; cut < size; cut++)
        assert_int_equal(mcap_decode_chunk(td_bytes_of(bytes, cut), &chunk, NULL), TD_E_CORRUPT);

    size = from_hex("0700 10000000 0100000000000000 0200000000000000", bytes);
    mcap_message_index index;
    uint64_t log_ns, offset;
    assert_int_equal(mcap_decode_message_index(td_bytes_of(bytes, size), &index, NULL), TD_OK);
    assert_int_equal(index.channel_id, 7);
    assert_true(mcap_next_entry(&index.entries, &log_ns, &offset));
    assert_int_equal(log_ns, 1);
    assert_int_equal(offset, 2);
    assert_false(mcap_next_entry(&index.entries, &log_ns, &offset));
    bytes[2] = 15;
    assert_int_equal(mcap_decode_message_index(td_bytes_of(bytes, size), &index, NULL),
                     TD_E_CORRUPT);
}

static void test_bad_fields(void **state)
{
    (void)state;
    static const struct {
        const char *name, *hex;
        uint8_t opcode;
    } rows[] = {
        {"string longer than the record", "ffffffff 70 00000000", MCAP_HEADER},
        {"map entry cut off", "01000000 6e 05000000 01000000 6b", MCAP_METADATA},
        {"map value longer than the map", "01000000 6e 09000000 01000000 6b 01000000 76",
         MCAP_METADATA},
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
    uint8_t in[10000], packed[20000];
    td_buf out;
    td_buf_init(&out, LIMIT_CHUNK_BYTES);
    for (size_t i = 0; i < sizeof in; i++)
        in[i] = (uint8_t)(i * i >> 7);
    static const int LEVELS[] = {1, 19, -5};
    for (size_t i = 0; i < sizeof LEVELS / sizeof LEVELS[0]; i++) {
        size_t size =
            codec_compress(coder, LEVELS[i], td_bytes_of(in, sizeof in), packed, sizeof packed);
        mcap_chunk chunk = {.compression = BYTES("zstd"),
                            .uncompressed_bytes = sizeof in,
                            .uncompressed_crc = td_crc32(0, in, sizeof in),
                            .records = td_bytes_of(packed, size)};
        assert_int_equal(chunk_decompress(coder, &chunk, 8, &out, NULL), TD_OK);
        assert_int_equal(out.size, sizeof in);
        assert_memory_equal(in, out.data, sizeof in);
        mcap_chunk wrong = chunk;
        wrong.uncompressed_bytes--;
        assert_int_equal(chunk_decompress(coder, &wrong, 8, &out, NULL), TD_E_CORRUPT);
        wrong = chunk;
        wrong.records.size--;
        assert_int_equal(chunk_decompress(coder, &wrong, 8, &out, NULL), TD_E_CORRUPT);
        wrong = chunk;
        wrong.uncompressed_crc ^= 1;
        assert_int_equal(chunk_decompress(coder, &wrong, 8, &out, NULL), TD_E_CORRUPT);
        wrong = chunk;
        wrong.compression = BYTES("lz4");
        assert_int_equal(chunk_decompress(coder, &wrong, 8, &out, NULL), TD_E_CORRUPT);
        wrong = chunk;
        wrong.uncompressed_bytes = LIMIT_CHUNK_BYTES + 1;
        assert_int_equal(chunk_decompress(coder, &wrong, 8, &out, NULL), TD_E_CORRUPT);
    }
    td_buf_fini(&out);
    codec_close(coder);
}

/* A chunk that claims to be large is checked before it is decompressed: at the first bytes of a
 * record that no writer makes, it is refused. */
static void test_false_sizes_are_refused(void **state)
{
    (void)state;
    const size_t size = (size_t)39 << 20;
    const struct {
        uint64_t first, second; /* content bytes of two records that fill the chunk */
        td_result result;
    } rows[] = {
        {LIMIT_FRAME_BYTES + 22, size - 2 * MCAP_PREFIX_BYTES - LIMIT_FRAME_BYTES - 22,
         TD_E_CORRUPT},
        {size - MCAP_PREFIX_BYTES, 0, TD_E_CORRUPT},
        {LIMIT_FRAME_BYTES + 22, LIMIT_FRAME_BYTES, TD_OK},
    };
    codec *coder = codec_open();
    uint8_t *raw = td_alloc_zero(1, size);
    uint8_t *packed = td_alloc(codec_bound(size));
    td_buf out;
    td_buf_init(&out, LIMIT_CHUNK_BYTES + 8);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t used = MCAP_PREFIX_BYTES + (size_t)rows[i].first;
        memset(raw, 0, size);
        raw[0] = MCAP_MESSAGE;
        td_put_le64(raw + 1, rows[i].first);
        if (rows[i].second > 0) {
            raw[used] = MCAP_MESSAGE;
            td_put_le64(raw + used + 1, rows[i].second);
            used += MCAP_PREFIX_BYTES + (size_t)rows[i].second;
        }
        td_err err;
        td_err_clear(&err);
        mcap_chunk chunk = {.compression = BYTES("zstd"),
                            .uncompressed_bytes = used,
                            .uncompressed_crc = td_crc32(0, raw, used)};
        chunk.records = td_bytes_of(
            packed, codec_compress(coder, 1, td_bytes_of(raw, used), packed, codec_bound(size)));
        assert_int_equal(chunk_decompress_records(coder, &chunk, 8, &out, &err), rows[i].result);
        assert_true(rows[i].result == TD_OK || strstr(err.text, "a record of ") != NULL);
        assert_int_equal(out.size, rows[i].result == TD_OK ? used : 0);
    }
    td_buf_fini(&out);
    td_free(packed);
    td_free(raw);
    codec_close(coder);
}

/* The reader that others are compared with detects each flipped bit of a segment. */
static void test_reader_finds_flipped_bits(void **state)
{
    (void)state;
    io_fault *disk = io_fault_open();
    fixture_spec spec = {.path = "x.mcap", .frame_count = 40, .frames_per_chunk = 20};
    fixture_write(io_fault_io(disk), &spec);
    size_t size;
    uint8_t *file = file_read(io_fault_io(disk), "x.mcap", &size);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encode),
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_decode_chunk_records),
        cmocka_unit_test(test_bad_fields),
        cmocka_unit_test(test_maps),
        cmocka_unit_test(test_next_record),
        cmocka_unit_test(test_codec),
        cmocka_unit_test(test_false_sizes_are_refused),
        cmocka_unit_test(test_reader_finds_flipped_bits),
    };
    return cmocka_run_group_tests_name("format/mcap", tests, NULL, NULL);
}
