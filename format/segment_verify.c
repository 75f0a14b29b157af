#include "format/segment_verify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "format/mcap_decode.h"
#include "format/recover.h"
#include "format/segment_verify_impl.h"

const char *segment_finding_name(segment_finding_kind kind)
{
    static const char *const NAMES[] = {
        [FINDING_STRUCTURE] = "structure",
        [FINDING_CHUNK_CRC] = "chunk-crc",
        [FINDING_DATA_CRC] = "data-crc",
        [FINDING_SUMMARY_CRC] = "summary-crc",
        [FINDING_ATTACHMENT_CRC] = "attachment-crc",
        [FINDING_CRC_MISSING] = "crc-missing",
        [FINDING_CHAIN] = "chain",
        [FINDING_TOTALS] = "totals",
        [FINDING_ORDINAL] = "ordinal",
        [FINDING_TIME] = "time",
        [FINDING_INDEX] = "index",
        [FINDING_SUMMARY] = "summary",
        [FINDING_TRAILING] = "trailing-bytes",
        [FINDING_TORN] = "torn",
    };
    TD_ASSERT((size_t)kind < sizeof NAMES / sizeof NAMES[0]);
    return NAMES[kind];
}

void verify_report(verify_state *v, segment_finding_kind kind, uint64_t offset, const char *format,
                   ...)
{
    TD_ASSERT(format != NULL);
    char text[TD_ERR_TEXT_BYTES];
    va_list values;
    va_start(values, format);
    (void)vsnprintf(text, sizeof text, format, values); /* a long text may be cut */
    va_end(values);
    segment_finding finding = {.kind = kind, .offset = offset, .text = text};
    if (kind != FINDING_TORN)
        v->result->damage_count++;
    if (v->fn != NULL)
        v->fn(v->user, &finding);
}

/* The attachment's CRC, however large it is. */
static td_result check_attachment(verify_state *v, const mcap_place *place, td_err *err)
{
    TD_ASSERT(place->opcode == MCAP_ATTACHMENT);
    TD_ASSERT(place->end <= v->reader->source.size);
    mcap_source *source = &v->reader->source;
    mcap_attachment_index index = {.offset = place->offset, .length = place->end - place->offset};
    td_result rc = mcap_summary_add_attachment(&v->summary, &index, err);
    if (rc != TD_OK)
        return rc;
    uint64_t crc_at;
    uint32_t expected, crc = 0;
    td_err why;
    rc = mcap_source_attachment_crc(source, place, &crc_at, &expected, &why);
    if (rc == TD_E_CORRUPT) {
        verify_report(v, FINDING_STRUCTURE, place->offset, "%s", why.text);
        return TD_OK;
    }
    if (rc != TD_OK)
        return td_err_set(err, rc, "%s", why.text);
    if (expected == 0) {
        if (v->is_ours)
            verify_report(v, FINDING_CRC_MISSING, place->offset, "attachment without CRC");
        return TD_OK;
    }
    rc = mcap_source_crc(source, place->content_at, crc_at, &crc, err);
    if (rc == TD_OK && crc != expected)
        verify_report(v, FINDING_ATTACHMENT_CRC, place->offset,
                      "CRC of the attachment is %08x, %08x expected", crc, expected);
    return rc;
}

/* Its place is part of the summary that the end is held against. */
static td_result check_metadata(verify_state *v, const mcap_place *place, td_err *err)
{
    TD_ASSERT(place->opcode == MCAP_METADATA);
    td_bytes content;
    mcap_metadata metadata;
    td_err why;
    td_result rc = mcap_source_content(&v->reader->source, place, &content, &why);
    if (rc == TD_OK)
        rc = mcap_decode_metadata(content, &metadata, &why);
    if (rc == TD_OK) {
        mcap_metadata_index index = {
            .offset = place->offset, .length = place->end - place->offset, .name = metadata.name};
        return mcap_summary_add_metadata(&v->summary, &index, err);
    }
    if (verify_is_fatal(rc)) {
        if (err != NULL)
            *err = why;
        return rc;
    }
    verify_report(v, FINDING_STRUCTURE, place->offset, "%s", why.text);
    return TD_OK;
}

