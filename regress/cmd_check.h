/* The verbs `regress check` and `regress diff`. */
#ifndef TD_REGRESS_CMD_CHECK_H
#define TD_REGRESS_CMD_CHECK_H

#include "cli/verbs.h"

#define CMD_REGRESS_CHECK_SUMMARY "compare the decoded frames of an archive with a baseline"
#define CMD_REGRESS_DIFF_SUMMARY  "compare two decoders over an archive"

/* Run the verb; a verb_row's function. */
exit_code cmd_regress_check(const verb_context *context, int argc, char **argv);
exit_code cmd_regress_diff(const verb_context *context, int argc, char **argv);

#endif
