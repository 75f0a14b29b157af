/* The days of several archives as one. Expected: the contract in replay/play/joined_days.h, by
 * hand. Times are in seconds of one day. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "replay/play/joined_days.h"

enum { ARCHIVES = 2, BADS_MAX = 3 };

#define S       TD_NS_PER_S
#define DAY     UINT64_C(86400)
#define BIT(of) (1U << (of))

/* Bad time of an archive. */
typedef struct bad_seconds {
    uint64_t from, to;
    bad_time_kind kind;
    time_reason why;
} bad_seconds;

/* A topic's part of a day in an archive; to 0: nothing. */
typedef struct archive_part {
    uint64_t day, from, to;
    bad_seconds bad[BADS_MAX]; /* to 0 ends the list */
    int is_silent;
} archive_part;

typedef struct joined_case {
    const char *what;
    archive_part parts[ARCHIVES];
    uint64_t between[2]; /* time in which neither recorded */
    size_t rows;         /* expected: days; of all: clean, degraded, missing, … */
    uint64_t clean, degraded, missing, not_subscribed, unproven;
    unsigned reasons;
} joined_case;

static const joined_case CASES[] = {
    {"both are clean", {{0, 0, 100, {{0}}, 0}, {0, 10, 90, {{0}}, 0}}, {0}, 1, 100, 0, 0, 0, 0, 0},

    {"each lacks another time",
     {{0, 0, 100, {{10, 20, BAD_MISSING, GAP_CRASH}}, 0},
      {0, 0, 100, {{30, 40, BAD_MISSING, GAP_RESTART}}, 0}},
     {0},
     1,
     100,
     0,
     0,
     0,
     0,
     0},
    {"both lack a part",
     {{0, 0, 100, {{10, 20, BAD_MISSING, GAP_CRASH}}, 0},
      {0, 0, 100, {{15, 40, BAD_MISSING, GAP_RESTART}}, 0}},
     {0},
     1,
     95,
     0,
     5,
     0,
     0,
     BIT(GAP_CRASH) | BIT(GAP_RESTART)},
    {"one is not asked for it then",
     {{0, 0, 100, {{10, 20, BAD_MISSING, GAP_CRASH}}, 0}, {0, 15, 100, {{0}}, 0}},
     {0},
     1,
     95,
     0,
     5,
     0,
     0,
     BIT(GAP_CRASH)},
    {"what is degraded is better than missing, and not clean",
     {{0, 0, 100, {{10, 20, BAD_MISSING, GAP_CRASH}}, 0},
      {0, 0, 100, {{12, 14, BAD_DEGRADED, DOUBT_RULE}}, 0}},
     {0},
     1,
     98,
     2,
     0,
     0,
     0,
     BIT(GAP_CRASH) | BIT(DOUBT_RULE)},
    {"what is missing in one and pruned in the other is missing",
     {{0, 0, 100, {{10, 20, BAD_MISSING, GAP_CRASH}}, 0},
      {0, 0, 100, {{10, 20, BAD_PRUNED, GAP_PRUNED}}, 0}},
     {0},
     1,
     90,
     0,
     10,
     0,
     0,
     BIT(GAP_CRASH) | BIT(GAP_PRUNED)},
    {"worse time inside of other bad time",
     {{0, 0, 100, {{10, 50, BAD_DEGRADED, DOUBT_RULE}, {20, 30, BAD_MISSING, GAP_STALE}}, 0},
      {0, 0, 100, {{25, 60, BAD_MISSING, GAP_CRASH}}, 0}},
     {0},
     1,
     75,
     20,
     5,
     0,
     0,
     BIT(DOUBT_RULE) | BIT(GAP_STALE) | BIT(GAP_CRASH)},
    {"no archive asked for it, while one recorded the feed",
     {{0, 0, 10, {{0}}, 0}, {0, 20, 30, {{0}}, 0}},
     {0},
     1,
     20,
     0,
     0,
     10,
     0,
     BIT(GAP_NOT_SUBSCRIBED)},
    {"neither archive recorded",
     {{0, 0, 10, {{0}}, 0}, {0, 20, 30, {{0}}, 0}},
     {10, 20},
     1,
     20,
     0,
     10,
     0,
     0,
     BIT(GAP_RESTART)},
    {"for days",
     {{0, 0, 10, {{0}}, 0}, {2, 2 * DAY, 2 * DAY + 5, {{0}}, 0}},
     {10, 2 * DAY},
     3,
     15,
     0,
     2 * DAY - 10,
     0,
     0,
     BIT(GAP_RESTART)},
    {"silent in both",
     {{0, 0, 100, {{0}}, 1}, {0, 0, 100, {{0}}, 1}},
     {0},
     1,
     0,
     0,
     0,
     0,
     100,
     BIT(DOUBT_SILENT)},
    {"silence proves nothing if the other has frames",
     {{0, 0, 100, {{10, 20, BAD_MISSING, GAP_CRASH}}, 0}, {0, 0, 100, {{0}}, 1}},
     {0},
     1,
     90,
     10,
     0,
     0,
     0,
     BIT(GAP_CRASH) | BIT(DOUBT_SILENT)},
    {"a moment of one archive is whole in the other",
     {{0, 0, 100, {{50, 50, BAD_DEGRADED, DOUBT_RULE}}, 0}, {0, 0, 100, {{0}}, 0}},
     {0},
     1,
     100,
     0,
     0,
     0,
     0,
     0},
};

