#include "tests/testing/fuzz_archive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "archive/archive_recover.h"
#include "archive/ledger.h"
#include "archive/catalog.h"
#include "format/chunk_builder.h"
#include "archive/verify.h"
#include "replay/play/player.h"
#include "tape/cursor.h"
#include "tests/testing/files.h"
#include "tests/testing/channel_numbers.h"
#include "tests/testing/fuzz_input.h"

/* 2026-11-20T06:00:00Z; a frame each millisecond. */
#define START_NS UINT64_C(1795154400000000000)
#define STEP_NS  UINT64_C(1000000)

enum { CHUNKS = 3, FRAMES_PER_CHUNK = 6 };

/* ---- making an archive ---- */

typedef struct maker {
    archive_writer *writer;
    size_t feed;
    chunk_builder *builder;
    channel_numbers channels;
    sealed_chunk *chunk;
    uint64_t count; /* messages written so far */
    uint64_t ordinal;
    char session[SESSION_ID_BYTES];
} maker;

static void append(maker *m, channel_dir dir, const char *topic, const char *symbol, td_bytes bytes)
{
    const channel_info info = {.feed = "inverse",
                               .family = "inverse",
                               .dir = dir,
                               .topic = topic,
                               .exchange_topic = dir == CHANNEL_EVENT ? "" : topic,
                               .symbol = symbol,
                               .opcode = OPCODE_TEXT,
                               .message_encoding = "json"};
    feed_frame frame = {.conn = dir == CHANNEL_EVENT ? 0 : 1,
                        .ordinal = dir == CHANNEL_EVENT ? 0 : ++m->ordinal,
                        .recv_ns = START_NS + STEP_NS * m->count,
                        .publish_ns = START_NS + STEP_NS * m->count,
                        .bytes = bytes};
    channel_numbers_set(&m->channels, &info, &frame);
    fuzz_must(chunk_builder_append(m->builder, &frame, NULL), NULL);
    m->count++;
}

static void append_event(maker *m, const event *what)
{
    td_buf text;
    td_buf_init(&text, 4096);
    fuzz_must(event_encode(what, &text, NULL), NULL);
    append(m, CHANNEL_EVENT, CHANNEL_TOPIC_EVENTS, "", td_buf_view(&text));
    td_buf_fini(&text);
}

static void append_frame(maker *m)
{
    char text[160];
    int is_trade = m->count % 2 == 0;
    int length = snprintf(text, sizeof text,
                          "{\"topic\":\"%s.BTCUSD\",\"data\":[{\"n\":%llu}],\"cross_seq\":%llu}",
                          is_trade ? "trade" : "instrument_info.100ms",
                          (unsigned long long)m->count, (unsigned long long)m->count);
    append(m, CHANNEL_IN, is_trade ? "trade" : "instrument_info.100ms", "BTCUSD",
           td_bytes_of(text, (size_t)length));
}

static void write_chunks(maker *m)
{
    const event segment = {.kind = EVENT_SEGMENT, .session = m->session, .number = 1};
    const event connect = {.kind = EVENT_CONNECT, .conn = 1, .url = "wss://stream.example.test/"};
    const event gap = {.kind = EVENT_GAP,
                       .conn = 1,
                       .gap = {.reason = GAP_DISCONNECT,
                               .feed = "inverse",
                               .conn = 1,
                               .topic = "",
                               .symbol = "",
                               .from_ns = START_NS,
                               .to_ns = START_NS + STEP_NS,
                               .frames_lost = GAP_FRAMES_UNKNOWN,
                               .covered_by = "",
                               .cause = "stale",
                               .detail = ""}};
    for (int chunk = 0; chunk < CHUNKS; chunk++) {
        if (chunk == 0) {
            append_event(m, &segment);
            append_event(m, &connect);
            append_event(m, &gap);
        }
        for (int i = 0; i < FRAMES_PER_CHUNK; i++)
            append_frame(m);
        TD_ASSERT(chunk_builder_seal(m->builder, m->chunk));
        fuzz_must(archive_writer_put(m->writer, m->feed, m->chunk, NULL), NULL);
    }
}

static void write_session(fuzz_archive *self, writer_end end)
{
    maker m = {0};
    archive *into = NULL;
    fuzz_must(fuzz_archive_open(self, self->disk, ARCHIVE_APPEND, &into), NULL);
    const archive_writer_options options = {.version = "0", .start_ns = START_NS};
    (void)snprintf(m.session, sizeof m.session, "%s", archive_session(into));
    fuzz_must(archive_writer_open(into, &options, &m.writer, NULL), NULL);
    fuzz_must(archive_writer_add_feed(m.writer, "inverse", "inverse", NULL, &m.feed, NULL), NULL);
    m.builder = chunk_builder_open(NULL);
    m.chunk = sealed_chunk_open();
    write_chunks(&m);
    archive_listing listing;
    fuzz_must(archive_list(into, &listing, NULL), NULL);
    TD_ASSERT(listing.segment_count == 1);
    (void)snprintf(self->segment, sizeof self->segment, "%s/%s", FUZZ_ARCHIVE_PATH,
                   listing.segments[0].path);
    archive_listing_fini(&listing);
    if (end == WRITER_STOP)
        self->segment[strlen(self->segment) - strlen(".open")] = '\0';
    sealed_chunk_close(m.chunk);
    chunk_builder_close(m.builder);
    channel_numbers_fini(&m.channels);
    td_result rc = archive_writer_close(m.writer, end, START_NS + STEP_NS * m.count, NULL);
    TD_ASSERT(rc == TD_OK || end == WRITER_ABANDON);
    archive_close(into);
}

