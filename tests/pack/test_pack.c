/* Packed chunks. Expected: any records come back byte for byte (pack/pack.h); any bytes that are no
 * packed chunk are refused; columns are shorter than zstd of the same messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/codec.h"
#include "base/limits.h"
#include "pack/columns.h"
#include "pack/layout.h"
#include "pack/numbers.h"
#include "pack/pack.h"
#include "pack/streams.h"

enum { HEAD_BYTES = 31 };

/* Add a message of MCAP. */
static void add_message(td_buf *to, uint16_t channel, uint32_t sequence, uint64_t time_ns,
                        uint64_t publish_ns, td_bytes data)
{
    uint8_t head[HEAD_BYTES];
    head[0] = 0x05;
    td_put_le64(head + 1, HEAD_BYTES - 9 + data.size);
    td_put_le16(head + 9, channel);
    td_put_le32(head + 11, sequence);
    td_put_le64(head + 15, time_ns);
    td_put_le64(head + 23, publish_ns);
    td_buf_add(to, head, sizeof head);
    td_buf_add(to, data.data, data.size);
}

static void add_text(td_buf *to, uint16_t channel, uint32_t sequence, const char *text)
{
    add_message(to, channel, sequence, 1600000000000000000U + sequence * UINT64_C(1000003),
                1600000000000000000U, td_bytes_str(text));
}

/* Pack and unpack with both efforts; returns the packed size with the best one. */
static size_t check_round_trip(td_bytes records, const char *what)
{
    codec *coder = codec_open();
    size_t size = 0;
    for (pack_effort effort = PACK_FAST; effort <= PACK_BEST; effort++) {
        td_buf packed;
        td_buf again;
        td_err err;
        td_buf_init(&packed, LIMIT_CHUNK_BYTES);
        td_buf_init(&again, LIMIT_CHUNK_BYTES);
        td_err_clear(&err);
        if (pack_encode(coder, records, effort, &packed, &err) != TD_OK ||
            pack_decode(coder, td_buf_view(&packed), records.size, 0, &again, &err) != TD_OK)
            fail_msg("%s: %s", what, err.text);
        if (!td_bytes_equal(td_buf_view(&again), records))
            fail_msg("%s: other bytes come back", what);
        size = packed.size;
        td_buf_fini(&packed);
        td_buf_fini(&again);
    }
    codec_close(coder);
    return size;
}

/* ---- texts ---- */

static const char *const TEXTS[] = {
    "",
    " ",
    "{}",
    "[]",
    "[ ]",
    "{\"a\":[]}",
    "{\"a\":[[]]}",
    "[[],{}]",
    "[[1,2],[3,4],[ 5 , 6 ]]",
    "[{\"p\":\"1.50\",\"q\":1},{\"p\":\"1.5\",\"q\":0}]",
    "{\"a\":1,\"a\":2}",
    "{\"a\" : 19.90, \"b\":\"19.9\", \"c\":19.900}",
    "[0,-0,0.0,-0.0,00,01,1.,.5,-1,-1.50,+1]",
    "[1e400,1E5,-1e-9,0x10,NaN,Infinity,true,false,null,nulls,tru]",
    "[123456789012345678,1234567890123456789,-999999999999999999,9999999999999999999999]",
    "[0.123456789012345678,0.1234567890123456789,999999999999999999.1]",
    "{\"t\":\"2021-04-17T12:00:20Z\",\"u\":\"2021-04-17T12:00:20.000Z\"}",
    "{\"t\":\"2021-02-30T12:00:20Z\",\"u\":\"2021-04-17T24:00:20.5Z\"}",
    "{\"t\":\"2021-04-17T12:00:60Z\"}",
    "{\"t\":\"0000-01-01T00:00:00Z\",\"u\":\"9999-12-31T23:59:59.999999999Z\"}",
    "{\"t\":\"2021-1-1T0:0:0Z\"}",
    "{\"i\":\"4d1f0d2c-0f5d-5b1e-8d0a-0a3c6f2d9b11\",\"\":\"\"}",
    "{\"\\u00e9\\\"\":\"\\\\\",\"b\":\"\xff\xfe\xc3\"}",
    "{\"a\":\"never ends",
    "{\"a\":\"ends with \\",
    "{\"a\":1",
    "{\"a\":1}}",
    "{\"a\":1} ",
    "{\"a\":1}\n[2]",
    "{\"a\" 1}",
    "{a:1}",
    "[1,]",
    "[1 2]",
    "[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]",
    "[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]",
    "ping",
    "42",
    "\"text\"",
    "[336,{\"a\":[[\"5541.30\",\"2.507\"]],\"c\":\"974942666\"},\"book-10\",\"XBT/USD\"]",
};

