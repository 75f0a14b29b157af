/* The verb `tap`. */
#ifndef TD_TAP_CMD_TAP_H
#define TD_TAP_CMD_TAP_H

#include "cli/verbs.h"

/* For the verb tables of the front program and its own. */
#define CMD_TAP_SUMMARY "pass a client's connections on, and record them"

/* Read the command line, relay until a signal, report what was recorded. */
exit_code cmd_tap(const verb_context *context, int argc, char **argv);

#endif
