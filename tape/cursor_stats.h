/* What a cursor has read so far. Its sources and its merge update the counters, the cursor returns
 * them (cursor_get_stats). */
#ifndef TD_TAPE_CURSOR_STATS_H
#define TD_TAPE_CURSOR_STATS_H

#include <stdint.h>

#include "tape/lines.h"

typedef struct cursor_stats {
    uint64_t segments;            /* opened */
    uint64_t chunks_read;         /* including damaged ones */
    uint64_t bytes_read;          /* of chunk records */
    uint64_t damaged_chunks;      /* unreadable, completely or in part: logged, skipped */
    uint64_t contents_read;       /* frames whose content was read, each counted once */
    uint64_t segments_unreadable; /* left out of the plan and logged by the archive */
    uint64_t segments_live;       /* in the plan, and still being recorded */
    line_stats lines;             /* of feeds with several lines */
    unsigned workers_busy_max;    /* most threads that were reading ahead at the same time */
} cursor_stats;

#endif
