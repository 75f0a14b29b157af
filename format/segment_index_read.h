/* Reads the index of a segment from its file. */
#ifndef TD_FORMAT_SEGMENT_INDEX_READ_H
#define TD_FORMAT_SEGMENT_INDEX_READ_H

#include "base/attr.h"
#include "base/err.h"
#include "base/io.h"
#include "format/segment_index.h"

/* Read the index of the segment file at `full`; path becomes index.path. Unreadable content is an
 * error, with path and offset: TD_E_CORRUPT, TD_E_TRUNCATED, TD_E_IO, TD_E_LIMIT. Exception: an
 * open file in which a crash left no durable data gives an empty index. On success the caller owns
 * *out. */
TD_MUST_USE td_result segment_index_read(td_io io, const char *full, const char *path,
                                         index_depth depth, segment_index *out, td_err *err);

#endif
