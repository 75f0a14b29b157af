#include "regress/report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/buf.h"
#include "base/escape.h"
#include "base/limits.h"
#include "base/time_text.h"
#include "regress/json_diff.h"

enum {
    FRAME_BYTES_SHOWN = 4000, /* of a failure's frame: CI systems show the text as it is */
    DIFF_BYTES = 64 << 10,
};

/* The text so far; after a failure nothing is added. */
typedef struct junit_text {
    td_buf out;
    td_buf escaped; /* of the value at hand */
    td_result rc;
    td_err *err;
} junit_text;

static void add(junit_text *text, td_bytes bytes)
{
    if (text->rc == TD_OK)
        text->rc = td_buf_append(&text->out, bytes.data, bytes.size, text->err);
}

static void add_text(junit_text *text, const char *plain)
{
    add(text, td_bytes_str(plain));
}

/* U+FFFE and U+FFFF are no characters of XML; a screen shows them as they are. */
static int is_no_character(const uint8_t *at, size_t left)
{
    return left >= 3 && at[0] == 0xef && at[1] == 0xbf && (at[2] == 0xbe || at[2] == 0xbf);
}

static const char *entity_of(uint8_t byte)
{
    switch (byte) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&apos;";
    default:
        return NULL;
    }
}

/* Text from outside: on one line, and nothing in it is markup. */
static void add_value(junit_text *text, td_bytes value)
{
    td_buf_clear(&text->escaped);
    if (text->rc == TD_OK)
        text->rc = td_escape_append(&text->escaped, value, text->err);
    if (text->rc != TD_OK)
        return;
    td_bytes left = td_buf_view(&text->escaped);
    while (left.size > 0) {
        size_t plain = 0;
        while (plain < left.size && entity_of(left.data[plain]) == NULL &&
               !is_no_character(left.data + plain, left.size - plain))
            plain++;
        add(text, td_bytes_of(left.data, plain));
        left = td_bytes_of(left.data + plain, left.size - plain);
        if (left.size == 0)
            return;
        const char *entity = entity_of(left.data[0]);
        size_t size = entity != NULL ? 1 : 3;
        add_text(text, entity != NULL ? entity : left.data[2] == 0xbe ? "\\ufffe" : "\\uffff");
        left = td_bytes_of(left.data + size, left.size - size);
    }
}

static void add_string(junit_text *text, const char *value)
{
    add_value(text, td_bytes_str(value));
}

/* What is ours: numbers and fixed words. */
static void add_format(junit_text *text, const char *format, ...) TD_PRINTF(2, 3);
static void add_format(junit_text *text, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    if (text->rc == TD_OK)
        text->rc = td_escape_vprintf(&text->out, text->err, format, values);
    va_end(values);
}

static void begin_suite(junit_text *text, const char *name, size_t tests, size_t failures,
                        size_t errors)
{
    add_text(text, "  <testsuite name=\"");
    add_string(text, name);
    add_format(text, "\" tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"0\">\n", tests,
               failures, errors);
}

static void begin_case(junit_text *text, const char *suite, const char *name)
{
    add_text(text, "    <testcase classname=\"");
    add_string(text, suite);
    add_text(text, "\" name=\"");
    add_string(text, name);
}

/* ---- a test case ---- */

static void add_lines(junit_text *text, td_bytes lines)
{
    while (lines.size > 0) {
        const uint8_t *end = memchr(lines.data, '\n', lines.size);
        size_t size = end == NULL ? lines.size : (size_t)(end - lines.data);
        add_value(text, td_bytes_of(lines.data, size));
        add_text(text, "\n");
        size += end != NULL;
        lines = td_bytes_of(lines.data + size, lines.size - size);
    }
}

static void add_frame(junit_text *text, const regress_difference *first)
{
    char when[TD_TIME_TEXT_BYTES];
    td_time_format(first->recv_ns, when);
    add_format(text, "received %s, session %s, connection %u, frame %" PRIu64 " of it\n", when,
               first->session_id, first->conn, first->ordinal);
    if (first->frame == NULL)
        return;
    int is_cut = first->frame_bytes > FRAME_BYTES_SHOWN;
    add_text(text, "bytes: ");
    add_value(text, td_bytes_of((const uint8_t *)first->frame,
                                is_cut ? FRAME_BYTES_SHOWN : first->frame_bytes));
    add_text(text, is_cut ? "...\n" : "\n");
}

