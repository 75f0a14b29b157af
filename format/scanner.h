/* Walking a data section of our profile block by block, and past damage. Shared by reader, recover
 * and verify; each keeps what it needs of the records.
 *
 * A block is what one chain record covers. Since each record holds the value that the next one
 * starts from, a damaged block does not take those behind it along; and since chain records carry a
 * magic, the next one is found even where a length field is broken. One thread. */
#ifndef TD_FORMAT_SEGMENT_WALK_H
#define TD_FORMAT_SEGMENT_WALK_H

#include <stdint.h>

#include "base/attr.h"
#include "base/hash.h"
#include "format/chain.h"
#include "format/mcap_source.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct segment_walk {
    mcap_source *source;  /* borrowed */
    td_hasher *hasher;    /* owned */
    td_hash128 chain;     /* value that the next chain record starts from */
    uint64_t block_start; /* what the next chain record must cover from */
    uint64_t at;          /* of the next record */
} segment_walk;

/* What a chain record said of its block. */
typedef struct segment_block {
    chain_record record; /* conns NULL */
    uint64_t start, end; /* file offsets; end is behind the chain record */
    uint8_t is_sound;    /* 1: the bytes are what the value says */
} segment_block;

/* Start at a block's beginning: 0 and the previous segment's value for the first one (at: where the
 * records begin), else block_start and the value of the chain record that ends there. TD_OK,
 * TD_E_NOMEM. */
TD_MUST_USE td_result segment_walk_init(segment_walk *walk, mcap_source *source,
                                        uint64_t block_start, uint64_t at, td_hash128 chain,
                                        td_err *err);
void segment_walk_fini(segment_walk *walk);

/* The next record, at walk->at, which moves behind it. As mcap_source_record up to the file's end.
 */
TD_MUST_USE td_result segment_walk_next(segment_walk *walk, mcap_place *out, td_err *err);

/* Judge the chain record that segment_walk_next just gave; the walk goes on with the block behind.
 * conns as chain_decode. TD_OK; TD_E_CORRUPT: no chain record (the block goes on); TD_E_IO,
 * TD_E_NOMEM. */
TD_MUST_USE td_result segment_walk_block(segment_walk *walk, const mcap_place *place,
                                         chain_conn *conns, segment_block *out, td_err *err);

/* After a broken record: look for the next chain record behind the block's start, and go on behind
 * the damage, [*from, *to). TD_OK; TD_EOF if there is none (the walk stays); TD_E_IO, TD_E_NOMEM.
 */
TD_MUST_USE td_result segment_walk_skip(segment_walk *walk, uint64_t *from, uint64_t *to,
                                        td_err *err);

#ifdef __cplusplus
}
#endif

#endif
