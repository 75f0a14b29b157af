/* How long frames of several feeds are held back: the rules of order_hold.h, with a delay of 10. A
 * sample is the newest readable frame at some time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tape/order_hold.h"

static void test_rules(void **state)
{
    static const struct {
        uint64_t mono_ns, newest_ns, until_ns;
    } SAMPLES[] = {
        {5, 100, 90},    /* frames up to 10 before the newest frame */
        {8, 103, 93},    /* a newer frame can be read, so all before 93 can */
        {8, 103, 93},    /* nothing new */
        {14, 103, 93},   /* the sample at 5 is 9 old */
        {15, 103, 101},  /* the frame at 100 has been readable for 10 */
        {16, 104, 101},  /* a sample that proves less changes nothing */
        {30, 104, 105},  /* all samples are old, so nothing is held */
        {31, 4, 105},    /* the result never falls */
        {32, 120, 110},  /* the next frames */
        {100, 120, 121}, /* all of them again */
    };
    order_hold hold = {.delay_ns = 10};
    (void)state;
    for (size_t i = 0; i < sizeof SAMPLES / sizeof SAMPLES[0]; i++) {
        order_hold_add(&hold, SAMPLES[i].mono_ns, SAMPLES[i].newest_ns);
        if (hold.until_ns != SAMPLES[i].until_ns)
            fail_msg("sample %zu: until %llu", i, (unsigned long long)hold.until_ns);
    }
}

static void test_end_of_a_session(void **state)
{
    order_hold hold = {.delay_ns = 10};
    (void)state;
    order_hold_add(&hold, 0, 100);
    order_hold_end(&hold);
    assert_int_equal(hold.until_ns, UINT64_MAX);
    order_hold_add(&hold, 1, 200); /* another session has begun */
    assert_int_equal(hold.until_ns, 190);
    order_hold_add(&hold, 10, 200); /* the sample at 0 is forgotten */
    assert_int_equal(hold.until_ns, 190);
    order_hold_add(&hold, 11, 200);
    assert_int_equal(hold.until_ns, 201);
}

/* If there are too many samples, frames are held longer, never shorter. */
static void test_many_samples_hold_longer(void **state)
{
    const uint64_t count = 4 * ORDER_HOLD_SAMPLES;
    order_hold hold = {.delay_ns = 1000};
    (void)state;
    for (uint64_t i = 0; i < count; i++) {
        order_hold_add(&hold, i, 100 + i);
        assert_int_equal(hold.until_ns, 0);
    }
    order_hold_add(&hold, 1000 + ORDER_HOLD_SAMPLES - 2, 100 + count - 1);
    assert_int_equal(hold.until_ns, 100 + ORDER_HOLD_SAMPLES - 2 + 1);
    order_hold_add(&hold, 1000 + count - 1, 100 + count - 1);
    assert_int_equal(hold.until_ns, 100 + count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_end_of_a_session),
        cmocka_unit_test(test_many_samples_hold_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
