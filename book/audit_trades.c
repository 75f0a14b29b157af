/* Candles as checksums of trades. Between two readings of a candle, volume and turnover grow by the
 * sum of some consecutive trades. A chain of such comparisons, each from the end of the last one,
 * covers every trade from the first reading to the last.
 *
 * Sums are integers in units of 10^-18, which are exact for every price and size on the wire. */
#include "book/audit_impl.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"

/* How much later than a reading its trades may have been matched, by the exchange's clocks; and how
 * much earlier a trade may be that a reading lacks. Measured: 0, and 65 ms (6.7). */
#define MADE_SLACK_NS ((int64_t)TD_NS_PER_S)
#define MADE_LAG_NS   ((int64_t)(2 * TD_NS_PER_S))

/* How much longer than another frame one of the same connection may wait in buffers before it is
 * read. */
#define READ_DELAY_NS ((int64_t)TD_NS_PER_S)

/* Later times are ignored, so that sums of times do not overflow. */
#define MADE_NS_MAX (INT64_MAX / 2)

/* How long a reading waits for trades that it includes and we lack, measured by later readings. */
#define WAIT_NS ((int64_t)(5 * TD_NS_PER_S))

/* The same at the end of a recording, where nothing follows. In recordings no reading was ever
 * ahead of the trades on its connection (22 of 22). */
#define END_WAIT_NS (200 * TD_NS_PER_MS)

#define TRADE_STORE_NONE UINT64_MAX

__extension__ typedef unsigned __int128 usum128;

static const int64_t E10 = INT64_C(10000000000);

/* Forget all trades, and since when they are complete. Positions continue. */
static void trade_store_forget(trade_store *s)
{
    s->first += s->count;
    s->count = 0;
    s->before = (trade_sum){0};
    s->since_ns = 0;
}

/* ---- save, load ---- */

/* Limit of sums, so that the difference of two of them fits. */
static const sum128 SUM_MAX = (sum128)1 << 125;

static int sum_fits(const trade_sum *sum)
{
    return sum->volume <= SUM_MAX && sum->volume >= -SUM_MAX && sum->turnover <= SUM_MAX &&
           sum->turnover >= -SUM_MAX;
}

static void sum128_serialize(sum128 *value, state_io *io)
{
    uint64_t low = (uint64_t)*value;
    uint64_t high = (uint64_t)((usum128)*value >> 64);
    state_u64(io, &low);
    state_u64(io, &high);
    *value = (sum128)((usum128)high << 64 | low);
}

static void trade_sum_serialize(trade_sum *sum, state_io *io)
{
    sum128_serialize(&sum->volume, io);
    sum128_serialize(&sum->turnover, io);
    state_check(io, sum_fits(sum));
}

void trade_store_serialize(trade_store *s, state_io *io)
{
    enum { MARK_BYTES = 40 };
    uint32_t capacity = (uint32_t)s->capacity; /* affects when trades are dropped */
    state_u32(io, &capacity);
    state_check(io, capacity <= LIMIT_AUDIT_TRADES && (capacity & (capacity - 1)) == 0);
    if (state_is_loading(io) && !io->is_failed && capacity > 0)
        s->marks = td_array_reach(s->marks, &s->capacity, capacity - 1, sizeof *s->marks);
    trade_sum_serialize(&s->before, io);
    state_u64(io, &s->first);
    state_check(io, s->first < UINT64_MAX / 2);
    state_u64(io, &s->since_ns);
    s->count = state_count(io, s->count, s->capacity, MARK_BYTES);
    for (uint32_t i = 0; i < s->count; i++) {
        trade_sum_serialize(&s->marks[i].sum, io);
        state_i64(io, &s->marks[i].exchange_ns);
        state_check(io, s->marks[i].exchange_ns >= 0);
    }
}

/* ---- values ---- */

/* A decimal in units of 10^-18; and a sum in units of 10^-8, limited to 64 bits. */
static sum128 trade_sum_of(td_decimal value)
{
    td_decimal_wide wide = td_decimal_widen(value);
    return (sum128)(((usum128)wide.high << 64) | wide.low);
}

