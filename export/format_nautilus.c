/* Nautilus's ParquetDataCatalog, in its second layout (docs/export.md):
 * data/TYPE/INSTRUMENT/FIRST_LAST.parquet, one file per day. */
#include <ctype.h>
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
#include "schema/instrument.h"

enum {
    PLACES = 16, /* decimal places in DECIMAL(38,16) */
    TRADE_ID_BYTES_MAX = 36,
    GROUP_ROWS = 131072,
    TEXT_BYTES = 4,
    PAIRS = 5,
    ID_BYTES = EXPORT_INSTRUMENT_BYTES,
    BAR_TYPE_BYTES = ID_BYTES + 64,
    CLASS_COLUMNS_MAX = 9,
    PAIRS_OF_INSTRUMENT = 2, /* number of metadata entries without the precisions */
    PAIRS_OF_PRICES = 3,
};

_Static_assert((int)ID_BYTES == (int)EXPORT_SYMBOL_NAME_BYTES + 32, "an id's bytes");

/* Flags of order book deltas. */
enum { F_LAST = 128, F_SNAPSHOT = 32, F_MBP = 16 };

typedef struct catalog_writer catalog_writer;

/* How a column's value is made from the row. */
typedef enum conversion {
    AS_NULL,
    AS_INSTRUMENT, /* the instrument's id */
    AS_PRICE,      /* a number; the file's precision of prices covers its decimal places */
    AS_SIZE,       /* a number; the file's precision of sizes covers its decimal places */
    AS_TEXT,
    AS_TRADE_ID,
    AS_TAKER,
    AS_TIME,
    AS_EVENT_TIME, /* the row's exchange time */
    AS_INIT_TIME,
} conversion;

/* A column of a class. from: index of the type's column that supplies the value. */
typedef struct class_column {
    parquet_column column;
    size_t from;
    conversion as;
} class_column;

/* A data class of Nautilus. */
typedef struct catalog_class {
    const export_type *type;
    const char *folder;
    const char *name;
    const class_column *columns;
    size_t column_count;
    size_t pair_count; /* number of metadata entries (init_pairs) in its files */
    int (*wants)(catalog_writer *self, const export_row *row);
    td_result (*put)(catalog_writer *self, const export_row *row, td_err *err);
} catalog_class;

/* A level of a frame whose rows are not all known yet. */
typedef struct pending_level {
    uint8_t is_snapshot, is_bid;
    td_decimal price, size;
} pending_level;

/* An instrument that has been listed. */
typedef struct known_instrument {
    uint64_t source; /* hash of the HTTP request that listed it first */
    char id[ID_BYTES];
} known_instrument;

struct listed;

struct catalog_writer {
    const export_target *target;
    const catalog_class *data_class;
    parquet_schema schema;
    parquet_column columns[CLASS_COLUMNS_MAX];
    parquet_key_value pairs[PAIRS];
    char instrument[ID_BYTES];
    char bar_type[BAR_TYPE_BYTES]; /* "" without bars */
    char price_precision[TEXT_BYTES], size_precision[TEXT_BYTES];
    unsigned price_places, size_places;
    msg_value last[2];          /* of tickers: values of the last row */
    uint64_t first_ns, last_ns; /* first and last ts_init of the rows */
    parquet_file *file;         /* NULL before the first row */
    pending_level *levels;
    size_t level_count, level_capacity;
    known_instrument *known; /* instruments listed so far, if the class is one of instruments */
    size_t known_count;
    struct listed *listed; /* the rows of instruments, kept until the day's precisions are known */
    size_t listed_count;
};

/* clang-format off: a column, a line */
#define NUMBER(name, from, as)                                                                     \
    {                                                                                              \
        {name, PARQUET_DECIMAL_128, PLACES, 0}, from, as                                           \
    }
#define TIMES                                                                                      \
    {{"ts_event", PARQUET_TIME_NS, 0, 0}, 0, AS_EVENT_TIME},                                       \
    {                                                                                              \
        {"ts_init", PARQUET_TIME_NS, 0, 0}, 0, AS_INIT_TIME                                        \
    }

static const class_column TRADE_TICK[] = {
    NUMBER("price", TRADE_PRICE, AS_PRICE),
    NUMBER("size", TRADE_SIZE, AS_SIZE),
    {{"aggressor_side", PARQUET_TEXT, 0, 0}, TRADE_SIDE, AS_TAKER},
    {{"trade_id", PARQUET_TEXT, 0, 0}, TRADE_ID, AS_TRADE_ID},
    TIMES};
static const class_column QUOTE_TICK[] = {NUMBER("bid_price", QUOTE_BID_PRICE, AS_PRICE),
                                          NUMBER("ask_price", QUOTE_ASK_PRICE, AS_PRICE),
                                          NUMBER("bid_size", QUOTE_BID_SIZE, AS_SIZE),
                                          NUMBER("ask_size", QUOTE_ASK_SIZE, AS_SIZE), TIMES};
static const class_column MARK_PRICE[] = {NUMBER("value", TICKER_MARK_PRICE, AS_PRICE), TIMES};
static const class_column INDEX_PRICE[] = {NUMBER("value", TICKER_INDEX_PRICE, AS_PRICE), TIMES};
static const class_column BAR[] = {
    NUMBER("open", BAR_OPEN, AS_PRICE),    NUMBER("high", BAR_HIGH, AS_PRICE),
    NUMBER("low", BAR_LOW, AS_PRICE),      NUMBER("close", BAR_CLOSE, AS_PRICE),
    NUMBER("volume", BAR_VOLUME, AS_SIZE), TIMES};
