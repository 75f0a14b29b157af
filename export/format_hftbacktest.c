/* npz files for hftbacktest: per day and symbol, one file with the events of its trades and its
 * book, in the order that the simulator reads, and one with the book at the end of the day
 * (docs/export.md). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "export/event_order.h"
#include "export/export_folder.h"
#include "export/export_format.h"
#include "export/export_name.h"
#include "export/export_writers.h"
#include "export/npz.h"
#include "export/rows_hftbacktest.h"

static const char EVENT_FIELDS[] =
    "[('ev', '<u8'), ('exch_ts', '<i8'), ('local_ts', '<i8'), ('px', '<f8'), ('qty', '<f8'), "
    "('order_id', '<u8'), ('ival', '<i8'), ('fval', '<f8')]";

enum { RECORD_BYTES = 64, BATCH_RECORDS = 256, NAME_BYTES = EXPORT_NAME_BYTES + LIMIT_NAME_BYTES };

typedef struct hft_writer {
    const export_target *target;
    export_file *file;     /* NULL before the first row */
    event_order *order;    /* NULL before the first row */
    int64_t depth_ns;      /* latest exchange time of a book's frame; 0 if unknown */
    hft_event *end_of_day; /* levels of the book at the end of the day */
    size_t end_of_day_count;
} hft_writer;

static void *open_writer(const export_target *target)
{
    hft_writer *made = td_alloc_zero(1, sizeof *made);
    made->target = target;
    return made;
}

static void close_writer(void *writer)
{
    hft_writer *self = writer;
    if (self == NULL)
        return;
    event_order_close(self->order);
    export_file_abandon(self->file);
    td_free(self->end_of_day);
    td_free(self);
}

/* ---- rows ---- */

/* "BTCUSDT_20210417.npz", in a folder of the feed if several feeds have the symbol. */
static void name_file(const export_target *target, const char *suffix, char out[NAME_BYTES])
{
    char symbol[EXPORT_SYMBOL_NAME_BYTES];
    const char *date = target->date;
    int is_shared = export_writer_shares_symbol(target, &EXPORT_HFTBACKTEST);
    export_symbol_encode(td_bytes_str(target->source->symbol), symbol);
    (void)snprintf(out, NAME_BYTES, "%s%s%s_%.4s%.2s%.2s%s.npz",
                   is_shared ? target->source->feed : "", is_shared ? "/" : "", symbol, date,
                   date + 5, date + 8, suffix);
}

/* Creates the file, and the sorter with its temporary file for rows that do not fit in memory. The
 * file is renamed when it is known whether another feed has the symbol. */
static td_result begin(hft_writer *self, td_err *err)
{
    const export_source *source = self->target->source;
    char symbol[EXPORT_SYMBOL_NAME_BYTES];
    char name[NAME_BYTES];
    char pieces[LIMIT_PATH_BYTES];
    export_symbol_encode(td_bytes_str(source->symbol), symbol);
    (void)snprintf(name, sizeof name, "%s_%s.%s.npz", symbol, self->target->date, source->feed);
    td_result rc = export_file_open(self->target->files, name, EXPORT_PLAIN, &self->file, err);
    if (rc != TD_OK)
        return rc;
    int size = snprintf(pieces, sizeof pieces, "%s.rows", export_file_path(self->file));
    if (size < 0 || (size_t)size >= sizeof pieces)
        return td_err_set(err, TD_E_LIMIT, "path '%s' is too long", export_file_path(self->file));
    self->order =
        event_order_open(export_folder_io(self->target->files->folder), pieces, EVENT_ORDER_ROWS);
    return TD_OK;
}

/* Sets the event's times. A missing exchange time becomes the latest one that a simulator
 * accepts. */
static void set_times(const export_row *row, hft_event *out)
{
    out->exch_ns = (int64_t)(row->exchange_ns != 0 ? row->exchange_ns : row->recv_ns - 1);
    out->local_ns = (int64_t)row->recv_ns;
}

/* The event for the start of a gap, which empties the book. On the exchange's side the book becomes
 * empty at the last frame before the gap. Also drops the levels of the book at the end of the
 * day. */
