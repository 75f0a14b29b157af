/* Runs a verb of another tapedeck program. */
#ifndef TD_CLI_VERB_EXEC_H
#define TD_CLI_VERB_EXEC_H

#include "base/err.h"

/* Replace this process by program: the file of that name beside our own, then on PATH. argv[0] is
 * the verb, and is passed on. Returns only on failure. */
TD_MUST_USE td_result verb_exec(const char *program, char **argv, td_err *err);

#endif
