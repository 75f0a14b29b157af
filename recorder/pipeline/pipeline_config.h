/* Configuration of the pipeline: feeds, sizes and times. Constant once its threads run, except that
 * feeds may be added: feed_count is the network thread's then, and other threads read a feed after
 * they got a record of it. */
#ifndef TD_PIPELINE_PIPELINE_CONFIG_H
#define TD_PIPELINE_PIPELINE_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "recorder/capture/redact.h"
#include "schema/family.h"

/* Reaction when the encoder or the disk cannot keep up. */
typedef enum overload_mode {
    OVERLOAD_PAUSE, /* hold the peer back for up to overload_max, then count and discard */
    OVERLOAD_DROP,  /* count and discard at once */
} overload_mode;

typedef struct pipeline_feed {
    const char *name; /* in the archive */
    const family *family;
    /* NULL: nothing to hide. Else segments of the feed are private: they hold orders, balances and
     * other data of the key's owner. */
    redactor *redactor;
    /* Of a session that continues after another process, else 0: the feed's segments so far, and
     * the time from which on this process alone receives. */
    uint32_t segment_count;
    uint64_t alone_ns;
    uint64_t silence_factor; /* live_check.h: how much longer than usual a silence may be; 0: any */
} pipeline_feed;

typedef struct pipeline_config {
    pipeline_feed feeds[LIMIT_FEEDS];
    size_t feed_count;
    uint64_t commit_interval_ns; /* target time from a frame's receipt until it is durable */
    int overload;                /* overload_mode */
    uint64_t overload_max_ns;
    uint64_t ring_bytes;
    uint64_t min_free_bytes; /* stop when less than this is free; free_space.h */
} pipeline_config;

/* Set defaults; no feeds. */
void pipeline_config_init(pipeline_config *config);

#endif
