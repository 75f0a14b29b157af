/* One interface for both kinds of users' decoders, shared objects and programs. An instance belongs
 * to the thread that made it. */
#ifndef TD_REGRESS_DECODER_KIND_H
#define TD_REGRESS_DECODER_KIND_H

#include <stdint.h>

#include "base/arena.h"
#include "base/child.h"
#include "base/err.h"
#include "base/log.h"
#include "base/cli/stop_signal.h"
#include "tape/decoding.h"

enum { DECODER_FAILURE_BYTES = 512 };

/* How a decoder is run. */
typedef struct decoder_environment {
    const char *name;    /* a path, or a command */
    uint64_t timeout_ns; /* limit for decoding a frame */
    const td_log *log;
    const stop_signal *signals; /* a signal ends a wait for the decoder */
} decoder_environment;

typedef struct decoder_kind {
    /* `begin` makes an instance on the thread that uses it; `end` may run on any thread. The
     * environment is borrowed until `end`. The first instance is made before other threads exist.
     * TD_E_*: the run ends. */
    td_result (*begin)(const decoder_environment *environment, void **self, td_err *err);
    void (*end)(void *self);
    /* Decodes a frame. *answer, zeroed by the caller, gets a message or why.reason; failure_text
     * gets the text of a failure. Memory comes from the arena. TD_E_*: the run ends. */
    td_result (*decode)(void *self, const frame_ref *frame, td_arena *arena, frame_content *answer,
                        char failure_text[DECODER_FAILURE_BYTES], td_err *err);
    /* Adds the CPU time of the instance's processes, without their start, and raises the peak. Ends
     * the running process, whose usage is then complete; the next frame starts another one. No
     * thread may decode meanwhile. NULL: decode runs in this process. */
    void (*add_usage)(void *self, td_child_usage *to);
} decoder_kind;

extern const decoder_kind DECODER_LIBRARY;
extern const decoder_kind DECODER_PROGRAM;

/* The decode_reason for a decoder's failure text: the built-in decoder's reason whose name begins
 * the text, else DECODE_REFUSED. */
decode_reason decoder_reason_of(td_bytes text);

#endif
