/* MCAP, one file per day (docs/export.md). Each message is one entry of a decoded frame as JSON, or
 * a whole frame of an order book. There is a channel for each topic and symbol of a feed, and a
 * schema for each type. Viewers plot numbers, so a decimal is a JSON number, with its exact text in
 * a second member. Viewers read no integers above 2^53, so a time is an object of seconds and
 * nanoseconds. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/row_table.h"
#include "export/export_format.h"
#include "export/export_name.h"
#include "format/chunk_packer.h"
#include "format/mcap_encode.h"
#include "format/mcap_summary.h"
#include "base/json/json_write.h"

enum { NS_PER_S = 1000000000, TOPIC_BYTES = 1024 };
enum { SCHEMAS_MAX = MSG_TYPE_COUNT + 2, NAME_BYTES = 96 };

typedef struct member_name {
    char text[NAME_BYTES];
    size_t size;
} member_name;

/* A column as each message has it. */
typedef struct mcap_column {
    const export_column *column;
    size_t index;          /* in the type's columns */
    member_name name;      /* "price": */
    member_name text_name; /* of a decimal's exact text: ,"price_text":" */
} mcap_column;

/* A schema, and how its type's rows are written. */
typedef struct mcap_type {
    const export_type *type;
    mcap_column *columns;
    size_t frame_count; /* columns of which the whole frame has one value come first, */
    size_t count;       /* then, of book changes, columns of which each level has one */
} mcap_type;

typedef struct topic_channel {
    char *key;         /* feed, topic and symbol */
    uint32_t sequence; /* sequence number of its last message */
    uint16_t schema;
} topic_channel;

typedef struct mcap_writer {
    const export_target *target;
    export_file *file; /* NULL before the first row */
    chunk_packer *packer;
    sealed_chunk *sealed;
    mcap_summary summary;
    td_buf chunk, metadata, key, text; /* text: the message that is being written */
    json_writer json;                  /* writes to text */
    uint16_t message_id;               /* of the message in text; 0 if text is empty */
    uint64_t bytes;                    /* written to the file so far */
    uint32_t crc;                      /* of these bytes */
    mcap_type types[SCHEMAS_MAX];      /* by schema id - 1 */
    size_t schema_count;
    topic_channel *channels; /* by channel id - 1 */
    size_t channel_count;
    row_table by_key; /* indexes in channels */
} mcap_writer;

static void *open_mcap(const export_target *target)
{
    mcap_writer *made = td_alloc_zero(1, sizeof *made);
    made->target = target;
    made->packer = chunk_packer_open();
    made->sealed = sealed_chunk_open();
    mcap_summary_init(&made->summary);
    td_buf_init(&made->chunk, SIZE_MAX);
    td_buf_init(&made->metadata, SIZE_MAX);
    td_buf_init(&made->key, SIZE_MAX);
    td_buf_init(&made->text, SIZE_MAX);
    return made;
}

static void close_mcap(void *writer)
{
    mcap_writer *self = writer;
    if (self == NULL)
        return;
    for (size_t i = 0; i < self->channel_count; i++)
        td_free(self->channels[i].key);
    for (size_t i = 0; i < self->schema_count; i++)
        td_free(self->types[i].columns);
    td_buf_fini(&self->chunk);
    td_buf_fini(&self->metadata);
    td_buf_fini(&self->key);
    td_buf_fini(&self->text);
    row_table_fini(&self->by_key);
    td_free(self->channels);
    mcap_summary_fini(&self->summary);
    chunk_packer_close(self->packer);
    sealed_chunk_close(self->sealed);
    export_file_abandon(self->file);
    td_free(self);
}

/* ---- schemas ---- */

static int has_levels(const export_type *type)
{
    return type == &EXPORT_MESSAGE_TYPES[MSG_BOOK_CHANGE];
}

/* 1 if each level has its own value in this column. */
static int is_of_level(const export_type *type, const export_column *column)
{
    msg_member member = msg_member_find(td_bytes_str(column->name));
    return has_levels(type) && (strcmp(column->name, "action") == 0 ||
                                (member != MEMBER_NONE && msg_struct_has(MSG_BOOK_CHANGE, member)));
}

static td_bytes name_bytes(const member_name *name)
{
    return td_bytes_of(name->text, name->size);
}

