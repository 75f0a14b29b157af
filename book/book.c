#include "book/book.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"

enum {
    CAPACITY_MIN = 64,     /* levels per side of a book of unknown depth */
    LEVEL_TEXT_BYTES = 64, /* "Sell ", two decimals, a space, LF */
    SIDES = 2,
};
#define BOOK_MAGIC UINT32_C(0x626f6f6b)
#define EDGE_NONE  INT64_MIN /* no key is that low */

/* Decimal places of a level as it was written; PLACES_UNKNOWN: it is older than its book keeps
 * them. */
enum { PLACES_UNKNOWN = TD_DECIMAL_SCALE_MAX + 1 };
typedef struct written_places {
    uint8_t price, size;
} written_places;

/* One side, sorted so that the best is last: most changes are near the best, so few levels move.
 * Keys are prices for bids and negated prices for asks, so that both sides share the code. */
typedef struct book_side {
    int64_t *keys;           /* strictly ascending */
    int64_t *sizes;          /* sizes[i] belongs to keys[i] */
    written_places *written; /* written[i], too; NULL: not kept */
    uint32_t count;
    uint32_t capacity;
    int64_t edge;   /* levels with a lower key are not known; EDGE_NONE: all are */
    uint32_t shown; /* levels of the snapshot, if there is an edge */
} book_side;

/* A price at which a frame changed orders. */
typedef struct touched_level {
    msg_side side;
    td_decimal price;
} touched_level;

struct book {
    uint32_t magic;
    uint8_t price_scale;
    uint8_t size_scale;
    uint8_t is_hashing;     /* 1 once book_hash was called: sums are kept up to date */
    book_side sides[SIDES]; /* by msg_side */
    uint64_t sums[2];       /* of level_mix over all levels, modulo 2^64 */
    uint32_t window; /* > 0: sums of that many best levels per side are kept up to date, too */
    uint64_t window_sums[2];
    order_set *orders;      /* NULL: they are not kept */
    touched_level *touched; /* levels whose orders the frame changes */
    size_t touched_count, touched_capacity;
};

/* ---- the digest of a set of levels ---- */

/* Finaliser of MurmurHash3: every input bit reaches every output bit. */
static uint64_t mix64(uint64_t x)
{
    x ^= x >> 33;
    x *= UINT64_C(0xff51afd7ed558ccd);
    x ^= x >> 33;
    x *= UINT64_C(0xc4ceb9fe1a85ec53);
    x ^= x >> 33;
    return x;
}

/* A decimal as one word: the low 64 bits of its value in units of 10^-18, plus the mixed high 64
 * bits, which hold the sign and the upper bits of values above 18. */
static uint64_t decimal_word(int64_t mantissa, uint8_t scale)
{
    td_decimal_wide wide = td_decimal_widen((td_decimal){mantissa, scale});
    return wide.low + wide.high * UINT64_C(0x9fb21c651e98df25);
}

/* What all sizes of a price have in common in the two sums: computed once for a level's old and new
 * size. */
typedef struct price_mix {
    uint64_t word, low, high;
} price_mix;

static inline price_mix mix_price(const book *b, msg_side at, int64_t key)
{
    uint64_t tag = (uint64_t)at + 1;
    uint64_t word = decimal_word(key, b->price_scale);
    return (price_mix){.word = word,
                       .low = tag * UINT64_C(0x9e3779b97f4a7c15),
                       .high = mix64(word + tag * UINT64_C(0xc2b2ae3d27d4eb4f))};
}

static const uint64_t HASH_ADD = 1;
static const uint64_t HASH_REMOVE = UINT64_MAX; /* -1 modulo 2^64 */

/* Add (sign 1) or subtract (sign -1) one level. The sums depend neither on scales, because values
 * are in units of 10^-18, nor on the order of levels: each change updates them. */
static inline void sums_add(uint64_t sums[2], const book *b, price_mix price, int64_t size,
                            uint64_t sign)
{
    uint64_t word = decimal_word(size, b->size_scale);
    sums[0] += sign * mix64(price.word + mix64(word + price.low));
    sums[1] += sign * mix64(word + price.high);
}

/* ---- one side ---- */

static void side_grow(book_side *side, uint32_t capacity)
{
    TD_ASSERT(capacity > side->capacity);
    side->keys = td_realloc(side->keys, capacity, sizeof *side->keys);
    side->sizes = td_realloc(side->sizes, capacity, sizeof *side->sizes);
    if (side->written != NULL)
        side->written = td_realloc(side->written, capacity, sizeof *side->written);
    side->capacity = capacity;
}

