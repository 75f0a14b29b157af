/* Two decoders side by side, one for each path: a frame goes through both, which must agree. */
#ifndef TD_TESTS_TESTING_DECODE_BENCH_H
#define TD_TESTS_TESTING_DECODE_BENCH_H

#include "schema/decode.h"

typedef struct decoder_pair {
    decoder *fast;
    decoder *rows;
} decoder_pair;

decoder_pair decoder_pair_open(void);
void decoder_pair_close(decoder_pair *pair);

/* Decode a frame, which has its padding after it, on both paths, and fail if they differ in
 * message, reason, offset or field. *fast and *rows are valid until the next call; rows may be
 * NULL. 1 if it was decoded. */
int decoder_pair_decode(decoder_pair *pair, const topic_match *topic, td_bytes frame, message *fast,
                        message *rows, decode_error *why);

/* For tests with frames that are written out by hand. */
typedef struct decode_bench {
    decoder_pair decoders;
    uint8_t *memory; /* of the last frame */
} decode_bench;

/* Set-up and tear-down of a cmocka test; *state is the bench. */
int decode_bench_open(void **state);
int decode_bench_close(void **state);

/* The row of a topic as it stands in a frame, by the rows of now. Fails if there is none. */
topic_match decode_bench_match(const char *family_name, const char *topic);

/* As decoder_pair_decode, of a copy of the frame with hostile padding. *out is the fast path's. */
int decode_bench_frame(decode_bench *b, const topic_match *topic, td_bytes frame, message *out,
                       decode_error *why);

/* The same of a text, by the names of family and topic. */
int decode_bench_text(decode_bench *b, const char *family_name, const char *topic,
                      const char *frame, message *out, decode_error *why);

#endif
