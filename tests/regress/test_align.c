/* Pairing of two sequences of frames. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/random.h"
#include "regress/align.h"

typedef struct ids {
    uint16_t *at;
    size_t count;
} ids;

typedef struct totals {
    uint64_t paired, missing, added;
} totals;

static td_result read_ids(void *ctx, uint64_t first, size_t count, uint16_t *out, td_err *err)
{
    const ids *from = ctx;
    (void)err;
    assert_true(first + count <= from->count);
    memcpy(out, from->at + first, count * sizeof *out);
    return TD_OK;
}

static ids make_ids(size_t count)
{
    ids made = {td_alloc_zero(count + 1, sizeof *made.at), count};
    assert_non_null(made.at);
    return made;
}

static uint64_t all_read; /* by the last alignment */

/* Align, and check what holds for any two sequences: all frames are in one run, in order, and pairs
 * have equal ids. */
static totals align_ids(ids was, ids is)
{
    totals sum = {0, 0, 0};
    aligner *a = NULL;
    td_err err;
    assert_int_equal(aligner_open(&a, &err), TD_OK);
    aligner_begin(a, &(align_sequence){was.count, read_ids, &was},
                  &(align_sequence){is.count, read_ids, &is});
    uint64_t was_at = 0;
    uint64_t is_at = 0;
    align_run run;
    td_result rc;
    while ((rc = aligner_next(a, &run, &err)) == TD_OK) {
        assert_int_equal(run.was_index, was_at);
        assert_int_equal(run.is_index, is_at);
        assert_true(run.count > 0);
        was_at += run.kind == ALIGN_ADDED ? 0 : run.count;
        is_at += run.kind == ALIGN_MISSING ? 0 : run.count;
        assert_true(was_at <= was.count && is_at <= is.count);
        if (run.kind == ALIGN_PAIRED)
            assert_memory_equal(was.at + run.was_index, is.at + run.is_index,
                                run.count * sizeof *was.at);
        *(run.kind == ALIGN_PAIRED    ? &sum.paired
          : run.kind == ALIGN_MISSING ? &sum.missing
                                      : &sum.added) += run.count;
    }
    assert_int_equal(rc, TD_EOF);
    assert_int_equal(was_at, was.count);
    assert_int_equal(is_at, is.count);
    all_read = aligner_ids_read(a);
    aligner_close(a);
    return sum;
}

/* A letter is an id. */
static totals align_texts(const char *was, const char *is)
{
    ids a = make_ids(strlen(was));
    ids b = make_ids(strlen(is));
    for (size_t i = 0; i < a.count; i++)
        a.at[i] = (uint8_t)was[i];
    for (size_t i = 0; i < b.count; i++)
        b.at[i] = (uint8_t)is[i];
    totals sum = align_ids(a, b);
    td_free(a.at);
    td_free(b.at);
    return sum;
}

