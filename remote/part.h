/* The bytes of a manifest's part: from a local file or from its object in the store, read in pieces
 * and hashed. Any thread. */
#ifndef TD_REMOTE_PART_H
#define TD_REMOTE_PART_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/io.h"
#include "remote/manifest.h"
#include "remote/s3_store.h"

/* A range of a local file. */
typedef struct part_range {
    td_file *file;
    uint64_t from, bytes;
} part_range;

/* An s3_source; user is a part_range. Errors of td_io_read_exact. */
TD_MUST_USE td_result part_read_range(void *user, uint64_t at, void *buf, size_t size, size_t *got,
                                      td_err *err);

/* Receives the bytes, in order; they are valid during the call. A result other than TD_OK ends the
 * reading and is its result. */
typedef td_result part_sink(void *user, const uint8_t *bytes, size_t size, td_err *err);

/* The hash of a local range, and how many bytes it has. sink may be NULL. */
TD_MUST_USE td_result part_of_range(const part_range *range, part_sink *sink, void *user,
                                    manifest_part *out, td_err *err);

/* Read a part's object. sink may be NULL; it gets the bytes before they are proved. TD_E_CORRUPT:
 * the store gave back other bytes; TD_E_IO: also if the object is missing. */
TD_MUST_USE td_result part_fetch(s3_store *store, const manifest_part *part, part_sink *sink,
                                 void *user, td_err *err);

#endif
