/* The parts of a selection with a beginning or an end that the archive lacks, without
 * a row of the ledger: time before a feed's first frame and after its last, and topics that were
 * not subscribed. A topic that was subscribed over a standing connection and sent nothing is
 * there, and silent. One thread. */
#ifndef TD_PLAY_ABSENCE_H
#define TD_PLAY_ABSENCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "archive/archive.h"
#include "replay/play/stream.h"
#include "tape/selection.h"

typedef enum absence_reason {
    ABSENCE_BEFORE, /* the selection begins before the feed's first frame */
    ABSENCE_AFTER,  /* it ends after the feed's last frame */
    ABSENCE_TOPIC,  /* the topic has no frame in it, and nothing shows that it was subscribed */
    ABSENCE_REASON_COUNT,
} absence_reason;

typedef struct absence {
    absence_reason reason;
    char feed[LIMIT_NAME_BYTES];
    char *topic; /* "": all of the feed */
    char *symbol;
    uint64_t from_ns; /* of the selection's time: what is lacking; to_ns exclusive */
    uint64_t to_ns;
} absence;

typedef struct absence_list {
    absence *rows; /* by feed, why, topic, symbol */
    size_t count;
} absence_list;

/* Compare a selection, with its window as the tape resolved it, with what was played. *out is the
 * caller's, for absence_list_fini, also after a failure. TD_E_IO. */
TD_MUST_USE td_result absence_find(archive *archive, const selection *wanted,
                                   selection_window window, const stream_table *played,
                                   absence_list *out, td_err *err);
void absence_list_fini(absence_list *list);

#endif
