#include "format/mcap_decode.h"

#include <inttypes.h>

#include "base/assert.h"

/* Reads fields in sequence. The first field that does not fit sets bad_field, and later reads
 * return zero, so a decoder checks once, at its end. */
typedef struct mcap_input {
    const uint8_t *p;
    size_t left;
    const char *bad_field; /* NULL = no error */
    uint64_t wanted;
} mcap_input;

static mcap_input input_of(td_bytes content)
{
    return (mcap_input){.p = content.data, .left = content.size};
}

/* The next bytes of the content; NULL after a field did not fit. */
static const uint8_t *read_bytes(mcap_input *c, uint64_t bytes, const char *field)
{
    TD_ASSERT(field != NULL);
    if (c->bad_field != NULL || bytes > c->left) {
        if (c->bad_field == NULL) {
            c->bad_field = field;
            c->wanted = bytes;
        }
        return NULL;
    }
    const uint8_t *p = c->p;
    c->p += bytes;
    c->left -= (size_t)bytes;
    return p;
}

static uint16_t get_u16(mcap_input *c, const char *field)
{
    const uint8_t *p = read_bytes(c, 2, field);
    return p == NULL ? 0 : td_le16(p);
}

static uint32_t get_u32(mcap_input *c, const char *field)
{
    const uint8_t *p = read_bytes(c, 4, field);
    return p == NULL ? 0 : td_le32(p);
}

static uint64_t get_u64(mcap_input *c, const char *field)
{
    const uint8_t *p = read_bytes(c, 8, field);
    return p == NULL ? 0 : td_le64(p);
}

/* A view of the next bytes; empty after a field did not fit. */
static td_bytes get_bytes(mcap_input *c, uint64_t size, const char *field)
{
    const uint8_t *p = read_bytes(c, size, field);
    return td_bytes_of(p, p == NULL ? 0 : (size_t)size);
}

/* A string, map or array after its 4-byte length. */
static td_bytes get_counted(mcap_input *c, const char *field)
{
    uint32_t size = get_u32(c, field);
    return get_bytes(c, size, field);
}

/* A map or array with entries of a fixed size. */
static mcap_packed get_packed(mcap_input *c, size_t entry_bytes, const char *field)
{
    TD_ASSERT(entry_bytes > 0);
    td_bytes bytes = get_counted(c, field);
    if (c->bad_field == NULL && bytes.size % entry_bytes != 0) {
        c->bad_field = field;
        c->wanted = entry_bytes;
    }
    return (mcap_packed){bytes};
}

/* A map of strings, checked here so that mcap_next_pair needs no checks. */
static mcap_packed get_pairs(mcap_input *c)
{
    static const char field[] = "metadata";
    mcap_packed packed = {get_counted(c, field)};
    mcap_input inner = input_of(packed.bytes);
    while (inner.left > 0 && inner.bad_field == NULL) {
        (void)get_counted(&inner, field); /* only checked here */
        (void)get_counted(&inner, field);
    }
    if (c->bad_field == NULL && inner.bad_field != NULL) {
        c->bad_field = field;
        c->wanted = inner.wanted;
    }
    return packed;
}

/* Return TD_OK, or TD_E_CORRUPT if a field did not fit. */
static td_result finish(const mcap_input *c, uint8_t opcode, td_err *err)
{
    TD_ASSERT(opcode != 0);
    if (TD_LIKELY(c->bad_field == NULL))
        return TD_OK;
    return td_err_set(err, TD_E_CORRUPT,
                      "%s record: field %s needs %" PRIu64 " bytes, %zu are left",
                      mcap_opcode_name(opcode), c->bad_field, c->wanted, c->left);
}

td_result mcap_check_magic(const uint8_t magic[MCAP_MAGIC_BYTES], td_err *err)
{
    TD_ASSERT(magic != NULL);
    enum { VERSION_AT = 5 };
    if (memcmp(magic, MCAP_MAGIC, MCAP_MAGIC_BYTES) == 0)
        return TD_OK;
    if (memcmp(magic, MCAP_MAGIC, VERSION_AT) == 0 && memcmp(magic + 6, "\r\n", 2) == 0)
        return td_err_set(err, TD_E_UNSUPPORTED, "MCAP major version 0x%02x, 0x30 is known",
                          magic[VERSION_AT]);
    return td_err_set(err, TD_E_CORRUPT, "does not begin as an MCAP file");
}

