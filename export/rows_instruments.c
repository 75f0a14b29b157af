/* Instruments listed in recorded HTTP replies: a row for each version of an instrument. A reply is
 * recognized by its content, because imported replies have no URL. Each request of a feed has its
 * own rows, because a request always asks for the same list. Rows are put at the end of the day,
 * when it is known how long each version was valid. */

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/row_table.h"
#include "export/export_type.h"
#include "base/json/json.h"
#include "schema/exchange.h"
#include "schema/instrument.h"

#define COLUMN_OF(id, name, type) {name, type},
enum { COLUMNS = INSTRUMENT_VALUE_COUNT };
static const export_column INSTRUMENT_COLUMNS[COLUMNS] = {INSTRUMENT_VALUES(COLUMN_OF)};

/* One version of an instrument: valid until any value except its maxima changes. */
typedef struct instrument_version {
    td_bytes raw, category, symbol; /* in the table's arena */
    uint64_t from_ns, to_ns; /* the time in which it is valid; to_ns is 0 while it still is */
    uint64_t before_ns;      /* time of the last reply that lacks it, or 0 */
    uint64_t seen_ns;        /* time of the last reply that has it */
    uint64_t exchange_ns;
} instrument_version;

/* The replies to one request. */
typedef struct instrument_table {
    const frame_channel *channel;
    const instrument_lists *lists;
    json_parser *reply, *entry;
    td_arena *memory;
    instrument_version *rows; /* in order of from_ns */
    size_t count, capacity;
    row_table by_symbol;
    uint64_t complete_ns; /* time of the last complete reply, or 0 */
} instrument_table;

/* ---- values ---- */

/* A value of an entry. Empty texts, times of 0 and values of another type are absent. */
static msg_value value_of(json_value from, value_type type)
{
    td_bytes text = json_raw(from);
    td_decimal number;
    uint64_t integer;
    if (json_is_null(from) || (json_type_of(from) == JSON_STRING && !json_text(from, &text)) ||
        text.size == 0)
        return row_absent();
    if (type == VALUE_TEXT)
        return row_text(text);
    if (type == VALUE_JSON)
        return (msg_value){.type = VALUE_JSON, .as.text = text};
    if (type == VALUE_DECIMAL)
        return td_decimal_parse(text, &number, NULL) == TD_OK ? row_decimal(number) : row_absent();
    if (type == VALUE_TIME_NS && td_time_parse_rfc3339(text, &integer, NULL) == TD_OK)
        return row_time(integer);
    if (!td_digits_parse(text, INT64_MAX / TD_NS_PER_MS, &integer))
        return row_absent();
    if (type == VALUE_INTEGER)
        return row_integer((int64_t)integer);
    return integer == 0 ? row_absent() : row_time(integer * TD_NS_PER_MS);
}

/* Finds the value of a column. */
static msg_value find_value(const instrument_table *table, json_value entry, size_t column)
{
    json_value found;
    return instrument_find(table->lists, entry, (instrument_value)column, &found)
               ? value_of(found, INSTRUMENT_COLUMNS[column].type)
               : row_absent();
}

/* Sets base and quote, where the entry has no member of them, from a text BASE-QUOTE. */
static void set_pair(const instrument_table *table, msg_value *values, json_value entry)
{
    json_value found;
    td_bytes pair, coin;
    if (!instrument_find_path(entry, table->lists->pair, &found) || !json_text(found, &pair))
        return;
    for (size_t i = INSTRUMENT_BASE; i <= INSTRUMENT_QUOTE && td_bytes_next(&pair, '-', &coin); i++)
        if (values[i].type == VALUE_ABSENT && coin.size > 0)
            values[i] = row_text(coin);
}

/* Sets the size of a contract: 1 where the exchange's sizes are not numbers of contracts. */
static void set_contract_size(const instrument_table *table, msg_value *values, json_value entry)
{
    msg_value *size = &values[INSTRUMENT_CONTRACT_SIZE];
    json_value found;
    td_decimal multiplier;
    int64_t mantissa;
    if (size->type == VALUE_ABSENT)
        *size = row_decimal((td_decimal){1, 0});
    if (!instrument_find_path(entry, table->lists->multiplier, &found))
        return;
    const msg_value by = value_of(found, VALUE_DECIMAL);
    multiplier = by.type == VALUE_DECIMAL ? td_decimal_shortest(by.as.decimal) : (td_decimal){1, 0};
    const td_decimal of = td_decimal_shortest(size->as.decimal);
    const unsigned scale = of.scale + multiplier.scale;
    *size = scale <= TD_DECIMAL_SCALE_MAX &&
                    !__builtin_mul_overflow(of.mantissa, multiplier.mantissa, &mantissa)
                ? row_decimal((td_decimal){mantissa, (uint8_t)scale})
                : row_absent();
}

