/* The programs' output: JSON and lines on stdout, tables, errors on stderr, and exit status.
 * Expected texts are written from docs/design.md ("Errors", "Exit status") and the headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cli/exit_codes.h"
#include "base/cli/output.h"
#include "base/cli/progress.h"
#include "base/cli/report.h"
#include "base/cli/result.h"
#include "base/cli/table.h"
#include "base/cli/units.h"
#include "base/cli/verbs.h"

/* A temporary file, whose text can be read back. */
typedef struct sink_file {
    FILE *file;
    char text[4096];
} sink_file;

static void sink_open(sink_file *sink)
{
    sink->file = tmpfile();
    assert_non_null(sink->file);
}

static const char *sink_text(sink_file *sink)
{
    fflush(sink->file);
    rewind(sink->file);
    size_t got = fread(sink->text, 1, sizeof sink->text - 1, sink->file);
    sink->text[got] = '\0';
    return sink->text;
}

static void test_json_lines(void **state)
{
    (void)state;
    sink_file sink;
    sink_open(&sink);
    output_stream output;
    output_init(&output, sink.file);
    for (uint64_t i = 0; i < 2; i++) {
        json_writer *json = output_json_begin(&output);
        json_write_object_begin(json);
        json_write_member_u64(json, "n", i);
        json_write_object_end(json);
        output_json_end(&output);
    }
    output_printf(&output, "%s %u\n", "text", 3U);
    assert_int_equal(output_finish(&output, NULL), TD_OK);
    assert_string_equal(sink_text(&sink), "{\"n\":0}\n{\"n\":1}\ntext 3\n");
    fclose(sink.file);
}

/* A terminal must not show half of a screen: it is one write, also if its last line has no end. The
 * socket keeps the bounds of writes. */
static void test_one_write_per_flush(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    FILE *terminal = fdopen(ends[0], "w");
    assert_non_null(terminal);
    assert_int_equal(setvbuf(terminal, NULL, _IOLBF, 0), 0); /* as stdio has it for a terminal */
    output_stream output;
    output_init(&output, terminal);
    size_t size = 0;
    for (unsigned row = 0; row < 3000; row++, size += strlen("row 1234 of a screen\n"))
        output_printf(&output, "row %u of a screen\n", 1000 + row);
    output_printf(&output, "keys");
    output_flush(&output);
    char screen[64 << 10];
    assert_int_equal(recv(ends[1], screen, sizeof screen, 0), size + strlen("keys"));
    assert_int_equal(output_finish(&output, NULL), TD_OK);
    fclose(terminal);
    close(ends[1]);
}

/* A device that is always full: the failure is kept, and returned as TD_E_NOSPACE, status 4. */
static void test_full_output(void **state)
{
    (void)state;
    FILE *full = fopen("/dev/full", "w");
    if (full == NULL)
        skip();
    output_stream output;
    output_init(&output, full);
    output_bytes(&output, td_bytes_str("lost\n"));
    output_flush(&output);
    assert_true(output_is_broken(&output));
    output_bytes(&output, td_bytes_str("more\n"));
    td_err err;
    assert_int_equal(output_finish(&output, &err), TD_E_NOSPACE);
    assert_int_equal(exit_code_of(err.code), EXIT_CODE_FAILED);
    fclose(full);
}

/* Detached: the same lines, through a thread; a line that is too long is dropped and reported. */
static void test_detached_output(void **state)
{
    (void)state;
    static char large[LIMIT_OUTPUT_LINE_BYTES];
    sink_file sink;
    sink_open(&sink);
    output_stream output;
    output_init(&output, sink.file);
    assert_int_equal(output_detach(&output, NULL), TD_OK);
    memset(large, 'x', sizeof large - 1);
    for (uint64_t i = 0; i < 2; i++) {
        json_writer *json = output_json_begin(&output);
        json_write_object_begin(json);
        json_write_member_u64(json, "n", i);
        if (i == 1)
            json_write_member_text(json, "text", large);
        json_write_object_end(json);
        output_json_end(&output);
    }
    output_flush(&output);
    assert_int_equal(output_lines_lost(&output), 1);
    assert_int_equal(output_finish(&output, NULL), TD_OK);
    assert_string_equal(sink_text(&sink), "{\"n\":0}\n{\"output\":{\"lines_lost\":1}}\n");
    reporter report;
    sink_file verbosity;
    sink_open(&verbosity);
    report_init(&report, "p", verbosity.file);
    assert_int_equal(report_detach(&report, NULL), TD_OK);
    report_line(&report, TD_LOG_WARNING, "slow");
    report_fini(&report);
    report_line(&report, TD_LOG_INFO, "direct again");
    assert_string_equal(sink_text(&verbosity), "p: warning: slow\np: direct again\n");
    fclose(verbosity.file);
    fclose(sink.file);
}

