/* A decoder in place of the built-in one. The tape asks it for the content of data and of unknown
 * frames, all of a chunk in one call, on the thread that reads the chunk. Control frames and what
 * the client sent are read by the built-in one.
 *
 * What the built-in decoder promises about messages (schema/message.h) holds for these, too: books,
 * rules and sinks do not check them again. */
#ifndef TD_TAPE_DECODING_H
#define TD_TAPE_DECODING_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "tape/tape.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A frame to decode. */
typedef struct decoding_request {
    const tape_channel *channel;
    const topic_row *row; /* that holds at the time; NULL: there is none */
    const char *session;  /* that recorded it; "" if the file is from another program */
    uint32_t ordinal;     /* low 32 bits of its number on the connection */
    uint64_t recv_ns;
    td_bytes bytes;     /* DECODE_PADDING_BYTES readable after it */
    uint8_t is_lead_in; /* before the selection, as in tape_frame */
} decoding_request;

/* tape_options.decoding; borrowed until the tape closes. */
typedef struct tape_decoding {
    /* Fill answers[i], which is zero, for each of count requests: message, or why.reason and
     * offset; what stays NULL. Memory that the answers need is from arena, or lives as long as the
     * tape; they may also point into the request's bytes. A frame that cannot be decoded is no
     * error: TD_E_* ends the tape.
     * A frame without a row that is answered with DECODE_REFUSED is described by the built-in
     * decoder, which gives the reason (unknown_topic, no_topic, not_json).
     * Called by any thread, by several at a time. An answer must depend on the request alone. */
    td_result (*read)(void *ctx, const decoding_request *requests, size_t count, td_arena *arena,
                      frame_content *answers, td_err *err);
    void *ctx;
} tape_decoding;

#ifdef __cplusplus
}
#endif

#endif
