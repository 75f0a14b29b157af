#include "tests/testing/mcap_reader.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/limits.h"
#include "format/codec.h"
#include "format/mcap_decode.h"
#include "format/mcap_source.h"

struct mcap_reader {
    td_file *file;
    mcap_source source;
    mcap_chunks chunks;
    codec *coder;
    td_buf header_bytes;
    mcap_header header;
    td_buf records;    /* of the present chunk, decompressed */
    size_t records_at; /* next one among them */
    uint8_t is_in_chunk;
    uint64_t chunk_offset;
    mcap_section section;
    uint64_t at;         /* next record of the file */
    uint64_t summary_at; /* behind Data End; 0 = not reached */
    uint8_t is_done;
    mcap_reader_stats stats;
};

/* The header's bytes are kept: callers look at it any time. */
static td_result read_header(mcap_reader *r, td_err *err)
{
    TD_ASSERT(r->at == 0);
    td_bytes bytes;
    mcap_place place;
    td_result rc = mcap_source_view(&r->source, 0, MCAP_MAGIC_BYTES, &bytes, err);
    if (rc == TD_OK)
        rc = mcap_check_magic(bytes.data, err);
    if (rc == TD_OK)
        rc = mcap_source_record(&r->source, MCAP_MAGIC_BYTES, r->source.size, &place, err);
    if (rc == TD_EOF)
        return td_err_set(err, TD_E_TRUNCATED, "ends behind the magic");
    if (rc == TD_OK && place.opcode != MCAP_HEADER)
        return td_err_set(err, TD_E_CORRUPT, "begins with a %s record",
                          mcap_opcode_name(place.opcode));
    if (rc == TD_OK)
        rc = mcap_source_content(&r->source, &place, &bytes, err);
    if (rc == TD_OK)
        rc = td_buf_append(&r->header_bytes, bytes.data, bytes.size, err);
    if (rc == TD_OK)
        rc = mcap_decode_header(td_buf_view(&r->header_bytes), &r->header, err);
    if (rc == TD_OK)
        r->at = place.end;
    return rc;
}