static day_topic row_of(const archive_part *part)
{
    day_topic row = {.feed = td_strdup("f"),
                     .topic = td_strdup("t"),
                     .symbol = td_strdup("s"),
                     .day_ns = part->day * TD_NS_PER_DAY,
                     .time = {part->from * S, part->to * S},
                     .has_sent = !part->is_silent};
    for (size_t i = 0; i < BADS_MAX && part->bad[i].to > 0; i++)
        bad_time_list_add(&row.bad, (bad_time){{part->bad[i].from * S, part->bad[i].to * S},
                                               BIT(part->bad[i].why),
                                               part->bad[i].kind});
    day_topic_set_times(&row);
    if (part->is_silent) {
        row.unproven_ns = row.clean_ns;
        row.clean_ns = 0;
        row.reasons |= BIT(DOUBT_SILENT);
    }
    return row;
}

static void check_case(const joined_case *c)
{
    day_topic rows[ARCHIVES];
    day_list lists[ARCHIVES] = {{0}};
    gap_list between = {0};
    day_list out;
    day_topic sum = {0};
    for (size_t i = 0; i < ARCHIVES; i++) {
        rows[i] = row_of(&c->parts[i]);
        lists[i] = (day_list){.rows = &rows[i], .count = 1};
    }
    if (c->between[1] > 0) {
        const gap_row row =
            gap_row_of(GAP_RESTART, "f", c->between[0] * S, c->between[1] * S, "between");
        gap_list_add(&between, &row);
    }
    joined_days_make(lists, ARCHIVES, &between, &out);
    for (size_t i = 0; i < out.count; i++) {
        const day_topic *row = &out.rows[i];
        sum.clean_ns += row->clean_ns;
        sum.degraded_ns += row->degraded_ns;
        sum.missing_ns += row->missing_ns;
        sum.not_subscribed_ns += row->not_subscribed_ns;
        sum.unproven_ns += row->unproven_ns;
        sum.reasons |= row->reasons;
        assert_int_equal(row->expected_ns,
                         row->clean_ns + row->degraded_ns + row->missing_ns + row->unproven_ns);
    }
    const uint64_t found[] = {out.count,          sum.clean_ns / S,          sum.degraded_ns / S,
                              sum.missing_ns / S, sum.not_subscribed_ns / S, sum.unproven_ns / S,
                              sum.reasons};
    const uint64_t expected[] = {c->rows,           c->clean,    c->degraded, c->missing,
                                 c->not_subscribed, c->unproven, c->reasons};
    for (size_t i = 0; i < sizeof found / sizeof found[0]; i++)
        if (found[i] != expected[i])
            fail_msg("%s: figure %zu is %llu, expected %llu", c->what, i,
                     (unsigned long long)found[i], (unsigned long long)expected[i]);
    day_list_fini(&out);
    gap_list_fini(&between);
    for (size_t i = 0; i < ARCHIVES; i++) {
        td_free(rows[i].feed);
        td_free(rows[i].topic);
        td_free(rows[i].symbol);
        td_free(rows[i].bad.rows);
    }
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        check_case(&CASES[i]);
}

/* Days that are asked for are absent if no archive has them. */
static void test_absent_days(void **state)
{
    (void)state;
    const day_list lists[] = {{.absent = {1, 4, 6, 9}}, {.absent = {0}}, {.absent = {1, 3, 7, 9}}};
    const gap_list none = {0};
    day_list out;
    joined_days_make(lists, sizeof lists / sizeof lists[0], &none, &out);
    assert_int_equal(absent_days_count(&out.absent), 2 + 2);
    day_list_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases),
                                       cmocka_unit_test(test_absent_days)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
