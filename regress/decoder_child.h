/* One process of a user's decoder: started, written to and read from without ever waiting for one
 * of the two alone, ended. Frames are appended to a buffer, and answers come out of one; both move
 * while the next answer is waited for.
 *
 * It has a process group of its own, so that whatever it starts ends with it; standard input and
 * output are pipes; lines on its standard error are logged. One thread at a time. */
#ifndef TD_REGRESS_DECODER_CHILD_H
#define TD_REGRESS_DECODER_CHILD_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/log.h"
#include "regress/decoder_wire.h"

/* Where lines on standard error go, shared by all processes of a decoder. */
typedef struct decoder_talk {
    const td_log *log;     /* may be NULL */
    atomic_size_t written; /* bytes that were logged: up to LIMIT_DECODER_STDERR_BYTES */
} decoder_talk;

/* What to start. */
typedef struct decoder_program {
    char *const *argv; /* ends with NULL; argv[0] is a path, or is looked for on PATH */
    const char *shown; /* in errors */
    decoder_talk *talk;
    /* 1: nothing is waited for any more. On whatever thread waits; may be NULL. */
    int (*is_stopping)(const void *user);
    const void *user;
} decoder_program;

/* How a process ended. */
typedef struct decoder_exit {
    int signal; /* that killed it, or 0 */
    int status; /* exit status without a signal; -1: unknown, or it was ended by us */
} decoder_exit;

enum { DECODER_EXIT_TEXT_BYTES = 64, DECODER_LINE_BYTES = 256 };

/* "signal 11 (SIGSEGV)", "exit status 3". */
void decoder_exit_describe(decoder_exit how, char out[DECODER_EXIT_TEXT_BYTES]);

typedef struct decoder_child decoder_child;

/* Start a process and exchange greetings. program is borrowed until the end. TD_E_NOTFOUND,
 * TD_E_IO: it cannot be started; TD_E_INVALID: it ended, was silent for too long, or answered
 * something else; TD_E_UNSUPPORTED: it refuses; TD_EOF: the program is to stop; TD_E_NOMEM. Each
 * but TD_EOF with its text. */
TD_MUST_USE td_result decoder_child_start(const decoder_program *program, decoder_child **out,
                                          td_err *err);

/* Close its input and give it a moment to end by itself; then as decoder_child_kill(). */
void decoder_child_end(decoder_child *child);

/* Kill it with its process group, if it is not dead yet. *how (may be NULL): how it had ended
 * before that; last_line (may be NULL) gets the last line on its standard error. */
void decoder_child_kill(decoder_child *child, decoder_exit *how,
                        char last_line[DECODER_LINE_BYTES]);

const wire_greeting *decoder_child_greeting(const decoder_child *child);

/* What is to be written to it; append only. */
td_buf *decoder_child_input(decoder_child *child);

typedef enum child_event {
    CHILD_REPLY,    /* an answer */
    CHILD_SILENT,   /* none in time */
    CHILD_GONE,     /* it ended, or closed its output */
    CHILD_TOO_LONG, /* an answer of more than LIMIT_DECODER_REPLY_BYTES */
    CHILD_NO_MEMORY,
    CHILD_STOPPED, /* is_stopping said so */
} child_event;

/* Wait for the next answer, at most timeout_ns; a stop is noticed within 0.2 s. *reply: its bytes,
 * with JSON_PADDING_BYTES readable after them, until the next call. */
child_event decoder_child_next(decoder_child *child, uint64_t timeout_ns, td_bytes *reply);

/* Bytes that it wrote and that were read, but not given out yet. */
size_t decoder_child_unread(const decoder_child *child);

#endif
