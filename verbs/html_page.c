#include "verbs/html_page.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/escape.h"
#include "base/time_text.h"

void html_page_init(html_page *page, size_t bytes_max)
{
    *page = (html_page){.rc = TD_OK};
    td_buf_init(&page->bytes, bytes_max);
}

void html_page_fini(html_page *page)
{
    td_buf_fini(&page->bytes);
}

void html_put(html_page *to, const char *html)
{
    if (to->rc == TD_OK)
        to->rc = td_buf_append(&to->bytes, html, strlen(html), NULL);
}

void html_putf(html_page *to, const char *format, ...)
{
    char text[512];
    va_list values;
    va_start(values, format);
    (void)vsnprintf(text, sizeof text, format, values); /* numbers and short names */
    va_end(values);
    html_put(to, text);
}

void html_put_text(html_page *to, const char *text)
{
    td_bytes rest = td_bytes_str(text);
    while (rest.size > 0) {
        char piece[TD_ESCAPE_BYTES];
        td_bytes part = td_escape_next(&rest, piece);
        for (size_t i = 0; i < part.size && to->rc == TD_OK; i++) {
            const char c = (char)part.data[i];
            if (strchr("&<>\"'", c) != NULL)
                html_putf(to, "&#%d;", c);
            else
                to->rc = td_buf_append(&to->bytes, &c, 1, NULL);
        }
    }
}

void html_put_cell(html_page *to, const char *text)
{
    html_put(to, "<td>");
    html_put_text(to, text);
}

void html_put_time(html_page *to, uint64_t ns)
{
    char text[TD_TIME_TEXT_BYTES];
    td_time_format_ms(ns, text);
    html_put(to, text);
}

void html_put_duration(html_page *to, uint64_t ns)
{
    char text[TD_TIME_TEXT_BYTES];
    td_duration_format(ns, text);
    html_put(to, ns == 0 ? "-" : text);
}