/* Each text alone, all in one channel, and all in channels of their own, twice. */
static void test_texts(void **state)
{
    enum { COUNT = sizeof TEXTS / sizeof TEXTS[0] };
    td_buf one;
    td_buf same;
    td_buf own;
    (void)state;
    td_buf_init(&one, 1 << 20);
    td_buf_init(&same, 1 << 20);
    td_buf_init(&own, 1 << 20);
    for (uint32_t round = 0; round < 2; round++)
        for (uint32_t i = 0; i < COUNT; i++) {
            td_buf_clear(&one);
            add_text(&one, 7, i, TEXTS[i]);
            (void)check_round_trip(td_buf_view(&one), TEXTS[i]);
            add_text(&same, 1, round * COUNT + i, TEXTS[i]);
            add_text(&own, (uint16_t)(65535 - i), round, TEXTS[i]);
        }
    (void)check_round_trip(td_buf_view(&same), "one channel");
    (void)check_round_trip(td_buf_view(&own), "a channel each");
    td_buf_fini(&one);
    td_buf_fini(&same);
    td_buf_fini(&own);
}

/* ---- records ---- */

static void test_records(void **state)
{
    td_buf records;
    uint8_t other[9 + 5] = {0x04, 5, 0, 0, 0, 0, 0, 0, 0, 'o', 't', 'h', 'e', 'r'};
    uint8_t *large = td_alloc(LIMIT_FRAME_BYTES);
    (void)state;
    td_buf_init(&records, LIMIT_CHUNK_BYTES);
    (void)check_round_trip(td_buf_view(&records), "no record");
    td_buf_add(&records, other, sizeof other);
    (void)check_round_trip(td_buf_view(&records), "no message");
    other[0] = 0x05; /* a message that is too short */
    td_buf_add(&records, other, sizeof other);
    add_message(&records, 0, UINT32_MAX, UINT64_MAX, 0, td_bytes_str("{\"a\":1}"));
    add_message(&records, UINT16_MAX, 0, 0, UINT64_MAX, td_bytes_str("{\"a\":2}"));
    add_message(&records, 0, 0, 1, 1, td_bytes_of("{\"a\":\0}", 7));
    memset(large, 'x', LIMIT_FRAME_BYTES);
    add_message(&records, 3, 1, 2, 3, td_bytes_of(large, LIMIT_FRAME_BYTES));
    (void)check_round_trip(td_buf_view(&records), "odd records");
    td_free(large);
    td_buf_fini(&records);
}

/* Records that are cut off are no whole records. */
static void test_cut_records(void **state)
{
    codec *coder = codec_open();
    td_buf records;
    td_buf out;
    (void)state;
    td_buf_init(&records, 4096);
    td_buf_init(&out, 4096);
    add_text(&records, 1, 1, "{\"a\":1}");
    for (size_t size = 1; size < records.size; size++)
        assert_int_equal(pack_encode(coder, td_bytes_of(records.data, size), PACK_FAST, &out, NULL),
                         TD_E_LIMIT);
    assert_int_equal(out.size, 0);
    td_buf_fini(&records);
    td_buf_fini(&out);
    codec_close(coder);
}

/* ---- books ---- */

typedef struct prng {
    uint64_t state;
} prng;

static uint64_t next_random(prng *self, uint64_t below)
{
    self->state = self->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (self->state >> 33) % below;
}

