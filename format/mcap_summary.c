#include "format/mcap_summary.h"

#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "format/mcap_decode.h"
#include "format/mcap_encode.h"

enum { IDS = UINT16_MAX + 1 };

void mcap_summary_init(mcap_summary *summary)
{
    *summary = (mcap_summary){0};
    td_buf_init(&summary->schemas, SIZE_MAX);
    td_buf_init(&summary->channels, SIZE_MAX);
    td_buf_init(&summary->chunks, SIZE_MAX);
    td_buf_init(&summary->metadata, SIZE_MAX);
    td_buf_init(&summary->checkpoints, SIZE_MAX);
    td_buf_init(&summary->counts, IDS * sizeof(uint64_t));
    td_buf_init(&summary->pack, SIZE_MAX);
    td_buf_init(&summary->definitions, IDS * sizeof(uint32_t));
}

void mcap_summary_fini(mcap_summary *summary)
{
    td_buf_fini(&summary->schemas);
    td_buf_fini(&summary->channels);
    td_buf_fini(&summary->chunks);
    td_buf_fini(&summary->metadata);
    td_buf_fini(&summary->checkpoints);
    td_buf_fini(&summary->counts);
    td_buf_fini(&summary->pack);
    td_buf_fini(&summary->definitions);
}

void mcap_summary_add_channels(mcap_summary *summary, td_bytes records, uint32_t count)
{
    td_buf_add(&summary->channels, records.data, records.size);
    summary->channel_count += count;
}

int mcap_summary_has_channel(const mcap_summary *summary, uint16_t id)
{
    return summary->known[id / 8] >> (id % 8) & 1;
}

td_result mcap_summary_note_channel(mcap_summary *summary, const mcap_record *record, td_err *err)
{
    TD_ASSERT(record->opcode == MCAP_CHANNEL);
    if (record->content.size < 2)
        return td_err_set(err, TD_E_CORRUPT, "channel without an id");
    size_t used = summary->channels.size + summary->chunks.size + summary->metadata.size;
    td_bytes whole = td_bytes_of(record->content.data - MCAP_PREFIX_BYTES,
                                 MCAP_PREFIX_BYTES + record->content.size);
    if (whole.size > SUMMARY_BYTES_MAX || used > SUMMARY_BYTES_MAX - whole.size)
        return td_err_set(err, TD_E_LIMIT, "channels of more than %zu bytes", SUMMARY_BYTES_MAX);
    uint16_t id = td_le16(record->content.data);
    size_t at = (size_t)id * sizeof(uint32_t);
    uint32_t crc = td_crc32(0, whole.data, whole.size);
    if (mcap_summary_has_channel(summary, id)) {
        if (td_le32(summary->definitions.data + at) != crc)
            return td_err_set(err, TD_E_CORRUPT, "channel %u is defined again, differently", id);
        return TD_OK;
    }
    if (summary->definitions.size < at + sizeof crc) {
        size_t more = at + sizeof crc - summary->definitions.size;
        td_buf_grow(&summary->definitions, more);
        memset(summary->definitions.data + summary->definitions.size, 0, more);
        summary->definitions.size += more;
    }
    td_put_le32(summary->definitions.data + at, crc);
    summary->known[id / 8] |= (uint8_t)(1u << (id % 8));
    mcap_summary_add_channels(summary, whole, 1);
    return TD_OK;
}

void mcap_summary_add_schema(mcap_summary *summary, const mcap_schema *schema)
{
    mcap_encode_schema(&summary->schemas, schema);
    summary->schema_count++;
}

void mcap_summary_add_chunk(mcap_summary *summary, const mcap_chunk_index *index)
{
    mcap_encode_chunk_index(&summary->chunks, index);
    summary->chunk_count++;
}

void mcap_summary_add_sealed(mcap_summary *summary, const sealed_chunk *chunk, uint64_t offset)
{
    td_buf_clear(&summary->pack);
    for (uint32_t i = 0; i < chunk->channel_count; i++) {
        const sealed_channel *channel = &chunk->channels[i];
        mcap_pack_count(&summary->pack, channel->id,
                        offset + chunk->chunk_bytes + channel->index_offset);
        mcap_summary_count_messages(summary, channel->id, channel->message_count, channel->first_ns,
                                    channel->last_ns);
    }
    const mcap_chunk_index index = {.start_ns = chunk->first_ns,
                                    .end_ns = chunk->last_ns,
                                    .chunk_offset = offset,
                                    .chunk_bytes = chunk->chunk_bytes,
                                    .index_offsets = {td_buf_view(&summary->pack)},
                                    .index_bytes = chunk->index_bytes,
                                    .compression = td_bytes_str(chunk->compression),
                                    .compressed_bytes = chunk->compressed_bytes,
                                    .uncompressed_bytes = chunk->uncompressed_bytes};
    mcap_summary_add_chunk(summary, &index);
    mcap_summary_add_channels(summary, td_buf_view(&chunk->channel_records),
                              chunk->channel_record_count);
}

td_result mcap_summary_note_metadata(mcap_summary *summary, mcap_source *source,
                                     const mcap_location *location, td_err *err)
{
    td_bytes content;
    mcap_metadata metadata;
    td_result rc = mcap_source_content(source, location, &content, err);
    if (rc == TD_OK)
        rc = mcap_decode_metadata(content, &metadata, err);
    if (rc != TD_OK)
        return rc;
    mcap_metadata_index index = {.offset = location->offset,
                                 .length = location->end - location->offset,
                                 .name = metadata.name};
    mcap_summary_add_metadata(summary, &index);
    return TD_OK;
}

void mcap_summary_add_metadata(mcap_summary *summary, const mcap_metadata_index *index)
{
    mcap_encode_metadata_index(&summary->metadata, index);
    summary->metadata_count++;
}

