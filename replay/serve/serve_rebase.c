#include "replay/serve/serve_rebase.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/time_text.h"
#include "base/json/json.h"

enum {
    DATE_TIME_BYTES = 19, /* "2021-04-17T16:43:05" */
    SECONDS_DIGITS = 10,  /* digits of a time in seconds, from 2001 to 2286 */
    DIGITS_MAX = 19,      /* digits of a time in nanoseconds */
    KEYS_BYTES = 256,     /* size of a log line's list of keys */
};

struct serve_rebase {
    const td_log *log;
    json_parser *parser;
    td_buf out;
    const topic_row **logged;
    size_t logged_count;
};

serve_rebase *serve_rebase_open(const td_log *log)
{
    serve_rebase *self = td_alloc_zero(1, sizeof *self);
    self->log = log;
    self->parser = json_parser_open(0);
    td_buf_init(&self->out, LIMIT_FRAME_BYTES);
    return self;
}

void serve_rebase_close(serve_rebase *self)
{
    if (self == NULL)
        return;
    json_parser_close(self->parser);
    td_buf_fini(&self->out);
    td_free(self->logged);
    td_free(self);
}

/* ---- members ---- */

/* Return the last key of a field's path. */
static const char *key_of(const field_row *field)
{
    const char *dot = strrchr(field->key, '.');
    return dot == NULL ? field->key : dot + 1;
}

static int has_time(const field_row *fields, size_t count, td_bytes key)
{
    for (size_t i = 0; i < count; i++) {
        if (fields[i].type == FIELD_TIME && td_bytes_is(key, key_of(&fields[i])))
            return 1;
    }
    return 0;
}

static size_t put_keys(char text[KEYS_BYTES], size_t size, const field_row *fields, size_t count)
{
    for (size_t i = 0; i < count && size < KEYS_BYTES; i++) {
        if (fields[i].type == FIELD_TIME)
            size += (size_t)snprintf(text + size, KEYS_BYTES - size, "%s%s", size == 0 ? "" : ", ",
                                     key_of(&fields[i]));
    }
    return size;
}

static void log_row(serve_rebase *self, const topic_row *row)
{
    char keys[KEYS_BYTES] = "";
    for (size_t i = 0; i < self->logged_count; i++) {
        if (self->logged[i] == row)
            return;
    }
    self->logged = td_array_grow(self->logged, self->logged_count, sizeof(const topic_row *));
    self->logged[self->logged_count++] = row;
    size_t size = put_keys(keys, 0, row->envelope, row->envelope_count);
    (void)put_keys(keys, size, row->fields, row->field_count); /* truncated if long */
    td_log_emit(self->log, TD_LOG_INFO, "%s: shifted times: %s", row->name, keys);
}

/* ---- shifting ---- */

static int is_date_time(const uint8_t *text, size_t size)
{
    return size >= DATE_TIME_BYTES && text[4] == '-' && text[10] == 'T';
}

/* Shift a date; its fraction and zone stay. */
static void shift_date_time(uint8_t *text, int64_t shift_s)
{
    char shifted[TD_TIME_TEXT_BYTES];
    char whole[DATE_TIME_BYTES + 2];
    uint64_t ns;
    (void)snprintf(whole, sizeof whole, "%.*sZ", DATE_TIME_BYTES, (const char *)text);
    if (td_time_parse_rfc3339(td_bytes_str(whole), &ns, NULL) != TD_OK)
        return;
    td_time_format(ns + (uint64_t)(shift_s * (int64_t)TD_NS_PER_S), shifted);
    memcpy(text, shifted, DATE_TIME_BYTES);
}

/* Shift a number's digits; a fraction stays. */
static void shift_number(uint8_t *text, size_t size, int64_t shift_s)
{
    char shifted[24];
    uint64_t value = 0, unit = 1;
    size_t digits = 0;
    for (; digits < size && digits <= DIGITS_MAX && text[digits] >= '0' && text[digits] <= '9';
         digits++)
        value = value * 10 + (uint64_t)(text[digits] - '0');
    if (digits < SECONDS_DIGITS || digits > DIGITS_MAX || (digits - SECONDS_DIGITS) % 3 != 0)
        return;
    for (size_t i = SECONDS_DIGITS; i < digits; i++)
        unit *= 10;
    value += (uint64_t)shift_s * unit;
    if ((size_t)snprintf(shifted, sizeof shifted, "%" PRIu64, value) == digits)
        memcpy(text, shifted, digits);
}

static void shift_value(serve_rebase *self, json_value value, int64_t shift_s)
{
    td_bytes raw = json_raw(value);
    uint8_t *text = self->out.data + json_offset(value);
    size_t size = raw.size;
    if (json_type_of(value) == JSON_STRING) {
        text++;
        size -= 2;
    }
    if (is_date_time(text, size))
        shift_date_time(text, shift_s);
    else
        shift_number(text, size, shift_s);
}

/* Shift the times in a value, which is in a container of this type. A list in a list is a
 * positional entry, whose fields have places as names. The recursion depth is at most
 * LIMIT_JSON_DEPTH, the parser's limit. */
static void shift_times(serve_rebase *self, const topic_row *row, int64_t shift_s, json_value value,
                        json_type around)
{
    json_value key, element;
    const json_type own = json_type_of(value);
    const int is_entry =
        own == JSON_ARRAY && around == JSON_ARRAY && (row->items[0].flags & ITEMS_POSITIONAL) != 0;
    size_t place = 0;
    for (json_iter it = json_iter_of(value); json_next(&it, &key, &element); place++) {
        json_type type = json_type_of(element);
        char digits[24];
        td_bytes name = td_bytes_of(NULL, 0);
        if (type == JSON_OBJECT || type == JSON_ARRAY) {
            shift_times(self, row, shift_s, element, own);
            continue;
        }
        if (is_entry)
            name = td_bytes_of(digits, (size_t)snprintf(digits, sizeof digits, "%zu", place));
        if ((is_entry || (own == JSON_OBJECT && json_text(key, &name))) &&
            (has_time(row->envelope, row->envelope_count, name) ||
             has_time(row->fields, row->field_count, name)))
            shift_value(self, element, shift_s);
    }
}

td_bytes serve_rebase_frame(serve_rebase *self, const topic_row *row, int64_t shift_s,
                            td_bytes frame)
{
    json_value root;
    if (self == NULL || row == NULL)
        return frame;
    td_buf_clear(&self->out);
    if (json_parse(self->parser, frame, JSON_COPIED, &root, NULL) != TD_OK)
        return frame;
    log_row(self, row);
    td_buf_add(&self->out, frame.data, frame.size);
    shift_times(self, row, shift_s, root, JSON_NULL);
    return td_buf_view(&self->out);
}
