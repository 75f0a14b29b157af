/* Inflates compressed messages: gzip, zlib and raw deflate, distinguished by their first bytes
 * (docs/wire.md 5.1). Each message is one complete compressed stream. The size of the output is
 * limited. One thread per inflater. */
#ifndef TD_SCHEMA_INFLATE_H
#define TD_SCHEMA_INFLATE_H

#include <stddef.h>

#include "base/attr.h"
#include "base/bytes.h"
#include "base/err.h"

typedef struct inflater inflater;

/* Open an inflater whose output has at most bytes_max bytes, followed by `padding` readable zero
 * bytes. Its memory grows to the largest output so far. */
TD_NEVER_NULL inflater *inflater_open(size_t bytes_max, size_t padding);
void inflater_close(inflater *self);

/* Inflate a complete stream. *out is valid until the next call. TD_E_CORRUPT: not a stream,
 * damaged, or followed by other bytes; TD_E_TRUNCATED: incomplete; TD_E_LIMIT: the output exceeds
 * bytes_max (detected after that many bytes). err may be NULL. */
TD_MUST_USE td_result inflater_run(inflater *self, td_bytes stream, td_bytes *out, td_err *err);

/* The output of the last stream; if inflating failed, as far as it succeeded. The caller may modify
 * it. Valid until the next call; *size may be 0. */
uint8_t *inflater_output(inflater *self, size_t *size);

#endif
