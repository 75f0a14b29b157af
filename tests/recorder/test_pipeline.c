/* The recorder from intake to disk, on a simulated disk: what is announced is durable, and what is
 * not durable is not announced. Expected values: counted by the test as it feeds frames; promises
 * P1 and P2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock_sim.h"
#include "base/io_fault.h"
#include "format/archive_writer.h"
#include "format/verify.h"
#include "recorder/disk.h"
#include "recorder/encoder.h"
#include "recorder/intake.h"
#include "tape/tape.h"
#include "tests/testing/alloc_fault.h"

#define SECRET "VERYSECRETKEY"

enum { FRAME_COUNT = 300 };

typedef struct fixture {
    io_fault *disk_model;
    td_clock clock; /* the intake's */
    char catalog_folder[64];
    char catalog[96];
    recorder_config *config;
    redactor secrets;
    redactor *redactors[1];
    archive *into;
    archive_writer *writer;
    td_ring *ring;
    chunk_queue *queue;
    encoder *encoder;
    disk *disk;
    intake *intake;
    intake_slot slot;
    atomic_ullong received; /* frames given to the intake, counted before it has them */
    atomic_ullong durable_in, durable_calls;
    chain_totals durable; /* of the last chunk; the disk thread's until it has ended */
    atomic_int has_failed;
    room room; /* path NULL: not looked at */
    atomic_int low_calls;
    td_result encoded; /* what the encoder is expected to end with */
} fixture;

/* Received = written + dropped + in flight, at every chunk. The test counts what it gives; what is
 * in flight is what it gave beyond the ordinals that the chunk tells, of the session's one
 * connection.
 */
static void check_counters(fixture *f, const sealed_chunk *chunk)
{
    const chain_totals *now = &chunk->totals;
    uint64_t written = 0;
    uint64_t counted = 0;
    for (uint32_t i = 0; i < chunk->conn_count; i++) {
        written += chunk->conns[i].in + chunk->conns[i].out;
        counted += chunk->conns[i].in_ordinal + chunk->conns[i].out_ordinal;
    }
    assert_int_equal(now->frames_in, now->frames_written + now->frames_dropped);
    assert_int_equal(now->frames_written - f->durable.frames_written, chunk->frame_count);
    assert_true(now->frames_dropped >= f->durable.frames_dropped);
    if (chunk->conn_count > 0) {
        assert_int_equal(now->frames_written, written);
        assert_int_equal(now->frames_in, counted);
    }
    /* In flight is never less than nothing. */
    assert_true(atomic_load(&f->received) >= now->frames_in);
    f->durable = *now;
}

static void on_durable(void *user, size_t feed_index, const sealed_chunk *chunk)
{
    fixture *f = user;
    assert_int_equal(feed_index, 0);
    check_counters(f, chunk);
    for (uint32_t i = 0; i < chunk->conn_count; i++)
        atomic_store(&f->durable_in, chunk->conns[i].in);
    atomic_fetch_add(&f->durable_calls, 1);
}

static void on_failed(void *user)
{
    atomic_store(&((fixture *)user)->has_failed, 1);
}

static void on_low(void *user, const td_err *why)
{
    assert_int_equal(why->code, TD_E_NOSPACE);
    atomic_fetch_add(&((fixture *)user)->low_calls, 1);
}

static void do_nothing(void *user)
{
    (void)user;
}

static archive_options options_of(const fixture *f)
{
    return (archive_options){.io = io_fault_io(f->disk_model),
                             .clock = clock_real(),
                             .verb = "record",
                             .catalog_path = f->catalog};
}

