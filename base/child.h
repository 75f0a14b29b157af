/* Starts programs. Each gets its own process group, so that a program can be ended together with
 * its children. Signal settings are as for a program started by a shell. Any thread. */
#ifndef TD_BASE_CHILD_H
#define TD_BASE_CHILD_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/limits.h"

/* Descriptors of this process that the program gets as standard input, output and error; -1:
 * /dev/null. They stay open in this process. */
typedef struct td_child_ends {
    int input, output, errors;
} td_child_ends;

/* Start a program. words: the program's name and arguments, then NULL. TD_E_IO. */
TD_MUST_USE td_result td_child_start(const char *program, char *const words[], td_child_ends ends,
                                     pid_t *out, td_err *err);

/* The path of a program in the folder of this one. */
void td_child_program(const char *name, char out[LIMIT_PATH_BYTES]);

/* How a program ended, by the status of waitpid(2): "ended with status 3", "was ended by signal 9".
 */
enum { TD_CHILD_END_BYTES = 48 };
const char *td_child_end_text(int status, char out[TD_CHILD_END_BYTES]);

/* What a program used: CPU time of all its processes, peak resident memory of the largest one. */
typedef struct td_child_usage {
    uint64_t cpu_ns, peak_bytes;
} td_child_usage;

/* The usage of the processes of the program's group that run now. pid: of td_child_start. Reads
 * /proc. */
td_child_usage td_child_usage_now(pid_t pid);

/* Wait for the program as waitpid(2) does. If it has ended, raises *used, which has its
 * td_child_usage_now of before or is zero, to what the program and the children that it waited for
 * used. Without an earlier value peak_bytes may be too large, by the memory of this process: the
 * kernel counts it before the program replaces it. */
pid_t td_child_wait(pid_t pid, int *status, int options, td_child_usage *used);

#endif
