#include "book/audit_sums.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"

__extension__ typedef unsigned __int128 usum128;

static const int64_t E10 = INT64_C(10000000000);

/* One trade, and what all trades up to it add up to. */
typedef struct mark {
    trade_sum sum;
    int64_t exchange_ns;
} mark;

struct trade_store {
    mark *marks;      /* of the trades from first on, in a row */
    trade_sum before; /* all trades before first */
    uint64_t first;   /* position */
    uint32_t count;
    size_t capacity;
    uint64_t since_ns;
};

trade_store *trade_store_open(void)
{
    return td_alloc_zero(1, sizeof(trade_store));
}

void trade_store_close(trade_store *s)
{
    if (s == NULL)
        return;
    td_free(s->marks);
    td_free(s);
}

size_t trade_store_bytes(const trade_store *s)
{
    return sizeof *s + s->capacity * sizeof *s->marks;
}

void trade_store_forget(trade_store *s)
{
    s->first += s->count;
    s->count = 0;
    s->before = (trade_sum){0};
    s->since_ns = 0;
}

void trade_store_begin(trade_store *s, uint64_t since_ns)
{
    TD_ASSERT(since_ns != 0);
    s->since_ns = since_ns;
}

uint64_t trade_store_since(const trade_store *s)
{
    return s->since_ns;
}

/* ---- save, load ---- */

/* Sums stay within this, so that the difference of two of them fits. */
static const sum128 SUM_MAX = (sum128)1 << 125;

static int sum_fits(const trade_sum *sum)
{
    return sum->volume <= SUM_MAX && sum->volume >= -SUM_MAX && sum->turnover <= SUM_MAX &&
           sum->turnover >= -SUM_MAX;
}

static void sum128_walk(sum128 *value, state_io *io)
{
    uint64_t low = (uint64_t)*value;
    uint64_t high = (uint64_t)((usum128)*value >> 64);
    state_u64(io, &low);
    state_u64(io, &high);
    *value = (sum128)((usum128)high << 64 | low);
}

void trade_sum_walk(trade_sum *sum, state_io *io)
{
    sum128_walk(&sum->volume, io);
    sum128_walk(&sum->turnover, io);
    state_check(io, sum_fits(sum));
}

void trade_store_walk(trade_store *s, state_io *io)
{
    uint32_t capacity = (uint32_t)s->capacity; /* when trades are dropped depends on it */
    state_u32(io, &capacity);
    state_check(io, capacity <= LIMIT_AUDIT_TRADES && (capacity & (capacity - 1)) == 0);
    if (state_is_loading(io) && !io->is_failed && capacity > 0)
        s->marks = td_array_reach(s->marks, &s->capacity, capacity - 1, sizeof *s->marks);
    trade_sum_walk(&s->before, io);
    state_u64(io, &s->first);
    state_check(io, s->first < UINT64_MAX / 2);
    state_u64(io, &s->since_ns);
    s->count = state_count(io, s->count, s->capacity, sizeof(mark));
    for (uint32_t i = 0; i < s->count; i++) {
        trade_sum_walk(&s->marks[i].sum, io);
        state_i64(io, &s->marks[i].exchange_ns);
        state_check(io, s->marks[i].exchange_ns >= 0);
    }
}

/* ---- values ---- */

sum128 trade_sum_of(td_decimal value)
{
    td_decimal_wide wide = td_decimal_widen(value);
    return (sum128)(((usum128)wide.high << 64) | wide.low);
}

int64_t trade_sum_e8(sum128 value)
{
    sum128 e8 = value / E10;
    return e8 > INT64_MAX ? INT64_MAX : e8 < INT64_MIN ? INT64_MIN : (int64_t)e8;
}

/* Price times size, exactly. 0 if that needs more than 18 places, or does not fit. */
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

int trade_store_is_full(const trade_store *s)
{
    return s->count == s->capacity;
}

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

int trade_store_make_space(trade_store *s, uint64_t needed_from)
{
    drop_before(s, needed_from);
    /* What stays was moved: half has to be free, or that would be done again too soon. */
    if (s->count <= s->capacity / 2 && s->capacity > 0)
        return 1;
    if (s->capacity == LIMIT_AUDIT_TRADES)
        return 0;
    s->marks = td_array_reach(s->marks, &s->capacity, s->capacity, sizeof *s->marks);
    return 1;
}

int trade_store_add(trade_store *s, const msg_trade *trade)
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
    /* Times that fall are another rule's; here they only have to be sorted. */
    s->marks[s->count++] = (mark){now, at < last ? last : at};
    return 1;
}

/* ---- questions ---- */

uint64_t trade_store_first(const trade_store *s)
{
    return s->first;
}

uint64_t trade_store_end(const trade_store *s)
{
    return s->first + s->count;
}

int64_t trade_store_last_ns(const trade_store *s)
{
    return s->count == 0 ? 0 : s->marks[s->count - 1].exchange_ns;
}

uint64_t trade_store_find(const trade_store *s, int64_t exchange_ns)
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

trade_sum trade_store_sum(const trade_store *s, uint64_t from, uint64_t to)
{
    trade_sum a = sum_at(s, from);
    trade_sum b = sum_at(s, to < from ? from : to);
    return (trade_sum){b.volume - a.volume, b.turnover - a.turnover};
}

uint64_t trade_store_match(const trade_store *s, uint64_t from, uint64_t reach,
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