static void open_archive(fixture *f)
{
    td_err err;
    size_t index;
    snprintf(f->catalog_folder, sizeof f->catalog_folder, "/tmp/tapedeck-pipeline-XXXXXX");
    assert_non_null(mkdtemp(f->catalog_folder));
    snprintf(f->catalog, sizeof f->catalog, "%s/catalog.sqlite", f->catalog_folder);
    archive_options options = options_of(f);
    if (archive_open(&options, "tape", ARCHIVE_APPEND, &f->into, &err) != TD_OK)
        fail_msg("%s", err.text);
    archive_writer_options writing = {.version = "test",
                                      .start_ns = clock_wall_ns(clock_real()),
                                      .durable = on_durable,
                                      .user = f};
    assert_int_equal(archive_writer_open(f->into, &writing, &f->writer, &err), TD_OK);
    assert_int_equal(archive_writer_add_feed(f->writer, "inverse", "inverse", &index, NULL, &err),
                     TD_OK);
}

static void open_intake(fixture *f)
{
    intake_options taking = {.ring = f->ring,
                             .clock = f->clock,
                             .config = f->config,
                             .pause = do_nothing,
                             .resume = do_nothing};
    assert_int_equal(intake_open(&taking, &f->intake, NULL), TD_OK);
}

static void open_pipeline(fixture *f)
{
    disk_options writing = {.writer = f->writer,
                            .room = f->room.path == NULL ? NULL : &f->room,
                            .idle_check_ns = TD_NS_PER_MS,
                            .failed = on_failed,
                            .low = on_low,
                            .user = f};
    assert_int_equal(td_ring_open(LIMIT_RING_BYTES, &f->ring, NULL), TD_OK);
    assert_int_equal(chunk_queue_open(4, &f->queue, NULL), TD_OK);
    writing.queue = f->queue;
    assert_int_equal(disk_open(&writing, &f->disk, NULL), TD_OK);
    encoder_options encoding = {.ring = f->ring,
                                .queue = f->queue,
                                .config = f->config,
                                .redactors = f->redactors,
                                .session = archive_session(f->into),
                                .clock = clock_real(),
                                .failed = on_failed,
                                .user = f};
    assert_int_equal(encoder_open(&encoding, &f->encoder, NULL), TD_OK);
    open_intake(f);
}

/* min_free_bytes: what the disk thread leaves free; 0: whatever. */
static void open_fixture_with_room(fixture *f, uint64_t min_free_bytes)
{
    memset(f, 0, sizeof *f);
    f->disk_model = io_fault_open();
    f->clock = clock_real();
    if (min_free_bytes > 0)
        f->room =
            (room){.io = io_fault_io(f->disk_model), .path = "tape", .min_bytes = min_free_bytes};
    f->config = td_alloc(sizeof *f->config);
    config_init(f->config);
    config_feed_init(&f->config->feeds[0]);
    f->config->feeds[0].name = "inverse";
    f->config->feeds[0].family = family_find(td_bytes_str("inverse"));
    f->config->feed_count = 1;
    f->config->commit_interval_ns = 20 * TD_NS_PER_MS;
    redactor_init(&f->secrets);
    assert_int_equal(redactor_add(&f->secrets, SECRET, NULL), TD_OK);
    f->redactors[0] = &f->secrets;
    f->slot.conn = 1;
    open_archive(f);
    open_pipeline(f);
}

static void open_fixture(fixture *f)
{
    open_fixture_with_room(f, 0);
}

static void receive(fixture *f, frame_dir dir, td_bytes bytes)
{
    atomic_fetch_add(&f->received, 1);
    intake_frame(f->intake, &f->slot, dir, OPCODE_TEXT, bytes, clock_mono_ns(f->clock));
}

static void put_frame(fixture *f, int n)
{
    char text[256];
    int length =
        n % 50 == 7
            ? snprintf(text, sizeof text, "{\"success\":true,\"args\":[\"%s\"]}", SECRET)
            : snprintf(text, sizeof text, "{\"topic\":\"trade.BTCUSD\",\"data\":[],\"n\":%d}", n);
    receive(f, DIR_IN, td_bytes_of(text, (size_t)length));
}

