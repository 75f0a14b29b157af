/* The fast path: decodes frames in the exchange's canonical form, books and trades directly into
 * plain structs. */
#ifndef TD_SCHEMA_DECODE_FAST_H
#define TD_SCHEMA_DECODE_FAST_H

#include "schema/decode_frame.h"

/* What is known of a topic: its symbol, to compare with that of each entry, and its text in frames.
 */
enum { FAST_TOPICS_MAX = 256, CACHED_TEXT_BYTES = 32, SPELLED_TOPIC_BYTES = 64 };
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

/* Zero-initialise. */
typedef struct fast_decoder {
    /* A topic is in one of two neighbours, which a hash of its texts determines. */
    cached_topic topics[FAST_TOPICS_MAX];
    uint8_t next_out;                  /* which of two neighbours the next topic replaces: 0 or 1 */
    msg_value slots[FAST_FIELDS_MAX];  /* of the entry that is read, by field */
    uint8_t second[FAST_SECOND_BYTES]; /* of the last time in RFC 3339, and its ns */
    uint64_t second_ns;
} fast_decoder;

/* Decode a frame by a plan whose is_fast is set. Returns 1, and *out is valid until the next call
 * and while the frame's bytes are. Returns 0 if the frame needs decode_rows(), which also reports
 * errors. */
int decode_fast(fast_decoder *d, decode_memory *m, decode_plan *p, const topic_match *topic,
                td_bytes frame, int is_whole, message *out);

#endif
