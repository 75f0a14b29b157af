/* What a reader knows of its file: channels, chunks, damage. Filled from the summary, an index, or
 * a walk. */
#include "format/segment_reader_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "format/mcap_decode.h"

enum { MCAP_IDS = UINT16_MAX + 1 };

/* The schema of an id, or NULL; files have few of them. */
static const file_schema *find_schema(const segment_reader *r, uint16_t id)
{
    for (uint32_t i = 0; i < r->schema_count; i++) {
        if (r->schemas[i].id == id)
            return &r->schemas[i];
    }
    return NULL;
}

td_result reader_add_schema(segment_reader *reader, td_bytes content, td_err *err)
{
    segment_reader *r = reader;
    mcap_schema schema;
    td_result rc = mcap_decode_schema(content, &schema, err);
    if (rc != TD_OK)
        return rc;
    /* Id 0 is invalid and to be ignored by readers (specification, "Schema"). */
    if (schema.id == 0 || find_schema(r, schema.id) != NULL)
        return TD_OK;
    r->schemas = td_array_grow(r->schemas, r->schema_count, sizeof *r->schemas);
    r->schemas[r->schema_count++] = (file_schema){
        .id = schema.id,
        .name = td_strndup((const char *)schema.name.data, schema.name.size),
        .text = (uint8_t *)td_strndup((const char *)schema.data.data, schema.data.size),
        .text_bytes = schema.data.size};
    return TD_OK;
}

const char *reader_place_text(char **at, td_bytes bytes)
{
    char *start = *at;
    if (bytes.size > 0)
        memcpy(start, bytes.data, bytes.size);
    start[bytes.size] = '\0';
    *at = start + bytes.size + 1;
    return start;
}

uint64_t reader_parse_u64(td_bytes text)
{
    uint64_t value = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return 0;
        if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
            __builtin_add_overflow(value, (uint64_t)(text.data[i] - '0'), &value))
            return 0;
    }
    return value;
}

static uint32_t parse_u32(td_bytes text)
{
    uint64_t value = reader_parse_u64(text);
    return value > UINT32_MAX ? 0 : (uint32_t)value;
}

/* Files of other programs hold what came in. */
static channel_dir parse_dir(td_bytes text)
{
    channel_dir dir;
    return channel_dir_parse(text, &dir) ? dir : CHANNEL_IN;
}

/* Fill info from our metadata keys, or from the MCAP topic where a file is not ours. */
static void fill_info(segment_channel *channel, const mcap_channel *in, char *texts,
                      const file_schema *schema)
{
    TD_ASSERT(channel->id == in->id);
    char *at = texts;
    td_bytes feed = mcap_find_pair(in->metadata, "feed");
    td_bytes topic = mcap_find_pair(in->metadata, "topic");
    td_bytes opcode = mcap_find_pair(in->metadata, "opcode");
    if (feed.size == 0)
        feed = td_bytes_str(SEGMENT_FOREIGN_FEED);
    if (topic.size == 0)
        topic = in->topic;
    channel->info = (channel_info){
        .feed = reader_place_text(&at, feed),
        .family = reader_place_text(&at, mcap_find_pair(in->metadata, "family")),
        .line = parse_u32(mcap_find_pair(in->metadata, "line")),
        .shard = parse_u32(mcap_find_pair(in->metadata, "shard")),
        .dir = parse_dir(mcap_find_pair(in->metadata, "dir")),
        .topic = reader_place_text(&at, topic),
        .exchange_topic = reader_place_text(&at, mcap_find_pair(in->metadata, "exchange_topic")),
        .symbol = reader_place_text(&at, mcap_find_pair(in->metadata, "symbol")),
        .opcode = parse_u32(opcode) == OPCODE_BINARY ? OPCODE_BINARY : OPCODE_TEXT,
        .message_encoding = reader_place_text(&at, in->message_encoding),
        .schema_name = schema == NULL ? "" : schema->name,
        .schema =
            schema == NULL ? td_bytes_of(NULL, 0) : td_bytes_of(schema->text, schema->text_bytes)};
}

