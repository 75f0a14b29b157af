/* Topics that were asked for in a time and sent no frame in it: granted, so that nothing shows
 * whether the exchange had something to send, or refused. A topic that speaks at once is one of
 * them, too, if it was granted again after its last frame in the time: nothing of it came since.
 * Known from grants and channels, without reading a frame; a segment that the time only overlaps
 * counts as sending what it has at any time.
 *
 * A granted topic that sent nothing is unproven: neither clean nor degraded. What its document
 * states (topic_row.speaks) decides whether its silence is overdue. One thread. */
#ifndef TD_TAPE_SILENT_TOPICS_H
#define TD_TAPE_SILENT_TOPICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/time_span.h"
#include "base/limits.h"
#include "base/json/json_write.h"
#include "archive/archive.h"
#include "archive/archive_view.h"
#include "archive/read_plan.h"
#include "schema/topic.h"
#include "tape/selection.h"

typedef struct silent_topic {
    char feed[LIMIT_NAME_BYTES];
    char family[LIMIT_NAME_BYTES];
    char topic[LIMIT_TOPIC_BYTES];
    char symbol[LIMIT_SYMBOL_BYTES]; /* "" if absent */
    char *exchange_topic;            /* as it was asked for */
    const topic_row *row;
    uint32_t line, shard;   /* of its last grant */
    uint64_t granted_ns;    /* its first grant; 0: it was refused, and not granted in the window */
    uint64_t first_ns;      /* likewise, also if frames followed it */
    uint64_t last_ns;       /* of its last frame in the window, before unanswered_ns; 0: no frame */
    time_span time;         /* silent in the window: from the first grant to the end of the last */
    uint64_t unanswered_ns; /* of a topic that speaks at once: its first grant after its last frame
                               before the window's end; 0: frames came since it was granted, or
                               less than TOPIC_SILENCE_NS ago */
    uint8_t is_proven;      /* 1: the caller knows that there was nothing to send */
} silent_topic;

typedef struct silent_list {
    silent_topic *rows; /* sorted by feed, topic, symbol */
    size_t count;
    silent_topic *sending; /* the other topics that were asked for in the window, of which only the
                              names and first_ns are known; sorted by feed and exchange_topic */
    size_t sending_count;
} silent_list;

/* Find the selected topics that sent nothing in the window. view NULL: open a new one. plan: of all
 * segments of the selection's feeds in the window; NULL: make one. The caller frees *out with
 * silent_list_fini, also after a failure. TD_E_IO. */
TD_MUST_USE td_result silent_topics_find(archive *archive, archive_view *view,
                                         const read_plan *plan, const selection *wanted,
                                         selection_window window, silent_list *out, td_err *err);
void silent_list_fini(silent_list *list);

/* The first grant in the window of a topic that sent frames, as the exchange writes it, on any
 * connection; 0: unknown. */
uint64_t silent_list_first_ns(const silent_list *list, const char *feed,
                              const char *exchange_topic);

/* 1 if the topic should have sent a frame: it was granted for TOPIC_SILENCE_NS, and either speaks
 * steadily, and nothing proves its silence, or speaks at once and has sent nothing since. */
int silent_topic_is_overdue(const silent_topic *row);

/* Write its members: feed, topic, symbol (null if absent), state ("granted", "refused"), speaks
 * (null: unstated), from_ns and to_ns. */
void silent_json_members(json_writer *json, const silent_topic *row);
const char *silent_topic_state(const silent_topic *row);

#endif
