/* npz files for numpy.load and hftbacktest's loader: a zip archive dated 1980-01-01 with one
 * member, data.npy, an array of records (numpy's format 1.0). The number of records is fixed at the
 * start. The bytes depend only on the records and on zlib.
 *
 * Bytes are appended to a buffer, which the caller empties between calls. One thread. */
#ifndef TD_EXPORT_NPZ_H
#define TD_EXPORT_NPZ_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

typedef struct npz_writer npz_writer;

/* Begins a file of `count` records of record_bytes each. descr: the fields of a record as numpy
 * writes them: "[('ev', '<u8'), ...]". */
TD_NEVER_NULL npz_writer *npz_open(const char *descr, size_t record_bytes, uint64_t count,
                                   td_buf *out);

/* Adds the next records, little-endian. */
void npz_add(npz_writer *npz, const void *records, size_t count, td_buf *out);

/* Ends the file. All records must have been added. */
void npz_finish(npz_writer *npz, td_buf *out);

/* Frees a finished or unfinished writer; NULL is fine. */
void npz_close(npz_writer *npz);

#endif
