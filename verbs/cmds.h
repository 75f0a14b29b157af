/* The verbs of the front program that are not import: one cmd_<verb>.c each. Every one parses its
 * command line, prints for itself, and returns the exit status that docs/design.md gives it. */
#ifndef TD_VERBS_CMDS_H
#define TD_VERBS_CMDS_H

#include "cli/verbs.h"

/* Summarize an archive: sessions, feeds, topics, gaps. One document. */
exit_code cmd_info(const verb_context *context, int argc, char **argv);

/* List segments, one per line. */
exit_code cmd_ls(const verb_context *context, int argc, char **argv);

/* Print the frames of a selection in order, as JSON lines or raw bytes. */
exit_code cmd_cat(const verb_context *context, int argc, char **argv);

/* List the gaps of the ledger. 1 if there is any. */
exit_code cmd_gaps(const verb_context *context, int argc, char **argv);

/* Report how whole each symbol's days are. 1 if one is not clean. */
exit_code cmd_days(const verb_context *context, int argc, char **argv);

/* Report how long requests about orders took. */
exit_code cmd_latency(const verb_context *context, int argc, char **argv);

/* Check every byte. 0 sound, 1 sound after recover or reindex, 3 damaged. */
exit_code cmd_verify(const verb_context *context, int argc, char **argv);

/* Finish segments that a crash left open. 3 if something durable is lost. */
exit_code cmd_recover(const verb_context *context, int argc, char **argv);

/* Remove old segments. 3 if one could not be read and was left. */
exit_code cmd_prune(const verb_context *context, int argc, char **argv);

/* Rebuild the catalog. 3 if a segment could not be read, or is missing. */
exit_code cmd_reindex(const verb_context *context, int argc, char **argv);

/* Print the catalog as sorted text. */

/* Decode frames to typed JSON. 1 if one could not be decoded. */
exit_code cmd_decode(const verb_context *context, int argc, char **argv);

/* List topics that can be decoded. */
exit_code cmd_topics(const verb_context *context, int argc, char **argv);

#endif
