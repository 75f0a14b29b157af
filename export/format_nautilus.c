/* Nautilus's ParquetDataCatalog, in its second layout (docs/export.md):
 * data/TYPE/INSTRUMENT/FIRST_LAST.parquet, one file a day. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/time_text.h"
#include "export/export_format.h"
#include "export/export_name.h"
#include "export/export_writers.h"
#include "export/parquet_file.h"

enum {
    PLACES = 16, /* of DECIMAL(38,16) */
    TRADE_ID_BYTES_MAX = 36,
    GROUP_ROWS = 131072,
    TEXT_BYTES = 4,
    PAIRS = 4,
    OF_INSTRUMENT = 2, /* of those: without precisions */
    OF_PRICES = 3,
};

/* Flags of order book deltas. */
enum { F_LAST = 128, F_SNAPSHOT = 32, F_MBP = 16 };

typedef struct catalog_writer catalog_writer;

/* A class of Nautilus: its columns, and how a row becomes one of it. */
typedef struct catalog_class {
    const export_type *type;
    const char *folder;
    const char *name;
    const parquet_column *columns;
    size_t column_count, ts_init; /* ts_event is before it */
    size_t pair_count;            /* of PAIRS, in their order */
    td_result (*put)(catalog_writer *self, const export_row *row, td_err *err);
} catalog_class;

/* A level of a frame that is not yet complete. */
typedef struct pending_level {
    uint8_t is_snapshot, is_bid;
    td_decimal price, size;
} pending_level;

struct catalog_writer {
    const export_target *target;
    const catalog_class *of;
    parquet_schema schema;
    parquet_pair pairs[PAIRS];
    char instrument[LIMIT_SYMBOL_BYTES + 32];
    char price_precision[TEXT_BYTES], size_precision[TEXT_BYTES];
    unsigned price_places, size_places;
    msg_value last[2];          /* of tickers: the values of the last row */
    uint64_t first_ns, last_ns; /* of ts_init */
    parquet_file *file;         /* NULL: no row yet */
    pending_level *levels;
    size_t level_count, level_capacity;
};

#define PRICE(name)                                                                                \
    {                                                                                              \
        name, PARQUET_DECIMAL_128, PLACES, 0                                                       \
    }
#define TIMES                                                                                      \
    {"ts_event", PARQUET_TIME_NS, 0, 0},                                                           \
    {                                                                                              \
        "ts_init", PARQUET_TIME_NS, 0, 0                                                           \
    }

static const parquet_column TRADE_TICK[] = {PRICE("price"),
                                            PRICE("size"),
                                            {"aggressor_side", PARQUET_TEXT, 0, 0},
                                            {"trade_id", PARQUET_TEXT, 0, 0},
                                            TIMES};
static const parquet_column QUOTE_TICK[] = {PRICE("bid_price"), PRICE("ask_price"),
                                            PRICE("bid_size"), PRICE("ask_size"), TIMES};
static const parquet_column PRICE_UPDATE[] = {PRICE("value"), TIMES};
static const parquet_column FUNDING_RATE_UPDATE[] = {{"instrument_id", PARQUET_TEXT, 0, 0},
                                                     {"rate", PARQUET_TEXT, 0, 0},
                                                     {"interval", PARQUET_U64, 0, 1},
                                                     {"next_funding_ns", PARQUET_TIME_NS, 0, 1},
                                                     TIMES,
                                                     {"identifier", PARQUET_TEXT, 0, 1}};
static const parquet_column ORDER_BOOK_DELTA[] = {{"action", PARQUET_TEXT, 0, 0},
                                                  {"side", PARQUET_TEXT, 0, 0},
                                                  {"price", PARQUET_DECIMAL_128, PLACES, 1},
                                                  {"size", PARQUET_DECIMAL_128, PLACES, 1},
                                                  {"order_id", PARQUET_U64, 0, 0},
                                                  {"flags", PARQUET_U8, 0, 0},
                                                  {"sequence", PARQUET_U64, 0, 0},
                                                  TIMES};