td_result mcap_decode_header(td_bytes content, mcap_header *out, td_err *err)
{
    mcap_input c = input_of(content);
    out->profile = get_counted(&c, "profile");
    out->library = get_counted(&c, "library");
    return finish(&c, MCAP_HEADER, err);
}

td_result mcap_decode_footer(td_bytes content, mcap_footer *out, td_err *err)
{
    mcap_input c = input_of(content);
    out->summary_start = get_u64(&c, "summary_start");
    out->summary_offset_start = get_u64(&c, "summary_offset_start");
    out->summary_crc = get_u32(&c, "summary_crc");
    return finish(&c, MCAP_FOOTER, err);
}

td_result mcap_decode_channel(td_bytes content, mcap_channel *out, td_err *err)
{
    mcap_input c = input_of(content);
    out->id = get_u16(&c, "id");
    out->schema_id = get_u16(&c, "schema_id");
    out->topic = get_counted(&c, "topic");
    out->message_encoding = get_counted(&c, "message_encoding");
    out->metadata = get_pairs(&c);
    return finish(&c, MCAP_CHANNEL, err);
}

td_result mcap_decode_message(td_bytes content, mcap_message *out, td_err *err)
{
    mcap_input c = input_of(content);
    const uint8_t *p = read_bytes(&c, MCAP_MESSAGE_FIELDS_BYTES, "channel_id..publish_time");
    if (TD_UNLIKELY(p == NULL))
        return finish(&c, MCAP_MESSAGE, err);
    *out = (mcap_message){.channel_id = td_le16(p),
                          .sequence = td_le32(p + 2),
                          .log_ns = td_le64(p + 6),
                          .publish_ns = td_le64(p + 14),
                          .data = td_bytes_of(c.p, c.left)};
    return TD_OK;
}

td_result mcap_decode_chunk(td_bytes content, mcap_chunk *out, td_err *err)
{
    mcap_input c = input_of(content);
    out->start_ns = get_u64(&c, "message_start_time");
    out->end_ns = get_u64(&c, "message_end_time");
    out->uncompressed_bytes = get_u64(&c, "uncompressed_size");
    out->uncompressed_crc = get_u32(&c, "uncompressed_crc");
    out->compression = get_counted(&c, "compression");
    uint64_t records_bytes = get_u64(&c, "records");
    out->records = get_bytes(&c, records_bytes, "records");
    return finish(&c, MCAP_CHUNK, err);
}

td_result mcap_decode_message_index(td_bytes content, mcap_message_index *out, td_err *err)
{
    mcap_input c = input_of(content);
    out->channel_id = get_u16(&c, "channel_id");
    out->entries = get_packed(&c, MCAP_INDEX_ENTRY_BYTES, "records");
    return finish(&c, MCAP_MESSAGE_INDEX, err);
}

td_result mcap_decode_chunk_index(td_bytes content, mcap_chunk_index *out, td_err *err)
{
    mcap_input c = input_of(content);
    out->start_ns = get_u64(&c, "message_start_time");
    out->end_ns = get_u64(&c, "message_end_time");
    out->chunk_offset = get_u64(&c, "chunk_start_offset");
    out->chunk_bytes = get_u64(&c, "chunk_length");
    out->index_offsets = get_packed(&c, 10, "message_index_offsets");
    out->index_bytes = get_u64(&c, "message_index_length");
    out->compression = get_counted(&c, "compression");
    out->compressed_bytes = get_u64(&c, "compressed_size");
    out->uncompressed_bytes = get_u64(&c, "uncompressed_size");
    return finish(&c, MCAP_CHUNK_INDEX, err);
}

td_result mcap_decode_statistics(td_bytes content, mcap_statistics *out, td_err *err)
{
    mcap_input c = input_of(content);
    out->message_count = get_u64(&c, "message_count");
    out->schema_count = get_u16(&c, "schema_count");
    out->channel_count = get_u32(&c, "channel_count");
    out->attachment_count = get_u32(&c, "attachment_count");
    out->metadata_count = get_u32(&c, "metadata_count");
    out->chunk_count = get_u32(&c, "chunk_count");
    out->start_ns = get_u64(&c, "message_start_time");
    out->end_ns = get_u64(&c, "message_end_time");
    out->channel_counts = get_packed(&c, 10, "channel_message_counts");
    return finish(&c, MCAP_STATISTICS, err);
}

