#include "base/alloc.h"

#include <stdint.h>
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

void *td_array_grow(void *old, size_t count, size_t size)
{
    if ((count & (count - 1)) != 0)
        return old;
    return count > SIZE_MAX / 2 ? NULL : td_realloc(old, count == 0 ? 1 : 2 * count, size);
}

void *td_array_reach(void *old, size_t *capacity, size_t index, size_t size)
{
    if (index < *capacity)
        return old;
    size_t wanted = *capacity == 0 ? 1 : *capacity;
    while (wanted <= index)
        wanted *= 2;
    char *grown = td_realloc(old, wanted, size);
    if (grown == NULL)
        return NULL;
    memset(grown + *capacity * size, 0, (wanted - *capacity) * size);
    *capacity = wanted;
    return grown;
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
    if (length > 0) /* an empty view may have no data pointer */
        memcpy(copy, bytes, length);
    copy[length] = '\0';
    return copy;
}

void td_free(void *memory)
{
    td_free_raw(memory);
}
