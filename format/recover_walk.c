/* What an unfinished segment holds: how far it is proven, and its summary. */
#include "format/recover_impl.h"

#include <string.h>

#include "base/assert.h"
#include "format/chain.h"
#include "format/mcap_decode.h"
#include "format/mcap_encode.h"
#include "format/segment_walk.h"

/* 1 for what may work when tried again, as opposed to damage in the file. */
static int is_fatal(td_result rc)
{
    return rc == TD_E_IO || rc == TD_E_NOMEM || rc == TD_E_NOSPACE;
}

/* Everything before the walk: is this a segment of ours at all? TD_E_CORRUPT, TD_E_TRUNCATED if
 * not. */
td_result recover_read_head(recovery *v, td_err *err)
{
    td_bytes bytes;
    mcap_place place;
    mcap_header header;
    mcap_metadata session;
    td_result rc = mcap_source_view(&v->source, 0, MCAP_MAGIC_BYTES, &bytes, err);
    if (rc == TD_OK)
        rc = mcap_check_magic(bytes.data, err);
    if (rc == TD_OK)
        rc = mcap_source_record(&v->source, MCAP_MAGIC_BYTES, v->source.size, &place, err);
    if (rc == TD_OK && place.opcode != MCAP_HEADER)
        rc = td_err_set(err, TD_E_CORRUPT, "no header behind the magic");
    if (rc == TD_OK)
        rc = mcap_source_content(&v->source, &place, &bytes, err);
    if (rc == TD_OK)
        rc = mcap_decode_header(bytes, &header, err);
    if (rc == TD_OK && !td_bytes_is(header.profile, SEGMENT_PROFILE))
        rc = td_err_set(err, TD_E_CORRUPT, "no segment of ours");
    if (rc == TD_OK) {
        v->data_start = place.end;
        rc = mcap_source_record(&v->source, place.end, v->source.size, &place, err);
    }
    if (rc == TD_OK)
        rc = mcap_source_content(&v->source, &place, &bytes, err);
    if (rc == TD_OK)
        rc = mcap_decode_metadata(bytes, &session, err);
    td_bytes chain = td_bytes_of(NULL, 0);
    if (rc == TD_OK)
        chain = mcap_find_pair(session.pairs, "previous_chain");
    if (rc == TD_OK && !chain_value_parse(chain, &v->first_chain))
        rc = td_err_set(err, TD_E_CORRUPT, "no session record");
    if (rc == TD_E_UNSUPPORTED)
        return TD_E_CORRUPT; /* not ours to recover */
    return rc == TD_EOF ? TD_E_TRUNCATED : rc;
}

/* Blocks that durable data was in, and whose bytes are not what they were. */
static void note_damage(recovery *v, uint64_t from, uint64_t to)
{
    TD_ASSERT(from < to);
    TD_ASSERT(to <= v->source.size);
    if (v->result->damaged_blocks++ == 0)
        v->result->damaged_from = from;
    v->result->damaged_to = to;
}

/* A chain record in the first walk: how far does the proof reach? */
static td_result judge_block(recovery *v, segment_walk *walk, const mcap_place *place, td_err *err)
{
    TD_ASSERT(place->opcode == CHAIN_OPCODE);
    TD_ASSERT(v->sound_bytes <= place->offset);
    segment_block block;
    td_result rc = segment_walk_block(walk, place, v->conns, &block, err);
    if (rc != TD_OK)
        return rc == TD_E_CORRUPT ? TD_OK : rc;
    if (!block.is_sound) {
        v->held_damage++;
        v->held_to = block.end;
        if (v->held_damage == 1)
            v->held_from = block.start;
        return TD_OK;
    }
    /* Damaged blocks count once something behind them is proven; else they are the torn tail. */
    if (v->held_damage > 0) {
        note_damage(v, v->held_from, v->held_to);
        v->result->damaged_blocks += v->held_damage - 1;
    }
    v->held_damage = 0;
    v->sound_bytes = block.end;
    v->last_start = block.start;
    v->result->totals.chain = block.record.value;
    v->result->chain_totals = block.record.totals;
    v->result->conn_count = block.record.conn_count;
    memcpy(v->result->conns, v->conns, block.record.conn_count * sizeof *v->conns);
    return TD_OK;
}

/* Step over a broken record: on to the next chain record, or to the end of the walk (TD_EOF). */
static td_result skip_damage(recovery *v, segment_walk *walk, td_err *err)
{
    TD_ASSERT(walk->at >= walk->block_start);
    uint64_t from, to;
    td_result rc = segment_walk_skip(walk, &from, &to, err);
    if (rc != TD_OK)
        return rc;
    if (v->held_damage++ == 0)
        v->held_from = from;
    v->held_to = to;
    return TD_OK;
}

