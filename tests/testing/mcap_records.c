#include "tests/testing/mcap_records.h"

#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "format/mcap_encode.h"

enum { PARTS_MAX = 7 };

/* The content of a record, as its parts follow each other. */
typedef struct content {
    td_bytes parts[PARTS_MAX];
    size_t count;
    uint8_t numbers[64]; /* fields that are numbers, where parts point to */
    size_t number_bytes;
} content;

static void add_bytes(content *c, td_bytes bytes)
{
    TD_ASSERT(c->count < PARTS_MAX);
    c->parts[c->count++] = bytes;
}

/* A number in little-endian order. */
static void add_number(content *c, uint64_t value, size_t bytes)
{
    uint8_t *at = c->numbers + c->number_bytes;
    TD_ASSERT(c->number_bytes + bytes <= sizeof c->numbers);
    for (size_t i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> (8 * i));
    c->number_bytes += bytes;
    add_bytes(c, td_bytes_of(at, bytes));
}

static void append_record(td_buf *buf, uint8_t opcode, const content *c)
{
    TD_ASSERT(opcode != 0);
    size_t size = 0;
    for (size_t i = 0; i < c->count; i++)
        size += c->parts[i].size;
    td_buf_grow(buf, MCAP_PREFIX_BYTES + size);
    uint8_t *to = buf->data + buf->size;
    mcap_write_prefix(to, opcode, size);
    to += MCAP_PREFIX_BYTES;
    for (size_t i = 0; i < c->count; i++) {
        if (c->parts[i].size > 0)
            memcpy(to, c->parts[i].data, c->parts[i].size);
        to += c->parts[i].size;
    }
    buf->size += MCAP_PREFIX_BYTES + size;
}

void mcap_encode_raw(td_buf *buf, uint8_t opcode, td_bytes bytes)
{
    content c = {.count = 0};
    add_bytes(&c, bytes);
    append_record(buf, opcode, &c);
}

void mcap_encode_message(td_buf *buf, const mcap_message *in)
{
    uint8_t fields[MCAP_MESSAGE_OVERHEAD_BYTES];
    content c = {.count = 0};
    mcap_write_message_fields(fields, in);
    add_bytes(&c, td_bytes_of(fields + MCAP_PREFIX_BYTES, MCAP_MESSAGE_FIELDS_BYTES));
    add_bytes(&c, in->data);
    append_record(buf, MCAP_MESSAGE, &c);
}

void mcap_encode_chunk(td_buf *buf, const mcap_chunk *in)
{
    uint8_t times[3 * 8];
    td_put_le64(times, in->start_ns);
    td_put_le64(times + 8, in->end_ns);
    td_put_le64(times + 16, in->uncompressed_bytes);
    content c = {.count = 0};
    add_bytes(&c, td_bytes_of(times, sizeof times));
    add_number(&c, in->uncompressed_crc, 4);
    add_number(&c, in->compression.size, 4);
    add_bytes(&c, in->compression);
    add_number(&c, in->records.size, 8);
    add_bytes(&c, in->records);
    append_record(buf, MCAP_CHUNK, &c);
}

void mcap_encode_message_index(td_buf *buf, const mcap_message_index *in)
{
    TD_ASSERT(in->entries.bytes.size % MCAP_INDEX_ENTRY_BYTES == 0);
    content c = {.count = 0};
    add_number(&c, in->channel_id, 2);
    add_number(&c, in->entries.bytes.size, 4);
    add_bytes(&c, in->entries.bytes);
    append_record(buf, MCAP_MESSAGE_INDEX, &c);
}

void mcap_encode_attachment(td_buf *buf, const mcap_attachment *in)
{
    td_buf covered;
    content c = {.count = 0};
    td_buf_init(&covered, SIZE_MAX);
    td_buf_grow(&covered, 32 + in->name.size + in->media_type.size);
    uint8_t *p = covered.data;
    td_put_le64(p, in->log_ns);
    td_put_le64(p + 8, in->create_ns);
    td_put_le32(p + 16, (uint32_t)in->name.size);
    p += 20;
    memcpy(p, in->name.data, in->name.size);
    p += in->name.size;
    td_put_le32(p, (uint32_t)in->media_type.size);
    memcpy(p + 4, in->media_type.data, in->media_type.size);
    p += 4 + in->media_type.size;
    td_put_le64(p, in->data.size);
    td_bytes fields = td_bytes_of(covered.data, (size_t)(p + 8 - covered.data));
    add_bytes(&c, fields);
    add_bytes(&c, in->data);
    uint32_t crc = td_crc32(0, fields.data, fields.size);
    add_number(&c, td_crc32(crc, in->data.data, in->data.size), 4);
    append_record(buf, MCAP_ATTACHMENT, &c);
    td_buf_fini(&covered);
}

void mcap_pack_entry(td_buf *buf, uint64_t log_ns, uint64_t offset)
{
    TD_ASSERT(buf->size % MCAP_INDEX_ENTRY_BYTES == 0);
    uint8_t entry[MCAP_INDEX_ENTRY_BYTES];
    td_put_le64(entry, log_ns);
    td_put_le64(entry + 8, offset);
    td_buf_add(buf, entry, sizeof entry);
}
