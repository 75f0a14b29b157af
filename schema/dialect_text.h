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

/* Owns the memory of parsed requests and answers. The topics, or other args, of a frame are
 * appended to texts one after the other, and become views when the last one is there, because texts
 * may move until then. Only schema/ uses its members. One thread. */
typedef struct dialect_parser {
    json_parser *json;
    td_bytes *args; /* never NULL; their data is set by dialect_text_seal() */
    size_t arg_count, arg_capacity;
    td_buf texts;
    size_t ended; /* bytes of texts that belong to args */
} dialect_parser;

/* A parser without args. Closing NULL is allowed. */
TD_NEVER_NULL dialect_parser *dialect_parser_open(void);
void dialect_parser_close(dialect_parser *parser);

/* Remove all args: a frame begins. */
void dialect_text_begin(dialect_parser *parser);

/* Make an arg of what was appended to texts since the last one. TD_E_LIMIT above DIALECT_ARGS_MAX.
 */
TD_MUST_USE td_result dialect_text_end(dialect_parser *parser, td_err *err);

/* Make the args views, which are valid until the next frame begins. */
void dialect_text_seal(dialect_parser *parser);

/* The scalar at a path ("params.binary") as text: a string, or a number or boolean as written.
 * Returns 0 if it is missing, null, or a container. */
int dialect_text_scalar(json_value object, const char *path, td_bytes *out);

/* The first scalar at one of the paths; the list ends with NULL. */
int dialect_text_first(json_value object, const char *const *paths, td_bytes *out);

#endif
