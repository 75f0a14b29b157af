#include "tests/testing/fault_recording.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/random.h"
#include "archive/archive_recover.h"
#include "archive/archive_writer.h"
#include "recorder/pipeline/disk.h"
#include "recorder/pipeline/encoder.h"
#include "recorder/pipeline/intake.h"
#include "tests/testing/files.h"

/* 2026-11-20T06:00:00Z */
#define START_NS UINT64_C(1795154400000000000)
#define STEP_NS  TD_NS_PER_MS

enum { NOISE_BYTES_MAX = 400, FRAME_BYTES_MAX = 600 };

static const char *const FEED_NAMES[FAULT_FEEDS] = {"inverse", "linear", "v5"};
static const char *const FEED_FAMILIES[FAULT_FEEDS] = {"inverse", "linear", "v5-linear"};
static const char *const TOPICS[FAULT_FEEDS] = {"trade.BTCUSD", "trade.BTCUSDT",
                                                "publicTrade.BTCUSDT"};

/* ---- frames ---- */

/* Makes space for one more row. Running out of memory is not handled. */
static void *grow(void *rows, size_t count, size_t *capacity, size_t row_bytes)
{
    if (count < *capacity)
        return rows;
    *capacity = *capacity == 0 ? 64 : *capacity * 2;
    void *grown = td_realloc(rows, *capacity, row_bytes);
    return grown;
}

/* Makes the text of a feed's frame n. Lengths differ, and half of each text is incompressible, so
 * that chunks end at various offsets within a sector. */
static size_t make_text(size_t feed, uint64_t n, char out[FRAME_BYTES_MAX])
{
    td_random random;
    td_random_init(&random, n * FAULT_FEEDS + feed + 1);
    int length = snprintf(out, FRAME_BYTES_MAX, "{\"topic\":\"%s\",\"n\":%" PRIu64 ",\"data\":\"",
                          TOPICS[feed], n);
    size_t at = (size_t)length;
    uint64_t noise = td_random_below(&random, NOISE_BYTES_MAX);
    for (uint64_t i = 0; i < noise; i++)
        out[at++] = (char)('a' + td_random_below(&random, 26));
    memcpy(out + at, "\"}", 3);
    TD_ASSERT(at + 2 < FRAME_BYTES_MAX);
    return at + 2;
}

static void keep_frame(fault_feed *feed, const intake_slot *slot, channel_dir dir, uint64_t recv_ns,
                       td_bytes text)
{
    size_t capacity = (size_t)feed->capacity;
    feed->frames = grow(feed->frames, (size_t)feed->count, &capacity, sizeof *feed->frames);
    feed->capacity = capacity;
    fault_frame *frame = &feed->frames[feed->count++];
    *frame = (fault_frame){.recv_ns = recv_ns,
                           .ordinal = dir == CHANNEL_IN ? slot->in : slot->out,
                           .conn = slot->conn,
                           .dir = dir,
                           .text = td_strndup((const char *)text.data, text.size),
                           .size = text.size};
    TD_ASSERT(frame->text != NULL);
}

/* ---- the session ---- */

typedef struct session {
    fault_recording *recording;
    pipeline_config *config;
    archive *into;
    archive_writer *writer;
    td_ring *ring;
    encoder *encoder;
    disk *disk;
    intake *intake;
    intake_slot slots[FAULT_FEEDS];
    uint64_t fed; /* frames in this session */
    atomic_ullong durable[FAULT_FEEDS];
} session;

static void on_durable(void *user, size_t feed_index, const sealed_chunk *chunk)
{
    session *s = user;
    fault_recording *r = s->recording;
    r->durable = grow(r->durable, r->durable_count, &r->durable_capacity, sizeof r->durable[0]);
    r->durable[r->durable_count++] =
        (fault_durable){.change_count = io_fault_log_count(r->disk),
                        .frames = r->feeds[feed_index].base + chunk->totals.frames_written,
                        .feed = feed_index};
    atomic_store(&s->durable[feed_index], chunk->totals.frames_written);
}

static void do_nothing(void *user)
{
    (void)user;
}

/* Stores how many frames have been fed before the next change. Called several times between two
 * changes; the last value counts, because the number only grows. */
static void on_call(void *user, io_fault_op op, uint64_t change_count)
{
    fault_recording *r = user;
    while (r->fed_count <= change_count) {
        r->fed = grow(r->fed, r->fed_count, &r->fed_capacity, sizeof r->fed[0]);
        r->fed_count++;
        for (size_t i = 0; i < FAULT_FEEDS; i++)
            r->fed[r->fed_count - 1].frames[i] = atomic_load(&r->feeds[i].fed);
    }
    for (size_t i = 0; i < FAULT_FEEDS; i++)
        r->fed[change_count].frames[i] = atomic_load(&r->feeds[i].fed);
    if (r->observer != NULL)
        r->observer(r->observer_user, op, change_count);
}