/* ---- rows ---- */

/* Precision is that of the largest number of places as written. */
static td_result put_number(catalog_writer *self, size_t column, td_decimal value, unsigned *places,
                            td_err *err)
{
    unsigned scale = value.scale > PLACES ? PLACES : value.scale;
    *places = scale > *places ? scale : *places;
    return parquet_put_decimal(parquet_file_writer(self->file), column, value, err);
}

static td_result end_row(catalog_writer *self, const export_row *row, td_err *err)
{
    parquet_writer *to = parquet_file_writer(self->file);
    size_t ts_init = self->of->ts_init;
    uint64_t event_ns = row->exchange_ns != 0 ? row->exchange_ns : row->recv_ns;
    parquet_put_integer(to, ts_init - 1, (int64_t)event_ns);
    parquet_put_integer(to, ts_init, (int64_t)row->recv_ns);
    self->first_ns = self->last_ns == 0 ? row->recv_ns : self->first_ns;
    self->last_ns = row->recv_ns;
    return parquet_end_row(to, err);
}

/* The row is not one of the class. */
static td_result skip_row(const catalog_writer *self)
{
    self->target->counts->rows--;
    return TD_OK;
}

static const msg_value *value_of(const catalog_writer *self, const export_row *row,
                                 const char *name)
{
    const export_type *type = self->of->type;
    size_t i = 0;
    while (strcmp(type->columns[i].name, name) != 0) {
        i++;
        TD_ASSERT(i < type->column_count);
    }
    return &row->values[i];
}

static td_result put_trade(catalog_writer *self, const export_row *row, td_err *err)
{
    parquet_writer *to = parquet_file_writer(self->file);
    td_bytes side = value_of(self, row, "side")->as.text;
    td_bytes id = value_of(self, row, "id")->as.text;
    if (id.size > TRADE_ID_BYTES_MAX)
        return td_err_set(err, TD_E_LIMIT, "trade id '%.*s' is longer than %d bytes",
                          (int)(id.size < 64 ? id.size : 64), (const char *)id.data,
                          TRADE_ID_BYTES_MAX);
    td_result rc =
        put_number(self, 0, value_of(self, row, "price")->as.decimal, &self->price_places, err);
    if (rc == TD_OK)
        rc =
            put_number(self, 1, value_of(self, row, "amount")->as.decimal, &self->size_places, err);
    if (rc != TD_OK)
        return rc;
    parquet_put_text(to, 2,
                     td_bytes_str(td_bytes_is(side, "buy")    ? "BUY"
                                  : td_bytes_is(side, "sell") ? "SELL"
                                                              : "NO_AGGRESSOR"));
    parquet_put_text(to, 3, id);
    return end_row(self, row, err);
}

/* A quote has both sides; a row with one is left out. */
static td_result put_quote(catalog_writer *self, const export_row *row, td_err *err)
{
    static const char *const NAMES[] = {"bid_price", "ask_price", "bid_amount", "ask_amount"};
    enum { NUMBERS = sizeof NAMES / sizeof NAMES[0] };
    td_result rc = TD_OK;
    for (size_t i = 0; i < NUMBERS; i++)
        if (value_of(self, row, NAMES[i])->type == VALUE_ABSENT)
            return skip_row(self);
    for (size_t i = 0; rc == TD_OK && i < NUMBERS; i++)
        rc = put_number(self, i, value_of(self, row, NAMES[i])->as.decimal,
                        i < 2 ? &self->price_places : &self->size_places, err);
    return rc == TD_OK ? end_row(self, row, err) : rc;
}

/* ---- tickers ---- */

/* 1 if a value is known and is not that of the last row. */
static int has_changed(msg_value *last, const msg_value *value)
{
    if (value->type == VALUE_ABSENT ||
        (last->type == value->type &&
         (value->type == VALUE_DECIMAL
              ? td_decimal_compare(last->as.decimal, value->as.decimal) == 0
              : last->as.time_ns == value->as.time_ns)))
        return 0;
    *last = *value;
    return 1;
}

