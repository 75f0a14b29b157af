/* The two kinds of users' decoders behind one table. An instance belongs to the thread that made
 * it. */
#ifndef TD_REGRESS_DECODER_KIND_H
#define TD_REGRESS_DECODER_KIND_H

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/log.h"
#include "base/cli/stop_signal.h"
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
    /* An instance, on the thread that uses it; ended on any. The environment is borrowed until
     * then. The first one is made before there are other threads. TD_E_*: the run ends. */
    td_result (*begin)(const decoder_environment *environment, void **self, td_err *err);
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