static void add_columns_of(mcap_type *to, int of_levels)
{
    for (size_t i = 0; i < to->type->column_count; i++) {
        const export_column *column = &to->type->columns[i];
        if (is_of_level(to->type, column) != of_levels)
            continue;
        mcap_column *made = &to->columns[to->count++];
        *made = (mcap_column){.column = column, .index = i};
        TD_ASSERT(strlen(column->name) < LIMIT_NAME_BYTES);
        made->name.size = (size_t)snprintf(made->name.text, NAME_BYTES, "\"%s\":", column->name);
        made->text_name.size =
            (size_t)snprintf(made->text_name.text, NAME_BYTES, ",\"%s_text\":\"", column->name);
    }
}

static void add_property(json_writer *json, const char *name, const char *type)
{
    json_write_member_object_begin(json, name);
    json_write_member_text(json, "type", type);
    if (strcmp(type, "object") == 0) {
        json_write_member_object_begin(json, "properties");
        add_property(json, "sec", "integer");
        add_property(json, "nsec", "integer");
        json_write_object_end(json);
    }
    json_write_object_end(json);
}

static void add_columns(json_writer *json, const mcap_column *columns, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const export_column *column = columns[i].column;
        char text_name[LIMIT_NAME_BYTES];
        (void)snprintf(text_name, sizeof text_name, "%s_text", column->name);
        add_property(json, column->name,
                     column->type == VALUE_DECIMAL   ? "number"
                     : column->type == VALUE_INTEGER ? "integer"
                     : column->type == VALUE_BOOL    ? "boolean"
                     : column->type == VALUE_TIME_NS ? "object"
                                                     : "string");
        if (column->type == VALUE_DECIMAL)
            add_property(json, text_name, "string");
    }
}

static void write_schema(td_buf *out, const mcap_type *of)
{
    json_writer json;
    json_write_begin(&json, out);
    json_write_object_begin(&json);
    json_write_member_text(&json, "type", "object");
    json_write_member_object_begin(&json, "properties");
    add_property(&json, "ts_recv", "object");
    add_property(&json, "ts_exch", "object");
    add_property(&json, "flags", "integer");
    add_property(&json, "suspect", "boolean");
    add_columns(&json, of->columns, of->frame_count);
    if (has_levels(of->type)) {
        json_write_member_object_begin(&json, "levels");
        json_write_member_text(&json, "type", "array");
        json_write_member_object_begin(&json, "items");
        json_write_member_text(&json, "type", "object");
        json_write_member_object_begin(&json, "properties");
        add_columns(&json, of->columns + of->frame_count, of->count - of->frame_count);
        json_write_object_end(&json);
        json_write_object_end(&json);
        json_write_object_end(&json);
    }
    json_write_object_end(&json);
    json_write_object_end(&json);
    td_result rc = json_write_end(&json, NULL);
    TD_ASSERT(rc == TD_OK); /* the buffer is unbounded */
}

/* The schema's name: "tapedeck.BookChange" for the type book_change. */
static void schema_name(const export_type *type, char out[LIMIT_NAME_BYTES])
{
    const char *from = type == &EXPORT_GAPS ? "gap"
                       : type == &EXPORT_INSTRUMENTS
                           ? "instrument"
                           : msg_type_name((msg_type)(type - EXPORT_MESSAGE_TYPES));
    size_t size = (size_t)snprintf(out, LIMIT_NAME_BYTES, "tapedeck.");
    for (int is_first = 1; *from != '\0'; from++) {
        if (*from != '_')
            out[size++] = (char)(is_first ? *from - 'a' + 'A' : *from);
        is_first = *from == '_';
    }
    out[size] = '\0';
}

/* The number of a type's schema. Writes the schema's record before the first channel that uses
 * it. */