/* Sets the values of an entry. */
static void set_values(const instrument_table *table, msg_value *values, json_value entry,
                       td_bytes category)
{
    for (size_t i = 0; i < COLUMNS; i++)
        values[i] = find_value(table, entry, i);
    values[INSTRUMENT_CATEGORY] = row_text(category);
    set_pair(table, values, entry);
    set_contract_size(table, values, entry);
    values[INSTRUMENT_RAW] = (msg_value){.type = VALUE_JSON, .as.text = json_raw(entry)};
    const char *without = table->lists->without_min_qty;
    if (without != NULL && td_bytes_is(category, without) &&
        values[INSTRUMENT_MIN_NOTIONAL].type != VALUE_ABSENT)
        values[INSTRUMENT_MIN_QTY] = row_absent();
}

static int is_same_value(const msg_value *a, const msg_value *b)
{
    if (a->type != b->type || a->type == VALUE_ABSENT)
        return a->type == b->type;
    if (a->type == VALUE_DECIMAL)
        return td_decimal_compare(a->as.decimal, b->as.decimal) == 0;
    if (a->type == VALUE_INTEGER)
        return a->as.integer == b->as.integer;
    return a->type == VALUE_TIME_NS ? a->as.time_ns == b->as.time_ns
                                    : td_bytes_equal(a->as.text, b->as.text);
}

/* 1 if all values but the maxima are equal. Maxima are ignored because they change twice a
 * month. */
static int is_same(const msg_value *a, const msg_value *b)
{
    size_t i = 0;
    while (i < COLUMNS && (i == INSTRUMENT_MAX_QTY || i == INSTRUMENT_MAX_MARKET_QTY ||
                           i == INSTRUMENT_RAW || is_same_value(&a[i], &b[i])))
        i++;
    return i == COLUMNS;
}

/* ---- replies ---- */

static instrument_version *find_valid(instrument_table *table, td_bytes category, td_bytes symbol,
                                      uint64_t hash)
{
    row_probe at = row_probe_of(hash);
    while (row_table_next(&table->by_symbol, &at)) {
        instrument_version *row = &table->rows[at.row];
        if (row->to_ns == 0 && td_bytes_equal(row->symbol, symbol) &&
            td_bytes_equal(row->category, category))
            return row;
    }
    return NULL;
}

static int is_unchanged(instrument_table *table, const instrument_version *known,
                        const msg_value *values)
{
    msg_value before[COLUMNS];
    json_value entry;
    if (td_bytes_equal(known->raw, values[INSTRUMENT_RAW].as.text))
        return 1;
    td_result rc = json_parse(table->entry, known->raw, JSON_COPIED, &entry, NULL);
    TD_ASSERT(rc == TD_OK); /* cannot fail: it was parsed before, as a part of the reply */
    set_values(table, before, entry, known->category);
    return is_same(before, values);
}

static td_bytes copy(instrument_table *table, td_bytes text)
{
    return td_bytes_of(td_arena_copy(table->memory, text.data, text.size), text.size);
}

static td_result add_entry(instrument_table *table, json_value entry, td_bytes category,
                           const instrument_version *shown, td_err *err)
{
    msg_value values[COLUMNS];
    set_values(table, values, entry, category);
    td_bytes symbol = values[INSTRUMENT_SYMBOL].as.text;
    if (values[INSTRUMENT_SYMBOL].type == VALUE_ABSENT ||
        values[INSTRUMENT_TICK].type == VALUE_ABSENT)
        return TD_OK; /* not an instrument_version */
    uint64_t hash = td_xxh64(symbol.data, symbol.size);
    instrument_version *known = find_valid(table, category, symbol, hash);
    if (known != NULL && is_unchanged(table, known, values)) {
        known->seen_ns = shown->from_ns;
        return TD_OK;
    }
    instrument_version made = *shown;
    made.before_ns = known != NULL ? known->seen_ns : table->complete_ns;
    if (known != NULL)
        known->to_ns = shown->from_ns;
    made.raw = copy(table, json_raw(entry));
    made.category = copy(table, category);
    made.symbol = copy(table, symbol);
    table->rows = td_array_reach(table->rows, &table->capacity, table->count, sizeof *table->rows);
    row_table_put(&table->by_symbol, hash, table->count);
    table->rows[table->count++] = made;
    return td_arena_used_bytes(table->memory) <= LIMIT_EXPORT_INSTRUMENT_BYTES
               ? TD_OK
               : td_err_set(err, TD_E_LIMIT, "a day of changed instruments has more than %u MiB",
                            LIMIT_EXPORT_INSTRUMENT_BYTES >> 20);
}

/* Ends the instruments that a complete reply lacks. A reply that has entries but no instrument is
 * ignored. */
