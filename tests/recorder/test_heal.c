/* When a broken topic is asked for again. Expected: the contract in recorder/heal.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "recorder/heal.h"

#define S TD_NS_PER_S

static void a_topic_is_asked_for_at_growing_intervals(void **state)
{
    (void)state;
    static const uint64_t AT_S[] = {100, 160, 280, 520, 1000, 1960, 3880, 7480, 11080};
    const heal_topic topic = {.number = 7};
    heal_topic found;
    size_t n = 0;
    heal *self = heal_open();
    heal_broken(self, &topic, 100 * S, HEAL_WAIT_NS);
    for (uint64_t at_s = 100; at_s < 12000; at_s++) {
        if (!heal_next(self, at_s * S, &found))
            continue;
        assert_int_equal(found.number, 7);
        assert_true(n < sizeof AT_S / sizeof *AT_S);
        assert_int_equal(at_s, AT_S[n++]);
    }
    assert_int_equal(n, sizeof AT_S / sizeof *AT_S);
    heal_close(self);
}

static void a_topic_that_is_whole_is_left_alone(void **state)
{
    (void)state;
    const heal_topic topic = {.number = 7};
    const heal_topic other = {.number = 7, .line = 1};
    heal_topic found;
    heal *self = heal_open();
    heal_broken(self, &topic, 100 * S, HEAL_WAIT_NS);
    assert_true(heal_next(self, 100 * S, &found));
    heal_whole(self, &topic);
    heal_whole(self, &other);
    assert_false(heal_next(self, 200 * S, &found));
    heal_broken(self, &topic, 130 * S, HEAL_WAIT_NS); /* again, too soon */
    assert_false(heal_next(self, 130 * S, &found));
    assert_true(heal_next(self, 160 * S, &found));
    heal_whole(self, &topic);
    heal_broken(self, &other, 200 * S, HEAL_WAIT_NS);
    assert_true(heal_next(self, 200 * S, &found));
    assert_int_equal(found.line, 1);
    heal_broken(self, &topic, 1000 * S, HEAL_WAIT_NS); /* long after: as at first */
    assert_true(heal_next(self, 1000 * S, &found));
    heal_close(self);
}

static void only_so_many_are_remembered(void **state)
{
    (void)state;
    heal_topic found;
    size_t count = 0;
    heal *self = heal_open();
    for (size_t i = 0; i < HEAL_TOPICS_MAX + 10; i++)
        heal_broken(self, &(heal_topic){.number = i}, S, HEAL_WAIT_NS);
    while (heal_next(self, S, &found))
        count++;
    assert_int_equal(count, HEAL_TOPICS_MAX);
    heal_close(self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_topic_is_asked_for_at_growing_intervals),
        cmocka_unit_test(a_topic_that_is_whole_is_left_alone),
        cmocka_unit_test(only_so_many_are_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
