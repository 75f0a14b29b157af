#include "base/arena.h"

#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

enum { ALIGN_BYTES = 16 };

/* Blocks double in size from a small first one: a program may have many small arenas. */
enum { FIRST_BLOCK_BYTES = 4 << 10, BLOCK_BYTES_MAX = 256 << 10 };

typedef struct arena_block {
    struct arena_block *next;
    size_t size; /* usable bytes after this header */
    size_t used;
    size_t padding; /* aligns the bytes after the header to 16 */
} arena_block;

_Static_assert(sizeof(arena_block) % ALIGN_BYTES == 0, "what follows a header must be aligned");

/* Blocks are kept at a reset: a message of the same size needs no new memory. */
struct td_arena {
    arena_block *first;
    size_t block_bytes;   /* size of the next new block */
    arena_block *current; /* the block being filled; later ones are empty; NULL: all are empty */
    size_t used_bytes;
};

td_arena *td_arena_open(void)
{
    td_arena *made = td_alloc_zero(1, sizeof *made);
    made->block_bytes = FIRST_BLOCK_BYTES;
    return made;
}

void td_arena_close(td_arena *arena)
{
    if (arena == NULL)
        return;
    while (arena->first != NULL) {
        arena_block *next = arena->first->next;
        td_free(arena->first);
        arena->first = next;
    }
    td_free(arena);
}

/* Continue in the next block; if it is too small for size, insert a new block before it. */
static arena_block *next_block(td_arena *arena, size_t size)
{
    arena_block **link = arena->current == NULL ? &arena->first : &arena->current->next;
    if (*link == NULL || (*link)->size < size) {
        size_t room = size > arena->block_bytes ? size : arena->block_bytes;
        if (arena->block_bytes < BLOCK_BYTES_MAX)
            arena->block_bytes *= 2;
        arena_block *made = td_alloc(sizeof *made + room);
        *made = (arena_block){.next = *link, .size = room};
        *link = made;
    }
    arena->current = *link;
    arena->current->used = 0;
    return arena->current;
}

void *td_arena_alloc(td_arena *arena, size_t size)
{
    if (TD_UNLIKELY(size > SIZE_MAX / 2))
        td_out_of_memory(size);
    /* Empty allocations also get unique addresses. */
    size_t rounded =
        size == 0 ? ALIGN_BYTES : (size + ALIGN_BYTES - 1) & ~(size_t)(ALIGN_BYTES - 1);
    arena_block *block = arena->current;
    if (TD_UNLIKELY(block == NULL || rounded > block->size - block->used))
        block = next_block(arena, rounded);
    TD_ASSERT(block->used <= block->size);
    TD_ASSERT(rounded <= block->size - block->used);
    void *memory = (char *)(block + 1) + block->used;
    block->used += rounded;
    arena->used_bytes += rounded;
    return memory;
}

void *td_arena_copy(td_arena *arena, const void *from, size_t size)
{
    void *copy = td_arena_alloc(arena, size);
    if (size > 0)
        memcpy(copy, from, size);
    return copy;
}

char *td_arena_text(td_arena *arena, td_bytes text)
{
    char *copy = td_arena_alloc(arena, text.size + 1);
    if (text.size > 0)
        memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    return copy;
}

void td_arena_reset(td_arena *arena)
{
    arena->used_bytes = 0;
    arena->current = NULL;
}

size_t td_arena_used_bytes(const td_arena *arena)
{
    return arena->used_bytes;
}