static void test_small(void **state)
{
    static const struct {
        const char *name, *was, *is;
        unsigned paired, missing, added;
    } ROWS[] = {
        {"both empty", "", "", 0, 0, 0},
        {"all new", "", "abc", 0, 0, 3},
        {"all missing", "abc", "", 0, 3, 0},
        {"the same", "abcdef", "abcdef", 6, 0, 0},
        {"one missing", "abcdefgh", "abdefgh", 7, 1, 0},
        {"first missing", "abcdefgh", "bcdefgh", 7, 1, 0},
        {"last missing", "abcdefgh", "abcdefg", 7, 1, 0},
        {"one new", "abcdefgh", "abcXdefgh", 8, 0, 1},
        {"one twice", "abcdefgh", "abccdefgh", 8, 0, 1},
        {"one twice at the end", "abc", "abcc", 3, 0, 1},
        {"one changed", "abcdefgh", "abcXefgh", 7, 1, 1},
        {"last changed", "abcdefgh", "abcdefgX", 7, 1, 1},
        {"one before the last changed", "abcdefgh", "abcdefXh", 7, 1, 1},
        {"changed, and two after it at the end of the second", "abcdefghijklmnop", "abcXef", 5, 11,
         1},
        {"new, and two after it at the end of the first", "abcde", "abcXdefghijklmnop", 5, 0, 12},
        {"two neighbours change places", "abcdefgh", "abdcefgh", 7, 1, 1},
        {"one of three unchanged", "abcdefghij", "abXdYfghij", 8, 2, 2},
        {"nothing in common", "abcdefgh", "ABCDEFGHIJ", 0, 8, 10},
        {"equal ids, fewer", "aaaaaaaaaaaa", "aaaaaaaaaa", 10, 2, 0},
        {"a cut", "abcdefghijklmnopqrstuvwxyz", "abcwxyz", 7, 19, 0},
        {"one left at both ends after a long cut", "abcdefghijklmnopqrstuvwxyz", "abcz", 4, 22, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        totals sum = align_texts(ROWS[i].was, ROWS[i].is);
        if (sum.paired != ROWS[i].paired || sum.missing != ROWS[i].missing ||
            sum.added != ROWS[i].added)
            fail_msg("%s: %u paired, %u missing, %u added", ROWS[i].name, (unsigned)sum.paired,
                     (unsigned)sum.missing, (unsigned)sum.added);
    }
}

/* Edits that are apart from each other are counted one by one: ids of their own, so that nothing
 * agrees by chance. */
static void test_random_edits(void **state)
{
    (void)state;
    td_random random;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        td_random_init(&random, seed);
        size_t count = 200 + td_random_below(&random, 20000);
        ids was = make_ids(count);
        ids is = make_ids(2 * count);
        totals want = {0, 0, 0};
        uint16_t fresh = 40000;
        size_t until_edit = td_random_below(&random, 50);
        is.count = 0;
        for (size_t i = 0; i < count; i++) {
            was.at[i] = (uint16_t)i;
            if (until_edit-- > 0 || count - i < 200) {
                is.at[is.count++] = was.at[i];
                want.paired++;
                continue;
            }
            uint64_t kind = td_random_below(&random, 3);
            size_t length = 1 + td_random_below(&random, 100);
            until_edit = 40 + td_random_below(&random, 400);
            if (kind == 0) { /* added, and the frame itself stays */
                for (size_t k = 0; k < length; k++)
                    is.at[is.count++] = fresh++;
                want.added += length;
                is.at[is.count++] = was.at[i];
                want.paired++;
                continue;
            }
            for (size_t k = 0; k < length; k++) { /* missing, or changed */
                was.at[i + k] = (uint16_t)(i + k);
                if (kind == 2)
                    is.at[is.count++] = fresh++;
            }
            want.missing += length;
            want.added += kind == 2 ? length : 0;
            i += length - 1;
        }
        totals sum = align_ids(was, is);
        if (memcmp(&sum, &want, sizeof sum) != 0)
            fail_msg("seed %u: %u paired, %u missing, %u added; expected %u, %u, %u",
                     (unsigned)seed, (unsigned)sum.paired, (unsigned)sum.missing,
                     (unsigned)sum.added, (unsigned)want.paired, (unsigned)want.missing,
                     (unsigned)want.added);
        td_free(was.at);
        td_free(is.at);
    }
}

/* Few letters, many edits: whatever the runs are, align_ids checks that they are right. And against
 * the most pairs that there can be: edits that are near each other may cost some, not many. */
static void test_dense_edits(void **state)
{
    (void)state;
    td_random random;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        td_random_init(&random, seed);
        ids was = make_ids(50 + td_random_below(&random, 300));
        ids is = make_ids(was.count);
        uint64_t letters = 1 + td_random_below(&random, 300);
        for (size_t i = 0; i < was.count; i++) {
            was.at[i] = (uint16_t)td_random_below(&random, letters);
            is.at[i] = td_random_below(&random, 8) == 0
                           ? (uint16_t)td_random_below(&random, letters)
                           : was.at[i];
        }
        totals sum = align_ids(was, is);
        assert_true(sum.paired > was.count / 4);
        td_free(was.at);
        td_free(is.at);
    }
}

static void fill_random(ids to, uint64_t seed)
{
    td_random random;
    td_random_init(&random, seed);
    for (size_t i = 0; i < to.count; i++)
        to.at[i] = (uint16_t)td_random_next(&random);
}

