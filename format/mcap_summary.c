#include "format/mcap_summary.h"

#include "base/assert.h"
#include "base/hash.h"
#include "format/mcap_encode.h"

enum { IDS = UINT16_MAX + 1 };

void mcap_summary_init(mcap_summary *summary)
{
    *summary = (mcap_summary){0};
    td_buf_init(&summary->schemas, SUMMARY_BYTES_MAX);
    td_buf_init(&summary->channels, SUMMARY_BYTES_MAX);
    td_buf_init(&summary->chunks, SUMMARY_BYTES_MAX);
    td_buf_init(&summary->attachments, SUMMARY_BYTES_MAX);
    td_buf_init(&summary->metadata, SUMMARY_BYTES_MAX);
    td_buf_init(&summary->counts, IDS * sizeof(uint64_t));
    td_buf_init(&summary->pack, SUMMARY_BYTES_MAX);
}

void mcap_summary_fini(mcap_summary *summary)
{
    td_buf_fini(&summary->schemas);
    td_buf_fini(&summary->channels);
    td_buf_fini(&summary->chunks);
    td_buf_fini(&summary->attachments);
    td_buf_fini(&summary->metadata);
    td_buf_fini(&summary->counts);
    td_buf_fini(&summary->pack);
}

td_result mcap_summary_add_schemas(mcap_summary *summary, td_bytes records, uint32_t count,
                                   td_err *err)
{
    td_result rc = td_buf_append(&summary->schemas, records.data, records.size, err);
    if (rc == TD_OK)
        summary->schema_count += count;
    return rc;
}

td_result mcap_summary_add_channels(mcap_summary *summary, td_bytes records, uint32_t count,
                                    td_err *err)
{
    td_result rc = td_buf_append(&summary->channels, records.data, records.size, err);
    if (rc == TD_OK)
        summary->channel_count += count;
    return rc;
}

td_result mcap_summary_add_chunk(mcap_summary *summary, const mcap_chunk_index *index, td_err *err)
{
    td_result rc = mcap_encode_chunk_index(&summary->chunks, index, err);
    if (rc == TD_OK)
        summary->chunk_count++;
    return rc;
}

td_result mcap_summary_add_attachment(mcap_summary *summary, const mcap_attachment_index *index,
                                      td_err *err)
{
    td_result rc = mcap_encode_attachment_index(&summary->attachments, index, err);
    if (rc == TD_OK)
        summary->attachment_count++;
    return rc;
}

td_result mcap_summary_add_metadata(mcap_summary *summary, const mcap_metadata_index *index,
                                    td_err *err)
{
    td_result rc = mcap_encode_metadata_index(&summary->metadata, index, err);
    if (rc == TD_OK)
        summary->metadata_count++;
    return rc;
}

td_result mcap_summary_reserve_count(mcap_summary *summary, uint16_t id, td_err *err)
{
    size_t wanted = ((size_t)id + 1) * sizeof(uint64_t);
    if (wanted <= summary->counts.size)
        return TD_OK;
    td_result rc = td_buf_reserve(&summary->counts, wanted - summary->counts.size, err);
    if (rc != TD_OK)
        return rc;
    memset(summary->counts.data + summary->counts.size, 0, wanted - summary->counts.size);
    summary->counts.size = wanted;
    return TD_OK;
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
    TD_ASSERT(((size_t)id + 1) * sizeof count <= summary->counts.size);
    TD_ASSERT(count > 0);
    uint64_t total = mcap_summary_count(summary, id) + count;
    memcpy(summary->counts.data + (size_t)id * sizeof total, &total, sizeof total);
    if (summary->message_count == 0 || first_ns < summary->start_ns)
        summary->start_ns = first_ns;
    if (last_ns > summary->end_ns)
        summary->end_ns = last_ns;
    summary->message_count += count;
}

mcap_summary_mark mcap_summary_get_mark(const mcap_summary *summary)
{
    return (mcap_summary_mark){.schemas = summary->schemas.size,
                               .channels = summary->channels.size,
                               .chunks = summary->chunks.size,
                               .attachments = summary->attachments.size,
                               .metadata = summary->metadata.size,
                               .schema_count = summary->schema_count,
                               .channel_count = summary->channel_count,
                               .attachment_count = summary->attachment_count,
                               .metadata_count = summary->metadata_count,
                               .chunk_count = summary->chunk_count};
}

void mcap_summary_undo(mcap_summary *summary, mcap_summary_mark mark)
{
    TD_ASSERT(mark.chunks <= summary->chunks.size);
    summary->schemas.size = mark.schemas;
    summary->channels.size = mark.channels;
    summary->chunks.size = mark.chunks;
    summary->attachments.size = mark.attachments;
    summary->metadata.size = mark.metadata;
    summary->schema_count = mark.schema_count;
    summary->channel_count = mark.channel_count;
    summary->attachment_count = mark.attachment_count;
    summary->metadata_count = mark.metadata_count;
    summary->chunk_count = mark.chunk_count;
}

