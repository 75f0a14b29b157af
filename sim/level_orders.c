#include "sim/level_orders.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

typedef struct orders_side {
    level_order *orders;
    size_t count, capacity;
} orders_side;

struct level_orders {
    orders_side sides[2]; /* by market_side */
    order_event *events;
    size_t event_count, event_capacity;
    uint64_t numbers;
};

level_orders *level_orders_open(void)
{
    return td_alloc_zero(1, sizeof(level_orders));
}

void level_orders_close(level_orders *o)
{
    if (o == NULL)
        return;
    td_free(o->sides[MARKET_BUY].orders);
    td_free(o->sides[MARKET_SELL].orders);
    td_free(o->events);
    td_free(o);
}

static void note(level_orders *o, const char *action, market_side side, const level_order *order)
{
    td_array_ensure((void **)&o->events, &o->event_capacity, o->event_count, sizeof *o->events);
    o->events[o->event_count++] = (order_event){action, side, *order};
}

/* Index of the first order at a price, or where it would be. */
static size_t level_begin(const level_orders *o, market_side side, int64_t price)
{
    const orders_side *of = &o->sides[side];
    size_t from = 0, to = of->count;
    while (from < to) {
        const size_t middle = from + (to - from) / 2;
        const int64_t other = of->orders[middle].price;
        if (side == MARKET_BUY ? other > price : other < price)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static size_t level_count(const level_orders *o, market_side side, int64_t price)
{
    const orders_side *of = &o->sides[side];
    const size_t begin = level_begin(o, side, price);
    size_t count = 0;
    while (begin + count < of->count && of->orders[begin + count].price == price)
        count++;
    return count;
}

static void take_out(level_orders *o, market_side side, size_t at)
{
    orders_side *of = &o->sides[side];
    of->count--;
    memmove(of->orders + at, of->orders + at + 1, (of->count - at) * sizeof *of->orders);
}

/* Put an order at the end of its level's queue. */
static void put_last(level_orders *o, market_side side, const level_order *order)
{
    orders_side *of = &o->sides[side];
    const size_t at = level_begin(o, side, order->price) + level_count(o, side, order->price);
    td_array_ensure((void **)&of->orders, &of->capacity, of->count, sizeof *of->orders);
    memmove(of->orders + at + 1, of->orders + at, (of->count - at) * sizeof *of->orders);
    of->orders[at] = *order;
    of->count++;
}

/* Let a level grow: by another order, or by one of its orders, which goes to the end of the queue.
 */
static void grow(level_orders *o, market_side side, int64_t price, int64_t size, uint64_t ns)
{
    const size_t count = level_count(o, side, price);
    level_order order = {price, size, ns + o->event_count, 0};
    const int is_full = count == LEVEL_ORDERS_MAX;
    if (is_full) {
        const size_t at = level_begin(o, side, price) + (o->numbers & 1);
        order.size += o->sides[side].orders[at].size;
        order.number = o->sides[side].orders[at].number;
        take_out(o, side, at);
    } else {
        order.number = ++o->numbers;
    }
    put_last(o, side, &order);
    note(o, is_full ? "modify" : "add", side, &order);
}

/* Let a level shrink, the first order first. */
static void shrink(level_orders *o, market_side side, int64_t price, int64_t size)
{
    orders_side *of = &o->sides[side];
    const size_t at = level_begin(o, side, price);
    while (size > 0) {
        TD_ASSERT(at < of->count);
        level_order *first = &of->orders[at];
        TD_ASSERT(first->price == price);
        if (first->size > size) {
            first->size -= size;
            note(o, "modify", side, first);
            return;
        }
        size -= first->size;
        note(o, "delete", side, first);
        take_out(o, side, at);
    }
}

/* 1 if a level is beyond a full side of the window. */
static int is_outside(const book_window *window, market_side side, int64_t price)
{
    if (window->counts[side] < window->depth)
        return 0;
    const int64_t worst = window_side(window, side)[window->depth - 1].price;
    return side == MARKET_BUY ? price < worst : price > worst;
}

static void remove_level(level_orders *o, const book_window *window, market_side side,
                         int64_t price)
{
    const size_t at = level_begin(o, side, price);
    for (size_t left = level_count(o, side, price); left > 0; left--) {
        if (!is_outside(window, side, price))
            note(o, "delete", side, &o->sides[side].orders[at]);
        take_out(o, side, at);
    }
}

static int64_t level_size(const level_orders *o, market_side side, int64_t price)
{
    const size_t at = level_begin(o, side, price), count = level_count(o, side, price);
    int64_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += o->sides[side].orders[at + i].size;
    return size;
}

/* Add a level, larger ones as two orders. */
static void add_level(level_orders *o, market_side side, const market_level *level, uint64_t ns)
{
    const int64_t second = level->size / 3;
    grow(o, side, level->price, level->size - second, ns);
    if (second > 0)
        grow(o, side, level->price, second, ns);
}

void level_orders_reset(level_orders *o, const book_window *window, uint64_t ns)
{
    o->sides[MARKET_BUY].count = o->sides[MARKET_SELL].count = 0;
    o->event_count = 0;
    for (market_side side = MARKET_BUY; side <= MARKET_SELL; side++)
        for (uint32_t i = 0; i < window->counts[side]; i++)
            add_level(o, side, &window_side(window, side)[i], ns);
}

void level_orders_follow(level_orders *o, const book_window *window, const window_changes *changes,
                         uint64_t ns)
{
    o->event_count = 0;
    for (uint32_t i = 0; i < changes->count; i++) {
        const window_change *change = &changes->items[i];
        const market_side side = change->side;
        const int64_t price = change->level.price;
        const int64_t more = change->level.size - level_size(o, side, price);
        if (change->kind == CHANGE_DELETE)
            remove_level(o, window, side, price);
        else if (change->kind == CHANGE_INSERT)
            add_level(o, side, &change->level, ns);
        else if (more > 0)
            grow(o, side, price, more, ns);
        else
            shrink(o, side, price, -more);
    }
}

void level_orders_list(level_orders *o)
{
    o->event_count = 0;
    for (market_side side = MARKET_BUY; side <= MARKET_SELL; side++)
        for (size_t i = 0; i < o->sides[side].count; i++)
            note(o, "add", side, &o->sides[side].orders[i]);
}

const order_event *level_orders_events(const level_orders *o, size_t *count)
{
    *count = o->event_count;
    return o->events;
}

const level_order *level_orders_side(const level_orders *o, market_side side, size_t *count)
{
    *count = o->sides[side].count;
    return o->sides[side].orders;
}

void level_order_format_id(uint64_t number, char out[LEVEL_ORDER_ID_BYTES])
{
    static const char FORM[LEVEL_ORDER_ID_BYTES] = "O.....-.....-......";
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    uint64_t rest = number * UINT64_C(0x9e3779b97f4a7c15); /* odd: no two numbers have one id */
    for (size_t i = 0; i < LEVEL_ORDER_ID_BYTES; i++) {
        out[i] = FORM[i];
        if (FORM[i] != '.')
            continue;
        out[i] = DIGITS[rest % 32];
        rest /= 32;
    }
}
