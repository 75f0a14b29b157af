#include "base/cli/table.h"

#include <string.h>

#include "base/assert.h"
#include "base/cli/terminal.h"

enum { BETWEEN_COLUMNS = 2 };

/* Width on a terminal in code points, which is right except for wide scripts. */
static size_t text_width(const char *text)
{
    size_t width = 0;
    for (const char *c = text; *c != '\0'; c++)
        width += ((unsigned char)*c & 0xC0) != 0x80;
    return width;
}

typedef struct text_table {
    const table_column *columns;
    size_t column_count;
    size_t widths[TABLE_COLUMNS_MAX];
} text_table;

static void measure(text_table *table, td_bytes cells)
{
    for (size_t i = 0; i < table->column_count; i++)
        table->widths[i] = text_width(table->columns[i].title);
    const char *end = (const char *)cells.data + cells.size;
    size_t i = 0;
    for (const char *cell = (const char *)cells.data; cell < end; cell += strlen(cell) + 1) {
        size_t own = text_width(cell);
        size_t *width = &table->widths[i++ % table->column_count];
        if (own > *width)
            *width = own;
    }
    TD_ASSERT(i % table->column_count == 0);
}

static int is_spare(const table_column *column)
{
    return column->align == TABLE_SPARE_LEFT || column->align == TABLE_SPARE_RIGHT;
}

/* Number of optional columns for which there is space. */
static size_t count_spare(const text_table *table, size_t columns)
{
    size_t total = 0;
    size_t spare = 0;
    for (size_t i = 0; i < table->column_count; i++)
        if (!is_spare(&table->columns[i]))
            total += table->widths[i] + (i == 0 ? 0 : BETWEEN_COLUMNS);
    for (size_t i = 1; i < table->column_count; i++) {
        if (!is_spare(&table->columns[i]))
            continue;
        total += BETWEEN_COLUMNS + table->widths[i];
        if (columns > 0 && total > columns)
            break;
        spare++;
    }
    return spare;
}

static void print_spaces(td_buf *out, size_t count)
{
    for (; count > 0; count--)
        td_buf_add(out, " ", 1);
}

/* Print a row's cells, or the head (cells NULL). Returns the next row's cells. */
static const char *print_row(const text_table *table, const char *cells, size_t spare, td_buf *out)
{
    size_t pad = 0; /* printed only before another cell, so lines have no trailing spaces */
    for (size_t i = 0; i < table->column_count; i++) {
        const table_column *column = &table->columns[i];
        const char *cell = cells == NULL ? column->title : cells;
        if (cells != NULL)
            cells += strlen(cells) + 1;
        if (is_spare(column) && spare == 0)
            continue;
        spare -= (size_t)is_spare(column);
        size_t rest = table->widths[i] - text_width(cell);
        int is_right = column->align == TABLE_RIGHT || column->align == TABLE_SPARE_RIGHT;
        print_spaces(out, pad + (is_right ? rest : 0));
        td_buf_add(out, cell, strlen(cell));
        pad = BETWEEN_COLUMNS + (is_right ? 0 : rest);
    }
    return cells;
}

void table_print(const table_column *columns, size_t column_count, td_bytes cells, size_t width,
                 int has_colour, td_buf *out)
{
    text_table table = {.columns = columns, .column_count = column_count};
    TD_ASSERT(column_count > 0);
    TD_ASSERT(column_count <= TABLE_COLUMNS_MAX);
    if (cells.size == 0)
        return;
    measure(&table, cells);
    size_t spare = count_spare(&table, width);
    const char *begin = has_colour ? terminal_style_begin(TERMINAL_HEAD) : "";
    const char *end = has_colour ? TERMINAL_STYLE_END : "";
    td_buf_add(out, begin, strlen(begin));
    (void)print_row(&table, NULL, spare, out);
    td_buf_add(out, end, strlen(end));
    td_buf_add(out, "\n", 1);
    const char *last = (const char *)cells.data + cells.size;
    for (const char *at = (const char *)cells.data; at < last;) {
        at = print_row(&table, at, spare, out);
        td_buf_add(out, "\n", 1);
    }
}
