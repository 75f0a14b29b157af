/* Limit: how many frames per second can one core write as MCAP messages, with checksums, zstd level
 * 1 and writes to the file system? Nothing is classified, indexed, chained or synced.
 *
 *   limit_write CORPUS OUT --frames N      prints {"frames","bytes","wall_s","cpu_s"} */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <libdeflate.h>
#include <zstd.h>

enum { CHUNK_BYTES = 1 << 20, FRAME_BYTES_MAX = 1 << 20, MESSAGE_HEAD_BYTES = 31 };

typedef struct line {
    const char *bytes;
    size_t size;
} line;

static double clock_s(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void die(const char *what)
{
    fprintf(stderr, "limit_write: %s\n", what);
    exit(4);
}

static line *read_lines(const char *path, size_t *count)
{
    struct stat about;
    FILE *in = fopen(path, "rb");
    if (in == NULL || fstat(fileno(in), &about) != 0)
        die("the corpus cannot be read");
    size_t size = (size_t)about.st_size;
    char *bytes = malloc(size);
    line *lines = malloc(sizeof *lines * (size / 2 + 1));
    if (bytes == NULL || lines == NULL || fread(bytes, 1, size, in) != size)
        die("the corpus cannot be read");
    fclose(in);
    *count = 0;
    for (char *at = bytes, *end = bytes + size; at < end;) {
        char *newline = memchr(at, '\n', (size_t)(end - at));
        if (newline == NULL)
            break;
        lines[(*count)++] = (line){at, (size_t)(newline - at)};
        at = newline + 1;
    }
    if (*count == 0)
        die("the corpus holds no frame");
    return lines;
}

static uint8_t *put_message(uint8_t *out, const line *frame, uint64_t n)
{
    uint64_t size = MESSAGE_HEAD_BYTES - 9 + frame->size;
    uint64_t time_ns = n * 1000000;
    uint16_t channel = 1;
    uint32_t sequence = (uint32_t)n;
    out[0] = 0x05;
    memcpy(out + 1, &size, 8);
    memcpy(out + 9, &channel, 2);
    memcpy(out + 11, &sequence, 4);
    memcpy(out + 15, &time_ns, 8);
    memcpy(out + 23, &time_ns, 8);
    memcpy(out + MESSAGE_HEAD_BYTES, frame->bytes, frame->size);
    return out + MESSAGE_HEAD_BYTES + frame->size;
}

int main(int argc, char **argv)
{
    if (argc != 5 || strcmp(argv[3], "--frames") != 0)
        die("usage: limit_write CORPUS OUT --frames N");
    size_t count;
    line *lines = read_lines(argv[1], &count);
    uint64_t frames = strtoull(argv[4], NULL, 10), bytes = 0;
    size_t packed_space = ZSTD_compressBound(CHUNK_BYTES + FRAME_BYTES_MAX) + 4;
    uint8_t *chunk = malloc(CHUNK_BYTES + FRAME_BYTES_MAX), *packed = malloc(packed_space);
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    int out = open(argv[2], O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
    if (chunk == NULL || packed == NULL || zstd == NULL || out < 0)
        die("cannot start");
    memset(chunk, 1, CHUNK_BYTES + FRAME_BYTES_MAX);
    off_t at = 0;
    uint8_t *end = chunk;
    double wall = clock_s(CLOCK_MONOTONIC), cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID);
    for (uint64_t n = 0; n < frames; n++) {
        const line *frame = &lines[n % count];
        end = put_message(end, frame, n);
        bytes += frame->size;
        if (end - chunk < CHUNK_BYTES && n + 1 < frames)
            continue;
        size_t size = (size_t)(end - chunk);
        uint32_t crc = libdeflate_crc32(0, chunk, size);
        memcpy(packed, &crc, 4);
        size_t packed_bytes = ZSTD_compressCCtx(zstd, packed + 4, packed_space - 4, chunk, size, 1);
        if (ZSTD_isError(packed_bytes) ||
            pwrite(out, packed, packed_bytes + 4, at) != (ssize_t)packed_bytes + 4)
            die("cannot write");
        at += (off_t)packed_bytes + 4;
        end = chunk;
    }
    printf("{\"frames\":%llu,\"bytes\":%llu,\"wall_s\":%.6f,\"cpu_s\":%.6f}\n",
           (unsigned long long)frames, (unsigned long long)bytes, clock_s(CLOCK_MONOTONIC) - wall,
           clock_s(CLOCK_PROCESS_CPUTIME_ID) - cpu);
    close(out);
    return 0;
}
