/* The verbs of the front program that are not import: one cmd_<verb>.c each. Every one parses its
 * command line, prints for itself, and returns the exit status that docs/design.md gives it. */
#ifndef TD_VERBS_CMDS_H
#define TD_VERBS_CMDS_H

#include "cli/verbs.h"

/* What an archive holds: sessions, feeds, topics, gaps. One document. */
exit_code cmd_info(const verb_context *context, int argc, char **argv);

/* Its segments, a line each. */
exit_code cmd_ls(const verb_context *context, int argc, char **argv);

/* The frames of a selection, in order: JSON lines, or the bytes. */
exit_code cmd_cat(const verb_context *context, int argc, char **argv);

/* The ledger of discontinuities. 1 if it lists any. */
exit_code cmd_gaps(const verb_context *context, int argc, char **argv);

/* Prove the archive sound. 0 sound, 1 sound after recover or reindex, 3 damaged. */
exit_code cmd_verify(const verb_context *context, int argc, char **argv);

/* Close what a crash left open. 3 if something durable is lost. */
exit_code cmd_recover(const verb_context *context, int argc, char **argv);

/* Remove old segments. 3 if one could not be read, and so was left. */
exit_code cmd_prune(const verb_context *context, int argc, char **argv);

/* Rebuild the catalog. 3 if a segment could not be read, or is not there. */
exit_code cmd_reindex(const verb_context *context, int argc, char **argv);

/* The catalog's rows, sorted, as text. */
exit_code cmd_dump_catalog(const verb_context *context, int argc, char **argv);

/* Frames on stdin to typed JSON. 1 if one could not be decoded. */
exit_code cmd_decode(const verb_context *context, int argc, char **argv);

/* What the schema knows. */
exit_code cmd_topics(const verb_context *context, int argc, char **argv);

#endif
