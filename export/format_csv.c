/* Tardis CSV: one file per day, type and symbol, one line per row (docs/export.md). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "export/export_format.h"
#include "export/export_name.h"
#include "export/export_writers.h"

enum { NS_PER_US = 1000, NUMBER_BYTES = 24 };

typedef struct csv_writer {
    const export_target *target;
    export_file *file; /* NULL before the first row */
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

/* Creates the file and writes its header, before the first row. */
static td_result begin_file(csv_writer *csv, const export_source *source, td_err *err)
{
    char name[EXPORT_NAME_BYTES];
    td_result rc = export_name_format(source, csv->target->date, ".csv.gz", name, err);
    if (rc == TD_OK)
        rc = export_file_open(csv->target->files, name, EXPORT_GZIP, &csv->file, err);
    if (rc != TD_OK)
        return rc;
    td_buf *out = export_file_buf(csv->file);
    rc = td_buf_printf(out, err, "exchange,%stimestamp,local_timestamp",
                       (source->type->flags & EXPORT_ALL_SYMBOLS) != 0 ? "" : "symbol,");
    for (size_t i = 0; rc == TD_OK && i < export_plain_columns(source->type); i++)
        rc = add_header(out, source->type->columns[i].name, err);
    return rc == TD_OK ? td_buf_append(out, "\n", 1, err) : rc;
}

static void add_u64(td_buf *out, uint64_t value)
{
    char digits[NUMBER_BYTES];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    td_buf_add(out, digits + at, sizeof digits - at);
}

/* Writes a cell. Numbers and the format's own words are always valid cells; texts are checked. */
static void add_value(csv_writer *csv, td_buf *out, const export_type *type, const msg_value *value)
{
    char memory[ROW_TEXT_BYTES];
    const char *side = value->type == VALUE_SIDE ? side_name(type, value->as.side) : "";
    td_bytes text = row_value_text(value, memory);
    int is_checked =
        value->type == VALUE_TEXT || value->type == VALUE_JSON || value->type == VALUE_BIG_DECIMAL;
    if (value->type == VALUE_TIME_NS)
        add_u64(out, value->as.time_ns / NS_PER_US);
    else if (value->type == VALUE_SIDE)
        td_buf_add(out, side, strlen(side));
    else if (is_checked && (export_cell_refusal(text) != NULL || text.size > LIMIT_FRAME_BYTES))
        csv->target->counts->ids_cut++; /* it would break the line; the cell stays empty */
    else
        td_buf_add(out, text.data, text.size);
}

/* Writes a row. Times are truncated to us. A missing exchange time becomes the receive time. */
static td_result add_row(void *writer, const export_source *source, const export_row *row,
                         td_err *err)
{
    csv_writer *csv = writer;
    uint64_t exchange_ns = row->exchange_ns != 0 ? row->exchange_ns : row->recv_ns;
    td_result rc = TD_OK;
    if (row->is_gap)
        return TD_OK;
    if (csv->file == NULL)
        rc = begin_file(csv, source, err);
    if (rc != TD_OK)
        return rc;
    td_buf *out = export_file_buf(csv->file);
    td_buf_add(out, source->exchange, strlen(source->exchange));
    if ((source->type->flags & EXPORT_ALL_SYMBOLS) == 0) {
        td_buf_add(out, ",", 1);
        td_buf_add(out, source->symbol, strlen(source->symbol));
    }
    td_buf_add(out, ",", 1);
    add_u64(out, exchange_ns / NS_PER_US);
    td_buf_add(out, ",", 1);
    add_u64(out, row->recv_ns / NS_PER_US);
    for (size_t i = 0; i < export_plain_columns(source->type); i++) {
        td_buf_add(out, ",", 1);
        add_value(csv, out, source->type, &row->values[i]);
    }
    td_buf_add(out, "\n", 1);
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
