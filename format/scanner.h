/* One walk over a data section, for the reader's lists, recovery and verification. Each of them is
 * a visitor; order, message indexes, blocks, and how damage is passed are decided here.
 *
 * A block is what one chain record covers. Since each record holds the value that the next one
 * starts from, a damaged block does not take those after it along; and since chain records carry a
 * magic, the next one is found even where a length field is broken. One thread. */
#ifndef TD_FORMAT_SCANNER_H
#define TD_FORMAT_SCANNER_H

#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/hash.h"
#include "format/chain.h"
#include "format/mcap_source.h"

/* A chunk, and the message indexes that stand directly after it. */
typedef struct scan_chunk {
    mcap_place place;
    mcap_chunk record;       /* its views are valid in chunk only */
    mcap_chunk_index index;  /* as in the summary; index_offsets: packed */
    uint64_t message_count;  /* that its indexes list */
    uint8_t is_index_broken; /* 1: one of its message indexes cannot be read */
} scan_chunk;

/* A block, as its chain record describes it. */
typedef struct scan_block {
    chain_record record; /* conns: as scanner_init was given */
    uint64_t start, end; /* file offsets; end: after the chain record */
    uint64_t offset;     /* of the chain record */
    uint8_t is_sound;    /* 1: the bytes are what the value says */
} scan_block;

/* What is wrong at a place. */
typedef struct scan_damage {
    const td_err *why;
    uint64_t offset;
    uint8_t opcode; /* of the record, whose length is good: the walk continues after it */
    /* 1: the structure is broken; what is between from and to, where a block begins, is passed
     * over; to 0: no further record, the walk ends here. */
    uint8_t is_broken;
    uint64_t from, to;
} scan_damage;

/* Each may be NULL: then nothing is read for it; without chunk_end, chunks and their message
 * indexes are passed over. A result of TD_E_IO or TD_E_NOSPACE
 * ends the walk with it; every other failure is damage of the current record (a chunk is not
 * pending then), and goes to damage. */
typedef struct scan_visitor {
    /* A chunk begins. Its message indexes follow, each with the chunk as it was before it; then
     * chunk_end, at the first other record. */
    td_result (*chunk)(void *user, const scan_chunk *chunk, td_err *err);
    td_result (*message_index)(void *user, const scan_chunk *chunk, const mcap_place *place,
                               const mcap_message_index *index, td_err *err);
    td_result (*chunk_end)(void *user, const scan_chunk *chunk, td_err *err);
    /* Any other record before the section's end. */
    td_result (*record)(void *user, const mcap_place *place, td_err *err);
    /* A chain record. */
    td_result (*block)(void *user, const scan_block *block, td_err *err);
    /* A failure of its own ends the walk. */
    td_result (*damage)(void *user, const scan_damage *damage, td_err *err);
    /* Data End, or a footer without one: the walk is over. */
    td_result (*end)(void *user, const mcap_place *place, td_err *err);
} scan_visitor;

typedef struct scanner {
    mcap_source *source; /* borrowed */
    const scan_visitor *visitor;
    void *user;
    chain_conn *conns; /* borrowed, CHAIN_CONNS_MAX, or NULL: connections are not needed */
    td_hasher *hasher;
    td_hash128 chain;     /* value that the next chain record starts from */
    uint64_t block_start; /* what the next chain record must cover from */
    uint64_t at;          /* of the next record */
    scan_chunk chunk;
    td_buf offsets;    /* of the pending chunk's message indexes, packed */
    uint8_t has_chunk; /* 1: a chunk is pending */
    uint8_t is_done;   /* 1: end was called, or the structure is broken for good */
} scanner;

/* Walks source (borrowed) for a visitor; scanner_begin says from where. Free with fini. */
void scanner_init(scanner *s, mcap_source *source, const scan_visitor *visitor, void *user);
void scanner_fini(scanner *s);

/* Begin at a block: block_start 0 and the value of the segment before for the first one, at where
 * its records begin; else where a chain record ends, with its value. */
void scanner_begin(scanner *s, uint64_t block_start, uint64_t at, td_hash128 chain);

/* Look for the next chain record after the block's start, and begin at the
 * block that it shows; [*from, *to) is passed over. TD_OK; TD_EOF at the end; TD_E_IO. */
TD_MUST_USE td_result scanner_find_block(scanner *s, uint64_t *from, uint64_t *to, td_err *err);

/* Walk on to limit, or to the end of the section or of what can be read (is_done). A chunk that is
 * pending then stays so. TD_OK, TD_E_IO, or what damage failed with. */
TD_MUST_USE td_result scanner_run(scanner *s, uint64_t limit, td_err *err);

/* Nothing follows the chunk that is pending, if one is: call its end. Returns what the visitor
 * returns. */
TD_MUST_USE td_result scanner_end_chunk(scanner *s, td_err *err);

/* 1 for what ends any work on a file, as opposed to damage in it. */
int scan_is_fatal(td_result rc);

#endif
