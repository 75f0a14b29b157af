/* The orders of a book: the set itself, and the levels that follow from it. Expected results
 * come from a list that is searched from its begin. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/random.h"
#include "book/book.h"
#include "book/checksum.h"
#include "book/order_set.h"

enum { IDS = 60, STEPS = 4000, ORDERS_MAX = IDS, ID_BYTES = 16 };

/* ---- orders as a list ---- */

typedef struct listed {
    char id[ID_BYTES];
    msg_side side;
    int64_t price, size; /* in cents */
    uint64_t ns;
    unsigned came;
} listed;

typedef struct list {
    listed orders[ORDERS_MAX];
    size_t count;
    unsigned came;
} list;

static listed *find(list *of, const char *id)
{
    for (size_t i = 0; i < of->count; i++)
        if (strcmp(of->orders[i].id, id) == 0)
            return &of->orders[i];
    return NULL;
}

static int is_before(const listed *a, const listed *b)
{
    if (a->price != b->price)
        return a->side == SIDE_BUY ? a->price > b->price : a->price < b->price;
    return a->ns != b->ns ? a->ns < b->ns : a->came < b->came;
}

/* The index-th order of a side. */
static const listed *nth(const list *of, msg_side side, size_t index)
{
    for (size_t i = 0; i < of->count; i++) {
        size_t before = 0;
        for (size_t k = 0; k < of->count; k++)
            before += of->orders[k].side == side && is_before(&of->orders[k], &of->orders[i]);
        if (of->orders[i].side == side && before == index)
            return &of->orders[i];
    }
    return NULL;
}

/* ---- messages ---- */

enum { VALUES = 5 };
typedef struct entry {
    msg_value values[VALUES];
    char id[LIMIT_ORDER_ID_BYTES + 8];
} entry;

static msg_item item_of(entry *e, msg_action action, const char *id, msg_side side,
                        td_decimal price, td_decimal size, uint64_t ns)
{
    snprintf(e->id, sizeof e->id, "%s", id);
    e->values[0] =
        (msg_value){.member = MEMBER_ORDER_ID, .type = VALUE_TEXT, .as.text = td_bytes_str(e->id)};
    e->values[1] = (msg_value){.member = MEMBER_PRICE, .type = VALUE_DECIMAL, .as.decimal = price};
    e->values[2] = (msg_value){.member = MEMBER_SIZE, .type = VALUE_DECIMAL, .as.decimal = size};
    e->values[3] =
        (msg_value){.member = MEMBER_UPDATED_AT, .type = VALUE_TIME_NS, .as.time_ns = ns};
    e->values[4] = (msg_value){.member = MEMBER_SIDE, .type = VALUE_SIDE, .as.side = (uint8_t)side};
    return (msg_item){.action = action, .values = e->values, .value_count = VALUES};
}

static book_outcome apply_one(book *b, msg_action action, const char *id, msg_side side,
                              td_decimal price, td_decimal size, uint64_t ns)
{
    entry e;
    book_outcome outcome;
    const msg_item item = item_of(&e, action, id, side, price, size, ns);
    const msg_record frame = {.items = &item, .item_count = 1};
    book_apply_orders(b, &frame, BOOK_CHANGES, &outcome);
    return outcome;
}

/* ---- checks ---- */

static void assert_side(const book *b, const list *of, msg_side side)
{
    const order_set *set = book_orders(b);
    const listed *expected;
    size_t level = 0;
    int64_t sum = 0;
    for (size_t i = 0; (expected = nth(of, side, i)) != NULL; i++) {
        const listed *next = nth(of, side, i + 1);
        book_order found;
        order_place at;
        assert_true(order_set_at(set, side, i, &found));
        assert_true(td_bytes_is(found.id, expected->id));
        assert_int_equal(found.updated_ns, expected->ns);
        assert_int_equal(td_decimal_compare(found.size, (td_decimal){expected->size, 2}), 0);
        assert_true(order_set_find(set, found.id, &at));
        assert_int_equal(at.side, side);
        assert_int_equal(at.index, i);
        sum += expected->size;
        if (next != NULL && next->price == expected->price)
            continue;
        book_level is;
        order_level sums;
        assert_true(book_level_at(b, side, level++, &is));
        assert_int_equal(td_decimal_compare(is.price, (td_decimal){expected->price, 2}), 0);
        assert_int_equal(td_decimal_compare(is.size, (td_decimal){sum, 2}), 0);
        order_set_level(set, side, is.price, &sums);
        assert_int_equal(sums.first + sums.count, i + 1);
        sum = 0;
    }
    assert_int_equal(book_level_count(b, side), level);
}

