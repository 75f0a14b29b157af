/* Makes an archive of one feed's day: evenly spaced frames of the simulated exchange from midnight
 * to midnight, for N symbols, in chunks and with checkpoints as import writes them. One connection
 * is open all day.
 *
 *   bench_day FOLDER --frames N --symbols N      prints {"frames","bytes","from_ns","symbol"} */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/io_posix.h"
#include "archive/archive_writer.h"
#include "recorder/capture/feed_writer.h"
#include "recorder/pipeline/live_check.h"
#include "schema/decode.h"
#include "sim/catalog.h"
#include "sim/sim_family.h"

#define DAY_NS          (UINT64_C(86400) * TD_NS_PER_S)
#define BEGIN_NS        (UINT64_C(20636) * DAY_NS) /* 2026-07-02 */
#define CHUNK_NS        (UINT64_C(60) * TD_NS_PER_S)
#define STREAMS_A_FRAME 1000 /* simulated events per frame, at most */

static const char FAMILY[] = "v5-linear";
static const char *const TOPICS[] = {"orderbook.50", "publicTrade", "tickers", "kline.1"};

typedef struct day {
    archive *into;
    archive_writer *writer;
    feed_writer *feed;
    live_check *check;
    sealed_chunk *sealed;
    sim_family *market;
    pipeline_config config;
    uint64_t recv_ns;
    uint64_t ordinal;
    uint64_t bytes;
    uint8_t *padded;
} day;

static void must(td_result rc, const td_err *err)
{
    if (rc == TD_OK)
        return;
    fprintf(stderr, "bench_day: %s\n", err->text);
    exit(4);
}

static td_result seal(void *user, td_err *err)
{
    day *d = user;
    live_check_write_checkpoint(d->check, 0, d->feed);
    if (!feed_writer_seal(d->feed, CHUNK_LEVEL_DEFAULT, d->sealed))
        return TD_OK;
    return archive_writer_put(d->writer, 0, d->sealed, err);
}

static void open_archive(day *d, const char *folder)
{
    td_err err;
    size_t index;
    const archive_options options = {.io = io_posix(), .clock = clock_real(), .verb = "record"};
    const archive_writer_options writing = {.version = "bench", .start_ns = BEGIN_NS};
    must(archive_open(&options, folder, ARCHIVE_APPEND, &d->into, &err), &err);
    must(archive_writer_open(d->into, &writing, &d->writer, &err), &err);
    must(archive_writer_add_feed(d->writer, FAMILY, FAMILY, NULL, &index, &err), &err);
    const family *of = family_find(td_bytes_str(FAMILY));
    const feed_writer_options feed = {.name = FAMILY,
                                      .family = of,
                                      .session = archive_session(d->into),
                                      .interval_ns = CHUNK_NS,
                                      .full = seal,
                                      .user = d};
    d->feed = feed_writer_open(&feed);
    d->sealed = sealed_chunk_open();
    d->config = (pipeline_config){.feeds = {{.name = FAMILY, .family = of}}, .feed_count = 1};
    const live_check_options checking = {
        .config = &d->config, .session = archive_session(d->into), .is_recorder = 1};
    must(live_check_open(&checking, &d->check, &err), &err);
}

static int is_wanted(const day *d, uint32_t stream)
{
    const char *topic = sim_family_stream_at(d->market, stream).topic;
    for (size_t i = 0; i < sizeof TOPICS / sizeof TOPICS[0]; i++)
        if (strcmp(topic, TOPICS[i]) == 0)
            return 1;
    return 0;
}

static void open_market(day *d, uint32_t symbols)
{
    const sim_family_options options = {
        .row = catalog_find(FAMILY), .symbol_count = symbols, .seed = 7, .start_ns = BEGIN_NS};
    d->market = sim_family_open(&options);
    d->padded = td_alloc(SIM_FRAME_BYTES_MAX + DECODE_PADDING_BYTES);
    for (uint32_t i = 0; i < sim_family_stream_count(d->market); i++)
        if (is_wanted(d, i))
            sim_family_subscribe(d->market, i);
}

