/* The order book. Expected books are written by hand from the operations' meaning (docs/wire.md 2
 * and 6.3); the SHA-1 values are coreutils' sha1sum of the text that docs/design.md ("Report")
 * prescribes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/limits.h"
#include "base/random.h"
#include "book/book.h"
#include "tests/testing/book_text.h"

enum { FRAMES_MAX = 4, TEXT_MAX = 1 << 20 };

static book *open_book(uint32_t depth)
{
    return book_open(depth);
}

static void apply_text(book *b, const char *text, book_outcome *outcome)
{
    book_frame frame;
    book_frame_parse(text, &frame);
    book_apply(b, &frame.message, outcome);
}

static void assert_book(const book *b, const char *expected, const char *name)
{
    td_buf text;
    td_buf_init(&text, TEXT_MAX);
    book_to_text(b, &text);
    if (strcmp((const char *)text.data, expected) != 0)
        fail_msg("%s: book is %s, expected %s", name, (const char *)text.data, expected);
    td_buf_fini(&text);
}

/* ---- operations ---- */

typedef struct apply_case {
    const char *name;
    const char *frames[FRAMES_MAX];
    const char *book;
    book_outcome outcome; /* of the last frame */
} apply_case;

static const apply_case APPLY_CASES[] = {
    {"snapshot, ascending", {"S B99x1 B100x2 A101x3 A102x4"}, "B100x2,B99x1|A101x3,A102x4", {0}},
    {"snapshot, in no order", {"S A102x4 B99x1 A101x3 B100x2"}, "B100x2,B99x1|A101x3,A102x4", {0}},
    {"a snapshot replaces everything", {"S B99x1 A101x3", "S B50.5x1 A51x2"}, "B50.5x1|A51x2", {0}},
    {"a price twice in a snapshot: the later one",
     {"S B99x1 B99.0x5 A101x3"},
     "B99x5|A101x3",
     {.insert_hits = 1}},
    {"delete, update, insert",
     {"S B99x1 B100x2 A101x3 A102x4", "D -B100 -A101 =B99x7 +B98x5 +A103x6"},
     "B99x7,B98x5|A102x4,A103x6",
     {0}},
    {"a price changes hands in one frame",
     {"S B99x1 B100x2 A101x3", "D -B100 +A100x9"},
     "B99x1|A100x9,A101x3",
     {0}},
    {"a price on both sides: crossed, both are kept",
     {"S B99x1 A101x3", "D +B101x2"},
     "B101x2,B99x1|A101x3",
     {0}},
    {"delete of a level that is not there",
     {"S B99x1 A101x3", "D -B98 -A99"},
     "B99x1|A101x3",
     {.delete_misses = 2}},
    {"update of a level that is not there sets it",
     {"S B99x1 A101x3", "D =B98x4"},
     "B99x1,B98x4|A101x3",
     {.update_misses = 1}},
    {"insert of a level that is there sets it",
     {"S B99x1 A101x3", "D +A101x8"},
     "B99x1|A101x8",
     {.insert_hits = 1}},
    {"set is neither update nor insert",
     {"S B99x1 A101x3", "D B99x2 B98x3"},
     "B99x2,B98x3|A101x3",
     {0}},
    {"delta on an empty book", {"D +B99x1 -A101"}, "B99x1|", {.delete_misses = 1}},
    {"sizes of zero and less are kept and counted",
     {"S B99x1 A101x3", "D =B99x0 +A102x-1"},
     "B99x0|A101x3,A102x-1",
     {.empty_sizes = 2}},
    {"negative prices have an order too",
     {"S B-3x1 B-1x2 A2x3 A-0.5x4"},
     "B-1x2,B-3x1|A-0.5x4,A2x3",
     {0}},
    {"the scale of prices widens",
     {"S B99x1 A101x3", "D +B98.125x2 =B99.00x5"},
     "B99x5,B98.125x2|A101x3",
     {0}},
    {"the scale of sizes widens",
     {"S B99x6684.9995 A101x3", "D +B98x69.299995 =A101x8.3550005"},
     "B99x6684.9995,B98x69.299995|A101x8.3550005",
     {0}},
    {"zeros after the point do not widen",
     {"S B99x9223372036854775807 A101x3", "D =A101x5.000"},
     "B99x9223372036854775807|A101x5",
     {0}},
    {"no common scale: the new level is left out",
     {"S B99x9223372036854775807 A101x3", "D =A101x0.5"},
     "B99x9223372036854775807|A101x3",
     {.out_of_range = 1}},
    {"no common scale for prices, asks first to fail",
     {"S B1x1 A9000000000000000000x2", "D +B0.01x5"},
     "B1x1|A9000000000000000000x2",
     {.out_of_range = 1}},
    {"the same price in another text is the same level",
     {"S B99.50x1 A101x3", "D -B99.5", "D -A101.000"},
     "|",
     {0}},
};

