/* The fast path: decodes frames in the exchange's canonical form, books and trades directly into
 * plain structs. */
#ifndef TD_SCHEMA_DECODE_FAST_H
#define TD_SCHEMA_DECODE_FAST_H

#include "schema/decode_plan.h"
#include "schema/message.h"

/* What is known of a topic: its symbol, to compare with that of each entry, and its text in frames.
 */
enum { FAST_TOPICS_MAX = 64, CACHED_TEXT_BYTES = 32, SPELLED_TOPIC_BYTES = 64 };
typedef struct cached_topic {
    const topic_row *row; /* NULL if unused */
    key_word symbol;
    uint8_t symbol_text[CACHED_TEXT_BYTES];
    uint8_t name[CACHED_TEXT_BYTES];
    uint8_t spelled[SPELLED_TOPIC_BYTES]; /* as a frame had it */
    uint8_t symbol_bytes, name_bytes;
    uint8_t spelled_bytes; /* 0: no frame had it yet */
} cached_topic;

enum { FAST_SECOND_BYTES = 19 }; /* of "2026-08-09T21:05:48" */

/* Memory for the entries of the last frame; it grows to the largest frame so far. Zero-initialise.
 */
typedef struct fast_decoder {
    /* Indexed by a hash of the addresses of the symbol's text and of the row. */
    cached_topic topics[FAST_TOPICS_MAX];
    msg_level *levels;
    size_t level_capacity;
    /* One for each level, if the topic has separate sizes of retail orders. */
    td_decimal *rpi_sizes;
    size_t rpi_capacity;
    msg_trade *trades;
    size_t trade_capacity;
    uint8_t wants_whole; /* 1: fill message.extra with the members that the plain struct lacks */
    msg_value envelope[TOPIC_ENVELOPE_MAX];
    msg_value slots[FAST_FIELDS_MAX]; /* of the entry that is read, by field */
    msg_value *values;                /* of all entries, for records and message.extra */
    size_t value_capacity;
    msg_item *items;
    size_t item_capacity;
    msg_extra extra;
    uint8_t second[FAST_SECOND_BYTES]; /* of the last time in RFC 3339, and its ns */
    uint64_t second_ns;
} fast_decoder;

/* Free the decoder's memory. */
void fast_decoder_fini(fast_decoder *d);

/* Decode a frame by a plan whose is_fast is set. Returns 1, and *out is valid until the next call
 * and while the frame's bytes are. Returns 0 if the frame needs decode_rows(), which also reports
 * errors. */
int decode_fast(fast_decoder *d, decode_plan *p, const topic_match *topic, td_bytes frame,
                message *out);

#endif
