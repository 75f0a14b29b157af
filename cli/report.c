#include "cli/report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/escape.h"
#include "base/time_text.h"
#include "json/json_write.h"

enum { REPORT_LINE_BYTES = 1024 };

/* What is written at once: a line and a hint with what stands around. They are escaped for screens
 * first, so that JSON escapes a character by one more at most. */
enum {
    REPORT_WRITE_BYTES = 2 * (REPORT_LINE_BYTES + TD_ERR_HINT_BYTES) + 2 * LIMIT_NAME_BYTES + 256
};
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
    report->format = REPORT_PROMPT;
    report->status[0] = '\0';
    int failure = pthread_mutex_init(&report->mutex, NULL);
    TD_ASSERT(failure == 0); /* of the default kind: it needs nothing */
}

void report_name_verb(reporter *report, const char *verb)
{
    snprintf(report->name, sizeof report->name, "tapedeck %s", verb);
}

/* In place of lines that are missing, in the form of those that are there. The name of a verb needs
 * no escapes. */
static size_t format_lost(void *user, uint64_t lines, char *out, size_t out_bytes)
{
    const reporter *report = user;
    char time[TD_TIME_TEXT_BYTES];
    char what[96];
    td_time_format_ms(clock_wall_ns(clock_real()), time);
    (void)snprintf(what, sizeof what,
                   "standard error was not read: %" PRIu64 " line%s missing here", lines,
                   lines == 1 ? " is" : "s are"); /* fits */
    int size = 0;
    if (report->format == REPORT_JSON)
        size = snprintf(out, out_bytes,
                        "{\"time\":\"%s\",\"level\":\"warning\",\"program\":\"%s\","
                        "\"message\":\"%s\"}\n",
                        time, report->name, what);
    else if (report->format == REPORT_TEXT)
        size = snprintf(out, out_bytes, "%s warning %s: %s\n", time, report->name, what);
    else
        size = snprintf(out, out_bytes, "%s: warning: %s\n", report->name, what);
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
    else if (talk->is_verbose)
        report->level_max = TD_LOG_DEBUG;
}

void report_begin_log(reporter *report, const talk_options *talk)
{
    report->format = talk->log_format == 0 ? REPORT_TEXT : REPORT_JSON;
}

/* ---- lines ---- */

typedef enum line_kind { LINE_ERROR, LINE_HINT, LINE_WARNING, LINE_INFO, LINE_DEBUG } line_kind;

/* How each kind looks: for a person at a prompt, and in a log. */
typedef struct line_look {
    const char *mark;
    const char *level;
    terminal_style style;
} line_look;

static const line_look LOOKS[] = {
    [LINE_ERROR] = {"error: ", "error", TERMINAL_BAD},
    [LINE_HINT] = {"hint: ", "info", TERMINAL_HINT},
    [LINE_WARNING] = {"warning: ", "warning", TERMINAL_DOUBT},
    [LINE_INFO] = {"", "info", TERMINAL_HEAD},
    [LINE_DEBUG] = {"", "debug", TERMINAL_HEAD},
};

static const char WIPE[] = "\r\033[K";

/* Write a line in place of the status line, which is drawn again behind it. */
static void write_line(reporter *report, const char *line)
{
    char text[REPORT_WRITE_BYTES];
    pthread_mutex_lock(&report->mutex);
    int has_status = report->status[0] != '\0';
    int length = snprintf(text, sizeof text, "%s%s\n", has_status ? WIPE : "", line);
    TD_ASSERT(length > 0);
    TD_ASSERT((size_t)length < sizeof text);
    write_text(report, text, (size_t)length);
    if (has_status)
        write_text(report, report->status, strlen(report->status));
    pthread_mutex_unlock(&report->mutex);
}

