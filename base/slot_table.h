/* Rows of an array by hash: an open-addressed table of their indexes. The rows stay with the
 * caller, and may move. A look-up gives the rows that may be the wanted one, in no fixed order; the
 * caller compares them:
 *
 *     slot_probe at = slot_probe_of(hash);
 *     while (slot_table_next(&table, &at))
 *         if (is_wanted(&rows[at.row]))
 *             return &rows[at.row];
 *
 * Slots keep 32 bits of the hash, so that growing needs no rows, and few wrong rows are compared.
 * Rows are only removed all at once. Zero-initialise to start. One thread. */
#ifndef TD_BASE_SLOT_TABLE_H
#define TD_BASE_SLOT_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

typedef struct table_slot {
    uint32_t hash;
    uint32_t entry; /* row + 1; 0: the slot is free */
} table_slot;

typedef struct slot_table {
    table_slot *slots;
    size_t capacity; /* 0 or a power of two; half of it is used at most, so that a probe ends */
    size_t count;    /* rows */
} slot_table;

/* A look-up. */
typedef struct slot_probe {
    uint32_t hash;
    uint32_t row; /* after slot_table_next */
    size_t at;
} slot_probe;

/* Begin to look for the rows of this hash (all 64 bits count). */
static inline slot_probe slot_probe_of(uint64_t hash)
{
    uint32_t folded = (uint32_t)(hash ^ hash >> 32);
    slot_probe probe = {folded, 0, folded};
    return probe;
}

/* The next row with the probe's hash into probe->row. 0 if absent. */
static inline int slot_table_next(const slot_table *table, slot_probe *probe)
{
    if (table->capacity == 0)
        return 0;
    for (;;) {
        const table_slot *slot = &table->slots[probe->at++ & (table->capacity - 1)];
        if (slot->entry == 0)
            return 0;
        if (slot->hash == probe->hash) {
            probe->row = slot->entry - 1;
            return 1;
        }
    }
}

/* Put a row, also if one of this hash is there. Rows are numbered in 32 bits (asserted): what they
 * come from has a lower bound. */
void slot_table_put(slot_table *table, uint64_t hash, size_t row);

/* Remove all rows; the space stays. */
void slot_table_clear(slot_table *table);

/* Free the space. The table is empty afterwards. */
void slot_table_fini(slot_table *table);

#endif
