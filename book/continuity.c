#include "book/continuity.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/decimal.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/row_table.h"
#include "book/checksum.h"
#include "book/delta_queue.h"
#include "book/proof.h"
#include "schema/canonical.h"
#include "schema/family.h"

/* Number of levels on one side of a windowed book, compared with the topic's depth. */
typedef enum depth_state {
    DEPTH_THIN, /* fewer levels: normal in a thin market, until the side was full once */
    DEPTH_FULL, /* exactly as many */
    DEPTH_OVER, /* more: a delete is missing */
} depth_state;

/* Range of a number over the entries of a frame. Rules compare it with the previous frame's
 * range. */
typedef struct seq_range {
    uint8_t is_known; /* 1: first and last are set; in a track: rules may compare with last */
    uint8_t was_seen; /* in a track, 1: last was set once, even if is_known is 0 now */
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

/* A book over a fetched snapshot may be crossed in so many frames in a row: its deltas are proven,
 * its first levels are not. */
enum { CROSSED_FRAMES_MAX = 4 };

/* A snapshot may have the deltas that the exchange made until so long after it, and so long after
 * the first one that follows it. */
#define AHEAD_NS_MAX     (2 * TD_NS_PER_S)
#define AHEAD_LAG_NS_MAX (6 * TD_NS_PER_S)

/* Longest version: two or three numbers of at most 19 digits. */
enum { VERSION_BYTES = 64 };

/* The values that rules compare, computed once per frame, after the book applied it. */
typedef struct frame_facts {
    const message *message;
    uint8_t is_delta;
    uint8_t is_snapshot;    /* replaces all earlier content, whatever its type */
    uint8_t was_anchored;   /* before this frame */
    uint8_t checks_content; /* the book was anchored and not broken before */
    seq_range seqs[SEQ_NUMBERS];
    depth_state depth[2]; /* by msg_side, after the frame */
    book_outcome outcome;
} frame_facts;

typedef struct track_rule track_rule;

/* The input of a rule. */
typedef struct rule_view {
    const track *track; /* as the previous frame left it; its book has applied this frame */
    const track_rule *rule;
    const frame_facts *facts;
} rule_view;

/* 1 if the frame breaks the rule; the function then sets item's expected and found. */
typedef int rule_fn(const rule_view *view, verdict_item *item);

/* Set the result of a broken rule. */
static int rule_broken(verdict_item *item, int64_t expected, int64_t found)
{
    item->expected = expected;
    item->found = found;
    return 1;
}

typedef enum rule_scope {
    SCOPE_FRAME,   /* always checked */
    SCOPE_ENTRIES, /* always checked, with the state in track_entries */
    SCOPE_CONTENT, /* about the book's content: checked only while that can be trusted */
} rule_scope;

/* The meaning of a broken rule's expected and found. */
typedef enum rule_numbers {
    NUMBERS_NONE,     /* no useful numbers */
    NUMBERS_NEXT,     /* expected is the only number that may follow */
    NUMBERS_BEFORE,   /* expected is the number of the frame before, found the one that it names */
    NUMBERS_ABOVE,    /* expected is the previous number: a higher one may follow */
    NUMBERS_AT_LEAST, /* expected is the previous number: it or a higher one may follow */
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

/* One rule of a track, ready to be called. */
struct track_rule {
    rule_fn *fn;
    rule_id rule;
    rule_strength strength;
    rule_scope scope;
    msg_member member;
    seq_number number; /* of RULE_SEQ_*, RULE_TIME_* and RULE_PREV_LINKS */
};

/* State of rules about single entries: numbers by symbol, ids, candles. Only for tracks with such a
 * rule. Bounded by LIMIT_TRACK_SYMBOLS and LIMIT_TRACK_IDS. */
typedef struct track_entries track_entries;

struct track {
    uint32_t magic;
    const topic_row *row;
    book *book; /* NULL: the topic has no book */
    uint32_t rule_count;
    track_rule rules[VERDICT_ITEMS_MAX];
    uint32_t other_count; /* others: indexes of the rules that check more than the book's outcome */
    uint8_t others[VERDICT_ITEMS_MAX];
    uint8_t needs_anchor;  /* the topic's row has RULE_ANCHORED */
    uint8_t is_full;       /* untyped frames are whole books: the row has no changes */
    uint8_t restarts;      /* the row's u is dense: a u of 1 means that the exchange restarted */
    uint8_t has_dense_ids; /* the row has RULE_ID_DENSE */
    uint8_t id_rule;       /* the row's last one of RULE_ID_ASCENDING and RULE_ID_DENSE */
    uint8_t is_proven;     /* every lost frame breaks another rule (topic_proof_of) */
    uint8_t is_linked;     /* if has_fetched_snapshot: a rule proves that no delta is missing before
                              another */
    uint8_t has_fetched_snapshot; /* it comes apart from the deltas, as HTTP replies */
    uint8_t is_anchored;          /* this connection had a snapshot, or the topic needs none */
    uint8_t is_broken;
    uint8_t has_snapshot;        /* this connection had a snapshot */
    seq_range seqs[SEQ_NUMBERS]; /* of the previous frame; is_known 0: not to be compared */
    depth_state depth[2];
    uint32_t crossed_frames; /* in a row until now; the book was crossed after each of them */
    track_entries *entries;  /* NULL if no rule needs them */
    /* If has_fetched_snapshot: */
    delta_queue waiting; /* the deltas since the last loss, while the book needs a snapshot */
    int64_t snapshot_u;  /* the last snapshot's u: the book has all deltas up to it */
    uint64_t ahead_ns;   /* latest time of a delta that it may have */
    uint8_t is_ahead;    /* a later one has come that it has: it is too far ahead of the stream */
    uint32_t version_bytes; /* of the previous frame; 0: not to be compared */
    char version[VERSION_BYTES];
};

/* ======== the values that rules compare ======== */

/* Computes the numbers and depths of a frame, once for all rules. */

static void seq_range_add(seq_range *c, int64_t value)
{
    if (!c->is_known) {
        *c = (seq_range){.is_known = 1, .first = value, .last = value};
        return;
    }
    c->falls |= value < c->last;
    c->differs |= value != c->last;
    c->last = value;
}

static int64_t clamp_ns(uint64_t ns)
{
    return ns > INT64_MAX ? INT64_MAX : (int64_t)ns;
}

/* Add the envelope's numbers. If the schema row has them in the entries (SEQ_ITEM), the envelope's
 * numbers mean something else. */
static void facts_of_head(const msg_head *head, seq_source source, frame_facts *f)
{
    if (head->exchange_ns != 0)
        seq_range_add(&f->seqs[SEQ_NUMBER_TIME], clamp_ns(head->exchange_ns));
    if (source == SEQ_ITEM)
        return;
    if (head->has_cross_seq)
        seq_range_add(&f->seqs[SEQ_NUMBER_CROSS], head->cross_seq);
    if (head->has_u)
        seq_range_add(&f->seqs[SEQ_NUMBER_U], head->u);
    if (head->has_seq)
        seq_range_add(&f->seqs[SEQ_NUMBER_SEQ], head->seq);
    uint64_t version; /* USDC's version is one number, unlike spot's "112801745_18" */
    if (head->version.size > 0 && td_digits_parse(head->version, INT64_MAX, &version))
        seq_range_add(&f->seqs[SEQ_NUMBER_VERSION], (int64_t)version);
}

/* Add the numbers and times of trades: each trade has its own. */
static void facts_of_trades(const msg_trades *trades, seq_source source, frame_facts *f)
{
    f->seqs[SEQ_NUMBER_TIME] = (seq_range){0};
    for (size_t i = 0; i < trades->trade_count; i++) {
        const msg_trade *trade = &trades->trades[i];
        if (trade->exchange_ns != 0)
            seq_range_add(&f->seqs[SEQ_NUMBER_TIME], clamp_ns(trade->exchange_ns));
        if (source != SEQ_ITEM)
            continue;
        if (trade->has_cross_seq)
            seq_range_add(&f->seqs[SEQ_NUMBER_CROSS], trade->cross_seq);
        if (trade->has_seq)
            seq_range_add(&f->seqs[SEQ_NUMBER_SEQ], trade->seq);
    }
}

/* The number of a member, or SEQ_NUMBER_TIME for other members. */
static seq_number seq_number_of(msg_member member)
{
    return member == MEMBER_CROSS_SEQ ? SEQ_NUMBER_CROSS
           : member == MEMBER_U       ? SEQ_NUMBER_U
           : member == MEMBER_SEQ     ? SEQ_NUMBER_SEQ
           : member == MEMBER_VERSION ? SEQ_NUMBER_VERSION
                                      : SEQ_NUMBER_TIME;
}

static void facts_of_value(const msg_value *value, frame_facts *f)
{
    seq_number number = seq_number_of(value->member);
    if (value->type == VALUE_INTEGER && number != SEQ_NUMBER_TIME)
        seq_range_add(&f->seqs[number], value->as.integer);
}

static void facts_of_items(const msg_record *record, frame_facts *f)
{
    for (size_t i = 0; i < record->item_count; i++) {
        const msg_item *item = &record->items[i];
        for (size_t k = 0; k < item->value_count; k++)
            facts_of_value(&item->values[k], f);
    }
}

static depth_state depth_of(const track *t, msg_side at)
{
    size_t count = book_level_count(t->book, at);
    if (count == t->row->book_depth)
        return DEPTH_FULL;
    return count < t->row->book_depth ? DEPTH_THIN : DEPTH_OVER;
}

/* Compute numbers, time and depths of a frame that the book has applied. */
static void frame_facts_gather(const track *t, const message *m, frame_facts *f)
{
    facts_of_head(&m->head, t->row->sequence, f);
    if (message_is_record(m)) {
        if (t->row->sequence == SEQ_ITEM)
            facts_of_items(&m->record, f);
        else if (t->row->sequence == SEQ_ENVELOPE)
            for (size_t i = 0; i < m->record.value_count; i++)
                facts_of_value(&m->record.values[i], f);
    } else if (m->head.type == MSG_TRADE) {
        facts_of_trades(&m->trades, t->row->sequence, f);
    }
    if (t->book != NULL) {
        f->depth[SIDE_BUY] = depth_of(t, SIDE_BUY);
        f->depth[SIDE_SELL] = depth_of(t, SIDE_SELL);
    }
}

/* ======== state of the rules about entries ======== */

/* Its size is bounded (base/limits.h) and grows by doubling. It exists only for topics with such a
 * rule. */

/* The last number of one symbol for one rule, and for one position and category if entries have
 * them. The key is a 64-bit hash: two of 4,096 collide once in 10^12 tapes. */
typedef struct symbol_number {
    uint64_t key;
    int64_t last;
} symbol_number;

/* A set of ids as hashes. */
typedef struct id_set {
    uint64_t *keys;
    size_t capacity;
    row_table by_key;
} id_set;

/* Recent ids in two sets. When the newer set is full, the older one is cleared and becomes the
 * newer one. */
typedef struct id_history {
    id_set sets[2];
    uint32_t newer;
} id_history;

struct track_entries {
    symbol_number *numbers;
    size_t number_capacity;
    row_table by_key; /* finds the index in `numbers` of a key */
    id_history ids;
    id_history frames;    /* canonical hashes of messages */
    int64_t candle_start; /* ns; valid if has_candle */
    int64_t closed_start; /* of the last closed candle; valid if has_closed */
    uint8_t has_candle;
    uint8_t has_closed;
    uint8_t has_unchecked; /* 1: an entry of the frame was not checked, at a limit */
    uint8_t has_id;
    uint64_t last_id; /* for RULE_ID_ASCENDING and RULE_ID_DENSE, if has_id */
};

/* ---- ids ---- */

static int id_set_has(const id_set *set, uint64_t key)
{
    row_probe at = row_probe_of(key);
    while (row_table_next(&set->by_key, &at)) {
        if (set->keys[at.row] == key)
            return 1;
    }
    return 0;
}

static void id_set_add(id_set *set, uint64_t key)
{
    size_t count = set->by_key.count;
    td_array_ensure((void **)&set->keys, &set->capacity, count, sizeof *set->keys);
    row_table_put(&set->by_key, key, count);
    set->keys[count] = key;
}

/* Add an id by its hash. 1 if the id is known; at least the last `most` ids are known. */
static int id_is_known(id_history *ids, uint32_t most, uint64_t key)
{
    if (id_set_has(&ids->sets[ids->newer], key) || id_set_has(&ids->sets[ids->newer ^ 1], key))
        return 1;
    if (ids->sets[ids->newer].by_key.count == most) {
        ids->newer ^= 1;
        row_table_clear(&ids->sets[ids->newer].by_key);
    }
    id_set_add(&ids->sets[ids->newer], key);
    return 0;
}

static void ids_fini(id_history *ids)
{
    for (size_t i = 0; i < 2; i++) {
        td_free(ids->sets[i].keys);
        row_table_fini(&ids->sets[i].by_key);
    }
}

static size_t ids_bytes(const id_history *ids)
{
    size_t bytes = 0;
    for (size_t i = 0; i < 2; i++)
        bytes += ids->sets[i].capacity * sizeof *ids->sets[i].keys +
                 ids->sets[i].by_key.capacity * sizeof *ids->sets[i].by_key.entries;
    return bytes;
}

static void ids_forget(id_history *ids)
{
    row_table_clear(&ids->sets[0].by_key);
    row_table_clear(&ids->sets[1].by_key);
}

/* ---- all entries ---- */

/* New: empty. Closing NULL is allowed. */
static track_entries *track_entries_open(void)
{
    return td_alloc_zero(1, sizeof(track_entries));
}

static void track_entries_close(track_entries *e)
{
    if (e == NULL)
        return;
    td_free(e->numbers);
    row_table_fini(&e->by_key);
    ids_fini(&e->ids);
    ids_fini(&e->frames);
    td_free(e);
}

/* Memory of the entries, in bytes. */
static size_t track_entries_bytes(const track_entries *e)
{
    return sizeof *e + e->number_capacity * sizeof *e->numbers +
           e->by_key.capacity * sizeof *e->by_key.entries + ids_bytes(&e->ids) +
           ids_bytes(&e->frames);
}

/* Forget all earlier entries, for a new connection. */
static void track_entries_forget(track_entries *e)
{
    row_table_clear(&e->by_key);
    ids_forget(&e->ids);
    ids_forget(&e->frames);
    e->has_candle = 0;
    e->has_closed = 0;
    e->has_id = 0;
}

/* ======== rules about single entries ======== */

/* Order by symbol, unique ids and frames, candles that close once. */

/* ---- content of an entry ---- */

typedef struct entry {
    td_bytes symbol;
    td_bytes category; /* empty unless the topic mixes categories: BTCUSDT is spot and linear */
    td_bytes id;
    int64_t number;
    int64_t position_idx; /* which of a symbol's positions; 0 if it has only one */
    uint8_t has_number;
} entry;

static void entry_of_trade(const msg_trade *trade, const msg_head *head, msg_member member,
                           entry *out)
{
    out->symbol = trade->symbol.size > 0 ? trade->symbol : head->symbol;
    out->id = trade->trade_id;
    if (member == MEMBER_EXCHANGE_TIME) {
        out->number = (int64_t)(trade->exchange_ns & INT64_MAX);
        out->has_number = trade->exchange_ns != 0;
    } else if (member == MEMBER_SEQ) {
        out->number = trade->seq;
        out->has_number = trade->has_seq;
    } else {
        out->number = trade->cross_seq;
        out->has_number = trade->has_cross_seq;
    }
}

static void entry_of_item(const msg_item *item, const msg_head *head, msg_member member, entry *out)
{
    out->symbol = head->symbol;
    for (size_t i = 0; i < item->value_count; i++) {
        const msg_value *value = &item->values[i];
        if (value->member == MEMBER_SYMBOL && value->type == VALUE_TEXT)
            out->symbol = value->as.text;
        else if (value->member == MEMBER_CATEGORY && value->type == VALUE_TEXT)
            out->category = value->as.text;
        else if (value->member == MEMBER_POSITION_IDX && value->type == VALUE_INTEGER)
            out->position_idx = value->as.integer;
        if (value->member != member)
            continue;
        out->has_number = value->type == VALUE_INTEGER || value->type == VALUE_TIME_NS;
        if (value->type == VALUE_INTEGER)
            out->number = value->as.integer;
        else if (value->type == VALUE_TIME_NS)
            out->number = (int64_t)(value->as.time_ns & INT64_MAX);
        else if (value->type == VALUE_TEXT)
            out->id = value->as.text;
    }
}

/* The index-th entry, with the number (or id) of a member. */
static entry entry_at(const message *m, size_t index, msg_member member)
{
    TD_ASSERT_SLOW(index < message_item_count(m));
    entry out = {0};
    if (message_is_record(m))
        entry_of_item(&m->record.items[index], &m->head, member, &out);
    else if (m->head.type == MSG_TRADE)
        entry_of_trade(&m->trades.trades[index], &m->head, member, &out);
    return out;
}

/* ---- numbers by symbol ---- */

/* The key of an entry in track_entries.numbers, for one rule. */
static uint64_t number_key(rule_id rule, const entry *of)
{
    static const uint64_t ODD =
        UINT64_C(0x9e3779b97f4a7c15); /* 2^64 / golden ratio: spreads bits */
    uint64_t key = td_xxh64(of->symbol.data, of->symbol.size) ^ ((uint64_t)rule << 56);
    if (of->category.size > 0)
        key = key * ODD ^ td_xxh64(of->category.data, of->category.size);
    return key ^ (uint64_t)of->position_idx * ODD;
}

/* Get the previous number with an entry's key; *is_new: 1 if absent so far. NULL at the limit.
 */
static symbol_number *number_get(track_entries *e, rule_id rule, const entry *of, int *is_new)
{
    uint64_t key = number_key(rule, of);
    row_probe at = row_probe_of(key);
    *is_new = 0;
    while (row_table_next(&e->by_key, &at)) {
        if (e->numbers[at.row].key == key)
            return &e->numbers[at.row];
    }
    size_t count = e->by_key.count;
    if (count == LIMIT_TRACK_SYMBOLS)
        return NULL;
    td_array_ensure((void **)&e->numbers, &e->number_capacity, count, sizeof *e->numbers);
    row_table_put(&e->by_key, key, count);
    e->numbers[count].key = key;
    *is_new = 1;
    return &e->numbers[count];
}

/* entry_seq_strict, entry_seq_weak: the numbers of each symbol's entries rise (strict), or do not
 * fall (weak). A frame that mixes symbols (a coin's options, an account) has no order itself.
 * Symbols are separate in each category, and each position has the number of its own last change. A
 * seq of -1 means that the position never traded.
 *
 * entry_time_weak: the exchange's time of entries does not fall, for each symbol; the row may name
 * another time of the entries.
 *
 * The verdict has the frame's first entry that breaks the rule; the numbers of all entries are
 * kept. */
static int check_entry_numbers(const rule_view *v, verdict_item *item)
{
    track_entries *e = v->track->entries;
    const message *m = v->facts->message;
    size_t count = message_item_count(m);
    int is_time = v->rule->rule == RULE_ENTRY_TIME_WEAK && v->rule->member == MEMBER_NONE;
    msg_member member = is_time ? MEMBER_EXCHANGE_TIME : v->rule->member;
    int64_t least_step = v->rule->rule == RULE_ENTRY_SEQ_STRICT;
    int is_broken = 0;
    for (size_t i = 0; i < count; i++) {
        entry now = entry_at(m, i, member);
        if (!now.has_number || now.number < 0)
            continue;
        int is_new;
        symbol_number *before = number_get(e, v->rule->rule, &now, &is_new);
        if (before == NULL) {
            e->has_unchecked = 1;
            continue;
        }
        if (!is_new && !is_broken && now.number - least_step < before->last)
            is_broken = rule_broken(item, before->last, now.number);
        before->last = now.number;
    }
    return is_broken;
}

/* ---- unique and rising ids ---- */

/* id_unique: no entry has an id that occurred before on this connection: 0 repeats in 251 and 347
 * trades (docs/wire.md 6.2, 6.5). Finds repeated frames of topics without numbers. */
static int check_id_unique(const rule_view *v, verdict_item *item)
{
    const message *m = v->facts->message;
    track_entries *e = v->track->entries;
    size_t count = message_item_count(m);
    int64_t known = 0;
    for (size_t i = 0; i < count; i++) {
        entry now = entry_at(m, i, v->rule->member);
        known += now.id.size > 0 &&
                 id_is_known(&e->ids, LIMIT_TRACK_IDS, td_xxh64(now.id.data, now.id.size));
    }
    return known == 0 ? 0 : rule_broken(item, 0, known);
}

/* frame_unique: no frame repeats the message of a recent one. For orders, and for tickers and books
 * without a number: each message has its own time or id, so that a repeated push of an order, or a
 * ticker without changes, is still a different message. */
static int check_frame_unique(const rule_view *v, verdict_item *item)
{
    track_entries *e = v->track->entries;
    uint64_t key = canonical_hash(v->facts->message);
    return id_is_known(&e->frames, LIMIT_TRACK_FRAMES, key) ? rule_broken(item, 0, 0) : 0;
}

/* id_ascending: ids are numbers that rise from entry to entry. Evidence: 60 recorded spot trades,
 * with holes (docs/wire.md 6.6). The ids need more than 53 bits.
 *
 * id_dense: they rise by one: aggregate trades of Binance USD-M futures, 87 of 87. Finds every
 * loss.
 *
 * A row may have both: each compares with the frame before, so only the last one keeps this
 * frame's id. */
static int check_ids(const rule_view *v, verdict_item *item)
{
    track_entries *e = v->track->entries;
    const message *m = v->facts->message;
    const int is_dense = v->rule->rule == RULE_ID_DENSE;
    size_t count = message_item_count(m);
    uint64_t last_id = e->last_id;
    uint8_t has_id = e->has_id;
    int is_broken = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t id;
        if (!td_digits_parse(entry_at(m, i, v->rule->member).id, UINT64_MAX, &id))
            continue;
        const int is_bad = is_dense ? id != last_id + 1 : id <= last_id;
        if (has_id && !is_broken && is_bad)
            is_broken = is_dense ? rule_broken(item, (int64_t)(last_id + 1), (int64_t)id)
                                 : rule_broken(item, 0, (int64_t)i);
        last_id = id;
        has_id = 1;
    }
    if (v->track->id_rule == v->rule->rule) {
        e->last_id = last_id;
        e->has_id = has_id;
    }
    return is_broken;
}

/* ---- candles ---- */

/* kline_start: a frame's candle never begins before the candle of the previous frame. */
static int check_kline_start(const rule_view *v, verdict_item *item)
{
    track_entries *e = v->track->entries;
    const message *m = v->facts->message;
    size_t count = message_item_count(m);
    int is_broken = 0;
    for (size_t i = 0; i < count; i++) {
        entry now = entry_at(m, i, MEMBER_START);
        if (!now.has_number)
            continue;
        if (e->has_candle && !is_broken && now.number < e->candle_start)
            is_broken = rule_broken(item, e->candle_start, now.number);
        e->candle_start = now.number;
        e->has_candle = 1;
    }
    return is_broken;
}

static int is_confirmed(const message *m, size_t index)
{
    if (!message_is_record(m))
        return 0;
    const msg_item *at = &m->record.items[index];
    const msg_value *value = msg_value_find(at->values, at->value_count, MEMBER_IS_CONFIRMED);
    return value != NULL && value->type == VALUE_BOOL && value->as.is_true;
}

/* kline_confirm: a closed candle is not sent again; each is confirmed once, by its last frame. */
static int check_kline_confirm(const rule_view *v, verdict_item *item)
{
    track_entries *e = v->track->entries;
    const message *m = v->facts->message;
    size_t count = message_item_count(m);
    int is_broken = 0;
    for (size_t i = 0; i < count; i++) {
        entry now = entry_at(m, i, MEMBER_START);
        if (!now.has_number)
            continue;
        if (e->has_closed && !is_broken && now.number == e->closed_start)
            is_broken = rule_broken(item, e->closed_start, now.number);
        if (is_confirmed(m, i)) {
            e->closed_start = now.number;
            e->has_closed = 1;
        }
    }
    return is_broken;
}

/* ======== rules about frames ======== */

/* Each rule: its meaning, the evidence for it (sections of docs/wire.md), and what it can find. The
 * previous frame is the one of the same connection, topic and symbol; a frame without a previous
 * one breaks no rule about order. */

/* seq_strict: the number rises from frame to frame, by any step. Books: 4,268 of 4,268 steps (6.1);
 * trades: 74 of 74 frames (6.2). Finds repeated and reordered frames, but never a loss, because the
 * number counts the symbol's matching events, of which a topic is only a sample.
 *
 * time_strict: the exchange's time rises, too. Books: 4,268 of 4,268 (6.1). */
static int check_seq_strict(const rule_view *v, verdict_item *item)
{
    const seq_range *before = &v->track->seqs[v->rule->number];
    const seq_range *now = &v->facts->seqs[v->rule->number];
    if (!before->is_known || !now->is_known || now->first > before->last)
        return 0;
    return rule_broken(item, before->last, now->first);
}

/* seq_weak: the number never falls, from frame to frame or inside one. v5 trades: 341 of 341; spot
 * tickers repeat it (6.5).
 *
 * time_weak: the exchange's time never falls, also from trade to trade inside a frame (6.2). */
static int check_seq_weak(const rule_view *v, verdict_item *item)
{
    const seq_range *before = &v->track->seqs[v->rule->number];
    const seq_range *now = &v->facts->seqs[v->rule->number];
    if (!now->is_known)
        return 0;
    if (before->is_known && now->first < before->last)
        return rule_broken(item, before->last, now->first);
    return now->falls ? rule_broken(item, now->first, now->last) : 0;
}

/* seq_dense: the number rises by exactly one. u: 2,142 of 2,142 (6.5); finds every loss. A u of 1
 * restarts the count: the exchange's service was restarted, and the track treats the frame as a
 * snapshot. The evidence for USDC's version is only its samples.
 *
 * seq_step: the number stays, or rises by one. orderbook.1: 194 of 194 steps (6.5); a book that is
 * sent again after 3 s without change repeats its number. A larger step is a loss, which the frame
 * itself repairs, because each frame is a snapshot. */
static int check_seq_dense(const rule_view *v, verdict_item *item)
{
    const seq_range *before = &v->track->seqs[v->rule->number];
    const seq_range *now = &v->facts->seqs[v->rule->number];
    int may_stay = v->rule->rule == RULE_SEQ_STEP;
    if (!before->is_known || before->has_hole || !now->is_known ||
        (may_stay && (now->first == 1 || now->first == before->last)))
        return 0;
    int64_t expected = before->last == INT64_MAX ? INT64_MAX : before->last + 1;
    return now->first == expected ? 0 : rule_broken(item, expected, now->first);
}

/* prev_links: the frame names the number of the topic's frame before it: Deribit 36 of 36 deltas,
 * Binance USD-M futures 760 of 760. Finds every lost, repeated and reordered frame, but not how
 * many are missing, because numbers are ids. A snapshot begins the chain, whatever it names (OKX:
 * -1); any other frame that names none proves nothing, and breaks the rule, because no schema can
 * require of deltas only that they have a link. A number may stay (OKX: a frame without changes) or
 * fall (OKX: after maintenance), as long as the next frame names it. */
static int check_prev_links(const rule_view *v, verdict_item *item)
{
    const seq_range *before = &v->track->seqs[v->rule->number];
    const msg_head *head = &v->facts->message->head;
    if (head->kind == FRAME_SNAPSHOT || !before->is_known || before->has_hole ||
        (head->has_prev_seq && head->prev_seq == before->last))
        return 0;
    return rule_broken(item, before->last, head->has_prev_seq ? head->prev_seq : 0);
}

typedef enum checksum_answer { CHECKSUM_ABSENT, CHECKSUM_RIGHT, CHECKSUM_WRONG } checksum_answer;

/* Compare the frame's checksum with that of the book after the frame. CHECKSUM_ABSENT: the frame
 * or the book lacks one. */
static checksum_answer compare_checksum(const track *t, const frame_facts *f, uint32_t *found)
{
    const msg_head *head = &f->message->head;
    const int is_fetched = t->has_fetched_snapshot && f->is_snapshot; /* deltas came after it */
    if (!head->has_checksum || head->checksum == 0 || is_fetched ||
        !book_checksum(t->book, &t->row->checksum, found))
        return CHECKSUM_ABSENT;
    return head->checksum == (int64_t)*found || head->checksum == (int32_t)*found ? CHECKSUM_RIGHT
                                                                                  : CHECKSUM_WRONG;
}

/* checksum: the frame's checksum is that of the book's best levels after the frame: OKX 290 of 290
 * frames, Kraken 4,269 of 4,269. Finds a lost frame that changed one of these levels, sizes only
 * included, unless the next frame changes the same ones; a change further from the best shows when
 * its level is one of them. 0 means that the exchange computes none (OKX since 2024). Exchanges
 * print the 32 bits as a signed number (OKX) or an unsigned one (Kraken). */
static int check_checksum(const rule_view *v, verdict_item *item)
{
    uint32_t found;
    const int64_t expected = v->facts->message->head.checksum;
    if (compare_checksum(v->track, v->facts, &found) != CHECKSUM_WRONG)
        return 0;
    return rule_broken(item, expected, expected < 0 ? (int32_t)found : (int64_t)found);
}

/* version_differs: the version of spot books is not a number. No order is documented, but it
 * identifies a state of the book: an equal version means a repeated frame (6.6). */
static int check_version_differs(const rule_view *v, verdict_item *item)
{
    td_bytes now = v->facts->message->head.version;
    td_bytes before = td_bytes_of(v->track->version, v->track->version_bytes);
    return before.size > 0 && td_bytes_equal(now, before) ? rule_broken(item, 0, 0) : 0;
}

/* Read the next number of a version, and advance *text past the '_' after it. Numbers beyond 63
 * bits do not occur; they count as INT64_MAX. */
static int64_t version_part(td_bytes *text)
{
    int64_t value = 0;
    size_t i = 0;
    for (; i < text->size && text->data[i] != '_'; i++) {
        int digit = text->data[i] >= '0' && text->data[i] <= '9' ? text->data[i] - '0' : 0;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digit, &value))
            value = INT64_MAX;
    }
    i += i < text->size;
    *text = td_bytes_of(text->data + i, text->size - i);
    return value;
}