static uint16_t schema_of(mcap_writer *self, const export_type *type)
{
    char name[LIMIT_NAME_BYTES];
    for (size_t i = 0; i < self->schema_count; i++)
        if (self->types[i].type == type)
            return (uint16_t)(i + 1);
    TD_ASSERT(self->schema_count < SCHEMAS_MAX);
    mcap_type *made = &self->types[self->schema_count++];
    *made = (mcap_type){.type = type};
    made->columns = td_alloc_zero(type->column_count, sizeof *made->columns);
    add_columns_of(made, 0);
    made->frame_count = made->count;
    add_columns_of(made, 1);
    schema_name(type, name);
    td_buf_clear(&self->text);
    write_schema(&self->text, made);
    const mcap_schema schema = {.id = (uint16_t)self->schema_count,
                                .name = td_bytes_str(name),
                                .encoding = td_bytes_str("jsonschema"),
                                .data = td_buf_view(&self->text)};
    mcap_encode_schema(&self->chunk, &schema);
    mcap_summary_add_schema(&self->summary, &schema);
    return schema.id;
}

/* ---- channels ---- */

/* The id of the channel with the key in `key`, or 0. */
static uint16_t find_channel(const mcap_writer *self, uint64_t hash)
{
    row_probe at = row_probe_of(hash);
    while (row_table_next(&self->by_key, &at))
        if (td_bytes_is(td_buf_view(&self->key), self->channels[at.row].key))
            return (uint16_t)(at.row + 1);
    return 0;
}

/* Adds a channel. The caller has put its metadata into `metadata`. */
static td_result add_channel(mcap_writer *self, uint64_t hash, const export_type *type,
                             td_bytes name, uint16_t *id, td_err *err)
{
    if (self->channel_count == UINT16_MAX)
        return td_err_set(err, TD_E_LIMIT, "more than %u channels in a file", UINT16_MAX);
    uint16_t schema = schema_of(self, type);
    row_table_put(&self->by_key, hash, self->channel_count);
    self->channels = td_array_grow(self->channels, self->channel_count, sizeof *self->channels);
    self->channels[self->channel_count++] = (topic_channel){
        .key = td_strndup((const char *)self->key.data, self->key.size), .schema = schema};
    *id = (uint16_t)self->channel_count;
    const mcap_channel channel = {.id = *id,
                                  .schema_id = schema,
                                  .topic = name,
                                  .message_encoding = td_bytes_str("json"),
                                  .metadata = {td_buf_view(&self->metadata)}};
    size_t before = self->chunk.size;
    mcap_encode_channel(&self->chunk, &channel);
    mcap_summary_add_channels(&self->summary,
                              td_bytes_of(self->chunk.data + before, self->chunk.size - before), 1);
    return TD_OK;
}

static void add_metadata(mcap_writer *self, const char *key, const char *value)
{
    mcap_pack_pair(&self->metadata, td_bytes_str(key), td_bytes_str(value));
}

static td_result channel_of(mcap_writer *self, const export_source *source, const export_row *row,
                            td_bytes topic, uint16_t *id, td_err *err)
{
    /* The source has the feed of its first row; tables of an exchange have no feed. */
    const channel_info *from = source->feed == NULL ? NULL : row->channel;
    const char *feed = from == NULL ? source->exchange : from->feed;
    char name[TOPIC_BYTES];
    td_buf_clear(&self->key);
    td_buf_add(&self->key, feed, strlen(feed));
    td_buf_add(&self->key, " ", 1);
    td_buf_add(&self->key, topic.data, topic.size);
    td_buf_add(&self->key, " ", 1);
    td_buf_add(&self->key, source->symbol, strlen(source->symbol));
    const uint64_t hash = td_xxh64(self->key.data, self->key.size);
    *id = find_channel(self, hash);
    if (*id != 0)
        return TD_OK;
    (void)snprintf(name, sizeof name, "%.*s%s%s", (int)topic.size, (const char *)topic.data,
                   source->symbol[0] == '\0' ? "" : ".", source->symbol);
    td_buf_clear(&self->metadata);
    add_metadata(self, "exchange", source->exchange);
    add_metadata(self, "feed", from == NULL ? "" : from->feed);
    add_metadata(self, "family", from == NULL ? "" : from->family);
    add_metadata(self, "symbol", source->symbol);
    return add_channel(self, hash, source->type, td_bytes_str(name), id, err);
}

/* ---- the file ---- */

static td_result put_bytes(mcap_writer *self, td_bytes bytes, td_err *err)
{
    self->crc = td_crc32(self->crc, bytes.data, bytes.size);
    self->bytes += bytes.size;
    return export_file_write(self->file, bytes, err);
}

