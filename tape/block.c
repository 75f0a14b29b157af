#include "tape/block.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "schema/decode.h"

enum {
    /* Blocks that hold more memory than this are freed, not reused: they had an extreme frame, and
       the next chunk is ordinary. */
    POOL_KEEP_BYTES = 8 << 20,
};

typedef struct open_segment {
    struct open_segment *next;
    segment_reader *reader;
    char *name;
    size_t users;
} open_segment;

struct block_pool {
    pthread_mutex_t mutex;
    open_segment *open;
    tape_block *first; /* list of all blocks */
    size_t kept_count;
    size_t out_count;            /* blocks with references */
    segment_scratch **scratches; /* not in use by a thread */
    size_t scratch_count;
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
    td_free(block->entries);
    td_free(block->frames);
    td_free(block->file);
    td_arena_close(block->arena);
    td_free(block);
}

/* Free a pool that was closed, and whose last block was released. */
static void free_pool(block_pool *pool)
{
    TD_ASSERT(pool->out_count == 0);
    while (pool->first != NULL) {
        tape_block *next = pool->first->next;
        free_block(pool->first);
        pool->first = next;
    }
    for (size_t i = 0; i < pool->scratch_count; i++)
        segment_scratch_close(pool->scratches[i]);
    td_free(pool->scratches);
    pthread_mutex_destroy(&pool->mutex);
    td_free(pool);
}

void block_pool_close(block_pool *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->mutex);
    pool->is_closed = 1;
    int is_last = pool->out_count == 0;
    pthread_mutex_unlock(&pool->mutex);
    if (is_last)
        free_pool(pool);
}

/* ---- open segments ---- */

segment_reader *block_pool_reader(block_pool *pool, const char *name)
{
    pthread_mutex_lock(&pool->mutex);
    open_segment *of = pool->open;
    while (of != NULL && strcmp(of->name, name) != 0)
        of = of->next;
    if (of != NULL)
        of->users++;
    pthread_mutex_unlock(&pool->mutex);
    return of == NULL ? NULL : of->reader;
}

void block_pool_add_reader(block_pool *pool, const char *name, segment_reader *reader)
{
    open_segment *made = td_alloc(sizeof *made);
    pthread_mutex_lock(&pool->mutex);
    *made =
        (open_segment){.next = pool->open, .reader = reader, .name = td_strdup(name), .users = 1};
    pool->open = made;
    pthread_mutex_unlock(&pool->mutex);
}

void block_pool_drop_reader(block_pool *pool, segment_reader *reader)
{
    pthread_mutex_lock(&pool->mutex);
    open_segment **at = &pool->open;
    while ((*at)->reader != reader)
        at = &(*at)->next;
    open_segment *of = *at;
    const int is_last = --of->users == 0;
    if (is_last)
        *at = of->next;
    pthread_mutex_unlock(&pool->mutex);
    if (!is_last)
        return;
    segment_reader_close(reader);
    td_free(of->name);
    td_free(of);
}

/* ---- acquiring ---- */

/* Add a reference to a held block; 0 if the last reference is just being released. */
static int acquire_held(tape_block *block)
{
    unsigned seen = atomic_load_explicit(&block->references, memory_order_relaxed);
    /* memory_order_relaxed is enough: the pool's mutex orders access to the block's data. */
    while (seen > 0 &&
           !atomic_compare_exchange_weak_explicit(&block->references, &seen, seen + 1,
                                                  memory_order_relaxed, memory_order_relaxed))
        continue;
    return seen > 0;
}

static void unkeep(block_pool *pool, tape_block *block)
{
    block->is_kept = 0;
    pool->kept_count--;
    pool->out_count++;
    atomic_store_explicit(&block->references, 1, memory_order_relaxed);
}

/* Find a block with the chunk's bytes, and add a reference to it. NULL if absent. */
static tape_block *find(block_pool *pool, const source_chunk *chunk)
{
    for (tape_block *b = pool->first; b != NULL; b = b->next) {
        if (b->file == NULL || b->offset != chunk->offset ||
            strcmp(b->file, chunk->file->name) != 0)
            continue;
        if (b->is_kept)
            unkeep(pool, b);
        else if (!acquire_held(b))
            continue;
        return b;
    }
    return NULL;
}

static tape_block *add_block(block_pool *pool)
{
    tape_block *made = td_alloc_zero(1, sizeof *made);
    td_buf_init(&made->bytes, LIMIT_CHUNK_BYTES + DECODE_PADDING_BYTES);
    made->arena = td_arena_open();
    made->pool = pool;
    made->next = pool->first;
    atomic_init(&made->references, 1);
    pool->first = made;
    pool->out_count++;
    return made;
}

/* An empty block with one reference. */
static tape_block *take_empty(block_pool *pool)
{
    tape_block *block = pool->first;
    while (block != NULL && !block->is_kept)
        block = block->next;
    if (block == NULL)
        return add_block(pool);
    unkeep(pool, block);
    td_free(block->file);
    block->file = NULL;
    block->entry_count = 0;
    block->damage_count = 0;
    td_buf_clear(&block->bytes);
    td_arena_reset(block->arena);
    return block;
}

