#include "base/json/json_write.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/scan.h"
#include "base/utf8.h"

static inline void put(json_writer *writer, const void *bytes, size_t size)
{
    uint8_t *to = size == 0 ? NULL : json_write_space(writer, size);
    if (to == NULL)
        return;
    memcpy(to, bytes, size);
    writer->out->size += size;
}

static inline void put_char(json_writer *writer, char c)
{
    uint8_t *to = json_write_space(writer, 1);
    if (to == NULL)
        return;
    *to = (uint8_t)c;
    writer->out->size++;
}

/* Write the escape of a control character, '"' or '\\'. */
static void put_escape(json_writer *writer, uint32_t code)
{
    static const char SHORT_FROM[] = "\"\\\b\f\n\r\t";
    static const char SHORT_TO[] = "\"\\bfnrt";
    const char *found = code == 0 || code > 0x7f ? NULL : strchr(SHORT_FROM, (int)code);
    if (found != NULL) {
        char text[2] = {'\\', SHORT_TO[found - SHORT_FROM]};
        put(writer, text, sizeof text);
        return;
    }
    char text[8];
    int size = snprintf(text, sizeof text, "\\u%04x", code & 0xffff);
    TD_ASSERT(size == 6);
    put(writer, text, (size_t)size);
}

/* Bytes of the character at p if a string may contain it unescaped, else 0. JSON would allow DEL,
 * C1 and direction marks, but output also goes to terminals. */
static size_t plain_bytes(const uint8_t *p, size_t size)
{
    if (size == 1)
        return *p >= 0x20 && *p != '"' && *p != '\\' && *p != 0x7f;
    return size == 0 || (size < 4 && td_utf8_is_control(td_utf8_code(p, size))) ? 0 : size;
}

/* 1 if eight bytes are ASCII and need no escapes. */
static inline int word_is_plain(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t del = word ^ (ones * 0x7f);
    /* A borrow from another byte may give a false 0, but never a false 1. */
    return (scan_special_bytes(word) | ((del - ones) & (ones << 7))) == 0;
}

/* Write a text that needs no escapes (nearly all texts), with quotes, at `to`, which must have
 * space for it. Returns the end of the output, or NULL if the text needs escapes. */
static uint8_t *place_plain(uint8_t *to, td_bytes text)
{
    const uint8_t *p = text.data;
    size_t left = text.size;
    *to++ = '"';
    for (; left >= sizeof(uint64_t); left -= sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, p, sizeof word);
        if (!word_is_plain(word))
            return NULL;
        memcpy(to, &word, sizeof word);
        p += sizeof word;
        to += sizeof word;
    }
    if (left >= sizeof(uint32_t)) { /* the first and last four bytes, which may overlap */
        uint32_t first;
        uint32_t last;
        memcpy(&first, p, sizeof first);
        memcpy(&last, p + left - sizeof last, sizeof last);
        if (!word_is_plain((uint64_t)last << 32 | first))
            return NULL;
        memcpy(to, &first, sizeof first);
        memcpy(to + left - sizeof last, &last, sizeof last);
        to += left;
        left = 0;
    }
    for (; left > 0; left--, p++) {
        if (*p < 0x20 || *p >= 0x7f || *p == '"' || *p == '\\')
            return NULL;
        *to++ = *p;
    }
    *to++ = '"';
    return to;
}

