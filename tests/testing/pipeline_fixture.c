#include "tests/testing/pipeline_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tape/cursor.h"
#include "tests/testing/files.h"

/* Checks at every chunk that received = written + dropped + in flight. The test counts the frames
 * that it receives. Frames in flight are those after the chunk's last ordinals of the session's
 * first connection. A chunk that has only later connections lacks these ordinals and is not
 * checked. */
static void check_counters(pipeline *f, const sealed_chunk *chunk)
{
    const chain_totals *now = &chunk->totals;
    uint64_t written = 0;
    uint64_t counted = 0;
    int has_first = 0;
    for (uint32_t i = 0; i < chunk->conn_count; i++) {
        written += chunk->conns[i].in + chunk->conns[i].out;
        counted += chunk->conns[i].in_ordinal + chunk->conns[i].out_ordinal;
        has_first |= chunk->conns[i].conn == 1;
    }
    assert_int_equal(now->frames_in, now->frames_written + now->frames_dropped);
    assert_int_equal(now->frames_written - f->durable.frames_written, chunk->frame_count);
    assert_true(now->frames_dropped >= f->durable.frames_dropped);
    if (has_first) {
        assert_int_equal(now->frames_written, written);
        assert_int_equal(now->frames_in, counted);
    }
    /* The number of frames in flight is not negative. */
    assert_true(atomic_load(&f->received) >= now->frames_in);
    f->durable = *now;
}

static void on_durable(void *user, size_t feed_index, const sealed_chunk *chunk)
{
    pipeline *f = user;
    assert_int_equal(feed_index, 0);
    check_counters(f, chunk);
    lag_durable(f->lag);
    for (uint32_t i = 0; i < chunk->conn_count; i++)
        atomic_store(&f->durable_in, chunk->conns[i].in);
    atomic_fetch_add(&f->durable_calls, 1);
}

static void do_nothing(void *user)
{
    (void)user;
}

archive_options pipeline_archive_options(const pipeline *f)
{
    return (archive_options){.io = io_fault_io(f->disk_model),
                             .clock = clock_real(),
                             .verb = "record",
                             .catalog_path = f->catalog};
}

static void open_archive(pipeline *f)
{
    td_err err;
    size_t index;
    temp_folder_make(TEMP_IN_MEMORY, f->catalog_folder);
    snprintf(f->catalog, sizeof f->catalog, "%s/catalog.sqlite", f->catalog_folder);
    archive_options options = pipeline_archive_options(f);
    if (archive_open(&options, "tape", ARCHIVE_APPEND, &f->into, &err) != TD_OK)
        fail_msg("%s", err.text);
    archive_writer_options writing = {.version = "test",
                                      .start_ns = clock_wall_ns(clock_real()),
                                      .durable = on_durable,
                                      .user = f};
    assert_int_equal(archive_writer_open(f->into, &writing, &f->writer, &err), TD_OK);
    assert_int_equal(archive_writer_add_feed(f->writer, "inverse", "inverse", NULL, &index, &err),
                     TD_OK);
}

void pipeline_open_intake(pipeline *f)
{
    intake_options taking = {.ring = f->ring,
                             .clock = f->clock,
                             .config = f->config,
                             .pause = do_nothing,
                             .resume = do_nothing};
    f->intake = intake_open(&taking);
}

/* The encoder's clock: the machine's, except for CPU time. */
static uint64_t encoder_mono_ns(void *ctx)
{
    (void)ctx;
    return clock_mono_ns(clock_real());
}

static uint64_t encoder_thread_ns(void *ctx)
{
    pipeline *f = ctx;
    return atomic_fetch_add(&f->thread_ns, atomic_load(&f->frame_ns));
}

static const td_clock_ops ENCODER_CLOCK = {.mono_ns = encoder_mono_ns,
                                           .thread_ns = encoder_thread_ns};

static void open_threads(pipeline *f)
{
    f->lag = lag_open(clock_real(), f->config->commit_interval_ns, DISK_CHUNKS);
    disk_options writing = {.writer = f->writer,
                            .free_space = f->free_space.path == NULL ? NULL : &f->free_space,
                            .idle_check_ns = TD_NS_PER_MS};
    assert_int_equal(td_ring_open(LIMIT_RING_BYTES, &f->ring, NULL), TD_OK);
    assert_int_equal(disk_open(&writing, &f->disk, NULL), TD_OK);
    encoder_options encoding = {.ring = f->ring,
                                .disk = f->disk,
                                .lag = f->lag,
                                .config = f->config,
                                .session = archive_session(f->into),
                                .clock = {.ops = &ENCODER_CLOCK, .ctx = f}};
    assert_int_equal(encoder_open(&encoding, &f->encoder, NULL), TD_OK);
    pipeline_open_intake(f);
}