static const class_column FUNDING_RATE_UPDATE[] = {
    {{"instrument_id", PARQUET_TEXT, 0, 0}, 0, AS_INSTRUMENT},
    {{"rate", PARQUET_TEXT, 0, 0}, TICKER_FUNDING_RATE, AS_TEXT},
    {{"interval", PARQUET_U64, 0, 1}, 0, AS_NULL},
    {{"next_funding_ns", PARQUET_TIME_NS, 0, 1}, TICKER_FUNDING_TIME, AS_TIME},
    TIMES,
    {{"identifier", PARQUET_TEXT, 0, 1}, 0, AS_INSTRUMENT}};

/* Columns of order book deltas, for put_delta. */
enum {
    OBD_ACTION,
    OBD_SIDE,
    OBD_PRICE,
    OBD_SIZE,
    OBD_ORDER_ID,
    OBD_FLAGS,
    OBD_SEQUENCE,
    OBD_TIMES,
    OBD_COLUMNS = OBD_TIMES + 2
};
static const class_column ORDER_BOOK_DELTA[OBD_COLUMNS] = {
    {{"action", PARQUET_TEXT, 0, 0}, 0, AS_NULL},
    {{"side", PARQUET_TEXT, 0, 0}, 0, AS_NULL},
    {{"price", PARQUET_DECIMAL_128, PLACES, 1}, 0, AS_NULL},
    {{"size", PARQUET_DECIMAL_128, PLACES, 1}, 0, AS_NULL},
    {{"order_id", PARQUET_U64, 0, 0}, 0, AS_NULL},
    {{"flags", PARQUET_U8, 0, 0}, 0, AS_NULL},
    {{"sequence", PARQUET_U64, 0, 0}, 0, AS_NULL},
    TIMES};
/* clang-format on */

/* The columns of all classes of instruments, in order. classes: the bits of the classes that have
 * the column. from: the index of the instrument_value; MADE: computed here; NEVER: always null. */
enum {
    PERPETUAL = 1,
    FUTURE = 2,
    OPTION = 4,
    CURRENCY_PAIR = 8,
    CONTRACTS = 7,
    DATED = 6,
    EACH = 15
};
enum {
    ID,
    SETTLEMENT = 5,
    IS_INVERSE,
    OPTION_KIND,
    STRIKE,
    PRICE_PLACES = 11,
    SIZE_PLACES,
    PRICE_INCREMENT,
    SIZE_INCREMENT,
    LOT_SIZE = 16,
    EVENT_TIME = 27,
    INIT_TIME,
    LISTED
};
enum { MADE = INSTRUMENT_VALUE_COUNT, ZERO, NEVER };
static const struct listed_column {
    parquet_column column;
    unsigned classes;
    int from;
} LISTED_COLUMNS[LISTED] = {
    [ID] = {{"id", PARQUET_TEXT, 0, 0}, EACH, MADE},
    {{"raw_symbol", PARQUET_TEXT, 0, 0}, EACH, INSTRUMENT_SYMBOL},
    {{"base_currency", PARQUET_TEXT, 0, 0}, PERPETUAL | CURRENCY_PAIR, INSTRUMENT_BASE},
    {{"underlying", PARQUET_TEXT, 0, 0}, DATED, INSTRUMENT_BASE},
    {{"quote_currency", PARQUET_TEXT, 0, 0}, EACH, INSTRUMENT_QUOTE},
    [SETTLEMENT] = {{"settlement_currency", PARQUET_TEXT, 0, 0}, CONTRACTS, INSTRUMENT_SETTLE},
    [IS_INVERSE] = {{"is_inverse", PARQUET_BOOL, 0, 0}, CONTRACTS, MADE},
    [OPTION_KIND] = {{"option_kind", PARQUET_TEXT, 0, 0}, OPTION, MADE},
    [STRIKE] = {{"strike_price", PARQUET_TEXT, 0, 0}, OPTION, MADE},
    {{"activation_ns", PARQUET_TIME_NS, 0, 0}, DATED, INSTRUMENT_LAUNCH},
    {{"expiration_ns", PARQUET_TIME_NS, 0, 0}, DATED, INSTRUMENT_DELIVERY},
    [PRICE_PLACES] = {{"price_precision", PARQUET_U8, 0, 0}, EACH, MADE},
    [SIZE_PLACES] = {{"size_precision", PARQUET_U8, 0, 0}, EACH, MADE},
    [PRICE_INCREMENT] = {{"price_increment", PARQUET_TEXT, 0, 0}, EACH, INSTRUMENT_TICK},
    [SIZE_INCREMENT] = {{"size_increment", PARQUET_TEXT, 0, 0}, EACH, INSTRUMENT_QTY_STEP},
    {{"multiplier", PARQUET_TEXT, 0, 0}, EACH, INSTRUMENT_CONTRACT_SIZE},
    [LOT_SIZE] = {{"lot_size", PARQUET_TEXT, 0, 1}, EACH, INSTRUMENT_QTY_STEP},
    {{"max_quantity", PARQUET_TEXT, 0, 1}, EACH, INSTRUMENT_MAX_QTY},
    {{"min_quantity", PARQUET_TEXT, 0, 1}, EACH, INSTRUMENT_MIN_QTY},
    {{"max_notional", PARQUET_TEXT, 0, 1}, EACH, NEVER},
    {{"min_notional", PARQUET_TEXT, 0, 1}, EACH, NEVER},
    {{"max_price", PARQUET_TEXT, 0, 1}, EACH, INSTRUMENT_MAX_PRICE},
    {{"min_price", PARQUET_TEXT, 0, 1}, EACH, INSTRUMENT_MIN_PRICE},
    {{"margin_init", PARQUET_TEXT, 0, 0}, EACH, ZERO},
    {{"margin_maint", PARQUET_TEXT, 0, 0}, EACH, ZERO},
    {{"tick_scheme", PARQUET_TEXT, 0, 1}, EACH, NEVER},
    {{"info", PARQUET_TEXT, 0, 1}, EACH, INSTRUMENT_RAW},
    [EVENT_TIME] = {{"ts_event", PARQUET_TIME_NS, 0, 0}, EACH, MADE},
    [INIT_TIME] = {{"ts_init", PARQUET_TIME_NS, 0, 0}, EACH, MADE}};

