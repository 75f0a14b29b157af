#include "recorder/import/import_line.h"

#include <stdio.h>
#include <string.h>

#include "archive/event.h"
#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/decimal.h"
#include "base/hash.h"
#include "base/limits.h"
#include "format/segment_name.h"
#include "base/json/json.h"

struct import_line_reader {
    import_format format;
    json_parser *parser;
    event_reader *events;
    event event;                      /* result of import_line_event */
    td_buf data;                      /* a frame with escapes resolved, followed by padding */
    char conn[LIMIT_NAME_BYTES + 16]; /* conn of a line from another archive */
    char url[LIMIT_NAME_BYTES + 1];   /* "/" and the name of an HTTP answer */
    td_err err;                       /* why the last line is not valid JSON */
};

_Static_assert(CHANNEL_IN == 0, "a record without a direction is inbound");

import_line_reader *import_line_reader_open(import_format format)
{
    import_line_reader *r = td_alloc_zero(1, sizeof *r);
    r->format = format;
    td_buf_init(&r->data, LIMIT_IMPORT_LINE_BYTES + JSON_PADDING_BYTES);
    r->parser = json_parser_open(LIMIT_IMPORT_LINE_BYTES);
    r->events = event_reader_open();
    return r;
}

void import_line_reader_close(import_line_reader *reader)
{
    if (reader == NULL)
        return;
    json_parser_close(reader->parser);
    event_reader_close(reader->events);
    td_buf_fini(&reader->data);
    td_free(reader);
}

/* ---- what both formats share ----
 *
 * Functions named read_… return NULL, or the reason why the line is malformed. */

/* Unit of a time without a decimal point. A time with a decimal point is in seconds. */
typedef enum time_unit { TIME_S, TIME_NS, TIME_BY_MAGNITUDE } time_unit;

/* Parse a time exactly, as ns in (0, 2^63). The text may have nine decimal places, and zeros after
 * them.
 * TIME_BY_MAGNITUDE: the magnitude determines the unit (docs/design.md, "TIME and DURATION"). For
 * any recent time, the number in one unit is a thousand times the number in the next larger unit.
 * Returns 0 if the text is not such a time. */
static int parse_time(td_bytes text, time_unit unit, uint64_t *ns)
{
    td_decimal value;
    int64_t whole = 0;
    uint8_t places = unit == TIME_NS ? 0 : 9;
    if (td_decimal_parse(text, &value, NULL) != TD_OK || value.mantissa <= 0)
        return 0;
    if (unit == TIME_BY_MAGNITUDE && value.scale == 0)
        for (int64_t over = value.mantissa / 100000000000; places > 0 && over > 0; over /= 1000)
            places -= 3;
    value = td_decimal_shortest(value);
    if (value.scale > places || td_decimal_rescale(value, places, &whole) != TD_OK)
        return 0;
    *ns = (uint64_t)whole;
    return 1;
}

/* Return NULL if the time is plausible for a frame, else the reason. A time with a missing digit or
 * a wrong unit is far off. */
static const char *check_time(uint64_t ns)
{
    return ns >= LIMIT_IMPORT_FIRST_NS && ns < LIMIT_IMPORT_END_NS
               ? NULL
               : "the time is not between 1990-01-01 and 2100-01-01, UTC";
}

/* Return the digits of a number, or of a string that contains one. */
static td_bytes number_text(json_value value)
{
    td_bytes text = {0};
    if (json_type_of(value) == JSON_NUMBER)
        return json_raw(value);
    (void)json_text(value, &text); /* not a string: text stays empty, which is not a valid time */
    return text;
}

/* Return a value of the line with padding after it. A value in the parser's memory is copied,
 * because it has no padding there. */