/* Put a channel into the list, which owns its strings then, and map its id to its index. */
static void keep_channel(segment_reader *r, const segment_channel *channel)
{
    TD_ASSERT(r->channel_count < MCAP_IDS);
    uint32_t stored = r->channel_count + 1;
    size_t end = ((size_t)channel->id + 1) * sizeof stored;
    if (end > r->by_id.size) {
        td_buf_grow(&r->by_id, end - r->by_id.size);
        memset(r->by_id.data + r->by_id.size, 0, end - r->by_id.size);
        r->by_id.size = end;
    }
    memcpy(r->by_id.data + end - sizeof stored, &stored, sizeof stored);
    segment_channel *kept = td_alloc(sizeof *kept);
    *kept = *channel;
    kept->index = r->channel_count;
    r->channels = td_array_grow(r->channels, r->channel_count, sizeof(void *));
    r->channels[r->channel_count++] = kept;
}

td_result reader_add_channel(segment_reader *reader, td_bytes content, td_err *err)
{
    segment_reader *r = reader;
    mcap_channel in;
    td_result rc = mcap_decode_channel(content, &in, err);
    if (rc != TD_OK)
        return rc;
    if (segment_reader_channel_by_id(r, in.id) != NULL)
        return TD_OK;
    /* Every string comes from the record, and gets a NUL. */
    char *texts = td_alloc(content.size + sizeof SEGMENT_FOREIGN_FEED + 8);
    segment_channel channel = {.id = in.id, .message_count = UINT64_MAX};
    fill_info(&channel, &in, texts, find_schema(r, in.schema_id));
    keep_channel(r, &channel);
    return TD_OK;
}

td_result reader_add_known_channel(segment_reader *reader, const segment_channel *channel,
                                   td_err *err)
{
    if (segment_reader_channel_by_id(reader, channel->id) != NULL)
        return td_err_set(err, TD_E_CORRUPT, "channel %u is there twice", channel->id);
    segment_channel own = {.id = channel->id, .info = channel->info, .message_count = UINT64_MAX};
    segment_channel_own_strings(&own);
    keep_channel(reader, &own);
    return TD_OK;
}

void reader_free_channels(segment_reader *reader)
{
    TD_ASSERT(reader->channel_count <= MCAP_IDS);
    for (uint32_t i = 0; i < reader->channel_count; i++) {
        segment_channel_free_strings(reader->channels[i]);
        td_free(reader->channels[i]);
    }
    for (uint32_t i = 0; i < reader->schema_count; i++) {
        td_free(reader->schemas[i].name);
        td_free(reader->schemas[i].text);
    }
    reader->channel_count = 0;
    reader->schema_count = 0;
    td_buf_clear(&reader->by_id);
}

void reader_learn_channels(segment_reader *reader, td_bytes records)
{
    size_t at = 0;
    mcap_record record;
    while (mcap_next_record(records, &at, &record, NULL) == TD_OK) {
        td_result rc = TD_OK;
        if (record.opcode == MCAP_SCHEMA)
            rc = reader_add_schema(reader, record.content, NULL);
        else if (record.opcode == MCAP_CHANNEL)
            rc = reader_add_channel(reader, record.content, NULL);
        (void)rc; /* what is broken is left out */
    }
}

int reader_knows_all(const segment_reader *reader, td_bytes bitmap)
{
    for (size_t byte = 0; byte < bitmap.size; byte++) {
        for (unsigned bit = 0; bitmap.data[byte] >> bit != 0; bit++) {
            uint16_t id = (uint16_t)(byte * 8 + bit);
            if ((bitmap.data[byte] >> bit & 1) && segment_reader_channel_by_id(reader, id) == NULL)
                return 0;
        }
    }
    return 1;
}

uint32_t segment_reader_channel_count(const segment_reader *reader)
{
    return reader->channel_count;
}

const segment_channel *segment_reader_channel(const segment_reader *reader, uint32_t index)
{
    TD_ASSERT(index < reader->channel_count);
    return reader->channels[index];
}

const segment_channel *segment_reader_channel_by_id(const segment_reader *reader, uint16_t id)
{
    uint32_t stored = 0;
    size_t at = (size_t)id * sizeof stored;
    if (at + sizeof stored <= reader->by_id.size)
        memcpy(&stored, reader->by_id.data + at, sizeof stored);
    return stored == 0 ? NULL : reader->channels[stored - 1];
}