static void test_apply(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof APPLY_CASES / sizeof *APPLY_CASES; i++) {
        const apply_case *c = &APPLY_CASES[i];
        book *b = open_book(25);
        book_outcome outcome = {0};
        for (size_t k = 0; k < FRAMES_MAX && c->frames[k] != NULL; k++)
            apply_text(b, c->frames[k], &outcome);
        assert_book(b, c->book, c->name);
        if (memcmp(&outcome, &c->outcome, sizeof outcome) != 0)
            fail_msg(
                "%s: missed deletes %u, updates %u, insert hits %u, empty %u, over %u, range %u",
                c->name, outcome.delete_misses, outcome.update_misses, outcome.insert_hits,
                outcome.empty_sizes, outcome.overflows, outcome.out_of_range);
        book_close(b);
    }
}

static void test_crossed(void **state)
{
    (void)state;
    static const struct {
        const char *frame;
        int is_crossed;
    } CASES[] = {
        {"S B99x1 A101x3", 0}, {"S B101x1 A101x3", 1}, {"S B102.5x1 A101x3", 1},
        {"S B99x1", 0},        {"S A99x1", 0},         {"S B-1x1 A-2x1", 1},
    };
    book *b = open_book(25);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        book_outcome outcome;
        apply_text(b, CASES[i].frame, &outcome);
        assert_int_equal(book_is_crossed(b), CASES[i].is_crossed);
    }
    book_clear(b);
    assert_int_equal(book_is_crossed(b), 0);
    assert_int_equal(book_level_count(b, SIDE_BUY), 0);
    book_close(b);
}

/* ---- changes ---- */

/* "B99 1>2 B98 ->3 A101 3>-": side, price, size before and after. */
static void changes_to_text(const book *before, const book *after, td_buf *out)
{
    book_changes changes = {.before = before, .after = after};
    book_change change;
    char text[4 * TD_DECIMAL_TEXT_BYTES];
    while (book_changes_next(&changes, &change)) {
        char price[TD_DECIMAL_TEXT_BYTES];
        char was[TD_DECIMAL_TEXT_BYTES] = "-";
        char is[TD_DECIMAL_TEXT_BYTES] = "-";
        (void)td_decimal_format(change.price, price); /* the lengths are not needed */
        if (change.had_level)
            (void)td_decimal_format(change.before, was);
        if (change.has_level)
            (void)td_decimal_format(change.after, is);
        int size = snprintf(text, sizeof text, "%s%c%s %s>%s", out->size == 0 ? "" : " ",
                            change.side == SIDE_BUY ? 'B' : 'A', price, was, is);
        td_buf_add(out, text, (size_t)size);
    }
    td_buf_add(out, "", 1);
}

static void test_changes(void **state)
{
    (void)state;
    static const struct {
        const char *before; /* NULL: no state before */
        const char *frame;
        const char *changes; /* bids by falling price, then asks by rising price */
    } CASES[] = {
        {"S B99x1 B98x2 A101x3", "D B99x5", "B99 1>5"},
        {"S B99x1 B98x2 A101x3", "D B99x1", ""},
        {"S B99x1 B98x2 A101x3 A103x1", "D +B100x4 -B98 B97x1 +A102x6 -A103",
         "B100 ->4 B98 2>- B97 ->1 A102 ->6 A103 1>-"},
        {"S B99x1 A101x3", "D -B99 -A101", "B99 1>- A101 3>-"},
        {"S B99x1 A101x3", "D +A99x2", "A99 ->2"},
        {"S B99x1 B98x2 A101x3", "S B99x1 B97x2 A101x4", "B98 2>- B97 ->2 A101 3>4"},
        {"S B99x1 A101x3", "D B98.125x2 B99.00x1.5", "B99 1>1.5 B98.125 ->2"},
        {"S B-3x1 A-0.5x4", "D +B-1x2 +A-2x3", "B-1 ->2 A-2 ->3"},
        {NULL, "S B99x1 B98x2 A101x3", "B99 ->1 B98 ->2 A101 ->3"},
        {NULL, "D -B99", ""},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        book *before = open_book(25);
        book *after = open_book(25);
        book_outcome outcome;
        td_buf text;
        td_buf_init(&text, TEXT_MAX);
        if (CASES[i].before != NULL)
            apply_text(before, CASES[i].before, &outcome);
        book_copy(after, before);
        apply_text(after, CASES[i].frame, &outcome);
        changes_to_text(CASES[i].before == NULL ? NULL : before, after, &text);
        assert_string_equal((const char *)text.data, CASES[i].changes);
        td_buf_fini(&text);
        book_close(before);
        book_close(after);
    }
}

/* ---- digests ---- */