/* Every record of the data section comes through here. */
static td_result check_record(verify_state *v, const mcap_place *place, td_err *err)
{
    TD_ASSERT(!v->is_done);
    if (place->opcode == MCAP_MESSAGE_INDEX)
        return verify_message_index(v, place, err);
    td_result rc = verify_close_chunk(v, err);
    if (rc != TD_OK)
        return rc;
    switch (place->opcode) {
    case MCAP_CHUNK:
        return verify_chunk_record(v, place, err);
    case MCAP_SCHEMA:
    case MCAP_CHANNEL:
    case MCAP_MESSAGE:
        return verify_run_record(v, place, err);
    case MCAP_ATTACHMENT:
        return check_attachment(v, place, err);
    case MCAP_METADATA:
        return check_metadata(v, place, err);
    case MCAP_DATA_END:
    case MCAP_FOOTER:
        return verify_end(v, place, err);
    default:
        break;
    }
    if (place->opcode == CHAIN_OPCODE && v->is_ours)
        return verify_chain(v, place, err);
    if (place->opcode < MCAP_PRIVATE_FIRST)
        verify_report(v, FINDING_STRUCTURE, place->offset, "%s record (0x%02x) in the data section",
                      mcap_opcode_name(place->opcode), place->opcode);
    return TD_OK;
}

/* Structure is broken: ours go on behind the next chain record, others end here. */
static td_result pass_damage(verify_state *v, const td_err *why, td_err *err)
{
    TD_ASSERT(why->code != TD_OK);
    verify_report(v, FINDING_STRUCTURE, v->walk.at, "%s", why->text);
    v->has_chunk = 0;
    v->is_block_read = 0;
    v->has_totals = 0;
    v->is_done = 1;
    if (!v->is_ours)
        return TD_OK;
    uint64_t from, to;
    td_result rc = segment_walk_skip(&v->walk, &from, &to, err);
    v->is_done = rc != TD_OK;
    return rc == TD_EOF ? TD_OK : rc;
}

/* One record, or the end of what there is. */
static td_result step(verify_state *v, td_err *err)
{
    mcap_place place;
    td_err why;
    td_result rc = v->walk.at >= v->limit ? TD_EOF : segment_walk_next(&v->walk, &place, &why);
    if (rc == TD_OK && place.opcode == 0)
        rc = td_err_set(&why, TD_E_TRUNCATED, "record with opcode 0");
    if (rc == TD_OK)
        return check_record(v, &place, err);
    if (rc == TD_E_TRUNCATED)
        return pass_damage(v, &why, err);
    if (rc != TD_EOF) {
        if (err != NULL)
            *err = why;
        return rc;
    }
    v->is_done = 1;
    if (v->expects_end)
        verify_report(v, FINDING_STRUCTURE, v->walk.at, "the file ends without a footer");
    return verify_close_chunk(v, err);
}

/* All records; then what was counted on the way. */
static td_result walk(verify_state *v, td_err *err)
{
    TD_ASSERT(v->limit <= v->reader->source.size);
    td_result rc = TD_OK;
    while (rc == TD_OK && !v->is_done)
        rc = step(v, err);
    segment_totals *totals = &v->result->totals;
    totals->file_bytes = v->reader->source.size;
    totals->first_ns = v->summary.start_ns;
    totals->last_ns = v->summary.end_ns;
    totals->message_count = v->summary.message_count;
    totals->chunk_count = v->summary.chunk_count;
    totals->channel_count = v->summary.channel_count;
    return rc;
}

/* 1 if text ends with suffix. */
static int ends_with(const char *text, const char *suffix)
{
    size_t length = strlen(text), suffix_length = strlen(suffix);
    return length >= suffix_length && strcmp(text + length - suffix_length, suffix) == 0;
}

