/* Reads tokens of a text that is indexed but not checked further, for a few members of a frame
 * (schema/classify.c). Other users need json.h. One thread per parser. */
#ifndef TD_JSON_TOKENS_H
#define TD_JSON_TOKENS_H

#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "base/json/json.h"
#include "base/json/json_index.h"

/* Index a text without checking its grammar. TD_OK, or TD_E_* as json_parse(). */
TD_MUST_USE td_result json_parser_index(json_parser *parser, td_bytes text, json_padding padding);

/* The index of the last indexed or parsed text, without its byte order mark. The index's address
 * never changes. A caller may make a json_value from a token that begins a value; json.h's
 * accessors work with it, except iteration and json_raw() of containers. */
const json_index *json_parser_tokens(const json_parser *parser);

/* The token after a value, found only by counting brackets; at most index->count. */
uint32_t json_skip_value(const json_index *index, uint32_t token);

/* The byte at a token; 0 after the last token. */
static inline uint8_t json_char(const json_index *index, uint32_t token)
{
    return token < index->count ? index->bytes[index->starts[token]] : 0;
}

static inline int json_is_space(uint8_t byte)
{
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

/* A scalar token's bytes, without trailing white space. token < index->count. */
static inline td_bytes json_token(const json_index *index, uint32_t token)
{
    uint32_t start = index->starts[token];
    uint32_t end = index->starts[token + 1];
    while (end > start && json_is_space(index->bytes[end - 1]))
        end--;
    return td_bytes_of(index->bytes + start, end - start);
}

/* The text between the quotes of a string token, with its escapes; data is NULL if the token is not
 * a string. token < index->count. The index has checked that the string is closed and that only
 * white space lies between its end and the next token. */
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
