/* What a new configuration changes in a running one: feeds that are new, gone or have other topics
 * or symbols. Nothing else can change while recording.
 *
 * Pure functions over finished configurations. */
#ifndef TD_RECORDER_RELOAD_H
#define TD_RECORDER_RELOAD_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "recorder/config.h"

/* A feed of both configurations, with its places in them. */
typedef struct reload_pair {
    size_t running, wanted;
    uint8_t has_other_settings; /* 0: only the content of a file of symbols may have changed */
} reload_pair;

typedef struct reload_plan {
    reload_pair changed[LIMIT_FEEDS]; /* other topics or symbols, or a file of symbols, whose
                                         content may be another one */
    size_t changed_count;
    size_t added[LIMIT_FEEDS]; /* in the wanted configuration */
    size_t added_count;
    size_t removed[LIMIT_FEEDS]; /* in the running one */
    size_t removed_count;
} reload_plan;

/* Counts of what a new configuration changed. */
typedef struct reload_changes {
    size_t feeds_added, feeds_removed;
    size_t topics_added, topics_removed; /* of feeds that remain */
} reload_changes;

/* Compare. TD_E_INVALID: a setting has changed that cannot change while recording, or a feed is
 * back that was removed; the error names file, line, key and what to do. TD_E_LIMIT: more than
 * LIMIT_FEEDS feeds in one session, with those that were removed. */
TD_MUST_USE td_result reload_compare(const recorder_config *running, const recorder_config *wanted,
                                     reload_plan *out, td_err *err);

#endif
