/* A verdict for each frame: ok, or the first rule of its topic that it broke.
 *
 * A track has the state that the rules of one (feed, line, shard, topic, symbol) need, and the
 * topic's book if the topic has one. Rules and their strength are data (schema/topic.h). The
 * meaning of a rule, and the facts that support it, are documented at its function, in
 * continuity.c. Tracks ignore rules across topics (book/audit.h).
 *
 * States of a topic that starts with a snapshot (RULE_ANCHORED):
 *   unanchored   nothing yet, or a new connection: a delta breaks the rule "anchored"
 *   anchored     every rule is checked
 *   broken       a rule of strength error was broken: the book is updated as well as possible, but
 *                rules about its content are not checked, because they would only find the same
 *                break again; rules about sequences and times are still checked
 * If every frame of a topic is a whole book, a frame that shows a loss (seq_step, prev_links)
 * leaves the topic anchored, because the frame replaces the lost ones. After a snapshot the topic
 * is anchored, whatever its state before, and sequences and times start over. A snapshot on a live
 * topic is counted as a reset, not as an error (docs/wire.md 6.6). A frame without a predecessor
 * cannot break a rule about order. A topic without a book and without snapshots is broken from a
 * bad frame to the next good one, because its frames are independent.
 *
 * The snapshots of some books are HTTP replies (topic_row.snapshot_request). While such a book
 * needs one, its deltas wait; a delta before the snapshot breaks no rule, but the book is
 * unchecked. A snapshot is used only if the book needs one, and all deltas after it are known. The
 * book shows only levels that such a snapshot could show (book_limit), and needs another one before
 * the market leaves these (track_needs_levels). A snapshot may be newer than the deltas that follow
 * it. If it has a delta that was made later than it, it is too far ahead of the stream: the book is
 * unchecked until the stream reaches it.
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
    int64_t expected; /* by the rule (last sequence, depth …); 0 if it has no meaning */
    int64_t found;
} verdict_item;

/* The two extra rules are in no row of the schema: RULE_BOOK_FITS and RULE_SNAPSHOT_RESET. */
enum { VERDICT_ITEMS_MAX = TOPIC_RULES_MAX + 2 };

typedef struct verdict {
    uint32_t count;       /* 0: ok; items of strength error are violations */
    uint8_t unchecked;    /* 1: the book's content was not checked, because it was broken before, or
                             there are more than LIMIT_TRACK_SYMBOLS symbols */
    uint8_t is_snapshot;  /* 1: the frame replaced all earlier content, whatever its type */
    uint8_t is_spliced;   /* 1: and the book has deltas since the snapshot, too: its levels are not
                             the frame's */
    uint8_t is_unused;    /* 1: the book did not use the frame: it has what the frame brings */
    uint64_t exchange_ns; /* the frame's, or that of a later delta which the book has; 0: absent */
    verdict_item
        items[VERDICT_ITEMS_MAX]; /* in the row's order; the first error is "the" verdict */
} verdict;

/* The first item of strength error, or NULL. */
const verdict_item *verdict_violation(const verdict *verdict);

/* The values that a broken rule compared: "expected 64755, found 64756: 1 lost", "in 2 entries"; ""
 * if the rule has no numbers. */
enum { VERDICT_TEXT_BYTES = 128 };
void verdict_item_text(const verdict_item *item, char out[VERDICT_TEXT_BYTES]);

/* Number of frames missing before this one, as shown by a number that should rise by one; negative
 * if the number fell. 0 if no such rule of strength error was broken: a broken chain (prev_links)
 * does not show how many are missing. */
int64_t verdict_frames_lost(const verdict *verdict);

/* A track for a topic, with a book if the topic has one. */
track *track_open(const topic_row *row);
void track_close(track *track);

/* From now on frames have this row: the exchange changed the topic but not its name (rows have
 * dates, schema/topic.h). The book and the state of the last frame stay. Both rows have the same
 * type. */
void track_set_row(track *track, const topic_row *row);

/* Apply one decoded frame of the track's row to the book, and check every rule of the row. */
void track_apply(track *track, const message *message, verdict *out);

/* Skip a frame that could not be decoded: the content that it would have changed is broken until
 * the next snapshot (or the next frame, if frames are independent). */
void track_skip(track *track);

/* Begin in the middle of a connection: a snapshot may have come before. Content is not checked
 * until the next snapshot. */
void track_join(track *track);

/* The version of a state (book/symbol_state.h) in which tracks have what waits for a snapshot. */
enum { TRACK_SPLICED_VERSION = 3 };
/* The version in which they have how long the book is crossed, and what a snapshot shows. */
enum { TRACK_WINDOW_VERSION = BOOK_EDGE_VERSION };

/* Save the track with its book, or load it into one that was just opened with the same row. */
void track_serialize(track *track, state_io *io);

/* Memory of the track and its book, in bytes. */
size_t track_bytes(const track *track);

/* Reset the track when the connection ended or a new one began: rules do not compare with earlier
 * frames. Levels stay until the next snapshot, so that the book does not depend on where a
 * connection ended. */
void track_reset(track *track);

/* The row of the schema for the track's frames. */
const topic_row *track_row(const track *track);

/* The book, or NULL if the topic has no book. Valid while the track is. */
const book *track_book(const track *track);

/* Digest of the book's levels (book_hash); does nothing if the topic has no book. */
void track_hash(track *track, td_hasher *into);

/* Digest of the book's best depth levels per side (book_hash_best); the track must have a book. */
uint64_t track_hash_best(track *track, uint32_t depth);

/* 1 while the topic is marked broken or has had no snapshot on this connection yet. */
int track_is_broken(const track *track);

/* 1 if the book is right, but needs another fetched snapshot soon: the market comes near to levels
 * that the last one did not show. */
int track_needs_levels(const track *track);

/* 1 if this connection had a snapshot, or a frame that replaces everything: the book then does not
 * depend on frames of earlier connections. */
int track_has_snapshot(const track *track);

/* Number of deltas that wait for a snapshot which comes apart from them
 * (topic_row.snapshot_request). After such a snapshot, which may be older, the book is that of the
 * last delta. */
size_t track_waiting_count(const track *track);

/* 1 if a rule proves that no delta is missing between two that wait. */
int track_is_linked(const track *track);

/* Last sequence numbers; 0 before the first. */
typedef struct track_seqs {
    int64_t cross_seq, u, seq;
    uint8_t has_cross_seq, has_u, has_seq;
} track_seqs;
void track_last(const track *track, track_seqs *out);

#endif
