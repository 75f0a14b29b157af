/* Topics that were asked for in a time and sent no frame in it: granted, so that nothing shows
 * whether the exchange had something to send, or refused. Known from grants and channels, without
 * reading a frame; a segment that the time only overlaps counts as sending what it has at any time.
 *
 * A granted topic that sent nothing is unproven: neither clean nor degraded. What its document
 * states (topic_row.speaks) decides whether its silence is overdue. One thread. */
#ifndef TD_TAPE_SILENT_TOPICS_H
#define TD_TAPE_SILENT_TOPICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/json/json_write.h"
#include "archive/archive.h"
#include "archive/archive_view.h"
#include "schema/topic.h"
#include "tape/selection.h"

typedef struct silent_topic {
    char feed[LIMIT_NAME_BYTES];
    char family[LIMIT_NAME_BYTES];
    char topic[LIMIT_TOPIC_BYTES];
    char symbol[LIMIT_SYMBOL_BYTES]; /* "" if absent */
    char *exchange_topic;            /* as it was asked for */
    const topic_row *row;
    uint32_t line, shard;    /* of its last grant */
    uint64_t granted_ns;     /* its first grant; 0: it was refused, and not granted in the window */
    uint64_t from_ns, to_ns; /* from the first grant in the window to the end of the last one */
    uint8_t is_never;        /* 1: the archive has no frame of it at any time */
    uint8_t is_proven;       /* 1: the caller knows that there was nothing to send */
} silent_topic;

typedef struct silent_list {
    silent_topic *rows; /* sorted by feed, topic, symbol */
    size_t count;
} silent_list;

/* Find the selected topics that sent nothing in the window. view NULL: open a new one. The caller
 * frees *out with silent_list_fini, also after a failure. TD_E_IO. */
TD_MUST_USE td_result silent_topics_find(archive *archive, archive_view *view,
                                         const selection *wanted, selection_window window,
                                         silent_list *out, td_err *err);
void silent_list_fini(silent_list *list);

/* 1 if the topic should have sent a frame: it was granted for TOPIC_SILENCE_NS, speaks at once or
 * steadily, and nothing proves its silence. */
int silent_topic_is_overdue(const silent_topic *row, selection_window window);

/* Write its members: feed, topic, symbol (null if absent), state ("granted", "refused"), speaks
 * (null: unstated), from_ns and to_ns. */
void silent_json_members(json_writer *json, const silent_topic *row);
const char *silent_topic_state(const silent_topic *row);

#endif
