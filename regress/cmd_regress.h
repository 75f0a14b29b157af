/* The verb `regress`, which has verbs of its own. */
#ifndef TD_REGRESS_CMD_REGRESS_H
#define TD_REGRESS_CMD_REGRESS_H

#include "cli/verbs.h"

/* For the verb tables of the front program and its own. */
#define CMD_REGRESS_SUMMARY "test decoders against recorded traffic"

/* Run the verb, or one of those below it; a verb_row's function. */
exit_code cmd_regress(const verb_context *context, int argc, char **argv);
exit_code cmd_regress_save(const verb_context *context, int argc, char **argv);
exit_code cmd_regress_check(const verb_context *context, int argc, char **argv);
exit_code cmd_regress_diff(const verb_context *context, int argc, char **argv);

#endif