static td_hash128 hash_of(book *b)
{
    td_hasher *hasher = td_hasher_open();
    td_hash128 hash;
    book_hash(b, hasher);
    hash = td_hasher_digest(hasher);
    td_hasher_close(hasher);
    return hash;
}

static void assert_same_hash(book *a, book *b)
{
    const td_hash128 hashes[] = {hash_of(a), hash_of(b)};
    assert_memory_equal(&hashes[0], &hashes[1], sizeof hashes[0]);
}

/* A book that was saved and loaded. */
static book *copy_of(book *b)
{
    td_buf bytes;
    td_buf_init(&bytes, LIMIT_STATE_BYTES);
    state_io out = {.out = &bytes, .version = BOOK_EDGE_VERSION};
    book_serialize(b, &out);
    assert_false(out.is_failed);
    book *made = book_open(0);
    book_keep_orders(made);
    state_io in = {.in = td_buf_view(&bytes), .version = BOOK_EDGE_VERSION};
    book_serialize(made, &in);
    assert_false(in.is_failed);
    assert_int_equal(in.in.size, 0);
    td_buf_fini(&bytes);
    return made;
}

/* ---- random orders ---- */

static void step(book *b, list *of, td_random *random)
{
    static const msg_action ACTIONS[] = {ACTION_INSERT, ACTION_UPDATE, ACTION_DELETE};
    listed now = {.came = ++of->came};
    snprintf(now.id, sizeof now.id, "O%u", (unsigned)td_random_below(random, IDS));
    const msg_action action = ACTIONS[td_random_below(random, 3)];
    listed *known = find(of, now.id);
    now.side = td_random_below(random, 2) == 0 ? SIDE_BUY : SIDE_SELL;
    now.price = 10000 + (int64_t)td_random_below(random, 6);
    now.size = 1 + (int64_t)td_random_below(random, 500);
    now.ns = td_random_below(random, 20);
    /* the same numbers with other places are the same */
    const int is_wide = td_random_below(random, 2) == 0;
    const td_decimal price = is_wide ? (td_decimal){now.price * 10, 3} : (td_decimal){now.price, 2};
    const book_outcome outcome =
        apply_one(b, action, now.id, now.side, price, (td_decimal){now.size, 2}, now.ns);
    assert_int_equal(outcome.delete_misses, action == ACTION_DELETE && known == NULL);
    assert_int_equal(outcome.update_misses, action == ACTION_UPDATE && known == NULL);
    assert_int_equal(outcome.insert_hits, action == ACTION_INSERT && known != NULL);
    assert_int_equal(outcome.overflows + outcome.out_of_range, 0);
    if (action == ACTION_DELETE) {
        if (known != NULL)
            *known = of->orders[--of->count];
        return;
    }
    if (known != NULL)
        now.came = known->came;
    *(known != NULL ? known : &of->orders[of->count++]) = now;
}

static void test_random_orders(void **state)
{
    (void)state;
    td_random random;
    td_random_init(&random, 11);
    book *b = book_open(0);
    book_keep_orders(b);
    list of = {.count = 0};
    for (int i = 0; i < STEPS; i++) {
        step(b, &of, &random);
        if (i % 40 != 0)
            continue;
        assert_side(b, &of, SIDE_BUY);
        assert_side(b, &of, SIDE_SELL);
        book *copy = copy_of(b);
        assert_side(copy, &of, SIDE_BUY);
        assert_side(copy, &of, SIDE_SELL);
        assert_same_hash(copy, b);
        assert_true(book_bytes(copy) > sizeof(listed) * of.count / 2);
        book_close(copy);
    }
    book_clear(b);
    assert_int_equal(order_set_count(book_orders(b), SIDE_BUY), 0);
    assert_int_equal(book_level_count(b, SIDE_SELL), 0);
    book_close(b);
}

