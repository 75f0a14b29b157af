#include "book/audit.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/decimal.h"
#include "base/limits.h"
#include "book/state_io.h"

struct audit {
    audit_member *members[LIMIT_AUDIT_MEMBERS];
    uint32_t member_count;
    int64_t delay_ns_min; /* least receive time minus exchange time of trades and candles */
    audit_stats stats;
    audit_item *found; /* of the last verdict */
};

/* Add an item about a member to a verdict; the caller sets its verdict's expected and found. */
static audit_item *audit_emit(audit_verdict *out, audit_event event, rule_id rule,
                              const audit_member *from, const audit_member *about, uint64_t from_ns,
                              uint64_t to_ns)
{
    out->items = td_array_grow(out->items, out->count, sizeof *out->items);
    audit_item *made = &out->items[out->count++];
    *made = (audit_item){
        .event = event,
        .verdict = {.rule = rule, .strength = from->strength},
        .about = {.member = about, .line = about->line, .shard = about->shard, .conn = about->conn},
        .time = {from_ns, to_ns}};
    return made;
}

/* ======== books ======== */

/* Compares books with each other. States are kept as 64-bit hashes of the best levels: a difference
 * is missed once in 10^19 times, and a finding is always true. */

/* Depths at which one book is compared with others: one for each other depth of the symbol. */
enum { AUDIT_DEPTHS_MAX = 8 };

/* A book at one time. */
typedef struct book_state {
    int64_t seq;
    uint64_t recv_ns;
    uint64_t hashes[AUDIT_DEPTHS_MAX]; /* of its best levels, at the depths of its history */
    td_decimal best[2];                /* by msg_side; 0: the side is empty */
} book_state;

/* Comparison of one book with another. */
typedef struct book_pair {
    int64_t equal_seq; /* last sequence number at which both were equal */
    uint64_t equal_ns; /* 0: not equal so far */
    uint64_t from_ns;  /* if differs: start of the finding */
    struct {
        uint32_t shard, conn; /* if differs: origin of both books' last frames when they began to
                                 differ */
    } own, theirs;
    uint8_t differs; /* 1: the books differ since a number after equal_seq */
} book_pair;

/* History of one book: its last states, with rising numbers; the oldest is overwritten. */
typedef struct book_history {
    book_state states[LIMIT_AUDIT_STATES];
    uint32_t count;                    /* states held */
    uint32_t newest;                   /* index of the last one, if count > 0 */
    uint32_t depths[AUDIT_DEPTHS_MAX]; /* 0 = all levels */
    uint32_t depth_count;
    book_pair pairs[LIMIT_AUDIT_MEMBERS]; /* by the index of the other book, which joined later */
    uint64_t since_ns;                    /* time of the first state of this history */
} book_history;

/* ---- depths ---- */

/* Depth to which two books are compared: the depth of the shallower book; 0 means all levels. */
static uint32_t common_depth(const audit_member *a, const audit_member *b)
{
    uint32_t one = a->row->book_depth;
    uint32_t other = b->row->book_depth;
    if (one == 0 || other == 0)
        return one + other;
    return one < other ? one : other;
}

static uint32_t depth_index(const book_history *past, uint32_t depth)
{
    uint32_t at = 0;
    while (at < past->depth_count && past->depths[at] != depth)
        at++;
    return at;
}

/* A book joined the audit: recompute the comparison depths. */
static void audit_books_joined(audit *a)
{
    for (uint32_t i = 0; i < a->member_count; i++) {
        book_history *past = a->members[i]->books;
        if (a->members[i]->part != AUDIT_BOOK)
            continue;
        past->depth_count = 0;
        past->count = 0; /* old hashes are for other depths */
        for (uint32_t k = 0; k < a->member_count; k++) {
            if (k == i || a->members[k]->part != AUDIT_BOOK)
                continue;
            uint32_t depth = common_depth(a->members[i], a->members[k]);
            if (depth_index(past, depth) == past->depth_count &&
                past->depth_count < AUDIT_DEPTHS_MAX)
                past->depths[past->depth_count++] = depth;
        }
    }
}

/* ---- states ---- */

/* The state that is `back` steps older than the newest one. */
static book_state *state_back(book_history *past, uint32_t back)
{
    TD_ASSERT_SLOW(back < past->count);
    return &past->states[(past->newest + LIMIT_AUDIT_STATES - back) % LIMIT_AUDIT_STATES];
}

/* Add the book's current state to its history. A number that falls restarts the history. */
static book_state *remember(book_history *past, int64_t seq, uint64_t recv_ns, track *t)
{
    if (past->count > 0 && seq < state_back(past, 0)->seq)
        past->count = 0;
    if (past->since_ns == 0)
        past->since_ns = recv_ns;
    past->newest = past->count == 0 ? 0 : (past->newest + 1) % LIMIT_AUDIT_STATES;
    if (past->count < LIMIT_AUDIT_STATES)
        past->count++;
    book_state *state = &past->states[past->newest];
    state->seq = seq;
    state->recv_ns = recv_ns;
    for (uint32_t i = 0; i < past->depth_count; i++)
        state->hashes[i] = track_hash_best(t, past->depths[i]);
    for (int at = SIDE_BUY; at <= SIDE_SELL; at++) {
        book_level best;
        int has_best = book_level_at(track_book(t), (msg_side)at, 0, &best);
        state->best[at] = has_best ? best.price : (td_decimal){0, 0};
    }
    return state;
}

/* The state with exactly this sequence number, or NULL; *too_old is 1 if that state may have been
 * dropped. */
static const book_state *find_state(book_history *past, int64_t seq, int *too_old)
{
    for (uint32_t back = 0; back < past->count; back++) {
        const book_state *state = state_back(past, back);
        if (state->seq == seq)
            return state;
        if (state->seq < seq)
            return NULL;
    }
    *too_old = past->count == LIMIT_AUDIT_STATES;
    return NULL;
}

/* ---- book against book ---- */

/* Emit that two books began to differ, or are equal again. Both findings have the same parties and
 * the same start, whatever connections came in between, so that the ledger can close the gap. */