/* Optional columns that do not fit a terminal are omitted, the last one first. Nothing is
 * truncated. */
static void test_table(void **state)
{
    (void)state;
    static const table_column COLUMNS[] = {{"feed", TABLE_LEFT, NULL},
                                           {"name", TABLE_LEFT, NULL},
                                           {"frames", TABLE_RIGHT, NULL},
                                           {"size", TABLE_SPARE_RIGHT, NULL},
                                           {"note", TABLE_SPARE_LEFT, NULL}};
    static const struct {
        size_t columns;
        const char *text;
    } ROWS[] = {
        {0, "feed  name             frames  size  note\n"
            "a     zw\xc3\xb6lf letters  12345678     7  x y\n"},
        {41, "feed  name             frames  size  note\n"
             "a     zw\xc3\xb6lf letters  12345678     7  x y\n"},
        {40, "feed  name             frames  size\n"
             "a     zw\xc3\xb6lf letters  12345678     7\n"},
        {34, "feed  name             frames\n"
             "a     zw\xc3\xb6lf letters  12345678\n"},
        {12, "feed  name             frames\n"
             "a     zw\xc3\xb6lf letters  12345678\n"},
    };
    static const char CELLS[] = "a\0zw\xc3\xb6lf letters\0"
                                "12345678\0"
                                "7\0x y";
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        td_buf out;
        td_buf_init(&out, 4096);
        table_print(COLUMNS, 5, td_bytes_str(""), ROWS[i].columns, 0, &out); /* no rows: no text */
        assert_int_equal(out.size, 0);
        table_print(COLUMNS, 5, td_bytes_of(CELLS, sizeof CELLS), ROWS[i].columns, 0, &out);
        td_buf_add(&out, "", 1);
        assert_string_equal((char *)out.data, ROWS[i].text);
        td_buf_fini(&out);
    }
}

/* Cells, lines, reports and the status line are for screens: control characters in a peer's text
 * are escaped. */
static void test_text_from_outside(void **state)
{
    (void)state;
    static const table_column COLUMNS[] = {{"symbol", TABLE_LEFT, "{symbol}"},
                                           {"frames", TABLE_RIGHT, "{frames}"}};
    static const char EVIL[] = "A\033[31m\nB";
    sink_file sink;
    sink_open(&sink);
    output_stream output;
    output_init(&output, sink.file);
    result_writer r;
    result_begin(&r, &output, &(json_options){.is_json = 0});
    result_object_begin(&r, NULL);
    result_table_begin(&r, "rows", COLUMNS, 2);
    result_object_begin(&r, NULL);
    result_text(&r, "symbol", EVIL);
    result_count(&r, "frames", 7);
    result_object_end(&r, NULL);
    result_list_end(&r);
    result_object_end(&r, "{rows}");
    result_end(&r);
    output_printf(&output, "  topic %s\n", EVIL);
    assert_int_equal(output_finish(&output, NULL), TD_OK);
    reporter report;
    report_init(&report, "p", sink.file);
    report_line(&report, TD_LOG_WARNING, "said: %s", EVIL);
    td_err err;
    td_err_set(&err, TD_E_NETWORK, "%s", EVIL);
    report_error(&report, &err);
    report.is_terminal = 1;
    progress_line progress;
    progress_init(&progress, &report);
    progress_show(&progress, 1, "%s", EVIL);
    assert_string_equal(sink_text(&sink), "symbol          frames\n"
                                          "A\\x1b[31m\\x0aB       7\n"
                                          "  topic A\\x1b[31m\\x0aB\n"
                                          "p: warning: said: A\\x1b[31m\\x0aB\n"
                                          "p: A\\x1b[31m\\x0aB\n"
                                          "\rA\\x1b[31m\\x0aB\033[K");
    fclose(sink.file);
}

typedef struct unit_row {
    uint64_t value;
    const char *size;
    const char *count;
} unit_row;

static void test_units(void **state)
{
    (void)state;
    static const unit_row ROWS[] = {
        {0, "0 B", "0"},
        {999, "999 B", "999"},
        {1000, "1000 B", "1,000"},
        {1024, "1.0 KiB", "1,024"},
        {1536, "1.5 KiB", "1,536"},
        {UINT64_C(1073741823), "1023.9 MiB", "1,073,741,823"},
        {UINT64_C(1) << 30, "1.0 GiB", "1,073,741,824"},
        {UINT64_MAX, "15.9 EiB", "18,446,744,073,709,551,615"},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        assert_string_equal(format_size(ROWS[i].value).text, ROWS[i].size);
        assert_string_equal(format_count(ROWS[i].value).text, ROWS[i].count);
    }
    assert_string_equal(format_counted(0, "frame").text, "0 frames");
    assert_string_equal(format_counted(1, "frame").text, "1 frame");
    assert_string_equal(format_counted(12345, "frame").text, "12,345 frames");
}

