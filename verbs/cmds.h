/* The verbs: one cmd_<verb>.c each. Each parses its command line, prints its result, and returns
 * the exit status that docs/design.md lists. Some verbs are in two tables: the front program's
 * table, and the table of the program that runs the verb. Their summaries are here. */
#ifndef TD_VERBS_CMDS_H
#define TD_VERBS_CMDS_H

#include "base/cli/verbs.h"

/* ---- tapedeck-record ---- */

#define CMD_RECORD_SUMMARY "capture live feeds into an archive"
#define CMD_TAP_SUMMARY    "relay a client's connections, and record them"
#define CMD_CTL_SUMMARY    "ask or tell a recorder: status, top, reload, rotate, stop"

/* Record until a signal or a limit, print what was recorded. */
exit_code cmd_record(const verb_context *context, int argc, char **argv);
/* Relay until a signal, report what was recorded. */
exit_code cmd_tap(const verb_context *context, int argc, char **argv);
/* Print a running recorder's answer. */
exit_code cmd_ctl(const verb_context *context, int argc, char **argv);

/* ---- tapedeck-replay ---- */

#define CMD_REPLAY_SUMMARY  "run a selection through decoders and order books, and report"
#define CMD_WHEN_SUMMARY    "find the first frame that meets a condition"
#define CMD_WHY_SUMMARY     "show what put a level into a book"
#define CMD_SERVE_SUMMARY   "replay a selection as a WebSocket server"
#define CMD_EXPORT_SUMMARY  "export a selection as a dataset"
#define CMD_PLAN_SUMMARY    "print the commands that make an export in units"
#define CMD_CUT_SUMMARY     "write a selection as a self-contained file or folder"
#define CMD_DIFF_SUMMARY    "compare the frames of two archives"
#define CMD_REGRESS_SUMMARY "test decoders against recorded traffic"
#define CMD_VIEW_SUMMARY    "show an archive as a page in a browser"
#define CMD_DRIFT_SUMMARY   "report content of the traffic that the schema does not know"

/* The verbs with these summaries. */
exit_code cmd_replay(const verb_context *context, int argc, char **argv);
exit_code cmd_when(const verb_context *context, int argc, char **argv);
exit_code cmd_why(const verb_context *context, int argc, char **argv);
exit_code cmd_serve(const verb_context *context, int argc, char **argv);
exit_code cmd_export(const verb_context *context, int argc, char **argv);
exit_code cmd_plan(const verb_context *context, int argc, char **argv);
exit_code cmd_cut(const verb_context *context, int argc, char **argv);
exit_code cmd_diff(const verb_context *context, int argc, char **argv);
/* Serve the page until a signal. */
exit_code cmd_view(const verb_context *context, int argc, char **argv);
exit_code cmd_drift(const verb_context *context, int argc, char **argv);
/* Runs one of the verbs below. */
exit_code cmd_regress(const verb_context *context, int argc, char **argv);
exit_code cmd_regress_save(const verb_context *context, int argc, char **argv);
exit_code cmd_regress_check(const verb_context *context, int argc, char **argv);

/* ---- tapedeck-sim ---- */

#define CMD_SIM_SUMMARY "run a simulated exchange"

/* Run the simulated exchange until a signal, or until a limit of its options is reached. */
exit_code cmd_sim(const verb_context *context, int argc, char **argv);

/* ---- tapedeck ---- */

/* Merge two archives into a new one. */
exit_code cmd_merge(const verb_context *context, int argc, char **argv);
/* Import captures (docs/import.md), each as one session. Status 1 if a line was malformed. */
exit_code cmd_import(const verb_context *context, int argc, char **argv);
/* Summarize an archive: sessions, feeds, topics, gaps. One document. */
exit_code cmd_info(const verb_context *context, int argc, char **argv);
/* Write an archive's coverage, gaps and days as an HTML file. */
exit_code cmd_report(const verb_context *context, int argc, char **argv);
/* List segments, one per line. */
exit_code cmd_ls(const verb_context *context, int argc, char **argv);
/* Print the frames of a selection in order, as JSON lines or raw bytes. */
exit_code cmd_cat(const verb_context *context, int argc, char **argv);
/* List the gaps of the ledger. 1 if there are gaps. */
exit_code cmd_gaps(const verb_context *context, int argc, char **argv);
/* Report how whole each symbol's days are. 1 if a day is not clean. */
exit_code cmd_days(const verb_context *context, int argc, char **argv);
/* Runs one of the two verbs below. */
exit_code cmd_note(const verb_context *context, int argc, char **argv);
exit_code cmd_note_add(const verb_context *context, int argc, char **argv);
exit_code cmd_note_ls(const verb_context *context, int argc, char **argv);
/* Report how long requests about orders took. */
exit_code cmd_latency(const verb_context *context, int argc, char **argv);
/* Check every byte. 0 sound, 1 sound after recover or reindex, 3 damaged. */
exit_code cmd_verify(const verb_context *context, int argc, char **argv);
/* Finish segments that a crash left open. 3 if durable data is lost. */
exit_code cmd_recover(const verb_context *context, int argc, char **argv);
/* Remove old segments. 3 if a segment could not be read and was kept. */
exit_code cmd_prune(const verb_context *context, int argc, char **argv);
/* Pack finished segments; unpack them. 3 if a segment is damaged and was left. */
exit_code cmd_pack(const verb_context *context, int argc, char **argv);
exit_code cmd_unpack(const verb_context *context, int argc, char **argv);
/* Copy an archive to a store. */
exit_code cmd_push(const verb_context *context, int argc, char **argv);
/* Copy an archive from a store. */
exit_code cmd_pull(const verb_context *context, int argc, char **argv);
/* Rebuild the catalog. 3 if a segment could not be read, or is missing. */
exit_code cmd_reindex(const verb_context *context, int argc, char **argv);
/* Decode frames to typed JSON. 1 if a frame could not be decoded. */
exit_code cmd_decode(const verb_context *context, int argc, char **argv);
/* List topics that can be decoded. */
exit_code cmd_topics(const verb_context *context, int argc, char **argv);

#endif