/* Longer than any window: hours of a busy topic that were cut out, added, or exchanged. */
static void test_long_stretches(void **state)
{
    enum { COUNT = 2000000, FIRST = 300000, LENGTH = 900000 };
    (void)state;
    ids was = make_ids(COUNT);
    fill_random(was, 1);
    ids is = make_ids(COUNT - LENGTH);
    memcpy(is.at, was.at, FIRST * sizeof *is.at);
    memcpy(is.at + FIRST, was.at + FIRST + LENGTH, (is.count - FIRST) * sizeof *is.at);
    totals sum = align_ids(was, is);
    /* The ids on both sides of a cut may agree by chance, so that it is seen some frames later: its
     * length is the same. */
    assert_int_equal(sum.paired, is.count);
    assert_int_equal(sum.missing, LENGTH);
    assert_int_equal(sum.added, 0);
    sum = align_ids(is, was);
    assert_int_equal(sum.paired, is.count);
    assert_int_equal(sum.missing, 0);
    assert_int_equal(sum.added, LENGTH);
    assert_true(all_read < 3 * (was.count + is.count));
    td_free(is.at);

    /* The first half is missing, and what is there begins with frames of its own. */
    is = make_ids(COUNT / 2);
    memcpy(is.at, was.at + COUNT / 2, is.count * sizeof *is.at);
    for (size_t i = 0; i < 5; i++)
        is.at[i] ^= 0x5555;
    sum = align_ids(was, is);
    assert_int_equal(sum.paired, is.count - 5);
    assert_int_equal(sum.missing, COUNT / 2 + 5);
    assert_int_equal(sum.added, 5);
    td_free(is.at);
    td_free(was.at);
}

/* Made-up sequences that would make a naive search quadratic: the ids read, searches included, stay
 * a small multiple of the sequences'. */
static void test_hostile(void **state)
{
    enum { COUNT = 3000000 };
    (void)state;
    ids was = make_ids(COUNT);
    ids is = make_ids(COUNT - 1000);
    memset(was.at, 0x11, COUNT * sizeof *was.at);
    memset(is.at, 0x11, is.count * sizeof *is.at);
    totals sum = align_ids(was, is); /* all equal */
    assert_int_equal(sum.missing, 1000);
    assert_int_equal(sum.paired, is.count);

    memset(is.at, 0x22, is.count * sizeof *is.at); /* nothing in common, all equal */
    sum = align_ids(was, is);
    assert_int_equal(sum.paired, 0);
    assert_true(all_read < (ALIGN_PASSES_MAX + 2) * (was.count + is.count));

    fill_random(was, 1); /* nothing in common, all different */
    fill_random(is, 2);
    (void)align_ids(was, is);
    assert_true(all_read < (ALIGN_PASSES_MAX + 2) * (was.count + is.count));

    for (size_t i = 0; i < was.count;
         i++) /* short periods, each four agree and the fifth differs */
        was.at[i] = (uint16_t)(i % 5);
    for (size_t i = 0; i < is.count; i++)
        is.at[i] = (uint16_t)(i % 6);
    (void)align_ids(was, is);
    assert_true(all_read < (ALIGN_PASSES_MAX + 2) * (was.count + is.count));
    td_free(was.at);
    td_free(is.at);
}

static td_result fail_to_read(void *ctx, uint64_t first, size_t count, uint16_t *out, td_err *err)
{
    (void)ctx;
    (void)first;
    memset(out, 0, count * sizeof *out);
    return td_err_set(err, TD_E_CORRUPT, "a block is damaged");
}

static void test_errors_end_it(void **state)
{
    (void)state;
    ids was = make_ids(10);
    aligner *a = NULL;
    align_run run;
    td_err err;
    assert_int_equal(aligner_open(&a, &err), TD_OK);
    aligner_begin(a, &(align_sequence){was.count, read_ids, &was},
                  &(align_sequence){10, fail_to_read, NULL});
    assert_int_equal(aligner_next(a, &run, &err), TD_E_CORRUPT);
    assert_string_equal(err.text, "a block is damaged");
    aligner_begin(a, &(align_sequence){was.count, read_ids, &was},
                  &(align_sequence){was.count, read_ids, &was}); /* it is as new */
    assert_int_equal(aligner_next(a, &run, &err), TD_OK);
    assert_int_equal(run.count, 10);
    assert_int_equal(aligner_next(a, &run, &err), TD_EOF);
    aligner_close(a);
    td_free(was.at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small),       cmocka_unit_test(test_random_edits),
        cmocka_unit_test(test_dense_edits), cmocka_unit_test(test_long_stretches),
        cmocka_unit_test(test_hostile),     cmocka_unit_test(test_errors_end_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
