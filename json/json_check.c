/* Checking an index against the grammar of RFC 8259: what simdjson's first stage leaves open. */
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "json/json_tokens.h"

/* A walk over the tokens of one value. */
typedef struct check {
    const json_index *index;
    uint32_t *after; /* where the ends of containers are noted, or NULL */
    uint32_t token;
    uint32_t depth;
    uint32_t open[LIMIT_JSON_DEPTH]; /* tokens that opened the containers around token */
    uint8_t has_escapes;
    uint8_t is_too_deep;
    json_error error;
} check;

static int refuse(check *c, size_t offset, const char *what)
{
    c->error = (json_error){.offset = offset, .what = what};
    return 0;
}

static int refuse_token(check *c, const char *what)
{
    return refuse(c, c->index->starts[c->token], what);
}

/* Four hexadecimal digits. */
static int hex_digits(const uint8_t *p, size_t left, uint32_t *value)
{
    if (left < 4)
        return 0;
    *value = 0;
    for (size_t i = 0; i < 4; i++) {
        uint8_t c = p[i];
        uint32_t digit = c >= '0' && c <= '9'   ? c - (uint32_t)'0'
                         : c >= 'a' && c <= 'f' ? c - (uint32_t)'a' + 10
                         : c >= 'A' && c <= 'F' ? c - (uint32_t)'A' + 10
                                                : 16;
        if (digit > 15)
            return 0;
        *value = *value * 16 + digit;
    }
    return 1;
}

/* Length of the escape at p (a backslash), or 0: no escape, or half of a surrogate pair. */
static size_t escape_bytes(const uint8_t *p, size_t left)
{
    if (left < 2)
        return 0;
    if (p[1] != 'u')
        return p[1] != 0 && strchr("\"\\/bfnrt", p[1]) != NULL ? 2 : 0;
    uint32_t first = 0;
    uint32_t second = 0;
    if (!hex_digits(p + 2, left - 2, &first) || (first >= 0xdc00 && first <= 0xdfff))
        return 0;
    if (first < 0xd800 || first > 0xdbff)
        return 6;
    if (left < 12 || p[6] != '\\' || p[7] != 'u' || !hex_digits(p + 8, left - 8, &second))
        return 0;
    return second >= 0xdc00 && second <= 0xdfff ? 12 : 0;
}

/* The inside of a string: that it is UTF-8 without control characters is known, escapes are left.
 */
static int check_string(check *c, td_bytes text)
{
    const uint8_t *at = text.data;
    const uint8_t *end = text.data + text.size;
    while (at < end && (at = memchr(at, '\\', (size_t)(end - at))) != NULL) {
        size_t size = escape_bytes(at, (size_t)(end - at));
        if (size == 0)
            return refuse(c, (size_t)(at - c->index->bytes), "bad escape or lone surrogate");
        c->has_escapes = 1;
        at += size;
    }
    return 1;
}

/* Digits at text[at]; the offset behind them. */
static size_t skip_digits(td_bytes text, size_t at)
{
    while (at < text.size && text.data[at] >= '0' && text.data[at] <= '9')
        at++;
    return at;
}

/* 1 if the whole text is a number of RFC 8259, section 6. */
static int is_number(td_bytes text)
{
    size_t at = text.size > 0 && text.data[0] == '-';
    size_t whole = at;
    at = skip_digits(text, at);
    if (at == whole || (text.data[whole] == '0' && at > whole + 1))
        return 0;
    if (at < text.size && text.data[at] == '.') {
        size_t fraction = ++at;
        at = skip_digits(text, at);
        if (at == fraction)
            return 0;
    }
    if (at < text.size && (text.data[at] == 'e' || text.data[at] == 'E')) {
        at++;
        at += at < text.size && (text.data[at] == '+' || text.data[at] == '-');
        size_t exponent = at;
        at = skip_digits(text, at);
        if (at == exponent)
            return 0;
    }
    return at == text.size;
}

