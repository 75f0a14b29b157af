/* Nautilus's ParquetDataCatalog, in its second layout (docs/export.md):
 * data/TYPE/INSTRUMENT/FIRST_LAST.parquet, one file a day. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/hash.h"
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
    PAIRS = 5,
    ID_BYTES = EXPORT_SYMBOL_NAME_BYTES + 32,
    BAR_TYPE_BYTES = ID_BYTES + 64,
    OF_INSTRUMENT = 2, /* of those: without precisions */
    OF_PRICES = 3,
    OF_DATA = 4,
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

/* An instrument that was written. */
typedef struct known_instrument {
    char id[ID_BYTES];
    uint64_t source; /* hash of the request that listed it first: others may list it, too */
    unsigned price_places, size_places;
} known_instrument;

struct catalog_writer {
    const export_target *target;
    const catalog_class *of;
    parquet_schema schema;
    parquet_pair pairs[PAIRS];
    char instrument[ID_BYTES];
    char bar_type[BAR_TYPE_BYTES]; /* "": it has no bars */
    char price_precision[TEXT_BYTES], size_precision[TEXT_BYTES];
    unsigned price_places, size_places;
    msg_value last[2];          /* of tickers: the values of the last row */
    uint64_t first_ns, last_ns; /* of ts_init */
    parquet_file *file;         /* NULL: no row yet */
    pending_level *levels;
    size_t level_count, level_capacity;
    known_instrument *known; /* of instruments: those that have files */
    size_t known_count;
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
static const parquet_column BAR[] = {PRICE("open"),  PRICE("high"),   PRICE("low"),
                                     PRICE("close"), PRICE("volume"), TIMES};
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

/* Columns of instruments, in the order of all classes. from: the column that is the value, "": it
 * is made here, NULL: it is always null. */
enum { PERPETUAL = 1, FUTURE = 2, OPTION = 4, PAIR = 8, CONTRACTS = 7, DATED = 6, EACH = 15 };
enum {
    ID,
    SETTLEMENT = 5,
    IS_INVERSE,
    OPTION_KIND,
    STRIKE,
    PRICE_PLACES = 11,
    SIZE_PLACES,
    LISTED = 29
};
#define MADE ""
#define ZERO "0"
static const struct listed_column {
    parquet_column is;
    unsigned classes;
    const char *from;
} LISTED_COLUMNS[LISTED] = {
    [ID] = {{"id", PARQUET_TEXT, 0, 0}, EACH, MADE},
    {{"raw_symbol", PARQUET_TEXT, 0, 0}, EACH, "symbol"},
    {{"base_currency", PARQUET_TEXT, 0, 0}, PERPETUAL | PAIR, "base"},
    {{"underlying", PARQUET_TEXT, 0, 0}, DATED, "base"},
    {{"quote_currency", PARQUET_TEXT, 0, 0}, EACH, "quote"},
    [SETTLEMENT] = {{"settlement_currency", PARQUET_TEXT, 0, 0}, CONTRACTS, "settle"},
    [IS_INVERSE] = {{"is_inverse", PARQUET_BOOL, 0, 0}, CONTRACTS, MADE},
    [OPTION_KIND] = {{"option_kind", PARQUET_TEXT, 0, 0}, OPTION, MADE},
    [STRIKE] = {{"strike_price", PARQUET_TEXT, 0, 0}, OPTION, MADE},
    {{"activation_ns", PARQUET_TIME_NS, 0, 0}, DATED, "launch"},
    {{"expiration_ns", PARQUET_TIME_NS, 0, 0}, DATED, "delivery"},
    [PRICE_PLACES] = {{"price_precision", PARQUET_U8, 0, 0}, EACH, MADE},
    [SIZE_PLACES] = {{"size_precision", PARQUET_U8, 0, 0}, EACH, MADE},
    {{"price_increment", PARQUET_TEXT, 0, 0}, EACH, "tick"},
    {{"size_increment", PARQUET_TEXT, 0, 0}, EACH, "qty_step"},
    {{"multiplier", PARQUET_TEXT, 0, 0}, EACH, "contract_size"},
    {{"lot_size", PARQUET_TEXT, 0, 1}, EACH, "qty_step"},
    {{"max_quantity", PARQUET_TEXT, 0, 1}, EACH, "max_qty"},
    {{"min_quantity", PARQUET_TEXT, 0, 1}, EACH, "min_qty"},
    {{"max_notional", PARQUET_TEXT, 0, 1}, EACH, NULL},
    {{"min_notional", PARQUET_TEXT, 0, 1}, EACH, NULL},
    {{"max_price", PARQUET_TEXT, 0, 1}, EACH, "max_price"},
    {{"min_price", PARQUET_TEXT, 0, 1}, EACH, "min_price"},
    {{"margin_init", PARQUET_TEXT, 0, 0}, EACH, ZERO},
    {{"margin_maint", PARQUET_TEXT, 0, 0}, EACH, ZERO},
    {{"tick_scheme", PARQUET_TEXT, 0, 1}, EACH, NULL},
    {{"info", PARQUET_TEXT, 0, 1}, EACH, "raw"},
    {{"ts_event", PARQUET_TIME_NS, 0, 0}, EACH, MADE},
    {{"ts_init", PARQUET_TIME_NS, 0, 0}, EACH, MADE}};

/* ---- rows ---- */

static void raise_to(unsigned *places, unsigned others)
{
    *places = others > *places ? others : *places;
}

/* Precision is that of the largest number of places as written. */
static td_result put_number(catalog_writer *self, size_t column, td_decimal value, unsigned *places,
                            td_err *err)
{
    raise_to(places, value.scale > PLACES ? PLACES : value.scale);
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
    static const char *const SIDES[] = {
        [SIDE_BUY] = "BUY", [SIDE_SELL] = "SELL", [SIDE_NONE] = "NO_AGGRESSOR"};
    td_bytes id = value_of(self, row, "trade_id")->as.text;
    if (id.size > TRADE_ID_BYTES_MAX)
        return td_err_set(err, TD_E_LIMIT, "trade id '%.*s' is longer than %d bytes",
                          (int)(id.size < 64 ? id.size : 64), (const char *)id.data,
                          TRADE_ID_BYTES_MAX);
    td_result rc =
        put_number(self, 0, value_of(self, row, "price")->as.decimal, &self->price_places, err);
    if (rc == TD_OK)
        rc = put_number(self, 1, value_of(self, row, "size")->as.decimal, &self->size_places, err);
    if (rc != TD_OK)
        return rc;
    parquet_put_text(to, 2, td_bytes_str(SIDES[value_of(self, row, "side")->as.side]));
    parquet_put_text(to, 3, id);
    return end_row(self, row, err);
}

/* A quote has both sides; a row with one is left out. */
static td_result put_quote(catalog_writer *self, const export_row *row, td_err *err)
{
    static const char *const NAMES[] = {"bid_price", "ask_price", "bid_size", "ask_size"};
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

static td_result put_price(catalog_writer *self, const export_row *row, td_err *err)
{
    int is_mark = strcmp(self->of->folder, "mark_prices") == 0;
    const msg_value *value = value_of(self, row, is_mark ? "mark_price" : "index_price");
    if (!has_changed(&self->last[0], value))
        return skip_row(self);
    td_result rc = put_number(self, 0, value->as.decimal, &self->price_places, err);
    return rc == TD_OK ? end_row(self, row, err) : rc;
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

/* ---- bars ---- */

/* Its time is its end, or the time of receipt of its last trade, if that is later. A second part of
 * a bar is left out. */
static td_result put_bar(catalog_writer *self, const export_row *row, td_err *err)
{
    static const char *const NAMES[] = {"open", "high", "low", "close"};
    enum { NUMBERS = sizeof NAMES / sizeof NAMES[0] };
    const msg_value *volume = value_of(self, row, "volume");
    uint64_t start_ns = value_of(self, row, "start")->as.time_ns;
    export_row at = *row;
    td_result rc = TD_OK;
    if ((row->flags & ROW_LATE) != 0 || start_ns < self->target->from_ns)
        return skip_row(self);
    for (size_t i = 0; rc == TD_OK && i < NUMBERS; i++)
        rc = put_number(self, i, value_of(self, row, NAMES[i])->as.decimal, &self->price_places,
                        err);
    if (rc == TD_OK && volume->type == VALUE_BIG_DECIMAL)
        rc =
            parquet_put_big_decimal(parquet_file_writer(self->file), NUMBERS, volume->as.text, err);
    else if (rc == TD_OK)
        rc = put_number(self, NUMBERS, volume->as.decimal, &self->size_places, err);
    at.exchange_ns = start_ns + self->target->settings->bar_ns;
    at.recv_ns = at.exchange_ns > at.recv_ns ? at.exchange_ns : at.recv_ns;
    at.recv_ns = self->last_ns > at.recv_ns ? self->last_ns : at.recv_ns;
    return rc == TD_OK ? end_row(self, &at, err) : rc;
}

/* "BTCUSDT-LINEAR.BYBIT-1-MINUTE-LAST-EXTERNAL". */
static void format_bar_type(const catalog_writer *self, char out[BAR_TYPE_BYTES])
{
    static const struct {
        uint64_t ns;
        const char *name;
    } UNITS[] = {{86400 * TD_NS_PER_S, "DAY"},  {3600 * TD_NS_PER_S, "HOUR"},
                 {60 * TD_NS_PER_S, "MINUTE"},  {TD_NS_PER_S, "SECOND"},
                 {TD_NS_PER_MS, "MILLISECOND"}, {1, "NANOSECOND"}};
    uint64_t bar_ns = self->target->settings->bar_ns;
    size_t i = 0;
    while (bar_ns % UNITS[i].ns != 0)
        i++;
    (void)snprintf(out, BAR_TYPE_BYTES, "%s-%" PRIu64 "-%s-LAST-EXTERNAL", self->instrument,
                   bar_ns / UNITS[i].ns, UNITS[i].name);
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
                           .is_bid = value_of(self, row, "side")->as.side == SIDE_BUY,
                           .price = value_of(self, row, "price")->as.decimal,
                           .size = value_of(self, row, "size")->as.decimal};
    if (level.is_snapshot && self->level_count > 0 && !self->levels[0].is_snapshot)
        self->level_count = 0;
    self->levels = td_array_reach(self->levels, &self->level_capacity, self->level_count,
                                  sizeof *self->levels);
    self->levels[self->level_count++] = level;
    return (row->flags & ROW_LAST_OF_FRAME) != 0 ? put_frame(self, row, err) : TD_OK;
}

static td_result put_instrument(catalog_writer *self, const export_row *row, td_err *err);

static const catalog_class CLASSES[] = {
    {&EXPORT_TRADES, "trades", "TradeTick", TRADE_TICK, 6, 5, OF_DATA, put_trade},
    {&EXPORT_QUOTES, "quotes", "QuoteTick", QUOTE_TICK, 6, 5, OF_DATA, put_quote},
    {&EXPORT_BOOK_DELTAS, "order_book_deltas", "OrderBookDelta", ORDER_BOOK_DELTA, 9, 8, OF_DATA,
     add_level},
    {&EXPORT_BARS, "bars", "Bar", BAR, 7, 6, PAIRS, put_bar},
    {&EXPORT_DERIVATIVE_TICKER, "mark_prices", "MarkPriceUpdate", PRICE_UPDATE, 3, 2, OF_PRICES,
     put_price},
    {&EXPORT_DERIVATIVE_TICKER, "index_prices", "IndexPriceUpdate", PRICE_UPDATE, 3, 2, OF_PRICES,
     put_price},
    {&EXPORT_DERIVATIVE_TICKER, "funding_rates", "FundingRateUpdate", FUNDING_RATE_UPDATE, 7, 5,
     OF_INSTRUMENT, put_funding},
    {.type = &EXPORT_INSTRUMENTS, .folder = "instruments", .put = put_instrument},
};

/* ---- files ---- */

/* As Nautilus's adapter names instruments: the market is a part of the name. It finds files by it.
 */
static void format_id(td_bytes symbol, const char *market, char out[ID_BYTES])
{
    char name[EXPORT_SYMBOL_NAME_BYTES];
    static const char *const MARKETS[][2] = {
        {"spot", "SPOT"}, {"inverse", "INVERSE"}, {"option", "OPTION"}, {"", "LINEAR"}};
    size_t i = 0;
    while (strstr(market, MARKETS[i][0]) == NULL)
        i++;
    export_symbol_encode(symbol, name);
    (void)snprintf(out, ID_BYTES, "%s-%s.BYBIT", name, MARKETS[i][1]);
}

static void format_source_id(const export_source *of, char out[ID_BYTES])
{
    size_t size = strlen(of->symbol);
    int is_coin = strcmp(of->family->name, "contract-v3") == 0 && size > 3 &&
                  strcmp(of->symbol + size - 3, "USD") == 0;
    format_id(td_bytes_str(of->symbol), is_coin ? "inverse" : of->family->name, out);
}

static catalog_writer *make_catalog(const export_target *target, const catalog_class *of)
{
    catalog_writer *made = td_alloc_zero(1, sizeof *made);
    made->target = target;
    made->of = of;
    parquet_pair pairs[PAIRS] = {{"instrument_id", made->instrument},
                                 {"type_name", of->name},
                                 {"price_precision", made->price_precision},
                                 {"size_precision", made->size_precision},
                                 {"class", of->name}};
    if (of->type == &EXPORT_BARS)
        pairs[PAIRS - 1] = (parquet_pair){"bar_type", made->bar_type};
    memcpy(made->pairs, pairs, sizeof pairs);
    made->schema = (parquet_schema){of->columns,    of->column_count, made->pairs,
                                    of->pair_count, (int)of->ts_init, GROUP_ROWS};
    return made;
}

static void *open_catalog(const export_target *target)
{
    size_t i = 0;
    while (strcmp(CLASSES[i].folder, target->of->name) != 0)
        i++;
    catalog_writer *made = make_catalog(target, &CLASSES[i]);
    if (target->of->family != NULL)
        format_source_id(target->of, made->instrument);
    if (made->of->type == &EXPORT_BARS)
        format_bar_type(made, made->bar_type);
    return made;
}

static void close_catalog(void *writer)
{
    catalog_writer *self = writer;
    if (self == NULL)
        return;
    parquet_file_abandon(self->file);
    td_free(self->known);
    td_free(self->levels);
    td_free(self);
}

/* data/TYPE/INSTRUMENT/NAME */
static td_result format_path(const catalog_writer *self, const char *name,
                             char out[EXPORT_NAME_BYTES], td_err *err)
{
    int size = snprintf(out, EXPORT_NAME_BYTES, "data/%s/%s/%s.parquet", self->of->folder,
                        self->bar_type[0] != '\0' ? self->bar_type : self->instrument, name);
    return size > 0 && size < EXPORT_NAME_BYTES
               ? TD_OK
               : td_err_set(err, TD_E_LIMIT, "the file name for '%s' would be too long",
                            self->instrument);
}

static td_result begin_file(catalog_writer *self, td_err *err)
{
    char name[EXPORT_NAME_BYTES];
    td_result rc = format_path(self, self->target->date, name, err);
    return rc == TD_OK
               ? parquet_file_open(self->target->files, name, &self->schema, &self->file, err)
               : rc;
}

static td_result add_row(void *writer, const export_source *of, const export_row *row, td_err *err)
{
    catalog_writer *self = writer;
    td_result rc = TD_OK;
    if (self->file == NULL && self->of->columns != NULL)
        rc = begin_file(self, err);
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

/* ---- the instruments of a day ---- */

static known_instrument *find_known(const catalog_writer *self, const char *id)
{
    for (size_t i = 0; i < self->known_count; i++)
        if (strcmp(self->known[i].id, id) == 0)
            return &self->known[i];
    return NULL;
}

/* Prices have at least the places of the tick, as the instrument has them. All rows were put before
 * any writer finishes. */
static void use_precision(catalog_writer *self)
{
    const export_writers *all = self->target->writers;
    for (size_t i = 0; i < all->count && self->of->type != &EXPORT_INSTRUMENTS; i++) {
        const export_writer *writer = all->items[i];
        if (writer->output->format != &EXPORT_NAUTILUS || writer->made == NULL ||
            writer->of.type != &EXPORT_INSTRUMENTS)
            continue;
        const known_instrument *known = find_known(writer->made, self->instrument);
        if (known == NULL)
            continue;
        raise_to(&self->price_places, known->price_places);
        raise_to(&self->size_places, known->size_places);
    }
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
    use_precision(self);
    (void)snprintf(self->price_precision, TEXT_BYTES, "%u", self->price_places % 100);
    (void)snprintf(self->size_precision, TEXT_BYTES, "%u", self->size_places % 100);
    td_result rc = format_path(self, interval, name, err);
    if (rc != TD_OK)
        return rc;
    self->file = NULL;
    return parquet_file_finish(file, name, err);
}

/* 1 if the day has data of the instrument, or no other type is exported. */
static int has_data(const export_target *target, const char *id)
{
    char other[ID_BYTES];
    int has_types = 0;
    for (size_t i = 0; i < target->output_count; i++)
        has_types |= target->outputs[i].format == &EXPORT_NAUTILUS &&
                     target->outputs[i].type != &EXPORT_INSTRUMENTS;
    for (size_t i = 0; i < target->writers->count; i++) {
        const export_writer *writer = target->writers->items[i];
        if (writer->output->format != &EXPORT_NAUTILUS || writer->of.family == NULL ||
            strncmp(writer->symbol, id, strlen(writer->symbol)) != 0)
            continue;
        format_source_id(&writer->of, other);
        if (strcmp(other, id) == 0)
            return 1;
    }
    return !has_types;
}

/* 1 if no other request has listed the instrument. */
static int is_first_source(catalog_writer *self, const export_row *row, const catalog_writer *one)
{
    td_bytes feed = value_of(self, row, "feed")->as.text;
    td_bytes request = value_of(self, row, "request")->as.text;
    uint64_t source = td_xxh64(feed.data, feed.size) * 31 + td_xxh64(request.data, request.size);
    known_instrument *known = find_known(self, one->instrument);
    if (known == NULL) {
        self->known = td_array_grow(self->known, self->known_count, sizeof *self->known);
        known = &self->known[self->known_count++];
        *known = (known_instrument){.source = source};
        memcpy(known->id, one->instrument, ID_BYTES);
    }
    if (known->source != source)
        return 0;
    raise_to(&known->price_places, one->price_places);
    raise_to(&known->size_places, one->size_places);
    return 1;
}

/* 0: Nautilus has no class for it. */
static unsigned class_of(const catalog_writer *self, const export_row *row)
{
    td_bytes category = value_of(self, row, "category")->as.text;
    td_bytes type = value_of(self, row, "contract_type")->as.text;
    td_bytes alias = value_of(self, row, "alias")->as.text;
    if (td_bytes_is(category, "spot"))
        return PAIR;
    if (td_bytes_is(category, "option"))
        return OPTION;
    if (!td_bytes_is(category, "linear") && !td_bytes_is(category, "inverse"))
        return 0;
    return td_bytes_is(type, "LinearFutures") || td_bytes_is(type, "InverseFutures") ||
                   (alias.size > 0 && !td_bytes_equal(alias, row->symbol))
               ? FUTURE
               : PERPETUAL;
}

/* The values of an instrument whose id and precisions are set. 0: one is missing that its class
 * needs. */
static int set_listed(const catalog_writer *self, const catalog_writer *one, const export_row *row,
                      unsigned is, msg_value values[LISTED])
{
    td_bytes parts[EXPORT_OPTION_PARTS];
    int is_inverse = td_bytes_is(value_of(self, row, "category")->as.text, "inverse");
    int is_whole = 1;
    export_option_split(row->symbol, parts);
    for (size_t i = 0; i < LISTED; i++) {
        const char *from = LISTED_COLUMNS[i].from;
        values[i] = from == NULL || *from == '\0' ? row_absent()
                    : strcmp(from, ZERO) == 0     ? row_text(td_bytes_str(from))
                                                  : *value_of(self, row, from);
    }
    values[ID] = row_text(td_bytes_str(one->instrument));
    values[IS_INVERSE] = row_bool(is_inverse);
    values[STRIKE] = row_text(parts[2]);
    values[OPTION_KIND] = row_text(td_bytes_str(td_bytes_is(parts[3], "P") ? "PUT" : "CALL"));
    values[PRICE_PLACES] = row_integer((int64_t)one->price_places);
    values[SIZE_PLACES] = row_integer((int64_t)one->size_places);
    if (values[SETTLEMENT].type == VALUE_ABSENT)
        values[SETTLEMENT] = *value_of(self, row, is_inverse ? "base" : "quote");
    for (size_t i = 0; i < LISTED - 2; i++)
        is_whole &= (LISTED_COLUMNS[i].classes & is) == 0 || LISTED_COLUMNS[i].is.is_optional ||
                    values[i].type != VALUE_ABSENT;
    return is_whole;
}

/* With the places that it was written with, which are a precision. */
static td_bytes decimal_text(td_decimal value, char out[2 * TD_DECIMAL_TEXT_BYTES])
{
    size_t size = td_decimal_format(value, out);
    unsigned places = td_decimal_shortest(value).scale;
    if (places == 0 && value.scale > 0)
        out[size++] = '.';
    for (; places < value.scale; places++)
        out[size++] = '0';
    return td_bytes_of(out, size);
}

/* A file with one row: a file has one precision. */
static td_result put_listed(catalog_writer *one, const export_row *row, unsigned is,
                            const msg_value values[LISTED], td_err *err)
{
    size_t column = 0;
    char text[2 * TD_DECIMAL_TEXT_BYTES];
    td_result rc = begin_file(one, err);
    for (size_t i = 0; rc == TD_OK && i < LISTED - 2; i++) {
        parquet_writer *to = parquet_file_writer(one->file);
        const msg_value *value = &values[i];
        if ((LISTED_COLUMNS[i].classes & is) == 0)
            continue;
        if (value->type == VALUE_ABSENT)
            parquet_put_null(to, column++);
        else if (LISTED_COLUMNS[i].is.kind == PARQUET_TEXT)
            parquet_put_text(to, column++,
                             value->type == VALUE_DECIMAL ? decimal_text(value->as.decimal, text)
                                                          : value->as.text);
        else
            parquet_put_integer(to, column++,
                                value->type == VALUE_BOOL      ? value->as.is_true
                                : value->type == VALUE_TIME_NS ? (int64_t)value->as.time_ns
                                                               : value->as.integer);
    }
    if (rc == TD_OK)
        rc = end_row(one, row, err);
    return rc == TD_OK ? finish(one, err) : rc;
}

static td_result put_instrument(catalog_writer *self, const export_row *row, td_err *err)
{
    static const char *const NAMES[][2] = {[PERPETUAL] = {"crypto_perpetual", "CryptoPerpetual"},
                                           [FUTURE] = {"crypto_future", "CryptoFuture"},
                                           [OPTION] = {"crypto_option", "CryptoOption"},
                                           [PAIR] = {"currency_pair", "CurrencyPair"}};
    unsigned is = class_of(self, row);
    parquet_column columns[LISTED];
    msg_value values[LISTED];
    catalog_class of = {.type = &EXPORT_INSTRUMENTS,
                        .folder = NAMES[is][0],
                        .name = NAMES[is][1],
                        .columns = columns,
                        .pair_count = PAIRS};
    char market[LIMIT_NAME_BYTES];
    td_bytes category = value_of(self, row, "category")->as.text;
    if (is == 0 || export_symbol_refusal(row->symbol) != NULL)
        return skip_row(self);
    for (size_t i = 0; i < LISTED; i++)
        if ((LISTED_COLUMNS[i].classes & is) != 0)
            columns[of.column_count++] = LISTED_COLUMNS[i].is;
    of.ts_init = of.column_count - 1;
    catalog_writer *one = make_catalog(self->target, &of);
    (void)snprintf(market, sizeof market, "%.*s", (int)category.size, (const char *)category.data);
    format_id(row->symbol, market, one->instrument);
    one->price_places = value_of(self, row, "tick")->as.decimal.scale;
    one->size_places = value_of(self, row, "qty_step")->as.decimal.scale;
    td_result rc = set_listed(self, one, row, is, values) &&
                           has_data(self->target, one->instrument) &&
                           is_first_source(self, row, one)
                       ? put_listed(one, row, is, values, err)
                       : skip_row(self);
    close_catalog(one);
    return rc;
}

static const export_named_type TYPES[] = {{"trades", &EXPORT_TRADES},
                                          {"quotes", &EXPORT_QUOTES},
                                          {"bars", &EXPORT_BARS},
                                          {"order_book_deltas", &EXPORT_BOOK_DELTAS},
                                          {"mark_prices", &EXPORT_DERIVATIVE_TICKER},
                                          {"index_prices", &EXPORT_DERIVATIVE_TICKER},
                                          {"funding_rates", &EXPORT_DERIVATIVE_TICKER},
                                          {"instruments", &EXPORT_INSTRUMENTS},
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
