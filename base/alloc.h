/* Memory. Every allocation of the project goes through these, so that a test can make the n-th one
 * fail and see what was never freed: td_alloc_raw and what stands with it have an object file of
 * their own, and a test links another one in its place.
 * Results are NULL when there is no memory; the caller reports TD_E_NOMEM. Not for hot paths: those
 * use rings, arenas and buffers made before. */
#ifndef TD_BASE_ALLOC_H
#define TD_BASE_ALLOC_H

#include <stddef.h>

#include "base/attr.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The one place that asks the C library: resize (old != NULL) or allocate bytes > 0; and that gives
 * back. */
TD_MUST_USE void *td_alloc_raw(void *old, size_t bytes);
void td_free_raw(void *memory);

/* The same lent to a library that takes an allocator, in the form that zstd has for it; opaque is
 * not looked at. */
TD_MUST_USE void *td_alloc_lent(void *opaque, size_t bytes);
void td_free_lent(void *opaque, void *memory);

/* bytes of memory, not initialised; bytes 0 gives a valid pointer. Free with td_free. */
TD_MUST_USE void *td_alloc(size_t bytes);

/* count * size bytes, all zero; NULL also when the product overflows. */
TD_MUST_USE void *td_alloc_zero(size_t count, size_t size);

/* Resize an array to count elements of size bytes; on NULL the old one is still valid. */
TD_MUST_USE void *td_realloc(void *old, size_t count, size_t size);

/* The array (NULL: none yet) with space for one more than count elements of size bytes: as it is,
 * or larger. Its capacity is the next power of two, so callers need not keep it; for arrays that
 * grow by this function only. On NULL the old one is still valid. */
TD_MUST_USE void *td_array_grow(void *old, size_t count, size_t size);

/* The array with a place for this index: as it is, or larger, with zeros in its new places. On NULL
 * the old one is still valid, and *capacity says how large that is. */
TD_MUST_USE void *td_array_reach(void *old, size_t *capacity, size_t index, size_t size);

/* The same in place, for a hot loop: 1, or 0 and *array is as it was. */
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

/* Copy of a string, or of length bytes with a NUL behind. NULL text gives NULL. */
TD_MUST_USE char *td_strdup(const char *text);
TD_MUST_USE char *td_strndup(const char *bytes, size_t length);

/* Free what any of the above gave; NULL is fine. */
void td_free(void *memory);

#ifdef __cplusplus
}
#endif

#endif
