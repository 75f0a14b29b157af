/* Starts programs, each in its own process group, so that it can be ended with its own children.
 * Signal settings are as for a program started by a shell. Any thread. */
#ifndef TD_BASE_CHILD_H
#define TD_BASE_CHILD_H

#include <sys/types.h>

#include "base/err.h"

/* The program's standard input, output and errors: descriptors of this process, which stay open
 * here; -1: /dev/null. */
typedef struct td_child_ends {
    int input, output, errors;
} td_child_ends;

/* Start a program. words: its name and arguments, then NULL. TD_E_IO. */
TD_MUST_USE td_result td_child_start(const char *program, char *const words[], td_child_ends ends,
                                     pid_t *out, td_err *err);

#endif
