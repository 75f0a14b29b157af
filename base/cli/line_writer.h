/* Writes lines to a descriptor on a separate thread, so that callers never wait for the reader, and
 * a reader that stops costs bounded memory.
 *
 * Lines keep their order. When the queue is full, whole lines are dropped until the thread begins
 * to write the queued lines. Then a line in place of the dropped lines reports their number; the
 * owner formats this line. A pipe gets each line whole or not at all: no write exceeds PIPE_BUF.
 * After a failed write nothing more is written, and the failure is kept.
 *
 * Any thread may call line_writer_put; the other functions are for the thread that opened the
 * writer. */
#ifndef TD_CLI_LINE_WRITER_H
#define TD_CLI_LINE_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/limits.h"

typedef struct line_writer line_writer;

/* Format the line that reports dropped lines, with LF, at most out_bytes; returns its length.
 * Called on the writer's thread. */
typedef size_t (*line_writer_format)(void *user, uint64_t lines, char *out, size_t out_bytes);

/* Start the thread, which writes to a borrowed descriptor and blocks all signals. TD_E_IO. */
TD_MUST_USE td_result line_writer_open(int fd, line_writer_format format_lost, void *user,
                                       line_writer **out, td_err *err);

/* Queue a line with LF, or a status line without LF, of 1 to LIMIT_OUTPUT_LINE_BYTES bytes; a
 * longer line counts as lost. */
void line_writer_put(line_writer *writer, td_bytes line);

/* 1 if all queued lines were written or lost. */
int line_writer_is_idle(line_writer *writer);

/* Lines lost so far, because of a slow reader or a failure. */
uint64_t line_writer_lost(line_writer *writer);

/* TD_OK, or the failure of the first failed write: TD_E_IO, TD_E_NOSPACE. */
TD_MUST_USE td_result line_writer_failure(line_writer *writer, td_err *err);

/* Write the queued lines, end the thread, and free the writer; NULL is fine. Gives up after
 * LIMIT_OUTPUT_END_NS: a thread that is blocked in a write is left running, and the descriptor must
 * stay open until the process ends. TD_OK: all lines since the last report of lost lines were
 * written. TD_E_IO: some lines were not written; the error has their number. After a failed write:
 * the result of line_writer_failure. */
TD_MUST_USE td_result line_writer_close(line_writer *writer, td_err *err);

#endif
