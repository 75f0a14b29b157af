/* Starts programs. Each gets its own process group, so that a program can be ended together with
 * its children. Signal settings are as for a program started by a shell. Any thread. */
#ifndef TD_BASE_CHILD_H
#define TD_BASE_CHILD_H

#include <sys/types.h>

#include "base/err.h"

/* Descriptors of this process that the program gets as standard input, output and error; -1:
 * /dev/null. They stay open in this process. */
typedef struct td_child_ends {
    int input, output, errors;
} td_child_ends;

/* Start a program. words: the program's name and arguments, then NULL. TD_E_IO. */
TD_MUST_USE td_result td_child_start(const char *program, char *const words[], td_child_ends ends,
                                     pid_t *out, td_err *err);

#endif
