#include "base/alloc.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void (*_Atomic memory_handler)(size_t bytes);

void td_set_out_of_memory_handler(void (*handler)(size_t bytes))
{
    atomic_store(&memory_handler, handler);
}

void td_out_of_memory(size_t bytes)
{
    void (*handler)(size_t) = atomic_load(&memory_handler);
    char line[96];
    if (handler != NULL) {
        handler(bytes);
        abort();
    }
    int size = bytes == 0
                   ? snprintf(line, sizeof line, "tapedeck: out of memory\n")
                   : snprintf(line, sizeof line, "tapedeck: out of memory: %zu bytes\n", bytes);
    ssize_t written = write(STDERR_FILENO, line, (size_t)size);
    (void)written; /* the program ends either way */
    abort();
}

static void *allocate(void *old, size_t bytes)
{
    void *memory = realloc(old, bytes == 0 ? 1 : bytes);
    if (TD_UNLIKELY(memory == NULL))
        td_out_of_memory(bytes);
    return memory;
}

static size_t size_of_array(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        td_out_of_memory(SIZE_MAX);
    return bytes;
}

void *td_alloc(size_t bytes)
{
    return allocate(NULL, bytes);
}

void *td_alloc_zero(size_t count, size_t size)
{
    size_t bytes = size_of_array(count, size);
    return memset(td_alloc(bytes), 0, bytes);
}

void *td_realloc(void *old, size_t count, size_t size)
{
    return allocate(old, size_of_array(count, size));
}

void *td_array_grow(void *old, size_t count, size_t size)
{
    if ((count & (count - 1)) != 0)
        return old;
    return td_realloc(old, count == 0 ? 1 : size_of_array(count, 2), size);
}

void *td_array_reach(void *old, size_t *capacity, size_t index, size_t size)
{
    if (index < *capacity)
        return old;
    size_t wanted = *capacity == 0 ? 1 : *capacity;
    while (wanted <= index)
        wanted = size_of_array(wanted, 2);
    char *grown = td_realloc(old, wanted, size);
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
    if (length > 0) /* an empty view may have no data pointer */
        memcpy(copy, bytes, length);
    copy[length] = '\0';
    return copy;
}

void td_free(void *memory)
{
    free(memory);
}

void *td_alloc_hook(void *opaque, size_t bytes)
{
    (void)opaque;
    return td_alloc(bytes);
}

void td_free_hook(void *opaque, void *memory)
{
    (void)opaque;
    td_free(memory);
}
