/* The verb `export`. */
#ifndef TD_EXPORT_CMD_EXPORT_H
#define TD_EXPORT_CMD_EXPORT_H

#include "cli/verbs.h"

/* For the verb tables of the front program and its own. */
#define CMD_EXPORT_SUMMARY "export a selection as a dataset"

/* Run the verb; a verb_row's function. */
exit_code cmd_export(const verb_context *context, int argc, char **argv);

#endif
