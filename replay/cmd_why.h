/* The verb `why`. */
#ifndef TD_REPLAY_CMD_WHY_H
#define TD_REPLAY_CMD_WHY_H

#include "cli/verbs.h"

/* For the verb tables of the front program and its own. */
#define CMD_WHY_SUMMARY "show what put a level into a book"

/* Run the verb; a verb_row's function. */
exit_code cmd_why(const verb_context *context, int argc, char **argv);

#endif
