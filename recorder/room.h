/* Room that must stay free on the archive's file system (min_free): a recorder that stops while
 * there still is some can finish its segments, and the machine goes on. */
#ifndef TD_RECORDER_ROOM_H
#define TD_RECORDER_ROOM_H

#include <stdint.h>

#include "base/err.h"
#include "base/io.h"

/* min_bytes that stands for the default: 1 GiB or 5 % of the file system, whichever is less. */
#define ROOM_DEFAULT UINT64_MAX

typedef struct room {
    td_io io;
    const char *path;   /* on the file system that is meant; borrowed */
    uint64_t min_bytes; /* 0: nothing is asked */
} room;

/* What must stay free on a file system of this size, if a user asked for min_bytes. */
uint64_t room_needed_bytes(uint64_t min_bytes, uint64_t total_bytes);

/* One question to the file system. TD_OK: enough is free, or its size is unknown (0, as some
 * network file systems say). TD_E_NOSPACE says how much is free and how much is needed; anything
 * else: it could not be asked. */
TD_MUST_USE td_result room_check(const room *self, td_err *err);

#endif