static void put_frames(fixture *f)
{
    event connect = {.kind = EVENT_CONNECT, .conn = 1, .url = "wss://test/"};
    intake_opened(f->intake, &f->slot);
    intake_event(f->intake, 0, &connect);
    for (int n = 0; n < FRAME_COUNT; n++)
        put_frame(f, n);
}

/* End the threads; returns what the disk thread ended with. */
static td_result finish_pipeline(fixture *f, writer_end end)
{
    td_err err;
    intake_stop(f->intake);
    td_result encoded = encoder_join(f->encoder, &err);
    assert_int_equal(encoded, f->encoded);
    td_result rc = disk_close(f->disk, &err);
    td_result closed = archive_writer_close(f->writer, end, clock_wall_ns(clock_real()), &err);
    if (end == WRITER_STOP)
        assert_int_equal(closed, TD_OK);
    encoder_close(f->encoder);
    intake_close(f->intake);
    chunk_queue_close(f->queue);
    td_ring_close(f->ring);
    archive_close(f->into);
    return rc;
}

static void remove_catalog(const fixture *f)
{
    static const char *const TAILS[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof TAILS / sizeof TAILS[0]; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s%s", f->catalog, TAILS[i]);
        unlink(path);
    }
    rmdir(f->catalog_folder);
}

static void close_fixture(fixture *f)
{
    assert_int_equal(io_fault_open_count(f->disk_model), 0);
    io_fault_close(f->disk_model);
    redactor_fini(&f->secrets);
    config_fini(f->config);
    td_free(f->config);
    remove_catalog(f);
}

/* Read the archive back: every frame with its ordinal, no secret anywhere. */
static uint64_t read_back(fixture *f)
{
    td_err err;
    archive *from = NULL;
    tape *frames = NULL;
    tape_frame frame;
    uint64_t count = 0;
    selection everything = {0};
    tape_options reading = {.threads = 1};
    archive_options options = options_of(f);
    assert_int_equal(archive_open(&options, "tape", ARCHIVE_READ, &from, &err), TD_OK);
    assert_int_equal(tape_open(from, &everything, &reading, &frames, &err), TD_OK);
    while (tape_next(frames, &frame, &err) == TD_OK) {
        count++;
        assert_int_equal(frame.ordinal, count);
        assert_int_equal(frame.conn, 1);
        assert_null(memmem(frame.bytes.data, frame.bytes.size, SECRET, strlen(SECRET)));
        if ((count - 1) % 50 == 7)
            assert_non_null(memmem(frame.bytes.data, frame.bytes.size, "\"*************\"", 15));
    }
    tape_close(frames);
    archive_close(from);
    return count;
}

static void everything_is_written_and_announced(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    put_frames(&f);
    assert_int_equal(finish_pipeline(&f, WRITER_STOP), TD_OK);
    assert_int_equal(atomic_load(&f.durable_in), FRAME_COUNT);
    /* Nothing is in flight any more. */
    assert_int_equal(atomic_load(&f.received), f.durable.frames_in);
    assert_int_equal(f.durable.frames_dropped, 0);
    assert_int_equal(read_back(&f), FRAME_COUNT);
    close_fixture(&f);
}

/* ---- what the archive says of itself ---- */

static void on_finding(void *user, const verify_finding *finding)
{
    (void)user;
    if (finding->severity != VERIFY_SOUND)
        fail_msg("%s: %s", finding->segment, finding->what);
}

/* What the ledger says was lost, and how many clock events of either kind there are. */
typedef struct account {
    uint64_t lost, frames;
    uint64_t last_ns;
    unsigned adopted, held;
} account;

static void take_account(const tape_frame *frame, event_reader *events, account *out)
{
    event said;
    if (frame->channel->info.dir != CHANNEL_EVENT) {
        assert_true(frame->recv_ns > out->last_ns);
        out->last_ns = frame->recv_ns;
        out->frames++;
        return;
    }
    assert_int_equal(event_decode(events, frame->bytes, &said, NULL), TD_OK);
    if (said.kind == EVENT_GAP && said.gap.reason == GAP_OVERLOAD)
        out->lost += said.gap.frames_lost;
    if (said.kind == EVENT_CLOCK) {
        out->adopted += strcmp(said.state, "adopted") == 0;
        out->held += strcmp(said.state, "held") == 0;
    }
}

