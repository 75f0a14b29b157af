/* A hash table of array indexes, with open addressing. The caller owns the rows of the array and
 * may move them. A look-up returns the rows with the hash, in no fixed order; the caller compares
 * them:
 *
 *     slot_probe at = slot_probe_of(hash);
 *     while (slot_table_next(&table, &at))
 *         if (is_wanted(&rows[at.row]))
 *             return &rows[at.row];
 *
 * Entries store 32 bits of the hash, so that growing does not read the rows, and few wrong rows are
 * compared. Rows can only be removed all together. Zero-initialise to start. One thread. */
#ifndef TD_BASE_SLOT_TABLE_H
#define TD_BASE_SLOT_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

typedef struct table_slot {
    uint32_t hash;
    uint32_t entry; /* row + 1; 0: free */
} table_slot;

typedef struct slot_table {
    table_slot *slots;
    size_t capacity; /* 0 or a power of two; at most half used, so that a probe ends */
    size_t count;    /* number of rows */
} slot_table;

/* State of a look-up. */
typedef struct slot_probe {
    uint32_t hash;
    uint32_t row; /* after slot_table_next */
    size_t at;
} slot_probe;

/* Begin a look-up of the rows with this hash (all 64 bits are used). */
static inline slot_probe slot_probe_of(uint64_t hash)
{
    uint32_t folded = (uint32_t)(hash ^ hash >> 32);
    slot_probe probe = {folded, 0, folded};
    return probe;
}

/* Set probe->row to the next row with the probe's hash. 1, or 0 after the last one. */
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

/* Add a row; several may have the same hash. Row numbers have 32 bits (asserted). */
void slot_table_put(slot_table *table, uint64_t hash, size_t row);

/* Remove all rows; keeps the memory. */
void slot_table_clear(slot_table *table);

/* Free the memory. The table is empty afterwards. */
void slot_table_fini(slot_table *table);

#endif
