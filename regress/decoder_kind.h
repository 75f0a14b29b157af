/* The two kinds of users' decoders behind one table. An instance belongs to the thread that made
 * it. */
#ifndef TD_REGRESS_DECODER_KIND_H
#define TD_REGRESS_DECODER_KIND_H

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/log.h"
#include "cli/stop_signal.h"
#include "tape/decoding.h"

enum { DECODER_WHAT_BYTES = 512 };

/* What decoders are opened in. */
typedef struct decoder_environment {
    const char *name;    /* a path, or a command */
    uint64_t timeout_ns; /* a frame may take */
    const td_log *log;
    const stop_signal *signals; /* end waits */
} decoder_environment;

typedef struct decoder_kind {
    /* What instances share; the environment is borrowed until close. TD_E_*: it cannot be used. */
    td_result (*open)(const decoder_environment *environment, void **shared, td_err *err);
    void (*close)(void *shared); /* all instances are closed; may be NULL */
    /* An instance, on the thread that uses it; closed on any. TD_E_*: the run ends. */
    td_result (*begin)(void *shared, void **self, td_err *err);
    void (*end)(void *self);
    /* Decode a frame: *answer, which is zero, gets a message or why.reason, and what the text that
     * goes with a failure. Memory is of the arena. TD_E_*: the run ends. */
    td_result (*decode)(void *self, const frame_ref *frame, td_arena *arena, frame_content *answer,
                        char what[DECODER_WHAT_BYTES], td_err *err);
} decoder_kind;

extern const decoder_kind DECODER_LIBRARY;
extern const decoder_kind DECODER_PROGRAM;

/* The reason that a decoder's own text stands for: one of the built-in decoder's at its beginning,
 * or DECODE_REFUSED. */
decode_reason decoder_reason_of(td_bytes text);

#endif
