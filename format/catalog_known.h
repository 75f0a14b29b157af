/* Which segments a catalog knows, in memory, for comparing with what is on disk. Plain data. */
#ifndef TD_FORMAT_CATALOG_KNOWN_H
#define TD_FORMAT_CATALOG_KNOWN_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "format/archive.h"
#include "format/catalog.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct known_segment {
    char *path; /* without ".open" */
    uint8_t is_open;
    uint8_t is_intact; /* as catalog_segment */
    uint64_t file_bytes;
    uint64_t first_ns, last_ns;
} known_segment;

typedef struct known_segments {
    known_segment *rows; /* by path */
    size_t count;
} known_segments;

/* Read the list. *out is the caller's, for known_segments_fini, also after a failure. */
TD_MUST_USE td_result known_segments_load(catalog *catalog, known_segments *out, td_err *err);
void known_segments_fini(known_segments *known);

/* The row of a path with or without ".open", or NULL. */
const known_segment *known_segments_find(const known_segments *known, const char *path);

/* 1 if a finished segment is in the list as it is on disk, its row intact. Never for an open one,
 * which has to be read to know how far it is. */
int known_segments_match(const known_segments *known, const archive_segment *segment);

#ifdef __cplusplus
}
#endif

#endif
