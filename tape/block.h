/* Decompressed chunks, counted by reference and used again. A pool belongs to a tape; blocks that
 * are still held when the pool is closed live until released. Blocks may be released by
 * any thread; taken by any thread. */
#ifndef TD_TAPE_BLOCK_H
#define TD_TAPE_BLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "tape/tape.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One message of a chunk, found and checked by its loader. */
typedef struct block_entry {
    uint64_t recv_ns;
    uint32_t offset; /* of its data in the block's bytes; its publish time is the 8 bytes before */
    uint32_t size;   /* of its data */
    uint32_t sequence; /* as in the message: ordinal modulo 2^32 */
    uint16_t channel;  /* index of the channel in its segment */
} block_entry;

typedef struct block_pool block_pool;

/* New pool. */
TD_NEVER_NULL block_pool *block_pool_open(void);
void block_pool_close(block_pool *pool);

/* A block with one reference, empty. */
TD_NEVER_NULL tape_block *block_pool_take(block_pool *pool);

/* Its bytes (size_max LIMIT_CHUNK_BYTES and padding), to be filled by the only holder. */
td_buf *block_bytes(tape_block *block);

/* Its messages, and one more. */
const block_entry *block_entries(const tape_block *block, size_t *count);
void block_add(tape_block *block, const block_entry *entry);

/* The content of the messages, by their order; NULL where nothing was read. The only holder sets
 * it. */
const frame_content **block_contents(tape_block *block);

/* Memory for that, which the block keeps as long as its bytes. The only holder makes it. */
TD_NEVER_NULL td_arena *block_arena(tape_block *block);

/* Bytes that the block holds in memory. */
size_t block_held_bytes(const tape_block *block);

/* The entries themselves, to be sorted. */
block_entry *block_entries_edit(tape_block *block);

#ifdef __cplusplus
}
#endif

#endif
