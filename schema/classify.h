/* What a frame is, before anything is decoded: data of a topic, a control frame, a request, or
 * unknown. The exchange's rules are tested in their order; the order of keys in a frame does not
 * matter. Works on any bytes. */
#ifndef TD_SCHEMA_CLASSIFY_H
#define TD_SCHEMA_CLASSIFY_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/json/json.h"
#include "schema/exchange.h"
#include "schema/family.h"
#include "schema/topic.h"

typedef struct classification {
    enum frame_class frame_class;
    topic_match topic;       /* of data frames; views into the frame, or the decoder's memory if it
                                was escaped, compressed, or put together */
    td_bytes exchange_topic; /* the topic as one string: as it stands in the frame; spot's is put
                                together from its parts ("kline.1m.BTCUSDT") if a row says how */
    uint64_t exchange_ns;    /* the exchange's time, 0 if the frame has none. Prefer a decoded
                                message's: of a member that occurs twice this may be either, of a
                                key with escapes it is 0 */
    int8_t success;          /* acks and auth: 1, 0, or -1 if absent */
} classification;

/* 1 if the first bytes of an inbound frame prove that it is data, which is so for nearly all data
 * frames of nearly all dialects. 0: it has to be classified. of is not NULL. */
int frame_begins_as_data(const family *of, td_bytes frame);

/* A cache of topics. One thread. With a decoder, use decoder_classify(). */
typedef struct classifier classifier;
TD_NEVER_NULL classifier *classifier_open(void);
void classifier_close(classifier *c);

/* Classify an inbound frame that is not compressed, or a request of order entry; as
 * decoder_classify(). */
void classify_inbound(classifier *c, json_parser *parser, const family *of, td_bytes frame,
                      uint64_t at_ns, classification *out);

/* Stable name ("data", "ack"). */
const char *frame_class_name(frame_class c);

#endif
