/* Inflates compressed messages: gzip, zlib and raw deflate, distinguished by their first bytes
 * (docs/wire.md 5.1). Each message is one whole stream, and the output is bounded. One thread per
 * inflater. */
#ifndef TD_SCHEMA_INFLATE_H
#define TD_SCHEMA_INFLATE_H

#include <stddef.h>

#include "base/attr.h"
#include "base/bytes.h"
#include "base/err.h"

typedef struct inflater inflater;

/* A new inflater whose output is at most bytes_max, followed by padding readable zero bytes. Its
 * memory grows to the largest output so far. */
TD_NEVER_NULL inflater *inflater_open(size_t bytes_max, size_t padding);
void inflater_close(inflater *self);

/* Inflate a whole stream. *out is valid until the next call. TD_E_CORRUPT: not a stream, damaged,
 * or bytes after its end; TD_E_TRUNCATED: it ends too early; TD_E_LIMIT: the output exceeds
 * bytes_max (detected after that many bytes). err may be NULL. */
TD_MUST_USE td_result inflater_run(inflater *self, td_bytes stream, td_bytes *out, td_err *err);

/* The output of the last stream, up to the failure if it failed. The caller may modify it. Valid
 * until the next call; *size may be 0. */
uint8_t *inflater_output(inflater *self, size_t *size);

#endif
