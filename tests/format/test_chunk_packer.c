/* Chunks of records that are packed by the test. Expected: format/chunk_packer.h, and the fields of
 * the MCAP specification (https://mcap.dev/spec, "Chunk", "Message Index"). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "format/chunk_codec.h"
#include "format/chunk_packer.h"
#include "format/mcap_decode.h"
#include "format/mcap_encode.h"

static void put(td_buf *records, uint16_t channel, uint64_t log_ns)
{
    const mcap_message message = {.channel_id = channel, .log_ns = log_ns, .data = {0}};
    mcap_encode_message(records, &message);
}

static mcap_record next(const sealed_chunk *chunk, size_t *at)
{
    mcap_record record;
    assert_int_equal(mcap_next_record(td_buf_view(&chunk->bytes), at, &record, NULL), TD_OK);
    return record;
}

/* Checks that a channel's index has these times, in the order of the records. */
static void expect_index(const sealed_chunk *chunk, size_t *at, uint16_t channel,
                         const uint64_t *times, size_t count)
{
    const mcap_record record = next(chunk, at);
    mcap_message_index index;
    assert_int_equal(mcap_decode_message_index(record.content, &index, NULL), TD_OK);
    assert_int_equal(index.channel_id, channel);
    assert_int_equal(index.entries.bytes.size, count * MCAP_INDEX_ENTRY_BYTES);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(td_le64(index.entries.bytes.data + i * MCAP_INDEX_ENTRY_BYTES), times[i]);
}

/* Ids and times in any order, with other records in between; the next chunk starts over. */
static void test_packed(void **state)
{
    (void)state;
    static const uint64_t OF_300[] = {50, 20}, OF_7[] = {40};
    td_buf records;
    td_buf_init(&records, 1 << 20);
    chunk_packer *packer = chunk_packer_open();
    sealed_chunk *chunk = sealed_chunk_open();
    for (int turn = 0; turn < 2; turn++) {
        td_buf_clear(&records);
        mcap_encode_schema(&records, &(mcap_schema){.id = 1});
        put(&records, 300, 50);
        put(&records, 7, 40);
        put(&records, 300, 20);
        chunk_packer_pack(packer, CHUNK_LEVEL_DEFAULT, td_buf_view(&records), chunk);
        assert_int_equal(chunk->first_ns, 20);
        assert_int_equal(chunk->last_ns, 50);
        assert_int_equal(chunk->message_count, 3);
        assert_int_equal(chunk->uncompressed_bytes, records.size);
        assert_int_equal(chunk->channel_count, 2);
        assert_int_equal(chunk->channels[0].id, 7);
        assert_int_equal(chunk->channels[1].id, 300);
        assert_int_equal(chunk->channels[1].first_ns, 20);
        assert_int_equal(chunk->channels[1].last_ns, 50);
        size_t at = 0;
        mcap_chunk head;
        assert_int_equal(mcap_decode_chunk(next(chunk, &at).content, &head, NULL), TD_OK);
        assert_int_equal(head.start_ns, 20);
        assert_int_equal(head.end_ns, 50);
        assert_int_equal(at, chunk->chunk_bytes);
        expect_index(chunk, &at, 7, OF_7, 1);
        assert_int_equal(at, chunk->chunk_bytes + chunk->channels[1].index_offset);
        expect_index(chunk, &at, 300, OF_300, 2);
        assert_int_equal(at, chunk->chunk_bytes + chunk->index_bytes);
        assert_int_equal(at, chunk->bytes.size);
    }
    chunk_packer_close(packer);
    sealed_chunk_close(chunk);
    td_buf_fini(&records);
}

static void test_without_messages(void **state)
{
    (void)state;
    td_buf records;
    td_buf_init(&records, 1 << 20);
    mcap_encode_schema(&records, &(mcap_schema){.id = 1});
    chunk_packer *packer = chunk_packer_open();
    sealed_chunk *chunk = sealed_chunk_open();
    chunk_packer_pack(packer, CHUNK_LEVEL_DEFAULT, td_buf_view(&records), chunk);
    assert_int_equal(chunk->message_count, 0);
    assert_int_equal(chunk->channel_count, 0);
    assert_int_equal(chunk->first_ns, 0);
    assert_int_equal(chunk->last_ns, 0);
    assert_int_equal(chunk->bytes.size, chunk->chunk_bytes);
    chunk_packer_close(packer);
    sealed_chunk_close(chunk);
    td_buf_fini(&records);
}

/* Messages of which columns gain little: JSON of a few shapes whose values are random. */
static void put_random(td_buf *records, unsigned count, unsigned seed)
{
    uint32_t state = seed;
    for (unsigned i = 0; i < count; i++) {
        char text[256];
        int size = snprintf(text, sizeof text, "{\"id\":\"");
        for (unsigned k = 0; k < 20 + seed % 30; k++, state = state * 1664525u + 1013904223u)
            size +=
                snprintf(text + size, sizeof text - (size_t)size, "%c", 'a' + (state >> 24) % 20);
        size += snprintf(text + size, sizeof text - (size_t)size, "\"}");
        const mcap_message message = {.channel_id = (uint16_t)(1 + i % 5),
                                      .log_ns = 1000 + i,
                                      .publish_ns = 1000 + i,
                                      .data = td_bytes_of(text, (size_t)size)};
        mcap_encode_message(records, &message);
    }
}

/* Packed best, no chunk is larger than what zstd makes of it with its indexes. */
static void test_columns_are_never_larger(void **state)
{
    (void)state;
    td_buf records;
    td_buf_init(&records, 1 << 20);
    chunk_packer *packer = chunk_packer_open();
    sealed_chunk *zstd = sealed_chunk_open();
    sealed_chunk *best = sealed_chunk_open();
    unsigned zstd_count = 0;
    for (unsigned seed = 1; seed < 60; seed++) {
        td_buf_clear(&records);
        put_random(&records, seed % 7, seed);
        if (seed % 2 == 0)
            mcap_encode_schema(&records, &(mcap_schema){.id = 1});
        chunk_packer_pack(packer, 19, td_buf_view(&records), zstd);
        chunk_packer_pack_columns(packer, PACK_BEST, td_buf_view(&records), best);
        if (best->bytes.size > zstd->bytes.size)
            fail_msg("seed %u: %zu bytes, zstd %zu", seed, best->bytes.size, zstd->bytes.size);
        assert_int_equal(best->bytes.size, best->chunk_bytes + best->index_bytes);
        assert_int_equal(best->message_count, seed % 7);
        zstd_count += strcmp(best->compression, CHUNK_ZSTD) == 0;
    }
    assert_in_range(zstd_count, 1, 58);
    sealed_chunk_close(zstd);
    sealed_chunk_close(best);
    chunk_packer_close(packer);
    td_buf_fini(&records);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packed),
        cmocka_unit_test(test_without_messages),
        cmocka_unit_test(test_columns_are_never_larger),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
