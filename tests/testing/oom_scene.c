#include "tests/testing/oom_scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "archive/archive_recover.h"
#include "archive/catalog.h"
#include "archive/verify.h"
#include "recorder/disk.h"
#include "recorder/encoder.h"
#include "recorder/intake.h"
#include "tape/tape.h"
#include "tests/testing/files.h"
#include "tests/testing/capture.h"

/* ---- places ---- */

oom_place *oom_place_empty(void)
{
    oom_place *made = td_alloc_zero(1, sizeof *made);
    assert_non_null(made);
    archive_place_init_sim(&made->place);
    return made;
}

oom_place *oom_place_copy(const oom_place *from)
{
    oom_place *made = oom_place_empty();
    archive_place_swap_disk(&made->place, io_fault_kill(from->place.disk));
    if (access(from->place.catalog_path, R_OK) == 0)
        file_copy(from->place.catalog_path, made->place.catalog_path);
    return made;
}

void oom_place_free(void *place)
{
    oom_place *self = place;
    assert_int_equal(io_fault_open_count(self->place.disk), 0);
    archive_place_fini(&self->place);
    td_free(self);
}

td_result oom_place_open(oom_place *self, archive_mode mode, const char *verb, archive **out,
                         td_err *err)
{
    return archive_place_try_open(&self->place, mode, verb, out, err);
}

/* ---- the recorder's threads ---- */

typedef struct pipeline {
    oom_place *place;
    recorder_config *config;
    redactor *redactors[1];
    archive *into;
    archive_writer *writer;
    td_ring *ring;
    chunk_queue *queue;
    disk *disk;
    encoder *encoder;
    intake *intake;
} pipeline;

static void on_durable(void *user, size_t feed_index, const sealed_chunk *chunk)
{
    (void)feed_index;
    for (uint32_t i = 0; i < chunk->conn_count; i++)
        atomic_store(&((oom_place *)user)->durable, chunk->conns[i].in);
}

static void do_nothing(void *user)
{
    (void)user;
}

static td_result open_archive(pipeline *p, td_err *err)
{
    size_t index;
    td_result rc = oom_place_open(p->place, ARCHIVE_APPEND, "record", &p->into, err);
    if (rc != TD_OK)
        return rc;
    const archive_writer_options writing = {.version = "test",
                                            .start_ns = clock_wall_ns(archive_clock(p->into)),
                                            .durable = on_durable,
                                            .user = p->place};
    rc = archive_writer_open(p->into, &writing, &p->writer, err);
    return rc == TD_OK ? archive_writer_add_feed(p->writer, "inverse", "inverse", &index, err) : rc;
}

static td_result open_threads(pipeline *p, td_err *err)
{
    td_result rc = td_ring_open(LIMIT_RING_BYTES, &p->ring, err);
    if (rc == TD_OK)
        rc = chunk_queue_open(2, &p->queue, err);
    const disk_options writing = {.idle_check_ns = TD_NS_PER_S,
                                  .queue = p->queue,
                                  .writer = p->writer,
                                  .failed = do_nothing,
                                  .user = p};
    if (rc == TD_OK)
        rc = disk_open(&writing, &p->disk, err);
    const intake_options taking = {.ring = p->ring,
                                   .clock = clock_sim_clock(p->place->place.clock),
                                   .config = p->config,
                                   .pause = do_nothing,
                                   .resume = do_nothing};
    if (rc == TD_OK)
        rc = intake_open(&taking, &p->intake, err);
    const encoder_options encoding = {.ring = p->ring,
                                      .queue = p->queue,
                                      .config = p->config,
                                      .redactors = p->redactors,
                                      .session = p->into == NULL ? "" : archive_session(p->into),
                                      .clock = clock_sim_clock(p->place->place.clock),
                                      .failed = do_nothing,
                                      .user = p};
    return rc == TD_OK ? encoder_open(&encoding, &p->encoder, err) : rc;
}

/* A frame of a book, trades, an instrument, or of nothing that is known. */
static int write_frame(char *text, size_t bytes, int n)
{
    static const char LEVEL[] = "{\"price\":\"%d.50\",\"symbol\":\"BTCUSD\",\"id\":%d5000,"
                                "\"side\":\"%s\",\"size\":%d}";
    char bid[128];
    char ask[128];
    (void)snprintf(bid, sizeof bid, LEVEL, 100, 100, "Buy", 5 + n);
    (void)snprintf(ask, sizeof ask, LEVEL, 200 + n, 200 + n, "Sell", 7);
    if (n == 0)
        return snprintf(text, bytes,
                        "{\"topic\":\"orderBookL2_25.BTCUSD\",\"type\":\"snapshot\",\"data\":[%s,"
                        "%s],\"cross_seq\":1,\"timestamp_e6\":1795154400000000}",
                        bid, ask);
    if (n % 3 == 0)
        return snprintf(text, bytes,
                        "{\"topic\":\"orderBookL2_25.BTCUSD\",\"type\":\"delta\",\"data\":{"
                        "\"delete\":[],\"update\":[%s],\"insert\":[%s],\"transactTimeE6\":0},"
                        "\"cross_seq\":%d,\"timestamp_e6\":179515440000%04d}",
                        bid, ask, n + 1, n);
    if (n % 3 == 1)
        return snprintf(text, bytes,
                        "{\"topic\":\"trade.BTCUSD\",\"data\":[{\"trade_time_ms\":1795154400%03d,"
                        "\"timestamp\":\"2026-11-20T06:00:00.000Z\",\"symbol\":\"BTCUSD\","
                        "\"side\":\"Buy\",\"size\":%d,\"price\":100.5,\"tick_direction\":"
                        "\"ZeroPlusTick\",\"trade_id\":\"t%d\",\"cross_seq\":%d}]}",
                        n, n, n, n + 1);
    return snprintf(text, bytes, "{\"topic\":\"%s.BTCUSD\",\"data\":[],\"n\":%d}",
                    n % 2 == 0 ? "insurance" : "nobody.knows", n);
}

