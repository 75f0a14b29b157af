/* Which topic an export takes the books of a feed's symbol from: one for each feed, market and
 * symbol. The scan before the export offers what the selection has; the writer looks it up.
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
#include "export/export_table.h"
#include "tape/selection.h"

/* The topic that a feed's books of a symbol are taken from. */
typedef struct export_choice {
    char *feed;
    char *symbol; /* as the topic has it */
    const export_market *market;
    const topic_row *row;
} export_choice;

/* Zero-initialise to start. */
typedef struct export_choices {
    export_choice *items; /* in the order of the first offers */
    size_t count;
    slot_table slots; /* by feed, market and symbol */
} export_choices;

void export_choices_fini(export_choices *table);

/* The choice for a feed's symbol in a market, or NULL. (A feed may change its family from session
 * to session, as the exchange changes its endpoints.) */
export_choice *export_choice_find(const export_choices *table, const char *feed,
                                  const export_market *market, td_bytes symbol);

/* A feed has books of a symbol on this topic: it becomes the choice unless a better one is known.
 * TD_E_LIMIT (LIMIT_EXPORT_SERIES). */
TD_MUST_USE td_result export_choice_offer(export_choices *table, const char *feed, td_bytes symbol,
                                          const export_market *market, const topic_row *row,
                                          td_err *err);

/* Offer the topics with books of a selection, which begins and ends with window, to out.
 * TD_E_LIMIT: too many books; the errors of reading. */
TD_MUST_USE td_result export_scan_run(const export_spec *spec, archive *from,
                                      const selection *wanted, selection_window window,
                                      export_choices *out, td_err *err);

#endif
