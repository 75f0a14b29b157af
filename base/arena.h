/* Memory for one message: many allocations, freed together. Blocks are kept at a reset, so after
 * the first messages the arena allocates nothing. One thread. */
#ifndef TD_BASE_ARENA_H
#define TD_BASE_ARENA_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/attr.h"

typedef struct td_arena td_arena;

/* Allocate an arena; free it (NULL is fine). */
TD_NEVER_NULL td_arena *td_arena_open(void);
void td_arena_close(td_arena *arena);

/* Allocate size bytes, 16-byte aligned, valid until the next reset. */
TD_NEVER_NULL void *td_arena_alloc(td_arena *arena, size_t size);

/* Allocate a copy of size bytes, which may be 0. */
TD_NEVER_NULL void *td_arena_copy(td_arena *arena, const void *from, size_t size);

/* Allocate a copy of a text, with a NUL after it. */
TD_NEVER_NULL char *td_arena_text(td_arena *arena, td_bytes text);

/* Free all allocations; the memory is kept for the next message. */
void td_arena_reset(td_arena *arena);

/* Bytes allocated since the last reset. */
size_t td_arena_used_bytes(const td_arena *arena);

#endif
