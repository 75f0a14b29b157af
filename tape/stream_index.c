#include "tape/stream_index.h"

#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"

uint64_t stream_name_hash(const stream_name *name)
{
    uint64_t hash = td_xxh64(name->feed, strlen(name->feed));
    hash = hash * 31 + td_xxh64(name->topic, strlen(name->topic));
    hash = hash * 31 + td_xxh64(name->symbol, strlen(name->symbol));
    return hash * 31 + name->line * UINT64_C(7) + (unsigned)name->dir;
}

static int is_same(const stream_name *a, const stream_name *b)
{
    return a->line == b->line && a->dir == b->dir && strcmp(a->symbol, b->symbol) == 0 &&
           strcmp(a->topic, b->topic) == 0 && strcmp(a->feed, b->feed) == 0;
}

size_t stream_index_find(const stream_index *self, const stream_name *name)
{
    row_probe at = row_probe_of(stream_name_hash(name));
    while (row_table_next(&self->by_name, &at))
        if (is_same(&self->names[at.row], name))
            return at.row;
    return STREAM_INDEX_NONE;
}

size_t stream_index_add(stream_index *self, const stream_name *name)
{
    row_table_put(&self->by_name, stream_name_hash(name), self->count);
    self->names = td_array_grow(self->names, self->count, sizeof *self->names);
    self->names[self->count] = *name;
    return self->count++;
}

void stream_index_fini(stream_index *self)
{
    td_free(self->names);
    row_table_fini(&self->by_name);
    *self = (stream_index){0};
}
