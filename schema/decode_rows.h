/* The row-driven decoder: reads any topic by its row, with keys in any order and JSON in any form.
 * Only it reports why a frame cannot be decoded. */
#ifndef TD_SCHEMA_DECODE_ROWS_H
#define TD_SCHEMA_DECODE_ROWS_H

#include "base/json/json.h"
#include "schema/decode_result.h"
#include "schema/decode_frame.h"
#include "schema/decode_value.h"

/* Memory for the content of the last frame; it grows to the largest frame so far. Zero-initialise.
 */
typedef struct row_decoder {
    td_arena *texts; /* of FIELD_JSON values; NULL before the first frame */
    uint8_t surveys; /* 1: also fill the lists below, for a survey */
    survey_member *members;
    size_t member_capacity;
    size_t member_count;
    survey_unexpected unexpected[LIMIT_SURVEY_UNEXPECTED];
    size_t unexpected_count;
    uint64_t unexpected_left_out;
} row_decoder;

/* Free the decoder's memory. */
void row_decoder_fini(row_decoder *d);

/* Decode a frame: the object or list at the top of its text. Returns 1, and *out is valid until the
 * next call and while the parser's text is; or 0 and *why. */
int decode_rows(row_decoder *d, decode_memory *m, decode_plan *p, const topic_match *topic,
                json_value root, size_t frame_bytes, int is_whole, message *out, decode_error *why);

#endif
