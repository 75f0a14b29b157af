/* Disk space that must stay free on the archive's file system (min_free): a recorder that stops
 * before the disk is full can finish its segments, and other programs can continue to write. */
#ifndef TD_PIPELINE_FREE_SPACE_H
#define TD_PIPELINE_FREE_SPACE_H

#include <stdint.h>

#include "base/err.h"
#include "base/io.h"

/* min_bytes for the default: 1 GiB or 5 % of the file system, whichever is less. */
#define FREE_SPACE_DEFAULT UINT64_MAX

typedef struct free_space {
    td_io io;
    const char *path;   /* any path on the file system; borrowed */
    uint64_t min_bytes; /* 0: no minimum */
} free_space;

/* Bytes that must stay free on a file system of total_bytes, if the configured minimum is
 * min_bytes. */
uint64_t free_space_needed_bytes(uint64_t min_bytes, uint64_t total_bytes);

/* Query the file system. TD_OK: enough is free, or the file system's size is unknown (some network
 * file systems report 0). TD_E_NOSPACE states how much is free and how much is needed; any other
 * error: the query failed. */
TD_MUST_USE td_result free_space_check(const free_space *self, td_err *err);

#endif
