/* The arithmetic of intervals, compared with sets of moments. Expected: base/time_span.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/time_span.h"

/* Spans with a begin and an end below MOMENTS: the set of a span has bit i for the moment i. */
enum { MOMENTS = 6 };

static unsigned set_of(time_span span)
{
    unsigned set = 0;
    for (uint64_t i = span.from_ns; i < span.to_ns; i++)
        set |= 1U << i;
    return set;
}

static time_span span_at(unsigned i)
{
    return (time_span){i / MOMENTS, i % MOMENTS};
}

static int count_of(unsigned set)
{
    return __builtin_popcount(set);
}

static void one_span(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MOMENTS * MOMENTS; i++) {
        const time_span span = span_at(i);
        assert_int_equal(time_span_ns(span), count_of(set_of(span)));
        for (unsigned at = 0; at < MOMENTS; at++) {
            const unsigned before = set_of(span) & ((1U << at) - 1);
            assert_int_equal(time_span_has(span, at), set_of(span) >> at & 1);
            assert_true(time_span_share(span, at) * count_of(set_of(span)) == count_of(before));
        }
        const time_span made = time_span_of(span.from_ns, span.to_ns);
        assert_int_equal(set_of(made), set_of(span) | 1U << span.from_ns);
    }
}

static void two_spans(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MOMENTS * MOMENTS; i++)
        for (unsigned k = 0; k < MOMENTS * MOMENTS; k++) {
            const time_span a = span_at(i), b = span_at(k);
            const unsigned common = set_of(a) & set_of(b);
            assert_int_equal(set_of(time_span_clip(a, b)), common);
            if (set_of(a) == 0 || set_of(b) == 0)
                continue;
            assert_int_equal(time_span_overlaps(a, b), common != 0);
            const time_span both = time_span_join(a, b);
            assert_int_equal(set_of(both) & (set_of(a) | set_of(b)), set_of(a) | set_of(b));
            assert_true(both.from_ns == a.from_ns || both.from_ns == b.from_ns);
            assert_true(both.to_ns == a.to_ns || both.to_ns == b.to_ns);
            assert_int_equal(set_of(time_span_join(TIME_SPAN_NONE, a)), set_of(a));
        }
}

/* Spans in the order of their begin: the sum is the length of their union, from the reach on. */
static void times_that_count_once(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MOMENTS * MOMENTS * MOMENTS; i++)
        for (unsigned k = 0; k < MOMENTS * MOMENTS; k++) {
            const time_span a = span_at(i % (MOMENTS * MOMENTS)), b = span_at(k);
            const unsigned begin = i / (MOMENTS * MOMENTS);
            uint64_t reach_ns = begin;
            if (a.from_ns > b.from_ns)
                continue;
            const uint64_t sum_ns =
                time_span_beyond_ns(a, &reach_ns) + time_span_beyond_ns(b, &reach_ns);
            assert_int_equal(sum_ns, count_of((set_of(a) | set_of(b)) >> begin));
        }
}

/* A span without an end, and the time without a bound. */
static void no_end(void **state)
{
    (void)state;
    const time_span all = {0, UINT64_MAX}, rest = {7, UINT64_MAX};
    uint64_t reach_ns = 5;
    assert_int_equal(time_span_ns(all), UINT64_MAX);
    assert_true(time_span_has(rest, UINT64_MAX - 1));
    assert_true(time_span_overlaps(all, rest));
    assert_int_equal(time_span_clip(all, rest).from_ns, 7);
    assert_int_equal(time_span_beyond_ns(rest, &reach_ns), UINT64_MAX - 7);
    assert_int_equal(time_span_beyond_ns(all, &reach_ns), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_span),
        cmocka_unit_test(two_spans),
        cmocka_unit_test(times_that_count_once),
        cmocka_unit_test(no_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
