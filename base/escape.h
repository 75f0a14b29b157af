/* Escapes text from outside for screens. Whatever a peer or a file puts into a symbol, a reason or
 * a path, it stays part of one line: characters that a terminal would act on are escaped.
 *
 *   bytes below 0x20, 0x7f, bytes that are no UTF-8   \x1b
 *   U+0080 to U+009F, direction marks, separators     \u202e
 *
 * A backslash is unchanged, so escaping twice changes nothing; --json prints the exact text. Used
 * by everything that prints for people: base/cli/ (tables, lines, status), base/log.h and
 * base/err.h. Pure functions; any thread. */
#ifndef TD_BASE_ESCAPE_H
#define TD_BASE_ESCAPE_H

#include <stddef.h>

#include "base/bytes.h"

/* Escape text into out, of out_bytes (at least 1), with a NUL. Returns 1 if all of it fits, else 0:
 * cut between two characters. */
int td_escape(td_bytes text, char *out, size_t out_bytes);

/* The next part of escaped text: a run of text as it is, or one character's escape in piece. text,
 * which is not empty, becomes the rest. */
enum { TD_ESCAPE_BYTES = 8 };
td_bytes td_escape_next(td_bytes *text, char piece[TD_ESCAPE_BYTES]);

#endif