/* The classes of instruments, with their bits. */
static const struct listed_class {
    unsigned bit;
    const char *folder, *name;
} LISTED_CLASSES[] = {{PERPETUAL, "crypto_perpetual", "CryptoPerpetual"},
                      {FUTURE, "crypto_future", "CryptoFuture"},
                      {OPTION, "crypto_option", "CryptoOption"},
                      {CURRENCY_PAIR, "currency_pair", "CurrencyPair"},
                      {0, NULL, NULL}};

/* A row of an instrument. */
typedef struct listed {
    const struct listed_class *data_class;
    char id[ID_BYTES];
    msg_value values[LISTED]; /* values except the precisions */
    char *texts[LISTED];      /* owned; the texts that values refer to */
} listed;

/* ---- rows ---- */

static void raise_to(unsigned *places, unsigned others)
{
    *places = others > *places ? others : *places;
}

/* Puts a number. Raises *places, the column's precision, to the number's decimal places as
 * written. */
static td_result put_number(catalog_writer *self, size_t column, td_decimal value, unsigned *places,
                            td_err *err)
{
    raise_to(places, value.scale > PLACES ? PLACES : value.scale);
    return parquet_put_decimal(self->file->writer, column, value, err);
}

static td_result put_big(catalog_writer *self, size_t column, td_bytes text, unsigned *places,
                         td_err *err)
{
    const uint8_t *point = memchr(text.data, '.', text.size);
    if (point != NULL)
        raise_to(places, (unsigned)(text.data + text.size - point - 1));
    return parquet_put_big_decimal(self->file->writer, column, text, err);
}

static td_result end_row(catalog_writer *self, const export_row *row, td_err *err)
{
    self->first_ns = self->last_ns == 0 ? row->recv_ns : self->first_ns;
    self->last_ns = row->recv_ns;
    return parquet_end_row(self->file->writer, err);
}

static uint64_t event_ns(const export_row *row)
{
    return row->exchange_ns != 0 ? row->exchange_ns : row->recv_ns;
}

static td_result put_column(catalog_writer *self, size_t column, const export_row *row, td_err *err)
{
    static const char *const TAKERS[] = {
        [SIDE_BUY] = "BUY", [SIDE_SELL] = "SELL", [SIDE_NONE] = "NO_AGGRESSOR"};
    parquet_writer *to = self->file->writer;
    const class_column *definition = &self->data_class->columns[column];
    const msg_value *value = &row->values[definition->from];
    unsigned *places = definition->as == AS_PRICE ? &self->price_places : &self->size_places;
    char memory[ROW_TEXT_BYTES];
    switch (definition->as) {
    case AS_NULL:
        parquet_put_null(to, column);
        return TD_OK;
    case AS_INSTRUMENT:
        parquet_put_word(to, column, self->instrument);
        return TD_OK;
    case AS_PRICE:
    case AS_SIZE:
        return value->type == VALUE_BIG_DECIMAL
                   ? put_big(self, column, value->as.text, places, err)
                   : put_number(self, column, value->as.decimal, places, err);
    case AS_TRADE_ID:
        if (value->as.text.size > TRADE_ID_BYTES_MAX)
            return td_err_set(err, TD_E_LIMIT, "trade id '%.*s' is longer than %d bytes",
                              value->as.text.size < 64 ? (int)value->as.text.size : 64,
                              (const char *)value->as.text.data, TRADE_ID_BYTES_MAX);
        parquet_put_text(to, column, value->as.text);
        return TD_OK;
    case AS_TEXT:
        parquet_put_text(to, column, row_value_text(value, memory));
        return TD_OK;
    case AS_TAKER:
        parquet_put_word(to, column, TAKERS[value->as.side]);
        return TD_OK;
    case AS_TIME:
        if (value->type == VALUE_ABSENT)
            parquet_put_null(to, column);
        else
            parquet_put_integer(to, column, (int64_t)value->as.time_ns);
        return TD_OK;
    case AS_EVENT_TIME:
        parquet_put_integer(to, column, (int64_t)event_ns(row));
        return TD_OK;
    case AS_INIT_TIME:
        parquet_put_integer(to, column, (int64_t)row->recv_ns);
        return TD_OK;
    }
    TD_ASSERT(0);
    return TD_E_INVALID;
}

static td_result put_columns(catalog_writer *self, const export_row *row, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < self->data_class->column_count; i++)
        rc = put_column(self, i, row, err);
    return rc == TD_OK ? end_row(self, row, err) : rc;
}

