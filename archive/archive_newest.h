/* The newest receive time of an archive. It may be in any segment, not only in the one that was
 * written last: a clock may have been wrong, and an import adds old data. */
#ifndef TD_ARCHIVE_ARCHIVE_NEWEST_H
#define TD_ARCHIVE_ARCHIVE_NEWEST_H

#include <stdint.h>

#include "base/err.h"
#include "archive/archive.h"

/* Receive time of the newest message (events included) that is not later than until_ns; 0: absent.
 * Where a chunk lies on both sides of until_ns it is the chunk's first time: at most a commit
 * interval too early.
 * File names select the segments to read: mostly those of one hour. Unreadable files are skipped.
 * TD_E_IO. */
TD_MUST_USE td_result archive_newest_ns(archive *archive, uint64_t until_ns, uint64_t *newest_ns,
                                        td_err *err);

#endif
