/* Two decoders, one for the fast path and one driven by rows: each frame goes through both, and
 * their results must be equal. */
#ifndef TD_TESTS_TESTING_DECODE_FIXTURE_H
#define TD_TESTS_TESTING_DECODE_FIXTURE_H

#include "schema/decode.h"

typedef struct decoder_pair {
    decoder *fast;
    decoder *rows;
} decoder_pair;

/* A pair of decoders; close frees it. */
decoder_pair decoder_pair_open(void);
void decoder_pair_close(decoder_pair *pair);

/* Decode a frame, which must be followed by padding, on both paths; fails if they differ in
 * message, reason, offset or field. *fast and *rows are valid until the next call; rows may be
 * NULL. 1 if it was decoded. */
int decoder_pair_decode(decoder_pair *pair, const topic_match *topic, td_bytes frame, message *fast,
                        message *rows, decode_error *why);

/* As decoder_classify. A frame that does not say all of its topic is of the one that `name` begins
 * with, up to a dot: "book-10" of "book-10.delta.json". */
void classify_as_named(decoder *d, const family *of, td_bytes frame, uint64_t at_ns,
                       const char *name, classification *what);

/* A decoder_pair with memory, for tests with frames written by hand. */
typedef struct decode_fixture {
    decoder_pair decoders;
    uint8_t *memory; /* copy of the last frame */
} decode_fixture;

/* Set-up and tear-down of a cmocka test; *state is the fixture. */
int decode_fixture_open(void **state);
int decode_fixture_close(void **state);

/* The row for a topic as frames name it, today. Fails if there is no row. */
topic_match decode_fixture_match(const char *family_name, const char *topic);

/* Like decoder_pair_decode, for a copy of the frame with hostile padding. *out is the fast path's
 * message. */
int decode_fixture_frame(decode_fixture *f, const topic_match *topic, td_bytes frame, message *out,
                         decode_error *why);

/* Like decode_fixture_frame, for a text, with names of family and topic. */
int decode_fixture_text(decode_fixture *f, const char *family_name, const char *topic,
                        const char *frame, message *out, decode_error *why);

#endif
