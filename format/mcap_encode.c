#include "format/mcap_encode.h"

#include <string.h>

#include "base/assert.h"

/* Position of the next field. begin_record reserves the space, so the put_ functions need no
 * checks; end_record asserts that the size was right. */
typedef struct mcap_output {
    uint8_t *p;
    const uint8_t *end;
} mcap_output;

static const size_t U64_BYTES = sizeof(uint64_t);

/* Size of a string, map or array with its 4-byte length. */
static size_t counted(td_bytes bytes)
{
    return 4 + bytes.size;
}

/* Reserve a record and write opcode and length. */
static mcap_output begin_record(td_buf *buf, uint8_t opcode, size_t content_bytes)
{
    TD_ASSERT(opcode != 0);
    td_buf_grow(buf, MCAP_PREFIX_BYTES + content_bytes);
    uint8_t *start = buf->data + buf->size;
    mcap_write_prefix(start, opcode, content_bytes);
    buf->size += MCAP_PREFIX_BYTES + content_bytes;
    uint8_t *content = start + MCAP_PREFIX_BYTES;
    return (mcap_output){.p = content, .end = content + content_bytes};
}

/* Assert that the size passed to begin_record was right. */
static void end_record(const mcap_output *c)
{
    TD_ASSERT(c->p == c->end);
}

static void put_u8(mcap_output *c, uint8_t v)
{
    *c->p++ = v;
}

static void put_u16(mcap_output *c, uint16_t v)
{
    td_put_le16(c->p, v);
    c->p += 2;
}

static void put_u32(mcap_output *c, uint32_t v)
{
    td_put_le32(c->p, v);
    c->p += 4;
}

static void put_u64(mcap_output *c, uint64_t v)
{
    td_put_le64(c->p, v);
    c->p += 8;
}

/* A string, map or array after its 4-byte length. */
static void put_counted(mcap_output *c, td_bytes bytes)
{
    TD_ASSERT(bytes.size <= UINT32_MAX);
    put_u32(c, (uint32_t)bytes.size);
    TD_ASSERT(bytes.size <= (size_t)(c->end - c->p));
    if (bytes.size > 0)
        memcpy(c->p, bytes.data, bytes.size);
    c->p += bytes.size;
}

void mcap_encode_magic(td_buf *buf)
{
    td_buf_add(buf, MCAP_MAGIC, MCAP_MAGIC_BYTES);
}

void mcap_encode_header(td_buf *buf, const mcap_header *in)
{
    mcap_output c = begin_record(buf, MCAP_HEADER, counted(in->profile) + counted(in->library));
    put_counted(&c, in->profile);
    put_counted(&c, in->library);
    end_record(&c);
}

void mcap_encode_footer(td_buf *buf, const mcap_footer *in)
{
    mcap_output c = begin_record(buf, MCAP_FOOTER, MCAP_FOOTER_CONTENT_BYTES);
    put_u64(&c, in->summary_start);
    put_u64(&c, in->summary_offset_start);
    put_u32(&c, in->summary_crc);
    end_record(&c);
}

void mcap_encode_schema(td_buf *buf, const mcap_schema *in)
{
    mcap_output c = begin_record(buf, MCAP_SCHEMA,
                                 2 + counted(in->name) + counted(in->encoding) + counted(in->data));
    put_u16(&c, in->id);
    put_counted(&c, in->name);
    put_counted(&c, in->encoding);
    put_counted(&c, in->data);
    end_record(&c);
}

void mcap_encode_channel(td_buf *buf, const mcap_channel *in)
{
    size_t content =
        2 + 2 + counted(in->topic) + counted(in->message_encoding) + counted(in->metadata.bytes);
    mcap_output c = begin_record(buf, MCAP_CHANNEL, content);
    put_u16(&c, in->id);
    put_u16(&c, in->schema_id);
    put_counted(&c, in->topic);
    put_counted(&c, in->message_encoding);
    put_counted(&c, in->metadata.bytes);
    end_record(&c);
}

void mcap_encode_chunk_index(td_buf *buf, const mcap_chunk_index *in)
{
    TD_ASSERT(in->index_offsets.bytes.size % 10 == 0);
    size_t content =
        5 * U64_BYTES + counted(in->index_offsets.bytes) + counted(in->compression) + 2 * U64_BYTES;
    mcap_output c = begin_record(buf, MCAP_CHUNK_INDEX, content);
    put_u64(&c, in->start_ns);
    put_u64(&c, in->end_ns);
    put_u64(&c, in->chunk_offset);
    put_u64(&c, in->chunk_bytes);
    put_counted(&c, in->index_offsets.bytes);
    put_u64(&c, in->index_bytes);
    put_counted(&c, in->compression);
    put_u64(&c, in->compressed_bytes);
    put_u64(&c, in->uncompressed_bytes);
    end_record(&c);
}

void mcap_encode_statistics(td_buf *buf, const mcap_statistics *in)
{
    TD_ASSERT(in->channel_counts.bytes.size % 10 == 0);
    size_t content = 3 * U64_BYTES + 2 + 4 * sizeof(uint32_t) + counted(in->channel_counts.bytes);
    mcap_output c = begin_record(buf, MCAP_STATISTICS, content);
    put_u64(&c, in->message_count);
    put_u16(&c, in->schema_count);
    put_u32(&c, in->channel_count);
    put_u32(&c, in->attachment_count);
    put_u32(&c, in->metadata_count);
    put_u32(&c, in->chunk_count);
    put_u64(&c, in->start_ns);
    put_u64(&c, in->end_ns);
    put_counted(&c, in->channel_counts.bytes);
    end_record(&c);
}

void mcap_encode_metadata(td_buf *buf, const mcap_metadata *in)
{
    mcap_output c = begin_record(buf, MCAP_METADATA, counted(in->name) + counted(in->pairs.bytes));
    put_counted(&c, in->name);
    put_counted(&c, in->pairs.bytes);
    end_record(&c);
}

void mcap_encode_metadata_index(td_buf *buf, const mcap_metadata_index *in)
{
    mcap_output c = begin_record(buf, MCAP_METADATA_INDEX, 2 * U64_BYTES + counted(in->name));
    put_u64(&c, in->offset);
    put_u64(&c, in->length);
    put_counted(&c, in->name);
    end_record(&c);
}

void mcap_encode_summary_offset(td_buf *buf, const mcap_summary_offset *in)
{
    mcap_output c = begin_record(buf, MCAP_SUMMARY_OFFSET, 1 + 2 * U64_BYTES);
    put_u8(&c, in->group_opcode);
    put_u64(&c, in->group_start);
    put_u64(&c, in->group_bytes);
    end_record(&c);
}

void mcap_encode_data_end(td_buf *buf, const mcap_data_end *in)
{
    mcap_output c = begin_record(buf, MCAP_DATA_END, 4);
    put_u32(&c, in->data_section_crc);
    end_record(&c);
}

void mcap_pack_pair(td_buf *buf, td_bytes key, td_bytes value)
{
    td_buf_grow(buf, counted(key) + counted(value));
    mcap_output c = {.p = buf->data + buf->size, .end = buf->data + buf->capacity};
    put_counted(&c, key);
    put_counted(&c, value);
    buf->size += counted(key) + counted(value);
}

void mcap_pack_count(td_buf *buf, uint16_t key, uint64_t value)
{
    uint8_t entry[10];
    td_put_le16(entry, key);
    td_put_le64(entry + 2, value);
    td_buf_add(buf, entry, sizeof entry);
}
