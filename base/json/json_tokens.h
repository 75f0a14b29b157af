/* Tokens of a text that simdjson has indexed and that is not checked any further, to read a few
 * members of a frame (schema/classify.c). All others use json.h. Each function says what it
 * checks. One thread per parser. */
#ifndef TD_JSON_TOKENS_H
#define TD_JSON_TOKENS_H

#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "base/json/json.h"
#include "base/json/json_index.h"

/* Index a text, unchecked otherwise: TD_OK, or TD_E_* as json_parse(). */
TD_MUST_USE td_result json_parser_index(json_parser *parser, td_bytes text, json_padding padding);

/* The index of the text that was indexed or parsed last, without its byte order mark. The address
 * stays the same as long as the parser lives. A json_value of that parser is a token of it: its
 * accessors, except iteration and json_raw() of containers, only require that the token is its
 * value's first. */
const json_index *json_parser_tokens(const json_parser *parser);

/* The token after a value, found by counting brackets only; index->count at the latest. */
uint32_t json_skip_value(const json_index *index, uint32_t token);

/* Byte at a token; 0 after the last one. */
static inline uint8_t json_char(const json_index *index, uint32_t token)
{
    return token < index->count ? index->bytes[index->starts[token]] : 0;
}

static inline int json_is_space(uint8_t byte)
{
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

/* A scalar token's bytes, without the white space after it. token < index->count. */
static inline td_bytes json_token(const json_index *index, uint32_t token)
{
    uint32_t start = index->starts[token];
    uint32_t end = index->starts[token + 1];
    while (end > start && json_is_space(index->bytes[end - 1]))
        end--;
    return td_bytes_of(index->bytes + start, end - start);
}

/* The text between the quotes of a string token, with its escapes; data NULL if it is no string.
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
