#include "archive/name_index.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"

static uint64_t name_hash(td_bytes name)
{
    return td_xxh64(name.data, name.size);
}

size_t name_index_find(const name_index *index, td_bytes name)
{
    slot_probe at = slot_probe_of(name_hash(name));
    while (slot_table_next(&index->slots, &at)) {
        if (td_bytes_equal(index->names[at.row].name, name))
            return index->names[at.row].row;
    }
    return NAME_INDEX_NONE;
}

void name_index_put(name_index *index, td_bytes name, size_t row)
{
    TD_ASSERT(row < NAME_INDEX_NONE);
    if (name_index_find(index, name) != NAME_INDEX_NONE)
        return;
    index->names = td_array_grow(index->names, index->count, sizeof *index->names);
    index->names[index->count] = (name_row){.name = name, .row = row};
    slot_table_put(&index->slots, name_hash(name), index->count++);
}

void name_index_fini(name_index *index)
{
    slot_table_fini(&index->slots);
    td_free(index->names);
    *index = (name_index){0};
}
