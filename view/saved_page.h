/* The page as one file, which a browser shows from a disk: its HTML, style and scripts, and the
 * answers that it may ask for (view/web/saved.js). Answers are compressed and in base64, so no text
 * of an archive can be markup. One thread. */
#ifndef TD_VIEW_SAVED_PAGE_H
#define TD_VIEW_SAVED_PAGE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"

enum { SAVED_PAGE_BYTES_MAX = 5 << 20 };

typedef struct saved_page {
    td_buf html;
    size_t answers; /* number of answers */
} saved_page;

/* Begin a page that was saved at a time. is_damaged: the page shows that a part of the recording
 * cannot be read. The caller frees it with saved_page_fini, also after a failure. TD_E_LIMIT. */
TD_MUST_USE td_result saved_page_begin(saved_page *page, uint64_t saved_ns, uint8_t is_damaged,
                                       td_err *err);
void saved_page_fini(saved_page *page);

/* Add the answer to a question, which is spelled as the page spells it, without its leading "api/".
 * TD_E_LIMIT: the page would get too large, and is as before. */
TD_MUST_USE td_result saved_page_add(saved_page *page, const char *question, td_bytes answer,
                                     td_err *err);

/* Go back to a page of this size and number of answers. */
void saved_page_cut(saved_page *page, size_t bytes, size_t answers);

/* Write the end. page->html is the whole file then. TD_E_LIMIT is impossible: its place is kept. */
void saved_page_end(saved_page *page);

#endif
