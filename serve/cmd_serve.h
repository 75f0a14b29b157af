/* The verb `serve`. */
#ifndef TD_SERVE_CMD_SERVE_H
#define TD_SERVE_CMD_SERVE_H

#include "cli/verbs.h"

/* For the verb tables of the front program and its own. */
#define CMD_SERVE_SUMMARY "replay a selection as a WebSocket server"

/* Run the verb; a verb_row's function. */
exit_code cmd_serve(const verb_context *context, int argc, char **argv);

#endif