/* Verify the archive, and read its frames and events. */
static account verified_account(fixture *f)
{
    td_err err;
    archive *from = NULL;
    tape *frames = NULL;
    event_reader *events = NULL;
    tape_frame frame;
    account found = {0};
    verify_report report;
    event_reader *said = NULL;
    assert_int_equal(event_reader_open(&said, &err), TD_OK);
    gap_reader gaps = event_gap_reader(said);
    verify_options checking = {.threads = 1, .finding = on_finding, .gaps = &gaps};
    selection everything = {0};
    tape_options reading = {.threads = 1, .with_events = 1};
    archive_options options = options_of(f);
    assert_int_equal(archive_open(&options, "tape", ARCHIVE_READ, &from, &err), TD_OK);
    assert_int_equal(archive_verify(from, &checking, &report, &err), TD_OK);
    assert_int_equal(report.verdict, VERIFY_SOUND);
    event_reader_close(said);
    assert_int_equal(event_reader_open(&events, &err), TD_OK);
    assert_int_equal(tape_open(from, &everything, &reading, &frames, &err), TD_OK);
    while (tape_next(frames, &frame, &err) == TD_OK)
        take_account(&frame, events, &found);
    tape_close(frames);
    event_reader_close(events);
    archive_close(from);
    return found;
}

static td_result tell_nothing(void *user, const channel_info *channel, uint64_t recv_ns,
                              td_bytes json, gap_row_fn *emit, void *emit_user, td_err *err)
{
    (void)user, (void)channel, (void)recv_ns, (void)json, (void)emit, (void)emit_user, (void)err;
    return TD_OK;
}

static void on_forgotten(void *user, const verify_finding *finding)
{
    *(unsigned *)user += strstr(finding->what, "were dropped, the ledger has 0") != NULL;
}

/* Verify must find out a ledger that has forgotten what was discarded. */
static void check_forgetful_ledger(fixture *f)
{
    td_err err;
    archive *from = NULL;
    unsigned found = 0;
    verify_report report;
    gap_reader forgetful = {.read = tell_nothing};
    verify_options checking = {
        .threads = 1, .finding = on_forgotten, .user = &found, .gaps = &forgetful};
    archive_options options = options_of(f);
    assert_int_equal(archive_open(&options, "tape", ARCHIVE_READ, &from, &err), TD_OK);
    assert_int_equal(archive_verify(from, &checking, &report, &err), TD_OK);
    assert_int_equal(report.verdict, VERIFY_DAMAGED);
    assert_int_equal(found, 1);
    archive_close(from);
}

/* The disk stands still until frames are discarded, both ways; then it goes on. */
static void what_was_received_is_written_or_in_the_ledger(void **state)
{
    (void)state;
    enum { BIG_BYTES = 1 << 20, BIG_COUNT = 150, LATER = 40 };
    fixture f;
    intake_stats stats;
    char *big = td_alloc(BIG_BYTES);
    memset(big, ' ', BIG_BYTES);
    open_fixture(&f);
    f.config->overload = OVERLOAD_DROP;
    intake_opened(f.intake, &f.slot);
    io_fault_set_sync(f.disk_model, IO_FAULT_SYNC_HELD);
    for (int n = 0; n < BIG_COUNT; n++)
        receive(&f, n % 10 == 3 ? DIR_OUT : DIR_IN, td_bytes_of(big, BIG_BYTES));
    intake_get_stats(f.intake, &stats);
    assert_true(stats.frames_dropped > 0);
    io_fault_set_sync(f.disk_model, IO_FAULT_SYNC_WORKS);
    while (td_ring_used_bytes(f.ring) > 0)
        sched_yield();
    for (int n = 0; n < LATER; n++)
        put_frame(&f, n);
    intake_get_stats(f.intake, &stats);
    intake_closed(f.intake, &f.slot);
    assert_int_equal(finish_pipeline(&f, WRITER_STOP), TD_OK);
    assert_int_equal(f.durable.frames_in, BIG_COUNT + LATER);
    assert_int_equal(f.durable.frames_dropped, stats.frames_dropped);
    account found = verified_account(&f);
    assert_int_equal(found.lost, stats.frames_dropped);
    assert_int_equal(found.frames + found.lost, atomic_load(&f.received));
    check_forgetful_ledger(&f);
    td_free(big);
    close_fixture(&f);
}

