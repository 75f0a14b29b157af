#include "cli/table.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/escape.h"

enum {
    TABLE_BYTES_MAX = 256 << 20,
    CELL_BYTES_MAX = 511,
    COLUMN_WIDTH_MAX = 120, /* in a pipe: one long cell does not push all lines apart */
    CELL_WIDTH_MIN = 8,     /* on a terminal: what is left of text that is cut */
    BETWEEN_COLUMNS = 2,
    LEFT_OUT = 0, /* width of a column that is not printed; every column has a title */
};

/* Columns on a terminal: code points, which is right for everything but wide scripts. */
static size_t text_width(const char *text)
{
    size_t width = 0;
    for (const char *c = text; *c != '\0'; c++)
        width += ((unsigned char)*c & 0xC0) != 0x80;
    return width;
}

/* Bytes of the first columns of text. */
static size_t text_bytes(const char *text, size_t columns)
{
    size_t at = 0;
    for (size_t width = 0; text[at] != '\0'; at++) {
        width += ((unsigned char)text[at] & 0xC0) != 0x80;
        if (width > columns)
            break;
    }
    return at;
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

void table_cell(text_table *table, td_bytes text)
{
    if (table->rc != TD_OK)
        return;
    if (text.size > CELL_BYTES_MAX)
        text.size = CELL_BYTES_MAX;
    size_t begin = table->cells.size;
    table->rc = td_escape_append(&table->cells, text, &table->err);
    if (table->rc == TD_OK)
        table->rc = td_buf_append(&table->cells, "", 1, &table->err);
    if (table->rc != TD_OK)
        return;
    size_t *width = &table->widths[table->cell_count % table->column_count];
    size_t own = text_width((const char *)table->cells.data + begin);
    if (own > *width)
        *width = own;
    table->cell_count++;
}

/* 1 if no column after this one is printed. */
static int is_last(const text_table *table, const size_t widths[TABLE_COLUMNS_MAX], size_t column)
{
    while (column + 1 < table->column_count && widths[column + 1] == LEFT_OUT)
        column++;
    return column + 1 == table->column_count;
}

/* Print a cell in its column. What a terminal has no space for is cut, which an ellipsis shows. */
static void print_cell(const text_table *table, output_stream *output,
                       const size_t widths[TABLE_COLUMNS_MAX], size_t column, const char *text)
{
    size_t width = widths[column];
    if (width == LEFT_OUT)
        return;
    size_t own = text_width(text);
    size_t pad = own < width ? width - own : 0;
    output_printf(output, "%*s", column == 0 ? 0 : BETWEEN_COLUMNS, "");
    if (table->columns[column].align == TABLE_RIGHT)
        output_printf(output, "%*s", (int)pad, "");
    if (own > width && output->columns > 0)
        output_printf(output, "%.*s…", (int)text_bytes(text, width - 1), text);
    else
        output_printf(output, "%s", text);
    if (!is_last(table, widths, column) && table->columns[column].align != TABLE_RIGHT)
        output_printf(output, "%*s", (int)pad, "");
}

static int can_be_cut(const text_table *table, size_t column)
{
    table_align align = table->columns[column].align;
    return align == TABLE_LEFT || align == TABLE_SPARE_LEFT;
}

static int is_spare(const text_table *table, size_t column)
{
    table_align align = table->columns[column].align;
    return align == TABLE_SPARE_LEFT || align == TABLE_SPARE_WHOLE;
}

/* The table's width with what can be cut no wider than text_max. */
static size_t total_width(const text_table *table, const size_t widths[TABLE_COLUMNS_MAX],
                          size_t text_max)
{
    size_t total = 0;
    for (size_t i = 0; i < table->column_count; i++) {
        size_t own = can_be_cut(table, i) && widths[i] > text_max ? text_max : widths[i];
        if (widths[i] != LEFT_OUT)
            total += own + (i == 0 ? 0 : BETWEEN_COLUMNS);
    }
    return total;
}

/* Leave out spare columns until the table fits with its text cut, and make the widest columns of
 * text narrower until it fits. Where what is never cut is too wide, the terminal breaks the lines.
 */
static void fit_widths(const text_table *table, size_t columns, size_t widths[TABLE_COLUMNS_MAX])
{
    for (size_t i = table->column_count; i-- > 1;)
        if (is_spare(table, i) && total_width(table, widths, CELL_WIDTH_MIN) > columns)
            widths[i] = LEFT_OUT;
    for (size_t total = total_width(table, widths, SIZE_MAX); total > columns; total--) {
        size_t widest = table->column_count;
        for (size_t i = 0; i < table->column_count; i++)
            if (can_be_cut(table, i) && widths[i] > CELL_WIDTH_MIN &&
                (widest == table->column_count || widths[i] >= widths[widest]))
                widest = i;
        if (widest == table->column_count)
            return;
        widths[widest]--;
    }
}

td_result table_print(const text_table *table, output_stream *output, td_err *err)
{
    if (table->rc != TD_OK && err != NULL)
        *err = table->err;
    if (table->rc != TD_OK || table->cell_count == 0)
        return table->rc;
    TD_ASSERT(table->cell_count % table->column_count == 0);
    size_t widths[TABLE_COLUMNS_MAX] = {0};
    for (size_t i = 0; i < table->column_count; i++)
        widths[i] = output->columns > 0 || table->widths[i] < COLUMN_WIDTH_MAX ? table->widths[i]
                                                                               : COLUMN_WIDTH_MAX;
    if (output->columns > 0)
        fit_widths(table, output->columns, widths);
    if (output->has_colour)
        output_bytes(output, td_bytes_str(terminal_style_begin(TERMINAL_HEAD)));
    for (size_t i = 0; i < table->column_count; i++)
        print_cell(table, output, widths, i, table->columns[i].title);
    if (output->has_colour)
        output_bytes(output, td_bytes_str(TERMINAL_STYLE_END));
    output_printf(output, "\n");
    const char *text = (const char *)table->cells.data;
    for (size_t i = 0; i < table->cell_count; i++) {
        size_t column = i % table->column_count;
        print_cell(table, output, widths, column, text);
        if (column + 1 == table->column_count)
            output_printf(output, "\n");
        text += strlen(text) + 1;
    }
    return TD_OK;
}
