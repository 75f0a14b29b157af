/* A page of HTML in memory, with a bound. Text from archives and peers is written so that it is
 * never markup. One thread. */
#ifndef TD_VERBS_HTML_PAGE_H
#define TD_VERBS_HTML_PAGE_H

#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"

typedef struct html_page {
    td_buf bytes;
    td_result rc; /* TD_E_LIMIT: something did not fit, and nothing was added since */
} html_page;

void html_page_init(html_page *page, size_t bytes_max);
void html_page_fini(html_page *page);

/* Put markup; html_putf: of at most 511 bytes, from numbers and short names. */
void html_put(html_page *to, const char *html);
void html_putf(html_page *to, const char *format, ...) TD_PRINTF(2, 3);

/* Put text: escaped, without controls. html_put_cell begins a cell of a table before it. */
void html_put_text(html_page *to, const char *text);
void html_put_cell(html_page *to, const char *text);

/* Put a time with milliseconds; a duration, "-" for none. */
void html_put_time(html_page *to, uint64_t ns);
void html_put_duration(html_page *to, uint64_t ns);

#endif
