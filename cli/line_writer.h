/* Lines to a descriptor, written by a thread of its own: whoever puts one never waits for whoever
 * reads it, and a reader that stops costs a bounded amount of memory.
 *
 * Lines keep their order. Once those that wait fill the bound, further ones are dropped whole,
 * until half of it is free again; then a line that the owner words tells the reader how many are
 * missing at that place. A pipe gets each line whole or not at all: no write is longer than what it
 * takes at once (PIPE_BUF). After a write that fails nothing more is written, and the failure is
 * kept.
 *
 * Any thread may put; the others are for the one that opened it. */
#ifndef TD_CLI_LINE_WRITER_H
#define TD_CLI_LINE_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/limits.h"

typedef struct line_writer line_writer;

typedef struct line_writer_options {
    int fd;           /* borrowed */
    size_t bytes_max; /* of lines that wait; LIMIT_OUTPUT_QUEUE_BYTES but for tests */
    /* Word the line for missing ones into out: LF included, at most out_bytes; returns its length.
     * Called on the thread of a put, or on the writer's own. */
    size_t (*tell_lost)(void *user, uint64_t lines, char *out, size_t out_bytes);
    void *user;
} line_writer_options;

/* Start the thread; it takes no signals. TD_E_NOMEM, TD_E_IO. */
TD_MUST_USE td_result line_writer_open(const line_writer_options *options, line_writer **out,
                                       td_err *err);

/* Queue one line, LF included (or a status line, without), of 1 to LIMIT_OUTPUT_LINE_BYTES bytes;
 * a longer one counts as lost. */
void line_writer_put(line_writer *writer, td_bytes line);

/* 1 if everything that was put has been written or was lost. */
int line_writer_is_idle(line_writer *writer);

/* Lines that were dropped so far, because the reader was slow or because of a failure. */
uint64_t line_writer_lost(line_writer *writer);

/* TD_OK, or the first write that failed: TD_E_IO, TD_E_NOSPACE. */
TD_MUST_USE td_result line_writer_failure(line_writer *writer, td_err *err);

/* Write what waits, as long as the reader reads: give up once it has read nothing for
 * LIMIT_OUTPUT_STALL_NS, or after LIMIT_OUTPUT_END_NS in all. End the thread, free; NULL is fine.
 * A thread that is given up within a write is left there, for the process to end: the descriptor
 * must stay open until then.
 * TD_OK: everything since the last telling was written. TD_E_IO: it was given up, and the error
 * says how many lines that are; or as line_writer_failure. */
TD_MUST_USE td_result line_writer_close(line_writer *writer, td_err *err);

#endif
