#include "book/checksum.h"

#include "schema/checksum.h"

static checksum_level level_of(const void *of, msg_side side, size_t index, td_decimal *price,
                               td_decimal *size)
{
    book_level level;
    if (index >= book_level_count(of, side))
        return CHECKSUM_LEVEL_ABSENT;
    if (!book_level_written(of, side, index, &level))
        return CHECKSUM_LEVEL_UNKNOWN;
    *price = level.price;
    *size = level.size;
    return CHECKSUM_LEVEL_THERE;
}

/* The orders of a book's best levels. */
typedef struct best_orders {
    const order_set *orders;
    size_t counts[2]; /* by msg_side */
} best_orders;

static checksum_level order_of(const void *of, msg_side side, size_t index, td_decimal *price,
                               td_decimal *size)
{
    const best_orders *best = of;
    book_order order;
    if (index >= best->counts[side] || !order_set_at(best->orders, side, index, &order))
        return CHECKSUM_LEVEL_ABSENT;
    *price = order.price;
    *size = order.size;
    return CHECKSUM_LEVEL_THERE;
}

/* Number of orders at the best `levels` prices of a side. */
static size_t best_count(const book *of, msg_side side, size_t levels)
{
    book_level last;
    order_level at;
    const size_t count = book_level_count(of, side);
    if (!book_level_at(of, side, (levels < count ? levels : count) - 1, &last))
        return 0;
    order_set_level(book_orders(of), side, last.price, &at);
    return at.first + at.count;
}

int book_checksum(const book *of, const checksum_recipe *recipe, uint32_t *out)
{
    if (recipe->order != CHECKSUM_ORDERS)
        return checksum_compute(recipe, level_of, of, out);
    const best_orders best = {
        book_orders(of),
        {best_count(of, SIDE_BUY, recipe->levels), best_count(of, SIDE_SELL, recipe->levels)}};
    return checksum_compute(recipe, order_of, &best, out);
}
