#include "cli/table.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/escape.h"

enum { TABLE_BYTES_MAX = 256 << 20, CELL_BYTES = 512, CELL_WIDTH_MAX = 120 };

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
    table->columns = columns;
    table->column_count = column_count;
    table->cell_count = 0;
    table->rc = TD_OK;
    td_err_clear(&table->err);
    td_buf_init(&table->cells, TABLE_BYTES_MAX);
    for (size_t i = 0; i < column_count; i++)
        table->widths[i] = text_width(columns[i].title);
}

void table_fini(text_table *table)
{
    td_buf_fini(&table->cells);
}

void table_cell(text_table *table, const char *format, ...)
{
    char text[CELL_BYTES];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    if (table->rc != TD_OK)
        return;
    size_t begin = table->cells.size;
    table->rc = td_escape_append(&table->cells, td_bytes_str(text), &table->err);
    if (table->rc == TD_OK)
        table->rc = td_buf_append(&table->cells, "", 1, &table->err);
    if (table->rc != TD_OK)
        return;
    size_t *width = &table->widths[table->cell_count % table->column_count];
    size_t own = text_width((const char *)table->cells.data + begin);
    if (own > *width)
        *width = own > CELL_WIDTH_MAX ? CELL_WIDTH_MAX : own;
    table->cell_count++;
}

size_t table_row_count(const text_table *table)
{
    return table->cell_count / table->column_count;
}

static void print_cell(const text_table *table, output_stream *output, size_t column,
                       const char *text)
{
    size_t width = table->widths[column];
    size_t own = text_width(text);
    int pad = own < width ? (int)(width - own) : 0;
    int is_last = column + 1 == table->column_count;
    const char *between = column == 0 ? "" : "  ";
    if (table->columns[column].align == TABLE_RIGHT)
        output_printf(output, "%s%*s%s", between, pad, "", text);
    else
        output_printf(output, "%s%s%*s", between, text, is_last ? 0 : pad, "");
    if (is_last)
        output_printf(output, "\n");
}

td_result table_print(const text_table *table, output_stream *output, td_err *err)
{
    if (table->rc != TD_OK && err != NULL)
        *err = table->err;
    if (table->rc != TD_OK || table->cell_count == 0)
        return table->rc;
    TD_ASSERT(table->cell_count % table->column_count == 0);
    for (size_t i = 0; i < table->column_count; i++)
        print_cell(table, output, i, table->columns[i].title);
    const char *text = (const char *)table->cells.data;
    for (size_t i = 0; i < table->cell_count; i++) {
        print_cell(table, output, i % table->column_count, text);
        text += strlen(text) + 1;
    }
    return TD_OK;
}
