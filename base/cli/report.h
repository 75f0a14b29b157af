/* Messages on stderr: errors, warnings, information, and one status line.
 *
 *   tapedeck replay: cannot open archive 'x': Permission denied
 *   tapedeck replay: hint: ...
 *   tapedeck replay: warning: ...
 *
 * A verb that runs until it is stopped keeps a log: its messages have a time and a level, except
 * the error that ends the program.
 *
 *   2026-11-21T05:31:00.123Z warning tapedeck record: ...
 *
 * Only verbs print errors; libraries get report_log's td_log for other messages. A line replaces
 * the status line (base/cli/progress.h), which is redrawn below it. Any thread.
 *
 * A verb that must not wait for the reader of stderr detaches its report: then a separate thread
 * writes the lines (base/cli/line_writer.h). Lines that do not fit in its queue are dropped and
 * counted; a line in their place reports them. */
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
    pthread_mutex_t mutex;            /* guards output and the status line */
    char status[REPORT_STATUS_BYTES]; /* shown on the terminal, without LF; may be empty */
} reporter;

/* Start to report to out, normally stderr: errors, warnings and information. */
void report_init(reporter *report, const char *program, FILE *out);

/* Begin later lines with "tapedeck VERB", whichever program runs the verb. Call before other
 * threads report. */
void report_name_verb(reporter *report, const char *verb);

/* Never wait for the reader from now on, until report_fini. Call once, before other threads report.
 * TD_E_IO. */
TD_MUST_USE td_result report_detach(reporter *report, td_err *err);

/* Write the remaining lines of a detached report, as long as they are read (line_writer_close). No
 * other thread may report afterwards. */
void report_fini(reporter *report);

/* Apply -q (only errors) and -v (also debug lines). */
void report_apply(reporter *report, const verbosity_options *verbosity);

/* As report_apply, and keep a log from now on. Call before other threads report. */
void report_begin_log(reporter *report, const verbosity_options *verbosity);

/* Print an error and its hint; returns the exit status for its code. */
exit_code report_error(reporter *report, const td_err *err);

/* End a verb with result rc: finish its output, and print the verb's error, or the output's if only
 * the output failed. Returns the exit status: `done` if nothing failed. */
exit_code report_end(reporter *report, struct output_stream *output, td_result rc,
                     const td_err *err, exit_code done);

/* Print one line at a level. */
void report_line(reporter *report, td_log_level level, const char *format, ...) TD_PRINTF(3, 4);

/* For base/cli/progress.h: replace the status line; clear it. A detached report skips a status line
 * if its reader is not ready. */
void report_show_status(reporter *report, const char *line);
void report_wipe_status(reporter *report);

/* A log for libraries that writes to this report, which it borrows. */
td_log report_log(reporter *report);

#endif
