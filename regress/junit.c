#include "regress/junit.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/buf.h"
#include "base/escape.h"
#include "base/limits.h"
#include "base/time_text.h"
#include "cli/units.h"

enum {
    FRAME_BYTES_SHOWN = 4000, /* of a failure's frame: CI systems show the text as it is */
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

static int has_failed(const comparison_stream *stream)
{
    return comparison_differing(stream) > 0 || stream->missing > 0 || stream->added > 0;
}

static const shown_difference *find_shown(const check_result *result,
                                          const comparison_stream *stream)
{
    for (size_t i = 0; i < result->shown_count; i++)
        if (result->shown[i].stream == stream)
            return &result->shown[i];
    return NULL;
}

static void add_field(junit_text *text, const side_row *row)
{
    add_text(text, "  ");
    add_string(text, row->path);
    add_text(text, ": ");
    add_string(text, row->was == NULL ? "absent" : row->was);
    add_text(text, " -&gt; ");
    add_string(text, row->is == NULL ? "absent" : row->is);
    add_text(text, "\n");
}

static void add_frame(junit_text *text, const explained_frame *frame)
{
    char when[TD_TIME_TEXT_BYTES];
    td_time_format(frame->recv_ns, when);
    add_format(text, "received %s, session %s, connection %u, frame %" PRIu64 " of it", when,
               frame->session_id, frame->conn, frame->ordinal);
    if (frame->has_seq)
        add_format(text, ", seq %lld", (long long)frame->seq);
    add_text(text, "\n");
    if (frame->bytes.size == 0)
        return;
    int is_cut = frame->bytes.size > FRAME_BYTES_SHOWN;
    add_text(text, "bytes: ");
    add_value(text, td_bytes_of(frame->bytes.data, is_cut ? FRAME_BYTES_SHOWN : frame->bytes.size));
    add_text(text, is_cut ? "...\n" : "\n");
}

static void add_decode(junit_text *text, const char *name, td_bytes decode)
{
    if (decode.size == 0)
        return;
    add_text(text, name);
    add_value(text, decode.size > FRAME_BYTES_SHOWN ? td_bytes_of(decode.data, FRAME_BYTES_SHOWN)
                                                    : decode);
    add_text(text, decode.size > FRAME_BYTES_SHOWN ? "...\n" : "\n");
}

static void add_difference(junit_text *text, const shown_difference *shown)
{
    add_format(text, "first difference: %s, frame %" PRIu64 " of the stream\n",
               difference_kind_name(shown->what->kind), shown->what->is_index);
    for (size_t i = 0; i < shown->row_count; i++)
        if (shown->rows[i].is_different)
            add_field(text, &shown->rows[i]);
    if (shown->rows_left_out > 0)
        add_format(text, "  and %zu more\n", shown->rows_left_out);
    if (shown->row_count == 0) {
        add_decode(text, "before: ", shown->was);
        add_decode(text, "now: ", shown->is);
    }
    if (shown->frame != NULL)
        add_frame(text, shown->frame);
}

static void add_failure(junit_text *text, const check_result *result,
                        const comparison_stream *stream)
{
    const shown_difference *shown = find_shown(result, stream);
    uint64_t different = comparison_differing(stream);
    add_format(text, "      <failure type=\"%s\" message=\"",
               different > 0         ? difference_kind_name(stream->first.kind)
               : stream->missing > 0 ? "missing"
                                     : "new");
    add_format(text,
               "%" PRIu64 " of %" PRIu64 " frames differ, %" PRIu64 " missing, %" PRIu64 " new\">",
               different, stream->compared, stream->missing, stream->added);
    if (shown != NULL)
        add_difference(text, shown);
    if (stream->missing > 0)
        add_format(text, "first missing frame: %" PRIu64 " of the baseline's stream\n",
                   stream->first_missing.index);
    if (stream->added > 0)
        add_format(text, "first new frame: %" PRIu64 " of the stream\n", stream->first_added.index);
    add_text(text, "</failure>\n");
}

static void add_case(junit_text *text, const check_result *result, const comparison_stream *stream)
{
    const baseline_stream *names = check_stream_names(stream);
    begin_case(text, names->feed, check_topic_name(stream));
    if (names->symbol[0] != '\0') {
        add_text(text, " ");
        add_string(text, names->symbol);
    }
    if (!has_failed(stream)) {
        add_text(text, "\"/>\n");
        return;
    }
    add_text(text, "\">\n");
    add_failure(text, result, stream);
    add_text(text, "    </testcase>\n");
}

/* ---- decoders, and the run ---- */

static void add_line(void *user, const char *line)
{
    junit_text *text = user;
    add_string(text, line);
    add_text(text, "\n");
}

static void add_decoder(junit_text *text, const decoder_choice *of)
{
    uint64_t failures = decoder_choice_failures(of);
    begin_case(text, "decoders", of->name);
    if (failures == 0) {
        add_text(text, "\"/>\n");
        return;
    }
    add_format(text,
               "\">\n      <failure type=\"decoder\" message=\"it failed at %s: %" PRIu64
               " crashed, %" PRIu64 " hung, %" PRIu64 " garbage, %" PRIu64 " unstable\">",
               format_counted(failures, "frame").text, decoder_choice_count(of, DECODE_CRASHED),
               decoder_choice_count(of, DECODE_HUNG), decoder_choice_count(of, DECODE_GARBAGE),
               decoder_choice_count(of, DECODE_UNSTABLE));
    decoder_choice_list(of, add_line, text);
    add_text(text, "</failure>\n    </testcase>\n");
}

static size_t count_decoders(const junit_report *report, size_t *failures)
{
    size_t count = 0;
    *failures = 0;
    for (size_t i = 0; i < report->decoder_count; i++) {
        count += decoder_choice_label(report->decoders[i]) != NULL;
        *failures += decoder_choice_failures(report->decoders[i]) > 0;
    }
    return count;
}

static void add_decoders(junit_text *text, const junit_report *report)
{
    size_t failures = 0;
    size_t count = count_decoders(report, &failures);
    if (count == 0)
        return;
    begin_suite(text, "decoders", count, failures, 0);
    for (size_t i = 0; i < report->decoder_count; i++)
        if (decoder_choice_label(report->decoders[i]) != NULL)
            add_decoder(text, report->decoders[i]);
    add_text(text, "  </testsuite>\n");
}

static void add_error(junit_text *text, const junit_report *report)
{
    if (report->error == NULL)
        return;
    begin_suite(text, "run", 1, 0, 1);
    begin_case(text, "run", report->name);
    add_text(text, "\">\n      <error type=\"ended early\" message=\"");
    add_string(text, report->error->text);
    add_text(text, "\">");
    add_string(text, report->error->hint);
    add_text(text, "</error>\n    </testcase>\n  </testsuite>\n");
}

/* ---- the document ---- */

/* Streams of a feed from index first on; failures of them. */
static size_t count_feed(const comparison *c, size_t first, size_t *failures)
{
    const char *feed = check_stream_names(&c->streams[first])->feed;
    size_t end = first;
    *failures = 0;
    while (end < c->stream_count && strcmp(check_stream_names(&c->streams[end])->feed, feed) == 0)
        *failures += (size_t)has_failed(&c->streams[end++]);
    return end;
}

static void add_feeds(junit_text *text, const check_result *result)
{
    const comparison *c = result->compared;
    for (size_t first = 0; first < c->stream_count;) {
        size_t failures = 0;
        size_t end = count_feed(c, first, &failures);
        begin_suite(text, check_stream_names(&c->streams[first])->feed, end - first, failures, 0);
        for (; first < end; first++)
            add_case(text, result, &c->streams[first]);
        add_text(text, "  </testsuite>\n");
    }
}

static void add_document(junit_text *text, const junit_report *report)
{
    size_t failures = 0;
    size_t tests = count_decoders(report, &failures);
    size_t errors = report->error != NULL;
    tests += errors;
    for (size_t i = 0; report->result != NULL && i < report->result->compared->stream_count; i++) {
        tests++;
        failures += (size_t)has_failed(&report->result->compared->streams[i]);
    }
    add_text(text, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"");
    add_string(text, report->name);
    add_format(text, "\" tests=\"%zu\" failures=\"%zu\" errors=\"%zu\">\n", tests, failures,
               errors);
    if (report->result != NULL)
        add_feeds(text, report->result);
    add_decoders(text, report);
    add_error(text, report);
    add_text(text, "</testsuites>\n");
}

static td_result append(void *user, td_file *file, td_err *err)
{
    const junit_text *text = user;
    return td_io_append(file, text->out.data, text->out.size, err);
}

td_result junit_write(td_io io, const char *path, const junit_report *report, td_err *err)
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
