/* Which topic an export takes the books of a feed's symbol from: one for each feed, market and
 * symbol. The survey offers what the selection has; the writer looks it up. One thread. */
#ifndef TD_EXPORT_EXPORT_CHOICE_H
#define TD_EXPORT_EXPORT_CHOICE_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/slot_table.h"
#include "export/export_table.h"

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

#endif