static int64_t trade_sum_e8(sum128 value)
{
    sum128 e8 = value / E10;
    return e8 > INT64_MAX ? INT64_MAX : e8 < INT64_MIN ? INT64_MIN : (int64_t)e8;
}

/* Price times size, exactly. 0 if that needs more than 18 decimal places, or does not fit. */
static int turnover_of(td_decimal price, td_decimal size, sum128 *out)
{
    if (price.scale + size.scale > TD_DECIMAL_SCALE_MAX) {
        price = td_decimal_shortest(price);
        size = td_decimal_shortest(size);
    }
    int places = price.scale + size.scale;
    if (places > TD_DECIMAL_SCALE_MAX)
        return 0;
    sum128 value = (sum128)price.mantissa * size.mantissa;
    for (; places < TD_DECIMAL_SCALE_MAX; places++) {
        if (__builtin_mul_overflow(value, (sum128)10, &value))
            return 0;
    }
    *out = value;
    return 1;
}

/* ---- space ---- */

static void drop_before(trade_store *s, uint64_t position)
{
    uint64_t gone = position > s->first ? position - s->first : 0;
    if (gone > s->count)
        gone = s->count;
    if (gone == 0)
        return;
    s->before = s->marks[gone - 1].sum;
    s->first += gone;
    s->count -= (uint32_t)gone;
    memmove(s->marks, s->marks + gone, s->count * sizeof *s->marks);
}

/* Make space by dropping trades before a position, and by growing. 0 if more than half of
 * LIMIT_AUDIT_TRADES is still needed. */
static int trade_store_make_space(trade_store *s, uint64_t needed_from)
{
    drop_before(s, needed_from);
    /* Dropping moves the remaining trades; with half of the space free that does not happen again
     * soon. */
    if (s->count <= s->capacity / 2 && s->capacity > 0)
        return 1;
    if (s->capacity == LIMIT_AUDIT_TRADES)
        return 0;
    s->marks = td_array_reach(s->marks, &s->capacity, s->capacity, sizeof *s->marks);
    return 1;
}

/* Exchange time of the last trade; 0 if absent. */
static int64_t trade_store_last_ns(const trade_store *s)
{
    return s->count == 0 ? 0 : s->marks[s->count - 1].exchange_ns;
}

/* Append a trade; the store is not full. 0 if its value does not fit. */
static int trade_store_add(trade_store *s, const msg_trade *trade)
{
    TD_ASSERT(s->count < s->capacity);
    trade_sum now = s->count == 0 ? s->before : s->marks[s->count - 1].sum;
    sum128 turnover;
    if (!turnover_of(trade->price, trade->size, &turnover) ||
        __builtin_add_overflow(now.turnover, turnover, &now.turnover) ||
        __builtin_add_overflow(now.volume, trade_sum_of(trade->size), &now.volume) ||
        !sum_fits(&now))
        return 0;
    int64_t last = trade_store_last_ns(s);
    int64_t at = trade->exchange_ns > INT64_MAX ? INT64_MAX : (int64_t)trade->exchange_ns;
    /* Another rule checks falling times. Here they only have to be sorted. */
    s->marks[s->count++] = (trade_mark){now, at < last ? last : at};
    return 1;
}

/* ---- queries ---- */

static uint64_t trade_store_end(const trade_store *s)
{
    return s->first + s->count;
}

