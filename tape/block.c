#include "tape/block.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "schema/decode.h"

enum {
    /* Blocks kept for later: as many as a merge of many feeds holds at a time. */
    POOL_KEEP_MAX = 32,
    /* Larger ones are given back: they held one extreme frame, and the next chunk is ordinary. */
    POOL_KEEP_BYTES = 8 << 20,
};

struct block_pool {
    pthread_mutex_t mutex;
    tape_block *kept;
    size_t kept_count;
    size_t out_count; /* blocks that are held */
    int is_closed;
};

block_pool *block_pool_open(void)
{
    block_pool *pool = td_alloc_zero(1, sizeof *pool);
    (void)pthread_mutex_init(&pool->mutex, NULL); /* cannot fail with default attributes */
    return pool;
}

static void free_block(tape_block *block)
{
    td_buf_fini(&block->bytes);
    td_free(block->frames);
    td_arena_close(block->arena);
    td_free(block);
}

static void free_pool(block_pool *pool)
{
    TD_ASSERT(pool->out_count == 0);
    TD_ASSERT(pool->kept == NULL);
    pthread_mutex_destroy(&pool->mutex);
    td_free(pool);
}

void block_pool_close(block_pool *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->mutex);
    tape_block *kept = pool->kept;
    pool->kept = NULL;
    pool->is_closed = 1;
    int is_last = pool->out_count == 0;
    pthread_mutex_unlock(&pool->mutex);
    while (kept != NULL) {
        tape_block *next = kept->next;
        free_block(kept);
        kept = next;
    }
    if (is_last)
        free_pool(pool);
}

tape_block *block_pool_take(block_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    TD_ASSERT(!pool->is_closed);
    tape_block *block = pool->kept;
    if (block != NULL) {
        pool->kept = block->next;
        pool->kept_count--;
    } else {
        block = td_alloc_zero(1, sizeof *block);
    }
    pool->out_count++;
    pthread_mutex_unlock(&pool->mutex);
    if (block->pool == NULL) {
        td_buf_init(&block->bytes, LIMIT_CHUNK_BYTES + DECODE_PADDING_BYTES);
        block->arena = td_arena_open();
    }
    block->pool = pool;
    block->next = NULL;
    td_buf_clear(&block->bytes);
    td_arena_reset(block->arena);
    atomic_init(&block->references, 1);
    return block;
}

/* The last reference is gone: keep the block for later, or free it. */
static void give_back(tape_block *block)
{
    block_pool *pool = block->pool;
    size_t held_bytes = block->bytes.capacity + block_held_bytes(block) - block->bytes.size;
    pthread_mutex_lock(&pool->mutex);
    TD_ASSERT(pool->out_count > 0);
    pool->out_count--;
    int is_kept =
        !pool->is_closed && pool->kept_count < POOL_KEEP_MAX && held_bytes <= POOL_KEEP_BYTES;
    if (is_kept) {
        block->next = pool->kept;
        pool->kept = block;
        pool->kept_count++;
    }
    int is_last = pool->is_closed && pool->out_count == 0;
    pthread_mutex_unlock(&pool->mutex);
    if (!is_kept)
        free_block(block);
    if (is_last)
        free_pool(pool);
}

void tape_block_acquire(tape_block *block)
{
    /* Relaxed: the caller holds a reference already, so no ordering is needed. */
    unsigned before = atomic_fetch_add_explicit(&block->references, 1, memory_order_relaxed);
    TD_ASSERT(before > 0);
}

void tape_block_release(tape_block *block)
{
    if (block == NULL)
        return;
    /* Release: what this thread read of the block stays before its reuse; acquire: the last one
     * sees the end of all other threads' reads. */
    unsigned before = atomic_fetch_sub_explicit(&block->references, 1, memory_order_acq_rel);
    TD_ASSERT(before > 0);
    if (before == 1)
        give_back(block);
}

size_t block_held_bytes(const tape_block *block)
{
    return block->bytes.size + block->frame_capacity * sizeof *block->frames +
           td_arena_used_bytes(block->arena);
}
