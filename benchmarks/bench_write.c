/* How many frames per second does the recorder's write path handle on one core: classify, find the
 * channel, build the chunk with its indexes, compress, chain, append, sync? It runs the same
 * modules as the encoder and disk threads, one after the other.
 *
 *   bench_write CORPUS FOLDER --frames N      prints {"frames","bytes","wall_s","cpu_s"} */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/io_posix.h"
#include "recorder/capture/feed_writer.h"
#include "archive/archive_writer.h"
#include "schema/decode.h"

typedef struct corpus {
    char *bytes; /* each frame is followed by padding for the parser */
    size_t *offsets;
    size_t *sizes;
    size_t count;
} corpus;

typedef struct write_bench {
    corpus frames;
    archive *into;
    archive_writer *writer;
    feed_writer *feed;
    sealed_chunk *sealed;
} write_bench;

static void must(td_result rc, const td_err *err)
{
    if (rc == TD_OK)
        return;
    fprintf(stderr, "bench_write: %s\n", err->text);
    exit(4);
}

static double cpu_s(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void load_corpus(corpus *out, const char *path)
{
    td_err err;
    td_file *file;
    uint64_t size;
    must(td_io_open(io_posix(), path, TD_OPEN_READ, &file, &err), &err);
    must(td_io_size(file, &size, &err), &err);
    out->bytes = td_alloc((size_t)size + DECODE_PADDING_BYTES);
    out->offsets = td_alloc_zero((size_t)size / 2 + 1, sizeof *out->offsets);
    out->sizes = td_alloc_zero((size_t)size / 2 + 1, sizeof *out->sizes);
    if (out->bytes == NULL || out->offsets == NULL || out->sizes == NULL)
        exit(4);
    must(td_io_read_exact(file, 0, out->bytes, (size_t)size, &err), &err);
    td_io_close(file);
    memset(out->bytes + size, 0, DECODE_PADDING_BYTES);
    for (size_t at = 0; at < size;) {
        char *newline = memchr(out->bytes + at, '\n', (size_t)size - at);
        if (newline == NULL)
            break;
        out->offsets[out->count] = at;
        out->sizes[out->count++] = (size_t)(newline - out->bytes) - at;
        at = (size_t)(newline - out->bytes) + 1;
    }
}

static td_result seal(void *user, td_err *err)
{
    write_bench *b = user;
    if (!feed_writer_seal(b->feed, CHUNK_LEVEL_DEFAULT, b->sealed))
        return TD_OK;
    return archive_writer_put(b->writer, 0, b->sealed, err);
}

static void write_frame(write_bench *b, uint64_t n, uint64_t recv_ns)
{
    td_err err;
    size_t i = n % b->frames.count;
    feed_frame frame = {
        .conn = 1,
        .dir = CHANNEL_IN,
        .opcode = OPCODE_TEXT,
        .ordinal = n + 1,
        .recv_ns = recv_ns,
        .bytes = td_bytes_of(b->frames.bytes + b->frames.offsets[i], b->frames.sizes[i])};
    feed_written written;
    must(feed_writer_frame(b->feed, &frame, &written, &err), &err);
}

static void open_bench(write_bench *b, const char *corpus_path, const char *folder)
{
    td_err err;
    size_t index;
    archive_options options = {.io = io_posix(), .clock = clock_real(), .verb = "bench"};
    archive_writer_options writing = {.version = "bench", .start_ns = clock_wall_ns(clock_real())};
    load_corpus(&b->frames, corpus_path);
    must(archive_open(&options, folder, ARCHIVE_APPEND, &b->into, &err), &err);
    must(archive_writer_open(b->into, &writing, &b->writer, &err), &err);
    must(archive_writer_add_feed(b->writer, "inverse", "inverse", NULL, &index, &err), &err);
    const feed_writer_options feed = {.name = "inverse",
                                      .family = family_find(td_bytes_str("inverse")),
                                      .session = archive_session(b->into),
                                      .full = seal,
                                      .user = b};
    b->feed = feed_writer_open(&feed);
    b->sealed = sealed_chunk_open();
    if (b->frames.count == 0)
        exit(4);
}

static void close_bench(write_bench *b)
{
    td_err err;
    must(archive_writer_close(b->writer, WRITER_STOP, clock_wall_ns(clock_real()), &err), &err);
    archive_close(b->into);
    feed_writer_close(b->feed);
    sealed_chunk_close(b->sealed);
    td_free(b->frames.bytes);
    td_free(b->frames.offsets);
    td_free(b->frames.sizes);
}

int main(int argc, char **argv)
{
    if (argc != 5 || strcmp(argv[3], "--frames") != 0) {
        fprintf(stderr, "usage: bench_write CORPUS FOLDER --frames N\n");
        return 2;
    }
    td_err err;
    write_bench *b = td_alloc_zero(1, sizeof *b);
    if (b == NULL)
        return 4;
    open_bench(b, argv[1], argv[2]);
    uint64_t frames = strtoull(argv[4], NULL, 10), bytes = 0;
    uint64_t start_ns = clock_wall_ns(clock_real());
    double wall = cpu_s(CLOCK_MONOTONIC), cpu = cpu_s(CLOCK_PROCESS_CPUTIME_ID);
    for (uint64_t n = 0; n < frames; n++) {
        write_frame(b, n, start_ns + n * 1000);
        bytes += b->frames.sizes[n % b->frames.count];
    }
    must(seal(b, &err), &err);
    wall = cpu_s(CLOCK_MONOTONIC) - wall;
    cpu = cpu_s(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    close_bench(b);
    td_free(b);
    printf("{\"frames\":%llu,\"bytes\":%llu,\"wall_s\":%.6f,\"cpu_s\":%.6f}\n",
           (unsigned long long)frames, (unsigned long long)bytes, wall, cpu);
    return 0;
}