/* Buffers and file; their bounds are the reader's bounds. */
static td_result open_parts(mcap_reader *r, td_io io, const char *path, td_err *err)
{
    td_buf_init(&r->header_bytes, LIMIT_RECORD_BYTES);
    td_buf_init(&r->records, LIMIT_CHUNK_BYTES);
    r->coder = codec_open();
    if (r->coder == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for an MCAP reader");
    td_result rc = td_io_open(io, path, TD_OPEN_READ, &r->file, err);
    if (rc == TD_OK)
        rc = mcap_source_init(&r->source, r->file, err);
    return rc == TD_OK ? read_header(r, err) : rc;
}

td_result mcap_reader_open(td_io io, const char *path, mcap_chunks chunks, mcap_reader **out,
                           td_err *err)
{
    *out = NULL;
    mcap_reader *r = td_alloc_zero(1, sizeof *r);
    if (r == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for an MCAP reader");
    r->chunks = chunks;
    td_result rc = open_parts(r, io, path, err);
    if (rc != TD_OK) {
        mcap_reader_close(r);
        return td_err_add(err, rc, "file %s", path);
    }
    *out = r;
    return TD_OK;
}

void mcap_reader_close(mcap_reader *reader)
{
    if (reader == NULL)
        return;
    mcap_source_fini(&reader->source);
    td_io_close(reader->file);
    codec_close(reader->coder);
    td_buf_fini(&reader->header_bytes);
    td_buf_fini(&reader->records);
    td_free(reader);
}

const mcap_header *mcap_reader_header(const mcap_reader *reader)
{
    return &reader->header;
}

mcap_section mcap_reader_section(const mcap_reader *reader)
{
    return reader->section;
}

uint64_t mcap_reader_chunk_offset(const mcap_reader *reader)
{
    return reader->section == MCAP_SECTION_CHUNK ? reader->chunk_offset : 0;
}

mcap_reader_stats mcap_reader_get_stats(const mcap_reader *reader)
{
    return reader->stats;
}

/* Compare a CRC with the one that stands in the file. */
static td_result judge_crc(mcap_reader *r, const char *what, uint32_t crc, uint32_t expected,
                           td_err *err)
{
    TD_ASSERT(expected != 0);
    r->stats.crc_checked_count++;
    if (crc != expected)
        return td_err_set(err, TD_E_CORRUPT, "CRC of the %s is %08x, %08x expected", what, crc,
                          expected);
    return TD_OK;
}

/* From now on records come out of the chunk, until its end. */
static td_result enter_chunk(mcap_reader *r, const mcap_place *place, td_bytes content, td_err *err)
{
    TD_ASSERT(!r->is_in_chunk);
    TD_ASSERT(place->opcode == MCAP_CHUNK);
    mcap_chunk chunk;
    codec_kind kind = CODEC_NONE;
    td_result rc = mcap_decode_chunk(content, &chunk, err);
    if (rc == TD_OK)
        rc = codec_find(chunk.compression, &kind, err);
    if (rc == TD_OK && chunk.uncompressed_bytes > LIMIT_CHUNK_BYTES)
        rc = td_err_set(err, TD_E_LIMIT, "chunk of %" PRIu64 " bytes uncompressed: limit %zu",
                        chunk.uncompressed_bytes, LIMIT_CHUNK_BYTES);
    size_t size = (size_t)chunk.uncompressed_bytes;
    td_buf_clear(&r->records);
    if (rc == TD_OK)
        rc = td_buf_reserve(&r->records, size, err);
    if (rc == TD_OK)
        rc = codec_decompress(r->coder, kind, chunk.records, r->records.data, size, err);
    if (rc != TD_OK)
        return rc;
    r->records.size = size;
    if (chunk.uncompressed_crc == 0)
        r->stats.crc_missing_count++;
    else
        rc = judge_crc(r, "chunk", td_crc32(0, r->records.data, size), chunk.uncompressed_crc, err);
    if (rc != TD_OK)
        return rc;
    r->records_at = 0;
    r->is_in_chunk = 1;
    r->chunk_offset = place->offset;
    return TD_OK;
}

/* CRC over [from, to) against expected, or a missing one counted. */
static td_result check_range(mcap_reader *r, const char *what, uint64_t from, uint64_t to,
                             uint32_t expected, td_err *err)
{
    TD_ASSERT(from <= to);
    if (expected == 0) {
        r->stats.crc_missing_count++;
        return TD_OK;
    }
    uint32_t crc = 0;
    td_result rc = mcap_source_crc(&r->source, from, to, &crc, err);
    return rc == TD_OK ? judge_crc(r, what, crc, expected, err) : rc;
}

/* Behind this record the summary begins. */
static td_result check_data_end(mcap_reader *r, const mcap_place *place, td_bytes content,
                                td_err *err)
{
    TD_ASSERT(place->opcode == MCAP_DATA_END);
    mcap_data_end record;
    r->summary_at = place->end;
    td_result rc = mcap_decode_data_end(content, &record, err);
    if (rc == TD_OK)
        rc = check_range(r, "data section", 0, place->offset, record.data_section_crc, err);
    return rc;
}

/* The summary's CRC, and that the file ends after the footer with the magic. */
static td_result check_footer(mcap_reader *r, const mcap_place *place, td_bytes content,
                              td_err *err)
{
    TD_ASSERT(place->opcode == MCAP_FOOTER);
    mcap_footer footer;
    r->is_done = 1;
    td_result rc = mcap_decode_footer(content, &footer, err);
    if (rc != TD_OK)
        return rc;
    td_bytes magic;
    rc = mcap_source_view(&r->source, place->end, MCAP_MAGIC_BYTES, &magic, err);
    if (rc == TD_OK && memcmp(magic.data, MCAP_MAGIC, MCAP_MAGIC_BYTES) != 0)
        rc = td_err_set(err, TD_E_TRUNCATED, "no closing magic behind the footer");
    uint64_t end = place->end + MCAP_MAGIC_BYTES;
    if (rc == TD_OK && r->source.size != end)
        rc = td_err_set(err, TD_E_TRUNCATED, "%" PRIu64 " bytes behind the closing magic",
                        r->source.size - end);
    uint64_t from = footer.summary_start == 0 ? place->offset : footer.summary_start;
    /* A damaged Data End record would else pass as one that nobody knows. */
    if (rc == TD_OK && footer.summary_start != 0 && footer.summary_start != r->summary_at)
        rc = td_err_set(err, TD_E_CORRUPT,
                        "footer: summary at %" PRIu64 ", the data section ends at %" PRIu64, from,
                        r->summary_at);
    if (rc == TD_OK)
        rc = check_range(r, "summary", from, place->end - 4, footer.summary_crc, err);
    return rc;
}

/* An attachment's CRC without holding it. */
static td_result check_attachment(mcap_reader *r, const mcap_place *place, td_err *err)
{
    TD_ASSERT(place->opcode == MCAP_ATTACHMENT);
    uint64_t crc_at;
    uint32_t expected;
    td_result rc = mcap_source_attachment_crc(&r->source, place, &crc_at, &expected, err);
    if (rc == TD_OK)
        rc = check_range(r, "attachment", place->content_at, crc_at, expected, err);
    return rc;
}

/* Look at a record of the file before it is returned. */
static td_result inspect(mcap_reader *r, const mcap_place *place, mcap_record *out, td_err *err)
{
    TD_ASSERT(place->end <= r->source.size);
    r->section = r->summary_at == 0 ? MCAP_SECTION_DATA : MCAP_SECTION_SUMMARY;
    *out = (mcap_record){.opcode = place->opcode, .offset = place->offset};
    td_result rc = TD_OK;
    if (place->opcode == MCAP_ATTACHMENT)
        rc = check_attachment(r, place, err);
    if (rc != TD_OK ||
        (place->opcode == MCAP_ATTACHMENT && place->content_bytes > LIMIT_RECORD_BYTES))
        return rc;
    rc = mcap_source_content(&r->source, place, &out->content, err);
    if (rc != TD_OK)
        return rc;
    if (place->opcode == MCAP_CHUNK && r->chunks == MCAP_CHUNKS_EXPANDED)
        return enter_chunk(r, place, out->content, err);
    if (place->opcode == MCAP_DATA_END)
        rc = check_data_end(r, place, out->content, err);
    if (place->opcode == MCAP_FOOTER)
        rc = check_footer(r, place, out->content, err);
    /* The checks may have moved the window. */
    if (rc == TD_OK)
        rc = mcap_source_content(&r->source, place, &out->content, err);
    return rc;
}

/* The next record of the present chunk; TD_EOF at its end. */
static td_result next_in_chunk(mcap_reader *r, mcap_record *out, td_err *err)
{
    TD_ASSERT(r->is_in_chunk);
    td_result rc = mcap_next_record(td_buf_view(&r->records), &r->records_at, out, err);
    r->section = MCAP_SECTION_CHUNK;
    if (rc == TD_OK)
        return TD_OK;
    r->is_in_chunk = 0;
    if (rc == TD_EOF)
        return TD_EOF;
    return td_err_add(err, TD_E_CORRUPT, "chunk at %" PRIu64, r->chunk_offset);
}

td_result mcap_reader_next(mcap_reader *reader, mcap_record *out, td_err *err)
{
    mcap_reader *r = reader;
    for (;;) {
        td_result rc = r->is_in_chunk ? next_in_chunk(r, out, err) : TD_EOF;
        if (rc == TD_EOF && r->is_done)
            return TD_EOF;
        mcap_place place;
        if (rc == TD_EOF) {
            rc = mcap_source_record(&r->source, r->at, r->source.size, &place, err);
            if (rc == TD_EOF)
                rc = td_err_set(err, TD_E_TRUNCATED, "the file ends without a footer");
            if (rc == TD_E_TRUNCATED) {
                r->is_done = 1;
                return rc;
            }
            if (rc != TD_OK)
                return rc;
            r->at = place.end;
            rc = inspect(r, &place, out, err);
            if (rc != TD_OK)
                return td_err_add(err, rc, "%s record at %" PRIu64, mcap_opcode_name(place.opcode),
                                  place.offset);
        }
        if (rc != TD_OK)
            return rc;
        if (out->opcode == MCAP_CHUNK && r->chunks == MCAP_CHUNKS_EXPANDED)
            continue;
        r->stats.record_count++;
        r->stats.message_count += out->opcode == MCAP_MESSAGE;
        return TD_OK;
    }
}
