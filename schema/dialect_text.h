/* What a dialect's readers (dialect.read_request, dialect.read_answer) read requests and answers
 * into. For the exchanges' folders and schema/dialect.c; one thread. */
#ifndef TD_SCHEMA_DIALECT_TEXT_H
#define TD_SCHEMA_DIALECT_TEXT_H

#include "base/buf.h"
#include "schema/dialect.h"

/* Views that are given out point into the JSON text, the parser's copy of it, or texts; args and
 * texts grow at most once per frame, before any view is taken. */
typedef struct dialect_text {
    json_parser *json;
    td_bytes *args;
    size_t arg_capacity;
    td_buf texts; /* topics that are put together; empty when a frame begins */
} dialect_text;

/* Reserve memory for this many args, so that args is not NULL even for none; TD_E_LIMIT above
 * DIALECT_ARGS_MAX. */
TD_MUST_USE td_result dialect_text_reserve(dialect_text *text, size_t count, td_err *err);

/* Append a list of texts (numbers as they stand) to the args; *count goes up. What is no list:
 * TD_E_INVALID. The memory must have been reserved. */
TD_MUST_USE td_result dialect_text_list(dialect_text *text, json_value list, size_t *count,
                                        td_err *err);

/* A member as text: a string, or a number or boolean as it stands. 0: it is missing, null, or a
 * container. */
int dialect_text_scalar(json_value object, const char *key, td_bytes *out);

#endif
