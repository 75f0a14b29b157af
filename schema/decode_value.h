/* Values of fields: converts a JSON value to the type in its field's row. A number may be written
 * as a string, and a string as a number, because families write the same field differently. */
#ifndef TD_SCHEMA_DECODE_VALUE_H
#define TD_SCHEMA_DECODE_VALUE_H

#include "base/arena.h"
#include "base/json/json.h"
#include "schema/decode_result.h"
#include "schema/message.h"
#include "schema/topic.h"

/* Write a value as canonical JSON text: without white space, objects with up to 64 members sorted
 * by the bytes of their keys, everything else as written. Never longer than the value's own text.
 */
td_bytes value_json_text(td_arena *memory, json_value value);

/* 1 if the text is "" or "None". Like null, these mean that there is no value. */
int value_is_empty(td_bytes text);

/* 1 if the values of a field of this type may be JSON numbers, or true and false. Not for
 * FIELD_JSON. */
int field_may_be_number(field_type type);
int field_may_be_bool(field_type type);

/* Read the text of a present value as the field's type, which is not FIELD_JSON; text values are
 * views of it. Sets all of *out except member. Returns 1, or 0 and the reason. */
int decode_text(const field_row *field, td_bytes text, msg_value *out, decode_reason *reason);

/* Read a value. Returns 1, or 0 and *why. "", "None" and null give VALUE_ABSENT. FIELD_JSON is
 * written into memory, which may be NULL for other fields. */
int decode_field(td_arena *memory, const field_row *field, json_value value, msg_value *out,
                 decode_error *why);

#endif