/* Errors: "program: what: why", and a second line with the fix. */
static void test_errors(void **state)
{
    (void)state;
    sink_file sink;
    sink_open(&sink);
    reporter report;
    report_init(&report, "tapedeck-record", sink.file);
    report_name_verb(&report, "record");
    td_err err;
    td_err_set(&err, TD_E_IO, "cannot open archive 'x': Permission denied");
    td_err_hint(&err, "try another");
    assert_int_equal(report_error(&report, &err), 4);
    report_line(&report, TD_LOG_WARNING, "odd %d", 1);
    report_line(&report, TD_LOG_DEBUG, "not shown");
    report_apply(&report, &(verbosity_options){.is_quiet = 1});
    report_line(&report, TD_LOG_WARNING, "quiet");
    td_log log = report_log(&report);
    log.fn(log.ctx, TD_LOG_ERROR, "from a library");
    assert_string_equal(sink_text(&sink),
                        "tapedeck record: cannot open archive 'x': Permission denied\n"
                        "tapedeck record: hint: try another\n"
                        "tapedeck record: warning: odd 1\n"
                        "tapedeck record: error: from a library\n");
    fclose(sink.file);
}

/* The line after its time, which must be there: "2026-11-21T05:31:00.123Z". */
static const char *behind_time(const char *line, const char *before)
{
    static const char SHAPE[] = "dddd-dd-ddTdd:dd:dd.dddZ";
    assert_memory_equal(line, before, strlen(before));
    line += strlen(before);
    for (size_t i = 0; i < sizeof SHAPE - 1; i++)
        assert_int_equal(SHAPE[i] == 'd' ? line[i] >= '0' && line[i] <= '9' : line[i] == SHAPE[i],
                         1);
    return line + sizeof SHAPE - 1;
}

/* A verb that keeps a log: time and level; a final error is at the end. */
static void test_log_lines(void **state)
{
    (void)state;
    sink_file sink;
    td_err err;
    td_err_set(&err, TD_E_IO, "no \"disk\"");
    td_err_hint(&err, "buy one");
    sink_open(&sink);
    reporter report;
    report_init(&report, "tapedeck-record", sink.file);
    report_name_verb(&report, "record");
    report_begin_log(&report, &(verbosity_options){0});
    report_line(&report, TD_LOG_WARNING, "odd \"%d\"\n", 1);
    (void)report_error(&report, &err);
    assert_string_equal(behind_time(sink_text(&sink), ""),
                        " warning tapedeck record: odd \"1\"\\x0a\n"
                        "tapedeck record: no \"disk\"\n"
                        "tapedeck record: hint: buy one\n");
    fclose(sink.file);
}

/* Reads the other end of a pipe. */
typedef struct late_reader {
    int fd;
    char *text;
    size_t size;
} late_reader;

enum { LATE_TEXT_BYTES = 2 * LIMIT_OUTPUT_QUEUE_BYTES };

static void *read_all(void *user)
{
    late_reader *reader = user;
    ssize_t got;
    while (reader->size < LATE_TEXT_BYTES && (got = read(reader->fd, reader->text + reader->size,
                                                         LATE_TEXT_BYTES - reader->size)) > 0)
        reader->size += (size_t)got;
    reader->text[reader->size] = '\0';
    return NULL;
}

/* Writes more lines than a detached report's queue holds, before its reader reads. */
static void write_too_many(reporter *report, int fd)
{
    char line[901];
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = '\0';
    FILE *out = fdopen(fd, "w");
    assert_non_null(out);
    report->out = out;
    assert_int_equal(report_detach(report, NULL), TD_OK);
    for (size_t i = 0; i < 2 * LIMIT_OUTPUT_QUEUE_BYTES / sizeof line; i++)
        report_line(report, TD_LOG_WARNING, "%s", line);
}

