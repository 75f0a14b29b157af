#include "base/json/json.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/decimal.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "base/json/json_tokens.h"

struct json_parser {
    json_indexer *indexer;
    json_index index;   /* of the text after its byte order mark */
    uint32_t bom_bytes; /* 3 with a byte order mark, else 0 */
    td_buf after;       /* for each token that opens a container: the token after its end */
    td_buf copy;        /* JSON_COPIED: the text with padding */
    td_buf strings;     /* decoded strings with escapes, each at its offset in the text */
    size_t bytes_max;
    uint8_t has_escapes; /* 1: the text has strings with escapes, and `strings` has space for it */
    json_error error;
};

json_parser *json_parser_open(size_t bytes_max)
{
    json_parser *parser = td_alloc_zero(1, sizeof *parser);
    parser->bytes_max = bytes_max == 0 ? LIMIT_FRAME_BYTES : bytes_max;
    TD_ASSERT(parser->bytes_max < UINT32_MAX / 2);
    td_buf_init(&parser->after, SIZE_MAX);
    td_buf_init(&parser->copy, SIZE_MAX);
    td_buf_init(&parser->strings, SIZE_MAX);
    parser->indexer = json_indexer_open();
    return parser;
}

void json_parser_close(json_parser *parser)
{
    if (parser == NULL)
        return;
    json_indexer_close(parser->indexer);
    td_buf_fini(&parser->after);
    td_buf_fini(&parser->copy);
    td_buf_fini(&parser->strings);
    td_free(parser);
}

/* Why and where the index refused a text. */
static json_error explain_refusal(td_bytes text)
{
    int in_string = 0;
    int is_escaped = 0;
    size_t size = 0;
    for (size_t at = 0; at < text.size; at += size) {
        uint8_t byte = text.data[at];
        size = td_utf8_bytes(text.data + at, text.size - at);
        if (size == 0)
            return (json_error){at, "not UTF-8", 1};
        if (in_string && byte < 0x20)
            return (json_error){at, "control character in a string", 0};
        in_string ^= byte == '"' && !is_escaped;
        is_escaped = byte == '\\' && !is_escaped;
    }
    return (json_error){text.size, "no value, or an unclosed string", 0};
}

td_result json_parser_index(json_parser *parser, td_bytes text, json_padding padding)
{
    parser->error = (json_error){0};
    parser->has_escapes = 0;
    parser->index.count = 0;
    if (text.size > parser->bytes_max) {
        parser->error = (json_error){parser->bytes_max, "text is too long", 0};
        return TD_E_LIMIT;
    }
    if (padding == JSON_COPIED) {
        td_buf_clear(&parser->copy);
        td_buf_add(&parser->copy, text.data, text.size);
        td_buf_grow(&parser->copy, JSON_PADDING_BYTES);
        memset(parser->copy.data + text.size, 0, JSON_PADDING_BYTES);
        text.data = parser->copy.data;
    }
    parser->bom_bytes = text.size >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    text = td_bytes_of(text.data + parser->bom_bytes, text.size - parser->bom_bytes);
    if (json_indexer_run(parser->indexer, text.data, text.size, &parser->index))
        return TD_OK;
    parser->error = explain_refusal(text);
    parser->error.offset += parser->bom_bytes;
    return TD_E_INVALID;
}

const json_index *json_parser_tokens(const json_parser *parser)
{
    return &parser->index;
}

/* ---- checking an index against the grammar of RFC 8259 ---- */

/* State of a check: a walk over the tokens of one value. */
typedef struct check {
    const json_index *index;
    uint32_t *after; /* json_parser.after */
    uint32_t token;
    uint32_t depth;
    uint32_t open[LIMIT_JSON_DEPTH]; /* tokens that opened the containers around token */
    uint8_t has_backslash;           /* anywhere in the text */
    uint8_t has_escapes;
    uint8_t is_too_deep;
    json_error error;
} check;

static int refuse_token(check *c, const char *what)
{
    c->error = (json_error){c->index->starts[c->token], what, 0};
    return 0;
}

/* Four hexadecimal digits. */
static int hex_digits(const uint8_t *p, size_t left, uint32_t *value)
{
    if (left < 4)
        return 0;
    *value = 0;
    for (size_t i = 0; i < 4; i++) {
        int digit = td_hex_digit(p[i]);
        if (digit < 0)
            return 0;
        *value = *value * 16 + (uint32_t)digit;
    }
    return 1;
}

