/* Which topic an export takes the rows of a feed's symbol from, where a type has one topic of
 * several (export_type.prefers): one for each feed, market, symbol and kind of preference. The scan
 * before a day offers what the day has; the day looks it up.
 *
 * The scan reads no frames: the read plan knows the channels of each chunk, and of chunks at the
 * edge of the selection the message indexes do. What cannot be read is passed over: the tape
 * reports it. One thread. */
#ifndef TD_EXPORT_EXPORT_SCAN_H
#define TD_EXPORT_EXPORT_SCAN_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/slot_table.h"
#include "archive/archive.h"
#include "export/export_type.h"
#include "tape/selection.h"

/* The topic that a feed's rows of a symbol are taken from. */
typedef struct export_choice {
    char *feed;
    char *symbol;     /* as the topic has it */
    const family *of; /* whose market it is */
    int (*prefers)(const family_market *market, const topic_row *topic, const topic_row *other);
    const topic_row *row;
} export_choice;

/* Zero-initialise to start. */
typedef struct export_choices {
    export_choice *items; /* in the order of the first offers */
    size_t count;
    slot_table slots; /* by feed, family and symbol */
} export_choices;

void export_choices_fini(export_choices *table);

/* The choice of a type for a channel's feed, family and symbol, or NULL. (A feed may change its
 * family from session to session, as the exchange changes its endpoints.) */
export_choice *export_choice_find(const export_choices *table, const export_type *type,
                                  const frame_channel *channel);

/* A type takes the channel's topic: it becomes the choice unless a better one is known. TD_E_LIMIT
 * (LIMIT_EXPORT_SERIES). */
TD_MUST_USE td_result export_choice_offer(export_choices *table, const export_type *type,
                                          const frame_channel *channel, td_err *err);

/* What is looked for. */
typedef struct export_scan {
    const export_settings *settings;
    const export_type *const *types;
    size_t type_count;
    uint64_t *symbols; /* by type: symbols whose topics it takes, counted up */
    archive *from;
    const selection *wanted;
    selection_window window;
} export_scan;

/* Offer the topics of a selection, which begins and ends with window, to out. TD_E_LIMIT: too many;
 * the errors of reading. */
TD_MUST_USE td_result export_scan_run(const export_scan *scan, export_choices *out, td_err *err);

#endif
