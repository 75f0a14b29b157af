#include "regress/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/time_text.h"
#include "regress/json_diff.h"

/* LINE_BYTES of a line of a difference are shown. A case has at most that many bytes for each of
 * its lines, escaped, and its names. */
enum { LINE_BYTES = 200, DEPTH_MAX = 40, CASE_BYTES = 1 << 20 };

/* Adds text from the data, escaped for XML: no markup, printable ASCII only. */
static void add_escaped(td_buf *out, const char *text, size_t size)
{
    char escaped[8];
    for (size_t i = 0; i < size; i++) {
        const char c = (char)(text[i] < ' ' || text[i] > '~' ? '?' : text[i]);
        if (strchr("&<>\"'", c) != NULL)
            td_buf_add(out, escaped, (size_t)snprintf(escaped, sizeof escaped, "&#%d;", c));
        else
            td_buf_add(out, &c, 1);
    }
}

static void add_text(td_buf *out, const char *text)
{
    td_buf_add(out, text, strlen(text));
}

static void add_name(td_buf *out, const char *name)
{
    add_escaped(out, name, strlen(name));
}

static void add_line(void *user, const json_diff_line *line)
{
    td_buf *out = user;
    td_buf_add(out, &line->mark, 1);
    for (size_t i = 0; i < line->depth && i < DEPTH_MAX; i++)
        td_buf_add(out, "  ", 2);
    add_escaped(out, line->text, line->size < LINE_BYTES ? line->size : LINE_BYTES);
    add_text(out, line->size < LINE_BYTES ? "\n" : "...\n");
}

/* Adds what differs first: the frame, and the difference of its decodes, as far as both are
 * known. */
static td_result add_failure(td_buf *out, const regress_stream *of, td_err *err)
{
    const regress_difference *first = &of->first;
    const regress_counts *counts = &of->counts;
    char when[TD_TIME_TEXT_BYTES];
    td_result rc = td_buf_printf(
        out, err,
        "    <failure type=\"%s\" message=\"%" PRIu64 " of %" PRIu64 " frames differ, %" PRIu64
        " missing, %" PRIu64 " new\">first difference: %s, frame %" PRIu64 " of the stream\n",
        regress_kind_text(first->kind), counts->compared - counts->same, counts->compared,
        counts->by_kind[DIFFERENCE_MISSING], counts->by_kind[DIFFERENCE_NEW],
        regress_kind_text(first->kind),
        first->kind == DIFFERENCE_MISSING ? first->was_index : first->is_index);
    td_time_format(first->recv_ns, when);
    if (rc == TD_OK && first->has_frame)
        rc = td_buf_printf(out, err,
                           "received %s, session %s, line %u, shard %u, connection %u, frame "
                           "%" PRIu64 " of it\n",
                           when, first->session_id, first->line, first->shard, first->conn,
                           first->ordinal);
    if (first->decode_was == NULL || first->decode_is == NULL)
        add_text(out, first->decode_is != NULL    ? "now:\n"
                      : first->decode_was != NULL ? "before:\n"
                                                  : "");
    if (first->kind != DIFFERENCE_BOOK &&
        json_diff_lines(first->decode_was, first->decode_is, add_line, out))
        add_text(out, "...\n");
    return rc == TD_OK ? td_buf_printf(out, err, "</failure>\n  </testcase>\n") : rc;
}

static td_result add_case(td_buf *out, const regress_stream *of, td_err *err)
{
    const baseline_stream *names = &of->names;
    add_text(out, "  <testcase classname=\"");
    add_name(out, names->feed);
    add_text(out, "\" name=\"");
    add_name(out, names->topic[0] == '\0' ? names->exchange_topic : names->topic);
    add_text(out, names->symbol[0] == '\0' ? "" : " ");
    add_name(out, names->symbol);
    add_text(out, of->is_different ? "\">\n" : "\"/>\n");
    return of->is_different ? add_failure(out, of, err) : TD_OK;
}

/* Adds a case for a user's decoder that failed at frames, which the comparison may not show: the
 * frames may have failed before, too. */
