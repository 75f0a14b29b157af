/* The order of a frame's entries as rows: as listed, or, if the exchange lists the newest one first
 * (topic_row.newest_first), oldest first. Messages and digests keep the frame's order.
 *
 * One order per thread; it is computed for one message at a time. */
#ifndef TD_SCHEMA_ENTRY_ORDER_H
#define TD_SCHEMA_ENTRY_ORDER_H

#include <stddef.h>
#include <stdint.h>

#include "schema/message.h"

typedef struct entry_place {
    uint64_t key; /* orders like the member's values */
    size_t index; /* in the message */
} entry_place;

/* Zero-initialise. */
typedef struct entry_order {
    entry_place *places;
    size_t capacity;
    uint8_t is_listed; /* 1: rows are in the order of the message */
} entry_order;

/* Free the memory. */
void entry_order_fini(entry_order *self);

/* Compute the order of a message's entries. m may be NULL. */
void entry_order_set(entry_order *self, const message *m);

/* The index in the message of the entry of row i. self NULL: as listed. */
static inline size_t entry_order_at(const entry_order *self, size_t i)
{
    return self == NULL || self->is_listed ? i : self->places[i].index;
}

#endif
