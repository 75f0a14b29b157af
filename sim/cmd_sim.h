/* The verb `tapedeck sim`. */
#ifndef TD_SIM_CMD_SIM_H
#define TD_SIM_CMD_SIM_H

#include "cli/verbs.h"

/* Run the simulated exchange until it is stopped or has sent what was asked for. */
exit_code cmd_sim(const verb_context *context, int argc, char **argv);

#endif
