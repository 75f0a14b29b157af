/* The difference of two JSON texts like `diff -u`, with one member or element per line. One
 * thread. */
#ifndef TD_REGRESS_JSON_DIFF_H
#define TD_REGRESS_JSON_DIFF_H

#include "base/cli/result.h"

/* A line of a difference. */
typedef struct json_diff_line {
    const char *text; /* of size bytes, no NUL */
    size_t size;
    size_t depth; /* of an element or bracket */
    char mark;    /* '-': only before, '+': only now, ' ': both, '@': lines were left out */
} json_diff_line;

/* Give each line of the difference to put: "--- before", "+++ now", and the changed lines with up
 * to three equal lines before and after each. If one text is NULL, only the lines of the other text
 * are given. Returns 1 if lines were left out at the end. */
int json_diff_lines(const char *was, const char *is,
                    void (*put)(void *user, const json_diff_line *line), void *user);

/* Add the difference to an open list, one row per line. Returns 1 if lines were left out at the
 * end. */
int json_diff_describe(result_writer *r, const char *was, const char *is);

#endif
