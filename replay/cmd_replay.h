/* The verbs `replay`, `when` and `why`. */
#ifndef TD_REPLAY_CMD_REPLAY_H
#define TD_REPLAY_CMD_REPLAY_H

#include "cli/verbs.h"

/* For the verb tables of the front program and its own. */
#define CMD_REPLAY_SUMMARY "run a selection through decoders and order books, and report"
#define CMD_WHEN_SUMMARY   "find the first frame that meets a condition"
#define CMD_WHY_SUMMARY    "show what put a level into a book"

/* Run a verb; a verb_row's function. */
exit_code cmd_when(const verb_context *context, int argc, char **argv);
exit_code cmd_why(const verb_context *context, int argc, char **argv);
exit_code cmd_replay(const verb_context *context, int argc, char **argv);

#endif
