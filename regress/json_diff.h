/* Prints the difference of two JSON texts like `diff -u`, with one member or element per line. One
 * thread. */
#ifndef TD_REGRESS_JSON_DIFF_H
#define TD_REGRESS_JSON_DIFF_H

#include "base/cli/result.h"

/* Add the difference to an open list, one row per line: "--- before", "+++ now", and the changed
 * lines with up to three equal lines before and after each. If one text is NULL, only the lines of
 * the other text are added. Returns 1 if lines were left out at the end. */
int json_diff_describe(result_writer *r, const char *was, const char *is);

#endif
