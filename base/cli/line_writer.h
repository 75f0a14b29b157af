/* Writes lines to a descriptor on a thread of its own: a caller never waits for the reader, and a
 * reader that stops costs a bounded amount of memory.
 *
 * Lines keep their order. When the queue is full, further lines are dropped whole until the thread
 * has written those before it; then a line that the owner formats reports how many are missing at
 * that place. A pipe gets each line whole or not at all: no write is longer than what it takes at
 * once (PIPE_BUF). After a write that fails nothing more is written, and the failure is kept.
 *
 * Any thread may put; the other functions are for the thread that opened it. */
#ifndef TD_CLI_LINE_WRITER_H
#define TD_CLI_LINE_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/limits.h"

typedef struct line_writer line_writer;

/* Format the line that reports missing ones: LF included, at most out_bytes; returns its length.
 * Called on the writer's thread. */
typedef size_t (*line_writer_format)(void *user, uint64_t lines, char *out, size_t out_bytes);

/* Start the thread, which writes to a borrowed descriptor and takes no signals. TD_E_IO. */
TD_MUST_USE td_result line_writer_open(int fd, line_writer_format format_lost, void *user,
                                       line_writer **out, td_err *err);

/* Queue one line, LF included (or a status line, without), of 1 to LIMIT_OUTPUT_LINE_BYTES bytes;
 * a longer one counts as lost. */
void line_writer_put(line_writer *writer, td_bytes line);

/* 1 if everything that was put has been written or was lost. */
int line_writer_is_idle(line_writer *writer);

/* Lines that were dropped so far, because the reader was slow or because of a failure. */
uint64_t line_writer_lost(line_writer *writer);

/* TD_OK, or the first write that failed: TD_E_IO, TD_E_NOSPACE. */
TD_MUST_USE td_result line_writer_failure(line_writer *writer, td_err *err);

/* Write the queued lines, end the thread, free; NULL is fine. Gives up after
 * LIMIT_OUTPUT_END_NS. A thread that does not
 * return from a write is left running until the process ends: the descriptor must stay open until
 * then. TD_OK: all lines since the last report of lost ones were written. TD_E_IO: it gave up, and
 * the error has the number of lines; or as line_writer_failure. */
TD_MUST_USE td_result line_writer_close(line_writer *writer, td_err *err);

#endif