static td_result add_decoder(td_buf *out, const user_decoder *failed, td_err *err)
{
    char first[DECODER_FIRST_BYTES];
    const uint64_t failures = user_decoder_failures(failed);
    if (failures == 0)
        return TD_OK;
    add_text(out, "  <testcase classname=\"decoder\" name=\"");
    add_name(out, user_decoder_name(failed));
    td_result rc = td_buf_printf(out, err,
                                 "\">\n    <failure type=\"decoder\" message=\"failed at %" PRIu64
                                 " %s\">the first: ",
                                 failures, failures == 1 ? "frame" : "frames");
    user_decoder_first_text(failed, first);
    add_name(out, first);
    add_text(out, "\n</failure>\n  </testcase>\n");
    return rc;
}

/* Adds a case for a user's decoder that is over a limit. */
static td_result add_limits(td_buf *out, const user_decoder *used, td_err *err)
{
    char over[DECODER_LIMITS_BYTES];
    user_decoder_limits_text(used, over);
    if (over[0] == '\0')
        return TD_OK;
    add_text(out, "  <testcase classname=\"decoder\" name=\"");
    add_name(out, user_decoder_name(used));
    return td_buf_printf(out, err,
                         ": limits\">\n    <failure type=\"limit\" message=\"%s\">%s\n"
                         "</failure>\n  </testcase>\n",
                         over, over);
}

static td_result add_property(td_buf *out, const char *of, const char *name, uint64_t value,
                              td_err *err)
{
    return value == UINT64_MAX
               ? TD_OK
               : td_buf_printf(out, err, "    <property name=\"%s.%s\" value=\"%" PRIu64 "\"/>\n",
                               of, name, value);
}

/* Adds what the users' decoders used. */
static td_result add_properties(td_buf *out, const user_decoder *const decoders[2], td_err *err)
{
    static const char *const NAMES[] = {"decoder_was", "decoder_is"};
    decoder_usage usage;
    td_result rc = TD_OK;
    add_text(out, "  <properties>\n");
    for (size_t i = 0; i < 2 && rc == TD_OK; i++) {
        if (!user_decoder_usage(decoders[i], &usage))
            continue;
        rc = add_property(out, NAMES[i], "cpu_ns_per_frame", usage.cpu_frame_ns, err);
        if (rc == TD_OK)
            rc = add_property(out, NAMES[i], "peak_memory_bytes", usage.peak_bytes, err);
    }
    add_text(out, "  </properties>\n");
    return rc;
}

static td_result append(void *user, td_file *file, td_err *err)
{
    const regress_report *report = user;
    const regress_comparison *found = &report->found;
    const user_decoder *const decoders[] = {report->was_decoder, report->is_decoder};
    td_buf text;
    size_t failures = 0;
    size_t failed_decoders = 0;
    char over[DECODER_LIMITS_BYTES];
    td_buf_init(&text, CASE_BYTES);
    for (size_t i = 0; i < found->stream_count; i++)
        failures += found->streams[i]->is_different;
    for (size_t i = 0; i < 2; i++) {
        user_decoder_limits_text(decoders[i], over);
        failed_decoders += user_decoder_failures(decoders[i]) > 0;
        failed_decoders += over[0] != '\0';
    }
    td_result rc =
        td_buf_printf(&text, err,
                      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"tapedeck "
                      "regress\" tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"0\">\n",
                      found->stream_count + failed_decoders, failures + failed_decoders);
    if (rc == TD_OK)
        rc = add_properties(&text, decoders, err);
    for (size_t i = 0; i < 2 && rc == TD_OK; i++) {
        rc = add_decoder(&text, decoders[i], err);
        if (rc == TD_OK)
            rc = add_limits(&text, decoders[i], err);
    }
    for (size_t i = 0; i < found->stream_count && rc == TD_OK; i++) {
        rc = add_case(&text, found->streams[i], err);
        if (rc == TD_OK)
            rc = td_io_append(file, text.data, text.size, err);
        td_buf_clear(&text);
    }
    td_buf_fini(&text);
    return rc == TD_OK ? td_io_append(file, "</testsuite>\n", 13, err) : rc;
}

td_result regress_report_junit(const regress_report *report, td_io io, const char *path,
                               td_err *err)
{
    td_result rc = td_io_write_file(io, path, TD_OPEN_CREATE, append, (void *)report, err);
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "JUnit report '%s'", path);
}
