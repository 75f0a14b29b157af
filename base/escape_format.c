#include "base/escape_format.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#include "base/assert.h"
#include "base/escape.h"

enum { NUMBER_BYTES = 24, WIDTH_MAX = 4096 };

td_result td_escape_append(td_buf *out, td_bytes text, td_err *err)
{
    td_result rc = TD_OK;
    char piece[TD_ESCAPE_BYTES];
    while (rc == TD_OK && text.size > 0) {
        td_bytes next = td_escape_next(&text, piece);
        rc = td_buf_append(out, next.data, next.size, err);
    }
    return rc;
}

/* ---- formats ---- */

/* One parsed conversion of a format. */
typedef struct conversion {
    size_t width;
    size_t precision; /* SIZE_MAX: none */
    uint8_t is_left, is_zero;
    char length; /* 'l', 'q' for ll, 'z', 'j', or 0 */
    char kind;
} conversion;

static size_t parse_number(const char **at)
{
    size_t value = 0;
    for (; **at >= '0' && **at <= '9'; (*at)++) {
        value = value * 10 + (size_t)(**at - '0');
        TD_ASSERT(value <= WIDTH_MAX);
    }
    return value;
}

static size_t as_size(int value)
{
    TD_ASSERT(value >= 0);
    return (size_t)value;
}

/* Append a value's bytes, padded to the width with spaces or zeros. */
static td_result put_padded(td_buf *out, const conversion *c, td_bytes value, td_err *err)
{
    static const char SPACES[] = "                ", ZEROS[] = "0000000000000000";
    size_t columns = 0; /* code points: what a width counts */
    for (size_t i = 0; i < value.size; i++)
        columns += (value.data[i] & 0xc0) != 0x80;
    size_t pad = c->width > columns ? c->width - columns : 0;
    td_result rc = c->is_left ? td_buf_append(out, value.data, value.size, err) : TD_OK;
    while (rc == TD_OK && pad > 0) {
        size_t part = pad < sizeof SPACES - 1 ? pad : sizeof SPACES - 1;
        rc = td_buf_append(out, c->is_zero && !c->is_left ? ZEROS : SPACES, part, err);
        pad -= part;
    }
    return rc == TD_OK && !c->is_left ? td_buf_append(out, value.data, value.size, err) : rc;
}

/* The text is escaped first, because the width counts the output. */
static td_result put_text(td_buf *out, const conversion *c, const char *text, td_err *err)
{
    text = text == NULL ? "(null)" : text;
    td_bytes bytes = td_bytes_of(text, strnlen(text, c->precision));
    if (c->width == 0)
        return td_escape_append(out, bytes, err);
    td_buf shown;
    td_buf_init(&shown, out->size_max);
    td_result rc = td_escape_append(&shown, bytes, err);
    if (rc == TD_OK)
        rc = put_padded(out, c, td_buf_view(&shown), err);
    td_buf_fini(&shown);
    return rc;
}

static td_result put_signed(td_buf *out, const conversion *c, intmax_t value, td_err *err)
{
    char digits[NUMBER_BYTES];
    int size = snprintf(digits, sizeof digits, "%jd", value);
    TD_ASSERT(size > 0);
    return put_padded(out, c, td_bytes_of(digits, (size_t)size), err);
}

static td_result put_unsigned(td_buf *out, const conversion *c, uintmax_t value, td_err *err)
{
    char digits[NUMBER_BYTES];
    int size = snprintf(digits, sizeof digits, c->kind == 'x' ? "%jx" : "%ju", value);
    TD_ASSERT(size > 0);
    return put_padded(out, c, td_bytes_of(digits, (size_t)size), err);
}

/* Wraps a va_list, so that functions can pass its address: as an array type it decays in
 * parameters. */
typedef struct value_list {
    va_list values;
} value_list;

static conversion parse_conversion(const char **format, value_list *list)
{
    const char *at = *format;
    conversion c = {.precision = SIZE_MAX};
    for (; *at == '-' || *at == '0'; at++) {
        c.is_left |= *at == '-';
        c.is_zero |= *at == '0';
    }
    if (*at == '*') {
        c.width = as_size(va_arg(list->values, int));
        at++;
    } else {
        c.width = parse_number(&at);
    }
    if (*at == '.' && *++at == '*') {
        c.precision = as_size(va_arg(list->values, int));
        at++;
    } else if (at[-1] == '.') {
        c.precision = parse_number(&at);
    }
    if (*at == 'l' || *at == 'z' || *at == 'j') {
        c.length = *at++;
    }
    if (c.length == 'l' && *at == 'l') {
        c.length = 'q';
        at++;
    }
    c.kind = *at;
    *format = at + 1;
    return c;
}

static intmax_t next_signed(char length, value_list *list)
{
    if (length == 'z')
        return va_arg(list->values, ssize_t);
    switch (length) {
    case 'l':
        return va_arg(list->values, long);
    case 'q':
        return va_arg(list->values, long long);
    case 'j':
        return va_arg(list->values, intmax_t);
    default:
        return va_arg(list->values, int);
    }
}

static uintmax_t next_unsigned(char length, value_list *list)
{
    if (length == 'z')
        return va_arg(list->values, size_t);
    switch (length) {
    case 'l':
        return va_arg(list->values, unsigned long);
    case 'q':
        return va_arg(list->values, unsigned long long);
    case 'j':
        return va_arg(list->values, uintmax_t);
    default:
        return va_arg(list->values, unsigned);
    }
}

static td_result put_conversion(td_buf *out, const char **format, value_list *list, td_err *err)
{
    conversion c = parse_conversion(format, list);
    switch (c.kind) {
    case '%':
        return td_buf_append(out, "%", 1, err);
    case 's':
        return put_text(out, &c, va_arg(list->values, const char *), err);
    case 'c': {
        unsigned char character = (unsigned char)va_arg(list->values, int);
        return td_escape_append(out, td_bytes_of(&character, 1), err);
    }
    case 'd':
        return put_signed(out, &c, next_signed(c.length, list), err);
    case 'u':
    case 'x':
        return put_unsigned(out, &c, next_unsigned(c.length, list), err);
    default:
        TD_ASSERT(c.kind == 's'); /* a conversion that escape.h does not list */
        return TD_OK;
    }
}

td_result td_escape_vprintf(td_buf *out, td_err *err, const char *format, va_list values)
{
    value_list list;
    va_copy(list.values, values);
    td_result rc = TD_OK;
    while (rc == TD_OK && *format != '\0') {
        size_t literal = strcspn(format, "%");
        rc = td_buf_append(out, format, literal, err);
        format += literal;
        if (rc == TD_OK && *format == '%') {
            format++;
            rc = put_conversion(out, &format, &list, err);
        }
    }
    va_end(list.values);
    return rc;
}
