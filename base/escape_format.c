#include "base/escape_format.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "base/assert.h"
#include "base/escape.h"

enum { NUMBER_BYTES = 24, SPEC_BYTES = 32 };

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

/* Pad what was appended from begin on, in code points; a negative width pads at its end. */
static td_result pad(td_buf *out, size_t begin, long width, char fill, td_err *err)
{
    size_t columns = 0;
    size_t size = out->size - begin;
    for (size_t i = begin; i < out->size; i++)
        columns += (out->data[i] & 0xc0) != 0x80;
    if (columns >= (size_t)labs(width))
        return TD_OK;
    size_t missing = (size_t)labs(width) - columns;
    td_result rc = td_buf_reserve(out, missing, err);
    if (rc != TD_OK)
        return rc;
    uint8_t *at = out->data + begin;
    if (width > 0)
        memmove(at + missing, at, size);
    memset(width > 0 ? at : at + size, width > 0 ? fill : ' ', missing);
    out->size += missing;
    return TD_OK;
}

td_result td_escape_vprintf(td_buf *out, td_err *err, const char *format, va_list values)
{
    td_result rc = TD_OK;
    while (rc == TD_OK && *format != '\0') {
        size_t literal = strcspn(format, "%");
        rc = td_buf_append(out, format, literal, err);
        format += literal;
        if (rc != TD_OK || *format == '\0')
            break;
        /* The conversion up to its kind, with the values of its '*'. */
        char spec[SPEC_BYTES] = "";
        unsigned longs = 0, is_size = 0, is_max = 0;
        for (format++; *format != '\0' && strchr("-0123456789.*lzj", *format) != NULL; format++) {
            size_t used = strlen(spec);
            TD_ASSERT(used < SPEC_BYTES - 12); /* an int fits */
            longs += *format == 'l';
            is_size |= *format == 'z';
            is_max |= *format == 'j';
            if (*format == '*')
                (void)snprintf(spec + used, SPEC_BYTES - used, "%d", va_arg(values, int));
            else if (strchr("lzj", *format) == NULL)
                spec[used] = *format;
        }
        const char *point = strchr(spec, '.');
        size_t begin = out->size;
        char digits[NUMBER_BYTES];
        char kind = *format++;
        if (kind == 's') {
            const char *text = va_arg(values, const char *);
            size_t most = point == NULL ? SIZE_MAX : (size_t)strtoul(point + 1, NULL, 10);
            text = text == NULL ? "(null)" : text;
            rc = td_escape_append(out, td_bytes_of(text, strnlen(text, most)), err);
        } else if (kind == 'c') {
            char character = (char)va_arg(values, int);
            rc = td_escape_append(out, td_bytes_of(&character, 1), err);
        } else if (kind == '%') {
            rc = td_buf_append(out, "%", 1, err);
        } else if (kind == 'd') {
            intmax_t number = is_max       ? va_arg(values, intmax_t)
                              : is_size    ? va_arg(values, ssize_t)
                              : longs == 2 ? va_arg(values, long long)
                              : longs == 1 ? va_arg(values, long)
                                           : va_arg(values, int);
            int size = snprintf(digits, sizeof digits, "%jd", number);
            rc = td_buf_append(out, digits, (size_t)size, err);
        } else {
            TD_ASSERT(kind == 'u' || kind == 'x'); /* escape_format.h lists the conversions */
            uintmax_t natural = is_max       ? va_arg(values, uintmax_t)
                                : is_size    ? va_arg(values, size_t)
                                : longs == 2 ? va_arg(values, unsigned long long)
                                : longs == 1 ? va_arg(values, unsigned long)
                                             : va_arg(values, unsigned);
            int size = snprintf(digits, sizeof digits, kind == 'x' ? "%jx" : "%ju", natural);
            rc = td_buf_append(out, digits, (size_t)size, err);
        }
        if (rc == TD_OK)
            rc = pad(out, begin, strtol(spec, NULL, 10), spec[0] == '0' && kind != 's' ? '0' : ' ',
                     err);
    }
    return rc;
}