/* Write a string with its quotes. Runs of unescaped characters are copied together. */
static void put_string(json_writer *writer, td_bytes text)
{
    uint8_t *to = json_write_space(writer, text.size + 2);
    uint8_t *end = to == NULL ? NULL : place_plain(to, text);
    if (TD_LIKELY(end != NULL)) {
        writer->out->size += (size_t)(end - to);
        return;
    }
    put_char(writer, '"');
    size_t done = 0; /* the text before it has been written */
    for (size_t at = 0; at < text.size;) {
        const uint8_t *p = text.data + at;
        size_t size = td_utf8_bytes(p, text.size - at);
        size_t plain = plain_bytes(p, size);
        if (plain > 0) {
            at += plain;
            continue;
        }
        put(writer, text.data + done, at - done);
        if (size == 0)
            put(writer, "\xef\xbf\xbd", 3); /* U+FFFD */
        else
            put_escape(writer, td_utf8_code(p, size));
        at += size == 0 ? 1 : size;
        done = at;
    }
    if (done < text.size) /* an empty view may have no data pointer */
        put(writer, text.data + done, text.size - done);
    put_char(writer, '"');
}

/* Write the comma before a value if needed, and assert that a value is allowed here. */
static inline void value_begins(json_writer *writer)
{
    if (writer->depth == 0) {
        TD_ASSERT(!writer->is_complete);
        return;
    }
    uint8_t *frame = &writer->frames[writer->depth - 1];
    if (*frame & JSON_IN_OBJECT) {
        TD_ASSERT(*frame & JSON_KEY_OPEN);
        *frame &= (uint8_t)~JSON_KEY_OPEN;
        return;
    }
    if (*frame & JSON_NOT_EMPTY)
        put_char(writer, ',');
    *frame |= JSON_NOT_EMPTY;
}

static inline void value_ends(json_writer *writer)
{
    if (writer->depth == 0)
        writer->is_complete = 1;
}

uint8_t *json_write_value_begin(json_writer *writer, size_t size_max)
{
    value_begins(writer);
    return json_write_space(writer, size_max);
}

void json_write_value_end(json_writer *writer, const uint8_t *place, size_t size)
{
    writer->out->size += place == NULL ? 0 : size;
    value_ends(writer);
}

/* Write a value that is a few bytes of text. */
static void put_value(json_writer *writer, const void *text, size_t size)
{
    value_begins(writer);
    put(writer, text, size);
    value_ends(writer);
}

void json_write_begin(json_writer *writer, td_buf *out)
{
    TD_ASSERT(out != NULL);
    writer->out = out;
    td_err_clear(&writer->err);
    writer->rc = TD_OK;
    writer->depth = 0;
    writer->is_complete = 0;
}

td_result json_write_end(json_writer *writer, td_err *err)
{
    TD_ASSERT(writer->depth == 0);
    TD_ASSERT(writer->is_complete);
    if (writer->rc == TD_OK)
        return TD_OK;
    return td_err_set(err, writer->rc, "writing JSON: %s", writer->err.text);
}

/* Open and close containers; the closed one must be the open one. */
static void container_begin(json_writer *writer, uint8_t frame, char bracket)
{
    TD_ASSERT(writer->depth < LIMIT_JSON_DEPTH);
    value_begins(writer);
    writer->frames[writer->depth++] = frame;
    put_char(writer, bracket);
}

static void container_end(json_writer *writer, uint8_t frame, char bracket)
{
    TD_ASSERT(writer->depth > 0);
    uint8_t open = writer->frames[writer->depth - 1];
    TD_ASSERT((open & JSON_IN_OBJECT) == frame);
    TD_ASSERT(!(open & JSON_KEY_OPEN));
    writer->depth--;
    put_char(writer, bracket);
    value_ends(writer);
}

void json_write_object_begin(json_writer *writer)
{
    container_begin(writer, JSON_IN_OBJECT, '{');
}

void json_write_object_end(json_writer *writer)
{
    container_end(writer, JSON_IN_OBJECT, '}');
}

void json_write_array_begin(json_writer *writer)
{
    container_begin(writer, 0, '[');
}

void json_write_array_end(json_writer *writer)
{
    container_end(writer, 0, ']');
}