static void emit_pair(audit_member *first, audit_member *second, const audit_member *from,
                      audit_event event, const book_state *now, audit_verdict *out)
{
    book_pair *pair = &first->books->pairs[second->index];
    if (event == AUDIT_DIFFERS) {
        uint64_t since_ns = first->books->since_ns > second->books->since_ns
                                ? first->books->since_ns
                                : second->books->since_ns;
        pair->from_ns = pair->equal_ns != 0 ? pair->equal_ns : since_ns;
        pair->own.shard = first->shard;
        pair->own.conn = first->conn;
        pair->theirs.shard = second->shard;
        pair->theirs.conn = second->conn;
    }
    TD_ASSERT(pair->from_ns != 0);
    int is_one_topic = first->row == second->row && first->line != second->line;
    audit_item *item = audit_emit(out, event, is_one_topic ? RULE_LINES_AGREE : RULE_BOOKS_AGREE,
                                  from, first, pair->from_ns, now->recv_ns);
    if (is_one_topic) /* all connections get the same frames, whatever other topics promise */
        item->verdict.strength = STRENGTH_ERROR;
    item->about.shard = pair->own.shard;
    item->about.conn = pair->own.conn;
    item->against = (audit_party){.member = second,
                                  .line = second->line,
                                  .shard = pair->theirs.shard,
                                  .conn = pair->theirs.conn};
    item->verdict.expected = pair->equal_seq;
    item->verdict.found = now->seq;
}

/* Emit a finding when two books begin to differ, and when they are equal again. */
static void judge_pair(audit *a, audit_member *member, audit_member *other, const book_state *now,
                       const book_state *then, audit_verdict *out)
{
    uint32_t depth = common_depth(member, other);
    uint32_t mine = depth_index(member->books, depth);
    uint32_t theirs = depth_index(other->books, depth);
    if (mine == member->books->depth_count || theirs == other->books->depth_count) {
        a->stats.books.skipped++;
        return;
    }
    /* The state of the pair is kept by the member that joined first. */
    audit_member *first = member->index < other->index ? member : other;
    audit_member *second = member->index < other->index ? other : member;
    book_pair *pair = &first->books->pairs[second->index];
    int differs = now->hashes[mine] != then->hashes[theirs];
    a->stats.books.compared++;
    a->stats.books.differed += (uint64_t)differs;
    if (differs != pair->differs)
        emit_pair(first, second, member, differs ? AUDIT_DIFFERS : AUDIT_AGREES, now, out);
    pair->differs = (uint8_t)differs;
    if (!differs) {
        pair->equal_seq = now->seq;
        pair->equal_ns = now->recv_ns;
    }
}

/* Compare a member's book with each other book that is or was at the same sequence number. */
static void judge_books(audit *a, audit_member *member, const book_state *now, audit_verdict *out)
{
    for (uint32_t i = 0; i < a->member_count; i++) {
        audit_member *other = a->members[i];
        if (other == member || other->part != AUDIT_BOOK ||
            other->rule_member != member->rule_member)
            continue;
        int too_old = 0;
        const book_state *then = find_state(other->books, now->seq, &too_old);
        if (then != NULL)
            judge_pair(a, member, other, now, then, out);
        else
            a->stats.books.skipped += (uint64_t)too_old;
    }
}

/* ======== tickers ======== */

/* Compares tickers with the states of a book. */

enum { AUDIT_TICKERS_MAX = 8 }; /* limit of tickers that wait for the book's next state */

/* Best prices of a ticker that waits until the book reaches its sequence number. */
typedef struct waiting_best {
    int64_t seq;
    uint64_t recv_ns;
    td_decimal price[2]; /* by msg_side; 0: no price */
} waiting_best;

typedef struct best_history {
    waiting_best waiting[AUDIT_TICKERS_MAX]; /* oldest first */
    uint32_t count;
    td_decimal price[2]; /* the current ones: a delta only has changes */
} best_history;

/* The book to compare tickers with: of the books on the ticker's line, the first with the least
 * depth. */
static audit_member *reference_book(audit *a, uint32_t line)
{
    audit_member *found = NULL;
    for (uint32_t i = 0; i < a->member_count; i++) {
        audit_member *member = a->members[i];
        if (member->part != AUDIT_BOOK || member->line != line)
            continue;
        if (found == NULL || common_depth(found, member) != found->row->book_depth)
            found = member;
    }
    return found;
}

static int is_best(const book_state *state, int side, td_decimal price)
{
    return td_decimal_compare(state->best[side], price) == 0;
}

/* Compare one ticker with the book's states around it. If a state has the ticker's sequence number,
 * the prices must be equal. Between two states they nearly always equal one of the two (275 of 275
 * recorded tickers; docs/wire.md 6.7), but the price may have been different in between: such a
 * difference is counted, but proves nothing. */
static void judge_best(audit *a, audit_member *member, const waiting_best *waiting,
                       book_history *past, audit_verdict *out)
{
    const book_state *before = NULL; /* the last at or before the ticker's sequence number */
    const book_state *after = NULL;  /* the first at or after it */
    for (uint32_t back = 0; back < past->count && before == NULL; back++) {
        const book_state *state = state_back(past, back);
        if (state->seq >= waiting->seq)
            after = state;
        if (state->seq <= waiting->seq)
            before = state;
    }
    if (before == NULL || after == NULL) {
        a->stats.best.skipped++;
        return;
    }
    a->stats.best.compared++;
    for (int at = SIDE_BUY; at <= SIDE_SELL; at++) {
        if (waiting->price[at].mantissa == 0 || is_best(before, at, waiting->price[at]) ||
            is_best(after, at, waiting->price[at]))
            continue;
        a->stats.best.differed++;
        audit_item *item = audit_emit(out, AUDIT_DIFFERS, RULE_BEST_AGREES, member, member,
                                      before->recv_ns, waiting->recv_ns);
        if (before != after)
            item->verdict.strength = STRENGTH_STATISTIC;
        item->verdict.found = waiting->price[at].mantissa;
        if (before->best[at].scale > waiting->price[at].scale ||
            td_decimal_rescale(before->best[at], waiting->price[at].scale,
                               &item->verdict.expected) != TD_OK)
            item->verdict.expected = 0;
        return;
    }
}

