/* A verb's data on stdout: buffered, checked, JSON or lines.
 *
 * JSON is written with output_json_begin/end: each pair writes one value and LF. A failed write is
 * kept: later calls do nothing, and output_finish() returns it. One thread.
 *
 * A verb that must not wait for its reader detaches its output: then a separate thread writes the
 * lines (base/cli/line_writer.h). Lines that do not fit in its queue are dropped and counted; a
 * line in their place reports them: {"output":{"lines_lost":3}}. */
#ifndef TD_CLI_OUTPUT_H
#define TD_CLI_OUTPUT_H

#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/cli/line_writer.h"
#include "base/cli/terminal.h"
#include "base/json/json_write.h"

typedef struct output_stream {
    FILE *out;
    line_writer *writer; /* NULL: not detached */
    size_t columns;      /* of out's terminal; 0: out is not a terminal */
    int has_colour;
    td_buf line;      /* text not written yet */
    json_writer json; /* writer of the current value */
    td_result rc;     /* TD_OK, or the first failure */
    td_err err;
} output_stream;

/* Write to out (stdout, or a file for tests), which is borrowed. */
void output_init(output_stream *output, FILE *out);

/* Never wait for the reader from now on. Call before anything is printed; afterwards each call
 * below prints whole JSON lines of at most LIMIT_OUTPUT_LINE_BYTES. TD_E_IO. */
TD_MUST_USE td_result output_detach(output_stream *output, td_err *err);

/* Lines of a detached output lost so far. */
uint64_t output_lines_lost(const output_stream *output);

/* Write the remaining text, flush, free. Returns the first failure of all calls: TD_E_IO,
 * TD_E_NOSPACE. If the reader of a detached output has stopped, gives up after some seconds with
 * TD_E_IO (line_writer_close). */
TD_MUST_USE td_result output_finish(output_stream *output, td_err *err);

/* output_bytes prints unchanged bytes (frames, documents). output_printf prints formatted text with
 * escaped values (td_escape_vprintf lists the conversions). */
void output_bytes(output_stream *output, td_bytes bytes);
void output_printf(output_stream *output, const char *format, ...) TD_PRINTF(2, 3);

/* output_json_begin begins a JSON value and returns the writer for it. output_json_end ends the
 * value and prints LF. */
json_writer *output_json_begin(output_stream *output);
void output_json_end(output_stream *output);

/* Call between two items of a list: writes the value's text so far if it is long, so that a
 * document may be larger than memory. No effect on a detached output, which writes whole lines. */
void output_json_item(output_stream *output);

/* Write everything to the operating system now, so that a pipe's reader gets it. */
void output_flush(output_stream *output);

/* 1 once writing has failed (the reader closed, the disk is full): further output is useless. */
static inline int output_is_broken(const output_stream *output)
{
    return output->rc != TD_OK;
}

#endif