/* Length of the escape at p (a backslash); 0: invalid, or half of a surrogate pair. */
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

/* Check a string's escapes; the index has checked UTF-8 and control characters. */
static int check_string(check *c, td_bytes text)
{
    const uint8_t *at = text.data;
    const uint8_t *end = text.data + text.size;
    while (at < end && (at = memchr(at, '\\', (size_t)(end - at))) != NULL) {
        size_t size = escape_bytes(at, (size_t)(end - at));
        if (size == 0) {
            c->error.offset = (size_t)(at - c->index->bytes);
            c->error.what = "bad escape or lone surrogate";
            return 0;
        }
        c->has_escapes = 1;
        at += size;
    }
    return 1;
}

/* Skip digits; 0 if there is no digit. */
static int skip_digits(td_bytes text, size_t *at)
{
    size_t from = *at;
    while (*at < text.size && text.data[*at] >= '0' && text.data[*at] <= '9')
        (*at)++;
    return *at > from;
}

/* 1 if the whole text (not empty) is a number (RFC 8259, section 6). */
static int is_number(td_bytes text)
{
    size_t whole = text.data[0] == '-';
    size_t at = whole;
    if (!skip_digits(text, &at) || (text.data[whole] == '0' && at > whole + 1))
        return 0;
    if (at < text.size && text.data[at] == '.') {
        at++;
        if (!skip_digits(text, &at))
            return 0;
    }
    if (at < text.size && (text.data[at] | 0x20) == 'e') {
        at++;
        at += at < text.size && (text.data[at] == '+' || text.data[at] == '-');
        if (!skip_digits(text, &at))
            return 0;
    }
    return at == text.size;
}

/* Check a string, number or word. */
static int check_scalar(check *c)
{
    td_bytes text = json_token(c->index, c->token);
    TD_ASSERT(text.size > 0);
    switch (text.data[0]) {
    case '"': {
        td_bytes inside = json_string_token(c->index, c->token);
        return inside.data == NULL ? refuse_token(c, "expected the end of a string")
                                   : !c->has_backslash || check_string(c, inside);
    }
    case 't':
    case 'f':
    case 'n':
        return td_bytes_is(text, "true") || td_bytes_is(text, "false") ||
               td_bytes_is(text, "null") || refuse_token(c, "expected a value");
    default:
        return is_number(text) || refuse_token(c, "expected a value");
    }
}

/* Check the key at the token and its colon, and move to the value. */
static int check_key(check *c)
{
    TD_ASSERT(c->depth > 0);
    if (json_char(c->index, c->token) != '"')
        return refuse_token(c, "expected a key");
    if (!check_scalar(c))
        return 0;
    c->token++;
    if (json_char(c->index, c->token) != ':')
        return refuse_token(c, "expected ':'");
    c->token++;
    return 1;
}

/* After a value: close the containers that end here, and move to the next value. 1; 0: no next
 * value (refused, or depth is 0 and the outermost value is complete). */
static int check_after_value(check *c)
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
        c->after[open] = c->token;
    }
    return 0;
}

/* Enter the array or object at the token. Returns 1 with the token at the first value, or 0: the
 * token is at the closing bracket, or the text was refused. */
static int check_enter(check *c)
{
    uint8_t bracket = json_char(c->index, c->token);
    TD_ASSERT(c->depth < LIMIT_JSON_DEPTH);
    c->open[c->depth++] = c->token++;
    if (json_char(c->index, c->token) == (bracket == '{' ? '}' : ']'))
        return 0;
    return bracket == '[' || check_key(c);
}

/* Check the value at the token. Returns 1 with the token after the value, or 0: the text was
 * refused, and the error is set. */
static int check_value(check *c)
{
    int has_value = 1;
    while (has_value) {
        uint8_t here = json_char(c->index, c->token);
        if (c->token >= c->index->count)
            return refuse_token(c, "ends too early");
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
        has_value = check_after_value(c);
    }
    return c->error.what == NULL;
}

/* Check the whole text, and fill parser->after. */
static td_result check_text(json_parser *parser)
{
    const json_index *index = &parser->index;
    td_bytes text = td_bytes_of(index->bytes, index->size);
    check c = {.index = index,
               .after = (uint32_t *)parser->after.data,
               .has_backslash = (uint8_t)json_has_escape(text)};
    int is_valid = check_value(&c);
    if (is_valid && c.token < index->count)
        is_valid = refuse_token(&c, "expected the end of the text");
    parser->has_escapes = c.has_escapes;
    if (is_valid)
        return TD_OK;
    parser->error = c.error;
    parser->error.offset += parser->bom_bytes;
    return c.is_too_deep ? TD_E_LIMIT : TD_E_INVALID;
}

