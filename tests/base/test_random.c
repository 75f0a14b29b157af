/* Randomness. Expected values: splitmix64 and xoshiro256** reimplemented in Python from their
 * description (prng.di.unimi.it). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"

static void test_sequence(void **state)
{
    (void)state;
    static const struct {
        uint64_t seed;
        uint64_t values[4];
    } ROWS[] = {
        {0,
         {UINT64_C(0x99ec5f36cb75f2b4), UINT64_C(0xbf6e1f784956452a), UINT64_C(0x1a5f849d4933e6e0),
          UINT64_C(0x6aa594f1262d2d2c)}},
        {1,
         {UINT64_C(0xb3f2af6d0fc710c5), UINT64_C(0x853b559647364cea), UINT64_C(0x92f89756082a4514),
          UINT64_C(0x642e1c7bc266a3a7)}},
        {42,
         {UINT64_C(0x15780b2e0c2ec716), UINT64_C(0x6104d9866d113a7e), UINT64_C(0xae17533239e499a1),
          UINT64_C(0xecb8ad4703b360a1)}},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        td_random random;
        td_random_init(&random, ROWS[i].seed);
        for (size_t n = 0; n < 4; n++)
            assert_true(td_random_next(&random) == ROWS[i].values[n]);
    }
}

/* Six sides, 60,000 throws: each within 5 standard deviations (91) of 10,000. */
static void test_below_is_uniform(void **state)
{
    (void)state;
    td_random random;
    td_random_init(&random, 3);
    unsigned counts[6] = {0};
    for (int i = 0; i < 60000; i++) {
        uint64_t side = td_random_below(&random, 6);
        assert_true(side < 6);
        counts[side]++;
    }
    for (int side = 0; side < 6; side++)
        assert_in_range(counts[side], 10000 - 457, 10000 + 457);
    assert_int_equal(td_random_below(&random, 1), 0);
    /* Just over half of the range: half of all draws must be rejected. */
    uint64_t bound = (UINT64_C(1) << 63) + 1;
    unsigned upper = 0;
    for (int i = 0; i < 10000; i++) {
        uint64_t value = td_random_below(&random, bound);
        assert_true(value < bound);
        upper += value >= bound / 2;
    }
    assert_in_range(upper, 4750, 5250);
}

static void test_system(void **state)
{
    (void)state;
    uint8_t a[300] = {0};
    uint8_t b[300] = {0};
    td_random_system(a, sizeof a);
    td_random_system(b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
    td_random_system(NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sequence),
        cmocka_unit_test(test_below_is_uniform),
        cmocka_unit_test(test_system),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
