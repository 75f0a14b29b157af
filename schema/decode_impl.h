/* Inside of a decoder: what decode.c and classification share. */
#ifndef TD_SCHEMA_DECODE_IMPL_H
#define TD_SCHEMA_DECODE_IMPL_H

#include "base/inflate.h"
#include "json/json_tokens.h"
#include "schema/decode.h"
#include "schema/decode_fast.h"
#include "schema/decode_plan.h"
#include "schema/decode_rows.h"

enum { DECODER_TOPICS_MAX = 256, TOPIC_SLOT_BYTES = 64 };

/* A topic's text and what it matched, remembered. */
typedef struct topic_slot {
    const family *of; /* NULL: free */
    const topic_row *row;
    uint8_t bytes;
    uint8_t topic_bytes;
    uint8_t symbol_bytes;
    uint8_t has_any_symbol; /* the topic's text has none, its entries name some: "*" */
    uint8_t text[TOPIC_SLOT_BYTES];
} topic_slot;

struct decoder {
    json_parser *parser;
    plan_cache plans;
    fast_decoder fast;
    row_decoder rows;
    msg_record beside; /* of a plain struct, what message.beside points to */
    uint64_t slow_count;
    topic_slot topics[DECODER_TOPICS_MAX]; /* by a hash of their text */
    char composed[LIMIT_TOPIC_BYTES];      /* a topic that was put together */
    td_inflater *inflater;                 /* made at the first compressed frame */
};

/* The bytes to read a frame by: its own, or what it inflates to (with padding; valid until the next
 * frame that is compressed). TD_OK, or what td_inflater_run() says. */
td_result decoder_inflate(decoder *d, td_bytes frame, td_bytes *out);

#endif