static void write_frame(day *d, uint64_t recv_ns, td_bytes bytes)
{
    td_err err;
    feed_written written;
    memcpy(d->padded, bytes.data, bytes.size);
    memset(d->padded + bytes.size, 0, DECODE_PADDING_BYTES);
    d->recv_ns = recv_ns > d->recv_ns ? recv_ns : d->recv_ns + 1;
    feed_frame frame = {.conn = 1,
                        .dir = CHANNEL_IN,
                        .opcode = OPCODE_TEXT,
                        .ordinal = ++d->ordinal,
                        .recv_ns = d->recv_ns,
                        .bytes = td_bytes_of(d->padded, bytes.size)};
    must(feed_writer_frame(d->feed, &frame, &written, &err), &err);
    live_check_put(d->check, 0, &frame, &written);
    d->bytes += bytes.size;
}

/* Begin the connection, with the first frame of each topic and symbol. */
static void connect(day *d)
{
    td_err err;
    const event began = {.kind = EVENT_CONNECT, .conn = 1, .url = "wss://sim/v5/public/linear"};
    const event_slot at = {.conn = 1, .since_ns = BEGIN_NS};
    must(feed_writer_event(d->feed, BEGIN_NS, &began, &err), &err);
    must(feed_writer_ordinals(d->feed, &at, &err), &err);
    for (uint32_t i = 0; i < sim_family_stream_count(d->market); i++) {
        sim_frame frame;
        if (is_wanted(d, i) && sim_family_snapshot(d->market, i, &frame))
            write_frame(d, BEGIN_NS, frame.bytes);
    }
}

static void play(day *d, uint64_t frames)
{
    const uint64_t step_ns = DAY_NS / frames;
    uint64_t made_ns = BEGIN_NS;
    connect(d);
    for (uint64_t i = d->ordinal; i < frames; i++) {
        sim_frame frame;
        uint64_t ts_ns = BEGIN_NS + i * step_ns;
        made_ns = ts_ns > made_ns ? ts_ns : made_ns + TD_NS_PER_MS / 100;
        for (int tries = 0; !sim_family_next(d->market, made_ns, &frame); tries++) {
            made_ns += TD_NS_PER_MS / 100;
            if (tries == STREAMS_A_FRAME)
                exit(4);
        }
        write_frame(d, made_ns, frame.bytes);
    }
}

static void close_day(day *d)
{
    td_err err;
    must(seal(d, &err), &err);
    must(archive_writer_close(d->writer, WRITER_STOP, d->recv_ns, &err), &err);
    archive_close(d->into);
    feed_writer_close(d->feed);
    live_check_close(d->check);
    sealed_chunk_close(d->sealed);
    sim_family_close(d->market);
    td_free(d->padded);
}

int main(int argc, char **argv)
{
    if (argc != 6 || strcmp(argv[2], "--frames") != 0 || strcmp(argv[4], "--symbols") != 0) {
        fprintf(stderr, "usage: bench_day FOLDER --frames N --symbols N\n");
        return 2;
    }
    day *d = td_alloc_zero(1, sizeof *d);
    open_archive(d, argv[1]);
    open_market(d, (uint32_t)strtoul(argv[5], NULL, 10));
    play(d, strtoull(argv[3], NULL, 10));
    uint32_t middle = sim_family_stream_count(d->market) / 2;
    printf("{\"frames\":%llu,\"bytes\":%llu,\"from_ns\":%llu,\"symbol\":\"%s\"}\n",
           (unsigned long long)d->ordinal, (unsigned long long)d->bytes,
           (unsigned long long)BEGIN_NS, sim_family_stream_at(d->market, middle).symbol);
    close_day(d);
    td_free(d);
    return 0;
}
