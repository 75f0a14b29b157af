/* A decoder that replaces the built-in one. The tape calls it for the content of data and unknown
 * frames, once for all frames of a chunk, on the thread that reads the chunk. The built-in decoder
 * reads control frames and frames that the client sent.
 *
 * Its messages must keep the built-in decoder's guarantees (schema/message.h): books, rules and
 * observers do not check them again. */
#ifndef TD_TAPE_DECODING_H
#define TD_TAPE_DECODING_H

#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "schema/frame.h"

/* How much of its frames' content a cursor reads. */
typedef enum tape_reads {
    TAPE_READS_FRAMES,   /* no content */
    TAPE_READS_MESSAGES, /* as needed by books and checks: only the plain structs of books and
                            trades */
    TAPE_READS_ALL,      /* every member (message.extra), and frames that the client sent */
} tape_reads;

/* cursor_options.decoding; borrowed until the tape closes. */
typedef struct tape_decoding {
    /* Set content.message, or content.why.reason and offset, of each of count frames. content is
     * zero before the call; members that do not apply stay NULL. Answers may point into arena, into
     * the frame's bytes, or into memory that lives as long as the tape. Return TD_OK also if a
     * frame cannot be decoded: TD_E_* ends the tape. If a frame without a row in the schema is
     * answered with DECODE_REFUSED, the built-in decoder gives the reason (unknown_topic, no_topic,
     * not_json). Frames have recv_ns, channel, row, bytes, is_lead_in, the session of conn, and the
     * low 32 bits of their ordinal. Called by any thread, by several at a time. An answer must
     * depend on the frame alone. */
    td_result (*read)(void *ctx, frame_ref *const *frames, size_t count, td_arena *arena,
                      td_err *err);
    void *ctx;
} tape_decoding;

#endif
