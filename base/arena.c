#include "base/arena.h"

#include <stdint.h>

#include "base/alloc.h"
#include "base/assert.h"

enum { ALIGN_BYTES = 16, FIRST_BLOCK_BYTES = 64 << 10 };

typedef struct arena_block {
    struct arena_block *older;
    size_t size; /* bytes usable behind this header */
    size_t used;
    size_t padding; /* keeps what follows at a multiple of 16 */
} arena_block;

_Static_assert(sizeof(arena_block) % ALIGN_BYTES == 0, "what follows a header must be aligned");

/* The bound is on bytes handed out, so that whether an allocation fits depends on this message
 * alone and not on how earlier ones cut up the blocks. Blocks double, so their sum is below three
 * times the bound. */
struct td_arena {
    arena_block *newest;
    size_t bytes_max;
    size_t used_bytes;
};

td_arena *td_arena_open(size_t bytes_max)
{
    td_arena *arena = td_alloc_zero(1, sizeof *arena);
    if (arena != NULL)
        arena->bytes_max = bytes_max;
    return arena;
}

static void free_blocks(td_arena *arena)
{
    while (arena->newest != NULL) {
        arena_block *older = arena->newest->older;
        td_free(arena->newest);
        arena->newest = older;
    }
}

void td_arena_close(td_arena *arena)
{
    if (arena == NULL)
        return;
    free_blocks(arena);
    td_free(arena);
}

static arena_block *add_block(td_arena *arena, size_t size)
{
    arena_block *block = td_alloc(sizeof *block + size);
    if (block == NULL)
        return NULL;
    *block = (arena_block){.older = arena->newest, .size = size};
    arena->newest = block;
    return block;
}

static arena_block *grow(td_arena *arena, size_t size)
{
    size_t want = arena->newest == NULL ? FIRST_BLOCK_BYTES : arena->newest->size * 2;
    if (want > arena->bytes_max)
        want = arena->bytes_max;
    if (want < size)
        want = size;
    TD_ASSERT(want <= arena->bytes_max);
    return add_block(arena, want);
}

void *td_arena_alloc(td_arena *arena, size_t size)
{
    if (size > SIZE_MAX - ALIGN_BYTES)
        return NULL;
    /* An empty allocation still gets an address of its own. */
    size_t rounded =
        size == 0 ? ALIGN_BYTES : (size + ALIGN_BYTES - 1) & ~(size_t)(ALIGN_BYTES - 1);
    if (TD_UNLIKELY(rounded > arena->bytes_max - arena->used_bytes))
        return NULL;
    arena_block *block = arena->newest;
    if (TD_UNLIKELY(block == NULL || rounded > block->size - block->used)) {
        block = grow(arena, rounded);
        if (block == NULL)
            return NULL;
    }
    TD_ASSERT(block->used <= block->size);
    TD_ASSERT(rounded <= block->size - block->used);
    void *memory = (char *)(block + 1) + block->used;
    block->used += rounded;
    arena->used_bytes += rounded;
    TD_ASSERT(arena->used_bytes <= arena->bytes_max);
    return memory;
}

/* Several blocks become one that is as large as all of them: from then on messages of this size
 * need one block, and no memory is asked for again. */
static void merge_blocks(td_arena *arena)
{
    size_t total = 0;
    for (const arena_block *b = arena->newest; b != NULL; b = b->older)
        total += b->size;
    if (total > arena->bytes_max)
        total = arena->bytes_max;
    free_blocks(arena);
    TD_ASSERT(arena->newest == NULL);
    /* Without memory now, the next allocation tries again. */
    (void)add_block(arena, total);
}

void td_arena_reset(td_arena *arena)
{
    arena->used_bytes = 0;
    if (arena->newest == NULL)
        return;
    if (arena->newest->older != NULL)
        merge_blocks(arena);
    else
        arena->newest->used = 0;
}

size_t td_arena_used_bytes(const td_arena *arena)
{
    return arena->used_bytes;
}