/* version_weak: a version has several numbers; the first one that differs from the previous frame's
 * version is higher. Only a hint, because no order is documented (6.6). */
static int check_version_weak(const rule_view *v, verdict_item *item)
{
    td_bytes now = v->facts->message->head.version;
    td_bytes before = td_bytes_of(v->track->version, v->track->version_bytes);
    while (now.size > 0 && before.size > 0) {
        int64_t is = version_part(&now);
        int64_t was = version_part(&before);
        if (is != was)
            return is > was ? 0 : rule_broken(item, was, is);
    }
    return 0;
}

/* seq_frame_equal: all entries of one frame share their number. Inverse trades: 31 of 31 frames
 * with more than one (6.2). With seq_strict, numbers are equal only inside a frame. */
static int check_seq_frame_equal(const rule_view *v, verdict_item *item)
{
    const seq_range *now = &v->facts->seqs[v->rule->number];
    return now->differs ? rule_broken(item, now->first, now->last) : 0;
}

/* anchored: no delta before the topic's snapshot on this connection: 10 of 10 (6.1, 6.3 point 1).
 * Finds a lost snapshot, and a recording that starts in the middle. */
static int check_anchored(const rule_view *v, verdict_item *item)
{
    return v->facts->is_delta && !v->facts->was_anchored ? rule_broken(item, 0, 0) : 0;
}

