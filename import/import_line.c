#include "import/import_line.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"
#include "json/json.h"

struct import_line_reader {
    import_format format;
    json_parser *parser;
    td_buf data; /* a frame whose escapes were resolved, with padding after it */
    td_err err;  /* holds the reason of the last refusal */
};

_Static_assert(DIR_IN == 0, "a record that says no direction is inbound");

import_line_reader *import_line_reader_open(import_format format)
{
    import_line_reader *r = td_alloc_zero(1, sizeof *r);
    r->format = format;
    td_buf_init(&r->data, LIMIT_IMPORT_LINE_BYTES + JSON_PADDING_BYTES);
    r->parser = json_parser_open(LIMIT_IMPORT_LINE_BYTES);
    return r;
}

void import_line_reader_close(import_line_reader *reader)
{
    if (reader == NULL)
        return;
    json_parser_close(reader->parser);
    td_buf_fini(&reader->data);
    td_free(reader);
}

/* ---- times ---- */

/* Digits at the start of text as a number: how many there were, 0 if none or too large. */
static size_t parse_digits(td_bytes text, uint64_t *out)
{
    uint64_t value = 0;
    size_t n = 0;
    for (; n < text.size && text.data[n] >= '0' && text.data[n] <= '9'; n++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text.data[n] - '0'), &value))
            return 0;
    }
    *out = value;
    return n;
}

/* The digits after a point as ns: exactly nine places, zeros beyond them. */
static int parse_fraction(td_bytes text, uint64_t *ns)
{
    uint64_t value = 0;
    uint64_t unit = TD_NS_PER_S;
    if (text.size == 0)
        return 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t digit = (uint8_t)(text.data[i] - '0');
        if (digit > 9 || (i >= 9 && digit != 0))
            return 0;
        unit /= i < 9 ? 10 : 1;
        value += i < 9 ? digit * unit : 0;
    }
    TD_ASSERT(value < TD_NS_PER_S);
    *ns = value;
    return 1;
}

/* seconds and ns as one number: 1 if it is in (0, 2^63). */
static int join_time(uint64_t seconds, uint64_t fraction_ns, uint64_t *ns)
{
    TD_ASSERT(fraction_ns < TD_NS_PER_S);
    uint64_t total;
    if (__builtin_mul_overflow(seconds, TD_NS_PER_S, &total) ||
        __builtin_add_overflow(total, fraction_ns, &total) || total == 0 || total > INT64_MAX)
        return 0;
    *ns = total;
    return 1;
}

/* Decimal seconds ("1618677785.489609") as ns. 1, or 0 if that is no time in (0, 2^63) ns with at
 * most nine decimal places (zeros after them are fine). */
static int import_time_parse(td_bytes text, uint64_t *ns)
{
    uint64_t seconds = 0;
    uint64_t fraction_ns = 0;
    size_t n = parse_digits(text, &seconds);
    if (n == 0)
        return 0;
    if (n < text.size) {
        if (text.data[n] != '.')
            return 0;
        if (!parse_fraction(td_bytes_of(text.data + n + 1, text.size - n - 1), &fraction_ns))
            return 0;
    }
    return join_time(seconds, fraction_ns, ns);
}

/* A time as "ts" has it: with a point seconds, without one s, ms, us or ns by its magnitude
 * (docs/design.md, "TIME and DURATION": each unit is some thousand times the next one in any year
 * of use). */
static int parse_epoch(td_bytes text, uint64_t *ns)
{
    static const uint64_t FACTORS[] = {TD_NS_PER_S, TD_NS_PER_MS, TD_NS_PER_US, 1};
    uint64_t value = 0;
    if (parse_digits(text, &value) != text.size || text.size == 0)
        return import_time_parse(text, ns);
    size_t unit = 0;
    for (uint64_t bound = UINT64_C(100000000000); unit < 3 && value >= bound; bound *= 1000)
        unit++;
    TD_ASSERT(unit < sizeof FACTORS / sizeof FACTORS[0]);
    if (__builtin_mul_overflow(value, FACTORS[unit], ns))
        return 0;
    return *ns > 0 && *ns <= INT64_MAX;
}

