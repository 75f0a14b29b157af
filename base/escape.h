/* Escapes text from outside for screens. Whatever a peer or a file puts into a symbol, a reason or
 * a path, it stays part of one line: characters that a terminal would act on are escaped.
 *
 *   bytes below 0x20, 0x7f, bytes that are no UTF-8   \x1b
 *   U+0080 to U+009F, direction marks, separators     \u202e
 *
 * A backslash is unchanged, so escaping twice changes nothing; --json prints the exact text. Used
 * by everything that prints for people: cli/ (tables, lines, status), base/log.h and base/err.h.
 * Pure functions; any thread. */
#ifndef TD_BASE_ESCAPE_H
#define TD_BASE_ESCAPE_H

#include <stdarg.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"

/* Escape text into out, of out_bytes (at least 1), with a NUL. Returns 1 if all of it fits, else 0:
 * cut between two characters. */
int td_escape(td_bytes text, char *out, size_t out_bytes);

/* Append escaped text. As td_buf_reserve. */
TD_MUST_USE td_result td_escape_append(td_buf *out, td_bytes text, td_err *err);

/* Append formatted text: the format's own characters unchanged, the values of %s escaped, their
 * line breaks too. Conversions: %s %c %d %u %x with l, ll, z, j, width, precision (of %s), '-' and
 * '0'; another is an assertion. As td_buf_reserve. */
TD_MUST_USE td_result td_escape_vprintf(td_buf *out, td_err *err, const char *format,
                                        va_list values) TD_PRINTF(3, 0);

#endif
