#include "format/segment_verify_impl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/limits.h"
#include "format/mcap_decode.h"
#include "format/mcap_encode.h"

/* Set a bit; 1 if it was set already. */
static int set_bit(uint8_t *bits, uint16_t id)
{
    int was_set = bits[id / 8] >> (id % 8) & 1;
    bits[id / 8] |= (uint8_t)(1u << (id % 8));
    return was_set;
}

/* A schema or channel: the reader learns it, and the summary must repeat it once. */
static td_result take_definition(verify_state *v, const mcap_record *record, td_bytes whole,
                                 uint64_t offset, td_err *err)
{
    TD_ASSERT(record->opcode == MCAP_SCHEMA || record->opcode == MCAP_CHANNEL);
    TD_ASSERT(whole.size == MCAP_PREFIX_BYTES + record->content.size);
    td_err why;
    td_result rc = record->opcode == MCAP_SCHEMA
                       ? reader_add_schema(v->reader, record->content, &why)
                       : reader_add_channel(v->reader, record->content, &why);
    if (rc == TD_E_CORRUPT) {
        verify_report(v, FINDING_STRUCTURE, offset, "%s", why.text);
        return TD_OK;
    }
    uint16_t id = td_le16(record->content.data);
    if (rc == TD_OK && record->opcode == MCAP_SCHEMA && !set_bit(v->known_schemas, id))
        rc = mcap_summary_add_schemas(&v->summary, whole, 1, &why);
    else if (rc == TD_OK && record->opcode == MCAP_CHANNEL && !set_bit(v->known_channels, id))
        rc = mcap_summary_add_channels(&v->summary, whole, 1, &why);
    if (rc != TD_OK && err != NULL)
        *err = why;
    return rc;
}

/* A message: its channel must have been defined, its time lie in the chunk's range. */
static td_result take_message(verify_state *v, td_bytes content, uint64_t chunk_offset,
                              uint64_t offset, mcap_message *out, td_err *err)
{
    td_err why;
    if (mcap_decode_message(content, out, &why) != TD_OK) {
        verify_report(v, FINDING_STRUCTURE, chunk_offset, "message at %" PRIu64 ": %s", offset,
                      why.text);
        return TD_OK;
    }
    const segment_channel *channel = segment_reader_channel_by_id(v->reader, out->channel_id);
    if (channel == NULL || !(v->known_channels[out->channel_id / 8] >> (out->channel_id % 8) & 1)) {
        verify_report(v, FINDING_STRUCTURE, chunk_offset,
                      "message at %" PRIu64 " is on channel %u, which is not defined before it",
                      offset, out->channel_id);
        return TD_OK;
    }
    td_result rc = mcap_summary_reserve_count(&v->summary, out->channel_id, err);
    if (rc != TD_OK)
        return rc;
    mcap_summary_count_messages(&v->summary, out->channel_id, 1, out->log_ns, out->log_ns);
    return verify_count(v, channel, out, chunk_offset, err);
}

/* Remember a message for the indexes behind the chunk, and the range of times. */
static td_result note_entry(verify_state *v, const mcap_message *message, uint64_t offset,
                            uint64_t *first_ns, uint64_t *last_ns, td_err *err)
{
    TD_ASSERT(offset < v->records.size);
    verify_entry entry = {.log_ns = message->log_ns, .offset = offset, .id = message->channel_id};
    if (v->entries.size == 0 || message->log_ns < *first_ns)
        *first_ns = message->log_ns;
    if (message->log_ns > *last_ns)
        *last_ns = message->log_ns;
    return td_buf_append(&v->entries, &entry, sizeof entry, err);
}