static void test_levels_sha1(void **state)
{
    (void)state;
    static const struct {
        const char *frame;
        const char *sha1;
    } CASES[] = {
        /* printf 'Buy 99.5 3\nBuy 100 10\nSell 101 0.25\nSell 102.75 7' | sha1sum */
        {"S B100.00x10 A102.75x7.0 B99.5x3 A101x0.250", "a1301fd4f048738ce628a4c630a893a37fc3b699"},
        /* printf '' | sha1sum */
        {"S", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
    };
    book *b = open_book(25);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        book_outcome outcome;
        apply_text(b, CASES[i].frame, &outcome);
        char sha1[TD_SHA1_HEX_BYTES];
        book_levels_sha1(b, sha1);
        assert_string_equal(sha1, CASES[i].sha1);
    }
    book_close(b);
}

static td_hash128 hash_of(book *b)
{
    td_hasher *hasher = td_hasher_open();
    assert_non_null(hasher);
    book_hash(b, hasher);
    td_hash128 hash = td_hasher_digest(hasher);
    td_hasher_close(hasher);
    return hash;
}

/* Two histories of one book give the same hash, even if hashing begins half way; any change gives
 * another hash. */
static void test_hash_of_levels(void **state)
{
    (void)state;
    book *a = open_book(25);
    book *b = open_book(0);
    book_outcome outcome;
    apply_text(a, "S B99x1 B100x2 A101x3", &outcome);
    (void)hash_of(a);
    apply_text(a, "D -B100 =B99x7.5 +A102.25x4", &outcome);
    apply_text(b, "S A102.250x4.0 B99x7.50 A101x3.0", &outcome);
    assert_true(td_hash128_equal(hash_of(a), hash_of(b)));

    static const char *const OTHERS[] = {
        "S B99x7.5 A101x3 A102.25x5",
        "S B99x7.5 A101x3 A102.26x4",
        "S B99x7.5 A101x3",
        "S B99x7.5 B101x3 A102.25x4",
        "S B9.9x7.5 A101x3 A102.25x4",
        "S B99x75 A101x3 A102.25x4",
        "S B99x3 A101x7.5 A102.25x4",
        "S",
    };
    for (size_t i = 0; i < sizeof OTHERS / sizeof *OTHERS; i++) {
        apply_text(b, OTHERS[i], &outcome);
        assert_false(td_hash128_equal(hash_of(a), hash_of(b)));
    }
    book_close(a);
    book_close(b);
}

/* ---- compared with a simple model ---- */

enum { MODEL_PRICES = 600, MODEL_STEPS = 20000 };

/* A book as a table: size by side and price, 0 without a level. */
typedef struct model {
    int64_t size[2][MODEL_PRICES];
} model;

static msg_level model_step(model *m, td_random *random, book_outcome *expected)
{
    msg_side side = td_random_below(random, 2) == 0 ? SIDE_BUY : SIDE_SELL;
    size_t price = (size_t)td_random_below(random, MODEL_PRICES);
    static const msg_action ACTIONS[] = {ACTION_DELETE, ACTION_UPDATE, ACTION_INSERT, ACTION_SET};
    msg_action action = ACTIONS[td_random_below(random, 4)];
    int64_t size = 1 + (int64_t)td_random_below(random, 1000);
    int is_there = m->size[side][price] != 0;
    *expected =
        (book_outcome){.delete_misses = action == ACTION_DELETE && !is_there,
                       .update_misses = action == ACTION_UPDATE && !is_there,
                       .update_repeats = action != ACTION_DELETE && action != ACTION_INSERT &&
                                         m->size[side][price] == size,
                       .insert_hits = action == ACTION_INSERT && is_there};
    m->size[side][price] = action == ACTION_DELETE ? 0 : size;
    return (msg_level){
        .price = (int64_t)price, .size = size, .side = (uint8_t)side, .action = (uint8_t)action};
}

static void assert_same(const book *b, const model *m)
{
    for (int side = SIDE_BUY; side <= SIDE_SELL; side++) {
        size_t index = 0;
        for (size_t i = 0; i < MODEL_PRICES; i++) {
            size_t price = side == SIDE_BUY ? MODEL_PRICES - 1 - i : i;
            if (m->size[side][price] == 0)
                continue;
            book_level level;
            assert_true(book_level_at(b, (msg_side)side, index++, &level));
            assert_int_equal(level.price.mantissa, price);
            assert_int_equal(level.size.mantissa, m->size[side][price]);
        }
        assert_int_equal(book_level_count(b, (msg_side)side), index);
    }
}

/* A copy of a book made from one snapshot, with the levels of each side from the best or in reverse
 * order: these take different paths. */
