#include "archive/name_index.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"

static uint64_t name_hash(td_bytes name)
{
    return td_xxh64(name.data, name.size);
}

static size_t find(const name_index *index, td_bytes name, uint64_t hash)
{
    row_probe at = row_probe_of(hash);
    while (row_table_next(&index->slots, &at)) {
        if (td_bytes_equal(index->names[at.row].name, name))
            return index->names[at.row].row;
    }
    return NAME_INDEX_NONE;
}

size_t name_index_find(const name_index *index, td_bytes name)
{
    return find(index, name, name_hash(name));
}

void name_index_put(name_index *index, td_bytes name, size_t row)
{
    const uint64_t hash = name_hash(name);
    TD_ASSERT(row < NAME_INDEX_NONE);
    if (find(index, name, hash) != NAME_INDEX_NONE)
        return;
    index->names = td_array_grow(index->names, index->count, sizeof *index->names);
    index->names[index->count] = (name_row){.name = name, .row = row};
    row_table_put(&index->slots, hash, index->count++);
}

void name_index_fini(name_index *index)
{
    row_table_fini(&index->slots);
    td_free(index->names);
    *index = (name_index){0};
}
