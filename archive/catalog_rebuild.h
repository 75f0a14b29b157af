/* A catalog brought up to date on a thread of its own, beside an appender that still writes: for
 * a recorder that must not wait until years of segments are read. What the appender's own session
 * does meanwhile is its business to enter when the rebuild is done. */
#ifndef TD_ARCHIVE_CATALOG_REBUILD_H
#define TD_ARCHIVE_CATALOG_REBUILD_H

#include "base/err.h"
#include "archive/archive.h"

typedef struct catalog_rebuild catalog_rebuild;

/* Begin. archive is borrowed until the end. TD_E_IO. */
TD_MUST_USE td_result catalog_rebuild_begin(archive *archive, catalog_rebuild **out, td_err *err);

/* 1 once it has ended, well or not. */
int catalog_rebuild_has_ended(const catalog_rebuild *rebuild);

typedef enum rebuild_end {
    REBUILD_WAIT,   /* until it is done */
    REBUILD_CANCEL, /* after the segment that it reads now */
} rebuild_end;

/* Wait for its end and free it; its result. NULL: TD_OK. */
TD_MUST_USE td_result catalog_rebuild_end(catalog_rebuild *rebuild, rebuild_end how, td_err *err);

#endif
