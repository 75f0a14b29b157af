/* Which parts of an archive's gap other archives have, that recorded the same feeds: for `merge`,
 * and for verbs that answer for several archives.
 *
 * An archive has a part if it was granted all topics that the row may be missing, when the part
 * begins and when it ends, and has no row of its own about them in between, pruned time and time
 * without a subscription included. It has nothing before its first frame of the feed and after its
 * last one, and nothing of a topic that should have sent it frames (silent_topic_is_overdue), if it
 * sent some to the archive of the row. What cannot be known is not had. Each archive's times are by
 * its machine's clock. One thread. */
#ifndef TD_TAPE_GAP_COVER_H
#define TD_TAPE_GAP_COVER_H

#include <stddef.h>

#include "archive/archive_view.h"
#include "archive/gap.h"
#include "base/time_span.h"
#include "tape/silent_topics.h"

/* An archive. Borrowed. */
typedef struct gap_account {
    archive_view *view;
    const gap_list *ledger;    /* with the damage that reading it showed; NULL: no rows */
    const silent_list *silent; /* topics that sent nothing; NULL: unknown */
} gap_account;

enum { GAP_ACCOUNTS_MAX = 16 };

/* A part of a row. */
typedef struct gap_part {
    time_span time;
    unsigned has; /* a bit for each account that has it: 1 << index; 0: it is missing */
} gap_part;

typedef struct gap_parts {
    gap_part *items;
    size_t count;
} gap_parts;

/* Divide the time of a loss or a hole in the ledger of accounts[of], inside `within`, into parts
 * that the same accounts have. A row without an end that others have until the feed's last frame in
 * any account ends there: nothing is missing after it. Otherwise its last part has no end either
 * (UINT64_MAX). The caller frees the items with td_free. */
gap_parts gap_cover_divide(const gap_account *accounts, size_t count, size_t of, const gap_row *row,
                           time_span within);

/* Add a row for each time between an account's last frame of a feed and the first frame of another
 * one, in which none recorded the feed, unless a row of some ledger has it. */
void gap_cover_between(const gap_account *accounts, size_t count, gap_list *out);

#endif
