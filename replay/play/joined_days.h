/* The days of several archives of the same feeds as one: each moment of a topic is as the archive
 * has it that has it best, clean before degraded, missing, pruned and not subscribed. A pure
 * function of the archives' days.
 *
 * Clean time of an archive in which the topic sent nothing counts as degraded (DOUBT_SILENT) if
 * the topic was proven to be clean by another archive on that day. Time that no archive asked for,
 * between times that some did, is not subscribed. The counts of a day are of the archive with the
 * most frames, and its proof is the weakest one. */
#ifndef TD_PLAY_JOINED_DAYS_H
#define TD_PLAY_JOINED_DAYS_H

#include <stddef.h>

#include "archive/gap.h"
#include "replay/play/days.h"

/* Join `count` lists. between: times in which no archive recorded a feed (tape/gap_cover.h); they
 * are missing from topics with days before and after. A topic is silent if it sent nothing to any
 * archive. The caller frees *out with day_list_fini; it borrows nothing. */
void joined_days_make(const day_list *lists, size_t count, const gap_list *between, day_list *out);

#endif
