#include "base/alloc.h"

#include <stdlib.h>

/* Alone in its file: tests/testing/alloc_fault.c takes its place in test programs. */
void *td_alloc_raw(void *old, size_t bytes)
{
    return realloc(old, bytes);
}
