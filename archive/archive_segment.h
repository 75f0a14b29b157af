/* Reads an archive's segments by the path in a listing, a journal or a catalog. */
#ifndef TD_ARCHIVE_ARCHIVE_SEGMENT_H
#define TD_ARCHIVE_ARCHIVE_SEGMENT_H

#include "base/err.h"
#include "archive/archive.h"
#include "format/segment_index_read.h"
#include "format/segment_reader.h"
#include "format/segment_writer.h"

/* Open the segment at path, below the archive, with segment_reader_open. Here and in
 * archive_read_index, path may be an open segment's: if its writer has finished the segment since
 * it was listed, it is read under its final name. */
TD_MUST_USE td_result archive_open_segment(archive *archive, const char *path, segment_reader **out,
                                           td_err *err);

/* Read the index of the segment at path, below the archive, with segment_index_read. */
TD_MUST_USE td_result archive_read_index(archive *archive, const char *path, index_depth depth,
                                         segment_index *out, td_err *err);

/* A finished segment's totals for the journal; chain is 0 in a file from another program. */
segment_totals archive_segment_totals(const segment_index *index);

#endif