/* Number of keys below key, by a binary search without a branch that depends on the data. */
static uint32_t side_rank(const book_side *side, int64_t key)
{
    const int64_t *at = side->keys;
    size_t left = side->count;
    while (left > 0) {
        size_t half = (left + 1) / 2;
        const int64_t *after = at + half;
        /* A probability of 0.5 makes the compiler use a conditional move. */
        at = __builtin_expect_with_probability(after[-1] < key, 1, 0.5) ? after : at;
        left -= half;
    }
    uint32_t rank = (uint32_t)(at - side->keys);
    TD_ASSERT_SLOW(rank == side->count || side->keys[rank] >= key);
    TD_ASSERT_SLOW(rank == 0 || side->keys[rank - 1] < key);
    return rank;
}

static int side_has(const book_side *side, uint32_t rank, int64_t key)
{
    return rank < side->count && side->keys[rank] == key;
}

/* Make room for a level at rank. 0 if the side is at its limit. */
static int side_make_space(book_side *side, uint32_t rank)
{
    TD_ASSERT(rank <= side->count);
    if (side->count == side->capacity) {
        if (side->capacity >= LIMIT_BOOK_LEVELS)
            return 0;
        uint32_t twice = side->capacity * 2;
        side_grow(side, twice > LIMIT_BOOK_LEVELS ? LIMIT_BOOK_LEVELS : twice);
    }
    size_t after = side->count - rank;
    memmove(side->keys + rank + 1, side->keys + rank, after * sizeof *side->keys);
    memmove(side->sizes + rank + 1, side->sizes + rank, after * sizeof *side->sizes);
    if (TD_UNLIKELY(side->written != NULL))
        memmove(side->written + rank + 1, side->written + rank, after * sizeof *side->written);
    side->count++;
    return 1;
}

static void side_remove(book_side *side, uint32_t rank)
{
    TD_ASSERT(rank < side->count);
    size_t after = side->count - rank - 1;
    memmove(side->keys + rank, side->keys + rank + 1, after * sizeof *side->keys);
    memmove(side->sizes + rank, side->sizes + rank + 1, after * sizeof *side->sizes);
    if (TD_UNLIKELY(side->written != NULL))
        memmove(side->written + rank, side->written + rank + 1, after * sizeof *side->written);
    side->count--;
}

/* Note how the level at rank was written. */
static inline void side_note_written(book_side *side, uint32_t rank, const msg_level *level)
{
    if (TD_UNLIKELY(side->written != NULL))
        side->written[rank] = (written_places){level->price_scale, level->size_scale};
}

/* ---- updating digests ---- */

/* Update the sums of the whole book and, if the level is one of the best, of the best levels, by
 * what a change of the level adds. */
static inline void hash_add(book *b, msg_side at, uint32_t rank, const uint64_t change[2])
{
    const book_side *side = &b->sides[at];
    TD_ASSERT_SLOW(rank < side->count);
    b->sums[0] += change[0];
    b->sums[1] += change[1];
    if (side->count - rank > b->window)
        return;
    b->window_sums[0] += change[0];
    b->window_sums[1] += change[1];
}

/* Call this after a level was added or before a level is removed. */
static inline void hash_change(book *b, msg_side at, uint32_t rank, uint64_t sign)
{
    const book_side *side = &b->sides[at];
    uint64_t change[2] = {0, 0};
    if (!b->is_hashing)
        return;
    sums_add(change, b, mix_price(b, at, side->keys[rank]), side->sizes[rank], sign);
    hash_add(b, at, rank, change);
}

/* Call this before a level gets another size. */
static inline void hash_resize(book *b, msg_side at, uint32_t rank, int64_t size)
{
    const book_side *side = &b->sides[at];
    uint64_t change[2] = {0, 0};
    if (!b->is_hashing)
        return;
    const price_mix price = mix_price(b, at, side->keys[rank]);
    sums_add(change, b, price, side->sizes[rank], HASH_REMOVE);
    sums_add(change, b, price, size, HASH_ADD);
    hash_add(b, at, rank, change);
}

static void hash_all(book *b)
{
    for (size_t at = 0; at < SIDES; at++)
        for (uint32_t i = 0; i < b->sides[at].count; i++)
            hash_change(b, (msg_side)at, i, HASH_ADD);
}

/* Update the sums of the best levels for the level that crosses their end. Call this after a level
 * was added: if it is one of the best, the last of these drops out. Call it also before a level is
 * removed: if it is one of the best, the next level moves up. */
static void hash_shift(book *b, msg_side at, uint32_t rank, uint64_t sign)
{
    const book_side *side = &b->sides[at];
    if (side->count <= b->window || side->count - rank > b->window)
        return;
    uint32_t edge = side->count - 1 - b->window;
    sums_add(b->window_sums, b, mix_price(b, at, side->keys[edge]), side->sizes[edge], sign);
}

/* ---- scales ---- */

/* The parts of a level, each with a scale of its own. */
typedef enum level_part { PART_PRICE, PART_SIZE } level_part;

static uint8_t *part_scale(book *b, level_part part)
{
    return part == PART_PRICE ? &b->price_scale : &b->size_scale;
}

