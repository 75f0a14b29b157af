/* Values of fields: converts a JSON value to the type in its field's row. A number may be written
 * as a string, and a string as a number, because families write the same field differently. */
#ifndef TD_SCHEMA_DECODE_VALUE_H
#define TD_SCHEMA_DECODE_VALUE_H

#include "base/json/json.h"
#include "schema/decode_result.h"
#include "schema/message.h"
#include "schema/topic.h"

/* Memory for texts that are not in the frame as such: FIELD_JSON values in canonical form.
 * Zero-initialise. */
typedef struct value_texts {
    uint8_t *bytes; /* as large as the frame, so that it never moves while views exist */
    size_t capacity;
    size_t used;
    size_t frame_bytes;
} value_texts;

/* Begin a frame; invalidates the texts of the previous frame. */
void value_texts_begin(value_texts *texts, size_t frame_bytes);
void value_texts_fini(value_texts *texts);

/* Write a value as canonical JSON text: without white space, objects with up to 64 members sorted
 * by the bytes of their keys, everything else as written. Never longer than the value's own text.
 * Returns 1, or 0 if out_bytes is too small. */
int value_json_text(json_value value, uint8_t *out, size_t out_bytes, td_bytes *text);

/* 1 if the text is "" or "None". Like null, these mean that there is no value. */
int value_is_empty(td_bytes text);

/* Read the text of a present value as the field's type, which is not FIELD_JSON; text values are
 * views of it. Sets all of *out except member. Returns 1, or 0 and the reason. */
int decode_text(const field_row *field, td_bytes text, msg_value *out, decode_reason *reason);

/* Read a value. Returns 1, or 0 and *why. "", "None" and null give VALUE_ABSENT. texts may be NULL
 * unless the field is FIELD_JSON. */
int decode_field(value_texts *texts, const field_row *field, json_value value, msg_value *out,
                 decode_error *why);

#endif
