/* Shared by continuity.c (the track and its states), continuity_entries.c, continuity_facts.c and
 * continuity_rules.c (the rules); private to them. */
#ifndef TD_BOOK_CONTINUITY_IMPL_H
#define TD_BOOK_CONTINUITY_IMPL_H

#include "book/continuity.h"

/* Number of levels on one side of a windowed book, compared with the topic's depth. */
typedef enum depth_state {
    DEPTH_THIN, /* fewer levels: normal in a thin market, until the side was full once */
    DEPTH_FULL, /* exactly as many */
    DEPTH_OVER, /* more: a delete is missing */
} depth_state;

/* Range of a number over the entries of a frame. Rules compare it with the previous frame's
 * range. */
typedef struct seq_range {
    uint8_t is_known; /* in a track: 1 if a number can be compared with */
    uint8_t was_seen; /* in a track: 1 if last is the last number, whatever came since */
    uint8_t falls;    /* 1: an entry's number is lower than the one before it */
    uint8_t differs;  /* 1: entries have different numbers */
    uint8_t has_hole; /* 1: a later frame could not be decoded */
    int64_t first;
    int64_t last;
} seq_range;

/* The numbers that order a topic's frames; a rule's member selects one. */
typedef enum seq_number {
    SEQ_NUMBER_CROSS,
    SEQ_NUMBER_U,
    SEQ_NUMBER_SEQ,
    SEQ_NUMBER_VERSION,
    SEQ_NUMBER_TIME, /* the exchange's, in ns */
    SEQ_NUMBERS
} seq_number;

/* The number of a member, or SEQ_NUMBER_TIME for other members. */
seq_number seq_number_of(msg_member member);

/* Longest version: two or three numbers of at most 19 digits. */
enum { VERSION_BYTES = 64 };

/* The values that rules compare, computed once per frame, after the book applied it. */
typedef struct frame_facts {
    const message *message;
    uint8_t is_delta;
    uint8_t is_snapshot;    /* replaces all earlier content, whatever its type */
    uint8_t was_anchored;   /* before this frame */
    uint8_t judges_content; /* the book was anchored and not broken before */
    seq_range seqs[SEQ_NUMBERS];
    depth_state depth[2]; /* by msg_side, after the frame */
    book_outcome outcome;
} frame_facts;

/* Compute numbers, time and depths of a frame that the book has applied. */
void frame_facts_gather(const track *t, const message *m, frame_facts *f);

typedef struct track_rule track_rule;

/* The input of a rule. */
typedef struct rule_view {
    const track *track; /* as the previous frame left it; its book has applied this frame */
    const track_rule *rule;
    const frame_facts *facts;
} rule_view;

/* 1 if the frame breaks the rule; then it sets item's expected and found. */
typedef int rule_fn(const rule_view *view, verdict_item *item);

/* Set the result of a broken rule. */
static inline int rule_broken(verdict_item *item, int64_t expected, int64_t found)
{
    item->expected = expected;
    item->found = found;
    return 1;
}

typedef enum rule_scope {
    SCOPE_FRAME,   /* always checked */
    SCOPE_ENTRIES, /* likewise, with the state in track_entries */
    SCOPE_CONTENT, /* about the book's content: checked only while that can be trusted */
} rule_scope;

/* The meaning of a broken rule's expected and found. */
typedef enum rule_numbers {
    NUMBERS_NONE,     /* no useful numbers */
    NUMBERS_NEXT,     /* expected is the only number that may follow */
    NUMBERS_ABOVE,    /* expected is the previous number: a higher one may follow */
    NUMBERS_AT_LEAST, /* likewise, or an equal one */
    NUMBERS_EQUAL,
    NUMBERS_AT_MOST,
    NUMBERS_COUNT,  /* found is the number of entries that broke the rule */
    NUMBERS_STATES, /* of two books: the last equal state and the first different one */
    NUMBERS_SUMS,   /* growth of the candle, sum of the trades; in units of 10^-8 */
} rule_numbers;

typedef struct rule_check {
    rule_fn *fn;
    rule_numbers numbers;
    rule_scope scope;
} rule_check;

/* The function of all rules that only need the outcome. Most frames have a clean one (all counts
 * 0), which breaks none of them. */
rule_fn check_outcome;

/* The function of a rule; its fn is NULL if the rule is about several topics. */
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

/* State of rules about single entries: numbers by symbol, ids, candles. Only for tracks with such a
 * rule. Bounded by LIMIT_TRACK_SYMBOLS and LIMIT_TRACK_IDS. */
typedef struct track_entries track_entries;

/* New: empty. Closing NULL is allowed. */
track_entries *track_entries_open(void);
void track_entries_close(track_entries *entries);

/* Memory of the entries, in bytes. */
size_t track_entries_bytes(const track_entries *entries);

/* Save the state, or load it into a new one. */
void track_entries_serialize(track_entries *entries, state_io *io);

/* A new connection: forget all earlier entries. */
void track_entries_forget(track_entries *entries);

/* 1 if an entry since the last call was not checked, because a limit was reached. */
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
    uint32_t other_count; /* indexes of rules that need more than the outcome, in the same order */
    uint8_t others[VERDICT_ITEMS_MAX];
    uint8_t needs_anchor; /* the row has RULE_ANCHORED */
    uint8_t is_full;      /* untyped frames are whole books: the row has no changes */
    uint8_t restarts;     /* the row's u is dense: a u of 1 means that the exchange restarted */
    uint8_t is_anchored;  /* this connection had a snapshot, or the topic needs none */
    uint8_t is_broken;
    uint8_t has_snapshot;        /* this connection had a snapshot */
    seq_range seqs[SEQ_NUMBERS]; /* of the previous frame; is_known 0: not to be compared */
    depth_state depth[2];
    track_entries *entries; /* NULL if no rule needs them */
    uint32_t version_bytes; /* of the previous frame; 0: not to be compared */
    char version[VERSION_BYTES];
};

#endif
