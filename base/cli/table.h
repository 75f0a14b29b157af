/* Text tables: columns as wide as their widest cell, numbers right-aligned. On a terminal spare
 * columns are omitted, the last ones first, until the table fits. Cells are never truncated. A file
 * or a pipe gets all columns. */
#ifndef TD_CLI_TABLE_H
#define TD_CLI_TABLE_H

#include <stddef.h>

#include "base/buf.h"
#include "base/bytes.h"

enum { TABLE_COLUMNS_MAX = 16 };

typedef enum table_align {
    TABLE_LEFT,        /* text */
    TABLE_RIGHT,       /* numbers */
    TABLE_SPARE_LEFT,  /* text; omitted if the terminal is too narrow */
    TABLE_SPARE_RIGHT, /* numbers; omitted likewise. A table's first column cannot be spare */
} table_align;

typedef struct table_column {
    const char *title;
    table_align align;
    const char *pattern; /* pattern of its cells in a table of base/cli/result.h, else NULL */
} table_column;

/* Append the head and the rows to out, for a terminal of this width (0: no terminal). Appends
 * nothing if there are no rows. cells: the cells' texts row by row, each with its NUL. */
void table_print(const table_column *columns, size_t column_count, td_bytes cells, size_t width,
                 int has_colour, td_buf *out);

#endif
