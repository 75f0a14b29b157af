/* The verb `regress save`. */
#ifndef TD_REGRESS_CMD_SAVE_H
#define TD_REGRESS_CMD_SAVE_H

#include "cli/verbs.h"

#define CMD_REGRESS_SAVE_SUMMARY "save the decode of every frame as a baseline"

/* Run the verb; a verb_row's function. */
exit_code cmd_regress_save(const verb_context *context, int argc, char **argv);

#endif
