/* The tokens of a text that simdjson has indexed, for the classifier and the decoders, which read
 * what they need of a frame without checking all of it first (others: json.h), and the parser's
 * parts. Everything here works on an index that was not checked any further: each function says
 * what it makes sure of. One thread per parser. */
#ifndef TD_JSON_TOKENS_H
#define TD_JSON_TOKENS_H

#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "json/json.h"
#include "json/json_index.h"

struct json_parser {
    json_indexer *indexer;
    json_index index;   /* of the text behind its byte order mark */
    uint32_t bom_bytes; /* 3 if there was one, else 0 */
    uint32_t *after;    /* of each token that opens a container: the token behind its end */
    size_t after_capacity;
    uint8_t *copy; /* text with padding behind it, of JSON_COPIED */
    size_t copy_capacity;
    uint8_t
        *strings; /* strings with escapes, resolved: each at the offset that it has in the text */
    size_t strings_capacity;
    size_t bytes_max;
    uint8_t has_escapes; /* the text has strings with escapes, and strings has room for it */
    json_error error;
};

/* Index a text, unchecked otherwise. Sets parser->error and returns TD_E_* if it is refused. */
TD_MUST_USE td_result json_parser_index(json_parser *parser, td_bytes text, json_padding padding);

/* Check the indexed text as json_parse() does, and fill parser->after. */
TD_MUST_USE td_result json_parser_check(json_parser *parser);

/* The token behind a value, found by counting brackets only; index->count at the latest. */
uint32_t json_skip_value(const json_index *index, uint32_t token);

/* Byte at a token; 0 behind the last one. */
static inline uint8_t json_char(const json_index *index, uint32_t token)
{
    return token < index->count ? index->bytes[index->starts[token]] : 0;
}

static inline int json_is_space(uint8_t byte)
{
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

/* A scalar token's bytes, without the white space behind it. token < index->count. */
static inline td_bytes json_token(const json_index *index, uint32_t token)
{
    uint32_t start = index->starts[token];
    uint32_t end = index->starts[token + 1];
    while (end > start && json_is_space(index->bytes[end - 1]))
        end--;
    return td_bytes_of(index->bytes + start, end - start);
}

/* What stands between the quotes of a string token, escapes and all; data NULL if it is no string.
 * token < index->count. The index made sure that the string is closed, and that nothing but white
 * space lies between its end and the next token. */
static inline td_bytes json_string_token(const json_index *index, uint32_t token)
{
    td_bytes text = json_token(index, token);
    if (text.size < 2 || text.data[0] != '"' || text.data[text.size - 1] != '"')
        return td_bytes_of(NULL, 0);
    return td_bytes_of(text.data + 1, text.size - 2);
}

static inline int json_has_escape(td_bytes text)
{
    return text.size != 0 && memchr(text.data, '\\', text.size) != NULL;
}

#endif
