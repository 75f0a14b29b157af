/* How long a topic may be silent. Expected: the contract in rhythm.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "recorder/pipeline/rhythm.h"

#define S TD_NS_PER_S

/* Frames at this interval, over so many seconds. */
static void add_frames(rhythm *r, uint64_t *at_ns, uint64_t interval_ns, uint64_t seconds)
{
    for (const uint64_t end_ns = *at_ns + seconds * S; *at_ns < end_ns; *at_ns += interval_ns)
        rhythm_add(r, *at_ns);
}

static void a_rhythm_is_learned_in_a_window(void **state)
{
    (void)state;
    rhythm r = {0};
    uint64_t at_ns = 1000 * S;
    add_frames(&r, &at_ns, S, 599);
    assert_int_equal(rhythm_longest_ns(&r), UINT64_MAX);
    assert_false(rhythm_is_too_long(&r, 3600 * S, 10));
    add_frames(&r, &at_ns, S, 5);
    assert_int_equal(rhythm_longest_ns(&r), S);
    assert_false(rhythm_is_too_long(&r, 29 * S, 10)); /* never before RHYTHM_LEAST_NS */
    assert_true(rhythm_is_too_long(&r, 30 * S, 10));
    assert_true(rhythm_is_too_long(&r, 30 * S, 30));
    assert_false(rhythm_is_too_long(&r, 30 * S, 31));
}

static void the_longest_silence_of_two_windows_counts(void **state)
{
    (void)state;
    rhythm r = {0};
    uint64_t at_ns = 1000 * S;
    add_frames(&r, &at_ns, S, 300);
    at_ns += 40 * S;
    add_frames(&r, &at_ns, S, 300);
    assert_int_equal(rhythm_longest_ns(&r), 41 * S);
    add_frames(&r, &at_ns, S, 500);
    assert_int_equal(rhythm_longest_ns(&r), 41 * S);
    add_frames(&r, &at_ns, S, 600);
    assert_int_equal(rhythm_longest_ns(&r), S);
    rhythm_restart(&r); /* another connection */
    at_ns += 100 * S;
    add_frames(&r, &at_ns, S, 10);
    assert_int_equal(rhythm_longest_ns(&r), S);
}

static void a_topic_with_few_frames_has_none(void **state)
{
    (void)state;
    rhythm r = {0};
    uint64_t at_ns = 1000 * S;
    add_frames(&r, &at_ns, 20 * S, 3600); /* some 60 frames in two windows */
    assert_int_equal(rhythm_longest_ns(&r), UINT64_MAX);
    at_ns += 1200 * S; /* nothing to judge by */
    add_frames(&r, &at_ns, S, 300);
    assert_int_equal(rhythm_longest_ns(&r), UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rhythm_is_learned_in_a_window),
        cmocka_unit_test(the_longest_silence_of_two_windows_counts),
        cmocka_unit_test(a_topic_with_few_frames_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
