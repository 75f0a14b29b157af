/* What is cut off a file is kept in a folder, torn/, and nothing in there is ever overwritten. A
 * run that is repeated after a crash finds what it has kept already. */
#ifndef TD_FORMAT_TORN_H
#define TD_FORMAT_TORN_H

#include <stdint.h>

#include "base/err.h"
#include "base/io.h"
#include "base/limits.h"

/* Find a path for the bytes of a file from offset from on: folder/name, or with ".1", ".2", … after
 * it if that is taken. *is_kept: 1 if the file there has just these bytes. TD_E_LIMIT: there are
 * too many, or the path is too long; TD_E_IO. */
TD_MUST_USE td_result torn_find_path(td_io io, const char *folder, const char *name, td_file *file,
                                     uint64_t from, char out[LIMIT_PATH_BYTES], int *is_kept,
                                     td_err *err);

/* Copy these bytes to such a path, durably, unless they are kept already; path gets it. As
 * torn_find_path, and TD_E_NOSPACE. */
TD_MUST_USE td_result torn_keep(td_io io, const char *folder, const char *name, td_file *file,
                                uint64_t from, char path[LIMIT_PATH_BYTES], td_err *err);

#endif