/* Judge every block from the walk's place on. */
static td_result judge_blocks(recovery *v, segment_walk *walk, td_err *err)
{
    td_result rc = TD_OK;
    while (rc == TD_OK) {
        mcap_place place;
        rc = segment_walk_next(walk, &place, err);
        if (rc == TD_OK && place.opcode == MCAP_DATA_END)
            rc = TD_EOF;
        else if (rc == TD_OK && place.opcode == CHAIN_OPCODE)
            rc = judge_block(v, walk, &place, err);
        else if (rc == TD_E_TRUNCATED || (rc == TD_OK && place.opcode == 0))
            rc = skip_damage(v, walk, err);
    }
    return rc == TD_EOF ? TD_OK : rc;
}

/* The file's head cannot be read. A chain record alone proves nothing: without a sync a power cut
 * may spare it and take the head. A sound block behind it does, for it was written after a sync. */
td_result recover_look_for_blocks(recovery *v, td_err *err)
{
    segment_walk walk;
    const td_hash128 none = {{0}};
    td_result rc = segment_walk_init(&walk, &v->source, 0, 0, none, err);
    if (rc == TD_OK)
        rc = skip_damage(v, &walk, err);
    if (rc == TD_OK)
        rc = judge_blocks(v, &walk, err);
    segment_walk_fini(&walk);
    return rc == TD_EOF ? TD_OK : rc;
}

td_result recover_find_end(recovery *v, td_err *err)
{
    TD_ASSERT(v->data_start > MCAP_MAGIC_BYTES);
    segment_walk walk;
    td_result rc = segment_walk_init(&walk, &v->source, 0, v->data_start, v->first_chain, err);
    if (rc == TD_OK)
        rc = judge_blocks(v, &walk, err);
    segment_walk_fini(&walk);
    return rc;
}

/* Copy the schemas and channels of a chunk that the summary does not have yet. */
static td_result copy_new_records(recovery *v, td_bytes records, td_err *err)
{
    TD_ASSERT(records.data != NULL || records.size == 0);
    size_t at = 0;
    mcap_record record;
    td_result rc = TD_OK;
    while (rc == TD_OK && mcap_next_record(records, &at, &record, NULL) == TD_OK) {
        if (record.opcode != MCAP_SCHEMA && record.opcode != MCAP_CHANNEL)
            continue;
        if (record.content.size < 2)
            continue;
        uint16_t id = td_le16(record.content.data);
        uint8_t *known = record.opcode == MCAP_SCHEMA ? v->known_schemas : v->known_channels;
        if (known[id / 8] >> (id % 8) & 1)
            continue;
        known[id / 8] |= (uint8_t)(1u << (id % 8));
        td_bytes whole =
            td_bytes_of(records.data + record.offset, MCAP_PREFIX_BYTES + record.content.size);
        rc = record.opcode == MCAP_SCHEMA ? mcap_summary_add_schemas(&v->summary, whole, 1, err)
                                          : mcap_summary_add_channels(&v->summary, whole, 1, err);
    }
    return rc;
}

/* Decompress a chunk into v->records. */
static td_result unpack(recovery *v, const mcap_chunk *chunk, td_err *err)
{
    TD_ASSERT(chunk->records.data != NULL || chunk->records.size == 0);
    codec_kind kind;
    td_result rc = codec_find(chunk->compression, &kind, err);
    if (rc == TD_OK && chunk->uncompressed_bytes > LIMIT_CHUNK_BYTES)
        rc = td_err_set(err, TD_E_LIMIT, "chunk too large");
    td_buf_clear(&v->records);
    if (rc == TD_OK)
        rc = td_buf_reserve(&v->records, (size_t)chunk->uncompressed_bytes, err);
    if (rc == TD_OK)
        rc = codec_decompress(v->coder, kind, chunk->records, v->records.data,
                              (size_t)chunk->uncompressed_bytes, err);
    if (rc == TD_OK)
        v->records.size = (size_t)chunk->uncompressed_bytes;
    return rc;
}

/* Look into the pending chunk if one of its channels is new. What cannot be read there is damage
 * that the first walk has counted. */
static td_result learn_channels(recovery *v, td_err *err)
{
    TD_ASSERT(v->chunk_place.opcode == MCAP_CHUNK);
    int is_new = 0;
    mcap_packed rest = {td_buf_view(&v->offsets)};
    uint16_t id;
    uint64_t offset;
    while (mcap_next_count(&rest, &id, &offset))
        is_new |= !(v->known_channels[id / 8] >> (id % 8) & 1);
    if (!is_new)
        return TD_OK;
    td_bytes content;
    mcap_chunk chunk;
    td_result rc = mcap_source_content(&v->source, &v->chunk_place, &content, err);
    if (rc == TD_OK)
        rc = mcap_decode_chunk(content, &chunk, err);
    if (rc == TD_OK)
        rc = unpack(v, &chunk, err);
    if (rc == TD_OK)
        rc = copy_new_records(v, td_buf_view(&v->records), err);
    return is_fatal(rc) ? rc : TD_OK;
}

/* The pending chunk and its message indexes are complete. */
static td_result add_chunk(recovery *v, td_err *err)
{
    if (!v->has_chunk)
        return TD_OK;
    v->has_chunk = 0;
    td_result rc = learn_channels(v, err);
    v->chunk_index.index_offsets.bytes = td_buf_view(&v->offsets);
    v->chunk_index.compression = td_bytes_str(codec_name(v->chunk_codec));
    if (rc == TD_OK)
        rc = mcap_summary_add_chunk(&v->summary, &v->chunk_index, err);
    return rc;
}

