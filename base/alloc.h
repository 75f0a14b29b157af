/* Memory. Every allocation of the project goes through these functions, and every allocation of a
 * library that lets the caller choose. They never return NULL: when memory runs out, the program
 * prints one line and aborts. A recording survives that as it survives `kill -9` (P1 of
 * docs/design.md). Sizes that come from outside are compared with their limit (base/limits.h)
 * before they are allocated. Any thread. */
#ifndef TD_BASE_ALLOC_H
#define TD_BASE_ALLOC_H

#include <stddef.h>

#include "base/attr.h"

/* bytes of memory, not initialised; bytes 0 gives a valid pointer. Free with td_free. */
TD_NEVER_NULL void *td_alloc(size_t bytes);

/* count * size bytes, all zero. */
TD_NEVER_NULL void *td_alloc_zero(size_t count, size_t size);

/* Resize an array to count elements of size bytes. */
TD_NEVER_NULL void *td_realloc(void *old, size_t count, size_t size);

/* Make space in an array (NULL: empty) for one more than count elements of size bytes. The
 * capacity is the next power of two, so callers need not store it; only for arrays that grow
 * through this function. */
TD_NEVER_NULL void *td_array_grow(void *old, size_t count, size_t size);

/* Make space in an array for this index; new elements are zero. */
TD_NEVER_NULL void *td_array_reach(void *old, size_t *capacity, size_t index, size_t size);

/* The same in place, for hot loops. */
static inline void td_array_ensure(void **array, size_t *capacity, size_t index, size_t size)
{
    if (TD_UNLIKELY(index >= *capacity))
        *array = td_array_reach(*array, capacity, index, size);
}

/* Copy a string, or length bytes and a NUL. NULL for a NULL text, and only then. */
TD_MUST_USE char *td_strdup(const char *text);
TD_NEVER_NULL char *td_strndup(const char *bytes, size_t length);

/* Free memory of any function above; NULL is allowed. */
void td_free(void *memory);

/* td_alloc and td_free for libraries that take an allocator, with the signatures of zstd; opaque is
 * ignored. */
TD_NEVER_NULL void *td_alloc_hook(void *opaque, size_t bytes);
void td_free_hook(void *opaque, void *memory);

/* End the program because bytes (0: how many is not known) could not be allocated, for libraries
 * that report it as a result. Calls the handler, or else prints a line on standard error; then
 * aborts. */
TD_NORETURN void td_out_of_memory(size_t bytes);

/* A handler for programs that embed the library: called once, on the thread that ran out of memory,
 * to print or log; it must not allocate. NULL: the line above. */
void td_set_out_of_memory_handler(void (*handler)(size_t bytes));

#endif