/* P3: a step forward is adopted and a step back held, within a second; times rise strictly, and
 * each step is an event. */
static void times_rise_while_the_clock_steps(void **state)
{
    (void)state;
    static const int64_t STEPS_S[] = {3600, -7200, 1, -1, 86400, -86400, -3600};
    enum { STEP_COUNT = sizeof STEPS_S / sizeof STEPS_S[0], PER_STEP = 40 };
    fixture f;
    open_fixture(&f);
    /* The pipeline began with the real clock; the intake is opened anew with one that can be set.
     */
    clock_sim *sim = clock_sim_open(clock_wall_ns(clock_real()), 5 * TD_NS_PER_S);
    assert_non_null(sim);
    f.clock = clock_sim_clock(sim);
    intake_close(f.intake);
    open_intake(&f);
    intake_opened(f.intake, &f.slot);
    for (int step = 0; step < STEP_COUNT; step++) {
        clock_sim_set_wall(sim, clock_wall_ns(f.clock) + (uint64_t)STEPS_S[step] * TD_NS_PER_S);
        for (int n = 0; n < PER_STEP; n++) {
            put_frame(&f, n);
            clock_sim_advance(sim, 100 * TD_NS_PER_MS);
            intake_tick(f.intake);
        }
    }
    assert_int_equal(finish_pipeline(&f, WRITER_STOP), TD_OK);
    account found = verified_account(&f);
    assert_int_equal(found.frames, STEP_COUNT * PER_STEP);
    /* Forward beyond what is held: 3600; 86400 (from 7200 behind). Everything else is back, or
     * forward within what is held. */
    assert_int_equal(found.adopted, 2);
    assert_int_equal(found.held, 3);
    close_fixture(&f);
    clock_sim_close(sim);
}

static void nothing_is_announced_while_sync_is_held(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    io_fault_set_sync(f.disk_model, IO_FAULT_SYNC_HELD);
    put_frames(&f);
    io_fault_await_held(f.disk_model, 1);
    assert_int_equal(atomic_load(&f.durable_calls), 0);
    assert_int_equal(atomic_load(&f.durable_in), 0);
    io_fault_set_sync(f.disk_model, IO_FAULT_SYNC_WORKS);
    assert_int_equal(finish_pipeline(&f, WRITER_STOP), TD_OK);
    assert_int_equal(atomic_load(&f.durable_in), FRAME_COUNT);
    close_fixture(&f);
}

static void nothing_is_ever_announced_when_sync_fails(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    io_fault_set_sync(f.disk_model, IO_FAULT_SYNC_FAILS);
    put_frames(&f);
    assert_int_equal(finish_pipeline(&f, WRITER_ABANDON), TD_E_IO);
    assert_int_equal(atomic_load(&f.durable_calls), 0);
    assert_int_equal(atomic_load(&f.has_failed), 1);
    close_fixture(&f);
}

static void a_full_disk_ends_it_with_its_own_result(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    io_fault_set_free_bytes(f.disk_model, 100);
    put_frames(&f);
    assert_int_equal(finish_pipeline(&f, WRITER_ABANDON), TD_E_NOSPACE);
    assert_int_equal(atomic_load(&f.durable_calls), 0);
    close_fixture(&f);
}

