/* Inside of classification: what its two roads share. classify.c reads any frame over an index of
 * it; classify_plain.c reads the ordinary data frame without one, and gives way at whatever else it
 * meets. */
#ifndef TD_SCHEMA_CLASSIFY_IMPL_H
#define TD_SCHEMA_CLASSIFY_IMPL_H

#include "schema/classify.h"
#include "schema/decode_impl.h"
#include "schema/exchange.h"

/* Keys of a frame's object, or an event's, with the tokens of their values. */
enum {
    TOP_KEYS_MAX = 64
}; /* an order of spot has some 40; known keys are found behind them, too */
typedef struct top_keys {
    const frame_keys *keys; /* the known ones */
    td_bytes key[TOP_KEYS_MAX];
    uint32_t value[TOP_KEYS_MAX];
    uint32_t count;
    /* Token of the first value of each known key; 0: not there. That of FRAME_KEY_NONE stays 0. */
    uint32_t known[FRAME_KEYS_MAX + 1];
    uint8_t has_escapes; /* a key has some, which are not resolved */
    uint8_t is_checked;  /* the text is valid, and they are */
    uint8_t is_partial;  /* keys between containers may have been passed over */
} top_keys;

/* Read keys forwards from token; stops behind the last one, or in front of a container. Returns the
 * token it stopped at. */
typedef enum top_stop { STOP_AT_END, STOP_AT_CONTAINER } top_stop;
uint32_t top_keys_read(top_keys *top, const json_index *index, uint32_t token, top_stop where);

/* Note one key. */
void top_keys_add(top_keys *top, td_bytes key, uint32_t value);

/* The string at a token (0: there is none), with its escapes resolved if the text is checked; data
 * NULL if it is no string. */
td_bytes top_keys_text(const top_keys *top, json_parser *parser, uint32_t token);

/* 1 if a scalar begins at a token. */
int json_is_scalar_at(const json_index *index, uint32_t token);

/* What a frame is looked at for. */
typedef struct classify_job {
    const family *of;       /* NULL: no topic is matched */
    const frame_keys *keys; /* of its exchange */
    uint64_t at_ns;         /* the moment whose rows hold */
} classify_job;

/* topic_match_text() over the family's rows, remembered by the decoder. 1, or 0: no row fits. */
int classify_match_topic(decoder *d, const family *of, td_bytes text, uint64_t at_ns,
                         topic_match *out);

/* Classify an inbound frame that begins {"topic":"…", goes on with scalars, then "data" with an
 * object or array, and ends with scalars behind a bracket. 1; or 0: this frame needs the other
 * road, and *out is as it was. */
int classify_plain(decoder *d, const classify_job *job, td_bytes frame, classification *out);

/* Fill in what a data frame says: its topic stands under a key of top, which are the keys of the
 * object at a token (the frame's own, or an event's). Leaves *out alone if that is no topic. */
void classify_data(decoder *d, const classify_job *job, const top_keys *top, uint8_t topic_key,
                   uint32_t object, classification *out);

#endif
