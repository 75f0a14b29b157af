/* From Data End to the closing magic. In our profile these bytes follow from the data section, so
 * they are built again and compared; in foreign files each record is held against what was seen. */
#include "format/segment_verify_impl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "format/mcap_decode.h"

/* The CRC covers every byte before the Data End record. */
static td_result check_data_crc(verify_state *v, const mcap_place *place, td_err *err)
{
    TD_ASSERT(place->opcode == MCAP_DATA_END);
    td_bytes content;
    mcap_data_end record;
    td_err why;
    td_result rc = mcap_source_content(&v->reader->source, place, &content, &why);
    if (rc == TD_OK)
        rc = mcap_decode_data_end(content, &record, &why);
    if (rc != TD_OK) {
        if (!verify_is_fatal(rc))
            verify_report(v, FINDING_STRUCTURE, place->offset, "%s", why.text);
        else if (err != NULL)
            *err = why;
        return verify_is_fatal(rc) ? rc : TD_OK;
    }
    if (record.data_section_crc == 0) {
        if (v->is_ours)
            verify_report(v, FINDING_CRC_MISSING, place->offset, "data section without CRC");
        return TD_OK;
    }
    uint32_t crc = 0;
    rc = mcap_source_crc(&v->reader->source, 0, place->offset, &crc, err);
    if (rc == TD_OK && crc != record.data_section_crc)
        verify_report(v, FINDING_DATA_CRC, place->offset,
                      "CRC of the data section is %08x, %08x expected", crc,
                      record.data_section_crc);
    return rc;
}

static int by_offset(const void *key, const void *element)
{
    uint64_t offset = *(const uint64_t *)key;
    const verify_chunk *chunk = element;
    return offset < chunk->offset ? -1 : offset > chunk->offset;
}

/* Foreign files may list their chunks in any order, or leave some out; what they list must be
 * right. */
static void check_chunk_index(verify_state *v, td_bytes content, uint64_t offset)
{
    TD_ASSERT(offset < v->reader->source.size);
    mcap_chunk_index index;
    td_err why;
    if (mcap_decode_chunk_index(content, &index, &why) != TD_OK) {
        verify_report(v, FINDING_SUMMARY, offset, "%s", why.text);
        return;
    }
    const verify_chunk *chunk = NULL;
    if (v->chunks.size > 0)
        chunk = bsearch(&index.chunk_offset, v->chunks.data, v->chunks.size / sizeof(verify_chunk),
                        sizeof(verify_chunk), by_offset);
    if (chunk == NULL || chunk->record_bytes != index.chunk_bytes ||
        chunk->index_bytes != index.index_bytes || chunk->start_ns != index.start_ns ||
        chunk->end_ns != index.end_ns || chunk->compressed_bytes != index.compressed_bytes ||
        chunk->uncompressed_bytes != index.uncompressed_bytes)
        verify_report(v, FINDING_SUMMARY, offset,
                      "chunk index differs from the data section: chunk at %" PRIu64,
                      index.chunk_offset);
}

/* Counts against what was met on the way. */
static void check_statistics(verify_state *v, td_bytes content, uint64_t offset)
{
    TD_ASSERT(offset < v->reader->source.size);
    mcap_statistics s;
    td_err why;
    if (mcap_decode_statistics(content, &s, &why) != TD_OK) {
        verify_report(v, FINDING_SUMMARY, offset, "%s", why.text);
        return;
    }
    if (s.message_count != v->summary.message_count || s.chunk_count != v->summary.chunk_count ||
        s.attachment_count != v->summary.attachment_count ||
        s.metadata_count != v->summary.metadata_count)
        verify_report(v, FINDING_SUMMARY, offset,
                      "statistics: %" PRIu64 " messages in %u chunks, %u attachments, %u metadata; "
                      "the data section has %" PRIu64 ", %u, %u, %u",
                      s.message_count, s.chunk_count, s.attachment_count, s.metadata_count,
                      v->summary.message_count, v->summary.chunk_count, v->summary.attachment_count,
                      v->summary.metadata_count);
}

/* Where the summary begins, and its CRC. */
static td_result check_footer(verify_state *v, const mcap_place *place, uint64_t summary_at,
                              td_err *err)
{
    TD_ASSERT(place->opcode == MCAP_FOOTER);
    TD_ASSERT(summary_at <= place->offset);
    mcap_source *source = &v->reader->source;
    td_bytes content;
    mcap_footer footer;
    td_result rc = mcap_source_content(source, place, &content, err);
    if (rc != TD_OK)
        return rc;
    if (place->content_bytes != MCAP_FOOTER_CONTENT_BYTES ||
        mcap_decode_footer(content, &footer, NULL) != TD_OK) {
        verify_report(v, FINDING_STRUCTURE, place->offset, "footer of %" PRIu64 " bytes",
                      place->content_bytes);
        return TD_OK;
    }
    int has_summary = summary_at < place->offset;
    if (has_summary && footer.summary_start != 0 && footer.summary_start != summary_at)
        verify_report(v, FINDING_SUMMARY, place->offset,
                      "footer: summary at %" PRIu64 ", it is at %" PRIu64, footer.summary_start,
                      summary_at);
    if (footer.summary_crc == 0) {
        if (v->is_ours)
            verify_report(v, FINDING_CRC_MISSING, place->offset, "summary without CRC");
        return TD_OK;
    }
    uint64_t from = footer.summary_start == 0 ? place->offset : footer.summary_start;
    if (from > place->offset) {
        verify_report(v, FINDING_SUMMARY, place->offset, "footer: summary at %" PRIu64, from);
        return TD_OK;
    }
    uint32_t crc = 0;
    rc = mcap_source_crc(source, from, place->end - 4, &crc, err);
    if (rc == TD_OK && crc != footer.summary_crc)
        verify_report(v, FINDING_SUMMARY_CRC, place->offset,
                      "CRC of the summary is %08x, %08x expected", crc, footer.summary_crc);
    return rc;
}