static td_result begin_file(mcap_writer *self, td_err *err)
{
    char name[EXPORT_NAME_BYTES];
    (void)snprintf(name, sizeof name, "messages_%s.mcap", self->target->date);
    td_result rc = export_file_open(self->target->files, name, EXPORT_PLAIN, &self->file, err);
    if (rc != TD_OK)
        return rc;
    const mcap_header header = {.library = td_bytes_str("tapedeck")};
    td_buf_clear(&self->text);
    mcap_encode_magic(&self->text);
    mcap_encode_header(&self->text, &header);
    return put_bytes(self, td_buf_view(&self->text), err);
}

static td_result end_chunk(mcap_writer *self, td_err *err)
{
    if (self->chunk.size == 0)
        return TD_OK;
    chunk_packer_pack(self->packer, CHUNK_LEVEL_DEFAULT, td_buf_view(&self->chunk), self->sealed);
    mcap_summary_add_sealed(&self->summary, self->sealed, self->bytes);
    td_buf_clear(&self->chunk);
    return put_bytes(self, td_buf_view(&self->sealed->bytes), err);
}

/* ---- messages ---- */

/* Placed from the end, as digits are: a message has up to three times. */
static void write_time(json_writer *json, td_bytes name, uint64_t ns)
{
    static const char SEC[] = "{\"sec\":", NSEC[] = ",\"nsec\":";
    enum { BYTES = sizeof SEC + sizeof NSEC + (size_t)2 * TD_DECIMAL_TEXT_BYTES };
    char text[2 * BYTES]; /* a copy of a fixed size needs no call */
    char *const end = text + BYTES;
    char *at = end;
    *--at = '}';
    at = td_digits_write(at, ns % NS_PER_S) - (sizeof NSEC - 1);
    memcpy(at, NSEC, sizeof NSEC - 1);
    at = td_digits_write(at, ns / NS_PER_S) - (sizeof SEC - 1);
    memcpy(at, SEC, sizeof SEC - 1);
    uint8_t *to = json_write_members_begin(json, name.size + BYTES);
    if (TD_UNLIKELY(to == NULL))
        return;
    memcpy(to, name.data, name.size);
    memcpy(to + name.size, at, BYTES);
    json_write_members_end(json, to + name.size + (end - at));
}

/* Writes a decimal twice: as a number for viewers, and as exact text. Copies of a fixed size need
 * no call. */
static void write_decimal(json_writer *json, const mcap_column *column, td_decimal value)
{
    uint8_t number[TD_DECIMAL_PRINT_BYTES];
    uint8_t *to = json_write_members_begin(json, (size_t)2 * NAME_BYTES + 2 * sizeof number);
    if (TD_UNLIKELY(to == NULL))
        return;
    const size_t size = (size_t)(td_decimal_print(number, value.mantissa, value.scale, 0) - number);
    memcpy(to, column->name.text, NAME_BYTES);
    to += column->name.size;
    memcpy(to, number, sizeof number);
    to += size;
    memcpy(to, column->text_name.text, NAME_BYTES);
    to += column->text_name.size;
    memcpy(to, number, sizeof number);
    to += size;
    *to++ = '"';
    json_write_members_end(json, to);
}

static void write_value(json_writer *json, const mcap_column *column, const msg_value *value)
{
    const td_bytes name = name_bytes(&column->name);
    char text[ROW_TEXT_BYTES];
    switch (value->type) {
    case VALUE_ABSENT:
        return;
    case VALUE_DECIMAL:
        write_decimal(json, column, value->as.decimal);
        return;
    case VALUE_BIG_DECIMAL:
        json_write_raw_key(json, name);
        json_write_raw(json, value->as.text);
        json_write_raw_key(json, td_bytes_of(column->text_name.text + 1, /* without , and " */
                                             column->text_name.size - 2));
        json_write_bytes(json, value->as.text);
        return;
    case VALUE_TIME_NS:
        write_time(json, name, value->as.time_ns);
        return;
    case VALUE_TEXT:
    case VALUE_JSON:
    case VALUE_SIDE:
    case VALUE_INTEGER:
    case VALUE_BOOL:
        break;
    }
    json_write_raw_key(json, name);
    if (value->type == VALUE_TEXT) /* first: most values */
        json_write_bytes(json, value->as.text);
    else if (value->type == VALUE_INTEGER || value->type == VALUE_BOOL)
        json_write_raw(json, row_value_text(value, text));
    else
        json_write_bytes(json, row_value_text(value, text));
}