/* delta_not_empty: a delta has entries: 4,268 of 4,268 (6.3 point 8); no recorded delta of v5 is
 * empty (3.3). An empty one has lost its entries. */
static int check_delta_not_empty(const rule_view *v, verdict_item *item)
{
    return v->facts->is_delta && message_item_count(v->facts->message) == 0
               ? rule_broken(item, 0, 0)
               : 0;
}

/* Rules about one count of the book's outcome (book_outcome), which must be 0.
 *
 * delete_exists: every delete hits a level of its side (4,316 of 4,316; 6.3 point 2). This rule
 * finds most lost frames (6.4).
 *
 * update_exists: every update hits a level of its side (6.3 point 3).
 *
 * update_changes: an update changes the level's size (6.3 point 3); a statistic if the topic's
 * links or the checksum show that no frame is missing.
 *
 * insert_new: every insert creates a level that does not exist after the frame's deletes (6.3 point
 * 4); a snapshot has no price of a side twice.
 *
 * size_positive: a level that is set has a size (6.3 point 5).
 *
 * book_fits: all levels fit our own limits (base/limits.h, 64-bit mantissas). */
static int check_outcome(const rule_view *v, verdict_item *item)
{
    const book_outcome *o = &v->facts->outcome;
    uint32_t found = v->rule->rule == RULE_DELETE_EXISTS    ? o->delete_misses
                     : v->rule->rule == RULE_UPDATE_EXISTS  ? o->update_misses
                     : v->rule->rule == RULE_UPDATE_CHANGES ? o->update_repeats
                     : v->rule->rule == RULE_INSERT_NEW     ? o->insert_hits
                     : v->rule->rule == RULE_SIZE_POSITIVE  ? o->empty_sizes
                                                            : o->overflows + o->out_of_range;
    return found == 0 ? 0 : rule_broken(item, 0, found);
}