static void configure(session *s)
{
    s->config = td_alloc(sizeof *s->config);
    pipeline_config_init(s->config);
    s->config->feed_count = FAULT_FEEDS;
    s->config->commit_interval_ns = 20 * TD_NS_PER_MS;
    for (size_t i = 0; i < FAULT_FEEDS; i++) {
        s->config->feeds[i].name = FEED_NAMES[i];
        s->config->feeds[i].family = family_find(td_bytes_str(FEED_FAMILIES[i]));
        TD_ASSERT(s->config->feeds[i].family != NULL);
        s->slots[i].feed_index = (uint16_t)i;
    }
}

/* Opens the archive as the recorder does: recovers it after a crash, then begins a session. */
static td_result open_archive(session *s, td_err *err)
{
    fault_recording *r = s->recording;
    recover_report report;
    td_result rc =
        fault_archive_open(r, r->disk, r->catalog, ARCHIVE_APPEND, "record", &s->into, err);
    if (rc == TD_OK)
        rc = archive_recover(s->into, NULL, NULL, &report, err);
    archive_writer_options options = {.version = "test",
                                      .start_ns = clock_wall_ns(clock_sim_clock(r->clock)),
                                      .durable = on_durable,
                                      .user = s};
    if (rc == TD_OK)
        rc = archive_writer_open(s->into, &options, &s->writer, err);
    for (size_t i = 0; i < FAULT_FEEDS && rc == TD_OK; i++) {
        size_t index;
        rc = archive_writer_add_feed(s->writer, FEED_NAMES[i], FEED_FAMILIES[i], NULL, &index, err);
        TD_ASSERT(rc != TD_OK || index == i);
    }
    return rc;
}

static td_result open_pipeline(session *s, td_err *err)
{
    td_clock clock = clock_sim_clock(s->recording->clock);
    td_result rc = td_ring_open(LIMIT_RING_BYTES, &s->ring, err);
    const disk_options writing = {.idle_check_ns = TD_NS_PER_S, .writer = s->writer};
    if (rc == TD_OK)
        rc = disk_open(&writing, &s->disk, err);
    const encoder_options encoding = {.ring = s->ring,
                                      .disk = s->disk,
                                      .config = s->config,
                                      .session = archive_session(s->into),
                                      .clock = clock};
    if (rc == TD_OK)
        rc = encoder_open(&encoding, &s->encoder, err);
    const intake_options taking = {.ring = s->ring,
                                   .clock = clock,
                                   .config = s->config,
                                   .pause = do_nothing,
                                   .resume = do_nothing};
    if (rc == TD_OK)
        s->intake = intake_open(&taking);
    return rc;
}

/* A gap between two connections, with both ends known. */
static void print_gap(session *s, size_t feed)
{
    const fault_feed *from = &s->recording->feeds[feed];
    uint64_t from_ns = from->frames[from->count - 1].recv_ns;
    const uint32_t conn = s->slots[feed].conn;
    const event lost = {.kind = EVENT_GAP,
                        .conn = conn,
                        .gap = {.reason = GAP_DISCONNECT,
                                .feed = from->name,
                                .conn = conn,
                                .topic = "",
                                .symbol = "",
                                .from_ns = from_ns,
                                .to_ns = from_ns + 1,
                                .frames_lost = GAP_FRAMES_UNKNOWN,
                                .covered_by = "",
                                .cause = "closed_by_peer",
                                .detail = ""}};
    (void)intake_event(s->intake, (uint16_t)feed, &lost);
}

static void connect_slot(session *s, size_t feed)
{
    intake_slot *slot = &s->slots[feed];
    if (slot->conn > 0) {
        intake_closed(s->intake, slot);
        print_gap(s, feed);
    }
    slot->conn++;
    slot->in = slot->out = 0;
    const event connect = {.kind = EVENT_CONNECT, .conn = slot->conn, .url = "wss://test/"};
    intake_opened(s->intake, slot);
    (void)intake_event(s->intake, (uint16_t)feed, &connect);
}

/* Adds a frame. One frame in ten is a sent one. */
static void add_feed_frame(session *s, size_t feed)
{
    fault_feed *to = &s->recording->feeds[feed];
    char text[FRAME_BYTES_MAX];
    size_t size = make_text(feed, to->count, text);
    td_bytes bytes = td_bytes_of(text, size);
    channel_dir dir = to->count % 10 == 0 ? CHANNEL_OUT : CHANNEL_IN;
    clock_sim_advance(s->recording->clock, STEP_NS);
    const ws_message frame = {.opcode = OPCODE_TEXT,
                              .bytes = bytes,
                              .mono_ns = clock_mono_ns(clock_sim_clock(s->recording->clock))};
    uint64_t recv_ns = intake_frame(s->intake, &s->slots[feed], dir, &frame);
    keep_frame(to, &s->slots[feed], dir, recv_ns, bytes);
    atomic_store(&to->fed, to->count);
    s->fed++;
}

static uint64_t encoded_count(const session *s)
{
    encoder_stats stats;
    encoder_get_stats(s->encoder, &stats);
    return stats.frames;
}

static uint64_t durable_count(const session *s)
{
    uint64_t count = 0;
    for (size_t i = 0; i < FAULT_FEEDS; i++)
        count += atomic_load(&s->durable[i]);
    return count;
}