/* Short of room everything received is still written, and it is said once. */
static void short_of_room_it_says_so_and_goes_on(void **state)
{
    (void)state;
    enum { MIN_FREE = 1 << 20 };
    fixture f;
    open_fixture_with_room(&f, MIN_FREE);
    io_fault_set_free_bytes(f.disk_model, MIN_FREE + 1);
    put_frames(&f);
    while (atomic_load(&f.low_calls) == 0)
        sched_yield();
    assert_int_equal(finish_pipeline(&f, WRITER_STOP), TD_OK);
    assert_int_equal(atomic_load(&f.low_calls), 1);
    assert_int_equal(atomic_load(&f.has_failed), 0);
    assert_int_equal(atomic_load(&f.durable_in), FRAME_COUNT);
    assert_int_equal(read_back(&f), FRAME_COUNT);
    close_fixture(&f);
}

/* Others may fill the disk while nothing is recorded. */
static void room_is_looked_at_while_nothing_comes(void **state)
{
    (void)state;
    fixture f;
    open_fixture_with_room(&f, 1000);
    io_fault_set_free_bytes(f.disk_model, 999);
    while (atomic_load(&f.low_calls) == 0)
        sched_yield();
    assert_int_equal(atomic_load(&f.durable_calls), 0);
    io_fault_set_free_bytes(f.disk_model, 1 << 20);
    assert_int_equal(finish_pipeline(&f, WRITER_STOP), TD_OK);
    assert_int_equal(atomic_load(&f.low_calls), 1);
    close_fixture(&f);
}

/* A file system that does not answer stops nothing: the writes behind the question tell. */
static void room_that_cannot_be_asked_for_stops_nothing(void **state)
{
    (void)state;
    fixture f;
    open_fixture_with_room(&f, 1000);
    io_fault_set_plan(f.disk_model, (io_fault_plan){.kind = IO_FAULT_EIO,
                                                    .mode = IO_FAULT_FOR_EVER,
                                                    .fail_at = 1,
                                                    .ops = IO_FAULT_BIT(IO_FAULT_OP_SPACE)});
    io_fault_set_free_bytes(f.disk_model, 1 << 20);
    put_frames(&f);
    assert_int_equal(finish_pipeline(&f, WRITER_STOP), TD_OK);
    assert_true(io_fault_did_fire(f.disk_model));
    assert_int_equal(atomic_load(&f.low_calls), 0);
    assert_int_equal(read_back(&f), FRAME_COUNT);
    close_fixture(&f);
}

/* The recorder must stop then: an encoder that went on taking frames would lose them unsaid. */
static void an_encoder_without_memory_says_so(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    f.encoded = TD_E_NOMEM;
    intake_opened(f.intake, &f.slot);
    alloc_fault_set(1, ALLOC_FAULT_FOR_EVER);
    put_frame(&f, 0);
    while (!atomic_load(&f.has_failed))
        sched_yield();
    assert_true(alloc_fault_did_fire());
    alloc_fault_set(0, ALLOC_FAULT_ONCE);
    put_frame(&f, 1);
    assert_int_equal(finish_pipeline(&f, WRITER_ABANDON), TD_OK);
    assert_int_equal(atomic_load(&f.durable_calls), 0);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_written_and_announced),
        cmocka_unit_test(what_was_received_is_written_or_in_the_ledger),
        cmocka_unit_test(times_rise_while_the_clock_steps),
        cmocka_unit_test(nothing_is_announced_while_sync_is_held),
        cmocka_unit_test(nothing_is_ever_announced_when_sync_fails),
        cmocka_unit_test(a_full_disk_ends_it_with_its_own_result),
        cmocka_unit_test(short_of_room_it_says_so_and_goes_on),
        cmocka_unit_test(room_is_looked_at_while_nothing_comes),
        cmocka_unit_test(room_that_cannot_be_asked_for_stops_nothing),
        cmocka_unit_test(an_encoder_without_memory_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
