/* The index of a segment, from its file. */
#ifndef TD_FORMAT_SEGMENT_INDEX_READ_H
#define TD_FORMAT_SEGMENT_INDEX_READ_H

#include "base/attr.h"
#include "base/err.h"
#include "base/io.h"
#include "format/segment_index.h"

/* Read the segment file at full; path is what the index calls it, below its archive. What cannot be
 * read is an error, with path and offset: TD_E_CORRUPT, TD_E_TRUNCATED, TD_E_IO, TD_E_LIMIT; but an
 * open one that a crash left before anything in it was durable is an empty one. On success *out is
 * the caller's. */
TD_MUST_USE td_result segment_index_read(td_io io, const char *full, const char *path,
                                         index_depth depth, segment_index *out, td_err *err);

#endif
