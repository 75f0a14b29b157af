/* Rules about single entries of a frame: the order of each symbol that they name, ids and frames
 * that come once, candles that close once. What they remember is bounded (base/limits.h), grows by
 * doubling, and is made only for topics that have such a rule. */
#include "book/continuity_impl.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/slot_table.h"
#include "schema/canonical.h"

enum {
    IDS_MIN = 64,     /* ids to begin with; a power of two */
    ID_TEXT_MAX = 40, /* bytes of an id that is compared as a number; the longest has 19 digits */
};
_Static_assert((LIMIT_TRACK_IDS & (LIMIT_TRACK_IDS - 1)) == 0, "tables double up to it");
_Static_assert((LIMIT_TRACK_FRAMES & (LIMIT_TRACK_FRAMES - 1)) == 0 &&
                   (int)LIMIT_TRACK_FRAMES >= (int)IDS_MIN,
               "likewise");

/* The last number of one symbol for one rule; of one position of a symbol, and of one category,
 * where entries say those. They are known by 64 bits of hash: two of 4,096 collide once in 10^12
 * tapes. */
typedef struct symbol_number {
    uint64_t key;
    int64_t last;
} symbol_number;

/* Ids as hashes: a ring in order of coming, and a set of the same, open addressing. */
typedef struct id_memory {
    uint64_t *ring;
    uint64_t *set; /* twice as many slots; 0: free */
    uint32_t capacity;
    uint32_t count;
    uint32_t oldest; /* index into ring */
} id_memory;

struct track_entries {
    symbol_number *numbers;
    size_t number_capacity;
    slot_table by_key; /* of numbers */
    id_memory ids;
    id_memory frames;     /* canonical hashes of messages */
    int64_t candle_start; /* ns; if has_candle */
    int64_t closed_start; /* of the last candle that was closed; if has_closed */
    uint8_t has_candle;
    uint8_t has_closed;
    uint8_t unjudged;
    uint8_t last_id_bytes;
    char last_id[ID_TEXT_MAX];
};

track_entries *track_entries_open(void)
{
    return td_alloc_zero(1, sizeof(track_entries));
}

static void ids_fini(id_memory *ids)
{
    td_free(ids->ring);
    td_free(ids->set);
}

static size_t ids_bytes(const id_memory *ids)
{
    return ids->capacity * (sizeof *ids->ring + 2 * sizeof *ids->set);
}

static void ids_forget(id_memory *ids)
{
    if (ids->capacity > 0)
        memset(ids->set, 0, 2 * (size_t)ids->capacity * sizeof *ids->set);
    ids->count = 0;
    ids->oldest = 0;
}

void track_entries_close(track_entries *e)
{
    if (e == NULL)
        return;
    td_free(e->numbers);
    slot_table_fini(&e->by_key);
    ids_fini(&e->ids);
    ids_fini(&e->frames);
    td_free(e);
}

size_t track_entries_bytes(const track_entries *e)
{
    return sizeof *e + e->number_capacity * sizeof *e->numbers +
           e->by_key.capacity * sizeof *e->by_key.slots + ids_bytes(&e->ids) +
           ids_bytes(&e->frames);
}

static int id_is_known(id_memory *ids, uint32_t most, uint64_t key);

/* Numbers in the order in which they were first seen. */
static void numbers_walk(track_entries *e, state_io *io)
{
    uint32_t count = state_count(io, e->by_key.count, LIMIT_TRACK_SYMBOLS, sizeof e->numbers[0]);
    for (uint32_t i = 0; i < count; i++) {
        td_array_ensure((void **)&e->numbers, &e->number_capacity, i, sizeof *e->numbers);
        state_u64(io, &e->numbers[i].key);
        state_i64(io, &e->numbers[i].last);
        if (state_is_loading(io))
            slot_table_put(&e->by_key, e->numbers[i].key, i);
    }
}

/* Oldest first. */
static void ids_walk(id_memory *ids, uint32_t most, state_io *io)
{
    uint32_t count = state_count(io, ids->count, most, sizeof *ids->ring);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t key = 0;
        if (!state_is_loading(io))
            key = ids->ring[(ids->oldest + i) % ids->capacity];
        state_u64(io, &key);
        if (state_is_loading(io))
            state_check(io, key != 0 && !id_is_known(ids, most, key));
    }
}

void track_entries_walk(track_entries *e, state_io *io)
{
    TD_ASSERT(!e->unjudged); /* which lasts for one frame */
    numbers_walk(e, io);
    ids_walk(&e->ids, LIMIT_TRACK_IDS, io);
    ids_walk(&e->frames, LIMIT_TRACK_FRAMES, io);
    state_i64(io, &e->candle_start);
    state_i64(io, &e->closed_start);
    state_flag(io, &e->has_candle);
    state_flag(io, &e->has_closed);
    e->last_id_bytes = (uint8_t)state_count(io, e->last_id_bytes, ID_TEXT_MAX, 1);
    state_raw(io, e->last_id, e->last_id_bytes);
}