/* Compare the waiting tickers whose sequence number the book has reached. */
static void check_waiting_states(audit *a, audit_member *member, book_history *past,
                                 audit_verdict *out)
{
    best_history *best = member->best;
    int64_t reached = past->count == 0 ? INT64_MIN : state_back(past, 0)->seq;
    uint32_t done = 0;
    while (done < best->count && best->waiting[done].seq <= reached)
        judge_best(a, member, &best->waiting[done++], past, out);
    for (uint32_t i = done; i < best->count; i++)
        best->waiting[i - done] = best->waiting[i];
    best->count -= done;
}

/* ======== frames of books and tickers ======== */

/* Get the frame's number that the member's rule compares; 0 if absent. */
static int number_of(const msg_head *head, msg_member member, int64_t *out)
{
    *out = member == MEMBER_SEQ ? head->seq : member == MEMBER_U ? head->u : head->cross_seq;
    return member == MEMBER_SEQ ? head->has_seq
           : member == MEMBER_U ? head->has_u
                                : head->has_cross_seq;
}

static void merge_price(best_history *best, msg_side side, const msg_item *item, msg_member member)
{
    const msg_value *value = msg_value_find(item->values, item->value_count, member);
    if (value == NULL || value->type != VALUE_DECIMAL)
        return;
    /* 0 if the side is empty */
    int has_price = value->as.decimal.mantissa > 0;
    best->price[side] = has_price ? value->as.decimal : (td_decimal){0, 0};
}

static void audit_best_apply(audit *a, audit_member *member, const audit_frame *frame,
                             const message *m, audit_verdict *out)
{
    best_history *best = member->best;
    int64_t seq;
    if (!message_is_record(m) || !number_of(&m->head, member->rule_member, &seq))
        return;
    if (m->head.kind == FRAME_SNAPSHOT)
        *best = (best_history){0};
    for (size_t i = 0; i < m->record.item_count; i++) {
        merge_price(best, SIDE_BUY, &m->record.items[i], MEMBER_BID1_PRICE);
        merge_price(best, SIDE_SELL, &m->record.items[i], MEMBER_ASK1_PRICE);
    }
    audit_member *book_member = reference_book(a, member->line);
    if (book_member == NULL)
        return;
    if (best->count == AUDIT_TICKERS_MAX) {
        a->stats.best.skipped++; /* the book is far behind: the newest ticker is the most useful */
        best->count--;
    }
    best->waiting[best->count++] = (waiting_best){
        .seq = seq, .recv_ns = frame->recv_ns, .price = {best->price[0], best->price[1]}};
    check_waiting_states(a, member, book_member->books, out);
}

/* Apply a frame of a book. */
static void audit_books_apply(audit *a, audit_member *member, const audit_frame *frame,
                              const message *m, track *t, audit_verdict *out)
{
    int64_t seq;
    TD_ASSERT(t != NULL);
    if (!number_of(&m->head, member->rule_member, &seq))
        return;
    if (track_is_broken(t)) {
        a->stats.books.skipped++;
        member->books->count = 0; /* states in between are unknown */
        return;
    }
    const book_state *now = remember(member->books, seq, frame->recv_ns, t);
    judge_books(a, member, now, out);
    for (uint32_t i = 0; i < a->member_count; i++) {
        audit_member *ticker = a->members[i];
        if (ticker->part == AUDIT_BEST && ticker->best->count > 0 &&
            reference_book(a, ticker->line) == member)
            check_waiting_states(a, ticker, member->books, out);
    }
}

/* ======== trades as running sums ======== */

__extension__ typedef __int128 sum128;

__extension__ typedef unsigned __int128 usum128;

/* In units of 10^-18, which are exact for every price and size on the wire. */
typedef struct trade_sum {
    sum128 volume;
    sum128 turnover; /* price times size */
} trade_sum;

/* One trade, and the sum of all trades up to and including this trade. */
typedef struct trade_mark {
    trade_sum sum;
    int64_t exchange_ns;
} trade_mark;

/* Trades of one symbol and line as running sums: the sum of a range costs one subtraction. A
 * trade's position is the number of trades before it since the store was created. Grows by doubling
 * up to LIMIT_AUDIT_TRADES. */
typedef struct trade_store {
    trade_mark *marks; /* consecutive trades, beginning with first */
    trade_sum before;  /* all trades before first */
    uint64_t first;    /* position of the first mark */
    uint32_t count;
    size_t capacity;
    uint64_t since_ns; /* receive time since which no trade is missing, unless a loss is undetected;
                          0: unknown */
} trade_store;

/* ---- sums ---- */

static const int64_t E10 = INT64_C(10000000000);

/* A decimal in units of 10^-18; and such a sum in units of 10^-8, limited to 64 bits. */
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

/* Limit of sums, so that the difference of two of them fits. */
static const sum128 SUM_MAX = (sum128)1 << 125;

static int sum_fits(const trade_sum *sum)
{
    return sum->volume <= SUM_MAX && sum->volume >= -SUM_MAX && sum->turnover <= SUM_MAX &&
           sum->turnover >= -SUM_MAX;
}

/* ---- adding and dropping ---- */

/* Make space by dropping trades before a position, and by growing. 0 if more than half of
 * LIMIT_AUDIT_TRADES is still needed. */
static int trade_store_make_space(trade_store *s, uint64_t needed_from)
{
    uint64_t gone = needed_from > s->first ? needed_from - s->first : 0;
    if (gone > s->count)
        gone = s->count;
    if (gone > 0) {
        s->before = s->marks[gone - 1].sum;
        s->first += gone;
        s->count -= (uint32_t)gone;
        memmove(s->marks, s->marks + gone, s->count * sizeof *s->marks);
    }
    /* With half of the space free, the store need not grow: dropping moves the remaining trades,
     * but will not be needed again soon. */
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
    /* Another rule reports times that fall. The marks only have to be sorted, so a time that falls
     * becomes the last one. */
    s->marks[s->count++] = (trade_mark){now, at < last ? last : at};
    return 1;
}

