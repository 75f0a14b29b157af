/* What a segment holds beside its chunks: metadata, and the record that its chain ends with. */
#include <inttypes.h>

#include "base/assert.h"
#include "format/mcap_decode.h"
#include "format/segment_reader_impl.h"

td_result segment_reader_each_metadata(segment_reader *reader, segment_metadata_fn *fn, void *user,
                                       td_err *err)
{
    TD_ASSERT(fn != NULL);
    segment_reader *r = reader;
    uint64_t at = r->data_start;
    mcap_place place;
    td_result rc = TD_OK;
    while (rc == TD_OK) {
        rc = mcap_source_record(&r->source, at, r->info.sound_bytes, &place, err);
        if (rc != TD_OK || place.opcode == MCAP_DATA_END || place.opcode == MCAP_FOOTER)
            break;
        at = place.end;
        if (place.opcode != MCAP_METADATA)
            continue;
        td_bytes content;
        mcap_metadata metadata;
        rc = mcap_source_content(&r->source, &place, &content, err);
        if (rc == TD_OK)
            rc = mcap_decode_metadata(content, &metadata, err);
        if (rc == TD_OK)
            rc = fn(user, &metadata, err);
    }
    return rc == TD_EOF ? TD_OK : rc;
}

td_result segment_reader_last_chain(segment_reader *reader, chain_conn *conns, chain_record *out,
                                    td_err *err)
{
    segment_reader *r = reader;
    if (!r->info.is_ours || r->chunk_count == 0)
        return td_err_set(err, TD_E_NOTFOUND, "no chain record");
    const segment_chunk *last = &r->chunks[r->chunk_count - 1].chunk;
    uint64_t at = last->offset + last->record_bytes + last->index_bytes;
    mcap_place place;
    td_result rc = mcap_source_record(&r->source, at, r->info.sound_bytes, &place, err);
    if (rc == TD_EOF || (rc == TD_OK && place.opcode != CHAIN_OPCODE))
        rc = td_err_set(err, TD_E_CORRUPT, "no chain record behind the last chunk");
    td_bytes content;
    if (rc == TD_OK)
        rc = mcap_source_content(&r->source, &place, &content, err);
    if (rc == TD_OK)
        rc = chain_decode(content, conns, out, err);
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "chain record at %" PRIu64, at);
}