/* Nothing may follow it: readers look for the footer from the end of the file. */
static td_result check_magic(verify_state *v, uint64_t at, td_err *err)
{
    TD_ASSERT(at <= v->reader->source.size);
    mcap_source *source = &v->reader->source;
    td_bytes magic;
    if (source->size - at < MCAP_MAGIC_BYTES) {
        verify_report(v, FINDING_STRUCTURE, at, "the file ends within its closing magic");
        return TD_OK;
    }
    td_result rc = mcap_source_view(source, at, MCAP_MAGIC_BYTES, &magic, err);
    if (rc != TD_OK)
        return rc;
    if (memcmp(magic.data, MCAP_MAGIC, MCAP_MAGIC_BYTES) != 0)
        verify_report(v, FINDING_STRUCTURE, at, "no closing magic behind the footer");
    else if (source->size > at + MCAP_MAGIC_BYTES)
        verify_report(v, FINDING_TRAILING, at + MCAP_MAGIC_BYTES,
                      "%" PRIu64 " bytes behind the closing magic",
                      source->size - at - MCAP_MAGIC_BYTES);
    return TD_OK;
}

/* Schemas and channels were learned from the data section; only what points into it is compared. */
static td_result check_summary_record(verify_state *v, const mcap_place *place, td_err *err)
{
    TD_ASSERT(place->end <= v->reader->source.size);
    if (place->opcode != MCAP_CHUNK_INDEX && place->opcode != MCAP_STATISTICS)
        return TD_OK;
    td_bytes content;
    td_err why;
    td_result rc = mcap_source_content(&v->reader->source, place, &content, &why);
    if (rc == TD_OK && place->opcode == MCAP_CHUNK_INDEX)
        check_chunk_index(v, content, place->offset);
    else if (rc == TD_OK)
        check_statistics(v, content, place->offset);
    if (verify_is_fatal(rc) && err != NULL)
        *err = why;
    return verify_is_fatal(rc) ? rc : TD_OK;
}

/* Summary, summary offsets, footer and magic, record by record. */
static td_result walk_summary(verify_state *v, uint64_t summary_at, td_err *err)
{
    TD_ASSERT(summary_at <= v->reader->source.size);
    mcap_source *source = &v->reader->source;
    uint64_t at = summary_at;
    for (;;) {
        mcap_place place;
        td_err why;
        td_result rc = mcap_source_record(source, at, source->size, &place, &why);
        if (rc == TD_EOF || rc == TD_E_TRUNCATED) {
            verify_report(v, FINDING_STRUCTURE, at, "the file ends without a footer");
            return TD_OK;
        }
        if (rc == TD_OK && place.opcode == MCAP_FOOTER) {
            rc = check_footer(v, &place, summary_at, err);
            return rc == TD_OK ? check_magic(v, place.end, err) : rc;
        }
        if (rc == TD_OK)
            rc = check_summary_record(v, &place, &why);
        if (rc != TD_OK) {
            if (err != NULL)
                *err = why;
            return rc;
        }
        at = place.end;
    }
}

/* Ours: build the end anew, and compare byte by byte. */
static td_result compare_end(verify_state *v, uint64_t data_end_at, td_err *err)
{
    TD_ASSERT(v->is_ours);
    TD_ASSERT(data_end_at < v->reader->source.size);
    mcap_source *source = &v->reader->source;
    uint32_t crc = 0;
    td_result rc = mcap_source_crc(source, 0, data_end_at, &crc, err);
    td_buf_clear(&v->end);
    if (rc == TD_OK)
        rc = mcap_summary_append_end(&v->summary, &v->end, data_end_at, crc, err);
    if (rc != TD_OK)
        return rc;
    uint64_t left = source->size - data_end_at;
    uint64_t common = left < v->end.size ? left : v->end.size;
    for (uint64_t at = 0; at < common; at += RUN_BYTES) {
        uint64_t size = common - at < RUN_BYTES ? common - at : RUN_BYTES;
        td_bytes piece;
        rc = mcap_source_view(source, data_end_at + at, size, &piece, err);
        if (rc != TD_OK)
            return rc;
        if (memcmp(piece.data, v->end.data + at, piece.size) == 0)
            continue;
        verify_report(v, FINDING_SUMMARY, data_end_at + at,
                      "the summary is not the one that the data section gives");
        return TD_OK;
    }
    return TD_OK;
}

td_result verify_end(verify_state *v, const mcap_place *data_end, td_err *err)
{
    TD_ASSERT(!v->has_chunk);
    TD_ASSERT(!v->is_done);
    v->is_done = 1;
    uint64_t before = v->result->damage_count;
    td_result rc = TD_OK;
    uint64_t summary_at = data_end->offset;
    if (data_end->opcode == MCAP_DATA_END) {
        rc = check_data_crc(v, data_end, err);
        summary_at = data_end->end;
    }
    if (rc == TD_OK)
        rc = walk_summary(v, summary_at, err);
    /* Once something is known to be wrong, that the summary differs from it says nothing more. */
    if (rc == TD_OK && v->is_ours && v->result->damage_count == before && before == 0)
        rc = compare_end(v, data_end->offset, err);
    return rc;
}