/* not_crossed: after each frame the best bid is below the best ask (6.3 point 6); a statistic if
 * the topic's links or the checksum show that no frame is missing. Expected and found are not used:
 * the prices have the book's scale, and the report reads them from the book. */
static int check_not_crossed(const rule_view *v, verdict_item *item)
{
    return v->track->book != NULL && book_is_crossed(v->track->book) ? rule_broken(item, 0, 0) : 0;
}

/* depth: a windowed book has as many levels per side as its topic shows (6.3 points 6 and 7). A
 * thin market may have fewer, so the rule is broken when a side gets more levels than that, and
 * when a side that had enough gets fewer; once for each such change. */
static int check_depth(const rule_view *v, verdict_item *item)
{
    for (int at = SIDE_BUY; at <= SIDE_SELL; at++) {
        if (v->facts->depth[at] == v->track->depth[at] || v->facts->depth[at] == DEPTH_FULL)
            continue;
        if (v->facts->depth[at] == DEPTH_THIN && v->facts->is_snapshot)
            continue;
        return rule_broken(item, v->track->row->book_depth,
                           (int64_t)book_level_count(v->track->book, (msg_side)at));
    }
    return 0;
}

/* depth_max: a book never has more levels a side than its topic shows: 2,142 of 2,142 deltas (6.5).
 * More means that a delete is missing. */