/* A number, or a string that holds one, as its digits stand. */
static td_bytes number_text(json_value value)
{
    td_bytes text = {0};
    if (json_type_of(value) == JSON_NUMBER)
        return json_raw(value);
    (void)json_text(value, &text); /* not a string: text stays empty, which no time is */
    return text;
}

/* ---- what both formats share ---- */

/* Returns 0, so that a reader can end with it. */
static int refuse(import_line_reader *r, const char **reason, const char *text)
{
    TD_ASSERT(text != NULL);
    (void)td_err_set(&r->err, TD_E_INVALID, "%s", text); /* the code is what was put in */
    *reason = r->err.text;
    return 0;
}

/* A value of the line with padding after it: the parser's own memory has none. */
static td_bytes padded(import_line_reader *r, td_bytes line, td_bytes value)
{
    static const uint8_t PADDING[JSON_PADDING_BYTES];
    if (value.data >= line.data && value.data + value.size <= line.data + line.size)
        return value;
    td_buf_clear(&r->data);
    td_result rc = td_buf_append(&r->data, value.data, value.size, NULL);
    TD_ASSERT(rc == TD_OK); /* no value is longer than its line */
    rc = td_buf_append(&r->data, PADDING, sizeof PADDING, NULL);
    TD_ASSERT(rc == TD_OK);
    return td_bytes_of(r->data.data, value.size);
}

/* The line as a JSON object. */
static int parse_object(import_line_reader *r, td_bytes line, json_value *out, const char **reason)
{
    if (json_parse(r->parser, line, JSON_PADDED, out, &r->err) != TD_OK) {
        *reason = r->err.text;
        return 0;
    }
    return json_type_of(*out) == JSON_OBJECT ? 1 : refuse(r, reason, "not a JSON object");
}

/* The frame in a member: a string's text, or the bytes of an object or array as they stand. */
static int take_data(import_line_reader *r, td_bytes line, json_value value, import_record *out,
                     const char **reason)
{
    td_bytes data = {0};
    json_type type = json_type_of(value);
    if (type == JSON_OBJECT || type == JSON_ARRAY)
        data = json_raw(value);
    else if (!json_text(value, &data))
        return refuse(r, reason, "\"data\" is neither a string nor an object or array");
    if (data.size == 0)
        return refuse(r, reason, "\"data\" is empty");
    out->data = padded(r, line, data);
    return 1;
}

#define TIME_REFUSAL "the time is not between 1990-01-01 and 2100-01-01, UTC"

/* 1 if a frame may have come then; a slip of a digit or of a unit lands elsewhere. */
static int check_time(import_line_reader *r, uint64_t ns, const char **reason)
{
    return (ns >= LIMIT_IMPORT_FIRST_NS && ns < LIMIT_IMPORT_END_NS) ||
           refuse(r, reason, TIME_REFUSAL);
}

/* ---- cryptofeed ---- */

/* Where needle begins in text, or text.size. */
static size_t find_text(td_bytes text, const char *needle)
{
    const uint8_t *at = memmem(text.data, text.size, needle, strlen(needle));
    return at == NULL ? text.size : (size_t)(at - text.data);
}

/* "TIME: DATA". */
static int read_time_and_data(import_line_reader *r, td_bytes text, import_record *out,
                              const char **reason)
{
    size_t colon = find_text(text, ": ");
    if (colon == text.size)
        return refuse(r, reason, "expected 'TIME: DATA', found no ': '");
    if (!import_time_parse(td_bytes_of(text.data, colon), &out->time_ns))
        return refuse(r, reason, "the time before ': ' is not decimal seconds");
    if (!check_time(r, out->time_ns, reason))
        return 0;
    out->kind = IMPORT_FRAME;
    out->time_source = IMPORT_TIME_FILE;
    out->data = td_bytes_of(text.data + colon + 2, text.size - colon - 2);
    return out->data.size > 0 ? 1 : refuse(r, reason, "there is nothing after 'TIME: '");
}