static td_bytes padded(import_line_reader *r, td_bytes line, td_bytes value)
{
    static const uint8_t PADDING[JSON_PADDING_BYTES];
    if (value.data >= line.data && value.data + value.size <= line.data + line.size)
        return value;
    td_buf_clear(&r->data);
    td_result rc = td_buf_append(&r->data, value.data, value.size, NULL);
    TD_ASSERT(rc == TD_OK); /* a value is never longer than its line */
    rc = td_buf_append(&r->data, PADDING, sizeof PADDING, NULL);
    TD_ASSERT(rc == TD_OK);
    return td_bytes_of(r->data.data, value.size);
}

/* Read the frame in "data_hex". */
static const char *read_hex(import_line_reader *r, json_value value, import_record *out)
{
    static const uint8_t PADDING[JSON_PADDING_BYTES];
    td_bytes hex = number_text(value);
    int is_hex = hex.size > 0 && hex.size % 2 == 0;
    td_buf_clear(&r->data);
    for (size_t i = 0; i + 1 < hex.size && is_hex; i += 2) {
        int digits = td_hex_digit(hex.data[i]) * 16 + td_hex_digit(hex.data[i + 1]);
        is_hex = td_hex_digit(hex.data[i]) >= 0 && td_hex_digit(hex.data[i + 1]) >= 0;
        td_buf_add(&r->data, &(uint8_t){(uint8_t)digits}, 1);
    }
    td_buf_add(&r->data, PADDING, sizeof PADDING);
    out->kind = IMPORT_FRAME;
    out->data = td_bytes_of(r->data.data, hex.size / 2);
    return is_hex ? NULL : "\"data_hex\" is not hexadecimal";
}

/* Read the frame in "data": the text of a string, or the unchanged bytes of an object or array. */
static const char *read_data(import_line_reader *r, td_bytes line, json_value value,
                             import_record *out)
{
    td_bytes data = {0};
    json_type type = json_type_of(value);
    if (type == JSON_OBJECT || type == JSON_ARRAY)
        data = json_raw(value);
    else if (!json_text(value, &data))
        return "\"data\" is neither a string nor an object or array";
    if (data.size == 0)
        return "\"data\" is empty";
    out->data = padded(r, line, data);
    return NULL;
}

/* ---- cryptofeed ---- */

/* Read "TIME: DATA". */
static const char *read_time_and_data(td_bytes text, import_record *out)
{
    const uint8_t *colon = memmem(text.data, text.size, ": ", 2);
    if (colon == NULL)
        return "expected 'TIME: DATA', found no ': '";
    size_t size = (size_t)(colon - text.data);
    if (!parse_time(td_bytes_of(text.data, size), TIME_S, &out->time_ns))
        return "the time before ': ' is not decimal seconds";
    out->kind = IMPORT_FRAME;
    out->data = td_bytes_of(colon + 2, text.size - size - 2);
    return out->data.size > 0 ? check_time(out->time_ns) : "there is nothing after 'TIME: '";
}

/* If text starts with the prefix, remove it. */
static int skip_prefix(td_bytes *text, const char *prefix)
{
    size_t size = strlen(prefix);
    if (text->size < size || memcmp(text->data, prefix, size) != 0)
        return 0;
    *text = td_bytes_of(text->data + size, text->size - size);
    return 1;
}

/* Read "URL <- TIME: DATA" (sent), "URL -> TIME: DATA" (an HTTP reply) or "URL <-> TIME"
 * (connected). */
static const char *read_url_line(td_bytes line, import_record *out)
{
    const uint8_t *space = memchr(line.data, ' ', line.size);
    size_t url_size = space == NULL ? line.size : (size_t)(space - line.data);
    td_bytes rest = td_bytes_of(line.data + url_size, line.size - url_size);
    out->url = td_bytes_of(line.data, url_size);
    if (skip_prefix(&rest, " <-> ")) {
        out->kind = IMPORT_CONNECT;
        return parse_time(rest, TIME_S, &out->time_ns)
                   ? check_time(out->time_ns)
                   : "the time after '<->' is not decimal seconds";
    }
    if (skip_prefix(&rest, " <- "))
        out->dir = CHANNEL_OUT;
    else if (skip_prefix(&rest, " -> "))
        out->dir = CHANNEL_HTTP;
    else
        return "expected '<-', '->' or '<->' after the URL";
    return read_time_and_data(rest, out);
}

