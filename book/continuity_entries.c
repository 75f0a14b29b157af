/* Rules about single entries of a frame: order by symbol, unique ids and frames, candles that close
 * once. Their state is bounded (base/limits.h), grows by doubling, and exists only for topics with
 * such a rule. */
#include "book/continuity_impl.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/slot_table.h"
#include "schema/canonical.h"

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
    slot_table by_key;
} id_set;

/* Recent ids in two sets. When the newer set is full, it becomes the older one, whose ids are
 * dropped. */
typedef struct id_history {
    id_set sets[2];
    uint32_t newer;
} id_history;

struct track_entries {
    symbol_number *numbers;
    size_t number_capacity;
    slot_table by_key; /* entries of numbers */
    id_history ids;
    id_history frames;    /* canonical hashes of messages */
    int64_t candle_start; /* ns; valid if has_candle */
    int64_t closed_start; /* of the last closed candle; valid if has_closed */
    uint8_t has_candle;
    uint8_t has_closed;
    uint8_t unjudged;
    uint8_t has_id;
    uint64_t last_id; /* for RULE_ID_ASCENDING, if has_id */
};

track_entries *track_entries_open(void)
{
    return td_alloc_zero(1, sizeof(track_entries));
}

static void ids_fini(id_history *ids)
{
    for (size_t i = 0; i < 2; i++) {
        td_free(ids->sets[i].keys);
        slot_table_fini(&ids->sets[i].by_key);
    }
}

static size_t ids_bytes(const id_history *ids)
{
    size_t bytes = 0;
    for (size_t i = 0; i < 2; i++)
        bytes += ids->sets[i].capacity * sizeof *ids->sets[i].keys +
                 ids->sets[i].by_key.capacity * sizeof *ids->sets[i].by_key.slots;
    return bytes;
}

static void ids_forget(id_history *ids)
{
    slot_table_clear(&ids->sets[0].by_key);
    slot_table_clear(&ids->sets[1].by_key);
}

static int id_set_has(const id_set *set, uint64_t key)
{
    slot_probe at = slot_probe_of(key);
    while (slot_table_next(&set->by_key, &at)) {
        if (set->keys[at.row] == key)
            return 1;
    }
    return 0;
}

static void id_set_add(id_set *set, uint64_t key)
{
    size_t count = set->by_key.count;
    td_array_ensure((void **)&set->keys, &set->capacity, count, sizeof *set->keys);
    slot_table_put(&set->by_key, key, count);
    set->keys[count] = key;
}

/* Add an id by its hash. 1 if it is among at least the last `most` ids. */
static int id_is_known(id_history *ids, uint32_t most, uint64_t key)
{
    if (id_set_has(&ids->sets[ids->newer], key) || id_set_has(&ids->sets[ids->newer ^ 1], key))
        return 1;
    if (ids->sets[ids->newer].by_key.count == most) {
        ids->newer ^= 1;
        slot_table_clear(&ids->sets[ids->newer].by_key);
    }
    id_set_add(&ids->sets[ids->newer], key);
    return 0;
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

/* Numbers in the order of first appearance. */
static void numbers_serialize(track_entries *e, state_io *io)
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

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The newest ids of both sets, the older set first. Only a part, because all of these random bytes
 * would be most of a state. */
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

void track_entries_serialize(track_entries *e, state_io *io)
{
    TD_ASSERT(!e->unjudged); /* it lasts for one frame only */
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

void track_entries_forget(track_entries *e)
{
    slot_table_clear(&e->by_key);
    ids_forget(&e->ids);
    ids_forget(&e->frames);
    e->has_candle = 0;
    e->has_closed = 0;
    e->has_id = 0;
}

int track_entries_take_unjudged(track_entries *e)
{
    int was = e->unjudged;
    e->unjudged = 0;
    return was;
}

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

/* Key of an entry's predecessor for one rule. */
static uint64_t number_key(rule_id rule, const entry *of)
{
    static const uint64_t ODD =
        UINT64_C(0x9e3779b97f4a7c15); /* 2^64 / golden ratio: spreads bits */
    uint64_t key = td_xxh64(of->symbol.data, of->symbol.size) ^ ((uint64_t)rule << 56);
    if (of->category.size > 0)
        key = key * ODD ^ td_xxh64(of->category.data, of->category.size);
    return key ^ (uint64_t)of->position_idx * ODD;
}

/* The last number before an entry's; *is_new: 1 if there is none yet. NULL at the limit. */
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

/* entry_seq_strict, entry_seq_weak: numbers of entries rise, or do not fall, for each symbol. A
 * frame that mixes symbols (a coin's options, an account) has no order itself. Symbols are separate
 * in each category, and each position has the number of its own last change. A seq of -1 means that
 * the position never traded.
 *
 * entry_time_weak: the exchange's time of entries does not fall, for each symbol; the row may name
 * another of their times.
 *
 * The first entry of a frame that breaks the rule is the verdict; the numbers of all entries are
 * kept. */
int check_entry_numbers(const rule_view *v, verdict_item *item)
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
            e->unjudged = 1;
            continue;
        }
        if (!is_new && !is_broken && now.number - least_step < before->last)
            is_broken = rule_broken(item, before->last, now.number);
        before->last = now.number;
    }
    return is_broken;
}

/* ---- ids ---- */

/* id_unique: no entry has an id that occurred before on this connection: 0 repeats in 251 and 347
 * trades (6.2, 6.5). Finds repeated frames of topics without numbers. */
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

/* frame_unique: no frame repeats the message of a recent one. For orders, and for tickers and books
 * without a number: each message has its own time or id, so that a repeated push of an order, or a
 * ticker without changes, is still a different message. */
int check_frame_unique(const rule_view *v, verdict_item *item)
{
    track_entries *e = v->track->entries;
    uint64_t key = canonical_hash(v->facts->message);
    return id_is_known(&e->frames, LIMIT_TRACK_FRAMES, key) ? rule_broken(item, 0, 0) : 0;
}

/* id_ascending: ids are numbers that rise from entry to entry. Spot trades: 60 recorded ones, with
 * holes (6.6); they need more than 53 bits. */
int check_id_ascending(const rule_view *v, verdict_item *item)
{
    track_entries *e = v->track->entries;
    const message *m = v->facts->message;
    size_t count = message_item_count(m);
    int is_broken = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t id;
        if (!td_digits_parse(entry_at(m, i, v->rule->member).id, UINT64_MAX, &id))
            continue;
        if (e->has_id && !is_broken && id <= e->last_id)
            is_broken = rule_broken(item, 0, (int64_t)i);
        e->last_id = id;
        e->has_id = 1;
    }
    return is_broken;
}

/* ---- candles ---- */

/* kline_start: a frame's candle never begins before the candle of the previous frame. */
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

/* kline_confirm: a closed candle is not sent again; each is confirmed once, by its last frame. */
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
