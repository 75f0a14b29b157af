/* tape/coverage: scripts of frames, and the holes that docs/completeness.md requires, written by
 * hand. Times are in seconds; the window is 100 to 200. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "tape/coverage.h"

#define S TD_NS_PER_S

enum { STEPS_MAX = 5, GAPS_MAX = 2 };

/* A frame received at recv_s over a connection, with trades from first_s to last_s. */
typedef struct step {
    unsigned conn, recv_s, first_s, last_s, damaged_until_s, is_doubtful;
    unsigned is_copy, copied_since_s;
} step;

typedef struct script {
    const char *name;
    unsigned since_s, until_s; /* until_s 0: unlimited */
    gap_row gaps[GAPS_MAX];
    step steps[STEPS_MAX];
    const char *holes; /* expected within the window */
} script;

#define GAP(why, from, to)                                                                         \
    {                                                                                              \
        .reason = (why), .feed = "f", .topic = "", .symbol = "", .covered_by = "",                 \
        .from_ns = (from)*S, .to_ns = (to)*S                                                       \
    }

static const script SCRIPTS[] = {
    {.name = "all of it", .steps = {{1, 110, 110, 110, 0, 0}}, .holes = ""},
    {.name = "without a frame", .holes = ""},
    {.name = "granted late, and no trade for long",
     .since_s = 120,
     .holes = "0-121 ",
     .steps = {{1, 150, 150, 150, 0, 0}}},
    {.name = "granted late, bounded by the first trade",
     .since_s = 120,
     .holes = "0-120 ",
     .steps = {{1, 120, 120, 120, 0, 0}, {1, 130, 130, 130, 0, 0}}},
    {.name = "the end, by the clock and the longest delay",
     .until_s = 160,
     .holes = "156-inf ",
     .steps = {{1, 110, 107, 107, 0, 0}}},
    {.name = "the end, bounded by the last trade",
     .until_s = 160,
     .holes = "159-inf ",
     .steps = {{1, 160, 159, 159, 0, 0}}},
    {.name = "a trade after the window shows its end",
     .until_s = 203,
     .holes = "",
     .steps = {{1, 201, 200, 201, 0, 0}}},
    {.name = "the row begins early: the connection's frames count, however late",
     .gaps = {GAP(GAP_DISCONNECT, 130, 150)},
     .steps = {{1, 110, 110, 110, 0, 0}, {1, 140, 140, 140, 0, 0}, {2, 151, 151, 151, 0, 0}},
     .holes = "140-151 "},
    {.name = "a quiet topic: only the row's time",
     .gaps = {GAP(GAP_CRASH, 130, 150)},
     .steps = {{1, 110, 110, 110, 0, 0}, {2, 190, 190, 190, 0, 0}},
     .holes = "129-151 "},
    {.name = "what is sent again shows no end of the hole",
     .gaps = {GAP(GAP_RESTART, 130, 150)},
     .steps = {{1, 120, 120, 120, 0, 0}, {2, 152, 115, 118, 0, 0}, {2, 160, 160, 160, 0, 0}},
     .holes = "129-151 "},
    {.name = "what is dropped between frames lacks frames anywhere in its time",
     .gaps = {GAP(GAP_OVERLOAD, 130, 150)},
     .steps = {{1, 120, 120, 120, 0, 0}, {1, 140, 140, 140, 0, 0}, {1, 160, 160, 160, 0, 0}},
     .holes = "129-151 "},
    {.name = "frames come late: what is dropped was made earlier",
     .gaps = {GAP(GAP_OVERLOAD, 130, 150)},
     .steps = {{1, 115, 110, 110, 0, 0}, {1, 129, 124, 124, 0, 0}, {1, 160, 160, 160, 0, 0}},
     .holes = "124-151 "},
    {.name = "a gap without an end",
     .gaps = {GAP(GAP_CRASH, 130, 0)},
     .until_s = 135,
     .steps = {{1, 130, 130, 130, 0, 0}},
     .holes = "130-inf "},
    {.name = "damage",
     .steps = {{1, 110, 110, 110, 0, 0}, {1, 130, 130, 130, 125, 0}},
     .holes = "110-126 "},
    {.name = "a frame that cannot be decoded",
     .steps = {{1, 110, 110, 110, 0, 0}, {1, 120, 0, 0, 0, 1}, {1, 130, 130, 130, 0, 0}},
     .holes = "110-121 "},
    {.name = "another line has it",
     .gaps = {{.reason = GAP_DISCONNECT,
               .feed = "f",
               .topic = "",
               .symbol = "",
               .from_ns = 130 * S,
               .to_ns = 150 * S,
               .covered_by = "1"}},
     .steps = {{1, 110, 110, 110, 0, 0}, {2, 160, 160, 160, 0, 0}},
     .holes = ""},
    {.name = "a connection is lost whose row begins before its first frame",
     .gaps = {GAP(GAP_CRASH, 130, 141), GAP(GAP_DISCONNECT, 140, 160)},
     .steps = {{1, 120, 120, 120, 0, 0},
               {2, 142, 142, 142, 0, 0},
               {2, 145, 145, 145, 0, 0},
               {3, 161, 161, 161, 0, 0}},
     .holes = "129-142 145-161 "},
    {.name = "only another connection had frames, and the followed one continues",
     .steps = {{1, 120, 120, 120, 0, 0},
               {2, 122, 122, 122, 0, 0, 1, 120},
               {1, 130, 130, 130, 0, 0}},
     .holes = ""},
    {.name = "only another connection had frames, until it is followed",
     .steps = {{1, 120, 120, 120, 0, 0},
               {2, 122, 122, 122, 0, 0, 1, 120},
               {2, 126, 126, 126, 0, 0, 0, 120}},
     .holes = "120-126 "},
    {.name = "only another connection had frames until the end",
     .steps = {{1, 120, 120, 120, 0, 0}, {2, 122, 122, 122, 0, 0, 1, 120}},
     .holes = "120-123 "},
    {.name = "two holes",
     .gaps = {GAP(GAP_DISCONNECT, 120, 122), GAP(GAP_STALE, 150, 170)},
     .steps = {{1, 119, 119, 119, 0, 0}, {2, 130, 130, 130, 0, 0}, {3, 180, 180, 180, 0, 0}},
     .holes = "119-123 149-171 "},
    {.name = "the recorder's clock is behind, and the frames before the window are added",
     .steps = {{1, 90, 93, 93, 0, 0}, {1, 97, 100, 101, 0, 0}, {1, 110, 113, 113, 0, 0}},
     .holes = ""},
    {.name =
         "the clock is so far behind that frames before the first one have trades of the window",
     .steps = {{1, 90, 112, 112, 0, 0}, {1, 97, 119, 119, 0, 0}},
     .holes = "0-112 "},
    {.name = "the clock is behind, and the grant is just before the window",
     .since_s = 95,
     .steps = {{1, 96, 103, 103, 0, 0}},
     .holes = "0-103 "},
    {.name = "the clock is behind, and a gap is before the window",
     .gaps = {GAP(GAP_DISCONNECT, 94, 97)},
     .steps = {{1, 93, 98, 98, 0, 0}, {2, 98, 103, 103, 0, 0}},
     .holes = "0-103 "},
    {.name = "frames before the added ones are ignored",
     .gaps = {GAP(GAP_DISCONNECT, 80, 89)},
     .steps = {{1, 70, 110, 110, 0, 0}, {2, 91, 91, 91, 0, 0}},
     .holes = ""},
    {.name = "the clock is so far ahead that frames after the last one have trades of the window",
     .steps = {{1, 150, 130, 130, 0, 0}, {1, 209, 189, 189, 0, 0}},
     .holes = "189-inf "},
};

