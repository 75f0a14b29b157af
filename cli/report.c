#include "cli/report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/escape.h"

enum { REPORT_LINE_BYTES = 1024 };

/* What is written of it at once: the program's name, a mark, colours, and what wipes a status line,
 * too. */
enum { REPORT_WRITE_BYTES = REPORT_LINE_BYTES + LIMIT_NAME_BYTES + 64 };
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
    atomic_init(&report->has_status, 0);
}

void report_name_verb(reporter *report, const char *verb)
{
    snprintf(report->name, sizeof report->name, "tapedeck %s", verb);
}

static size_t format_lost(void *user, uint64_t lines, char *out, size_t out_bytes)
{
    const reporter *report = user;
    int size =
        snprintf(out, out_bytes,
                 "%s: warning: standard error was not read: %" PRIu64 " line%s missing here\n",
                 report->name, lines, lines == 1 ? " is" : "s are");
    TD_ASSERT(size > 0);
    TD_ASSERT((size_t)size < out_bytes);
    return (size_t)size;
}

td_result report_detach(reporter *report, td_err *err)
{
    TD_ASSERT(report->writer == NULL);
    line_writer_options options = {.fd = fileno(report->out),
                                   .bytes_max = LIMIT_OUTPUT_QUEUE_BYTES,
                                   .format_lost = format_lost,
                                   .user = report};
    return line_writer_open(&options, &report->writer, err);
}

void report_fini(reporter *report)
{
    td_result rc = line_writer_close(report->writer, NULL);
    (void)rc; /* the failed output was the only place to report it */
    report->writer = NULL;
}

/* At once, so that what several threads write stays whole. */
static void write_text(reporter *report, const char *text, size_t size)
{
    if (report->writer != NULL) {
        line_writer_put(report->writer, td_bytes_of(text, size));
        return;
    }
    fwrite(text, 1, size, report->out);
    fflush(report->out);
}

void report_apply(reporter *report, const talk_options *talk)
{
    if (talk->is_quiet)
        report->level_max = TD_LOG_ERROR;
    else if (talk->verbose_count > 0)
        report->level_max = TD_LOG_DEBUG;
}

static void say_line(reporter *report, terminal_style style, const char *mark, const char *line)
{
    char shown[REPORT_LINE_BYTES];
    (void)td_escape(td_bytes_str(line), shown, sizeof shown); /* a line may be cut */
    char text[REPORT_WRITE_BYTES];
    const char *wipe = atomic_exchange(&report->has_status, 0) != 0 ? "\r\033[K" : "";
    int length = snprintf(text, sizeof text, "%s%s%s: %s%s%s\n", wipe,
                          report->has_colour ? terminal_style_begin(style) : "", report->name, mark,
                          report->has_colour ? TERMINAL_STYLE_END : "", shown);
    TD_ASSERT(length > 0);
    size_t size = (size_t)length < sizeof text ? (size_t)length : sizeof text - 1;
    text[size - 1] = '\n'; /* also of one that was cut */
    write_text(report, text, size);
}

void report_show_status(reporter *report, const char *line)
{
    if (report->writer != NULL && !line_writer_is_idle(report->writer))
        return;
    char shown[REPORT_LINE_BYTES];
    (void)td_escape(td_bytes_str(line), shown, sizeof shown); /* a status line may be cut */
    char text[REPORT_WRITE_BYTES];
    int length = snprintf(text, sizeof text, "\r%s\033[K", shown);
    TD_ASSERT(length > 0);
    TD_ASSERT((size_t)length < sizeof text);
    write_text(report, text, (size_t)length);
    atomic_store(&report->has_status, 1);
}

void report_wipe_status(reporter *report)
{
    static const char WIPE[] = "\r\033[K";
    if (atomic_exchange(&report->has_status, 0) != 0)
        write_text(report, WIPE, sizeof WIPE - 1);
}

exit_code report_error(reporter *report, const td_err *err)
{
    TD_ASSERT(err->code < 0);
    say_line(report, TERMINAL_BAD, "",
             err->text[0] == '\0' ? td_result_name(err->code) : err->text);
    if (err->hint[0] != '\0')
        say_line(report, TERMINAL_HINT, "hint: ", err->hint);
    return exit_code_of(err->code);
}

static const char *level_mark(td_log_level level)
{
    switch (level) {
    case TD_LOG_ERROR:
        return "error: ";
    case TD_LOG_WARNING:
        return "warning: ";
    case TD_LOG_INFO:
    case TD_LOG_DEBUG:
        return "";
    }
    return "";
}

static terminal_style level_style(td_log_level level)
{
    switch (level) {
    case TD_LOG_ERROR:
        return TERMINAL_BAD;
    case TD_LOG_WARNING:
        return TERMINAL_DOUBT;
    case TD_LOG_INFO:
    case TD_LOG_DEBUG:
        return TERMINAL_HEAD;
    }
    return TERMINAL_HEAD;
}

void report_say(reporter *report, td_log_level level, const char *format, ...)
{
    if (level > report->level_max)
        return;
    char line[REPORT_LINE_BYTES];
    va_list values;
    va_start(values, format);
    vsnprintf(line, sizeof line, format, values);
    va_end(values);
    say_line(report, level_style(level), level_mark(level), line);
}

static void log_line(void *ctx, td_log_level level, const char *line)
{
    reporter *to = ctx;
    if (level <= to->level_max)
        say_line(to, level_style(level), level_mark(level), line);
}

td_log report_log(reporter *report)
{
    return (td_log){.fn = log_line, .ctx = report, .level_max = report->level_max};
}
