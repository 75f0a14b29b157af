/* Reading JSON: frames, requests, events, captures, ready files.
 *
 * simdjson finds the structure of a text (base/json/json_index.h); values are read from the text on
 * demand. json_parse() checks the whole text against RFC 8259 first, trailing bytes included, so
 * that no later call can fail because the text is malformed. Beyond the RFC it refuses lone
 * surrogates, nesting beyond LIMIT_JSON_DEPTH, and texts
 * over LIMIT_FRAME_BYTES (or the parser's own bound). A UTF-8 byte order mark in front is skipped.
 *
 * Keys are case-sensitive; escapes in keys are resolved before comparing. Of a key that stands
 * twice in an object the first one is found; iteration shows both.
 *
 * A parser owns its memory and is for one thread; values are small handles into the text and the
 * parser, valid until its next parse and as long as the text's bytes are. */
#ifndef TD_JSON_JSON_H
#define TD_JSON_JSON_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/decimal.h"
#include "base/err.h"

typedef struct json_parser json_parser;

typedef enum json_type {
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
} json_type;

typedef struct json_value {
    json_parser *parser;
    uint32_t token; /* its place in the parser's index */
} json_value;

/* Where and why a text is not accepted. */
typedef struct json_error {
    size_t offset;       /* byte of the text, from 0; the text's size if it ends too early */
    const char *what;    /* "expected ':'", a constant; NULL: no error */
    uint8_t is_encoding; /* 1: bytes that are no UTF-8 */
} json_error;

/* The parser works in blocks: JSON_PADDING_BYTES after a text must be readable. */
typedef enum json_padding {
    JSON_PADDED, /* they are (their values do not matter): the text is read where it is */
    JSON_COPIED, /* they may not be: the parser makes a copy first, and values point into that */
} json_padding;

enum { JSON_PADDING_BYTES = 64 };

/* New parser for texts of at most bytes_max bytes (0: LIMIT_FRAME_BYTES). */
TD_NEVER_NULL json_parser *json_parser_open(size_t bytes_max);
void json_parser_close(json_parser *parser);

/* Check a whole text and return its value. TD_OK; TD_E_INVALID (what and where in err and
 * json_parse_error); TD_E_LIMIT (too long, too deep). err may be NULL. */
TD_MUST_USE td_result json_parse(json_parser *parser, td_bytes text, json_padding padding,
                                 json_value *root, td_err *err);

/* What was wrong with the last text that json_parse() refused. */
json_error json_parse_error(const json_parser *parser);

json_type json_type_of(json_value value);

/* Byte offset of a value in the text. */
size_t json_offset(json_value value);

/* The value's bytes as they stand in the text: a number's lexeme, a string with its quotes, a whole
 * object with its white space. */
td_bytes json_raw(json_value value);

/* The first member of an object with this key. 0 if absent, or if it is no object. */
int json_find(json_value object, const char *key, json_value *out);
int json_find_key(json_value object, td_bytes key, json_value *out);

/* json_find() and one of the typed accessors below in one; 0 also when the type does not fit. */
int json_find_text(json_value object, const char *key, td_bytes *out);
int json_find_u64(json_value object, const char *key, uint64_t *out);

/* Iteration over an array's elements or an object's members, in the order of the text:
 *     for (json_iter it = json_iter_of(v); json_next(&it, &key, &element);) …
 * A value that is no container has none. */
typedef struct json_iter {
    json_parser *parser;
    uint32_t token; /* the next element or key; 0: none is left */
    uint8_t is_object;
} json_iter;

json_iter json_iter_of(json_value container);
/* 1 and the next element; key (may be NULL) is set for objects, else left alone. 0 at the end. */
int json_next(json_iter *iter, json_value *key, json_value *element);

/* Number of elements or members; 0 for scalars. */
size_t json_count(json_value container);

/* The typed accessors return 1, or 0 and leave *out alone if the value is of another type or does
 * not fit. A number is never read out of a string, nor the reverse. */

/* A string with its escapes resolved: a view into the text, or into the parser if it has any. */
int json_text(json_value value, td_bytes *out);

/* A whole number without point or exponent. */
int json_i64(json_value value, int64_t *out);
int json_u64(json_value value, uint64_t *out);

/* true = 1, false = 0. */
int json_bool(json_value value, int *out);

static inline int json_is_null(json_value value)
{
    return json_type_of(value) == JSON_NULL;
}

#endif
