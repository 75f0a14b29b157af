#include "book/order_set.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"

enum {
    SIDES = 2,
    SLOT_NONE = 0, /* slots are numbered from 1 */
    CAPACITY_MIN = 64,
};
_Static_assert(LIMIT_ORDER_ID_BYTES <= UINT8_MAX, "the size of an id is a byte");

typedef struct order_slot {
    td_decimal price, size;
    uint64_t updated_ns;
    uint64_t arrival; /* orders that came later have a higher one */
    uint32_t hash;    /* of the id */
    uint32_t next;    /* of a free slot: another free one */
    uint8_t side;     /* msg_side */
    uint8_t id_bytes;
    uint8_t id[LIMIT_ORDER_ID_BYTES];
} order_slot;

/* The slots of a side's orders. The first that is filled is last, because most changes are near it.
 */
typedef struct order_side {
    uint32_t *slots;
    size_t count, capacity;
} order_side;

struct order_set {
    order_slot *slots; /* slots[0] is not used */
    size_t slot_count, slot_capacity;
    uint32_t first_free;
    uint32_t *by_id; /* slots by the hash of their id, with open addressing; SLOT_NONE: free */
    size_t by_id_capacity; /* a power of two, at least twice the number of orders */
    uint64_t arrivals;
    order_side sides[SIDES];
    uint8_t is_hashing;
    uint64_t sums[2]; /* of all orders, modulo 2^64 */
};

/* ---- the digest ---- */

/* Add (sign 1) or subtract (sign -1) an order. */
static void sums_add(order_set *set, const order_slot *of, uint64_t sign)
{
    uint8_t text[LIMIT_ORDER_ID_BYTES + 48];
    uint8_t *at = text;
    const td_decimal_wide price = td_decimal_widen(of->price);
    const td_decimal_wide size = td_decimal_widen(of->size);
    if (!set->is_hashing)
        return;
    *at++ = of->side;
    td_put_le64(at, price.low);
    td_put_le64(at + 8, price.high);
    td_put_le64(at + 16, size.low);
    td_put_le64(at + 24, size.high);
    td_put_le64(at + 32, of->updated_ns);
    at += 40;
    memcpy(at, of->id, of->id_bytes);
    at += of->id_bytes;
    set->sums[0] += sign * td_xxh64(text, (size_t)(at - text));
    *at++ = 1;
    set->sums[1] += sign * td_xxh64(text, (size_t)(at - text));
}

static const uint64_t HASH_ADD = 1;
static const uint64_t HASH_REMOVE = UINT64_MAX; /* -1 modulo 2^64 */

/* ---- orders by id ---- */

static uint32_t hash_of(td_bytes id)
{
    const uint64_t hash = td_xxh64(id.data, id.size);
    return (uint32_t)(hash ^ hash >> 32);
}

/* The place in by_id with this id, or the free one where it would be put. */
static size_t find_entry(const order_set *set, uint32_t hash, td_bytes id)
{
    const size_t mask = set->by_id_capacity - 1;
    size_t at = hash & mask;
    for (; set->by_id[at] != SLOT_NONE; at = (at + 1) & mask) {
        const order_slot *slot = &set->slots[set->by_id[at]];
        if (slot->hash == hash && td_bytes_equal(td_bytes_of(slot->id, slot->id_bytes), id))
            break;
    }
    return at;
}

/* Make room for one more order. */
static void grow_by_id(order_set *set)
{
    const size_t count = set->sides[SIDE_BUY].count + set->sides[SIDE_SELL].count;
    if (2 * (count + 1) <= set->by_id_capacity)
        return;
    td_free(set->by_id);
    set->by_id_capacity = set->by_id_capacity == 0 ? CAPACITY_MIN : 2 * set->by_id_capacity;
    set->by_id = td_alloc_zero(set->by_id_capacity, sizeof *set->by_id);
    for (size_t side = 0; side < SIDES; side++)
        for (size_t i = 0; i < set->sides[side].count; i++) {
            const uint32_t slot = set->sides[side].slots[i];
            const order_slot *of = &set->slots[slot];
            set->by_id[find_entry(set, of->hash, td_bytes_of(of->id, of->id_bytes))] = slot;
        }
}

/* Free an entry, and move later ones of the same run into the hole, so that they are still found.
 */
static void remove_entry(order_set *set, size_t hole)
{
    const size_t mask = set->by_id_capacity - 1;
    for (size_t at = (hole + 1) & mask; set->by_id[at] != SLOT_NONE; at = (at + 1) & mask) {
        const size_t home = set->slots[set->by_id[at]].hash & mask;
        if (((at - home) & mask) < ((at - hole) & mask))
            continue; /* it would be before its home */
        set->by_id[hole] = set->by_id[at];
        hole = at;
    }
    set->by_id[hole] = SLOT_NONE;
}

/* ---- one side ---- */

/* Compare prices: above 0 if `a` is filled before `b`. */
static int compare_prices(msg_side side, td_decimal a, td_decimal b)
{
    const int order = a.scale == b.scale ? (a.mantissa > b.mantissa) - (a.mantissa < b.mantissa)
                                         : td_decimal_compare(a, b);
    return side == SIDE_BUY ? order : -order;
}