/* Deltas of a book, as v5 has them: prices of two decimals around a level, sizes of three; a fifth
 * removes its level. */
static void add_deltas(td_buf *to, prng *random, size_t count)
{
    static const char HEAD[] =
        "{\"topic\":\"orderbook.200.BTCUSDT\",\"type\":\"delta\",\"ts\":%llu,"
        "\"data\":{\"s\":\"BTCUSDT\",\"b\":[";
    char text[4096];
    for (size_t i = 0; i < count; i++) {
        int used = snprintf(text, sizeof text, HEAD, 1786310818528ULL + i * 100);
        for (int side = 0; side < 2; side++) {
            const uint64_t levels = next_random(random, 6);
            for (uint64_t k = 0; k < levels; k++) {
                const uint64_t price = 6511000 + next_random(random, 400);
                char size[32] = "0";
                if (next_random(random, 5) != 0)
                    (void)snprintf(size, sizeof size, "%llu.%03llu",
                                   (unsigned long long)next_random(random, 3),
                                   (unsigned long long)next_random(random, 1000));
                used +=
                    snprintf(text + used, sizeof text - (size_t)used, "%s[\"%llu.%02llu\",\"%s\"]",
                             k > 0 ? "," : "", (unsigned long long)price / 100,
                             (unsigned long long)price % 100, size);
            }
            used += snprintf(text + used, sizeof text - (size_t)used,
                             side == 0 ? "],\"a\":[" : "],\"u\":%llu}}", 1000ULL + i);
        }
        add_message(to, 5, (uint32_t)i + 1, 1786310818529000000U + i * 100000000U,
                    (1786310818528U + i * 100) * 1000000U, td_bytes_of(text, (size_t)used));
    }
}

static void test_books_are_shorter(void **state)
{
    prng random = {1};
    codec *coder = codec_open();
    td_buf records;
    (void)state;
    td_buf_init(&records, LIMIT_CHUNK_BYTES);
    add_deltas(&records, &random, 3000);
    const size_t bound = codec_bound(records.size);
    uint8_t *plain = td_alloc(bound);
    const size_t zstd = codec_compress(coder, 19, td_buf_view(&records), plain, bound);
    const size_t packed = check_round_trip(td_buf_view(&records), "books");
    if (packed * 17 > zstd * 10)
        fail_msg("%zu bytes packed, %zu by zstd", packed, zstd);
    td_free(plain);
    td_buf_fini(&records);
    codec_close(coder);
}

/* A frame whose object has more keys than a chunk has columns is a text; the others stay columns.
 */
static void test_large_object(void **state)
{
    enum { KEYS = 6000 };
    prng random = {4};
    td_buf records;
    td_buf text;
    (void)state;
    td_buf_init(&records, LIMIT_CHUNK_BYTES);
    td_buf_init(&text, LIMIT_CHUNK_BYTES);
    add_deltas(&records, &random, 3000);
    const size_t books = check_round_trip(td_buf_view(&records), "books");
    for (unsigned i = 0; i < KEYS; i++)
        assert_int_equal(
            td_buf_printf(&text, NULL, "%s\"key%u\":{\"a\":%u}", i == 0 ? "{" : ",", i, i), TD_OK);
    td_buf_add(&text, "}", 1);
    for (uint32_t i = 0; i < 2; i++)
        add_message(&records, 9, i, 1, 1, td_buf_view(&text));
    const size_t both = check_round_trip(td_buf_view(&records), "books and a large object");
    if (both > books + text.size / 4)
        fail_msg("%zu bytes with a large object, %zu without", both, books);
    td_buf_fini(&records);
    td_buf_fini(&text);
}

/* ---- any bytes ---- */