/* A string, number or word, to its last byte. */
static int check_scalar(check *c)
{
    td_bytes text = json_token(c->index, c->token);
    TD_ASSERT(text.size > 0);
    switch (text.data[0]) {
    case '"': {
        td_bytes inside = json_string_token(c->index, c->token);
        return inside.data == NULL ? refuse_token(c, "expected the end of a string")
                                   : check_string(c, inside);
    }
    case 't':
        return td_bytes_is(text, "true") || refuse_token(c, "expected a value");
    case 'f':
        return td_bytes_is(text, "false") || refuse_token(c, "expected a value");
    case 'n':
        return td_bytes_is(text, "null") || refuse_token(c, "expected a value");
    default:
        return is_number(text) || refuse_token(c, "expected a value");
    }
}

/* The key at the token and its colon; goes to the value. */
static int check_key(check *c)
{
    TD_ASSERT(c->depth > 0);
    if (json_char(c->index, c->token) != '"')
        return c->token < c->index->count ? refuse_token(c, "expected a key")
                                          : refuse(c, c->index->size, "ends inside an object");
    if (!check_scalar(c))
        return 0;
    c->token++;
    if (json_char(c->index, c->token) != ':')
        return refuse_token(c, "expected ':'");
    c->token++;
    return 1;
}

/* Behind a value: close what ends here, and go to the next value, if there is one. 1 there is a
 * next value, 0 not (refused, or the outermost value is complete: depth 0). */
static int check_behind_value(check *c)
{
    while (c->depth > 0) {
        uint32_t open = c->open[c->depth - 1];
        TD_ASSERT_SLOW(open < c->token);
        int is_object = json_char(c->index, open) == '{';
        uint8_t here = json_char(c->index, c->token);
        if (here == ',') {
            c->token++;
            return !is_object || check_key(c);
        }
        if (here != (is_object ? '}' : ']'))
            return refuse_token(c, is_object ? "expected ',' or '}'" : "expected ',' or ']'");
        c->token++;
        c->depth--;
        if (c->after != NULL)
            c->after[open] = c->token;
    }
    return 0;
}

/* Enter the container at the token. 1 if it has a first value, which the token then is at; else the
 * token is at the closing bracket. */
static int check_enter(check *c)
{
    uint8_t bracket = json_char(c->index, c->token);
    TD_ASSERT(c->depth < LIMIT_JSON_DEPTH);
    c->open[c->depth++] = c->token++;
    if (json_char(c->index, c->token) == (bracket == '{' ? '}' : ']'))
        return 0;
    return bracket == '[' || check_key(c);
}

/* Check the value at the token; 1, and the token is behind it, or 0 and the error. */
static int check_value(check *c)
{
    int has_value = 1;
    while (has_value) {
        uint8_t here = json_char(c->index, c->token);
        if (c->token >= c->index->count)
            return refuse(c, c->index->size, "ends too early");
        if (here == '{' || here == '[') {
            c->is_too_deep = c->depth == LIMIT_JSON_DEPTH;
            if (c->is_too_deep)
                return refuse_token(c, "nested too deeply");
            if (check_enter(c))
                continue;
        } else {
            if (!check_scalar(c))
                return 0;
            c->token++;
        }
        if (c->error.what != NULL)
            return 0;
        has_value = check_behind_value(c);
    }
    return c->error.what == NULL;
}

td_result json_parser_check(json_parser *parser)
{
    check c = {.index = &parser->index, .after = parser->after};
    int is_sound = check_value(&c);
    if (is_sound && c.token < parser->index.count)
        is_sound = refuse_token(&c, "expected the end of the text");
    parser->has_escapes = c.has_escapes;
    if (is_sound)
        return TD_OK;
    parser->error = c.error;
    parser->error.offset += parser->bom_bytes;
    return c.is_too_deep ? TD_E_LIMIT : TD_E_INVALID;
}

uint32_t json_skip_value(const json_index *index, uint32_t token)
{
    uint32_t depth = 0;
    for (; token < index->count; token++) {
        uint8_t here = index->bytes[index->starts[token]];
        if (here == '{' || here == '[')
            depth++;
        else if ((here == '}' || here == ']') && depth > 0)
            depth--;
        if (depth == 0)
            return token + 1;
    }
    return index->count;
}
