/* Runs a user's command on a cut, and says whether it fails: as `git bisect run` does, but a status
 * of 128 or more, and the end by a signal, are failures, too: clients that crash end so.
 *
 * The command is a line for /bin/sh, whose $1 is the file, or with a server the URL of a `tapedeck
 * serve` of it, without TLS and at full speed, which is started for each run and ended after it; $2
 * is the file then.
 * What the command leaves running is killed, and so is a run that takes four times as long as the
 * first one and 2 s more: it cannot be judged. Its output is discarded, but that of the first run
 * goes to standard error. One thread. */
#ifndef TD_CUT_JUDGE_H
#define TD_CUT_JUDGE_H

#include <stdint.h>

#include "base/err.h"
#include "base/cli/stop_signal.h"

typedef struct judge {
    const char *command;
    const char *folder; /* for files of its own */
    uint8_t with_server;
    const stop_signal *signals;
    uint64_t runs;
    uint64_t limit_ns; /* of a run; set by the first one */
} judge;

typedef enum judgement {
    JUDGED_GOOD, /* status 0 */
    JUDGED_BAD,
    JUDGED_UNKNOWN, /* status 125, or it takes too long */
    JUDGED_STOPPED, /* a signal ended the run */
} judgement;

/* Run the command on a file. TD_E_INVALID: the shell cannot run it (126, 127); TD_E_IO. */
TD_MUST_USE td_result judge_file(judge *self, const char *path, judgement *out, td_err *err);

#endif
