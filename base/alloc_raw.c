#include "base/alloc.h"

#include <stdlib.h>

/* In a file of its own: test programs replace it by tests/testing/alloc_fault.c. */
void *td_alloc_raw(void *old, size_t bytes)
{
    return realloc(old, bytes);
}

void td_free_raw(void *memory)
{
    free(memory);
}

void *td_alloc_lent(void *opaque, size_t bytes)
{
    (void)opaque;
    return td_alloc_raw(NULL, bytes);
}

void td_free_lent(void *opaque, void *memory)
{
    (void)opaque;
    td_free_raw(memory);
}