static void find(const script *of, coverage *out)
{
    const frame_conn conns[4] = {{.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}};
    frame_channel channel = {.info = {.feed = "f", .topic = "trade", .symbol = "BTCUSD"}};
    const selection_window window = {100 * S, 200 * S};
    gap_list ledger = {0};
    unsigned damaged_s = 0;
    for (size_t i = 0; i < GAPS_MAX && of->gaps[i].feed != NULL; i++) {
        gap_row gap = of->gaps[i];
        gap.cause = gap.detail = "";
        gap_list_add(&ledger, &gap);
    }
    coverage_begin(out, &ledger, &channel.info, window, of->since_s * S);
    for (size_t i = 0; i < STEPS_MAX && of->steps[i].conn != 0; i++) {
        const step *is = &of->steps[i];
        damaged_s = is->damaged_until_s;
        const frame_ref frame = {.recv_ns = is->recv_s * S,
                                 .channel = &channel,
                                 .conn = &conns[is->conn],
                                 .damaged_until_ns = damaged_s * S,
                                 .is_copy = (uint8_t)is->is_copy,
                                 .copied_since_ns = is->copied_since_s * S};
        coverage_add(
            out, &ledger,
            &(coverage_frame){&frame, is->first_s * S, is->last_s * S, (uint8_t)is->is_doubtful});
    }
    coverage_end(out, &ledger, &channel.info, window, damaged_s * S,
                 of->until_s == 0 ? COVERAGE_ALWAYS : of->until_s * S);
    gap_list_fini(&ledger);
}

