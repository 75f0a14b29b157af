/* The single orders of a shown book: after each change the orders of a level add up to its size,
 * and a client that applies the events, and drops the levels beyond the depth, has the same orders.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/random.h"
#include "sim/level_orders.h"

enum { DEPTH = 5, PRICES = 12, STEPS = 3000, CLIENT_MAX = 64 };

typedef struct client {
    level_order orders[CLIENT_MAX];
    size_t count;
} client;

static size_t find(const client *c, uint64_t number)
{
    size_t i = 0;
    while (i < c->count && c->orders[i].number != number)
        i++;
    return i;
}

static int is_before(market_side side, const level_order *a, const level_order *b)
{
    if (a->price != b->price)
        return side == MARKET_BUY ? a->price > b->price : a->price < b->price;
    return a->ns < b->ns;
}

static void sort(client *c, market_side side)
{
    for (size_t i = 1; i < c->count; i++)
        for (size_t k = i; k > 0 && is_before(side, &c->orders[k], &c->orders[k - 1]); k--) {
            const level_order other = c->orders[k];
            c->orders[k] = c->orders[k - 1];
            c->orders[k - 1] = other;
        }
}

/* Apply the events of a side, then drop what is beyond the depth. */
static void apply(client *c, market_side side, const level_orders *from)
{
    size_t count, levels = 0;
    const order_event *events = level_orders_events(from, &count);
    for (size_t i = 0; i < count; i++) {
        const order_event *event = &events[i];
        if (event->side != side)
            continue;
        const size_t at = find(c, event->order.number);
        if (strcmp(event->action, "add") == 0) {
            assert_int_equal(at, c->count);
            assert_true(c->count < CLIENT_MAX);
            c->orders[c->count++] = event->order;
            continue;
        }
        assert_true(at < c->count);
        if (strcmp(event->action, "delete") == 0)
            c->orders[at] = c->orders[--c->count];
        else
            c->orders[at] = event->order;
    }
    sort(c, side);
    for (size_t i = 0; i < c->count; i++) {
        levels += i == 0 || c->orders[i].price != c->orders[i - 1].price;
        if (levels > DEPTH)
            c->count = i;
    }
}

static void assert_orders(const client *c, market_side side, const level_orders *of,
                          const book_window *window)
{
    size_t count, at = 0;
    const level_order *orders = level_orders_side(of, side, &count);
    assert_int_equal(count, c->count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(orders[i].number, c->orders[i].number);
        assert_int_equal(orders[i].size, c->orders[i].size);
        assert_int_equal(orders[i].price, c->orders[i].price);
    }
    for (uint32_t i = 0; i < window->counts[side]; i++) {
        const market_level *level = &window_side(window, side)[i];
        int64_t sum = 0;
        size_t in_level = 0;
        for (; at < count && orders[at].price == level->price; at++, in_level++)
            sum += orders[at].size;
        assert_int_equal(sum, level->size);
        assert_true(in_level <= LEVEL_ORDERS_MAX);
    }
    assert_int_equal(at, count);
}

/* The best levels of random ones. */
static void fill(book_window *window, int64_t sizes[2][PRICES])
{
    for (market_side side = MARKET_BUY; side <= MARKET_SELL; side++) {
        market_level *levels = window->levels + (side == MARKET_BUY ? 0 : window->depth);
        window->counts[side] = 0;
        for (int64_t i = 0; i < PRICES && window->counts[side] < DEPTH; i++)
            if (sizes[side][i] > 0)
                levels[window->counts[side]++] =
                    (market_level){side == MARKET_BUY ? 100 - i : 101 + i, sizes[side][i]};
    }
}

static void test_random_windows(void **state)
{
    (void)state;
    static window_changes changes;
    int64_t sizes[2][PRICES] = {{0}};
    client clients[2] = {{.count = 0}};
    td_random random;
    td_random_init(&random, 5);
    book_window *shown = window_open(DEPTH), *next = window_open(DEPTH);
    level_orders *orders = level_orders_open();
    level_orders_reset(orders, shown, 1);
    for (unsigned i = 0; i < STEPS; i++) {
        for (unsigned k = 0; k <= i % 4; k++) {
            int64_t *size = &sizes[td_random_below(&random, 2)][td_random_below(&random, PRICES)];
            *size = td_random_below(&random, 3) == 0 ? 0 : (int64_t)td_random_below(&random, 900);
        }
        fill(next, sizes);
        window_compare(shown, next, &changes);
        window_copy(shown, next);
        level_orders_follow(orders, shown, &changes, 1000 * (i + 1));
        for (market_side side = MARKET_BUY; side <= MARKET_SELL; side++) {
            apply(&clients[side], side, orders);
            assert_orders(&clients[side], side, orders, shown);
        }
        if (i % 100 != 0)
            continue;
        client late = {.count = 0};
        level_orders_list(orders);
        apply(&late, MARKET_BUY, orders);
        assert_orders(&late, MARKET_BUY, orders, shown);
    }
    level_orders_close(orders);
    td_free(shown);
    td_free(next);
}

static void test_ids(void **state)
{
    (void)state;
    char a[LEVEL_ORDER_ID_BYTES], b[LEVEL_ORDER_ID_BYTES];
    level_order_format_id(1, a);
    level_order_format_id(2, b);
    assert_int_equal(strlen(a), 19);
    assert_true(a[0] == 'O' && a[6] == '-' && a[12] == '-');
    assert_string_not_equal(a, b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_windows),
        cmocka_unit_test(test_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