/* 1 if a row can be a quote, which needs both sides. */
static int wants_quote(catalog_writer *self, const export_row *row)
{
    (void)self;
    return row->values[QUOTE_BID_PRICE].type != VALUE_ABSENT &&
           row->values[QUOTE_ASK_PRICE].type != VALUE_ABSENT;
}

/* ---- tickers ---- */

/* 1 if a value is present and differs from the last row's. */
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

static int wants_price(catalog_writer *self, const export_row *row)
{
    return has_changed(&self->last[0], &row->values[self->data_class->columns[0].from]);
}

static int wants_funding(catalog_writer *self, const export_row *row)
{
    const msg_value *rate = &row->values[TICKER_FUNDING_RATE];
    int is_next = has_changed(&self->last[1], &row->values[TICKER_FUNDING_TIME]);
    return (has_changed(&self->last[0], rate) || is_next) && rate->type != VALUE_ABSENT;
}

/* ---- bars ---- */

/* 1 if a row is a bar to be written. A row with late trades for an earlier bar is not written, nor
 * is a bar that began before the selection. */
static int wants_bar(catalog_writer *self, const export_row *row)
{
    return (row->flags & ROW_LATE) == 0 &&
           row->values[BAR_START].as.time_ns >= self->target->part.from_ns;
}

/* Writes a bar. Both times are the bar's end, but ts_init is at least the receive time of the bar's
 * last trade, and never falls. */