static td_result put_price(catalog_writer *self, const export_row *row, const char *name,
                           td_err *err)
{
    const msg_value *value = value_of(self, row, name);
    if (!has_changed(&self->last[0], value))
        return skip_row(self);
    td_result rc = put_number(self, 0, value->as.decimal, &self->price_places, err);
    return rc == TD_OK ? end_row(self, row, err) : rc;
}

static td_result put_mark(catalog_writer *self, const export_row *row, td_err *err)
{
    return put_price(self, row, "mark_price", err);
}

static td_result put_index(catalog_writer *self, const export_row *row, td_err *err)
{
    return put_price(self, row, "index_price", err);
}

static td_result put_funding(catalog_writer *self, const export_row *row, td_err *err)
{
    parquet_writer *to = parquet_file_writer(self->file);
    const msg_value *rate = value_of(self, row, "funding_rate");
    const msg_value *next = value_of(self, row, "funding_timestamp");
    char text[TD_DECIMAL_TEXT_BYTES];
    int is_next = has_changed(&self->last[1], next);
    if ((!has_changed(&self->last[0], rate) && !is_next) || rate->type == VALUE_ABSENT)
        return skip_row(self);
    parquet_put_text(to, 0, td_bytes_str(self->instrument));
    parquet_put_text(to, 1, td_bytes_of(text, td_decimal_format(rate->as.decimal, text)));
    parquet_put_null(to, 2);
    if (next->type == VALUE_ABSENT)
        parquet_put_null(to, 3);
    else
        parquet_put_integer(to, 3, (int64_t)next->as.time_ns);
    parquet_put_text(to, 6, td_bytes_str(self->instrument));
    return end_row(self, row, err);
}

/* ---- order books ---- */

/* level NULL: CLEAR. */
static td_result put_delta(catalog_writer *self, const export_row *row, const pending_level *level,
                           unsigned flags, td_err *err)
{
    parquet_writer *to = parquet_file_writer(self->file);
    const pending_level none = {.price = {0, 0}};
    const pending_level *as = level == NULL ? &none : level;
    const char *action = level == NULL              ? "CLEAR"
                         : level->is_snapshot       ? "ADD"
                         : level->size.mantissa > 0 ? "UPDATE"
                                                    : "DELETE";
    const char *side = level == NULL ? "NO_ORDER_SIDE" : level->is_bid ? "BUY" : "SELL";
    parquet_put_text(to, 0, td_bytes_str(action));
    parquet_put_text(to, 1, td_bytes_str(side));
    td_result rc = put_number(self, 2, as->price, &self->price_places, err);
    if (rc == TD_OK)
        rc = put_number(self, 3, as->size, &self->size_places, err);
    if (rc != TD_OK)
        return rc;
    parquet_put_integer(to, 4, 0);
    parquet_put_integer(to, 5, (int64_t)flags);
    parquet_put_integer(to, 6, row->has_number ? row->number : 0);
    return end_row(self, row, err);
}

/* A complete frame: of its levels those of the snapshot after a CLEAR, then changes; bids before
 * asks in both. The last row has F_LAST. */
static td_result put_frame(catalog_writer *self, const export_row *row, td_err *err)
{
    int has_snapshot = self->level_count > 0 && self->levels[0].is_snapshot;
    size_t left = self->level_count;
    td_result rc = TD_OK;
    if (has_snapshot)
        rc = put_delta(self, row, NULL, F_SNAPSHOT, err);
    for (int pass = 0; pass < 4; pass++) {
        int is_snapshot = pass < 2;
        int is_bid = pass % 2 == 0;
        for (size_t i = 0; rc == TD_OK && i < self->level_count; i++) {
            const pending_level *level = &self->levels[i];
            if (level->is_snapshot != is_snapshot || level->is_bid != is_bid)
                continue;
            left--;
            rc = put_delta(self, row, level,
                           (unsigned)F_MBP | (is_snapshot ? (unsigned)F_SNAPSHOT : 0U) |
                               (left == 0 ? (unsigned)F_LAST : 0U),
                           err);
        }
    }
    self->level_count = 0;
    return rc;
}