/* A power cut may leave any sectors of what a new file was made of: of its head, too. That is
 * damage only if something behind it was durable. */
static int is_stillborn(const verify_state *v, td_io io, const char *path)
{
    int has_durable = 1;
    if (v->expects_end || v->limit > v->reader->data_start)
        return 0;
    return recover_has_durable(io, path, &has_durable, NULL) == TD_OK && !has_durable;
}

/* What the reader found out decides how much of the file has to be there. */
static td_result begin(verify_state *v, td_io io, const char *path, td_err *err)
{
    TD_ASSERT(v->reader != NULL);
    TD_ASSERT(v->walk.hasher == NULL);
    const segment_info *info = segment_reader_info(v->reader);
    v->is_ours = info->is_ours;
    v->is_block_read = 1;
    v->expects_end = info->state == SEGMENT_FINISHED || !ends_with(path, SEGMENT_OPEN_SUFFIX);
    v->limit = v->expects_end ? info->file_bytes : info->sound_bytes;
    *v->result = (segment_verify_result){.state = info->state,
                                         .is_ours = info->is_ours,
                                         .previous_chain = info->session.previous_chain};
    v->result->totals.chain = info->session.previous_chain;
    if (v->limit < info->file_bytes) {
        v->result->torn_bytes = info->file_bytes - v->limit;
        verify_report(v, FINDING_TORN, v->limit, "%" PRIu64 " bytes behind the last whole block",
                      v->result->torn_bytes);
    }
    if (v->is_ours && info->session.session[0] == '\0' && !is_stillborn(v, io, path))
        verify_report(v, FINDING_STRUCTURE, v->reader->data_start, "no session record");
    return segment_walk_init(&v->walk, &v->reader->source, 0, v->reader->data_start,
                             info->session.previous_chain, err);
}

static td_result init(verify_state *v, td_err *err)
{
    td_buf_init(&v->records, LIMIT_CHUNK_BYTES);
    td_buf_init(&v->entries, LIMIT_CHUNK_BYTES);
    td_buf_init(&v->chunks, LIMIT_RECORD_BYTES);
    td_buf_init(&v->offsets, LIMIT_RECORD_BYTES);
    td_buf_init(&v->slots, LIMIT_RECORD_BYTES);
    td_buf_init(&v->end, 2 * SUMMARY_BYTES_MAX);
    mcap_summary_init(&v->summary);
    v->coder = codec_open();
    v->conns = td_alloc_zero(CHAIN_CONNS_MAX, sizeof *v->conns);
    v->last_conns = td_alloc_zero(CHAIN_CONNS_MAX, sizeof *v->last_conns);
    if (v->coder == NULL || v->conns == NULL || v->last_conns == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory to verify a segment");
    return TD_OK;
}

static void fini(verify_state *v)
{
    segment_walk_fini(&v->walk);
    segment_reader_close(v->reader);
    codec_close(v->coder);
    td_free(v->conns);
    td_free(v->last_conns);
    mcap_summary_fini(&v->summary);
    td_buf_fini(&v->records);
    td_buf_fini(&v->entries);
    td_buf_fini(&v->chunks);
    td_buf_fini(&v->offsets);
    td_buf_fini(&v->slots);
    td_buf_fini(&v->end);
}

td_result segment_verify(td_io io, const char *path, segment_finding_fn *fn, void *user,
                         segment_verify_result *out, td_err *err)
{
    *out = (segment_verify_result){0};
    verify_state *v = td_alloc_zero(1, sizeof *v);
    if (v == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory to verify %s", path);
    v->fn = fn;
    v->user = user;
    v->result = out;
    td_result rc = init(v, err);
    if (rc == TD_OK)
        rc = segment_reader_open(io, path, &v->reader, err);
    if (rc == TD_OK)
        rc = begin(v, io, path, err);
    if (rc == TD_OK)
        rc = walk(v, err);
    fini(v);
    td_free(v);
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "verifying %s", path);
}