static int64_t *part_values(book_side *side, level_part part)
{
    return part == PART_PRICE ? side->keys : side->sizes;
}

/* Widen one part of all levels to a larger scale. 0, and nothing changed, if a value would not
 * fit. */
static int book_widen(book *b, level_part part, uint8_t scale)
{
    uint8_t *old_scale = part_scale(b, part);
    TD_ASSERT(scale > *old_scale);
    int64_t factor;
    int64_t edges[SIDES] = {b->sides[SIDE_BUY].edge, b->sides[SIDE_SELL].edge};
    if (td_decimal_rescale((td_decimal){1, 0}, (uint8_t)(scale - *old_scale), &factor) != TD_OK)
        return 0;
    for (size_t at = 0; at < SIDES; at++) {
        for (uint32_t i = 0; i < b->sides[at].count; i++) {
            int64_t product;
            if (__builtin_mul_overflow(part_values(&b->sides[at], part)[i], factor, &product))
                return 0;
        }
        if (part == PART_PRICE && b->sides[at].edge != EDGE_NONE &&
            __builtin_mul_overflow(b->sides[at].edge, factor, &edges[at]))
            return 0;
    }
    for (size_t at = 0; at < SIDES; at++) {
        for (uint32_t i = 0; i < b->sides[at].count; i++)
            part_values(&b->sides[at], part)[i] *= factor;
        b->sides[at].edge = edges[at];
    }
    *old_scale = scale;
    return 1;
}

/* Convert value to the book's scale, which is widened if necessary. 0 if there is no common scale.
 */
static int value_scale(book *b, td_decimal value, level_part part, int64_t *out)
{
    const uint8_t *scale = part_scale(b, part);
    if (value.scale > *scale)
        value = td_decimal_shortest(value);
    if (value.scale > *scale && !book_widen(b, part, value.scale))
        return 0;
    if (td_decimal_rescale(value, *scale, out) != TD_OK)
        return 0;
    return *out != INT64_MIN; /* INT64_MIN cannot be negated for an ask */
}

/* Convert price and size of a level to the book's scales; the usual case costs two comparisons. */
static inline __attribute__((always_inline)) int level_scale(book *b, const msg_level *level,
                                                             int64_t *key, int64_t *size)
{
    int64_t price = level->price;
    *size = level->size;
    if (TD_UNLIKELY(level->price_scale != b->price_scale || price == INT64_MIN) &&
        !value_scale(b, (td_decimal){level->price, level->price_scale}, PART_PRICE, &price))
        return 0;
    if (TD_UNLIKELY(level->size_scale != b->size_scale) && level->action != ACTION_DELETE &&
        !value_scale(b, (td_decimal){level->size, level->size_scale}, PART_SIZE, size))
        return 0;
    *key = level->side == SIDE_BUY ? price : -price;
    return 1;
}

/* ---- changes ---- */

static void level_delete(book *b, msg_side at, uint32_t rank)
{
    hash_change(b, at, rank, HASH_REMOVE);
    hash_shift(b, at, rank, HASH_ADD);
    side_remove(&b->sides[at], rank);
}

/* Returns 0 if the side is at its limit. */
static int level_insert(book *b, const msg_level *level, uint32_t rank, int64_t key, int64_t size)
{
    const msg_side at = (msg_side)level->side;
    book_side *side = &b->sides[at];
    if (!side_make_space(side, rank))
        return 0;
    side->keys[rank] = key;
    side->sizes[rank] = size;
    side_note_written(side, rank, level);
    hash_change(b, at, rank, HASH_ADD);
    hash_shift(b, at, rank, HASH_REMOVE);
    return 1;
}

static inline __attribute__((always_inline)) void
level_apply(book *b, const msg_level *level, msg_action action, book_outcome *outcome)
{
    TD_ASSERT(level->side == SIDE_BUY || level->side == SIDE_SELL);
    const msg_side at = (msg_side)level->side;
    book_side *side = &b->sides[at];
    int64_t key;
    int64_t size;
    if (!level_scale(b, level, &key, &size)) {
        outcome->out_of_range++;
        return;
    }
    const uint32_t rank = side_rank(side, key);
    const int has = side_has(side, rank, key);
    if (action == ACTION_DELETE) {
        outcome->delete_misses += !has;
        if (has)
            level_delete(b, at, rank);
        return;
    }
    if (TD_UNLIKELY(size <= 0))
        outcome->empty_sizes++;
    if (!has) {
        outcome->update_misses += action == ACTION_UPDATE;
        outcome->overflows += !level_insert(b, level, rank, key, size);
        return;
    }
    if (action == ACTION_INSERT)
        outcome->insert_hits++;
    else if (TD_UNLIKELY(side->sizes[rank] == size))
        outcome->update_repeats++;
    hash_resize(b, at, rank, size);
    side->sizes[rank] = size;
    side_note_written(side, rank, level);
}