static void test_holes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof SCRIPTS / sizeof *SCRIPTS; i++) {
        coverage found = {0};
        char text[128] = "";
        find(&SCRIPTS[i], &found);
        for (size_t k = 0; k < found.hole_count; k++) {
            const time_span *hole = &found.holes[k];
            size_t used = strlen(text);
            if ((hole->from_ns == 0 && hole->to_ns <= 100 * S) || hole->from_ns >= 200 * S)
                continue;
            if (hole->to_ns > 200 * S)
                (void)snprintf(text + used, sizeof text - used, "%" PRIu64 "-inf ",
                               hole->from_ns / S);
            else
                (void)snprintf(text + used, sizeof text - used, "%" PRIu64 "-%" PRIu64 " ",
                               hole->from_ns / S, hole->to_ns / S);
        }
        print_message("%s\n", SCRIPTS[i].name);
        assert_string_equal(text, SCRIPTS[i].holes);
        coverage_fini(&found);
    }
}

static void test_missing(void **state)
{
    (void)state;
    time_span holes[] = {{0, 10}, {20, 30}, {35, 40}};
    const coverage of = {.holes = holes, .hole_count = 3};
    static const struct {
        uint64_t from_ns, to_ns, missing_ns;
    } ROWS[] = {{10, 20, 0}, {5, 15, 5}, {10, 40, 15}, {22, 24, 2}, {29, 36, 2}, {40, 50, 0}};
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++)
        assert_int_equal(coverage_missing_ns(&of, ROWS[i].from_ns, ROWS[i].to_ns),
                         ROWS[i].missing_ns);
}

/* Several trades may have the exchange time of the first one after a hole. */
static void test_time_of_first_frame(void **state)
{
    (void)state;
    static const script LOST = {
        .gaps = {GAP(GAP_DISCONNECT, 120, 125)},
        .steps = {{1, 119, 119, 119, 0, 0}, {2, 130, 122, 122, 0, 0}},
    };
    coverage found = {0};
    find(&LOST, &found);
    assert_int_equal(coverage_missing_ns(&found, 122 * S, 123 * S), 1);
    coverage_fini(&found);
}

/* The window is 100 to 200, and the one after it begins at 200. */
static void test_trades_of_windows(void **state)
{
    (void)state;
    static const struct {
        uint64_t recv_s, exchange_s;
        int has, next_has;
    } ROWS[] = {{100, 100, 1, 0}, {90, 100, 1, 0},  {89, 100, 0, 0},  {209, 199, 1, 0},
                {210, 199, 0, 1}, {190, 200, 0, 1}, {189, 200, 1, 0}, {110, 99, 1, 0},
                {109, 99, 0, 0},  {209, 200, 0, 1}};
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        assert_int_equal(coverage_has_trade((selection_window){100 * S, 200 * S},
                                            ROWS[i].recv_s * S, ROWS[i].exchange_s * S),
                         ROWS[i].has);
        assert_int_equal(coverage_has_trade((selection_window){200 * S, 300 * S},
                                            ROWS[i].recv_s * S, ROWS[i].exchange_s * S),
                         ROWS[i].next_has);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_holes), cmocka_unit_test(test_missing),
                                       cmocka_unit_test(test_time_of_first_frame),
                                       cmocka_unit_test(test_trades_of_windows)};
    return cmocka_run_group_tests_name("tape/coverage", tests, NULL, NULL);
}
