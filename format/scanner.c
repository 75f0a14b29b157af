#include "format/segment_walk.h"

#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "format/mcap_decode.h"

enum {
    SEARCH_BYTES = 64 << 10,
    /* Opcode, length, and the magic that a chain record's content begins with. */
    CHAIN_HEAD_BYTES = MCAP_PREFIX_BYTES + 8,
};

td_result segment_walk_init(segment_walk *walk, mcap_source *source, uint64_t block_start,
                            uint64_t at, td_hash128 chain, td_err *err)
{
    TD_ASSERT(block_start <= at);
    *walk = (segment_walk){.source = source,
                           .hasher = td_hasher_open(),
                           .chain = chain,
                           .block_start = block_start,
                           .at = at};
    if (walk->hasher == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for the chain's hash");
    return TD_OK;
}

void segment_walk_fini(segment_walk *walk)
{
    td_hasher_close(walk->hasher);
    *walk = (segment_walk){0};
}

td_result segment_walk_next(segment_walk *walk, mcap_place *out, td_err *err)
{
    td_result rc = mcap_source_record(walk->source, walk->at, walk->source->size, out, err);
    if (rc == TD_OK)
        walk->at = out->end;
    return rc;
}

td_result segment_walk_block(segment_walk *walk, const mcap_place *place, chain_conn *conns,
                             segment_block *out, td_err *err)
{
    TD_ASSERT(place->opcode == CHAIN_OPCODE);
    td_bytes content;
    td_result rc = mcap_source_content(walk->source, place, &content, err);
    if (rc == TD_OK)
        rc = chain_decode(content, conns, &out->record, err);
    if (rc != TD_OK)
        return rc == TD_E_LIMIT ? TD_E_CORRUPT : rc;
    out->start = walk->block_start;
    out->end = place->end;
    out->is_sound = 0;
    if (out->record.covers_from == walk->block_start) {
        chain_start(walk->hasher, walk->chain);
        rc = mcap_source_hash(walk->source, walk->block_start, place->end - CHAIN_VALUE_BYTES,
                              walk->hasher, err);
        if (rc != TD_OK)
            return rc;
        out->is_sound =
            (uint8_t)td_hash128_equal(td_hasher_digest(walk->hasher), out->record.value);
    }
    walk->chain = out->record.value;
    walk->block_start = place->end;
    walk->at = place->end;
    return TD_OK;
}

/* The chain record that begins at at, if there is one: TD_E_CORRUPT or TD_E_TRUNCATED if not. */
static td_result try_chain(segment_walk *walk, uint64_t at, chain_record *out, uint64_t *end,
                           td_err *err)
{
    mcap_place place;
    td_result rc = mcap_source_record(walk->source, at, walk->source->size, &place, err);
    if (rc == TD_OK && place.content_bytes > CHAIN_RECORD_BYTES_MAX)
        rc = TD_E_CORRUPT;
    td_bytes content;
    if (rc == TD_OK)
        rc = mcap_source_content(walk->source, &place, &content, err);
    if (rc == TD_OK)
        rc = chain_decode(content, NULL, out, err);
    /* Before what it covers from stands another chain record, if anything. */
    if (rc == TD_OK &&
        (out->covers_from > at || (out->covers_from != 0 && out->covers_from < CHAIN_VALUE_BYTES)))
        rc = TD_E_CORRUPT;
    *end = rc == TD_OK ? place.end : 0;
    return rc;
}

/* Offset of the first place in [from, end) that looks like a chain record's beginning. */
static td_result find_head(mcap_source *source, uint64_t from, uint64_t *found, td_err *err)
{
    TD_ASSERT(source->size >= from);
    while (from < source->size && source->size - from >= CHAIN_HEAD_BYTES) {
        uint64_t left = source->size - from;
        size_t size = left < SEARCH_BYTES ? (size_t)left : SEARCH_BYTES;
        td_bytes piece;
        td_result rc = mcap_source_view(source, from, size, &piece, err);
        if (rc != TD_OK)
            return rc;
        const uint8_t *magic =
            memmem(piece.data + MCAP_PREFIX_BYTES, size - MCAP_PREFIX_BYTES, CHAIN_MAGIC, 8);
        if (magic != NULL && magic[-MCAP_PREFIX_BYTES] == CHAIN_OPCODE) {
            *found = from + (uint64_t)(magic - piece.data) - MCAP_PREFIX_BYTES;
            return TD_OK;
        }
        /* Go on behind what was found, or so far that a head across the border is not missed. */
        from += magic != NULL ? (uint64_t)(magic - piece.data) - MCAP_PREFIX_BYTES + 1
                              : size - CHAIN_HEAD_BYTES + 1;
    }
    return TD_EOF;
}

/* Go on behind the damage that the chain record found shows: where its own block begins if that is
 * further on (the record before it is lost too), else behind it. */
static td_result resume(segment_walk *walk, const chain_record *record, uint64_t end, td_err *err)
{
    TD_ASSERT(end <= walk->source->size);
    walk->chain = record->value;
    if (record->covers_from > walk->block_start) {
        td_bytes value;
        td_result rc = mcap_source_view(walk->source, record->covers_from - CHAIN_VALUE_BYTES,
                                        CHAIN_VALUE_BYTES, &value, err);
        if (rc != TD_OK)
            return rc;
        memcpy(walk->chain.bytes, value.data, CHAIN_VALUE_BYTES);
        end = record->covers_from;
    }
    TD_ASSERT(end > walk->block_start);
    walk->block_start = end;
    walk->at = end;
    return TD_OK;
}

td_result segment_walk_skip(segment_walk *walk, uint64_t *from, uint64_t *to, td_err *err)
{
    uint64_t at = walk->block_start;
    chain_record record;
    uint64_t end;
    for (;;) {
        td_result rc = find_head(walk->source, at, &at, err);
        if (rc == TD_OK)
            rc = try_chain(walk, at, &record, &end, err);
        if (rc == TD_OK)
            break;
        if (rc != TD_E_CORRUPT && rc != TD_E_TRUNCATED)
            return rc;
        at++;
    }
    *from = walk->block_start;
    td_result rc = resume(walk, &record, end, err);
    *to = walk->block_start;
    return rc;
}
