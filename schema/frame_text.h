/* The texts of requests and answers, as documents of exchanges write them: JSON in which a name
 * after "$" is a value, '{"op":"subscribe","args":$topics}'. A part "~(...)" is left out if one of
 * its values is absent. Values are whole JSON values, quotes included. Any thread. */
#ifndef TD_SCHEMA_FRAME_TEXT_H
#define TD_SCHEMA_FRAME_TEXT_H

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"

/* Appends the value of a name. *is_there becomes 0 if it is absent; what was appended then counts
 * only outside of parts that can be left out. */
typedef td_result (*frame_value)(const void *user, td_bytes name, td_buf *out, int *is_there,
                                 td_err *err);

/* Append the text, with its values. The text must have been checked. Returns the errors of value.
 */
TD_MUST_USE td_result frame_text_build(td_buf *out, const char *text, frame_value value,
                                       const void *user, td_err *err);

/* Get the next name of a text, for checking it: *at is the rest, NULL at the end. Returns 0 at the
 * end. */
int frame_text_next_name(const char **at, td_bytes *name);

/* What is wrong with the parts of a text; NULL: nothing. */
const char *frame_text_fault(const char *text);

#endif
