/* Frames out of the lines of a text, for verbs that read them from people: a frame is a line, or
 * several where it is written over several (as documents print them). A frame begins at a line and
 * ends with the line in which its brackets close; one whose brackets do not close ends where the
 * next begins ("{" or "[" in the first column, where none can be inside), or with the input. Any
 * text is fine, JSON or not.
 *
 * Memory is bounded: one frame of LIMIT_FRAME_BYTES. One thread. */
#ifndef TD_VERBS_FRAME_LINES_H
#define TD_VERBS_FRAME_LINES_H

#include "import/import_source.h"
#include "base/bytes.h"
#include "base/err.h"

typedef struct frame_lines frame_lines;

/* One frame's text. */
typedef struct frame_text {
    td_bytes text;       /* valid until the next call; DECODE_PADDING_BYTES readable after it */
    uint8_t is_too_long; /* 1: text is empty, it was passed over */
} frame_text;

/* Read from a source, which stays the caller's. */
frame_lines *frame_lines_open(import_source *source);
void frame_lines_close(frame_lines *self);

/* The next frame; empty lines between frames are passed over. TD_OK; TD_EOF; what
 * import_source_next() says. */
TD_MUST_USE td_result frame_lines_next(frame_lines *self, frame_text *out, td_err *err);

#endif
