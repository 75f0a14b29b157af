/* Whether a topic's book is right while it is recorded: when it breaks, by a rule, a lost frame or
 * a snapshot that stays away, and when it is whole again. Each change is a finding. One thread. */
#ifndef TD_PIPELINE_LIVE_BOOK_H
#define TD_PIPELINE_LIVE_BOOK_H

#include <stdint.h>

#include "book/continuity.h"
#include "book/symbol_state.h"
#include "recorder/pipeline/live_findings.h"

/* Zero before the first frame. The members after last_ns are private. */
typedef struct live_book {
    uint64_t last_ns;        /* of the topic's last frame; set by the user after each frame */
    uint64_t broken_from_ns; /* 0: not broken */
    uint64_t lacks_from_ns;  /* not broken, but without its snapshot since then; 0: not */
    uint64_t narrow_from_ns; /* it needs a snapshot with other levels since then; 0: not */
    uint32_t broken_conn; /* connection on which it broke; the snapshot may arrive on a later one */
    uint8_t needs_snapshot; /* 1: only a snapshot ends that; the track does not know of the loss */
    verdict_item first_violation;
    int64_t frames_lost; /* frames lost since it broke, by the topic's sequence numbers */
} live_book;

/* Apply a frame's verdict: report when the book breaks and when it is whole again, maybe both for
 * one frame. Violations in between are not reported. */
void live_book_apply(live_book *self, live_findings *to, found_topic *topic, uint32_t conn,
                     uint64_t recv_ns, const symbol_verdict *judged);

/* A frame of connection conn before the book's next one was lost, after from_ns. now_ns: receive
 * time of the feed's last frame. */
void live_book_lose(live_book *self, live_findings *to, found_topic *topic, uint32_t conn,
                    uint64_t from_ns, uint64_t now_ns);

/* The book is dropped with its state; nothing is reported. */
void live_book_drop(live_book *self);

#endif