/* min_free_bytes: space that the disk thread leaves free; 0: no check. */
void pipeline_open_with_free_space(pipeline *f, uint64_t min_free_bytes)
{
    memset(f, 0, sizeof *f);
    f->disk_model = io_fault_open();
    f->clock = clock_real();
    if (min_free_bytes > 0)
        f->free_space = (free_space){
            .io = io_fault_io(f->disk_model), .path = "tape", .min_bytes = min_free_bytes};
    f->config = td_alloc(sizeof *f->config);
    pipeline_config_init(f->config);
    f->config->feeds[0].name = "inverse";
    f->config->feeds[0].family = family_find(td_bytes_str("inverse"));
    f->config->feed_count = 1;
    f->config->commit_interval_ns = 20 * TD_NS_PER_MS;
    redactor_init(&f->secrets);
    assert_int_equal(redactor_add(&f->secrets, PIPELINE_SECRET, NULL), TD_OK);
    f->config->feeds[0].redactor = &f->secrets;
    f->slot.conn = 1;
    open_archive(f);
    open_threads(f);
}

void pipeline_open(pipeline *f)
{
    pipeline_open_with_free_space(f, 0);
}

void pipeline_receive(pipeline *f, channel_dir dir, td_bytes bytes)
{
    atomic_fetch_add(&f->received, 1);
    const ws_message frame = {
        .opcode = OPCODE_TEXT, .bytes = bytes, .mono_ns = clock_mono_ns(f->clock)};
    intake_frame(f->intake, &f->slot, dir, &frame);
}

void pipeline_put_frame(pipeline *f, int n)
{
    char text[256];
    int length =
        n % 50 == 7
            ? snprintf(text, sizeof text, "{\"success\":true,\"args\":[\"%s\"]}", PIPELINE_SECRET)
            : snprintf(text, sizeof text, "{\"topic\":\"trade.BTCUSD\",\"data\":[],\"n\":%d}", n);
    pipeline_receive(f, CHANNEL_IN, td_bytes_of(text, (size_t)length));
}

void pipeline_put_frames(pipeline *f)
{
    event connect = {.kind = EVENT_CONNECT, .conn = 1, .url = "wss://test/"};
    intake_opened(f->intake, &f->slot);
    intake_event(f->intake, 0, &connect);
    for (int n = 0; n < PIPELINE_FRAMES; n++)
        pipeline_put_frame(f, n);
}

/* End the threads; returns the disk thread's result. */
td_result pipeline_finish(pipeline *f, writer_end end)
{
    td_err err;
    intake_stop(f->intake);
    td_result encoded = encoder_join(f->encoder, &err);
    assert_int_equal(encoded, f->encoded);
    td_result rc = disk_close(f->disk, &f->end_reason, &err);
    f->has_failed = encoded != TD_OK || rc != TD_OK;
    td_result closed = archive_writer_close(f->writer, end, clock_wall_ns(clock_real()), &err);
    if (end == WRITER_STOP)
        assert_int_equal(closed, TD_OK);
    encoder_close(f->encoder);
    intake_close(f->intake);
    td_ring_close(f->ring);
    archive_close(f->into);
    lag_close(f->lag);
    f->lag = NULL;
    return rc;
}

void pipeline_close(pipeline *f)
{
    assert_int_equal(io_fault_open_count(f->disk_model), 0);
    io_fault_close(f->disk_model);
    redactor_fini(&f->secrets);
    td_free(f->config);
    temp_folder_remove(f->catalog_folder);
}

/* Read the archive back: checks each frame's ordinal, and that no secret is stored. */
uint64_t pipeline_read_back(pipeline *f)
{
    td_err err;
    archive *from = NULL;
    cursor *frames = NULL;
    const frame_ref *frame;
    uint64_t count = 0;
    selection everything = {0};
    cursor_options reading = {.threads = 1};
    archive_options options = pipeline_archive_options(f);
    assert_int_equal(archive_open(&options, "tape", ARCHIVE_READ, &from, &err), TD_OK);
    assert_int_equal(cursor_open(from, &everything, &reading, &frames, &err), TD_OK);
    while (cursor_next(frames, &frame, &err) == TD_OK) {
        count++;
        assert_int_equal(frame->ordinal, count);
        assert_int_equal(frame->conn->number, 1);
        assert_null(
            memmem(frame->bytes.data, frame->bytes.size, PIPELINE_SECRET, strlen(PIPELINE_SECRET)));
        if ((count - 1) % 50 == 7)
            assert_non_null(memmem(frame->bytes.data, frame->bytes.size, "\"*************\"", 15));
    }
    cursor_close(frames);
    archive_close(from);
    return count;
}
