/* Escapes external text for screens, so that a symbol, reason or path from a peer or file stays
 * part of one line: characters that a terminal would act on are escaped.
 *
 *   bytes below 0x20, 0x7f, bytes that are not UTF-8 \x1b
 *   U+0080 to U+009F, direction marks, separators     \u202e
 *
 * A backslash is not escaped, so escaping twice changes nothing; --json prints the exact text. All
 * text output uses it: base/cli/ (tables, lines, status), base/log.h and base/err.h. Pure
 * functions; any thread. */
#ifndef TD_BASE_ESCAPE_H
#define TD_BASE_ESCAPE_H

#include <stddef.h>

#include "base/bytes.h"

/* Escape text into out, of out_bytes (at least 1), with a NUL. Returns 1, or 0 if the text was
 * truncated, between two characters. */
int td_escape(td_bytes text, char *out, size_t out_bytes);

/* The next part of the escaped text: a run of printable ASCII, which needs no escapes, or one other
 * character or its escape, which is written to piece. Removes that part from text, which must not
 * be empty. */
enum { TD_ESCAPE_BYTES = 8 };
td_bytes td_escape_next(td_bytes *text, char piece[TD_ESCAPE_BYTES]);

#endif