/* Forget all trades, and since when they are complete. Positions continue. */
static void trade_store_forget(trade_store *s)
{
    s->first += s->count;
    s->count = 0;
    s->before = (trade_sum){0};
    s->since_ns = 0;
}

/* ---- ranges of trades ---- */

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

#define TRADE_STORE_NONE UINT64_MAX

/* Find the position `to` (from < to <= reach) for which the trades between `from` and `to` have
 * this sum. Turnover is compared only if has_turnover. TRADE_STORE_NONE if there is no such
 * position. */
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

/* ======== candles as checksums of trades ======== */

/* Between two readings of a candle, volume and turnover grow by the sum of some consecutive trades.
 * A chain of such comparisons, each from the end of the last one, covers every trade from the first
 * reading to the last. */

enum { READINGS_MAX = 8 }; /* limit of readings that wait for trades; about one comes a second */

/* A reading of a candle: its totals so far, as one frame shows them. */
typedef struct candle_reading {
    int64_t start_ns; /* of the candle */
    int64_t end_ns;   /* last time in it; INT64_MAX: unknown */
    int64_t made_ns;  /* exchange time of the reading; 0: unknown */
    uint64_t recv_ns;
    trade_sum sum;
    uint8_t has_turnover;
} candle_reading;

/* Where the next comparison begins: at the end of the last one. */
typedef enum base_kind {
    BASE_NONE,
    BASE_START,   /* the candle's first trade */
    BASE_READING, /* a reading: at a trade near its time */
    BASE_KNOWN,   /* the end of the last comparison */
} base_kind;

typedef struct candle_chain {
    base_kind kind;
    candle_reading base; /* valid if has_base; start_ns and recv_ns are used even while kind is
                     BASE_NONE */
    /* Receive time of the base from an earlier frame, or 0. One frame may end a candle and begin
     * the next one; the first trades of the new candle are then earlier than that frame. */
    uint64_t frame_before_ns;
    uint64_t low; /* BASE_KNOWN: first and last possible position in the trades; nearly always
                     equal */
    uint64_t high;
    candle_reading waiting[READINGS_MAX]; /* oldest first */
    uint32_t count;
    uint8_t has_base;
    uint8_t had_reading_on_conn; /* 1: this connection had a reading */
} candle_chain;

/* ---- trades of a candle ---- */

/* The trades that a candle sums: of its own line, else of any line. */
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

/* Restart the comparisons of the candles that use these trades, because they were dropped. */
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

/* ---- clocks ---- */

/* How much longer one frame of a connection may wait in buffers than another before it is read. */
#define READ_DELAY_NS ((int64_t)TD_NS_PER_S)

/* The latest exchange time that a frame received at recv_ns may have, as far as the clocks are
 * known. If a recorder's clock is behind, frames are received before they were sent. */
static int64_t exchange_time(const audit *a, uint64_t recv_ns)
{
    int64_t recv = recv_ns > INT64_MAX ? INT64_MAX : (int64_t)recv_ns;
    int64_t behind = a->delay_ns_min < 0 ? READ_DELAY_NS - a->delay_ns_min : 0;
    return recv < INT64_MAX - behind ? recv + behind : INT64_MAX;
}

/* Note the delay between exchange and receipt. Times beyond 2116 are ignored, so that sums do not
 * overflow. */
static void note_delay(audit *a, uint64_t recv_ns, uint64_t exchange_ns)
{
    if (exchange_ns == 0 || recv_ns > INT64_MAX || exchange_ns > INT64_MAX / 2)
        return;
    int64_t delay = (int64_t)recv_ns - (int64_t)exchange_ns;
    if (delay < a->delay_ns_min)
        a->delay_ns_min = delay;
}

/* ---- one reading ---- */

/* MADE_SLACK_NS: a reading may include trades that are this much later than the reading, by the
 * exchange's clocks. MADE_LAG_NS: a reading may lack trades that are this much earlier than the
 * reading. Measured: 0 and 65 ms (docs/wire.md 6.7). */
#define MADE_SLACK_NS ((int64_t)TD_NS_PER_S)
#define MADE_LAG_NS   ((int64_t)(2 * TD_NS_PER_S))

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

/* Position up to which trades may belong to a reading: limited by the end of the reading's candle
 * and by the reading's own time. */
static uint64_t reach_of(const candle_reading *r, const trade_store *store)
{
    int64_t last = r->end_ns;
    if (r->made_ns != 0 && r->made_ns + MADE_SLACK_NS < last)
        last = r->made_ns + MADE_SLACK_NS;
    return last == INT64_MAX ? trade_store_end(store) : trade_store_find(store, last + 1);
}

/* Growth of the candle since the base. */
static trade_sum growth_of(const candle_chain *chain, const candle_reading *r)
{
    if (chain->kind == BASE_START)
        return r->sum;
    return (trade_sum){r->sum.volume - chain->base.sum.volume,
                       r->sum.turnover - chain->base.sum.turnover};
}

typedef enum answer {
    ANSWER_EQUAL,
    ANSWER_NOT_YET, /* further trades may make the sums equal */
    ANSWER_MISSING, /* further trades cannot make the sums equal */
} answer;

/* Look for consecutive trades that sum up to the candle's growth, from the end of the last
 * comparison. */
static answer compare(candle_chain *chain, const trade_store *store, const candle_reading *r)
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

