/* Messages on stderr: errors, warnings, news, and one status line.
 *
 *   tapedeck replay: cannot open archive 'x': Permission denied
 *   tapedeck replay: hint: ...
 *   tapedeck replay: warning: ...
 *
 * A verb that runs until it is stopped keeps a log: its messages then have a time and a level. An
 * error that ends the program stays as above.
 *
 *   2026-11-21T05:31:00.123Z warning tapedeck record: ...
 *
 * Only verbs print errors; libraries get report_log's td_log for the rest. Lines
 * and the status line (base/cli/progress.h) do not mix: a line takes the status line's place, which
 * is drawn again below it. Any thread.
 *
 * A verb that must not wait for the reader of stderr detaches its report: lines are then written by
 * a thread of their own (base/cli/line_writer.h), and those that do not fit are dropped and
 * counted; a line in their place reports it. */
#ifndef TD_CLI_REPORT_H
#define TD_CLI_REPORT_H

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/cli/exit_codes.h"
#include "base/cli/line_writer.h"
#include "base/cli/option_groups.h"
#include "base/cli/terminal.h"

struct output_stream;

enum { REPORT_STATUS_BYTES = 512 };

typedef struct reporter {
    char name[LIMIT_NAME_BYTES]; /* begins every line: "tapedeck record" */
    FILE *out;
    line_writer *writer; /* NULL: not detached */
    td_log_level level_max;
    uint8_t is_log, is_terminal, has_colour;
    pthread_mutex_t mutex;            /* over what is written, and the status line */
    char status[REPORT_STATUS_BYTES]; /* on the terminal, not ended by LF; empty: none */
} reporter;

/* Start to report to out, normally stderr: errors, warnings and news. */
void report_init(reporter *report, const char *program, FILE *out);

/* Lines are of this verb from here on: "tapedeck VERB", whichever program runs it. Before other
 * threads report. */
void report_name_verb(reporter *report, const char *verb);

/* From here on never wait for the reader; stays so until report_fini. Once, before other threads
 * report. TD_E_IO. */
TD_MUST_USE td_result report_detach(reporter *report, td_err *err);

/* Write what is left of a detached report, while it is read (line_writer_close). No other thread
 * may report any more. */
void report_fini(reporter *report);

/* As -q and -v say: quiet shows errors only, -v shows debug lines too. */
void report_apply(reporter *report, const verbosity_options *verbosity);

/* The same, and keep a log from here on. Before other threads report. */
void report_begin_log(reporter *report, const verbosity_options *verbosity);

/* Print an error and its hint; returns the exit status that fits its code. */
exit_code report_error(reporter *report, const td_err *err);

/* End a verb that came to rc: finish its output, and print the error, or that of the output where
 * there is no other. Returns the exit status: done if nothing failed. */
exit_code report_end(reporter *report, struct output_stream *output, td_result rc,
                     const td_err *err, exit_code done);

/* Print one line of that level. */
void report_line(reporter *report, td_log_level level, const char *format, ...) TD_PRINTF(3, 4);

/* For base/cli/progress.h: show a status line in place of the last one, and wipe it. A detached
 * report leaves out what its reader is not ready for. */
void report_show_status(reporter *report, const char *line);
void report_wipe_status(reporter *report);

/* A log for libraries that ends here; report is borrowed by it. */
td_log report_log(reporter *report);

#endif