void mcap_summary_add_checkpoint(mcap_summary *summary, const segment_checkpoint *checkpoint)
{
    checkpoint_index_encode(&summary->checkpoints, checkpoint);
}

td_result mcap_summary_note_checkpoint(mcap_summary *summary, mcap_source *source,
                                       const mcap_location *location, td_err *err)
{
    td_bytes content;
    segment_checkpoint found = {.offset = location->offset,
                                .bytes = location->end - location->offset};
    td_result rc = mcap_source_content(source, location, &content, err);
    if (rc == TD_OK)
        rc = checkpoint_at_ns(content, &found.at_ns, err);
    if (rc == TD_OK)
        mcap_summary_add_checkpoint(summary, &found);
    return rc;
}

uint64_t mcap_summary_count(const mcap_summary *summary, uint16_t id)
{
    uint64_t count = 0;
    size_t at = (size_t)id * sizeof count;
    if (at + sizeof count <= summary->counts.size)
        memcpy(&count, summary->counts.data + at, sizeof count);
    return count;
}

void mcap_summary_count_messages(mcap_summary *summary, uint16_t id, uint64_t count,
                                 uint64_t first_ns, uint64_t last_ns)
{
    size_t wanted = ((size_t)id + 1) * sizeof count;
    size_t used = summary->counts.size;
    TD_ASSERT(count > 0);
    if (wanted > used) {
        td_buf_grow(&summary->counts, wanted - used);
        memset(summary->counts.data + used, 0, wanted - used);
        summary->counts.size = wanted;
    }
    uint64_t total = mcap_summary_count(summary, id) + count;
    memcpy(summary->counts.data + (size_t)id * sizeof total, &total, sizeof total);
    if (summary->message_count == 0 || first_ns < summary->start_ns)
        summary->start_ns = first_ns;
    if (last_ns > summary->end_ns)
        summary->end_ns = last_ns;
    summary->message_count += count;
}

/* Append the Statistics record. It has counts by increasing id, without channels that have no
 * messages. */
static void append_statistics(mcap_summary *summary, td_buf *buf)
{
    TD_ASSERT(summary->counts.size % sizeof(uint64_t) == 0);
    td_buf_clear(&summary->pack);
    for (size_t id = 0; id * sizeof(uint64_t) < summary->counts.size; id++) {
        uint64_t count = mcap_summary_count(summary, (uint16_t)id);
        if (count > 0)
            mcap_pack_count(&summary->pack, (uint16_t)id, count);
    }
    mcap_statistics statistics = {.message_count = summary->message_count,
                                  .schema_count = summary->schema_count,
                                  .channel_count = summary->channel_count,
                                  .attachment_count = summary->attachment_count,
                                  .metadata_count = summary->metadata_count,
                                  .chunk_count = summary->chunk_count,
                                  .start_ns = summary->start_ns,
                                  .end_ns = summary->end_ns,
                                  .channel_counts = {td_buf_view(&summary->pack)}};
    mcap_encode_statistics(buf, &statistics);
}

/* Groups of records in the summary, one per opcode. Statistics must come after the channels. */
enum { GROUPS = 6 };
typedef struct group_range {
    uint8_t opcode;
    uint64_t start, bytes; /* in the file */
} group_range;

/* Append the groups and note their positions. */
static void append_groups(mcap_summary *summary, td_buf *buf, uint64_t base,
                          group_range ranges[GROUPS])
{
    TD_ASSERT(buf->size > 0);
    const struct {
        uint8_t opcode;
        const td_buf *records;
    } groups[GROUPS] = {
        {MCAP_SCHEMA, &summary->schemas},
        {MCAP_CHANNEL, &summary->channels},
        {MCAP_STATISTICS, NULL},
        {MCAP_CHUNK_INDEX, &summary->chunks},
        {MCAP_METADATA_INDEX, &summary->metadata},
        {CHECKPOINT_INDEX_OPCODE, &summary->checkpoints},
    };
    for (int i = 0; i < GROUPS; i++) {
        size_t before = buf->size;
        if (groups[i].opcode == MCAP_STATISTICS)
            append_statistics(summary, buf);
        else
            td_buf_add(buf, groups[i].records->data, groups[i].records->size);
        ranges[i] = (group_range){
            .opcode = groups[i].opcode, .start = base + before, .bytes = buf->size - before};
    }
}

void mcap_summary_append_end(mcap_summary *summary, td_buf *buf, uint64_t at, uint32_t data_crc)
{
    TD_ASSERT(at >= MCAP_MAGIC_BYTES);
    uint64_t base = at - buf->size; /* file offset of buf's first byte, modulo 2^64 */
    mcap_data_end data_end = {.data_section_crc = data_crc};
    mcap_encode_data_end(buf, &data_end);
    size_t summary_at = buf->size;
    group_range ranges[GROUPS];
    append_groups(summary, buf, base, ranges);
    mcap_footer footer = {.summary_start = base + summary_at,
                          .summary_offset_start = base + buf->size};
    for (int i = 0; i < GROUPS; i++) {
        if (ranges[i].bytes == 0)
            continue;
        mcap_summary_offset offset = {.group_opcode = ranges[i].opcode,
                                      .group_start = ranges[i].start,
                                      .group_bytes = ranges[i].bytes};
        mcap_encode_summary_offset(buf, &offset);
    }
    /* The footer's CRC covers everything from the summary's start to the CRC itself. */
    mcap_encode_footer(buf, &footer);
    TD_ASSERT(summary_at < buf->size - 4);
    uint32_t crc = td_crc32(0, buf->data + summary_at, buf->size - 4 - summary_at);
    td_put_le32(buf->data + buf->size - 4, crc);
    mcap_encode_magic(buf);
}
