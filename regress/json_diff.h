/* Two JSON texts as `diff -u` shows them, with one member or element per line. One thread. */
#ifndef TD_REGRESS_JSON_DIFF_H
#define TD_REGRESS_JSON_DIFF_H

#include "base/cli/result.h"

/* Add the difference to an open list, one row per line: "--- before", "+++ now", and the lines,
 * with up to three equal ones around each change. One text may be NULL: then the other is printed
 * whole. Returns 1 if lines were left out at the end. */
int json_diff_describe(result_writer *r, const char *was, const char *is);

#endif
