/* Writes escaped text (base/escape.h) to buffers. Pure functions; any thread. */
#ifndef TD_BASE_ESCAPE_FORMAT_H
#define TD_BASE_ESCAPE_FORMAT_H

#include <stdarg.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"

/* Append escaped text. TD_OK, TD_E_LIMIT. */
TD_MUST_USE td_result td_escape_append(td_buf *out, td_bytes text, td_err *err);

/* Append formatted text. The format's own characters are unchanged; values are escaped, including
 * their line breaks. Conversions: %s %*s %.*s %c %u %zu; others fail an assertion. TD_OK,
 * TD_E_LIMIT. */
TD_MUST_USE td_result td_escape_vprintf(td_buf *out, td_err *err, const char *format,
                                        va_list values) TD_PRINTF(3, 0);

#endif
