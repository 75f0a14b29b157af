#include "base/alloc.h"

#include <string.h>

void *td_alloc(size_t bytes)
{
    return td_alloc_raw(NULL, bytes == 0 ? 1 : bytes);
}

void *td_alloc_zero(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    void *memory = td_alloc(bytes);
    if (memory != NULL)
        memset(memory, 0, bytes);
    return memory;
}

void *td_realloc(void *old, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    return td_alloc_raw(old, bytes == 0 ? 1 : bytes);
}

char *td_strdup(const char *text)
{
    return text == NULL ? NULL : td_strndup(text, strlen(text));
}

char *td_strndup(const char *bytes, size_t length)
{
    char *copy = td_alloc(length + 1);
    if (copy == NULL)
        return NULL;
    if (length > 0) /* an empty view may have no bytes to point to */
        memcpy(copy, bytes, length);
    copy[length] = '\0';
    return copy;
}

void td_free(void *memory)
{
    td_free_raw(memory);
}
