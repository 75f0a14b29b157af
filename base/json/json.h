/* Reads JSON: frames, requests, events, captures, ready files.
 *
 * simdjson finds the tokens of a text (base/json/json_index.h); values are read from the text on
 * demand. json_parse() first checks the whole text against RFC 8259, including trailing bytes, so
 * later calls cannot fail because of malformed text. Beyond the RFC it refuses lone surrogates,
 * nesting deeper than LIMIT_JSON_DEPTH, and texts over LIMIT_FRAME_BYTES (or the parser's own
 * bound). A leading UTF-8 byte order mark is skipped.
 *
 * Keys are case-sensitive and compared with their escapes decoded. If an object has a key twice,
 * look-ups find the first one; iteration returns both.
 *
 * A parser owns its memory; one thread. Values are small handles into text and parser, valid until
 * the parser's next parse and as long as the text's bytes. */
#ifndef TD_JSON_JSON_H
#define TD_JSON_JSON_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
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
    uint32_t token; /* position in the parser's index */
} json_value;

/* Where and why a text was refused. */
typedef struct json_error {
    size_t offset;       /* byte in the text, from 0; the text's size if it ends too early */
    const char *what;    /* "expected ':'", a constant; NULL: no error */
    uint8_t is_encoding; /* 1: bytes that are not UTF-8 */
} json_error;

/* The parser reads in blocks: JSON_PADDING_BYTES after a text must be readable. */
typedef enum json_padding {
    JSON_PADDED, /* the bytes after the text are readable (of any value): no copy is made */
    JSON_COPIED, /* the bytes after the text may be unreadable: the parser copies the text, and
                    values point into the copy */
} json_padding;

enum { JSON_PADDING_BYTES = 64 };

/* Open a parser for texts of at most bytes_max bytes (0: LIMIT_FRAME_BYTES). */
TD_NEVER_NULL json_parser *json_parser_open(size_t bytes_max);
void json_parser_close(json_parser *parser);

/* Check a whole text and return its value. TD_OK; TD_E_INVALID (reason and offset in err and
 * json_parse_error); TD_E_LIMIT (too long, too deep). err may be NULL. */
TD_MUST_USE td_result json_parse(json_parser *parser, td_bytes text, json_padding padding,
                                 json_value *root, td_err *err);

/* The error of the last text, if json_parse() refused it. */
json_error json_parse_error(const json_parser *parser);

/* The type of a value. */
json_type json_type_of(json_value value);

/* Byte offset of a value in the text. */
size_t json_offset(json_value value);

/* The value's bytes in the text, unchanged: a string with its quotes, a whole object with its white
 * space. */
td_bytes json_raw(json_value value);

/* Find the first member of an object with this key. 0 if absent or not an object. */
int json_find(json_value object, const char *key, json_value *out);
int json_find_key(json_value object, td_bytes key, json_value *out);

/* Find the value at a path of keys, "data.u". Does not enter arrays. */
int json_find_path(json_value root, const char *path, json_value *out);

/* As json_find_path, but an array on the path counts as its first element. */
int json_find_first(json_value root, const char *path, json_value *out);

/* json_find() and json_text() or json_u64() in one call; also 0 for another type. */
int json_find_text(json_value object, const char *key, td_bytes *out);
int json_find_u64(json_value object, const char *key, uint64_t *out);

/* Iteration over an array's elements or an object's members, in the order of the text:
 *     for (json_iter it = json_iter_of(v); json_next(&it, &key, &element);) …
 * A value that is not a container has no elements. */
typedef struct json_iter {
    json_parser *parser;
    uint32_t token; /* the next element or key; 0: at the end */
    uint8_t is_object;
} json_iter;

/* Begin before the first element. */
json_iter json_iter_of(json_value container);
/* 1 and the next element, or 0 at the end; key (may be NULL) is set only for objects. */
int json_next(json_iter *iter, json_value *key, json_value *element);

/* Number of elements or members; 0 for scalars. */
size_t json_count(json_value container);

/* The typed accessors return 1, or 0 with *out unchanged if the value has another type or does not
 * fit. A number in a string is not read as a number, nor a number as a string. */

/* A string with its escapes decoded: a view into the text, or into the parser if the string has
 * escapes. */
int json_text(json_value value, td_bytes *out);

/* An integer without point or exponent. */
int json_i64(json_value value, int64_t *out);
int json_u64(json_value value, uint64_t *out);

/* true = 1, false = 0. */
int json_bool(json_value value, int *out);

static inline int json_is_null(json_value value)
{
    return json_type_of(value) == JSON_NULL;
}

#endif