uint32_t json_skip_value(const json_index *index, uint32_t token)
{
    uint32_t depth = 0;
    for (; token < index->count; token++) {
        uint8_t here = json_char(index, token);
        if (here == '{' || here == '[')
            depth++;
        else if ((here == '}' || here == ']') && depth > 0)
            depth--;
        if (depth == 0)
            return token + 1;
    }
    return index->count;
}

td_result json_parse(json_parser *parser, td_bytes text, json_padding padding, json_value *root,
                     td_err *err)
{
    td_result rc = json_parser_index(parser, text, padding);
    if (rc == TD_OK) {
        td_buf_grow(&parser->after, ((size_t)parser->index.count + 1) * sizeof(uint32_t));
        rc = check_text(parser);
    }
    if (rc == TD_OK && parser->has_escapes)
        td_buf_grow(&parser->strings, parser->index.size);
    if (rc != TD_OK) {
        parser->has_escapes = 0; /* `strings` may have no space for them */
        return td_err_set(err, rc, "JSON at byte %zu: %s", parser->error.offset,
                          parser->error.what);
    }
    *root = (json_value){.parser = parser, .token = 0};
    return TD_OK;
}

json_error json_parse_error(const json_parser *parser)
{
    return parser->error;
}

/* ---- values ---- */

json_type json_type_of(json_value value)
{
    TD_ASSERT_SLOW(value.token < value.parser->index.count);
    switch (json_char(&value.parser->index, value.token)) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
    case 'f':
        return JSON_BOOL;
    case 'n':
        return JSON_NULL;
    default:
        return JSON_NUMBER;
    }
}

size_t json_offset(json_value value)
{
    TD_ASSERT(value.token < value.parser->index.count);
    return (size_t)value.parser->index.starts[value.token] + value.parser->bom_bytes;
}

static int is_container(json_value value)
{
    uint8_t first = json_char(&value.parser->index, value.token);
    return first == '{' || first == '[';
}

/* The token after a container. */
static uint32_t after_container(json_value container)
{
    return ((const uint32_t *)container.parser->after.data)[container.token];
}

/* The token after a value. */
static uint32_t token_after(json_value value)
{
    return is_container(value) ? after_container(value) : value.token + 1;
}

td_bytes json_raw(json_value value)
{
    const json_index *index = &value.parser->index;
    TD_ASSERT(value.token < index->count);
    if (!is_container(value))
        return json_token(index, value.token);
    uint32_t start = index->starts[value.token];
    uint32_t last = index->starts[token_after(value) - 1];
    return td_bytes_of(index->bytes + start, last - start + 1);
}

json_iter json_iter_of(json_value container)
{
    TD_ASSERT(container.token < container.parser->index.count);
    json_iter it = {.parser = container.parser};
    if (!is_container(container))
        return it;
    it.is_object = json_type_of(container) == JSON_OBJECT;
    if (after_container(container) != container.token + 2)
        it.token = container.token + 1;
    return it;
}

int json_next(json_iter *iter, json_value *key, json_value *element)
{
    if (iter->token == 0)
        return 0;
    uint32_t token = iter->token;
    if (iter->is_object) {
        if (key != NULL)
            *key = (json_value){iter->parser, token};
        token += 2;
    }
    *element = (json_value){iter->parser, token};
    uint32_t after = token_after(*element);
    TD_ASSERT(after > token);
    iter->token = json_char(&iter->parser->index, after) == ',' ? after + 1 : 0;
    return 1;
}

size_t json_count(json_value container)
{
    size_t count = 0;
    json_value element;
    for (json_iter it = json_iter_of(container); json_next(&it, NULL, &element);)
        count++;
    return count;
}

/* ---- scalars ---- */

