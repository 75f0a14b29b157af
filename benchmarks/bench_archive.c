/* Makes an archive of many small segments: consecutive hours of one feed, with a few trades of each
 * symbol. Each midnight a new connection begins, after a gap. Nothing is synced, so that ten
 * thousand segments take seconds.
 *
 *   bench_archive FOLDER --segments N --symbols N      prints {"from_ns","to_ns","symbol"} */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io_posix.h"
#include "archive/archive_writer.h"
#include "recorder/capture/feed_writer.h"
#include "schema/decode.h"

#define HOUR_NS  (UINT64_C(3600) * TD_NS_PER_S)
#define BEGIN_NS (UINT64_C(412272) * HOUR_NS) /* 2017-01-12 */

enum { TURNS = 6 /* trades of each symbol per hour */, FRAME_BYTES = 400, DAY_HOURS = 24 };

static const char FAMILY[] = "v5-linear";
static const char TRADE[] =
    "{\"topic\":\"publicTrade.%s\",\"type\":\"snapshot\",\"ts\":%llu,\"data\":[{\"T\":%llu,"
    "\"s\":\"%s\",\"S\":\"Buy\",\"v\":\"0.001\",\"p\":\"16578.50\",\"L\":\"PlusTick\","
    "\"i\":\"%08llx-5d3a-5a5b-8f4a-2e2f0c8d1b11\",\"BT\":false}]}";

typedef struct hours {
    archive *into;
    archive_writer *writer;
    feed_writer *feed;
    sealed_chunk *sealed;
    uint32_t conn;
    uint64_t ordinal; /* on the connection */
    uint64_t trades;
    uint64_t recv_ns;
} hours;

static void must(td_result rc, const td_err *err)
{
    if (rc == TD_OK)
        return;
    fprintf(stderr, "bench_archive: %s\n", err->text);
    exit(4);
}

/* Replaces the C library's function: nothing is synced. */
int fsync(int fd)
{
    (void)fd;
    return 0;
}

int fdatasync(int fd)
{
    (void)fd;
    return 0;
}

static td_result seal(void *user, td_err *err)
{
    hours *h = user;
    if (!feed_writer_seal(h->feed, CHUNK_LEVEL_DEFAULT, h->sealed))
        return TD_OK;
    return archive_writer_put(h->writer, 0, h->sealed, err);
}

static void open_archive(hours *h, const char *folder)
{
    td_err err;
    size_t index;
    const archive_options options = {.io = io_posix(), .clock = clock_real(), .verb = "record"};
    const archive_writer_options writing = {.version = "bench", .start_ns = BEGIN_NS};
    must(archive_open(&options, folder, ARCHIVE_APPEND, &h->into, &err), &err);
    must(archive_writer_open(h->into, &writing, &h->writer, &err), &err);
    must(archive_writer_add_feed(h->writer, FAMILY, FAMILY, NULL, &index, &err), &err);
    const feed_writer_options feed = {.name = FAMILY,
                                      .family = family_find(td_bytes_str(FAMILY)),
                                      .session = archive_session(h->into),
                                      .interval_ns = HOUR_NS,
                                      .full = seal,
                                      .user = h};
    h->feed = feed_writer_open(&feed);
    h->sealed = sealed_chunk_open();
}

static void connect(hours *h, uint64_t recv_ns)
{
    td_err err;
    const event began = {
        .kind = EVENT_CONNECT, .conn = ++h->conn, .url = "wss://bench/v5/public/linear"};
    const event_slot at = {.conn = h->conn, .since_ns = recv_ns};
    h->ordinal = 0;
    must(feed_writer_event(h->feed, recv_ns, &began, &err), &err);
    must(feed_writer_ordinals(h->feed, &at, &err), &err);
}

static void reconnect(hours *h, uint64_t recv_ns)
{
    td_err err;
    const event ended = {.kind = EVENT_DISCONNECT, .conn = h->conn, .cause = "closed_by_peer"};
    event lost = {.kind = EVENT_GAP,
                  .gap = gap_row_of(GAP_DISCONNECT, FAMILY, h->recv_ns, recv_ns + TD_NS_PER_MS,
                                    "closed_by_peer")};
    lost.gap.conn = h->conn;
    must(feed_writer_event(h->feed, recv_ns, &ended, &err), &err);
    feed_writer_closed(h->feed, 0, 0, h->recv_ns);
    connect(h, recv_ns + TD_NS_PER_MS / 2);
    must(feed_writer_event(h->feed, recv_ns + TD_NS_PER_MS, &lost, &err), &err);
}

static void write_trade(hours *h, const char *symbol, uint64_t recv_ns)
{
    td_err err;
    feed_written written;
    char text[FRAME_BYTES + DECODE_PADDING_BYTES] = "";
    const unsigned long long ms = recv_ns / TD_NS_PER_MS;
    const int size =
        snprintf(text, FRAME_BYTES, TRADE, symbol, ms, ms, symbol, (unsigned long long)h->trades++);
    h->recv_ns = recv_ns;
    feed_frame frame = {.conn = h->conn,
                        .dir = CHANNEL_IN,
                        .opcode = OPCODE_TEXT,
                        .ordinal = ++h->ordinal,
                        .recv_ns = recv_ns,
                        .bytes = td_bytes_of(text, (size_t)size)};
    must(feed_writer_frame(h->feed, &frame, &written, &err), &err);
}

static void write_hour(hours *h, uint64_t from_ns, unsigned symbols)
{
    char symbol[16];
    for (unsigned turn = 0; turn < TURNS; turn++)
        for (unsigned i = 0; i < symbols; i++) {
            (void)snprintf(symbol, sizeof symbol, "C%uUSDT", i);
            write_trade(h, symbol, from_ns + (turn * HOUR_NS) / TURNS + (i + 2) * TD_NS_PER_MS);
        }
}

static void close_archive(hours *h)
{
    td_err err;
    must(seal(h, &err), &err);
    must(archive_writer_close(h->writer, WRITER_STOP, h->recv_ns, &err), &err);
    archive_close(h->into);
    feed_writer_close(h->feed);
    sealed_chunk_close(h->sealed);
}

int main(int argc, char **argv)
{
    if (argc != 6 || strcmp(argv[2], "--segments") != 0 || strcmp(argv[4], "--symbols") != 0) {
        fprintf(stderr, "usage: bench_archive FOLDER --segments N --symbols N\n");
        return 2;
    }
    hours h = {0};
    const uint64_t segments = strtoull(argv[3], NULL, 10);
    const unsigned symbols = (unsigned)strtoul(argv[5], NULL, 10);
    open_archive(&h, argv[1]);
    connect(&h, BEGIN_NS);
    for (uint64_t i = 0; i < segments; i++) {
        if (i % DAY_HOURS == 0 && i > 0)
            reconnect(&h, BEGIN_NS + i * HOUR_NS);
        write_hour(&h, BEGIN_NS + i * HOUR_NS, symbols);
    }
    close_archive(&h);
    printf("{\"from_ns\":%llu,\"to_ns\":%llu,\"symbol\":\"C%uUSDT\"}\n",
           (unsigned long long)BEGIN_NS, (unsigned long long)h.recv_ns, symbols / 2);
    return 0;
}
