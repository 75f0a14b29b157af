/* The verb `cut`. */
#ifndef TD_CUT_CMD_CUT_H
#define TD_CUT_CMD_CUT_H

#include "cli/verbs.h"

/* For the verb tables of the front program and its own. */
#define CMD_CUT_SUMMARY "write a selection as one self-contained file"

/* Run the verb; a verb_row's function. */
exit_code cmd_cut(const verb_context *context, int argc, char **argv);

#endif
