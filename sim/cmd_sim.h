/* The verb `tapedeck sim`. */
#ifndef TD_SIM_CMD_SIM_H
#define TD_SIM_CMD_SIM_H

#include <stdio.h>

#include "cli/verbs.h"

/* For the verb tables of the front program and its own. */
#define CMD_SIM_SUMMARY "run a simulated exchange"

/* Run the simulated exchange until it is stopped or has sent what its options ask for. */
exit_code cmd_sim(const verb_context *context, int argc, char **argv);

/* Print the served families with paths, topics and the first symbols (1 to INSTRUMENTS_MAX) of
 * each. */
TD_MUST_USE td_result cmd_sim_list(FILE *out, uint32_t symbols, td_err *err);

#endif
