/* Rows by name: a hash table from names to numbers of rows, where there may be hundreds of
 * thousands (segments of years, in the journal and on the disk) and looking through all of them for
 * each would take minutes. Names are not copied: they belong to the rows and must stay where they
 * are. Of equal names the first one put counts. All zero is an empty one. */
#ifndef TD_ARCHIVE_NAME_INDEX_H
#define TD_ARCHIVE_NAME_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/bytes.h"
#include "base/slot_table.h"

/* There is no such name. */
#define NAME_INDEX_NONE SIZE_MAX

typedef struct name_row {
    td_bytes name;
    size_t row;
} name_row;

typedef struct name_index {
    slot_table slots; /* of names, by hash */
    name_row *names;  /* in the order in which they were put */
    size_t count;
} name_index;

/* Add a name, unless it is there. */
void name_index_put(name_index *index, td_bytes name, size_t row);

/* The row of a name, or NAME_INDEX_NONE. */
size_t name_index_find(const name_index *index, td_bytes name);

void name_index_fini(name_index *index);

#endif
