/* Any bytes as a peer's stream: a handshake, then frames. Besides not crashing: however the stream
 * is cut into reads, the same events come out; text is UTF-8; nothing is larger than the bound, and
 * nothing follows a close frame or a failure. The first byte chooses peer, compression and cuts. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "tests/testing/fuzz_input.h"
#include "wire/handshake.h"
#include "wire/websocket.h"

enum { MESSAGE_BYTES_MAX = 1 << 16 };

typedef struct summary {
    uint64_t hash;
    size_t events;
    unsigned failure; /* its code; 0: none */
} summary;

static void note(summary *sum, const ws_event *event)
{
    TD_ASSERT(event->bytes.size <= MESSAGE_BYTES_MAX);
    TD_ASSERT(event->opcode < WS_CLOSE || event->bytes.size <= WS_CONTROL_BYTES_MAX);
    if (event->opcode == WS_TEXT || event->opcode == WS_CLOSE)
        TD_ASSERT(td_utf8_is_text(event->bytes));
    sum->events++;
    sum->hash = sum->hash * 31 + td_xxh64(event->bytes.data, event->bytes.size);
    sum->hash = sum->hash * 31 + event->opcode + event->code + event->is_fragmented * 16u +
                event->is_compressed * 32u;
}

static summary read_frames(td_bytes stream, unsigned how, size_t piece_bytes)
{
    summary sum = {0};
    ws_reader reader;
    ws_event event;
    int is_over = 0;
    deflate_receiver *inflater = (how & 2) != 0 ? deflate_receiver_open(DEFLATE_TAKEOVER) : NULL;
    ws_reader_init(&reader, (how & 1) != 0 ? WS_FROM_CLIENT : WS_FROM_SERVER, inflater,
                   MESSAGE_BYTES_MAX);
    for (size_t at = 0, size; at < stream.size; at += size) {
        size = stream.size - at < piece_bytes ? stream.size - at : piece_bytes;
        uint8_t *piece = td_alloc(size); /* so that a sanitizer sees each byte beyond */
        memcpy(piece, stream.data + at, size);
        ws_give(&reader, piece, size, at);
        for (ws_result rc; (rc = ws_read(&reader, &event)) != WS_MORE;) {
            TD_ASSERT(!is_over);
            if (rc == WS_EVENT)
                note(&sum, &event);
            else
                sum.failure = event.code;
            is_over = rc == WS_FAILURE || event.opcode == WS_CLOSE;
        }
        td_free(piece);
    }
    ws_reader_fini(&reader);
    deflate_receiver_close(inflater);
    return sum;
}

static void read_heads(td_bytes stream)
{
    static const handshake_ask ASK = {"localhost", "/", "the sample nonce", 1};
    handshake_request request;
    handshake_reply reply;
    size_t size = handshake_head_bytes(stream);
    td_bytes head = size == 0 ? stream : td_bytes_of(stream.data, size);
    handshake_read_request(head, &request);
    TD_ASSERT((request.why == NULL) == (request.status == 101 || request.status == 200));
    handshake_read_reply(&ASK, head, &reply);
    TD_ASSERT(reply.why != NULL || reply.status >= 100);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t PIECES[] = {1, 2, 7, 64};
    if (size == 0)
        return 0;
    td_bytes stream = td_bytes_of(data + 1, size - 1);
    read_heads(stream);
    summary whole = read_frames(stream, data[0], SIZE_MAX);
    summary cut = read_frames(stream, data[0], PIECES[data[0] >> 2 & 3]);
    TD_ASSERT(whole.hash == cut.hash);
    TD_ASSERT(whole.events == cut.events);
    TD_ASSERT(whole.failure == cut.failure);
    return 0;
}
