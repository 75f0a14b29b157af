/* Saves the bytes that are cut off a file, in the folder torn/, in which nothing is ever
 * overwritten. A run that is repeated after a crash finds the bytes that it saved before. */
#ifndef TD_FORMAT_TORN_H
#define TD_FORMAT_TORN_H

#include <stdint.h>

#include "base/err.h"
#include "base/io.h"
#include "base/limits.h"

/* Find a path for the bytes of `file` from offset `from` on: folder/name, followed by ".1", ".2", …
 * if that path is taken. *is_kept: 1 if the file at that path already has exactly these bytes.
 * TD_E_LIMIT: too many files, or the path is too long; TD_E_IO. */
TD_MUST_USE td_result torn_find_path(td_io io, const char *folder, const char *name, td_file *file,
                                     uint64_t from, char out[LIMIT_PATH_BYTES], int *is_kept,
                                     td_err *err);

/* Copy these bytes durably to the path that torn_find_path finds, unless the file at that path
 * already has them; sets path. Results as torn_find_path, and TD_E_NOSPACE. */
TD_MUST_USE td_result torn_keep(td_io io, const char *folder, const char *name, td_file *file,
                                uint64_t from, char path[LIMIT_PATH_BYTES], td_err *err);

#endif
