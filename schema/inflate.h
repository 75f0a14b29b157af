/* Compressed messages: gzip, zlib and raw deflate, distinguished by their first bytes
 * (docs/wire.md 5.1). Inflates one whole stream, never to more than a bound. One thread
 * per inflater. */
#ifndef TD_SCHEMA_INFLATE_H
#define TD_SCHEMA_INFLATE_H

#include <stddef.h>

#include "base/attr.h"
#include "base/bytes.h"
#include "base/err.h"

typedef struct inflater inflater;

/* A new inflater whose output is at most bytes_max, with padding readable bytes (zeros) after it.
 * Memory grows to the largest output so far. */
TD_NEVER_NULL inflater *inflater_open(size_t bytes_max, size_t padding);
void inflater_close(inflater *self);

/* Inflate a whole stream. *out is valid until the next call. TD_E_CORRUPT: no stream, or a broken
 * one, or bytes after its end; TD_E_TRUNCATED: it ends too early; TD_E_LIMIT: more than bytes_max
 * would come out (found out after that many bytes, whatever is left). err may be NULL. */
TD_MUST_USE td_result inflater_run(inflater *self, td_bytes stream, td_bytes *out, td_err *err);

/* The output of the last stream, up to the failure if it failed. The caller may change it. Valid
 * until the next call; *size may be 0. */
uint8_t *inflater_output(inflater *self, size_t *size);

#endif
