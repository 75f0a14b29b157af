/* Memory. Every allocation of the project goes through these functions, so that a test can fail
 * the n-th one and report leaks: td_alloc_raw and its neighbours are in an object file of their
 * own, which test programs replace. Results are NULL when memory runs out; the caller reports
 * TD_E_NOMEM. Not for hot paths: those use rings, arenas and buffers allocated before. */
#ifndef TD_BASE_ALLOC_H
#define TD_BASE_ALLOC_H

#include <stddef.h>

#include "base/attr.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The only calls of the C library: resize (old != NULL) or allocate bytes > 0; and free. */
TD_MUST_USE void *td_alloc_raw(void *old, size_t bytes);
void td_free_raw(void *memory);

/* As above, for libraries that take an allocator, with the signatures of zstd; opaque is ignored.
 */
TD_MUST_USE void *td_alloc_lent(void *opaque, size_t bytes);
void td_free_lent(void *opaque, void *memory);

/* bytes of memory, not initialised; bytes 0 gives a valid pointer. Free with td_free. */
TD_MUST_USE void *td_alloc(size_t bytes);

/* count * size bytes, all zero; NULL also when the product overflows. */
TD_MUST_USE void *td_alloc_zero(size_t count, size_t size);

/* Resize an array to count elements of size bytes; on NULL the old one is still valid. */
TD_MUST_USE void *td_realloc(void *old, size_t count, size_t size);

/* Make space in an array (NULL: empty) for one more than count elements of size bytes. The
 * capacity is the next power of two, so callers need not store it; only for arrays that grow
 * through this function. On NULL the old array stays valid. */
TD_MUST_USE void *td_array_grow(void *old, size_t count, size_t size);

/* Make space in an array for this index; new elements are zero. On NULL the old array stays
 * valid, and *capacity is its size. */
TD_MUST_USE void *td_array_reach(void *old, size_t *capacity, size_t index, size_t size);

/* The same in place, for hot loops: 1, or 0 with *array unchanged. */
TD_MUST_USE static inline int td_array_ensure(void **array, size_t *capacity, size_t index,
                                              size_t size)
{
    if (TD_LIKELY(index < *capacity))
        return 1;
    void *grown = td_array_reach(*array, capacity, index, size);
    if (grown == NULL)
        return 0;
    *array = grown;
    return 1;
}

/* Copy a string, or length bytes and a NUL. NULL for a NULL text. */
TD_MUST_USE char *td_strdup(const char *text);
TD_MUST_USE char *td_strndup(const char *bytes, size_t length);

/* Free memory of any function above; NULL is allowed. */
void td_free(void *memory);

#ifdef __cplusplus
}
#endif

#endif