static book *rebuilt(const book *b, int from_best)
{
    static msg_level levels[2 * MODEL_PRICES];
    size_t count = 0;
    for (int side = SIDE_BUY; side <= SIDE_SELL; side++) {
        size_t depth = book_level_count(b, (msg_side)side);
        for (size_t i = 0; i < depth; i++) {
            book_level level;
            assert_true(book_level_at(b, (msg_side)side, from_best ? i : depth - 1 - i, &level));
            levels[count++] = (msg_level){.price = level.price.mantissa,
                                          .size = level.size.mantissa,
                                          .side = (uint8_t)side,
                                          .action = ACTION_SET};
        }
    }
    book *made = open_book(0);
    msg_book picture = {.head = {.kind = FRAME_SNAPSHOT}, .levels = levels, .level_count = count};
    book_outcome outcome;
    book_replace(made, &picture, &outcome);
    assert_int_equal(outcome.insert_hits, 0);
    return made;
}

/* Checks that incrementally updated digests equal the digests of a rebuilt book. */
static void assert_digests(book *b)
{
    static const uint32_t DEPTHS[] = {0, 1, 40, 41, 1000};
    for (int from_best = 0; from_best <= 1; from_best++) {
        book *again = rebuilt(b, from_best);
        for (size_t i = 0; i < sizeof DEPTHS / sizeof *DEPTHS; i++)
            assert_int_equal(book_hash_best(b, DEPTHS[i]), book_hash_best(again, DEPTHS[i]));
        book_close(again);
    }
}

/* Deep sides use the other search and grow; each operation is compared with a table. */
static void test_sides_equal_model(void **state)
{
    (void)state;
    static model m;
    td_random random;
    td_random_init(&random, 20210417);
    book *b = open_book(0);
    (void)hash_of(b);
    for (size_t i = 0; i < MODEL_STEPS; i++) {
        book_outcome expected;
        msg_level level = model_step(&m, &random, &expected);
        msg_book change = {.head = {.kind = FRAME_DELTA}, .levels = &level, .level_count = 1};
        book_outcome got;
        book_apply(b, &change, &got);
        assert_memory_equal(&got, &expected, sizeof got);
        (void)book_hash_best(b, 40); /* from here on the hash is kept up to date */
        if (i % 997 == 0) {
            assert_same(b, &m);
            assert_digests(b);
        }
    }
    assert_same(b, &m);
    assert_true(book_level_count(b, SIDE_BUY) > 100);
    book_close(b);
}

/* Keep the best levels of each side of a table. */
static void model_truncate(model *m, size_t depth)
{
    for (int side = SIDE_BUY; side <= SIDE_SELL; side++) {
        size_t count = 0;
        for (size_t i = 0; i < MODEL_PRICES; i++) {
            size_t price = side == SIDE_BUY ? MODEL_PRICES - 1 - i : i;
            count += m->size[side][price] != 0;
            if (count > depth)
                m->size[side][price] = 0;
        }
    }
}

/* After each change only so many levels stay; digests are of those. */
static void test_truncated_equals_model(void **state)
{
    (void)state;
    static const uint32_t KEPT[] = {39, 40, 41, 100};
    for (size_t k = 0; k < sizeof KEPT / sizeof *KEPT; k++) {
        static model m;
        td_random random;
        td_random_init(&random, 20261127 + k);
        m = (model){{{0}}};
        book *b = open_book(KEPT[k]);
        book_keep_written(b);
        for (size_t i = 0; i < MODEL_STEPS / 4; i++) {
            book_outcome ignored;
            msg_level level = model_step(&m, &random, &ignored);
            msg_book change = {.head = {.kind = FRAME_DELTA}, .levels = &level, .level_count = 1};
            book_apply(b, &change, &ignored);
            book_truncate(b, KEPT[k]);
            model_truncate(&m, KEPT[k]);
            (void)book_hash_best(b, 40);
            if (i % 97 == 0) {
                assert_same(b, &m);
                assert_digests(b);
            }
        }
        assert_same(b, &m);
        book_close(b);
    }
}

static void test_bound(void **state)
{
    (void)state;
    book *b = open_book(25);
    book_outcome outcome = {0};
    for (uint32_t i = 0; i <= LIMIT_BOOK_LEVELS; i++) {
        msg_level level = {.price = i, .size = 1, .side = SIDE_SELL, .action = ACTION_INSERT};
        msg_book change = {.head = {.kind = FRAME_DELTA}, .levels = &level, .level_count = 1};
        book_apply(b, &change, &outcome);
        assert_int_equal(outcome.overflows, i == LIMIT_BOOK_LEVELS);
    }
    assert_int_equal(book_level_count(b, SIDE_SELL), LIMIT_BOOK_LEVELS);
    book_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_apply),
        cmocka_unit_test(test_crossed),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_levels_sha1),
        cmocka_unit_test(test_hash_of_levels),
        cmocka_unit_test(test_sides_equal_model),
        cmocka_unit_test(test_truncated_equals_model),
        cmocka_unit_test(test_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
