/* Hash table from names to row numbers, for hundreds of thousands of rows (segments of years, in
 * the journal and on disk), where a linear search for each name would take minutes. Names are not
 * copied: they belong to the rows and must not move. If names are equal, the first one counts. All
 * zero is an empty index. */
#ifndef TD_ARCHIVE_NAME_INDEX_H
#define TD_ARCHIVE_NAME_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/row_table.h"

/* No such name. */
#define NAME_INDEX_NONE SIZE_MAX

typedef struct name_row {
    td_bytes name;
    size_t row;
} name_row;

typedef struct name_index {
    row_table slots; /* indexes in names, by hash */
    name_row *names; /* in the order of insertion */
    size_t count;
} name_index;

/* Add a name, unless it is present. */
void name_index_put(name_index *index, td_bytes name, size_t row);

/* The row of a name, or NAME_INDEX_NONE. */
size_t name_index_find(const name_index *index, td_bytes name);

/* Free rows and names. The index is empty afterwards. */
void name_index_fini(name_index *index);

#endif