/* Apply levels in their order, as inserts if they replace the book: an insert hit is a level that
 * the snapshot has twice. Not inlined, so that the program has level_apply() once. */
static __attribute__((noinline)) void apply_levels(book *b, const msg_level *levels, size_t count,
                                                   book_change_kind kind, book_outcome *outcome)
{
    for (size_t i = 0; i < count; i++) {
        const msg_action action = kind == BOOK_REPLACES ? ACTION_INSERT : levels[i].action;
        level_apply(b, &levels[i], action, outcome);
    }
}

/* Fill an empty book from a snapshot in the usual order: each side from the best level to the
 * worst. Adds the levels from last to first, so that no level moves. 0 if the snapshot has another
 * order or a level does not fit; the book then has a part of the levels. */
static int replace_ordered(book *b, const msg_book *change)
{
    for (size_t i = change->level_count; i-- > 0;) {
        const msg_level *level = &change->levels[i];
        TD_ASSERT(level->side == SIDE_BUY || level->side == SIDE_SELL);
        book_side *side = &b->sides[level->side];
        int64_t key;
        int64_t size;
        if (level->action == ACTION_DELETE || level->size <= 0 ||
            !level_scale(b, level, &key, &size) ||
            (side->count > 0 && side->keys[side->count - 1] >= key) ||
            !side_make_space(side, side->count))
            return 0;
        side->keys[side->count - 1] = key;
        side->sizes[side->count - 1] = size;
        side_note_written(side, side->count - 1, level);
    }
    if (b->is_hashing)
        hash_all(b);
    return 1;
}

void book_replace(book *b, const msg_book *change, book_outcome *outcome)
{
    TD_ASSERT(b->magic == BOOK_MAGIC);
    *outcome = (book_outcome){0};
    book_clear(b);
    if (replace_ordered(b, change))
        return;
    book_clear(b);
    apply_levels(b, change->levels, change->level_count, BOOK_REPLACES, outcome);
}

void book_apply(book *b, const msg_book *change, book_outcome *outcome)
{
    TD_ASSERT(b->magic == BOOK_MAGIC);
    if (change->head.kind == FRAME_SNAPSHOT) {
        book_replace(b, change, outcome);
        return;
    }
    *outcome = (book_outcome){0};
    apply_levels(b, change->levels, change->level_count, BOOK_CHANGES, outcome);
}

/* ---- orders ---- */

void book_keep_orders(book *b)
{
    TD_ASSERT(b->orders == NULL);
    TD_ASSERT(b->sides[SIDE_BUY].count + b->sides[SIDE_SELL].count == 0);
    b->orders = order_set_open();
}

const order_set *book_orders(const book *b)
{
    return b->orders;
}

static void touch_level(book *b, msg_side side, td_decimal price)
{
    td_array_ensure((void **)&b->touched, &b->touched_capacity, b->touched_count,
                    sizeof *b->touched);
    b->touched[b->touched_count++] = (touched_level){side, price};
}

static int compare_touched(const void *a, const void *b)
{
    const touched_level *left = a;
    const touched_level *right = b;
    return left->side != right->side ? (int)left->side - (int)right->side
                                     : td_decimal_compare(left->price, right->price);
}

/* Let the level at a price be what its orders add up to. */
static void follow_orders(book *b, msg_side side, td_decimal price, book_outcome *outcome)
{
    order_level of;
    book_outcome found = {0}; /* of its counts only those about limits are about the frame */
    order_set_level(b->orders, side, price, &of);
    const msg_level level = {.price = price.mantissa,
                             .price_scale = price.scale,
                             .size = of.size.mantissa,
                             .size_scale = of.size.scale,
                             .side = (uint8_t)side,
                             .action = of.count == 0 ? ACTION_DELETE : ACTION_SET};
    apply_levels(b, &level, 1, BOOK_CHANGES, &found);
    outcome->overflows += found.overflows;
    outcome->out_of_range += found.out_of_range + !of.is_exact;
}

/* Follow the orders at all prices that the frame touched, each once: a price may have all orders,
 * and a frame may change each of them. */
static void follow_touched(book *b, book_outcome *outcome)
{
    const touched_level *touched = b->touched;
    if (b->touched_count > 1)
        qsort(b->touched, b->touched_count, sizeof *b->touched, compare_touched);
    for (size_t i = 0; i < b->touched_count; i++)
        if (i == 0 || compare_touched(&touched[i - 1], &touched[i]) != 0)
            follow_orders(b, touched[i].side, touched[i].price, outcome);
    b->touched_count = 0;
}

/* Read an order of a frame. Returns 0 if it lacks something, which only a user's decoder leaves
 * out. */
