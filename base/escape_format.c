#include "base/escape_format.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/escape.h"

enum { NUMBER_BYTES = 24 };

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

/* Print one value; *format is its conversion after the '%', and is moved past it. */
static td_result put_value(td_buf *out, const char **format, va_list *values, td_err *err)
{
    char digits[NUMBER_BYTES];
    int width = 0;
    size_t most = SIZE_MAX;
    if (**format == '*') {
        width = va_arg(*values, int);
        ++*format;
    }
    if (strncmp(*format, ".*", 2) == 0) {
        most = (size_t)va_arg(*values, int);
        *format += 2;
    }
    int is_size = **format == 'z';
    *format += is_size;
    char kind = *(*format)++;
    const char *text = digits;
    if (kind == 's')
        text = va_arg(*values, const char *);
    else if (kind == 'c')
        (void)snprintf(digits, sizeof digits, "%c", va_arg(*values, int));
    else if (kind == 'u' && is_size)
        (void)snprintf(digits, sizeof digits, "%zu", va_arg(*values, size_t));
    else if (kind == 'u')
        (void)snprintf(digits, sizeof digits, "%u", va_arg(*values, unsigned));
    else
        TD_ASSERT(!"escape_format.h lists the conversions");
    size_t size = strnlen(text, most);
    td_result rc = TD_OK;
    for (int i = (int)size; i < width && rc == TD_OK; i++)
        rc = td_buf_append(out, " ", 1, err);
    return rc == TD_OK ? td_escape_append(out, td_bytes_of(text, size), err) : rc;
}

td_result td_escape_vprintf(td_buf *out, td_err *err, const char *format, va_list values)
{
    va_list rest;
    va_copy(rest, values);
    td_result rc = TD_OK;
    while (rc == TD_OK && *format != '\0') {
        size_t literal = strcspn(format, "%");
        rc = td_buf_append(out, format, literal, err);
        format += literal;
        if (rc != TD_OK || *format == '\0')
            break;
        format++;
        rc = put_value(out, &format, &rest, err);
    }
    va_end(rest);
    return rc;
}
