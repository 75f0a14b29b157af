/* The lists of a reader, from the summary that a finished file ends with. */
#include "format/segment_reader_impl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "format/mcap_decode.h"

/* The fields of the summary besides its lists. */
typedef struct summary_facts {
    uint64_t start, end; /* of the records to read; end: first summary offset, or the footer */
    uint64_t data_end;   /* chunks lie before it */
    mcap_statistics statistics;
    uint8_t has_statistics;
} summary_facts;

/* The CRC covers the summary, its offsets, and the footer up to the CRC itself. */
static td_result check_summary_crc(segment_reader *r, const mcap_footer *footer, uint64_t footer_at,
                                   td_err *err)
{
    TD_ASSERT(footer->summary_start != 0);
    TD_ASSERT(footer->summary_start <= footer_at);
    if (footer->summary_crc == 0) {
        if (r->info.is_ours)
            return td_err_set(err, TD_E_CORRUPT, "summary without CRC");
        return TD_OK;
    }
    uint32_t crc = 0;
    td_result rc = mcap_source_crc(&r->source, footer->summary_start,
                                   footer_at + MCAP_FOOTER_BYTES - 4, &crc, err);
    if (rc == TD_OK && crc != footer->summary_crc)
        rc = td_err_set(err, TD_E_CORRUPT, "summary at %" PRIu64 ": CRC %08x, %08x expected",
                        footer->summary_start, crc, footer->summary_crc);
    return rc;
}

/* Footer and closing magic. TD_EOF: the file does not end with them, or has no summary. */
static td_result read_footer(segment_reader *r, summary_facts *facts, td_err *err)
{
    uint64_t size = r->source.size;
    if (size < r->data_start + MCAP_FOOTER_BYTES + MCAP_MAGIC_BYTES)
        return TD_EOF;
    uint64_t footer_at = size - MCAP_FOOTER_BYTES - MCAP_MAGIC_BYTES;
    td_bytes end;
    td_result rc = mcap_source_view(&r->source, footer_at, size - footer_at, &end, err);
    if (rc != TD_OK)
        return rc;
    if (memcmp(end.data + MCAP_FOOTER_BYTES, MCAP_MAGIC, MCAP_MAGIC_BYTES) != 0 ||
        end.data[0] != MCAP_FOOTER || td_le64(end.data + 1) != MCAP_FOOTER_CONTENT_BYTES)
        return TD_EOF;
    r->info.state = SEGMENT_FINISHED;
    mcap_footer footer;
    rc = mcap_decode_footer(td_bytes_of(end.data + MCAP_PREFIX_BYTES, MCAP_FOOTER_CONTENT_BYTES),
                            &footer, err);
    if (rc != TD_OK || footer.summary_start == 0)
        return rc == TD_OK ? TD_EOF : rc;
    uint64_t offsets = footer.summary_offset_start == 0 ? footer_at : footer.summary_offset_start;
    if (footer.summary_start < r->data_start || footer.summary_start > offsets ||
        offsets > footer_at)
        return td_err_set(err, TD_E_CORRUPT,
                          "footer: summary at %" PRIu64 ", offsets at %" PRIu64
                          ", footer at %" PRIu64,
                          footer.summary_start, footer.summary_offset_start, footer_at);
    facts->start = footer.summary_start;
    facts->end = offsets;
    facts->data_end = footer.summary_start;
    return check_summary_crc(r, &footer, footer_at, err);
}

/* Messages of a chunk, from the size of its message indexes; UINT64_MAX if that does not come out.
 */
static uint64_t count_from_indexes(uint64_t index_bytes, uint64_t index_count)
{
    uint64_t overhead = index_count * MCAP_INDEX_OVERHEAD_BYTES;
    if (index_count == 0 || index_bytes < overhead ||
        (index_bytes - overhead) % MCAP_INDEX_ENTRY_BYTES != 0)
        return UINT64_MAX;
    return (index_bytes - overhead) / MCAP_INDEX_ENTRY_BYTES;
}

/* A chunk and its indexes lie in the data section: else reading them would go anywhere. */
static td_result check_chunk_index(const segment_reader *r, const mcap_chunk_index *index,
                                   uint64_t data_end, td_err *err)
{
    TD_ASSERT(data_end <= r->source.size);
    if (index->chunk_offset < r->data_start || index->chunk_offset > data_end ||
        index->chunk_bytes < MCAP_PREFIX_BYTES ||
        index->chunk_bytes > data_end - index->chunk_offset ||
        index->index_bytes > data_end - index->chunk_offset - index->chunk_bytes)
        return td_err_set(err, TD_E_CORRUPT,
                          "chunk index: %" PRIu64 " and %" PRIu64 " bytes at %" PRIu64
                          " do not fit in a data section of %" PRIu64,
                          index->chunk_bytes, index->index_bytes, index->chunk_offset, data_end);
    return TD_OK;
}

/* A chunk of the list, with its channels as a bitmap. */
static td_result add_chunk_index(segment_reader *r, td_bytes content, uint64_t data_end,
                                 td_err *err)
{
    TD_ASSERT(data_end >= r->data_start);
    mcap_chunk_index index;
    td_result rc = mcap_decode_chunk_index(content, &index, err);
    if (rc == TD_OK)
        rc = check_chunk_index(r, &index, data_end, err);
    if (rc != TD_OK)
        return rc;
    uint64_t index_count = index.index_offsets.bytes.size / MCAP_COUNT_BYTES;
    return reader_add_chunk_index(r, &index, count_from_indexes(index.index_bytes, index_count),
                                  err);
}

