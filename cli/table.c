#include "cli/table.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/escape_format.h"

enum {
    TABLE_BYTES_MAX = 256 << 20,
    COLUMN_WIDTH_MAX = 120, /* in a pipe: one long cell does not push all lines apart */
    BETWEEN_COLUMNS = 2,
    FOLDED_INDENT = 4, /* of a row's further lines */
    LEFT_OUT = 0,      /* width of a column that is not printed; every column has a title */
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

/* How the columns are printed. */
typedef struct table_layout {
    size_t columns;                   /* of the terminal; SIZE_MAX: no bound */
    size_t widths[TABLE_COLUMNS_MAX]; /* or LEFT_OUT */
    uint8_t begins_line[TABLE_COLUMNS_MAX];
} table_layout;

static int is_spare(const text_table *table, size_t column)
{
    table_align align = table->columns[column].align;
    return align == TABLE_SPARE_LEFT || align == TABLE_SPARE_RIGHT;
}

static int is_right(const text_table *table, size_t column)
{
    table_align align = table->columns[column].align;
    return align == TABLE_RIGHT || align == TABLE_SPARE_RIGHT;
}

static size_t total_width(const text_table *table, const table_layout *layout)
{
    size_t total = 0;
    for (size_t i = 0; i < table->column_count; i++)
        if (layout->widths[i] != LEFT_OUT)
            total += layout->widths[i] + (i == 0 ? 0 : BETWEEN_COLUMNS);
    return total;
}

/* Leave out spare columns until the table fits; if it cannot, begin a line with each column that
 * the one before leaves no space for. */
static void lay_out(const text_table *table, size_t columns, table_layout *layout)
{
    *layout = (table_layout){.columns = columns == 0 ? SIZE_MAX : columns};
    for (size_t i = 0; i < table->column_count; i++)
        layout->widths[i] = columns > 0 || table->widths[i] < COLUMN_WIDTH_MAX ? table->widths[i]
                                                                               : COLUMN_WIDTH_MAX;
    for (size_t i = table->column_count; i-- > 1;)
        if (is_spare(table, i) && total_width(table, layout) > layout->columns)
            layout->widths[i] = LEFT_OUT;
    size_t used = layout->widths[0];
    for (size_t i = 1; i < table->column_count; i++) {
        if (layout->widths[i] == LEFT_OUT)
            continue;
        used += BETWEEN_COLUMNS + layout->widths[i];
        layout->begins_line[i] = used > layout->columns;
        if (layout->begins_line[i])
            used = FOLDED_INDENT + layout->widths[i];
    }
}

/* 1 if nothing is printed after this column on its line. */
static int ends_line(const text_table *table, const table_layout *layout, size_t column)
{
    for (size_t i = column + 1; i < table->column_count; i++)
        if (layout->widths[i] != LEFT_OUT)
            return layout->begins_line[i];
    return 1;
}

/* A cell that is wider than the terminal is broken, too. */
static void print_cell(const text_table *table, const table_layout *layout, output_stream *output,
                       size_t column, const char *text)
{
    size_t width = layout->widths[column];
    size_t own = text_width(text);
    size_t pad = own < width ? width - own : 0;
    size_t left = layout->columns - (layout->begins_line[column] ? FOLDED_INDENT : 0);
    if (width == LEFT_OUT)
        return;
    if (layout->begins_line[column])
        output_printf(output, "\n%*s", FOLDED_INDENT, "");
    else
        output_printf(output, "%*s", column == 0 ? 0 : BETWEEN_COLUMNS, "");
    if (is_right(table, column) && !layout->begins_line[column])
        output_printf(output, "%*s", (int)pad, "");
    for (; own > left; left = layout->columns - FOLDED_INDENT) {
        size_t size = text_bytes(text, left);
        output_printf(output, "%.*s\n%*s", (int)size, text, FOLDED_INDENT, "");
        text += size;
        own -= left;
    }
    output_printf(output, "%s", text);
    if (!ends_line(table, layout, column) && !is_right(table, column))
        output_printf(output, "%*s", (int)pad, "");
}

td_result table_print(const text_table *table, output_stream *output, td_err *err)
{
    if (table->rc != TD_OK && err != NULL)
        *err = table->err;
    if (table->rc != TD_OK || table->cell_count == 0)
        return table->rc;
    TD_ASSERT(table->cell_count % table->column_count == 0);
    table_layout layout;
    lay_out(table, output->columns, &layout);
    if (output->has_colour)
        output_bytes(output, td_bytes_str(terminal_style_begin(TERMINAL_HEAD)));
    for (size_t i = 0; i < table->column_count; i++)
        print_cell(table, &layout, output, i, table->columns[i].title);
    if (output->has_colour)
        output_bytes(output, td_bytes_str(TERMINAL_STYLE_END));
    output_printf(output, "\n");
    const char *text = (const char *)table->cells.data;
    for (size_t i = 0; i < table->cell_count; i++) {
        size_t column = i % table->column_count;
        print_cell(table, &layout, output, column, text);
        if (column + 1 == table->column_count)
            output_printf(output, "\n");
        text += strlen(text) + 1;
    }
    return TD_OK;
}
