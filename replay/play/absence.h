/* Parts of a selection that the archive lacks and that no row of the ledger reports: time before a
 * feed's first frame and after its last, and topics that were not subscribed. A subscribed topic
 * that sent nothing over an open connection is not absent. One thread. */
#ifndef TD_PLAY_ABSENCE_H
#define TD_PLAY_ABSENCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "archive/archive.h"
#include "archive/gap.h"
#include "replay/play/stream.h"
#include "tape/selection.h"

typedef enum absence_reason {
    ABSENCE_BEFORE, /* the selection begins before the feed's first frame */
    ABSENCE_AFTER,  /* the selection ends after the feed's last frame */
    ABSENCE_TOPIC,  /* the topic has no frame in the selection, and nothing shows that it was
                       subscribed */
    ABSENCE_REASON_COUNT,
} absence_reason;

typedef struct absence {
    absence_reason reason;
    char feed[LIMIT_NAME_BYTES];
    char *topic; /* "": the whole feed */
    char *symbol;
    uint64_t from_ns; /* absent part of the selected time; to_ns exclusive */
    uint64_t to_ns;
} absence;

typedef struct absence_list {
    absence *rows; /* sorted by feed, reason, topic, symbol */
    size_t count;
} absence_list;

/* Compare a selection (window: its times as the tape resolved them) with the streams that were
 * played. ledger: archive_gaps of the archive. The caller frees *out with absence_list_fini, also
 * after a failure. TD_E_IO. */
TD_MUST_USE td_result absence_find(archive *archive, const gap_list *ledger,
                                   const selection *wanted, selection_window window,
                                   const stream_table *played, absence_list *out, td_err *err);
void absence_list_fini(absence_list *list);

#endif