static int read_order(const msg_item *item, book_order *order, msg_side *side)
{
    const msg_value *values[] = {msg_value_find(item->values, item->value_count, MEMBER_ORDER_ID),
                                 msg_value_find(item->values, item->value_count, MEMBER_PRICE),
                                 msg_value_find(item->values, item->value_count, MEMBER_SIZE),
                                 msg_value_find(item->values, item->value_count, MEMBER_UPDATED_AT),
                                 msg_value_find(item->values, item->value_count, MEMBER_SIDE)};
    static const value_type TYPES[] = {VALUE_TEXT, VALUE_DECIMAL, VALUE_DECIMAL, VALUE_TIME_NS,
                                       VALUE_SIDE};
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++)
        if (values[i] == NULL || values[i]->type != TYPES[i])
            return 0;
    *order = (book_order){values[0]->as.text, values[1]->as.decimal, values[2]->as.decimal,
                          values[3]->as.time_ns};
    *side = (msg_side)values[4]->as.side;
    return *side == SIDE_BUY || *side == SIDE_SELL;
}

static void delete_order(book *b, td_bytes id, book_outcome *outcome)
{
    order_place at;
    book_order old;
    if (!order_set_find(b->orders, id, &at) || !order_set_at(b->orders, at.side, at.index, &old)) {
        outcome->delete_misses++;
        return;
    }
    order_set_remove(b->orders, at);
    touch_level(b, at.side, old.price);
}

static void put_order(book *b, msg_side side, const book_order *order, msg_action action,
                      book_outcome *outcome)
{
    order_place at;
    book_order old;
    const int is_known = order_set_find(b->orders, order->id, &at) &&
                         order_set_at(b->orders, at.side, at.index, &old);
    const int stays =
        is_known && at.side == side && td_decimal_compare(old.price, order->price) == 0;
    outcome->empty_sizes += order->size.mantissa <= 0;
    outcome->insert_hits += is_known && action != ACTION_UPDATE;
    outcome->update_misses += !is_known && action == ACTION_UPDATE;
    outcome->update_repeats +=
        stays && action == ACTION_UPDATE && td_decimal_compare(old.size, order->size) == 0;
    if (!order_set_put(b->orders, side, order)) {
        outcome->overflows++;
        return;
    }
    if (is_known && !stays)
        touch_level(b, at.side, old.price);
    touch_level(b, side, order->price);
}

void book_apply_orders(book *b, const msg_record *change, book_change_kind kind,
                       book_outcome *outcome)
{
    TD_ASSERT(b->magic == BOOK_MAGIC);
    TD_ASSERT(b->orders != NULL);
    *outcome = (book_outcome){0};
    if (kind == BOOK_REPLACES)
        book_clear(b);
    for (size_t i = 0; i < change->item_count; i++) {
        const msg_item *item = &change->items[i];
        book_order order;
        msg_side side;
        if (!read_order(item, &order, &side))
            outcome->out_of_range++;
        else if (item->action == ACTION_DELETE)
            delete_order(b, order.id, outcome);
        else
            put_order(b, side, &order, item->action, outcome);
    }
    follow_touched(b, outcome);
}

/* Remove orders of levels that the book no longer has. */
static void truncate_orders(book *b)
{
    for (msg_side at = SIDE_BUY; at <= SIDE_SELL; at++) {
        book_level worst;
        order_level of = {0};
        if (book_level_at(b, at, book_level_count(b, at) - 1, &worst))
            order_set_level(b->orders, at, worst.price, &of);
        order_set_truncate(b->orders, at, of.first + of.count);
    }
}

/* Make the levels of a loaded set of orders. Returns 0 if they do not fit. */
static int follow_all_orders(book *b)
{
    book_outcome outcome = {0};
    book_order order;
    order_level of;
    for (msg_side at = SIDE_BUY; at <= SIDE_SELL; at++)
        for (size_t i = 0; order_set_at(b->orders, at, i, &order); i = of.first + of.count) {
            follow_orders(b, at, order.price, &outcome);
            order_set_level(b->orders, at, order.price, &of);
        }
    return outcome.overflows + outcome.out_of_range == 0;
}

/* ---- opening, closing, queries ---- */

book *book_open(uint32_t depth)
{
    TD_ASSERT(depth <= LIMIT_BOOK_LEVELS);
    book *made = td_alloc_zero(1, sizeof *made);
    made->magic = BOOK_MAGIC;
    uint32_t capacity = depth * 2 < CAPACITY_MIN ? CAPACITY_MIN : depth * 2;
    if (capacity > LIMIT_BOOK_LEVELS)
        capacity = LIMIT_BOOK_LEVELS;
    for (size_t i = 0; i < SIDES; i++) {
        side_grow(&made->sides[i], capacity);
        made->sides[i].edge = EDGE_NONE;
    }
    return made;
}

