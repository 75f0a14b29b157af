/* Tardis CSV: one file per day, type and symbol, one line per row (docs/export.md). */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "export/export_format.h"
#include "export/export_name.h"
#include "export/export_writers.h"

enum { NS_PER_US = 1000, LINE_BYTES_MAX = 256 << 20 };
enum { TIME_CELLS = 2 }; /* before the type's: exchange time and receive time */

/* A cell of the last line: its value, and the offset of its comma. */
typedef struct csv_cell {
    msg_value value;
    size_t begin;
} csv_cell;

typedef struct csv_writer {
    const export_target *target;
    export_file *file; /* NULL before the first row */
    /* The last line without its line feed, and its cells, with one more for the line's end. Most
     * cells of a book snapshot are as in the row before: they are not formatted again. */
    td_buf line;
    csv_cell *cells;
    size_t count;
    /* While a line is made: bytes of the last line up to the first cell that is still to be copied,
     * and how far the cells after it move, which wraps around if they come nearer. */
    size_t copied, shift;
} csv_writer;

static void *open_csv(const export_target *target)
{
    csv_writer *made = td_alloc_zero(1, sizeof *made);
    made->target = target;
    return made;
}

static void close_csv(void *writer)
{
    csv_writer *csv = writer;
    if (csv == NULL)
        return;
    export_file_abandon(csv->file);
    td_buf_fini(&csv->line);
    td_free(csv->cells);
    td_free(csv);
}

/* ---- lines ---- */

/* Writes a column's name as Tardis has it. */
static td_result add_header(td_buf *out, const char *name, td_err *err)
{
    static const char SIZE[] = "size";
    size_t length = strlen(name);
    if (strcmp(name, "trade_id") == 0)
        return td_buf_printf(out, err, ",id");
    if (length < sizeof SIZE - 1 || strcmp(name + length - (sizeof SIZE - 1), SIZE) != 0)
        return td_buf_printf(out, err, ",%s", name);
    return td_buf_printf(out, err, ",%.*samount", (int)(length - (sizeof SIZE - 1)), name);
}

/* "bid" or "ask" for a level, "buy" or "sell" of the taker for a trade. */
static const char *side_name(const export_type *type, unsigned side)
{
    static const char *const TAKERS[] = {
        [SIDE_BUY] = "buy", [SIDE_SELL] = "sell", [SIDE_NONE] = "unknown"};
    if (type != &EXPORT_BOOK_DELTAS)
        return TAKERS[side];
    return side == SIDE_SELL ? "ask" : "bid";
}

/* Makes a line without values, which the first row is compared with. */
static void begin_line(csv_writer *csv, const export_source *source)
{
    csv->count = TIME_CELLS + export_plain_columns(source->type);
    csv->cells = td_alloc_zero(csv->count + 1, sizeof *csv->cells);
    td_buf_init(&csv->line, LINE_BYTES_MAX);
    td_buf_add(&csv->line, source->exchange, strlen(source->exchange));
    if ((source->type->flags & EXPORT_ALL_SYMBOLS) == 0) {
        td_buf_add(&csv->line, ",", 1);
        td_buf_add(&csv->line, source->symbol, strlen(source->symbol));
    }
    for (size_t i = 0; i < csv->count; i++) {
        csv->cells[i] =
            (csv_cell){i < TIME_CELLS ? row_time(UINT64_MAX) : row_absent(), csv->line.size};
        td_buf_add(&csv->line, ",", 1);
    }
    csv->cells[csv->count].begin = csv->line.size;
}

/* Creates the file and writes its header, before the first row. */
static td_result begin_file(csv_writer *csv, const export_source *source, td_err *err)
{
    char name[EXPORT_NAME_BYTES];
    td_result rc = export_name_format(source, csv->target->date, ".csv.gz", name, err);
    if (rc == TD_OK)
        rc = export_file_open(csv->target->files, name, EXPORT_GZIP, &csv->file, err);
    if (rc != TD_OK)
        return rc;
    begin_line(csv, source);
    td_buf *out = export_file_buf(csv->file);
    rc = td_buf_printf(out, err, "exchange,%stimestamp,local_timestamp",
                       (source->type->flags & EXPORT_ALL_SYMBOLS) != 0 ? "" : "symbol,");
    for (size_t i = 0; rc == TD_OK && i < export_plain_columns(source->type); i++)
        rc = add_header(out, source->type->columns[i].name, err);
    return rc == TD_OK ? td_buf_append(out, "\n", 1, err) : rc;
}

/* 1 if two values surely have the same text. */
static int is_same(const msg_value *a, const msg_value *b)
{
    if (a->type != b->type)
        return 0;
    if (a->type == VALUE_DECIMAL) /* first: most values of wide rows */
        return a->as.decimal.mantissa == b->as.decimal.mantissa &&
               a->as.decimal.scale == b->as.decimal.scale;
    if (a->type == VALUE_SIDE)
        return a->as.side == b->as.side;
    if (a->type == VALUE_BOOL)
        return a->as.is_true == b->as.is_true;
    if (a->type == VALUE_TIME_NS)
        return a->as.time_ns == b->as.time_ns;
    if (a->type == VALUE_INTEGER)
        return a->as.integer == b->as.integer;
    return a->type == VALUE_ABSENT; /* the last text is gone */
}

/* The text of a cell. Numbers and the format's own words are always valid cells; texts are
 * checked. */