static void feed_frames(pipeline *p)
{
    char text[1024];
    intake_slot slot = {.conn = 1};
    const event connect = {.kind = EVENT_CONNECT, .conn = 1, .url = "wss://test/"};
    intake_opened(p->intake, &slot);
    intake_event(p->intake, 0, &connect);
    for (int n = 0; n < OOM_FRAMES; n++) {
        int length = write_frame(text, sizeof text, n);
        assert_in_range(length, 1, sizeof text - 1);
        clock_sim_advance(p->place->place.clock, TD_NS_PER_MS);
        intake_frame(p->intake, &slot, DIR_IN, OPCODE_TEXT, td_bytes_of(text, (size_t)length),
                     clock_mono_ns(clock_sim_clock(p->place->place.clock)));
    }
    intake_stop(p->intake);
}

static td_result first_of(td_result a, td_result b)
{
    return a != TD_OK ? a : b;
}

static td_result close_all(pipeline *p, td_result rc, writer_end end, td_err *err)
{
    td_err later; /* the first failure is reported */
    td_err_clear(&later);
    if (p->encoder != NULL)
        rc = first_of(rc, encoder_join(p->encoder, rc == TD_OK ? err : &later));
    else if (p->queue != NULL)
        chunk_queue_push(p->queue, NULL);
    if (p->disk != NULL)
        rc = first_of(rc, disk_close(p->disk, rc == TD_OK ? err : &later));
    td_result closed = archive_writer_close(p->writer, rc == TD_OK ? end : WRITER_ABANDON,
                                            clock_wall_ns(clock_sim_clock(p->place->place.clock)),
                                            rc == TD_OK ? err : &later);
    rc = first_of(rc, closed);
    encoder_close(p->encoder);
    intake_close(p->intake);
    chunk_queue_close(p->queue);
    td_ring_close(p->ring);
    archive_close(p->into);
    return rc;
}

td_result oom_record(oom_place *place, writer_end end, td_err *err)
{
    static recorder_config config; /* large; names a feed and nothing that is allocated */
    pipeline p = {.place = place, .config = &config};
    config_init(&config);
    config_feed_init(&config.feeds[0]);
    config.feeds[0].name = "inverse";
    config.feeds[0].family = family_find(td_bytes_str("inverse"));
    config.feed_count = 1;
    td_result rc = open_archive(&p, err);
    if (rc == TD_OK)
        rc = open_threads(&p, err);
    if (rc == TD_OK)
        feed_frames(&p);
    return close_all(&p, rc, end, err);
}

/* ---- looking at what is left ---- */

static void verify(oom_place *self)
{
    archive *a = NULL;
    td_err err;
    verify_report report;
    const verify_options options = {.threads = 1};
    assert_int_equal(oom_place_open(self, ARCHIVE_READ, NULL, &a, &err), TD_OK);
    assert_int_equal(archive_verify(a, &options, &report, &err), TD_OK);
    assert_int_equal(report.verdict, VERIFY_SOUND);
    archive_close(a);
}

static uint64_t count_frames(oom_place *self)
{
    archive *a = NULL;
    tape *frames = NULL;
    tape_frame frame;
    td_err err;
    uint64_t count = 0;
    const selection everything = {0};
    const tape_options options = {.threads = 1};
    assert_int_equal(oom_place_open(self, ARCHIVE_READ, NULL, &a, &err), TD_OK);
    assert_int_equal(tape_open(a, &everything, &options, &frames, &err), TD_OK);
    while (tape_next(frames, &frame, &err) == TD_OK)
        assert_int_equal(frame.ordinal, ++count);
    tape_close(frames);
    archive_close(a);
    return count;
}

uint64_t oom_recover_and_count(oom_place *self)
{
    archive *a = NULL;
    td_err err;
    recover_report report;
    assert_int_equal(oom_place_open(self, ARCHIVE_MAINTAIN, "recover", &a, &err), TD_OK);
    if (archive_recover(a, NULL, NULL, NULL, &report, &err) != TD_OK)
        fail_msg("%s", err.text);
    archive_close(a);
    assert_int_equal(report.is_lossy, 0);
    assert_int_equal(report.segments_failed, 0);
    verify(self);
    return count_frames(self);
}
