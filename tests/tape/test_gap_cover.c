/* Which parts of a gap another archive has. Expected: the contract in tape/gap_cover.h, by hand.
 * East and west have a connection from 10 on, whose topics are granted at 20; their frames are from
 * 30 to 1000. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "archive/event.h"
#include "tape/gap_cover.h"
#include "tests/testing/tape_fixture.h"

#define AT(ns)    (TAPE_FIXTURE_NS + (ns))
#define TRADES    "trade.BTCUSD"
#define TRADES_OF "trade.ETHUSD"
#define PRICES    "instrument_info.100ms.BTCUSD"

enum { TOPICS_MAX = 3, ROWS_MAX = 2, FIRST = 30, LAST = 1000, LATE = 2000, LATER = 3000, OPEN = 0 };

/* A row. */
typedef struct row_spec {
    time_reason reason;
    const char *topic, *symbol; /* NULL: "" */
    uint64_t from, to;
    const char *covered_by; /* NULL: "" */
} row_spec;

typedef struct cover_case {
    const char *what;
    const char *west[TOPICS_MAX]; /* topics of west; east has all */
    row_spec rows[ROWS_MAX];      /* of west; from 0 ends the list */
    row_spec row;                 /* of east */
    time_span within;             /* to_ns 0: all */
    const char *parts;            /* expected: "from-to" with "west" or "none" */
} cover_case;

#define ALL                                                                                        \
    {                                                                                              \
        TRADES, TRADES_OF, PRICES                                                                  \
    }
