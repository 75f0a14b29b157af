/* The verb `drift`. */
#ifndef TD_DRIFT_CMD_DRIFT_H
#define TD_DRIFT_CMD_DRIFT_H

#include "cli/verbs.h"

/* For the verb tables of the front program and its own. */
#define CMD_DRIFT_SUMMARY "report content of the traffic that the schema does not know"

/* Run the verb; a verb_row's function. */
exit_code cmd_drift(const verb_context *context, int argc, char **argv);

#endif