/* ---- what does not fit ---- */

static void test_bounds(void **state)
{
    (void)state;
    static const td_decimal ONE = {1, 0}, HUGE_SIZE = {INT64_MAX, 0};
    char id[LIMIT_ORDER_ID_BYTES + 2];
    book *b = book_open(0);
    book_keep_orders(b);
    memset(id, 'A', sizeof id - 1);
    id[sizeof id - 1] = '\0';
    assert_int_equal(apply_one(b, ACTION_INSERT, id, SIDE_BUY, ONE, ONE, 1).overflows, 1);
    assert_int_equal(apply_one(b, ACTION_INSERT, "", SIDE_BUY, ONE, ONE, 1).overflows, 1);
    assert_int_equal(order_set_count(book_orders(b), SIDE_BUY), 0);
    id[LIMIT_ORDER_ID_BYTES] = '\0';
    assert_int_equal(apply_one(b, ACTION_INSERT, id, SIDE_BUY, ONE, ONE, 1).overflows, 0);
    /* a sum of more than 64 bits */
    assert_int_equal(apply_one(b, ACTION_INSERT, "B", SIDE_BUY, ONE, HUGE_SIZE, 1).out_of_range, 1);
    assert_int_equal(
        apply_one(b, ACTION_UPDATE, "B", SIDE_BUY, ONE, (td_decimal){0, 0}, 1).empty_sizes, 1);
    book_clear(b);
    for (unsigned i = 0; i <= LIMIT_BOOK_ORDERS; i++) {
        snprintf(id, sizeof id, "%u", i);
        const book_outcome outcome =
            apply_one(b, ACTION_INSERT, id, SIDE_SELL, (td_decimal){i, 0}, ONE, i);
        assert_int_equal(outcome.overflows, i == LIMIT_BOOK_ORDERS);
    }
    assert_int_equal(order_set_count(book_orders(b), SIDE_SELL), LIMIT_BOOK_ORDERS);
    book_close(b);
}

/* A frame with all orders at two prices: each level is added up once. */
static void test_large_frames(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    static entry entries[COUNT];
    static msg_item items[COUNT];
    book_outcome outcome;
    book_level best;
    book *b = book_open(0);
    book_keep_orders(b);
    for (size_t i = 0; i < COUNT; i++) {
        char id[ID_BYTES];
        snprintf(id, sizeof id, "%zu", i);
        items[i] = item_of(&entries[i], ACTION_SET, id, SIDE_BUY, (td_decimal){1 + (i & 1), 0},
                           (td_decimal){1, 0}, COUNT - i);
    }
    const msg_record frame = {.items = items, .item_count = COUNT};
    book_apply_orders(b, &frame, BOOK_REPLACES, &outcome);
    assert_true(book_level_at(b, SIDE_BUY, 0, &best));
    assert_int_equal(td_decimal_compare(best.size, (td_decimal){COUNT / 2, 0}), 0);
    book_apply_orders(b, &frame, BOOK_CHANGES, &outcome);
    assert_int_equal(outcome.insert_hits, COUNT);
    book_truncate(b, 1);
    assert_int_equal(order_set_count(book_orders(b), SIDE_BUY), COUNT / 2);
    book_close(b);
}

/* An entry that a user's decoder leaves incomplete is no order. */
static void test_incomplete_entries(void **state)
{
    (void)state;
    for (size_t i = 0; i < VALUES; i++) {
        entry e;
        book_outcome outcome;
        book *b = book_open(0);
        book_keep_orders(b);
        const msg_item item =
            item_of(&e, ACTION_INSERT, "A", SIDE_BUY, (td_decimal){1, 0}, (td_decimal){1, 0}, 1);
        const msg_record frame = {.items = &item, .item_count = 1};
        e.values[i].type = VALUE_INTEGER;
        book_apply_orders(b, &frame, BOOK_CHANGES, &outcome);
        assert_int_equal(outcome.out_of_range, 1);
        assert_int_equal(book_level_count(b, SIDE_BUY), 0);
        book_close(b);
    }
}