static const fuzz_archive *to_remove[2];

static void remove_folders(void)
{
    for (size_t i = 0; i < 2 && to_remove[i] != NULL; i++)
        temp_folder_remove(to_remove[i]->folder);
}

fuzz_archive *fuzz_archive_make(writer_end end)
{
    fuzz_archive *self = td_alloc_zero(1, sizeof *self);
    temp_folder_make(TEMP_IN_MEMORY, self->folder);
    (void)snprintf(self->catalog_path, sizeof self->catalog_path, "%s/catalog.sqlite",
                   self->folder);
    self->disk = io_fault_open();
    self->clock = clock_sim_open(START_NS, 1);
    write_session(self, end);
    TD_ASSERT(to_remove[1] == NULL);
    if (to_remove[0] == NULL)
        TD_ASSERT(atexit(remove_folders) == 0);
    to_remove[to_remove[0] != NULL] = self;
    return self;
}

/* ---- copying ---- */

io_fault *fuzz_archive_copy(const fuzz_archive *from)
{
    io_fault *copy = io_fault_kill(from->disk);
    TD_ASSERT(copy != NULL);
    fuzz_must(catalog_remove(from->catalog_path, NULL), NULL);
    return copy;
}

td_result fuzz_archive_open(const fuzz_archive *from, io_fault *disk, archive_mode mode,
                            archive **out)
{
    const archive_options options = {.io = io_fault_io(disk),
                                     .clock = clock_sim_clock(from->clock),
                                     .verb = "record",
                                     .catalog_path = from->catalog_path};
    return archive_open(&options, FUZZ_ARCHIVE_PATH, mode, out, NULL);
}

/* ---- reading ---- */

verify_severity fuzz_archive_verify(const fuzz_archive *from, io_fault *disk)
{
    archive *a = NULL;
    const verify_options options = {.time = TIME_SPAN_ALL, .threads = 1};
    verify_report report;
    fuzz_must(fuzz_archive_open(from, disk, ARCHIVE_READ, &a), NULL);
    td_result rc = archive_verify(a, &options, &report, NULL);
    archive_close(a);
    if (rc != TD_OK)
        return VERIFY_DAMAGED;
    TD_ASSERT(report.findings[report.verdict] > 0 || report.verdict == VERIFY_SOUND);
    return report.verdict;
}

static void play(const fuzz_archive *from, io_fault *disk)
{
    archive *a = NULL;
    cursor *frames = NULL;
    player *p = NULL;
    const selection everything = {0};
    const cursor_options options = {.threads = 1, .reads = TAPE_READS_MESSAGES};
    gap_list ledger = {0};
    const player_options playing = {.observer.ledger = &ledger};
    char digests[DIGEST_PARTS][TD_HASH128_HEX_BYTES];
    fuzz_must(fuzz_archive_open(from, disk, ARCHIVE_READ, &a), NULL);
    if (archive_gaps(a, &ledger, NULL) != TD_OK)
        gap_list_fini(&ledger);
    p = player_open(&playing);
    if (cursor_open(a, &everything, &options, &frames, NULL) == TD_OK) {
        td_result rc = player_play(p, frames, NULL);
        TD_ASSERT(rc == TD_OK || rc == TD_E_LIMIT || rc == TD_E_CORRUPT);
        fuzz_must(player_finish(p, NULL), NULL);
        player_digests(p, digests);
    }
    player_close(p); /* first, because it stores its streams in the tape's channels */
    cursor_close(frames);
    gap_list_fini(&ledger);
    archive_close(a);
}

static td_result recover(const fuzz_archive *from, io_fault *disk, recover_report *report)
{
    archive *a = NULL;
    td_result rc = fuzz_archive_open(from, disk, ARCHIVE_MAINTAIN, &a);
    if (rc != TD_OK)
        return rc;
    rc = archive_recover(a, NULL, NULL, report, NULL);
    archive_close(a);
    return rc;
}

void fuzz_archive_use(const fuzz_archive *from, io_fault *disk)
{
    recover_report report = {0};
    (void)fuzz_archive_verify(from, disk); /* any result will do */
    play(from, disk);
    if (recover(from, disk, &report) == TD_OK) {
        fuzz_must(recover(from, disk, &report), NULL);
        TD_ASSERT(report.segments_recovered == 0);
        TD_ASSERT(report.torn_bytes == 0);
        (void)fuzz_archive_verify(from, disk);
        play(from, disk);
    }
    TD_ASSERT(io_fault_open_count(disk) == 0);
}
