/* Checkpoints of segments that have none at their beginning: a file each in the folder checkpoints/
 * of the archive (FORMAT.md, "Checkpoints beside segments"). They are derived, as the catalog is:
 * deleting them loses nothing. One thread. */
#ifndef TD_ARCHIVE_CHECKPOINT_FILE_H
#define TD_ARCHIVE_CHECKPOINT_FILE_H

#include "base/err.h"
#include "base/limits.h"
#include "archive/archive.h"
#include "format/checkpoint.h"
#include "format/segment_index.h"

/* Write the record of a checkpoint at the beginning of a finished segment. TD_E_*. */
TD_MUST_USE td_result checkpoint_file_write(archive *archive, const segment_index *segment,
                                            td_bytes record, td_err *err);

/* 1 if the segment has one that was made of it as it is: where it is in the file at path. */
int checkpoint_file_find(archive *archive, const segment_index *segment, segment_checkpoint *out,
                         char path[LIMIT_PATH_BYTES]);

/* Remove that of the segment at path, below the archive, if there is one. */
TD_MUST_USE td_result checkpoint_file_remove(archive *archive, const char *segment_path,
                                             td_err *err);

#endif