/* "URL <- TIME: DATA" (sent), "URL -> TIME: DATA" (an HTTP reply), "URL <-> TIME" (connected). */
static int read_url_line(import_line_reader *r, td_bytes line, import_record *out,
                         const char **reason)
{
    const uint8_t *space = memchr(line.data, ' ', line.size);
    if (space == NULL)
        return refuse(r, reason, "expected '<-', '->' or '<->' after the URL");
    size_t url_size = (size_t)(space - line.data);
    td_bytes rest = td_bytes_of(space + 1, line.size - url_size - 1);
    out->url = td_bytes_of(line.data, url_size);
    if (rest.size > 4 && memcmp(rest.data, "<-> ", 4) == 0) {
        out->kind = IMPORT_CONNECT;
        out->time_source = IMPORT_TIME_FILE;
        td_bytes time = td_bytes_of(rest.data + 4, rest.size - 4);
        return import_time_parse(time, &out->time_ns)
                   ? check_time(r, out->time_ns, reason)
                   : refuse(r, reason, "the time after '<->' is not decimal seconds");
    }
    if (rest.size > 3 && memcmp(rest.data, "<- ", 3) == 0)
        out->dir = DIR_OUT;
    else if (rest.size > 3 && memcmp(rest.data, "-> ", 3) == 0)
        out->dir = DIR_HTTP;
    else
        return refuse(r, reason, "expected '<-', '->' or '<->' after the URL");
    return read_time_and_data(r, td_bytes_of(rest.data + 3, rest.size - 3), out, reason);
}

/* What a line of format 2 is, by its "t". */
typedef struct line_type {
    const char *name;
    import_kind kind;
    frame_dir dir;
    const char *url_key;
} line_type;

static const line_type LINE_TYPES[] = {
    {"recv", IMPORT_FRAME, DIR_IN, "addr"},          {"send", IMPORT_FRAME, DIR_OUT, "addr"},
    {"http", IMPORT_FRAME, DIR_HTTP, "url"},         {"connect", IMPORT_CONNECT, DIR_IN, "addr"},
    {"header", IMPORT_NOTHING, DIR_IN, NULL},        {"config", IMPORT_NOTHING, DIR_IN, NULL},
    {"configuration", IMPORT_NOTHING, DIR_IN, NULL},
};

/* Lines of unknown type are refused: they may be frames of a later version of the format. */
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

/* A line of format 2: {"t":…,"conn":…,"ts":…,"addr" or "url":…,"data":…}. */
static int read_format2(import_line_reader *r, td_bytes line, import_record *out,
                        const char **reason)
{
    json_value root;
    json_value value;
    if (!parse_object(r, line, &root, reason))
        return 0;
    const line_type *type = find_line_type(root);
    if (type == NULL)
        return refuse(r, reason, "\"t\" is none of recv, send, http, connect, header, config");
    out->kind = type->kind;
    out->dir = type->dir;
    if (type->kind == IMPORT_NOTHING)
        return 1;
    if (!json_find(root, "ts", &value) || !import_time_parse(number_text(value), &out->time_ns))
        return refuse(r, reason, "\"ts\" is missing or not decimal seconds");
    if (!check_time(r, out->time_ns, reason))
        return 0;
    out->time_source = IMPORT_TIME_FILE;
    (void)json_find_text(root, "conn", &out->conn);       /* may be absent: one connection */
    (void)json_find_text(root, type->url_key, &out->url); /* recv lines have none */
    if (type->kind == IMPORT_CONNECT)
        return 1;
    if (!json_find(root, "data", &value))
        return refuse(r, reason, "no \"data\"");
    return take_data(r, line, value, out, reason);
}

static int starts_with(td_bytes text, const char *prefix)
{
    size_t size = strlen(prefix);
    return text.size >= size && memcmp(text.data, prefix, size) == 0;
}

/* Both generations: the first begins with a time or a URL, the second is JSON. */
static int read_cryptofeed(import_line_reader *r, td_bytes line, import_record *out,
                           const char **reason)
{
    /* Blank lines were taken before. */
    TD_ASSERT(line.size > 0);
    static const char *const SCHEMES[] = {"wss://", "ws://", "https://", "http://"};
    if (line.data[0] == '{')
        return read_format2(r, line, out, reason);
    if (starts_with(line, "configuration: "))
        return 1;
    for (size_t i = 0; i < sizeof SCHEMES / sizeof SCHEMES[0]; i++)
        if (starts_with(line, SCHEMES[i]))
            return read_url_line(r, line, out, reason);
    return read_time_and_data(r, line, out, reason);
}