static const cover_case CASES[] = {
    {"west has all of it",
     ALL,
     {{0}},
     {GAP_CRASH, NULL, NULL, 300, 400, NULL},
     {0},
     "300-400 west"},
    {"west has a row in it",
     ALL,
     {{GAP_DISCONNECT, NULL, NULL, 350, 360, NULL}},
     {GAP_CRASH, NULL, NULL, 300, 400, NULL},
     {0},
     "300-350 west, 350-360 none, 360-400 west"},
    {"rows of west overlap",
     ALL,
     {{GAP_SEQUENCE, "trade", NULL, 320, 350, NULL},
      {GAP_AGGREGATE, "trade", NULL, 340, 370, NULL}},
     {GAP_CRASH, NULL, NULL, 300, 400, NULL},
     {0},
     "300-320 west, 320-370 none, 370-400 west"},
    {"a row of west is around it",
     ALL,
     {{GAP_STALE, NULL, NULL, 200, 500, NULL}},
     {GAP_CRASH, NULL, NULL, 300, 400, NULL},
     {0},
     "300-400 none"},
    {"a row of west has no end",
     ALL,
     {{GAP_STALE, NULL, NULL, 350, OPEN, NULL}},
     {GAP_CRASH, NULL, NULL, 300, 400, NULL},
     {0},
     "300-350 west, 350-400 none"},
    {"west pruned it",
     ALL,
     {{GAP_PRUNED, NULL, NULL, 350, 360, NULL}},
     {GAP_CRASH, NULL, NULL, 300, 400, NULL},
     {0},
     "300-350 west, 350-360 none, 360-400 west"},
    {"a line of west covers its row",
     ALL,
     {{GAP_STALE, NULL, NULL, 350, 360, "line 1"}},
     {GAP_CRASH, NULL, NULL, 300, 400, NULL},
     {0},
     "300-400 west"},
    {"west lacks a topic",
     {TRADES, TRADES_OF},
     {{0}},
     {GAP_CRASH, NULL, NULL, 300, 400, NULL},
     {0},
     "300-400 none"},
    {"of which the row is not",
     {TRADES},
     {{0}},
     {GAP_SEQUENCE, "trade", "BTCUSD", 300, 400, NULL},
     {0},
     "300-400 west"},
    {"of which it is",
     {TRADES},
     {{0}},
     {GAP_SEQUENCE, "trade", NULL, 300, 400, NULL},
     {0},
     "300-400 none"},
    {"west has no part",
     {NULL},
     {{0}},
     {GAP_CRASH, NULL, NULL, 300, 400, NULL},
     {0},
     "300-400 none"},
    {"a row of a topic that east never had",
     ALL,
     {{0}},
     {GAP_SEQUENCE, "klineV2.1", "BTCUSD", 300, 400, NULL},
     {0},
     "300-400 none"},
    {"a row of west about another topic",
     ALL,
     {{GAP_SEQUENCE, "instrument_info.100ms", "BTCUSD", 350, 360, NULL}},
     {GAP_SEQUENCE, "trade", "BTCUSD", 300, 400, NULL},
     {0},
     "300-400 west"},
    {"about another symbol",
     ALL,
     {{GAP_SEQUENCE, "trade", "ETHUSD", 350, 360, NULL}},
     {GAP_SEQUENCE, "trade", "BTCUSD", 300, 400, NULL},
     {0},
     "300-400 west"},
    {"about one of the row's symbols",
     ALL,
     {{GAP_SEQUENCE, "trade", "ETHUSD", 350, 360, NULL}},
     {GAP_SEQUENCE, "trade", NULL, 300, 400, NULL},
     {0},
     "300-350 west, 350-360 none, 360-400 west"},
    {"a row before west's grants",
     ALL,
     {{0}},
     {GAP_CRASH, NULL, NULL, 15, 25, NULL},
     {0},
     "15-25 none"},
    {"a row beyond west's last frame",
     ALL,
     {{0}},
     {GAP_CRASH, NULL, NULL, 900, 1200, NULL},
     {0},
     "900-1000 west, 1000-1200 none"},
    {"a row without an end",
     ALL,
     {{0}},
     {GAP_CRASH, NULL, NULL, 900, OPEN, NULL},
     {0},
     "900-1000 west"},
    {"a row without an end, and one of west",
     ALL,
     {{GAP_STALE, NULL, NULL, 950, OPEN, NULL}},
     {GAP_CRASH, NULL, NULL, 900, OPEN, NULL},
     {0},
     "900-950 west, 950-open none"},
    {"a row after which nothing came",
     ALL,
     {{0}},
     {GAP_CRASH, NULL, NULL, 1000, OPEN, NULL},
     {0},
     "1000-open none"},
    {"a part of a row",
     ALL,
     {{GAP_STALE, NULL, NULL, 350, 360, NULL}},
     {GAP_CRASH, NULL, NULL, 300, 400, NULL},
     {AT(310), AT(355)},
     "310-350 west, 350-355 none"},
};

static gap_row make_row(const row_spec *spec)
{
    gap_row row = gap_row_of(spec->reason, "f", AT(spec->from),
                             spec->to == OPEN ? GAP_OPEN : AT(spec->to), "");
    row.topic = spec->topic == NULL ? "" : spec->topic;
    row.symbol = spec->symbol == NULL ? "" : spec->symbol;
    row.covered_by = spec->covered_by == NULL ? "" : spec->covered_by;
    return row;
}

/* An archive with a connection that was granted these topics, and frames at two times. */
static archive_view *make_archive(tape_fixture *f, const char *session,
                                  const char *const topics[TOPICS_MAX], uint64_t first,
                                  uint64_t last)
{
    archive_view *view = NULL;
    tape_fixture_init(f);
    const tape_segment_spec spec = {.feed = "f", .session = session, .first_ns = first};
    tape_segment *segment = tape_segment_open(f, &spec);
    tape_segment_connect(segment, 1, first - 20);
    for (size_t i = 0; i < TOPICS_MAX && topics[i] != NULL; i++) {
        const event granted = {.kind = EVENT_GRANT,
                               .conn = 1,
                               .topic = topics[i],
                               .source = EVENT_GRANT_ANSWERED,
                               .from_ns = AT(first - 10)};
        tape_segment_event(segment, &granted, first - 10);
    }
    tape_segment_put(segment, &(tape_put){.conn = 1, .ordinal = 1, .recv_ns = first});
    tape_segment_put(segment, &(tape_put){.conn = 1, .ordinal = 2, .recv_ns = last});
    tape_segment_finish(segment);
    assert_int_equal(archive_view_open(tape_fixture_archive(f), VIEW_ALL, NULL, &view, NULL),
                     TD_OK);
    return view;
}

