/* Checkpoints for segments that have none at their beginning, made by playing their sessions. One
 * thread calls. */
#ifndef TD_PLAY_CHECKPOINTS_H
#define TD_PLAY_CHECKPOINTS_H

#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "archive/archive.h"

typedef struct checkpoints_report {
    uint64_t made;
    uint64_t left_out; /* states of symbols that they lack: too large */
} checkpoints_report;

/* Make those that are missing. None is made for a segment that is the first of its session or is
 * not finished, of a session that another one of the feed overlaps, or behind damage. TD_E_*. */
TD_MUST_USE td_result checkpoints_make(archive *archive, unsigned threads, const td_log *log,
                                       checkpoints_report *report, td_err *err);

#endif