static void end_missing(instrument_table *table, const frame_ref *frame,
                        const instrument_reply *reply, int is_listed)
{
    for (size_t i = 0; i < table->count; i++)
        is_listed |= table->rows[i].seen_ns == frame->recv_ns;
    if (reply->page.size > 0 || !frame->conn->is_recorded || !is_listed)
        return;
    for (size_t i = 0; i < table->count; i++)
        if (table->rows[i].to_ns == 0 && table->rows[i].seen_ns != frame->recv_ns)
            table->rows[i].to_ns = frame->recv_ns;
    table->complete_ns = frame->recv_ns;
}

static td_result on_frame(void *maker, const maker_frame *seen, const row_out *out, td_err *err)
{
    instrument_table *table = maker;
    const frame_ref *frame = seen->frame;
    json_value root, entry;
    instrument_reply reply;
    uint64_t time_ms = 0;
    td_result rc = TD_OK;
    (void)out;
    if (json_parse(table->reply, frame->bytes, JSON_COPIED, &root, NULL) != TD_OK ||
        !instrument_reply_read(table->lists, root, &reply))
        return TD_OK;
    const topic_row *times = exchange_of(frame->channel->family)->http_reply;
    if (times != NULL && json_find_u64(root, times->envelope[0].key, &time_ms) &&
        time_ms > UINT64_MAX / TD_NS_PER_MS)
        time_ms = 0;
    const instrument_version shown = {.from_ns = frame->recv_ns,
                                      .seen_ns = frame->recv_ns,
                                      .exchange_ns = time_ms * TD_NS_PER_MS};
    for (json_iter it = json_iter_of(reply.list); rc == TD_OK && json_next(&it, NULL, &entry);)
        rc = add_entry(table, entry, instrument_category(&reply, entry), &shown, err);
    if (rc == TD_OK)
        end_missing(table, frame, &reply, json_count(reply.list) == 0);
    return rc;
}

/* ---- the end of the day ---- */

static msg_value time_or_absent(uint64_t ns)
{
    return ns == 0 ? row_absent() : row_time(ns);
}

static td_result on_end(void *maker, uint64_t end_ns, const gap_row *gap, const row_out *out,
                        td_err *err)
{
    instrument_table *table = maker;
    td_result rc = TD_OK;
    (void)end_ns;
    (void)gap;
    for (size_t i = 0; rc == TD_OK && i < table->count; i++) {
        const instrument_version *listed = &table->rows[i];
        msg_value values[COLUMNS];
        json_value entry;
        rc = json_parse(table->entry, listed->raw, JSON_COPIED, &entry, err);
        TD_ASSERT(rc == TD_OK); /* cannot fail: it was parsed before, as a part of the reply */
        set_values(table, values, entry, listed->category);
        values[INSTRUMENT_VALID_FROM] = row_time(listed->from_ns);
        values[INSTRUMENT_VALID_TO] = time_or_absent(listed->to_ns);
        values[INSTRUMENT_SEEN_BEFORE] = time_or_absent(listed->before_ns);
        values[INSTRUMENT_FEED] = row_text(td_bytes_str(table->channel->info.feed));
        values[INSTRUMENT_REQUEST] = row_text(td_bytes_str(table->channel->info.topic));
        const export_row row = {.recv_ns = listed->from_ns,
                                .exchange_ns = listed->exchange_ns,
                                .symbol = listed->symbol,
                                .values = values,
                                .family = table->channel->family};
        rc = out->put(out->ctx, &row, err);
    }
    return rc;
}

static int takes(const export_settings *settings, const frame_channel *channel)
{
    (void)settings;
    return channel->role == ROLE_HTTP && exchange_of(channel->family)->instruments != NULL;
}

static void *open_table(const maker_begin *begin)
{
    instrument_table *made = td_alloc_zero(1, sizeof *made);
    made->channel = begin->channel;
    made->lists = exchange_of(begin->channel->family)->instruments;
    made->reply = json_parser_open(0);
    made->entry = json_parser_open(0);
    made->memory = td_arena_open();
    return made;
}

static void close_table(void *maker)
{
    instrument_table *table = maker;
    json_parser_close(table->reply);
    json_parser_close(table->entry);
    td_arena_close(table->memory);
    row_table_fini(&table->by_symbol);
    td_free(table->rows);
    td_free(table);
}

const export_type EXPORT_INSTRUMENTS = {
    .name = "instruments",
    .columns = INSTRUMENT_COLUMNS,
    .column_count = COLUMNS,
    .flags = EXPORT_ALL_SYMBOLS | EXPORT_OF_REPLIES,
    .takes = takes,
    .open = open_table,
    .frame = on_frame,
    .end = on_end,
    .close = close_table,
};