static uint64_t later_of(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* 1 if a reading was certainly made after a grant. The first reading after a grant may be old. */
static int is_made_since(const audit *a, const candle_reading *r, uint64_t granted_ns)
{
    return r->made_ns != 0 && r->made_ns - MADE_SLACK_NS >= exchange_time(a, granted_ns);
}

/* Use a reading as the new base. */
static void set_base(candle_chain *chain, const candle_reading *r)
{
    if (chain->has_base && chain->base.recv_ns < r->recv_ns)
        chain->frame_before_ns = chain->base.recv_ns;
    chain->base = *r;
    chain->has_base = 1;
}

/* Begin the comparisons of a candle: at its start if all its trades are stored, else at this
 * reading if it was made after trades were subscribed. 1 if the reading must be compared. */
static int begin_candle(audit *a, audit_member *member, const trade_store *store,
                        const candle_reading *r)
{
    candle_chain *chain = member->candles;
    uint64_t since = store->since_ns;
    int64_t since_made = exchange_time(a, since);
    /* The candle is whole if it certainly began after its trades were subscribed. If the reading
     * has no exchange time, only a trade shows whether the recorder's clock is behind. */
    int has_exchange_time = r->made_ns != 0 || trade_store_end(store) > store->first;
    int is_whole = since != 0 && has_exchange_time && r->start_ns >= since_made;
    if (is_whole) {
        uint64_t checked_ns =
            chain->base.recv_ns < r->recv_ns ? chain->base.recv_ns : chain->frame_before_ns;
        chain->kind = BASE_START;
        set_base(chain, r);
        chain->base.sum = (trade_sum){0};
        chain->base.recv_ns = checked_ns > since ? checked_ns : since;
        return 1;
    }
    int is_new_reading = since != 0 && chain->had_reading_on_conn && is_made_since(a, r, since);
    chain->kind = is_new_reading ? BASE_READING : BASE_NONE;
    set_base(chain, r);
    a->stats.trades.skipped++;
    return 0;
}

/* 1 if both have their frames from one connection. */
static int is_same_connection(const audit_member *candles, const audit_member *trades)
{
    return candles->line == trades->line && candles->has_connection && trades->has_connection &&
           candles->connection == trades->connection;
}

/* The last grant and the last end of the trades, as either topic's last frame has them. */
static trade_grant last_grant(const audit_member *candles, const audit_member *trades)
{
    const audit_member *also = is_same_connection(candles, trades) ? candles : trades;
    return (trade_grant){.granted_ns = later_of(trades->grant.granted_ns, also->grant.granted_ns),
                         .ended_ns = later_of(trades->grant.ended_ns, also->grant.ended_ns)};
}

/* If the trades are unsubscribed, or were granted since the base, a difference proves nothing. Then
 * return 1, and set *since_ns as in trade_store. The base may be later than the unsubscribe
 * request, because the exchange sends until it reads it. */
static int grants_changed(const audit *a, const audit_member *member, const audit_member *trades,
                          uint64_t *since_ns)
{
    const candle_chain *chain = member->candles;
    const trade_grant last = last_grant(member, trades);
    *since_ns = 0;
    if (last.ended_ns > last.granted_ns)
        return 1;
    *since_ns = later_of(last.granted_ns, trades->trades->since_ns);
    /* A candle that began after a grant has all its trades. */
    int is_whole =
        chain->kind == BASE_START && chain->base.start_ns >= exchange_time(a, last.granted_ns);
    return last.granted_ns > chain->base.recv_ns && !is_whole;
}

/* Emit that a candle's growth does not match the stored trades. */
static void emit_missing(audit *a, audit_member *member, const audit_member *trades,
                         const candle_reading *r, audit_verdict *out)
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

/* Receive time up to which no trade is missing, if the trades agree with this reading. A reading
 * that may be older than a grant of the trades since the base proves nothing about the time since
 * the base. */
static uint64_t agreed_ns(const audit *a, const audit_member *member, const audit_member *trades,
                          const candle_reading *r)
{
    uint64_t base_ns = member->candles->base.recv_ns;
    uint64_t granted_ns = last_grant(member, trades).granted_ns;
    return granted_ns > base_ns && !is_made_since(a, r, granted_ns) ? base_ns : r->recv_ns;
}

/* The next comparison begins at this reading. */
static void move_base(candle_chain *chain, const candle_reading *r, uint64_t recv_ns,
                      base_kind kind)
{
    candle_reading moved = *r;
    moved.recv_ns = recv_ns;
    set_base(chain, &moved);
    chain->kind = kind;
}

typedef enum wait_rule { WAIT_FOR_TRADES, WAIT_NO_MORE } wait_rule;

/* Compare the oldest waiting reading with the trades. 1 if it need not wait any more. */
static int judge_reading(audit *a, audit_member *member, const audit_member *trades, wait_rule rule,
                         audit_verdict *out)
{
    candle_chain *chain = member->candles;
    const candle_reading *r = &chain->waiting[0];
    const trade_store *store = trades->trades;
    if (chain->has_base && r->start_ns < chain->base.start_ns)
        return 1; /* a candle that has ended */
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
        candle_reading same = chain->base;
        move_base(chain, &same, agreed_ns(a, member, trades, r), chain->kind);
        return 1;
    }
    answer is = compare(chain, store, r);
    if (is == ANSWER_NOT_YET && rule == WAIT_FOR_TRADES)
        return 0;
    uint64_t since_ns;
    if (is != ANSWER_EQUAL && grants_changed(a, member, trades, &since_ns)) {
        a->stats.trades.skipped++;
        trades->trades->since_ns = since_ns;
        move_base(chain, r, agreed_ns(a, member, trades, r), BASE_NONE);
        return 1;
    }
    a->stats.trades.compared++;
    if (is == ANSWER_EQUAL) {
        move_base(chain, r, agreed_ns(a, member, trades, r), BASE_KNOWN);
        return 1;
    }
    emit_missing(a, member, trades, r, out);
    move_base(chain, r, agreed_ns(a, member, trades, r),
              r->made_ns != 0 ? BASE_READING : BASE_NONE);
    return 1;
}

/* ---- waiting readings ---- */

/* How long a reading waits for trades that it includes and that were not received yet, measured by
 * later readings. */
#define WAIT_NS ((int64_t)(5 * TD_NS_PER_S))

/* WAIT_NS at the end of a recording, where no later reading follows. In recordings no reading was
 * ever ahead of the trades on its connection (22 of 22). */
