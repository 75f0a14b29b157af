#include "archive/name_index.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"

enum { FIRST_CAPACITY = 64 };

/* Where a name is, or would be. At least one slot is free. */
static size_t slot_of(const name_slot *slots, size_t capacity, td_bytes name)
{
    TD_ASSERT((capacity & (capacity - 1)) == 0);
    size_t at = (size_t)td_xxh64(name.data, name.size) & (capacity - 1);
    while (slots[at].row != 0 && td_bytes_compare(slots[at].name, name) != 0)
        at = (at + 1) & (capacity - 1);
    return at;
}

/* Three of four slots are taken at most. */
static td_result make_space(name_index *index, td_err *err)
{
    if ((index->count + 1) * 4 <= index->capacity * 3)
        return TD_OK;
    size_t capacity = index->capacity == 0 ? FIRST_CAPACITY : index->capacity * 2;
    name_slot *slots = td_alloc_zero(capacity, sizeof *slots);
    if (slots == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu names", index->count + 1);
    for (size_t i = 0; i < index->capacity; i++) {
        const name_slot *slot = &index->slots[i];
        if (slot->row != 0)
            slots[slot_of(slots, capacity, slot->name)] = *slot;
    }
    td_free(index->slots);
    index->slots = slots;
    index->capacity = capacity;
    return TD_OK;
}

td_result name_index_put(name_index *index, td_bytes name, size_t row, td_err *err)
{
    TD_ASSERT(row < SIZE_MAX);
    td_result rc = make_space(index, err);
    if (rc != TD_OK)
        return rc;
    TD_ASSERT(index->count < index->capacity);
    name_slot *slot = &index->slots[slot_of(index->slots, index->capacity, name)];
    if (slot->row != 0)
        return TD_OK;
    *slot = (name_slot){.name = name, .row = row + 1};
    index->count++;
    return TD_OK;
}

size_t name_index_find(const name_index *index, td_bytes name)
{
    if (index->count == 0)
        return NAME_INDEX_NONE;
    TD_ASSERT(index->slots != NULL);
    const name_slot *slot = &index->slots[slot_of(index->slots, index->capacity, name)];
    return slot->row == 0 ? NAME_INDEX_NONE : slot->row - 1;
}

void name_index_fini(name_index *index)
{
    td_free(index->slots);
    *index = (name_index){0};
}
