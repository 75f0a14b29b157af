/* Ranges of a store's objects, kept on this machine's disk for later commands. Objects never
 * change, so a range is found by the object's SHA-256, its offset and its size, whatever store it
 * came from. Each is a file:
 *
 *   FOLDER/SHA256-OFFSET-BYTES    the bytes, and a hash of name and bytes, compared at each reading
 *
 * A damaged or missing file only costs a request. All files together have at most the bound: the
 * ones used longest ago are removed. Processes share a folder: a file is complete when it gets its
 * name. Each may exceed the bound by an eighth of it until it looks again. Nothing is synced. Any
 * thread. */
#ifndef TD_REMOTE_OBJECT_CACHE_H
#define TD_REMOTE_OBJECT_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/io.h"
#include "base/log.h"

typedef struct object_cache object_cache;

/* Open the cache in a folder, which is made if it is missing, and restricted to this user. NULL,
 * and a line in the log: it cannot be used. The caller closes it; the functions accept NULL, which
 * finds and keeps nothing. */
object_cache *object_cache_open(td_io io, const char *folder, uint64_t bytes_max,
                                const td_log *log);

/* The same in $XDG_CACHE_HOME/tapedeck or ~/.cache/tapedeck, with LIMIT_OBJECT_CACHE_BYTES. */
object_cache *object_cache_open_default(const td_log *log);
void object_cache_close(object_cache *cache);

/* 1: buf has the range. 0: it is not kept, or was damaged, and buf has any bytes. */
int object_cache_find(object_cache *cache, const char *sha256, uint64_t at, void *buf, size_t size);

/* Keep a range. A failure is logged once, and ends the keeping. */
void object_cache_keep(object_cache *cache, const char *sha256, uint64_t at, const void *bytes,
                       size_t size);

#endif