/* The line that replaces dropped ones has the same form as others. */
static void test_lost_lines(void **state)
{
    (void)state;
    for (int is_log = 0; is_log < 2; is_log++) {
        int ends[2];
        pthread_t thread;
        reporter report;
        assert_int_equal(pipe(ends), 0);
        report_init(&report, "p", stderr);
        report.has_colour = 0;
        if (is_log)
            report_begin_log(&report, &(verbosity_options){0});
        write_too_many(&report, ends[1]);
        late_reader reader = {.fd = ends[0], .text = malloc(LATE_TEXT_BYTES + 1)};
        assert_non_null(reader.text);
        assert_int_equal(pthread_create(&thread, NULL, read_all, &reader), 0);
        report_fini(&report);
        fclose(report.out);
        assert_int_equal(pthread_join(thread, NULL), 0);
        const char *line = strstr(reader.text, "standard error was not read: ");
        assert_non_null(line);
        const char *end = strstr(line, " missing here");
        assert_non_null(end);
        while (line > reader.text && line[-1] != '\n')
            line--;
        if (is_log)
            line = behind_time(line, "");
        const char *before = is_log ? " warning p: " : "p: warning: ";
        assert_memory_equal(line, before, strlen(before));
        assert_int_equal(end[strlen(" missing here")], '\n');
        close(ends[0]);
        free(reader.text);
    }
}

/* Without a terminal there is no status line. On a terminal it is updated at most ten times a
 * second, and erased. */
static void test_progress(void **state)
{
    (void)state;
    sink_file sink;
    sink_open(&sink);
    reporter report;
    report_init(&report, "p", sink.file);
    progress_line progress;
    progress_init(&progress, &report);
    progress_show(&progress, 0, "1 of 2");
    progress_end(&progress);
    assert_string_equal(sink_text(&sink), "");

    report.is_terminal = 1;
    progress_init(&progress, &report);
    progress_show(&progress, 5, "1 of 2");
    progress_show(&progress, 6, "too soon");
    report_line(&report, TD_LOG_INFO, "news");
    progress_show(&progress, 100000005, "2 of 2");
    progress_end(&progress);
    assert_string_equal(sink_text(&sink),
                        "\r1 of 2\033[K\r\033[Kp: news\n\r1 of 2\033[K\r2 of 2\033[K\r\033[K");
    fclose(sink.file);
}

typedef struct status_row {
    td_result result;
    int status;
} status_row;

/* docs/design.md, "Exit status". */
static void test_exit_status(void **state)
{
    (void)state;
    static const status_row ROWS[] = {
        {TD_OK, 0},          {TD_EOF, 0},        {TD_E_INVALID, 2}, {TD_E_CORRUPT, 3},
        {TD_E_TRUNCATED, 3}, {TD_E_IO, 4},       {TD_E_NOSPACE, 4}, {TD_E_BUSY, 4},
        {TD_E_NETWORK, 4},   {TD_E_NOTFOUND, 4}, {TD_E_LIMIT, 4},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++)
        assert_int_equal(exit_code_of(ROWS[i].result), ROWS[i].status);
    assert_int_equal(EXIT_CODE_FAULT, 70);
}

static exit_code run_differs(const verb_context *context, int argc, char **argv)
{
    assert_non_null(context->report);
    assert_string_equal(argv[0], "differs");
    assert_int_equal(argc, 2);
    return EXIT_CODE_DIFFERS;
}

/* argv[0] of a verb is its own name. */
static void test_verbs(void **state)
{
    (void)state;
    static const verb_row ROWS[] = {
        {"differs", "differs always", run_differs, NULL},
        {"absent", "not installed", NULL, "no-such-program-anywhere"},
    };
    verb_table table = {"prog", "For tests.", ROWS, 2, NULL, 0};
    char prog[] = "prog";
    char differs[] = "differs";
    char x[] = "x";
    char absent[] = "absent";
    char *named[] = {prog, differs, x, NULL};
    assert_int_equal(verbs_main(&table, 3, named), EXIT_CODE_DIFFERS);
    char *unknown[] = {prog, x, NULL};
    assert_int_equal(verbs_main(&table, 2, unknown), EXIT_CODE_USAGE);
    char *none[] = {prog, NULL};
    assert_int_equal(verbs_main(&table, 1, none), EXIT_CODE_USAGE);
    char *gone[] = {prog, absent, NULL};
    assert_int_equal(verbs_main(&table, 2, gone), EXIT_CODE_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_lines),  cmocka_unit_test(test_one_write_per_flush),
        cmocka_unit_test(test_full_output), cmocka_unit_test(test_detached_output),
        cmocka_unit_test(test_table),       cmocka_unit_test(test_text_from_outside),
        cmocka_unit_test(test_units),       cmocka_unit_test(test_errors),
        cmocka_unit_test(test_log_lines),   cmocka_unit_test(test_lost_lines),
        cmocka_unit_test(test_progress),    cmocka_unit_test(test_exit_status),
        cmocka_unit_test(test_verbs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
