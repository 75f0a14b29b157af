/* The JSON Schema of a topic's frames, generated from its row: draft 2020-12, as MCAP's encoding
 * `jsonschema` requires it. It describes what the decoder accepts: numbers also as strings, lists
 * also absent or null, unknown members allowed. */
#ifndef TD_SCHEMA_JSON_SCHEMA_H
#define TD_SCHEMA_JSON_SCHEMA_H

#include "base/buf.h"
#include "base/err.h"
#include "schema/family.h"
#include "schema/topic.h"

/* Longest schema text of a row; the largest (a ticker) has about a fifth of it. */
enum { JSON_SCHEMA_BYTES_MAX = 64 << 10 };

/* Append the schema text of a row. The same bytes each time. TD_E_LIMIT. */
TD_MUST_USE td_result json_schema_write(const family *of, const topic_row *row, td_buf *out,
                                        td_err *err);

#endif
