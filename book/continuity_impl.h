/* What continuity.c (the track: its states and what it remembers) and continuity_rules.c (what each
 * rule means) share; private to them. */
#ifndef TD_BOOK_CONTINUITY_IMPL_H
#define TD_BOOK_CONTINUITY_IMPL_H

#include "book/continuity.h"

/* How full one side of a windowed book is. */
typedef enum depth_state {
    DEPTH_THIN, /* fewer levels than the topic shows: fine in a thin market, while it was never more
                 */
    DEPTH_FULL, /* just as many */
    DEPTH_OVER, /* more: a delete is missing */
} depth_state;

/* Range of a number over the entries of a frame; rules compare it with that of the frame before. */
typedef struct seq_range {
    uint8_t is_known; /* of a track: there is one to compare with */
    uint8_t was_seen; /* of a track: last is the last number, whatever came between */
    uint8_t falls;    /* 1: an entry is below the one before it */
    uint8_t differs;  /* 1: not all entries have the same */
    uint8_t has_hole; /* 1: a frame after it could not be read */
    int64_t first;
    int64_t last;
} seq_range;

/* The numbers that order a topic's frames; a rule's member says which one it is about. */
typedef enum seq_number {
    SEQ_NUMBER_CROSS,
    SEQ_NUMBER_U,
    SEQ_NUMBER_SEQ,
    SEQ_NUMBER_VERSION,
    SEQ_NUMBER_TIME, /* the exchange's, in ns */
    SEQ_NUMBERS
} seq_number;

/* Of a member that is one, else SEQ_NUMBER_TIME. */
seq_number seq_number_of(msg_member member);

/* Longest version: two or three numbers of at most 19 digits. */
enum { VERSION_BYTES = 64 };

/* What the rules compare, computed once per frame, after the book took it. */
typedef struct frame_facts {
    const message *message;
    uint8_t is_delta;
    uint8_t is_snapshot;    /* replaces all that was before, whatever its type says */
    uint8_t was_anchored;   /* before this frame */
    uint8_t judges_content; /* the book is anchored and was not broken before */
    seq_range seqs[SEQ_NUMBERS];
    depth_state depth[2]; /* by msg_side, after the frame */
    book_outcome outcome;
} frame_facts;

/* Gather numbers, time and depths of a frame that the book has taken. */
void frame_facts_gather(const track *t, const message *m, frame_facts *f);

typedef struct track_rule track_rule;

/* The input of a rule. */
typedef struct rule_view {
    const track *track; /* as the frame before left it; the book has taken this frame */
    const track_rule *rule;
    const frame_facts *facts;
} rule_view;

/* 1 if the frame breaks the rule; then item's expected and found are filled. */
typedef int rule_fn(const rule_view *view, verdict_item *item);

/* The result of a rule that is broken. */
static inline int rule_broken(verdict_item *item, int64_t expected, int64_t found)
{
    item->expected = expected;
    item->found = found;
    return 1;
}

typedef enum rule_scope {
    SCOPE_FRAME,   /* always checked */
    SCOPE_ENTRIES, /* likewise, with what track_entries remembers */
    SCOPE_CONTENT, /* about the book's content: only while that can be trusted */
} rule_scope;

/* What expected and found of a broken rule are. */
typedef enum rule_numbers {
    NUMBERS_NONE,     /* nothing that a reader could use */
    NUMBERS_NEXT,     /* expected is the only number that could follow */
    NUMBERS_ABOVE,    /* expected is the number before: a higher one could follow */
    NUMBERS_AT_LEAST, /* the same, or an equal one */
    NUMBERS_EQUAL,
    NUMBERS_AT_MOST,
    NUMBERS_COUNT,  /* found counts the entries of the frame that broke it */
    NUMBERS_STATES, /* of two books: the last equal state, the one that differs */
    NUMBERS_SUMS,   /* what a candle grew by, what the trades add; units of 10^-8 */
} rule_numbers;

typedef struct rule_check {
    rule_fn *fn;
    rule_numbers numbers;
    rule_scope scope;
} rule_check;

/* The function of all rules that are about the outcome alone. Most frames leave a clean one (all
 * counts 0): they hold then. */
rule_fn check_outcome;

/* The function of a rule; its fn is NULL if the rule is not about one topic alone. */
const rule_check *rule_check_find(rule_id rule);

/* One rule of a track, ready to be called. */
struct track_rule {
    rule_fn *fn;
    rule_id rule;
    rule_strength strength;
    rule_scope scope;
    msg_member member;
    seq_number number; /* of RULE_SEQ_* and RULE_TIME_* */
};

/* What rules about single entries remember: numbers by symbol, ids, candles. Made for tracks that
 * have such a rule. Bounded by LIMIT_TRACK_SYMBOLS and LIMIT_TRACK_IDS. */
typedef struct track_entries track_entries;

track_entries *track_entries_open(void);
void track_entries_close(track_entries *entries);

size_t track_entries_bytes(const track_entries *entries);

/* Save what is remembered, or load it into what was just opened. */
void track_entries_serialize(track_entries *entries, state_io *io);

/* A new connection: what came before binds nothing. */
void track_entries_forget(track_entries *entries);

/* 1 if an entry since the last call was not judged, because a bound was reached. */
int track_entries_take_unjudged(track_entries *entries);

/* The rules of continuity_entries.c. */
rule_fn check_entry_numbers, check_id_unique, check_id_ascending, check_frame_unique,
    check_kline_start, check_kline_confirm;

struct track {
    uint32_t magic;
    const topic_row *row;
    book *book; /* NULL if the topic has none */
    uint32_t rule_count;
    track_rule rules[VERDICT_ITEMS_MAX];
    uint32_t other_count; /* rules about more than the outcome, by index, in the same order */
    uint8_t others[VERDICT_ITEMS_MAX];
    uint8_t needs_anchor; /* the row has RULE_ANCHORED */
    uint8_t is_full;      /* frames without a type are full pictures: the row knows no changes */
    uint8_t restarts;     /* the row's u is dense: 1 means that the exchange restarted */
    uint8_t is_anchored;  /* a snapshot came on this connection, or none is needed */
    uint8_t is_broken;
    uint8_t has_snapshot;        /* one came on this connection */
    seq_range seqs[SEQ_NUMBERS]; /* of the frame before; is_known 0: nothing to compare with */
    depth_state depth[2];
    track_entries *entries; /* NULL if no rule needs them */
    uint32_t version_bytes; /* of the frame before; 0: none to compare with */
    char version[VERSION_BYTES];
};

#endif
