/* Gaps that say more than is missing. A recorder that takes the exchange's pong for data has no
 * proof that a connection is complete, so the gap after the connection begins when it opened. But
 * its pings and pongs are recorded, and prove the same now. Written rows are not changed: the
 * ledger derives two rows from them whenever it is read. One thread at a time per archive. */
#ifndef TD_ARCHIVE_DISPROVED_GAPS_H
#define TD_ARCHIVE_DISPROVED_GAPS_H

#include "archive/archive_view.h"
#include "archive/gap.h"

/* Split each gap that begins when its connection opened or was granted its topics, if pings and
 * pongs of the connection that are plain words ("ping", "pong") prove more. The second row begins
 * where the recorder's would have begun: with the connection's last data frame, or with the ping
 * that its last pong answers if that is earlier. The first row ends there, and is marked
 * (gap_row_is_disproved). Pongs answer pings in order. But a connection is read from a minute
 * before its last pong on, so of one that is older the first ping in this minute counts, which is
 * answered if an answer takes no longer. Rows whose connection cannot be read, or was open for less
 * than a second, stay as they are. */
void disproved_gaps_split(archive_view *view, gap_list *ledger);

#endif
