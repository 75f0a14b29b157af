/* The rows of a ledger by what they are of, so that who asks for one of thousands of topics need
 * not read the rows of all others. Borrows the ledger, which must not change. Any thread may read.
 */
#ifndef TD_ARCHIVE_GAP_INDEX_H
#define TD_ARCHIVE_GAP_INDEX_H

#include <stddef.h>

#include "archive/gap.h"

/* Zero-initialise. */
typedef struct gap_index {
    const gap_list *ledger;
    size_t *wide; /* rows of several topics or symbols, in the ledger's order */
    size_t wide_count;
    const gap_row **narrow; /* the others, by feed, topic and symbol, then in the ledger's order */
    size_t narrow_count;
} gap_index;

/* Index a sorted ledger. gap_index_fini frees the memory. */
void gap_index_build(gap_index *self, const gap_list *ledger);
void gap_index_fini(gap_index *self);

/* An iteration over the rows of a topic. Borrows its texts. */
typedef struct gap_probe {
    const gap_index *of;
    const char *feed, *topic, *symbol;
    size_t next; /* of the wide rows, or of all if the symbol is "*" */
    size_t narrow;
} gap_probe;

/* Begin with the rows of a feed that affect a topic and symbol (gap_row_affects_topic).
 * gap_index_next returns the next one, or NULL: first the ones of several topics or symbols, in the
 * ledger's order. */
gap_probe gap_index_find(const gap_index *self, const char *feed, const char *topic,
                         const char *symbol);
const gap_row *gap_index_next(gap_probe *at);

#endif