static void add_failure(junit_text *text, const regress_stream *of)
{
    const regress_difference *first = &of->first;
    td_buf lines;
    td_buf_init(&lines, DIFF_BYTES);
    add_text(text, "      <failure type=\"");
    add_text(text, regress_kind_text(first->kind));
    add_format(text,
               "\" message=\"%" PRIu64 " of %" PRIu64 " frames differ, %" PRIu64
               " missing, %" PRIu64 " new\">",
               of->counts.compared - of->counts.same, of->counts.compared, of->counts.missing,
               of->counts.added);
    add_format(text, "first difference: %s, frame %" PRIu64 " of the stream\n",
               regress_kind_text(first->kind),
               first->kind == DIFFERENCE_MISSING ? first->was_index : first->is_index);
    if (first->has_frame)
        add_frame(text, first);
    if (first->decode_is != NULL || first->decode_was != NULL)
        json_diff_append(&lines, first->decode_was, first->decode_is);
    add_lines(text, td_buf_view(&lines));
    add_text(text, "</failure>\n");
    td_buf_fini(&lines);
}

static void add_stream(junit_text *text, const regress_stream *of)
{
    begin_case(text, of->names.feed,
               of->names.topic[0] == '\0' ? of->names.exchange_topic : of->names.topic);
    if (of->names.symbol[0] != '\0') {
        add_text(text, " ");
        add_string(text, of->names.symbol);
    }
    if (!of->is_different) {
        add_text(text, "\"/>\n");
        return;
    }
    add_text(text, "\">\n");
    add_failure(text, of);
    add_text(text, "    </testcase>\n");
}

/* ---- decoders ---- */

enum { DECODERS_MAX = 2 };

/* The users' decoders of the run. */
static size_t list_decoders(const regress_report *report, const user_decoder *out[DECODERS_MAX])
{
    const user_decoder *const all[] = {report->was_decoder, report->is_decoder};
    size_t count = 0;
    for (size_t i = 0; i < DECODERS_MAX; i++)
        if (all[i] != NULL && user_decoder_decoding(all[i]) != NULL)
            out[count++] = all[i];
    return count;
}

static void add_decoder(junit_text *text, const user_decoder *of)
{
    uint64_t failures = user_decoder_failures(of);
    size_t count = 0;
    const decoder_failure *list = user_decoder_list(of, &count);
    begin_case(text, "decoders", user_decoder_name(of));
    if (failures == 0) {
        add_text(text, "\"/>\n");
        return;
    }
    add_format(text,
               "\">\n      <failure type=\"decoder\" message=\"it failed at %" PRIu64 " frames\">",
               failures);
    for (size_t i = 0; i < count; i++) {
        char when[TD_TIME_TEXT_BYTES];
        td_time_format(list[i].recv_ns, when);
        add_string(text, decode_reason_name(list[i].reason));
        add_format(text, " at %s, ", when);
        add_string(text, list[i].stream);
        add_text(text, ": ");
        add_string(text, list[i].what);
        add_text(text, "\n");
    }
    add_text(text, "</failure>\n    </testcase>\n");
}

/* ---- the document ---- */

/* Streams of a feed from index first on; failures of them. */
static size_t count_feed(const regress_comparison *found, size_t first, size_t *failures)
{
    const char *feed = found->streams[first]->names.feed;
    size_t end = first;
    *failures = 0;
    while (end < found->stream_count && strcmp(found->streams[end]->names.feed, feed) == 0)
        *failures += found->streams[end++]->is_different;
    return end;
}

static void add_document(junit_text *text, const regress_report *report)
{
    const regress_comparison *found = report->found;
    const user_decoder *decoders[DECODERS_MAX];
    size_t decoder_count = list_decoders(report, decoders);
    size_t failing_decoders = 0;
    size_t failing_streams = 0;
    for (size_t i = 0; i < decoder_count; i++)
        failing_decoders += user_decoder_failures(decoders[i]) > 0;
    for (size_t i = 0; i < found->stream_count; i++)
        failing_streams += found->streams[i]->is_different;
    add_format(text,
               "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"tapedeck regress\" "
               "tests=\"%zu\" failures=\"%zu\" errors=\"0\">\n",
               found->stream_count + decoder_count, failing_streams + failing_decoders);
    for (size_t first = 0; first < found->stream_count;) {
        size_t failures = 0;
        size_t end = count_feed(found, first, &failures);
        begin_suite(text, found->streams[first]->names.feed, end - first, failures, 0);
        for (; first < end; first++)
            add_stream(text, found->streams[first]);
        add_text(text, "  </testsuite>\n");
    }
    if (decoder_count > 0) {
        begin_suite(text, "decoders", decoder_count, failing_decoders, 0);
        for (size_t i = 0; i < decoder_count; i++)
            add_decoder(text, decoders[i]);
        add_text(text, "  </testsuite>\n");
    }
    add_text(text, "</testsuites>\n");
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
    td_buf_init(&text.escaped, LIMIT_JUNIT_BYTES);
    add_document(&text, report);
    if (text.rc == TD_OK)
        text.rc = td_io_write_file(io, path, TD_OPEN_CREATE, append, &text, err);
    td_buf_fini(&text.out);
    td_buf_fini(&text.escaped);
    return text.rc == TD_OK ? TD_OK : td_err_add(err, text.rc, "JUnit report '%s'", path);
}
