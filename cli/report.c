#include "cli/report.h"

#include <stdarg.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/escape.h"

enum { REPORT_LINE_BYTES = 1024 };

void report_init(reporter *report, const char *program, FILE *out)
{
    TD_ASSERT(program != NULL);
    report->program = program;
    report->out = out;
    report->level_max = TD_LOG_INFO;
    report->is_terminal = isatty(fileno(out)) == 1;
    atomic_init(&report->has_status, 0);
}

void report_apply(reporter *report, const talk_options *talk)
{
    if (talk->is_quiet)
        report->level_max = TD_LOG_ERROR;
    else if (talk->verbose_count > 0)
        report->level_max = TD_LOG_DEBUG;
}

/* One call of fprintf a line, so that lines of several threads stay whole. */
static void say_line(reporter *report, const char *mark, const char *line)
{
    TD_ASSERT(report->program != NULL);
    char shown[REPORT_LINE_BYTES];
    (void)td_escape(td_bytes_str(line), shown, sizeof shown); /* a line may be cut */
    const char *wipe = atomic_exchange(&report->has_status, 0) != 0 ? "\r\033[K" : "";
    fprintf(report->out, "%s%s: %s%s\n", wipe, report->program, mark, shown);
    fflush(report->out);
}

exit_code report_error(reporter *report, const td_err *err)
{
    TD_ASSERT(err->code < 0);
    say_line(report, "", err->text[0] == '\0' ? td_result_name(err->code) : err->text);
    if (err->hint[0] != '\0')
        say_line(report, "hint: ", err->hint);
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

void report_say(reporter *report, td_log_level level, const char *format, ...)
{
    if (level > report->level_max)
        return;
    char line[REPORT_LINE_BYTES];
    va_list values;
    va_start(values, format);
    vsnprintf(line, sizeof line, format, values);
    va_end(values);
    say_line(report, level_mark(level), line);
}

static void log_line(void *ctx, td_log_level level, const char *line)
{
    reporter *to = ctx;
    if (level <= to->level_max)
        say_line(to, level_mark(level), line);
}

td_log report_log(reporter *report)
{
    return (td_log){.fn = log_line, .ctx = report, .level_max = report->level_max};
}
