/* The verb `record`. */
#ifndef TD_RECORDER_CMD_RECORD_H
#define TD_RECORDER_CMD_RECORD_H

#include "cli/verbs.h"

/* For the verb tables of the front program and its own. */
#define CMD_RECORD_SUMMARY "capture live feeds into an archive"

/* Read the command line, record until a signal or a limit, print what was recorded. */
exit_code cmd_record(const verb_context *context, int argc, char **argv);

#endif
