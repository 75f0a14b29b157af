/* Which segments of an archive a run has covered up to a moment, as a checksum: it tells a run that
 * goes on later whether these are still the archive's. One thread at a time. */
#ifndef TD_REGRESS_SEGMENTS_SEEN_H
#define TD_REGRESS_SEGMENTS_SEEN_H

#include <stdint.h>

#include "base/err.h"
#include "archive/archive.h"
#include "tape/selection.h"

typedef struct segments_seen segments_seen;

/* List the segments of the selected feeds, as they are now. TD_E_NOMEM, TD_E_IO. */
TD_MUST_USE td_result segments_seen_open(archive *from, const selection *wanted,
                                         segments_seen **out, td_err *err);
void segments_seen_close(segments_seen *seen);

/* A checksum over those that begin before a time: feed, session and number of each, whatever its
 * folder, and whether it is finished; of an archive that is a single file, its name and size. At
 * most INT64_MAX. It grows with new segments and changes when one is removed or imported. */
uint64_t segments_seen_before(const segments_seen *seen, uint64_t ns);

/* Frames before this time do not become more: they are in segments that are finished. It is when
 * the first of those begins that are being written; UINT64_MAX if none is. */
uint64_t segments_seen_settled_ns(const segments_seen *seen);

#endif
