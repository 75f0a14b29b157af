/* Values of fields: from a JSON value to a typed one, as the field's row says. Numbers may be
 * strings and the reverse, because families write the same field differently. */
#ifndef TD_SCHEMA_DECODE_VALUE_H
#define TD_SCHEMA_DECODE_VALUE_H

#include "base/json/json.h"
#include "schema/decode.h"
#include "schema/message.h"
#include "schema/topic.h"

/* Texts of a frame that it does not contain: JSON in canonical form. Zero-initialise. */
typedef struct value_texts {
    uint8_t *bytes; /* as large as the frame, so that views into it stay */
    size_t capacity;
    size_t used;
    size_t frame_bytes;
} value_texts;

/* Begin a frame; the texts of the frame before become invalid. */
void value_texts_begin(value_texts *texts, size_t frame_bytes);
void value_texts_fini(value_texts *texts);

/* Write a value as canonical JSON text: without white space, the members of objects (of up to 64)
 * in the order of their keys' bytes, the rest as it stands. It is never longer than the value's own
 * text. 1, or 0: out_bytes are too few. */
int value_json_text(json_value value, uint8_t *out, size_t out_bytes, td_bytes *text);

/* The shortest form of a decimal text of at most LIMIT_BIG_DECIMAL_DIGITS, a view. 1; 0: it is
 * none, or no view can be that form (leading zeros, an exponent). */
int value_big_decimal(td_bytes text, td_bytes *out);

/* 1 if a text stands for no value, as null does: "" and "None". */
int value_says_nothing(td_bytes text);

/* Read the text of a value that is not absent as the field's type, which is not FIELD_JSON; texts
 * are views of it. All of *out but the member is set. 1, or 0 and why. */
int decode_text(const field_row *field, td_bytes text, msg_value *out, decode_reason *reason);

/* Read a value. 1, or 0 and *why. "", "None" and null give VALUE_ABSENT. texts may be NULL unless
 * the field is FIELD_JSON. */
int decode_field(value_texts *texts, const field_row *field, json_value value, msg_value *out,
                 decode_error *why);

#endif
