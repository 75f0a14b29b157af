/* The verb `tapedeck sim`. */
#ifndef TD_SIM_CMD_SIM_H
#define TD_SIM_CMD_SIM_H

#include "cli/option_groups.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "sim/exchange.h"

/* For the verb tables of the front program and its own. */
#define CMD_SIM_SUMMARY "run a simulated exchange"

/* Run the simulated exchange until it is stopped or has sent what its options ask for. */
exit_code cmd_sim(const verb_context *context, int argc, char **argv);

/* Print paths, topics and symbols of the families. */
TD_MUST_USE td_result cmd_sim_list(const json_options *form, const exchange_options *wanted,
                                   td_err *err);

#endif
