/* Values of fields: from a JSON value to a typed one, as a field's row wants it. Numbers may be
 * strings and the reverse, because the families differ in it for the same field. */
#ifndef TD_SCHEMA_DECODE_VALUE_H
#define TD_SCHEMA_DECODE_VALUE_H

#include "json/json.h"
#include "schema/decode.h"
#include "schema/message.h"
#include "schema/topic.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Texts of a frame that stand nowhere in it: JSON in its one form. Zeros to begin with. */
typedef struct value_texts {
    uint8_t *bytes; /* as large as the frame, so that views into it stay */
    size_t capacity;
    size_t used;
    size_t frame_bytes;
} value_texts;

/* Begin a frame: the texts of the one before are not needed any more. */
void value_texts_begin(value_texts *texts, size_t frame_bytes);
void value_texts_fini(value_texts *texts);

/* Read a scalar value. 1; 0 and *why; a value that says "nothing" gives VALUE_ABSENT. texts may be
 * NULL unless the field is FIELD_JSON. */
int decode_field(value_texts *texts, const field_row *field, json_value value, msg_value *out,
                 decode_error *why);

#ifdef __cplusplus
}
#endif

#endif