static td_result put_bar(catalog_writer *self, const export_row *row, td_err *err)
{
    export_row at = *row;
    at.exchange_ns = row->values[BAR_START].as.time_ns + self->target->settings->bar_ns;
    at.recv_ns = at.exchange_ns > at.recv_ns ? at.exchange_ns : at.recv_ns;
    at.recv_ns = self->last_ns > at.recv_ns ? self->last_ns : at.recv_ns;
    return put_columns(self, &at, err);
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

/* Writes a delta, the index-th of its frame. level NULL: a CLEAR. */
static td_result put_delta(catalog_writer *self, const export_row *row, const pending_level *level,
                           unsigned flags, size_t index, td_err *err)
{
    parquet_writer *to = self->file->writer;
    const pending_level none = {.price = {0, 0}};
    const pending_level *as = level == NULL ? &none : level;
    const char *action = level == NULL              ? "CLEAR"
                         : level->is_snapshot       ? "ADD"
                         : level->size.mantissa > 0 ? "UPDATE"
                                                    : "DELETE";
    const char *side = level == NULL ? "NO_ORDER_SIDE" : level->is_bid ? "BUY" : "SELL";
    parquet_put_word(to, OBD_ACTION, action);
    parquet_put_word(to, OBD_SIDE, side);
    td_result rc = put_number(self, OBD_PRICE, as->price, &self->price_places, err);
    if (rc == TD_OK)
        rc = put_number(self, OBD_SIZE, as->size, &self->size_places, err);
    if (rc != TD_OK)
        return rc;
    parquet_put_integer(to, OBD_FLAGS, (int64_t)flags);
    if (index > 0 && parquet_keep(to, OBD_COLUMNS - OBD_ORDER_ID - 1))
        return end_row(self, row, err);
    parquet_put_integer(to, OBD_ORDER_ID, 0);
    parquet_put_integer(to, OBD_SEQUENCE, row->has_number ? row->number : 0);
    parquet_put_integer(to, OBD_TIMES, (int64_t)event_ns(row));
    parquet_put_integer(to, OBD_TIMES + 1, (int64_t)row->recv_ns);
    return end_row(self, row, err);
}

/* Writes a complete frame: a CLEAR and the snapshot's levels if the frame has a snapshot, then the
 * changes. Bids precede asks in the snapshot and in the changes. The last row has F_LAST. */
static td_result put_frame(catalog_writer *self, const export_row *row, td_err *err)
{
    int has_snapshot = self->level_count > 0 && self->levels[0].is_snapshot;
    size_t index = 0;
    td_result rc = TD_OK;
    if (has_snapshot)
        rc = put_delta(self, row, NULL, F_SNAPSHOT, index++, err);
    const size_t end = index + self->level_count;
    for (int pass = has_snapshot ? 0 : 2; pass < 4; pass++) {
        int is_snapshot = pass < 2;
        int is_bid = pass % 2 == 0;
        for (size_t i = 0; rc == TD_OK && i < self->level_count; i++) {
            const pending_level *level = &self->levels[i];
            if (level->is_snapshot != is_snapshot || level->is_bid != is_bid)
                continue;
            rc = put_delta(self, row, level,
                           (unsigned)F_MBP | (is_snapshot ? (unsigned)F_SNAPSHOT : 0U) |
                               (index + 1 == end ? (unsigned)F_LAST : 0U),
                           index, err);
            index++;
        }
    }
    self->level_count = 0;
    return rc;
}

/* Adds a level. A snapshot drops the frame's deletes that precede it, because the CLEAR of the
 * snapshot replaces these deletes. */
static td_result add_level(catalog_writer *self, const export_row *row, td_err *err)
{
    pending_level level = {.is_snapshot = row->values[DELTA_IS_SNAPSHOT].as.is_true != 0,
                           .is_bid = row->values[DELTA_SIDE].as.side == SIDE_BUY,
                           .price = row->values[DELTA_PRICE].as.decimal,
                           .size = row->values[DELTA_SIZE].as.decimal};
    if (level.is_snapshot && self->level_count > 0 && !self->levels[0].is_snapshot)
        self->level_count = 0;
    td_array_ensure((void **)&self->levels, &self->level_capacity, self->level_count,
                    sizeof *self->levels);
    self->levels[self->level_count++] = level;
    return (row->flags & ROW_LAST_OF_FRAME) != 0 ? put_frame(self, row, err) : TD_OK;
}

static int keep_instrument(catalog_writer *self, const export_row *row);

#define COLUMNS(of) (of), sizeof(of) / sizeof((of)[0])
static const catalog_class CLASSES[] = {
    {&EXPORT_TRADES, "trades", "TradeTick", COLUMNS(TRADE_TICK), PAIRS - 1, NULL, put_columns},
    {&EXPORT_QUOTES, "quotes", "QuoteTick", COLUMNS(QUOTE_TICK), PAIRS - 1, wants_quote,
     put_columns},
    {&EXPORT_BOOK_DELTAS, "order_book_deltas", "OrderBookDelta", COLUMNS(ORDER_BOOK_DELTA),
     PAIRS - 1, NULL, add_level},
    {&EXPORT_BARS, "bars", "Bar", COLUMNS(BAR), PAIRS, wants_bar, put_bar},
    {&EXPORT_DERIVATIVE_TICKER, "mark_prices", "MarkPriceUpdate", COLUMNS(MARK_PRICE),
     PAIRS_OF_PRICES, wants_price, put_columns},
    {&EXPORT_DERIVATIVE_TICKER, "index_prices", "IndexPriceUpdate", COLUMNS(INDEX_PRICE),
     PAIRS_OF_PRICES, wants_price, put_columns},
    {&EXPORT_DERIVATIVE_TICKER, "funding_rates", "FundingRateUpdate", COLUMNS(FUNDING_RATE_UPDATE),
     PAIRS_OF_INSTRUMENT, wants_funding, put_columns},
    {.type = &EXPORT_INSTRUMENTS, .folder = "instruments", .wants = keep_instrument},
};

/* ---- files ---- */

/* Makes the id that Nautilus's adapter uses to find files: "BTCUSDT-LINEAR.BYBIT"; "ETH/XBT.KRAKEN"
 * without a category. */
static void format_id(td_bytes symbol, td_bytes category, const exchange_row *exchange,
                      char out[ID_BYTES])
{
    char name[EXPORT_SYMBOL_NAME_BYTES];
    export_symbol_encode(symbol, name);
    size_t size = strlen(name);
    (void)snprintf(out, ID_BYTES, "%s%s%.*s.%s", name, category.size == 0 ? "" : "-",
                   (int)category.size, (const char *)category.data, exchange->name);
    /* The id names a folder, and a category may be a text of a reply or of a user's document. */
    for (char *at = out + size; *at != '\0'; at++)
        *at = isalnum((unsigned char)*at) || strchr("-_.", *at) != NULL
                  ? (char)toupper((unsigned char)*at)
                  : '_';
}

static void format_source_id(const export_source *source, char out[ID_BYTES])
{
    const family_market *market = &source->family->market;
    size_t size = strlen(source->symbol);
    int is_coin =
        market->coin_category != NULL && size > 3 && strcmp(source->symbol + size - 3, "USD") == 0;
    const char *category = is_coin ? market->coin_category : market->category;
    format_id(td_bytes_str(source->symbol), td_bytes_str(category == NULL ? "" : category),
              exchange_of(source->family), out);
}

static void init_pairs(parquet_key_value pairs[PAIRS], const char *instrument,
                       const char *class_name, const char *price_precision,
                       const char *size_precision)
{
    pairs[0] = (parquet_key_value){"instrument_id", instrument};
    pairs[1] = (parquet_key_value){"type_name", class_name};
    pairs[2] = (parquet_key_value){"price_precision", price_precision};
    pairs[3] = (parquet_key_value){"size_precision", size_precision};
    pairs[4] = (parquet_key_value){"class", class_name};
}

static void *open_catalog(const export_target *target)
{
    size_t i = 0;
    while (strcmp(CLASSES[i].folder, target->source->name) != 0)
        i++;
    const catalog_class *data_class = &CLASSES[i];
    catalog_writer *made = td_alloc_zero(1, sizeof *made);
    made->target = target;
    made->data_class = data_class;
    init_pairs(made->pairs, made->instrument, data_class->name, made->price_precision,
               made->size_precision);
    made->schema = (parquet_schema){.columns = made->columns,
                                    .column_count = data_class->column_count,
                                    .pairs = made->pairs,
                                    .pair_count = data_class->pair_count,
                                    .group_rows = GROUP_ROWS};
    TD_ASSERT(data_class->column_count <= CLASS_COLUMNS_MAX);
    for (i = 0; i < data_class->column_count; i++) {
        made->columns[i] = data_class->columns[i].column;
        if (strcmp(data_class->columns[i].column.name, "ts_init") == 0)
            made->schema.sorted_by = (int)i;
    }
    if (target->source->family != NULL)
        format_source_id(target->source, made->instrument);
    if (data_class->type == &EXPORT_BARS) {
        made->pairs[PAIRS - 1] = (parquet_key_value){"bar_type", made->bar_type};
        format_bar_type(made, made->bar_type);
    }
    return made;
}

static void free_listed(listed *row)
{
    for (size_t i = 0; i < LISTED; i++)
        td_free(row->texts[i]);
}

static void close_catalog(void *writer)
{
    catalog_writer *self = writer;
    if (self == NULL)
        return;
    parquet_file_abandon(self->file);
    for (size_t i = 0; i < self->listed_count; i++)
        free_listed(&self->listed[i]);
    td_free(self->listed);
    td_free(self->known);
    td_free(self->levels);
    td_free(self);
}

/* data/TYPE/INSTRUMENT/NAME */
static td_result format_path(const char *folder, const char *instrument, const char *name,
                             char out[EXPORT_NAME_BYTES], td_err *err)
{
    int size = snprintf(out, EXPORT_NAME_BYTES, "data/%s/%s/%s.parquet", folder, instrument, name);
    return size > 0 && size < EXPORT_NAME_BYTES
               ? TD_OK
               : td_err_set(err, TD_E_LIMIT, "the file name for '%s' would be too long",
                            instrument);
}

static td_result path_of(const catalog_writer *self, const char *name, char out[EXPORT_NAME_BYTES],
                         td_err *err)
{
    return format_path(self->data_class->folder,
                       self->bar_type[0] != '\0' ? self->bar_type : self->instrument, name, out,
                       err);
}

static td_result begin_file(catalog_writer *self, td_err *err)
{
    char name[EXPORT_NAME_BYTES];
    td_result rc = path_of(self, self->target->date, name, err);
    return rc == TD_OK
               ? parquet_file_open(self->target->files, name, &self->schema, &self->file, err)
               : rc;
}

static int wants_row(void *writer, const export_row *row)
{
    catalog_writer *self = writer;
    return row->is_gap ? self->data_class->type == &EXPORT_BOOK_DELTAS
                       : self->data_class->wants == NULL || self->data_class->wants(self, row);
}

static td_result add_row(void *writer, const export_source *source, const export_row *row,
                         td_err *err)
{
    catalog_writer *self = writer;
    td_result rc = TD_OK;
    if (self->data_class->put == NULL)
        return TD_OK; /* instruments are kept by `wants` until the precisions are known */
    if (self->file == NULL)
        rc = begin_file(self, err);
    if (rc != TD_OK)
        return rc;
    rc = row->is_gap ? put_delta(self, row, NULL, (unsigned)F_SNAPSHOT | (unsigned)F_LAST, 0, err)
                     : self->data_class->put(self, row, err);
    return rc == TD_OK ? rc : td_err_add(err, rc, "%s of %s", source->name, self->instrument);
}

/* Formats a time as in file names: 2024-01-01T00-00-00-000000000Z. */
static void format_time(uint64_t ns, char out[TD_TIME_TEXT_BYTES])
{
    td_time_format(ns, out);
    for (char *c = out; *c != '\0'; c++)
        *c = (char)(*c == ':' || *c == '.' ? '-' : *c);
}

/* Makes a file name: the first and last ts_init of the file's rows. */
static void format_interval(uint64_t first_ns, uint64_t last_ns, char out[2 * TD_TIME_TEXT_BYTES])
{
    char first[TD_TIME_TEXT_BYTES];
    char last[TD_TIME_TEXT_BYTES];
    format_time(first_ns, first);
    format_time(last_ns, last);
    (void)snprintf(out, 2 * (size_t)TD_TIME_TEXT_BYTES, "%s_%s", first, last);
}

static void format_precision(unsigned places, char out[TEXT_BYTES])
{
    (void)snprintf(out, TEXT_BYTES, "%u", places % 100);
}

/* Sets the precision of the file that was finished last. */
static void note_precision(export_files *files, const export_precision *precision)
{
    files->items[files->count - 1].precision = *precision;
}

static td_result finish_data(catalog_writer *self, td_err *err)
{
    parquet_file *file = self->file;
    char interval[2 * TD_TIME_TEXT_BYTES];
    char name[EXPORT_NAME_BYTES];
    const export_precision *precision =
        export_precisions_find(self->target->precisions, self->instrument);
    TD_ASSERT(precision != NULL);
    format_interval(self->first_ns, self->last_ns, interval);
    format_precision(precision->price, self->price_precision);
    format_precision(precision->size, self->size_precision);
    td_result rc = path_of(self, interval, name, err);
    if (rc != TD_OK)
        return rc;
    self->file = NULL;
    rc = parquet_file_finish(file, name, err);
    if (rc == TD_OK && self->data_class->pair_count > PAIRS_OF_INSTRUMENT)
        note_precision(self->target->files, precision);
    return rc;
}

/* ---- instruments ---- */

/* 1 if the day has other data of the instrument, or if only instruments are exported. */
static int has_data(const export_target *target, const char *id)
{
    char other[ID_BYTES];
    int has_types = 0;
    for (size_t i = 0; i < target->output_count; i++)
        has_types |= target->outputs[i].format == &EXPORT_NAUTILUS &&
                     target->outputs[i].type != &EXPORT_INSTRUMENTS;
    for (size_t i = 0; i < target->writers->count; i++) {
        const export_writer *writer = target->writers->items[i];
        if (writer->output->format != &EXPORT_NAUTILUS || writer->source.family == NULL ||
            strncmp(writer->symbol, id, strlen(writer->symbol)) != 0)
            continue;
        format_source_id(&writer->source, other);
        if (strcmp(other, id) == 0)
            return 1;
    }
    return !has_types;
}

/* 1 if the row's request is the first that listed the instrument. */
static int is_first_source(catalog_writer *self, const export_row *row, const char *id)
{
    td_bytes feed = row->values[INSTRUMENT_FEED].as.text;
    td_bytes request = row->values[INSTRUMENT_REQUEST].as.text;
    uint64_t source = td_xxh64(feed.data, feed.size) * 31 + td_xxh64(request.data, request.size);
    size_t i = 0;
    while (i < self->known_count && strcmp(self->known[i].id, id) != 0)
        i++;
    if (i == self->known_count) {
        self->known = td_array_grow(self->known, self->known_count, sizeof *self->known);
        self->known[self->known_count++] = (known_instrument){.source = source};
        memcpy(self->known[i].id, id, ID_BYTES);
    }
    return self->known[i].source == source;
}

/* The bit of an instrument's class in Nautilus, or 0. */
static unsigned class_bit(const instrument_lists *lists, const export_row *row)
{
    td_bytes category = row->values[INSTRUMENT_CATEGORY].as.text;
    td_bytes type = row->values[INSTRUMENT_CONTRACT_TYPE].as.text;
    td_bytes alias = row->values[INSTRUMENT_ALIAS].as.text;
    if (td_bytes_is(category, "spot"))
        return CURRENCY_PAIR;
    if (td_bytes_is(category, "option"))
        return OPTION;
    if (!td_bytes_is(category, "linear") && !td_bytes_is(category, "inverse"))
        return 0;
    const int is_dated = type.size > 0 && row->values[INSTRUMENT_DELIVERY].type != VALUE_ABSENT &&
                         !td_bytes_is_any(type, lists->perpetual);
    return is_dated || (alias.size > 0 && !td_bytes_equal(alias, row->symbol)) ? FUTURE : PERPETUAL;
}

/* Sets all values except class and id from the row. 0 if a value that the class needs is
 * missing. */
static int set_listed(const export_row *row, listed *out)
{
    td_bytes parts[EXPORT_OPTION_PARTS];
    int is_inverse = td_bytes_is(row->values[INSTRUMENT_CATEGORY].as.text, "inverse");
    int is_complete = 1;
    msg_value *values = out->values;
    export_option_split(row->symbol, parts);
    for (size_t i = 0; i < LISTED; i++) {
        const int from = LISTED_COLUMNS[i].from;
        values[i] = from == ZERO                    ? row_text(td_bytes_str("0"))
                    : from == MADE || from == NEVER ? row_absent()
                                                    : row->values[from];
    }
    values[ID] = row_text(td_bytes_str(out->id));
    values[IS_INVERSE] = row_bool(is_inverse);
    values[STRIKE] = row_text(parts[2]);
    values[OPTION_KIND] = row_text(td_bytes_str(td_bytes_is(parts[3], "P") ? "PUT" : "CALL"));
    values[PRICE_PLACES] = values[SIZE_PLACES] = row_integer(0);
    values[EVENT_TIME] = row_time(row->exchange_ns != 0 ? row->exchange_ns : row->recv_ns);
    values[INIT_TIME] = row_time(row->recv_ns);
    if (values[SETTLEMENT].type == VALUE_ABSENT)
        values[SETTLEMENT] = row->values[is_inverse ? INSTRUMENT_BASE : INSTRUMENT_QUOTE];
    for (size_t i = 0; i < LISTED; i++)
        is_complete &= (LISTED_COLUMNS[i].classes & out->data_class->bit) == 0 ||
                       LISTED_COLUMNS[i].column.is_optional || values[i].type != VALUE_ABSENT;
    return is_complete;
}

/* Formats a decimal with at least least_places decimal places, and at least as many as it was
 * written with, because the places of an increment are the precision. */
static td_bytes decimal_text(td_decimal value, unsigned least_places,
                             char out[2 * TD_DECIMAL_TEXT_BYTES])
{
    size_t size = td_decimal_format(value, out);
    unsigned places = td_decimal_shortest(value).scale;
    raise_to(&least_places, value.scale);
    if (places == 0 && least_places > 0)
        out[size++] = '.';
    for (; places < least_places; places++)
        out[size++] = '0';
    return td_bytes_of(out, size);
}

static unsigned places_of(size_t column, const export_precision *precision)
{
    return column == PRICE_INCREMENT || column == PRICE_PLACES ? precision->price
           : column == SIZE_INCREMENT || column == LOT_SIZE || column == SIZE_PLACES
               ? precision->size
               : 0;
}

static void put_listed(parquet_writer *to, size_t column, const msg_value *value,
                       const parquet_column *is, unsigned places)
{
    char text[2 * TD_DECIMAL_TEXT_BYTES];
    if (value->type == VALUE_ABSENT)
        parquet_put_null(to, column);
    else if (is->kind == PARQUET_TEXT)
        parquet_put_text(to, column,
                         value->type == VALUE_DECIMAL
                             ? decimal_text(value->as.decimal, places, text)
                             : value->as.text);
    else
        parquet_put_integer(to, column,
                            is->kind == PARQUET_U8     ? (int64_t)places
                            : is->kind == PARQUET_BOOL ? value->as.is_true
                                                       : (int64_t)value->as.time_ns);
}

/* The columns of a class; returns their number. */
static size_t columns_of(const struct listed_class *data_class, parquet_column out[LISTED])
{
    size_t count = 0;
    for (size_t i = 0; i < LISTED; i++)
        if ((LISTED_COLUMNS[i].classes & data_class->bit) != 0)
            out[count++] = LISTED_COLUMNS[i].column;
    return count;
}

/* Writes a file with one row. An instrument whose tick or step changed gets another file. */
static td_result write_listed(export_files *files, const char *name, const listed *row,
                              const export_precision *precision, td_err *err)
{
    char price[TEXT_BYTES];
    char size[TEXT_BYTES];
    parquet_column columns[LISTED];
    parquet_key_value pairs[PAIRS];
    size_t count = columns_of(row->data_class, columns);
    const parquet_schema schema = {columns, count, pairs, PAIRS, (int)count - 1, GROUP_ROWS};
    size_t column = 0;
    parquet_file *file = NULL;
    format_precision(precision->price, price);
    format_precision(precision->size, size);
    init_pairs(pairs, row->id, row->data_class->name, price, size);
    td_result rc = parquet_file_open(files, name, &schema, &file, err);
    if (rc != TD_OK)
        return rc;
    for (size_t i = 0; i < LISTED; i++)
        if ((LISTED_COLUMNS[i].classes & row->data_class->bit) != 0)
            put_listed(file->writer, column++, &row->values[i], &LISTED_COLUMNS[i].column,
                       places_of(i, precision));
    rc = parquet_end_row(file->writer, err);
    if (rc == TD_OK)
        return parquet_file_finish(file, NULL, err);
    parquet_file_abandon(file);
    return rc;
}

/* The category in an instrument's name: as in the names of its family's data. The lists of some
 * exchanges have instruments of several categories, which the rows name. */
static td_bytes category_in_name(const export_row *row)
{
    static const char *const LISTED_WORDS[] = {"linear", "inverse", "spot", "option", NULL};
    const char *own = row->family == NULL ? "linear" : row->family->market.category;
    const td_bytes word = td_bytes_str(own == NULL ? "" : own);
    return td_bytes_is_any(word, LISTED_WORDS) ? row->values[INSTRUMENT_CATEGORY].as.text : word;
}

/* Sets the id of an instrument in a list. Returns the bit of its class; 0: it is not exported. */
static unsigned find_listed(const export_row *row, char id[ID_BYTES])
{
    const exchange_row *exchange = exchange_of(row->family);
    unsigned bit = class_bit(exchange->instruments, row);
    if (bit == 0 || export_symbol_refusal(row->symbol) != NULL)
        return 0;
    format_id(row->symbol, category_in_name(row), exchange, id);
    return bit;
}

static void add_listed(const export_row *row, export_precisions *to)
{
    export_precision is = {.price = row->values[INSTRUMENT_TICK].as.decimal.scale,
                           .size = row->values[INSTRUMENT_QTY_STEP].as.decimal.scale};
    if (find_listed(row, is.instrument) != 0)
        export_precisions_raise(to, &is);
}

/* Keeps an instrument's row until the day's precisions are known. 0 if the row is not exported. */
static int keep_instrument(catalog_writer *self, const export_row *row)
{
    listed made = {.data_class = LISTED_CLASSES};
    unsigned bit = find_listed(row, made.id);
    if (bit == 0)
        return 0;
    while (made.data_class->bit != bit)
        made.data_class++;
    if (!set_listed(row, &made) || !has_data(self->target, made.id) ||
        !is_first_source(self, row, made.id))
        return 0;
    for (size_t i = 0; i < LISTED; i++) {
        td_bytes *text = &made.values[i].as.text;
        const value_type type = made.values[i].type;
        if (type != VALUE_TEXT && type != VALUE_JSON && type != VALUE_BIG_DECIMAL)
            continue;
        made.texts[i] = td_strndup((const char *)text->data, text->size);
        *text = td_bytes_of(made.texts[i], text->size);
    }
    self->listed = td_array_grow(self->listed, self->listed_count, sizeof *self->listed);
    self->listed[self->listed_count++] = made;
    return 1;
}

static td_result finish_instruments(catalog_writer *self, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < self->listed_count; i++) {
        const listed *row = &self->listed[i];
        const export_precision *precision =
            export_precisions_find(self->target->precisions, row->id);
        uint64_t at_ns = row->values[INIT_TIME].as.time_ns;
        char interval[2 * TD_TIME_TEXT_BYTES];
        char name[EXPORT_NAME_BYTES];
        TD_ASSERT(precision != NULL);
        format_interval(at_ns, at_ns, interval);
        rc = format_path(row->data_class->folder, row->id, interval, name, err);
        if (rc == TD_OK)
            rc = write_listed(self->target->files, name, row, precision, err);
        if (rc == TD_OK)
            note_precision(self->target->files, precision);
    }
    return rc;
}

/* ---- precision ---- */

static void add_precision(const void *writer, export_precisions *to)
{
    const catalog_writer *self = writer;
    export_precision needs = {.price = self->price_places, .size = self->size_places};
    memcpy(needs.instrument, self->instrument, sizeof needs.instrument);
    if (self->file != NULL)
        export_precisions_raise(to, &needs);
}

static td_result finish(void *writer, td_err *err)
{
    catalog_writer *self = writer;
    if (self->data_class->type == &EXPORT_INSTRUMENTS)
        return finish_instruments(self, err);
    return self->file == NULL ? TD_OK : finish_data(self, err);
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
    .grouping = EXPORT_PER_SYMBOL,
    .reads = TAPE_READS_MESSAGES,
    .needs_market = 1,
    .types = TYPES,
    .open = open_catalog,
    .wants = wants_row,
    .row = add_row,
    .add_precision = add_precision,
    .add_listed = add_listed,
    .finish = finish,
    .close = close_catalog,
};
