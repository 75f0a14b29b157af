/* Chunks of each compression. Expected: a packed chunk gives its records; with any bit flipped it
 * is refused, or gives the same records, because a Chunk has their CRC. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/limits.h"
#include "format/chunk_codec.h"
#include "format/mcap_encode.h"
#include "pack/pack.h"

/* Messages of a topic and of text. */
static void add_messages(td_buf *to)
{
    for (uint32_t i = 0; i < 30; i++) {
        char text[128];
        const int size = snprintf(text, sizeof text,
                                  i % 5 == 4 ? "ping %u" : "{\"b\":[[\"%u.50\",\"%u\"]],\"u\":%u}",
                                  100 + i % 7, i % 3, i);
        const mcap_message message = {.channel_id = (uint16_t)(1 + i % 2),
                                      .sequence = i + 1,
                                      .log_ns = 1000000 + i,
                                      .publish_ns = 1000000 + i,
                                      .data = td_bytes_of(text, (size_t)size)};
        mcap_encode_message(to, &message);
    }
}

static void test_packed_chunk(void **state)
{
    codec *coder = codec_open();
    td_buf records;
    td_buf packed;
    td_buf out;
    (void)state;
    td_buf_init(&records, 1 << 20);
    td_buf_init(&packed, 1 << 20);
    td_buf_init(&out, LIMIT_CHUNK_BYTES);
    add_messages(&records);
    assert_int_equal(pack_encode(coder, td_buf_view(&records), PACK_BEST, &packed, NULL), TD_OK);
    const mcap_chunk chunk = {.uncompressed_bytes = records.size,
                              .uncompressed_crc = td_crc32(0, records.data, records.size),
                              .compression = td_bytes_str(CHUNK_PACKED),
                              .records = td_buf_view(&packed)};
    assert_int_equal(chunk_decompress_records(coder, &chunk, 8, &out, NULL), TD_OK);
    assert_true(td_bytes_equal(td_buf_view(&out), td_buf_view(&records)));
    assert_true(out.capacity >= records.size + 8);
    for (size_t bit = 0; bit < packed.size * 8; bit++) {
        packed.data[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        const td_result rc = chunk_decompress(coder, &chunk, 0, &out, NULL);
        if (rc != TD_E_CORRUPT &&
            (rc != TD_OK || !td_bytes_equal(td_buf_view(&out), td_buf_view(&records))))
            fail_msg("bit %zu: result %d", bit, (int)rc);
        packed.data[bit / 8] ^= (uint8_t)(1U << (bit % 8));
    }
    mcap_chunk other = chunk;
    other.compression = td_bytes_str("lz4");
    assert_int_equal(chunk_decompress(coder, &other, 0, &out, NULL), TD_E_CORRUPT);
    td_buf_fini(&records);
    td_buf_fini(&packed);
    td_buf_fini(&out);
    codec_close(coder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_packed_chunk)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
