/* The verb `when`. */
#ifndef TD_REPLAY_CMD_WHEN_H
#define TD_REPLAY_CMD_WHEN_H

#include "cli/verbs.h"

/* For the verb tables of the front program and its own. */
#define CMD_WHEN_SUMMARY "find the first frame that meets a condition"

/* Run the verb; a verb_row's function. */
exit_code cmd_when(const verb_context *context, int argc, char **argv);

#endif
