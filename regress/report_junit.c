#include "regress/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/time_text.h"

enum { NAME_BYTES = 5 * LIMIT_TOPIC_BYTES, CASE_BYTES = 3 * NAME_BYTES + 1024 };

/* Escapes a name from the data for XML: no markup, printable ASCII only. */
static void escape_name(const char *name, char out[NAME_BYTES])
{
    for (const char *c = name; *c != '\0'; c++) {
        if (strchr("&<>\"'", *c) != NULL)
            out += snprintf(out, 6, "&#%d;", *c); /* fits: names are shorter than topics */
        else
            *out++ = (char)(*c < ' ' || *c > '~' ? '?' : *c);
    }
    *out = '\0';
}

static void write_case(char out[CASE_BYTES], const regress_stream *of)
{
    const baseline_stream *names = &of->names;
    const regress_difference *first = &of->first;
    const regress_counts *counts = &of->counts;
    char feed[NAME_BYTES];
    char topic[NAME_BYTES];
    char symbol[NAME_BYTES];
    char when[TD_TIME_TEXT_BYTES];
    char frame[256] = "";
    escape_name(names->feed, feed);
    escape_name(names->topic[0] == '\0' ? names->exchange_topic : names->topic, topic);
    escape_name(names->symbol, symbol);
    int size = snprintf(out, CASE_BYTES, "  <testcase classname=\"%s\" name=\"%s%s%s\"%s\n", feed,
                        topic, symbol[0] == '\0' ? "" : " ", symbol, of->is_different ? ">" : "/>");
    if (!of->is_different)
        return;
    td_time_format(first->recv_ns, when);
    if (first->has_frame)
        (void)snprintf(frame, sizeof frame,
                       "received %s, session %s, line %u, shard %u, connection %u, frame %" PRIu64
                       " of it\n",
                       when, first->session_id, first->line, first->shard, first->conn,
                       first->ordinal); /* fits */
    (void)snprintf(out + size, (size_t)(CASE_BYTES - size),
                   "    <failure type=\"%s\" message=\"%" PRIu64 " of %" PRIu64
                   " frames differ, %" PRIu64 " missing, %" PRIu64
                   " new\">first difference: %s, frame %" PRIu64
                   " of the stream\n%s</failure>\n  </testcase>\n",
                   regress_kind_text(first->kind), counts->compared - counts->same,
                   counts->compared, counts->by_kind[DIFFERENCE_MISSING],
                   counts->by_kind[DIFFERENCE_NEW], regress_kind_text(first->kind),
                   first->kind == DIFFERENCE_MISSING ? first->was_index : first->is_index, frame);
}

static td_result append(void *user, td_file *file, td_err *err)
{
    const regress_comparison *found = user;
    char text[CASE_BYTES];
    size_t failures = 0;
    for (size_t i = 0; i < found->stream_count; i++)
        failures += found->streams[i]->is_different;
    (void)snprintf(text, sizeof text,
                   "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"tapedeck "
                   "regress\" tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"0\">\n",
                   found->stream_count, failures); /* fits */
    td_result rc = td_io_append(file, text, strlen(text), err);
    for (size_t i = 0; i < found->stream_count && rc == TD_OK; i++) {
        write_case(text, found->streams[i]);
        rc = td_io_append(file, text, strlen(text), err);
    }
    return rc == TD_OK ? td_io_append(file, "</testsuite>\n", 13, err) : rc;
}

td_result regress_report_junit(const regress_comparison *found, td_io io, const char *path,
                               td_err *err)
{
    td_result rc = td_io_write_file(io, path, TD_OPEN_CREATE, append, (void *)found, err);
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "JUnit report '%s'", path);
}
