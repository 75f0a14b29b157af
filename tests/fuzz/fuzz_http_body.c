/* Any bytes as the body of a reply: with a length, in chunks, or up to the connection's end.
 * Besides not crashing: the result does not depend on how the stream is split into reads; it never
 * exceeds the limit; and a body written in chunks is read back. The first byte chooses form and
 * limit. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/random.h"
#include "tests/testing/fuzz_input.h"
#include "wire/http_body.h"

/* Bits of the first byte; the other bits are the limit. */
enum { CHUNKED = 1, SIZED = 2, ROUND_TRIP = 4 };

typedef struct outcome {
    body_result result;
    size_t size;
    uint64_t hash;
    int ends_here;
} outcome;

/* In reads of at most piece_bytes. */
static outcome read_body(td_bytes stream, unsigned how, size_t bytes_max, size_t piece_bytes)
{
    http_body body;
    td_random random;
    outcome out = {.result = BODY_MORE};
    td_random_init(&random, stream.size);
    http_body_init(&body, (how & SIZED) != 0 ? 1000 : -1, (how & CHUNKED) != 0, bytes_max);
    for (size_t at = 0, size; at < stream.size && out.result == BODY_MORE; at += size) {
        size = 1 + (size_t)td_random_below(&random, piece_bytes);
        size = stream.size - at < size ? stream.size - at : size;
        uint8_t *piece = td_alloc(size); /* exact size, for sanitizers */
        memcpy(piece, stream.data + at, size);
        out.result = http_body_read(&body, td_bytes_of(piece, size));
        td_free(piece);
    }
    td_bytes got = http_body_view(&body);
    TD_ASSERT(got.size <= bytes_max);
    TD_ASSERT(body.bytes.size <= bytes_max + piece_bytes + 2048);
    out.ends_here = http_body_ends_here(&body);
    out.size = got.size;
    out.hash = td_xxh64(got.data, got.size);
    td_buf_fini(&body.bytes);
    return out;
}

static void check_cuts(td_bytes stream, unsigned how)
{
    static const size_t BOUNDS[] = {0, 1, 64, 1000, 70000};
    size_t bytes_max = BOUNDS[(how >> 3) % 5];
    outcome whole = read_body(stream, how, bytes_max, SIZE_MAX / 4);
    for (size_t piece_bytes = 1; piece_bytes <= 64; piece_bytes *= 8) {
        outcome cut = read_body(stream, how, bytes_max, piece_bytes);
        TD_ASSERT(cut.result == whole.result);
        /* If the body exceeds the limit, the first reads may have been kept. */
        if (whole.result == BODY_TOO_LARGE)
            continue;
        TD_ASSERT(cut.size == whole.size);
        TD_ASSERT(cut.hash == whole.hash);
        TD_ASSERT(cut.ends_here == whole.ends_here);
    }
}

/* Writes chunks whose sizes are their first bytes. */
static void check_round_trip(td_bytes body)
{
    td_buf stream;
    td_bytes rest = body;
    td_buf_init(&stream, SIZE_MAX);
    while (rest.size > 0) {
        size_t size = 1 + *rest.data;
        size = size < rest.size ? size : rest.size;
        TD_ASSERT(td_buf_printf(&stream, NULL, "%zx;a=b\r\n", size) == TD_OK);
        td_buf_add(&stream, rest.data, size);
        td_buf_add(&stream, "\r\n", 2);
        rest = td_bytes_of(rest.data + size, rest.size - size);
    }
    td_buf_add(&stream, "0\r\nA: b\r\n\r\nnot read", 19);
    for (size_t piece_bytes = 1; piece_bytes <= 4096; piece_bytes *= 16) {
        outcome back = read_body(td_buf_view(&stream), CHUNKED, body.size, piece_bytes);
        TD_ASSERT(back.result == BODY_WHOLE);
        TD_ASSERT(back.size == body.size);
        TD_ASSERT(back.hash == td_xxh64(body.data, body.size));
    }
    td_buf_fini(&stream);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    td_bytes rest = td_bytes_of(data + 1, size - 1);
    if ((data[0] & ROUND_TRIP) != 0)
        check_round_trip(rest);
    else
        check_cuts(rest, data[0]);
    return 0;
}