/* Waits until `count` has reached the number of fed frames, or the recorder has failed. */
static void await(session *s, uint64_t (*count)(const session *))
{
    while (count(s) < s->fed && !disk_has_failed(s->disk)) {
        td_ring_wake(s->ring);
        (void)poll(NULL, 0, 1);
    }
}

/* Records one chunk per feed: the encoder gets the frames, time passes, it seals the chunks, and
 * the disk thread writes them. */
static void feed_round(session *s, const fault_size *size)
{
    for (unsigned n = 0; n < size->frames_per_round; n++) {
        for (size_t feed = 0; feed < FAULT_FEEDS; feed++)
            add_feed_frame(s, feed);
    }
    await(s, encoded_count);
    clock_sim_advance(s->recording->clock, s->config->commit_interval_ns);
    await(s, durable_count);
}

static void feed_all(session *s, const fault_size *size)
{
    for (size_t i = 0; i < FAULT_FEEDS; i++)
        connect_slot(s, i);
    for (unsigned round = 0; round < size->rounds && !disk_has_failed(s->disk); round++) {
        if (round > 0 && round % size->rounds_per_hour == 0)
            clock_sim_advance(s->recording->clock, 3600 * TD_NS_PER_S);
        if (round == size->rounds / 2)
            connect_slot(s, 0);
        feed_round(s, size);
    }
    intake_stop(s->intake);
}

static void keep_first(fault_end *end, td_result rc, const td_err *err)
{
    if (rc == TD_OK || end->result != TD_OK)
        return;
    end->result = rc;
    end->err = *err;
}

static void close_session(session *s, fault_end *end)
{
    td_err err;
    td_err_clear(&err);
    if (s->encoder != NULL)
        keep_first(end, encoder_join(s->encoder, &err), &err);
    td_err ignored;
    keep_first(end, disk_close(s->disk, &ignored, &err), &err);
    writer_end how = end->result == TD_OK ? WRITER_STOP : WRITER_ABANDON;
    uint64_t now_ns = clock_wall_ns(clock_sim_clock(s->recording->clock));
    keep_first(end, archive_writer_close(s->writer, how, now_ns, &err), &err);
    encoder_close(s->encoder);
    intake_close(s->intake);
    td_ring_close(s->ring);
    archive_close(s->into);
    td_free(s->config);
}

void fault_recording_run(fault_recording *r, const fault_size *size, fault_end *end)
{
    session s = {.recording = r};
    *end = (fault_end){.result = TD_OK};
    td_err_clear(&end->err);
    for (size_t i = 0; i < FAULT_FEEDS; i++)
        r->feeds[i].base = r->feeds[i].count;
    io_fault_observe(r->disk, on_call, r);
    td_err err;
    td_err_clear(&err);
    configure(&s);
    td_result rc = open_archive(&s, &err);
    if (rc == TD_OK)
        rc = open_pipeline(&s, &err);
    if (rc == TD_OK)
        feed_all(&s, size);
    keep_first(end, rc, &err);
    close_session(&s, end);
    io_fault_observe(r->disk, NULL, NULL);
    end->announced = durable_count(&s);
}

/* ---- the truth ---- */

uint64_t fault_durable_at(const fault_recording *r, size_t feed, uint64_t change_count)
{
    uint64_t frames = 0;
    for (size_t i = 0; i < r->durable_count; i++) {
        if (r->durable[i].feed == feed && r->durable[i].change_count <= change_count)
            frames = r->durable[i].frames;
    }
    return frames;
}

uint64_t fault_fed_at(const fault_recording *r, size_t feed, uint64_t change_count)
{
    return change_count < r->fed_count ? r->fed[change_count].frames[feed] : r->feeds[feed].count;
}

/* ---- places ---- */

td_result fault_archive_open(const fault_recording *r, io_fault *on, const char *catalog,
                             archive_mode mode, const char *verb, archive **out, td_err *err)
{
    const archive_options options = {.io = io_fault_io(on),
                                     .clock = clock_sim_clock(r->clock),
                                     .verb = verb,
                                     .catalog_path = catalog};
    return archive_open(&options, FAULT_ARCHIVE, mode, out, err);
}

int fault_recording_init(fault_recording *r)
{
    *r = (fault_recording){.clock = clock_sim_open(START_NS, 1)};
    if (r->clock == NULL)
        return 0;
    temp_folder_make(TEMP_IN_MEMORY, r->folder);
    (void)snprintf(r->catalog, sizeof r->catalog, "%s/catalog.sqlite", r->folder);
    for (size_t i = 0; i < FAULT_FEEDS; i++)
        r->feeds[i].name = FEED_NAMES[i];
    return 1;
}

void fault_recording_fini(fault_recording *r)
{
    for (size_t i = 0; i < FAULT_FEEDS; i++) {
        for (uint64_t n = 0; n < r->feeds[i].count; n++)
            td_free(r->feeds[i].frames[n].text);
        td_free(r->feeds[i].frames);
    }
    td_free(r->durable);
    td_free(r->fed);
    clock_sim_close(r->clock);
    if (r->folder[0] != '\0')
        temp_folder_remove(r->folder);
}
