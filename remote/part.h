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

/* Receives the bytes, in order; they are valid during the call. A result other than TD_OK ends the
 * reading and is its result. */
typedef td_result part_sink(void *user, const uint8_t *bytes, size_t size, td_err *err);

/* Hash a range of a local file. sink may be NULL. Errors of td_io_read_exact. */
TD_MUST_USE td_result part_of_range(td_file *file, uint64_t from, uint64_t bytes, part_sink *sink,
                                    void *user, manifest_part *out, td_err *err);

/* *is_same: 1 if the first `bytes` of a local file begin with the store's file. */
TD_MUST_USE td_result part_compare_file(td_file *file, uint64_t bytes, const manifest_file *there,
                                        int *is_same, td_err *err);

/* Read a range of a part's object; *got is less only at the object's end. TD_E_IO: also if the
 * object is missing, which is an error of the store, not a file that was pruned. */
TD_MUST_USE td_result part_read(s3_store *store, const manifest_part *part, uint64_t at, void *buf,
                                size_t size, size_t *got, td_err *err);

/* Read a part's object. sink may be NULL; it gets the bytes before they are proved. TD_E_CORRUPT:
 * the store gave back other bytes; errors of part_read. */
TD_MUST_USE td_result part_fetch(s3_store *store, const manifest_part *part, part_sink *sink,
                                 void *user, td_err *err);

#endif