static void format_parts(const gap_parts *parts, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < parts->count; i++) {
        const time_span time = parts->items[i].time;
        char end[32] = "open";
        if (time.to_ns != UINT64_MAX)
            snprintf(end, sizeof end, "%u", (unsigned)(time.to_ns - TAPE_FIXTURE_NS));
        used += (size_t)snprintf(out + used, size - used, "%s%u-%s %s", i == 0 ? "" : ", ",
                                 (unsigned)(time.from_ns - TAPE_FIXTURE_NS), end,
                                 parts->items[i].has == 2 ? "west" : "none");
    }
}

static void check_case(const cover_case *c)
{
    static const char *const EAST[TOPICS_MAX] = ALL;
    tape_fixture fixtures[2];
    gap_list ledgers[2] = {{0}};
    char text[256];
    archive_view *views[] = {make_archive(&fixtures[0], "0000000a", EAST, FIRST, LAST),
                             make_archive(&fixtures[1], "0000000b", c->west, FIRST, LAST)};
    const gap_row row = make_row(&c->row);
    gap_list_add(&ledgers[0], &row);
    for (size_t i = 0; i < ROWS_MAX && c->rows[i].from != 0; i++) {
        const gap_row other = make_row(&c->rows[i]);
        gap_list_add(&ledgers[1], &other);
    }
    const gap_account accounts[] = {{views[0], &ledgers[0], NULL}, {views[1], &ledgers[1], NULL}};
    const gap_parts parts =
        gap_cover_divide(accounts, 2, 0, &row, c->within.to_ns == 0 ? TIME_SPAN_ALL : c->within);
    format_parts(&parts, text, sizeof text);
    if (strcmp(text, c->parts) != 0)
        fail_msg("%s: %s, expected %s", c->what, text, c->parts);
    td_free(parts.items);
    for (size_t i = 0; i < 2; i++) {
        gap_list_fini(&ledgers[i]);
        archive_view_close(views[i]);
        tape_fixture_fini(&fixtures[i]);
    }
}

static void test_parts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        check_case(&CASES[i]);
}

/* The time between two archives is a row, unless one has it already. */
static void test_between(void **state)
{
    static const char *const TOPICS[TOPICS_MAX] = ALL;
    tape_fixture fixtures[2];
    gap_list ledger = {0};
    gap_list found = {0};
    (void)state;
    archive_view *views[] = {make_archive(&fixtures[0], "0000000a", TOPICS, LATE, LATER),
                             make_archive(&fixtures[1], "0000000b", TOPICS, FIRST, LAST)};
    gap_account accounts[] = {{views[0], NULL, NULL}, {views[1], NULL, NULL}};
    gap_cover_between(accounts, 2, &found);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.rows[0].reason, GAP_RESTART);
    assert_string_equal(found.rows[0].feed, "f");
    assert_int_equal(found.rows[0].from_ns, AT(LAST));
    assert_int_equal(found.rows[0].to_ns, AT(LATE));
    gap_list_fini(&found);
    const gap_row crash = make_row(&(row_spec){GAP_CRASH, NULL, NULL, LAST - 1, OPEN, NULL});
    gap_list_add(&ledger, &crash);
    accounts[1].ledger = &ledger;
    gap_cover_between(accounts, 2, &found);
    assert_int_equal(found.count, 0);
    gap_list_fini(&ledger);
    for (size_t i = 0; i < 2; i++) {
        archive_view_close(views[i]);
        tape_fixture_fini(&fixtures[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_parts),
                                       cmocka_unit_test(test_between)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