static void write_columns(json_writer *json, const export_row *row, const mcap_column *columns,
                          size_t count)
{
    for (size_t i = 0; i < count; i++)
        write_value(json, &columns[i], &row->values[columns[i].index]);
}

static void begin_message(mcap_writer *self, const mcap_type *type, const export_row *row)
{
    json_writer *json = &self->json;
    td_buf_clear(&self->text);
    json_write_begin(json, &self->text);
    json_write_object_begin(json);
    write_time(json, JSON_NAME("ts_recv"), row->recv_ns);
    if (row->exchange_ns != 0)
        write_time(json, JSON_NAME("ts_exch"), row->exchange_ns);
    json_write_raw_key(json, JSON_NAME("flags"));
    json_write_u64(json, row->flags | (has_levels(type->type) ? 1U : 0U));
    json_write_raw_key(json, JSON_NAME("suspect"));
    json_write_bool(json, row->is_suspect);
    write_columns(json, row, type->columns, type->frame_count);
    if (has_levels(type->type))
        json_write_member_array_begin(json, "levels");
}

static td_result end_message(mcap_writer *self, const export_source *source, const export_row *row,
                             uint16_t id, td_err *err)
{
    if (has_levels(source->type))
        json_write_array_end(&self->json);
    json_write_object_end(&self->json);
    td_result rc = json_write_end(&self->json, err);
    const mcap_message record = {.channel_id = id,
                                 .sequence = ++self->channels[id - 1].sequence,
                                 .log_ns = row->recv_ns,
                                 .publish_ns =
                                     row->exchange_ns != 0 ? row->exchange_ns : row->recv_ns,
                                 .data = td_buf_view(&self->text)};
    if (rc != TD_OK)
        return rc;
    mcap_encode_message(&self->chunk, &record);
    return self->chunk.size < LIMIT_CHUNK_TARGET_BYTES ? TD_OK : end_chunk(self, err);
}

static td_result add_row(void *writer, const export_source *source, const export_row *row,
                         td_err *err)
{
    mcap_writer *self = writer;
    uint16_t id = self->message_id;
    if (id == 0) {
        td_bytes topic = (source->type->flags & EXPORT_ALL_SYMBOLS) != 0
                             ? td_bytes_str(source->name)
                             : row->values[MESSAGE_TOPIC].as.text;
        td_result rc = self->file == NULL ? begin_file(self, err) : TD_OK;
        if (rc == TD_OK)
            rc = channel_of(self, source, row, topic, &id, err);
        if (rc != TD_OK)
            return rc;
        begin_message(self, &self->types[self->channels[id - 1].schema - 1], row);
    }
    self->message_id = id;
    if (has_levels(source->type)) {
        const mcap_type *type = &self->types[self->channels[id - 1].schema - 1];
        json_write_object_begin(&self->json);
        write_columns(&self->json, row, type->columns + type->frame_count,
                      type->count - type->frame_count);
        json_write_object_end(&self->json);
        if ((row->flags & ROW_LAST_OF_FRAME) == 0)
            return TD_OK;
    }
    self->message_id = 0;
    return end_message(self, source, row, id, err);
}

static td_result finish(void *writer, td_err *err)
{
    mcap_writer *self = writer;
    export_file *file = self->file;
    td_result rc = file == NULL ? TD_OK : end_chunk(self, err);
    if (file == NULL || rc != TD_OK)
        return rc;
    mcap_summary_append_end(&self->summary, export_file_buf(file), self->bytes, self->crc);
    self->file = NULL;
    return export_file_finish(file, NULL, err);
}

const export_format EXPORT_MCAP = {
    .name = "mcap",
    .summary = "MCAP files with decoded messages as JSON, one per day",
    .folder = "mcap/",
    .grouping = EXPORT_PER_DAY,
    .reads = TAPE_READS_MESSAGES,
    .types = EXPORT_MESSAGE_NAMES,
    .open = open_mcap,
    .marks_suspect = 1,
    .row = add_row,
    .finish = finish,
    .close = close_mcap,
};