/* Everything between the summary's start and its offsets. */
static td_result read_records(segment_reader *r, summary_facts *facts, td_err *err)
{
    TD_ASSERT(facts->start >= r->data_start);
    TD_ASSERT(facts->start <= facts->end);
    TD_ASSERT(facts->end <= r->source.size);
    uint64_t at = facts->start;
    mcap_place place;
    for (;;) {
        td_result rc = mcap_source_record(&r->source, at, facts->end, &place, err);
        if (rc == TD_EOF)
            return TD_OK;
        td_bytes content;
        if (rc == TD_OK)
            rc = mcap_source_content(&r->source, &place, &content, err);
        if (rc != TD_OK)
            return rc;
        if (place.opcode == MCAP_SCHEMA)
            rc = reader_add_schema(r, content, err);
        else if (place.opcode == MCAP_CHANNEL)
            rc = reader_add_channel(r, content, err);
        else if (place.opcode == MCAP_CHUNK_INDEX)
            rc = add_chunk_index(r, content, facts->data_end, err);
        else if (place.opcode == MCAP_STATISTICS) {
            rc = mcap_decode_statistics(content, &facts->statistics, err);
            facts->has_statistics = 1;
            mcap_packed rest = facts->statistics.channel_counts;
            uint16_t id;
            uint64_t count;
            /* The counts are a view on the window: taken over at once. */
            while (rc == TD_OK && mcap_next_count(&rest, &id, &count)) {
                if (segment_reader_channel_by_id(r, id) != NULL)
                    r->channels[segment_reader_channel_by_id(r, id)->index]->message_count = count;
            }
        }
        if (rc != TD_OK)
            return td_err_add(err, rc, "summary record at %" PRIu64, at);
        at = place.end;
    }
}

static int by_offset(const void *a, const void *b)
{
    const segment_chunk *x = a, *y = b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Sum over the chunks; UINT64_MAX if one does not know. */
static uint64_t sum_messages(const segment_reader *r)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < r->chunk_count; i++) {
        if (r->chunks[i].message_count == UINT64_MAX)
            return UINT64_MAX;
        sum += r->chunks[i].message_count;
    }
    return sum;
}

/* 1 if the lists can stand for the file: no chunk, channel or message outside of them. */
static int is_complete(segment_reader *r, const summary_facts *facts)
{
    TD_ASSERT(r->channel_count <= UINT16_MAX + 1);
    uint64_t sum = sum_messages(r);
    r->info.message_count = sum;
    if (facts->has_statistics) {
        if (facts->statistics.chunk_count != r->chunk_count)
            return 0;
        if (sum == UINT64_MAX)
            r->info.message_count = facts->statistics.message_count;
        else if (sum != facts->statistics.message_count)
            return 0;
    } else if (r->chunk_count == 0) {
        return 0;
    }
    for (uint32_t i = 0; i < r->chunk_count; i++) {
        if (!r->chunks[i].has_channels && r->channel_count == 0)
            return 0;
        if (!reader_knows_all(r, segment_reader_bitmap(r, i)))
            return 0;
    }
    return 1;
}

/* The summary's CRC does not cover the Data End before it, which may lie in another sector. */
static td_result check_data_end(segment_reader *r, const summary_facts *facts, td_err *err)
{
    const uint64_t record_bytes = MCAP_PREFIX_BYTES + MCAP_DATA_END_CONTENT_BYTES;
    td_bytes record = {0};
    if (facts->start < r->data_start + record_bytes)
        return td_err_set(err, TD_E_CORRUPT, "no space for a Data End before the summary");
    td_result rc =
        mcap_source_view(&r->source, facts->start - record_bytes, record_bytes, &record, err);
    if (rc == TD_OK && (record.data[0] != MCAP_DATA_END ||
                        td_le64(record.data + 1) != MCAP_DATA_END_CONTENT_BYTES))
        rc = td_err_set(err, TD_E_CORRUPT, "no Data End before the summary at %" PRIu64,
                        facts->start);
    return rc;
}

td_result reader_load_summary(segment_reader *reader, td_err *err)
{
    TD_ASSERT(reader->chunk_count == 0);
    TD_ASSERT(reader->channel_count == 0);
    segment_reader *r = reader;
    summary_facts facts = {0};
    td_result rc = read_footer(r, &facts, err);
    if (rc != TD_OK)
        return rc;
    rc = reader_end_may_be_torn(r) ? check_data_end(r, &facts, err) : TD_OK;
    if (rc == TD_OK)
        rc = read_records(r, &facts, err);
    /* A summary that does not hold together is damage, whatever the low level calls it. */
    if (rc == TD_E_TRUNCATED || rc == TD_E_LIMIT)
        return td_err_add(err, TD_E_CORRUPT, "summary at %" PRIu64, facts.start);
    if (rc != TD_OK)
        return rc;
    if (!is_complete(r, &facts)) {
        if (r->info.is_ours)
            return td_err_set(err, TD_E_CORRUPT, "summary at %" PRIu64 " contradicts itself",
                              facts.start);
        return TD_EOF;
    }
    if (r->chunk_count > 1)
        qsort(r->chunks, r->chunk_count, sizeof *r->chunks, by_offset);
    r->info.has_summary = 1;
    r->info.sound_bytes = r->source.size;
    return TD_OK;
}