static int check_depth_max(const rule_view *v, verdict_item *item)
{
    for (int at = SIDE_BUY; at <= SIDE_SELL; at++) {
        if (v->facts->depth[at] == DEPTH_OVER)
            return rule_broken(item, v->track->row->book_depth,
                               (int64_t)book_level_count(v->track->book, (msg_side)at));
    }
    return 0;
}

/* symbol_matches: every entry has the topic's symbol (6.3 point 5). For frames with several symbols
 * decoders set "*". */
static int check_symbol_matches(const rule_view *v, verdict_item *item)
{
    uint32_t foreign = v->facts->message->head.foreign_symbols;
    return foreign == 0 ? 0 : rule_broken(item, 0, foreign);
}

/* 1 if a snapshot is equal to the previous frame: it was repeated because nothing changed. */
static int is_repeat(const rule_view *v)
{
    const msg_head *head = &v->facts->message->head;
    return v->facts->was_anchored && v->facts->is_snapshot && head->has_u &&
           v->track->seqs[SEQ_NUMBER_U].was_seen && head->u == v->track->seqs[SEQ_NUMBER_U].last;
}

/* snapshot_reset: a snapshot on a topic that had one: a resubscription, or the exchange started
 * over. Not an error (6.6), but counted. */
static int check_snapshot_reset(const rule_view *v, verdict_item *item)
{
    int is_reset = v->facts->was_anchored && v->facts->is_snapshot && !is_repeat(v);
    return is_reset ? rule_broken(item, 0, 0) : 0;
}

/* snapshot_repeat: level 1 is sent again after 3 s without change, with the same u (6.5). */
static int check_snapshot_repeat(const rule_view *v, verdict_item *item)
{
    int64_t u = v->facts->message->head.u;
    return is_repeat(v) ? rule_broken(item, u, u) : 0;
}

/* ======== the table of rules ======== */

static const rule_check RULES[RULE_COUNT] = {
    [RULE_SEQ_STRICT] = {check_seq_strict, NUMBERS_ABOVE},
    [RULE_SEQ_WEAK] = {check_seq_weak, NUMBERS_AT_LEAST},
    [RULE_SEQ_DENSE] = {check_seq_dense, NUMBERS_NEXT},
    [RULE_SEQ_STEP] = {check_seq_dense, NUMBERS_NEXT},
    [RULE_CHECKSUM] = {check_checksum, NUMBERS_EQUAL, SCOPE_CONTENT},
    [RULE_PREV_LINKS] = {check_prev_links, NUMBERS_BEFORE},
    [RULE_VERSION_DIFFERS] = {check_version_differs, NUMBERS_NONE},
    [RULE_VERSION_WEAK] = {check_version_weak, NUMBERS_AT_LEAST},
    [RULE_ENTRY_SEQ_STRICT] = {check_entry_numbers, NUMBERS_ABOVE, SCOPE_ENTRIES},
    [RULE_ENTRY_SEQ_WEAK] = {check_entry_numbers, NUMBERS_AT_LEAST, SCOPE_ENTRIES},
    [RULE_ENTRY_TIME_WEAK] = {check_entry_numbers, NUMBERS_AT_LEAST, SCOPE_ENTRIES},
    [RULE_ID_UNIQUE] = {check_id_unique, NUMBERS_COUNT, SCOPE_ENTRIES},
    [RULE_ID_ASCENDING] = {check_ids, NUMBERS_NONE, SCOPE_ENTRIES},
    [RULE_ID_DENSE] = {check_ids, NUMBERS_EQUAL, SCOPE_ENTRIES},
    [RULE_FRAME_UNIQUE] = {check_frame_unique, NUMBERS_NONE, SCOPE_ENTRIES},
    [RULE_DELTA_NOT_EMPTY] = {check_delta_not_empty, NUMBERS_NONE},
    [RULE_KLINE_START] = {check_kline_start, NUMBERS_AT_LEAST, SCOPE_ENTRIES},
    [RULE_KLINE_CONFIRM] = {check_kline_confirm, NUMBERS_NONE, SCOPE_ENTRIES},
    [RULE_SEQ_FRAME_EQUAL] = {check_seq_frame_equal, NUMBERS_EQUAL},
    [RULE_TIME_STRICT] = {check_seq_strict, NUMBERS_ABOVE},
    [RULE_TIME_WEAK] = {check_seq_weak, NUMBERS_AT_LEAST},
    [RULE_ANCHORED] = {check_anchored, NUMBERS_NONE},
    [RULE_DELETE_EXISTS] = {check_outcome, NUMBERS_COUNT, SCOPE_CONTENT},
    [RULE_UPDATE_EXISTS] = {check_outcome, NUMBERS_COUNT, SCOPE_CONTENT},
    [RULE_UPDATE_CHANGES] = {check_outcome, NUMBERS_COUNT, SCOPE_CONTENT},
    [RULE_INSERT_NEW] = {check_outcome, NUMBERS_COUNT, SCOPE_CONTENT},
    [RULE_NOT_CROSSED] = {check_not_crossed, NUMBERS_NONE, SCOPE_CONTENT},
    [RULE_DEPTH] = {check_depth, NUMBERS_EQUAL, SCOPE_CONTENT},
    [RULE_DEPTH_MAX] = {check_depth_max, NUMBERS_AT_MOST, SCOPE_CONTENT},
    [RULE_SYMBOL_MATCHES] = {check_symbol_matches, NUMBERS_COUNT},
    [RULE_SIZE_POSITIVE] = {check_outcome, NUMBERS_COUNT},
    [RULE_BOOK_FITS] = {check_outcome, NUMBERS_COUNT, SCOPE_CONTENT},
    [RULE_SNAPSHOT_RESET] = {check_snapshot_reset, NUMBERS_NONE},
    [RULE_SNAPSHOT_REPEAT] = {check_snapshot_repeat, NUMBERS_NONE},
    /* Without a function: rules across topics (book/audit.h). */
    [RULE_BOOKS_AGREE] = {NULL, NUMBERS_STATES},
    [RULE_LINES_AGREE] = {NULL, NUMBERS_STATES},
    [RULE_BEST_AGREES] = {NULL, NUMBERS_NONE},
    [RULE_TRADES_COMPLETE] = {NULL, NUMBERS_SUMS},
};

/* The check of a rule; its fn is NULL if the rule is about several topics. */
static const rule_check *rule_check_find(rule_id rule)
{
    TD_ASSERT(rule > RULE_NONE);
    TD_ASSERT(rule < RULE_COUNT);
    return &RULES[rule];
}

/* ======== verdicts ======== */

/* Number of frames lost; negative if the number fell. */
static int64_t frames_lost(const verdict_item *item)
{
    int64_t lost;
    return __builtin_sub_overflow(item->found, item->expected, &lost) ? 0 : lost;
}

void verdict_item_text(const verdict_item *item, char out[VERDICT_TEXT_BYTES])
{
    static const char *const BOUNDS[] = {[NUMBERS_NEXT] = "",
                                         [NUMBERS_ABOVE] = "above ",
                                         [NUMBERS_AT_LEAST] = "at least ",
                                         [NUMBERS_EQUAL] = "",
                                         [NUMBERS_AT_MOST] = "at most "};
    char grew[TD_DECIMAL_TEXT_BYTES];
    char came[TD_DECIMAL_TEXT_BYTES];
    rule_numbers numbers = rule_check_find(item->rule)->numbers;
    int64_t lost = numbers == NUMBERS_NEXT ? frames_lost(item) : 0;
    int size;
    out[0] = '\0';
    switch (numbers) { /* each text fits */
    case NUMBERS_NONE:
        break;
    case NUMBERS_NEXT:
    case NUMBERS_ABOVE:
    case NUMBERS_AT_LEAST:
    case NUMBERS_EQUAL:
    case NUMBERS_AT_MOST:
        size = snprintf(out, VERDICT_TEXT_BYTES, "expected %s%" PRId64 ", found %" PRId64,
                        BOUNDS[numbers], item->expected, item->found);
        if (lost > 0)
            (void)snprintf(out + size, VERDICT_TEXT_BYTES - (size_t)size, ": %" PRId64 " lost",
                           lost);
        break;
    case NUMBERS_BEFORE:
        (void)snprintf(out, VERDICT_TEXT_BYTES,
                       "it follows %" PRId64 ", the frame before is %" PRId64, item->found,
                       item->expected);
        break;
    case NUMBERS_COUNT:
        (void)snprintf(out, VERDICT_TEXT_BYTES, "in %" PRId64 " %s", item->found,
                       item->found == 1 ? "entry" : "entries");
        break;
    case NUMBERS_STATES:
        (void)snprintf(out, VERDICT_TEXT_BYTES, "equal at %" PRId64 ", not at %" PRId64,
                       item->expected, item->found);
        break;
    case NUMBERS_SUMS:
        (void)td_decimal_format((td_decimal){item->expected, 8}, grew);
        (void)td_decimal_format((td_decimal){item->found, 8}, came);
        (void)snprintf(out, VERDICT_TEXT_BYTES,
                       "the candle grew by %s, the trades that came add %s", grew, came);
        break;
    }
}

