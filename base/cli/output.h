/* A verb's data on stdout: buffered, checked, JSON or lines.
 *
 * JSON is written with output_json_begin/end, one value and LF each time. A failed write is kept:
 * output_finish() returns it and every later call does nothing. One thread.
 *
 * A verb that must not wait for its reader detaches its output: lines are then written by a thread
 * of their own (base/cli/line_writer.h), and those that do not fit are dropped and counted; a line
 * in their place reports it: {"output":{"lines_lost":3}}. */
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
    size_t columns;      /* of out's terminal; 0: out is no terminal */
    int has_colour;
    td_buf line;      /* what is not written yet */
    json_writer json; /* of the value between begin and end */
    td_result rc;     /* TD_OK, or the first failure */
    td_err err;
} output_stream;

/* Write to out (stdout, or a file for tests), which is borrowed. */
void output_init(output_stream *output, FILE *out);

/* From here on never wait for the reader. Nothing was printed before; from now on each call below
 * prints whole JSON lines, of at most LIMIT_OUTPUT_LINE_BYTES. TD_E_IO. */
TD_MUST_USE td_result output_detach(output_stream *output, td_err *err);

/* Lines of a detached output that were lost so far. */
uint64_t output_lines_lost(const output_stream *output);

/* Write what is left, flush, free. The first failure of all calls: TD_E_IO, TD_E_NOSPACE.
 * Of a detached output also TD_E_IO if the reader has stopped; that waits for some seconds
 * (line_writer_close). */
TD_MUST_USE td_result output_finish(output_stream *output, td_err *err);

/* Bytes as they are (frames, documents); text for people with a format, in which the argument of %s
 * is escaped (td_escape_vprintf has the conversions). */
void output_bytes(output_stream *output, td_bytes bytes);
void output_printf(output_stream *output, const char *format, ...) TD_PRINTF(2, 3);

/* Start a JSON value; write it with the writer that this returns; end it with LF. */
json_writer *output_json_begin(output_stream *output);
void output_json_end(output_stream *output);

/* Between two items of a list: write what the value has so far if that is much, so that a document
 * may be larger than memory. Nothing happens on a detached output, which writes whole lines. */
void output_json_item(output_stream *output);

/* Write everything to the operating system now, so that a reader of a pipe sees it. */
void output_flush(output_stream *output);

/* 1 once writing has failed (a reader went away, a disk is full): no use going on. */
static inline int output_is_broken(const output_stream *output)
{
    return output->rc != TD_OK;
}

#endif