/* A snapshot's CLEAR deletes what rows before it would delete one by one. */
static td_result add_level(catalog_writer *self, const export_row *row, td_err *err)
{
    pending_level level = {.is_snapshot = value_of(self, row, "is_snapshot")->as.is_true != 0,
                           .is_bid =
                               (uint8_t)td_bytes_is(value_of(self, row, "side")->as.text, "bid"),
                           .price = value_of(self, row, "price")->as.decimal,
                           .size = value_of(self, row, "amount")->as.decimal};
    if (level.is_snapshot && self->level_count > 0 && !self->levels[0].is_snapshot)
        self->level_count = 0;
    self->levels = td_array_reach(self->levels, &self->level_capacity, self->level_count,
                                  sizeof *self->levels);
    self->levels[self->level_count++] = level;
    return (row->flags & ROW_LAST_OF_FRAME) != 0 ? put_frame(self, row, err) : TD_OK;
}

static const catalog_class CLASSES[] = {
    {&EXPORT_TRADES, "trades", "TradeTick", TRADE_TICK, 6, 5, PAIRS, put_trade},
    {&EXPORT_QUOTES, "quotes", "QuoteTick", QUOTE_TICK, 6, 5, PAIRS, put_quote},
    {&EXPORT_BOOK_DELTAS, "order_book_deltas", "OrderBookDelta", ORDER_BOOK_DELTA, 9, 8, PAIRS,
     add_level},
    {&EXPORT_DERIVATIVE_TICKER, "mark_prices", "MarkPriceUpdate", PRICE_UPDATE, 3, 2, OF_PRICES,
     put_mark},
    {&EXPORT_DERIVATIVE_TICKER, "index_prices", "IndexPriceUpdate", PRICE_UPDATE, 3, 2, OF_PRICES,
     put_index},
    {&EXPORT_DERIVATIVE_TICKER, "funding_rates", "FundingRateUpdate", FUNDING_RATE_UPDATE, 7, 5,
     OF_INSTRUMENT, put_funding},
};

/* ---- files ---- */

/* As Nautilus's adapter names instruments: the market is a part of the name. */
static void format_instrument(catalog_writer *self, const export_source *of)
{
    static const struct {
        const char *part; /* of the family's name */
        const char *suffix;
    } MARKETS[] = {{"spot", "SPOT"}, {"inverse", "INVERSE"}, {"option", "OPTION"}, {"", "LINEAR"}};
    size_t i = 0;
    size_t size = strlen(of->symbol);
    while (strstr(of->family->name, MARKETS[i].part) == NULL)
        i++;
    int is_coin = strcmp(of->family->name, "contract-v3") == 0 && size > 3 &&
                  strcmp(of->symbol + size - 3, "USD") == 0;
    (void)snprintf(self->instrument, sizeof self->instrument, "%s-%s.BYBIT", of->symbol,
                   is_coin ? "INVERSE" : MARKETS[i].suffix);
    for (char *c = self->instrument; *c != '\0'; c++)
        *c = (char)(*c == '/' || *c == '^' ? '_' : *c);
}

static void *open_catalog(const export_target *target)
{
    catalog_writer *made = td_alloc_zero(1, sizeof *made);
    size_t i = 0;
    made->target = target;
    while (strcmp(CLASSES[i].folder, target->of->name) != 0)
        i++;
    made->of = &CLASSES[i];
    format_instrument(made, target->of);
    const parquet_pair pairs[PAIRS] = {{"instrument_id", made->instrument},
                                       {"type_name", made->of->name},
                                       {"price_precision", made->price_precision},
                                       {"size_precision", made->size_precision}};
    memcpy(made->pairs, pairs, sizeof pairs);
    made->schema = (parquet_schema){made->of->columns,    made->of->column_count, made->pairs,
                                    made->of->pair_count, (int)made->of->ts_init, GROUP_ROWS};
    return made;
}