void book_close(book *b)
{
    if (b == NULL)
        return;
    TD_ASSERT(b->magic == BOOK_MAGIC);
    for (size_t i = 0; i < SIDES; i++) {
        td_free(b->sides[i].keys);
        td_free(b->sides[i].sizes);
        td_free(b->sides[i].written);
    }
    order_set_close(b->orders);
    td_free(b->touched);
    b->magic = 0;
    td_free(b);
}

size_t book_bytes(const book *b)
{
    const book_side *one = &b->sides[0];
    const size_t written = one->written == NULL ? 0 : sizeof *one->written;
    size_t levels = 0;
    for (size_t i = 0; i < SIDES; i++)
        levels += b->sides[i].capacity;
    return sizeof *b + levels * (sizeof *one->keys + sizeof *one->sizes + written) +
           (b->orders == NULL ? 0 : order_set_bytes(b->orders)) +
           b->touched_capacity * sizeof *b->touched;
}

void book_keep_written(book *b)
{
    TD_ASSERT(b->magic == BOOK_MAGIC);
    for (size_t at = 0; at < SIDES; at++) {
        book_side *side = &b->sides[at];
        if (side->written != NULL)
            continue;
        side->written = td_alloc(side->capacity * sizeof *side->written);
        for (uint32_t i = 0; i < side->count; i++)
            side->written[i] = (written_places){PLACES_UNKNOWN, PLACES_UNKNOWN};
    }
}

void book_forget_written(book *b)
{
    TD_ASSERT(b->magic == BOOK_MAGIC);
    for (size_t at = 0; at < SIDES; at++) {
        td_free(b->sides[at].written);
        b->sides[at].written = NULL;
    }
}

void book_clear(book *b)
{
    TD_ASSERT(b->magic == BOOK_MAGIC);
    for (size_t i = 0; i < SIDES; i++) {
        b->sides[i].count = 0;
        b->sides[i].edge = EDGE_NONE;
    }
    b->price_scale = 0;
    b->size_scale = 0;
    b->sums[0] = b->sums[1] = 0;
    b->window_sums[0] = b->window_sums[1] = 0;
    if (b->orders != NULL)
        order_set_clear(b->orders);
}

void book_limit(book *b, msg_side at)
{
    book_side *side = &b->sides[at];
    TD_ASSERT(side->count > 0);
    side->edge = side->keys[0];
    side->shown = side->count;
}

int book_knows(const book *b, msg_side at, td_decimal price)
{
    const int64_t edge = b->sides[at].edge;
    if (edge == EDGE_NONE) /* which cannot be negated */
        return 1;
    const td_decimal bound = {at == SIDE_BUY ? edge : -edge, b->price_scale};
    return at == SIDE_BUY ? td_decimal_compare(price, bound) >= 0
                          : td_decimal_compare(price, bound) <= 0;
}

int book_is_whole(const book *b, msg_side at)
{
    return b->sides[at].edge == EDGE_NONE;
}

int book_is_narrow(const book *b)
{
    for (msg_side at = SIDE_BUY; at <= SIDE_SELL; at++)
        if (b->sides[at].edge != EDGE_NONE &&
            book_level_count(b, at) < (b->sides[at].shown + 1) / 2)
            return 1;
    return 0;
}

void book_truncate(book *b, uint32_t depth)
{
    for (size_t at = 0; at < SIDES; at++)
        while (b->sides[at].count > depth)
            level_delete(b, (msg_side)at, 0);
    if (b->orders != NULL)
        truncate_orders(b);
}

void book_copy(book *b, const book *from)
{
    TD_ASSERT(from->magic == BOOK_MAGIC);
    TD_ASSERT(b->sides[0].written == NULL);
    TD_ASSERT(b->orders == NULL);
    book_clear(b);
    for (size_t i = 0; i < SIDES; i++) {
        const book_side *source = &from->sides[i];
        if (source->count > b->sides[i].capacity)
            side_grow(&b->sides[i], source->capacity);
        b->sides[i].count = source->count;
        b->sides[i].edge = source->edge;
        b->sides[i].shown = source->shown;
        if (source->count == 0)
            continue;
        memcpy(b->sides[i].keys, source->keys, source->count * sizeof *source->keys);
        memcpy(b->sides[i].sizes, source->sizes, source->count * sizeof *source->sizes);
    }
    b->price_scale = from->price_scale;
    b->size_scale = from->size_scale;
    if (b->is_hashing)
        hash_all(b);
}

static void side_serialize(book_side *side, state_io *io)
{
    side->count = state_count(io, side->count, LIMIT_BOOK_LEVELS, 2 * sizeof(int64_t));
    if (side->count > side->capacity)
        side_grow(side, side->count);
    for (uint32_t i = 0; i < side->count; i++) {
        state_i64(io, &side->keys[i]);
        state_i64(io, &side->sizes[i]);
        state_check(io, side->keys[i] != INT64_MIN);
        state_check(io, i == 0 || side->keys[i - 1] < side->keys[i]);
        if (side->written == NULL)
            continue;
        state_u8(io, &side->written[i].price);
        state_u8(io, &side->written[i].size);
        state_check(io, side->written[i].price <= PLACES_UNKNOWN);
        state_check(io, side->written[i].size <= PLACES_UNKNOWN);
    }
}

