/* Decodes the data frames of an archive, as `replay` does, but from memory: nothing else is counted
 * than the decoder, once the frames are there.
 *
 *   bench_decode ARCHIVE --rounds N
 *
 * prints {"frames","bytes","slow"}, the first two of one round. slow: books and trades of all
 * rounds that took the row-driven decoder. A frame that cannot be decoded ends the program. */
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "benchmarks/corpus.h"
#include "archive/archive.h"
#include "schema/decode.h"
#include "tape/cursor.h"

typedef struct frame {
    td_bytes bytes; /* with padding */
    const topic_match *topic;
} frame;

enum { FRAMES_MAX = 100000 };

static size_t load_frames(cursor *from, frame *frames)
{
    td_err err;
    const frame_ref *read;
    size_t count = 0;
    td_result rc;
    while ((rc = cursor_next(from, &read, &err)) == TD_OK && count < FRAMES_MAX) {
        if (read->channel->role != ROLE_DATA || read->channel->topic.row == NULL)
            continue;
        uint8_t *bytes = td_alloc_zero(1, read->bytes.size + DECODE_PADDING_BYTES);
        memcpy(bytes, read->bytes.data, read->bytes.size);
        frames[count++] = (frame){td_bytes_of(bytes, read->bytes.size), &read->channel->topic};
    }
    if (rc != TD_EOF)
        must(rc, &err);
    return count;
}

int main(int argc, char **argv)
{
    if (argc != 4 || strcmp(argv[2], "--rounds") != 0) {
        fprintf(stderr, "usage: bench_decode ARCHIVE --rounds N\n");
        return 2;
    }
    td_err err;
    archive *opened;
    cursor *from;
    const archive_options options = {.io = io_posix(), .clock = clock_real(), .verb = "bench"};
    must(archive_open(&options, argv[1], ARCHIVE_READ, &opened, &err), &err);
    must(cursor_open(opened, &(selection){0}, &(cursor_options){0}, &from, &err), &err);
    frame *frames = td_alloc_zero(FRAMES_MAX, sizeof *frames);
    const size_t count = load_frames(from, frames);
    size_t bytes = 0;
    decoder *d = decoder_open();
    for (long rounds = atol(argv[3]); rounds > 0; rounds--) {
        bytes = 0;
        for (size_t i = 0; i < count; i++) {
            message out;
            decode_error why;
            bytes += frames[i].bytes.size;
            if (decoder_decode(d, frames[i].topic, frames[i].bytes, DECODE_PATH_FAST, &out, &why))
                continue;
            fprintf(stderr, "bench_decode: %s: %.*s\n", decode_reason_name(why.reason),
                    (int)frames[i].bytes.size, (const char *)frames[i].bytes.data);
            return 4;
        }
    }
    printf("{\"frames\":%zu,\"bytes\":%zu,\"slow\":%llu}\n", count, bytes,
           (unsigned long long)decoder_slow_count(d));
    decoder_close(d);
    cursor_close(from);
    archive_close(opened);
    return 0;
}
