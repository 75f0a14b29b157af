#include "base/cli/report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/escape.h"
#include "base/time_text.h"
#include "base/cli/output.h"

enum { REPORT_LINE_BYTES = 1024 };

/* Largest write: a line with its name, time, level and styles. */
enum { REPORT_WRITE_BYTES = REPORT_LINE_BYTES + LIMIT_NAME_BYTES + 256 };
_Static_assert((unsigned)REPORT_WRITE_BYTES <= LIMIT_OUTPUT_LINE_BYTES, "a line is queued whole");

void report_init(reporter *report, const char *program, FILE *out)
{
    TD_ASSERT(program != NULL);
    snprintf(report->name, sizeof report->name, "%s", program);
    report->out = out;
    report->writer = NULL;
    report->level_max = TD_LOG_INFO;
    report->is_terminal = isatty(fileno(out)) == 1;
    report->has_colour = (uint8_t)terminal_has_colour(fileno(out));
    report->is_log = 0;
    report->status[0] = '\0';
    int failure = pthread_mutex_init(&report->mutex, NULL);
    TD_ASSERT(failure == 0); /* cannot fail with default attributes */
}

void report_name_verb(reporter *report, const char *verb)
{
    snprintf(report->name, sizeof report->name, "tapedeck %s", verb);
}

/* ---- the format of a line ---- */

/* Kinds of lines, in addition to the levels. */
enum { LINE_END = TD_LOG_DEBUG + 1 /* the error that ends a program */, LINE_HINT };

/* Format of each kind of line. level: its name in a log; also printed outside of a log if
 * is_marked. */
static const struct {
    const char *level;
    uint8_t is_marked;
    terminal_style style;
} LINE_KINDS[] = {
    [TD_LOG_ERROR] = {"error", 1, TERMINAL_BAD}, [TD_LOG_WARNING] = {"warning", 1, TERMINAL_WARN},
    [TD_LOG_INFO] = {"info", 0, TERMINAL_HEAD},  [TD_LOG_DEBUG] = {"debug", 0, TERMINAL_HEAD},
    [LINE_END] = {"", 0, TERMINAL_BAD},          [LINE_HINT] = {"hint", 1, TERMINAL_HINT},
};

/* Format a line without LF; returns its length. */
static size_t format_line(const reporter *report, unsigned kind, const char *line, char *out,
                          size_t out_bytes)
{
    char shown[REPORT_LINE_BYTES];
    char time[TD_TIME_TEXT_BYTES];
    char before[TD_TIME_TEXT_BYTES + 16] = "";
    int is_log = report->is_log && kind < LINE_END;
    int is_marked = !is_log && LINE_KINDS[kind].is_marked;
    (void)td_escape(td_bytes_str(line), shown, sizeof shown); /* may be cut */
    td_time_format_ms(clock_wall_ns(clock_real()), time);
    if (is_log)
        (void)snprintf(before, sizeof before, "%s %s ", time, LINE_KINDS[kind].level); /* fits */
    int length =
        snprintf(out, out_bytes, "%s%s%s: %s%s%s%s",
                 report->has_colour ? terminal_style_begin(LINE_KINDS[kind].style) : "", before,
                 report->name, is_marked ? LINE_KINDS[kind].level : "", is_marked ? ": " : "",
                 report->has_colour ? TERMINAL_STYLE_END : "", shown);
    TD_ASSERT(length > 0);
    TD_ASSERT((size_t)length < out_bytes);
    return (size_t)length;
}

/* Format the line that reports lost lines. */
static size_t format_lost(void *user, uint64_t lines, char *out, size_t out_bytes)
{
    char what[96];
    (void)snprintf(what, sizeof what,
                   "standard error was not read: %" PRIu64 " line%s missing here", lines,
                   lines == 1 ? " is" : "s are"); /* fits */
    size_t size = format_line(user, TD_LOG_WARNING, what, out, out_bytes - 1);
    out[size] = '\n';
    return size + 1;
}

/* ---- writing ---- */

td_result report_detach(reporter *report, td_err *err)
{
    TD_ASSERT(report->writer == NULL);
    return line_writer_open(fileno(report->out), format_lost, report, &report->writer, err);
}

