/* Runs a user's command on a cut and finds out whether the command fails. Statuses have the same
 * meaning as in `git bisect run`, except that a status of 128 or more, or an end by a signal, is a
 * failure too, because crashing clients end in this way.
 *
 * The command is a line for /bin/sh. Its $1 is the file. With a server, each run starts a `tapedeck
 * serve` of the file, without TLS and at full speed, and ends it afterwards; $1 is then the
 * server's URL and $2 the file. Processes that the command leaves running are killed. A run that
 * takes longer than four times the first run plus 2 s is killed too; its result is unknown. The
 * output of the first run is written to standard error; other output is discarded. One thread. */
#ifndef TD_CUT_SHRINK_COMMAND_H
#define TD_CUT_SHRINK_COMMAND_H

#include <stdint.h>

#include "base/err.h"
#include "base/cli/stop_signal.h"

typedef struct shrink_command {
    const char *text;   /* the user's line for /bin/sh */
    const char *folder; /* for its temporary files */
    uint8_t with_server;
    const stop_signal *signals;
    uint64_t runs;
    uint64_t limit_ns; /* time limit of a run; set by the first run */
} shrink_command;

typedef enum command_result {
    COMMAND_SUCCEEDED, /* status 0 */
    COMMAND_FAILED,
    COMMAND_UNKNOWN, /* status 125, or the run took too long */
    COMMAND_STOPPED, /* a signal ended the run */
} command_result;

/* Run the command on a file. TD_E_INVALID: the shell cannot run it (126, 127); TD_E_IO. */
TD_MUST_USE td_result shrink_command_run(shrink_command *self, const char *path,
                                         command_result *out, td_err *err);

#endif
