/* Which frames a baseline covers, and in which of its streams: one rule for the run that hashes
 * frames and for those that find them again by counting.
 *
 * Covered is what was received: data, copies included, frames of no known topic, and control
 * frames. Not covered are the lead-in, what the client sent, HTTP answers, and events. The answer
 * depends on the frame and its channel alone, so it is the same wherever a run begins. Pure; any
 * thread. */
#ifndef TD_REGRESS_COVERED_H
#define TD_REGRESS_COVERED_H

#include <stdint.h>

#include "base/bytes.h"
#include "play/stream.h"

/* The topic of control frames. */
#define COVERED_CONTROL "_control"

/* A stream of a baseline. Views and texts are those of the stream and the frame. */
typedef struct covered_stream {
    const char *feed;
    const char *topic;  /* "": no row holds for the frame; COVERED_CONTROL */
    const char *symbol; /* "" without a topic */
    /* As the exchange writes it. It tells streams without topic apart, and describes others. Empty
     * without a topic, or if what the frame has there is too long for one (LIMIT_TOPIC_BYTES). */
    td_bytes exchange_topic;
    const char *family;
    uint8_t has_book;
} covered_stream;

/* 1 and the stream of a frame of a play's stream; 0: it is not covered. */
int covered_find(const stream *of, const stream_frame *frame, covered_stream *out);

#endif