/* A hostile state: ids that are there twice, orders that are not in their order, bytes that end. */
static void test_hostile_states(void **state)
{
    (void)state;
    td_buf bytes;
    book *b = book_open(0);
    book_keep_orders(b);
    (void)apply_one(b, ACTION_INSERT, "A", SIDE_BUY, (td_decimal){1, 0}, (td_decimal){1, 0}, 1);
    (void)apply_one(b, ACTION_INSERT, "B", SIDE_BUY, (td_decimal){2, 0}, (td_decimal){1, 0}, 1);
    td_buf_init(&bytes, LIMIT_STATE_BYTES);
    state_io out = {.out = &bytes, .version = BOOK_EDGE_VERSION};
    book_serialize(b, &out);
    unsigned refused = 0;
    for (size_t at = 0; at < bytes.size; at++)
        for (unsigned bit = 0; bit < 8; bit++) {
            book *loaded = book_open(0);
            book_keep_orders(loaded);
            bytes.data[at] ^= (uint8_t)(1u << bit);
            state_io in = {.in = td_buf_view(&bytes), .version = BOOK_EDGE_VERSION};
            book_serialize(loaded, &in);
            refused += in.is_failed;
            if (!in.is_failed) {
                book *again = copy_of(loaded);
                assert_same_hash(again, loaded);
                book_close(again);
            }
            bytes.data[at] ^= (uint8_t)(1u << bit);
            book_close(loaded);
        }
    assert_true(refused > 0);
    for (size_t size = 0; size < bytes.size; size++) {
        book *loaded = book_open(0);
        book_keep_orders(loaded);
        state_io in = {.in = td_bytes_of(bytes.data, size), .version = BOOK_EDGE_VERSION};
        book_serialize(loaded, &in);
        assert_true(in.is_failed);
        book_close(loaded);
    }
    td_buf_fini(&bytes);
    book_close(b);
}

/* ---- levels that are cut off take their orders with them; the checksum has the queue ---- */

static void test_truncated(void **state)
{
    (void)state;
    static const checksum_recipe RECIPE = {2, CHECKSUM_ORDERS};
    static const struct {
        const char *id;
        msg_side side;
        td_decimal price, size;
        uint64_t ns;
    } ORDERS[] = {
        {"A", SIDE_SELL, {1010, 1}, {250, 2}, 5}, {"B", SIDE_SELL, {1010, 1}, {100, 2}, 4},
        {"C", SIDE_SELL, {1020, 1}, {5, 2}, 1},   {"D", SIDE_SELL, {1030, 1}, {7, 2}, 1},
        {"E", SIDE_BUY, {999, 1}, {30, 2}, 1},    {"F", SIDE_BUY, {999, 1}, {40, 2}, 1},
    };
    uint32_t sum;
    order_place at;
    book *b = book_open(0);
    book_keep_orders(b);
    assert_true(book_checksum(b, &RECIPE, &sum));
    assert_int_equal(sum, 0);
    for (size_t i = 0; i < sizeof ORDERS / sizeof *ORDERS; i++)
        (void)apply_one(b, ACTION_INSERT, ORDERS[i].id, ORDERS[i].side, ORDERS[i].price,
                        ORDERS[i].size, ORDERS[i].ns);
    static const char TEXT[] = "1010100"
                               "1010250"
                               "10205"
                               "99930"
                               "99940";
    assert_true(book_checksum(b, &RECIPE, &sum));
    assert_int_equal(sum, td_crc32(0, TEXT, sizeof TEXT - 1));
    book_truncate(b, 2);
    assert_int_equal(order_set_count(book_orders(b), SIDE_SELL), 3);
    assert_false(order_set_find(book_orders(b), td_bytes_str("D"), &at));
    assert_int_equal(
        apply_one(b, ACTION_DELETE, "D", SIDE_SELL, (td_decimal){1030, 1}, (td_decimal){7, 2}, 1)
            .delete_misses,
        1);
    book_truncate(b, 1);
    assert_int_equal(order_set_count(book_orders(b), SIDE_SELL), 2);
    assert_int_equal(order_set_count(book_orders(b), SIDE_BUY), 2);
    book_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_orders),      cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_incomplete_entries), cmocka_unit_test(test_hostile_states),
        cmocka_unit_test(test_truncated),          cmocka_unit_test(test_large_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