#define END_WAIT_NS (200 * TD_NS_PER_MS)

/* Whether the oldest reading has waited long enough, up to the newest reading or up to end_ns, the
 * end of the recording (0: the recording has not ended). */
static wait_rule wait_rule_of(const audit_member *member, const audit_member *trades,
                              uint64_t end_ns)
{
    const candle_chain *chain = member->candles;
    TD_ASSERT(chain->count > 0);
    /* A reading shows that its own connection is up. If the trades have another connection, that
     * connection may be down, which is known only after it was replaced. */
    if (!is_same_connection(member, trades))
        return WAIT_FOR_TRADES;
    const candle_reading *oldest = &chain->waiting[0];
    const candle_reading *newest = &chain->waiting[chain->count - 1];
    if (end_ns != 0)
        return oldest->recv_ns + END_WAIT_NS < end_ns ? WAIT_NO_MORE : WAIT_FOR_TRADES;
    int64_t waited = oldest->made_ns != 0 && newest->made_ns != 0
                         ? newest->made_ns - oldest->made_ns
                         : (int64_t)(newest->recv_ns - oldest->recv_ns);
    return waited > WAIT_NS ? WAIT_NO_MORE : WAIT_FOR_TRADES;
}

static void check_waiting_readings(audit *a, audit_member *member, const audit_member *trades,
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

/* ======== frames of candles and trades ======== */

/* Later exchange times are ignored, so that sums of times do not overflow. */
#define MADE_NS_MAX (INT64_MAX / 2)

static const msg_value *value_of(const msg_item *item, msg_member member, value_type type)
{
    const msg_value *value = msg_value_find(item->values, item->value_count, member);
    return value != NULL && value->type == type ? value : NULL;
}

/* Read an entry of a candle frame. 0 if it lacks start or volume. */
static int read_candle(const audit_member *member, const msg_item *item, const msg_head *head,
                       uint64_t recv_ns, candle_reading *out)
{
    const msg_value *start = value_of(item, MEMBER_START, VALUE_TIME_NS);
    const msg_value *end = value_of(item, MEMBER_END, VALUE_TIME_NS);
    const msg_value *volume = value_of(item, MEMBER_VOLUME, VALUE_DECIMAL);
    const msg_value *turnover = value_of(item, MEMBER_TURNOVER, VALUE_DECIMAL);
    if (start == NULL || volume == NULL || start->as.time_ns > INT64_MAX)
        return 0;
    *out = (candle_reading){.start_ns = (int64_t)start->as.time_ns,
                            .end_ns = INT64_MAX,
                            .made_ns = (int64_t)(head->exchange_ns & INT64_MAX),
                            .recv_ns = recv_ns,
                            .sum.volume = trade_sum_of(volume->as.decimal)};
    if (end != NULL && end->as.time_ns < INT64_MAX)
        out->end_ns = (int64_t)end->as.time_ns;
    /* A spot frame has only the candle's start, which is not the time when the frame was made. */
    if (out->made_ns == out->start_ns || out->made_ns > MADE_NS_MAX)
        out->made_ns = 0;
    if (member->rule_member == MEMBER_TURNOVER && turnover != NULL) {
        out->sum.turnover = trade_sum_of(turnover->as.decimal);
        out->has_turnover = 1;
    }
    return 1;
}

static void audit_candles_apply(audit *a, audit_member *member, const audit_frame *frame,
                                const message *m, audit_verdict *out)
{
    candle_chain *chain = member->candles;
    TD_ASSERT(member->part == AUDIT_CANDLES);
    note_delay(a, frame->recv_ns, m->head.exchange_ns);
    audit_member *trades = trades_of(a, member);
    if (trades == NULL || !message_is_record(m))
        return;
    /* The stored trades are of the previous connection; the ledger covers the frames in between. */
    if (trades->shard == member->shard && trades->line == member->line && trades->has_connection &&
        trades->connection != member->connection) {
        trade_store_forget(trades->trades);
        forget_chains(a, trades);
        trades->connection = member->connection;
    }
    for (size_t i = 0; i < m->record.item_count; i++) {
        candle_reading r;
        if (!read_candle(member, &m->record.items[i], &m->head, frame->recv_ns, &r))
            continue;
        /* Readings are running totals, so one of them may be dropped. */
        if (chain->count == READINGS_MAX) {
            a->stats.trades.skipped++;
            chain->count--;
        }
        chain->waiting[chain->count++] = r;
        check_waiting_readings(a, member, trades, 0, out);
    }
    chain->had_reading_on_conn = 1;
}

/* The position before which no stored trade is needed any more. */
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

static void audit_trades_skip(audit *a, audit_member *member, uint64_t recv_ns)
{
    uint64_t since = member->trades->since_ns;
    trade_store_forget(member->trades);
    forget_chains(a, member);
    if (since != 0)
        member->trades->since_ns = recv_ns;
}

static void audit_trades_apply(audit *a, audit_member *member, const audit_frame *frame,
                               const message *m, audit_verdict *out)
{
    TD_ASSERT(member->part == AUDIT_TRADES);
    const trade_grant *grant = &frame->trades;
    const uint64_t since_ns = grant->ended_ns != 0 ? grant->granted_ns : frame->granted_ns;
    /* After an end, frames that were on their way may follow. */
    if (member->trades->since_ns == 0 && grant->ended_ns <= grant->granted_ns)
        member->trades->since_ns = since_ns != 0 ? since_ns : frame->recv_ns;
    size_t count = message_item_count(m);
    for (size_t i = 0; i < count; i++) {
        msg_trade trade = message_trade(m, i);
        note_delay(a, frame->recv_ns, trade.exchange_ns);
        /* It is not documented whether candles include block trades (docs/wire.md 6.7): such a
         * candle is not compared. */
        if (trade.is_block_trade == 1)
            audit_trades_skip(a, member, frame->recv_ns);
        else
            add_trade(a, member, &trade);
    }
    for (uint32_t i = 0; i < a->member_count; i++) {
        audit_member *candles = a->members[i];
        if (candles->part == AUDIT_CANDLES && candles->candles->count > 0 &&
            trades_of(a, candles) == member)
            check_waiting_readings(a, candles, member, 0, out);
    }
}

/* ======== members ======== */

/* The rule that makes a topic take part in the audit; NULL for trades, which need no rule. */
static const rule_row *rule_of_part(const topic_row *row, audit_part part)
{
    static const rule_id RULES[AUDIT_PARTS] = {
        [AUDIT_BOOK] = RULE_BOOKS_AGREE,
        [AUDIT_BEST] = RULE_BEST_AGREES,
        [AUDIT_CANDLES] = RULE_TRADES_COMPLETE,
    };
    return topic_rule(row, RULES[part]);
}

audit_part audit_part_of(const topic_row *row)
{
    if (row->type == MSG_TRADE)
        return AUDIT_TRADES;
    for (audit_part part = AUDIT_BOOK; part < AUDIT_PARTS; part++) {
        if (part == AUDIT_BOOK && row->type != MSG_BOOK_CHANGE)
            continue;
        if (rule_of_part(row, part) != NULL)
            return part;
    }
    return AUDIT_NONE;
}

uint32_t audit_useful_parts(const uint32_t counts[AUDIT_PARTS])
{
    uint32_t useful = 0;
    if (counts[AUDIT_BOOK] > 1)
        useful |= 1u << AUDIT_BOOK;
    if (counts[AUDIT_BOOK] > 0 && counts[AUDIT_BEST] > 0)
        useful |= 1u << AUDIT_BOOK | 1u << AUDIT_BEST;
    if (counts[AUDIT_TRADES] > 0 && counts[AUDIT_CANDLES] > 0)
        useful |= 1u << AUDIT_TRADES | 1u << AUDIT_CANDLES;
    return useful;
}

void audit_member_set_row(audit_member *member, const topic_row *row)
{
    if (TD_LIKELY(member->row == row) || audit_part_of(row) != member->part)
        return;
    const rule_row *rule = rule_of_part(row, member->part);
    member->row = row;
    member->rule_member = rule == NULL ? MEMBER_NONE : rule->member;
    member->strength = rule == NULL ? STRENGTH_ERROR : rule->strength;
}

/* Size of a member's history, by its part. */
static const size_t HISTORY_BYTES[AUDIT_PARTS] = {[AUDIT_BOOK] = sizeof(book_history),
                                                  [AUDIT_BEST] = sizeof(best_history),
                                                  [AUDIT_TRADES] = sizeof(trade_store),
                                                  [AUDIT_CANDLES] = sizeof(candle_chain)};

audit *audit_open(void)
{
    audit *made = td_alloc_zero(1, sizeof *made);
    made->delay_ns_min = INT64_MAX;
    return made;
}

audit_member *audit_join(audit *a, const topic_row *row, uint32_t line, void *user)
{
    TD_ASSERT(audit_part_of(row) != AUDIT_NONE);
    if (a->member_count == LIMIT_AUDIT_MEMBERS)
        return NULL;
    audit_member *made = td_alloc_zero(1, sizeof *made);
    made->owner = a;
    made->user = user;
    made->line = line;
    made->index = a->member_count;
    made->part = audit_part_of(row);
    audit_member_set_row(made, row);
    made->past = td_alloc_zero(1, HISTORY_BYTES[made->part]);
    a->members[a->member_count++] = made;
    if (made->part == AUDIT_BOOK)
        audit_books_joined(a);
    return made;
}

void audit_close(audit *a)
{
    if (a == NULL)
        return;
    for (uint32_t i = 0; i < a->member_count; i++) {
        audit_member *member = a->members[i];
        if (member->part == AUDIT_TRADES)
            td_free(member->trades->marks);
        td_free(member->past);
        td_free(member);
    }
    td_free(a->found);
    td_free(a);
}

size_t audit_bytes(const audit *a)
{
    size_t bytes = sizeof *a;
    for (uint32_t i = 0; i < a->member_count; i++) {
        const audit_member *member = a->members[i];
        bytes += sizeof *member + HISTORY_BYTES[member->part];
        if (member->part == AUDIT_TRADES)
            bytes += member->trades->capacity * sizeof *member->trades->marks;
    }
    return bytes;
}

uint32_t audit_member_count(const audit *a)
{
    return a->member_count;
}

audit_member *audit_member_at(audit *a, uint32_t index)
{
    TD_ASSERT(index < a->member_count);
    return a->members[index];
}

/* ======== frames of all members ======== */

/* Prepare for another connection: numbers may restart, and the ledger covers the frames in between.
 */
static void member_connect(audit *a, audit_member *member)
{
    switch (member->part) {
    case AUDIT_BOOK:
        member->books->count = 0;
        member->books->since_ns = 0;
        break;
    case AUDIT_BEST:
        *member->best = (best_history){0};
        break;
    case AUDIT_TRADES:
        trade_store_forget(member->trades);
        forget_chains(a, member);
        break;
    case AUDIT_CANDLES:
        member->candles->had_reading_on_conn = 0;
        break;
    case AUDIT_NONE:
    case AUDIT_PARTS:
        break;
    }
}

void audit_apply(audit *a, audit_member *member, const audit_frame *frame, const message *m,
                 track *t, audit_verdict *out)
{
    TD_ASSERT(member->owner == a);
    *out = (audit_verdict){0, a->found};
    if (!member->has_connection || member->connection != frame->connection)
        member_connect(a, member);
    member->has_connection = 1;
    member->connection = frame->connection;
    member->shard = frame->shard;
    member->conn = frame->conn;
    member->grant = frame->trades;
    if (member->part == AUDIT_BOOK)
        audit_books_apply(a, member, frame, m, t, out);
    else if (member->part == AUDIT_BEST)
        audit_best_apply(a, member, frame, m, out);
    else if (member->part == AUDIT_TRADES)
        audit_trades_apply(a, member, frame, m, out);
    else
        audit_candles_apply(a, member, frame, m, out);
    a->found = out->items;
    if (frame->is_lead_in)
        a->stats = (audit_stats){0};
}

void audit_skip(audit *a, audit_member *member, uint64_t recv_ns)
{
    TD_ASSERT(member->owner == a);
    if (member->part == AUDIT_TRADES)
        audit_trades_skip(a, member, recv_ns);
}

void audit_finish(audit *a, uint64_t end_ns, audit_verdict *out)
{
    *out = (audit_verdict){0, a->found};
    for (uint32_t i = 0; i < a->member_count; i++) {
        audit_member *member = a->members[i];
        const audit_member *trades = member->part == AUDIT_CANDLES ? trades_of(a, member) : NULL;
        if (trades == NULL)
            continue;
        check_waiting_readings(a, member, trades, end_ns, out);
        a->stats.trades.skipped += member->candles->count;
        member->candles->count = 0;
    }
    a->found = out->items;
}

/* ======== statistics ======== */

static void count_add(audit_count *sum, const audit_count *more)
{
    sum->compared += more->compared;
    sum->differed += more->differed;
    sum->skipped += more->skipped;
}

void audit_stats_add(audit_stats *sum, const audit_stats *more)
{
    count_add(&sum->books, &more->books);
    count_add(&sum->best, &more->best);
    count_add(&sum->trades, &more->trades);
}

void audit_add_stats(const audit *a, audit_stats *sum)
{
    audit_stats_add(sum, &a->stats);
}

/* ======== save, load ======== */

static void pair_serialize(book_pair *pair, state_io *io)
{
    state_i64(io, &pair->equal_seq);
    state_u64(io, &pair->equal_ns);
    state_flag(io, &pair->differs);
    if (!pair->differs)
        return;
    state_u64(io, &pair->from_ns);
    state_check(io, pair->from_ns != 0);
    state_u32(io, &pair->own.shard);
    state_u32(io, &pair->own.conn);
    state_u32(io, &pair->theirs.shard);
    state_u32(io, &pair->theirs.conn);
}

/* Save or load the states, oldest first. */
static void states_serialize(book_history *past, state_io *io)
{
    enum { STATE_BYTES = 34 }; /* number, time, two prices */
    uint32_t count = state_count(io, past->count, LIMIT_AUDIT_STATES, STATE_BYTES);
    if (state_is_loading(io)) {
        past->count = count;
        past->newest = count == 0 ? 0 : count - 1;
    }
    for (uint32_t back = count; back-- > 0;) {
        book_state *state = state_back(past, back);
        state_i64(io, &state->seq);
        state_u64(io, &state->recv_ns);
        for (uint32_t i = 0; i < past->depth_count; i++)
            state_u64(io, &state->hashes[i]);
        for (int at = SIDE_BUY; at <= SIDE_SELL; at++)
            state_decimal(io, &state->best[at]);
    }
}

/* Save or load the history of a member. count: members of the audit. */
static void book_history_serialize(book_history *past, size_t count, uint32_t own_index,
                                   state_io *io)
{
    past->depth_count = state_count(io, past->depth_count, AUDIT_DEPTHS_MAX, sizeof(uint32_t));
    for (uint32_t i = 0; i < past->depth_count; i++)
        state_u32(io, &past->depths[i]);
    states_serialize(past, io);
    for (size_t i = own_index + 1; i < count; i++)
        pair_serialize(&past->pairs[i], io);
    state_u64(io, &past->since_ns);
    state_check(io, past->since_ns != 0 || past->count == 0);
}

static void best_history_serialize(best_history *past, state_io *io)
{
    enum { WAITING_BYTES = 34 };
    past->count = state_count(io, past->count, AUDIT_TICKERS_MAX, WAITING_BYTES);
    for (uint32_t i = 0; i < past->count; i++) {
        waiting_best *waiting = &past->waiting[i];
        state_i64(io, &waiting->seq);
        state_u64(io, &waiting->recv_ns);
        for (int at = SIDE_BUY; at <= SIDE_SELL; at++)
            state_decimal(io, &waiting->price[at]);
    }
    for (int at = SIDE_BUY; at <= SIDE_SELL; at++)
        state_decimal(io, &past->price[at]);
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

/* Save or load the trades. */
static void trade_store_serialize(trade_store *s, state_io *io)
{
    enum { MARK_BYTES = 40 };
    uint32_t capacity = (uint32_t)s->capacity; /* saved: it decides when trades are dropped */
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

static void reading_serialize(candle_reading *r, state_io *io)
{
    state_i64(io, &r->start_ns);
    state_i64(io, &r->end_ns);
    state_i64(io, &r->made_ns);
    state_check(io, r->made_ns >= 0 && r->made_ns <= MADE_NS_MAX);
    state_u64(io, &r->recv_ns);
    trade_sum_serialize(&r->sum, io);
    state_flag(io, &r->has_turnover);
}

static void candle_chain_serialize(candle_chain *chain, state_io *io)
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
    state_flag(io, &chain->had_reading_on_conn);
}

static void member_serialize(audit_member *member, state_io *io)
{
    state_flag(io, &member->has_connection);
    state_u64(io, &member->connection);
    state_u32(io, &member->shard);
    state_u32(io, &member->conn);
    if (member->part == AUDIT_BOOK)
        book_history_serialize(member->books, member->owner->member_count, member->index, io);
    if (member->part == AUDIT_BEST)
        best_history_serialize(member->best, io);
    if (member->part == AUDIT_TRADES)
        trade_store_serialize(member->trades, io);
    if (member->part == AUDIT_CANDLES)
        candle_chain_serialize(member->candles, io);
}

static int audit_chains_fit(const audit *a)
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

void audit_serialize(audit *a, state_io *io)
{
    for (uint32_t i = 0; i < a->member_count; i++)
        member_serialize(a->members[i], io);
    state_i64(io, &a->delay_ns_min);
    state_check(io, a->delay_ns_min >= -(INT64_MAX / 2));
    state_check(io, audit_chains_fit(a));
}
