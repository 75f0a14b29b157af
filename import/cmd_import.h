/* The verb `tapedeck import`. */
#ifndef TD_IMPORT_CMD_IMPORT_H
#define TD_IMPORT_CMD_IMPORT_H

#include "cli/verbs.h"

/* Import captures (docs/import.md), each as one session. Status 1 if a line was malformed. */
exit_code cmd_import(const verb_context *context, int argc, char **argv);

#endif
