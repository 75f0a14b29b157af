/* A hash table of array indexes, with open addressing. The caller owns the rows of the array and
 * may move them. A look-up returns the rows with the hash, in no fixed order; the caller compares
 * them:
 *
 *     row_probe at = row_probe_of(hash);
 *     while (row_table_next(&table, &at))
 *         if (is_wanted(&rows[at.row]))
 *             return &rows[at.row];
 *
 * Entries store 32 bits of the hash, so that growing does not read the rows, and few wrong rows are
 * compared. Rows can only be removed all together. Zero-initialise to start. One thread. */
#ifndef TD_BASE_ROW_TABLE_H
#define TD_BASE_ROW_TABLE_H

#include <stddef.h>
#include <stdint.h>

typedef struct row_table_entry {
    uint32_t hash;
    uint32_t number; /* row + 1; 0: free */
} row_table_entry;

typedef struct row_table {
    row_table_entry *entries;
    size_t capacity; /* 0 or a power of two; at most half used, so that a probe ends */
    size_t count;    /* number of rows */
} row_table;

/* State of a look-up. */
typedef struct row_probe {
    uint32_t hash;
    uint32_t row; /* after row_table_next */
    size_t at;
} row_probe;

/* Begin a look-up of the rows with this hash (all 64 bits are used). */
static inline row_probe row_probe_of(uint64_t hash)
{
    uint32_t folded = (uint32_t)(hash ^ hash >> 32);
    row_probe probe = {folded, 0, folded};
    return probe;
}

/* Set probe->row to the next row with the probe's hash. 1, or 0 after the last one. */
static inline int row_table_next(const row_table *table, row_probe *probe)
{
    if (table->capacity == 0)
        return 0;
    for (;;) {
        const row_table_entry *entry = &table->entries[probe->at++ & (table->capacity - 1)];
        if (entry->number == 0)
            return 0;
        if (entry->hash == probe->hash) {
            probe->row = entry->number - 1;
            return 1;
        }
    }
}

/* Add a row; several may have the same hash. Row numbers have 32 bits (asserted). */
void row_table_put(row_table *table, uint64_t hash, size_t row);

/* Remove all rows; keeps the memory. */
void row_table_clear(row_table *table);

/* Free the memory. The table is empty afterwards. */
void row_table_fini(row_table *table);

#endif
