#include "format/mcap_encode.h"

#include <string.h>

#include "base/assert.h"
#include "base/hash.h"

/* Where the next field goes. The space was reserved when the record began, so the put_ functions
 * need no checks of their own; end_record asserts that the size was right. */
typedef struct cursor {
    uint8_t *p;
    const uint8_t *end;
} cursor;

static const size_t U64_BYTES = sizeof(uint64_t);

/* Bytes of a string, map or array with its 4-byte length. */
static size_t counted(td_bytes bytes)
{
    return 4 + bytes.size;
}

/* Reserve a record and write opcode and length. longest is the largest field with a 4-byte length.
 */
static td_result begin_record(td_buf *buf, uint8_t opcode, size_t content_bytes, size_t longest,
                              cursor *out, td_err *err)
{
    TD_ASSERT(opcode != 0);
    if (longest > UINT32_MAX || content_bytes > SIZE_MAX - MCAP_PREFIX_BYTES) {
        td_err_set(err, TD_E_LIMIT, "MCAP record 0x%02x: a field of %zu bytes, limit %u", opcode,
                   longest, UINT32_MAX);
        return TD_E_LIMIT;
    }
    td_result rc = td_buf_reserve(buf, MCAP_PREFIX_BYTES + content_bytes, err);
    if (rc != TD_OK) {
        td_err_add(err, rc, "MCAP record 0x%02x", opcode);
        return rc;
    }
    uint8_t *start = buf->data + buf->size;
    mcap_write_prefix(start, opcode, content_bytes);
    buf->size += MCAP_PREFIX_BYTES + content_bytes;
    out->p = start + MCAP_PREFIX_BYTES;
    out->end = out->p + content_bytes;
    return TD_OK;
}

/* The size given when the record began must have been right. */
static td_result end_record(const cursor *c)
{
    TD_ASSERT(c->p == c->end);
    return TD_OK;
}

static void put_u8(cursor *c, uint8_t v)
{
    *c->p++ = v;
}

static void put_u16(cursor *c, uint16_t v)
{
    td_put_le16(c->p, v);
    c->p += 2;
}

static void put_u32(cursor *c, uint32_t v)
{
    td_put_le32(c->p, v);
    c->p += 4;
}

static void put_u64(cursor *c, uint64_t v)
{
    td_put_le64(c->p, v);
    c->p += 8;
}

static void put_raw(cursor *c, td_bytes bytes)
{
    TD_ASSERT(bytes.size <= (size_t)(c->end - c->p));
    if (bytes.size > 0)
        memcpy(c->p, bytes.data, bytes.size);
    c->p += bytes.size;
}

