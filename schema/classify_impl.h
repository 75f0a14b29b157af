/* Inside of classification: what its two roads share. classify.c reads any frame over an index of
 * it; classify_plain.c reads the ordinary data frame without one, and gives way at whatever else it
 * meets. */
#ifndef TD_SCHEMA_CLASSIFY_IMPL_H
#define TD_SCHEMA_CLASSIFY_IMPL_H

#include "schema/classify.h"
#include "schema/decode_impl.h"

/* Keys that tell frames apart, by size: keys of one size stand together. */
typedef enum known_key {
    KNOWN_E,
    KNOWN_TIME_E,
    KNOWN_OP,
    KNOWN_TYPE,
    KNOWN_DATA,
    KNOWN_PONG,
    KNOWN_PING,
    KNOWN_AUTH,
    KNOWN_CODE,
    KNOWN_TOPIC,
    KNOWN_EVENT,
    KNOWN_RET_MSG,
    KNOWN_SUCCESS,
    KNOWN_REQUEST,
    KNOWN_RET_CODE,
    KNOWN_COUNT, /* none of them */
} known_key;

/* Which of them a key is. */
known_key known_key_find(td_bytes key);

/* What a frame is looked at for. */
typedef struct classify_job {
    const family *of; /* NULL: no topic is matched */
    uint64_t at_ns;   /* the moment whose rows hold */
} classify_job;

/* topic_match_text() over the family's rows, remembered by the decoder. 1, or 0: no row fits. */
int classify_match_topic(decoder *d, const family *of, td_bytes text, uint64_t at_ns,
                         topic_match *out);

/* Classify an inbound frame that begins {"topic":"…", goes on with scalars, then "data" with an
 * object or array, and ends with scalars behind a bracket. 1; or 0: this frame needs the other
 * road, and *out is as it was. */
int classify_plain(decoder *d, const classify_job *job, td_bytes frame, classification *out);

#endif
