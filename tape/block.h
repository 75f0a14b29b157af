/* Decompressed chunks, counted by reference and reused. Cursors over the same archive may share a
 * pool: cursors in the same chunk share its bytes, and cursors in the same segment its open file.
 * Blocks that are still held when the pool is closed live until they are released. Any thread. */
#ifndef TD_TAPE_BLOCK_H
#define TD_TAPE_BLOCK_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "schema/frame.h"
#include "tape/source.h"

typedef struct tape_block tape_block;
typedef struct block_pool block_pool;

/* One message of a chunk, found and checked. */
typedef struct chunk_entry {
    uint64_t recv_ns;
    uint32_t offset; /* of its data in the block's bytes; its publish time is the 8 bytes before */
    uint32_t size;   /* of its data */
    uint32_t sequence; /* as in the message: ordinal modulo 2^32 */
    uint16_t channel;  /* its id in its segment */
} chunk_entry;

/* A reference-counted piece of memory: one decompressed chunk and its frames. A private block is
 * filled by its reader with frames and their content. */
struct tape_block {
    atomic_uint references;
    td_buf bytes;         /* at most LIMIT_CHUNK_BYTES and padding */
    chunk_entry *entries; /* all messages, in order */
    size_t entry_count, entry_capacity;
    uint32_t damage_count; /* messages that could not be read */
    td_err damage;         /* the first one's error */
    frame_ref *frames;     /* space for frame_capacity frames */
    size_t frame_capacity;
    td_arena *arena; /* content of the frames; empty at first */
    block_pool *pool;
    /* for the pool: */
    tape_block *next;
    char *file; /* name of the file from which the block has the chunk at offset; NULL if private */
    uint64_t offset;
    uint8_t is_kept; /* 1: without references, kept for reuse */
};

/* Closing NULL is allowed. */
TD_NEVER_NULL block_pool *block_pool_open(void);
void block_pool_close(block_pool *pool);

/* Get a chunk's bytes and messages, in a block with a reference for the caller. is_private 1: a
 * block for the caller only; 0: a read-only block that may be shared. Results as source_ops.read;
 * as source_ops.message if an error of a message ends the chunk. The caller has the block after a
 * failure, too. */
TD_MUST_USE td_result block_pool_read(block_pool *pool, const source *from,
                                      const source_chunk *chunk, int is_private, tape_block **out,
                                      td_err *err);

/* Keep a frame's memory (frame_ref.block) beyond the next cursor_next; release it. Releasing NULL
 * is allowed. Any thread. */
void tape_block_acquire(tape_block *block);
void tape_block_release(tape_block *block);

/* Get the reader of a finished segment if another cursor has opened the segment, else NULL. Each
 * caller that got or added a reader drops that reader; the last drop closes it. */
segment_reader *block_pool_reader(block_pool *pool, const char *name);
void block_pool_add_reader(block_pool *pool, const char *name, segment_reader *reader);
void block_pool_drop_reader(block_pool *pool, segment_reader *reader);

/* Bytes that the block holds in memory. */
size_t block_held_bytes(const tape_block *block);

#endif
