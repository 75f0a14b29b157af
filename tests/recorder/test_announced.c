/* When a connection whose end is announced is replaced: once, the first one in a row at once, later
 * ones at an age that doubles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "recorder/announced.h"

enum { BEGIN_S = 1000 };

/* A connection opens, hears of its end when it is this old, and again a second later. Returns the
 * age at which it is to be replaced. */
static uint64_t due_age_s(announced *self, uint64_t age_s, int has_topics)
{
    const uint64_t at_ns = (BEGIN_S + age_s) * TD_NS_PER_S;
    uint64_t due_ns = 0, later_ns = 7;
    announced_opened(self, BEGIN_S * TD_NS_PER_S);
    assert_false(announced_explains(self, at_ns));
    assert_int_equal(announced_heard(self, at_ns, at_ns, has_topics, &due_ns), 1);
    assert_int_equal(announced_heard(self, at_ns + TD_NS_PER_S, at_ns + TD_NS_PER_S, 1, &later_ns),
                     0);
    assert_int_equal(later_ns, 7);
    assert_true(due_ns >= at_ns);
    return due_ns / TD_NS_PER_S - BEGIN_S;
}

static void test_ages(void **state)
{
    (void)state;
    static const uint64_t AGES_S[] = {30, 60, 120, 240, 480, 960, 1920, 3600, 3600};
    announced self = {0};
    assert_int_equal(due_age_s(&self, 5, 1), 5);
    for (size_t i = 0; i < sizeof AGES_S / sizeof *AGES_S; i++)
        assert_int_equal(due_age_s(&self, 1, 1), AGES_S[i]);
    assert_int_equal(self.count, 2 * (1 + sizeof AGES_S / sizeof *AGES_S));
    /* One that is as old as that is no longer in the row. */
    assert_int_equal(due_age_s(&self, 3600, 1), 3600);
    assert_int_equal(self.in_a_row, 1);
    assert_int_equal(due_age_s(&self, 40, 1), 40);
}

/* A state of the exchange that each new connection hears of, and a server that is about to stop. */
static void test_before_the_topics(void **state)
{
    (void)state;
    announced self = {0};
    assert_int_equal(due_age_s(&self, 0, 0), 30);
    assert_int_equal(due_age_s(&self, 0, 0), 60);
    assert_int_equal(due_age_s(&self, 70, 1), 120);
}

static void test_cause(void **state)
{
    (void)state;
    announced self = {0};
    uint64_t due_ns;
    assert_false(announced_explains(&self, 5));
    announced_opened(&self, 0);
    assert_int_equal(announced_heard(&self, 100, 0, 1, &due_ns), 1);
    assert_true(announced_explains(&self, 100));
    assert_true(announced_explains(&self, 100 + ANNOUNCED_ENDS_NS));
    assert_false(announced_explains(&self, 101 + ANNOUNCED_ENDS_NS));
    announced_opened(&self, 0);
    assert_false(announced_explains(&self, 100));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ages),
        cmocka_unit_test(test_before_the_topics),
        cmocka_unit_test(test_cause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
