/* Two decoders side by side, one for each path: a frame goes through both, which must agree. For
 * tests with frames that are written out by hand. */
#ifndef TD_TESTS_TESTING_DECODE_BENCH_H
#define TD_TESTS_TESTING_DECODE_BENCH_H

#include "schema/decode.h"

typedef struct decode_bench {
    decoder *hot;
    decoder *rows;
    uint8_t *memory; /* of the last frame */
} decode_bench;

/* Set-up and tear-down of a cmocka test; *state is the bench. */
int decode_bench_open(void **state);
int decode_bench_close(void **state);

/* The row of a topic as it stands in a frame, by the rows of now. Fails if there is none. */
topic_match decode_bench_match(const char *family_name, const char *topic);

/* Decode on both paths, and fail if they differ in message, reason, offset or field. The frame is
 * copied, with hostile padding; *out is the hot path's and valid until the next call. 1 if it was
 * decoded. */
int decode_bench_frame(decode_bench *b, const topic_match *topic, td_bytes frame, message *out,
                       decode_error *why);

/* The same of a text, by the names of family and topic. */
int decode_bench_text(decode_bench *b, const char *family_name, const char *topic,
                      const char *frame, message *out, decode_error *why);

#endif