void book_serialize(book *b, state_io *io)
{
    TD_ASSERT(!state_is_loading(io) || !b->is_hashing); /* sums are recomputed from the levels */
    if (b->orders != NULL) {
        order_set_serialize(b->orders, io);
        state_check(io, io->is_failed || follow_all_orders(b));
        return;
    }
    state_u8(io, &b->price_scale);
    state_u8(io, &b->size_scale);
    state_check(io, b->price_scale <= TD_DECIMAL_SCALE_MAX);
    state_check(io, b->size_scale <= TD_DECIMAL_SCALE_MAX);
    for (size_t at = 0; at < SIDES; at++) {
        book_side *side = &b->sides[at];
        side_serialize(side, io);
        if (io->version < BOOK_EDGE_VERSION)
            continue;
        state_i64(io, &side->edge);
        state_u32(io, &side->shown);
        state_check(io, side->edge == EDGE_NONE || side->shown <= LIMIT_BOOK_LEVELS);
    }
}

size_t book_level_count(const book *b, msg_side at)
{
    TD_ASSERT(at == SIDE_BUY || at == SIDE_SELL);
    const book_side *side = &b->sides[at];
    return side->count - (side->edge == EDGE_NONE ? 0 : side_rank(side, side->edge));
}

int book_level_at(const book *b, msg_side at, size_t index, book_level *out)
{
    TD_ASSERT(at == SIDE_BUY || at == SIDE_SELL);
    const book_side *side = &b->sides[at];
    if (index >= side->count)
        return 0;
    size_t i = side->count - 1 - index;
    if (side->keys[i] < side->edge)
        return 0;
    int64_t price = at == SIDE_BUY ? side->keys[i] : -side->keys[i];
    *out = (book_level){{price, b->price_scale}, {side->sizes[i], b->size_scale}};
    return 1;
}

/* Bring a value of the book to the places that it was written with. 0 if they are not known. */
static int value_written(td_decimal value, uint8_t places, td_decimal *out)
{
    if (value.scale > places)
        value = td_decimal_shortest(value);
    *out = (td_decimal){.scale = places};
    return places != PLACES_UNKNOWN && value.scale <= places &&
           td_decimal_rescale(value, places, &out->mantissa) == TD_OK;
}

int book_level_written(const book *b, msg_side at, size_t index, book_level *out)
{
    const book_side *side = &b->sides[at];
    book_level level;
    if (side->written == NULL || !book_level_at(b, at, index, &level))
        return 0;
    const written_places *places = &side->written[side->count - 1 - index];
    return value_written(level.price, places->price, &out->price) &&
           value_written(level.size, places->size, &out->size);
}

td_decimal book_size_at(const book *b, msg_side at, td_decimal price)
{
    TD_ASSERT(at == SIDE_BUY || at == SIDE_SELL);
    const book_side *side = &b->sides[at];
    int64_t key;
    if (price.scale > b->price_scale)
        price = td_decimal_shortest(price);
    if (price.scale > b->price_scale || td_decimal_rescale(price, b->price_scale, &key) != TD_OK ||
        key == INT64_MIN)
        return (td_decimal){0, 0};
    key = at == SIDE_BUY ? key : -key;
    uint32_t rank = side_rank(side, key);
    return (td_decimal){key >= side->edge && side_has(side, rank, key) ? side->sizes[rank] : 0,
                        b->size_scale};
}

/* Compare the next levels of both states: below 0 if only `before` has the better one, above 0 if
 * only `after` has it, 0 if both have it. */
static int compare_next(const book_changes *self, const book_level *was, const book_level *is)
{
    int order = td_decimal_compare(is->price, was->price);
    return self->side == SIDE_BUY ? order : -order;
}

int book_changes_next(book_changes *self, book_change *out)
{
    while (self->side != SIDE_NONE) {
        book_level was;
        book_level is;
        int had =
            self->before != NULL && book_level_at(self->before, self->side, self->before_at, &was);
        int has = book_level_at(self->after, self->side, self->after_at, &is);
        if (!had && !has) {
            self->side++;
            self->before_at = self->after_at = 0;
            continue;
        }
        int order = had && has ? compare_next(self, &was, &is) : has - had;
        had = order <= 0;
        has = order >= 0;
        self->before_at += (size_t)had;
        self->after_at += (size_t)has;
        if (order == 0 && td_decimal_compare(was.size, is.size) == 0)
            continue;
        *out = (book_change){.side = self->side,
                             .price = had ? was.price : is.price,
                             .had_level = had != 0,
                             .has_level = has != 0};
        if (had)
            out->before = was.size;
        if (has)
            out->after = is.size;
        return 1;
    }
    return 0;
}

