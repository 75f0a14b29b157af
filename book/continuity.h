/* A verdict for each frame: ok, or the first rule of its topic that it broke.
 *
 * A track holds what the rules of one (feed, line, shard, topic, symbol) need to remember, and the
 * topic's book if it has one. Rules and their strength are data (schema/topic.h); what a rule
 * means, with the facts that it stands on, is beside its function in continuity_rules.c (frames)
 * and continuity_entries.c (single entries), and nowhere else. Rules across topics are
 * book/audit.h's: a track ignores them.
 *
 * States of a topic that starts with a snapshot (RULE_ANCHORED):
 *   unanchored   nothing yet, or the connection is a new one: a delta breaks the rule "anchored"
 *   anchored     every rule is checked
 *   broken       a rule of strength error was broken: the book is kept up as well as it can be, but
 *                rules about its content are not checked any more, because what they would find is
 *                the same break again; sequences and times still are
 * Where every frame of a topic is a whole book, the one that shows a loss (seq_step) leaves it
 * anchored: it replaces what was lost. A snapshot leads to anchored from anywhere, and
 * sequences and times start over with it: on a live topic it is a reset, counted as such and no
 * fault (docs/wire.md 6.6). A frame with no predecessor cannot break a rule about order. A topic
 * without a book and without snapshots is broken from a bad frame to the next good one: frames of
 * it do not stand on each other.
 *
 * One thread per track; no I/O. */
#ifndef TD_BOOK_CONTINUITY_H
#define TD_BOOK_CONTINUITY_H

#include <stdint.h>

#include "book/book.h"
#include "schema/message.h"
#include "schema/topic.h"

typedef struct track track;

/* One rule that a frame broke. */
typedef struct verdict_item {
    rule_id rule;
    rule_strength strength;
    int64_t expected; /* by the rule (last sequence, depth …); 0 where it has no meaning */
    int64_t found;
} verdict_item;

/* Rules that hold without standing in a row: RULE_BOOK_FITS and RULE_SNAPSHOT_RESET. */
enum { VERDICT_ITEMS_MAX = TOPIC_RULES_MAX + 2 };

typedef struct verdict {
    uint32_t count;      /* 0: ok; items of strength error are violations */
    uint8_t unchecked;   /* 1: the book was broken before, its content was not judged; or there are
                            more symbols than are followed (LIMIT_TRACK_SYMBOLS) */
    uint8_t is_snapshot; /* 1: the frame replaced all that was before, whatever its type says */
    verdict_item
        items[VERDICT_ITEMS_MAX]; /* in the row's order; the first error is "the" verdict */
} verdict;

/* The first item of strength error, or NULL. */
const verdict_item *verdict_violation(const verdict *verdict);

/* What a broken rule compared: "expected 64755, found 64756: 1 lost", "in 2 entries"; "" if the
 * rule has no numbers. */
enum { VERDICT_TEXT_BYTES = 128 };
void verdict_item_text(const verdict_item *item, char out[VERDICT_TEXT_BYTES]);

/* Frames that are missing before this one, by a number that rises by one; negative if it fell, 0 if
 * no such rule of strength error was broken. */
int64_t verdict_frames_lost(const verdict *verdict);

/* A track for a topic; opens its book if the topic has one. */
track *track_open(const topic_row *row);
void track_close(track *track);

/* From now on frames are of this row: the exchange changed the topic under its name (a row has
 * dates, schema/topic.h). The book, and the memory of the frame before, stay. Both rows are of
 * one type. */
void track_set_row(track *track, const topic_row *row);

/* Apply one decoded frame of the track's row to the book, and check every rule of the row. */
void track_apply(track *track, const message *message, verdict *out);

/* The frame could not be decoded: what it would have changed cannot be trusted until the next
 * snapshot (or frame, if frames do not stand on each other). */
void track_skip(track *track);

/* The track begins in the middle of a connection: a snapshot may have come before. Nothing that
 * stands on one is judged until the next. */
void track_join(track *track);

/* Save what the track remembers, its book included, or load it into one that was just opened with
 * the same row. */
void track_serialize(track *track, state_io *io);

/* Bytes of memory that the track holds, its book included. */
size_t track_bytes(const track *track);

/* The connection ended or a new one began: nothing that came before binds what follows. Levels stay
 * until the snapshot, so that the book does not depend on where a connection ended. */
void track_reset(track *track);

/* The row by which it reads frames. */
const topic_row *track_row(const track *track);

/* The book, or NULL if the topic has none. Valid while the track is. */
const book *track_book(const track *track);

/* Digest of the book's levels (book_hash); nothing if the topic has no book. */
void track_hash(track *track, td_hasher *into);

/* The same of its best depth levels a side (book_hash_best); the track has a book. */
uint64_t track_hash_best(track *track, uint32_t depth);

/* 1 while the topic is marked broken or has had no snapshot on this connection yet. */
int track_is_broken(const track *track);

/* 1 if a snapshot came on this connection, or a frame that replaces all as one does: the book then
 * depends on nothing that came before the connection began. */
int track_has_snapshot(const track *track);

/* Last sequence numbers seen; 0 before any. */
typedef struct track_seqs {
    int64_t cross_seq, u, seq;
    uint8_t has_cross_seq, has_u, has_seq;
} track_seqs;
void track_last(const track *track, track_seqs *out);

#endif
