/* A short part against the whole. Expected pairs are written by hand; a slow second implementation
 * says how many there can be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "regress/align_part.h"

enum { SHORT = 16 };

typedef struct part_case {
    const char *name;
    const char *whole, *part; /* a letter's lower case is its id, upper case is another hash */
    const char *expected;     /* an index for each of the part, in base 36; '-': none */
} part_case;

static const part_case CASES[] = {
    {"one frame", "abcdef", "d", "3"},
    {"one frame with another hash", "abcdef", "D", "3"},
    {"none", "abcdef", "x", "-"},
    {"every second frame", "abcdefgh", "aceg", "0246"},
    {"all", "abcd", "abcd", "0123"},
    {"a new frame between", "abcd", "abxcd", "01-23"},
    {"another order: as many as possible", "abcd", "bcad", "12-3"},
    {"the same hash outweighs more of the same id", "aBCDb", "bcd", "4--"},
    {"after the one with the same hash", "dabcda", "cD", "34"},
    {"a frame is paired once", "a", "aa", "0-"},
    {"two that are alike", "xaay", "aa", "12"},
    {"nothing", "", "a", "-"},
    {"of nothing", "a", "", ""},
};

typedef struct made_frames {
    uint16_t ids[SHORT];
    uint64_t hashes[SHORT];
    uint64_t about_ns[SHORT];
} made_frames;

static part_frames make(made_frames *in, const char *text)
{
    size_t count = strlen(text);
    assert_true(count <= SHORT);
    for (size_t i = 0; i < count; i++) {
        in->ids[i] = (uint16_t)(text[i] | 0x20);
        in->hashes[i] = (uint64_t)text[i];
        in->about_ns[i] = i;
    }
    return (part_frames){in->ids, in->hashes, in->about_ns, count};
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const part_case *c = &CASES[i];
        made_frames whole_memory, part_memory;
        part_frames whole = make(&whole_memory, c->whole);
        part_frames part = make(&part_memory, c->part);
        uint32_t of[SHORT];
        char found[SHORT + 1] = "";
        td_err err;
        assert_int_equal(align_part(&whole, &part, UINT64_MAX, of, &err), TD_OK);
        for (size_t k = 0; k < part.count; k++)
            found[k] = of[k] == ALIGN_PART_NONE ? '-' : (char)('0' + of[k]);
        if (strcmp(found, c->expected) != 0)
            fail_msg("%s: %s, expected %s", c->name, found, c->expected);
    }
}

/* Of frames that look alike, the one of that time. */
static void test_nearest(void **state)
{
    (void)state;
    uint16_t ids[] = {7, 7, 7, 7};
    uint64_t hashes[] = {1, 2, 3, 4};
    uint64_t times[] = {1000000, 2000000, 3000000, 4000000};
    part_frames whole = {ids, hashes, times, 4};
    for (uint32_t i = 0; i < 4; i++) {
        uint64_t hash = 99;
        uint64_t time = times[i] + 400000;
        part_frames part = {ids, &hash, &time, 1};
        uint32_t of;
        td_err err;
        assert_int_equal(align_part(&whole, &part, UINT64_MAX, &of, &err), TD_OK);
        assert_int_equal(of, i);
    }
}

/* Only some bits of the hashes count. */
static void test_mask(void **state)
{
    (void)state;
    uint16_t ids[] = {7, 7};
    uint64_t hashes[] = {0x500000001, 0x600000002};
    uint64_t times[] = {0, 1000};
    uint64_t hash = 0x700000002;
    part_frames whole = {ids, hashes, times, 2};
    part_frames part = {ids, &hash, times, 1};
    uint32_t of;
    td_err err;
    assert_int_equal(align_part(&whole, &part, UINT64_MAX, &of, &err), TD_OK);
    assert_int_equal(of, 0); /* the nearer one */
    assert_int_equal(align_part(&whole, &part, 0xffffffff, &of, &err), TD_OK);
    assert_int_equal(of, 1);
}

enum { WHOLE = 200, PART = 60, ALPHABET = 12, ROUNDS = 300 };

static unsigned draw(uint64_t *seed, unsigned below)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(*seed >> 33) % below;
}

/* Pairs in the longest common subsequence of ids. */
static size_t lcs(const uint16_t *a, size_t a_count, const uint16_t *b, size_t b_count)
{
    static size_t cells[WHOLE + 1][PART + 1];
    memset(cells, 0, sizeof cells);
    for (size_t i = a_count; i-- > 0;)
        for (size_t k = b_count; k-- > 0;) {
            size_t other = cells[i + 1][k] > cells[i][k + 1] ? cells[i + 1][k] : cells[i][k + 1];
            cells[i][k] = a[i] == b[k] ? cells[i + 1][k + 1] + 1 : other;
        }
    return cells[0][0];
}

/* With hashes that differ everywhere, the pairs are a longest common subsequence. */
static void test_made_up(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint16_t whole_ids[WHOLE], part_ids[PART];
        uint64_t whole_hashes[WHOLE], part_hashes[PART], times[WHOLE];
        uint32_t of[PART];
        td_err err;
        for (size_t i = 0; i < WHOLE; i++) {
            whole_ids[i] = (uint16_t)draw(&seed, ALPHABET);
            whole_hashes[i] = 2 * i;
            times[i] = i;
        }
        for (size_t i = 0; i < PART; i++) {
            part_ids[i] = (uint16_t)draw(&seed, ALPHABET);
            part_hashes[i] = 2 * i + 1;
        }
        part_frames whole = {whole_ids, whole_hashes, times, WHOLE};
        part_frames part = {part_ids, part_hashes, times, PART};
        assert_int_equal(align_part(&whole, &part, UINT64_MAX, of, &err), TD_OK);
        size_t pairs = 0;
        uint32_t next = 0;
        for (size_t i = 0; i < PART; i++) {
            if (of[i] == ALIGN_PART_NONE)
                continue;
            assert_true(of[i] >= next);
            assert_int_equal(whole_ids[of[i]], part_ids[i]);
            next = of[i] + 1;
            pairs++;
        }
        assert_int_equal(pairs, lcs(whole_ids, WHOLE, part_ids, PART));
    }
}

/* Too many that look alike are refused, not searched for ever. */
static void test_bound(void **state)
{
    (void)state;
    enum { MANY = 4096 };
    uint16_t *ids = td_alloc_zero(MANY, sizeof *ids);
    uint64_t *zeros = td_alloc_zero(MANY, sizeof *zeros);
    uint32_t *of = td_alloc_zero(MANY, sizeof *of);
    td_err err;
    assert_true(ids != NULL && zeros != NULL && of != NULL);
    part_frames whole = {ids, zeros, zeros, MANY};
    assert_int_equal(align_part(&whole, &whole, UINT64_MAX, of, &err), TD_E_LIMIT);
    part_frames part = whole;
    part.count = 100;
    assert_int_equal(align_part(&whole, &part, UINT64_MAX, of, &err), TD_OK);
    td_free(ids);
    td_free(zeros);
    td_free(of);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),   cmocka_unit_test(test_nearest), cmocka_unit_test(test_mask),
        cmocka_unit_test(test_made_up), cmocka_unit_test(test_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
