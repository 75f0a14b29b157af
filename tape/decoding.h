/* A decoder in place of the built-in one. The tape asks it for the content of data and of unknown
 * frames, all of a chunk in one call, on the thread that reads the chunk. Control frames and what
 * the client sent are read by the built-in one.
 *
 * What the built-in decoder promises about messages (schema/message.h) holds for these, too: books,
 * rules and observers do not check them again. */
#ifndef TD_TAPE_DECODING_H
#define TD_TAPE_DECODING_H

#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "schema/frame.h"

/* How much of its frames' content a cursor reads. */
typedef enum tape_reads {
    TAPE_READS_FRAMES,   /* none of it */
    TAPE_READS_MESSAGES, /* what books and checks need: of books and trades the plain structs */
    TAPE_READS_ALL,      /* every member, and what the client sent: message.beside */
} tape_reads;

/* cursor_options.decoding; borrowed until the tape closes. */
typedef struct tape_decoding {
    /* Fill content.message, or content.why.reason and offset, of each of count frames; the content
     * is zero before, and what stays NULL. Memory that the answers need is from arena, or lives as
     * long as the tape; they may also point into the frame's bytes. A frame that cannot be decoded
     * is no error: TD_E_* ends the tape.
     * A frame without a row that is answered with DECODE_REFUSED is described by the built-in
     * decoder, which gives the reason (unknown_topic, no_topic, not_json).
     * Set of a frame are: recv_ns, channel, row, bytes, is_lead_in, the session of conn, and the
     * low 32 bits of its ordinal. Called by any thread, by several at a time. An answer must depend
     * on the frame alone. */
    td_result (*read)(void *ctx, frame_ref *const *frames, size_t count, td_arena *arena,
                      td_err *err);
    void *ctx;
} tape_decoding;

#endif