int64_t verdict_frames_lost(const verdict *v)
{
    for (uint32_t i = 0; i < v->count; i++) {
        const verdict_item *item = &v->items[i];
        if (item->strength == STRENGTH_ERROR &&
            rule_check_find(item->rule)->numbers == NUMBERS_NEXT)
            return frames_lost(item);
    }
    return 0;
}

const verdict_item *verdict_violation(const verdict *v)
{
    TD_ASSERT(v->count <= VERDICT_ITEMS_MAX);
    for (uint32_t i = 0; i < v->count; i++) {
        if (v->items[i].strength == STRENGTH_ERROR)
            return &v->items[i];
    }
    return NULL;
}

/* ======== tracks ======== */

#define TRACK_MAGIC UINT32_C(0x7472616b)

/* ---- rules of a track ---- */

static void add_rule(track *t, const rule_row *row)
{
    for (uint32_t i = 0; i < t->rule_count; i++) {
        if (t->rules[i].rule == row->rule && t->rules[i].member == row->member)
            return;
    }
    TD_ASSERT(t->rule_count < VERDICT_ITEMS_MAX);
    const rule_check *check = rule_check_find(row->rule);
    if (check->fn == NULL) /* across topics: book/audit.h checks it */
        return;
    if (check->fn != check_outcome)
        t->others[t->other_count++] = (uint8_t)t->rule_count;
    t->rules[t->rule_count++] =
        (track_rule){.fn = check->fn,
                     .rule = row->rule,
                     .strength = row->strength,
                     .scope = check->scope,
                     .member = row->member,
                     .number = seq_number_of(row->rule == RULE_PREV_LINKS ? topic_row_number(t->row)
                                                                          : row->member)};
}

/* 1 if each frame is a whole book: frames have no type, and the row has neither deltas nor deletes
 * (spot depth, USDC orderbook25). */
static int sends_full_books(const topic_row *row)
{
    for (size_t i = 0; i < TOPIC_ITEMS_MAX && row->items[i].path != NULL; i++) {
        const items_row *items = &row->items[i];
        if (items->action != ACTION_SET || items->kind == FRAME_DELTA ||
            (items->flags & ITEMS_ZERO_DELETES) != 0)
            return 0;
    }
    return row->type == MSG_BOOK_CHANGE && row->items[0].path != NULL;
}

/* Set everything that depends on the topic's row in the schema. */
static void set_row(track *t, const topic_row *row)
{
    static const rule_row FITS = {RULE_BOOK_FITS, STRENGTH_ERROR, MEMBER_NONE};
    static const rule_row RESET = {RULE_SNAPSHOT_RESET, STRENGTH_STATISTIC, MEMBER_NONE};
    t->row = row;
    t->rule_count = 0;
    t->other_count = 0;
    t->needs_anchor = 0;
    t->restarts = 0;
    t->has_dense_ids = 0;
    t->id_rule = RULE_NONE;
    t->is_linked = 0;
    t->is_proven = topic_proof_of(row) == PROOF_PROVEN;
    t->is_full = (uint8_t)sends_full_books(row);
    t->has_fetched_snapshot = row->snapshot_request != NULL;
    int needs_entries = 0;
    for (size_t i = 0; i < TOPIC_RULES_MAX && row->rules[i].rule != RULE_NONE; i++) {
        const rule_row *rule = &row->rules[i];
        TD_ASSERT(rule->rule != RULE_DEPTH || row->book_depth > 0);
        TD_ASSERT(rule->rule != RULE_DEPTH_MAX || row->book_depth > 0);
        TD_ASSERT(rule->rule != RULE_CHECKSUM || (t->book != NULL && row->checksum.levels > 0));
        t->needs_anchor |= rule->rule == RULE_ANCHORED;
        t->restarts |= rule->rule == RULE_SEQ_DENSE && rule->member == MEMBER_U;
        t->has_dense_ids |= rule->rule == RULE_ID_DENSE;
        if (rule->rule == RULE_ID_DENSE || rule->rule == RULE_ID_ASCENDING)
            t->id_rule = (uint8_t)rule->rule;
        t->is_linked |= rule->rule == RULE_SEQ_DENSE || rule->rule == RULE_PREV_LINKS;
        needs_entries |= rule_check_find(rule->rule)->scope == SCOPE_ENTRIES;
        add_rule(t, rule);
    }
    t->needs_anchor |= t->has_fetched_snapshot;
    if (t->book != NULL && row->checksum.levels > 0 && row->checksum.order != CHECKSUM_ORDERS)
        book_keep_written(t->book);
    else if (t->book != NULL)
        book_forget_written(t->book);
    if (t->book != NULL)
        add_rule(t, &FITS);
    if (t->needs_anchor)
        add_rule(t, &RESET);
    if (needs_entries && t->entries == NULL)
        t->entries = track_entries_open();
}

/* ---- opening and closing ---- */

static void forget_predecessor(track *t)
{
    for (size_t i = 0; i < SEQ_NUMBERS; i++)
        t->seqs[i].is_known = 0;
    t->version_bytes = 0;
}

void track_reset(track *t)
{
    TD_ASSERT(t->magic == TRACK_MAGIC);
    t->is_anchored = !t->needs_anchor;
    t->is_broken = 0;
    t->has_snapshot = 0;
    t->crossed_frames = 0;
    t->is_ahead = 0;
    forget_predecessor(t);
    delta_queue_clear(&t->waiting);
    if (t->entries != NULL)
        track_entries_forget(t->entries);
}

track *track_open(const topic_row *row)
{
    TD_ASSERT(row != NULL);
    track *made = td_alloc_zero(1, sizeof *made);
    made->magic = TRACK_MAGIC;
    if (msg_type_has_book(row->type))
        made->book = book_open(row->book_depth);
    if (row->type == MSG_BOOK_ORDERS)
        book_keep_orders(made->book);
    set_row(made, row);
    track_reset(made);
    return made;
}

void track_close(track *t)
{
    if (t == NULL)
        return;
    TD_ASSERT(t->magic == TRACK_MAGIC);
    book_close(t->book);
    track_entries_close(t->entries);
    delta_queue_fini(&t->waiting);
    t->magic = 0;
    td_free(t);
}

void track_set_row(track *t, const topic_row *row)
{
    TD_ASSERT(t->magic == TRACK_MAGIC);
    TD_ASSERT(row->type == t->row->type);
    if (row == t->row)
        return;
    int was_anchored = t->is_anchored;
    set_row(t, row);
    /* The book is still valid: it needs no new snapshot, unless it never had one. */
    t->is_anchored = (uint8_t)(was_anchored || !t->needs_anchor);
}

/* ---- queries ---- */

size_t track_bytes(const track *t)
{
    TD_ASSERT(t->magic == TRACK_MAGIC);
    return sizeof *t + (t->book == NULL ? 0 : book_bytes(t->book)) +
           (t->entries == NULL ? 0 : track_entries_bytes(t->entries)) +
           delta_queue_bytes(&t->waiting);
}

const topic_row *track_row(const track *t)
{
    return t->row;
}

const book *track_book(const track *t)
{
    return t->book;
}

void track_hash(track *t, td_hasher *into)
{
    if (t->book != NULL)
        book_hash(t->book, into);
}

uint64_t track_hash_best(track *t, uint32_t depth)
{
    TD_ASSERT(t->book != NULL);
    return book_hash_best(t->book, depth);
}

int track_is_broken(const track *t)
{
    return t->is_broken || !t->is_anchored || t->is_ahead;
}

int track_needs_levels(const track *t)
{
    return t->has_fetched_snapshot && !track_is_broken(t) && book_is_narrow(t->book);
}

int track_has_snapshot(const track *t)
{
    return t->has_snapshot;
}

size_t track_waiting_count(const track *t)
{
    return t->waiting.count;
}

int track_is_linked(const track *t)
{
    return t->is_linked;
}

