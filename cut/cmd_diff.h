/* The verb `diff`. */
#ifndef TD_CUT_CMD_DIFF_H
#define TD_CUT_CMD_DIFF_H

#include "cli/verbs.h"

/* For the verb tables of the front program and its own. */
#define CMD_DIFF_SUMMARY "compare the frames of two archives"

/* Run the verb; a verb_row's function. */
exit_code cmd_diff(const verb_context *context, int argc, char **argv);

#endif
