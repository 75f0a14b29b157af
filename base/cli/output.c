#include "base/cli/output.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/escape_format.h"
#include "base/limits.h"

enum {
    OUTPUT_FLUSH_BYTES = 64 << 10,
    /* Largest JSON value, as a multiple of LIMIT_FRAME_BYTES: escaping makes at most 6 bytes of
     * each byte of a frame; the rest is for other members. */
    OUTPUT_VALUE_FACTOR = 8,
};

void output_init(output_stream *output, FILE *out)
{
    *output = (output_stream){.out = out};
    /* stdio's buffer would pass a screen on in pieces, and a terminal show half of it. A stream in
     * memory cannot do without. */
    if (fileno(out) >= 0)
        (void)setvbuf(out, NULL, _IONBF, 0);
    output->columns = isatty(fileno(out)) == 1 ? terminal_columns(fileno(out)) : 0;
    output->has_colour = terminal_has_colour(fileno(out));
    td_buf_init(&output->line, OUTPUT_VALUE_FACTOR * LIMIT_FRAME_BYTES);
}

/* Format the line that reports lost lines. */
static size_t format_lost(void *user, uint64_t lines, char *out, size_t out_bytes)
{
    (void)user;
    int size = snprintf(out, out_bytes, "{\"output\":{\"lines_lost\":%" PRIu64 "}}\n", lines);
    TD_ASSERT(size > 0);
    TD_ASSERT((size_t)size < out_bytes);
    return (size_t)size;
}

td_result output_detach(output_stream *output, td_err *err)
{
    TD_ASSERT(output->writer == NULL);
    TD_ASSERT(output->line.size == 0);
    return line_writer_open(fileno(output->out), format_lost, NULL, &output->writer, err);
}

uint64_t output_lines_lost(const output_stream *output)
{
    return output->writer == NULL ? 0 : line_writer_lost(output->writer);
}

static void keep_failure(output_stream *output, td_result rc)
{
    TD_ASSERT(rc < 0);
    if (output->rc == TD_OK)
        output->rc = rc;
    td_buf_clear(&output->line);
}

static void write_out(output_stream *output)
{
    td_bytes left = td_buf_view(&output->line);
    if (output->rc != TD_OK || left.size == 0)
        return;
    if (output->writer != NULL) {
        line_writer_put(output->writer, left);
        td_buf_clear(&output->line);
        return;
    }
    errno = 0;
    size_t written = fwrite(left.data, 1, left.size, output->out);
    td_buf_clear(&output->line);
    if (written != left.size)
        keep_failure(output, td_err_set_os(&output->err, errno, "cannot write output"));
}

void output_flush(output_stream *output)
{
    write_out(output);
    if (output->rc != TD_OK)
        return;
    if (output->writer != NULL) {
        td_result rc = line_writer_failure(output->writer, &output->err);
        if (rc != TD_OK)
            keep_failure(output, rc);
        return;
    }
    errno = 0;
    if (fflush(output->out) != 0)
        keep_failure(output, td_err_set_os(&output->err, errno, "cannot write output"));
}

td_result output_finish(output_stream *output, td_err *err)
{
    output_flush(output);
    td_err late;
    td_result rc = line_writer_close(output->writer, &late);
    output->writer = NULL;
    if (output->rc == TD_OK && rc != TD_OK) {
        output->rc = rc;
        output->err = late;
    }
    td_buf_fini(&output->line);
    if (output->rc != TD_OK && err != NULL)
        *err = output->err;
    return output->rc;
}

static void end_piece(output_stream *output, td_result rc)
{
    if (rc != TD_OK)
        keep_failure(output, rc);
    else if (output->writer != NULL || output->line.size >= OUTPUT_FLUSH_BYTES)
        write_out(output);
}

void output_bytes(output_stream *output, td_bytes bytes)
{
    if (output->rc == TD_OK)
        end_piece(output, td_buf_append(&output->line, bytes.data, bytes.size, &output->err));
}

void output_printf(output_stream *output, const char *format, ...)
{
    if (output->rc != TD_OK)
        return;
    va_list values;
    va_start(values, format);
    td_result rc = td_escape_vprintf(&output->line, &output->err, format, values);
    va_end(values);
    end_piece(output, rc);
}

json_writer *output_json_begin(output_stream *output)
{
    json_write_begin(&output->json, &output->line);
    return &output->json;
}

void output_json_end(output_stream *output)
{
    td_result rc = json_write_end(&output->json, &output->err);
    if (output->rc == TD_OK && rc == TD_OK)
        rc = td_buf_append(&output->line, "\n", 1, &output->err);
    end_piece(output, rc);
}

void output_json_item(output_stream *output)
{
    if (output->writer == NULL && output->line.size >= OUTPUT_FLUSH_BYTES)
        write_out(output);
}