/* Change, cut, repeat and join texts at random, in some channels. */
static void test_mutated_texts(void **state)
{
    enum { ROUNDS = 300, MESSAGES = 40, BYTES = 512, COUNT = sizeof TEXTS / sizeof TEXTS[0] };
    prng random = {2};
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        td_buf records;
        td_buf_init(&records, 1 << 20);
        for (uint32_t i = 0; i < MESSAGES; i++) {
            uint8_t text[BYTES];
            size_t size = 0;
            for (uint64_t parts = 1 + next_random(&random, 3); parts > 0; parts--) {
                const char *from = TEXTS[next_random(&random, COUNT)];
                const size_t length = strlen(from);
                const size_t begin =
                    next_random(&random, 4) == 0 ? next_random(&random, length + 1) : 0;
                const size_t taken = length - begin < BYTES - size ? length - begin : BYTES - size;
                memcpy(text + size, from + begin, taken);
                size += taken;
            }
            for (uint64_t changes = next_random(&random, 3); changes > 0 && size > 0; changes--)
                text[next_random(&random, size)] =
                    (uint8_t)(next_random(&random, 2) == 0 ? next_random(&random, 256)
                                                           : '0' + next_random(&random, 10));
            add_message(&records, (uint16_t)next_random(&random, 4), i, next_random(&random, 1000),
                        next_random(&random, 1000), td_bytes_of(text, size));
        }
        (void)check_round_trip(td_buf_view(&records), "changed texts");
        td_buf_fini(&records);
    }
}

/* A packed chunk with changed bytes is refused, or gives as many bytes; memory stays right. */
static void test_changed_bytes(void **state)
{
    enum { ROUNDS = 4000 };
    prng random = {3};
    codec *coder = codec_open();
    td_buf records;
    td_buf packed;
    td_buf again;
    (void)state;
    td_buf_init(&records, 1 << 20);
    td_buf_init(&packed, 1 << 20);
    td_buf_init(&again, 1 << 20);
    add_deltas(&records, &random, 20);
    for (uint32_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++)
        add_text(&records, 2, i, TEXTS[i]);
    assert_int_equal(pack_encode(coder, td_buf_view(&records), PACK_FAST, &packed, NULL), TD_OK);
    uint8_t *copy = td_alloc(packed.size);
    for (int round = 0; round < ROUNDS; round++) {
        memcpy(copy, packed.data, packed.size);
        for (uint64_t changes = 1 + next_random(&random, 3); changes > 0; changes--)
            copy[next_random(&random, packed.size)] ^= (uint8_t)(1U << next_random(&random, 8));
        const size_t size =
            next_random(&random, 4) == 0 ? next_random(&random, packed.size + 1) : packed.size;
        const td_result rc =
            pack_decode(coder, td_bytes_of(copy, size), records.size, 0, &again, NULL);
        assert_true(rc == TD_OK ? again.size == records.size : rc == TD_E_CORRUPT);
    }
    td_free(copy);
    td_buf_fini(&records);
    td_buf_fini(&packed);
    td_buf_fini(&again);
    codec_close(coder);
}

/* ---- chunks by hand ---- */

static void add_constant(out_stream *table, int64_t number)
{
    out_stream_byte(table, NUMBERS_CONSTANT);
    out_stream_number(table, number_fold(number));
}