/* ---- chunks ---- */

td_result reader_add_chunk(segment_reader *reader, const segment_chunk *chunk, td_bytes bitmap,
                           td_err *err)
{
    segment_reader *r = reader;
    /* Mostly zeros, and there is one for each chunk: eight at a time. */
    while (bitmap.size >= 8 && td_le64(bitmap.data + bitmap.size - 8) == 0)
        bitmap.size -= 8;
    while (bitmap.size > 0 && bitmap.data[bitmap.size - 1] == 0)
        bitmap.size--;
    r->chunks = td_array_grow(r->chunks, r->chunk_count, sizeof *r->chunks);
    size_t at = r->bitmaps.size;
    td_result rc = td_buf_append(&r->bitmaps, bitmap.data, bitmap.size, err);
    if (rc != TD_OK)
        return rc;
    segment_chunk *made = &r->chunks[r->chunk_count++];
    *made = *chunk;
    made->bitmap_offset = (uint32_t)at;
    made->bitmap_bytes = (uint32_t)bitmap.size;
    return TD_OK;
}

td_result reader_add_chunk_index(segment_reader *reader, const mcap_chunk_index *index,
                                 uint64_t message_count, td_err *err)
{
    uint8_t bits[(UINT16_MAX + 1) / 8] = {0};
    uint8_t has_channels = 0;
    mcap_packed rest = index->index_offsets;
    uint16_t id;
    uint64_t offset;
    while (mcap_next_count(&rest, &id, &offset)) {
        bits[id / 8] |= (uint8_t)(1u << (id % 8));
        has_channels = 1;
    }
    segment_chunk chunk = {.offset = index->chunk_offset,
                           .chunk_bytes = index->chunk_bytes,
                           .index_bytes = index->index_bytes,
                           .uncompressed_bytes = index->uncompressed_bytes,
                           .first_ns = index->start_ns,
                           .last_ns = index->end_ns,
                           .message_count = message_count,
                           .has_channels = has_channels};
    return reader_add_chunk(reader, &chunk, td_bytes_of(bits, has_channels ? sizeof bits : 0), err);
}

uint32_t segment_reader_chunk_count(const segment_reader *reader)
{
    return reader->chunk_count;
}

const segment_chunk *segment_reader_chunk(const segment_reader *reader, uint32_t index)
{
    TD_ASSERT(index < reader->chunk_count);
    return &reader->chunks[index];
}

td_bytes segment_reader_bitmap(const segment_reader *reader, uint32_t chunk_index)
{
    TD_ASSERT(chunk_index < reader->chunk_count);
    const segment_chunk *chunk = &reader->chunks[chunk_index];
    return td_bytes_of(chunk->bitmap_bytes == 0 ? NULL
                                                : reader->bitmaps.data + chunk->bitmap_offset,
                       chunk->bitmap_bytes);
}

int segment_reader_chunk_has_unknown(const segment_reader *reader, uint32_t chunk_index)
{
    return !reader_knows_all(reader, segment_reader_bitmap(reader, chunk_index));
}

int segment_reader_chunk_has(const segment_reader *reader, uint32_t chunk_index,
                             const segment_channel *channel)
{
    if (!segment_reader_chunk(reader, chunk_index)->has_channels)
        return 1;
    td_bytes bitmap = segment_reader_bitmap(reader, chunk_index);
    size_t byte = channel->id / 8;
    if (byte >= bitmap.size)
        return 0;
    TD_ASSERT(bitmap.data != NULL);
    return bitmap.data[byte] >> (channel->id % 8) & 1;
}

/* ---- damage ---- */

void reader_note_damage(segment_reader *reader, const td_err *why, uint64_t offset)
{
    TD_ASSERT(why->code != TD_OK);
    if (reader->info.damaged_count++ == 0)
        (void)snprintf(reader->damage, sizeof reader->damage, "offset %" PRIu64 ": %.*s", offset,
                       DAMAGE_TEXT_BYTES - 40, why->text); /* a long text may be cut */
}

int reader_end_may_be_torn(const segment_reader *reader)
{
    return reader->info.is_ours && reader->has_open_name;
}
