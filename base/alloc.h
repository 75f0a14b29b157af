/* Memory. The project allocates only with these functions, and so do libraries that accept an
 * allocator. They never return NULL: when memory runs out, the program prints one line and aborts.
 * A recording survives such an abort as it survives `kill -9` (P1 of docs/design.md). Sizes from
 * external input are checked against base/limits.h before allocation. Any thread. */
#ifndef TD_BASE_ALLOC_H
#define TD_BASE_ALLOC_H

#include <stddef.h>

#include "base/attr.h"

/* Allocate uninitialised memory; 0 bytes give a valid pointer. Free with td_free. */
TD_NEVER_NULL void *td_alloc(size_t bytes);

/* Allocate count * size zero bytes. */
TD_NEVER_NULL void *td_alloc_zero(size_t count, size_t size);

/* Resize an array to count elements of size bytes. */
TD_NEVER_NULL void *td_realloc(void *old, size_t count, size_t size);

/* Make space in an array (NULL: empty) for count + 1 elements of size bytes. The capacity is the
 * next power of two, so callers need not store it. Only for arrays that always grow by this
 * function. */
TD_NEVER_NULL void *td_array_grow(void *old, size_t count, size_t size);

/* Make space in an array for this index; new elements are zero. Updates *capacity, in elements. */
TD_NEVER_NULL void *td_array_reach(void *old, size_t *capacity, size_t index, size_t size);

/* As td_array_reach, but updates *array. Inline, for hot loops. */
static inline void td_array_ensure(void **array, size_t *capacity, size_t index, size_t size)
{
    if (TD_UNLIKELY(index >= *capacity))
        *array = td_array_reach(*array, capacity, index, size);
}

/* td_strdup copies a string (NULL gives NULL); td_strndup copies length bytes and adds a NUL. */
TD_MUST_USE char *td_strdup(const char *text);
TD_NEVER_NULL char *td_strndup(const char *bytes, size_t length);

/* Free memory of the functions above; NULL is fine. */
void td_free(void *memory);

/* td_alloc and td_free for libraries that accept an allocator, with the signatures of zstd; opaque
 * is ignored. */
TD_NEVER_NULL void *td_alloc_hook(void *opaque, size_t bytes);
void td_free_hook(void *opaque, void *memory);

/* Abort because this many bytes (0: unknown) could not be allocated. Callers use it when a library
 * reports a failed allocation by a return value. First calls the handler, if set, else prints a
 * line on standard error. */
TD_NORETURN void td_out_of_memory(size_t bytes);

/* Set the handler, for programs that embed the library. It is called once, on the thread that ran
 * out of memory; it may print or log, but must not allocate. NULL: no handler. */
void td_set_out_of_memory_handler(void (*handler)(size_t bytes));

#endif