void json_write_key_bytes(json_writer *writer, td_bytes key)
{
    TD_ASSERT(writer->depth > 0);
    uint8_t *frame = &writer->frames[writer->depth - 1];
    TD_ASSERT(*frame & JSON_IN_OBJECT);
    TD_ASSERT(!(*frame & JSON_KEY_OPEN));
    int has_comma = (*frame & JSON_NOT_EMPTY) != 0;
    *frame |= JSON_NOT_EMPTY | JSON_KEY_OPEN;
    uint8_t *to = json_write_space(writer, key.size + 4);
    if (TD_LIKELY(to != NULL)) {
        *to = ',';
        uint8_t *end = place_plain(to + has_comma, key);
        if (TD_LIKELY(end != NULL)) {
            *end++ = ':';
            writer->out->size += (size_t)(end - to);
            return;
        }
    }
    if (has_comma)
        put_char(writer, ',');
    put_string(writer, key);
    put_char(writer, ':');
}

void json_write_key(json_writer *writer, const char *key)
{
    json_write_key_bytes(writer, td_bytes_str(key));
}

void json_write_bytes(json_writer *writer, td_bytes text)
{
    value_begins(writer);
    put_string(writer, text);
    value_ends(writer);
}

static void write_hex(json_writer *writer, td_bytes bytes)
{
    static const char DIGITS[] = "0123456789abcdef";
    value_begins(writer);
    put_char(writer, '"');
    for (size_t i = 0; i < bytes.size; i++) {
        put_char(writer, DIGITS[bytes.data[i] >> 4]);
        put_char(writer, DIGITS[bytes.data[i] & 15]);
    }
    put_char(writer, '"');
    value_ends(writer);
}

void json_write_member_text_or_hex(json_writer *writer, const char *key, const char *hex_key,
                                   td_bytes bytes)
{
    int is_text = td_utf8_is_text(bytes);
    json_write_key(writer, is_text ? key : hex_key);
    if (is_text)
        json_write_bytes(writer, bytes);
    else
        write_hex(writer, bytes);
}

void json_write_text(json_writer *writer, const char *text)
{
    if (text == NULL)
        json_write_null(writer);
    else
        json_write_bytes(writer, td_bytes_str(text));
}

/* Printed at the end of the first half, so that a copy of a fixed size, which needs no call, has
 * the whole text. */
static void put_integer(json_writer *writer, uint64_t magnitude, int is_negative)
{
    char text[2 * TD_DECIMAL_TEXT_BYTES];
    char *const end = text + TD_DECIMAL_TEXT_BYTES;
    char *at = td_digits_write(end, magnitude);
    if (is_negative)
        *--at = '-';
    uint8_t *to = json_write_value_begin(writer, TD_DECIMAL_TEXT_BYTES);
    if (TD_LIKELY(to != NULL))
        memcpy(to, at, TD_DECIMAL_TEXT_BYTES);
    json_write_value_end(writer, to, (size_t)(end - at));
}

void json_write_i64(json_writer *writer, int64_t value)
{
    put_integer(writer, value < 0 ? -(uint64_t)value : (uint64_t)value, value < 0);
}

void json_write_u64(json_writer *writer, uint64_t value)
{
    put_integer(writer, value, 0);
}

void json_write_decimal(json_writer *writer, td_decimal value)
{
    uint8_t *to = json_write_value_begin(writer, TD_DECIMAL_PRINT_BYTES + 2);
    uint8_t *end = to;
    if (TD_LIKELY(to != NULL)) {
        TD_ASSERT(value.scale <= TD_DECIMAL_SCALE_MAX);
        *end++ = '"';
        end = td_decimal_print(end, value.mantissa, value.scale, 0);
        *end++ = '"';
    }
    json_write_value_end(writer, to, (size_t)(end - to));
}

void json_write_bool(json_writer *writer, int value)
{
    put_value(writer, value ? "true" : "false", value ? 4 : 5);
}

void json_write_null(json_writer *writer)
{
    put_value(writer, "null", 4);
}

void json_write_raw(json_writer *writer, td_bytes json)
{
    TD_ASSERT(json.size > 0);
    put_value(writer, json.data, json.size);
}