static hft_event gap_event(hft_writer *self, const export_row *row)
{
    uint64_t from_ns =
        row->recv_ns > self->target->part.from_ns ? row->recv_ns : self->target->part.from_ns;
    const export_row at = {.recv_ns = from_ns};
    hft_event out = {.kind = EVENT_CLEAR};
    self->end_of_day_count = 0;
    set_times(&at, &out);
    if (self->depth_ns != 0 && self->depth_ns < out.exch_ns)
        out.exch_ns = self->depth_ns;
    return out;
}

static hft_event trade_event(const export_row *row)
{
    const unsigned side = row->values[TRADE_SIDE].as.side;
    hft_event out = {.kind = EVENT_TRADE,
                     .price = td_decimal_double(row->values[TRADE_PRICE].as.decimal),
                     .amount = td_decimal_double(row->values[TRADE_SIZE].as.decimal)};
    if (side == SIDE_BUY)
        out.kind |= EVENT_BUY;
    if (side == SIDE_SELL)
        out.kind |= EVENT_SELL;
    set_times(row, &out);
    return out;
}

/* The event for a row of the book. EVENT_CLEAR clears a whole side, up to an infinite price. The
 * price of the exchange's last level would not be enough: the exchange's book is a window, and the
 * simulator may hold levels beyond it. */
static hft_event depth_event(const export_row *row)
{
    hft_event out = {.kind = (uint64_t)row->values[HFT_KIND].as.integer};
    if ((out.kind & EVENT_KIND) == EVENT_CLEAR) {
        out.price = (out.kind & EVENT_BUY) != 0 ? -INFINITY : INFINITY;
    } else {
        out.price = td_decimal_double(row->values[HFT_PRICE].as.decimal);
        out.amount = td_decimal_double(row->values[HFT_AMOUNT].as.decimal);
    }
    set_times(row, &out);
    return out;
}

static td_result add_event(hft_writer *self, hft_event made, td_err *err)
{
    /* Update the greatest lag of the recorder's clock behind the exchange's clock. */
    export_counts *counts = self->target->counts;
    if (made.local_ns <= made.exch_ns && made.exch_ns - made.local_ns >= counts->clock_behind_ns)
        counts->clock_behind_ns = made.exch_ns - made.local_ns + 1;
    return event_order_add(self->order, &made, err);
}

/* Adds an event for each known side. */
static td_result add_bbo(hft_writer *self, const export_row *row, td_err *err)
{
    static const struct {
        uint64_t side;
        size_t price, amount;
    } SIDES[] = {{EVENT_SELL, QUOTE_ASK_PRICE, QUOTE_ASK_SIZE},
                 {EVENT_BUY, QUOTE_BID_PRICE, QUOTE_BID_SIZE}};
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < sizeof SIDES / sizeof SIDES[0]; i++) {
        const msg_value *price = &row->values[SIDES[i].price];
        if (price->type == VALUE_ABSENT)
            continue;
        hft_event made = {.kind = EVENT_BBO | SIDES[i].side,
                          .price = td_decimal_double(price->as.decimal),
                          .amount = td_decimal_double(row->values[SIDES[i].amount].as.decimal)};
        set_times(row, &made);
        rc = add_event(self, made, err);
    }
    return rc;
}

static td_result add_row(void *writer, const export_source *source, const export_row *row,
                         td_err *err)
{
    hft_writer *self = writer;
    hft_event made;
    td_result rc = self->order == NULL ? begin(self, err) : TD_OK;
    if (rc != TD_OK)
        return rc;
    if (source->type == &EXPORT_HFT_BBO)
        return add_bbo(self, row, err);
    if (row->is_gap)
        made = gap_event(self, row);
    else if (source->type == &EXPORT_TRADES)
        made = trade_event(row);
    else
        made = depth_event(row);
    if ((made.kind & EVENT_KIND) == HFT_END_OF_DAY) {
        made.kind = (made.kind & ~(uint64_t)EVENT_KIND) | EVENT_SNAPSHOT | EVENT_EXCH | EVENT_LOCAL;
        self->end_of_day =
            td_array_grow(self->end_of_day, self->end_of_day_count, sizeof(hft_event));
        self->end_of_day[self->end_of_day_count++] = made;
        return TD_OK;
    }
    if (source->type == &EXPORT_HFT_DEPTH && made.exch_ns > self->depth_ns)
        self->depth_ns = made.exch_ns;
    return add_event(self, made, err);
}

/* ---- files ---- */