/* The order in which message indexes list a chunk. */
static int by_id_and_offset(const void *a, const void *b)
{
    const verify_entry *x = a, *y = b;
    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* In foreign files too the times must be those of the messages: readers skip chunks by them. */
static void check_range(verify_state *v, uint64_t first_ns, uint64_t last_ns)
{
    TD_ASSERT(first_ns <= last_ns);
    const mcap_chunk_index *chunk = &v->chunk_index;
    if (chunk->start_ns != first_ns || chunk->end_ns != last_ns)
        verify_report(v, FINDING_TIME, chunk->chunk_offset,
                      "chunk says times %" PRIu64 " to %" PRIu64 ", its messages %" PRIu64
                      " to %" PRIu64,
                      chunk->start_ns, chunk->end_ns, first_ns, last_ns);
}

/* Every record of the decompressed chunk. */
static td_result walk_records(verify_state *v, td_err *err)
{
    td_bytes records = td_buf_view(&v->records);
    uint64_t chunk_at = v->chunk_index.chunk_offset, first_ns = 0, last_ns = 0;
    size_t at = 0;
    mcap_record record;
    td_err why;
    td_result rc;
    td_buf_clear(&v->entries);
    while ((rc = mcap_next_record(records, &at, &record, &why)) == TD_OK) {
        td_bytes whole =
            td_bytes_of(records.data + record.offset, MCAP_PREFIX_BYTES + record.content.size);
        mcap_message message = {0};
        if (record.opcode == MCAP_MESSAGE) {
            rc = take_message(v, record.content, chunk_at, record.offset, &message, err);
            if (rc == TD_OK)
                rc = note_entry(v, &message, record.offset, &first_ns, &last_ns, err);
        } else if (record.opcode == MCAP_SCHEMA || record.opcode == MCAP_CHANNEL) {
            rc = take_definition(v, &record, whole, chunk_at, err);
        } else if (record.opcode < MCAP_PRIVATE_FIRST) {
            verify_report(v, FINDING_STRUCTURE, chunk_at, "%s record inside of a chunk",
                          mcap_opcode_name(record.opcode));
        }
        if (rc != TD_OK)
            return rc;
    }
    if (rc != TD_EOF)
        verify_report(v, FINDING_STRUCTURE, chunk_at, "%s", why.text);
    check_range(v, first_ns, last_ns);
    if (v->entries.size > 0)
        qsort(v->entries.data, v->entries.size / sizeof(verify_entry), sizeof(verify_entry),
              by_id_and_offset);
    return TD_OK;
}

/* Decompress into v->records and check the CRC. TD_E_CORRUPT and kin: reported by the caller. */
static td_result unpack(verify_state *v, const mcap_chunk *chunk, td_err *err)
{
    td_result rc = codec_find(chunk->compression, &v->chunk_codec, err);
    if (rc == TD_OK && chunk->uncompressed_bytes > LIMIT_CHUNK_BYTES)
        rc = td_err_set(err, TD_E_LIMIT, "%" PRIu64 " bytes uncompressed: limit %zu",
                        chunk->uncompressed_bytes, LIMIT_CHUNK_BYTES);
    size_t size = (size_t)chunk->uncompressed_bytes;
    td_buf_clear(&v->records);
    if (rc == TD_OK)
        rc = td_buf_reserve(&v->records, size, err);
    if (rc == TD_OK)
        rc = codec_decompress(v->coder, v->chunk_codec, chunk->records, v->records.data, size, err);
    if (rc != TD_OK)
        return rc;
    v->records.size = size;
    uint32_t crc = td_crc32(0, v->records.data, size);
    if (chunk->uncompressed_crc != 0 && crc != chunk->uncompressed_crc)
        return td_err_set(err, TD_E_CORRUPT, "CRC of the records is %08x, %08x expected", crc,
                          chunk->uncompressed_crc);
    return TD_OK;
}

/* For the chunk indexes of the summary; offsets only rise. */
static td_result note_chunk(verify_state *v, td_err *err)
{
    TD_ASSERT(v->chunk_index.chunk_bytes >= MCAP_PREFIX_BYTES);
    const mcap_chunk_index *index = &v->chunk_index;
    verify_chunk chunk = {.offset = index->chunk_offset,
                          .record_bytes = index->chunk_bytes,
                          .index_bytes = index->index_bytes,
                          .start_ns = index->start_ns,
                          .end_ns = index->end_ns,
                          .compressed_bytes = index->compressed_bytes,
                          .uncompressed_bytes = index->uncompressed_bytes};
    return td_buf_append(&v->chunks, &chunk, sizeof chunk, err);
}

td_result verify_chunk_record(verify_state *v, const mcap_place *place, td_err *err)
{
    TD_ASSERT(!v->has_chunk);
    td_bytes content;
    mcap_chunk chunk;
    td_err why;
    td_result rc = mcap_source_content(&v->reader->source, place, &content, &why);
    if (rc == TD_OK)
        rc = mcap_decode_chunk(content, &chunk, &why);
    if (rc == TD_OK) {
        v->has_chunk = 1;
        v->indexed_count = 0;
        td_buf_clear(&v->offsets);
        v->chunk_index = (mcap_chunk_index){.start_ns = chunk.start_ns,
                                            .end_ns = chunk.end_ns,
                                            .chunk_offset = place->offset,
                                            .chunk_bytes = place->end - place->offset,
                                            .compressed_bytes = chunk.records.size,
                                            .uncompressed_bytes = chunk.uncompressed_bytes};
        rc = unpack(v, &chunk, &why);
    }
    v->is_chunk_read = rc == TD_OK;
    if (rc != TD_OK) {
        v->is_block_read = 0;
        if (verify_is_fatal(rc)) {
            if (err != NULL)
                *err = why;
            return rc;
        }
        verify_report(v, FINDING_CHUNK_CRC, place->offset, "%s", why.text);
        return TD_OK;
    }
    if (v->is_ours && chunk.uncompressed_crc == 0)
        verify_report(v, FINDING_CRC_MISSING, place->offset, "chunk without CRC");
    return walk_records(v, err);
}

/* Index in entries of the first one of a channel. */
static size_t find_first(const verify_entry *entries, size_t count, uint16_t id, uint64_t offset)
{
    size_t low = 0, high = count;
    verify_entry key = {.id = id, .offset = offset};
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (by_id_and_offset(&entries[middle], &key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* 1 if every entry of the index is a message of its chunk; ours: in the chunk's order. */
static int is_index_right(const verify_state *v, const mcap_message_index *index)
{
    TD_ASSERT(v->is_chunk_read);
    const verify_entry *entries = (const verify_entry *)(const void *)v->entries.data;
    size_t count = v->entries.size / sizeof *entries;
    uint64_t log_ns, offset, least = 0;
    mcap_packed rest = index->entries;
    while (mcap_next_entry(&rest, &log_ns, &offset)) {
        size_t at = find_first(entries, count, index->channel_id, offset);
        if (at == count || entries[at].id != index->channel_id || entries[at].offset != offset ||
            entries[at].log_ns != log_ns || (v->is_ours && offset < least))
            return 0;
        least = offset + 1;
    }
    return 1;
}

td_result verify_message_index(verify_state *v, const mcap_place *place, td_err *err)
{
    TD_ASSERT(place->opcode == MCAP_MESSAGE_INDEX);
    td_bytes content;
    mcap_message_index index;
    td_err why;
    td_result rc = mcap_source_content(&v->reader->source, place, &content, &why);
    if (rc == TD_OK)
        rc = mcap_decode_message_index(content, &index, &why);
    if (rc == TD_OK && !v->has_chunk)
        rc = td_err_set(&why, TD_E_CORRUPT, "message index without a chunk before it");
    if (rc != TD_OK) {
        if (!verify_is_fatal(rc))
            verify_report(v, FINDING_STRUCTURE, place->offset, "%s", why.text);
        else if (err != NULL)
            *err = why;
        return verify_is_fatal(rc) ? rc : TD_OK;
    }
    v->indexed_count += index.entries.bytes.size / MCAP_INDEX_ENTRY_BYTES;
    v->chunk_index.index_bytes += place->end - place->offset;
    if (v->is_chunk_read && !is_index_right(v, &index))
        verify_report(v, FINDING_INDEX, place->offset,
                      "message index of channel %u differs from the chunk at %" PRIu64,
                      index.channel_id, v->chunk_index.chunk_offset);
    return mcap_pack_count(&v->offsets, index.channel_id, place->offset, err);
}

td_result verify_close_chunk(verify_state *v, td_err *err)
{
    if (!v->has_chunk)
        return TD_OK;
    v->has_chunk = 0;
    uint64_t messages = v->entries.size / sizeof(verify_entry);
    int wants_indexes = v->is_ours || v->offsets.size > 0;
    if (v->is_chunk_read && wants_indexes && v->indexed_count != messages)
        verify_report(v, FINDING_INDEX, v->chunk_index.chunk_offset,
                      "message indexes list %" PRIu64 " messages, the chunk has %" PRIu64,
                      v->indexed_count, messages);
    v->chunk_index.index_offsets.bytes = td_buf_view(&v->offsets);
    v->chunk_index.compression = td_bytes_str(codec_name(v->chunk_codec));
    td_result rc = note_chunk(v, err);
    if (rc == TD_OK)
        rc = mcap_summary_add_chunk(&v->summary, &v->chunk_index, err);
    return rc;
}

/* A schema, channel or message outside of chunks. */
td_result verify_run_record(verify_state *v, const mcap_place *place, td_err *err)
{
    TD_ASSERT(!v->has_chunk);
    TD_ASSERT(place->end > place->offset);
    td_bytes whole;
    td_err why;
    td_result rc = mcap_source_view(&v->reader->source, place->offset, place->end - place->offset,
                                    &whole, &why);
    if (rc != TD_OK) {
        if (!verify_is_fatal(rc))
            verify_report(v, FINDING_STRUCTURE, place->offset, "%s", why.text);
        else if (err != NULL)
            *err = why;
        return verify_is_fatal(rc) ? rc : TD_OK;
    }
    mcap_record record = {
        .opcode = place->opcode,
        .offset = place->offset,
        .content = td_bytes_of(whole.data + MCAP_PREFIX_BYTES, whole.size - MCAP_PREFIX_BYTES)};
    if (place->opcode != MCAP_MESSAGE)
        return take_definition(v, &record, whole, place->offset, err);
    mcap_message message;
    return take_message(v, record.content, place->offset, place->offset, &message, err);
}
