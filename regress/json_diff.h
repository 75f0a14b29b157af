/* Two JSON texts as `diff -u` shows them, with one member or element a line. One thread. */
#ifndef TD_REGRESS_JSON_DIFF_H
#define TD_REGRESS_JSON_DIFF_H

#include "base/cli/result.h"

/* Add the difference to a list that is open, a row a line: "--- before", "+++ now", and the lines,
 * with up to three equal ones around each change. One of the texts may be NULL: then the other one
 * is printed whole. Returns 1 if there are more lines than are printed. */
int json_diff_describe(result_writer *r, const char *was, const char *is);

#endif
