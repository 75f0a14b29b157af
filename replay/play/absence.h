/* Parts of a selection that the archive lacks and that no row of the ledger reports: time before a
 * feed's first frame and after its last, and topics that were not subscribed. A subscribed topic
 * that sent nothing over an open connection is not absent. A day of an export has the bounds of the
 * day where the selection has no bound: what it lacks there is listed, but was not asked for. One
 * thread. */
#ifndef TD_PLAY_ABSENCE_H
#define TD_PLAY_ABSENCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/time_span.h"
#include "base/json/json_write.h"
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
    time_span time;   /* absent part of the selected time */
    uint8_t is_asked; /* 1: a bound of the selection asks for it; 0: only the whole day has it */
} absence;

typedef struct absence_list {
    absence *rows; /* sorted by feed, reason, topic, symbol */
    size_t count;
} absence_list;

/* Compare a selection with the streams that were played. ledger: archive_gaps of the archive.
 * window: its times as the tape resolved them, 0 and UINT64_MAX where it has no bound, or the
 * bounds of the day. The caller frees *out with absence_list_fini, also after a failure. TD_E_IO.
 */
TD_MUST_USE td_result absence_find(archive *archive, const gap_list *ledger,
                                   const selection *wanted, selection_window window,
                                   const stream_table *played, absence_list *out, td_err *err);
void absence_list_fini(absence_list *list);

/* 1 if the selection asks for a part that is absent. */
int absence_list_is_asked(const absence_list *list);

/* UTC days, by their number since 1970, that a bound of the selection asks for: from `from` to
 * before `first`, the first day on which a selected feed was recorded, and from `after`, behind the
 * last one, to before `to`. Time between two recordings is a gap. */
typedef struct absent_days {
    uint32_t from, first, after, to;
} absent_days;

/* Find them. window: the selection's times as the tape resolves them. TD_E_IO. */
TD_MUST_USE td_result absence_find_days(archive *archive, const selection *wanted,
                                        selection_window window, absent_days *out, td_err *err);

/* How many days they are. */
static inline uint64_t absent_days_count(const absent_days *days)
{
    return (uint64_t)(days->first - days->from) + (days->to - days->after);
}

/* Name of a reason: "before_first_frame", "after_last_frame", "not_subscribed". */
const char *absence_reason_name(absence_reason reason);

/* Write the members of a row of JSON: why, feed, topic, symbol, from_ns, to_ns. */
void absence_json_members(json_writer *json, const absence *row);

#endif
