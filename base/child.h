/* Programs that are started, each in a process group of its own, so that all that it starts ends
 * with it. Signals are as a shell starts programs with. Pure system calls; any thread. */
#ifndef TD_BASE_CHILD_H
#define TD_BASE_CHILD_H

#include <sys/types.h>

#include "base/err.h"

/* Its standard input, output and errors: descriptors of this process, which stay open here; -1:
 * /dev/null. */
typedef struct td_child_ends {
    int input, output, errors;
} td_child_ends;

/* Start a program. words: its arguments, the first is its name; ends with NULL. TD_E_IO. */
TD_MUST_USE td_result td_child_start(const char *program, char *const words[], td_child_ends ends,
                                     pid_t *out, td_err *err);

#endif
