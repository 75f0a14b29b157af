/* Writes JSON text piece by piece to a td_buf: reports, events, requests, schemas.
 *
 * The writer adds commas and colons, escapes strings, and asserts that calls nest correctly (keys
 * only in objects, values only where allowed): a wrong order is a bug. The first failure (the
 * buffer's bound) is kept: later calls do nothing and json_write_end() returns it, so that callers
 * check once.
 *
 * Text is compact, without white space. Strings may have any bytes: each byte that is not part of
 * valid UTF-8 becomes U+FFFD; controls and direction marks, on which a terminal may act, are
 * escaped. Decimals are exact strings in shortest form. The writer is on the caller's stack; one
 * thread. */
#ifndef TD_JSON_WRITE_H
#define TD_JSON_WRITE_H

#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/decimal.h"
#include "base/err.h"
#include "base/limits.h"

/* Kind and state of an open container: bits of json_writer.frames. */
enum {
    JSON_IN_OBJECT = 1 << 0, /* else an array */
    JSON_NOT_EMPTY = 1 << 1, /* a comma comes before the next member */
    JSON_KEY_OPEN = 1 << 2,  /* a key was written, its value is due */
};

typedef struct json_writer {
    td_buf *out;
    td_err err;                       /* of the first failure */
    td_result rc;                     /* TD_OK, or the first failure */
    uint32_t depth;                   /* open objects and arrays */
    uint8_t frames[LIMIT_JSON_DEPTH]; /* their kinds and states */
    uint8_t is_complete;              /* 1: a whole value was written at depth 0 */
} json_writer;

/* Reserve the next size bytes of output, for the functions below; NULL after the first failure. */
static inline uint8_t *json_write_space(json_writer *writer, size_t size)
{
    td_buf *out = writer->out;
    if (TD_UNLIKELY(writer->rc != TD_OK))
        return NULL;
    if (TD_UNLIKELY(size > out->capacity - out->size))
        writer->rc = td_buf_reserve(out, size, &writer->err);
    return TD_LIKELY(writer->rc == TD_OK) ? out->data + out->size : NULL;
}

/* Start one JSON value at the end of out, which is borrowed until json_write_end(). */
void json_write_begin(json_writer *writer, td_buf *out);

/* End the value, which must be complete (asserted). Returns the first failure; out then has the
 * text so far. */
TD_MUST_USE td_result json_write_end(json_writer *writer, td_err *err);

/* Containers. Nesting is at most LIMIT_JSON_DEPTH (asserted). */
void json_write_object_begin(json_writer *writer);
void json_write_object_end(json_writer *writer);
void json_write_array_begin(json_writer *writer);
void json_write_array_end(json_writer *writer);

/* Key of the next member of the open object. */
void json_write_key(json_writer *writer, const char *key);
void json_write_key_bytes(json_writer *writer, td_bytes key);

/* Reserve at most size_max bytes for whole members of the open object, as unchecked JSON text: for
 * text that is written thousands of times. The caller writes it there and gives its end. NULL after
 * the first failure. */
static inline uint8_t *json_write_members_begin(json_writer *writer, size_t size_max)
{
    TD_ASSERT(writer->depth > 0);
    uint8_t *frame = &writer->frames[writer->depth - 1];
    TD_ASSERT((*frame & (JSON_IN_OBJECT | JSON_KEY_OPEN)) == JSON_IN_OBJECT);
    const size_t comma = (*frame & JSON_NOT_EMPTY) != 0;
    *frame |= JSON_NOT_EMPTY;
    uint8_t *to = json_write_space(writer, size_max + 1);
    if (TD_UNLIKELY(to == NULL))
        return NULL;
    *to = ',';
    return to + comma;
}

static inline void json_write_members_end(json_writer *writer, const uint8_t *end)
{
    writer->out->size = (size_t)(end - writer->out->data);
}

/* Likewise, copy members that are text. */
static inline void json_write_raw_members(json_writer *writer, td_bytes text)
{
    uint8_t *to = json_write_members_begin(writer, text.size);
    if (TD_UNLIKELY(to == NULL))
        return;
    memcpy(to, text.data, text.size);
    json_write_members_end(writer, to + text.size);
}

/* Likewise, of the next key with its colon. A literal costs a fifth of json_write_key. */
static inline void json_write_raw_key(json_writer *writer, td_bytes text)
{
    json_write_raw_members(writer, text);
    writer->frames[writer->depth - 1] |= JSON_KEY_OPEN;
}

/* A member's name for json_write_raw_key, from a literal that needs no escapes. */
#define JSON_NAME(name) td_bytes_of("\"" name "\":", sizeof("\"" name "\":") - 1)

/* Write a string, escaped. NULL text writes null. */
void json_write_text(json_writer *writer, const char *text);
void json_write_bytes(json_writer *writer, td_bytes text);

/* Write an integer. Readers that use floating point lose digits above 2^53. */
void json_write_i64(json_writer *writer, int64_t value);
void json_write_u64(json_writer *writer, uint64_t value);

/* Write a decimal as a string in shortest form: "60591", "0.5". */
void json_write_decimal(json_writer *writer, td_decimal value);

/* Write true, or false for 0; write null. */
void json_write_bool(json_writer *writer, int value);
void json_write_null(json_writer *writer);

/* Reserve at most size_max bytes for a value that is unchecked JSON text, and end it:
 * place is what begin returned, NULL after the first failure. */
uint8_t *json_write_value_begin(json_writer *writer, size_t size_max);
void json_write_value_end(json_writer *writer, const uint8_t *place, size_t size);

/* Write a value that is JSON text; it is copied unchecked. */
void json_write_raw(json_writer *writer, td_bytes json);

/* Write key and value in one call. */
static inline void json_write_member_text(json_writer *writer, const char *key, const char *text)
{
    json_write_key(writer, key);
    json_write_text(writer, text);
}

static inline void json_write_member_object_begin(json_writer *writer, const char *key)
{
    json_write_key(writer, key);
    json_write_object_begin(writer);
}

static inline void json_write_member_array_begin(json_writer *writer, const char *key)
{
    json_write_key(writer, key);
    json_write_array_begin(writer);
}

static inline void json_write_member_bytes(json_writer *writer, const char *key, td_bytes text)
{
    json_write_key(writer, key);
    json_write_bytes(writer, text);
}

/* Write external bytes: as a string if they are UTF-8, else as hex digits under the other key. */
void json_write_member_text_or_hex(json_writer *writer, const char *key, const char *hex_key,
                                   td_bytes bytes);

static inline void json_write_member_i64(json_writer *writer, const char *key, int64_t value)
{
    json_write_key(writer, key);
    json_write_i64(writer, value);
}

static inline void json_write_member_u64(json_writer *writer, const char *key, uint64_t value)
{
    json_write_key(writer, key);
    json_write_u64(writer, value);
}

static inline void json_write_member_bool(json_writer *writer, const char *key, int value)
{
    json_write_key(writer, key);
    json_write_bool(writer, value);
}

static inline void json_write_member_decimal(json_writer *writer, const char *key, td_decimal value)
{
    json_write_key(writer, key);
    json_write_decimal(writer, value);
}

#endif
