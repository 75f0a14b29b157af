/* What an archive has over time. Expected: tape/timeline.h; the archives are made here, so that
 * each cell can be counted by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "tape/frame_counts.h"
#include "tape/timeline.h"
#include "tests/testing/tape_fixture.h"

#define FEED    "alpha"
#define SESSION "aaaaaaaa"

enum { CELLS = 12 };

/* Times in these tests are seconds since TAPE_FIXTURE_NS. */
static uint64_t at_s(uint64_t seconds)
{
    return TAPE_FIXTURE_NS + seconds * TD_NS_PER_S;
}

static tape_segment *open_segment(tape_fixture *f, uint64_t first_s, uint32_t number)
{
    return tape_segment_open_family(
        f, &(tape_segment_spec){FEED, SESSION, 0, first_s * TD_NS_PER_S, number}, "v5-linear");
}

static void put_trade(tape_segment *to, uint64_t ordinal, uint64_t second)
{
    tape_segment_put(to, &(tape_put){.topic = "publicTrade",
                                     .symbol = "BTCUSDT",
                                     .conn = 1,
                                     .ordinal = ordinal,
                                     .recv_ns = second * TD_NS_PER_S});
}

static void put_grant(tape_segment *to, const char *topic, uint64_t second)
{
    const event said = {.kind = EVENT_GRANT,
                        .conn = 1,
                        .topic = topic,
                        .source = EVENT_GRANT_ANSWERED,
                        .from_ns = at_s(second)};
    tape_segment_event(to, &said, second * TD_NS_PER_S);
}

/* The text of a timeline's row in cells of step_s seconds from first_s on: for each cell its
 * frames, "r" if it was received in the whole step, "p" in a part of it, and "x" with a gap. */
static const char *row_text(timeline *from, const char *topic, uint64_t first_s, uint64_t step_s)
{
    static char text[CELLS * 16];
    timeline_cell cells[CELLS];
    uint32_t bands[64];
    size_t count = 0;
    const timeline_row *rows = timeline_rows(from, &count);
    assert_true(count <= sizeof bands / sizeof bands[0]);
    for (size_t i = 0; i < count; i++)
        bands[i] = strcmp(rows[i].topic, topic) == 0 ? 0 : TIMELINE_NO_BAND;
    timeline_grid grid = {at_s(first_s), step_s * TD_NS_PER_S, CELLS};
    timeline_fill(from, bands, 1, grid, cells);
    text[0] = '\0';
    for (size_t i = 0; i < CELLS; i++)
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%s%g%s%s",
                       i == 0 ? "" : " ", round(cells[i].frames * 1000) / 1000,
                       cells[i].received_ns == grid.step_ns ? "r"
                       : cells[i].received_ns > 0           ? "p"
                                                            : "",
                       cells[i].gaps != 0 ? "x" : "");
    return text;
}

static timeline *open_timeline(tape_fixture *f)
{
    timeline *made = NULL;
    td_err err;
    if (timeline_open(tape_fixture_archive(f), &made, &err) != TD_OK)
        fail_msg("%s", err.text);
    return made;
}

static const timeline_row *find_row(const timeline *in, const char *topic)
{
    size_t count = 0;
    const timeline_row *rows = timeline_rows(in, &count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(rows[i].topic, topic) == 0)
            return &rows[i];
    fail_msg("no row of %s", topic);
    return NULL;
}

/* Trades are granted at 10 s and come at 20 to 23 s and at 60 s; liquidations are granted at 30 s
 * and never come. The segment's last message is at 95 s. */
static void record_quiet_topic(tape_fixture *f)
{
    tape_segment *segment = open_segment(f, 0, 1);
    tape_segment_connect(segment, 1, 0);
    put_grant(segment, "publicTrade.BTCUSDT", 10);
    for (uint64_t n = 0; n < 4; n++)
        put_trade(segment, n + 1, 20 + n);
    put_grant(segment, "allLiquidation.BTCUSDT", 30);
    (void)tape_segment_seal(segment);
    put_trade(segment, 5, 60);
    (void)tape_segment_seal(segment);
    tape_segment_put(segment, &(tape_put){.topic = "_control",
                                          .symbol = "",
                                          .conn = 1,
                                          .ordinal = 6,
                                          .recv_ns = 95 * TD_NS_PER_S});
    tape_segment_finish(segment);
}

static void test_granted_topics_are_received(void **state)
{
    tape_fixture *f = *state;
    record_quiet_topic(f);
    timeline *from = open_timeline(f);
    const timeline_row *trades = find_row(from, "publicTrade");
    assert_string_equal(trades->symbol, "BTCUSDT");
    assert_int_equal(trades->frames, 5);
    assert_int_equal(trades->first_ns, at_s(20));
    assert_int_equal(trades->last_ns, at_s(60));
    assert_int_equal(trades->proof, PROOF_UNVERIFIABLE);
    const timeline_row *silent = find_row(from, "allLiquidation");
    assert_string_equal(silent->symbol, "BTCUSDT");
    assert_int_equal(silent->frames, 0);
    assert_string_equal(row_text(from, "allLiquidation", 0, 10), "0 0 0 0r 0r 0r 0r 0r 0r 0p 0 0");
    timeline_close(from);
}

/* Frames are counted in the chunks that have them: 4 of the 5 came before the first seal. (The
 * chunks' shares are by messages of all channels: 7 and 1.) */
static void test_frames_are_in_their_chunks(void **state)
{
    tape_fixture *f = *state;
    record_quiet_topic(f);
    timeline *from = open_timeline(f);
    const char *text = row_text(from, "publicTrade", 0, 10);
    assert_string_equal(text, "0 0r 4.375r 0r 0r 0r 0.625r 0r 0r 0p 0 0");
    /* In one cell for all: their number. */
    assert_memory_equal(row_text(from, "publicTrade", 0, 3600), "5p ", 3);
    timeline_close(from);
}

