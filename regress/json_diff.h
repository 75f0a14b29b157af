/* Two JSON texts as `diff -u` shows them, with one member or element a line. One thread. */
#ifndef TD_REGRESS_JSON_DIFF_H
#define TD_REGRESS_JSON_DIFF_H

#include "base/buf.h"

/* Append the difference to out: "--- before", "+++ now", and the lines, with up to three equal ones
 * around each change. One of the texts may be NULL: then the other one is printed whole. Lines
 * that exceed the buffer's bound are left out. */
void json_diff_append(td_buf *out, const char *was, const char *is);

#endif