/* ---- messages ---- */

static void add_damage(tape_block *block, const td_err *what)
{
    if (block->damage_count++ == 0)
        block->damage = *what;
}

/* Add a message. Messages of a chunk are in order of time: a message that is earlier than the
 * message before it is damage, and is lost. */
static void add_message(tape_block *block, const segment_message *found)
{
    td_err err;
    uint64_t last_ns = block->entry_count == 0 ? 0 : block->entries[block->entry_count - 1].recv_ns;
    if (found->log_ns < last_ns || found->data.size > LIMIT_FRAME_BYTES) {
        td_err_set(&err, TD_E_CORRUPT, "a message is %s",
                   found->log_ns < last_ns ? "earlier than the one before it" : "too large");
        add_damage(block, &err);
        return;
    }
    _Static_assert(LIMIT_CHUNK_BYTES < UINT32_MAX, "an offset in a chunk has 32 bits");
    const chunk_entry entry = {.recv_ns = found->log_ns,
                               .offset = (uint32_t)(found->data.data - block->bytes.data),
                               .size = (uint32_t)found->data.size,
                               .sequence = found->sequence,
                               .channel = found->channel->id};
    TD_ASSERT(entry.offset >= sizeof(uint64_t));
    td_array_ensure((void **)&block->entries, &block->entry_capacity, block->entry_count,
                    sizeof entry);
    block->entries[block->entry_count++] = entry;
}

/* Find the messages, and count unreadable ones. A message with a wrong length ends the chunk,
 * because the start of the next one is unknown. */
static td_result find_messages(tape_block *block, const source *from, const source_chunk *chunk,
                               td_err *err)
{
    size_t at = 0;
    for (;;) {
        segment_message found;
        td_result rc = from->ops->message(chunk, td_buf_view(&block->bytes), &at, &found, err);
        if (rc == TD_EOF)
            return TD_OK;
        if (rc == TD_OK)
            add_message(block, &found);
        else if (rc == TD_E_CORRUPT)
            add_damage(block, err);
        else
            return rc;
    }
}

td_result block_pool_read(block_pool *pool, const source *from, const source_chunk *chunk,
                          int is_private, tape_block **out, td_err *err)
{
    pthread_mutex_lock(&pool->mutex);
    TD_ASSERT(!pool->is_closed);
    *out = is_private ? NULL : find(pool, chunk);
    const int is_found = *out != NULL;
    segment_scratch *scratch = NULL;
    if (!is_found) {
        *out = take_empty(pool);
        if (pool->scratch_count > 0)
            scratch = pool->scratches[--pool->scratch_count];
    }
    pthread_mutex_unlock(&pool->mutex);
    if (is_found)
        return TD_OK;
    if (scratch == NULL)
        scratch = segment_scratch_open();
    td_result rc = from->ops->read(chunk, scratch, &(*out)->bytes, err);
    if (rc == TD_OK)
        rc = find_messages(*out, from, chunk, err);
    pthread_mutex_lock(&pool->mutex);
    pool->scratches =
        td_array_grow(pool->scratches, pool->scratch_count, sizeof(segment_scratch *));
    pool->scratches[pool->scratch_count++] = scratch;
    if (rc == TD_OK && !is_private) {
        (*out)->file = td_strdup(chunk->file->name);
        (*out)->offset = chunk->offset;
    }
    pthread_mutex_unlock(&pool->mutex);
    return rc;
}

void tape_block_acquire(tape_block *block)
{
    /* memory_order_relaxed is enough: the caller holds a reference already. */
    unsigned before = atomic_fetch_add_explicit(&block->references, 1, memory_order_relaxed);
    TD_ASSERT(before > 0);
}

void tape_block_release(tape_block *block)
{
    if (block == NULL)
        return;
    /* Release order: this thread's reads of the block happen before its reuse. Acquire order: the
     * last release sees the end of all other threads' reads. */
    unsigned before = atomic_fetch_sub_explicit(&block->references, 1, memory_order_acq_rel);
    TD_ASSERT(before > 0);
    if (before > 1)
        return;

    block_pool *pool = block->pool;
    size_t held_bytes = block->bytes.capacity + block_held_bytes(block) - block->bytes.size;
    pthread_mutex_lock(&pool->mutex);
    TD_ASSERT(pool->out_count > 0);
    pool->out_count--;
    /* Keep one block, or more while fewer are kept than are in use. */
    block->is_kept = (pool->kept_count == 0 || pool->kept_count < pool->out_count) &&
                     held_bytes <= POOL_KEEP_BYTES;
    if (block->is_kept) {
        pool->kept_count++;
    } else {
        tape_block **at = &pool->first;
        while (*at != block)
            at = &(*at)->next;
        *at = block->next;
        free_block(block);
    }
    int is_last = pool->is_closed && pool->out_count == 0;
    pthread_mutex_unlock(&pool->mutex);
    if (is_last)
        free_pool(pool);
}

size_t block_held_bytes(const tape_block *block)
{
    return block->bytes.size + block->entry_capacity * sizeof *block->entries +
           block->frame_capacity * sizeof *block->frames + td_arena_used_bytes(block->arena);
}