/* Meaning of a line of format 2, by its "t". */
typedef struct line_type {
    const char *name;
    import_kind kind;
    channel_dir dir;
    const char *url_key;
} line_type;

static const line_type LINE_TYPES[] = {
    {"recv", IMPORT_FRAME, CHANNEL_IN, "addr"},
    {"send", IMPORT_FRAME, CHANNEL_OUT, "addr"},
    {"http", IMPORT_FRAME, CHANNEL_HTTP, "url"},
    {"connect", IMPORT_CONNECT, CHANNEL_IN, "addr"},
    {"header", IMPORT_NOTHING, CHANNEL_IN, NULL},
    {"config", IMPORT_NOTHING, CHANNEL_IN, NULL},
    {"configuration", IMPORT_NOTHING, CHANNEL_IN, NULL},
};

/* Find the type of a line. A line of unknown type is malformed: it may be a frame of a later
 * version of the format. */
static const line_type *find_line_type(json_value line)
{
    td_bytes name;
    if (!json_find_text(line, "t", &name))
        return NULL;
    for (size_t i = 0; i < sizeof LINE_TYPES / sizeof LINE_TYPES[0]; i++)
        if (td_bytes_is(name, LINE_TYPES[i].name))
            return &LINE_TYPES[i];
    return NULL;
}

/* Read a line of format 2: {"t":…,"conn":…,"ts":…,"addr" or "url":…,"data":…}. */
static const char *read_format2(import_line_reader *r, td_bytes line, import_record *out)
{
    json_value root;
    json_value value;
    if (json_parse(r->parser, line, JSON_PADDED, &root, &r->err) != TD_OK)
        return r->err.text;
    const line_type *type = find_line_type(root);
    if (type == NULL)
        return "\"t\" is not one of recv, send, http, connect, header, config";
    out->kind = type->kind;
    out->dir = type->dir;
    if (type->kind == IMPORT_NOTHING)
        return NULL;
    if (!json_find(root, "ts", &value) || !parse_time(number_text(value), TIME_S, &out->time_ns))
        return "\"ts\" is missing or not decimal seconds";
    (void)json_find_text(root, "conn", &out->conn); /* absent if the file has one connection */
    (void)json_find_text(root, type->url_key, &out->url); /* absent in recv lines */
    const char *reason = check_time(out->time_ns);
    if (reason != NULL || type->kind == IMPORT_CONNECT)
        return reason;
    return json_find(root, "data", &value) ? read_data(r, line, value, out) : "no \"data\"";
}

/* Read a line of either format of cryptofeed. Lines of the line format begin with a time or a URL;
 * lines of format 2 are JSON. */
static const char *read_cryptofeed(import_line_reader *r, td_bytes line, import_record *out)
{
    static const char *const SCHEMES[] = {"wss://", "ws://", "https://", "http://"};
    td_bytes rest = line;
    if (line.data[0] == '{')
        return read_format2(r, line, out);
    if (skip_prefix(&rest, "configuration: "))
        return NULL;
    for (size_t i = 0; i < sizeof SCHEMES / sizeof SCHEMES[0]; i++)
        if (skip_prefix(&rest, SCHEMES[i]))
            return read_url_line(line, out);
    return read_time_and_data(line, out);
}

/* ---- jsonl ---- */

/* 1 if the object is a wrapper around a frame, 0 if it is a frame. Exchanges never send "recv_ns";
 * they do send "ts", in frames that have a "topic". Finds the wrapper's time. */