/* A chunk: pending until its message indexes have been read. */
static td_result take_chunk(recovery *v, const mcap_place *place, td_err *err)
{
    TD_ASSERT(place->opcode == MCAP_CHUNK);
    TD_ASSERT(!v->has_chunk);
    mcap_chunk chunk;
    uint64_t records_at;
    td_result rc = mcap_source_chunk(&v->source, place, &chunk, &records_at, err);
    if (rc == TD_OK)
        rc = codec_find(chunk.compression, &v->chunk_codec, err);
    if (rc != TD_OK)
        return rc;
    td_buf_clear(&v->offsets);
    v->has_chunk = 1;
    v->chunk_place = *place;
    v->chunk_index = (mcap_chunk_index){.start_ns = chunk.start_ns,
                                        .end_ns = chunk.end_ns,
                                        .chunk_offset = place->offset,
                                        .chunk_bytes = place->end - place->offset,
                                        .compressed_bytes = chunk.records.size,
                                        .uncompressed_bytes = chunk.uncompressed_bytes};
    return TD_OK;
}

/* Where it stands, and how many messages of which times it lists. */
static td_result take_message_index(recovery *v, const mcap_place *place, td_err *err)
{
    TD_ASSERT(place->opcode == MCAP_MESSAGE_INDEX);
    td_bytes content;
    mcap_message_index index;
    td_result rc = mcap_source_content(&v->source, place, &content, err);
    if (rc == TD_OK)
        rc = mcap_decode_message_index(content, &index, err);
    if (rc == TD_OK && !v->has_chunk)
        rc = td_err_set(err, TD_E_CORRUPT, "message index without a chunk");
    if (rc == TD_OK)
        rc = mcap_pack_count(&v->offsets, index.channel_id, place->offset, err);
    if (rc == TD_OK)
        rc = mcap_summary_reserve_count(&v->summary, index.channel_id, err);
    if (rc != TD_OK)
        return rc;
    v->chunk_index.index_bytes += place->end - place->offset;
    uint64_t count = 0, first = UINT64_MAX, last = 0, log_ns, at;
    while (mcap_next_entry(&index.entries, &log_ns, &at)) {
        first = log_ns < first ? log_ns : first;
        last = log_ns > last ? log_ns : last;
        count++;
    }
    if (count > 0)
        mcap_summary_count_messages(&v->summary, index.channel_id, count, first, last);
    return TD_OK;
}

/* The session record, as a rule; its place goes into the summary. */
static td_result take_metadata(recovery *v, const mcap_place *place, td_err *err)
{
    TD_ASSERT(place->opcode == MCAP_METADATA);
    td_bytes content;
    mcap_metadata metadata;
    td_result rc = mcap_source_content(&v->source, place, &content, err);
    if (rc == TD_OK)
        rc = mcap_decode_metadata(content, &metadata, err);
    if (rc != TD_OK)
        return rc;
    mcap_metadata_index index = {
        .offset = place->offset, .length = place->end - place->offset, .name = metadata.name};
    return mcap_summary_add_metadata(&v->summary, &index, err);
}

/* What the summary has to say of a record. */
static td_result collect_record(recovery *v, segment_walk *walk, const mcap_place *place,
                                td_err *err)
{
    TD_ASSERT(place->end <= v->source.size);
    if (place->opcode == MCAP_MESSAGE_INDEX)
        return take_message_index(v, place, err);
    td_result rc = add_chunk(v, err);
    if (rc != TD_OK)
        return rc;
    segment_block block;
    switch (place->opcode) {
    case MCAP_CHUNK:
        return take_chunk(v, place, err);
    case MCAP_METADATA:
        return take_metadata(v, place, err);
    case CHAIN_OPCODE:
        return segment_walk_block(walk, place, NULL, &block, err);
    default:
        return TD_OK;
    }
}

/* Second walk, up to the sound end only: what the summary says. */
td_result recover_collect(recovery *v, td_err *err)
{
    TD_ASSERT(v->sound_bytes > v->data_start);
    TD_ASSERT(v->summary.chunk_count == 0);
    segment_walk walk;
    td_result rc = segment_walk_init(&walk, &v->source, 0, v->data_start, v->first_chain, err);
    while (rc == TD_OK && walk.at < v->sound_bytes) {
        mcap_place place;
        rc = segment_walk_next(&walk, &place, err);
        if (rc == TD_E_TRUNCATED || (rc == TD_OK && place.opcode == 0)) {
            uint64_t from, to;
            v->has_chunk = 0;
            rc = segment_walk_skip(&walk, &from, &to, err);
        } else if (rc == TD_OK) {
            rc = collect_record(v, &walk, &place, err);
            if (rc != TD_OK && !is_fatal(rc))
                rc = TD_OK; /* a bad record in a damaged block: its length leads to the next one */
        }
    }
    segment_walk_fini(&walk);
    return rc == TD_EOF ? TD_OK : rc;
}
