/* The state of a feed's symbols at the beginning of a cut, as a checkpoint (format/checkpoint.h).
 * One thread. */
#ifndef TD_CUT_STATES_H
#define TD_CUT_STATES_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "archive/archive.h"
#include "tape/cursor.h"

typedef struct states_options {
    archive *archive;
    const selection *wanted; /* its window begins at the moment */
    cursor_options reading;  /* what a reader of the cut reads it by; with_* are set here */
    uint64_t lead_ns; /* an archive without a checkpoint before the moment is read from here on */
    const char *feed;
} states_options;

/* Make the record, in place of what out has: the states that a replay of the archive has before the
 * window's first frame. A state that is too large is left out, as in any checkpoint. TD_E_* as
 * cursor_open. */
TD_MUST_USE td_result states_make(const states_options *options, td_buf *out, td_err *err);

#endif