void track_entries_forget(track_entries *e)
{
    slot_table_clear(&e->by_key);
    ids_forget(&e->ids);
    ids_forget(&e->frames);
    e->has_candle = 0;
    e->has_closed = 0;
    e->last_id_bytes = 0;
}

int track_entries_take_unjudged(track_entries *e)
{
    int was = e->unjudged;
    e->unjudged = 0;
    return was;
}

int rule_needs_entries(rule_id rule)
{
    switch ((unsigned)rule) {
    case RULE_ENTRY_SEQ_STRICT:
    case RULE_ENTRY_SEQ_WEAK:
    case RULE_ENTRY_TIME_WEAK:
    case RULE_ID_UNIQUE:
    case RULE_ID_ASCENDING:
    case RULE_FRAME_UNIQUE:
    case RULE_KLINE_START:
    case RULE_KLINE_CONFIRM:
        return 1;
    default:
        return 0;
    }
}

/* ---- content of an entry ---- */

typedef struct entry {
    td_bytes symbol;
    td_bytes category; /* empty unless the topic mixes them: BTCUSDT is spot and linear */
    td_bytes id;
    int64_t number;
    int64_t position_idx; /* which of a symbol's positions; 0 where there is one */
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

/* What an entry's number is ordered with, for one rule. */
static uint64_t number_key(rule_id rule, const entry *of)
{
    static const uint64_t ODD =
        UINT64_C(0x9e3779b97f4a7c15); /* spreads bits: 2^64 / golden ratio */
    uint64_t key = td_xxh64(of->symbol.data, of->symbol.size) ^ ((uint64_t)rule << 56);
    if (of->category.size > 0)
        key = key * ODD ^ td_xxh64(of->category.data, of->category.size);
    return key ^ (uint64_t)of->position_idx * ODD;
}

/* The number that an entry follows; *is_new: there was none before. NULL at the bound. */
static symbol_number *number_get(track_entries *e, rule_id rule, const entry *of, int *is_new)
{
    uint64_t key = number_key(rule, of);
    slot_probe at = slot_probe_of(key);
    *is_new = 0;
    while (slot_table_next(&e->by_key, &at)) {
        if (e->numbers[at.row].key == key)
            return &e->numbers[at.row];
    }
    size_t count = e->by_key.count;
    if (count == LIMIT_TRACK_SYMBOLS)
        return NULL;
    td_array_ensure((void **)&e->numbers, &e->number_capacity, count, sizeof *e->numbers);
    slot_table_put(&e->by_key, key, count);
    e->numbers[count].key = key;
    *is_new = 1;
    return &e->numbers[count];
}

/* Entries of each symbol in their order: the first fall (or, if strict, the first that does not
 * rise) is the verdict; all are taken over. */
static int check_numbers(const rule_view *v, msg_member member, int64_t least_step,
                         verdict_item *item)
{
    track_entries *e = v->track->entries;
    const message *m = v->facts->message;
    size_t count = message_item_count(m);
    int is_broken = 0;
    for (size_t i = 0; i < count; i++) {
        entry now = entry_at(m, i, member);
        if (!now.has_number || now.number < 0)
            continue;
        int is_new;
        symbol_number *before = number_get(e, v->rule->rule, &now, &is_new);
        if (before == NULL) {
            e->unjudged = 1;
            continue;
        }
        if (!is_new && !is_broken && now.number - least_step < before->last)
            is_broken = rule_broken(item, before->last, now.number);
        before->last = now.number;
    }
    return is_broken;
}

/* entry_seq_strict, entry_seq_weak: numbers of entries rise, or do not fall, for each symbol. Where
 * a frame mixes symbols (a coin's options, an account), the frame itself has no order. A symbol
 * counts in each category by itself, and each of its positions has the number of its own last
 * change. A seq of -1 means that the position never traded. */
int check_entry_seq_strict(const rule_view *v, verdict_item *item)
{
    return check_numbers(v, v->rule->member, 1, item);
}

int check_entry_seq_weak(const rule_view *v, verdict_item *item)
{
    return check_numbers(v, v->rule->member, 0, item);
}

/* entry_time_weak: the exchange's time of entries does not fall, for each symbol; the row may name
 * another of their times. */
int check_entry_time_weak(const rule_view *v, verdict_item *item)
{
    msg_member member = v->rule->member;
    return check_numbers(v, member == MEMBER_NONE ? MEMBER_EXCHANGE_TIME : member, 0, item);
}

/* ---- ids ---- */

/* Twice as many ids: rebuild the set from the ring. 0: at the bound. */
static int ids_grow(id_memory *ids, uint32_t most)
{
    uint32_t capacity = ids->capacity == 0 ? IDS_MIN : ids->capacity * 2;
    if (capacity > most)
        return 0;
    TD_ASSERT(ids->oldest == 0); /* the ring turns at its bound only */
    uint64_t *set = td_alloc_zero(2 * (size_t)capacity, sizeof *set);
    uint64_t *ring = td_realloc(ids->ring, capacity, sizeof *ring);
    for (uint32_t i = 0; i < ids->count; i++) {
        size_t at = (size_t)ring[i] & (2 * (size_t)capacity - 1);
        while (set[at] != 0)
            at = (at + 1) & (2 * (size_t)capacity - 1);
        set[at] = ring[i];
    }
    td_free(ids->set);
    ids->set = set;
    ids->ring = ring;
    ids->capacity = capacity;
    return 1;
}

static size_t id_slot(const id_memory *ids, uint64_t key)
{
    size_t mask = 2 * (size_t)ids->capacity - 1;
    size_t at = (size_t)key & mask;
    while (ids->set[at] != 0 && ids->set[at] != key)
        at = (at + 1) & mask;
    return at;
}

/* Take an id out of the set; those after it move up, so that each stays within reach. */
static void id_remove(id_memory *ids, uint64_t key)
{
    size_t mask = 2 * (size_t)ids->capacity - 1;
    size_t hole = id_slot(ids, key);
    TD_ASSERT(ids->set[hole] == key);
    for (size_t at = (hole + 1) & mask; ids->set[at] != 0; at = (at + 1) & mask) {
        size_t home = (size_t)ids->set[at] & mask;
        if (((at - home) & mask) < ((at - hole) & mask))
            continue;
        ids->set[hole] = ids->set[at];
        hole = at;
    }
    ids->set[hole] = 0;
}

/* Remember an id by its hash. 1 if it was there already. At the bound the oldest is forgotten. */
static int id_is_known(id_memory *ids, uint32_t most, uint64_t key)
{
    key += key == 0;
    if (ids->capacity > 0 && ids->set[id_slot(ids, key)] == key)
        return 1;
    if (ids->count == ids->capacity && !ids_grow(ids, most)) {
        id_remove(ids, ids->ring[ids->oldest]);
        ids->ring[ids->oldest] = key;
        ids->oldest = (ids->oldest + 1) % ids->capacity;
    } else {
        ids->ring[ids->count++] = key;
    }
    TD_ASSERT(ids->count <= ids->capacity);
    ids->set[id_slot(ids, key)] = key;
    return 0;
}

/* id_unique: no entry has an id that came before on this connection: 0 repeats in 251 and 347
 * trades (6.2, 6.5). Finds frames that came twice where no number does. */
int check_id_unique(const rule_view *v, verdict_item *item)
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

/* frame_unique: no frame has the message of one shortly before it. Orders, and tickers and books
 * without a number: each has a time or an id of its own, so that an order that is pushed again, or
 * a ticker that did not change, is another message. */
int check_frame_unique(const rule_view *v, verdict_item *item)
{
    track_entries *e = v->track->entries;
    uint64_t key = canonical_hash(v->facts->message);
    return id_is_known(&e->frames, LIMIT_TRACK_FRAMES, key) ? rule_broken(item, 0, 0) : 0;
}

/* <0, 0, >0 of two decimal numbers without sign, of any length. */
static int digits_compare(td_bytes a, td_bytes b)
{
    while (a.size > 0 && a.data[0] == '0')
        a = td_bytes_of(a.data + 1, a.size - 1);
    while (b.size > 0 && b.data[0] == '0')
        b = td_bytes_of(b.data + 1, b.size - 1);
    if (a.size != b.size)
        return a.size < b.size ? -1 : 1;
    return a.size == 0 ? 0 : memcmp(a.data, b.data, a.size);
}

/* id_ascending: ids are numbers that rise from entry to entry. Spot trades: 60 real ones, with
 * holes (6.6); they need more than 53 bits, and it is not documented that 63 suffice. */
int check_id_ascending(const rule_view *v, verdict_item *item)
{
    track_entries *e = v->track->entries;
    const message *m = v->facts->message;
    size_t count = message_item_count(m);
    int is_broken = 0;
    for (size_t i = 0; i < count; i++) {
        td_bytes id = entry_at(m, i, v->rule->member).id;
        if (id.size == 0 || id.size > ID_TEXT_MAX)
            continue;
        td_bytes before = td_bytes_of(e->last_id, e->last_id_bytes);
        if (before.size > 0 && !is_broken && digits_compare(id, before) <= 0)
            is_broken = rule_broken(item, 0, (int64_t)i);
        memcpy(e->last_id, id.data, id.size);
        e->last_id_bytes = (uint8_t)id.size;
    }
    return is_broken;
}

/* ---- candles ---- */

/* kline_start: the candle that a frame is about never begins before the one that the last frame was
 * about. */
int check_kline_start(const rule_view *v, verdict_item *item)
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

/* kline_confirm: a candle that was closed is not sent again: each is confirmed once, by its last
 * frame. */
int check_kline_confirm(const rule_view *v, verdict_item *item)
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