static int find_wrapper_time(json_value root, json_value *time, time_unit *unit)
{
    json_value other;
    *unit = TIME_NS;
    if (json_find(root, "recv_ns", time))
        return 1;
    *unit = TIME_BY_MAGNITUDE;
    return json_find(root, "ts", time) && !json_find(root, "topic", &other) &&
           (json_find(root, "data", &other) || json_find(root, "url", &other));
}

/* Read a number, or a string that contains one. Returns 0 if it is absent or not a whole number. */
static int find_number(json_value root, const char *key, uint64_t *out)
{
    json_value value;
    td_decimal number;
    if (!json_find(root, key, &value) ||
        td_decimal_parse(number_text(value), &number, NULL) != TD_OK || number.scale != 0 ||
        number.mantissa < 0)
        return 0;
    *out = (uint64_t)number.mantissa;
    return 1;
}

/* Set the connection of a line from another archive. conn 0: unknown. */
static const char *set_connection(import_line_reader *r, json_value root, uint64_t shard,
                                  uint64_t conn, import_record *out)
{
    td_bytes session = {0};
    (void)snprintf(r->conn, sizeof r->conn, "%.*s", (int)out->feed.size,
                   (const char *)out->feed.data);
    if (!feed_name_is_valid(r->conn) || shard >= LIMIT_FEED_SLOTS)
        return "\"feed\" or \"shard\" cannot be one of an archive";
    (void)json_find_text(root, "family", &out->family); /* may be absent, as may the session */
    (void)json_find_text(root, "session", &session);
    out->shard = (uint32_t)shard;
    out->conn_hash = conn == 0 ? 0 : td_xxh64(session.data, session.size) + conn;
    (void)snprintf(r->conn + out->feed.size, sizeof r->conn - out->feed.size, "/%u", out->shard);
    out->conn = td_bytes_str(r->conn);
    return NULL;
}

/* Read the other members of a line from another archive. */
static const char *read_archive_line(import_line_reader *r, json_value root, import_record *out)
{
    static const struct {
        const char *key;
        uint32_t form;
    } FORMS[] = {{"compressed", FORM_COMPRESSED},
                 {"fragmented", FORM_FRAGMENTED},
                 {"made", FORM_MADE},
                 {"fetched", FORM_FETCHED}};
    uint64_t shard, conn = 0, opcode = OPCODE_TEXT;
    td_bytes topic, symbol;
    json_value value;
    if (!find_number(root, "shard", &shard) || !json_find_text(root, "feed", &out->feed))
        return NULL;
    (void)find_number(root, "conn", &conn); /* may be absent, like the other members */
    (void)find_number(root, "ordinal", &out->ordinal);
    (void)find_number(root, "opcode", &opcode);
    out->opcode = opcode == OPCODE_BINARY ? OPCODE_BINARY : OPCODE_TEXT;
    for (size_t i = 0; i < sizeof FORMS / sizeof FORMS[0]; i++)
        out->form |= json_find(root, FORMS[i].key, &value) ? FORMS[i].form : 0U;
    if (out->dir == CHANNEL_HTTP && json_find_text(root, "topic", &topic) &&
        skip_prefix(&topic, "http.") && topic.size < LIMIT_NAME_BYTES) {
        (void)snprintf(r->url, sizeof r->url, "/%.*s", (int)topic.size, (const char *)topic.data);
        out->url = td_bytes_str(r->url);
    }
    if ((out->form & FORM_FETCHED) != 0) {
        if (!json_find_text(root, "topic", &topic) || !json_find_text(root, "symbol", &symbol))
            return "a fetched snapshot without its topic and symbol";
        (void)snprintf(r->url, sizeof r->url, "%.*s.%.*s", (int)topic.size,
                       (const char *)topic.data, (int)symbol.size,
                       (const char *)symbol.data); /* a topic that is cut has no row */
        out->url = td_bytes_str(r->url);
    }
    return set_connection(r, root, shard, conn, out);
}