/* before: the time of a log's line; mark: what stands between the name and the text. */
static void say_text(reporter *report, terminal_style style, const char *before, const char *mark,
                     const char *line)
{
    char shown[REPORT_LINE_BYTES];
    char text[REPORT_LINE_BYTES + LIMIT_NAME_BYTES + 128];
    (void)td_escape(td_bytes_str(line), shown, sizeof shown); /* a line may be cut */
    int length = snprintf(text, sizeof text, "%s%s%s: %s%s%s",
                          report->has_colour ? terminal_style_begin(style) : "", before,
                          report->name, mark, report->has_colour ? TERMINAL_STYLE_END : "", shown);
    TD_ASSERT(length > 0);
    TD_ASSERT((size_t)length < sizeof text);
    write_line(report, text);
}

static td_result format_json(const reporter *report, const char *time, const char *level,
                             const char *line, const char *hint, td_buf *out)
{
    json_writer json;
    td_err err;
    json_write_begin(&json, out);
    json_write_object_begin(&json);
    json_write_member_text(&json, "time", time);
    json_write_member_text(&json, "level", level);
    json_write_member_text(&json, "program", report->name);
    json_write_member_text(&json, "message", line);
    if (hint[0] != '\0')
        json_write_member_text(&json, "hint", hint);
    json_write_object_end(&json);
    td_result rc = json_write_end(&json, &err);
    return rc == TD_OK ? td_buf_append(out, "", 1, &err) : rc;
}

/* A line of a log. Without memory for JSON it comes as text: better than not at all. */
static void say_log(reporter *report, const line_look *look, const char *line, const char *hint)
{
    char shown[REPORT_LINE_BYTES];
    (void)td_escape(td_bytes_str(line), shown, sizeof shown); /* a line may be cut */
    char time[TD_TIME_TEXT_BYTES];
    td_time_format_ms(clock_wall_ns(clock_real()), time);
    td_buf json;
    td_buf_init(&json, REPORT_WRITE_BYTES - sizeof WIPE - 1);
    char before[TD_TIME_TEXT_BYTES + 16];
    (void)snprintf(before, sizeof before, "%s %s ", time, look->level); /* fits */
    if (report->format == REPORT_JSON &&
        format_json(report, time, look->level, shown, hint, &json) == TD_OK)
        write_line(report, (const char *)json.data);
    else
        say_text(report, look->style, before, "", line);
    td_buf_fini(&json);
}

static void say_news(reporter *report, td_log_level level, const char *line)
{
    static const line_kind KINDS[] = {[TD_LOG_ERROR] = LINE_ERROR,
                                      [TD_LOG_WARNING] = LINE_WARNING,
                                      [TD_LOG_INFO] = LINE_INFO,
                                      [TD_LOG_DEBUG] = LINE_DEBUG};
    const line_look *look = &LOOKS[KINDS[level]];
    if (report->format == REPORT_PROMPT)
        say_text(report, look->style, "", look->mark, line);
    else
        say_log(report, look, line, "");
}

/* ---- the status line ---- */

void report_show_status(reporter *report, const char *line)
{
    if (report->writer != NULL && !line_writer_is_idle(report->writer))
        return;
    char shown[REPORT_STATUS_BYTES - sizeof "\r\033[K"];
    (void)td_escape(td_bytes_str(line), shown, sizeof shown); /* a status line may be cut */
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

/* ---- what programs say ---- */

exit_code report_error(reporter *report, const td_err *err)
{
    TD_ASSERT(err->code < 0);
    const char *text = err->text[0] == '\0' ? td_result_name(err->code) : err->text;
    if (report->format == REPORT_JSON) {
        say_log(report, &LOOKS[LINE_ERROR], text, err->hint);
        return exit_code_of(err->code);
    }
    say_text(report, TERMINAL_BAD, "", "", text);
    if (err->hint[0] != '\0')
        say_text(report, TERMINAL_HINT, "", LOOKS[LINE_HINT].mark, err->hint);
    return exit_code_of(err->code);
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
    say_news(report, level, line);
}

static void log_line(void *ctx, td_log_level level, const char *line)
{
    reporter *to = ctx;
    if (level <= to->level_max)
        say_news(to, level, line);
}

td_log report_log(reporter *report)
{
    return (td_log){.fn = log_line, .ctx = report, .level_max = report->level_max};
}
