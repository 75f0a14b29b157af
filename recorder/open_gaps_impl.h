/* Between open_gaps.c (rows while it records) and open_gaps_begin.c (what a session begins with).
 */
#ifndef TD_RECORDER_OPEN_GAPS_IMPL_H
#define TD_RECORDER_OPEN_GAPS_IMPL_H

#include "recorder/open_gaps.h"

enum { SHARD_WORDS = LIMIT_FEED_SLOTS / 64 };
_Static_assert(SHARD_WORDS * 64 == LIMIT_FEED_SLOTS, "a bit for each shard");

/* A topic that is asked for. */
typedef struct asked {
    uint32_t shard;
    char *topic;         /* without its symbols */
    char *symbols;       /* "A|B"; "": all that there are */
    uint8_t is_recorded; /* in this session or an earlier one */
    uint8_t is_granted;  /* on the shard's connection of now */
} asked;

/* A topic came over a slot of an earlier session. */
typedef struct travel {
    size_t topic; /* that is asked for now */
    size_t slot;
} travel;

/* An open row. Its texts are owned, but for the feed's name. */
typedef struct open_row {
    gap_row row;
    uint64_t shards[SHARD_WORDS]; /* of a whole slot: those that have not settled yet */
    uint64_t settled_ns;          /* the latest that has */
    size_t past_slot; /* SIZE_MAX: not of an earlier session, or its topics are unknown */
} open_row;

struct open_gaps {
    open_gaps_options options;
    asked *topics; /* as in the subscription */
    size_t topic_count;
    travel *travels;
    size_t travel_count;
    size_t slot_count;    /* of earlier sessions */
    uint8_t *has_unknown; /* by slot: it had frames whose topic is unknown */
    uint8_t has_moved;    /* a topic is on another shard than it was */
    open_row *rows;
    size_t row_count;
    gap_list begun;
};

/* ---- open_gaps.c ---- */

/* Add a copy of a row, open. NULL without memory: if it is in the ledger, it stays open until the
 * next session. */
open_row *open_gaps_add_row(open_gaps *self, const gap_row *row);

/* 1 if the row is about all topics of its slot. */
int open_gaps_is_whole(const gap_row *row);

/* 1 if the row, of a topic, is about this one. */
int open_gaps_is_about(const gap_row *row, const asked *topic);

/* The shards that a row waits for. */
void open_gaps_wait(open_row *row, uint32_t shard);
int open_gaps_waits_for_none(const open_row *row);

/* The next of "A|B", or of "" the empty one, once; 0: no more. */
int open_gaps_next_symbol(const char **at, char out[LIMIT_SYMBOL_BYTES]);

/* ---- open_gaps_begin.c ---- */

/* Read what was recorded before and the ledger's open rows, and open missing rows. TD_E_NOMEM.
 */
TD_MUST_USE td_result open_gaps_begin(open_gaps *self, td_err *err);

#endif