/* Read an event from another archive: only `connect` and `gap` events are used. */
static const char *read_event(import_line_reader *r, td_bytes line, json_value root,
                              import_record *out)
{
    json_value value;
    event what;
    const char *reason = json_find(root, "data", &value) ? read_data(r, line, value, out)
                                                         : "an event without \"data\"";
    if (reason != NULL)
        return reason;
    if (event_decode(r->events, out->data, &what, &r->err) != TD_OK)
        return r->err.text;
    if (what.kind != EVENT_CONNECT && what.kind != EVENT_GAP)
        return NULL;
    int is_gap = what.kind == EVENT_GAP;
    out->kind = is_gap ? IMPORT_GAP : IMPORT_CONNECT;
    if (what.url != NULL)
        out->url = td_bytes_str(what.url);
    if (!json_find_text(root, "feed", &out->feed))
        return "an event without \"feed\"";
    return set_connection(r, root, is_gap ? what.gap.shard : what.shard,
                          is_gap ? what.gap.conn : what.conn, out);
}

const event *import_line_event(import_line_reader *reader, td_bytes data)
{
    td_result rc = event_decode(reader->events, data, &reader->event, NULL);
    TD_ASSERT(rc == TD_OK); /* the same data was decoded when the line was read */
    return &reader->event;
}

static const char *read_wrapper(import_line_reader *r, td_bytes line, json_value root,
                                import_record *out)
{
    json_value value;
    if (json_find(root, "conn", &value))
        out->conn = number_text(value);
    (void)json_find_text(root, "url", &out->url); /* may be absent */
    td_bytes dir = {0};
    (void)json_find_text(root, "dir", &dir); /* absent or not a string: dir stays empty */
    if (td_bytes_is(dir, channel_dir_name(CHANNEL_EVENT)))
        return read_event(r, line, root, out);
    if (json_find(root, "dir", &value) && !channel_dir_parse(dir, &out->dir))
        return "\"dir\" is not one of in, out, http";
    const char *reason = read_archive_line(r, root, out);
    if (reason != NULL)
        return reason;
    if (json_find(root, "data_hex", &value))
        return read_hex(r, value, out);
    if (json_find(root, "data", &value)) {
        out->kind = IMPORT_FRAME;
        return read_data(r, line, value, out);
    }
    out->kind = IMPORT_CONNECT;
    return out->url.size > 0 ? NULL : "no \"data\", and no \"url\" either";
}

/* Read a line, which is a wrapper around a frame, or the frame itself. */
static const char *read_jsonl(import_line_reader *r, td_bytes line, import_record *out)
{
    json_value root;
    json_value time;
    time_unit unit;
    if (json_parse(r->parser, line, JSON_PADDED, &root, &r->err) != TD_OK)
        return r->err.text;
    json_type type = json_type_of(root);
    if (type != JSON_OBJECT && type != JSON_ARRAY)
        return "neither a JSON object nor an array";
    if (type == JSON_ARRAY || !find_wrapper_time(root, &time, &unit)) {
        out->kind = IMPORT_FRAME;
        out->data = line;
        return NULL;
    }
    if (!parse_time(number_text(time), unit, &out->time_ns))
        return unit == TIME_NS ? "\"recv_ns\" is not a time in nanoseconds"
                               : "\"ts\" is not a time since 1970";
    const char *reason = check_time(out->time_ns);
    return reason != NULL ? reason : read_wrapper(r, line, root, out);
}

int import_line_read(import_line_reader *reader, td_bytes line, import_record *out,
                     const char **reason)
{
    TD_ASSERT(line.size <= LIMIT_IMPORT_LINE_BYTES);
    *out = (import_record){.kind = IMPORT_NOTHING};
    *reason = NULL;
    if (line.size > 0)
        *reason = reader->format == IMPORT_CRYPTOFEED ? read_cryptofeed(reader, line, out)
                                                      : read_jsonl(reader, line, out);
    return *reason == NULL;
}
