/* Scalars of a checked text: strings with their escapes resolved, numbers, words. */
#include <string.h>

#include "base/assert.h"
#include "json/json_tokens.h"

/* Four hexadecimal digits that were checked. */
static uint32_t hex_value(const uint8_t *p)
{
    uint32_t value = 0;
    for (size_t i = 0; i < 4; i++) {
        uint32_t digit = p[i] <= '9' ? p[i] - (uint32_t)'0' : (p[i] | 0x20u) - (uint32_t)'a' + 10;
        TD_ASSERT(digit < 16); /* json_check.c has looked */
        value = value * 16 + digit;
    }
    return value;
}

/* Write a code point as UTF-8; the bytes written. */
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

/* Resolve the escape at *from (a backslash) into out; goes behind it. Returns the bytes written,
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
    uint32_t code = hex_value(p + 2);
    *from += 6;
    if (code >= 0xd800 && code <= 0xdbff) {
        code = 0x10000 + ((code - 0xd800) << 10) + (hex_value(p + 8) - 0xdc00);
        *from += 6;
    }
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
    /* The resolved form is never longer, so each string has its own place at its own offset. */
    TD_ASSERT(parser->strings_capacity >= index->size);
    uint8_t *begin = parser->strings + (text.data - index->bytes);
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

/* Digits of the whole text as a number; 0 if there is anything else, or it is above max. */
static int parse_digits(td_bytes digits, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    if (digits.size == 0)
        return 0;
    for (size_t i = 0; i < digits.size; i++) {
        uint64_t digit = (uint64_t)digits.data[i] - '0';
        if (digit > 9 || value > (max - digit) / 10)
            return 0;
        value = value * 10 + digit;
    }
    *out = value;
    return 1;
}

int json_u64(json_value value, uint64_t *out)
{
    if (json_type_of(value) != JSON_NUMBER)
        return 0;
    return parse_digits(json_raw(value), UINT64_MAX, out);
}

int json_i64(json_value value, int64_t *out)
{
    if (json_type_of(value) != JSON_NUMBER)
        return 0;
    td_bytes text = json_raw(value);
    uint64_t magnitude = 0;
    if (text.data[0] != '-') {
        if (!parse_digits(text, INT64_MAX, &magnitude))
            return 0;
        *out = (int64_t)magnitude;
        return 1;
    }
    if (!parse_digits(td_bytes_of(text.data + 1, text.size - 1), (uint64_t)INT64_MAX + 1,
                      &magnitude))
        return 0;
    *out = magnitude > (uint64_t)INT64_MAX ? INT64_MIN : -(int64_t)magnitude;
    return 1;
}

int json_bool(json_value value, int *out)
{
    if (json_type_of(value) != JSON_BOOL)
        return 0;
    *out = json_char(&value.parser->index, value.token) == 't';
    return 1;
}

int json_is_null(json_value value)
{
    return json_type_of(value) == JSON_NULL;
}