static td_bytes cell_text(const csv_writer *csv, const export_type *type, const msg_value *value,
                          char memory[ROW_TEXT_BYTES])
{
    if (value->type == VALUE_SIDE)
        return td_bytes_str(side_name(type, value->as.side));
    if (value->type == VALUE_TIME_NS) {
        const msg_value us = row_time(value->as.time_ns / NS_PER_US);
        return row_value_text(&us, memory);
    }
    const td_bytes text = row_value_text(value, memory);
    const int is_checked =
        value->type == VALUE_TEXT || value->type == VALUE_JSON || value->type == VALUE_BIG_DECIMAL;
    if (!is_checked || (export_cell_refusal(text) == NULL && text.size <= LIMIT_FRAME_BYTES))
        return text;
    csv->target->counts->ids_cut++; /* it would break the line; the cell stays empty */
    return td_bytes_of(NULL, 0);
}

static void add_cell(const csv_writer *csv, const export_type *type, const msg_value *value,
                     td_buf *to)
{
    char memory[ROW_TEXT_BYTES];
    td_buf_grow(to, 1 + TD_DECIMAL_PRINT_BYTES);
    to->data[to->size++] = ',';
    if (TD_LIKELY(value->type == VALUE_DECIMAL)) {
        const td_decimal is = value->as.decimal;
        uint8_t *end = td_decimal_print(to->data + to->size, is.mantissa, is.scale, 0);
        to->size = (size_t)(end - to->data);
        return;
    }
    const td_bytes text = cell_text(csv, type, value, memory);
    td_buf_add(to, text.data, text.size);
}

/* Adds cells of a line: changed ones from their values, the others by copying from the last line,
 * as long stretches as there are. first: offset of the line in `to`. */
static void add_cells(csv_writer *csv, const export_type *type, csv_cell *cell,
                      const msg_value *value, size_t count, size_t first, td_buf *to)
{
    for (const csv_cell *end = cell + count; cell < end; cell++, value++) {
        const size_t begin = cell->begin;
        cell->begin = begin + csv->shift;
        if (is_same(&cell->value, value))
            continue;
        td_buf_add(to, csv->line.data + csv->copied, begin - csv->copied);
        add_cell(csv, type, value, to);
        cell->value = *value;
        csv->copied = cell[1].begin;
        csv->shift = to->size - first - csv->copied;
    }
}

/* Adds a row's line. Times are truncated to us. A missing exchange time becomes the receive
 * time. */
static void add_line(csv_writer *csv, const export_type *type, const export_row *row, td_buf *to)
{
    const uint64_t exchange_ns = row->exchange_ns != 0 ? row->exchange_ns : row->recv_ns;
    const size_t first = to->size;
    csv_cell *cells = csv->cells;
    csv->copied = csv->shift = 0;
    if (cells[0].value.as.time_ns != exchange_ns || cells[1].value.as.time_ns != row->recv_ns) {
        const msg_value times[TIME_CELLS] = {row_time(exchange_ns), row_time(row->recv_ns)};
        add_cells(csv, type, cells, times, TIME_CELLS, first, to);
    }
    add_cells(csv, type, cells + TIME_CELLS, row->values, csv->count - TIME_CELLS, first, to);
    cells[csv->count].begin += csv->shift;
    td_buf_add(to, csv->line.data + csv->copied, csv->line.size - csv->copied);
    td_buf_clear(&csv->line);
    td_buf_add(&csv->line, to->data + first, to->size - first);
    td_buf_add(to, "\n", 1);
}

static td_result add_row(void *writer, const export_source *source, const export_row *row,
                         td_err *err)
{
    csv_writer *csv = writer;
    td_result rc = TD_OK;
    if (row->is_gap)
        return TD_OK;
    if (csv->file == NULL)
        rc = begin_file(csv, source, err);
    if (rc != TD_OK)
        return rc;
    add_line(csv, source->type, row, export_file_buf(csv->file));
    return export_file_flush(csv->file, err);
}

static td_result finish(void *writer, td_err *err)
{
    csv_writer *csv = writer;
    export_file *file = csv->file;
    csv->file = NULL;
    return file == NULL ? TD_OK : export_file_finish(file, NULL, err);
}

/* Types under Tardis's names. */
static const export_named_type TYPES[] = {{"trades", &EXPORT_TRADES},
                                          {"incremental_book_L2", &EXPORT_BOOK_DELTAS},
                                          {"book_snapshot_25", &EXPORT_BOOK_SNAPSHOT_25},
                                          {"book_snapshot_5", &EXPORT_BOOK_SNAPSHOT_5},
                                          {"quotes", &EXPORT_QUOTES},
                                          {"bars", &EXPORT_BARS},
                                          {"book_snapshots", &EXPORT_BOOK_SNAPSHOTS},
                                          {"book_ticker", &EXPORT_BOOK_TICKER},
                                          {"derivative_ticker", &EXPORT_DERIVATIVE_TICKER},
                                          {"options_chain", &EXPORT_OPTIONS_CHAIN},
                                          {"liquidations", &EXPORT_LIQUIDATIONS},
                                          {NULL, NULL}};

const export_format EXPORT_TARDIS_CSV = {
    .name = "tardis-csv",
    .summary = "CSV files as Tardis publishes them, one per day, type and symbol",
    .folder = "tardis-csv/",
    .grouping = EXPORT_PER_SYMBOL,
    .reads = TAPE_READS_MESSAGES,
    .needs_market = 1,
    .types = TYPES,
    .open = open_csv,
    .row = add_row,
    .finish = finish,
    .close = close_csv,
};
