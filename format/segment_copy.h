/* A segment that is there twice: finished, and under its open name. A backup that was made while
 * the segment was written, and again after it, has both. */
#ifndef TD_FORMAT_SEGMENT_COPY_H
#define TD_FORMAT_SEGMENT_COPY_H

#include "base/err.h"
#include "base/io.h"

/* What the open file is beside the finished one. */
typedef enum segment_copy {
    SEGMENT_COPY_GONE,  /* it has been renamed or removed meanwhile */
    SEGMENT_COPY_OLDER, /* all that is durable in it is the beginning of the finished one */
    SEGMENT_COPY_OTHER, /* something durable in it is not */
} segment_copy;

/* Compare: the last chain value of the open file must stand at its place in the finished one. Each
 * value covers every byte before it, so this compares all of them. TD_E_IO, TD_E_LIMIT. */
TD_MUST_USE td_result segment_copy_compare(td_io io, const char *open_path,
                                           const char *finished_path, segment_copy *out,
                                           td_err *err);

#endif
