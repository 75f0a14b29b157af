/* Parquet: one file per day, type and symbol, in the folders of Hive's layout (docs/export.md):
 * exchange=E/type=T/date=D/SYMBOL.parquet. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/utf8.h"
#include "export/export_format.h"
#include "export/export_name.h"
#include "export/export_writers.h"
#include "export/parquet_file.h"

enum { TS_RECV, TS_EXCH, SEQ, FRAME, FLAGS, SUSPECT, OWN_COLUMNS };
enum { ORIGIN_COLUMNS = 3 }; /* at most: the symbol, the feed, and the topic */

/* Decimal places of prices and amounts in a 128-bit decimal. A product of two such numbers has
 * twice as many places, which leaves 14 of its 38 digits for the integer part. Averages and limits
 * have MOST_PLACES. */
enum { COLUMN_NAME_BYTES = 64, DECIMAL_PLACES = 12, MOST_PLACES = 18 };

typedef struct table_writer {
    const export_target *target;
    parquet_schema schema;
    parquet_column *columns;
    char (*names)[COLUMN_NAME_BYTES]; /* names of the type's own columns */
    size_t first_value;               /* index of the type's first column */
    export_row last;                  /* of the same frame as the next one, perhaps; no values */
    parquet_file *file;               /* NULL before the first row */
} table_writer;

static void close_table(void *writer)
{
    table_writer *self = writer;
    if (self == NULL)
        return;
    parquet_file_abandon(self->file);
    td_free(self->columns);
    td_free(self->names);
    td_free(self);
}

/* ---- the schema ---- */

/* The decimal places that --scale asks for, or 0. --scale does not apply to instruments in HTTP
 * replies, whose numbers may have more places. */
static uint8_t scale_of(const export_settings *settings, const export_type *type)
{
    return (type->flags & EXPORT_OF_REPLIES) != 0 ? 0 : settings->decimal_scale;
}

static parquet_column column_of(const export_settings *settings, const export_type *type,
                                value_type values)
{
    const uint8_t scale = scale_of(settings, type);
    const int has_most = (type->flags & (EXPORT_OF_REPLIES | EXPORT_OF_INTERVALS)) != 0 ||
                         type == &EXPORT_OPTIONS_CHAIN;
    const uint8_t places = has_most ? MOST_PLACES : DECIMAL_PLACES;
    switch (values) {
    case VALUE_DECIMAL:
    case VALUE_BIG_DECIMAL:
        if (settings->has_floats)
            return (parquet_column){.kind = PARQUET_F64};
        return scale != 0 ? (parquet_column){.kind = PARQUET_DECIMAL_64, .scale = scale}
                          : (parquet_column){.kind = PARQUET_DECIMAL_128, .scale = places};
    case VALUE_INTEGER:
        return (parquet_column){.kind = PARQUET_I64};
    case VALUE_BOOL:
        return (parquet_column){.kind = PARQUET_BOOL};
    case VALUE_TIME_NS:
        return (parquet_column){.kind = PARQUET_TIME_NS};
    case VALUE_ABSENT:
    case VALUE_TEXT:
    case VALUE_SIDE:
    case VALUE_JSON:
        break;
    }
    return (parquet_column){.kind = PARQUET_TEXT};
}

/* Makes a column's name that needs no quotes in SQL: "asks[0].price" becomes asks_0_price. Appends
 * "_" to a name that the layout itself uses. */
