/* Walks the records of a data section. The reader, recovery and verification are visitors; the
 * scanner handles order, message indexes, blocks, and continuing after damage.
 *
 * A block is a chain record and the bytes that it covers. Each chain record holds the value that
 * the next one continues from, so later blocks can be checked after a damaged one. Chain records
 * begin with a magic, so the next one is found even after a broken length field. One thread. */
#ifndef TD_FORMAT_SCANNER_H
#define TD_FORMAT_SCANNER_H

#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/hash.h"
#include "format/chain.h"
#include "format/mcap_source.h"
#include "format/sealed_chunk.h"

/* A chunk, and the message indexes, or the Chunk Channels record, that follow it. */
typedef struct scan_chunk {
    mcap_location location;
    mcap_chunk record;       /* its views are valid only in scan_visitor.chunk */
    mcap_chunk_index index;  /* as in the summary */
    uint64_t message_count;  /* in its message indexes */
    uint8_t is_index_broken; /* 1: a message index, or the Chunk Channels, cannot be read */
} scan_chunk;

/* A block, as its chain record describes it. */
typedef struct scan_block {
    chain_record record; /* conns: scanner.conns */
    uint64_t start, end; /* file offsets; end: after the chain record */
    uint64_t offset;     /* of the chain record */
    uint8_t is_sound;    /* 1: the chain value matches the bytes */
} scan_block;

/* Damage at an offset. */
typedef struct scan_damage {
    const td_err *why;
    uint64_t offset;
    uint8_t opcode; /* of the record; its length is intact, so the walk continues after it */
    /* 1: the structure is broken; the walk skips the bytes from `from` to the block that begins at
     * `to`. If `to` is 0, no block was found and the walk ends. */
    uint8_t is_broken;
    uint64_t from, to;
} scan_damage;

/* Callbacks of a walk. Each may be NULL: then nothing is read for it. Without chunk_end, chunks and
 * their message indexes are skipped. If a callback returns TD_E_IO or TD_E_NOSPACE, the walk ends
 * with that result. Any other failure is damage of the current record and is passed to the callback
 * `damage`; chunk_end is not called for a damaged chunk. */
typedef struct scan_visitor {
    /* Called at a chunk; then message_index for each of its message indexes, and chunk_channels for
     * its Chunk Channels record, with the chunk's members as they were before that record; then
     * chunk_end, at the first other record. */
    td_result (*chunk)(void *user, const scan_chunk *chunk, td_err *err);
    td_result (*message_index)(void *user, const scan_chunk *chunk, const mcap_location *location,
                               const mcap_message_index *index, td_err *err);
    td_result (*chunk_channels)(void *user, const scan_chunk *chunk, const mcap_location *location,
                                const sealed_channel *channels, size_t count, td_err *err);
    td_result (*chunk_end)(void *user, const scan_chunk *chunk, td_err *err);
    /* Any other record of the data section. */
    td_result (*record)(void *user, const mcap_location *location, td_err *err);
    /* A chain record. */
    td_result (*block)(void *user, const scan_block *block, td_err *err);
    /* Damage was found. If this callback fails, the walk ends. */
    td_result (*damage)(void *user, const scan_damage *damage, td_err *err);
    /* Data End, or a footer without a Data End: the walk ends. */
    td_result (*end)(void *user, const mcap_location *location, td_err *err);
} scan_visitor;

typedef struct scanner {
    mcap_source *source; /* borrowed */
    const scan_visitor *visitor;
    void *user;
    chain_conn *conns; /* borrowed, CHAIN_CONNS_MAX entries; NULL: connections are not needed */
    td_hasher *hasher;
    td_hash128 chain;     /* value that the next chain record continues from */
    uint64_t block_start; /* covers_from that the next chain record must have */
    uint64_t at;          /* offset of the next record */
    scan_chunk chunk;
    td_buf offsets;    /* of the pending chunk's message indexes, packed */
    td_buf channels;   /* sealed_channel of the pending chunk's Chunk Channels record */
    uint8_t has_chunk; /* 1: a chunk is pending: chunk_end is still to be called */
    uint8_t is_done;   /* 1: end was called, or no block follows the broken structure */
} scanner;

/* Walk source (borrowed) for a visitor, after scanner_begin. Free with fini. */
void scanner_init(scanner *s, mcap_source *source, const scan_visitor *visitor, void *user);
void scanner_fini(scanner *s);

/* Begin at a block. For the first block: block_start is 0, `at` is the offset of the first record,
 * and `chain` is the last value of the previous segment. For another block: both offsets are the
 * end of the chain record before the block, and `chain` is that record's value. */
void scanner_begin(scanner *s, uint64_t block_start, uint64_t at, td_hash128 chain);

/* Find the next chain record after the current block's start, and begin at the block that it
 * locates; the bytes [*from, *to) are skipped. TD_OK; TD_EOF at the end; TD_E_IO. */
TD_MUST_USE td_result scanner_find_block(scanner *s, uint64_t *from, uint64_t *to, td_err *err);

/* Walk to limit, or until is_done. A pending chunk stays pending. TD_OK, TD_E_IO, or the failure of
 * the callback `damage`. */
TD_MUST_USE td_result scanner_run(scanner *s, uint64_t limit, td_err *err);

/* Call chunk_end for a pending chunk after the last record. Returns the visitor's result. */
TD_MUST_USE td_result scanner_end_chunk(scanner *s, td_err *err);

/* 1 for a failure that ends all work on a file, 0 for damage in it. */
int scan_is_fatal(td_result rc);

#endif
