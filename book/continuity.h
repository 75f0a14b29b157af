/* A verdict for each frame: ok, or the first rule of its topic that it broke.
 *
 * A track holds what the rules of one (feed, line, shard, topic, symbol) need to remember, and the
 * topic's book if it has one. Rules and their strength are data (schema/topic.h); what a rule means
 * is here and nowhere else. A track is told when its connection ends: sequences may restart, the book
 * is unanchored until the next snapshot. One thread per track; no I/O.
 *
 *   seq_strict     cross_seq must rise from frame to frame; finds repeats and reordering, no loss
 *                  (wire facts: 4,268 of 4,268 steps up, any step size)
 *   ...            each rule is described beside its function in continuity.c */
#ifndef TD_BOOK_CONTINUITY_H
#define TD_BOOK_CONTINUITY_H

#include <stdint.h>

#include "base/err.h"
#include "book/book.h"
#include "schema/message.h"
#include "schema/topic.h"

typedef struct track track;

/* One rule that a frame broke. */
typedef struct verdict_item {
    rule_id rule;
    rule_strength strength;
    int64_t expected; /* what the rule wanted (last sequence, depth …); 0 if that says nothing */
    int64_t found;
} verdict_item;

typedef struct verdict {
    uint32_t count;                     /* 0: ok */
    verdict_item items[TOPIC_RULES_MAX]; /* in the order of checking; the first is "the" verdict */
} verdict;

/* A track for a topic; opens its book if the topic has one. TD_E_NOMEM. */
TD_MUST_USE td_result track_open(const topic_row *row, track **out, td_err *err);
void track_close(track *track);

/* Take one decoded frame: check every rule of the row, apply it to the book. A broken rule of strength
 * error marks the book broken until the next snapshot. */
void track_apply(track *track, const message *message, verdict *out);

/* The frame could not be decoded: the book can no longer be trusted until the next snapshot. */
void track_skip(track *track);

/* The connection ended or a new one began: nothing that came before binds what follows. */
void track_reset(track *track);

/* The book, or NULL if the topic has none. Valid while the track is. */
const book *track_book(const track *track);

/* 1 while the book is marked broken or has had no snapshot yet. */
int track_is_broken(const track *track);

/* Last sequence numbers seen; 0 before any. */
typedef struct track_seqs {
    int64_t cross_seq, u, seq;
    uint8_t has_cross_seq, has_u, has_seq;
} track_seqs;
void track_last(const track *track, track_seqs *out);

#endif
