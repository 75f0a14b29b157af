/* An archive's records of its own recording through the whole pipeline: counters, overload, clock
 * steps. Expected values: the test's own counts of the frames it feeds; promises P1 and P3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tests/testing/clock_sim.h"
#include "archive/verify.h"
#include "tape/cursor.h"
#include "tests/testing/pipeline_fixture.h"

static void on_finding(void *user, const verify_finding *finding)
{
    (void)user;
    if (finding->severity != VERIFY_SOUND)
        fail_msg("%s: %s", finding->segment, finding->what);
}

/* The losses in the ledger, and the number of clock events of each kind. */
typedef struct ledger_sum {
    uint64_t lost, frames;
    uint64_t last_ns;
    unsigned seen, adopted, wrong;
    unsigned begun, ended; /* overload gaps */
} ledger_sum;

static void add_overload(const gap_row *gap, ledger_sum *out)
{
    out->begun += gap->to_ns == GAP_OPEN;
    if (gap->to_ns == GAP_OPEN)
        return;
    out->ended++;
    out->lost += gap->frames_lost;
    assert_true(gap->from_ns < gap->to_ns);
}

static void add_frame(const frame_ref *frame, event_reader *events, ledger_sum *out)
{
    event event_read;
    if (frame->channel->info.dir != CHANNEL_EVENT) {
        assert_true(frame->recv_ns > out->last_ns);
        out->last_ns = frame->recv_ns;
        out->frames++;
        return;
    }
    assert_int_equal(event_decode(events, frame->bytes, &event_read, NULL), TD_OK);
    if (event_read.kind == EVENT_GAP && event_read.gap.reason == GAP_OVERLOAD)
        add_overload(&event_read.gap, out);
    if (event_read.kind == EVENT_CLOCK) {
        out->adopted += strcmp(event_read.state, "adopted") == 0;
        out->seen += strcmp(event_read.state, "seen") == 0;
        out->wrong += strcmp(event_read.state, "new_session") == 0;
    }
}

/* Verifies the archive, and reads its frames and events. */
static ledger_sum verified_sum(pipeline *f)
{
    td_err err;
    archive *from = NULL;
    cursor *frames = NULL;
    event_reader *events = NULL;
    const frame_ref *frame;
    ledger_sum found = {0};
    verify_report report;
    verify_options checking = {.time = TIME_SPAN_ALL, .threads = 1, .finding = on_finding};
    selection everything = {0};
    cursor_options reading = {.threads = 1, .with_events = 1};
    archive_options options = pipeline_archive_options(f);
    assert_int_equal(archive_open(&options, "tape", ARCHIVE_READ, &from, &err), TD_OK);
    assert_int_equal(archive_verify(from, &checking, &report, &err), TD_OK);
    assert_int_equal(report.verdict, VERIFY_SOUND);
    events = event_reader_open();
    assert_int_equal(cursor_open(from, &everything, &reading, &frames, &err), TD_OK);
    while (cursor_next(frames, &frame, &err) == TD_OK)
        add_frame(frame, events, &found);
    cursor_close(frames);
    event_reader_close(events);
    archive_close(from);
    return found;
}

/* The disk hangs until received and sent frames are dropped; then it continues. */
static void what_was_received_is_written_or_in_the_ledger(void **state)
{
    (void)state;
    enum { BIG_BYTES = 1 << 20, BIG_COUNT = 100, LATER = 40 };
    pipeline f;
    intake_stats stats;
    char *big = td_alloc(BIG_BYTES);
    memset(big, ' ', BIG_BYTES);
    pipeline_open(&f);
    f.config->overload = OVERLOAD_DROP;
    intake_opened(f.intake, &f.slot);
    io_fault_set_sync(f.disk_model, IO_FAULT_SYNC_HELD);
    for (int n = 0; n < BIG_COUNT; n++)
        pipeline_receive(&f, n % 10 == 3 ? CHANNEL_OUT : CHANNEL_IN, td_bytes_of(big, BIG_BYTES));
    intake_get_stats(f.intake, &stats);
    assert_true(stats.frames_dropped > 0);
    io_fault_set_sync(f.disk_model, IO_FAULT_SYNC_WORKS);
    while (td_ring_used_bytes(f.ring) > 0)
        (void)poll(NULL, 0, 1);
    for (int n = 0; n < LATER; n++)
        pipeline_put_frame(&f, n);
    intake_get_stats(f.intake, &stats);
    intake_closed(f.intake, &f.slot);
    assert_int_equal(pipeline_finish(&f, WRITER_STOP), TD_OK);
    assert_int_equal(f.durable.frames_in, BIG_COUNT + LATER);
    assert_int_equal(f.durable.frames_dropped, stats.frames_dropped);
    ledger_sum found = verified_sum(&f);
    assert_int_equal(found.lost, stats.frames_dropped);
    assert_int_equal(found.frames + found.lost, atomic_load(&f.received));
    td_free(big);
    pipeline_close(&f);
}