/* Compare orders: above 0 if `a` is filled before `b`. */
static int compare_orders(msg_side side, const order_slot *a, const order_slot *b)
{
    const int order = compare_prices(side, a->price, b->price);
    if (order != 0)
        return order;
    if (a->updated_ns != b->updated_ns)
        return a->updated_ns < b->updated_ns ? 1 : -1;
    return (a->arrival < b->arrival) - (a->arrival > b->arrival);
}

/* The position of an order in its side's slots, or where it would be. */
static size_t position_of(const order_set *set, const order_slot *order)
{
    const order_side *side = &set->sides[order->side];
    size_t from = 0, to = side->count;
    while (from < to) {
        const size_t middle = from + (to - from) / 2;
        if (compare_orders((msg_side)order->side, &set->slots[side->slots[middle]], order) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

/* Number of a side's orders that are worse than a price, or, with `least` 1, not better. */
static size_t count_worse(const order_set *set, msg_side at, td_decimal price, int least)
{
    const order_side *side = &set->sides[at];
    size_t from = 0, to = side->count;
    while (from < to) {
        const size_t middle = from + (to - from) / 2;
        if (compare_prices(at, set->slots[side->slots[middle]].price, price) < least)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static void insert(order_set *set, uint32_t slot)
{
    order_side *side = &set->sides[set->slots[slot].side];
    const size_t at = position_of(set, &set->slots[slot]);
    td_array_ensure((void **)&side->slots, &side->capacity, side->count, sizeof *side->slots);
    memmove(side->slots + at + 1, side->slots + at, (side->count - at) * sizeof *side->slots);
    side->slots[at] = slot;
    side->count++;
    sums_add(set, &set->slots[slot], HASH_ADD);
}

/* Take orders out of a side's list, from a position on. */
static void take_out(order_set *set, msg_side at, size_t position, size_t count)
{
    order_side *side = &set->sides[at];
    TD_ASSERT(position + count <= side->count);
    if (count == 0)
        return;
    for (size_t i = 0; i < count; i++)
        sums_add(set, &set->slots[side->slots[position + i]], HASH_REMOVE);
    side->count -= count;
    memmove(side->slots + position, side->slots + position + count,
            (side->count - position) * sizeof *side->slots);
}

/* ---- opening, closing ---- */

order_set *order_set_open(void)
{
    return td_alloc_zero(1, sizeof(order_set));
}

void order_set_close(order_set *set)
{
    if (set == NULL)
        return;
    for (size_t i = 0; i < SIDES; i++)
        td_free(set->sides[i].slots);
    td_free(set->by_id);
    td_free(set->slots);
    td_free(set);
}

size_t order_set_bytes(const order_set *set)
{
    size_t places = set->by_id_capacity;
    for (size_t i = 0; i < SIDES; i++)
        places += set->sides[i].capacity;
    return sizeof *set + set->slot_capacity * sizeof *set->slots + places * sizeof(uint32_t);
}

void order_set_clear(order_set *set)
{
    for (size_t i = 0; i < SIDES; i++)
        set->sides[i].count = 0;
    if (set->by_id_capacity > 0)
        memset(set->by_id, 0, set->by_id_capacity * sizeof *set->by_id);
    set->slot_count = 0;
    set->first_free = SLOT_NONE;
    set->sums[0] = set->sums[1] = 0;
}

/* ---- queries ---- */

size_t order_set_count(const order_set *set, msg_side side)
{
    TD_ASSERT(side == SIDE_BUY || side == SIDE_SELL);
    return set->sides[side].count;
}

int order_set_at(const order_set *set, msg_side at, size_t index, book_order *out)
{
    const size_t count = order_set_count(set, at);
    if (index >= count)
        return 0;
    const order_slot *slot = &set->slots[set->sides[at].slots[count - 1 - index]];
    *out = (book_order){td_bytes_of(slot->id, slot->id_bytes), slot->price, slot->size,
                        slot->updated_ns};
    return 1;
}

int order_set_find(const order_set *set, td_bytes id, order_place *out)
{
    if (set->by_id_capacity == 0)
        return 0;
    const uint32_t found = set->by_id[find_entry(set, hash_of(id), id)];
    if (found == SLOT_NONE)
        return 0;
    const order_slot *slot = &set->slots[found];
    const size_t position = position_of(set, slot);
    TD_ASSERT_SLOW(set->sides[slot->side].slots[position] == found);
    *out = (order_place){(msg_side)slot->side, set->sides[slot->side].count - 1 - position};
    return 1;
}

void order_set_level(const order_set *set, msg_side at, td_decimal price, order_level *out)
{
    const order_side *side = &set->sides[at];
    const size_t from = count_worse(set, at, price, 0), to = count_worse(set, at, price, 1);
    *out = (order_level){.first = side->count - to, .count = to - from, .is_exact = 1};
    for (size_t i = from; i < to; i++)
        out->is_exact &=
            (uint8_t)msg_size_with_rpi(out->size, set->slots[side->slots[i]].size, &out->size);
}

/* ---- changes ---- */

/* A slot for an order with a new id; it is in no list yet. */
static uint32_t add_slot(order_set *set, td_bytes id)
{
    uint32_t slot = set->first_free;
    grow_by_id(set);
    if (slot != SLOT_NONE) {
        set->first_free = set->slots[slot].next;
    } else {
        slot = (uint32_t)++set->slot_count;
        td_array_ensure((void **)&set->slots, &set->slot_capacity, slot, sizeof *set->slots);
    }
    order_slot *made = &set->slots[slot];
    *made =
        (order_slot){.arrival = ++set->arrivals, .hash = hash_of(id), .id_bytes = (uint8_t)id.size};
    memcpy(made->id, id.data, id.size);
    set->by_id[find_entry(set, made->hash, id)] = slot;
    return slot;
}

int order_set_put(order_set *set, msg_side side, const book_order *order)
{
    order_place at;
    uint32_t slot;
    TD_ASSERT(side == SIDE_BUY || side == SIDE_SELL);
    const int is_known = order_set_find(set, order->id, &at);
    const int is_larger = !is_known || at.side != side;
    if (order->id.size == 0 || order->id.size > LIMIT_ORDER_ID_BYTES ||
        (is_larger && set->sides[side].count == LIMIT_BOOK_ORDERS))
        return 0;
    if (is_known) {
        const size_t position = set->sides[at.side].count - 1 - at.index;
        slot = set->sides[at.side].slots[position];
        take_out(set, at.side, position, 1);
    } else {
        slot = add_slot(set, order->id);
    }
    set->slots[slot].price = order->price;
    set->slots[slot].size = order->size;
    set->slots[slot].updated_ns = order->updated_ns;
    set->slots[slot].side = (uint8_t)side;
    insert(set, slot);
    return 1;
}

/* Forget the id of a slot that is in no list any more. */
static void free_slot(order_set *set, uint32_t slot)
{
    order_slot *of = &set->slots[slot];
    remove_entry(set, find_entry(set, of->hash, td_bytes_of(of->id, of->id_bytes)));
    of->next = set->first_free;
    set->first_free = slot;
}

void order_set_remove(order_set *set, order_place at)
{
    const size_t position = set->sides[at.side].count - 1 - at.index;
    const uint32_t slot = set->sides[at.side].slots[position];
    take_out(set, at.side, position, 1);
    free_slot(set, slot);
}

void order_set_truncate(order_set *set, msg_side at, size_t count)
{
    const order_side *side = &set->sides[at];
    const size_t removed = side->count > count ? side->count - count : 0;
    for (size_t i = 0; i < removed; i++)
        free_slot(set, side->slots[i]);
    take_out(set, at, 0, removed);
}

/* ---- digest, save, load ---- */

void order_set_hash(order_set *set, td_hasher *into)
{
    if (!set->is_hashing) {
        set->is_hashing = 1;
        for (size_t side = 0; side < SIDES; side++)
            for (size_t i = 0; i < set->sides[side].count; i++)
                sums_add(set, &set->slots[set->sides[side].slots[i]], HASH_ADD);
    }
    uint8_t *state = td_hasher_space(into, 24);
    td_put_le64(state, set->sums[0]);
    td_put_le64(state + 8, set->sums[1]);
    td_put_le32(state + 16, (uint32_t)set->sides[SIDE_BUY].count);
    td_put_le32(state + 20, (uint32_t)set->sides[SIDE_SELL].count);
}

/* Save or load an order. Loading: orders come in the order of their queue, so that their arrivals
 * keep it. */
static void order_serialize(order_set *set, msg_side side, size_t index, state_io *io)
{
    uint8_t text[LIMIT_ORDER_ID_BYTES] = {0};
    book_order order = {0};
    order_place at;
    if (!state_is_loading(io)) {
        const int is_there = order_set_at(set, side, index, &order);
        TD_ASSERT(is_there);
        memcpy(text, order.id.data, order.id.size);
    }
    const uint32_t size = state_count(io, order.id.size, sizeof text, 1);
    state_raw(io, text, size);
    state_decimal(io, &order.price);
    state_decimal(io, &order.size);
    state_u64(io, &order.updated_ns);
    order.id = td_bytes_of(text, size);
    if (!state_is_loading(io) || io->is_failed)
        return;
    state_check(io, !order_set_find(set, order.id, &at) && order_set_put(set, side, &order));
    state_check(io,
                io->is_failed || set->slots[set->sides[side].slots[0]].arrival == set->arrivals);
}

void order_set_serialize(order_set *set, state_io *io)
{
    enum { ORDER_BYTES_MIN = 4 + 1 + 9 + 9 + 8 };
    for (msg_side side = SIDE_BUY; side <= SIDE_SELL; side++) {
        const uint32_t count =
            state_count(io, set->sides[side].count, LIMIT_BOOK_ORDERS, ORDER_BYTES_MIN);
        for (uint32_t i = 0; i < count && !io->is_failed; i++)
            order_serialize(set, side, i, io);
    }
}
