/* The fast path: decodes book and trade frames in the exchange's canonical form directly into plain
 * structs. */
#ifndef TD_SCHEMA_DECODE_FAST_H
#define TD_SCHEMA_DECODE_FAST_H

#include "schema/decode_plan.h"
#include "schema/message.h"

/* A topic's symbol, prepared for comparing it with the symbol of each entry. */
enum { FAST_SYMBOLS_MAX = 64, CACHED_SYMBOL_BYTES = 24 };
typedef struct cached_symbol {
    key_word key; /* mask[0] is 0 if unused */
    uint8_t text[CACHED_SYMBOL_BYTES];
} cached_symbol;

/* Memory for the entries of the last frame; it grows to the largest frame so far. Zero-initialise.
 */
typedef struct fast_decoder {
    /* Indexed by a hash of the address of the symbol's text. */
    cached_symbol symbols[FAST_SYMBOLS_MAX];
    msg_level *levels;
    size_t level_capacity;
    /* One for each level, if the topic has separate sizes of retail orders. */
    td_decimal *rpi_sizes;
    size_t rpi_capacity;
    msg_trade *trades;
    size_t trade_capacity;
    uint8_t wants_whole; /* 1: fill message.extra with the members that the plain struct lacks */
    msg_value envelope[TOPIC_ENVELOPE_MAX];
    msg_value *values; /* of all entries, for message.extra */
    size_t value_capacity;
    msg_item *items;
    size_t item_capacity;
    msg_extra extra;
} fast_decoder;

/* Free the decoder's memory. */
void fast_decoder_fini(fast_decoder *d);

/* Decode a frame by a plan whose is_fast is set. Returns 1, and *out is valid until the next call
 * and while the frame's bytes are. Returns 0 if the frame needs decode_rows(), which also reports
 * errors. */
int decode_fast(fast_decoder *d, decode_plan *p, const topic_match *topic, td_bytes frame,
                message *out);

#endif