void track_last(const track *t, track_seqs *out)
{
    const seq_range *cross_seq = &t->seqs[SEQ_NUMBER_CROSS];
    const seq_range *u = &t->seqs[SEQ_NUMBER_U];
    const seq_range *seq = &t->seqs[SEQ_NUMBER_SEQ];
    *out = (track_seqs){cross_seq->last,     u->last,     seq->last,
                        cross_seq->was_seen, u->was_seen, seq->was_seen};
}

/* ======== applying frames ======== */

/* 1 if the exchange's service restarted, and its u with it (docs/wire.md 3.3). */
static int is_restart(const track *t, const msg_head *head)
{
    return t->restarts && head->has_u && head->u == 1;
}

/* 1 if the frame replaces all earlier content: by its type, because the topic sends nothing else,
 * or because the exchange reports a restart. */
static int replaces_all(const track *t, const msg_head *head)
{
    if (head->kind == FRAME_SNAPSHOT)
        return 1;
    return (t->is_full && head->kind == FRAME_UNTYPED) ||
           (is_restart(t, head) && head->kind == FRAME_DELTA && !t->has_fetched_snapshot);
}

/* 1 if the topic's links or the frame's checksum prove that the book has all changes until this
 * frame. A fetched snapshot is outside the links, so they prove only the deltas after it: a book
 * that stays crossed for several frames began wrong. */
static int is_proven(const track *t, const frame_facts *f)
{
    uint32_t found;
    if (t->row->checksum.levels > 0 && (compare_checksum(t, f, &found) == CHECKSUM_RIGHT ||
                                        (f->is_snapshot && !t->has_fetched_snapshot)))
        return 1;
    return t->is_proven && (!t->has_fetched_snapshot || t->crossed_frames <= CROSSED_FRAMES_MAX);
}

/* How strong a broken rule is. A book may be crossed for a moment, and a change may repeat a size:
 * both only hint at a lost frame, and count as statistics if none can be missing. The other rules
 * about levels contradict the book before the frame, whatever the links prove. (Out of line, so
 * that check_rule is inlined: 120 instructions a frame.) */
static __attribute__((noinline)) rule_strength strength_of(const track *t, const track_rule *rule,
                                                           const frame_facts *f)
{
    const int is_hint = rule->rule == RULE_NOT_CROSSED || rule->rule == RULE_UPDATE_CHANGES;
    return is_hint && is_proven(t, f) ? STRENGTH_STATISTIC : rule->strength;
}

static void check_rule(rule_view *view, const track_rule *rule, verdict *out)
{
    verdict_item item;
    if (rule->scope == SCOPE_CONTENT && !view->facts->checks_content)
        return;
    view->rule = rule;
    if (TD_LIKELY(!rule->fn(view, &item)))
        return;
    item.rule = rule->rule;
    item.strength = strength_of(view->track, rule, view->facts);
    out->items[out->count++] = item;
}

static int is_clean(const book_outcome *o)
{
    return (o->delete_misses | o->update_misses | o->update_repeats | o->insert_hits |
            o->empty_sizes | o->overflows | o->out_of_range) == 0;
}

static void check_rules(track *t, const frame_facts *f, verdict *out)
{
    rule_view view = {.track = t, .facts = f};
    TD_ASSERT_SLOW(t->other_count <= t->rule_count);
    if (TD_UNLIKELY(t->has_fetched_snapshot))
        t->crossed_frames = book_is_crossed(t->book) ? t->crossed_frames + 1 : 0;
    if (TD_LIKELY(is_clean(&f->outcome))) {
        for (uint32_t i = 0; i < t->other_count; i++)
            check_rule(&view, &t->rules[t->others[i]], out);
        return;
    }
    for (uint32_t i = 0; i < t->rule_count; i++)
        check_rule(&view, &t->rules[i], out);
}

/* Keep the numbers that the next frame is compared with. A number that fell is kept, too, so that
 * each fall is one violation, not one for every later frame. */
static void remember(track *t, const frame_facts *f)
{
    for (size_t i = 0; i < SEQ_NUMBERS; i++) {
        if (!f->seqs[i].is_known)
            continue;
        t->seqs[i] = f->seqs[i];
        t->seqs[i].was_seen = 1;
    }
    td_bytes version = f->message->head.version;
    if (TD_UNLIKELY(version.size > 0)) {
        t->version_bytes = version.size <= VERSION_BYTES ? (uint32_t)version.size : 0;
        memcpy(t->version, version.data, t->version_bytes);
    }
    t->depth[SIDE_BUY] = f->depth[SIDE_BUY];
    t->depth[SIDE_SELL] = f->depth[SIDE_SELL];
}

/* 1 if the frame's errors only show that earlier frames were lost: a frame that replaces everything
 * then repairs the book. If a number fell, the frame itself may be an old one. */
static int is_only_loss(const verdict *v)
{
    for (uint32_t i = 0; i < v->count; i++) {
        const verdict_item *item = &v->items[i];
        const int is_loss = item->rule == RULE_SEQ_STEP || item->rule == RULE_PREV_LINKS;
        if (item->strength == STRENGTH_ERROR && (!is_loss || item->found < item->expected))
            return 0;
    }
    return 1;
}

/* ---- snapshots that come apart from the deltas ---- */

/* 1 if no delta after this number is unknown: all since then wait, or none came. A delta that broke
 * the book by its content, or that is too large to wait, is in no queue; the number of one that
 * could not be decoded is not known. */
static int has_deltas_after(const track *t, int64_t u)
{
    const seq_range *last = &t->seqs[SEQ_NUMBER_U];
    if (t->waiting.count > 0)
        return t->waiting.deltas[0].after_u <= u;
    return !last->is_known || (!last->has_hole && last->last <= u);
}

/* The snapshot was made at some moment before or after the last delta. If the book needs it, and
 * the deltas since that moment are known, the book is now that of the last delta; if the snapshot
 * is the newer one, the deltas until its u are already in it. */
static void apply_spliced_snapshot(track *t, const message *m, verdict *out)
{
    frame_facts facts = {.message = m, .is_snapshot = 1, .was_anchored = t->is_anchored};
    const int64_t u = m->head.u;
    out->count = 0;
    out->exchange_ns = m->head.exchange_ns;
    out->is_snapshot = out->is_spliced = 0;
    out->is_unused = 1;
    out->unchecked = track_is_broken(t) != 0;
    if (!out->unchecked && !track_needs_levels(t))
        return; /* deltas keep the book right: it needs no other snapshot */
    if (!m->head.has_u || !has_deltas_after(t, u))
        return;
    book_replace(t->book, &m->book, &facts.outcome);
    for (msg_side at = SIDE_BUY; at <= SIDE_SELL; at++)
        if (family_snapshot_is_cut(t->row, book_level_count(t->book, at)))
            book_limit(t->book, at);
    delta_queue_apply(&t->waiting, u, t->book);
    delta_queue_clear(&t->waiting);
    t->snapshot_u = u;
    t->ahead_ns = m->head.exchange_ns == 0 ? UINT64_MAX : m->head.exchange_ns + AHEAD_NS_MAX;
    t->is_broken = t->is_ahead = 0;
    t->is_anchored = t->has_snapshot = 1;
    facts.checks_content = 1;
    const uint64_t last_ns = (uint64_t)t->seqs[SEQ_NUMBER_TIME].last;
    if (t->seqs[SEQ_NUMBER_U].is_known && t->seqs[SEQ_NUMBER_U].last > u &&
        last_ns > out->exchange_ns)
        out->exchange_ns = last_ns;
    out->is_snapshot = out->is_spliced = 1;
    out->is_unused = out->unchecked = 0;
    check_rules(t, &facts, out);
    t->is_broken = verdict_violation(out) != NULL;
}

/* The number that a delta follows. Deltas that have no links, because their numbers are times,
 * follow the last one; the first one may follow any number before its own. */
static int64_t number_before(const track *t, const msg_head *delta)
{
    const seq_range *last = &t->seqs[SEQ_NUMBER_U];
    if (t->is_linked)
        return delta_number_before(delta);
    return last->is_known && !last->has_hole && last->last < delta->u ? last->last : delta->u;
}

/* Before a delta is applied: find out whether the book still needs a snapshot, and keep the delta
 * for it. Returns 0 if the snapshot in the book has the delta. */
