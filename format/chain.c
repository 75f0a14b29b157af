#include "format/chain.h"

#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "format/mcap.h"
#include "format/mcap_encode.h"

enum { MAGIC_BYTES = sizeof CHAIN_MAGIC - 1 };

/* Size of a record's content, including the value at its end. */
static size_t content_bytes(uint32_t conn_count)
{
    return CHAIN_FIXED_BYTES + (size_t)conn_count * CHAIN_CONN_BYTES + CHAIN_VALUE_BYTES;
}

static void write_conn(uint8_t *p, const chain_conn *conn)
{
    td_put_le32(p, conn->line);
    td_put_le32(p + 4, conn->shard);
    td_put_le32(p + 8, conn->conn);
    td_put_le32(p + 12, conn->late_ms);
    td_put_le64(p + 16, conn->in);
    td_put_le64(p + 24, conn->out);
    td_put_le64(p + 32, conn->in_ordinal);
    td_put_le64(p + 40, conn->out_ordinal);
}

static void read_conn(const uint8_t *p, chain_conn *out)
{
    *out = (chain_conn){.line = td_le32(p),
                        .shard = td_le32(p + 4),
                        .conn = td_le32(p + 8),
                        .late_ms = td_le32(p + 12),
                        .in = td_le64(p + 16),
                        .out = td_le64(p + 24),
                        .in_ordinal = td_le64(p + 32),
                        .out_ordinal = td_le64(p + 40)};
}

void chain_append_fields(td_buf *buf, const chain_record *record)
{
    TD_ASSERT(record->conn_count <= CHAIN_CONNS_MAX);
    TD_ASSERT(record->totals.frames_in ==
              record->totals.frames_written + record->totals.frames_dropped);
    size_t content = content_bytes(record->conn_count);
    td_buf_grow(buf, MCAP_PREFIX_BYTES + content);
    uint8_t *p = buf->data + buf->size;
    mcap_write_prefix(p, CHAIN_OPCODE, content);
    p += MCAP_PREFIX_BYTES;
    memcpy(p, CHAIN_MAGIC, MAGIC_BYTES);
    td_put_le64(p + 8, record->covers_from);
    td_put_le64(p + 16, record->chunk_count);
    td_put_le64(p + 24, record->totals.frames_in);
    td_put_le64(p + 32, record->totals.frames_written);
    td_put_le64(p + 40, record->totals.frames_dropped);
    td_put_le64(p + 48, record->totals.bytes_written);
    td_put_le64(p + 56, record->totals.events_written);
    td_put_le32(p + 64, record->conn_count);
    for (uint32_t i = 0; i < record->conn_count; i++)
        write_conn(p + CHAIN_FIXED_BYTES + (size_t)i * CHAIN_CONN_BYTES, &record->conns[i]);
    buf->size += MCAP_PREFIX_BYTES + content - CHAIN_VALUE_BYTES;
}

void chain_start(td_hasher *hasher, td_hash128 previous)
{
    td_hasher_reset(hasher);
    td_hasher_update(hasher, previous.bytes, sizeof previous.bytes);
}

td_hash128 chain_append_value(td_buf *buf, const td_hasher *hasher)
{
    TD_ASSERT(buf->capacity - buf->size >= CHAIN_VALUE_BYTES);
    td_hash128 value = td_hasher_digest(hasher);
    memcpy(buf->data + buf->size, value.bytes, sizeof value.bytes);
    buf->size += CHAIN_VALUE_BYTES;
    return value;
}

td_hash128 chain_value(td_hasher *hasher, td_hash128 previous, td_bytes covered)
{
    chain_start(hasher, previous);
    td_hasher_update(hasher, covered.data, covered.size);
    return td_hasher_digest(hasher);
}

td_result chain_decode(td_bytes content, chain_conn *conns, chain_record *out, td_err *err)
{
    TD_ASSERT(out != NULL);
    if (content.size < content_bytes(0) || memcmp(content.data, CHAIN_MAGIC, MAGIC_BYTES) != 0)
        return td_err_set(err, TD_E_CORRUPT, "private record of %zu bytes is not a chain record",
                          content.size);
    const uint8_t *p = content.data;
    *out = (chain_record){.covers_from = td_le64(p + 8),
                          .chunk_count = td_le64(p + 16),
                          .totals = {.frames_in = td_le64(p + 24),
                                     .frames_written = td_le64(p + 32),
                                     .frames_dropped = td_le64(p + 40),
                                     .bytes_written = td_le64(p + 48),
                                     .events_written = td_le64(p + 56)},
                          .conns = conns,
                          .conn_count = td_le32(p + 64)};
    if (out->conn_count > CHAIN_CONNS_MAX || content_bytes(out->conn_count) != content.size)
        return td_err_set(err, TD_E_CORRUPT, "chain record: %zu bytes with %u connections",
                          content.size, out->conn_count);
    const chain_totals *t = &out->totals;
    if (t->frames_in != t->frames_written + t->frames_dropped)
        return td_err_set(err, TD_E_CORRUPT,
                          "chain record: %" PRIu64 " frames in, but %" PRIu64
                          " written and %" PRIu64 " dropped",
                          t->frames_in, t->frames_written, t->frames_dropped);
    for (uint32_t i = 0; conns != NULL && i < out->conn_count; i++)
        read_conn(p + CHAIN_FIXED_BYTES + (size_t)i * CHAIN_CONN_BYTES, &conns[i]);
    memcpy(out->value.bytes, p + content.size - CHAIN_VALUE_BYTES, CHAIN_VALUE_BYTES);
    return TD_OK;
}

int chain_value_parse(td_bytes hex, td_hash128 *out)
{
    if (hex.size != 2 * sizeof out->bytes)
        return 0;
    for (size_t i = 0; i < sizeof out->bytes; i++) {
        int high = td_hex_digit(hex.data[2 * i]);
        int low = td_hex_digit(hex.data[2 * i + 1]);
        if (high < 0 || low < 0)
            return 0;
        out->bytes[i] = (uint8_t)(high * 16 + low);
    }
    return 1;
}