td_result mcap_decode_metadata(td_bytes content, mcap_metadata *out, td_err *err)
{
    mcap_input c = input_of(content);
    out->name = get_counted(&c, "name");
    out->pairs = get_pairs(&c);
    return finish(&c, MCAP_METADATA, err);
}

td_result mcap_next_record(td_bytes records, size_t *at, mcap_record *out, td_err *err)
{
    TD_ASSERT(*at <= records.size);
    size_t left = records.size - *at;
    if (left == 0)
        return TD_EOF;
    if (left < MCAP_PREFIX_BYTES)
        return td_err_set(err, TD_E_TRUNCATED, "record at %zu: %zu bytes, at least %d expected",
                          *at, left, MCAP_PREFIX_BYTES);
    const uint8_t *p = records.data + *at;
    uint64_t size = td_le64(p + 1);
    left -= MCAP_PREFIX_BYTES;
    if (size > left)
        return td_err_set(err, TD_E_TRUNCATED,
                          "%s record at %zu: content of %" PRIu64 " bytes, %zu are left",
                          mcap_opcode_name(p[0]), *at, size, left);
    out->opcode = p[0];
    out->offset = *at;
    out->content = td_bytes_of(p + MCAP_PREFIX_BYTES, (size_t)size);
    *at += MCAP_PREFIX_BYTES + (size_t)size;
    return TD_OK;
}

int mcap_next_pair(mcap_packed *rest, mcap_pair *out)
{
    mcap_input c = input_of(rest->bytes);
    if (c.left == 0)
        return 0;
    out->key = get_counted(&c, "key");
    out->value = get_counted(&c, "value");
    rest->bytes = td_bytes_of(c.p, c.bad_field == NULL ? c.left : 0);
    return c.bad_field == NULL;
}

int mcap_next_count(mcap_packed *rest, uint16_t *key, uint64_t *value)
{
    if (rest->bytes.size < MCAP_COUNT_BYTES)
        return 0;
    *key = td_le16(rest->bytes.data);
    *value = td_le64(rest->bytes.data + 2);
    rest->bytes =
        td_bytes_of(rest->bytes.data + MCAP_COUNT_BYTES, rest->bytes.size - MCAP_COUNT_BYTES);
    return 1;
}

int mcap_next_entry(mcap_packed *rest, uint64_t *log_ns, uint64_t *offset)
{
    if (rest->bytes.size < MCAP_INDEX_ENTRY_BYTES)
        return 0;
    *log_ns = td_le64(rest->bytes.data);
    *offset = td_le64(rest->bytes.data + 8);
    rest->bytes = td_bytes_of(rest->bytes.data + MCAP_INDEX_ENTRY_BYTES,
                              rest->bytes.size - MCAP_INDEX_ENTRY_BYTES);
    return 1;
}

td_bytes mcap_find_pair(mcap_packed pairs, const char *key)
{
    TD_ASSERT(key != NULL);
    mcap_pair pair;
    while (mcap_next_pair(&pairs, &pair)) {
        if (td_bytes_is(pair.key, key))
            return pair.value;
    }
    return td_bytes_of(NULL, 0);
}

const char *mcap_opcode_name(uint8_t opcode)
{
    static const char *const NAMES[] = {
        [MCAP_HEADER] = "Header",
        [MCAP_FOOTER] = "Footer",
        [MCAP_SCHEMA] = "Schema",
        [MCAP_CHANNEL] = "Channel",
        [MCAP_MESSAGE] = "Message",
        [MCAP_CHUNK] = "Chunk",
        [MCAP_MESSAGE_INDEX] = "Message Index",
        [MCAP_CHUNK_INDEX] = "Chunk Index",
        [MCAP_ATTACHMENT] = "Attachment",
        [MCAP_ATTACHMENT_INDEX] = "Attachment Index",
        [MCAP_STATISTICS] = "Statistics",
        [MCAP_METADATA] = "Metadata",
        [MCAP_METADATA_INDEX] = "Metadata Index",
        [MCAP_SUMMARY_OFFSET] = "Summary Offset",
        [MCAP_DATA_END] = "Data End",
    };
    if (opcode >= MCAP_PRIVATE_FIRST)
        return "private";
    if (opcode < sizeof NAMES / sizeof NAMES[0] && NAMES[opcode] != NULL)
        return NAMES[opcode];
    return "unknown";
}
