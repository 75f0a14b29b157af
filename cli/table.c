#include "cli/table.h"

#include <string.h>

#include "base/assert.h"
#include "base/escape_format.h"
#include "cli/terminal.h"

enum { BETWEEN_COLUMNS = 2 };

/* Columns on a terminal: code points, which is right for everything but wide scripts. */
static size_t text_width(const char *text)
{
    size_t width = 0;
    for (const char *c = text; *c != '\0'; c++)
        width += ((unsigned char)*c & 0xC0) != 0x80;
    return width;
}

void table_init(text_table *table, const table_column *columns, size_t column_count)
{
    TD_ASSERT(column_count > 0);
    TD_ASSERT(column_count <= TABLE_COLUMNS_MAX);
    *table = (text_table){.columns = columns, .column_count = column_count};
    td_buf_init(&table->cells, SIZE_MAX);
    for (size_t i = 0; i < column_count; i++)
        table->widths[i] = text_width(columns[i].title);
}

void table_fini(text_table *table)
{
    td_buf_fini(&table->cells);
}

void table_cell(text_table *table, td_bytes text)
{
    size_t begin = table->cells.size;
    size_t *width = &table->widths[table->cell_count++ % table->column_count];
    td_result rc = td_escape_append(&table->cells, text, NULL);
    TD_ASSERT(rc == TD_OK); /* it has no limit */
    td_buf_add(&table->cells, "", 1);
    size_t own = text_width((const char *)table->cells.data + begin);
    if (own > *width)
        *width = own;
}

static int is_spare(const table_column *column)
{
    return column->align == TABLE_SPARE_LEFT || column->align == TABLE_SPARE_RIGHT;
}

/* How many spare columns fit: the first so many. */
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

void table_print(const text_table *table, size_t columns, int has_colour, td_buf *out)
{
    const char *text = (const char *)table->cells.data;
    size_t spare_count = count_spare(table, columns);
    TD_ASSERT(table->cell_count % table->column_count == 0);
    for (size_t row = 0; table->cell_count > 0 && row <= table->cell_count / table->column_count;
         row++) {
        const char *style = row == 0 && has_colour ? terminal_style_begin(TERMINAL_HEAD) : "";
        size_t spare = spare_count;
        size_t pad = 0; /* not printed yet: lines have no spaces at their end */
        td_buf_add(out, style, strlen(style));
        for (size_t i = 0; i < table->column_count; i++) {
            const table_column *column = &table->columns[i];
            const char *cell = row == 0 ? column->title : text;
            size_t own = text_width(cell);
            if (row > 0)
                text += strlen(text) + 1;
            if (is_spare(column)) {
                if (spare == 0)
                    continue;
                spare--;
            }
            size_t rest = table->widths[i] - own;
            int is_right = column->align == TABLE_RIGHT || column->align == TABLE_SPARE_RIGHT;
            print_spaces(out, pad + (is_right ? rest : 0));
            td_buf_add(out, cell, strlen(cell));
            pad = BETWEEN_COLUMNS + (is_right ? 0 : rest);
        }
        if (style[0] != '\0')
            td_buf_add(out, TERMINAL_STYLE_END, strlen(TERMINAL_STYLE_END));
        td_buf_add(out, "\n", 1);
    }
}