/* Unpack a chunk with one message, whose template has these parts, to raw_bytes. */
static td_result unpack_parts(td_bytes parts, size_t raw_bytes)
{
    static const int64_t HEAD[] = {[HEAD_CHANNEL] = 1,
                                   [HEAD_TIME] = 7,
                                   [HEAD_TEMPLATE] = TEMPLATE_FIRST,
                                   [HEAD_SEQUENCE] = 0,
                                   [HEAD_PUBLISH] = 7};
    stream_writer streams = {0};
    out_stream others = {0};
    out_stream templates = {0};
    out_stream table = {0};
    codec *coder = codec_open();
    td_buf packed;
    td_buf out;
    td_buf_init(&packed, 1 << 16);
    td_buf_init(&out, 1 << 16);
    out_stream_byte(&table, PACK_VERSION);
    out_stream_number(&table, 1); /* records */
    out_stream_number(&table, 1); /* channels: id and line */
    out_stream_number(&table, 3);
    out_stream_number(&table, 0);
    out_stream_number(&table, 1); /* scales */
    out_stream_number(&table, HEAD_COUNT);
    for (size_t i = 0; i < HEAD_COUNT; i++) {
        out_stream_byte(&table, COLUMN_NUMBER);
        out_stream_byte(&table, PREDICT_ZERO);
        out_stream_number(&table, 0);
        out_stream_byte(&table, VALUE_DIGITS_MAX);
        out_stream_number(&table, 0);
        add_constant(&table, DIGITS_AS_SCALE);
        add_constant(&table, 0);
        add_constant(&table, HEAD[i]);
    }
    out_stream_number(&table, 1); /* templates */
    out_stream_number(&templates, parts.size);
    out_stream_add(&templates, parts.data, parts.size);
    stream_writer_take(&streams, &others, GROUP_OWN);
    stream_writer_take(&streams, &templates, GROUP_OWN);
    stream_writer_take(&streams, &table, GROUP_OWN);
    assert_int_equal(stream_writer_finish(&streams, coder, 1, &packed, NULL), TD_OK);
    const td_result rc = pack_decode(coder, td_buf_view(&packed), raw_bytes, 0, &out, NULL);
    stream_writer_fini(&streams);
    td_buf_fini(&packed);
    td_buf_fini(&out);
    codec_close(coder);
    return rc;
}

/* A part gives at least a byte: else a few bytes of parts would be work without an end. */
static void test_empty_literal(void **state)
{
    static const uint8_t LITERAL[] = {PART_LITERAL, 1, 'x'};
    static const uint8_t EMPTY[] = {PART_LITERAL, 1, 'x', PART_LITERAL, 0};
    (void)state;
    assert_int_equal(unpack_parts(td_bytes_of(LITERAL, sizeof LITERAL), MESSAGE_HEAD_BYTES + 1),
                     TD_OK);
    assert_int_equal(unpack_parts(td_bytes_of(EMPTY, sizeof EMPTY), MESSAGE_HEAD_BYTES + 1),
                     TD_E_CORRUPT);
}

/* ---- files ---- */

static td_buf read_golden(const char *name, const char *kind)
{
    char path[256];
    td_buf out;
    uint8_t piece[4096];
    td_buf_init(&out, 1 << 20);
    (void)snprintf(path, sizeof path, "tests/pack/golden/%s.%s", name, kind);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        fail_msg("%s cannot be opened", path);
    for (size_t got = fread(piece, 1, sizeof piece, file); got > 0;
         got = fread(piece, 1, sizeof piece, file))
        td_buf_add(&out, piece, got);
    (void)fclose(file);
    return out;
}

/* Chunks that were packed by version 1, compressed and with streams as they are: each later version
 * reads them. The records are of the simulated exchange. */
static void test_golden_chunks(void **state)
{
    static const char *const NAMES[] = {"v5-linear", "inverse", "okx", "coinbase-advanced"};
    static const char *const KINDS[] = {"packed", "stored"};
    codec *coder = codec_open();
    td_buf out;
    (void)state;
    td_buf_init(&out, 1 << 20);
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        td_buf records = read_golden(NAMES[i], "records");
        for (size_t k = 0; k < sizeof KINDS / sizeof KINDS[0]; k++) {
            td_buf packed = read_golden(NAMES[i], KINDS[k]);
            assert_int_equal(pack_decode(coder, td_buf_view(&packed), records.size, 0, &out, NULL),
                             TD_OK);
            assert_true(td_bytes_equal(td_buf_view(&out), td_buf_view(&records)));
            td_buf_fini(&packed);
        }
        (void)check_round_trip(td_buf_view(&records), NAMES[i]);
        td_buf_fini(&records);
    }
    td_buf_fini(&out);
    codec_close(coder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),         cmocka_unit_test(test_records),
        cmocka_unit_test(test_cut_records),   cmocka_unit_test(test_books_are_shorter),
        cmocka_unit_test(test_large_object),  cmocka_unit_test(test_mutated_texts),
        cmocka_unit_test(test_changed_bytes), cmocka_unit_test(test_empty_literal),
        cmocka_unit_test(test_golden_chunks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