/* Write a code point as UTF-8; returns its size. */
static size_t put_utf8(uint8_t *out, uint32_t code)
{
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    size_t size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint8_t LEAD[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = size - 1; i > 0; i--) {
        out[i] = (uint8_t)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    out[0] = (uint8_t)(LEAD[size] | code);
    return size;
}

/* Decode the escape at *from (a backslash) to out, and move past it. Returns the bytes written,
 * never more than the escape has. */
static size_t resolve_escape(const uint8_t **from, uint8_t *out)
{
    static const char NAMES[] = "\"\\/bfnrt";
    static const char VALUES[] = "\"\\/\b\f\n\r\t";
    const uint8_t *p = *from;
    if (p[1] != 'u') {
        const char *found = strchr(NAMES, p[1]);
        TD_ASSERT(found != NULL);
        out[0] = (uint8_t)VALUES[found - NAMES];
        *from += 2;
        return 1;
    }
    uint32_t code = 0;
    uint32_t second = 0;
    int is_hex = hex_digits(p + 2, 4, &code); /* check_string() has checked it */
    *from += 6;
    if (code >= 0xd800 && code <= 0xdbff) {
        is_hex &= hex_digits(p + 8, 4, &second);
        code = 0x10000 + ((code - 0xd800) << 10) + (second - 0xdc00);
        *from += 6;
    }
    TD_ASSERT(is_hex);
    return put_utf8(out, code);
}

int json_text(json_value value, td_bytes *out)
{
    json_parser *parser = value.parser;
    const json_index *index = &parser->index;
    if (json_char(index, value.token) != '"')
        return 0;
    td_bytes text = json_string_token(index, value.token);
    TD_ASSERT(text.data != NULL);
    if (!parser->has_escapes || !json_has_escape(text)) {
        *out = text;
        return 1;
    }
    /* The decoded form is never longer, so each string fits at its offset in the text. */
    TD_ASSERT(parser->strings.capacity >= index->size);
    uint8_t *begin = parser->strings.data + (text.data - index->bytes);
    uint8_t *to = begin;
    const uint8_t *end = text.data + text.size;
    for (const uint8_t *from = text.data; from < end;) {
        if (*from == '\\')
            to += resolve_escape(&from, to);
        else
            *to++ = *from++;
    }
    TD_ASSERT((size_t)(to - begin) <= text.size);
    *out = td_bytes_of(begin, (size_t)(to - begin));
    return 1;
}

int json_u64(json_value value, uint64_t *out)
{
    if (json_type_of(value) != JSON_NUMBER)
        return 0;
    return td_digits_parse(json_raw(value), UINT64_MAX, out);
}

int json_i64(json_value value, int64_t *out)
{
    if (json_type_of(value) != JSON_NUMBER)
        return 0;
    td_bytes text = json_raw(value);
    uint64_t magnitude = 0;
    unsigned is_negative = text.data[0] == '-';
    if (!td_digits_parse(td_bytes_of(text.data + is_negative, text.size - is_negative),
                         (uint64_t)INT64_MAX + is_negative, &magnitude))
        return 0;
    *out = (int64_t)(is_negative ? 0 - magnitude : magnitude);
    return 1;
}

int json_bool(json_value value, int *out)
{
    if (json_type_of(value) != JSON_BOOL)
        return 0;
    *out = json_char(&value.parser->index, value.token) == 't';
    return 1;
}

/* ---- members ---- */

int json_find_key(json_value object, td_bytes key, json_value *out)
{
    json_value name;
    json_value element;
    td_bytes text;
    json_iter it = json_iter_of(object);
    while (it.is_object && json_next(&it, &name, &element)) {
        if (json_text(name, &text) && td_bytes_equal(text, key)) {
            *out = element;
            return 1;
        }
    }
    return 0;
}

int json_find(json_value object, const char *key, json_value *out)
{
    return json_find_key(object, td_bytes_str(key), out);
}

int json_find_text(json_value object, const char *key, td_bytes *out)
{
    json_value value;
    return json_find(object, key, &value) && json_text(value, out);
}

int json_find_u64(json_value object, const char *key, uint64_t *out)
{
    json_value value;
    return json_find(object, key, &value) && json_u64(value, out);
}

int json_find_path(json_value root, const char *path, json_value *out)
{
    *out = root;
    for (;;) {
        size_t size = strcspn(path, ".");
        if (!json_find_key(*out, td_bytes_of(path, size), out))
            return 0;
        if (path[size] == '\0')
            return 1;
        path += size + 1;
    }
}

int json_find_first(json_value root, const char *path, json_value *out)
{
    *out = root;
    for (;; path += *path == '.') {
        const size_t size = strcspn(path, ".");
        if (json_type_of(*out) == JSON_ARRAY) {
            json_iter first = json_iter_of(*out);
            if (!json_next(&first, NULL, out))
                return 0;
        }
        if (!json_find_key(*out, td_bytes_of(path, size), out))
            return 0;
        path += size;
        if (*path == '\0')
            return 1;
    }
}
