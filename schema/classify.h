/* Classifies frames before they are decoded: data of a topic, a control frame, a request, or
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
    topic_match topic; /* data frames: the topic's match. The texts are views into the frame, or
                          into the decoder's memory */
    td_bytes exchange_topic; /* the topic as one string, as in the frame. Spot's topics are composed
                                from their parts ("kline.1m.BTCUSDT") if the topic has a row */
    uint64_t exchange_ns;    /* the time that the frame names; 0: absent, or the key has escapes. If
                                the member occurs twice, this may be either value; a decoded message
                                has the exact time */
    /* 1: the frame does not say all of its topic: exchange_topic is only the beginning, or
     * empty, no row is matched, and the topics of the connection have the rest. So are some bare
     * frames (schema/bare_frame.h), and frames that several topics share (topic_row.shares_frames).
     */
    uint8_t is_open;
    int8_t success; /* acks and auth: 1, 0, or -1 if not stated */
} classification;

/* 1 if the first bytes of an inbound frame prove that the frame is data. This is so for nearly all
 * data frames, in nearly all dialects. 0: the frame must be classified. of is not NULL. */
int frame_begins_as_data(const family *of, td_bytes frame);

/* Memory for classifying: a cache of matched topics. One thread. Callers with a decoder use
 * decoder_classify() instead. */
typedef struct classifier classifier;
TD_NEVER_NULL classifier *classifier_open(void);
void classifier_close(classifier *c);

/* As decoder_classify(), but only for uncompressed inbound frames and order entry requests. asked:
 * of a frame that several topics share, the one that its connection asked for; empty: unknown. */
void classify_inbound(classifier *c, json_parser *parser, const family *of, td_bytes frame,
                      td_bytes asked, uint64_t at_ns, classification *out);

/* Classify an answer of order entry that does not name its topic: as data of this topic, if the
 * frame is an object; else unknown. */
void classify_answer(classifier *c, json_parser *parser, const family *of, td_bytes frame,
                     td_bytes topic, uint64_t at_ns, classification *out);

/* Stable name of a class ("data", "ack"). */
const char *frame_class_name(frame_class c);

#endif
