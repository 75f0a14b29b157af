/* npz files as numpy.load and hftbacktest's loader take them: a zip archive of 1980-01-01 with one
 * member, data.npy, an array of records (numpy's format 1.0). The number of records is known first;
 * the bytes depend on the records alone, and on zlib.
 *
 * Bytes are appended to a buffer that the caller empties in between. One thread. */
#ifndef TD_EXPORT_NPZ_H
#define TD_EXPORT_NPZ_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

typedef struct npz_writer npz_writer;

/* Begin a file of count records of record_bytes each, of the fields that descr lists as numpy
 * writes them: "[('ev', '<u8'), ...]". */
TD_NEVER_NULL npz_writer *npz_open(const char *descr, size_t record_bytes, uint64_t count,
                                   td_buf *out);

/* The next records, little-endian. */
void npz_add(npz_writer *npz, const void *records, size_t count, td_buf *out);

/* All records are there: the end of the file. */
void npz_finish(npz_writer *npz, td_buf *out);

/* Free, whether it is finished or not; NULL is fine. */
void npz_close(npz_writer *npz);

#endif
