/* The fast path: book and trade frames in the exchange's canonical form, straight into plain
 * structs. */
#ifndef TD_SCHEMA_DECODE_FAST_H
#define TD_SCHEMA_DECODE_FAST_H

#include "schema/decode_plan.h"
#include "schema/message.h"

/* A symbol as a key: it is compared with each entry's. */
enum { FAST_SYMBOLS_MAX = 64, SYMBOL_SLOT_BYTES = 24 };
typedef struct symbol_slot {
    key_word key; /* mask[0] 0: free */
    uint8_t text[SYMBOL_SLOT_BYTES];
} symbol_slot;

/* Memory for the entries of the last frame; it grows to the largest frame so far. Zero-initialise.
 */
typedef struct fast_decoder {
    symbol_slot symbols[FAST_SYMBOLS_MAX]; /* by a hash of where their text lies */
    msg_level *levels;
    size_t level_capacity;
    td_decimal *rpi_sizes; /* of each level, where the topic has them */
    size_t rpi_capacity;
    msg_trade *trades;
    size_t trade_capacity;
    uint8_t wants_whole; /* 1: frames have message.beside, where the struct is not all */
    msg_value envelope[TOPIC_ENVELOPE_MAX];
    msg_value *values; /* of the entries */
    size_t value_capacity;
    msg_item *items;
    size_t item_capacity;
    msg_beside beside;
} fast_decoder;

void fast_decoder_fini(fast_decoder *d);

/* Decode a frame by a plan whose is_fast is set. 1, and *out is valid until the next call and while
 * the frame's bytes are; or 0: this frame needs decode_rows(), which alone reports what is wrong
 * with a frame. */
int decode_fast(fast_decoder *d, decode_plan *p, const topic_match *topic, td_bytes frame,
                message *out);

#endif