/* ---- jsonl ---- */

/* The direction of a wrapper. 0 if it is none. */
static int read_dir(json_value root, frame_dir *dir)
{
    static const char *const NAMES[] = {[DIR_IN] = "in", [DIR_OUT] = "out", [DIR_HTTP] = "http"};
    json_value value;
    td_bytes name;
    if (!json_find(root, "dir", &value))
        return 1;
    if (!json_text(value, &name))
        return 0;
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        if (td_bytes_is(name, NAMES[i])) {
            *dir = (frame_dir)i;
            return 1;
        }
    }
    return 0;
}

/* Is the object a wrapper around a frame, or a frame of its own? "recv_ns" is no exchange's; "ts"
 * is, in frames that have a "topic". Fills the wrapper's time member. */
static int find_wrapper_time(json_value root, json_value *time, uint8_t *is_ns)
{
    json_value other;
    *is_ns = 1;
    if (json_find(root, "recv_ns", time))
        return 1;
    *is_ns = 0;
    return json_find(root, "ts", time) && !json_find(root, "topic", &other) &&
           (json_find(root, "data", &other) || json_find(root, "url", &other));
}

/* recv_ns is exact; the magnitude of ts determines its unit. */
static int read_wrapper(import_line_reader *r, td_bytes line, json_value root, td_bytes time,
                        uint8_t is_ns, import_record *out, const char **reason)
{
    json_value value;
    if (is_ns && (parse_digits(time, &out->time_ns) != time.size || out->time_ns == 0 ||
                  out->time_ns > INT64_MAX))
        return refuse(r, reason, "\"recv_ns\" is no time in nanoseconds");
    if (!is_ns && !parse_epoch(time, &out->time_ns))
        return refuse(r, reason, "\"ts\" is no time since 1970");
    if (!check_time(r, out->time_ns, reason))
        return 0;
    out->time_source = IMPORT_TIME_FILE;
    if (!read_dir(root, &out->dir))
        return refuse(r, reason, "\"dir\" is none of in, out, http");
    if (json_find(root, "conn", &value))
        out->conn = number_text(value);
    (void)json_find_text(root, "url", &out->url); /* may be absent */
    if (!json_find(root, "data", &value)) {
        out->kind = IMPORT_CONNECT;
        return out->url.size > 0 ? 1 : refuse(r, reason, "no \"data\", and no \"url\" either");
    }
    out->kind = IMPORT_FRAME;
    return take_data(r, line, value, out, reason);
}

/* A line is a wrapper around a frame, or the frame itself. */
static int read_jsonl(import_line_reader *r, td_bytes line, import_record *out, const char **reason)
{
    json_value root;
    json_value time;
    uint8_t is_ns = 0;
    if (json_parse(r->parser, line, JSON_PADDED, &root, &r->err) != TD_OK) {
        *reason = r->err.text;
        return 0;
    }
    json_type type = json_type_of(root);
    if (type != JSON_OBJECT && type != JSON_ARRAY)
        return refuse(r, reason, "neither a JSON object nor an array");
    if (type == JSON_OBJECT && find_wrapper_time(root, &time, &is_ns))
        return read_wrapper(r, line, root, number_text(time), is_ns, out, reason);
    out->kind = IMPORT_FRAME;
    out->data = line;
    return 1;
}

static int is_blank(td_bytes line)
{
    for (size_t i = 0; i < line.size; i++)
        if (line.data[i] != ' ' && line.data[i] != '\t')
            return 0;
    return 1;
}

int import_line_read(import_line_reader *reader, td_bytes line, import_record *out,
                     const char **reason)
{
    TD_ASSERT(line.size <= LIMIT_IMPORT_LINE_BYTES);
    *out = (import_record){.kind = IMPORT_NOTHING};
    *reason = NULL;
    td_err_clear(&reader->err);
    if (is_blank(line))
        return 1;
    int is_good = reader->format == IMPORT_CRYPTOFEED ? read_cryptofeed(reader, line, out, reason)
                                                      : read_jsonl(reader, line, out, reason);
    TD_ASSERT(is_good == (*reason == NULL));
    return is_good;
}