/* A string, map or array after its 4-byte length. */
static void put_counted(cursor *c, td_bytes bytes)
{
    put_u32(c, (uint32_t)bytes.size);
    put_raw(c, bytes);
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

td_result mcap_encode_magic(td_buf *buf, td_err *err)
{
    return td_buf_append(buf, MCAP_MAGIC, MCAP_MAGIC_BYTES, err);
}

td_result mcap_encode_header(td_buf *buf, const mcap_header *in, td_err *err)
{
    cursor c;
    td_result rc = begin_record(buf, MCAP_HEADER, counted(in->profile) + counted(in->library),
                                larger(in->profile.size, in->library.size), &c, err);
    if (rc != TD_OK)
        return rc;
    put_counted(&c, in->profile);
    put_counted(&c, in->library);
    return end_record(&c);
}

td_result mcap_encode_footer(td_buf *buf, const mcap_footer *in, td_err *err)
{
    cursor c;
    td_result rc = begin_record(buf, MCAP_FOOTER, MCAP_FOOTER_CONTENT_BYTES, 0, &c, err);
    if (rc != TD_OK)
        return rc;
    put_u64(&c, in->summary_start);
    put_u64(&c, in->summary_offset_start);
    put_u32(&c, in->summary_crc);
    return end_record(&c);
}

td_result mcap_encode_schema(td_buf *buf, const mcap_schema *in, td_err *err)
{
    TD_ASSERT(in->id != 0);
    cursor c;
    size_t content = 2 + counted(in->name) + counted(in->encoding) + counted(in->data);
    size_t longest = larger(in->data.size, larger(in->name.size, in->encoding.size));
    td_result rc = begin_record(buf, MCAP_SCHEMA, content, longest, &c, err);
    if (rc != TD_OK)
        return rc;
    put_u16(&c, in->id);
    put_counted(&c, in->name);
    put_counted(&c, in->encoding);
    put_counted(&c, in->data);
    return end_record(&c);
}

td_result mcap_encode_channel(td_buf *buf, const mcap_channel *in, td_err *err)
{
    cursor c;
    size_t content =
        2 + 2 + counted(in->topic) + counted(in->message_encoding) + counted(in->metadata.bytes);
    size_t longest =
        larger(in->metadata.bytes.size, larger(in->topic.size, in->message_encoding.size));
    td_result rc = begin_record(buf, MCAP_CHANNEL, content, longest, &c, err);
    if (rc != TD_OK)
        return rc;
    put_u16(&c, in->id);
    put_u16(&c, in->schema_id);
    put_counted(&c, in->topic);
    put_counted(&c, in->message_encoding);
    put_counted(&c, in->metadata.bytes);
    return end_record(&c);
}

td_result mcap_encode_chunk_index(td_buf *buf, const mcap_chunk_index *in, td_err *err)
{
    TD_ASSERT(in->index_offsets.bytes.size % 10 == 0);
    cursor c;
    size_t content =
        5 * U64_BYTES + counted(in->index_offsets.bytes) + counted(in->compression) + 2 * U64_BYTES;
    td_result rc =
        begin_record(buf, MCAP_CHUNK_INDEX, content,
                     larger(in->index_offsets.bytes.size, in->compression.size), &c, err);
    if (rc != TD_OK)
        return rc;
    put_u64(&c, in->start_ns);
    put_u64(&c, in->end_ns);
    put_u64(&c, in->chunk_offset);
    put_u64(&c, in->chunk_bytes);
    put_counted(&c, in->index_offsets.bytes);
    put_u64(&c, in->index_bytes);
    put_counted(&c, in->compression);
    put_u64(&c, in->compressed_bytes);
    put_u64(&c, in->uncompressed_bytes);
    return end_record(&c);
}

td_result mcap_encode_attachment_index(td_buf *buf, const mcap_attachment_index *in, td_err *err)
{
    cursor c;
    size_t content = 5 * U64_BYTES + counted(in->name) + counted(in->media_type);
    td_result rc = begin_record(buf, MCAP_ATTACHMENT_INDEX, content,
                                larger(in->name.size, in->media_type.size), &c, err);
    if (rc != TD_OK)
        return rc;
    put_u64(&c, in->offset);
    put_u64(&c, in->length);
    put_u64(&c, in->log_ns);
    put_u64(&c, in->create_ns);
    put_u64(&c, in->data_bytes);
    put_counted(&c, in->name);
    put_counted(&c, in->media_type);
    return end_record(&c);
}

td_result mcap_encode_statistics(td_buf *buf, const mcap_statistics *in, td_err *err)
{
    TD_ASSERT(in->channel_counts.bytes.size % 10 == 0);
    cursor c;
    size_t content = 3 * U64_BYTES + 2 + 4 * sizeof(uint32_t) + counted(in->channel_counts.bytes);
    td_result rc =
        begin_record(buf, MCAP_STATISTICS, content, in->channel_counts.bytes.size, &c, err);
    if (rc != TD_OK)
        return rc;
    put_u64(&c, in->message_count);
    put_u16(&c, in->schema_count);
    put_u32(&c, in->channel_count);
    put_u32(&c, in->attachment_count);
    put_u32(&c, in->metadata_count);
    put_u32(&c, in->chunk_count);
    put_u64(&c, in->start_ns);
    put_u64(&c, in->end_ns);
    put_counted(&c, in->channel_counts.bytes);
    return end_record(&c);
}

td_result mcap_encode_metadata(td_buf *buf, const mcap_metadata *in, td_err *err)
{
    cursor c;
    td_result rc = begin_record(buf, MCAP_METADATA, counted(in->name) + counted(in->pairs.bytes),
                                larger(in->name.size, in->pairs.bytes.size), &c, err);
    if (rc != TD_OK)
        return rc;
    put_counted(&c, in->name);
    put_counted(&c, in->pairs.bytes);
    return end_record(&c);
}

td_result mcap_encode_metadata_index(td_buf *buf, const mcap_metadata_index *in, td_err *err)
{
    cursor c;
    td_result rc = begin_record(buf, MCAP_METADATA_INDEX, 2 * U64_BYTES + counted(in->name),
                                in->name.size, &c, err);
    if (rc != TD_OK)
        return rc;
    put_u64(&c, in->offset);
    put_u64(&c, in->length);
    put_counted(&c, in->name);
    return end_record(&c);
}

td_result mcap_encode_summary_offset(td_buf *buf, const mcap_summary_offset *in, td_err *err)
{
    cursor c;
    td_result rc = begin_record(buf, MCAP_SUMMARY_OFFSET, 1 + 2 * U64_BYTES, 0, &c, err);
    if (rc != TD_OK)
        return rc;
    put_u8(&c, in->group_opcode);
    put_u64(&c, in->group_start);
    put_u64(&c, in->group_bytes);
    return end_record(&c);
}

td_result mcap_encode_data_end(td_buf *buf, const mcap_data_end *in, td_err *err)
{
    cursor c;
    td_result rc = begin_record(buf, MCAP_DATA_END, 4, 0, &c, err);
    if (rc != TD_OK)
        return rc;
    put_u32(&c, in->data_section_crc);
    return end_record(&c);
}

td_result mcap_pack_pair(td_buf *buf, td_bytes key, td_bytes value, td_err *err)
{
    if (key.size > UINT32_MAX || value.size > UINT32_MAX)
        return td_err_set(err, TD_E_LIMIT, "MCAP map: entry of %zu and %zu bytes, limit %u",
                          key.size, value.size, UINT32_MAX);
    td_result rc = td_buf_reserve(buf, counted(key) + counted(value), err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "MCAP map");
    cursor c = {.p = buf->data + buf->size, .end = buf->data + buf->capacity};
    put_counted(&c, key);
    put_counted(&c, value);
    buf->size += counted(key) + counted(value);
    return TD_OK;
}

td_result mcap_pack_count(td_buf *buf, uint16_t key, uint64_t value, td_err *err)
{
    uint8_t entry[10];
    td_put_le16(entry, key);
    td_put_le64(entry + 2, value);
    return td_buf_append(buf, entry, sizeof entry, err);
}
