/* Tables for people: columns as wide as their widest cell, numbers to the right. Cells are copied,
 * and escaped (base/escape.h). For a terminal columns that the table can do without are left out,
 * the last one first, until it fits. No cell is ever cut. A file or a pipe gets all columns. One
 * thread. */
#ifndef TD_CLI_TABLE_H
#define TD_CLI_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

enum { TABLE_COLUMNS_MAX = 16 };

typedef enum table_align {
    TABLE_LEFT,        /* text */
    TABLE_RIGHT,       /* numbers */
    TABLE_SPARE_LEFT,  /* the same, and left out where the terminal is too narrow */
    TABLE_SPARE_RIGHT, /* (not for a table's first column) */
} table_align;

typedef struct table_column {
    const char *title;
    table_align align;
    const char *pattern; /* of its cells in a table of cli/result.h; else NULL */
} table_column;

typedef struct text_table {
    const table_column *columns;
    size_t column_count;
    td_buf cells; /* texts in order of rows, each with its NUL */
    size_t cell_count;
    size_t widths[TABLE_COLUMNS_MAX];
} text_table;

/* An empty table; the columns are borrowed. */
void table_init(text_table *table, const table_column *columns, size_t column_count);
void table_fini(text_table *table);

/* Add the next cell, from left to right, row by row. */
void table_cell(text_table *table, td_bytes text);

/* Append head and rows, for a terminal of so many columns (0: no terminal); nothing at all if there
 * are no rows. */
void table_print(const text_table *table, size_t columns, int has_colour, td_buf *out);

#endif