static void format_column(const export_type *type, const char *name, char out[COLUMN_NAME_BYTES])
{
    static const char *const RESERVED[] = {"exchange", "type",   "date",  "ts_recv",
                                           "ts_exch",  "seq",    "frame", "flags",
                                           "suspect",  "symbol", "feed"};
    int has_symbol = (type->flags & EXPORT_ALL_SYMBOLS) == 0;
    size_t size = 0;
    for (; *name != '\0'; name++) {
        int is_word = (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') ||
                      (*name >= '0' && *name <= '9');
        TD_ASSERT(size + 2 < COLUMN_NAME_BYTES);
        if (is_word || (size > 0 && out[size - 1] != '_'))
            out[size++] = (char)(is_word ? *name : '_');
    }
    out[size] = '\0';
    for (size_t i = 0; i < sizeof RESERVED / sizeof RESERVED[0] - (has_symbol ? 0 : 2); i++)
        if (strcmp(out, RESERVED[i]) == 0) {
            out[size++] = '_';
            out[size] = '\0';
            return;
        }
}

static int has_column(const export_type *type, const char *name)
{
    for (size_t i = 0; i < type->column_count; i++)
        if (strcmp(type->columns[i].name, name) == 0)
            return 1;
    return 0;
}

/* Makes the columns: the columns of all rows; if rows have a symbol, it, the feed and the topic,
 * which join them to gaps; the type's columns. The type's columns are optional, so that all days
 * have one schema. */
static void make_schema(table_writer *self, const export_source *source)
{
    const export_settings *settings = self->target->settings;
    const export_type *type = source->type;
    int has_symbol = (type->flags & EXPORT_ALL_SYMBOLS) == 0;
    static const char *const ORIGIN[ORIGIN_COLUMNS] = {"symbol", "feed", "topic"};
    const size_t origin_count = !has_symbol                 ? 0
                                : has_column(type, "topic") ? ORIGIN_COLUMNS - 1
                                                            : ORIGIN_COLUMNS;
    const parquet_column own[OWN_COLUMNS] = {[TS_RECV] = {"ts_recv", PARQUET_TIME_NS, 0, 0},
                                             [TS_EXCH] = {"ts_exch", PARQUET_TIME_NS, 0, 1},
                                             [SEQ] = {"seq", PARQUET_I64, 0, 1},
                                             [FRAME] = {"frame", PARQUET_I64, 0, 0},
                                             [FLAGS] = {"flags", PARQUET_I64, 0, 0},
                                             [SUSPECT] = {"suspect", PARQUET_BOOL, 0, 0}};
    self->first_value = OWN_COLUMNS + origin_count;
    self->columns =
        td_alloc_zero(OWN_COLUMNS + ORIGIN_COLUMNS + type->column_count, sizeof *self->columns);
    self->names = td_alloc_zero(type->column_count, sizeof *self->names);
    memcpy(self->columns, own, sizeof own);
    for (size_t i = 0; i < origin_count; i++)
        self->columns[OWN_COLUMNS + i] =
            (parquet_column){.name = ORIGIN[i], .kind = PARQUET_TEXT, .is_optional = 1};
    for (size_t i = 0; i < type->column_count; i++) {
        parquet_column *column = &self->columns[self->first_value + i];
        format_column(type, type->columns[i].name, self->names[i]);
        *column = column_of(settings, type, type->columns[i].type);
        column->name = self->names[i];
        column->is_optional = 1;
    }
    self->schema = (parquet_schema){.columns = self->columns,
                                    .column_count = self->first_value + type->column_count,
                                    .sorted_by = TS_RECV};
}

static void *open_table(const export_target *target)
{
    table_writer *made = td_alloc_zero(1, sizeof *made);
    made->target = target;
    make_schema(made, target->source);
    return made;
}

static td_result begin_file(table_writer *self, const export_source *source, td_err *err)
{
    char symbol[EXPORT_SYMBOL_NAME_BYTES];
    char name[EXPORT_NAME_BYTES];
    export_symbol_encode(td_bytes_str(source->symbol), symbol);
    int size =
        snprintf(name, sizeof name, "exchange=%s/type=%s/date=%s/%s.parquet", source->exchange,
                 source->name, self->target->date, symbol[0] == '\0' ? "part-0" : symbol);
    TD_ASSERT(size > 0);
    if ((size_t)size >= sizeof name)
        return td_err_set(err, TD_E_LIMIT, "the file name for symbol '%s' would be too long",
                          source->symbol);
    return parquet_file_open(self->target->files, name, &self->schema, &self->file, err);
}

/* ---- rows ---- */

/* Writes a text. Frames may contain texts that are not UTF-8; these become null. */
static void put_text(const table_writer *self, parquet_writer *to, size_t column, td_bytes text)
{
    if (td_utf8_is_text(text)) {
        parquet_put_text(to, column, text);
        return;
    }
    self->target->counts->ids_cut++;
    parquet_put_null(to, column);
}

static td_result put_value(const table_writer *self, parquet_writer *to, size_t column,
                           const parquet_column *is, const msg_value *value, td_err *err)
{
    char text[ROW_TEXT_BYTES];
    const int is_text = is->kind == PARQUET_TEXT;
    if (value->type == VALUE_DECIMAL && !is_text) /* first: most values of wide rows */
        return parquet_put_decimal(to, column, value->as.decimal, err);
    if (value->type == VALUE_SIDE) {
        parquet_put_word(to, column, msg_side_name(value->as.side));
        return TD_OK;
    }
    if (is_text && value->type != VALUE_ABSENT) {
        put_text(self, to, column, row_value_text(value, text)); /* topics have various types */
        return TD_OK;
    }
    if (value->type == VALUE_BIG_DECIMAL)
        return parquet_put_big_decimal(to, column, value->as.text, err);
    if (value->type == VALUE_INTEGER)
        parquet_put_integer(to, column, value->as.integer);
    else if (value->type == VALUE_BOOL)
        parquet_put_integer(to, column, value->as.is_true != 0);
    else if (value->type == VALUE_TIME_NS)
        parquet_put_integer(to, column, (int64_t)value->as.time_ns);
    else
        parquet_put_null(to, column);
    return TD_OK;
}

/* 1 if all columns that are not the type's own are as in the row before, but the flags. */
static int is_like_last(const export_row *last, const export_row *row)
{
    return row->frame == last->frame && row->recv_ns == last->recv_ns &&
           row->exchange_ns == last->exchange_ns && row->has_number == last->has_number &&
           row->number == last->number && row->is_suspect == last->is_suspect &&
           row->channel == last->channel;
}

static void put_time_and_number(parquet_writer *to, const export_row *row)
{
    parquet_put_integer(to, TS_RECV, (int64_t)row->recv_ns);
    if (row->exchange_ns != 0)
        parquet_put_integer(to, TS_EXCH, (int64_t)row->exchange_ns);
    else
        parquet_put_null(to, TS_EXCH);
    if (row->has_number)
        parquet_put_integer(to, SEQ, row->number);
    else
        parquet_put_null(to, SEQ);
    parquet_put_integer(to, FRAME, (int64_t)row->frame);
    parquet_put_integer(to, SUSPECT, row->is_suspect);
}

/* Puts symbol, feed and topic. */
static void put_origin(const table_writer *self, parquet_writer *to, const char *symbol,
                       const channel_info *channel)
{
    const char *const texts[ORIGIN_COLUMNS] = {symbol, channel == NULL ? "" : channel->feed,
                                               channel == NULL ? "" : channel->topic};
    TD_ASSERT(self->first_value <= OWN_COLUMNS + ORIGIN_COLUMNS);
    for (size_t i = 0; OWN_COLUMNS + i < self->first_value; i++) {
        const char *text = texts[i];
        TD_ASSERT(text != NULL); /* a channel has a feed and a topic */
        if (text[0] == '\0')
            parquet_put_null(to, OWN_COLUMNS + i);
        else
            put_text(self, to, OWN_COLUMNS + i, td_bytes_str(text));
    }
}

static td_result add_row(void *writer, const export_source *source, const export_row *row,
                         td_err *err)
{
    table_writer *self = writer;
    td_result rc = TD_OK;
    if (row->is_gap)
        return TD_OK;
    if (self->file == NULL)
        rc = begin_file(self, source, err);
    if (rc != TD_OK)
        return rc;
    TD_ASSERT(self->file != NULL);
    parquet_writer *to = self->file->writer;
    const size_t count = self->schema.column_count;
    const parquet_column *is = &self->columns[self->first_value];
    const msg_value *value = row->values;
    parquet_put_integer(to, FLAGS, row->flags);
    if (row->channel != self->last.channel || !parquet_keep(to, self->first_value - OWN_COLUMNS))
        put_origin(self, to, source->symbol, row->channel);
    if (!is_like_last(&self->last, row) || !parquet_keep(to, OWN_COLUMNS - 1)) {
        put_time_and_number(to, row);
        self->last = *row;
    }
    for (size_t i = self->first_value; rc == TD_OK && i < count; i++)
        rc = put_value(self, to, i, is++, value++, err);
    if (rc == TD_E_LIMIT && scale_of(self->target->settings, source->type) != 0)
        td_err_hint(err, "leave out --scale");
    if (rc != TD_OK)
        return td_err_add(err, rc, "%s of %s", source->name,
                          source->symbol[0] == '\0' ? "all symbols" : source->symbol);
    return parquet_end_row(to, err);
}

static td_result finish(void *writer, td_err *err)
{
    table_writer *self = writer;
    parquet_file *file = self->file;
    self->file = NULL;
    return file == NULL ? TD_OK : parquet_file_finish(file, NULL, err);
}

const export_format EXPORT_PARQUET = {
    .name = "parquet",
    .summary = "Parquet files in Hive's layout, one per day, type and symbol",
    .folder = "parquet/",
    .grouping = EXPORT_PER_SYMBOL,
    .reads = TAPE_READS_MESSAGES,
    .open = open_table,
    .marks_suspect = 1,
    .row = add_row,
    .finish = finish,
    .close = close_table,
};
