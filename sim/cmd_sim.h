/* The verb `tapedeck sim`. */
#ifndef TD_SIM_CMD_SIM_H
#define TD_SIM_CMD_SIM_H

#include "cli/verbs.h"

/* For the verb tables of the front program and its own. */
#define CMD_SIM_SUMMARY "run a simulated exchange"

/* Run the simulated exchange until it is stopped or has sent what its options ask for. */
exit_code cmd_sim(const verb_context *context, int argc, char **argv);

#endif