/* Position of the first trade at or after an exchange time. */
static uint64_t trade_store_find(const trade_store *s, int64_t exchange_ns)
{
    uint32_t low = 0;
    uint32_t high = s->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (s->marks[middle].exchange_ns < exchange_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return s->first + low;
}

static trade_sum sum_at(const trade_store *s, uint64_t position)
{
    TD_ASSERT(position >= s->first);
    TD_ASSERT(position <= s->first + s->count);
    return position == s->first ? s->before : s->marks[position - s->first - 1].sum;
}

static trade_sum trade_store_sum(const trade_store *s, uint64_t from, uint64_t to)
{
    trade_sum a = sum_at(s, from);
    trade_sum b = sum_at(s, to < from ? from : to);
    return (trade_sum){b.volume - a.volume, b.turnover - a.turnover};
}

/* The position `to`, from < to <= reach, such that the trades between have this sum; turnover is
 * compared if has_turnover. TRADE_STORE_NONE if absent. */
static uint64_t trade_store_match(const trade_store *s, uint64_t from, uint64_t reach,
                                  const trade_sum *sum, int has_turnover)
{
    trade_sum base = sum_at(s, from);
    sum128 wanted = base.volume + sum->volume;
    uint64_t low = from + 1;
    uint64_t high = reach + 1;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (sum_at(s, middle).volume < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    if (low > reach)
        return TRADE_STORE_NONE;
    trade_sum found = sum_at(s, low);
    int is_equal = found.volume == wanted &&
                   (!has_turnover || found.turnover - base.turnover == sum->turnover);
    return is_equal ? low : TRADE_STORE_NONE;
}

/* ---- candles: save, load ---- */

static void reading_serialize(reading *r, state_io *io)
{
    state_i64(io, &r->start_ns);
    state_i64(io, &r->end_ns);
    state_i64(io, &r->made_ns);
    state_check(io, r->made_ns >= 0 && r->made_ns <= MADE_NS_MAX);
    state_u64(io, &r->recv_ns);
    trade_sum_serialize(&r->sum, io);
    state_flag(io, &r->has_turnover);
}

void candle_chain_serialize(candle_chain *chain, state_io *io)
{
    enum { READING_BYTES = 65 };
    uint8_t kind = (uint8_t)chain->kind;
    state_u8(io, &kind);
    state_check(io, kind <= BASE_KNOWN);
    chain->kind = io->is_failed ? BASE_NONE : (base_kind)kind;
    reading_serialize(&chain->base, io);
    state_u64(io, &chain->frame_before_ns);
    state_u64(io, &chain->low);
    state_u64(io, &chain->high);
    chain->count = state_count(io, chain->count, READINGS_MAX, READING_BYTES);
    for (uint32_t i = 0; i < chain->count; i++)
        reading_serialize(&chain->waiting[i], io);
    state_flag(io, &chain->has_base);
    state_flag(io, &chain->had_reading);
}

/* ---- trades of a candle ---- */

/* The trades that a candle sums: those of its own line, else any. */
static audit_member *trades_of(const audit *a, const audit_member *candles)
{
    audit_member *any = NULL;
    for (uint32_t i = 0; i < a->member_count; i++) {
        audit_member *member = a->members[i];
        if (member->part != AUDIT_TRADES)
            continue;
        if (member->line == candles->line)
            return member;
        if (any == NULL)
            any = member;
    }
    return any;
}

int audit_chains_fit(const audit *a)
{
    for (uint32_t i = 0; i < a->member_count; i++) {
        const candle_chain *chain = a->members[i]->candles;
        if (a->members[i]->part != AUDIT_CANDLES)
            continue;
        const audit_member *trades = trades_of(a, a->members[i]);
        if (trades == NULL && (chain->kind != BASE_NONE || chain->count > 0))
            return 0;
        if (chain->kind == BASE_KNOWN &&
            (chain->low > chain->high || chain->high > trade_store_end(trades->trades)))
            return 0;
    }
    return 1;
}

/* On one connection a reading cannot overtake a disconnect. */
static int is_same_connection(const audit_member *a, const audit_member *b)
{
    return a->line == b->line && a->has_connection && b->has_connection &&
           a->connection == b->connection;
}

/* The store was reset: restart the comparisons. */
static void forget_chains(audit *a, const audit_member *trades)
{
    for (uint32_t i = 0; i < a->member_count; i++) {
        audit_member *member = a->members[i];
        if (member->part != AUDIT_CANDLES || trades_of(a, member) != trades)
            continue;
        a->stats.trades.skipped += member->candles->count;
        member->candles->count = 0;
        member->candles->kind = BASE_NONE;
    }
}

/* The latest exchange time for a receive time, as far as the clocks are known. If a recorder's
 * clock is behind, frames are received before they were sent. */
static int64_t exchange_time(const audit *a, uint64_t recv_ns)
{
    int64_t recv = recv_ns > INT64_MAX ? INT64_MAX : (int64_t)recv_ns;
    int64_t behind = a->delay_ns_min < 0 ? READ_DELAY_NS - a->delay_ns_min : 0;
    return recv < INT64_MAX - behind ? recv + behind : INT64_MAX;
}

/* Ignores times beyond 2116, so that sums do not overflow. */
static void note_delay(audit *a, uint64_t recv_ns, uint64_t exchange_ns)
{
    if (exchange_ns == 0 || recv_ns > INT64_MAX || exchange_ns > INT64_MAX / 2)
        return;
    int64_t delay = (int64_t)recv_ns - (int64_t)exchange_ns;
    if (delay < a->delay_ns_min)
        a->delay_ns_min = delay;
}

/* ---- one reading ---- */

/* Positions at which the last comparison may have ended. */
static void base_range(const candle_chain *chain, const trade_store *store, uint64_t *low,
                       uint64_t *high)
{
    uint64_t start = trade_store_find(store, chain->base.start_ns);
    switch (chain->kind) {
    case BASE_START:
        *low = *high = start;
        break;
    case BASE_READING:
        *low = trade_store_find(store, chain->base.made_ns - MADE_LAG_NS);
        *high = trade_store_find(store, chain->base.made_ns + MADE_SLACK_NS + 1);
        *low = *low < start ? start : *low;
        *high = *high < *low ? *low : *high;
        break;
    case BASE_KNOWN:
    case BASE_NONE:
        *low = chain->low;
        *high = chain->high;
    }
    uint64_t first = store->first;
    *low = *low < first ? first : *low;
    *high = *high < *low ? *low : *high;
}

/* Position up to which trades may belong to a reading: its candle's end, and its own time. */
static uint64_t reach_of(const reading *r, const trade_store *store)
{
    int64_t last = r->end_ns;
    if (r->made_ns != 0 && r->made_ns + MADE_SLACK_NS < last)
        last = r->made_ns + MADE_SLACK_NS;
    return last == INT64_MAX ? trade_store_end(store) : trade_store_find(store, last + 1);
}

typedef enum answer {
    ANSWER_EQUAL,
    ANSWER_NOT_YET, /* further trades may make it equal */
    ANSWER_MISSING, /* further trades cannot */
} answer;

/* Growth of the candle since the base. */
static trade_sum growth_of(const candle_chain *chain, const reading *r)
{
    if (chain->kind == BASE_START)
        return r->sum;
    return (trade_sum){r->sum.volume - chain->base.sum.volume,
                       r->sum.turnover - chain->base.sum.turnover};
}

/* Look for consecutive trades with that sum, from the end of the last comparison. */
static answer compare(candle_chain *chain, const trade_store *store, const reading *r)
{
    trade_sum growth = growth_of(chain, r);
    uint64_t low;
    uint64_t high;
    base_range(chain, store, &low, &high);
    uint64_t reach = reach_of(r, store);
    uint64_t found_low = UINT64_MAX;
    uint64_t found_high = 0;
    int has_turnover = r->has_turnover && (chain->kind == BASE_START || chain->base.has_turnover);
    for (uint64_t from = low; from <= high && from <= reach; from++) {
        uint64_t to = trade_store_match(store, from, reach, &growth, has_turnover);
        if (to == TRADE_STORE_NONE)
            continue;
        found_low = to < found_low ? to : found_low;
        found_high = to > found_high ? to : found_high;
    }
    if (found_low != UINT64_MAX) {
        chain->low = found_low;
        chain->high = found_high;
        return ANSWER_EQUAL;
    }
    /* A trade is later than the reading, or the sum is already larger: no later trade can make it
     * equal. */
    if (trade_store_end(store) > reach || high > reach)
        return ANSWER_MISSING;
    trade_sum rest = trade_store_sum(store, high, trade_store_end(store));
    return rest.volume > growth.volume ? ANSWER_MISSING : ANSWER_NOT_YET;
}

/* 1 if the candle certainly began after its trades were subscribed. If the reading has no time,
 * only a trade shows whether the recorder's clock is behind. */
static int is_whole_candle(const audit *a, const trade_store *store, const reading *r)
{
    uint64_t since = store->since_ns;
    int has_exchange_time = r->made_ns != 0 || trade_store_end(store) > store->first;
    return since != 0 && has_exchange_time && r->start_ns >= exchange_time(a, since);
}

/* Use a reading as the new base. */
static void set_base(candle_chain *chain, const reading *r)
{
    if (chain->has_base && chain->base.recv_ns < r->recv_ns)
        chain->frame_before_ns = chain->base.recv_ns;
    chain->base = *r;
    chain->has_base = 1;
}

/* Begin with a candle: at its start if all its trades are stored, else at this reading if it is a
 * new one. 1 if the reading must be compared. */
static int begin_candle(audit *a, audit_member *member, const trade_store *store, const reading *r)
{
    candle_chain *chain = member->candles;
    uint64_t since = store->since_ns;
    int64_t since_made = exchange_time(a, since);
    if (is_whole_candle(a, store, r)) {
        uint64_t checked_ns =
            chain->base.recv_ns < r->recv_ns ? chain->base.recv_ns : chain->frame_before_ns;
        chain->kind = BASE_START;
        set_base(chain, r);
        chain->base.sum = (trade_sum){0};
        chain->base.recv_ns = checked_ns > since ? checked_ns : since;
        return 1;
    }
    int is_new_reading = since != 0 && chain->had_reading && r->made_ns != 0 &&
                         r->made_ns - MADE_SLACK_NS >= since_made;
    chain->kind = is_new_reading ? BASE_READING : BASE_NONE;
    set_base(chain, r);
    a->stats.trades.skipped++;
    return 0;
}

/* Emit that a candle's growth does not match the stored trades. */
static void emit_missing(audit *a, audit_member *member, const audit_member *trades,
                         const reading *r, audit_verdict *out)
{
    candle_chain *chain = member->candles;
    uint64_t low;
    uint64_t high;
    base_range(chain, trades->trades, &low, &high);
    uint64_t reach = r->made_ns != 0 ? trade_store_find(trades->trades, r->made_ns + 1)
                                     : reach_of(r, trades->trades);
    audit_item *item = audit_emit(out, AUDIT_DIFFERS, RULE_TRADES_COMPLETE, member, trades,
                                  chain->base.recv_ns, r->recv_ns);
    item->verdict.expected = trade_sum_e8(growth_of(chain, r).volume);
    item->verdict.found =
        trade_sum_e8(trade_store_sum(trades->trades, low, reach < low ? low : reach).volume);
    a->stats.trades.differed++;
}

/* The next comparison begins at this reading. */
static void move_base(candle_chain *chain, const reading *r, base_kind kind)
{
    set_base(chain, r);
    chain->kind = kind;
}

typedef enum wait_rule { WAIT_FOR_TRADES, WAIT_NO_MORE } wait_rule;

/* Judge the oldest waiting reading. 1 if it need not wait any more. */
static int judge_reading(audit *a, audit_member *member, const audit_member *trades, wait_rule rule,
                         audit_verdict *out)
{
    candle_chain *chain = member->candles;
    const reading *r = &chain->waiting[0];
    const trade_store *store = trades->trades;
    if (chain->has_base && r->start_ns < chain->base.start_ns)
        return 1; /* of a candle that has ended */
    int is_new_candle = !chain->has_base || r->start_ns != chain->base.start_ns;
    if ((is_new_candle || chain->kind == BASE_NONE) && !begin_candle(a, member, store, r))
        return 1;
    trade_sum growth = growth_of(chain, r);
    if (growth.volume < 0) {
        a->stats.trades.skipped++; /* an older reading of the same candle */
        return 1;
    }
    if (growth.volume == 0) {
        a->stats.trades.compared++;
        reading same = chain->base;
        same.recv_ns = r->recv_ns;
        set_base(chain, &same);
        return 1;
    }
    answer is = compare(chain, store, r);
    if (is == ANSWER_NOT_YET && rule == WAIT_FOR_TRADES)
        return 0;
    a->stats.trades.compared++;
    if (is == ANSWER_EQUAL) {
        move_base(chain, r, BASE_KNOWN);
        return 1;
    }
    emit_missing(a, member, trades, r, out);
    move_base(chain, r, r->made_ns != 0 ? BASE_READING : BASE_NONE);
    return 1;
}

/* Whether the oldest reading has waited long enough: by the newest one, or by the end of the
 * recording (0: it is not over). */
static wait_rule wait_rule_of(const audit_member *member, const audit_member *trades,
                              uint64_t end_ns)
{
    const candle_chain *chain = member->candles;
    TD_ASSERT(chain->count > 0);
    /* With two connections, the trades' one may be down, which is known only when it is back. */
    if (!is_same_connection(member, trades))
        return WAIT_FOR_TRADES;
    const reading *oldest = &chain->waiting[0];
    const reading *newest = &chain->waiting[chain->count - 1];
    if (end_ns != 0)
        return oldest->recv_ns + END_WAIT_NS < end_ns ? WAIT_NO_MORE : WAIT_FOR_TRADES;
    int64_t waited = oldest->made_ns != 0 && newest->made_ns != 0
                         ? newest->made_ns - oldest->made_ns
                         : (int64_t)(newest->recv_ns - oldest->recv_ns);
    return waited > WAIT_NS ? WAIT_NO_MORE : WAIT_FOR_TRADES;
}

static void judge_waiting(audit *a, audit_member *member, const audit_member *trades,
                          uint64_t end_ns, audit_verdict *out)
{
    candle_chain *chain = member->candles;
    while (chain->count > 0 &&
           judge_reading(a, member, trades, wait_rule_of(member, trades, end_ns), out)) {
        chain->count--;
        for (uint32_t i = 0; i < chain->count; i++)
            chain->waiting[i] = chain->waiting[i + 1];
    }
}

/* ---- frames ---- */

static const msg_value *value_of(const msg_item *item, msg_member member, value_type type)
{
    const msg_value *value = msg_value_find(item->values, item->value_count, member);
    return value != NULL && value->type == type ? value : NULL;
}

/* Read an entry of a candle frame. 0 if it lacks start or volume. */
static int read_candle(const audit_member *member, const msg_item *item, const msg_head *head,
                       uint64_t recv_ns, reading *out)
{
    const msg_value *start = value_of(item, MEMBER_START, VALUE_TIME_NS);
    const msg_value *end = value_of(item, MEMBER_END, VALUE_TIME_NS);
    const msg_value *volume = value_of(item, MEMBER_VOLUME, VALUE_DECIMAL);
    const msg_value *turnover = value_of(item, MEMBER_TURNOVER, VALUE_DECIMAL);
    if (start == NULL || volume == NULL || start->as.time_ns > INT64_MAX)
        return 0;
    *out = (reading){.start_ns = (int64_t)start->as.time_ns,
                     .end_ns = INT64_MAX,
                     .made_ns = (int64_t)(head->exchange_ns & INT64_MAX),
                     .recv_ns = recv_ns,
                     .sum.volume = trade_sum_of(volume->as.decimal)};
    if (end != NULL && end->as.time_ns < INT64_MAX)
        out->end_ns = (int64_t)end->as.time_ns;
    /* A spot frame has only the candle's start, which is not the time when it was made. */
    if (out->made_ns == out->start_ns || out->made_ns > MADE_NS_MAX)
        out->made_ns = 0;
    if (member->rule_member == MEMBER_TURNOVER && turnover != NULL) {
        out->sum.turnover = trade_sum_of(turnover->as.decimal);
        out->has_turnover = 1;
    }
    return 1;
}

/* Readings are running totals, so one of them may be dropped. */
static void add_reading(audit *a, candle_chain *chain, const reading *r)
{
    if (chain->count == READINGS_MAX) {
        a->stats.trades.skipped++;
        chain->count--;
    }
    chain->waiting[chain->count++] = *r;
}

void audit_candles_apply(audit *a, audit_member *member, const audit_frame *frame, const message *m,
                         audit_verdict *out)
{
    candle_chain *chain = member->candles;
    TD_ASSERT(member->part == AUDIT_CANDLES);
    note_delay(a, frame->recv_ns, m->head.exchange_ns);
    audit_member *trades = trades_of(a, member);
    if (trades == NULL || !message_is_record(m))
        return;
    /* The trades are of the previous connection; the ledger covers the frames in between. */
    if (trades->shard == member->shard && trades->line == member->line && trades->has_connection &&
        trades->connection != member->connection) {
        trade_store_forget(trades->trades);
        forget_chains(a, trades);
        trades->connection = member->connection;
    }
    for (size_t i = 0; i < m->record.item_count; i++) {
        reading r;
        if (!read_candle(member, &m->record.items[i], &m->head, frame->recv_ns, &r))
            continue;
        add_reading(a, chain, &r);
        judge_waiting(a, member, trades, 0, out);
    }
    chain->had_reading = 1;
}

/* The position before which no trade is needed any more. */
static uint64_t needed_from(const audit *a, const audit_member *trades)
{
    const trade_store *store = trades->trades;
    uint64_t least = trade_store_find(store, trade_store_last_ns(store) - MADE_LAG_NS - WAIT_NS);
    for (uint32_t i = 0; i < a->member_count; i++) {
        const audit_member *member = a->members[i];
        if (member->part != AUDIT_CANDLES || trades_of(a, member) != trades ||
            member->candles->kind == BASE_NONE)
            continue;
        uint64_t low;
        uint64_t high;
        base_range(member->candles, store, &low, &high);
        least = low < least ? low : least;
    }
    return least;
}

/* Store one trade. If there is no space for the trades that candles need, restart their
 * comparisons. */
static void add_trade(audit *a, audit_member *member, const msg_trade *trade)
{
    trade_store *store = member->trades;
    int has_space =
        !(store->count == store->capacity) || trade_store_make_space(store, needed_from(a, member));
    if (has_space && trade_store_add(store, trade))
        return;
    uint64_t since = store->since_ns;
    trade_store_forget(store);
    forget_chains(a, member);
    if (since != 0)
        store->since_ns = trade->exchange_ns > since ? trade->exchange_ns : since;
}

void audit_trades_connect(audit *a, const audit_member *member)
{
    trade_store_forget(member->trades);
    forget_chains(a, member);
}

void audit_trades_apply(audit *a, audit_member *member, const audit_frame *frame, const message *m,
                        audit_verdict *out)
{
    TD_ASSERT(member->part == AUDIT_TRADES);
    if (member->trades->since_ns == 0)
        member->trades->since_ns = frame->granted_ns != 0 ? frame->granted_ns : frame->recv_ns;
    size_t count = message_item_count(m);
    for (size_t i = 0; i < count; i++) {
        msg_trade trade = message_trade(m, i);
        note_delay(a, frame->recv_ns, trade.exchange_ns);
        /* It is not documented whether candles include block trades (6.7): such a candle is not
         * compared. */
        if (trade.is_block_trade == 1)
            audit_trades_skip(a, member, frame->recv_ns);
        else
            add_trade(a, member, &trade);
    }
    for (uint32_t i = 0; i < a->member_count; i++) {
        audit_member *candles = a->members[i];
        if (candles->part == AUDIT_CANDLES && candles->candles->count > 0 &&
            trades_of(a, candles) == member)
            judge_waiting(a, candles, member, 0, out);
    }
}

void audit_trades_skip(audit *a, audit_member *member, uint64_t recv_ns)
{
    uint64_t since = member->trades->since_ns;
    trade_store_forget(member->trades);
    forget_chains(a, member);
    if (since != 0)
        member->trades->since_ns = recv_ns;
}

void audit_candles_finish(audit *a, audit_member *member, uint64_t end_ns, audit_verdict *out)
{
    candle_chain *chain = member->candles;
    const audit_member *trades = trades_of(a, member);
    if (trades == NULL)
        return;
    judge_waiting(a, member, trades, end_ns, out);
    a->stats.trades.skipped += chain->count;
    chain->count = 0;
}
