/* What a cursor has read so far. Its sources and its merge update the counters, the cursor returns
 * them (cursor_get_stats). */
#ifndef TD_TAPE_CURSOR_STATS_H
#define TD_TAPE_CURSOR_STATS_H

#include <stdint.h>

#include "base/limits.h"

/* Of feeds with several lines (tape/lines.h). */
typedef struct line_stats {
    uint64_t copies;                         /* frames that another line had brought */
    uint64_t first[LIMIT_FEED_LINE_NUMBERS]; /* by line: frames that it brought first, or alone */
    uint64_t led[LIMIT_FEED_LINE_NUMBERS]; /* by line: frames that it brought before another one */
    uint64_t lead_ns[LIMIT_FEED_LINE_NUMBERS]; /* and by how much, in all */
    uint64_t late;     /* frames that were returned when their connection joined */
    uint64_t doubtful; /* frames that were returned and may be copies */
    uint64_t epochs;   /* how often a stream began, or could not be continued */
} line_stats;

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