/* P3: a large step forward that lasts is adopted, a step back never; times rise strictly, and each
 * step is an event. */
static void times_rise_while_the_clock_steps(void **state)
{
    (void)state;
    static const int64_t STEPS_S[] = {3600, -7200, 1, -1, 86400, -86400, -3600};
    enum { STEP_COUNT = sizeof STEPS_S / sizeof STEPS_S[0], PER_STEP = 150 };
    pipeline f;
    pipeline_open(&f);
    /* The pipeline began with the real clock; open the intake again with a clock that can be set.
     */
    clock_sim *sim = clock_sim_open(clock_wall_ns(clock_real()), 5 * TD_NS_PER_S);
    assert_non_null(sim);
    f.clock = clock_sim_clock(sim);
    intake_close(f.intake);
    pipeline_open_intake(&f);
    intake_event(f.intake, 0, &(event){.kind = EVENT_SESSION, .state = "starts"});
    intake_opened(f.intake, &f.slot);
    for (int step = 0; step < STEP_COUNT; step++) {
        clock_sim_set_wall(sim, clock_wall_ns(f.clock) + (uint64_t)STEPS_S[step] * TD_NS_PER_S);
        for (int n = 0; n < PER_STEP; n++) {
            pipeline_put_frame(&f, n);
            clock_sim_advance(sim, 100 * TD_NS_PER_MS);
            intake_tick(f.intake);
        }
    }
    assert_int_equal(pipeline_finish(&f, WRITER_STOP), TD_OK);
    ledger_sum found = verified_sum(&f);
    assert_int_equal(found.frames, STEP_COUNT * PER_STEP);
    /* Each step is detected. Two lead past the session's times and are adopted: 3600, and 86400
     * (after -7200). After the others the wall clock stays before the session's times for long
     * enough to be reported as wrong. */
    assert_int_equal(found.seen, STEP_COUNT);
    assert_int_equal(found.adopted, 2);
    assert_int_equal(found.wrong, STEP_COUNT - 2);
    pipeline_close(&f);
    clock_sim_close(sim);
}

static void receive_compressed(pipeline *f, clock_sim *sim, uint64_t count, uint64_t apart_ns)
{
    for (uint64_t n = 0; n < count; n++) {
        clock_sim_advance(sim, apart_ns);
        pipeline_receive(f, CHANNEL_IN, td_bytes_str("\x1f\x8b\x08"));
    }
}

/* By receive times a quarter of the CPU time is free, although the encoder gets all frames at once.
 * Then three frames cost more than was saved, and compressed frames of the next 10 s are lost;
 * others are kept. */
static void compressed_frames_that_cost_too_much_are_in_the_ledger(void **state)
{
    (void)state;
    pipeline f;
    encoder_stats stats;
    pipeline_open(&f);
    clock_sim *sim = clock_sim_open(clock_wall_ns(clock_real()), 5 * TD_NS_PER_S);
    f.clock = clock_sim_clock(sim);
    f.frame_ns = 100 * TD_NS_PER_MS;
    f.slot.complete_ns = clock_wall_ns(f.clock);
    intake_close(f.intake);
    pipeline_open_intake(&f);
    intake_opened(f.intake, &f.slot);
    receive_compressed(&f, sim, 100, 400 * TD_NS_PER_MS);
    receive_compressed(&f, sim, 2 + 5, TD_NS_PER_US);
    pipeline_put_frame(&f, 0);
    receive_compressed(&f, sim, 1, 9 * TD_NS_PER_S);
    receive_compressed(&f, sim, 1, TD_NS_PER_S);
    receive_compressed(&f, sim, 2 + 4, TD_NS_PER_US);
    intake_closed(f.intake, &f.slot);
    f.slot = (intake_slot){.conn = 2, .complete_ns = f.slot.complete_ns};
    intake_opened(f.intake, &f.slot);
    receive_compressed(&f, sim, 2, TD_NS_PER_US);
    while (td_ring_used_bytes(f.ring) > 0)
        (void)poll(NULL, 0, 1);
    encoder_get_stats(f.encoder, &stats);
    assert_int_equal(pipeline_finish(&f, WRITER_STOP), TD_OK);
    ledger_sum found = verified_sum(&f);
    assert_int_equal(found.begun, 3);
    assert_int_equal(found.ended, 3);
    assert_int_equal(found.lost, 5 + 1 + 4 + 2);
    assert_int_equal(stats.discarded, found.lost);
    assert_int_equal(stats.gaps, 3);
    assert_int_equal(found.frames + found.lost, atomic_load(&f.received));
    pipeline_close(&f);
    clock_sim_close(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_received_is_written_or_in_the_ledger),
        cmocka_unit_test(times_rise_while_the_clock_steps),
        cmocka_unit_test(compressed_frames_that_cost_too_much_are_in_the_ledger),
    };
    return cmocka_run_group_tests_name("pipeline_ledger", tests, NULL, NULL);
}
