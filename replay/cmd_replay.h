/* The verb `replay`. */
#ifndef TD_REPLAY_CMD_REPLAY_H
#define TD_REPLAY_CMD_REPLAY_H

#include "cli/verbs.h"

/* For the verb tables of the front program and its own. */
#define CMD_REPLAY_SUMMARY "run a selection through decoders and order books, and report"

/* Run the verb; a verb_row's function. */
exit_code cmd_replay(const verb_context *context, int argc, char **argv);

#endif
