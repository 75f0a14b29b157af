#include "regress/report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/time_text.h"

/* The text so far; after a failure nothing is added. */
typedef struct junit_text {
    td_buf out;
    td_result rc;
    td_err *err;
} junit_text;

static void add(junit_text *text, const char *format, ...) TD_PRINTF(2, 3);
static void add(junit_text *text, const char *format, ...)
{
    char line[1024];
    va_list values;
    va_start(values, format);
    int size = vsnprintf(line, sizeof line, format, values); /* numbers and fixed words fit */
    va_end(values);
    TD_ASSERT(size >= 0 && (size_t)size < sizeof line);
    if (text->rc == TD_OK)
        text->rc = td_buf_append(&text->out, line, (size_t)size, text->err);
}

/* A name from outside: nothing in it is markup, and all of it is printable ASCII. */
static void add_name(junit_text *text, const char *name)
{
    for (const char *c = name; *c != '\0'; c++) {
        if (strchr("&<>\"'", *c) != NULL)
            add(text, "&#%d;", *c);
        else
            add(text, "%c", *c < ' ' || *c > '~' ? '?' : *c);
    }
}

static void add_stream(junit_text *text, const regress_stream *of)
{
    const baseline_stream *names = &of->names;
    const regress_difference *first = &of->first;
    char when[TD_TIME_TEXT_BYTES];
    add(text, "  <testcase classname=\"");
    add_name(text, names->feed);
    add(text, "\" name=\"");
    add_name(text, names->topic[0] == '\0' ? names->exchange_topic : names->topic);
    add(text, "%s", names->symbol[0] == '\0' ? "" : " ");
    add_name(text, names->symbol);
    if (!of->is_different) {
        add(text, "\"/>\n");
        return;
    }
    add(text,
        "\">\n    <failure type=\"%s\" message=\"%" PRIu64 " of %" PRIu64 " frames differ, %" PRIu64
        " missing, %" PRIu64 " new\">",
        regress_kind_text(first->kind), of->counts.compared - of->counts.same, of->counts.compared,
        of->counts.missing, of->counts.added);
    add(text, "first difference: %s, frame %" PRIu64 " of the stream\n",
        regress_kind_text(first->kind),
        first->kind == DIFFERENCE_MISSING ? first->was_index : first->is_index);
    td_time_format(first->recv_ns, when);
    if (first->has_frame)
        add(text, "received %s, session %s, connection %u, frame %" PRIu64 " of it\n", when,
            first->session_id, first->conn, first->ordinal);
    add(text, "</failure>\n  </testcase>\n");
}

static void add_document(junit_text *text, const regress_comparison *found)
{
    size_t failures = 0;
    for (size_t i = 0; i < found->stream_count; i++)
        failures += found->streams[i]->is_different;
    add(text,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"tapedeck regress\" "
        "tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"0\">\n",
        found->stream_count, failures);
    for (size_t i = 0; i < found->stream_count; i++)
        add_stream(text, found->streams[i]);
    add(text, "</testsuite>\n");
}

static td_result append(void *user, td_file *file, td_err *err)
{
    const junit_text *text = user;
    return td_io_append(file, text->out.data, text->out.size, err);
}

td_result regress_report_junit(const regress_report *report, td_io io, const char *path,
                               td_err *err)
{
    junit_text text = {.rc = TD_OK, .err = err};
    td_buf_init(&text.out, LIMIT_JUNIT_BYTES);
    add_document(&text, report->found);
    if (text.rc == TD_OK)
        text.rc = td_io_write_file(io, path, TD_OPEN_CREATE, append, &text, err);
    td_buf_fini(&text.out);
    return text.rc == TD_OK ? TD_OK : td_err_add(err, text.rc, "JUnit report '%s'", path);
}