/* Between two segments of a session there is no hole; after a lost connection there is a gap, also
 * in a cell that has frames. */
static void test_sessions_and_gaps(void **state)
{
    tape_fixture *f = *state;
    record_quiet_topic(f);
    tape_segment *segment = open_segment(f, 3600, 2);
    event_slot slot = {.conn = 1, .in = 6, .since_ns = at_s(0)};
    event said = {
        .kind = EVENT_SEGMENT, .session = SESSION, .number = 2, .slots = &slot, .slot_count = 1};
    tape_segment_event(segment, &said, 3600 * TD_NS_PER_S);
    event granted = {.kind = EVENT_GRANT,
                     .conn = 1,
                     .topic = "publicTrade.BTCUSDT",
                     .source = EVENT_GRANT_ANSWERED,
                     .from_ns = at_s(10)};
    tape_segment_event(segment, &granted, 3600 * TD_NS_PER_S);
    put_trade(segment, 7, 3610);
    event lost = {.kind = EVENT_GAP,
                  .gap = gap_row_of(GAP_DISCONNECT, FEED, at_s(3610), at_s(3612), "lost")};
    lost.gap.conn = 1;
    tape_segment_event(segment, &lost, 3612 * TD_NS_PER_S);
    tape_segment_finish(segment);
    timeline *from = open_timeline(f);
    assert_string_equal(row_text(from, "publicTrade", 0, 600), "5p 0r 0r 0r 0r 0r 1px 0 0 0 0 0");
    assert_int_equal(timeline_gaps(from)->count, 1);
    timeline_close(from);
}

/* An update finds new segments, and those that were removed. */
static void test_update(void **state)
{
    tape_fixture *f = *state;
    record_quiet_topic(f);
    timeline *from = open_timeline(f);
    assert_int_equal(find_row(from, "publicTrade")->frames, 5);
    tape_segment *segment = open_segment(f, 3600, 2);
    put_trade(segment, 7, 3610);
    (void)tape_segment_seal(segment);
    td_err err;
    assert_int_equal(timeline_update(from, &err), TD_OK);
    assert_int_equal(find_row(from, "publicTrade")->frames, 5); /* the journal has no entry of it */
    tape_fixture_note(f);
    assert_int_equal(timeline_update(from, &err), TD_OK);
    assert_int_equal(find_row(from, "publicTrade")->frames, 6);
    put_trade(segment, 8, 3611);
    (void)tape_segment_seal(segment);
    tape_fixture_note(f);
    assert_int_equal(timeline_update(from, &err), TD_OK);
    assert_int_equal(find_row(from, "publicTrade")->frames, 7);
    tape_segment_finish(segment);
    tape_fixture_note(f);
    assert_int_equal(timeline_update(from, &err), TD_OK);
    assert_int_equal(find_row(from, "publicTrade")->frames, 7);
    assert_int_equal(find_row(from, "publicTrade")->last_ns, at_s(3611));
    timeline_close(from);
}

static void test_empty(void **state)
{
    timeline *from = open_timeline(*state);
    uint64_t first_ns = 1;
    uint64_t last_ns = 1;
    size_t count = 1;
    (void)timeline_rows(from, &count);
    timeline_range(from, &first_ns, &last_ns);
    assert_int_equal(count, 0);
    assert_int_equal(first_ns, 0);
    assert_int_equal(last_ns, 0);
    timeline_fill(from, NULL, 0, (timeline_grid){at_s(0), 1, 1}, NULL);
    timeline_close(from);
}

/* Steps shorter than a chunk: estimates until the frames are read. */
static void test_estimates_are_replaced_by_counts(void **state)
{
    tape_fixture *f = *state;
    timeline_cell cells[CELLS];
    uint32_t bands[64];
    frame_counts *counts = NULL;
    selection all = {0};
    size_t row_count = 0;
    td_err err;
    record_quiet_topic(f);
    timeline *from = open_timeline(f);
    const timeline_row *rows = timeline_rows(from, &row_count);
    for (size_t i = 0; i < row_count; i++)
        bands[i] = strcmp(rows[i].topic, "publicTrade") == 0 ? 0 : TIMELINE_NO_BAND;
    const timeline_grid grid = {at_s(14), TD_NS_PER_S, CELLS};
    timeline_fill(from, bands, 1, grid, cells);
    assert_true(cells[10].is_estimate);
    if (frame_counts_read(tape_fixture_archive(f), &all, grid, &counts, &err) != TD_OK)
        fail_msg("%s", err.text);
    frame_counts_replace(counts, from, bands, CELLS, cells);
    for (size_t i = 0; i < CELLS; i++) {
        assert_int_equal(cells[i].is_estimate, 0);
        assert_true(cells[i].frames == (i >= 6 && i < 10 ? 1.0 : 0.0));
    }
    frame_counts_close(counts);
    /* Steps as long as a chunk have no estimate. */
    timeline_fill(from, bands, 1, (timeline_grid){at_s(0), 40 * TD_NS_PER_S, CELLS}, cells);
    for (size_t i = 0; i < CELLS; i++)
        assert_int_equal(cells[i].is_estimate, 0);
    timeline_close(from);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        tape_fixture_test(test_estimates_are_replaced_by_counts),
        tape_fixture_test(test_granted_topics_are_received),
        tape_fixture_test(test_frames_are_in_their_chunks),
        tape_fixture_test(test_sessions_and_gaps),
        tape_fixture_test(test_update),
        tape_fixture_test(test_empty),
    };
    return cmocka_run_group_tests_name("tape/timeline", tests, NULL, NULL);
}