int book_is_crossed(const book *b)
{
    const book_side *bids = &b->sides[SIDE_BUY];
    const book_side *asks = &b->sides[SIDE_SELL];
    if (bids->count == 0 || asks->count == 0)
        return 0;
    return bids->keys[bids->count - 1] >= -asks->keys[asks->count - 1];
}

static void begin_hashing(book *b)
{
    if (b->is_hashing)
        return;
    b->is_hashing = 1;
    hash_all(b);
}

/* Combine sums and counts into one number. */
static uint64_t fold_sums(const uint64_t sums[2], uint32_t bids, uint32_t asks)
{
    return mix64(sums[0] + mix64(sums[1] + mix64((uint64_t)bids << 32 | asks)));
}

/* Sum the best `depth` levels of each side, one by one. */
static void hash_best(const book *b, uint32_t depth, uint64_t sums[2])
{
    TD_ASSERT(depth > 0);
    for (size_t at = 0; at < SIDES; at++) {
        const book_side *side = &b->sides[at];
        uint32_t from = side->count > depth ? side->count - depth : 0;
        for (uint32_t i = from; i < side->count; i++)
            sums_add(sums, b, mix_price(b, (msg_side)at, side->keys[i]), side->sizes[i], HASH_ADD);
    }
}

uint64_t book_hash_best(book *b, uint32_t depth)
{
    TD_ASSERT(b->magic == BOOK_MAGIC);
    uint32_t counts[SIDES] = {b->sides[SIDE_BUY].count, b->sides[SIDE_SELL].count};
    if (depth == 0 || (counts[SIDE_BUY] <= depth && counts[SIDE_SELL] <= depth)) {
        begin_hashing(b);
        return fold_sums(b->sums, counts[SIDE_BUY], counts[SIDE_SELL]);
    }
    for (size_t at = 0; at < SIDES; at++)
        counts[at] = counts[at] < depth ? counts[at] : depth;
    /* From now on update the sums of this many best levels with each change: callers need them
     * after each frame. */
    if (depth > b->window) {
        begin_hashing(b);
        b->window = depth;
        b->window_sums[0] = b->window_sums[1] = 0;
        hash_best(b, depth, b->window_sums);
    }
    if (depth == b->window)
        return fold_sums(b->window_sums, counts[SIDE_BUY], counts[SIDE_SELL]);
    uint64_t sums[2] = {0, 0};
    hash_best(b, depth, sums);
    return fold_sums(sums, counts[SIDE_BUY], counts[SIDE_SELL]);
}

void book_hash(book *b, td_hasher *into)
{
    TD_ASSERT(b->magic == BOOK_MAGIC);
    begin_hashing(b);
    uint8_t *state = td_hasher_space(into, 24);
    td_put_le64(state, b->sums[0]);
    td_put_le64(state + 8, b->sums[1]);
    td_put_le32(state + 16, b->sides[SIDE_BUY].count);
    td_put_le32(state + 20, b->sides[SIDE_SELL].count);
    if (b->orders != NULL)
        order_set_hash(b->orders, into);
}

/* Append one level as in the report, with an LF before each except the first. */
static void level_text(td_buf *text, msg_side at, const book_level *level)
{
    char price[TD_DECIMAL_TEXT_BYTES];
    char size[TD_DECIMAL_TEXT_BYTES];
    char line[LEVEL_TEXT_BYTES];
    (void)td_decimal_format(level->price, price); /* the length is not needed */
    (void)td_decimal_format(level->size, size);
    int length = snprintf(line, sizeof line, "%s%s %s %s", text->size == 0 ? "" : "\n",
                          at == SIDE_BUY ? "Buy" : "Sell", price, size);
    TD_ASSERT(length > 0 && (size_t)length < sizeof line);
    td_buf_add(text, line, (size_t)length);
}

void book_levels_sha1(const book *b, char out[TD_SHA1_HEX_BYTES])
{
    td_buf text;
    td_buf_init(&text, (size_t)SIDES * LIMIT_BOOK_LEVELS * LEVEL_TEXT_BYTES);
    for (size_t at = 0; at < SIDES; at++) {
        size_t count = book_level_count(b, (msg_side)at);
        for (size_t i = 0; i < count; i++) {
            /* ascending by price: bids from the worst, asks from the best */
            size_t index = at == SIDE_BUY ? count - 1 - i : i;
            book_level level;
            int found = book_level_at(b, (msg_side)at, index, &level);
            TD_ASSERT(found);
            level_text(&text, (msg_side)at, &level);
        }
    }
    td_sha1_hex(text.data, text.size, out);
    td_buf_fini(&text);
}