static void close_catalog(void *writer)
{
    catalog_writer *self = writer;
    if (self == NULL)
        return;
    parquet_file_abandon(self->file);
    td_free(self->levels);
    td_free(self);
}

/* data/TYPE/INSTRUMENT/NAME */
static td_result format_path(const catalog_writer *self, const char *name,
                             char out[EXPORT_NAME_BYTES], td_err *err)
{
    int size = snprintf(out, EXPORT_NAME_BYTES, "data/%s/%s/%s.parquet", self->of->folder,
                        self->instrument, name);
    return size > 0 && size < EXPORT_NAME_BYTES
               ? TD_OK
               : td_err_set(err, TD_E_LIMIT, "the file name for '%s' would be too long",
                            self->instrument);
}

static td_result add_row(void *writer, const export_source *of, const export_row *row, td_err *err)
{
    catalog_writer *self = writer;
    char name[EXPORT_NAME_BYTES];
    td_result rc = TD_OK;
    if (self->file == NULL) {
        rc = format_path(self, self->target->date, name, err);
        if (rc == TD_OK)
            rc = parquet_file_open(self->target->files, name, &self->schema, &self->file, err);
    }
    if (rc != TD_OK)
        return rc;
    if (row->is_gap)
        rc = self->of->type == &EXPORT_BOOK_DELTAS
                 ? put_delta(self, row, NULL, (unsigned)F_SNAPSHOT | (unsigned)F_LAST, err)
                 : TD_OK;
    else
        rc = self->of->put(self, row, err);
    return rc == TD_OK ? rc : td_err_add(err, rc, "%s of %s", of->name, self->instrument);
}

/* A moment as names of files have it: 2024-01-01T00-00-00-000000000Z. */
static void format_moment(uint64_t ns, char out[TD_TIME_TEXT_BYTES])
{
    td_time_format(ns, out);
    for (char *c = out; *c != '\0'; c++)
        *c = (char)(*c == ':' || *c == '.' ? '-' : *c);
}

static td_result finish(void *writer, td_err *err)
{
    catalog_writer *self = writer;
    parquet_file *file = self->file;
    char first[TD_TIME_TEXT_BYTES];
    char last[TD_TIME_TEXT_BYTES];
    char interval[2 * TD_TIME_TEXT_BYTES];
    char name[EXPORT_NAME_BYTES];
    if (file == NULL || self->last_ns == 0)
        return TD_OK;
    format_moment(self->first_ns, first);
    format_moment(self->last_ns, last);
    (void)snprintf(interval, sizeof interval, "%s_%s", first, last);
    (void)snprintf(self->price_precision, TEXT_BYTES, "%u", self->price_places % 100);
    (void)snprintf(self->size_precision, TEXT_BYTES, "%u", self->size_places % 100);
    td_result rc = format_path(self, interval, name, err);
    if (rc != TD_OK)
        return rc;
    self->file = NULL;
    return parquet_file_finish(file, name, err);
}

static const export_named_type TYPES[] = {{"trades", &EXPORT_TRADES},
                                          {"quotes", &EXPORT_QUOTES},
                                          {"order_book_deltas", &EXPORT_BOOK_DELTAS},
                                          {"mark_prices", &EXPORT_DERIVATIVE_TICKER},
                                          {"index_prices", &EXPORT_DERIVATIVE_TICKER},
                                          {"funding_rates", &EXPORT_DERIVATIVE_TICKER},
                                          {NULL, NULL}};

const export_format EXPORT_NAUTILUS = {
    .name = "nautilus",
    .summary =
        "a ParquetDataCatalog of Nautilus (Decimal128), one file per day, type and instrument",
    .folder = "nautilus/",
    .per = EXPORT_PER_SYMBOL,
    .reads = TAPE_READS_MESSAGES,
    .needs_market = 1,
    .types = TYPES,
    .open = open_catalog,
    .row = add_row,
    .finish = finish,
    .close = close_catalog,
};