/* Counts by rising id; channels without a message are left out. */
static td_result append_statistics(mcap_summary *summary, td_buf *buf, td_err *err)
{
    TD_ASSERT(summary->counts.size % sizeof(uint64_t) == 0);
    td_buf_clear(&summary->pack);
    td_result rc = TD_OK;
    for (size_t id = 0; id * sizeof(uint64_t) < summary->counts.size && rc == TD_OK; id++) {
        uint64_t count = mcap_summary_count(summary, (uint16_t)id);
        if (count > 0)
            rc = mcap_pack_count(&summary->pack, (uint16_t)id, count, err);
    }
    if (rc != TD_OK)
        return rc;
    mcap_statistics statistics = {.message_count = summary->message_count,
                                  .schema_count = (uint16_t)summary->schema_count,
                                  .channel_count = summary->channel_count,
                                  .attachment_count = summary->attachment_count,
                                  .metadata_count = summary->metadata_count,
                                  .chunk_count = summary->chunk_count,
                                  .start_ns = summary->start_ns,
                                  .end_ns = summary->end_ns,
                                  .channel_counts = {td_buf_view(&summary->pack)}};
    return mcap_encode_statistics(buf, &statistics, err);
}

/* The groups of the summary in their order; statistics must come after the channels. */
enum { GROUPS = 6 };
typedef struct group_place {
    uint8_t opcode;
    uint64_t start, bytes; /* in the file */
} group_place;

/* Each group starts at its Summary Offset. */
static td_result append_groups(mcap_summary *summary, td_buf *buf, uint64_t base,
                               group_place places[GROUPS], td_err *err)
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
        {MCAP_ATTACHMENT_INDEX, &summary->attachments},
        {MCAP_METADATA_INDEX, &summary->metadata},
    };
    for (int i = 0; i < GROUPS; i++) {
        size_t before = buf->size;
        td_result rc =
            groups[i].opcode == MCAP_STATISTICS
                ? append_statistics(summary, buf, err)
                : td_buf_append(buf, groups[i].records->data, groups[i].records->size, err);
        if (rc != TD_OK)
            return rc;
        places[i] = (group_place){
            .opcode = groups[i].opcode, .start = base + before, .bytes = buf->size - before};
    }
    return TD_OK;
}

/* Groups without a record have no offset. */
static td_result append_offsets(td_buf *buf, const group_place places[GROUPS], td_err *err)
{
    td_result rc = TD_OK;
    for (int i = 0; i < GROUPS && rc == TD_OK; i++) {
        if (places[i].bytes == 0)
            continue;
        mcap_summary_offset offset = {.group_opcode = places[i].opcode,
                                      .group_start = places[i].start,
                                      .group_bytes = places[i].bytes};
        rc = mcap_encode_summary_offset(buf, &offset, err);
    }
    return rc;
}

/* Footer with the CRC over everything from the summary up to the CRC itself, and the magic. */
static td_result append_footer(td_buf *buf, size_t summary_at, uint64_t summary_start,
                               uint64_t offsets_start, td_err *err)
{
    mcap_footer footer = {.summary_start = summary_start, .summary_offset_start = offsets_start};
    td_result rc = mcap_encode_footer(buf, &footer, err);
    if (rc != TD_OK)
        return rc;
    TD_ASSERT(summary_at < buf->size - 4);
    uint32_t crc = td_crc32(0, buf->data + summary_at, buf->size - 4 - summary_at);
    td_put_le32(buf->data + buf->size - 4, crc);
    return mcap_encode_magic(buf, err);
}

td_result mcap_summary_append_end(mcap_summary *summary, td_buf *buf, uint64_t at,
                                  uint32_t data_crc, td_err *err)
{
    TD_ASSERT(at >= MCAP_MAGIC_BYTES);
    size_t before = buf->size;
    uint64_t base = at - before; /* file offset of buf's first byte, modulo 2^64 */
    mcap_data_end data_end = {.data_section_crc = data_crc};
    td_result rc = mcap_encode_data_end(buf, &data_end, err);
    size_t summary_at = buf->size;
    group_place places[GROUPS];
    if (rc == TD_OK)
        rc = append_groups(summary, buf, base, places, err);
    uint64_t offsets_start = base + buf->size;
    if (rc == TD_OK)
        rc = append_offsets(buf, places, err);
    if (rc == TD_OK)
        rc = append_footer(buf, summary_at, base + summary_at, offsets_start, err);
    if (rc != TD_OK) {
        buf->size = before;
        return td_err_add(err, rc, "summary of the file");
    }
    return TD_OK;
}