void report_fini(reporter *report)
{
    td_result rc = line_writer_close(report->writer, NULL);
    (void)rc; /* a failure could only be reported to this output */
    report->writer = NULL;
}

/* Write in one call, so that lines of several threads do not mix. */
static void write_text(reporter *report, const char *text, size_t size)
{
    if (report->writer != NULL) {
        line_writer_put(report->writer, td_bytes_of(text, size));
        return;
    }
    fwrite(text, 1, size, report->out);
    fflush(report->out);
}

void report_apply(reporter *report, const verbosity_options *verbosity)
{
    if (verbosity->is_quiet)
        report->level_max = TD_LOG_ERROR;
    else if (verbosity->is_verbose)
        report->level_max = TD_LOG_DEBUG;
}

void report_begin_log(reporter *report, const verbosity_options *verbosity)
{
    report_apply(report, verbosity);
    report->is_log = 1;
}

static const char WIPE[] = "\r\033[K";

/* Write a line in place of the status line, and redraw the status line below it. */
static void write_line(reporter *report, unsigned kind, const char *line)
{
    char shown[REPORT_WRITE_BYTES - sizeof WIPE - 1];
    char text[REPORT_WRITE_BYTES];
    (void)format_line(report, kind, line, shown, sizeof shown); /* the length is not needed */
    pthread_mutex_lock(&report->mutex);
    int has_status = report->status[0] != '\0';
    int length = snprintf(text, sizeof text, "%s%s\n", has_status ? WIPE : "", shown);
    TD_ASSERT(length > 0);
    TD_ASSERT((size_t)length < sizeof text);
    write_text(report, text, (size_t)length);
    if (has_status)
        write_text(report, report->status, strlen(report->status));
    pthread_mutex_unlock(&report->mutex);
}

/* ---- the status line ---- */

void report_show_status(reporter *report, const char *line)
{
    if (report->writer != NULL && !line_writer_is_idle(report->writer))
        return;
    char shown[REPORT_STATUS_BYTES - sizeof "\r\033[K"];
    (void)td_escape(td_bytes_str(line), shown, sizeof shown); /* may be cut */
    terminal_fit(shown, terminal_columns(fileno(report->out)) - 1);
    pthread_mutex_lock(&report->mutex);
    int length = snprintf(report->status, sizeof report->status, "\r%s\033[K", shown);
    TD_ASSERT(length > 0);
    TD_ASSERT((size_t)length < sizeof report->status);
    write_text(report, report->status, (size_t)length);
    pthread_mutex_unlock(&report->mutex);
}

void report_wipe_status(reporter *report)
{
    pthread_mutex_lock(&report->mutex);
    if (report->status[0] != '\0')
        write_text(report, WIPE, sizeof WIPE - 1);
    report->status[0] = '\0';
    pthread_mutex_unlock(&report->mutex);
}

/* ---- messages ---- */

exit_code report_error(reporter *report, const td_err *err)
{
    TD_ASSERT(err->code < 0);
    const char *text = err->text[0] == '\0' ? td_result_name(err->code) : err->text;
    write_line(report, LINE_END, text);
    if (err->hint[0] != '\0')
        write_line(report, LINE_HINT, err->hint);
    return exit_code_of(err->code);
}

exit_code report_end(reporter *report, struct output_stream *output, td_result rc,
                     const td_err *err, exit_code done)
{
    td_err output_err;
    td_result output_rc = output_finish(output, &output_err);
    if (rc != TD_OK)
        return report_error(report, err);
    return output_rc == TD_OK ? done : report_error(report, &output_err);
}

static void log_line(void *ctx, td_log_level level, const char *line)
{
    reporter *to = ctx;
    if (level <= to->level_max)
        write_line(to, level, line);
}

void report_line(reporter *report, td_log_level level, const char *format, ...)
{
    char line[REPORT_LINE_BYTES];
    va_list values;
    va_start(values, format);
    vsnprintf(line, sizeof line, format, values);
    va_end(values);
    log_line(report, level, line);
}

td_log report_log(reporter *report)
{
    return (td_log){.fn = log_line, .ctx = report, .level_max = report->level_max};
}
