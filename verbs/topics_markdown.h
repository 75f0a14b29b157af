/* Everything about the topics as a document in Markdown, from the rows that decode: docs/topics.md
 * is that, and a test fails where it is not. */
#ifndef TD_VERBS_TOPICS_MARKDOWN_H
#define TD_VERBS_TOPICS_MARKDOWN_H

#include "base/buf.h"
#include "base/err.h"

enum { TOPICS_MARKDOWN_BYTES_MAX = 4 << 20 };

/* Append the document; of one family only, or of all if it is NULL. TD_E_NOMEM, TD_E_LIMIT. */
TD_MUST_USE td_result topics_markdown_write(const char *family, td_buf *out, td_err *err);

#endif
