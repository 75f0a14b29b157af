/* gzip, streaming and the same every time: no name, no time, one member whatever the size. Memory
 * does not depend on how much goes through. The bytes depend on zlib's version. One thread. */
#ifndef TD_EXPORT_EXPORT_GZIP_H
#define TD_EXPORT_EXPORT_GZIP_H

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"

typedef struct export_gzip export_gzip;

/* A member that begins. */
export_gzip *export_gzip_open(void);
void export_gzip_close(export_gzip *self);

/* Take in bytes; what comes out of them so far is appended to out. TD_E_LIMIT. */
TD_MUST_USE td_result export_gzip_add(export_gzip *self, td_bytes bytes, td_buf *out, td_err *err);

/* End the member; nothing may be added after it. As export_gzip_add. */
TD_MUST_USE td_result export_gzip_finish(export_gzip *self, td_buf *out, td_err *err);

#endif