static int take_spliced_delta(track *t, const message *m)
{
    const seq_range *last = &t->seqs[SEQ_NUMBER_U];
    const int64_t u = m->head.u;
    const int64_t after_u = number_before(t, &m->head);
    const int is_next = last->is_known && !last->has_hole && after_u == last->last;
    if (is_restart(t, &m->head)) {
        /* Whatever changed in the exchange, clients must get another snapshot. */
        forget_predecessor(t);
        book_clear(t->book);
        t->is_anchored = t->is_broken = 0;
    } else if (!last->is_known && t->is_anchored && after_u > t->snapshot_u) {
        t->is_anchored = 0; /* deltas between the snapshot and the first one are unknown */
    }
    if (!t->is_anchored || u > t->snapshot_u) {
        t->is_ahead = 0; /* the stream has reached the snapshot */
    } else {
        const uint64_t lagging_ns = m->head.exchange_ns + AHEAD_LAG_NS_MAX;
        t->ahead_ns = t->ahead_ns < lagging_ns ? t->ahead_ns : lagging_ns;
        t->is_ahead |= m->head.exchange_ns > t->ahead_ns;
    }
    const int waits = track_is_broken(t) || track_needs_levels(t);
    if (!is_next || !waits)
        delta_queue_clear(&t->waiting);
    if (waits || (last->is_known && !is_next))
        delta_queue_push(&t->waiting, &m->book, after_u);
    return !t->is_anchored || t->is_broken || u > t->snapshot_u;
}

void track_apply(track *t, const message *m, verdict *out)
{
    TD_ASSERT(t->magic == TRACK_MAGIC);
    TD_ASSERT(t->book == NULL || msg_type_has_book(m->head.type));
    if (TD_UNLIKELY(t->has_fetched_snapshot) && m->head.kind == FRAME_SNAPSHOT) {
        apply_spliced_snapshot(t, m, out);
        return;
    }
    const int was_ahead = t->is_ahead;
    int changes_book = !TD_UNLIKELY(t->has_fetched_snapshot) || take_spliced_delta(t, m);
    frame_facts facts = {.message = m,
                         .is_snapshot = (uint8_t)replaces_all(t, &m->head),
                         .was_anchored = t->is_anchored};
    facts.is_delta = m->head.kind == FRAME_DELTA && !facts.is_snapshot;
    if (facts.is_snapshot) {
        t->is_broken = 0;
        t->is_anchored = 1;
        t->has_snapshot = 1;
        /* Everything starts over. But if the topic needs no snapshot, because every frame is
         * complete, the frame only repairs the book and numbers continue, unless the service
         * restarted. */
        if (t->needs_anchor || is_restart(t, &m->head))
            forget_predecessor(t);
    } else if (t->book == NULL && !t->needs_anchor) {
        /* No frame depends on an earlier one (trades, candles, orders): an error concerns one frame
         * only. */
        t->is_broken = 0;
    }
    facts.checks_content = !track_is_broken(t);
    if (t->book != NULL) {
        if (TD_UNLIKELY(m->head.type == MSG_BOOK_ORDERS))
            book_apply_orders(t->book, &m->record, facts.is_snapshot ? BOOK_REPLACES : BOOK_CHANGES,
                              &facts.outcome);
        else if (facts.is_snapshot)
            book_replace(t->book, &m->book, &facts.outcome);
        else if (TD_LIKELY(changes_book))
            book_apply(t->book, &m->book, &facts.outcome);
        if (TD_UNLIKELY(t->row->truncates))
            book_truncate(t->book, t->row->book_depth);
    }
    frame_facts_gather(t, m, &facts);

    out->count = 0;
    out->is_snapshot = facts.is_snapshot;
    out->is_spliced = 0;
    out->exchange_ns = m->head.exchange_ns;
    if (TD_UNLIKELY(was_ahead) && facts.checks_content)
        out->is_snapshot = out->is_spliced = 1; /* the snapshot is used from here on */
    out->is_unused = !changes_book;
    out->unchecked = t->book != NULL && !facts.checks_content;
    check_rules(t, &facts, out);
    if (TD_UNLIKELY(t->entries != NULL)) {
        out->unchecked |= t->entries->has_unchecked;
        t->entries->has_unchecked = 0;
    }
    int is_mended = facts.is_snapshot && is_only_loss(out);
    if (verdict_violation(out) != NULL && !is_mended)
        t->is_broken = 1;
    remember(t, &facts);
}

void track_skip(track *t)
{
    TD_ASSERT(t->magic == TRACK_MAGIC);
    t->is_broken = 1;
    delta_queue_clear(&t->waiting);
    for (size_t i = 0; i < SEQ_NUMBERS; i++)
        t->seqs[i].has_hole = 1; /* the frame's numbers are unknown, which breaks no rule */
    if (t->entries != NULL && t->has_dense_ids)
        t->entries->has_id = 0;
}

void track_join(track *t)
{
    track_skip(t);
    t->is_anchored = 1;
}

/* ======== save, load ======== */

/* Save or load the numbers, in the order of first appearance. */
static void numbers_serialize(track_entries *e, state_io *io)
{
    uint32_t count = state_count(io, e->by_key.count, LIMIT_TRACK_SYMBOLS, sizeof e->numbers[0]);
    for (uint32_t i = 0; i < count; i++) {
        td_array_ensure((void **)&e->numbers, &e->number_capacity, i, sizeof *e->numbers);
        state_u64(io, &e->numbers[i].key);
        state_i64(io, &e->numbers[i].last);
        if (state_is_loading(io))
            row_table_put(&e->by_key, e->numbers[i].key, i);
    }
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Save or load the newest ids of both sets, the older set first. Not all ids: they are random
 * bytes, and would be most of a state. */
static void ids_serialize(id_history *ids, uint32_t most, state_io *io)
{
    size_t kept[2]; /* of the older and the newer set */
    kept[1] = least(ids->sets[ids->newer].by_key.count, LIMIT_STATE_IDS);
    kept[0] = least(ids->sets[ids->newer ^ 1].by_key.count, LIMIT_STATE_IDS - kept[1]);
    for (uint32_t i = 0; i < 2; i++) {
        id_set *set = &ids->sets[ids->newer ^ 1 ^ i];
        size_t first = state_is_loading(io) ? 0 : set->by_key.count - kept[i];
        uint32_t count = state_count(io, kept[i], most, sizeof *set->keys);
        for (uint32_t k = 0; k < count; k++) {
            uint64_t key = state_is_loading(io) ? 0 : set->keys[first + k];
            state_u64(io, &key);
            if (state_is_loading(io))
                id_set_add(set, key);
        }
    }
}

/* Save the state, or load it into a new one. */
static void track_entries_serialize(track_entries *e, state_io *io)
{
    TD_ASSERT(!e->has_unchecked); /* reset after each frame */
    numbers_serialize(e, io);
    ids_serialize(&e->ids, LIMIT_TRACK_IDS, io);
    ids_serialize(&e->frames, LIMIT_TRACK_FRAMES, io);
    state_i64(io, &e->candle_start);
    state_i64(io, &e->closed_start);
    state_flag(io, &e->has_candle);
    state_flag(io, &e->has_closed);
    state_flag(io, &e->has_id);
    state_u64(io, &e->last_id);
}

/* Save or load the part of a range that rules need of the previous frame. */
static void seq_range_serialize(seq_range *c, state_io *io)
{
    state_flag(io, &c->is_known);
    state_flag(io, &c->was_seen);
    state_flag(io, &c->has_hole);
    state_i64(io, &c->last);
}

static void depth_serialize(depth_state *depth, state_io *io)
{
    uint8_t is = (uint8_t)*depth;
    state_u8(io, &is);
    state_check(io, is <= DEPTH_OVER);
    *depth = (depth_state)(is % (DEPTH_OVER + 1));
}

void track_serialize(track *t, state_io *io)
{
    TD_ASSERT(t->magic == TRACK_MAGIC);
    state_flag(io, &t->is_anchored);
    state_flag(io, &t->is_broken);
    state_flag(io, &t->has_snapshot);
    for (size_t i = 0; i < SEQ_NUMBERS; i++)
        seq_range_serialize(&t->seqs[i], io);
    depth_serialize(&t->depth[SIDE_BUY], io);
    depth_serialize(&t->depth[SIDE_SELL], io);
    t->version_bytes = state_count(io, t->version_bytes, VERSION_BYTES, 1);
    state_raw(io, t->version, t->version_bytes);
    uint8_t has_entries = t->entries != NULL; /* even if only an earlier row needed them */
    state_flag(io, &has_entries);
    if (has_entries && t->entries == NULL)
        t->entries = track_entries_open();
    state_check(io, has_entries || t->entries == NULL);
    if (has_entries)
        track_entries_serialize(t->entries, io);
    if (t->book != NULL)
        book_serialize(t->book, io);
    if (!t->has_fetched_snapshot)
        return;
    if (io->version < TRACK_SPLICED_VERSION) { /* the book began with its first delta */
        track_reset(t);
        return;
    }
    state_i64(io, &t->snapshot_u);
    delta_queue_serialize(&t->waiting, io);
    if (io->version < TRACK_WINDOW_VERSION) {
        if (state_is_loading(io) && family_snapshot_has_limit(t->row))
            track_reset(t); /* which levels are known is not */
        return;
    }
    state_u32(io, &t->crossed_frames);
    state_u64(io, &t->ahead_ns);
    state_flag(io, &t->is_ahead);
}
