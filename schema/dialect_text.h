/* Memory for the readers of requests and answers, and how they read members. */
#ifndef TD_SCHEMA_DIALECT_TEXT_H
#define TD_SCHEMA_DIALECT_TEXT_H

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/json/json.h"

enum {
    /* Limit of topics in one request. The largest family needs less (2,000 symbols times its
     * topics); more would let a peer fill memory. */
    DIALECT_ARGS_MAX = 16384,
};

/* One thread. Views in results point into the JSON text, into the parser's copy of it, or into
 * texts. args and texts grow at most once per frame, before any view is created. */
typedef struct dialect_text {
    json_parser *json;
    td_bytes *args;
    size_t arg_capacity;
    td_buf texts; /* composed topics; empty when a frame begins */
} dialect_text;

void dialect_text_open(dialect_text *text);
void dialect_text_close(dialect_text *text);

/* Reserve memory for count args, so that args is not NULL even for 0; TD_E_LIMIT above
 * DIALECT_ARGS_MAX. */
TD_MUST_USE td_result dialect_text_reserve(dialect_text *text, size_t count, td_err *err);

/* Append the elements of a list to the args as text (numbers as written), and add their number to
 * *count. TD_E_INVALID if it is not a list. The memory must have been reserved. */
TD_MUST_USE td_result dialect_text_list(dialect_text *text, json_value list, size_t *count,
                                        td_err *err);

/* The scalar at a path ("params.binary") as text: a string, or a number or boolean as written.
 * Returns 0 if it is missing, null, or a container. */
int dialect_text_scalar(json_value object, const char *path, td_bytes *out);

/* The first scalar at one of the paths; the list ends with NULL. */
int dialect_text_first(json_value object, const char *const *paths, td_bytes *out);

#endif
