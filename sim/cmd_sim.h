/* The verb `tapedeck sim`. */
#ifndef TD_SIM_CMD_SIM_H
#define TD_SIM_CMD_SIM_H

#include <stdio.h>

#include "cli/verbs.h"

/* Run the simulated exchange until it is stopped or has sent what was asked for. */
exit_code cmd_sim(const verb_context *context, int argc, char **argv);

/* Print the families that are served, with paths and topics. */
TD_MUST_USE td_result cmd_sim_list(FILE *out, td_err *err);

#endif
