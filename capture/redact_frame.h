/* Hides secrets in frames, compressed ones too (see capture/redact.h). A frame that inflates (gzip,
 * zlib, raw deflate; docs/wire.md 5.1) is searched inflated. If it contains a secret, the text with
 * '*' in place of the secret is compressed again in the same container: the frame's bytes change,
 * its inflated text has the same length. A compressed frame that is broken or too large is searched
 * as far as it inflates; if that part contains a secret, all bytes of the frame are overwritten,
 * because nothing less is sure to hide it. One thread. */
#ifndef TD_CAPTURE_REDACT_FRAME_H
#define TD_CAPTURE_REDACT_FRAME_H

#include "base/buf.h"
#include "base/bytes.h"
#include "base/inflate.h"
#include "capture/redact.h"

/* How a frame was changed; stable names are those of `redacted` events. */
typedef enum redact_how {
    REDACT_IN_PLACE,
    REDACT_RECOMPRESSED, /* offset and bytes are those of the inflated text */
    REDACT_WHOLE,        /* every byte: a compressed frame that does not inflate to its end */
} redact_how;

typedef struct frame_redactor {
    td_inflater *inflater; /* made at the first frame that may be compressed */
    td_buf text;           /* the frame that was searched last */
    td_buf packed;         /* the frame that was compressed again last */
} frame_redactor;

typedef struct frame_redaction {
    redaction done;
    redact_how how;
} frame_redaction;

void frame_redactor_init(frame_redactor *self);
void frame_redactor_fini(frame_redactor *self);

/* Hide a frame's secrets. *out replaces the frame: frame itself, or a copy that is valid until the
 * next call and has DECODE_PADDING_BYTES (schema/decode.h) readable after it. is_binary: it
 * came as a binary message, and may be compressed; what does not begin as JSON does may be, too (a
 * capture does not say which messages were binary). At most LIMIT_FRAME_BYTES. */
void frame_redactor_apply(frame_redactor *self, redactor *secrets, td_bytes frame, int is_binary,
                          td_bytes *out, frame_redaction *found);

/* "recompressed", "overwritten", or NULL in place. */
const char *redact_how_name(redact_how how);

#endif
