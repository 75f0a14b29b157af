/* Decompressed chunks with the frames in them, counted by reference and used again. A pool belongs
 * to a tape; blocks that are still held when the pool is closed live until released. Blocks may be
 * taken and released by any thread. */
#ifndef TD_TAPE_BLOCK_H
#define TD_TAPE_BLOCK_H

#include <stdatomic.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "tape/cursor.h"

typedef struct block_pool block_pool;

/* Whoever takes a block fills it before others see it. */
struct tape_block {
    atomic_uint references;
    td_buf bytes;      /* size_max LIMIT_CHUNK_BYTES and padding */
    frame_ref *frames; /* space for frame_capacity of them */
    size_t frame_capacity;
    td_arena *arena; /* content of the frames; empty at first */
    block_pool *pool;
    tape_block *next; /* in the pool's list */
};

TD_NEVER_NULL block_pool *block_pool_open(void);
void block_pool_close(block_pool *pool);

/* An empty block with one reference. */
TD_NEVER_NULL tape_block *block_pool_take(block_pool *pool);

/* Bytes that the block holds in memory. */
size_t block_held_bytes(const tape_block *block);

#endif