static void put_record(const hft_writer *self, const hft_event *from, uint8_t out[RECORD_BYTES])
{
    const int64_t local_ns = from->local_ns + *self->target->clock_offset_ns;
    memset(out, 0, RECORD_BYTES);
    memcpy(out, &from->kind, 8);
    memcpy(out + 8, &from->exch_ns, 8);
    memcpy(out + 16, &local_ns, 8);
    memcpy(out + 24, &from->price, 8);
    memcpy(out + 32, &from->amount, 8);
}

static td_result count_events(event_order *order, uint64_t *count, td_err *err)
{
    hft_event ignored;
    td_result rc = event_order_rewind(order, err);
    for (*count = 0; rc == TD_OK; ++*count)
        if ((rc = event_order_next(order, &ignored, err)) != TD_OK)
            break;
    return rc == TD_EOF ? TD_OK : rc;
}

static td_result write_events(const hft_writer *self, npz_writer *npz, td_err *err)
{
    event_order *order = self->order;
    export_file *file = self->file;
    uint8_t *batch = td_alloc((size_t)BATCH_RECORDS * RECORD_BYTES);
    size_t count = 0;
    td_result rc = event_order_rewind(order, err);
    while (rc == TD_OK) {
        hft_event row;
        rc = event_order_next(order, &row, err);
        if (rc == TD_OK)
            put_record(self, &row, batch + RECORD_BYTES * count++);
        if (count < BATCH_RECORDS && rc == TD_OK)
            continue;
        npz_add(npz, batch, count, export_file_buf(file));
        count = 0;
        if (rc == TD_OK)
            rc = export_file_flush(file, err);
    }
    td_free(batch);
    return rc == TD_EOF ? TD_OK : rc;
}

static td_result finish_events(hft_writer *self, td_err *err)
{
    export_file *file = self->file;
    char name[NAME_BYTES];
    uint64_t count = 0;
    td_result rc = count_events(self->order, &count, err);
    if (rc != TD_OK)
        return rc;
    npz_writer *npz = npz_open(EVENT_FIELDS, RECORD_BYTES, count, export_file_buf(file));
    rc = write_events(self, npz, err);
    if (rc == TD_OK)
        npz_finish(npz, export_file_buf(file));
    npz_close(npz);
    if (rc != TD_OK)
        return rc;
    self->target->counts->rows = count;
    self->file = NULL;
    name_file(self->target, "", name);
    return export_file_finish(file, name, err);
}

/* Writes the book at the end of the day, for the next day's initial_snapshot. */
static td_result finish_end_of_day(hft_writer *self, td_err *err)
{
    char name[NAME_BYTES];
    export_file *file = NULL;
    if (self->end_of_day_count == 0)
        return TD_OK;
    name_file(self->target, "_eod", name);
    td_result rc = export_file_open(self->target->files, name, EXPORT_PLAIN, &file, err);
    if (rc != TD_OK)
        return rc;
    td_buf *out = export_file_buf(file);
    npz_writer *npz = npz_open(EVENT_FIELDS, RECORD_BYTES, self->end_of_day_count, out);
    for (size_t i = 0; i < self->end_of_day_count; i++) {
        uint8_t record[RECORD_BYTES];
        put_record(self, &self->end_of_day[i], record);
        npz_add(npz, record, 1, out);
    }
    npz_finish(npz, out);
    npz_close(npz);
    return export_file_finish(file, NULL, err);
}

static td_result finish(void *writer, td_err *err)
{
    hft_writer *self = writer;
    if (self->order == NULL)
        return TD_OK;
    td_result rc = finish_events(self, err);
    return rc == TD_OK ? finish_end_of_day(self, err) : rc;
}

static const export_named_type TYPES[] = {{"depth", &EXPORT_HFT_DEPTH},
                                          {"trades", &EXPORT_TRADES},
                                          {"bbo", &EXPORT_HFT_BBO},
                                          {NULL, NULL}};

const export_format EXPORT_HFTBACKTEST = {
    .name = "hftbacktest",
    .summary = "npz files for hftbacktest, one per day and symbol",
    .folder = "hftbacktest/",
    .grouping = EXPORT_JOINED,
    .reads = TAPE_READS_MESSAGES,
    .types = TYPES,
    .open = open_writer,
    .row = add_row,
    .finish = finish,
    .close = close_writer,
};
